//! What a listener does whose backlog is full: it answers, keeps nothing, and knows its own number when it comes back
//! (RFC 4987 section 3.6; X-COOKIE). Only then: what a cookie cannot carry is lost.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};

use super::index::{Stage, Tag};
use super::{Flow, ListenerId, Owner, Slot, Stack};
use crate::connection::close::State;
use crate::connection::ending::{Ledger, Noted, Released};
use crate::connection::recv::{initial_window, shift_for};
use crate::connection::stamps::Stamps;
use crate::connection::{Agreed, Connection, Now, Opened};
use crate::cookie;
use crate::opening::Terms;
use crate::settings::Settings;
use crate::wire::tcp::{Control, Header};
use crate::wire::{Flags, Options, Segment, Timestamps};

/// Cookies that came back. An old duplicate of the segment that brought one must not open a second connection (INV-22);
/// so the latest are remembered, which is little beside what a connection takes.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Redeemed {
    known: BTreeSet<u64>,
    order: VecDeque<u64>,
}

/// As many as an accept queue holds by default; the oldest is forgotten for the next.
const REMEMBERED: usize = 4096;

impl Redeemed {
    fn knows(&self, cookie: u64) -> bool {
        self.known.contains(&cookie)
    }

    fn add(&mut self, cookie: u64) {
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        if self.known.insert(cookie) {
            self.order.push_back(cookie);
        }
    }
}

impl Stack {
    /// A SYN that finds no room is answered all the same, unless that is switched off. Its data is not taken.
    pub(super) fn answer_with_cookie(&mut self, listener: ListenerId, flow: &Flow, syn: &Segment<'_>) {
        if !self.config.syn_cookies {
            return self.stats.syns_dropped += 1;
        }
        let terms = self.cookie_terms(listener, flow);
        let mss = syn.options.mss.unwrap_or(terms.default);
        let iss = cookie::iss(&self.secrets, flow, syn.seq, listener.epoch(), mss, self.now);
        // A cookie's number cannot be moved beyond an old connection's (TW-10).
        if self.tombstones.len() > 0 && self.beyond(None, self.secrets.index_hash(flow)).begin(iss) != iss {
            return self.stats.syns_dropped += 1;
        }
        let shift = syn.options.window_shift.filter(|_| self.config.window_scaling).map(|shift| shift.min(14));
        let sack = syn.options.sack_permitted && self.config.selective_acks;
        // Without timestamps there is nowhere to keep what else the SYN has offered.
        let stamp = syn.options.timestamps.filter(|_| self.config.timestamps);
        let clock = Stamps::clock(terms.offset, self.now);
        let options = Options {
            mss: Some(terms.ours),
            window_shift: shift.filter(|_| stamp.is_some()).map(|_| shift_for(&self.config)),
            sack_permitted: sack && stamp.is_some(),
            timestamps: stamp.map(|stamp| Timestamps { value: cookie::hide(clock, shift, sack), echo: stamp.value }),
            ..Options::default()
        };
        let bare = Header::bare(iss, Some(syn.seq + 1), initial_window(&self.config));
        self.stats.cookies_sent += 1;
        self.listeners.press(listener, self.now);
        self.reply(flow, &Header { control: Control::Syn, options, ..bare });
    }

    /// Whether a segment for a listener needs no reset: it has brought a cookie back, or may be of a connection whose
    /// cookie found the accept queue full, and comes again.
    pub(super) fn brings_cookie(&mut self, listener: ListenerId, flow: &Flow, segment: &Segment<'_>) -> bool {
        self.open_by_cookie(listener, flow, segment, None)
            || self.config.syn_cookies
                && self.listeners.was_pressed(listener, self.now)
                && !self.listeners.has_room(listener, &self.config)
    }

