//! A tuple in TIME-WAIT that somebody wants again: TW-8 to TW-13, TW-18, TW-20, SY-5.

mod foe;
mod script;

use adieu_core::wire::Flags;
use adieu_core::{Config, ConnectError, Ending, Instant, Released, State};
use foe::{FAMILIES, Family, at, is_rst, syn_at};
use script::{Script, config, ms, secs, seg};

/// A peer's SYN far to the right, taken; the SYN-ACK is taken out of the way.
fn reopened(family: Family, config: Config, stamp: Option<u32>, after: u64) -> Script {
    let mut s = Script::passive_time_wait(family, config, stamp);
    s.advance(secs(after));
    s.send(syn_at(stamp.map(|stamp| stamp + 1000), seg().seq(500_000)));
    let syn_ack = s.take_one();
    assert!(syn_ack.flags.has(Flags::SYN) && syn_ack.flags.has(Flags::ACK), "{syn_ack:?}");
    assert_eq!(s.flow_state(), State::SynReceived);
    s
}

/// The record is there as it was: it answers the old FIN with the old numbers.
#[track_caller]
fn assert_answers_the_old_fin(s: &mut Script, stamp: Option<u32>) {
    s.advance(ms(600));
    s.send(at(stamp, seg().seq(1).ack(2).fin()));
    s.expect_only(seg().seq(2).ack(2));
    assert_eq!(s.flow_state(), State::TimeWait);
}

#[test]
fn tw_9_a_reset_gives_the_record_back_with_its_time() {
    for family in FAMILIES {
        for stamp in [None, Some(700)] {
            let mut s = reopened(family, config(), stamp, 20);
            s.advance(ms(900));
            s.send(seg().seq(500_001).rst());
            s.expect_nothing();
            assert_eq!((s.flow_state(), s.stats().time_wait_restored), (State::TimeWait, 1));
            assert_eq!(s.stack.leftover().openings, 0);
            s.advance(ms(39_100) - ms(1));
            assert_eq!(s.flow_state(), State::TimeWait, "at least the previous expiry");
            s.advance(secs(2));
            assert_eq!(s.flow_state(), State::Closed);
            assert_eq!(s.released(), [Released::TimeWaitExpired]);
            s.finish_all();
        }
    }
}

#[test]
fn tw_9_a_restored_record_answers_fins_and_restarts() {
    for family in FAMILIES {
        for stamp in [None, Some(u32::MAX - 300)] {
            let mut s = Script::passive_time_wait(family, config(), stamp);
            s.advance(secs(20));
            s.send(syn_at(stamp.map(|stamp| stamp.wrapping_add(1000)), seg().seq(500_000)));
            assert!(s.take_one().flags.has(Flags::SYN));
            s.send(seg().seq(500_001).rst());
            assert_answers_the_old_fin(&mut s, stamp);
            s.advance(secs(59));
            assert_eq!(s.flow_state(), State::TimeWait, "TW-3 holds for it, too");
            s.send(seg().seq(2).rst());
            s.send(at(stamp, seg().seq(2).ack(2)));
            s.expect_nothing();
            assert_eq!(s.flow_state(), State::TimeWait);
            s.finish_all();
        }
    }
}

#[test]
fn tw_9_an_unanswered_syn_ack_gives_the_record_back() {
    for family in FAMILIES {
        let long = Config { time_wait: secs(240), ..config() };
        let mut s = reopened(family, long, Some(5), 20);
        s.advance(secs(62));
        assert_eq!(s.flow_state(), State::SynReceived);
        s.advance(secs(2));
        assert_eq!((s.flow_state(), s.stats().time_wait_restored), (State::TimeWait, 1));
        assert!(s.take().iter().all(|seen| seen.flags.has(Flags::SYN)));
        s.advance(secs(240 - 84) - ms(1));
        assert_eq!(s.flow_state(), State::TimeWait);
        s.advance(secs(1));
        assert_eq!(s.flow_state(), State::Closed);
        s.finish_all();
    }
}

#[test]
fn tw_9_a_listener_that_closes_gives_the_record_back() {
    for family in FAMILIES {
        let mut s = reopened(family, config(), None, 20);
        s.unlisten();
        assert!(is_rst(&s.take_one()), "CL-13");
        assert_eq!((s.flow_state(), s.stats().time_wait_restored), (State::TimeWait, 1));
        assert_answers_the_old_fin(&mut s, None);
        s.finish_all();
    }
}

