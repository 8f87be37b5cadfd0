//! Work to be counted: two stacks in memory, both ends on one core, packets of at most 1500 bytes with checksums.
//!
//! `work segments N` carries N data segments over one connection, 16 to a round; `work lives N` lets N connections
//! live one after the other: open, one byte each way, a four-way close, TIME-WAIT. `bench/instructions` counts what
//! one costs.

use std::net::SocketAddr;

use adieu_core::wire::{Packet, checksum};
use adieu_core::{Config, Duration, HandleId, Instant, Leftover, ListenerId, ReadError, Secrets, Stack};

/// Packets that change hands at a time.
const ROUND: usize = 16;
const MSS: usize = 1460;

struct Pair {
    client: Stack,
    server: Stack,
    listener: ListenerId,
    now: Instant,
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (what, count) = (args.next().unwrap_or_default(), args.next().and_then(|n| n.parse().ok()));
    match (what.as_str(), count) {
        ("segments", Some(count)) => segments(count),
        ("lives", Some(count)) => lives(count),
        _ => {
            eprintln!("usage: work segments|lives COUNT");
            std::process::exit(2);
        }
    }
}

impl Pair {
    fn new() -> Self {
        let stack = |last| {
            let config = Config { addresses: vec![[10, 0, 0, last].into()], ..Config::default() };
            Stack::new(config, Secrets::from_bytes([last; 48]), checksum::sum)
        };
        let mut server = stack(2);
        let listener = server.listen(server_address()).expect("the first listener");
        Self { client: stack(1), server, listener, now: Instant::from_secs(1) }
    }

    fn open(&mut self) -> (HandleId, HandleId) {
        let client = self.client.connect(self.now, None, server_address()).expect("a port is free");
        loop {
            self.exchange();
            if let Some(server) = self.server.accept(self.listener) {
                return (client, server);
            }
        }
    }

    /// Lets packets change hands until neither end has any.
    fn exchange(&mut self) {
        while self.reach_server() + self.reach_client() > 0 {}
    }

    fn reach_server(&mut self) -> usize {
        carry(&mut self.client, &mut self.server, self.now)
    }

    fn reach_client(&mut self) -> usize {
        carry(&mut self.server, &mut self.client, self.now)
    }
}

fn server_address() -> SocketAddr {
    ([10, 0, 0, 2], 80).into()
}

/// One round of packets from one end to the other, and a look at what they brought; how many.
fn carry(from: &mut Stack, to: &mut Stack, now: Instant) -> usize {
    let mut count = 0;
    while let Some(packet) = from.poll_transmit(now) {
        if packet.body.is_empty() {
            to.handle_packet(now, Packet::new(&packet.head));
        } else {
            to.handle_packet(now, Packet::new(&packet.to_vec()));
        }
        from.recycle(packet);
        count += 1;
        if count == ROUND {
            break;
        }
    }
    while to.poll_notified().is_some() || to.poll_acceptable().is_some() || to.poll_receipt().is_some() {}
    count
}

fn segments(count: usize) {
    let mut pair = Pair::new();
    let (client, server) = pair.open();
    let source = vec![0xab; 64 * 1024];
    let mut sink = vec![0; 64 * 1024];
    let (total, mut sent, mut received) = (count * MSS, 0, 0);
    while received < total {
        pair.now += Duration::from_micros(1);
        while sent < total {
            let most = source.len().min(total - sent);
            match pair.client.write(pair.now, client, &source[..most]) {
                Ok(n) => sent += n,
                Err(_) => break,
            }
        }
        pair.exchange();
        loop {
            match pair.server.read(pair.now, server, &mut sink) {
                Ok(n) => received += n,
                Err(ReadError::Blocked) => break,
                Err(ReadError::Ended(ending)) => panic!("{ending}"),
            }
        }
    }
    println!("{received} bytes, {} packets", pair.server.stats().packets + pair.client.stats().packets);
}

/// As the driver's rounds have it: packets in, then the application, then packets out, so that answers carry the
/// acknowledgments.
fn lives(count: usize) {
    let mut pair = Pair::new();
    let mut byte = [0; 1];
    for _ in 0..count {
        pair.now += Duration::from_micros(10);
        let client = pair.client.connect(pair.now, None, server_address()).expect("a port is free");
        pair.reach_server();
        pair.reach_client();
        pair.client.write(pair.now, client, b"x").expect("connected");
        pair.reach_server();
        let server = pair.server.accept(pair.listener).expect("a connection");
        pair.server.read(pair.now, server, &mut byte).expect("a byte");
        pair.server.write(pair.now, server, &byte).expect("room");
        pair.reach_client();
        pair.client.read(pair.now, client, &mut byte).expect("a byte");
        pair.client.release(pair.now, client);
        pair.reach_server();
        assert_eq!(pair.server.read(pair.now, server, &mut byte), Ok(0));
        pair.server.release(pair.now, server);
        pair.reach_client();
        pair.reach_server();
        pair.now += Duration::from_secs(61);
        pair.client.handle_timeout(pair.now);
    }
    let (client, server) = (pair.client.leftover(), pair.server.leftover());
    assert_eq!(client, Leftover::default());
    assert_eq!(server, Leftover { listeners: 1, ..Leftover::default() });
    assert_eq!(pair.server.stats().ended_gracefully, count as u64);
    assert_eq!(pair.client.stats().ended_gracefully, count as u64);
    let packets = pair.server.stats().packets + pair.client.stats().packets;
    println!("{count} connections, {packets} packets");
}
