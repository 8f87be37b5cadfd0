//! What the stack waits for, and what happens when it is over.

use super::index::{Stage, Tag};
use super::{Stack, schedule};
use crate::connection::Now;
use crate::time::Instant;

/// What of one kind is due is looked at in one call.
const AT_ONCE: usize = 1000;

impl Stack {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called next; [`Instant::NEVER`] where nothing is waited
    /// for.
    pub fn poll_timeout(&self) -> Instant {
        let deadline = self.deadlines.first().map_or(Instant::NEVER, |(at, _)| *at);
        let records = self.waits.next_expiry(self.now).min(self.abandoned.next_expiry(self.now));
        deadline.min(records).min(self.tombstones.poll_timeout()).min(self.fragments.next_expiry())
    }

    /// Fires what is due, a thousand or so at a time: [`poll_timeout`](Self::poll_timeout) says whether more is. So a
    /// million records that end at once hold no packet up.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.stats.fragments_dropped += self.fragments.expire(self.now);
        for _ in 0..AT_ONCE {
            let Some((at, tag)) = self.deadlines.first().copied().filter(|(at, _)| at.is_due(self.now)) else { break };
            self.deadlines.remove(&(at, tag));
            match tag.stage() {
                Stage::Opening => self.opening_timeout(tag.number()),
                Stage::Connection => self.connection_timeout(tag.number()),
                Stage::Record | Stage::Abandoned => {}
            }
        }
        for _ in 0..AT_ONCE {
            let Some(number) = self.waits.expired(self.now) else { break };
            self.expire_record(number);
        }
        for _ in 0..AT_ONCE {
            let Some(number) = self.abandoned.expired(self.now) else { break };
            self.expire_abandoned(number);
        }
        self.tombstones.handle_timeout(self.now);
    }

    fn connection_timeout(&mut self, number: u32) {
        let now = Now::of(self.now, &self.config, self.held);
        let Some(slot) = self.connections.get_mut(number) else { return };
        slot.scheduled = Instant::NEVER;
        if slot.is.poll_timeout().is_due(now.time) {
            slot.is.handle_timeout(now);
            if slot.is.take_alarm() {
                self.warn_of(number);
            }
            return self.after_connection(number);
        }
        // The deadline has moved since it was entered.
        schedule(&mut self.deadlines, &mut slot.scheduled, Tag::new(Stage::Connection, number), slot.is.poll_timeout());
    }

    fn opening_timeout(&mut self, number: u32) {
        let now = Now::of(self.now, &self.config, self.held);
        let Some(slot) = self.openings.get_mut(number) else { return };
        slot.scheduled = Instant::NEVER;
        let verdict = slot.is.handle_timeout(now);
        self.after_verdict(number, verdict);
    }
}
