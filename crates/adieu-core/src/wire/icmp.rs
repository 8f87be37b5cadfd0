//! ICMP: the echo we answer, and the errors about segments of ours.

use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::checksum::{Checksum, sum};
use super::ip::{self, Datagram, IPV6_HEADER, TCP, pseudo_header};
use crate::seq::Seq;
use crate::stack::Flow;

/// The answer to an echo request (RFC 1122 section 3.2.2.6, RFC 4443 section 4.2); `None` for anything else, or where
/// its checksum is wrong.
pub fn echo_reply(datagram: &Datagram<'_>) -> Option<Vec<u8>> {
    let (request, reply) = match datagram.source {
        IpAddr::V4(_) => (8, 0),
        IpAddr::V6(_) => (128, 129),
    };
    let message = datagram.body;
    let ours = message.len() >= 8 && message[0] == request && message[1] == 0;
    if !ours || checksum(datagram, message) != 0 {
        return None;
    }
    let mut answer = Vec::from(message);
    answer[0] = reply;
    answer[2..4].fill(0);
    // The two addresses change places, which changes no sum.
    let checksum = checksum(datagram, &answer);
    answer[2..4].copy_from_slice(&checksum.to_be_bytes());
    Some(answer)
}

/// ICMPv6's checksum covers a pseudo-header, ICMP's does not.
fn checksum(datagram: &Datagram<'_>, message: &[u8]) -> u16 {
    let (from, to) = (datagram.source, datagram.destination);
    let mut all = match from {
        IpAddr::V4(_) => Checksum::new(sum),
        IpAddr::V6(_) => pseudo_header(from, to, IpNumber::IPV6_ICMP, message.len(), sum),
    };
    all.bytes(message);
    all.finish()
}

/// What an ICMP error says of a segment that it quotes. Anybody can have made it up: it counts only for the connection
/// that has this flow, and only where the sequence number is one that is not acknowledged yet (X-ICMP).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Trouble {
    /// Whose segment it was: the quoted source is our end.
    pub flow: Flow,
    /// The segment's sequence number.
    pub seq: Seq,
    /// The length that the quoted packet says it had; 0 where it says none.
    pub length: u16,
    /// What it means.
    pub kind: Kind,
    /// The type, which tells with the code what exactly it was.
    pub icmp_type: u8,
    /// The code.
    pub code: u8,
}

/// What an ICMP error means to a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// The peer itself, or somebody who decides for it, does not want us: nothing will change by waiting.
    Hard,
    /// The path is in trouble; that may pass, and never ends a connection by itself (MUST-56).
    Soft,
    /// The segment was larger than a link on its path carries.
    TooBig {
        /// The packet that would have passed: at least 68 (IPv4) or 1280 (IPv6). 0 where an IPv4 router did not say:
        /// see [`next_lower_mtu`].
        mtu: u32,
    },
}

impl Trouble {
    /// The size of the packet it is about, where `current` is the largest we send and no packet of ours is larger than
    /// `most`: a quote may be of one that left before the last step down, and some routers garble it.
    pub(crate) fn refused(&self, current: u16, most: u16) -> u16 {
        let plausible = self.length > LOWEST_MTU && self.length <= most;
        if plausible { self.length } else { current }
    }
}

/// An error about a TCP segment. `None` for everything else: other messages, source quench (MUST-55), types that nobody
/// has defined, quotes too short to tell the flow and the sequence number, and what was not sent from where the error
/// goes. A wrong checksum is nothing, too.
pub fn trouble(datagram: &Datagram<'_>) -> Option<Trouble> {
    let (head, quoted) = datagram.body.split_first_chunk::<8>()?;
    let kind = match datagram.source {
        IpAddr::V4(_) => kind_v4(*head),
        IpAddr::V6(_) => kind_v6(*head),
    }?;
    let (flow, seq, length) = quoted_segment(quoted)?;
    let ours = flow.local_address == datagram.destination;
    let [icmp_type, code, ..] = *head;
    (ours && checksum(datagram, datagram.body) == 0).then_some(Trouble { flow, seq, length, kind, icmp_type, code })
}

/// RFC 9293 section 3.9.2.2 names the hard codes, protocol and port unreachable, and the soft ones 0, 1 and 5. What it
/// does not name ends nothing, either: soft.
fn kind_v4([icmp_type, code, _, _, _, _, high, low]: [u8; 8]) -> Option<Kind> {
    match (icmp_type, code) {
        (3, 4) => Some(match u32::from(u16::from_be_bytes([high, low])) {
            0 => Kind::TooBig { mtu: 0 },
            mtu => Kind::TooBig { mtu: mtu.max(u32::from(LOWEST_MTU)) }, // RFC 1191 section 3: never below.
        }),
        (3, 2 | 3) => Some(Kind::Hard),
        (3 | 11 | 12, _) => Some(Kind::Soft),
        _ => None,
    }
}

