//! System calls of a script, made on the stack.

mod options;
mod poll;
mod transfer;

use std::net::SocketAddr;
use std::time::Duration;

use adieu_core::{BindError, ConnectError, State};

use super::failure::{Failure, Kind};
use super::flows::PORT;
use super::machine::Machine;
use super::sockets::{Is, Socket, Sockets, errno};
use super::values::{constant, number, number_or};
use crate::ast::{Call, Spanned, Value};

/// What came of a call.
pub(crate) enum Answer {
    Returned(Returned),
    Blocks,
}

/// What a call has returned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Returned {
    pub(crate) value: i64,
    pub(crate) errno: Option<&'static str>,
}

/// How far a call that blocks has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// When it was called.
    pub(crate) began: Duration,
    /// Bytes that were written so far.
    pub(crate) written: usize,
    /// It has been called before.
    pub(crate) again: bool,
}

impl Progress {
    pub(crate) fn new(began: Duration) -> Self {
        Self { began, written: 0, again: false }
    }
}

impl Answer {
    pub(super) fn ok(value: i64) -> Self {
        Self::Returned(Returned { value, errno: None })
    }

    pub(super) fn error(errno: &'static str) -> Self {
        Self::Returned(Returned { value: -1, errno: Some(errno) })
    }

    /// For a socket that must not block.
    pub(super) fn would_block(nonblocking: bool) -> Self {
        if nonblocking { Self::error("EAGAIN") } else { Self::Blocks }
    }
}

pub(super) type Made = Result<Answer, Box<Failure>>;

/// All that a call works on.
pub(super) struct Context<'a> {
    pub(super) call: &'a Call,
    pub(super) progress: &'a mut Progress,
    pub(super) machine: &'a mut Machine,
    pub(super) sockets: &'a mut Sockets,
}

/// Makes a call, or tries one that blocks once more.
pub(crate) fn attempt(call: &Call, progress: &mut Progress, machine: &mut Machine, sockets: &mut Sockets) -> Made {
    if !progress.again {
        machine.note(call.name.value.clone());
    }
    let mut context = Context { call, progress, machine, sockets };
    let answer = context.make();
    progress.again = true;
    answer
}

/// Holds what a call has returned against what the script expects.
pub(crate) fn check(call: &Call, returned: &Returned) -> Result<(), Box<Failure>> {
    let Some(expected) = &call.result else { return Ok(()) };
    let value = number(&Spanned { span: expected.span, value: expected.value.value.clone() })?;
    let got = match returned.errno {
        Some(errno) => format!("-1 {errno}"),
        None => returned.value.to_string(),
    };
    let same = value.is_none_or(|value| value == returned.value);
    let wanted = expected.value.errno.as_deref();
    let same_errno = match (wanted, returned.errno) {
        (Some(wanted), Some(errno)) => constant(wanted) == constant(errno) && constant(errno).is_some(),
        (None, errno) => errno.is_none() || value.is_none() || value == Some(-1),
        (Some(_), None) => false,
    };
    if same && same_errno {
        return Ok(());
    }
    let text = match (value, wanted) {
        (Some(value), Some(errno)) => format!("{value} {errno}"),
        (Some(value), None) => value.to_string(),
        (None, _) => "...".into(),
    };
    Err(Failure::new(Kind::Result, expected.span, format!("{} has returned something else", call.name.value))
        .expected(text)
        .got(got))
}

impl<'a> Context<'a> {
    fn make(&mut self) -> Made {
        match self.call.name.value.as_str() {
            "socket" => self.socket(),
            "bind" => self.bind(),
            "listen" => self.listen(),
            "accept" | "accept4" => self.accept(),
            "connect" => self.connect(),
            "read" | "recv" | "recvfrom" | "recvmsg" | "readv" => self.receive(),
            "write" | "send" | "sendto" | "sendmsg" | "writev" => self.send(),
            "close" => self.close(),
            "shutdown" => self.shut_down(),
            "fcntl" => self.fcntl(),
            "ioctl" => self.ioctl(),
            "poll" => self.poll(),
            "getsockopt" => self.get_option(),
            "setsockopt" => self.set_option(),
            other => Err(Failure::not_built(self.call.name.span, &format!("the call {other}"))),
        }
    }

