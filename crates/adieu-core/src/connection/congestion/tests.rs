use alloc::vec;

use super::*;

fn new(algorithm: Algorithm) -> Congestion {
    Congestion::new(algorithm, 1000, false, 10)
}

/// An acknowledgment of what left with the window in use, 100 ms after it did.
fn ack(octets: u64, now: u32) -> Acked {
    Acked { octets, used: true, pace: Pace::Full, now, smoothed: Duration::from_millis(100) }
}

#[test]
fn m19_slow_start_then_one_segment_a_round() {
    let mut reno = new(Algorithm::Reno);
    assert_eq!(reno.window(), 10_000);
    for _ in 0..10 {
        reno.on_ack(&ack(1000, 0));
    }
    assert_eq!(reno.window(), 20_000);
    reno.on_loss(20_000);
    assert_eq!(reno.window(), 10_000);
    for _ in 0..10 {
        reno.on_ack(&ack(1000, 0));
    }
    assert_eq!(reno.window(), 11_000);
}

#[test]
fn m19_a_timeout_starts_over_and_halves_once() {
    let mut reno = new(Algorithm::Reno);
    reno.on_timeout(10_000, true);
    assert_eq!((reno.window(), reno.threshold), (1000, 5000));
    reno.on_timeout(1000, false);
    assert_eq!((reno.window(), reno.threshold), (1000, 5000));
}

#[test]
fn the_first_window_follows_rfc_6928() {
    let first = |mss, syn_lost, first| Congestion::new(Algorithm::Cubic, mss, syn_lost, first).window();
    assert_eq!(first(1460, false, 10), 14_600);
    assert_eq!(first(9000, false, 10), 18_000);
    assert_eq!(first(1460, true, 10), 1460);
    assert_eq!(first(1460, false, 3), 4_380);
    assert_eq!(first(1460, false, 0), 1_460);
}

/// B-CC: eight segments for one acknowledgment and no more, whatever opens the window later.
#[test]
fn b_cc_a_stretched_acknowledgment_opens_by_eight_segments() {
    for algorithm in [Algorithm::Reno, Algorithm::Cubic] {
        let mut congestion = new(algorithm);
        congestion.on_ack(&ack(100_000, 0));
        assert_eq!(congestion.window(), 18_000);
    }
}

/// B-CUBIC-CUT: seven tenths of what is in flight, two segments at least; once for a timeout however often it repeats.
#[test]
fn b_cubic_cut_leaves_seven_tenths_of_what_is_in_flight() {
    let mut cubic = new(Algorithm::Cubic);
    cubic.on_loss(10_000);
    assert_eq!((cubic.window(), cubic.threshold()), (7000, Some(7000)));
    let mut cubic = new(Algorithm::Cubic);
    cubic.on_loss(5000);
    assert_eq!((cubic.window(), cubic.threshold()), (3500, Some(3500)), "of what is in flight, not of the window");
    cubic.on_loss(1000);
    assert_eq!((cubic.window(), cubic.threshold()), (2000, Some(2000)));
    let mut cubic = new(Algorithm::Cubic);
    cubic.on_timeout(10_000, true);
    assert_eq!((cubic.window(), cubic.threshold()), (1000, Some(7000)));
    cubic.on_timeout(1000, false);
    assert_eq!((cubic.window(), cubic.threshold()), (1000, Some(7000)));
}

/// B-CUBIC: what the application leaves unused opens nothing, in slow start (half of it unused) and later.
#[test]
fn b_cubic_a_window_that_nobody_uses_does_not_open() {
    let cubic = new(Algorithm::Cubic);
    assert!(cubic.is_used(5000) && !cubic.is_used(4999));
    let mut cubic = new(Algorithm::Cubic);
    cubic.on_ack(&Acked { used: false, ..ack(1000, 0) });
    assert_eq!(cubic.window(), 10_000);
    cubic.on_loss(10_000);
    assert!(cubic.is_used(6000) && !cubic.is_used(5999), "the last segment that fits need not be there");
    for n in 0..1000 {
        cubic.on_ack(&Acked { used: false, ..ack(1000, n * 100) });
    }
    assert_eq!(cubic.window(), 7000);
}

