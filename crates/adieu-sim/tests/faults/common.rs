//! A connection to try faults on.

use adieu_core::{Duration, Flow, HandleId, Instant, State};
use adieu_sim::{Goal, Heard, Setup, World};
use adieu_trace::Side::{self, Left, Right};

pub(crate) const LONG: Duration = Duration::from_secs(3600);

pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn at(n: u64) -> Instant {
    Instant::from_secs(n)
}

/// A world with one connection from left to right, established and idle.
pub(crate) struct Pair {
    pub(crate) world: World,
    pub(crate) client: HandleId,
    pub(crate) server: HandleId,
}

pub(crate) fn pair(setup: Setup) -> Pair {
    let mut world = World::new(setup);
    world.listen(Right);
    let client = world.connect(Left);
    let mut server = None;
    assert!(world.run_until(LONG, |world| {
        server = server.or_else(|| world.host(Right).accept());
        server.is_some()
    }));
    world.run_for(millis(500));
    Pair { world, client, server: server.unwrap() }
}

impl Pair {
    pub(crate) fn flow(&mut self) -> Flow {
        self.world.host(Left).stack.flow(self.client).unwrap()
    }

    fn handle(&self, side: Side) -> HandleId {
        if side == Left { self.client } else { self.server }
    }

    pub(crate) fn write(&mut self, side: Side, data: &[u8]) {
        assert_eq!(self.world.write(side, self.handle(side), data), data.len());
    }

    /// As much as is taken.
    pub(crate) fn write_or_not(&mut self, side: Side, data: &[u8]) {
        self.world.write(side, self.handle(side), data);
    }

    /// All that has come to a host.
    pub(crate) fn read(&mut self, side: Side) -> Vec<u8> {
        let mut all = Vec::new();
        while let Heard::Data(data) = self.world.read(side, self.handle(side)) {
            all.extend(data);
        }
        all
    }

    /// Runs until so many bytes have come to a host, and says how long that took.
    pub(crate) fn arrives(&mut self, side: Side, data: &[u8]) -> Duration {
        let begin = self.world.now();
        let handle = self.handle(side);
        let mut got = Vec::new();
        let came = self.world.run_until(LONG, |world| {
            if let Heard::Data(bytes) = world.read(side, handle) {
                got.extend(bytes);
            }
            got.len() >= data.len()
        });
        assert!(came, "{} of {} bytes came", got.len(), data.len());
        assert!(got == data, "other bytes came than were sent");
        self.world.now().since(begin)
    }

    pub(crate) fn ending(&self, side: Side) -> Option<&'static str> {
        self.world.receipt(side, self.handle(side)).map(|receipt| receipt.ending.name())
    }

    pub(crate) fn ends(&mut self, side: Side) -> &'static str {
        let handle = self.handle(side);
        assert!(self.world.run_to(LONG, &Goal::Ended(side, handle)));
        self.ending(side).unwrap()
    }

    /// Both close; nothing is left over.
    pub(crate) fn part(mut self) {
        self.world.close(Left, self.client);
        assert!(self.world.run_until(LONG, |world| world.state(Right) != State::Established));
        self.world.close(Right, self.server);
        assert_eq!([self.ends(Left), self.ends(Right)], ["graceful-local-first", "graceful-peer-first"]);
        self.over();
    }

    pub(crate) fn over(mut self) {
        self.world.release(Left, self.client);
        self.world.release(Right, self.server);
        self.world.assert_nothing_left();
    }
}

/// Both address families.
pub(crate) fn families(seed: u64) -> [Setup; 2] {
    [false, true].map(|ipv6| Setup { ipv6, ..Setup::new(seed) })
}
