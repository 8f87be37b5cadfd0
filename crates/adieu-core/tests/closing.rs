//! Closing in order: CLOSE, FIN, and the acknowledgment of our FIN, in every state (1.1, 1.2.1, 1.2.3, 1.2.4, 1.3);
//! over IPv4 and IPv6, with initial numbers far from the wrap of sequence numbers and at it (FB-6).

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Closer, Ending, Order, State, WriteError};
use script::places::{Place, register};
use script::{bytes, config, graceful, ms, secs, seg};

register! {
    fb_1_no_byte_is_taken_after_write_close(Place);
    fb_2_an_ack_of_all_that_was_sent_is_not_an_ack_of_the_fin(Place);
    fb_3_a_fin_takes_one_number_after_its_data(Place);
    fb_4_a_fin_behind_a_cut_is_not_taken(Place);
    fb_5_old_data_with_a_new_fin_brings_the_fin(Place);
    fb_5_old_data_with_a_new_fin_into_a_closed_window(Place);
    fb_7_without_ack_nothing_happens(Place);
    cl_5_6_7_8_10_close_and_shutdown_look_alike_and_repeats_do_nothing(Place);
    cl_9_the_last_data_before_a_fin_is_pushed(Place);
    fi_5_a_fin_leads_to_close_wait_and_is_acknowledged_at_once(Place);
    fi_6_fin_with_the_ack_of_ours_leads_straight_to_time_wait(Place);
    fi_7_closing_with_data_left_to_send(Place);
    fi_8_fin_wait_2_to_time_wait(Place);
    fi_9_a_repeated_fin_is_acknowledged_and_changes_nothing(Place);
    fa_1_the_ack_of_our_fin_stops_every_timer(Place);
    fa_3_closing_to_time_wait_sends_nothing(Place);
    fa_4_last_ack_to_closed_frees_everything_now(Place);
    fa_6_an_ack_beyond_what_was_sent_never_counts(Place);
    fa_7_an_ack_older_than_anything_under_way_is_dropped_whole(Place);
    fa_7_an_ack_of_numbers_before_our_own_first_is_dropped(Place);
    fa_8_the_ack_field_of_a_repeated_fin_counts(Place);
    fs_2_a_fin_waits_for_no_ack(Place);
    fs_3_a_bare_fin_does_not_wait_for_the_congestion_window(Place);
    fs_5_a_lost_fin_comes_again_at_the_same_number(Place);
    fs_6_a_repeat_keeps_fin_and_data_in_their_places(Place);
    sc_1_crossing_fins_lead_through_closing(Place);
}

/// FB-1, AP-3
fn fb_1_no_byte_is_taken_after_write_close(at: Place) {
    let mut s = at.established_passive();
    s.write(b"abc");
    s.expect_only(seg().seq(1).ack(1).data(b"abc").psh());
    s.shut_down();
    s.expect_only(seg().seq(4).ack(1).fin());
    assert_eq!(s.try_write(), Err(WriteError::ShutDown));
    s.expect_nothing();
    s.send(seg().seq(1).ack(5));
    s.send(seg().seq(1).ack(5).fin());
    s.expect_only(seg().seq(5).ack(2));
    let receipt = s.receipt();
    assert_eq!((receipt.sent, receipt.acknowledged, receipt.undelivered()), (3, 3, 0));
    s.finish();
}

/// FB-2, FA-5: an ACK of everything sent is no ACK of a FIN that still waits for the congestion window.
fn fb_2_an_ack_of_all_that_was_sent_is_not_an_ack_of_the_fin(at: Place) {
    let mut s = at.established_passive();
    let data = bytes(18 * at.mss());
    s.write(&data);
    s.shut_down();
    let first = s.take();
    assert_eq!(first.len(), 10, "the initial window");
    assert!(first.iter().all(|seen| !seen.flags.has(Flags::FIN)));
    assert_eq!(s.state(), State::FinWait1);
    let sent = 10 * i32::try_from(at.mss()).unwrap();
    s.send(seg().seq(1).ack(1 + sent));
    assert_eq!(s.state(), State::FinWait1);
    assert!(!s.stack.is_finished(s.id()));
    let second = s.take();
    let last = second.last().unwrap();
    assert!(last.flags.has(Flags::FIN) && last.flags.has(Flags::PSH), "FIN and PSH ride on the last data (FS-1, FS-4)");
    assert_eq!(usize::try_from(last.seq).unwrap() + last.data.len(), 1 + data.len());
    let fin_acked = 2 + i32::try_from(data.len()).unwrap();
    s.send(seg().seq(1).ack(fin_acked - 1));
    assert_eq!(s.state(), State::FinWait1, "all data, but not the FIN");
    s.send(seg().seq(1).ack(fin_acked));
    assert_eq!(s.state(), State::FinWait2);
    assert!(s.stack.is_finished(s.id()));
    s.expect_nothing();
    s.finish();
}