/// The record's time runs out below the child: one word, and neither way of the child brings it back.
#[test]
fn tw_9_a_record_that_expires_below_its_child() {
    for established in [false, true] {
        let mut s = reopened(Family::V4, config(), None, 50);
        s.advance(secs(12));
        assert_eq!(s.flow_state(), State::SynReceived);
        let again = s.take().pop().expect("the SYN-ACK again");
        if established {
            s.send(seg().seq(500_001).ack(again.seq + 1));
            assert!(s.accept());
            assert_eq!(s.state(), State::Established);
        } else {
            s.send(seg().seq(500_001).rst());
            assert_eq!(s.flow_state(), State::Closed, "its time is over");
            s.send(seg().seq(1).ack(2).fin());
            assert!(is_rst(&s.take_one()));
        }
        let words = s.released();
        assert_eq!(words.iter().filter(|word| **word == Released::TimeWaitExpired).count(), 1, "{words:?}");
        assert!(!words.contains(&Released::ReusedByPeer), "{words:?}");
        assert_eq!(s.stack.leftover().time_waits, 0);
        s.finish_all();
    }
}

/// A child that gets a dozen segments nobody can take is still a child of the record.
#[test]
fn tw_9_old_duplicates_during_the_handshake_leave_both_alive() {
    let mut s = reopened(Family::V4, config(), None, 20);
    for old in [seg().seq(1).ack(2).fin(), seg().seq(2).ack(2), seg().seq(2).rst(), seg().seq(1).ack(1).data(b"old")] {
        s.send(old);
        s.advance(ms(700));
    }
    s.take();
    if s.flow_state() == State::SynReceived {
        s.send(seg().seq(500_001).rst());
    }
    s.take();
    assert_eq!(s.flow_state(), State::TimeWait);
    assert_answers_the_old_fin(&mut s, None);
    s.finish_all();
}

/// The record is evicted while its child lives.
#[test]
fn tw_9_eviction_below_a_child() {
    for established in [false, true] {
        for stamp in [None, Some(9)] {
            let mut s = reopened(Family::V4, config(), stamp, 20);
            s.stack.reconfigure(|config| config.time_wait_budget = 0);
            let (flow, iss) = (s.flow, s.iss);
            let syn_ack_at = s.now;
            s.use_port(5001);
            s.open_passive(stamp);
            s.close_to_time_wait(stamp);
            s.release();
            (s.flow, s.iss) = (flow, iss);
            assert_eq!(s.flow_state(), State::SynReceived, "the child does not go with it");
            assert!(s.released().contains(&Released::Evicted));
            s.advance(secs(2));
            let again = s.take().pop().expect("the SYN-ACK again");
            assert!(s.now > syn_ack_at);
            if established {
                s.send(at(stamp.map(|stamp| stamp + 1000), seg().seq(500_001).ack(again.seq + 1)));
                assert!(s.accept());
                assert_eq!(s.state(), State::Established);
                s.abort();
            } else {
                s.send(seg().seq(500_001).rst());
                assert_eq!(s.flow_state(), State::Closed);
            }
            s.finish_all();
        }
    }
}

#[test]
fn tw_9_tw_18_an_established_child_ends_the_record() {
    for family in FAMILIES {
        for stamp in [None, Some(70)] {
            let mut s = Script::passive_time_wait(family, config(), stamp);
            s.advance(secs(20));
            s.send(syn_at(stamp.map(|stamp| stamp + 1000), seg().seq(500_000)));
            s.learn_iss();
            assert_eq!(s.released(), [], "not before it is established");
            s.send(at(stamp.map(|stamp| stamp + 1000), seg().seq(500_001).ack(1)));
            assert!(s.accept());
            assert_eq!((s.released(), s.stack.leftover().time_waits), (vec![Released::ReusedByPeer], 0));
            s.advance(secs(120));
            assert_eq!(s.state(), State::Established);
            s.send(seg().seq(500_001).rst());
            assert_eq!(s.released(), [Released::Immediately]);
            s.finish_all();
        }
    }
}

