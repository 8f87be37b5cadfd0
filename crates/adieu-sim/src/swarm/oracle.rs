//! What must hold at every moment, seen from outside.

use adieu_core::{Closer, Duration, Instant, Phase, Receipt, State};

use super::bounds::patience_bound;
use super::ends::End;
use super::plan::{Mishap, Port};
use super::run::Run;
use crate::World;

/// Pairs of states in which two ends of one connection can never be (4.3).
pub(super) fn can_be(pair: [State; 2]) -> bool {
    use State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, TimeWait};
    let [a, b] = if pair[0] <= pair[1] { pair } else { [pair[1], pair[0]] };
    !matches!(
        (a, b),
        (CloseWait, CloseWait | LastAck | Closing | TimeWait)
            | (LastAck, LastAck)
            | (Closing, LastAck)
            | (FinWait1, FinWait2 | TimeWait)
            | (FinWait2, FinWait2 | TimeWait)
            | (Established, FinWait2 | CloseWait | Closing | LastAck | TimeWait)
    )
}

impl Run {
    /// After something has happened to this end.
    pub(super) fn check_end(&mut self, world: &mut World, at: usize) {
        let end = self.ends.get(at);
        let peer = self.ends.peer(at);
        if end.established && !end.lost {
            assert!(peer.is_some() || self.ends.took_cookie(at), "INV-22: established with nobody: {end:#?}");
        }
        // A forged acknowledgment may have told it of what never arrived.
        let believed = |peer: &usize| !end.misled && !self.ends.get(*peer).misled;
        if let Some(peer) = peer.filter(believed) {
            let pair = [end.state, self.ends.get(peer).state];
            assert!(can_be(pair), "4.3: {pair:?} at {:?}: {end:#?} {:#?}", world.now(), self.ends.get(peer));
        }
        if let Some(receipt) = &end.receipt {
            let over = matches!(end.state, State::Closed | State::TimeWait);
            let successor = end.receipt.is_some() && receipt.ending.state() == State::SynReceived;
            assert!(over || successor, "1.15: {} after the ending: {end:#?}", end.state);
        }
        self.look_at_handle(world, at);
    }

    /// What a handle shows: nothing that was said is taken back.
    pub(super) fn look_at_handle(&mut self, world: &mut World, at: usize) {
        let end = self.ends.get(at);
        let (side, Some(handle)) = (end.side, end.app.handle) else { return };
        let stack = &world.host(side).stack;
        let (receipt, finished, state) = (stack.receipt(handle), stack.is_finished(handle), stack.state(handle));
        assert!(finished || !end.app.finished, "INV-7: a direction that was complete is not any more: {end:#?}");
        assert!(!finished || end.app.shut, "INV-4: a stream is complete that was not closed: {end:#?}");
        let fresh = match (end.shown, receipt) {
            (None, None) => {
                assert!(end.receipt.is_none(), "EN-1: a receipt before the handle knows: {end:#?}");
                false
            }
            (Some(_), None) => panic!("INV-6: an ending has gone: {end:#?}"),
            (None, Some(_)) => true,
            (Some(before), Some(receipt)) => {
                // Whether the device took a reset is known only later.
                let later = Receipt { unread: receipt.unread, reset_sent: receipt.reset_sent, ..before };
                assert_eq!(later, receipt, "INV-6: an ending has changed");
                false
            }
        };
        if let Some(receipt) = receipt {
            assert!(matches!(state, State::Closed | State::TimeWait), "1.15: {state} after the ending: {end:#?}");
            assert!(end.app.failed.is_none_or(|ending| ending == receipt.ending), "INV-6: {end:#?}");
            if fresh {
                self.check_receipt(at, &receipt);
            }
        }
        let end = self.ends.get_mut(at);
        end.app.finished = finished;
        end.shown = receipt;
    }

