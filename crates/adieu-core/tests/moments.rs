//! The checklist of section 1.16, moment by moment: what must be gone, and what must stay.

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Config, Duration, Events, Instant, Leftover, State, WriteError};
use script::{MSS, Script, bytes, config, ms, secs, seg};

/// RL-1: who waits for room is woken, and finds that there will never be any; what was written stays and is sent.
#[test]
fn rl_1_write_close_wakes_who_waits_for_room() {
    for (state, full_close) in [(State::Established, false), (State::CloseWait, false), (State::Established, true)] {
        let mut s = Script::established_with(Config { send_buffer: 4000, ..config() }).into_state(state);
        s.send(seg().seq(script::states::rcv_nxt(state)).ack(1).win(0));
        s.write(&bytes(4000));
        assert_eq!(s.try_write(), Err(WriteError::Blocked));
        s.take();
        s.events();
        if full_close {
            s.close();
        } else {
            s.shut_down();
        }
        assert!(s.events().has(Events::WRITABLE), "{state}: the waiter sleeps on");
        assert_eq!(s.try_write(), Err(WriteError::ShutDown));
        assert_eq!(s.stack.leftover().bytes, 4000, "{state}");
        s.send(seg().seq(script::states::rcv_nxt(state)).ack(1));
        let sent: usize = s.take().iter().map(|seen| seen.data.len()).sum();
        assert_eq!(sent, 4000);
        s.finish();
    }
    // Where nobody can be waiting nobody is woken.
    let mut s = Script::established_passive();
    s.events();
    s.shut_down();
    assert!(s.events().is_empty());
    s.finish();
}

/// RL-1, AP-3, CL-4: also where the close waits for the handshake.
#[test]
fn rl_1_a_write_after_a_close_that_waits_fails() {
    let mut s = Script::syn_received_active();
    assert_eq!(s.try_write(), Err(WriteError::Blocked));
    s.shut_down();
    assert_eq!(s.try_write(), Err(WriteError::ShutDown));
    s.events();
    s.send(seg().seq(1).ack(1));
    assert!(s.events().has(Events::WRITABLE), "who waited before is woken");
    assert_eq!(s.try_write(), Err(WriteError::ShutDown));
    s.take();
    s.finish();
}

/// RL-2: buffer, resend queue, scoreboard and all timers: nothing is sent again, nothing is probed, however long the
/// peer keeps its own direction open. (The heap is looked at in allocation.rs.)
#[test]
fn rl_2_after_the_ack_of_our_fin_nothing_waits() {
    for (loss, closed_window) in [(false, false), (true, false), (false, true)] {
        let mut s = Script::established_passive();
        s.write(&bytes(4 * MSS));
        s.shut_down();
        s.take();
        let end = 2 + 4 * i32::try_from(MSS).unwrap();
        if loss {
            s.advance(secs(5));
        }
        if closed_window {
            s.send(seg().seq(1).ack(1).win(0));
            s.advance(secs(5));
        }
        s.send(seg().seq(1).ack(end).win(if closed_window { 0 } else { 65_535 }));
        s.take();
        let info = s.info();
        assert_eq!(info.state, State::FinWait2);
        let sending = (info.unacked, info.sacked, info.lost, info.retrans, info.bytes_unsent, s.stack.leftover().bytes);
        assert_eq!(sending, (0, 0, 0, 0, 0, 0));
        s.advance(secs(24 * 3600));
        s.expect_nothing();
        assert_eq!(s.stack.leftover().timers, 0, "no stale timer is armed again");
        assert_eq!(s.state(), State::FinWait2);
        s.finish();
    }
}

