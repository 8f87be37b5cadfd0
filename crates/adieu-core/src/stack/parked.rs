//! Records of what is not a connection any more, by number: chained into queues, each in order of expiry.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Flow;
use super::slab::Slab;
use crate::digest::{Digest, Moment};
use crate::fin_wait_2::FinWait2;
use crate::time::{Duration, Instant};
use crate::time_wait::{Links, TimeWait, Wait, before};

/// No neighbour.
const NONE: u32 = u32::MAX;

/// A record that can be parked.
pub(crate) trait Left {
    /// How many queues there are of its kind.
    const QUEUES: usize;
    /// In which of them it stands.
    fn queue(&self) -> usize;
    /// Its time is over.
    fn end_now(&mut self, now: Instant);
    fn links(&mut self) -> &mut Links;
    /// The next one of its queue.
    fn after(&self) -> u32;
    /// When it goes, in milliseconds modulo 2^32.
    fn expiry(&self) -> u32;
}

impl Left for TimeWait {
    const QUEUES: usize = Wait::ALL.len() * 2;

    fn queue(&self) -> usize {
        self.queue()
    }

    fn end_now(&mut self, now: Instant) {
        self.end_now(now);
    }

    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn after(&self) -> u32 {
        self.links.after
    }

    fn expiry(&self) -> u32 {
        self.expiry()
    }
}

impl Left for FinWait2 {
    const QUEUES: usize = 1;

    fn queue(&self) -> usize {
        0
    }

    fn end_now(&mut self, now: Instant) {
        self.end_now(now);
    }

    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn after(&self) -> u32 {
        self.links.after
    }

    fn expiry(&self) -> u32 {
        self.expiry()
    }
}

/// Whose record it is, and what is left.
#[derive(Clone, Debug)]
struct Record<A, L> {
    local: A,
    remote: A,
    local_port: u16,
    remote_port: u16,
    left: L,
}

/// What a connection in TIME-WAIT may cost, the index apart.
const _: () = assert!(size_of::<Option<Record<Ipv4Addr, TimeWait>>>() <= 52);
const _: () = assert!(size_of::<Option<Record<Ipv6Addr, TimeWait>>>() <= 76);
/// What a connection in FIN-WAIT-2 may cost that nobody owns (OR-4).
const _: () = assert!(size_of::<Option<Record<Ipv4Addr, FinWait2>>>() <= 84);
const _: () = assert!(size_of::<Option<Record<Ipv6Addr, FinWait2>>>() <= 108);

/// First and last record of a queue.
#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u32,
    last: u32,
}

/// Numbers are even for IPv4 and odd for IPv6, which lie apart: most records are the smaller ones.
#[derive(Clone, Debug)]
pub(crate) struct Parked<L> {
    v4: Slab<Record<Ipv4Addr, L>>,
    v6: Slab<Record<Ipv6Addr, L>>,
    queues: [Queue; MOST_QUEUES],
}

const MOST_QUEUES: usize = TimeWait::QUEUES;

impl<L: Left> Parked<L> {
    pub(crate) const fn new() -> Self {
        Self { v4: Slab::new(), v6: Slab::new(), queues: [Queue { first: NONE, last: NONE }; MOST_QUEUES] }
    }

    pub(crate) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Bytes all records take, the index apart.
    pub(crate) fn bytes(&self) -> usize {
        self.v4.len() * size_of::<Record<Ipv4Addr, L>>() + self.v6.len() * size_of::<Record<Ipv6Addr, L>>()
    }

    pub(crate) fn flow(&self, number: u32) -> Option<Flow> {
        if number.is_multiple_of(2) {
            self.v4.get(number / 2).map(Record::flow)
        } else {
            self.v6.get(number / 2).map(Record::flow)
        }
    }

    pub(crate) fn get(&self, number: u32) -> Option<&L> {
        if number == NONE {
            None
        } else if number.is_multiple_of(2) {
            self.v4.get(number / 2).map(|record| &record.left)
        } else {
            self.v6.get(number / 2).map(|record| &record.left)
        }
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut L> {
        if number == NONE {
            None
        } else if number.is_multiple_of(2) {
            self.v4.get_mut(number / 2).map(|record| &mut record.left)
        } else {
            self.v6.get_mut(number / 2).map(|record| &mut record.left)
        }
    }

    /// A record enters its queue at the end. Where a place was reserved this needs no memory (TW-15).
    pub(crate) fn insert(&mut self, flow: &Flow, left: L) -> Option<u32> {
        let number = match (flow.local_address, flow.remote_address) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => 2 * self.v4.insert(Record::new(local, remote, flow, left))?,
            (IpAddr::V6(local), IpAddr::V6(remote)) => 2 * self.v6.insert(Record::new(local, remote, flow, left))? + 1,
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        };
        self.append(number);
        Some(number)
    }

