//! LISTEN: who waits for connections, and which wait for him.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, SocketAddr};

use crate::config::Config;
use crate::cookie::LIFETIME;
use crate::digest::{Digest, Moment};
use crate::settings::Settings;
use crate::time::Instant;

/// Names a listener of one stack.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ListenerId(u32);

impl ListenerId {
    /// Never used again: a cookie of a listener that is gone counts for no other (EO-1).
    pub(crate) fn epoch(self) -> u32 {
        self.0
    }
}

/// One listener.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    local: SocketAddr,
    /// What its connections inherit.
    settings: Settings,
    /// When a SYN last found the backlog full and was answered with a cookie.
    pressed: Option<Instant>,
    /// Connections in SYN-RECEIVED.
    half_open: u32,
    /// Connections established and not accepted, by their number.
    ready: VecDeque<u32>,
}

/// All listeners, found by address and port.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listeners {
    by_id: BTreeMap<ListenerId, Listener>,
    by_port: BTreeMap<(u16, IpAddr), ListenerId>,
    next: u32,
    /// Listeners with something to accept that the caller has not been told of.
    notified: BTreeSet<ListenerId>,
}

impl Listeners {
    /// Adds a listener; `None` where another one has the place.
    pub(crate) fn add(&mut self, local: SocketAddr) -> Option<ListenerId> {
        let key = (local.port(), local.ip());
        if self.by_port.contains_key(&key) {
            return None;
        }
        let id = ListenerId(self.next);
        self.next += 1;
        self.by_port.insert(key, id);
        self.by_id.insert(
            id,
            Listener { local, settings: Settings::default(), pressed: None, half_open: 0, ready: VecDeque::new() },
        );
        Some(id)
    }

    /// Takes a listener away, with the connections nobody has accepted.
    pub(crate) fn remove(&mut self, id: ListenerId) -> Option<VecDeque<u32>> {
        let listener = self.by_id.remove(&id)?;
        self.notified.remove(&id);
        self.by_port.remove(&(listener.local.port(), listener.local.ip()));
        Some(listener.ready)
    }

    pub(crate) fn all(&self) -> Vec<ListenerId> {
        self.by_id.keys().copied().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn local(&self, id: ListenerId) -> Option<SocketAddr> {
        self.by_id.get(&id).map(|listener| listener.local)
    }

    /// Whether a port has a listener on any address.
    pub(crate) fn has_port(&self, port: u16) -> bool {
        self.by_port.range((port, IpAddr::from([0, 0, 0, 0]))..).next().is_some_and(|((found, _), _)| *found == port)
    }

    /// Who listens at `address` and `port`: the exact address goes before the unspecified one.
    pub(crate) fn find(&self, address: IpAddr, port: u16) -> Option<ListenerId> {
        let any = match address {
            IpAddr::V4(_) => IpAddr::from([0u8; 4]),
            IpAddr::V6(_) => IpAddr::from([0u16; 8]),
        };
        let exact = self.by_port.get(&(port, address));
        exact.or_else(|| self.by_port.get(&(port, any))).copied()
    }

    pub(crate) fn set(&mut self, id: ListenerId, settings: Settings) {
        if let Some(listener) = self.by_id.get_mut(&id) {
            listener.settings = settings;
        }
    }

    pub(crate) fn settings(&self, id: ListenerId) -> Settings {
        self.by_id.get(&id).map_or_else(Settings::default, |listener| listener.settings)
    }

    /// A SYN is answered with a cookie.
    pub(crate) fn press(&mut self, id: ListenerId, now: Instant) {
        if let Some(listener) = self.by_id.get_mut(&id) {
            listener.pressed = Some(now);
        }
    }

    /// Whether a cookie of this listener can be under way: otherwise nobody may guess at one.
    pub(crate) fn was_pressed(&self, id: ListenerId, now: Instant) -> bool {
        let pressed = self.by_id.get(&id).and_then(|listener| listener.pressed);
        pressed.is_some_and(|pressed| now.since(pressed) <= LIFETIME)
    }

    // ---- the way to accept -------------------------------------------------------------------------------------

    /// Whether there is a place for another half-open connection.
    pub(crate) fn has_place(&self, id: ListenerId, config: &Config) -> bool {
        self.by_id.get(&id).is_some_and(|listener| listener.half_open < config.syn_backlog)
    }

    /// Whether another SYN may open something; counts it if so.
    pub(crate) fn admit(&mut self, id: ListenerId, config: &Config) -> bool {
        let Some(listener) = self.by_id.get_mut(&id).filter(|listener| listener.half_open < config.syn_backlog) else {
            return false;
        };
        listener.half_open += 1;
        true
    }

    /// A half-open connection is gone, whatever became of it.
    pub(crate) fn opening_gone(&mut self, id: ListenerId) {
        if let Some(listener) = self.by_id.get_mut(&id) {
            listener.half_open -= 1;
        }
    }

    /// Whether an established connection finds room; without it the handshake's last ACK is dropped (FI-4).
    pub(crate) fn has_room(&self, id: ListenerId, config: &Config) -> bool {
        self.by_id.get(&id).is_some_and(|listener| listener.ready.len() < config.accept_backlog as usize)
    }

    pub(crate) fn push(&mut self, id: ListenerId, connection: u32) {
        if let Some(listener) = self.by_id.get_mut(&id) {
            listener.ready.push_back(connection);
            self.notified.insert(id);
        }
    }

    pub(crate) fn has_ready(&self, id: ListenerId) -> bool {
        self.by_id.get(&id).is_some_and(|listener| !listener.ready.is_empty())
    }

    pub(crate) fn pop(&mut self, id: ListenerId) -> Option<u32> {
        self.by_id.get_mut(&id)?.ready.pop_front()
    }

    pub(crate) fn take_notified(&mut self) -> Option<ListenerId> {
        self.notified.pop_first()
    }
}

impl Digest for Listeners {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { by_id, by_port: _, next, notified } = self;
        (next, notified).hash(state);
        for (id, Listener { local, settings, pressed, half_open, ready }) in by_id {
            (id, local, settings, half_open, ready).hash(state);
            let pressed = pressed.map(|pressed| moment.now.since(pressed));
            pressed.filter(|ago| *ago <= LIFETIME).hash(state);
        }
    }
}
