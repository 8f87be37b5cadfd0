//! A log of everything that happens to every flow, for those who count what was reached.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use adieu_core::wire::ip::{Datagram, TCP};
use adieu_core::wire::{Flags, Packet, Segment, Timestamps, icmp};
use adieu_core::{Flow, Glance, Instant, Receipt, Released, Seq, State};
use adieu_trace::Side;

use super::{SIDES, World};

/// Something that happened to a flow at one host.
#[derive(Clone, Copy, Debug)]
pub struct Happened {
    /// When.
    pub at: Instant,
    /// At which host.
    pub side: Side,
    /// The flow as that host sees it.
    pub flow: Flow,
    /// What.
    pub what: Occurrence,
}

/// What can happen to a flow.
#[derive(Clone, Copy, Debug)]
pub enum Occurrence {
    /// The host has sent a segment.
    Sent {
        /// The segment.
        segment: Summary,
        /// How many of it will arrive: 0 where it is lost.
        copies: usize,
        /// The flow's state after it has left.
        state: State,
    },
    /// A segment has come, whole and for this host.
    Delivered {
        /// The segment.
        segment: Summary,
        /// The flow before.
        before: Glance,
        /// Its state after.
        after: State,
    },
    /// An ICMP error about a segment of the flow has come.
    Icmp {
        /// Its type.
        icmp_type: u8,
        /// Its code.
        code: u8,
        /// The flow's state before.
        before: State,
        /// And after.
        after: State,
    },
    /// A timer has changed the flow's state.
    TimedOut {
        /// From this one.
        before: State,
        /// To this one.
        after: State,
    },
    /// The application, or another flow's need, has changed its state since it was looked at last.
    Changed {
        /// From this one.
        before: State,
        /// To this one.
        after: State,
    },
    /// Somebody has put a segment before the host that its peer has not sent.
    Forged,
    /// A connection with this flow has ended.
    Ended(Receipt),
    /// The addresses and ports of one that has ended before are free again, or another's.
    Released(Released),
}

/// A segment's header, and how much it carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Summary {
    /// SEG.SEQ.
    pub seq: Seq,
    /// SEG.ACK, where it counts.
    pub ack: Option<Seq>,
    /// The control bits.
    pub flags: Flags,
    /// Octets of data.
    pub len: u32,
    /// The window field.
    pub window: u16,
    /// The timestamps option.
    pub timestamps: Option<Timestamps>,
    /// A SYN that allows selective acknowledgments.
    pub sack_permitted: bool,
    /// A SYN's window scaling.
    pub window_shift: Option<u8>,
}

impl Summary {
    fn of(segment: &Segment<'_>) -> Self {
        Self {
            seq: segment.seq,
            ack: Some(segment.ack).filter(|_| segment.flags.has(Flags::ACK)),
            flags: segment.flags,
            len: u32::try_from(segment.payload.len()).unwrap_or(u32::MAX),
            window: segment.window,
            timestamps: segment.options.timestamps,
            sack_permitted: segment.options.sack_permitted,
            window_shift: segment.options.window_shift,
        }
    }

    /// Whether it has this flag.
    pub fn has(&self, flag: Flags) -> bool {
        self.flags.has(flag)
    }

    /// The number after the last one it takes, data, SYN and FIN.
    pub fn end(&self) -> Seq {
        self.seq + self.len + u32::from(self.has(Flags::SYN)) + u32::from(self.has(Flags::FIN))
    }
}

/// What was written down and not taken yet, and each flow's state when it was looked at last.
#[derive(Debug, Default)]
pub(super) struct Tap {
    log: Vec<Happened>,
    known: [BTreeMap<Flow, State>; 2],
}

impl Tap {
    fn note(&mut self, at: Instant, side: Side, flow: Flow, what: Occurrence) {
        self.log.push(Happened { at, side, flow, what });
    }

    /// A flow was in `now_in` before anything happens to it; what has changed since it was looked at last came from
    /// elsewhere.
    fn settle(&mut self, at: Instant, side: Side, flow: Flow, now_in: State) {
        let before = self.know(side, flow, now_in);
        if before != plain(now_in) {
            self.note(at, side, flow, Occurrence::Changed { before, after: plain(now_in) });
        }
    }

    /// The state it was known to be in.
    fn know(&mut self, side: Side, flow: Flow, state: State) -> State {
        let known = &mut self.known[side as usize];
        let before = match plain(state) {
            State::Closed => known.remove(&flow),
            state => known.insert(flow, state),
        };
        before.unwrap_or(State::Closed)
    }
}

/// A flow that only a listener would take is nobody's.
fn plain(state: State) -> State {
    if state == State::Listen { State::Closed } else { state }
}

/// A TCP packet's addresses and ports as its sender names them, and its header.
fn read(bytes: &[u8]) -> Option<(Flow, Summary)> {
    let datagram = Datagram::parse(bytes).ok()?;
    if datagram.protocol != TCP {
        return None;
    }
    let segment = Segment::parse(datagram.body, &Packet::new(bytes))?;
    let source = SocketAddr::new(datagram.source, segment.source);
    let destination = SocketAddr::new(datagram.destination, segment.destination);
    Some((Flow::new(source, destination), Summary::of(&segment)))
}

fn mirrored(flow: Flow) -> Flow {
    Flow::new(flow.remote(), flow.local())
}

impl World {
    /// Begins to write down what happens to every flow, or stops and forgets what was written. Whoever begins takes the
    /// log often: [`take_happened`](Self::take_happened).
    pub fn tap(&mut self, on: bool) {
        self.tap = on.then(Box::default);
    }

