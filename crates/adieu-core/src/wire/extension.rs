//! The headers that may stand between an IPv6 header and what the packet carries (RFC 8200 section 4), skipped.
//!
//! Every header is at least eight octets long, so the walk goes forward and ends; its length is bounded besides, as RFC
//! 8504 section 5.3 allows. What cannot be skipped is dropped and counted, and draws no ICMP error: RFC 8200's errors
//! are for senders that try what a host can do, and a host that speaks TCP alone would send them to anybody.

use etherparse::IpNumber;

use super::ip::NotForUs;

/// Most headers in one packet.
const MOST_HEADERS: usize = 8;
/// Most options in one header, padding apart.
const MOST_OPTIONS: usize = 8;
/// Length of the header that pieces have.
const FRAGMENT: usize = 8;

/// What the chain leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Chain {
    /// This, at so many octets behind the IPv6 header.
    To { protocol: IpNumber, at: usize },
    /// A piece of a datagram, which begins there.
    Cut { protocol: IpNumber, identification: u32, offset: usize, more: bool, at: usize },
}

/// Walks from the header that `next` names, which begins `bytes`: hop-by-hop options (first only), options for the
/// destination, a routing header that has arrived, and a fragment header that cuts nothing (RFC 6946).
pub(super) fn walk(next: IpNumber, bytes: &[u8]) -> Result<Chain, NotForUs> {
    let (mut protocol, mut at) = (next, 0);
    for place in 0..=MOST_HEADERS {
        let rest = bytes.get(at..).ok_or(NotForUs::Malformed)?;
        let length = match protocol {
            IpNumber::IPV6_HEADER_HOP_BY_HOP if place == 0 => options_header(rest)?,
            IpNumber::IPV6_DESTINATION_OPTIONS => options_header(rest)?,
            IpNumber::IPV6_ROUTE_HEADER => routing_header(rest)?,
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                let header = rest.first_chunk::<FRAGMENT>().ok_or(NotForUs::Malformed)?;
                let [next, _, high, low, identification @ ..] = *header;
                let word = u16::from_be_bytes([high, low]);
                let (offset, more) = (usize::from(word & !7), word & 1 != 0);
                if offset > 0 || more {
                    let identification = u32::from_be_bytes(identification);
                    return Ok(Chain::Cut {
                        protocol: IpNumber(next),
                        identification,
                        offset,
                        more,
                        at: at + FRAGMENT,
                    });
                }
                FRAGMENT
            }
            IpNumber::IPV6_HEADER_HOP_BY_HOP => return Err(NotForUs::Header),
            protocol => return Ok(Chain::To { protocol, at }),
        };
        protocol = IpNumber(rest[0]);
        at += length;
    }
    Err(NotForUs::Header)
}

/// The length of the header at the front of `bytes`, all of which is there.
fn header_length(bytes: &[u8]) -> Result<usize, NotForUs> {
    let units = bytes.get(1).ok_or(NotForUs::Malformed)?;
    let length = (usize::from(*units) + 1) * 8;
    if length <= bytes.len() { Ok(length) } else { Err(NotForUs::Malformed) }
}

/// A routing header's last address is that of the packet, or the packet is not for us.
fn routing_header(bytes: &[u8]) -> Result<usize, NotForUs> {
    let length = header_length(bytes)?;
    if bytes[3] == 0 { Ok(length) } else { Err(NotForUs::Header) }
}

/// Options we do not know, and we know none, say themselves whether the packet can be read without them.
fn options_header(bytes: &[u8]) -> Result<usize, NotForUs> {
    let length = header_length(bytes)?;
    let (mut options, mut known) = (&bytes[2..length], 0);
    while let Some((kind, rest)) = options.split_first() {
        if *kind == 0 {
            options = rest; // Pad1
            continue;
        }
        let (size, rest) = rest.split_first().ok_or(NotForUs::Malformed)?;
        options = rest.get(usize::from(*size)..).ok_or(NotForUs::Malformed)?;
        known += usize::from(*kind != 1);
        if kind >> 6 != 0 || known > MOST_OPTIONS {
            return Err(NotForUs::Header);
        }
    }
    Ok(length)
}
