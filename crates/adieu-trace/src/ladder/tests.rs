//! Pictures of traces made by hand.

use adieu_core::wire::Flags;
use adieu_core::{Instant, State};
use insta::assert_snapshot;

use super::Ladder;
use crate::Side::{Left, Right};
use crate::{End, Event, SegmentSeen, Side, Style, Trace, What};

mod properties;

const SYN: Flags = Flags::SYN;
const ACK: Flags = Flags::ACK;
const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
const FIN_ACK: Flags = Flags::FIN.with(Flags::ACK);
const PSH_ACK: Flags = Flags::PSH.with(Flags::ACK);
const RST_ACK: Flags = Flags::RST.with(Flags::ACK);

/// A trace that is told line by line; times in microseconds.
struct Story {
    now: u64,
    delay: u64,
    states: [State; 2],
    trace: Trace,
}

impl Story {
    /// Both ends are in `state`, and a segment takes 10 ms.
    fn begin(state: State) -> Self {
        let end = |name: &str, address: &str| End { name: name.into(), address: address.parse().unwrap() };
        let ends = [end("client", "10.0.0.1:49152"), end("server", "10.0.0.2:80")];
        Self { now: 0, delay: 10_000, states: [state; 2], trace: Trace { ends, events: Vec::new() } }
    }

    fn add(&mut self, what: What) -> &mut Self {
        self.trace.events.push(Event { at: Instant::from_micros(self.now), what });
        self
    }

    fn at(&mut self, millis: u64) -> &mut Self {
        self.now = millis * 1_000;
        self
    }

    fn app(&mut self, side: Side, text: &str) -> &mut Self {
        self.add(What::App { side, text: text.into() })
    }

    fn state(&mut self, side: Side, to: State) -> &mut Self {
        let from = std::mem::replace(&mut self.states[side as usize], to);
        self.add(What::State { side, from, to })
    }

    fn segment(&self, from: Side, flags: Flags, seq: u32, ack: u32, len: usize) -> SegmentSeen {
        let arrives = Some(Instant::from_micros(self.now + self.delay));
        let ack = flags.has(ACK).then_some(ack);
        SegmentSeen { from, arrives, flags, seq, ack, len, window: 65_535, again: false }
    }

    fn send(&mut self, from: Side, flags: Flags, seq: u32, ack: u32, len: usize) -> &mut Self {
        let segment = self.segment(from, flags, seq, ack, len);
        self.add(What::Segment(segment))
    }

    fn lose(&mut self, from: Side, flags: Flags, seq: u32, ack: u32, len: usize) -> &mut Self {
        let segment = SegmentSeen { arrives: None, ..self.segment(from, flags, seq, ack, len) };
        self.add(What::Segment(segment))
    }

    fn repeat(&mut self, from: Side, flags: Flags, seq: u32, ack: u32, len: usize) -> &mut Self {
        let segment = SegmentSeen { again: true, ..self.segment(from, flags, seq, ack, len) };
        self.add(What::Segment(segment))
    }

    fn draw(&self) -> String {
        self.draw_at(80)
    }

    fn draw_at(&self, width: usize) -> String {
        Ladder { width, ..Ladder::default() }.draw(&self.trace)
    }
}

/// Opening, five bytes, a goodbye in four segments, TIME-WAIT.
fn four_way() -> Story {
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
fn simultaneous() -> Story {
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
fn lost_fin() -> Story {
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
fn reset() -> Story {
    let mut story = Story::begin(State::Established);
    story.app(Right, "write 1000 bytes").send(Right, PSH_ACK, 1, 1, 1_000);
    story.at(10).app(Left, "close, 1000 bytes unread").state(Left, State::Closed).send(Left, RST_ACK, 1, 1_001, 0);
    story.at(15).app(Right, "write 1000 bytes").send(Right, PSH_ACK, 1_001, 1, 1_000);
    story.at(20).state(Right, State::Closed).app(Right, "write: connection reset");
    story
}

/// Six segments on the wire, of which the second is lost and the third overtaken.
fn burst() -> Story {
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

#[test]
fn four_way_goodbye() {
    assert_snapshot!(four_way().draw());
}

#[test]
fn four_way_goodbye_at_other_widths() {
    for width in [120, 100, 60, 44, 30, 20] {
        assert_snapshot!(format!("four_way_{width}"), four_way().draw_at(width));
    }
}

#[test]
fn four_way_goodbye_in_ascii() {
    assert_snapshot!(Ladder { ascii: true, ..Ladder::default() }.draw(&four_way().trace));
}

#[test]
fn four_way_goodbye_in_colour() {
    let drawn = Ladder { style: Style::Color, ..Ladder::default() }.draw(&four_way().trace);
    assert_snapshot!(drawn.replace('\u{1b}', "^"));
}

#[test]
fn simultaneous_close_crosses() {
    assert_snapshot!(simultaneous().draw());
}

#[test]
fn lost_fin_comes_again() {
    assert_snapshot!(lost_fin().draw());
}

#[test]
fn reset_ends_both() {
    assert_snapshot!(reset().draw());
}

#[test]
fn a_burst_in_flight() {
    assert_snapshot!(burst().draw());
}

#[test]
fn without_delay_arrows_are_straight() {
    let mut story = Story::begin(State::Established);
    story.delay = 0;
    story.app(Left, "close").state(Left, State::FinWait1).send(Left, FIN_ACK, 1, 1, 0);
    story.state(Right, State::CloseWait).send(Right, ACK, 1, 2, 0).state(Left, State::FinWait2);
    story.app(Right, "close").state(Right, State::LastAck).send(Right, FIN_ACK, 1, 2, 0);
    story.state(Left, State::TimeWait).send(Left, ACK, 2, 2, 0).state(Right, State::Closed);
    assert_snapshot!(story.draw());
}

#[test]
fn the_picture_in_the_documentation_is_true() {
    let mut story = Story::begin(State::Established);
    story.app(Left, "shutdown").state(Left, State::FinWait1).send(Left, FIN_ACK, 1, 1, 0);
    story.at(10).state(Right, State::CloseWait).send(Right, ACK, 1, 2, 0);
    story.at(20).state(Left, State::FinWait2);
    story.at(2_500).app(Right, "write 4 bytes").lose(Right, PSH_ACK, 1, 2, 4);
    story.at(2_700).repeat(Right, PSH_ACK, 1, 2, 4).at(2_710).send(Left, ACK, 2, 5, 0);
    let lines = include_str!("../ladder.rs").lines().map(|line| line.trim_start_matches("//!"));
    let picture = lines.skip_while(|line| !line.ends_with("```text")).skip(1).take_while(|line| !line.ends_with("```"));
    let picture: Vec<&str> = picture.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    assert_eq!(story.draw_at(74).lines().collect::<Vec<_>>(), picture);
}

#[test]
fn nothing_happened() {
    assert_snapshot!(Story::begin(State::Closed).draw());
}

#[test]
fn crossings_and_losses_in_ascii() {
    let ascii = Ladder { width: 72, ascii: true, ..Ladder::default() };
    assert_snapshot!(format!("{}\n{}", ascii.draw(&simultaneous().trace), ascii.draw(&lost_fin().trace)));
}