/// FB-3
fn fb_3_a_fin_takes_one_number_after_its_data(at: Place) {
    let mut s = at.established_passive();
    s.send(seg().seq(1).ack(1).fin().data(&[7; 10]));
    s.expect_only(seg().seq(1).ack(12));
    assert_eq!(s.state(), State::CloseWait);
    assert_eq!(s.read_all(), (vec![7; 10], true));
    s.finish();
}

/// FB-4
fn fb_4_a_fin_behind_a_cut_is_not_taken(at: Place) {
    let mut s = at.established_with(adieu_core::Config { receive_buffer: 5, ..config() });
    s.send(seg().seq(1).ack(1).fin().data(b"0123456789"));
    s.expect_only(seg().seq(1).ack(6).win(0));
    assert_eq!(s.state(), State::Established);
    assert_eq!(s.read(100), Ok(b"01234".to_vec()));
    s.expect_only(seg().seq(1).ack(6).win(5));
    assert!(s.read(100).is_err(), "no end of stream yet");
    s.send(seg().seq(6).ack(1).fin().data(b"56789"));
    s.expect_only(seg().seq(1).ack(12));
    assert_eq!(s.state(), State::CloseWait);
    assert_eq!(s.read_all(), (b"56789".to_vec(), true));
    s.finish();
}

/// FB-5
fn fb_5_old_data_with_a_new_fin_brings_the_fin(at: Place) {
    let mut s = at.established_passive();
    s.send(seg().seq(1).ack(1).data(b"abc"));
    s.expect_only(seg().seq(1).ack(4));
    s.send(seg().seq(1).ack(1).fin().data(b"abc"));
    s.expect_only(seg().seq(1).ack(5));
    assert_eq!(s.state(), State::CloseWait);
    s.send(seg().seq(1).ack(1).fin().data(b"abc"));
    s.expect_only(seg().seq(1).ack(5));
    assert_eq!(s.read_all(), (b"abc".to_vec(), true));
    s.finish();
}

/// FB-5 with FR-3: the window is closed, and needs not be open for what takes no buffer.
fn fb_5_old_data_with_a_new_fin_into_a_closed_window(at: Place) {
    let mut s = at.established_with(adieu_core::Config { receive_buffer: 5, ..config() });
    s.send(seg().seq(1).ack(1).data(b"01234"));
    s.expect_only(seg().seq(1).ack(6).win(0));
    s.send(seg().seq(1).ack(1).fin().data(b"01234"));
    s.expect_only(seg().seq(1).ack(7));
    assert_eq!(s.state(), State::CloseWait);
    assert_eq!(s.read_all(), (b"01234".to_vec(), true));
    s.finish();
}

/// FB-7
fn fb_7_without_ack_nothing_happens(at: Place) {
    for state in script::states::SYNCHRONIZED {
        let mut s = at.in_state(state);
        s.send(seg().seq(script::states::rcv_nxt(state)).fin());
        s.send(seg().seq(script::states::rcv_nxt(state)).fin().data(b"x"));
        s.expect_nothing();
        assert_eq!((s.state(), s.ending()), (state, None), "{state}");
        s.finish();
    }
}

