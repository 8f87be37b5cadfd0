//! Faults aimed at single packets: a rule sees each packet before the wire does, and may decide what becomes of it.

use std::fmt;

use adieu_core::wire::Flags;
use adieu_core::{Duration, Instant};
use adieu_trace::{SegmentSeen, Side};

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The next rule, or the wire, decides.
    Pass,
    /// It is lost.
    Lose,
    /// It takes this much longer.
    Hold(Duration),
    /// It arrives now, and once more this much later.
    Again(Duration),
    /// A router marks it: congestion experienced. One that does not say that it may be marked just passes.
    Mark,
}

impl Verdict {
    /// This, unless it is to pass.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self == Self::Pass { other } else { self }
    }
}

/// A packet of the followed connection that is about to go on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// The time.
    pub at: Instant,
    /// What it carries.
    pub segment: SegmentSeen,
}

impl Sight {
    /// Whether it comes from `side` and has all of `flags`.
    pub fn is(&self, side: Side, flags: Flags) -> bool {
        self.segment.from == side && self.segment.flags.has(flags)
    }

    /// Whether it is an acknowledgment and nothing else, from `side`.
    pub fn is_bare_ack(&self, side: Side) -> bool {
        self.segment.from == side && self.segment.flags == Flags::ACK && self.segment.len == 0
    }
}

/// Decides about packets, and remembers what it has seen.
pub struct Rule {
    name: String,
    decide: Box<dyn FnMut(&Sight) -> Verdict + Send>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({})", self.name)
    }
}

impl Rule {
    /// A rule by a function.
    pub fn new(name: impl Into<String>, decide: impl FnMut(&Sight) -> Verdict + Send + 'static) -> Self {
        Self { name: name.into(), decide: Box::new(decide) }
    }

    /// Applies `verdict` to the first `times` packets that `meant` picks.
    pub fn first(
        name: impl Into<String>,
        times: usize,
        verdict: Verdict,
        meant: impl Fn(&Sight) -> bool + Send + 'static,
    ) -> Self {
        let mut left = times;
        Self::new(name, move |sight| {
            if left == 0 || !meant(sight) {
                return Verdict::Pass;
            }
            left -= 1;
            verdict
        })
    }

    /// What this rule says of a packet.
    pub fn decide(&mut self, sight: &Sight) -> Verdict {
        (self.decide)(sight)
    }
}
