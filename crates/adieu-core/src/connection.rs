//! One connection from ESTABLISHED to its ending.

pub(crate) mod ack;
mod check;
pub mod close;
pub(crate) mod congestion;
pub mod ending;
pub(crate) mod recv;
mod reset;
pub(crate) mod rtt;
pub(crate) mod send;
mod timeout;
pub(crate) mod timers;
mod transmit;

use bytes::Bytes;

use ack::Ack;
use close::{Close, State};
use congestion::Congestion;
use ending::{Cause, Ending, Ledger, Noted, Order, Receipt};
use recv::{Position, Recv};
use rtt::Rtt;
use send::Send;
use timers::{Timer, Timers};

use crate::config::Config;
use crate::seq::Seq;
use crate::time::Instant;
use crate::wire::{Flags, Segment};

pub use transmit::Transmit;

/// A connection, ESTABLISHED or closing.
///
/// It knows TCP and neither addresses nor bytes on the wire. Four kinds of calls, in this order for each step:
/// 1. what happened: [`handle_segment`](Self::handle_segment), [`handle_timeout`](Self::handle_timeout), or a call of
///    the application ([`write`](Self::write), [`read`](Self::read), [`shut_down`](Self::shut_down),
///    [`close`](Self::close), [`abort`](Self::abort));
/// 2. what to send: [`poll_transmit`](Self::poll_transmit), until it says `None`;
/// 3. when to come back: [`poll_timeout`](Self::poll_timeout);
/// 4. what the application should look at: [`take_events`](Self::take_events).
///
/// Every call that can change something takes a [`Now`]: the time and the configuration.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Connection {
    send: Send,
    recv: Recv,
    timers: Timers,
    rtt: Rtt,
    congestion: Congestion,
    trouble: Trouble,
    ack: Ack,
    ended: Option<Ending>,
    farewell: Farewell,
    close: Close,
    probe_due: bool,
    zero_linger: bool,
    events: Events,
    ledger: Noted<Ledger>,
}

/// The time of a step and the configuration it runs under.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The time. It never goes back from one step to the next.
    pub time: Instant,
    /// The stack's configuration.
    pub config: &'a Config,
}

/// Resets that are still to be sent after the ending.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Farewell {
    None,
    /// One where the peer looks if it took nothing beyond its window; then, if there is such a thing, the last one.
    Due,
    /// One where the peer looks if it took all that was sent: a probe that was accepted, its answer lost (AB-6, L3).
    Last,
}

/// What goes wrong and for how long.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Trouble {
    /// Everything below was sent before the last loss was noticed (RFC 6582's `recover`).
    recover: crate::Offset,
    /// Since when nothing has moved: the beginning of patience (RFC 9293 section 3.8.3, R2).
    since: Instant,
    /// Retransmissions, or unanswered probes, in a row.
    tries: u8,
    /// Probes of a closed window, answered or not.
    probes: u8,
    /// Duplicate acknowledgments in a row, outside recovery.
    duplicates: u8,
    /// In fast recovery (RFC 5681 section 3.2).
    recovering: bool,
}

impl Trouble {
    fn none(now: Instant) -> Self {
        Self { recover: crate::Offset::SYN, since: now, tries: 0, probes: 0, duplicates: 0, recovering: false }
    }

    /// Something has moved.
    fn progress(&mut self, now: Instant) {
        self.since = now;
        self.tries = 0;
        self.probes = 0;
    }
}

/// What the application should look at: a set.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Events(u8);

impl Events {
    /// `connect` has succeeded.
    pub const CONNECTED: Self = Self(1);
    /// There are bytes to read.
    pub const READABLE: Self = Self(2);
    /// There is room to write.
    pub const WRITABLE: Self = Self(4);
    /// The peer's FIN is in order: after the bytes that are here comes the end of the stream (HC-4).
    pub const PEER_FINISHED: Self = Self(8);
    /// Our FIN is acknowledged: every byte is at the peer's TCP.
    pub const FINISHED: Self = Self(16);
    /// The connection has ended; its receipt is there.
    pub const ENDED: Self = Self(32);

    /// Whether all of `other` is in this set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is to be looked at.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds `other` to the set.
    pub fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WriteError {
    /// The buffer is full: [`Events::WRITABLE`] says when it is not.
    Blocked,
    /// We have closed our direction (AP-3).
    ShutDown,
    /// The connection has ended.
    Ended(Ending),
}

/// Why nothing was read. The end of the stream is not an error: it is a read of 0 bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReadError {
    /// Nothing is here: [`Events::READABLE`] and [`Events::PEER_FINISHED`] say when there is.
    Blocked,
    /// The connection has ended otherwise than by the peer's FIN; it never turns into an end of stream (AP-4).
    Ended(Ending),
}

