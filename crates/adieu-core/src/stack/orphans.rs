//! Connections without an owner: how many there may be, how much they may hold, and which goes first (OR-3).

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use super::{Owner, Stack};
use crate::connection::Now;
use crate::connection::ending::Cause;
use crate::digest::Moment;
use crate::time::{Duration, Instant};

/// Orphans, in numbers; and those that are to go next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orphans {
    count: usize,
    /// Bytes all of them hold.
    bytes: u64,
    /// The worst of them when it was looked last, the worst at the end.
    worst: Vec<Rank>,
    /// Connections with an owner that did not move when it was looked last, the largest at the end.
    stalled: Vec<u32>,
    /// Connections that hold bytes out of order, the most at the end.
    holes: Vec<u32>,
    /// Room is being made: what happens then makes none by itself.
    relieving: bool,
    /// When that was, and how much was held.
    looked: Instant,
    looked_at: u64,
}

impl Orphans {
    /// What the last looks have found.
    pub(super) fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { count, bytes, worst, stalled, holes, relieving, looked, looked_at } = self;
        (count, bytes, worst, stalled, holes, relieving).hash(state);
        if moment.config.memory < usize::MAX {
            (moment.now.since(*looked).min(LOOK_EVERY), looked_at).hash(state);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }
}

/// How little an orphan is worth keeping, the more the worse: it does not move; how often what it holds can be halved,
/// so that a little more does not make a good client the worst; how old it is; its number.
type Rank = (bool, u32, Duration, u32);

/// One look at all orphans finds the worst of them, one of so many: so a flood pays for looks no more than this each.
const SHARE: usize = 64;
/// Looking for what does not move costs a look at everything: not more often than this, unless a good part of the
/// budget has come since.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS: u64 = 64;

impl Stack {
    /// After a step of a connection: what it holds now, and whether anybody owns it.
    pub(super) fn account(&mut self, number: u32) {
        let Some(slot) = self.connections.get_mut(number) else { return };
        let held = u32::try_from(slot.is.held()).unwrap_or(u32::MAX);
        let orphan = slot.owner == Owner::Nobody && slot.is.ended().is_none();
        if held == slot.held && orphan == slot.orphan {
            return;
        }
        let (before, was) = (core::mem::replace(&mut slot.held, held), core::mem::replace(&mut slot.orphan, orphan));
        self.held = self.held + u64::from(held) - u64::from(before);
        self.count_orphan(was, before, orphan, held);
        let new = orphan && !was;
        if (new || self.held > self.config.memory as u64) && !self.orphans.relieving {
            self.orphans.relieving = true;
            self.limit_orphans();
            self.relieve();
            self.orphans.relieving = false;
        }
    }

    fn count_orphan(&mut self, was: bool, before: u32, is: bool, held: u32) {
        let bytes = |counts: bool, bytes: u32| if counts { u64::from(bytes) } else { 0 };
        self.orphans.count = self.orphans.count + usize::from(is) - usize::from(was);
        self.orphans.bytes = self.orphans.bytes + bytes(is, held) - bytes(was, before);
    }

    /// A connection's place is given back, and all that was counted for it.
    pub(super) fn discard_connection(&mut self, number: u32) {
        if let Some(slot) = self.connections.get(number) {
            let (held, orphan, reserved, flow) = (slot.held, slot.orphan, slot.reserved, slot.flow);
            self.held -= u64::from(held);
            self.count_orphan(orphan, held, false, 0);
            if reserved {
                self.unreserve_end(&flow);
                self.waits.give_back();
            }
        }
        self.connections.discard(number);
    }

    fn limit_orphans(&mut self) {
        while self.orphans.count > self.config.max_orphans as usize
            || self.orphans.bytes > self.config.orphan_bytes as u64
        {
            let Some(worst) = self.worst_orphan() else { return };
            self.shed(worst, Cause::OrphanLimit);
        }
    }

