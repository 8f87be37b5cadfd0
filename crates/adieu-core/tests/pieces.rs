//! Datagrams in pieces, and headers between IPv6 and TCP (X-CONS; RFC 1122 section 3.3.2, RFC 8200 section 4, RFC 8504
//! section 5.3).

mod script;

use adieu_core::wire::ip::{CE, ECT_0, ecn_bits, mark};
use adieu_core::{Config, Ecn, Stats};
use proptest::prelude::*;
use script::{Script, bytes, config, secs, seg};

/// Cuts an IPv4 packet behind these octets of its body, each a multiple of eight.
fn cut(packet: &[u8], id: u16, at: &[usize]) -> Vec<Vec<u8>> {
    let body = &packet[20..];
    let ends: Vec<usize> = at.iter().copied().chain([body.len()]).collect();
    let starts = [0].into_iter().chain(at.iter().copied());
    starts.zip(&ends).map(|(start, end)| piece(packet, id, start, &body[start..*end], *end < body.len())).collect()
}

/// A piece of an IPv4 packet.
fn piece(like: &[u8], id: u16, offset: usize, body: &[u8], more: bool) -> Vec<u8> {
    let mut packet = like[..20].to_vec();
    packet.extend_from_slice(body);
    let length = u16::try_from(packet.len()).unwrap();
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    let word = u16::try_from(offset / 8).unwrap() | if more { 0x2000 } else { 0 };
    packet[6..8].copy_from_slice(&word.to_be_bytes());
    mark(&mut packet, 0, None); // Its checksum.
    packet
}

fn established(config: Config) -> (Script, Vec<u8>) {
    let s = Script::established_with(config);
    let packet = seg().seq(1).ack(1).data(&bytes(2000)).packet(&s.flow, s.iss, s.irs);
    (s, packet)
}

fn unread(s: &Script) -> u64 {
    s.stack.unread(s.id())
}

fn stats(s: &Script) -> Stats {
    s.stack.stats()
}

/// RFC 1122 section 3.3.2 (X-CONS): pieces in any order, and twice, make the whole, once.
#[test]
fn x_cons_pieces_in_any_order_make_the_whole() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let (mut s, packet) = established(config());
        let pieces = cut(&packet, 7, &[8, 1000]);
        for at in order {
            assert_eq!(unread(&s), 0);
            s.send_raw(&pieces[at]);
            if at != order[2] {
                s.send_raw(&pieces[at]);
            }
        }
        assert_eq!(s.read_all().0, bytes(2000), "{order:?}");
        let counts = stats(&s);
        assert_eq!((counts.fragments, counts.reassembled, counts.fragments_dropped), (5, 1, 0));
        assert_eq!(counts.malformed + counts.bad_checksum, 0);
    }
}

/// RFC 5722: pieces that overlap make nothing, nor do those that disagree about the end; what comes after begins anew.
#[test]
fn x_cons_pieces_that_overlap_make_nothing() {
    let (fresh, packet) = established(config());
    let body = &packet[20..];
    let pieces = cut(&packet, 7, &[1000]);
    for (offset, len, more) in [(992, 16, true), (0, 8, true), (992, 1028, false), (1000, 8, false), (1008, 8, true)] {
        let mut s = fresh.clone();
        let odd = piece(&packet, 7, offset, &body[offset..offset + len], more);
        s.send_raw(&pieces[0]);
        s.send_raw(&piece(&packet, 7, 1008, &body[1008..], false));
        s.send_raw(&odd);
        assert_eq!((unread(&s), stats(&s).fragments_dropped), (0, 1), "{offset} {len}");
        for piece in &pieces {
            s.send_raw(piece);
        }
        assert_eq!(unread(&s), 2000, "anew");
    }
    // The same place with other octets.
    let mut s = fresh;
    let mut forged = pieces[0].clone();
    forged[100] ^= 1;
    s.send_raw(&forged);
    s.send_raw(&pieces[0]);
    s.send_raw(&pieces[1]);
    assert_eq!(unread(&s), 0);
}

