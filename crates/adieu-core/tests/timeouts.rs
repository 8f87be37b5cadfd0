//! Timers that give up (1.2.7), and orphans (1.10).

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Config, Ending, Order, Phase, ReadError, State, WriteError};
use script::states::{rcv_nxt, snd_nxt};
use script::{Script, bytes, config, graceful, ms, secs, seg, timed_out};

/// TO-1, M22: after at least 180 s, with no segment.
#[test]
fn to_1_connect_gives_up_after_three_minutes() {
    let mut s = Script::syn_sent(config());
    let began = s.now;
    let mut waits = Vec::new();
    while s.ending().is_none() {
        waits.push(s.next_timer().unwrap().as_secs());
        if s.ending().is_none() {
            s.expect_only(seg().syn());
        }
    }
    s.expect_nothing();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert!(s.now.since(began) >= secs(180));
    let ended = timed_out(Phase::Connect, State::SynSent);
    assert_eq!((s.ending(), s.read(1)), (Some(ended), Err(ReadError::Ended(ended))));
    s.send(seg().syn().ack(1));
    s.expect_only(seg().seq(1).rst());
    s.finish();
}

/// TO-1, M23: the SYN of an active open is waited for as long when the peer's SYN has crossed it.
#[test]
fn to_1_a_simultaneous_open_is_as_patient() {
    let mut s = Script::syn_received_active();
    let began = s.now;
    while s.ending().is_none() {
        s.next_timer().unwrap();
    }
    assert_eq!(s.ending(), Some(timed_out(Phase::Connect, State::SynReceived)));
    assert!(s.now.since(began) >= secs(180), "{:?}", s.now.since(began));
    s.finish();
}

/// TO-2
#[test]
fn to_2_a_half_open_connection_is_forgotten() {
    let mut s = Script::syn_received(config());
    let began = s.now;
    let mut repeats = 0;
    while s.flow_state() == State::SynReceived {
        s.next_timer().unwrap();
        if s.flow_state() == State::SynReceived {
            s.expect_only(seg().syn().ack(1));
            repeats += 1;
        }
    }
    s.expect_nothing();
    assert_eq!((repeats, s.now.since(began)), (5, secs(63)));
    assert_eq!((s.stack.stats().openings_forgotten, s.stack.stats().ended), (1, 0));
    s.finish();
}

/// TO-3, TO-5: R2 in every state with something unacknowledged; one reset; at least 100 s (S11).
#[test]
fn to_5_a_black_hole_ends_every_state_with_one_reset() {
    for state in [State::Established, State::FinWait1, State::CloseWait, State::Closing, State::LastAck] {
        let mut s = Script::in_state(state);
        if matches!(state, State::Established | State::CloseWait) {
            s.write(b"lost");
        }
        s.take();
        let began = s.now;
        let mut repeats = 0;
        while s.ending().is_none() {
            assert!(s.next_timer().is_some(), "{state}: no timer (INV-18)");
            // The watchdog of CLOSE-WAIT sends nothing.
            if s.ending().is_none() && s.has_sent() {
                let seen = s.take_one();
                assert_eq!((seen.seq, seen.ack), (1, Some(rcv_nxt(state))), "{state}");
                repeats += 1;
            }
        }
        let end = if matches!(state, State::Established | State::CloseWait) { 5 } else { 2 };
        s.expect_only(seg().seq(end).ack(rcv_nxt(state)).rst());
        assert_eq!(s.ending(), Some(timed_out(Phase::Retransmission, state)));
        assert_eq!(repeats, 15, "{state}");
        assert!(s.now.since(began) >= secs(100));
        assert_eq!(s.receipt().retransmissions, 15);
        s.finish();
    }
}

/// AP-6
#[test]
fn ap_6_a_timeout_leaves_what_was_received_and_then_fails() {
    let mut s = Script::established_passive();
    s.send(seg().seq(1).ack(1).data(b"here"));
    s.write(b"lost");
    s.advance(secs(3600));
    let ended = timed_out(Phase::Retransmission, State::Established);
    assert_eq!(s.ending(), Some(ended));
    assert_eq!(s.read(10), Ok(b"here".to_vec()));
    assert_eq!(s.read(10), Err(ReadError::Ended(ended)));
    assert_eq!(s.read(10), Err(ReadError::Ended(ended)));
    assert_eq!(s.try_write(), Err(WriteError::Ended(ended)));
    s.finish();
}

