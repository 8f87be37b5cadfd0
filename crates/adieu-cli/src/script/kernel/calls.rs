//! System calls, made on the kernel's sockets.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use adieu::{Flow, State};
use adieu_script::run::{Field, Host, Id, Outcome, System, error_name};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, acceptfrom_with, bind, connect,
    getsockname, listen, recv, send, shutdown, socket_with, sockopt,
};

use super::{Kernel, choices, insight};

/// One socket of the script.
pub(super) struct Socket {
    is: Is,
    bound: bool,
    lingers: bool,
    /// Its connection, which the kernel forgets with the connection's end.
    flow: Option<Flow>,
}

enum Is {
    Open(OwnedFd),
    /// `close` blocks, whatever `O_NONBLOCK` says: another thread is in it.
    Closing(JoinHandle<()>),
}

/// Long enough for another thread to close what need not wait.
const SHORT: Duration = Duration::from_millis(1);

impl Kernel {
    fn keep(&mut self, fd: OwnedFd, flow: Option<Flow>) -> Id {
        let id = Id(self.next);
        self.next += 1;
        self.sockets.insert(id, Socket { is: Is::Open(fd), bound: false, lingers: false, flow });
        id
    }

    pub(super) fn fd(&self, id: Id) -> Outcome<&OwnedFd> {
        match self.sockets.get(&id).map(|socket| &socket.is) {
            Some(Is::Open(fd)) => Ok(fd),
            Some(Is::Closing(_)) | None => Err("EBADF"),
        }
    }

    fn change(&mut self, id: Id, change: impl FnOnce(&mut Socket)) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            change(socket);
        }
    }

    /// What the kernel holds of a socket's connection.
    fn held(&self, id: Id) -> Outcome<Option<crate::diag::Socket>> {
        let flow = self.flow(id).ok_or("EINVAL")?;
        self.diag.look(flow.local(), flow.remote()).map_err(|_| "EINVAL")
    }
}

/// The name that scripts have for an error.
pub(super) fn named(error: Errno) -> &'static str {
    error_name(error.raw_os_error()).unwrap_or("an error that no script knows")
}

fn local(fd: &OwnedFd) -> Outcome<SocketAddr> {
    SocketAddr::try_from(getsockname(fd).map_err(named)?).map_err(named)
}

impl System for Kernel {
    fn socket(&mut self) -> Outcome<Id> {
        let family = if self.addresses[0].is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = socket_with(family, SocketType::STREAM, flags, None).map_err(named)?;
        // As on our stack, a listener never stands in its own way.
        sockopt::set_socket_reuseaddr(&fd, true).map_err(named)?;
        // As on our stack, urgent data is in line with all other.
        sockopt::set_socket_oobinline(&fd, true).map_err(named)?;
        Ok(self.keep(fd, None))
    }

    fn bind(&mut self, id: Id, address: SocketAddr) -> Outcome<()> {
        bind(self.fd(id)?, &address).map_err(named)?;
        self.change(id, |socket| socket.bound = true);
        Ok(())
    }

    fn listen(&mut self, id: Id, backlog: u32, default: SocketAddr) -> Outcome<()> {
        if self.sockets.get(&id).is_some_and(|socket| !socket.bound) {
            self.bind(id, default)?;
        }
        listen(self.fd(id)?, i32::try_from(backlog).unwrap_or(i32::MAX)).map_err(named)
    }

