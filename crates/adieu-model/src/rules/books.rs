//! A connection's numbers, timers and state, held against each other, and what an ending needs.

use adieu_core::{Cause, Ending, FlowView, Instant, Numbers, Phase, State as Tcp};

use super::fault;
use crate::action::Call;
use crate::end::{End, Stage};
use crate::state::{Fault, Side, State, flow};
use crate::step::{Step, Why};

pub(super) fn judge(state: &mut State, step: &Step<'_>) -> Option<Fault> {
    let side = &state.sides[step.side];
    let numbers = match side.stack.view(&flow(step.side)) {
        Some(FlowView::Connection(numbers)) if numbers.ended.is_none() => Some(numbers),
        _ => None,
    };
    let end = side.last()?;
    let found = numbers
        .and_then(|numbers| {
            judge_state(&numbers).or_else(|| judge_timers(&numbers, end)).or_else(|| judge_moves(&numbers, end))
        })
        .or_else(|| judge_waits(side, end))
        .or_else(|| judge_beginning(step, end))
        .or_else(|| judge_ending(step, end));
    if let Some(numbers) = numbers {
        let numbers = [numbers.una, numbers.next, numbers.received, numbers.edge].map(|offset| offset.0);
        if let Some(end) = std::sync::Arc::make_mut(&mut state.sides[step.side]).ends.last_mut() {
            end.numbers = numbers;
        }
    }
    found
}

/// INV-15: each name stands for facts.
fn judge_state(numbers: &Numbers) -> Option<Fault> {
    let queued = numbers.fin.is_some();
    let acked = numbers.fin.is_some_and(|fin| numbers.una > fin);
    let finished = numbers.peer_finished;
    let facts = (queued, acked, finished);
    let holds = match numbers.state {
        Tcp::Established => facts == (false, false, false),
        Tcp::CloseWait => facts == (false, false, true),
        Tcp::FinWait1 => facts == (true, false, false),
        Tcp::FinWait2 => facts == (true, true, false),
        Tcp::Closing | Tcp::LastAck => facts == (true, false, true),
        Tcp::TimeWait | Tcp::Closed | Tcp::Listen | Tcp::SynSent | Tcp::SynReceived => false,
    };
    if holds { None } else { fault("INV-15", format!("{} with {facts:?}", numbers.state)) }
}

/// INV-17, INV-18, INV-19: the timers that a state may have, and those that it must have.
fn judge_timers(numbers: &Numbers, end: &End) -> Option<Fault> {
    let armed = numbers.armed;
    let resends = armed.retransmit || armed.early;
    let last = numbers.fin.map_or(numbers.written, |fin| fin + 1);
    if resends && armed.persist {
        return fault("INV-17", "retransmission and persist timer run together");
    }
    if numbers.state == Tcp::FinWait2 && (resends || armed.persist) {
        return fault("INV-17", "something is to be sent again in FIN-WAIT-2");
    }
    if armed.idle && !(numbers.state == Tcp::FinWait2 && end.closed) {
        return fault("INV-17", format!("an orphan's patience in {}", numbers.state));
    }
    if armed.ack && matches!(numbers.state, Tcp::Closing | Tcp::LastAck) {
        return fault("INV-17", format!("a delayed acknowledgment in {}", numbers.state));
    }
    if numbers.una < last && !resends && !armed.persist {
        return fault("INV-19", format!("{} waits for nothing: {numbers:?}", numbers.state));
    }
    if numbers.next < last && numbers.una == numbers.next && !armed.persist {
        return fault("INV-19", "nothing in flight, something to send, and no persist timer");
    }
    if numbers.state == Tcp::FinWait2 && end.closed && !armed.idle {
        return fault("INV-18", "an orphan in FIN-WAIT-2 waits for ever");
    }
    None
}

/// INV-10.
fn judge_moves(numbers: &Numbers, end: &End) -> Option<Fault> {
    let now = [numbers.una, numbers.next, numbers.received, numbers.edge].map(|offset| offset.0);
    if numbers.una > numbers.next {
        return fault("INV-10", "more is acknowledged than was sent");
    }
    let names = ["SND.UNA", "SND.NXT", "RCV.NXT", "RCV.NXT+RCV.WND"];
    let back = names.iter().zip(end.numbers.iter().zip(now)).find(|(_, (before, now))| now < before);
    back.and_then(|(name, (before, now))| fault("INV-10", format!("{name} went from {before} back to {now}")))
}

/// INV-18, for what has no connection's timers.
fn judge_waits(side: &Side, end: &End) -> Option<Fault> {
    let waits = matches!(end.stage, Stage::Opening(_) | Stage::Waiting | Stage::Quarantined);
    if waits && side.stack.poll_timeout() == Instant::NEVER {
        return fault("INV-18", format!("{:?} without a timer", end.stage));
    }
    None
}

/// INV-22, INV-23: what was established was answered, and a flow has one connection at a time.
fn judge_beginning(step: &Step<'_>, end: &End) -> Option<Fault> {
    if end.established && !end.confirmed {
        return fault("INV-22", format!("{:?} before our SYN was acknowledged", end.stage));
    }
    let (at, stage) = step.before?;
    let known = step.ends_before[at].tag == end.tag;
    if !known && stage.is_live() && step.ends_before[at].ending.is_none() && !step.is_over(at) {
        return fault("INV-23", format!("a second connection beside one in {stage:?}"));
    }
    None
}

/// INV-13, for endings: each has a cause that there was.
fn judge_ending(step: &Step<'_>, end: &End) -> Option<Fault> {
    let before = step.ends_before.iter().find(|before| before.tag == end.tag);
    let ending = end.ending.filter(|_| before.is_none_or(|before| before.ending.is_none()))?;
    let unread = end.arrived > before.map_or(0, |before| before.read);
    let holds = match ending {
        Ending::Aborted { cause, .. } => match cause {
            Cause::AbortCall => end.aborted,
            Cause::CloseWithUnread | Cause::HandleDroppedWithUnread => end.closed && unread,
            Cause::DataAfterClose => end.closed && matches!(step.why, Why::Arrival(_)),
            Cause::ListenerClosed => matches!(step.why, Why::Call(Call::Relisten)),
            _ => false,
        },
        Ending::TimedOut { phase, .. } => {
            matches!(step.why, Why::Timer) || phase == Phase::ZeroWindow && matches!(step.why, Why::Arrival(_))
        }
        Ending::Cancelled { .. } => matches!(step.why, Why::Call(_)),
        Ending::Graceful { .. } => {
            end.finished && end.fin_acked && end.peer_finished && !end.aborted && matches!(step.why, Why::Arrival(_))
        }
        Ending::ResetByPeer { .. } | Ending::Refused { .. } => {
            matches!(step.why, Why::Arrival(parcel) if parcel.segment().flags.has(adieu_core::wire::Flags::RST))
        }
        Ending::Unreachable { .. } => false,
    };
    let id = if ending.is_graceful() { "INV-5" } else { "INV-13" };
    if holds { None } else { fault(id, format!("{ending:?} without a cause")) }
}
