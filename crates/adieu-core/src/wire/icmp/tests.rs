use core::net::Ipv6Addr;

use super::*;
use crate::wire::ip::{IPV4_HEADER, emit};

fn datagram(source: IpAddr, protocol: IpNumber, body: &[u8]) -> Datagram<'_> {
    Datagram { source, destination: source, protocol, body }
}

#[test]
fn an_echo_comes_back_with_its_data_and_nothing_else_is_answered() {
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    for (source, protocol, kinds) in
        [([10, 0, 0, 1].into(), IpNumber::ICMP, [8, 0]), (v6, IpNumber::IPV6_ICMP, [128, 129])]
    {
        let mut request = [kinds[0], 0, 0, 0, 0, 1, 0, 2, b'h', b'i'];
        let sum = checksum(&datagram(source, protocol, &request), &request);
        request[2..4].copy_from_slice(&sum.to_be_bytes());
        let reply = echo_reply(&datagram(source, protocol, &request)).unwrap();
        assert_eq!((reply[0], &reply[4..]), (kinds[1], &request[4..]));
        assert_eq!(checksum(&datagram(source, protocol, &reply), &reply), 0);
        assert!(echo_reply(&datagram(source, protocol, &reply)).is_none());
        request[9] ^= 1;
        assert!(echo_reply(&datagram(source, protocol, &request)).is_none());
        assert!(echo_reply(&datagram(source, protocol, &request[..7])).is_none());
    }
}

const SEQ: Seq = Seq(0x0102_0304);
const MESSAGE: usize = 8;

fn flows() -> [Flow; 2] {
    let v4 = Flow::v4([10, 0, 0, 1], 4000, [10, 0, 0, 2], 80);
    let address = |last| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last).into();
    [v4, Flow { local_address: address(1), remote_address: address(2), ..v4 }]
}

fn router(flow: &Flow) -> IpAddr {
    match flow.local_address {
        IpAddr::V4(_) => [10, 0, 0, 254].into(),
        IpAddr::V6(_) => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0xfe).into(),
    }
}

/// A packet of ours: an IP header, and as much of a segment as matters.
fn ours(flow: &Flow) -> Vec<u8> {
    let mut packet = vec![0; ip::header_len(flow.local_address)];
    emit(flow.local_address, flow.remote_address, TCP, 64, 20, &mut packet);
    packet.extend(flow.local_port.to_be_bytes());
    packet.extend(flow.remote_port.to_be_bytes());
    packet.extend(SEQ.0.to_be_bytes());
    packet.extend([0, 0, 0, 0, 0x50, 0x02, 0, 0, 0, 0, 0, 0]);
    packet
}

fn read(packet: &[u8]) -> Option<Trouble> {
    trouble(&Datagram::parse(packet).ok()?)
}

fn told(flow: &Flow, icmp_type: u8, code: u8, mtu: u32) -> Option<Trouble> {
    read(&about(icmp_type, code, mtu, router(flow), &ours(flow), 1000))
}

fn kind(flow: &Flow, icmp_type: u8, code: u8, mtu: u32) -> Option<Kind> {
    told(flow, icmp_type, code, mtu).map(|trouble| trouble.kind)
}

/// What a message says once its checksum is right.
fn read_summed(datagram: Datagram<'_>, message: &[u8]) -> Option<Trouble> {
    let mut body = Vec::from(message);
    body[2..4].fill(0);
    let sum = checksum(&datagram, &body);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    trouble(&Datagram { body: &body, ..datagram })
}

/// An unreachable port, about the first bytes of `quoted`.
fn unreachable_packet(flow: &Flow, quoted: &[u8], quote_len: usize) -> Vec<u8> {
    let (icmp_type, code) = if flow.local_address.is_ipv4() { (3, 3) } else { (1, 4) };
    about(icmp_type, code, 0, router(flow), quoted, quote_len)
}

fn unreachable(flow: &Flow, quoted: &[u8]) -> Option<Trouble> {
    read(&unreachable_packet(flow, quoted, quoted.len()))
}

