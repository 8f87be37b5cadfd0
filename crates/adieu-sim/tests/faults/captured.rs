//! Which connection is followed, and what is kept of all packets.

use adieu_core::Flow;
use adieu_core::wire::Flags;
use adieu_sim::{Aimed, Class, Deed, Fault, Keep, Setup, Strikes, World};
use adieu_trace::Side::{Left, Right};
use adieu_trace::{Run, pcapng};

use crate::common::{millis, seconds};

/// Three connections begin, a second apart.
fn three(setup: Setup, prepare: impl FnOnce(&mut World)) -> (World, [Flow; 3]) {
    let mut world = World::new(setup);
    prepare(&mut world);
    world.listen(Right);
    let flows = [(); 3].map(|()| {
        let now = world.now();
        let address = world.host(Right).address;
        let handle = world.host(Left).stack.connect(now, None, address).unwrap();
        world.run_for(seconds(1));
        world.host(Left).stack.flow(handle).unwrap()
    });
    (world, flows)
}

#[test]
fn the_nth_connection_can_be_followed() {
    for n in 0..3 {
        // Retransmitted SYNs are no new connections.
        let (world, flows) = three(Setup { follow: n, ..Setup::new(3) }, |world| {
            world.path.faults.push(Fault::new(Class::Syn, Strikes::Chance(500_000), Deed::Lose));
        });
        let packets = &world.trace().packets;
        assert!(packets.len() >= 3);
        for packet in packets {
            let at = if packet.from == Left { 20 } else { 22 };
            let port = u16::from_be_bytes([packet.bytes[at], packet.bytes[at + 1]]);
            assert_eq!(port, flows[n].local_port);
        }
        assert_eq!(world.state(Left), adieu_core::State::Established);
    }
}

#[test]
fn a_flow_can_be_followed_by_its_name() {
    let mut world = World::new(Setup { follow: usize::MAX, ..Setup::new(3) });
    world.listen(Right);
    let [client, server] = [Left, Right].map(|side| world.host(side).address);
    world.follow(Flow::new(client, server));
    world.connect_anew(Left);
    world.run_for(seconds(1));
    assert!(world.trace().packets.is_empty());
    world.connect(Left);
    world.run_for(seconds(1));
    assert!(world.trace().packets.len() >= 3);
}

#[test]
fn all_packets_are_kept_where_that_is_asked_for() {
    let (world, _) = three(Setup::new(3), |_| {});
    assert!(world.captured().packets.is_empty());
    let (mut world, flows) = three(Setup::new(3), |world| world.capture(Some(Keep::last(1000))));
    let all = world.captured().packets.len();
    assert!(all >= 9);
    assert!(world.aim(&flows[1], Left, &Aimed::new(Flags::RST)));
    world.run_for(millis(1));
    let trace = world.captured();
    assert_eq!(trace.packets.len(), all + 1, "what is forged, too");
    let file = pcapng(&[Run { name: "all", title: "every packet", trace: &trace }], 0);
    assert!(file.len() > trace.packets.iter().map(|packet| packet.bytes.len()).sum());
    let (world, _) = three(Setup::new(3), |world| {
        world.capture(Some(Keep { packets: 1000, time: millis(500) }));
    });
    let last: Vec<_> = world.captured().packets.iter().map(|packet| packet.at).collect();
    assert!(last.len() >= 3 && last.iter().all(|at| at.since(crate::common::at(2)) < seconds(1)));
    assert!(last.iter().all(|at| *at >= crate::common::at(2)));
}
