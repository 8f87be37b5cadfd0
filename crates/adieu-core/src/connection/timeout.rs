//! What the timers do, and which of them run (TM-1).

use super::close::State;
use super::ending::{Ending, Phase};
use super::timers::Timer;
use super::{Connection, Now, Trouble};
use crate::config::ORPHAN_PATIENCE;

impl Connection {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called; [`crate::Instant::NEVER`] where nothing is
    /// waited for.
    pub fn poll_timeout(&self) -> crate::Instant {
        self.timers.next()
    }

    /// Fires the timers that are due.
    pub fn handle_timeout(&mut self, now: Now<'_>) {
        while let Some(timer) = self.timers.expired(now.time) {
            match timer {
                Timer::Retransmit => self.retransmission_due(now),
                Timer::Persist => self.probe_due(now),
                // Silently: the peer may hold bytes unread that a reset would destroy (TO-9).
                Timer::FinWait2 => self.give_up(now, Phase::FinWait2Orphan),
            }
        }
        self.settle(now, self.state());
    }

    /// RFC 6298 section 5.4 to 5.6; RFC 9293 section 3.8.3.
    fn retransmission_due(&mut self, now: Now<'_>) {
        if self.out_of_patience(now, self.trouble.tries) {
            return self.give_up_with_reset(now, Phase::Retransmission);
        }
        self.congestion.on_timeout(self.send.outstanding(), self.trouble.tries == 0);
        self.trouble.tries = self.trouble.tries.saturating_add(1);
        self.rtt.back_off();
        self.trouble = Trouble { recover: self.send.next(), duplicates: 0, recovering: false, ..self.trouble };
        self.send.lose_all();
        self.timers.arm(Timer::Retransmit, now.time + self.rtt.rto(now.config));
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
        if self.out_of_patience(now, self.trouble.tries) {
            return self.give_up_with_reset(now, Phase::Retransmission);
        }
        self.trouble.tries = self.trouble.tries.saturating_add(1);
        self.trouble.probes = self.trouble.probes.saturating_add(1);
        self.rtt.back_off();
        self.probe_due = true;
        self.timers.arm(Timer::Persist, now.time + self.rtt.rto(now.config));
    }

    /// R2 (MUST-20), and the shorter one of orphans (OR-2).
    fn out_of_patience(&self, now: Now<'_>, tries: u8) -> bool {
        let waited = now.time.since(self.trouble.since);
        let orphan = self.is_detached() && tries >= now.config.orphan_retries && waited >= ORPHAN_PATIENCE;
        orphan || tries >= now.config.retries
    }

    fn give_up(&mut self, now: Now<'_>, phase: Phase) {
        let state = self.state();
        self.end(now, Ending::TimedOut { phase, state });
    }

    fn give_up_with_reset(&mut self, now: Now<'_>, phase: Phase) {
        let state = self.state();
        self.reset_and_end(now, Ending::TimedOut { phase, state });
    }

    /// Arms and stops timers so that they fit the state (section 4.6): retransmission while something is in flight,
    /// persist while a closed window blocks something, never both.
    pub(super) fn set_timers(&mut self, now: Now<'_>) {
        let blocked = self.send.window() == 0 && self.send.is_pending();
        let outstanding = self.send.outstanding() > 0;
        self.keep(now, Timer::Persist, blocked);
        self.keep(now, Timer::Retransmit, outstanding && !blocked);
        if self.state() == State::FinWait2 && self.recv.is_closed() && !self.timers.is_armed(Timer::FinWait2) {
            self.timers.arm(Timer::FinWait2, now.time + now.config.fin_wait_2);
        }
    }

    fn keep(&mut self, now: Now<'_>, timer: Timer, wanted: bool) {
        if !wanted {
            self.timers.stop(timer);
        } else if !self.timers.is_armed(timer) {
            self.timers.arm(timer, now.time + self.rtt.rto(now.config));
        }
    }
}
