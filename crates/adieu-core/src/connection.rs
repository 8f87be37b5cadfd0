//! One connection from ESTABLISHED to its ending.

pub(crate) mod ack;
mod check;
pub mod close;
pub(crate) mod congestion;
mod digest;
pub mod ending;
mod events;
pub(crate) mod flight;
mod growth;
pub(crate) mod half_close;
mod insight;
mod names;
pub(crate) mod network;
mod pace;
mod prr;
mod rack;
mod reassembly;
mod recovery;
pub(crate) mod recv;
mod reset;
pub(crate) mod rtt;
mod runs;
pub(crate) mod send;
mod spurious;
pub(crate) mod stamps;
mod timeout;
pub(crate) mod timers;
mod transmit;

use alloc::boxed::Box;

use bytes::Bytes;

use ack::Ack;
use close::{Close, Closer, State};
use congestion::Congestion;
use ending::{Cause, Ending, Ledger, Noted, Order, Receipt};
use half_close::{Alarm, Drain};
use network::Path;
use rack::Rack;
use recv::{Position, Recv};
use rtt::Rtt;
use send::Send;
use stamps::Stamps;
use timers::{Timer, Timers};

use crate::config::Config;
use crate::seq::Seq;
use crate::settings::Settings;
use crate::time::{Duration, Instant};
use crate::time_wait::Legacy;
use crate::wire::{Flags, Segment};

pub use events::{Events, ReadError, WriteError};
pub use half_close::{DrainBudget, Unwanted};
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
    rack: Rack,
    congestion: Congestion,
    trouble: Trouble,
    ack: Ack,
    /// Timestamps, if they were negotiated.
    stamps: Option<Stamps>,
    /// What the application has chosen, where it is not what everybody has.
    settings: Option<Box<Settings>>,
    /// A path narrower than the interface.
    path: Option<Box<Path>>,
    /// What comes is thrown away, within a budget.
    drain: Option<Box<Drain>>,
    ended: Option<Ending>,
    farewell: Farewell,
    close: Close,
    /// A probe of a closed window is to leave.
    probe_due: bool,
    /// A probe for the loss of the last segments is to leave.
    tail_due: bool,
    /// What waited for a useful window goes out without one.
    sliver_due: bool,
    /// Selective acknowledgments were negotiated; window scaling was.
    sack: bool,
    scaled: bool,
    /// A keepalive probe is to leave.
    keepalive_due: bool,
    zero_linger: bool,
    /// What the watchdog has found.
    alarm: Alarm,
    events: Events,
    /// The MSS we announced.
    announced: u16,
    /// The peer's user timeout, as its option says it; 0 where there was none.
    peer_timeout: u16,
    /// When the peer last acknowledged anything, and when we last sent data, in milliseconds modulo 2^32.
    heard: u32,
    sent: u32,
    /// When one direction was closed, and when nobody owned the connection any more, in the same way.
    half_closed: u32,
    orphaned: u32,
    ledger: Noted<Ledger>,
}

/// The time of a step and the configuration it runs under.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The time. It never goes back from one step to the next.
    pub time: Instant,
    /// The stack's configuration.
    pub config: &'a Config,
    /// Memory is scarce: no buffer grows.
    pub scarce: bool,
}

impl<'a> Now<'a> {
    /// The time of a step of a stack whose connections hold so many bytes.
    pub(crate) fn of(time: Instant, config: &'a Config, held: u64) -> Self {
        Self { time, config, scarce: held > config.memory as u64 / 2 }
    }
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
    /// Probes of a closed window, answered or not, since somebody owns it or nobody does.
    probes: u8,
    /// A probe has left since something last moved: what it brought into the closed window was perhaps refused.
    probed: bool,
    /// Duplicate acknowledgments in a row, outside recovery.
    duplicates: u8,
    /// In fast recovery (RFC 5681 section 3.2).
    recovering: bool,
    /// It has seen a partial acknowledgment (RFC 6582 section 3.2).
    partial: bool,
    /// Keepalive probes without an answer.
    keepalives: u8,
    /// The network has said that the peer cannot be reached, since something last moved.
    unreachable: bool,
}

