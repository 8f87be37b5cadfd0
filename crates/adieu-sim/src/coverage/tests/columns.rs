//! Each column of the matrix: the worlds in which it is reached, and those just beside in which it is not.

use adieu_core::State::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynSent, TimeWait,
};
use adieu_core::wire::Flags;
use adieu_core::{Duration, State, Unwanted};
use adieu_trace::Side::{Left, Right};

use super::{LONG, Scene, events};
use crate::coverage::{Call, Event, Linger};
use crate::{Forged, Rule, Setup, Verdict};

fn forged(flags: Flags, seq: u32, data: &'static [u8]) -> Forged<'static> {
    Forged { flags, seq, ack: 1, data }
}

/// Without timestamps: a segment without them is nothing where they were agreed on (FR-13).
fn setup() -> Setup {
    let mut setup = Setup::new(1);
    setup.config.iter_mut().for_each(|config| config.timestamps = false);
    setup
}

/// What a segment that is forged at the right host in ESTABLISHED counts as.
fn in_established(segment: Forged<'_>) -> Vec<(State, Event)> {
    let (mut scene, _) = Scene::connected(setup());
    scene.world.forge(Right, segment);
    scene.world.run_for(Duration::from_millis(1));
    scene.watcher.look(&mut scene.world);
    events(scene.watcher.coverage())
}

#[test]
fn a_goodbye_is_two_closes_two_fins_and_two_acknowledgments() {
    let (mut scene, [client, server]) = Scene::connected(setup());
    scene.close(Left, client);
    scene.until([FinWait2, CloseWait]);
    scene.close(Right, server);
    let all = [
        (Established, Event::Close),
        (Established, Event::Fin),
        (FinWait1, Event::AckOfFin),
        // The peer's FIN carries the ACK of ours once more (FI-8).
        (FinWait2, Event::FinAck),
        (CloseWait, Event::Close),
        (LastAck, Event::AckOfFin),
        (TimeWait, Event::Timeout),
    ];
    assert_eq!(events(&scene.end()), all);
}

#[test]
fn fi_6_a_fin_that_brings_the_acknowledgment_of_ours() {
    let (mut scene, [client, server]) = Scene::connected(setup());
    scene.world.prompt = true;
    scene.close(Left, client);
    assert!(scene.world.run_until(LONG, |world| world.state(Right) == CloseWait));
    scene.close(Right, server);
    let all = [
        (Established, Event::Close),
        (Established, Event::Fin),
        (FinWait1, Event::FinAck),
        (CloseWait, Event::Close),
        (LastAck, Event::AckOfFin),
        (TimeWait, Event::Timeout),
    ];
    assert_eq!(events(&scene.end()), all);
}

#[test]
fn sc_1_fins_that_cross_and_sc_3_a_fin_again_with_the_acknowledgment() {
    let (mut scene, [client, server]) = Scene::connected(setup());
    scene.close(Left, client);
    scene.close(Right, server);
    let crossed =
        [(Established, Event::Close), (FinWait1, Event::Fin), (Closing, Event::AckOfFin), (TimeWait, Event::Timeout)];
    assert_eq!(events(&scene.end()), crossed);

    // Every bare ACK is lost: only the FINs that come again bring it.
    let (mut scene, [client, server]) = Scene::connected(setup());
    scene
        .world
        .rules
        .push(Rule::first("ACKs", 2, Verdict::Lose, |sight| sight.is_bare_ack(Left) || sight.is_bare_ack(Right)));
    scene.close(Left, client);
    scene.close(Right, server);
    let reached = events(&scene.end());
    assert!(reached.contains(&(Closing, Event::FinAck)), "{reached:?}");
}

#[test]
fn an_abort_is_a_reset_at_the_other_end() {
    let (mut scene, [client, _]) = Scene::connected(setup());
    scene.abort(Left, client);
    assert_eq!(events(&scene.end()), [(Established, Event::Abort), (Established, Event::RstExact)]);
}

#[test]
fn ra_4_to_ra_6_a_reset_before_at_within_and_behind_the_window() {
    let window = 65_535;
    assert_eq!(in_established(forged(Flags::RST, 0, b"")), []);
    assert_eq!(in_established(forged(Flags::RST, 1, b"")), [(Established, Event::RstExact)]);
    for seq in [2, window] {
        assert_eq!(in_established(forged(Flags::RST, seq, b"")), [(Established, Event::RstInWindow)], "{seq}");
    }
    assert_eq!(in_established(forged(Flags::RST, window + 1, b"")), [], "the right edge is outside");
}

#[test]
fn sy_1_a_syn_where_a_connection_is() {
    assert_eq!(in_established(forged(Flags::SYN, 7, b"")), [(Established, Event::Syn)]);
    assert_eq!(in_established(forged(Flags::SYN.with(Flags::RST), 7, b"")), [(Established, Event::RstInWindow)]);
}

#[test]
fn fr_1_a_fin_out_of_its_turn_is_no_fin_yet() {
    let fin = Flags::FIN.with(Flags::ACK);
    assert_eq!(in_established(forged(fin, 2, b"")), []);
    assert_eq!(in_established(forged(Flags::FIN, 1, b"")), [], "FB-7: without ACK it is nothing");
    assert_eq!(in_established(forged(fin, 1, b"")), [(Established, Event::Fin)]);
}

#[test]
fn ud_4_new_data_after_the_close_and_ud_5_old_data() {
    let (mut scene, [client, server]) = Scene::connected(setup());
    scene.world.write(Right, server, b"old");
    scene.world.run_for(Duration::from_secs(1));
    scene.world.read(Left, client);
    scene.close(Left, client);
    scene.until([FinWait2, CloseWait]);
    scene.world.forge(Left, forged(Flags::ACK, 1, b"old"));
    scene.world.run_for(Duration::from_secs(1));
    scene.watcher.look(&mut scene.world);
    let before = [(Established, Event::Close), (Established, Event::Fin), (FinWait1, Event::AckOfFin)];
    assert_eq!(events(scene.watcher.coverage()), before);
    scene.world.write(Right, server, b"new");
    let reached = events(&scene.end());
    let new: Vec<_> = reached.into_iter().filter(|cell| !before.contains(cell)).collect();
    // The bytes are an acknowledgment of our FIN, too.
    let all = [(FinWait2, Event::AckOfFin), (FinWait2, Event::DataAfterClose), (CloseWait, Event::RstExact)];
    assert_eq!(new, all);
}

#[test]
fn hc_5_data_for_an_application_that_reads_no_more() {
    let (mut scene, [client, server]) = Scene::connected(setup());
    scene.watcher.calls(&mut scene.world, Left, client, Call::ShutDownRead);
    scene.world.shut_down_read(Left, client, Unwanted::Refuse);
    scene.world.write(Right, server, b"new");
    assert_eq!(events(&scene.end()), [(Established, Event::RstExact), (Established, Event::DataAfterClose)]);
}

#[test]
fn to_1_and_to_5_timers_that_give_up() {
    let mut scene = Scene::new(setup());
    scene.world.wire.loss = 1_000_000;
    scene.world.connect(Left);
    assert_eq!(events(&scene.end()), [(SynSent, Event::Timeout)]);

    let (mut scene, [client, _]) = Scene::connected(setup());
    scene.world.wire.loss = 1_000_000;
    scene.world.write(Left, client, b"lost");
    assert_eq!(events(&scene.end()), [(Established, Event::Timeout)]);
}

#[test]
fn ra_1_and_fi_1_segments_for_nobody() {
    let (mut scene, [client, _]) = Scene::connected(setup());
    scene.abort(Left, client);
    assert!(scene.world.run_until(LONG, |world| world.state(Right) == Closed));
    scene.world.run_for(Duration::from_secs(300));
    for flags in [Flags::RST, Flags::FIN.with(Flags::ACK)] {
        scene.world.forge(Right, forged(flags, 1, b""));
    }
    scene.world.forge(Right, forged(Flags::ACK, 1, b"data"));
    let all = [
        (Closed, Event::RstExact),
        (Listen, Event::Fin),
        (Listen, Event::RstExact),
        (Listen, Event::DataAfterClose),
        (Established, Event::Abort),
        (Established, Event::RstExact),
    ];
    assert_eq!(events(&scene.end()), all, "the answers go to where nobody listens");
}

#[test]
fn a_refused_attempt_is_a_reset_that_acknowledges_the_syn() {
    let mut scene = Scene::new(setup());
    scene.world.connect(Right);
    assert_eq!(events(&scene.end()), [(Closed, Event::Syn), (SynSent, Event::RstExact)]);
}

#[test]
fn calls_count_in_the_state_that_they_find() {
    let (mut scene, [client, server]) = Scene::connected(setup());
    scene.close(Left, client);
    scene.close(Left, client);
    scene.until([FinWait2, CloseWait]);
    scene.abort(Right, server);
    scene.abort(Right, server);
    scene.watcher.unlistens(true);
    let reached = events(&scene.end());
    let calls: Vec<_> = reached.into_iter().filter(|(_, event)| matches!(event, Event::Close | Event::Abort)).collect();
    let all = [
        (Closed, Event::Abort),
        (Listen, Event::Abort),
        (Established, Event::Close),
        (FinWait1, Event::Close),
        (CloseWait, Event::Abort),
    ];
    assert_eq!(calls, all);
}

#[test]
fn a_close_with_no_time_at_all_is_an_abort() {
    let (mut scene, [client, _]) = Scene::connected(setup());
    let now = scene.world.now();
    scene.world.host(Left).stack.set_zero_linger(now, client, true);
    scene.watcher.calls(&mut scene.world, Left, client, Call::Close(Linger::Zero));
    scene.world.close(Left, client);
    assert_eq!(events(&scene.end()), [(Established, Event::Abort), (Established, Event::RstExact)]);
}
