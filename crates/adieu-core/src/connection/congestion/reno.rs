//! Slow start, congestion avoidance, and what loss does to them (RFC 5681).

/// Most segments by which one acknowledgment opens the window in slow start. Receivers that acknowledge a whole round
/// at once would otherwise hold it back; RFC 5681 section 3.1 counts one segment per acknowledgment.
const SLOW_START_LIMIT: u64 = 8;

/// All in bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Reno {
    window: u32,
    threshold: u32,
    acked: u32,
    mss: u16,
}

impl Reno {
    pub(super) fn new(mss: u16, syn_lost: bool, first: u8) -> Self {
        // One segment after more than one lost SYN (RFC 6928 section 2).
        let window = if syn_lost { u32::from(mss) } else { initial(mss, first) };
        Self { window, threshold: u32::MAX, acked: 0, mss }
    }

    pub(super) fn window(&self) -> u64 {
        u64::from(self.window)
    }

    pub(super) fn on_ack(&mut self, acked: u64) {
        let mut acked = acked;
        if self.window < self.threshold {
            let grow = acked.min(SLOW_START_LIMIT * u64::from(self.mss)).min(u64::from(self.threshold - self.window));
            self.window = self.window.saturating_add(clamp(grow));
            if self.window < self.threshold {
                return;
            }
            acked -= grow; // What is left of it counts for congestion avoidance.
        }
        self.acked = self.acked.saturating_add(clamp(acked));
        if self.acked >= self.window {
            self.acked -= self.window;
            self.window = self.window.saturating_add(u32::from(self.mss));
        }
    }

    pub(super) fn on_loss(&mut self, in_flight: u64) {
        self.halve(in_flight);
        self.window = self.threshold;
    }

    pub(super) fn on_congestion_experienced(&mut self, in_flight: u64) {
        self.halve(in_flight);
        self.window = self.window.min((clamp(in_flight) / 2).max(u32::from(self.mss)));
        self.acked = 0;
    }

    pub(super) fn on_recovered(&mut self, in_flight: u64) {
        // RFC 6582 section 3.2: no burst where little is left in flight.
        let gentle = clamp(in_flight).max(u32::from(self.mss)).saturating_add(u32::from(self.mss));
        self.window = self.threshold.min(gentle).max(u32::from(self.mss));
        self.acked = 0;
    }

    pub(super) fn on_timeout(&mut self, in_flight: u64, first: bool) {
        if first {
            self.halve(in_flight);
        }
        self.window = u32::from(self.mss);
        self.acked = 0;
    }

    pub(super) fn on_idle(&mut self, first: u8) {
        self.window = self.window.min(initial(self.mss, first));
    }

    pub(super) fn on_narrow_path(&mut self, mss: u16) {
        if mss < self.mss {
            self.window = (self.window / u32::from(self.mss) * u32::from(mss)).max(u32::from(mss));
        }
        self.mss = mss;
        self.window = self.window.max(u32::from(mss)); // Or nothing could ever leave on a path that is wide again.
    }

    pub(super) fn threshold(&self) -> Option<u32> {
        (self.threshold < u32::MAX).then_some(self.threshold)
    }

    /// RFC 5681 equation (4).
    fn halve(&mut self, in_flight: u64) {
        self.threshold = (clamp(in_flight) / 2).max(2 * u32::from(self.mss));
    }
}

/// The window before the first acknowledgment (RFC 6928 section 2).
fn initial(mss: u16, first: u8) -> u32 {
    let (mss, first) = (u32::from(mss), u32::from(first.max(1)));
    (first * mss).min((2 * mss).max(first * 1460))
}

fn clamp(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m19_slow_start_then_one_segment_a_round() {
        let mut reno = Reno::new(1000, false, 10);
        assert_eq!(reno.window(), 10_000);
        for _ in 0..10 {
            reno.on_ack(1000);
        }
        assert_eq!(reno.window(), 20_000);
        reno.on_loss(20_000);
        assert_eq!(reno.window(), 10_000);
        for _ in 0..10 {
            reno.on_ack(1000);
        }
        assert_eq!(reno.window(), 11_000);
    }

    #[test]
    fn m19_a_timeout_starts_over_and_halves_once() {
        let mut reno = Reno::new(1000, false, 10);
        reno.on_timeout(10_000, true);
        assert_eq!((reno.window(), reno.threshold), (1000, 5000));
        reno.on_timeout(1000, false);
        assert_eq!((reno.window(), reno.threshold), (1000, 5000));
    }

    #[test]
    fn b_ecn_marks_cut_as_losses_do_down_to_one_segment() {
        let mut reno = Reno::new(1000, false, 10);
        let windows = [10_000, 5000, 2500, 1250, 1000].map(|in_flight| {
            reno.on_congestion_experienced(in_flight);
            (reno.window(), reno.threshold)
        });
        assert_eq!(windows, [(5000, 5000), (2500, 2500), (1250, 2000), (1000, 2000), (1000, 2000)]);
    }

    #[test]
    fn the_first_window_follows_rfc_6928() {
        assert_eq!(Reno::new(1460, false, 10).window(), 14_600);
        assert_eq!(Reno::new(9000, false, 10).window(), 18_000);
        assert_eq!(Reno::new(1460, true, 10).window(), 1460);
        assert_eq!(Reno::new(1460, false, 3).window(), 4_380);
        assert_eq!(Reno::new(1460, false, 0).window(), 1_460);
    }
}
