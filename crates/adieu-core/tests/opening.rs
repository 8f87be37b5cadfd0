//! Opening, and closing before it is done (1.7, 1.8, CL-2 to CL-4, CL-13).

mod script;

use std::net::SocketAddr;

use adieu_core::wire::Flags;
use adieu_core::{Cause, ConnectError, Ending, Events, Order, ReadError, State, WriteError};
use script::{MSS, PEER, Script, US, aborted, config, graceful, ms, seg};

/// INV-22; MUST-14, MUST-67: the MSS is announced.
#[test]
fn x_active_and_passive_handshake() {
    let mut s = Script::new();
    s.connect();
    let syn = s.take_one();
    assert_eq!((syn.flags, syn.mss, syn.data.len()), (Flags::SYN, Some(1460), 0));
    s.iss = syn.raw.0;
    s.send(seg().syn().ack(1));
    s.expect_only(seg().seq(1).ack(1));
    let events = s.stack.poll_notified().unwrap().1;
    assert!(events.has(Events::CONNECTED) && events.has(Events::WRITABLE));
    s.finish();

    let mut s = Script::new();
    s.listen();
    s.send(seg().syn());
    let syn_ack = s.take_one();
    assert_eq!((syn_ack.flags, syn_ack.ack, syn_ack.mss), (Flags::SYN.with(Flags::ACK), Some(1), Some(1460)));
    assert!(!s.accept(), "not before our SYN is acknowledged");
    s.iss = syn_ack.raw.0;
    s.send(seg().seq(1).ack(2));
    s.expect_only(seg().seq(2).rst());
    assert!(!s.accept());
    s.send(seg().seq(-10).ack(1));
    assert!(!s.accept(), "outside the window");
    s.take();
    s.send(seg().seq(1).ack(1));
    assert!(s.accept() && s.stack.poll_acceptable().is_some());
    s.finish();
}

/// CL-3
#[test]
fn cl_3_close_in_syn_sent_leaves_nothing() {
    for dropped in [false, true] {
        let mut s = Script::syn_sent(config());
        if dropped {
            s.release();
        } else {
            s.close();
            let cancelled = Ending::Cancelled { state: State::SynSent };
            assert_eq!((s.ending(), s.read(1)), (Some(cancelled), Err(ReadError::Ended(cancelled))));
        }
        s.expect_nothing();
        let left = s.stack.leftover();
        assert_eq!((left.openings, left.flows, left.quarantined), (0, 1, 1), "EO-2: only the tuple is kept aside");
        s.send(seg().syn().ack(1));
        s.expect_only(seg().seq(1).rst());
        assert_eq!(s.only_receipt().ending, Ending::Cancelled { state: State::SynSent });
        s.finish();
    }
}

/// CL-3: a pending write fails, too.
#[test]
fn cl_3_a_write_after_close_in_syn_sent_fails() {
    let mut s = Script::syn_sent(config());
    s.close();
    assert_ne!(s.try_write(), Err(WriteError::Blocked));
    s.finish();
}

/// CL-3: the table is for CLOSE and shutdown(write) alike.
#[test]
fn cl_3_shutdown_in_syn_sent_leaves_nothing() {
    let mut s = Script::syn_sent(config());
    s.shut_down();
    s.expect_nothing();
    assert_eq!(s.ending(), Some(Ending::Cancelled { state: State::SynSent }));
    s.finish();
}

/// UD-1 in SYN-RECEIVED: closed, and then the third ACK brings data.
#[test]
fn ud_1_data_for_a_connection_closed_in_syn_received() {
    let mut s = Script::syn_received_active();
    s.close();
    s.send(seg().seq(1).ack(1).data(b"unread"));
    let rst = s.take_one();
    assert_eq!((rst.flags.has(Flags::RST), rst.seq, rst.ack), (true, 1, Some(7)));
    let receipt = s.only_receipt();
    assert!(matches!(receipt.ending, Ending::Aborted { .. }), "{receipt:?}");
    s.finish();
}

/// CL-4, SC-5: deferred until established, by close, shutdown or drop.
#[test]
fn cl_4_close_in_syn_received_waits_for_establishment() {
    for how in 0..3 {
        let mut s = Script::syn_received_active();
        match how {
            0 => s.close(),
            1 => s.shut_down(),
            _ => s.release(),
        }
        s.expect_nothing();
        assert_eq!(s.flow_state(), State::SynReceived);
        s.send(seg().seq(1).ack(1));
        s.expect_only(seg().seq(1).ack(1).fin());
        assert_eq!(s.flow_state(), State::FinWait1);
        s.send(seg().seq(1).ack(2).fin());
        s.expect_only(seg().seq(2).ack(2));
        assert_eq!(s.only_receipt().ending, graceful(Order::LocalFirst));
        s.finish();
    }
}

