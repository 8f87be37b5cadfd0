//! Rows about closing that need no timestamps: closing again, the persist timer, a FIN on a narrow path, batches, old
//! CLOSE-WAITs, backlogs, cookies, ICMP, illegal options.

mod script;

use adieu_core::wire::{Flags, Packet, icmp};
use adieu_core::{Config, Duration, Ending, Events, Order, Phase, ReadError, State, WriteError};
use script::states::{SYNCHRONIZED, rcv_nxt, snd_nxt};
use script::{MSS, PEER, START, Script, bytes, config, graceful, ms, secs, seg, timed_out};

// ---- CL-1 -----------------------------------------------------------------------------------------------------------

/// A way to an ending; what was written before it can be any.
type Way = (&'static str, fn() -> Script);

const ENDED: [Way; 7] = [
    ("graceful", || {
        let mut s = Script::in_state(State::LastAck);
        s.send(seg().seq(2).ack(2));
        s
    }),
    ("in TIME-WAIT", || Script::in_state(State::TimeWait)),
    ("after TIME-WAIT", || {
        let mut s = Script::in_state(State::TimeWait);
        s.advance(secs(60));
        s
    }),
    ("reset", || {
        let mut s = Script::established_passive();
        s.send(seg().seq(1).rst());
        s
    }),
    ("aborted", || {
        let mut s = Script::established_passive();
        s.abort();
        s.take();
        s
    }),
    ("timed out", || {
        let mut s = Script::in_state(State::CloseWait);
        s.write(b"lost");
        s.advance(secs(3600));
        s.take();
        s
    }),
    ("refused", || {
        let mut s = Script::syn_sent(config());
        s.send(seg().ack(1).rst());
        s
    }),
];

/// CL-1: nothing is sent, nothing changes, and what needs a connection fails for good instead of waiting.
#[test]
fn cl_1_what_has_ended_is_closed_again_without_effect() {
    let calls: [fn(&mut Script); 4] = [Script::close, Script::shut_down, Script::abort, Script::close];
    for (name, way) in ENDED {
        let mut s = way();
        let receipt = s.only_receipt();
        s.events();
        let (left, state) = (s.stack.leftover(), s.state());
        for call in calls {
            call(&mut s);
            s.expect_nothing();
            assert_eq!((s.receipt(), s.receipts().len()), (receipt, 0), "{name}");
            assert_eq!((s.stack.leftover(), s.state()), (left, state), "{name}");
            assert!(s.events().is_empty(), "{name}");
        }
        assert!(!matches!(s.try_write(), Ok(_) | Err(WriteError::Blocked)), "{name}: {:?}", s.try_write());
        let read = s.read(1);
        let over = graceful(Order::LocalFirst) == receipt.ending || graceful(Order::PeerFirst) == receipt.ending;
        match read {
            Ok(some) => assert!(some.is_empty() && (over || receipt.ending.state() == State::CloseWait), "{name}"),
            Err(error) => assert_eq!(error, ReadError::Ended(receipt.ending), "{name}"),
        }
        s.finish();
    }
}

/// CL-1: a handle that was let go names nothing any more, not even another connection in the same place.
#[test]
fn cl_1_a_handle_that_was_let_go_reaches_nobody() {
    let mut s = Script::established_passive();
    let old = s.id();
    s.release();
    s.take();
    s.send(seg().seq(1).ack(2).fin());
    s.take();
    s.flow.remote_port += 1;
    s.send(seg().syn());
    s.learn_iss();
    let mut s = s.into_established();
    for call in 0..4 {
        match call {
            0 => s.stack.close(s.now, old),
            1 => s.stack.shut_down(s.now, old),
            2 => s.stack.abort(s.now, old),
            _ => s.stack.release(s.now, old),
        }
        s.poll();
        s.expect_nothing();
        assert_eq!((s.state(), s.stack.state(old)), (State::Established, State::Closed));
    }
    assert!(s.stack.write(s.now, old, b"x").is_err() && s.stack.read(s.now, old, &mut [0]).is_err());
    s.receipts();
    s.finish();
}

// ---- TO-7 -----------------------------------------------------------------------------------------------------------

/// States in which something of ours may wait for a window.
const SENDING: [State; 5] = [State::Established, State::FinWait1, State::CloseWait, State::Closing, State::LastAck];

/// The state, with three bytes (and the FIN, where that state has one) that find the window closed.
fn behind_a_closed_window(state: State) -> Script {
    let mut s = Script::established_with(Config { close_wait_warning: Duration::MAX, ..config() });
    s.send(seg().seq(1).ack(1).win(0));
    if matches!(state, State::CloseWait | State::LastAck) {
        s.send(seg().seq(1).ack(1).fin().win(0));
    }
    s.take();
    s.write(b"abc");
    if !matches!(state, State::Established | State::CloseWait) {
        s.shut_down();
    }
    if state == State::Closing {
        s.send(seg().seq(1).ack(1).fin().win(0));
        s.take();
    }
    assert_eq!(s.state(), state);
    s.expect_nothing();
    s
}

/// TO-7, section 1.9: first after a retransmission time, then doubled up to 60 s, with one octet of the stream; while
/// they are answered it goes on for a day and more.
#[test]
fn to_7_probes_of_a_closed_window_keep_their_times_in_every_state() {
    for state in SENDING {
        let mut s = behind_a_closed_window(state);
        let rto = s.info().rto;
        let mut expected = rto;
        let began = s.now;
        while s.now.since(began) < secs(24 * 3600) {
            let waited = s.next_timer().unwrap();
            let near = |a: Duration, b: Duration| a <= b && b <= a + ms(1);
            assert!(near(expected, waited) || near(waited, expected), "{state}: {waited:?}, not {expected:?}");
            expected = (expected * 2).min(secs(60));
            let probe = s.take_one();
            assert_eq!((probe.seq, probe.data.len(), probe.flags.has(Flags::FIN)), (1, 1, false), "{state}");
            s.send(seg().seq(rcv_nxt(state)).ack(1).win(0));
            s.expect_nothing();
        }
        assert!(s.ending().is_none(), "{state}");
        // The window opens: everything goes at once, and nothing is probed any more.
        s.send(seg().seq(rcv_nxt(state)).ack(1));
        let sent = s.take();
        let end = sent.iter().map(|seen| seen.seq + i32::try_from(seen.data.len()).unwrap()).max();
        assert_eq!(end, Some(4), "{state}: {sent:?}");
        let fin = !matches!(state, State::Established | State::CloseWait);
        assert_eq!(sent.iter().any(|seen| seen.flags.has(Flags::FIN)), fin, "{state}");
        s.send(seg().seq(rcv_nxt(state)).ack(4 + i32::from(fin)));
        s.take();
        s.advance(secs(3600));
        s.expect_nothing();
        s.finish();
    }
}

/// TO-7: probes that nobody answers end the connection as retransmissions would (R2).
#[test]
fn to_7_probes_without_an_answer_end_it() {
    for state in SENDING {
        let mut s = behind_a_closed_window(state);
        let mut probes = 0;
        while s.ending().is_none() {
            assert!(s.next_timer().is_some(), "{state}");
            probes += s.take().iter().filter(|seen| !seen.flags.has(Flags::RST)).count();
        }
        assert_eq!((probes, s.ending()), (15, Some(timed_out(Phase::Retransmission, state))), "{state}");
        s.finish();
    }
}

// ---- FS-7 -----------------------------------------------------------------------------------------------------------

/// Tells the stack that the packet it has sent was too large for a link of `mtu`.
fn too_big(s: &mut Script, packet: &[u8], mtu: u32) {
    let message = icmp::about(3, 4, mtu, PEER.into(), packet, 28);
    s.stack.handle_packet(s.now, Packet::new(&message));
    s.poll();
}

/// FS-7: data and FIN were one segment. Cut for a narrower path, the FIN is on the last piece alone, at its number.
#[test]
fn fs_7_the_fin_stays_on_the_last_piece() {
    for mtu in [576u32, 577, 600, 1000, 1280, 1499] {
        for len in [1, 200, 535, 536, 537, 1072, 1073, 1200, 1440, MSS - 1, MSS] {
            let mut s = Script::established_passive();
            let data = bytes(len);
            assert_eq!(s.stack.write(s.now, s.id(), &data), Ok(len));
            s.shut_down();
            let end = i32::try_from(len).unwrap() + 1;
            let whole = s.take_one();
            whole.assert_is(&seg().seq(1).ack(1).data(&data).fin());
            too_big(&mut s, &whole.packet, mtu);
            let room = usize::try_from(mtu).unwrap() - 40;
            let pieces = s.take();
            if len <= room {
                // It was not too large for that; who says so may have it again as it was.
                assert!(pieces.len() <= 1, "{mtu} {len}");
                pieces.iter().for_each(|piece| piece.assert_is(&seg().seq(1).ack(1).data(&data).fin()));
            } else {
                assert_eq!(pieces.len(), len.div_ceil(room), "{mtu} {len}");
                let (last, front) = pieces.split_last().unwrap();
                let mut again: Vec<u8> = Vec::new();
                for piece in &pieces {
                    assert_eq!(usize::try_from(piece.seq).unwrap(), again.len() + 1);
                    assert!(piece.data.len() <= room && piece.packet.len() <= room + 40, "{mtu} {len}");
                    again.extend_from_slice(&piece.data);
                }
                assert_eq!(again, data);
                assert!(front.iter().all(|piece| !piece.flags.has(Flags::FIN)), "{mtu} {len}: {front:?}");
                assert!(last.flags.has(Flags::FIN), "{mtu} {len}: {last:?}");
            }
            s.send(seg().seq(1).ack(end));
            assert_eq!(s.state(), State::FinWait1, "the FIN has a number of its own");
            s.send(seg().seq(1).ack(end + 1));
            assert_eq!(s.state(), State::FinWait2);
            s.take();
            s.finish();
        }
    }
}

/// FS-7: the same by the timer, when what was cut is lost again, and in LAST-ACK.
#[test]
fn fs_7_pieces_that_are_lost_again_keep_the_fin_in_its_place() {
    for state in [State::FinWait1, State::LastAck] {
        let mut s = Script::established_passive();
        if state == State::LastAck {
            s = s.into_state(State::CloseWait);
        }
        let data = bytes(1400);
        assert_eq!(s.stack.write(s.now, s.id(), &data), Ok(1400));
        s.shut_down();
        let whole = s.take_one();
        too_big(&mut s, &whole.packet, 576);
        let mut seen = s.take();
        assert_eq!(s.state(), state);
        for _ in 0..6 {
            s.next_timer().unwrap();
            seen.extend(s.take());
        }
        assert!(seen.len() >= 8, "{}", seen.len());
        for piece in seen {
            let (from, len) = (usize::try_from(piece.seq).unwrap() - 1, piece.data.len());
            assert_eq!(piece.data, data[from..from + len]);
            assert_eq!(piece.flags.has(Flags::FIN), from + len == 1400, "{from} {len}");
            assert!(len <= 536);
        }
        s.send(seg().seq(rcv_nxt(state)).ack(1402));
        assert!(s.stack.is_finished(s.id()));
        s.take();
        s.finish();
    }
}

// ---- FR-11 ----------------------------------------------------------------------------------------------------------

/// FR-11: data, the FIN, and what comes after or again, all before one ACK of everything.
#[test]
fn fr_11_a_batch_with_a_fin_draws_one_ack() {
    let (a, b, fin) = (seg().seq(1).ack(1).data(b"abc"), seg().seq(4).ack(1).data(b"de"), seg().seq(6).ack(1).fin());
    let batches = [
        vec![a.clone(), b.clone(), fin.clone()],
        vec![a.clone(), seg().seq(4).ack(1).data(b"de").fin()],
        vec![a.clone(), b.clone(), fin.clone(), seg().seq(7).ack(1)],
        vec![a.clone(), b.clone(), fin.clone(), a.clone(), b.clone()],
        vec![a.clone(), b.clone(), fin.clone(), fin.clone()],
    ];
    for batch in batches {
        let mut s = Script::established_passive();
        s.send_batch(&batch);
        s.expect_only(seg().seq(1).ack(7));
        assert_eq!(s.state(), State::CloseWait);
        assert_eq!(s.read_all(), (b"abcde".to_vec(), true));
        s.expect_nothing();
        s.finish();
    }
    // In FIN-WAIT-1 the batch also acknowledges our FIN; in FIN-WAIT-2 it does not need to.
    for state in [State::FinWait1, State::FinWait2] {
        let mut s = Script::in_state(state);
        s.send_batch(&[seg().seq(1).ack(2).data(b"abc"), b.clone().ack(2), fin.clone().ack(2)]);
        s.expect_only(seg().seq(2).ack(7));
        assert_eq!((s.state(), s.read_all()), (State::TimeWait, (b"abcde".to_vec(), true)));
        s.finish();
    }
}

/// FR-11: the ACK goes with data, where the application answers within the batch.
#[test]
fn fr_11_the_one_ack_rides_on_an_answer() {
    let mut s = Script::established_passive();
    s.inject(&seg().seq(1).ack(1).data(b"abc"));
    s.inject(&seg().seq(4).ack(1).fin());
    assert_eq!(s.stack.write(s.now, s.id(), b"bye"), Ok(3));
    s.shut_down();
    s.expect_only(seg().seq(1).ack(5).data(b"bye").fin());
    s.read_all();
    s.finish();
}

// ---- HC-7 -----------------------------------------------------------------------------------------------------------

/// HC-7: it stays, sends nothing, and its state and its age can be seen.
#[test]
fn hc_7_a_close_wait_that_nobody_ends_shows_its_age() {
    let mut s = Script::established_passive();
    s.advance(secs(5));
    assert_eq!((s.info().state, s.info().state_age), (State::Established, secs(5)));
    s.send(seg().seq(1).ack(1).fin());
    s.take();
    for hours in [1, 2, 24, 1000] {
        let mut s = Script::established_passive();
        s.advance(secs(5));
        s.send(seg().seq(1).ack(1).fin());
        s.take();
        s.advance(secs(hours * 3600));
        s.expect_nothing();
        assert_eq!((s.info().state, s.info().state_age), (State::CloseWait, secs(hours * 3600)));
        assert_eq!(s.stack.leftover().timers, 0, "nothing will end it");
        // What the application does in it does not make it younger.
        s.write(b"still here");
        s.send(seg().seq(2).ack(11));
        assert_eq!(s.info().state_age, secs(hours * 3600));
        s.shut_down();
        s.advance(ms(150));
        assert_eq!((s.info().state, s.info().state_age), (State::LastAck, ms(150)));
        s.send(seg().seq(2).ack(12));
        s.advance(secs(7));
        assert_eq!((s.info().state, s.info().state_age), (State::Closed, secs(7)));
        let spent = s.receipt().spent.iter().find(|(state, _)| *state == State::CloseWait).unwrap();
        assert_eq!(spent.1, secs(hours * 3600));
        s.finish();
    }
}

// ---- EO-5, EO-8 -----------------------------------------------------------------------------------------------------

impl Script {
    /// Another peer connects; whether it got as far as the handshake's end.
    fn another(&mut self, port: u16) {
        self.flow.remote_port = port;
        self.send(seg().syn());
        self.learn_iss();
        self.send(seg().seq(1).ack(1));
        self.expect_nothing();
    }
}

/// EO-5: connections that were accepted, that wait to be, and that are still opening, all stay; only new ones wait.
#[test]
fn eo_5_a_smaller_backlog_kills_nobody() {
    let mut s = Script::with(Config { syn_cookies: false, ..config() }, 1, START);
    s.listen();
    (1..=4).for_each(|port| s.another(port));
    assert!(s.accept());
    let accepted = s.id();
    for port in 11..=13 {
        s.flow.remote_port = port;
        s.send(seg().syn());
        s.take();
    }
    let before = s.stack.leftover();
    assert_eq!((before.openings, before.connections), (3, 4));
    s.stack.reconfigure(|config: &mut Config| (config.accept_backlog, config.syn_backlog) = (1, 1));
    s.poll();
    s.expect_nothing();
    assert_eq!(s.stack.leftover(), before);
    s.advance(ms(500));
    assert_eq!((s.stack.leftover(), s.take().len(), s.for_others), (before, 0, 0));
    // No room for another SYN, and none for who would be the fourth to wait.
    s.flow.remote_port = 14;
    s.send(seg().syn());
    s.expect_nothing();
    assert_eq!(s.stack.stats().syns_dropped, 1);
    // Those that wait are handed out, and live.
    s.flow.remote_port = 1;
    assert_eq!(s.stack.write(s.now, accepted, b"alive"), Ok(5));
    assert_eq!(s.stack.state(accepted), State::Established);
    for _ in 0..3 {
        let handle = s.stack.accept(s.listener.unwrap()).expect("it waited");
        assert_eq!(s.stack.state(handle), State::Established);
        s.stack.abort(s.now, handle);
        s.stack.release(s.now, handle);
    }
    assert!(s.stack.accept(s.listener.unwrap()).is_none());
    s.poll();
    s.take();
    let receipts = s.receipts();
    assert!(receipts.len() == 3 && receipts.iter().all(|receipt| matches!(receipt.ending, Ending::Aborted { .. })));
    s.finish();
}

/// A listener whose backlog is full, and the peer's SYN answered by a cookie. Nothing is kept.
fn cookie() -> Script {
    let mut s = Script::with(Config { syn_backlog: 0, ..config() }, 7_000_000, START);
    s.listen();
    s.send(seg().syn().mss(1460));
    s.learn_iss();
    assert_eq!((s.stack.leftover().openings, s.stack.leftover().flows), (0, 0));
    s
}

/// EO-8: the third ACK was lost, and the peer thinks it is connected. What it says next makes the connection.
#[test]
fn eo_8_what_comes_after_a_lost_third_ack_makes_the_connection() {
    let firsts = [
        (seg().seq(1).ack(1).fin(), &b""[..], true),
        (seg().seq(1).ack(1).data(b"hello"), b"hello", false),
        (seg().seq(1).ack(1).data(b"hello").fin(), b"hello", true),
    ];
    for (first, data, fin) in firsts {
        for wait in [ms(0), secs(3), secs(60)] {
            let mut s = cookie();
            s.advance(wait);
            s.send(first.clone());
            let end = i32::try_from(data.len()).unwrap() + 1 + i32::from(fin);
            s.expect_only(seg().seq(1).ack(end));
            assert!(s.accept(), "{first:?} after {wait:?}");
            assert_eq!(s.state(), if fin { State::CloseWait } else { State::Established });
            assert_eq!(s.read_all(), (data.to_vec(), fin));
            if fin {
                s.shut_down();
                s.expect_only(seg().seq(1).ack(end).fin());
                s.send(seg().seq(end).ack(2));
                assert_eq!(s.ending(), Some(graceful(Order::PeerFirst)));
            }
            s.finish();
        }
    }
}

/// EO-8: a cookie that is too old, or none at all, is answered as nobody would (RS-1), also where others get cookies
/// now.
#[test]
fn eo_8_a_stale_cookie_is_reset() {
    for (wait, off) in [(secs(129), 0), (secs(1000), 0), (ms(0), 1), (ms(0), -1), (ms(0), 1000)] {
        for (fin, pressed) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut s = cookie();
            s.advance(wait);
            if pressed {
                s.flow.remote_port += 1;
                s.send(seg().syn());
                s.flow.remote_port -= 1;
                assert_eq!(s.take().len(), 1);
            }
            let first = seg().seq(1).ack(1 + off).data(b"hello");
            s.send(if fin { first.fin() } else { first });
            s.expect_only(seg().seq(1 + off).rst());
            assert!(!s.accept() && s.stack.leftover().flows == 0, "{wait:?} {off}");
            s.finish();
        }
    }
}

