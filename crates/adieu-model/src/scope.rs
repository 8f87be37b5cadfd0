//! What is looked at: who may do what how often, and what the wire may do. Small enough to be looked at in full.

use adieu_core::{Algorithm, Config, Duration, Settings};

/// Bounds of a search.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// A stable name.
    pub name: &'static str,
    /// What it is about, in one line.
    pub title: &'static str,
    /// What the applications may do: the left one connects.
    pub sides: [Part; 2],
    /// What the wire may do.
    pub wire: Wire,
    /// It begins with a connection that both ends have, and no packet under way.
    pub established: bool,
    /// How the stacks differ from [`base`].
    pub config: fn(&mut Config),
}

/// What one application may do.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// How often it connects, to the other's port, from its own.
    pub connects: u8,
    /// Whether it listens, from the beginning.
    pub listens: bool,
    /// How often it stops listening and begins again.
    pub restarts: u8,
    /// Which calls it makes for a connection.
    pub calls: Calls,
    /// How many of them in all.
    pub most: u8,
    /// Bytes it writes to a connection at most, one with each call.
    pub bytes: u8,
    /// How often time passes for it, by a second, without a timer of its own.
    pub waits: u8,
    /// What it chooses for its connections.
    pub nodelay: bool,
}

/// What the wire may do with packets, beside carrying them in any order.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    /// Packets in flight; what would be more is not looked at.
    pub flight: usize,
    /// Packets it loses.
    pub losses: u8,
    /// Packets it delivers and delivers again.
    pub copies: u8,
    /// It may die, at any moment, for good.
    pub dies: bool,
    /// TIME-WAIT and quarantine may end at any moment, as under eviction; else only when nothing is in flight that is
    /// older, or was provoked by what is.
    pub evicts: bool,
    /// It sets FIN in packets, with a correct checksum: nothing that TCP promises anything about.
    pub forges: bool,
}

/// A set of calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Calls(u8);

impl Calls {
    /// No call at all.
    pub const NONE: Self = Self(0);
    /// One byte.
    pub const WRITE: Self = Self(1);
    /// Whatever is there.
    pub const READ: Self = Self(2);
    /// `shutdown(SHUT_WR)`.
    pub const SHUT_DOWN: Self = Self(4);
    /// Full close; the handle stays.
    pub const CLOSE: Self = Self(8);
    /// Reset.
    pub const ABORT: Self = Self(16);
    /// The handle goes.
    pub const DROP: Self = Self(32);
    /// Every call.
    pub const ALL: Self = Self(63);

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in this set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The retransmission time: it never changes, and two of them are more than the patience with orphans. A multiple of 16
/// ms, as all times are here: how they lie between the ticks of coarse clocks is then always the same.
pub const RTO: Duration = Duration::from_millis(51_200);
/// 2 x MSL.
pub const TIME_WAIT: Duration = Duration::from_secs(240);

/// The configuration all scopes begin with: constant times, few repetitions, no options, nothing delayed.
pub fn base() -> Config {
    Config {
        mtu: 68,
        receive_buffer: 4,
        send_buffer: 4,
        time_wait: TIME_WAIT,
        fin_wait_2: Duration::from_secs(64),
        close_wait_warning: Duration::MAX,
        fin_wait_2_warning: Duration::MAX,
        orphan_time: Duration::MAX,
        max_orphans: u32::MAX,
        orphan_bytes: usize::MAX,
        memory: usize::MAX,
        stray_resets: u32::MAX,
        orphan_retries: 1,
        retries: 1,
        syn_retries: 1,
        syn_ack_retries: 1,
        congestion: Algorithm::Reno, // No scope has more in flight than the first window.
        initial_rto: RTO,
        min_rto: RTO,
        max_rto: RTO,
        window_scaling: false,
        timestamps: false,
        selective_acks: false,
        ack_delay: Duration::ZERO,
        quick_acks: 0,
        loss_probes: false,
        syn_cookies: false,
        ..Config::default()
    }
}

fn plain(_: &mut Config) {}

impl Part {
    /// Connects once, and makes no calls.
    pub const CLIENT: Self = Self {
        connects: 1,
        listens: false,
        restarts: 0,
        calls: Calls::NONE,
        most: 0,
        bytes: 0,
        waits: 0,
        nodelay: false,
    };
    /// Listens, and makes no calls.
    pub const SERVER: Self = Self { connects: 0, listens: true, ..Self::CLIENT };