/// TO-5: an answer in between starts the count anew.
#[test]
fn to_5_progress_begins_the_wait_anew() {
    let mut s = Script::established_passive();
    s.write(b"ab");
    s.advance(secs(400));
    s.take();
    s.send(seg().seq(1).ack(2));
    s.advance(secs(400));
    assert_eq!(s.ending(), None);
    s.send(seg().seq(1).ack(3));
    s.advance(secs(24 * 3600));
    assert_eq!(s.ending(), None);
    s.finish();
}

/// TO-8
#[test]
fn to_8_fin_wait_2_with_a_handle_has_no_timeout() {
    let mut s = Script::in_state(State::FinWait2);
    s.advance(secs(24 * 3600));
    s.expect_nothing();
    s.send(seg().seq(1).ack(2).data(b"late"));
    s.expect_only(seg().seq(2).ack(5));
    assert_eq!(s.read_all().0, b"late");
    s.finish();
}

/// TO-9: from orphaning or entry, whichever is later; silently.
#[test]
fn to_9_an_orphan_leaves_fin_wait_2_after_a_minute() {
    for entered_first in [true, false] {
        let mut s = Script::in_state(if entered_first { State::FinWait2 } else { State::FinWait1 });
        if entered_first {
            s.advance(secs(500));
            s.release();
        } else {
            s.release();
            s.advance(secs(5));
            s.take();
            s.send(seg().seq(1).ack(2));
        }
        s.advance(ms(59_999));
        s.expect_nothing();
        assert_eq!(s.flow_state(), State::FinWait2);
        s.advance(ms(1));
        s.expect_nothing();
        assert_eq!(s.flow_state(), State::Closed);
        assert_eq!(s.only_receipt().ending, timed_out(Phase::FinWait2Orphan, State::FinWait2));
        s.send(seg().seq(1).ack(2).fin());
        s.expect_only(seg().seq(2).rst());
        s.finish();
    }
}

/// TO-9: nothing that comes puts it off.
#[test]
fn to_9_a_peer_cannot_hold_an_orphan() {
    let mut s = Script::in_state(State::FinWait2);
    s.release();
    for _ in 0..59 {
        s.advance(secs(1));
        s.send(seg().seq(1).ack(2));
        s.send(seg().seq(0).ack(2));
    }
    assert_eq!(s.flow_state(), State::FinWait2);
    s.advance(secs(1));
    assert_eq!(s.flow_state(), State::Closed);
    s.take();
    s.finish();
}

/// TO-10
#[test]
fn to_10_time_wait_ends_at_its_instant() {
    let mut s = Script::in_state(State::TimeWait);
    let mut waited = secs(0);
    while s.flow_state() == State::TimeWait {
        waited += s.next_timer().unwrap();
    }
    assert_eq!(waited, secs(60));
    s.expect_nothing();
    assert_eq!(s.stack.leftover().flows, 0);
    s.finish();
}

/// TO-11
#[test]
fn to_11_close_wait_belongs_to_the_application() {
    let mut s = Script::in_state(State::CloseWait);
    s.advance(secs(30 * 24 * 3600));
    s.expect_nothing();
    assert_eq!(s.state(), State::CloseWait);
    s.write(b"x");
    s.expect_only(seg().seq(1).ack(2).data(b"x"));
    s.finish();
}

/// OR-1, OR-2: eight retransmissions and at least 100 s, then one reset.
#[test]
fn or_2_an_orphan_is_given_up_sooner() {
    for state in [State::Established, State::FinWait1, State::CloseWait, State::Closing, State::LastAck] {
        let mut s = Script::in_state(state);
        let (next, expected) = (snd_nxt(state).max(2), rcv_nxt(state));
        s.release();
        let began = s.now;
        s.take();
        let mut repeats = 0;
        loop {
            assert!(s.next_timer().is_some(), "{state}: an orphan without a timer");
            let seen = s.take_one();
            if seen.flags.has(Flags::RST) {
                assert_eq!((seen.seq, seen.ack), (next, Some(expected)));
                break;
            }
            assert_eq!((seen.seq, seen.flags.has(Flags::FIN)), (1, true), "{state}");
            repeats += 1;
        }
        let waited = s.now.since(began);
        assert!(waited >= secs(100) && waited < secs(200), "{state}: {waited:?}");
        assert_eq!(repeats, 8, "{state}");
        let after = match state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            other => other,
        };
        assert_eq!(s.only_receipt().ending, timed_out(Phase::Retransmission, after));
        assert_eq!(s.flow_state(), State::Closed);
        s.finish();
    }
}

