//! Every packet of a world, the last ones at least.

use std::collections::VecDeque;

use adieu_core::{Duration, Instant};
use adieu_trace::{End, Side, Trace};

/// How much is kept of all packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keep {
    /// At most so many.
    pub packets: usize,
    /// None that left longer ago than this before the last one.
    pub time: Duration,
}

impl Keep {
    /// The last so many, however old.
    pub fn last(packets: usize) -> Self {
        Self { packets, time: Duration::MAX }
    }
}

/// The last packets, whatever flow they are of.
#[derive(Debug)]
pub(crate) struct Capture {
    keep: Keep,
    packets: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    at: Instant,
    from: Side,
    arrives: Option<Instant>,
    bytes: Vec<u8>,
}

impl Capture {
    pub(crate) fn new(keep: Keep) -> Self {
        Self { keep, packets: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, at: Instant, from: Side, arrives: Option<Instant>, bytes: &[u8]) {
        let oldest = at - self.keep.time;
        while self.packets.front().is_some_and(|kept| self.packets.len() >= self.keep.packets || kept.at < oldest) {
            self.packets.pop_front();
        }
        if self.keep.packets > 0 {
            self.packets.push_back(Kept { at, from, arrives, bytes: bytes.to_vec() });
        }
    }

    /// As a trace that has packets and nothing else.
    pub(crate) fn trace(&self, ends: [End; 2]) -> Trace {
        let mut trace = Trace::new(ends);
        for kept in &self.packets {
            trace.capture(kept.at, kept.from, kept.arrives, &kept.bytes);
        }
        trace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_by_number_and_by_time() {
        let ends = [1, 2].map(|n| End { name: n.to_string(), address: ([10, 0, 0, n], 80).into() });
        let times = |keep: Keep| {
            let mut capture = Capture::new(keep);
            for second in [0, 1, 2, 3, 9] {
                capture.add(Instant::from_secs(second), Side::Left, None, &[0x45]);
            }
            let trace = capture.trace(ends.clone());
            trace.packets.iter().map(|packet| packet.at.as_nanos() / 1_000_000_000).collect::<Vec<_>>()
        };
        assert_eq!(times(Keep::last(9)), [0, 1, 2, 3, 9]);
        assert_eq!(times(Keep::last(2)), [3, 9]);
        assert_eq!(times(Keep { packets: 9, time: Duration::from_secs(7) }), [2, 3, 9]);
        assert!(times(Keep::last(0)).is_empty());
    }
}