    /// Makes up to `most` of these calls.
    #[must_use]
    pub const fn calls(self, calls: Calls, most: u8) -> Self {
        Self { calls, most, ..self }
    }

    /// Writes up to so many bytes to each connection.
    #[must_use]
    pub const fn bytes(self, bytes: u8) -> Self {
        Self { bytes, ..self }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings { nodelay: self.nodelay, ..Settings::default() }
    }
}

impl Wire {
    /// Four packets in flight, in any order; none is lost.
    pub const RELIABLE: Self = Self { flight: 4, losses: 0, copies: 0, dies: false, evicts: false, forges: false };

    /// Loses and repeats so many.
    #[must_use]
    pub const fn faults(self, losses: u8, copies: u8) -> Self {
        Self { losses, copies, ..self }
    }
}

impl Scope {
    /// A scope of which nothing is said but what the applications do.
    pub const fn new(name: &'static str, title: &'static str, left: Part, right: Part) -> Self {
        Self { name, title, sides: [left, right], wire: Wire::RELIABLE, established: false, config: plain }
    }

    /// On this wire.
    #[must_use]
    pub const fn on(self, wire: Wire) -> Self {
        Self { wire, ..self }
    }

    /// With stacks changed so.
    #[must_use]
    pub const fn with(self, config: fn(&mut Config)) -> Self {
        Self { config, ..self }
    }

    /// With a connection to begin with.
    #[must_use]
    pub const fn established(self) -> Self {
        Self { established: true, ..self }
    }

    /// The scope of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SCOPES.iter().find(|scope| scope.name == name)
    }
}

/// Closing in all ways that are not a reset.
const LEAVE: Calls = Calls::CLOSE.and(Calls::SHUT_DOWN).and(Calls::DROP);
/// A stream in one direction, and its end.
const STREAM: Calls = Calls::WRITE.and(Calls::READ).and(Calls::SHUT_DOWN);