/// X-CONS: what waits for its rest is bounded in octets and in time, the oldest gives way, and what is not for us does
/// not wait at all.
#[test]
fn x_cons_pieces_wait_within_bounds() {
    for most in [0_u32, 2999, 16 * 1024] {
        let (mut s, packet) = established(Config { fragments: most, ..config() });
        let first: Vec<Vec<u8>> = (0..100).map(|id| cut(&packet, id, &[1976]).swap_remove(0)).collect();
        first.iter().for_each(|piece| s.send_raw(piece));
        let kept = u64::from(most) / (1976 + 1024);
        assert_eq!(stats(&s).fragments_dropped, 100 - kept, "{most}");
        for id in (0..100).rev() {
            s.send_raw(&cut(&packet, id, &[1976]).swap_remove(1));
        }
        assert_eq!(stats(&s).reassembled, kept);
    }
    let (mut s, packet) = established(config());
    let pieces = cut(&packet, 7, &[1000]);
    s.send_raw(&pieces[0]);
    s.advance(secs(59));
    let mut in_time = s.clone();
    in_time.send_raw(&pieces[1]);
    assert_eq!(unread(&in_time), 2000);
    s.advance(secs(1));
    assert_eq!(stats(&s).fragments_dropped, 1);
    s.send_raw(&pieces[1]);
    assert_eq!(unread(&s), 0);
    let mut stranger = pieces[0].clone();
    stranger[19] = 77;
    mark(&mut stranger, 0, None);
    s.send_raw(&stranger);
    assert_eq!((stats(&s).fragments, stats(&s).fragments_dropped), (2, 2));
    s.finish();
}

/// X-CONS: no more than 128 pieces of one datagram are kept, whoever cuts finer.
#[test]
fn x_cons_crumbs_are_no_pieces() {
    for (count, whole) in [(128, true), (129, false)] {
        let mut s = Script::established_with(config());
        let data = bytes(count * 8 - 20);
        let packet = seg().seq(1).ack(1).data(&data).packet(&s.flow, s.iss, s.irs);
        let at: Vec<usize> = (1..count).map(|n| n * 8).collect();
        cut(&packet, 7, &at).iter().for_each(|piece| s.send_raw(piece));
        assert_eq!(unread(&s) > 0, whole, "{count}");
    }
}

/// B-ECN (RFC 3168 section 5.3): a mark on one piece is one on the whole.
#[test]
fn b_ecn_a_marked_piece_marks_the_whole() {
    for marked in [false, true] {
        let mut s = Script::with(Config { ecn: Ecn::Ask, ..config() }, 7_000_000, script::START);
        s.connect();
        s.learn_iss();
        s.send(seg().syn().ack(1).flag(adieu_core::wire::Flags::ECE).win(60_000));
        s.take();
        let packet = seg().seq(1).ack(1).data(&bytes(2000)).ecn(ECT_0).packet(&s.flow, s.iss, s.irs);
        let mut pieces = cut(&packet, 7, &[1000]);
        if marked {
            mark(&mut pieces[1], CE, None);
        }
        assert_eq!(ecn_bits(&pieces[0]), ECT_0);
        pieces.iter().for_each(|piece| s.send_raw(piece));
        assert_eq!((unread(&s), s.info().marks_received), (2000, u32::from(marked)));
    }
}

// ---- IPv6 --------------------------------------------------------------------------------------------------------

const HOP: u8 = 0;
const ROUTE: u8 = 43;
const CUT: u8 = 44;
const NONE: u8 = 59;
const OPTIONS: u8 = 60;
const TCP: u8 = 6;

