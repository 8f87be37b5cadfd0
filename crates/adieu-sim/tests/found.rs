//! What storms have found, each as small as it gets.

use adieu_core::wire::Flags;
use adieu_core::{Cause, Duration, Ending, HandleId, State};
use adieu_sim::{Heard, Rule, Setup, Verdict, World};
use adieu_trace::Side::{self, Left, Right};
use adieu_trace::What;

/// An established connection, opened from the left.
fn established(setup: Setup) -> (World, HandleId, HandleId) {
    let mut world = World::new(setup);
    world.listen(Right);
    let client = world.connect(Left);
    let mut server = None;
    world.run_until(Duration::from_secs(1), |world| {
        server = world.host(Right).accept();
        server.is_some()
    });
    (world, client, server.expect("nothing is lost here"))
}

fn segments(world: &World, side: Side) -> impl Iterator<Item = adieu_trace::SegmentSeen> {
    world.trace().events.iter().filter_map(move |event| match event.what {
        What::Segment(segment) if segment.from == side => Some(segment),
        _ => None,
    })
}

/// RFC 9293 section 3.10.7.4: with a closed window "special allowance should be made to accept valid ACKs". While the
/// peer's probe of our closed window is out, its bare acknowledgments carry SND.NXT, one beyond RCV.NXT.
#[test]
fn zw_9_acknowledgments_count_while_our_window_is_closed() {
    let mut setup = Setup::new(580);
    setup.config[0].receive_buffer = 1;
    let (mut world, client, server) = established(setup);
    world.write(Right, server, b"ab");
    world.run_for(Duration::from_secs(300)); // One octet is here, unread; the other one probes, ever less often.
    world.write(Left, client, b"x");
    world.shut_down(Left, client);
    world.run_for(Duration::from_secs(5));
    let sent = segments(&world, Left).filter(|segment| segment.flags.has(Flags::FIN)).count();
    assert_eq!(sent, 1, "the peer acknowledged each of these at once");
    assert!(world.host(Left).stack.is_finished(client));
}

/// The same, and a connection between two living hosts on a perfect wire dies of it.
#[test]
fn l1_nobody_is_given_up_who_answers() {
    let mut setup = Setup::new(580);
    setup.config[0].receive_buffer = 1;
    setup.config[0].retries = 5;
    let (mut world, client, server) = established(setup);
    world.write(Right, server, b"ab");
    world.run_for(Duration::from_secs(300));
    world.write(Left, client, b"x");
    world.run_for(Duration::from_secs(120));
    assert_eq!(world.host(Left).stack.receipt(client).map(|receipt| receipt.ending), None);
}

/// One segment acknowledges our FIN and brings data nobody can read: FIN-WAIT-2, and the abort in it.
#[test]
fn en_5_the_receipt_knows_the_state_it_ended_in() {
    let (mut world, client, server) = established(Setup::new(28));
    world.rules.push(Rule::first("the ACK of the FIN is lost", 1, Verdict::Lose, |sight| sight.is_bare_ack(Right)));
    world.close(Left, client);
    world.run_until(Duration::from_secs(1), |world| world.state(Right) == State::CloseWait);
    world.write(Right, server, b"late");
    world.run_for(Duration::from_secs(1));
    let receipt = world.host(Left).stack.receipt(client).expect("data after close is a reset");
    let state = receipt.ending.state();
    assert_eq!(receipt.ending, Ending::Aborted { cause: Cause::DataAfterClose, state });
    assert_eq!(receipt.spent.iter().last().map(|(last, _)| last), Some(state));
}

/// The smallest MTU the configuration allows.
#[test]
fn must_67_no_packet_is_larger_than_the_device_carries() {
    let mut setup = Setup::new(341);
    setup.config[0].mtu = 68;
    setup.config[1].mtu = 68;
    let (mut world, client, server) = established(setup);
    world.write(Left, client, &[7; 200]);
    world.run_for(Duration::from_secs(1));
    assert!(matches!(world.read(Right, server), Heard::Data(_)));
    assert_eq!(segments(&world, Left).map(|segment| 40 + segment.len).filter(|size| *size > 68).count(), 0);
}
