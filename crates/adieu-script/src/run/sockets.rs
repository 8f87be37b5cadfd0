//! The script's sockets: what a program's file descriptors would be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use adieu_core::{Cause, Ending, HandleId, ListenerId, Phase, ReadError, WriteError};

use super::machine::Machine;
use super::settings::{Policy, Settings};

/// All open sockets, by the number the script has for them.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    table: BTreeMap<i64, Socket>,
    policy: Policy,
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) is: Is,
    pub(crate) nonblocking: bool,
    /// `SO_LINGER`.
    pub(crate) linger: Option<Duration>,
    /// Where it was bound.
    pub(crate) bound: Option<SocketAddr>,
    /// An error that nobody was told yet, and whether one was told.
    told: bool,
    /// Bytes that were read so far.
    pub(crate) read: u32,
    /// Options by level and name, as they were set.
    pub(crate) options: BTreeMap<(i64, i64), i64>,
}

/// What a socket is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Is {
    /// Nothing yet.
    Fresh,
    Listening(ListenerId, SocketAddr),
    Stream(HandleId),
}

impl Socket {
    pub(crate) fn new(is: Is, nonblocking: bool) -> Self {
        Self { is, nonblocking, linger: None, bound: None, told: false, read: 0, options: BTreeMap::new() }
    }

    pub(crate) fn stream(&self) -> Option<HandleId> {
        match self.is {
            Is::Stream(handle) => Some(handle),
            Is::Fresh | Is::Listening(..) => None,
        }
    }
}

impl Sockets {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { table: BTreeMap::new(), policy: settings.policy }
    }

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

    pub(crate) fn all(&self) -> impl Iterator<Item = (&i64, &Socket)> {
        self.table.iter()
    }

    pub(crate) fn listens(&self) -> bool {
        self.listening_at().is_some()
    }

    pub(crate) fn listening_at(&self) -> Option<SocketAddr> {
        self.table.values().rev().find_map(|socket| match socket.is {
            Is::Listening(_, address) => Some(address),
            Is::Fresh | Is::Stream(_) => None,
        })
    }

    // ---- errors ------------------------------------------------------------------------------------------------

    /// What a read that failed returns: an error number, or the end of the stream.
    pub(crate) fn read_error(&mut self, number: i64, ending: Ending) -> Result<i64, &'static str> {
        match self.policy {
            Policy::Ours => Err(errno(ending)),
            Policy::Posix => self.tell(number, ending).map_or(Ok(0), Err),
        }
    }

    /// What a write that failed returns.
    pub(crate) fn write_error(&mut self, number: i64, error: WriteError) -> Option<&'static str> {
        let ending = match error {
            WriteError::Blocked => return None,
            WriteError::ShutDown => return Some("EPIPE"),
            WriteError::Ended(ending) => ending,
        };
        Some(match self.policy {
            Policy::Ours if ending.is_graceful() => "EPIPE",
            Policy::Ours => errno(ending),
            Policy::Posix if ending.is_graceful() => "EPIPE",
            Policy::Posix => self.tell(number, ending).unwrap_or("EPIPE"),
        })
    }

    /// The pending error (`SO_ERROR`), which is told once.
    pub(crate) fn take_error(&mut self, number: i64, machine: &Machine) -> Option<&'static str> {
        let handle = self.get(number)?.stream()?;
        let ending = machine.stack.receipt(handle)?.ending;
        if ending.is_graceful() {
            return None;
        }
        self.tell(number, ending)
    }

    /// Whether an error waits to be told.
    pub(crate) fn has_error(&self, number: i64, machine: &Machine) -> bool {
        let socket = self.table.get(&number);
        let handle = socket.filter(|socket| !socket.told).and_then(Socket::stream);
        let ending = handle.and_then(|handle| machine.stack.receipt(handle)).map(|receipt| receipt.ending);
        ending.is_some_and(|ending| !ending.is_graceful())
    }

    fn tell(&mut self, number: i64, ending: Ending) -> Option<&'static str> {
        let socket = self.get(number)?;
        (!std::mem::replace(&mut socket.told, true)).then(|| errno(ending))
    }
}

/// The error number of an ending, by name.
pub(crate) fn errno(ending: Ending) -> &'static str {
    match ending {
        Ending::Graceful { .. } => "EPIPE",
        Ending::ResetByPeer { .. } => "ECONNRESET",
        Ending::Refused { .. } => "ECONNREFUSED",
        Ending::Aborted {
            cause:
                Cause::AbortCall
                | Cause::LingerZero
                | Cause::LingerExpired
                | Cause::CloseWithUnread
                | Cause::DataAfterClose
                | Cause::ListenerClosed
                | Cause::StackShutdown,
            ..
        }
        | Ending::Cancelled { .. } => "ECONNABORTED",
        Ending::TimedOut {
            phase: Phase::Connect | Phase::Retransmission | Phase::ZeroWindow | Phase::FinWait2Orphan,
            ..
        } => "ETIMEDOUT",
        Ending::Unreachable { .. } => "EHOSTUNREACH",
    }
}

/// Why a read brought nothing, if it is over.
pub(crate) fn ended(error: ReadError) -> Option<Ending> {
    match error {
        ReadError::Blocked => None,
        ReadError::Ended(ending) => Some(ending),
    }
}
