//! Which acknowledgments are owed, and which replies are held back (3.39).

use crate::time::{Duration, Instant};

/// Replies to out-of-window segments without data: at most one in this time.
const OUT_OF_WINDOW: Duration = Duration::from_millis(500);
/// Challenge ACKs: this many in [`CHALLENGE_PERIOD`] (RFC 5961 section 7).
const CHALLENGES: u8 = 10;
const CHALLENGE_PERIOD: Duration = Duration::from_secs(5);
/// Duplicate acknowledgments that may wait for the device.
const DUPLICATES: u8 = 64;

/// What we owe the peer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Ack {
    owed: bool,
    /// Bare acknowledgments, one for each segment out of order, which a sender without SACK counts (RFC 5681 section 3.2).
    duplicates: u8,
    challenges: u8,
    challenged_since: Instant,
    replied: Instant,
}

impl Default for Ack {
    fn default() -> Self {
        let never = Instant::NEVER;
        Self { owed: false, duplicates: 0, challenges: 0, challenged_since: never, replied: never }
    }
}

impl Ack {
    /// The next segment that leaves shall acknowledge; if none does in this round, a bare one.
    pub(crate) fn owe(&mut self) {
        self.owed = true;
    }

    /// A segment was out of order.
    pub(crate) fn owe_duplicate(&mut self) {
        self.duplicates = self.duplicates.saturating_add(1).min(DUPLICATES);
    }

    /// A segment lay outside the window; `empty` where it took no sequence number. Only empty ones can start an
    /// endless exchange, so only they are held back.
    pub(crate) fn owe_out_of_window(&mut self, now: Instant, empty: bool) {
        if empty {
            if self.replied != Instant::NEVER && now.since(self.replied) < OUT_OF_WINDOW {
                return;
            }
            self.replied = now;
        }
        self.owed = true;
    }

    /// A challenge (RFC 5961), if the budget allows one.
    pub(crate) fn owe_challenge(&mut self, now: Instant) {
        if self.challenged_since == Instant::NEVER || now.since(self.challenged_since) >= CHALLENGE_PERIOD {
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
        self.owed &= !one;
        one
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
    fn x_3_39_empty_segments_out_of_window_draw_two_replies_a_second() {
        let mut ack = Ack::default();
        let replies = (0..1000).filter(|ms| {
            ack.owe_out_of_window(Instant::from_millis(*ms), true);
            taken(&mut ack)
        });
        assert_eq!(replies.count(), 2);
    }

    #[test]
    fn x_3_39_ten_challenges_in_five_seconds() {
        let mut ack = Ack::default();
        let replies = (0..10_000).step_by(10).filter(|ms| {
            ack.owe_challenge(Instant::from_millis(*ms));
            taken(&mut ack)
        });
        assert_eq!(replies.count(), 20);
    }
}
