//! ICMP errors: packets that quote one of ours.
//!
//! Scripts run over both families, so what only one of them can say is said in the other as its nearest: `frag_needed`
//! is Packet Too Big, `host_unreachable` an address that cannot be reached.

use std::net::{IpAddr, SocketAddr};

use adieu_core::wire::checksum;
use adieu_core::wire::ip::{self, TCP};
use etherparse::IpNumber;

use super::failure::Failure;
use super::flows::{Numbered, begun_at};
use super::sockets::Scene;
use crate::ast::{Icmp, Packet, Range};

/// What an IPv4 router must quote of a packet behind its IP header.
const LEAST: usize = 8;
/// Packets over IPv6 may be that much larger, so that segments are the same.
const LARGER: u32 = 20;

/// Codes of Destination Unreachable: name, IPv4's number, and the type and code of ICMPv6 that say it.
const UNREACHABLE: &[(&str, u8, (u8, u8))] = &[
    ("net_unreachable", 0, (1, 0)),
    ("host_unreachable", 1, (1, 3)),
    ("protocol_unreachable", 2, (4, 1)),
    ("port_unreachable", 3, (1, 4)),
    ("frag_needed", 4, (2, 0)),
    ("source_route_failed", 5, (1, 0)),
    ("net_unknown", 6, (1, 0)),
    ("host_unknown", 7, (1, 3)),
    ("source_host_isolated", 8, (1, 0)),
    ("net_prohibited", 9, (1, 1)),
    ("host_prohibited", 10, (1, 1)),
    ("net_unreachable_for_tos", 11, (1, 0)),
    ("host_unreachable_for_tos", 12, (1, 3)),
    ("packet_filtered", 13, (1, 1)),
    ("precedence_violation", 14, (1, 1)),
    ("precedence_cutoff", 15, (1, 1)),
    // The names of ICMPv6.
    ("no_route", 0, (1, 0)),
    ("admin_prohibited", 13, (1, 1)),
    ("beyond_scope", 0, (1, 2)),
    ("not_neighbour", 0, (1, 2)),
    ("address_unreachable", 1, (1, 3)),
    ("addr_unreachable", 1, (1, 3)),
];

/// Codes of Time Exceeded, the same in both families.
const EXCEEDED: &[(&str, u8)] = &[
    ("ttl_exceeded", 0),
    ("hop_limit_exceeded", 0),
    ("in_transit", 0),
    ("reassembly_time_exceeded", 1),
    ("reassembly", 1),
];

/// What an error says: the first two bytes, and the third word of the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Says {
    kind: u8,
    code: u8,
    rest: u32,
}

/// The bytes of an error that comes in, about the connection at hand.
pub(crate) fn outside(packet: &Packet, icmp: &Icmp, scene: &mut Scene) -> Result<Vec<u8>, Box<Failure>> {
    let none = || Failure::meaning(packet.span, "there is no connection that an error could be about");
    let flow = scene.flows.latest().ok_or_else(none)?;
    let known = begun_at(&flow, scene);
    let peers = scene.flows.peers_address();
    let numbered = scene.flows.of(&flow).ok_or_else(none)?;
    if let Some(known) = known {
        numbered.we_began(known);
    }
    // A router may tell, too.
    let named = packet.addresses.as_ref().and_then(|addresses| addresses.source.parse::<IpAddr>().ok());
    let source = named.filter(|named| named.is_ipv4() == peers.is_ipv4()).unwrap_or_else(|| flow.remote().ip());
    let says = says(icmp, peers.is_ipv6())?;
    let quoted = icmp.quoted.unwrap_or(Range { start: 0, end: 0, length: 0 });
    let quote = quote([flow.local(), flow.remote()], quoted, numbered);
    Ok(build(source, flow.local().ip(), says, &quote))
}

/// What the words of a script mean over IPv4 or IPv6.
fn says(icmp: &Icmp, ipv6: bool) -> Result<Says, Box<Failure>> {
    let code = icmp.code.as_ref();
    let strange = || {
        let place = code.unwrap_or(&icmp.kind);
        Failure::meaning(place.span, format!("ICMP knows no {} here", place.value))
    };
    let name = code.map_or("", |code| code.value.as_str());
    let says = |kind, code, rest| Says { kind, code, rest };
    Ok(match icmp.kind.value.as_str() {
        "unreachable" => {
            let name = if name.is_empty() { "net_unreachable" } else { name };
            let (_, code, (kind6, code6)) =
                UNREACHABLE.iter().find(|(known, ..)| *known == name).ok_or_else(strange)?;
            let narrow = name == "frag_needed";
            let mtu = icmp.mtu.filter(|_| narrow).unwrap_or(0);
            match ipv6 {
                false => says(3, *code, mtu),
                true => says(*kind6, *code6, mtu + if narrow { LARGER } else { 0 }),
            }
        }
        "packet_too_big" => {
            let mtu = icmp.mtu.unwrap_or(0);
            if ipv6 { says(2, 0, mtu) } else { says(3, 4, mtu.saturating_sub(LARGER)) }
        }
        "time_exceeded" => {
            let known = EXCEEDED.iter().find(|(known, _)| *known == name || name.is_empty()).ok_or_else(strange)?;
            says(if ipv6 { 3 } else { 11 }, known.1, 0)
        }
        "parameter_problem" => says(if ipv6 { 4 } else { 12 }, 0, 0),
        "source_quench" if !ipv6 => says(4, 0, 0),
        _ => return Err(strange()),
    })
}

