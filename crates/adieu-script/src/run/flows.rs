//! Which connection a packet of the script belongs to, and where its numbers begin.
//!
//! A packet without addresses belongs to the connection at hand: the one that the script has begun last. A SYN that
//! comes in when there is none, or none any more, begins one, from a new port of the peer's.

use std::net::{IpAddr, SocketAddr};

use adieu_core::{Flow, State};

use super::failure::Failure;
use super::settings::Settings;
use super::sockets::Scene;
use super::wire::Wire;
use crate::ast::{Addresses, Ecn, Flags, Packet, Segment, TcpOption};

/// Where the stack listens if a script does not say, and where it connects to.
pub(crate) const PORT: u16 = 8080;
/// The peer's first port.
const FIRST_PORT: u16 = 40_000;

/// The connections of a script, the latest last.
#[derive(Debug)]
pub(crate) struct Flows {
    all: Vec<Numbered>,
    ours: IpAddr,
    peers: IpAddr,
    /// Where our numbers begin, and the peer's.
    isn: [Option<u32>; 2],
    next_port: u16,
}

/// A connection, and where its numbers begin: in the script and on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) flow: Flow,
    ours: Origin,
    peers: Origin,
    /// What the application has written, to be compared with what leaves.
    pub(crate) written: Vec<u8>,
}

/// The same number twice; in the script as soon as the script has said it, on the wire as soon as it is known.
#[derive(Clone, Copy, Debug)]
struct Origin {
    script: Option<u32>,
    wire: Option<u32>,
}

impl Origin {
    fn on_wire(self, number: u32) -> u32 {
        self.wire.map_or(number, |wire| number.wrapping_sub(self.script.unwrap_or(0)).wrapping_add(wire))
    }

    fn in_script(self, number: u32) -> u32 {
        self.wire.map_or(number, |wire| number.wrapping_sub(wire).wrapping_add(self.script.unwrap_or(0)))
    }
}

impl Numbered {
    /// A number of ours, as the script counts.
    pub(crate) fn ours(&self, number: u32) -> u32 {
        self.ours.in_script(number)
    }

    /// A number of the peer's, as the script counts.
    pub(crate) fn peers(&self, number: u32) -> u32 {
        self.peers.in_script(number)
    }

    /// The script says where our numbers begin, by the first SYN it expects.
    pub(crate) fn we_begin_at(&mut self, script: u32) {
        self.ours.script.get_or_insert(script);
    }

    /// A SYN of ours has left: that says where our numbers begin on the wire, unless we know.
    pub(crate) fn we_began(&mut self, wire: u32) {
        self.ours.wire.get_or_insert(wire);
    }

    /// What lies `offset` bytes behind our SYN, if the application has written it.
    pub(crate) fn written_at(&self, number: u32, length: usize) -> Option<&[u8]> {
        let offset = number.wrapping_sub(self.ours.wire?).wrapping_sub(1) as usize;
        self.written.get(offset..offset.checked_add(length)?)
    }
}

impl Flows {
    pub(crate) fn new(settings: &Settings, [ours, peers]: [IpAddr; 2], our_number: Option<u32>) -> Self {
        let isn = [our_number, Some(settings.isn.numbers()[1])];
        Self { all: Vec::new(), ours, peers, isn, next_port: FIRST_PORT }
    }

    pub(crate) fn peers_address(&self) -> IpAddr {
        self.peers
    }

    pub(crate) fn our_address(&self) -> IpAddr {
        self.ours
    }

    /// A connection begins.
    pub(crate) fn begin(&mut self, flow: Flow) -> &mut Numbered {
        // Ours are absolute until a SYN of ours has left: a stranger is answered in numbers of its own (RS-1).
        let (ours, peers) = (Origin { script: None, wire: None }, Origin { script: None, wire: self.isn[1] });
        self.all.retain(|numbered| numbered.flow != flow);
        self.all.push(Numbered { flow, ours, peers, written: Vec::new() });
        self.all.last_mut().expect("it was just put there")
    }

    pub(crate) fn of(&mut self, flow: &Flow) -> Option<&mut Numbered> {
        self.all.iter_mut().rev().find(|numbered| numbered.flow == *flow)
    }

    /// The same, to look at.
    pub(crate) fn numbered(&self, flow: &Flow) -> Option<&Numbered> {
        self.all.iter().rev().find(|numbered| numbered.flow == *flow)
    }

    pub(crate) fn flows(&self) -> impl Iterator<Item = Flow> {
        self.all.iter().map(|numbered| numbered.flow)
    }

    fn new_port(&mut self) -> u16 {
        self.next_port += 1;
        self.next_port
    }
}

