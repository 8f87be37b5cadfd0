//! Which cells cannot be reached, and why.

use adieu_core::State::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived, SynSent, TimeWait,
};
use adieu_core::{Ending, State};

use super::columns::{Event, Linger, Situation};

/// Why an event cannot happen in a state.
pub(super) fn event(state: State, event: Event) -> Option<&'static str> {
    match event {
        Event::FinAck | Event::AckOfFin if matches!(state, SynSent | SynReceived | Established | CloseWait) => {
            Some("no FIN of ours has been sent, so nothing acknowledges one (FB-2, FA-6, INV-15)")
        }
        Event::FinAck if state == LastAck => {
            Some("our FIN acknowledges the peer's, which is then not sent again with a later ACK field (FI-0, FS-5)")
        }
        Event::RstInWindow if matches!(state, Closed | Listen) => Some("there is no window (RA-1)"),
        Event::DataAfterClose if state == SynSent => {
            Some("a close deletes it at once (CL-3), and the peer's first data follows its SYN")
        }
        Event::Timeout if matches!(state, Closed | Listen) => Some("no timer runs (4.6)"),
        _ => None,
    }
}

const LIVE: [State; 6] = [Established, FinWait1, FinWait2, CloseWait, Closing, LastAck];

/// Why a connection cannot end so in a state.
pub(super) fn ending(kind: usize, state: State) -> Option<&'static str> {
    let name = Ending::names().nth(kind).unwrap_or_default();
    if matches!(state, Closed | Listen) {
        return Some("there is no connection that could end (EN-1); a listener has no ending");
    }
    let (states, otherwise): (&[State], &'static str) = match name {
        "graceful-local-first" | "graceful-simultaneous" => (&[TimeWait], "who closed first ends at TIME-WAIT (TW-1)"),
        "graceful-peer-first" => (&[LastAck], "who closed second ends from LAST-ACK (FA-4)"),
        _ if state == TimeWait => (&[], "the ending was decided at its entry (TW-18, RA-13, AB-4)"),
        "reset-by-peer" => (&LIVE, "a reset of an opening refuses it (RA-2, RA-9, RA-10)"),
        "refused" => (&[SynSent, SynReceived], "only an opening is refused (RA-2, RA-10)"),
        "timed-out-connect" => (&[SynSent, SynReceived], "it is established (TO-1)"),
        "unreachable" => (&[SynSent], "trouble on the path never ends what the peer has answered (EO-7, MUST-56)"),
        "cancelled" => (&[SynSent], "the peer may know of it: closing waits, aborting resets (CL-4, AB-2)"),
        "aborted-by-call" | "aborted-stack-shutdown" if state == SynSent => (&[], "an attempt is cancelled (AB-1)"),
        "aborted-linger-zero" if state == SynSent => (&[], "an attempt is cancelled (1.13 row 2)"),
        "aborted-by-call" | "aborted-stack-shutdown" | "aborted-linger-zero" => return None,
        "aborted-address-removed" | "aborted-interface-removed" => return None,
        "aborted-linger-expired" => {
            (&[SynReceived, FinWait1, Closing, LastAck], "linger waits after a close for the ACK of our FIN (1.13)")
        }
        "aborted-close-with-unread" | "aborted-dropped-with-unread" => {
            (&LIVE, "nothing is received before the handshake is over (FR-9)")
        }
        "aborted-data-after-close" => (
            &[Established, FinWait1, FinWait2],
            "after the peer's FIN no data is new; before the handshake none is (UD-4)",
        ),
        "aborted-orphan-limit" => {
            (&[FinWait1, FinWait2, Closing, LastAck], "nobody is an orphan who has not closed (OR-1)")
        }
        "aborted-memory-pressure" => (&LIVE, "an opening holds no bytes (3.4)"),
        "aborted-drain-bytes" => (&[FinWait1, FinWait2], "after the peer's FIN nothing more comes (UD-8)"),
        "aborted-drain-time" => (&[FinWait1, FinWait2, Closing, LastAck], "draining begins with a close (UD-8)"),
        "aborted-half-close-idle" | "aborted-half-close-total" => {
            (&[FinWait1, FinWait2, CloseWait], "not exactly one direction is closed (TO-8)")
        }
        "aborted-listener-closed" => {
            (&[SynReceived, Established, CloseWait], "nobody has accepted it, so nobody has closed it (CL-13)")
        }
        "timed-out-retransmission" | "timed-out-user-timeout" => {
            (&[Established, FinWait1, CloseWait, Closing, LastAck], "nothing of ours is unacknowledged (TO-5, TO-6)")
        }
        "timed-out-zero-window" => (
            &[FinWait1, Closing, LastAck],
            "a window may stay closed for ever while somebody owns the other end (ZW-4)",
        ),
        "timed-out-fin-wait-2" => (&[FinWait2], "it is of FIN-WAIT-2 (TO-9)"),
        "timed-out-keepalive" => {
            (&[Established, CloseWait, FinWait2], "something is outstanding, or an opening (4.6, TO-12)")
        }
        _ => return None,
    };
    (!states.contains(&state)).then_some(otherwise)
}

/// Why a close with a linger time cannot be in a situation.
pub(super) fn linger(situation: Situation, linger: Linger) -> Option<&'static str> {
    match (situation, linger) {
        (Situation::Listen, Linger::Zero | Linger::For) => Some("a listener has no stream to linger for (CL-2)"),
        (Situation::ExpiredContinue | Situation::ExpiredAbort, Linger::Off | Linger::Zero) => {
            Some("there is no time that could be over (1.13 row 6)")
        }
        _ => None,
    }
}

/// Why two ends of a connection cannot be in these states together.
pub(super) fn pair(one: State, other: State) -> Option<&'static str> {
    let never = matches!(
        (one, other),
        (CloseWait, CloseWait | Closing | LastAck | TimeWait)
            | (LastAck, LastAck)
            | (Closing, LastAck)
            | (FinWait1, FinWait2 | TimeWait)
            | (FinWait2, FinWait2 | TimeWait)
            | (Established, FinWait2 | CloseWait | Closing | LastAck | TimeWait)
    );
    never.then_some("4.3 never reaches it, whatever is lost, repeated or late")
}
