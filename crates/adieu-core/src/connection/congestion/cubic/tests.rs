//! Held against RFC 9438's formulas in floating point.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::connection::congestion::hystart::Pace;

const MSS: u16 = 1448;
const SEGMENT: f64 = 1448.0;

/// A source of numbers that is the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 20) % bound
    }
}

/// An acknowledgment of what left with the window in use.
fn acked(octets: u64, now: u32, smoothed: Duration) -> Acked {
    Acked { octets, used: true, pace: Pace::Full, now, smoothed }
}

/// The RFC's own formulas: segments and seconds.
struct Reference {
    flat: f64,
    prior: f64,
    estimate: f64,
    k: f64,
    window: f64,
}

impl Reference {
    /// Just reduced from `window`, for the first time.
    fn after_loss(window: f64) -> Self {
        let left = window * 0.7;
        Self { flat: window, prior: window, estimate: left, k: ((window - left) / 0.4).cbrt(), window: left }
    }

    fn curve(&self, t: f64) -> f64 {
        0.4 * (t - self.k).powi(3) + self.flat
    }

    fn ack(&mut self, segments: f64, t: f64, rtt: f64) {
        let alpha = if self.estimate < self.prior { 3.0 * 0.3 / 1.7 } else { 1.0 };
        self.estimate += alpha * segments / self.window;
        if self.curve(t) < self.estimate {
            self.window = self.window.max(self.estimate);
        } else {
            let target = self.curve(t + rtt).clamp(self.window, 1.5 * self.window);
            self.window += (target - self.window) / self.window * segments;
        }
    }
}

#[test]
fn b_cubic_the_cube_root_is_exact() {
    let mut chance = Chance(3);
    for n in (0..3000).chain((0..20_000).map(|n| chance.below(1 << 44) << (n % 20))) {
        let root = u128::from(cube_root(n));
        assert!(root.pow(3) <= n.into() && (root + 1).pow(3) > n.into(), "{n}: {root}");
    }
    assert_eq!([cube_root(u64::MAX), cube_root(u64::MAX / 8)], [2_642_245, 1_321_122]);
}

/// K, and the curve at any time, over windows from two segments to a gigabyte: to a thousandth of a segment and of the
/// value.
#[test]
fn b_cubic_the_curve_is_the_formula() {
    let mut chance = Chance(1);
    for _ in 0..20_000 {
        let digits = chance.below(19);
        let flat = u32::try_from(2 * 1448 + chance.below(1 << 30 >> digits)).unwrap();
        let window = u32::try_from(u64::from(flat) * (500 + chance.below(501)) / 1000).unwrap();
        let mut cubic = Cubic { flat, prior: flat, stage: Stage::AfterLoss, ..Cubic::new(0) };
        let now = u32::try_from(chance.below(1 << 32)).unwrap();
        cubic.begin(window, MSS, now);
        let k = (f64::from(flat - window) / SEGMENT / 0.4).cbrt();
        assert!((f64::from(cubic.flat_after) / 1000.0 - k).abs() <= 0.001 + k * 1e-6, "K of {flat} over {window}");
        let begins = f64::from(cubic.curve(0, MSS));
        assert!((begins - f64::from(window)).abs() <= 8.0 + begins * 0.002, "it begins at the window: {begins}");
        let elapsed = u32::try_from(chance.below(u64::from(cubic.flat_after) + 60_000)).unwrap();
        let away = f64::from(elapsed) / 1000.0 - f64::from(cubic.flat_after) / 1000.0;
        let value = (f64::from(flat) + 0.4 * away.powi(3) * SEGMENT).max(0.0);
        let ours = f64::from(cubic.curve(elapsed, MSS));
        assert!((ours - value).abs() <= 2.0 + value * 0.001, "{elapsed} ms: {ours}, not {value}");
    }
}

