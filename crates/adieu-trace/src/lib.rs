//! What a run looked like: segments, state changes and what the applications saw, and pictures of it.
//!
//! A [`Trace`] is plain data. Whoever runs a connection (the simulator, the driver on a TUN) appends to it; whoever
//! wants to look draws it, as a [`ladder`] in text or as an [`svg()`], or takes it elsewhere: [`pcapng()`] for
//! Wireshark, [`json()`] for programs.

mod ink;
pub mod json;
mod label;
pub mod ladder;
mod pcapng;
mod receipt;
#[cfg(test)]
mod stories;
mod svg;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;

use adieu_core::wire::{Flags, Segment};
use adieu_core::{Instant, Seq, State};

pub use ink::Style;
pub use json::json;
pub use ladder::Ladder;
pub use pcapng::{Run, pcapng};
pub use receipt::{receipt_block, receipt_lines, receipts_side_by_side};
pub use svg::svg;
pub use words::{grouped, human};

/// One connection, seen from both ends.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Left and right end.
    pub ends: [End; 2],
    /// What happened, in the order it happened.
    pub events: Vec<Event>,
    /// The packets that carried it, where somebody kept them, in the order they were sent.
    pub packets: Vec<Captured>,
}

impl Trace {
    /// A trace of which nothing has happened yet.
    pub fn new(ends: [End; 2]) -> Self {
        Self { ends, events: Vec::new(), packets: Vec::new() }
    }

    /// Keeps a packet, from its IP header on, that `from` sends at `at` and that arrives at `arrives`; `None` where
    /// the wire loses it. To be called when the packet leaves, so that it stands in order with the events.
    pub fn capture(&mut self, at: Instant, from: Side, arrives: Option<Instant>, bytes: &[u8]) {
        let events = self.events.len();
        self.packets.push(Captured { at, from, arrives, bytes: bytes.into(), events });
    }
}

/// A packet as it was on the wire.
#[derive(Clone, Debug)]
pub struct Captured {
    /// When it left.
    pub at: Instant,
    /// Which end sent it.
    pub from: Side,
    /// When it arrives; `None` where the wire loses it.
    pub arrives: Option<Instant>,
    /// IP header and all that follows.
    pub bytes: Arc<[u8]>,
    /// How many events there were when it left.
    events: usize,
}

/// One end of the connection.
#[derive(Clone, Debug)]
pub struct End {
    /// What to call it: "client", "server".
    pub name: String,
    /// Address and port.
    pub address: SocketAddr,
}

/// Which end.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Side {
    /// The one that is drawn on the left.
    Left,
    /// The one that is drawn on the right.
    Right,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A segment left one end.
    Segment(SegmentSeen),
    /// An end changed its state. CLOSED is where an end begins and where it ends; the port is free then.
    State {
        /// Which end.
        side: Side,
        /// From which state.
        from: State,
        /// To which state.
        to: State,
    },
    /// What an application did or saw: "write 5 bytes", "read: end of stream".
    App {
        /// Which end.
        side: Side,
        /// In words.
        text: String,
    },
}

/// A segment on the wire. Numbers count from each direction's initial sequence number: the SYN is 0.
#[derive(Clone, Copy, Debug)]
pub struct SegmentSeen {
    /// Which end sent it.
    pub from: Side,
    /// When it arrives; `None` where the wire loses it.
    pub arrives: Option<Instant>,
    /// Control bits.
    pub flags: Flags,
    /// Sequence number, relative.
    pub seq: u32,
    /// Acknowledgment number, relative, where the ACK bit is set.
    pub ack: Option<u32>,
    /// Bytes of data.
    pub len: usize,
    /// The window in bytes: the field, scaled as both SYNs have agreed.
    pub window: u32,
    /// Whether it takes numbers that were sent before.
    pub again: bool,
}

/// Turns wire numbers into relative ones, and tells repeats.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    initial: [Option<Seq>; 2],
    sent: [u32; 2],
    /// Window shifts that the SYNs have offered.
    shifts: [Option<u8>; 2],
}

impl Numbers {
    /// What follows is of a connection whose SYN nobody has seen, and whose direction from `from` began at `initial`.
    pub fn begin(&mut self, from: Side, initial: Seq) {
        self.initial[from as usize] = Some(initial);
        self.sent[from as usize] = 1;
    }

    /// What `segment`, sent by `from`, looks like.
    pub fn see(&mut self, from: Side, segment: &Segment<'_>, arrives: Option<Instant>) -> SegmentSeen {
        let (own, peer) = (from as usize, from.other() as usize);
        if segment.flags.has(Flags::SYN) {
            self.initial[own].get_or_insert(segment.seq);
            self.shifts[own] = segment.options.window_shift;
        }
        let relative =
            |number: Seq, side: usize| self.initial[side].map_or(number.0, |initial| number.0.wrapping_sub(initial.0));
        let seq = relative(segment.seq, own);
        let end = seq.wrapping_add(segment.len());
        let again = !segment.is_empty() && end <= self.sent[own];
        self.sent[own] = self.sent[own].max(end);
        SegmentSeen {
            from,
            arrives,
            flags: segment.flags,
            seq,
            ack: segment.flags.has(Flags::ACK).then(|| relative(segment.ack, peer)),
            len: segment.payload.len(),
            window: self.window(own, segment),
            again,
        }
    }

    /// RFC 7323 section 2.2: the window of a SYN is not scaled, and none is unless both ends offered it.
    fn window(&self, own: usize, segment: &Segment<'_>) -> u32 {
        let shift = match self.shifts {
            [Some(_), Some(_)] if !segment.flags.has(Flags::SYN) => self.shifts[own].unwrap_or(0).min(14),
            _ => 0,
        };
        u32::from(segment.window) << shift
    }
}