    /// Whether an acknowledgment brings a cookie back; then there is a connection now (EO-8: also where the first that
    /// comes back is data or a FIN). `opening` is what has begun in its place meanwhile, by the same SYN come twice.
    pub(super) fn open_by_cookie(
        &mut self,
        listener: ListenerId,
        flow: &Flow,
        segment: &Segment<'_>,
        opening: Option<u32>,
    ) -> bool {
        let Some(mss) = self.cookie_of(listener, flow, segment) else { return false };
        if !self.listeners.has_room(listener, &self.config) {
            return true; // The peer will send it again (FI-4).
        }
        let now = Now::of(self.now, &self.config, self.held);
        let known = opening.and_then(|number| self.openings.get(number)).map(|slot| slot.is.opened(now).ledger);
        let opened = self.opened_by_cookie(listener, flow, segment, mss);
        let opened = Opened { ledger: known.unwrap_or(opened.ledger), ..opened };
        match opening {
            Some(opening) => {
                self.settle_shadow(opening, Released::ReusedByPeer);
                self.openings_place_taken(opening);
            }
            None => self.stats.made += 1,
        }
        let now = Now::of(self.now, &self.config, self.held);
        let mut connection = Connection::new(now, opened, segment);
        connection.handle_segment(now, segment);
        self.stats.cookies_accepted += 1;
        self.redeemed.add(self.redeemed_as(flow, segment));
        self.adopt(listener, flow, connection);
        true
    }

    /// Whether a segment brings one of our cookies back.
    pub(super) fn has_cookie(&self, listener: ListenerId, flow: &Flow, segment: &Segment<'_>) -> bool {
        let bare = segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::RST);
        let room = bare && self.listeners.has_room(listener, &self.config);
        room && self.cookie_of(listener, flow, segment).is_some()
    }

    /// The MSS that the cookie in an acknowledgment stands for, if it is one of ours.
    fn cookie_of(&self, listener: ListenerId, flow: &Flow, segment: &Segment<'_>) -> Option<u16> {
        let possible = self.config.syn_cookies && self.listeners.was_pressed(listener, self.now);
        let (iss, irs) = (segment.ack - 1, segment.seq - 1);
        let check = || cookie::check(&self.secrets, flow, irs, iss, listener.epoch(), self.now);
        let mss = possible.then(check).flatten()?;
        (!self.redeemed.knows(self.redeemed_as(flow, segment))).then_some(mss)
    }

    /// One SYN opens one connection, whichever of its eight numbers comes back: an acknowledgment of a few octets more
    /// looks like the cookie of another MSS.
    fn redeemed_as(&self, flow: &Flow, segment: &Segment<'_>) -> u64 {
        self.secrets.cookie_hash(flow, &(segment.seq - 1).0.to_ne_bytes())
    }

    fn opened_by_cookie(&self, listener: ListenerId, flow: &Flow, segment: &Segment<'_>, mss: u16) -> Opened {
        let terms = self.cookie_terms(listener, flow);
        let settings = self.listeners.settings(listener);
        let stamp = segment.options.timestamps.filter(|_| self.config.timestamps);
        let (shift, sack) = stamp.map_or((None, false), |stamp| cookie::reveal(stamp.echo));
        let irs = segment.seq - 1;
        Opened {
            iss: segment.ack - 1,
            irs,
            mss: mss.min(terms.ours),
            announced: terms.ours,
            headers: terms.headers,
            agreed: Agreed {
                shifts: shift.map(|theirs| (theirs, shift_for(&self.config))),
                sack,
                stamps: stamp.map(|stamp| Stamps::new(terms.offset, stamp.value, self.now)),
                user_timeout: None,
                ecn: (false, false), // The SYN-ACK of a cookie does not agree to it: there is nowhere to keep it.
            },
            tries: 1,
            sent_once: None,
            settings: (settings != Settings::default()).then(|| Box::new(settings)),
            ledger: Noted::new(Ledger::begin(State::SynReceived, self.now)),
        }
    }

    fn cookie_terms(&self, listener: ListenerId, flow: &Flow) -> Terms {
        let (_, offset) = self.secrets.beginning(flow, self.now);
        self.terms(flow, offset, &self.listeners.settings(listener))
    }

    /// A connection that never was an opening waits to be accepted.
    fn adopt(&mut self, listener: ListenerId, flow: &Flow, connection: Connection) {
        let hash = self.secrets.index_hash(flow);
        let owner = Owner::Listener(listener);
        let Some(number) = self.connections.insert(Slot::new(connection, *flow, hash, owner)) else { return };
        self.enter_index(hash, Tag::new(Stage::Connection, number));
        self.listeners.push(listener, number);
        self.after_connection(number);
        self.account(number);
    }
}
