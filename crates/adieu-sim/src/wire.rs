//! The wire between the hosts: how long a packet takes, and what becomes of it.

use adieu_core::{Duration, Instant};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// What the wire does to packets. Chances are in millionths. The default is a delay of 10 ms and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    /// How long a packet takes, one way.
    pub delay: Duration,
    /// Packets that are lost.
    pub loss: u32,
    /// Packets that arrive twice.
    pub duplication: u32,
    /// Packets that take up to [`Wire::detour`] longer, and so may be overtaken.
    pub reordering: u32,
    /// How much longer such a packet may take.
    pub detour: Duration,
    /// Bytes a second, each way; packets wait for their turn. 0: no limit.
    pub rate: u64,
}

impl Default for Wire {
    fn default() -> Self {
        let detour = Duration::from_millis(30);
        Self { delay: Duration::from_millis(10), loss: 0, duplication: 0, reordering: 0, detour, rate: 0 }
    }
}

impl Wire {
    /// When the copies of a packet that leaves now arrive.
    pub(crate) fn arrivals(&self, now: Instant, rng: &mut ChaCha8Rng) -> Vec<Instant> {
        if chance(rng, self.loss) {
            return Vec::new();
        }
        let copies = 1 + usize::from(chance(rng, self.duplication));
        (0..copies).map(|_| now + self.delay + self.extra(rng)).collect()
    }

    /// How long the wire is busy with a packet.
    pub(crate) fn busy(&self, bytes: usize) -> Duration {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000).checked_div(self.rate);
        Duration::from_nanos(nanos.unwrap_or(0))
    }

    fn extra(&self, rng: &mut ChaCha8Rng) -> Duration {
        if chance(rng, self.reordering) { self.detour * (rng.next_u32() % 1000) / 1000 } else { Duration::ZERO }
    }
}

fn chance(rng: &mut ChaCha8Rng, millionths: u32) -> bool {
    // Drawn also where the chance is nil: a change of one setting does not shift all that follows.
    rng.next_u32() % 1_000_000 < millionths
}
