//! What a storm is made of: configurations, weather, and what the applications have in mind. All of it from one seed.

use adieu_core::{Config, Duration, Keepalive, Settings, State};
use adieu_sim::Wire;
use adieu_trace::Side;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The one source of chance of a storm; the world's own is seeded apart.
#[derive(Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed ^ 0x5701_2a5e_ed00_0000))
    }

    /// From `low` to `high`, both included.
    pub(crate) fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.next_u64() % (high - low + 1)
    }

    /// As [`Dice::range`], but each order of magnitude is as likely as the next.
    pub(crate) fn log(&mut self, low: u64, high: u64) -> u64 {
        let bits = |n: u64| u64::from(u64::BITS - n.leading_zeros());
        let width = self.range(bits(low), bits(high));
        let (from, to) = (1 << width.saturating_sub(1), (1 << width) - 1);
        self.range(low.max(from.min(high)), high.min(to.max(low)))
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.range(0, 99) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.range(0, len as u64 - 1)).unwrap_or(0)
    }

    /// Up to `most`, to the nanosecond: two draws are hardly ever the same.
    pub(crate) fn time(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(self.range(0, u64::try_from(most.as_nanos()).unwrap_or(u64::MAX - 1)))
    }

    pub(crate) fn side(&mut self) -> Side {
        if self.chance(50) { Side::Left } else { Side::Right }
    }

    fn small_u8(&mut self, low: u64, high: u64) -> u8 {
        u8::try_from(self.range(low, high)).unwrap_or(u8::MAX)
    }

    fn small_u32(&mut self, low: u64, high: u64) -> u32 {
        u32::try_from(self.log(low, high)).unwrap_or(u32::MAX)
    }
}

/// When the wire goes dead.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Begin {
    At(Duration),
    /// Some events after an end of this connection is seen in this state.
    After {
        connection: usize,
        side: Side,
        state: State,
        events: u64,
    },
}

/// A time in which nothing gets through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    pub(crate) begin: Begin,
    /// For ever, where it is `None`.
    pub(crate) lasts: Option<Duration>,
}

/// How a connection gets its port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Port {
    Any,
    /// The host's own, which may still be taken.
    Own,
    /// Both hosts connect from their own ports to each other's, so much apart.
    Crossing(Duration),
}

/// When an application reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading {
    /// Whatever comes, at once.
    Eager,
    /// So many bytes each time it looks.
    Slow(usize),
    /// Not at all at first.
    After(Duration),
}

/// What an application does besides writing and reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Deed {
    ShutDown,
    Close,
    Release,
    Abort,
}

/// What one application has in mind.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Bytes to write.
    pub(crate) total: u64,
    /// Most bytes of one write.
    pub(crate) piece: u64,
    /// Longest pause between looks.
    pub(crate) pace: Duration,
    pub(crate) reading: Reading,
    /// Half-close as soon as everything is written, rather than after the peer's end of stream.
    pub(crate) shut_down_early: bool,
    /// Deeds at instants after its connection is there; none for one that writes all, reads all, and then closes.
    pub(crate) deeds: Vec<(Duration, Deed)>,
}

impl Program {
    /// Writes all, reads all, closes: nothing of it may be lost.
    pub(crate) fn is_gentle(&self) -> bool {
        self.deeds.is_empty()
    }
}

/// One connection to come.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) at: Duration,
    pub(crate) opener: Side,
    pub(crate) port: Port,
    pub(crate) programs: [Program; 2],
    pub(crate) settings: [Settings; 2],
}

/// All that a seed decides beforehand.
#[derive(Debug)]
pub(crate) struct Storm {
    pub(crate) config: [Config; 2],
    pub(crate) wire: Wire,
    /// Later weather.
    pub(crate) changes: Vec<(Duration, Wire)>,
    pub(crate) outages: Vec<Outage>,
    pub(crate) plans: Vec<Plan>,
    pub(crate) listens: [bool; 2],
    /// When a host stops listening.
    pub(crate) unlisten: [Option<Duration>; 2],
    /// Longest pause before a host accepts.
    pub(crate) accept_pace: Duration,
    /// Ports come round again while the network may still hold old segments.
    pub(crate) reuse: bool,
    pub(crate) ipv6: bool,
}

