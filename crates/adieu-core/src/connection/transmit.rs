//! What a connection wants to send next.

use core::ops::Range;

use super::flight::{LossProbe, length};
use super::send::Shape;
use super::timers::Timer;
use super::{Connection, Farewell, Now};
use crate::seq::{Offset, Seq};
use crate::wire::tcp::{Control, Header};
use crate::wire::{Blocks, Options};

/// A segment to send, as a value: the header's fields, and where in the send queue its data lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transmit {
    /// The fields of the header.
    pub header: Header,
    /// Positions of the data in the send queue; empty for a bare acknowledgment.
    pub(crate) data: Range<u64>,
    /// Payload of each segment on the wire; more data than this is a super-segment. 0 without data.
    pub segment_size: u16,
    /// Routers may cut it: the path is too narrow for what every host can put together (IPv4).
    pub fragment: bool,
    /// Differentiated services code point.
    pub dscp: u8,
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
            return Some(self.reset(now, seq));
        }
        if self.ended.is_some() {
            return None;
        }
        if self.ack.take_duplicate() {
            return Some(self.bare_ack(now));
        }
        self.prepare(now);
        let probe = core::mem::take(&mut self.probe_due);
        if core::mem::take(&mut self.tail_due)
            && let Some(range) = self.send.tail_range(self.segment_room())
        {
            return Some(self.transmit_tail(now, &range));
        }
        if let Some(range) = self.asking_range(now) {
            return Some(self.transmit(now, &range, false));
        }
        let range = if probe { self.send.probe_range() } else { self.send.next_range(&self.shape(now)) };
        self.sliver_due = false;
        self.stop_pacing_timer();
        if let Some(range) = range
            && (probe || !self.waits_its_turn(now, &range))
        {
            return Some(self.transmit(now, &range, probe));
        }
        self.check_waits();
        if core::mem::take(&mut self.keepalive_due) {
            return Some(self.keepalive(now));
        }
        self.ack.take().then(|| self.bare_ack(now))
    }

    /// Before anything new: the path may be wide again, and after a pause the congestion window says nothing any more
    /// (RFC 5681 section 4.1).
    fn prepare(&mut self, now: Now<'_>) {
        if self.path.is_some() {
            self.try_wider(now);
        }
        if self.send.outstanding() == 0 && self.send.unsent() > 0 {
            let millis = now.time.as_wrapping_millis();
            let idle = millis.wrapping_sub(self.sent);
            self.congestion.on_start(millis);
            if u128::from(idle) > self.rtt.rto(now.config).as_millis() {
                self.congestion.on_idle(now.config.initial_window);
            }
        }
    }

    fn shape(&self, now: Now<'_>) -> Shape {
        Shape {
            congestion_window: self.congestion.window(),
            super_segment: if self.send.is_urgent() { 0 } else { self.paced_super_segment(now) },
            mss: self.segment_room(),
            nodelay: self.is_nodelay(),
            sliver: self.sliver_due,
        }
    }

    /// Payload that fits into one segment beside its options, as they are now (MUST-16).
    pub(super) fn segment_room(&self) -> u16 {
        let mss = self.send.mss();
        if !self.recv.has_blocks() {
            return mss;
        }
        let blocks = self.recv.blocks_due().min(self.most_blocks());
        let blocks = u16::try_from(4 + 8 * blocks).unwrap_or(0);
        mss.saturating_sub(blocks).max(mss.min(8))
    }

    /// Selective acknowledgments that fit into a header (RFC 2018 section 3).
    fn most_blocks(&self) -> usize {
        if self.stamps.is_some() { Blocks::MOST - 1 } else { Blocks::MOST }
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) is worth a call: something waits, if only for a window.
    pub(crate) fn has_more(&self) -> bool {
        let flagged = self.probe_due || self.tail_due || self.keepalive_due;
        let alive = self.ended.is_none() && (self.ack.is_owed() || flagged || self.send.has_more());
        alive || self.farewell != Farewell::None
    }

    /// A probe for the loss of the tail: it counts neither as a retransmission that failed nor toward patience
    /// (B-RACK-FIN), and the next one waits until its fate is known.
    fn transmit_tail(&mut self, now: Now<'_>, range: &Range<Offset>) -> Transmit {
        let repeats = range.start < self.send.next();
        let transmit = self.transmit(now, range, false);
        let end = self.send.next();
        if let Some(flight) = self.send.flight_mut() {
            flight.probe = Some(LossProbe { end, repeats });
        }
        self.rack.measured = false;
        self.timers.stop(Timer::Early);
        transmit
    }

    fn transmit(&mut self, now: Now<'_>, range: &Range<Offset>, probe: bool) -> Transmit {
        let mss = self.segment_room();
        let again = self.send.sent(now.time, range, probe);
        let fin = range.end > self.send.fin();
        if fin {
            self.close.fin_sent();
        }
        self.note_use(range);
        let data = self.send.data_in(range);
        let len = data.end - data.start;
        self.count_departure(again, len, u64::from(mss));
        self.pace(now, len);
        if again && self.trouble.recovering && !self.trouble.partial && range.start == self.send.una() {
            // What is sent again in a recovery has a round trip before it, however late it was found (RFC 6675 section
            // 6). Without selective acknowledgments only the first is (RFC 6582 section 3.2).
            self.timers.arm(Timer::Retransmit, self.retransmit_at(now));
        }
        self.set_timers(now);
        if len > 0 || !again || probe {
            self.sent = now.time.as_wrapping_millis();
        }
        let first = self.send.outstanding() - range.end.since(range.start) <= u64::from(self.send.mss());
        if !again && !probe && (first || !self.timers.is_armed(Timer::Early)) && !self.waits_for_late() {
            self.watch_tail(now);
        }
        self.check();
        let urgent = if len > 0 { self.send.urgent_from(range.start) } else { None };
        let header = Header {
            control: if fin { Control::Fin } else { Control::None },
            // MUST-61: nothing behind it is waiting.
            push: len > 0 && data.end == self.send.data_end().since(Offset::DATA),
            urgent,
            ..self.header(now, range.start.on_wire(self.send.iss()))
        };
        self.ack.take();
        let segment_size = if len == 0 { 0 } else { mss };
        self.segment(header, data, segment_size)
    }

    /// Whether acknowledgments of what has left so far may open the congestion window; and what a recovery has sent.
    fn note_use(&mut self, range: &Range<Offset>) {
        let (next, used) = (self.send.next(), self.congestion.is_used(self.send.in_network()));
        let outstanding = length(self.send.outstanding());
        let Some(flight) = self.send.flight_mut() else { return };
        flight.size = outstanding;
        if used {
            flight.used_to = next;
        }
        if let Some(prr) = &mut flight.prr {
            prr.sent(length(range.end.since(range.start)));
        }
    }

    /// Whether the early timer waits for what others have overtaken: that must not be put off by new data.
    fn waits_for_late(&self) -> bool {
        self.trouble.recovering || self.send.flight().is_some_and(|flight| flight.sacked() > 0)
    }

    fn count_departure(&mut self, again: bool, len: u64, mss: u64) {
        let segments = u32::try_from(len.div_ceil(mss)).unwrap_or(u32::MAX);
        self.ledger.note(|ledger| {
            let traffic = &mut ledger.traffic;
            traffic.data_segments_sent = traffic.data_segments_sent.wrapping_add(segments);
            traffic.segments_sent = traffic.segments_sent.wrapping_add(segments.saturating_sub(1));
            if again {
                ledger.retransmissions = ledger.retransmissions.saturating_add(segments.max(1));
                traffic.octets_resent = traffic.octets_resent.wrapping_add(len);
            }
        });
    }

    fn segment(&self, header: Header, data: Range<u64>, segment_size: u16) -> Transmit {
        let fragment = self.path.as_ref().is_some_and(|path| path.fragment);
        let dscp = self.settings.as_ref().map_or(0, |settings| settings.dscp & 0x3f);
        Transmit { header, data, segment_size, fragment, dscp }
    }

    fn bare_ack(&mut self, now: Now<'_>) -> Transmit {
        let seq = self.acceptable_seq();
        let header = self.header(now, seq);
        self.segment(header, 0..0, 0)
    }

    /// A number before everything that counts: whoever is there answers with what it has (SHLD-12).
    fn keepalive(&mut self, now: Now<'_>) -> Transmit {
        let seq = self.send.next().on_wire(self.send.iss()) - 1;
        let header = self.header(now, seq);
        self.segment(header, 0..0, 0)
    }

    /// The number of the reset that is due. The one beyond the peer's window is nothing to a peer that did not take
    /// what lies there; to one that did, the first is nothing.
    fn next_farewell(&mut self) -> Option<Seq> {
        let (inside, all) = (self.seq_inside(), self.send.next().on_wire(self.send.iss()));
        let (seq, then) = match self.farewell {
            Farewell::None => return None,
            Farewell::Due if inside != all => (inside, Farewell::Last),
            Farewell::Due | Farewell::Last => (all, Farewell::None),
        };
        self.farewell = then;
        Some(seq)
    }

    /// The last number inside the peer's window; also where a probe that may have been refused just fills it.
    fn seq_inside(&self) -> Seq {
        let (una, next) = (self.send.una(), self.send.next());
        let edge = una + u64::from(self.send.window());
        if self.trouble.probed && una < next && next == edge {
            return Offset(next.0 - 1).on_wire(self.send.iss());
        }
        self.acceptable_seq()
    }

    /// With an acknowledgment, which the RFC allows and stateful devices on the way like (AB-2); window 0 (RS-6).
    fn reset(&mut self, now: Now<'_>, seq: Seq) -> Transmit {
        let mut header = self.header(now, seq);
        header.options.sack = Blocks::default();
        self.segment(Header { control: Control::Rst, window: 0, ..header }, 0..0, 0)
    }

    /// SND.NXT; where what was sent reaches beyond the peer's window (it has shrunk, or a probe is in it), the last
    /// number that the peer would look at (AB-6).
    fn acceptable_seq(&self) -> Seq {
        let (una, next) = (self.send.una(), self.send.next());
        let edge = una + u64::from(self.send.window());
        let seq = if next > edge { Offset(edge.0.max(una.0 + 1) - 1) } else { next };
        seq.on_wire(self.send.iss())
    }

    /// What every segment says: how far we have got, and how far the peer may go.
    fn header(&mut self, now: Now<'_>, seq: Seq) -> Header {
        self.timers.stop(Timer::Ack);
        self.ledger.note(|ledger| ledger.traffic.segments_sent = ledger.traffic.segments_sent.wrapping_add(1));
        let ack = self.recv.acknowledge();
        let sack =
            if self.sack && self.recv.has_blocks() { self.recv.blocks(self.most_blocks()) } else { Blocks::default() };
        let timestamps = self.stamps.as_ref().map(|stamps| stamps.stamp(now.time));
        let options = Options { timestamps, sack, ..Options::default() };
        Header { options, ..Header::bare(seq, Some(ack), self.recv.announce(self.send.mss())) }
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