/// CL-5, CL-7, CL-8, CL-10: shutdown and close send the same; a second close sends nothing.
fn cl_5_6_7_8_10_close_and_shutdown_look_alike_and_repeats_do_nothing(at: Place) {
    for state in [State::Established, State::CloseWait] {
        let [one, other] = [false, true].map(|full| {
            let mut s = at.in_state(state);
            s.write(b"last words");
            if full {
                s.close();
            } else {
                s.shut_down();
            }
            let next = if state == State::Established { State::FinWait1 } else { State::LastAck };
            assert_eq!(s.state(), next);
            let sent = s.take();
            s.close();
            s.shut_down();
            s.expect_nothing();
            assert_eq!(s.state(), next);
            s.finish();
            sent
        });
        assert_eq!(one, other);
        assert!(one.iter().any(|seen| seen.flags.has(Flags::FIN)));
    }
    for state in [State::FinWait2, State::Closing, State::LastAck, State::TimeWait] {
        let mut s = at.in_state(state);
        s.close();
        s.shut_down();
        s.expect_nothing();
        assert_eq!(s.state(), state);
        s.finish();
    }
}

/// CL-9, FS-4
fn cl_9_the_last_data_before_a_fin_is_pushed(at: Place) {
    let mut s = at.established_passive();
    s.stack.write(s.now, s.id(), b"abc").unwrap();
    s.shut_down();
    s.expect_only(seg().seq(1).ack(1).data(b"abc").fin().psh());
    s.finish();
}

/// FI-5, HC-4, FR-6: at once, not delayed.
fn fi_5_a_fin_leads_to_close_wait_and_is_acknowledged_at_once(at: Place) {
    let mut s = at.established_passive();
    s.send(seg().seq(1).ack(1).fin());
    s.expect_only(seg().seq(1).ack(2));
    assert_eq!(s.state(), State::CloseWait);
    let (_, events) = s.stack.poll_notified().unwrap();
    assert!(events.has(adieu_core::Events::PEER_FINISHED), "{events:?}");
    s.write(b"still");
    s.expect_only(seg().seq(1).ack(2).data(b"still"));
    s.finish();
}

/// FI-6, FA-2, TW-18, EN-4
fn fi_6_fin_with_the_ack_of_ours_leads_straight_to_time_wait(at: Place) {
    let mut s = at.in_state(State::FinWait1);
    s.send(seg().seq(1).ack(2).fin());
    s.expect_only(seg().seq(2).ack(2));
    assert_eq!((s.state(), s.ending()), (State::TimeWait, Some(graceful(Order::LocalFirst))));
    let receipt = s.only_receipt();
    assert_eq!((receipt.closed_first, receipt.ending), (Some(Closer::Us), graceful(Order::LocalFirst)));
    s.finish();
}

/// FI-7, SC-4: our data and FIN are still queued when the peer's FIN comes.
fn fi_7_closing_with_data_left_to_send(at: Place) {
    let mut s = at.established_passive();
    let data = bytes(15 * at.mss());
    let full = i32::try_from(at.mss()).unwrap();
    s.write(&data);
    s.shut_down();
    assert_eq!(s.take().len(), 10);
    s.send(seg().seq(1).ack(1).fin());
    assert_eq!(s.state(), State::Closing);
    s.expect_only(seg().seq(1 + 10 * full).ack(2));
    s.send(seg().seq(2).ack(1 + 10 * full));
    let rest = s.take();
    assert_eq!(rest.iter().map(|seen| seen.data.len()).sum::<usize>(), 5 * at.mss());
    assert!(rest.last().unwrap().flags.has(Flags::FIN));
    assert_eq!(s.state(), State::Closing);
    s.send(seg().seq(2).ack(1 + 15 * full));
    assert_eq!(s.state(), State::Closing, "the FIN is not acknowledged");
    s.send(seg().seq(2).ack(2 + 15 * full));
    assert_eq!((s.state(), s.ending()), (State::TimeWait, Some(graceful(Order::Simultaneous))));
    s.finish();
}

/// FI-8
fn fi_8_fin_wait_2_to_time_wait(at: Place) {
    let mut s = at.in_state(State::TimeWait);
    assert_eq!(s.only_receipt().ending, graceful(Order::LocalFirst));
    s.finish();
}

