//! What can be typed.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use adieu::DrainBudget;
use clap::{Parser, Subcommand};

/// TCP connections that end right: see how, with your own eyes.
#[derive(Debug, Parser)]
#[command(name = "adieu", version, about, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Tour(Tour),
    Script(Script),
    Sim(Sim),
    Listen(Listen),
    Connect(Connect),
    Model(Model),
    Spec(Spec),
}

/// Show and check ways a connection ends, on a network in memory or with the Linux kernel as the other end.
#[derive(Debug, clap::Args)]
pub(crate) struct Tour {
    /// Scenarios to show; all of them where none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// List the scenarios and stop
    #[arg(long)]
    pub(crate) list: bool,
    /// Who the other end is
    #[arg(long, value_name = "WHO", default_value = "memory")]
    pub(crate) peer: Peer,
    /// What adieu is where Linux is the other end [default: client]
    #[arg(long = "as", value_name = "ROLE")]
    pub(crate) role: Option<Role>,
    /// Over IPv6
    #[arg(long)]
    pub(crate) ipv6: bool,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Stay in TIME-WAIT for this long: 30s to 240s, or 4min [default: 60s; with Linux 500ms]
    #[arg(long, value_name = "TIME", value_parser = time_wait)]
    pub(crate) time_wait: Option<Duration>,
    /// Colour the output
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Print one JSON document instead of pages
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw each scenario to DIR/NAME.svg, too
    #[arg(long, value_name = "DIR")]
    pub(crate) svg: Option<PathBuf>,
    /// Write all packets to FILE (pcapng), with a comment at each change of state
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
}

/// Run packet scripts (the packetdrill language) on the stack, in virtual time, or on the kernel's TCP.
#[derive(Debug, clap::Args)]
pub(crate) struct Script {
    /// Scripts, or directories with scripts (*.pkt)
    #[arg(value_name = "FILE|DIR", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Whose TCP is tested
    #[arg(long, value_name = "WHO", default_value = "adieu")]
    pub(crate) peer: crate::script::Tested,
    /// With --peer linux, pass over scripts that last longer than SECONDS
    #[arg(long, value_name = "SECONDS", default_value = "5")]
    pub(crate) longest: u32,
    /// Also fail on every packet that no line expects, in the 10 s after the last line, too
    #[arg(long)]
    pub(crate) strict: bool,
    /// Define NAME for #ifdef, and its value wherever it stands
    #[arg(short = 'D', value_name = "NAME[=VALUE]")]
    pub(crate) define: Vec<String>,
    /// Choose a policy, such as errno=posix, time-wait=60000 (ms) or receive-buffer=4096
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Over which IP, whatever the scripts say
    #[arg(long, value_name = "VERSION")]
    pub(crate) ip_version: Option<Version>,
    /// Let the stack answer only after N packets have come in at the same time
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) round: NonZeroU16,
    /// Where sequence numbers begin: a number, or wrap for just before they wrap around
    #[arg(long, value_name = "N|wrap", value_parser = crate::script::isn)]
    pub(crate) isn: Option<adieu_script::run::Isn>,
    /// Stretch the times of scripts that say `// timers: none`
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = factor)]
    pub(crate) time_scale: f64,
    /// Pass over shell commands that have no meaning here
    #[arg(long)]
    pub(crate) ignore_shell: bool,
    /// Run on N threads [default: as many as the machine has]
    #[arg(short = 'j', value_name = "N")]
    pub(crate) jobs: Option<NonZeroU16>,
    /// Change each expectation of each script, and count the changes that go unnoticed; at most 1 in 100 may
    #[arg(long)]
    pub(crate) mutants: bool,
    /// Draw what happened in each script, not just in those that fail
    #[arg(long)]
    pub(crate) ladder: bool,
    /// Write all packets to FILE (pcapng)
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    /// Write a report to FILE, as JUnit's XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Colour the output
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

