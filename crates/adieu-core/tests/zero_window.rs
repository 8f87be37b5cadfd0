//! Zero window and the FIN (1.9).

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Config, Order, Phase, State};
use script::{MSS, Script, bytes, config, graceful, ms, secs, seg, timed_out};

/// Established; the peer's window is closed from the first ACK on.
fn closed_window() -> Script {
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1).win(0));
    assert!(s.accept());
    s
}

/// ZW-1, ZW-2, M36
#[test]
fn zw_1_2_data_and_fin_wait_and_the_window_is_probed() {
    let mut s = closed_window();
    s.write(b"abc");
    s.shut_down();
    s.expect_nothing();
    assert_eq!(s.state(), State::FinWait1);
    let mut waits = Vec::new();
    for _ in 0..12 {
        waits.push(s.next_timer().unwrap());
        let probe = s.take_one();
        assert_eq!((probe.seq, probe.data.as_slice(), probe.flags.has(Flags::FIN)), (1, &b"a"[..], false));
        s.send(seg().seq(1).ack(1).win(0));
        s.expect_nothing();
    }
    assert!(waits[0] >= ms(200) && waits[0] <= secs(1), "after one RTO: {waits:?}");
    assert!(waits.windows(2).all(|pair| pair[1] == (pair[0] * 2).min(secs(60))), "{waits:?}");
    s.send(seg().seq(1).ack(1).win(1000));
    let sent = s.take();
    let data: Vec<u8> = sent.iter().flat_map(|seen| seen.data.clone()).collect();
    assert_eq!((data.as_slice(), sent[0].seq), (&b"abc"[..], 1));
    assert!(sent.last().unwrap().flags.has(Flags::FIN));
    s.send(seg().seq(1).ack(5));
    assert_eq!(s.state(), State::FinWait2);
    s.finish();
}

/// ZW-3: a receiver after table 6 refuses the bare FIN; one like us takes it.
#[test]
fn zw_3_the_fin_is_itself_the_probe() {
    for takes_it in [false, true] {
        let mut s = closed_window();
        s.shut_down();
        s.expect_nothing();
        assert_eq!(s.state(), State::FinWait1);
        assert!(s.next_timer().unwrap() <= secs(1));
        s.expect_only(seg().seq(1).ack(1).fin());
        if takes_it {
            s.send(seg().seq(1).ack(2).win(0));
        } else {
            s.send(seg().seq(1).ack(1).win(0));
            s.expect_nothing();
            assert_eq!(s.state(), State::FinWait1);
            s.send(seg().seq(1).ack(1).win(10));
            s.expect_only(seg().seq(1).ack(1).fin());
            s.send(seg().seq(1).ack(2).win(10));
        }
        assert_eq!(s.state(), State::FinWait2);
        s.send(seg().seq(1).ack(2).fin());
        assert_eq!(s.ending(), Some(graceful(Order::LocalFirst)));
        s.finish();
    }
}

/// L5, ZW-3: who becomes an orphan begins to count its probes anew, and what it has put into the closed window before
/// is no less refused.
#[test]
fn l5_an_orphan_goes_on_at_once_when_the_window_opens() {
    let mut s = closed_window();
    s.write(b"abc");
    s.shut_down();
    for _ in 0..7 {
        assert!(s.next_timer().is_some());
        assert_eq!(s.take_one().data, b"a");
        s.send(seg().seq(1).ack(1).win(0));
    }
    s.release();
    s.expect_nothing();
    s.send(seg().seq(1).ack(1).win(1000));
    let sent = s.take();
    let data: Vec<u8> = sent.iter().flat_map(|seen| seen.data.clone()).collect();
    assert_eq!((data.as_slice(), sent.last().map(|last| last.flags.has(Flags::FIN))), (&b"abc"[..], Some(true)));
}

/// RFC 9293 section 3.10.7.4: "If SND.UNA =< SEG.ACK =< SND.NXT, the send window should be updated". What acknowledges
/// less was overtaken: its window lies before an edge that is known.
#[test]
fn zw_3_an_acknowledgment_that_was_overtaken_opens_no_window() {
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1).win(4));
    assert!(s.accept());
    s.write(b"abcdefgh");
    assert_eq!(s.take_one().data, b"abcd");
    s.send(seg().seq(1).ack(5).win(0));
    s.expect_nothing();
    s.send(seg().seq(3).ack(1).win(4)); // Behind data of the peer's that was lost, and has come again meanwhile.
    assert!(s.take().iter().all(|seen| seen.data.is_empty()), "the window after the fourth octet is closed");
}