/// Cycle after cycle: neither more records nor an earlier or endless end.
#[test]
fn tw_9_a_hundred_false_starts() {
    let mut s = Script::passive_time_wait(Family::V4, config(), None);
    let began = s.now;
    for cycle in 0..100 {
        s.send(seg().seq(500_000 + cycle * 1000).syn());
        let syn_ack = s.take_one();
        assert!(syn_ack.flags.has(Flags::SYN) && syn_ack.seq >= 2 + 65_537, "{cycle}: {syn_ack:?}");
        s.advance(ms(500));
        s.send(seg().seq(500_001 + cycle * 1000).rst());
        s.expect_nothing();
        assert_eq!(s.flow_state(), State::TimeWait, "{cycle}");
        assert_eq!((s.stack.leftover().time_waits, s.stack.leftover().flows), (1, 1));
    }
    while s.flow_state() == State::TimeWait {
        s.advance(ms(100));
    }
    assert!(s.now.since(began) >= secs(60) && s.now.since(began) <= secs(61), "{:?}", s.now.since(began));
    assert_eq!(s.released(), [Released::TimeWaitExpired]);
    s.finish_all();
}

/// A full backlog: a cookie cannot keep TW-10, so the record must not be bypassed by one.
#[test]
fn tw_9_tw_10_cookies_in_between() {
    for stamp in [None, Some(70)] {
        let small = Config { syn_backlog: 1, ..config() };
        let mut s = Script::passive_time_wait(Family::V4, small, stamp);
        let (flow, iss) = (s.flow, s.iss);
        s.use_port(5001);
        s.send(syn_at(None, seg()));
        assert_eq!(s.take().len(), 1);
        s.flow = flow;
        s.send(syn_at(stamp.map(|stamp| stamp + 1000), seg().seq(500_000)));
        let replies = s.take();
        for reply in &replies {
            assert!(!reply.flags.has(Flags::SYN) || reply.seq >= 2 + 65_537, "below the floor: {reply:?}");
            if reply.flags.has(Flags::SYN) {
                s.send(at(stamp.map(|stamp| stamp + 1000), seg().seq(500_001).ack(reply.seq + 1)));
                s.take();
            }
        }
        assert_eq!(s.iss, iss);
        if s.flow_state() == State::TimeWait {
            assert_answers_the_old_fin(&mut s, stamp);
        }
        s.finish_all();
    }
}

/// The child lives while others get cookies, and is not hurt.
#[test]
fn tw_9_a_child_among_cookies() {
    let small = Config { syn_backlog: 1, ..config() };
    let mut s = reopened(Family::V4, small, None, 20);
    let flow = s.flow;
    for port in 6000..6100 {
        s.use_port(port);
        s.send(syn_at(None, seg()));
        assert_eq!(s.take().len(), 1, "a cookie");
    }
    assert_eq!(s.stats().cookies_sent, 100);
    s.flow = flow;
    assert_eq!(s.flow_state(), State::SynReceived);
    s.send(seg().seq(500_001).rst());
    assert_answers_the_old_fin(&mut s, None);
    s.finish_all();
}

/// TW-10: wherever the initial number would have been.
#[test]
fn tw_10_the_initial_number_is_beyond_the_old_one() {
    for family in FAMILIES {
        for start in [0, 1, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, u32::MAX - 65_537, u32::MAX - 1, u32::MAX] {
            for stamp in [None, Some(start)] {
                let mut s = Script::over(family, config());
                s.replace_stack(config(), foe::secrets(0).with_initial_seq(foe::seq(start)));
                s.listen_here();
                s.open_passive(stamp);
                s.close_to_time_wait(stamp);
                s.advance(secs(5));
                s.send(syn_at(stamp.map(|stamp| stamp.wrapping_add(9)), seg().seq(500_000)));
                let syn_ack = s.take_one();
                assert!(syn_ack.flags.has(Flags::SYN) && syn_ack.seq >= 2 + 65_537, "{start}: {syn_ack:?}");
                let end = syn_ack.seq + 1;
                s.send(at(stamp.map(|stamp| stamp.wrapping_add(9)), seg().seq(500_001).ack(end)));
                s.receipts();
                s.release();
                assert!(s.accept());
                assert_eq!(s.state(), State::Established);
                s.abort();
                s.finish_all();
            }
        }
    }
}