/// RFC 9293 names the soft ones: no route (0), address unreachable (3), time exceeded, and every parameter problem,
/// even the unrecognized next header that stands where ICMP has protocol unreachable (4/1): MUST-56 holds for it. It
/// names no hard one. Port unreachable (4) is what it is in ICMP. "Administratively prohibited" (1) is a refusal by
/// who decides for the peer, and 5 and 6 say more exactly why (RFC 4443 section 3.1): hard, as in common stacks.
fn kind_v6([icmp_type, code, _, _, mtu @ ..]: [u8; 8]) -> Option<Kind> {
    match (icmp_type, code) {
        (1, 1 | 4 | 5 | 6) => Some(Kind::Hard),
        (1 | 3 | 4, _) => Some(Kind::Soft),
        // Every IPv6 link carries 1280: who says less is wrong, or lies (RFC 8201 section 4).
        (2, _) => Some(u32::from_be_bytes(mtu)).filter(|mtu| *mtu >= 1280).map(|mtu| Kind::TooBig { mtu }),
        _ => None,
    }
}

/// Flow and sequence number of the segment in a quoted packet. Of that there is the IP header and eight bytes more, and
/// all the rest may be missing (RFC 792), so its lengths and checksums say nothing. IPv6 extension headers, which we
/// never send, are not read.
fn quoted_segment(quoted: &[u8]) -> Option<(Flow, Seq, u16)> {
    let (local_address, remote_address, segment, length): (IpAddr, IpAddr, _, _) = match quoted.first()? >> 4 {
        4 => {
            let header = Ipv4HeaderSlice::from_slice(quoted).ok()?;
            let first = header.protocol() == TCP && header.fragments_offset().value() == 0;
            let segment = quoted.get(header.slice().len()..).filter(|_| first)?;
            (header.source_addr().into(), header.destination_addr().into(), segment, header.total_len())
        }
        6 => {
            let header = Ipv6HeaderSlice::from_slice(quoted).ok()?;
            let segment = quoted.get(IPV6_HEADER..).filter(|_| header.next_header() == TCP)?;
            (header.source_addr().into(), header.destination_addr().into(), segment, 0)
        }
        _ => return None,
    };
    let [a, b, c, d, seq @ ..] = *segment.first_chunk::<8>()?;
    let (local_port, remote_port) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let flow = Flow { local_address, remote_address, local_port, remote_port };
    Some((flow, Seq(u32::from_be_bytes(seq)), length))
}

/// No IPv4 link carries less (RFC 791).
const LOWEST_MTU: u16 = 68;
/// What links carry, largest first: a step for each kind that is common (after RFC 1191 section 7).
const PLATEAUS: [u16; 11] = [65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, LOWEST_MTU];

/// What to try where a packet of `current` bytes was too large and the router did not say for what.
pub fn next_lower_mtu(current: u16) -> u16 {
    PLATEAUS.into_iter().find(|mtu| *mtu < current).unwrap_or(LOWEST_MTU)
}

/// A whole packet in which `router` tells the sender of the packet `quoted` of an error, with that packet's first
/// `quote_len` bytes: for tests and simulators. Empty where `quoted` is no packet of the router's IP version.
pub fn about(icmp_type: u8, code: u8, mtu: u32, router: IpAddr, quoted: &[u8], quote_len: usize) -> Vec<u8> {
    let sender: Option<IpAddr> = match router {
        IpAddr::V4(_) => Ipv4HeaderSlice::from_slice(quoted).ok().map(|header| header.source_addr().into()),
        IpAddr::V6(_) => Ipv6HeaderSlice::from_slice(quoted).ok().map(|header| header.source_addr().into()),
    };
    let Some(destination) = sender else { return Vec::new() };
    let protocol = if router.is_ipv4() { IpNumber::ICMP } else { IpNumber::IPV6_ICMP };
    let mut message = vec![icmp_type, code, 0, 0];
    message.extend(mtu.to_be_bytes());
    message.extend(&quoted[..quote_len.min(quoted.len())]);
    let sum = checksum(&Datagram { source: router, destination, protocol, body: &message }, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut packet = vec![0; ip::header_len(router)];
    ip::emit(router, destination, protocol, 64, message.len(), &mut packet);
    packet.extend(message);
    packet
}

#[cfg(test)]
mod tests;
