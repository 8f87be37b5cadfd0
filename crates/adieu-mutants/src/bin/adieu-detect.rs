//! Runs the detectors, one after the other, until one has found something, and says what as one line.
//!
//! `adieu-detect` tries the seeds and scopes that every fault must show itself within; `adieu-detect 0..100000` other
//! seeds. `ADIEU_MUTANT=name` switches a fault on, in the copy that has them.
#![forbid(unsafe_code)]

#[path = "../../../adieu-sim/tests/storm/app.rs"]
mod app;
#[path = "../../../adieu-sim/tests/storm/draw.rs"]
mod draw;
#[path = "../../../adieu-sim/tests/storm/ends.rs"]
mod ends;
#[path = "../../../adieu-sim/tests/storm/oracle.rs"]
mod oracle;
#[path = "../../../adieu-sim/tests/storm/run.rs"]
mod run;
#[path = "../../../adieu-sim/tests/storm/tally.rs"]
mod tally;

use std::cell::RefCell;
use std::ops::Range;
use std::panic;
use std::process::ExitCode;

use adieu_mutants::SEEDS;
use adieu_mutants::finding::{self, Finding, split_words};

/// The detectors, in the order in which they are asked: the first that finds something is the one that is named.
const DETECTORS: [fn(&Range<u64>) -> Option<Finding>; 1] = [swarm];

fn main() -> ExitCode {
    let asked = std::env::args().nth(1).unwrap_or_else(|| format!("0..{SEEDS}"));
    let seeds = asked.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    let Some(seeds) = seeds else {
        eprintln!("adieu-detect [from..to]");
        return ExitCode::FAILURE;
    };
    panic::set_hook(Box::new(remember));
    let found = DETECTORS.into_iter().find_map(|detector| detector(&seeds));
    println!("{}", finding::line(found.as_ref()));
    ExitCode::SUCCESS
}

/// Random worlds with an oracle outside, the lowest seed first.
fn swarm(seeds: &Range<u64>) -> Option<Finding> {
    seeds.clone().find_map(|seed| {
        panic::catch_unwind(|| run::storm(seed)).err()?;
        let (message, own) = LAST.take();
        let (id, words) = split_words(&message, own);
        Some(Finding { detector: "swarm".into(), place: format!("seed {seed}"), id, words })
    })
}

thread_local! {
    /// What the last panic said, and whether it was the core's.
    static LAST: RefCell<(String, bool)> = RefCell::default();
}

fn remember(info: &panic::PanicHookInfo<'_>) {
    let own = info.location().is_some_and(|location| location.file().contains("adieu-core"));
    LAST.set((info.payload_as_str().unwrap_or_default().to_owned(), own));
}
