//! Where a connection lives: over which family of addresses, and where in the sequence space its numbers begin (FB-6).
#![allow(unused_imports, unused_macros, reason = "every test file uses its own part")]

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use adieu_core::{Config, Flow, Secrets, Seq, Stack, State};

use super::{MSS, OUR_PORT, PEER, PEER_PORT, START, Script, US, config};

/// A family of addresses, and both initial numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) v6: bool,
    pub(crate) iss: u32,
    pub(crate) irs: u32,
}

/// How far before 2^32 an initial number lies, at most: FIN.S and FIN.R come to lie on both sides of the wrap.
const NEAR: u32 = 5;

impl Place {
    /// Far from any wrap, over IPv4.
    pub(crate) const PLAIN: Self = Self { v6: false, iss: 3_000_000, irs: 7_000_000 };

    /// Over both families: far from any wrap, and with each initial number on each of the last five before it.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let near = (0..NEAR * NEAR).map(|n| (u32::MAX - n / NEAR, u32::MAX - n % NEAR));
        let numbers = std::iter::once((Self::PLAIN.iss, Self::PLAIN.irs)).chain(near);
        numbers.flat_map(|(iss, irs)| [false, true].map(|v6| Self { v6, iss, irs }))
    }

    /// Full segments of both ends.
    pub(crate) fn mss(self) -> usize {
        if self.v6 { MSS - 20 } else { MSS }
    }

    /// Nothing has happened yet.
    pub(crate) fn script(self, config: Config) -> Script {
        let v6 = |last| IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last));
        let (us, peer) = if self.v6 { (v6(1), v6(2)) } else { (US.into(), PEER.into()) };
        let config = Config { addresses: vec![us], ..config };
        let secrets = Secrets::from_bytes([7; 48]).with_initial_seq(Seq(self.iss));
        let mut s = Script::with(config.clone(), self.irs, START);
        s.stack = Stack::new(config, secrets, adieu_core::wire::checksum::sum);
        s.flow = Flow::new(SocketAddr::new(us, OUR_PORT), SocketAddr::new(peer, PEER_PORT));
        s.iss = Seq(self.iss);
        s
    }

    // ---- the ways of states.rs, from here ------------------------------------------------------------------------

    pub(crate) fn syn_received(self, config: Config) -> Script {
        let s = self.script(config).into_syn_received();
        assert_eq!(s.iss.0, self.iss);
        s
    }

    pub(crate) fn established_with(self, config: Config) -> Script {
        self.syn_received(config).into_established()
    }

    pub(crate) fn established_passive(self) -> Script {
        self.established_with(config())
    }

    pub(crate) fn in_state(self, state: State) -> Script {
        self.established_passive().into_state(state)
    }
}

/// Runs a test at every place; where it fails it says at which.
pub(crate) fn everywhere(test: impl Fn(Place)) {
    struct Said(Place);
    impl Drop for Said {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("at {:x?}", self.0);
            }
        }
    }
    for place in Place::all() {
        let _said = Said(place);
        test(place);
    }
}

/// Makes tests of functions: each runs at every [`Place`]. Whoever forgets one gets a warning about dead code.
macro_rules! register {
    ($($name:ident(Place);)*) => {
        mod everywhere {
            $(#[test] fn $name() { crate::script::places::everywhere(super::$name); })*
        }
    };
}
pub(crate) use register;
