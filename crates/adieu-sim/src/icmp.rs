//! Errors that a path tells a host of.

use std::net::{IpAddr, Ipv6Addr};

use adieu_core::wire::icmp;
use adieu_core::wire::ip::Datagram;

use crate::path::quote_len;

/// An ICMP error, in the words of either family.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum IcmpError {
    /// Nobody knows the way to the network: 3/0; ICMPv6 1/0, no route.
    NetUnreachable,
    /// The host does not answer its router: 3/1; ICMPv6 1/3, address unreachable.
    HostUnreachable,
    /// The host has no TCP: 3/2; ICMPv6 4/1, unrecognized next header.
    ProtocolUnreachable,
    /// Nobody listens there: 3/3; ICMPv6 1/4.
    PortUnreachable,
    /// A rule forbids it: 3/13; ICMPv6 1/1.
    AdminProhibited,
    /// The packet went in a circle: 11/0; ICMPv6 3/0.
    TimeExceeded,
    /// A header is wrong: 12/0; ICMPv6 4/0.
    ParameterProblem,
    /// A link carries only so much: 3/4, fragmentation needed; ICMPv6 2/0, packet too big.
    TooBig(u16),
    /// Anything else: type, code, and the four bytes after the checksum.
    Raw(u8, u8, u32),
}

impl IcmpError {
    /// Type, code, and the four bytes after the checksum.
    pub fn numbers(self, ipv6: bool) -> (u8, u8, u32) {
        let (v4, v6) = match self {
            Self::NetUnreachable => ((3, 0), (1, 0)),
            Self::HostUnreachable => ((3, 1), (1, 3)),
            Self::ProtocolUnreachable => ((3, 2), (4, 1)),
            Self::PortUnreachable => ((3, 3), (1, 4)),
            Self::AdminProhibited => ((3, 13), (1, 1)),
            Self::TimeExceeded => ((11, 0), (3, 0)),
            Self::ParameterProblem => ((12, 0), (4, 0)),
            Self::TooBig(_) => ((3, 4), (2, 0)),
            Self::Raw(icmp_type, code, rest) => return (icmp_type, code, rest),
        };
        let rest = if let Self::TooBig(mtu) = self { u32::from(mtu) } else { 0 };
        let (icmp_type, code) = if ipv6 { v6 } else { v4 };
        (icmp_type, code, rest)
    }

    /// The packet that tells the sender of `quoted`; `None` where that is no packet. What only the receiver can know
    /// (port and protocol unreachable) comes from there, all else from a router.
    pub fn about(self, quoted: &[u8]) -> Option<Vec<u8>> {
        let datagram = Datagram::parse(quoted).ok()?;
        let source = match (self, datagram.source) {
            (Self::PortUnreachable | Self::ProtocolUnreachable, _) => datagram.destination,
            (_, IpAddr::V4(_)) => [10, 0, 0, 254].into(),
            (_, IpAddr::V6(_)) => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0xfe).into(),
        };
        let (icmp_type, code, rest) = self.numbers(source.is_ipv6());
        Some(icmp::about(icmp_type, code, rest, source, quoted, quote_len(source)))
    }
}

#[cfg(test)]
mod tests {
    use adieu_core::wire::Flags;
    use adieu_core::wire::icmp::{Kind, trouble};
    use adieu_core::{Flow, Seq};

    use super::*;
    use crate::Forged;

    #[test]
    fn each_error_means_in_both_families_what_its_name_says() {
        use IcmpError as E;
        let meant = [
            (E::NetUnreachable, [Kind::Soft; 2]),
            (E::HostUnreachable, [Kind::Soft; 2]),
            (E::ProtocolUnreachable, [Kind::Hard, Kind::Soft]),
            (E::PortUnreachable, [Kind::Hard; 2]),
            (E::AdminProhibited, [Kind::Soft, Kind::Hard]),
            (E::TimeExceeded, [Kind::Soft; 2]),
            (E::ParameterProblem, [Kind::Soft; 2]),
            (E::TooBig(1300), [Kind::TooBig { mtu: 1300 }; 2]),
        ];
        let ends = [["10.0.0.1:4000", "10.0.0.2:80"], ["[fd00::1]:4000", "[fd00::2]:80"]];
        for (n, ends) in ends.into_iter().enumerate() {
            let ends = ends.map(|end| end.parse().unwrap());
            let sent = Forged { flags: Flags::ACK, seq: 5, ack: 0, data: &[7; 1300] };
            let sent = sent.packet(ends, [Seq(100), Seq(0)]);
            for (error, kinds) in meant {
                let told = error.about(&sent).unwrap();
                let datagram = Datagram::parse(&told).unwrap();
                assert!(told.len() <= 1280);
                assert_eq!(datagram.destination, ends[0].ip());
                assert_eq!(
                    datagram.source == ends[1].ip(),
                    matches!(error, E::PortUnreachable | E::ProtocolUnreachable)
                );
                let read = trouble(&datagram).unwrap();
                assert_eq!((read.flow, read.seq, read.kind), (Flow::new(ends[0], ends[1]), Seq(105), kinds[n]));
            }
        }
        assert_eq!(E::Raw(4, 0, 9).numbers(false), (4, 0, 9));
        assert!(E::TimeExceeded.about(b"nothing").is_none());
    }
}
