//! The script's sockets, by the numbers it has for them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use adieu_core::State;

use super::flows::Flows;
use super::host::{Field, Id, Target};

/// What a script works on.
pub(crate) struct Scene {
    /// What is tested.
    pub(crate) host: Box<dyn Target>,
    pub(crate) flows: Flows,
    pub(crate) sockets: Sockets,
    /// What was ignored, and why.
    pub(crate) notes: Vec<String>,
}

/// All open sockets, by the number the script has for them.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    table: BTreeMap<i64, Socket>,
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) id: Id,
    pub(crate) nonblocking: bool,
    /// Where it was bound.
    pub(crate) bound: Option<SocketAddr>,
    pub(crate) listening: Option<SocketAddr>,
    /// Bytes that were read so far.
    pub(crate) read: u32,
    /// Options by level and name, as they were set.
    pub(crate) options: BTreeMap<(i64, i64), i64>,
}

impl Socket {
    pub(crate) fn new(id: Id, nonblocking: bool) -> Self {
        Self { id, nonblocking, bound: None, listening: None, read: 0, options: BTreeMap::new() }
    }
}

impl Scene {
    /// The state of the connection that the script has opened last.
    pub(crate) fn state(&self) -> Option<State> {
        self.host.state(self.asked()?)
    }

    /// The same connection from inside.
    pub(crate) fn info(&self) -> Option<Vec<Field>> {
        self.host.info(self.asked()?)
    }

    fn asked(&self) -> Option<Id> {
        self.sockets.all().filter(|id| self.host.state(*id).is_some()).last()
    }
}

impl Sockets {
    pub(crate) fn get(&mut self, number: i64) -> Option<&mut Socket> {
        self.table.get_mut(&number)
    }

    /// Keeps a socket under the script's number for it, or the next free one.
    pub(crate) fn open(&mut self, wanted: Option<i64>, socket: Socket) -> i64 {
        let free = (3..).find(|number| !self.table.contains_key(number)).unwrap_or(i64::MAX);
        let number = wanted.filter(|number| *number >= 0 && !self.table.contains_key(number)).unwrap_or(free);
        self.table.insert(number, socket);
        number
    }

    pub(crate) fn remove(&mut self, number: i64) -> Option<Socket> {
        self.table.remove(&number)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = Id> {
        self.table.values().map(|socket| socket.id)
    }

    pub(crate) fn listens(&self) -> bool {
        self.listening_at().is_some()
    }

    pub(crate) fn listening_at(&self) -> Option<SocketAddr> {
        self.table.values().rev().find_map(|socket| socket.listening)
    }
}
