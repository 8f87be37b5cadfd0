//! Close with unread data, and data after close (1.6).

mod script;

use adieu_core::{Cause, Config, Order, State};
use script::states::snd_nxt;
use script::{Script, aborted, bytes, config, graceful, secs, seg};

/// States in which data can still come: before the peer's FIN.
const OPEN: [State; 3] = [State::Established, State::FinWait1, State::FinWait2];

fn ack_in(state: State) -> i32 {
    if state == State::FinWait2 { 2 } else { 1 }
}

/// UD-1
#[test]
fn ud_1_close_with_unread_data_resets() {
    for state in OPEN {
        for dropped in [false, true] {
            let mut s = Script::in_state(state);
            s.send(seg().seq(1).ack(ack_in(state)).data(b"unread"));
            s.expect_only(seg().seq(snd_nxt(state)).ack(7));
            if dropped {
                s.release();
            } else {
                s.close();
            }
            s.expect_only(seg().seq(snd_nxt(state)).ack(7).rst());
            assert_eq!(s.flow_state(), State::Closed);
            let receipt = s.only_receipt();
            let cause = if dropped { Cause::HandleDroppedWithUnread } else { Cause::CloseWithUnread };
            assert_eq!(receipt.ending, aborted(cause, state));
            assert_eq!((receipt.received, receipt.unread), (6, 6));
            s.finish();
        }
    }
}

/// UD-1: states in which the peer's FIN is here.
#[test]
fn ud_1_close_with_unread_data_behind_the_peers_fin() {
    for (state, shut) in [(State::CloseWait, false), (State::LastAck, true)] {
        let mut s = Script::established_passive();
        s.send(seg().seq(1).ack(1).fin().data(b"unread"));
        s.take();
        if shut {
            s.shut_down();
            s.take();
        }
        assert_eq!(s.state(), state);
        s.close();
        s.expect_only(seg().seq(snd_nxt(state)).ack(8).rst());
        assert_eq!(s.ending(), Some(aborted(Cause::CloseWithUnread, state)));
        s.finish();
    }
    let mut s = Script::in_state(State::FinWait1);
    s.send(seg().seq(1).ack(1).fin().data(b"unread"));
    s.take();
    s.close();
    s.expect_only(seg().seq(2).ack(8).rst());
    assert_eq!(s.ending(), Some(aborted(Cause::CloseWithUnread, State::Closing)));
    s.finish();
}

/// UD-1, TW-18: in TIME-WAIT everything is over, and nothing is sent.
#[test]
fn ud_1_close_with_unread_data_in_time_wait_sends_nothing() {
    let mut s = Script::in_state(State::FinWait2);
    s.send(seg().seq(1).ack(2).fin().data(b"unread"));
    s.expect_only(seg().seq(2).ack(8));
    assert_eq!(s.state(), State::TimeWait);
    assert_eq!(s.read(3), Ok(b"unr".to_vec()));
    s.close();
    s.release();
    s.expect_nothing();
    assert_eq!(s.flow_state(), State::TimeWait);
    assert_eq!(s.only_receipt().ending, graceful(Order::LocalFirst));
    s.finish();
}

/// UD-1: half of it read; what was to be sent is discarded and counted.
#[test]
fn ud_1_the_receipt_counts_what_was_lost() {
    let mut s = Script::established_passive();
    s.write(&bytes(20_000));
    s.take();
    s.send(seg().seq(1).ack(1001).data(b"0123456789"));
    s.take();
    assert_eq!(s.read(4), Ok(b"0123".to_vec()));
    s.close();
    let rst = s.take_one();
    assert!(rst.flags.has(adieu_core::wire::Flags::RST));
    let receipt = s.receipt();
    assert_eq!((receipt.received, receipt.unread), (10, 6));
    assert_eq!((receipt.sent, receipt.acknowledged, receipt.undelivered()), (20_000, 1000, 19_000));
    s.finish();
}

/// UD-2
#[test]
fn ud_2_bytes_out_of_order_count_as_unread() {
    let mut s = Script::established_passive();
    s.send(seg().seq(5).ack(1).data(b"later"));
    s.expect_only(seg().seq(1).ack(1));
    s.close();
    s.expect_only(seg().seq(1).ack(1).rst());
    assert_eq!(s.ending(), Some(aborted(Cause::CloseWithUnread, State::Established)));
    s.finish();
}

/// UD-3
#[test]
fn ud_3_an_unread_end_of_stream_is_no_unread_data() {
    let mut s = Script::established_passive();
    s.send(seg().seq(1).ack(1).fin().data(b"all"));
    s.expect_only(seg().seq(1).ack(5));
    assert_eq!(s.read(3), Ok(b"all".to_vec()));
    s.release();
    s.expect_only(seg().seq(1).ack(5).fin());
    s.send(seg().seq(5).ack(2));
    assert_eq!(s.only_receipt().ending, graceful(Order::PeerFirst));
    s.finish();
}

