//! Our own scripts hold: over both families, wherever numbers begin, at any speed where they say so. And they would
//! notice a fault.

use std::fs;
use std::path::{Path, PathBuf};

use adieu_script::ast::Script;
use adieu_script::mutate::mutants;
use adieu_script::run::{Family, Isn};
use adieu_script::{Defines, Settings, parse, run};

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

/// Name, text and meaning of each.
fn scripts(family: Family) -> Vec<(String, Script)> {
    let mut files = Vec::new();
    below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance"), &mut files);
    files.sort();
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(text.starts_with("// "), "{name} says what is seen in its first line");
        let script = parse(&text, &Defines::new().over(Some(family))).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, script)
    };
    files.into_iter().map(read).collect()
}

fn below(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => below(&path, files),
            false if path.extension().is_some_and(|extension| extension == "pkt") => files.push(path),
            false => {}
        }
    }
}

fn all_hold(settings: &Settings, which: impl Fn(&Script) -> bool) {
    let mut failed = Vec::new();
    for family in FAMILIES {
        for (name, script) in scripts(family).iter().filter(|(_, script)| which(script)) {
            if let Err(failure) = run(script, &Settings { family: Some(family), ..settings.clone() }) {
                failed.push(format!("{name} over {family:?}: {} ({:?})", failure.message, failure.got));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn strict() -> Settings {
    Settings { strict: true, ..Settings::default() }
}

#[test]
fn all_hold_strictly_over_both_families() {
    all_hold(&strict(), |_| true);
}

#[test]
fn all_hold_where_numbers_wrap_around() {
    all_hold(&Settings { isn: Isn::Wrap, ..strict() }, |_| true);
    all_hold(&Settings { isn: Isn::At(0x7fff_ff00), ..strict() }, |_| true);
    all_hold(&Settings { isn: Isn::At(0), ..strict() }, |_| true);
}

#[test]
fn those_without_timers_hold_at_any_speed() {
    for time_scale in [0.5, 2.0] {
        all_hold(&Settings { time_scale, ..strict() }, |script| script.timers_none);
    }
}

/// At least 99 in 100 changed expectations must be noticed.
#[test]
fn changed_expectations_are_noticed() {
    let (mut all, mut survivors) = (0, Vec::new());
    for (name, script) in scripts(Family::Ipv4) {
        let settings = Settings { family: Some(Family::Ipv4), ..strict() };
        for mutant in mutants(&script) {
            all += 1;
            if run(&mutant.script, &settings).is_ok() {
                survivors.push(format!("{name} at {}: {}", mutant.span.start, mutant.what));
            }
        }
    }
    println!("{all} mutants, {} survive", survivors.len());
    assert!(survivors.len() * 100 <= all, "{} of {all} survive:\n{}", survivors.len(), survivors.join("\n"));
}
