//! `adieu connect`: one connection to a real peer, between it and standard input and output.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use adieu::device::neighbour;
use adieu::{Net, TcpStream};
use tokio::time::{Instant, sleep};

use crate::args::Connect;
use crate::exec::Exec;
use crate::failure::{Failure, notice};
use crate::rootless::Place;
use crate::session::{self, Link, Outcome, attend, print_receipt};
use crate::signals::Signals;

/// The stack's own addresses where none is given.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
const LOCAL_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1));
/// How long a command may take until it listens, and how often we look.
const UNTIL_IT_LISTENS: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long a command may run on after the connection's ending.
const AFTERWARDS: Duration = Duration::from_secs(1);

pub(crate) fn run(connect: &Connect) -> Result<ExitCode, Failure> {
    // Names are looked up here: a namespace of our own has no way to a name server.
    let peer = resolve(connect)?;
    let local = connect.local.unwrap_or(if peer.is_ipv4() { LOCAL } else { LOCAL_V6 });
    check(peer, local)?;
    session::run(&connect.common, |place| serve(connect, peer, local, place))
}

async fn serve(connect: &Connect, peer: SocketAddr, local: IpAddr, place: Place) -> Result<Outcome, Failure> {
    let mut signals = Signals::new()?;
    let link = Link::make(local, &connect.common, place)?;
    hint(peer.ip(), &link, place);
    notice(format_args!(
        "connecting from {} on {} to {peer}; this host is {} there",
        link.local, link.tun, link.kernel
    ));
    let mut exec = link.start(&connect.common, peer.port())?;
    let opened = tokio::select! {
        biased;
        signal = signals.next() => {
            notice(format_args!("adieu: {signal} before the connection was there"));
            Err(None)
        }
        opened = open(&link.net, peer, &mut exec) => opened.map_err(Some),
    };
    let (graceful, interrupted) = match opened {
        Ok(stream) => {
            notice(format_args!("connected with {peer}"));
            let attended = attend(&link.net, stream, &connect.common, None, &mut signals).await;
            (attended.graceful, attended.interrupted)
        }
        Err(error) => {
            link.net.flushed().await;
            match (link.net.take_receipts().pop(), error) {
                (Some((flow, receipt)), _) => {
                    print_receipt(&connect.common, &flow, &receipt);
                }
                (None, Some(error)) => return Err(error.into()),
                (None, None) => {}
            }
            (false, true)
        }
    };
    link.leave(&connect.common)?;
    let command_well = match exec {
        // A server does not end by itself; one that serves a single connection does.
        Some(exec) => exec.finish(&mut signals, Some(if interrupted { Duration::ZERO } else { AFTERWARDS })).await,
        None => true,
    };
    Ok(Outcome { graceful, command_well })
}

/// Connects. As long as a command runs that may come to listen, a refusal is no answer yet.
async fn open(net: &Net, peer: SocketAddr, exec: &mut Option<Exec>) -> io::Result<TcpStream> {
    let began = Instant::now();
    loop {
        let opened = TcpStream::connect(net, peer).await;
        let refused = opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        let may_listen = exec.as_mut().is_some_and(Exec::runs) && began.elapsed() < UNTIL_IT_LISTENS;
        if !refused || !may_listen {
            return opened;
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// The peer's address, of the stack's family where that is given, else IPv4 where there is one.
fn resolve(connect: &Connect) -> Result<SocketAddr, Failure> {
    let host = &connect.peer.host;
    let found: Vec<SocketAddr> = (host.as_str(), connect.peer.port)
        .to_socket_addrs()
        .map_err(|error| Failure::usage(format_args!("cannot find the address of {host:?}: {error}")))?
        .collect();
    let (ours, family) = match connect.local {
        Some(local) => (found.iter().find(|address| address.is_ipv4() == local.is_ipv4()), local),
        None => (found.iter().find(|address| address.is_ipv4()).or(found.first()), LOCAL),
    };
    let version = if family.is_ipv4() { "IPv4" } else { "IPv6" };
    let none = || Failure::usage(format_args!("{host:?} has no {version} address, as --local has"));
    ours.copied().ok_or_else(none)
}

/// Refuses peers that no packet from a TUN can reach.
fn check(peer: SocketAddr, local: IpAddr) -> Result<(), Failure> {
    let kernel = neighbour(local)?;
    let (address, port) = (peer.ip(), peer.port());
    if address == local {
        return Err(Failure::usage(format_args!(
            "{address} is the stack's own address: this host is {kernel}, or give the stack another address with \
             --local"
        )));
    }
    if address.is_loopback() {
        return Err(Failure::usage(format_args!(
            "{address} is a loopback address, which no packet from another interface may reach: a server that listens \
             on all addresses of this host is at {}",
            SocketAddr::new(kernel, port)
        )));
    }
    Ok(())
}

/// Says what a peer beyond the link needs; nothing of it is set up here.
fn hint(peer: IpAddr, link: &Link, place: Place) {
    let (local, kernel, tun) = (link.local, link.kernel, &link.tun);
    // Only an address of this host can be bound.
    if peer == kernel || UdpSocket::bind((peer, 0)).is_ok() {
        return;
    }
    if place == Place::Alone {
        notice(format_args!("hint: from this namespace only {kernel} can be reached; {peer} needs root"));
        return;
    }
    let (forward, tables) = match peer {
        IpAddr::V4(_) => ("net.ipv4.ip_forward", "iptables"),
        IpAddr::V6(_) => ("net.ipv6.conf.all.forwarding", "ip6tables"),
    };
    notice(format_args!(
        "hint: {peer} is beyond this host, which must forward (`sysctl {forward}=1`) and answers must find back: a \
         route to {local} there, or NAT here (`{tables} -t nat -A POSTROUTING -s {local} ! -o {tun} -j MASQUERADE`)"
    ));
}
