//! Why something cannot be begun.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// Why nobody can listen there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BindError {
    /// Another listener has the address and port.
    InUse(SocketAddr),
    /// The address is none of ours.
    NotOurs(IpAddr),
    /// Every ephemeral port has a listener.
    NoPort,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(local) => write!(f, "{local} is in use: another listener of this stack has it"),
            Self::NotOurs(address) => write!(f, "{address} is none of this stack's addresses"),
            Self::NoPort => f.write_str("no ephemeral port is free"),
        }
    }
}

impl core::error::Error for BindError {}

/// Why no connection was begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConnectError {
    /// Not the address of a single host: unspecified, multicast or broadcast; or port 0 (MUST-46).
    NotAHost(SocketAddr),
    /// We have no address of that family, or the one asked for is none of ours.
    NoAddress(SocketAddr),
    /// The wanted local port already has a connection to that peer, or had one that is in TIME-WAIT.
    InUse(SocketAddr),
    /// Every local port has a connection to that peer, or had one that is in TIME-WAIT.
    NoPort(SocketAddr),
    /// The peer would be ourselves (SC-7).
    Ourselves(SocketAddr),
    /// Nothing begins yet: quiet time after a restart ([`Config::quiet_time`](crate::Config::quiet_time)).
    Quiet,
    /// The stack holds as many connections as it can number.
    Full,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAHost(remote) => write!(f, "{remote} does not name a single host and port"),
            Self::NoAddress(remote) => write!(f, "no address of this stack can reach {remote}"),
            Self::InUse(local) => {
                write!(f, "{local} already has a connection to that peer, or had one within TIME-WAIT")
            }
            Self::NoPort(remote) => write!(f, "no local port is free for {remote}: all are connected or in TIME-WAIT"),
            Self::Ourselves(remote) => write!(f, "{remote} is this stack itself"),
            Self::Quiet => f.write_str("the stack keeps quiet after its start: old connections may still be under way"),
            Self::Full => f.write_str("too many connections"),
        }
    }
}

impl core::error::Error for ConnectError {}
