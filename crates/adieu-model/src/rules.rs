//! What must hold after every step, each with the requirement it stands for.

mod application;
mod books;
mod pairs;
mod quiet;
mod sent;

use adieu_core::State as Tcp;
use adieu_core::wire::{Flags, Segment};

use crate::end::{End, Stage};
use crate::scope::Scope;
use crate::state::{Fault, State, offset};
use crate::step::Step;

/// The first that does not hold.
pub(crate) fn judge(scope: &Scope, state: &mut State, step: &Step<'_>) -> Option<Fault> {
    books::judge(state, step)
        .or_else(|| sent::judge(state, step))
        .or_else(|| application::judge(state, step))
        .or_else(|| pairs::judge(state))
        .or_else(|| quiet::judge(scope, state, step))
}

pub(crate) fn fault<T>(id: &'static str, text: impl Into<String>) -> Option<T>
where
    Fault: Into<T>,
{
    Some(Fault { id, text: text.into() }.into())
}

/// The other end of an incarnation.
pub(crate) fn peer_of<'a>(state: &'a State, side: usize, end: &End) -> Option<&'a End> {
    state.sides[1 - side].ends.iter().rfind(|other| end.is_peer_of(other))
}

/// Whether a segment acknowledges the SYN of an end that is opening, from within the window (INV-22).
pub(crate) fn confirms(end: &End, segment: &Segment<'_>) -> bool {
    let acks =
        segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::RST) && segment.ack.0 == end.iss.wrapping_add(1);
    match (end.stage, end.irs) {
        (Stage::Opening(Tcp::SynSent), _) => acks && segment.flags.has(Flags::SYN),
        // Up to the octet before the window: a keepalive, a SYN-ACK that has crossed ours.
        (Stage::Opening(_), Some(irs)) => {
            let end = offset(segment.seq, irs).wrapping_add(segment.len());
            acks && offset(segment.seq, irs) <= 5 && end <= 6
        }
        (_, _) => false,
    }
}
