//! What tells stacks apart for a model checker: equal digests mean equal futures, and what matters changes them.

mod script;

use std::hash::{DefaultHasher, Hasher};
use std::net::SocketAddr;

use adieu_core::wire::{Packet, checksum};
use adieu_core::{Config, Duration, HandleId, Instant, Outlook, Secrets, Seq, Stack};
use script::{config, ms, secs};

fn digest(stack: &Stack, now: Instant) -> u64 {
    let mut hasher = DefaultHasher::new();
    stack.digest(now, Outlook::NoNewConnections, &mut hasher);
    hasher.finish()
}

/// Two stacks with a connection, whose clocks began at `at`; numbers are the same whenever they begin.
struct Two {
    stacks: [Stack; 2],
    now: [Instant; 2],
    handles: [Option<HandleId>; 2],
    wire: Vec<(usize, Vec<u8>)>,
}

fn address(side: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, if side == 0 { 1 } else { 2 }], if side == 0 { 4000 } else { 80 }))
}

fn plain() -> Config {
    Config {
        timestamps: false,
        syn_cookies: false,
        stray_resets: u32::MAX,
        min_rto: secs(1),
        max_rto: secs(4),
        ..config()
    }
}

impl Two {
    fn new(at: [Instant; 2], change: fn(&mut Config)) -> Self {
        let stacks = [0, 1].map(|side| {
            let mut config = Config { addresses: vec![address(side).ip()], ..plain() };
            change(&mut config);
            let secrets = Secrets::from_bytes([9; 48]).with_initial_seq(Seq(u32::MAX));
            Stack::new(config, secrets, checksum::sum)
        });
        let mut two = Self { stacks, now: at, handles: [None; 2], wire: Vec::new() };
        let listener = two.stacks[1].listen(address(1)).unwrap();
        two.handles[0] = Some(two.stacks[0].connect(at[0], Some(address(0)), address(1)).unwrap());
        two.flush();
        while !two.wire.is_empty() {
            two.deliver(0);
        }
        two.handles[1] = two.stacks[1].accept(listener);
        assert!(two.handles[1].is_some());
        two
    }

    fn flush(&mut self) {
        for side in 0..2 {
            while let Some(packet) = self.stacks[side].poll_transmit(self.now[side]) {
                self.wire.push((side, packet.to_vec()));
            }
            while self.stacks[side].poll_notified().is_some() {}
            while self.stacks[side].poll_acceptable().is_some() {}
        }
    }

    fn deliver(&mut self, place: usize) {
        let (from, bytes) = self.wire.remove(place);
        self.stacks[1 - from].handle_packet(self.now[1 - from], Packet::new(&bytes));
        self.flush();
    }

    /// One of the things that can happen, chosen by a number; what it has returned.
    fn step(&mut self, number: u64) -> String {
        let side = usize::from(number & 1 == 1);
        let (stack, now) = (&mut self.stacks[side], self.now[side]);
        let place = usize::try_from(number >> 8).unwrap() % self.wire.len().max(1);
        let said = match (number >> 1) % 16 {
            0 | 1 => self.handles[side].map(|handle| format!("{:?}", stack.write(now, handle, b"abc"))),
            2 => self.handles[side].map(|handle| format!("{:?}", stack.read(now, handle, &mut [0; 2]))),
            3 => {
                self.handles[side].inspect(|handle| stack.shut_down(now, *handle));
                None
            }
            4 if number.is_multiple_of(5) => {
                self.handles[side].inspect(|handle| stack.close(now, *handle));
                None
            }
            5 if number.is_multiple_of(7) => {
                self.handles[side].inspect(|handle| stack.abort(now, *handle));
                None
            }
            6 if number.is_multiple_of(3) => {
                self.handles[side].take().inspect(|handle| stack.release(now, *handle));
                None
            }
            7 | 8 => {
                let due = stack.poll_timeout();
                if due != Instant::NEVER {
                    self.now[side] = now.max(due);
                    stack.handle_timeout(self.now[side]);
                }
                (due != Instant::NEVER).then(|| format!("{:?}", due.since(now)))
            }
            9 => {
                self.now[side] += ms(40);
                stack.handle_timeout(self.now[side]);
                None
            }
            10 if !self.wire.is_empty() => {
                self.wire.remove(place);
                None
            }
            _ if !self.wire.is_empty() => {
                self.deliver(place);
                None
            }
            _ => None,
        };
        self.flush();
        said.unwrap_or_default()
    }

    fn digests(&self) -> [u64; 2] {
        [0, 1].map(|side| digest(&self.stacks[side], self.now[side]))
    }
}

/// A row of numbers that looks like chance.
fn chance(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 16
    })
}

/// The same walk at another time: all that is said, sent and waited for is the same, and so is the digest.
#[test]
fn runs_that_differ_only_in_when_they_began_have_one_digest() {
    let early = [secs(16), secs(32)].map(|at| Instant::ZERO + at);
    let late = [Duration::from_millis(16 * 123_456_789), secs(16 * 777)].map(|at| Instant::ZERO + at);
    for (seed, change) in (0..60).flat_map(|seed| CHANGES.map(|change| (seed, change))) {
        let [mut first, mut second] = [early, late].map(|at| Two::new(at, change));
        for (at, number) in chance(seed).take(60).enumerate() {
            assert_eq!(first.digests(), second.digests(), "walk {seed} before step {at}");
            assert_eq!(first.step(number), second.step(number), "walk {seed}, step {at}");
            assert_eq!(first.wire, second.wire, "walk {seed}, step {at}");
        }
    }
}

