//! The counts as tables for people.

use std::fmt;

use adieu_core::{Ending, State};

use super::cell::{ACK_COPIES, FIN_COPIES, JOINT};
use super::columns::{Event, Linger, Row, Situation, Trait, Way};
use super::{Cell, Coverage, Standing};

/// The widest name of an ending, and of a situation or trait.
const ENDING: usize = 28;
const NAME: usize = 22;

impl fmt::Display for Coverage {
    /// Rows and columns of counts. `-` is a cell that cannot be, `NONE` one that is wanted and was not reached, and a
    /// `!` stands behind what was reached and cannot be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.grid(f, NAME, "states and events", &State::ALL, &Event::ALL, 17, Cell::Event)?;
        let kinds: Vec<Kind> = (0..Ending::KINDS).map(Kind).collect();
        let ended: Vec<State> = State::ALL.into_iter().filter(|state| ends_in(*state)).collect();
        self.grid(f, ENDING, "endings and states", &kinds, &ended, 13, |kind, state| Cell::Ending(kind.0, state))?;
        self.grid(f, NAME, "close and linger", &Situation::ALL, &Linger::ALL, 8, Cell::Linger)?;
        self.grid(f, NAME, "pairs of states", &JOINT, &JOINT, 13, Cell::pair)?;
        self.grid(f, NAME, "variants", &Trait::ALL, &Way::ALL, 13, Cell::Variant)?;
        writeln!(f, "SYN in TIME-WAIT")?;
        for row in Row::ALL {
            writeln!(f, "{row:55} {:>9}", self.mark(Cell::Reopening(row)))?;
        }
        let copies = |most: u8, cell: fn(u8) -> Cell| (1..=most).map(move |n| format!(" {:>9}", self.mark(cell(n))));
        writeln!(f, "\nlost copies, from the first")?;
        writeln!(f, "{:NAME$}{}", "FIN", copies(FIN_COPIES, Cell::LostFin).collect::<String>())?;
        writeln!(f, "{:NAME$}{}", "answer to a FIN", copies(ACK_COPIES, Cell::LostAck).collect::<String>())?;
        let wanted = Cell::all().into_iter().filter(|cell| cell.is_wanted()).count();
        writeln!(f, "\n{} of {wanted} wanted cells reached", wanted - self.missing().len())
    }
}

/// An ending's place in the list, shown by its name.
#[derive(Clone, Copy)]
struct Kind(usize);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Ending::names().nth(self.0).unwrap_or_default())
    }
}

/// Whether any connection may end in a state.
fn ends_in(state: State) -> bool {
    !matches!(state, State::Closed | State::Listen)
}

impl Coverage {
    #[expect(clippy::too_many_arguments, reason = "a table is its title, its rows, its columns and what is in them")]
    fn grid<R: Copy + fmt::Display, C: Copy + fmt::Display>(
        &self,
        f: &mut fmt::Formatter<'_>,
        left: usize,
        title: &str,
        rows: &[R],
        columns: &[C],
        width: usize,
        cell: impl Fn(R, C) -> Cell,
    ) -> fmt::Result {
        write!(f, "{title:left$}")?;
        columns.iter().try_for_each(|column| write!(f, " {column:>width$}"))?;
        writeln!(f)?;
        for row in rows {
            write!(f, "{row:left$}")?;
            columns.iter().try_for_each(|column| write!(f, " {:>width$}", self.mark(cell(*row, *column))))?;
            writeln!(f)?;
        }
        writeln!(f)
    }

    fn mark(&self, cell: Cell) -> String {
        match (self.count(cell), cell.standing()) {
            (0, Standing::Wanted) => "NONE".into(),
            (0, Standing::Cannot(_)) => "-".into(),
            (count, Standing::Wanted) => count.to_string(),
            (count, Standing::Cannot(_)) => format!("{count}!"),
        }
    }
}
