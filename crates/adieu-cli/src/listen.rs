//! `adieu listen`: one connection, between standard input and output and a real peer.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use adieu::{TcpListener, TcpStream};

use crate::args::Listen;
use crate::exec::{self, Exec};
use crate::failure::{Failure, notice};
use crate::rootless::Place;
use crate::session::{self, Link, Outcome, attend};
use crate::signals::Signals;

/// How long the last packets of a command that has ended may take to us.
const IN_FLIGHT: Duration = Duration::from_secs(1);

pub(crate) fn run(listen: &Listen) -> Result<ExitCode, Failure> {
    session::run(&listen.common, |place| serve(listen, place))
}

async fn serve(listen: &Listen, place: Place) -> Result<Outcome, Failure> {
    let mut signals = Signals::new()?;
    let link = Link::make(listen.local.ip(), &listen.common, place)?;
    let listener = TcpListener::bind(&link.net, listen.local)?;
    notice(format_args!("listening at {} on {}; this host is {} there", listen.local, link.tun, link.kernel));
    let mut exec = link.start(&listen.common, listen.local.port())?;
    let accepted = accept(&listener, &mut exec, &mut signals).await?;
    drop(listener);
    let (graceful, interrupted) = match accepted {
        Accepted::Connection(stream, peer) => {
            notice(format_args!("connected with {peer}"));
            let attended = attend(&link.net, stream, &listen.common, listen.close_drain, &mut signals).await;
            (attended.graceful, attended.interrupted)
        }
        Accepted::CommandEnded => {
            notice("adieu: the command of --exec ended without a connection");
            (false, false)
        }
        Accepted::Signal(signal) => {
            notice(format_args!("adieu: {signal} before a connection came"));
            (false, true)
        }
    };
    link.leave(&listen.common)?;
    let command_well = match exec {
        Some(exec) => exec.finish(&mut signals, interrupted.then_some(Duration::ZERO)).await,
        None => true,
    };
    Ok(Outcome { graceful, command_well })
}

/// What ended the wait for a connection.
enum Accepted {
    Connection(TcpStream, SocketAddr),
    CommandEnded,
    Signal(&'static str),
}

async fn accept(listener: &TcpListener, exec: &mut Option<Exec>, signals: &mut Signals) -> Result<Accepted, Failure> {
    let gone = async {
        exec::ended(exec).await;
        tokio::time::sleep(IN_FLIGHT).await;
    };
    tokio::select! {
        biased;
        accepted = listener.accept() => {
            let (stream, peer) = accepted?;
            Ok(Accepted::Connection(stream, peer))
        }
        signal = signals.next() => Ok(Accepted::Signal(signal)),
        () = gone => Ok(Accepted::CommandEnded),
    }
}
