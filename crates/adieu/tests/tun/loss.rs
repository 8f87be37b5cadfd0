//! What is lost or comes twice, between us and the kernel. But for the bad wire no retransmission timer fires here:
//! what is repaired was repaired by what the ends told each other.

use std::time::Duration;

use adieu::Direction;
use adieu::device::Fate;
use adieu_core::wire::Flags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::device::alone;
use crate::family::Family;
use crate::harness::register;
use crate::link::{Link, Opener, pattern, soon};

register! {
    x_sack_x_recov_our_lost_segment_is_repaired_by_what_the_kernel_reports(Family) needs Tun;
    x_sack_the_kernels_lost_segment_is_repaired_by_what_we_report(Family) needs Tun;
    x_sack_what_comes_to_us_twice_is_reported_to_the_kernel(Family) needs Tun;
    x_sack_what_we_repeat_in_vain_is_reported_to_us(Family) needs Tun;
    x_recov_our_lost_tail_is_probed_for(Family) needs Tun;
    x_recov_our_lost_fin_is_probed_for(Family) needs Tun;
    x_recov_the_kernels_lost_tail_is_probed_for(Family) needs Tun;
    x_recov_a_megabyte_each_way_over_a_wire_that_loses_repeats_and_holds_back(Family) needs Tun;
    x_dack_bulk_is_acknowledged_by_at_most_about_every_second_segment(Family) needs Tun;
}

/// Twenty segments of data that go to the kernel while something happens to them.
async fn send(link: &Link, bytes: usize, opener: Opener) -> (adieu::TcpStream, tokio::net::TcpStream) {
    let (mut ours, mut theirs) = link.pair(opener).await;
    let data = pattern(bytes);
    let mut got = vec![0; bytes];
    let both = async { tokio::try_join!(ours.write_all(&data), theirs.read_exact(&mut got)) };
    soon("the data", both).await.unwrap();
    assert!(got == data);
    link.until("the last acknowledgment", || ours.info().is_some_and(|info| info.unacked == 0)).await;
    (ours, theirs)
}

/// As much the other way.
async fn receive(link: &Link, bytes: usize, opener: Opener) -> (adieu::TcpStream, tokio::net::TcpStream) {
    let (mut ours, mut theirs) = link.pair(opener).await;
    let data = pattern(bytes);
    let mut got = vec![0; bytes];
    let both = async { tokio::try_join!(theirs.write_all(&data), ours.read_exact(&mut got)) };
    soon("the data", both).await.unwrap();
    assert!(got == data);
    (ours, theirs)
}

/// B-RACK as well.
fn x_sack_x_recov_our_lost_segment_is_repaired_by_what_the_kernel_reports(family: Family) {
    alone(async move {
        let link = Link::without_timers(family);
        link.lose_once(Direction::Out, [6_000]);
        let (ours, _theirs) = send(&link, 30_000, Opener::Adieu).await;
        let info = ours.info().unwrap();
        assert_eq!((info.retransmissions, info.retransmits, info.backoff), (1, 0, 0), "{info:?}");
        assert!(info.slow_start_threshold.is_some(), "a loss is a signal of congestion: {info:?}");
        assert!(link.counted("TCPOFOQueue") > 0);
        let reports = link.count(|seen| seen.way == Direction::In && !seen.options.sack.is_empty());
        assert!(reports > 0, "the kernel reports what lies behind the gap");
    });
}

fn x_sack_the_kernels_lost_segment_is_repaired_by_what_we_report(family: Family) {
    alone(async move {
        let link = Link::without_timers(family);
        link.lose_once(Direction::In, [4_000]);
        let (ours, theirs) = receive(&link, 30_000, Opener::Kernel).await;
        assert_eq!((link.counted("TCPSackRecovery"), link.counted("TCPTimeouts")), (1, 0));
        assert_eq!((link.kernel(&theirs).retransmissions(), link.counted("TCPSACKDiscard")), (1, 0));
        assert!(ours.info().unwrap().out_of_order > 0, "{:?}", ours.info());
    });
}

/// A single segment: what was stamped before others that have come is old, and is dropped (PAWS).
fn x_sack_what_comes_to_us_twice_is_reported_to_the_kernel(family: Family) {
    alone(async move {
        let link = Link::without_timers(family);
        let mut once = true;
        link.rule(move |seen| match seen.is_data(Direction::In) && std::mem::take(&mut once) {
            true => Fate::Repeat(Duration::from_millis(20)),
            false => Fate::Pass,
        });
        let (_ours, theirs) = receive(&link, 1_000, Opener::Adieu).await;
        link.until("the kernel counts it", || link.counted("TCPDSACKRecv") == 1).await;
        assert_eq!((link.kernel(&theirs).duplicates_reported(), link.counted("TCPDSACKOfoRecv")), (1, 0));
    });
}

