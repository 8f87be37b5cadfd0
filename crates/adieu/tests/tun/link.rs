//! A stack and the kernel's TCP on the two ends of a wire that is ours: every packet is seen, and may be lost, held
//! back, repeated or forged.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use adieu::device::{Fate, Impaired, Impairment, Injector, tun_for};
use adieu::{Config, Direction, Net, State};
use adieu_core::Seq;
use adieu_core::wire::ip::{self, Datagram};
use adieu_core::wire::tcp::CHECKSUM_AT;
use adieu_core::wire::{Flags, Options, Packet, Segment, checksum};
use tokio::net::{TcpSocket, TcpStream};

use crate::device::ip;
use crate::diag::Diag;
use crate::family::Family;

/// Longer than anything takes; where more passes, it does not happen.
const SOON: Duration = Duration::from_secs(30);
/// A retransmission time that no test waits for: what is repaired was not repaired by that timer.
pub(crate) const NO_TIMER: Duration = Duration::from_secs(45);
const PORT: u16 = 80;
/// Packets up to this size are kept whole.
const SMALL: usize = 200;

pub(crate) struct Link {
    pub(crate) net: Net,
    pub(crate) injector: Injector,
    family: Family,
    wire: Wire,
    diag: Diag,
}

/// Who connects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Opener {
    Adieu,
    Kernel,
}

/// A segment of the one connection. Numbers count from the initial ones, so that the first octet of data is 1.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) way: Direction,
    pub(crate) seq: u32,
    pub(crate) len: u32,
    pub(crate) flags: Flags,
    pub(crate) options: Options,
    /// The whole packet, if it is a small one.
    pub(crate) packet: Vec<u8>,
}

impl Seen {
    /// Data that goes this way.
    pub(crate) fn is_data(&self, way: Direction) -> bool {
        self.way == way && self.len > 0
    }

    /// An acknowledgment and nothing else, that goes this way.
    pub(crate) fn is_bare(&self, way: Direction) -> bool {
        self.way == way && self.len == 0 && self.flags == Flags::ACK
    }
}

#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Past>>);

type Rule = Box<dyn FnMut(&Seen) -> Fate + Send>;

#[derive(Default)]
struct Past {
    initial: [Option<Seq>; 2],
    seen: Vec<Seen>,
    rule: Option<Rule>,
}

impl Impairment for Wire {
    fn decide(&mut self, way: Direction, packet: &[u8]) -> Fate {
        self.past().decide(way, packet).unwrap_or(Fate::Pass)
    }
}

impl Wire {
    fn past(&self) -> MutexGuard<'_, Past> {
        self.0.lock().unwrap()
    }
}

impl Past {
    fn decide(&mut self, way: Direction, bytes: &[u8]) -> Option<Fate> {
        let datagram = Datagram::parse(bytes).ok().filter(|datagram| datagram.protocol == ip::TCP)?;
        let packet = Packet::new(bytes);
        let segment = Segment::parse(datagram.body, &packet)?;
        let initial = &mut self.initial[way as usize];
        if segment.flags.has(Flags::SYN) {
            *initial = Some(segment.seq);
        }
        let seq = segment.seq.distance((*initial)?).cast_unsigned();
        let seen = Seen {
            way,
            seq,
            len: u32::try_from(segment.payload.len()).unwrap(),
            flags: segment.flags,
            options: segment.options,
            packet: if bytes.len() <= SMALL { bytes.to_vec() } else { Vec::new() },
        };
        let fate = self.rule.as_mut().map(|rule| rule(&seen));
        self.seen.push(seen);
        fate
    }
}

impl Link {
    /// A stack with this configuration, and the kernel across the wire.
    pub(crate) fn new(family: Family, change: impl FnOnce(&mut Config)) -> Self {
        let local = SocketAddr::new(family.stack().parse().unwrap(), PORT);
        let (tun, _) = tun_for(local, Some("adieu0")).unwrap();
        let wire = Wire::default();
        let (device, injector) = Impaired::new(tun, wire.clone());
        let net = Net::builder(device).address(local.ip()).configure(change).start().unwrap();
        Self { net, injector, family, wire, diag: Diag::new().unwrap() }
    }

