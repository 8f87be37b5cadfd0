//! Routers that mark instead of dropping (RFC 3168; S8, B-ECN).

use adieu_core::wire::Flags;
use adieu_core::{Config, Duration, Ecn, HandleId, Info};
use adieu_sim::{Heard, Rule, Setup, Verdict, World};
use adieu_trace::Side::{Left, Right};

const TOTAL: usize = 2 << 20;

fn world(ecn: Ecn, ipv6: bool) -> (World, HandleId, HandleId) {
    let config = Config { ecn, receive_buffer: 1 << 20, send_buffer: 1 << 20, ..Config::default() };
    let mut world = World::new(Setup { config: [config.clone(), config], ipv6, ..Setup::new(8) });
    world.listen(Right);
    let client = world.connect(Left);
    let mut server = None;
    world.run_until(Duration::from_secs(30), |world| {
        server = world.host(Right).accept();
        server.is_some()
    });
    (world, client, server.expect("nothing is lost here"))
}

/// Both ends send all there is, and say how they were doing then; `None` where it takes more than five minutes.
fn exchange(world: &mut World, ends: [HandleId; 2]) -> Option<[Info; 2]> {
    let data = vec![7; TOTAL];
    let (mut written, mut read) = ([0; 2], [0; 2]);
    let done = world.run_until(Duration::from_secs(300), |world| {
        for (at, side) in [Left, Right].into_iter().enumerate() {
            written[at] += world.write(side, ends[at], &data[written[at]..]);
            while let Heard::Data(data) = world.read(side, ends[at]) {
                read[at] += data.len();
            }
        }
        read == [TOTAL; 2]
    });
    done.then(|| [(Left, ends[0]), (Right, ends[1])].map(|(side, end)| world.host(side).stack.info(end).unwrap()))
}

/// S8, B-ECN: on a path that marks every hundredth packet all arrives, both ends slow down, and nothing is sent twice.
#[test]
fn s8_b_ecn_marks_slow_both_ends_down_and_nothing_is_lost() {
    for ipv6 in [false, true] {
        let (mut world, client, server) = world(Ecn::Ask, ipv6);
        world.path.marks = [10_000; 2];
        let infos = exchange(&mut world, [client, server]).expect("it takes its time, but not so long");
        let [left, right] = &infos;
        let told = [(left, right), (right, left)].map(|(one, other)| one.marks_heeded <= other.marks_received);
        assert_eq!(told, [true; 2], "one cut for a window at most: {infos:?}");
        for info in infos {
            assert!(info.ecn && info.marks_heeded > 3 && info.marks_received > 3, "{info:?}");
            assert!(info.slow_start_threshold.is_some_and(|threshold| threshold < 300_000));
            assert_eq!((info.retransmissions, info.duplicates_reported), (0, 0));
        }
        world.release(Left, client);
        world.release(Right, server);
        world.assert_nothing_left();
    }
}

/// S8: a path that marks all there is slows to a segment for each retransmission time, and no further.
#[test]
fn s8_a_path_that_marks_everything_lets_something_through() {
    let (mut world, client, server) = world(Ecn::Ask, false);
    world.path.marks = [1_000_000; 2];
    world.write(Left, client, &vec![7; 60_000]);
    let mut read = 0;
    let done = world.run_until(Duration::from_secs(60), |world| {
        while let Heard::Data(data) = world.read(Right, server) {
            read += data.len();
        }
        read == 60_000
    });
    let info = world.host(Left).stack.info(client).unwrap();
    assert!(done, "{read} of 60000: {info:?}");
    assert_eq!((info.congestion_window, info.retransmissions), (1460 - 12, 0));
    world.release(Left, client);
    world.release(Right, server);
    world.assert_nothing_left();
}

/// S8: where nobody has asked nothing can be marked, and the same path loses nothing.
#[test]
fn s8_nothing_is_marked_that_may_not_be() {
    let (mut world, client, server) = world(Ecn::Accept, false);
    world.path.marks = [1_000_000; 2];
    let infos = exchange(&mut world, [client, server]).expect("nothing is in the way");
    assert!(infos.iter().all(|info| !info.ecn && info.marks_received == 0 && info.slow_start_threshold.is_none()));
}

/// X-ECN: who drops SYNs that ask costs the time of one retransmission, and the connection goes on without.
#[test]
fn x_ecn_a_box_that_drops_what_it_does_not_know() {
    let config = Config { ecn: Ecn::Ask, ..Config::default() };
    let mut world = World::new(Setup { config: [config.clone(), config], ..Setup::new(8) });
    let asks = |sight: &adieu_sim::Sight| sight.is(Left, Flags::SYN.with(Flags::ECE));
    world.rules.push(Rule::first("an old firewall", usize::MAX, Verdict::Lose, asks));
    world.listen(Right);
    let client = world.connect(Left);
    let mut server = None;
    world.run_until(Duration::from_secs(3), |world| {
        server = world.host(Right).accept();
        server.is_some()
    });
    let server = server.expect("the second SYN passes");
    let infos = exchange(&mut world, [client, server]).expect("nothing else is in the way");
    assert!(infos.iter().all(|info| !info.ecn));
}
