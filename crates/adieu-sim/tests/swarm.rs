//! The swarm over fixed seeds: nothing may be found, and every cell of 4.8 that can be reached is.
//!
//! `tests/swarm/reached.txt` names the cells that these seeds reach: one that is lost fails the test. Cells that the
//! first seeds do not reach have seeds of their own, `tests/swarm/rare.txt`. With `ADIEU_BLESS=1` both are written
//! anew, after a search that takes some minutes; `adieu sim` runs as many worlds as one likes.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::{env, fs};

use adieu_sim::coverage::{Cell, Coverage};
use adieu_sim::swarm::{Campaign, Campaigned, Plan, Report, STAGED, campaign, run};

/// Worlds from seed 0 on.
const WORLDS: u64 = 3000;

/// Worlds that are looked at for cells which those do not reach.
const SEARCHED: u64 = 60_000;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/swarm").join(name)
}

fn worlds(first: u64, worlds: u64) -> Campaigned {
    let jobs = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    campaign(&Campaign { first, worlds: Some(worlds), time: None, jobs, failures: 10 }, |_| {})
}

/// The first seed of each cell that `reached` has not.
fn search(reached: &Coverage) -> Vec<(u64, Cell)> {
    let mut rare = Vec::new();
    let mut missing = reached.missing();
    for first in (WORLDS..SEARCHED).step_by(1000) {
        if missing.is_empty() {
            break;
        }
        let found = worlds(first, 1000).report.coverage;
        if missing.iter().any(|cell| found.count(*cell) > 0) {
            for seed in first..first + 1000 {
                let coverage = run(&Plan::draw(seed)).coverage;
                let (new, still) = missing.into_iter().partition(|cell| coverage.count(*cell) > 0);
                missing = still;
                rare.extend(new.into_iter().map(|cell: Cell| (seed, cell)));
            }
        }
    }
    rare
}

/// The seeds of rare cells: each line begins with one.
fn rare(report: &Report) -> Vec<u64> {
    let path = file("rare.txt");
    if env::var_os("ADIEU_BLESS").is_some() {
        let lines: Vec<String> =
            search(&report.coverage).into_iter().map(|(seed, cell)| format!("{seed} {cell}\n")).collect();
        fs::write(&path, lines.concat()).expect("the file can be written");
    }
    let text = fs::read_to_string(&path).expect("the file is there");
    let seed = |line: &str| line.split(' ').next().and_then(|word| word.parse().ok()).expect("a seed");
    text.lines().map(seed).collect()
}

/// Requirements INV-1 to INV-23 and L1 to L8, as far as they can be seen from outside, in thousands of worlds.
#[test]
fn worlds_end_as_they_must() {
    let all = worlds(0, WORLDS);
    assert!(all.failed.is_empty(), "seeds that break a promise (`adieu sim --seed N`): {:#?}", all.failed);
    let mut report = all.report;
    for seed in rare(&report) {
        report.add(&run(&Plan::draw(seed)));
    }
    println!("{} worlds, {} connections, {} events", report.worlds, report.connections, report.events);
    println!("{}", report.coverage);
    let difference = report.coverage.hold_against(&file("reached.txt")).expect("the snapshot is there");
    assert!(difference.is_empty(), "{difference}\nADIEU_BLESS=1 writes them down, if that is right");
    let missing: Vec<String> = report.coverage.missing().iter().map(Cell::to_string).collect();
    assert!(missing.is_empty(), "cells that no world reaches: {missing:#?}");
}

/// FB-4 and what else chance hardly ever brings.
#[test]
fn staged_worlds_end_as_they_must() {
    STAGED.iter().for_each(|(_, world)| world());
}

/// The same seed gives the same world, whatever ran before and beside it.
#[test]
fn a_seed_is_a_world() {
    let once = worlds(7, 40).report;
    let again =
        campaign(&Campaign { first: 7, worlds: Some(40), time: None, jobs: NonZeroUsize::MIN, failures: 1 }, |_| {});
    assert_eq!(format!("{once:?}"), format!("{:?}", again.report));
}
