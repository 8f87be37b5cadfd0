//! What we receive: the window, the bytes in order, the pieces out of order, and where the peer's FIN lies.

use alloc::boxed::Box;
use core::hash::{Hash, Hasher};

use bytes::Bytes;

use super::Now;
use super::growth::{Growth, RoundTrip};
use super::reassembly::Reassembly;
use crate::bytequeue::ByteQueue;
use crate::config::Config;
use crate::digest::{Digest, Moment};
use crate::seq::{Offset, Seq};
use crate::wire::{Blocks, Flags, Payload, Segment};

/// The receiving direction (RFC 9293 section 3.3.1: RCV.NXT, RCV.WND, IRS).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Recv {
    next: Offset,
    /// RCV.NXT as it was last told (Last.ACK.sent).
    acknowledged: Offset,
    /// The largest right edge ever announced; it never moves left (RFC 9293 SHLD-14).
    edge: Offset,
    /// Where the peer's FIN lies; [`Offset::NONE`] while it is not known.
    fin: Offset,
    queue: ByteQueue,
    /// Data out of order, and news of what came twice.
    pieces: Option<Box<Reassembly>>,
    /// After the urgent data; [`Offset::SYN`] where there never was any (RCV.UP).
    urgent: Offset,
    irs: Seq,
    capacity: u32,
    /// The window field counts in units of 2^shift octets (RFC 7323 section 2.3).
    shift: u8,
    /// Payload of the peer's full segments, as far as it has shown them.
    mss: u16,
    /// Whether the peer wants selective acknowledgments.
    sack: bool,
    reading: Reading,
    growth: Growth,
}

/// Whether what comes is still wanted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Reading {
    /// Somebody reads.
    Wanted,
    /// Nobody reads any more, and new data is refused with a reset (UD-4).
    Refused,
    /// The same, and bytes that were here went unread: closing our direction, too, is a reset (HC-5, UD-1).
    Lost,
    /// Nobody reads any more; what comes is acknowledged and thrown away (HC-5, UD-8).
    Discarded,
}

/// Where a segment lies against the window (RFC 9293 section 3.10.7.4, first).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Position {
    /// In the window.
    Acceptable,
    /// Ends just before the window: a repeated FIN, a probe, a keepalive. Its acknowledgment field is still news
    /// (SQ-3).
    JustBefore,
    /// Begins at the window, which is closed, or comes bare from a peer that has put a probe into it: its text is not
    /// taken, its acknowledgment field is still news (ZW-9).
    ClosedWindow,
    /// Not acceptable.
    Outside,
}

/// What the text of a segment did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Taken {
    /// RCV.NXT moved over data.
    pub(crate) data: bool,
    /// RCV.NXT moved over the FIN.
    pub(crate) fin: bool,
    /// Something was out of order, or already here.
    pub(crate) out_of_order: bool,
    /// A gap was closed, or part of one.
    pub(crate) gap: bool,
    /// It contradicts where the FIN was said to be (FR-4).
    pub(crate) contradiction: bool,
}

impl Position {
    /// The four cases of RFC 9293 table 6, and what lies beside them: SQ-3, and a FIN that needs no room in a closed
    /// window (FR-3, FB-5).
    pub(crate) fn of(segment: &Segment<'_>, next: Seq, window: u64) -> Self {
        let start = i64::from(segment.seq.distance(next));
        let len = i64::from(segment.len());
        let end = start + len;
        let window = i64::try_from(window).unwrap_or(i64::MAX);
        let inside = |at: i64| 0 <= at && at < window;
        let only_fin_is_new = start <= 0 && end == 1 && segment.flags.has(Flags::FIN);
        let acceptable = match (len, window) {
            (0, 0) => start == 0,
            (0, _) => inside(start),
            (_, 0) => only_fin_is_new,
            (_, _) => inside(start) || inside(end - 1),
        };
        if acceptable {
            Self::Acceptable
        } else if end == 0 && len > 0 || start == -1 && len == 0 {
            Self::JustBefore
        } else if window == 0 && (start <= 0 && end > 0 || start == 1 && len == 0) {
            Self::ClosedWindow
        } else {
            Self::Outside
        }
    }
}

/// The window a SYN announces; never scaled.
pub(crate) fn initial_window(config: &Config) -> u16 {
    u16::try_from(config.receive_buffer_span().0).unwrap_or(u16::MAX)
}