    pub(super) fn argument(&self, n: usize) -> Result<&'a Spanned<Value>, Box<Failure>> {
        self.call.arguments.get(n).ok_or_else(|| {
            let name = &self.call.name.value;
            Failure::meaning(self.call.span, format!("{name} needs at least {} arguments", n + 1))
        })
    }

    /// The number of argument `n`, which must be one.
    pub(super) fn number(&self, n: usize) -> Result<i64, Box<Failure>> {
        let argument = self.argument(n)?;
        number(argument)?.ok_or_else(|| Failure::meaning(argument.span, "a number is needed here"))
    }

    /// The number that the script expects as the result.
    fn wanted(&self) -> Option<i64> {
        match self.call.result.as_ref()?.value.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    fn socket(&mut self) -> Made {
        let domain = number_or(self.call.arguments.first(), 0)?;
        let kind = number_or(self.call.arguments.get(1), 1)?;
        if ![0, 2, 10].contains(&domain) || kind & 0xf != 1 {
            return Err(Failure::not_built(self.call.span, "sockets that are not TCP"));
        }
        let nonblocking = kind & 0o4000 != 0;
        Ok(Answer::ok(self.sockets.open(self.wanted(), Socket::new(Is::Fresh, nonblocking))))
    }

    /// The address of `bind` and `connect`: what the script says, or a default.
    fn address(&self, n: usize, default: SocketAddr) -> Result<SocketAddr, Box<Failure>> {
        let Some(argument) = self.call.arguments.get(n) else { return Ok(default) };
        let mut address = default;
        let Value::Struct(fields) = &argument.value else { return Ok(default) };
        for (name, value) in fields {
            match name.as_deref() {
                Some("sin_port" | "sin6_port") => {
                    let port = number(value)?.and_then(|port| u16::try_from(port).ok());
                    address.set_port(port.ok_or_else(|| Failure::meaning(value.span, "a port is needed here"))?);
                }
                Some("sin_addr" | "sin6_addr") => {
                    let Value::Function(_, arguments) = &value.value else {
                        return Err(Failure::meaning(value.span, "an address is needed here"));
                    };
                    let text = arguments.first().map(|argument| &argument.value);
                    let parsed = match text {
                        Some(Value::Text(text)) => text.parse().ok(),
                        _ => None,
                    };
                    let parsed: std::net::IpAddr =
                        parsed.ok_or_else(|| Failure::meaning(value.span, "an address is needed here"))?;
                    // A script for one family may be run over the other.
                    if parsed.is_ipv4() == default.is_ipv4() && !parsed.is_unspecified() {
                        address.set_ip(parsed);
                    }
                }
                _ => {}
            }
        }
        Ok(address)
    }

    fn bind(&mut self) -> Made {
        let number = self.number(0)?;
        let address = self.address(1, SocketAddr::new(self.machine.flows.our_address(), PORT))?;
        let Some(socket) = self.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
        if socket.bound.is_some() || !matches!(socket.is, Is::Fresh) {
            return Ok(Answer::error("EINVAL"));
        }
        socket.bound = Some(address);
        Ok(Answer::ok(0))
    }

    fn listen(&mut self) -> Made {
        let number = self.number(0)?;
        let backlog = number_or(self.call.arguments.get(1), 128)?.max(1);
        let default = SocketAddr::new(self.machine.flows.our_address(), PORT);
        let Some(socket) = self.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
        let address = match socket.is {
            Is::Fresh => socket.bound.unwrap_or(default),
            Is::Listening(..) => return Ok(Answer::ok(0)),
            Is::Stream(_) => return Ok(Answer::error("EINVAL")),
        };
        let backlog = u32::try_from(backlog).unwrap_or(u32::MAX);
        self.machine.stack.reconfigure(|config| config.accept_backlog = backlog);
        match self.machine.stack.listen(address) {
            Ok(listener) => {
                if let Some(socket) = self.sockets.get(number) {
                    socket.is = Is::Listening(listener, address);
                }
                Ok(Answer::ok(0))
            }
            Err(BindError::InUse(_) | BindError::NoPort) => Ok(Answer::error("EADDRINUSE")),
            Err(BindError::NotOurs(_)) => Ok(Answer::error("EADDRNOTAVAIL")),
        }
    }

    fn accept(&mut self) -> Made {
        let number = self.number(0)?;
        let flags = number_or(self.call.arguments.get(3), 0)?;
        let Some(socket) = self.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
        let nonblocking = socket.nonblocking;
        let Is::Listening(listener, _) = socket.is else { return Ok(Answer::error("EINVAL")) };
        let accepted = self.machine.stack.accept(listener);
        let Some(handle) = accepted else { return Ok(Answer::would_block(nonblocking)) };
        let socket = Socket::new(Is::Stream(handle), flags & 0o4000 != 0);
        Ok(Answer::ok(self.sockets.open(self.wanted(), socket)))
    }

    fn connect(&mut self) -> Made {
        let number = self.number(0)?;
        let address = self.address(1, SocketAddr::new(self.machine.flows.peers_address(), PORT))?;
        let Some(socket) = self.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
        let (bound, nonblocking) = (socket.bound, socket.nonblocking);
        match socket.is {
            Is::Listening(..) => return Ok(Answer::error("EISCONN")),
            Is::Stream(_) => return Ok(self.connecting(number)),
            Is::Fresh => {}
        }
        let now = self.machine.instant();
        let handle = match self.machine.stack.connect(now, bound, address) {
            Ok(handle) => handle,
            Err(error) => {
                return Ok(Answer::error(match error {
                    ConnectError::NotAHost(_) | ConnectError::Ourselves(_) => "EINVAL",
                    ConnectError::NoAddress(_) | ConnectError::NoPort(_) => "EADDRNOTAVAIL",
                    ConnectError::InUse(_) => "EADDRINUSE",
                    ConnectError::Full => "ENOBUFS",
                }));
            }
        };
        if let Some(flow) = self.machine.stack.flow(handle) {
            self.machine.flows.begin(flow);
            if let Some(socket) = self.sockets.get(number) {
                socket.is = Is::Stream(handle);
            }
        }
        Ok(if nonblocking { Answer::error("EINPROGRESS") } else { Answer::Blocks })
    }

    /// A connect on a socket that has begun to.
    fn connecting(&mut self, number: i64) -> Answer {
        let first = self.progress.again;
        let Some(socket) = self.sockets.get(number) else { return Answer::error("EBADF") };
        let (Some(handle), nonblocking) = (socket.stream(), socket.nonblocking) else {
            return Answer::error("EINVAL");
        };
        if let Some(receipt) = self.machine.stack.receipt(handle) {
            let _ = self.sockets.take_error(number, self.machine);
            return Answer::error(errno(receipt.ending));
        }
        match self.machine.stack.state(handle) {
            State::SynSent | State::SynReceived if nonblocking => Answer::error("EALREADY"),
            State::SynSent | State::SynReceived => Answer::Blocks,
            _ if first => Answer::ok(0),
            _ => Answer::error("EISCONN"),
        }
    }

    /// A close with a linger time blocks until all is acknowledged, or the time is over.
    fn close(&mut self) -> Made {
        let number = self.number(0)?;
        let Some(socket) = self.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
        let (is, linger, nonblocking) = (socket.is, socket.linger, socket.nonblocking);
        let now = self.machine.instant();
        let stack = &mut self.machine.stack;
        match is {
            Is::Fresh => {}
            Is::Listening(listener, _) => stack.unlisten(now, listener),
            Is::Stream(handle) => {
                stack.set_zero_linger(now, handle, linger == Some(Duration::ZERO));
                stack.close(now, handle);
                let waits = linger.is_some_and(|time| self.machine.now() < self.progress.began + time);
                let open = self.machine.stack.receipt(handle).is_none() && !self.machine.stack.is_finished(handle);
                if waits && open && !nonblocking {
                    return Ok(Answer::Blocks);
                }
                self.machine.stack.release(now, handle);
            }
        }
        self.sockets.remove(number);
        Ok(Answer::ok(0))
    }

    fn shut_down(&mut self) -> Made {
        let (number, how) = (self.number(0)?, self.number(1)?);
        let Some(socket) = self.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
        let Some(handle) = socket.stream() else { return Ok(Answer::error("ENOTCONN")) };
        if how != 1 {
            return Err(Failure::not_built(self.call.span, "shutting down the reading direction"));
        }
        if self.machine.stack.receipt(handle).is_some() {
            return Ok(Answer::error("ENOTCONN"));
        }
        let now = self.machine.instant();
        self.machine.stack.shut_down(now, handle);
        Ok(Answer::ok(0))
    }

    fn fcntl(&mut self) -> Made {
        let (number, command) = (self.number(0)?, self.number(1)?);
        let flags = number_or(self.call.arguments.get(2), 0)?;
        let span = self.call.span;
        let Some(socket) = self.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
        match command {
            1 | 2 => Ok(Answer::ok(0)),
            3 => Ok(Answer::ok(2 | if socket.nonblocking { 0o4000 } else { 0 })),
            4 => {
                socket.nonblocking = flags & 0o4000 != 0;
                Ok(Answer::ok(0))
            }
            _ => Err(Failure::not_built(span, "this command of fcntl")),
        }
    }
}
