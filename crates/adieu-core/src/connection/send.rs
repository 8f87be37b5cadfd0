//! What we send: the window, the queue, and what is in flight. SYN and FIN are octets of the stream like any other.

use alloc::boxed::Box;
use core::hash::{Hash, Hasher};
use core::ops::Range;

use bytes::Bytes;

use super::flight::{Delivery, Flight, Found, Witness, length};
use crate::bytequeue::ByteQueue;
use crate::digest::{Digest, Moment};
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
    /// What is in flight; nothing is held where nothing is.
    flight: Option<Box<Flight>>,
    /// After the last segment that was not full (RFC 9293 appendix A.3, Minshall's change to Nagle's rule).
    small: Offset,
    /// After the urgent data (SND.UP); [`Offset::SYN`] where there never was any.
    urgent: Offset,
    iss: Seq,
    wl1: Seq,
    wl2: Seq,
    window: u32,
    max_window: u32,
    /// Payload of a full segment beside the options that every segment carries.
    mss: u16,
    /// The peer's window field counts in units of 2^shift octets (RFC 7323 section 2.3).
    shift: u8,
}

/// What bounds the next segment beside the peer's window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Octets the congestion window allows in flight.
    pub(crate) congestion_window: u64,
    /// Largest payload of a super-segment; 0 where the device takes only single ones.
    pub(crate) super_segment: u32,
    /// Payload of a full segment beside the options of the next one.
    pub(crate) mss: u16,
    /// Small segments do not wait (MUST-17).
    pub(crate) nodelay: bool,
    /// The wait for a useful window has been long enough (MUST-38's override).
    pub(crate) sliver: bool,
}

impl Send {
    /// The state after our SYN at `iss` was acknowledged by `segment`.
    pub(crate) fn new(iss: Seq, mss: u16, shift: u8, segment: &Segment<'_>) -> Self {
        let window = u32::from(segment.window) << if segment.plain_window { 0 } else { shift };
        Self {
            una: Offset::DATA,
            next: Offset::DATA,
            fin: Offset::NONE,
            queue: ByteQueue::default(),
            flight: None,
            small: Offset::SYN,
            urgent: Offset::SYN,
            iss,
            wl1: segment.seq,
            wl2: segment.ack,
            window,
            max_window: window,
            mss,
            shift,
        }
    }

    // ---- the application ---------------------------------------------------------------------------------------

    /// Takes as much of `data` as a buffer of `size` bytes has room for, and says how much.
    pub(crate) fn write(&mut self, data: &[u8], size: u32) -> usize {
        let n = data.len().min(self.room(size));
        self.queue.push(&data[..n]);
        n
    }

    /// Takes `data` over whole where there is any room: the buffer may be exceeded by one chunk.
    pub(crate) fn write_chunk(&mut self, data: Bytes, size: u32) -> Result<(), Bytes> {
        if self.room(size) == 0 {
            return Err(data);
        }
        self.queue.push_chunk(data);
        Ok(())
    }

    /// Bytes that can be written now into a buffer of `size` bytes.
    pub(crate) fn room(&self, size: u32) -> usize {
        let held = usize::try_from(self.queue.len()).unwrap_or(usize::MAX);
        (size as usize).saturating_sub(held)
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

    /// The path carries segments of another size.
    pub(crate) fn set_mss(&mut self, mss: u16) {
        self.mss = mss;
    }

    pub(crate) fn shift(&self) -> u8 {
        self.shift
    }

    /// The window a segment announces, in octets.
    pub(crate) fn window_of(&self, segment: &Segment<'_>) -> u32 {
        u32::from(segment.window) << if segment.plain_window { 0 } else { self.shift }
    }

    /// Everything written so far is urgent (RFC 9293 section 3.8.5).
    pub(crate) fn mark_urgent(&mut self) {
        self.urgent = self.data_end();
    }

    /// The urgent pointer of a segment that begins at `start`, while urgent data is not acknowledged.
    pub(crate) fn urgent_from(&self, start: Offset) -> Option<u16> {
        let ahead = self.urgent > self.una && self.urgent > start;
        ahead.then(|| u16::try_from(self.urgent.since(start)).unwrap_or(u16::MAX))
    }

    /// Whether urgent data is on its way: its pointer fits one segment only.
    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent > self.una
    }

