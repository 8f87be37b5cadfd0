//! Attacks of part 3, with their work counted: what an enemy sends costs him more than us, and changes nothing.

mod script;

use std::net::IpAddr;

use adieu_core::wire::{Packet, icmp};
use adieu_core::{Config, State};
use script::states::SYNCHRONIZED;
use script::{MSS, PEER, Script, Seen, bytes, config, ms, secs, seg, stamps};

const M: i32 = 1460;

fn roomy() -> Config {
    Config { receive_buffer: 1 << 19, send_buffer: 1 << 20, ..config() }
}

// ---- 3.18: pieces out of order -------------------------------------------------------------------------------------

/// 64 Ki gaps of one byte, in order and in reverse: at most so many pieces are kept as was agreed, each segment draws
/// at most one answer, and the stream is whole in the end.
#[test]
fn x_3_18_gaps_of_one_byte_cost_what_was_agreed() {
    for reverse in [false, true] {
        let mut s = Script::established_with_extensions(roomy(), 1);
        s.send(seg().seq(1).ack(1).data(b"x").options(&stamps(2, 0)));
        s.advance(secs(1));
        s.take();
        for n in 0..65_536 {
            let n = if reverse { 65_535 - n } else { n };
            s.send(seg().seq(4 + 2 * n).ack(1).data(b"p").options(&stamps(3, 0)));
            assert!(s.take().len() <= 1);
        }
        assert!(s.stack.leftover().bytes <= 1 + 1024, "{}", s.stack.leftover().bytes);
        s.send(seg().seq(2).ack(1).data(&[7; 1000]).options(&stamps(3, 0)));
        assert!(s.read_all().0.len() >= 1001);
        s.abort();
        s.take();
        assert_eq!(s.stack.leftover().bytes, 0);
    }
}

/// One below the limit, at it, one above, and ten times as many.
#[test]
fn x_3_18_the_limit_of_pieces_is_the_limit() {
    for (sent, kept) in [(15, 15), (16, 16), (17, 16), (160, 16)] {
        let mut s = Script::established_with(Config { reassembly_pieces: 16, ..config() });
        for n in 0..sent {
            s.send(seg().seq(3 + 2 * n).ack(1).data(b"p"));
        }
        assert_eq!(s.stack.leftover().bytes, kept, "{sent} pieces");
    }
}

// ---- 3.19: selective acknowledgments and tiny segments -------------------------------------------------------------

fn blocks(stamp: u32, edges: &[(i32, i32)], s: &Script) -> Vec<u8> {
    let mut option = stamps(stamp, 0);
    option.extend([1, 1, 5, u8::try_from(2 + 8 * edges.len()).unwrap()]);
    for (start, end) in edges {
        for edge in [start, end] {
            option.extend(s.iss.0.wrapping_add_signed(*edge).to_be_bytes());
        }
    }
    option
}

/// A connection to a peer of this MSS with as much under way as it can get.
fn with_much_under_way(mss: u16) -> (Script, i32, i32) {
    let mut s = Script::with(roomy(), 7_000_000, script::START);
    s.listen();
    let mut options = vec![2, 4];
    options.extend(mss.to_be_bytes());
    options.extend([3, 3, 7, 1, 4, 2, 1, 1]);
    options.extend(stamps(1, 0));
    s.send(seg().syn().options(&options));
    s.learn_iss();
    s.send(seg().seq(1).ack(1).options(&stamps(1, 0)));
    assert!(s.accept());
    let data = bytes(1 << 18);
    let (mut acked, mut end) = (1, 1);
    for stamp in 2..14 {
        acked = end;
        s.send(seg().seq(1).ack(acked).options(&stamps(stamp, 0)));
        while s.stack.write(s.now, s.id(), &data).is_ok_and(|taken| taken > 0) {}
        s.poll();
        end = s.take().iter().map(|seen| seen.seq + i32::try_from(seen.data.len()).unwrap()).max().unwrap_or(end);
    }
    (s, acked, end)
}