/// CL-4, FI-0, FI-7: the close that waited comes before the FIN of the segment that establishes.
#[test]
fn cl_4_a_fin_in_the_segment_that_establishes_crosses_ours() {
    for shut_down in [true, false] {
        let mut s = Script::syn_received_active();
        if shut_down {
            s.shut_down();
        } else {
            s.close();
        }
        s.send(seg().seq(1).ack(1).fin());
        s.expect_only(seg().seq(1).ack(2).fin());
        assert_eq!(s.flow_state(), State::Closing);
        s.send(seg().seq(2).ack(2));
        assert_eq!(s.flow_state(), State::TimeWait);
        assert_eq!(s.only_receipt().ending, graceful(Order::Simultaneous));
        s.finish();
    }
}

/// LM-4, CL-11: a linger time of 0 in SYN-RECEIVED, set there or before, makes a close a reset.
#[test]
fn lm_4_zero_linger_in_syn_received_resets() {
    let mut s = Script::syn_received_active();
    s.stack.set_zero_linger(s.now, s.id(), true);
    s.close();
    let rst = s.take_one();
    assert_eq!((rst.flags.has(Flags::RST), rst.seq, rst.ack), (true, 1, Some(1)));
    let receipt = s.only_receipt();
    assert_eq!(receipt.ending, Ending::Aborted { cause: Cause::LingerZero, state: State::SynReceived });
    s.finish();
}

/// LM-4: what was set before the connection was there still counts once it is.
#[test]
fn lm_4_zero_linger_set_in_syn_sent_is_inherited() {
    let mut s = Script::syn_sent(config());
    s.stack.set_zero_linger(s.now, s.id(), true);
    s.send(seg().seq(0).ack(1).syn());
    s.take();
    assert_eq!(s.flow_state(), State::Established);
    s.close();
    assert!(s.take_one().flags.has(Flags::RST));
    assert_eq!(s.only_receipt().ending, Ending::Aborted { cause: Cause::LingerZero, state: State::Established });
    s.finish();
}

/// CL-4: the window of the ACK that establishes is taken, however small.
#[test]
fn cl_4_the_first_window_is_taken() {
    let mut s = Script::syn_received_active();
    s.close();
    s.send(seg().seq(1).ack(1).win(0));
    assert!(s.take().iter().all(|seen| !seen.flags.has(Flags::FIN)));
    assert_eq!(s.flow_state(), State::FinWait1);
    s.next_timer().unwrap();
    s.expect_only(seg().seq(1).ack(1).fin());
    s.finish();
}

/// CL-2, CL-13, EO-1
#[test]
fn cl_13_closing_a_listener_resets_its_children() {
    let mut s = Script::syn_received(config());
    s.unlisten();
    let rst = s.take_one();
    assert_eq!((rst.seq, rst.flags.has(Flags::RST)), (1, true));
    assert_eq!(s.flow_state(), State::Closed);
    s.send(seg().seq(1).ack(1));
    s.expect_only(seg().seq(1).rst());
    s.finish();

    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1).data(b"hello"));
    s.take();
    s.unlisten();
    s.expect_only(seg().seq(1).ack(6).rst());
    assert_eq!(s.only_receipt().ending, aborted(Cause::ListenerClosed, State::Established));
    s.finish();

    let mut s = Script::established_passive();
    s.unlisten();
    s.expect_nothing();
    assert_eq!(s.state(), State::Established, "accepted ones go on");
    s.flow.remote_port = 1;
    s.send(seg().syn());
    assert!(s.take_one().flags.has(Flags::RST));
    s.flow.remote_port = script::PEER_PORT;
    s.finish();
}

/// SC-5: both ends in SYN-RECEIVED; the crossing SYN-ACK lies left of the window, and still establishes.
#[test]
fn sc_5_simultaneous_open() {
    let mut s = Script::syn_received_active();
    s.send(seg().syn().ack(1));
    let replies = s.take();
    assert!(replies.len() <= 1 && replies.iter().all(|seen| (seen.seq, seen.ack) == (1, Some(1))), "{replies:?}");
    assert_eq!(s.state(), State::Established);
    s.write(b"x");
    s.expect_only(seg().seq(1).ack(1).data(b"x"));
    s.finish();
}

