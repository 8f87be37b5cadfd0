//! IP headers, as much as TCP needs, over `etherparse`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::Deref;

use bytes::Bytes;
use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::checksum::{Checksum, SumFn, header_sum, sum};
use super::extension::{Chain, walk};

/// What is known of the transport checksum of a packet that came in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Arrived {
    /// Somebody below us has checked it.
    Verified,
    /// The sender left it to hardware that was never passed (NEEDS_CSUM): it holds only the pseudo-header's sum.
    Partial,
    /// Nobody has looked: the stack checks it.
    Unknown,
}

/// A packet from the device, from the IP header on.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    owner: Option<&'a Bytes>,
    segment_size: u16,
    checksum: Arrived,
}

impl<'a> Packet<'a> {
    /// A packet just as it was on the wire: nothing merged, nothing verified, nothing shared.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, owner: None, segment_size: 0, checksum: Arrived::Unknown }
    }

    /// A packet in a buffer that may be shared instead of copied.
    pub fn shared(owner: &'a Bytes) -> Self {
        Self { owner: Some(owner), ..Self::new(owner) }
    }

    /// The device has merged several segments of `segment_size` payload bytes into this one (GRO).
    #[must_use]
    pub fn merged(self, segment_size: u16) -> Self {
        Self { segment_size, ..self }
    }

    /// What is known of the transport checksum.
    #[must_use]
    pub fn with_checksum(self, checksum: Arrived) -> Self {
        Self { checksum, ..self }
    }

    /// IP header and all that follows.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// State of the transport checksum.
    pub fn checksum(&self) -> Arrived {
        self.checksum
    }
}

/// The data of a segment, and the buffer it may be shared from.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Payload<'a> {
    bytes: &'a [u8],
    owner: Option<&'a Bytes>,
    segment_size: u16,
}

/// From this size on a payload is shared with its owner; below it a copy costs less than the buffer it would hold.
const SHARE: usize = 32 * 1024;

impl<'a> Payload<'a> {
    /// Bytes that nobody can share.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, owner: None, segment_size: 0 }
    }

    /// The payload as it stands in `packet`.
    pub fn of(bytes: &'a [u8], packet: &Packet<'a>) -> Self {
        Self { bytes, owner: packet.owner, segment_size: packet.segment_size }
    }

    /// How many segments carried this on the wire: at least 1 (a bare acknowledgment is a segment, too).
    pub fn wire_segments(&self) -> usize {
        match usize::from(self.segment_size) {
            0 => 1,
            size => self.bytes.len().div_ceil(size).max(1),
        }
    }

    /// Without the first `n` bytes.
    #[must_use]
    pub fn skip(self, n: usize) -> Self {
        Self { bytes: &self.bytes[n.min(self.bytes.len())..], ..self }
    }

    /// Only the first `n` bytes.
    #[must_use]
    pub fn first(self, n: usize) -> Self {
        Self { bytes: &self.bytes[..n.min(self.bytes.len())], ..self }
    }

    /// The one place that chooses between sharing and copying: `Some` is a share of the owner, large enough to be
    /// worth holding the whole buffer for. Anything else is to be copied.
    pub fn share(self) -> Option<Bytes> {
        let owner = self.owner.filter(|_| self.bytes.len() >= SHARE)?;
        Some(owner.slice_ref(self.bytes))
    }
}

impl Deref for Payload<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

/// A packet's addresses, protocol and body.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Where it says it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// What the body is.
    pub protocol: IpNumber,
    /// The body, cut to the header's length: what lies behind it is padding.
    pub body: &'a [u8],
}

/// Why a packet was not read further.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotForUs {
    /// Header broken, or its length beyond the packet's.
    Malformed,
    /// Header checksum wrong.
    Checksum,
    /// A piece of a datagram: see [`Piece`](super::fragment::Piece).
    Fragment,
    /// Before what an IPv6 packet carries stands a header that cannot be skipped, or too many that can.
    Header,
}

/// Length of the IPv4 header we send.
pub const IPV4_HEADER: usize = 20;
/// Length of the IPv6 header.
pub const IPV6_HEADER: usize = 40;
/// The protocol number of TCP.
pub const TCP: IpNumber = IpNumber::TCP;

