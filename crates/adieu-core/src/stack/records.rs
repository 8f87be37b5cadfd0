//! TIME-WAIT and quarantine in the table of flows: how a record enters, what a segment does to it, and how it goes.

use super::index::{Stage, Tag};
use super::tombstones::Left;
use super::{Flow, ListenerId, Stack};
use crate::connection::Connection;
use crate::connection::ending::{Ending, Order, Phase, Released};
use crate::time::{Duration, Instant};
use crate::time_wait::{Legacy, TimeWait, Verdict, Wait};
use crate::wire::Segment;

/// Whether an ending leaves a record in TIME-WAIT (TW-1).
pub(super) fn leads_to_time_wait(ending: Ending) -> bool {
    matches!(ending, Ending::Graceful { order: Order::LocalFirst | Order::Simultaneous })
}

/// Whether a peer may go on sending to what has ended: then its addresses and ports are kept aside (AB-5).
pub(super) fn leads_to_quarantine(ending: Ending) -> bool {
    match ending {
        Ending::Aborted { .. } => true,
        Ending::TimedOut { phase, .. } => phase != Phase::Connect,
        Ending::Graceful { .. }
        | Ending::ResetByPeer { .. }
        | Ending::Refused { .. }
        | Ending::Unreachable { .. }
        | Ending::Cancelled { .. } => false,
    }
}

impl Stack {
    // ---- in ----------------------------------------------------------------------------------------------------

    /// The record that a connection leaves: in TIME-WAIT or in quarantine, if its ending asks for one.
    pub(super) fn record_of(&mut self, number: u32, flow: &Flow, ending: Ending) -> Option<u32> {
        if !leads_to_time_wait(ending) && !leads_to_quarantine(ending) {
            return None;
        }
        let connection = &self.connections.get(number)?.is;
        let (legacy, active) = (connection.legacy(), !connection.is_passive());
        if leads_to_quarantine(ending) {
            return self.enter_quarantine(flow, legacy, active, Wait::Quarantine);
        }
        let (long, owes_ack) = (self.waits_long(connection), connection.owes_ack());
        self.enter_time_wait(flow, legacy, active, long, owes_ack)
    }

    /// Whether a peer's FIN may come so late that TIME-WAIT is to be the long one (TW-2).
    pub(super) fn waits_long(&self, connection: &Connection) -> bool {
        self.config.time_wait(connection.rto()) > self.config.time_wait(Duration::ZERO)
    }

    pub(super) fn enter_time_wait(
        &mut self,
        flow: &Flow,
        legacy: Legacy,
        active: bool,
        long: bool,
        owes_ack: bool,
    ) -> Option<u32> {
        let wait = if long { Wait::Long } else { Wait::Normal };
        let mut record = TimeWait::new(legacy, self.now, wait, self.stay(long));
        record.set_active(active);
        if owes_ack {
            record.owe_ack();
        }
        let record = self.park(flow, record)?;
        if owes_ack {
            self.due.push_back(Tag::new(Stage::Record, record));
        }
        Some(record)
    }

    /// How long TIME-WAIT lasts.
    fn stay(&self, long: bool) -> Duration {
        self.config.time_wait(if long { self.config.max_rto } else { Duration::ZERO })
    }

    /// Keeps a flow aside for 2 x MSL after a reset; after an attempt that was given up, until its SYN would have been
    /// answered (EO-2).
    pub(super) fn enter_quarantine(&mut self, flow: &Flow, legacy: Legacy, active: bool, wait: Wait) -> Option<u32> {
        let stay = if wait == Wait::Attempt { self.config.initial_rto } else { self.stay(false) };
        if stay.is_zero() {
            return None;
        }
        let mut record = TimeWait::new(legacy, self.now, wait, stay);
        record.set_active(active);
        self.park(flow, record)
    }

    fn park(&mut self, flow: &Flow, record: TimeWait) -> Option<u32> {
        if !self.config.addresses.contains(&flow.local_address) {
            return None; // Ours no more (3.35): whoever writes to it does not write to us.
        }
        self.make_room();
        self.waits.insert(flow, record)
    }

    /// Within the budget there is always room for one more: another gives way (TW-14).
    pub(super) fn make_room(&mut self) {
        while self.waits.len() > 0 && self.waits.bytes() >= self.config.time_wait_budget {
            let Some(number) = self.waits.least_needed(self.now) else { return };
            self.evict(number);
        }
    }

    fn evict(&mut self, number: u32) {
        let Some((flow, record)) = self.waits.flow(number).zip(self.waits.get(number)) else { return };
        let (floor, expires) = (record.floor(), self.now.near(record.expiry()));
        // A stone does not know the clock that its connection had: one that came from elsewhere may have had another.
        let (_, clock) = self.secrets.beginning(&flow, self.now);
        let stamped = record.offset() == Some(clock);
        let protected = stamped || !record.wait().is_time_wait();
        let hash = self.secrets.index_hash(&flow);
        let left = Left { expires, floor, stamped };
        let remembered = self.tombstones.add(hash, left, self.now, self.config.tombstone_budget);
        self.stats.time_wait_evicted += 1;
        self.stats.time_wait_evicted_unsafe += u64::from(!protected || !remembered);
        self.pay_debt(number);
        self.drop_record(number, Released::Evicted);
    }

    // ---- a segment ---------------------------------------------------------------------------------------------

