//! What came of it, for programs.

use std::path::Path;

use serde::Serialize;

use super::{Outcome, version};
use crate::failure::Failure;
use crate::spec;

/// The version is raised when a field changes its meaning or goes.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    adieu: String,
    first_seed: u64,
    worlds: u64,
    connections: u64,
    events: u64,
    stopped: bool,
    seconds: f64,
    threads: usize,
    worlds_per_minute_and_thread: f64,
    connections_per_second: f64,
    endings: Vec<Ending<'a>>,
    /// Of both ends of a connection, each pair once for each of them.
    pairs: Vec<Pair<'a>>,
    joint_states: Vec<Pair<'a>>,
    failures: Vec<Broken<'a>>,
}

#[derive(Serialize)]
struct Ending<'a> {
    ending: &'a str,
    state: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct Pair<'a> {
    one: &'a str,
    other: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct Broken<'a> {
    seed: u64,
    id: &'a str,
    meanings: Vec<String>,
    /// All that was said of it.
    text: &'a str,
    /// Where in the code.
    place: Option<&'a str>,
    replay: String,
    /// Run again it broke a promise again.
    again: bool,
    pieces: usize,
    without: &'a [usize],
    worlds_tried: usize,
    files: Vec<&'a Path>,
}

pub(super) fn json(outcome: &Outcome) -> Result<String, Failure> {
    let (all, report) = (&outcome.all, &outcome.all.report);
    let seconds = all.elapsed.as_secs_f64();
    let each = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    let failures = outcome.found.iter().map(|found| Broken {
        seed: found.seed,
        id: found.id(),
        meanings: match found.promise.filter(|promise| promise.id() == found.id()) {
            Some(promise) => vec![promise.to_string()],
            None => spec::meanings(found.id()),
        },
        text: found.text(),
        place: found.place.as_deref(),
        replay: found.replay(),
        again: found.broken.is_some(),
        pieces: found.pieces,
        without: &found.without,
        worlds_tried: found.tried,
        files: found.file.as_deref().into_iter().collect(),
    });
    let endings = report.endings.iter().map(|((ending, state), count)| Ending { ending, state, count: *count });
    let pairs = report.pairs.iter().map(|((one, other), count)| Pair { one, other, count: *count });
    let joint = report.joint.iter().map(|((one, other), count)| (one.name(), other.name(), *count));
    let document = Document {
        version: 1,
        adieu: version(),
        first_seed: outcome.first,
        worlds: all.worlds(),
        connections: report.connections,
        events: report.events,
        stopped: outcome.stopped,
        seconds,
        threads: outcome.jobs.get(),
        worlds_per_minute_and_thread: each(all.worlds()) * 60.0 / outcome.jobs.get() as f64,
        connections_per_second: each(report.connections),
        endings: endings.collect(),
        pairs: pairs.collect(),
        joint_states: joint.map(|(one, other, count)| Pair { one, other, count }).collect(),
        failures: failures.collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