/// All scopes, in the order in which they are looked at.
pub const SCOPES: &[Scope] = &[
    Scope::new(
        "opening",
        "an attempt is given up, on either side, at every moment of the handshake",
        Part::CLIENT.calls(Calls::CLOSE.and(Calls::ABORT), 1),
        Part::SERVER.calls(Calls::CLOSE, 1),
    )
    .on(Wire { flight: 3, ..Wire::RELIABLE.faults(1, 0) }),
    Scope::new(
        "goodbye",
        "both close, in any order, with losses and copies",
        Part::CLIENT.calls(LEAVE, 1),
        Part::SERVER.calls(LEAVE, 1),
    )
    .on(Wire { flight: 3, ..Wire::RELIABLE.faults(1, 1) })
    .established(),
    Scope::new(
        "half-close",
        "one direction closes first, and the other goes on",
        Part::CLIENT.calls(STREAM, 2),
        Part::SERVER.calls(STREAM, 2).bytes(1),
    )
    .on(Wire { flight: 3, ..Wire::RELIABLE })
    .established(),
    Scope::new(
        "unread",
        "bytes that nobody reads, and ends that close over them",
        Part::CLIENT.calls(Calls::WRITE.and(Calls::CLOSE), 2).bytes(1),
        Part::SERVER.calls(Calls::READ.and(Calls::CLOSE).and(Calls::DROP), 2),
    )
    .on(Wire { flight: 3, ..Wire::RELIABLE })
    .established(),
    Scope::new(
        "data",
        "two bytes in two segments, in any order, and FIN",
        Part { nodelay: true, ..Part::CLIENT.calls(Calls::WRITE.and(Calls::SHUT_DOWN), 3).bytes(2) },
        Part::SERVER.calls(Calls::READ, 1),
    )
    .on(Wire { flight: 3, ..Wire::RELIABLE.faults(0, 1) })
    .established(),
    Scope::new(
        "window",
        "a window that closes before the last byte, and before FIN",
        Part::CLIENT.calls(Calls::WRITE.and(Calls::CLOSE), 4).bytes(3),
        Part::SERVER.calls(Calls::READ, 1),
    )
    .on(Wire { flight: 3, ..Wire::RELIABLE })
    .with(|config| config.receive_buffer = 2)
    .established(),
    Scope::new(
        "crossing",
        "both connect to each other, and close",
        Part::CLIENT.calls(Calls::CLOSE, 1),
        Part::CLIENT.calls(Calls::CLOSE, 1),
    )
    .on(Wire { flight: 3, ..Wire::RELIABLE }),
    Scope::new(
        "abort",
        "either end gives up at any moment, while the other closes or writes",
        Part::CLIENT.calls(Calls::ABORT.and(Calls::CLOSE), 2),
        Part::SERVER.calls(Calls::ABORT.and(Calls::CLOSE), 2),
    )
    .on(Wire { flight: 3, ..Wire::RELIABLE.faults(1, 0) })
    .established(),
    Scope::new(
        "silence",
        "the wire dies at any moment, for good",
        Part::CLIENT.calls(Calls::CLOSE.and(Calls::WRITE), 2).bytes(1),
        Part::SERVER.calls(Calls::CLOSE, 1),
    )
    .on(Wire { dies: true, flight: 3, ..Wire::RELIABLE })
    .established(),
    Scope::new(
        "patience",
        "time passes between repetitions of FIN and their answers",
        Part { waits: 1, ..Part::CLIENT.calls(Calls::CLOSE, 1) },
        Part { waits: 1, ..Part::SERVER.calls(Calls::CLOSE, 1) },
    )
    .on(Wire { flight: 3, ..Wire::RELIABLE.faults(2, 0) })
    .established(),
    Scope::new(
        "reuse",
        "the same addresses and ports again, while old segments are under way",
        Part { connects: 2, ..Part::CLIENT.calls(Calls::CLOSE, 1) },
        Part::SERVER.calls(Calls::CLOSE, 1),
    )
    .on(Wire { flight: 3, ..Wire::RELIABLE })
    .established(),
    Scope::new(
        "restart",
        "the listener goes and comes back",
        Part::CLIENT.calls(Calls::CLOSE, 1),
        Part { restarts: 1, ..Part::SERVER.calls(Calls::CLOSE, 1) },
    )
    .on(Wire { flight: 3, ..Wire::RELIABLE }),
    Scope::new(
        "eviction",
        "TIME-WAIT ends early, and the same addresses and ports come again",
        Part { connects: 2, ..Part::CLIENT.calls(Calls::CLOSE, 1) },
        Part::SERVER.calls(Calls::CLOSE, 1),
    )
    .on(Wire { evicts: true, flight: 3, ..Wire::RELIABLE })
    .established(),
    Scope::new(
        "extensions",
        "timestamps, selective and delayed acknowledgments, window scaling and probes of the tail",
        Part { nodelay: true, ..Part::CLIENT.calls(Calls::WRITE.and(Calls::CLOSE), 2).bytes(1) },
        Part::SERVER.calls(Calls::CLOSE, 1),
    )
    .on(Wire { flight: 3, ..Wire::RELIABLE })
    .with(|config| {
        (config.timestamps, config.selective_acks, config.loss_probes, config.window_scaling) =
            (true, true, true, true);
        (config.ack_delay, config.mtu) = (Duration::from_millis(48), 120);
    })
    .established(),
];

/// What nothing can hold on: a wire that forges. A search that finds nothing here looks at nothing.
pub const FORGED: Scope = Scope::new(
    "forged",
    "the wire sets FIN where nobody has closed",
    Part::CLIENT.calls(Calls::WRITE, 1).bytes(1),
    Part::SERVER,
)
.on(Wire { forges: true, ..Wire::RELIABLE });