impl Recv {
    /// The state after the peer's SYN at `irs`, when our SYN has announced [`initial_window`].
    pub(crate) fn new(irs: Seq, shift: u8, sack: bool, now: Now<'_>) -> Self {
        let config = now.config;
        Self {
            next: Offset::DATA,
            acknowledged: Offset::DATA,
            edge: Offset::DATA + u64::from(initial_window(config)),
            fin: Offset::NONE,
            queue: ByteQueue::default(),
            pieces: None,
            urgent: Offset::SYN,
            irs,
            capacity: config.receive_buffer_span().0,
            growth: Growth::new(now.time),
            shift,
            mss: 0,
            sack,
            reading: Reading::Wanted,
        }
    }

    pub(crate) fn next_seq(&self) -> Seq {
        self.next.on_wire(self.irs)
    }

    /// RCV.WND as the peer knows it.
    pub(crate) fn window(&self) -> u64 {
        self.edge.since(self.next)
    }

    /// RCV.NXT, the right edge, and IRS.
    pub(crate) fn numbers(&self) -> (Offset, Offset, Seq) {
        (self.next, self.edge, self.irs)
    }

    /// Bytes in order that nobody has read.
    pub(crate) fn unread(&self) -> u64 {
        self.queue.len()
    }

    /// Whether a full close would lose something that was received (UD-1, UD-2).
    pub(crate) fn holds_data(&self) -> bool {
        !self.queue.is_empty() || self.has_gaps()
    }

    /// Whether data out of order is here.
    fn has_gaps(&self) -> bool {
        self.pieces.as_ref().is_some_and(|pieces| !pieces.is_empty())
    }

    /// Bytes in memory.
    pub(crate) fn held(&self) -> u64 {
        self.queue.len() + self.out_of_order()
    }

    /// Bytes out of order.
    pub(crate) fn out_of_order(&self) -> u64 {
        self.pieces.as_ref().map_or(0, |pieces| pieces.held())
    }

