//! System calls, made on the kernel's sockets.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use adieu::{Flow, State};
use adieu_script::run::{Host, Id, Outcome, System, error_name};
use rustix::io::{Errno, ioctl_fionread};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, acceptfrom_with, bind, connect,
    getsockname, listen, recv, send, shutdown, socket_with, sockopt,
};

use super::Kernel;

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

const SOL_SOCKET: i64 = 1;
const SOL_TCP: i64 = 6;
/// Long enough for another thread to close what need not wait.
const SHORT: Duration = Duration::from_millis(1);

impl Kernel {
    fn keep(&mut self, fd: OwnedFd, flow: Option<Flow>) -> Id {
        let id = Id(self.next);
        self.next += 1;
        self.sockets.insert(id, Socket { is: Is::Open(fd), bound: false, lingers: false, flow });
        id
    }

    fn fd(&self, id: Id) -> Outcome<&OwnedFd> {
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
fn named(error: Errno) -> &'static str {
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

    fn send(&mut self, id: Id, bytes: &[u8]) -> Outcome<usize> {
        send(self.fd(id)?, bytes, SendFlags::NOSIGNAL).map_err(named)
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

    fn shut_down(&mut self, id: Id) -> Outcome<()> {
        shutdown(self.fd(id)?, Shutdown::Write).map_err(named)
    }

    fn set_linger(&mut self, id: Id, time: Option<Duration>) -> Outcome<()> {
        sockopt::set_socket_linger(self.fd(id)?, time).map_err(named)?;
        self.change(id, |socket| socket.lingers = time.is_some_and(|time| !time.is_zero()));
        Ok(())
    }

    fn set_option(&mut self, id: Id, level: i64, name: i64, value: i64) -> Option<Outcome<()>> {
        let fd = match self.fd(id) {
            Ok(fd) => fd,
            Err(errno) => return Some(Err(errno)),
        };
        let size = usize::try_from(value).unwrap_or(0);
        let set = match (level, name) {
            (SOL_SOCKET, 2) => sockopt::set_socket_reuseaddr(fd, value != 0),
            (SOL_SOCKET, 7) => sockopt::set_socket_send_buffer_size(fd, size),
            (SOL_SOCKET, 8) => sockopt::set_socket_recv_buffer_size(fd, size),
            (SOL_SOCKET, 15) => sockopt::set_socket_reuseport(fd, value != 0),
            (SOL_TCP, 1) => sockopt::set_tcp_nodelay(fd, value != 0),
            (SOL_TCP, 12) => sockopt::set_tcp_quickack(fd, value != 0),
            // TCP_SYNCNT and TCP_LINGER2 cannot be set without `unsafe`; nobody else is in the namespace.
            (SOL_TCP, 7) => return Some(parameter("net.ipv4.tcp_syn_retries", &value.to_string())),
            (SOL_TCP, 8) => return Some(parameter("net.ipv4.tcp_fin_timeout", &value.to_string())),
            _ => return None,
        };
        Some(set.map_err(named))
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

    /// Not built.
    fn ready(&mut self, _: Id) -> Option<i64> {
        None
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
        if !name.starts_with("net.ipv4.") || name.contains('/') {
            return Ok(false);
        }
        parameter(name, value).map(|()| true).map_err(|_| format!("the kernel does not take {name}={value}"))
    }
}

/// Sets a parameter of the kernel in this namespace.
fn parameter(name: &str, value: &str) -> Outcome<()> {
    fs::write(format!("/proc/sys/{}", name.replace('.', "/")), value).map_err(|_| "EINVAL")
}
