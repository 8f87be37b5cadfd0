//! What the tests from the specification have found.

mod script;

use std::net::SocketAddr;

use adieu_core::wire::icmp;
use adieu_core::{Config, Phase, RecoveryState, Settings, State};
use script::{MSS, OUR_PORT, PEER, PEER_PORT, START, Script, US, bytes, config, secs, seg, stamps, timed_out};

/// M48, S22: the code point is of everything we send, and a SYN is sent: by `connect`, by a listener's settings, and
/// again when it was lost.
#[test]
fn m48_the_opening_segments_carry_the_code_point() {
    let (local, remote) = (SocketAddr::from((US, OUR_PORT)), SocketAddr::from((PEER, PEER_PORT)));
    let settings = Settings { dscp: 46, ..Settings::default() };
    let mut s = Script::new();
    s.handle = Some(s.stack.connect_with(s.now, Some(local), remote, settings).unwrap());
    s.poll();
    s.advance(secs(2));
    assert_eq!(s.take().iter().map(|seen| seen.packet[1] >> 2).collect::<Vec<_>>(), [46, 46]);
    let mut s = Script::new();
    s.listener = Some(s.stack.listen_with(local, settings).unwrap());
    s.send(seg().syn());
    assert_eq!(s.take_one().packet[1] >> 2, 46);
}

/// 3.18: pruned from the right: what is nearest to what is missing is what will be needed first.
#[test]
fn x_3_18_the_piece_nearest_to_the_gap_is_kept() {
    let mut s = Script::established_with(Config { reassembly_pieces: 4, ..config() });
    for n in [200, 210, 220, 230, 3] {
        s.send(seg().seq(n).ack(1).data(b"p"));
    }
    s.take();
    s.send(seg().seq(1).ack(1).data(b"ab"));
    s.advance(secs(1));
    assert_eq!(s.take().last().unwrap().ack, Some(4));
}

/// A thousand duplicates clock out no more than was under way, and do not open the window.
#[test]
fn x_3_22_spoofed_duplicates_do_not_open_the_window() {
    let mut s = Script::established_with(Config { send_buffer: 1 << 20, ..config() });
    s.write(&bytes(500 * MSS));
    let flight = s.take().len();
    let before = s.info().congestion_window;
    for _ in 0..1000 {
        s.send(seg().seq(1).ack(1));
    }
    let clocked = s.take().len();
    assert!(s.info().congestion_window <= before, "{before} to {}", s.info().congestion_window);
    assert!(clocked <= flight + 3, "{flight} under way, {clocked} more");
    assert_eq!(s.info().recovery, RecoveryState::Recovery);
}

/// X-PMTU: below 576 octets the segments stay as they are, and "do not fragment" goes: nobody makes us send crumbs.
#[test]
fn x_pmtu_below_576_packets_may_be_cut_and_do_not_shrink() {
    for mtu in [1, 67, 68, 296, 575] {
        let mut s = Script::established_passive();
        s.write(&bytes(8 * MSS));
        let first = s.take()[0].packet.clone();
        s.send_raw(&icmp::about(3, 4, mtu, PEER.into(), &first, 28));
        let sent = s.take();
        assert!(!sent.is_empty(), "mtu {mtu}: resent at once");
        for seen in sent {
            assert_eq!(seen.packet[6] & 0x40, 0, "mtu {mtu}: may be cut");
            assert!(seen.data.len() >= 536, "mtu {mtu}: {} bytes", seen.data.len());
        }
    }
}

/// Info counts segments that are selectively acknowledged among those under way: never more than there are.
#[test]
fn x_3_19_no_more_is_sacked_than_is_under_way() {
    let mut s = Script::established_with_extensions(config(), 1);
    s.write(&bytes(8 * MSS));
    s.take();
    for n in 0..100 {
        let mut option = stamps(2, 0);
        option.extend([1, 1, 5, 10]);
        option.extend((s.iss + (2000 + 4 * n)).0.to_be_bytes());
        option.extend((s.iss + (2001 + 4 * n)).0.to_be_bytes());
        s.send(seg().seq(1).ack(1).options(&option));
    }
    let info = s.info();
    assert!(info.sacked <= info.unacked, "{} of {}", info.sacked, info.unacked);
    assert!(info.lost <= info.unacked, "{} of {}", info.lost, info.unacked);
}

