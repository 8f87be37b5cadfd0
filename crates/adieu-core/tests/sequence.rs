//! The acceptability test, and FINs out of order (1.4).

mod script;

use adieu_core::{Config, State};
use script::states::{SYNCHRONIZED, rcv_nxt, snd_nxt};
use script::{Script, config, ms, secs, seg};

/// RFC 9293 table 6, with FIN in SEG.LEN.
fn table_6(offset: i64, len: i64, window: i64) -> bool {
    let inside = |at: i64| (0..window).contains(&at);
    match (len, window) {
        (0, 0) => offset == 0,
        (0, _) => inside(offset),
        (_, 0) => false,
        (_, _) => inside(offset) || inside(offset + len - 1),
    }
}

/// SQ-1, SQ-2: what is unacceptable draws an ACK and brings nothing; what is acceptable brings what is new.
#[test]
fn sq_1_the_four_cases() {
    for window in 0..=3u8 {
        for len in 0..=3usize {
            for offset in -4..=4i32 {
                for fin in [false, true] {
                    one_case(window, len, offset, fin);
                }
            }
        }
    }
}

fn one_case(window: u8, data: usize, offset: i32, fin: bool) {
    // A buffer of 8 of which all but `window` bytes are taken.
    let mut s = Script::established_with(Config { receive_buffer: 8, ..config() });
    let filled = 8 - i32::from(window);
    s.send(seg().seq(1).ack(1).data(&b"abcdefgh"[..8 - usize::from(window)]));
    s.expect_only(seg().seq(1).ack(1 + filled));
    let segment = seg().seq(1 + filled + offset).ack(1).data(&b"0123"[..data]);
    let segment = if fin { segment.fin() } else { segment };
    let (len, start) = (segment.len(), i64::from(offset));
    let what = format!("window {window} data {data} offset {offset} fin {fin}");
    s.send(segment);
    let replies = s.take();
    assert!(replies.len() <= 1, "{what}: {replies:?}");
    let end = start + i64::try_from(data).unwrap();
    // FR-3, FB-5: a FIN that is all that is new needs no buffer.
    let only_fin_is_new = fin && end == 0 && window == 0;
    let acceptable = table_6(start, len, i64::from(window)) || only_fin_is_new;
    let in_order = start <= 0 && acceptable;
    let taken = if in_order { end.clamp(0, i64::from(window)) } else { 0 };
    let fin_taken = in_order && fin && end >= 0 && end <= i64::from(window);
    let expected = 1 + i64::from(filled) + taken + i64::from(fin_taken);
    if len > 0 || !acceptable {
        assert_eq!(replies.len(), 1, "{what}: something is owed");
        assert_eq!(replies[0].ack.map(i64::from), Some(expected), "{what}");
        assert_eq!(replies[0].flags, adieu_core::wire::Flags::ACK, "{what}");
    } else {
        assert!(replies.is_empty(), "{what}: {replies:?}");
    }
    assert_eq!(s.state() == State::CloseWait, fin_taken, "{what}");
    let (bytes, end_of_stream) = s.read_all();
    assert_eq!((i64::try_from(bytes.len()).unwrap(), end_of_stream), (i64::from(filled) + taken, fin_taken), "{what}");
}

/// SQ-3: the ACK field of a keepalive counts.
#[test]
fn sq_3_a_keepalive_is_answered_and_its_ack_counts() {
    for probe in [seg().seq(0), seg().seq(0).data(b"k")] {
        let mut s = Script::established_passive();
        s.write(b"abc");
        s.take();
        s.send(probe.ack(4));
        s.expect_only(seg().seq(4).ack(1));
        assert_eq!(s.stack.leftover().bytes, 0, "three bytes are acknowledged");
        s.advance(secs(600));
        s.expect_nothing();
        s.finish();
    }
}

