//! A full close that takes in what still comes, within its budget (UD-8).

use adieu_core::{Cause, Ending, Instant, Limit, Receipt};

use super::super::app::Turn;
use super::super::plan::Deed;
use super::super::run::Run;
use super::super::track::is_synchronized;
use super::ROUNDING;

/// What an application has granted.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Drain {
    /// Bytes that may be thrown away: those that were here, and those that may come.
    bytes: u64,
    /// When it is over.
    until: Instant,
}

impl Turn<'_> {
    /// Before the call: what it may throw away.
    pub(in super::super) fn note_drain(&mut self, deed: Deed) {
        let Deed::CloseDrain(budget) = deed else { return };
        let end = self.ends.get(self.at);
        let Some(handle) = end.app.handle else { return };
        let (now, before) = (self.world.now(), end.drain);
        let stack = &self.world.host(end.side).stack;
        let closed = end.app.closed.is_some() && before.is_none() || end.app.deaf;
        // An opening waits first (CL-4), and what has ended is not drained.
        if closed || !is_synchronized(stack.state(handle)) || stack.receipt(handle).is_some() {
            return;
        }
        // An orphan's time counts from the first close.
        let last = end.app.closed.unwrap_or(now) + stack.config().orphan_time;
        let bytes = before.map_or(0, |drain| drain.bytes) + stack.unread(handle) + budget.bytes;
        self.ends.get_mut(self.at).drain = Some(Drain { bytes, until: last.min(now + budget.time) });
    }
}

impl Run {
    pub(super) fn check_drain(&self, at: usize, receipt: &Receipt) {
        let end = self.ends.get(at);
        let Some(drain) = end.drain.filter(|_| !end.app.deaf) else { return };
        let config = &self.plan.config[end.side as usize];
        // One segment may be the one too many, with all that it had overtaken.
        let whole = self.plan.is_calm() && self.plan.wires().all(|wire| wire.reordering == 0);
        let buffer = if config.receive_buffer > 0 { config.receive_buffer } else { config.receive_buffer_limits.1 };
        let behind = if whole { 0 } else { u64::from(buffer) };
        let sender = &self.plan.config[end.side.other() as usize];
        let segment = u64::from(config.mtu).max(u64::from(sender.super_segment));
        let most = drain.bytes + segment + behind;
        assert!(receipt.discarded <= most, "UD-8: {} thrown away, not {most}: {end:#?}", receipt.discarded);
        if self.tampers() {
            return;
        }
        let ended = receipt.spent.ended();
        assert!(ended <= drain.until + ROUNDING, "UD-8: it lasts beyond {drain:?}: {ended:?} {end:#?}");
        let timely = ended + ROUNDING >= drain.until;
        let over = receipt.ending;
        let by_time = matches!(over, Ending::Aborted { cause: Cause::PolicyLimit(Limit::DrainTime), .. });
        assert!(timely || !by_time, "UD-8: it ends before {drain:?}: {ended:?} {end:#?}");
        let by_bytes = matches!(over, Ending::Aborted { cause: Cause::PolicyLimit(Limit::DrainBytes), .. });
        assert!(!by_bytes || receipt.discarded > 0, "UD-8: nothing was thrown away: {end:#?}");
    }
}
