//! What we send: the window, the queue, and what is in flight. SYN and FIN are octets of the stream like any other.

use alloc::collections::VecDeque;
use core::ops::Range;

use bytes::Bytes;

use crate::bytequeue::ByteQueue;
use crate::config::Config;
use crate::seq::{Offset, Seq};
use crate::time::{Duration, Instant};
use crate::wire::Segment;

/// The sending direction (RFC 9293 section 3.3.1: SND.UNA, SND.NXT, SND.WND, SND.WL1, SND.WL2, ISS).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Send {
    una: Offset,
    next: Offset,
    /// Where our FIN lies; fixed by `shut_down` (FB-1), [`Offset::NONE`] before.
    fin: Offset,
    queue: ByteQueue,
    flight: Flight,
    iss: Seq,
    wl1: Seq,
    wl2: Seq,
    window: u32,
    max_window: u32,
    mss: u16,
}

/// What has been sent and not acknowledged, as runs in order without gaps from `una` to `next`.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Flight {
    runs: VecDeque<Run>,
    /// Octets in runs that count as lost.
    lost: u32,
    /// Octets that duplicate acknowledgments say have left the network (RFC 6582's inflated window, the other way
    /// round).
    departed: u32,
}

/// One transmission, or what splitting has left of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Run {
    start: Offset,
    end: Offset,
    sent: Instant,
    lost: bool,
    resent: bool,
}

impl Run {
    fn len(&self) -> u32 {
        length(self.end.since(self.start))
    }
}

/// What an acknowledgment achieved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Acked {
    /// Sequence numbers newly acknowledged.
    pub(crate) octets: u64,
    /// A round trip, where nothing of what was acknowledged had been sent twice (Karn's rule).
    pub(crate) round_trip: Option<Duration>,
}

impl Send {
    /// The state after our SYN at `iss` was acknowledged by `segment`.
    pub(crate) fn new(iss: Seq, mss: u16, segment: &Segment<'_>) -> Self {
        Self {
            una: Offset::DATA,
            next: Offset::DATA,
            fin: Offset::NONE,
            queue: ByteQueue::default(),
            flight: Flight::default(),
            iss,
            wl1: segment.seq,
            wl2: segment.ack,
            window: u32::from(segment.window),
            max_window: u32::from(segment.window),
            mss,
        }
    }

    // ---- the application ---------------------------------------------------------------------------------------

    /// Takes as much of `data` as the buffer has room for, and says how much.
    pub(crate) fn write(&mut self, data: &[u8], config: &Config) -> usize {
        let n = data.len().min(self.room(config));
        self.queue.push(&data[..n]);
        n
    }

    /// Takes `data` over whole where there is any room: the buffer may be exceeded by one chunk.
    pub(crate) fn write_chunk(&mut self, data: Bytes, config: &Config) -> Result<(), Bytes> {
        if self.room(config) == 0 {
            return Err(data);
        }
        self.queue.push_chunk(data);
        Ok(())
    }

    /// Bytes that can be written now.
    pub(crate) fn room(&self, config: &Config) -> usize {
        let held = usize::try_from(self.queue.len()).unwrap_or(usize::MAX);
        (config.send_buffer as usize).saturating_sub(held)
    }

    /// No more data: the FIN's place is after the last byte that was taken.
    pub(crate) fn shut_down(&mut self) {
        debug_assert_eq!(self.fin, Offset::NONE);
        self.fin = self.data_end();
    }

    // ---- what has become of it ---------------------------------------------------------------------------------

    pub(crate) fn iss(&self) -> Seq {
        self.iss
    }

    pub(crate) fn una(&self) -> Offset {
        self.una
    }

    pub(crate) fn next(&self) -> Offset {
        self.next
    }

    pub(crate) fn fin(&self) -> Offset {
        self.fin
    }

    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    pub(crate) fn max_window(&self) -> u32 {
        self.max_window
    }

    pub(crate) fn mss(&self) -> u16 {
        self.mss
    }

    /// After the last byte taken from the application.
    pub(crate) fn data_end(&self) -> Offset {
        Offset(self.queue.end()) + Offset::DATA.0
    }

    /// Bytes of data the peer has acknowledged.
    pub(crate) fn data_acked(&self) -> u64 {
        self.una.min(self.data_end()).since(Offset::DATA)
    }

    /// Whether something is to be sent as soon as the windows allow.
    pub(crate) fn has_more(&self) -> bool {
        self.next < self.stream_end() || self.flight.lost > 0
    }

    /// Whether data or FIN are still to be sent or acknowledged.
    pub(crate) fn is_pending(&self) -> bool {
        self.una < self.stream_end()
    }

