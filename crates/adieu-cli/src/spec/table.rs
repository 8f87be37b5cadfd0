//! The table of requirements, as it was when the command was built.

use serde::Serialize;

/// Made from `docs/requirements.md` and what names its ids, by `tests/traceability`.
const TEXT: &str = include_str!("traceability.txt");

/// Whether something finished owes a requirement.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    Built,
    Planned,
}

/// What shows a requirement.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A test or a packet script
    Test,
    /// A document
    Doc,
    /// Reading the source at a comment
    Review,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Planned => "planned",
        }
    }
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Doc => "doc",
            Self::Review => "review",
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Requirement {
    pub(super) id: String,
    pub(super) level: String,
    pub(super) stage: Stage,
    pub(super) kind: Kind,
    /// Number and title.
    pub(super) section: String,
    pub(super) meaning: String,
    /// `path::name` of tests; paths of scripts and documents.
    pub(super) shown_by: Vec<String>,
}

impl Requirement {
    /// Whether a name someone typed means this one: its id, one that it is a part of (TW-8 of TW-8.1), letters that it
    /// begins with, or its section's number.
    pub(super) fn is_meant_by(&self, name: &str) -> bool {
        let (name, id) = (spelling(name), self.id.to_uppercase());
        let section = self.section.split(' ').next().unwrap_or_default();
        begins(&id, &name) || begins(section, &name) || self.section.to_uppercase().starts_with(&format!("{name}. "))
    }
}

/// A name as ids are written: `tw_8` is TW-8, and `MUST-8`, as RFC 9293 says, M8.
pub(super) fn spelling(name: &str) -> String {
    let name = name.trim().to_uppercase().replace('_', "-");
    let short = [("MUST-", 'M'), ("SHLD-", 'S'), ("MAY-", 'Y')]
        .into_iter()
        .find_map(|(long, short)| name.strip_prefix(long).map(|number| format!("{short}{number}")));
    short.unwrap_or(name)
}

/// Whether `id` is `name`, or `name` is a beginning that ends where a part of `id` does.
fn begins(id: &str, name: &str) -> bool {
    let Some(rest) = id.strip_prefix(name).filter(|_| !name.is_empty()) else { return false };
    let letters = name.ends_with(|letter: char| !letter.is_ascii_digit());
    rest.is_empty()
        || rest.starts_with(['-', '.'])
        || name.ends_with(['-', '.'])
        || letters && rest.starts_with(|letter: char| letter.is_ascii_digit())
}

/// Every requirement, in the order of the document.
pub(super) fn read() -> Vec<Requirement> {
    parse(TEXT)
}

/// A line that begins with `##` is a section, one with a tab what shows the row above, any other a row.
fn parse(text: &str) -> Vec<Requirement> {
    let (mut section, mut rows) = ("", Vec::<Requirement>::new());
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        } else if let Some(place) = line.strip_prefix('\t') {
            rows.last_mut().into_iter().for_each(|row| row.shown_by.push(place.to_owned()));
        } else {
            rows.extend(row(line, section));
        }
    }
    rows
}

fn row(line: &str, section: &str) -> Option<Requirement> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [id, level, kind, stage, meaning] = cells.as_slice() else { return None };
    let kind = [Kind::Test, Kind::Doc, Kind::Review].into_iter().find(|known| known.name() == *kind)?;
    let stage = [Stage::Built, Stage::Planned].into_iter().find(|known| known.name() == *stage)?;
    let [id, level, section, meaning] = [id, level, section, meaning].map(ToString::to_string);
    Some(Requirement { id, level, stage, kind, section, meaning, shown_by: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        let rows = read();
        let lines = TEXT.lines().filter(|line| !line.starts_with(['#', '\t'])).count();
        let places = TEXT.lines().filter(|line| line.starts_with('\t')).count();
        assert_eq!((rows.len(), rows.iter().map(|row| row.shown_by.len()).sum::<usize>()), (lines, places));
        assert!(rows.len() > 500 && rows.iter().all(|row| !row.section.is_empty() && !row.meaning.is_empty()));
    }

    #[test]
    fn beginnings_end_where_parts_do() {
        for (id, name) in [("TW-8", "TW"), ("TW-8.1", "TW-8"), ("B-RACK-ACK", "B-RACK"), ("M8", "M"), ("3.39", "3.")] {
            assert!(begins(id, name), "{id} {name}");
        }
        for (id, name) in [("TW-10", "TW-1"), ("REC-1", "R"), ("B-RTO", "B-R"), ("M80", "M8"), ("3.39", "3.3")] {
            assert!(!begins(id, name), "{id} {name}");
        }
        assert!(!begins("TW-1", ""));
    }
}
