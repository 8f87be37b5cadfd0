//! Segments that nobody has sent.

use std::net::SocketAddr;

use adieu_core::Seq;
use adieu_core::wire::ip::{self, TCP};
use adieu_core::wire::tcp::{CHECKSUM_AT, Control, Header};
use adieu_core::wire::{Flags, Options, checksum};

/// A segment that none of the hosts has sent. Numbers count as in the trace: from the initial number of the side whose
/// segment it seems to be, and of the other side.
#[derive(Clone, Copy, Debug)]
pub struct Forged<'a> {
    /// Control bits.
    pub flags: Flags,
    /// Sequence number, relative.
    pub seq: u32,
    /// Acknowledgment number, relative.
    pub ack: u32,
    /// The data.
    pub data: &'a [u8],
}

impl Forged<'_> {
    /// The packet from source to destination, with whole checksums, where these are the initial numbers of the one and
    /// of the other.
    pub fn packet(&self, [source, destination]: [SocketAddr; 2], [iss, irs]: [Seq; 2]) -> Vec<u8> {
        let header = Header {
            seq: iss + self.seq,
            ack: Some(irs + self.ack).filter(|_| self.flags.has(Flags::ACK)),
            control: Control::None,
            push: false,
            ece: false,
            cwr: false,
            window: 65_535,
            urgent: None,
            options: Options::default(),
        };
        packet([source, destination], &header, self.flags, self.data)
    }
}

/// A packet with any flags, and whole checksums.
pub(crate) fn packet([source, destination]: [SocketAddr; 2], header: &Header, flags: Flags, data: &[u8]) -> Vec<u8> {
    let (ip, tcp) = (ip::header_len(source.ip()), header.size());
    let mut bytes = vec![0; ip + tcp];
    ip::emit(source.ip(), destination.ip(), TCP, 64, tcp + data.len(), &mut bytes);
    header.emit(source.port(), destination.port(), &mut bytes[ip..]);
    bytes[ip + 13] = flags.bits();
    bytes.extend_from_slice(data);
    let mut sum = ip::pseudo_header(source.ip(), destination.ip(), TCP, bytes.len() - ip, checksum::sum);
    sum.bytes(&bytes[ip..]);
    let at = ip + CHECKSUM_AT;
    bytes[at..at + 2].copy_from_slice(&sum.finish().to_be_bytes());
    bytes
}
