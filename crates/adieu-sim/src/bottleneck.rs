//! The slowest link of the path, and the queue in front of it.

use std::collections::VecDeque;

use adieu_core::{Duration, Instant};

/// A link that carries so many bytes a second, behind a router's queue that takes so many bytes and drops what comes
/// when it is full (drop-tail). All flows of a direction share it. It draws nothing: the same packets at the same
/// times fare the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bottleneck {
    /// Bytes a second, IP headers counted; 0: no limit.
    pub rate: u64,
    /// Bytes that may wait, the packet that is just leaving counted. An idle link takes any one packet.
    pub queue: u64,
    /// Packets that found the queue full, so far.
    pub dropped: u64,
    /// Most bytes that have waited at once, so far.
    pub fullest: u64,
    /// What waits: when it will have left, and its bytes. In order.
    waiting: VecDeque<(Instant, u64)>,
    /// Bytes of all that.
    backlog: u64,
}

impl Bottleneck {
    /// `rate` bytes a second, a queue of `queue` bytes.
    pub fn new(rate: u64, queue: u64) -> Self {
        Self { rate, queue, dropped: 0, fullest: 0, waiting: VecDeque::new(), backlog: 0 }
    }

    /// Bytes that wait at `now`.
    pub fn backlog(&self, now: Instant) -> u64 {
        self.waiting.iter().filter(|(leaves, _)| *leaves > now).map(|(_, bytes)| bytes).sum()
    }

    /// A packet of `bytes` comes at `now`, not before the one ahead of it. When it has left the link; `None` where
    /// there is no room for it.
    pub(crate) fn pass(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let bytes = bytes as u64;
        while let Some((_, gone)) = self.waiting.pop_front_if(|(leaves, _)| *leaves <= now) {
            self.backlog -= gone;
        }
        if !self.waiting.is_empty() && self.backlog + bytes > self.queue {
            self.dropped += 1;
            return None;
        }
        let free = self.waiting.back().map_or(now, |(leaves, _)| *leaves);
        let busy = bytes.saturating_mul(1_000_000_000).checked_div(self.rate).unwrap_or(0);
        let leaves = free + Duration::from_nanos(busy);
        self.waiting.push_back((leaves, bytes));
        self.backlog += bytes;
        self.fullest = self.fullest.max(self.backlog);
        Some(leaves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn packets_wait_for_those_ahead_and_the_last_ones_are_dropped() {
        let mut link = Bottleneck::new(1_000_000, 3000);
        let leaves = [1000, 1000, 1000, 1].map(|bytes| link.pass(at(10), bytes));
        assert_eq!(leaves, [Some(at(11)), Some(at(12)), Some(at(13)), None]);
        assert_eq!((link.backlog(at(10)), link.backlog(at(12)), link.backlog(at(13))), (3000, 1000, 0));
        assert_eq!((link.dropped, link.fullest), (1, 3000));
        assert_eq!(link.pass(at(11), 1001), None, "one byte too many");
        assert_eq!(link.pass(at(11), 1000), Some(at(14)), "room for just as much as has left");
    }

    #[test]
    fn an_idle_link_takes_a_packet_larger_than_its_queue() {
        let mut link = Bottleneck::new(1_000_000, 100);
        assert_eq!((link.pass(at(1), 1000), link.pass(at(1), 10)), (Some(at(2)), None));
        assert_eq!(link.pass(at(5), 1000), Some(at(6)), "it has been idle: nothing is made up for");
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let mut link = Bottleneck::new(0, 0);
        assert_eq!([link.pass(at(1), 1500), link.pass(at(1), 1500)], [Some(at(1)); 2]);
    }
}