// ---- AP-9, AP-10 ----------------------------------------------------------------------------------------------------

/// An ICMP error about a packet of ours.
fn unreachable(s: &mut Script, packet: &[u8], icmp_type: u8, code: u8) {
    let message = icmp::about(icmp_type, code, 0, PEER.into(), packet, 28);
    s.stack.handle_packet(s.now, Packet::new(&message));
    s.poll();
}

/// AP-9, ET-8: protocol and port unreachable end an attempt at once, and say which it was.
#[test]
fn ap_9_a_hard_error_ends_an_attempt_at_once() {
    for code in [2, 3] {
        let mut s = Script::new();
        s.connect();
        let syn = s.take_one();
        unreachable(&mut s, &syn.packet, 3, code);
        let ending = Ending::Unreachable { icmp_type: 3, code };
        assert_eq!((s.state(), s.ending()), (State::Closed, Some(ending)));
        assert!(s.events().has(Events::ENDED));
        s.expect_nothing();
        assert_eq!(s.read(1), Err(ReadError::Ended(ending)));
        assert_eq!(s.try_write(), Err(WriteError::Ended(ending)));
        assert_eq!(s.receipt().last_icmp, Some((3, code)));
        assert_eq!(s.stack.leftover().flows, 0);
        s.finish();
    }
}

