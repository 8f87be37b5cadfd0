//! A stack that listens, and scripted peers that open and close connections with it: real packets through the public
//! API, one call at a time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use adieu_core::wire::ip::{self, Datagram, TCP};
use adieu_core::wire::tcp::{CHECKSUM_AT, Control, Header};
use adieu_core::wire::{Options, Packet, Segment, Timestamps, checksum};
use adieu_core::{Config, Duration, HandleId, Instant, ListenerId, Secrets, Seq, Stack};

use crate::steps::Steps;

/// How far a connection goes before it is left alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// The SYN is answered.
    SynReceived,
    /// The handshake is done, and accepted.
    Established,
    /// We have closed and let go, the peer has acknowledged our FIN.
    FinWait2,
    /// The peer has closed, too.
    TimeWait,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Virtual time between two connections: 40,000 come in a second, a million in less than 2 x MSL.
const APART: Duration = Duration::from_micros(25);
/// Peers have this many addresses.
const ADDRESSES: u32 = 256;
const PORT: u16 = 80;

pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) now: Instant,
    pub(crate) parked: u32,
    /// Where calls are timed.
    pub(crate) steps: Steps,
    /// Connections apart from those that are parked.
    others: u32,
    family: Family,
    listener: ListenerId,
    /// Memory of the packet that arrives.
    packet: Vec<u8>,
}

/// The other end of a connection.
pub(crate) struct Peer {
    address: SocketAddr,
    /// Its next number, and the one it expects.
    next: Seq,
    expected: Seq,
    /// Our last timestamp.
    echo: u32,
}

impl Family {
    fn ours(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(10, 0, 0, 1).into(),
            Self::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
        }
    }

    /// The `n`th peer's address and port: none comes twice.
    fn peer(self, n: u32) -> SocketAddr {
        let (host, port) = (n % ADDRESSES, 1024 + n / ADDRESSES);
        let address = match self {
            Self::V4 => Ipv4Addr::from_bits(u32::from_be_bytes([10, 1, 0, 0]) + host).into(),
            Self::V6 => Ipv6Addr::from_bits((0xfd01 << 112) + u128::from(host)).into(),
        };
        SocketAddr::new(address, u16::try_from(port).expect("few enough peers"))
    }
}

impl Peer {
    fn new(family: Family, n: u32) -> Self {
        Self { address: family.peer(n), next: Seq(n.wrapping_mul(0x9e37_79b9)), expected: Seq(0), echo: 0 }
    }

    /// Writes the packet with this control flag and data into `out`.
    pub(crate) fn write(&mut self, now: Instant, control: Control, data: &[u8], out: &mut Vec<u8>) {
        let ours = if self.address.is_ipv4() { Family::V4 } else { Family::V6 }.ours();
        let syn = control == Control::Syn;
        let value = (now.as_nanos() / 1_000_000) as u32;
        let options = Options {
            mss: syn.then_some(1460),
            window_shift: syn.then_some(7),
            sack_permitted: syn,
            timestamps: Some(Timestamps { value, echo: self.echo }),
            ..Options::default()
        };
        let ack = (!syn).then_some(self.expected);
        let header = Header { control, options, ..Header::bare(self.next, ack, 0xffff) };
        let (at, size) = (ip::header_len(ours), header.size() + data.len());
        out.clear();
        out.resize(at + header.size(), 0);
        out.extend_from_slice(data);
        ip::emit(self.address.ip(), ours, TCP, 64, size, out);
        header.emit(self.address.port(), PORT, &mut out[at..]);
        let mut sum = ip::pseudo_header(self.address.ip(), ours, TCP, size, checksum::sum);
        sum.bytes(&out[at..]);
        out[at + CHECKSUM_AT..][..2].copy_from_slice(&sum.finish().to_be_bytes());
        self.next = self.next + data.len() as u32 + u32::from(control != Control::None);
    }

