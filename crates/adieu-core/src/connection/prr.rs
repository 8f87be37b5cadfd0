//! Proportional rate reduction (RFC 9937): how much may leave for what a recovery's acknowledgments say has arrived, so
//! that the flight shrinks evenly to the threshold instead of in one step, and never grows at once.

/// A recovery's account, in octets.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Prr {
    /// Arrived since it began (prr_delivered).
    delivered: u32,
    /// Left since it began (prr_out).
    out: u32,
    /// In flight when it began (RecoverFS).
    flight: u32,
}

impl Prr {
    pub(crate) fn new(flight: u32) -> Self {
        Self { delivered: 0, out: 0, flight: flight.max(1) }
    }

    pub(crate) fn sent(&mut self, octets: u32) {
        self.out = self.out.saturating_add(octets);
    }

    /// `delivered` octets more have arrived, and `in_network` are still there: how many may leave (section 6). It is
    /// `safe` to grow towards the threshold where SND.UNA has advanced and nothing new counts as lost.
    pub(crate) fn on_ack(&mut self, delivered: u32, in_network: u32, threshold: u32, mss: u16, safe: bool) -> u32 {
        let mss = u32::from(mss);
        self.delivered = self.delivered.saturating_add(delivered);
        let may = if in_network > threshold {
            // As much less than what arrives as the threshold is less than what was in flight.
            let share = (u64::from(self.delivered) * u64::from(threshold)).div_ceil(u64::from(self.flight));
            u32::try_from(share).unwrap_or(u32::MAX).saturating_sub(self.out)
        } else {
            // Packet for packet, and in slow start's pace where that is safe.
            let owed = self.delivered.saturating_sub(self.out).max(delivered);
            (owed + if safe { mss } else { 0 }).min(threshold - in_network)
        };
        if self.out == 0 && may == 0 { mss } else { may }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u16 = 1000;

    /// B-PRR-ACK, RFC 9937 section 6: a hundred segments, one lost, threshold 70: for ten that arrive seven leave, all
    /// the way, and the flight ends at the threshold.
    #[test]
    fn b_prr_ack_above_the_threshold_in_proportion() {
        let (mut prr, threshold) = (Prr::new(100_000), 70_000);
        let (mut in_network, mut sent, mut silent, mut longest) = (99_000, 0, 0, 0);
        for n in 1..=99 {
            in_network -= 1000;
            let may = prr.on_ack(1000, in_network, threshold, MSS, false) / 1000 * 1000;
            assert!(may <= 2000, "no burst");
            prr.sent(may);
            in_network += may;
            sent += may;
            silent = if may == 0 { silent + 1 } else { 0 };
            longest = longest.max(silent);
            if in_network > threshold {
                assert!(sent.abs_diff(n * 700) <= 1000, "{sent} after {n}");
            }
        }
        assert!(longest <= 2, "no silence: {longest}");
        assert!((69_000..=70_000).contains(&in_network), "{in_network}");
    }

    /// B-PRR-ACK: below the threshold, packet for packet; one segment more for each safe acknowledgment, and never
    /// beyond the threshold.
    #[test]
    fn b_prr_ack_below_the_threshold_packet_for_packet() {
        let mut prr = Prr::new(100_000);
        prr.sent(1000);
        assert_eq!(prr.on_ack(1000, 20_000, 70_000, MSS, false), 1000);
        assert_eq!(prr.on_ack(1000, 20_000, 70_000, MSS, true), 2000);
        assert_eq!(prr.on_ack(5000, 20_000, 70_000, MSS, false), 6000, "what was not sent may still be");
        assert_eq!(prr.on_ack(5000, 69_500, 70_000, MSS, true), 500);
        assert_eq!(prr.on_ack(5000, 70_000, 70_000, MSS, true), 0);
    }

    /// B-PRR-ACK: the first retransmission leaves, whatever the sums say.
    #[test]
    fn b_prr_ack_something_leaves_at_first() {
        let mut prr = Prr::new(1_000_000);
        assert_eq!(prr.on_ack(0, 900_000, 2000, MSS, false), 1000);
        prr.sent(1000);
        assert_eq!(prr.on_ack(1, 900_000, 2000, MSS, false), 0);
    }

    /// B-PRR-ACK: what is in flight never exceeds both what it was and the threshold, whatever arrives and is lost.
    #[test]
    fn b_prr_ack_never_more_than_arrived_and_the_threshold() {
        let mut state = 7u64;
        let mut chance = |bound: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from((state >> 33) % u64::from(bound)).unwrap()
        };
        for _ in 0..2000 {
            let flight = 5000 + chance(200_000);
            let threshold = 2000 + chance(flight);
            let mut prr = Prr::new(flight);
            let (mut in_network, mut forced) = (flight, 1000);
            for _ in 0..200 {
                let arrived = chance(3000).min(in_network);
                in_network -= arrived;
                let burst = if chance(5) == 0 { 20_000 } else { 1 };
                in_network -= chance(burst).min(in_network);
                let before = in_network;
                let safe = chance(2) == 0;
                let may = prr.on_ack(arrived, in_network, threshold, MSS, safe);
                let bound = threshold.max(before + 1000).max(before + arrived + forced);
                assert!(before + may <= bound.max(flight), "{before} + {may}");
                prr.sent(may);
                in_network += may;
                forced = 0;
            }
        }
    }
}
