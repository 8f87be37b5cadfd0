//! `adieu spec`: what adieu holds itself to, and what shows it.

mod page;
mod table;

use std::process::ExitCode;

use serde::Serialize;

use self::table::Requirement;
pub(crate) use self::table::{Kind, Stage};
use crate::args::Spec;
use crate::failure::Failure;
use crate::output;

/// What `--json` prints. The version is that of the format.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    requirements: &'a [&'a Requirement],
    summary: Summary,
}

/// How many there are, by stage, and how many of them something shows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
struct Summary {
    built: usize,
    built_and_shown: usize,
    planned: usize,
    planned_and_shown: usize,
}

impl Summary {
    fn of(rows: &[&Requirement]) -> Self {
        let mut summary = Self::default();
        for row in rows {
            let (all, shown) = match row.stage {
                Stage::Built => (&mut summary.built, &mut summary.built_and_shown),
                Stage::Planned => (&mut summary.planned, &mut summary.planned_and_shown),
            };
            *all += 1;
            *shown += usize::from(!row.shown_by.is_empty());
        }
        summary
    }
}

pub(crate) fn run(spec: &Spec) -> Result<ExitCode, Failure> {
    let all = table::read();
    let mut rows = choose(&all, &spec.names)?;
    rows.retain(|row| {
        spec.stage.is_none_or(|stage| row.stage == stage)
            && spec.kind.is_none_or(|kind| row.kind == kind)
            && (row.shown_by.is_empty() || !spec.missing)
    });
    let summary = Summary::of(&rows);
    let text = if spec.json {
        serde_json::to_string_pretty(&Document { version: 1, requirements: &rows, summary })? + "\n"
    } else {
        let style = output::style(spec.color);
        page::page(&rows, summary, !spec.names.is_empty(), output::width(), style)
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What the ids mean that stand before a broken promise, one line each: requirements, or sections.
pub(crate) fn meanings(ids: &str) -> Vec<String> {
    let all = table::read();
    let of = |id: &str| {
        let row = all.iter().find(|row| row.id == id).map(|row| format!("{id}: {}", row.meaning));
        let section = || all.iter().map(|row| &row.section).find(|section| section.split(' ').next() == Some(id));
        row.or_else(|| section().cloned())
    };
    ids.split(", ").filter_map(of).collect()
}

/// The rows of these names, each once and in the order of the document; all where none is named.
fn choose<'a>(all: &'a [Requirement], names: &[String]) -> Result<Vec<&'a Requirement>, Failure> {
    for name in names {
        if !all.iter().any(|row| row.is_meant_by(name)) {
            let near = near(all, name).join(", ");
            return Err(Failure::usage(format!("there is no requirement {name:?}; near it there are: {near}")));
        }
    }
    let meant = |row: &&Requirement| names.is_empty() || names.iter().any(|name| row.is_meant_by(name));
    Ok(all.iter().filter(meant).collect())
}

/// The ids most like `name`, up to five: those of its family first.
fn near<'a>(all: &'a [Requirement], name: &str) -> Vec<&'a str> {
    let name = table::spelling(name);
    let distance = |row: &&Requirement| {
        let id = row.id.to_uppercase();
        let same = |id: &str| id.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned();
        (same(&id) != same(&name), strsim::damerau_levenshtein(&id, &name))
    };
    let mut rows: Vec<&Requirement> = all.iter().collect();
    rows.sort_by_cached_key(distance);
    rows.into_iter().take(5).map(|row| row.id.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let all = table::read();
        choose(&all, &names).unwrap().iter().map(|row| row.id.clone()).collect()
    }

    #[test]
    fn a_name_means_a_row_and_what_belongs_to_it() {
        assert_eq!(ids(&["TW-1"]), ["TW-1"]);
        assert_eq!(ids(&["tw_9"]), ["TW-9"]);
        assert_eq!(ids(&["MUST-13", "shld-1", "MAY-2"]), ["S1", "M13", "Y2"]);
        assert_eq!(ids(&["mut-A"]), ["MUT-a"]);
        assert_eq!(ids(&["3.39"]), ["3.39"]);
        assert_eq!(ids(&["TW-8"]).len(), 9);
        assert_eq!(ids(&["b-tlp"]), ["B-TLP-ARM", "B-TLP-FIRE", "B-TLP-ACK"]);
        assert_eq!(ids(&["L"]).len(), 8);
        assert_eq!(ids(&["1.6"]), ids(&["UD"]));
        assert_eq!(ids(&["1.2"]).first().unwrap(), "CL-1");
        assert_eq!(ids(&["UD-1", "ud", "UD"]), ids(&["UD-"]));
        assert_eq!(ids(&[]).len(), table::read().len());
    }

    #[test]
    fn near_names_come_nearest_first() {
        let all = table::read();
        assert_eq!(near(&all, "ud-11")[0], "UD-1");
        assert!(near(&all, "ud-99").iter().all(|id| id.starts_with("UD-")));
        assert!(near(&all, "WT-8").contains(&"TW-8"));
        assert!(near(&all, "x-sak").contains(&"X-SACK"));
        assert_eq!(near(&all, "").len(), 5);
    }
}
