//! Which acknowledgments are owed, and which replies are held back (3.39).

use core::hash::{Hash, Hasher};

use super::Now;
use crate::config::Config;
use crate::digest::{Digest, Moment};
use crate::time::{Duration, Instant};

/// Replies to a FIN or SYN that came again.
pub(crate) const REPEAT: u32 = 100;
/// The budget of challenges is for so many milliseconds (RFC 5961 section 7).
const CHALLENGE_PERIOD: u32 = 5000;
/// Duplicate acknowledgments that may wait for the device.
const DUPLICATES: u8 = 64;

/// What we owe the peer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Ack {
    owed: bool,
    /// Bare acknowledgments, one for each segment out of order, which a sender without SACK counts (RFC 5681 section
    /// 3.2).
    duplicates: u8,
    challenges: u8,
    /// Data segments that are still acknowledged at once.
    quick: u8,
    /// Milliseconds modulo 2^32, as below: a reply held back by mistake every 49 days is no loss.
    challenged_since: u32,
    replied: u32,
    /// When data last came.
    heard: u32,
}

impl Ack {
    pub(crate) fn new(now: Now<'_>) -> Self {
        let millis = now.time.as_wrapping_millis();
        Self {
            owed: false,
            duplicates: 0,
            challenges: 0,
            quick: now.config.quick_acks,
            challenged_since: millis,
            replied: millis.wrapping_sub(out_of_window_interval(now.config)),
            heard: millis,
        }
    }

    /// Data has come in order: `segments` of it, with `unacknowledged` numbers since the last acknowledgment, from a
    /// peer whose full segments are of `mss` octets. Whether its acknowledgment may wait (B-DACK): not at first,
    /// nor after a pause (`paused`), when a sender is waiting for the window to open; nor from the second segment on.
    pub(crate) fn on_data(
        &mut self,
        config: &Config,
        segments: usize,
        unacknowledged: u32,
        mss: u16,
        paused: bool,
    ) -> bool {
        if paused {
            self.quick = config.quick_acks;
        }
        let at_once = self.quick > 0 || unacknowledged >= 2 * u32::from(mss) || config.ack_delay.is_zero();
        self.quick = self.quick.saturating_sub(u8::try_from(segments).unwrap_or(u8::MAX));
        self.owed |= at_once;
        !at_once
    }

    /// Data comes now; how long it did not.
    pub(crate) fn heard(&mut self, now: Instant) -> Duration {
        let quiet = self.since_data(now);
        self.heard = now.as_wrapping_millis();
        quiet
    }

    /// How long ago data came.
    pub(crate) fn since_data(&self, now: Instant) -> Duration {
        Duration::from_millis(u64::from(now.as_wrapping_millis().wrapping_sub(self.heard)))
    }

    /// The next segment that leaves shall acknowledge; if none does in this round, a bare one.
    pub(crate) fn owe(&mut self) {
        self.owed = true;
    }

    /// A segment was out of order.
    pub(crate) fn owe_duplicate(&mut self) {
        self.duplicates = self.duplicates.saturating_add(1).min(DUPLICATES);
    }

    /// A bare segment lay outside the window: at most two replies a second.
    pub(crate) fn owe_out_of_window(&mut self, now: Now<'_>) {
        self.owed |= self.may_reply(now.time, out_of_window_interval(now.config));
    }

    /// The peer's FIN or SYN came again: ten replies a second, so that no honest peer is kept waiting (3.39).
    pub(crate) fn owe_repeat(&mut self, now: Instant) {
        self.owed |= self.may_reply(now, REPEAT);
    }

    /// Whether a reply may leave now, if the last one is at least `apart` milliseconds old.
    pub(crate) fn may_reply(&mut self, now: Instant, apart: u32) -> bool {
        let now = now.as_wrapping_millis();
        let may = now.wrapping_sub(self.replied) >= apart;
        if may {
            self.replied = now;
        }
        may
    }