impl Trouble {
    fn none(now: Instant) -> Self {
        Self {
            recover: crate::Offset::SYN,
            since: now,
            tries: 0,
            probes: 0,
            probed: false,
            duplicates: 0,
            recovering: false,
            partial: false,
            keepalives: 0,
            unreachable: false,
        }
    }

    /// Something has moved.
    fn progress(&mut self, now: Instant) {
        self.since = now;
        self.tries = 0;
        self.probes = 0;
        self.probed = false;
        self.unreachable = false;
    }
}

/// What an opening hands over to the connection it becomes.
pub(crate) struct Opened {
    pub(crate) iss: Seq,
    pub(crate) irs: Seq,
    /// Payload of a full segment, options not counted.
    pub(crate) mss: u16,
    /// The MSS we announced.
    pub(crate) announced: u16,
    pub(crate) agreed: Agreed,
    /// How often the timer has sent our SYN or SYN-ACK.
    pub(crate) tries: u8,
    /// When our SYN was sent, for a first round trip, if it was sent only once (Karn's rule).
    pub(crate) sent_once: Option<Instant>,
    pub(crate) settings: Option<Box<Settings>>,
    pub(crate) ledger: Noted<Ledger>,
}

/// What both SYNs have agreed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreed {
    /// Shifts of the peer's windows and of ours (RFC 7323 section 2).
    pub(crate) shifts: Option<(u8, u8)>,
    /// Selective acknowledgments (RFC 2018).
    pub(crate) sack: bool,
    /// Timestamps (RFC 7323 section 3).
    pub(crate) stamps: Option<Stamps>,
    /// The peer's user timeout (RFC 5482); nothing needs to be agreed for it.
    pub(crate) user_timeout: Option<u16>,
}