    /// L1: in calm weather, applications that write all, read all and close are never kept waiting for hours.
    pub(super) fn check_nobody_waits(&mut self, world: &mut World) {
        for at in 0..self.ends.len() {
            self.turn(world, at, |turn| turn.check_told());
        }
        let calm = self.plan.is_calm() && self.unlistened == [false; 2];
        if !calm && self.healed.is_none() {
            return;
        }
        for at in 0..self.ends.len() {
            let end = self.ends.get(at);
            let peer = self.ends.peer(at).map(|peer| self.ends.get(peer));
            let plain =
                self.plan.talks[end.talk].port == Port::Any && end.app.program.is_gentle() && !end.app.host_failed;
            // Of a peer that gave up, a reset that is lost tells nothing (L3).
            let gave_up = |peer: &End| peer.ending().is_some_and(|ending| !ending.is_graceful());
            let whole = peer.is_some_and(|peer| {
                peer.app.program.is_gentle() && peer.app.known && !peer.lost && !peer.app.host_failed && !gave_up(peer)
            });
            let waits = end.app.handle.is_some() && end.receipt.is_none();
            assert!(!(plain && whole && waits), "L1: an application waits for ever: {end:#?} {peer:#?}");
        }
    }

    /// L2: who has something to deliver has been given up where nothing got through for so long.
    pub(super) fn check_patience(&self, now: Instant) {
        let Some(since) = self.dead_since().filter(|_| !self.tampers()) else { return };
        for end in self.ends.iter() {
            let asked = self.asked(end);
            let config = &self.plan.config[end.side as usize];
            let bound = patience_bound(config).max(asked + config.max_rto) + self.slowest();
            let app = &end.app;
            let waits = app.shut && !app.finished && end.ending().is_none() && app.handle.is_some();
            let late = now > app.worked.max(since) + bound;
            assert!(!(waits && late), "L2: not given up after {bound:?}: {end:#?}");
        }
    }

    /// A box on the way ends connections of its own accord.
    pub(super) fn meddles(&self) -> bool {
        self.plan.incidents.iter().any(|one| matches!(one.what, Mishap::Nat { .. }))
    }

    /// A host's time is not the world's: how long things take proves nothing.
    pub(super) fn tampers(&self) -> bool {
        let timeless = |what: &Mishap| {
            matches!(
                what,
                Mishap::Suspend(..) | Mishap::Leap(..) | Mishap::Stop(..) | Mishap::Full(..) | Mishap::Unplug(..)
            )
        };
        self.plan.incidents.iter().any(|one| timeless(&one.what))
    }

    /// How long the application would wait, or lets its peer say (never less than 100 s then; X-UTO).
    pub(super) fn asked(&self, end: &End) -> Duration {
        let settings = self.plan.talks[end.talk].settings[end.side as usize];
        let left_to_peer = settings.exchange_user_timeout && settings.user_timeout.is_none();
        settings.user_timeout.unwrap_or(Duration::from_secs(if left_to_peer { 100 } else { 0 }))
    }

    /// The longest a packet may be under way.
    pub(super) fn slowest(&self) -> Duration {
        self.plan.wires().map(|wire| wire.delay + wire.detour).fold(Duration::ZERO, Duration::max)
    }

    /// What one receipt says against what its application and its peer's did.
    pub(super) fn check_receipt(&self, at: usize, receipt: &Receipt) {
        let end = self.ends.get(at);
        let peer = self.ends.writer(at).map(|writer| self.ends.get(writer));
        let written = peer.map_or(0, |peer| peer.app.written);
        let peer_shut = peer.is_some_and(|peer| peer.app.shut);
        let of = || format!("{receipt:#?} {end:#?} {peer:#?}");
        assert_eq!(receipt.sent, end.app.written, "1.15: bytes sent are not those taken: {}", of());
        assert!(receipt.acknowledged <= receipt.sent, "1.15: {}", of());
        assert!(receipt.received >= end.app.read && receipt.received <= written, "INV-1: {}", of());
        let accounted = receipt.unread + receipt.discarded + end.app.read;
        let same = accounted == receipt.received || receipt.read_closed && accounted <= receipt.received;
        assert!(same, "1.15: bytes received, read, unread and thrown away: {}", of());
        match receipt.closed_first {
            Some(Closer::Us) => assert!(end.app.shut, "EN-5: {}", of()),
            Some(Closer::Peer) => assert!(peer_shut, "EN-5: {}", of()),
            None => {}
        }
        self.check_path(receipt, &of);
        self.check_cause(end, peer, receipt, &of);
    }

    /// An orphan's own end.
    pub(super) fn is_orphans(phase: Phase) -> bool {
        matches!(phase, Phase::ZeroWindow | Phase::FinWait2Orphan)
    }
}
