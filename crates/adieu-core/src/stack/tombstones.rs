//! What is left of records that gave way to others: enough to keep a new connection's numbers ahead of the old one's
//! (TW-14).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use hashbrown::HashTable;

use crate::digest::{Digest, Moment};
use crate::seq::Seq;
use crate::time::Instant;
use crate::time_wait::before;

/// 16 bytes for a connection: its place in the index, when it is forgotten, and where our next numbers may begin.
#[derive(Clone, Copy, Debug)]
struct Tombstone {
    /// The bits of its hash that do not choose the table; the lowest says whether timestamps were in use.
    hash: u64,
    /// In milliseconds modulo 2^32.
    expires: u32,
    floor: Seq,
}

const _: () = assert!(size_of::<Tombstone>() == 16);

/// One of many small tables, so that none is slow to grow.
#[derive(Clone, Debug)]
struct Table {
    stones: HashTable<Tombstone>,
    /// No stone goes before this: until then sweeping is no use.
    soonest: u32,
    /// When it was swept last.
    swept: u32,
    /// All of its stones are forgotten by then.
    latest: Instant,
}

/// Tombstones, up to a budget. None is looked at again but by its own flow, and by who needs room.
#[derive(Clone, Debug)]
pub(crate) struct Tombstones {
    tables: Box<[Table]>,
    len: usize,
    /// All are forgotten by then.
    latest: Instant,
}

/// What is left of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Left {
    /// When it would have gone.
    pub(crate) expires: Instant,
    /// Where our next numbers may begin.
    pub(crate) floor: Seq,
    /// Timestamps were in use.
    pub(crate) stamped: bool,
}

const TABLES: usize = 64;
/// A table is swept at most this often, in milliseconds; twenty times as often where room is needed.
const SWEEP_EVERY: u32 = 1000;

impl Tombstones {
    pub(crate) fn new() -> Self {
        Self { tables: Box::default(), len: 0, latest: Instant::NEVER }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// When all of them are forgotten; [`Instant::NEVER`] without any.
    pub(crate) fn poll_timeout(&self) -> Instant {
        self.latest
    }

    /// Gives everything back once all are forgotten.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.latest.is_due(now) {
            *self = Self::new();
        }
    }

    /// Puts a stone up for a record that goes before its time; whether there was room.
    pub(crate) fn add(&mut self, hash: u64, left: Left, now: Instant, budget: usize) -> bool {
        let Left { expires, floor, stamped } = left;
        let most = budget / size_of::<Tombstone>() / TABLES;
        if most == 0 {
            return false;
        }
        if self.tables.is_empty() {
            let empty = || Table { stones: HashTable::new(), soonest: 0, swept: 0, latest: Instant::ZERO };
            self.tables = (0..TABLES).map(|_| empty()).collect::<Vec<_>>().into_boxed_slice();
        }
        let table = &mut self.tables[hash as usize % TABLES];
        let millis = now.as_wrapping_millis();
        let stone = Tombstone { hash: key(hash) | u64::from(stamped), expires: expires.as_wrapping_millis(), floor };
        table.latest = table.latest.max(expires);
        if let Some(known) = table.stones.find_mut(place(hash), |stone| key(stone.hash) == key(hash)) {
            *known = stone;
            self.latest = self.latest.max(expires);
            return true;
        }
        // What is over goes in time, not only where room is needed: its time is told modulo 2^32.
        let pause = if table.stones.len() >= most { SWEEP_EVERY / 20 } else { SWEEP_EVERY };
        if millis.wrapping_sub(table.swept) >= pause && !before(millis, table.soonest) {
            self.len -= table.sweep(millis);
        }
        if table.stones.len() >= most {
            return false;
        }
        if table.stones.is_empty() || before(stone.expires, table.soonest) {
            table.soonest = stone.expires;
        }
        table.stones.insert_unique(place(hash), stone, |stone| place(stone.hash));
        self.len += 1;
        self.latest = if self.latest == Instant::NEVER { expires } else { self.latest.max(expires) };
        true
    }

    /// What is known of a flow, if a stone stands for it.
    pub(crate) fn find(&self, hash: u64, now: Instant) -> Option<Left> {
        let table = self.tables.get(hash as usize % TABLES).filter(|table| !table.latest.is_due(now))?;
        let stone = table.stones.find(place(hash), |stone| key(stone.hash) == key(hash))?;
        let left = Left { expires: now.near(stone.expires), floor: stone.floor, stamped: stone.hash & 1 == 1 };
        before(now.as_wrapping_millis(), stone.expires).then_some(left)
    }
}

/// The same bits, the other half in front: a table looks at the lowest first, and those are all the same here.
fn place(hash: u64) -> u64 {
    key(hash).rotate_right(32)
}

/// The bits of a hash that a stone keeps: its table knows the others.
fn key(hash: u64) -> u64 {
    hash & !(TABLES as u64 - 1)
}

impl Table {
    /// Forgets what is over; how many that were.
    fn sweep(&mut self, now: u32) -> usize {
        self.swept = now;
        let all = self.stones.len();
        let mut soonest = None;
        self.stones.retain(|stone| {
            let stays = before(now, stone.expires);
            if stays && soonest.is_none_or(|soonest| before(stone.expires, soonest)) {
                soonest = Some(stone.expires);
            }
            stays
        });
        self.soonest = soonest.unwrap_or(now);
        all - self.stones.len()
    }
}

impl Digest for Tombstones {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { tables, len, latest } = self;
        len.hash(state);
        moment.at(*latest, state);
        if *len == 0 {
            return;
        }
        for (at, table) in tables.iter().enumerate() {
            let Table { stones, soonest, swept, latest } = table;
            let mut all: Vec<_> = stones.iter().map(|stone| (stone.hash, stone.expires, stone.floor.0)).collect();
            all.sort_unstable();
            for (hash, expires, floor) in &all {
                (at, hash, expires.wrapping_sub(moment.millis()), floor).hash(state);
            }
            if !all.is_empty() {
                (soonest.wrapping_sub(moment.millis()), swept.wrapping_sub(moment.millis())).hash(state);
                moment.at(*latest, state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tw_14_stones_keep_to_their_budget_and_their_time() {
        let mut stones = Tombstones::new();
        let budget = 16 * TABLES * 2;
        let at = Instant::from_secs;
        let left = |expires, floor| Left { expires: at(expires), floor: Seq(floor), stamped: floor % 2 == 1 };
        assert!(stones.add(64, left(10, 1), at(0), budget) && stones.add(128, left(20, 2), at(0), budget));
        assert!(!stones.add(192, left(30, 3), at(9), budget), "its table is full");
        assert_eq!((stones.find(64, at(9)), stones.find(64, at(10)), stones.len()), (Some(left(10, 1)), None, 2));
        assert!(stones.add(192, left(30, 3), at(10), budget), "one is over");
        assert!(stones.add(192, left(30, 4), at(10), budget), "the same again");
        assert_eq!((stones.find(128, at(11)), stones.find(192, at(11))), (Some(left(20, 2)), Some(left(30, 4))));
        assert_eq!(stones.len(), 2);
        assert_eq!(stones.find(192, Instant::from_millis(30_000 + (1 << 32) - 10_000)), None, "not after the wrap");
        assert_eq!(stones.poll_timeout(), at(30));
        stones.handle_timeout(at(30));
        assert_eq!((stones.len(), stones.poll_timeout()), (0, Instant::NEVER));
        assert!(!stones.add(1, left(40, 4), at(31), 0));
    }
}
