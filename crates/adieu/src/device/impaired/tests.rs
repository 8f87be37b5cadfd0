//! Two nets in one process, with a bad wire at one of them, in virtual time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::*;
use crate::device::memory_pair;
use crate::{Leftover, Net, TcpListener, TcpStream};

const FIN: u8 = 1;
const RST: u8 = 4;

/// The flags, and whether there is data.
fn looks(packet: &[u8]) -> (u8, bool) {
    let offset = usize::from(packet[32] >> 4) * 4;
    (packet[33], packet.len() > 20 + offset)
}

/// Two nets, and a connection between them; the left one's wire is bad.
async fn pair(impairment: impl Impairment + 'static) -> (Net, [TcpStream; 2], Injector) {
    pair_with(impairment, true).await
}

async fn pair_with(impairment: impl Impairment + 'static, loss_probes: bool) -> (Net, [TcpStream; 2], Injector) {
    let (left, right) = memory_pair(1500);
    let (left, injector) = Impaired::new(left, impairment);
    let probing = |config: &mut crate::Config| config.loss_probes = loss_probes;
    let client = Net::builder(left).configure(probing).address([10, 0, 0, 1].into()).start().unwrap();
    let server = Net::builder(right).configure(probing).address([10, 0, 0, 2].into()).start().unwrap();
    let listener = TcpListener::bind(&server, ([10, 0, 0, 2], 80).into()).unwrap();
    let (one, two) = tokio::join!(TcpStream::connect(&client, listener.local_addr()), listener.accept());
    (client, [one.unwrap(), two.unwrap().0], injector)
}

/// "hello" from left to right, and a goodbye begun by the left end; how long that took.
async fn greet_and_part(client: &Net, [mut one, mut two]: [TcpStream; 2]) -> Duration {
    let began = Instant::now();
    one.write_all(b"hello").await.unwrap();
    one.shutdown().await.unwrap();
    let mut heard = String::new();
    two.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "hello");
    let (ours, theirs) = tokio::join!(one.close(), two.close());
    assert!(ours.unwrap().ending.is_graceful() && theirs.unwrap().ending.is_graceful());
    let took = began.elapsed();
    let record = Leftover { time_waits: 1, flows: 1, destinations: 1, ..Leftover::default() };
    assert_eq!(client.held(), record);
    took
}

#[tokio::test(start_paused = true)]
async fn what_passes_takes_no_time() {
    let (client, streams, _) = pair(|_, _: &[u8]| Fate::Pass).await;
    assert_eq!(greet_and_part(&client, streams).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_sent_again_by_a_probe_of_the_tail() {
    for lost in [Direction::In, Direction::Out] {
        let mut fins = 0;
        let lose_first_fin = move |direction, packet: &[u8]| {
            fins += usize::from(direction == lost && looks(packet).0 & FIN != 0);
            if fins == 1 && looks(packet).0 & FIN != 0 && direction == lost { Fate::Lose } else { Fate::Pass }
        };
        let (client, streams, _) = pair(lose_first_fin).await;
        let took = greet_and_part(&client, streams).await;
        assert!((10..100).contains(&took.as_millis()), "{lost:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_delayed_comes_that_much_later_and_is_reported() {
    struct Slow(Arc<Mutex<Vec<(Direction, Instant)>>>);
    impl Impairment for Slow {
        fn decide(&mut self, _: Direction, packet: &[u8]) -> Fate {
            if looks(packet).0 & FIN == 0 { Fate::Pass } else { Fate::Delay(Duration::from_millis(50)) }
        }
        fn late(&mut self, direction: Direction, packet: &[u8]) {
            assert!(looks(packet).0 & FIN != 0);
            self.0.lock().unwrap().push((direction, Instant::now()));
        }
    }
    let late = Arc::new(Mutex::new(Vec::new()));
    let began = Instant::now();
    let (client, streams, _) = pair_with(Slow(late.clone()), false).await;
    let took = greet_and_part(&client, streams).await;
    assert_eq!(took.as_millis() / 10, 10, "{took:?}");
    let late = late.lock().unwrap().clone();
    assert_eq!(late.iter().map(|(direction, _)| *direction).collect::<Vec<_>>(), [Direction::Out, Direction::In]);
    let times: Vec<u128> = late.iter().map(|(_, at)| (*at - began).as_millis() / 10).collect();
    assert_eq!(times, [5, 10]);
}

#[tokio::test(start_paused = true)]
async fn what_is_released_goes_on_at_once() {
    let fin = |_, packet: &[u8]| match looks(packet).0 & FIN {
        0 => Fate::Pass,
        _ => Fate::Delay(Duration::from_secs(3600)),
    };
    let (_client, [one, mut two], injector) = pair(fin).await;
    let began = Instant::now();
    drop(one);
    tokio::time::sleep(Duration::from_millis(100)).await;
    injector.release();
    assert_eq!(two.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(began.elapsed().as_millis() / 10, 10);
}

#[tokio::test(start_paused = true)]
async fn what_is_repeated_changes_nothing() {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let again = move |_, _: &[u8]| {
        counter.fetch_add(1, Ordering::Relaxed);
        Fate::Repeat(Duration::from_millis(5))
    };
    let (client, streams, _) = pair(again).await;
    greet_and_part(&client, streams).await;
    assert!(count.load(Ordering::Relaxed) >= 6);
}

#[tokio::test(start_paused = true)]
async fn what_is_injected_arrives_unasked() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let (_client, [one, mut two], injector) = pair(move |direction, packet: &[u8]| {
        if direction == Direction::Out {
            kept.lock().unwrap().push(packet.to_vec());
        }
        Fate::Pass
    })
    .await;
    // The client's own ACK of the handshake, made a reset that fits. Its checksum falls by what the flags rise.
    let mut forged = seen.lock().unwrap().last().unwrap().clone();
    let [flags, sum] = [33, 36].map(|at| usize::from(forged[at]) << 8 | usize::from(forged[at + 1]));
    assert_eq!(flags >> 8, 0x10);
    forged[33] = RST;
    let sum = sum + 0x10 - usize::from(RST);
    let sum = (sum & 0xffff) + (sum >> 16);
    forged[36..38].copy_from_slice(&u16::try_from(sum).unwrap().to_be_bytes());
    injector.inject(Direction::Out, &forged).unwrap();
    let mut buffer = [0; 1];
    let error = two.read(&mut buffer).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(one.state(), crate::State::Established);
}

#[tokio::test(start_paused = true)]
async fn a_full_wire_loses_and_holds_no_more() {
    let (device, _other) = memory_pair(1500);
    let (impaired, _injector) = Impaired::new(device, |_, _: &[u8]| Fate::Delay(Duration::from_secs(3600)));
    for _ in 0..2 * CAPACITY {
        impaired.try_send(&[IoSlice::new(&[0x45; 40])]).unwrap();
    }
    assert_eq!(impaired.0.wire().under_way[Direction::Out as usize].len(), CAPACITY);
}
