//! The stack: a table of flows. It knows addresses and packets and no rule of TCP.

mod abandoned;
mod after;
mod carry;

mod choice;
mod cookies;
mod counts;
mod digest;
mod drain;
mod errors;
mod flow;
mod fragments;
mod glance;
mod handles;
mod index;
mod input;
mod insight;
mod orphans;
mod output;
mod parked;
mod records;
mod shadow;
mod slab;
mod split;
mod strays;
mod timeouts;
mod tombstones;
mod trouble;
mod usage;
mod view;
mod watch;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;

use cookies::Redeemed;
use fragments::Fragments;
use index::{Index, Stage, Tag};
use orphans::Orphans;
use parked::Parked;
use slab::Slab;
use strays::Strays;
use tombstones::Tombstones;
use usage::Usage;

use crate::config::Config;
use crate::connection::close::State;
use crate::connection::ending::{Cause, Receipt, Released};
use crate::connection::{Connection, Events, Now};
use crate::fin_wait_2::FinWait2;
use crate::listener::Listeners;
use crate::opening::{Opening, Terms};
use crate::ports::Ports;
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::time::{Duration, Instant};
use crate::time_wait::TimeWait;
use crate::wire::checksum::SumFn;
use crate::wire::ip::is_host;

pub use crate::listener::ListenerId;

pub(crate) use carry::Parted;
pub use carry::{CarryError, Imported};
pub use counts::{Endings, Leftover, Stats};
pub use digest::Outlook;
pub use errors::{BindError, ConnectError};
pub use flow::Flow;
pub use glance::Glance;
pub use output::{Leaving, Outgoing};
pub use usage::PortUsage;
pub use view::{Armed, FlowView, Numbers};
pub use watch::{FlowState, Warning};

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
    waits: Parked<TimeWait>,
    abandoned: Parked<FinWait2>,
    /// Openings that have taken a record's place, and the record.
    shadows: BTreeMap<u32, u32>,
    tombstones: Tombstones,
    orphans: Orphans,
    /// Connections that may enter TIME-WAIT.
    closing: usize,
    /// Bytes that all connections hold in queues.
    held: u64,
    /// When the stack was first told the time.
    began: Option<Instant>,
    listeners: Listeners,
    handles: Slab<Handle>,
    generation: u32,
    /// Of the last packet that may be cut on its way.
    identification: u16,
    redeemed: Redeemed,
    fragments: Fragments,
    ports: Ports,
    usage: Usage,
    strays: Strays,
    deadlines: BTreeSet<(Instant, Tag)>,
    due: VecDeque<Tag>,
    replies: VecDeque<Outgoing>,
    /// Memory of packets that have been sent.
    spare: Vec<Vec<u8>>,
    notified: VecDeque<HandleId>,
    receipts: VecDeque<(Flow, Receipt)>,
    /// Somebody takes them after every step: none is dropped.
    all_receipts: bool,
    released: VecDeque<(Flow, Released)>,
    warnings: VecDeque<Warning>,
    stats: Stats,
    endings: Box<Endings>,
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
    /// Bytes it holds, as counted last.
    held: u32,
    /// It was counted as one that nobody owns.
    orphan: bool,
    /// A place in TIME-WAIT is kept for it.
    reserved: bool,
    /// It stands in `due`.
    due: bool,
    /// It stands in the index.
    indexed: bool,
}

/// Who will ask for it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Owner {
    /// Nobody: an orphan.
    Nobody,
    /// The application, by handle.
    Handle(u32),
    /// A listener: still opening, or waiting to be accepted.
    Listener(ListenerId),
}

/// Who sleeps for so long finds all records' time over: they tell it by clocks that wrap after 49 days (3.37).
const OVERSLEPT: Duration = Duration::from_secs(20 * 86_400);