    /// Keeps a place free for a record between such addresses.
    pub(crate) fn reserve(&mut self, flow: &Flow) {
        if flow.local_address.is_ipv4() { self.v4.reserve() } else { self.v6.reserve() }
    }

    /// A place that was kept free is there for the record that follows, if one does.
    pub(crate) fn unreserve(&mut self, flow: &Flow) {
        if flow.local_address.is_ipv4() { self.v4.unreserve() } else { self.v6.unreserve() }
    }

    /// Gives memory back that is kept for nobody.
    pub(crate) fn give_back(&mut self) {
        self.v4.give_back();
        self.v6.give_back();
    }

    pub(crate) fn remove(&mut self, number: u32) {
        self.unlink(number);
        if number.is_multiple_of(2) {
            self.v4.discard(number / 2);
        } else {
            self.v6.discard(number / 2);
        }
    }

    /// Time has gone on by more than any record waits: all are over.
    pub(crate) fn end_all(&mut self, now: Instant) {
        for queue in 0..L::QUEUES {
            let mut next = self.first(queue);
            while let Some(record) = next.and_then(|number| self.get_mut(number)) {
                record.end_now(now);
                next = Some(record.links().after).filter(|number| *number != NONE);
            }
        }
    }

    /// When the next record goes.
    pub(crate) fn next_expiry(&self, now: Instant) -> Instant {
        let mut next = Instant::NEVER;
        for queue in &self.queues[..L::QUEUES] {
            if let Some(record) = self.get(queue.first) {
                next = next.min(expires(record, now));
            }
        }
        next
    }

    /// A record whose time is over.
    pub(crate) fn expired(&self, now: Instant) -> Option<u32> {
        let mut first = self.queues[..L::QUEUES].iter().map(|queue| queue.first);
        first.find(|number| self.get(*number).is_some_and(|record| is_expired(record, now)))
    }

    /// The first record of a queue, which is the next of it to go.
    pub(crate) fn first(&self, queue: usize) -> Option<u32> {
        self.queues.get(queue).map(|queue| queue.first).filter(|number| *number != NONE)
    }

    /// When the last record goes that has only one queue with the others.
    pub(crate) fn last_expiry(&self, now: Instant) -> Option<Instant> {
        self.get(self.queues[0].last).map(|record| expires(record, now))
    }

    /// All records, queue by queue, each in order of expiry.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Flow, &L)> {
        let v4 = self.v4.iter().map(|(number, record)| (2 * number, record.flow(), &record.left));
        v4.chain(self.v6.iter().map(|(number, record)| (2 * number + 1, record.flow(), &record.left)))
    }

    fn append(&mut self, number: u32) {
        let Some(place) = self.get(number).map(Left::queue) else { return };
        let before = core::mem::replace(&mut self.queues[place].last, number);
        if before == NONE {
            self.queues[place].first = number;
        } else if let Some(record) = self.get_mut(before) {
            record.links().after = number;
        }
        if let Some(record) = self.get_mut(number) {
            *record.links() = Links { before, after: NONE };
        }
    }

    fn unlink(&mut self, number: u32) {
        let Some(record) = self.get_mut(number) else { return };
        let (Links { before, after }, queue) = (*record.links(), record.queue());
        match self.get_mut(before) {
            Some(record) => record.links().after = after,
            None => self.queues[queue].first = after,
        }
        match self.get_mut(after) {
            Some(record) => record.links().before = before,
            None => self.queues[queue].last = before,
        }
    }
}

impl<L: Left + Digest> Digest for Parked<L> {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        for queue in 0..L::QUEUES {
            let mut number = self.queues[queue].first;
            while let Some((left, flow)) = self.get(number).zip(self.flow(number)) {
                (queue, number, flow).hash(state);
                left.digest(moment, state);
                number = left.after();
            }
        }
    }
}

/// When a record goes: at once, if its time is over.
fn expires(record: &impl Left, now: Instant) -> Instant {
    if is_expired(record, now) { now } else { now.near(record.expiry()) }
}

fn is_expired(record: &impl Left, now: Instant) -> bool {
    !before(now.as_wrapping_millis(), record.expiry())
}

