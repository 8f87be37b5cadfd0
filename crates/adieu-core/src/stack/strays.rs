//! How many resets strangers get: a budget for each part of the network, with a random part in it (RS-7).

use alloc::vec;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::net::IpAddr;

use super::{Flow, Stack};
use crate::reset;
use crate::secrets::Secrets;
use crate::time::Instant;
use crate::wire::Segment;

/// Resets of this second by parts of the network, which share these at random. No part can count another's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strays {
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    second: u32,
    sent: u32,
}

const BUCKETS: usize = 1024;

impl Strays {
    /// What has been sent in this second; where and how much depends on the time itself.
    pub(super) fn digest<H: Hasher>(&self, state: &mut H) {
        let sent = self.buckets.iter().enumerate().filter(|(_, bucket)| bucket.sent > 0);
        sent.for_each(|(at, Bucket { second, sent })| (at, second, sent).hash(state));
    }

    /// Whether one more reset may go to `source`: at most `most` in a second, at least half of that, by chance.
    fn admit(&mut self, secrets: &Secrets, source: IpAddr, most: u32, now: Instant) -> bool {
        if self.buckets.is_empty() {
            self.buckets = vec![Bucket::default(); BUCKETS];
        }
        let part = part_of(source);
        let second = u32::try_from((now.as_nanos() / 1_000_000_000) & u64::from(u32::MAX)).unwrap_or(0);
        let place = secrets.cookie_hash(&part, b"resets") as usize % BUCKETS;
        let bucket = &mut self.buckets[place];
        if bucket.second != second {
            *bucket = Bucket { second, sent: 0 };
        }
        bucket.sent = bucket.sent.saturating_add(1);
        if bucket.sent <= most / 2 {
            return true; // Without asking chance: the usual case.
        }
        let chance = secrets.cookie_hash(&part, &second.to_ne_bytes());
        u64::from(bucket.sent) <= u64::from(most / 2) + chance % u64::from(most - most / 2 + 1)
    }
}

/// The part of the network a source belongs to: /24 of IPv4, /48 of IPv6.
fn part_of(source: IpAddr) -> Flow {
    let part = match source {
        IpAddr::V4(v4) => IpAddr::from((v4.to_bits() & 0xffff_ff00).to_be_bytes()),
        IpAddr::V6(v6) => IpAddr::from((v6.to_bits() >> 80 << 80).to_be_bytes()),
    };
    Flow { local_address: part, remote_address: part, local_port: 0, remote_port: 0 }
}

impl Stack {
    /// RFC 9293 section 3.10.7.1: what a segment without a connection deserves, as far as the budget goes.
    pub(super) fn reset_stray(&mut self, flow: &Flow, segment: &Segment<'_>) {
        let Some(reset) = reset::answer(segment) else { return };
        let most = self.config.stray_resets;
        if most < u32::MAX && !self.strays.admit(&self.secrets, flow.remote_address, most, self.now) {
            self.stats.strays_unanswered += 1;
            return;
        }
        self.stats.strays_reset += 1;
        self.reply(flow, &reset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rs_7_a_budget_for_each_part_of_the_network_that_nobody_can_foresee() {
        let secrets = Secrets::from_bytes([3; 48]);
        let mut strays = Strays::default();
        let mut in_second = |source: [u8; 4], second| {
            (0..500).filter(|_| strays.admit(&secrets, source.into(), 100, Instant::from_secs(second))).count()
        };
        let first: Vec<usize> = (0..50).map(|second| in_second([10, 0, 0, 1], second)).collect();
        assert!(first.iter().all(|sent| (50..=100).contains(sent)), "{first:?}");
        assert!(first.iter().any(|sent| sent != &first[0]), "by chance: {first:?}");
        let neighbour = in_second([10, 0, 0, 2], 49);
        assert_eq!(neighbour, 0, "shares what the first has used up");
        assert!(in_second([10, 0, 1, 1], 49) >= 50);
        let none = (0..9).filter(|_| strays.admit(&secrets, [10, 0, 0, 9].into(), 0, Instant::from_secs(70))).count();
        assert_eq!(none, 0);
    }
}
