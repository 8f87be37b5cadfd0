//! What the stack waits for, and what happens when it is over.

use super::index::{Stage, Tag};
use super::{Stack, schedule};
use crate::connection::Now;
use crate::time::Instant;

impl Stack {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called next; [`Instant::NEVER`] where nothing is waited
    /// for.
    pub fn poll_timeout(&self) -> Instant {
        let deadline = self.deadlines.first().map_or(Instant::NEVER, |(at, _)| *at);
        deadline.min(self.waits.next_expiry(self.now))
    }

    /// Fires what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        while let Some((at, tag)) = self.deadlines.first().copied().filter(|(at, _)| at.is_due(self.now)) {
            self.deadlines.remove(&(at, tag));
            match tag.stage() {
                Stage::Opening => self.opening_timeout(tag.number()),
                Stage::Connection => self.connection_timeout(tag.number()),
                Stage::Record => {}
            }
        }
        while let Some(number) = self.waits.expired(self.now) {
            self.expire_record(number);
        }
    }

    fn connection_timeout(&mut self, number: u32) {
        let now = Now { time: self.now, config: &self.config };
        let Some(slot) = self.connections.get_mut(number) else { return };
        slot.scheduled = Instant::NEVER;
        if slot.is.poll_timeout().is_due(now.time) {
            slot.is.handle_timeout(now);
            return self.after_connection(number);
        }
        // The deadline has moved since it was entered.
        schedule(&mut self.deadlines, &mut slot.scheduled, Tag::new(Stage::Connection, number), slot.is.poll_timeout());
    }

    fn opening_timeout(&mut self, number: u32) {
        let now = Now { time: self.now, config: &self.config };
        let Some(slot) = self.openings.get_mut(number) else { return };
        slot.scheduled = Instant::NEVER;
        let verdict = slot.is.handle_timeout(now);
        self.after_verdict(number, verdict);
    }

    /// A record goes when its time is over, but not in debt: with a wait of 0 its ACK has not left yet.
    fn expire_record(&mut self, number: u32) {
        let owed = self.waits.get_mut(number).and_then(|record| record.poll_transmit(self.now));
        if let (Some(flow), Some(header)) = (self.waits.flow(number), owed) {
            self.reply(&flow, &header);
        }
        self.drop_record(number);
    }

    pub(super) fn drop_record(&mut self, number: u32) {
        if let Some(flow) = self.waits.flow(number) {
            self.waits.remove(number);
            let hash = self.secrets.index_hash(&flow);
            self.index.remove(hash, Tag::new(Stage::Record, number));
        }
    }
}
