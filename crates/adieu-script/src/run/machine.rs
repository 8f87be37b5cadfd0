//! Our stack under test, in virtual time, and the packets that cross its device.

mod choices;
mod insight;
mod parameters;
mod system;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use adieu_core::wire::{Packet, checksum};
use adieu_core::{Config, Flow, Instant, Keepalive, Secrets, Seq, Stack, State};
use adieu_trace::{Side, Trace};

use super::host::{Host, Id, Pace, Sent};
use super::record::Record;
use super::settings::{Policy, Settings};
use system::Socket;

/// The stack's time when the script begins.
const BEGINNING: Instant = Instant::from_secs(1);

/// The stack and what it sees of the world.
pub(crate) struct Machine {
    stack: Stack,
    addresses: [IpAddr; 2],
    initial: u32,
    now: Instant,
    sent: VecDeque<Sent>,
    /// Packets that came in since the stack was asked last.
    unanswered: usize,
    round: usize,
    record: Record,
    sockets: BTreeMap<Id, Socket>,
    next: u32,
    policy: Policy,
    /// What a new socket would ask an idle peer, and when.
    keepalive: Keepalive,
}

impl Machine {
    pub(crate) fn new(settings: &Settings) -> Self {
        let addresses = addresses(settings.ipv6);
        let mtu = settings.config.mtu.saturating_add(if settings.ipv6 { 20 } else { 0 });
        let config = Config { addresses: vec![addresses[0]], mtu, ..settings.config.clone() };
        let [initial, _] = settings.isn.numbers();
        let secrets = Secrets::from_bytes([7; 48]).with_initial_seq(Seq(initial));
        Self {
            stack: Stack::new(config, secrets, checksum::sum),
            addresses,
            initial,
            now: BEGINNING,
            sent: VecDeque::new(),
            unanswered: 0,
            round: settings.round.max(1),
            record: Record::new("adieu", addresses),
            sockets: BTreeMap::new(),
            next: 0,
            policy: settings.policy,
            keepalive: Keepalive::default(),
        }
    }

    fn record(&mut self, from: Side, bytes: &[u8]) {
        let at = self.now();
        self.record.packet(at, from, bytes, |flow| self.stack.flow_state(flow));
    }

    fn observe(&mut self) {
        let Some(flow) = self.record.followed() else { return };
        self.record.state(self.now(), self.stack.flow_state(&flow));
    }
}

impl Host for Machine {
    fn addresses(&self) -> [IpAddr; 2] {
        self.addresses
    }

    fn initial_number(&self) -> Option<u32> {
        Some(self.initial)
    }

    fn pace(&self) -> Pace {
        Pace { tolerance: Duration::ZERO, rounding: 0.0, moment: Duration::from_millis(1) }
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn now(&self) -> Duration {
        self.now.since(BEGINNING)
    }

    fn settle(&mut self) {
        self.unanswered = 0;
        self.observe();
        while let Some(packet) = self.stack.poll_transmit(self.now) {
            let bytes = packet.to_vec();
            self.record(Side::Left, &bytes);
            self.sent.push_back(Sent { at: self.now(), bytes });
            self.stack.recycle(packet);
        }
        self.observe();
        while self.stack.poll_notified().is_some() {}
        while self.stack.poll_acceptable().is_some() {}
    }

    /// On to the next timer.
    fn step(&mut self, limit: Duration) -> bool {
        let next = self.stack.poll_timeout();
        if next == Instant::NEVER || next.since(BEGINNING) > limit {
            return false;
        }
        self.run_to(next.since(BEGINNING));
        true
    }

    /// Lets time pass, without a timer in between, then fires what is due.
    fn run_to(&mut self, at: Duration) {
        self.settle();
        self.now = self.now.max(BEGINNING + at);
        self.stack.handle_timeout(self.now);
        self.settle();
    }

    /// It is answered once a round is full.
    fn inject(&mut self, bytes: Vec<u8>) {
        self.record(Side::Right, &bytes);
        self.stack.handle_packet(self.now, Packet::new(&bytes));
        self.observe();
        self.unanswered += 1;
        if self.unanswered >= self.round {
            self.settle();
        }
    }

    fn pop(&mut self) -> Option<Sent> {
        self.sent.pop_front()
    }

    fn packets(&self) -> usize {
        self.record.packets()
    }

    fn state_of(&self, flow: &Flow) -> State {
        self.stack.flow_state(flow)
    }

    fn note(&mut self, text: String) {
        self.record.note(self.now(), text);
    }

    fn take_trace(&mut self) -> Trace {
        self.record.take()
    }

    fn trouble(&self) -> Option<String> {
        None
    }
}

/// The stack's address and the peer's: those of the language's defaults for IPv4.
fn addresses(ipv6: bool) -> [IpAddr; 2] {
    if ipv6 {
        return [Ipv6Addr::new(0xfd3d, 0xfa7b, 0xd17d, 0, 0, 0, 0, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)]
            .map(IpAddr::V6);
    }
    [Ipv4Addr::new(192, 168, 0, 1), Ipv4Addr::new(192, 0, 2, 1)].map(IpAddr::V4)
}
