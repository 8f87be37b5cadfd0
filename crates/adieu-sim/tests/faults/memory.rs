//! Budgets that are cut down while connections run, and given back.

use adieu_core::{Config, Duration};
use adieu_sim::{Budget, LinkDown, Setup};
use adieu_trace::Side::{Left, Right};

use crate::common::{Pair, pair, seconds};

#[test]
fn a_budget_is_given_back_as_it_was() {
    let mut pair = pair(Setup::new(3));
    let before = pair.world.squeeze(Left, Budget::NOTHING);
    assert_eq!(before, Budget::of(&Config::default()));
    assert_eq!(Budget::of(pair.world.host(Left).stack.config()), Budget::NOTHING);
    assert_eq!(pair.world.squeeze(Left, before), Budget::NOTHING);
    assert_eq!(Budget::of(pair.world.host(Left).stack.config()), before);
    pair.write(Left, b"x");
    pair.arrives(Right, b"x");
    pair.part();
}

#[test]
fn or_3_an_orphan_is_given_up_where_none_is_granted() {
    let mut pair = pair(Setup::new(3));
    let none = Budget { max_orphans: 0, ..Budget::of(&Config::default()) };
    pair.world.squeeze(Left, none);
    pair.write(Left, &[7; 3000]);
    pair.world.release(Left, pair.client);
    pair.world.run_for(seconds(1));
    let endings = pair.world.host(Left).receipts().iter().map(|receipt| receipt.ending.name()).collect::<Vec<_>>();
    assert_eq!(endings, ["aborted-orphan-limit"]);
    assert_eq!(pair.ends(Right), "reset-by-peer");
    pair.world.release(Right, pair.server);
    pair.world.assert_nothing_left();
}

/// The youngest record stays in any case.
#[test]
fn without_memory_for_time_wait_records_give_way() {
    let budgets = [Budget::of(&Config::default()), Budget { time_wait: 0, ..Budget::of(&Config::default()) }];
    for (budget, kept) in budgets.into_iter().zip([3, 1]) {
        let Pair { mut world, client, server } = pair(Setup::new(3));
        world.squeeze(Left, budget);
        let mut connections = vec![(client, server)];
        for _ in 0..2 {
            let client = world.connect_anew(Left);
            world.run_for(seconds(1));
            connections.push((client, world.host(Right).accept().unwrap()));
        }
        for (client, server) in connections {
            world.close(Left, client);
            world.run_for(seconds(1));
            world.close(Right, server);
            world.run_for(seconds(1));
            world.release(Left, client);
            world.release(Right, server);
        }
        assert_eq!(world.leftover(Left).time_waits, kept);
        assert_eq!(world.leftover(Left).tombstones, 3 - kept);
        world.assert_nothing_left();
    }
}

/// With no memory at all connections that do not move go, and with it again all is as before.
#[test]
fn what_is_held_gives_way_when_more_is_asked_for() {
    let mut pair = pair(Setup::new(3));
    pair.world.path.links = vec![LinkDown::new(pair.world.now(), Duration::MAX)];
    pair.write(Left, &[7; 3000]);
    pair.world.run_for(seconds(125));
    let before = pair.world.squeeze(Left, Budget { memory: 0, ..Budget::of(&Config::default()) });
    pair.world.run_for(seconds(1));
    assert_eq!(pair.ending(Left), None, "nobody has asked for more");
    pair.write(Left, &[7; 1]);
    assert_eq!(pair.ends(Left), "aborted-memory-pressure");
    pair.world.squeeze(Left, before);
    pair.world.path.links.clear();
    let again = pair.world.connect_anew(Left);
    pair.world.run_for(seconds(1));
    assert_eq!(pair.world.write(Left, again, &[7; 3000]), 3000);
    pair.world.run_for(seconds(1));
    assert_eq!(pair.world.host(Left).stack.unacknowledged(again), 0);
}
