//! A plan in words.

use std::fmt;

use adieu_core::{Duration, Unwanted};
use adieu_trace::{Side, human};

use super::plan::{Deed, Incident, Mishap, Port, Program, Reading, Talk, When};
use crate::Wire;

/// `left` or `right`.
pub(super) fn name(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}

/// Millionths, as people say it.
struct Percent(u32);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 10_000.0)
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a delay of {}", human(self.delay))?;
        for (chance, what) in [(self.loss, "lost"), (self.duplication, "twice")] {
            if chance > 0 {
                write!(f, ", {} {what}", Percent(chance))?;
            }
        }
        if self.reordering > 0 {
            write!(f, ", {} up to {} late", Percent(self.reordering), human(self.detour))?;
        }
        if self.rate > 0 {
            write!(f, ", {} bytes/s", self.rate)?;
        }
        Ok(())
    }
}

impl fmt::Display for Talk {
    /// One line: who connects to whom, when, and from which port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}: ", self.number)?;
        match self.port {
            Port::Crossing(apart) => write!(f, "both connect, {} apart,", human(apart))?,
            Port::Any => write!(f, "the {} host connects", name(self.opener))?,
            Port::Own => write!(f, "the {} host connects from its own port", name(self.opener))?,
        }
        write!(f, " at {}", human(self.at))
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.total {
            0 => f.write_str("writes nothing")?,
            1 => f.write_str("writes 1 byte")?,
            total => write!(f, "writes {total} bytes")?,
        }
        if self.total > self.piece {
            write!(f, ", at most {} at once", self.piece)?;
        }
        match self.reading {
            Reading::Eager => f.write_str(", reads all at once")?,
            Reading::Slow(bytes) => write!(f, ", reads {bytes} at a time")?,
            Reading::After(pause) => write!(f, ", reads nothing for {}", human(pause))?,
        }
        if self.pace > Duration::ZERO {
            write!(f, ", pauses for up to {}", human(self.pace))?;
        }
        if self.is_gentle() {
            return f.write_str(match self.shut_down_early {
                true => ", half-closes when all is written, and closes after the peer's end of stream",
                false => ", and closes after the peer's end of stream",
            });
        }
        self.deeds.iter().try_for_each(|(at, deed)| write!(f, "; after {} {deed}", human(*at)))
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutDown => f.write_str("half-closes"),
            Self::ShutDownRead(Unwanted::Refuse) => f.write_str("reads no more, and refuses what comes"),
            Self::ShutDownRead(Unwanted::Discard) => f.write_str("reads no more, and throws away what comes"),
            Self::Close => f.write_str("closes"),
            Self::CloseDrain(budget) => {
                write!(f, "closes, and throws away up to {} bytes for {}", budget.bytes, human(budget.time))
            }
            Self::ZeroLinger => f.write_str("wants a close to be a reset"),
            Self::LingerExpired => f.write_str("has lingered long enough"),
            Self::Release => f.write_str("drops its handle"),
            Self::Abort => f.write_str("resets"),
        }
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.when {
            When::At(at) => write!(f, "at {}", human(at))?,
            When::After { talk, side, state, events } => {
                let side = name(side);
                match events {
                    0 => write!(f, "when the {side} end of connection {talk} is in {state}")?,
                    1 => write!(f, "1 event after the {side} end of connection {talk} is in {state}")?,
                    _ => write!(f, "{events} events after the {side} end of connection {talk} is in {state}")?,
                }
            }
        }
        write!(f, ": {}", self.what)
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(wire) => write!(f, "the wire changes: {wire}"),
            Self::Outage(Some(lasts)) => write!(f, "nothing gets through for {}", human(*lasts)),
            Self::Outage(None) => f.write_str("nothing gets through any more"),
            Self::Unlisten(side) => write!(f, "the {} host stops listening", name(*side)),
            Self::Listen(side) => write!(f, "the {} host listens again", name(*side)),
            Self::Restart { side, records } => {
                let records = if *records { "with" } else { "without" };
                write!(f, "the {} host's program restarts {records} its records of TIME-WAIT", name(*side))
            }
            Self::CloseAll(side) => write!(f, "the {} host closes everything", name(*side)),
            Self::AbortAll(side) => write!(f, "the {} host aborts everything", name(*side)),
            Self::RemoveAddress { side, reachable } => {
                let resets = if *reachable { "resets can" } else { "nothing can" };
                write!(f, "the {} host's address goes for a moment; {resets} still leave", name(*side))
            }
            Self::DeviceGone(side) => write!(f, "the {} host's device goes for a moment", name(*side)),
            Self::Squeeze(side, lasts) => {
                write!(f, "the {} host has hardly any memory for {}", name(*side), human(*lasts))
            }
        }
    }
}
