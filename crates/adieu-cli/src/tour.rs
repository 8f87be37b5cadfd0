//! `adieu tour`: ways a connection ends, shown and checked.

mod scenarios;

use std::process::ExitCode;

use adieu_core::Receipt;
use adieu_trace::{Ladder, Trace, receipts_side_by_side};

use crate::args::Tour;
use crate::failure::{Failure, NOT_GRACEFUL};
use crate::output;
use scenarios::SCENARIOS;

/// One way a connection ends. The name is stable.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) run: fn() -> Outcome,
}

/// What a scenario left behind.
pub(crate) struct Outcome {
    pub(crate) trace: Trace,
    /// Left and right end's.
    pub(crate) receipts: [Option<Receipt>; 2],
    pub(crate) checks: Vec<Check>,
}

/// Something a scenario claims, and whether it held.
pub(crate) struct Check {
    pub(crate) claim: String,
    pub(crate) held: bool,
}

pub(crate) fn run(tour: &Tour) -> Result<ExitCode, Failure> {
    if tour.list {
        for scenario in SCENARIOS {
            anstream::println!("{:<12} {}", scenario.name, scenario.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut all_held = true;
    for scenario in chosen(&tour.names)? {
        let outcome = (scenario.run)();
        show(scenario, &outcome, tour.ascii);
        all_held &= outcome.checks.iter().all(|check| check.held);
    }
    Ok(if all_held { ExitCode::SUCCESS } else { ExitCode::from(NOT_GRACEFUL) })
}

fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>, Failure> {
    if names.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    let find = |name: &String| {
        let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        let unknown = || Failure::usage(format!("there is no scenario {name:?}; there are: {}", known.join(", ")));
        SCENARIOS.iter().find(|scenario| scenario.name == name).ok_or_else(unknown)
    };
    names.iter().map(find).collect()
}

fn show(scenario: &Scenario, outcome: &Outcome, ascii: bool) {
    let (width, style) = (output::width(), output::style());
    anstream::println!("{}: {}\n", scenario.name, scenario.title);
    anstream::println!("{}", Ladder { width, ascii, style }.draw(&outcome.trace));
    let [left, right] = &outcome.trace.ends;
    if let [Some(ours), Some(theirs)] = &outcome.receipts {
        anstream::println!("{}", receipts_side_by_side((&left.name, ours), (&right.name, theirs), width, style));
    }
    let (yes, no) = if ascii { ("ok  ", "FAIL") } else { ("✓", "✗") };
    for check in &outcome.checks {
        anstream::println!("{} {}", if check.held { yes } else { no }, check.claim);
    }
    anstream::println!();
}
