//! One step: something happens to one side, what it has to send leaves, and what became of it is looked up.

use std::sync::Arc;

use adieu_core::wire::checksum::Checksum;
use adieu_core::wire::{Flags, Packet, checksum};
use adieu_core::{Duration, Ending, FlowView, ReadError, Receipt, State as Tcp, WriteError};

use crate::action::{Action, Call, WAIT};
use crate::end::{End, Stage, initial};
use crate::rules;
use crate::scope::Scope;
use crate::state::{Fault, Parcel, Side, State, address, flow, offset};

/// What happened in a step, for those who judge it.
pub(crate) struct Step<'a> {
    /// The side it happened to.
    pub(crate) side: usize,
    pub(crate) why: Why<'a>,
    /// Where the end that had the flow stood before, and which one it was.
    pub(crate) before: Option<(usize, Stage)>,
    /// A copy of the ends before.
    pub(crate) ends_before: &'a [End],
    /// What has left.
    pub(crate) sent: Vec<Arc<Parcel>>,
    /// What the calls have returned.
    pub(crate) heard: Option<Heard>,
}

/// Why something happens.
#[derive(Clone, Copy)]
pub(crate) enum Why<'a> {
    Call(Call),
    Arrival(&'a Parcel),
    Timer,
    Time,
}

/// What a call has returned.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    Wrote(usize, Result<usize, WriteError>),
    Read(usize, Result<Vec<u8>, ReadError>),
    Accepted,
}

/// Between two connections with the same addresses and ports: two that the clock of initial numbers could not tell
/// apart are none that two calls or two SYNs can make.
const MOMENT: Duration = Duration::from_millis(16);

/// More packets than that in one step are an endless loop (INV-16).
const ENDLESS: usize = 16;

/// The state a scope begins with.
pub(crate) fn first(scope: &Scope) -> State {
    let state = State::new(scope);
    if !scope.established {
        return state;
    }
    let handshake = [Action::Call(0, Call::Connect), Action::Deliver(0), Action::Deliver(0), Action::Deliver(0)];
    let steps = handshake.into_iter().chain([Action::Call(1, Call::Accept)]);
    steps.fold(state, |state, action| next(scope, &state, action).unwrap_or(state))
}

/// What `action` makes of `last`; `None` where it cannot happen.
pub(crate) fn next(scope: &Scope, last: &State, action: Action) -> Option<State> {
    let mut next = last.clone();
    match action {
        Action::Call(side, call) => {
            let heard = at(&mut next, side, |side, number| perform(scope, side, number, call))?;
            finish(scope, last, next, side, Why::Call(call), heard)
        }
        Action::Deliver(place) | Action::Copy(place) | Action::Forge(place) => {
            let mut parcel = last.wire[place].clone();
            match action {
                Action::Copy(_) => next.copied += 1,
                Action::Forge(_) => {
                    next.wire.remove(place);
                    parcel = Arc::new(forged(&parcel)?);
                }
                _ => _ = next.wire.remove(place),
            }
            let to = 1 - parcel.from;
            at(&mut next, to, |side, _| arrive(side, &parcel));
            finish(scope, last, next, to, Why::Arrival(&parcel), None)
        }
        Action::Lose(place) => {
            next.wire.remove(place);
            next.lost += 1;
            Some(next)
        }
        Action::Fire(side) => {
            at(&mut next, side, |side, _| {
                side.now = side.now.max(side.due);
                side.stack.handle_timeout(side.now);
            });
            let records = |state: &State| {
                let leftover = state.sides[side].stack.leftover();
                leftover.time_waits + leftover.quarantined
            };
            let older = last.wire.iter().any(|parcel| parcel.older[side]);
            if older && !scope.wire.evicts && records(&next) < records(last) {
                return None;
            }
            finish(scope, last, next, side, Why::Timer, None)
        }
        Action::Wait(side) => {
            at(&mut next, side, |side, _| {
                side.left.waits -= 1;
                side.now += WAIT;
            });
            finish(scope, last, next, side, Why::Time, None)
        }
        Action::Die => {
            next.dead = true;
            next.wire.clear();
            Some(next)
        }
    }
}

