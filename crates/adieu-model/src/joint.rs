//! Which states both ends of one incarnation can be in together (section 4.3 of the requirements).

use std::fmt;

use adieu_core::{Ending, State as Tcp};

use crate::end::End;

/// What has happened to an incarnation, as far as it widens what is possible.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Weather {
    /// Nothing but closing.
    Calm,
    /// A TIME-WAIT has expired.
    Expired,
    /// An end gave up: an abort, a timer, or the reset that followed.
    Rough,
}

impl Weather {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Calm, Self::Expired, Self::Rough];

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "before any TIME-WAIT expiry",
            Self::Expired => "after a TIME-WAIT expiry",
            Self::Rough => "with aborts",
        }
    }
}

/// What has happened to an incarnation of these ends.
pub(crate) fn weather(a: &End, b: &End) -> Weather {
    let gave_up = |end: &End| matches!(end.ending, Some(Ending::Aborted { .. } | Ending::TimedOut { .. }));
    let reset = |end: &End, peer: &End| {
        matches!(end.ending, Some(Ending::ResetByPeer { .. } | Ending::Refused { .. })) && !peer.expired
    };
    if gave_up(a) || gave_up(b) || reset(a, b) || reset(b, a) || a.aborted || b.aborted {
        Weather::Rough
    } else if a.expired || b.expired {
        Weather::Expired
    } else {
        Weather::Calm
    }
}

/// The states beyond the handshake, and CLOSED, in the order of the RFC's diagram.
pub const STATES: [Tcp; 8] = [
    Tcp::Established,
    Tcp::FinWait1,
    Tcp::FinWait2,
    Tcp::CloseWait,
    Tcp::Closing,
    Tcp::LastAck,
    Tcp::TimeWait,
    Tcp::Closed,
];

/// A set of unordered pairs of states.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Joint(pub(crate) u64);

impl Joint {
    const fn of(pairs: &[(Tcp, Tcp)]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < pairs.len() {
            set |= Self::bit(pairs[at].0, pairs[at].1);
            at += 1;
        }
        Self(set)
    }

    pub(crate) const fn bit(a: Tcp, b: Tcp) -> u64 {
        let (a, b) = (place(a), place(b));
        1 << if a < b { a * 8 + b } else { b * 8 + a }
    }

    /// Whether both states stand in it, in either order.
    pub const fn contains(self, a: Tcp, b: Tcp) -> bool {
        self.0 & Self::bit(a, b) != 0
    }

    /// How many pairs.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that do not stand in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Pair by pair.
    pub fn iter(self) -> impl Iterator<Item = (Tcp, Tcp)> {
        let all = STATES.iter().enumerate().flat_map(|(at, a)| STATES[at..].iter().map(move |b| (*a, *b)));
        all.filter(move |(a, b)| self.contains(*a, *b))
    }
}

impl fmt::Display for Joint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(|(a, b)| format!("{a}/{b}")).collect();
        f.write_str(&names.join(", "))
    }
}

const fn place(state: Tcp) -> u32 {
    match state {
        Tcp::Established => 0,
        Tcp::FinWait1 => 1,
        Tcp::FinWait2 => 2,
        Tcp::CloseWait => 3,
        Tcp::Closing => 4,
        Tcp::LastAck => 5,
        Tcp::TimeWait => 6,
        Tcp::Closed | Tcp::Listen | Tcp::SynSent | Tcp::SynReceived => 7,
    }
}

/// The fourteen.
const CALM: Joint = Joint::of(&[
    (Tcp::Established, Tcp::Established),
    (Tcp::Established, Tcp::FinWait1),
    (Tcp::FinWait1, Tcp::FinWait1),
    (Tcp::CloseWait, Tcp::FinWait1),
    (Tcp::CloseWait, Tcp::FinWait2),
    (Tcp::FinWait1, Tcp::LastAck),
    (Tcp::FinWait2, Tcp::LastAck),
    (Tcp::LastAck, Tcp::TimeWait),
    (Tcp::Closing, Tcp::FinWait1),
    (Tcp::Closing, Tcp::FinWait2),
    (Tcp::Closing, Tcp::Closing),
    (Tcp::Closing, Tcp::TimeWait),
    (Tcp::TimeWait, Tcp::TimeWait),
    (Tcp::Closed, Tcp::TimeWait),
]);
/// What an expiry adds.
const EXPIRED: Joint =
    Joint::of(&[(Tcp::Closed, Tcp::LastAck), (Tcp::Closed, Tcp::Closing), (Tcp::Closed, Tcp::Closed)]);
/// What aborts add.
const ROUGH: Joint = Joint::of(&[
    (Tcp::Closed, Tcp::Established),
    (Tcp::Closed, Tcp::FinWait1),
    (Tcp::Closed, Tcp::FinWait2),
    (Tcp::Closed, Tcp::CloseWait),
]);

/// What is possible.
pub const fn allowed(weather: Weather) -> Joint {
    match weather {
        Weather::Calm => CALM,
        Weather::Expired => CALM.and(EXPIRED),
        Weather::Rough => CALM.and(EXPIRED).and(ROUGH),
    }
}

/// What is possible that was not before.
pub const fn added(weather: Weather) -> Joint {
    match weather {
        Weather::Calm => CALM,
        Weather::Expired => EXPIRED,
        Weather::Rough => ROUGH,
    }
}
