//! The worked examples of why TIME-WAIT is needed (section 1.11.1), with two stacks, and where one of them has no
//! memory of what was, a third in its place. Each is played twice: what happens without the rule, and what with it.

use std::collections::VecDeque;
use std::net::SocketAddr;

use adieu_core::wire::ip::Datagram;
use adieu_core::wire::{Flags, Packet, Segment, checksum};
use adieu_core::{Config, ConnectError, Duration, Ending, Flow, HandleId, Instant, Order, Secrets, Seq, Stack, State};

const A: ([u8; 4], u16) = ([10, 0, 0, 1], 50_000);
const B: ([u8; 4], u16) = ([10, 0, 0, 2], 80);

/// What of a segment the examples talk about; numbers as on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Sight {
    from_a: bool,
    seq: u32,
    ack: Option<u32>,
    flags: Flags,
    len: usize,
}

/// Two ends, and what is between them.
struct Pair {
    now: Instant,
    a: Stack,
    b: Stack,
    /// The connection, as A sees it.
    flow: Flow,
    /// Everything that was sent, in order.
    seen: Vec<Sight>,
}

fn plain() -> Config {
    Config { timestamps: false, ..Config::default() }
}

/// A host that has just been switched on. With `start` it begins every connection there.
fn host(address: [u8; 4], start: Option<u32>, config: Config) -> Stack {
    let secrets = Secrets::from_bytes(std::array::from_fn(|n| address[3].wrapping_mul(31).wrapping_add(n as u8)));
    let secrets = start.map_or(secrets.clone(), |start| secrets.with_initial_seq(Seq(start)));
    Stack::new(Config { addresses: vec![address.into()], ..config }, secrets, checksum::sum)
}

fn look(packet: &[u8]) -> Sight {
    let datagram = Datagram::parse(packet).unwrap();
    let whole = Packet::new(packet);
    let segment = Segment::parse(datagram.body, &whole).unwrap();
    Sight {
        from_a: datagram.source == std::net::IpAddr::from(A.0),
        seq: segment.seq.0,
        ack: segment.flags.has(Flags::ACK).then_some(segment.ack.0),
        flags: segment.flags.without(Flags::PSH),
        len: segment.payload.len(),
    }
}

fn read_all(stack: &mut Stack, now: Instant, handle: HandleId) -> (Vec<u8>, bool) {
    let (mut all, mut some) = (Vec::new(), vec![0; 65536]);
    loop {
        match stack.read(now, handle, &mut some) {
            Ok(0) => return (all, true),
            Ok(n) => all.extend_from_slice(&some[..n]),
            Err(_) => return (all, false),
        }
    }
}

fn ending(stack: &Stack, handle: HandleId) -> Option<Ending> {
    stack.receipt(handle).map(|receipt| receipt.ending)
}

const LOCAL: Ending = Ending::Graceful { order: Order::LocalFirst };
const PEER: Ending = Ending::Graceful { order: Order::PeerFirst };

impl Pair {
    /// A and B, who listens.
    fn new(a: Stack, mut b: Stack) -> Self {
        b.listen(SocketAddr::from(B)).unwrap();
        let flow = Flow::v4(A.0, A.1, B.0, B.1);
        Self { now: Instant::from_secs(100), a, b, flow, seen: Vec::new() }
    }

    fn send_from(&mut self, from_a: bool) -> Vec<Vec<u8>> {
        let stack = if from_a { &mut self.a } else { &mut self.b };
        let packets: Vec<Vec<u8>> =
            std::iter::from_fn(|| stack.poll_transmit(self.now)).map(|packet| packet.to_vec()).collect();
        self.seen.extend(packets.iter().map(|packet| look(packet)));
        packets
    }

    fn give(&mut self, to_a: bool, packet: &[u8]) {
        let stack = if to_a { &mut self.a } else { &mut self.b };
        stack.handle_packet(self.now, Packet::new(packet));
    }

    /// Delivers, at once and in order, all that is sent and `passes`, until nothing is.
    fn exchange_if(&mut self, passes: impl Fn(&Sight) -> bool) {
        let mut wire = VecDeque::new();
        for round in 0.. {
            for from_a in [true, false] {
                wire.extend(self.send_from(from_a).into_iter().map(|packet| (from_a, packet)));
            }
            if wire.is_empty() {
                return;
            }
            assert!(round < 1000, "they never stop");
            for (from_a, packet) in std::mem::take(&mut wire) {
                if passes(&look(&packet)) {
                    self.give(!from_a, &packet);
                }
            }
        }
    }

