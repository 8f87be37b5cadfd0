//! What RACK-TLP remembers beyond a flight (RFC 8985): the smallest round trip, and how much segments overtake.

use core::hash::{Hash, Hasher};

use crate::digest::{Digest, Moment};
use crate::time::{Duration, Instant};

/// How long to wait for what may only have been overtaken, and when to probe.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Rack {
    /// Microseconds; 0 without a sample (RACK.min_RTT).
    min_rtt: u32,
    /// When it was taken, in milliseconds modulo 2^32.
    min_taken: u32,
    /// RACK.reo_wnd_mult.
    multiplier: u8,
    /// RACK.reo_wnd_persist.
    persist: u8,
    /// RACK.reordering_seen.
    pub(crate) reordering: bool,
    /// A round trip was measured since the last probe, or since the beginning (RFC 8985 section 7.3).
    pub(crate) measured: bool,
}

/// Windows of data for which a wider wait stays (RFC 8985 section 6.2).
const PERSIST: u8 = 16;
/// The smallest round trip is forgotten after so many milliseconds: paths change.
const FORGET: u32 = 300_000;
/// Segments acknowledged selectively that need no more patience (DupThresh).
const ENOUGH: u32 = 3;

impl Rack {
    pub(crate) const NEW: Self =
        Self { min_rtt: 0, min_taken: 0, multiplier: 1, persist: 0, reordering: false, measured: false };

    pub(crate) fn min_rtt(&self) -> Duration {
        Duration::from_micros(u64::from(self.min_rtt))
    }

    pub(crate) fn sample(&mut self, round_trip: Duration, now: Instant) {
        let micros = u32::try_from(round_trip.as_micros()).unwrap_or(u32::MAX).max(1);
        let now = now.as_wrapping_millis();
        self.measured = true;
        if self.min_rtt == 0 || micros <= self.min_rtt || now.wrapping_sub(self.min_taken) > FORGET {
            (self.min_rtt, self.min_taken) = (micros, now);
        }
    }

    /// The peer reports a duplicate, the first in this window of data: we were too quick.
    pub(crate) fn was_too_quick(&mut self) {
        self.multiplier = self.multiplier.saturating_add(1);
        self.persist = PERSIST;
    }

    /// A recovery is over.
    pub(crate) fn recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.multiplier = 1;
        }
    }

    /// RACK.reo_wnd: how late something may be (B-RACK-REO).
    pub(crate) fn window(&self, smoothed: Duration, recovering: bool, sacked_segments: u32) -> Duration {
        if !self.reordering && (recovering || sacked_segments >= ENOUGH) {
            return Duration::ZERO;
        }
        let quarter = u64::from(self.min_rtt) * u64::from(self.multiplier) / 4;
        Duration::from_micros(quarter).min(smoothed)
    }
}

impl Digest for Rack {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { min_rtt, min_taken, multiplier, persist, reordering, measured } = self;
        (min_rtt, multiplier, persist, reordering, measured).hash(state);
        moment.ago(*min_taken, Duration::from_millis(u64::from(FORGET)), state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn b_rack_reo_is_a_quarter_of_the_smallest_round_trip() {
        let mut rack = Rack::NEW;
        rack.sample(MS(100), Instant::ZERO);
        rack.sample(MS(40), Instant::ZERO);
        rack.sample(MS(80), Instant::ZERO);
        assert_eq!(rack.window(MS(60), false, 0), MS(10));
        assert_eq!([rack.window(MS(60), true, 0), rack.window(MS(60), false, 3)], [Duration::ZERO; 2]);
        rack.reordering = true;
        assert_eq!(rack.window(MS(60), true, 3), MS(10));
        rack.was_too_quick();
        assert_eq!(rack.window(MS(60), true, 3), MS(20));
        (0..20).for_each(|_| rack.was_too_quick());
        assert_eq!(rack.window(MS(60), true, 3), MS(60), "never more than SRTT");
        (0..15).for_each(|_| rack.recovered());
        assert_eq!(rack.window(MS(60), true, 3), MS(60));
        rack.recovered();
        assert_eq!(rack.window(MS(60), true, 3), MS(10));
    }

    #[test]
    fn b_rack_ack_the_smallest_round_trip_is_forgotten_after_five_minutes() {
        let mut rack = Rack::NEW;
        rack.sample(MS(10), Instant::ZERO);
        rack.sample(MS(30), Instant::from_secs(300));
        assert_eq!(rack.min_rtt(), MS(10));
        rack.sample(MS(30), Instant::from_millis(300_001));
        assert_eq!(rack.min_rtt(), MS(30));
    }
}
