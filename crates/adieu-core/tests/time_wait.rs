//! TIME-WAIT (1.11).

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Config, Order, State};
use script::{Script, config, graceful, ms, secs, seg};

/// TW-1: by each way in.
#[test]
fn tw_1_three_ways_in_and_no_other() {
    let ways = [
        (State::FinWait1, seg().seq(1).ack(2).fin(), Order::LocalFirst),
        (State::FinWait2, seg().seq(1).ack(2).fin(), Order::LocalFirst),
        (State::Closing, seg().seq(2).ack(2), Order::Simultaneous),
    ];
    for (from, last, order) in ways {
        let mut s = Script::in_state(from);
        s.send(last);
        assert_eq!((s.state(), s.ending()), (State::TimeWait, Some(graceful(order))));
        s.release();
        let left = s.stack.leftover();
        assert_eq!((left.time_waits, left.connections, left.bytes, left.timers), (1, 0, 0, 0));
        s.finish();
    }
    let mut s = Script::in_state(State::LastAck);
    s.send(seg().seq(2).ack(2));
    assert_eq!(s.stack.leftover().time_waits, 0);
    s.finish();
}

/// TW-1: unread data stays with the handle.
#[test]
fn tw_1_unread_data_stays_readable() {
    let mut s = Script::in_state(State::FinWait2);
    s.send(seg().seq(1).ack(2).fin().data(b"tail"));
    assert_eq!(s.state(), State::TimeWait);
    s.advance(secs(61));
    assert_eq!(s.state(), State::Closed);
    assert_eq!(s.read_all(), (b"tail".to_vec(), true));
    s.finish();
}

/// TW-2
#[test]
fn tw_2_the_duration_is_what_was_asked_for_in_its_range() {
    for (asked, stay) in [(1, 30), (30, 30), (60, 60), (120, 120), (240, 240), (1000, 240)] {
        let time_wait = secs(asked);
        let mut s = Script::established_with(Config { time_wait, ..config() }).into_state(State::TimeWait);
        s.advance(secs(stay) - ms(1));
        assert_eq!(s.flow_state(), State::TimeWait, "{asked}");
        s.advance(ms(1));
        assert_eq!(s.flow_state(), State::Closed, "{asked}");
        s.finish();
    }
}

/// TW-3, FI-10
#[test]
fn tw_3_only_the_peers_own_fin_restarts_the_wait() {
    let mut s = Script::in_state(State::TimeWait);
    s.advance(secs(50));
    s.send(seg().seq(1).ack(2).fin());
    s.expect_only(seg().seq(2).ack(2));
    s.advance(ms(59_999));
    assert_eq!(s.flow_state(), State::TimeWait);
    s.advance(ms(1));
    assert_eq!(s.flow_state(), State::Closed);
    s.finish();
    let others = [
        seg().seq(1).ack(2).data(b"old"),
        seg().seq(2).ack(2),
        seg().seq(0).ack(2),
        seg().seq(1).rst(),
        seg().seq(2).rst(),
        seg().seq(0).syn(),
        seg().seq(5).ack(2).fin(),
        seg().seq(1).ack(3).fin(),
        seg().seq(1).fin(),
        seg().seq(2).ack(2).fin(),
    ];
    for other in others {
        let mut s = Script::in_state(State::TimeWait);
        s.advance(secs(50));
        s.send(other.clone());
        s.advance(secs(10));
        assert_eq!(s.flow_state(), State::Closed, "{other:?}");
        s.finish();
    }
}

/// TW-3: a FIN with the data before it, sent again.
#[test]
fn tw_3_a_fin_repeated_with_its_data_restarts() {
    let mut s = Script::in_state(State::FinWait2);
    s.send(seg().seq(1).ack(2).fin().data(b"tail"));
    s.take();
    s.advance(secs(50));
    s.send(seg().seq(1).ack(2).fin().data(b"tail"));
    s.expect_only(seg().seq(2).ack(6));
    s.advance(secs(30));
    assert_eq!(s.flow_state(), State::TimeWait);
    s.finish();
}

/// Limit of the restarts: 4 x 2MSL.
#[test]
fn tw_3_restarts_have_an_end() {
    let mut s = Script::in_state(State::TimeWait);
    let began = s.now;
    while s.flow_state() == State::TimeWait {
        s.advance(secs(10));
        if s.flow_state() == State::TimeWait {
            s.send(seg().seq(1).ack(2).fin());
        }
        assert!(s.now.since(began) <= secs(250), "pinned for ever");
    }
    assert!(s.now.since(began) >= secs(180));
    s.take();
    s.finish();
}

/// TW-4
#[test]
fn tw_4_what_is_unacceptable_is_answered_twice_a_second() {
    let mut s = Script::in_state(State::TimeWait);
    s.advance(secs(1));
    for _ in 0..50 {
        s.send(seg().seq(1).ack(2).data(b"old"));
        s.advance(ms(10));
    }
    let replies = s.take();
    assert_eq!(replies.len(), 1);
    replies[0].assert_is(&seg().seq(2).ack(2));
    s.send(seg().seq(70_000).ack(2));
    s.expect_only(seg().seq(2).ack(2));
    s.finish();
}

/// TW-5: two ends in TIME-WAIT fall silent.
#[test]
fn tw_5_the_last_ack_of_the_other_end_is_not_answered() {
    let mut s = Script::in_state(State::TimeWait);
    for ack in [2, 1, 0] {
        s.advance(secs(1));
        s.send(seg().seq(2).ack(ack));
        s.expect_nothing();
    }
    s.finish();
}