    /// Too much memory is held. What came out of order goes first, for its senders keep it; then orphans, worst first;
    /// then connections that do not move.
    fn relieve(&mut self) {
        if self.held <= self.config.memory as u64 {
            return;
        }
        self.look_around();
        while self.held > self.config.memory as u64 {
            if let Some(number) = self.orphans.holes.pop() {
                self.drop_holes(number);
                continue;
            }
            match self.worst_orphan().or_else(|| self.worst_stalled()) {
                Some(worst) => self.shed(worst, Cause::MemoryPressure),
                None => return,
            }
        }
        self.orphans.looked_at = self.held;
    }

    fn drop_holes(&mut self, number: u32) {
        if let Some(slot) = self.connections.get_mut(number) {
            let before = slot.is.held();
            slot.is.drop_holes();
            self.stats.memory_dropped += before - slot.is.held();
        }
        self.account(number);
    }

    /// The orphan that is least worth keeping: one that does not move, then one that holds much, then an old one.
    fn worst_orphan(&mut self) -> Option<u32> {
        if self.orphans.count == 0 {
            return None;
        }
        let patience = self.patience();
        let (now, connections) = (self.now, &self.connections);
        let rank = |number: u32| {
            let slot = connections.get(number).filter(|slot| slot.orphan)?;
            let halvings = u32::BITS - slot.held.leading_zeros();
            Some((slot.is.is_stalled(now, patience), halvings, slot.is.orphan_age(now), number))
        };
        // Who has moved since the last look is not what it was.
        while let Some(known) = self.orphans.worst.pop() {
            if rank(known.3).is_some_and(|rank| rank >= known) {
                return Some(known.3);
            }
        }
        let mut ranks: Vec<Rank> = connections.iter().filter_map(|(number, _)| rank(number)).collect();
        let most = (ranks.len() / SHARE).max(1);
        if ranks.len() > most {
            let least = ranks.len() - most;
            ranks.select_nth_unstable(least);
            ranks.drain(..least);
        }
        ranks.sort_unstable();
        self.orphans.worst = ranks;
        self.orphans.worst.pop().map(|(.., number)| number)
    }

    /// The connection with an owner that holds most of what does not move.
    fn worst_stalled(&mut self) -> Option<u32> {
        let patience = self.patience();
        while let Some(number) = self.orphans.stalled.pop() {
            let slot = self.connections.get(number).filter(|slot| slot.is.ended().is_none());
            if slot.is_some_and(|slot| slot.is.is_stalled(self.now, patience)) {
                return Some(number);
            }
        }
        None
    }

    /// Looks at everything for what could go, not too often.
    fn look_around(&mut self) {
        let grown = self.held.saturating_sub(self.orphans.looked_at) >= self.config.memory as u64 / LOOKS;
        if self.now.since(self.orphans.looked) < LOOK_EVERY && !grown {
            return;
        }
        (self.orphans.looked, self.orphans.looked_at) = (self.now, self.held);
        let patience = self.patience();
        let live = || self.connections.iter().filter(|(_, slot)| slot.is.ended().is_none());
        let sorted = |mut all: Vec<(u64, u32)>| {
            all.sort_unstable();
            all.into_iter().map(|(_, number)| number).collect()
        };
        let stalled = live().filter(|(_, slot)| slot.is.is_stalled(self.now, patience));
        let stalled = sorted(stalled.map(|(number, slot)| (u64::from(slot.held), number)).collect());
        let holes = live().map(|(number, slot)| (slot.is.out_of_order(), number)).filter(|(bytes, _)| *bytes > 0);
        let holes = sorted(holes.collect());
        (self.orphans.stalled, self.orphans.holes) = (stalled, holes);
    }

    /// What has not moved for so long does not move.
    fn patience(&self) -> Duration {
        self.config.max_rto.saturating_mul(2)
    }

    fn shed(&mut self, number: u32, cause: Cause) {
        self.stats.orphans_shed += u64::from(cause == Cause::OrphanLimit);
        self.stats.memory_shed += u64::from(cause == Cause::MemoryPressure);
        let now = Now::of(self.now, &self.config, self.held);
        if let Some(slot) = self.connections.get_mut(number) {
            slot.is.abort(now, cause);
            self.after_connection(number);
        }
    }
}
