//! What a scenario begins with, and what of it is not as usual.

use std::time::Duration;

use adieu::Config;
use adieu_trace::{Side, human};

use super::stage::SERVER;

/// Our TIME-WAIT where nobody asked for another.
const SHORT_WAIT: Duration = Duration::from_millis(500);

/// What a scenario begins with.
pub(super) struct Setup {
    /// Which end is adieu.
    pub(super) adieu: Side,
    pub(super) ipv6: bool,
    pub(super) config: Config,
    pub(super) parameters: Vec<(&'static str, u32)>,
    /// What differs from the defaults.
    pub(super) unusual: Vec<Unusual>,
    /// The kernel's receive buffer, in bytes.
    pub(super) receive_buffer: Option<u32>,
}

/// A setting that is not the default, so that the tour is short.
pub(super) struct Unusual {
    pub(super) side: Side,
    /// What it is called at that end.
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) default: &'static str,
}

impl Setup {
    pub(super) fn new(adieu: Side, ipv6: bool, time_wait: Option<Duration>) -> Self {
        let config = Config { time_wait: time_wait.unwrap_or(Config::default().time_wait), ..Config::default() };
        let mut setup = Self { adieu, ipv6, config, parameters: Vec::new(), unusual: Vec::new(), receive_buffer: None };
        if time_wait.is_none() {
            let short = |config: &mut Config| {
                (config.time_wait, config.unsafe_short_time_wait) = (SHORT_WAIT, true);
            };
            setup.ours(short, "time_wait", human(SHORT_WAIT), "60 s");
        }
        setup
    }

    /// Our TIME-WAIT, where something must happen within it: long enough for a busy machine.
    pub(super) fn longer_wait(&mut self) {
        if self.config.unsafe_short_time_wait {
            self.config.time_wait = Duration::from_secs(2);
            self.unusual.retain(|unusual| unusual.name != "time_wait");
            self.ours(|_| {}, "time_wait", "2 s", "60 s");
        }
    }

    /// Sets a parameter of the kernel's TCP in its namespace; the ladder says so.
    pub(super) fn kernel(&mut self, name: &'static str, value: u32, unit: &str, default: &'static str) {
        self.parameters.push((name, value));
        let value = format!("{value}{unit}");
        self.unusual.push(Unusual { side: self.adieu.other(), name, value, default });
    }

    /// Changes our configuration; the ladder says so.
    pub(super) fn ours(
        &mut self,
        change: impl FnOnce(&mut Config),
        name: &'static str,
        value: impl ToString,
        default: &'static str,
    ) {
        change(&mut self.config);
        self.unusual.push(Unusual { side: self.adieu, name, value: value.to_string(), default });
    }

    /// Makes the server's receive buffer small, whoever that is.
    pub(super) fn small_server(&mut self, bytes: u32) {
        if self.adieu == SERVER {
            return self.ours(|config| config.receive_buffer = bytes, "receive_buffer", bytes, "262144");
        }
        self.receive_buffer = Some(bytes);
        let value = bytes.to_string();
        self.unusual.push(Unusual { side: SERVER, name: "SO_RCVBUF", value, default: "131072" });
    }
}
