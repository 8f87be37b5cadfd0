//! `adieu connect`: one connection to a real peer, between it and standard input and output.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use adieu::device::neighbour;
use adieu::{Net, TcpStream};
use tokio::time::{Instant, sleep};

use crate::args::{Connect, Endpoint};
use crate::exec::Exec;
use crate::failure::{Failure, notice};
use crate::rootless::Place;
use crate::session::{self, Link, Outcome, attend, print_receipt};
use crate::signals::Signals;

/// How long a command may take until it listens, and how often we look.
const UNTIL_IT_LISTENS: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long a command may run on after the connection's ending.
const AFTERWARDS: Duration = Duration::from_secs(1);

pub(crate) fn run(connect: &Connect) -> Result<ExitCode, Failure> {
    // Names are looked up here: a namespace of our own has no way to a name server.
    let peer = resolve(&connect.peer)?;
    check(peer, connect.local)?;
    session::run(&connect.common, |place| serve(connect, peer, place))
}

async fn serve(connect: &Connect, peer: SocketAddrV4, place: Place) -> Result<Outcome, Failure> {
    let mut signals = Signals::new()?;
    let link = Link::make(connect.local, &connect.common, place)?;
    hint(*peer.ip(), &link, place);
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
            let relayed = attend(&link.net, stream, &connect.common, &mut signals).await;
            (relayed.receipt.ending.is_graceful(), relayed.interrupted)
        }
        Err(error) => {
            link.net.flushed().await;
            match (link.net.take_receipts().pop(), error) {
                (Some((flow, receipt)), _) => {
                    print_receipt(&format!("{} <-> {}", flow.local(), flow.remote()), &receipt);
                }
                (None, Some(error)) => return Err(error.into()),
                (None, None) => {}
            }
            (false, true)
        }
    };
    let command_well = match exec {
        // A server does not end by itself; one that serves a single connection does.
        Some(exec) => exec.finish(&mut signals, Some(if interrupted { Duration::ZERO } else { AFTERWARDS })).await,
        None => true,
    };
    Ok(Outcome { graceful, command_well })
}

/// Connects. As long as a command runs that may come to listen, a refusal is no answer yet.
async fn open(net: &Net, peer: SocketAddrV4, exec: &mut Option<Exec>) -> io::Result<TcpStream> {
    let began = Instant::now();
    loop {
        let opened = TcpStream::connect(net, peer.into()).await;
        let refused = opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        let may_listen = exec.as_mut().is_some_and(Exec::runs) && began.elapsed() < UNTIL_IT_LISTENS;
        if !refused || !may_listen {
            return opened;
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn resolve(peer: &Endpoint) -> Result<SocketAddrV4, Failure> {
    let host = &peer.host;
    let found = (host.as_str(), peer.port)
        .to_socket_addrs()
        .map_err(|error| Failure::usage(format_args!("cannot find the address of {host:?}: {error}")))?;
    let v4 = found.into_iter().find_map(|address| match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    });
    v4.ok_or_else(|| Failure::usage(format_args!("{host:?} has no IPv4 address, and this version speaks IPv4 only")))
}

/// Refuses peers that no packet from a TUN can reach.
fn check(peer: SocketAddrV4, local: Ipv4Addr) -> Result<(), Failure> {
    let kernel = neighbour(local)?;
    let (address, port) = (peer.ip(), peer.port());
    if *address == local {
        return Err(Failure::usage(format_args!(
            "{address} is the stack's own address: this host is {kernel}, or give the stack another address with \
             --local"
        )));
    }
    if address.is_loopback() {
        return Err(Failure::usage(format_args!(
            "{address} is a loopback address, which no packet from another interface may reach: a server that listens \
             on all addresses of this host is at {kernel}:{port}"
        )));
    }
    Ok(())
}

/// Says what a peer beyond the link needs; nothing of it is set up here.
fn hint(peer: Ipv4Addr, link: &Link, place: Place) {
    let (local, kernel, tun) = (link.local, link.kernel, &link.tun);
    // Only an address of this host can be bound.
    if peer == kernel || UdpSocket::bind((peer, 0)).is_ok() {
        return;
    }
    if place == Place::Alone {
        notice(format_args!("hint: from this namespace only {kernel} can be reached; {peer} needs root"));
        return;
    }
    notice(format_args!(
        "hint: {peer} is beyond this host, which must forward (`sysctl net.ipv4.ip_forward=1`) and answers must find \
         back: a route to {local} there, or NAT here (`iptables -t nat -A POSTROUTING -s {local} ! -o {tun} -j \
         MASQUERADE`)"
    ));
}
