//! What we receive: the window, the bytes in order, the pieces out of order, and where the peer's FIN lies.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use bytes::Bytes;

use crate::bytequeue::ByteQueue;
use crate::config::Config;
use crate::seq::{Offset, Seq};
use crate::wire::{Flags, Payload, Segment};

/// The receiving direction (RFC 9293 section 3.3.1: RCV.NXT, RCV.WND, IRS).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Recv {
    next: Offset,
    /// The largest right edge ever announced; it never moves left (RFC 9293 SHLD-14).
    edge: Offset,
    /// Where the peer's FIN lies; [`Offset::NONE`] while it is not known.
    fin: Offset,
    queue: ByteQueue,
    pieces: Option<Box<Pieces>>,
    irs: Seq,
    capacity: u32,
    /// Nobody will read any more.
    closed: bool,
}

/// Data out of order. The pieces do not overlap.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Pieces(BTreeMap<Offset, Bytes>);

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
    u16::try_from(config.receive_buffer).unwrap_or(u16::MAX)
}

impl Recv {
    /// The state after the peer's SYN at `irs`, when our SYN has announced [`initial_window`].
    pub(crate) fn new(irs: Seq, config: &Config) -> Self {
        Self {
            next: Offset::DATA,
            edge: Offset::DATA + u64::from(initial_window(config)),
            fin: Offset::NONE,
            queue: ByteQueue::default(),
            pieces: None,
            irs,
            capacity: config.receive_buffer,
            closed: false,
        }
    }

    pub(crate) fn next_seq(&self) -> Seq {
        self.next.on_wire(self.irs)
    }

    /// RCV.WND as the peer knows it.
    pub(crate) fn window(&self) -> u64 {
        self.edge.since(self.next)
    }

    /// Bytes in order that nobody has read.
    pub(crate) fn unread(&self) -> u64 {
        self.queue.len()
    }

    /// Whether a full close would lose something that was received (UD-1, UD-2).
    pub(crate) fn holds_data(&self) -> bool {
        !self.queue.is_empty() || self.pieces.is_some()
    }

    /// Bytes in memory.
    pub(crate) fn held(&self) -> u64 {
        let pieces = self.pieces.as_ref().map_or(0, |pieces| pieces.0.values().map(|piece| piece.len() as u64).sum());
        self.queue.len() + pieces
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
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
        let before = usize::try_from(-i64::from(start)).unwrap_or(0);
        let Some(at) = self.next.moved(start.max(0)) else {
            return Taken::NOTHING;
        };
        let payload = segment.payload.skip(before);
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
        let before = self.next;
        let out_of_order = at > self.next || self.pieces.is_some() || kept.len() < segment.payload.len();
        if at == self.next {
            self.append(kept);
            self.join_pieces();
        } else if !kept.is_empty() {
            self.insert(at, kept, config.reassembly_pieces as usize);
        }
        let data = self.next > before;
        let finished = self.next == self.fin;
        if finished {
            self.next += 1;
            self.pieces = None;
        }
        Taken { data, fin: finished, out_of_order, contradiction: false }
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
        while let Some(first) = pieces.0.first_entry().filter(|first| *first.key() <= self.next) {
            let old = self.next.since(*first.key());
            let piece = first.remove();
            if let Some(new) = piece.get(usize::try_from(old).unwrap_or(usize::MAX)..).filter(|new| !new.is_empty()) {
                self.next += new.len() as u64;
                self.queue.push(new);
            }
        }
        if pieces.0.is_empty() {
            self.pieces = None;
        }
    }

    /// Keeps what is new of data out of order, in at most `limit` pieces: the newcomer gives way, its sender has it
    /// still.
    fn insert(&mut self, mut at: Offset, mut payload: Payload<'_>, limit: usize) {
        let pieces = &mut self.pieces.get_or_insert_default().0;
        if let Some((start, piece)) = pieces.range(..=at).next_back() {
            let covered = (*start + piece.len() as u64).since(at);
            payload = payload.skip(usize::try_from(covered).unwrap_or(usize::MAX));
            at += covered;
        }
        while !payload.is_empty() && pieces.len() < limit {
            let after = pieces.range(at..).next().map(|(start, piece)| (*start, *start + piece.len() as u64));
            let gap = after.map_or(payload.len() as u64, |(start, _)| start.since(at));
            let fits = payload.first(usize::try_from(gap).unwrap_or(usize::MAX));
            if !fits.is_empty() {
                pieces.insert(at, fits.share().unwrap_or_else(|| Bytes::copy_from_slice(&fits)));
            }
            let Some((_, covered)) = after else { return };
            payload = payload.skip(usize::try_from(covered.since(at)).unwrap_or(usize::MAX));
            at = covered;
        }
    }

    /// FR-4: data beyond the place of the FIN, or a second place for it. What was believed so far is forgotten from the
    /// smaller place on; whoever is honest sends it again.
    fn contradicts(&mut self, end: Offset, fin: bool) -> bool {
        let highest = self.pieces.as_ref().and_then(|pieces| pieces.0.last_key_value());
        let highest = highest.map_or(self.next, |(start, piece)| *start + piece.len() as u64);
        let against_known = self.fin != Offset::NONE && (end > self.fin || fin && end != self.fin);
        let against_data = fin && end < highest;
        if !against_known && !against_data {
            return false;
        }
        let keep = if against_known { end.min(self.fin) } else { end };
        self.fin = Offset::NONE;
        if let Some(pieces) = &mut self.pieces {
            pieces.0.split_off(&keep);
            if let Some(mut last) = pieces.0.last_entry() {
                let most = usize::try_from(keep.since(*last.key())).unwrap_or(usize::MAX);
                last.get_mut().truncate(most);
            }
            if pieces.0.is_empty() {
                self.pieces = None;
            }
        }
        true
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
        self.closed = true;
        self.drop_all();
    }

    pub(crate) fn drop_all(&mut self) {
        self.queue.clear();
        self.pieces = None;
    }

    // ---- the window --------------------------------------------------------------------------------------------

    /// The right edge we could announce now.
    fn free_edge(&self) -> Offset {
        let free = u64::from(self.capacity).saturating_sub(self.queue.len());
        self.next + free.min(u64::from(u16::MAX))
    }

    /// The window field of a segment that leaves now. The edge moves only by enough to be worth it (MUST-39).
    pub(crate) fn announce(&mut self, mss: u16) -> u16 {
        let edge = self.free_edge();
        if edge.since(self.edge) >= u64::from(mss).min(u64::from(self.capacity / 2).max(1)) {
            self.edge = edge;
        }
        u16::try_from(self.window()).unwrap_or(u16::MAX)
    }

    /// Whether reading has freed so much that the peer should hear of it without being asked.
    pub(crate) fn update_due(&self, mss: u16) -> bool {
        let worth = (2 * u64::from(mss)).min(u64::from(self.capacity / 2).max(1));
        !self.is_finished() && !self.closed && self.free_edge().since(self.edge) >= worth
    }
}

impl Taken {
    pub(crate) const NOTHING: Self = Self { data: false, fin: false, out_of_order: false, contradiction: false };
}