fn at<R>(state: &mut State, side: usize, change: impl FnOnce(&mut Side, usize) -> R) -> R {
    change(Arc::make_mut(&mut state.sides[side]), side)
}

/// A call; `None` where it would do nothing.
fn perform(scope: &Scope, side: &mut Side, number: usize, call: Call) -> Option<Option<Heard>> {
    let (now, part) = (side.now, &scope.sides[number]);
    match call {
        Call::Connect => {
            side.left.connects -= 1;
            if !side.ends.is_empty() {
                side.now += MOMENT;
            }
            let (now, local, remote) = (side.now, Some(address(number)), address(1 - number));
            let handle = side.stack.connect_with(now, local, remote, part.settings()).ok()?;
            let view = side.stack.view(&flow(number))?;
            let end = End { handle: Some(handle), passive: false, accepted: true, ..End::new(side.next_tag, &view) };
            side.ends.push(end);
            side.next_tag += 1;
            return Some(None);
        }
        Call::Accept => {
            let handle = side.stack.accept(side.listener?);
            let waits = |end: &&mut End| end.passive && !end.accepted && end.established;
            let all = side.ends.iter_mut().filter(waits);
            match handle {
                // The first that waits and that the stack has not thrown away.
                Some(handle) => {
                    let ended = side.stack.receipt(handle).is_some();
                    let end = all.into_iter().find(|end| end.ending.is_some() == ended)?;
                    (end.handle, end.accepted) = (Some(handle), true);
                }
                None => all.for_each(|end| end.accepted = true),
            }
            return Some(Some(Heard::Accepted));
        }
        Call::Relisten => {
            side.left.restarts -= 1;
            side.stack.unlisten(now, side.listener?);
            side.listener = side.stack.listen_with(address(number), part.settings()).ok();
        }
        Call::Write(_) | Call::Read(_) | Call::ShutDown(_) | Call::Close(_) | Call::Abort(_) | Call::Drop(_) => {
            return with_connection(side, number, call);
        }
    }
    Some(None)
}

/// A call for a connection; `None` where it would do nothing.
fn with_connection(side: &mut Side, number: usize, call: Call) -> Option<Option<Heard>> {
    let now = side.now;
    let spend = |side: &mut Side| side.left.calls -= 1;
    let handle = |side: &Side, end: usize| side.ends[end].handle;
    match call {
        Call::Connect | Call::Accept | Call::Relisten => return None,
        Call::Write(end) => {
            let byte = side.ends[end].byte(number, side.ends[end].written);
            let wrote = side.stack.write(now, handle(side, end)?, &[byte]);
            if wrote == Err(WriteError::Blocked) {
                return None;
            }
            spend(side);
            side.ends[end].written += u8::from(wrote == Ok(1));
            return Some(Some(Heard::Wrote(end, wrote)));
        }
        Call::Read(end) => {
            let mut bytes = vec![0; 8];
            let read = side.stack.read(now, handle(side, end)?, &mut bytes);
            if read == Err(ReadError::Blocked) {
                return None;
            }
            spend(side);
            let read = read.map(|length| bytes[..length].to_vec());
            return Some(Some(Heard::Read(end, read)));
        }
        Call::ShutDown(end) => {
            spend(side);
            side.stack.shut_down(now, handle(side, end)?);
            side.ends[end].finished = true;
        }
        Call::Close(end) => {
            spend(side);
            side.stack.close(now, handle(side, end)?);
            (side.ends[end].finished, side.ends[end].closed) = (true, true);
        }
        Call::Abort(end) => {
            spend(side);
            side.ends[end].aborted = true;
            side.stack.abort(now, handle(side, end)?);
        }
        Call::Drop(end) => {
            spend(side);
            side.stack.release(now, handle(side, end)?);
            let end = &mut side.ends[end];
            (end.finished, end.closed, end.handle) = (true, true, None);
        }
    }
    Some(None)
}

