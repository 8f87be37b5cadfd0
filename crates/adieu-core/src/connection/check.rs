//! What must hold after every step; run in debug builds and so in every test and simulation.

use super::Connection;
use super::close::State;
use super::timers::Timer;
use crate::seq::Offset;

impl Connection {
    /// Panics, in debug builds, where two pieces of state that say the same thing disagree.
    pub(super) fn check(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        if self.ended.is_some() {
            return debug_assert_eq!(
                self.timers.next(),
                crate::Instant::NEVER,
                "INV-17: a timer outlives its connection"
            );
        }
        self.send.check();
        let (una, next, fin) = (self.send.una(), self.send.next(), self.send.fin());
        debug_assert_eq!(self.close.may_send(), fin == Offset::NONE);
        debug_assert_eq!(self.close.is_fin_sent(), next > fin, "INV-9");
        debug_assert_eq!(self.close.is_fin_acked(), una > fin, "FB-2");
        debug_assert_eq!(self.close.is_fin_received(), self.recv.is_finished());
        let both = self.timers.is_armed(Timer::Retransmit) && self.timers.is_armed(Timer::Persist);
        debug_assert!(!both, "TM-1: retransmission and persist timer exclude each other");
        let waits_for_peer = self.close.state() == State::FinWait2 && self.recv.refuses();
        debug_assert!(!waits_for_peer || self.timers.is_armed(Timer::Idle), "OR-1");
    }

    /// Panics, in debug builds, where something waits to be sent or acknowledged and nothing will look at it again.
    pub(super) fn check_waits(&self) {
        let waited_for = self.timers.is_armed(Timer::Retransmit) || self.timers.is_armed(Timer::Persist);
        let waited_for = waited_for || self.pacing_deadline() != crate::Instant::NEVER;
        debug_assert!(waited_for || !self.send.is_pending(), "L2: nobody waits for {:?}", self.send);
    }
}
