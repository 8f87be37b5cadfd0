//! Two hosts, a wire, one clock, one seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use adieu_core::wire::{Flags, Segment, checksum};
use adieu_core::{
    CarryError, Config, ConnectError, DrainBudget, Duration, Flow, HandleId, Imported, Instant, Leftover, Receipt,
    Secrets, Seq, Stack, State, Stats, Unwanted,
};
use adieu_trace::{End, Event, Numbers, Side, Trace, What};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::capture::Capture;
use crate::device::{Port, Sent};
use crate::life::Life;
use crate::sightings::{self, Sightings};
use crate::{Device, Forged, Goal, Heard, Host, Path, Rule, Sight, Verdict, Wire};
use tap::Tap;

mod hazards;
mod outside;
mod tap;

pub use outside::Quote;
pub use tap::{Happened, Occurrence, Summary};

/// What a world begins with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// All that is random comes of this.
    pub seed: u64,
    /// Left and right host's configuration; their addresses are set by the world.
    pub config: [Config; 2],
    /// The wire.
    pub wire: Wire,
    /// What to call the hosts.
    pub names: [&'static str; 2],
    /// IPv6 instead of IPv4.
    pub ipv6: bool,
    /// The left host's port; the right host's is 80.
    pub port: u16,
    /// Left and right host's device.
    pub device: [Device; 2],
    /// Where each host's sequence numbers begin at time zero, if not where its secrets say; until it is restarted.
    pub initial: [Option<Seq>; 2],
    /// Which connection the trace follows: the first, 0, as soon as it is begun by a call of the world's, or else the
    /// one with this number in the order of their first SYNs.
    pub follow: usize,
}

impl Setup {
    /// Default hosts and wire.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            config: [Config::default(), Config::default()],
            wire: Wire::default(),
            names: ["client", "server"],
            ipv6: false,
            port: 49152,
            device: [Device::Plain; 2],
            initial: [None; 2],
            follow: 0,
        }
    }
}

/// The hosts, the packets between them, and the clock.
#[derive(Debug)]
pub struct World {
    now: Instant,
    hosts: [Host; 2],
    /// What the wire does from now on.
    pub wire: Wire,
    /// Applications act on what has arrived before it is answered, so that their word goes with the answer: the goal of
    /// [`World::run_until`] is looked at before the hosts send, too. Default off.
    pub prompt: bool,
    /// Faults aimed at single packets of the followed connection; the first that decides counts.
    pub rules: Vec<Rule>,
    /// What else stands between the hosts: faults of all flows, links that are down or narrow, a middlebox.
    pub path: Path,
    ports: [Port; 2],
    /// When the wire is free again, for what leaves on each side.
    free_at: [Instant; 2],
    in_flight: BTreeMap<(Instant, u64), (Side, Vec<u8>)>,
    packets: u64,
    rng: ChaCha8Rng,
    trace: Trace,
    numbers: Numbers,
    initial: [Option<Seq>; 2],
    /// The connection that the trace follows, seen from the left.
    followed: Option<Flow>,
    /// Its number, until it has begun.
    follow: usize,
    sightings: Sightings,
    capture: Option<Capture>,
    states: [State; 2],
    /// What happens to every flow, where somebody wants to know.
    tap: Option<Box<Tap>>,
}

const SIDES: [Side; 2] = [Side::Left, Side::Right];

