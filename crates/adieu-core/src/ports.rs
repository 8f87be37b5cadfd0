//! Which local port a connection gets: unforeseeable from outside, and never one that is taken.
//!
//! The double hash of RFC 6056 section 3.3.4. Every destination has a place of its own in the range where its ports
//! begin, and one of many counters that says how far it has come: ports for one destination follow each other, so that
//! none comes again soon, and tell nothing of those for another.

use alloc::vec;
use alloc::vec::Vec;

use crate::config::Config;
use crate::secrets::Secrets;
use crate::stack::Flow;

/// How many counters there are. The RFC's example has far fewer: so few that a server can have clients move all of
/// them, and tells the clients apart by which destinations share one (CVE-2022-1012, CVE-2022-32296).
const SLOTS: usize = 1 << 16;

/// The counters, none before the first choice.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Ports {
    counters: Vec<u32>,
}

/// How a port stands with one destination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tuple {
    /// Nothing has it.
    Free,
    /// A connection that is over has it, in TIME-WAIT.
    Waiting,
    /// It is in use.
    Taken,
}

/// The port that was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Choice {
    Free(u16),
    /// Nothing is free; this port's connection is in TIME-WAIT. The caller decides whether that will do.
    Waiting(u16),
}

impl Choice {
    pub(crate) fn free(self) -> Option<u16> {
        match self {
            Self::Free(port) => Some(port),
            Self::Waiting(_) => None,
        }
    }
}

impl Ports {
    /// Looks through the range once and takes the first port that is free and not reserved; where there is none, the
    /// first in TIME-WAIT. `towards` is the flow without its local port.
    pub(crate) fn choose(
        &mut self,
        secrets: &Secrets,
        config: &Config,
        towards: &Flow,
        tuple: impl Fn(u16) -> Tuple,
    ) -> Option<Choice> {
        if self.counters.is_empty() {
            self.counters = vec![0; SLOTS];
        }
        let towards = Flow { local_port: 0, ..*towards };
        let slot = usize::try_from(secrets.port_slot(&towards) % (SLOTS as u64)).ok()?;
        let counter = self.counters.get_mut(slot)?;
        let start = secrets.port_offset(&towards).wrapping_add(u64::from(*counter));
        let (choice, steps) = search(config, start, tuple)?;
        *counter = counter.wrapping_add(steps);
        Some(choice)
    }
}

/// What there is from `start` on, round the range, and how many ports were looked at up to there.
fn search(config: &Config, start: u64, tuple: impl Fn(u16) -> Tuple) -> Option<(Choice, u32)> {
    let (low, high) = config.ephemeral_ports;
    let count = u32::from(high.checked_sub(low)?) + 1;
    let start = u32::try_from(start % u64::from(count)).ok()?;
    let mut waiting = None;
    for step in 0..count {
        let port = low + u16::try_from((start + step) % count).ok()?;
        if config.reserved_ports.contains(&port) {
            continue;
        }
        match tuple(port) {
            Tuple::Free => return Some((Choice::Free(port), step + 1)),
            Tuple::Waiting => waiting = waiting.or(Some((Choice::Waiting(port), step + 1))),
            Tuple::Taken => {}
        }
    }
    waiting
}

#[cfg(test)]
mod tests;
