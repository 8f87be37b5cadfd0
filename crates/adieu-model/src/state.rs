//! One state: two stacks, each with its clock, and what is between them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;

use adieu_core::wire::{Flags, Packet, Segment, checksum, ip::Datagram};
use adieu_core::{Duration, Flow, Instant, ListenerId, Outlook, Secrets, Seq, Stack};

use crate::end::End;
use crate::scope::{Part, Scope, base};

/// A state of the model.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Left and right.
    pub(crate) sides: [Arc<Side>; 2],
    /// Packets in flight, in an order of their own.
    pub(crate) wire: Vec<Arc<Parcel>>,
    /// Packets the wire has lost, and repeated.
    pub(crate) lost: u8,
    /// Packets it has delivered more than once.
    pub(crate) copied: u8,
    /// It has died.
    pub(crate) dead: bool,
    /// What has gone wrong on the way here.
    pub(crate) fault: Option<Arc<Fault>>,
}

/// A property that does not hold.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Fault {
    /// The requirement.
    pub id: &'static str,
    /// What is the matter.
    pub text: String,
}

/// A packet in flight.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Parcel {
    /// Who sent it.
    pub(crate) from: usize,
    /// IP header and all that follows.
    pub(crate) bytes: Vec<u8>,
    /// Whether it, or what has provoked it, is older than the record that each side has now.
    pub(crate) older: [bool; 2],
}

/// A stack, its clock, its application.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    /// The code that is checked.
    pub(crate) stack: Stack,
    /// Its present.
    pub(crate) now: Instant,
    /// Its end of every incarnation, the oldest first.
    pub(crate) ends: Vec<End>,
    /// What listens.
    pub(crate) listener: Option<ListenerId>,
    /// What the application may still do.
    pub(crate) left: Left,
    /// Tag of the next incarnation.
    pub(crate) next_tag: u8,
    /// When its next timer fires.
    pub(crate) due: Instant,
    /// Something is opening.
    pub(crate) opening: bool,
    /// Of all that.
    digest: u64,
}

/// What an application may still do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Left {
    /// Times it may connect.
    pub(crate) connects: u8,
    /// Calls it may make for a connection.
    pub(crate) calls: u8,
    /// Times it may stop listening.
    pub(crate) restarts: u8,
    /// Seconds that may pass for it.
    pub(crate) waits: u8,
}

/// Where both ends are.
pub(crate) fn address(side: usize) -> SocketAddr {
    SocketAddr::from(if side == 0 { ([10, 0, 0, 1], 4000) } else { ([10, 0, 0, 2], 80) })
}

/// The one flow there is, seen from a side.
pub(crate) fn flow(side: usize) -> Flow {
    Flow::new(address(side), address(1 - side))
}

/// Initial numbers just before the wrap: data crosses it on the left, and begins behind it on the right.
const FIRST: [u32; 2] = [u32::MAX - 1, u32::MAX];
/// Where both connect: there the middle of all numbers is crossed. A reset that answers a SYN has number 0, which none
/// of a connection's numbers is but by a chance of one in four billion.
const MIDDLE: [u32; 2] = [u32::MAX / 2 - 1, u32::MAX / 2];

impl Side {
    fn new(scope: &Scope, side: usize) -> Self {
        let part: &Part = &scope.sides[side];
        let mut config = base();
        (scope.config)(&mut config);
        config.addresses = vec![address(side).ip()];
        let secrets = Secrets::from_bytes([u8::try_from(side).unwrap_or(0) + 7; 48]);
        let first = if scope.sides.iter().any(|part| part.listens) { FIRST } else { MIDDLE };
        let now = begins_at(&Stack::new(config.clone(), secrets.clone(), checksum::sum), side, first[side]);
        let mut stack = Stack::new(config, secrets, checksum::sum);
        stack.handle_timeout(now);
        let listener = part.listens.then(|| stack.listen_with(address(side), part.settings()).ok()).flatten();
        let left = Left { connects: part.connects, calls: part.most, restarts: part.restarts, waits: part.waits };
        let (ends, next_tag, due, opening) = (Vec::new(), 0, Instant::NEVER, false);
        let mut side = Self { stack, now, ends, listener, left, next_tag, due, opening, digest: 0 };
        side.seal();
        side
    }

    /// After every step: what is looked up often.
    pub(crate) fn seal(&mut self) {
        self.due = self.stack.poll_timeout();
        self.opening = self.stack.leftover().openings > 0;
        let mut hasher = DefaultHasher::new();
        self.stack.digest(self.now, Outlook::NoNewConnections, &mut hasher);
        self.ends.iter().for_each(|end| end.hash(&mut hasher));
        (self.listener.is_some(), self.left, self.next_tag).hash(&mut hasher);
        self.digest = hasher.finish();
    }

    /// The end that has the flow, or had it last.
    pub(crate) fn last(&self) -> Option<&End> {
        self.ends.last()
    }
}

/// When the clock of initial numbers says what the first connection shall begin with.
fn begins_at(stack: &Stack, side: usize, first: u32) -> Instant {
    let mut probe = stack.clone();
    _ = probe.connect(Instant::ZERO, Some(address(side)), address(1 - side));
    let syn = probe.poll_transmit(Instant::ZERO).map(|packet| packet.to_vec()).unwrap_or_default();
    let ahead = read(&syn).map_or(0, |segment| first.wrapping_sub(segment.seq.0));
    Instant::ZERO + Duration::from_nanos(u64::from(ahead) * 4_000)
}

/// The segment in a packet.
pub(crate) fn read(bytes: &[u8]) -> Option<Segment<'_>> {
    let datagram = Datagram::parse(bytes).ok()?;
    Segment::parse(datagram.body, &Packet::new(bytes))
}

impl Parcel {
    /// Its segment.
    pub(crate) fn segment(&self) -> Segment<'_> {
        read(&self.bytes).expect("a stack sends what can be read")
    }
}

impl State {
    pub(crate) fn new(scope: &Scope) -> Self {
        let sides = [0, 1].map(|side| Arc::new(Side::new(scope, side)));
        Self { sides, wire: Vec::new(), lost: 0, copied: 0, dead: false, fault: None }
    }

    /// Whether a connection may still begin: then the clocks of initial numbers tell states apart.
    fn may_begin(&self) -> bool {
        let syn = |parcel: &Arc<Parcel>| {
            let flags = Flags::from_bits(parcel.bytes[33]);
            flags.has(Flags::SYN) && !flags.has(Flags::ACK)
        };
        self.sides.iter().any(|side| side.opening || side.left.connects > 0) || self.wire.iter().any(syn)
    }

    /// Everything of it in a number.
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { sides, wire, lost, copied, dead, fault } = self;
        sides.iter().for_each(|side| side.digest.hash(state));
        if self.may_begin() {
            sides.iter().for_each(|side| side.now.hash(state));
        }
        (wire, lost, copied, dead, fault).hash(state);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

/// How far `number` lies after `start`.
pub(crate) fn offset(number: Seq, start: u32) -> u32 {
    number.0.wrapping_sub(start)
}