impl Parked<TimeWait> {
    /// The wait of a record begins anew, if its cap allows.
    pub(crate) fn restart(&mut self, number: u32, now: Instant, wait: Duration) {
        let began = self.get_mut(number).is_some_and(|record| record.begin_wait(now, wait));
        if began {
            self.unlink(number);
            if let Some(record) = self.get_mut(number) {
                record.is_ours_now();
            }
            self.append(number);
        }
    }

    /// Records that began elsewhere, in any order, find their places by their ends.
    pub(crate) fn import(&mut self, records: impl Iterator<Item = (Flow, TimeWait)>, now: Instant) -> Vec<u32> {
        let mut numbers: Vec<u32> = Vec::new();
        for queue in [Wait::Imported as usize * 2, Wait::Imported as usize * 2 + 1] {
            while let Some(number) = self.first(queue) {
                self.unlink(number);
                numbers.push(number);
            }
        }
        let known = numbers.len();
        for (flow, left) in records {
            if let Some(number) = self.insert(&flow, left) {
                self.unlink(number);
                numbers.push(number);
            }
        }
        let new = numbers[known..].to_vec();
        self.append_in_order(numbers, now);
        new
    }

    fn append_in_order(&mut self, mut numbers: Vec<u32>, now: Instant) {
        numbers.sort_by_key(|number| self.get(*number).map(|record| expires(record, now)));
        numbers.into_iter().for_each(|number| self.append(number));
    }

    /// Waits are to be shorter or longer from now on: what waits already must not stand in the way of what comes.
    pub(crate) fn set_aside(&mut self, now: Instant) {
        let mut numbers = Vec::new();
        for wait in Wait::ALL.into_iter().filter(|wait| *wait != Wait::Attempt) {
            for queue in [wait as usize * 2, wait as usize * 2 + 1] {
                while let Some(number) = self.first(queue) {
                    self.unlink(number);
                    numbers.push(number);
                }
            }
        }
        for number in &numbers {
            if let Some(record) = self.get_mut(*number) {
                record.set_aside();
            }
        }
        self.append_in_order(numbers, now);
    }

    /// The record whose loss does the least harm, for when room is needed: quarantine before TIME-WAIT; there, what
    /// timestamps protect; of these, what goes soonest (TW-14).
    pub(crate) fn least_needed(&self, now: Instant) -> Option<u32> {
        let soonest = |stamped: usize| {
            let waits = Wait::ALL.into_iter().filter(|wait| wait.is_time_wait());
            let first = waits.filter_map(|wait| self.first(wait as usize * 2 + stamped));
            first.min_by_key(|number| self.get(*number).map(|record| expires(record, now)))
        };
        let quarantine = [Wait::Attempt, Wait::Aside, Wait::Quarantine].map(|wait| wait as usize * 2);
        let quarantine = quarantine.into_iter().flat_map(|queue| [queue, queue + 1]);
        quarantine.filter_map(|queue| self.first(queue)).next().or_else(|| soonest(1)).or_else(|| soonest(0))
    }
}

impl<A: Copy + Into<IpAddr>, L> Record<A, L> {
    fn new(local: A, remote: A, flow: &Flow, left: L) -> Self {
        Self { local, remote, local_port: flow.local_port, remote_port: flow.remote_port, left }
    }

    fn flow(&self) -> Flow {
        Flow {
            local_address: self.local.into(),
            remote_address: self.remote.into(),
            local_port: self.local_port,
            remote_port: self.remote_port,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seq::Seq;
    use crate::time_wait::Legacy;
    use alloc::vec::Vec;

    fn flow(port: u16) -> Flow {
        if port.is_multiple_of(2) {
            return Flow::v4([10, 0, 0, 1], 80, [10, 0, 0, 2], port);
        }
        Flow {
            local_address: IpAddr::V6(Ipv6Addr::LOCALHOST),
            remote_address: IpAddr::V6(Ipv6Addr::LOCALHOST),
            ..flow(0)
        }
    }

    #[test]
    fn records_go_in_the_order_of_their_expiry_and_a_restart_moves_to_the_tail() {
        let mut waits = Parked::<TimeWait>::new();
        let wait = Duration::from_secs(60);
        let numbers: Vec<u32> = (0..4)
            .map(|n| {
                let legacy = Legacy { send_next: Seq(1), recv_next: Seq(2), window: 3, stamps: None };
                let at = Instant::ZERO + Duration::from_secs(n.into());
                let left = TimeWait::new(legacy, at, Wait::Normal, wait);
                let number = waits.insert(&flow(n), left).unwrap();
                assert_eq!(waits.flow(number), Some(flow(n)));
                number
            })
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
