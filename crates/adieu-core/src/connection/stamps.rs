//! Timestamps of a connection (RFC 7323 sections 3 to 5): our clock, what the peer's last said, and PAWS.

use core::hash::{Hash, Hasher};

use crate::digest::{Digest, Moment};
use crate::seq::Seq;
use crate::time::{Duration, Instant};
use crate::wire::Timestamps;

/// The clock: milliseconds plus an offset of the connection's own, so that it tells nobody how long we have been up.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Stamps {
    offset: u32,
    /// TS.Recent: the value to echo, and to hold others against.
    recent: u32,
    /// When it was taken, in milliseconds modulo 2^32.
    taken: u32,
}

/// TS.Recent is void after so long without a segment (RFC 7323 section 5.5): the peer's clock may have wrapped.
const VOID_AFTER: u32 = 24 * 24 * 3600 * 1000;

impl Stamps {
    /// The state after a SYN that said `recent`.
    pub(crate) fn new(offset: u32, recent: u32, now: Instant) -> Self {
        Self { offset, recent, taken: now.as_wrapping_millis() }
    }

    /// Our clock.
    pub(crate) fn clock(offset: u32, now: Instant) -> u32 {
        now.as_wrapping_millis().wrapping_add(offset)
    }

    /// Whether a segment with this value is older than what was seen: PAWS throws it away (R1).
    pub(crate) fn is_old(&self, value: u32, now: Instant) -> bool {
        later(self.recent, value) && now.as_wrapping_millis().wrapping_sub(self.taken) <= VOID_AFTER
    }

    /// Takes the value of an acceptable segment that begins at `seq` (R2, R3; section 4.3: what lies beyond the last
    /// acknowledgment, `last_ack`, must not be echoed, or holes would make round trips look short).
    pub(crate) fn take(&mut self, value: u32, seq: Seq, last_ack: Seq, now: Instant) {
        if seq.distance(last_ack) <= 0 && !self.is_old(value, now) {
            self.recent = value;
            self.taken = now.as_wrapping_millis();
        }
    }

    /// What a segment says that leaves now.
    pub(crate) fn stamp(&self, now: Instant) -> Timestamps {
        Timestamps { value: Self::clock(self.offset, now), echo: self.recent }
    }

    /// How long ago we said `echo`; `None` where that cannot be.
    pub(crate) fn age(&self, echo: u32, now: Instant) -> Option<Duration> {
        let age = Self::clock(self.offset, now).wrapping_sub(echo);
        (age < VOID_AFTER).then(|| Duration::from_millis(u64::from(age)))
    }

    /// Whether `echo` names a time before `sent`, both of our clock: it answers an earlier transmission.
    pub(crate) fn is_before(&self, echo: u32, sent: Instant) -> bool {
        later(Self::clock(self.offset, sent), echo)
    }

    /// What a TIME-WAIT record keeps: TS.Recent and our offset.
    pub(crate) fn kept(&self) -> (u32, u32) {
        (self.recent, self.offset)
    }
}

impl Digest for Stamps {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { offset, recent, taken } = self;
        (offset, recent).hash(state);
        moment.ago(*taken, Duration::from_millis(u64::from(VOID_AFTER)), state);
    }
}

/// Whether `a` is later than `b`, modulo 2^32.
pub(crate) fn later(a: u32, b: u32) -> bool {
    let ahead = a.wrapping_sub(b);
    ahead != 0 && ahead < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_ts_paws_counts_modulo_the_wrap_and_is_void_after_24_days() {
        let mut stamps = Stamps::new(0, u32::MAX - 5, Instant::ZERO);
        assert!(stamps.is_old(u32::MAX - 6, Instant::ZERO) && !stamps.is_old(u32::MAX - 5, Instant::ZERO));
        assert!(!stamps.is_old(3, Instant::ZERO));
        stamps.take(3, Seq(101), Seq(100), Instant::ZERO);
        assert_eq!(stamps.kept().0, u32::MAX - 5, "beyond the last acknowledgment");
        stamps.take(3, Seq(100), Seq(100), Instant::ZERO);
        assert_eq!(stamps.kept().0, 3);
        let days = |days: u64| Instant::from_secs(days * 24 * 3600 + 1);
        assert!(stamps.is_old(2, days(23)) && !stamps.is_old(2, days(24)));
    }

    #[test]
    fn b_rto_an_echo_tells_the_round_trip_also_of_what_was_sent_twice() {
        let stamps = Stamps::new(u32::MAX, 0, Instant::ZERO);
        let echo = Stamps::clock(u32::MAX, Instant::from_millis(500));
        assert_eq!(stamps.age(echo, Instant::from_millis(620)), Some(Duration::from_millis(120)));
        assert_eq!(stamps.age(echo.wrapping_add(1000), Instant::from_millis(620)), None);
        assert!(
            stamps.is_before(echo, Instant::from_millis(501)) && !stamps.is_before(echo, Instant::from_millis(500))
        );
    }
}