    pub(super) fn segment_for_record(&mut self, number: u32, flow: &Flow, segment: &Segment<'_>) {
        if self.takes_cookie(number, flow, segment) {
            self.drop_record(number, Released::ReusedByPeer);
            return self.segment_for_nobody(flow, segment);
        }
        let Some(record) = self.waits.get_mut(number) else { return };
        if self.config.reset_ends_time_wait && record.is_exact_reset(segment) {
            return self.drop_record(number, Released::Immediately);
        }
        let owed = record.owes_ack();
        let mut verdict = record.handle_segment(self.now, segment, self.config.timestamps);
        if verdict == Verdict::Reopen {
            let quarantine = !record.wait().is_time_wait();
            if let Some(listener) = self.listeners.find(flow.local_address, flow.local_port) {
                return self.syn_for_record(listener, number, quarantine, flow, segment);
            }
            verdict = record.refuse_syn(self.now);
        }
        match verdict {
            Verdict::Silence | Verdict::Answer | Verdict::Reopen => {}
            Verdict::Reset => self.reset_known(flow, segment),
            Verdict::Restart => {
                let long = record.is_long();
                self.waits.restart(number, self.now, self.stay(long));
            }
        }
        // Once, however often it is asked while the device has no room.
        if !owed && self.waits.get(number).is_some_and(TimeWait::owes_ack) {
            self.due.push_back(Tag::new(Stage::Record, number));
        }
    }

    /// A SYN that can only be of a new connection, and somebody listens. In quarantine nothing has to be protected, so
    /// a full backlog answers with a cookie; TIME-WAIT has the peer ask again.
    fn syn_for_record(&mut self, listener: ListenerId, number: u32, quarantine: bool, flow: &Flow, syn: &Segment<'_>) {
        if self.is_quiet() {
            return; // Nothing begins yet; the peer asks again (QT-1).
        }
        if quarantine && !self.listeners.has_place(listener, &self.config) {
            return self.answer_with_cookie(listener, flow, syn);
        }
        if self.admit(listener) {
            self.reopen(listener, number, *flow, syn);
        }
    }

    /// Whether a segment brings a cookie back that was given out while the flow was in quarantine: what we had reset
    /// may come again, in a flood too.
    fn takes_cookie(&self, number: u32, flow: &Flow, segment: &Segment<'_>) -> bool {
        let quarantine = self.waits.get(number).is_some_and(|record| !record.wait().is_time_wait());
        let listener = self.listeners.find(flow.local_address, flow.local_port);
        quarantine && listener.is_some_and(|listener| self.has_cookie(listener, flow, segment))
    }

    /// The reset for a flow that had one already: beyond every budget but its own (RS-7).
    fn reset_known(&mut self, flow: &Flow, segment: &Segment<'_>) {
        if let Some(reset) = crate::reset::answer(segment) {
            self.stats.quarantine_resets += 1;
            self.reply(flow, &reset);
        }
    }

    // ---- out ---------------------------------------------------------------------------------------------------

    /// No record goes in debt: where its wait is 0, or others need its room at once, its ACK has not left yet (FR-6).
    fn pay_debt(&mut self, number: u32) {
        let owed = self.waits.get_mut(number).and_then(|record| record.poll_transmit(self.now));
        if let (Some(flow), Some(header)) = (self.waits.flow(number), owed) {
            self.reply(&flow, &header);
        }
    }

    /// A record goes when its time is over.
    pub(super) fn expire_record(&mut self, number: u32) {
        self.pay_debt(number);
        let quarantine = self.waits.get(number).is_some_and(|record| !record.wait().is_time_wait());
        self.drop_record(number, if quarantine { Released::QuarantineExpired } else { Released::TimeWaitExpired });
    }

    /// A record goes, and its flow is free; one that a new connection hides leaves that its place (TW-9).
    pub(super) fn drop_record(&mut self, number: u32, how: Released) {
        let Some((flow, record)) = self.waits.flow(number).zip(self.waits.get(number)) else { return };
        let (shadowed, active) = (record.is_shadowed(), record.is_active());
        self.waits.remove(number);
        if shadowed {
            self.forget_shadow(number);
        } else {
            let hash = self.secrets.index_hash(&flow);
            self.index.remove(hash, Tag::new(Stage::Record, number));
        }
        self.release_flow(flow, active, how);
    }

    /// The last word about a connection's addresses and ports (TW-18).
    pub(super) fn release_flow(&mut self, flow: Flow, active: bool, how: Released) {
        if active {
            self.usage.leave(&flow, &self.config);
        }
        self.stats.released[how as usize] += 1;
        let most = self.config.receipts as usize;
        if self.released.len() >= most {
            self.released.pop_front();
        }
        if most > 0 {
            self.released.push_back((flow, how));
        }
    }

    /// What became of the addresses and ports of connections that ended: each once, in order; the oldest give way
    /// ([`Config::receipts`](crate::Config::receipts)).
    pub fn poll_released(&mut self) -> Option<(Flow, Released)> {
        self.released.pop_front()
    }

    /// Whether nothing may begin yet: after a restart without memory of what was before (QT-1).
    pub(super) fn is_quiet(&self) -> bool {
        let began = self.began.unwrap_or(self.now);
        !self.config.quiet_time.is_zero() && self.now.since(began) < self.config.quiet_time
    }

    /// When quiet time is over.
    pub fn quiet_until(&self) -> Instant {
        if self.is_quiet() { self.began.unwrap_or(self.now) + self.config.quiet_time } else { self.now }
    }
}
