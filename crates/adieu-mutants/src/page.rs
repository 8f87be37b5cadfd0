//! `docs/mutations.md`: each fault, and what found it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use crate::catalogue::{Group, Mutation};
use crate::finding::Finding;
use crate::trial::Outcome;

const HEAD: &str = "\
# Mutations

A detector that finds nothing may be blind. So the faults below are seeded into a copy of the core, one at a time, and
the detectors that look for faults from outside, with no check of the core's own switched on, must find each. What found
it first is named: the lowest seed of the swarm simulator, or the scope of the model checker. Where a letter stands, it
is that of the list in section 4.7. The page is made by the test that tries them all:
`ADIEU_BLESS=1 cargo test -p adieu-mutants`. One fault is tried again with `ADIEU_MUTANT`, its name and the detector of
the copy, `adieu-detect`, below cargo's `target/tmp/mutants`.
";

/// The page that says what came of each fault.
pub fn page(groups: &[Group], outcomes: &BTreeMap<String, Outcome>) -> String {
    let mut page = String::from(HEAD);
    for group in groups {
        _ = write!(page, "\n## {}\n\n", group.title);
        page.push_str("| mutation | 4.7 | what goes wrong | breaks | found by | where | which says |\n");
        page.push_str("|---|---|---|---|---|---|---|\n");
        group.mutations.iter().for_each(|mutation| row(&mut page, mutation, outcomes.get(&mutation.name)));
    }
    let missed: Vec<&Mutation> =
        groups.iter().flat_map(|group| &group.mutations).filter(|mutation| mutation.missed.is_some()).collect();
    if !missed.is_empty() {
        page.push_str("\n## Not found yet\n\nWhat a detector would have to try, and to look at, to find them:\n\n");
    }
    for mutation in missed {
        let why = mutation.missed.as_deref().unwrap_or_default();
        _ = writeln!(page, "* `{}`: {}", mutation.name, one_line(why));
    }
    page
}

fn row(page: &mut String, mutation: &Mutation, outcome: Option<&Outcome>) {
    let letter = mutation.letter.map(|letter| format!("({letter})")).unwrap_or_default();
    let (name, words, breaks) = (&mutation.name, one_line(&mutation.words), mutation.breaks.join(", "));
    _ = write!(page, "| `{name}` | {letter} | {words} | {breaks} | ");
    _ = match outcome.filter(|_| mutation.missed.is_none()) {
        Some(Outcome::Caught(Finding { detector, place, id, words })) => {
            writeln!(page, "{detector} | {place} | {} |", one_line(&said(id, words)))
        }
        _ => writeln!(page, "nothing | | |"),
    };
}

/// The id and, where they are short and the same for every seed, the words.
fn said(id: &str, words: &str) -> String {
    let words = words.split([':', '{', '(']).next().unwrap_or_default().trim();
    let plain = words.chars().all(|c| c.is_ascii_lowercase() || " -',;".contains(c));
    if plain && !words.is_empty() { format!("{id}: {words}") } else { id.to_owned() }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Whether the page in the repository is this one; with `ADIEU_BLESS` it becomes so.
pub fn is_current(workspace: &Path, page: &str) -> bool {
    let path = workspace.join("docs/mutations.md");
    if env::var_os("ADIEU_BLESS").is_some() {
        return fs::write(path, page).is_ok();
    }
    fs::read_to_string(path).is_ok_and(|found| found == page)
}