/// Acknowledgment by acknowledgment from a loss to beyond where it was, over round trips from 1 ms to 400 ms: the
/// window is the formulas', to 1 % and two segments.
#[test]
fn b_cubic_the_window_follows_the_formulas_acknowledgment_by_acknowledgment() {
    let mut chance = Chance(9);
    for (segments, rtt) in [(20, 1u32), (100, 20), (1000, 100), (5000, 30), (300, 400), (3, 100)] {
        let full: u32 = segments * u32::from(MSS);
        let mut cubic = Cubic::new(0);
        cubic.cut(full);
        let (mut window, mut credit) = (cut(full), 0);
        let mut reference = Reference::after_loss(f64::from(full) / SEGMENT);
        let start = u32::MAX - 500; // The clock wraps in between.
        let smoothed = Duration::from_millis(u64::from(rtt));
        let mut nanos = 0u64;
        while nanos < 20_000_000_000 {
            let octets = u64::from(MSS) * (1 + chance.below(3));
            let now = start.wrapping_add(u32::try_from(nanos / 1_000_000).unwrap());
            cubic.grow(&mut window, &mut credit, MSS, &acked(octets, now, smoothed));
            let t = f64::from(now.wrapping_sub(start)) / 1000.0;
            reference.ack(f64::from(clamp(octets)) / SEGMENT, t, f64::from(rtt) / 1000.0);
            let (ours, theirs) = (f64::from(window) / SEGMENT, reference.window);
            assert!(
                (ours - theirs).abs() <= 2.0 + theirs * 0.01,
                "{segments}, {rtt} ms, at {t} s: {ours}, not {theirs}"
            );
            nanos += u64::from(rtt) * 1_000_000 * octets / u64::from(window);
        }
        assert!(window > full, "{segments}, {rtt} ms");
    }
}

/// Ever slower towards where the loss was, ever faster from there on.
#[test]
fn b_cubic_growth_is_concave_and_then_convex() {
    let full = 2000 * u32::from(MSS);
    let mut cubic = Cubic::new(0);
    cubic.cut(full);
    let (mut window, mut credit) = (cut(full), 0);
    let (smoothed, rtt) = (Duration::from_millis(100), 100);
    let (mut steps, mut now) = (vec![], 0);
    for _ in 0..250 {
        let before = window;
        for _ in 0..10 {
            now += rtt / 10;
            let octets = u64::from(before / 10);
            cubic.grow(&mut window, &mut credit, MSS, &acked(octets, now, smoothed));
        }
        steps.push((window, window - before));
    }
    let flat = steps.iter().position(|(window, _)| *window >= full - u32::from(MSS)).expect("it gets there");
    let at = u32::try_from(flat).unwrap() * rtt;
    assert!(at.abs_diff(cubic.flat_after) <= 1500, "{at} ms, K is {} ms", cubic.flat_after);
    let average = |steps: &[(u32, u32)]| steps.iter().map(|(_, step)| step).sum::<u32>() / clamp(steps.len() as u64);
    let means: Vec<u32> = steps[1..].chunks(20).map(average).collect();
    let turn = means.iter().enumerate().min_by_key(|(_, step)| **step).map_or(0, |(at, _)| at);
    assert!(turn > 2 && turn + 3 < means.len(), "{means:?}");
    assert!(means[..turn].windows(2).all(|pair| pair[0] > pair[1]), "concave: {means:?}");
    assert!(means[turn..].windows(2).all(|pair| pair[0] < pair[1]), "convex: {means:?}");
}

/// Where round trips are short, or windows small, Reno would be faster: then it is as fast as Reno's estimate, which
/// gains 9/17 segments in a round trip up to where it was, and one beyond.
#[test]
fn b_cubic_where_reno_is_faster_it_keeps_up() {
    let full = 20 * u32::from(MSS);
    let mut cubic = Cubic::new(0);
    cubic.cut(full);
    let (mut window, mut credit, mut rounds) = (cut(full), 0, vec![]);
    for now in 0..40 {
        let before = window;
        for _ in 0..10 {
            let acked = acked(u64::from(before / 10), now, Duration::from_millis(1));
            cubic.grow(&mut window, &mut credit, MSS, &acked);
        }
        rounds.push((before, f64::from(window - before) / SEGMENT));
    }
    for (before, gained) in rounds {
        let expected = if before + 1448 < full { 9.0 / 17.0 } else { 1.0 };
        assert!(before.abs_diff(full) < 2000 || (gained - expected).abs() < 0.06, "{before}: {gained}");
    }
}

