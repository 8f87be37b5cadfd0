//! The endings by name: for logs and counters, for people, and for those who know them from Zeek or Wireshark.

use core::fmt;

use super::close::{Closer, State};
use super::ending::{Cause, Ending, Limit, Order, Phase, Receipt};

/// How an ending is written.
struct Row {
    name: &'static str,
    text: &'static str,
    seen: Seen,
}

/// What a monitor between the two ends has seen of it.
#[derive(Clone, Copy)]
enum Seen {
    /// Both FINs, both acknowledged.
    Whole,
    /// A reset of the peer's.
    PeersReset,
    /// A reset that answers the SYN.
    Refusal,
    /// A reset of ours.
    OurReset,
    /// No reset, after it was established.
    Silence,
    /// A SYN and no answer.
    NoAnswer,
}

impl Seen {
    /// Zeek's `conn_state` and Wireshark's `tcp.completeness`.
    const fn elsewhere(self) -> (&'static str, &'static str) {
        match self {
            Self::Whole => ("SF", "31; 23 without data"),
            Self::PeersReset => ("RSTR if we opened, RSTO if the peer did", "39; + 8 with data, + 16 with a FIN"),
            Self::Refusal => ("REJ", "37"),
            Self::OurReset => ("RSTO if we opened, RSTR if the peer did", "39; + 8 with data, + 16 with a FIN"),
            Self::Silence => {
                ("S1; S2 or S3 once the opener or the other end has closed", "7; + 8 with data, + 16 with a FIN")
            }
            Self::NoAnswer => ("S0", "1"),
        }
    }
}

const fn row(name: &'static str, text: &'static str, seen: Seen) -> Row {
    Row { name, text, seen }
}

/// Every ending there is, states apart.
const ROWS: [Row; Ending::KINDS] = [
    row("graceful-local-first", "graceful: we closed first, both directions complete", Seen::Whole),
    row("graceful-peer-first", "graceful: the peer closed first, both directions complete", Seen::Whole),
    row("graceful-simultaneous", "graceful: both closed at once, both directions complete", Seen::Whole),
    row("reset-by-peer", "reset by the peer", Seen::PeersReset),
    row("refused", "refused: nobody listens there", Seen::Refusal),
    row("aborted-by-call", "aborted by us", Seen::OurReset),
    row("aborted-linger-zero", "aborted by us: closed with a linger time of 0", Seen::OurReset),
    row("aborted-linger-expired", "aborted by us: the linger time ran out", Seen::OurReset),
    row("aborted-close-with-unread", "aborted by us: closed with received bytes unread", Seen::OurReset),
    row("aborted-dropped-with-unread", "aborted by us: dropped with received bytes unread", Seen::OurReset),
    row("aborted-data-after-close", "aborted by us: data came after nobody could read it", Seen::OurReset),
    row(
        "aborted-orphan-limit",
        "aborted by us: nobody owned it, and there were too many such or it took too long",
        Seen::OurReset,
    ),
    row("aborted-memory-pressure", "aborted by us: too much memory in queues that do not move", Seen::OurReset),
    row("aborted-drain-bytes", "aborted by us: more came after closing than we would throw away", Seen::OurReset),
    row("aborted-drain-time", "aborted by us: the peer did not finish in the time we would wait", Seen::OurReset),
    row("aborted-half-close-idle", "aborted by us: half-closed and idle for too long", Seen::OurReset),
    row("aborted-half-close-total", "aborted by us: half-closed for too long", Seen::OurReset),
    row("aborted-listener-closed", "aborted by us: its listener closed before it was accepted", Seen::OurReset),
    row("aborted-stack-shutdown", "aborted by us: the stack was shut down", Seen::OurReset),
    row("aborted-address-removed", "aborted by us: its address is ours no more", Seen::OurReset),
    row("aborted-interface-removed", "aborted by us: the device is gone", Seen::Silence),
    row("timed-out-connect", "timed out: no answer to our SYN", Seen::NoAnswer),
    row("timed-out-retransmission", "timed out: no acknowledgment from the peer", Seen::OurReset),
    row("timed-out-zero-window", "timed out: the peer's window never opened", Seen::OurReset),
    row("timed-out-fin-wait-2", "timed out: the peer never closed its direction", Seen::Silence),
    row("timed-out-user-timeout", "timed out: no acknowledgment within the user timeout", Seen::OurReset),
    row("timed-out-keepalive", "timed out: the idle peer is not there any more", Seen::OurReset),
    row("unreachable", "unreachable", Seen::NoAnswer),
    row("cancelled", "cancelled before it was established", Seen::NoAnswer),
];

impl Ending {
    /// How many kinds of endings there are, states apart.
    pub const KINDS: usize = 29;