    /// Reads what we sent.
    fn read(&mut self, bytes: &[u8]) {
        let datagram = Datagram::parse(bytes).expect("an IP packet");
        let segment = Segment::parse(datagram.body, &Packet::new(bytes)).expect("a segment");
        assert_eq!((datagram.destination, segment.destination), (self.address.ip(), self.address.port()));
        self.expected = segment.end();
        self.echo = segment.options.timestamps.map_or(0, |stamp| stamp.value);
    }
}

impl World {
    pub(crate) fn new(family: Family) -> Self {
        let config = Config {
            addresses: vec![family.ours()],
            syn_backlog: u32::MAX,
            // A million of anything, none of which gives way.
            time_wait_budget: usize::MAX,
            fin_wait_2_budget: usize::MAX,
            ack_delay: Duration::ZERO, // The packet that is counted is always acknowledged.
            ..Config::default()
        };
        let mut stack = Stack::new(config, Secrets::from_bytes([7; 48]), checksum::sum);
        let listener = stack.listen(SocketAddr::new(family.ours(), PORT)).expect("the first listener");
        let (now, steps, packet) = (Instant::from_secs(1), Steps::new(), Vec::with_capacity(128));
        Self { stack, now, parked: 0, steps, others: 0, family, listener, packet }
    }

    /// `count` connections, one after the other, each left alone in `stage`.
    pub(crate) fn park(&mut self, stage: Stage, count: u32) {
        for _ in 0..count {
            self.one(stage, self.parked);
            self.parked += 1;
        }
        assert_eq!(
            self.stack.leftover().flows,
            (self.parked + self.others) as usize,
            "each is there, and nothing else"
        );
    }

    /// A connection to carry data over, apart from those that are parked, and its peer.
    pub(crate) fn open(&mut self) -> (HandleId, Peer) {
        self.others += 1;
        self.one(Stage::Established, ADDRESSES * 60_000).expect("an accepted connection")
    }

    fn one(&mut self, stage: Stage, n: u32) -> Option<(HandleId, Peer)> {
        self.expire(APART);
        let mut peer = Peer::new(self.family, n);
        self.arrive(&mut peer, Control::Syn);
        if stage == Stage::SynReceived {
            return None;
        }
        self.arrive(&mut peer, Control::None);
        let handle = self.stack.accept(self.listener).expect("a connection");
        if stage == Stage::Established {
            return Some((handle, peer));
        }
        let Self { stack, now, .. } = self;
        self.steps.time("release", self.parked, || stack.release(*now, handle));
        self.send(&mut peer);
        self.arrive(&mut peer, Control::None);
        if stage == Stage::TimeWait {
            self.arrive(&mut peer, Control::Fin);
        }
        None
    }

    /// A packet of the peer's comes in, and what we answer goes out.
    fn arrive(&mut self, peer: &mut Peer, control: Control) {
        peer.write(self.now, control, &[], &mut self.packet);
        let Self { stack, now, packet, .. } = self;
        self.steps.time("handle_packet", self.parked, || stack.handle_packet(*now, Packet::new(packet)));
        self.send(peer);
    }

    fn send(&mut self, peer: &mut Peer) {
        self.poll(|bytes| peer.read(bytes));
    }

    fn poll(&mut self, mut each: impl FnMut(&[u8])) {
        let Self { stack, now, .. } = self;
        while let Some(packet) = self.steps.time("poll_transmit", self.parked, || stack.poll_transmit(*now)) {
            each(&packet.head);
            stack.recycle(packet);
        }
        while stack.poll_notified().is_some() || stack.poll_acceptable().is_some() || stack.poll_receipt().is_some() {}
    }

    /// Moves time on and fires what is due; whether anything still waits.
    pub(crate) fn expire(&mut self, after: Duration) -> bool {
        self.now += after;
        while self.stack.poll_timeout() <= self.now {
            let Self { stack, now, .. } = self;
            self.steps.time("handle_timeout", self.parked, || stack.handle_timeout(*now));
            self.poll(|_| {});
        }
        self.stack.poll_timeout() != Instant::NEVER
    }

    /// Counts what is still parked, which looks at each.
    pub(crate) fn count(&mut self) -> u32 {
        self.parked = self.stack.leftover().flows as u32 - self.others;
        self.parked
    }
}
