//! The round-trip time and the retransmission time computed from it (RFC 6298; MUST-18).
//!
//! What every detector of loss by time owes (RFC 8961 section 4; X-8961): 1 s before the first measurement, one
//! for each round trip and none that is ambiguous, a smaller congestion window and a doubled wait each time it fires,
//! until something new is acknowledged, and a cap of 60 s. Probes of the tail (`recovery.rs`) come before it, once, and
//! take nothing from that.

use core::hash::{Hash, Hasher};

use crate::config::Config;
use crate::digest::{Digest, Moment};
use crate::time::Duration;

/// G of RFC 6298 in microseconds: closer than this no host and no path keeps time.
const GRANULARITY: u32 = 10_000;

/// The estimator. Microseconds, integers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Rtt {
    smoothed: u32,
    variation: u32,
    rto: u32,
    backoff: u8,
}

impl Rtt {
    pub(crate) fn new(config: &Config) -> Self {
        Self { smoothed: 0, variation: 0, rto: micros(config.initial_rto), backoff: 0 }
    }

    /// A round trip measured on something that was sent once (section 3, Karn's rule).
    pub(crate) fn sample(&mut self, measured: Duration, config: &Config) {
        let measured = micros(measured).max(1);
        if self.smoothed == 0 {
            self.smoothed = measured;
            self.variation = measured / 2;
        } else {
            // Section 2.3: the variation first, with the old mean.
            let error = self.smoothed.abs_diff(measured);
            self.variation = self.variation - self.variation / 4 + error / 4;
            self.smoothed = self.smoothed - self.smoothed / 8 + measured / 8;
        }
        let (floor, cap) = (micros(config.min_rto), micros(config.max_rto));
        let spread = (4 * self.variation.min(u32::MAX / 4)).max(GRANULARITY);
        self.rto = self.smoothed.saturating_add(spread).clamp(floor.min(cap), cap);
        self.backoff = 0;
    }

    /// The SYN's timer fired during the handshake: start data with 3 s (section 5.7).
    pub(crate) fn after_lost_syn(&mut self) {
        self.rto = self.rto.max(3_000_000);
    }

    /// SRTT; zero without a measurement.
    pub(crate) fn smoothed(&self) -> Duration {
        Duration::from_micros(u64::from(self.smoothed))
    }

    /// RTTVAR.
    pub(crate) fn variation(&self) -> Duration {
        Duration::from_micros(u64::from(self.variation))
    }

    /// Doublings since the last measurement.
    pub(crate) fn backoff(&self) -> u8 {
        self.backoff
    }

    /// The retransmission time without backoff.
    pub(crate) fn base(&self) -> Duration {
        Duration::from_micros(u64::from(self.rto))
    }

    /// The retransmission time now, doubled for every expiry since the last measurement (section 5.5).
    pub(crate) fn rto(&self, config: &Config) -> Duration {
        let backed_off = u64::from(self.rto) << self.backoff.min(20);
        Duration::from_micros(backed_off).min(config.max_rto)
    }

    pub(crate) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// Forgets the backoff: whatever made us wait is over.
    pub(crate) fn relax(&mut self) {
        self.backoff = 0;
    }
}

impl Digest for Rtt {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { smoothed, variation, rto, backoff } = *self;
        // Doublings beyond the cap are forgotten all at once, as one is.
        let most = self.rto(moment.config) == moment.config.max_rto;
        (smoothed, variation, rto, if most { u8::MAX } else { backoff }).hash(state);
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn m18_first_and_later_samples() {
        let config = Config { min_rto: ms(1), ..Config::default() };
        let mut rtt = Rtt::new(&config);
        assert_eq!(rtt.rto(&config), ms(1000));
        rtt.sample(ms(100), &config);
        assert_eq!(rtt.rto(&config), ms(300)); // 100 + 4 x 50
        rtt.sample(ms(100), &config);
        assert_eq!(rtt.rto(&config), ms(250)); // variation 50 x 3/4
        rtt.sample(ms(180), &config); // variation 37.5 x 3/4 + 80/4 = 48.125, mean 110
        assert_eq!(rtt.rto(&config), Duration::from_micros(302_500));
    }

    #[test]
    fn m18_floor_backoff_and_cap() {
        let config = Config::default();
        let mut rtt = Rtt::new(&config);
        rtt.sample(ms(1), &config);
        assert_eq!(rtt.rto(&config), ms(200));
        for _ in 0..40 {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(&config), Duration::from_secs(60));
        rtt.sample(ms(1), &config);
        assert_eq!(rtt.rto(&config), ms(200));
    }
}
