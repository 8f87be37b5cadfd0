//! How long single calls take: the longest ones, and where.

use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// One call that took long.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Step {
    /// Microseconds, without those in which the thread was ready and others had the CPU.
    pub(crate) micros: f64,
    /// Microseconds by the wall clock.
    pub(crate) wall: f64,
    /// What was called.
    pub(crate) call: Cow<'static, str>,
    /// How many were parked when it was called.
    pub(crate) parked: u32,
}

/// What a phase of calls looked like.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Summary {
    pub(crate) calls: u64,
    /// 99.99 % of all calls took no longer, in microseconds.
    pub(crate) percentile_99_99: f64,
    /// Longest first.
    pub(crate) longest: Vec<Step>,
}

impl Summary {
    /// Of two runs the one with the shorter longest call.
    pub(crate) fn keep_quicker(&mut self, other: Self) {
        let longest = |summary: &Self| summary.longest.first().map_or(0.0, |step| step.micros);
        if longest(&other) < longest(self) {
            *self = other;
        }
    }
}

/// Collects calls; it allocates at the beginning only.
pub(crate) struct Steps {
    calls: u64,
    /// Calls by tenths of a microsecond; the last counts all that took longer.
    tenths: Vec<u32>,
    longest: Vec<Step>,
    /// Where the kernel says how long this thread has waited for a CPU.
    schedule: Option<File>,
    /// How long it had when it was last looked at.
    waited: f64,
}

const LONGEST: usize = 5;
/// Calls between two looks at the time waited, each of which costs some microseconds; and how long a call must take to
/// be worth one. What was waited between two looks is taken off the long call, though it may have been before it.
const LOOK_EVERY: u64 = 100;
const LONG: f64 = 50.0;

impl Steps {
    pub(crate) fn new() -> Self {
        let schedule = File::open("/proc/thread-self/schedstat").ok();
        Self { calls: 0, tenths: vec![0; 100_000], longest: Vec::with_capacity(LONGEST + 1), schedule, waited: 0.0 }
    }

    /// Calls `f` and notes how long it took.
    pub(crate) fn time<R>(&mut self, call: &'static str, parked: u32, f: impl FnOnce() -> R) -> R {
        if self.calls.is_multiple_of(LOOK_EVERY) {
            self.look();
        }
        let begun = Instant::now();
        let result = f();
        let wall = begun.elapsed().as_nanos() as f64 / 1e3;
        let waited = if wall < LONG { 0.0 } else { self.look() };
        self.note(Step { micros: (wall - waited).max(0.0), wall, call: Cow::Borrowed(call), parked });
        result
    }

    /// Microseconds that this thread was ready to run and did not, since the last look.
    fn look(&mut self) -> f64 {
        let mut bytes = [0; 64];
        let read = self.schedule.as_ref().and_then(|file| file.read_at(&mut bytes, 0).ok());
        let text = str::from_utf8(&bytes[..read.unwrap_or_default()]).unwrap_or_default();
        let nanos = text.split_whitespace().nth(1).and_then(|field| field.parse::<u64>().ok());
        let waited = nanos.unwrap_or_default() as f64 / 1e3;
        waited - core::mem::replace(&mut self.waited, waited)
    }

    fn note(&mut self, step: Step) {
        self.calls += 1;
        let last = self.tenths.len() - 1;
        self.tenths[((step.micros * 10.0) as usize).min(last)] += 1;
        let place = self.longest.partition_point(|longer| longer.micros >= step.micros);
        if place < LONGEST {
            self.longest.truncate(LONGEST - 1);
            self.longest.insert(place, step);
        }
    }

    /// What was collected; the collection begins anew.
    pub(crate) fn take(&mut self) -> Summary {
        let beyond = self.calls / 10_000;
        let mut above = 0;
        let longest_within = self.tenths.iter().rposition(|count| {
            above += u64::from(*count);
            above > beyond
        });
        let summary = Summary {
            calls: self.calls,
            percentile_99_99: longest_within.map_or(0.0, |tenths| (tenths + 1) as f64 / 10.0),
            longest: self.longest.clone(),
        };
        self.calls = 0;
        self.tenths.fill(0);
        self.longest.clear();
        summary
    }
}
