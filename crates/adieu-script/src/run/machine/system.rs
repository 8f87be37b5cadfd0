//! System calls on our stack.

use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use adieu_core::{
    BindError, ConnectError, Ending, Flow, HandleId, ListenerId, Phase, ReadError, State, Unwanted, WriteError,
};

use super::choices::Choices;
use super::{Machine, insight, parameters};
use crate::run::calls::poll::{ERR, HUP, IN, NVAL, OUT, PRI, RDHUP, RDNORM, WRNORM};
use crate::run::host::{Field, Host, Id, Outcome, System};
use crate::run::settings::Policy;

/// What a program's file descriptor would be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    is: Is,
    /// `SO_LINGER`.
    linger: Option<Duration>,
    /// Where it was bound.
    bound: Option<SocketAddr>,
    /// Its error was told.
    told: bool,
    /// A connect has returned success.
    connected: bool,
    pub(super) choices: Choices,
}

/// What a socket is.
#[derive(Clone, Copy, Debug)]
enum Is {
    /// Nothing yet.
    Fresh,
    Listening(ListenerId),
    Stream(HandleId),
}

impl Machine {
    fn open(&mut self, is: Is, choices: Choices) -> Id {
        let id = Id(self.next);
        self.next += 1;
        self.sockets.insert(id, Socket { is, linger: None, bound: None, told: false, connected: false, choices });
        id
    }

    fn get(&self, id: Id) -> Outcome<Socket> {
        self.sockets.get(&id).copied().ok_or("EBADF")
    }

    pub(super) fn stream(&self, id: Id) -> Option<HandleId> {
        match self.sockets.get(&id)?.is {
            Is::Stream(handle) => Some(handle),
            Is::Fresh | Is::Listening(_) => None,
        }
    }

    fn change(&mut self, id: Id, change: impl FnOnce(&mut Socket)) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            change(socket);
        }
    }

    // ---- errors ------------------------------------------------------------------------------------------------

    /// What a read that failed returns: an error number, or the end of the stream.
    fn read_error(&mut self, id: Id, ending: Ending) -> Outcome<usize> {
        match self.policy {
            Policy::Ours => Err(errno(ending)),
            Policy::Posix => self.tell(id, ending).map_or(Ok(0), Err),
        }
    }

    /// What a write that failed returns.
    fn write_error(&mut self, id: Id, error: WriteError) -> &'static str {
        let ending = match error {
            WriteError::Blocked => return "EAGAIN",
            WriteError::ShutDown => return "EPIPE",
            WriteError::Ended(ending) => ending,
        };
        match self.policy {
            Policy::Ours if ending.is_graceful() => "EPIPE",
            Policy::Ours => errno(ending),
            Policy::Posix if ending.is_graceful() => "EPIPE",
            Policy::Posix => self.tell(id, ending).unwrap_or("EPIPE"),
        }
    }

    /// Whether an error waits to be told.
    fn has_error(&self, id: Id) -> bool {
        let untold = self.sockets.get(&id).is_some_and(|socket| !socket.told);
        let handle = self.stream(id).filter(|_| untold);
        let ending = handle.and_then(|handle| self.stack.receipt(handle)).map(|receipt| receipt.ending);
        ending.is_some_and(|ending| !ending.is_graceful())
    }

    fn tell(&mut self, id: Id, ending: Ending) -> Option<&'static str> {
        let socket = self.sockets.get_mut(&id)?;
        (!std::mem::replace(&mut socket.told, true)).then(|| errno(ending))
    }

    /// A connect on a socket that has begun to.
    fn connecting(&mut self, id: Id, handle: HandleId, again: bool) -> Outcome<()> {
        if let Some(receipt) = self.stack.receipt(handle) {
            let _ = self.take_error(id);
            return Err(errno(receipt.ending));
        }
        if matches!(self.stack.state(handle), State::SynSent | State::SynReceived) {
            return Err("EALREADY");
        }
        // The first who asks is told of the success.
        let told = self.get(id)?.connected;
        self.change(id, |socket| socket.connected = true);
        if again || !told { Ok(()) } else { Err("EISCONN") }
    }
}

impl System for Machine {
    fn socket(&mut self) -> Outcome<Id> {
        Ok(self.open(Is::Fresh, Choices::new(self.keepalive)))
    }

    fn bind(&mut self, id: Id, address: SocketAddr) -> Outcome<()> {
        let socket = self.get(id)?;
        if socket.bound.is_some() || !matches!(socket.is, Is::Fresh) {
            return Err("EINVAL");
        }
        self.change(id, |socket| socket.bound = Some(address));
        Ok(())
    }

