//! Whether a timeout was needed (RFC 5682; B-FRTO): a path may only have paused. While new data can be sent the answers
//! to it tell (F-RTO); later, when the FIN is on its way, timestamps and reports of duplicates do.

use alloc::boxed::Box;
use core::hash::{Hash, Hasher};

use super::congestion::Congestion;
use super::flight::{Delivery, length};
use super::{Connection, Now};
use crate::digest::{Digest, Moment};
use crate::seq::Offset;
use crate::time::Instant;
use crate::wire::Segment;

/// A timeout that may prove needless.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Timeout {
    /// The window before it.
    before: Congestion,
    /// When what had been sent was first sent again.
    at: Instant,
    /// SND.NXT then (RecoveryPoint).
    pub(crate) recover: Offset,
    /// After what the timer sent again.
    resent: Offset,
    /// Octets sent again since, less those the peer reports to have had.
    pub(crate) again: u32,
    step: Step,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Step {
    /// The front went again, and nothing else counts as lost (step 1).
    Asked,
    /// It was acknowledged; so many new segments may still leave (step 2b).
    Asking(u8),
    /// Everything goes its usual way.
    Settled,
}

/// Segments that leave in step 2b.
const NEW_SEGMENTS: u8 = 2;

impl Digest for Timeout {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { before, at, recover, resent, again, step } = self;
        before.digest(moment, state);
        moment.at(*at, state);
        (recover, resent, again, step).hash(state);
    }
}

impl Connection {
    /// The retransmission timer has fired: remembers what was before, and says whether only the front is to count as
    /// lost until more is known. Not within a recovery, nor where there is nothing new to send (section 2.1, step 1).
    pub(super) fn note_timeout(&mut self, now: Now<'_>) -> bool {
        let (una, next, mss) = (self.send.una(), self.send.next(), u64::from(self.send.mss()));
        let fresh = !self.trouble.recovering && una >= self.trouble.recover;
        let can_ask = self.send.unsent() > 0;
        let before = &self.congestion;
        let Some(flight) = self.send.flight_mut() else { return false };
        let asked = flight.timeout.as_ref().is_some_and(|timeout| timeout.step == Step::Asked);
        let ask = can_ask && (fresh || asked) && !flight.is_front_sacked();
        if fresh {
            flight.timeout = None; // An older one has nothing to do with what is in flight now.
        }
        let timeout = flight.timeout.get_or_insert_with(|| {
            let (at, resent, again) = (now.time, una, 0);
            Box::new(Timeout { before: before.clone(), at, recover: next, resent, again, step: Step::Settled })
        });
        timeout.resent = (una + mss).min(next);
        timeout.step = if ask { Step::Asked } else { Step::Settled };
        ask
    }

    /// Whether losses are not looked for because a timeout is being judged.
    pub(super) fn is_asking(&self) -> bool {
        let timeout = self.send.flight().and_then(|flight| flight.timeout.as_ref());
        timeout.is_some_and(|timeout| timeout.step != Step::Settled)
    }

    /// What an acknowledgment up to `ack`, with SND.UNA at `before` until now, says of a timeout.
    pub(super) fn judge_timeout(
        &mut self,
        now: Now<'_>,
        segment: &Segment<'_>,
        (before, ack): (Offset, Offset),
        delivery: &Delivery,
    ) {
        let Some(timeout) = self.send.flight_mut().and_then(|flight| flight.timeout.as_mut()) else { return };
        let progress = ack > before;
        let echo = segment.options.timestamps.map(|theirs| theirs.echo).filter(|echo| progress && *echo != 0);
        let earlier = self.stamps.as_ref().zip(echo).is_some_and(|(stamps, echo)| stamps.is_before(echo, timeout.at));
        if earlier && before < timeout.recover {
            return self.undo_timeout(); // It answers what was sent before the timeout.
        }
        match timeout.step {
            Step::Asked if !progress => {}
            Step::Asked if ack < timeout.resent => self.settle_timeout(now),
            Step::Asked if ack >= timeout.recover => timeout.step = Step::Settled,
            Step::Asked => timeout.step = Step::Asking(NEW_SEGMENTS),
            // Step 3: without blocks whatever moves was sent before; with them it is told apart.
            Step::Asking(_) if delivery.original || progress && !self.sack => self.undo_timeout(),
            Step::Asking(_) if delivery.sacked > 0 || progress => self.settle_timeout(now),
            Step::Asking(_) | Step::Settled => {}
        }
    }

    /// A duplicate acknowledgment without blocks, from a peer that has none (steps 2a and 3a).
    pub(super) fn doubt_timeout(&mut self, now: Now<'_>) {
        let timeout = self.send.flight().and_then(|flight| flight.timeout.as_ref());
        let Some(step) = timeout.map(|timeout| timeout.step) else { return };
        if let Step::Asking(_) = step {
            self.congestion.limit(3);
        }
        if step != Step::Settled {
            self.settle_timeout(now);
        }
    }

    /// The peer had `octets` already. Once that is all that was sent again, the timeout was needless.
    pub(super) fn count_needless(&mut self, octets: u32) {
        let timeout = self.send.flight_mut().and_then(|flight| flight.timeout.as_mut());
        if let Some(timeout) = timeout.filter(|timeout| timeout.again > 0) {
            timeout.again = timeout.again.saturating_sub(octets);
            if timeout.again == 0 {
                self.undo_timeout();
            }
        }
    }

    /// New data to ask with, beyond the congestion window.
    pub(super) fn asking_range(&mut self, now: Now<'_>) -> Option<core::ops::Range<Offset>> {
        let timeout = self.send.flight()?.timeout.as_ref()?;
        let Step::Asking(left) = timeout.step else { return None };
        if left == 0 {
            return None;
        }
        let range = self.send.fresh_range(self.segment_room());
        if range.is_none() && left == NEW_SEGMENTS {
            self.settle_timeout(now); // Nothing to ask with.
            return None;
        }
        if let Some(timeout) = self.send.flight_mut().and_then(|flight| flight.timeout.as_mut()) {
            timeout.step = Step::Asking(if range.is_some() { left - 1 } else { 0 });
        }
        range
    }

    /// It was needed, or nobody can tell: what the timer would have called lost is lost.
    fn settle_timeout(&mut self, now: Now<'_>) {
        if let Some(timeout) = self.send.flight_mut().and_then(|flight| flight.timeout.as_mut()) {
            timeout.step = Step::Settled;
        }
        self.lose_late(now);
    }

    /// Nothing was lost: the window is what it was, and what is in flight is on its way.
    fn undo_timeout(&mut self) {
        let una = self.send.una();
        let Some(flight) = self.send.flight_mut() else { return };
        if let Some(timeout) = flight.timeout.take() {
            flight.revive();
            self.trust_path(timeout.before.mss());
            self.congestion.restore(timeout.before);
            self.trouble.recover = una;
            self.trouble.recovering = false;
            self.trouble.duplicates = 0;
        }
    }
}

impl Timeout {
    /// `octets` were sent again.
    pub(super) fn sent_again(&mut self, octets: u64) {
        self.again = self.again.saturating_add(length(octets));
    }
}