    fn accept(&mut self, id: Id) -> Outcome<Id> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (fd, peer) = acceptfrom_with(self.fd(id)?, flags).map_err(named)?;
        let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
        let own = local(&fd)?;
        let flow = peer.map(|peer| Flow::new(own, peer));
        Ok(self.keep(fd, flow))
    }

    fn connect(&mut self, id: Id, address: SocketAddr, _: bool) -> Outcome<()> {
        let fd = self.fd(id)?;
        let connected = connect(fd, &address).map_err(named);
        if connected == Err("EINPROGRESS") {
            let flow = Flow::new(local(fd)?, address);
            self.change(id, |socket| socket.flow = Some(flow));
        }
        connected
    }

    fn receive(&mut self, id: Id, bytes: &mut [u8], peek: bool) -> Outcome<usize> {
        let flags = if peek { RecvFlags::PEEK } else { RecvFlags::empty() };
        let (length, _) = recv(self.fd(id)?, bytes, flags).map_err(named)?;
        Ok(length)
    }

    fn send(&mut self, id: Id, bytes: &[u8], urgent: bool) -> Outcome<usize> {
        let flags = SendFlags::NOSIGNAL | if urgent { SendFlags::OOB } else { SendFlags::empty() };
        send(self.fd(id)?, bytes, flags).map_err(named)
    }

    fn close(&mut self, id: Id, _: Duration, _: bool) -> Outcome<()> {
        let socket = self.sockets.remove(&id).ok_or("EBADF")?;
        let closing = match socket.is {
            Is::Open(fd) if !socket.lingers => {
                drop(fd);
                return Ok(());
            }
            Is::Open(fd) => {
                let closing = thread::spawn(move || drop(fd));
                thread::sleep(SHORT);
                closing
            }
            Is::Closing(closing) => closing,
        };
        if closing.is_finished() {
            return Ok(());
        }
        self.sockets.insert(id, Socket { is: Is::Closing(closing), ..socket });
        Err("EAGAIN")
    }

    fn shut_down(&mut self, id: Id, how: std::net::Shutdown) -> Outcome<()> {
        let how = match how {
            std::net::Shutdown::Read => Shutdown::Read,
            std::net::Shutdown::Write => Shutdown::Write,
            std::net::Shutdown::Both => Shutdown::Both,
        };
        shutdown(self.fd(id)?, how).map_err(named)
    }

    fn set_linger(&mut self, id: Id, time: Option<Duration>) -> Outcome<()> {
        sockopt::set_socket_linger(self.fd(id)?, time).map_err(named)?;
        self.change(id, |socket| socket.lingers = time.is_some_and(|time| !time.is_zero()));
        Ok(())
    }

    fn set_option(&mut self, id: Id, level: i64, name: i64, value: i64) -> Option<Outcome<()>> {
        match self.fd(id) {
            Ok(fd) => choices::set(fd, level, name, value),
            Err(errno) => Some(Err(errno)),
        }
    }

    fn get_option(&mut self, id: Id, level: i64, name: i64) -> Option<Outcome<i64>> {
        match self.fd(id) {
            Ok(fd) => choices::get(fd, level, name),
            Err(errno) => Some(Err(errno)),
        }
    }

    fn take_error(&mut self, id: Id) -> Option<&'static str> {
        sockopt::socket_error(self.fd(id).ok()?).ok()?.err().map(named)
    }

    fn unread(&mut self, id: Id) -> Outcome<u64> {
        ioctl_fionread(self.fd(id)?).map_err(named)
    }

    fn unacknowledged(&mut self, id: Id) -> Outcome<u64> {
        Ok(self.held(id)?.map_or(0, |held| held.unacknowledged.into()))
    }

    /// There is no safe way to ask.
    fn at_mark(&mut self, _: Id) -> Option<Outcome<bool>> {
        None
    }

    fn ready(&mut self, id: Id) -> i64 {
        let Ok(fd) = self.fd(id) else { return PollFlags::NVAL.bits().into() };
        let mut asked = [PollFd::new(fd, PollFlags::all())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut asked, Some(&at_once)) {
            Ok(_) => asked[0].revents().bits().into(),
            Err(_) => PollFlags::NVAL.bits().into(),
        }
    }

    fn info(&self, id: Id) -> Option<Vec<Field>> {
        let flow = self.flow(id)?;
        let info = self.diag.info(flow.local(), flow.remote());
        info.unwrap_or_else(|error| {
            self.broken(error);
            None
        })
        .map(|info| insight::fields(&info))
    }

    fn flow(&self, id: Id) -> Option<Flow> {
        self.sockets.get(&id)?.flow
    }

    fn state(&self, id: Id) -> Option<State> {
        Some(self.state_of(&self.flow(id)?))
    }

    fn abort(&mut self, id: Id) {
        let Some(flow) = self.flow(id) else { return };
        if let Err(error) = self.diag.destroy(flow.local(), flow.remote()) {
            self.broken(format_args!("cannot abort a connection (SOCK_DESTROY): {error}"));
        }
    }

    fn sysctl(&mut self, name: &str, value: &str) -> Result<bool, String> {
        let known = name.starts_with("net.ipv4.") && !name.contains('/') && Path::new(&place(name)).exists();
        if !known {
            return Ok(false);
        }
        parameter(name, value).map(|()| true).map_err(|_| format!("the kernel does not take {name}={value}"))
    }
}

/// Sets a parameter of the kernel in this namespace.
pub(super) fn parameter(name: &str, value: &str) -> Outcome<()> {
    fs::write(place(name), value).map_err(|_| "EINVAL")
}

fn place(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}