/// A packet arrives. What can only begin a connection where there was one before comes a moment later.
fn arrive(side: &mut Side, parcel: &Parcel) {
    let segment = parcel.segment();
    let syn = segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK);
    if syn && side.last().is_some_and(|end| !end.stage.is_live()) {
        side.now += MOMENT;
    }
    if let Some(end) = side.ends.last_mut().filter(|end| end.stage.is_live()) {
        if let Some(irs) = end.irs.filter(|_| !segment.payload.is_empty()) {
            let arrived = offset(segment.seq, irs).wrapping_add(u32::try_from(segment.payload.len()).unwrap_or(0));
            end.arrived = end.arrived.max(u8::try_from(arrived.wrapping_sub(1)).unwrap_or(0));
        }
        end.confirmed |= rules::confirms(end, &segment);
    }
    side.stack.handle_packet(side.now, Packet::new(&parcel.bytes));
}

/// The packet with FIN set, and a checksum that says so.
fn forged(parcel: &Parcel) -> Option<Parcel> {
    let mut forged = parcel.clone();
    let flags = Flags::from_bits(forged.bytes[33]);
    if flags.has(Flags::FIN) || flags.has(Flags::SYN) || flags.has(Flags::RST) {
        return None;
    }
    forged.bytes[33] = flags.with(Flags::FIN).bits();
    forged.bytes[36..38].fill(0);
    let length = u16::try_from(forged.bytes.len() - 20).ok()?;
    let mut sum = Checksum::new(checksum::sum);
    sum.bytes(&forged.bytes[12..20]);
    sum.bytes(&[0, 6]);
    sum.bytes(&length.to_be_bytes());
    sum.bytes(&forged.bytes[20..]);
    let sum = sum.finish();
    forged.bytes[36..38].copy_from_slice(&sum.to_be_bytes());
    Some(forged)
}

/// What has to leave, leaves; what became of it is written down and judged.
fn finish(
    scope: &Scope,
    last: &State,
    mut next: State,
    side: usize,
    why: Why<'_>,
    heard: Option<Heard>,
) -> Option<State> {
    let ends_before = &last.sides[side].ends;
    let before = ends_before.iter().enumerate().next_back().map(|(number, end)| (number, end.stage));
    let (bytes, twice) = at(&mut next, side, |side, number| {
        let bytes = drain(side);
        let twice = look(side, number);
        (bytes, twice)
    });
    let waits = |state: &State| state.sides[side].ends.iter().any(|end| is_record(end.stage));
    let (waited, waiting) = (waits(last), waits(&next));
    if waiting != waited {
        for parcel in &mut next.wire {
            Arc::make_mut(parcel).older[side] = waiting;
        }
    }
    let older = if let Why::Arrival(parcel) = why { parcel.older } else { [false; 2] };
    let older = [0, 1].map(|at| older[at] && (at != side || waiting && waited));
    let sent: Vec<_> = bytes.into_iter().map(|bytes| Arc::new(Parcel { from: side, bytes, older })).collect();
    let step = Step { side, why, before, ends_before, sent, heard };
    next.fault = twice.or_else(|| rules::judge(scope, &mut next, &step)).map(Arc::new);
    if !next.dead {
        next.wire.extend(step.sent);
        next.wire.sort_unstable();
    }
    at(&mut next, side, |side, _| side.seal());
    Some(next)
}

fn is_record(stage: Stage) -> bool {
    matches!(stage, Stage::Waiting | Stage::Quarantined)
}

/// All that leaves now.
fn drain(side: &mut Side) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    while let Some(packet) = side.stack.poll_transmit(side.now) {
        sent.push(packet.to_vec());
        side.stack.recycle(packet);
        if sent.len() > ENDLESS {
            break;
        }
    }
    while side.stack.poll_notified().is_some() {}
    while side.stack.poll_acceptable().is_some() {}
    while side.stack.poll_released().is_some() {}
    sent
}

