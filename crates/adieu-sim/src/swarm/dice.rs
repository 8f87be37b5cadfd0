//! Chance, from a seed.

use adieu_core::Duration;
use adieu_trace::Side;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A source of chance. Each thing in a world has one of its own, so that leaving one thing out does not change what the
/// others do.
#[derive(Clone, Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The source with this number of a seed.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut source = ChaCha8Rng::seed_from_u64(seed);
        source.set_stream(number);
        Self(source)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.next_u64() % (high - low + 1)
    }

    /// As [`Dice::range`], but each order of magnitude is as likely as the next.
    pub(crate) fn log(&mut self, low: u64, high: u64) -> u64 {
        let bits = |n: u64| u64::from(u64::BITS - n.leading_zeros());
        let width = self.range(bits(low), bits(high));
        if width == 0 {
            return low;
        }
        let (from, to) = (1 << width.saturating_sub(1), (1 << width) - 1);
        self.range(low.max(from.min(high)), high.min(to.max(low)))
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.range(0, 99) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.range(0, len as u64 - 1)).unwrap_or(0)
    }

    /// Up to `most`, to the nanosecond: two draws are hardly ever the same.
    pub(crate) fn time(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(self.range(0, u64::try_from(most.as_nanos()).unwrap_or(u64::MAX - 1)))
    }

    /// Between these, each order of magnitude as likely as the next.
    pub(crate) fn log_time(&mut self, low: Duration, high: Duration) -> Duration {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX >> 1);
        Duration::from_nanos(self.log(nanos(low), nanos(high)))
    }

    pub(crate) fn side(&mut self) -> Side {
        if self.chance(50) { Side::Left } else { Side::Right }
    }

    pub(crate) fn small_u8(&mut self, low: u64, high: u64) -> u8 {
        u8::try_from(self.range(low, high)).unwrap_or(u8::MAX)
    }

    pub(crate) fn small_u32(&mut self, low: u64, high: u64) -> u32 {
        u32::try_from(self.log(low, high)).unwrap_or(u32::MAX)
    }
}
