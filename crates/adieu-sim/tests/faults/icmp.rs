//! ICMP errors, about what is under way and about what is not.

use adieu_core::Config;
use adieu_sim::{IcmpError, Number, Quote, Setup, World};
use adieu_trace::Side::{Left, Right};

use crate::common::{families, millis, pair, seconds};

#[test]
fn a_syn_in_flight_is_answered_with_errors() {
    use IcmpError as E;
    for setup in families(3) {
        for (error, v4, v6) in [
            (E::PortUnreachable, true, true),
            (E::AdminProhibited, false, true),
            (E::HostUnreachable, false, false),
            (E::TimeExceeded, false, false),
        ] {
            let mut world = World::new(setup.clone());
            let hard = if setup.ipv6 { v6 } else { v4 };
            assert!(!world.icmp(Left, error, Quote::InFlight(None)), "nothing has been sent");
            let handle = world.connect(Left);
            world.listen(Right);
            world.run_for(millis(5));
            assert!(!world.icmp(Right, error, Quote::InFlight(None)), "it is not the other host's");
            assert!(world.icmp(Left, error, Quote::InFlight(None)));
            world.run_for(millis(1));
            let stats = world.host(Left).stack.stats();
            assert_eq!((stats.icmp_believed, stats.icmp_ignored), (1, 0), "{error:?}");
            assert_eq!(world.receipt(Left, handle).is_some(), hard, "{error:?} {}", setup.ipv6);
        }
    }
}

#[test]
fn of_a_connection_only_what_quotes_something_unacknowledged_is_believed() {
    for setup in families(3) {
        let mut pair = pair(setup);
        let flow = pair.flow();
        let answers = |pair: &mut crate::common::Pair, number| {
            let before = pair.world.host(Left).stack.stats();
            assert!(pair.world.icmp(Left, IcmpError::HostUnreachable, Quote::Segment(flow, number)));
            pair.world.run_for(millis(1));
            let after = pair.world.host(Left).stack.stats();
            [after.icmp_believed - before.icmp_believed, after.icmp_ignored - before.icmp_ignored]
        };
        pair.write(Left, &[7; 100]);
        pair.world.run_for(millis(2));
        assert_eq!(answers(&mut pair, Number::Exact), [1, 0]);
        assert_eq!(answers(&mut pair, Number::InWindow(99)), [1, 0]);
        assert_eq!(answers(&mut pair, Number::InWindow(5000)), [1, 0], "at most the last that was sent");
        assert_eq!(answers(&mut pair, Number::Old(1)), [0, 1]);
        assert_eq!(answers(&mut pair, Number::Outside(1000)), [0, 1]);
        assert_eq!(answers(&mut pair, Number::Relative(1)), [1, 0]);
        assert_eq!(pair.ending(Left), None, "errors end no connection");
        let stranger = adieu_core::Flow { remote_port: 81, ..flow };
        assert!(!pair.world.icmp(Left, IcmpError::TimeExceeded, Quote::Segment(stranger, Number::Exact)));
        pair.arrives(Right, &[7; 100]);
        pair.part();
    }
}

#[test]
fn a_packet_that_was_kept_can_be_quoted_when_it_is_long_gone() {
    let config = Config::default();
    let mut pair = pair(Setup { config: [config.clone(), config], ..Setup::new(3) });
    let syn = pair.world.trace().packets[0].bytes.to_vec();
    assert!(pair.world.icmp(Left, IcmpError::PortUnreachable, Quote::Packet(syn)));
    assert!(!pair.world.icmp(Left, IcmpError::PortUnreachable, Quote::Packet(vec![1, 2, 3])));
    pair.world.run_for(seconds(1));
    let stats = pair.world.host(Left).stack.stats();
    assert_eq!((stats.icmp_believed, stats.icmp_ignored), (0, 1));
    pair.part();
}
