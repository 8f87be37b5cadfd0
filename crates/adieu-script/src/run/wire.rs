//! TCP packets with whatever options and flags a script wants.

use std::net::{IpAddr, SocketAddr};

use adieu_core::wire::checksum;
use adieu_core::wire::ip::{self, Datagram, TCP};

use crate::ast::TcpOption;

/// A TCP packet, read or to be written. Numbers are those on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Wire {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) urgent: u16,
    pub(crate) options: Vec<TcpOption>,
    pub(crate) payload: Vec<u8>,
    /// Type of service or traffic class, with the two ECN bits.
    pub(crate) tos: u8,
    /// Time to live or hop limit.
    pub(crate) ttl: u8,
}

impl Wire {
    /// Reads a packet; `None` where it is no whole TCP packet.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let datagram = Datagram::parse(bytes).ok()?;
        if datagram.protocol != TCP {
            return None;
        }
        let tcp = datagram.body;
        let half = |at: usize| Some(u16::from_be_bytes(tcp.get(at..at + 2)?.try_into().ok()?));
        let word = |at: usize| Some(u32::from_be_bytes(tcp.get(at..at + 4)?.try_into().ok()?));
        let data = usize::from(tcp.get(12)? >> 4) * 4;
        let (tos, ttl) = match datagram.source {
            IpAddr::V4(_) => (*bytes.get(1)?, *bytes.get(8)?),
            IpAddr::V6(_) => (bytes.first()? << 4 | bytes.get(1)? >> 4, *bytes.get(7)?),
        };
        Some(Self {
            source: SocketAddr::new(datagram.source, half(0)?),
            destination: SocketAddr::new(datagram.destination, half(2)?),
            seq: word(4)?,
            ack: word(8)?,
            flags: *tcp.get(13)?,
            window: half(14)?,
            urgent: half(18)?,
            options: read_options(tcp.get(20..data)?)?,
            payload: tcp.get(data..)?.to_vec(),
            tos,
            ttl,
        })
    }

    /// The packet from its IP header on, with whole checksums.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut options = self.written_options();
        options.resize(options.len().next_multiple_of(4).min(40), 0);
        let (head, tcp) = (ip::header_len(self.source.ip()), 20 + options.len());
        let mut bytes = vec![0; head];
        ip::emit(self.source.ip(), self.destination.ip(), TCP, self.ttl, tcp + self.payload.len(), &mut bytes);
        self.mark(&mut bytes);
        bytes.extend(self.source.port().to_be_bytes());
        bytes.extend(self.destination.port().to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        bytes.push(u8::try_from(tcp / 4).unwrap_or(15) << 4);
        bytes.push(self.flags);
        bytes.extend(self.window.to_be_bytes());
        bytes.extend([0; 2]);
        bytes.extend(self.urgent.to_be_bytes());
        bytes.extend(options);
        bytes.extend(&self.payload);
        let length = bytes.len() - head;
        let mut sum = ip::pseudo_header(self.source.ip(), self.destination.ip(), TCP, length, checksum::sum);
        sum.bytes(&bytes[head..]);
        bytes[head + 16..head + 18].copy_from_slice(&sum.finish().to_be_bytes());
        bytes
    }

    fn written_options(&self) -> Vec<u8> {
        let mut options = Vec::new();
        self.options.iter().for_each(|option| write_option(option, &mut options));
        options
    }

    /// Bytes that the options take; no header has room for more than 40.
    pub(crate) fn options_length(&self) -> usize {
        self.written_options().len()
    }

    /// Sets the type of service of an IP header.
    fn mark(&self, header: &mut [u8]) {
        if self.source.is_ipv6() {
            header[0] |= self.tos >> 4;
            header[1] |= self.tos << 4;
            return;
        }
        header[1] |= self.tos;
        header[10..12].fill(0);
        let mut sum = checksum::Checksum::new(checksum::sum);
        sum.bytes(header);
        header[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    }

    /// Bytes of data.
    pub(crate) fn length(&self) -> u32 {
        u32::try_from(self.payload.len()).unwrap_or(u32::MAX)
    }
}

/// `None` where a length is illegal.
fn read_options(mut bytes: &[u8]) -> Option<Vec<TcpOption>> {
    let mut options = Vec::new();
    let word = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?));
    while let [kind, rest @ ..] = bytes {
        match kind {
            0 => {
                options.push(TcpOption::End);
                return Some(options);
            }
            1 => {
                options.push(TcpOption::Nop);
                bytes = rest;
                continue;
            }
            _ => {}
        }
        let length = usize::from(*rest.first()?);
        let body = bytes.get(2..length)?;
        options.push(match (kind, body.len()) {
            (2, 2) => TcpOption::Mss(u32::from(u16::from_be_bytes([body[0], body[1]]))),
            (3, 1) => TcpOption::WindowScale(u32::from(body[0])),
            (4, 0) => TcpOption::SackPermitted,
            (5, 8..) if body.len() % 8 == 0 => {
                let pairs = body.chunks_exact(8).map(|pair| Some((word(pair)?, word(&pair[4..])?)));
                TcpOption::Sack(pairs.collect::<Option<_>>()?)
            }
            (8, 8) => TcpOption::Timestamps { val: word(body)?, ecr: word(&body[4..])? },
            (28, 2) => {
                let word = u16::from_be_bytes([body[0], body[1]]);
                TcpOption::UserTimeout { time: word & 0x7fff, minutes: word >> 15 == 1 }
            }
            (34, _) => TcpOption::FastOpen { cookie: hexadecimal(body), experimental: false },
            (254, 2..) if body[..2] == FAST_OPEN => {
                TcpOption::FastOpen { cookie: hexadecimal(&body[2..]), experimental: true }
            }
            _ => TcpOption::Raw { kind: *kind, body: body.to_vec() },
        });
        bytes = bytes.get(length..)?;
    }
    Some(options)
}