    /// After all there is to send so far, the FIN included once it is queued.
    fn stream_end(&self) -> Offset {
        if self.fin == Offset::NONE { self.data_end() } else { self.fin + 1 }
    }

    /// Sequence numbers sent and not acknowledged.
    pub(crate) fn outstanding(&self) -> u64 {
        self.next.since(self.una)
    }

    /// Sequence numbers that are, as far as we know, still in the network.
    fn in_network(&self) -> u64 {
        self.outstanding().saturating_sub(u64::from(self.flight.lost) + u64::from(self.flight.departed))
    }

    // ---- acknowledgments ---------------------------------------------------------------------------------------

    /// The peer has everything before `ack`, which lies in `una..=next`.
    pub(crate) fn on_ack(&mut self, now: Instant, ack: Offset) -> Acked {
        let octets = ack.since(self.una);
        self.una = ack;
        let data = ack.min(self.data_end()).since(Offset::DATA);
        self.queue.consume(data.saturating_sub(self.queue.start()));
        let round_trip = self.flight.on_ack(now, ack);
        if self.una == self.next {
            self.flight = Flight::default();
        }
        Acked { octets, round_trip }
    }

    /// Takes the window from a segment that is not older than the last one it was taken from (SND.WL1, SND.WL2), and
    /// says whether it was closed and is open now.
    pub(crate) fn update_window(&mut self, segment: &Segment<'_>) -> bool {
        let newer = segment.seq.distance(self.wl1);
        if newer < 0 || (newer == 0 && segment.ack.distance(self.wl2) < 0) {
            return false;
        }
        let was_closed = self.window == 0;
        self.window = u32::from(segment.window);
        self.max_window = self.max_window.max(self.window);
        self.wl1 = segment.seq;
        self.wl2 = segment.ack;
        was_closed && self.window > 0
    }

    // ---- loss --------------------------------------------------------------------------------------------------

    /// Everything in flight counts as lost: the retransmission timer fired, or the window was closed to it.
    pub(crate) fn lose_all(&mut self) {
        let outstanding = length(self.outstanding());
        self.flight.runs.iter_mut().for_each(|run| run.lost = true);
        self.flight.lost = outstanding;
        self.flight.departed = 0;
    }

    /// The first segment in flight counts as lost.
    pub(crate) fn lose_front(&mut self) {
        let end = self.una + u64::from(self.mss);
        // A FIN that rode on a full segment stays with it.
        let end = if end == self.fin { end + 1 } else { end };
        self.flight.split_front(end);
        if let Some(front) = self.flight.runs.front_mut().filter(|run| !run.lost) {
            front.lost = true;
            self.flight.lost += front.len();
        }
    }

    /// A duplicate acknowledgment in recovery: one segment has left the network.
    pub(crate) fn departed(&mut self, segments: u32) {
        self.flight.departed = self.flight.departed.saturating_add(segments * u32::from(self.mss));
    }

    /// A partial acknowledgment of `acked` octets deflates what duplicates had inflated (RFC 6582 section 3.2, step 3).
    pub(crate) fn deflate(&mut self, acked: u64) {
        let (mss, acked) = (u32::from(self.mss), length(acked));
        let departed = self.flight.departed.saturating_sub(acked);
        self.flight.departed = departed + if acked >= mss { mss } else { 0 };
    }

    /// Recovery is over.
    pub(crate) fn recovered(&mut self) {
        self.flight.departed = 0;
    }

    // ---- transmission ------------------------------------------------------------------------------------------

    /// What to send next, if the peer's window and `congestion_window` allow anything: lost octets first, then new
    /// ones.
    pub(crate) fn next_range(&self, congestion_window: u64, super_segment: u32) -> Option<Range<Offset>> {
        if self.window == 0 || !self.is_pending() {
            return None;
        }
        let room = congestion_window.saturating_sub(self.in_network());
        let most = u64::from(self.mss) * u64::from((super_segment / u32::from(self.mss)).max(1));
        self.lost_range(room, most).or_else(|| self.new_range(room, most))
    }

    fn lost_range(&self, room: u64, most: u64) -> Option<Range<Offset>> {
        if self.flight.lost == 0 {
            return None;
        }
        let run = self.flight.runs.iter().find(|run| run.lost)?;
        // The front goes out whatever the congestion window says: on it everything else waits (RFC 5681 section 3.2).
        let front = run.start == self.una;
        let room = if front { room.max(u64::from(self.mss)) } else { room };
        let data = run.end.min(self.fin).since(run.start);
        let len = self.whole_segments(room.min(most)).min(data);
        let fin = run.end > self.fin && len == data;
        (room > 0).then(|| run.start..run.start + len + u64::from(fin))
    }

