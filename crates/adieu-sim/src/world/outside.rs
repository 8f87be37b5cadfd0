//! What comes from neither host: what the path does, what routers tell, what attackers send.

use adieu_core::wire::ip::mark_congested;
use adieu_core::wire::{Flags, Segment};
use adieu_core::{Flow, Instant, Seq};
use adieu_trace::{Side, Trace};

use super::World;
use crate::capture::Capture;
use crate::nat::Fate;
use crate::sightings::{self, End};
use crate::{Aimed, Class, Deed, Forged, IcmpError, Keep, Number, Verdict};

/// Which packet an ICMP error is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Quote {
    /// The last one of that host that has not arrived: of any flow, or of the one the left host calls so.
    InFlight(Option<Flow>),
    /// A segment of that flow with this number, sent or not.
    Segment(Flow, Number),
    /// This packet, from its IP header on.
    Packet(Vec<u8>),
}

/// What the path makes of a packet that leaves.
#[derive(Debug, Default)]
pub(super) struct Treated {
    pub(super) verdict: Option<Verdict>,
    /// Where it is changed.
    pub(super) bytes: Option<Vec<u8>>,
    /// What comes back.
    pub(super) answer: Option<Vec<u8>>,
}

impl World {
    // ---- what leaves -------------------------------------------------------------------------------------------

    /// Notes a segment that leaves, and says its class. It may begin the connection that is to be followed.
    pub(super) fn see(&mut self, from: Side, seen: Option<&(Flow, Segment<'_>)>) -> Option<Class> {
        let (flow, segment) = seen?;
        let before = self.sightings.begun();
        let class = self.sightings.see(from, flow, segment);
        if before == self.follow && self.sightings.begun() > before && self.followed.is_none() {
            self.follow(*flow);
        }
        Some(class)
    }

    /// Lets the trace follow this flow, as the left host calls it. To be called before its first SYN: numbers in the
    /// trace count from there. What was followed before stays in the trace.
    pub fn follow(&mut self, flow: Flow) {
        self.followed = Some(flow);
        self.observe();
    }

    /// All flows of which a SYN has left a host, as the left host calls them, in their own order.
    pub fn flows(&self) -> impl Iterator<Item = Flow> + '_ {
        self.sightings.flows()
    }

    pub(super) fn treat(&mut self, from: Side, seen: Option<(&Flow, Class)>, bytes: &[u8]) -> Treated {
        if self.path.is_clear() {
            return Treated::default();
        }
        let passage = self.path.judge(self.now, from, seen, bytes);
        let (verdict, bytes) = match passage.deed {
            None => (None, None),
            Some(Deed::Lose) => (Some(Verdict::Lose), None),
            Some(Deed::Hold(longer)) => (Some(Verdict::Hold(longer)), None),
            Some(Deed::Again(later)) => (Some(Verdict::Again(later)), None),
            Some(Deed::Corrupt) => {
                let mut bytes = bytes.to_vec();
                self.path.corrupt(&mut bytes);
                (None, Some(bytes))
            }
            Some(Deed::Mark) => (None, Some(marked(bytes))),
        };
        Treated { verdict, bytes, answer: passage.answer }
    }

    // ---- what arrives ------------------------------------------------------------------------------------------

    /// A packet has come all the way to a host, or to the middlebox before it.
    pub(super) fn deliver(&mut self, to: Side, bytes: Vec<u8>) {
        let Some(nat) = &mut self.path.nat else { return self.deliver_to_host(to, bytes) };
        match nat.pass(self.now, to, bytes) {
            Fate::Passes(bytes) => self.deliver_to_host(to, bytes),
            Fate::Dropped => {}
            // From the middle of the path: half the way there, half the way back, and through no other box.
            Fate::Answered(bytes) => {
                self.keep(to, Some(self.now), &bytes);
                self.deliver_to_host(to.other(), bytes);
            }
        }
    }

    pub(super) fn deliver_to_host(&mut self, to: Side, bytes: Vec<u8>) {
        let gone = self.ports[to as usize].is_gone(self.now);
        let host = self.host(to);
        if gone {
            return host.missed += 1;
        }
        match host.life.receive(bytes) {
            Ok(bytes) => self.hand_over(to, &bytes),
            Err(waits) => host.missed += u64::from(!waits),
        }
    }