/// UD-4, FI-11, RS-5: in or out of order, with and without FIN.
#[test]
fn ud_4_new_data_for_nobody_draws_a_reset() {
    for state in [State::FinWait1, State::FinWait2] {
        for data in [
            seg().seq(1).data(b"new"),
            seg().seq(100).data(b"new"),
            seg().seq(1).data(b"new").fin(),
            seg().seq(0).data(b"onew"),
            seg().seq(60_000).data(b"x"),
        ] {
            for dropped in [false, true] {
                let mut s = Script::in_state(state);
                if dropped {
                    s.release();
                } else {
                    s.close();
                }
                s.expect_nothing();
                s.send(data.clone().ack(ack_in(state)));
                s.expect_only(seg().seq(2).ack(1).rst());
                assert_eq!(s.flow_state(), State::Closed);
                assert_eq!(s.only_receipt().ending, aborted(Cause::DataAfterClose, state));
                s.finish();
            }
        }
    }
}

/// Y1; UD-4 does not concern a half-close: whoever can still read reads.
#[test]
fn hc_1_data_after_shutdown_is_read() {
    for state in [State::FinWait1, State::FinWait2] {
        let mut s = Script::in_state(state);
        s.send(seg().seq(1).ack(ack_in(state)).data(b"new"));
        s.expect_only(seg().seq(2).ack(4));
        assert_eq!(s.read_all(), (b"new".to_vec(), false));
        s.finish();
    }
}

/// HC-1: without limit.
#[test]
fn hc_1_a_long_download_after_half_close() {
    let mut s = Script::in_state(State::FinWait2);
    let block = bytes(1000);
    for round in 0..2000 {
        s.advance(secs(7));
        s.send(seg().seq(1 + 1000 * round).ack(2).data(&block));
        assert_eq!(s.take().last().unwrap().ack, Some(1001 + 1000 * round));
        assert_eq!(s.read_all(), (block.clone(), false));
    }
    s.send(seg().seq(2_000_001).ack(2).fin());
    assert_eq!(s.ending(), Some(graceful(Order::LocalFirst)));
    assert_eq!(s.receipt().received, 2_000_000);
    s.finish();
}

/// UD-5
#[test]
fn ud_5_old_data_for_nobody_draws_an_ack() {
    let mut s = Script::established_passive();
    s.send(seg().seq(1).ack(1).data(b"abc"));
    s.take();
    assert_eq!(s.read_all().0, b"abc");
    s.release();
    s.expect_only(seg().seq(1).ack(4).fin());
    s.send(seg().seq(1).ack(1).data(b"abc"));
    s.expect_only(seg().seq(2).ack(4));
    s.send(seg().seq(2).ack(1).data(b"b"));
    s.expect_only(seg().seq(2).ack(4));
    assert_eq!(s.flow_state(), State::FinWait1);
    s.finish();
}

/// UD-6
#[test]
fn ud_6_a_keepalive_octet_for_nobody_draws_an_ack() {
    for state in [State::FinWait1, State::FinWait2] {
        let mut s = Script::in_state(state);
        s.release();
        s.send(seg().seq(0).ack(ack_in(state)).data(b"k"));
        s.expect_only(seg().seq(2).ack(1));
        assert_eq!(s.flow_state(), state);
        s.finish();
    }
}

/// UD-7
#[test]
fn ud_7_a_probe_with_a_new_octet_for_nobody_draws_a_reset() {
    let mut s = Script::established_with(Config { receive_buffer: 4, ..config() });
    s.send(seg().seq(1).ack(1).data(b"full"));
    s.expect_only(seg().seq(1).ack(5).win(0));
    // Read and closed before an update could leave.
    let mut out = [0; 4];
    assert_eq!(s.stack.read(s.now, s.id(), &mut out), Ok(4));
    s.release();
    s.expect(seg().seq(1).ack(5).fin());
    s.send(seg().seq(5).ack(1).data(b"p"));
    let replies = s.take();
    assert!(replies.iter().any(|seen| seen.flags.has(adieu_core::wire::Flags::RST)), "{replies:?}");
    assert_eq!(s.only_receipt().ending, aborted(Cause::DataAfterClose, State::FinWait1));
    s.finish();
}

/// UD-10
#[test]
fn ud_10_a_full_buffer_dropped_is_a_reset() {
    let mut s = Script::established_with(Config { receive_buffer: 4, ..config() });
    s.send(seg().seq(1).ack(1).data(b"full"));
    s.expect_only(seg().seq(1).ack(5).win(0));
    s.release();
    s.expect_only(seg().seq(1).ack(5).rst());
    s.finish();
}

/// FI-12
#[test]
fn fi_12_a_fin_without_data_ends_an_orphan_gracefully() {
    let mut s = Script::in_state(State::FinWait2);
    s.release();
    s.send(seg().seq(1).ack(2).fin());
    s.expect_only(seg().seq(2).ack(2));
    assert_eq!(s.only_receipt().ending, graceful(Order::LocalFirst));
    assert_eq!(s.flow_state(), State::TimeWait);
    s.finish();
}

/// FI-12, UD-5, FB-5: old data once more, and behind it the FIN: nothing new for nobody to read.
#[test]
fn fi_12_old_data_with_a_new_fin_ends_an_orphan_gracefully() {
    let mut s = Script::established_passive();
    s.send(seg().seq(1).ack(1).data(b"abc"));
    s.take();
    assert_eq!(s.read_all().0, b"abc");
    s.release();
    s.take();
    s.send(seg().seq(1).ack(2).data(b"abc").fin());
    s.expect_only(seg().seq(2).ack(5));
    assert_eq!(s.only_receipt().ending, graceful(Order::LocalFirst));
    s.finish();
}
