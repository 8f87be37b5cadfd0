//! The wire: what one end sends, the other gets so much later, or never.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tun_rs::SyncDevice;

use crate::ours::Ours;

/// Longer than any transfer.
const LIMIT: Duration = Duration::from_secs(120);

/// What is at an end of the wire.
pub(crate) enum End {
    /// The kernel, behind an interface of a network namespace of its own.
    Tun(SyncDevice),
    /// A stack of ours, and its application.
    Ours(Ours),
}

pub(crate) struct Wire {
    delay: Duration,
    /// In millionths.
    loss: u32,
    chance: u64,
    under_way: [VecDeque<(Instant, Vec<u8>)>; 2],
}

impl Wire {
    pub(crate) fn new(delay: Duration, loss: u32, seed: u64) -> Self {
        Self { delay, loss, chance: seed, under_way: Default::default() }
    }

    /// Carries packets until the sender says how long it took.
    pub(crate) fn run(mut self, mut ends: [End; 2], taken: &Receiver<Duration>) -> Result<Duration, String> {
        let begun = Instant::now();
        let mut buffer = vec![0; 65_536];
        while begun.elapsed() < LIMIT {
            for from in 0..2 {
                while let Some(packet) = ends[from].take(&mut buffer)? {
                    self.put(from, packet);
                }
            }
            let mut given = false;
            for from in 0..2 {
                while let Some((_, packet)) = self.under_way[from].pop_front_if(|(due, _)| *due <= Instant::now()) {
                    ends[1 - from].give(&packet)?;
                    given = true;
                }
            }
            match taken.try_recv() {
                Ok(time) => return Ok(time),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err("the sender has failed".into()),
            }
            // What has come may be answered at once.
            if !given {
                self.wait(&mut ends)?;
            }
        }
        Err(format!("a transfer took longer than {LIMIT:?}"))
    }

    fn put(&mut self, from: usize, packet: Vec<u8>) {
        if self.draw() % 1_000_000 >= u64::from(self.loss) {
            self.under_way[from].push_back((Instant::now() + self.delay, packet));
        }
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) >> 11
    }

    /// Until a packet comes, is due, or a timer of ours is; a hundredth of a second at the most, for the sender's word.
    fn wait(&self, ends: &mut [End; 2]) -> Result<(), String> {
        let now = Instant::now();
        let mut wake = now + Duration::from_millis(10);
        for (due, _) in self.under_way.iter().filter_map(VecDeque::front) {
            wake = wake.min(*due);
        }
        for end in &*ends {
            if let End::Ours(ours) = end {
                wake = wake.min(ours.next_timer());
            }
        }
        let left = wake.saturating_duration_since(now);
        let left = Timespec::try_from(left).map_err(|error| error.to_string())?;
        let tuns = ends.iter().filter_map(|end| match end {
            End::Tun(tun) => Some(PollFd::new(tun, PollFlags::IN)),
            End::Ours(_) => None,
        });
        let mut tuns: Vec<PollFd<'_>> = tuns.collect();
        poll(&mut tuns, Some(&left)).map(|_| ()).map_err(|error| format!("poll: {error}"))
    }
}

impl End {
    /// A packet that it sends.
    fn take(&mut self, buffer: &mut [u8]) -> Result<Option<Vec<u8>>, String> {
        match self {
            Self::Tun(tun) => match tun.recv(buffer) {
                Ok(length) => Ok(Some(buffer[..length].to_vec())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
                Err(error) => Err(format!("reading from the interface: {error}")),
            },
            Self::Ours(ours) => Ok(ours.next_packet()),
        }
    }

    fn give(&mut self, packet: &[u8]) -> Result<(), String> {
        match self {
            Self::Tun(tun) => {
                tun.send(packet).map(|_| ()).map_err(|error| format!("writing to the interface: {error}"))
            }
            Self::Ours(ours) => {
                ours.handle(packet);
                Ok(())
            }
        }
    }
}
