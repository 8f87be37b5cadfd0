//! FIN-WAIT-2 when nobody owns the connection any more: all of ours is delivered, nothing of the peer's is wanted. What
//! is left to do fits into a record: answer, meet new data with a reset, and wait for the FIN, for a time (OR-4, TO-9).

use core::hash::{Hash, Hasher};

use crate::connection::close::{Closer, State};
use crate::connection::ending::{Cause, Ending, Order, Phase, Receipt, Spent};
use crate::connection::recv::Position;
use crate::connection::stamps::{Stamps, later};
use crate::digest::{Digest, Moment};
use crate::seq::Seq;
use crate::time::{Duration, Instant};
use crate::time_wait::{Legacy, Links};
use crate::wire::tcp::{Control, Header};
use crate::wire::{Flags, Options, Segment, Timestamps};

/// What is kept, but for addresses and ports. Times are milliseconds modulo 2^32.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct FinWait2 {
    send_next: Seq,
    recv_next: Seq,
    /// The state was entered.
    since: u32,
    expires: u32,
    replied: u32,
    pub(crate) links: Links,
    recent: u32,
    offset: u32,
    retransmissions: u32,
    /// Bytes of either stream.
    sent: Count,
    received: Count,
    /// The states before this one.
    stays: [Stay; 4],
    icmp: [u8; 2],
    window: u16,
    /// Of the peer's windows and of ours, four bits each.
    shifts: u8,
    marks: u8,
    /// An ACK is owed.
    owed: bool,
}

const STAMPED: u8 = 1;
const ICMP: u8 = 2;
const LONG: u8 = 4;
/// The states before: none, SYN-SENT, SYN-RECEIVED, or both, two bits.
const ACTIVE: u8 = 8;
const SYN_RECEIVED: u8 = 16;

/// A count of bytes in six: 256 TiB, and what is more counts as so many.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Count([u8; 6]);

impl Count {
    fn new(count: u64) -> Self {
        let [a, b, c, d, e, f, ..] = count.min((1 << 48) - 1).to_le_bytes();
        Self([a, b, c, d, e, f])
    }

    fn get(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }
}

/// A time in three bytes: 19 bits of microseconds and how often to double them; wrong by two millionths at most.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
struct Stay([u8; 3]);

impl Stay {
    fn new(time: Duration) -> Self {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).min((1 << 50) - 1);
        let doublings = (64 - micros.leading_zeros()).saturating_sub(19);
        let [a, b, c, ..] = (micros >> doublings | u64::from(doublings) << 19).to_le_bytes();
        Self([a, b, c])
    }

    fn get(self) -> Duration {
        let [a, b, c] = self.0;
        let all = u64::from(u32::from_le_bytes([a, b, c, 0]));
        Duration::from_micros((all & ((1 << 19) - 1)) << (all >> 19))
    }
}

/// What a segment did to a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing is to be sent.
    Silence,
    /// An ACK is owed.
    Answer,
    /// The peer's FIN has come: TIME-WAIT.
    Finished,
    /// It is over, and the peer is told so where it does not know.
    Ended(Ending, Option<Header>),
}

/// What is bare and outside the window, and what deserves a challenge, is answered so often in five seconds (3.39,
/// X-CHAL).
const REPLIES: u32 = 10;
const WHILE: u32 = 5000;
/// The bits that count them.
const COUNT: u32 = 15;

impl FinWait2 {
    /// What stays of a connection that would leave this receipt if it ended now.
    pub(crate) fn new(legacy: Legacy, shifts: (u8, u8), receipt: &Receipt, long: bool, now: Instant) -> Self {
        let (recent, offset) = legacy.stamps.unwrap_or_default();
        let mut stays = [Stay::default(); 4];
        let (mut marks, mut at) = (0, 0);
        for (state, stay) in receipt.spent.iter() {
            match state {
                State::SynSent => marks |= ACTIVE,
                State::SynReceived => marks |= SYN_RECEIVED,
                _ => {}
            }
            let before = !matches!(state, State::FinWait2);
            if let Some(place) = stays.get_mut(at).filter(|_| before) {
                *place = Stay::new(stay);
                at += 1;
            }
        }
        let mark = |mark: u8, on: bool| if on { mark } else { 0 };
        marks |= mark(STAMPED, legacy.stamps.is_some()) | mark(ICMP, receipt.last_icmp.is_some()) | mark(LONG, long);
        let (icmp_type, code) = receipt.last_icmp.unwrap_or_default();
        let here = receipt.spent.iter().last().map_or(Duration::ZERO, |(_, stay)| stay);
        Self {
            send_next: legacy.send_next,
            recv_next: legacy.recv_next,
            // Rounded up: the states before must find room.
            since: (now - here + Duration::from_nanos(999_999)).as_wrapping_millis(),
            expires: now.as_wrapping_millis(),
            replied: now.as_wrapping_millis().wrapping_sub(2 * WHILE),
            links: Links::NONE,
            recent,
            offset,
            retransmissions: receipt.retransmissions,
            sent: Count::new(receipt.sent),
            received: Count::new(receipt.received),
            stays,
            icmp: [icmp_type, code],
            window: legacy.window,
            shifts: shifts.0 << 4 | shifts.1 & 15,
            marks,
            owed: false,
        }
    }