    /// Something is under way that no host has sent.
    pub(super) fn arrive_unasked(&mut self, at: Instant, to: Side, bytes: Vec<u8>) {
        self.keep(to.other(), Some(at), &bytes);
        self.arrive(at, to, bytes);
    }

    // ---- what nobody has sent ----------------------------------------------------------------------------------

    /// Puts a segment before a host that seems to come from the other end of a flow, which the left host calls so; and
    /// says whether it could: both ends must have sent their SYN for an acknowledgment, the other one for the rest.
    pub fn aim(&mut self, flow: &Flow, to: Side, aimed: &Aimed<'_>) -> bool {
        let packet = self.sightings.of(flow).and_then(|ends| aimed.packet(flow, ends, to));
        let Some(bytes) = packet else { return false };
        self.arrive_forged(to, bytes);
        true
    }

    /// Puts a packet before a host that the other one seems to have sent.
    pub fn inject(&mut self, to: Side, packet: Vec<u8>) {
        self.arrive_forged(to, packet);
    }

    /// What was forged is nothing that was sent: it changes no numbers.
    pub(super) fn arrive_forged(&mut self, to: Side, bytes: Vec<u8>) {
        let (now, numbers, initial) = (self.now, self.numbers, self.initial);
        let seen = sightings::read(to.other(), &bytes);
        self.record(to.other(), &bytes, seen.as_ref(), Some(now));
        (self.numbers, self.initial) = (numbers, initial);
        self.tap_forged(to, &bytes);
        self.arrive(now, to, bytes);
    }

    /// Puts an ICMP error before a host, about a packet of its own or one that it never sent; and says whether there
    /// was one to quote.
    pub fn icmp(&mut self, to: Side, error: IcmpError, quote: Quote) -> bool {
        let quoted = match quote {
            Quote::Packet(bytes) => Some(bytes),
            Quote::InFlight(flow) => self.last_in_flight(to, flow),
            Quote::Segment(flow, number) => {
                self.sightings.of(&flow).and_then(|ends| quoted_segment(&flow, ends, to, number))
            }
        };
        let told = quoted.and_then(|quoted| error.about(&quoted));
        let Some(bytes) = told.filter(|bytes| !bytes.is_empty()) else { return false };
        self.arrive_unasked(self.now, to, bytes);
        true
    }

    fn last_in_flight(&self, from: Side, meant: Option<Flow>) -> Option<Vec<u8>> {
        let fits = |bytes: &[u8]| {
            sightings::read(from, bytes).is_some_and(|(flow, _)| meant.is_none_or(|meant| meant == flow))
        };
        let theirs = self.in_flight.values().rev().filter(|(to, _)| *to == from.other());
        theirs.map(|(_, bytes)| bytes).find(|bytes| fits(bytes)).cloned()
    }

    pub(super) fn keep(&mut self, from: Side, arrives: Option<Instant>, bytes: &[u8]) {
        if let Some(capture) = &mut self.capture {
            capture.add(self.now, from, arrives, bytes);
        }
    }

    // ---- all packets -------------------------------------------------------------------------------------------

    /// Keeps packets of every flow from now on, the last ones; none where `keep` is `None`.
    pub fn capture(&mut self, keep: Option<Keep>) {
        self.capture = keep.map(Capture::new);
    }

    /// What was kept, as a trace of packets alone: for [`adieu_trace::pcapng()`].
    pub fn captured(&self) -> Trace {
        let ends = self.trace.ends.clone();
        match &self.capture {
            Some(capture) => capture.trace(ends),
            None => Trace::new(ends),
        }
    }
}

/// The packet as it leaves a router whose queue grows.
pub(super) fn marked(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    mark_congested(&mut bytes);
    bytes
}

/// A segment of `from` with that number.
fn quoted_segment(flow: &Flow, ends: &[End; 2], from: Side, number: Number) -> Option<Vec<u8>> {
    let seq = number.as_quoted(ends, from)?;
    let (source, destination) = match from {
        Side::Left => (flow.local(), flow.remote()),
        Side::Right => (flow.remote(), flow.local()),
    };
    let segment = Forged { flags: Flags::ACK, seq: seq.0, ack: 0, data: &[] };
    Some(segment.packet([source, destination], [Seq(0); 2]))
}
