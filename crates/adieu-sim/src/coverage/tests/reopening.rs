//! TW-8's table, row by row.

use adieu_core::State::{CloseWait, Closed, FinWait2, SynReceived, TimeWait};
use adieu_core::wire::Flags;
use adieu_core::{Duration, State};
use adieu_trace::Side::{Left, Right};

use super::{LONG, Scene};
use crate::coverage::{Cell, Row, reopen};
use crate::{Forged, Occurrence, Rule, Setup, Verdict};

fn setup(stamps: bool) -> Setup {
    let mut setup = Setup::new(3);
    setup.config.iter_mut().for_each(|config| config.timestamps = stamps);
    setup
}

/// The server has closed first, and waits; the client's port is free.
fn in_time_wait(setup: Setup, late_syn: bool) -> Scene {
    let mut scene = Scene::new(setup);
    if late_syn {
        let late = Verdict::Again(Duration::from_secs(5));
        scene.world.rules.push(Rule::first("SYN", 1, late, |sight| sight.is(Left, Flags::SYN)));
    }
    let [client, server] = scene.connect();
    scene.close(Right, server);
    scene.until([CloseWait, FinWait2]);
    scene.close(Left, client);
    scene.until([Closed, TimeWait]);
    scene.world.release(Left, client);
    scene
}

/// The rows that a second connection from the same port falls into, and the state it leads to.
fn again(stamps: [bool; 2], wait: Duration) -> (Vec<Row>, State) {
    let mut scene = in_time_wait(setup(stamps[0]), false);
    scene.world.run_for(wait);
    scene.world.host(Left).stack.reconfigure(|config| config.timestamps = stamps[1]);
    scene.world.host(Right).stack.reconfigure(|config| config.timestamps = stamps[1] || stamps[0]);
    scene.world.connect(Left);
    scene.world.run_until(Duration::from_millis(100), |world| world.state(Right) != TimeWait);
    rows(scene)
}

fn rows(mut scene: Scene) -> (Vec<Row>, State) {
    scene.watcher.look(&mut scene.world);
    assert_eq!(scene.watcher.violations(), [""; 0]);
    let rows = scene.watcher.coverage().reached().into_iter().filter_map(|cell| match cell {
        Cell::Reopening(row) => Some(row),
        _ => None,
    });
    (rows.collect(), scene.world.state(Right))
}

const A_WHILE: Duration = Duration::from_secs(2);

#[test]
fn tw_8_later_connections_are_accepted() {
    assert_eq!(again([true, true], A_WHILE), (vec![Row::LaterStamp], SynReceived));
    assert_eq!(again([true, false], A_WHILE), (vec![Row::StampGoneBeyond], SynReceived));
    assert_eq!(again([false, true], A_WHILE), (vec![Row::StampNew], SynReceived));
    assert_eq!(again([false, false], A_WHILE), (vec![Row::NoStampBeyond], SynReceived));
}

#[test]
fn tw_8_the_same_millisecond_and_a_number_beyond() {
    let mut fast = setup(true);
    fast.wire.delay = Duration::from_micros(5);
    let mut scene = in_time_wait(fast, false);
    scene.world.connect(Left);
    scene.world.run_until(Duration::from_micros(100), |world| world.state(Right) != TimeWait);
    assert!(scene.world.now().as_nanos() < 1_000_000);
    assert_eq!(rows(scene), (vec![Row::SameStampBeyond], SynReceived));
}

#[test]
fn tw_8_an_old_syn_is_refused() {
    for (stamps, row) in [(true, Row::OldStamp), (false, Row::NoStamp)] {
        let mut scene = in_time_wait(setup(stamps), true);
        scene.world.run_for(Duration::from_secs(10));
        assert_eq!(rows(scene), (vec![row], TimeWait));
    }
    let mut scene = in_time_wait(setup(true), false);
    scene.world.forge(Right, Forged { flags: Flags::SYN, seq: 1, ack: 0, data: b"" });
    scene.world.run_for(Duration::from_millis(1));
    assert_eq!(rows(scene), (vec![Row::StampGone], TimeWait));
}

#[test]
fn tw_12_without_a_listener_there_is_no_row() {
    let mut scene = in_time_wait(setup(true), false);
    let listener = scene.world.host(Right).listener.expect("it listens");
    let now = scene.world.now();
    scene.world.host(Right).stack.unlisten(now, listener);
    scene.world.run_for(A_WHILE);
    scene.world.connect(Left);
    scene.world.run_for(Duration::from_secs(1));
    assert_eq!(rows(scene), (vec![], TimeWait));
}

#[test]
fn what_the_table_does_not_say_is_a_violation() {
    for row in Row::ALL {
        let expected = if row.accepts() { SynReceived } else { TimeWait };
        for after in State::ALL {
            assert_eq!(reopen::objection(row, after).is_none(), after == expected, "{row} {after}");
        }
    }
    // The same run, but the SYN was said to be refused.
    let mut scene = in_time_wait(setup(true), false);
    scene.world.run_for(A_WHILE);
    scene.world.connect(Left);
    assert!(scene.world.run_until(LONG, |world| world.state(Right) == SynReceived));
    for mut happened in scene.world.take_happened() {
        if let Occurrence::Delivered { before, after, .. } = &mut happened.what
            && before.state == TimeWait
            && *after == SynReceived
        {
            *after = TimeWait;
        }
        scene.watcher.see(&happened);
    }
    assert_eq!(scene.watcher.violations().len(), 1);
    assert!(scene.watcher.violations()[0].starts_with("TW-8"), "{:?}", scene.watcher.violations());
}
