//! A host's clock, which need not be the world's.

use adieu_core::{Duration, Instant};

/// At the world's time `world` the clock says `local`, and goes on from there; before that it stands still.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Clock {
    world: Instant,
    local: Instant,
}

impl Clock {
    /// What the clock says.
    pub(crate) fn local(&self, now: Instant) -> Instant {
        self.local + now.since(self.world)
    }

    /// When the clock will say `local`: the world's origin where it has said so already.
    pub(crate) fn world(&self, local: Instant) -> Instant {
        if local == Instant::NEVER {
            return Instant::NEVER;
        }
        if local <= self.local { Instant::ZERO } else { self.world + local.since(self.local) }
    }

    /// It leaps ahead; where it stands still, it goes on standing.
    pub(crate) fn jump(&mut self, now: Instant, by: Duration) {
        *self = Self { world: self.world.max(now), local: self.local(now) + by };
    }

    /// It stands still for a while, at least.
    pub(crate) fn stop(&mut self, now: Instant, lasts: Duration) {
        *self = Self { world: self.world.max(now + lasts), local: self.local(now) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Instant = Instant::from_secs;

    #[test]
    fn a_clock_that_nobody_touches_is_the_worlds() {
        let clock = Clock::default();
        for at in [S(0), S(7), Instant::NEVER] {
            assert_eq!((clock.local(at), clock.world(at)), (at, at));
        }
    }

    #[test]
    fn it_jumps_stands_and_goes_on() {
        let mut clock = Clock::default();
        clock.jump(S(10), Duration::from_secs(100));
        assert_eq!([clock.local(S(10)), clock.local(S(11))], [S(110), S(111)]);
        assert_eq!([clock.world(S(111)), clock.world(S(50))], [S(11), S(0)]);
        clock.stop(S(20), Duration::from_secs(5));
        assert_eq!([20, 24, 25, 26].map(|at| clock.local(S(at))), [S(120), S(120), S(120), S(121)]);
        assert_eq!(clock.world(S(121)), S(26));
        clock.jump(S(22), Duration::from_secs(1));
        assert_eq!([22, 25, 26].map(|at| clock.local(S(at))), [S(121), S(121), S(122)]);
        clock.stop(S(23), Duration::from_secs(1));
        assert_eq!(clock.local(S(26)), S(122), "the longer stop holds");
        clock.stop(S(30), Duration::MAX);
        assert_eq!((clock.local(S(1000)), clock.world(S(127))), (S(126), Instant::NEVER));
    }
}