#[test]
fn m54_an_error_names_the_connection_and_the_segment_it_is_about() {
    let [v4, v6] = flows();
    let trouble = |flow, length, icmp_type| Trouble { flow, seq: SEQ, length, kind: Kind::Hard, icmp_type, code: 3 };
    assert_eq!(told(&v4, 3, 3, 0), Some(trouble(v4, 40, 3)));
    assert_eq!(told(&v6, 1, 4, 0), Some(Trouble { code: 4, ..trouble(v6, 0, 1) }));
}

#[test]
fn eo_7_m56_s26_hard_and_soft_errors() {
    let [v4, v6] = flows();
    for code in 0..=255 {
        let expected = match code {
            2 | 3 => Kind::Hard,
            4 => Kind::TooBig { mtu: 0 },
            _ => Kind::Soft,
        };
        assert_eq!(kind(&v4, 3, code, 0), Some(expected), "unreachable {code}");
        let expected = if matches!(code, 1 | 4 | 5 | 6) { Kind::Hard } else { Kind::Soft };
        assert_eq!(kind(&v6, 1, code, 0), Some(expected), "v6 unreachable {code}");
    }
    for code in 0..3 {
        assert_eq!([kind(&v4, 11, code, 0), kind(&v4, 12, code, 0)], [Some(Kind::Soft); 2]);
        assert_eq!([kind(&v6, 3, code, 0), kind(&v6, 4, code, 0)], [Some(Kind::Soft); 2]);
    }
}

#[test]
fn m55_source_quench_and_what_is_no_error_say_nothing() {
    let [v4, v6] = flows();
    for icmp_type in (0..=255).filter(|icmp_type| ![3, 11, 12].contains(icmp_type)) {
        assert_eq!(told(&v4, icmp_type, 0, 0), None, "type {icmp_type}");
    }
    for icmp_type in (0..=255).filter(|icmp_type| !(1..=4).contains(icmp_type)) {
        assert_eq!(told(&v6, icmp_type, 0, 1500), None, "v6 type {icmp_type}");
    }
}

#[test]
fn x_pmtu_too_big_says_what_would_pass_within_what_links_carry() {
    let [v4, v6] = flows();
    let big = |mtu| Some(Kind::TooBig { mtu });
    for (said, meant) in [(0, 0), (1, 68), (67, 68), (68, 68), (1400, 1400), (65535, 65535)] {
        assert_eq!(kind(&v4, 3, 4, said), big(meant), "{said}");
    }
    for (said, meant) in [(0, None), (1279, None), (1280, big(1280)), (1400, big(1400)), (1 << 20, big(1 << 20))] {
        assert_eq!([kind(&v6, 2, 0, said), kind(&v6, 2, 1, said)], [meant; 2], "{said}");
    }
    // Before RFC 1191 the upper half of the word was unused, too: only the lower one is the MTU.
    assert_eq!(kind(&v4, 3, 4, 0xffff_0000 | 1400), big(1400));
}

#[test]
fn x_pmtu_without_an_mtu_the_next_lower_common_one_is_tried() {
    let steps: Vec<u16> = core::iter::successors(Some(u16::MAX), |mtu| Some(next_lower_mtu(*mtu))).take(12).collect();
    assert_eq!(steps, [65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68, 68]);
    assert_eq!([1500, 1493, 1492, 69, 68, 0].map(next_lower_mtu), [1492, 1492, 1006, 68, 68, 68]);
}

#[test]
fn x_icmp_a_wrong_checksum_says_nothing() {
    for flow in flows() {
        let packet = unreachable_packet(&flow, &ours(&flow), 1000);
        let start = ip::header_len(flow.local_address);
        for bit in start * 8..packet.len() * 8 {
            let mut broken = packet.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&broken), None, "bit {bit}");
        }
    }
}

#[test]
fn x_icmp_eight_bytes_of_the_segment_are_enough_and_every_shorter_quote_says_nothing() {
    for flow in flows() {
        let (packet, header) = (ours(&flow), ip::header_len(flow.local_address));
        for length in 0..=packet.len() {
            let found = read(&unreachable_packet(&flow, &packet, length));
            assert_eq!(found.is_some(), length >= header + 8, "{length} bytes");
        }
    }
}

