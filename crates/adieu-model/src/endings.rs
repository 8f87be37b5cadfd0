//! Which endings both ends of one incarnation can have (section 4.5 of the requirements).

use std::fmt;

use adieu_core::{Cause, Ending, Phase, State as Tcp};

use crate::end::{End, Stage};

/// An ending, as far as section 4.5 tells them apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Both directions complete.
    Graceful,
    /// Reset in CLOSING or LAST-ACK.
    ResetLate,
    /// Reset in any other state.
    Reset,
    /// Gave up in CLOSING or LAST-ACK.
    AbortedLate,
    /// Gave up in any other state.
    Aborted,
    /// The listener closed.
    ListenerClosed,
    /// A timer gave up in CLOSING or LAST-ACK.
    TimedOutLate,
    /// A timer gave up in any other state.
    TimedOut,
    /// A timer gave up while connecting.
    TimedOutConnect,
    /// Refused.
    Refused,
    /// Closed before anything existed.
    Cancelled,
    /// There never was a connection.
    Nothing,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Graceful,
        Self::ResetLate,
        Self::Reset,
        Self::AbortedLate,
        Self::Aborted,
        Self::ListenerClosed,
        Self::TimedOutLate,
        Self::TimedOut,
        Self::TimedOutConnect,
        Self::Refused,
        Self::Cancelled,
        Self::Nothing,
    ];

    /// A stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Graceful => "graceful",
            Self::ResetLate => "reset-late",
            Self::Reset => "reset",
            Self::AbortedLate => "aborted-late",
            Self::Aborted => "aborted",
            Self::ListenerClosed => "aborted-listener-closed",
            Self::TimedOutLate => "timed-out-late",
            Self::TimedOut => "timed-out",
            Self::TimedOutConnect => "timed-out-connect",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Nothing => "nothing",
        }
    }

    fn of(ending: Ending) -> Self {
        let late = matches!(ending.state(), Tcp::Closing | Tcp::LastAck);
        match ending {
            Ending::Graceful { .. } => Self::Graceful,
            Ending::ResetByPeer { .. } if late => Self::ResetLate,
            Ending::ResetByPeer { .. } => Self::Reset,
            Ending::Aborted { cause: Cause::ListenerClosed, .. } => Self::ListenerClosed,
            Ending::Aborted { .. } if late => Self::AbortedLate,
            Ending::Aborted { .. } => Self::Aborted,
            Ending::TimedOut { phase: Phase::Connect, .. } => Self::TimedOutConnect,
            Ending::TimedOut { .. } if late => Self::TimedOutLate,
            Ending::TimedOut { .. } => Self::TimedOut,
            Ending::Refused { .. } | Ending::Unreachable { .. } => Self::Refused,
            Ending::Cancelled { .. } => Self::Cancelled,
        }
    }
}

/// The endings of both ends, the smaller first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Pair(pub Kind, pub Kind);

impl Pair {
    /// Of these in any order.
    pub fn new(a: Kind, b: Kind) -> Self {
        Self(a.min(b), a.max(b))
    }

    /// Of two ends that are both over; without a peer, where there never was one.
    pub(crate) fn of(end: &End, peer: Option<&End>) -> Option<Self> {
        let a = Kind::of(end.ending?);
        match peer {
            None => Some(Self::new(a, Kind::Nothing)),
            Some(peer) if peer.stage.is_live() => None,
            Some(peer) => Some(Self::new(a, peer.ending.map_or(Kind::Nothing, Kind::of))),
        }
    }

    /// Whether section 4.5 allows it; `crossing` where both ends connected.
    pub fn is_allowed(self, crossing: bool) -> bool {
        let pair = (self.0, self.1);
        ALLOWED.contains(&pair) || crossing && CROSSING.contains(&pair)
    }

    /// Every pair that is allowed.
    pub fn all_allowed() -> impl Iterator<Item = Self> {
        ALLOWED.iter().chain(CROSSING).map(|(a, b)| Self(*a, *b))
    }

    /// Whether only two ends that both connected may have it.
    pub fn is_of_crossing(self) -> bool {
        CROSSING.contains(&(self.0, self.1))
    }

    /// Its place in a set of 256 bits.
    pub(crate) fn place(self) -> usize {
        self.0 as usize * 16 + self.1 as usize
    }

    /// The pair at a place.
    pub(crate) fn at(place: usize) -> Option<Self> {
        Some(Self(*Kind::ALL.get(place / 16)?, *Kind::ALL.get(place % 16)?))
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.0.name(), self.1.name())
    }
}

