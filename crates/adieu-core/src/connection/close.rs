//! How a connection closes: all of it, on one page.
//!
//! A TCP connection is two streams, and each is ended by its own FIN (RFC 9293 section 3.6). So closing is two small
//! machines side by side. The names of the RFC's diagram are a view of the pair; they are never stored.
//!
//! ```text
//!                       peer's FIN not here      it came second        it came first
//!                       (recv = Open)            (we closed first)     (peer closed first)
//!   ours not asked      ESTABLISHED              -- cannot be --       CLOSE-WAIT
//!   ours queued, sent   FIN-WAIT-1               CLOSING               LAST-ACK
//!   ours acknowledged   FIN-WAIT-2               TIME-WAIT             CLOSED
//! ```
//!
//! Four events move the halves, each one step; a repeat changes nothing. Nobody else writes them:
//! * `shut_down`: the application has no more to send (`shutdown`, `close`; CL-5, CL-6);
//! * `fin_sent`: our FIN has left for the first time; no name of the diagram changes;
//! * `fin_acked`: the peer acknowledged our FIN (FA-1, FA-3, FA-4);
//! * `fin_received`: the peer's FIN is next in order and all before it is here (FI-5 to FI-8).
//!
//! In one segment the acknowledgment counts before the FIN (FI-0), which is what tells TIME-WAIT from CLOSING.
//!
//! Two notes for those who hold this against the RFC. FIN-WAIT-1 and LAST-ACK begin with the call, though the FIN may
//! wait behind data (section 3.10.4). And whoever called CLOSE before the peer's FIN came counts as first, as in the
//! RFC's diagram, though both FINs may cross.
//!
//! A reset, an abort or a timeout is another way out: it ends the connection in whatever state it is
//! ([`Ending`](super::ending::Ending)), and leaves the halves as they were.

use core::fmt;

/// How far our own FIN has got.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum SendHalf {
    /// The application may write.
    Open,
    /// It may not; the FIN waits behind the data.
    FinQueued,
    /// The FIN has been sent, at least once.
    FinSent,
    /// The peer has it, and so every byte before it.
    FinAcked,
}

/// Whether the peer's FIN is here and, if so, whose end came first.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum RecvHalf {
    Open,
    FinReceived { first: Closer },
}

/// Who closed first.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Closer {
    /// This end.
    Us,
    /// The other end.
    Peer,
}

/// Both halves of a connection's closing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Close {
    send: SendHalf,
    recv: RecvHalf,
}

impl Default for Close {
    fn default() -> Self {
        Self { send: SendHalf::Open, recv: RecvHalf::Open }
    }
}

impl Close {
    pub(super) fn shut_down(&mut self) {
        if self.send == SendHalf::Open {
            self.send = SendHalf::FinQueued;
        }
    }

    pub(super) fn fin_sent(&mut self) {
        if self.send == SendHalf::FinQueued {
            self.send = SendHalf::FinSent;
        }
    }

    pub(super) fn fin_acked(&mut self) {
        debug_assert!(self.send >= SendHalf::FinSent, "nobody can acknowledge a FIN that was not sent (FA-6)");
        self.send = SendHalf::FinAcked;
    }

    pub(super) fn fin_received(&mut self) {
        if self.recv == RecvHalf::Open {
            let first = if self.send == SendHalf::Open { Closer::Peer } else { Closer::Us };
            self.recv = RecvHalf::FinReceived { first };
        }
    }

    /// The diagram.
    pub fn state(self) -> State {
        use Closer::{Peer, Us};
        use RecvHalf::FinReceived;
        match (self.send, self.recv) {
            (SendHalf::Open, RecvHalf::Open) => State::Established,
            (SendHalf::FinQueued | SendHalf::FinSent, RecvHalf::Open) => State::FinWait1,
            (SendHalf::FinAcked, RecvHalf::Open) => State::FinWait2,
            (SendHalf::Open, FinReceived { first: Peer }) => State::CloseWait,
            (SendHalf::FinQueued | SendHalf::FinSent, FinReceived { first: Us }) => State::Closing,
            (SendHalf::FinQueued | SendHalf::FinSent, FinReceived { first: Peer }) => State::LastAck,
            (SendHalf::FinAcked, FinReceived { first: Us }) => State::TimeWait,
            (SendHalf::FinAcked, FinReceived { first: Peer }) => State::Closed,
            (SendHalf::Open, FinReceived { first: Us }) => unreachable!("we cannot have closed first while open"),
        }
    }

    /// Whether the application may still write.
    pub fn may_send(self) -> bool {
        self.send == SendHalf::Open
    }

    /// Whether our FIN has left at least once.
    pub(super) fn is_fin_sent(self) -> bool {
        self.send >= SendHalf::FinSent
    }

    /// Whether the peer has acknowledged our FIN, and so has every byte.
    pub fn is_fin_acked(self) -> bool {
        self.send == SendHalf::FinAcked
    }

    /// Whether the peer's FIN is here, and so every byte of its stream.
    pub fn is_fin_received(self) -> bool {
        self.recv != RecvHalf::Open
    }

    /// Whose FIN came first, as far as either end has closed.
    pub fn first(self) -> Option<Closer> {
        match (self.send, self.recv) {
            (SendHalf::Open, RecvHalf::Open) => None,
            (_, RecvHalf::Open) => Some(Closer::Us),
            (_, RecvHalf::FinReceived { first }) => Some(first),
        }
    }
}

/// The states of RFC 9293 section 3.3.2, all eleven.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the RFC's names say it")]
pub enum State {
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

impl State {
    /// All eleven, in the order of their declaration.
    pub const ALL: [Self; 11] = [
        Self::Closed,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];

    /// The name as the RFC writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests;
