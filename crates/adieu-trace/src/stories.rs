//! Traces made by hand, for tests.

use std::net::IpAddr;

use adieu_core::wire::Flags;
use adieu_core::{Instant, State};

use crate::Side::{Left, Right};
use crate::{End, Event, Ladder, SegmentSeen, Side, Trace, What};

pub(crate) const SYN: Flags = Flags::SYN;
pub(crate) const ACK: Flags = Flags::ACK;
pub(crate) const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
pub(crate) const FIN_ACK: Flags = Flags::FIN.with(Flags::ACK);
pub(crate) const PSH_ACK: Flags = Flags::PSH.with(Flags::ACK);
pub(crate) const RST_ACK: Flags = Flags::RST.with(Flags::ACK);

/// A trace that is told line by line; times in microseconds.
pub(crate) struct Story {
    pub(crate) now: u64,
    pub(crate) delay: u64,
    states: [State; 2],
    pub(crate) trace: Trace,
}

impl Story {
    /// Both ends are in `state`, and a segment takes 10 ms.
    pub(crate) fn begin(state: State) -> Self {
        let end = |name: &str, address: &str| End { name: name.into(), address: address.parse().unwrap() };
        let ends = [end("client", "10.0.0.1:49152"), end("server", "10.0.0.2:80")];
        Self { now: 0, delay: 10_000, states: [state; 2], trace: Trace::new(ends) }
    }

    pub(crate) fn add(&mut self, what: What) -> &mut Self {
        self.trace.events.push(Event { at: Instant::from_micros(self.now), what });
        self
    }

    pub(crate) fn at(&mut self, millis: u64) -> &mut Self {
        self.now = millis * 1_000;
        self
    }

    pub(crate) fn app(&mut self, side: Side, text: &str) -> &mut Self {
        self.add(What::App { side, text: text.into() })
    }

    pub(crate) fn state(&mut self, side: Side, to: State) -> &mut Self {
        let from = std::mem::replace(&mut self.states[side as usize], to);
        self.add(What::State { side, from, to })
    }

    fn segment(&self, from: Side, flags: Flags, seq: u32, ack: u32, len: usize) -> SegmentSeen {
        let arrives = Some(Instant::from_micros(self.now + self.delay));
        let ack = flags.has(ACK).then_some(ack);
        SegmentSeen { from, arrives, flags, seq, ack, len, window: 65_535, again: false }
    }

    /// A segment and the packet that carries it: the initial sequence numbers are 1000 and 2000.
    fn put_on_wire(&mut self, segment: SegmentSeen) -> &mut Self {
        let SegmentSeen { from, arrives, .. } = segment;
        self.trace.capture(Instant::from_micros(self.now), from, arrives, &self.packet(&segment));
        self.add(What::Segment(segment))
    }

    /// Written by hand, so that nothing of ours judges itself.
    fn packet(&self, segment: &SegmentSeen) -> Vec<u8> {
        let [own, peer] = [segment.from, segment.from.other()].map(|side| self.trace.ends[side as usize].address);
        let initial = |side: Side| 1_000 * (side as u32 + 1);
        let mut tcp = [own.port().to_be_bytes(), peer.port().to_be_bytes()].concat();
        tcp.extend((initial(segment.from) + segment.seq).to_be_bytes());
        tcp.extend(segment.ack.map_or(0, |ack| initial(segment.from.other()) + ack).to_be_bytes());
        tcp.extend([0x50, segment.flags.bits()]);
        tcp.extend(segment.window.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(vec![b'x'; segment.len]);
        let addresses = [own.ip(), peer.ip()].map(|address| match address {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(_) => panic!("only IPv4"),
        });
        let length = u16::try_from(tcp.len()).unwrap();
        let pseudo = [&addresses.concat()[..], &[0, 6], &length.to_be_bytes(), &tcp].concat();
        tcp[16..18].copy_from_slice(&checksum(&pseudo));
        let mut ip = vec![0x45, 0];
        ip.extend((length + 20).to_be_bytes());
        ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        ip.extend(addresses.concat());
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum);
        [ip, tcp].concat()
    }

    pub(crate) fn send(&mut self, from: Side, flags: Flags, seq: u32, ack: u32, len: usize) -> &mut Self {
        let segment = self.segment(from, flags, seq, ack, len);
        self.put_on_wire(segment)
    }

    pub(crate) fn lose(&mut self, from: Side, flags: Flags, seq: u32, ack: u32, len: usize) -> &mut Self {
        let segment = SegmentSeen { arrives: None, ..self.segment(from, flags, seq, ack, len) };
        self.put_on_wire(segment)
    }

    pub(crate) fn repeat(&mut self, from: Side, flags: Flags, seq: u32, ack: u32, len: usize) -> &mut Self {
        let segment = SegmentSeen { again: true, ..self.segment(from, flags, seq, ack, len) };
        self.put_on_wire(segment)
    }

