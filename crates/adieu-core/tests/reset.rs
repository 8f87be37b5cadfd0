//! Resets: the judgement of one that comes (1.2.5), aborts (1.2.2), and what draws one (1.12).

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Cause, Config, Ending, ReadError, State, WriteError};
use script::states::{SYNCHRONIZED, rcv_nxt, snd_nxt};
use script::{Script, aborted, bytes, config, ms, secs, seg};

fn reset_by_peer(state: State) -> Ending {
    Ending::ResetByPeer { state }
}

/// RA-1
#[test]
fn ra_1_a_reset_for_nobody_or_a_listener_is_ignored() {
    let mut s = Script::new();
    s.send(seg().rst());
    s.send(seg().rst().ack(5));
    s.listen();
    s.send(seg().rst());
    s.send(seg().rst().ack(5));
    s.send(seg().rst().syn());
    s.expect_nothing();
    assert_eq!(s.stack.leftover().openings, 0);
    s.finish();
}

/// RA-2, AP-8
#[test]
fn ra_2_a_reset_that_acknowledges_our_syn_refuses() {
    let mut s = Script::syn_sent(config());
    s.send(seg().rst().ack(1));
    s.expect_nothing();
    let refused = Ending::Refused { state: State::SynSent };
    assert_eq!(s.ending(), Some(refused));
    assert_eq!(s.read(1), Err(ReadError::Ended(refused)));
    assert_eq!(s.only_receipt().ending, refused);
    assert_eq!(s.stack.leftover().flows, 0);
    s.finish();
}

/// AP-8, CL-3: a writer must not wait for ever for a connection that will never be.
#[test]
fn ap_8_a_write_after_a_refusal_fails() {
    let mut s = Script::syn_sent(config());
    s.send(seg().rst().ack(1));
    assert_eq!(s.try_write(), Err(WriteError::Ended(Ending::Refused { state: State::SynSent })));
    s.finish();
}

/// RA-3
#[test]
fn ra_3_a_reset_without_our_number_is_nothing_in_syn_sent() {
    let mut s = Script::syn_sent(config());
    s.send(seg().rst());
    s.send(seg().rst().ack(0));
    s.send(seg().rst().ack(2));
    s.expect_nothing();
    assert_eq!((s.state(), s.ending()), (State::SynSent, None));
    s.finish();
}

/// RA-4, RA-17: the right edge itself lies outside.
#[test]
fn ra_4_a_reset_outside_the_window_is_nothing() {
    for state in SYNCHRONIZED {
        let mut s = Script::in_state(state);
        let next = rcv_nxt(state);
        s.send(seg().seq(next - 2).rst());
        s.send(seg().seq(next + 65535).rst());
        s.send(seg().seq(next + 65535).rst().ack(1));
        s.send(seg().seq(next.wrapping_add(i32::MIN)).rst());
        if next == 1 {
            s.send(seg().seq(0).rst());
        }
        s.expect_nothing();
        assert_eq!((s.state(), s.ending()), (state, None), "{state}");
        s.finish();
    }
}

/// RA-5, RA-11, RA-12, EN-3
#[test]
fn ra_5_11_12_an_exact_reset_ends_every_state() {
    for state in SYNCHRONIZED {
        for ack in [None, Some(1), Some(-77), Some(1_000_000)] {
            let mut s = Script::in_state(state);
            let rst = seg().seq(rcv_nxt(state)).rst();
            s.send(ack.map_or(rst.clone(), |ack| rst.ack(ack)));
            s.expect_nothing();
            assert_eq!((s.state(), s.ending()), (State::Closed, Some(reset_by_peer(state))), "{state}");
            assert_eq!(s.only_receipt().ending, reset_by_peer(state));
            let left = s.stack.leftover();
            assert_eq!((left.flows, left.timers, left.bytes, left.time_waits), (0, 0, 0, 0));
            s.finish();
        }
    }
}

/// RA-6, INV-14
#[test]
fn ra_6_a_reset_elsewhere_in_the_window_draws_a_challenge() {
    for state in SYNCHRONIZED {
        for offset in [1, 1000, 65533] {
            let mut s = Script::in_state(state);
            s.send(seg().seq(rcv_nxt(state) + offset).rst());
            s.expect_only(seg().seq(snd_nxt(state)).ack(rcv_nxt(state)));
            assert_eq!((s.state(), s.ending()), (state, None), "{state}");
            s.finish();
        }
    }
}

