//! What a receipt says against what has left (1.15): the reset of that instant, and the bytes that never left.

use adieu_core::{Cause, Ending, Phase, Receipt, State};

use super::super::run::Run;
use crate::World;

/// An ending that something must lead to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::swarm) enum Due {
    /// Nothing had existed yet.
    Cancelled,
    /// We have given it up.
    Aborted(Cause),
}

impl Run {
    pub(super) fn judge_ending(&mut self, world: &World, at: usize, receipt: &Receipt) {
        let end = self.ends.get(at);
        let trail = self.trail(at);
        let of = || format!("{receipt:#?} {end:#?} {trail:#?}");
        if let Some(due) = trail.ending {
            assert!(due.is_met(receipt.ending), "EN-1: not {due:?}: {}", of());
        }
        let left = end.iss.zip(trail.next).map_or(0, |(iss, next)| i64::from(next.distance(iss)) - 1);
        let left = u64::try_from(left).unwrap_or(0).min(end.app.written);
        assert_eq!(receipt.unsent, end.app.written - left, "TO-5: bytes that never left: {}", of());
        self.judge_farewell(world, at, receipt);
    }

    /// TO-9, AB-2: a reset has left where, and only where, the receipt says so, with a number the peer believes.
    fn judge_farewell(&self, world: &World, at: usize, receipt: &Receipt) {
        let end = self.ends.get(at);
        let trail = self.trail(at);
        // What waits for the device leaves later; a program that stands still sends nothing.
        if !world.is_awake(end.side) || world.is_device_full(end.side) {
            return;
        }
        let moment = self.instants.flows.get(&(end.side, end.flow));
        let resets = moment.map_or(&[][..], |moment| &moment.resets);
        let of = || format!("{resets:?} {receipt:#?} {end:#?} {trail:#?}");
        if receipt.reset_sent {
            assert!(!resets.is_empty(), "TO-9, AB-2: a reset that has not left: {}", of());
            let exact = trail.next.is_some_and(|next| resets.contains(&next));
            // Of a listener's children with the same addresses and ports, nobody can tell which it was.
            let child = !end.active && receipt.ending.state() == State::SynReceived;
            assert!(exact || child, "AB-2, AB-6: a reset without SND.NXT: {}", of());
        } else {
            let stray = moment.is_some_and(|moment| moment.stray);
            assert!(resets.is_empty() || stray, "TO-9: a reset that no receipt knows of: {}", of());
        }
        let called = |cause| {
            matches!(
                cause,
                Cause::AbortCall
                    | Cause::CloseWithUnread
                    | Cause::HandleDroppedWithUnread
                    | Cause::LingerZero
                    | Cause::LingerExpired
                    | Cause::DataAfterClose
            )
        };
        // Replies that wait for a device that is slow to take them have a limit of their own.
        let room = self.plan.config[end.side as usize].stray_replies >= 256;
        match receipt.ending {
            Ending::Aborted { cause, state } if called(cause) => {
                let small = matches!(state, State::SynReceived | State::FinWait2) && !room;
                assert!(receipt.reset_sent || end.app.host_failed || small, "AB-2, UD-1: no reset: {}", of());
            }
            Ending::TimedOut { phase: Phase::FinWait2Orphan | Phase::Connect, .. }
            | Ending::Graceful { .. }
            | Ending::ResetByPeer { .. }
            | Ending::Refused { .. }
            | Ending::Unreachable { .. }
            | Ending::Cancelled { .. } => assert!(!receipt.reset_sent, "TO-9: a reset: {}", of()),
            Ending::TimedOut { .. } | Ending::Aborted { .. } => {}
        }
    }
}
