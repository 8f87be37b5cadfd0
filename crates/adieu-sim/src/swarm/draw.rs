//! How a seed draws a world.

use adieu_core::{Algorithm, Config, DrainBudget, Duration, Ecn, Keepalive, Seq, Settings, State, Unwanted};
use adieu_trace::Side;

use super::dice::Dice;
use super::plan::{Deed, Forgery, Impatience, Incident, Mishap, Plan, Port, Program, Reading, Talk, When};
use crate::{Class, Deed as Strike, Fault, IcmpError, Narrow, Strikes, TooBig, Wire};

/// How bad the network is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Weather {
    /// Nothing is lost.
    Calm,
    /// Things are lost until it heals.
    Healing,
    /// Things are lost all the time.
    Fair,
    /// From some moment on nothing gets through.
    Dead,
}

/// Streams of chance, one for each kind of thing.
const CONFIG: u64 = 1;
const WEATHER: u64 = 3;
const INCIDENTS: u64 = 4;
const SIEGE: u64 = 6;
const TALKS: u64 = 1000;

impl Plan {
    /// What a seed means.
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0);
        let reuse = dice.chance(20);
        let wraps = !reuse && dice.chance(25);
        let weather = match dice.range(0, 99) {
            0..=24 => Weather::Calm,
            25..=64 => Weather::Healing,
            65..=84 => Weather::Fair,
            _ => Weather::Dead,
        };
        let mut config = [0, 1].map(|side| config(&mut Dice::new(seed, CONFIG + side), reuse));
        let ipv6 = dice.chance(40);
        if ipv6 {
            config.iter_mut().for_each(|config| config.mtu = config.mtu.max(1280));
        }
        let count = usize::try_from(dice.pick(&[1, 2, 4, 8, 16, 24, 32, 64])).unwrap_or(1);
        let span = dice.pick(&[
            Duration::from_millis(1),
            Duration::from_secs(1),
            Duration::from_secs(10),
            Duration::from_secs(60),
        ]);
        let mut talks: Vec<Talk> = (0..count)
            .map(|number| talk(&mut Dice::new(seed, TALKS + number as u64), number, span, reuse, &config))
            .collect();
        if wraps {
            // Numbers that all connections count by: only a flow that comes once has some of its own.
            talks.iter_mut().for_each(|talk| talk.port = Port::Any);
        }
        // A connection that a cookie opens has no beginning that shows from outside, by which attempts with the same
        // ports could be told apart.
        if talks.iter().any(|talk| talk.port != Port::Any) {
            config.iter_mut().for_each(|config| config.syn_cookies = false);
        }
        let mut incidents = incidents(&mut Dice::new(seed, INCIDENTS), weather, count, reuse);
        if !reuse && matches!(weather, Weather::Fair | Weather::Dead) {
            besiege(&mut Dice::new(seed, SIEGE), &mut config, &mut incidents, count);
        }
        // While a clock stands still, initial numbers do, too: nobody can tell connections with the same ports apart
        // (RFC 9293 section 3.4.1).
        let once = !reuse && talks.iter().all(|talk| talk.port == Port::Any);
        incidents.retain(|incident| once || !matches!(incident.what, Mishap::Stop(..)));
        for incident in &incidents {
            if let Mishap::Act { talk, side, .. } = incident.what {
                let program = &mut talks[talk].programs[side as usize];
                program.driven = true;
                if program.deeds.is_empty() {
                    program.deeds.push((time(&mut dice, 300), Deed::Release)); // Nobody stays for ever.
                }
            }
        }
        let mut sky = Dice::new(seed, WEATHER);
        let initial = starts(&mut sky, &talks, wraps);
        Self {
            seed,
            config,
            initial,
            ipv6,
            wire: wire(&mut sky, weather),
            listens: [0, 1].map(|_| dice.chance(97)),
            accept_pace: if dice.chance(70) { Duration::ZERO } else { Duration::from_secs(dice.range(1, 5)) },
            reuse,
            heals: (weather == Weather::Healing)
                .then(|| sky.log_time(Duration::from_millis(100), Duration::from_secs(300))),
            incidents,
            talks,
            promise: None,
        }
    }
}

