//! Data: loss, reordering, fast retransmit, windows (half-close included: HC-2).

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Config, State};
use script::{MSS, Script, bytes, config, ms, secs, seg};

const M: i32 = 1460;

/// INV-1: pieces in any order, overlapping, twice: what is read is what was sent.
#[test]
fn inv_1_any_order_of_pieces() {
    let data = bytes(400);
    let mut random = 1u32;
    let mut next = |below: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) % below
    };
    for _ in 0..300 {
        let mut s = Script::established_passive();
        let (mut got, mut steps) = (Vec::new(), 0);
        while got.len() < data.len() {
            let from = usize::try_from(next(400)).unwrap();
            let to = (from + 1 + usize::try_from(next(120)).unwrap()).min(400);
            let piece = seg().seq(1 + i32::try_from(from).unwrap()).ack(1).data(&data[from..to]);
            s.send(if to == 400 { piece.fin() } else { piece });
            for seen in s.take() {
                assert!(seen.ack.unwrap() > i32::try_from(got.len()).unwrap());
            }
            let (some, end) = s.read_all();
            got.extend(some);
            assert_eq!(got[..], data[..got.len()]);
            assert!(!end || got.len() == data.len(), "an end of stream after {} bytes (INV-2)", got.len());
            steps += 1;
            assert!(steps < 10_000);
        }
        assert_eq!((s.state(), s.read_all().1), (State::CloseWait, true));
    }
}

/// RFC 5681 section 3.2
#[test]
fn x_three_duplicates_bring_the_lost_segment_at_once() {
    let mut s = Script::established_passive();
    s.write(&bytes(10 * MSS));
    s.send(seg().seq(1).ack(1 + M));
    s.take();
    for _ in 0..2 {
        s.send(seg().seq(1).ack(1 + M));
        assert!(s.take().iter().all(|seen| seen.seq > 9 * M), "limited transmit at the most");
    }
    s.send(seg().seq(1).ack(1 + M));
    let first = s.expect(seg().seq(1 + M).ack(1).data(&bytes(10 * MSS)[MSS..2 * MSS]));
    assert_eq!(first.data.len(), MSS);
    for _ in 0..5 {
        s.send(seg().seq(1).ack(1 + M));
    }
    assert!(s.take().iter().all(|seen| seen.seq != 1 + M), "only once");
    // A partial acknowledgment brings the next hole (RFC 6582 section 3.2).
    s.send(seg().seq(1).ack(1 + 4 * M));
    let next = s.take();
    assert_eq!(next.iter().filter(|seen| seen.seq == 1 + 4 * M).count(), 1, "{next:?}");
    s.send(seg().seq(1).ack(1 + 10 * M));
    s.advance(secs(100));
    s.expect_nothing();
    s.finish();
}

/// RFC 5681 section 2: what moves the window or brings data is no duplicate.
#[test]
fn x_window_updates_and_data_are_no_duplicates() {
    for data in [false, true] {
        let mut s = Script::established_passive();
        s.write(&bytes(5 * MSS));
        s.take();
        for round in 0..6u16 {
            let dup = seg().seq(1 + i32::from(data) * i32::from(round)).ack(1);
            s.send(if data { dup.data(b"d") } else { dup.win(60_000 + round) });
            assert!(s.take().iter().all(|seen| seen.data.is_empty()), "no retransmission");
        }
        s.finish();
    }
}

/// TO-3, RFC 6298 section 5: the front is sent again, the wait doubles, and one segment at a time.
#[test]
fn to_3_the_timer_brings_the_front_again() {
    let mut s = Script::established_passive();
    s.write(&bytes(6 * MSS));
    assert_eq!(s.take().len(), 6);
    let first = s.next_timer().unwrap();
    assert!(first >= ms(200) && first <= secs(1), "{first:?}");
    s.expect_only(seg().seq(1).ack(1).data(&bytes(MSS)));
    let second = s.next_timer().unwrap();
    assert_eq!(second, first * 2);
    s.expect_only(seg().seq(1).ack(1).data(&bytes(MSS)));
    s.send(seg().seq(1).ack(1 + M));
    let next = s.take();
    assert!(!next.is_empty() && next.len() <= 2 && next[0].seq == 1 + M, "{next:?}");
    s.send(seg().seq(1).ack(1 + 6 * M));
    s.advance(secs(600));
    s.expect_nothing();
    s.finish();
}

/// RFC 6298 section 2: what is measured is waited for.
#[test]
fn m18_a_long_round_trip_is_waited_for() {
    let mut s = Script::syn_received(config());
    s.advance(ms(800));
    s.send(seg().seq(1).ack(1));
    assert!(s.accept());
    for round in 0..10 {
        s.write(b"x");
        s.take();
        s.advance(ms(800));
        s.expect_nothing();
        s.send(seg().seq(1).ack(2 + round));
    }
    s.finish();
}

/// INV-9, M34: never beyond the window.
#[test]
fn x_the_peers_window_is_kept() {
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1).win(3000));
    assert!(s.accept());
    let data = bytes(20_000);
    s.write(&data);
    let (mut acked, mut got) = (1, Vec::new());
    while got.len() < data.len() {
        let seen = s.take();
        assert!(!seen.is_empty(), "stalled at {}", got.len());
        for seen in seen {
            assert_eq!(usize::try_from(seen.seq).unwrap(), 1 + got.len());
            got.extend_from_slice(&seen.data);
            assert!(seen.seq + i32::try_from(seen.data.len()).unwrap() <= acked + 3000, "{seen:?}");
        }
        acked = 1 + i32::try_from(got.len()).unwrap();
        s.send(seg().seq(1).ack(acked).win(3000));
    }
    assert_eq!(got, data);
    s.finish();
}