/// Soft errors of RFC 9293 section 3.9.2.2: no route, host, source route; time exceeded; parameter problem.
const SOFT: [(u8, u8); 8] = [(3, 0), (3, 1), (3, 5), (11, 0), (11, 1), (12, 0), (12, 1), (12, 2)];

/// AP-9, ET-7: a soft one ends nothing; if nobody answers until the last SYN has timed out, it is the cause.
#[test]
fn ap_9_a_soft_error_is_the_cause_once_nobody_has_answered() {
    for (icmp_type, code) in SOFT {
        let mut s = Script::new();
        s.connect();
        let syn = s.take_one();
        let began = s.now;
        unreachable(&mut s, &syn.packet, icmp_type, code);
        assert_eq!((s.state(), s.ending()), (State::SynSent, None), "{icmp_type}/{code}");
        while s.ending().is_none() {
            s.next_timer().unwrap();
        }
        assert!(s.now.since(began) >= secs(180), "R2 for SYN (MUST-23)");
        assert_eq!(s.ending(), Some(timed_out(Phase::Connect, State::SynSent)));
        assert_eq!(s.receipt().last_icmp, Some((icmp_type, code)));
        s.take();
        s.finish();
        // And it does not stand in the way of who answers after all.
        let mut s = Script::new();
        s.connect();
        let syn = s.take_one();
        s.iss = syn.raw.0;
        unreachable(&mut s, &syn.packet, icmp_type, code);
        s.send(seg().syn().ack(1));
        assert_eq!(s.state(), State::Established);
        s.take();
        s.finish();
    }
}

