//! What the two ends agree on, and timestamps that are too old.

use std::net::SocketAddr;
use std::time::Duration;

use adieu::device::Fate;
use adieu::{Config, Direction, State, TcpStream};
use adieu_core::wire::Flags;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::device::alone;
use crate::family::Family;
use crate::harness::register;
use crate::link::{Link, Opener, forged, pattern, soon};

register! {
    x_ws_x_ts_x_sack_m14_both_ends_agree_on_options_shifts_and_sizes(Family) needs Tun;
    x_ws_x_ts_x_sack_what_we_do_not_offer_is_not_used(Family) needs Tun;
    x_ts_the_kernel_drops_our_old_segment_and_the_connection_lives(Family) needs Tun;
    x_ts_we_drop_the_kernels_old_segment_and_the_connection_lives(Family) needs Tun;
    rs_6_the_kernel_believes_a_reset_from_who_has_forgotten_the_connection(Family) needs Tun;
    rs_6_the_kernel_forgets_a_connection_whose_attempt_was_given_up(Family) needs Tun;
    m30_m32_m62_urgent_data_is_where_the_kernel_looks_for_it(Family) needs Tun;
    x_ws_twenty_megabytes_each_way_through_windows_above_64_kib(Family) needs Tun;
}

const TIMESTAMPS: u8 = 1;
const SACK: u8 = 2;
const WINDOW_SCALE: u8 = 4;

/// A word each way.
async fn greet(ours: &mut TcpStream, theirs: &mut tokio::net::TcpStream) {
    let mut heard = [0; 5];
    ours.write_all(b"salut").await.unwrap();
    theirs.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"salut");
    theirs.write_all(b"hello").await.unwrap();
    ours.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
}

fn x_ws_x_ts_x_sack_m14_both_ends_agree_on_options_shifts_and_sizes(family: Family) {
    for opener in [Opener::Adieu, Opener::Kernel] {
        alone(async move {
            let link = Link::new(family, |_| {});
            let (mut ours, mut theirs) = link.pair(opener).await;
            soon("a word each way", greet(&mut ours, &mut theirs)).await;
            let (us, kernel) = (ours.info().unwrap(), link.kernel(&theirs));
            assert_eq!(kernel.options(), TIMESTAMPS | SACK | WINDOW_SCALE, "{opener:?}");
            assert!(us.timestamps && us.sack, "{us:?}");
            // What the one is told the other tells.
            let (told, tells) = kernel.shifts();
            assert_eq!(us.window_shifts, Some((tells, told)), "{opener:?}");
            assert!(told > 0 && tells > 0, "{told} {tells}");
            let mss = family.pick(1460, 1440);
            for way in [Direction::In, Direction::Out] {
                let syn = link.last(|seen| seen.way == way && seen.flags.has(Flags::SYN)).unwrap();
                assert_eq!(syn.options.mss.map(u32::from), Some(mss), "{way:?}");
            }
            assert_eq!(u32::from(us.advertised_mss), mss);
            // Timestamps take twelve octets of each segment, of which the kernel tells in both.
            assert_eq!((u32::from(us.send_mss), kernel.send_mss()), (mss - 12, mss - 12));
            assert_eq!(kernel.advertised_mss(), mss - 12);
            assert_eq!((u32::from(us.path_mtu), kernel.path_mtu()), (1500, 1500));
            // Both took a measurement from each other's stamps.
            assert!(us.rtt > Duration::ZERO, "{us:?}");
        });
    }
}