    fn listen(&mut self, id: Id, backlog: u32, default: SocketAddr) -> Outcome<()> {
        let socket = self.get(id)?;
        let address = match socket.is {
            Is::Fresh => socket.bound.unwrap_or(default),
            Is::Listening(_) => return Ok(()),
            Is::Stream(_) => return Err("EINVAL"),
        };
        self.stack.reconfigure(|config| config.accept_backlog = backlog);
        match self.stack.listen_with(address, socket.choices.settings) {
            Ok(listener) => {
                self.change(id, |socket| socket.is = Is::Listening(listener));
                Ok(())
            }
            Err(BindError::InUse(_) | BindError::NoPort) => Err("EADDRINUSE"),
            Err(BindError::NotOurs(_)) => Err("EADDRNOTAVAIL"),
        }
    }

    fn accept(&mut self, id: Id) -> Outcome<Id> {
        let Socket { is: Is::Listening(listener), choices, .. } = self.get(id)? else { return Err("EINVAL") };
        let handle = self.stack.accept(listener).ok_or("EAGAIN")?;
        // What was chosen for the listener since it listens.
        if self.stack.settings(handle) != choices.settings {
            self.stack.set(self.now, handle, choices.settings);
        }
        Ok(self.open(Is::Stream(handle), choices))
    }

    fn connect(&mut self, id: Id, address: SocketAddr, again: bool) -> Outcome<()> {
        let socket = self.get(id)?;
        match socket.is {
            Is::Listening(_) => return Err("EISCONN"),
            Is::Stream(handle) => return self.connecting(id, handle, again),
            Is::Fresh => {}
        }
        match self.stack.connect_with(self.now, socket.bound, address, socket.choices.settings) {
            Ok(handle) => {
                self.change(id, |socket| socket.is = Is::Stream(handle));
                Err("EINPROGRESS")
            }
            Err(error) => Err(match error {
                ConnectError::NotAHost(_) | ConnectError::Ourselves(_) => "EINVAL",
                ConnectError::NoAddress(_) | ConnectError::NoPort(_) => "EADDRNOTAVAIL",
                ConnectError::InUse(_) => "EADDRINUSE",
                ConnectError::Full | ConnectError::Quiet => "ENOBUFS",
            }),
        }
    }

    fn receive(&mut self, id: Id, bytes: &mut [u8], peek: bool) -> Outcome<usize> {
        let handle = self.stream(id).ok_or("ENOTCONN")?;
        let read = match peek {
            true => self.stack.peek(handle, bytes),
            false => self.stack.read(self.now, handle, bytes),
        };
        match read {
            Ok(length) => Ok(length),
            Err(ReadError::Blocked) => Err("EAGAIN"),
            Err(ReadError::Ended(ending)) => self.read_error(id, ending),
        }
    }

    fn send(&mut self, id: Id, bytes: &[u8], urgent: bool) -> Outcome<usize> {
        let handle = self.stream(id).ok_or("ENOTCONN")?;
        let written = match urgent {
            true => self.stack.write_urgent(self.now, handle, bytes),
            false => self.stack.write(self.now, handle, bytes),
        };
        written.map_err(|error| self.write_error(id, error))
    }

    /// With a linger time it blocks until all is acknowledged, or the time is over.
    fn close(&mut self, id: Id, began: Duration, nonblocking: bool) -> Outcome<()> {
        let socket = self.get(id)?;
        match socket.is {
            Is::Fresh => {}
            Is::Listening(listener) => self.stack.unlisten(self.now, listener),
            Is::Stream(handle) => {
                self.stack.set_zero_linger(self.now, handle, socket.linger == Some(Duration::ZERO));
                self.stack.close(self.now, handle);
                let waits = socket.linger.is_some_and(|time| self.now() < began + time);
                let open = self.stack.receipt(handle).is_none() && !self.stack.is_finished(handle);
                if waits && open && !nonblocking {
                    return Err("EAGAIN");
                }
                self.stack.release(self.now, handle);
            }
        }
        self.sockets.remove(&id);
        Ok(())
    }

    fn shut_down(&mut self, id: Id, how: Shutdown) -> Outcome<()> {
        let handle = self.stream(id).ok_or("ENOTCONN")?;
        if self.stack.receipt(handle).is_some() {
            return Err("ENOTCONN");
        }
        if how != Shutdown::Read {
            self.stack.shut_down(self.now, handle);
        }
        if how != Shutdown::Write {
            self.stack.shut_down_read(self.now, handle, Unwanted::Refuse);
        }
        Ok(())
    }

    fn lingers(&self, id: Id) -> Option<Duration> {
        self.sockets.get(&id)?.linger
    }

    fn set_linger(&mut self, id: Id, time: Option<Duration>) -> Outcome<()> {
        self.get(id)?;
        self.change(id, |socket| socket.linger = time);
        Ok(())
    }

    fn set_option(&mut self, id: Id, level: i64, name: i64, value: i64) -> Option<Outcome<()>> {
        self.choose(id, level, name, value)
    }

