//! What follows from a step: who hears of it, what is due, and what becomes of what has ended.

use alloc::boxed::Box;

use super::index::{Stage, Tag};
use super::{At, Flow, Owner, Stack, mark_due, notify, schedule, unschedule};
use crate::connection::ending::{Ending, Receipt, Released};
use crate::connection::{Events, Now};
use crate::time_wait::Wait;

/// How an opening goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Parting {
    /// It has become a connection, or there is nobody to tell.
    Silent,
    /// A listener's, as if it had never been.
    Forgotten,
    /// With a reset to a peer that may be in SYN-RECEIVED.
    Reset,
    /// In silence, though its SYN may still open something at the peer (EO-2).
    Cancelled,
}

impl Stack {
    /// After every step of an opening: it is due, and its timer may be earlier.
    pub(super) fn after_opening(&mut self, number: u32) {
        let Some(slot) = self.openings.get_mut(number) else { return };
        let tag = Tag::new(Stage::Opening, number);
        schedule(&mut self.deadlines, &mut slot.scheduled, tag, slot.is.poll_timeout());
        mark_due(&mut self.due, &mut slot.due, tag);
    }

    /// After every step of a connection: tell its owner, end it if it has ended, else it is due and may be waited for.
    pub(super) fn after_connection(&mut self, number: u32) {
        let Some(slot) = self.connections.get_mut(number) else { return };
        if let Owner::Handle(handle) = slot.owner {
            let events = slot.is.take_events();
            notify(&mut self.handles, &mut self.notified, handle, events);
        }
        if slot.is.ended().is_some() {
            return self.after_ending(number);
        }
        let tag = Tag::new(Stage::Connection, number);
        schedule(&mut self.deadlines, &mut slot.scheduled, tag, slot.is.poll_timeout());
        if slot.is.has_more() {
            mark_due(&mut self.due, &mut slot.due, tag);
        }
        let nobody = slot.owner == Owner::Nobody;
        if !slot.reserved && slot.is.may_wait() {
            slot.reserved = true;
            let flow = slot.flow;
            self.reserve_end(&flow);
        }
        if nobody {
            self.abandon(number);
        }
    }

    /// From here on a connection may enter TIME-WAIT: that then needs no memory (TW-15).
    fn reserve_end(&mut self, flow: &Flow) {
        self.closing += 1;
        self.waits.reserve(flow);
        self.due.reserve(self.closing);
        self.notified.reserve(self.closing);
        let most = self.config.receipts as usize;
        self.receipts.reserve(self.closing.min(most.saturating_sub(self.receipts.len())));
        self.released.reserve(self.closing.min(most.saturating_sub(self.released.len())));
    }

    pub(super) fn unreserve_end(&mut self, flow: &Flow) {
        self.closing -= 1;
        self.waits.unreserve(flow);
    }

    /// An ended connection gives everything back: its flow, its timer, and its place once nobody asks for it any more.
    /// A reset that is still to be sent keeps the flow until it has left.
    pub(super) fn after_ending(&mut self, number: u32) {
        let Some(slot) = self.connections.get_mut(number) else { return };
        let tag = Tag::new(Stage::Connection, number);
        unschedule(&mut self.deadlines, &mut slot.scheduled, tag);
        if slot.is.owes_reset() {
            mark_due(&mut self.due, &mut slot.due, tag);
            return self.account(number);
        }
        if slot.indexed {
            slot.indexed = false;
            let (flow, hash, receipt) = (slot.flow, slot.hash, slot.is.receipt());
            if core::mem::take(&mut slot.reserved) {
                self.unreserve_end(&flow);
            }
            if let Some(receipt) = receipt {
                let record = self.record_of(number, &flow, receipt.ending);
                let old = Tag::new(Stage::Connection, number);
                self.leave_for(hash, old, record, flow, !receipt.is_passive());
                self.record_receipt(flow, receipt);
            }
            self.waits.give_back();
        }
        if self.connections.get(number).is_some_and(|slot| slot.owner == Owner::Nobody) {
            return self.discard_connection(number);
        }
        self.account(number);
    }

