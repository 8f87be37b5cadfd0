//! Links that are down, links that are narrow.

use adieu_core::{Config, Instant};
use adieu_sim::{LinkDown, Narrow, Setup, TooBig};
use adieu_trace::Side::{Left, Right};

use crate::common::{families, millis, pair, seconds};

#[test]
fn a_link_is_down_from_its_beginning_to_its_end() {
    for (from, lost) in [(None, true), (Some(Left), true), (Some(Right), false)] {
        let mut pair = pair(Setup::new(3));
        let begin = pair.world.now() + seconds(1);
        pair.world.path.links = vec![LinkDown { from, ..LinkDown::new(begin, seconds(2)) }];
        pair.write(Left, b"before");
        assert_eq!(pair.arrives(Right, b"before"), millis(10));
        pair.world.run_for(begin.since(pair.world.now()));
        pair.write(Left, b"during");
        let took = pair.arrives(Right, b"during");
        assert_eq!(took > seconds(2), lost, "{from:?}: {took:?}");
        assert!(took < seconds(4));
        pair.part();
    }
}

#[test]
fn the_end_of_an_interval_is_an_event_and_no_unrest() {
    let mut pair = pair(Setup::new(3));
    let end = pair.world.now() + seconds(9);
    pair.world.path.links = vec![LinkDown::new(pair.world.now(), seconds(9)), LinkDown::new(end, seconds(5))];
    pair.world.path.links[1].end = Instant::NEVER;
    assert!(pair.world.is_quiet(), "no packet, no timer");
    let mut looked = Vec::new();
    pair.world.run_until(seconds(60), |world| {
        looked.push(world.now());
        false
    });
    assert!(looked.contains(&end));
}

#[test]
fn a_path_that_narrows_is_found_by_what_routers_say() {
    for setup in families(3) {
        for says in [TooBig::Told, TooBig::Unsized] {
            let mut pair = pair(setup.clone());
            pair.write(Left, &[7; 50_000]);
            pair.arrives(Right, &[7; 50_000]);
            pair.world.path.narrow[0] = Some(Narrow { mtu: 1300, says });
            // Routers that say no number are asked step by step: one packet at a time.
            let data = vec![7; 1400];
            pair.write(Left, &data);
            let took = pair.arrives(Right, &data);
            assert!(took < seconds(5), "{took:?}");
            let info = pair.world.host(Left).stack.info(pair.client).unwrap();
            let expected = if says == TooBig::Told || setup.ipv6 { 1300 } else { 1006 };
            assert_eq!(info.path_mtu, expected);
            assert!(pair.world.host(Left).stack.stats().icmp_believed > 0);
            pair.part();
        }
    }
}

#[test]
fn in_a_black_hole_large_packets_vanish_and_small_ones_pass() {
    let config = Config { path_probes: false, ..Config::default() };
    let mut pair = pair(Setup { config: [config.clone(), config], ..Setup::new(3) });
    pair.world.path.narrow = [Some(Narrow { mtu: 1000, says: TooBig::Silent }), None];
    pair.write(Left, &[7; 900]);
    pair.arrives(Right, &[7; 900]);
    pair.write(Right, &[7; 5000]);
    pair.arrives(Left, &[7; 5000]);
    pair.write(Left, &[7; 1400]);
    assert_eq!(pair.ends(Left), "timed-out-retransmission");
    assert_eq!(pair.world.host(Left).stack.stats().icmp_believed, 0);
    pair.world.abort(Right, pair.server);
    pair.over();
}

#[test]
fn below_what_every_ipv4_host_puts_together_packets_are_cut_and_pass() {
    let config = Config { mtu: 1500, ..Config::default() };
    let mut pair = pair(Setup { config: [config.clone(), config], ..Setup::new(3) });
    pair.world.path.narrow = [Some(Narrow::new(300)); 2];
    let data = vec![7; 5000];
    pair.write(Left, &data);
    pair.arrives(Right, &data);
    assert_eq!(pair.world.host(Left).stack.info(pair.client).unwrap().path_mtu, 576);
    pair.part();
}
