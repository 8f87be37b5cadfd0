//! What happened on the first connection of a script, as a trace.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use adieu_core::wire::ip::Datagram;
use adieu_core::wire::{Flags, Packet, Segment};
use adieu_core::{Flow, Instant, State};
use adieu_trace::{End, Event, Numbers, Side, Trace, What};

/// Writes the trace of a script. What is tested is the left end, the script the right one.
#[derive(Debug)]
pub struct Record {
    trace: Trace,
    numbers: Numbers,
    followed: Option<Flow>,
    state: State,
}

impl Record {
    /// For a system of that name, with its address and the peer's.
    pub fn new(name: &str, [ours, peers]: [IpAddr; 2]) -> Self {
        let end = |name: &str, address| End { name: name.into(), address: SocketAddr::new(address, 0) };
        Self {
            trace: Trace::new([end(name, ours), end("script", peers)]),
            numbers: Numbers::default(),
            followed: None,
            state: State::Closed,
        }
    }

    /// The connection that is followed: the first one. Its state should be written down whenever it may have changed.
    pub fn followed(&self) -> Option<Flow> {
        self.followed
    }

    /// How many packets there were.
    pub fn packets(&self) -> usize {
        self.trace.packets.len()
    }

    /// A packet, from its IP header on; `state` is asked where it belongs to the connection that is followed.
    pub fn packet(&mut self, at: Duration, from: Side, bytes: &[u8], state: impl FnOnce(&Flow) -> State) {
        let time = Instant::ZERO + at;
        self.trace.capture(time, from, Some(time), bytes);
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
            self.state(at, state(&flow));
            let seen = self.numbers.see(from, &segment, Some(time));
            self.trace.events.push(Event { at: time, what: What::Segment(seen) });
        }
    }

    /// The state of the connection that is followed.
    pub fn state(&mut self, at: Duration, to: State) {
        let from = std::mem::replace(&mut self.state, to);
        if from != to {
            let what = What::State { side: Side::Left, from, to };
            self.trace.events.push(Event { at: Instant::ZERO + at, what });
        }
    }

    /// What the application does.
    pub fn note(&mut self, at: Duration, text: String) {
        let what = What::App { side: Side::Left, text };
        self.trace.events.push(Event { at: Instant::ZERO + at, what });
    }

    /// What there is so far; another one begins.
    pub fn take(&mut self) -> Trace {
        let ends = self.trace.ends.clone();
        std::mem::replace(&mut self.trace, Trace::new(ends))
    }
}