impl Storm {
    pub(crate) fn draw(seed: u64, dice: &mut Dice) -> Self {
        // What came later is drawn apart, so that a seed still means what it meant before.
        let mut more = Dice::new(!seed);
        let reuse = dice.chance(20);
        let config = [config(dice, reuse), config(dice, reuse)].map(|config| extend(&mut more, config));
        let ipv6 = config.iter().all(|config| config.mtu >= 1280) && more.chance(50);
        let calm = dice.chance(25);
        let wire = wire(dice, calm);
        let changes = if dice.chance(20) { vec![(time(dice, 20), self::wire(dice, calm))] } else { Vec::new() };
        let connections = dice.pick(&[1, 1, 1, 2, 3, 4, 6, 8]);
        let span = dice.pick(&[Duration::from_millis(1), Duration::from_secs(1), Duration::from_secs(30)]);
        let plans: Vec<Plan> = (0..connections).map(|_| plan(dice, span, reuse, &config, &mut more)).collect();
        let outages = if calm { Vec::new() } else { outages(dice, plans.len()) };
        let unlisten = [0, 1].map(|_| dice.chance(8).then(|| time(dice, 20)));
        let listens = [0, 1].map(|_| dice.chance(96));
        let accept_pace = if dice.chance(70) { Duration::ZERO } else { Duration::from_secs(dice.range(1, 5)) };
        let mut config = config;
        // A connection that a cookie opens has no beginning that shows from outside, by which the oracle could tell
        // attempts with the same ports apart.
        if plans.iter().any(|plan| plan.port != Port::Any) {
            config.iter_mut().for_each(|config| config.syn_cookies = false);
        }
        Self { config, wire, changes, outages, plans, listens, unlisten, accept_pace, reuse, ipv6 }
    }

    /// Nothing is ever lost, and nothing takes so long that a timer fires for it.
    pub(crate) fn is_calm(&self) -> bool {
        let slow = |wire: &Wire| (wire.delay + wire.detour) * 2 >= Duration::from_millis(500);
        let hasty = |config: &Config| config.initial_rto < Duration::from_millis(500) || config.accept_backlog < 100;
        self.outages.is_empty()
            && !self.wires().any(|wire| wire.loss > 0 || slow(wire))
            && !self.config.iter().any(hasty)
    }

    /// What is sent often enough arrives.
    pub(crate) fn is_fair(&self) -> bool {
        self.outages.is_empty()
    }

    pub(crate) fn wires(&self) -> impl Iterator<Item = &Wire> {
        self.changes.iter().map(|(_, wire)| wire).chain([&self.wire])
    }
}

fn time(dice: &mut Dice, secs: u64) -> Duration {
    let most = dice.pick(&[Duration::from_millis(300), Duration::from_secs(secs.min(3)), Duration::from_secs(secs)]);
    dice.time(most)
}

fn config(dice: &mut Dice, reuse: bool) -> Config {
    let roomy = dice.chance(60);
    let standard = Config::default();
    let mut config = Config {
        mtu: u16::try_from(dice.log(68, 9000)).unwrap_or(1500),
        receive_buffer: dice.small_u32(1, 65_536),
        send_buffer: dice.small_u32(1, 65_536),
        time_wait: Duration::from_secs(dice.log(1, 300)),
        fin_wait_2: Duration::from_secs(dice.log(1, 100)),
        orphan_retries: dice.small_u8(1, 10),
        retries: dice.small_u8(3, 15),
        syn_retries: dice.small_u8(1, 7),
        syn_ack_retries: dice.small_u8(0, 5),
        reassembly_pieces: dice.small_u32(1, 1024),
        ..standard.clone()
    };
    if roomy {
        config.retries = standard.retries;
        config.orphan_retries = standard.orphan_retries;
        config.syn_retries = standard.syn_retries;
        config.syn_ack_retries = standard.syn_ack_retries;
    } else {
        config.syn_backlog = dice.small_u32(1, 16);
        config.accept_backlog = dice.small_u32(1, 16);
        config.stray_replies = dice.small_u32(1, 64);
        config.initial_rto = Duration::from_millis(dice.log(200, 3000));
        config.max_rto = Duration::from_secs(dice.log(3, 60));
    }
    if dice.chance(10) {
        config.super_segment = dice.small_u32(1, 60_000);
    }
    if reuse {
        config.ephemeral_ports = (50_000, 50_003);
    } else if dice.chance(20) {
        config.unsafe_short_time_wait = true;
        config.time_wait_budget = dice.pick(&[1, 52, 104, 1 << 20]);
    }
    config
}

/// The extensions of TCP, each on or off, and how its acknowledgments are paced.
fn extend(dice: &mut Dice, mut config: Config) -> Config {
    config.window_scaling = dice.chance(70);
    config.timestamps = dice.chance(70);
    config.selective_acks = dice.chance(70);
    config.loss_probes = dice.chance(70);
    if dice.chance(50) {
        config.ack_delay = Duration::from_millis(dice.range(0, 400));
        config.quick_acks = dice.small_u8(0, 16);
    }
    if dice.chance(30) {
        config.super_segment = dice.small_u32(1, 65_535);
    }
    if dice.chance(20) {
        config.initial_window = dice.small_u8(1, 20);
    }
    if dice.chance(20) {
        config.receive_buffer = dice.small_u32(65_536, 1 << 20);
        config.send_buffer = dice.small_u32(65_536, 1 << 20);
    }
    config
}

