//! Who sees everything: each segment on the wire, our state and the kernel's around it, and what applications do.
//!
//! One thread runs it all, so the order in which it is written down is the order in which it happened.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use adieu::device::{Fate, Impairment};
use adieu::{Direction, Flow, Net, State, Tapped};
use adieu_core::Instant;
use adieu_core::wire::ip::Datagram;
use adieu_core::wire::{Flags, Packet, Segment};
use adieu_core::{Duration, Seq};
use adieu_sim::{Forged, Rule, Sight, Verdict};
use adieu_trace::{Event, Numbers, SegmentSeen, Side, Trace, What};

use crate::diag::{Diag, Socket};

/// The trace of the first connection, and the rules for its packets.
#[derive(Clone)]
pub(super) struct Watch(Arc<Mutex<Seen>>);

pub(super) struct Seen {
    began: tokio::time::Instant,
    /// Which end is adieu.
    adieu: Side,
    pub(super) trace: Trace,
    numbers: Numbers,
    initial: [Option<Seq>; 2],
    diag: Diag,
    /// The connection, seen from adieu: the first whose SYN was seen.
    flow: Option<Flow>,
    states: [State; 2],
    /// What the kernel holds of it.
    socket: Option<Socket>,
    rules: Vec<Rule>,
    /// What was decided about the packet that is just being sent.
    outgoing: Option<(SegmentSeen, Fate)>,
    /// Packets that will arrive later, and where they stand in the trace.
    late: Vec<Late>,
}

/// Shorter times are not told apart.
const STEP: Duration = Duration::from_micros(500);

struct Late {
    event: usize,
    packet: usize,
    bytes: Vec<u8>,
}

impl Watch {
    pub(super) fn new(adieu: Side, trace: Trace, diag: Diag) -> Self {
        Self(Arc::new(Mutex::new(Seen {
            began: tokio::time::Instant::now(),
            adieu,
            trace,
            numbers: Numbers::default(),
            initial: [None; 2],
            diag,
            flow: None,
            states: [State::Closed; 2],
            socket: None,
            rules: Vec::new(),
            outgoing: None,
            late: Vec::new(),
        })))
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        // All is one thread: where this is taken, somebody up the stack has it, and waiting would be for ever.
        self.0.try_lock().expect("nobody holds what was seen across a call")
    }

    /// What is called for each packet that crosses the device.
    pub(super) fn tap(&self) -> impl FnMut(Tapped<'_>) + Send + 'static {
        let watch = self.clone();
        move |tapped| watch.seen().tapped(&tapped)
    }

    /// Looks at both ends: after a call, and now and then, since timers tell nobody.
    pub(super) fn look(&self, net: &Net) {
        let flow = self.seen().flow;
        let state = flow.map(|flow| net.state(&flow));
        let mut seen = self.seen();
        if let Some(state) = state {
            let adieu = seen.adieu;
            seen.enter(adieu, state);
        }
        seen.look_at_kernel();
    }
}

impl Impairment for Watch {
    fn decide(&mut self, direction: Direction, packet: &[u8]) -> Fate {
        self.seen().decide(direction, packet)
    }

    fn late(&mut self, direction: Direction, packet: &[u8]) {
        self.seen().arrived(direction, packet);
    }
}

impl Seen {
    /// The time, in steps: what happens at about the same time stands in the same rows of the ladder.
    fn now(&self) -> Instant {
        let now = Instant::ZERO + self.began.elapsed();
        let last = self.trace.events.last().map_or(Instant::ZERO, |event| event.at);
        if now.since(last) < STEP { last } else { now }
    }

    pub(super) fn state(&self, side: Side) -> State {
        self.states[side as usize]
    }

    pub(super) fn socket(&self) -> Option<Socket> {
        self.socket
    }

    pub(super) fn flow(&self) -> Option<Flow> {
        self.flow
    }

    pub(super) fn note(&mut self, side: Side, text: impl Into<String>) {
        let at = self.now();
        self.trace.events.push(Event { at, what: What::App { side, text: text.into() } });
    }

    pub(super) fn rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub(super) fn no_more_rules(&mut self) {
        self.rules.clear();
    }

    /// An end is in this state now; written down where it is a new one.
    pub(super) fn enter(&mut self, side: Side, to: State) {
        let from = self.states[side as usize];
        // A listener is there before the connection, and beside it.
        let unborn = from == State::Listen && to == State::Closed;
        if from != to && !unborn {
            self.states[side as usize] = to;
            let at = self.now();
            self.trace.events.push(Event { at, what: What::State { side, from, to } });
        }
    }

    fn look_at_kernel(&mut self) {
        let Some(flow) = self.flow else { return };
        // An error is no answer: what was known before still stands.
        let Ok(socket) = self.diag.look(flow.remote(), flow.local()) else { return };
        self.socket = socket;
        self.enter(self.adieu.other(), socket.map_or(State::Closed, |socket| socket.state));
    }

    /// A packet with whole checksums, as the given side's own.
    pub(super) fn forge(&mut self, from: Side, forged: &Forged<'_>) -> Option<Vec<u8>> {
        let [own, peer] = [from, from.other()];
        let numbers = [self.initial[own as usize]?, self.initial[peer as usize]?];
        let addresses = [own, peer].map(|side| self.trace.ends[side as usize].address);
        let bytes = forged.packet(addresses, numbers);
        let now = self.now();
        // What was forged is nothing that was sent.
        let numbers = self.numbers;
        let (_, segment) = self.read(from, &bytes)?;
        self.numbers = numbers;
        self.record(segment, Some(now), &bytes);
        Some(bytes)
    }