/// Draw whole worlds from seeds, let everything go wrong in them, and check every promise from outside.
///
/// A world is two hosts with their configurations, applications, a network, and what goes wrong. It runs in virtual
/// time, first with its faults and then healed. The same seed is the same world. One that breaks a promise is made
/// smaller, and shown with a command that runs it again.
#[derive(Debug, clap::Args)]
#[command(after_help = SIM_HELP)]
pub(crate) struct Sim {
    /// The first seed [default: 0]; without --worlds and --minutes this one world alone, with what it is made of
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How many worlds [default: 1000, or as many as there is time for]
    #[arg(long, value_name = "N")]
    pub(crate) worlds: Option<NonZeroU64>,
    /// For how long; fractions are allowed
    #[arg(long, value_name = "M", value_parser = minutes, allow_negative_numbers = true)]
    pub(crate) minutes: Option<Duration>,
    /// Run on N threads [default: as many as the machine has]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroU16>,
    /// Leave pieces out of the one world, by their places: 0-3,7
    #[arg(long, value_name = "LIST", requires = "seed", value_parser = crate::sim::Places::parse)]
    pub(crate) without: Option<crate::sim::Places>,
    /// Draw all of this connection of the one world, rather than the end of the first one
    #[arg(long, value_name = "N", requires = "seed")]
    pub(crate) connection: Option<usize>,
    /// Do not stop at the first world that fails, but at the Nth [without a value: 10]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "10")]
    pub(crate) keep_going: Option<NonZeroUsize>,
    /// Show a world that fails as it is, without making it smaller
    #[arg(long)]
    pub(crate) no_shrink: bool,
    /// Where the packets of a world that fails are written (adieu-sim-SEED.pcapng)
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) output: PathBuf,
    /// Check one more promise, one that nobody makes, to see what a world that breaks it looks like
    #[arg(long, value_name = "NAME", value_parser = crate::sim::promise, hide_short_help = true)]
    pub(crate) promise: Option<adieu_sim::swarm::Promise>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Colour the output
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

const SIM_HELP: &str = "Ctrl-C (or SIGTERM) stops, and shows what was found so far; a second one ends at once.\n\
    Exit codes: 0 every promise was kept, 1 one was broken, 2 a mistake in the command or something the machine \
    lacks, 130 (143) stopped before anything was found.";

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes = text.parse::<f64>().ok().filter(|minutes| *minutes > 0.0 && *minutes <= 1e6);
    let time = minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0)).filter(|time| !time.is_zero());
    time.ok_or_else(|| "give minutes, more than 0 and at most a million, for example 0.5 or 60".into())
}

/// Look at everything that can happen to two ends of a connection, within bounds: every call at every moment, every
/// order of arrival, every timer whenever it is armed, on the code that ships.
///
/// What does not hold is shown with the steps that lead there, and as a picture; the exit code is then 1.
#[derive(Debug, clap::Args)]
pub(crate) struct Model {
    /// Scopes to search; all of them where none is named
    #[arg(value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// List the scopes and stop
    #[arg(long)]
    pub(crate) list: bool,
    /// Search on N threads [default: as many as the machine has]
    #[arg(short = 'j', long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroU16>,
    /// Stop each search after about N states
    #[arg(long, value_name = "N", value_parser = states)]
    pub(crate) states: Option<usize>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Colour the output
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

fn states(text: &str) -> Result<usize, String> {
    let states = text.replace('_', "").parse::<usize>().ok().filter(|states| *states > 0);
    states.ok_or_else(|| "give a number of states from 1, for example 1000000".into())
}

/// Show what adieu holds itself to when connections end, and which tests show it.
///
/// Requirements that are named are shown with the tests, scripts or documents that show them; without names, all of
/// them, with how many there are.
#[derive(Debug, clap::Args)]
pub(crate) struct Spec {
    /// Requirements (TW-8), families (TW, B-RACK) or sections (1.11); all of them where none is named
    #[arg(value_name = "ID|PREFIX")]
    pub(crate) names: Vec<String>,
    /// Only those of this stage
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Option<crate::spec::Stage>,
    /// Only those shown in this way
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<crate::spec::Kind>,
    /// Only those that nothing shows yet
    #[arg(long)]
    pub(crate) missing: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
    /// Colour the output
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

/// Which IP to run scripts over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Version {
    Ipv4,
    Ipv6,
    /// Each script twice
    Both,
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse::<f64>().ok().filter(|factor| (0.01..=100.0).contains(factor));
    factor.ok_or_else(|| "give a factor from 0.01 to 100, for example 0.5 or 2".into())
}

/// The other end of a tour.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Peer {
    /// A second stack of ours, on a network in memory, in virtual time
    Memory,
    /// The kernel's TCP, over a TUN device in a network namespace of its own
    Linux,
}

/// What adieu is, with Linux as the other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Role {
    Client,
    Server,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

