//! The swarm over fixed seeds: nothing may be found, and what was reached stays reached.
//!
//! `ADIEU_SWARM_SEEDS=from..to` runs others than the default ones; `adieu sim` does the same, with a ladder, and many at
//! once.

use std::ops::Range;

use adieu_sim::swarm::{Plan, Report, try_run};

const SEEDS: Range<u64> = 0..300;

fn seeds() -> Range<u64> {
    let Ok(asked) = std::env::var("ADIEU_SWARM_SEEDS") else { return SEEDS };
    let (from, to) = asked.split_once("..").expect("ADIEU_SWARM_SEEDS=from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn worlds_end_as_they_must() {
    let mut total = Report::default();
    let mut failed = Vec::new();
    for seed in seeds() {
        match try_run(&Plan::draw(seed)) {
            Ok(report) => total.add(&report),
            Err(failure) => {
                println!("seed {seed}: {}", failure.what.lines().next().unwrap_or_default());
                failed.push(seed);
            }
        }
    }
    println!("{} worlds, {} connections, {} events", total.worlds, total.connections, total.events);
    println!("{}", total.coverage.missing().iter().map(|cell| format!("missing: {cell}\n")).collect::<String>());
    assert!(failed.is_empty(), "{} failed: {failed:?}", failed.len());
}
