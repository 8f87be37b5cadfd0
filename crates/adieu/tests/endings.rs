//! How streams and nets end, over a pair of devices in memory: half-close, draining, the last user, a restart.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adieu::{
    Cause, Config, DrainBudget, Ending, Leftover, Limit, Net, Receipt, RecvSide, Released, SendSide, State, Suspended,
    TcpListener, TcpStream, Unwanted, Warning, device,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 80);

fn net(device: impl Into<device::Device>, address: [u8; 4], change: impl FnOnce(&mut Config)) -> Net {
    Net::builder(device).address(address.into()).configure(change).start().unwrap()
}

fn nets_with(change: impl Fn(&mut Config)) -> (Net, Net) {
    let (left, right) = device::memory_pair(1500);
    (net(left, CLIENT, &change), net(right, SERVER.0, &change))
}

fn nets() -> (Net, Net) {
    nets_with(|_| {})
}

async fn pair(client: &Net, server: &Net) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(server, SERVER.into()).unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(client, SERVER.into()), listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn aborted(cause: Cause, state: State) -> Ending {
    Ending::Aborted { cause, state }
}

// ---- half-close ------------------------------------------------------------------------------------------------

/// TO-8 is the default: without a budget nothing ends it.
#[tokio::test(start_paused = true)]
async fn hc_1_a_half_close_has_no_end_of_its_own_and_a_budget_gives_it_one() {
    let (left, right) = nets();
    let (client, mut server) = pair(&left, &right).await;
    assert_eq!((client.half_close_idle(), client.half_close_total()), (None, None));
    client.finish().await.unwrap();
    sleep(secs(86_400)).await;
    assert_eq!((client.state(), server.state()), (State::FinWait2, State::CloseWait));
    server.write_all(b"at last").await.unwrap();
    sleep(secs(1)).await;
    client.set_half_close_idle(Some(secs(31)));
    assert_eq!(client.half_close_idle(), Some(secs(31)));
    let began = Instant::now();
    let receipt = client.ended().await;
    assert_eq!(receipt.ending, aborted(Cause::PolicyLimit(Limit::HalfCloseIdle), State::FinWait2));
    assert!((29..=31).contains(&began.elapsed().as_secs()), "counts from the last data: {:?}", began.elapsed());
    assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0, "the peer's FIN had come");
    assert_eq!(server.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn hc_2_the_total_of_a_half_close_counts_while_data_goes() {
    let (left, right) = nets();
    let (client, mut server) = pair(&left, &right).await;
    server.set_half_close_total(Some(secs(10)));
    assert_eq!(server.half_close_total(), Some(secs(10)));
    client.finish().await.unwrap();
    let began = Instant::now();
    let error = loop {
        if let Err(error) = server.write_all(b"tick").await {
            break error;
        }
        sleep(secs(1)).await;
    };
    assert_eq!((error.kind(), began.elapsed().as_secs() / 2), (ErrorKind::ConnectionAborted, 5), "{error}");
    let ending = aborted(Cause::PolicyLimit(Limit::HalfCloseTotal), State::CloseWait);
    assert_eq!(server.ended().await.ending, ending);
}

// ---- shutdown(read) --------------------------------------------------------------------------------------------

/// AP-11.
#[tokio::test(start_paused = true)]
async fn hc_5_ap_11_after_shutdown_read_reads_end_and_new_data_is_refused() {
    let (left, right) = nets();
    let (mut client, mut server) = pair(&left, &right).await;
    client.write_all(b"unread").await.unwrap();
    sleep(secs(1)).await;
    server.shutdown_read(Unwanted::Refuse);
    assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
    assert_eq!(server.sides(), Some((SendSide::Open, RecvSide::ClosedLocally { discarded: 6 })));
    server.write_all(b"still talking").await.unwrap();
    let mut heard = [0; 13];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(client.state(), State::Established);
    client.write_all(b"more").await.unwrap();
    assert_eq!(client.read(&mut heard).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let receipt = server.ended().await;
    assert_eq!(receipt.ending, aborted(Cause::DataAfterClose, State::Established));
    assert_eq!((receipt.recv_side(), receipt.reset_sent), (RecvSide::ClosedLocally { discarded: 6 }, true));
}

/// AP-11, AP-12: one who waits to read finds the end.
#[tokio::test(start_paused = true)]
async fn hc_5_ap_11_discarded_data_is_acknowledged_and_a_waiting_read_ends() {
    let (left, right) = nets();
    let (mut client, server) = pair(&left, &right).await;
    let server = Arc::new(server);
    let waiting = tokio::spawn({
        let server = server.clone();
        async move { (&*server).read(&mut [0; 9]).await.unwrap() }
    });
    sleep(secs(1)).await;
    server.shutdown_read(Unwanted::Discard);
    assert_eq!(timeout(secs(1), waiting).await.unwrap().unwrap(), 0);
    client.write_all(&[7; 1_000_000]).await.unwrap();
    client.finish().await.unwrap();
    let (mut to_peer, closed) = (&*server, RecvSide::Complete { received: 1_000_000 });
    assert_eq!(server.sides(), Some((SendSide::Open, closed)));
    to_peer.write_all(b"answer").await.unwrap();
    to_peer.shutdown().await.unwrap();
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "answer");
}

#[tokio::test(start_paused = true)]
async fn hc_5_with_both_directions_closed_dropped_bytes_are_a_reset() {
    let (left, right) = nets();
    let (mut client, server) = pair(&left, &right).await;
    client.write_all(b"unread").await.unwrap();
    sleep(secs(1)).await;
    server.finish().await.unwrap();
    server.shutdown_read(Unwanted::Refuse);
    assert_eq!(server.ended().await.ending, aborted(Cause::CloseWithUnread, State::FinWait2));
}

// ---- close_drain -----------------------------------------------------------------------------------------------

/// A client that uploads, and then reads the answer; a server that answers and closes, without reading. What the client
/// could read, and the server's receipt.
async fn refused_upload(length: usize, budget: Option<DrainBudget>) -> (Result<usize, ErrorKind>, Receipt) {
    let (left, right) = nets();
    let (client, mut server) = pair(&left, &right).await;
    let (mut reader, mut writer) = tokio::io::split(client);
    let uploading = tokio::spawn(async move {
        let sent = writer.write_all(&vec![1; length]).await;
        _ = writer.shutdown().await;
        (sent, writer)
    });
    sleep(secs(1)).await; // Its buffer is full, and the client has not read.
    server.write_all(&[2; 30_000]).await.unwrap();
    let closing = async {
        match budget {
            Some(budget) => server.close_drain(budget).await,
            None => server.close().await,
        }
    };
    let receipt = closing.await.unwrap_or_else(|error| error.receipt);
    sleep(secs(1)).await;
    let mut answer = Vec::new();
    let read = reader.read_to_end(&mut answer).await;
    drop(uploading.await.unwrap());
    (read.map_err(|error| error.kind()), receipt)
}

#[tokio::test(start_paused = true)]
async fn ud_8_close_drain_lets_the_peer_read_the_answer() {
    let (read, receipt) = refused_upload(1_000_000, Some(DrainBudget::default())).await;
    assert_eq!(read, Ok(30_000));
    assert_eq!((receipt.ending.is_graceful(), receipt.discarded, receipt.reset_sent), (true, 1_000_000, false));
}

#[tokio::test(start_paused = true)]
async fn ud_1_and_a_plain_close_does_not() {
    let (read, receipt) = refused_upload(1_000_000, None).await;
    assert_eq!(read, Err(ErrorKind::ConnectionReset));
    assert_eq!(receipt.ending.name(), "aborted-close-with-unread");
}

#[tokio::test(start_paused = true)]
async fn ud_8_the_budget_is_kept_in_bytes_and_in_time() {
    let few = DrainBudget { bytes: 100_000, ..DrainBudget::default() };
    let (_, receipt) = refused_upload(1_000_000, Some(few)).await;
    assert_eq!(receipt.ending, aborted(Cause::PolicyLimit(Limit::DrainBytes), State::FinWait2));
    assert!(receipt.reset_sent && receipt.discarded >= 100_000, "{receipt:?}");

    let (left, right) = nets();
    let (_client, server) = pair(&left, &right).await;
    let began = Instant::now();
    let error = server.close_drain(DrainBudget::default()).await.unwrap_err();
    assert_eq!(error.receipt.ending, aborted(Cause::PolicyLimit(Limit::DrainTime), State::FinWait2));
    assert_eq!(began.elapsed().as_secs(), 2);
}

/// Cancel-safe: dropped, it goes on in the background.
#[tokio::test(start_paused = true)]
async fn ud_8_a_close_drain_that_is_dropped_goes_on() {
    let (left, right) = nets();
    let (mut client, server) = pair(&left, &right).await;
    client.write_all(b"unread").await.unwrap();
    sleep(secs(1)).await;
    assert!(timeout(Duration::from_millis(1), server.close_drain(DrainBudget::default())).await.is_err());
    client.write_all(b"more").await.unwrap();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(client.close().await.unwrap().ending.name(), "graceful-peer-first");
    assert_eq!(right.take_receipts()[0].1.discarded, 10);
}

// ---- what is seen ----------------------------------------------------------------------------------------------

/// HC-7.
#[tokio::test(start_paused = true)]
async fn to_11_hc_7_a_connection_stuck_in_close_wait_is_named_once_and_listed() {
    let (left, right) = nets();
    let (client, mut server) = pair(&left, &right).await;
    assert_eq!(server.label(), "");
    server.set_label("upload");
    client.finish().await.unwrap();
    sleep(secs(59)).await;
    assert_eq!(right.take_warnings(), []);
    sleep(secs(600)).await;
    let warnings = right.take_warnings();
    let [Warning::Stuck(stuck)] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert_eq!((stuck.state, &*stuck.label, stuck.age.as_secs()), (State::CloseWait, "upload", 60));
    assert_eq!(stuck.flow.remote(), client.local_addr());
    assert_eq!(server.state(), State::CloseWait, "TO-11: it is never closed for the application");
    let flows = right.flows();
    assert_eq!((flows.len(), flows[0].state, &*flows[0].label), (1, State::CloseWait, "upload"));
    assert!(flows[0].age >= secs(650), "{flows:?}");
    server.write_all(b"and still works").await.unwrap();
    let warnings = left.take_warnings();
    assert!(matches!(&warnings[..], [Warning::Stuck(stuck)] if stuck.state == State::FinWait2), "{warnings:?}");
}

#[tokio::test(start_paused = true)]
async fn ports_that_run_out_are_told_of_before_they_have() {
    let (left, right) = nets_with(|config| config.ephemeral_ports = (5000, 5009));
    let listener = TcpListener::bind(&right, SERVER.into()).unwrap();
    let mut clients = Vec::new();
    for _ in 0..8 {
        assert_eq!(left.take_warnings(), []);
        clients.push(TcpStream::connect(&left, SERVER.into()).await.unwrap());
        listener.accept().await.unwrap();
    }
    let usage = left.port_usage(CLIENT.into(), SERVER.into());
    assert_eq!((usage.in_use, usage.all), (8, 10));
    let warnings = left.take_warnings();
    assert!(matches!(&warnings[..], [Warning::PortsScarce { usage: told, .. }] if *told == usage), "{warnings:?}");
}

/// EN-6, TW-18: the ending at once, the ports later.
#[tokio::test(start_paused = true)]
async fn en_6_every_ending_is_counted_told_and_followed_by_a_release() {
    let (left, right) = device::memory_pair(1500);
    let right = net(right, SERVER.0, |_| {});
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = heard.clone();
    let left = Net::builder(left).address(CLIENT.into()).on_receipt(move |flow, receipt| {
        notes.lock().unwrap().push((*flow, receipt.ending.name()));
    });
    let left = left.start().unwrap();
    let (client, mut server) = pair(&left, &right).await;
    let flow = adieu::Flow::new(client.local_addr(), client.peer_addr());
    drop(client);
    assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
    server.close().await.unwrap();
    sleep(secs(1)).await;
    assert_eq!(*heard.lock().unwrap(), [(flow, "graceful-local-first")]);
    assert_eq!(left.take_released(), []);
    assert_eq!(left.take_receipts().len(), 1, "for others who ask, too");
    assert_eq!(left.take_receipts().len(), 0);
    sleep(secs(60)).await;
    assert_eq!(left.take_released(), [(flow, Released::TimeWaitExpired)]);
    assert_eq!(left.endings().iter().collect::<Vec<_>>(), [("graceful-local-first", State::TimeWait, 1)]);
    assert_eq!(left.held(), Leftover::default());
}

/// It is called without a lock, so that it may look.
#[tokio::test(start_paused = true)]
async fn en_6_who_hears_of_an_ending_may_call_the_net() {
    let (left, right) = device::memory_pair(1500);
    let right = net(right, SERVER.0, |_| {});
    let (own, held) = (Arc::new(Mutex::new(None::<Net>)), Arc::new(Mutex::new(None)));
    let (mine, notes) = (own.clone(), held.clone());
    let left = Net::builder(left).address(CLIENT.into()).on_receipt(move |_, _| {
        *notes.lock().unwrap() = mine.lock().unwrap().as_ref().map(Net::held);
    });
    let left = left.start().unwrap();
    *own.lock().unwrap() = Some(left.clone());
    let (client, _server) = pair(&left, &right).await;
    client.abort();
    client.ended().await;
    sleep(secs(1)).await;
    assert_eq!(held.lock().unwrap().unwrap().quarantined, 1);
    *own.lock().unwrap() = None;
}

// ---- the last user, and the device -----------------------------------------------------------------------------

/// LM-9, AP-12.
#[tokio::test(start_paused = true)]
async fn lm_9_with_the_last_user_everything_left_is_reset() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = heard.clone();
    let (left, right) = device::memory_pair(1500);
    let left = Net::builder(left).address(CLIENT.into()).on_receipt(move |_, receipt| {
        notes.lock().unwrap().push((receipt.ending.name(), receipt.undelivered()));
    });
    let (left, right) = (left.start().unwrap(), net(right, SERVER.0, |_| {}));
    let (mut client, mut server) = pair(&left, &right).await;
    drop(left);
    sleep(secs(1)).await;
    assert_eq!(heard.lock().unwrap().len(), 0, "a stream is a user, too");
    client.write_all(&[7; 200_000]).await.unwrap(); // More than is under way at once.
    drop(client); // Closed in the background, but there is none any more.
    let mut all = Vec::new();
    assert_eq!(server.read_to_end(&mut all).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.ended().await.ending, Ending::ResetByPeer { state: State::Established });
    let heard = heard.lock().unwrap();
    assert!(matches!(heard[..], [("aborted-stack-shutdown", 1..)]), "{heard:?}");
}

