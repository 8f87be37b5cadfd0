//! Which events a segment that comes is, by the definitions of [`Event`].

use adieu_core::wire::Flags;
use adieu_core::{Glance, State};

use super::columns::Event;
use super::life::Life;
use crate::Summary;

/// The events of a segment that finds a flow like this and leaves it in `after`; `life` is its last incarnation.
pub(super) fn events(
    segment: &Summary,
    before: &Glance,
    after: State,
    life: Option<&Life>,
) -> impl Iterator<Item = Event> + use<> {
    let (first, second) = if segment.has(Flags::RST) {
        (reset(segment, before, life), None)
    } else if segment.has(Flags::SYN) {
        (Some(Event::Syn), None)
    } else {
        // Before our SYN is acknowledged there is no FIN of ours: one is acknowledged of who had the flow before.
        let opening = matches!(before.state, State::SynSent | State::SynReceived);
        let acks_fin = !opening && life.is_some_and(|life| life.is_fin_acked_by(segment));
        let first = match (segment.has(Flags::FIN), acks_fin) {
            (true, _) if !is_its_fin(segment, before, after) => None,
            (true, true) => Some(Event::FinAck),
            (true, false) => Some(Event::Fin),
            (false, true) => Some(Event::AckOfFin),
            (false, false) => None,
        };
        (first, is_after_close(segment, before, life).then_some(Event::DataAfterClose))
    };
    first.into_iter().chain(second)
}

fn reset(segment: &Summary, before: &Glance, life: Option<&Life>) -> Option<Event> {
    match (before.state, before.recv_next) {
        (State::Closed | State::Listen, _) => Some(Event::RstExact),
        (State::SynSent, _) => {
            let acks_syn = life.is_some_and(|life| segment.ack == Some(life.iss + 1));
            Some(if acks_syn { Event::RstExact } else { Event::RstInWindow })
        }
        (_, Some(next)) => match i64::from(segment.seq.distance(next)) {
            0 => Some(Event::RstExact),
            ahead if ahead > 0 && u64::try_from(ahead).is_ok_and(|ahead| ahead < before.window) => {
                Some(Event::RstInWindow)
            }
            _ => None,
        },
        (_, None) => None,
    }
}

/// Whether a FIN is one that the state is about: the awaited one in its turn, or the one that is here, again.
fn is_its_fin(segment: &Summary, before: &Glance, after: State) -> bool {
    match before.state {
        State::Closed | State::Listen | State::SynSent => true,
        State::SynReceived | State::Established | State::FinWait1 | State::FinWait2 => {
            matches!(after, State::CloseWait | State::Closing | State::LastAck | State::TimeWait)
        }
        State::CloseWait | State::Closing | State::LastAck | State::TimeWait => before.recv_next == Some(segment.end()),
    }
}

fn is_after_close(segment: &Summary, before: &Glance, life: Option<&Life>) -> bool {
    let Some(life) = life.filter(|life| segment.len > 0 && life.irs.is_some()) else { return false };
    match before.state {
        State::SynSent => false,
        State::SynReceived | State::Established | State::FinWait1 | State::FinWait2 => {
            let is_new = |next| (segment.seq + segment.len).distance(next) > 0;
            life.deaf && before.recv_next.is_some_and(is_new)
        }
        State::Closed | State::Listen | State::CloseWait | State::Closing | State::LastAck | State::TimeWait => true,
    }
}