fn x_ws_x_ts_x_sack_what_we_do_not_offer_is_not_used(family: Family) {
    type Change = fn(&mut Config);
    let without: [(Change, u8); 3] = [
        (|config| config.timestamps = false, SACK | WINDOW_SCALE),
        (|config| config.selective_acks = false, TIMESTAMPS | WINDOW_SCALE),
        (|config| config.window_scaling = false, TIMESTAMPS | SACK),
    ];
    for (change, left) in without {
        for opener in [Opener::Adieu, Opener::Kernel] {
            alone(async move {
                let link = Link::new(family, change);
                let (mut ours, mut theirs) = link.pair(opener).await;
                soon("a word each way", greet(&mut ours, &mut theirs)).await;
                let (us, kernel) = (ours.info().unwrap(), link.kernel(&theirs));
                assert_eq!(kernel.options(), left, "{opener:?}");
                let agreed = (us.timestamps, us.sack, us.window_shifts.is_some());
                assert_eq!(agreed, (left & TIMESTAMPS > 0, left & SACK > 0, left & WINDOW_SCALE > 0));
                let overhead = if us.timestamps { 12 } else { 0 };
                assert_eq!(kernel.send_mss(), family.pick(1460, 1440) - overhead);
            });
        }
    }
}

/// Older than anything that was sent.
const LONG_AGO: u32 = 100_000;

fn x_ts_the_kernel_drops_our_old_segment_and_the_connection_lives(family: Family) {
    alone(async move {
        let link = Link::new(family, |_| {});
        let (mut ours, mut theirs) = link.pair(Opener::Adieu).await;
        soon("a word each way", greet(&mut ours, &mut theirs)).await;
        let said = link.last(|seen| seen.is_data(Direction::Out)).unwrap();
        // Numbers that the kernel waits for: only the stamp betrays it.
        link.injector.inject(Direction::Out, &forged(&said, 6, LONG_AGO, b"WRONG")).unwrap();
        link.until("the kernel drops it", || link.counted("PAWSEstab") == 1).await;
        ours.write_all(b"right").await.unwrap();
        let mut heard = [0; 5];
        soon("what was really sent", theirs.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"right");
        drop(theirs);
        soon("the end", ours.read(&mut heard)).await.unwrap();
        assert_eq!(soon("the end", ours.close()).await.unwrap().ending.name(), "graceful-peer-first");
    });
}

fn x_ts_we_drop_the_kernels_old_segment_and_the_connection_lives(family: Family) {
    alone(async move {
        let link = Link::new(family, |_| {});
        let (mut ours, mut theirs) = link.pair(Opener::Kernel).await;
        soon("a word each way", greet(&mut ours, &mut theirs)).await;
        let said = link.last(|seen| seen.is_data(Direction::In)).unwrap();
        let answers = || link.count(|seen| seen.is_bare(Direction::Out));
        link.until("the delayed acknowledgment", || ours.info().is_some_and(|info| info.bytes_received == 5)).await;
        let packets = link.net.stats().packets;
        link.injector.inject(Direction::In, &forged(&said, 6, LONG_AGO, b"WRONG")).unwrap();
        link.until("it has come", || link.net.stats().packets > packets).await;
        // RFC 7323 section 5.3: it is answered.
        link.until("an answer", || answers() >= 2).await;
        theirs.write_all(b"right").await.unwrap();
        let mut heard = [0; 5];
        soon("what was really sent", ours.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"right");
        assert_eq!((link.net.stats().bad_checksum, link.net.stats().malformed), (0, 0), "the forgery was a good one");
        ours.shutdown().await.unwrap();
        assert_eq!(soon("the end", theirs.read(&mut heard)).await.unwrap(), 0);
        drop(theirs);
        assert_eq!(soon("the end", ours.close()).await.unwrap().ending.name(), "graceful-local-first");
    });
}