/// INV-19: neither a window that closes nor one that opens is progress. What is in flight goes again when its time has
/// come, however often the peer changes its mind.
#[test]
fn inv_19_a_window_that_flaps_puts_off_no_retransmission() {
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1).win(1000));
    assert!(s.accept());
    s.write(b"abc");
    assert_eq!(s.take_one().data, b"abc");
    let sent = s.now;
    let again = (0..200).find(|round| {
        s.advance(ms(50));
        s.send(seg().seq(1).ack(1).win(if round % 2 == 0 { 0 } else { 1000 }));
        s.take().iter().any(|seen| !seen.data.is_empty())
    });
    assert!(again.is_some() && s.now.since(sent) <= secs(2), "{again:?} after {:?}", s.now.since(sent));
}

/// ZW-4, Y8
#[test]
fn zw_4_answered_probes_never_time_out() {
    let mut s = closed_window();
    s.write(b"abc");
    s.shut_down();
    let end = s.now + secs(24 * 3600);
    let mut probes = 0;
    while s.now < end {
        s.next_timer().unwrap();
        s.expect_only(seg().seq(1).ack(1).data(b"a"));
        s.send(seg().seq(1).ack(1).win(0));
        probes += 1;
    }
    assert_eq!((s.state(), s.ending()), (State::FinWait1, None));
    assert!(probes >= 24 * 60, "at least one a minute: {probes}");
    s.finish();
}

/// ZW-5
#[test]
fn zw_5_an_orphan_is_given_up_though_probes_are_answered() {
    let mut s = closed_window();
    s.write(b"abc");
    s.release();
    let began = s.now;
    let mut probes = 0;
    loop {
        s.next_timer().unwrap();
        let seen = s.take();
        if seen.iter().all(|seen| seen.flags.has(Flags::RST)) {
            // At the probe, and after it, for a peer that took it (L3).
            assert_eq!(seen.iter().map(|seen| seen.seq).collect::<Vec<_>>(), [1, 2]);
            break;
        }
        probes += 1;
        s.send(seg().seq(1).ack(1).win(0));
    }
    assert!((1..=8).contains(&probes), "{probes} probes");
    assert!(s.now.since(began) <= secs(120), "{:?}", s.now.since(began));
    assert_eq!(s.only_receipt().ending, timed_out(Phase::ZeroWindow, State::FinWait1));
    s.finish();
}

/// ZW-3, ZW-5: the orphan's patience begins with the orphan. A connection that was idle for long before it was
/// dropped has its FIN probed like any other.
#[test]
fn zw_5_an_orphan_after_a_long_idle_time_probes_its_fin() {
    let mut s = closed_window();
    s.advance(secs(3600));
    s.release();
    s.expect_nothing();
    s.next_timer().unwrap();
    s.expect_only(seg().seq(1).ack(1).fin());
    s.send(seg().seq(1).ack(2).win(0));
    s.send(seg().seq(1).ack(2).win(0).fin());
    assert_eq!(s.only_receipt().ending, graceful(Order::LocalFirst));
    s.finish();
}

/// ZW-5, ZW-4: probes answered while somebody held the handle are no fault of the orphan.
#[test]
fn zw_5_probes_before_orphaning_do_not_count() {
    let mut s = closed_window();
    s.write(b"abc");
    for _ in 0..20 {
        s.next_timer().unwrap();
        s.send(seg().seq(1).ack(1).win(0));
    }
    s.take();
    s.release();
    s.next_timer().unwrap();
    let seen = s.take_one();
    assert!(!seen.flags.has(Flags::RST), "given up without one try: {seen:?}");
    assert_eq!((seen.seq, seen.data.as_slice()), (1, &b"a"[..]));
    s.finish();
}

/// ZW-5, INV-18: a peer that opens and closes its window and takes nothing cannot hold an orphan for ever.
#[test]
fn zw_5_a_window_that_flaps_does_not_hold_an_orphan() {
    let mut s = closed_window();
    s.write(b"abc");
    s.release();
    let began = s.now;
    while s.flow_state() != State::Closed && s.now.since(began) < secs(24 * 3600) {
        s.next_timer().unwrap();
        s.send(seg().seq(1).ack(1).win(1));
        s.send(seg().seq(1).ack(1).win(0));
    }
    s.take();
    assert!(s.now.since(began) < secs(3600), "still there after {:?}", s.now.since(began));
    s.finish();
}

/// ZW-6
#[test]
fn zw_6_unanswered_probes_count_toward_r2() {
    let mut s = closed_window();
    s.write(b"abc");
    let began = s.now;
    let mut probes = 0;
    while s.ending().is_none() {
        s.next_timer().unwrap();
        probes += usize::from(s.ending().is_none());
        if s.ending().is_none() {
            s.expect_only(seg().seq(1).ack(1).data(b"a"));
        }
    }
    assert_eq!(s.take().iter().filter(|seen| seen.flags.has(Flags::RST)).count(), 2);
    assert!(s.now.since(began) >= secs(100));
    assert_eq!(probes, 15);
    let ending = s.ending().unwrap();
    let phase = [Phase::Retransmission, Phase::ZeroWindow].map(|phase| timed_out(phase, State::Established));
    assert!(phase.contains(&ending), "{ending:?}");
    s.finish();
}