    fn exchange(&mut self) {
        self.exchange_if(|_| true);
    }

    /// Time passes; what the timers send is delivered.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = self.a.poll_timeout().min(self.b.poll_timeout());
            self.now = self.now.max(next.min(end));
            self.a.handle_timeout(self.now);
            self.b.handle_timeout(self.now);
            self.exchange();
            if next > end {
                return;
            }
        }
    }

    fn connect(&mut self) -> Result<HandleId, ConnectError> {
        self.a.connect(self.now, Some(self.flow.local()), self.flow.remote())
    }

    fn accept(&mut self) -> HandleId {
        while let Some(listener) = self.b.poll_acceptable() {
            if let Some(handle) = self.b.accept(listener) {
                return handle;
            }
        }
        panic!("nobody to accept");
    }

    /// A connects, B accepts.
    fn open(&mut self) -> [HandleId; 2] {
        let a = self.connect().unwrap();
        self.exchange();
        [a, self.accept()]
    }

    fn write(&mut self, handle: HandleId, data: &[u8]) {
        assert_eq!(self.a.write(self.now, handle, data), Ok(data.len()));
    }

    /// A closes first, then B, and both ends hear of it; A is in TIME-WAIT.
    fn part(&mut self, [a, b]: [HandleId; 2]) -> Vec<u8> {
        self.a.shut_down(self.now, a);
        self.exchange();
        let (all, end) = read_all(&mut self.b, self.now, b);
        assert!(end);
        self.b.close(self.now, b);
        self.exchange();
        assert_eq!((ending(&self.a, a), ending(&self.b, b)), (Some(LOCAL), Some(PEER)));
        self.a.release(self.now, a);
        self.b.release(self.now, b);
        all
    }

    fn states(&self) -> (State, State) {
        let there = Flow::new(self.flow.remote(), self.flow.local());
        (self.a.flow_state(&self.flow), self.b.flow_state(&there))
    }

    /// Something that the network has kept from before, from A to B or the other way.
    fn old(&self, from_a: bool, [seq, ack]: [u32; 2], flags: Flags, data: &[u8]) -> Vec<u8> {
        let header = adieu_core::wire::tcp::Header::bare(Seq(seq), Some(Seq(ack)), 65_535);
        let (from, to) = if from_a { (A, B) } else { (B, A) };
        let (source, destination) = (from.0.into(), to.0.into());
        let mut packet = vec![0; 40];
        adieu_core::wire::ip::emit(source, destination, adieu_core::wire::ip::TCP, 64, 20 + data.len(), &mut packet);
        header.emit(from.1, to.1, &mut packet[20..]);
        packet[33] = flags.bits();
        packet.extend_from_slice(data);
        let tcp = adieu_core::wire::ip::TCP;
        let mut sum = adieu_core::wire::ip::pseudo_header(source, destination, tcp, packet.len() - 20, checksum::sum);
        sum.bytes(&packet[20..]);
        packet[36..38].copy_from_slice(&sum.finish().to_be_bytes());
        packet
    }
}

// ---- EX-1 -----------------------------------------------------------------------------------------------------------

const OLD: [u8; 100] = [b'o'; 100];
const NEW: [u8; 100] = [b'n'; 100];

/// The first incarnation: A's numbers are 1000 to 9001, and X, 100 octets at 5001, is still in the network when both
/// ends are done: its retransmission got through.
fn with_x(a: Config, b: Stack) -> (Pair, Vec<u8>) {
    let mut pair = Pair::new(host(A.0, Some(1000), a), b);
    let ends = pair.open();
    pair.write(ends[0], &[b'1'; 4000]);
    pair.exchange();
    pair.write(ends[0], &OLD);
    let x = pair.send_from(true).remove(0);
    assert_eq!((look(&x).seq, look(&x).len), (5001, 100));
    pair.wait(Duration::from_secs(1));
    pair.write(ends[0], &[b'2'; 3900]);
    pair.exchange();
    assert_eq!(pair.part(ends).len(), 8000);
    assert_eq!(pair.states(), (State::TimeWait, State::Closed));
    let fin = pair.seen.iter().find(|seen| seen.from_a && seen.flags.has(Flags::FIN)).unwrap();
    assert_eq!(fin.seq, 9001);
    (pair, x)
}

