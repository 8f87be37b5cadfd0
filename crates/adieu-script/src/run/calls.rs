//! System calls of a script, made on what is tested.

pub(crate) mod options;
pub(crate) mod poll;
mod transfer;

use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use super::failure::{Failure, Kind};
use super::flows::PORT;
use super::host::{Id, Outcome};
use super::sockets::{Scene, Socket};
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
    /// When it returns whatever happens.
    pub(crate) wake: Option<Duration>,
}

impl Progress {
    pub(crate) fn new(began: Duration) -> Self {
        Self { began, written: 0, again: false, wake: None }
    }
}

impl Answer {
    pub(super) fn ok(value: i64) -> Self {
        Self::Returned(Returned { value, errno: None })
    }

    pub(super) fn error(errno: &'static str) -> Self {
        Self::Returned(Returned { value: -1, errno: Some(errno) })
    }

    /// Of a call that brings nothing but success.
    pub(super) fn of(outcome: Outcome<()>) -> Self {
        outcome.map_or_else(Self::error, |()| Self::ok(0))
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
    pub(super) scene: &'a mut Scene,
}

/// Makes a call, or tries one that blocks once more.
pub(crate) fn attempt(call: &Call, progress: &mut Progress, scene: &mut Scene) -> Made {
    if !progress.again {
        scene.host.note(call.name.value.clone());
    }
    let mut context = Context { call, progress, scene };
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

    /// What the system calls socket `number`.
    pub(super) fn id(&mut self, number: i64) -> Option<Id> {
        self.scene.sockets.get(number).map(|socket| socket.id)
    }

    fn socket(&mut self) -> Made {
        let domain = number_or(self.call.arguments.first(), 0)?;
        let kind = number_or(self.call.arguments.get(1), 1)?;
        if ![0, 2, 10].contains(&domain) || kind & 0xf != 1 {
            return Err(Failure::not_built(self.call.span, "sockets that are not TCP"));
        }
        let nonblocking = kind & 0o4000 != 0;
        Ok(match self.scene.host.socket() {
            Ok(id) => Answer::ok(self.scene.sockets.open(self.wanted(), Socket::new(id, nonblocking))),
            Err(errno) => Answer::error(errno),
        })
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
        let address = self.address(1, SocketAddr::new(self.scene.flows.our_address(), PORT))?;
        let Some(socket) = self.scene.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
        let bound = self.scene.host.bind(socket.id, address);
        if bound.is_ok() {
            socket.bound = Some(address);
        }
        Ok(Answer::of(bound))
    }

    fn listen(&mut self) -> Made {
        let number = self.number(0)?;
        let backlog = number_or(self.call.arguments.get(1), 128)?.max(1);
        let default = SocketAddr::new(self.scene.flows.our_address(), PORT);
        let Some(socket) = self.scene.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
        let backlog = u32::try_from(backlog).unwrap_or(u32::MAX);
        let address = socket.bound.unwrap_or(default);
        let listens = self.scene.host.listen(socket.id, backlog, address);
        if listens.is_ok() {
            socket.listening = Some(address);
        }
        Ok(Answer::of(listens))
    }

    fn accept(&mut self) -> Made {
        let number = self.number(0)?;
        let flags = number_or(self.call.arguments.get(3), 0)?;
        let Some(socket) = self.scene.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
        let nonblocking = socket.nonblocking;
        Ok(match self.scene.host.accept(socket.id) {
            Ok(id) => Answer::ok(self.scene.sockets.open(self.wanted(), Socket::new(id, flags & 0o4000 != 0))),
            Err("EAGAIN") => Answer::would_block(nonblocking),
            Err(errno) => Answer::error(errno),
        })
    }

    fn connect(&mut self) -> Made {
        let number = self.number(0)?;
        let address = self.address(1, SocketAddr::new(self.scene.flows.peers_address(), PORT))?;
        let Some(socket) = self.scene.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
        let (id, nonblocking) = (socket.id, socket.nonblocking);
        let connected = self.scene.host.connect(id, address, self.progress.again);
        if connected == Err("EINPROGRESS")
            && let Some(flow) = self.scene.host.flow(id)
        {
            self.scene.flows.begin(flow);
        }
        Ok(match connected {
            Err("EINPROGRESS" | "EALREADY") if !nonblocking => Answer::Blocks,
            other => Answer::of(other),
        })
    }

    fn close(&mut self) -> Made {
        let number = self.number(0)?;
        let Some(socket) = self.scene.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
        match self.scene.host.close(socket.id, self.progress.began, socket.nonblocking) {
            Err("EAGAIN") => {
                self.progress.wake = self.scene.host.lingers(socket.id).map(|time| self.progress.began + time);
                Ok(Answer::Blocks)
            }
            closed => {
                self.scene.sockets.remove(number);
                Ok(Answer::of(closed))
            }
        }
    }

    fn shut_down(&mut self) -> Made {
        let (number, how) = (self.number(0)?, self.number(1)?);
        let Some(id) = self.id(number) else { return Ok(Answer::error("EBADF")) };
        if self.scene.host.flow(id).is_none() {
            return Ok(Answer::error("ENOTCONN"));
        }
        let how = match how {
            0 => Shutdown::Read,
            1 => Shutdown::Write,
            2 => Shutdown::Both,
            _ => return Ok(Answer::error("EINVAL")),
        };
        Ok(Answer::of(self.scene.host.shut_down(id, how)))
    }

    fn fcntl(&mut self) -> Made {
        let (number, command) = (self.number(0)?, self.number(1)?);
        let flags = number_or(self.call.arguments.get(2), 0)?;
        let span = self.call.span;
        let Some(socket) = self.scene.sockets.get(number) else { return Ok(Answer::error("EBADF")) };
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