/// SC-5: the crossing SYN-ACK comes twice; the second is answered as well, whatever the limits.
#[test]
fn sc_5_every_crossing_syn_ack_is_answered() {
    let mut s = Script::syn_received_active();
    for round in 0..3 {
        s.send(seg().syn().ack(1));
        let replies = s.take();
        assert!(round == 0 || replies.len() == 1, "round {round}: {replies:?}");
        s.advance(ms(200));
    }
    assert_eq!(s.state(), State::Established);
    s.finish();
}

/// SC-5: then every order of closing.
#[test]
fn sc_5_simultaneous_open_then_close() {
    let orders = [
        (vec![seg().seq(1).ack(2), seg().seq(1).ack(2).fin()], Order::LocalFirst),
        (vec![seg().seq(1).ack(2).fin()], Order::LocalFirst),
        (vec![seg().seq(1).ack(1).fin(), seg().seq(2).ack(2)], Order::Simultaneous),
    ];
    for (segments, order) in orders {
        let mut s = Script::syn_received_active();
        s.send(seg().seq(1).ack(1));
        s.shut_down();
        for segment in segments {
            s.send(segment);
        }
        let receipt = s.only_receipt();
        assert_eq!(receipt.ending, graceful(order));
        let states: Vec<State> = receipt.spent.iter().map(|(state, _)| state).collect();
        assert_eq!(states[..4], [State::SynSent, State::SynReceived, State::Established, State::FinWait1]);
        s.take();
        s.finish();
    }
}

/// SC-7
#[test]
fn sc_7_nobody_connects_to_himself() {
    let mut s = Script::new();
    let ourselves = SocketAddr::from((US, 80));
    assert_eq!(s.stack.connect(s.now, Some(ourselves), ourselves), Err(ConnectError::Ourselves(ourselves)));
    s.finish();
}

/// INV-23: a tuple that is in use is not given again; another remote end can have the port at once.
#[test]
fn inv_23_one_connection_for_each_tuple() {
    let mut s = Script::established_active();
    let (local, remote) = (s.flow.local(), s.flow.remote());
    assert_eq!(s.stack.connect(s.now, Some(local), remote), Err(ConnectError::InUse(local)));
    let other = s.stack.connect(s.now, Some(local), SocketAddr::from((PEER, 4001))).unwrap();
    s.stack.release(s.now, other);
    s.abort();
    s.take();
    assert_eq!(s.stack.connect(s.now, Some(local), remote), Err(ConnectError::InUse(local)), "quarantine, AB-5");
    s.advance(script::secs(60));
    let again = s.stack.connect(s.now, Some(local), remote).unwrap();
    s.stack.release(s.now, again);
    s.receipts();
    s.finish();
}

/// EO-4's neighbour, M44: a listener takes a SYN for each peer up to its backlog, and no more.
#[test]
fn x_the_backlog_bounds_half_open_connections() {
    let mut s = Script::with(adieu_core::Config { syn_backlog: 3, syn_cookies: false, ..config() }, 1, script::START);
    s.listen();
    for port in 1..=10 {
        s.flow.remote_port = port;
        s.send(seg().syn());
    }
    assert_eq!((s.for_others + s.take().len(), s.stack.leftover().openings), (3, 3));
    assert_eq!(s.stack.stats().syns_dropped, 7);
    s.advance(ms(64_000));
    s.take();
    assert_eq!(s.stack.leftover().openings, 0);
    s.finish();
}

/// EO-3 as far as the core shows it: an abort of what is not established yet.
#[test]
fn eo_3_abort_while_opening() {
    let mut s = Script::syn_received_active();
    s.write_is_blocked();
    s.abort();
    s.expect_only(seg().seq(1).ack(1).rst());
    assert_eq!(s.only_receipt().ending, aborted(Cause::AbortCall, State::SynReceived));
    s.finish();
}

impl Script {
    fn write_is_blocked(&mut self) {
        assert_eq!(self.try_write(), Err(WriteError::Blocked));
    }
}

/// SYN-SENT with a SYN-ACK that carries data: taken, or left to be sent again, but never lost.
#[test]
fn x_data_on_a_syn_ack() {
    let mut s = Script::syn_sent(config());
    s.send(seg().syn().ack(1).data(b"hi").mss(u16::try_from(MSS).unwrap()));
    let ack = s.take_one().ack.unwrap();
    assert!(ack == 1 || ack == 3, "{ack}");
    assert_eq!(s.read_all().0.len(), usize::try_from(ack).unwrap() - 1);
    s.finish();
}