    pub(crate) fn draw(&self) -> String {
        self.draw_at(80)
    }

    pub(crate) fn draw_at(&self, width: usize) -> String {
        Ladder { width, ..Ladder::default() }.draw(&self.trace)
    }
}

/// The Internet checksum, the slow way.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)));
    let sum = words.fold(0, |sum, word| (sum + word) % 0xffff);
    (!u16::try_from(sum).unwrap()).to_be_bytes()
}

/// Opening, five bytes, a goodbye in four segments, TIME-WAIT.
pub(crate) fn four_way() -> Story {
    let mut story = Story::begin(State::Closed);
    story.app(Right, "listen").state(Right, State::Listen);
    story.app(Left, "connect").state(Left, State::SynSent).send(Left, SYN, 0, 0, 0);
    story.at(10).state(Right, State::SynReceived).send(Right, SYN_ACK, 0, 1, 0);
    story.at(20).state(Left, State::Established).send(Left, ACK, 1, 1, 0);
    story.app(Left, "write 5 bytes").send(Left, PSH_ACK, 1, 1, 5);
    story.at(30).state(Right, State::Established).app(Right, "read \"hello\"").send(Right, ACK, 1, 6, 0);
    story.at(50).app(Left, "shutdown").state(Left, State::FinWait1).send(Left, FIN_ACK, 6, 1, 0);
    story.at(60).state(Right, State::CloseWait).app(Right, "read: end of stream").send(Right, ACK, 1, 7, 0);
    story.at(70).state(Left, State::FinWait2);
    story.at(75).app(Right, "close").state(Right, State::LastAck).send(Right, FIN_ACK, 1, 7, 0);
    story.at(85).state(Left, State::TimeWait).app(Left, "read: end of stream").send(Left, ACK, 7, 2, 0);
    story.at(95).state(Right, State::Closed).at(60_085).state(Left, State::Closed);
    story
}

/// Both ends close at once: two FINs on the wire, two acknowledgments.
pub(crate) fn simultaneous() -> Story {
    let mut story = Story::begin(State::Established);
    for side in [Left, Right] {
        story.app(side, "close").state(side, State::FinWait1).send(side, FIN_ACK, 1, 1, 0);
    }
    story.at(10);
    for side in [Left, Right] {
        story.state(side, State::Closing).send(side, ACK, 2, 2, 0);
    }
    story.at(20).state(Left, State::TimeWait).state(Right, State::TimeWait);
    story.at(60_020).state(Left, State::Closed).state(Right, State::Closed);
    story
}

/// The FIN is lost and repeated a second later; so is the last acknowledgment.
pub(crate) fn lost_fin() -> Story {
    let mut story = Story::begin(State::Established);
    story.app(Left, "close").state(Left, State::FinWait1).lose(Left, FIN_ACK, 1, 1, 0);
    story.at(1_000).repeat(Left, FIN_ACK, 1, 1, 0);
    story.at(1_010).state(Right, State::CloseWait).app(Right, "read: end of stream").app(Right, "close");
    story.state(Right, State::LastAck).send(Right, FIN_ACK, 1, 2, 0);
    story.at(1_020).state(Left, State::TimeWait).lose(Left, ACK, 2, 2, 0);
    story.at(1_210).repeat(Right, FIN_ACK, 1, 2, 0).at(1_220).send(Left, ACK, 2, 2, 0);
    story.at(1_230).state(Right, State::Closed).at(61_220).state(Left, State::Closed);
    story
}

/// One end gives up while the other is still sending.
pub(crate) fn reset() -> Story {
    let mut story = Story::begin(State::Established);
    story.app(Right, "write 1000 bytes").send(Right, PSH_ACK, 1, 1, 1_000);
    story.at(10).app(Left, "close, 1000 bytes unread").state(Left, State::Closed).send(Left, RST_ACK, 1, 1_001, 0);
    story.at(15).app(Right, "write 1000 bytes").send(Right, PSH_ACK, 1_001, 1, 1_000);
    story.at(20).state(Right, State::Closed).app(Right, "write: connection reset");
    story
}

/// Six segments on the wire, of which the second is lost and the third overtaken.
pub(crate) fn burst() -> Story {
    let mut story = Story::begin(State::Established);
    for n in 0..6 {
        let seq = 1 + 1_448 * n;
        story.delay = if n == 2 { 14_000 } else { 10_000 };
        if n == 1 {
            story.lose(Left, ACK, seq, 1, 1_448)
        } else {
            story.send(Left, ACK, seq, 1, 1_448)
        };
        story.now += 500;
    }
    for ack in [1_449, 1_449, 1_449, 1_449] {
        story.now += 7_000;
        story.send(Right, ACK, 1, ack, 0);
    }
    story
}