/// RL-3: no piece waits any more, no window is offered to a peer that has nothing to send, no ACK is delayed; what was
/// not read stays.
#[test]
fn rl_3_after_the_peers_fin_only_unread_data_is_left() {
    let mut s = Script::established_with(Config {
        quick_acks: 0,
        receive_buffer: 30_000,
        close_wait_warning: Duration::MAX,
        ..config()
    });
    let data = bytes(14 * MSS);
    let at = |n: usize| seg().seq(1 + i32::try_from(n * MSS).unwrap()).ack(1).data(&data[n * MSS..(n + 1) * MSS]);
    s.send(at(0));
    for n in 2..13 {
        s.send(at(n));
    }
    let end = 1 + i32::try_from(14 * MSS).unwrap();
    s.send(at(13).fin());
    s.take();
    assert_eq!((s.state(), s.stack.leftover().bytes), (State::Established, 13 * MSS as u64));
    s.send(at(1));
    s.expect_only(seg().seq(1).ack(end + 1));
    assert_eq!(
        (s.state(), s.stack.unread(s.id()), s.stack.leftover().bytes),
        (State::CloseWait, 14 * MSS as u64, 14 * MSS as u64)
    );
    s.advance(secs(1));
    s.expect_nothing();
    assert_eq!(s.stack.leftover().timers, 0, "no ACK is delayed");
    assert_eq!(s.read_all(), (data.clone(), true));
    s.advance(secs(1));
    s.expect_nothing();
    assert_eq!(s.stack.leftover().bytes, 0);
    s.finish();
}

/// RL-3: an ACK that was being delayed, or would be for data alone, leaves with the FIN's, and no timer is left for it.
#[test]
fn rl_3_the_acks_that_waited_leave_with_that_of_the_fin() {
    for waiting in [false, true] {
        let quiet = Config { quick_acks: 0, close_wait_warning: Duration::MAX, ..config() };
        let mut s = Script::established_with(quiet);
        let mut next = 1;
        if waiting {
            s.send(seg().seq(1).ack(1).data(b"one"));
            s.expect_nothing();
            next = 4;
        }
        s.send(seg().seq(next).ack(1).data(b"last").fin());
        s.expect_only(seg().seq(1).ack(next + 5));
        s.advance(secs(1));
        s.expect_nothing();
        assert_eq!(s.stack.leftover().timers, 0);
        assert_eq!(s.read_all().0.len(), usize::try_from(next).unwrap() + 3);
        s.finish();
    }
}

/// RL-4, UD-2: what is in order and what is not, by full close, in every state that can still receive.
#[test]
fn rl_4_read_close_drops_all_that_was_received() {
    for state in [State::Established, State::FinWait1, State::FinWait2, State::CloseWait] {
        for out_of_order in [false, true] {
            let mut s = Script::established_passive();
            if matches!(state, State::FinWait1 | State::FinWait2) {
                s = s.into_state(state);
            }
            let gap = i32::from(out_of_order);
            if state == State::CloseWait && out_of_order {
                continue; // Behind the FIN there is nothing.
            }
            let ack = script::states::snd_nxt(state);
            let ack = if state == State::FinWait1 { 1 } else { ack };
            s.send(seg().seq(1 + gap).ack(ack).data(b"nobody reads this"));
            if state == State::CloseWait {
                s.send(seg().seq(18).ack(1).fin());
            }
            s.take();
            assert_eq!((s.state(), s.stack.leftover().bytes), (state, 17));
            s.close();
            assert_eq!(s.stack.leftover().bytes, 0, "{state}");
            assert!(s.take_one().flags.has(Flags::RST), "{state}");
            s.finish();
        }
    }
}

/// RL-6 but for what is not built, a memory of congestion: one record, one timer, no connection. (Its size is a
/// constant assertion in `stack/waits.rs`.)
#[test]
fn rl_6_time_wait_is_one_record_and_one_timer() {
    let mut s = Script::in_state(State::FinWait1);
    s.send(seg().seq(1).ack(2).fin());
    s.take();
    let entered = s.now;
    s.release();
    let left = Leftover { time_waits: 1, flows: 1, listeners: 1, ..Leftover::default() };
    assert_eq!((s.stack.leftover(), s.stack.poll_timeout()), (left, entered + secs(60)));
    assert_eq!(s.next_timer(), Some(secs(60)));
    s.expect_nothing();
    assert_eq!((s.stack.leftover().time_waits, s.stack.poll_timeout()), (0, Instant::NEVER));
    s.finish();
}

