//! Paths that carry less than they should and do not say so (B-PMTU, B-PMTU-HOLE, X-PLPMTU).

use adieu_core::{Config, Duration, HandleId, Info};
use adieu_sim::{Heard, Narrow, Setup, TooBig, World};
use adieu_trace::Side::{Left, Right};

fn world(ipv6: bool) -> (World, HandleId, HandleId) {
    let config = Config { receive_buffer: 1 << 20, send_buffer: 1 << 20, ..Config::default() };
    let mut world = World::new(Setup { config: [config.clone(), config], ipv6, ..Setup::new(5) });
    world.listen(Right);
    let client = world.connect(Left);
    let mut server = None;
    world.run_until(Duration::from_secs(30), |world| {
        server = world.host(Right).accept();
        server.is_some()
    });
    (world, client, server.expect("small segments pass"))
}

/// Sends this much to the right, and says how the left end is doing then.
fn transfer(world: &mut World, [client, server]: [HandleId; 2], total: usize) -> Info {
    let data = vec![7; total];
    let (mut written, mut read) = (0, 0);
    let done = world.run_until(Duration::from_secs(120), |world| {
        written += world.write(Left, client, &data[written..]);
        while let Heard::Data(data) = world.read(Right, server) {
            read += data.len();
        }
        read == total
    });
    assert!(done, "{read} of {total}");
    world.host(Left).stack.info(client).unwrap()
}

fn part(mut world: World, [client, server]: [HandleId; 2]) {
    world.release(Left, client);
    world.release(Right, server);
    world.assert_nothing_left();
}

/// B-PMTU, B-PMTU-HOLE: in a black hole of any size the transfer goes on, and ends at most a few octets below what
/// passes.
#[test]
fn b_pmtu_hole_a_black_hole_is_left_and_measured() {
    for (ipv6, mtus) in [(false, [1499, 1400, 1280, 1025]), (true, [1499, 1492, 1400, 1280])] {
        for mtu in mtus {
            let (mut world, client, server) = world(ipv6);
            world.path.narrow[0] = Some(Narrow { mtu, says: TooBig::Silent });
            let mut info = transfer(&mut world, [client, server], 100_000);
            // A probe that fails is followed by a pause.
            for _ in 0..40 {
                world.run_for(Duration::from_secs(3));
                info = transfer(&mut world, [client, server], 50_000);
            }
            assert!((mtu.saturating_sub(8)..=mtu).contains(&info.path_mtu), "{} of {mtu}", info.path_mtu);
            part(world, [client, server]);
        }
    }
}

/// B-PMTU-HOLE: below RFC 4821's first step IPv4 packets may be cut, and pass; where more would, that is found, too.
#[test]
fn b_pmtu_hole_below_the_fallback_packets_may_be_cut() {
    for mtu in [1023, 600, 300, 68] {
        let (mut world, client, server) = world(false);
        world.path.narrow[0] = Some(Narrow { mtu, says: TooBig::Silent });
        let info = transfer(&mut world, [client, server], 100_000);
        assert!(info.path_mtu == 576 || (577..=mtu).contains(&info.path_mtu), "{} of {mtu}", info.path_mtu);
        part(world, [client, server]);
    }
}

/// X-PLPMTU, B-PMTU: a path that was narrow and is wide again is used in full after ten minutes, and that loses
/// nothing; one that is still narrow, and does not say so, costs lone segments and no congestion window.
#[test]
fn x_plpmtu_after_ten_minutes_it_is_tried_again() {
    for ipv6 in [false, true] {
        for still in [false, true] {
            let (mut world, client, server) = world(ipv6);
            let ends = [client, server];
            world.path.narrow[0] = Some(Narrow::new(1300));
            let before = transfer(&mut world, ends, 200_000);
            assert_eq!(before.path_mtu, 1300);
            world.path.narrow[0] = still.then_some(Narrow { mtu: 1300, says: TooBig::Silent });
            world.run_for(Duration::from_secs(601));
            let after = transfer(&mut world, ends, 2_000_000);
            let lost = after.retransmissions - before.retransmissions;
            assert_eq!(after.slow_start_threshold, before.slow_start_threshold, "no sign of congestion");
            if still {
                assert_eq!(after.path_mtu, 1300);
                assert!((1..=20).contains(&lost), "{lost} segments again");
            } else {
                assert_eq!((after.path_mtu, lost), (1500, 0));
            }
            part(world, ends);
        }
    }
}

/// B-PMTU-HOLE: an outage is no black hole for long: the whole size is tried soon after, and all at once no more.
#[test]
fn b_pmtu_hole_an_outage_leaves_no_trace() {
    let (mut world, client, server) = world(false);
    let ends = [client, server];
    transfer(&mut world, ends, 100_000);
    let begin = world.now();
    world.path.links = vec![adieu_sim::LinkDown::new(begin, Duration::from_secs(20))];
    world.write(Left, client, &[7; 20_000]);
    world.run_for(Duration::from_secs(20));
    assert!(world.host(Left).stack.info(client).unwrap().path_mtu < 1500);
    world.run_until(Duration::from_secs(60), |world| {
        while let Heard::Data(_) = world.read(Right, server) {}
        world.host(Left).stack.info(client).unwrap().unacked == 0
    });
    world.run_for(Duration::from_secs(60));
    let info = transfer(&mut world, ends, 1_000_000);
    assert_eq!(info.path_mtu, 1500);
    part(world, ends);
}
