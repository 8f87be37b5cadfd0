//! What befalls hosts: they stand still, they die, their clocks go wrong, their devices and addresses go.

use adieu_core::{Config, Duration, State};
use adieu_sim::{Goal, Legacy, Setup};
use adieu_trace::Side::{Left, Right};

use crate::common::{LONG, Pair, millis, pair, seconds};

#[test]
fn packets_to_a_suspended_host_wait_and_are_taken_in_order_when_it_wakes() {
    let mut pair = pair(Setup::new(3));
    pair.world.suspend(Right, seconds(30), 500);
    assert!(!pair.world.is_awake(Right));
    let before = pair.world.host(Right).stack.stats().packets;
    let begin = pair.world.now();
    pair.write(Left, &[7; 5000]);
    pair.world.run_for(seconds(29));
    assert_eq!(pair.world.host(Right).stack.stats().packets, before);
    assert!(pair.arrives(Right, &[7; 5000]) <= seconds(1));
    assert_eq!(pair.world.now(), begin + seconds(30));
    assert!(pair.world.host(Right).stack.stats().packets > before + 4);
    assert_eq!(pair.world.host(Right).missed(), 0);
    pair.part();
}

#[test]
fn what_finds_no_room_in_the_queue_of_a_suspended_host_is_lost() {
    let mut pair = pair(Setup::new(3));
    pair.world.suspend(Right, seconds(30), 2);
    pair.write(Left, &[7; 5000]);
    pair.world.run_for(seconds(10));
    assert!(pair.world.host(Right).missed() >= 2);
    let before = pair.world.host(Right).stack.stats().packets;
    pair.world.wake(Right);
    assert_eq!(pair.world.host(Right).stack.stats().packets - before, 2);
    pair.arrives(Right, &[7; 5000]);
    pair.part();
}

#[test]
fn timers_of_a_suspended_host_fire_when_it_wakes() {
    let config = Config { ack_delay: millis(100), quick_acks: 0, ..Config::default() };
    let mut pair = pair(Setup { config: [Config::default(), config], ..Setup::new(3) });
    pair.write(Left, b"x");
    pair.arrives(Right, b"x");
    // Its acknowledgment is delayed, and then comes no more.
    pair.world.suspend(Right, seconds(2), 500);
    let acked = |pair: &mut Pair| pair.world.host(Left).stack.unacknowledged(pair.client) == 0;
    pair.world.run_for(millis(1900));
    assert!(!acked(&mut pair));
    pair.world.run_for(millis(200));
    assert!(acked(&mut pair));
    pair.part();
}

#[test]
fn a_host_that_is_suspended_for_ever_leaves_the_world_quiet() {
    let mut pair = pair(Setup::new(3));
    pair.world.suspend(Right, Duration::MAX, 10);
    pair.write(Left, b"x");
    assert_eq!(pair.ends(Left), "timed-out-retransmission");
    assert!(pair.world.run_out(LONG));
}

#[test]
fn a_dead_host_is_silent_and_the_one_after_it_resets_what_it_does_not_know() {
    let mut pair = pair(Setup::new(3));
    pair.world.kill(Right, seconds(20), Legacy::Nothing);
    let killed = pair.world.now();
    pair.write(Left, b"x");
    pair.world.run_for(seconds(19));
    assert_eq!((pair.ending(Left), pair.world.is_awake(Right)), (None, false));
    assert!(pair.world.host(Right).missed() > 2);
    assert_eq!(pair.ends(Left), "reset-by-peer");
    assert!(pair.world.now() >= killed + seconds(20));
    assert!(pair.world.is_awake(Right));
    pair.world.release(Left, pair.client);
    pair.world.assert_nothing_left();
}

/// The client in TIME-WAIT.
fn parted() -> Pair {
    let mut pair = pair(Setup::new(3));
    pair.world.close(Left, pair.client);
    pair.world.run_for(seconds(1));
    pair.world.close(Right, pair.server);
    assert!(pair.world.run_to(LONG, &Goal::states([State::TimeWait, State::Closed])));
    pair
}

#[test]
fn qt_1_a_host_that_is_killed_in_time_wait_has_its_records_afterwards_or_not() {
    for (legacy, state) in [(Legacy::TimeWait, State::TimeWait), (Legacy::Nothing, State::Closed)] {
        let mut pair = parted();
        pair.world.kill(Left, seconds(5), legacy);
        assert_eq!(pair.world.state(Left), State::Closed);
        pair.world.run_for(seconds(6));
        assert_eq!(pair.world.state(Left), state, "{legacy:?}");
        // It ends when it would have.
        pair.world.run_for(seconds(60));
        assert_eq!(pair.world.state(Left), State::Closed);
        pair.world.release(Right, pair.server);
        pair.world.assert_nothing_left();
    }
}

