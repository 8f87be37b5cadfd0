//! While one direction is closed and the other is not: who still reads, for how long, and who hears of it.

use alloc::boxed::Box;

use super::close::{Closer, State};
use super::ending::{Cause, Limit, RecvSide, SendSide};
use super::timers::Timer;
use super::{Connection, Events, Now};
use crate::config::Config;
use crate::time::{Duration, Instant};

/// What becomes of bytes that come after [`shut_down_read`](Connection::shut_down_read) (HC-5).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Unwanted {
    /// New data draws a reset: its sender hears that nobody reads it.
    #[default]
    Refuse,
    /// Data is acknowledged and thrown away: its sender never hears of it.
    Discard,
}

/// How much a closing connection still takes in, to throw it away (UD-8).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct DrainBudget {
    /// Most bytes that may come after the call.
    pub bytes: u64,
    /// Longest time until both directions are complete; at most [`Config::orphan_time`].
    pub time: Duration,
}

impl Default for DrainBudget {
    /// 1 MiB and 2 s: time for a peer to read an answer while its upload is on the way.
    fn default() -> Self {
        Self { bytes: 1 << 20, time: Duration::from_secs(2) }
    }
}

/// What is left of a [`DrainBudget`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Drain {
    bytes: u64,
    until: Instant,
}

impl Drain {
    /// All of it.
    pub(super) fn parts(&self) -> (u64, Instant) {
        let Self { bytes, until } = *self;
        (bytes, until)
    }
}

/// Whether anybody has heard that nothing happens any more.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Alarm {
    Quiet,
    /// Somebody should hear of it.
    Due,
    /// Somebody has.
    Raised,
}

impl Connection {
    /// No more reading (`shutdown(SHUT_RD)`). Nothing is sent; bytes that are here are dropped. With our own direction
    /// closed, too, dropping bytes is a reset, as with every full close (HC-5).
    pub fn shut_down_read(&mut self, now: Now<'_>, unwanted: Unwanted) {
        let unread = self.recv.unread();
        // Who has closed, or lost bytes, does not begin to take what comes.
        let settled = self.recv.has_lost() || self.recv.refuses() && !self.close.may_send();
        if self.ended.is_some() || settled && unwanted == Unwanted::Discard {
            return;
        }
        let owned = !self.is_detached();
        match unwanted {
            Unwanted::Refuse => self.recv.refuse(),
            Unwanted::Discard => _ = self.recv.discard(),
        }
        self.note_discarded(unread);
        self.events.add(Events::READABLE); // Whoever reads finds the end.
        if self.recv.update_due(self.send.mss()) {
            self.ack.owe();
        }
        self.after_reader_left(now, owned);
    }

    /// With both directions given up by the application: the reset that lost bytes deserve, or an orphan's patience.
    fn after_reader_left(&mut self, now: Now<'_>, owned: bool) {
        if !self.close.may_send() && self.ended.is_none() {
            if self.recv.has_lost() {
                return self.abort(now, Cause::CloseWithUnread);
            }
            if self.recv.refuses() && owned {
                self.become_orphan(now);
            }
        }
        self.settle(now, self.state());
    }

    /// Full close that survives unread input: our FIN follows what was written, and what comes meanwhile is
    /// acknowledged and thrown away, within the budget; then a reset. For a server that answers before it has read
    /// everything: the reset of a plain [`close`](Connection::close) would destroy the answer (UD-8).
    pub fn close_drain(&mut self, now: Now<'_>, budget: DrainBudget) {
        if self.ended.is_some() {
            return self.recv.drop_all();
        }
        let owned = !self.is_detached();
        let unread = self.recv.discard();
        self.note_discarded(unread);
        // However long the budget: nobody waits for ever (OR-1), counted from the first close.
        let gone = if owned { Duration::ZERO } else { self.orphan_age(now.time) };
        let until = now.time + budget.time.min(now.config.orphan_time.saturating_sub(gone));
        self.drain = Some(Box::new(Drain { bytes: budget.bytes, until }));
        if self.recv.update_due(self.send.mss()) {
            self.ack.owe();
        }
        if owned {
            self.become_orphan(now);
        }
        self.shut_down(now);
        self.watch(now);
        self.settle(now, self.state());
    }

    /// An orphan from here on: its patience is shorter, and begins now (OR-2, ZW-5), once for all.
    pub(super) fn become_orphan(&mut self, now: Now<'_>) {
        self.trouble.since = now.time;
        self.trouble.probes = 0;
        self.orphaned = now.time.as_wrapping_millis();
        self.timers.stop(Timer::Idle); // Nobody wants to know any more whether the peer is there.
        // A budget that ends earlier is still one.
        let last = now.time + now.config.orphan_time;
        self.timers.arm(Timer::Watch, self.timers.deadline(Timer::Watch).min(last));
    }

