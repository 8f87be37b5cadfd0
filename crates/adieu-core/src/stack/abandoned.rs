//! Orphans in FIN-WAIT-2: connections that have become records (OR-4).

use super::index::{Stage, Tag};
use super::{Owner, Stack, unschedule};
use crate::connection::close::State;
use crate::connection::ending::{Cause, Ending, Order};
use crate::fin_wait_2::{FinWait2, Verdict};
use crate::time::Duration;
use crate::time_wait::Wait;
use crate::wire::Segment;
use crate::wire::tcp::Header;

impl Stack {
    /// An orphan that has nothing more to say in FIN-WAIT-2 becomes a record.
    pub(super) fn abandon(&mut self, number: u32) {
        let Some(slot) = self.connections.get(number) else { return };
        let idle = slot.is.state() == State::FinWait2 && slot.is.ended().is_none() && !slot.is.has_more();
        if slot.owner != Owner::Nobody || !idle || slot.is.is_draining() {
            return;
        }
        let (flow, hash) = (slot.flow, slot.hash);
        let Some(until) = slot.is.idle_until() else { return };
        let receipt = slot.is.receipt_so_far(self.now);
        // The queue is one of equal waits, to the millisecond; and what was thrown away a record cannot remember.
        let whole = until + Duration::from_millis(1);
        let far = until.since(self.now) > super::OVERSLEPT;
        if far || receipt.discarded > 0 || self.abandoned.last_expiry(self.now).is_some_and(|last| whole <= last) {
            return;
        }
        let long = self.waits_long(&slot.is);
        let mut record = FinWait2::new(slot.is.legacy(), slot.is.shifts(), &receipt, long, self.now);
        record.expire_at(until);
        let Some(record) = self.abandoned.insert(&flow, record) else { return };
        self.index.replace(hash, Tag::new(Stage::Connection, number), Tag::new(Stage::Abandoned, record));
        if let Some(slot) = self.connections.get_mut(number) {
            slot.indexed = false;
            unschedule(&mut self.deadlines, &mut slot.scheduled, Tag::new(Stage::Connection, number));
        }
        self.discard_connection(number);
        self.limit_abandoned();
    }

    /// The records share their budget with no others: what is over it goes, oldest first, and silently (TO-9).
    fn limit_abandoned(&mut self) {
        while self.abandoned.bytes() > self.config.fin_wait_2_budget {
            let Some(oldest) = self.abandoned.first(0) else { return };
            self.stats.orphans_shed += 1;
            let ending = Ending::Aborted { cause: Cause::OrphanLimit, state: State::FinWait2 };
            self.end_abandoned(oldest, ending, None);
        }
    }

    pub(super) fn segment_for_abandoned(&mut self, number: u32, segment: &Segment<'_>) {
        let Some(record) = self.abandoned.get_mut(number) else { return };
        let owed = record.owes_ack();
        match record.handle_segment(self.now, segment) {
            Verdict::Answer if !owed => self.due.push_back(Tag::new(Stage::Abandoned, number)),
            Verdict::Silence | Verdict::Answer => {}
            Verdict::Finished => self.end_abandoned(number, Ending::Graceful { order: Order::LocalFirst }, None),
            Verdict::Ended(ending, reset) => self.end_abandoned(number, ending, reset),
        }
    }

    /// Its time is over.
    pub(super) fn expire_abandoned(&mut self, number: u32) {
        self.end_abandoned(number, FinWait2::timed_out(), None);
    }

    /// It ends, with a reset or without: its receipt, and what it leaves. An orphan that gave up in silence is answered
    /// for, too, when the peer speaks again (RS-7).
    pub(super) fn end_abandoned(&mut self, number: u32, ending: Ending, reset: Option<Header>) {
        let Some((flow, record)) = self.abandoned.flow(number).zip(self.abandoned.get(number)) else { return };
        let receipt = record.receipt(self.now, ending, reset.is_some() && self.may_reply());
        let (active, long) = (record.is_active(), record.is_long());
        let finished = ending.is_graceful();
        let legacy = record.legacy(finished);
        self.abandoned.remove(number);
        if let Some(reset) = reset {
            self.reply(&flow, &reset);
        }
        let left = match ending {
            _ if finished => self.enter_time_wait(&flow, legacy, active, long, true),
            Ending::ResetByPeer { .. } => None,
            _ => self.enter_quarantine(&flow, legacy, active, Wait::Quarantine),
        };
        let hash = self.secrets.index_hash(&flow);
        let old = Tag::new(Stage::Abandoned, number);
        self.leave_for(hash, old, left, flow, active);
        self.record_receipt(flow, receipt);
    }
}
