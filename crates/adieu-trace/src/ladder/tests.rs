//! Pictures of traces made by hand.

use adieu_core::State;
use insta::assert_snapshot;

use super::Ladder;
use crate::Side::{Left, Right};
use crate::Style;
use crate::stories::{ACK, FIN_ACK, PSH_ACK, Story, burst, four_way, lost_fin, reset, simultaneous};

pub(crate) mod properties;

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
