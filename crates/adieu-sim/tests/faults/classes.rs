//! Faults by class of segment.

use adieu_core::Keepalive;
use adieu_core::wire::Flags;
use adieu_core::{Config, Flow, Settings};
use adieu_sim::{Class, Deed, Fault, Heard, Setup, Strikes, Wire, World};
use adieu_trace::Side::{Left, Right};
use adieu_trace::What;

use crate::common::{LONG, families, millis, pair, seconds};

const LOSE: Deed = Deed::Lose;

/// Flags, length, and whether it is lost, of all that was sent.
fn sent(world: &World) -> Vec<(Flags, usize, bool)> {
    let segments = world.trace().events.iter().filter_map(|event| match &event.what {
        What::Segment(seen) => Some((seen.flags, seen.len, seen.arrives.is_none())),
        What::State { .. } | What::App { .. } => None,
    });
    segments.collect()
}

#[test]
fn the_nth_of_each_class_is_struck_and_nothing_else() {
    let classes = [Class::Syn, Class::SynAck, Class::Data, Class::Fin];
    for setup in families(3) {
        let mut world = World::new(setup);
        world.path.faults = classes.map(|class| Fault::new(class, Strikes::Nth(1), LOSE)).into();
        world.listen(Right);
        let client = world.connect(Left);
        let mut server = None;
        assert!(world.run_until(LONG, |world| {
            server = server.or_else(|| world.host(Right).accept());
            server.is_some()
        }));
        let server = server.unwrap();
        world.write(Left, client, b"hello");
        assert!(world.run_until(LONG, |world| world.read(Right, server) == Heard::Data(b"hello".to_vec())));
        world.close(Left, client);
        assert!(world.run_until(LONG, |world| world.read(Right, server) == Heard::EndOfStream));
        world.close(Right, server);
        world.release(Left, client);
        world.release(Right, server);
        world.assert_nothing_left();
        let lost: Vec<(Flags, usize)> =
            sent(&world).into_iter().filter(|sent| sent.2).map(|(flags, len, _)| (flags, len)).collect();
        let ack = Flags::ACK;
        let expected =
            [(Flags::SYN, 0), (ack.with(Flags::SYN), 0), (ack.with(Flags::PSH), 5), (ack.with(Flags::FIN), 0)];
        assert_eq!(lost, expected);
        // The SYN twice lost (once itself, once its answer) and so on: two of each at least were seen.
        assert!(world.path.faults.iter().all(|fault| fault.struck() == 1 && fault.seen() >= 2));
    }
}

#[test]
fn a_fault_has_a_direction_and_a_flow() {
    let mut pair = pair(Setup::new(3));
    let flow = pair.flow();
    let other = Flow { local_port: 1, ..flow };
    let always = Strikes::Chance(1_000_000);
    pair.world.path.faults.push(Fault::any(always, LOSE).on(other));
    pair.world.path.faults.push(Fault::new(Class::Data, always, LOSE).from(Right));
    pair.write(Left, b"there");
    assert_eq!(pair.arrives(Right, b"there"), millis(10));
    pair.write(Right, b"back");
    pair.world.run_for(seconds(5));
    assert_eq!(pair.read(Left), b"");
    assert_eq!(pair.world.path.faults[0].seen(), 0);
    assert!(pair.world.path.faults[1].struck() > 2);
    pair.world.path.faults[1] = Fault::any(always, LOSE).on(other);
    pair.arrives(Left, b"back");
    pair.part();
}

#[test]
fn held_and_repeated_segments_come_later_and_again() {
    let mut pair = pair(Setup::new(3));
    let hold = Fault::new(Class::Data, Strikes::Nth(1), Deed::Hold(millis(25)));
    pair.world.path.faults = vec![hold.from(Left)];
    pair.write(Left, b"one");
    assert_eq!(pair.arrives(Right, b"one"), millis(35));
    pair.world.run_for(millis(500));
    let before = pair.world.host(Right).stack.stats().packets;
    pair.world.path.faults = vec![Fault::new(Class::Data, Strikes::First(1), Deed::Again(millis(7))).from(Left)];
    pair.write(Left, b"two");
    assert_eq!(pair.arrives(Right, b"two"), millis(10));
    pair.world.run_for(millis(100));
    assert_eq!(pair.world.host(Right).stack.stats().packets - before, 2);
    pair.part();
}

