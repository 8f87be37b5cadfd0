//! The stack: a table of flows. It knows addresses and packets and no rule of TCP.

mod choice;
mod cookies;
mod counts;
mod drain;
mod errors;
mod flow;
mod index;
mod input;
mod insight;
mod output;
mod slab;
mod split;
mod timeouts;
mod trouble;
mod waits;

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;

use cookies::Redeemed;
use index::{Index, Stage, Tag};
use slab::Slab;
use waits::Waits;

use crate::config::Config;
use crate::connection::close::State;
use crate::connection::ending::{Cause, Ending, Order, Receipt};
use crate::connection::{Connection, Events, Now, ReadError, WriteError};
use crate::listener::Listeners;
use crate::opening::{Opening, Pending, Terms};
use crate::ports::Ports;
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::time::Instant;
use crate::time_wait::{TimeWait, Wait};
use crate::wire::checksum::SumFn;
use crate::wire::ip::is_host;

pub use crate::listener::ListenerId;
pub use counts::{Leftover, Stats};
pub use errors::{BindError, ConnectError};
pub use flow::Flow;
pub use output::{Leaving, Outgoing};

/// TCP for one set of addresses.
///
/// Each step: tell it what happened ([`handle_packet`](Self::handle_packet),
/// [`handle_timeout`](Self::handle_timeout), a call for a handle), then send what
/// [`poll_transmit`](Self::poll_transmit) says until it is done, look at [`poll_notified`](Self::poll_notified), and
/// come back at [`poll_timeout`](Self::poll_timeout). Time never goes back: an earlier `now` than before counts as
/// the one before.
#[derive(Clone, Debug)]
pub struct Stack {
    config: Config,
    secrets: Secrets,
    sum: SumFn,
    now: Instant,
    index: Index,
    openings: Slab<Slot<Opening>>,
    connections: Slab<Slot<Connection>>,
    waits: Waits,
    listeners: Listeners,
    handles: Slab<Handle>,
    generation: u32,
    /// Of the last packet that may be cut on its way.
    identification: u16,
    redeemed: Redeemed,
    ports: Ports,
    deadlines: BTreeSet<(Instant, Tag)>,
    due: VecDeque<Tag>,
    replies: VecDeque<Outgoing>,
    /// Memory of packets that have been sent.
    spare: Vec<Vec<u8>>,
    notified: VecDeque<HandleId>,
    receipts: VecDeque<(Flow, Receipt)>,
    stats: Stats,
}

/// Names a connection for the application, from `connect` or `accept` until [`Stack::release`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HandleId {
    number: u32,
    generation: u32,
}

impl HandleId {
    /// A small number, reused after release: for tables beside the stack.
    pub fn number(self) -> usize {
        self.number as usize
    }
}

/// An opening or a connection, and its place in the stack's queues.
#[derive(Clone, Debug)]
struct Slot<T> {
    is: T,
    flow: Flow,
    /// The flow's place in the index.
    hash: u64,
    owner: Owner,
    /// The deadline under which it stands in `deadlines`.
    scheduled: Instant,
    /// It stands in `due`.
    due: bool,
    /// It stands in the index.
    indexed: bool,
}

/// Who will ask for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Owner {
    /// Nobody: an orphan.
    Nobody,
    /// The application, by handle.
    Handle(u32),
    /// A listener: still opening, or waiting to be accepted.
    Listener(ListenerId),
}

/// What a handle points at.
#[derive(Clone, Debug)]
struct Handle {
    generation: u32,
    events: Events,
    notified: bool,
    at: At,
}

#[derive(Clone, Debug)]
enum At {
    Opening(u32),
    Connection(u32),
    /// It never was a connection.
    Failed(Box<Receipt>),
}

