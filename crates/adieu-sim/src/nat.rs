//! A middlebox that remembers flows, and forgets them.

use std::collections::BTreeMap;

use adieu_core::wire::checksum::fold;
use adieu_core::wire::ip::header_len;
use adieu_core::wire::tcp::CHECKSUM_AT;
use adieu_core::wire::{Flags, Segment};
use adieu_core::{Duration, Flow, Instant, Seq};
use adieu_trace::Side;

use crate::Forged;
use crate::sightings::read;

/// What a middlebox does with a packet of a flow it has forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Forgotten {
    /// It is dropped.
    Drop,
    /// It is answered with a reset, and dropped.
    Reset,
    /// From inside only: it passes under another source port, so that the peer sees a flow it does not know. From
    /// outside the same as `Drop`.
    NewPort,
}

/// Translates ports between the host inside and the one outside. A flow that it has never seen keeps its port. One that
/// was idle for too long is forgotten: packets of it are strange from then on, until a SYN begins it anew.
///
/// Only ports are translated: the hosts have one address each. Every packet that arrives meets it, forged ones, too;
/// what is no TCP passes. ICMP errors quote packets as their sender knows them.
#[derive(Clone, Debug)]
pub struct Nat {
    /// The host whose ports are hidden.
    pub inside: Side,
    /// How long a flow is remembered after its last packet, in either direction.
    pub idle: Duration,
    /// What becomes of packets from inside whose flow is forgotten.
    pub outbound: Forgotten,
    /// What becomes of packets from outside whose flow is forgotten.
    pub inbound: Forgotten,
    /// By the flow as the left host, or the left side of the box, calls it inside.
    mappings: BTreeMap<Flow, Mapping>,
    /// By the flow outside.
    outer: BTreeMap<Flow, Flow>,
    ports: u16,
    dropped: u64,
}

#[derive(Clone, Copy, Debug)]
struct Mapping {
    outer: Flow,
    used: Instant,
    forgotten: bool,
}

/// What becomes of a packet.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    Passes(Vec<u8>),
    Dropped,
    /// The sender gets this.
    Answered(Vec<u8>),
}

/// The first port that is given instead of a forgotten one.
const FIRST_PORT: u16 = 61_000;

impl Nat {
    /// In front of `inside`; forgets after `idle`, and drops what is strange.
    pub fn new(inside: Side, idle: Duration) -> Self {
        let (outbound, inbound) = (Forgotten::Drop, Forgotten::Drop);
        let (mappings, outer) = (BTreeMap::new(), BTreeMap::new());
        Self { inside, idle, outbound, inbound, mappings, outer, ports: 0, dropped: 0 }
    }

    /// The same, which does this with packets of forgotten flows.
    #[must_use]
    pub fn when_forgotten(self, outbound: Forgotten, inbound: Forgotten) -> Self {
        Self { outbound, inbound, ..self }
    }

    /// Forgets every flow at once, as one that has restarted.
    pub fn forget(&mut self) {
        self.mappings.values_mut().for_each(|mapping| mapping.forgotten = true);
    }

    /// Packets that did not pass.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A packet is about to arrive at `to`.
    pub(crate) fn pass(&mut self, now: Instant, to: Side, mut bytes: Vec<u8>) -> Fate {
        let from = to.other();
        let Some((flow, segment)) = read(from, &bytes) else { return Fate::Passes(bytes) };
        let is_outbound = from == self.inside;
        let inner = if is_outbound { flow } else { self.outer.get(&flow).copied().unwrap_or(flow) };
        let begins = segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK);
        let mapping = self.mappings.get(&inner).copied();
        let is_known = |mapping: &Mapping| {
            let same = is_outbound || mapping.outer == flow;
            same && !mapping.forgotten && now.since(mapping.used) <= self.idle
        };
        let outer = match mapping {
            Some(mapping) if is_known(&mapping) => mapping.outer,
            None => inner,
            Some(_) if begins => {
                if is_outbound {
                    inner
                } else {
                    flow
                }
            }
            Some(_) => match if is_outbound { self.outbound } else { self.inbound } {
                Forgotten::NewPort if is_outbound => self.under_new_port(inner),
                Forgotten::Drop | Forgotten::NewPort => return self.drop(None),
                Forgotten::Reset => return self.drop(reset(from, &flow, &segment)),
            },
        };
        self.mappings.insert(inner, Mapping { outer, used: now, forgotten: false });
        self.outer.insert(outer, inner);
        if outer != inner {
            let (port, at) = match is_outbound {
                true => (self.own_port(&outer), 0),
                false => (self.own_port(&inner), 2),
            };
            let header = header_len(inner.local_address);
            translate(&mut bytes[header..], at, port);
        }
        Fate::Passes(bytes)
    }

    fn drop(&mut self, answer: Option<Vec<u8>>) -> Fate {
        self.dropped += 1;
        answer.map_or(Fate::Dropped, Fate::Answered)
    }

    /// The port of the host inside, in a flow that the left host's side is local of.
    fn own_port(&self, flow: &Flow) -> u16 {
        match self.inside {
            Side::Left => flow.local_port,
            Side::Right => flow.remote_port,
        }
    }

    /// The flow as it is seen outside from now on: ports are given in turn, those that other flows have are not.
    fn under_new_port(&mut self, inner: Flow) -> Flow {
        loop {
            let port = FIRST_PORT + self.ports % (u16::MAX - FIRST_PORT);
            self.ports = self.ports.wrapping_add(1);
            let outer = match self.inside {
                Side::Left => Flow { local_port: port, ..inner },
                Side::Right => Flow { remote_port: port, ..inner },
            };
            if self.outer.insert(outer, inner).is_none() {
                return outer;
            }
        }
    }
}

/// What somebody without a connection answers (RFC 9293 section 3.10.7.1); nothing to a reset.
fn reset(from: Side, flow: &Flow, segment: &Segment<'_>) -> Option<Vec<u8>> {
    if segment.flags.has(Flags::RST) {
        return None;
    }
    let (sender, receiver) = match from {
        Side::Left => (flow.local(), flow.remote()),
        Side::Right => (flow.remote(), flow.local()),
    };
    let answer = if segment.flags.has(Flags::ACK) {
        Forged { flags: Flags::RST, seq: segment.ack.0, ack: 0, data: &[] }
    } else {
        Forged { flags: Flags::RST.with(Flags::ACK), seq: 0, ack: segment.end().0, data: &[] }
    };
    Some(answer.packet([receiver, sender], [Seq(0); 2]))
}

/// Writes another port into a TCP header, and changes the checksum by as much (RFC 1624): a wrong one stays wrong.
fn translate(tcp: &mut [u8], at: usize, port: u16) {
    let word = |tcp: &[u8], at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
    let (old, sum) = (word(tcp, at), word(tcp, CHECKSUM_AT));
    let sum = !fold(u64::from(!sum) + u64::from(!old) + u64::from(port));
    tcp[at..at + 2].copy_from_slice(&port.to_be_bytes());
    tcp[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
}