impl Connection {
    /// `segment` has acknowledged our SYN; what else it carries is for [`Connection::handle_segment`].
    pub(crate) fn new(now: Now<'_>, opened: Opened, segment: &Segment<'_>) -> Self {
        let Opened { agreed, mut ledger, .. } = opened;
        let (mut rtt, mut rack) = (Rtt::new(now.config), Rack::NEW);
        if let Some(sent) = opened.sent_once {
            rtt.sample(now.time.since(sent), now.config);
            rack.sample(now.time.since(sent), now.time);
        }
        if opened.tries > 1 {
            rtt.after_lost_syn();
        }
        ledger.note(|ledger| ledger.spent.enter(State::Established, now.time));
        let mss = opened.mss - network::option_size(agreed.stamps.as_ref());
        let (theirs, ours) = agreed.shifts.unwrap_or_default();
        let mut timers = Timers::NONE;
        let keepalive = opened.settings.as_ref().and_then(|settings| settings.keepalive);
        let algorithm = opened.settings.as_ref().and_then(|settings| settings.congestion);
        let algorithm = algorithm.unwrap_or(now.config.congestion);
        if let Some(keepalive) = keepalive {
            timers.arm(Timer::Idle, now.time + keepalive.idle);
        }
        Self {
            send: Send::new(opened.iss, mss, theirs, segment),
            recv: Recv::new(opened.irs, ours, agreed.sack, now),
            timers,
            rtt,
            rack,
            congestion: Congestion::new(algorithm, mss, opened.tries > 2, now.config.initial_window),
            trouble: Trouble::none(now.time),
            ack: Ack::new(now),
            stamps: agreed.stamps,
            settings: opened.settings,
            path: None,
            drain: None,
            ended: None,
            farewell: Farewell::None,
            close: Close::default(),
            probe_due: false,
            tail_due: false,
            sliver_due: false,
            sack: agreed.sack,
            scaled: agreed.shifts.is_some(),
            keepalive_due: false,
            zero_linger: false,
            alarm: Alarm::Quiet,
            events: Events::default(),
            announced: opened.announced,
            peer_timeout: agreed.user_timeout.unwrap_or(0),
            heard: now.time.as_wrapping_millis(),
            sent: now.time.as_wrapping_millis(),
            half_closed: now.time.as_wrapping_millis(),
            orphaned: now.time.as_wrapping_millis(),
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
        self.count_arrival(segment);
        // First: the sequence number.
        let position = Position::of(segment, self.recv.next_seq(), self.recv.window());
        // Second: RST, which has a judgement of its own (RFC 5961 section 3.2).
        if segment.flags.has(Flags::RST) {
            return self.handle_reset(now, segment, position);
        }
        // Fourth, before the reply of the first: any SYN draws a challenge, wherever it lies (SY-1).
        if segment.flags.has(Flags::SYN) {
            return self.ack.owe_challenge(now);
        }
        if !self.is_timely(now, segment) {
            return;
        }
        if position == Position::Outside {
            return self.handle_outside(now, segment);
        }
        // Fifth: ACK, and with it the window.
        if !segment.flags.has(Flags::ACK) || !self.handle_ack(now, segment) {
            return;
        }
        if self.ended.is_none() {
            self.take_options(now, segment, position);
            self.handle_urgent(segment);
        }
        match position {
            // Seventh: text. Eighth: FIN.
            Position::Acceptable if self.ended.is_none() => self.handle_text(now, segment),
            Position::JustBefore if segment.flags.has(Flags::FIN) => self.ack.owe_repeat(now.time),
            // Probes and keepalives are always answered, what is bare at a closed window as what lies outside it.
            Position::JustBefore => {
                self.recv.note_old(segment);
                self.ack.owe();
            }
            Position::ClosedWindow if segment.is_empty() => self.ack.owe_out_of_window(now),
            Position::ClosedWindow => self.ack.owe(),
            Position::Acceptable | Position::Outside => {}
        }
        self.settle(now, before);
    }

    /// Who sends old data has not heard our acknowledgment, and must; only bare segments can go on for ever.
    fn handle_outside(&mut self, now: Now<'_>, segment: &Segment<'_>) {
        if segment.payload.is_empty() {
            return self.ack.owe_out_of_window(now);
        }
        if segment.end().distance(self.recv.next_seq()) <= 0 {
            self.recv.note_old(segment);
        }
        self.ack.owe();
    }

    /// PAWS (RFC 7323 section 5.3, R1): what an old connection or an old wrap has sent is answered and dropped. Once
    /// negotiated, timestamps stand in every segment; what has none is dropped silently (section 3.2).
    fn is_timely(&mut self, now: Now<'_>, segment: &Segment<'_>) -> bool {
        let Some(stamps) = &self.stamps else { return true };
        let Some(theirs) = segment.options.timestamps else { return false };
        let old = stamps.is_old(theirs.value, now.time);
        if old {
            if segment.end().distance(self.recv.next_seq()) <= 0 {
                self.recv.note_old(segment);
            }
            self.ack.owe_out_of_window(now);
        }
        !old
    }

    /// What the options say that came with an acceptable acknowledgment (3.24).
    fn take_options(&mut self, now: Now<'_>, segment: &Segment<'_>, position: Position) {
        if let Some((stamps, theirs)) = self.stamps.as_mut().zip(segment.options.timestamps)
            && position == Position::Acceptable
        {
            stamps.take(theirs.value, segment.seq, self.recv.last_acknowledged(), now.time);
        }
        // RFC 5482 section 2: 0 says nothing.
        if let Some(timeout) = segment.options.user_timeout.filter(|timeout| timeout & 0x7fff != 0) {
            self.peer_timeout = timeout;
        }
    }

    /// Sixth: URG, also where the window is closed (MUST-66); not behind the peer's FIN (FR-7).
    fn handle_urgent(&mut self, segment: &Segment<'_>) {
        if segment.flags.has(Flags::URG) && !self.close.is_fin_received() && self.recv.on_urgent(segment) {
            self.events.add(Events::URGENT);
        }
    }

    fn handle_text(&mut self, now: Now<'_>, segment: &Segment<'_>) {
        if segment.is_empty() {
            return;
        }
        if self.close.is_fin_received() {
            // Nothing can follow the FIN (FR-5).
            return self.ack.owe_challenge(now);
        }
        if self.recv.refuses() && !segment.payload.is_empty() {
            let end = segment.seq + u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
            if end.distance(self.recv.next_seq()) > 0 {
                return self.abort(now, Cause::DataAfterClose);
            }
        }
        let quiet = self.ack.heard(now.time);
        let taken = self.recv.on_text(segment, now.config);
        if taken.contradiction {
            return self.ack.owe_challenge(now);
        }
        if taken.data {
            self.events.add(Events::READABLE);
        }
        if taken.fin {
            self.fin_received();
        }
        match taken {
            _ if taken.fin || taken.gap => self.ack.owe(),
            _ if taken.data => self.acknowledge_data(now, segment, quiet),
            _ if self.sack => self.ack.owe(),
            _ => self.ack.owe_duplicate(),
        }
        if taken.out_of_order && !taken.data {
            self.ledger.note(|ledger| ledger.traffic.out_of_order += 1);
        }
        if taken.data {
            self.resize(now, segment);
            self.throw_away(now);
        }
    }

    /// Data came in order; its acknowledgment may wait for company (B-DACK).
    fn acknowledge_data(&mut self, now: Now<'_>, segment: &Segment<'_>, quiet: Duration) {
        let unacknowledged = self.recv.unacknowledged();
        let paused = !quiet.is_zero() && quiet > self.rtt.rto(now.config);
        let segments = segment.payload.wire_segments();
        let waits = self.ack.on_data(now.config, segments, unacknowledged, self.recv.mss(), paused);
        if waits && !self.timers.is_armed(Timer::Ack) {
            self.timers.arm(Timer::Ack, now.time + ack::delay(now.config));
        }
    }

    // ---- the four events of closing, and what follows from each ------------------------------------------------

    fn fin_acked(&mut self) {
        if self.close.is_fin_acked() {
            return;
        }
        self.close.fin_acked();
        self.send.drop_all();
        self.congestion.forget();
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
                    if before != state {
                        self.watch_from(now, before);
                    }
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
        let (unread, unsent, state) = (self.recv.unread(), self.send.unsent(), self.state());
        self.ledger.note(|ledger| {
            ledger.unsent = unsent;
            if state != State::Closed {
                ledger.spent.enter(state, now.time);
            }
            ledger.spent.end(now.time);
            ledger.unread = u32::try_from(unread).unwrap_or(u32::MAX);
        });
        self.ended = Some(why);
        self.timers.stop_all();
        (self.probe_due, self.tail_due, self.sliver_due, self.keepalive_due) = (false, false, false, false);
        self.send.drop_all();
        self.congestion.forget();
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
        match self.send.write(data, self.send_buffer(now)) {
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
        self.send.write_chunk(data, self.send_buffer(now)).map_err(|data| (WriteError::Blocked, data))?;
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
    pub fn room(&self, now: Now<'_>) -> usize {
        if self.may_write().is_ok() { self.send.room(self.send_buffer(now)) } else { 0 }
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

    /// Takes what it has room for of `data` as urgent: the pointer designates the octet after it (RFC 9293 section
    /// 3.8.5; MUST-30, MUST-31, MUST-62). The bytes travel in the stream like all others.
    pub fn write_urgent(&mut self, now: Now<'_>, data: &[u8]) -> Result<usize, WriteError> {
        let written = self.write(now, data)?;
        self.send.mark_urgent();
        Ok(written)
    }

    /// No more data from us: our FIN follows what was written (half-close, RFC 9293 section 3.6). Reading goes on.
    pub fn shut_down(&mut self, now: Now<'_>) {
        if self.ended.is_some() || !self.close.may_send() {
            return;
        }
        if self.recv.has_lost() {
            return self.abort(now, Cause::CloseWithUnread); // HC-5
        }
        let before = self.state();
        self.note_new_work(now);
        if self.send.room(self.send_buffer(now)) == 0 {
            self.events.add(Events::WRITABLE); // Who waits for room waits in vain (RL-1).
        }
        self.send.shut_down();
        self.close.shut_down();
        if self.recv.refuses() {
            self.become_orphan(now);
        }
        self.settle(now, before);
    }

    /// Full close: no more data from us, and nobody reads any more. With received bytes unread this is a reset: a FIN
    /// would tell the peer that they were taken (UD-1, UD-2).
    pub fn close(&mut self, now: Now<'_>) {
        self.close_because(now, Cause::CloseWithUnread);
    }

    /// Full close, because the handle was dropped: the same, but for the name of a reset that unread bytes deserve.
    pub(crate) fn dropped(&mut self, now: Now<'_>) {
        self.close_because(now, Cause::HandleDroppedWithUnread);
    }

    fn close_because(&mut self, now: Now<'_>, unread: Cause) {
        if self.ended.is_some() {
            return self.recv.drop_all();
        }
        if self.drain.is_some() {
            return; // It is closed, and still takes in what its budget allows (UD-8).
        }
        if self.recv.holds_data() || self.recv.has_lost() {
            return self.abort(now, unread);
        }
        if self.zero_linger {
            return self.abort(now, Cause::LingerZero);
        }
        if !self.recv.refuses() {
            self.become_orphan(now);
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

    /// Whether timestamps were agreed on.
    pub(crate) fn is_stamped(&self) -> bool {
        self.stamps.is_some()
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
        !self.close.may_send() && (self.recv.refuses() || self.drain.is_some())
    }

    /// The receipt, once the connection has ended.
    pub fn receipt(&self) -> Option<Receipt> {
        self.ended.map(|ending| self.receipt_of(ending))
    }

    fn receipt_of(&self, ending: Ending) -> Receipt {
        let ledger = self.ledger.for_receipt();
        let (sent, received) = (self.send.data_end().since(crate::Offset::DATA), self.recv.data_received());
        Receipt {
            ending,
            closed_first: self.close.first(),
            sent,
            acknowledged: self.send.data_acked(),
            received,
            unread: u64::from(ledger.unread),
            discarded: ledger.discarded,
            unsent: ledger.unsent,
            at_first_fin: self.close.first().map(|first| match first {
                Closer::Us => (sent, ledger.at_first_fin),
                Closer::Peer => (ledger.at_first_fin, received),
            }),
            fin_acknowledged: self.close.is_fin_acked(),
            fin_received: self.close.is_fin_received(),
            read_closed: self.recv.is_closed(),
            reset_sent: ledger.reset_sent,
            retransmissions: ledger.retransmissions,
            last_icmp: ledger.icmp,
            spent: ledger.spent,
        }
    }

    /// The receipt that it would leave if it ended now, but for how it ended.
    pub(crate) fn receipt_so_far(&self, now: Instant) -> Receipt {
        let receipt = self.receipt_of(Ending::Graceful { order: Order::LocalFirst });
        let mut spent = receipt.spent;
        spent.end(now);
        Receipt { spent, ..receipt }
    }

    /// What a TIME-WAIT record keeps.
    pub(crate) fn legacy(&self) -> Legacy {
        let units = self.recv.window().div_ceil(1 << self.recv.shift());
        Legacy {
            send_next: self.send.next().on_wire(self.send.iss()),
            recv_next: self.recv.next_seq(),
            window: u16::try_from(units).unwrap_or(u16::MAX),
            stamps: self.stamps.as_ref().map(Stamps::kept),
        }
    }

    /// The retransmission time without backoff.
    pub(crate) fn rto(&self) -> Duration {
        self.rtt.base()
    }
}

/// A million idle connections must fit beside the application. Raise it only with a reason.
const _: () = assert!(size_of::<Connection>() <= 632);
