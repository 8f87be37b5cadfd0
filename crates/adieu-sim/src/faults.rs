//! Faults that strike segments of a class, on any flow: by chance, or by their number.

use adieu_core::wire::{Flags, Segment};
use adieu_core::{Duration, Flow};
use adieu_trace::Side;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// What a segment is for, as far as the path can tell. A segment has one class: the first of RST, SYN or SYN-ACK, FIN,
/// probe, data and ACK that fits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// A SYN without ACK.
    Syn,
    /// A SYN with ACK.
    SynAck,
    /// Data, neither FIN nor probe.
    Data,
    /// A FIN, with data or without.
    Fin,
    /// No data, and no control bit that takes a number.
    Ack,
    /// A reset.
    Rst,
    /// What asks whether the other end is there, or has room. The path can tell two kinds: a segment of no octet or of
    /// one octet at the number before the next one (a keepalive; a window probe with an old octet), and data that
    /// begins at or behind the end of the window its receiver has offered last (a window probe with new octets). Two
    /// things look the same and are none: a retransmitted last segment of a single octet, and data that meets a window
    /// which has just shrunk. A FIN behind a closed window counts as FIN.
    Probe,
}

impl Class {
    /// The class of a segment of which nothing is known but itself: never [`Class::Probe`].
    pub fn of(segment: &Segment<'_>) -> Self {
        let has = |flag| segment.flags.has(flag);
        match (has(Flags::RST), has(Flags::SYN), has(Flags::FIN)) {
            (true, _, _) => Self::Rst,
            (false, true, _) if has(Flags::ACK) => Self::SynAck,
            (false, true, _) => Self::Syn,
            (false, false, true) => Self::Fin,
            (false, false, false) if segment.payload.is_empty() => Self::Ack,
            (false, false, false) => Self::Data,
        }
    }
}

/// Which of the segments that are meant a fault strikes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strikes {
    /// Each with this chance, in millionths.
    Chance(u32),
    /// Only this one, counted from 1.
    Nth(u64),
    /// So many from the first on.
    First(u64),
}

/// What a fault does to a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// It is lost.
    Lose,
    /// It takes this much longer, so that others overtake it.
    Hold(Duration),
    /// It arrives, and once more this much later.
    Again(Duration),
    /// One bit of it is flipped, any that a checksum covers: its receiver drops and counts it
    /// as [`Stats::bad_checksum`](adieu_core::Stats::bad_checksum) or
    /// [`Stats::malformed`](adieu_core::Stats::malformed).
    Corrupt,
    /// A router marks it: congestion experienced (RFC 3168). Nothing happens to one that does not say that it may be
    /// marked.
    Mark,
}

/// Something that befalls segments of one class. The first that strikes counts; all count what they have seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Which class it is about; `None` for every segment.
    pub class: Option<Class>,
    /// Which direction: segments from there; `None` for both.
    pub from: Option<Side>,
    /// Which flow, as the left host calls it; `None` for all.
    pub flow: Option<Flow>,
    /// Which of them it strikes.
    pub strikes: Strikes,
    /// What it does.
    pub deed: Deed,
    seen: u64,
    struck: u64,
}

impl Fault {
    /// About every segment of `class`, of both directions and all flows.
    pub fn new(class: Class, strikes: Strikes, deed: Deed) -> Self {
        Self { class: Some(class), ..Self::any(strikes, deed) }
    }

    /// About every segment.
    pub fn any(strikes: Strikes, deed: Deed) -> Self {
        Self { class: None, from: None, flow: None, strikes, deed, seen: 0, struck: 0 }
    }

    /// The same, about segments from one side only.
    #[must_use]
    pub fn from(self, side: Side) -> Self {
        Self { from: Some(side), ..self }
    }

    /// The same, about segments of one flow only.
    #[must_use]
    pub fn on(self, flow: Flow) -> Self {
        Self { flow: Some(flow), ..self }
    }

    /// How many segments it was about.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// How many of them it would have struck; another fault before it may have been first.
    pub fn struck(&self) -> u64 {
        self.struck
    }

    /// What it does to a segment. Nothing is drawn for segments that are not meant.
    pub(crate) fn decide(&mut self, from: Side, flow: &Flow, class: Class, rng: &mut ChaCha8Rng) -> Option<Deed> {
        let meant = self.class.is_none_or(|meant| meant == class)
            && self.from.is_none_or(|meant| meant == from)
            && self.flow.is_none_or(|meant| meant == *flow);
        if !meant {
            return None;
        }
        self.seen += 1;
        let strikes = match self.strikes {
            Strikes::Chance(millionths) => rng.next_u32() % 1_000_000 < millionths,
            Strikes::Nth(nth) => self.seen == nth,
            Strikes::First(first) => self.seen <= first,
        };
        self.struck += u64::from(strikes);
        strikes.then_some(self.deed)
    }
}