/// Eight times: what the reset says of time is nothing that the kernel could take for old, whatever our clock shows.
fn rs_6_the_kernel_believes_a_reset_from_who_has_forgotten_the_connection(family: Family) {
    alone(async move {
        let link = Link::new(family, |_| {});
        for round in 0..8 {
            let (mut ours, mut theirs) = link.pair(Opener::Kernel).await;
            soon("a word each way", greet(&mut ours, &mut theirs)).await;
            link.rule(|seen| if seen.flags.has(Flags::RST) { Fate::Lose } else { Fate::Pass });
            ours.abort();
            link.net.flushed().await;
            link.rule(|_| Fate::Pass);
            theirs.write_all(b"are you there?").await.unwrap();
            let told = soon(&format!("a reset, in round {round}"), theirs.read(&mut [0; 1])).await;
            assert_eq!(told.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        }
    });
}

/// The kernel holds the stamp of a reset against it while a connection is half open. By its own patience it would wait
/// a minute for each.
fn rs_6_the_kernel_forgets_a_connection_whose_attempt_was_given_up(family: Family) {
    alone(async move {
        let link = Link::new(family, |_| {});
        let [ours, kernel] = link.addresses();
        let socket = link.socket();
        socket.bind(kernel).unwrap();
        let _listener = socket.listen(16).unwrap();
        for port in 7000..7008 {
            let ours = SocketAddr::new(ours.ip(), port);
            link.rule(|seen| match seen.way {
                Direction::In => Fate::Delay(Duration::from_secs(3600)),
                Direction::Out => Fate::Pass,
            });
            {
                let attempt = TcpStream::connect_from(&link.net, ours, kernel);
                tokio::pin!(attempt);
                let half_open =
                    link.until("a half-open connection", || link.state(kernel, ours) == Some(State::SynReceived));
                tokio::select! {
                    _ = &mut attempt => panic!("nobody has answered"),
                    () = half_open => {}
                }
            }
            link.rule(|_| Fate::Pass);
            link.injector.release();
            link.until("the kernel forgets it", || link.state(kernel, ours).is_none()).await;
        }
    });
}

/// M33 as well.
fn m30_m32_m62_urgent_data_is_where_the_kernel_looks_for_it(family: Family) {
    alone(async move {
        let link = Link::new(family, |_| {});
        let (mut ours, mut theirs) = link.pair(Opener::Adieu).await;
        ours.write_all(b"calm ").await.unwrap();
        assert_eq!(ours.write_urgent(b"now!").await.unwrap(), 4);
        // The kernel takes the last octet of it out of the stream.
        let mut urgent = [0; 2];
        let is_there = || recv(&theirs, &mut urgent, RecvFlags::OOB).is_ok_and(|(length, _)| length == 1);
        link.until("the urgent octet", is_there).await;
        assert_eq!(urgent[0], b'!');
        let mut heard = [0; 8];
        soon("the rest", theirs.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"calm now");

        theirs.write_all(b"quiet ").await.unwrap();
        assert_eq!(send(&theirs, b"stop!", SendFlags::OOB).unwrap(), 5);
        assert!(soon("news", ours.urgent()).await.is_some());
        let mut heard = [0; 11];
        link.until("all of it", || ours.urgent_ahead() == Some(11)).await;
        soon("the words", ours.read_exact(&mut heard)).await.unwrap();
        assert_eq!((&heard, ours.urgent_ahead()), (b"quiet stop!", None));
    });
}

fn x_ws_twenty_megabytes_each_way_through_windows_above_64_kib(family: Family) {
    alone(async move {
        let link = Link::new(family, |_| {});
        let (mut ours, mut theirs) = link.pair(Opener::Adieu).await;
        let data = pattern(20_000_000);
        let there = async {
            let mut got = vec![0; data.len()];
            tokio::try_join!(ours.write_all(&data), theirs.read_exact(&mut got)).unwrap();
            assert!(got == data);
        };
        there.await;
        assert!(ours.info().unwrap().send_window > 65_535, "{:?}", ours.info());
        let back = async {
            let mut got = vec![0; data.len()];
            tokio::try_join!(theirs.write_all(&data), ours.read_exact(&mut got)).unwrap();
            assert!(got == data);
        };
        back.await;
        link.until("the kernel knows our window", || link.kernel(&theirs).send_window() > 65_535).await;
        let (us, kernel) = (ours.info().unwrap(), link.kernel(&theirs));
        assert_eq!((us.bytes_acked, us.bytes_received), (20_000_000, 20_000_000));
        assert!(us.recv_window > 65_535 && kernel.options() & WINDOW_SCALE > 0, "{us:?}");
    });
}
