//! Ends that say nothing, or take nothing: keepalive and closed windows.

use std::time::Duration;

use adieu::device::Fate;
use adieu::{Direction, Ending, Keepalive, Phase};
use rustix::net::sockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::device::alone;
use crate::family::Family;
use crate::harness::register;
use crate::link::{Link, Opener, pattern, soon};

register! {
    x_ka_the_kernels_probes_are_answered(Family) needs Tun;
    x_ka_m29_ours_are_answered_by_the_kernel_and_a_dead_wire_ends_the_connection(Family) needs Tun;
    m36_we_probe_the_kernels_closed_window_until_it_opens(Family) needs Tun;
    m37_the_kernels_probes_of_our_closed_window_are_answered(Family) needs Tun;
}

const SECOND: Duration = Duration::from_secs(1);

fn x_ka_the_kernels_probes_are_answered(family: Family) {
    alone(async move {
        let link = Link::new(family, |_| {});
        let (mut ours, mut theirs) = link.pair(Opener::Adieu).await;
        sockopt::set_tcp_keepidle(&theirs, SECOND).unwrap();
        sockopt::set_tcp_keepintvl(&theirs, SECOND).unwrap();
        sockopt::set_tcp_keepcnt(&theirs, 2).unwrap();
        sockopt::set_socket_keepalive(&theirs, true).unwrap();
        // One number before what comes next.
        let probes = || link.count(|seen| seen.is_bare(Direction::In) && seen.seq == 0);
        link.until("four probes", || probes() >= 4).await;
        link.until("the last answer", || link.count(|seen| seen.is_bare(Direction::Out)) > 4).await;
        assert!(link.counted("TCPKeepAlive") >= 4);
        // Of a peer that is not there the kernel would know by now.
        theirs.write_all(b"still here").await.unwrap();
        let mut heard = [0; 10];
        soon("the word", ours.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"still here");
    });
}

/// M27 as well, and S12: a probe has the number before the next, and no data.
fn x_ka_m29_ours_are_answered_by_the_kernel_and_a_dead_wire_ends_the_connection(family: Family) {
    alone(async move {
        let link = Link::new(family, |_| {});
        let (mut ours, mut theirs) = link.pair(Opener::Kernel).await;
        ours.set_keepalive(Some(Keepalive { idle: SECOND, interval: SECOND, probes: 2 }));
        let probes = || link.count(|seen| seen.is_bare(Direction::Out) && seen.seq == 0);
        link.until("four probes", || probes() >= 4).await;
        theirs.write_all(b"still here").await.unwrap();
        let mut heard = [0; 10];
        soon("the word", ours.read_exact(&mut heard)).await.unwrap();
        assert_eq!(ours.info().unwrap().probes, 0);

        link.rule(|_| Fate::Lose);
        let before = probes();
        let receipt = soon("the end", ours.ended()).await;
        let Ending::TimedOut { phase, .. } = receipt.ending else { panic!("{receipt:?}") };
        assert_eq!((phase, probes() - before), (Phase::Keepalive, 2));
        assert_eq!(ours.read(&mut heard).await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    });
}

const MUCH: usize = 200_000;

fn m36_we_probe_the_kernels_closed_window_until_it_opens(family: Family) {
    alone(async move {
        let link = Link::new(family, |_| {});
        let (mut ours, mut theirs) = link.pair_with(Opener::Adieu, Some(8_192)).await;
        let data = pattern(MUCH);
        ours.write_all(&data).await.unwrap();
        link.until("a closed window", || ours.info().is_some_and(|info| info.send_window == 0)).await;
        let sent = ours.info().unwrap().segments_sent;
        link.until("three probes", || ours.info().is_some_and(|info| info.segments_sent >= sent + 3)).await;
        let info = ours.info().unwrap();
        assert!(info.send_window == 0 && info.bytes_unsent > 0, "{info:?}");
        assert!(link.counted("TCPToZeroWindowAdv") + link.counted("TCPWantZeroWindowAdv") > 0);
        let mut got = vec![0; MUCH];
        soon("all of it", theirs.read_exact(&mut got)).await.unwrap();
        assert!(got == data);
        assert!(link.counted("TCPFromZeroWindowAdv") > 0);
        link.until("the last acknowledgment", || ours.info().is_some_and(|info| info.unacked == 0)).await;
    });
}

fn m37_the_kernels_probes_of_our_closed_window_are_answered(family: Family) {
    alone(async move {
        let link = Link::new(family, |config| config.receive_buffer = 16_384);
        let (mut ours, theirs) = link.pair(Opener::Kernel).await;
        let data = pattern(MUCH);
        let (mut reader, mut writer) = theirs.into_split();
        let written = data.clone();
        let writing = tokio::spawn(async move { writer.write_all(&written).await.map(|()| writer) });
        let theirs: &tokio::net::TcpStream = reader.as_ref();
        link.until("probes of the kernel's", || link.counted("TCPWinProbe") >= 3).await;
        let kernel = link.kernel(theirs);
        assert_eq!((kernel.send_window(), ours.info().unwrap().recv_window), (0, 0), "{}", kernel.probes());
        let mut got = vec![0; MUCH];
        soon("all of it", ours.read_exact(&mut got)).await.unwrap();
        assert!(got == data);
        drop(soon("the writer", writing).await.unwrap().unwrap());
        ours.shutdown().await.unwrap();
        assert_eq!(soon("the end", reader.read(&mut [0; 1])).await.unwrap(), 0);
    });
}