    /// Throws away what came and nobody wants, as long as there is a budget for it.
    pub(super) fn throw_away(&mut self, now: Now<'_>) {
        let unwanted = self.recv.throw_away();
        if unwanted == 0 {
            return;
        }
        self.note_discarded(unwanted);
        // With the FIN behind it this was all.
        if let Some(drain) = self.drain.as_mut().filter(|_| !self.close.is_fin_received()) {
            match drain.bytes.checked_sub(unwanted) {
                Some(left) => drain.bytes = left,
                None => self.abort(now, Cause::PolicyLimit(Limit::DrainBytes)),
            }
        }
    }

    fn note_discarded(&mut self, bytes: u64) {
        self.ledger.note(|ledger| ledger.discarded += bytes);
    }

    // ---- the watchdog ------------------------------------------------------------------------------------------

    /// A state was entered, from `before`: where one direction is closed now, time begins to count.
    pub(super) fn watch_from(&mut self, now: Now<'_>, before: State) {
        if before == State::Established {
            self.half_closed = now.time.as_wrapping_millis();
            let other = match self.close.first() {
                Some(Closer::Peer) => self.send.data_end().since(crate::Offset::DATA),
                _ => self.recv.data_received(),
            };
            self.ledger.note(|ledger| ledger.at_first_fin = other);
        }
        self.alarm = Alarm::Quiet;
        self.watch(now);
    }

    /// Arms the watchdog for what comes first.
    pub(super) fn watch(&mut self, now: Now<'_>) {
        let lasting = matches!(self.state(), State::CloseWait | State::FinWait2);
        if !lasting && self.drain.is_none() && self.settings.is_none() && !self.is_detached() {
            return self.timers.stop(Timer::Watch);
        }
        let at = self.watch_at(now);
        if at == Instant::NEVER {
            self.timers.stop(Timer::Watch);
        } else {
            self.timers.arm(Timer::Watch, at);
        }
    }

    fn watch_at(&self, now: Now<'_>) -> Instant {
        let drained = self.drain.as_ref().map_or(Instant::NEVER, |drain| drain.until);
        let left = |limit: Duration, spent: Duration| now.time + limit.saturating_sub(spent);
        let (idle, total) = self.half_close_limits();
        let (age, quiet) = (self.half_closed_for(now.time), self.quiet_for(now.time));
        let mut at = drained;
        if self.is_orphan() {
            at = at.min(left(now.config.orphan_time, since(self.orphaned, now.time)));
        }
        if let Some(total) = total {
            at = at.min(left(total, age));
        }
        if let Some(idle) = idle {
            at = at.min(left(idle, quiet));
        }
        if let Some(patience) = self.warn_after(now.config).filter(|_| self.alarm == Alarm::Quiet) {
            at = at.min(left(patience, quiet));
        }
        at
    }

    /// The watchdog's time has come, perhaps: it is not moved for every segment.
    pub(super) fn watch_due(&mut self, now: Now<'_>) {
        let (idle, total) = self.half_close_limits();
        let (age, quiet) = (self.half_closed_for(now.time), self.quiet_for(now.time));
        if self.drain.as_ref().is_some_and(|drain| drain.until.is_due(now.time)) {
            return self.abort(now, Cause::PolicyLimit(Limit::DrainTime));
        }
        if self.is_orphan() && since(self.orphaned, now.time) >= now.config.orphan_time {
            return self.abort(now, Cause::OrphanLimit); // 3.12
        }
        if total.is_some_and(|total| age >= total) {
            return self.abort(now, Cause::PolicyLimit(Limit::HalfCloseTotal));
        }
        if idle.is_some_and(|idle| quiet >= idle) {
            return self.abort(now, Cause::PolicyLimit(Limit::HalfCloseIdle));
        }
        if self.alarm == Alarm::Quiet && self.warn_after(now.config).is_some_and(|patience| quiet >= patience) {
            self.alarm = Alarm::Due;
        }
        self.watch(now);
    }

    /// The application's budgets for a connection that is closed in one direction only: idle and in all.
    fn half_close_limits(&self) -> (Option<Duration>, Option<Duration>) {
        let one_sided = matches!(self.state(), State::FinWait1 | State::FinWait2 | State::CloseWait);
        let settings = self.settings.as_ref().filter(|_| one_sided);
        settings.map_or((None, None), |settings| (settings.half_close_idle, settings.half_close_total))
    }