/// Every second byte of the flight is reported, then every second segment, from both ends; steps for one
/// acknowledgment stay far below what is under way in bytes.
#[test]
fn x_3_19_a_flight_cut_into_thousands_of_runs() {
    for (mss, step, width) in [(1460, 2, 1), (1460, 2920, 1460), (100, 2, 1), (100, 176, 88), (1, 7, 3)] {
        let (mut s, una, end) = with_much_under_way(mss);
        assert!(end - una > 3_000, "mss {mss}: {una}..{end}");
        let segments = s.info().unacked;
        for n in 0..(end - una) / (3 * step) {
            let at = una + 1 + n * 3 * step;
            let edges = [0, 1, 2].map(|n| (at + n * step, at + n * step + width));
            let option = blocks(50, &edges, &s);
            s.send(seg().seq(1).ack(una).options(&option));
            s.take();
        }
        let info = s.info();
        let most = info.most_steps;
        assert!(most <= 4 * segments.max(1024), "mss {mss}, every {step}: {most} steps for {segments} segments");
        assert_eq!(s.ending(), None);
        s.send(seg().seq(1).ack(end).options(&stamps(60, 0)));
        assert_eq!(s.info().sacked, 0);
    }
}

/// Blocks that make no sense: reversed, empty, outside the flight, half the number space long.
#[test]
fn x_3_19_nonsense_in_blocks_is_passed_over() {
    let (mut s, una, end) = with_much_under_way(1460);
    let nonsense = [
        (una + 3000, una + 1000),
        (una + 5, una + 5),
        (end, end + 1000),
        (una - 5000, una - 4000),
        (una + 1, i32::MIN + una),
        (una + 1460, end + 1),
        (i32::MIN, i32::MAX),
    ];
    for (n, edge) in nonsense.into_iter().cycle().take(70).enumerate() {
        let option = blocks(50, &[edge, nonsense[n % 5], nonsense[(n + 2) % 7]], &s);
        s.send(seg().seq(1).ack(una).options(&option));
        s.take();
        assert_eq!(s.info().sacked, 0, "{n}: {edge:?} of {una}..{end}");
    }
    assert_eq!(s.ending(), None);
    s.send(seg().seq(1).ack(end).options(&stamps(60, 0)));
    assert_eq!(s.info().bytes_acked, u64::try_from(end - 1).unwrap());
}

/// However little the peer takes, segments carry at least 8 bytes, and all of it arrives.
#[test]
fn x_3_19_segments_are_never_ridiculous() {
    for mss in 0..=100 {
        let mut s = Script::new();
        s.listen();
        s.send(seg().syn().mss(mss));
        s.learn_iss();
        let mut s = s.into_established();
        let data = bytes(2000);
        s.write(&data);
        let mut got = Vec::new();
        for _ in 0..300 {
            for seen in s.take() {
                let last = got.len() + seen.data.len() == data.len();
                assert!(seen.data.len() >= 8 || last, "mss {mss}: {}", seen.data.len());
                assert_eq!(usize::try_from(seen.seq).unwrap(), 1 + got.len());
                got.extend(seen.data);
            }
            s.send(seg().seq(1).ack(1 + i32::try_from(got.len()).unwrap()));
        }
        assert!(got == data, "mss {mss}: {}", got.len());
    }
}

// ---- 3.22: acknowledgments that lie --------------------------------------------------------------------------------

/// An acknowledgment cut into single bytes opens the window by what it acknowledges, and no more.
#[test]
fn x_3_22_dividing_acknowledgments_gains_nothing() {
    let mut s = Script::established_with(roomy());
    s.write(&bytes(200 * MSS));
    s.take();
    let before = s.info().congestion_window;
    for n in 1..=M {
        s.send(seg().seq(1).ack(1 + n));
    }
    let after = s.info().congestion_window;
    assert!(after <= before + 1460, "{before} to {after}");
}

/// Of what was not sent yet nothing is acknowledged: neither data nor a FIN; and the window does not open.
#[test]
fn x_3_22_acknowledging_ahead_gains_nothing() {
    let mut s = Script::established_with(roomy());
    s.write(&bytes(200 * MSS));
    s.shut_down();
    let sent: usize = s.take().iter().map(|seen| seen.data.len()).sum();
    let before = s.info();
    for beyond in [1, M, 190 * M, 200 * M + 1, 200 * M + 2, 1 << 30] {
        s.send(seg().seq(1).ack(1 + i32::try_from(sent).unwrap() + beyond));
        assert!(s.take().iter().all(|seen| seen.data.is_empty()), "{beyond}");
        let info = s.info();
        assert_eq!((info.congestion_window, info.bytes_acked), (before.congestion_window, 0), "{beyond}");
        assert!(!s.stack.is_finished(s.id()));
    }
    assert_eq!(s.state(), State::FinWait1);
}

// ---- 3.23: ICMP that nobody sent -----------------------------------------------------------------------------------

