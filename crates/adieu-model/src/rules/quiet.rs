//! What must be left, or not left, where nothing happens any more.

use adieu_core::{Ending, FlowView, Instant, State as Tcp};

use super::{fault, peer_of};
use crate::end::{End, Stage};
use crate::scope::Scope;
use crate::state::{Fault, Side, State, flow};
use crate::step::Step;

pub(super) fn judge(scope: &Scope, state: &State, step: &Step<'_>) -> Option<Fault> {
    judge_rest(&state.sides[step.side]).or_else(|| {
        let quiet = |side: &Side| side.stack.poll_timeout() == Instant::NEVER;
        let silent = state.dead || state.wire.is_empty() && step.sent.is_empty();
        let all = silent && state.sides.iter().all(|side| quiet(side));
        if all { (0..2).find_map(|side| judge_quiet(scope, state, side)) } else { None }
    })
}

/// INV-21, L6: what is over and let go leaves nothing.
fn judge_rest(side: &Side) -> Option<Fault> {
    let over = |end: &End| end.stage == Stage::Gone && end.handle.is_none() && (end.accepted || !end.established);
    if !side.ends.iter().all(over) {
        return None;
    }
    let left = side.stack.leftover();
    let rest = adieu_core::Leftover { listeners: 0, tombstones: 0, ..left };
    if rest == adieu_core::Leftover::default() { None } else { fault("INV-21", format!("left over: {left:?}")) }
}

/// L1, L2, INV-19: with no packet under way and no timer running, nobody owes anything. What is left are applications
/// that have not closed, and their peers.
fn judge_quiet(scope: &Scope, state: &State, side: usize) -> Option<Fault> {
    let here = &state.sides[side];
    let end = here.last()?;
    match end.stage {
        Stage::Gone => return judge_after(scope, state, side, end),
        Stage::Opening(_) | Stage::Waiting | Stage::Quarantined => {
            return fault("L2", format!("{:?}, and nothing will ever happen", end.stage));
        }
        Stage::Open(tcp) => {
            let waits = matches!(tcp, Tcp::Established | Tcp::CloseWait | Tcp::FinWait2);
            if !waits || end.closed {
                return fault("L2", format!("{tcp}, closed: {}, and nothing will ever happen", end.closed));
            }
        }
    }
    if let Some(FlowView::Connection(numbers)) = here.stack.view(&flow(side))
        && numbers.una < numbers.fin.map_or(numbers.written, |fin| fin + 1)
    {
        return fault("L2", "something is owed, and nothing will ever happen");
    }
    let peer = peer_of(state, side, end)?;
    let both = end.stage.is_live() && peer.stage.is_live();
    if both && (end.received < peer.written || end.peer_finished != peer.finished) {
        return fault("L1", "both ends live, and what one has sent is not at the other");
    }
    None
}

/// L1: without faults of the wire and without aborts, closing is graceful.
fn judge_after(scope: &Scope, state: &State, side: usize, end: &End) -> Option<Fault> {
    let kind = !state.dead && state.lost == 0 && state.copied == 0 && !scope.wire.evicts && !scope.wire.forges;
    let peer = peer_of(state, side, end)?;
    let polite = |end: &End| !end.aborted && end.received == end.read;
    let graceful = |end: &End| end.ending.is_some_and(|ending| ending.is_graceful());
    let alone = state.sides.iter().all(|side| side.ends.len() == 1);
    let gave_up = |end: &End| matches!(end.ending, Some(Ending::TimedOut { .. } | Ending::Aborted { .. }));
    let untimed = !gave_up(end) && !gave_up(peer);
    if kind && alone && untimed && polite(end) && polite(peer) && end.finished && peer.finished {
        let reset = |end: &End| end.ending.is_some() && !graceful(end);
        if reset(end) && !peer.expired {
            return fault("L1", format!("{:?} though nothing was lost and nobody gave up", end.ending));
        }
    }
    None
}
