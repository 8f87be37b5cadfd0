//! What there is to reach, cell by cell.

use std::fmt;

use adieu_core::{Ending, State};

use super::cannot;
use super::columns::{Event, Linger, Row, Situation, Trait, Way};

/// One thing that a run may reach.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cell {
    /// An event in a state.
    Event(State, Event),
    /// An ending, by its place in [`Ending::names`], in a state.
    Ending(usize, State),
    /// A row of the decision about a SYN in TIME-WAIT (TW-8).
    Reopening(Row),
    /// A close by an application that lingers so, in this situation (1.13).
    Linger(Situation, Linger),
    /// Both ends of one connection in these states, the smaller one first (4.3).
    Pair(State, State),
    /// This copy of a FIN was lost, counted from 1.
    LostFin(u8),
    /// The answer to this copy of the peer's FIN was lost, counted from 1.
    LostAck(u8),
    /// A connection of this kind ended in this way.
    Variant(Trait, Way),
}

/// Whether a cell can be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// A run that does not reach it has left something out.
    Wanted,
    /// It cannot be: a run that reaches it has found a fault. The reason, with the requirement.
    Cannot(&'static str),
}

/// Copies of a FIN that are told apart: an orphan's patience, FS-5.
pub const FIN_COPIES: u8 = 8;
/// Answers to copies of a FIN that are told apart.
pub const ACK_COPIES: u8 = 5;

/// The states in which two ends of one connection are looked at together (4.3).
pub(super) const JOINT: [State; 8] = [
    State::Closed,
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::TimeWait,
];

impl Cell {
    /// Every cell, in the order of all tables and snapshots.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for state in State::ALL {
            all.extend(Event::ALL.map(|event| Self::Event(state, event)));
        }
        for kind in 0..Ending::KINDS {
            all.extend(State::ALL.map(|state| Self::Ending(kind, state)));
        }
        all.extend(Row::ALL.map(Self::Reopening));
        for situation in Situation::ALL {
            all.extend(Linger::ALL.map(|linger| Self::Linger(situation, linger)));
        }
        for (n, one) in JOINT.into_iter().enumerate() {
            all.extend(JOINT[n..].iter().map(|other| Self::pair(one, *other)));
        }
        all.extend((1..=FIN_COPIES).map(Self::LostFin));
        all.extend((1..=ACK_COPIES).map(Self::LostAck));
        for quality in Trait::ALL {
            all.extend(Way::ALL.map(|way| Self::Variant(quality, way)));
        }
        all
    }

    /// Two states together, whichever is whose.
    pub fn pair(one: State, other: State) -> Self {
        if one <= other { Self::Pair(one, other) } else { Self::Pair(other, one) }
    }

    /// Whether it can be reached.
    pub fn standing(self) -> Standing {
        let why = match self {
            Self::Event(state, event) => cannot::event(state, event),
            Self::Ending(kind, state) => cannot::ending(kind, state),
            Self::Linger(situation, linger) => cannot::linger(situation, linger),
            Self::Pair(one, other) => cannot::pair(one, other),
            Self::Reopening(_) | Self::LostFin(_) | Self::LostAck(_) | Self::Variant(..) => None,
        };
        why.map_or(Standing::Wanted, Standing::Cannot)
    }

    /// Whether a run is to reach it.
    pub fn is_wanted(self) -> bool {
        self.standing() == Standing::Wanted
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(state, event) => write!(f, "event: {event} in {state}"),
            Self::Ending(kind, state) => {
                write!(f, "ending: {} in {state}", Ending::names().nth(*kind).unwrap_or_default())
            }
            Self::Reopening(row) => write!(f, "SYN in TIME-WAIT: {row}"),
            Self::Linger(situation, linger) => write!(f, "linger: {situation}, {linger}"),
            Self::Pair(one, other) => write!(f, "pair: {one} and {other}"),
            Self::LostFin(n) => write!(f, "lost: FIN, copy {n}"),
            Self::LostAck(n) => write!(f, "lost: answer to FIN, copy {n}"),
            Self::Variant(quality, way) => write!(f, "variant: {quality}, {way}"),
        }
    }
}
