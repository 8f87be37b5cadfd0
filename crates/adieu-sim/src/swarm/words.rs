//! A plan in words.

use std::fmt;

use adieu_core::{Duration, Unwanted};
use adieu_trace::{Side, human};

use super::plan::{Deed, Impatience, Incident, Mishap, Port, Program, Reading, Talk, When};
use crate::{Deed as Strike, Fault, Strikes, TooBig, Wire};

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
            Self::Linger(patience, Impatience::Continue) => write!(f, "closes, and waits for {}", human(*patience)),
            Self::Linger(patience, Impatience::Abort) => {
                write!(f, "closes, and resets what is not acknowledged within {}", human(*patience))
            }
            Self::LingerOver(_) => f.write_str("has waited long enough"),
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
            Self::Restart { side, records, dead } => {
                let records = if *records { "with" } else { "without" };
                write!(f, "the {} host's program dies, and after {} another begins ", name(*side), human(*dead))?;
                write!(f, "{records} its records of TIME-WAIT")
            }
            Self::Act { talk, side, deed } => write!(f, "the {} end of connection {talk} {deed}", name(*side)),
            Self::Timestamps(side, wanted) => {
                write!(f, "the {} host wants timestamps{}", name(*side), if *wanted { "" } else { " no more" })
            }
            Self::CloseAll(side) => write!(f, "the {} host closes everything", name(*side)),
            Self::AbortAll(side) => write!(f, "the {} host aborts everything", name(*side)),
            Self::RemoveAddress { side, reachable } => {
                let resets = if *reachable { "resets can" } else { "nothing can" };
                write!(f, "the {} host's address goes for a moment; {resets} still leave", name(*side))
            }
            Self::Unplug(side, lasts) => write!(f, "the {} host's device goes for {}", name(*side), human(*lasts)),
            Self::Full(side, lasts) => write!(f, "the {} host's device is full for {}", name(*side), human(*lasts)),
            Self::Suspend(side, lasts, room) => {
                let (side, lasts) = (name(*side), human(*lasts));
                write!(f, "the {side} host's program stands still for {lasts}, and {room} packets wait for it")
            }
            Self::Leap(side, by) => write!(f, "the {} host's clock leaps ahead by {}", name(*side), human(*by)),
            Self::Stop(side, lasts) => write!(f, "the {} host's clock stands still for {}", name(*side), human(*lasts)),
            Self::Fault(fault) => fault_in_words(f, fault),
            Self::LinkDown(side, lasts) => write!(f, "the link from the {} is down for {}", name(*side), human(*lasts)),
            Self::Narrow(side, narrow) => {
                let says = match narrow.says {
                    TooBig::Told => "and says so",
                    TooBig::Unsized => "and says so, not how much",
                    TooBig::Silent => "and says nothing",
                };
                write!(f, "the path from the {} carries packets of {} bytes, {says}", name(*side), narrow.mtu)
            }
            Self::Nat { inside, idle, resets } => {
                let kind = if *resets { "resets" } else { "drops" };
                write!(f, "a middlebox beside the {} host forgets what is idle for {}", name(*inside), human(*idle))?;
                write!(f, ", and {kind} what it does not know")
            }
            Self::Icmp { to, error, forged } => {
                let about = if *forged { "what it never sent" } else { "a packet under way" };
                write!(f, "the {} host hears {error:?} about {about}", name(*to))
            }
            Self::Forge(to, forgery) => write!(f, "the {} host gets what nobody has sent: {forgery:?}", name(*to)),
            Self::Squeeze(side, lasts) => {
                write!(f, "the {} host has hardly any memory for {}", name(*side), human(*lasts))
            }
        }
    }
}

fn fault_in_words(f: &mut fmt::Formatter<'_>, fault: &Fault) -> fmt::Result {
    match fault.strikes {
        Strikes::Chance(millionths) => write!(f, "{} % of ", f64::from(millionths) / 10_000.0)?,
        Strikes::Nth(nth) => write!(f, "number {nth} of ")?,
        Strikes::First(count) => write!(f, "the first {count} of ")?,
    }
    match fault.class {
        Some(class) => write!(f, "all {class:?} segments")?,
        None => f.write_str("all segments")?,
    }
    if let Some(side) = fault.from {
        write!(f, " from the {}", name(side))?;
    }
    match fault.deed {
        Strike::Lose => f.write_str(" lost"),
        Strike::Hold(later) => write!(f, " late by {}", human(later)),
        Strike::Again(later) => write!(f, " once more after {}", human(later)),
        Strike::Corrupt => f.write_str(" damaged"),
        Strike::Mark => f.write_str(" marked"),
    }
}
