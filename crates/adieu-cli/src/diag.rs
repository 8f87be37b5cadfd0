//! The kernel's side of a connection, asked of the kernel itself: sock_diag(7), which knows a socket by its addresses,
//! after `close` too, and in TIME-WAIT.
//!
//! Written out because `netlink-packet-sock-diag` (0.5) leaves out how long a TIME-WAIT still lasts.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use adieu_core::State;
use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

/// A way to ask.
#[derive(Debug)]
pub(crate) struct Diag(OwnedFd);

/// What the kernel holds of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Socket {
    pub(crate) state: State,
    /// What is left of a stay in TIME-WAIT, or of an orphan's FIN-WAIT-2.
    pub(crate) stays: Option<Duration>,
    /// Bytes that came and were not read.
    pub(crate) unread: u32,
    /// Sequence numbers that were not acknowledged: bytes, and a FIN.
    pub(crate) unacknowledged: u32,
}

/// Lengths and places in the messages, by `linux/netlink.h` and `linux/inet_diag.h`.
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const IPPROTO_TCP: u8 = 6;
/// Behind the message; the attribute asked for is a bit of the request's `idiag_ext`.
const ATTRIBUTES: usize = HEADER + 72;
const INET_DIAG_INFO: u16 = 2;
/// `idiag_timer` of a TIME-WAIT socket, whose FIN-WAIT-2 counts as one.
const TIMER_TIME_WAIT: u8 = 3;

impl Diag {
    /// For the network namespace this thread is in.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?))
    }

    /// What the kernel holds of the connection between its own address and the peer's; `None` where there is none.
    /// A listener is none.
    pub(crate) fn look(&self, own: SocketAddr, peer: SocketAddr) -> io::Result<Option<Socket>> {
        parse(&self.ask(&request(own, peer, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST))?, peer)
    }

    /// The connection's `struct tcp_info`, as `getsockopt(TCP_INFO)` writes it; `None` where there is none, as in
    /// TIME-WAIT.
    pub(crate) fn info(&self, own: SocketAddr, peer: SocketAddr) -> io::Result<Option<Vec<u8>>> {
        let mut question = request(own, peer, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST);
        question[HEADER + 2] = 1 << (INET_DIAG_INFO - 1);
        let answer = self.ask(&question)?;
        Ok(parse(&answer, peer)?.and_then(|_| attribute(answer.get(ATTRIBUTES..)?, INET_DIAG_INFO)))
    }

    /// Aborts the connection: its application is told so, its peer by a reset. One that is not there needs none.
    pub(crate) fn destroy(&self, own: SocketAddr, peer: SocketAddr) -> io::Result<()> {
        parse(&self.ask(&request(own, peer, SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK))?, peer).map(drop)
    }

    fn ask(&self, question: &[u8]) -> io::Result<Vec<u8>> {
        sendto(&self.0, question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut answer = vec![0; 4096];
        let (length, _) = recv(&self.0, &mut answer, RecvFlags::empty())?;
        answer.truncate(length);
        Ok(answer)
    }
}

/// The question for one socket.
fn request(own: SocketAddr, peer: SocketAddr, kind: u16, flags: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(REQUEST);
    message.extend(u32::try_from(REQUEST).unwrap_or(0).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]); // number and sender
    let family = if own.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    message.extend([u8::try_from(family.as_raw()).unwrap_or(0), IPPROTO_TCP, 0, 0]);
    message.extend(u32::MAX.to_ne_bytes()); // any state
    message.extend(own.port().to_be_bytes());
    message.extend(peer.port().to_be_bytes());
    for address in [own.ip(), peer.ip()] {
        match address {
            IpAddr::V4(address) => {
                message.extend(address.octets());
                message.extend([0; 12]);
            }
            IpAddr::V6(address) => message.extend(address.octets()),
        }
    }
    message.extend(0u32.to_ne_bytes()); // any interface
    message.extend([0xff; 8]); // any cookie
    message
}

/// What an answer says.
fn parse(answer: &[u8], peer: SocketAddr) -> io::Result<Option<Socket>> {
    let cut = || io::Error::new(io::ErrorKind::InvalidData, "sock_diag: an answer that is too short");
    let word = |at: usize| {
        let bytes = answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_ne_bytes).ok_or_else(cut)
    };
    let byte = |at: usize| answer.get(at).copied().ok_or_else(cut);
    match u16::from_ne_bytes([byte(4)?, byte(5)?]) {
        SOCK_DIAG_BY_FAMILY => {}
        NLMSG_ERROR => {
            // Zero says that what was asked for is done; it is no error number.
            return match word(HEADER)?.wrapping_neg().cast_signed() {
                0 => Ok(None),
                error if Errno::NOENT.raw_os_error() == error => Ok(None),
                error => Err(io::Error::from_raw_os_error(error)),
            };
        }
        _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "sock_diag: an answer of another kind")),
    }
    let Some(state) = state(byte(HEADER + 1)?) else { return Ok(None) };
    let remote = u16::from_be_bytes([byte(HEADER + 6)?, byte(HEADER + 7)?]);
    if remote != peer.port() {
        return Ok(None); // A listener answers for connections that are not there.
    }
    let stays = match byte(HEADER + 2)? {
        TIMER_TIME_WAIT => Some(Duration::from_millis(word(HEADER + 52)?.into())),
        _ => None,
    };
    Ok(Some(Socket { state, stays, unread: word(HEADER + 56)?, unacknowledged: word(HEADER + 60)? }))
}