/// X-UTO, RFC 5482 section 3.1: an explicit local setting clears CHANGEABLE: neither the peer's value nor the bounds
/// for what is negotiated take the place of what the application has said.
#[test]
fn x_uto_what_the_application_says_counts_before_what_the_peer_says() {
    for peer in [None, Some(300u16)] {
        let mut s = Script::established_passive();
        s.set(|settings| (settings.user_timeout, settings.exchange_user_timeout) = (Some(secs(6)), true));
        if let Some(peer) = peer {
            let [high, low] = peer.to_be_bytes();
            s.send(seg().seq(1).ack(1).options(&[28, 4, high, low]));
        }
        s.write(b"lost");
        s.advance(secs(8));
        assert_eq!(s.ending(), Some(timed_out(Phase::UserTimeout, State::Established)), "{peer:?}");
    }
}

/// INV-22, X-COOKIE, EO-8: a cookie is one number. What acknowledges a few octets more is a segment of a connection
/// that has been, and opens none: here the peer's first data again, after our side has left FIN-WAIT-2.
#[test]
fn inv_22_a_later_acknowledgment_is_no_cookie() {
    for len in 0..8 {
        let mut s = Script::with(Config { syn_backlog: 1, fin_wait_2: secs(1), ..config() }, 7_000_000, START);
        s.listen();
        s.flow.remote_port = 5000;
        s.send(seg().syn().mss(1460));
        s.take();
        s.flow.remote_port = PEER_PORT;
        s.send(seg().syn().mss(1460));
        assert_eq!(s.stack.stats().cookies_sent, 1);
        s.learn_iss();
        let mut s = s.into_established();
        if len > 0 {
            s.write(&bytes(len));
        }
        s.release();
        s.take();
        let all = 2 + i32::try_from(len).unwrap();
        s.send(seg().seq(1).ack(all));
        s.advance(secs(2));
        assert_eq!(s.flow_state(), State::Closed);
        s.take();
        s.send(seg().seq(1).ack(all).data(b"again").fin());
        assert_eq!(s.flow_state(), State::Closed, "{len} bytes were sent");
        assert_eq!(s.stack.leftover().connections, 0, "{len} bytes were sent");
    }
}

/// AB-6, L3: the peer has refused our probe, and then opened its window by one octet: a reset beyond that octet is
/// nothing to it.
#[test]
fn ab_6_a_reset_lies_in_the_window_after_a_refused_probe() {
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1).win(0));
    assert!(s.accept());
    s.write(b"waits");
    s.advance(secs(2));
    assert!(!s.take().is_empty(), "a probe of the first octet");
    s.send(seg().seq(1).ack(1).win(0));
    s.inject(&seg().seq(1).ack(1).win(1));
    s.abort();
    let resets = s.take();
    assert!(resets.iter().all(|reset| reset.flags.has(adieu_core::wire::Flags::RST)));
    // The only number in the peer's window; then the next, for a peer that took the probe and whose answer was lost.
    assert_eq!(resets.iter().map(|reset| reset.seq).collect::<Vec<_>>(), [1, 2]);
}

/// X-COOKIE, FI-4: a cookie that comes back to a full accept queue is no reason for a reset, nor is what the peer sends
/// behind it: it believes that it is connected, and sends all of it again.
#[test]
fn x_cookie_a_full_accept_queue_resets_nobody() {
    let mut s = Script::with(Config { syn_backlog: 0, accept_backlog: 1, ..config() }, 7_000_000, START);
    s.listen();
    s.flow.remote_port = 5000;
    s.send(seg().syn().mss(1460));
    s.learn_iss();
    s.send(seg().seq(1).ack(1));
    s.flow.remote_port = PEER_PORT;
    s.send(seg().syn().mss(1460));
    s.learn_iss();
    s.send(seg().seq(1).ack(1));
    s.send(seg().seq(1).ack(1).data(b"a"));
    s.send(seg().seq(2).ack(1).data(b"b"));
    s.expect_nothing();
    assert!(s.accept(), "the first one, which makes room");
    s.send(seg().seq(1).ack(1).data(b"ab"));
    assert_eq!((s.stack.stats().cookies_accepted, s.flow_state()), (2, State::Established));
}
