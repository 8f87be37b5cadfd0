//! What there is to look through: requirements, sources, tests, packet scripts and documents.

use std::fs;
use std::path::{Path, PathBuf};

/// A row of `docs/requirements.md`.
#[derive(Debug)]
pub(crate) struct Row {
    /// The heading above it.
    pub(crate) section: String,
    pub(crate) id: String,
    pub(crate) level: String,
    pub(crate) kind: String,
    pub(crate) stage: String,
    pub(crate) meaning: String,
}

/// Every row of the tables that begin with `id`.
pub(crate) fn rows(text: &str) -> Vec<Row> {
    let (mut section, mut of_ids, mut rows) = ("", false, Vec::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            section = heading.trim_start_matches('#').trim();
        }
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        let [_, id, level, kind, stage, meaning, _] = cells.as_slice() else {
            of_ids = false;
            continue;
        };
        if id == "id" {
            of_ids = true;
        } else if of_ids && !id.starts_with("--") {
            let [id, level, kind, stage, meaning] = [id, level, kind, stage, meaning].map(Clone::clone);
            rows.push(Row { section: section.to_owned(), id, level, kind, stage, meaning });
        }
    }
    rows
}

/// A file, by its path from the root of the workspace.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The files below `places` that end in `extension`, in the order of their paths. What is in this directory is about
/// ids and names none.
pub(crate) fn files(places: &[&str], extension: &str) -> Vec<File> {
    let root = root();
    let mut open: Vec<PathBuf> = places.iter().map(|place| root.join(place)).collect();
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == extension) {
            let name: Vec<_> = path.strip_prefix(&root).unwrap().iter().map(|part| part.to_string_lossy()).collect();
            let name = name.join("/");
            if !name.contains("tests/traceability/") {
                found.push(File { path: name, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// A test, and what its documentation says.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) doc: String,
}

/// The tests of a Rust file in rustfmt's layout: functions with a test's attribute, and trials that are registered.
/// Those that are always ignored show nothing.
pub(crate) fn tests(text: &str) -> Vec<Test> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let trials: Vec<&str> = trials(&lines);
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function(line) else { continue };
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
        let above: Vec<&str> = above.copied().collect();
        let has = |what: &str| above.iter().any(|line| line.starts_with("#[") && line.contains(what));
        let test = has("test]") || has("::test(") || trials.contains(&name);
        if test && !has("#[ignore") {
            let doc: Vec<&str> =
                above.iter().rev().filter_map(|line| line.strip_prefix("///")).map(str::trim).collect();
            found.push(Test { name: name.to_owned(), doc: doc.join(" ") });
        }
    }
    found
}

/// The name of the function whose head begins in this line.
fn function(line: &str) -> Option<&str> {
    let (head, rest) = line.split_once("fn ")?;
    let heads = |word: &str| matches!(word, "pub" | "const" | "async") || word.starts_with("pub(");
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
    (head.split_whitespace().all(heads) && rest[end..].starts_with(['(', '<'])).then(|| &rest[..end])
}

/// The names between `register! {` and its brace.
fn trials<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in lines {
        match *line {
            "register! {" => inside = true,
            "}" => inside = false,
            line if inside => names.extend(line.split_once('(').map(|(name, _)| name)),
            _ => {}
        }
    }
    names
}

/// The ids' place in a packet script: its first line, a comment, up to the colon.
pub(crate) fn heading(script: &str) -> &str {
    let first = script.lines().next().and_then(|line| line.strip_prefix("//")).unwrap_or_default();
    first.split_once(':').map_or(first, |(ids, _)| ids).trim()
}

/// The comments of a Rust file; `rustdoc` only those that make documentation.
pub(crate) fn comments(text: &str, rustdoc: bool) -> String {
    let comment = |line: &str| {
        let at = line.find("//").filter(|at| !rustdoc || line[..*at].trim().is_empty())?;
        let says = line[at + 2..].strip_prefix(['/', '!']);
        says.or((!rustdoc).then_some(&line[at + 2..])).map(|says| says.trim().to_owned())
    };
    text.lines().filter_map(comment).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn rows_are_those_of_the_tables_of_ids() {
        let text = "# Part\n## 1.1 One\n\n| id | level | kind | stage | meaning |\n|---|---|---|---|---|\n\
            | A-1 | M | test | built | What it says. |\n\n| other | a | b | c | d |\n|---|---|---|---|---|\n\
            | B-1 | M | test | built | No row. |\n";
        let rows = rows(text);
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((row.section.as_str(), row.id.as_str(), row.level.as_str()), ("1.1 One", "A-1", "M"));
        assert_eq!((row.kind.as_str(), row.stage.as_str(), row.meaning.as_str()), ("test", "built", "What it says."));
    }

    #[test]
    fn tests_are_functions_with_the_attribute_and_registered_trials() {
        let text = "
            register! {
                a_trial();
                over_both(Family) needs Tun, Nft;
            }
            /// First,
            /// and second.
            #[test]
            #[expect(clippy::some, reason = \"test] of a lint\")]
            fn one() {}
            #[tokio::test(start_paused = true)]
            pub(crate) async fn two() {}
            fn helper() {}
            #[cfg(test)]
            fn for_tests_only() {}
            #[test]
            #[ignore = \"slow\"]
            fn never() {}
            /// Third.
            fn a_trial() {}
            fn over_both(family: Family) {}
            proptest! {
                #[test]
                fn drawn(a in 0..3) {}
            }";
        let found = tests(text);
        let found: Vec<(&str, &str)> = found.iter().map(|test| (test.name.as_str(), test.doc.as_str())).collect();
        let expected =
            [("one", "First, and second."), ("two", ""), ("a_trial", "Third."), ("over_both", ""), ("drawn", "")];
        assert_eq!(found, expected);
    }

    #[test]
    fn headings_and_comments() {
        assert_eq!(heading("// TW-1, 3.5: waits: long\n0 socket"), "TW-1, 3.5");
        assert_eq!(heading("0 socket(...)\n"), "");
        let text = "//! Module.\n/// Item.\n// Aside.\nlet a = 1; // Why.\n    /// Field.\n";
        assert_eq!(comments(text, true), "Module. Item. Field.");
        assert_eq!(comments(text, false), "Module. Item. Aside. Why. Field.");
    }
}