    fn new_range(&self, room: u64, most: u64) -> Option<Range<Offset>> {
        let window = (self.una + u64::from(self.window)).since(self.next);
        let data = self.data_end().since(self.next);
        if data == 0 {
            // A lone FIN may exceed the congestion window by its one number (FS-3), never the peer's window (ZW-3).
            return (self.fin == self.next && window > 0).then(|| self.fin..self.fin + 1);
        }
        let usable = window.min(room);
        let len = data.min(usable).min(most);
        if len < data && len < u64::from(self.mss) && self.outstanding() > 0 {
            return None; // A sliver now would be a small segment for ever (MUST-38); what is in flight brings an ACK.
        }
        let len = if len < data { self.whole_segments(len) } else { len };
        let end = self.next + len;
        let fin = end == self.fin && len < window;
        (len > 0).then(|| self.next..end + u64::from(fin))
    }

    /// `len` rounded down to whole segments, unless it is less than one.
    fn whole_segments(&self, len: u64) -> u64 {
        let mss = u64::from(self.mss);
        if len < mss { len } else { len - len % mss }
    }

    /// The one octet that asks a closed window whether it is still closed (ZW-2, ZW-3): the oldest in flight, else the
    /// next one, be it data or the FIN.
    pub(crate) fn probe_range(&self) -> Option<Range<Offset>> {
        let at = self.una;
        self.is_pending().then(|| at..at + 1)
    }

    /// `range` has been given to the device at `now`; whether any of it had been sent before.
    pub(crate) fn sent(&mut self, now: Instant, range: &Range<Offset>, probe: bool) -> bool {
        if range.start < self.next {
            self.flight.resent(now, range);
            return true;
        }
        self.next = range.end;
        self.flight.runs.push_back(Run { start: range.start, end: range.end, sent: now, lost: false, resent: probe });
        false
    }

    /// The data in `range` as positions in [`Send::queue`]: without the FIN.
    pub(crate) fn data_in(&self, range: &Range<Offset>) -> Range<u64> {
        let position = |offset: Offset| offset.min(self.data_end()).since(Offset::DATA);
        position(range.start)..position(range.end)
    }

    /// The queue, to copy or share what is sent from.
    pub(crate) fn queue(&mut self) -> &mut ByteQueue {
        &mut self.queue
    }

    /// Bytes in memory.
    pub(crate) fn held(&self) -> u64 {
        self.queue.len()
    }

    /// Forgets everything that was to be sent.
    pub(crate) fn drop_all(&mut self) {
        self.queue.clear();
        self.flight = Flight::default();
    }

    /// Runs lie end to end from `una` to `next`, and the lost ones add up.
    pub(crate) fn check(&self) {
        debug_assert!(self.una <= self.next && self.next <= self.stream_end(), "{self:?}");
        let mut at = self.una;
        for run in &self.flight.runs {
            debug_assert!(run.start == at && run.end > at, "{self:?}");
            at = run.end;
        }
        debug_assert_eq!(at, self.next);
        let lost: u32 = self.flight.runs.iter().filter(|run| run.lost).map(Run::len).sum();
        debug_assert_eq!(lost, self.flight.lost);
    }
}

/// A length within a window: below 2^30 (RFC 7323 section 2.3).
fn length(octets: u64) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}

impl Flight {
    fn on_ack(&mut self, now: Instant, ack: Offset) -> Option<Duration> {
        let mut newest = None;
        let mut ambiguous = false;
        while let Some(front) = self.runs.front_mut() {
            if front.start >= ack {
                break;
            }
            ambiguous |= front.resent;
            newest = Some(front.sent);
            let gone = front.end.min(ack).since(front.start);
            if front.lost {
                self.lost -= length(gone);
            }
            if front.end > ack {
                front.start = ack;
                break;
            }
            self.runs.pop_front();
        }
        newest.filter(|_| !ambiguous).map(|sent| now.since(sent))
    }

    /// Cuts the first run at `at`, if it reaches beyond.
    fn split_front(&mut self, at: Offset) {
        let Some(front) = self.runs.front_mut().filter(|run| run.start < at && at < run.end) else {
            return;
        };
        let rest = Run { start: at, ..*front };
        front.end = at;
        self.runs.insert(1, rest);
    }

    /// `range`, the beginning of a run, is sent again.
    fn resent(&mut self, now: Instant, range: &Range<Offset>) {
        let Some(at) = self.runs.iter().position(|run| run.start == range.start) else {
            return;
        };
        let run = &mut self.runs[at];
        let rest = Run { start: range.end, ..*run };
        if run.lost {
            self.lost -= length(range.end.min(run.end).since(run.start));
        }
        *run = Run { end: range.end.min(run.end), sent: now, lost: false, resent: true, ..*run };
        if rest.start < rest.end {
            self.runs.insert(at + 1, rest);
        }
    }
}
