//! What a connection says to its application: events, and why a call has done nothing.

use super::ending::Ending;

/// What the application should look at: a set.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Events(u16);

impl Events {
    /// `connect` has succeeded.
    pub const CONNECTED: Self = Self(1);
    /// There are bytes to read.
    pub const READABLE: Self = Self(2);
    /// There is room to write, or a write would fail at once.
    pub const WRITABLE: Self = Self(4);
    /// The peer's FIN is in order: after the bytes that are here comes the end of the stream (HC-4).
    pub const PEER_FINISHED: Self = Self(8);
    /// Our FIN is acknowledged: every byte is at the peer's TCP.
    pub const FINISHED: Self = Self(16);
    /// The connection has ended; its receipt is there.
    pub const ENDED: Self = Self(32);
    /// Urgent data was announced, or more of it (RFC 9293 MUST-32).
    pub const URGENT: Self = Self(64);
    /// The network reported an error, or nothing was acknowledged for some time; the connection lives on (RFC 9293
    /// MUST-47, SHLD-9).
    pub const TROUBLE: Self = Self(128);

    /// Whether all of `other` is in this set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is to be looked at.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds `other` to the set.
    pub fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WriteError {
    /// The buffer is full: [`Events::WRITABLE`] says when it is not.
    Blocked,
    /// We have closed our direction (AP-3).
    ShutDown,
    /// The connection has ended.
    Ended(Ending),
}

/// Why nothing was read. The end of the stream is not an error: it is a read of 0 bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReadError {
    /// Nothing is here: [`Events::READABLE`] and [`Events::PEER_FINISHED`] say when there is.
    Blocked,
    /// The connection has ended otherwise than by the peer's FIN; it never turns into an end of stream (AP-4).
    Ended(Ending),
}