/// An IPv6 packet with these headers in between, each of a kind, its own first octet left out.
fn with_headers(packet: &[u8], headers: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = packet[..40].to_vec();
    let kinds = headers.iter().map(|header| header.0).chain([TCP]);
    let mut next = kinds.clone().skip(1);
    out[6] = kinds.clone().next().unwrap();
    for (_, rest) in headers {
        out.push(next.next().unwrap());
        out.extend(rest);
    }
    out.extend_from_slice(&packet[40..]);
    let length = u16::try_from(out.len() - 40).unwrap();
    out[4..6].copy_from_slice(&length.to_be_bytes());
    out
}

/// Options of eight octets in all.
fn options(kind: u8, bytes: [u8; 6]) -> (u8, Vec<u8>) {
    (kind, [&[0][..], &bytes].concat())
}

fn padded(kind: u8) -> (u8, Vec<u8>) {
    options(kind, [1, 4, 0, 0, 0, 0])
}

fn over_ipv6() -> (Script, Vec<u8>) {
    let s = Script::established_over_ipv6(config());
    let packet = seg().seq(1).ack(1).data(&bytes(100)).packet(&s.flow, s.iss, s.irs);
    (s, packet)
}

/// X-CONS: hop-by-hop options, a routing header that has arrived, options for the destination, and a fragment header
/// that cuts nothing (RFC 6946) are skipped.
#[test]
fn x_cons_headers_that_may_be_skipped_are() {
    let route = |left: u8| (ROUTE, vec![0, 4, left, 0, 0, 0, 0]);
    let atomic = (CUT, vec![0, 0, 0, 1, 2, 3, 4]);
    let unknown = options(OPTIONS, [0x3e, 4, 9, 9, 9, 9]);
    for headers in [
        vec![],
        vec![padded(HOP)],
        vec![padded(OPTIONS)],
        vec![unknown.clone()],
        vec![options(HOP, [0, 0, 0, 0, 0, 0])],
        vec![route(0)],
        vec![atomic.clone()],
        vec![padded(HOP), padded(OPTIONS), route(0), atomic, unknown],
        vec![padded(OPTIONS); 8],
    ] {
        let (mut s, packet) = over_ipv6();
        s.send_raw(&with_headers(&packet, &headers));
        assert_eq!(unread(&s), 100, "{headers:?}");
        assert_eq!(stats(&s).headers_refused, 0);
    }
}

/// X-CONS: what may not be skipped drops the packet, is counted, and draws nothing.
#[test]
fn x_cons_headers_that_may_not_be_skipped_are_counted() {
    let route = |left: u8| (ROUTE, vec![0, 4, left, 0, 0, 0, 0]);
    for headers in [
        vec![route(1)],
        vec![route(255)],
        vec![padded(OPTIONS), padded(HOP)],
        vec![padded(HOP), padded(HOP)],
        vec![options(OPTIONS, [0x7e, 4, 9, 9, 9, 9])],
        vec![options(OPTIONS, [0xbe, 4, 9, 9, 9, 9])],
        vec![options(HOP, [0xfe, 4, 9, 9, 9, 9])],
        vec![(OPTIONS, [vec![2], [0x1e, 0].repeat(9), vec![1, 2, 0, 0]].concat())],
        vec![padded(OPTIONS); 9],
    ] {
        let (mut s, packet) = over_ipv6();
        s.send_raw(&with_headers(&packet, &headers));
        assert_eq!((unread(&s), stats(&s).headers_refused), (0, 1), "{headers:?}");
        s.expect_nothing();
    }
    for kind in [NONE, 50, 51, 17, 135, 253] {
        let (mut s, packet) = over_ipv6();
        s.send_raw(&with_headers(&packet, &[(kind, vec![0; 7])]));
        assert_eq!((unread(&s), stats(&s).malformed), (0, 1), "{kind}");
        s.expect_nothing();
    }
}

