//! What the timers do, and which of them run (TM-1).

use super::close::State;
use super::ending::{Ending, Phase};
use super::timers::Timer;
use super::{Connection, Now, Trouble};
use crate::config::ORPHAN_PATIENCE;
use crate::time::{Duration, Instant};
use crate::wire::options::user_timeout_of;

impl Connection {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called; [`Instant::NEVER`] where nothing is
    /// waited for.
    pub fn poll_timeout(&self) -> Instant {
        self.timers.next().min(self.pacing_deadline())
    }

    /// Fires the timers that are due.
    pub fn handle_timeout(&mut self, now: Now<'_>) {
        if self.pacing_deadline().is_due(now.time) {
            self.stop_pacing_timer();
        }
        while let Some(timer) = self.timers.expired(now.time) {
            match timer {
                Timer::Early => self.early_due(now),
                Timer::Retransmit => self.retransmission_due(now),
                Timer::Persist if self.send.window() > 0 => self.sliver_due = !self.ecn.release(),
                Timer::Persist => self.probe_due(now),
                Timer::Ack => self.ack.owe(),
                // Silently: the peer may hold bytes unread that a reset would destroy (TO-9).
                Timer::Idle if self.is_abandoned() => self.give_up(now, Phase::FinWait2Orphan),
                Timer::Idle => self.idle_due(now),
                Timer::Watch => self.watch_due(now),
            }
        }
        self.settle(now, self.state());
    }

    /// RFC 6298 section 5.4 to 5.6; RFC 9293 section 3.8.3. Before anything is sent again: whether it is worth it
    /// (TO-6).
    fn retransmission_due(&mut self, now: Now<'_>) {
        if let Some(phase) = self.out_of_patience(now, self.trouble.tries) {
            return self.give_up_with_reset(now, phase);
        }
        let ask = self.note_timeout(now);
        let in_flight = self.send.outstanding().min(self.congestion.window());
        let fresh = self.send.una() >= self.ecn.heeded_to();
        self.congestion.on_timeout(in_flight, self.trouble.tries == 0 && fresh);
        self.ecn.reduced();
        self.ecn.release();
        self.trouble.tries = self.trouble.tries.saturating_add(1);
        if self.trouble.tries == R1 {
            self.report_trouble(); // SHLD-9, TO-4
        }
        self.rtt.back_off();
        self.trouble = Trouble { recover: self.send.next(), duplicates: 0, recovering: false, ..self.trouble };
        self.lose_by_timer(now, ask);
        self.doubt_path(now, R1);
        self.timers.stop(Timer::Early);
        self.timers.arm(Timer::Retransmit, self.retransmit_at(now));
    }

    /// The front counts as lost; the rest only if the answer to that is not to tell whether it does (`ask`).
    fn lose_by_timer(&mut self, now: Now<'_>, ask: bool) {
        let Some(flight) = self.send.flight_mut() else { return };
        flight.probe = None;
        flight.prr = None;
        flight.reduced = now.time;
        if ask {
            flight.settle_departed();
            self.send.lose_front();
        } else {
            self.lose_late(now);
        }
    }

    /// With RACK the timer says nothing about what was sent late (RFC 8985 section 6.3); without it everything is lost.
    pub(super) fn lose_late(&mut self, now: Now<'_>) {
        let (mss, window) = (self.send.mss(), self.reordering_window());
        let sack = self.sack;
        let Some(flight) = self.send.flight_mut() else { return };
        if sack {
            flight.lose_late(now.time, mss, window);
        } else {
            flight.lose_all();
        }
    }

    /// One retransmission time from now, but not beyond the user timeout (TO-6).
    pub(super) fn retransmit_at(&self, now: Now<'_>) -> Instant {
        let at = now.time + self.rtt.rto(now.config);
        match self.user_timeout(now.config) {
            Some(limit) if limit < Duration::MAX => at.min((self.trouble.since + limit).max(now.time)),
            _ => at,
        }
    }

