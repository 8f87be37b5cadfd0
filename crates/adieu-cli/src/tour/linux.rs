//! The tour with the Linux kernel's own TCP as the other end, over a TUN device, in real time.
//!
//! Each scenario has a network namespace of its own. Its wire is ours: packets can be lost, held back and forged. What
//! the kernel's end is in, the kernel says itself (`crate::diag`).

mod abrupt;
mod acts;
mod alone;
mod ends;
mod exit;
mod linger;
mod lost;
mod orderly;
mod outcome;
mod place;
mod scenarios;
mod setup;
mod stage;
mod time_wait;
mod watch;

use std::io::IsTerminal;
use std::time::Duration;

use super::{Check, Options, Outcome, Played};
use crate::args::Role;
use crate::failure::{Failure, notice};
use place::Place;
use scenarios::{NOT_WITH_LINUX, SCENARIOS, Scenario};
use setup::Setup;
use stage::{CLIENT, SERVER, Stage};

/// A scenario that takes longer has got stuck.
const LIMIT: Duration = Duration::from_secs(30);

/// Names and titles of what can be staged with adieu in this role.
pub(super) fn list(role: Role) -> Vec<(&'static str, &'static str)> {
    of(role).map(|scenario| (scenario.name, scenario.title)).collect()
}

fn of(role: Role) -> impl Iterator<Item = &'static Scenario> {
    SCENARIOS.iter().filter(move |scenario| scenario.roles.contains(&role))
}

/// Plays scenarios, and hands over each when it is done.
pub(super) fn play(
    chosen: &[&'static Scenario],
    options: &Options,
    mut done: impl FnMut(Played),
) -> Result<(), Failure> {
    // Before the first thread, and before anything is printed.
    let place = Place::leave_host()?;
    let progress = !std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    for (number, scenario) in chosen.iter().enumerate() {
        if progress {
            notice(format_args!("{} of {}: {}", number + 1, chosen.len(), scenario.name));
        }
        let outcome = scenario.play(&place, options)?;
        done(Played { name: scenario.name, title: scenario.title, outcome });
    }
    Ok(())
}

/// The scenarios of these names, or all that can be staged with adieu in this role.
pub(super) fn choose(names: &[String], role: Role) -> Result<Vec<&'static Scenario>, Failure> {
    for name in names {
        if let Some((_, why)) = NOT_WITH_LINUX.iter().find(|(known, _)| known == name) {
            return Err(Failure::usage(format_args!("{name} can be played in memory only: {why}")));
        }
        let known = SCENARIOS.iter().find(|scenario| scenario.name == name);
        if known.is_some_and(|scenario| !scenario.roles.contains(&role)) {
            let other = if role == Role::Client { "server" } else { "client" };
            return Err(Failure::usage(format_args!("{name} can be played only with --as {other}")));
        }
    }
    super::chosen(names, of(role).map(|scenario| (scenario.name, scenario)))
}

impl Scenario {
    fn play(&self, place: &Place, options: &Options) -> Result<Outcome, Failure> {
        place.renew()?;
        let adieu = if options.role == Role::Client { CLIENT } else { SERVER };
        let mut setup = Setup::new(adieu, options.ipv6, options.time_wait);
        (self.prepare)(&mut setup);
        let names = match options.role {
            Role::Client => ["adieu, client".into(), format!("{}, server", linux())],
            Role::Server => [format!("{}, client", linux()), "adieu, server".into()],
        };
        // A runtime for each: when it goes, so do the device and all tasks.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut stage = Stage::new(place, setup, names)?;
            let ended = tokio::time::timeout(LIMIT, (self.run)(&mut stage)).await.is_ok();
            let mut outcome = stage.finish(place).await;
            if !ended {
                outcome.checks.push(Check { claim: "the scenario comes to its end".into(), held: false });
            }
            Ok(outcome)
        })
    }
}

/// "Linux" and the two numbers that tell one from another.
fn linux() -> String {
    let system = rustix::system::uname();
    let release = system.release().to_string_lossy();
    let version: Vec<&str> = release.split(['.', '-']).take(2).collect();
    format!("Linux {}", version.join("."))
}
