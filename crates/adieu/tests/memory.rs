//! Streams over a pair of devices in memory.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use adieu::{AtExpiry, Keepalive, Leftover, LingerError, Net, RecoveryState, Settings, TcpListener, TcpStream, device};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 80);

fn nets() -> (Net, Net) {
    let (left, right) = device::memory_pair(1500);
    let net = |device, last| Net::builder(device).address([10, 0, 0, last].into()).start().unwrap();
    (net(left, 1), net(right, 2))
}

async fn pair(client: &Net, server: &Net) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(server, SERVER.into()).unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(client, SERVER.into()), listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn ten_megabytes_each_way_then_both_close_gracefully() {
    let (left, right) = nets();
    let (mut client, mut server) = pair(&left, &right).await;
    let data = pattern(10_000_000);
    let expected = data.clone();
    let echo = tokio::spawn(async move {
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert!(all == expected);
        server.write_all(&all).await.unwrap();
        server.close().await.unwrap()
    });
    client.write_all(&data).await.unwrap();
    client.finish().await.unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).await.unwrap();
    assert!(back == data);
    let ours = client.close().await.unwrap();
    let theirs = echo.await.unwrap();
    assert_eq!((ours.ending.name(), theirs.ending.name()), ("graceful-local-first", "graceful-peer-first"));
    assert_eq!((ours.sent, ours.acknowledged, ours.received, ours.unread), (10_000_000, 10_000_000, 10_000_000, 0));
    // Nothing is left but our TIME-WAIT record.
    assert_eq!(right.held(), Leftover::default());
    assert_eq!(left.held(), Leftover { time_waits: 1, flows: 1, destinations: 1, ..Leftover::default() });
}

