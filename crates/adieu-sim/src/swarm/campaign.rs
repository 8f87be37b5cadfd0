//! Many worlds, on as many threads as one likes.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{Plan, Report, try_run};

/// Which worlds to run.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// The first seed; the others follow it.
    pub first: u64,
    /// How many worlds; `None`: as many as there is time for.
    pub worlds: Option<u64>,
    /// For how long; `None`: until all worlds have run.
    pub time: Option<Duration>,
    /// On how many threads.
    pub jobs: NonZeroUsize,
    /// Begin no more worlds after so many have failed.
    pub failures: usize,
}

/// What a campaign has come to.
#[derive(Clone, Debug, Default)]
pub struct Campaigned {
    /// Counts of all worlds that broke no promise.
    pub report: Report,
    /// The seeds of those that did, lowest first, and the promise each broke.
    pub failed: Vec<(u64, String)>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Campaigned {
    /// Worlds that have run.
    pub fn worlds(&self) -> u64 {
        self.report.worlds + self.failed.len() as u64
    }
}

/// Runs worlds, and calls `progress` after each. Seeds are taken in order, so that with a number of worlds the outcome
/// does not depend on the number of threads.
pub fn campaign(campaign: &Campaign, mut progress: impl FnMut(&Campaigned)) -> Campaigned {
    campaign_of(campaign, Plan::draw, |all| {
        progress(all);
        ControlFlow::Continue(())
    })
}

/// [`campaign`] of other worlds than the seeds' own: `plan` makes them. No more worlds are begun once `progress` breaks
/// off; those that were still count.
pub fn campaign_of(
    campaign: &Campaign,
    plan: impl Fn(u64) -> Plan + Sync,
    mut progress: impl FnMut(&Campaigned) -> ControlFlow<()>,
) -> Campaigned {
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(campaign.first), AtomicBool::new(false));
    let end = campaign.worlds.map_or(u64::MAX, |worlds| campaign.first.saturating_add(worlds));
    let mut all = Campaigned::default();
    thread::scope(|scope| {
        let (sender, receiver) = channel();
        for _ in 0..campaign.jobs.get() {
            let sender = sender.clone();
            let (next, stop, plan) = (&next, &stop, &plan);
            scope.spawn(move || work(next, end, stop, plan, &sender));
        }
        drop(sender);
        for (seed, outcome) in receiver {
            match outcome {
                Ok(report) => all.report.add(&report),
                Err(what) => all.failed.push((seed, what)),
            }
            all.elapsed = began.elapsed();
            let late = campaign.time.is_some_and(|time| all.elapsed >= time);
            if progress(&all).is_break() || late || all.failed.len() >= campaign.failures {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    all.failed.sort_unstable();
    all.elapsed = began.elapsed();
    all
}

type Outcome = (u64, Result<Report, String>);

fn work(next: &AtomicU64, end: u64, stop: &AtomicBool, plan: &(impl Fn(u64) -> Plan + Sync), done: &Sender<Outcome>) {
    while !stop.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        let outcome = try_run(&plan(seed)).map_err(|failure| failure.what);
        if done.send((seed, outcome)).is_err() {
            return;
        }
    }
}