fn time(dice: &mut Dice, secs: u64) -> Duration {
    let most = dice.pick(&[Duration::from_millis(300), Duration::from_secs(secs.min(3)), Duration::from_secs(secs)]);
    dice.time(most)
}

// ---- hosts -----------------------------------------------------------------------------------------------------

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
    if reuse {
        config.ephemeral_ports = (50_000, 50_003);
    } else if dice.chance(20) {
        config.unsafe_short_time_wait = true;
        config.time_wait_budget = dice.pick(&[1, 52, 104, 1 << 20]);
    }
    let config = extend(dice, limit(dice.clone(), config, reuse));
    grow(dice.clone(), config)
}

/// What fits it to its path: buffers that grow, from the size they would have had, and the pace.
fn grow(mut dice: Dice, mut config: Config) -> Config {
    // A source of its own, apart from what comes after.
    let dice = &mut Dice::new(dice.range(0, u64::MAX - 1), 1);
    if dice.chance(15) {
        let most = config.receive_buffer.saturating_mul(dice.small_u32(1, 64));
        config.receive_buffer_limits = (config.receive_buffer, most);
        config.receive_buffer = 0;
    }
    if dice.chance(15) {
        let most = config.send_buffer.saturating_mul(dice.small_u32(1, 64));
        config.send_buffer_limits = (config.send_buffer, most);
        config.send_buffer = 0;
    }
    config.congestion = dice.pick(&[Algorithm::Cubic, Algorithm::Reno]);
    config.ecn = dice.pick(&[Ecn::Off, Ecn::Accept, Ecn::Ask, Ecn::Ask]);
    config.path_probes = dice.chance(70);
    config.pacing = dice.chance(15);
    config
}

