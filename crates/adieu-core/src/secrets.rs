//! Keys the caller hands in, and the numbers nobody outside can foresee that come of them.

use core::hash::Hasher;

use siphasher::sip::{SipHasher13, SipHasher24};
use siphasher::sip128;

use crate::seq::Seq;
use crate::stack::Flow;
use crate::time::Instant;

/// The stack's keys, one for each purpose (RFC 6528 section 4, RFC 6056 section 3.4; QT-3).
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Secrets {
    isn: [u8; 16],
    index: [u8; 16],
    ports: [u8; 16],
    port_slots: [u8; 16],
    cookies: [u8; 16],
    /// Where connections begin in replays and simulations.
    start: Option<Start>,
}

/// Initial sequence numbers that everybody can guess.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Start {
    /// One for all.
    Fixed(Seq),
    /// This one at [`Instant::ZERO`], later ones by the clock.
    Counting(Seq),
}

impl Secrets {
    /// Keys from 48 bytes of a cryptographically secure random source. Three stand in the bytes as they are; the others
    /// come of all of them, so that none tells anything of another.
    pub fn from_bytes(bytes: [u8; 48]) -> Self {
        let (keys, _) = bytes.as_chunks::<16>();
        let derived = |purpose: &[u8]| {
            let mut hash = sip128::SipHasher24::new_with_key(&keys[0]);
            hash.write(&bytes);
            hash.write(purpose);
            sip128::Hasher128::finish128(&hash).as_bytes()
        };
        Self {
            isn: keys[0],
            index: keys[1],
            ports: keys[2],
            port_slots: derived(b"port slots"),
            cookies: derived(b"SYN cookies"),
            start: None,
        }
    }

    /// The bytes these keys came of, for a process that comes next (QT-1). They are as secret as the keys.
    pub fn to_bytes(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        let (keys, _) = bytes.as_chunks_mut::<16>();
        keys.copy_from_slice(&[self.isn, self.index, self.ports]);
        bytes
    }

    /// The same keys, with one initial sequence number for every connection. For replays and packet scripts only: on a
    /// real network anybody could guess it.
    #[must_use]
    pub fn with_initial_seq(self, start: Seq) -> Self {
        Self { start: Some(Start::Fixed(start)), ..self }
    }

    /// The same keys, with initial sequence numbers that are the same for all addresses and ports: `start` at
    /// [`Instant::ZERO`], and further by the clock (RFC 9293 section 3.4.1). For simulations, in which numbers are to
    /// wrap and connections with the same ports are still to be told apart; on a real network anybody could guess it.
    #[must_use]
    pub fn with_counting_seq(self, start: Seq) -> Self {
        Self { start: Some(Start::Counting(start)), ..self }
    }

    /// Whether every connection begins with the same number.
    pub(crate) fn has_fixed_start(&self) -> bool {
        matches!(self.start, Some(Start::Fixed(_)))
    }

    /// The initial sequence number of a connection: a clock of 4 us ticks plus a keyed hash of its addresses and ports
    /// (RFC 9293 section 3.4.1: MUST-8, SHLD-1, MUST-9).
    pub(crate) fn initial_seq(&self, flow: &Flow, now: Instant) -> Seq {
        self.beginning(flow, now).0
    }

    /// The initial sequence number, and how far a connection's timestamps are from our clock (RFC 7323 sections 5.4 and
    /// 7.1). Nobody can tell from them how long we have been up; the same addresses and ports get the same offset,
    /// so that the timestamps of a later connection between them are later ones, too (RFC 6191). The two halves of one
    /// keyed hash tell nothing of each other.
    #[expect(clippy::cast_possible_truncation, reason = "sequence numbers and timestamps are modulo 2^32")]
    pub(crate) fn beginning(&self, flow: &Flow, now: Instant) -> (Seq, u32) {
        let hash = flow.with_bytes(|bytes| SipHasher24::new_with_key(&self.isn).hash(bytes));
        let clock = (now.as_nanos() / 4_000) as u32;
        let seq = match self.start {
            None => Seq((hash as u32).wrapping_add(clock)),
            Some(Start::Counting(start)) => start + clock,
            Some(Start::Fixed(start)) => start,
        };
        (seq, (hash >> 32) as u32)
    }

    /// Where in the index a flow lies.
    pub(crate) fn index_hash(&self, flow: &Flow) -> u64 {
        flow.with_bytes(|bytes| SipHasher13::new_with_key(&self.index).hash(bytes))
    }

    /// Where the search for a local port begins, different for every destination: F of RFC 6056 section 3.3.4. The flow
    /// must have no local port yet.
    pub(crate) fn port_offset(&self, flow: &Flow) -> u64 {
        flow.with_bytes(|bytes| SipHasher24::new_with_key(&self.ports).hash(bytes))
    }

    /// Which of the ports' counters a destination counts with: G of the same section, under a key of its own, as one
    /// must not tell the other.
    pub(crate) fn port_slot(&self, flow: &Flow) -> u64 {
        flow.with_bytes(|bytes| SipHasher24::new_with_key(&self.port_slots).hash(bytes))
    }

    /// What only we can have made of a flow and what a SYN cookie is bound to besides.
    pub(crate) fn cookie_hash(&self, flow: &Flow, bound: &[u8]) -> u64 {
        flow.with_bytes(|bytes| {
            let mut hash = SipHasher24::new_with_key(&self.cookies);
            hash.write(bytes);
            hash.write(bound);
            hash.finish()
        })
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

    fn offset_of(secrets: &Secrets, flow: &Flow) -> u32 {
        secrets.beginning(flow, Instant::ZERO).1
    }

    #[test]
    fn x_ts_the_offset_is_of_the_tuple_and_of_the_keys_and_stays() {
        let secrets = Secrets::from_bytes([1; 48]);
        let flow = Flow::v4([10, 0, 0, 1], 80, [10, 0, 0, 2], 4000);
        let offset = offset_of(&secrets, &flow);
        assert_eq!(offset_of(&Secrets::from_bytes([1; 48]), &flow), offset, "later timestamps are later ones");
        let mut others = alloc::collections::BTreeSet::from([offset, offset_of(&Secrets::from_bytes([2; 48]), &flow)]);
        for n in 1..=100 {
            others.insert(offset_of(&secrets, &Flow { remote_port: 4000 + n, ..flow }));
            others.insert(offset_of(&secrets, &Flow { local_port: 80 + n, ..flow }));
        }
        assert_eq!(others.len(), 202);
        let mean = others.iter().map(|offset| u64::from(*offset) / 202).sum::<u64>();
        assert!((1 << 30..3 << 30).contains(&mean), "spread over all of the clock, not {mean}");
    }

    #[test]
    fn x_port_x_cookie_every_key_comes_of_every_byte_and_differs_from_the_others() {
        let keys = |secrets: &Secrets| [secrets.port_slots, secrets.cookies];
        let secrets = Secrets::from_bytes([7; 48]);
        let mut all = alloc::collections::BTreeSet::from(keys(&secrets));
        all.insert(secrets.ports);
        for at in 0..48 {
            let mut bytes = [7; 48];
            bytes[at] ^= 1;
            all.extend(keys(&Secrets::from_bytes(bytes)));
        }
        assert_eq!(all.len(), 3 + 48 * 2);
    }
}