/// X-CONS: a chain that ends in the middle of a header, or says it is longer than the packet.
#[test]
fn x_cons_chains_that_are_cut_short_are_malformed() {
    let (fresh, packet) = over_ipv6();
    let headers = [padded(HOP), (ROUTE, vec![0, 4, 0, 0, 0, 0, 0]), padded(OPTIONS), (CUT, vec![0, 0, 0, 1, 2, 3, 4])];
    let whole = with_headers(&packet, &headers);
    for length in 40..40 + 4 * 8 {
        let mut s = fresh.clone();
        let mut short = whole[..length].to_vec();
        short[4..6].copy_from_slice(&u16::try_from(length - 40).unwrap().to_be_bytes());
        s.send_raw(&short);
        assert_eq!((unread(&s), stats(&s).malformed), (0, 1), "{length}");
    }
    for (header, units) in [(0, 255), (1, 200), (2, 20)] {
        let mut s = fresh.clone();
        let mut long = whole.clone();
        long[40 + header * 8 + 1] = units;
        s.send_raw(&long);
        assert_eq!((unread(&s), stats(&s).malformed), (0, 1), "{header} {units}");
    }
    let mut s = fresh;
    s.send_raw(&with_headers(&packet, &[options(OPTIONS, [0x1e, 5, 0, 0, 0, 0])]));
    assert_eq!((unread(&s), stats(&s).malformed), (0, 1), "an option longer than its header");
}

/// X-CONS: pieces over IPv6, behind other headers and with others within.
#[test]
fn x_cons_pieces_over_ipv6() {
    let (mut s, packet) = over_ipv6();
    let within = with_headers(&packet, &[padded(OPTIONS)]);
    let body = &within[40..];
    let piece = |start: usize, end: usize| {
        let word = u16::try_from(start).unwrap() | u16::from(end < body.len());
        let mut out = packet[..40].to_vec();
        out[6] = HOP;
        out.extend([CUT, 0, 1, 4, 0, 0, 0, 0]);
        out.extend([OPTIONS, 0]);
        out.extend(word.to_be_bytes());
        out.extend([0, 0, 0, 9]);
        out.extend_from_slice(&body[start..end]);
        let length = u16::try_from(out.len() - 40).unwrap();
        out[4..6].copy_from_slice(&length.to_be_bytes());
        out
    };
    s.send_raw(&piece(64, body.len()));
    s.send_raw(&piece(0, 32));
    assert_eq!(unread(&s), 0);
    s.send_raw(&piece(32, 64));
    assert_eq!((s.read_all().0, stats(&s).reassembled), (bytes(100), 1));
    // A piece of nothing: not a multiple of eight, and beyond the largest datagram.
    let before = stats(&s).fragments_dropped;
    s.send_raw(&piece(0, 31));
    let mut far = piece(32, 64);
    far[50..52].copy_from_slice(&(0xfff8_u16 | 1).to_be_bytes());
    s.send_raw(&far);
    assert_eq!(stats(&s).fragments_dropped, before + 2);
}

fn kind() -> impl Strategy<Value = u8> {
    prop_oneof![Just(HOP), Just(ROUTE), Just(CUT), Just(OPTIONS), any::<u8>()]
}

proptest! {
    /// X-CONS: no chain of headers, and no piece, panics or goes on for ever; nothing is answered that is not TCP.
    #[test]
    fn x_cons_any_chain_ends(
        kinds in prop::collection::vec(kind(), 0..20),
        noise in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (mut s, packet) = over_ipv6();
        let mut noise = noise.into_iter().cycle();
        let headers: Vec<(u8, Vec<u8>)> = kinds
            .into_iter()
            .map(|kind| (kind, std::iter::once(0).chain((0..6).map(|_| noise.next().unwrap_or(0))).collect()))
            .collect();
        s.send_raw(&with_headers(&packet, &headers));
        let counts = stats(&s);
        let sum = counts.malformed + counts.headers_refused + counts.fragments + counts.fragments_dropped;
        // A header that is called TCP or ICMPv6 is read as that, and says nothing.
        let other = headers.iter().any(|header| [TCP, 58].contains(&header.0));
        prop_assert!(sum > 0 || unread(&s) == 100 || other, "{counts:?}");
    }
}
