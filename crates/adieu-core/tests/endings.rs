//! The closed list of endings (1.15): each variant by every way that leads to it, with what its receipt says.

mod script;

use adieu_core::wire::{Packet, icmp};
use adieu_core::{Cause, Closer, Config, Duration, Ending, Keepalive, Order, Phase, Receipt, State};
use script::states::{SYNCHRONIZED, rcv_nxt, snd_nxt};
use script::{PEER, Script, aborted, config, graceful, secs, seg, timed_out};

/// Sends and receives a little, so that there is something to count: 4 bytes out and acknowledged, 3 in and read.
fn with_some_traffic() -> Script {
    let mut s = Script::established_passive();
    s.write(b"ours");
    s.send(seg().seq(1).ack(5).data(b"its"));
    assert_eq!(s.read(9), Ok(b"its".to_vec()));
    s.take();
    s
}

/// Both directions complete: everything out is acknowledged, everything in was read.
fn assert_complete(receipt: &Receipt, ending: Ending) {
    assert_eq!(receipt.ending, ending);
    assert!(ending.is_graceful());
    let counts = (receipt.sent, receipt.acknowledged, receipt.undelivered(), receipt.received, receipt.unread);
    assert_eq!(counts, (4, 4, 0, 3, 0), "{ending}");
}

#[test]
fn et_3_graceful_says_who_closed_first_and_both_sides_are_complete() {
    let mut s = with_some_traffic();
    s.shut_down();
    s.send(seg().seq(4).ack(6));
    s.send(seg().seq(4).ack(6).fin());
    assert_complete(&s.receipt(), graceful(Order::LocalFirst));
    assert_eq!(s.receipt().closed_first, Some(Closer::Us));
    s.take();
    s.finish();

    let mut s = with_some_traffic();
    s.send(seg().seq(4).ack(5).fin());
    s.shut_down();
    s.send(seg().seq(5).ack(6));
    assert_complete(&s.receipt(), graceful(Order::PeerFirst));
    assert_eq!(s.receipt().closed_first, Some(Closer::Peer));
    s.take();
    s.finish();

    let mut s = with_some_traffic();
    s.shut_down();
    s.send(seg().seq(4).ack(5).fin());
    s.send(seg().seq(5).ack(6));
    assert_complete(&s.receipt(), graceful(Order::Simultaneous));
    s.take();
    s.finish();
}

/// ET-3: one step before the last, an abort at either end or a timeout makes it something else, for good.
#[test]
fn et_3_nothing_is_graceful_where_a_direction_is_missing() {
    for state in SYNCHRONIZED {
        let ways: [fn(&mut Script, State); 3] = [
            |s, _| s.abort(),
            |s, state| s.send(seg().seq(rcv_nxt(state)).rst()),
            |s, state| {
                if matches!(state, State::Established | State::CloseWait) {
                    s.write(b"lost");
                }
                if state == State::FinWait2 {
                    s.release();
                }
                s.advance(secs(4000));
            },
        ];
        for way in ways {
            let mut s = Script::in_state(state);
            way(&mut s, state);
            s.take();
            let receipt = s.only_receipt();
            assert!(!receipt.ending.is_graceful(), "{state}: {}", receipt.ending);
            assert_eq!(receipt.ending.state(), state);
            // What comes late changes nothing.
            let late = seg().seq(rcv_nxt(state)).ack(snd_nxt(state)).fin();
            s.send(late);
            s.take();
            assert!(s.handle.is_none() || s.receipt() == receipt, "{state}");
            s.finish();
        }
    }
}

/// ET-4: the state, what the peer did not acknowledge, and what nobody had read.
#[test]
fn et_4_a_reset_keeps_the_state_and_what_was_lost_in_both_directions() {
    for state in SYNCHRONIZED {
        for (unacked, unread) in [(0, 0), (7, 0), (0, 5), (7, 5)] {
            let mut s = Script::established_passive();
            if unread > 0 {
                s.send(seg().seq(1).ack(1).data(b"input"));
            }
            if unacked > 0 {
                s.write(b"waiting");
            }
            let (mut next, acked) = (1 + unread, 1);
            if matches!(state, State::CloseWait | State::LastAck) {
                s.send(seg().seq(next).ack(acked).fin());
                next += 1;
            }
            if !matches!(state, State::Established | State::CloseWait) {
                s.shut_down();
            }
            if state == State::Closing {
                s.send(seg().seq(next).ack(acked).fin());
                next += 1;
            }
            let lost = if state == State::FinWait2 { 0 } else { unacked };
            if state == State::FinWait2 {
                s.send(seg().seq(next).ack(2 + unacked));
            }
            assert_eq!(s.state(), state);
            s.send(seg().seq(next).rst());
            let receipt = s.receipt();
            assert_eq!(receipt.ending, Ending::ResetByPeer { state });
            assert_eq!(receipt.undelivered(), u64::try_from(lost).unwrap(), "{state}");
            assert_eq!(receipt.unread, u64::try_from(unread).unwrap(), "{state}");
            // What is read afterwards was delivered after all.
            assert_eq!(s.read_all().0.len(), usize::try_from(unread).unwrap());
            assert_eq!((s.receipt().unread, s.receipt().ending), (0, receipt.ending));
            s.take();
            s.finish();
        }
    }
}

