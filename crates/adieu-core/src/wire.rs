//! Bytes and their meaning: IP and TCP headers, options, checksums. Nothing here knows a connection.

pub mod checksum;
mod extension;
pub mod fragment;
pub mod icmp;
pub mod ip;
pub mod options;
pub mod tcp;

pub use checksum::Checksum;
pub use ip::{Arrived, Packet, Payload};
pub use options::{Blocks, Options, Timestamps};
pub use tcp::{Flags, Segment};