/// TW-10: timestamps of the next connection are later, too: by record, both ways, over both families.
#[test]
fn tw_10_timestamps_never_go_back() {
    for family in FAMILIES {
        for active in [false, true] {
            let mut s = if active {
                Script::active_time_wait(family, config(), Some(9))
            } else {
                Script::passive_time_wait(family, config(), Some(9))
            };
            s.advance(secs(2));
            s.send(at(Some(10), seg().seq(1).ack(2).fin()));
            let last = s.take_one().options.timestamps.expect("timestamps").value;
            s.advance(ms(1500));
            if active {
                let again = s.stack.connect(s.now, Some(s.flow.local()), s.flow.remote()).expect("TW-13");
                s.poll();
                s.handle = Some(again);
            } else {
                s.send(syn_at(Some(5000), seg().seq(500_000)));
            }
            let syn = s.take_one();
            assert!(syn.flags.has(Flags::SYN) && syn.seq >= 2 + 65_537);
            let next = syn.options.timestamps.expect("timestamps").value;
            assert!((1..10_000).contains(&next.wrapping_sub(last)), "{last} then {next}");
            s.finish_all();
        }
    }
}

fn connect_again(s: &mut Script) -> Result<(), ConnectError> {
    let handle = s.stack.connect(s.now, Some(s.flow.local()), s.flow.remote())?;
    s.handle = Some(handle);
    s.poll();
    Ok(())
}

#[test]
fn tw_13_a_fixed_port_needs_timestamps_and_more_than_a_second() {
    for family in FAMILIES {
        let mut s = Script::active_time_wait(family, config(), None);
        for _ in 0..5 {
            s.advance(secs(10));
            assert!(matches!(connect_again(&mut s), Err(ConnectError::InUse(_))), "without timestamps");
        }
        s.finish_all();
        let mut s = Script::active_time_wait(family, config(), Some(50));
        for _ in 0..9 {
            assert!(matches!(connect_again(&mut s), Err(ConnectError::InUse(_))), "too early");
            s.advance(ms(100));
        }
        s.advance(ms(101));
        connect_again(&mut s).unwrap();
        let syn = s.take_one();
        assert!(syn.flags.has(Flags::SYN) && syn.seq >= 2 + 65_537, "{syn:?}");
        s.finish_all();
    }
}

/// "Since the record's last update": a FIN that came again is one.
#[test]
fn tw_13_a_repeated_fin_starts_the_second_anew() {
    let mut s = Script::active_time_wait(Family::V4, config(), Some(50));
    s.advance(secs(10));
    s.send(at(Some(60), seg().seq(1).ack(2).fin()));
    s.expect_only(seg().seq(2).ack(2));
    s.advance(ms(900));
    assert!(matches!(connect_again(&mut s), Err(ConnectError::InUse(_))));
    s.advance(ms(200));
    connect_again(&mut s).unwrap();
    s.take();
    s.finish_all();
}

type Failure = fn(&mut Script);

/// TW-13, TW-9: every way an attempt can fail gives the record back with its time.
#[test]
fn tw_13_a_failed_attempt_gives_the_record_back() {
    let failures: [(&str, Failure); 5] = [
        ("refused", |s| s.send(seg().seq(0).ack(1).rst())),
        ("closed", |s| s.close()),
        ("aborted", |s| s.abort()),
        ("dropped", |s| s.release()),
        ("all aborted", |s| s.stack.abort_all(s.now)),
    ];
    for family in FAMILIES {
        for (name, fail) in failures {
            let mut s = Script::active_time_wait(family, config(), Some(50));
            s.advance(secs(10));
            let old = s.iss;
            connect_again(&mut s).unwrap();
            s.learn_iss();
            fail(&mut s);
            s.poll();
            s.take();
            assert_eq!((s.flow_state(), s.stats().time_wait_restored), (State::TimeWait, 1), "{name}");
            assert_eq!(s.receipts().len(), 1, "{name}");
            s.iss = old;
            s.advance(secs(49));
            assert_eq!(s.flow_state(), State::TimeWait, "{name}");
            s.send(at(Some(51), seg().seq(1).ack(2).fin()));
            s.expect_only(seg().seq(2).ack(2));
            s.finish_all();
        }
    }
}

