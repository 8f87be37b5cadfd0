//! CUBIC (RFC 9438): after a loss the window follows a cubic curve of the time since, flat where the loss was.
//!
//! Integers throughout: bytes, milliseconds, and fractions with a power of two below them.

use core::hash::{Hash, Hasher};

use super::{Acked, clamp};
use crate::digest::{Digest, Moment};
use crate::time::Duration;

/// What the curve is made of. Sizes are bytes, times milliseconds modulo 2^32.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Cubic {
    /// W_max: where the curve is flat.
    flat: u32,
    /// cwnd_prior: the window before the last reduction.
    prior: u32,
    /// W_est, Reno's window, times 2^12.
    estimate: u64,
    /// K: how long after the beginning of the stage the curve is flat.
    flat_after: u32,
    /// t_epoch: when the stage began, moved on by what is left out.
    began: u32,
    /// Up to when time has been counted, or left out.
    counted: u32,
    stage: Stage,
}

/// Where a stage of congestion avoidance begins.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Stage {
    /// It has begun.
    Running,
    /// Below W_max, where the last reduction has left the window.
    AfterLoss,
    /// At W_max, whatever was before: after a timeout, or where nothing was lost yet (sections 4.8 and 4.10).
    Afresh,
}

/// Binary digits of [`Cubic::estimate`] below a byte.
const FRACTION: u32 = 12;
/// The curve is not followed for longer than this from where it is flat: it is 900,000 segments away by then.
const FARTHEST: u32 = 1 << 17;
/// One over C, in cubic milliseconds for a segment: C is 0.4 segments for a cubic second.
const STEEPNESS: u64 = 2_500_000_000;

impl Cubic {
    /// Before the first loss, with `window` where slow start ended.
    pub(super) fn new(window: u32) -> Self {
        Self { flat: 0, prior: window, estimate: 0, flat_after: 0, began: 0, counted: 0, stage: Stage::Afresh }
    }

    /// `acked` has come in congestion avoidance.
    pub(super) fn grow(&mut self, window: &mut u32, credit: &mut u32, mss: u16, acked: &Acked) {
        if self.stage != Stage::Running {
            self.begin(*window, mss, acked.now);
            *credit = 0;
        }
        if !acked.used {
            return self.leave_out(acked.now);
        }
        self.counted = acked.now;
        let octets = acked.octets.min(u64::from(*window));
        let elapsed = acked.now.wrapping_sub(self.began);
        self.imitate(*window, mss, octets);
        let estimate = clamp(self.estimate >> FRACTION);
        if self.curve(elapsed, mss) < estimate {
            // Reno would be further (section 4.3).
            *window = (*window).max(estimate);
            return;
        }
        let ahead = u32::try_from(acked.smoothed.as_millis()).unwrap_or(u32::MAX);
        let target = self.curve(elapsed.saturating_add(ahead), mss);
        let target = target.clamp(*window, window.saturating_add(*window / 2));
        // So much in each round trip that it is there after one (sections 4.4 and 4.5).
        let wide = u64::from(*window);
        let earned = u64::from(target - *window) * octets + u64::from(*credit);
        *window = window.saturating_add(clamp(earned / wide));
        *credit = clamp(earned % wide);
    }

    /// A loss at `window` (sections 4.6 and 4.7).
    pub(super) fn cut(&mut self, window: u32) {
        // Who has to give way before he is where he was lets others in: fast convergence.
        let converged = u64::from(window) * 17 / 20;
        self.flat = if window < self.flat { clamp(converged) } else { window };
        self.prior = window;
        self.stage = Stage::AfterLoss;
    }

    /// The retransmission timer fired (section 4.8).
    pub(super) fn timed_out(&mut self) {
        self.stage = Stage::Afresh;
    }

    /// The window is smaller now, for other reasons than loss.
    pub(super) fn idle(&mut self) {
        if self.stage == Stage::Running {
            self.stage = Stage::AfterLoss;
        }
    }

    /// What passed since the last acknowledgment does not count: the application had nothing to send (section 4.2).
    pub(super) fn leave_out(&mut self, now: u32) {
        self.began = self.began.wrapping_add(now.wrapping_sub(self.counted));
        self.counted = now;
    }

    /// Segments are `mss` now instead of `old`; there are as many of them.
    pub(super) fn narrow(&mut self, old: u16, mss: u16) {
        let less = |octets: u32| octets / u32::from(old.max(1)) * u32::from(mss);
        (self.flat, self.prior) = (less(self.flat), less(self.prior));
        self.estimate = u64::from(less(clamp(self.estimate >> FRACTION))) << FRACTION;
    }

    /// A stage of congestion avoidance begins at `window` (section 4.2).
    fn begin(&mut self, window: u32, mss: u16, now: u32) {
        if self.stage == Stage::Afresh {
            self.flat = window;
        }
        self.estimate = u64::from(window) << FRACTION;
        let below = u64::from(self.flat.saturating_sub(window));
        self.flat_after = cube_root(below * STEEPNESS / u64::from(mss.max(1)));
        (self.began, self.counted) = (now, now);
        self.stage = Stage::Running;
    }

    /// W_cubic(t), equation (1).
    fn curve(&self, elapsed: u32, mss: u16) -> u32 {
        let away = u64::from(elapsed.abs_diff(self.flat_after).min(FARTHEST));
        // In segments with ten binary digits: below 2^62, then below 2^31.
        let segments = ((away * away * away) << 10) / STEEPNESS;
        let octets = clamp((segments * u64::from(mss)) >> 10);
        if elapsed < self.flat_after { self.flat.saturating_sub(octets) } else { self.flat.saturating_add(octets) }
    }

    /// What Reno would do, equation (4): alpha is 9/17 up to where the last reduction was, 1 from there on.
    fn imitate(&mut self, window: u32, mss: u16, octets: u64) {
        let step = (octets * u64::from(mss)) << FRACTION;
        let (step, each) = if self.estimate >> FRACTION < u64::from(self.prior) { (9 * step, 17) } else { (step, 1) };
        self.estimate = self.estimate.saturating_add(step / (each * u64::from(window.max(1))));
    }
}

impl Digest for Cubic {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { flat, prior, estimate, flat_after, began, counted, stage } = self;
        (flat, prior, estimate, flat_after, stage).hash(state);
        if *stage == Stage::Running {
            moment.ago(*began, Duration::MAX, state);
            moment.ago(*counted, Duration::MAX, state);
        }
    }
}

/// beta: what a loss leaves of the window, but for its lower bound (equation 3).
pub(super) fn cut(in_flight: u32) -> u32 {
    clamp(u64::from(in_flight) * 7 / 10)
}

/// The largest number whose cube is at most `n`.
fn cube_root(n: u64) -> u32 {
    let (mut left, mut root) = (n, 0u64);
    // Digit by digit: (2r + 1)^3 - (2r)^3 = 3 (2r) (2r + 1) + 1.
    for shift in (0..22u32).rev().map(|digit| 3 * digit) {
        root *= 2;
        let next = 3 * root * (root + 1) + 1;
        if left >> shift >= next {
            left -= next << shift;
            root += 1;
        }
    }
    clamp(root)
}

#[cfg(test)]
mod tests;