    /// A challenge (RFC 5961), if the budget allows one.
    pub(crate) fn owe_challenge(&mut self, now: Now<'_>) {
        let millis = now.time.as_wrapping_millis();
        if millis.wrapping_sub(self.challenged_since) >= CHALLENGE_PERIOD {
            self.challenged_since = millis;
            self.challenges = 0;
        }
        if self.challenges < now.config.challenges {
            self.challenges += 1;
            self.owed = true;
        }
    }

    /// Takes one bare acknowledgment that must be a segment of its own.
    pub(crate) fn take_duplicate(&mut self) -> bool {
        let one = self.duplicates > 0;
        self.duplicates -= u8::from(one);
        one
    }

    /// Whether anything is owed.
    pub(crate) fn is_owed(&self) -> bool {
        self.owed || self.duplicates > 0
    }

    /// An acknowledgment leaves; whether one was owed.
    pub(crate) fn take(&mut self) -> bool {
        core::mem::take(&mut self.owed)
    }
}

impl Digest for Ack {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        // `heard` is for who knows what quiet means.
        let Self { owed, duplicates, challenges, quick, challenged_since, replied, heard: _ } = *self;
        let millis = |millis: u32| Duration::from_millis(u64::from(millis));
        // The budget of a period that is over is none.
        let over = moment.millis().wrapping_sub(challenged_since) >= CHALLENGE_PERIOD;
        (owed, duplicates, quick, if over { 0 } else { challenges }).hash(state);
        moment.ago(challenged_since, millis(CHALLENGE_PERIOD), state);
        moment.ago(replied, millis(out_of_window_interval(moment.config).max(REPEAT)), state);
    }
}

fn out_of_window_interval(config: &Config) -> u32 {
    u32::try_from(config.out_of_window_interval.as_millis()).unwrap_or(u32::MAX / 2)
}

/// How long an acknowledgment may wait: less than half a second (MUST-40).
pub(crate) fn delay(config: &Config) -> Duration {
    config.ack_delay.min(Duration::from_millis(499))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(config: &Config, millis: u64) -> Now<'_> {
        Now::of(Instant::from_millis(millis), config, 0)
    }

    fn taken(ack: &mut Ack) -> bool {
        ack.take()
    }

    #[test]
    fn x_3_39_segments_out_of_window_draw_two_replies_a_second() {
        let config = Config::default();
        let mut ack = Ack::new(at(&config, 0));
        let replies = (0..1000).filter(|ms| {
            ack.owe_out_of_window(at(&config, *ms));
            taken(&mut ack)
        });
        assert_eq!(replies.count(), 2);
    }

    #[test]
    fn x_3_39_ten_challenges_in_five_seconds() {
        let config = Config::default();
        let mut ack = Ack::new(at(&config, 0));
        let replies = (0..10_000).step_by(10).filter(|ms| {
            ack.owe_challenge(at(&config, *ms));
            taken(&mut ack)
        });
        assert_eq!(replies.count(), 20);
    }

    #[test]
    fn b_dack_at_once_at_first_then_every_second_full_segment_and_at_once_after_a_pause() {
        let config = Config { quick_acks: 2, ..Config::default() };
        let mut ack = Ack::new(at(&config, 0));
        let mut data = |unacknowledged, paused| !ack.on_data(&config, 1, unacknowledged, 1000, paused);
        assert_eq!([data(1000, false), data(1000, false)], [true, true], "the first two");
        assert_eq!([data(1000, false), data(2000, false), data(1999, false)], [false, true, false]);
        assert_eq!([data(1000, false), data(1000, true)], [false, true]);
    }

    #[test]
    fn m40_no_setting_delays_for_half_a_second() {
        let config = Config { ack_delay: Duration::from_secs(9), ..Config::default() };
        assert!(delay(&config) < Duration::from_millis(500));
        let none = Config { ack_delay: Duration::ZERO, quick_acks: 0, ..Config::default() };
        assert!(!Ack::new(at(&none, 0)).on_data(&none, 1, 1, 1000, false));
    }
}
