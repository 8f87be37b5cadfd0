//! Ways into every state. No data in either direction: our FIN lies at 1, and so does the peer's.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use adieu_core::wire::Flags;
use adieu_core::{Config, Flow, State};

use super::{MSS, OUR_PORT, PEER_PORT, START, Script, config, seg, stamps};

pub(crate) const SYNCHRONIZED: [State; 6] =
    [State::Established, State::FinWait1, State::FinWait2, State::CloseWait, State::Closing, State::LastAck];

impl Script {
    /// The peer's SYN has come to a listener; the SYN-ACK has left.
    pub(crate) fn syn_received(config: Config) -> Self {
        Self::with(config, 7_000_000, START).into_syn_received()
    }

    pub(crate) fn into_syn_received(mut self) -> Self {
        self.listen();
        self.send(seg().syn().mss(u16::try_from(MSS).unwrap_or(0)));
        self.learn_iss();
        self
    }

    /// From the SYN or SYN-ACK that waits to be looked at.
    pub(crate) fn learn_iss(&mut self) {
        let seen = self.take_one();
        assert!(seen.flags.has(Flags::SYN), "{seen:?}");
        self.iss = seen.raw.0;
    }

    /// The same, of one that must have these flags besides SYN.
    #[track_caller]
    pub(crate) fn learn_iss_of(&mut self, flags: Flags) {
        let seen = self.take_one();
        assert_eq!(seen.flags, flags.with(Flags::SYN), "{seen:?}");
        self.iss = seen.raw.0;
    }

    pub(crate) fn established_passive() -> Self {
        Self::established_with(config())
    }

    pub(crate) fn established_with(config: Config) -> Self {
        Self::syn_received(config).into_established()
    }

    /// Established with window scaling (shift 7), selective acknowledgments and timestamps; the peer's clock shows
    /// `stamp` in its SYN, and in the ACK after it.
    pub(crate) fn established_with_extensions(config: Config, stamp: u32) -> Self {
        let mut s = Self::with(config, 7_000_000, START);
        s.listen();
        let mut options = vec![2, 4, 0x05, 0xb4, 3, 3, 7, 1, 4, 2, 1, 1];
        options.extend(stamps(stamp, 0));
        s.send(seg().syn().options(&options));
        s.learn_iss();
        s.send(seg().seq(1).ack(1).options(&stamps(stamp, 0)));
        s.expect_nothing();
        assert!(s.accept());
        s
    }

    /// Nothing yet, over IPv6.
    pub(crate) fn over_ipv6(config: Config) -> Self {
        let address = |last| IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last));
        let config = Config { addresses: vec![address(1)], ..config };
        let mut s = Self::with(config, 7_000_000, START);
        let (local, remote) = (SocketAddr::new(address(1), OUR_PORT), SocketAddr::new(address(2), PEER_PORT));
        s.flow = Flow::new(local, remote);
        s
    }

    /// Established by the peer over IPv6.
    pub(crate) fn established_over_ipv6(config: Config) -> Self {
        let mut s = Self::over_ipv6(config);
        let local = s.flow.local();
        s.listener = Some(s.stack.listen(local).expect("a free port"));
        s.send(seg().syn().mss(1440));
        s.learn_iss();
        s.into_established()
    }

    /// From SYN-RECEIVED on; the handle is accepted.
    pub(crate) fn into_established(mut self) -> Self {
        self.send(seg().seq(1).ack(1));
        self.expect_nothing();
        assert!(self.accept());
        assert_eq!(self.state(), State::Established);
        self
    }

    pub(crate) fn syn_sent(config: Config) -> Self {
        Self::with(config, 7_000_000, START).into_syn_sent()
    }

    pub(crate) fn into_syn_sent(mut self) -> Self {
        self.connect();
        self.learn_iss();
        assert_eq!(self.state(), State::SynSent);
        self
    }

    pub(crate) fn established_active() -> Self {
        Self::syn_sent(config()).into_established_active()
    }

    pub(crate) fn into_established_active(mut self) -> Self {
        self.send(seg().syn().ack(1).mss(u16::try_from(MSS).unwrap_or(0)));
        self.expect_only(seg().seq(1).ack(1));
        assert_eq!(self.state(), State::Established);
        self
    }

    /// SYN-RECEIVED after both SYNs have crossed.
    pub(crate) fn syn_received_active() -> Self {
        let mut s = Self::syn_sent(config());
        s.send(seg().syn().mss(u16::try_from(MSS).unwrap_or(0)));
        s.expect_only(seg().syn().ack(1));
        assert_eq!(s.state(), State::SynReceived);
        s
    }

    /// A connection in one of the states from ESTABLISHED on.
    pub(crate) fn in_state(state: State) -> Self {
        Self::established_passive().into_state(state)
    }

    /// From ESTABLISHED to another state, without data.
    pub(crate) fn into_state(mut self, state: State) -> Self {
        match state {
            State::Established => {}
            State::FinWait1 => {
                self.shut_down();
                self.expect_only(seg().seq(1).ack(1).fin());
            }
            State::FinWait2 => {
                self = self.into_state(State::FinWait1);
                self.send(seg().seq(1).ack(2));
                self.expect_nothing();
            }
            State::CloseWait => {
                self.send(seg().seq(1).ack(1).fin());
                self.expect_only(seg().seq(1).ack(2));
            }
            State::Closing => {
                self = self.into_state(State::FinWait1);
                self.send(seg().seq(1).ack(1).fin());
                self.expect_only(seg().seq(2).ack(2));
            }
            State::LastAck => {
                self = self.into_state(State::CloseWait);
                self.shut_down();
                self.expect_only(seg().seq(1).ack(2).fin());
            }
            State::TimeWait => {
                self = self.into_state(State::FinWait2);
                self.send(seg().seq(1).ack(2).fin());
                self.expect_only(seg().seq(2).ack(2));
            }
            other => panic!("no way from ESTABLISHED to {other}"),
        }
        assert_eq!(self.state(), state);
        self
    }
}

/// SND.NXT in a state reached by [`Script::in_state`].
pub(crate) fn snd_nxt(state: State) -> i32 {
    match state {
        State::Established | State::CloseWait => 1,
        _ => 2,
    }
}

/// RCV.NXT in a state reached by [`Script::in_state`].
pub(crate) fn rcv_nxt(state: State) -> i32 {
    match state {
        State::Established | State::FinWait1 | State::FinWait2 => 1,
        _ => 2,
    }
}