/// What an application chooses for one connection.
fn settings(dice: &mut Dice) -> Settings {
    let secs = |dice: &mut Dice, most| Duration::from_secs(dice.log(1, most));
    let keepalive = dice.chance(25).then(|| Keepalive {
        idle: secs(dice, 100),
        interval: secs(dice, 20),
        probes: dice.small_u8(1, 9),
    });
    Settings {
        half_close_idle: None,
        half_close_total: None,
        nodelay: dice.chance(30),
        keepalive,
        user_timeout: dice.chance(15).then(|| secs(dice, 100)),
        exchange_user_timeout: dice.chance(20),
        max_segment: None,
        dscp: dice.small_u8(0, 63),
        report_trouble: dice.chance(80),
    }
}

fn wire(dice: &mut Dice, calm: bool) -> Wire {
    let mut wire = Wire { delay: Duration::from_micros(dice.log(1, 80_000)), ..Wire::default() };
    if calm {
        if dice.chance(50) {
            wire.duplication = dice.small_u32(1, 300_000);
            wire.reordering = dice.small_u32(1, 500_000);
            wire.detour = Duration::from_millis(dice.range(0, 100));
        }
        return wire;
    }
    wire.delay = Duration::from_micros(dice.log(1, 2_000_000));
    wire.loss = if dice.chance(70) { dice.small_u32(1, 300_000) } else { 0 };
    wire.duplication = if dice.chance(50) { dice.small_u32(1, 300_000) } else { 0 };
    wire.reordering = if dice.chance(50) { dice.small_u32(1, 500_000) } else { 0 };
    wire.detour = Duration::from_millis(dice.log(1, 3_000));
    wire
}

fn outages(dice: &mut Dice, connections: usize) -> Vec<Outage> {
    let count = dice.pick(&[0, 0, 1, 1, 1, 2]);
    (0..count).map(|_| outage(dice, connections)).collect()
}

fn outage(dice: &mut Dice, connections: usize) -> Outage {
    use State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent, TimeWait};
    let states =
        [SynSent, SynReceived, Established, FinWait1, FinWait2, CloseWait, Closing, LastAck, LastAck, TimeWait];
    let begin = if dice.chance(40) {
        Begin::At(time(dice, 30))
    } else {
        let (connection, side, state) = (dice.index(connections), dice.side(), dice.pick(&states));
        Begin::After { connection, side, state, events: dice.pick(&[0, 0, 0, 1, 2, 5]) }
    };
    let lasts = (!dice.chance(35)).then(|| Duration::from_millis(dice.log(10, 900_000)));
    Outage { begin, lasts }
}

fn plan(dice: &mut Dice, span: Duration, reuse: bool, config: &[Config; 2], more: &mut Dice) -> Plan {
    let port = match dice.range(0, 99) {
        0..=9 => Port::Crossing(dice.time(Duration::from_millis(100))),
        10..=19 if reuse => Port::Own,
        _ => Port::Any,
    };
    let span = if reuse { span * 10 } else { span };
    let both_gentle = dice.chance(35);
    let mut programs = [0, 1].map(|side: usize| program(dice, both_gentle, &config[side], &config[1 - side]));
    // Two that wait for each other's end of stream wait for ever.
    programs[0].shut_down_early |= !programs[1].shut_down_early;
    Plan { at: dice.time(span), opener: dice.side(), port, programs, settings: [settings(more), settings(more)] }
}

fn program(dice: &mut Dice, gentle: bool, own: &Config, peer: &Config) -> Program {
    // Some tens of segments, whatever the sizes: a storm is about endings, not about volume.
    let segment = u64::from(own.mtu.min(peer.mtu)).saturating_sub(40).max(28);
    let at_once = segment.min(u64::from(own.send_buffer)).min(u64::from(peer.receive_buffer));
    let total = if dice.chance(20) { 0 } else { dice.log(1, at_once * 40) };
    let reading = match dice.range(0, 9) {
        0..=5 => Reading::Eager,
        6..=7 => Reading::Slow(usize::try_from(dice.log(at_once.min(64), 65_536)).unwrap_or(1)),
        _ => Reading::After(time(dice, 300)),
    };
    let count = if gentle || dice.chance(20) { 0 } else { dice.pick(&[1, 1, 2, 3]) };
    let mut deeds: Vec<(Duration, Deed)> = (0..count).map(|_| deed(dice)).collect();
    deeds.sort_by_key(|(at, _)| *at);
    if let Some((last, _)) = deeds.last() {
        deeds.push((*last + time(dice, 300), Deed::Release));
    }
    Program {
        total,
        piece: dice.log(1, total.max(1)).max(total / 40 + 1),
        pace: Duration::from_micros(dice.log(10, 2_000_000)),
        reading,
        shut_down_early: dice.chance(70),
        deeds,
    }
}

fn deed(dice: &mut Dice) -> (Duration, Deed) {
    use Deed::{Abort, Close, Release, ShutDown};
    (time(dice, 60), dice.pick(&[ShutDown, ShutDown, Close, Close, Close, Release, Release, Abort]))
}
