//! What a call that closes a connection must lead to before it returns (1.2.1, 1.2.2, 1.6, 1.13).

use adieu_core::{Cause, Ending, HandleId, State};

use super::super::app::Turn;
use super::super::plan::Deed;
use super::endings::Due;

/// How a connection stood when a call was made.
#[derive(Clone, Copy, Debug)]
pub(in crate::swarm) struct Asked {
    deed: Deed,
    due: Option<Due>,
    /// Nothing of what was written waits to leave, and the peer's window would not hold a FIN back.
    clear: bool,
}

impl Turn<'_> {
    /// Before a call: what it must lead to.
    pub(in crate::swarm) fn asked(&mut self, deed: Deed, handle: HandleId) -> Asked {
        let side = self.side();
        let host = self.world.host(side);
        let state = host.stack.state(handle);
        let unread = host.stack.unread(handle) > 0;
        let holes = host.stack.flow(handle).is_some_and(|flow| host.stack.glance(&flow).out_of_order > 0);
        let clear = host.stack.info(handle).is_some_and(|info| {
            let outstanding = host.stack.unacknowledged(handle).saturating_sub(info.bytes_unsent);
            info.bytes_unsent == 0 && outstanding < u64::from(info.send_window) && info.lost == 0
        });
        let over = host.stack.receipt(handle).is_some();
        let app = &self.ends.get(self.at).app;
        let due = match (deed, state) {
            _ if over => None,
            (Deed::Abort, State::SynSent) => Some(Due::Cancelled),
            (Deed::Abort, _) => Some(Due::Aborted(Cause::AbortCall)),
            (Deed::ShutDown | Deed::Close | Deed::CloseDrain(_) | Deed::Linger(..) | Deed::Release, State::SynSent) => {
                Some(Due::Cancelled)
            }
            (Deed::Close | Deed::CloseDrain(_) | Deed::Linger(..) | Deed::Release, State::SynReceived) => {
                app.zero_linger.then_some(Due::Aborted(Cause::LingerZero))
            }
            // What a drain or a reader that is gone makes of unread bytes is said elsewhere (UD-8, HC-5).
            (Deed::Close | Deed::Linger(..) | Deed::Release, _) if app.drains || app.deaf => None,
            (Deed::Release, _) if unread || holes => Some(Due::Aborted(Cause::HandleDroppedWithUnread)),
            (Deed::Close | Deed::Linger(..), _) if unread || holes => Some(Due::Aborted(Cause::CloseWithUnread)),
            (Deed::Close | Deed::Linger(..) | Deed::Release, _) => {
                app.zero_linger.then_some(Due::Aborted(Cause::LingerZero))
            }
            _ => None,
        };
        let closes = matches!(deed, Deed::ShutDown | Deed::Close | Deed::Linger(..) | Deed::Release);
        let open = matches!(state, State::Established | State::CloseWait);
        Asked { deed, due, clear: clear && closes && open && due.is_none() && !app.deaf && !over }
    }

    /// After it: whether it has. The receipt of a handle that was let go comes by itself.
    pub(in crate::swarm) fn check_asked(&mut self, handle: HandleId, asked: Asked) {
        let side = self.side();
        if asked.clear && !self.world.is_device_full(side) {
            let end = self.ends.get(self.at);
            self.instants.moment(end).owes_fin = Some("FS-2, L7");
        }
        let Some(due) = asked.due else { return };
        self.instants.trail_mut(self.at).ending = Some(due);
        let end = self.ends.get(self.at);
        let stack = &self.world.host(side).stack;
        let state = stack.flow_state(&end.flow);
        // What was there before an attempt of ours has its place again (TW-9).
        let over = matches!(state, State::Closed | State::TimeWait);
        let receipt = stack.receipt(handle);
        let told = asked.deed == Deed::Release || receipt.is_some_and(|receipt| due.is_met(receipt.ending));
        if !(over && told) {
            let what = due.requirement();
            self.fail(&format!("{what}: {:?} leads to {state}, {receipt:?}, not to {due:?}", asked.deed));
        }
    }
}

impl Due {
    fn requirement(self) -> &'static str {
        match self {
            Self::Cancelled => "CL-3, AB-1",
            Self::Aborted(Cause::AbortCall) => "AB-2",
            Self::Aborted(Cause::LingerZero) => "LM-4, UD-9",
            Self::Aborted(_) => "UD-1, UD-2",
        }
    }

    pub(super) fn is_met(self, ending: Ending) -> bool {
        match (self, ending) {
            (Self::Cancelled, Ending::Cancelled { state }) => state == State::SynSent,
            (Self::Aborted(due), Ending::Aborted { cause, .. }) => cause == due,
            _ => false,
        }
    }
}