/// What an opening hands over to the connection it becomes.
pub(crate) struct Opened {
    pub(crate) iss: Seq,
    pub(crate) irs: Seq,
    pub(crate) mss: u16,
    /// Whether the timer had to send our SYN or SYN-ACK again.
    pub(crate) lost: bool,
    /// When our SYN was sent, for a first round trip, if it was sent only once (Karn's rule).
    pub(crate) sent_once: Option<Instant>,
    pub(crate) ledger: Noted<Ledger>,
}

impl Connection {
    /// `segment` has acknowledged our SYN; what else it carries is for [`Connection::handle_segment`].
    pub(crate) fn new(now: Now<'_>, opened: Opened, segment: &Segment<'_>) -> Self {
        let mut rtt = Rtt::new(now.config);
        if let Some(sent) = opened.sent_once {
            rtt.sample(now.time.since(sent), now.config);
        }
        if opened.lost {
            rtt.after_lost_syn();
        }
        let mut ledger = opened.ledger;
        ledger.note(|ledger| ledger.spent.enter(State::Established, now.time));
        Self {
            send: Send::new(opened.iss, opened.mss, segment),
            recv: Recv::new(opened.irs, now.config),
            timers: Timers::NONE,
            rtt,
            congestion: Congestion::new(opened.mss, opened.lost, now.config.initial_window),
            trouble: Trouble::none(now.time),
            ack: Ack::new(now.time),
            ended: None,
            farewell: Farewell::None,
            close: Close::default(),
            probe_due: false,
            zero_linger: false,
            events: Events::default(),
            ledger,
        }
    }

    // ---- what happened: a segment ------------------------------------------------------------------------------

    /// A segment of this connection, in the order of RFC 9293 section 3.10.7.4.
    pub fn handle_segment(&mut self, now: Now<'_>, segment: &Segment<'_>) {
        if self.ended.is_some() {
            return;
        }
        let before = self.state();
        // First: the sequence number.
        let position = Position::of(segment, self.recv.next_seq(), self.recv.window());
        // Second: RST, which has a judgement of its own (RFC 5961 section 3.2).
        if segment.flags.has(Flags::RST) {
            return self.handle_reset(now, segment, position);
        }
        // Fourth, before the reply of the first: any SYN draws a challenge, wherever it lies (SY-1).
        if segment.flags.has(Flags::SYN) {
            return self.ack.owe_challenge(now.time);
        }
        if position == Position::Outside {
            // Who sends old data has not heard our acknowledgment, and must; only bare segments can go on for ever.
            return if segment.payload.is_empty() { self.ack.owe_out_of_window(now.time) } else { self.ack.owe() };
        }
        // Fifth: ACK, and with it the window.
        if !segment.flags.has(Flags::ACK) || !self.handle_ack(now, segment) {
            return;
        }
        match position {
            // Sixth, URG, comes with the extensions. Seventh: text. Eighth: FIN.
            Position::Acceptable if self.ended.is_none() => self.handle_text(now, segment),
            Position::JustBefore if segment.flags.has(Flags::FIN) => self.ack.owe_repeat(now.time),
            // Probes and keepalives are always answered, what is bare at a closed window as what lies outside it.
            Position::JustBefore => self.ack.owe(),
            Position::ClosedWindow if segment.is_empty() => self.ack.owe_out_of_window(now.time),
            Position::ClosedWindow => self.ack.owe(),
            Position::Acceptable | Position::Outside => {}
        }
        self.settle(now, before);
    }

    /// Whether the rest of the segment counts.
    fn handle_ack(&mut self, now: Now<'_>, segment: &Segment<'_>) -> bool {
        let una = self.send.una();
        let distance = segment.ack.distance(una.on_wire(self.send.iss()));
        let oldest = u64::from(self.send.max_window()).min(una.0);
        let in_range =
            u64::from(distance.unsigned_abs()) <= if distance < 0 { oldest } else { self.send.outstanding() };
        if !in_range {
            // Beyond what was sent (FA-6), or older than anything that can still be under way (FA-7).
            self.ack.owe_challenge(now.time);
            return false;
        }
        if self.send.window() == 0 {
            self.trouble.tries = 0; // Probes are answered: the peer lives (ZW-4).
        }
        if distance > 0 {
            self.handle_progress(now, una + u64::from(distance.unsigned_abs()));
        } else if distance == 0 && self.is_duplicate_ack(segment) {
            self.handle_duplicate_ack();
        }
        if self.send.update_window(segment) {
            // What was sent into the closed window was not taken. An opening alone is no progress: a window that only
            // flaps must not hold an orphan (ZW-5).
            self.send.lose_all();
            self.rtt.relax();
        }
        true
    }

