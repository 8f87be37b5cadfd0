//! Connections that take a record's place, and give it back if they come to nothing (TW-9, TW-13).

use super::index::{Stage, Tag};
use super::tombstones::Left;
use super::{Flow, Owner, Stack};
use crate::connection::ending::Released;
use crate::opening::Opening;
use crate::seq::Seq;
use crate::stack::ListenerId;
use crate::wire::Segment;

/// Where a new connection between the same addresses and ports must begin (TW-10).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beyond {
    /// No initial number before this.
    pub(super) floor: Option<Seq>,
    /// The offset of the old connection's timestamps.
    pub(super) offset: Option<u32>,
}

impl Beyond {
    /// An initial number, moved behind the old connection's where it is not.
    pub(super) fn begin(self, fresh: Seq) -> Seq {
        self.floor.map_or(fresh, |floor| if fresh.distance(floor) < 0 { floor } else { fresh })
    }
}

impl Stack {
    /// What is known of an old connection's numbers: by its record, or by a tombstone.
    pub(super) fn beyond(&self, record: Option<u32>, hash: u64) -> Beyond {
        match record.and_then(|number| self.waits.get(number)) {
            Some(record) => Beyond { floor: Some(record.floor()), offset: record.offset() },
            None => {
                Beyond { floor: self.tombstones.find(hash, self.now).map(|left| self.floor_of(left)), offset: None }
            }
        }
    }

    /// Where a connection may begin over a tombstone. Others may have begun there since, of which nothing is left: so
    /// the floor rises with the clock, as initial numbers do (RFC 9293 section 3.4.1).
    fn floor_of(&self, left: Left) -> Seq {
        let longest = self.config.time_wait(self.config.max_rto);
        let age = longest.saturating_sub(left.expires.since(self.now));
        let ticks = age.as_micros() / 4;
        left.floor + u32::try_from(ticks).unwrap_or(u32::MAX / 4)
    }

    /// A SYN opens a connection in a record's place.
    pub(super) fn reopen(&mut self, listener: ListenerId, record: u32, flow: Flow, syn: &Segment<'_>) {
        let hash = self.secrets.index_hash(&flow);
        let opening = self.opening_for(listener, &flow, hash, syn, Some(record));
        match self.add_opening_at(flow, hash, opening, Owner::Listener(listener), Some(record)) {
            Some(_) => {}
            None => self.listeners.opening_gone(listener),
        }
    }

    /// An opening takes a record's place in the index; the record waits in its queue.
    pub(super) fn shadow(&mut self, record: u32, opening: u32, hash: u64) {
        self.index.replace(hash, Tag::new(Stage::Record, record), Tag::new(Stage::Opening, opening));
        if let Some(record) = self.waits.get_mut(record) {
            record.set_shadowed(true);
        }
        self.shadows.insert(opening, record);
    }

    /// An opening has come to nothing: the record it hid is back, with its time as it was. Whether there was one.
    pub(super) fn restore_shadow(&mut self, opening: u32, hash: u64, active: bool) -> bool {
        let Some(record) = self.shadows.remove(&opening) else { return false };
        let Some(left) = self.waits.get_mut(record) else { return false };
        left.set_shadowed(false);
        if active {
            left.set_active(true); // It keeps the port that was counted for the opening.
        }
        self.index.replace(hash, Tag::new(Stage::Opening, opening), Tag::new(Stage::Record, record));
        self.stats.time_wait_restored += 1;
        true
    }

    /// An opening is established: the record it hid is over.
    pub(super) fn settle_shadow(&mut self, opening: u32, how: Released) {
        if let Some(record) = self.shadows.remove(&opening) {
            if let Some(left) = self.waits.get_mut(record) {
                left.set_shadowed(false); // Nobody else hides it.
            }
            self.drop_record(record, how);
        }
    }

    /// A hidden record is gone: nobody gives it back.
    pub(super) fn forget_shadow(&mut self, record: u32) {
        self.shadows.retain(|_, hidden| *hidden != record);
    }

    /// What a SYN opens.
    pub(super) fn opening_for(
        &mut self,
        listener: ListenerId,
        flow: &Flow,
        hash: u64,
        syn: &Segment<'_>,
        record: Option<u32>,
    ) -> Opening {
        let beyond = self.beyond(record, hash);
        let (fresh, offset) = self.secrets.beginning(flow, self.now);
        let settings = self.listeners.settings(listener);
        let terms = self.terms(flow, beyond.offset.unwrap_or(offset), &settings);
        let mut opening = Opening::accept(self.step(), beyond.begin(fresh), terms, syn);
        opening.set(settings);
        opening
    }
}