/// ZW-9, M66's sibling (RFC 9293 section 3.10.7.4, first): into our closed window comes a probe whose ACK and window
/// are news. The octet is refused, the acknowledgment counts.
#[test]
fn zw_9_the_ack_of_a_probe_into_our_closed_window_counts() {
    let mut s = Script::syn_received(Config { receive_buffer: 4, ..config() });
    s.send(seg().seq(1).ack(1).win(3));
    assert!(s.accept());
    s.write(b"abcdef");
    s.expect_only(seg().seq(1).ack(1).data(b"abc"));
    s.send(seg().seq(1).ack(4).win(0).data(b"full"));
    s.expect_only(seg().seq(4).ack(5).win(0));
    // Both windows are closed. The peer opens its own; the update is lost; then it probes ours.
    s.send(seg().seq(5).ack(4).win(100).data(b"p"));
    let replies = s.take();
    assert!(replies.iter().all(|seen| seen.ack == Some(5)), "the octet is refused: {replies:?}");
    let data: Vec<u8> = replies.iter().flat_map(|seen| seen.data.clone()).collect();
    assert_eq!(data, b"def");
    s.finish();
}

/// ZW-9, FA-1: the ACK of our FIN on data that finds our window closed.
#[test]
fn zw_9_the_ack_of_our_fin_counts_though_our_window_is_closed() {
    let mut s = Script::established_with(Config { receive_buffer: 4, ..config() });
    s.send(seg().seq(1).ack(1).data(b"full"));
    s.take();
    s.shut_down();
    s.expect_only(seg().seq(1).ack(5).fin());
    s.send(seg().seq(5).ack(2).data(b"p"));
    s.expect_only(seg().seq(2).ack(5));
    assert_eq!(s.state(), State::FinWait2);
    s.finish();
}

/// ZW-10
#[test]
fn zw_10_a_lost_window_update_is_found_by_the_next_probe() {
    let mut s = closed_window();
    s.write(&bytes(500));
    s.shut_down();
    for _ in 0..5 {
        s.next_timer().unwrap();
        s.send(seg().seq(1).ack(1).win(0));
    }
    s.take();
    // The update is lost: the next probe's answer tells.
    let waited = s.next_timer().unwrap();
    assert!(waited <= secs(60));
    s.take();
    s.send(seg().seq(1).ack(2).win(20_000));
    s.expect_only(seg().seq(2).ack(1).data(&bytes(500)[1..]).fin());
    s.send(seg().seq(1).ack(502));
    assert_eq!(s.state(), State::FinWait2);
    s.finish();
}

/// ZW-2, RFC 5681 section 3.2: what answers a probe shows no loss, and does not cost the congestion window.
#[test]
fn zw_2_answers_to_probes_are_no_duplicate_acks() {
    let mut s = closed_window();
    let data = bytes(8 * MSS);
    s.write(&data);
    for _ in 0..5 {
        s.next_timer().unwrap();
        s.expect_only(seg().seq(1).ack(1).data(&data[..1]));
        s.send(seg().seq(1).ack(1).win(0));
        s.expect_nothing();
    }
    s.send(seg().seq(1).ack(1).win(65535));
    let sent: usize = s.take().iter().map(|seen| seen.data.len()).sum();
    assert_eq!(sent, data.len(), "the initial window is ten segments");
    s.finish();
}

/// ZW-2, section 4.6: probes and retransmissions never run together; a probe that was taken moves on.
#[test]
fn zw_2_a_probe_that_is_taken_moves_on() {
    let mut s = closed_window();
    s.write(b"abc");
    for octet in [b"a", b"b", b"c"] {
        s.next_timer().unwrap();
        let probe = s.take_one();
        assert_eq!(probe.data.as_slice(), &octet[..]);
        s.send(seg().seq(1).ack(probe.seq + 1).win(0));
        s.expect_nothing();
    }
    s.advance(secs(3600));
    s.expect_nothing();
    assert_eq!(s.ending(), None);
    s.finish();
}

/// ZW-3: a FIN does not fit into a window that the data before it fills.
#[test]
fn zw_3_a_fin_does_not_exceed_the_window() {
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1).win(3));
    assert!(s.accept());
    s.stack.write(s.now, s.id(), b"abc").unwrap();
    s.shut_down();
    s.expect_only(seg().seq(1).ack(1).data(b"abc"));
    s.send(seg().seq(1).ack(4).win(0));
    s.expect_nothing();
    s.send(seg().seq(1).ack(4).win(1));
    s.expect_only(seg().seq(4).ack(1).fin());
    s.finish();
}