/// FI-9
fn fi_9_a_repeated_fin_is_acknowledged_and_changes_nothing(at: Place) {
    for state in [State::CloseWait, State::Closing, State::LastAck] {
        let mut s = at.in_state(state);
        s.advance(ms(150));
        s.take();
        s.send(seg().seq(1).ack(1).fin());
        s.expect_only(seg().seq(script::states::snd_nxt(state)).ack(2));
        assert_eq!(s.state(), state);
        s.finish();
    }
}

/// FA-1
fn fa_1_the_ack_of_our_fin_stops_every_timer(at: Place) {
    let mut s = at.in_state(State::FinWait2);
    let events = std::iter::from_fn(|| s.stack.poll_notified()).last().unwrap().1;
    assert!(events.has(adieu_core::Events::FINISHED));
    s.advance(secs(24 * 3600));
    s.expect_nothing();
    assert_eq!((s.state(), s.next_timer()), (State::FinWait2, None));
    s.finish();
}

/// FA-3: the ACK that ends CLOSING is not answered.
fn fa_3_closing_to_time_wait_sends_nothing(at: Place) {
    let mut s = at.in_state(State::Closing);
    s.send(seg().seq(2).ack(2));
    assert_eq!((s.state(), s.ending()), (State::TimeWait, Some(graceful(Order::Simultaneous))));
    s.expect_nothing();
    s.finish();
}

/// FA-4, TW-16, EN-4: the passive closer has no TIME-WAIT.
fn fa_4_last_ack_to_closed_frees_everything_now(at: Place) {
    let mut s = at.in_state(State::LastAck);
    s.send(seg().seq(2).ack(2));
    s.expect_nothing();
    assert_eq!((s.state(), s.ending()), (State::Closed, Some(graceful(Order::PeerFirst))));
    let left = s.stack.leftover();
    assert_eq!((left.flows, left.timers, left.bytes, left.time_waits), (0, 0, 0, 0));
    assert_eq!(s.only_receipt().closed_first, Some(Closer::Peer));
    s.send(seg().seq(2).ack(2));
    s.expect_only(seg().seq(2).rst());
    s.finish();
}

/// FA-6: an ACK of a FIN that was never sent, and of one number too many afterwards.
fn fa_6_an_ack_beyond_what_was_sent_never_counts(at: Place) {
    let mut s = at.syn_received(config());
    s.send(seg().seq(1).ack(1).win(0));
    assert!(s.accept());
    s.write(b"abc");
    s.shut_down();
    s.expect_nothing();
    assert_eq!(s.state(), State::FinWait1);
    s.send(seg().seq(1).ack(5).fin());
    s.expect_only(seg().seq(1).ack(1));
    assert_eq!(s.state(), State::FinWait1, "neither its ACK nor its FIN counts");
    s.finish();
    for state in script::states::SYNCHRONIZED {
        let (next, expected) = (script::states::snd_nxt(state), script::states::rcv_nxt(state));
        let mut s = at.in_state(state);
        s.send(seg().seq(expected).ack(next + 1).data(b"x"));
        s.expect_only(seg().seq(next).ack(expected));
        assert_eq!((s.state(), s.ending()), (state, None), "{state}");
        s.finish();
    }
}

/// FA-7: too old to be under way, its FIN counts as little.
fn fa_7_an_ack_older_than_anything_under_way_is_dropped_whole(at: Place) {
    let mut s = at.syn_received(config());
    s.send(seg().seq(1).ack(1).win(1000));
    assert!(s.accept());
    for round in 0..4 {
        s.write(&[round; 1000]);
        s.send(seg().seq(1).ack(1 + 1000 * (i32::from(round) + 1)).win(1000));
    }
    s.take();
    s.send(seg().seq(1).ack(4001 - 1001).win(1000).fin());
    s.expect_only(seg().seq(4001).ack(1));
    assert_eq!(s.state(), State::Established);
    s.send(seg().seq(1).ack(4001 - 1000).win(1000).data(b"x"));
    s.expect_only(seg().seq(4001).ack(2));
    assert_eq!(s.read_all().0, b"x");
    s.finish();
}

