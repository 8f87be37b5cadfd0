//! How the hosts' devices misbehave.

use adieu_core::{Duration, Instant, Outgoing};

/// What a device does besides sending.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Device {
    /// Nothing.
    #[default]
    Plain,
    /// It refuses each packet once, as a full queue does (EAGAIN), and takes it half a millisecond later.
    Refusing,
    /// It takes every packet, and loses the one with this number, counted from 0.
    Losing(u64),
}

/// How long a refusing device is full.
const FULL: Duration = Duration::from_micros(500);

/// A host's device, and the packet it had no room for.
#[derive(Debug)]
pub(crate) struct Port {
    kind: Device,
    sent: u64,
    refused: Option<Outgoing>,
    full_until: Instant,
    /// It takes nothing until then.
    blocked_until: Instant,
    /// It brings nothing until then, either.
    gone_until: Instant,
}

/// What became of a packet that was given to a device.
pub(crate) enum Sent {
    /// It goes on the wire.
    Out(Vec<u8>),
    /// It was taken, and will not be heard of again.
    Lost(Vec<u8>),
    /// The device has no room.
    Refused,
}

impl Port {
    pub(crate) fn new(kind: Device) -> Self {
        Self {
            kind,
            sent: 0,
            refused: None,
            full_until: Instant::ZERO,
            blocked_until: Instant::ZERO,
            gone_until: Instant::ZERO,
        }
    }

    /// When the device has room again: for a packet that waits, or for any.
    pub(crate) fn ready_at(&self, now: Instant) -> Instant {
        let blocked = if now < self.blocked_until { self.blocked_until } else { Instant::NEVER };
        if self.refused.is_some() { self.full_until.max(self.blocked_until) } else { blocked }
    }

    /// Whether packets wait for the device.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        now < self.blocked_until || self.refused.is_some() && now < self.full_until
    }

    /// It takes nothing until then, at least.
    pub(crate) fn block(&mut self, until: Instant) {
        self.blocked_until = self.blocked_until.max(until);
    }

    /// There is none until then; what waited for it is gone.
    pub(crate) fn unplug(&mut self, until: Instant) {
        self.refused = None;
        self.gone_until = self.gone_until.max(until);
        self.block(until);
    }

    pub(crate) fn is_gone(&self, now: Instant) -> bool {
        now < self.gone_until
    }

    /// The program that waited for it is gone, and with it its packet.
    pub(crate) fn forget(&mut self) {
        self.refused = None;
    }

    /// The packet that waits, or else the next one.
    pub(crate) fn next(&mut self, poll: impl FnOnce() -> Option<Outgoing>) -> Option<(Outgoing, bool)> {
        match self.refused.take() {
            Some(packet) => Some((packet, true)),
            None => poll().map(|packet| (packet, false)),
        }
    }

    /// Gives a packet to the device; `again` where it was refused before.
    pub(crate) fn send(&mut self, now: Instant, packet: Outgoing, again: bool) -> Sent {
        if self.kind == Device::Refusing && !again {
            self.refused = Some(packet);
            self.full_until = now + FULL;
            return Sent::Refused;
        }
        let number = self.sent;
        self.sent += 1;
        if self.kind == Device::Losing(number) { Sent::Lost(packet.to_vec()) } else { Sent::Out(packet.to_vec()) }
    }
}
