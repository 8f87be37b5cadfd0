//! The stack under test, its clock, and the packets that cross its device.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use adieu_core::wire::ip::Datagram;
use adieu_core::wire::{Flags, Packet, Segment, checksum};
use adieu_core::{Config, Flow, Instant, Secrets, Seq, Stack, State};
use adieu_trace::{End, Event, Numbers, Side, Trace, What};

use super::flows::Flows;
use super::settings::Settings;
use super::wire::Wire;

/// The stack's time when the script begins.
const BEGINNING: Instant = Instant::from_secs(1);

/// A packet that has left.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Since the script's beginning.
    pub(crate) at: Duration,
    pub(crate) wire: Option<Wire>,
}

/// The stack and what it sees of the world.
pub(crate) struct Machine {
    pub(crate) stack: Stack,
    pub(crate) flows: Flows,
    now: Instant,
    sent: VecDeque<Sent>,
    /// Packets that came in since the stack was asked last.
    unanswered: usize,
    round: usize,
    trace: Trace,
    numbers: Numbers,
    followed: Option<Flow>,
    state: State,
}

impl Machine {
    pub(crate) fn new(settings: &Settings) -> Self {
        let [ours, peers] = addresses(settings.ipv6);
        let mtu = settings.config.mtu.saturating_add(if settings.ipv6 { 20 } else { 0 });
        let config = Config { addresses: vec![ours], mtu, ..settings.config.clone() };
        let [iss, _] = settings.isn.numbers();
        let secrets = Secrets::from_bytes([7; 48]).with_initial_seq(Seq(iss));
        let name = |name: &str, address| End { name: name.into(), address: SocketAddr::new(address, 0) };
        Self {
            stack: Stack::new(config, secrets, checksum::sum),
            flows: Flows::new(settings, ours, peers),
            now: BEGINNING,
            sent: VecDeque::new(),
            unanswered: 0,
            round: settings.round.max(1),
            trace: Trace::new([name("adieu", ours), name("script", peers)]),
            numbers: Numbers::default(),
            followed: None,
            state: State::Closed,
        }
    }

    /// Since the script's beginning.
    pub(crate) fn now(&self) -> Duration {
        self.now.since(BEGINNING)
    }

    /// The same on the stack's clock.
    pub(crate) fn instant(&self) -> Instant {
        self.now
    }

    /// When the stack's next timer is due.
    pub(crate) fn next_timer(&self) -> Option<Duration> {
        let next = self.stack.poll_timeout();
        (next != Instant::NEVER).then(|| next.since(BEGINNING))
    }

    /// Lets time pass, without a timer in between, then fires what is due.
    pub(crate) fn run_to(&mut self, at: Duration) {
        self.settle();
        self.now = self.now.max(BEGINNING + at);
        self.stack.handle_timeout(self.now);
        self.settle();
    }

    /// A packet comes in. It is answered once a round is full.
    pub(crate) fn inject(&mut self, bytes: Vec<u8>) {
        self.record(Side::Right, &bytes);
        self.stack.handle_packet(self.now, Packet::new(&bytes));
        self.observe();
        self.unanswered += 1;
        if self.unanswered >= self.round {
            self.settle();
        }
    }

    /// Takes what the stack wants to send now.
    pub(crate) fn settle(&mut self) {
        self.unanswered = 0;
        self.observe();
        while let Some(packet) = self.stack.poll_transmit(self.now) {
            let bytes = packet.to_vec();
            self.record(Side::Left, &bytes);
            self.sent.push_back(Sent { at: self.now(), wire: Wire::parse(&bytes) });
            self.stack.recycle(packet);
        }
        self.observe();
        while self.stack.poll_notified().is_some() {}
        while self.stack.poll_acceptable().is_some() {}
    }

    /// The oldest packet that has left and was not looked at.
    pub(crate) fn pop(&mut self) -> Option<Sent> {
        self.sent.pop_front()
    }

    /// How many packets have crossed the device.
    pub(crate) fn packets(&self) -> usize {
        self.trace.packets.len()
    }

    /// Writes down what the application does.
    pub(crate) fn note(&mut self, text: String) {
        let at = self.trace_time();
        self.trace.events.push(Event { at, what: What::App { side: Side::Left, text } });
    }

    pub(crate) fn take_trace(&mut self) -> Trace {
        let ends = self.trace.ends.clone();
        std::mem::replace(&mut self.trace, Trace::new(ends))
    }

    fn trace_time(&self) -> Instant {
        Instant::ZERO + self.now()
    }

    fn record(&mut self, from: Side, bytes: &[u8]) {
        let at = self.trace_time();
        self.trace.capture(at, from, Some(at), bytes);
        let Ok(datagram) = Datagram::parse(bytes) else { return };
        let packet = Packet::new(bytes);
        let Some(segment) = Segment::parse(datagram.body, &packet) else { return };
        let source = SocketAddr::new(datagram.source, segment.source);
        let destination = SocketAddr::new(datagram.destination, segment.destination);
        let flow = if from == Side::Left { Flow::new(source, destination) } else { Flow::new(destination, source) };
        if self.followed.is_none() && segment.flags.has(Flags::SYN) {
            self.followed = Some(flow);
            self.trace.ends[0].address = flow.local();
            self.trace.ends[1].address = flow.remote();
        }
        if self.followed == Some(flow) {
            self.observe();
            let seen = self.numbers.see(from, &segment, Some(at));
            self.trace.events.push(Event { at, what: What::Segment(seen) });
        }
    }

    fn observe(&mut self) {
        let Some(flow) = self.followed else { return };
        let (from, to) = (self.state, self.stack.flow_state(&flow));
        if from != to {
            self.state = to;
            let at = self.trace_time();
            self.trace.events.push(Event { at, what: What::State { side: Side::Left, from, to } });
        }
    }
}

/// The stack's address and the peer's: those of the language's defaults for IPv4.
pub(crate) fn addresses(ipv6: bool) -> [IpAddr; 2] {
    if ipv6 {
        return [Ipv6Addr::new(0xfd3d, 0xfa7b, 0xd17d, 0, 0, 0, 0, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)]
            .map(IpAddr::V6);
    }
    [Ipv4Addr::new(192, 168, 0, 1), Ipv4Addr::new(192, 0, 2, 1)].map(IpAddr::V4)
}