/// A loss before the window is back where it was gives the difference away (fast convergence).
#[test]
fn b_cubic_cut_below_the_last_maximum_it_lowers_the_next_one() {
    let mut cubic = Cubic::new(0);
    cubic.cut(100_000);
    assert_eq!((cubic.flat, cubic.prior), (100_000, 100_000));
    cubic.cut(80_000);
    assert_eq!((cubic.flat, cubic.prior), (68_000, 80_000), "80,000 x (1 + 0.7) / 2");
    cubic.cut(90_000);
    assert_eq!(cubic.flat, 90_000, "above it is where it is");
}

/// After a timeout the curve begins anew, flat where slow start has led.
#[test]
fn b_cubic_cut_after_a_timeout_the_curve_is_flat_at_once() {
    let mut cubic = Cubic::new(0);
    cubic.cut(1_000_000);
    cubic.timed_out();
    let (mut window, mut credit) = (50_000, 0);
    let acked = acked(1448, 77, Duration::ZERO);
    cubic.grow(&mut window, &mut credit, MSS, &acked);
    assert_eq!((cubic.flat, cubic.flat_after, cubic.began), (50_000, 0, 77));
    assert!(window < 50_100);
}

/// Time in which the application had nothing to send is left out: the curve goes on where it was.
#[test]
fn b_cubic_time_that_the_application_limits_does_not_count() {
    let run = |pause: u32| {
        let mut cubic = Cubic::new(0);
        cubic.cut(1_000_000);
        let (mut window, mut credit, mut now) = (700_000, 0, 5);
        let mut windows = vec![];
        for n in 0..200 {
            if n == 100 {
                // Little is sent for a while, then nothing at all.
                for _ in 0..10 {
                    now += pause / 20;
                    let idle = Acked { used: false, ..acked(1448, now, Duration::from_millis(20)) };
                    cubic.grow(&mut window, &mut credit, MSS, &idle);
                }
                now += pause / 2;
                cubic.leave_out(now);
            }
            now += 20;
            let acked = acked(100_000, now, Duration::from_millis(20));
            cubic.grow(&mut window, &mut credit, MSS, &acked);
            windows.push(window);
        }
        windows
    };
    let expected = run(0);
    assert_eq!([run(200), run(60_000), run(10_000_000)], [expected.clone(), expected.clone(), expected]);
}

/// Whatever comes, numbers stay numbers: windows up to a gigabyte, segments of 8 bytes, times at the wrap.
#[test]
fn b_cubic_extremes_neither_overflow_nor_shrink_the_window() {
    let mut chance = Chance(5);
    for mss in [8, 536, 1448, u16::MAX] {
        for _ in 0..2000 {
            let window = u32::try_from(1 + chance.below(1 << 30)).unwrap().max(u32::from(mss));
            let mut cubic = Cubic::new(window);
            for _ in 0..4 {
                cubic.cut(u32::try_from(chance.below(1 << 32)).unwrap());
                let (mut after, mut credit) = (window, u32::MAX >> 2);
                for _ in 0..4 {
                    let before = after;
                    let octets = chance.below(1 << 31);
                    let now = u32::try_from(chance.below(1 << 32)).unwrap();
                    let smoothed = Duration::from_millis(chance.below(1 << 34));
                    cubic.grow(&mut after, &mut credit, mss, &acked(octets, now, smoothed));
                    assert!(after >= before, "{mss}");
                }
            }
        }
    }
}