#[test]
fn a_clock_that_leaps_brings_what_is_due_by_then() {
    let mut pair = parted();
    pair.world.run_for(seconds(5));
    pair.world.jump_clock(Left, seconds(50));
    pair.world.run_for(seconds(1));
    assert_eq!(pair.world.state(Left), State::TimeWait);
    assert_eq!(pair.world.time(Left), pair.world.now() + seconds(50));
    assert_eq!(pair.world.time(Right), pair.world.now());
    pair.world.run_for(seconds(5));
    assert_eq!(pair.world.state(Left), State::Closed);
    pair.over();
    // A leap over the wrap of its records' short clocks.
    let mut pair = parted();
    pair.world.jump_clock(Left, seconds(60 * 86_400));
    pair.world.run_for(millis(1));
    assert_eq!(pair.world.state(Left), State::Closed);
    pair.over();
}

#[test]
fn a_clock_that_stands_still_fires_no_timer_until_it_goes_on() {
    let mut pair = parted();
    pair.world.stop_clock(Left, seconds(600));
    pair.world.run_for(seconds(630));
    assert_eq!(pair.world.state(Left), State::TimeWait);
    assert_eq!(pair.world.time(Left) + seconds(600), pair.world.now());
    pair.world.run_for(seconds(31));
    assert_eq!(pair.world.state(Left), State::Closed);
    pair.over();
}

/// Timestamps that leap by more than half their circle look old to a peer whose clock has not leapt (RFC 7323 section
/// 5.5): less than that does no harm.
#[test]
fn a_connection_goes_on_over_clocks_that_go_wrong_at_either_end() {
    for side in [Left, Right] {
        let mut pair = pair(Setup::new(3));
        for leap in [1, 3600, 20 * 86_400] {
            pair.world.jump_clock(side, seconds(leap));
            pair.write(Left, &[1; 3000]);
            pair.arrives(Right, &[1; 3000]);
            pair.world.stop_clock(side, seconds(3));
            pair.write(Right, &[2; 3000]);
            pair.arrives(Left, &[2; 3000]);
        }
        pair.part();
    }
}

#[test]
fn et_6_an_address_that_is_removed_ends_its_connections_and_comes_back() {
    for reachable in [true, false] {
        let mut pair = pair(Setup::new(3));
        pair.world.remove_address(Left, reachable);
        assert_eq!(pair.ending(Left), Some("aborted-address-removed"));
        pair.world.run_for(seconds(1));
        assert_eq!(pair.ending(Right), reachable.then_some("reset-by-peer"));
        assert!(pair.world.try_connect(Left).is_err());
        let before = pair.world.host(Left).stack.stats().not_ours;
        pair.write_or_not(Right, b"x");
        pair.world.run_for(seconds(1));
        assert_eq!(pair.world.host(Left).stack.stats().not_ours > before, !reachable);
        pair.world.restore_address(Left);
        assert_eq!(pair.ends(Right), "reset-by-peer");
        let again = pair.world.connect_anew(Left);
        pair.world.run_for(seconds(1));
        assert_eq!(pair.world.host(Left).stack.state(again), State::Established);
    }
}

#[test]
fn et_6_a_device_that_goes_ends_everything_and_the_next_one_serves_again() {
    let mut pair = pair(Setup::new(3));
    pair.world.unplug(Left, seconds(5));
    assert_eq!(pair.ending(Left), Some("aborted-interface-removed"));
    pair.write(Right, b"x");
    pair.world.run_for(seconds(4));
    assert!(pair.world.host(Left).missed() > 0);
    let again = pair.world.connect_anew(Left);
    pair.world.run_for(millis(500));
    assert_eq!(pair.world.host(Left).stack.state(again), State::SynSent);
    assert_eq!(pair.ends(Right), "reset-by-peer");
    pair.world.run_for(seconds(5));
    assert_eq!(pair.world.host(Left).stack.state(again), State::Established);
}

#[test]
fn a_full_device_holds_everything_up_for_a_time() {
    let mut pair = pair(Setup::new(3));
    pair.world.fill_device(Left, millis(300));
    pair.write(Left, &[7; 3000]);
    assert_eq!(pair.arrives(Right, &[7; 3000]), millis(310));
    pair.part();
}