    /// The names of all kinds, in the order of [`kind`](Self::kind).
    pub fn names() -> impl Iterator<Item = &'static str> {
        ROWS.iter().map(|row| row.name)
    }

    /// All kinds as a table: name, in words, Zeek's `conn_state`, Wireshark's `tcp.completeness`.
    pub fn table() -> impl Iterator<Item = [&'static str; 4]> {
        ROWS.iter().map(|row| {
            let (zeek, completeness) = row.seen.elsewhere();
            [row.name, row.text, zeek, completeness]
        })
    }

    /// The ending's place in [`names`](Self::names): for counters.
    pub fn kind(&self) -> usize {
        match self {
            Self::Graceful { order: Order::LocalFirst } => 0,
            Self::Graceful { order: Order::PeerFirst } => 1,
            Self::Graceful { order: Order::Simultaneous } => 2,
            Self::ResetByPeer { .. } => 3,
            Self::Refused { .. } => 4,
            Self::Aborted { cause, .. } => cause.kind(),
            Self::TimedOut { phase, .. } => phase.kind(),
            Self::Unreachable { .. } => 27,
            Self::Cancelled { .. } => 28,
        }
    }

    /// The ending's name: stable, lower case with hyphens, for logs and counters.
    pub fn name(&self) -> &'static str {
        ROWS[self.kind()].name
    }
}

impl Cause {
    fn kind(self) -> usize {
        match self {
            Self::AbortCall => 5,
            Self::LingerZero => 6,
            Self::LingerExpired => 7,
            Self::CloseWithUnread => 8,
            Self::HandleDroppedWithUnread => 9,
            Self::DataAfterClose => 10,
            Self::OrphanLimit => 11,
            Self::MemoryPressure => 12,
            Self::PolicyLimit(Limit::DrainBytes) => 13,
            Self::PolicyLimit(Limit::DrainTime) => 14,
            Self::PolicyLimit(Limit::HalfCloseIdle) => 15,
            Self::PolicyLimit(Limit::HalfCloseTotal) => 16,
            Self::ListenerClosed => 17,
            Self::StackShutdown => 18,
            Self::AddressRemoved => 19,
            Self::InterfaceRemoved => 20,
        }
    }
}

impl Phase {
    fn kind(self) -> usize {
        match self {
            Self::Connect => 21,
            Self::Retransmission => 22,
            Self::ZeroWindow => 23,
            Self::FinWait2Orphan => 24,
            Self::UserTimeout => 25,
            Self::Keepalive => 26,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ROWS[self.kind()].text)?;
        match self {
            Self::Graceful { .. } | Self::Unreachable { .. } => Ok(()),
            Self::ResetByPeer { state }
            | Self::Refused { state }
            | Self::Aborted { state, .. }
            | Self::TimedOut { state, .. }
            | Self::Cancelled { state } => write!(f, " (in {state})"),
        }
    }
}

impl Receipt {
    /// What Zeek's `conn_state` would say of a connection that was seen from its SYN on: `SF`, `REJ`, `S0` to `S3`,
    /// `RSTO`, `RSTR`, `RSTOS0`. Its originator is who sent the first SYN.
    pub fn zeek(&self) -> &'static str {
        let established = self.spent.iter().any(|(state, _)| state >= State::Established);
        match self.ending {
            Ending::Graceful { .. } => "SF",
            Ending::Refused { .. } => "REJ",
            Ending::ResetByPeer { .. } => {
                if self.is_passive() {
                    "RSTO"
                } else {
                    "RSTR"
                }
            }
            _ if self.reset_sent && self.is_passive() => "RSTR",
            _ if self.reset_sent && !established => "RSTOS0",
            _ if self.reset_sent => "RSTO",
            _ if !established => "S0",
            _ => match self.closed_first {
                None => "S1",
                Some(Closer::Us) => {
                    if self.is_passive() {
                        "S3"
                    } else {
                        "S2"
                    }
                }
                Some(Closer::Peer) => {
                    if self.is_passive() {
                        "S2"
                    } else {
                        "S3"
                    }
                }
            },
        }
    }

    /// What Wireshark's `tcp.completeness` would say, the sum of what this end has seen or sent: 1 for a SYN, 2 for a
    /// SYN-ACK, 4 for an acknowledgment, 8 for data, 16 for a FIN, 32 for a reset.
    pub fn completeness(&self) -> u8 {
        let established = self.spent.iter().any(|(state, _)| state >= State::Established);
        let answered = established || self.spent.iter().any(|(state, _)| state == State::SynReceived);
        let data = self.received > 0 || self.sent > self.unsent;
        // Ours leaves behind everything else.
        let fin = self.fin_received || self.closed_first == Some(Closer::Us) && self.unsent == 0;
        let refused = matches!(self.ending, Ending::Refused { .. });
        let reset = self.reset_sent || refused || matches!(self.ending, Ending::ResetByPeer { .. });
        let bit = |value: u8, seen: bool| if seen { value } else { 0 };
        1 | bit(2, answered) | bit(4, established || reset) | bit(8, data) | bit(16, fin) | bit(32, reset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn every_name_is_there_once_and_in_kebab_case() {
        let names: BTreeSet<_> = Ending::names().collect();
        assert_eq!(names.len(), Ending::KINDS);
        assert!(names.iter().all(|name| name.chars().all(|c| c == '-' || c.is_ascii_lowercase() || c == '2')));
    }
}
