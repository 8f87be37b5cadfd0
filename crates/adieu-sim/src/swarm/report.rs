//! What worlds have led to, counted.

use std::collections::BTreeMap;

use adieu_core::{Ending, State};

use super::ends::{End, Ends};
use super::run::Run;
use crate::coverage::Coverage;

/// Counts of one world, or of many.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Worlds.
    pub worlds: u64,
    /// Attempts to connect.
    pub connections: u64,
    /// Events: packets that arrived, timers that fired, times that applications acted.
    pub events: u64,
    /// Endings, by name and the state they came in.
    pub endings: BTreeMap<(&'static str, &'static str), u64>,
    /// Pairs of endings of both ends of one connection (4.5), each pair once for each of its ends.
    pub pairs: BTreeMap<(String, String), u64>,
    /// What was reached (4.8).
    pub coverage: Coverage,
    /// Pairs of states of both ends of one connection (4.3).
    pub joint: BTreeMap<(State, State), u64>,
}

impl Report {
    /// Adds another's counts to this one.
    pub fn add(&mut self, other: &Self) {
        self.coverage.merge(&other.coverage);
        self.worlds += other.worlds;
        self.connections += other.connections;
        self.events += other.events;
        other.endings.iter().for_each(|(key, n)| *self.endings.entry(*key).or_default() += n);
        other.pairs.iter().for_each(|(key, n)| *self.pairs.entry(key.clone()).or_default() += n);
        other.joint.iter().for_each(|(key, n)| *self.joint.entry(*key).or_default() += n);
    }

    /// An end has come to a state: so has the pair.
    pub(super) fn joint(&mut self, ends: &Ends, at: usize) {
        let Some(peer) = ends.peer(at) else { return };
        let (a, b) = (ends.get(at).state, ends.get(peer).state);
        *self.joint.entry((a.min(b), a.max(b))).or_default() += 1;
    }

    pub(super) fn pair(&mut self, endings: [Option<Ending>; 2]) {
        let [a, b] = endings.map(named);
        *self.pairs.entry(if a <= b { (a, b) } else { (b, a) }).or_default() += 1;
    }
}

fn named(ending: Option<Ending>) -> String {
    ending.map_or_else(|| "none".into(), |ending| format!("{} in {}", ending.name(), ending.state()))
}

impl Run {
    pub(super) fn into_report(self) -> Report {
        let mut report = self.report;
        report.coverage = self.watcher.coverage().clone();
        report.worlds = 1;
        report.events = self.events;
        let opened = |end: &&End| end.active;
        report.connections = self.ends.iter().filter(opened).count() as u64;
        for receipt in self.ends.iter().filter_map(|end| end.receipt) {
            *report.endings.entry((receipt.ending.name(), receipt.ending.state().name())).or_default() += 1;
        }
        report
    }
}
