//! Outcomes for other programs: JSON, SVG, pcapng.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use adieu_trace::{Run, json, pcapng, svg};
use serde::Serialize;

use super::collapse::collapse;
use super::{Check, Outcome, Scenario};
use crate::failure::Failure;

/// What has been played: scenarios with their outcomes.
pub(super) type Played = [(&'static Scenario, Outcome)];

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
pub(super) fn to_json(played: &Played) -> Result<String, Failure> {
    let scenarios = played.iter().map(|(scenario, outcome)| {
        let receipts = outcome.receipts.each_ref().map(Option::as_ref);
        Entry {
            name: scenario.name,
            title: scenario.title,
            held: outcome.checks.iter().all(|check| check.held),
            checks: outcome.checks.iter().map(Claim::of).collect(),
            trace: json(&outcome.trace, receipts),
        }
    });
    let document = Document { version: json::VERSION, scenarios: scenarios.collect() };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// One picture for each scenario, named after it.
pub(super) fn write_svgs(played: &Played, dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|error| cannot("make the directory", dir, &error))?;
    for (scenario, outcome) in played {
        let file = dir.join(format!("{}.svg", scenario.name));
        let picture = svg(&collapse(&outcome.trace), scenario.title);
        fs::write(&file, picture).map_err(|error| cannot("write", &file, &error))?;
    }
    Ok(())
}

/// One capture of all scenarios, with a comment at each change of state.
pub(super) fn write_pcapng(played: &Played, file: &Path) -> Result<(), Failure> {
    let runs: Vec<Run<'_>> = played
        .iter()
        .map(|(scenario, outcome)| Run { name: scenario.name, title: scenario.title, trace: &outcome.trace })
        .collect();
    let origin = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let bytes = pcapng(&runs, u64::try_from(origin).unwrap_or(0));
    fs::write(file, bytes).map_err(|error| cannot("write", file, &error))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot {what} {}: {error}; give a path this user may write to", path.display()))
}
