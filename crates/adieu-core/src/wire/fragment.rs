//! Pieces of datagrams that somebody has cut (RFC 791 section 3.2, RFC 8200 section 4.5).

use alloc::vec::Vec;
use core::net::IpAddr;

use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::extension::{Chain, walk};
use super::ip::{self, IPV4_HEADER, IPV6_HEADER, ecn_bits, header_len};

/// Which datagram a piece is of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Whole {
    /// Who has sent it.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// What it carries; of IPv6 what its first header behind the pieces' is.
    pub protocol: IpNumber,
    /// Its number, 16 bits in IPv4.
    pub identification: u32,
}

/// One piece.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// The datagram.
    pub whole: Whole,
    /// Where the piece begins, in octets.
    pub offset: usize,
    /// Others follow.
    pub more: bool,
    /// The two ECN bits of its packet.
    pub ecn: u8,
    /// What it carries.
    pub body: &'a [u8],
}

impl<'a> Piece<'a> {
    /// Reads a packet that [`Datagram::parse`](super::ip::Datagram::parse) has called a fragment. `None` where it can
    /// be a piece of nothing: empty, not a multiple of eight octets though others follow, or beyond the largest
    /// datagram.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (whole, offset, more, body) = match bytes.first()? >> 4 {
            4 => Self::parse_v4(bytes)?,
            _ => Self::parse_v6(bytes)?,
        };
        let aligned = !more || body.len().is_multiple_of(8);
        let fits = offset + body.len() <= usize::from(u16::MAX) - header_len(whole.source);
        let piece = Self { whole, offset, more, ecn: ecn_bits(bytes), body };
        (aligned && fits && !body.is_empty()).then_some(piece)
    }

    fn parse_v4(bytes: &'a [u8]) -> Option<(Whole, usize, bool, &'a [u8])> {
        let header = Ipv4HeaderSlice::from_slice(bytes).ok()?;
        let whole = Whole {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            protocol: header.protocol(),
            identification: header.identification().into(),
        };
        let body = bytes.get(header.slice().len()..usize::from(header.total_len()))?;
        Some((whole, usize::from(header.fragments_offset().value()) * 8, header.more_fragments(), body))
    }

    fn parse_v6(bytes: &'a [u8]) -> Option<(Whole, usize, bool, &'a [u8])> {
        let header = Ipv6HeaderSlice::from_slice(bytes).ok()?;
        let body = bytes.get(IPV6_HEADER..IPV6_HEADER + usize::from(header.payload_length()))?;
        let Ok(Chain::Cut { protocol, identification, offset, more, at }) = walk(header.next_header(), body) else {
            return None;
        };
        let (source, destination) = (header.source_addr().into(), header.destination_addr().into());
        let whole = Whole { source, destination, protocol, identification };
        Some((whole, offset, more, body.get(at..)?))
    }
}

impl Whole {
    /// The datagram as one packet, with `body` and these ECN bits.
    pub fn packet(&self, body: &[u8], ecn: u8) -> Vec<u8> {
        let mut packet = Vec::with_capacity(IPV6_HEADER.max(IPV4_HEADER) + body.len());
        packet.resize(header_len(self.source), 0);
        ip::emit(self.source, self.destination, self.protocol, 64, body.len(), &mut packet);
        ip::mark(&mut packet, ecn, None);
        packet.extend_from_slice(body);
        packet
    }
}