    /// Forgets what is out of order, and a FIN behind it.
    pub(crate) fn drop_holes(&mut self) {
        self.pieces = None;
        if self.next < self.fin {
            self.fin = Offset::NONE;
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.reading != Reading::Wanted
    }

    /// Bytes of data that came in order.
    pub(crate) fn data_received(&self) -> u64 {
        self.next.min(self.fin).since(Offset::DATA)
    }

    /// Whether RCV.NXT has passed the peer's FIN.
    pub(crate) fn is_finished(&self) -> bool {
        self.next > self.fin
    }

    // ---- text --------------------------------------------------------------------------------------------------

    /// Takes data and FIN of an acceptable segment.
    pub(crate) fn on_text(&mut self, segment: &Segment<'_>, config: &Config) -> Taken {
        let start = segment.seq.distance(self.next_seq());
        let old = usize::try_from(-i64::from(start)).unwrap_or(0);
        let Some(at) = self.next.moved(start.max(0)) else {
            return Taken::NOTHING;
        };
        if old > 0 {
            self.note_old(segment);
        }
        let payload = segment.payload.skip(old);
        let kept = payload.first(usize::try_from(self.edge.since(at)).unwrap_or(usize::MAX));
        let end = at + kept.len() as u64;
        // FB-4: where an octet before the FIN is not taken, neither is the FIN.
        let fin = segment.flags.has(Flags::FIN) && kept.len() == payload.len();
        if self.contradicts(end, fin) {
            return Taken { contradiction: true, ..Taken::NOTHING };
        }
        if fin {
            self.fin = end;
        }
        self.learn_mss(segment);
        let (before, gap) = (self.next, self.has_gaps());
        let out_of_order = at > self.next || gap || kept.len() < segment.payload.len();
        if at == self.next {
            self.append(kept);
            self.join_pieces();
        } else if !kept.is_empty() {
            self.pieces.get_or_insert_default().insert(at, kept, config.reassembly_pieces as usize);
        } else if fin {
            self.pieces.get_or_insert_default().report(end);
        }
        let data = self.next > before;
        let finished = self.next == self.fin;
        if finished {
            self.next += 1;
            self.pieces = None;
        }
        Taken { data, fin: finished, out_of_order, gap: gap && data, contradiction: false }
    }

    /// The peer's full segments are as large as the largest that came; a merged one says how large they were.
    fn learn_mss(&mut self, segment: &Segment<'_>) {
        let size = segment.payload.len().div_ceil(segment.payload.wire_segments());
        self.mss = self.mss.max(u16::try_from(size).unwrap_or(u16::MAX));
    }

    /// What is left of the window came again: news for a sender that repeats too much (RFC 2883).
    pub(crate) fn note_old(&mut self, segment: &Segment<'_>) {
        let start = self.next.moved(segment.seq.distance(self.next_seq()));
        if let Some(start) = start.filter(|_| self.sack && !segment.payload.is_empty()) {
            let end = (start + segment.payload.len() as u64).min(self.next);
            self.pieces.get_or_insert_default().note_duplicate(start, end);
        }
    }

    fn append(&mut self, payload: Payload<'_>) {
        self.next += payload.len() as u64;
        match payload.share() {
            Some(shared) => self.queue.push_chunk(shared),
            None => self.queue.push(&payload),
        }
    }

    /// Moves what is in order now from the pieces to the queue.
    fn join_pieces(&mut self) {
        let Some(pieces) = &mut self.pieces else {
            return;
        };
        while let Some((start, piece)) = pieces.take(self.next) {
            let old = usize::try_from(self.next.since(start)).unwrap_or(usize::MAX);
            let new = piece.get(old..).unwrap_or_default();
            self.next += new.len() as u64;
            self.queue.push(new);
        }
        self.tidy();
    }

    fn tidy(&mut self) {
        let waits = self.fin != Offset::NONE && self.next < self.fin;
        if self.pieces.as_ref().is_some_and(|pieces| pieces.is_done(self.sack) && !waits) {
            self.pieces = None;
        }
    }

    /// FR-4: data beyond the place of the FIN, or a second place for it. What was believed so far is forgotten from the
    /// smaller place on; whoever is honest sends it again.
    fn contradicts(&mut self, end: Offset, fin: bool) -> bool {
        let highest = self.pieces.as_ref().and_then(|pieces| pieces.end()).unwrap_or(self.next);
        let against_known = self.fin != Offset::NONE && (end > self.fin || fin && end != self.fin);
        let against_data = fin && end < highest;
        if !against_known && !against_data {
            return false;
        }
        let keep = if against_known { end.min(self.fin) } else { end };
        self.fin = Offset::NONE;
        if let Some(pieces) = &mut self.pieces {
            pieces.cut(keep);
        }
        self.tidy();
        true
    }

    /// Selective acknowledgments that are due, at most `most`.
    pub(crate) fn blocks(&mut self, most: usize) -> Blocks {
        let Some(pieces) = &mut self.pieces else { return Blocks::default() };
        let blocks = pieces.blocks(self.next, self.fin, most, self.irs);
        self.tidy();
        blocks
    }

    /// Selective acknowledgments that are due, as a number.
    pub(crate) fn blocks_due(&self) -> usize {
        self.pieces.as_ref().map_or(0, |pieces| pieces.blocks_due())
    }

    /// Whether there is anything to acknowledge selectively.
    pub(crate) fn has_blocks(&self) -> bool {
        self.pieces.is_some()
    }

    // ---- urgent data (RFC 9293 section 3.8.5) --------------------------------------------------------------------

    /// The urgent pointer of a segment points `pointer` octets behind its first; whether that is news.
    pub(crate) fn on_urgent(&mut self, segment: &Segment<'_>) -> bool {
        let end = (segment.seq + u32::from(segment.urgent)).distance(self.next_seq());
        match self.next.moved(end) {
            Some(end) if end > self.urgent && end > self.next => {
                self.urgent = end;
                true
            }
            _ => false,
        }
    }

    /// Octets to be read up to the end of the urgent data, if there is any left (MUST-33).
    pub(crate) fn urgent_ahead(&self) -> Option<u64> {
        let read = Offset::DATA + self.queue.start();
        (self.urgent > read).then(|| self.urgent.since(read))
    }

    // ---- the application ---------------------------------------------------------------------------------------

    /// Fills the front of `out` with bytes in order, and says how many.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> usize {
        self.queue.read(out)
    }

    /// Fills the front of `out` with what a read would take, and says how many.
    pub(crate) fn peek(&self, out: &mut [u8]) -> usize {
        self.queue.peek(out)
    }

    /// Takes up to `most` bytes in order without a copy.
    pub(crate) fn read_chunk(&mut self, most: usize) -> Option<Bytes> {
        self.queue.read_chunk(most)
    }

    /// Nobody will read any more: drops all that is here (OR-5).
    pub(crate) fn close(&mut self) {
        self.reading = Reading::Refused;
        self.drop_all();
    }

    /// Nobody will read any more, in one direction only (HC-5): what is here is dropped, and what comes is refused.
    pub(crate) fn refuse(&mut self) {
        let lost = self.holds_data() || self.reading == Reading::Lost;
        self.reading = if lost { Reading::Lost } else { Reading::Refused };
        self.drop_all();
    }

    /// Nobody will read any more; what is here is dropped, and what comes will be. How many bytes that were.
    pub(crate) fn discard(&mut self) -> u64 {
        self.reading = Reading::Discarded;
        self.throw_away()
    }

    /// Throws away what came in order and nobody wants; how many bytes.
    pub(crate) fn throw_away(&mut self) -> u64 {
        if self.reading != Reading::Discarded {
            return 0;
        }
        let unwanted = self.queue.len();
        self.queue.clear();
        unwanted
    }

