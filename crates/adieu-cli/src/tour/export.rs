//! Outcomes for other programs: JSON, SVG, pcapng.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use adieu_trace::{Run, json, pcapng, svg};
use serde::Serialize;

use super::{Check, Played, collapse};
use crate::args::Tour;
use crate::failure::Failure;

/// All scenarios in one document. The version is that of the format (docs/trace-json.md).
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    scenarios: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    title: &'a str,
    held: bool,
    checks: Vec<Claim<'a>>,
    remarks: &'a [String],
    trace: json::Document,
}

#[derive(Serialize)]
struct Claim<'a> {
    claim: &'a str,
    held: bool,
}

impl<'a> Claim<'a> {
    fn of(check: &'a Check) -> Self {
        Self { claim: &check.claim, held: check.held }
    }
}

/// The outcomes as JSON.
pub(super) fn to_json(played: &[Played]) -> Result<String, Failure> {
    let scenarios = played.iter().map(|Played { name, title, outcome }| {
        let receipts = outcome.receipts.each_ref().map(Option::as_ref);
        Entry {
            name,
            title,
            held: outcome.checks.iter().all(|check| check.held),
            checks: outcome.checks.iter().map(Claim::of).collect(),
            remarks: &outcome.remarks,
            trace: json(&outcome.trace, receipts),
        }
    });
    let document = Document { version: json::VERSION, scenarios: scenarios.collect() };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// Refuses what cannot be written before anything is played.
pub(super) fn check(tour: &Tour) -> Result<(), Failure> {
    if let Some(dir) = &tour.svg {
        fs::create_dir_all(dir).map_err(|error| cannot("make the directory", dir, &error))?;
    }
    if let Some(file) = &tour.pcap {
        let opened = fs::OpenOptions::new().create(true).append(true).open(file);
        opened.map_err(|error| cannot("write", file, &error))?;
    }
    Ok(())
}

/// One picture for each scenario, named after it.
pub(super) fn write_svgs(played: &[Played], dir: &Path) -> Result<(), Failure> {
    for Played { name, title, outcome } in played {
        let file = dir.join(format!("{name}.svg"));
        let picture = svg(&collapse(&outcome.trace), title);
        fs::write(&file, picture).map_err(|error| cannot("write", &file, &error))?;
    }
    Ok(())
}

/// One capture of all scenarios, with a comment at each change of state.
pub(super) fn write_pcapng(played: &[Played], file: &Path) -> Result<(), Failure> {
    let runs: Vec<Run<'_>> =
        played.iter().map(|Played { name, title, outcome }| Run { name, title, trace: &outcome.trace }).collect();
    let origin = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let bytes = pcapng(&runs, u64::try_from(origin).unwrap_or(0));
    fs::write(file, bytes).map_err(|error| cannot("write", file, &error))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot {what} {}: {error}; give a path this user may write to", path.display()))
}
