//! A stack of ours at an end of the wire, with the same application as the kernel's.

use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use adieu_core::wire::{Packet, checksum};
use adieu_core::{Config, HandleId, Instant as Moment, ListenerId, Secrets, Stack};

use crate::kernel::{LEFT, MTU, PORT, RIGHT};

pub(crate) struct Ours {
    stack: Stack,
    origin: Instant,
    role: Role,
}

enum Role {
    Sends { handle: HandleId, left: u64, shut: bool, taken: Option<Sender<Duration>> },
    Receives { listener: ListenerId, handle: Option<HandleId> },
}

static DATA: [u8; 64 * 1024] = [7; 64 * 1024];

fn stack(address: IpAddr) -> Stack {
    let config = Config { addresses: vec![address], mtu: MTU, ..Config::default() };
    Stack::new(config, Secrets::from_bytes([9; 48]), checksum::sum)
}

/// Connects, sends so many bytes, and waits for the end of the stream.
pub(crate) fn sender(bytes: u64) -> (Ours, Receiver<Duration>) {
    let mut stack = stack(LEFT.into());
    let local = SocketAddr::new(LEFT.into(), 0);
    let remote = SocketAddr::new(RIGHT.into(), PORT);
    let handle = stack.connect(Moment::ZERO, Some(local), remote).expect("a fresh stack has a free port");
    let (taken, is_taken) = channel();
    let role = Role::Sends { handle, left: bytes, shut: false, taken: Some(taken) };
    (Ours { stack, origin: Instant::now(), role }, is_taken)
}

/// Accepts, reads to the end, and closes.
pub(crate) fn receiver() -> Ours {
    let mut stack = stack(RIGHT.into());
    let listener = stack.listen(SocketAddr::new(RIGHT.into(), PORT)).expect("a fresh stack's port is free");
    Ours { stack, origin: Instant::now(), role: Role::Receives { listener, handle: None } }
}

impl Ours {
    fn now(&self) -> Moment {
        Moment::ZERO + self.origin.elapsed()
    }

    pub(crate) fn next_timer(&self) -> Instant {
        let at = self.stack.poll_timeout();
        let far = self.origin.elapsed() + Duration::from_secs(3600);
        self.origin + if at == Moment::NEVER { far } else { at.since(Moment::ZERO).min(far) }
    }

    pub(crate) fn handle(&mut self, packet: &[u8]) {
        let now = self.now();
        self.stack.handle_packet(now, Packet::new(packet));
    }

    /// Timers that are due, what the application can do, and then what leaves.
    pub(crate) fn next_packet(&mut self) -> Option<Vec<u8>> {
        let now = self.now();
        if self.stack.poll_timeout().is_due(now) {
            self.stack.handle_timeout(now);
        }
        self.work(now);
        while self.stack.poll_notified().is_some() {}
        while self.stack.poll_acceptable().is_some() {}
        self.stack.poll_transmit(now).map(|packet| packet.to_vec())
    }

    fn work(&mut self, now: Moment) {
        let stack = &mut self.stack;
        match &mut self.role {
            Role::Sends { handle, left, shut, taken } => {
                while *left > 0 {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX).min(DATA.len());
                    let Ok(n) = stack.write(now, *handle, &DATA[..most]) else { break };
                    *left -= n as u64;
                }
                if *left == 0 && !*shut {
                    *shut = true;
                    stack.shut_down(now, *handle);
                }
                if let Ok(0) = stack.read(now, *handle, &mut [0; 1])
                    && let Some(taken) = taken.take()
                {
                    _ = taken.send(now.since(Moment::ZERO));
                }
            }
            Role::Receives { listener, handle } => {
                if handle.is_none() {
                    *handle = stack.accept(*listener);
                }
                let Some(accepted) = *handle else { return };
                while let Ok(Some(_)) = stack.read_chunk(now, accepted, 1 << 20) {}
                if let Ok(None) = stack.read_chunk(now, accepted, 1) {
                    stack.close(now, accepted);
                }
            }
        }
    }
}