/// RL-7: of what was to be sent only the reset leaves, and after the peer's reset nothing does.
#[test]
fn rl_7_nothing_that_was_queued_leaves_but_the_reset() {
    let mut s = Script::established_passive();
    assert_eq!(s.stack.write(s.now, s.id(), &bytes(100_000)), Ok(100_000));
    s.inject(&seg().seq(1).ack(1).data(b"to be acknowledged"));
    s.inject(&seg().seq(100).ack(1).data(b"twice"));
    s.stack.abort(s.now, s.id());
    s.poll();
    s.expect_only(seg().seq(1).ack(19).rst());
    assert_eq!(s.stack.leftover().timers, 0);
    s.finish();

    let mut s = Script::established_passive();
    assert_eq!(s.stack.write(s.now, s.id(), &bytes(100_000)), Ok(100_000));
    s.inject(&seg().seq(1).ack(1).data(b"to be acknowledged"));
    s.inject(&seg().seq(19).rst());
    s.poll();
    s.expect_nothing();
    s.finish();
}

/// RL-7: a timer that was armed before the ending does nothing after it, whenever somebody calls.
#[test]
fn rl_7_stale_timers_do_nothing() {
    for state in script::states::SYNCHRONIZED {
        let mut s = Script::in_state(state);
        if matches!(state, State::Established | State::CloseWait) {
            s.write(b"unacknowledged");
        }
        s.set(|settings| settings.keepalive = Some(adieu_core::Keepalive::default()));
        let armed = s.stack.poll_timeout();
        assert!(armed != Instant::NEVER, "{state}");
        s.take();
        s.send(seg().seq(script::states::rcv_nxt(state)).rst());
        let (receipt, left) = (s.receipt(), s.stack.leftover());
        assert_eq!((left.timers, left.flows, left.bytes), (0, 0, 0), "{state}");
        for time in [armed, armed + ms(1), armed + secs(8000), armed + secs(100_000)] {
            s.stack.handle_timeout(time);
            s.now = time;
            s.poll();
            s.expect_nothing();
            assert_eq!((s.receipt(), s.stack.leftover()), (receipt, left), "{state}");
        }
        s.finish();
    }
}

/// RL-7: the place in a listener's queue, too: who was reset there, and brought nothing, makes room for another.
#[test]
fn rl_7_the_place_in_the_accept_queue_comes_back() {
    let mut s = Script::with(Config { accept_backlog: 1, syn_cookies: false, ..config() }, 1, script::START);
    s.listen();
    for port in 1..20 {
        s.flow.remote_port = port;
        s.send(seg().syn());
        s.learn_iss();
        s.send(seg().seq(1).ack(1));
        assert_eq!(s.flow_state(), State::Established, "port {port}: there was room");
        s.send(seg().seq(1).rst());
        assert!(!s.accept(), "port {port}");
        assert_eq!(s.stack.leftover(), Leftover { listeners: 1, ..Leftover::default() });
        s.receipts();
    }
    s.finish();
}

/// RL-8: unread data and the stored ending, whatever the ending was.
#[test]
fn rl_8_a_dropped_handle_takes_everything_with_it() {
    let ways: [fn(&mut Script); 4] = [
        |s| s.send(seg().seq(7).rst()),
        |s| {
            s.send(seg().seq(7).ack(1).fin());
            s.shut_down();
            s.send(seg().seq(8).ack(2));
        },
        |s| {
            s.write(b"lost");
            s.advance(secs(4000));
        },
        Script::abort,
    ];
    for way in ways {
        let mut s = Script::established_passive();
        s.send(seg().seq(1).ack(1).data(b"unread"));
        way(&mut s);
        s.take();
        let id = s.id();
        assert!(s.stack.receipt(id).is_some() && s.stack.leftover().handles == 1);
        s.release();
        s.expect_nothing();
        // The addresses and ports of what we have reset are kept aside (AB-5).
        let quarantined = s.stack.leftover().quarantined;
        let left = Leftover { listeners: 1, quarantined, flows: quarantined, ..Leftover::default() };
        assert_eq!(s.stack.leftover(), left);
        assert_eq!((s.stack.receipt(id), s.stack.unread(id), s.stack.info(id)), (None, 0, None));
        s.finish();
    }
}
