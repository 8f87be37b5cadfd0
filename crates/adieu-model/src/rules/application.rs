//! What applications see: bytes, ends of streams, endings.

use adieu_core::{Ending, ReadError, RecvSide, SendSide, State as Tcp};

use super::{fault, peer_of};
use crate::end::{End, Stage};
use crate::state::{Fault, State};
use crate::step::{Heard, Step};

pub(super) fn judge(state: &mut State, step: &Step<'_>) -> Option<Fault> {
    let heard = match &step.heard {
        Some(Heard::Wrote(at, wrote)) => judge_write(step, *at, wrote.is_ok()),
        Some(Heard::Read(at, read)) => judge_read(state, step, *at, read),
        Some(Heard::Accepted) | None => None,
    };
    let ends = 0..state.sides[step.side].ends.len();
    heard.or_else(|| ends.into_iter().find_map(|at| judge_end(state, step, at)))
}

fn judge_write(step: &Step<'_>, at: usize, wrote: bool) -> Option<Fault> {
    let before = &step.ends_before[at];
    if wrote && (before.finished || before.aborted || before.ending.is_some()) {
        return fault("AP-3", "a write was accepted after its direction was closed");
    }
    None
}

/// INV-1, INV-6: what is read is what was written, by the same incarnation, in order.
fn judge_read(state: &mut State, step: &Step<'_>, at: usize, read: &Result<Vec<u8>, ReadError>) -> Option<Fault> {
    let end = &state.sides[step.side].ends[at];
    let bytes = read.as_ref().ok()?;
    let from = end.read;
    let found = bytes.iter().zip(from..).find_map(|(byte, place)| judge_byte(state, step.side, end, *byte, place));
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    if found.is_none() && from + length > end.received {
        return fault("INV-1", format!("{} bytes read of {} that came", from + length, end.received));
    }
    let end = &mut std::sync::Arc::make_mut(&mut state.sides[step.side]).ends[at];
    end.read += length;
    found
}

/// Whether a byte is the one that the peer wrote at this place.
fn judge_byte(state: &State, side: usize, end: &End, byte: u8, place: u8) -> Option<Fault> {
    let Some(peer) = peer_of(state, side, end) else {
        return fault("INV-8", format!("byte {byte:#04x} from nobody"));
    };
    if byte == peer.byte(1 - side, place) && place < peer.written {
        return None;
    }
    let id = if byte >> 4 == peer.byte(1 - side, 0) >> 4 { "INV-1" } else { "INV-8" };
    fault(
        id,
        format!(
            "byte {byte:#04x} at place {place}, where {} of {:#04x} were written",
            peer.written,
            peer.byte(1 - side, 0)
        ),
    )
}

fn judge_end(state: &mut State, step: &Step<'_>, at: usize) -> Option<Fault> {
    let side = &state.sides[step.side];
    let end = &side.ends[at];
    let before = step.ends_before.iter().find(|before| before.tag == end.tag);
    let ended = before.and_then(|before| before.ending);
    if ended.is_some() && ended != end.ending {
        return fault("INV-6", "an ending has changed");
    }
    let handle = end.handle?;
    if let Some(receipt) = side.stack.receipt(handle)
        && Some(receipt.ending) != end.ending
    {
        return fault("INV-6", format!("the handle says {}, the receipt {:?}", receipt.ending.name(), end.ending));
    }
    if let Some(found) = judge_look(state, step.side, end) {
        return Some(found);
    }
    let sides = side.stack.sides(handle)?;
    let now = ranks(sides);
    let moved_back = end.sides.iter().zip(now).any(|(before, now)| now < *before || *before == 2 && now == 3);
    if moved_back {
        return fault("INV-7", format!("from {:?} to {sides:?}", end.sides));
    }
    std::sync::Arc::make_mut(&mut state.sides[step.side]).ends[at].sides = now;
    None
}

/// Open, closing, aborted, complete; complete is final, and aborted is.
fn ranks((send, recv): (SendSide, RecvSide)) -> [u8; 2] {
    let send = match send {
        SendSide::Open => 0,
        SendSide::Closing { .. } => 1,
        SendSide::Aborted { .. } => 2,
        SendSide::Complete { .. } => 3,
    };
    let recv = match recv {
        RecvSide::Open => 0,
        RecvSide::ClosedLocally { .. } => 1,
        RecvSide::Aborted { .. } => 2,
        RecvSide::Complete { .. } => 3,
    };
    [send, recv]
}

/// What a read would show, in every state: bytes of the peer's, or an end of the stream that is one (INV-2, INV-3).
fn judge_look(state: &State, side: usize, end: &End) -> Option<Fault> {
    let mut bytes = [0; 8];
    let shown = state.sides[side].stack.peek(end.handle?, &mut bytes).ok()?;
    if shown > 0 {
        let bytes = bytes[..shown].iter().zip(end.read..);
        return bytes.into_iter().find_map(|(byte, place)| judge_byte(state, side, end, *byte, place));
    }
    if end.closed {
        return None; // It was closed here: whoever reads on knows why nothing comes.
    }
    let whole = |peer: &End| peer.finished && end.read == peer.written;
    if !peer_of(state, side, end).is_some_and(whole) {
        return fault("INV-2", format!("an end of the stream after {} bytes", end.read));
    }
    let graceful = end.ending.is_some_and(|ending| matches!(ending, Ending::Graceful { .. }));
    if !end.peer_finished && !graceful {
        return fault("INV-3", "an end of the stream without the peer's FIN");
    }
    let early = matches!(end.stage, Stage::Opening(_) | Stage::Open(Tcp::Established | Tcp::FinWait1 | Tcp::FinWait2));
    if early { fault("INV-3", format!("an end of the stream in {:?}", end.stage)) } else { None }
}
