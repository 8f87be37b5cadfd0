//! A super-segment cut into segments, for a device that does not cut.

use alloc::vec::Vec;
use core::net::IpAddr;

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

use super::output::{Leaving, Outgoing};
use crate::bytequeue::SMALL;
use crate::wire::checksum::SumFn;
use crate::wire::ip::{self, IPV4_HEADER, IPV6_HEADER, TCP};
use crate::wire::tcp::{CHECKSUM_AT, Flags, HEADER};

/// Where the flags lie in a TCP header, and the sequence number.
const FLAGS_AT: usize = 13;
const SEQ_AT: usize = 4;

impl Outgoing {
    /// Whether it holds more than one segment's data.
    pub fn is_super(&self) -> bool {
        self.segment_size > 0 && self.data_len() > usize::from(self.segment_size)
    }

    fn data_len(&self) -> usize {
        self.len() - self.header_len().map_or(0, |(ip, tcp)| ip + tcp)
    }

    /// Lengths of the IP and the TCP header; `None` where this is no TCP packet of ours.
    fn header_len(&self) -> Option<(usize, usize)> {
        let (ip, protocol) = match self.head.first()? >> 4 {
            4 => (IPV4_HEADER, *self.head.get(9)?),
            _ => (IPV6_HEADER, *self.head.get(6)?),
        };
        let tcp = usize::from(self.head.get(ip + 12)? >> 4) * 4;
        (protocol == TCP.0 && tcp >= HEADER).then_some((ip, tcp))
    }

    /// Cuts a super-segment into what it stands for: CWR goes with the first, FIN and PSH with the last, every checksum
    /// is whole, and the data is shared, not copied. Anything else comes back as it is. `sum` adds up checksums as the
    /// stack's own does.
    pub fn split(self, sum: SumFn) -> Vec<Outgoing> {
        let Some((ip, tcp)) = self.header_len().filter(|_| self.is_super()) else {
            return Vec::from([self]);
        };
        let size = usize::from(self.segment_size);
        let headers = Bytes::copy_from_slice(&self.head[..ip + tcp]);
        let inline = Bytes::copy_from_slice(&self.head[ip + tcp..]);
        let mut data: SmallVec<[Bytes; 4]> = [inline].into_iter().chain(self.body).collect();
        let mut left: usize = data.iter().map(Bytes::len).sum();
        let mut packets = Vec::with_capacity(left.div_ceil(size));
        let mut at = 0;
        while left > 0 {
            let len = left.min(size);
            left -= len;
            let body = take(&mut data, len);
            let place = u16::try_from(packets.len()).unwrap_or(u16::MAX);
            packets.push(one(&headers, ip, (place, at), body, left == 0, sum));
            at += u32::try_from(len).unwrap_or(0);
        }
        packets
    }
}

/// The first `len` bytes of `data`.
fn take(data: &mut SmallVec<[Bytes; 4]>, mut len: usize) -> SmallVec<[Bytes; 1]> {
    let mut taken = SmallVec::new();
    for piece in data.iter_mut() {
        let part = piece.split_to(piece.len().min(len));
        len -= part.len();
        if part.has_remaining() {
            taken.push(part);
        }
    }
    taken
}

/// One segment with these headers, the `place`th of all and `at` bytes into the data.
fn one(
    headers: &[u8],
    ip: usize,
    (place, at): (u16, u32),
    body: SmallVec<[Bytes; 1]>,
    last: bool,
    sum: SumFn,
) -> Outgoing {
    let mut head = Vec::from(headers);
    let len: usize = body.iter().map(Bytes::len).sum();
    let (source, destination) = addresses(headers, ip);
    let ttl = headers[if ip == IPV4_HEADER { 8 } else { 7 }];
    ip::emit(source, destination, TCP, ttl, headers.len() - ip + len, &mut head);
    ip::mark_like(headers, place, &mut head);
    let tcp = &mut head[ip..];
    if let Some(seq) = tcp[SEQ_AT..].first_chunk_mut() {
        *seq = u32::from_be_bytes(*seq).wrapping_add(at).to_be_bytes();
    }
    if !last {
        tcp[FLAGS_AT] &= !Flags::FIN.with(Flags::PSH).bits();
    }
    if place > 0 {
        tcp[FLAGS_AT] &= !Flags::CWR.bits(); // It is said once (RFC 3168 section 6.1.2).
    }
    tcp[CHECKSUM_AT..CHECKSUM_AT + 2].fill(0);
    let mut all = ip::pseudo_header(source, destination, TCP, tcp.len() + len, sum);
    all.bytes(tcp);
    body.iter().for_each(|piece| all.bytes(piece));
    let checksum = all.finish();
    tcp[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&checksum.to_be_bytes());
    let segment_size = u16::try_from(len).unwrap_or(u16::MAX);
    if len < SMALL {
        body.iter().for_each(|piece| head.extend_from_slice(piece));
        return Outgoing { head, body: SmallVec::new(), segment_size, checksum: Leaving::Full };
    }
    Outgoing { head, body, segment_size, checksum: Leaving::Full }
}

fn addresses(headers: &[u8], ip: usize) -> (IpAddr, IpAddr) {
    if ip == IPV4_HEADER {
        let at =
            |from: usize| headers[from..].first_chunk::<4>().map_or(IpAddr::from([0; 4]), |octets| (*octets).into());
        (at(12), at(16))
    } else {
        let at =
            |from: usize| headers[from..].first_chunk::<16>().map_or(IpAddr::from([0; 16]), |octets| (*octets).into());
        (at(8), at(24))
    }
}
