//! Segments that nobody has sent, on any flow.

use adieu_core::wire::Flags;
use adieu_core::{Config, Flow, State};
use adieu_sim::{Aimed, Number, Setup, World};
use adieu_trace::Side::{Left, Right};

use crate::common::{families, millis, pair, seconds};

#[test]
fn resets_end_a_connection_only_with_the_exact_number() {
    for setup in families(3) {
        for (seq, ends) in [
            (Number::Exact, true),
            (Number::InWindow(1), false),
            (Number::InWindow(u32::MAX), false),
            (Number::Old(1), false),
            (Number::Outside(1), false),
            (Number::Relative(6), true),
        ] {
            let mut pair = pair(setup.clone());
            let flow = pair.flow();
            pair.write(Left, b"hello");
            pair.arrives(Right, b"hello");
            pair.world.run_for(seconds(1));
            let packets = pair.world.host(Left).stack.stats().packets;
            assert!(pair.world.aim(&flow, Right, &Aimed { seq, ..Aimed::new(Flags::RST) }));
            pair.world.run_for(seconds(1));
            assert_eq!(pair.ending(Right), ends.then_some("reset-by-peer"), "{seq:?}");
            let challenged = pair.world.host(Left).stack.stats().packets > packets;
            assert_eq!(challenged, matches!(seq, Number::InWindow(_)), "RFC 5961: in the window it is asked back");
        }
    }
}

#[test]
fn data_and_fins_are_taken_where_their_numbers_fit() {
    for setup in families(3) {
        let mut pair = pair(setup);
        let flow = pair.flow();
        let data = Aimed { data: b"forged", ..Aimed::new(Flags::ACK) };
        for (aimed, taken) in [
            (Aimed { seq: Number::Outside(1), ..data }, false),
            (Aimed { seq: Number::Old(6), ..data }, false),
            (Aimed { ack: Number::Outside(1), ..data }, false),
            (Aimed { stamped: false, ..data }, false),
            (data, true),
        ] {
            assert!(pair.world.aim(&flow, Left, &aimed));
            pair.world.run_for(seconds(1));
            assert_eq!(pair.read(Left) == b"forged", taken, "{aimed:?}");
        }
        assert!(pair.world.aim(&flow, Left, &Aimed::new(Flags::FIN.with(Flags::ACK))));
        pair.world.run_for(seconds(1));
        assert_eq!(pair.world.state(Left), State::CloseWait);
        assert_eq!(pair.world.state(Right), State::Established, "it has sent none");
    }
}

#[test]
fn what_is_aimed_at_another_flow_than_the_followed_one_meets_that_one() {
    let mut world = World::new(Setup::new(3));
    world.listen(Right);
    let handles = [(); 3].map(|()| world.connect_anew(Left));
    world.run_for(seconds(1));
    let flows = handles.map(|handle| world.host(Left).stack.flow(handle).unwrap());
    let mut known: Vec<Flow> = flows.into();
    known.sort();
    assert_eq!(world.flows().collect::<Vec<_>>(), known);
    let drawn = world.trace().events.len();
    assert!(world.aim(&flows[2], Left, &Aimed::new(Flags::RST)));
    assert!(!world.aim(&Flow { local_port: 7, ..flows[0] }, Left, &Aimed::new(Flags::RST)));
    world.run_for(seconds(1));
    let ended = handles.map(|handle| world.receipt(Left, handle).is_some());
    assert_eq!(ended, [false, false, true]);
    assert_eq!(world.trace().events.len(), drawn, "the trace follows another");
}

#[test]
fn a_syn_that_is_not_answered_yet_can_be_refused() {
    let mut world = World::new(Setup::new(3));
    let handle = world.connect(Left);
    world.run_for(millis(1));
    let flow = world.host(Left).stack.flow(handle).unwrap();
    // Nothing is known of the other end yet, which a reset of an unanswered SYN need not know, but a guess must.
    assert!(!world.aim(&flow, Left, &Aimed::new(Flags::RST.with(Flags::ACK))));
    world.run_for(seconds(1));
    assert_eq!(world.receipt(Left, handle).map(|receipt| receipt.ending.name()), Some("refused"));
}

#[test]
fn the_next_connection_of_the_same_ports_has_numbers_of_its_own() {
    let config = || Config { time_wait: seconds(0), unsafe_short_time_wait: true, ..Config::default() };
    let mut first = pair(Setup { config: [config(), config()], ..Setup::new(3) });
    let flow = first.flow();
    for side in [Left, Right] {
        let handle = if side == Left { first.client } else { first.server };
        first.world.close(side, handle);
        first.world.release(side, handle);
        first.world.run_for(seconds(1));
    }
    let mut world = first.world;
    world.run_for(seconds(100));
    let again = world.connect(Left);
    world.run_for(seconds(1));
    assert_eq!((world.host(Left).stack.flow(again), world.state(Left)), (Some(flow), State::Established));
    assert!(world.aim(&flow, Left, &Aimed::new(Flags::RST)));
    world.run_for(seconds(1));
    assert_eq!(world.receipt(Left, again).map(|receipt| receipt.ending.name()), Some("reset-by-peer"));
}
