//! Which acknowledgments are owed, and which replies are held back (3.39).

use crate::time::Instant;

/// Replies to out-of-window segments: at most one in this many milliseconds.
const OUT_OF_WINDOW: u32 = 500;
/// Replies to a FIN or SYN that came again.
pub(crate) const REPEAT: u32 = 100;
/// Challenge ACKs: this many in so many milliseconds (RFC 5961 section 7).
const CHALLENGES: u8 = 10;
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
    /// Milliseconds modulo 2^32, as below: a reply held back by mistake every 49 days is no loss.
    challenged_since: u32,
    replied: u32,
}

impl Ack {
    pub(crate) fn new(now: Instant) -> Self {
        let now = now.as_wrapping_millis();
        let replied = now.wrapping_sub(OUT_OF_WINDOW);
        Self { owed: false, duplicates: 0, challenges: 0, challenged_since: now, replied }
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
    pub(crate) fn owe_out_of_window(&mut self, now: Instant) {
        self.owed |= self.may_reply(now, OUT_OF_WINDOW);
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
    pub(crate) fn owe_challenge(&mut self, now: Instant) {
        let now = now.as_wrapping_millis();
        if now.wrapping_sub(self.challenged_since) >= CHALLENGE_PERIOD {
            self.challenged_since = now;
            self.challenges = 0;
        }
        if self.challenges < CHALLENGES {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(ack: &mut Ack) -> bool {
        ack.take()
    }

    #[test]
    fn x_3_39_segments_out_of_window_draw_two_replies_a_second() {
        let mut ack = Ack::new(Instant::ZERO);
        let replies = (0..1000).filter(|ms| {
            ack.owe_out_of_window(Instant::from_millis(*ms));
            taken(&mut ack)
        });
        assert_eq!(replies.count(), 2);
    }

    #[test]
    fn x_3_39_ten_challenges_in_five_seconds() {
        let mut ack = Ack::new(Instant::ZERO);
        let replies = (0..10_000).step_by(10).filter(|ms| {
            ack.owe_challenge(Instant::from_millis(*ms));
            taken(&mut ack)
        });
        assert_eq!(replies.count(), 20);
    }
}
