//! Which test shows which requirement: `src/spec/traceability.txt` is made from `docs/requirements.md` and from what
//! tests, packet scripts and documents name, and `adieu spec` shows it.

mod ids;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use ids::{Ids, Named};
use walk::{Row, comments, files, heading, root, rows, tests};

const TABLE: &str = "crates/adieu-cli/src/spec/traceability.txt";
const AGAIN: &str = "ADIEU_BLESS=1 cargo test -p adieu-cli --test traceability";

/// What shows each requirement, and where something is named that is none.
#[derive(Default)]
struct Shown {
    by_test: BTreeMap<String, BTreeSet<String>>,
    by_document: BTreeMap<String, BTreeSet<String>>,
    by_comment: BTreeMap<String, BTreeSet<String>>,
    unknown: BTreeSet<String>,
}

impl Shown {
    fn test(&mut self, place: &str, named: Named) {
        self.unknown.extend(named.unknown.into_iter().map(|word| format!("{place} names {word}")));
        note(&mut self.by_test, place, named.ids);
    }

    fn of(&self, row: &Row) -> Vec<&str> {
        let by = match row.kind.as_str() {
            "doc" => &self.by_document,
            "review" => &self.by_comment,
            _ => &self.by_test,
        };
        by.get(&row.id).into_iter().flatten().map(String::as_str).collect()
    }
}

fn note(shown: &mut BTreeMap<String, BTreeSet<String>>, place: &str, ids: BTreeSet<String>) {
    for id in ids {
        shown.entry(id).or_default().insert(place.to_owned());
    }
}

fn requirements() -> Vec<Row> {
    rows(&fs::read_to_string(root().join("docs/requirements.md")).unwrap())
}

fn look(rows: &[Row]) -> Shown {
    let ids = Ids::new(rows.iter().map(|row| row.id.as_str()));
    let mut shown = Shown::default();
    for file in files(&["crates"], "rs") {
        for test in tests(&file.text) {
            let named = ids.in_name(&test.name).and(ids.in_text(&test.doc));
            shown.test(&format!("{}::{}", file.path, test.name), named);
        }
        let strangers = ids.strangers_in(&file.text).into_iter();
        shown.unknown.extend(strangers.map(|word| format!("{} names {word}", file.path)));
        if !file.path.contains("/tests/") {
            note(&mut shown.by_document, &file.path, ids.in_text(&comments(&file.text, true)).ids);
            note(&mut shown.by_comment, &file.path, ids.in_text(&comments(&file.text, false)).ids);
        }
    }
    for script in files(&["conformance"], "pkt") {
        let name = script.path.rsplit('/').next().unwrap_or_default();
        shown.test(&script.path, ids.in_name(name).and(ids.in_text(heading(&script.text))));
    }
    for document in files(&["README.md", "ARCHITECTURE.md", "docs", "conformance"], "md") {
        if document.path != "docs/requirements.md" {
            note(&mut shown.by_document, &document.path, ids.in_text(&document.text).ids);
        }
        if document.path == "ARCHITECTURE.md" {
            note(&mut shown.by_comment, &document.path, ids.in_text(&document.text).ids);
        }
    }
    shown
}

/// The table: a heading for each section, a line for each requirement, and a line for each thing that shows it.
fn table(rows: &[Row], shown: &Shown) -> String {
    let mut text = format!("# Generated. {AGAIN}\n# id, level, kind, stage, meaning; below it what shows it\n");
    let mut section = "";
    for row in rows {
        if row.section != section {
            section = &row.section;
            _ = writeln!(text, "## {section}");
        }
        _ = writeln!(text, "{}\t{}\t{}\t{}\t{}", row.id, row.level, row.kind, row.stage, row.meaning);
        for place in shown.of(row) {
            _ = writeln!(text, "\t{place}");
        }
    }
    text
}

/// Ids by what they begin with, in one line each.
fn brief<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    for id in ids {
        let first = id.find(|letter: char| letter.is_ascii_digit()).unwrap_or(id.len());
        let family = id.split_once('-').map_or(&id[..first], |(family, _)| family);
        match lines.iter_mut().find(|(before, _)| before == family) {
            Some((_, line)) => _ = write!(line, " {id}"),
            None => lines.push((family.to_owned(), format!("  {id}"))),
        }
    }
    lines.into_iter().map(|(_, line)| line + "\n").collect()
}

#[test]
fn every_requirement_has_one_row_that_is_in_order() {
    let rows = requirements();
    assert!(rows.len() > 500, "{} rows", rows.len());
    let mut seen = BTreeSet::new();
    for Row { section, id, level, kind, stage, meaning } in &rows {
        assert!(seen.insert(id.to_uppercase()), "{id} stands twice");
        assert!(
            level.split('/').all(|level| matches!(level, "M" | "S" | "Y" | "T" | "P" | "D" | "-")),
            "{id}: {level}"
        );
        assert!(matches!(kind.as_str(), "test" | "doc" | "review"), "{id}: {kind}");
        assert!(matches!(stage.as_str(), "built" | "planned"), "{id}: {stage}");
        assert!(meaning.ends_with(['.', ']']) && !meaning.contains('\t'), "{id}: {meaning}");
        assert!(!section.is_empty(), "{id}");
    }
    // No row is lost for want of a cell.
    let text = fs::read_to_string(root().join("docs/requirements.md")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id ")).count();
    assert_eq!(lines, rows.len(), "a line of a table that is no row of five cells");
}

#[test]
fn nothing_is_named_that_is_no_requirement() {
    let unknown = look(&requirements()).unknown;
    let list: Vec<&str> = unknown.iter().map(String::as_str).collect();
    assert!(list.is_empty(), "docs/requirements.md has no such rows:\n{}", list.join("\n"));
}

#[test]
fn every_script_says_what_it_shows() {
    let ids = requirements();
    let ids = Ids::new(ids.iter().map(|row| row.id.as_str()));
    for script in files(&["conformance"], "pkt") {
        let name = script.path.rsplit('/').next().unwrap_or_default();
        let (name, text) = (ids.in_name(name).ids, ids.in_text(heading(&script.text)).ids);
        assert!(!name.is_empty() && name.is_subset(&text), "{}: {name:?} in its name, {text:?} above", script.path);
    }
}

#[test]
fn the_table_is_up_to_date() {
    let rows = requirements();
    let (path, wanted) = (root().join(TABLE), table(&rows, &look(&rows)));
    if std::env::var_os("ADIEU_BLESS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differs = there.lines().zip(wanted.lines()).find(|(there, wanted)| there != wanted);
    let (there, wanted) = (there.lines().count(), wanted.lines().count());
    assert!(
        differs.is_none() && there == wanted,
        "{TABLE} is stale ({there} lines, should be {wanted}). Make it again: {AGAIN}\nFirst difference: {differs:#?}"
    );
}

#[test]
fn what_is_built_is_shown() {
    let rows = requirements();
    let shown = look(&rows);
    let mut missing = String::new();
    for (kind, how) in [
        ("test", "no test or script names them"),
        ("doc", "no document or rustdoc names them"),
        ("review", "no comment in the sources, nor ARCHITECTURE.md, names them"),
    ] {
        let rows = rows.iter().filter(|row| row.kind == kind && row.stage == "built" && shown.of(row).is_empty());
        let ids: Vec<&str> = rows.map(|row| row.id.as_str()).collect();
        if !ids.is_empty() {
            _ = write!(missing, "{} of kind {kind}: {how}\n{}", ids.len(), brief(ids));
        }
    }
    assert!(missing.is_empty(), "built, and not shown (`adieu spec --missing --stage built`):\n{missing}");
}