const CHANGES: [fn(&mut Config); 3] = [
    |_| {},
    |config| (config.selective_acks, config.loss_probes, config.ack_delay) = (false, false, Duration::ZERO),
    |config| (config.receive_buffer, config.send_buffer, config.mtu) = (4, 6, 100),
];

/// States with one digest, wherever in two walks they turn up, do the same from there on.
#[test]
fn equal_digests_have_equal_futures() {
    let at = [secs(16), secs(32)].map(|at| Instant::ZERO + at);
    let mut known = std::collections::BTreeMap::new();
    let mut met = 0;
    for seed in 0..150 {
        let mut two = Two::new(at, CHANGES[1]);
        for number in chance(seed).take(25) {
            _ = two.step(number);
            let shown = (two.digests(), two.wire.clone(), two.handles.map(|handle| handle.is_some()));
            let now = [0, 1].map(|side| two.stacks[side].clone());
            let copy = Two { stacks: now, now: two.now, handles: two.handles, wire: two.wire.clone() };
            let Some(mut other) = known.insert(shown, copy) else { continue };
            let now = [0, 1].map(|side| two.stacks[side].clone());
            let mut this = Two { stacks: now, now: two.now, handles: two.handles, wire: two.wire.clone() };
            met += 1;
            for (at, number) in chance(seed + 1_000).take(12).enumerate() {
                assert_eq!(this.step(number), other.step(number), "walk {seed}, step {at} after the meeting");
                assert_eq!(this.wire, other.wire, "walk {seed}, step {at} after the meeting");
                assert_eq!(this.digests(), other.digests(), "walk {seed}, step {at} after the meeting");
            }
        }
    }
    assert!(met > 300, "only {met} states were met twice");
}

/// What can matter changes the digest; what cannot does not.
#[test]
fn a_digest_changes_with_everything_that_matters() {
    let at = [secs(16), secs(32)].map(|at| Instant::ZERO + at);
    let begun = || Two::new(at, CHANGES[1]);
    let before = begun().digests();
    type Change = (&'static str, fn(&mut Two));
    let changes: [Change; 8] = [
        ("a byte that was written", |two| _ = two.stacks[0].write(two.now[0], two.handles[0].unwrap(), b"a")),
        ("another byte", |two| _ = two.stacks[0].write(two.now[0], two.handles[0].unwrap(), b"b")),
        ("a FIN that is queued", |two| two.stacks[0].shut_down(two.now[0], two.handles[0].unwrap())),
        ("a full close", |two| two.stacks[0].close(two.now[0], two.handles[0].unwrap())),
        ("a reset", |two| two.stacks[0].abort(two.now[0], two.handles[0].unwrap())),
        ("a handle that is gone", |two| two.stacks[0].release(two.now[0], two.handles[0].unwrap())),
        ("zero linger", |two| two.stacks[0].set_zero_linger(two.now[0], two.handles[0].unwrap(), true)),
        ("another listener", |two| _ = two.stacks[0].listen(SocketAddr::from(([10, 0, 0, 1], 81)))),
    ];
    let mut seen = std::collections::BTreeSet::from([before[0]]);
    for (what, change) in changes {
        let mut two = begun();
        change(&mut two);
        assert!(seen.insert(two.digests()[0]), "{what}");
    }
    let mut two = begun();
    two.stacks[0].set_label(two.handles[0].unwrap(), "a name");
    assert_eq!(two.digests(), before, "a label is for people");
}

/// A deadline counts by how long it is away.
#[test]
fn a_digest_tells_how_long_a_timer_has_to_run() {
    let at = [secs(16), secs(32)].map(|at| Instant::ZERO + at);
    let mut two = Two::new(at, CHANGES[1]);
    _ = two.stacks[0].write(two.now[0], two.handles[0].unwrap(), b"a");
    two.flush();
    let then = digest(&two.stacks[0], two.now[0]);
    assert_ne!(digest(&two.stacks[0], two.now[0] + ms(16)), then);
}

/// Where a connection may still begin, the clock of initial numbers counts; where all begin alike, it does not.
#[test]
fn an_outlook_without_connections_forgets_the_clock_of_initial_numbers() {
    let of = |secrets: Secrets, at: u64, outlook| {
        let stack = Stack::new(plain(), secrets, checksum::sum);
        let mut hasher = DefaultHasher::new();
        stack.digest(Instant::ZERO + secs(16 * at), outlook, &mut hasher);
        hasher.finish()
    };
    let keys = || Secrets::from_bytes([9; 48]);
    let fixed = || keys().with_initial_seq(Seq(7));
    assert_ne!(of(keys(), 1, Outlook::Anything), of(keys(), 2, Outlook::Anything));
    assert_eq!(of(keys(), 1, Outlook::NoNewConnections), of(keys(), 2, Outlook::NoNewConnections));
    assert_eq!(of(fixed(), 1, Outlook::Anything), of(fixed(), 2, Outlook::Anything));
}
