//! Rows of RFC 9293's numbered list that are about headers and addresses.

mod script;

use std::net::{IpAddr, SocketAddr};

use adieu_core::{Config, ConnectError, Flow, State};
use script::{MSS, OUR_PORT, PEER, PEER_PORT, START, Script, Seen, US, bytes, config, secs, seg};

/// The checksum as RFC 9293 section 3.1 writes it down: 16 bits at a time, and the carries added at the end.
fn reference(packet: &[u8]) -> u16 {
    let v6 = packet[0] >> 4 == 6;
    let (addresses, tcp) = if v6 { (&packet[8..40], &packet[40..]) } else { (&packet[12..20], &packet[20..]) };
    let mut pseudo = addresses.to_vec();
    pseudo.extend(u32::try_from(tcp.len()).unwrap().to_be_bytes());
    pseudo.extend(6u32.to_be_bytes());
    let mut all = pseudo;
    let field = all.len() + 16;
    all.extend_from_slice(tcp);
    all[field..field + 2].fill(0);
    all.resize(all.len().next_multiple_of(2), 0);
    let mut sum: u64 = all.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(pair[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

fn header_of(packet: &[u8]) -> &[u8] {
    let tcp = &packet[if packet[0] >> 4 == 6 { 40 } else { 20 }..];
    &tcp[..usize::from(tcp[12] >> 4) * 4]
}

/// All that a connection sends: data of every length, a FIN, acknowledgments.
fn a_life(mut s: Script) -> Vec<Seen> {
    let mut next = 1;
    let mut all = Vec::new();
    for len in (1..60).chain([MSS - 1, MSS, 3000]) {
        s.write(&bytes(len));
        next += i32::try_from(len).unwrap();
        s.send(seg().seq(1).ack(next));
        all.extend(s.take());
    }
    s.send(seg().seq(1).ack(next).data(b"odd"));
    s.advance(secs(1));
    s.shut_down();
    s.send(seg().seq(4).ack(next + 1).fin());
    all.extend(s.take());
    assert_eq!(s.state(), State::TimeWait);
    all
}

#[test]
fn m2_every_checksum_is_the_references() {
    for s in [Script::established_passive(), Script::established_over_ipv6(config())] {
        let sent = a_life(s);
        assert!(sent.len() > 60);
        for seen in sent {
            let tcp = if seen.packet[0] >> 4 == 6 { 40 } else { 20 };
            let field = u16::from_be_bytes([seen.packet[tcp + 16], seen.packet[tcp + 17]]);
            assert_eq!(field, reference(&seen.packet), "{seen:?}");
        }
    }
}

/// Options are followed by nothing but zeroes, wherever they end; what is reserved is zero, and so is the pointer
/// without URG.
#[test]
fn m69_headers_are_padded_with_zeroes() {
    for n in 0..8 {
        let config = Config { timestamps: n & 1 > 0, window_scaling: n & 2 > 0, selective_acks: n & 4 > 0, ..config() };
        let mut s = Script::with(config, 7_000_000, START);
        s.connect();
        let seen = s.take_one();
        let header = header_of(&seen.packet);
        assert_eq!((header[12] & 0x0f, &header[18..20]), (0, &[0, 0][..]));
        let mut rest = &header[20..];
        while let [kind, tail @ ..] = rest {
            match kind {
                0 => {
                    assert!(tail.iter().all(|byte| *byte == 0), "padding: {header:?}");
                    break;
                }
                1 => rest = tail,
                _ => rest = &rest[usize::from(tail[0])..],
            }
        }
    }
}

/// M14, S5, Y3: in every SYN and SYN-ACK, over IPv4 and over IPv6, whatever the value.
#[test]
fn s5_y3_the_mss_is_always_announced() {
    for (mtu, expected) in [(576, 536), (1280, 1240), (1500, 1460), (9000, 8960)] {
        let config = Config { mtu, ..config() };
        let mut s = Script::with(config.clone(), 7_000_000, START);
        s.connect();
        assert_eq!(s.take_one().mss, Some(expected));
        let mut s = Script::with(config, 7_000_000, START);
        s.listen();
        s.send(seg().syn());
        assert_eq!(s.take_one().mss, Some(expected));
    }
}

/// S6: the device may have become narrower: what is announced is what it carries now.
#[test]
fn s6_the_mss_follows_the_device() {
    let mut s = Script::new();
    s.stack.reconfigure(|config| config.mtu = 1000);
    s.connect();
    assert_eq!(s.take_one().mss, Some(960));
}

#[test]
fn m43_m44_the_source_address_is_the_one_asked_for_or_ours() {
    let second = IpAddr::from([10, 0, 0, 9]);
    let config = Config { addresses: vec![US.into(), second], ..config() };
    let remote = SocketAddr::from((PEER, PEER_PORT));
    for local in [IpAddr::from(US), second] {
        let mut s = Script::with(config.clone(), 7_000_000, START);
        let handle = s.stack.connect(s.now, Some(SocketAddr::new(local, 0)), remote).unwrap();
        assert_eq!(s.stack.flow(handle).unwrap().local_address, local);
        let packet = s.stack.poll_transmit(s.now).unwrap().to_vec();
        assert_eq!(IpAddr::from(<[u8; 4]>::try_from(&packet[12..16]).unwrap()), local);
    }
    let mut s = Script::with(config, 7_000_000, START);
    let handle = s.stack.connect(s.now, None, remote).unwrap();
    assert!(s.stack.config().addresses.contains(&s.stack.flow(handle).unwrap().local_address));
    let foreign = SocketAddr::from(([10, 0, 0, 77], 0));
    assert!(s.stack.connect(s.now, Some(foreign), remote).is_err());
}

/// M45: who was called at one of our addresses is answered from it, for as long as the connection lives.
#[test]
fn m45_a_passive_connection_keeps_the_address_it_was_called_at() {
    let second = [10, 0, 0, 9];
    let mut s = Script::with(Config { addresses: vec![US.into(), second.into()], ..config() }, 7_000_000, START);
    s.flow = Flow::v4(second, OUR_PORT, PEER, PEER_PORT);
    s.listener = Some(s.stack.listen(SocketAddr::from(([0, 0, 0, 0], OUR_PORT))).unwrap());
    s.send(seg().syn().mss(1460));
    s.learn_iss();
    let mut s = s.into_established();
    s.write(b"from there");
    s.expect_only(seg().seq(1).ack(1).data(b"from there"));
    s.advance(secs(1));
    s.close();
    let sent = s.take();
    assert!(!sent.is_empty() && s.for_others == 0);
    assert!(sent.iter().all(|seen| seen.packet[12..16] == second));
}

#[test]
fn m46_nobody_connects_to_many() {
    let mut s = Script::new();
    for address in ["255.255.255.255", "224.0.0.1", "239.255.255.255", "0.0.0.0", "ff02::1", "ff0e::1", "::"] {
        let remote = SocketAddr::new(address.parse().unwrap(), 80);
        assert!(matches!(s.stack.connect(s.now, None, remote), Err(ConnectError::NotAHost(_))), "{address}");
    }
    s.poll();
    s.expect_nothing();
    s.finish();
}

/// RS-2: neither the SYN that a listener would take, nor what a responder would answer.
#[test]
fn m57_m63_what_goes_to_many_or_comes_from_nobody_is_dropped() {
    let nobody = [[0, 0, 0, 0], [255, 255, 255, 255], [224, 0, 0, 1], [239, 1, 2, 3], US];
    let many = [[255, 255, 255, 255], [224, 0, 0, 1], [239, 1, 2, 3], [0, 0, 0, 0]];
    let flows = nobody.map(|from| Flow::v4(US, OUR_PORT, from, PEER_PORT));
    let flows = flows.into_iter().chain(many.map(|to| Flow::v4(to, OUR_PORT, PEER, PEER_PORT)));
    for (flow, port) in flows.flat_map(|flow| [(flow, OUR_PORT), (flow, 9999)]) {
        let mut s = Script::new();
        s.listen();
        s.flow = Flow { local_port: port, ..flow };
        for segment in [seg().syn(), seg().seq(1).ack(1), seg().seq(1).ack(1).data(b"x").fin()] {
            s.inject(&segment);
            assert!(s.stack.poll_transmit(s.now).is_none(), "{flow:?}");
        }
        assert_eq!(s.stack.leftover().openings, 0);
    }
}

/// M48, S21, S22: on everything the connection sends, and changed while it lives.
#[test]
fn m48_s21_s22_the_code_point_is_the_applications() {
    for dscp in [0, 1, 10, 46, 63] {
        let mut s = Script::established_passive();
        s.set(|settings| settings.dscp = dscp);
        s.write(b"x");
        assert_eq!(s.take_one().packet[1] >> 2, dscp);
        s.set(|settings| settings.dscp = 63 - dscp);
        s.write(b"y");
        s.send(seg().seq(1).ack(2));
        s.shut_down();
        s.send(seg().seq(1).ack(3).data(b"in order"));
        s.advance(secs(1));
        let sent = s.take();
        assert!(!sent.is_empty() && sent.iter().all(|seen| seen.packet[1] >> 2 == 63 - dscp), "{sent:?}");
    }
    let mut s = Script::established_over_ipv6(config());
    s.set(|settings| settings.dscp = 46);
    s.write(b"x");
    let packet = s.take_one().packet;
    assert_eq!((packet[0] & 0x0f) << 2 | packet[1] >> 6, 46);
}

#[test]
fn m49_the_time_to_live_is_configured() {
    for ttl in [1, 64, 255] {
        let mut s = Script::established_with(Config { ttl, ..config() });
        s.write(b"x");
        assert_eq!(s.take_one().packet[8], ttl);
        s.abort();
        assert_eq!(s.take_one().packet[8], ttl, "RST");
        let mut s = Script::established_over_ipv6(Config { ttl, ..config() });
        s.write(b"x");
        assert_eq!(s.take_one().packet[7], ttl);
    }
}

/// Every kind of option the IP header can carry, known or not.
#[test]
fn m50_unknown_ip_options_are_passed_over() {
    for kind in 2..=255u8 {
        let mut s = Script::established_passive();
        let plain = seg().seq(1).ack(1).data(b"abc").packet(&s.flow, s.iss, s.irs);
        let mut packet = plain[..20].to_vec();
        packet[0] = 0x47;
        packet[2..4].copy_from_slice(&u16::try_from(plain.len() + 8).unwrap().to_be_bytes());
        packet.extend([kind, 7, 4, 10, 0, 0, 3, 0]);
        packet[10..12].fill(0);
        let sum: u32 = packet.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend_from_slice(&plain[20..]);
        s.send_raw(&packet);
        assert_eq!(s.read_all().0, b"abc", "kind {kind}");
    }
}

/// REC-1, M1: windows above 2^15 and above 2^16 are whole.
#[test]
fn rec_1_a_window_needs_more_than_16_bits() {
    let mut s = Script::established_with_extensions(Config { receive_buffer: 1 << 20, ..config() }, 1);
    s.send(seg().seq(1).ack(1).win(0xffff).options(&script::stamps(2, 0)));
    assert_eq!(s.info().send_window, 0xffff << 7);
    s.send(seg().seq(1).ack(1).data(b"x").options(&script::stamps(3, 0)));
    s.advance(secs(1));
    assert!(s.info().recv_window > 1 << 17, "{}", s.info().recv_window);
    let mut s = Script::established_passive();
    s.send(seg().seq(1).ack(1).win(0x8000));
    assert_eq!(s.info().send_window, 0x8000);
}
