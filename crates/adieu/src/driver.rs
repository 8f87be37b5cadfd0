//! The driver: rounds of reading, stepping and sending, in one task.

use std::io::{self, IoSlice};
use std::sync::{Arc, Weak};

use adieu_core::wire::Packet;
use adieu_core::{Instant, Outgoing};
use tokio::sync::Notify;

use crate::device::Device;
use crate::net::{Shared, wake};
use crate::tap::Direction;

/// Packets read, and packets sent, in one hold of the lock.
const ROUND: usize = 64;

/// Runs until nobody holds the net any more, or the device is gone.
pub(crate) async fn run(net: Weak<Shared>, kick: Arc<Notify>, device: Device) {
    let mut buffers = Buffers::new(device.mtu());
    while let Some(shared) = net.upgrade() {
        match round(&shared, &device, &mut buffers).await {
            Ok(Next::More) => tokio::task::yield_now().await,
            Ok(Next::Wait { until, blocked }) => {
                let until = (until != Instant::NEVER).then(|| shared.when(until));
                drop(shared); // While waiting, only its users keep the net alive.
                wait(&kick, &device, until, blocked).await;
            }
            Err(error) => return give_up(&shared, &error),
        }
    }
}

/// What to do after a round.
enum Next {
    /// There may be more to do at once.
    More,
    /// Wait for the device, for a call, or until then; `blocked` where a packet waits for room in the device.
    Wait { until: Instant, blocked: bool },
}

/// Packets as they were read, before the stack is locked.
struct Buffers {
    bytes: Vec<u8>,
    size: usize,
    lengths: Vec<usize>,
}

impl Buffers {
    fn new(mtu: u16) -> Self {
        let size = usize::from(mtu);
        Self { bytes: vec![0; size * ROUND], size, lengths: Vec::with_capacity(ROUND) }
    }

    /// Reads until there is nothing more, or a round is full.
    fn fill(&mut self, device: &Device) -> io::Result<()> {
        self.lengths.clear();
        for buffer in self.bytes.chunks_exact_mut(self.size) {
            match device.try_recv(buffer) {
                Ok(length) => self.lengths.push(length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn packets(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.size).zip(&self.lengths).map(|(buffer, length)| &buffer[..*length])
    }
}

async fn round(shared: &Shared, device: &Device, buffers: &mut Buffers) -> io::Result<Next> {
    buffers.fill(device)?;
    if !buffers.lengths.is_empty() {
        let mut awake = Vec::new();
        {
            let now = shared.now();
            let mut shard = shared.lock();
            for packet in buffers.packets() {
                shard.stack.handle_packet(now, Packet::new(packet));
                shard.tap(now, Direction::In, packet);
            }
            shard.dirty = true;
            shard.collect(&mut awake, shared);
        }
        wake(awake);
        // Whoever was woken may answer at once: the answer carries the acknowledgment.
        tokio::task::yield_now().await;
    }
    transmit(shared, device)
}

/// Fires timers, and sends what is due, a round's worth.
fn transmit(shared: &Shared, device: &Device) -> io::Result<Next> {
    let mut awake = Vec::new();
    let next = {
        let now = shared.now();
        let mut shard = shared.lock();
        shard.stack.handle_timeout(now);
        shard.dirty = true;
        let mut next = Next::More;
        for _ in 0..ROUND {
            let Some(packet) = shard.outbox.take().or_else(|| shard.stack.poll_transmit(now)) else {
                shard.dirty = false;
                next = Next::Wait { until: shard.stack.poll_timeout(), blocked: false };
                break;
            };
            match send(device, &packet) {
                Ok(()) => {
                    if shard.is_tapped() {
                        shard.tap(now, Direction::Out, &packet.to_vec());
                    }
                    shard.stack.recycle(packet);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    shard.outbox = Some(packet);
                    next = Next::Wait { until: shard.stack.poll_timeout(), blocked: true };
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Err(error),
                Err(_) => {} // Lost, as any packet may be.
            }
        }
        shard.collect(&mut awake, shared);
        next
    };
    if let Next::Wait { blocked: false, .. } = next {
        shared.now_idle();
    }
    wake(awake);
    Ok(next)
}

fn send(device: &Device, packet: &Outgoing) -> io::Result<()> {
    if packet.body.is_empty() {
        return device.try_send(&[IoSlice::new(&packet.head)]);
    }
    let mut pieces = Vec::with_capacity(1 + packet.body.len());
    pieces.push(IoSlice::new(&packet.head));
    pieces.extend(packet.body.iter().map(|piece| IoSlice::new(piece)));
    device.try_send(&pieces)
}

async fn wait(kick: &Notify, device: &Device, until: Option<tokio::time::Instant>, blocked: bool) {
    let timer = async move {
        match until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    let room = async {
        if blocked {
            let _ = device.writable().await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = device.readable() => {}
        () = room => {}
        () = kick.notified() => {}
        () = timer => {}
    }
}

/// The device is gone: everybody who waits is told.
fn give_up(shared: &Shared, error: &io::Error) {
    let mut awake = Vec::new();
    {
        let mut shard = shared.lock();
        shard.broken = Some((error.kind(), format!("the network device is gone: {error}")));
        shard.tasks.take_all(&mut awake);
    }
    shared.acceptable.notify_waiters();
    shared.now_idle();
    wake(awake);
}