/// The bytes of a packet that comes in.
pub(crate) fn outside(packet: &Packet, segment: &Segment, scene: &mut Scene) -> Result<Vec<u8>, Box<Failure>> {
    let flags = &segment.flags.value;
    let flow = match &packet.addresses {
        Some(addresses) => explicit(packet, addresses, &scene.flows)?,
        None => at_hand(flags, scene),
    };
    let range = segment.seq.as_ref().map(|seq| seq.value);
    if scene.flows.of(&flow).is_none() || begins_anew(flags, &flow, scene) {
        scene.flows.begin(flow);
    }
    let begun = !matches!(scene.host.state_of(&flow), State::Closed | State::Listen);
    let known = scene.flows.isn[0].filter(|_| begun);
    let numbered = scene.flows.of(&flow).expect("it has begun");
    if let Some(known) = known {
        numbered.we_began(known);
    }
    if flags.syn
        && let Some(range) = range
    {
        numbered.peers.script.get_or_insert(range.start);
    }
    let length = range.map_or(0, |range| range.length);
    if length > u32::from(u16::MAX) {
        return Err(Failure::meaning(packet.span, "no packet has room for so much data"));
    }
    let start = range.map_or(0, |range| range.start);
    let options = match segment.options.as_ref().map(|options| &options.value) {
        Some(crate::ast::Options::List(list)) => list.iter().map(|option| to_wire(&option.value, numbered)).collect(),
        Some(crate::ast::Options::Any) => {
            return Err(Failure::meaning(packet.span, "a packet that comes in must say its options"));
        }
        None => Vec::new(),
    };
    let wire = Wire {
        source: flow.remote(),
        destination: flow.local(),
        seq: numbered.peers.on_wire(start),
        ack: segment.ack.as_ref().map_or(0, |ack| numbered.ours.on_wire(ack.value)),
        flags: bits(flags),
        window: window(segment)?,
        urgent: segment.urgent.as_ref().map_or(0, |urgent| u16::try_from(urgent.value).unwrap_or(u16::MAX)),
        options,
        payload: (0..length).map(|n| pattern(start.wrapping_add(u32::from(flags.syn)).wrapping_add(n))).collect(),
        ecn: packet.ecn.map_or(0, ecn_bits),
    };
    let bytes = wire.build();
    let (length, room) = (bytes.len(), usize::from(u16::MAX));
    if length > room {
        return Err(Failure::meaning(packet.span, format!("the packet has {length} bytes; IP has room for {room}")));
    }
    Ok(bytes)
}

fn window(segment: &Segment) -> Result<u16, Box<Failure>> {
    let Some(window) = &segment.window else { return Ok(0) };
    u16::try_from(window.value)
        .map_err(|_| Failure::meaning(window.span, "a window field has 16 bits: write what is on the wire, not scaled"))
}

/// Data that comes in, by its number in the script, so that a read can tell whether it is the right one.
pub(crate) fn pattern(number: u32) -> u8 {
    (number % 251) as u8
}

/// A SYN for a connection that is over begins another one from the same addresses.
fn begins_anew(flags: &Flags, flow: &Flow, scene: &Scene) -> bool {
    flags.syn && !flags.ack && scene.host.state_of(flow) == State::Closed
}

/// The connection that a packet without addresses belongs to.
fn at_hand(flags: &Flags, scene: &mut Scene) -> Flow {
    let latest = scene.flows.all.last().map(|numbered| numbered.flow);
    let over = |flow: &Flow| scene.host.state_of(flow) == State::Closed;
    let is_first = flags.syn && !flags.ack;
    match latest {
        Some(flow) if !(is_first && over(&flow) && scene.sockets.listens()) => flow,
        _ => {
            let port = scene.flows.new_port();
            let local = scene.sockets.listening_at().map_or(PORT, |address| address.port());
            let (ours, peers) = (scene.flows.ours, scene.flows.peers);
            Flow::new(SocketAddr::new(ours, local), SocketAddr::new(peers, port))
        }
    }
}

/// `(SOURCE > DESTINATION)`: addresses with ports, or ports alone.
fn explicit(packet: &Packet, addresses: &Addresses, flows: &Flows) -> Result<Flow, Box<Failure>> {
    let read = |text: &str, default: IpAddr| {
        let port = text.parse().ok().map(|port| SocketAddr::new(default, port));
        text.parse().ok().or(port).ok_or_else(|| {
            Failure::meaning(
                packet.span,
                format!("{text:?} is no address with a port, such as 192.0.2.1:5000, nor a port"),
            )
        })
    };
    let remote = read(&addresses.source, flows.peers)?;
    let local: SocketAddr = read(&addresses.destination, flows.ours)?;
    if local.is_ipv4() != flows.ours.is_ipv4() || remote.is_ipv4() != local.is_ipv4() {
        // Scripts that run over both families name ports alone.
        return Ok(Flow::new(SocketAddr::new(flows.ours, local.port()), SocketAddr::new(flows.peers, remote.port())));
    }
    Ok(Flow::new(local, remote))
}

pub(crate) fn bits(flags: &Flags) -> u8 {
    let all = [
        (flags.fin, 0x01),
        (flags.syn, 0x02),
        (flags.rst, 0x04),
        (flags.psh, 0x08),
        (flags.ack, 0x10),
        (flags.urg, 0x20),
        (flags.ece, 0x40),
        (flags.cwr, 0x80),
    ];
    all.into_iter().filter(|(set, _)| *set).fold(0, |bits, (_, bit)| bits | bit)
}

fn ecn_bits(ecn: Ecn) -> u8 {
    match ecn {
        Ecn::No => 0,
        Ecn::Ect1 => 1,
        Ecn::Ect0 | Ecn::Ect01 => 2,
        Ecn::Ce => 3,
    }
}

/// SACK blocks carry our numbers.
fn to_wire(option: &TcpOption, numbered: &Numbered) -> TcpOption {
    match option {
        TcpOption::Sack(pairs) => {
            let number = |n: u32| numbered.ours.on_wire(n);
            TcpOption::Sack(pairs.iter().map(|(from, to)| (number(*from), number(*to))).collect())
        }
        other => other.clone(),
    }
}
