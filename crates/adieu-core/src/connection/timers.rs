//! The timers of one connection: a table of deadlines.

use crate::time::Instant;

/// What a timer is for. Those that come first here fire first.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Timer {
    /// The tail may be lost, or something that others have overtaken (RFC 8985 sections 6.2 and 7.2).
    Early,
    /// Something sent is not acknowledged (RFC 6298).
    Retransmit,
    /// The peer's window is closed (RFC 9293 section 3.8.6.1), or too small to be useful (section 3.8.6.2.1).
    Persist,
    /// An acknowledgment waits for company (RFC 9293 section 3.8.6.3).
    Ack,
    /// Nothing happens: FIN-WAIT-2, and nobody can read any more (TO-9), or keepalive (RFC 9293 section 3.8.4).
    Idle,
    /// One direction is closed, and only the application or the peer can close the other: somebody should hear of it,
    /// or a budget is spent (TO-11, UD-8).
    Watch,
}

const TIMERS: [Timer; 6] = [Timer::Early, Timer::Retransmit, Timer::Persist, Timer::Ack, Timer::Idle, Timer::Watch];

/// Deadlines by timer; [`Instant::NEVER`] where a timer is not armed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Timers([Instant; TIMERS.len()]);

impl Timers {
    pub(crate) const NONE: Self = Self([Instant::NEVER; TIMERS.len()]);

    pub(crate) fn arm(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = at;
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = Instant::NEVER;
    }

    pub(crate) fn stop_all(&mut self) {
        *self = Self::NONE;
    }

    pub(crate) fn is_armed(&self, timer: Timer) -> bool {
        self.0[timer as usize] != Instant::NEVER
    }

    /// When a timer fires.
    pub(crate) fn deadline(&self, timer: Timer) -> Instant {
        self.0[timer as usize]
    }

    /// Every deadline.
    pub(crate) fn all(&self) -> impl Iterator<Item = Instant> + '_ {
        self.0.iter().copied()
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Instant {
        self.0.iter().copied().fold(Instant::NEVER, Instant::min)
    }

    /// Takes a timer whose deadline has come out of the table.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let timer = TIMERS.into_iter().find(|&timer| self.0[timer as usize].is_due(now))?;
        self.stop(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_expires_once_and_only_when_due() {
        let mut timers = Timers::NONE;
        timers.arm(Timer::Idle, Instant::from_secs(2));
        timers.arm(Timer::Retransmit, Instant::from_secs(1));
        assert_eq!(timers.next(), Instant::from_secs(1));
        assert_eq!(timers.expired(Instant::ZERO), None);
        assert_eq!(timers.expired(Instant::from_secs(5)), Some(Timer::Retransmit));
        assert_eq!(timers.expired(Instant::from_secs(5)), Some(Timer::Idle));
        assert_eq!(timers.expired(Instant::from_secs(5)), None);
        assert_eq!(timers.next(), Instant::NEVER);
    }

    #[test]
    fn the_table_has_a_place_for_every_timer() {
        for (place, timer) in TIMERS.into_iter().enumerate() {
            assert_eq!(timer as usize, place);
        }
    }
}
