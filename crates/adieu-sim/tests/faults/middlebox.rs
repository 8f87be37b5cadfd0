//! A middlebox that forgets (3.33).

use adieu_core::State;
use adieu_core::wire::Flags;
use adieu_sim::{Aimed, Forgotten, Nat, Setup};
use adieu_trace::Side::{Left, Right};

use crate::common::{Pair, families, pair, seconds};

fn behind(setup: Setup, outbound: Forgotten, inbound: Forgotten) -> Pair {
    let mut pair = pair(setup);
    pair.world.path.nat = Some(Nat::new(Left, seconds(60)).when_forgotten(outbound, inbound));
    pair.write(Left, b"x");
    pair.arrives(Right, b"x");
    pair.world.run_for(seconds(1));
    pair
}

#[test]
fn what_is_used_is_remembered() {
    for setup in families(3) {
        let mut pair = behind(setup, Forgotten::Drop, Forgotten::Drop);
        for _ in 0..10 {
            pair.world.run_for(seconds(50));
            pair.write(Right, b"still");
            pair.arrives(Left, b"still");
        }
        assert_eq!(pair.world.path.nat.as_ref().unwrap().dropped(), 0);
        pair.world.path.nat.as_mut().unwrap().idle = seconds(600);
        pair.part();
    }
}

#[test]
fn a_forgotten_flow_is_dead_from_both_sides() {
    for side in [Left, Right] {
        let mut pair = behind(Setup::new(3), Forgotten::Drop, Forgotten::Drop);
        pair.world.run_for(seconds(100));
        pair.write(side, b"lost");
        assert_eq!(pair.ends(side), "timed-out-retransmission");
        assert_eq!(pair.ending(side.other()), None, "half open");
        assert!(pair.world.path.nat.as_ref().unwrap().dropped() > 10);
        pair.world.abort(side.other(), if side == Left { pair.server } else { pair.client });
        pair.over();
    }
}

#[test]
fn a_middlebox_that_answers_resets_who_still_sends() {
    for setup in families(3) {
        for side in [Left, Right] {
            let mut pair = behind(setup.clone(), Forgotten::Reset, Forgotten::Reset);
            pair.world.path.nat.as_mut().unwrap().forget();
            pair.write(side, b"lost");
            assert_eq!(pair.ends(side), "reset-by-peer");
            assert_eq!(pair.ending(side.other()), None);
            pair.world.abort(side.other(), if side == Left { pair.server } else { pair.client });
            pair.over();
        }
    }
}

#[test]
fn under_another_port_the_peer_sees_a_flow_it_does_not_know_and_resets_it() {
    for setup in families(3) {
        let mut pair = behind(setup, Forgotten::NewPort, Forgotten::Drop);
        pair.world.run_for(seconds(100));
        pair.write(Left, b"who is it");
        // The reset goes to the new port, and the middlebox brings it in.
        assert_eq!(pair.ends(Left), "reset-by-peer");
        assert_eq!(pair.world.state(Right), State::Established);
        let stats = pair.world.host(Right).stack.stats();
        assert_eq!((stats.bad_checksum, stats.malformed), (0, 0), "translated checksums hold");
        // What the server sends goes to a port that is nobody's now.
        let dropped = pair.world.path.nat.as_ref().unwrap().dropped();
        pair.write(Right, b"anybody there");
        assert_eq!(pair.ends(Right), "timed-out-retransmission");
        assert!(pair.world.path.nat.as_ref().unwrap().dropped() > dropped + 5);
        pair.over();
    }
}

#[test]
fn a_syn_begins_a_forgotten_flow_anew() {
    let mut pair = behind(Setup::new(3), Forgotten::Drop, Forgotten::Drop);
    let flow = pair.flow();
    for (side, handle) in [(Left, pair.client), (Right, pair.server)] {
        pair.world.abort(side, handle);
        pair.world.release(side, handle);
    }
    pair.world.run_for(seconds(300));
    let again = pair.world.connect(Left);
    pair.world.run_for(seconds(1));
    assert_eq!(pair.world.host(Left).stack.flow(again), Some(flow));
    assert_eq!(pair.world.state(Right), State::Established);
}

#[test]
fn what_is_forged_outside_must_pass_the_middlebox() {
    let mut pair = behind(Setup::new(3), Forgotten::Drop, Forgotten::Drop);
    let flow = pair.flow();
    pair.world.path.nat.as_mut().unwrap().forget();
    assert!(pair.world.aim(&flow, Left, &Aimed::new(Flags::RST)));
    pair.world.run_for(seconds(1));
    assert_eq!((pair.ending(Left), pair.world.path.nat.as_ref().unwrap().dropped()), (None, 1));
}
