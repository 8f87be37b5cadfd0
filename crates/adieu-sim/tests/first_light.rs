//! One connection lives and ends.

use adieu_core::{Closer, Duration, Ending, Order, State};
use adieu_sim::{Heard, Setup, World};
use adieu_trace::Side::{Left, Right};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn four_way_goodbye() {
    let mut world = World::new(Setup::new(1));
    world.listen(Right);
    let client = world.connect(Left);
    let mut server = None;
    assert!(world.run_until(SOON, |w| {
        server = w.host(Right).accept();
        server.is_some()
    }));
    let server = server.unwrap();
    assert_eq!(world.write(Left, client, b"hello"), 5);
    assert!(world.run_until(SOON, |w| w.read(Right, server) == Heard::Data(b"hello".into())));
    world.shut_down(Left, client);
    assert!(world.run_until(SOON, |w| w.state(Right) == State::CloseWait));
    assert_eq!(world.read(Right, server), Heard::EndOfStream);
    world.write(Right, server, b"bye");
    world.close(Right, server);
    assert!(world.run_until(SOON, |w| w.state(Left) == State::TimeWait));
    assert_eq!(world.read(Left, client), Heard::Data(b"bye".into()));
    assert_eq!(world.read(Left, client), Heard::EndOfStream);
    assert!(world.run_until(SOON, |w| w.state(Right) == State::Closed));
    let receipt = world.host(Left).stack.receipt(client).unwrap();
    assert_eq!(receipt.ending, Ending::Graceful { order: Order::LocalFirst });
    assert_eq!(
        (receipt.sent, receipt.acknowledged, receipt.received, receipt.closed_first),
        (5, 5, 3, Some(Closer::Us))
    );
    let receipt = world.host(Right).stack.receipt(server).unwrap();
    assert_eq!(receipt.ending, Ending::Graceful { order: Order::PeerFirst });
    world.release(Left, client);
    world.release(Right, server);
    world.assert_nothing_left();
    assert_eq!((world.host(Left).receipts().len(), world.host(Right).receipts().len()), (1, 1));
}

#[test]
fn a_megabyte_each_way_over_a_bad_wire() {
    for seed in 0..20 {
        let mut setup = Setup::new(seed);
        setup.wire.loss = 30_000;
        setup.wire.duplication = 10_000;
        setup.wire.reordering = 100_000;
        let mut world = World::new(setup);
        world.listen(Right);
        let client = world.connect(Left);
        let mut server = None;
        assert!(world.run_until(SOON * 10, |w| {
            server = w.host(Right).accept();
            server.is_some()
        }));
        let server = server.unwrap();
        let data: Vec<u8> = (0..1_000_000u32).map(|n| (n * 7 % 251) as u8).collect();
        let mut sent = [0; 2];
        let mut got = [Vec::new(), Vec::new()];
        let mut ended = [false; 2];
        let done = world.run_until(Duration::from_secs(3600), |w| {
            for (n, side, handle) in [(0, Left, client), (1, Right, server)] {
                if sent[n] < data.len() {
                    sent[n] += w.write(side, handle, &data[sent[n]..]);
                    if sent[n] == data.len() {
                        w.shut_down(side, handle);
                    }
                }
                match w.read(side, handle) {
                    Heard::Data(bytes) => got[n].extend(bytes),
                    Heard::EndOfStream => ended[n] = true,
                    Heard::Nothing => {}
                    Heard::Failed(ending) => panic!("seed {seed}: {ending}"),
                }
            }
            ended == [true; 2]
        });
        assert!(done, "seed {seed}: {sent:?} {:?}", got.each_ref().map(Vec::len));
        assert!(got[0] == data && got[1] == data, "seed {seed}");
        world.release(Left, client);
        world.release(Right, server);
        world.assert_nothing_left();
        for side in [Left, Right] {
            assert!(world.host(side).receipts()[0].ending.is_graceful(), "seed {seed}");
        }
    }
}