/// LM-9: what was flushed before, or drained, has ended as it should.
#[tokio::test(start_paused = true)]
async fn lm_9_after_a_drain_there_is_nothing_left_to_reset() {
    let (left, right) = nets();
    let (mut client, mut server) = pair(&left, &right).await;
    client.write_all(&[7; 200_000]).await.unwrap();
    drop(client);
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        (all.len(), server.close().await.unwrap().ending.name())
    });
    let receipts = left.drain(secs(5)).await;
    assert_eq!(receipts[0].1.ending.name(), "graceful-local-first");
    drop(left);
    assert_eq!(reading.await.unwrap(), (200_000, "graceful-peer-first"));
}

/// LM-9: a runtime that goes takes its driver along; streams elsewhere hear of it.
#[test]
fn lm_9_a_runtime_that_ends_resets_what_its_driver_had() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (ours, theirs) = (runtime(), runtime());
    let (left, right) = device::memory_pair(1500);
    let left = ours.block_on(async { net(left, CLIENT, |_| {}) });
    let right = theirs.block_on(async { net(right, SERVER.0, |_| {}) });
    let (client, mut server) = theirs.block_on(pair(&left, &right));
    let waiting = theirs.spawn(async move { (client.ended().await, client) });
    ours.shutdown_timeout(secs(1));
    theirs.block_on(async move {
        let (receipt, mut client) = timeout(secs(20), waiting).await.unwrap().unwrap();
        assert_eq!(receipt.ending, aborted(Cause::StackShutdown, State::Established));
        assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
        let read = timeout(secs(20), server.read(&mut [0; 1])).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let refused = TcpStream::connect(&left, SERVER.into()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotConnected, "{refused}");
    });
}