    /// How long a state may last that only the application or the peer can end, before somebody hears of it (TO-11).
    fn warn_after(&self, config: &Config) -> Option<Duration> {
        let patience = match self.state() {
            State::CloseWait => config.close_wait_warning,
            State::FinWait2 if !self.is_detached() => config.fin_wait_2_warning,
            _ => Duration::MAX,
        };
        (patience < Duration::MAX).then_some(patience)
    }

    /// Since one direction was closed.
    fn half_closed_for(&self, now: Instant) -> Duration {
        since(self.half_closed, now)
    }

    /// Since data came or went, or one direction was closed.
    pub(crate) fn quiet_for(&self, now: Instant) -> Duration {
        self.half_closed_for(now).min(self.ack.since_data(now)).min(since(self.sent, now))
    }

    /// Whether the watchdog has found that nothing happens any more: once in each state.
    pub(crate) fn take_alarm(&mut self) -> bool {
        let due = self.alarm == Alarm::Due;
        if due {
            self.alarm = Alarm::Raised;
        }
        due
    }

    /// How long the connection has been in its state, for lists.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.ledger.for_receipt().spent.since_last(now)
    }

    /// Whether it is closed and still takes in what its budget allows.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// Whether nothing moves: the peer's window is closed, or nothing was acknowledged for `patience`.
    pub(crate) fn is_stalled(&self, now: Instant, patience: Duration) -> bool {
        self.send.is_pending() && (self.send.window() == 0 || now.since(self.trouble.since) >= patience)
    }

    /// Bytes that came out of order.
    pub(crate) fn out_of_order(&self) -> u64 {
        self.recv.out_of_order()
    }

    /// Forgets what came out of order: its sender still has it (RFC 2018 section 8).
    pub(crate) fn drop_holes(&mut self) {
        self.recv.drop_holes();
    }

    /// For how long nobody has owned it.
    pub(crate) fn orphan_age(&self, now: Instant) -> Duration {
        since(self.orphaned, now)
    }

    /// Whether nobody cares any more, and there is something left to deliver. One that still throws input away has a
    /// budget of its own, and so has FIN-WAIT-2 (TO-9).
    fn is_orphan(&self) -> bool {
        self.is_detached() && self.drain.is_none() && self.state() != State::FinWait2
    }

    /// Whether the peer opened the connection.
    pub(crate) fn is_passive(&self) -> bool {
        self.ledger.for_receipt().spent.is_passive()
    }

    /// Whether TIME-WAIT may lie ahead: we closed first.
    pub(crate) fn may_wait(&self) -> bool {
        self.close.first() == Some(Closer::Us)
    }

    /// When an orphan in FIN-WAIT-2 is given up.
    pub(crate) fn idle_until(&self) -> Option<Instant> {
        Some(self.timers.deadline(Timer::Idle)).filter(|at| *at != Instant::NEVER)
    }

    /// Shifts of the peer's windows and of ours.
    pub(crate) fn shifts(&self) -> (u8, u8) {
        (self.send.shift(), self.recv.shift())
    }

    // ---- the two directions (section 1.15) ---------------------------------------------------------------------

    /// What became of our direction so far.
    pub fn send_side(&self) -> SendSide {
        let acknowledged = self.send.data_acked();
        let accepted = self.send.data_end().since(crate::Offset::DATA);
        if self.close.is_fin_acked() {
            SendSide::Complete { acknowledged }
        } else if self.ended.is_some() {
            SendSide::Aborted { accepted, acknowledged }
        } else if self.close.may_send() {
            SendSide::Open
        } else {
            let unsent = self.send.unsent();
            SendSide::Closing { unsent, unacknowledged: accepted - acknowledged - unsent }
        }
    }

    /// What became of the peer's direction so far.
    pub fn recv_side(&self) -> RecvSide {
        let received = self.recv.data_received();
        if self.close.is_fin_received() {
            RecvSide::Complete { received }
        } else if self.recv.is_closed() {
            RecvSide::ClosedLocally { discarded: self.ledger.for_receipt().discarded }
        } else if self.ended.is_some() {
            RecvSide::Aborted { received }
        } else {
            RecvSide::Open
        }
    }
}

/// How long ago `then` was, in milliseconds modulo 2^32.
fn since(then: u32, now: Instant) -> Duration {
    Duration::from_millis(u64::from(now.as_wrapping_millis().wrapping_sub(then)))
}
