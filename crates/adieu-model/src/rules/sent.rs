//! What leaves: numbers that stay what they were, resets that have a reason, and not too many answers.

use adieu_core::wire::{Flags, Segment};
use adieu_core::{Ending, Instant};

use super::fault;
use crate::end::{End, Stage};
use crate::state::{Fault, State, offset};
use crate::step::{Step, Why};

pub(super) fn judge(state: &State, step: &Step<'_>) -> Option<Fault> {
    if step.sent.len() > 16 {
        return fault("INV-16", "packets without end");
    }
    let numbers = step.sent.iter().find_map(|parcel| judge_numbers(state, step.side, &parcel.segment()));
    let resets = || step.sent.iter().find_map(|parcel| judge_reset(state, step, &parcel.segment()));
    let dead = || judge_dead(state, step);
    numbers.or_else(resets).or_else(|| judge_answers(step)).or_else(dead)
}

/// INV-9: SYN, octets and FIN stand where they always stood.
fn judge_numbers(state: &State, side: usize, segment: &Segment<'_>) -> Option<Fault> {
    if segment.flags.has(Flags::RST) {
        return None;
    }
    let ends = &state.sides[side].ends;
    let end = ends.iter().rfind(|end| offset(segment.seq, end.iss) <= u32::from(end.written) + 2);
    let Some(end) = end else {
        return fault("INV-9", format!("number {} is of no connection", segment.seq.0));
    };
    let start = offset(segment.seq, end.iss);
    if segment.flags.has(Flags::SYN) {
        return if start == 0 { None } else { fault("INV-9", "a SYN that is not at its place") };
    }
    let after = start + u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
    let fin = 1 + u32::from(end.written);
    // After the FIN, only bare acknowledgments.
    if after > fin && !segment.payload.is_empty() || after > fin + u32::from(end.finished) {
        return fault("INV-9", format!("octets up to {after}, of {} written", end.written));
    }
    if segment.flags.has(Flags::FIN) && (after != fin || !end.finished) {
        return fault("INV-9", format!("FIN at {after}, after {} bytes, closed: {}", end.written, end.finished));
    }
    let places = start.saturating_sub(1)..;
    let wrong = segment
        .payload
        .iter()
        .zip(places)
        .find(|(byte, place)| **byte != end.byte(side, u8::try_from(*place).unwrap_or(u8::MAX)));
    wrong.and_then(|(byte, place)| fault("INV-9", format!("octet {byte:#04x} at place {place}")))
}

/// INV-14, INV-13: a reset follows from an ending, or answers what no connection here is of.
fn judge_reset(state: &State, step: &Step<'_>, segment: &Segment<'_>) -> Option<Fault> {
    if !segment.flags.has(Flags::RST) {
        return None;
    }
    let now = state.sides[step.side].last();
    let was = step.before.map_or(Stage::Gone, |(_, stage)| stage);
    let gave_up = now
        .and_then(|end| end.ending)
        .is_some_and(|ending| matches!(ending, Ending::Aborted { .. } | Ending::TimedOut { .. }));
    let ended_now = was.is_live() && now.is_none_or(|end| !end.stage.is_live());
    match (step.why, was) {
        (_, stage) if stage.is_live() && ended_now && gave_up => None,
        // RS-1, RS-3, RS-7: an answer.
        (Why::Arrival(parcel), Stage::Gone | Stage::Quarantined | Stage::Opening(_)) => {
            judge_answer(&parcel.segment(), segment)
        }
        (Why::Call(_), Stage::Opening(_)) if ended_now => None,
        (_, stage) => fault("INV-14", format!("a reset from {stage:?}, now {:?}", now.map(|end| end.stage))),
    }
}

/// RS-1 to RS-3: a reset that answers has the number that is acknowledged, or acknowledges what came.
fn judge_answer(asked: &Segment<'_>, reset: &Segment<'_>) -> Option<Fault> {
    if asked.flags.has(Flags::RST) {
        return fault("INV-14", "a reset answers a reset");
    }
    let right = if asked.flags.has(Flags::ACK) {
        reset.seq == asked.ack && !reset.flags.has(Flags::ACK)
    } else {
        reset.seq.0 == 0 && reset.flags.has(Flags::ACK) && reset.ack == asked.seq + asked.len()
    };
    if right { None } else { fault("INV-14", format!("{reset:?} answers {asked:?}")) }
}

/// INV-20: one answer to one segment, but for new data; to a reset, a challenge at most (INV-14).
fn judge_answers(step: &Step<'_>) -> Option<Fault> {
    let Why::Arrival(parcel) = step.why else { return None };
    let bare = |segment: &Segment<'_>| segment.is_empty() && !segment.flags.has(Flags::RST);
    let answers = step.sent.iter().filter(|parcel| bare(&parcel.segment())).count();
    let resets = step.sent.iter().filter(|parcel| parcel.segment().flags.has(Flags::RST)).count();
    if answers > 1 || resets > 2 || answers + resets > 2 {
        return fault("INV-20", format!("{answers} acknowledgments and {resets} resets answer one segment"));
    }
    if parcel.segment().flags.has(Flags::RST) && (resets > 0 || step.sent.len() > 1) {
        return fault("INV-14", "a reset is answered by more than a challenge");
    }
    None
}

/// INV-17, MUT-m: what is dead says nothing by itself.
fn judge_dead(state: &State, step: &Step<'_>) -> Option<Fault> {
    let dead = |end: Option<&End>| end.is_none_or(|end| matches!(end.stage, Stage::Gone | Stage::Quarantined));
    let before = step.before.map(|(at, _)| &step.ends_before[at]);
    let idle = matches!(step.why, Why::Timer | Why::Time);
    if idle && dead(before) && dead(state.sides[step.side].last()) && !step.sent.is_empty() {
        return fault("INV-17", "a packet of a connection that is over");
    }
    let side = &state.sides[step.side];
    if side.ends.iter().all(|end| end.stage == Stage::Gone) && side.stack.poll_timeout() != Instant::NEVER {
        return fault("INV-17", "a timer of a connection that is over");
    }
    None
}