/// A has forgotten everything, begins at 4000, and sends 1000 octets; then X comes, then 100 more of A's. What B has
/// read once both ends are done, where they should agree.
fn without_time_wait(mut pair: Pair, x: &[u8], config: Config) -> Vec<u8> {
    pair.a = host(A.0, Some(4000), config);
    let ends = pair.open();
    pair.write(ends[0], &[b'n'; 1000]);
    pair.exchange();
    pair.write(ends[0], &NEW); // 5001 to 5100, as X; they meet on the way.
    let new = pair.send_from(true);
    assert_eq!((look(&new[0]).seq, look(&new[0]).len), (5001, 100));
    pair.give(false, x);
    new.iter().for_each(|packet| pair.give(false, packet));
    pair.exchange();
    pair.part(ends)
}

/// EX-1: it happens, and nobody notices: both ends report a graceful close, with 100 octets of another connection in
/// the stream. B's initial number is the same both times; otherwise X's ACK field would give it away.
#[test]
fn ex_1_without_time_wait_an_old_segment_is_delivered_as_data() {
    let (pair, x) = with_x(plain(), host(B.0, Some(2000), plain()));
    let read = without_time_wait(pair, &x, plain());
    assert_eq!((read.len(), &read[1000..]), (1100, &OLD[..]), "corrupted, and both think that all is well");
}

/// EX-1: what helps even then, though none of it always does: timestamps, and the ACK field of X, where B's numbers are
/// others.
#[test]
fn ex_1_timestamps_or_the_ack_field_save_what_they_can() {
    let stamped = Config::default();
    let (pair, x) = with_x(stamped.clone(), host(B.0, Some(2000), stamped.clone()));
    assert_eq!(without_time_wait(pair, &x, stamped), [b'n'; 1100]);
    let (pair, x) = with_x(plain(), host(B.0, None, plain()));
    assert_eq!(without_time_wait(pair, &x, plain()), [b'n'; 1100]);
}

/// EX-1: with TIME-WAIT. While X may live, A does not open the connection again; X meets nobody, and what it draws does
/// not shorten the wait.
#[test]
fn ex_1_time_wait_keeps_the_next_incarnation_away_from_the_old_one() {
    for second in 0..60 {
        let (mut pair, x) = with_x(plain(), host(B.0, Some(2000), plain()));
        pair.wait(Duration::from_secs(second));
        assert_eq!(pair.connect(), Err(ConnectError::InUse(pair.flow.local())));
        pair.give(false, &x);
        pair.exchange();
        assert_eq!(pair.states(), (State::TimeWait, State::Closed));
        pair.wait(Duration::from_secs(60 - second));
        let ends = pair.open();
        pair.write(ends[0], &[b'n'; 1100]);
        pair.exchange();
        assert_eq!(pair.part(ends), [b'n'; 1100]);
    }
}

/// EX-1, TW-10: where the peer opens it again, which may be at once, A's numbers lie beyond all old ones: X is outside.
#[test]
fn ex_1_a_reopened_connection_begins_beyond_the_old_numbers() {
    let (mut pair, x) = with_x(plain(), host(B.0, Some(2000), plain()));
    let listener = pair.a.listen(SocketAddr::from(A)).unwrap();
    // B begins beyond its old numbers, so that its SYN may reopen.
    pair.b = host(B.0, Some(3000), plain());
    let b = pair.b.connect(pair.now, Some(pair.flow.remote()), pair.flow.local()).unwrap();
    pair.exchange();
    let a = pair.a.accept(listener).unwrap();
    assert_eq!(pair.states(), (State::Established, State::Established));
    let syn = *pair.seen.iter().rev().find(|seen| seen.from_a && seen.flags.has(Flags::SYN)).unwrap();
    assert!(Seq(syn.seq).distance(Seq(9002)) >= 65_537, "{syn:?}");
    pair.write(a, &[b'n'; 1000]);
    pair.exchange();
    pair.give(false, &x);
    pair.exchange();
    pair.write(a, &NEW);
    pair.exchange();
    assert_eq!(read_all(&mut pair.b, pair.now, b).0, [b'n'; 1100]);
}

