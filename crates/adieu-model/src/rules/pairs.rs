//! Both ends of one incarnation, held against each other.

use adieu_core::{Ending, Order, State as Tcp};

use super::{fault, peer_of};
use crate::end::{End, Stage};
use crate::joint;
use crate::state::{Fault, State};

pub(super) fn judge(state: &State) -> Option<Fault> {
    let ends = || (0..2).flat_map(|side| state.sides[side].ends.iter().map(move |end| (side, end)));
    ends().find_map(|(side, end)| {
        let peer = peer_of(state, side, end)?;
        judge_truth(end, peer).or_else(|| judge_joint(end, peer)).or_else(|| judge_endings(end, peer))
    })
}

/// INV-4, INV-5: what one end says is so at the other.
fn judge_truth(end: &End, peer: &End) -> Option<Fault> {
    if end.acked > peer.received {
        return fault("INV-4", format!("{} bytes acknowledged, {} came", end.acked, peer.received));
    }
    if end.received > peer.written {
        return fault("INV-1", format!("{} bytes came of {} written", end.received, peer.written));
    }
    let whole = |from: &End, to: &End| from.finished && from.written == to.received && to.peer_finished;
    if end.fin_acked && !whole(end, peer) {
        return fault("INV-4", "our FIN is acknowledged, and the peer does not have all");
    }
    if end.peer_finished && !whole(peer, end) {
        return fault("INV-2", "the peer's FIN is here before all that it wrote");
    }
    let graceful = end.ending.is_some_and(|ending| ending.is_graceful());
    if graceful && !(whole(end, peer) && whole(peer, end) && !end.aborted) {
        return fault("INV-5", "graceful, and not all of both streams arrived");
    }
    None
}

/// INV-11, INV-12.
fn judge_joint(end: &End, peer: &End) -> Option<Fault> {
    let (a, b) = (end.joint_state()?, peer.joint_state()?);
    let simultaneous = |end: &End| end.ending == Some(Ending::Graceful { order: Order::Simultaneous });
    if a == Tcp::TimeWait && b == Tcp::TimeWait && !simultaneous(end) && !simultaneous(peer) {
        return fault("INV-12", "both ends are in TIME-WAIT, and neither came through CLOSING");
    }
    let weather = joint::weather(end, peer);
    if joint::allowed(weather).contains(a, b) {
        None
    } else {
        fault("INV-11", format!("{a} and {b}, {}", weather.name()))
    }
}

/// Section 4.5.
fn judge_endings(end: &End, peer: &End) -> Option<Fault> {
    let pair = crate::endings::Pair::of(end, Some(peer))?;
    if !pair.is_allowed(!end.passive && !peer.passive) {
        return fault("EP-1", format!("{pair}: no such pair of endings"));
    }
    let late = matches!(peer.ending, Some(Ending::ResetByPeer { state: Tcp::LastAck | Tcp::Closing }));
    let graceful = end.ending.is_some_and(|ending| ending.is_graceful());
    if late && graceful && end.stage == Stage::Waiting && !end.expired {
        return fault("INV-13", "reset by a peer that is in TIME-WAIT");
    }
    None
}
