//! The four numbers that name a connection.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// Both ends of a connection, seen from ours.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Flow {
    /// Our address.
    pub local_address: IpAddr,
    /// The peer's address.
    pub remote_address: IpAddr,
    /// Our port.
    pub local_port: u16,
    /// The peer's port.
    pub remote_port: u16,
}

impl Flow {
    /// A flow between two socket addresses.
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            local_address: local.ip(),
            remote_address: remote.ip(),
            local_port: local.port(),
            remote_port: remote.port(),
        }
    }

    /// A flow between two IPv4 addresses.
    pub fn v4(local: [u8; 4], local_port: u16, remote: [u8; 4], remote_port: u16) -> Self {
        Self { local_address: local.into(), remote_address: remote.into(), local_port, remote_port }
    }

    /// Our end.
    pub fn local(&self) -> SocketAddr {
        SocketAddr::new(self.local_address, self.local_port)
    }

    /// The peer's end.
    pub fn remote(&self) -> SocketAddr {
        SocketAddr::new(self.remote_address, self.remote_port)
    }

    /// Gives all of it, as bytes in one piece, to a keyed hash.
    pub(crate) fn with_bytes(&self, hash: impl FnOnce(&[u8]) -> u64) -> u64 {
        let ports = u32::from(self.local_port) << 16 | u32::from(self.remote_port);
        match (self.local_address, self.remote_address) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                let words = [local.to_bits(), remote.to_bits(), ports].map(u32::to_ne_bytes);
                hash(words.as_flattened())
            }
            (local, remote) => {
                let octets = |address: IpAddr| match address {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                    IpAddr::V6(v6) => v6.octets(),
                };
                let mut bytes = [0; 36];
                bytes[..16].copy_from_slice(&octets(local));
                bytes[16..32].copy_from_slice(&octets(remote));
                bytes[32..].copy_from_slice(&ports.to_ne_bytes());
                hash(&bytes)
            }
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <-> {}", self.local(), self.remote())
    }
}