    fn handle_progress(&mut self, now: Now<'_>, ack: crate::Offset) {
        let flight = self.send.outstanding();
        let acked = self.send.on_ack(now.time, ack);
        self.trouble.progress(now.time);
        if let Some(round_trip) = acked.round_trip {
            self.rtt.sample(round_trip, now.config);
        }
        self.timers.stop(Timer::Retransmit);
        self.timers.stop(Timer::Persist);
        self.trouble.duplicates = 0;
        if !self.trouble.recovering {
            self.congestion.on_ack(acked.octets);
        } else if ack >= self.trouble.recover {
            self.trouble.recovering = false;
            self.send.recovered();
            self.congestion.on_recovered(flight - acked.octets);
        } else {
            // A partial acknowledgment: the next hole (RFC 6582 section 3.2).
            self.send.deflate(acked.octets);
            self.send.lose_front();
        }
        if ack > self.send.fin() {
            self.fin_acked();
        }
        self.events.add(Events::WRITABLE);
    }

    /// RFC 5681 section 2: the acknowledgment field of data or of a FIN never counts as a duplicate. Nor does the
    /// answer to a probe, which says nothing of loss.
    fn is_duplicate_ack(&self, segment: &Segment<'_>) -> bool {
        let same_window = u32::from(segment.window) == self.send.window() && segment.window > 0;
        self.send.outstanding() > 0 && segment.is_empty() && same_window
    }

    fn handle_duplicate_ack(&mut self) {
        if self.trouble.recovering {
            return self.send.departed(1);
        }
        self.trouble.duplicates = self.trouble.duplicates.saturating_add(1);
        if self.trouble.duplicates == 3 && self.send.una() > self.trouble.recover {
            self.trouble = Trouble { recover: self.send.next(), duplicates: 0, recovering: true, ..self.trouble };
            self.congestion.on_loss(self.send.outstanding());
            self.send.lose_front();
            self.send.departed(3);
        }
    }

    fn handle_text(&mut self, now: Now<'_>, segment: &Segment<'_>) {
        if segment.is_empty() {
            return;
        }
        if self.close.is_fin_received() {
            // Nothing can follow the FIN (FR-5).
            return self.ack.owe_challenge(now.time);
        }
        if self.recv.is_closed() && !segment.payload.is_empty() {
            let end = segment.seq + u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
            if end.distance(self.recv.next_seq()) > 0 {
                return self.abort(now, Cause::DataAfterClose);
            }
        }
        let taken = self.recv.on_text(segment, now.config);
        if taken.contradiction {
            return self.ack.owe_challenge(now.time);
        }
        if taken.data {
            self.events.add(Events::READABLE);
        }
        if taken.fin {
            self.fin_received();
        }
        if taken.data || taken.fin { self.ack.owe() } else { self.ack.owe_duplicate() }
    }

    // ---- the four events of closing, and what follows from each ------------------------------------------------

    fn fin_acked(&mut self) {
        if self.close.is_fin_acked() {
            return;
        }
        self.close.fin_acked();
        self.send.drop_all();
        self.events.add(Events::FINISHED);
    }

    fn fin_received(&mut self) {
        self.close.fin_received();
        self.events.add(Events::PEER_FINISHED);
    }

    /// After every step that began in `before`: the state it has led to, the timers that state needs, and the ending if
    /// it is one.
    fn settle(&mut self, now: Now<'_>, before: State) {
        if self.ended.is_none() {
            let state = self.state();
            match (before, state) {
                (_, State::Closed) => self.end(now, Ending::Graceful { order: Order::PeerFirst }),
                (State::Closing, State::TimeWait) => self.end(now, Ending::Graceful { order: Order::Simultaneous }),
                (_, State::TimeWait) => self.end(now, Ending::Graceful { order: Order::LocalFirst }),
                (_, _) => {
                    self.ledger.note(|ledger| ledger.spent.enter(state, now.time));
                    self.set_timers(now);
                }
            }
        }
        self.check();
    }

