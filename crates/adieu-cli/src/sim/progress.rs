//! How far it is, on a terminal's standard error; nowhere else.

use std::time::Duration;

use adieu_sim::swarm::{Campaign, Campaigned, id};
use adieu_trace::human;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::grouped;

/// The bar's whole length.
const WHOLE: u32 = 1000;

pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new() -> Self {
        // Drawn on standard error, and hidden where that is no terminal.
        let bar = ProgressBar::new(WHOLE.into());
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar }
    }

    /// One more world of a campaign has run.
    pub(super) fn ran(&self, all: &Campaigned, campaign: &Campaign) {
        if self.bar.is_hidden() {
            return;
        }
        let done = share(all, campaign);
        self.bar.set_position(done.into());
        let left = (done > 0).then(|| all.elapsed * WHOLE.saturating_sub(done) / done.max(1));
        let left = left.map_or_else(String::new, |left| format!(", {} left", human(whole_seconds(left))));
        let rate = grouped(rate(all.worlds(), Duration::from_secs(60), all.elapsed));
        let (worlds, connections) = (grouped(all.worlds()), grouped(all.report.connections));
        let failed = match all.failed.len() {
            0 => String::new(),
            failed => format!(", {failed} FAILED"),
        };
        self.bar.set_message(format!("{worlds} worlds, {connections} connections, {rate} worlds/min{failed}{left}"));
    }

    /// A world that failed is made smaller.
    pub(super) fn shrinks(&self, seed: u64, what: &str, [tried, most]: [usize; 2], left: usize) {
        if !self.bar.is_hidden() {
            self.bar.set_position(thousandths(tried as u128, most as u128).into());
            let id = id(what);
            self.bar.set_message(format!("seed {seed} breaks {id}: {left} pieces left of it, {tried} worlds tried"));
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// How much of a campaign is done, in thousandths.
fn share(all: &Campaigned, campaign: &Campaign) -> u32 {
    let worlds = campaign.worlds.map_or(0, |worlds| thousandths(all.worlds().into(), worlds.into()));
    let time = campaign.time.map_or(0, |time| thousandths(all.elapsed.as_nanos(), time.as_nanos()));
    worlds.max(time)
}

fn thousandths(part: u128, of: u128) -> u32 {
    u32::try_from(part * u128::from(WHOLE) / of.max(1)).unwrap_or(WHOLE).min(WHOLE)
}

/// How many in each `unit` of time, where so many took `elapsed`.
pub(super) fn rate(count: u64, unit: Duration, elapsed: Duration) -> u64 {
    u64::try_from(u128::from(count) * unit.as_nanos() / elapsed.as_nanos().max(1)).unwrap_or(u64::MAX)
}

fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + 1)
}
