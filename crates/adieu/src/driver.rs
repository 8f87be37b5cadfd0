//! The driver: rounds of reading, stepping and sending, in one task.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use adieu_core::wire::Packet;
use adieu_core::{Instant, Outgoing};
use tokio::sync::Notify;

use crate::device::Device;
use crate::net::{Shared, wake};
use crate::sink::Sink;
use crate::tap::Direction;

/// Packets read, and packets sent, in one hold of the lock.
const ROUND: usize = 64;

/// How long a device without room is waited for when nobody holds the net any more.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs until nobody holds the net any more, or the device is gone.
pub(crate) async fn run(shared: Arc<Shared>, device: Device, sink: Option<Sink>) {
    let mut buffers = Buffers::new(device.mtu());
    let mut driver = Driver { shared, device, sink };
    while !driver.shared.is_given_up() {
        let next = round(&driver.shared, &driver.device, &mut buffers).await;
        driver.report();
        match next {
            Ok(Next::More) => tokio::task::yield_now().await,
            Ok(Next::Wait { until, blocked }) => {
                let until = (until != Instant::NEVER).then(|| driver.shared.when(until));
                wait(&driver.shared.kick, &driver.device, until, blocked).await;
            }
            Err(error) => {
                give_up(&driver.shared, &error);
                return driver.report();
            }
        }
    }
    driver.say_last_words().await;
}

/// The one who runs the stack.
struct Driver {
    shared: Arc<Shared>,
    device: Device,
    sink: Option<Sink>,
}

impl Driver {
    /// Tells of the connections that have ended, with no lock held.
    fn report(&mut self) {
        let Some(sink) = &mut self.sink else { return };
        let unheard = self.shared.lock_if_sound().map(|mut shard| std::mem::take(&mut shard.unheard));
        for (flow, receipt) in unheard.unwrap_or_default() {
            sink.hear(&flow, &receipt);
        }
    }

    /// Nobody holds the net any more: what is left is reset (LM-9).
    async fn say_last_words(&mut self) {
        self.shared.step(|shard, now| shard.stack.abort_all(now));
        loop {
            match transmit(&self.shared, &self.device) {
                Ok(Next::More) => {}
                Ok(Next::Wait { blocked: true, .. }) => {
                    if tokio::time::timeout(PATIENCE, self.device.writable()).await.is_err() {
                        return;
                    }
                }
                Ok(Next::Wait { blocked: false, .. }) | Err(_) => return,
            }
        }
    }
}

impl Drop for Driver {
    /// The runtime ends, perhaps while the net is in use: what the device takes at once still leaves.
    fn drop(&mut self) {
        let mut awake = Vec::new();
        let now = self.shared.now();
        if let Some(mut shard) = self.shared.lock_if_sound().filter(|shard| shard.broken.is_none()) {
            shard.stack.abort_all(now);
            while let Some(packet) = shard.outbox.take().or_else(|| shard.stack.poll_transmit(now)) {
                if send(&self.device, &packet).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                    break;
                }
                if shard.is_tapped() {
                    shard.tap(now, Direction::Out, &packet.to_vec());
                }
            }
            shard.stack.device_gone(now);
            let why = "the runtime that ran this stack is gone".to_owned();
            shard.break_off(io::ErrorKind::NotConnected, why, &mut awake, &self.shared);
        }
        self.shared.acceptable.notify_waiters();
        self.shared.now_idle();
        wake(awake);
        if !std::thread::panicking() {
            self.report();
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
                // What comes after an interruption comes in the next round: each length belongs to its buffer.
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => break,
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

/// The device is gone, and with it all that was under way (3.35).
fn give_up(shared: &Shared, error: &io::Error) {
    let mut awake = Vec::new();
    {
        let now = shared.now();
        let mut shard = shared.lock();
        shard.stack.device_gone(now);
        shard.break_off(error.kind(), format!("the network device is gone: {error}"), &mut awake, shared);
    }
    shared.acceptable.notify_waiters();
    shared.now_idle();
    wake(awake);
}
