//! What the hostile tests of closing add to a script: both families, timestamps, and the bookkeeping of what is left.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use adieu_core::wire::Flags;
use adieu_core::{Config, Flow, Released, Secrets, Seq, Stack, State, Stats};

use crate::script::{OUR_PORT, PEER, PEER_PORT, START, Script, Seg, US, seg, stamps};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    V4,
    V6,
}

pub(crate) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

pub(crate) fn us(family: Family) -> IpAddr {
    match family {
        Family::V4 => US.into(),
        Family::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
    }
}

pub(crate) fn peer(family: Family) -> IpAddr {
    match family {
        Family::V4 => PEER.into(),
        Family::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).into(),
    }
}

/// Both families are ours.
pub(crate) fn both(config: Config) -> Config {
    Config { addresses: FAMILIES.map(us).to_vec(), ..config }
}

pub(crate) fn secrets(seed: u8) -> Secrets {
    Secrets::from_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap_or(0) ^ seed))
}

/// A segment with the peer's clock, if it has one.
pub(crate) fn at(stamp: Option<u32>, segment: Seg) -> Seg {
    match stamp {
        Some(stamp) => segment.options(&stamps(stamp, 0)),
        None => segment,
    }
}

/// A SYN or SYN-ACK with an MSS and perhaps a clock.
pub(crate) fn syn_at(stamp: Option<u32>, segment: Seg) -> Seg {
    let mut options = vec![2, 4, 0x05, 0xb4];
    if let Some(stamp) = stamp {
        options.extend(stamps(stamp, 0));
    }
    segment.syn().options(&options)
}

/// A tiny deterministic source of choices.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32).unwrap_or(0)
    }

    pub(crate) fn below(&mut self, n: u32) -> u32 {
        self.next() % n
    }

    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }
}

impl Script {
    /// A stack with both families, whose script speaks over one of them.
    pub(crate) fn over(family: Family, config: Config) -> Self {
        let mut s = Self::with(both(config), 7_000_000, START);
        s.flow = Flow::new(SocketAddr::new(us(family), OUR_PORT), SocketAddr::new(peer(family), PEER_PORT));
        s
    }

    /// Another stack with other keys, in the same place.
    pub(crate) fn replace_stack(&mut self, config: Config, secrets: Secrets) {
        self.stack = Stack::new(both(config), secrets, adieu_core::wire::checksum::sum);
        self.handle = None;
        self.listener = None;
    }

    /// The script's flow from another port of the peer's.
    pub(crate) fn use_port(&mut self, port: u16) {
        self.flow.remote_port = port;
    }

    pub(crate) fn listen_here(&mut self) {
        self.listener = Some(self.stack.listen(self.flow.local()).expect("a free port"));
    }

    /// The peer opens; the listener is there.
    pub(crate) fn open_passive(&mut self, stamp: Option<u32>) {
        self.send(syn_at(stamp, seg()));
        self.learn_iss();
        self.send(at(stamp, seg().seq(1).ack(1)));
        self.expect_nothing();
        assert!(self.accept());
        assert_eq!(self.state(), State::Established);
    }

    /// We open, from the flow's own port.
    pub(crate) fn open_active(&mut self, stamp: Option<u32>) {
        let handle = self.stack.connect(self.now, Some(self.flow.local()), self.flow.remote());
        self.handle = Some(handle.expect("a connection"));
        self.poll();
        self.learn_iss();
        self.send(syn_at(stamp, seg().ack(1)));
        let acked = self.take_one();
        assert_eq!((acked.seq, acked.ack), (1, Some(1)));
        assert_eq!(self.state(), State::Established);
    }

    /// From ESTABLISHED without data to TIME-WAIT, at one instant.
    pub(crate) fn close_to_time_wait(&mut self, stamp: Option<u32>) {
        self.shut_down();
        self.send(at(stamp, seg().seq(1).ack(2)));
        assert_eq!(self.state(), State::FinWait2);
        self.take();
        self.send(at(stamp, seg().seq(1).ack(2).fin()));
        self.take_one().assert_is(&seg().seq(2).ack(2));
        assert_eq!(self.state(), State::TimeWait);
    }

    /// A whole connection opened by the peer, in TIME-WAIT, its handle gone.
    pub(crate) fn passive_time_wait(family: Family, config: Config, stamp: Option<u32>) -> Self {
        let mut s = Self::over(family, config);
        s.listen_here();
        s.open_passive(stamp);
        s.close_to_time_wait(stamp);
        s.release();
        s.receipts();
        s
    }

    /// A whole connection opened by us, in TIME-WAIT, its handle gone.
    pub(crate) fn active_time_wait(family: Family, config: Config, stamp: Option<u32>) -> Self {
        let mut s = Self::over(family, config);
        s.open_active(stamp);
        s.close_to_time_wait(stamp);
        s.release();
        s.receipts();
        s
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stack.stats()
    }

    /// The words about released flows that nobody has taken yet.
    pub(crate) fn released(&mut self) -> Vec<Released> {
        std::iter::from_fn(|| self.stack.poll_released()).map(|(_, how)| how).collect()
    }

    /// EN-7: what was made has ended, was forgotten, or lives.
    #[track_caller]
    pub(crate) fn assert_accounts(&self) {
        let stats = self.stats();
        let left = self.stack.leftover();
        let living = self.stack.flows().iter().filter(|flow| flow.state != State::TimeWait).count();
        let living = u64::try_from(living).unwrap();
        let endings = self.stack.endings().total();
        assert_eq!(stats.made, endings + stats.openings_forgotten + living, "{stats:?} {left:?}");
        assert_eq!(stats.ended, endings);
    }

    /// Everything is let go and runs out; there was exactly one word for every flow (TW-18), and nothing is left.
    #[track_caller]
    pub(crate) fn finish_all(mut self) {
        if self.handle.is_some() {
            self.release();
        }
        if self.listener.is_some() {
            self.unlisten();
        }
        self.advance(crate::script::secs(3 * 3600));
        self.assert_accounts();
        let stats = self.stats();
        // A connection that gave its place back to a record leaves the word to that.
        let words = stats.released.iter().sum::<u64>() + stats.time_wait_restored;
        assert_eq!(words, stats.made, "one word for each: {stats:?}");
        self.receipts();
        self.take();
        self.finish();
    }
}

pub(crate) fn is_rst(seen: &crate::script::Seen) -> bool {
    seen.flags.has(Flags::RST)
}

pub(crate) fn seq(n: u32) -> Seq {
    Seq(n)
}