    /// Section 1.9 of the requirements: the window is closed, and there is something to deliver.
    fn probe_due(&mut self, now: Now<'_>) {
        // An answered probe shows that the peer lives; an orphan's patience ends all the same (ZW-4, ZW-5, ZW-6).
        let orphan_done = self.is_detached()
            && (self.trouble.probes >= now.config.orphan_retries
                || now.time.since(self.trouble.since) >= ORPHAN_PATIENCE);
        if orphan_done {
            return self.give_up_with_reset(now, Phase::ZeroWindow);
        }
        if (self.trouble.tries > 0 || self.is_detached())
            && let Some(phase) = self.out_of_patience(now, self.trouble.tries)
        {
            return self.give_up_with_reset(now, phase);
        }
        self.trouble.tries = self.trouble.tries.saturating_add(1);
        self.trouble.probes = self.trouble.probes.saturating_add(1);
        self.trouble.probed = true;
        self.rtt.back_off();
        self.ecn.release(); // A retransmission time has passed.
        self.probe_due = true;
        self.arm_persist(now);
    }

    /// The next probe, or before it the end of the user's patience with a peer that does not answer (TO-6).
    fn arm_persist(&mut self, now: Now<'_>) {
        let at = self.retransmit_at(now);
        let at = if at > now.time { at } else { now.time + self.rtt.rto(now.config) };
        self.timers.arm(Timer::Persist, at);
    }

    /// A user timeout that has become shorter counts at once.
    pub(super) fn hurry(&mut self, now: Now<'_>) {
        for timer in [Timer::Retransmit, Timer::Persist] {
            if self.timers.is_armed(timer) {
                self.timers.arm(timer, self.timers.deadline(timer).min(self.retransmit_at(now)));
            }
        }
    }

    /// The peer has answered a probe: patience begins anew (ZW-8), and the next probe keeps its distance from the last.
    pub(super) fn probe_answered(&mut self, now: Now<'_>) {
        self.trouble.since = now.time;
        let limited = self.user_timeout(now.config).is_some();
        if limited && self.timers.is_armed(Timer::Persist) && self.trouble.probed {
            let ago = now.time.as_wrapping_millis().wrapping_sub(self.sent);
            let rto = self.rtt.rto(now.config);
            let left = rto.checked_sub(Duration::from_millis(u64::from(ago))).unwrap_or(rto);
            self.timers.arm(Timer::Persist, now.time + left.max(Duration::from_millis(1)));
        }
    }

    /// R2 (MUST-20), the application's own limit (MUST-21), and the shorter one of orphans (OR-2): an orphan whose peer
    /// the network says cannot be reached waits no longer (X-ICMP).
    fn out_of_patience(&self, now: Now<'_>, tries: u8) -> Option<Phase> {
        let waited = now.time.since(self.trouble.since);
        let tired = tries >= now.config.orphan_retries && waited >= ORPHAN_PATIENCE;
        let hopeless = self.trouble.unreachable && tries > 0;
        if self.is_detached() && (tired || hopeless) {
            return Some(Phase::Retransmission);
        }
        match self.user_timeout(now.config) {
            Some(limit) => (waited >= limit).then_some(Phase::UserTimeout),
            None => (tries >= now.config.retries).then_some(Phase::Retransmission),
        }
    }

    /// The application's limit; where it leaves that to the peer, what the peer says, within the limits that RFC 5482
    /// section 3.1 asks for and above the retransmission time (TO-14).
    pub(super) fn user_timeout(&self, config: &crate::Config) -> Option<Duration> {
        let settings = self.settings.as_ref()?;
        if settings.user_timeout.is_some() {
            return settings.user_timeout; // An explicit choice is not overruled (RFC 5482 section 3).
        }
        let wanted = user_timeout_of(self.peer_timeout).filter(|_| settings.exchange_user_timeout)?;
        let (low, high) = config.user_timeout_limits;
        Some(wanted.max(low).min(high.max(low)).max(self.rtt.base() + Duration::from_millis(1)))
    }

    // ---- keepalive (RFC 9293 section 3.8.4) ----------------------------------------------------------------------

