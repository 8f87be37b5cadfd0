//! What a run has reached, counted (section 4.8): every state against every event, every ending in every state, every
//! row of the decisions, every pair of states, every loss that is told apart, every kind of connection.
//!
//! A [`Watcher`] looks at what [`World::take_happened`](crate::World::take_happened) tells and at what applications
//! call, and counts cells in a [`Coverage`]. All it knows it sees from outside, but for RCV.NXT and the window of a
//! flow before a segment comes, which the stack shows ([`Stack::glance`](adieu_core::Stack::glance)). What must never
//! be ([`Standing::Cannot`], TW-8's table) it reports as a violation.

mod cannot;
mod cell;
mod classify;
mod columns;
mod life;
mod reopen;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;
mod watcher;

use std::collections::BTreeMap;

use adieu_core::State;

pub use cell::{ACK_COPIES, Cell, FIN_COPIES, Standing};
pub use columns::{Event, Linger, Row, Situation, Trait, Way};
pub use snapshot::Difference;
pub use watcher::Watcher;

/// How often each cell was reached.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Coverage {
    counts: BTreeMap<Cell, u64>,
}

/// What an application does that ends something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Call {
    /// `shut_down`: half-close.
    ShutDown,
    /// `shut_down_read`.
    ShutDownRead,
    /// `close`, or `release`, with a linger option: [`Linger::Zero`] after `set_zero_linger`, [`Linger::For`] where the
    /// application then waits for [`is_finished`](adieu_core::Stack::is_finished).
    Close(Linger),
    /// `close_drain`.
    CloseDrain,
    /// `release`: a close, and nobody owns the connection any more.
    Release(Linger),
    /// `abort`.
    Abort,
    /// `linger_expired`: the time of a [`Linger::For`] is over, and the connection is to be reset.
    LingerExpired,
    /// The time of a [`Linger::For`] is over, and the connection is left to itself.
    LingerContinued,
}

/// How a call found the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Found {
    /// Its state.
    pub state: State,
    /// It had ended.
    pub ended: bool,
    /// Received bytes were unread.
    pub unread: bool,
}

impl Coverage {
    /// Nothing is reached yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A cell is reached once more.
    pub fn note(&mut self, cell: Cell) {
        *self.counts.entry(cell).or_default() += 1;
    }

    /// How often a cell was reached.
    pub fn count(&self, cell: Cell) -> u64 {
        self.counts.get(&cell).copied().unwrap_or(0)
    }

    /// Adds what another run has reached.
    pub fn merge(&mut self, other: &Self) {
        for (cell, count) in &other.counts {
            *self.counts.entry(*cell).or_default() += count;
        }
    }

    /// The cells that were reached, in the order of [`Cell::all`].
    pub fn reached(&self) -> Vec<Cell> {
        Cell::all().into_iter().filter(|cell| self.count(*cell) > 0).collect()
    }

    /// The wanted cells that were not.
    pub fn missing(&self) -> Vec<Cell> {
        Cell::all().into_iter().filter(|cell| cell.is_wanted() && self.count(*cell) == 0).collect()
    }

    /// Cells that were reached and cannot be, and why they cannot.
    pub fn impossible(&self) -> Vec<(Cell, &'static str)> {
        let why = |cell: Cell| match cell.standing() {
            Standing::Wanted => None,
            Standing::Cannot(why) => Some((cell, why)),
        };
        self.counts.keys().filter_map(|cell| why(*cell)).collect()
    }

    /// An application calls. A listener has no handle: [`Coverage::unlistened`].
    pub fn called(&mut self, found: Found, call: Call) {
        match call {
            Call::ShutDown
            | Call::CloseDrain
            | Call::Close(Linger::Off | Linger::For)
            | Call::Release(Linger::Off | Linger::For) => self.note(Cell::Event(found.state, Event::Close)),
            // 1.2.2: a close with a linger time of 0 is an abort; but unread data goes before (UD-9).
            Call::Close(Linger::Zero) | Call::Release(Linger::Zero) | Call::Abort | Call::LingerExpired => {
                self.note(Cell::Event(found.state, Event::Abort));
            }
            Call::ShutDownRead | Call::LingerContinued => {}
        }
        match call {
            Call::Close(linger) | Call::Release(linger) => self.lingered(found, linger),
            Call::LingerExpired => self.note(Cell::Linger(Situation::ExpiredAbort, Linger::For)),
            Call::LingerContinued => self.note(Cell::Linger(Situation::ExpiredContinue, Linger::For)),
            Call::ShutDown | Call::ShutDownRead | Call::CloseDrain | Call::Abort => {}
        }
    }

    /// A listener closes (CL-2); with `abort`, because the whole stack is aborted (AB-1).
    pub fn unlistened(&mut self, abort: bool) {
        self.note(Cell::Event(State::Listen, if abort { Event::Abort } else { Event::Close }));
        if !abort {
            self.note(Cell::Linger(Situation::Listen, Linger::Off));
        }
    }

    /// 1.13, from top to bottom: the first row that fits.
    fn lingered(&mut self, found: Found, linger: Linger) {
        let situation = match found.state {
            State::TimeWait => Situation::TimeWait,
            State::Closed | State::Listen => Situation::Ended,
            _ if found.ended => Situation::Ended,
            State::SynSent => Situation::SynSent,
            _ if found.unread => Situation::Unread,
            State::SynReceived => Situation::SynReceived,
            State::Established => Situation::Established,
            State::CloseWait => Situation::CloseWait,
            State::FinWait1 => Situation::FinWait1,
            State::FinWait2 => Situation::FinWait2,
            State::Closing => Situation::Closing,
            State::LastAck => Situation::LastAck,
        };
        self.note(Cell::Linger(situation, linger));
    }
}