/// RFC 9293 section 3.10.7.4 (SND.WL1, SND.WL2): an old ACK that comes late does not set the window.
#[test]
fn x_an_old_window_does_not_count() {
    let mut s = Script::established_passive();
    s.write(&bytes(2000));
    s.send(seg().seq(1).ack(2001).win(50_000));
    s.take();
    s.send(seg().seq(1).ack(1001).win(0));
    s.write(b"more");
    s.expect_only(seg().seq(2001).ack(1).data(b"more"));
    s.finish();
}

/// INV-10, MUST-39: the right edge never moves left, and small steps are not announced.
#[test]
fn inv_10_our_right_edge_never_moves_left() {
    let mut s = Script::established_with(Config { receive_buffer: 10_000, ..config() });
    let (mut edge, mut next) = (10_001, 1);
    for round in 0..60 {
        let len = 100 + (round * 37) % 1300;
        let room = usize::try_from(edge - next).unwrap();
        let data = bytes(len.min(room));
        s.send(seg().seq(next).ack(1).data(&data));
        next += i32::try_from(data.len()).unwrap();
        if round % 3 == 0 {
            s.read(700).ok();
        }
        for seen in s.take() {
            let new = seen.ack.unwrap() + i32::from(seen.window);
            assert!(new >= edge, "the edge went from {edge} to {new}");
            assert!(new == edge || new - edge >= M || new - edge >= 5000, "a silly step from {edge} to {new}");
            edge = new;
        }
    }
    s.read_all();
    s.finish();
}

/// MUST-15, limit 3.19: no MSS is 536; a ridiculous one does not lead to ridiculous segments.
#[test]
fn x_mss_of_the_peer() {
    for (announced, largest) in [(None, 536), (Some(1000), 1000), (Some(9000), 1460), (Some(0), 536), (Some(1), 536)] {
        let mut s = Script::new();
        s.listen();
        s.send(announced.map_or(seg().syn(), |mss| seg().syn().mss(mss)));
        s.learn_iss();
        let mut s = s.into_established();
        s.write(&bytes(4000));
        let most = s.take().iter().map(|seen| seen.data.len()).max().unwrap();
        assert!(most <= largest && most >= 48, "{announced:?}: {most}");
        s.finish();
    }
}

/// M3: silence.
#[test]
fn x_a_wrong_checksum_is_silence() {
    let mut s = Script::established_passive();
    s.send(seg().seq(1).ack(1).data(b"x").broken());
    s.send(seg().seq(1).rst().broken());
    s.send(seg().seq(1).ack(1).fin().broken());
    s.expect_nothing();
    assert_eq!((s.state(), s.ending(), s.stack.stats().bad_checksum), (State::Established, None, 3));
    s.flow.local_port = 9999;
    s.send(seg().seq(1).ack(1).broken());
    s.expect_nothing();
    s.flow.local_port = script::OUR_PORT;
    s.finish();
}

/// HC-2: without limit in CLOSE-WAIT, with loss.
#[test]
fn hc_2_a_long_upload_in_close_wait() {
    let mut s = Script::in_state(State::CloseWait);
    let data = bytes(400_000);
    let (mut written, mut got, mut count) = (0, Vec::new(), 0u32);
    while got.len() < data.len() {
        if let Ok(n) = s.stack.write(s.now, s.id(), &data[written..]) {
            written += n;
        }
        s.poll();
        let seen = s.take();
        if seen.is_empty() {
            assert!(s.next_timer().is_some(), "stalled at {}", got.len());
            continue;
        }
        s.advance(ms(10));
        for seen in seen.into_iter().chain(s.take()) {
            count += 1;
            if !count.is_multiple_of(17) && usize::try_from(seen.seq).unwrap() == 1 + got.len() {
                got.extend_from_slice(&seen.data);
            }
            s.send(seg().seq(2).ack(1 + i32::try_from(got.len()).unwrap()));
        }
    }
    assert!(got == data);
    s.shut_down();
    s.advance(secs(1));
    s.send(seg().seq(2).ack(2 + 400_000));
    assert_eq!(s.receipt().acknowledged, 400_000);
    s.take();
    s.finish();
}

/// M58, M59: several segments between two polls draw one acknowledgment, FIN included.
#[test]
fn x_a_batch_draws_one_ack() {
    let mut s = Script::established_passive();
    s.send_batch(&[seg().seq(1).ack(1).data(b"abc"), seg().seq(4).ack(1).data(b"def"), seg().seq(7).ack(1).fin()]);
    s.expect_only(seg().seq(1).ack(8));
    assert_eq!(s.read_all(), (b"abcdef".to_vec(), true));
    s.finish();
}

/// FS-8: closing in the same batch gives one segment.
#[test]
fn fs_8_ack_and_fin_in_one_segment() {
    let mut s = Script::established_passive();
    s.inject(&seg().seq(1).ack(1).fin());
    s.shut_down();
    let seen = s.expect_only(seg().seq(1).ack(2).fin());
    assert!(seen.flags.has(Flags::FIN));
    s.finish();
}

/// Memory: data out of order is bounded by the window, and by the number of pieces.
#[test]
fn x_pieces_out_of_order_are_bounded() {
    let mut s = Script::established_with(Config { reassembly_pieces: 16, ..config() });
    for piece in 0..1000 {
        s.send(seg().seq(3 + 2 * piece).ack(1).data(b"p"));
    }
    assert_eq!(s.stack.leftover().bytes, 16);
    assert!(s.take().iter().all(|seen| seen.ack == Some(1)));
    for piece in (0..1000).rev() {
        s.send(seg().seq(1 + 40 * piece).ack(1).data(&[7; 40]));
    }
    assert!(s.stack.leftover().bytes <= 65_535);
    s.abort();
    s.take();
    s.finish();
}