/// What the experimental option of TCP Fast Open begins with (RFC 7413 appendix A.1).
const FAST_OPEN: [u8; 2] = [0xf9, 0x89];

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_option(option: &TcpOption, out: &mut Vec<u8>) {
    let half = |number: u32| u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    match option {
        TcpOption::End => out.push(0),
        TcpOption::Nop => out.push(1),
        TcpOption::Mss(mss) => {
            out.extend([2, 4]);
            out.extend(half(*mss));
        }
        TcpOption::WindowScale(shift) => out.extend([3, 3, u8::try_from(*shift).unwrap_or(u8::MAX)]),
        TcpOption::SackPermitted => out.extend([4, 2]),
        TcpOption::Sack(pairs) => {
            out.extend([5, u8::try_from(2 + 8 * pairs.len()).unwrap_or(u8::MAX)]);
            for (from, to) in pairs {
                out.extend(from.to_be_bytes());
                out.extend(to.to_be_bytes());
            }
        }
        TcpOption::Timestamps { val, ecr } => {
            out.extend([8, 10]);
            out.extend(val.to_be_bytes());
            out.extend(ecr.to_be_bytes());
        }
        TcpOption::FastOpen { cookie, experimental } => {
            let bytes: Vec<u8> = (0..cookie.len() / 2)
                .filter_map(|n| u8::from_str_radix(cookie.get(2 * n..2 * n + 2)?, 16).ok())
                .collect();
            let magic: &[u8] = if *experimental { &FAST_OPEN } else { &[] };
            out.extend([
                if *experimental { 254 } else { 34 },
                u8::try_from(2 + magic.len() + bytes.len()).unwrap_or(2),
            ]);
            out.extend(magic);
            out.extend(bytes);
        }
        TcpOption::UserTimeout { time, minutes } => {
            out.extend([28, 4]);
            out.extend((time & 0x7fff | u16::from(*minutes) << 15).to_be_bytes());
        }
        TcpOption::Raw { kind, body } => {
            out.extend([*kind, u8::try_from(2 + body.len()).unwrap_or(u8::MAX)]);
            out.extend(body);
        }
        // Refused before.
        TcpOption::Other(_) => {}
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A bare acknowledgment.
    pub(crate) fn plain() -> Wire {
        let [source, destination] = ["10.0.0.1:80", "10.0.0.2:5"].map(|text| text.parse().unwrap());
        let (options, payload) = (Vec::new(), Vec::new());
        Wire {
            source,
            destination,
            seq: 1,
            ack: 1,
            flags: 0x10,
            window: 300,
            urgent: 0,
            options,
            payload,
            tos: 0,
            ttl: 64,
        }
    }

    #[test]
    fn what_is_built_is_read_back() {
        for (source, destination) in [("10.0.0.1:5", "10.0.0.2:80"), ("[fd00::1]:5", "[fd00::2]:80")] {
            let wire = Wire {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
                seq: u32::MAX,
                ack: 7,
                flags: 0xd2,
                window: 300,
                urgent: 9,
                options: vec![
                    TcpOption::Mss(1460),
                    TcpOption::SackPermitted,
                    TcpOption::Timestamps { val: 1, ecr: 2 },
                    TcpOption::Nop,
                    TcpOption::WindowScale(7),
                    TcpOption::Sack(vec![(1, 2)]),
                    TcpOption::Nop,
                    TcpOption::Nop,
                ],
                payload: b"hello".to_vec(),
                tos: 0x2a,
                ttl: 3,
            };
            assert_eq!(Wire::parse(&wire.build()), Some(wire));
        }
    }

    #[test]
    fn rare_options_are_read_back() {
        let all = [
            TcpOption::UserTimeout { time: 300, minutes: false },
            TcpOption::UserTimeout { time: 0x7fff, minutes: true },
            TcpOption::Raw { kind: 253, body: vec![] },
            // Of a kind that we know, but of another length.
            TcpOption::Raw { kind: 3, body: vec![1, 2] },
            TcpOption::Raw { kind: 5, body: vec![1; 9] },
            TcpOption::FastOpen { cookie: "0a0b".into(), experimental: false },
            TcpOption::FastOpen { cookie: String::new(), experimental: true },
            TcpOption::Sack(vec![(1, 2), (u32::MAX, 4), (5, 6), (7, 8)]),
        ];
        for option in all {
            let mut bytes = Vec::new();
            write_option(&option, &mut bytes);
            assert_eq!(read_options(&bytes), Some(vec![option]));
        }
    }

    #[test]
    fn broken_options_are_no_packet() {
        assert_eq!(read_options(&[2, 0]), None);
        assert_eq!(read_options(&[2, 40, 1]), None);
        assert_eq!(read_options(&[2]), None);
        assert_eq!(read_options(&[]), Some(vec![]));
    }
}
