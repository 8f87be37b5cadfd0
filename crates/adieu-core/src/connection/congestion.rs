//! How much may be in flight (RFC 9293 MUST-19): slow start, what loss does, and the choice of what opens the window in
//! congestion avoidance. An enum, not a trait object: a connection can be cloned and compared.

mod cubic;
pub(crate) mod hystart;
mod reno;

use alloc::boxed::Box;
use core::hash::{Hash, Hasher};

use cubic::Cubic;
use hystart::Pace;

use crate::config::Algorithm;
use crate::digest::{Digest, Moment};
use crate::time::Duration;

/// Most segments by which one acknowledgment opens the window in slow start. Receivers that acknowledge a whole round
/// at once would otherwise hold it back; RFC 5681 section 3.1 counts one segment per acknowledgment.
const SLOW_START_LIMIT: u64 = 8;

/// The congestion controller of a connection. All sizes in bytes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Congestion {
    window: u32,
    threshold: u32,
    /// What has been acknowledged and has not opened the window yet, in the measure of the algorithm.
    credit: u32,
    mss: u16,
    algorithm: Algorithm,
    /// What CUBIC remembers, once something was lost.
    cubic: Option<Box<Cubic>>,
}

/// An acknowledgment outside recovery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acked {
    pub(crate) octets: u64,
    /// What it acknowledges left when the window was in use.
    pub(crate) used: bool,
    /// How fast slow start may be.
    pub(crate) pace: Pace,
    /// The time in milliseconds modulo 2^32.
    pub(crate) now: u32,
    /// SRTT.
    pub(crate) smoothed: Duration,
}

impl Congestion {
    /// A connection that sends segments of up to `mss` bytes, `first` of them at first; `syn_lost` where its SYN had to
    /// be sent again.
    pub(crate) fn new(algorithm: Algorithm, mss: u16, syn_lost: bool, first: u8) -> Self {
        // One segment after more than one lost SYN (RFC 6928 section 2).
        let window = if syn_lost { u32::from(mss) } else { initial(mss, first) };
        Self { window, threshold: u32::MAX, credit: 0, mss, algorithm, cubic: None }
    }

    /// Payload of a full segment.
    pub(crate) fn mss(&self) -> u16 {
        self.mss
    }

    /// Bytes that may be in flight.
    pub(crate) fn window(&self) -> u64 {
        u64::from(self.window)
    }

    /// Slow-start threshold in bytes, once there is one.
    pub(crate) fn threshold(&self) -> Option<u32> {
        (self.threshold < u32::MAX).then_some(self.threshold)
    }

    /// What opens the window.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Goes on with another algorithm from the window there is.
    pub(crate) fn choose(&mut self, algorithm: Algorithm) {
        if algorithm != self.algorithm {
            (self.algorithm, self.credit, self.cubic) = (algorithm, 0, None);
        }
    }

    /// Whether it is in the slow start that begins a connection, which nothing but loss and delay ends.
    pub(crate) fn is_beginning(&self) -> bool {
        self.threshold == u32::MAX
    }

    /// Whether something with `in_flight` bytes outstanding uses the window, so that its acknowledgment may open it
    /// (RFC 9438 section 5.8): all of it, or in slow start, which doubles it in each round, half of it.
    pub(crate) fn is_used(&self, in_flight: u64) -> bool {
        let used = if self.window < self.threshold { 2 * in_flight } else { in_flight + u64::from(self.mss) };
        used >= self.window()
    }

    /// Something was acknowledged outside recovery.
    pub(crate) fn on_ack(&mut self, acked: &Acked) {
        let mut octets = acked.octets;
        if self.window < self.threshold {
            if !acked.used && self.algorithm == Algorithm::Cubic {
                return; // Reno opens what nobody uses, as RFC 5681 lets it.
            }
            let most = if acked.pace == Pace::Full { octets } else { octets / 4 };
            let most = most.min(SLOW_START_LIMIT * u64::from(self.mss));
            let grow = most.min(u64::from(self.threshold - self.window));
            self.window = self.window.saturating_add(clamp(grow));
            if acked.pace == Pace::Over {
                self.threshold = self.window; // RFC 9406 section 4.2.
                return;
            }
            if self.window < self.threshold {
                return;
            }
            octets -= grow; // What is left of it counts for congestion avoidance.
        }
        match self.algorithm {
            Algorithm::Reno => reno::grow(&mut self.window, &mut self.credit, self.mss, octets),
            Algorithm::Cubic => {
                let cubic = self.cubic.get_or_insert_with(|| Box::new(Cubic::new(self.window)));
                cubic.grow(&mut self.window, &mut self.credit, self.mss, &Acked { octets, ..*acked });
            }
        }
    }