    /// It goes at `at`, if nothing comes.
    pub(crate) fn expire_at(&mut self, at: Instant) {
        let part = u32::from(!at.as_nanos().is_multiple_of(1_000_000));
        self.expires = at.as_wrapping_millis().wrapping_add(part);
    }

    /// Its time is over.
    pub(crate) fn end_now(&mut self, now: Instant) {
        self.expires = now.as_wrapping_millis();
    }

    pub(crate) fn expiry(&self) -> u32 {
        self.expires
    }

    /// How long the connection has been in this state.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.since(now.near(self.since))
    }

    fn has(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    /// RCV.NXT and RCV.WND.
    pub(crate) fn receives(&self) -> (Seq, u64) {
        (self.recv_next, u64::from(self.window) << (self.shifts & 15))
    }

    /// Whether timestamps are in use.
    pub(crate) fn is_stamped(&self) -> bool {
        self.has(STAMPED)
    }

    /// Whether we had opened the connection.
    pub(crate) fn is_active(&self) -> bool {
        self.has(ACTIVE)
    }

    /// Whether TIME-WAIT, if it comes to that, is the long one.
    pub(crate) fn is_long(&self) -> bool {
        self.has(LONG)
    }

    // ---- a segment ---------------------------------------------------------------------------------------------

    /// RFC 9293 section 3.10.7.4, for a state in which little can happen.
    pub(crate) fn handle_segment(&mut self, now: Instant, segment: &Segment<'_>) -> Verdict {
        let window = u64::from(self.window) << (self.shifts & 15);
        let position = Position::of(segment, self.recv_next, window);
        let has = |flag| segment.flags.has(flag);
        let ms = now.as_wrapping_millis();
        if has(Flags::RST) {
            return self.judge_reset(ms, segment, position);
        }
        if has(Flags::SYN) {
            return self.answer(ms); // SY-1
        }
        let stamp = segment.options.timestamps.map(|stamp| stamp.value);
        if self.has(STAMPED) && stamp.is_none() {
            return Verdict::Silence; // FR-13
        }
        if self.has(STAMPED) && stamp.is_some_and(|value| later(self.recent, value)) {
            return self.answer(ms); // PAWS, FR-12
        }
        if position == Position::Outside {
            return if segment.payload.is_empty() { self.answer(ms) } else { self.owe() };
        }
        if !has(Flags::ACK) {
            return Verdict::Silence; // FB-7
        }
        if !self.is_plausible(segment.ack) {
            return self.answer(ms); // FA-6, FA-7
        }
        match position {
            Position::Acceptable => self.take(now, segment, stamp),
            Position::ClosedWindow if segment.is_empty() => self.answer(ms),
            Position::JustBefore | Position::ClosedWindow | Position::Outside => self.owe(),
        }
    }

    /// RA-4 to RA-6.
    fn judge_reset(&mut self, now: u32, segment: &Segment<'_>, position: Position) -> Verdict {
        match segment.seq.distance(self.recv_next) {
            0 => Verdict::Ended(Ending::ResetByPeer { state: State::FinWait2 }, None),
            ahead if ahead > 0 && position == Position::Acceptable => self.answer(now),
            _ => Verdict::Silence,
        }
    }

    /// Everything of ours is acknowledged: what acknowledges more is forged, and what acknowledges far less, too.
    fn is_plausible(&self, ack: Seq) -> bool {
        let behind = -i64::from(ack.distance(self.send_next));
        let known = i64::try_from(self.sent.get() + 2).unwrap_or(i64::MAX);
        (0..=known.min(i64::from(u16::MAX) << (self.shifts >> 4))).contains(&behind)
    }

    fn take(&mut self, now: Instant, segment: &Segment<'_>, stamp: Option<u32>) -> Verdict {
        if segment.seq.distance(self.recv_next) <= 0 {
            self.recent = stamp.unwrap_or(self.recent);
        }
        let length = u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
        if length > 0 && (segment.seq + length).distance(self.recv_next) > 0 {
            let cause = Cause::DataAfterClose;
            return Verdict::Ended(Ending::Aborted { cause, state: State::FinWait2 }, Some(self.reset(now)));
        }
        match segment.end().distance(self.recv_next) {
            1 if segment.flags.has(Flags::FIN) => Verdict::Finished,
            _ if segment.is_empty() => Verdict::Silence,
            _ => self.owe(), // Old data, or a FIN that others must come before (FR-1).
        }
    }

    /// Whether an ACK is to be sent.
    pub(crate) fn owes_ack(&self) -> bool {
        self.owed
    }

    fn owe(&mut self) -> Verdict {
        self.owed = true;
        Verdict::Answer
    }

    /// An answer, if there is one left: the lowest bits of `replied` count those since the time it says.
    fn answer(&mut self, now: u32) -> Verdict {
        let (since, sent) = (self.replied & !COUNT, self.replied & COUNT);
        let (since, sent) = if now.wrapping_sub(since) >= WHILE { (now & !COUNT, 0) } else { (since, sent) };
        if sent >= REPLIES {
            return Verdict::Silence;
        }
        self.replied = since | (sent + 1);
        self.owe()
    }

    // ---- out ---------------------------------------------------------------------------------------------------

    fn bare(&self, now: Instant) -> Header {
        let timestamps =
            self.has(STAMPED).then(|| Timestamps { value: Stamps::clock(self.offset, now), echo: self.recent });
        let bare = Header::bare(self.send_next, Some(self.recv_next), self.window);
        Header { options: Options { timestamps, ..Options::default() }, ..bare }
    }

    /// The reset that tells the peer that it is given up.
    pub(crate) fn reset(&self, now: Instant) -> Header {
        Header { control: Control::Rst, window: 0, ..self.bare(now) }
    }

    /// The ACK that is owed, if one is.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Header> {
        core::mem::take(&mut self.owed).then(|| self.bare(now))
    }

    // ---- what becomes of it ------------------------------------------------------------------------------------

    /// What a record in TIME-WAIT, or in quarantine, keeps; `finished` where the peer's FIN has come.
    pub(crate) fn legacy(&self, finished: bool) -> Legacy {
        Legacy {
            send_next: self.send_next,
            recv_next: self.recv_next + u32::from(finished),
            window: self.window,
            stamps: self.has(STAMPED).then_some((self.recent, self.offset)),
        }
    }

    /// The ending where the FIN never came (TO-9): silent, for the peer may hold bytes unread that a reset would
    /// destroy.
    pub(crate) fn timed_out() -> Ending {
        Ending::TimedOut { phase: Phase::FinWait2Orphan, state: State::FinWait2 }
    }

    /// The receipt of a connection that ends now, with a reset or without.
    pub(crate) fn receipt(&self, now: Instant, ending: Ending, reset_sent: bool) -> Receipt {
        let finished = ending == Ending::Graceful { order: Order::LocalFirst };
        let sent = self.sent.get();
        Receipt {
            ending,
            closed_first: Some(Closer::Us),
            sent,
            acknowledged: sent,
            received: self.received.get(),
            unread: 0,
            discarded: 0,
            unsent: 0,
            at_first_fin: None,
            fin_acknowledged: true,
            fin_received: finished,
            read_closed: true,
            reset_sent,
            retransmissions: self.retransmissions,
            last_icmp: self.has(ICMP).then_some((self.icmp[0], self.icmp[1])),
            spent: self.spent(now, finished),
        }
    }

    fn spent(&self, now: Instant, finished: bool) -> Spent {
        let states = [
            self.has(ACTIVE).then_some(State::SynSent),
            self.has(SYN_RECEIVED).then_some(State::SynReceived),
            Some(State::Established),
            Some(State::FinWait1),
        ];
        let visited = states.into_iter().flatten().zip(self.stays);
        let here = now.near(self.since).min(now);
        let mut at = here - visited.clone().map(|(_, stay)| stay.get()).sum::<Duration>();
        let first = if self.is_active() { State::SynSent } else { State::SynReceived };
        let mut spent = Spent::begin(first, at);
        for (state, stay) in visited {
            spent.enter(state, at);
            at += stay.get();
        }
        spent.enter(State::FinWait2, here);
        if finished {
            spent.enter(State::TimeWait, now);
        }
        spent.end(now);
        spent
    }
}

impl Digest for FinWait2 {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { send_next, recv_next, since: _, expires, replied, links: _, recent, offset, sent, .. } = self;
        let Self { retransmissions: _, received: _, stays: _, icmp: _, window, shifts, marks, owed, .. } = self;
        (send_next, recv_next, recent, offset, sent, window, shifts, marks, owed).hash(state);
        expires.wrapping_sub(moment.millis()).hash(state);
        let over = moment.millis().wrapping_sub(replied & !COUNT) >= WHILE;
        (!over).then_some((moment.millis().wrapping_sub(replied & !COUNT), replied & COUNT)).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_stays_survive_their_compression() {
        for count in [0, 1, 1 << 40, (1 << 48) - 1] {
            assert_eq!(Count::new(count).get(), count);
        }
        assert_eq!(Count::new(u64::MAX).get(), (1 << 48) - 1);
        for micros in [0u64, 1, 524_287, 524_288, 1_000_001, 60_000_000, 86_400_000_000, 400 * 86_400_000_000] {
            let back = u64::try_from(Stay::new(Duration::from_micros(micros)).get().as_micros()).unwrap();
            assert!(back <= micros && micros - back <= micros >> 18, "{micros} became {back}");
        }
    }
}
