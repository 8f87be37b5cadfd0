//! The stream on its way: urgent data, small windows, small writes, acknowledgments.

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Config, Events, State};
use script::{MSS, Script, bytes, config, ms, secs, seg};

const M: i32 = 1460;

/// M30, M32, M33, M62: announced at once, before the data is here; more of it is announced again, and the same is not.
#[test]
fn m30_m32_m33_urgent_data_is_announced_and_measured() {
    let mut s = Script::established_passive();
    s.events();
    assert_eq!(s.stack.urgent_ahead(s.id()), None);
    s.send(seg().seq(1).ack(1).data(b"ab").urgent(10));
    assert!(s.events().has(Events::URGENT));
    assert_eq!(s.stack.urgent_ahead(s.id()), Some(10));
    s.send(seg().seq(3).ack(1).data(b"cd").urgent(8));
    assert!(!s.events().has(Events::URGENT), "the same place");
    s.read(4).unwrap();
    assert_eq!(s.stack.urgent_ahead(s.id()), Some(6));
    s.send(seg().seq(5).ack(1).data(b"e").urgent(20));
    assert!(s.events().has(Events::URGENT), "advanced");
    assert_eq!(s.stack.urgent_ahead(s.id()), Some(20));
    s.send(seg().seq(6).ack(1).data(&[7; 19]));
    assert_eq!(s.read_all().0.len(), 20);
    assert_eq!(s.stack.urgent_ahead(s.id()), None);
    s.finish();
}

/// M31, M62: of any length; the pointer of each segment designates the octet after the last urgent one, as far as its
/// 16 bits reach.
#[test]
fn m31_m62_urgent_data_of_any_length() {
    for len in [1, 2, MSS, 70_000, 140_000] {
        let mut s = Script::established_passive();
        let data = bytes(len);
        assert_eq!(s.stack.write_urgent(s.now, s.id(), &data), Ok(len));
        s.poll();
        let mut got = Vec::new();
        while got.len() < len {
            for seen in s.take() {
                let at = usize::try_from(seen.seq).unwrap() - 1;
                assert_eq!(at, got.len());
                assert!(seen.flags.has(Flags::URG), "{len}: {at}");
                assert_eq!(usize::from(seen.urgent), (len - at).min(65_535), "{len}: at {at}");
                got.extend(seen.data);
            }
            s.send(seg().seq(1).ack(1 + i32::try_from(got.len()).unwrap()));
        }
        assert!(got == data);
        s.write(b"calm");
        assert!(s.take().iter().all(|seen| !seen.flags.has(Flags::URG)));
        s.finish();
    }
}

/// M38: less than a full segment, less than half the largest window: nothing, until the override between 0.1 s and 1 s.
#[test]
fn m38_a_sender_does_not_fill_crumbs_of_a_window() {
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1).win(20_000));
    assert!(s.accept());
    s.write(&bytes(100_000));
    let sent = i32::try_from(s.take().iter().map(|seen| seen.data.len()).sum::<usize>()).unwrap();
    s.send(seg().seq(1).ack(1 + sent).win(500));
    assert!(s.take().is_empty(), "500 octets are a crumb");
    let began = s.now;
    while s.take().is_empty() {
        s.next_timer().expect("the override, at last");
    }
    let waited = s.now.since(began);
    assert!(waited >= ms(100) && waited <= secs(1), "{waited:?}");
    // Half of the largest window is no crumb, though less than a full segment.
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1).win(1000));
    assert!(s.accept());
    s.write(&bytes(2000));
    assert_eq!(s.take_one().data.len(), 1000);
    s.send(seg().seq(1).ack(1001).win(500));
    assert_eq!(s.take_one().data.len(), 500);
    s.finish();
}

/// S7, M17: a small segment waits while another one is unacknowledged; a full one does not, nor one of who turned it
/// off.
#[test]
fn s7_m17_small_segments_are_gathered() {
    let mut s = Script::established_passive();
    s.write(b"a");
    assert_eq!(s.take_one().data, b"a");
    s.write(b"b");
    s.write(b"c");
    s.expect_nothing();
    s.send(seg().seq(1).ack(2));
    assert_eq!(s.take_one().data, b"bc");
    s.write(&bytes(MSS + 1));
    assert_eq!(s.take_one().data.len(), MSS, "what is full goes");
    s.send(seg().seq(1).ack(4));
    s.send(seg().seq(1).ack(4 + M));
    s.take();
    s.set(|settings| settings.nodelay = true);
    for byte in [b"x", b"y", b"z"] {
        s.write(byte);
        assert_eq!(s.take_one().data, byte);
    }
    s.finish();
}

/// S7: what waits goes at once when waiting is turned off.
#[test]
fn s7_turning_it_off_sends_what_waits() {
    let mut s = Script::established_passive();
    s.write(b"a");
    s.write(b"b");
    s.take();
    s.set(|settings| settings.nodelay = true);
    assert_eq!(s.take_one().data, b"b");
    s.finish();
}

/// S18, S19, M40: a lone segment's acknowledgment waits, less than half a second; every second full segment draws one.
#[test]
fn s18_s19_m40_acknowledgments_wait_for_company() {
    let mut s = Script::established_with(Config { quick_acks: 0, ..config() });
    s.send(seg().seq(1).ack(1).data(&bytes(MSS)));
    s.expect_nothing();
    let waited = s.next_timer().unwrap();
    assert!(waited < ms(500), "{waited:?}");
    s.expect_only(seg().seq(1).ack(1 + M));
    s.read_all();
    s.take();
    let mut acks = 0;
    for n in 1..=20 {
        s.send(seg().seq(1 + n * M).ack(1).data(&bytes(MSS)));
        acks += s.take().len();
        s.read_all();
        acks += s.take().len();
    }
    assert!(acks >= 10, "{acks} for 20 full segments");
    s.finish();
}