/// AP-10: in synchronized states every code is soft: reading and writing go on, and the last one stands in the receipt
/// of a connection that is given up.
#[test]
fn ap_10_no_icmp_error_ends_a_synchronized_state() {
    for state in SENDING {
        for (icmp_type, code) in SOFT.into_iter().chain([(3, 2), (3, 3)]) {
            let mut s = Script::established_passive();
            if matches!(state, State::CloseWait | State::LastAck) {
                s = s.into_state(State::CloseWait);
            }
            s.write(b"x");
            let sent = s.take_one();
            if !matches!(state, State::Established | State::CloseWait) {
                s.shut_down();
            }
            if state == State::Closing {
                s.send(seg().seq(1).ack(1).fin());
            }
            s.take();
            s.events();
            unreachable(&mut s, &sent.packet, 3, 9);
            unreachable(&mut s, &sent.packet, icmp_type, code);
            s.expect_nothing();
            assert_eq!((s.state(), s.ending()), (state, None), "{icmp_type}/{code}");
            assert_eq!(s.events(), Events::TROUBLE, "a soft event only");
            if rcv_nxt(state) == 1 {
                s.send(seg().seq(1).ack(1).data(b"more"));
                assert_eq!(s.read(9), Ok(b"more".to_vec()), "reading goes on");
            }
            if matches!(state, State::Established | State::CloseWait) {
                s.write(b"y");
            }
            s.advance(secs(3600));
            assert_eq!(s.ending(), Some(timed_out(Phase::Retransmission, state)), "{icmp_type}/{code}");
            assert_eq!(s.receipt().last_icmp, Some((icmp_type, code)));
            s.take();
            s.finish();
        }
    }
}