// ---- EX-2 -----------------------------------------------------------------------------------------------------------

/// Both have closed, A first; A's last ACK was lost. Who has the record is A.
fn last_ack_lost() -> (Pair, [HandleId; 2]) {
    let mut pair = Pair::new(host(A.0, None, Config::default()), host(B.0, None, Config::default()));
    let ends = pair.open();
    pair.write(ends[0], b"all that A had to say");
    pair.a.shut_down(pair.now, ends[0]);
    pair.exchange();
    assert_eq!(read_all(&mut pair.b, pair.now, ends[1]), (b"all that A had to say".to_vec(), true));
    pair.b.close(pair.now, ends[1]);
    pair.exchange_if(|seen| !seen.from_a);
    assert_eq!(pair.states(), (State::TimeWait, State::LastAck));
    (pair, ends)
}

/// EX-2: without the record the repeated FIN draws a reset, and B, which has delivered everything, sees a failure.
#[test]
fn ex_2_without_time_wait_a_healthy_close_is_reset() {
    let (mut pair, ends) = last_ack_lost();
    pair.a = host(A.0, None, Config::default());
    pair.seen.clear();
    pair.wait(Duration::from_secs(5));
    assert_eq!(ending(&pair.b, ends[1]), Some(Ending::ResetByPeer { state: State::LastAck }));
    let [fin, rst] = pair.seen[..] else { panic!("{:?}", pair.seen) };
    assert!(!fin.from_a && fin.flags.has(Flags::FIN) && rst.flags.has(Flags::RST), "{:?}", pair.seen);
    assert_eq!(rst.seq, fin.ack.unwrap());
}

/// EX-2: with it the FIN is acknowledged again, however often that is lost, and the close is what it was.
#[test]
fn ex_2_time_wait_acknowledges_the_fin_again() {
    for lost in 0..5 {
        let (mut pair, ends) = last_ack_lost();
        for _ in 0..lost {
            pair.now = pair.b.poll_timeout();
            pair.a.handle_timeout(pair.now);
            pair.b.handle_timeout(pair.now);
            pair.exchange_if(|seen| !seen.from_a);
            assert_eq!(pair.states(), (State::TimeWait, State::LastAck), "{lost}");
        }
        pair.wait(Duration::from_secs(20));
        assert_eq!(ending(&pair.b, ends[1]), Some(PEER), "{lost}");
        assert!(pair.seen.iter().all(|seen| !seen.flags.has(Flags::RST)));
    }
}

// ---- EX-3 -----------------------------------------------------------------------------------------------------------

/// A in TIME-WAIT with RCV.NXT 301 and SND.NXT 101, B CLOSED.
fn to_be_assassinated(config: Config) -> Pair {
    let mut pair =
        Pair::new(host(A.0, Some(99), Config { timestamps: false, ..config }), host(B.0, Some(299), plain()));
    let ends = pair.open();
    pair.part(ends);
    assert_eq!(pair.states(), (State::TimeWait, State::Closed));
    pair.wait(Duration::from_secs(10));
    pair.seen.clear();
    pair
}

/// An old segment of B's that lies left of the window: of this connection's beginning, or of one before.
fn old_segments(pair: &Pair) -> [Vec<u8>; 3] {
    [
        pair.old(false, [290, 100], Flags::ACK, b"old"),
        pair.old(false, [300, 100], Flags::ACK, b""),
        pair.old(false, [200, 50], Flags::ACK.with(Flags::PSH), b"older"),
    ]
}

/// EX-3: the old segment makes A answer, the answer makes B's CLOSED responder send a reset with just the right number;
/// the record stays, and as long as it would have.
#[test]
fn ex_3_the_reset_that_an_old_segment_provokes_does_not_end_the_wait() {
    for which in 0..3 {
        let mut pair = to_be_assassinated(Config::default());
        let old = &old_segments(&pair)[which];
        pair.give(true, old);
        pair.exchange();
        let sight = |from_a, seq, ack, flags| Sight { from_a, seq, ack, flags, len: 0 };
        let expected = [sight(true, 101, Some(301), Flags::ACK), sight(false, 301, None, Flags::RST)];
        assert_eq!(pair.seen, expected, "answered, and the answer reflected");
        assert_eq!(pair.states().0, State::TimeWait);
        pair.wait(Duration::from_secs(50) - Duration::from_millis(1));
        assert_eq!(pair.states().0, State::TimeWait, "no earlier");
        pair.wait(Duration::from_millis(1));
        assert_eq!(pair.states().0, State::Closed, "and no later");
    }
}