/// TW-6
#[test]
fn tw_6_a_repeated_fin_is_answered_ten_times_a_second() {
    let mut s = Script::in_state(State::TimeWait);
    s.advance(ms(100));
    for _ in 0..100 {
        s.send(seg().seq(1).ack(2).fin());
        s.advance(ms(10));
    }
    let replies = s.take();
    assert_eq!(replies.len(), 10);
    s.finish();
}

/// TW-7: figure 1 of RFC 1337, in our numbers. Our answer to old data is reflected as a reset by a peer that is gone.
#[test]
fn tw_7_assassination_fails() {
    let mut s = Script::in_state(State::TimeWait);
    s.advance(secs(1));
    s.send(seg().seq(-400).ack(-100).data(b"old"));
    let answer = s.take_one();
    s.send(seg().seq(answer.ack.unwrap()).rst());
    s.expect_nothing();
    assert_eq!(s.state(), State::TimeWait);
    s.finish();
}

/// Y2; TW-8 without timestamps, TW-10, TW-16
#[test]
fn tw_10_a_new_syn_reopens_with_a_number_far_beyond() {
    for seq in [2, 3, 100_000, i32::MAX / 2] {
        let mut s = Script::in_state(State::TimeWait);
        s.send(seg().seq(seq).syn());
        let syn_ack = s.take_one();
        assert_eq!((syn_ack.flags, syn_ack.ack), (Flags::SYN.with(Flags::ACK), Some(seq + 1)));
        assert!(syn_ack.seq >= 2 + 65_537, "{syn_ack:?}");
        assert_eq!(s.flow_state(), State::SynReceived);
        s.send(seg().seq(seq + 1).ack(syn_ack.seq + 1));
        let old = s.handle.take().unwrap();
        assert!(s.accept());
        assert_eq!((s.state(), s.stack.state(old)), (State::Established, State::Closed));
        s.stack.release(s.now, old);
        s.poll();
        s.take();
        assert_eq!(s.state(), State::Established, "the old handle has no hold on the new connection");
        s.abort();
        s.receipts();
        s.finish();
    }
}

/// TW-8, TW-11: a SYN that may be an old duplicate.
#[test]
fn tw_11_an_old_syn_is_refused() {
    for seq in [1, 0, -1, -100_000] {
        let mut s = Script::in_state(State::TimeWait);
        s.advance(secs(30));
        s.send(seg().seq(seq).syn());
        s.expect_only(seg().seq(2).ack(2));
        s.send(seg().seq(seq).syn());
        s.expect_nothing();
        assert_eq!(s.flow_state(), State::TimeWait);
        s.advance(secs(30));
        assert_eq!(s.flow_state(), State::Closed);
        s.finish();
    }
}

/// TW-12
#[test]
fn tw_12_without_a_listener_the_record_stays() {
    let mut s = Script::established_active().into_state(State::TimeWait);
    s.advance(secs(1));
    s.send(seg().seq(100_000).syn());
    s.expect_only(seg().seq(2).ack(2));
    assert_eq!(s.flow_state(), State::TimeWait);
    s.finish();
}

/// TW-8, TW-11: a SYN that finds the backlog full opens nothing, so it must not end the wait either.
#[test]
fn tw_11_a_syn_for_which_there_is_no_room_leaves_the_record() {
    let mut s = Script::established_with(Config { syn_backlog: 1, ..config() }).into_state(State::TimeWait);
    let flow = s.flow;
    s.flow.remote_port = 5000;
    s.send(seg().syn());
    assert_eq!(s.take().len(), 1);
    s.flow = flow;
    s.send(seg().seq(100_000).syn());
    assert_eq!(s.flow_state(), State::TimeWait);
    s.take();
    s.finish();
}

/// TW-13's default: the tuple is not given away.
#[test]
fn tw_13_a_local_open_does_not_take_the_tuple() {
    let mut s = Script::established_active().into_state(State::TimeWait);
    let (local, remote) = (s.flow.local(), s.flow.remote());
    assert!(matches!(s.stack.connect(s.now, Some(local), remote), Err(adieu_core::ConnectError::InUse(_))));
    s.advance(secs(60));
    let handle = s.stack.connect(s.now, Some(local), remote).unwrap();
    s.stack.close(s.now, handle);
    s.stack.release(s.now, handle);
    s.receipts();
    s.finish();
}

/// TW-18: the ending comes at entry, once.
#[test]
fn tw_18_the_ending_is_known_at_entry() {
    let mut s = Script::in_state(State::TimeWait);
    assert_eq!(s.only_receipt().ending, graceful(Order::LocalFirst));
    s.advance(secs(60));
    assert!(s.receipts().is_empty());
    s.finish();
}

/// TW-1: even a wait of 0 (for experiments) ends only after the last ACK has left.
#[test]
fn tw_1_a_wait_of_nothing_still_sends_the_last_ack() {
    let config = Config { time_wait: secs(0), unsafe_short_time_wait: true, ..config() };
    let mut s = Script::established_with(config);
    s.shut_down();
    s.take();
    s.send(seg().seq(1).ack(2));
    s.inject(&seg().seq(1).ack(2).fin());
    s.stack.handle_timeout(s.now);
    s.poll();
    s.expect_only(seg().seq(2).ack(2));
    s.release();
    assert_eq!(s.stack.leftover(), adieu_core::Leftover { listeners: 1, ..Default::default() });
}