    /// Loss was seen by duplicate acknowledgments with `in_flight` bytes outstanding.
    pub(crate) fn on_loss(&mut self, in_flight: u64) {
        self.cut(in_flight);
        self.window = self.threshold;
    }

    /// A router has marked what was sent, with `in_flight` bytes outstanding: the same cut as for a loss, but down to
    /// one segment, where the timer takes over (RFC 3168 section 6.1.2).
    pub(crate) fn on_congestion_experienced(&mut self, in_flight: u64) {
        self.cut(in_flight);
        let down = self.share(in_flight).max(u32::from(self.mss));
        self.window = self.window.min(down);
        self.credit = 0;
    }

    /// In a recovery: so many bytes may be in flight for now (RFC 9937).
    pub(crate) fn set_window(&mut self, window: u64) {
        self.window = clamp(window);
    }

    /// A recovery that has shrunk the flight to the threshold is complete (RFC 9937).
    pub(crate) fn on_reduced(&mut self) {
        self.window = self.threshold;
        self.credit = 0;
    }

    /// Recovery is complete with `in_flight` bytes outstanding (RFC 6582 section 3.2).
    pub(crate) fn on_recovered(&mut self, in_flight: u64) {
        // No burst where little is left in flight.
        let gentle = clamp(in_flight).max(u32::from(self.mss)).saturating_add(u32::from(self.mss));
        self.window = self.threshold.min(gentle).max(u32::from(self.mss));
        self.credit = 0;
    }

    /// The retransmission timer fired; `first` where it is the first time for what is outstanding.
    pub(crate) fn on_timeout(&mut self, in_flight: u64, first: bool) {
        if first {
            self.cut(in_flight);
        }
        if let Some(cubic) = &mut self.cubic {
            cubic.timed_out();
        }
        self.window = u32::from(self.mss);
        self.credit = 0;
    }

    /// No more than so many segments in flight.
    pub(crate) fn limit(&mut self, segments: u32) {
        self.window = self.window.min(segments * u32::from(self.mss));
    }

    /// What has made the window smaller since it was as `before` was no congestion (RFC 9438 section 4.9).
    pub(crate) fn restore(&mut self, before: Self) {
        if self.mss == before.mss && self.algorithm == before.algorithm {
            let window = self.window.max(before.window);
            *self = Self { window, ..before };
        }
    }

    /// Nothing was sent for so long that the window says nothing any more (RFC 5681 section 4.1); `first` as for
    /// [`Congestion::new`].
    pub(crate) fn on_idle(&mut self, first: u8) {
        self.window = self.window.min(initial(self.mss, first));
        if let Some(cubic) = &mut self.cubic {
            cubic.idle();
        }
    }

    /// Nothing is in flight, and something is about to be.
    pub(crate) fn on_start(&mut self, now: u32) {
        if let Some(cubic) = &mut self.cubic {
            cubic.leave_out(now);
        }
    }

    /// The path carries only segments of `mss` bytes; as many of them as before may be in flight (RFC 5681 section
    /// 3.1).
    pub(crate) fn on_narrow_path(&mut self, mss: u16) {
        if mss < self.mss {
            self.window = (self.window / u32::from(self.mss) * u32::from(mss)).max(u32::from(mss));
            if let Some(cubic) = &mut self.cubic {
                cubic.narrow(self.mss, mss);
            }
        }
        self.mss = mss;
        self.window = self.window.max(u32::from(mss)); // Or nothing could ever leave on a path that is wide again.
    }

    /// Nothing will be sent any more that could be lost.
    pub(crate) fn forget(&mut self) {
        self.cubic = None;
    }

    /// The threshold for less (RFC 5681 equation 4, RFC 9438 section 4.6).
    fn cut(&mut self, in_flight: u64) {
        if self.algorithm == Algorithm::Cubic {
            self.cubic.get_or_insert_with(|| Box::new(Cubic::new(0))).cut(self.window);
        }
        self.threshold = self.share(in_flight).max(2 * u32::from(self.mss));
    }

    /// What congestion leaves of so much in flight.
    fn share(&self, in_flight: u64) -> u32 {
        match self.algorithm {
            Algorithm::Reno => reno::cut(clamp(in_flight)),
            Algorithm::Cubic => cubic::cut(clamp(in_flight)),
        }
    }
}

impl Digest for Congestion {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { window, threshold, credit, mss, algorithm, cubic } = self;
        (window, threshold, credit, mss, algorithm).hash(state);
        cubic.digest(moment, state);
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
mod tests;
