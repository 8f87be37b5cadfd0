//! What can happen.

use adieu_core::Instant;

use crate::scope::{Calls, Scope};
use crate::state::{Side, State};

/// Something that happens to a state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// An application calls.
    Call(usize, Call),
    /// A packet arrives: its place in the wire's order.
    Deliver(usize),
    /// It arrives, and will again.
    Copy(usize),
    /// It is lost.
    Lose(usize),
    /// It arrives with FIN set, which nobody has sent.
    Forge(usize),
    /// The next timer of a side fires.
    Fire(usize),
    /// Time passes for a side, and no timer fires.
    Wait(usize),
    /// The wire dies.
    Die,
}

/// A call of an application.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Call {
    /// `connect`.
    Connect,
    /// `accept`.
    Accept,
    /// Stops listening, and begins again.
    Relisten,
    /// A byte, to this end.
    Write(usize),
    /// What is there.
    Read(usize),
    /// `shutdown(SHUT_WR)`.
    ShutDown(usize),
    /// Full close.
    Close(usize),
    /// Reset.
    Abort(usize),
    /// The handle goes.
    Drop(usize),
}

/// How long [`Action::Wait`] lasts: longer than every answer is held back, and shorter than every timer.
pub(crate) const WAIT: adieu_core::Duration = adieu_core::Duration::from_millis(1_024);

/// All that can happen to `state`.
pub(crate) fn actions(scope: &Scope, state: &State, actions: &mut Vec<Action>) {
    if state.fault.is_some() {
        return;
    }
    for (at, side) in state.sides.iter().enumerate() {
        let mut call = |call: Call| actions.push(Action::Call(at, call));
        if side.left.connects > 0 && side.last().is_none_or(|end| !end.stage.is_live()) {
            call(Call::Connect);
        }
        if let Some(listener) = side.listener {
            if side.stack.is_acceptable(listener) {
                call(Call::Accept);
            }
            if side.left.restarts > 0 {
                call(Call::Relisten);
            }
        }
        if side.left.calls > 0 {
            calls(scope, side, at, actions);
        }
        if side.due != Instant::NEVER {
            actions.push(Action::Fire(at));
        }
        if side.left.waits > 0 && side.now + WAIT < side.due {
            actions.push(Action::Wait(at));
        }
    }
    let wire = &scope.wire;
    for (at, parcel) in state.wire.iter().enumerate() {
        if at > 0 && state.wire[at - 1] == *parcel {
            continue; // The same as the one before.
        }
        actions.push(Action::Deliver(at));
        if state.copied < wire.copies {
            actions.push(Action::Copy(at));
        }
        if state.lost < wire.losses {
            actions.push(Action::Lose(at));
        }
        if wire.forges {
            actions.push(Action::Forge(at));
        }
    }
    if wire.dies && !state.dead {
        actions.push(Action::Die);
    }
}

fn calls(scope: &Scope, side: &Side, at: usize, actions: &mut Vec<Action>) {
    let part = &scope.sides[at];
    for (number, end) in side.ends.iter().enumerate().filter(|(_, end)| end.handle.is_some()) {
        let mut call = |set: Calls, useful: bool, call: Call| {
            if useful && part.calls.has(set) {
                actions.push(Action::Call(at, call));
            }
        };
        let open = !end.closed && !end.aborted && end.ending.is_none();
        call(Calls::WRITE, end.written < part.bytes, Call::Write(number));
        call(Calls::READ, !end.closed && !end.aborted, Call::Read(number));
        call(Calls::SHUT_DOWN, open && !end.finished, Call::ShutDown(number));
        call(Calls::CLOSE, open, Call::Close(number));
        call(Calls::ABORT, !end.aborted && end.ending.is_none(), Call::Abort(number));
        call(Calls::DROP, true, Call::Drop(number));
    }
}