#[test]
fn tw_13_an_attempt_without_an_answer_outlives_the_record() {
    let mut s = Script::active_time_wait(Family::V4, config(), Some(50));
    s.advance(secs(10));
    connect_again(&mut s).unwrap();
    s.advance(secs(400));
    assert!(s.take().iter().all(|seen| seen.flags.has(Flags::SYN)));
    assert!(matches!(s.ending(), Some(Ending::TimedOut { .. })), "{:?}", s.ending());
    assert_eq!(s.stack.leftover().time_waits, 0);
    s.finish_all();
}

#[test]
fn tw_13_tw_18_an_attempt_that_succeeds_ends_the_record() {
    for family in FAMILIES {
        let mut s = Script::active_time_wait(family, config(), Some(50));
        s.advance(secs(10));
        connect_again(&mut s).unwrap();
        s.learn_iss();
        assert_eq!(s.released(), []);
        s.send(syn_at(Some(900), seg().seq(70_000).ack(1)));
        s.expect_only(seg().seq(1).ack(70_001));
        assert_eq!((s.state(), s.released()), (State::Established, vec![Released::ReusedByUs]));
        assert_eq!(s.stack.leftover().time_waits, 0);
        s.finish_all();
    }
}

/// The peer answers from its own old connection (Example 5): challenge, RST, and the SYN again goes through.
#[test]
fn tw_13_a_peer_still_in_last_ack_is_reset_and_then_opens() {
    let mut s = Script::active_time_wait(Family::V4, config(), Some(50));
    s.advance(secs(10));
    let old = s.iss;
    connect_again(&mut s).unwrap();
    s.learn_iss();
    let ours = s.iss;
    s.iss = old;
    s.send(at(Some(51), seg().seq(1).ack(1)));
    let reset = s.take_one();
    assert!(is_rst(&reset), "RS-3: {reset:?}");
    assert_eq!(reset.seq, 1);
    s.iss = ours;
    assert_eq!(s.state(), State::SynSent);
    s.advance(secs(1));
    s.expect_only(seg().syn());
    s.finish_all();
}

#[test]
fn tw_13_ephemeral_another_port_first_then_reuse() {
    for family in FAMILIES {
        let narrow = Config { ephemeral_ports: (80, 82), ..config() };
        let mut s = Script::active_time_wait(family, narrow, Some(50));
        s.advance(ms(500));
        let mut ports = Vec::new();
        for _ in 0..2 {
            let handle = s.stack.connect(s.now, None, s.flow.remote()).unwrap();
            ports.push(s.stack.flow(handle).unwrap().local_port);
        }
        ports.sort_unstable();
        assert_eq!(ports, [81, 82]);
        assert!(matches!(s.stack.connect(s.now, None, s.flow.remote()), Err(ConnectError::NoPort(_))), "too early");
        s.advance(ms(600));
        let handle = s.stack.connect(s.now, None, s.flow.remote()).unwrap();
        assert_eq!(s.stack.flow(handle).unwrap().local_port, 80);
        assert!(matches!(s.stack.connect(s.now, None, s.flow.remote()), Err(ConnectError::NoPort(_))));
        s.stack.abort_all(s.now);
        s.handle = Some(handle);
        s.take();
        assert_eq!(s.flow_state(), State::TimeWait);
    }
}

/// TW-20: the highest clock of every valid segment counts, and of no other.
#[test]
fn tw_20_the_record_keeps_the_highest_clock() {
    let valid = [
        ("a FIN again", at(Some(2000), seg().seq(1).ack(2).fin())),
        ("an empty ACK", at(Some(2000), seg().seq(2).ack(2))),
    ];
    for family in FAMILIES {
        for (name, segment) in &valid {
            for (stamp, place, taken) in [
                (1500, 500_000, false),
                (2000, 500_000, true),
                (2000, 1, false),
                (2001, 1, true),
                (1999, 500_000, false),
            ] {
                let mut s = Script::passive_time_wait(family, config(), Some(1000));
                s.advance(secs(3));
                s.send(segment.clone());
                s.take();
                s.advance(secs(3));
                s.send(syn_at(Some(stamp), seg().seq(place)));
                let reply = s.take_one();
                assert_eq!(reply.flags.has(Flags::SYN), taken, "{name}, {stamp} at {place}: {reply:?}");
                s.finish_all();
            }
        }
    }
    let invalid = [
        ("a reset", at(Some(2000), seg().seq(2).rst())),
        ("far outside", at(Some(2000), seg().seq(1_000_000).ack(2))),
        ("an ACK of what we never sent", at(Some(2000), seg().seq(2).ack(300))),
        ("a FIN that acknowledges what we never sent", at(Some(2000), seg().seq(1).ack(300).fin())),
    ];
    for (name, segment) in invalid {
        let mut s = Script::passive_time_wait(Family::V4, config(), Some(1000));
        s.advance(secs(3));
        s.send(segment);
        s.take();
        s.advance(secs(3));
        s.send(syn_at(Some(1500), seg().seq(1)));
        assert!(s.take_one().flags.has(Flags::SYN), "{name} must not set the clock");
        s.finish_all();
    }
}

