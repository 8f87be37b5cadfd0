//! The end of a flight: probes for its loss (RFC 8985 section 7), idle times, and the timestamps that outlive it.

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Config, State};
use script::{Script, bytes, config, ms, secs, seg, stamps};

/// Payload of a full segment with timestamps.
const FULL: usize = 1448;
const F: i32 = 1448;

/// A peer 50 ms away that has been measured, and a retransmission time of a second: whatever comes before is a probe.
/// 100 octets are acknowledged: the next one is 101.
fn measured() -> Script {
    let mut s = Script::established_with_extensions(Config { min_rto: secs(1), ..config() }, 1);
    for n in 0..100 {
        s.write(b"x");
        s.take();
        s.advance(ms(50));
        s.send(seg().seq(1).ack(2 + n).options(&stamps(2, 0)));
    }
    let info = s.info();
    assert!(info.rtt >= ms(49) && info.rtt <= ms(51) && info.rto == secs(1), "{:?} {:?}", info.rtt, info.rto);
    s
}

fn ack(s: &mut Script, ack: i32) {
    let echo = s.now.as_nanos() / 1_000_000;
    s.send(seg().seq(1).ack(ack).options(&stamps(3, u32::try_from(echo).unwrap_or(0))));
}

/// 2 SRTT after the last data; for a lone segment so much longer as its acknowledgment may be delayed.
#[test]
fn b_tlp_arm_two_round_trips_after_the_last_data() {
    let mut s = measured();
    s.write(&bytes(2 * FULL));
    s.take();
    s.advance(ms(98));
    s.expect_nothing();
    s.advance(ms(5));
    assert_eq!(s.take_one().seq, 101 + F);
    let mut s = measured();
    s.write(&bytes(FULL));
    s.take();
    s.advance(ms(140));
    s.expect_nothing();
    s.advance(ms(360));
    assert_eq!(s.take_one().seq, 101);
}

/// Only new data and an advance of SND.UNA arm it: neither a window update nor an old acknowledgment puts it off.
#[test]
fn b_tlp_arm_nothing_else_puts_it_off() {
    let mut s = measured();
    s.write(&bytes(2 * FULL));
    s.take();
    for n in 0..10 {
        s.advance(ms(10));
        s.send(seg().seq(1).ack(101).win(60_000 + n).options(&stamps(3, 0)));
    }
    s.advance(ms(10));
    assert_eq!(s.take().iter().filter(|seen| !seen.data.is_empty()).count(), 1, "at 100 ms");
}

/// No probe while something is selectively acknowledged: that is RACK's.
#[test]
fn b_tlp_arm_not_where_something_is_sacked() {
    let mut s = measured();
    s.write(&bytes(8 * FULL));
    s.take();
    s.advance(ms(50));
    let mut option = stamps(3, 0);
    option.extend([1, 1, 5, 10]);
    option.extend((s.iss + 101 + 1448).0.to_be_bytes());
    option.extend((s.iss + 101 + 2 * 1448).0.to_be_bytes());
    s.send(seg().seq(1).ack(101).options(&option));
    s.advance(ms(200));
    let sent = s.take();
    assert!(sent.iter().all(|seen| seen.seq == 101 || seen.seq > 101 + 7 * F), "the hole, not the tail: {sent:?}");
    assert!(sent.iter().any(|seen| seen.seq == 101));
}

/// One probe, then the retransmission timer, a whole one from the probe on; and it begins with the front.
#[test]
fn b_tlp_fire_one_probe_and_then_the_timer() {
    let mut s = measured();
    s.write(&bytes(3 * FULL));
    s.take();
    s.advance(ms(105));
    let probe = s.take_one();
    assert_eq!((probe.seq, probe.data.len()), (101 + 2 * F, FULL));
    s.advance(ms(890));
    s.expect_nothing();
    s.advance(ms(110));
    assert_eq!(s.take_one().seq, 101);
}

/// What was never sent is probed with before what was, though the congestion window is full.
#[test]
fn b_tlp_fire_new_data_goes_first() {
    let mut s = measured();
    s.write(&bytes(60 * FULL));
    let sent = s.take();
    let next = sent.last().unwrap().seq + F;
    assert!(sent.len() < 60);
    s.advance(ms(105));
    let probe = s.take_one();
    assert_eq!((probe.seq, probe.data.len()), (next, FULL));
}