#[test]
fn x_icmp_every_truncation_and_any_garbage_is_survived() {
    for flow in flows() {
        let packet = unreachable_packet(&flow, &ours(&flow), 1000);
        let whole = Datagram::parse(&packet).unwrap();
        for length in 0..whole.body.len() {
            let found = trouble(&Datagram { body: &whole.body[..length], ..whole });
            let enough = MESSAGE + ip::header_len(flow.local_address) + 8;
            assert!(found.is_none() || length >= enough, "{length} bytes"); // The sum of cut zeros is the same.
        }
        // Every byte of the quote takes every value, under a right checksum.
        for at in 0..whole.body.len() - MESSAGE {
            for value in 0..=255 {
                let mut quoted = ours(&flow);
                quoted[at] = value;
                let _ = unreachable(&flow, &quoted);
                let mut body = Vec::from(whole.body);
                body[MESSAGE + at] = value;
                if let Some(found) = read_summed(whole, &body) {
                    assert_eq!(found.flow.local_address, flow.local_address);
                }
            }
        }
    }
}

#[test]
fn x_icmp_options_in_the_quoted_header_are_passed_over() {
    let flow = flows()[0];
    let plain = ours(&flow);
    for words in 1..=10 {
        let mut quoted = Vec::from(&plain[..IPV4_HEADER]);
        quoted[0] = 0x45 + u8::try_from(words).unwrap();
        quoted.extend(vec![1; words * 4]);
        quoted.extend(&plain[IPV4_HEADER..]);
        assert_eq!(unreachable(&flow, &quoted).map(|trouble| (trouble.flow, trouble.seq)), Some((flow, SEQ)));
        assert_eq!(unreachable(&flow, &quoted[..IPV4_HEADER + words * 4 + 7]), None);
    }
}

#[test]
fn x_icmp_a_quote_that_is_no_first_piece_of_a_segment_of_ours_says_nothing() {
    let [v4, v6] = flows();
    let changed = |flow: &Flow, at: usize, value: u8| {
        let mut quoted = ours(flow);
        quoted[at] = value;
        unreachable(flow, &quoted)
    };
    assert!(changed(&v4, 6, 0x20).is_some(), "the first fragment has the header");
    assert_eq!([changed(&v4, 6, 0x01), changed(&v4, 7, 1), changed(&v4, 6, 0x60 | 0x1f)], [None; 3], "later fragments");
    assert_eq!([changed(&v4, 9, 17), changed(&v6, 6, 17)], [None; 2], "not TCP");
    for extension in [0, 43, 44, 50, 51, 59, 60, 135] {
        assert_eq!(changed(&v6, 6, extension), None, "extension header {extension}");
    }
    assert_eq!([changed(&v4, 0, 0x44), changed(&v4, 0, 0x65), changed(&v6, 0, 0x40)], [None; 3], "no such header");
    // Sent to another address than the segment came from, and quoted from the other IP version.
    for (flow, other) in [(v4, v6), (v6, v4)] {
        let packet = unreachable_packet(&flow, &ours(&flow), 1000);
        let whole = Datagram::parse(&packet).unwrap();
        assert!(read_summed(whole, whole.body).is_some());
        let foreign = [&whole.body[..MESSAGE], &ours(&other)].concat();
        assert_eq!(read_summed(whole, &foreign), None);
        assert_eq!(read_summed(Datagram { destination: flow.remote_address, ..whole }, whole.body), None);
    }
}

#[test]
fn an_error_about_no_packet_of_the_routers_version_is_none() {
    let [v4, v6] = flows();
    assert!(about(3, 3, 0, router(&v4), &ours(&v6), 1000).is_empty());
    assert!(about(1, 4, 0, router(&v6), &ours(&v4), 1000).is_empty());
    assert!(about(3, 3, 0, router(&v4), &[], 0).is_empty());
}
