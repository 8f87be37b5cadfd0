//! How to run scripts.

use std::time::Duration;

use adieu_core::Config;

/// How to run a script. Lines of the script that begin with `--` change a copy of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Over IPv6, whatever the script says, or IPv4; `None` leaves it to the script.
    pub family: Option<Family>,
    /// Fails on every packet that no line expects, after the last line, too.
    pub strict: bool,
    /// Packets that come in before the stack is asked for answers, 1 or more; time that passes, and calls, end a round.
    pub round: usize,
    /// Where sequence numbers begin.
    pub isn: Isn,
    /// Times of scripts that say `// timers: none` are multiplied with this.
    pub time_scale: f64,
    /// Passes over commands for a shell that mean nothing here, instead of failing.
    pub ignore_shell: bool,
    /// What differs between systems.
    pub policy: Policy,
    /// How far from its time a packet may leave, or a call return.
    pub tolerance: Duration,
    /// How long an event at any time (`*`) may take.
    pub patience: Duration,
    /// How long a tick of the clock behind time stamps lasts, where values must follow it; zero where they need not.
    pub tick: Duration,
    /// Whether the number behind an expected `wscale` may be any, as for a system whose choice it is.
    pub any_shift: bool,
    /// The stack's configuration.
    pub config: Config,
    /// Over IPv6, where `family` says nothing. Default IPv4.
    pub ipv6: bool,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6; packets may be 20 bytes larger, so that segments are the same.
    Ipv6,
}

/// Where sequence numbers begin.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Isn {
    /// Somewhere unremarkable.
    #[default]
    Usual,
    /// Both sides here.
    At(u32),
    /// Just before they wrap around: the stack's SYN is the last number, the peer's wraps within its data.
    Wrap,
}

/// What differs between systems, and what a script may hence choose.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Policy {
    /// Errors are sticky: after a reset every read and write says so.
    #[default]
    Ours,
    /// An error is told once; then reads say end of stream and writes EPIPE, as on Linux and the BSDs.
    Posix,
}

impl Isn {
    /// The stack's and the peer's.
    pub(crate) fn numbers(self) -> [u32; 2] {
        match self {
            Self::Usual => [1_000_000, 2_000_000],
            Self::At(number) => [number; 2],
            Self::Wrap => [u32::MAX, u32::MAX - 499],
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            family: None,
            strict: false,
            round: 1,
            isn: Isn::Usual,
            time_scale: 1.0,
            ignore_shell: false,
            policy: Policy::Ours,
            tolerance: Duration::from_millis(4),
            patience: Duration::from_secs(600),
            tick: Duration::ZERO,
            any_shift: false,
            // Windows that scripts can foretell.
            config: Config { receive_buffer: 256 << 10, send_buffer: 256 << 10, ..Config::default() },
            ipv6: false,
        }
    }
}