// ---- RS-8 -----------------------------------------------------------------------------------------------------------

/// Every kind, with a length that no option can have (below 2) or that runs out of the header, in 4 bytes and at the
/// end of 40: alone, and behind options that are in order.
fn illegal_options() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for kind in 2..=255u8 {
        for length in [0, 1, 5, 41, 255] {
            all.push(vec![kind, length, 0, 0]);
            all.push(vec![1, 1, kind, length]);
        }
        all.push(vec![1, 1, 1, kind]);
        let mut full = vec![1; 40];
        full[36..].copy_from_slice(&[kind, 5, 1, 1]);
        all.push(full);
    }
    all
}

/// RS-8: dropped, whatever it carries: no reply, no change, no crash.
#[test]
fn rs_8_an_illegal_option_length_drops_the_segment() {
    for state in SYNCHRONIZED.into_iter().chain([State::TimeWait]) {
        let (next, sent) = match state {
            State::TimeWait => (2, 2),
            _ => (rcv_nxt(state), snd_nxt(state)),
        };
        let mut s = Script::in_state(state);
        let (timer, left) = (s.stack.poll_timeout(), s.stack.leftover());
        for (n, options) in (1..).zip(illegal_options()) {
            let carriers =
                [seg().seq(next).rst(), seg().seq(next).ack(sent).data(b"data").fin(), seg().seq(next + 100_000).syn()];
            s.send(carriers[n as usize % 3].clone().options(&options));
            s.expect_nothing();
            assert_eq!((s.state(), s.stack.stats().malformed), (state, n), "{options:?}");
        }
        assert_eq!((s.stack.poll_timeout(), s.stack.leftover()), (timer, left), "{state}");
        s.finish();
    }
}

/// RS-8: nor does such a SYN open anything, or such a SYN-ACK complete it, or such a stray draw a reset.
#[test]
fn rs_8_an_illegal_option_length_opens_nothing() {
    let mut listening = Script::new();
    listening.listen();
    let mut calling = Script::syn_sent(config());
    let mut alone = Script::new();
    for options in illegal_options() {
        listening.send(seg().syn().options(&options));
        calling.send(seg().syn().ack(1).options(&options));
        calling.send(seg().ack(1).rst().options(&options));
        alone.send(seg().seq(1).ack(1).data(b"x").options(&options));
        for s in [&mut listening, &mut calling, &mut alone] {
            s.expect_nothing();
        }
    }
    assert_eq!((listening.stack.leftover().openings, calling.state()), (0, State::SynSent));
    [listening, calling, alone].into_iter().for_each(Script::finish);
}