    /// What is in flight, for those who look.
    pub(crate) fn flight(&self) -> Option<&Flight> {
        self.flight.as_deref()
    }

    /// What is in flight, for recovery.
    pub(crate) fn flight_mut(&mut self) -> Option<&mut Flight> {
        self.flight.as_deref_mut()
    }

    fn lost(&self) -> u32 {
        self.flight().map_or(0, Flight::lost)
    }

    /// Octets of data sent and not acknowledged.
    pub(crate) fn unacknowledged_data(&self) -> u64 {
        self.next.min(self.data_end()).since(self.una)
    }

    /// Octets written and not sent.
    pub(crate) fn unsent(&self) -> u64 {
        self.data_end().since(self.next)
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
        self.next < self.stream_end() || self.lost() > 0
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
    pub(crate) fn in_network(&self) -> u64 {
        self.outstanding().saturating_sub(self.flight().map_or(0, Flight::gone))
    }

    // ---- acknowledgments ---------------------------------------------------------------------------------------

    /// The peer has everything before `ack`, which lies in `una..=next`; how many octets of that are news.
    pub(crate) fn on_ack(&mut self, ack: Offset, witness: &Witness<'_>, delivery: &mut Delivery) -> u64 {
        let octets = ack.since(self.una);
        self.una = ack;
        let data = ack.min(self.data_end()).since(Offset::DATA);
        self.queue.consume(data.saturating_sub(self.queue.start()));
        if let Some(flight) = self.flight_mut() {
            flight.on_ack(ack, witness, delivery);
        }
        octets
    }

    /// The peer says it has a block beyond SND.UNA. What was never sent, or lies before SND.UNA, is no such block.
    pub(crate) fn on_sack(&mut self, block: (Seq, Seq), witness: &Witness<'_>, delivery: &mut Delivery) {
        let una = self.una.on_wire(self.iss);
        let (start, end) = (self.una.moved(block.0.distance(una)), self.una.moved(block.1.distance(una)));
        if let (Some(start), Some(end), next) = (start, end, self.next)
            && self.una < start
            && start < end
            && end <= next
            && let Some(flight) = self.flight_mut()
        {
            flight.on_sack(&(start..end), witness, delivery);
        }
    }

    /// Gives the memory of what is in flight back where nothing is.
    pub(crate) fn tidy(&mut self) {
        if self.flight().is_some_and(Flight::is_done) {
            self.flight = None;
        }
    }

    /// Takes the window from a segment that is not older than the last one it was taken from (SND.WL1, SND.WL2), and
    /// says whether it was closed and is open now. What acknowledges more has left later, however old its number is (a
    /// keepalive's, or of data that goes again): with the window before it the edge would move as far as it
    /// acknowledges
    /// (ZW-3).
    pub(crate) fn update_window(&mut self, segment: &Segment<'_>) -> bool {
        let (newer, more) = (segment.seq.distance(self.wl1), segment.ack.distance(self.wl2));
        if more <= 0 && (newer < 0 || newer == 0 && more < 0) {
            return false;
        }
        let was_closed = self.window == 0;
        self.window = self.window_of(segment);
        self.max_window = self.max_window.max(self.window);
        if newer > 0 {
            self.wl1 = segment.seq;
        }
        self.wl2 = segment.ack;
        was_closed && self.window > 0
    }

    // ---- loss --------------------------------------------------------------------------------------------------

    /// Everything in flight counts as lost: the retransmission timer fired, or the window was closed to it.
    pub(crate) fn lose_all(&mut self) {
        if let Some(flight) = self.flight_mut() {
            flight.lose_all();
        }
    }

    /// The first segment in flight counts as lost.
    pub(crate) fn lose_front(&mut self) {
        let (mss, fin) = (self.mss, self.fin);
        if let Some(flight) = self.flight_mut() {
            flight.lose_front(mss, fin);
        }
    }

    /// A duplicate acknowledgment without selective ones: so many octets have left the network. Together they cannot be
    /// more than what had been sent up to `most` (limit 3.22).
    pub(crate) fn departed(&mut self, octets: u32, most: Offset) {
        let most = length(most.since(self.una));
        if let Some(flight) = self.flight_mut() {
            flight.departed(octets, most);
        }
    }

    /// RACK's search for losses.
    pub(crate) fn find_losses(&mut self, now: Instant, window: Duration) -> Found {
        self.flight_mut().map_or_else(Found::default, |flight| flight.find_losses(now, window))
    }

    // ---- transmission ------------------------------------------------------------------------------------------

    /// What to send next, if the peer's window and the congestion window allow anything: lost octets first, then new
    /// ones.
    pub(crate) fn next_range(&self, shape: &Shape) -> Option<Range<Offset>> {
        if self.window == 0 || !self.is_pending() {
            return None;
        }
        let room = shape.congestion_window.saturating_sub(self.in_network());
        let most = u64::from(shape.mss) * u64::from((shape.super_segment / u32::from(shape.mss)).max(1));
        self.lost_range(shape, room, most).or_else(|| self.new_range(shape, room, most))
    }

    fn lost_range(&self, shape: &Shape, room: u64, most: u64) -> Option<Range<Offset>> {
        let (run, resent) = self.flight()?.first_lost()?;
        // A window that shrank is overstepped once, by what it had allowed before (RFC 7323 section 2.4; ZW-7).
        let edge = self.una + u64::from(self.window) + ((1 << self.shift) - 1);
        let run = if resent { run.start..run.end.min(edge) } else { run };
        if run.start >= run.end {
            return None;
        }
        // The front goes out whatever the congestion window says: on it everything else waits (RFC 5681 section 3.2).
        let front = run.start == self.una;
        let room = if front { room.max(u64::from(shape.mss)) } else { room };
        let data = run.end.min(self.fin).since(run.start);
        if room < data.min(u64::from(shape.mss)) {
            return None; // Whole segments only: a sender that is told of single octets must not repeat single octets.
        }
        let len = whole_segments(room.min(most), shape.mss).min(data);
        let fin = run.end > self.fin && len == data;
        let end = run.start + len + u64::from(fin);
        (room > 0).then(|| run.start..self.filled_up(&run.start, end, shape.mss))
    }

    /// Where the last that was sent goes again and is no full segment, new data fills it up (SHLD-28): a window probe
    /// that was not taken leaves no single octet behind.
    fn filled_up(&self, start: &Offset, end: Offset, mss: u16) -> Offset {
        let edge = self.una + u64::from(self.window);
        let full = (*start + u64::from(mss)).min(edge).min(self.data_end());
        if end != self.next || end > self.fin || full <= end {
            return end;
        }
        full + u64::from(full == self.fin && full < edge)
    }

    fn new_range(&self, shape: &Shape, room: u64, most: u64) -> Option<Range<Offset>> {
        let (window, data) = (self.window_left(), self.unsent());
        if data == 0 {
            // A lone FIN may exceed the congestion window by its one number (FS-3), never the peer's window (ZW-3).
            return (self.fin == self.next && window > 0).then(|| self.fin..self.fin + 1);
        }
        let len = data.min(window).min(room).min(most);
        let len = if len < data {
            if len < u64::from(shape.mss) && (self.outstanding() > 0 || self.is_sliver(len) && !shape.sliver) {
                return None;
            }
            whole_segments(len, shape.mss)
        } else {
            self.gathered(shape, len, most)?
        };
        let end = self.next + len;
        let fin = end == self.fin && len < window;
        (len > 0).then(|| self.next..end + u64::from(fin))
    }

    /// Whether a window that takes only `len` octets is not worth using (MUST-38).
    fn is_sliver(&self, len: u64) -> bool {
        len < u64::from(self.mss) && len < u64::from(self.max_window / 2)
    }

    /// Whether nothing is sent, and nothing in flight, because the peer's window is too small to be useful.
    pub(crate) fn waits_for_window(&self) -> bool {
        let (window, data) = (u64::from(self.window), self.unsent());
        self.outstanding() == 0 && window > 0 && window < data && self.is_sliver(window)
    }

    /// All that waits is `len` octets. They go out at once, unless more may come that they should travel with.
    fn gathered(&self, shape: &Shape, len: u64, most: u64) -> Option<u64> {
        if shape.nodelay || self.fin != Offset::NONE {
            return Some(len); // Nothing will follow (FS-2), or nothing is to be waited for.
        }
        let mss = u64::from(shape.mss);
        // A device that cuts super-segments is worth filling, while what is in flight keeps the path busy.
        let third = shape.congestion_window.min(u64::from(self.window)) / 3;
        if most > mss && len < third.min(most) && self.outstanding() > third {
            return None;
        }
        // Nagle: one small segment in flight at a time (SHLD-7), full ones never wait.
        let held = !len.is_multiple_of(mss) && self.una < self.small;
        let len = if held { len - len % mss } else { len };
        (len > 0).then_some(len)
    }

    /// Octets beyond SND.NXT that the peer's window has room for.
    pub(crate) fn window_left(&self) -> u64 {
        (self.una + u64::from(self.window)).since(self.next)
    }

    /// One segment that was never sent, whatever the congestion window says.
    pub(crate) fn fresh_range(&self, mss: u16) -> Option<Range<Offset>> {
        let everything = Shape { congestion_window: u64::MAX, super_segment: 0, mss, nodelay: true, sliver: false };
        if self.window == 0 { None } else { self.new_range(&everything, u64::MAX, u64::from(mss)) }
    }

    /// What to repeat, or to send ahead of the congestion window, where the last segments may be lost (RFC 8985 section
    /// 7.3).
    pub(crate) fn tail_range(&self, mss: u16) -> Option<Range<Offset>> {
        let last = || {
            let data = self.next.min(self.fin);
            let start = Offset(data.0.saturating_sub(u64::from(mss)).max(self.una.0));
            (start < self.next).then_some(start..self.next)
        };
        self.fresh_range(mss).or_else(last)
    }

    /// The one octet that asks a closed window whether it is still closed (ZW-2, ZW-3): the oldest in flight, else the
    /// next one, be it data or the FIN.
    pub(crate) fn probe_range(&self) -> Option<Range<Offset>> {
        let at = self.una;
        self.is_pending().then(|| at..at + 1)
    }

    /// `range` has been given to the device at `now`; whether any of it had been sent before.
    pub(crate) fn sent(&mut self, now: Instant, range: &Range<Offset>, probe: bool) -> bool {
        let flight = self.flight.get_or_insert_default();
        if range.start < self.next {
            flight.sent_again(now, &(range.start..range.end.min(self.next)));
            if range.end > self.next {
                flight.sent(now, &(self.next..range.end), true, false);
                self.next = range.end;
            }
            return true;
        }
        let joins = range.start != self.small && range.start != self.fin;
        flight.sent(now, range, probe, joins);
        self.next = range.end;
        if !probe && !range.end.min(self.fin).since(range.start).is_multiple_of(u64::from(self.mss)) {
            self.small = range.end;
        }
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
        self.flight = None;
    }

    /// What is in flight lies between `una` and `next`.
    pub(crate) fn check(&self) {
        debug_assert!(self.una <= self.next && self.next <= self.stream_end(), "{self:?}");
        match self.flight() {
            Some(flight) => flight.check(self.una, self.next),
            None => debug_assert_eq!(self.una, self.next),
        }
    }
}

impl Digest for Send {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { una, next, fin, queue, flight, small, urgent, iss, wl1, wl2, window, max_window, mss, shift } = self;
        (una, next, fin, queue, small, urgent).hash(state);
        (iss, wl1, wl2, window, max_window, mss, shift).hash(state);
        flight.digest(moment, state);
    }
}

/// `len` rounded down to whole segments, unless it is less than one.
fn whole_segments(len: u64, mss: u16) -> u64 {
    let mss = u64::from(mss);
    if len < mss { len } else { len - len % mss }
}
