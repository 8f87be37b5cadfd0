//! A device with a bad wire: what crosses it may be lost, delayed, repeated, or forged.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Device;
use crate::tap::Direction;

/// Packets that may be under way in each direction; on a fuller wire they are lost.
const CAPACITY: usize = 4096;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It goes on.
    Pass,
    /// It is lost. A sender is not told, as on any wire.
    Lose,
    /// It goes on this much later; others may overtake it.
    Delay(Duration),
    /// It goes on now, and once more this much later.
    Repeat(Duration),
}

/// Decides about packets. A closure from direction and packet to [`Fate`] is one, too.
pub trait Impairment: Send {
    /// Decides about one packet, from its IP header on. Called by the driver: it must be quick, and must not call the
    /// net.
    fn decide(&mut self, direction: Direction, packet: &[u8]) -> Fate;

    /// A packet that was delayed, or repeated, goes on now. Default: nobody cares.
    fn late(&mut self, direction: Direction, packet: &[u8]) {
        let _ = (direction, packet);
    }
}

impl<F: FnMut(Direction, &[u8]) -> Fate + Send> Impairment for F {
    fn decide(&mut self, direction: Direction, packet: &[u8]) -> Fate {
        self(direction, packet)
    }
}

/// A device behind a bad wire.
pub struct Impaired(Arc<Shared>);

/// Puts packets on the wire of an [`Impaired`] device that nobody has sent.
#[derive(Clone)]
pub struct Injector(Arc<Shared>);

struct Shared {
    device: Device,
    wire: Mutex<Wire>,
    /// Something was injected.
    changed: Notify,
}

struct Wire {
    impairment: Box<dyn Impairment>,
    /// Packets under way, by the time they go on and the order they were taken in.
    under_way: [BTreeMap<(Instant, u64), Late>; 2],
    taken: u64,
}

struct Late {
    packet: Vec<u8>,
    /// The impairment has seen it.
    seen: bool,
}

impl Impaired {
    /// `device`, with `impairment` between it and the net, and the means to forge packets.
    pub fn new(device: impl Into<Device>, impairment: impl Impairment + 'static) -> (Self, Injector) {
        let impairment = Box::new(impairment);
        let wire = Wire { impairment, under_way: [BTreeMap::new(), BTreeMap::new()], taken: 0 };
        let shared = Arc::new(Shared { device: device.into(), wire: Mutex::new(wire), changed: Notify::new() });
        (Self(shared.clone()), Injector(shared))
    }

    pub(super) fn mtu(&self) -> u16 {
        self.0.device.mtu()
    }