/// RA-6, 3.39: ten challenges in five seconds.
#[test]
fn ra_6_challenges_have_a_budget() {
    let mut s = Script::established_passive();
    for _ in 0..100 {
        s.send(seg().seq(5).rst());
    }
    assert_eq!(s.take().len(), 10);
    s.advance(secs(6));
    s.send(seg().seq(5).rst());
    s.expect_only(seg().seq(1).ack(1));
    s.finish();
}

/// RA-7
#[test]
fn ra_7_a_reset_with_the_number_of_the_fin_counts() {
    for state in [State::CloseWait, State::Closing, State::LastAck] {
        let mut s = Script::in_state(state);
        s.send(seg().seq(1).rst().ack(1));
        s.expect_nothing();
        assert_eq!(s.ending(), Some(reset_by_peer(state)));
        s.finish();
    }
    let mut s = Script::in_state(State::TimeWait);
    s.send(seg().seq(1).rst());
    s.expect_nothing();
    assert_eq!(s.state(), State::TimeWait);
    s.finish();
}

/// RA-9
#[test]
fn ra_9_a_reset_in_syn_received_brings_the_listener_back() {
    let mut s = Script::syn_received(config());
    s.send(seg().seq(2).rst());
    s.expect_only(seg().seq(1).ack(1));
    s.send(seg().seq(0).rst());
    s.send(seg().seq(65536).rst());
    s.expect_nothing();
    assert_eq!(s.flow_state(), State::SynReceived);
    s.send(seg().seq(1).rst());
    s.expect_nothing();
    assert_eq!((s.flow_state(), s.stack.stats().openings_forgotten), (State::Closed, 1));
    assert!(!s.accept() && s.receipts().is_empty());
    s.send(seg().syn());
    assert!(s.take_one().flags.has(Flags::SYN));
    s.finish();
}

/// RA-10, SC-6
#[test]
fn ra_10_a_reset_in_syn_received_of_an_active_open_refuses() {
    let mut s = Script::syn_received_active();
    s.send(seg().seq(1).rst());
    s.expect_nothing();
    assert_eq!(s.ending(), Some(Ending::Refused { state: State::SynReceived }));
    s.finish();
}

/// RA-13, TW-7
#[test]
fn ra_13_no_reset_ends_time_wait() {
    let mut s = Script::in_state(State::TimeWait);
    for seq in [0, 1, 2, 3, 70_000] {
        s.send(seg().seq(seq).rst());
        s.send(seg().seq(seq).rst().ack(2));
    }
    s.expect_nothing();
    s.advance(ms(59_999));
    assert_eq!(s.state(), State::TimeWait);
    s.advance(ms(2));
    assert_eq!(s.state(), State::Closed);
    s.finish();
}

/// RA-13, where the other choice was made: the reset with the next number ends it, and no other.
#[test]
fn ra_13_or_the_exact_reset_does_where_that_was_asked_for() {
    let mut s = Script::in_state(State::TimeWait);
    s.stack.reconfigure(|config| config.reset_ends_time_wait = true);
    for seq in [0, 1, 3, 70_000] {
        s.send(seg().seq(seq).rst());
        assert_eq!(s.state(), State::TimeWait);
    }
    s.send(seg().seq(2).rst());
    s.expect_nothing();
    assert_eq!(s.state(), State::Closed);
    s.finish();
}

/// RA-14
#[test]
fn ra_14_a_reset_with_data_or_fin_counts_and_brings_no_data() {
    let mut s = Script::established_passive();
    s.send(seg().seq(1).rst().ack(1).fin().data(b"so long"));
    s.expect_nothing();
    assert_eq!(s.read(10), Err(ReadError::Ended(reset_by_peer(State::Established))));
    assert_eq!(s.receipt().received, 0);
    s.finish();
}

/// RA-15
#[test]
fn ra_15_with_a_closed_window_only_the_exact_number_counts() {
    let mut s = Script::established_with(Config { receive_buffer: 100, ..config() });
    s.send(seg().seq(1).ack(1).data(&[1; 100]));
    s.expect_only(seg().seq(1).ack(101).win(0));
    s.send(seg().seq(102).rst());
    s.send(seg().seq(100).rst());
    s.expect_nothing();
    assert_eq!(s.ending(), None);
    s.send(seg().seq(101).rst());
    assert_eq!(s.ending(), Some(reset_by_peer(State::Established)));
    s.finish();
}

