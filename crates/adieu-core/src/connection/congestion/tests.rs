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
