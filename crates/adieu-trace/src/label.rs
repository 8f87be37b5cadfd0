//! What stands on an arrow or beside a rail.

use adieu_core::State;
use adieu_core::wire::Flags;

use crate::SegmentSeen;
use crate::ink::Ink;

/// What to write on the arrow of `segment`, from all that is known to the flags alone.
pub(crate) fn forms(segment: &SegmentSeen) -> [String; 5] {
    let flags = segment.flags.to_string();
    let seq = format!(" seq={}", segment.seq);
    let ack = segment.ack.map_or(String::new(), |ack| format!(" ack={ack}"));
    let len = if segment.len == 0 { String::new() } else { format!(" len={}", segment.len) };
    let again = if segment.again { " again" } else { "" };
    [
        format!("{flags}{seq}{ack}{len}{again}"),
        format!("{flags}{seq}{len}{again}"),
        format!("{flags}{seq}{again}"),
        format!("{flags}{again}"),
        flags,
    ]
}

/// The colour of `segment`.
pub(crate) fn ink(segment: &SegmentSeen) -> Ink {
    match segment.flags {
        flags if flags.has(Flags::RST) => Ink::Rst,
        flags if flags.has(Flags::SYN) => Ink::Syn,
        flags if flags.has(Flags::FIN) => Ink::Fin,
        _ => Ink::Plain,
    }
}

/// Columns that every short name fits in.
pub(crate) const SHORT: usize = 6;

/// A name for where there is no room for the RFC's.
pub(crate) fn short(state: State) -> &'static str {
    match state {
        State::Closed => "CLOSED",
        State::Listen => "LISTEN",
        State::SynSent => "SYN-S",
        State::SynReceived => "SYN-R",
        State::Established => "ESTAB",
        State::FinWait1 => "FIN-W1",
        State::FinWait2 => "FIN-W2",
        State::CloseWait => "CLS-W",
        State::Closing => "CLSING",
        State::LastAck => "LAST-A",
        State::TimeWait => "TIME-W",
    }
}

/// Whether a segment with `flags` may be what moved its receiver from one state to another.
pub(crate) fn brings(flags: Flags, from: State, to: State) -> bool {
    let needs = match to {
        State::SynReceived => Flags::SYN,
        State::Established if from == State::SynSent => Flags::SYN,
        State::CloseWait | State::Closing => Flags::FIN,
        State::TimeWait if from != State::Closing => Flags::FIN,
        State::Established | State::FinWait2 | State::TimeWait => Flags::ACK,
        State::Closed if from == State::LastAck => Flags::ACK,
        State::Closed => Flags::RST,
        State::Listen | State::SynSent | State::FinWait1 | State::LastAck => return false,
    };
    flags.has(needs)
}

/// Whether a connection exists at an end in `state`.
pub(crate) fn exists(state: State) -> bool {
    !matches!(state, State::Closed | State::Listen)
}
