//! A host's program ends without a word, and another begins in its place.

use adieu_core::{Duration, State};
use adieu_sim::{Goal, Heard, Setup, World};
use adieu_trace::Side::{Left, Right};

const LONG: Duration = Duration::from_secs(3600);

/// The left host in TIME-WAIT, and its records.
fn parted() -> (World, Vec<u8>) {
    let mut world = World::new(Setup::new(7));
    world.listen(Right);
    let client = world.connect(Left);
    assert!(world.run_to(LONG, &Goal::states([State::Established; 2])));
    let server = world.host(Right).accept().unwrap();
    world.shut_down(Left, client);
    assert!(world.run_until(LONG, |world| world.read(Right, server) == Heard::EndOfStream));
    world.close(Right, server);
    assert!(world.run_to(LONG, &Goal::states([State::TimeWait, State::Closed])));
    world.release(Right, server);
    let records = world.export_time_wait(Left);
    world.restart(Left);
    assert_eq!((world.state(Left), world.leftover(Left)), (State::Closed, Default::default()));
    (world, records)
}

#[test]
fn qt_1_the_next_program_goes_on_with_what_it_is_given_and_ends_when_the_first_would_have() {
    let (mut world, records) = parted();
    let entered = world.now();
    world.run_for(Duration::from_secs(20));
    let imported = world.import_time_wait(Left, &records).unwrap();
    assert_eq!((imported.taken, world.state(Left)), (1, State::TimeWait));
    assert!(world.try_connect(Left).is_err(), "its port is in use");
    assert!(world.run_to(LONG, &Goal::State(Left, State::Closed)));
    let stayed = world.now().since(entered);
    assert!((59..=61).contains(&stayed.as_secs()), "{stayed:?}");
    world.assert_nothing_left();
}

#[test]
fn qt_2_a_program_that_is_given_nothing_resets_what_it_does_not_know() {
    let (mut world, _) = parted();
    let again = world.try_connect(Left).expect("nothing holds the port");
    assert!(world.run_to(LONG, &Goal::states([State::Established; 2])));
    world.restart(Left);
    let server = world.host(Right).accept().unwrap();
    assert_eq!(world.receipt(Left, again), None, "a handle of the program before is nothing here");
    world.write(Right, server, b"hello");
    assert!(world.run_to(LONG, &Goal::Ended(Right, server)));
    assert_eq!(world.receipt(Right, server).unwrap().ending.name(), "reset-by-peer");
    world.release(Right, server);
    world.assert_nothing_left();
}
