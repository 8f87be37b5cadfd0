//! What stands between the hosts besides the wire, and what it does to packets.

use std::net::IpAddr;

use adieu_core::wire::ip::{ecn_bits, header_len};
use adieu_core::{Duration, Flow, Instant};
use adieu_trace::Side;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::{Bottleneck, Class, Deed, Fault, IcmpError, Nat};

/// A time in which nothing gets onto the link. What is on its way already arrives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LinkDown {
    /// Which direction: packets from there; `None` for both.
    pub from: Option<Side>,
    /// From then on.
    pub begin: Instant,
    /// Until then; [`Instant::NEVER`] for ever.
    pub end: Instant,
}

impl LinkDown {
    /// Both directions, from `begin` on.
    pub fn new(begin: Instant, lasts: Duration) -> Self {
        Self { from: None, begin, end: begin + lasts }
    }

    /// Whether a packet of `from` is lost now.
    pub fn holds(&self, from: Side, now: Instant) -> bool {
        self.from.is_none_or(|meant| meant == from) && self.begin <= now && now < self.end
    }
}

/// What a router says where a packet is too large for the next link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TooBig {
    /// That it is, and what would have passed.
    #[default]
    Told,
    /// That it is, and nothing else, as IPv4 routers did before RFC 1191. Over IPv6 the same as `Told`.
    Unsized,
    /// Nothing: a black hole.
    Silent,
}

/// A link on the path that carries less than the hosts' devices. An IPv4 packet that may be cut ("do not fragment" is
/// not set) passes whole, as if somebody before its receiver put the pieces together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Narrow {
    /// The largest IP packet that passes.
    pub mtu: u16,
    /// What becomes known where one does not.
    pub says: TooBig,
}

/// The way between the hosts. All of it may be changed at any time. The default does nothing, draws nothing, and costs
/// a look.
#[derive(Debug)]
pub struct Path {
    /// Faults of classes of segments, on all flows.
    pub faults: Vec<Fault>,
    /// When the link is down.
    pub links: Vec<LinkDown>,
    /// The narrowest link, for what leaves the left and the right host.
    pub narrow: [Option<Narrow>; 2],
    /// Chance, in millionths, that a router marks a packet that may be marked (RFC 3168), for what leaves the left and
    /// the right host.
    pub marks: [u32; 2],
    /// The slowest link, for what leaves the left and the right host. Packets come to it as they leave the host's own
    /// wire, before that decides whether they are lost and how long they take.
    pub bottleneck: [Option<Bottleneck>; 2],
    /// A middlebox that remembers flows. Packets meet it when they arrive.
    pub nat: Option<Nat>,
    /// Another stream of the world's seed than the wire's: what is drawn here shifts nothing there.
    rng: ChaCha8Rng,
}

/// What the path does to a packet that leaves.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Passage {
    pub(crate) deed: Option<Deed>,
    /// What a router answers.
    pub(crate) answer: Option<Vec<u8>>,
}

impl Path {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1);
        Self {
            faults: Vec::new(),
            links: Vec::new(),
            narrow: [None; 2],
            marks: [0; 2],
            bottleneck: [None, None],
            nat: None,
            rng,
        }
    }

    /// Whether nothing is set that could befall a packet when it leaves.
    pub(crate) fn is_clear(&self) -> bool {
        self.faults.is_empty() && self.links.is_empty() && self.narrow == [None; 2] && self.marks == [0; 2]
    }

    /// When a packet that is ready to leave at `at` has left the slowest link, too; `None` where that has no room.
    pub(crate) fn queue(&mut self, at: Instant, from: Side, bytes: usize) -> Option<Instant> {
        match &mut self.bottleneck[from as usize] {
            Some(bottleneck) => bottleneck.pass(at, bytes),
            None => Some(at),
        }
    }

    /// When the next link comes up again of those that are to.
    pub(crate) fn next_event(&self, now: Instant) -> Instant {
        let ends = self.links.iter().map(|link| link.end).filter(|end| *end > now);
        ends.fold(Instant::NEVER, Instant::min)
    }

    /// What becomes of a packet that leaves now.
    pub(crate) fn judge(&mut self, now: Instant, from: Side, seen: Option<(&Flow, Class)>, bytes: &[u8]) -> Passage {
        let mut passage = Passage::default();
        if let Some((flow, class)) = seen {
            for fault in &mut self.faults {
                let deed = fault.decide(from, flow, class, &mut self.rng);
                passage.deed = passage.deed.or(deed);
            }
        }
        let chance = self.marks[from as usize];
        if chance > 0 && ecn_bits(bytes) != 0 && self.rng.next_u32() % 1_000_000 < chance {
            passage.deed = passage.deed.or(Some(Deed::Mark));
        }
        if self.links.iter().any(|link| link.holds(from, now)) {
            passage.deed = Some(Deed::Lose);
        } else if let Some(narrow) = self.narrow[from as usize]
            && passage.deed != Some(Deed::Lose)
            && narrow.stops(bytes)
        {
            passage = Passage { deed: Some(Deed::Lose), answer: narrow.answer(bytes) };
        }
        passage
    }

    /// Flips one bit that a checksum covers: IPv4 covers its header, IPv6 leaves its first eight bytes to TCP, which
    /// knows a part of them.
    pub(crate) fn corrupt(&mut self, bytes: &mut [u8]) {
        let first = if is_ipv4(bytes) { 0 } else { 8 };
        let bits = u32::try_from(bytes.len().saturating_sub(first) * 8).unwrap_or(u32::MAX);
        let bit = self.rng.next_u32().checked_rem(bits).unwrap_or(0) as usize;
        if let Some(byte) = bytes.get_mut(first + bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
    }
}

fn is_ipv4(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|byte| byte >> 4 == 4)
}

impl Narrow {
    /// A link of which routers tell.
    pub fn new(mtu: u16) -> Self {
        Self { mtu, says: TooBig::Told }
    }

    fn stops(&self, bytes: &[u8]) -> bool {
        let may_be_cut = is_ipv4(bytes) && bytes.get(6).is_some_and(|flags| flags & 0x40 == 0);
        bytes.len() > usize::from(self.mtu) && !may_be_cut
    }

    fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mtu = match self.says {
            TooBig::Told => self.mtu,
            TooBig::Unsized if is_ipv4(bytes) => 0,
            TooBig::Unsized => self.mtu,
            TooBig::Silent => return None,
        };
        IcmpError::TooBig(mtu).about(bytes)
    }
}

/// As much of a packet as an error about it quotes: IPv4 routers send eight bytes behind the IP header, IPv6 ones as
/// much as fits into 1280.
pub(crate) fn quote_len(source: IpAddr) -> usize {
    match source {
        IpAddr::V4(_) => header_len(source) + 8,
        IpAddr::V6(_) => 1280 - header_len(source) - 8,
    }
}