/// The table of section 4.5. `Nothing` stands where the other end never got beyond the handshake.
const ALLOWED: &[(Kind, Kind)] = &[
    (Kind::Graceful, Kind::Graceful),
    (Kind::Graceful, Kind::ResetLate),
    (Kind::Graceful, Kind::AbortedLate),
    (Kind::Graceful, Kind::TimedOutLate),
    (Kind::ResetLate, Kind::ResetLate),
    (Kind::ResetLate, Kind::Reset),
    (Kind::ResetLate, Kind::AbortedLate),
    (Kind::ResetLate, Kind::Aborted),
    (Kind::ResetLate, Kind::ListenerClosed),
    (Kind::ResetLate, Kind::TimedOutLate),
    (Kind::ResetLate, Kind::TimedOut),
    (Kind::ResetLate, Kind::TimedOutConnect),
    (Kind::Reset, Kind::Reset),
    (Kind::Reset, Kind::AbortedLate),
    (Kind::Reset, Kind::Aborted),
    (Kind::Reset, Kind::ListenerClosed),
    (Kind::Reset, Kind::TimedOutLate),
    (Kind::Reset, Kind::TimedOut),
    (Kind::Reset, Kind::TimedOutConnect),
    (Kind::Reset, Kind::Nothing),
    (Kind::AbortedLate, Kind::AbortedLate),
    (Kind::AbortedLate, Kind::Aborted),
    (Kind::AbortedLate, Kind::TimedOutLate),
    (Kind::AbortedLate, Kind::TimedOut),
    (Kind::AbortedLate, Kind::TimedOutConnect),
    (Kind::Aborted, Kind::Aborted),
    (Kind::Aborted, Kind::ListenerClosed),
    (Kind::Aborted, Kind::TimedOutLate),
    (Kind::Aborted, Kind::TimedOut),
    (Kind::Aborted, Kind::TimedOutConnect),
    (Kind::Aborted, Kind::Refused),
    (Kind::Aborted, Kind::Cancelled),
    (Kind::Aborted, Kind::Nothing),
    (Kind::ListenerClosed, Kind::TimedOutLate),
    (Kind::ListenerClosed, Kind::TimedOut),
    (Kind::ListenerClosed, Kind::TimedOutConnect),
    (Kind::ListenerClosed, Kind::Refused),
    (Kind::ListenerClosed, Kind::Cancelled),
    (Kind::ListenerClosed, Kind::Nothing),
    (Kind::TimedOutLate, Kind::TimedOutLate),
    (Kind::TimedOutLate, Kind::TimedOut),
    (Kind::TimedOutLate, Kind::TimedOutConnect),
    (Kind::TimedOut, Kind::TimedOut),
    (Kind::TimedOut, Kind::TimedOutConnect),
    (Kind::TimedOut, Kind::Nothing),
    (Kind::TimedOutConnect, Kind::TimedOutConnect),
    (Kind::TimedOutConnect, Kind::Refused),
    (Kind::TimedOutConnect, Kind::Cancelled),
    (Kind::TimedOutConnect, Kind::Nothing),
    (Kind::Refused, Kind::Nothing),
    (Kind::Cancelled, Kind::Nothing),
];

/// Why no scope reaches a pair that is allowed.
pub fn why_not(pair: Pair) -> &'static str {
    use Kind::{
        Aborted, AbortedLate, Cancelled, ListenerClosed, Refused, Reset, ResetLate, TimedOutConnect, TimedOutLate,
    };
    match (pair.0, pair.1) {
        (ResetLate | Reset, ResetLate | Reset) => "a host must forget a connection, and no scope has that",
        (ResetLate, ListenerClosed) | (ListenerClosed, TimedOutLate) => {
            "who is not accepted sends no FIN to wait behind"
        }
        (Aborted, ListenerClosed) => "no scope aborts while a listener goes",
        (Aborted, TimedOutConnect | Refused | Cancelled) => "no scope aborts where both connect",
        (_, Refused) | (Refused, _) => "takes a fourth packet in flight while both connect",
        (_, TimedOutConnect) => "one end must be closing while the other still repeats its SYN-ACK",
        (AbortedLate, TimedOutLate) => "takes more losses than a scope has",
        _ => "no scope has the calls it takes",
    }
}

/// What section 4.5 does not name, and simultaneous opens can have: the reset that answered one end's SYN before the
/// other had begun arrives late, when both SYNs have crossed.
const CROSSING: &[(Kind, Kind)] = &[
    (Kind::ResetLate, Kind::Refused),
    (Kind::Reset, Kind::Refused),
    (Kind::TimedOutLate, Kind::Refused),
    (Kind::TimedOut, Kind::Refused),
    (Kind::Refused, Kind::Refused),
    (Kind::Refused, Kind::Cancelled),
];

/// Whether an end is over, record and all.
pub(crate) fn is_over(end: &End) -> bool {
    !end.stage.is_live() && (end.ending.is_some() || end.stage == Stage::Gone)
}
