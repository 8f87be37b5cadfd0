//! Endings as errors: the one place where an [`Ending`] becomes an [`io::Error`].

use std::fmt;
use std::io;

use adieu_core::{BindError, ConnectError, Ending, Order, Phase, ReadError, Receipt, Settings, WriteError};

/// The error a read or a write meets after `ending` (section 1.14 of the requirements: AP-4, AP-6 to AP-9).
pub(crate) fn ended(ending: Ending) -> io::Error {
    io::Error::new(kind(ending), ending.to_string())
}

fn kind(ending: Ending) -> io::ErrorKind {
    match ending {
        // After a graceful ending only a write can fail: nobody reads any more.
        Ending::Graceful { order: Order::LocalFirst | Order::PeerFirst | Order::Simultaneous } => {
            io::ErrorKind::BrokenPipe
        }
        Ending::ResetByPeer { .. } => io::ErrorKind::ConnectionReset,
        Ending::Refused { .. } => io::ErrorKind::ConnectionRefused,
        Ending::Aborted { .. } | Ending::Cancelled { .. } => io::ErrorKind::ConnectionAborted,
        Ending::TimedOut {
            phase:
                Phase::Connect
                | Phase::Retransmission
                | Phase::ZeroWindow
                | Phase::FinWait2Orphan
                | Phase::UserTimeout
                | Phase::Keepalive,
            ..
        } => io::ErrorKind::TimedOut,
        Ending::Unreachable { .. } => io::ErrorKind::HostUnreachable,
    }
}

/// `None` where the caller has to wait.
pub(crate) fn read(error: ReadError) -> Option<io::Error> {
    match error {
        ReadError::Blocked => None,
        ReadError::Ended(ending) => Some(ended(ending)),
    }
}

/// `None` where the caller has to wait.
pub(crate) fn write(error: WriteError) -> Option<io::Error> {
    match error {
        WriteError::Blocked => None,
        WriteError::ShutDown => Some(io::Error::new(io::ErrorKind::BrokenPipe, "this direction has been shut down")),
        WriteError::Ended(ending) => Some(ended(ending)),
    }
}

pub(crate) fn bind(error: BindError) -> io::Error {
    let kind = match error {
        BindError::InUse(_) | BindError::NoPort => io::ErrorKind::AddrInUse,
        BindError::NotOurs(_) => io::ErrorKind::AddrNotAvailable,
    };
    io::Error::new(kind, error)
}

pub(crate) fn connect(error: ConnectError) -> io::Error {
    let kind = match error {
        ConnectError::NotAHost(_) | ConnectError::Ourselves(_) => io::ErrorKind::InvalidInput,
        ConnectError::InUse(_) => io::ErrorKind::AddrInUse,
        ConnectError::NoAddress(_) | ConnectError::NoPort(_) => io::ErrorKind::AddrNotAvailable,
        ConnectError::Full => io::ErrorKind::QuotaExceeded,
        ConnectError::Quiet => io::ErrorKind::ResourceBusy,
    };
    io::Error::new(kind, error)
}

/// Whether these can be chosen.
pub(crate) fn check(settings: &Settings) -> io::Result<()> {
    match settings.dscp {
        0..=63 => Ok(()),
        64.. => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "a code point for differentiated services has six bits"))
        }
    }
}

/// A connection did not end gracefully. The receipt says what became of every byte.
#[derive(Clone, Debug, thiserror::Error)]
pub struct CloseError {
    /// How it ended.
    pub receipt: Receipt,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (undelivered, unread) = (self.receipt.undelivered(), self.receipt.unread);
        write!(f, "{}; {undelivered} bytes not acknowledged by the peer, {unread} bytes not read", self.receipt.ending)
    }
}

/// What becomes of a connection whose linger time runs out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AtExpiry {
    /// It goes on in the background, and is given up in the end if the peer never answers. As POSIX systems do.
    #[default]
    Continue,
    /// It is reset: what the peer has not acknowledged is thrown away.
    Abort,
}

/// Why [`TcpStream::linger`](crate::TcpStream::linger) cannot say that all is at the peer's TCP.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LingerError {
    /// The time ran out.
    #[error("the linger time ran out; {unacknowledged} bytes, or the FIN behind them, not acknowledged by the peer")]
    Expired {
        /// Bytes written that the peer's TCP has not acknowledged.
        unacknowledged: u64,
    },
    /// The connection ended before that, for instance because received bytes were unread.
    #[error(transparent)]
    Ended(#[from] CloseError),
}

impl From<CloseError> for io::Error {
    fn from(error: CloseError) -> Self {
        Self::new(kind(error.receipt.ending), error)
    }
}