/// SQ-3: in every state; and text in it does not count.
#[test]
fn sq_3_in_every_state() {
    for state in SYNCHRONIZED {
        let mut s = Script::in_state(state);
        s.send(seg().seq(rcv_nxt(state) - 1).ack(1).data(b"k"));
        s.expect_only(seg().seq(snd_nxt(state)).ack(rcv_nxt(state)));
        assert_eq!((s.state(), s.ending()), (state, None));
        s.finish();
    }
}

/// SQ-3, FA-6: where the ACK field does not pass, the reply is a challenge, and challenges are limited. Without the
/// limit two ends whose numbers do not fit answer each other for ever (1.11.1, example 1).
#[test]
fn sq_3_an_endless_exchange_is_cut_off() {
    let mut s = Script::established_passive();
    for _ in 0..100 {
        s.send(seg().seq(0).ack(2));
    }
    let replies = s.take().len();
    assert!((1..=10).contains(&replies), "{replies} replies in one instant");
    s.finish();
}

/// 3.39
#[test]
fn x_3_39_empty_segments_outside_the_window_are_answered_twice_a_second() {
    let mut s = Script::established_passive();
    for _ in 0..50 {
        s.send(seg().seq(-500).ack(1));
        s.advance(ms(10));
    }
    assert_eq!(s.take().len(), 1);
    s.send(seg().seq(-500).ack(1));
    s.expect_only(seg().seq(1).ack(1));
    s.finish();
}

/// 3.39, with a deviation: old data is always answered, once a round. Its sender has not heard our acknowledgment, and
/// would wait for ever longer times; and data is never an answer to an answer, so no exchange can feed itself.
#[test]
fn x_3_39_old_data_is_answered_every_time_and_bare_segments_twice_a_second() {
    let mut s = Script::established_passive();
    for _ in 0..3 {
        s.send(seg().seq(-500).ack(1).data(b"old"));
        s.expect_only(seg().seq(1).ack(1));
    }
    for _ in 0..100 {
        s.send(seg().seq(-500).ack(1));
    }
    assert_eq!(s.take().len(), 1);
    s.finish();
}

/// RFC 5681 section 4.2: each segment out of order draws its own acknowledgment, besides the one for what is in order.
#[test]
fn m58_a_batch_in_order_then_out_of_order_draws_one_and_each() {
    let mut s = Script::established_passive();
    s.send_batch(&[seg().seq(1).ack(1).data(b"ab"), seg().seq(5).ack(1).data(b"ef"), seg().seq(7).ack(1).data(b"gh")]);
    let acks: Vec<_> = s.take().iter().map(|seen| seen.ack).collect();
    assert_eq!(acks, [Some(3), Some(3), Some(3)]);
}

/// 3.39: a repeated FIN, at most one reply in 100 ms.
#[test]
fn x_3_39_a_repeated_fin_is_answered_ten_times_a_second() {
    let mut s = Script::in_state(State::CloseWait);
    s.advance(ms(200));
    for _ in 0..50 {
        s.send(seg().seq(1).ack(1).fin());
    }
    assert_eq!(s.take().len(), 1);
    s.advance(ms(100));
    s.send(seg().seq(1).ack(1).fin());
    s.expect_only(seg().seq(1).ack(2));
    s.finish();
}

/// FR-1
#[test]
fn fr_1_a_fin_out_of_order_waits() {
    let mut s = Script::established_passive();
    s.send(seg().seq(4).ack(1).fin().data(b"def"));
    s.expect_only(seg().seq(1).ack(1));
    s.send(seg().seq(7).ack(1).fin());
    s.expect_only(seg().seq(1).ack(1));
    assert_eq!(s.state(), State::Established);
    assert!(s.read(10).is_err(), "no end of stream");
    s.send(seg().seq(1).ack(1).data(b"abc"));
    s.expect_only(seg().seq(1).ack(8));
    assert_eq!(s.state(), State::CloseWait);
    assert_eq!(s.read_all(), (b"abcdef".to_vec(), true));
    s.finish();
}

