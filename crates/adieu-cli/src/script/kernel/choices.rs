//! Options of the kernel's sockets, as far as they can be set without `unsafe`.

use std::os::fd::OwnedFd;
use std::time::Duration;

use adieu_script::run::{Outcome, error_name};
use nix::sys::socket::sockopt::TcpMaxSeg;
use nix::sys::socket::{getsockopt, setsockopt};
use rustix::net::sockopt;

use super::calls::{named, parameter};

const SOL_IP: i64 = 0;
const SOL_SOCKET: i64 = 1;
const SOL_TCP: i64 = 6;
const SOL_IPV6: i64 = 41;

/// Sets an option; `None` where that is not possible.
pub(super) fn set(fd: &OwnedFd, level: i64, name: i64, value: i64) -> Option<Outcome<()>> {
    let size = usize::try_from(value).unwrap_or(0);
    let number = u32::try_from(value).unwrap_or(0);
    let seconds = Duration::from_secs(value.unsigned_abs());
    let on = value != 0;
    let set = match (level, name) {
        (SOL_IP, 1) => sockopt::set_ip_tos(fd, u8::try_from(value).unwrap_or(0)),
        (SOL_IPV6, 67) => sockopt::set_ipv6_tclass(fd, number),
        (SOL_SOCKET, 2) => sockopt::set_socket_reuseaddr(fd, on),
        (SOL_SOCKET, 7) => sockopt::set_socket_send_buffer_size(fd, size),
        (SOL_SOCKET, 8) => sockopt::set_socket_recv_buffer_size(fd, size),
        (SOL_SOCKET, 9) => sockopt::set_socket_keepalive(fd, on),
        (SOL_SOCKET, 10) => sockopt::set_socket_oobinline(fd, on),
        (SOL_SOCKET, 15) => sockopt::set_socket_reuseport(fd, on),
        (SOL_TCP, 1) => sockopt::set_tcp_nodelay(fd, on),
        (SOL_TCP, 2) => return Some(setsockopt(fd, TcpMaxSeg, &number).map_err(told)),
        (SOL_TCP, 4) => sockopt::set_tcp_keepidle(fd, seconds),
        (SOL_TCP, 5) => sockopt::set_tcp_keepintvl(fd, seconds),
        (SOL_TCP, 6) => sockopt::set_tcp_keepcnt(fd, number),
        (SOL_TCP, 12) => sockopt::set_tcp_quickack(fd, on),
        (SOL_TCP, 18) => sockopt::set_tcp_user_timeout(fd, number),
        // TCP_SYNCNT and TCP_LINGER2 cannot be set without `unsafe`; nobody else is in the namespace.
        (SOL_TCP, 7) => return Some(parameter("net.ipv4.tcp_syn_retries", &value.to_string())),
        (SOL_TCP, 8) => return Some(parameter("net.ipv4.tcp_fin_timeout", &value.to_string())),
        _ => return None,
    };
    Some(set.map_err(named))
}

/// Asks for an option; `None` where that is not possible.
pub(super) fn get(fd: &OwnedFd, level: i64, name: i64) -> Option<Outcome<i64>> {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let told = match (level, name) {
        (SOL_IP, 1) => sockopt::ip_tos(fd).map(i64::from),
        (SOL_IPV6, 67) => sockopt::ipv6_tclass(fd).map(i64::from),
        (SOL_SOCKET, 9) => sockopt::socket_keepalive(fd).map(i64::from),
        (SOL_SOCKET, 10) => sockopt::socket_oobinline(fd).map(i64::from),
        (SOL_TCP, 1) => sockopt::tcp_nodelay(fd).map(i64::from),
        (SOL_TCP, 2) => return Some(getsockopt(fd, TcpMaxSeg).map(i64::from).map_err(told)),
        (SOL_TCP, 4) => sockopt::tcp_keepidle(fd).map(seconds),
        (SOL_TCP, 5) => sockopt::tcp_keepintvl(fd).map(seconds),
        (SOL_TCP, 6) => sockopt::tcp_keepcnt(fd).map(i64::from),
        (SOL_TCP, 18) => sockopt::tcp_user_timeout(fd).map(i64::from),
        _ => return None,
    };
    Some(told.map_err(named))
}

fn told(error: nix::Error) -> &'static str {
    error_name(error as i32).unwrap_or("an error that no script knows")
}