/// Writes down where every end stands now.
fn look(side: &mut Side, number: usize) -> Option<Fault> {
    let view = side.stack.view(&flow(number));
    if let Some(view) = view {
        begin(side, &view);
    }
    let mut fault = None;
    while let Some((_, receipt)) = side.stack.poll_receipt() {
        fault = fault.or(note_receipt(side, &receipt));
    }
    // The last one that lives has the flow; a record belongs to the last that ended with one.
    let newest = side.ends.len().saturating_sub(1);
    let shown = side.ends.iter().rposition(|end| match view {
        Some(FlowView::Record { .. }) => end.ending.is_some_and(leaves_record),
        _ => true,
    });
    for (at, end) in side.ends.iter_mut().enumerate() {
        let stage = match view {
            Some(FlowView::Record { time_wait, .. }) if Some(at) == shown => {
                if time_wait {
                    Stage::Waiting
                } else {
                    Stage::Quarantined
                }
            }
            Some(FlowView::Opening { .. }) if at != newest && is_record(end.stage) => end.stage,
            Some(FlowView::Opening { state, .. }) if at == newest => Stage::Opening(state),
            Some(FlowView::Connection(numbers)) if at == newest && numbers.ended.is_none() => {
                Stage::Open(numbers.state)
            }
            Some(FlowView::Abandoned { .. }) if at == newest => Stage::Open(Tcp::FinWait2),
            _ => Stage::Gone,
        };
        end.expired |= end.stage == Stage::Waiting && stage == Stage::Gone;
        end.established |= matches!(stage, Stage::Open(_));
        end.stage = stage;
        if at == newest {
            note_numbers(end, view.as_ref());
        }
    }
    // What never got beyond the handshake, and that nobody knows of, has never been.
    side.ends.retain(|end| end.stage != Stage::Gone || end.established || end.ending.is_some() || !end.passive);
    fault
}

/// Whether an ending leaves a record.
fn leaves_record(ending: Ending) -> bool {
    match ending {
        Ending::Graceful { order } => order != adieu_core::Order::PeerFirst,
        Ending::Aborted { .. } | Ending::TimedOut { .. } | Ending::Cancelled { .. } => true,
        Ending::ResetByPeer { .. } | Ending::Refused { .. } | Ending::Unreachable { .. } => false,
    }
}

/// A connection that a SYN has begun.
fn begin(side: &mut Side, view: &FlowView) {
    let Some((iss, irs)) = initial(view) else { return };
    let known = side.ends.last_mut().filter(|end| end.ending.is_none());
    match known {
        // SY-6: an attempt may take another number.
        Some(end) if end.iss == iss || !end.passive && !end.established => (end.iss, end.irs) = (iss, irs),
        _ => {
            side.ends.push(End::new(side.next_tag, view));
            side.next_tag += 1;
        }
    }
}

/// A receipt is of the connection that lived last; a second one is too many (INV-6).
fn note_receipt(side: &mut Side, receipt: &Receipt) -> Option<Fault> {
    let (ending, side_sent) = (receipt.ending, receipt.acknowledged);
    let Some(end) = side.ends.last_mut().filter(|end| end.ending.is_none()) else {
        return Some(Fault { id: "INV-6", text: format!("another ending, {}", ending.name()) });
    };
    let small = |count: u64| u8::try_from(count).unwrap_or(u8::MAX);
    end.ending = Some(ending);
    end.established |= end.irs.is_some() && receipt.spent.iter().any(|(state, _)| state == Tcp::Established);
    end.acked = small(side_sent);
    end.received = small(receipt.received);
    end.fin_acked = receipt.fin_acknowledged;
    end.peer_finished = receipt.fin_received;
    None
}

fn note_numbers(end: &mut End, view: Option<&FlowView>) {
    let Some(FlowView::Connection(numbers)) = view else { return };
    let small = |count: u64| u8::try_from(count).unwrap_or(u8::MAX);
    end.acked = small(numbers.una.min(numbers.written).since(adieu_core::Offset::DATA));
    end.fin_acked = numbers.fin.is_some_and(|fin| numbers.una > fin);
    let fin = u64::from(numbers.peer_finished);
    end.received = small(numbers.received.since(adieu_core::Offset::DATA) - fin);
    end.peer_finished = numbers.peer_finished;
}

impl Step<'_> {
    /// Whether the end that had the flow is no more, in silence: it never got beyond the handshake.
    pub(crate) fn is_over(&self, at: usize) -> bool {
        let end = &self.ends_before[at];
        end.passive && !end.established
    }
}