/// Without a measurement since the last probe there is no next one.
#[test]
fn b_tlp_fire_no_second_probe_without_a_measurement() {
    let mut s = measured();
    s.write(&bytes(2 * FULL));
    s.take();
    s.advance(ms(105));
    assert_eq!(s.take().len(), 1);
    for n in 1..6 {
        s.advance(ms(10));
        s.send(seg().seq(1).ack(101).options(&stamps(3 + n, 0)));
    }
    s.advance(ms(700));
    assert!(s.take().is_empty());
}

/// The probe has mended a loss: the congestion window pays for it. Where the peer says it had it twice, nothing was
/// lost.
#[test]
fn b_tlp_ack_a_mended_loss_is_a_loss() {
    for twice in [false, true] {
        let mut s = measured();
        s.write(&bytes(2 * FULL));
        s.take();
        s.advance(ms(105));
        assert_eq!(s.take_one().seq, 101 + F);
        s.write(&bytes(FULL));
        s.take();
        s.advance(ms(50));
        let echo = s.now.as_nanos();
        let mut option = stamps(3, u32::try_from(echo % 1000).unwrap());
        if twice {
            option.extend([1, 1, 5, 10]);
            option.extend((s.iss + 101 + 1448).0.to_be_bytes());
            option.extend((s.iss + 101 + 2 * 1448).0.to_be_bytes());
        }
        s.send(seg().seq(1).ack(101 + 3 * F).options(&option));
        assert_eq!(s.info().slow_start_threshold.is_some(), !twice, "reported twice: {twice}");
    }
}

/// X-IDLE (RFC 5681 section 4.1): who has not sent for longer than a retransmission time begins with the first window.
#[test]
fn x_idle_a_long_pause_forgets_the_window() {
    for (pause, forgotten) in [(ms(100), false), (secs(30), true)] {
        let mut s = measured();
        let mut at = 101;
        for _ in 0..6 {
            s.write(&bytes(30 * FULL));
            loop {
                let ends = s.take().iter().map(|seen| seen.seq + i32::try_from(seen.data.len()).unwrap()).max();
                let Some(end) = ends else { break };
                at = end;
                s.advance(ms(50));
                ack(&mut s, at);
            }
        }
        let opened = s.info().congestion_window;
        assert!(opened > 20 * 1448, "{opened}");
        s.advance(pause);
        s.write(&bytes(100 * FULL));
        let sent: usize = s.take().iter().map(|seen| seen.data.len()).sum();
        assert_eq!(sent <= 10 * 1460, forgotten, "{sent} bytes after {pause:?}, {at}");
    }
}

/// S4, TW-8: the decision table, where both had timestamps.
#[test]
fn s4_tw_8_timestamps_decide_who_may_come_back() {
    // SEG.SEQ - RCV.NXT, TSval - TS.Recent, accepted.
    let table = [
        (-5000, Some(1), true),
        (5000, Some(1), true),
        (5000, Some(0), true),
        (-5000, Some(0), false),
        (-1, Some(0), false),
        (0, Some(0), true),
        (5000, Some(-1), false),
        (-5000, Some(-1000), false),
        (5000, None, true),
        (0, None, true),
        (-1, None, false),
    ];
    for (seq, newer, accepted) in table {
        let mut s = Script::established_with_extensions(config(), 5000);
        s.shut_down();
        s.send(seg().seq(1).ack(2).options(&stamps(5000, 0)));
        s.send(seg().seq(1).ack(2).fin().options(&stamps(5000, 0)));
        assert_eq!(s.flow_state(), State::TimeWait);
        s.take();
        s.advance(secs(2));
        let syn = seg().syn().seq(2 + seq);
        s.send(match newer {
            Some(newer) => syn.options(&stamps(5000u32.wrapping_add_signed(newer), 0)),
            None => syn.mss(1460),
        });
        let answer = s.take_one();
        assert_eq!(answer.flags.has(Flags::SYN), accepted, "{seq} {newer:?}");
        assert_eq!(s.flow_state(), if accepted { State::SynReceived } else { State::TimeWait }, "{seq} {newer:?}");
    }
}