/// B-TLP-ACK: the report says that the probe was needless, and nothing is reduced.
fn x_sack_what_we_repeat_in_vain_is_reported_to_us(family: Family) {
    alone(async move {
        let link = Link::without_timers(family);
        let (mut ours, mut theirs) = link.pair(Opener::Kernel).await;
        // Long enough for our probe; and what the kernel says about that waits, too.
        link.rule(|seen| match seen.way {
            Direction::In => Fate::Delay(Duration::from_secs(3600)),
            Direction::Out => Fate::Pass,
        });
        ours.write_all(&pattern(4_000)).await.unwrap();
        let mut got = [0; 4_000];
        soon("the data", theirs.read_exact(&mut got)).await.unwrap();
        link.until("a probe", || ours.info().is_some_and(|info| info.retransmissions == 1)).await;
        link.until("the kernel reports it", || link.counted("TCPDSACKOldSent") == 1).await;
        assert_eq!(ours.info().unwrap().duplicates_reported, 0);
        link.rule(|_| Fate::Pass);
        link.injector.release();
        link.until("we hear of it", || ours.info().is_some_and(|info| info.unacked == 0)).await;
        let info = ours.info().unwrap();
        assert_eq!((info.duplicates_reported, info.retransmissions), (1, 1), "{info:?}");
        assert_eq!(info.slow_start_threshold, None, "nothing was lost: {info:?}");
    });
}

/// B-TLP-ARM, B-TLP-FIRE.
fn x_recov_our_lost_tail_is_probed_for(family: Family) {
    alone(async move {
        let link = Link::without_timers(family);
        link.lose_once(Direction::Out, [5_000]);
        let (ours, _theirs) = send(&link, 5_000, Opener::Adieu).await;
        let info = ours.info().unwrap();
        assert_eq!((info.retransmissions, info.retransmits, info.backoff), (1, 0, 0), "{info:?}");
        assert_eq!(link.count(|seen| seen.is_data(Direction::Out) && seen.seq + seen.len == 5_001), 2);
    });
}

/// B-RACK-FIN.
fn x_recov_our_lost_fin_is_probed_for(family: Family) {
    alone(async move {
        let link = Link::without_timers(family);
        let (ours, mut theirs) = send(&link, 5_000, Opener::Kernel).await;
        let mut first = true;
        link.rule(move |seen| {
            let fin = seen.way == Direction::Out && seen.flags.has(Flags::FIN);
            if fin && std::mem::take(&mut first) { Fate::Lose } else { Fate::Pass }
        });
        soon("our FIN is acknowledged", ours.finish()).await.unwrap();
        assert_eq!(soon("the end", theirs.read(&mut [0; 1])).await.unwrap(), 0);
        assert_eq!(link.count(|seen| seen.way == Direction::Out && seen.flags.has(Flags::FIN)), 2);
        assert_eq!(ours.info().unwrap().retransmits, 0);
    });
}

/// Two segments, since to a single one the kernel grants a delayed acknowledgment's time, which it takes to be as long
/// as its shortest retransmission time.
fn x_recov_the_kernels_lost_tail_is_probed_for(family: Family) {
    alone(async move {
        let link = Link::without_timers(family);
        link.lose_once(Direction::In, [5_000, 7_000]);
        let (_ours, theirs) = receive(&link, 7_000, Opener::Adieu).await;
        assert!(link.counted("TCPLossProbes") > 0);
        assert_eq!(link.counted("TCPTimeouts"), 0);
        assert_eq!(link.kernel(&theirs).retransmissions(), 2);
    });
}

/// S18, S19, B-DACK.
fn x_dack_bulk_is_acknowledged_by_at_most_about_every_second_segment(family: Family) {
    alone(async move {
        let link = Link::without_timers(family);
        let (ours, _theirs) = receive(&link, 3_000_000, Opener::Kernel).await;
        let segments = link.count(|seen| seen.is_data(Direction::In));
        let answers = link.count(|seen| seen.is_bare(Direction::Out));
        let quick = usize::from(link.net.config().quick_acks);
        assert!(segments >= 2_000 && answers > 10, "{segments} segments, {answers} acknowledgments");
        // Windows that have opened are told, too.
        let most = quick + segments / 2 + segments / 10;
        assert!(answers <= most, "{answers} acknowledgments of {segments} segments: {:?}", ours.info());
    });
}

fn x_recov_a_megabyte_each_way_over_a_wire_that_loses_repeats_and_holds_back(family: Family) {
    alone(async move {
        let link = Link::new(family, |_| {});
        let (ours, theirs) = link.pair(Opener::Adieu).await;
        let mut number = 1_u32;
        link.rule(move |_| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match (number >> 16) % 100 {
                0..3 => Fate::Lose,
                3..5 => Fate::Repeat(Duration::from_millis(3)),
                5..10 => Fate::Delay(Duration::from_millis(u64::from(number >> 28))),
                _ => Fate::Pass,
            }
        });
        let (there, back) = (pattern(1_000_000), pattern(1_100_000));
        let mut got = [vec![0; there.len()], vec![0; back.len()]];
        let [got_there, got_back] = &mut got;
        let (mut reader, mut writer) = theirs.into_split();
        let (mut our_reader, mut our_writer) = (&ours, &ours);
        let all = async {
            tokio::try_join!(
                our_writer.write_all(&there),
                reader.read_exact(got_there),
                writer.write_all(&back),
                our_reader.read_exact(got_back),
            )
        };
        tokio::time::timeout(Duration::from_secs(50), all).await.expect("losses are made good").unwrap();
        assert!(got == [there, back]);
        let info = ours.info().unwrap();
        assert!(info.retransmissions > 0 && info.out_of_order > 0 && info.duplicates_reported > 0, "{info:?}");
    });
}