    /// Neither end's retransmission timer fires within the time of a test.
    pub(crate) fn without_timers(family: Family) -> Self {
        let link = Self::new(family, |config| config.min_rto = NO_TIMER);
        ip(&[
            family.pick("-4", "-6"),
            "route",
            "add",
            &format!("{}/{}", family.stack(), family.pick("32", "128")),
            "dev",
            "adieu0",
            "rto_min",
            &format!("{}s", NO_TIMER.as_secs()),
        ]);
        link
    }

    /// A connection: our end and the kernel's.
    pub(crate) async fn pair(&self, opener: Opener) -> (adieu::TcpStream, TcpStream) {
        self.pair_with(opener, None).await
    }

    /// A connection whose kernel end has a receive buffer of so many bytes.
    pub(crate) async fn pair_with(&self, opener: Opener, buffer: Option<u32>) -> (adieu::TcpStream, TcpStream) {
        let [ours, theirs] = self.addresses();
        let socket = self.socket();
        if let Some(buffer) = buffer {
            socket.set_recv_buffer_size(buffer).unwrap();
        }
        let pair = async {
            match opener {
                Opener::Adieu => {
                    socket.bind(theirs).unwrap();
                    let listener = socket.listen(1).unwrap();
                    let (ours, theirs) = tokio::join!(adieu::TcpStream::connect(&self.net, theirs), listener.accept());
                    (ours.unwrap(), theirs.unwrap().0)
                }
                Opener::Kernel => {
                    let listener = adieu::TcpListener::bind(&self.net, ours).unwrap();
                    let (ours, theirs) = tokio::join!(listener.accept(), socket.connect(ours));
                    (ours.unwrap().0, theirs.unwrap())
                }
            }
        };
        soon("a connection", pair).await
    }

    /// Ours, and the kernel's.
    pub(crate) fn addresses(&self) -> [SocketAddr; 2] {
        [self.family.stack(), self.family.kernel()].map(|host| SocketAddr::new(host.parse().unwrap(), PORT))
    }

    /// A socket of the kernel's, not bound yet.
    pub(crate) fn socket(&self) -> TcpSocket {
        match self.family {
            Family::Ipv4 => TcpSocket::new_v4(),
            Family::Ipv6 => TcpSocket::new_v6(),
        }
        .unwrap()
    }

    /// The state that the kernel's end of a connection is in; `None` where it knows of none.
    pub(crate) fn state(&self, kernel: SocketAddr, ours: SocketAddr) -> Option<State> {
        self.diag.look(kernel, ours).unwrap().map(|socket| socket.state)
    }

    /// Decides about what crosses the wire from now on.
    pub(crate) fn rule(&self, rule: impl FnMut(&Seen) -> Fate + Send + 'static) {
        self.wire.past().rule = Some(Box::new(rule));
    }

    /// Loses what first has data from each of these numbers on, this way; what is sent again gets through.
    pub(crate) fn lose_once(&self, way: Direction, numbers: impl IntoIterator<Item = u32>) {
        let mut numbers: Vec<u32> = numbers.into_iter().collect();
        self.rule(move |seen| {
            let covers = |number: &u32| seen.is_data(way) && (seen.seq..seen.seq + seen.len).contains(number);
            let before = numbers.len();
            numbers.retain(|number| !covers(number));
            if numbers.len() < before { Fate::Lose } else { Fate::Pass }
        });
    }

    /// How many segments so far were like this.
    pub(crate) fn count(&self, like: impl Fn(&Seen) -> bool) -> usize {
        self.wire.past().seen.iter().filter(|seen| like(seen)).count()
    }

    /// The last segment that was like this.
    pub(crate) fn last(&self, like: impl Fn(&Seen) -> bool) -> Option<Seen> {
        self.wire.past().seen.iter().rev().find(|seen| like(seen)).cloned()
    }

