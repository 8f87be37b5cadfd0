//! What the storms have led to, counted.

use std::collections::BTreeMap;
use std::fmt;

use adieu_core::Ending;
use adieu_sim::coverage::Coverage;

use crate::run::Run;

/// Endings by state, and pairs of endings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: u64,
    pub(crate) endings: BTreeMap<(&'static str, &'static str), u64>,
    pub(crate) pairs: BTreeMap<(String, String), u64>,
    pub(crate) coverage: Coverage,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.coverage.merge(&other.coverage);
        other.endings.iter().for_each(|(key, n)| *self.endings.entry(*key).or_default() += n);
        other.pairs.iter().for_each(|(key, n)| *self.pairs.entry(key.clone()).or_default() += n);
    }
}

fn named(ending: Option<Ending>) -> String {
    ending.map_or_else(|| "none".into(), |ending| format!("{} in {}", ending.name(), ending.state()))
}

impl Run {
    pub(crate) fn tally(&self) -> Tally {
        let coverage = self.watcher.coverage().clone();
        let mut tally = Tally { connections: self.connections.len() as u64, coverage, ..Tally::default() };
        for connection in &self.connections {
            let endings = connection.ends.each_ref().map(|end| end.receipt.map(|receipt| receipt.ending));
            for ending in endings.into_iter().flatten() {
                *tally.endings.entry((ending.name(), ending.state().name())).or_default() += 1;
            }
            let [a, b] = endings.map(named);
            *tally.pairs.entry(if a <= b { (a, b) } else { (b, a) }).or_default() += 1;
        }
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} connections", self.connections)?;
        for ((ending, state), n) in &self.endings {
            writeln!(f, "{ending:28} {state:14} {n:9}")?;
        }
        for ((one, other), n) in &self.pairs {
            writeln!(f, "{one:44} {other:44} {n:9}")?;
        }
        writeln!(f, "{}", self.coverage)
    }
}
