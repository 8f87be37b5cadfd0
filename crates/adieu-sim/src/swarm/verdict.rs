//! What must hold at the end of a world: each pair of endings, each pair of streams, and liveness.

use adieu_core::{Cause, Ending, Instant, Phase, State};

use super::bounds::{orphan_bound, patience_bound};
use super::ends::{App, End, SIDES};
use super::plan::{Mishap, Port, Reading};
use super::run::Run;
use crate::{Deed, World};

impl Run {
    pub(super) fn verdict(&mut self, world: &mut World) {
        let restarts = self.plan.incidents.iter().any(|one| matches!(one.what, Mishap::Restart { .. }));
        for side in SIDES {
            let stats = world.host(side).stack.stats();
            let receipts = world.host(side).receipts();
            let graceful = receipts.iter().filter(|receipt| receipt.ending.is_graceful()).count() as u64;
            let same = (stats.ended, stats.ended_gracefully) == (receipts.len() as u64, graceful);
            assert!(same || restarts, "EN-7: {stats:?} and {} receipts", receipts.len());
            let damaged = self.plan.incidents.iter().any(|one| match one.what {
                Mishap::Fault(fault) => fault.deed == Deed::Corrupt,
                _ => false,
            });
            assert!(stats.receipts_dropped == 0 && (damaged || stats.malformed + stats.bad_checksum == 0), "{stats:?}");
        }
        assert!(self.watcher.violations().is_empty(), "4.8: {:#?}", self.watcher.violations());
        let cookies = self.ends.saw_cookies();
        for at in 0..self.ends.len() {
            self.at_hand = Some(at);
            let end = self.ends.get(at);
            let owed = end.app.known || end.established;
            assert!(!owed || end.receipt.is_some() || end.lost, "EN-1: no receipt: {end:#?}");
            self.check_times(end);
            self.check_pair(at, cookies);
            self.check_streams(at);
            self.check_liveness(at);
        }
    }

    /// L2: how long an orphan, or somebody with something to deliver, lasted after the network had gone for good.
    fn check_times(&self, end: &End) {
        let Some(dead) = self.dead_since().filter(|_| !self.tampers()) else { return };
        let (Some(receipt), config) = (end.receipt, &self.plan.config[end.side as usize]) else { return };
        let (ended, dead) = (receipt.spent.ended(), dead + self.slowest());
        if let Some(closed) = end.app.closed {
            let bound = orphan_bound(config);
            assert!(ended <= closed.max(dead) + bound, "L2: an orphan beyond {bound:?}: {end:#?}");
        }
        if matches!(receipt.ending, Ending::TimedOut { phase: Phase::Retransmission, .. }) {
            let asked = self.asked(end);
            let bound = patience_bound(config).max(asked + config.max_rto * 2);
            let called = end.app.worked.max(end.app.closed.unwrap_or(Instant::ZERO));
            assert!(ended <= called.max(dead) + bound, "L2: R2 beyond {bound:?}: {end:#?}");
        }
    }

    /// 4.5: the table of allowed pairs.
    fn check_pair(&mut self, at: usize, cookies: bool) {
        let end = self.ends.get(at);
        let peer = self.ends.peer(at).map(|peer| self.ends.get(peer));
        let crossing = end.active && peer.is_some_and(|peer| peer.active);
        let both = [end.ending(), peer.and_then(End::ending)];
        // A host that has died, or that forgot its TIME-WAIT, answers for nothing.
        let fell = |end: &End| end.lost || end.forged || self.forgot[end.side as usize] || self.meddles();
        let excused = fell(end) || peer.is_some_and(fell);
        let allowed = match both {
            [Some(one), Some(other)] => {
                // Data that overtakes what brings a cookie back draws a reset; what is under way meanwhile still opens.
                let reset = |ending| matches!(ending, Ending::ResetByPeer { .. });
                let overtaken = cookies && reset(one) && reset(other);
                // CL-13: a listener that closes gives up what is still opening, whatever becomes of who asked.
                let closed = Ending::Aborted { cause: Cause::ListenerClosed, state: State::SynReceived };
                let unasked = (one == closed || other == closed) && !one.is_graceful() && !other.is_graceful();
                allows(one, other, crossing) && allows(other, one, crossing) || overtaken || unasked
            }
            [Some(one), None] => !one.is_graceful(),
            [None, _] => true,
        };
        assert!(allowed || excused, "4.5: {both:?}: {end:#?} {peer:#?}");
        self.report.pair(both);
    }

    /// INV-1, INV-3, INV-4, INV-5 from both receipts together.
    fn check_streams(&self, at: usize) {
        let end = self.ends.get(at);
        let peer = self.ends.peer(at).map(|peer| self.ends.get(peer));
        let (Some(receipt), lost) = (end.receipt, end.misled || peer.is_some_and(|peer| peer.lost)) else { return };
        let received = peer.and_then(|peer| peer.receipt).map_or(0, |receipt| receipt.received);
        assert!(receipt.acknowledged <= received || lost, "INV-4: acknowledged, not received: {end:#?} {peer:#?}");
        if (end.app.finished || receipt.fin_acknowledged) && !lost {
            assert_eq!(received, end.app.written, "INV-4, INV-5: complete but not received: {end:#?} {peer:#?}");
        }
        let unread = matches!(receipt.ending, Ending::Aborted { cause: Cause::CloseWithUnread, .. });
        let silent = unread && !end.app.half_closed && !end.app.drains;
        let believed = peer.is_some_and(|peer| peer.app.saw_end);
        assert!(!(silent && believed), "INV-3: an end of stream without a FIN: {end:#?} {peer:#?}");
    }

