//! How large buffers should be. The sender's: twice the congestion window. The receiver's: at least twice what the
//! application reads in a round trip, so that the window never holds back a sender whose data is wanted. (Dynamic
//! right-sizing: the receiver follows the sender's congestion window, which it does not see, by what arrives and is
//! read.)

use core::hash::{Hash, Hasher};

use super::stamps::Stamps;
use super::{Connection, Now};
use crate::digest::{Digest, Moment};
use crate::time::{Duration, Instant};
use crate::wire::Segment;

/// What was read in a round.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Growth {
    /// When this round began, in milliseconds modulo 2^32.
    begun: u32,
    /// Bytes that had been read then, modulo 2^32.
    read: u32,
}

/// How a receiver knows that a round trip is over.
#[derive(Debug)]
pub(super) enum RoundTrip<'a> {
    /// Data has come whose sender had heard what we said then: the time stamp it echoes.
    Echo(&'a Stamps, u32),
    /// So long has passed; zero where it was never measured.
    Estimate(Duration),
}

impl Connection {
    /// The receive buffer follows the path.
    pub(super) fn resize(&mut self, now: Now<'_>, segment: &Segment<'_>) {
        let echo = segment.options.timestamps.map(|theirs| theirs.echo);
        let round_trip = match self.stamps.as_ref().zip(echo) {
            Some((stamps, echo)) => RoundTrip::Echo(stamps, echo),
            None => RoundTrip::Estimate(self.rtt.smoothed()),
        };
        self.recv.resize(now, &round_trip);
    }

    /// Bytes that our direction may hold: enough to keep the path busy, and to have as much again ready.
    pub(super) fn send_buffer(&self, now: Now<'_>) -> u32 {
        now.config.send_buffer_for(self.congestion.window(), now.scarce)
    }
}

impl RoundTrip<'_> {
    /// Whether a round that began at `begun` is over.
    fn is_over(&self, begun: u32, now: Instant) -> bool {
        let lasted = Duration::from_millis(u64::from(now.as_wrapping_millis().wrapping_sub(begun)));
        match self {
            // What was said in the same millisecond may have been said before.
            Self::Echo(stamps, echo) => stamps.age(*echo, now).is_some_and(|age| age < lasted),
            Self::Estimate(round_trip) => !round_trip.is_zero() && lasted > *round_trip,
        }
    }
}

impl Growth {
    /// A connection begins.
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now.as_wrapping_millis(), read: 0 }
    }

    /// Data comes, and `read` bytes have been read in all. Where a round is over, and `capacity` is less than twice
    /// what was read in it: how large the buffer should be. Four times that: as much as can be read while it is on its
    /// way again, and the double of both, which slow start sends in the next round.
    pub(super) fn after_round(
        &mut self,
        now: Instant,
        read: u64,
        capacity: u32,
        round_trip: &RoundTrip<'_>,
    ) -> Option<u32> {
        if !round_trip.is_over(self.begun, now) {
            return None;
        }
        let read = u32::try_from(read & u64::from(u32::MAX)).unwrap_or(0);
        let bytes = read.wrapping_sub(self.read);
        *self = Self { begun: now.as_wrapping_millis(), read };
        (bytes > capacity / 2).then(|| bytes.saturating_mul(4))
    }
}

impl Digest for Growth {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { begun, read } = *self;
        let (first, most) = moment.config.receive_buffer_span();
        if first < most {
            (read, moment.millis().wrapping_sub(begun)).hash(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// Rounds of 10 ms in which so much is read into a buffer of `capacity` bytes, and how large it should be after
    /// each.
    fn rounds(capacity: u32, bytes: &[u64]) -> alloc::vec::Vec<Option<u32>> {
        let trip = RoundTrip::Estimate(Duration::from_millis(10));
        let (mut at, mut read) = (0, u64::from(u32::MAX) - 5);
        let mut growth = Growth { read: u32::MAX - 5, ..Growth::new(ms(0)) };
        let mut round = |bytes: &u64| {
            read += bytes;
            assert_eq!(growth.after_round(ms(at + 10), read, capacity, &trip), None, "the round is not over");
            at += 11;
            growth.after_round(ms(at), read, capacity, &trip)
        };
        bytes.iter().map(&mut round).collect()
    }

    #[test]
    fn four_times_what_is_read_in_a_round_where_twice_that_has_no_room() {
        assert_eq!(rounds(8000, &[4000, 4001, 0, 3000, 8000]), [None, Some(16_004), None, None, Some(32_000)]);
        assert_eq!(rounds(8, &[u64::from(u32::MAX)]), [Some(u32::MAX)]);
    }

    #[test]
    fn a_round_is_over_when_an_echo_of_it_comes() {
        let stamps = Stamps::new(77, 0, ms(0));
        let mut growth = Growth::new(ms(100));
        let mut data = |at: u64, said: u64, read: u64| {
            let echo = Stamps::clock(77, ms(said));
            growth.after_round(ms(at), read, 0, &RoundTrip::Echo(&stamps, echo))
        };
        assert_eq!([data(120, 99, 500), data(140, 100, 1000)], [None; 2], "sent before the round began");
        assert_eq!(data(150, 101, 1500), Some(6000));
        assert_eq!([data(190, 149, 1500), data(201, 151, 2500)], [None, Some(4000)]);
    }

    #[test]
    fn without_any_measure_of_a_round_trip_nothing_grows() {
        let mut growth = Growth::new(ms(0));
        let unknown = RoundTrip::Estimate(Duration::ZERO);
        assert_eq!([0, 1000, 5000].map(|at| growth.after_round(ms(at), at * 1000, 0, &unknown)), [None; 3]);
    }
}