fn time_wait(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("min") {
        Some(number) => (number, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let seconds = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match seconds {
        Some(seconds @ 30..=240) => Ok(Duration::from_secs(seconds)),
        _ => Err("give a time from 30s to 240s, for example 30s, 120s or 2min".into()),
    }
}

/// Accept one connection at a stack of our own on a TUN device: standard input goes to the peer, and what the peer
/// sends to standard output. The end of standard input closes our direction; the receipt goes to standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Listen {
    /// The stack's own address and port; this host gets the other address of the same /30
    #[arg(value_name = "ADDR:PORT", value_parser = address_and_port)]
    pub(crate) local: SocketAddr,
    /// At the end of standard input, close both directions at once: what the peer still sends is thrown away, up to
    /// BYTES and for TIME, so that it can read the answer before a reset destroys it [without a value: 1MiB,2s]
    #[arg(long, value_name = "BYTES,TIME", num_args = 0..=1, require_equals = true, default_missing_value = "1MiB,2s",
          value_parser = drain_budget)]
    pub(crate) close_drain: Option<DrainBudget>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Connect to a peer from a stack of our own on a TUN device: standard input goes to the peer, and what the peer sends
/// to standard output. The end of standard input closes our direction; the receipt goes to standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Connect {
    /// The peer: this host's address on the TUN (10.77.0.2 by default), or one beyond, which needs forwarding
    #[arg(value_name = "HOST:PORT", value_parser = endpoint)]
    pub(crate) peer: Endpoint,
    /// The stack's own address; this host gets the other address of the same /30
    /// [default: 10.77.0.1, or fd77::1 towards an IPv6 peer]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) local: Option<IpAddr>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What `listen` and `connect` have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Name of the network interface to create
    #[arg(long, value_name = "NAME")]
    pub(crate) tun: Option<String>,
    /// Run CMD with `sh -c` once the stack is ready, and wait for it; without root, both run in a namespace of their
    /// own. CMD finds ADIEU_ADDR (the stack), ADIEU_KERNEL (this host), ADIEU_PORT and ADIEU_TUN in its environment
    /// and writes to standard error
    #[arg(long, value_name = "CMD")]
    pub(crate) exec: Option<String>,
    /// Stay for all of TIME-WAIT (60 s) instead of just long enough to answer a repeated FIN
    #[arg(long)]
    pub(crate) wait: bool,
    /// Print the receipt as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Name the connection in the receipt and in warnings
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// Go on where an earlier run with the same address stopped: keys, clocks and connections in TIME-WAIT are read
    /// from FILE if it exists, and written to it at exit. It holds secrets, and only you may read it
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}

const AFTER_HELP: &str = "Ctrl-C (or SIGTERM) closes our direction and waits for the peer; a second one resets the \
    connection.\nExit codes: 0 a graceful ending, 1 any other or a CMD that failed, 2 a mistake in the command or \
    something the machine lacks.";

fn drain_budget(text: &str) -> Result<DrainBudget, String> {
    let budget = || {
        let (bytes, time) = text.split_once(',')?;
        Some(DrainBudget { bytes: size(bytes)?, time: short_time(time)? })
    };
    budget().ok_or_else(|| "give bytes and a time, for example 65536,500ms or 1MiB,2s".into())
}

fn size(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let unit = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let (number, shift) = unit.unwrap_or((text, &0));
    number.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn short_time(text: &str) -> Option<Duration> {
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 1000),
        (None, None) => return None,
    };
    Some(Duration::from_millis(number.trim().parse::<u64>().ok()?.checked_mul(unit)?))
}

/// A host, by name or address, and a port.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    let example = "give a host and a port, for example 10.77.0.2:80 or [fd77::2]:80";
    let (host, port) = match text.parse() {
        Ok(SocketAddr::V6(address)) => (address.ip().to_string(), address.port()),
        Ok(SocketAddr::V4(_)) | Err(_) => {
            let (host, port) = text.rsplit_once(':').ok_or(example)?;
            let strange = |letter: char| letter == ':' || letter == '/' || letter.is_whitespace();
            if host.is_empty() || host.contains(strange) {
                return Err(example.into());
            }
            (host.to_owned(), port.parse().map_err(|_| example)?)
        }
    };
    if port == 0 {
        return Err(PORT_0.into());
    }
    Ok(Endpoint { host, port })
}

fn address_and_port(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Ok(address),
        Ok(_) => Err(PORT_0.into()),
        Err(_) => Err("give an address and a port, for example 10.77.0.1:80 or [fd77::1]:80".into()),
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "give an address, for example 10.77.0.1 or fd77::1".into())
}

const PORT_0: &str = "port 0 names no port; give one from 1 to 65535";
