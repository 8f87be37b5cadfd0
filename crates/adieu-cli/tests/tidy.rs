//! House rules, kept by a test: sizes of files, functions and lines, words that must not stand, where `unsafe` may.

use std::fs;
use std::path::{Path, PathBuf};

const FILE: usize = 800;
const FUNCTION: usize = 70;
const LINE: usize = 120;

/// Every Rust file of the workspace, with its path from the root.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root.join("crates")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    assert!(found.len() > 40, "the sources are not where they were");
    found
}

/// Lines of each function, by its first line: from there to the closing brace at the same depth (rustfmt's layout).
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let head = code.split("fn ").next().unwrap_or_default();
        let is_head = head
            .split_whitespace()
            .all(|word| matches!(word, "pub" | "const" | "async" | "unsafe" | "extern") || word.starts_with("pub("));
        if code.contains("fn ") && is_head && !code.ends_with(';') {
            let end = format!("{}}}", " ".repeat(indent));
            let length = lines[at..].iter().position(|line| *line == end).map_or(1, |length| length + 1);
            found.push((at + 1, code.to_owned(), length));
        }
    }
    found
}

#[test]
fn files_functions_and_lines_stay_short() {
    let mut long = Vec::new();
    for (name, text) in sources() {
        let lines = text.lines().count();
        if lines > FILE && !name.contains("tests") {
            long.push(format!("{name}: {lines} lines"));
        }
        for (at, line) in text.lines().enumerate() {
            if line.chars().count() > LINE {
                long.push(format!("{name}:{}: {} columns", at + 1, line.chars().count()));
            }
        }
        for (at, head, length) in functions(&text) {
            if length > FUNCTION {
                long.push(format!("{name}:{at}: {length} lines in {head}"));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn no_postponed_decisions_stand_in_the_code() {
    let banned = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("dbg", "!(")];
    for (name, text) in sources() {
        for word in banned {
            assert!(!text.contains(word), "{name} contains {word}");
        }
    }
}

#[test]
fn unsafe_stands_only_in_the_device_module_with_its_reason() {
    let word = concat!("uns", "afe {");
    for (name, text) in sources() {
        let blocks = text.matches(word).count();
        assert!(blocks == 0 || name.starts_with("crates/adieu/src/device/"), "{name}: {blocks} {word}");
        assert!(text.matches("// SAFETY:").count() >= blocks, "{name}: a block without its SAFETY line");
    }
    let core = include_str!("../../adieu-core/src/lib.rs");
    assert!(core.contains("#![forbid(unsafe_code)]") && core.contains("#![no_std]"));
}
