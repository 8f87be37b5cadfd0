//! The records in TIME-WAIT: two queues through one slab, each in order of expiry.

use super::slab::Slab;
use crate::time::{Duration, Instant};
use crate::time_wait::{Links, Record, Wait};

/// No neighbour.
const NONE: u32 = u32::MAX;

/// First and last record of a queue.
#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u32,
    last: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Waits {
    records: Slab<Record>,
    queues: [Queue; 2],
}

impl Waits {
    pub(crate) fn new() -> Self {
        Self { records: Slab::new(), queues: [Queue { first: NONE, last: NONE }; 2] }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Record> {
        self.records.get(number)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Record> {
        self.records.get_mut(number)
    }

    /// A record enters, to stay for `wait`.
    pub(crate) fn insert(&mut self, mut record: Record, now: Instant, wait: Duration) -> Option<u32> {
        record.begin_wait(now, wait);
        let queue = record.wait();
        let number = self.records.insert(record)?;
        self.append(number, queue);
        Some(number)
    }

    /// The wait of a record begins anew, if its cap allows.
    pub(crate) fn restart(&mut self, number: u32, now: Instant, wait: Duration) {
        let Some(record) = self.records.get_mut(number) else { return };
        if record.begin_wait(now, wait) {
            let queue = record.wait();
            self.unlink(number);
            self.append(number, queue);
        }
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<Record> {
        self.unlink(number);
        self.records.remove(number)
    }

    /// When the next record goes.
    pub(crate) fn next_expiry(&self, now: Instant) -> Instant {
        let first = self.queues.iter().filter_map(|queue| self.records.get(queue.first));
        first.map(|record| record.expires(now)).fold(Instant::NEVER, Instant::min)
    }

    /// A record whose time is over.
    pub(crate) fn expired(&self, now: Instant) -> Option<u32> {
        let mut first = self.queues.iter().map(|queue| queue.first);
        first.find(|number| self.records.get(*number).is_some_and(|record| record.is_expired(now)))
    }

    /// The record that goes soonest, for when room is needed.
    pub(crate) fn oldest(&self) -> Option<u32> {
        self.queues.iter().map(|queue| queue.first).find(|number| *number != NONE)
    }

    fn append(&mut self, number: u32, wait: Wait) {
        let queue = &mut self.queues[wait as usize];
        let before = core::mem::replace(&mut queue.last, number);
        if before == NONE {
            queue.first = number;
        } else if let Some(record) = self.records.get_mut(before) {
            record.links.after = number;
        }
        if let Some(record) = self.records.get_mut(number) {
            record.links = Links { before, after: NONE };
        }
    }

    fn unlink(&mut self, number: u32) {
        let Some(record) = self.records.get(number) else { return };
        let (Links { before, after }, queue) = (record.links, record.wait() as usize);
        match self.records.get_mut(before) {
            Some(record) => record.links.after = after,
            None => self.queues[queue].first = after,
        }
        match self.records.get_mut(after) {
            Some(record) => record.links.before = before,
            None => self.queues[queue].last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seq::Seq;
    use crate::stack::Flow;
    use alloc::vec::Vec;

    fn record(port: u16) -> Record {
        let flow = Flow::v4([10, 0, 0, 1], 80, [10, 0, 0, 2], port);
        Record::new(&flow, (Seq(1), Seq(2), 3), Instant::ZERO, Wait::Normal).unwrap()
    }

    #[test]
    fn records_go_in_the_order_of_their_expiry_and_a_restart_moves_to_the_tail() {
        let mut waits = Waits::new();
        let wait = Duration::from_secs(60);
        let numbers: Vec<u32> = (0..4)
            .map(|n| waits.insert(record(n), Instant::ZERO + Duration::from_secs(n.into()), wait).unwrap())
            .collect();
        waits.restart(numbers[1], Instant::from_secs(10), wait);
        waits.remove(numbers[2]);
        let mut gone = Vec::new();
        for secs in 0..200 {
            let now = Instant::from_secs(secs);
            while let Some(number) = waits.expired(now) {
                assert_eq!(waits.next_expiry(now), now);
                gone.push((number, secs));
                waits.remove(number);
            }
        }
        assert_eq!(gone, [(numbers[0], 60), (numbers[3], 63), (numbers[1], 70)]);
        assert_eq!((waits.len(), waits.next_expiry(Instant::ZERO)), (0, Instant::NEVER));
    }
}
