//! What a connection wants to send next.

use core::ops::Range;

use super::{Connection, Farewell, Now};
use crate::seq::{Offset, Seq};
use crate::wire::Options;
use crate::wire::tcp::{Control, Header};

/// A segment to send, as a value: the header's fields, and where in the send queue its data lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transmit {
    /// The fields of the header.
    pub header: Header,
    /// Positions of the data in the send queue; empty for a bare acknowledgment.
    pub(crate) data: Range<u64>,
    /// Payload of each segment on the wire; more data than this is a super-segment. 0 without data.
    pub segment_size: u16,
}

impl Transmit {
    /// Bytes of data.
    pub fn data_len(&self) -> u64 {
        self.data.end - self.data.start
    }
}

impl Connection {
    /// The next segment, until there is none. Sending never changes the state's name, and always succeeds: what the
    /// device loses is a lost segment.
    pub fn poll_transmit(&mut self, now: Now<'_>) -> Option<Transmit> {
        if let Some(seq) = self.next_farewell() {
            return Some(self.reset(seq));
        }
        if self.ended.is_some() {
            return None;
        }
        if self.ack.take_duplicate() {
            return Some(self.bare_ack());
        }
        let probe = core::mem::take(&mut self.probe_due);
        let range = if probe {
            self.send.probe_range()
        } else {
            self.send.next_range(self.congestion.window(), now.config.super_segment)
        };
        if let Some(range) = range {
            return Some(self.transmit(now, &range, probe));
        }
        self.ack.take().then(|| self.bare_ack())
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) is worth a call: something waits, if only for a window.
    pub(crate) fn has_more(&self) -> bool {
        let alive = self.ended.is_none() && (self.ack.is_owed() || self.probe_due || self.send.has_more());
        alive || self.farewell != Farewell::None
    }

    fn transmit(&mut self, now: Now<'_>, range: &Range<Offset>, probe: bool) -> Transmit {
        if self.send.sent(now.time, range, probe) {
            self.ledger.note(|ledger| ledger.retransmissions = ledger.retransmissions.saturating_add(1));
        }
        let fin = range.end > self.send.fin();
        if fin {
            self.close.fin_sent();
        }
        self.set_timers(now);
        self.check();
        let data = self.send.data_in(range);
        let header = Header {
            control: if fin { Control::Fin } else { Control::None },
            // MUST-61: nothing behind it is waiting.
            push: data.end > data.start && data.end == self.send.data_end().since(Offset::DATA),
            ..self.header(range.start.on_wire(self.send.iss()))
        };
        self.ack.take();
        let segment_size = if data.is_empty() { 0 } else { self.send.mss() };
        Transmit { header, data, segment_size }
    }

    fn bare_ack(&mut self) -> Transmit {
        let header = self.header(self.acceptable_seq());
        Transmit { header, data: 0..0, segment_size: 0 }
    }

    /// The number of the reset that is due. The one beyond the peer's window is nothing to a peer that did not take
    /// what lies there; to one that did, the first is nothing.
    fn next_farewell(&mut self) -> Option<Seq> {
        let (inside, all) = (self.acceptable_seq(), self.send.next().on_wire(self.send.iss()));
        let (seq, then) = match self.farewell {
            Farewell::None => return None,
            Farewell::Due if inside != all => (inside, Farewell::Last),
            Farewell::Due | Farewell::Last => (all, Farewell::None),
        };
        self.farewell = then;
        Some(seq)
    }

    /// With an acknowledgment, which the RFC allows and stateful devices on the way like (AB-2); window 0 (RS-6).
    fn reset(&mut self, seq: Seq) -> Transmit {
        let header = Header { control: Control::Rst, window: 0, ..self.header(seq) };
        Transmit { header, data: 0..0, segment_size: 0 }
    }

    /// SND.NXT; where what was sent reaches beyond the peer's window (it has shrunk, or a probe is in it), the last
    /// number that the peer would look at (AB-6).
    fn acceptable_seq(&self) -> Seq {
        let (una, next) = (self.send.una(), self.send.next());
        let edge = una + u64::from(self.send.window());
        let seq = if next > edge { Offset(edge.0.max(una.0 + 1) - 1) } else { next };
        seq.on_wire(self.send.iss())
    }

    fn header(&mut self, seq: Seq) -> Header {
        Header {
            seq,
            ack: Some(self.recv.next_seq()),
            control: Control::None,
            push: false,
            window: self.recv.announce(self.send.mss()),
            options: Options::default(),
        }
    }

    /// The data of a [`Transmit`], shared with the queue.
    pub(crate) fn data(&mut self, transmit: &Transmit) -> smallvec::SmallVec<[bytes::Bytes; 1]> {
        self.send.queue().slices(transmit.data.clone())
    }

    /// Shows `take` the data of a [`Transmit`], piece by piece, to copy it.
    pub(crate) fn look_at_data(&mut self, transmit: &Transmit, take: impl FnMut(&[u8])) {
        self.send.queue().look(transmit.data.clone(), take);
    }
}
