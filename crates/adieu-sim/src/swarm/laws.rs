//! Laws that hold in the instant of an event, each with the ids of its requirement.

mod bounds;
mod drain;
mod patience;
mod ports;
mod vigil;

use adieu_core::{Duration, Instant, Receipt};

pub(super) use drain::Drain;
pub(super) use ports::Ports;
pub(super) use vigil::Vigil;

use super::run::Run;
use crate::Happened;

/// What counts in milliseconds may be so far off.
const ROUNDING: Duration = Duration::from_millis(2);

impl Run {
    /// Before anything else is made of it.
    pub(super) fn note(&mut self, happened: &Happened) {
        self.note_ports(happened);
        self.note_vigil(happened);
    }

    /// A connection has ended.
    pub(super) fn note_ended(&mut self, now: Instant, at: usize, receipt: &Receipt) {
        self.part(now, at, receipt);
        self.check_times_of(at, receipt);
        self.check_drain(at, receipt);
    }
}

/// The later of two timestamps.
fn later(a: u32, b: u32) -> u32 {
    if b.wrapping_sub(a) < 1 << 31 { b } else { a }
}