/// Y18: either may be chosen, also while the connection lives; the window stays.
#[test]
fn y18_another_algorithm_goes_on_from_the_window_there_is() {
    let mut congestion = new(Algorithm::Cubic);
    congestion.on_loss(10_000);
    congestion.on_ack(&ack(500, 0));
    let window = congestion.window();
    congestion.choose(Algorithm::Reno);
    assert_eq!((congestion.window(), congestion.algorithm()), (window, Algorithm::Reno));
    congestion.on_ack(&ack(window, 1_000_000));
    assert_eq!(congestion.window(), window + 1000, "a segment for a round, however long ago the loss was");
}

/// X-CUBIC: nothing is kept once there is nothing left to lose.
#[test]
fn x_cubic_memory_is_given_back() {
    let mut cubic = new(Algorithm::Cubic);
    assert!(cubic.cubic.is_none(), "nor is there any before a loss");
    cubic.on_loss(10_000);
    assert!(cubic.cubic.is_some());
    cubic.forget();
    assert!(cubic.cubic.is_none());
}

/// B-CUBIC-CUT, RFC 9438 section 4.10: where HyStart++ has ended slow start nothing was lost: the curve is flat right
/// there and bends upwards from there on.
#[test]
fn b_cubic_cut_after_a_slow_start_without_loss_the_curve_begins_where_it_is() {
    let mut cubic = new(Algorithm::Cubic);
    cubic.on_ack(&Acked { pace: Pace::Quarter, ..ack(4000, 0) });
    assert_eq!((cubic.window(), cubic.threshold()), (11_000, None), "B-HYSTART: a quarter of it");
    cubic.on_ack(&Acked { pace: Pace::Over, ..ack(4000, 50) });
    assert_eq!((cubic.window(), cubic.threshold()), (12_000, Some(12_000)));
    let mut gained = vec![];
    for round in 1..=60 {
        let before = cubic.window();
        cubic.on_ack(&ack(before, 50 + 100 * round));
        gained.push(cubic.window() - before);
    }
    assert!(gained[..40].iter().all(|gain| (900..=1100).contains(gain)), "Reno's at first: {gained:?}");
    assert!(gained[55..].windows(2).all(|pair| pair[1] > pair[0] && pair[0] > 2000), "then ever more: {gained:?}");
}

/// B-CUBIC-CUT, X-FRTO: what proves needless is taken back whole, the curve included, but for what has grown since.
#[test]
fn b_cubic_cut_a_needless_reduction_is_taken_back() {
    let mut cubic = new(Algorithm::Cubic);
    cubic.on_loss(10_000);
    (1..50).for_each(|n| cubic.on_ack(&ack(1000, n * 20)));
    let before = cubic.clone();
    cubic.on_timeout(8000, true);
    cubic.on_timeout(8000, false);
    (50..53).for_each(|n| cubic.on_ack(&ack(1000, n * 20)));
    assert!(cubic.window() < before.window());
    cubic.restore(before.clone());
    assert_eq!(cubic, before);
    let mut narrow = before.clone();
    narrow.on_narrow_path(500);
    let kept = narrow.clone();
    narrow.restore(before);
    assert_eq!(narrow, kept, "a window of other segments is none to go back to");
}

/// B-CUBIC-CUT: two flows share what holds 1,000 segments, and both lose when it is full: who comes late gets its half
/// (fast convergence).
#[test]
fn b_cubic_cut_two_flows_come_to_share() {
    let mut flows = [new(Algorithm::Cubic), new(Algorithm::Cubic)];
    flows[0].on_loss(900_000);
    flows[0].set_window(900_000);
    flows[1].on_loss(20_000);
    let (mut sums, mut now) = ([0u64; 2], 0);
    for round in 0..6000 {
        now += 50;
        for (flow, sum) in flows.iter_mut().zip(&mut sums) {
            let window = flow.window();
            flow.on_ack(&Acked { smoothed: Duration::from_millis(50), ..ack(window, now) });
            *sum += if round >= 4000 { flow.window() } else { 0 };
        }
        if flows[0].window() + flows[1].window() > 1_000_000 {
            flows.iter_mut().for_each(|flow| flow.on_loss(flow.window()));
        }
    }
    let (less, more) = (sums[0].min(sums[1]), sums[0].max(sums[1]));
    assert!(more * 10 <= less * 12, "{sums:?}");
    assert!(sums[0] + sums[1] >= 2000 * 750_000, "and waste little: {sums:?}");
}