#[test]
fn every_corrupted_packet_is_caught_and_counted() {
    for setup in families(5) {
        let mut pair = pair(setup);
        let before = pair.world.host(Right).stack.stats();
        pair.world.path.faults = vec![Fault::any(Strikes::Chance(300_000), Deed::Corrupt).from(Left)];
        let data: Vec<u8> = (0..=255).cycle().take(200_000).collect();
        pair.write(Left, &data);
        pair.arrives(Right, &data);
        pair.world.path.faults[0].strikes = Strikes::Chance(0);
        pair.world.run_for(seconds(1));
        let after = pair.world.host(Right).stack.stats();
        let caught = after.bad_checksum - before.bad_checksum + after.malformed - before.malformed;
        assert_eq!(caught, pair.world.path.faults[0].struck());
        assert!(caught > 40 && after.bad_checksum > before.bad_checksum);
        pair.part();
    }
}

#[test]
fn chances_come_of_the_seed_and_shift_nothing_that_is_drawn_for_the_wire() {
    let run = |faults: Vec<Fault>| {
        let wire = Wire { loss: 100_000, reordering: 300_000, ..Wire::default() };
        let mut pair = pair(Setup { wire, ..Setup::new(11) });
        pair.world.path.faults = faults;
        let data = vec![7; 100_000];
        pair.write(Left, &data);
        pair.arrives(Right, &data);
        (format!("{:?}", sent(&pair.world)), pair.world.path.faults.iter().map(Fault::struck).sum::<u64>())
    };
    let lossy = || vec![Fault::new(Class::Data, Strikes::Chance(200_000), LOSE)];
    let (plain, _) = run(Vec::new());
    // Whoever strikes and does nothing draws, and yet the wire does what it did.
    let nothing = vec![Fault::any(Strikes::Chance(500_000), Deed::Hold(millis(0)))];
    let (harmless, struck) = run(nothing);
    assert!(struck > 20 && harmless == plain);
    let (first, struck) = run(lossy());
    assert!(struck > 5 && first != plain && first == run(lossy()).0);
}

#[test]
fn probes_are_told_from_what_carries_something() {
    // Keepalives: a number that was acknowledged long ago, and no octet.
    let mut kept = pair(Setup::new(3));
    let now = kept.world.now();
    let keepalive = Keepalive { idle: seconds(10), interval: seconds(1), probes: 3 };
    let settings = Settings { keepalive: Some(keepalive), ..Settings::default() };
    kept.world.host(Left).stack.set(now, kept.client, settings);
    kept.world.path.faults = vec![Fault::new(Class::Probe, Strikes::First(2), LOSE)];
    kept.world.run_for(seconds(15));
    assert_eq!((kept.world.path.faults[0].struck(), kept.ending(Left)), (2, None));
    kept.world.path.faults[0].strikes = Strikes::Chance(1_000_000);
    assert_eq!(kept.ends(Left), "timed-out-keepalive");

    // Window probes: the receiver reads nothing until they have begun.
    let small = Config { receive_buffer: 4096, ..Config::default() };
    let mut stuck = pair(Setup { config: [Config::default(), small], ..Setup::new(3) });
    let data = vec![7; 60_000];
    stuck.world.path.faults = vec![Fault::new(Class::Probe, Strikes::Chance(0), LOSE)];
    stuck.write(Left, &data);
    stuck.world.run_for(millis(100));
    let early = stuck.world.path.faults[0].seen();
    stuck.world.run_for(seconds(20));
    let seen = stuck.world.path.faults[0].seen();
    assert!(early == 0 && seen >= 3, "{early} at first, {seen} after 20 s");
    stuck.arrives(Right, &data);
    stuck.part();
}