/// RA-16, AP-1, AP-4: what was acknowledged stays readable, then the error, for ever.
#[test]
fn ra_16_bytes_in_order_survive_a_reset() {
    let mut s = Script::established_passive();
    s.write(&bytes(5000));
    s.send(seg().seq(1).ack(1001).data(b"abc"));
    s.send(seg().seq(10).ack(1001).data(b"later"));
    s.take();
    s.send(seg().seq(4).rst());
    let ended = reset_by_peer(State::Established);
    let receipt = s.receipt();
    assert_eq!((receipt.sent, receipt.acknowledged, receipt.received, receipt.unread), (5000, 1000, 3, 3));
    assert_eq!(s.try_write(), Err(WriteError::Ended(ended)));
    assert_eq!(s.read(2), Ok(b"ab".to_vec()));
    assert_eq!(s.read(2), Ok(b"c".to_vec()));
    for _ in 0..3 {
        assert_eq!(s.read(2), Err(ReadError::Ended(ended)));
    }
    assert_eq!(s.try_write(), Err(WriteError::Ended(ended)));
    s.finish();
}

/// AB-1
#[test]
fn ab_1_abort_in_syn_sent_sends_nothing() {
    let mut s = Script::syn_sent(config());
    s.abort();
    s.expect_nothing();
    assert!(s.ending().is_some());
    assert_eq!((s.stack.leftover().openings, s.stack.leftover().quarantined), (0, 1));
    s.send(seg().syn().ack(1));
    s.expect_only(seg().seq(1).rst());
    s.finish();
}

/// AB-2, RS-6
#[test]
fn ab_2_abort_sends_one_reset_and_flushes() {
    for state in [State::Established, State::FinWait1, State::FinWait2, State::CloseWait] {
        let mut s = Script::in_state(state);
        s.abort();
        s.expect_only(seg().seq(snd_nxt(state)).ack(rcv_nxt(state)).rst().win(0));
        assert_eq!((s.state(), s.ending()), (State::Closed, Some(aborted(Cause::AbortCall, state))));
        let left = s.stack.leftover();
        assert_eq!((left.flows - left.quarantined, left.timers, left.bytes), (0, 0, 0));
        s.abort();
        s.close();
        s.expect_nothing();
        assert_eq!(s.only_receipt().ending, aborted(Cause::AbortCall, state));
        s.finish();
    }
    let mut s = Script::syn_received_active();
    s.abort();
    s.expect_only(seg().seq(1).ack(1).rst());
    assert_eq!(s.ending(), Some(aborted(Cause::AbortCall, State::SynReceived)));
    s.finish();
}

/// AB-2, RS-5: with data sent and unsent.
#[test]
fn ab_2_the_reset_stands_after_what_was_sent() {
    let mut s = Script::established_passive();
    s.write(&bytes(20_000));
    let sent: usize = s.take().iter().map(|seen| seen.data.len()).sum();
    s.abort();
    s.expect_only(seg().seq(1 + i32::try_from(sent).unwrap()).ack(1).rst());
    let receipt = s.receipt();
    assert_eq!((receipt.sent, receipt.acknowledged, receipt.undelivered()), (20_000, 0, 20_000));
    s.finish();
}

/// AB-3
#[test]
fn ab_3_abort_while_our_fin_is_unacknowledged() {
    for state in [State::Closing, State::LastAck] {
        let mut s = Script::in_state(state);
        s.abort();
        s.expect_only(seg().seq(2).ack(2).rst());
        assert_eq!(s.ending(), Some(aborted(Cause::AbortCall, state)));
        s.finish();
    }
}

/// AB-4
#[test]
fn ab_4_abort_in_time_wait_keeps_the_record() {
    let mut s = Script::in_state(State::TimeWait);
    s.abort();
    s.expect_nothing();
    s.release();
    s.expect_nothing();
    assert_eq!(s.flow_state(), State::TimeWait);
    s.advance(secs(1));
    s.send(seg().seq(1).ack(2).data(b"old"));
    s.expect_only(seg().seq(2).ack(2));
    s.finish();
}

/// AB-6: the peer has taken its window back; the reset must lie where the peer still looks.
#[test]
fn ab_6_the_reset_lies_in_a_window_that_was_shrunk() {
    for (window, at) in [(0, 1001), (1, 1001), (500, 1500), (2000, 3000), (3001, 4001)] {
        let mut s = Script::established_passive();
        s.write(&bytes(4000));
        s.send(seg().seq(1).ack(1001).win(window));
        s.take();
        s.abort();
        s.expect(seg().seq(at).ack(1).rst());
        if at != 4001 {
            // And one for a peer that took more than it had room for, a probe, say (L3).
            s.expect(seg().seq(4001).ack(1).rst());
        }
        s.expect_nothing();
        s.finish();
    }
}

