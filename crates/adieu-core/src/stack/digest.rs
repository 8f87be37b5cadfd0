//! What of a stack can matter from now on: for model checkers, which must know a state again.

use core::hash::{Hash, Hasher};

use super::{At, Handle, Owner, Slot, Stack};
use crate::connection::Connection;
use crate::digest::{Digest, Moment};
use crate::time::Instant;

/// What is still to come, as far as whoever asks for a digest knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outlook {
    /// Anything.
    Anything,
    /// No connection will begin any more, neither by a call nor by a SYN: then the clock that initial sequence numbers
    /// come of is nothing to tell states apart by.
    NoNewConnections,
}

impl Stack {
    /// Gives all that can matter from `now` on to `state`, with every time told from `now`.
    ///
    /// Two stacks with the same configuration and the same keys that give the same do the same whatever is done to
    /// both, with handles and numbers of connections read as the same and times counted from each one's own present:
    /// the same packets leave, the same timers are due after the same time, calls return the same. This holds while the
    /// configuration and the [`Settings`](crate::Settings) of what there is stay as they are. Counts, labels, and those
    /// parts of receipts that say how it came about are left out, and so are receipts and warnings nobody has taken.
    pub fn digest<H: Hasher>(&self, now: Instant, outlook: Outlook, state: &mut H) {
        let moment = Moment { now: self.now.max(now), config: &self.config };
        self.digest_clock(&moment, outlook, state);
        self.digest_tables(&moment, state);
        let Self { shadows, orphans, listeners, handles, identification, redeemed, ports, usage, strays, .. } = self;
        let Self { deadlines, due, replies, notified, closing: _, held: _, .. } = self;
        (shadows, identification, redeemed, ports, usage, due).hash(state);
        orphans.digest(&moment, state);
        listeners.digest(&moment, state);
        strays.digest(state);
        self.fragments.digest(&moment, state);
        for (at, tag) in deadlines {
            moment.at(*at, state);
            tag.hash(state);
        }
        replies.iter().for_each(|reply| (&reply.head, reply.body.as_slice()).hash(state));
        notified.iter().for_each(|handle| handle.number.hash(state));
        for (number, Handle { generation: _, events, notified, label: _, at }) in handles.iter() {
            (number, events, notified).hash(state);
            match at {
                At::Opening(number) => (0, number).hash(state),
                At::Connection(number) => (1, number).hash(state),
                At::Failed(receipt) => (2, receipt.ending).hash(state),
            }
        }
    }

    /// The time itself, where something depends on it, and on how it lies between the ticks of our clocks.
    fn digest_clock<H: Hasher>(&self, moment: &Moment<'_>, outlook: Outlook, state: &mut H) {
        let (config, nanos) = (&self.config, moment.now.as_nanos());
        let begins = outlook == Outlook::Anything && !self.secrets.has_fixed_start();
        let cookies = outlook == Outlook::Anything && config.syn_cookies;
        if begins || cookies || config.timestamps || config.stray_resets < u32::MAX {
            return nanos.hash(state);
        }
        // Records count in sixteenths of milliseconds, and lists of answers in periods of 16 ms.
        (nanos % 16_000_000).hash(state);
        if let Some(began) = self.began.filter(|_| !config.quiet_time.is_zero()) {
            moment.now.since(began).min(config.quiet_time).hash(state);
        }
    }

    fn digest_tables<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        for (number, slot) in self.openings.iter() {
            (0, number).hash(state);
            digest_slot(slot, moment, state);
        }
        for (number, slot) in self.connections.iter() {
            (1, number, self.shows_record(slot)).hash(state);
            digest_slot(slot, moment, state);
        }
        self.waits.digest(moment, state);
        self.abandoned.digest(moment, state);
        self.tombstones.digest(moment, state);
    }

    /// Whether a handle's state would be TIME-WAIT.
    fn shows_record(&self, slot: &Slot<Connection>) -> bool {
        matches!(slot.owner, Owner::Handle(_)) && slot.is.ended().is_some() && self.has_record(slot)
    }
}

fn digest_slot<T: Digest, H: Hasher>(slot: &Slot<T>, moment: &Moment<'_>, state: &mut H) {
    // The hash comes of the flow, what it holds is held by it, and its deadline stands with the others.
    let Slot { is, flow, hash: _, owner, scheduled: _, held: _, orphan, reserved, due, indexed } = slot;
    (flow, owner, orphan, reserved, due, indexed).hash(state);
    is.digest(moment, state);
}
