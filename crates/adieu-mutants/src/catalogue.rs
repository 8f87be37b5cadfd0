//! The faults, as they stand in `mutations/*.toml`.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::Trouble;

/// The files, in the order in which the page shows them.
const FILES: [(&str, &str); 8] = [
    ("listed.toml", include_str!("../mutations/listed.toml")),
    ("fin.toml", include_str!("../mutations/fin.toml")),
    ("peers_fin.toml", include_str!("../mutations/peers_fin.toml")),
    ("time_wait.toml", include_str!("../mutations/time_wait.toml")),
    ("resets.toml", include_str!("../mutations/resets.toml")),
    ("opening.toml", include_str!("../mutations/opening.toml")),
    ("orphans.toml", include_str!("../mutations/orphans.toml")),
    ("receipts.toml", include_str!("../mutations/receipts.toml")),
];

/// Faults that belong together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What they have in common.
    pub title: String,
    /// The faults.
    #[serde(rename = "mutation")]
    pub mutations: Vec<Mutation>,
}

/// One fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// Its name, in small letters with hyphens.
    pub name: String,
    /// Its letter in section 4.7's list, if it is one of those.
    pub letter: Option<char>,
    /// The requirements it breaks.
    pub breaks: Vec<String>,
    /// One sentence: what goes wrong.
    pub words: String,
    /// Why no detector finds it, as long as none does: what world would show it.
    pub missed: Option<String>,
    /// Where the code is changed.
    #[serde(rename = "edit")]
    pub edits: Vec<Edit>,
}

/// A place in the code, and what stands there when the fault is on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, from `crates/adieu-core/src` on.
    pub file: String,
    /// Text that is in the file once and holds what is replaced; the whole file where it is not given.
    pub within: Option<String>,
    /// What is replaced; it stands there once.
    pub find: String,
    /// What it becomes.
    pub replace: String,
    /// What both are.
    pub kind: Kind,
}

/// What a piece of code is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An expression, whose value counts.
    Expression,
    /// Statements, with nothing that what follows needs a name of.
    Statements,
}

/// All faults, group by group.
pub fn groups() -> Result<Vec<Group>, Trouble> {
    let groups = FILES.into_iter().map(|(file, text)| {
        let broken = |what| Trouble::Catalogue { file, what };
        let group: Group = toml::from_str(text).map_err(|error| broken(error.to_string()))?;
        group.mutations.iter().try_for_each(Mutation::check).map_err(broken)?;
        Ok(group)
    });
    let groups: Vec<Group> = groups.collect::<Result<_, Trouble>>()?;
    let mut names = BTreeSet::new();
    let twice = groups.iter().flat_map(|group| &group.mutations).find(|mutation| !names.insert(&mutation.name));
    match twice {
        Some(mutation) => Err(Trouble::Catalogue { file: "*", what: format!("{} is there twice", mutation.name) }),
        None => Ok(groups),
    }
}

/// All faults.
pub fn all() -> Result<Vec<Mutation>, Trouble> {
    Ok(groups()?.into_iter().flat_map(|group| group.mutations).collect())
}

impl Mutation {
    fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let wrong = if self.name.is_empty() || !self.name.chars().all(plain) {
            "its name is not in small letters with hyphens"
        } else if self.breaks.is_empty() {
            "it breaks nothing"
        } else if self.edits.is_empty() {
            "it changes nothing"
        } else if self.edits.iter().any(|edit| edit.find.trim().is_empty()) {
            "it looks for nothing"
        } else {
            return Ok(());
        };
        Err(format!("{}: {wrong}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_breaks_requirements_that_there_are() {
        let rows = include_str!("../../../docs/requirements.md");
        for mutation in all().unwrap() {
            for id in &mutation.breaks {
                assert!(rows.contains(&format!("\n| {id} |")), "{}: no requirement {id}", mutation.name);
            }
        }
    }

    /// MUT-a, MUT-b, MUT-c, MUT-d, MUT-e, MUT-f, MUT-g, MUT-h, MUT-i, MUT-j, MUT-k, MUT-l, MUT-m, MUT-n, MUT-o, MUT-p:
    /// that each is found, too, is its own trial in `tests/mutants.rs`.
    #[test]
    fn the_list_of_section_4_7_is_complete() {
        let letters: Vec<char> = all().unwrap().iter().filter_map(|mutation| mutation.letter).collect();
        assert_eq!(letters, ('a'..='p').collect::<Vec<_>>());
    }
}
