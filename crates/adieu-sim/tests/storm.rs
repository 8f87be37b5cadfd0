//! Storms: random hosts, wires and applications, and an oracle that knows what each application did.
//!
//! Each seed is one storm. `ADIEU_STORM_SEEDS=from..to` runs others than the default ones; `ADIEU_STORM_SHOW=1` shows
//! what a seed has drawn, and the ladder of its first connection; `ADIEU_STORM_BLIND=1` counts no coverage. What the
//! default seeds reach stands in `storm/reached.txt`; `ADIEU_BLESS=1` writes it anew.

#[path = "storm/app.rs"]
mod app;
#[path = "storm/draw.rs"]
mod draw;
#[path = "storm/ends.rs"]
mod ends;
#[path = "storm/found.rs"]
mod found;
#[path = "storm/found_resets.rs"]
mod found_resets;
#[path = "storm/oracle.rs"]
mod oracle;
#[path = "storm/run.rs"]
mod run;
#[path = "storm/tally.rs"]
mod tally;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tally::Tally;

const SEEDS: Range<u64> = 0..1000;

fn seeds() -> Range<u64> {
    let Ok(asked) = std::env::var("ADIEU_STORM_SEEDS") else { return SEEDS };
    let (from, to) = asked.split_once("..").expect("ADIEU_STORM_SEEDS=from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// Runs the storms of `seeds`, goes on after a failure, and says how to see each again.
fn storms(seeds: Range<u64>) -> Tally {
    let mut total = Tally::default();
    let mut failed = Vec::new();
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| run::storm(seed))) {
            Ok(tally) => total.add(&tally),
            Err(_) => {
                let range = format!("{seed}..{}", seed + 1);
                println!("seed {seed}: ADIEU_STORM_SEEDS={range} cargo test -p adieu-sim --test storm storms");
                failed.push(seed);
            }
        }
    }
    println!("{total}");
    assert!(failed.is_empty(), "{} failed: {failed:?}", failed.len());
    total
}

/// Every ending that two hosts can bring about without ICMP, linger options and shutting a stack down (4.8).
const REACHED: [&str; 14] = [
    "aborted-by-call",
    "aborted-close-with-unread",
    "aborted-data-after-close",
    "aborted-listener-closed",
    "cancelled",
    "graceful-local-first",
    "graceful-peer-first",
    "graceful-simultaneous",
    "refused",
    "reset-by-peer",
    "timed-out-connect",
    "timed-out-fin-wait-2",
    "timed-out-retransmission",
    "timed-out-zero-window",
];

#[test]
fn storms_end_as_they_must() {
    let asked = seeds();
    let tally = storms(asked.clone());
    if asked == SEEDS && std::env::var_os("ADIEU_STORM_BLIND").is_none() {
        let missing: Vec<&str> =
            REACHED.into_iter().filter(|name| !tally.endings.keys().any(|(ending, _)| ending == name)).collect();
        assert!(missing.is_empty(), "endings no storm has led to: {missing:?}");
        let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storm/reached.txt");
        let changed = tally.coverage.hold_against(&snapshot).expect("the snapshot can be read");
        assert!(changed.is_empty(), "4.8, other cells than before: ADIEU_BLESS=1 if that is right\n{changed}");
    }
}