    /// The only way to die: stops every timer, drops what nobody needs any more, and sets the ending, once.
    fn end(&mut self, now: Now<'_>, why: Ending) {
        if self.ended.is_some() {
            return;
        }
        let (unread, state) = (self.recv.unread(), self.state());
        self.ledger.note(|ledger| {
            if state != State::Closed {
                ledger.spent.enter(state, now.time);
            }
            ledger.spent.end(now.time);
            ledger.unread = u32::try_from(unread).unwrap_or(u32::MAX);
        });
        self.ended = Some(why);
        self.timers.stop_all();
        self.probe_due = false;
        self.send.drop_all();
        // Bytes that came in order stay readable after the peer's reset (RA-16), not after our own abort (AP-7).
        if matches!(why, Ending::Aborted { .. }) {
            self.recv.drop_all();
        }
        self.events.add(Events::ENDED);
    }

    // ---- what happened: the application ------------------------------------------------------------------------

    /// Takes what it has room for of `data`, at least one byte, and says how much. Success means that our TCP has it;
    /// nothing says that the peer does (AP-14).
    pub fn write(&mut self, now: Now<'_>, data: &[u8]) -> Result<usize, WriteError> {
        self.may_write()?;
        self.note_new_work(now);
        match self.send.write(data, now.config) {
            0 if !data.is_empty() => Err(WriteError::Blocked),
            n => {
                self.settle(now, self.state());
                Ok(n)
            }
        }
    }

    /// Takes `data` over without a copy. Where there is no room it comes back.
    pub fn write_chunk(&mut self, now: Now<'_>, data: Bytes) -> Result<(), (WriteError, Bytes)> {
        if let Err(error) = self.may_write() {
            return Err((error, data));
        }
        self.note_new_work(now);
        self.send.write_chunk(data, now.config).map_err(|data| (WriteError::Blocked, data))?;
        self.settle(now, self.state());
        Ok(())
    }

    /// Patience with the peer begins when there is something to deliver.
    fn note_new_work(&mut self, now: Now<'_>) {
        if !self.send.is_pending() {
            self.trouble.since = now.time;
        }
    }

    fn may_write(&self) -> Result<(), WriteError> {
        // AP-3: what we closed ourselves comes before anything the network did.
        if !self.close.may_send() {
            return Err(WriteError::ShutDown);
        }
        self.ended.map_or(Ok(()), |ending| Err(WriteError::Ended(ending)))
    }

    /// Bytes that [`write`](Self::write) would take now.
    pub fn room(&self, config: &Config) -> usize {
        if self.may_write().is_ok() { self.send.room(config) } else { 0 }
    }