/// A packet of ours as a router has seen it, from its IP header on.
fn quote([ours, peers]: [SocketAddr; 2], range: Range, numbered: &Numbered) -> Vec<u8> {
    const TCP_HEADER: usize = 20;
    let mut bytes = vec![0; ip::header_len(ours.ip())];
    let body = TCP_HEADER.saturating_add(usize::try_from(range.length).unwrap_or(0));
    ip::emit(ours.ip(), peers.ip(), TCP, 63, body, &mut bytes);
    bytes.extend(ours.port().to_be_bytes());
    bytes.extend(peers.port().to_be_bytes());
    bytes.extend(numbered.ours_on_wire(range.start).to_be_bytes());
    if ours.is_ipv6() {
        // IPv6 quotes as much as there is room for; the rest of a header without options stands for it.
        let mut rest = [0; TCP_HEADER - LEAST];
        rest[4..6].copy_from_slice(&[0x50, 0x10]);
        bytes.extend(rest);
    }
    bytes
}

fn build(source: IpAddr, destination: IpAddr, says: Says, quote: &[u8]) -> Vec<u8> {
    let protocol = if source.is_ipv4() { IpNumber::ICMP } else { IpNumber::IPV6_ICMP };
    let mut body = vec![says.kind, says.code, 0, 0];
    body.extend(says.rest.to_be_bytes());
    body.extend(quote);
    let mut sum = match source {
        IpAddr::V4(_) => checksum::Checksum::new(checksum::sum),
        IpAddr::V6(_) => ip::pseudo_header(source, destination, protocol, body.len(), checksum::sum),
    };
    sum.bytes(&body);
    body[2..4].copy_from_slice(&sum.finish().to_be_bytes());
    let mut bytes = vec![0; ip::header_len(source)];
    ip::emit(source, destination, protocol, 64, body.len(), &mut bytes);
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::{Span, Spanned};
    use adieu_core::wire::ip::Datagram;

    fn error(kind: &str, code: Option<&str>, mtu: Option<u32>) -> Icmp {
        let word = |word: &str| Spanned { span: Span::default(), value: word.to_owned() };
        Icmp { kind: word(kind), code: code.map(word), mtu, quoted: None }
    }

    #[test]
    fn words_mean_the_nearest_in_either_family() {
        for (kind, code, mtu, v4, v6) in [
            ("unreachable", Some("host_unreachable"), None, (3, 1, 0), (1, 3, 0)),
            ("unreachable", Some("port_unreachable"), None, (3, 3, 0), (1, 4, 0)),
            ("unreachable", Some("protocol_unreachable"), None, (3, 2, 0), (4, 1, 0)),
            ("unreachable", Some("frag_needed"), Some(1200), (3, 4, 1200), (2, 0, 1220)),
            ("unreachable", None, Some(9), (3, 0, 0), (1, 0, 0)),
            ("packet_too_big", None, Some(1280), (3, 4, 1260), (2, 0, 1280)),
            ("time_exceeded", None, None, (11, 0, 0), (3, 0, 0)),
            ("time_exceeded", Some("reassembly"), None, (11, 1, 0), (3, 1, 0)),
        ] {
            for (ipv6, (kind_number, code_number, rest)) in [(false, v4), (true, v6)] {
                let expected = Says { kind: kind_number, code: code_number, rest };
                assert_eq!(says(&error(kind, code, mtu), ipv6).unwrap(), expected, "{kind} {code:?}");
            }
        }
        assert!(says(&error("unreachable", Some("teapot"), None), false).is_err());
        assert!(says(&error("teapot", None, None), true).is_err());
    }

    #[test]
    fn an_error_is_whole_and_quotes_our_packet() {
        for [ours, peers] in [["10.0.0.1:80", "10.0.0.2:5"], ["[fd00::1]:80", "[fd00::2]:5"]] {
            let [ours, peers]: [SocketAddr; 2] = [ours, peers].map(|text| text.parse().unwrap());
            let numbered = Numbered::new(adieu_core::Flow::new(ours, peers), None);
            let quoted = quote([ours, peers], Range { start: 1, end: 1001, length: 1000 }, &numbered);
            let bytes = build(peers.ip(), ours.ip(), Says { kind: 3, code: 4, rest: 1200 }, &quoted);
            let datagram = Datagram::parse(&bytes).unwrap();
            assert_eq!((datagram.source, datagram.destination), (peers.ip(), ours.ip()));
            let mut sum = match ours {
                SocketAddr::V4(_) => checksum::Checksum::new(checksum::sum),
                SocketAddr::V6(_) => {
                    let length = datagram.body.len();
                    ip::pseudo_header(peers.ip(), ours.ip(), IpNumber::IPV6_ICMP, length, checksum::sum)
                }
            };
            sum.bytes(datagram.body);
            assert_eq!(sum.finish(), 0);
            assert_eq!(datagram.body[..8], [3, 4, datagram.body[2], datagram.body[3], 0, 0, 4, 0xb0]);
            let tcp = &quoted[ip::header_len(ours.ip())..];
            assert_eq!(tcp[..8], [0, 80, 0, 5, 0, 0, 0, 1]);
        }
    }
}