/// What the attribute of that kind holds; each is a length, a kind, and that many bytes, up to a multiple of four.
fn attribute(mut rest: &[u8], kind: u16) -> Option<Vec<u8>> {
    loop {
        let half = |at: usize| Some(u16::from_ne_bytes(rest.get(at..at + 2)?.try_into().ok()?));
        let length = usize::from(half(0)?);
        if half(2)? == kind {
            return Some(rest.get(4..length)?.to_vec());
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
}

/// The state by the number that `include/net/tcp_states.h` gives it.
fn state(number: u8) -> Option<State> {
    Some(match number {
        1 => State::Established,
        2 => State::SynSent,
        3 | 12 => State::SynReceived,
        4 => State::FinWait1,
        5 => State::FinWait2,
        6 => State::TimeWait,
        8 => State::CloseWait,
        9 => State::LastAck,
        11 => State::Closing,
        _ => return None, // CLOSE, LISTEN
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Asks until the answer is as expected: the peer's side of loopback follows by itself.
    fn becomes(diag: &Diag, [own, peer]: [SocketAddr; 2], state: Option<State>) {
        for _ in 0..1000 {
            let socket = diag.look(own, peer).unwrap();
            if socket.map(|socket| socket.state) == state {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("{:?}, not {state:?}", diag.look(own, peer));
    }

    #[test]
    fn the_kernel_tells_of_both_ends_from_beginning_to_time_wait() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue }; // No IPv6 here.
            let diag = Diag::new().unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let own = server.local_addr().unwrap();
            let (near, far) = ([own, peer], [peer, own]);
            becomes(&diag, near, Some(State::Established));
            io::Write::write_all(&mut &server, b"hello").unwrap();
            for _ in 0..1000 {
                if diag.look(peer, own).unwrap().is_some_and(|socket| socket.unread == 5) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            assert_eq!(diag.look(peer, own).unwrap().unwrap().unread, 5);
            let info = diag.info(own, peer).unwrap().unwrap();
            assert!(info.len() >= 104 && info[0] == 1, "{} bytes", info.len());
            io::Read::read_exact(&mut &client, &mut [0; 5]).unwrap();
            drop(client);
            becomes(&diag, near, Some(State::CloseWait));
            becomes(&diag, far, Some(State::FinWait2));
            drop(server);
            becomes(&diag, near, None);
            becomes(&diag, far, Some(State::TimeWait));
            assert_eq!(diag.info(peer, own).unwrap(), None);
            let stays = diag.look(peer, own).unwrap().unwrap().stays.unwrap();
            assert!(stays > Duration::from_secs(30) && stays <= Duration::from_secs(60), "{stays:?}");
        }
    }

    #[test]
    fn an_attribute_is_found_behind_others() {
        let mut all = vec![];
        for (kind, body) in [(7_u16, &b"abcde"[..]), (INET_DIAG_INFO, b"info")] {
            all.extend(u16::try_from(4 + body.len()).unwrap().to_ne_bytes());
            all.extend(kind.to_ne_bytes());
            all.extend(body);
            all.resize(all.len().next_multiple_of(4), 0);
        }
        assert_eq!(attribute(&all, INET_DIAG_INFO), Some(b"info".to_vec()));
        assert_eq!(attribute(&all, 9), None);
        for length in 0..all.len() {
            assert_eq!(attribute(&all[..length], INET_DIAG_INFO), None);
        }
        assert_eq!(attribute(&[0; 8], INET_DIAG_INFO), None, "no length is no endless loop");
    }

    #[test]
    fn short_and_strange_answers_are_errors() {
        let peer = SocketAddr::from(([10, 0, 0, 1], 1));
        for length in 0..REQUEST {
            let mut answer = vec![0; length];
            if let Some(kind) = answer.get_mut(4..6) {
                kind.copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            }
            if let Some(state) = answer.get_mut(HEADER + 1) {
                *state = 1;
            }
            if let Some(port) = answer.get_mut(HEADER + 7) {
                *port = 1;
            }
            assert_eq!(parse(&answer, peer).is_ok(), length >= HEADER + 64, "{length}");
        }
        let mut refused = vec![0; 36];
        refused[4] = 2;
        refused[HEADER..HEADER + 4].copy_from_slice(&(-13_i32).to_ne_bytes());
        assert_eq!(parse(&refused, peer).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
