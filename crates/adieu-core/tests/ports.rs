//! Which ports the stack takes by itself: X-PORT, through `connect` and `listen`.

mod script;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use adieu_core::{Config, ConnectError, State};
use script::{OUR_PORT, PEER, PEER_PORT, Script, US, config};

fn script(config: Config) -> Script {
    Script::with(config, 1, script::START)
}

fn remote() -> SocketAddr {
    SocketAddr::from((PEER, 80))
}

/// Connects to the same place until there is no port left, and says which were taken.
fn all_ports(s: &mut Script) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    loop {
        match s.stack.connect(s.now, None, remote()) {
            Ok(handle) => assert!(ports.insert(s.stack.flow(handle).unwrap().local_port)),
            Err(error) => {
                assert!(matches!(error, ConnectError::NoPort(_)), "{error:?}");
                return ports;
            }
        }
    }
}

#[test]
fn x_port_neither_reserved_ports_nor_those_somebody_listens_at_are_taken() {
    let reserved = Config { ephemeral_ports: (5000, 5009), reserved_ports: vec![5003, 5004, 80], ..config() };
    let mut s = script(reserved);
    s.stack.listen(SocketAddr::from((US, 5008))).unwrap();
    s.stack.listen(SocketAddr::from(([0; 4], 5009))).unwrap();
    assert_eq!(all_ports(&mut s), BTreeSet::from([5000, 5001, 5002, 5005, 5006, 5007]));
}

#[test]
fn x_port_a_listener_that_does_not_mind_gets_a_port_that_is_not_reserved() {
    let reserved = Config { ephemeral_ports: (5000, 5003), reserved_ports: vec![5001], ..config() };
    let mut s = script(reserved);
    let mut ports = BTreeSet::new();
    for _ in 0..3 {
        let listener = s.stack.listen(SocketAddr::from((US, 0))).unwrap();
        ports.insert(s.stack.local_address(listener).unwrap().port());
    }
    assert_eq!(ports, BTreeSet::from([5000, 5002, 5003]));
    assert!(s.stack.listen(SocketAddr::from((US, 0))).is_err());
}

#[test]
fn x_port_a_tuple_in_time_wait_is_not_taken_and_one_for_another_place_is() {
    let narrow = Config { ephemeral_ports: (OUR_PORT, OUR_PORT + 1), ..config() };
    let mut s = Script::established_with(narrow).into_state(State::TimeWait);
    assert_eq!(s.flow_state(), State::TimeWait);
    s.unlisten();
    let (same, other) = (SocketAddr::from((PEER, PEER_PORT)), SocketAddr::from((PEER, PEER_PORT + 1)));
    let handle = s.stack.connect(s.now, None, same).unwrap();
    assert_eq!(s.stack.flow(handle).unwrap().local_port, OUR_PORT + 1);
    assert!(matches!(s.stack.connect(s.now, None, same), Err(ConnectError::NoPort(_))));
    assert!((0..2).all(|_| s.stack.connect(s.now, None, other).is_ok()));
}
