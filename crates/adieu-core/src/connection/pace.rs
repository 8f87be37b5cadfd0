//! Pacing: what a window allows leaves spread over the round trip, not in a burst that a queue on the way has no room
//! for. Off unless [`Config::pacing`](crate::Config::pacing) is set.
//!
//! Only new data waits. Acknowledgments, what is sent again, probes and a FIN alone leave when they are due.

use core::ops::Range;

use super::{Connection, Now};
use crate::seq::Offset;
use crate::time::{Duration, Instant};

/// What may leave ahead of its time: no timer is set for less.
const AHEAD: Duration = Duration::from_millis(1);
/// A super-segment is at most such a part of the congestion window.
const PARTS: u64 = 8;

/// When the next data may leave. It is part of what is in flight: with nothing in flight nothing is to be spread.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Pace {
    /// When what has left so far should have left.
    pub(super) free: Instant,
    /// Something waits for that: the pacing timer runs.
    pub(super) waits: bool,
}

impl Pace {
    /// When the timer fires.
    fn deadline(&self) -> Instant {
        if self.waits { self.free - AHEAD } else { Instant::NEVER }
    }
}

impl Connection {
    /// When data that waits for its turn may leave.
    pub(super) fn pacing_deadline(&self) -> Instant {
        self.send.flight().map_or(Instant::NEVER, |flight| flight.pace.deadline())
    }

    /// The pacing timer has fired, or what it waits for is to be looked at again.
    pub(super) fn stop_pacing_timer(&mut self) {
        if let Some(flight) = self.send.flight_mut() {
            flight.pace.waits = false;
        }
    }

    /// Whether `range` is to wait; then the timer runs.
    pub(super) fn waits_its_turn(&mut self, now: Now<'_>, range: &Range<Offset>) -> bool {
        let new = range.start >= self.send.next() && range.start < self.send.fin();
        if !now.config.pacing || !new {
            return false;
        }
        let Some(flight) = self.send.flight_mut() else { return false };
        flight.pace.waits = flight.pace.free > now.time + AHEAD;
        flight.pace.waits
    }

    /// `octets` leave now: when the next may. Not before the first acknowledgment, when nothing is known of the path.
    pub(super) fn pace(&mut self, now: Now<'_>, octets: u64) {
        let round_trip = self.rtt.smoothed();
        if !now.config.pacing || round_trip.is_zero() || self.send.una() == Offset::DATA {
            return;
        }
        let time = spread(octets, self.congestion.window(), round_trip, self.is_slow_start());
        if let Some(flight) = self.send.flight_mut() {
            flight.pace.free = flight.pace.free.max(now.time) + time;
        }
    }

    fn is_slow_start(&self) -> bool {
        self.congestion.threshold().is_none_or(|threshold| self.congestion.window() < u64::from(threshold))
    }

    /// Super-segments that are small enough to be spread.
    pub(super) fn paced_super_segment(&self, now: Now<'_>) -> u32 {
        if !now.config.pacing {
            return now.config.super_segment;
        }
        let part = u32::try_from(self.congestion.window() / PARTS).unwrap_or(u32::MAX);
        now.config.super_segment.min(part)
    }
}

/// How long `octets` take at 1.25 windows in a round trip; at 2 windows in slow start, which sends so many.
fn spread(octets: u64, window: u64, round_trip: Duration, slow_start: bool) -> Duration {
    let quarters = if slow_start { 8 } else { 5 };
    let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
    let nanos = octets.saturating_mul(micros).saturating_mul(4_000) / (window.max(1).saturating_mul(quarters));
    Duration::from_nanos(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_takes_four_fifths_of_a_round_trip_and_half_of_one_in_slow_start() {
        let ms = Duration::from_millis;
        assert_eq!(spread(100_000, 100_000, ms(100), false), ms(80));
        assert_eq!(spread(100_000, 100_000, ms(100), true), ms(50));
        assert_eq!(spread(1448, 14_480, ms(100), true), ms(5));
        assert_eq!(spread(65_535, 1, Duration::from_secs(60), false), Duration::from_nanos(65_535 * 48_000_000_000));
    }
}