    /// L1: a network that is fair, or has healed, and two applications that write all, read all and close: two graceful
    /// endings.
    fn check_liveness(&self, at: usize) {
        let end = self.ends.get(at);
        let Some(peer) = self.ends.peer(at).map(|peer| self.ends.get(peer)) else { return };
        let both = [end, peer];
        let gentle = both.iter().all(|end| end.app.program.is_gentle() && !end.app.host_failed && !end.lost);
        let plain = self.plan.talks[end.talk].port == Port::Any && !self.plan.reuse;
        let limited =
            self.plan.config.iter().any(|config| config.time_wait_budget < 1 << 20 || config.unsafe_short_time_wait)
                || self.squeezed.contains(&true)
                || self.forgot.contains(&true)
                || both.iter().any(|end| end.forged)
                || self.meddles();
        if !gentle || !plain || limited || self.unlistened.contains(&true) {
            return;
        }
        let graceful = both.iter().all(|end| end.ending().is_some_and(|ending| ending.is_graceful()));
        assert!(graceful || both.iter().any(|end| self.has_excuse(end)), "L1: {end:#?} {peer:#?}");
    }

    /// A gentle application's connection need not have ended gracefully.
    fn has_excuse(&self, end: &End) -> bool {
        let Some(receipt) = end.receipt else { return true };
        let config = &self.plan.config[end.side as usize];
        let calm = self.plan.is_calm();
        // Timers that run when the network heals may still give up: what they wait for comes with the next packet.
        let healed = self.healed.is_some_and(|healed| receipt.spent.ended() > healed + self.recovery(end));
        let limited = config.max_orphans < 1 << 10 || config.orphan_bytes < 1 << 20 || config.memory < 1 << 24;
        let hurried = config.orphan_time < adieu_core::Duration::from_secs(600);
        let peer = self.ends.writer_of(end).map(|writer| &self.ends.get(writer).app);
        let eager = |app: &App| matches!(app.program.reading, Reading::Eager);
        let lazy = self.plan.accept_pace > adieu_core::Duration::ZERO || !peer.is_some_and(eager);
        match receipt.ending {
            // A reader that lets an orphan wait for long makes it lose patience (ZW-5), as one that asked for it.
            Ending::TimedOut { phase: Phase::ZeroWindow, .. } => !calm || lazy,
            Ending::TimedOut { phase: Phase::UserTimeout, .. } => self.asked(end) > adieu_core::Duration::ZERO,
            Ending::TimedOut { .. } => !calm && (!healed || self.tampers() || self.is_crowded()),
            // Where all final ACKs are lost, TIME-WAIT ends before LAST-ACK does (INV-13's exception).
            // Data that overtakes what brings a cookie back draws a reset, and where there is no place nobody answers.
            Ending::ResetByPeer { .. } if self.is_crowded() => true,
            Ending::ResetByPeer { state } => matches!(state, State::LastAck | State::Closing) && !calm,
            Ending::Aborted { cause: Cause::OrphanLimit, .. } => limited || hurried || !calm,
            Ending::Aborted { cause: Cause::MemoryPressure, .. } => limited,
            Ending::Aborted { cause: Cause::PolicyLimit(_), .. } => true,
            _ => false,
        }
    }

    /// A listener may have no place for who comes.
    fn is_crowded(&self) -> bool {
        self.plan.config.iter().any(|config| config.syn_backlog < 64 || config.accept_backlog < 64)
    }

    /// How long after the network has healed a timer that ran before may still give up.
    fn recovery(&self, end: &End) -> adieu_core::Duration {
        self.plan.config[end.side as usize].max_rto * 2 + self.asked(end) + self.slowest()
    }
}

/// 4.5, one way round.
pub(super) fn allows(x: Ending, y: Ending, crossing: bool) -> bool {
    let last = |ending: Ending| matches!(ending.state(), State::LastAck | State::Closing);
    let early = matches!(y, Ending::Refused { .. } | Ending::Cancelled { .. } | Ending::Unreachable { .. });
    if early && !crossing {
        return false;
    }
    match x {
        Ending::Graceful { .. } => y.is_graceful() || last(y) && !early,
        Ending::Aborted { .. } => !y.is_graceful() || last(x),
        Ending::TimedOut { .. } => !y.is_graceful() || last(x),
        Ending::ResetByPeer { .. } => match y {
            Ending::Graceful { .. } => last(x),
            Ending::Aborted { .. } | Ending::TimedOut { .. } => true,
            // Both by responders: who had given up before? Nobody could have (INV-13).
            Ending::ResetByPeer { .. } => false,
            Ending::Refused { .. } | Ending::Unreachable { .. } | Ending::Cancelled { .. } => crossing,
        },
        Ending::Refused { .. } | Ending::Unreachable { .. } | Ending::Cancelled { .. } => crossing && !y.is_graceful(),
    }
}
