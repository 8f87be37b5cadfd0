//! `adieu sim`: worlds drawn from seeds, and what becomes of their connections.

mod document;
mod drawn;
mod found;
mod one;
mod page;
mod places;
mod progress;
mod quiet;
mod stop;

use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, thread};

use adieu_sim::swarm::{Campaign, Campaigned, Plan, Promise, campaign_of};

use self::found::Found;
pub(crate) use self::places::Places;
use self::progress::Progress;
use crate::args::Sim;
use crate::failure::{Failure, NOT_GRACEFUL};
use crate::output;

/// Worlds, where nobody says how many or for how long.
const WORLDS: u64 = 1000;

/// Most threads.
const JOBS: usize = 1024;

/// All there is to say at the end.
struct Outcome {
    all: Campaigned,
    found: Vec<Found>,
    first: u64,
    jobs: NonZeroUsize,
    /// By a signal.
    stopped: bool,
}

pub(crate) fn run(sim: &Sim) -> Result<ExitCode, Failure> {
    let alone = sim.seed.filter(|_| sim.worlds.is_none() && sim.minutes.is_none());
    check(sim, alone)?;
    let _quiet = quiet::Quiet::new();
    stop::listen();
    let outcome = match alone {
        Some(seed) => match one::run(sim, seed)? {
            Some(outcome) => outcome,
            None => return Ok(ExitCode::SUCCESS),
        },
        None => many(sim)?,
    };
    let text = if sim.json { document::json(&outcome)? } else { page::page(&outcome, sim) };
    output::print(&text)?;
    Ok(match stop::asked() {
        _ if !outcome.all.failed.is_empty() => ExitCode::from(NOT_GRACEFUL),
        Some(code) if outcome.stopped => ExitCode::from(code),
        Some(_) | None => ExitCode::SUCCESS,
    })
}

/// Refuses what cannot be done before hours have gone.
fn check(sim: &Sim, alone: Option<u64>) -> Result<(), Failure> {
    for (given, name) in [(sim.without.is_some(), "--without"), (sim.connection.is_some(), "--connection")] {
        if given && alone.is_none() {
            return Err(Failure::usage(format_args!("{name} is for one world: give --seed N alone")));
        }
    }
    if sim.jobs.is_some_and(|jobs| usize::from(jobs.get()) > JOBS) {
        return Err(Failure::usage(format_args!("--jobs: at most {JOBS} threads")));
    }
    let first = sim.seed.unwrap_or(0);
    if sim.worlds.is_some_and(|worlds| first.checked_add(worlds.get()).is_none()) {
        return Err(Failure::usage(format_args!("there are not so many seeds from {first} on; give fewer --worlds")));
    }
    check_writable(&sim.output)
}

fn check_writable(dir: &Path) -> Result<(), Failure> {
    let probe = dir.join(format!(".adieu-sim-{}", std::process::id()));
    let tried =
        fs::create_dir_all(dir).and_then(|()| fs::File::create_new(&probe)).and_then(|_| fs::remove_file(&probe));
    tried.map_err(|error| {
        let dir = dir.display();
        Failure::usage(format_args!(
            "cannot write to {dir}: {error}; give a directory this user may write to (--output)"
        ))
    })
}

fn many(sim: &Sim) -> Result<Outcome, Failure> {
    let campaign = Campaign {
        first: sim.seed.unwrap_or(0),
        worlds: sim.worlds.map(NonZeroU64::get).or(sim.minutes.is_none().then_some(WORLDS)),
        time: sim.minutes,
        jobs: jobs(sim),
        failures: sim.keep_going.map_or(1, NonZeroUsize::get),
    };
    let progress = Progress::new();
    let mut all = campaign_of(
        &campaign,
        |seed| plan(sim, seed),
        |all| {
            progress.ran(all, &campaign);
            if stop::asked().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    let stopped = stop::asked().is_some();
    // Threads that were at work when the last one failed may have brought more.
    all.failed.truncate(campaign.failures);
    let examine = |(seed, what): &(u64, String)| Found::examine(sim, *seed, &plan(sim, *seed), what, &progress);
    let found = all.failed.iter().map(examine).collect::<Result<_, _>>()?;
    progress.finish();
    Ok(Outcome { all, found, first: campaign.first, jobs: campaign.jobs, stopped })
}

/// The world of a seed, and what it is judged by.
fn plan(sim: &Sim, seed: u64) -> Plan {
    Plan { promise: sim.promise, ..Plan::draw(seed) }
}

fn jobs(sim: &Sim) -> NonZeroUsize {
    let machine = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let jobs = sim.jobs.map_or_else(machine, NonZeroUsize::from);
    // More would have nothing to do.
    let worlds = sim.worlds.and_then(|worlds| NonZeroUsize::try_from(worlds).ok());
    worlds.map_or(jobs, |worlds| jobs.min(worlds))
}

/// `--promise NAME`.
pub(crate) fn promise(text: &str) -> Result<Promise, String> {
    let names = || Promise::ALL.map(Promise::id).join(" or ");
    Promise::ALL.into_iter().find(|promise| promise.id() == text).ok_or_else(|| format!("give {}", names()))
}

/// Who ran it: a seed means the same world only for the same version.
fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    // From the build script.
    match option_env!("ADIEU_COMMIT") {
        Some(commit) => format!("adieu {version}, commit {commit}"),
        None => format!("adieu {version}"),
    }
}