    fn get_option(&mut self, id: Id, level: i64, name: i64) -> Option<Outcome<i64>> {
        self.chosen(id, level, name).map(Ok)
    }

    fn take_error(&mut self, id: Id) -> Option<&'static str> {
        let ending = self.stack.receipt(self.stream(id)?)?.ending;
        if ending.is_graceful() {
            return None;
        }
        self.tell(id, ending)
    }

    fn unread(&mut self, id: Id) -> Outcome<u64> {
        Ok(self.stack.unread(self.stream(id).ok_or("EINVAL")?))
    }

    fn unacknowledged(&mut self, id: Id) -> Outcome<u64> {
        Ok(self.stack.unacknowledged(self.stream(id).ok_or("EINVAL")?))
    }

    /// Linux's urgent byte is the last one before the urgent pointer.
    fn at_mark(&mut self, id: Id) -> Option<Outcome<bool>> {
        Some(self.stream(id).ok_or("EINVAL").map(|handle| self.stack.urgent_ahead(handle) == Some(1)))
    }

    fn ready(&mut self, id: Id) -> i64 {
        let Ok(socket) = self.get(id) else { return NVAL };
        let handle = match socket.is {
            Is::Fresh => return OUT | HUP | WRNORM,
            Is::Listening(listener) => {
                return if self.stack.is_acceptable(listener) { IN | RDNORM } else { 0 };
            }
            Is::Stream(handle) => handle,
        };
        let stack = &self.stack;
        let mut happened = 0;
        if stack.receipt(handle).is_none() && matches!(stack.state(handle), State::SynSent | State::SynReceived) {
            return 0;
        }
        let end = stack.peek(handle, &mut [0; 1]);
        if !matches!(end, Err(ReadError::Blocked)) {
            happened |= IN | RDNORM;
        }
        if stack.urgent_ahead(handle).is_some() {
            happened |= PRI;
        }
        let finished =
            matches!(stack.state(handle), State::CloseWait | State::Closing | State::LastAck | State::TimeWait);
        let over = stack.receipt(handle).is_some();
        if finished || over {
            happened |= RDHUP;
        }
        let shut = matches!(
            stack.state(handle),
            State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck | State::TimeWait
        );
        if stack.room(handle) > 0 || shut || over {
            happened |= OUT | WRNORM;
        }
        if over || (finished && shut) {
            happened |= HUP;
        }
        if self.has_error(id) {
            happened |= ERR;
        }
        happened
    }

    fn flow(&self, id: Id) -> Option<Flow> {
        self.stack.flow(self.stream(id)?)
    }

    fn state(&self, id: Id) -> Option<State> {
        Some(self.stack.state(self.stream(id)?))
    }

    fn info(&self, id: Id) -> Option<Vec<Field>> {
        Some(insight::fields(&self.stack.info(self.stream(id)?)?))
    }

    fn abort(&mut self, id: Id) {
        if let Some(handle) = self.stream(id) {
            self.stack.abort(self.now, handle);
        }
    }

    fn sysctl(&mut self, name: &str, value: &str) -> Result<bool, String> {
        parameters::sysctl(name, value, &mut self.stack, &mut self.keepalive)
    }
}

/// The error number of an ending, by name.
fn errno(ending: Ending) -> &'static str {
    match ending {
        Ending::Graceful { .. } => "EPIPE",
        Ending::ResetByPeer { .. } => "ECONNRESET",
        Ending::Refused { .. } => "ECONNREFUSED",
        Ending::Aborted { .. } | Ending::Cancelled { .. } => "ECONNABORTED",
        Ending::TimedOut {
            phase:
                Phase::Connect
                | Phase::Retransmission
                | Phase::ZeroWindow
                | Phase::FinWait2Orphan
                | Phase::UserTimeout
                | Phase::Keepalive,
            ..
        } => "ETIMEDOUT",
        // Of the errors that end a connection the types are enough to tell the families apart.
        Ending::Unreachable { icmp_type, code } => unreachable(icmp_type, code),
    }
}

/// What Linux calls an ICMP error.
fn unreachable(icmp_type: u8, code: u8) -> &'static str {
    match (icmp_type, code) {
        (3, 0 | 6 | 9 | 11) | (1, 0) => "ENETUNREACH",
        (3, 2) => "ENOPROTOOPT",
        (3, 3) | (1, 4) => "ECONNREFUSED",
        (3, 4) | (2, _) => "EMSGSIZE",
        (3, 5) => "EOPNOTSUPP",
        (3, 7) => "EHOSTDOWN",
        (3, 8) => "ENONET",
        (1, 1 | 5 | 6) => "EACCES",
        (12, _) | (4, _) => "EPROTO",
        _ => "EHOSTUNREACH",
    }
}