/// SY-5, TW-8: the whole table, over both families.
#[test]
fn sy_5_tw_8_the_decision_table() {
    let rows: [(Option<u32>, Option<u32>, i32, bool); 13] = [
        (Some(100), Some(101), 1, true),
        (Some(100), Some(101), -5000, true),
        (Some(100), Some(100), 2, true),
        (Some(100), Some(100), 1, false),
        (Some(100), Some(99), 500_000, false),
        (Some(100), Some(100u32.wrapping_sub(0x7fff_ffff)), 500_000, false),
        (Some(100), None, 2, true),
        (Some(100), None, 1, false),
        (None, Some(7), 1, true),
        (None, Some(7), -70_000, true),
        (None, None, 2, true),
        (None, None, 1, false),
        (None, None, i32::MIN + 10, false),
    ];
    for family in FAMILIES {
        for (old, new, place, taken) in rows {
            let mut s = Script::passive_time_wait(family, config(), old);
            s.advance(secs(3));
            s.send(syn_at(new, seg().seq(place)));
            let reply = s.take_one();
            assert_eq!(reply.flags.has(Flags::SYN), taken, "{old:?} {new:?} {place}");
            if !taken {
                reply.assert_is(&seg().seq(2).ack(2));
                assert_eq!(s.flow_state(), State::TimeWait);
            }
            s.finish_all();
        }
    }
}

/// SY-5: a SYN with other flags opens nothing in TIME-WAIT.
#[test]
fn sy_5_a_syn_with_ack_or_rst_opens_nothing() {
    for bad in [seg().seq(500_000).syn().ack(2), seg().seq(500_000).syn().rst(), seg().seq(500_000).syn().ack(2).rst()]
    {
        let mut s = Script::passive_time_wait(Family::V4, config(), None);
        s.advance(secs(3));
        s.send(bad.clone());
        assert_eq!(s.flow_state(), State::TimeWait, "{bad:?}");
        assert!(s.take().iter().all(|seen| !seen.flags.has(Flags::SYN) && !is_rst(seen)), "{bad:?}");
        s.finish_all();
    }
}

/// TW-18: every way a flow can be released, one word each.
#[test]
fn tw_18_one_word_for_each_way() {
    type Way = fn(&mut Script);
    let ways: [(&str, Way, Released); 5] = [
        ("reset by the peer", |s| s.send(seg().seq(1).rst()), Released::Immediately),
        (
            "peer first",
            |s| {
                s.send(seg().seq(1).ack(1).fin());
                s.close();
                s.send(seg().seq(2).ack(2));
            },
            Released::Immediately,
        ),
        ("us first", |s| s.close_to_time_wait(None), Released::TimeWaitExpired),
        ("abort", |s| s.abort(), Released::QuarantineExpired),
        (
            "nobody answers",
            |s| {
                s.write(b"lost");
                s.advance(secs(3000));
            },
            Released::QuarantineExpired,
        ),
    ];
    for family in FAMILIES {
        for (name, way, word) in ways {
            let mut s = Script::over(family, config());
            s.listen_here();
            s.open_passive(None);
            way(&mut s);
            assert!(s.ending().is_some(), "{name}");
            s.advance(secs(70));
            assert_eq!(s.released(), [word], "{name}");
            assert_eq!(s.stack.poll_timeout(), Instant::NEVER);
            s.finish_all();
        }
    }
}