/// FR-3
#[test]
fn fr_3_a_bare_fin_enters_a_closed_window() {
    for state in [State::Established, State::FinWait1, State::FinWait2] {
        let mut s = Script::established_with(Config { receive_buffer: 4, ..config() }).into_state(state);
        let (next, ack) = (snd_nxt(state), if state == State::FinWait2 { 2 } else { 1 });
        s.send(seg().seq(1).ack(ack).data(b"full"));
        s.expect_only(seg().seq(next).ack(5).win(0));
        s.send(seg().seq(5).ack(ack).fin());
        s.expect_only(seg().seq(next).ack(6));
        let after = [State::CloseWait, State::Closing, State::TimeWait];
        assert!(after.contains(&s.state()), "{}", s.state());
        assert_eq!(s.read_all(), (b"full".to_vec(), true));
        s.finish();
    }
}

/// FR-4: data at or beyond a FIN that waits, and a second place for the FIN.
#[test]
fn fr_4_contradictions_are_forgotten() {
    let contradictions =
        [seg().seq(8).data(b"x"), seg().seq(11).fin(), seg().seq(5).fin(), seg().seq(4).data(b"defghi")];
    for contradiction in contradictions {
        let mut s = Script::established_passive();
        s.send(seg().seq(4).ack(1).fin().data(b"def"));
        s.expect_only(seg().seq(1).ack(1));
        s.send(contradiction.clone().ack(1));
        s.expect_only(seg().seq(1).ack(1));
        s.send(seg().seq(1).ack(1).data(b"abc"));
        let ack = s.take_one().ack.unwrap();
        assert!((4..=7).contains(&ack), "no FIN is believed: {ack} {contradiction:?}");
        assert_eq!(s.state(), State::Established);
        // The true sender sends it all again, and ends at 10.
        s.send(seg().seq(1).ack(1).fin().data(b"abcdefghi"));
        s.expect_only(seg().seq(1).ack(11));
        assert_eq!(s.read_all(), (b"abcdefghi".to_vec(), true));
        s.finish();
    }
}

/// FR-4: a FIN before data that is already waiting.
#[test]
fn fr_4_a_fin_before_waiting_data_is_not_believed() {
    let mut s = Script::established_passive();
    s.send(seg().seq(4).ack(1).data(b"def"));
    s.expect_only(seg().seq(1).ack(1));
    s.send(seg().seq(1).ack(1).fin().data(b"ab"));
    let seen = s.take_one();
    assert_eq!(seen.seq, 1);
    assert_eq!(s.state(), State::Established, "no FIN inside the stream");
    s.finish();
}

/// FR-5
#[test]
fn fr_5_text_behind_the_fin_is_ignored() {
    for state in [State::CloseWait, State::Closing, State::LastAck, State::TimeWait] {
        let mut s = Script::in_state(state);
        s.advance(ms(150));
        s.take();
        s.send(seg().seq(2).ack(1).data(b"ghost"));
        s.expect_only(seg().seq(snd_nxt(state)).ack(2));
        assert_eq!(s.state(), state);
        assert_eq!(s.read_all(), (Vec::new(), true));
        s.finish();
    }
}

/// FR-7
#[test]
fn fr_7_urgent_after_the_fin_is_ignored() {
    for state in [State::CloseWait, State::Closing, State::LastAck] {
        let mut s = Script::in_state(state);
        s.send(seg().seq(2).ack(1).flag(adieu_core::wire::Flags::URG));
        s.expect_nothing();
        assert_eq!(s.state(), state);
        s.finish();
    }
}

/// FR-8: reading after the FIN sends no window update, and the right edge never moves left.
#[test]
fn fr_8_no_window_updates_after_the_fin() {
    let mut s = Script::established_with(Config { receive_buffer: 10_000, ..config() });
    let data = script::bytes(8000);
    s.send(seg().seq(1).ack(1).data(&data));
    let before = s.take_one();
    s.send(seg().seq(8001).ack(1).fin());
    let after = s.take_one();
    let edge = |seen: &script::Seen| seen.ack.unwrap() + i32::from(seen.window);
    assert!(edge(&after) >= edge(&before), "{before:?} {after:?}");
    assert_eq!(s.read_all(), (data, true));
    s.expect_nothing();
    s.finish();
}
