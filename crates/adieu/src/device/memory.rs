//! A pair of devices in one process: what one sends, the other receives.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

/// Packets that may be under way in each direction.
const CAPACITY: usize = 256;

/// One end of a pair.
#[derive(Debug)]
pub struct Memory {
    incoming: Arc<Pipe>,
    outgoing: Arc<Pipe>,
    mtu: u16,
}

#[derive(Debug, Default)]
struct Pipe {
    packets: Mutex<VecDeque<Vec<u8>>>,
    readable: Notify,
    writable: Notify,
}

/// Two ends that carry packets of at most `mtu` bytes to each other, 256 in each direction at most.
pub fn memory_pair(mtu: u16) -> (Memory, Memory) {
    let (one, two) = (Arc::new(Pipe::default()), Arc::new(Pipe::default()));
    let left = Memory { incoming: one.clone(), outgoing: two.clone(), mtu };
    (left, Memory { incoming: two, outgoing: one, mtu })
}

impl Pipe {
    fn packets(&self) -> MutexGuard<'_, VecDeque<Vec<u8>>> {
        self.packets.lock().expect("nobody panics while holding a queue of packets")
    }
}

impl Memory {
    pub(super) fn mtu(&self) -> u16 {
        self.mtu
    }

    pub(super) fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let packet = self.incoming.packets().pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        self.incoming.writable.notify_one();
        let len = packet.len().min(buffer.len());
        buffer[..len].copy_from_slice(&packet[..len]);
        Ok(len)
    }

    pub(super) fn try_send(&self, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        let mut packets = self.outgoing.packets();
        if packets.len() >= CAPACITY {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        packets.push_back(pieces.iter().flat_map(|piece| piece.iter().copied()).collect());
        drop(packets);
        self.outgoing.readable.notify_one();
        Ok(())
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        while self.incoming.packets().is_empty() {
            self.incoming.readable.notified().await;
        }
        Ok(())
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        while self.outgoing.packets().len() >= CAPACITY {
            self.outgoing.writable.notified().await;
        }
        Ok(())
    }
}
