//! Time as a number the caller hands in. The core never reads a clock.

use core::ops::{Add, AddAssign, Sub};
pub use core::time::Duration;

/// Nanoseconds since an origin the caller chooses; the same origin for every call on one stack.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant(u64);

impl Instant {
    /// The caller's origin.
    pub const ZERO: Self = Self(0);
    /// Later than every other instant: what a timer that is not armed says.
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// The instant `millis` milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// The instant `secs` seconds after the origin.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the origin, modulo 2^32: what a compact record keeps.
    #[expect(clippy::cast_possible_truncation, reason = "records compare these modulo 2^32")]
    pub(crate) const fn as_wrapping_millis(self) -> u32 {
        (self.0 / 1_000_000) as u32
    }

    /// The instant at which a clock of milliseconds modulo 2^32 says `millis`, the nearest to this one.
    pub(crate) const fn near(self, millis: u32) -> Self {
        let ahead = millis.wrapping_sub(self.as_wrapping_millis());
        let whole = self.0 / 1_000_000;
        if ahead <= u32::MAX / 2 {
            Self::from_millis(whole.saturating_add(ahead as u64))
        } else {
            Self::from_millis(whole.saturating_sub(ahead.wrapping_neg() as u64))
        }
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whether this deadline has come at `now`. [`Instant::NEVER`] never comes.
    pub const fn is_due(self, now: Self) -> bool {
        self.0 <= now.0 && self.0 != u64::MAX
    }
}

/// What is longer than 584 years counts as so long.
const fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos() as u64)
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl core::ops::SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_clock_is_read_near_now() {
        let now = Instant::from_millis(u64::from(u32::MAX) + 10);
        for there in [now - Duration::from_secs(3600), now, now + Duration::from_secs(3600)] {
            assert_eq!(now.near(there.as_wrapping_millis()), there);
        }
    }

    #[test]
    fn never_stays_never_and_never_comes() {
        assert_eq!(Instant::NEVER + Duration::from_secs(1), Instant::NEVER);
        assert!(!Instant::NEVER.is_due(Instant::NEVER));
        assert!(Instant::from_secs(1).is_due(Instant::from_millis(1_000)));
        assert_eq!(Instant::from_secs(1).since(Instant::from_secs(2)), Duration::ZERO);
    }
}
