//! The same endings over IPv6.

use adieu_core::{Duration, Ending, Order, State};
use adieu_sim::{Heard, Rule, Setup, Verdict, World};
use adieu_trace::Side::{Left, Right};

const SOON: Duration = Duration::from_secs(30);

fn world() -> World {
    World::new(Setup { ipv6: true, ..Setup::new(6) })
}

#[test]
fn four_way_goodbye_with_a_lost_last_ack() {
    let mut world = world();
    world.listen(Right);
    let client = world.connect(Left);
    let mut server = None;
    assert!(world.run_until(SOON, |world| {
        server = world.host(Right).accept();
        server.is_some()
    }));
    let server = server.unwrap();
    let data: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
    let (mut sent, mut got) = (0, Vec::new());
    assert!(world.run_until(SOON, |world| {
        sent += world.write(Left, client, &data[sent..]);
        if let Heard::Data(bytes) = world.read(Right, server) {
            got.extend(bytes);
        }
        got.len() == data.len()
    }));
    assert!(got == data);
    world.shut_down(Left, client);
    assert!(world.run_until(SOON, |world| world.state(Right) == State::CloseWait));
    // The ACK of the server's FIN is lost once: TIME-WAIT answers when the FIN comes again.
    world.rules.push(Rule::first("the last ACK", 1, Verdict::Lose, |sight| {
        sight.is_bare_ack(Left) && sight.segment.ack == Some(2)
    }));
    world.close(Right, server);
    assert!(world.run_until(SOON, |world| world.state(Left) == State::TimeWait));
    assert_eq!(world.state(Right), State::LastAck);
    assert!(world.run_until(SOON, |world| world.state(Right) == State::Closed));
    let ending = |world: &mut World, side, handle| world.host(side).stack.receipt(handle).unwrap().ending;
    assert_eq!(ending(&mut world, Left, client), Ending::Graceful { order: Order::LocalFirst });
    assert_eq!(ending(&mut world, Right, server), Ending::Graceful { order: Order::PeerFirst });
    assert_eq!(world.host(Right).receipts()[0].retransmissions, 1);
    world.release(Left, client);
    world.release(Right, server);
    world.assert_nothing_left();
}

#[test]
fn refused() {
    let mut world = world();
    let client = world.connect(Left);
    assert!(world.run_until(SOON, |world| world.host(Left).stack.receipt(client).is_some()));
    let receipt = world.host(Left).stack.receipt(client).unwrap();
    assert_eq!(receipt.ending, Ending::Refused { state: State::SynSent });
    world.release(Left, client);
    world.assert_nothing_left();
}