    /// Out of the index, or changed for a record there: TIME-WAIT (TW-1) or quarantine (AB-5).
    pub(super) fn leave_for(&mut self, hash: u64, old: Tag, record: Option<u32>, flow: Flow, active: bool) {
        match record {
            Some(record) => self.index.replace(hash, old, Tag::new(Stage::Record, record)),
            None => {
                self.index.remove(hash, old);
                self.release_flow(flow, active, Released::Immediately);
            }
        }
    }

    pub(super) fn record_receipt(&mut self, flow: Flow, receipt: Receipt) {
        self.stats.ended += 1;
        self.endings.count(receipt.ending);
        self.stats.ended_gracefully += u64::from(receipt.ending.is_graceful());
        let most = if self.all_receipts { usize::MAX } else { self.config.receipts as usize };
        if self.receipts.len() >= most {
            self.receipts.pop_front();
            self.stats.receipts_dropped += 1;
        }
        if most > 0 {
            self.receipts.push_back((flow, receipt));
        }
    }

    /// An opening ends; `reset` tells a peer that may be in SYN-RECEIVED.
    pub(super) fn fail_opening(&mut self, number: u32, ending: Ending, reset: bool) {
        let (now, leaves) = (Now::of(self.now, &self.config, self.held), reset && self.may_reply());
        let Some(slot) = self.openings.get_mut(number) else { return };
        let receipt = slot.is.receipt(now, ending, leaves);
        let (owner, flow) = (slot.owner, slot.flow);
        let parting = match ending {
            _ if reset => Parting::Reset,
            Ending::Cancelled { .. } => Parting::Cancelled,
            _ => Parting::Silent,
        };
        self.drop_opening(number, parting);
        self.record_receipt(flow, receipt);
        if let Owner::Handle(handle) = owner {
            if let Some(entry) = self.handles.get_mut(handle) {
                entry.at = At::Failed(Box::new(receipt));
            }
            notify(&mut self.handles, &mut self.notified, handle, Events::ENDED);
        }
    }

    /// Takes an opening out of everything, or gives its place back to the record it has hidden (TW-9).
    pub(super) fn drop_opening(&mut self, number: u32, parting: Parting) {
        let Some(slot) = self.openings.get_mut(number) else { return };
        let tag = Tag::new(Stage::Opening, number);
        unschedule(&mut self.deadlines, &mut slot.scheduled, tag);
        if let Owner::Listener(listener) = slot.owner {
            self.listeners.opening_gone(listener);
        }
        let now = Now::of(self.now, &self.config, self.held);
        let (indexed, hash, flow, passive) = (slot.indexed, slot.hash, slot.flow, slot.is.is_passive());
        let farewell = (parting == Parting::Reset).then(|| slot.is.reset(now));
        let legacy = slot.is.legacy(now);
        self.openings.discard(number);
        if let Some(reset) = farewell {
            self.reply(&flow, &reset);
        }
        if !indexed {
            return;
        }
        if self.restore_shadow(number, hash, !passive) {
            return;
        }
        let record = match (parting, legacy) {
            (Parting::Silent | Parting::Forgotten, _) | (_, None) => None,
            (Parting::Reset, Some(legacy)) => self.enter_quarantine(&flow, legacy, !passive, Wait::Quarantine),
            (Parting::Cancelled, Some(legacy)) => self.enter_quarantine(&flow, legacy, !passive, Wait::Attempt),
        };
        if parting == Parting::Forgotten {
            // It was nobody's: nobody need hear of it.
            self.stats.released[Released::Immediately as usize] += 1;
            return self.index.remove(hash, tag);
        }
        self.leave_for(hash, tag, record, flow, !passive);
    }

    /// An opening gives its place to a connection that a cookie has opened between the same addresses and ports.
    pub(super) fn openings_place_taken(&mut self, number: u32) {
        if let Some(slot) = self.openings.get_mut(number) {
            let (hash, tag) = (slot.hash, Tag::new(Stage::Opening, number));
            slot.indexed = false;
            self.index.remove(hash, tag);
        }
        self.drop_opening(number, Parting::Silent);
    }
}