/// 3.35.
#[tokio::test(start_paused = true)]
async fn x_3_35_a_removed_address_ends_its_connections() {
    let (left, right) = nets();
    let (mut client, mut server) = pair(&left, &right).await;
    left.remove_address(CLIENT.into(), true);
    assert_eq!(client.read(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
    let receipt = client.ended().await;
    assert_eq!((receipt.ending.name(), receipt.reset_sent), ("aborted-address-removed", true));
    assert_eq!(server.read(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let refused = TcpStream::connect(&left, SERVER.into()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AddrNotAvailable);
}

// ---- a restart -------------------------------------------------------------------------------------------------

/// What is left of a client that was suspended.
struct Restart {
    suspended: Suspended,
    flow: adieu::Flow,
}

/// The client closes first and is suspended in TIME-WAIT; its ACK of the server's FIN was lost. `cut` closes the wire.
async fn suspended_in_time_wait(cut: Arc<std::sync::atomic::AtomicBool>, left: device::Memory, right: &Net) -> Restart {
    use std::sync::atomic::Ordering::Relaxed;
    let lost = cut.clone();
    let (wire, _) = device::Impaired::new(left, move |direction, _: &[u8]| match lost.load(Relaxed) {
        true if direction == adieu::Direction::Out => device::Fate::Lose,
        _ => device::Fate::Pass,
    });
    let left = net(wire, CLIENT, |_| {});
    let (client, server) = pair(&left, right).await;
    let flow = adieu::Flow::new(client.local_addr(), client.peer_addr());
    client.finish().await.unwrap();
    cut.store(true, Relaxed);
    drop(server);
    client.close().await.unwrap();
    assert_eq!((left.state(&flow), right.held().orphans), (State::TimeWait, 1));
    let suspended = left.suspend();
    cut.store(false, Relaxed);
    let suspended = Suspended::from_bytes(&suspended.to_bytes()).unwrap();
    Restart { suspended, flow }
}

/// QT-1 d: what the stack of the next process has. That it answers the FIN that comes again is seen with the kernel.
#[tokio::test(start_paused = true)]
async fn qt_1_a_stack_that_resumes_has_what_the_other_one_left() {
    let (left, right) = device::memory_pair(1500);
    let right = net(right, SERVER.0, |_| {});
    let Restart { suspended, flow } = suspended_in_time_wait(Arc::default(), left, &right).await;
    let (again, _wire) = device::memory_pair(1500);
    let again = Net::builder(again).address(CLIENT.into()).resume(suspended).start().unwrap();
    assert_eq!((again.state(&flow), again.held().time_waits), (State::TimeWait, 1));
    assert!(again.now() > adieu::Instant::ZERO, "the clock goes on");
    sleep(secs(61)).await;
    assert_eq!(again.held(), Leftover::default());
    let (other, _wire) = device::memory_pair(1500);
    assert_eq!(net(other, CLIENT, |_| {}).state(&flow), State::Closed, "the control: nothing is known");
}

/// The number and the timestamp of the SYN that a net sends from a port of its own choice.
async fn syn(suspended: Option<Suspended>) -> (Net, (adieu_core::Seq, u32)) {
    use adieu_core::wire::{Packet, Segment, ip::Datagram};
    let (device, _wire) = device::memory_pair(1500);
    let seen = Arc::new(Mutex::new(None));
    let notes = seen.clone();
    let builder = Net::builder(device).address(CLIENT.into()).tap(move |tapped| {
        let datagram = Datagram::parse(tapped.packet).unwrap();
        let segment = Segment::parse(datagram.body, &Packet::new(tapped.packet)).unwrap();
        let stamp = segment.options.timestamps.unwrap().value;
        notes.lock().unwrap().get_or_insert((segment.seq, stamp));
    });
    let net = match suspended {
        Some(suspended) => builder.resume(suspended),
        None => builder,
    };
    let net = net.start().unwrap();
    let attempt = TcpStream::connect_from(&net, (CLIENT, 5000).into(), SERVER.into());
    assert!(timeout(Duration::from_millis(20), attempt).await.is_err());
    let seen = seen.lock().unwrap().unwrap();
    (net, seen)
}

/// QT-1 a, b: the clocks and the keys of initial numbers and timestamps go on, without any record.
#[tokio::test]
async fn qt_1_numbers_and_timestamps_of_a_resumed_stack_go_on() {
    let (first, (seq, stamp)) = syn(None).await;
    let suspended = first.suspend();
    drop(first);
    sleep(Duration::from_millis(50)).await;
    let (_again, (next, later)) = syn(Some(suspended)).await;
    // 250 numbers and 1 tick for each of at least 70 ms, and not of more than a minute.
    assert!((17_000..15_000_000).contains(&next.distance(seq)), "{next:?} after {seq:?}");
    assert!((69..60_000).contains(&later.wrapping_sub(stamp)), "{later} after {stamp}");
}

/// QT-1 c, QT-2: quiet time begins nothing, and answers strangers.
#[tokio::test(start_paused = true)]
async fn qt_1_qt_2_quiet_time_begins_nothing_and_resets_what_was_forgotten() {
    let (left, right) = device::memory_pair(1500);
    let right = Net::builder(right).address(SERVER.0.into()).quiet_time(secs(30)).start().unwrap();
    let left = net(left, CLIENT, |_| {});
    let listener = TcpListener::bind(&right, SERVER.into()).unwrap();
    let refused = TcpStream::connect(&right, (CLIENT, 9).into()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ResourceBusy);
    let began = Instant::now();
    let (client, accepted) = tokio::join!(TcpStream::connect(&left, SERVER.into()), listener.accept());
    assert!(began.elapsed() >= secs(30) && client.is_ok() && accepted.is_ok(), "{:?}", began.elapsed());
    assert_eq!(TcpStream::connect(&right, (CLIENT, 9).into()).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