/// What a buffer begins with.
fn first(fixed: u32, limits: (u32, u32)) -> u64 {
    u64::from(if fixed > 0 { fixed } else { limits.0 })
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

/// What a host puts up with.
fn limit(mut dice: Dice, mut config: Config, reuse: bool) -> Config {
    // A source of its own, apart from what comes after.
    let dice = &mut Dice::new(dice.range(0, u64::MAX - 1), 0);
    if dice.chance(10) {
        config.max_orphans = dice.small_u32(1, 8);
    }
    if dice.chance(10) {
        config.orphan_bytes = usize::try_from(dice.log(1, 1 << 16)).unwrap_or(1);
    }
    if dice.chance(10) {
        config.memory = usize::try_from(dice.log(1 << 10, 1 << 20)).unwrap_or(1);
    }
    if dice.chance(10) {
        config.fin_wait_2_budget = usize::try_from(dice.log(1, 1 << 10)).unwrap_or(1);
    }
    if dice.chance(10) {
        config.tombstone_budget = usize::try_from(dice.log(1, 1 << 10)).unwrap_or(1);
    }
    if dice.chance(10) {
        config.challenges = dice.small_u8(1, 10);
    }
    if dice.chance(5) {
        config.reset_ends_time_wait = true;
    }
    if dice.chance(10) {
        config.orphan_time = Duration::from_secs(dice.log(1, 600));
    }
    // Records that give way, where their ports are wanted again (TW-14).
    if reuse && dice.chance(20) {
        config.time_wait_budget = dice.pick(&[1, 52, 104, 208]);
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
        half_close_idle: dice.chance(6).then(|| secs(dice, 100)),
        half_close_total: dice.chance(6).then(|| secs(dice, 200)),
        nodelay: dice.chance(30),
        keepalive,
        user_timeout: dice.chance(15).then(|| secs(dice, 100)),
        exchange_user_timeout: dice.chance(20),
        max_segment: None,
        dscp: dice.small_u8(0, 63),
        congestion: None,
        ecn: None,
        report_trouble: dice.chance(80),
    }
}

/// Now and then a FIN that comes again for longer than TIME-WAIT may last: what answers it is lost (3.5).
fn besiege(dice: &mut Dice, config: &mut [Config; 2], incidents: &mut Vec<Incident>, talks: usize) {
    if !dice.chance(10) {
        return;
    }
    let (talk, side) = (dice.index(talks), dice.side());
    let (closer, peer) = (side as usize, side.other() as usize);
    config[closer].unsafe_short_time_wait = true;
    config[closer].time_wait = Duration::from_secs(dice.range(4, 8));
    config[peer].max_rto = Duration::from_secs(3);
    config[peer].retries = 15;
    let when = When::After { talk, side, state: State::FinWait2, events: 0 };
    incidents.push(Incident { when, what: Mishap::LinkDown(side, Duration::from_secs(100)) });
}

// ---- the network -----------------------------------------------------------------------------------------------

fn wire(dice: &mut Dice, weather: Weather) -> Wire {
    let mut wire = Wire { delay: Duration::from_micros(dice.log(1, 80_000)), ..Wire::default() };
    if weather == Weather::Calm {
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

fn incidents(dice: &mut Dice, weather: Weather, talks: usize, reuse: bool) -> Vec<Incident> {
    let mut incidents = Vec::new();
    if dice.chance(20) {
        incidents.push(Incident { when: When::At(time(dice, 20)), what: Mishap::Wire(wire(dice, weather)) });
    }
    for side in [Side::Left, Side::Right] {
        if dice.chance(8) {
            incidents.push(Incident { when: when(dice, talks), what: Mishap::Unlisten(side) });
            if dice.chance(50) {
                incidents.push(Incident { when: When::At(time(dice, 60)), what: Mishap::Listen(side) });
            }
        }
    }
    if dice.chance(30) {
        for _ in 0..dice.range(1, 10) {
            incidents.push(act(dice, talks));
        }
    }
    if reuse && dice.chance(40) {
        for _ in 0..dice.range(1, 3) {
            let what = Mishap::Timestamps(dice.side(), dice.chance(50));
            incidents.push(Incident { when: When::At(time(dice, 100)), what });
        }
    }
    if weather == Weather::Calm {
        return incidents;
    }
    for _ in 0..dice.pick(&[0, 0, 1, 1, 1, 2]) {
        let lasts = Duration::from_millis(dice.log(10, 900_000));
        incidents.push(Incident { when: when(dice, talks), what: Mishap::Outage(Some(lasts)) });
    }
    if weather == Weather::Dead {
        incidents.push(Incident { when: when(dice, talks), what: Mishap::Outage(None) });
    }
    if dice.chance(25) {
        incidents.push(Incident { when: when(dice, talks), what: host_mishap(dice, reuse) });
    }
    // Each world has its own few kinds of trouble: all at once would hide one another.
    for _ in 0..dice.pick(&[0, 0, 1, 2, 3, 6]) {
        incidents.push(Incident { when: When::At(Duration::ZERO), what: Mishap::Fault(fault(dice)) });
    }
    for _ in 0..dice.pick(&[0, 0, 0, 1, 2]) {
        incidents.push(Incident { when: when(dice, talks), what: path_mishap(dice) });
    }
    if dice.chance(20) {
        for _ in 0..dice.range(1, 12) {
            let what = Mishap::Forge(dice.side(), forgery(dice));
            incidents.push(Incident { when: when(dice, talks), what });
        }
    }
    if dice.chance(15) {
        for _ in 0..dice.range(1, 6) {
            let what = Mishap::Icmp { to: dice.side(), error: icmp_error(dice), forged: dice.chance(30) };
            incidents.push(Incident { when: when(dice, talks), what });
        }
    }
    incidents
}

/// An application acts when its connection is in some state: what a time drawn beforehand would seldom meet.
fn act(dice: &mut Dice, talks: usize) -> Incident {
    let (talk, side) = (dice.index(talks), dice.side());
    let state = some_state(dice);
    let deed = match dice.range(0, 3) {
        0 => Deed::Release,
        1 => Deed::Close,
        _ => deed(dice),
    };
    let when = When::After { talk, side, state, events: dice.pick(&[0, 0, 0, 1, 3]) };
    Incident { when, what: Mishap::Act { talk, side, deed } }
}

/// What befalls a host.
fn host_mishap(dice: &mut Dice, reuse: bool) -> Mishap {
    let side = dice.side();
    match dice.range(0, 12) {
        // A program that forgets its TIME-WAIT cannot tell old segments from new ones when its ports come round again.
        0..=2 => {
            let dead = if dice.chance(50) { Duration::ZERO } else { time(dice, 60) };
            Mishap::Restart { side, records: reuse || dice.chance(50), dead }
        }
        3 => Mishap::CloseAll(side),
        4 => Mishap::AbortAll(side),
        5 => Mishap::RemoveAddress { side, reachable: dice.chance(50) },
        6 => Mishap::Unplug(side, time(dice, 30)),
        7 => Mishap::Full(side, time(dice, 30)),
        8 => Mishap::Suspend(side, time(dice, 100), dice.index(64)),
        9 => Mishap::Leap(side, time(dice, 300)),
        10 => Mishap::Stop(side, time(dice, 60)),
        _ => Mishap::Squeeze(side, time(dice, 60)),
    }
}

/// What befalls the path.
fn path_mishap(dice: &mut Dice) -> Mishap {
    match dice.range(0, 2) {
        0 => Mishap::LinkDown(dice.side(), Duration::from_millis(dice.log(10, 100_000))),
        1 => {
            let mtu = dice.pick(&[296, 576, 1006, 1280, 1400]);
            let says = dice.pick(&[TooBig::Told, TooBig::Told, TooBig::Unsized, TooBig::Silent]);
            Mishap::Narrow(dice.side(), Narrow { mtu, says })
        }
        _ => {
            let idle = Duration::from_millis(dice.log(100, 100_000));
            Mishap::Nat { inside: dice.side(), idle, resets: dice.chance(50) }
        }
    }
}

/// Segments of one class, lost, late, twice or damaged.
fn fault(dice: &mut Dice) -> Fault {
    use Class::{Ack, Data, Fin, Probe, Rst, Syn, SynAck};
    let class = dice.pick(&[Syn, SynAck, Data, Fin, Fin, Fin, Ack, Ack, Rst, Probe]);
    let strikes = match dice.range(0, 2) {
        0 => Strikes::Chance(dice.small_u32(1, 600_000)),
        1 => Strikes::Nth(dice.range(1, 8)),
        _ => Strikes::First(dice.range(1, 8)),
    };
    let later = Duration::from_millis(dice.log(1, 20_000));
    let strike = match dice.range(0, 9) {
        0..=3 => Strike::Lose,
        4..=5 => Strike::Hold(later),
        6..=7 => Strike::Again(later),
        8 => Strike::Mark,
        _ => Strike::Corrupt,
    };
    let fault = Fault::new(class, strikes, strike);
    if dice.chance(50) { fault.from(dice.side()) } else { fault }
}

fn forgery(dice: &mut Dice) -> Forgery {
    let far = dice.small_u32(1, 100_000);
    match dice.range(0, 9) {
        0 => Forgery::Reset,
        1..=3 => Forgery::ResetInWindow(dice.small_u32(1, 1_000)),
        4 => Forgery::ResetBefore(far),
        5 => Forgery::Syn(dice.small_u32(0, 1_000)),
        6 => Forgery::OldAck(far),
        7 if far.is_multiple_of(2) => Forgery::AckNext,
        7 => Forgery::AckBeyond(far),
        8 => {
            if dice.chance(50) {
                Forgery::OldFin(far)
            } else {
                Forgery::FinBeyond(far)
            }
        }
        _ => Forgery::DataBeyond(far),
    }
}

fn icmp_error(dice: &mut Dice) -> IcmpError {
    use IcmpError::{
        AdminProhibited, HostUnreachable, NetUnreachable, ParameterProblem, PortUnreachable, ProtocolUnreachable,
        TimeExceeded, TooBig,
    };
    let mtu = dice.pick(&[0, 68, 576, 1280, 1492, 65_535]);
    dice.pick(&[
        AdminProhibited,
        HostUnreachable,
        NetUnreachable,
        ParameterProblem,
        PortUnreachable,
        ProtocolUnreachable,
        TimeExceeded,
        TooBig(mtu),
    ])
}

fn when(dice: &mut Dice, talks: usize) -> When {
    if dice.chance(40) {
        return When::At(time(dice, 30));
    }
    let (talk, side, state) = (dice.index(talks), dice.side(), some_state(dice));
    When::After { talk, side, state, events: dice.pick(&[0, 0, 0, 1, 2, 5]) }
}

/// Those that pass quickly are as likely as the others.
fn some_state(dice: &mut Dice) -> State {
    use State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent, TimeWait};
    dice.pick(&[
        SynSent,
        SynReceived,
        Established,
        FinWait1,
        FinWait2,
        CloseWait,
        Closing,
        Closing,
        LastAck,
        LastAck,
        TimeWait,
    ])
}

// ---- the applications ------------------------------------------------------------------------------------------

fn talk(dice: &mut Dice, number: usize, span: Duration, reuse: bool, config: &[Config; 2]) -> Talk {
    let port = match dice.range(0, 99) {
        0..=9 => Port::Crossing(dice.time(Duration::from_millis(100))),
        10..=34 if reuse => Port::Own,
        _ => Port::Any,
    };
    let span = if reuse { span * 10 } else { span };
    let both_gentle = dice.chance(35);
    let mut programs = [0, 1].map(|side: usize| program(dice, both_gentle, &config[side], &config[1 - side]));
    if dice.chance(8) {
        close_at_once(dice, &mut programs);
    }
    // Two that wait for each other's end of stream wait for ever.
    programs[0].shut_down_early |= !programs[1].shut_down_early;
    for (reader, writer) in [(0, 1), (1, 0)] {
        if let Reading::Slow(most) = &mut programs[reader].reading {
            *most = (*most).max(usize::try_from(programs[writer].total / 2000).unwrap_or(1)); // Within an hour.
        }
    }
    let at = dice.time(span);
    Talk { number, at, opener: dice.side(), port, programs, settings: [settings(dice), settings(dice)] }
}

/// Where numbers begin that are to wrap with one of the connections, by a clock of 4 us; as the secrets say otherwise.
fn starts(sky: &mut Dice, talks: &[Talk], wraps: bool) -> [Option<Seq>; 2] {
    let ticks = talks[sky.index(talks.len())].at.as_micros() / 4;
    let gone = u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(0);
    let start = |sky: &mut Dice| Seq(0_u32.wrapping_sub(sky.small_u32(1, 60_000)).wrapping_sub(gone));
    [0, 1].map(|_| (wraps && sky.chance(80)).then(|| start(sky)))
}

/// Both ends close at nearly the same time, so that their FINs may cross (SC-1).
fn close_at_once(dice: &mut Dice, programs: &mut [Program; 2]) {
    let at = time(dice, 5);
    for program in programs {
        let jitter = dice.time(Duration::from_millis(20));
        program.deeds = vec![(at + jitter, Deed::ShutDown), (at + jitter + time(dice, 100), Deed::Release)];
    }
}

fn program(dice: &mut Dice, gentle: bool, own: &Config, peer: &Config) -> Program {
    // Some tens of segments, whatever the sizes: a world is about endings, not about volume.
    let segment = u64::from(own.mtu.min(peer.mtu)).saturating_sub(40).max(28);
    let theirs = first(peer.receive_buffer, peer.receive_buffer_limits);
    let at_once = segment.min(first(own.send_buffer, own.send_buffer_limits)).min(theirs);
    let total = if dice.chance(20) { 0 } else { dice.log(1, at_once * 40) };
    let reading = match dice.range(0, 9) {
        0..=5 => Reading::Eager,
        6..=7 => Reading::Slow(usize::try_from(dice.log(at_once.min(64), 65_536)).unwrap_or(1)),
        _ => Reading::After(time(dice, 300)),
    };
    let count = if gentle || dice.chance(20) { 0 } else { dice.pick(&[1, 1, 2, 3]) };
    let mut deeds: Vec<(Duration, Deed)> = (0..count).map(|_| (time(dice, 60), deed(dice))).collect();
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
        driven: false,
    }
}

fn deed(dice: &mut Dice) -> Deed {
    use Deed::{Abort, Close, CloseDrain, Linger, Release, ShutDown, ShutDownRead, ZeroLinger};
    match dice.range(0, 19) {
        0..=3 => ShutDown,
        4..=7 => Close,
        8..=10 => Release,
        11 | 12 => Abort,
        13 => ShutDownRead(dice.pick(&[Unwanted::Refuse, Unwanted::Discard])),
        14 | 15 => {
            let time = Duration::from_millis(dice.log(1, 100_000));
            CloseDrain(DrainBudget { bytes: dice.log(1, 1 << 17), time })
        }
        16 | 17 => ZeroLinger,
        _ => {
            let impatience = dice.pick(&[Impatience::Continue, Impatience::Abort, Impatience::Abort]);
            Linger(Duration::from_millis(dice.log(1, 30_000)), impatience)
        }
    }
}
