//! What `listen` and `connect` share: the way into a runtime, the TUN, the last words.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use adieu::device::{Tun, TunError, tun_for};
use adieu::{DrainBudget, Flow, Net, Receipt, State, TcpStream, Warning};
use adieu_trace::receipt_block;
use serde::Serialize;

use crate::args::Common;
use crate::exec::{Environment, Exec};
use crate::failure::{Failure, NOT_GRACEFUL, notice};
use crate::output;
use crate::relay::{Relayed, relay};
use crate::rootless::{self, Place};
use crate::signals::Signals;
use crate::state;

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
        let suspended = common.state.as_deref().map(state::read).transpose()?.flatten();
        let (tun, kernel) = make_tun(local, common, place)?;
        let name = tun.name().to_owned();
        let (mut builder, resumes) = (Net::builder(tun).address(local), suspended.is_some());
        if let Some(suspended) = suspended {
            builder = builder.resume(suspended);
        }
        let net = builder.start()?;
        if let (Some(path), true) = (&common.state, resumes) {
            let records = match net.held().time_waits {
                1 => "1 connection".to_owned(),
                n => format!("{n} connections"),
            };
            notice(format_args!("going on from {}, with {records} in TIME-WAIT", path.display()));
        }
        Ok(Self { net, local, kernel, tun: name })
    }

    /// The last words: what somebody should look at, and what the next process must know.
    pub(crate) fn leave(&self, common: &Common) -> Result<(), Failure> {
        self.net.take_warnings().iter().for_each(|warning| notice(format_args!("adieu: warning: {}", words(warning))));
        let write = |path: &PathBuf| state::write(path, &self.net.suspend());
        common.state.as_ref().map_or(Ok(()), write)
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

/// How a connection ended that was attended to.
pub(crate) struct Attended {
    pub(crate) graceful: bool,
    /// A signal asked for it.
    pub(crate) interrupted: bool,
}

/// Relays until the connection has ended, prints the receipt, and stays a while in TIME-WAIT. With a `drain`, all that
/// comes after the end of standard input is thrown away.
pub(crate) async fn attend(
    net: &Net,
    stream: TcpStream,
    common: &Common,
    drain: Option<DrainBudget>,
    signals: &mut Signals,
) -> Attended {
    let flow = Flow::new(stream.local_addr(), stream.peer_addr());
    stream.set_label(common.label.as_deref().unwrap_or_default());
    let Relayed { receipt, interrupted } = relay(&stream, signals, drain.is_some()).await;
    let receipt = match receipt {
        Some(receipt) => receipt,
        None => close_drain(net, stream, drain.unwrap_or_default(), signals).await,
    };
    let waits = net.state(&flow) == State::TimeWait;
    net.flushed().await;
    print_receipt(common, &flow, &receipt);
    if waits {
        stay(net, &receipt, common.wait, signals).await;
    }
    Attended { graceful: receipt.ending.is_graceful(), interrupted }
}

/// Closes both directions, and throws away what comes; a signal makes a reset of it.
async fn close_drain(net: &Net, stream: TcpStream, budget: DrainBudget, signals: &mut Signals) -> Receipt {
    let mut closed = std::pin::pin!(stream.close_drain(budget));
    let closed = tokio::select! {
        closed = &mut closed => closed,
        signal = signals.next() => {
            notice(format_args!("adieu: {signal}: resetting the connection"));
            net.drain(Duration::ZERO).await;
            closed.await
        }
    };
    closed.unwrap_or_else(|error| error.receipt)
}

/// How a connection is called.
fn title(label: &str, flow: &Flow) -> String {
    let (space, local, remote) = (if label.is_empty() { "" } else { ": " }, flow.local(), flow.remote());
    format!("{label}{space}{local} <-> {remote}")
}

/// A warning as a sentence.
fn words(warning: &Warning) -> String {
    match warning {
        Warning::Stuck(stuck) => {
            let who = match stuck.state {
                State::CloseWait => "the peer has closed its direction, and we have not closed ours",
                _ => "we have closed our direction, and the peer has not closed its",
            };
            let (title, state, age) = (title(&stuck.label, &stuck.flow), stuck.state, stuck.age.as_secs());
            format!("{title} was in {state} for {age} s and nothing came or went: {who}")
        }
        Warning::PortsScarce { local, remote, usage } => {
            format!("{} of {} ports of {local} towards {remote} are taken", usage.in_use, usage.all)
        }
    }
}

/// A receipt for programs.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    label: &'a str,
    local: SocketAddr,
    remote: SocketAddr,
    receipt: adieu_trace::json::Receipt,
}

/// Prints a receipt to standard error, for people or as one line for programs.
pub(crate) fn print_receipt(common: &Common, flow: &Flow, receipt: &Receipt) {
    let label = common.label.as_deref().unwrap_or_default();
    if common.json {
        let (local, remote, receipt) = (flow.local(), flow.remote(), adieu_trace::json::Receipt::of(receipt));
        if let Ok(line) = serde_json::to_string(&Document { version: 1, label, local, remote, receipt }) {
            notice(line);
        }
        return;
    }
    let style = output::style(crate::args::Color::Auto);
    let block = receipt_block(&title(label, flow), receipt, output::width(), style);
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

#[cfg(test)]
mod tests {
    use super::*;
    use adieu::FlowState;

    /// TO-11: whose turn it is.
    #[test]
    fn to_11_a_warning_says_who_has_not_closed() {
        let stuck = |state| {
            let flow = Flow::v4([10, 77, 0, 1], 80, [10, 77, 0, 2], 5000);
            let (age, label) = (Duration::from_secs(75), "upload".into());
            words(&Warning::Stuck(FlowState { flow, handle: None, label, state, age, quiet: age, held: 0 }))
        };
        let name = "upload: 10.77.0.1:80 <-> 10.77.0.2:5000 was in";
        let waits = "for 75 s and nothing came or went:";
        assert_eq!(
            stuck(State::CloseWait),
            format!("{name} CLOSE-WAIT {waits} the peer has closed its direction, and we have not closed ours")
        );
        assert_eq!(
            stuck(State::FinWait2),
            format!("{name} FIN-WAIT-2 {waits} we have closed our direction, and the peer has not closed its")
        );
    }
}
