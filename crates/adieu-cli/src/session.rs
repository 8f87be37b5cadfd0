//! What `listen` and `connect` share: the way into a runtime, the TUN, the last words.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use adieu::device::{Tun, TunError, tun_for};
use adieu::{Net, Receipt, State, TcpStream};
use adieu_trace::receipt_block;

use crate::args::Common;
use crate::exec::{Environment, Exec};
use crate::failure::{Failure, NOT_GRACEFUL, notice};
use crate::output;
use crate::relay::{Relayed, relay};
use crate::rootless::{self, Place};
use crate::signals::Signals;

/// Both sides' usual smallest retransmission time.
const MIN_RTO: Duration = Duration::from_millis(200);
/// The retransmission time before anything is measured (RFC 6298 section 2.1).
const INITIAL_RTO: Duration = Duration::from_secs(1);

/// How it all went.
pub(crate) struct Outcome {
    /// A connection ended gracefully.
    pub(crate) graceful: bool,
    /// The command of `--exec`, if there was one, was well.
    pub(crate) command_well: bool,
}

/// Runs what `serve` makes, in a namespace of our own where that is needed; the exit code says how it went.
pub(crate) fn run<F>(common: &Common, serve: impl FnOnce(Place) -> F) -> Result<ExitCode, Failure>
where
    F: Future<Output = Result<Outcome, Failure>>,
{
    // A runtime has threads, and a process with threads cannot enter a user namespace: this comes first.
    let place = rootless::enter_if_needed(common.exec.is_some())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(place));
    // A read of standard input may still be under way; it shall not hold us up.
    runtime.shutdown_background();
    let outcome = outcome?;
    let well = outcome.graceful && outcome.command_well;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(NOT_GRACEFUL) })
}

/// A stack at `local` on a TUN of its own.
pub(crate) struct Link {
    pub(crate) net: Net,
    pub(crate) local: IpAddr,
    /// This host's address on the TUN.
    pub(crate) kernel: IpAddr,
    pub(crate) tun: String,
}

impl Link {
    pub(crate) fn make(local: IpAddr, common: &Common, place: Place) -> Result<Self, Failure> {
        let (tun, kernel) = make_tun(local, common, place)?;
        let name = tun.name().to_owned();
        let net = Net::builder(tun).address(local).start()?;
        Ok(Self { net, local, kernel, tun: name })
    }

    /// Starts the command of `--exec`, if there is one.
    pub(crate) fn start(&self, common: &Common, port: u16) -> Result<Option<Exec>, Failure> {
        let environment = Environment { addr: self.local, kernel: self.kernel, port, tun: &self.tun };
        let start = |command: &String| {
            Exec::start(command, &environment)
                .map_err(|error| Failure::usage(format_args!("cannot run the command of --exec with sh: {error}")))
        };
        common.exec.as_ref().map(start).transpose()
    }
}

fn make_tun(local: IpAddr, common: &Common, place: Place) -> Result<(Tun, IpAddr), Failure> {
    tun_for(SocketAddr::new(local, 0), common.tun.as_deref()).map_err(|error| match (error, place) {
        (TunError::CreateDenied, Place::Alone) => rootless::forbidden("no right to make interfaces in one"),
        (error @ TunError::CreateDenied, Place::Host) if common.exec.is_none() => Failure::usage(format_args!(
            "{error}; or let adieu make that namespace, with the peer as a command: `--exec CMD`"
        )),
        (error, _) => error.into(),
    })
}

/// Relays until the connection has ended, prints the receipt, and stays a while in TIME-WAIT.
pub(crate) async fn attend(net: &Net, stream: TcpStream, common: &Common, signals: &mut Signals) -> Relayed {
    let title = format!("{} <-> {}", stream.local_addr(), stream.peer_addr());
    let relayed = relay(&stream, signals).await;
    let waits = stream.state() == State::TimeWait;
    drop(stream);
    net.flushed().await;
    print_receipt(&title, &relayed.receipt);
    if waits {
        stay(net, &relayed.receipt, common.wait, signals).await;
    }
    relayed
}

/// Prints a receipt to standard error.
pub(crate) fn print_receipt(title: &str, receipt: &Receipt) {
    let block = receipt_block(title, receipt, output::width(), output::style(crate::args::Color::Auto));
    notice(block.trim_end_matches('\n'));
}

/// Stays where a repeated FIN is answered: for all of TIME-WAIT, or for as long as one is likely to come. A signal ends
/// it at once.
async fn stay(net: &Net, receipt: &Receipt, wait: bool, signals: &mut Signals) {
    let full = net.config().time_wait(Duration::ZERO);
    let planned = if wait { full } else { repeated_fin(receipt).min(full) };
    let began = tokio::time::Instant::now();
    let interrupted = tokio::select! {
        () = tokio::time::sleep(planned) => None,
        signal = signals.next() => Some(signal),
    };
    let stayed = began.elapsed().min(planned).as_millis();
    match interrupted {
        None if wait => notice(format_args!("TIME-WAIT kept in full: {} s", full.as_secs())),
        None => notice(format_args!("TIME-WAIT cut short after {stayed} ms; with --wait it is kept in full")),
        Some(signal) => notice(format_args!("TIME-WAIT cut short after {stayed} ms by {signal}")),
    }
}

/// 3.5 times the retransmission time, within which a FIN whose ACK was lost comes again, and once more. The time is
/// what RFC 6298 section 2 takes from the first measurement: three times the handshake's round trip, at least 200 ms;
/// a SYN that was sent again measures nothing, and 1 s stays.
fn repeated_fin(receipt: &Receipt) -> Duration {
    let opening = receipt.spent.iter().filter(|(state, _)| *state <= State::SynReceived);
    let round_trip: Duration = opening.map(|(_, stay)| stay).sum();
    let rto = if round_trip < INITIAL_RTO { round_trip * 3 } else { INITIAL_RTO };
    rto.max(MIN_RTO) * 7 / 2
}
