//! The tour on a network in memory: two hosts of ours, in virtual time.

mod abrupt;
mod alone;
mod crossing;
mod exit;
mod half_close;
mod linger;
mod lost;
mod orderly;
mod orphans;
mod ports;
mod quarantine;
mod reuse;
mod scenarios;
mod stage;
mod time_wait;
mod without_wait;

use super::{Options, Outcome, Played};
use crate::failure::Failure;

pub(super) use scenarios::SCENARIOS;

/// One way a connection ends. The name is stable.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    run: fn(&Options) -> Outcome,
}

/// The scenarios of these names, or all.
pub(super) fn choose(names: &[String]) -> Result<Vec<&'static Scenario>, Failure> {
    super::chosen(names, SCENARIOS.iter().map(|scenario| (scenario.name, scenario)))
}

/// Plays scenarios, and hands over each when it is done.
pub(super) fn play(chosen: &[&'static Scenario], options: &Options, done: impl FnMut(Played)) {
    chosen.iter().map(|scenario| scenario.play(options)).for_each(done);
}

impl Scenario {
    fn play(&self, options: &Options) -> Played {
        let place = SCENARIOS.iter().position(|scenario| scenario.name == self.name).unwrap_or(0);
        let port = options.port + u16::try_from(place).unwrap_or(0);
        let outcome = (self.run)(&Options { port, ..options.clone() });
        Played { name: self.name, title: self.title, outcome }
    }
}

#[cfg(test)]
mod tests;