/// M40: whatever the configuration says.
#[test]
fn m40_no_configuration_delays_for_half_a_second() {
    for delay in [ms(0), ms(400), ms(500), secs(60)] {
        let mut s = Script::established_with(Config { quick_acks: 0, ack_delay: delay, ..config() });
        s.send(seg().seq(1).ack(1).data(b"x"));
        s.advance(ms(499));
        assert_eq!(s.take().len(), 1, "{delay:?}");
    }
}

/// M60, M61: no PUSH call: the last of what is buffered is pushed, and nothing is held for ever.
#[test]
fn m60_m61_the_last_of_the_buffer_is_pushed() {
    for len in [1, MSS - 1, MSS, MSS + 1, 5 * MSS, 5 * MSS + 7] {
        let mut s = Script::established_passive();
        s.write(&bytes(len));
        let mut sent = s.take();
        s.advance(ms(1));
        if sent.iter().map(|seen| seen.data.len()).sum::<usize>() < len {
            s.send(seg().seq(1).ack(1 + i32::try_from(len / MSS * MSS).unwrap()));
            sent.extend(s.take());
        }
        assert_eq!(sent.iter().map(|seen| seen.data.len()).sum::<usize>(), len);
        assert!(sent.last().unwrap().flags.has(Flags::PSH), "{len}");
        s.send(seg().seq(1).ack(1 + i32::try_from(len).unwrap()));
        s.finish();
    }
}

/// S27, S28, Y16: many small writes behind a closed congestion window leave as full segments, PSH only on the last.
#[test]
fn s27_s28_small_writes_become_full_segments() {
    let mut s = Script::established_passive();
    s.write(&bytes(10 * MSS));
    s.take();
    for _ in 0..100 {
        s.write(&bytes(100));
    }
    s.take();
    s.send(seg().seq(1).ack(1 + 10 * M));
    let sent = s.take();
    let (last, full) = sent.split_last().unwrap();
    assert!(full.len() >= 5 && full.iter().all(|seen| seen.data.len() == MSS), "{sent:?}");
    assert!(full.iter().all(|seen| !seen.flags.has(Flags::PSH)));
    assert!(last.data.len() <= MSS);
}

/// S14: neither a reader that sleeps nor a shrunken configuration takes back what was announced.
#[test]
fn s14_the_window_is_never_shrunk() {
    let mut s = Script::established_with(Config { receive_buffer: 20_000, ..config() });
    let mut edge = 1 + 20_000;
    s.stack.reconfigure(|config| config.receive_buffer = 100);
    for n in 0..13 {
        s.send(seg().seq(1 + n * M).ack(1).data(&bytes(MSS)));
        for seen in s.take() {
            let new = seen.ack.unwrap() + i32::from(seen.window);
            assert!(new >= edge, "{edge} to {new}");
            edge = new;
        }
    }
    assert_eq!(s.read_all().0.len(), 13 * MSS);
}

/// Y7: what was in the window when it was first sent may go again although the peer has shrunk its window since.
#[test]
fn y7_a_first_retransmission_ignores_the_new_edge() {
    let mut s = Script::established_passive();
    s.write(&bytes(4 * MSS));
    s.take();
    s.send(seg().seq(1).ack(1 + M).win(100));
    s.take();
    s.advance(secs(300));
    assert_eq!((s.state(), s.ending()), (State::Established, None), "S17: no time out while it answers");
    let again = s.take();
    assert!(!again.is_empty(), "INV-19");
    assert!(
        again.iter().all(|seen| seen.seq + i32::try_from(seen.data.len()).unwrap() <= 1 + 4 * M),
        "S15: nothing new"
    );
}

/// X-NAGLE (Minshall): only an earlier small segment holds a small one back, not a full one.
#[test]
fn x_nagle_a_full_segment_under_way_holds_nothing() {
    let mut s = Script::established_passive();
    s.write(&bytes(2 * MSS + 10));
    let sizes: Vec<usize> = s.take().iter().map(|seen| seen.data.len()).collect();
    assert_eq!(sizes, [MSS, MSS, 10]);
    s.write(b"held by the ten before it");
    s.expect_nothing();
    s.send(seg().seq(1).ack(1 + 2 * M));
    s.expect_nothing();
    s.send(seg().seq(1).ack(11 + 2 * M));
    assert_eq!(s.take_one().data, b"held by the ten before it");
    s.finish();
}

/// X-DACK: at once for what is out of order, for what fills a gap, and for a FIN; one for each segment at the most.
#[test]
fn x_dack_what_does_not_wait() {
    let mut s = Script::established_with(Config { quick_acks: 0, ack_delay: ms(400), ..config() });
    s.send(seg().seq(11).ack(1).data(b"later"));
    s.expect_only(seg().seq(1).ack(1));
    s.send(seg().seq(1).ack(1).data(b"0123456789"));
    s.expect_only(seg().seq(1).ack(16));
    s.send(seg().seq(16).ack(1).data(b"x"));
    s.expect_nothing();
    s.send(seg().seq(1).ack(1).data(b"0123456789"));
    s.expect_only(seg().seq(1).ack(17));
    s.send(seg().seq(17).ack(1).fin());
    s.expect_only(seg().seq(1).ack(18));
    s.advance(secs(1));
    s.expect_nothing();
    s.finish();
}