    /// The flow and the segment of a packet, if it belongs to the connection; the first SYN makes it the one.
    fn read(&mut self, from: Side, bytes: &[u8]) -> Option<(Flow, SegmentSeen)> {
        let datagram = Datagram::parse(bytes).ok()?;
        let packet = Packet::new(bytes);
        let segment = Segment::parse(datagram.body, &packet)?;
        let source = SocketAddr::new(datagram.source, segment.source);
        let destination = SocketAddr::new(datagram.destination, segment.destination);
        let flow = if from == self.adieu { Flow::new(source, destination) } else { Flow::new(destination, source) };
        let is_syn = segment.flags.has(Flags::SYN);
        if self.flow.is_none() && is_syn {
            self.flow = Some(flow);
            self.trace.ends[self.adieu as usize].address = flow.local();
            self.trace.ends[self.adieu.other() as usize].address = flow.remote();
        }
        if self.flow != Some(flow) {
            return None;
        }
        if is_syn {
            self.initial[from as usize] = self.initial[from as usize].or(Some(segment.seq));
        }
        Some((flow, self.numbers.see(from, &segment, None)))
    }

    fn decide(&mut self, direction: Direction, bytes: &[u8]) -> Fate {
        let from = self.sender(direction);
        self.outgoing = None;
        let Some((_, segment)) = self.read(from, bytes) else { return Fate::Pass };
        let sight = Sight { at: self.now(), segment };
        let verdict = self.rules.iter_mut().map(|rule| rule.decide(&sight)).find(|verdict| *verdict != Verdict::Pass);
        let fate = match verdict.unwrap_or(Verdict::Pass) {
            Verdict::Pass => Fate::Pass,
            Verdict::Lose => Fate::Lose,
            Verdict::Hold(by) => Fate::Delay(by),
            Verdict::Mark => Fate::Pass, // The scenarios with the kernel do without ECN.
            Verdict::Again(after) => Fate::Repeat(after),
        };
        match direction {
            Direction::In => {
                // The kernel's state is that of the moment it sent this: nothing has happened to it since.
                self.look_at_kernel();
                self.put_down(segment, fate, bytes);
            }
            // Our own state comes first, and the tap knows it.
            Direction::Out => self.outgoing = Some((segment, fate)),
        }
        fate
    }

    fn tapped(&mut self, tapped: &Tapped<'_>) {
        let adieu = self.adieu;
        if let Some(flow) = self.flow {
            self.enter(adieu, tapped.state(&flow));
        }
        if tapped.direction == Direction::Out
            && let Some((segment, fate)) = self.outgoing.take()
        {
            self.put_down(segment, fate, tapped.packet);
            self.look_at_kernel();
        }
    }

    fn sender(&self, direction: Direction) -> Side {
        match direction {
            Direction::Out => self.adieu,
            Direction::In => self.adieu.other(),
        }
    }

    /// Writes a segment down as far as is known what becomes of it.
    fn put_down(&mut self, segment: SegmentSeen, fate: Fate, bytes: &[u8]) {
        let arrives = match fate {
            Fate::Pass | Fate::Repeat(_) => Some(self.now()),
            Fate::Lose | Fate::Delay(_) => None,
        };
        if let Fate::Delay(_) = fate {
            let (event, packet) = (self.trace.events.len(), self.trace.packets.len());
            self.late.push(Late { event, packet, bytes: bytes.to_vec() });
        }
        self.record(segment, arrives, bytes);
    }

    fn record(&mut self, segment: SegmentSeen, arrives: Option<Instant>, bytes: &[u8]) {
        let at = self.now();
        // A delay of nothing would be drawn as a line that leans.
        let arrives = arrives.map(|_| at);
        self.trace.capture(at, segment.from, arrives, bytes);
        self.trace.events.push(Event { at, what: What::Segment(SegmentSeen { arrives, ..segment }) });
    }

    /// A packet that was held back goes on.
    fn arrived(&mut self, direction: Direction, bytes: &[u8]) {
        let at = Some(self.now());
        let Some(place) = self.late.iter().position(|late| late.bytes == bytes) else { return };
        let late = self.late.remove(place);
        if let Some(Event { what: What::Segment(segment), .. }) = self.trace.events.get_mut(late.event) {
            segment.arrives = at;
        }
        if let Some(packet) = self.trace.packets.get_mut(late.packet) {
            packet.arrives = at;
        }
        if direction == Direction::Out {
            self.look_at_kernel();
        }
    }

    /// Everything, for the page; what is still under way counts as lost.
    pub(super) fn take(&mut self) -> Trace {
        let ends = self.trace.ends.clone();
        std::mem::replace(&mut self.trace, Trace::new(ends))
    }

    /// The segments so far.
    pub(super) fn segments(&self) -> impl Iterator<Item = (Instant, SegmentSeen)> {
        self.trace.events.iter().filter_map(|event| match event.what {
            What::Segment(segment) => Some((event.at, segment)),
            What::State { .. } | What::App { .. } => None,
        })
    }

    /// The states an end has come to, in order.
    pub(super) fn states(&self, of: Side) -> impl Iterator<Item = (Instant, State)> {
        self.trace.events.iter().filter_map(move |event| match event.what {
            What::State { side, to, .. } if side == of => Some((event.at, to)),
            What::State { .. } | What::Segment(_) | What::App { .. } => None,
        })
    }

    /// How long an end was in a state, the last time.
    pub(super) fn stay(&self, side: Side, state: State) -> Option<Duration> {
        let states: Vec<(Instant, State)> = self.states(side).collect();
        let mut stays = states.windows(2).filter(|pair| pair[0].1 == state);
        stays.next_back().map(|pair| pair[1].0.since(pair[0].0))
    }
}