#[tokio::test]
async fn ap_4_a_reset_stays_a_reset() {
    let (left, right) = nets();
    let (mut client, mut server) = pair(&left, &right).await;
    client.write_all(b"some").await.unwrap();
    let mut some = [0; 4];
    server.read_exact(&mut some).await.unwrap();
    client.abort();
    for _ in 0..3 {
        assert_eq!(server.read(&mut some).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!(server.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let error = server.close().await.unwrap_err();
    assert_eq!(error.receipt.ending.name(), "reset-by-peer");
}

#[tokio::test]
async fn ap_3_after_shutdown_writing_is_a_broken_pipe_and_reading_goes_on() {
    let (left, right) = nets();
    let (mut client, mut server) = pair(&left, &right).await;
    client.shutdown().await.unwrap();
    assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    let mut nothing = [0; 1];
    assert_eq!(server.read(&mut nothing).await.unwrap(), 0);
    server.write_all(b"still here").await.unwrap();
    drop(server);
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "still here");
}

#[tokio::test]
async fn ap_8_nobody_listens() {
    let (left, _right) = nets();
    let error = TcpStream::connect(&left, SERVER.into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(left.held(), Leftover::default());
}

#[tokio::test]
async fn a_dropped_stream_still_delivers_what_was_written() {
    let (left, right) = nets();
    let (mut client, mut server) = pair(&left, &right).await;
    let data = pattern(200_000);
    client.write_all(&data).await.unwrap();
    drop(client);
    let mut all = Vec::new();
    server.read_to_end(&mut all).await.unwrap();
    assert!(all == data);
    server.close().await.unwrap();
    let (_, receipt) = left.take_receipts()[0];
    assert_eq!((receipt.ending.name(), receipt.undelivered()), ("graceful-local-first", 0));
}

#[tokio::test]
async fn ud_1_dropping_with_unread_bytes_is_a_reset() {
    let (left, right) = nets();
    let (mut client, server) = pair(&left, &right).await;
    client.write_all(b"unread").await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(server);
    let mut nothing = [0; 1];
    assert_eq!(client.read(&mut nothing).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(right.take_receipts()[0].1.ending.name(), "aborted-dropped-with-unread");
}

/// EO-3: dropped when it is established and nobody has been told.
#[tokio::test]
async fn eo_3_a_connect_that_is_dropped_too_late_resets() {
    let (left, right) = nets();
    let listener = TcpListener::bind(&right, SERVER.into()).unwrap();
    let mut attempt = Box::pin(TcpStream::connect(&left, SERVER.into()));
    let polled = std::future::poll_fn(|context| std::task::Poll::Ready(attempt.as_mut().poll(context)));
    assert!(polled.await.is_pending());
    let (mut server, _) = listener.accept().await.unwrap();
    drop(attempt);
    assert_eq!(server.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    left.flushed().await;
    assert_eq!(left.take_receipts()[0].1.ending.name(), "aborted-by-call");
}

#[tokio::test]
async fn eo_3_a_connect_that_is_dropped_leaves_nothing() {
    let (left, right) = device::memory_pair(1500);
    let net = Net::builder(left).address([10, 0, 0, 1].into()).start().unwrap();
    let _nobody = right;
    let attempt = TcpStream::connect(&net, SERVER.into());
    assert!(tokio::time::timeout(Duration::from_millis(20), attempt).await.is_err());
    // EO-2: only addresses and ports are kept aside, for as long as the SYN may still open something.
    assert_eq!(net.held(), Leftover { quarantined: 1, flows: 1, destinations: 1, ..Leftover::default() });
    assert_eq!(net.take_receipts()[0].1.ending.name(), "cancelled");
}

#[tokio::test]
async fn many_acceptors_get_one_connection_each() {
    let (left, right) = nets();
    let listener = std::sync::Arc::new(TcpListener::bind(&right, SERVER.into()).unwrap());
    let acceptors: Vec<_> = (0..20)
        .map(|_| {
            let listener = listener.clone();
            tokio::spawn(async move { listener.accept().await.unwrap().1 })
        })
        .collect();
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(TcpStream::connect(&left, SERVER.into()).await.unwrap());
    }
    let mut peers: Vec<SocketAddr> = Vec::new();
    for acceptor in acceptors {
        peers.push(acceptor.await.unwrap());
    }
    peers.sort();
    peers.dedup();
    assert_eq!(peers.len(), 20);
}

#[tokio::test]
async fn what_cannot_be_tried_says_why() {
    let (left, right) = nets();
    let listener = TcpListener::bind(&right, SERVER.into()).unwrap();
    let again = TcpListener::bind(&right, SERVER.into()).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AddrInUse);
    assert_eq!(TcpListener::bind(&right, ([9, 9, 9, 9], 80).into()).unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    for (address, kind) in [([10, 0, 0, 1], ErrorKind::InvalidInput), ([224, 0, 0, 1], ErrorKind::InvalidInput)] {
        let error = TcpStream::connect(&left, (address, 80).into()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let any = TcpListener::bind(&right, ([0, 0, 0, 0], 0).into()).unwrap();
    assert_ne!(any.local_addr().port(), 0);
    drop(listener);
    TcpListener::bind(&right, SERVER.into()).unwrap();
}

/// LM-9: nobody is left who could go on with it.
#[tokio::test]
async fn lm_9_the_driver_ends_with_its_net_and_resets_what_is_left() {
    let (left, right) = nets();
    let (client, server) = pair(&left, &right).await;
    drop((client, left));
    let ended = tokio::time::timeout(Duration::from_secs(20), server.ended()).await.unwrap();
    assert_eq!(ended.ending.name(), "reset-by-peer");
}

#[tokio::test]
async fn or_6_drain_closes_everything_and_gives_one_receipt_each() {
    let (left, right) = nets();
    let listener = TcpListener::bind(&right, SERVER.into()).unwrap();
    let mut clients = Vec::new();
    let mut servers = Vec::new();
    for _ in 0..3 {
        clients.push(TcpStream::connect(&left, SERVER.into()).await.unwrap());
        servers.push(listener.accept().await.unwrap().0);
    }
    // One has something to say, one has bytes unread, one has a peer that never closes.
    clients[0].write_all(b"last words").await.unwrap();
    servers[1].write_all(b"unread").await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut words = String::new();
    let mut talker = servers.remove(0);
    let reading = tokio::spawn(async move {
        talker.read_to_string(&mut words).await.unwrap();
        talker.close().await.unwrap();
        words
    });
    let receipts = left.drain(Duration::from_millis(200)).await;
    assert_eq!(reading.await.unwrap(), "last words");
    let mut names: Vec<&str> = receipts.iter().map(|(_, receipt)| receipt.ending.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["aborted-close-with-unread", "aborted-stack-shutdown", "graceful-local-first"]);
    drop(clients);
    let aside = Leftover { time_waits: 1, quarantined: 2, flows: 3, destinations: 1, ..Leftover::default() };
    assert_eq!(left.held(), aside);
}

#[tokio::test]
async fn lm_4_zero_linger_makes_dropping_a_reset() {
    let (left, right) = nets();
    let (client, mut server) = pair(&left, &right).await;
    client.set_zero_linger(true);
    drop(client);
    let mut nothing = [0; 1];
    assert_eq!(server.read(&mut nothing).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(left.take_receipts()[0].1.ending.name(), "aborted-linger-zero");
}

/// Two nets whose left end's wire takes nothing any more once it is told.
fn nets_to_cut() -> (Net, Net, std::sync::Arc<std::sync::atomic::AtomicBool>) {
    let (left, right) = device::memory_pair(1500);
    let cut = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_cut = cut.clone();
    let (left, _) = device::Impaired::new(left, move |_, _: &[u8]| match is_cut.load(Relaxed) {
        true => device::Fate::Lose,
        false => device::Fate::Pass,
    });
    let left = Net::builder(left).address([10, 0, 0, 1].into()).start().unwrap();
    (left, Net::builder(right).address([10, 0, 0, 2].into()).start().unwrap(), cut)
}

#[tokio::test(start_paused = true)]
async fn lm_4_linger_waits_for_the_acknowledgment_and_not_for_the_peers_fin() {
    let (left, right) = nets();
    let (mut client, mut server) = pair(&left, &right).await;
    client.write_all(b"last words").await.unwrap();
    client.linger(Duration::from_secs(1), AtExpiry::Continue).await.unwrap();
    let mut heard = String::new();
    server.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "last words");
    assert_eq!(server.close().await.unwrap().ending.name(), "graceful-peer-first");
}

#[tokio::test(start_paused = true)]
async fn lm_6_when_the_time_runs_out_the_connection_goes_on_in_the_background() {
    let (left, right, cut) = nets_to_cut();
    let (mut client, mut server) = pair(&left, &right).await;
    cut.store(true, Relaxed);
    client.write_all(b"last words").await.unwrap();
    let began = tokio::time::Instant::now();
    let error = client.linger(Duration::from_secs(3), AtExpiry::Continue).await.unwrap_err();
    assert!(matches!(error, LingerError::Expired { unacknowledged: 10 }), "{error}");
    assert_eq!(began.elapsed().as_secs(), 3);
    cut.store(false, Relaxed);
    let mut heard = String::new();
    server.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "last words");
    server.close().await.unwrap();
    assert_eq!(left.take_receipts()[0].1.ending.name(), "graceful-local-first");
}

#[tokio::test(start_paused = true)]
async fn lm_6_or_is_reset_where_that_was_asked_for() {
    let (left, right, cut) = nets_to_cut();
    let (mut client, mut server) = pair(&left, &right).await;
    cut.store(true, Relaxed);
    client.write_all(b"last words").await.unwrap();
    let error = client.linger(Duration::from_secs(3), AtExpiry::Abort).await.unwrap_err();
    assert!(matches!(error, LingerError::Expired { unacknowledged: 10 }), "{error}");
    left.flushed().await;
    let (_, receipt) = left.take_receipts()[0];
    assert_eq!((receipt.ending.name(), receipt.undelivered()), ("aborted-linger-expired", 10));
    assert_eq!(left.held(), Leftover { quarantined: 1, flows: 1, destinations: 1, ..Leftover::default() });
    // The reset was lost, too: the server learns of it when it speaks.
    cut.store(false, Relaxed);
    server.write_all(b"hello?").await.unwrap();
    assert_eq!(server.read(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn lm_3_linger_with_unread_data_returns_at_once_with_a_reset() {
    let (left, right) = nets();
    let (client, mut server) = pair(&left, &right).await;
    server.write_all(b"unread").await.unwrap();
    server.finish().await.unwrap();
    let began = tokio::time::Instant::now();
    let error = client.linger(Duration::from_secs(3), AtExpiry::Continue).await.unwrap_err();
    let LingerError::Ended(error) = error else { panic!("{error}") };
    assert_eq!((error.receipt.ending.name(), error.receipt.unread), ("aborted-close-with-unread", 6));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_tap_sees_every_packet_and_the_state_after_it() {
    let (left, right) = device::memory_pair(1500);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let notes = seen.clone();
    let flow = adieu::Flow::v4([10, 0, 0, 2], 80, [10, 0, 0, 1], 5000);
    let server = Net::builder(right).address([10, 0, 0, 2].into());
    let server = server.tap(move |tapped| notes.lock().unwrap().push((tapped.direction, tapped.state(&flow)))).start();
    let server = server.unwrap();
    let client = Net::builder(left).address([10, 0, 0, 1].into()).configure(|c| c.ephemeral_ports = (5000, 5000));
    let client = client.start().unwrap();
    let (client, mut accepted) = pair(&client, &server).await;
    drop(client);
    assert_eq!(accepted.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(accepted.close().await.unwrap().ending.name(), "graceful-peer-first");
    let seen = seen.lock().unwrap();
    use adieu::{Direction::*, State};
    assert_eq!(seen[..2], [(In, State::SynReceived), (Out, State::SynReceived)]);
    assert_eq!(seen.last(), Some(&(In, State::Closed)));
}

fn seconds(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const QUICK: Keepalive = Keepalive { idle: Duration::from_secs(10), interval: Duration::from_secs(2), probes: 3 };

/// M17, M24, M25, M28, M43, M48.
#[tokio::test]
async fn what_was_chosen_is_read_back_and_inherited_from_the_listener() {
    let (left, right) = nets();
    let chosen = Settings { nodelay: true, keepalive: Some(QUICK), dscp: 46, ..Settings::default() };
    let listener = TcpListener::bind_with(&right, SERVER.into(), chosen).unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(&left, SERVER.into()), listener.accept());
    let (client, server) = (client.unwrap(), accepted.unwrap().0);
    assert_eq!(server.settings(), chosen);
    assert_eq!((server.nodelay(), server.keepalive(), server.dscp()), (true, Some(QUICK), 46));

    assert_eq!((client.settings(), client.keepalive()), (Settings::default(), None));
    assert!(Keepalive::default().idle >= seconds(7200));
    client.set_nodelay(true);
    client.set_keepalive(Some(Keepalive::default()));
    client.set_user_timeout(Some(seconds(30)));
    client.set_dscp(10).unwrap();
    assert_eq!((client.nodelay(), client.keepalive()), (true, Some(Keepalive::default())));
    assert_eq!((client.user_timeout(), client.dscp()), (Some(seconds(30)), 10));
    client.set(chosen).unwrap();
    assert_eq!(client.settings(), chosen);
    client.set_keepalive(None);
    assert_eq!((client.keepalive(), client.dscp()), (None, 46));

    let wrong = Settings { dscp: 64, ..chosen };
    assert_eq!(client.set(wrong).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(client.set_dscp(255).unwrap_err().kind(), ErrorKind::InvalidInput);
    let error = TcpStream::connect_with(&left, None, SERVER.into(), wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(TcpListener::bind_with(&right, SERVER.into(), wrong).unwrap_err().kind(), ErrorKind::InvalidInput);
    let another = TcpStream::connect_with(&left, Some(([10, 0, 0, 1], 7000).into()), SERVER.into(), chosen).await;
    let another = another.unwrap();
    assert_eq!((another.settings(), another.local_addr().port()), (chosen, 7000));
}

#[tokio::test(start_paused = true)]
async fn m24_keepalive_finds_a_dead_peer_and_leaves_a_living_one_alone() {
    let (left, right, cut) = nets_to_cut();
    let (mut client, _server) = pair(&left, &right).await;
    client.set_keepalive(Some(QUICK));
    let living = tokio::time::timeout(seconds(3600), client.ended()).await;
    assert!(living.is_err(), "{living:?}");
    cut.store(true, Relaxed);
    let began = tokio::time::Instant::now();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(client.receipt().unwrap().ending.name(), "timed-out-keepalive");
    // Three probes, 2 s apart, behind at most 10 s without a word.
    assert!((6..=16).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn m21_the_user_timeout_ends_what_nobody_acknowledges() {
    let (left, right, cut) = nets_to_cut();
    let (mut client, _server) = pair(&left, &right).await;
    client.set_user_timeout(Some(seconds(7)));
    cut.store(true, Relaxed);
    client.write_all(b"anybody?").await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(client.receipt().unwrap().ending.name(), "timed-out-user-timeout");
    assert_eq!(began.elapsed().as_millis() / 100, 70, "{:?}", began.elapsed());
}

/// M47 as well.
#[tokio::test(start_paused = true)]
async fn s9_trouble_is_told_and_does_not_end_the_connection() {
    let (left, right, cut) = nets_to_cut();
    let (mut client, mut server) = pair(&left, &right).await;
    cut.store(true, Relaxed);
    client.write_all(b"anybody?").await.unwrap();
    let told = client.trouble().await.expect("the connection lives");
    assert_eq!((told.retransmits, told.recovery), (3, RecoveryState::Loss));
    cut.store(false, Relaxed);
    let mut heard = [0; 8];
    server.read_exact(&mut heard).await.unwrap();
    // Told once; the next answer is the ending.
    server.abort();
    assert_eq!(client.trouble().await, None);
}

#[tokio::test(start_paused = true)]
async fn s20_trouble_is_not_told_to_who_does_not_want_to_hear_of_it() {
    let (left, right, cut) = nets_to_cut();
    let (mut client, _server) = pair(&left, &right).await;
    client.set(Settings { report_trouble: false, ..client.settings() }).unwrap();
    cut.store(true, Relaxed);
    client.write_all(b"anybody?").await.unwrap();
    let told = tokio::time::timeout(seconds(60), client.trouble()).await;
    assert!(told.is_err() && client.info().unwrap().retransmits > 3, "{told:?}");
}

/// M33 as well.
#[tokio::test]
async fn m32_what_is_urgent_is_told_before_it_is_read() {
    let (left, right) = nets();
    let (mut client, mut server) = pair(&left, &right).await;
    client.write_all(b"calm ").await.unwrap();
    assert_eq!(client.write_urgent(b"now!").await.unwrap(), 4);
    assert_eq!(server.urgent().await, Some(9));
    let mut heard = [0; 9];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!((&heard, server.urgent_ahead()), (b"calm now!", None));
    drop(client);
    assert_eq!(server.read(&mut heard).await.unwrap(), 0);
    server.abort();
    assert_eq!(server.urgent().await, None);
}

#[tokio::test]
async fn info_shows_what_a_transfer_was_like() {
    let (left, right) = nets();
    let (mut client, mut server) = pair(&left, &right).await;
    let data = pattern(1_000_000);
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        (server.info().unwrap(), server, all.len())
    });
    client.write_all(&data).await.unwrap();
    client.finish().await.unwrap();
    let (theirs, server, length) = reading.await.unwrap();
    let ours = client.info().unwrap();
    assert_eq!((length, ours.bytes_acked, theirs.bytes_received), (1_000_000, 1_000_000, 1_000_000));
    assert_eq!((ours.send_mss, ours.advertised_mss, ours.path_mtu), (1448, 1460, 1500));
    assert!(ours.timestamps && ours.sack && ours.window_shifts.is_some(), "{ours:?}");
    assert!(ours.rtt > Duration::ZERO && ours.min_rtt <= ours.rtt && ours.rto >= Duration::from_millis(200));
    assert!(ours.congestion_window > 14_480 && ours.data_segments_sent >= 691, "{ours:?}");
    assert_eq!((ours.recovery, ours.unacked, ours.bytes_unsent), (RecoveryState::Open, 0, 0));
    assert_eq!((theirs.out_of_order, theirs.bytes_acked), (0, 0));
    server.close().await.unwrap();
    assert_eq!(client.info().unwrap().bytes_acked, 1_000_000, "of one that has ended, too");
}
