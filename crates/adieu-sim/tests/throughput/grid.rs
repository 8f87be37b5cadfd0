//! Every cell of the grid, 20 seeds each, as tables.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use adieu_core::{Config, Duration};

use super::transfer::{self, Took, Way};
use super::{LINK, ms};

/// How often each cell is run.
pub(super) const SEEDS: u64 = 20;

const LOSSES: [u32; 4] = [0, 1000, 10_000, 30_000];
const REORDERINGS: [u32; 2] = [0, 30_000];
const ROUND_TRIPS: [u64; 4] = [1, 20, 100, 300];
const BUFFERS: [Buffer; 3] = [Buffer::Fixed(64 << 10), Buffer::Fixed(1 << 20), Buffer::Own];

/// What both ends may hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Buffer {
    /// So many bytes, each way.
    Fixed(u32),
    /// As much as the path needs.
    Own,
}

impl Buffer {
    pub(super) fn config(self) -> Config {
        match self {
            Self::Fixed(bytes) => Config { receive_buffer: bytes, send_buffer: bytes, ..Config::default() },
            Self::Own => Config::default(),
        }
    }
}

/// What is sent: enough to see more than the first flight, and no more than a test has time for.
fn bytes(loss: u32) -> u64 {
    if loss == 0 { 4 << 20 } else { 1 << 20 }
}

/// What `run` says for each seed, in their order, on all processors.
pub(super) fn each_seed<T: Send>(run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    each(&(0..SEEDS).collect::<Vec<_>>(), |seed| run(*seed))
}

/// What `run` says of each item, in their order, on all processors.
fn each<I: Sync, T: Send>(items: &[I], run: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || items.get(next.fetch_add(1, Ordering::Relaxed));
        let number = |item: &I| items.iter().position(|other| std::ptr::eq(other, item)).unwrap_or(0);
        std::iter::from_fn(take).map(|item| (number(item), run(item))).collect::<Vec<_>>()
    };
    let threads = thread::available_parallelism().map_or(1, |n| n.get()).min(8);
    let mut all: Vec<(usize, T)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a transfer panicked")).collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, result)| result).collect()
}

/// The middle one; of an even number the mean of the middle two.
pub(super) fn median(mut all: Vec<u64>) -> u64 {
    all.sort_unstable();
    let n = all.len();
    u64::midpoint(all[(n - 1) / 2], all[n / 2])
}

pub(super) fn thousandths(n: u64) -> String {
    format!("{}.{:03}", n / 1000, n % 1000)
}

/// Medians of a cell: bytes a second, and milliseconds from `connect` until the FIN is acknowledged.
fn cell(way: &Way, buffer: Buffer) -> (u64, u64) {
    let config = [buffer.config(), buffer.config()];
    let bytes = bytes(way.loss);
    let all: Vec<Took> = (0..SEEDS).map(|seed| transfer::transfer(seed, way, &config, bytes)).collect();
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let rates = all.iter().map(|took| took.rate(bytes)).collect();
    (median(rates), median(all.iter().map(|took| millis(took.all)).collect()))
}

/// One table for each share of reordering and of loss, one row for each round trip.
pub(super) fn tables() -> String {
    let mut cells = Vec::new();
    for (loss, reordering) in tables_in_order() {
        for rtt in ROUND_TRIPS {
            let way = Way { loss, reordering, rtt: ms(rtt), link: (LINK, 1 << 20) };
            cells.extend(BUFFERS.map(|buffer| (way, buffer)));
        }
    }
    let mut results = each(&cells, |(way, buffer)| cell(way, *buffer)).into_iter();
    let mut out = String::from(
        "Median of 20 transfers over a link of 12,500 kB/s with a queue of 1 MiB: kB/s of payload from the first byte\n\
         written to the last one read | seconds from connect until the sender's FIN is acknowledged.\n",
    );
    for (loss, reordering) in tables_in_order() {
        let (percent, overtaken) = (thousandths(u64::from(loss) / 10), reordering / 10_000);
        let mib = bytes(loss) >> 20;
        writeln!(out, "\n{mib} MiB, {percent} % lost, {overtaken} % overtaken").expect("a string has room");
        writeln!(out, "  RTT ms |      64 KiB       |       1 MiB       |     autotuned").expect("a string has room");
        for rtt in ROUND_TRIPS {
            write!(out, "  {rtt:6}").expect("a string has room");
            for (rate, millis) in results.by_ref().take(BUFFERS.len()) {
                let kilo = format!("{}.{}", rate / 1000, rate / 100 % 10);
                write!(out, " | {kilo:>7} {:>9}", thousandths(millis)).expect("a string has room");
            }
            out.push('\n');
        }
    }
    out
}

fn tables_in_order() -> impl Iterator<Item = (u32, u32)> {
    REORDERINGS.into_iter().flat_map(|reordering| LOSSES.into_iter().map(move |loss| (loss, reordering)))
}
