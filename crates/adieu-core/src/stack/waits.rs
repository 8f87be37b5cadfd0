//! The records in TIME-WAIT: two queues through one slab, each in order of expiry.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Flow;
use super::slab::Slab;
use crate::time::{Duration, Instant};
use crate::time_wait::{Links, TimeWait, Wait};

/// No neighbour.
const NONE: u32 = u32::MAX;

/// A record: whose it is, and what is left.
#[derive(Clone, Debug)]
struct Record<A> {
    local: A,
    remote: A,
    local_port: u16,
    remote_port: u16,
    left: TimeWait,
}

/// The limits of what a connection in TIME-WAIT may cost, the index apart.
const _: () = assert!(size_of::<Option<Record<Ipv4Addr>>>() <= 52 && size_of::<Option<Record<Ipv6Addr>>>() <= 76);

/// First and last record of a queue.
#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u32,
    last: u32,
}

/// Numbers are even for IPv4 and odd for IPv6, which lie apart: most records are the smaller ones.
#[derive(Clone, Debug)]
pub(crate) struct Waits {
    v4: Slab<Record<Ipv4Addr>>,
    v6: Slab<Record<Ipv6Addr>>,
    queues: [Queue; 2],
}

impl Waits {
    pub(crate) fn new() -> Self {
        Self { v4: Slab::new(), v6: Slab::new(), queues: [Queue { first: NONE, last: NONE }; 2] }
    }

    pub(crate) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Bytes all records take, the index apart.
    pub(crate) fn bytes(&self) -> usize {
        self.v4.len() * size_of::<Record<Ipv4Addr>>() + self.v6.len() * size_of::<Record<Ipv6Addr>>()
    }

    pub(crate) fn flow(&self, number: u32) -> Option<Flow> {
        if number.is_multiple_of(2) {
            self.v4.get(number / 2).map(Record::flow)
        } else {
            self.v6.get(number / 2).map(Record::flow)
        }
    }

    pub(crate) fn get(&self, number: u32) -> Option<&TimeWait> {
        if number == NONE {
            None
        } else if number.is_multiple_of(2) {
            self.v4.get(number / 2).map(|record| &record.left)
        } else {
            self.v6.get(number / 2).map(|record| &record.left)
        }
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut TimeWait> {
        if number == NONE {
            None
        } else if number.is_multiple_of(2) {
            self.v4.get_mut(number / 2).map(|record| &mut record.left)
        } else {
            self.v6.get_mut(number / 2).map(|record| &mut record.left)
        }
    }

    /// A record enters, to stay for `wait`.
    pub(crate) fn insert(&mut self, flow: &Flow, mut left: TimeWait, now: Instant, wait: Duration) -> Option<u32> {
        left.begin_wait(now, wait);
        let queue = left.wait();
        let number = match (flow.local_address, flow.remote_address) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => 2 * self.v4.insert(Record::new(local, remote, flow, left))?,
            (IpAddr::V6(local), IpAddr::V6(remote)) => 2 * self.v6.insert(Record::new(local, remote, flow, left))? + 1,
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        };
        self.append(number, queue);
        Some(number)
    }

    /// The wait of a record begins anew, if its cap allows.
    pub(crate) fn restart(&mut self, number: u32, now: Instant, wait: Duration) {
        let Some(record) = self.get_mut(number) else { return };
        if record.begin_wait(now, wait) {
            let queue = record.wait();
            self.unlink(number);
            self.append(number, queue);
        }
    }

    pub(crate) fn remove(&mut self, number: u32) {
        self.unlink(number);
        if number.is_multiple_of(2) {
            self.v4.discard(number / 2);
        } else {
            self.v6.discard(number / 2);
        }
    }

    /// When the next record goes.
    pub(crate) fn next_expiry(&self, now: Instant) -> Instant {
        let first = self.queues.iter().filter_map(|queue| self.get(queue.first));
        first.map(|record| record.expires(now)).fold(Instant::NEVER, Instant::min)
    }

    /// A record whose time is over.
    pub(crate) fn expired(&self, now: Instant) -> Option<u32> {
        let mut first = self.queues.iter().map(|queue| queue.first);
        first.find(|number| self.get(*number).is_some_and(|record| record.is_expired(now)))
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
        } else if let Some(record) = self.get_mut(before) {
            record.links.after = number;
        }
        if let Some(record) = self.get_mut(number) {
            record.links = Links { before, after: NONE };
        }
    }

    fn unlink(&mut self, number: u32) {
        let Some(record) = self.get(number) else { return };
        let (Links { before, after }, queue) = (record.links, record.wait() as usize);
        match self.get_mut(before) {
            Some(record) => record.links.after = after,
            None => self.queues[queue].first = after,
        }
        match self.get_mut(after) {
            Some(record) => record.links.before = before,
            None => self.queues[queue].last = before,
        }
    }
}

impl<A: Copy + Into<IpAddr>> Record<A> {
    fn new(local: A, remote: A, flow: &Flow, left: TimeWait) -> Self {
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
        let mut waits = Waits::new();
        let wait = Duration::from_secs(60);
        let numbers: Vec<u32> = (0..4)
            .map(|n| {
                let legacy = Legacy { send_next: Seq(1), recv_next: Seq(2), window: 3, stamps: None };
                let left = TimeWait::new(legacy, Instant::ZERO, Wait::Normal);
                let number = waits.insert(&flow(n), left, Instant::ZERO + Duration::from_secs(n.into()), wait).unwrap();
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