/// EX-3: what happens where such a reset is believed, as RFC 9293 has it and an option of ours allows.
#[test]
fn ex_3_where_resets_are_believed_the_record_is_gone() {
    let mut pair = to_be_assassinated(Config { reset_ends_time_wait: true, ..Config::default() });
    let old = &old_segments(&pair)[0];
    pair.give(true, old);
    pair.exchange();
    assert_eq!(pair.states().0, State::Closed, "assassinated: example 1 can begin");
}

// ---- EX-4, EX-5 -----------------------------------------------------------------------------------------------------

/// EX-4: A, without its record, opens again at 100. An old ACK makes it send a reset that lies in B's window; it is not
/// what B expects next, so it is challenged, and the new connection comes about.
#[test]
fn ex_4_a_reset_that_an_old_ack_provokes_does_not_end_the_new_connection() {
    let mut pair = Pair::new(host(A.0, Some(100), plain()), host(B.0, Some(299), plain()));
    let a = pair.connect().unwrap();
    let syn = pair.send_from(true).remove(0);
    pair.give(false, &syn);
    let syn_ack = pair.send_from(false).remove(0);
    assert_eq!(pair.states(), (State::SynSent, State::SynReceived));
    let old = pair.old(false, [301, 123], Flags::ACK, b"");
    pair.give(true, &old);
    let rst = pair.send_from(true).remove(0);
    assert_eq!((look(&rst).seq, look(&rst).flags), (123, Flags::RST));
    pair.give(false, &rst);
    let challenge = pair.send_from(false).remove(0);
    assert_eq!((look(&challenge).ack, look(&challenge).flags), (Some(101), Flags::ACK));
    assert_eq!(pair.states(), (State::SynSent, State::SynReceived));
    pair.give(true, &challenge);
    pair.give(true, &syn_ack);
    pair.exchange();
    assert_eq!(pair.states(), (State::Established, State::Established));
    let b = pair.accept();
    pair.part([a, b]);
}

/// EX-5: B is still in LAST-ACK when A, whose record is gone, opens again: one reset and one SYN later it succeeds.
#[test]
fn ex_5_the_peer_in_last_ack_gives_way_to_the_next_syn() {
    for config in [plain(), Config::default()] {
        let (mut pair, [_, old]) = last_ack_lost();
        pair.a = host(A.0, Some(77), config);
        pair.seen.clear();
        let a = pair.connect().unwrap();
        let began = pair.now;
        pair.exchange();
        assert_eq!(ending(&pair.b, old), Some(Ending::ResetByPeer { state: State::LastAck }));
        let flags: Vec<Flags> = pair.seen.iter().map(|seen| seen.flags).collect();
        assert_eq!(flags, [Flags::SYN, Flags::ACK, Flags::RST], "SYN, challenge, reset");
        assert_eq!(pair.states(), (State::SynSent, State::Closed));
        pair.now = pair.a.poll_timeout();
        pair.a.handle_timeout(pair.now);
        pair.exchange();
        assert_eq!(pair.states(), (State::Established, State::Established));
        assert_eq!(pair.now.since(began), Duration::from_secs(1), "one SYN timeout");
        let b = pair.accept();
        pair.part([a, b]);
    }
}

// ---- reboots --------------------------------------------------------------------------------------------------------