    /// Arms the idle timer for what it is needed for: FIN-WAIT-2 without an owner, or keepalive.
    pub(super) fn watch_idle(&mut self, now: Now<'_>) {
        if self.timers.is_armed(Timer::Idle) {
            return;
        }
        if self.is_abandoned() {
            // For ever is a long time, but not no timer (OR-1).
            let at = (now.time + now.config.fin_wait_2).min(Instant::NEVER - Duration::from_nanos(1));
            return self.timers.arm(Timer::Idle, at);
        }
        let keepalive = self.settings.as_ref().and_then(|settings| settings.keepalive);
        if let Some(keepalive) = keepalive.filter(|_| self.ended.is_none() && !self.is_detached()) {
            self.timers.arm(Timer::Idle, now.time + keepalive.idle.max(SECOND));
        }
    }

    /// FIN-WAIT-2, and nobody can read any more.
    fn is_abandoned(&self) -> bool {
        self.state() == State::FinWait2 && self.recv.refuses()
    }

    /// Nothing has come for some time, perhaps (MUST-26): the timer is not moved for every segment.
    fn idle_due(&mut self, now: Now<'_>) {
        let keepalive = self.settings.as_ref().and_then(|settings| settings.keepalive);
        let Some(keepalive) = keepalive.filter(|_| !self.is_detached()) else { return };
        let idle = now.time.as_wrapping_millis().wrapping_sub(self.heard);
        let idle = Duration::from_millis(u64::from(idle));
        let (first, interval) = (keepalive.idle.max(SECOND), keepalive.interval.max(SECOND));
        if idle < first || self.send.is_pending() {
            let left = if idle < first { first.saturating_sub(idle) } else { first };
            return self.timers.arm(Timer::Idle, now.time + left);
        }
        // TO-13: not before the user timeout (RFC 5482 section 4.2).
        let patient = self.user_timeout(now.config).is_some_and(|limit| idle < limit);
        if self.trouble.keepalives >= keepalive.probes.max(1) && !patient {
            return self.give_up_with_reset(now, Phase::Keepalive);
        }
        self.trouble.keepalives = self.trouble.keepalives.saturating_add(1);
        self.keepalive_due = true;
        self.timers.arm(Timer::Idle, now.time + interval);
    }

    fn give_up(&mut self, now: Now<'_>, phase: Phase) {
        let state = self.state();
        self.end(now, Ending::TimedOut { phase, state });
    }

    pub(super) fn give_up_with_reset(&mut self, now: Now<'_>, phase: Phase) {
        let state = self.state();
        self.reset_and_end(now, Ending::TimedOut { phase, state });
    }

    /// Arms and stops timers so that they fit the state (section 4.6): retransmission while something is in flight,
    /// persist while a window that is closed, or of no use, blocks something; never both.
    pub(super) fn set_timers(&mut self, now: Now<'_>) {
        let closed = self.send.window() == 0 && self.send.is_pending();
        let outstanding = self.send.outstanding() > 0;
        let held = self.ecn.is_held() && !outstanding;
        let blocked = closed || held || self.send.waits_for_window() && !self.sliver_due;
        if !blocked {
            self.timers.stop(Timer::Persist);
        } else if !self.timers.is_armed(Timer::Persist) {
            let rto = self.rtt.rto(now.config);
            // MUST-38: a window of no use is waited for between 0.1 and 1 s.
            let wait = if closed || held { rto } else { rto.clamp(Duration::from_millis(100), SECOND) };
            // What is in flight may be lost: a window that closes, and opens, and closes, must not put that off.
            self.timers.arm(Timer::Persist, self.timers.deadline(Timer::Retransmit).min(now.time + wait));
        }
        if !outstanding || blocked {
            self.timers.stop(Timer::Retransmit);
            self.timers.stop(Timer::Early);
        } else if !self.timers.is_armed(Timer::Retransmit) {
            self.timers.arm(Timer::Retransmit, self.retransmit_at(now));
        }
        if self.is_abandoned() {
            self.watch_idle(now);
        }
    }
}

/// Retransmissions in a row after which the application hears of it, R1 (SHLD-10).
const R1: u8 = 3;
const SECOND: Duration = Duration::from_secs(1);