    /// Whether new data draws a reset.
    pub(crate) fn refuses(&self) -> bool {
        matches!(self.reading, Reading::Refused | Reading::Lost)
    }

    /// Whether bytes that came were dropped without being read, by one who wanted no more.
    pub(crate) fn has_lost(&self) -> bool {
        self.reading == Reading::Lost
    }

    pub(crate) fn drop_all(&mut self) {
        self.queue.clear();
        self.pieces = None;
    }

    // ---- the size of the buffer --------------------------------------------------------------------------------

    /// Data has come in order: makes the buffer as large as the path needs, once in a round trip.
    pub(super) fn resize(&mut self, now: Now<'_>, round_trip: &RoundTrip<'_>) {
        let (first, most) = now.config.receive_buffer_span();
        if first >= most || self.reading != Reading::Wanted {
            return;
        }
        let read = self.queue.start();
        if now.scarce {
            self.capacity = self.capacity.min(first);
        } else if let Some(wanted) = self.growth.after_round(now.time, read, self.capacity, round_trip) {
            self.capacity = self.capacity.max(wanted.min(most));
        }
    }

    // ---- the window --------------------------------------------------------------------------------------------

    /// The right edge we could announce now.
    fn free_edge(&self) -> Offset {
        let free = u64::from(self.capacity).saturating_sub(self.queue.len());
        self.next + free.min(u64::from(u16::MAX) << self.shift)
    }

    /// The window field of a segment that leaves now. The edge moves only by enough to be worth it (MUST-39). The field
    /// counts in units: rounded up, so that the peer does not see the edge go back, but not further than a unit beyond
    /// what there is room for. There it is rounded down, and the peer sees it go back by less than a unit, as RFC 7323
    /// section 2.4 tells it to expect; what lies between we take all the same.
    pub(crate) fn announce(&mut self, mss: u16) -> u16 {
        let edge = self.free_edge();
        if edge.since(self.edge) >= u64::from(mss).min(u64::from(self.capacity / 2).max(1)) {
            self.edge = edge;
        }
        let up = self.window().div_ceil(1 << self.shift);
        let fits = self.next + (up << self.shift) < self.free_edge() + (1 << self.shift);
        let units = if fits { up } else { self.window() >> self.shift }.min(u64::from(u16::MAX));
        self.edge = self.edge.max(self.next + (units << self.shift));
        u16::try_from(units).unwrap_or(u16::MAX)
    }

    /// Whether reading has freed so much that the peer should hear of it without being asked.
    pub(crate) fn update_due(&self, mss: u16) -> bool {
        // Where the peer can send a full segment it is told of two more; where it cannot, of the first.
        let segments = if self.window() < u64::from(mss) { 1 } else { 2 };
        let worth = (segments * u64::from(mss)).min(u64::from(self.capacity / 2).max(1));
        !self.is_finished() && !self.refuses() && self.free_edge().since(self.edge) >= worth
    }

    /// Payload of the peer's full segments, estimated.
    pub(crate) fn mss(&self) -> u16 {
        self.mss
    }

    /// The shift of the windows we announce.
    pub(crate) fn shift(&self) -> u8 {
        self.shift
    }

    /// Numbers that came and were not acknowledged.
    pub(crate) fn unacknowledged(&self) -> u32 {
        u32::try_from(self.next.since(self.acknowledged)).unwrap_or(u32::MAX)
    }

    /// The number that was acknowledged last (Last.ACK.sent).
    pub(crate) fn last_acknowledged(&self) -> Seq {
        self.acknowledged.on_wire(self.irs)
    }

    /// Everything that has come in order is acknowledged by what leaves now; up to which number.
    pub(crate) fn acknowledge(&mut self) -> Seq {
        self.acknowledged = self.next;
        self.next_seq()
    }
}

impl Digest for Recv {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { next, acknowledged, edge, fin, queue, pieces, urgent, irs, capacity, shift, mss, .. } = self;
        (next, acknowledged, edge, fin, queue, pieces, urgent).hash(state);
        let Self { sack, reading, growth, .. } = self;
        (irs, capacity, shift, mss, sack, reading).hash(state);
        if *reading == Reading::Wanted && !self.is_finished() {
            growth.digest(moment, state);
        }
    }
}

impl Taken {
    pub(crate) const NOTHING: Self =
        Self { data: false, fin: false, out_of_order: false, gap: false, contradiction: false };
}

/// The smallest shift with which all of a buffer can be announced, as large as it may become; 14 at most (RFC 7323
/// section 2.3).
pub(crate) fn shift_for(config: &Config) -> u8 {
    let (_, capacity) = config.receive_buffer_span();
    (0..14).find(|shift| capacity >> shift <= u32::from(u16::MAX)).unwrap_or(14)
}