/// SY-6: A has rebooted, and its SYN stands, by chance, just before what B expects next: B's challenge looks like an
/// ACK of that SYN, so no reset comes, and the SYN would be challenged until A gives up. With another number it gets
/// through.
#[test]
fn sy_6_a_number_just_below_what_the_peer_expects_does_not_loop() {
    for state in [State::Established, State::CloseWait, State::LastAck, State::FinWait2] {
        let mut pair = Pair::new(host(A.0, Some(1000), plain()), host(B.0, Some(2000), plain()));
        let ends = pair.open();
        pair.write(ends[0], &[0; 500]);
        pair.exchange();
        match state {
            State::FinWait2 => pair.b.shut_down(pair.now, ends[1]),
            State::Established => {}
            _ => pair.a.shut_down(pair.now, ends[0]),
        }
        pair.exchange();
        if state == State::LastAck {
            pair.b.shut_down(pair.now, ends[1]);
            pair.send_from(false); // Lost.
        }
        assert_eq!(pair.states().1, state);
        let expected = if matches!(state, State::CloseWait | State::LastAck) { 1502 } else { 1501 };
        pair.a = host(A.0, Some(expected - 1), plain());
        pair.seen.clear();
        let began = pair.now;
        let a = pair.connect().unwrap();
        pair.exchange();
        let first: Vec<(u32, Option<u32>)> = pair.seen.iter().map(|seen| (seen.seq, seen.ack)).collect();
        assert_eq!((first[0], first[1].1), ((expected - 1, None), Some(expected)), "{state}: it looks acceptable");
        assert_eq!(pair.states().0, State::SynSent);
        while pair.states().0 == State::SynSent && pair.now.since(began) < Duration::from_secs(10) {
            pair.now = pair.a.poll_timeout().min(pair.b.poll_timeout());
            pair.a.handle_timeout(pair.now);
            pair.b.handle_timeout(pair.now);
            pair.exchange();
        }
        assert_eq!(pair.states(), (State::Established, State::Established), "{state}");
        let syns: Vec<u32> = pair.seen.iter().filter(|seen| seen.flags == Flags::SYN).map(|seen| seen.seq).collect();
        assert!(syns.iter().any(|seq| *seq != expected - 1), "{state}: {syns:?}");
        assert_eq!(ending(&pair.b, ends[1]), Some(Ending::ResetByPeer { state }));
        let b = pair.accept();
        pair.part([a, b]);
    }
}

/// QT-2: A has forgotten everything. From its first moment on it resets what it does not know, and the peer learns of
/// it with the next thing it sends: data, a FIN, a keepalive.
#[test]
fn qt_2_after_a_restart_forgotten_connections_are_reset() {
    type Act = fn(&mut Pair, HandleId);
    let acts: [(Act, State); 3] = [
        (|pair, b| _ = pair.b.write(pair.now, b, b"are you there?"), State::Established),
        (|pair, b| pair.b.shut_down(pair.now, b), State::FinWait1),
        (
            |pair, b| {
                let keepalive = Some(adieu_core::Keepalive { idle: Duration::from_secs(1), ..Default::default() });
                let settings = adieu_core::Settings { keepalive, ..Default::default() };
                pair.b.set(pair.now, b, settings);
            },
            State::Established,
        ),
    ];
    for (act, state) in acts {
        for up in [0, 1, 29, 59, 3600] {
            let mut pair = Pair::new(host(A.0, None, Config::default()), host(B.0, None, Config::default()));
            let [_, b] = pair.open();
            pair.a = host(A.0, None, Config::default());
            pair.wait(Duration::from_secs(up));
            pair.seen.clear();
            act(&mut pair, b);
            pair.wait(Duration::from_secs(2));
            assert_eq!(ending(&pair.b, b), Some(Ending::ResetByPeer { state }), "{up} s after the restart");
            let [asked, rst] = pair.seen[..] else { panic!("{:?}", pair.seen) };
            assert_eq!((rst.flags, Some(rst.seq)), (Flags::RST, asked.ack), "the peer's numbers, not ours");
        }
    }
}

/// TW-16: who closes second has no TIME-WAIT. It may open the same connection again at once, and the record at the
/// other end lets its SYN in.
#[test]
fn tw_16_the_passive_closer_reopens_at_once() {
    for config in [plain(), Config::default()] {
        let mut pair = Pair::new(host(A.0, None, config.clone()), host(B.0, None, config));
        let ends = pair.open();
        pair.write(ends[0], b"x");
        pair.exchange();
        let listener = pair.a.listen(SocketAddr::from(A)).unwrap();
        pair.part(ends);
        assert_eq!((pair.b.leftover().time_waits, pair.b.leftover().flows), (0, 0));
        assert_eq!(pair.states(), (State::TimeWait, State::Closed));
        pair.now += Duration::from_millis(1);
        let b = pair.b.connect(pair.now, Some(pair.flow.remote()), pair.flow.local()).unwrap();
        pair.exchange();
        assert_eq!(pair.states(), (State::Established, State::Established));
        let a = pair.a.accept(listener).unwrap();
        pair.part([a, b]);
    }
}