    /// Takes what is due first, then what the device has, as far as it passes.
    pub(super) fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.flush()?;
        let late = self.0.wire().due(Direction::In);
        if let Some(packet) = late {
            let length = packet.len().min(buffer.len());
            buffer[..length].copy_from_slice(&packet[..length]);
            return Ok(length);
        }
        loop {
            let length = self.0.device.try_recv(buffer)?;
            if self.0.wire().passes(Direction::In, &buffer[..length]) {
                return Ok(length);
            }
            self.0.changed.notify_one();
        }
    }

    pub(super) fn try_send(&self, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        self.0.flush()?;
        let packet: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
        if !self.0.wire().passes(Direction::Out, &packet) {
            self.0.changed.notify_one();
            return Ok(());
        }
        match self.0.device.try_send(pieces) {
            // Asked again, the impairment would count it twice: it waits here instead.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.0.wire().keep(Direction::Out, Instant::now(), packet, true);
                self.0.changed.notify_one();
                Ok(())
            }
            sent => sent,
        }
    }

    /// Waits until [`try_recv`](Self::try_recv) is worth a try, and sends meanwhile what becomes due.
    pub(super) async fn readable(&self) -> io::Result<()> {
        loop {
            self.0.flush()?;
            let [inward, outward] = [Direction::In, Direction::Out].map(|way| self.0.wire().next(way));
            if inward.is_some_and(|at| at <= Instant::now()) {
                return Ok(());
            }
            // A packet that is due, and was not flushed, waits for room.
            let full = outward.is_some_and(|at| at <= Instant::now());
            let timer = async {
                match [inward, outward.filter(|_| !full)].into_iter().flatten().min() {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let room = async { if full { self.0.device.writable_boxed().await } else { std::future::pending().await } };
            tokio::select! {
                readable = self.0.device.readable_boxed() => return readable,
                room = room => room?,
                () = timer => {}
                () = self.0.changed.notified() => {}
            }
        }
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        self.0.device.writable_boxed().await
    }
}

impl Injector {
    /// Lets everything that is delayed go on now, in the order it was due.
    pub fn release(&self) {
        self.0.wire().all_due();
        self.0.changed.notify_one();
    }

    /// Puts `packet`, from its IP header on, on the wire: into the net, or out to the device. No impairment sees it.
    ///
    /// # Errors
    /// Where the device does not take it.
    pub fn inject(&self, direction: Direction, packet: &[u8]) -> io::Result<()> {
        match direction {
            Direction::In => {
                self.0.wire().keep(Direction::In, Instant::now(), packet.to_vec(), true);
                self.0.changed.notify_one();
                Ok(())
            }
            Direction::Out => self.0.device.try_send(&[IoSlice::new(packet)]),
        }
    }
}

impl Shared {
    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().expect("an impairment that has panicked decides nothing more")
    }

    /// Sends the delayed packets that are due, as far as the device takes them.
    fn flush(&self) -> io::Result<()> {
        let mut wire = self.wire();
        while let Some(late) = wire.under_way[Direction::Out as usize].first_entry() {
            if late.key().0 > Instant::now() {
                return Ok(());
            }
            match self.device.try_send(&[IoSlice::new(&late.get().packet)]) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Err(error),
                Err(_) => {} // Lost, as any packet may be.
            }
            let late = late.remove();
            wire.tell(Direction::Out, &late);
        }
        Ok(())
    }
}

impl Wire {
    /// Whether a packet goes on now; where it goes on later, it is kept.
    fn passes(&mut self, direction: Direction, packet: &[u8]) -> bool {
        match self.impairment.decide(direction, packet) {
            Fate::Pass => true,
            Fate::Lose => false,
            Fate::Delay(by) => {
                self.keep(direction, Instant::now() + by, packet.to_vec(), false);
                false
            }
            Fate::Repeat(after) => {
                self.keep(direction, Instant::now() + after, packet.to_vec(), false);
                true
            }
        }
    }

    fn keep(&mut self, direction: Direction, due: Instant, packet: Vec<u8>, seen: bool) {
        if self.under_way[direction as usize].len() == CAPACITY {
            return;
        }
        self.taken += 1;
        self.under_way[direction as usize].insert((due, self.taken), Late { packet, seen });
    }

    fn all_due(&mut self) {
        let now = Instant::now();
        for queue in &mut self.under_way {
            let packets = std::mem::take(queue).into_values();
            queue.extend((0..).zip(packets).map(|(place, late)| ((now, place), late)));
        }
    }

    fn next(&self, direction: Direction) -> Option<Instant> {
        self.under_way[direction as usize].first_key_value().map(|((at, _), _)| *at)
    }

    /// The next packet that is due.
    fn due(&mut self, direction: Direction) -> Option<Vec<u8>> {
        if self.next(direction)? > Instant::now() {
            return None;
        }
        let (_, late) = self.under_way[direction as usize].pop_first()?;
        self.tell(direction, &late);
        Some(late.packet)
    }

    fn tell(&mut self, direction: Direction, late: &Late) {
        if !late.seen {
            self.impairment.late(direction, &late.packet);
        }
    }
}

impl fmt::Debug for Impaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Impaired").field(&self.0.device).finish()
    }
}

impl fmt::Debug for Injector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Injector").field(&self.0.device).finish()
    }
}

#[cfg(test)]
mod tests;