/// Every type and code, about a segment that is under way or is not, changes no state and ends nothing.
#[test]
fn x_3_23_no_icmp_ends_what_is_established() {
    for state in SYNCHRONIZED.into_iter().chain([State::TimeWait]) {
        let mut s = Script::in_state(state);
        if matches!(state, State::Established | State::CloseWait) {
            s.write(b"under way");
        }
        let quoted = seg().seq(1).ack(1).packet(&mirrored(&s), s.irs, s.iss);
        s.take();
        for offset in [0, -1, 1, 1000] {
            let quoted = renumbered(&quoted, offset);
            for (icmp_type, code) in (0..=255).flat_map(|t| (0..=16).map(move |code| (t, code))) {
                let packet = icmp::about(icmp_type, code, 0x0000_0100, PEER.into(), &quoted, 28);
                s.stack.handle_packet(s.now, Packet::new(&packet));
                while s.stack.poll_transmit(s.now).is_some() {} // An echo, or what was too big.
            }
        }
        assert_eq!((s.state(), s.flow_state()), (state, state));
        assert!(state == State::TimeWait || s.ending().is_none());
    }
}

fn mirrored(s: &Script) -> adieu_core::Flow {
    adieu_core::Flow::new(s.flow.remote(), s.flow.local())
}

/// A quoted packet with another sequence number.
fn renumbered(packet: &[u8], offset: i32) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let seq = u32::from_be_bytes(packet[24..28].try_into().unwrap()).wrapping_add_signed(offset);
    packet[24..28].copy_from_slice(&seq.to_be_bytes());
    packet
}

/// A full segment of ours, with more behind it, and everything that was sent.
fn sending() -> (Script, Seen) {
    let mut s = Script::established_with(roomy());
    s.write(&bytes(20 * MSS));
    let sent = s.take();
    (s, sent[0].clone())
}

/// A path never counts as narrower than 68 bytes, nor our segments as smaller than 576-byte packets make them; nor does
/// any message widen it.
#[test]
fn x_3_23_packet_too_big_within_reason() {
    for (mtu, least) in [(0, 536), (576, 536), (577, 537), (1280, 1240), (1400, 1360)] {
        let (mut s, first) = sending();
        s.send_raw(&icmp::about(3, 4, mtu, PEER.into(), &first.packet, 28));
        s.advance(secs(1));
        let sizes: Vec<usize> = s.take().iter().map(|seen| seen.data.len()).collect();
        assert!(!sizes.is_empty(), "mtu {mtu}: resent at once, or by the timer");
        assert!(sizes.iter().all(|size| *size >= 536), "mtu {mtu}: {sizes:?}");
        assert!(mtu == 0 || sizes.iter().all(|size| *size <= least), "mtu {mtu}: {sizes:?}");
        assert_eq!(s.ending(), None);
    }
    for mtu in [1500, 1501, 9000, 65_535] {
        let (mut s, first) = sending();
        s.send_raw(&icmp::about(3, 4, mtu, PEER.into(), &first.packet, 28));
        assert!(s.take().is_empty(), "mtu {mtu}: nothing is resent for it");
        assert_eq!((s.info().path_mtu, s.info().send_mss), (1500, 1460), "mtu {mtu}");
    }
}

/// Another flow, a number that is not under way, a quote too short: not believed.
#[test]
fn x_3_23_packet_too_big_about_something_else() {
    let (_, first) = sending();
    let edit = |at: usize, to: u8| {
        let mut packet = first.packet.clone();
        packet[at] ^= to;
        packet
    };
    let flight = i32::try_from(10 * MSS).unwrap();
    let wrong = [
        edit(19, 1),
        edit(21, 1),
        edit(23, 1),
        edit(9, 1),
        renumbered(&first.packet, -1),
        renumbered(&first.packet, flight),
        renumbered(&first.packet, i32::MIN),
    ];
    for quoted in wrong {
        let (mut s, _) = sending();
        s.send_raw(&icmp::about(3, 4, 600, PEER.into(), &quoted, 28));
        assert_eq!((s.info().path_mtu, s.info().send_mss), (1500, 1460));
        assert_eq!(s.stack.stats().icmp_believed, 0);
        s.expect_nothing();
    }
    for len in 0..28 {
        let (mut s, _) = sending();
        s.send_raw(&icmp::about(3, 4, 600, IpAddr::from(PEER), &first.packet, len));
        assert_eq!(s.info().path_mtu, 1500, "{len} bytes quoted");
    }
}

// ---- 3.24: poisoned timestamps -------------------------------------------------------------------------------------

