//! Runs the detectors, one after the other, until one has found something, and says what as one line.
//!
//! `adieu-detect` tries the seeds and scopes that every fault must show itself within; `adieu-detect 0..100000` other
//! seeds. `ADIEU_MUTANT=name` switches a fault on, in the copy that has them.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::ops::Range;
use std::panic;
use std::process::ExitCode;

use adieu_model::{Limits, SCOPES, check};
use adieu_mutants::SEEDS;
use adieu_mutants::finding::{self, Finding, split_words};
use adieu_sim::swarm::{Plan, STAGED, try_run};

/// The detectors, in the order in which they are asked: the first that finds something is the one that is named.
/// Most faults show themselves in the first worlds; what only the model checker sees is not to wait for all of them.
const DETECTORS: [Detector; 4] = [
    Detector { name: "staged world", search: staged },
    Detector { name: "swarm", search: first_worlds },
    Detector { name: "model", search: model },
    Detector { name: "swarm", search: swarm },
];

/// Worlds that come before the model checker.
const FIRST: u64 = 300;

/// States of each scope that the model checker looks at.
const STATES: usize = 30_000;

/// One that looks for faults.
struct Detector {
    name: &'static str,
    /// Says where it has found something, the requirement that is violated, and what it has seen.
    search: fn(&Range<u64>) -> Option<[String; 3]>,
}

fn main() -> ExitCode {
    let asked = std::env::args().nth(1).unwrap_or_else(|| format!("0..{SEEDS}"));
    let seeds = asked.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    let Some(seeds) = seeds else {
        eprintln!("adieu-detect [from..to]");
        return ExitCode::FAILURE;
    };
    panic::set_hook(Box::new(|info| {
        let own = info.location().is_some_and(|location| location.file().contains("adieu-core"));
        CORE_PANICKED.set(own);
    }));
    let found = DETECTORS.into_iter().find_map(|Detector { name, search }| {
        let [place, id, words] = search(&seeds)?;
        Some(Finding { detector: name.into(), place, id, words })
    });
    println!("{}", finding::line(found.as_ref()));
    ExitCode::SUCCESS
}

thread_local! {
    /// Whether the last panic was the core's, and not that of a detector that has seen something.
    static CORE_PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// Worlds made by hand, for what chance hardly ever brings.
fn staged(_: &Range<u64>) -> Option<[String; 3]> {
    STAGED.iter().find_map(|(name, world)| {
        let payload = panic::catch_unwind(world).err()?;
        let what = payload.downcast_ref::<String>().cloned().unwrap_or_default();
        let (id, words) = split_words(&what, CORE_PANICKED.get());
        Some([(*name).into(), id, words])
    })
}

/// The first of the random worlds.
fn first_worlds(seeds: &Range<u64>) -> Option<[String; 3]> {
    swarm(&(seeds.start..seeds.end.min(seeds.start + FIRST)))
}

/// All that can happen within each scope, up to so many states; the shortest way there, as one thread finds it.
fn model(_: &Range<u64>) -> Option<[String; 3]> {
    let limits = Limits { states: Some(STATES), depth: None, time: None };
    SCOPES.iter().find_map(|scope| {
        let fault = check(scope, limits, 1).violation?;
        let place = format!("{} at depth {}", scope.name, fault.steps.len());
        Some([place, fault.fault.id.to_string(), fault.fault.text.to_string()])
    })
}

/// Random worlds with an oracle outside, the lowest seed first.
fn swarm(seeds: &Range<u64>) -> Option<[String; 3]> {
    seeds.clone().find_map(|seed| {
        let failure = try_run(&Plan::draw(seed)).err()?;
        let (id, words) = split_words(&failure.what, CORE_PANICKED.get());
        Some([format!("seed {seed}"), id, words])
    })
}