impl<'a> Datagram<'a> {
    /// Reads an IP packet of either version.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NotForUs> {
        match bytes.first().map(|byte| byte >> 4) {
            Some(4) => Self::parse_v4(bytes),
            Some(6) => Self::parse_v6(bytes),
            Some(_) | None => Err(NotForUs::Malformed),
        }
    }

    fn parse_v4(bytes: &'a [u8]) -> Result<Self, NotForUs> {
        let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|_| NotForUs::Malformed)?;
        let body = bytes.get(header.slice().len()..usize::from(header.total_len())).ok_or(NotForUs::Malformed)?;
        let sum = header.slice().try_into().map_or_else(|_| sum(header.slice()), header_sum);
        if sum != u16::MAX {
            return Err(NotForUs::Checksum);
        }
        if header.is_fragmenting_payload() {
            return Err(NotForUs::Fragment);
        }
        Ok(Self {
            source: IpAddr::V4(header.source_addr()),
            destination: IpAddr::V4(header.destination_addr()),
            protocol: header.protocol(),
            body,
        })
    }

    /// Extension headers are skipped, where they may be.
    fn parse_v6(bytes: &'a [u8]) -> Result<Self, NotForUs> {
        let header = Ipv6HeaderSlice::from_slice(bytes).map_err(|_| NotForUs::Malformed)?;
        let end = IPV6_HEADER + usize::from(header.payload_length());
        let body = bytes.get(IPV6_HEADER..end).ok_or(NotForUs::Malformed)?;
        let (source, destination) = (header.source_addr().into(), header.destination_addr().into());
        let (protocol, at) = match header.next_header() {
            TCP => (TCP, 0),
            next => match walk(next, body)? {
                Chain::To { protocol, at } => (protocol, at),
                Chain::Cut { .. } => return Err(NotForUs::Fragment),
            },
        };
        Ok(Self { source, destination, protocol, body: &body[at..] })
    }
}

/// Whether an address can be one end of a connection: not unspecified, multicast or broadcast (MUST-57, MUST-63).
pub fn is_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast() || v4.octets()[0] == 0),
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast()),
    }
}

/// Length of the IP header between two addresses.
pub fn header_len(address: IpAddr) -> usize {
    if address.is_ipv4() { IPV4_HEADER } else { IPV6_HEADER }
}

/// Writes the IP header of a packet with `body` bytes after it into the front of `out`. A super-segment's length counts
/// as the device wants it: all of it, as far as the field reaches. Addresses of two families write nothing.
pub fn emit(source: IpAddr, destination: IpAddr, protocol: IpNumber, ttl: u8, body: usize, out: &mut [u8]) {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => emit_v4(source, destination, protocol, ttl, body, out),
        (IpAddr::V6(source), IpAddr::V6(destination)) => emit_v6(source, destination, protocol, ttl, body, out),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
    }
}