    /// What has happened since this was asked last, in order.
    pub fn take_happened(&mut self) -> Vec<Happened> {
        self.tap.as_mut().map(|tap| core::mem::take(&mut tap.log)).unwrap_or_default()
    }

    /// Gives the memory of a log back, for the next one.
    pub(crate) fn recycle_happened(&mut self, log: Vec<Happened>) {
        if let Some(tap) = self.tap.as_mut().filter(|tap| tap.log.is_empty()) {
            tap.log = log;
        }
    }

    /// A packet has left a host, and so many copies of it will arrive.
    pub(super) fn tap_sent(&mut self, side: Side, bytes: &[u8], copies: usize) {
        let (Some(tap), Some((flow, segment))) = (&mut self.tap, read(bytes)) else { return };
        let state = self.hosts[side as usize].stack.flow_state(&flow);
        tap.settle(self.now, side, flow, state);
        tap.note(self.now, side, flow, Occurrence::Sent { segment, copies, state });
    }

    /// A host gets a packet.
    pub(super) fn hand_over(&mut self, to: Side, bytes: &[u8]) {
        let now = self.time(to);
        let stack = &mut self.hosts[to as usize].stack;
        let Some(tap) = &mut self.tap else {
            return stack.handle_packet(now, Packet::new(bytes));
        };
        let Some((flow, segment)) = read(bytes).map(|(flow, segment)| (mirrored(flow), segment)) else {
            return self.hand_over_other(to, bytes);
        };
        let before = stack.glance(&flow);
        tap.settle(self.now, to, flow, before.state);
        let refused = |stats: adieu_core::Stats| stats.bad_checksum + stats.malformed;
        let bad = refused(stack.stats());
        stack.handle_packet(now, Packet::new(bytes));
        if refused(stack.stats()) == bad {
            let after = stack.flow_state(&flow);
            tap.know(to, flow, after);
            tap.note(self.now, to, flow, Occurrence::Delivered { segment, before, after });
        }
    }

    /// What is not TCP: an ICMP error, perhaps.
    fn hand_over_other(&mut self, to: Side, bytes: &[u8]) {
        let now = self.time(to);
        let stack = &mut self.hosts[to as usize].stack;
        let trouble = Datagram::parse(bytes).ok().and_then(|datagram| icmp::trouble(&datagram));
        let before = trouble.map(|trouble| stack.flow_state(&trouble.flow));
        stack.handle_packet(now, Packet::new(bytes));
        let (Some(tap), Some(trouble), Some(before)) = (&mut self.tap, trouble, before) else { return };
        let (flow, icmp_type, code) = (trouble.flow, trouble.icmp_type, trouble.code);
        tap.settle(self.now, to, flow, before);
        let after = stack.flow_state(&flow);
        tap.know(to, flow, after);
        tap.note(self.now, to, flow, Occurrence::Icmp { icmp_type, code, before, after });
    }

    /// A host's timers that are due fire.
    pub(super) fn fire_timers(&mut self, side: Side) {
        if !self.is_awake(side) {
            return;
        }
        let now = self.time(side);
        let stack = &mut self.hosts[side as usize].stack;
        let Some(tap) = self.tap.as_mut().filter(|_| stack.poll_timeout() <= now) else {
            return stack.handle_timeout(now);
        };
        let flows: Vec<Flow> = tap.known[side as usize].keys().copied().collect();
        for flow in &flows {
            tap.settle(self.now, side, *flow, stack.flow_state(flow));
        }
        stack.handle_timeout(now);
        for flow in flows {
            let after = stack.flow_state(&flow);
            let before = tap.know(side, flow, after);
            if before != after {
                tap.note(self.now, side, flow, Occurrence::TimedOut { before, after });
            }
        }
    }

    /// A host's segment was forged: what its peer's flow holds from now on is nobody's promise.
    pub(super) fn tap_forged(&mut self, to: Side, bytes: &[u8]) {
        if let (Some(tap), Some((flow, _))) = (&mut self.tap, read(bytes)) {
            tap.note(self.now, to, mirrored(flow), Occurrence::Forged);
        }
    }

    /// A connection has ended, and its host has said how.
    pub(super) fn tap_ended(&mut self, side: Side, flow: Flow, receipt: Receipt) {
        if let Some(tap) = &mut self.tap {
            let state = self.hosts[side as usize].stack.flow_state(&flow);
            tap.settle(self.now, side, flow, state);
            tap.note(self.now, side, flow, Occurrence::Ended(receipt));
        }
    }

    /// The addresses and ports of a connection are free.
    pub(super) fn tap_released(&mut self, side: Side, flow: Flow, how: Released) {
        if let Some(tap) = &mut self.tap {
            let state = self.hosts[side as usize].stack.flow_state(&flow);
            tap.settle(self.now, side, flow, state);
            tap.note(self.now, side, flow, Occurrence::Released(how));
        }
    }

    /// Looks at every flow that is known, after something that nobody told the log: a restart, a call.
    pub fn tap_all(&mut self) {
        let Some(tap) = &mut self.tap else { return };
        for side in SIDES {
            let stack = &self.hosts[side as usize].stack;
            let flows: Vec<Flow> = tap.known[side as usize].keys().copied().collect();
            for flow in flows {
                tap.settle(self.now, side, flow, stack.flow_state(&flow));
            }
        }
    }
}
