//! Which connection a packet of the script belongs to, and where its numbers begin.
//!
//! A packet without addresses belongs to the connection at hand: the one that the script has begun last. A SYN that
//! comes in when there is none, or none any more, begins one, from a new port of the peer's.

use std::net::{IpAddr, SocketAddr};

use adieu_core::{Flow, State};

use super::failure::Failure;
use super::settings::Settings;
use super::sockets::Scene;
use super::stamps::Stamps;
use super::wire::Wire;
use crate::ast::{Addresses, Ecn, Flags, Packet, Segment, Spanned, TcpOption};

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
    /// Values of our clock.
    pub(crate) stamps: Stamps,
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
    /// Ours are absolute until a SYN of ours has left: a stranger is answered in numbers of its own (RS-1).
    pub(crate) fn new(flow: Flow, peers: Option<u32>) -> Self {
        let (ours, peers) = (Origin { script: None, wire: None }, Origin { script: None, wire: peers });
        Self { flow, ours, peers, written: Vec::new(), stamps: Stamps::default() }
    }

    /// A number of ours, from the script to the wire.
    pub(crate) fn ours_on_wire(&self, number: u32) -> u32 {
        self.ours.on_wire(number)
    }

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
        self.all.retain(|numbered| numbered.flow != flow);
        self.all.push(Numbered::new(flow, self.isn[1]));
        self.all.last_mut().expect("it was just put there")
    }

    pub(crate) fn of(&mut self, flow: &Flow) -> Option<&mut Numbered> {
        self.all.iter_mut().rev().find(|numbered| numbered.flow == *flow)
    }

    /// The same, to look at.
    pub(crate) fn numbered(&self, flow: &Flow) -> Option<&Numbered> {
        self.all.iter().rev().find(|numbered| numbered.flow == *flow)
    }

    /// The one that was begun last.
    pub(crate) fn latest(&self) -> Option<Flow> {
        self.all.last().map(|numbered| numbered.flow)
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
    let known = begun_at(&flow, scene);
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
        Some(crate::ast::Options::List(list)) => {
            list.iter().map(|option| to_wire(option, numbered)).collect::<Result<_, _>>()?
        }
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
        tos: packet.header.tos.or(packet.header.ecn.map(ecn_bits)).unwrap_or(0),
        ttl: packet.header.ttl.unwrap_or(64),
    };
    if wire.options_length() > 40 {
        return Err(Failure::meaning(packet.span, "a segment has room for 40 bytes of options"));
    }
    let bytes = wire.build();
    let (length, room) = (bytes.len(), usize::from(u16::MAX));
    if length > room {
        return Err(Failure::meaning(packet.span, format!("the packet has {length} bytes; IP has room for {room}")));
    }
    Ok(bytes)
}

/// Where our numbers begin on a connection, if that is known before its SYN has left, and there is one.
pub(crate) fn begun_at(flow: &Flow, scene: &Scene) -> Option<u32> {
    let begun = !matches!(scene.host.state_of(flow), State::Closed | State::Listen);
    scene.flows.isn[0].filter(|_| begun)
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
    let latest = scene.flows.latest();
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

pub(crate) fn ecn_bits(ecn: Ecn) -> u8 {
    match ecn {
        Ecn::No => 0,
        Ecn::Ect1 => 1,
        Ecn::Ect0 | Ecn::Ect01 => 2,
        Ecn::Ce => 3,
    }
}

/// SACK blocks carry our numbers, and what is echoed is a value of our clock.
fn to_wire(option: &Spanned<TcpOption>, numbered: &Numbered) -> Result<TcpOption, Box<Failure>> {
    Ok(match &option.value {
        TcpOption::Sack(pairs) => {
            let number = |n: u32| numbered.ours.on_wire(n);
            TcpOption::Sack(pairs.iter().map(|(from, to)| (number(*from), number(*to))).collect())
        }
        TcpOption::Timestamps { val, ecr } => TcpOption::Timestamps { val: *val, ecr: numbered.stamps.on_wire(*ecr) },
        TcpOption::Other(name) => return Err(Failure::not_built(option.span, &format!("the option {name}"))),
        other => other.clone(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ast::Span;

    /// One whose SYNs have these numbers on the wire, and 0 in the script.
    pub(crate) fn connection([ours, peers]: [u32; 2]) -> Numbered {
        let mut numbered = Numbered::new(Flow::v4([10, 0, 0, 1], 80, [10, 0, 0, 2], 5), Some(peers));
        numbered.we_began(ours);
        numbered
    }

    #[test]
    fn what_comes_in_names_our_numbers_and_our_clock() {
        let mut numbered = connection([u32::MAX, 7]);
        numbered.stamps.name(100, 5000);
        let wired = |option| to_wire(&Spanned { span: Span::default(), value: option }, &numbered);
        let blocks = TcpOption::Sack(vec![(1, 1001)]);
        assert_eq!(wired(blocks).unwrap(), TcpOption::Sack(vec![(0, 1000)]));
        let times = TcpOption::Timestamps { val: 9, ecr: 100 };
        assert_eq!(wired(times).unwrap(), TcpOption::Timestamps { val: 9, ecr: 5000 });
        assert_eq!(wired(TcpOption::Mss(9)).unwrap(), TcpOption::Mss(9));
        assert!(wired(TcpOption::Other("md5".into())).is_err(), "never passed over in silence");
    }
}