    /// What the kernel says of its end.
    pub(crate) fn kernel(&self, theirs: &TcpStream) -> KernelInfo {
        let info = self.diag.info(theirs.local_addr().unwrap(), theirs.peer_addr().unwrap());
        KernelInfo(info.unwrap().expect("the kernel has the connection"))
    }

    /// A count of the kernel's in this namespace, by its name in `nstat`.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("TcpExt:")).collect();
        let place = lines[0].split(' ').position(|known| known == name).expect(name);
        lines[1].split(' ').nth(place).unwrap().parse().unwrap()
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let wait = async {
            while !is() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(SOON, wait).await.is_err() {
            panic!("not within {SOON:?}: {what}, after {}", self.past());
        }
    }

    /// The last segments, in short.
    fn past(&self) -> String {
        let past = self.wire.past();
        let last = &past.seen[past.seen.len().saturating_sub(30)..];
        let short = |seen: &Seen| {
            format!("\n{:?} {} {}+{} {:?}", seen.way, seen.flags, seen.seq, seen.len, seen.options.sack.as_slice())
        };
        last.iter().map(short).collect()
    }
}

/// Waits for something that happens soon.
pub(crate) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, work).await {
        Ok(done) => done,
        Err(_) => panic!("not within {SOON:?}: {what}"),
    }
}

/// `struct tcp_info`, by the places of its fields in `linux/tcp.h`.
pub(crate) struct KernelInfo(Vec<u8>);

impl KernelInfo {
    fn word(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    /// Window probes without an answer.
    pub(crate) fn probes(&self) -> u8 {
        self.0[3]
    }

    /// 1 for timestamps, 2 for SACK, 4 for window scaling.
    pub(crate) fn options(&self) -> u8 {
        self.0[5] & 7
    }

    /// Shifts of the windows the kernel is told, and of those it tells: four bits each, lower first on such machines.
    pub(crate) fn shifts(&self) -> (u8, u8) {
        let (low, high) = (self.0[6] & 15, self.0[6] >> 4);
        if cfg!(target_endian = "little") { (low, high) } else { (high, low) }
    }

    pub(crate) fn send_mss(&self) -> u32 {
        self.word(16)
    }

    pub(crate) fn path_mtu(&self) -> u32 {
        self.word(60)
    }

    pub(crate) fn advertised_mss(&self) -> u32 {
        self.word(84)
    }

    pub(crate) fn retransmissions(&self) -> u32 {
        self.word(100)
    }

    pub(crate) fn duplicates_reported(&self) -> u32 {
        self.word(216)
    }

    /// The window that was last told to the kernel.
    pub(crate) fn send_window(&self) -> u32 {
        self.word(228)
    }
}

/// A copy of a segment with another sequence number, time stamp and data of the same length, and a right checksum.
pub(crate) fn forged(seen: &Seen, seq: u32, older_by: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = seen.packet.clone();
    let datagram = Datagram::parse(&bytes).unwrap();
    let (source, destination) = (datagram.source, datagram.destination);
    let at = ip::header_len(source);
    let tcp = &mut bytes[at..];
    let number = u32::from_be_bytes(tcp[4..8].try_into().unwrap()).wrapping_add(seq).wrapping_sub(seen.seq);
    tcp[4..8].copy_from_slice(&number.to_be_bytes());
    assert_eq!(tcp[20..24], [1, 1, 8, 10], "timestamps stand where they always do");
    let value = u32::from_be_bytes(tcp[24..28].try_into().unwrap()).wrapping_sub(older_by);
    tcp[24..28].copy_from_slice(&value.to_be_bytes());
    assert_eq!(tcp.len(), 32 + data.len());
    tcp[32..].copy_from_slice(data);
    tcp[CHECKSUM_AT..CHECKSUM_AT + 2].fill(0);
    let mut sum = ip::pseudo_header(source, destination, ip::TCP, tcp.len(), checksum::sum);
    sum.bytes(tcp);
    let sum = sum.finish();
    tcp[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Bytes that do not repeat within any segment.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect()
}