    /// Fills the front of `out` and says how much of it; 0 where the peer's FIN came and everything before it is read.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, ReadError> {
        if self.recv.unread() > 0 {
            let n = self.recv.read(out);
            self.after_read(n);
            return Ok(n);
        }
        self.at_end().map(|()| 0)
    }

    /// Fills the front of `out` with what [`read`](Self::read) would take now, and takes nothing.
    pub fn peek(&self, out: &mut [u8]) -> Result<usize, ReadError> {
        if self.recv.unread() > 0 {
            return Ok(self.recv.peek(out));
        }
        self.at_end().map(|()| 0)
    }

    /// Bytes in order that wait to be read.
    pub fn unread(&self) -> u64 {
        self.recv.unread()
    }

    /// Takes up to `most` bytes without a copy; `None` at the end of the stream.
    pub fn read_chunk(&mut self, most: usize) -> Result<Option<Bytes>, ReadError> {
        if let Some(chunk) = self.recv.read_chunk(most) {
            self.after_read(chunk.len());
            return Ok(Some(chunk));
        }
        self.at_end().map(|()| None)
    }

    fn after_read(&mut self, n: usize) {
        if self.ended.is_some() {
            self.ledger
                .note(|ledger| ledger.unread = ledger.unread.saturating_sub(u32::try_from(n).unwrap_or(u32::MAX)));
        } else if self.recv.update_due(self.send.mss()) {
            self.ack.owe();
        }
    }

    /// With nothing left to read: the end of the stream, or why there is none.
    fn at_end(&self) -> Result<(), ReadError> {
        match self.ended {
            // What was here was thrown away with the abort: an end of stream would be a lie (AP-7).
            Some(ending @ Ending::Aborted { .. }) => Err(ReadError::Ended(ending)),
            _ if self.close.is_fin_received() => Ok(()),
            Some(ending) => Err(ReadError::Ended(ending)),
            None if self.recv.is_closed() => Ok(()),
            None => Err(ReadError::Blocked),
        }
    }

    /// No more data from us: our FIN follows what was written (half-close, RFC 9293 section 3.6). Reading goes on.
    pub fn shut_down(&mut self, now: Now<'_>) {
        if self.ended.is_none() && self.close.may_send() {
            self.note_new_work(now);
            self.send.shut_down();
            self.close.shut_down();
            self.settle(now, self.state());
        }
    }

    /// Full close: no more data from us, and nobody reads any more. With received bytes unread this is a reset: a FIN
    /// would tell the peer that they were taken (UD-1, UD-2).
    pub fn close(&mut self, now: Now<'_>) {
        if self.ended.is_some() {
            return self.recv.drop_all();
        }
        if self.recv.holds_data() {
            return self.abort(now, Cause::CloseWithUnread);
        }
        if self.zero_linger {
            return self.abort(now, Cause::LingerZero);
        }
        if !self.recv.is_closed() {
            // An orphan from here on: its patience is shorter, and begins now (OR-2, ZW-5).
            self.trouble.since = now.time;
            self.trouble.probes = 0;
        }
        self.recv.close();
        self.shut_down(now);
        self.settle(now, self.state());
    }

    /// Whether [`close`](Self::close) shall be a reset that throws away what was written (`SO_LINGER` with 0 s). Unread
    /// data goes before it (UD-9).
    pub fn set_zero_linger(&mut self, zero: bool) {
        self.zero_linger = zero;
    }

    /// Gives the connection up with a reset (RFC 9293 section 3.10.5).
    pub fn abort(&mut self, now: Now<'_>, cause: Cause) {
        let state = self.state();
        self.reset_and_end(now, Ending::Aborted { cause, state });
    }

    // ---- what the application should look at -------------------------------------------------------------------

    /// Events since the last call.
    pub fn take_events(&mut self) -> Events {
        core::mem::take(&mut self.events)
    }

    /// The handshake of an active open is complete.
    pub(crate) fn connected(&mut self) {
        self.events.add(Events::CONNECTED);
        self.events.add(Events::WRITABLE);
    }

    /// The peer's SYN is to be acknowledged.
    pub(crate) fn owe_ack(&mut self) {
        self.ack.owe();
    }

    /// Whether an acknowledgment is owed: for the TIME-WAIT record that takes over.
    pub(crate) fn owes_ack(&self) -> bool {
        self.ack.is_owed()
    }

    /// Whether a reset is still to be sent.
    pub(crate) fn owes_reset(&self) -> bool {
        self.farewell != Farewell::None
    }

    /// Bytes held in both directions.
    pub(crate) fn held(&self) -> u64 {
        self.send.held() + self.recv.held()
    }

    /// The RFC's name for where the connection is; after an ending, the state it ended in.
    pub fn state(&self) -> State {
        self.close.state()
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<Ending> {
        self.ended
    }

    /// Whether our FIN is acknowledged: every byte written is at the peer's TCP.
    pub fn is_finished(&self) -> bool {
        self.close.is_fin_acked()
    }

    /// Bytes written that the peer's TCP has not acknowledged.
    pub fn unacknowledged(&self) -> u64 {
        self.send.data_end().since(crate::Offset::DATA).saturating_sub(self.send.data_acked())
    }

    /// Whether nobody can read or write any more: an orphan (section 1.10).
    fn is_detached(&self) -> bool {
        self.recv.is_closed() && !self.close.may_send()
    }

    /// The receipt, once the connection has ended.
    pub fn receipt(&self) -> Option<Receipt> {
        let ledger = self.ledger.for_receipt();
        Some(Receipt {
            ending: self.ended?,
            closed_first: self.close.first(),
            sent: self.send.data_end().since(crate::Offset::DATA),
            acknowledged: self.send.data_acked(),
            received: self.recv.data_received(),
            unread: u64::from(ledger.unread),
            retransmissions: ledger.retransmissions,
            spent: ledger.spent,
        })
    }

    /// What a TIME-WAIT record keeps: SND.NXT, RCV.NXT and the window that was announced last.
    pub(crate) fn numbers(&self) -> (Seq, Seq, u16) {
        let window = u16::try_from(self.recv.window()).unwrap_or(u16::MAX);
        (self.send.next().on_wire(self.send.iss()), self.recv.next_seq(), window)
    }

    /// The retransmission time without backoff.
    pub(crate) fn rto(&self) -> crate::Duration {
        self.rtt.base()
    }
}

/// design.md's limit: a million idle connections must fit beside the application.
const _: () = assert!(size_of::<Connection>() <= 448);