/// What is outside the window, acknowledges what was never sent, resets, or lies beyond what we have acknowledged, sets
/// no clock: the next segment of the real peer is taken, and echoed.
#[test]
fn x_3_24_no_forged_segment_sets_the_clock() {
    let far = 1000 + (1 << 30);
    let forged = [
        ("left of the window", seg().seq(-5000).ack(1).data(b"old")),
        ("right of the window", seg().seq(1_000_000).ack(1).data(b"new")),
        ("acknowledges the future", seg().seq(1).ack(9000)),
        ("acknowledges the future, with data", seg().seq(1).ack(9000).data(b"evil")),
        ("acknowledges before the beginning", seg().seq(1).ack(-100_000).data(b"evil")),
        ("beyond a gap", seg().seq(500).ack(1).data(b"gap")),
        ("a reset in the window", seg().seq(300).rst()),
        ("a SYN in the window", seg().seq(300).syn()),
        ("without ACK", seg().seq(1).data(b"evil")),
    ];
    for (what, segment) in forged {
        let mut s = Script::established_with_extensions(config(), 1000);
        s.advance(secs(20));
        s.send(segment.options(&stamps(far, 0)));
        s.take();
        assert_eq!(s.ending(), None, "{what}");
        s.advance(ms(600));
        s.take();
        s.send(seg().seq(1).ack(1).data(b"real").options(&stamps(1001, 0)));
        s.advance(secs(1));
        let answers = s.take();
        let answer = answers.last().unwrap_or_else(|| panic!("{what}: the real peer is not heard"));
        assert_eq!((answer.ack, answer.options.timestamps.unwrap().echo), (Some(5), 1001), "{what}");
        assert_eq!(s.read_all().0, b"real", "{what}");
    }
}

/// Over IPv6 every link carries 1280 octets: who says less is not believed; the same checks of flow and number hold.
#[test]
fn x_3_23_packet_too_big_over_ipv6() {
    for (mtu, offset, expected) in [
        (0, 0, 1500),
        (68, 0, 1500),
        (1279, 0, 1500),
        (1280, 0, 1280),
        (1400, 0, 1400),
        (1400, -1, 1500),
        (1400, 1 << 20, 1500),
        (1500, 0, 1500),
        (u32::MAX, 0, 1500),
    ] {
        let mut s = Script::established_over_ipv6(roomy());
        s.write(&bytes(8 * 1440));
        let first = s.take()[0].packet.clone();
        let mut quoted = first.clone();
        let seq = u32::from_be_bytes(first[44..48].try_into().unwrap()).wrapping_add_signed(offset);
        quoted[44..48].copy_from_slice(&seq.to_be_bytes());
        let router = "fd00::99".parse().unwrap();
        s.send_raw(&icmp::about(2, 0, mtu, router, &quoted, 1232));
        assert_eq!((s.info().path_mtu, s.info().send_mss), (expected, expected - 60), "{mtu} {offset}");
        let again = s.take();
        assert_eq!(again.iter().any(|seen| seen.seq == 1), expected < 1500, "{mtu}: sent again at once");
        assert!(again.iter().all(|seen| seen.packet.len() <= usize::from(expected)), "{mtu}");
        assert_eq!(s.ending(), None);
    }
}

// ---- 3.39: what is answered, and how often -------------------------------------------------------------------------

/// One below the budget, at it, one above, ten times as many; and it comes back.
#[test]
fn x_3_39_challenges_at_their_limit() {
    for (sent, answered) in [(9, 9), (10, 10), (11, 10), (100, 10)] {
        let mut s = Script::established_passive();
        for n in 0..sent {
            s.send(seg().syn().seq(100 + n));
        }
        assert_eq!(s.take().len(), answered, "{sent} SYNs");
        s.advance(secs(5));
        s.take();
        s.send(seg().syn().seq(100));
        assert_eq!(s.take().len(), 1, "after five seconds");
        assert_eq!(s.ending(), None);
    }
}

/// One reply in 500 ms, whatever the rate, to what is out of the window.
#[test]
fn x_3_39_out_of_window_replies_at_their_limit() {
    for (apart, least, most) in [(499, 5, 6), (500, 10, 11), (501, 10, 11), (50, 1, 2), (5000, 10, 11)] {
        let mut s = Script::established_passive();
        s.advance(secs(5));
        for _ in 0..10 {
            s.send(seg().seq(1_000_000).ack(1));
            s.advance(ms(apart));
        }
        let answers = s.take().len();
        assert!((least..=most).contains(&answers), "every {apart} ms: {answers}");
    }
}