/// OR-1, HC-3: dropping the handle is a close, and data that was written goes out.
#[test]
fn or_1_a_dropped_handle_finishes_its_work() {
    let mut s = Script::established_passive();
    let data = bytes(100_000);
    s.write(&data);
    s.release();
    let (mut got, mut acked) = (Vec::new(), 1);
    let fin = loop {
        let seen = s.take();
        assert!(!seen.is_empty(), "stalled at {}", got.len());
        let mut fin = false;
        for seen in seen {
            assert_eq!(usize::try_from(seen.seq).unwrap(), 1 + got.len());
            got.extend_from_slice(&seen.data);
            fin |= seen.flags.has(Flags::FIN);
            acked = seen.seq + i32::try_from(seen.data.len()).unwrap() + i32::from(fin);
        }
        if fin {
            break acked;
        }
        s.send(seg().seq(1).ack(acked));
    };
    assert_eq!((got.len(), got == data), (100_000, true));
    s.send(seg().seq(1).ack(fin).fin());
    s.expect_only(seg().seq(fin).ack(2));
    let receipt = s.only_receipt();
    assert_eq!((receipt.ending, receipt.acknowledged), (graceful(Order::LocalFirst), 100_000));
    s.finish();
}

/// M18, RFC 6298 section 3 (Karn): a SYN-ACK that was sent twice, because the peer asked, gives no round trip.
#[test]
fn m18_a_repeated_syn_ack_is_no_measurement() {
    let mut s = Script::syn_received(config());
    s.advance(ms(990));
    s.send(seg().syn());
    s.expect_only(seg().syn().ack(1));
    s.advance(ms(5));
    // The answer to the first SYN-ACK, 995 ms under way.
    s.send(seg().seq(1).ack(1));
    assert!(s.accept());
    s.write(b"x");
    s.take();
    s.advance(ms(900));
    s.expect_nothing();
    s.finish();
}

/// M18, RFC 6298 section 3: the same for the SYN that a SYN-ACK of ours repeats in a simultaneous open.
#[test]
fn m18_a_crossed_syn_is_no_measurement() {
    let mut s = Script::syn_sent(config());
    s.advance(ms(600));
    s.send(seg().syn());
    s.expect_only(seg().syn().ack(1));
    s.advance(ms(5));
    s.send(seg().syn().ack(1));
    s.take();
    assert_eq!(s.state(), State::Established);
    s.write(b"x");
    s.take();
    s.advance(ms(590));
    s.expect_nothing();
    s.finish();
}

/// EN-1, EN-7
#[test]
fn en_7_endings_add_up() {
    let mut s = Script::new();
    for round in 0..20u16 {
        s.flow.local_port = 80;
        s.flow.remote_port = 4000 + round;
        let remote = std::net::SocketAddr::from((script::PEER, s.flow.remote_port));
        let local = std::net::SocketAddr::from((script::US, 80));
        s.handle = Some(s.stack.connect(s.now, Some(local), remote).unwrap());
        s.poll();
        s.learn_iss();
        match round % 5 {
            0 => s.send(seg().rst().ack(1)),
            1 => s.close(),
            2 => s.abort(),
            3 => {
                s.send(seg().syn().ack(1));
                s.send(seg().seq(1).rst());
            }
            _ => {
                s.send(seg().syn().ack(1));
                s.shut_down();
                s.send(seg().seq(1).ack(2).fin());
            }
        }
        s.take();
        let receipts = s.receipts();
        assert_eq!(receipts.len(), 1, "round {round}");
        assert!(!matches!(receipts[0].ending, Ending::TimedOut { .. }));
        s.release();
    }
    let stats = s.stack.stats();
    assert_eq!((stats.ended, stats.ended_gracefully), (20, 4));
    s.finish();
}

/// OR-2 with a configured number: never before 100 s.
#[test]
fn or_2_not_before_100_seconds() {
    let mut s = Script::established_with(Config { orphan_retries: 1, ..config() });
    s.release();
    s.advance(ms(99_000));
    assert_eq!(s.flow_state(), State::FinWait1);
    s.advance(secs(80));
    assert_eq!(s.flow_state(), State::Closed);
    s.take();
    s.finish();
}
