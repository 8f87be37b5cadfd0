//! Keys the caller hands in, and the numbers nobody outside can foresee that come of them.

use siphasher::sip::{SipHasher13, SipHasher24};

use crate::seq::Seq;
use crate::stack::Flow;
use crate::time::Instant;

/// The stack's keys, one for each purpose (RFC 6528 section 4, RFC 6056 section 3.4; QT-3).
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Secrets {
    isn: [u8; 16],
    index: [u8; 16],
    ports: [u8; 16],
    /// Where every connection begins, in replays.
    start: Option<Seq>,
}

impl Secrets {
    /// Keys from 48 bytes of a cryptographically secure random source.
    pub fn from_bytes(bytes: [u8; 48]) -> Self {
        let (keys, _) = bytes.as_chunks::<16>();
        Self { isn: keys[0], index: keys[1], ports: keys[2], start: None }
    }

    /// The same keys, with one initial sequence number for every connection. For replays and packet scripts only: on a
    /// real network anybody could guess it.
    #[must_use]
    pub fn with_initial_seq(self, start: Seq) -> Self {
        Self { start: Some(start), ..self }
    }

    /// The initial sequence number of a connection: a clock of 4 us ticks plus a keyed hash of its addresses and ports
    /// (RFC 9293 section 3.4.1: MUST-8, SHLD-1, MUST-9).
    #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are modulo 2^32")]
    pub(crate) fn initial_seq(&self, flow: &Flow, now: Instant) -> Seq {
        if let Some(start) = self.start {
            return start;
        }
        let hash = flow.with_bytes(|bytes| SipHasher24::new_with_key(&self.isn).hash(bytes));
        let clock = now.as_nanos() / 4_000;
        Seq((hash as u32).wrapping_add(clock as u32))
    }

    /// Where in the index a flow lies.
    pub(crate) fn index_hash(&self, flow: &Flow) -> u64 {
        flow.with_bytes(|bytes| SipHasher13::new_with_key(&self.index).hash(bytes))
    }

    /// Where the search for a local port begins, different for every destination (RFC 6056 section 3.3.3).
    pub(crate) fn port_offset(&self, flow: &Flow) -> u64 {
        flow.with_bytes(|bytes| SipHasher24::new_with_key(&self.ports).hash(bytes))
    }
}

impl core::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m8_s1_the_initial_number_moves_with_time_and_with_the_flow() {
        let secrets = Secrets::from_bytes([1; 48]);
        let flow = Flow::v4([10, 0, 0, 1], 80, [10, 0, 0, 2], 4000);
        let other = Flow::v4([10, 0, 0, 1], 80, [10, 0, 0, 2], 4001);
        let at = |flow: &Flow, micros| secrets.initial_seq(flow, Instant::from_micros(micros));
        assert_eq!(at(&flow, 4).distance(at(&flow, 0)), 1);
        assert_ne!(at(&flow, 0), at(&other, 0));
        assert_ne!(Secrets::from_bytes([2; 48]).initial_seq(&flow, Instant::ZERO), at(&flow, 0));
    }
}