/// AP-7: after our own abort nothing is read any more, and least of all an end of stream that hides lost bytes (INV-2).
#[test]
fn ap_7_a_read_after_abort_fails() {
    for fin in [false, true] {
        let mut s = Script::established_passive();
        let data = seg().seq(1).ack(1).data(b"never read");
        s.send(if fin { data.fin() } else { data });
        let state = s.state();
        s.abort();
        let ended = aborted(Cause::AbortCall, state);
        assert_eq!(s.read(100), Err(ReadError::Ended(ended)), "{state}");
        assert_eq!(s.try_write(), Err(WriteError::Ended(ended)));
        s.finish();
    }
}

/// RS-1
#[test]
fn rs_1_every_flag_combination_without_a_connection() {
    for bits in 0..=u8::MAX {
        let flags = Flags::from_bits(bits);
        let mut s = Script::new();
        let mut segment = seg().seq(100).data(b"xy").flag(flags);
        if flags.has(Flags::ACK) {
            segment = segment.ack(50);
        }
        let end = 100 + i32::try_from(segment.len()).unwrap();
        s.send(segment);
        if flags.has(Flags::RST) {
            s.expect_nothing();
        } else if flags.has(Flags::ACK) {
            s.expect_only(seg().seq(50).rst().win(0));
        } else {
            let seen = s.take_one();
            assert_eq!((seen.raw.0.0, seen.ack), (0, Some(end)), "{flags}");
            assert_eq!(seen.flags, Flags::RST.with(Flags::ACK));
        }
        s.finish();
    }
}

/// RS-3
#[test]
fn rs_3_an_unacceptable_ack_before_establishment_draws_a_reset() {
    let mut s = Script::new();
    s.listen();
    s.send(seg().seq(1).ack(9));
    s.expect_only(seg().seq(9).rst());
    s.finish();
    for ack in [0, 2, -5] {
        let mut s = Script::syn_sent(config());
        s.send(seg().syn().ack(ack));
        s.expect_only(seg().seq(ack).rst());
        assert_eq!(s.state(), State::SynSent);
        s.finish();
        let mut s = Script::syn_received(config());
        s.send(seg().seq(1).ack(ack));
        s.expect_only(seg().seq(ack).rst());
        assert_eq!(s.flow_state(), State::SynReceived);
        s.finish();
    }
}

/// RS-4, SQ-2, INV-14
#[test]
fn rs_4_synchronized_states_answer_the_unacceptable_with_an_ack() {
    for state in SYNCHRONIZED {
        let mut s = Script::in_state(state);
        s.send(seg().seq(rcv_nxt(state) + 65535).ack(1).data(b"beyond"));
        s.expect_only(seg().seq(snd_nxt(state)).ack(rcv_nxt(state)));
        assert_eq!((s.state(), s.ending()), (state, None));
        s.finish();
    }
}

/// RS-2: nothing is said to or for a group, nobody, or ourselves.
#[test]
fn rs_2_addresses_that_are_no_host_get_no_answer() {
    let (us, peer) = (script::US, script::PEER);
    let odd = [[255, 255, 255, 255], [224, 0, 0, 1], [0, 0, 0, 0], us];
    let sources = odd.map(|address| (us, address));
    let destinations = [[255, 255, 255, 255], [224, 0, 0, 1], [0, 0, 0, 0], [10, 0, 0, 3]].map(|to| (to, peer));
    for (to, from) in sources.into_iter().chain(destinations) {
        let mut s = Script::new();
        s.listen();
        s.flow = adieu_core::Flow::v4(to, script::OUR_PORT, from, script::PEER_PORT);
        s.send(seg().syn());
        s.send(seg().seq(1).ack(1));
        s.send(seg().seq(1).fin());
        assert_eq!((s.for_others, s.stack.stats().not_ours, s.stack.leftover().openings), (0, 3, 0), "{to:?} {from:?}");
        s.expect_nothing();
        s.finish();
    }
}

/// RS-1: what waits for the device is bounded.
#[test]
fn rs_1_stray_replies_are_bounded() {
    let mut s = Script::with(Config { stray_resets: u32::MAX, ..config() }, 7, script::START);
    for seq in 0..1000 {
        s.inject(&seg().seq(seq).ack(1));
    }
    assert_eq!(s.stack.leftover().replies, 256);
    assert_eq!(s.stack.stats().strays_dropped, 744);
    s.poll();
    assert_eq!(s.take().len(), 256);
    s.finish();
}