impl World {
    /// A world at time zero.
    pub fn new(setup: Setup) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(setup.seed);
        let [left, right] = setup.config;
        let mut host = |config: Config, last: u8, port: u16, initial: Option<Seq>| {
            let address = match setup.ipv6 {
                false => SocketAddr::from(([10, 0, 0, last], port)),
                true => SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)], port)),
            };
            let config = Config { addresses: vec![address.ip()], ..config };
            let mut secret = [0; 48];
            rng.fill_bytes(&mut secret);
            let secrets = Secrets::from_bytes(secret);
            let secrets = match initial {
                Some(start) => secrets.with_counting_seq(start),
                None => secrets,
            };
            Host::new(Stack::new(config, secrets, checksum::sum), address)
        };
        let [first, second] = setup.initial;
        let hosts = [host(left, 1, setup.port, first), host(right, 2, 80, second)];
        let ends = [0, 1].map(|n| End { name: setup.names[n].into(), address: hosts[n].address });
        Self {
            now: Instant::ZERO,
            hosts,
            wire: setup.wire,
            prompt: false,
            rules: Vec::new(),
            path: Path::new(setup.seed),
            ports: setup.device.map(Port::new),
            free_at: [Instant::ZERO; 2],
            in_flight: BTreeMap::new(),
            packets: 0,
            rng,
            trace: Trace::new(ends),
            numbers: Numbers::default(),
            initial: [None; 2],
            followed: None,
            follow: setup.follow,
            sightings: Sightings::default(),
            capture: None,
            states: [State::Closed; 2],
            tap: None,
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A host, to look at or to call its stack.
    pub fn host(&mut self, side: Side) -> &mut Host {
        &mut self.hosts[side as usize]
    }

    /// What a host's stack has counted.
    pub fn stats(&self, side: Side) -> Stats {
        self.hosts[side as usize].stack.stats()
    }

    /// What has happened on the connection that is followed.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The state of the followed connection at one end; the port is free where it is CLOSED.
    pub fn state(&self, side: Side) -> State {
        self.states[side as usize]
    }

    /// The receipt of a handle's connection, once that has ended.
    pub fn receipt(&self, side: Side, handle: HandleId) -> Option<Receipt> {
        self.hosts[side as usize].stack.receipt(handle)
    }

    /// Whether no packet is under way and no timer is armed.
    pub fn is_quiet(&self) -> bool {
        self.next_step() == Instant::NEVER
    }

    // ---- the applications --------------------------------------------------------------------------------------

    /// Lets a host listen at its address.
    pub fn listen(&mut self, side: Side) {
        let host = self.host(side);
        host.listener = Some(host.stack.listen(host.address).expect("a fresh host's port is free"));
        self.note(side, "listen");
        self.observe();
    }

    /// Begins a connection from one host to the other, from its own port.
    pub fn connect(&mut self, side: Side) -> HandleId {
        self.note(side, "connect");
        self.try_connect(side).expect("the port is free")
    }

    /// The same, where the port may be taken.
    pub fn try_connect(&mut self, side: Side) -> Result<HandleId, ConnectError> {
        let remote = self.hosts[side.other() as usize].address;
        let local = self.hosts[side as usize].address;
        self.connect_from(side, local, remote)
    }

    /// Begins a connection from any free port.
    pub fn connect_anew(&mut self, side: Side) -> HandleId {
        self.try_connect_anew(side).expect("a port is free")
    }

    /// The same, where none may be.
    pub fn try_connect_anew(&mut self, side: Side) -> Result<HandleId, ConnectError> {
        let remote = self.hosts[side.other() as usize].address;
        let local = SocketAddr::new(self.hosts[side as usize].address.ip(), 0);
        self.connect_from(side, local, remote)
    }

    /// Begins a connection from this address and port; any free port where it is 0.
    pub fn connect_from(
        &mut self,
        side: Side,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<HandleId, ConnectError> {
        let now = self.time(side);
        let handle = self.host(side).stack.connect(now, Some(local), remote)?;
        let flow = self.host(side).stack.flow(handle).expect("it has just begun");
        if self.follow == 0 {
            self.followed.get_or_insert(match side {
                Side::Left => flow,
                Side::Right => Flow::new(flow.remote(), flow.local()),
            });
        }
        self.observe();
        Ok(handle)
    }

    /// Writes all of `data`, as far as there is room, and says how much.
    pub fn write(&mut self, side: Side, handle: HandleId, data: &[u8]) -> usize {
        let now = self.time(side);
        let written = self.host(side).stack.write(now, handle, data).unwrap_or(0);
        self.observe();
        written
    }

    /// Reads what is there.
    pub fn read(&mut self, side: Side, handle: HandleId) -> Heard {
        let now = self.time(side);
        let mut data = vec![0; 64 * 1024];
        let read = self.host(side).stack.read(now, handle, &mut data);
        self.observe();
        match read {
            Ok(0) => Heard::EndOfStream,
            Ok(n) => {
                data.truncate(n);
                Heard::Data(data)
            }
            Err(adieu_core::ReadError::Blocked) => Heard::Nothing,
            Err(adieu_core::ReadError::Ended(ending)) => Heard::Failed(ending),
        }
    }

    /// Half-close.
    pub fn shut_down(&mut self, side: Side, handle: HandleId) {
        let now = self.time(side);
        self.host(side).stack.shut_down(now, handle);
        self.observe();
    }

    /// Full close; the handle stays for the receipt.
    pub fn close(&mut self, side: Side, handle: HandleId) {
        let now = self.time(side);
        self.host(side).stack.close(now, handle);
        self.observe();
    }

    /// No more reading; what comes is refused or thrown away.
    pub fn shut_down_read(&mut self, side: Side, handle: HandleId, unwanted: Unwanted) {
        let now = self.time(side);
        self.host(side).stack.shut_down_read(now, handle, unwanted);
        self.observe();
    }

    /// Full close that takes in what still comes, and throws it away, within a budget.
    pub fn close_drain(&mut self, side: Side, handle: HandleId, budget: DrainBudget) {
        let now = self.time(side);
        self.host(side).stack.close_drain(now, handle, budget);
        self.observe();
    }

    /// A closed connection is given up: its application would wait no longer.
    pub fn linger_expired(&mut self, side: Side, handle: HandleId) {
        let now = self.time(side);
        self.host(side).stack.linger_expired(now, handle);
        self.observe();
    }

    /// Reset.
    pub fn abort(&mut self, side: Side, handle: HandleId) {
        let now = self.time(side);
        self.host(side).stack.abort(now, handle);
        self.observe();
    }

    /// Drops the handle: a full close that goes on without it.
    pub fn release(&mut self, side: Side, handle: HandleId) {
        let now = self.time(side);
        self.host(side).stack.release(now, handle);
        self.observe();
    }

    // ---- the program -------------------------------------------------------------------------------------------

    /// A host's program is gone without a word, and another begins in its place: the same configuration, other secrets,
    /// and nothing of what was before. Handles of the old one are of no use any more.
    pub fn restart(&mut self, side: Side) {
        let mut secret = [0; 48];
        self.rng.fill_bytes(&mut secret);
        let host = self.host(side);
        host.stack = Stack::new(host.stack.config().clone(), Secrets::from_bytes(secret), checksum::sum);
        host.listener = None;
        host.life = Life::Awake;
        self.observe();
    }

    /// The clock on the wall: time since 1970, which outlives programs.
    pub fn wall(&self) -> Duration {
        Duration::from_secs(1_700_000_000) + self.now.since(Instant::ZERO)
    }

    /// A host's TIME-WAIT records, as bytes to be kept over a restart.
    pub fn export_time_wait(&mut self, side: Side) -> Vec<u8> {
        let (now, wall) = (self.time(side), self.wall());
        self.host(side).stack.export_time_wait(now, wall)
    }

    /// Gives a host's program TIME-WAIT records of the one before it.
    pub fn import_time_wait(&mut self, side: Side, records: &[u8]) -> Result<Imported, CarryError> {
        let (now, wall) = (self.time(side), self.wall());
        let imported = self.host(side).stack.import_time_wait(now, wall, records);
        self.observe();
        imported
    }

    /// Writes down what an application did or saw.
    pub fn note(&mut self, side: Side, text: impl Into<String>) {
        self.trace.events.push(Event { at: self.now, what: What::App { side, text: text.into() } });
    }

    // ---- time --------------------------------------------------------------------------------------------------

    /// Runs until `goal` is reached, and says whether it was within `limit`. The goal is looked at after every event.
    pub fn run_until(&mut self, limit: Duration, mut goal: impl FnMut(&mut Self) -> bool) -> bool {
        let deadline = self.now + limit;
        self.transmit();
        while !goal(self) {
            self.transmit();
            let next = self.next_event();
            if next > deadline {
                self.now = deadline;
                return false;
            }
            self.now = self.now.max(next);
            self.happen();
            if self.prompt && goal(self) {
                break;
            }
            self.transmit();
        }
        true
    }

    /// Lets `time` pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Runs until no packet is on the wire and no timer is armed, and says whether that was within `limit`.
    pub fn run_out(&mut self, limit: Duration) -> bool {
        self.run_to(limit, &Goal::Quiet)
    }

    fn next_event(&self) -> Instant {
        self.next_step().min(self.path.next_event(self.now))
    }

    /// When a packet arrives or a host does something.
    fn next_step(&self) -> Instant {
        let arrival = self.in_flight.first_key_value().map_or(Instant::NEVER, |((at, _), _)| *at);
        SIDES.map(|side| self.next_of(side)).into_iter().fold(arrival, Instant::min)
    }

    /// All that is due now: packets first, in the order they were sent, then timers.
    fn happen(&mut self) {
        self.wake_who_is_due();
        while let Some(entry) = self.in_flight.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, bytes) = entry.remove();
            self.deliver(to, bytes);
            self.observe();
        }
        SIDES.into_iter().for_each(|side| self.fire_timers(side));
        self.observe();
    }

    /// Puts on the wire what the hosts want to send.
    fn transmit(&mut self) {
        for side in SIDES {
            let (now, local) = (self.now, self.time(side));
            while self.hosts[side as usize].life.is_awake() && !self.ports[side as usize].is_full(now) {
                let stack = &mut self.hosts[side as usize].stack;
                let port = &mut self.ports[side as usize];
                let Some((packet, again)) = port.next(|| stack.poll_transmit(local)) else { break };
                match port.send(now, packet, again) {
                    Sent::Out(bytes) => self.put_on_wire(side, &bytes),
                    Sent::Lost(bytes) => {
                        self.tap_sent(side, &bytes, 0);
                        let seen = sightings::read(side, &bytes);
                        self.see(side, seen.as_ref());
                        self.record(side, &bytes, seen.as_ref(), None);
                    }
                    Sent::Refused => {}
                }
                self.observe();
            }
            self.host(side).drain_notified();
            while let Some((flow, receipt)) = self.host(side).stack.poll_receipt() {
                let host = self.host(side);
                host.receipts.push(receipt);
                host.flows.push(flow);
                self.tap_ended(side, flow, receipt);
            }
            while self.tap.is_some()
                && let Some((flow, how)) = self.host(side).stack.poll_released()
            {
                self.tap_released(side, flow, how);
            }
        }
    }

    fn put_on_wire(&mut self, from: Side, bytes: &[u8]) {
        let leaves = self.now.max(self.free_at[from as usize]) + self.wire.busy(bytes.len());
        self.free_at[from as usize] = leaves;
        let queued = self.path.queue(leaves, from, bytes.len());
        let leaves = queued.unwrap_or(leaves);
        let arrivals = self.wire.arrivals(leaves, &mut self.rng);
        let seen = sightings::read(from, bytes);
        let class = self.see(from, seen.as_ref());
        let sighted = seen.as_ref().zip(class).map(|((flow, _), class)| (flow, class));
        let treated = self.treat(from, sighted, bytes);
        let sent = bytes;
        let mut bytes = treated.bytes.unwrap_or_else(|| sent.to_vec());
        let verdict = self.judge(from, seen.as_ref()).or(treated.verdict.unwrap_or(Verdict::Pass));
        if verdict == Verdict::Mark {
            bytes = outside::marked(&bytes);
        }
        let arrivals = match verdict {
            _ if queued.is_none() => Vec::new(),
            Verdict::Pass | Verdict::Mark => arrivals,
            Verdict::Lose => Vec::new(),
            Verdict::Hold(longer) => arrivals.into_iter().map(|at| at + longer).collect(),
            Verdict::Again(later) => arrivals.into_iter().flat_map(|at| [at, at + later]).collect(),
        };
        self.tap_sent(from, sent, arrivals.len());
        self.record(from, &bytes, seen.as_ref(), arrivals.first().copied());
        for at in arrivals {
            self.arrive(at, from.other(), bytes.clone());
        }
        if let Some(answer) = treated.answer {
            self.arrive_unasked(leaves + self.wire.delay, from, answer);
        }
    }

    fn arrive(&mut self, at: Instant, to: Side, bytes: Vec<u8>) {
        self.packets += 1;
        self.in_flight.insert((at, self.packets), (to, bytes));
    }

    /// What the rules say of a packet of the followed connection.
    fn judge(&mut self, from: Side, seen: Option<&(Flow, Segment<'_>)>) -> Verdict {
        let Some((_, segment)) = seen.filter(|(flow, _)| self.followed == Some(*flow)) else { return Verdict::Pass };
        let segment = { self.numbers }.see(from, segment, None);
        let sight = Sight { at: self.now, segment };
        let mut verdicts = self.rules.iter_mut().map(|rule| rule.decide(&sight));
        verdicts.find(|verdict| *verdict != Verdict::Pass).unwrap_or(Verdict::Pass)
    }

    /// Puts a segment before a host that seems to come from the other end of the followed connection.
    ///
    /// # Panics
    /// Before both ends have sent their SYN.
    pub fn forge(&mut self, to: Side, forged: Forged<'_>) {
        let from = to.other();
        let start = |side: Side| self.initial[side as usize].expect("both ends have sent their SYN");
        let flow = self.followed.expect("there is a connection");
        let (source, destination) = match from {
            Side::Left => (flow.local(), flow.remote()),
            Side::Right => (flow.remote(), flow.local()),
        };
        let bytes = forged.packet([source, destination], [start(from), start(to)]);
        self.arrive_forged(to, bytes);
    }

    // ---- the trace ---------------------------------------------------------------------------------------------

    fn record(&mut self, from: Side, bytes: &[u8], seen: Option<&(Flow, Segment<'_>)>, arrives: Option<Instant>) {
        self.keep(from, arrives, bytes);
        let Some((_, segment)) = seen.filter(|(flow, _)| self.followed == Some(*flow)) else { return };
        let initial = segment.flags.has(Flags::SYN).then_some(segment.seq);
        let seen = self.numbers.see(from, segment, arrives);
        self.initial[from as usize] = self.initial[from as usize].or(initial);
        self.trace.capture(self.now, from, arrives, bytes);
        self.trace.events.push(Event { at: self.now, what: What::Segment(seen) });
    }

    /// Writes down changes of state.
    fn observe(&mut self) {
        for side in SIDES {
            let (from, to) = (self.states[side as usize], self.look(side));
            if from != to {
                self.states[side as usize] = to;
                self.trace.events.push(Event { at: self.now, what: What::State { side, from, to } });
            }
        }
    }

    fn look(&self, side: Side) -> State {
        let host = &self.hosts[side as usize];
        let flow = self.followed.map(|flow| match side {
            Side::Left => flow,
            Side::Right => Flow::new(flow.remote(), flow.local()),
        });
        let state = flow.map_or(State::Closed, |flow| host.stack.flow_state(&flow));
        let fresh = matches!(self.states[side as usize], State::Closed | State::Listen)
            && !self
                .trace
                .events
                .iter()
                .any(|event| matches!(event.what, What::State { side: at, from: State::Listen, .. } if at == side));
        if state == State::Closed && host.listener.is_some() && fresh { State::Listen } else { state }
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    /// What a host still holds besides its listener.
    pub fn leftover(&self, side: Side) -> Leftover {
        let leftover = self.hosts[side as usize].stack.leftover();
        Leftover { listeners: 0, ..leftover }
    }

    /// Runs until all is quiet, then demands that no connection, timer, byte, port, handle or packet is left over.
    ///
    /// # Panics
    /// Where something is, or where it is not quiet after an hour.
    pub fn assert_nothing_left(&mut self) {
        assert!(
            self.run_out(Duration::from_secs(3600)),
            "not quiet after an hour: {:?}",
            SIDES.map(|side| self.leftover(side))
        );
        for side in SIDES {
            assert_eq!(self.leftover(side), Leftover::default(), "{side:?} at {:?}", self.now);
        }
    }
}
