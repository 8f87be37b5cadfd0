//! Two hosts, a wire, one clock, one seed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use adieu_core::wire::ip::Datagram;
use adieu_core::wire::{Packet, Segment, checksum};
use adieu_core::{Config, Duration, Flow, HandleId, Instant, Leftover, Secrets, Stack, State};
use adieu_trace::{End, Event, Numbers, Side, Trace, What};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::{Heard, Host, Wire};

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
}

impl Setup {
    /// Default hosts and wire.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            config: [Config::default(), Config::default()],
            wire: Wire::default(),
            names: ["client", "server"],
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
    in_flight: BTreeMap<(Instant, u64), (Side, Vec<u8>)>,
    packets: u64,
    rng: ChaCha8Rng,
    trace: Trace,
    numbers: Numbers,
    /// The connection that the trace follows, seen from the left: the first one.
    followed: Option<Flow>,
    states: [State; 2],
}

const SIDES: [Side; 2] = [Side::Left, Side::Right];

impl World {
    /// A world at time zero.
    pub fn new(setup: Setup) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(setup.seed);
        let [left, right] = setup.config;
        let mut host = |config: Config, last: u8, port: u16| {
            let address = SocketAddr::from(([10, 0, 0, last], port));
            let config = Config { addresses: vec![address.ip()], ..config };
            let mut secret = [0; 48];
            rng.fill_bytes(&mut secret);
            Host::new(Stack::new(config, Secrets::from_bytes(secret), checksum::sum), address)
        };
        let hosts = [host(left, 1, 49152), host(right, 2, 80)];
        let ends = [0, 1].map(|n| End { name: setup.names[n].into(), address: hosts[n].address });
        Self {
            now: Instant::ZERO,
            hosts,
            wire: setup.wire,
            in_flight: BTreeMap::new(),
            packets: 0,
            rng,
            trace: Trace { ends, events: Vec::new() },
            numbers: Numbers::default(),
            followed: None,
            states: [State::Closed; 2],
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

    /// What has happened on the first connection.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The state of the first connection at one end; the port is free where it is CLOSED.
    pub fn state(&self, side: Side) -> State {
        self.states[side as usize]
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
        let remote = self.hosts[side.other() as usize].address;
        let local = self.hosts[side as usize].address;
        self.note(side, "connect");
        self.connect_from(side, local, remote)
    }

    /// Begins a connection from any free port.
    pub fn connect_anew(&mut self, side: Side) -> HandleId {
        let remote = self.hosts[side.other() as usize].address;
        let local = SocketAddr::new(self.hosts[side as usize].address.ip(), 0);
        self.connect_from(side, local, remote)
    }

    fn connect_from(&mut self, side: Side, local: SocketAddr, remote: SocketAddr) -> HandleId {
        let now = self.now;
        let handle = self.host(side).stack.connect(now, Some(local), remote).expect("the port is free");
        let flow = self.host(side).stack.flow(handle).expect("it has just begun");
        self.followed.get_or_insert(match side {
            Side::Left => flow,
            Side::Right => Flow::new(flow.remote(), flow.local()),
        });
        self.observe();
        handle
    }

    /// Writes all of `data`, as far as there is room, and says how much.
    pub fn write(&mut self, side: Side, handle: HandleId, data: &[u8]) -> usize {
        let now = self.now;
        let written = self.host(side).stack.write(now, handle, data).unwrap_or(0);
        self.observe();
        written
    }

    /// Reads what is there.
    pub fn read(&mut self, side: Side, handle: HandleId) -> Heard {
        let now = self.now;
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
        let now = self.now;
        self.host(side).stack.shut_down(now, handle);
        self.observe();
    }

    /// Full close; the handle stays for the receipt.
    pub fn close(&mut self, side: Side, handle: HandleId) {
        let now = self.now;
        self.host(side).stack.close(now, handle);
        self.observe();
    }

    /// Reset.
    pub fn abort(&mut self, side: Side, handle: HandleId) {
        let now = self.now;
        self.host(side).stack.abort(now, handle);
        self.observe();
    }

    /// Drops the handle: a full close that goes on without it.
    pub fn release(&mut self, side: Side, handle: HandleId) {
        let now = self.now;
        self.host(side).stack.release(now, handle);
        self.observe();
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
        self.run_until(limit, |world| world.next_event() == Instant::NEVER)
    }

    fn next_event(&self) -> Instant {
        let arrival = self.in_flight.first_key_value().map_or(Instant::NEVER, |((at, _), _)| *at);
        self.hosts.iter().map(|host| host.stack.poll_timeout()).fold(arrival, Instant::min)
    }

    /// All that is due now: packets first, in the order they were sent, then timers.
    fn happen(&mut self) {
        while let Some(entry) = self.in_flight.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, bytes) = entry.remove();
            let now = self.now;
            self.host(to).stack.handle_packet(now, Packet::new(&bytes));
            self.observe();
        }
        for host in &mut self.hosts {
            host.stack.handle_timeout(self.now);
        }
        self.observe();
    }

    /// Puts on the wire what the hosts want to send.
    fn transmit(&mut self) {
        for side in SIDES {
            let now = self.now;
            while let Some(packet) = self.host(side).stack.poll_transmit(now) {
                self.put_on_wire(side, packet.to_vec());
                self.observe();
            }
            let host = self.host(side);
            host.drain_notified();
            while let Some((_, receipt)) = host.stack.poll_receipt() {
                host.receipts.push(receipt);
            }
        }
    }

    fn put_on_wire(&mut self, from: Side, bytes: Vec<u8>) {
        let arrivals = self.wire.arrivals(self.now, &mut self.rng);
        self.record(from, &bytes, arrivals.first().copied());
        for at in arrivals {
            self.packets += 1;
            self.in_flight.insert((at, self.packets), (from.other(), bytes.clone()));
        }
    }

    // ---- the trace ---------------------------------------------------------------------------------------------

    fn record(&mut self, from: Side, bytes: &[u8], arrives: Option<Instant>) {
        let Ok(datagram) = Datagram::parse(bytes) else { return };
        let packet = Packet::new(bytes);
        let Some(segment) = Segment::parse(datagram.body, &packet) else { return };
        let ends = |address: IpAddr, port| SocketAddr::new(address, port);
        let (source, destination) =
            (ends(datagram.source, segment.source), ends(datagram.destination, segment.destination));
        let flow = match from {
            Side::Left => Flow::new(source, destination),
            Side::Right => Flow::new(destination, source),
        };
        if self.followed == Some(flow) {
            let seen = self.numbers.see(from, &segment, arrives);
            self.trace.events.push(Event { at: self.now, what: What::Segment(seen) });
        }
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
