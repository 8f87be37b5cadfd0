//! `adieu tour`: ways a connection ends, shown and checked.

mod collapse;
mod export;
#[cfg(target_os = "linux")]
mod linux;
mod memory;
mod show;

pub(crate) use collapse::collapse;

use std::process::ExitCode;

use adieu_core::{Duration, Receipt};
use adieu_sim::Device;
use adieu_trace::{Style, Trace};

use crate::args::{Peer, Role, Tour};
use crate::failure::{Failure, NOT_GRACEFUL};
use crate::output;

/// How to play, and how to show it.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The stay in TIME-WAIT, 30 s to 240 s, where one was asked for. Scenarios about other stays choose their own.
    pub(crate) time_wait: Option<Duration>,
    /// IPv6 instead of IPv4.
    pub(crate) ipv6: bool,
    /// Left and right host's device, on the network in memory.
    pub(crate) device: [Device; 2],
    /// The client's port in the first scenario in memory. Each has its own: a capture of many keeps them apart.
    pub(crate) port: u16,
    /// What adieu is, where Linux is the other end.
    pub(crate) role: Role,
    /// Columns.
    pub(crate) width: usize,
    /// ASCII characters only.
    pub(crate) ascii: bool,
    /// With or without colour.
    pub(crate) style: Style,
}

/// The client's port in the first scenario.
const FIRST_PORT: u16 = 49152;

impl Default for Options {
    fn default() -> Self {
        let (device, port, role) = ([Device::Plain; 2], FIRST_PORT, Role::Client);
        Self { time_wait: None, ipv6: false, device, port, role, width: 100, ascii: false, style: Style::Plain }
    }
}

/// A scenario that was played.
pub(crate) struct Played {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) outcome: Outcome,
}

/// What a scenario left behind.
pub(crate) struct Outcome {
    /// Of the first connection.
    pub(crate) trace: Trace,
    /// Left and right end's, of the connection the scenario is about.
    pub(crate) receipts: [Option<Receipt>; 2],
    /// Further connections.
    pub(crate) others: Vec<Pair>,
    /// What else there is to say: what the other end's system counted.
    pub(crate) remarks: Vec<String>,
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
    let options = Options {
        time_wait: tour.time_wait,
        ipv6: tour.ipv6,
        role: tour.role.unwrap_or(Role::Client),
        width: output::width(),
        ascii: tour.ascii,
        style: output::style(tour.color),
        ..Options::default()
    };
    if tour.role.is_some() && tour.peer == Peer::Memory {
        return Err(Failure::usage("--as is for --peer linux: on the network in memory both ends are adieu"));
    }
    if tour.list {
        let scenarios = match tour.peer {
            Peer::Memory => memory::SCENARIOS.iter().map(|scenario| (scenario.name, scenario.title)).collect(),
            #[cfg(target_os = "linux")]
            Peer::Linux => linux::list(options.role),
            #[cfg(not(target_os = "linux"))]
            Peer::Linux => return Err(no_linux()),
        };
        anstream::print!("{}", list(&scenarios));
        return Ok(ExitCode::SUCCESS);
    }
    let (names, mut played) = (&tour.names, Vec::new());
    let done = |one: Played| {
        if !tour.json {
            anstream::println!("{}", show::page(&one, &options));
        }
        played.push(one);
    };
    match tour.peer {
        Peer::Memory => {
            let chosen = memory::choose(names)?;
            export::check(tour)?;
            memory::play(&chosen, &options, done);
        }
        #[cfg(target_os = "linux")]
        Peer::Linux => {
            let chosen = linux::choose(names, options.role)?;
            export::check(tour)?;
            linux::play(&chosen, &options, done)?;
        }
        #[cfg(not(target_os = "linux"))]
        Peer::Linux => return Err(no_linux()),
    }
    if let Some(dir) = &tour.svg {
        export::write_svgs(&played, dir)?;
    }
    if let Some(file) = &tour.pcap {
        export::write_pcapng(&played, file)?;
    }
    if tour.json {
        anstream::print!("{}", export::to_json(&played)?);
    } else {
        print_sum(&played);
    }
    let held = played.iter().all(|one| one.outcome.checks.iter().all(|check| check.held));
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::from(NOT_GRACEFUL) })
}

#[cfg(not(target_os = "linux"))]
fn no_linux() -> Failure {
    Failure::usage("--peer linux needs Linux, as the other end and for its TUN device")
}

/// The sum of all that was played.
fn print_sum(played: &[Played]) {
    let checks = || played.iter().flat_map(|one| &one.outcome.checks);
    let (scenarios, all) = (played.len(), checks().count());
    if scenarios > 1 {
        match checks().filter(|check| !check.held).count() {
            0 => anstream::println!("{scenarios} scenarios, {all} checks, all held"),
            failed => anstream::println!("{scenarios} scenarios, {all} checks, {failed} FAILED"),
        }
    }
}

/// Names and titles.
fn list(scenarios: &[(&str, &str)]) -> String {
    let longest = scenarios.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    scenarios.iter().map(|(name, title)| format!("{name:<longest$}  {title}\n")).collect()
}

/// The scenarios of these names, in that order; all where none is named.
fn chosen<'a, S>(names: &[String], known: impl Iterator<Item = (&'a str, &'a S)>) -> Result<Vec<&'a S>, Failure> {
    let known: Vec<(&str, &S)> = known.collect();
    if names.is_empty() {
        return Ok(known.into_iter().map(|(_, scenario)| scenario).collect());
    }
    let find = |name: &String| {
        let all = || known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let unknown = || Failure::usage(format!("there is no scenario {name:?}; there are: {}", all()));
        known.iter().find(|(known, _)| known == name).map(|(_, scenario)| *scenario).ok_or_else(unknown)
    };
    names.iter().map(find).collect()
}