/// FA-7: no older number than our SYN's was ever acknowledged ("ghost ACKs").
fn fa_7_an_ack_of_numbers_before_our_own_first_is_dropped(at: Place) {
    let mut s = at.established_passive();
    s.send(seg().seq(1).ack(-1).data(b"x"));
    s.expect_only(seg().seq(1).ack(1));
    assert!(s.read(10).is_err());
    s.send(seg().seq(1).ack(0).data(b"x"));
    s.expect_only(seg().seq(1).ack(2));
    s.finish();
}

/// FA-8, SC-3, SQ-3: the old FIN carries a new ACK.
fn fa_8_the_ack_field_of_a_repeated_fin_counts(at: Place) {
    let mut s = at.in_state(State::Closing);
    s.send(seg().seq(1).ack(2).fin());
    s.expect_only(seg().seq(2).ack(2));
    assert_eq!((s.state(), s.ending()), (State::TimeWait, Some(graceful(Order::Simultaneous))));
    s.finish();
    let mut s = at.in_state(State::LastAck);
    s.send(seg().seq(1).ack(2).fin());
    assert_eq!((s.state(), s.ending()), (State::Closed, Some(graceful(Order::PeerFirst))));
    s.finish();
}

/// FS-2
fn fs_2_a_fin_waits_for_no_ack(at: Place) {
    let mut s = at.established_passive();
    s.write(b"abc");
    s.expect_only(seg().seq(1).ack(1).data(b"abc"));
    s.shut_down();
    s.expect_only(seg().seq(4).ack(1).fin());
    s.finish();
}

/// FS-3: a bare FIN may exceed the congestion window by its one number.
fn fs_3_a_bare_fin_does_not_wait_for_the_congestion_window(at: Place) {
    let mut s = at.established_passive();
    let full = i32::try_from(at.mss()).unwrap();
    s.write(&bytes(10 * at.mss()));
    assert_eq!(s.take().len(), 10);
    s.shut_down();
    s.expect_only(seg().seq(1 + 10 * full).ack(1).fin());
    s.finish();
}

/// FS-5, FS-6, FS-10: always the same number, with backoff; the timer runs while it is unacknowledged.
fn fs_5_a_lost_fin_comes_again_at_the_same_number(at: Place) {
    let mut s = at.in_state(State::FinWait1);
    let mut waits = Vec::new();
    for _ in 0..8 {
        waits.push(s.next_timer().unwrap());
        s.expect_only(seg().seq(1).ack(1).fin());
        assert_eq!(s.state(), State::FinWait1);
    }
    assert!(waits.windows(2).all(|pair| pair[1] == pair[0] * 2 || pair[1] == secs(60)), "{waits:?}");
    s.send(seg().seq(1).ack(2));
    s.advance(secs(24 * 3600));
    s.expect_nothing();
    assert_eq!((s.state(), s.next_timer()), (State::FinWait2, None));
    s.finish();
}

/// FS-6, FB-3: data and FIN are sent again together, and nothing beyond the FIN.
fn fs_6_a_repeat_keeps_fin_and_data_in_their_places(at: Place) {
    let mut s = at.established_passive();
    s.stack.write(s.now, s.id(), b"abc").unwrap();
    s.shut_down();
    s.expect_only(seg().seq(1).ack(1).data(b"abc").fin());
    s.next_timer();
    s.expect_only(seg().seq(1).ack(1).data(b"abc").fin());
    s.send(seg().seq(1).ack(4));
    s.take();
    assert_eq!(s.state(), State::FinWait1);
    s.next_timer();
    s.expect_only(seg().seq(4).ack(1).fin());
    s.send(seg().seq(1).ack(5));
    assert_eq!(s.state(), State::FinWait2);
    s.finish();
}

/// SC-1, SC-2
fn sc_1_crossing_fins_lead_through_closing(at: Place) {
    let mut s = at.in_state(State::Closing);
    assert_eq!(s.ending(), None);
    s.send(seg().seq(2).ack(2));
    assert_eq!(s.ending(), Some(Ending::Graceful { order: Order::Simultaneous }));
    assert_eq!(s.flow_state(), State::TimeWait);
    s.advance(ms(59_999));
    assert_eq!(s.flow_state(), State::TimeWait);
    s.advance(ms(2));
    assert_eq!(s.flow_state(), State::Closed);
    s.finish();
}