#[test]
fn et_5_refused_is_a_reset_before_an_active_open_was_established() {
    let mut s = Script::syn_sent(config());
    s.send(seg().ack(1).rst());
    assert_eq!(s.only_receipt().ending, Ending::Refused { state: State::SynSent });
    s.finish();
    let mut s = Script::syn_received_active();
    s.send(seg().seq(1).rst());
    assert_eq!(s.only_receipt().ending, Ending::Refused { state: State::SynReceived });
    s.finish();
    // A passive open was nobody's yet: no ending.
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).rst());
    assert_eq!((s.flow_state(), s.receipts().len()), (State::Closed, 0));
    s.finish();
    // Once it is established it is another thing.
    let mut s = Script::established_active();
    s.send(seg().seq(1).rst());
    assert_eq!(s.only_receipt().ending, Ending::ResetByPeer { state: State::Established });
    s.finish();
}

/// ET-6, as far as there are causes: each keeps the state, what was unread, what was not acknowledged.
#[test]
fn et_6_aborted_says_why_and_in_which_state() {
    type Abort = fn(&mut Script);
    let causes: [(Cause, Abort); 4] = [
        (Cause::AbortCall, Script::abort),
        (Cause::CloseWithUnread, |s| {
            s.send(seg().seq(1).ack(1).data(b"unread"));
            s.close();
        }),
        (Cause::LingerZero, |s| {
            s.stack.set_zero_linger(s.now, s.id(), true);
            s.close();
        }),
        (Cause::StackShutdown, |s| {
            s.stack.abort_all(s.now);
            s.listener = None;
            s.poll();
        }),
    ];
    for state in [State::Established, State::FinWait1, State::FinWait2] {
        for (cause, abort) in causes {
            let mut s = Script::in_state(state);
            if state == State::Established {
                s.write(b"waiting");
            }
            abort(&mut s);
            let receipt = s.only_receipt();
            assert_eq!(receipt.ending, aborted(cause, state));
            assert_eq!(receipt.undelivered(), if state == State::Established { 7 } else { 0 });
            assert_eq!(receipt.unread, if cause == Cause::CloseWithUnread { 6 } else { 0 });
            assert!(s.take().last().is_some_and(|seen| seen.flags.has(adieu_core::wire::Flags::RST)), "{cause:?}");
            s.finish();
        }
    }
    let mut s = Script::in_state(State::FinWait2);
    s.release();
    s.send(seg().seq(1).ack(2).data(b"for nobody"));
    s.take();
    assert_eq!(s.only_receipt().ending, aborted(Cause::DataAfterClose, State::FinWait2));
    s.finish();
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1).data(b"x"));
    s.unlisten();
    s.take();
    let receipt = s.only_receipt();
    assert_eq!((receipt.ending, receipt.unread), (aborted(Cause::ListenerClosed, State::Established), 1));
    s.finish();
    let mut s = Script::established_passive();
    s.write(b"waiting");
    s.close();
    s.stack.linger_expired(s.now, s.id());
    s.poll();
    s.take();
    let receipt = s.only_receipt();
    assert_eq!((receipt.ending, receipt.undelivered()), (aborted(Cause::LingerExpired, State::FinWait1), 7));
    s.finish();
}

/// An ICMP error that ends nothing, about the last packet of ours.
fn host_unreachable(s: &mut Script) {
    let packet = s.take().pop().expect("something was sent").packet;
    let message = icmp::about(3, 1, 0, PEER.into(), &packet, 28);
    s.stack.handle_packet(s.now, Packet::new(&message));
    s.poll();
}

