//! How fast transfers are over long and lossy paths, as tables, and what must hold of them.

use adieu_core::{Algorithm, Config, Duration};

#[path = "throughput/grid.rs"]
mod grid;
#[path = "throughput/tail.rs"]
mod tail;
#[path = "throughput/transfer.rs"]
mod transfer;

use grid::{Buffer, SEEDS, median};
use transfer::Way;

/// Payload of a full segment over IPv4 with timestamps.
const MSS: u64 = 1448;
/// A link of 100 Mbit/s, in bytes a second.
const LINK: u64 = 12_500_000;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// All of the grid: what a change of congestion control, loss recovery or buffers does to it, a reviewer sees in the
/// difference.
#[test]
fn x_cubic_throughput_by_loss_round_trip_reordering_and_buffer() {
    insta::assert_snapshot!(grid::tables());
}

/// RFC 9438 section 5.2: the average window at a rate of loss events of `loss` millionths, in thousandths of a segment.
/// The larger of CUBIC's own (equation 6 with C = 0.4 and beta = 0.7) and that of its Reno-friendly region (section
/// 4.3: the same as Reno's).
fn response(loss: u32, rtt: Duration) -> u64 {
    let (p, rtt) = (f64::from(loss) / 1e6, rtt.as_secs_f64());
    let cubic = 1.054 * (rtt / p).powf(0.75);
    let reno = (1.5 / p).sqrt();
    // Thousandths of a segment, far below 2^53.
    format!("{:.0}", 1000.0 * cubic.max(reno)).parse().expect("a number")
}

#[test]
fn the_response_function_is_that_of_rfc_9438_table_1() {
    // Section 5.2, tables 1 and 2: RTT 0.1 s at loss 1e-2, 1e-3, 1e-4; RTT 0.01 s at 1e-4.
    let windows = [(10_000, 100), (1000, 100), (100, 100), (100, 10)].map(|(loss, rtt)| response(loss, ms(rtt)) / 1000);
    assert_eq!(windows, [12, 38, 187, 122]);
}

/// X-CUBIC: at 1 % loss and 100 ms a long transfer gets at least 90 % of RFC 9438's response function.
#[test]
fn x_cubic_one_percent_of_loss_leaves_what_the_response_function_says() {
    let way = Way { loss: 10_000, reordering: 0, rtt: ms(100), link: (LINK, 1 << 20) };
    let config = [Buffer::Fixed(1 << 20).config(), Buffer::Fixed(1 << 20).config()];
    let bytes = 8 << 20;
    let rates = grid::each_seed(|seed| transfer::transfer(seed, &way, &config, bytes).rate(bytes));
    let wanted = response(way.loss, way.rtt) * MSS * 10 / 1000;
    let rate = median(rates);
    assert!(rate * 10 >= wanted * 9, "{rate} bytes a second of {wanted}");
}

/// X-CUBIC: on no lossy path CUBIC gets less than Reno does, but for the chance of 20 medians (a twentieth).
#[test]
fn x_cubic_is_never_below_new_reno() {
    for (loss, rtt) in [(1000, 100), (10_000, 20), (10_000, 100), (30_000, 100)] {
        let way = Way { loss, reordering: 0, rtt: ms(rtt), link: (LINK, 1 << 20) };
        let bytes = 4 << 20;
        let rates = [Algorithm::Cubic, Algorithm::Reno].map(|congestion| {
            let config = Config { congestion, ..Buffer::Fixed(1 << 20).config() };
            let config = [config.clone(), config];
            median(grid::each_seed(|seed| transfer::transfer(seed, &way, &config, bytes).rate(bytes)))
        });
        assert!(rates[0] * 20 >= rates[1] * 19, "{loss} millionths, {rtt} ms: {rates:?}");
    }
}

/// A buffer of its own size is as good as one that was chosen for the path: no less than nine tenths of it, where the
/// largest window is what a fast path with a long way needs.
#[test]
fn inv_10_a_buffer_that_grows_is_as_good_as_a_large_one() {
    let way = Way { loss: 0, reordering: 0, rtt: ms(100), link: (LINK, 4 << 20) };
    let bytes = 32 << 20;
    let rate = |buffer: Buffer| transfer::transfer(1, &way, &[buffer.config(), buffer.config()], bytes).rate(bytes);
    let [small, large, own] = [Buffer::Fixed(256 << 10), Buffer::Fixed(4 << 20), Buffer::Own].map(rate);
    assert!(own * 10 >= large * 9 && own > 2 * small, "{own} bytes a second beside {large} and {small}");
}

/// Pacing loses less in a queue that is shorter than a burst of super-segments, and is faster for it.
#[test]
fn b_cc_out_pacing_spares_a_short_queue() {
    let way = Way { loss: 0, reordering: 0, rtt: ms(50), link: (2_500_000, 30_000) };
    let bytes = 8 << 20;
    let [burst, paced] = [false, true].map(|pacing| {
        let config = Config { pacing, super_segment: 65_535, ..Config::default() };
        let (took, dropped) = transfer::transfer_and_count(1, &way, &[config.clone(), config], bytes);
        (took.rate(bytes), dropped)
    });
    assert!(paced.1 < burst.1 && paced.0 > burst.0, "(rate, dropped): {burst:?}, paced {paced:?}");
}

/// Two flows at one bottleneck with a queue of one delay-bandwidth product: after a time to settle they share it, and
/// most of it is used.
#[test]
fn x_cubic_two_flows_share_a_bottleneck() {
    let mut lines = vec!["RTT ms | Jain's index | share of the link | dropped".to_owned()];
    for rtt in [10, 40, 100] {
        let rate = 625_000;
        let queue = rate * rtt / 1000;
        let way = Way { loss: 0, reordering: 0, rtt: ms(rtt), link: (rate, queue.max(15_000)) };
        let config = [Config::default(), Config::default()];
        let span = [ms(10_000), ms(70_000)];
        let shares = grid::each_seed(|seed| {
            let (shares, world) = transfer::share(seed, &way, &config, 2, span);
            let dropped = world.path.bottleneck[0].as_ref().map_or(0, |link| link.dropped);
            (jain(&shares), shares.iter().sum::<u64>() * 1000 / (60 * rate), dropped)
        });
        let jain = median(shares.iter().map(|share| share.0).collect());
        let used = median(shares.iter().map(|share| share.1).collect());
        let dropped = median(shares.iter().map(|share| share.2).collect());
        lines.push(format!("{rtt:6} | {:12} | {:17} | {dropped:7}", grid::thousandths(jain), grid::thousandths(used)));
        let worst = shares.iter().map(|share| share.0).min().unwrap_or(0);
        assert!(jain >= 900 && used >= 800, "{rtt} ms: {jain} and {used} thousandths, the worst {worst}");
    }
    insta::assert_snapshot!(lines.join("\n"));
}

/// Jain's index in thousandths: the square of the sum over the sum of the squares, for each flow.
fn jain(shares: &[u64]) -> u64 {
    let sum: u128 = shares.iter().map(|share| u128::from(*share)).sum();
    let squares: u128 = shares.iter().map(|share| u128::from(*share).pow(2)).sum();
    u64::try_from(1000 * sum.pow(2) / (squares.max(1) * shares.len() as u128)).unwrap_or(0)
}

#[test]
fn jains_index_is_one_for_equals_and_one_half_where_one_of_two_has_all() {
    assert_eq!([jain(&[5, 5]), jain(&[7, 0]), jain(&[3, 1])], [1000, 500, 800]);
    assert_eq!(SEEDS, 20);
}