/// Atomic datagrams: identification 0, do not fragment (RFC 6864 section 4.1).
fn emit_v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: IpNumber, ttl: u8, body: usize, out: &mut [u8]) {
    let [high, low] = u16::try_from(IPV4_HEADER + body).unwrap_or(u16::MAX).to_be_bytes();
    let Some(out) = out.first_chunk_mut::<IPV4_HEADER>() else { return };
    *out = [0x45, 0, high, low, 0, 0, 0x40, 0, ttl, protocol.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    out[12..16].copy_from_slice(&source.octets());
    out[16..].copy_from_slice(&destination.octets());
    let checksum = !header_sum(out);
    out[10..12].copy_from_slice(&checksum.to_be_bytes());
}

fn emit_v6(source: Ipv6Addr, destination: Ipv6Addr, protocol: IpNumber, ttl: u8, body: usize, out: &mut [u8]) {
    let [high, low] = u16::try_from(body).unwrap_or(u16::MAX).to_be_bytes();
    let Some(out) = out.first_chunk_mut::<IPV6_HEADER>() else { return };
    out[..8].copy_from_slice(&[0x60, 0, 0, 0, high, low, protocol.0, ttl]);
    out[8..24].copy_from_slice(&source.octets());
    out[24..].copy_from_slice(&destination.octets());
}

/// The two bits of explicit congestion notification that say that the packet was marked (RFC 3168 section 5).
pub const CE: u8 = 3;
/// Those of a packet that may be marked instead of dropped: ECT(0).
pub const ECT_0: u8 = 2;

/// The ECN bits of a packet; 0 where it is too short to have any.
pub fn ecn_bits(packet: &[u8]) -> u8 {
    let Some([first, second]) = packet.first_chunk::<2>() else { return 0 };
    if first >> 4 == 6 { second >> 4 & 3 } else { second & 3 }
}

/// Says in a packet that may be marked that it is, as a router does whose queue grows. Whether it may be.
pub fn mark_congested(packet: &mut [u8]) -> bool {
    let capable = ecn_bits(packet) != 0;
    if capable {
        mark(packet, CE, None);
    }
    capable
}

/// Marks a packet whose header [`emit`] wrote: with a traffic class (the code point of differentiated services, then
/// the two ECN bits; bits that are set stay), and, IPv4 only, with an identification instead of "do not fragment".
pub fn mark(packet: &mut [u8], class: u8, identification: Option<u16>) {
    if packet.first().is_some_and(|byte| byte >> 4 == 6) {
        packet[0] |= class >> 4;
        packet[1] |= class << 4;
        return;
    }
    let Some(header) = packet.first_chunk_mut::<IPV4_HEADER>() else { return };
    header[1] |= class;
    if let Some(identification) = identification {
        header[4..6].copy_from_slice(&identification.to_be_bytes());
        header[6] &= !0x40;
    }
    header[10..12].fill(0);
    let checksum = !header_sum(header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// Marks a packet as [`mark`] has marked another, of which it is a part: the `place`th.
pub fn mark_like(other: &[u8], place: u16, packet: &mut [u8]) {
    let Some([first, second]) = other.first_chunk::<2>().copied() else { return };
    if first >> 4 == 6 {
        return mark(packet, first << 4 | second >> 4, None);
    }
    let cut = other.get(4..7).filter(|field| field[2] & 0x40 == 0);
    let identification = cut.map(|field| u16::from_be_bytes([field[0], field[1]]).wrapping_add(place));
    if second > 0 || identification.is_some() {
        mark(packet, second, identification);
    }
}

/// The sum of the pseudo-header (RFC 9293 section 3.1), to which header and data are added.
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: IpNumber, length: usize, add: SumFn) -> Checksum {
    let mut sum = Checksum::new(add);
    for address in [source, destination] {
        match address {
            IpAddr::V4(v4) => sum.word(v4.to_bits()),
            IpAddr::V6(v6) => v6.segments().iter().for_each(|word| sum.word(u32::from(*word))),
        }
    }
    sum.word(u32::from(protocol.0));
    sum.word(u32::try_from(length).unwrap_or(u32::MAX));
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use etherparse::Ipv4Header;

    fn packet(body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; IPV4_HEADER + body.len()];
        emit_v4([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), TCP, 64, body.len(), &mut bytes);
        bytes[IPV4_HEADER..].copy_from_slice(body);
        bytes
    }

    #[test]
    fn what_is_emitted_is_what_is_parsed() {
        let bytes = packet(b"body");
        let datagram = Datagram::parse(&bytes).unwrap();
        assert_eq!((datagram.body, datagram.protocol), (&b"body"[..], TCP));
        assert_eq!(datagram.source, IpAddr::from([10, 0, 0, 1]));
    }

    #[test]
    fn the_header_is_what_etherparse_would_write() {
        let mut header = Ipv4Header { total_len: 1020, dont_fragment: true, time_to_live: 63, ..Ipv4Header::default() };
        header.protocol = TCP;
        (header.source, header.destination) = ([10, 0, 0, 1], [10, 200, 0, 2]);
        header.header_checksum = header.calc_header_checksum();
        let mut bytes = [0; IPV4_HEADER];
        emit_v4([10, 0, 0, 1].into(), [10, 200, 0, 2].into(), TCP, 63, 1000, &mut bytes);
        assert_eq!(bytes[..], header.to_bytes()[..]);
    }

    #[test]
    fn the_ipv6_header_is_what_etherparse_would_write() {
        let (source, destination) =
            (Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2));
        let header = etherparse::Ipv6Header {
            payload_length: 4,
            next_header: TCP,
            hop_limit: 63,
            source: source.octets(),
            destination: destination.octets(),
            ..etherparse::Ipv6Header::default()
        };
        let mut bytes = vec![0; IPV6_HEADER + 4];
        emit(source.into(), destination.into(), TCP, 63, 4, &mut bytes);
        assert_eq!(bytes[..IPV6_HEADER], header.to_bytes()[..]);
        bytes.extend([0; 3]);
        let datagram = Datagram::parse(&bytes).unwrap();
        assert_eq!((datagram.source, datagram.body.len(), datagram.protocol), (IpAddr::V6(source), 4, TCP));
        assert!(Datagram::parse(&bytes[..IPV6_HEADER + 3]).is_err());
    }

    #[test]
    fn padding_is_cut_and_every_flipped_header_bit_is_seen() {
        let mut bytes = packet(b"body");
        bytes.extend([0; 6]);
        assert_eq!(Datagram::parse(&bytes).unwrap().body, b"body");
        for bit in 0..IPV4_HEADER * 8 {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(Datagram::parse(&broken).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_fragment_is_no_datagram() {
        let mut header = Ipv4Header::default();
        header.total_len = 24;
        header.more_fragments = true;
        header.header_checksum = header.calc_header_checksum();
        let mut bytes = vec![0; 24];
        bytes[..20].copy_from_slice(&header.to_bytes());
        assert_eq!(Datagram::parse(&bytes).unwrap_err(), NotForUs::Fragment);
    }

    #[test]
    fn small_payloads_are_copied_and_large_ones_shared() {
        let owner = Bytes::from(vec![7; 2 * SHARE]);
        let packet = Packet::shared(&owner).merged(1460).with_checksum(Arrived::Verified);
        assert!(Payload::of(&owner[..SHARE - 1], &packet).share().is_none());
        assert_eq!(Payload::of(&owner[1..=SHARE], &packet).share().unwrap().as_ptr(), owner[1..].as_ptr());
        assert_eq!(Payload::of(&owner[..1461], &packet).wire_segments(), 2);
    }
}
