//! `adieu tour`: ways a connection ends, shown and checked.

mod abrupt;
mod alone;
mod collapse;
mod crossing;
mod exit;
mod export;
mod lost;
mod orderly;
mod scenarios;
mod show;
mod stage;
mod time_wait;
mod without_wait;

use std::process::ExitCode;

use adieu_core::{Duration, Receipt};
use adieu_sim::Device;
use adieu_trace::{Style, Trace};

use crate::args::Tour;
use crate::failure::{Failure, NOT_GRACEFUL};
use crate::output;
use scenarios::SCENARIOS;

/// One way a connection ends. The name is stable.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) run: fn(&Options) -> Outcome,
}

/// How to play, and how to show it.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The stay in TIME-WAIT, 30 s to 240 s. Scenarios about other stays choose their own.
    pub(crate) time_wait: Duration,
    /// Left and right host's device.
    pub(crate) device: [Device; 2],
    /// Columns.
    pub(crate) width: usize,
    /// ASCII characters only.
    pub(crate) ascii: bool,
    /// With or without colour.
    pub(crate) style: Style,
}

impl Default for Options {
    fn default() -> Self {
        let time_wait = Duration::from_secs(60);
        Self { time_wait, device: [Device::Plain; 2], width: 100, ascii: false, style: Style::Plain }
    }
}

/// What a scenario left behind.
pub(crate) struct Outcome {
    /// Of the first connection.
    pub(crate) trace: Trace,
    /// Left and right end's, of the connection the scenario is about.
    pub(crate) receipts: [Option<Receipt>; 2],
    /// Further connections.
    pub(crate) others: Vec<Pair>,
    pub(crate) checks: Vec<Check>,
}

/// A further connection, and its receipts at the left and the right end.
pub(crate) struct Pair {
    pub(crate) what: String,
    pub(crate) receipts: [Option<Receipt>; 2],
}

/// Something a scenario claims, and whether it held.
pub(crate) struct Check {
    pub(crate) claim: String,
    pub(crate) held: bool,
}

pub(crate) fn run(tour: &Tour) -> Result<ExitCode, Failure> {
    if tour.list {
        anstream::print!("{}", list());
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options {
        time_wait: tour.time_wait.unwrap_or(Options::default().time_wait),
        width: output::width(),
        ascii: tour.ascii,
        style: output::style(tour.color),
        ..Options::default()
    };
    let played: Vec<(&Scenario, Outcome)> =
        chosen(&tour.names)?.into_iter().map(|scenario| (scenario, (scenario.run)(&options))).collect();
    if let Some(dir) = &tour.svg {
        export::write_svgs(&played, dir)?;
    }
    if let Some(file) = &tour.pcap {
        export::write_pcapng(&played, file)?;
    }
    if tour.json {
        anstream::print!("{}", export::to_json(&played)?);
    } else {
        print(&played, &options);
    }
    let held = played.iter().all(|(_, outcome)| outcome.checks.iter().all(|check| check.held));
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::from(NOT_GRACEFUL) })
}

/// The pages of all that was played, and their sum.
fn print(played: &export::Played, options: &Options) {
    let (mut checks, mut failed) = (0, 0);
    for (scenario, outcome) in played {
        anstream::println!("{}", show::page(scenario, outcome, options));
        checks += outcome.checks.len();
        failed += outcome.checks.iter().filter(|check| !check.held).count();
    }
    if played.len() > 1 {
        let scenarios = played.len();
        match failed {
            0 => anstream::println!("{scenarios} scenarios, {checks} checks, all held"),
            _ => anstream::println!("{scenarios} scenarios, {checks} checks, {failed} FAILED"),
        }
    }
}

/// Names and titles.
fn list() -> String {
    let longest = SCENARIOS.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    SCENARIOS.iter().map(|scenario| format!("{:<longest$}  {}\n", scenario.name, scenario.title)).collect()
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

#[cfg(test)]
mod tests;