/// What a handle points at.
#[derive(Clone, Debug)]
struct Handle {
    generation: u32,
    events: Events,
    notified: bool,
    /// What the application calls it.
    label: Option<Box<str>>,
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
            waits: Parked::new(),
            abandoned: Parked::new(),
            shadows: BTreeMap::new(),
            tombstones: Tombstones::new(),
            orphans: Orphans::default(),
            closing: 0,
            held: 0,
            began: None,
            listeners: Listeners::default(),
            handles: Slab::new(),
            generation: 0,
            identification: 0,
            redeemed: Redeemed::default(),
            fragments: Fragments::default(),
            ports: Ports::default(),
            usage: Usage::default(),
            strays: Strays::default(),
            deadlines: BTreeSet::new(),
            due: VecDeque::new(),
            replies: VecDeque::new(),
            spare: Vec::new(),
            notified: VecDeque::new(),
            receipts: VecDeque::new(),
            all_receipts: false,
            released: VecDeque::new(),
            warnings: VecDeque::new(),
            stats: Stats::default(),
            endings: Box::default(),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The keys.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Changes the configuration, for what begins from now on; what a connection has negotiated stays.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Config)) {
        let stays = |config: &Config| [Duration::ZERO, config.max_rto].map(|rto| config.time_wait(rto));
        let before = stays(&self.config);
        change(&mut self.config);
        if stays(&self.config) != before {
            self.waits.set_aside(self.now);
        }
    }

    /// Counts so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Keeps every receipt until it is taken, however many a step brings. For who takes them after each.
    pub fn keep_all_receipts(&mut self) {
        self.all_receipts = true;
    }

    /// How connections ended, and in which states.
    pub fn endings(&self) -> &Endings {
        &self.endings
    }

    /// What is still held.
    pub fn leftover(&self) -> Leftover {
        let time_waits = self.waits.iter().filter(|(_, _, record)| record.wait().is_time_wait()).count();
        Leftover {
            openings: self.openings.len(),
            connections: self.connections.len(),
            time_waits,
            quarantined: self.waits.len() - time_waits,
            abandoned: self.abandoned.len(),
            tombstones: self.tombstones.len(),
            orphans: self.orphans.len(),
            destinations: self.usage.destinations(),
            listeners: self.listeners.len(),
            handles: self.handles.len(),
            flows: self.index.len(),
            timers: self.deadlines.len(),
            bytes: self.connections.iter().map(|(_, slot)| slot.is.held()).sum(),
            replies: self.replies.len(),
        }
    }

    fn advance(&mut self, now: Instant) {
        let before = self.now;
        self.now = before.max(now);
        if self.began.is_none() {
            self.began = Some(now);
        } else if now.since(before) > OVERSLEPT {
            self.waits.end_all(self.now);
            self.abandoned.end_all(self.now);
        }
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
                slot.is.abort(Now::of(self.now, &self.config, self.held), Cause::ListenerClosed);
                self.after_connection(number);
            }
        }
        let opening = self.openings.iter().filter(|(_, slot)| slot.owner == Owner::Listener(listener));
        let opening: Vec<u32> = opening.map(|(number, _)| number).collect();
        for number in opening {
            let given_up = self.openings.get(number).map(|slot| slot.is.given_up(Cause::ListenerClosed));
            if let Some(ending) = given_up {
                self.fail_opening(number, ending, true);
            }
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
        if self.is_quiet() {
            return Err(ConnectError::Quiet);
        }
        let (flow, record) = self.choose_flow(local, remote)?;
        let hash = self.secrets.index_hash(&flow);
        let beyond = self.beyond(record, hash);
        let (fresh, offset) = self.secrets.beginning(&flow, self.now);
        let terms = self.terms(&flow, beyond.offset.unwrap_or(offset), &settings);
        let mut opening = Opening::connect(self.step(), beyond.begin(fresh), terms);
        opening.set(settings);
        let handle = self.new_handle(At::Opening(0)).ok_or(ConnectError::Full)?;
        let owner = Owner::Handle(handle.number);
        let Some(number) = self.add_opening_at(flow, hash, opening, owner, record) else {
            self.handles.remove(handle.number);
            return Err(ConnectError::Full);
        };
        if let Some(entry) = self.handles.get_mut(handle.number) {
            entry.at = At::Opening(number);
        }
        // The port of a record that was ours counts once.
        let ours = record.and_then(|record| self.waits.get_mut(record)).filter(|record| record.is_active());
        match ours {
            Some(record) => record.set_active(false),
            None => self.enter_usage(&flow),
        }
        Ok(handle)
    }

    // ---- inside ------------------------------------------------------------------------------------------------

    /// What an opening cannot know by itself.
    fn terms(&self, flow: &Flow, offset: u32, settings: &Settings) -> Terms {
        Terms::towards(flow.remote_address, offset, settings, &self.config)
    }

    fn step(&self) -> Now<'_> {
        Now::of(self.now, &self.config, self.held)
    }

    fn new_handle(&mut self, at: At) -> Option<HandleId> {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let number =
            self.handles.insert(Handle { generation, events: Events::default(), notified: false, label: None, at })?;
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
        let result = f(&mut slot.is, Now::of(self.now, &self.config, self.held));
        self.after_connection(number);
        self.account(number);
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
        self.account(number);
        Some(result)
    }

    /// An opening enters the index, in the place of a record where there is one.
    fn add_opening_at(
        &mut self,
        flow: Flow,
        hash: u64,
        opening: Opening,
        owner: Owner,
        record: Option<u32>,
    ) -> Option<u32> {
        let number = self.openings.insert(Slot::new(opening, flow, hash, owner))?;
        self.stats.made += 1;
        match record {
            Some(record) => self.shadow(record, number, hash),
            None => self.enter_index(hash, Tag::new(Stage::Opening, number)),
        }
        self.after_opening(number);
        Some(number)
    }

    fn enter_index(&mut self, hash: u64, tag: Tag) {
        let mut index = core::mem::take(&mut self.index);
        index.insert(hash, tag, |tag| self.hash_of(tag));
        self.index = index;
    }

    fn find(&self, flow: &Flow) -> Option<Tag> {
        self.find_at(flow, self.secrets.index_hash(flow))
    }

    fn find_at(&self, flow: &Flow, hash: u64) -> Option<Tag> {
        self.index.find(hash, |tag| self.flow_of(tag).as_ref() == Some(flow))
    }

    /// The flow a tag stands for.
    fn flow_of(&self, tag: Tag) -> Option<Flow> {
        match tag.stage() {
            Stage::Opening => self.openings.get(tag.number()).map(|slot| slot.flow),
            Stage::Connection => self.connections.get(tag.number()).map(|slot| slot.flow),
            Stage::Record => self.waits.flow(tag.number()),
            Stage::Abandoned => self.abandoned.flow(tag.number()),
        }
    }

    /// Its place in the index.
    fn hash_of(&self, tag: Tag) -> u64 {
        match tag.stage() {
            Stage::Opening => self.openings.get(tag.number()).map_or(0, |slot| slot.hash),
            Stage::Connection => self.connections.get(tag.number()).map_or(0, |slot| slot.hash),
            Stage::Record | Stage::Abandoned => self.flow_of(tag).map_or(0, |flow| self.secrets.index_hash(&flow)),
        }
    }
}

impl<T> Slot<T> {
    fn new(is: T, flow: Flow, hash: u64, owner: Owner) -> Self {
        let scheduled = Instant::NEVER;
        Self { is, flow, hash, owner, scheduled, held: 0, orphan: false, reserved: false, due: false, indexed: true }
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
