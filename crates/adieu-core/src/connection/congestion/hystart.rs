//! HyStart++ (RFC 9406): where round trips grow longer a queue grows, and slow start slows down, then ends, before it
//! overflows.

use crate::seq::Offset;
use crate::time::Duration;

/// What a slow start knows of its rounds. Times are microseconds, 0 where there is none. It is part of what is in
/// flight: a round that begins with nothing in flight meets no queue of ours.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct HyStart {
    /// SND.NXT when this round began (windowEnd).
    round_end: Offset,
    /// The shortest round trip of the round before (lastRoundMinRTT).
    last: u32,
    /// The shortest of this one (currentRoundMinRTT).
    least: u32,
    /// The shortest when growth was slowed down (cssBaselineMinRtt).
    baseline: u32,
    /// Round trips measured in this round (rttSampleCount).
    samples: u8,
    /// Rounds with slower growth, this one included; 0 outside that phase.
    slow_rounds: u8,
}

/// How fast a window grows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pace {
    /// Slow start.
    Full,
    /// Conservative slow start: a quarter.
    Quarter,
    /// Slow start is over.
    Over,
}

/// N_RTT_SAMPLE.
const SAMPLES: u8 = 8;
/// MIN_RTT_THRESH and MAX_RTT_THRESH in microseconds.
const THRESHOLDS: (u32, u32) = (4_000, 16_000);
/// MIN_RTT_DIVISOR.
const DIVISOR: u32 = 8;
/// CSS_ROUNDS.
const SLOW_ROUNDS: u8 = 5;

impl HyStart {
    /// Everything before `ack` was acknowledged, after a round trip of `measured`; `next` is SND.NXT (section 4.2).
    pub(crate) fn on_ack(&mut self, ack: Offset, next: Offset, measured: Option<Duration>) -> Pace {
        if let Some(measured) = measured {
            let micros = u32::try_from(measured.as_micros()).unwrap_or(u32::MAX).max(1);
            self.least = if self.least == 0 { micros } else { self.least.min(micros) };
            self.samples = self.samples.saturating_add(1);
        }
        if self.samples >= SAMPLES {
            self.judge();
        }
        if ack >= self.round_end {
            self.end_round(next);
        }
        match self.slow_rounds {
            0 => Pace::Full,
            1..=SLOW_ROUNDS => Pace::Quarter,
            _ => Pace::Over,
        }
    }

    fn judge(&mut self) {
        if self.slow_rounds == 0 {
            let (low, high) = THRESHOLDS;
            let longer = self.last.saturating_add((self.last / DIVISOR).clamp(low, high));
            if self.last > 0 && self.least >= longer {
                self.baseline = self.least;
                self.slow_rounds = 1; // What is left of this round counts.
            }
        } else if self.least < self.baseline {
            self.slow_rounds = 0; // It was no queue.
        }
    }

    fn end_round(&mut self, next: Offset) {
        if self.slow_rounds > 0 {
            self.slow_rounds += 1;
        }
        // What came before the first round belongs to none.
        self.last = if self.round_end == Offset::SYN { 0 } else { self.least };
        (self.least, self.samples, self.round_end) = (0, 0, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A round of ten acknowledgments with this round trip in milliseconds.
    fn round(hystart: &mut HyStart, from: &mut u64, rtt: u64) -> Pace {
        let mut pace = Full;
        let next = Offset(*from + 10);
        for _ in 0..10 {
            *from += 1;
            pace = hystart.on_ack(Offset(*from), next + 10, Some(Duration::from_millis(rtt)));
        }
        pace
    }

    fn rounds(rtts: &[u64]) -> Vec<Pace> {
        let (mut hystart, mut from) = (HyStart::default(), 1);
        hystart.on_ack(Offset(1), Offset(11), None);
        rtts.iter().map(|rtt| round(&mut hystart, &mut from, *rtt)).collect()
    }

    use Pace::{Full, Over, Quarter};
    use alloc::vec;
    use alloc::vec::Vec;

    /// B-HYSTART, section 4.2: an eighth longer than in the round before, but 4 ms at least and 16 ms at most.
    #[test]
    fn b_hystart_a_round_trip_so_much_longer_slows_growth() {
        for (before, enough) in [(10, 4), (32, 4), (80, 10), (128, 16), (1000, 16)] {
            assert_eq!(rounds(&[before, before + enough - 1]), [Full, Full], "{before}");
            assert_eq!(rounds(&[before, before + enough]), [Full, Quarter], "{before}");
        }
        assert_eq!(rounds(&[100, 108, 116, 124]), [Full; 4], "each is held against the one before");
    }

    /// B-HYSTART: five rounds of it end slow start; the one in which it began counts.
    #[test]
    fn b_hystart_five_slow_rounds_end_it() {
        let expected = [Full, Quarter, Quarter, Quarter, Quarter, Over];
        assert_eq!(rounds(&[50, 60, 60, 60, 60, 60]), expected);
    }

    /// B-HYSTART: a round trip below that at which growth was slowed down shows that there was no queue.
    #[test]
    fn b_hystart_shorter_round_trips_resume_slow_start() {
        assert_eq!(rounds(&[50, 60, 60, 59, 59]), [Full, Quarter, Quarter, Full, Full]);
    }

    /// B-HYSTART: seven samples say nothing, eight do.
    #[test]
    fn b_hystart_eight_samples_are_needed() {
        let run = |samples: u64| {
            let (mut hystart, mut from) = (HyStart::default(), 1);
            hystart.on_ack(Offset(1), Offset(11), None);
            round(&mut hystart, &mut from, 50);
            let all = (1..=samples).map(|n| {
                let sample = Some(Duration::from_millis(90));
                hystart.on_ack(Offset(from + n), Offset(1000), sample)
            });
            all.collect::<Vec<_>>()
        };
        assert_eq!(run(7), [Full; 7]);
        assert_eq!(run(8), [vec![Full; 7], vec![Quarter]].concat());
    }
}
