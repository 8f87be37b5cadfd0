//! Nothing lasts without a timer, and nobody's connections are limited (INV-18, OR-3).

use adieu_core::{Instant, State};

use super::super::ends::SIDES;
use super::super::run::Run;
use crate::World;

impl Run {
    /// INV-18, 4.6: only an application may let a connection wait for ever.
    pub(in super::super) fn check_timers(&self, world: &mut World, at: usize) {
        let end = self.ends.get(at);
        let must = match end.state {
            State::SynSent | State::SynReceived | State::FinWait1 | State::Closing | State::LastAck => true,
            State::TimeWait => true,
            State::FinWait2 => end.app.released,
            State::Closed | State::Listen | State::Established | State::CloseWait => false,
        };
        // A device that takes nothing is waited for instead; what was called for in this instant has not left yet.
        let called = end.app.worked == world.now() || end.app.closed == Some(world.now());
        if !must || called || end.gone || self.tampers() || !world.is_awake(end.side) {
            return;
        }
        let stack = &world.host(end.side).stack;
        let waits = stack.poll_timeout() != Instant::NEVER || stack.flow_state(&end.flow) != end.state;
        assert!(waits, "INV-18, INV-19: {} and no timer: {end:#?}", end.state);
    }

    /// OR-3: after each step.
    pub(in super::super) fn check_orphans(&self, world: &World) {
        for side in SIDES {
            let (n, most) = (side as usize, self.plan.config[side as usize].max_orphans as usize);
            // Where nobody ever has more connections there is nothing to look at.
            if most < self.ends.len() && !self.squeezed[n] {
                let orphans = world.leftover(side).orphans;
                assert!(orphans <= most, "OR-3: {orphans} orphans at {side:?}, not {most}");
            }
        }
    }
}