impl Stack {
    /// A stack with its configuration, keys nobody else knows, and the function that adds up checksums
    /// ([`wire::checksum::sum`](crate::wire::checksum::sum) is the portable one).
    pub fn new(config: Config, secrets: Secrets, sum: SumFn) -> Self {
        Self {
            config,
            secrets,
            sum,
            now: Instant::ZERO,
            index: Index::new(),
            openings: Slab::new(),
            connections: Slab::new(),
            waits: Waits::new(),
            listeners: Listeners::default(),
            handles: Slab::new(),
            generation: 0,
            identification: 0,
            redeemed: Redeemed::default(),
            ports: Ports::default(),
            deadlines: BTreeSet::new(),
            due: VecDeque::new(),
            replies: VecDeque::new(),
            spare: Vec::new(),
            notified: VecDeque::new(),
            receipts: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the configuration, for what begins from now on; what a connection has negotiated stays.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
    }

    /// Counts so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// What is still held.
    pub fn leftover(&self) -> Leftover {
        Leftover {
            openings: self.openings.len(),
            connections: self.connections.len(),
            time_waits: self.waits.len(),
            listeners: self.listeners.len(),
            handles: self.handles.len(),
            flows: self.index.len(),
            timers: self.deadlines.len(),
            bytes: self.connections.iter().map(|(_, slot)| slot.is.held()).sum(),
            replies: self.replies.len(),
        }
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    // ---- listeners ---------------------------------------------------------------------------------------------

    /// Listens at one of our addresses, or at all of a family (the unspecified address). Port 0 takes a free one.
    pub fn listen(&mut self, local: SocketAddr) -> Result<ListenerId, BindError> {
        if !local.ip().is_unspecified() && !self.config.addresses.contains(&local.ip()) {
            return Err(BindError::NotOurs(local.ip()));
        }
        let local = self.with_port(local).ok_or(BindError::NoPort)?;
        self.listeners.add(local).ok_or(BindError::InUse(local))
    }

    /// Where a listener listens.
    pub fn local_address(&self, listener: ListenerId) -> Option<SocketAddr> {
        self.listeners.local(listener)
    }

    /// Stops listening. Connections nobody has accepted are reset (CL-13); accepted ones go on.
    pub fn unlisten(&mut self, now: Instant, listener: ListenerId) {
        self.advance(now);
        let Some(ready) = self.listeners.remove(listener) else { return };
        for number in ready {
            if let Some(slot) = self.connections.get_mut(number) {
                slot.owner = Owner::Nobody;
                slot.is.abort(Now { time: self.now, config: &self.config }, Cause::ListenerClosed);
                self.after_connection(number);
            }
        }
        let opening = self.openings.iter().filter(|(_, slot)| slot.owner == Owner::Listener(listener));
        let opening: Vec<u32> = opening.map(|(number, _)| number).collect();
        for number in opening {
            self.drop_opening(number, true);
            self.stats.openings_forgotten += 1;
        }
    }

    /// The next connection that waits to be accepted.
    pub fn accept(&mut self, listener: ListenerId) -> Option<HandleId> {
        loop {
            let number = self.listeners.pop(listener)?;
            let handle = self.new_handle(At::Connection(number))?;
            let slot = self.connections.get_mut(number)?;
            slot.owner = Owner::Handle(handle.number);
            if slot.is.ended().is_some() && slot.is.held() == 0 {
                self.release(self.now, handle); // Reset before anybody saw it, and it brought nothing (EO-4).
                continue;
            }
            if let Some(entry) = self.handles.get_mut(handle.number) {
                entry.events = slot.is.take_events();
            }
            return Some(handle);
        }
    }

    /// Whether a connection waits to be accepted.
    pub fn is_acceptable(&self, listener: ListenerId) -> bool {
        self.listeners.has_ready(listener)
    }

    /// A listener that has something to accept and was not named since it got it.
    pub fn poll_acceptable(&mut self) -> Option<ListenerId> {
        self.listeners.take_notified()
    }

    // ---- handles -----------------------------------------------------------------------------------------------

    /// Begins a connection to `remote`, from `local` where it is given (port 0: any).
    pub fn connect(
        &mut self,
        now: Instant,
        local: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> Result<HandleId, ConnectError> {
        self.connect_with(now, local, remote, Settings::default())
    }

    /// Begins a connection with settings; see [`connect`](Self::connect).
    pub fn connect_with(
        &mut self,
        now: Instant,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        settings: Settings,
    ) -> Result<HandleId, ConnectError> {
        self.advance(now);
        if !is_host(remote.ip()) || remote.port() == 0 {
            return Err(ConnectError::NotAHost(remote));
        }
        if self.config.addresses.contains(&remote.ip()) {
            return Err(ConnectError::Ourselves(remote));
        }
        let flow = self.choose_flow(local, remote)?;
        let (iss, offset) = self.secrets.beginning(&flow, self.now);
        let mut opening = Opening::connect(self.step(), iss, self.terms(&flow, offset, &settings));
        opening.set(settings);
        let handle = self.new_handle(At::Opening(0)).ok_or(ConnectError::Full)?;
        let Some(number) = self.add_opening(flow, opening, Owner::Handle(handle.number)) else {
            self.handles.remove(handle.number);
            return Err(ConnectError::Full);
        };
        if let Some(entry) = self.handles.get_mut(handle.number) {
            entry.at = At::Opening(number);
        }
        Ok(handle)
    }

    /// Takes the next handle with something to look at, and what.
    pub fn poll_notified(&mut self) -> Option<(HandleId, Events)> {
        while let Some(handle) = self.notified.pop_front() {
            if let Some(entry) = self.handle_mut(handle) {
                entry.notified = false;
                return Some((handle, core::mem::take(&mut entry.events)));
            }
        }
        None
    }

    /// Takes as much of `data` as there is room for; see [`Connection::write`].
    pub fn write(&mut self, now: Instant, handle: HandleId, data: &[u8]) -> Result<usize, WriteError> {
        let written = self.with(now, handle, |connection, now| connection.write(now, data));
        written.unwrap_or_else(|| Err(self.not_writable(handle)))
    }

    /// Takes `data` over without a copy; see [`Connection::write_chunk`].
    pub fn write_chunk(&mut self, now: Instant, handle: HandleId, data: Bytes) -> Result<(), (WriteError, Bytes)> {
        let mut data = Some(data);
        let written =
            self.with(now, handle, |connection, now| connection.write_chunk(now, data.take().unwrap_or_default()));
        written.unwrap_or_else(|| Err((self.not_writable(handle), data.unwrap_or_default())))
    }

    /// Fills the front of `out`; see [`Connection::read`].
    pub fn read(&mut self, now: Instant, handle: HandleId, out: &mut [u8]) -> Result<usize, ReadError> {
        let read = self.reading(now, handle, |connection| connection.read(out));
        read.unwrap_or_else(|| {
            self.failed(handle).map_or(Err(ReadError::Blocked), |ending| Err(ReadError::Ended(ending)))
        })
    }

    /// Fills the front of `out` and takes nothing; see [`Connection::peek`].
    pub fn peek(&self, handle: HandleId, out: &mut [u8]) -> Result<usize, ReadError> {
        match self.connection_of(handle) {
            Some(slot) => slot.is.peek(out),
            None => self.failed(handle).map_or(Err(ReadError::Blocked), |ending| Err(ReadError::Ended(ending))),
        }
    }

    /// Bytes in order that wait to be read.
    pub fn unread(&self, handle: HandleId) -> u64 {
        self.connection_of(handle).map_or(0, |slot| slot.is.unread())
    }

    /// Takes up to `most` bytes without a copy; see [`Connection::read_chunk`].
    pub fn read_chunk(&mut self, now: Instant, handle: HandleId, most: usize) -> Result<Option<Bytes>, ReadError> {
        let read = self.reading(now, handle, |connection| connection.read_chunk(most));
        read.unwrap_or_else(|| {
            self.failed(handle).map_or(Err(ReadError::Blocked), |ending| Err(ReadError::Ended(ending)))
        })
    }

    /// Why a handle without a connection cannot be written to: not yet, or never.
    fn not_writable(&self, handle: HandleId) -> WriteError {
        self.failed(handle).map_or(WriteError::Blocked, WriteError::Ended)
    }

    fn failed(&self, handle: HandleId) -> Option<Ending> {
        self.receipt(handle).map(|receipt| receipt.ending)
    }

    /// Half-close: no more data from us; see [`Connection::shut_down`].
    /// Before the handshake is answered there is nothing to half-close: the attempt is cancelled (CL-3).
    pub fn shut_down(&mut self, now: Instant, handle: HandleId) {
        self.advance(now);
        if !self.close_opening(handle, Pending::ShutDown) {
            self.with(now, handle, |connection, now| connection.shut_down(now));
        }
    }

    /// Full close; the handle stays, for the receipt. See [`Connection::close`].
    pub fn close(&mut self, now: Instant, handle: HandleId) {
        self.advance(now);
        if !self.close_opening(handle, Pending::Close) {
            self.with(now, handle, |connection, now| connection.close(now));
        }
    }

    /// Closes what is not a connection yet: at once in SYN-SENT, once established in SYN-RECEIVED (CL-3, CL-4). Whether
    /// there was such a thing.
    fn close_opening(&mut self, handle: HandleId, how: Pending) -> bool {
        let opening = self.opening_of(handle).map(|(number, _)| number);
        opening.is_some_and(|number| self.close_opening_number(number, how))
    }

    fn close_opening_number(&mut self, number: u32, how: Pending) -> bool {
        let Some(slot) = self.openings.get_mut(number) else { return false };
        match slot.is.state() {
            State::SynSent => self.fail_opening(number, Ending::Cancelled { state: State::SynSent }, false),
            state if how == Pending::Close && slot.is.zero_linger() => {
                self.fail_opening(number, Ending::Aborted { cause: Cause::LingerZero, state }, true);
            }
            _ => slot.is.defer(how),
        }
        true
    }

    /// Whether a full close gives the connection up with a reset instead (`SO_LINGER` with 0 s). Default: no.
    pub fn set_zero_linger(&mut self, now: Instant, handle: HandleId, zero: bool) {
        let opening = self.opening_of(handle).and_then(|(number, _)| self.openings.get_mut(number));
        match opening {
            Some(slot) => slot.is.set_zero_linger(zero),
            None => _ = self.with(now, handle, |connection, _| connection.set_zero_linger(zero)),
        }
    }

    /// Gives the connection up with a reset; see [`Connection::abort`].
    pub fn abort(&mut self, now: Instant, handle: HandleId) {
        self.abort_because(now, handle, Cause::AbortCall);
    }

    /// Gives up a closed connection with a reset, because not all of it was acknowledged within the time that its
    /// application would wait (`SO_LINGER`; LM-6).
    pub fn linger_expired(&mut self, now: Instant, handle: HandleId) {
        self.abort_because(now, handle, Cause::LingerExpired);
    }

    fn abort_because(&mut self, now: Instant, handle: HandleId, cause: Cause) {
        self.advance(now);
        let opening =
            self.opening_of(handle).and_then(|(number, state)| Some((number, state, self.openings.get(number)?)));
        match opening.map(|(number, state, slot)| (number, state, slot.is.given_up(cause))) {
            Some((number, state, ending)) => self.fail_opening(number, ending, state == State::SynReceived),
            None => _ = self.with(now, handle, |connection, now| connection.abort(now, cause)),
        }
    }

    /// Lets the handle go: a full close, if there was none, which goes on without it (CL-11).
    pub fn release(&mut self, now: Instant, handle: HandleId) {
        self.close(now, handle);
        if self.handle_mut(handle).is_none() {
            return;
        }
        match self.handles.remove(handle.number).map(|entry| entry.at) {
            Some(At::Opening(number)) => {
                if let Some(slot) = self.openings.get_mut(number) {
                    slot.owner = Owner::Nobody;
                }
            }
            Some(At::Connection(number)) => {
                if let Some(slot) = self.connections.get_mut(number) {
                    slot.owner = Owner::Nobody;
                    self.after_connection(number);
                }
            }
            Some(At::Failed(_)) | None => {}
        }
    }

    /// The state of a handle's connection: CLOSED once it has ended, TIME-WAIT while its record stays.
    pub fn state(&self, handle: HandleId) -> State {
        match self.handle(handle).map(|entry| &entry.at) {
            Some(At::Opening(number)) => self.openings.get(*number).map_or(State::Closed, |slot| slot.is.state()),
            Some(At::Connection(number)) => {
                self.connections.get(*number).map_or(State::Closed, |slot| self.state_of(slot))
            }
            Some(At::Failed(_)) | None => State::Closed,
        }
    }

    fn state_of(&self, slot: &Slot<Connection>) -> State {
        match slot.is.ended() {
            None => slot.is.state(),
            Some(_) if self.flow_state(&slot.flow) == State::TimeWait => State::TimeWait,
            Some(_) => State::Closed,
        }
    }

    /// The state of whatever has this flow now, handle or not.
    pub fn flow_state(&self, flow: &Flow) -> State {
        let Some(tag) = self.find(flow) else { return State::Closed };
        match tag.stage() {
            Stage::Opening => self.openings.get(tag.number()).map_or(State::Closed, |slot| slot.is.state()),
            Stage::Connection => {
                let live = self.connections.get(tag.number()).filter(|slot| slot.is.ended().is_none());
                live.map_or(State::Closed, |slot| slot.is.state())
            }
            Stage::Record => State::TimeWait,
        }
    }

    /// Both ends of a handle's connection; `None` where it never became one, or the handle is not known.
    pub fn flow(&self, handle: HandleId) -> Option<Flow> {
        match self.handle(handle)?.at {
            At::Opening(number) => self.openings.get(number).map(|slot| slot.flow),
            At::Connection(number) => self.connections.get(number).map(|slot| slot.flow),
            At::Failed(_) => None,
        }
    }

    /// Whether every byte written, and the FIN, is at the peer's TCP.
    pub fn is_finished(&self, handle: HandleId) -> bool {
        self.connection_of(handle).is_some_and(|slot| slot.is.is_finished())
    }

    /// Bytes written that the peer's TCP has not acknowledged; 0 where there is no connection.
    pub fn unacknowledged(&self, handle: HandleId) -> u64 {
        self.connection_of(handle).map_or(0, |slot| slot.is.unacknowledged())
    }

    /// Bytes that [`write`](Self::write) would take now.
    pub fn room(&self, handle: HandleId) -> usize {
        self.connection_of(handle).map_or(0, |slot| slot.is.room(&self.config))
    }

    /// The receipt of a handle's connection, once it has ended.
    pub fn receipt(&self, handle: HandleId) -> Option<Receipt> {
        match &self.handle(handle)?.at {
            At::Opening(_) => None,
            At::Connection(number) => self.connections.get(*number)?.is.receipt(),
            At::Failed(receipt) => Some(**receipt),
        }
    }

    /// The receipts of connections that have ended, handle or not: each once, in order, as they were at the ending.
    pub fn poll_receipt(&mut self) -> Option<(Flow, Receipt)> {
        self.receipts.pop_front()
    }

    // ---- inside ------------------------------------------------------------------------------------------------

    /// What an opening cannot know by itself.
    fn terms(&self, flow: &Flow, offset: u32, settings: &Settings) -> Terms {
        Terms::towards(flow.remote_address, offset, settings, &self.config)
    }

    fn step(&self) -> Now<'_> {
        Now { time: self.now, config: &self.config }
    }

    fn new_handle(&mut self, at: At) -> Option<HandleId> {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let number = self.handles.insert(Handle { generation, events: Events::default(), notified: false, at })?;
        Some(HandleId { number, generation })
    }

    fn handle(&self, handle: HandleId) -> Option<&Handle> {
        self.handles.get(handle.number).filter(|entry| entry.generation == handle.generation)
    }

    fn handle_mut(&mut self, handle: HandleId) -> Option<&mut Handle> {
        self.handles.get_mut(handle.number).filter(|entry| entry.generation == handle.generation)
    }

    fn connection_of(&self, handle: HandleId) -> Option<&Slot<Connection>> {
        match self.handle(handle)?.at {
            At::Connection(number) => self.connections.get(number),
            At::Opening(_) | At::Failed(_) => None,
        }
    }

    fn opening_of(&self, handle: HandleId) -> Option<(u32, State)> {
        match self.handle(handle)?.at {
            At::Opening(number) => Some((number, self.openings.get(number)?.is.state())),
            At::Connection(_) | At::Failed(_) => None,
        }
    }

    /// Does something to a handle's connection, and all that follows from it.
    fn with<R>(&mut self, now: Instant, handle: HandleId, f: impl FnOnce(&mut Connection, Now<'_>) -> R) -> Option<R> {
        self.advance(now);
        let At::Connection(number) = self.handle(handle)?.at else { return None };
        let slot = self.connections.get_mut(number)?;
        let result = f(&mut slot.is, Now { time: self.now, config: &self.config });
        self.after_connection(number);
        Some(result)
    }

    /// Reads from a handle's connection. All that can follow from it is a window to offer.
    fn reading<R>(&mut self, now: Instant, handle: HandleId, f: impl FnOnce(&mut Connection) -> R) -> Option<R> {
        self.advance(now);
        let At::Connection(number) = self.handle(handle)?.at else { return None };
        let slot = self.connections.get_mut(number)?;
        let result = f(&mut slot.is);
        if slot.is.has_more() {
            mark_due(&mut self.due, &mut slot.due, Tag::new(Stage::Connection, number));
        }
        Some(result)
    }

    fn add_opening(&mut self, flow: Flow, opening: Opening, owner: Owner) -> Option<u32> {
        let hash = self.secrets.index_hash(&flow);
        let slot = Slot { is: opening, flow, hash, owner, scheduled: Instant::NEVER, due: false, indexed: true };
        let number = self.openings.insert(slot)?;
        self.enter_index(hash, Tag::new(Stage::Opening, number));
        self.after_opening(number);
        Some(number)
    }

    fn enter_index(&mut self, hash: u64, tag: Tag) {
        let (secrets, openings, connections, waits) = (&self.secrets, &self.openings, &self.connections, &self.waits);
        self.index.insert(hash, tag, |tag| {
            flow_of(openings, connections, waits, tag).map_or(0, |flow| secrets.index_hash(&flow))
        });
    }

    fn find(&self, flow: &Flow) -> Option<Tag> {
        let is = |tag| flow_of(&self.openings, &self.connections, &self.waits, tag).as_ref() == Some(flow);
        self.index.find(self.secrets.index_hash(flow), is)
    }

    /// After every step of an opening: it is due, and its timer may be earlier.
    fn after_opening(&mut self, number: u32) {
        let Some(slot) = self.openings.get_mut(number) else { return };
        let tag = Tag::new(Stage::Opening, number);
        schedule(&mut self.deadlines, &mut slot.scheduled, tag, slot.is.poll_timeout());
        mark_due(&mut self.due, &mut slot.due, tag);
    }

    /// After every step of a connection: tell its owner, end it if it has ended, else it is due and may be waited for.
    fn after_connection(&mut self, number: u32) {
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
    }

    /// An ended connection gives everything back: its flow, its timer, and its place once nobody asks for it any more.
    /// A reset that is still to be sent keeps the flow until it has left.
    fn after_ending(&mut self, number: u32) {
        let Some(slot) = self.connections.get_mut(number) else { return };
        let tag = Tag::new(Stage::Connection, number);
        unschedule(&mut self.deadlines, &mut slot.scheduled, tag);
        if slot.is.owes_reset() {
            return mark_due(&mut self.due, &mut slot.due, tag);
        }
        if slot.indexed {
            slot.indexed = false;
            let (flow, hash, receipt) = (slot.flow, slot.hash, slot.is.receipt());
            if let Some(receipt) = receipt {
                self.leave_index(number, &flow, hash, receipt.ending);
                self.record_receipt(flow, receipt);
            }
        }
        if self.connections.get(number).is_some_and(|slot| slot.owner == Owner::Nobody) {
            self.connections.discard(number);
        }
    }

    /// Out of the index, or, in TIME-WAIT, changed for a record there (TW-1).
    fn leave_index(&mut self, number: u32, flow: &Flow, hash: u64, ending: Ending) {
        let old = Tag::new(Stage::Connection, number);
        let waits = matches!(ending, Ending::Graceful { order: Order::LocalFirst | Order::Simultaneous });
        match waits.then(|| self.enter_time_wait(number, flow)).flatten() {
            Some(record) => self.index.replace(hash, old, Tag::new(Stage::Record, record)),
            None => self.index.remove(hash, old),
        }
    }

    fn enter_time_wait(&mut self, number: u32, flow: &Flow) -> Option<u32> {
        while self.waits.len() > 0 && self.waits.bytes() >= self.config.time_wait_budget {
            let oldest = self.waits.oldest()?;
            self.stats.time_wait_evicted += 1;
            self.drop_record(oldest);
        }
        let connection = &self.connections.get(number)?.is;
        let rto = connection.rto();
        let duration = self.config.time_wait(rto);
        let wait = if duration > self.config.time_wait(crate::Duration::ZERO) { Wait::Long } else { Wait::Normal };
        let mut record = TimeWait::new(connection.legacy(), self.now, wait);
        let owes_ack = connection.owes_ack();
        if owes_ack {
            record.owe_ack();
        }
        let record = self.waits.insert(flow, record, self.now, duration)?;
        if owes_ack {
            self.due.push_back(Tag::new(Stage::Record, record));
        }
        Some(record)
    }

    fn record_receipt(&mut self, flow: Flow, receipt: Receipt) {
        self.stats.ended += 1;
        self.stats.ended_gracefully += u64::from(receipt.ending.is_graceful());
        if self.receipts.len() >= self.config.receipts as usize {
            self.receipts.pop_front();
            self.stats.receipts_dropped += 1;
        }
        if self.config.receipts > 0 {
            self.receipts.push_back((flow, receipt));
        }
    }

    /// An opening by the application ends; `reset` tells a peer that may be in SYN-RECEIVED.
    fn fail_opening(&mut self, number: u32, ending: Ending, reset: bool) {
        let now = Now { time: self.now, config: &self.config };
        let Some(slot) = self.openings.get_mut(number) else { return };
        let receipt = slot.is.receipt(now, ending);
        let (owner, flow) = (slot.owner, slot.flow);
        self.drop_opening(number, reset);
        self.record_receipt(flow, receipt);
        if let Owner::Handle(handle) = owner {
            if let Some(entry) = self.handles.get_mut(handle) {
                entry.at = At::Failed(Box::new(receipt));
            }
            notify(&mut self.handles, &mut self.notified, handle, Events::ENDED);
        }
    }

    /// Takes an opening out of everything.
    fn drop_opening(&mut self, number: u32, reset: bool) {
        let Some(slot) = self.openings.get_mut(number) else { return };
        let tag = Tag::new(Stage::Opening, number);
        unschedule(&mut self.deadlines, &mut slot.scheduled, tag);
        if slot.indexed {
            self.index.remove(slot.hash, tag);
        }
        if let Owner::Listener(listener) = slot.owner {
            self.listeners.opening_gone(listener);
        }
        let now = Now { time: self.now, config: &self.config };
        let farewell = reset.then(|| (slot.flow, slot.is.reset(now)));
        self.openings.discard(number);
        if let Some((flow, reset)) = farewell {
            self.reply(&flow, &reset);
        }
    }
}

/// The flow a tag stands for.
fn flow_of(
    openings: &Slab<Slot<Opening>>,
    connections: &Slab<Slot<Connection>>,
    waits: &Waits,
    tag: Tag,
) -> Option<Flow> {
    match tag.stage() {
        Stage::Opening => openings.get(tag.number()).map(|slot| slot.flow),
        Stage::Connection => connections.get(tag.number()).map(|slot| slot.flow),
        Stage::Record => waits.flow(tag.number()),
    }
}

/// One entry for each that waits, moved only when its deadline gets earlier; a later one is noticed when it fires.
fn schedule(deadlines: &mut BTreeSet<(Instant, Tag)>, scheduled: &mut Instant, tag: Tag, at: Instant) {
    if at < *scheduled {
        unschedule(deadlines, scheduled, tag);
        deadlines.insert((at, tag));
        *scheduled = at;
    }
}

fn unschedule(deadlines: &mut BTreeSet<(Instant, Tag)>, scheduled: &mut Instant, tag: Tag) {
    if *scheduled != Instant::NEVER {
        deadlines.remove(&(*scheduled, tag));
        *scheduled = Instant::NEVER;
    }
}

fn mark_due(due: &mut VecDeque<Tag>, is_due: &mut bool, tag: Tag) {
    if !core::mem::replace(is_due, true) {
        due.push_back(tag);
    }
}

fn notify(handles: &mut Slab<Handle>, notified: &mut VecDeque<HandleId>, number: u32, events: Events) {
    if events.is_empty() {
        return;
    }
    let Some(handle) = handles.get_mut(number) else { return };
    handle.events.add(events);
    if !core::mem::replace(&mut handle.notified, true) {
        notified.push_back(HandleId { number, generation: handle.generation });
    }
}