/// ET-7: what was waited for, each with the state and with the last ICMP error, where there was one.
#[test]
fn et_7_timed_out_says_what_was_waited_for() {
    type Begin = fn() -> Script;
    let phases: [(Phase, State, Begin); 6] = [
        (Phase::Connect, State::SynSent, || {
            let mut s = Script::new();
            s.connect();
            s
        }),
        (Phase::Retransmission, State::LastAck, || {
            let mut s = Script::in_state(State::CloseWait);
            s.shut_down();
            s
        }),
        (Phase::UserTimeout, State::Established, || {
            let mut s = Script::established_passive();
            s.set(|settings| settings.user_timeout = Some(secs(10)));
            s.write(b"x");
            s
        }),
        (Phase::ZeroWindow, State::FinWait1, || {
            let mut s = Script::established_passive();
            s.write(b"x");
            s.send(seg().seq(1).ack(1).win(0));
            s.release();
            s
        }),
        (Phase::Keepalive, State::Established, || {
            let mut s = Script::established_passive();
            s.write(b"x");
            s.set(|settings| settings.keepalive = Some(Keepalive { idle: secs(9), interval: secs(9), probes: 3 }));
            s
        }),
        (Phase::FinWait2Orphan, State::FinWait2, || {
            let mut s = Script::established_passive();
            s.release();
            s
        }),
    ];
    for (phase, state, begin) in phases {
        for trouble in [false, true] {
            let mut s = begin();
            if trouble && phase != Phase::ZeroWindow {
                host_unreachable(&mut s);
            }
            match phase {
                Phase::Keepalive | Phase::FinWait2Orphan => s.send(seg().seq(1).ack(2)),
                _ => {}
            }
            let answered = phase == Phase::ZeroWindow;
            let began = s.now;
            while s.stack.stats().ended == 0 {
                assert!(s.next_timer().is_some(), "{phase:?}");
                if answered && s.stack.stats().ended == 0 {
                    s.send(seg().seq(1).ack(1).win(0));
                }
                assert!(s.now.since(began) < secs(4000));
            }
            let receipt = s.only_receipt();
            assert_eq!(receipt.ending, timed_out(phase, state));
            let icmp = (trouble && phase != Phase::ZeroWindow).then_some((3, 1));
            assert_eq!(receipt.last_icmp, icmp, "{phase:?}");
            s.take();
            s.finish();
        }
    }
}

/// ET-8: type and code; and only before the connection is established.
#[test]
fn et_8_unreachable_names_the_error_and_is_for_attempts_only() {
    for code in [2, 3] {
        for established in [false, true] {
            let mut s = Script::new();
            s.connect();
            let mut sent = s.take_one();
            if established {
                s.iss = sent.raw.0;
                s.send(seg().syn().ack(1));
                s.take();
                s.write(b"x");
                sent = s.take_one();
            }
            let message = icmp::about(3, code, 0, PEER.into(), &sent.packet, 28);
            s.stack.handle_packet(s.now, Packet::new(&message));
            s.poll();
            assert_eq!(s.ending(), (!established).then_some(Ending::Unreachable { icmp_type: 3, code }));
            if !established {
                assert_eq!((s.receipt().sent, s.receipt().closed_first), (0, None));
                assert_eq!(s.receipt().spent.total(), Duration::ZERO);
            }
            s.finish();
        }
    }
    // In SYN-RECEIVED the peer has answered: nobody may say that it cannot be reached.
    let mut s = Script::new();
    s.connect();
    let syn = s.take_one();
    s.iss = syn.raw.0;
    s.send(seg().syn());
    assert_eq!(s.state(), State::SynReceived);
    s.take();
    let message = icmp::about(3, 3, 0, PEER.into(), &syn.packet, 28);
    s.stack.handle_packet(s.now, Packet::new(&message));
    assert_eq!((s.state(), s.ending()), (State::SynReceived, None));
    s.finish();
}

/// ET-9 in SYN-SENT: by close, shutdown, abort, or by letting go; nothing is sent.
#[test]
fn et_9_cancelled_is_a_close_before_anything_existed() {
    let ways: [fn(&mut Script); 5] = [Script::close, Script::shut_down, Script::abort, Script::release, |s| {
        s.stack.abort_all(s.now);
        s.poll();
    }];
    for way in ways {
        let mut s = Script::syn_sent(Config { syn_retries: 1, ..config() });
        s.advance(secs(1));
        s.take();
        way(&mut s);
        s.expect_nothing();
        let receipt = s.only_receipt();
        assert_eq!(receipt.ending, Ending::Cancelled { state: State::SynSent });
        assert_eq!((receipt.sent, receipt.received, receipt.retransmissions), (0, 0, 1));
        assert_eq!(receipt.spent.iter().collect::<Vec<_>>(), [(State::SynSent, secs(1))]);
        s.finish();
    }
}
