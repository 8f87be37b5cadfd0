//! The reached cells as text that stays the same from run to run, and as JSON.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fmt, fs, io};

use serde::ser::{Serialize, SerializeSeq, Serializer};

use super::{Cell, Coverage, Standing};

/// How what was reached differs from what was reached when the snapshot was taken.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Difference {
    /// In the snapshot, and not reached now.
    pub lost: Vec<String>,
    /// Reached now, and not in the snapshot.
    pub new: Vec<String>,
}

impl Difference {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.new.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lost.iter().try_for_each(|cell| writeln!(f, "lost  {cell}"))?;
        self.new.iter().try_for_each(|cell| writeln!(f, "new   {cell}"))
    }
}

impl Coverage {
    /// The cells that were reached, one a line, without counts.
    pub fn snapshot(&self) -> String {
        self.reached().iter().map(|cell| format!("{cell}\n")).collect()
    }

    /// What has changed since `snapshot`.
    pub fn difference(&self, snapshot: &str) -> Difference {
        let before: BTreeSet<&str> = snapshot.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let reached: Vec<String> = self.reached().iter().map(Cell::to_string).collect();
        let now: BTreeSet<&str> = reached.iter().map(String::as_str).collect();
        let list = |cells: &mut dyn Iterator<Item = &&str>| cells.map(|cell| (*cell).to_owned()).collect();
        Difference { lost: list(&mut before.difference(&now)), new: list(&mut now.difference(&before)) }
    }

    /// What has changed since the snapshot in a file; with `ADIEU_BLESS` set it is written anew, and nothing has.
    pub fn hold_against(&self, file: &Path) -> io::Result<Difference> {
        if std::env::var_os("ADIEU_BLESS").is_some() {
            fs::write(file, self.snapshot())?;
        }
        Ok(self.difference(&fs::read_to_string(file)?))
    }
}

/// One cell as JSON shows it.
#[derive(serde::Serialize)]
struct Shown {
    cell: String,
    count: u64,
    wanted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cannot: Option<&'static str>,
}

impl Serialize for Coverage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = Cell::all();
        let mut list = serializer.serialize_seq(Some(all.len()))?;
        for cell in all {
            let cannot = match cell.standing() {
                Standing::Wanted => None,
                Standing::Cannot(why) => Some(why),
            };
            let (count, wanted) = (self.count(cell), cannot.is_none());
            list.serialize_element(&Shown { cell: cell.to_string(), count, wanted, cannot })?;
        }
        list.end()
    }
}
