//! What looked weak when the code was read: quarantine with timestamps, long drains, ports that run out, attempts on
//! records in SYN-RECEIVED, bursts of expiry, and times near the wrap of the millisecond clock.

mod foe;
mod script;

use adieu_core::wire::Flags;
use adieu_core::{
    Cause, Config, ConnectError, DrainBudget, Instant, Leftover, Limit, Phase, Released, State, Unwanted, Warning,
};
use foe::{FAMILIES, Family, at, is_rst, peer, syn_at, us};
use script::{PEER_PORT, Script, aborted, config, ms, secs, seg, timed_out};

fn established(family: Family, config: Config, stamp: Option<u32>) -> Script {
    let mut s = Script::over(family, config);
    s.listen_here();
    s.open_passive(stamp);
    s
}

/// AB-5 "except by the rules of 1.11": with timestamps, after a second, and back again if it comes to nothing.
#[test]
fn ab_5_tw_13_a_quarantine_with_timestamps_may_be_reused() {
    for family in FAMILIES {
        let mut s = established(family, config(), Some(9));
        s.abort();
        s.take();
        s.release();
        s.receipts();
        s.unlisten();
        let flow = s.flow;
        assert!(matches!(s.stack.connect(s.now, Some(flow.local()), flow.remote()), Err(ConnectError::InUse(_))));
        s.advance(ms(1100));
        s.handle = Some(s.stack.connect(s.now, Some(flow.local()), flow.remote()).unwrap());
        s.poll();
        let syn = s.take_one();
        assert!(syn.seq > 65_537, "{syn:?}");
        // The old peer is still there: a challenge, our reset, and the SYN again.
        s.send(at(Some(10), seg().seq(1).ack(1)));
        s.expect_only(seg().seq(1).rst());
        assert_eq!(s.state(), State::SynSent);
        s.iss = syn.raw.0;
        s.send(seg().ack(1).rst());
        assert!(s.ending().is_some());
        assert_eq!((s.flow_state(), s.stack.leftover().quarantined), (State::Closed, 1));
        s.advance(secs(59));
        assert_eq!((s.stack.leftover().quarantined, s.released()), (0, vec![Released::QuarantineExpired]));
        s.finish_all();
    }
}

/// UD-8: a drain with more time than an orphan has in FIN-WAIT-2.
#[test]
fn ud_8_a_long_drain_is_as_long_as_it_was_asked_for() {
    for family in FAMILIES {
        for (kept, data) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut s = established(family, config(), None);
            s.stack.close_drain(s.now, s.id(), DrainBudget { bytes: 1000, time: secs(300) });
            s.poll();
            s.send(seg().seq(1).ack(2));
            if !kept {
                s.release();
            }
            for place in 1..6 {
                s.advance(ms(49_990));
                if data {
                    s.send(seg().seq(place).ack(2).data(b"x"));
                }
            }
            s.advance(secs(49));
            assert_eq!(s.flow_state(), State::FinWait2, "kept {kept}, data {data}");
            s.take();
            s.advance(secs(2));
            assert_eq!(s.only_receipt().ending, aborted(Cause::PolicyLimit(Limit::DrainTime), State::FinWait2));
            s.take();
            s.finish_all();
        }
    }
}

/// 3.6: somebody hears that ports run out: once, and again only after it was better.
#[test]
fn a_3_6_ports_that_run_out_are_announced_once() {
    for family in FAMILIES {
        let narrow = Config { ephemeral_ports: (5000, 5009), port_warning: 80, ..config() };
        let mut s = Script::over(family, narrow);
        let far = (peer(family), 99).into();
        let mut handles = Vec::new();
        for i in 1..=10u32 {
            handles.push(s.stack.connect(s.now, None, far).unwrap());
            let warnings: Vec<_> = std::iter::from_fn(|| s.stack.poll_warning()).collect();
            match &warnings[..] {
                [] => assert_ne!(i, 8, "80 percent"),
                [Warning::PortsScarce { local, remote, usage }] => {
                    assert_eq!((*local, *remote, usage.in_use, usage.all, i), (us(family), far, 8, 10, 8));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(s.stack.port_usage(us(family), far).in_use, 10);
        for _ in 0..5 {
            s.stack.release(s.now, handles.pop().unwrap());
        }
        for _ in 0..5 {
            handles.push(s.stack.connect(s.now, None, far).unwrap());
        }
        assert_eq!(std::iter::from_fn(|| s.stack.poll_warning()).count(), 1, "it was better in between");
        for handle in handles {
            s.stack.release(s.now, handle);
        }
        s.receipts();
        assert_eq!(s.stack.leftover(), Leftover::default());
    }
}

/// TW-9, TW-13: an attempt on a record that fails in SYN-RECEIVED (the SYNs have crossed).
#[test]
fn tw_9_an_attempt_that_fails_after_the_syns_have_crossed() {
    type Way = fn(&mut Script);
    let ways: [(&str, Way); 3] = [
        ("refused", |s| s.send(seg().seq(70_001).ack(1).rst())),
        ("aborted", |s| s.abort()),
        ("all aborted", |s| s.stack.abort_all(s.now)),
    ];
    for (name, way) in ways {
        let mut s = Script::active_time_wait(Family::V4, config(), Some(50));
        s.advance(secs(10));
        let old = s.iss;
        s.handle = Some(s.stack.connect(s.now, Some(s.flow.local()), s.flow.remote()).unwrap());
        s.poll();
        s.learn_iss();
        s.send(syn_at(Some(900), seg().seq(70_000)));
        assert_eq!(s.state(), State::SynReceived);
        s.take();
        way(&mut s);
        s.poll();
        s.take();
        assert_eq!((s.flow_state(), s.stats().time_wait_restored), (State::TimeWait, 1), "{name}");
        s.iss = old;
        s.send(at(Some(51), seg().seq(1).ack(2).fin()));
        assert!(!s.take().is_empty(), "{name}");
        s.finish_all();
    }
}

/// A thousand and more records, orphans and quarantines that end in one instant all end, with few calls.
#[test]
fn tw_10_five_thousand_ends_at_once() {
    let mut s = Script::over(Family::V4, Config { receipts: 1 << 16, ..config() });
    s.listen_here();
    for port in 2000..7000u16 {
        s.use_port(port);
        s.open_passive(None);
        match port % 3 {
            0 => s.close_to_time_wait(None),
            1 => s.abort(),
            _ => {
                s.shut_down();
                s.send(seg().seq(1).ack(2));
            }
        }
        s.release();
        s.take();
    }
    let left = s.stack.leftover();
    assert_eq!(left.time_waits + left.quarantined + left.abandoned, 5000);
    s.now += secs(60);
    let mut calls = 0;
    while s.stack.poll_timeout() <= s.now {
        s.stack.handle_timeout(s.now);
        s.poll();
        calls += 1;
        assert!(calls < 20);
    }
    // The orphans' tuples are kept aside for another while.
    assert_eq!(s.stack.leftover().quarantined, left.abandoned);
    assert_eq!(s.stack.leftover().flows, left.abandoned);
    assert_eq!(s.stack.endings().by_name("timed-out-fin-wait-2"), u64::try_from(left.abandoned).unwrap());
    s.finish_all();
}

/// Everything with a time in milliseconds modulo 2^32, around its wrap and its half.
#[test]
fn x_times_near_the_wrap() {
    for base in [1u64 << 31, 1 << 32, 3 << 31] {
        for before in [1, 500, 30_000, 59_999, 60_000, 61_000] {
            let began = Instant::from_millis(base - before);
            for what in 0..4 {
                let mut s = Script::over(Family::V4, config());
                s.now = began;
                s.listen_here();
                s.open_passive(Some(7));
                match what {
                    0 => s.close_to_time_wait(Some(7)),
                    1 => s.abort(),
                    _ => {
                        s.shut_down();
                        s.send(at(Some(7), seg().seq(1).ack(2)));
                    }
                }
                if what == 3 {
                    s.set(|settings| settings.half_close_idle = Some(secs(60)));
                } else {
                    s.release();
                }
                s.take();
                s.advance(secs(60) - ms(1));
                let (left, state) = (s.stack.leftover(), s.flow_state());
                assert_eq!(left.flows, 1, "{base} {before} {what}");
                assert_eq!(state, [State::TimeWait, State::Closed, State::FinWait2, State::FinWait2][what]);
                s.advance(ms(1));
                let left = s.stack.leftover();
                assert_eq!(left.time_waits + left.abandoned, 0, "{base} {before} {what}");
                match what {
                    2 => assert_eq!(s.only_receipt().ending, timed_out(Phase::FinWait2Orphan, State::FinWait2)),
                    3 => assert!(s.ending().is_some(), "{base} {before}"),
                    _ => assert_eq!(left.flows, 0),
                }
                s.take();
                s.finish_all();
            }
        }
    }
}

/// TO-11 near the wrap, for a connection that never sent anything.
#[test]
fn to_11_near_the_wrap() {
    for before in [0, 1, 10_000, 59_999, 60_001] {
        let mut s = Script::over(Family::V4, config());
        s.now = Instant::from_millis((1 << 32) - before);
        s.listen_here();
        s.open_passive(None);
        s.send(seg().seq(1).ack(1).fin());
        s.advance(secs(60));
        assert_eq!(s.stats().warnings, 1, "{before}");
        s.take();
        s.finish_all();
    }
}

/// A listener's unaccepted child in FIN-WAIT or CLOSE-WAIT is nobody's orphan, and goes with its listener.
#[test]
fn or_1_children_nobody_accepted() {
    let mut s = Script::over(Family::V4, Config { max_orphans: 0, ..config() });
    s.listen_here();
    for port in 2000..2010 {
        s.use_port(port);
        s.send(syn_at(None, seg()));
        s.learn_iss();
        s.send(seg().seq(1).ack(1).data(b"data").fin());
        s.take();
    }
    s.advance(secs(3600));
    assert_eq!((s.stack.leftover().connections, s.stats().orphans_shed), (10, 0));
    s.unlisten();
    assert_eq!(s.stack.endings().by_name("aborted-listener-closed"), 10);
    s.take();
    s.receipts();
    s.finish_all();
}

/// OR-3 at zero: every orphan goes at once, with a reset, but a record in FIN-WAIT-2 is no orphan in this sense.
#[test]
fn or_3_no_orphans_at_all() {
    let none = Config { max_orphans: 0, orphan_bytes: 0, ..config() };
    let mut s = established(Family::V4, none.clone(), None);
    s.write(b"last words");
    s.take();
    s.release();
    assert!(s.take().iter().any(is_rst));
    assert_eq!(s.only_receipt().ending, aborted(Cause::OrphanLimit, State::FinWait1));
    s.finish_all();
    let mut s = established(Family::V4, none, None).into_state(State::FinWait2);
    s.release();
    assert_eq!((s.stack.leftover().abandoned, s.flow_state()), (1, State::FinWait2));
    s.send(seg().seq(1).ack(2).fin());
    assert_eq!(s.flow_state(), State::TimeWait);
    s.take();
    s.finish_all();
}

/// HC-5 while both ends close: nothing of it breaks the machine.
#[test]
fn hc_5_shutdown_of_reading_twice_and_in_both_ways() {
    for first in [Unwanted::Refuse, Unwanted::Discard] {
        for second in [Unwanted::Refuse, Unwanted::Discard] {
            let mut s = established(Family::V4, config(), None);
            s.stack.shut_down_read(s.now, s.id(), first);
            s.stack.shut_down_read(s.now, s.id(), second);
            s.poll();
            s.expect_nothing();
            s.send(seg().seq(1).ack(1).data(b"data"));
            s.advance(secs(1));
            let sent = s.take();
            assert_eq!(
                sent.iter().any(is_rst),
                second == Unwanted::Refuse,
                "the last word counts: {first:?} {second:?}"
            );
            s.finish_all();
        }
    }
}

/// EO-2: an attempt that has been answered by a challenge of an old connection is kept aside like any other.
#[test]
fn eo_2_the_answer_after_the_time_meets_the_closed_responder() {
    let mut s = Script::over(Family::V4, config());
    s.flow.local_port = 9000;
    s.handle = Some(s.stack.connect(s.now, Some(s.flow.local()), s.flow.remote()).unwrap());
    s.poll();
    s.learn_iss();
    s.advance(ms(300));
    s.close();
    s.advance(secs(2));
    assert_eq!(s.stack.leftover().quarantined, 0);
    s.send(syn_at(None, seg().ack(1)));
    s.expect_only(seg().seq(1).rst());
    assert!(PEER_PORT > 0 && Flags::NONE.bits() == 0);
    s.finish_all();
}

/// 3.37: a host that slept for a month or two: what was to end meanwhile ends when it wakes.
#[test]
fn a_3_37_a_sleep_of_any_length() {
    for days in [1, 10, 24, 25, 30, 49, 50, 80, 400] {
        let mut s = Script::over(Family::V4, config());
        s.listen_here();
        for port in [2000, 2001, 2002] {
            s.use_port(port);
            s.open_passive(None);
            match port {
                2000 => s.close_to_time_wait(None),
                2001 => s.abort(),
                _ => {
                    s.shut_down();
                    s.send(seg().seq(1).ack(2));
                }
            }
            s.release();
            s.take();
        }
        s.now += secs(days * 86_400);
        s.stack.handle_timeout(s.now);
        s.poll();
        s.advance(secs(61));
        assert_eq!(s.stack.leftover(), Leftover { listeners: 1, ..Leftover::default() }, "{days} days");
        s.finish_all();
    }
}

/// TO-9 with patience longer than half of what fits into 32 bits of milliseconds.
#[test]
fn to_9_a_patience_of_a_month() {
    for (patience, name) in [(secs(30 * 86_400), "a month"), (adieu_core::Duration::MAX, "for ever")] {
        for record in [false, true] {
            let mut s = established(Family::V4, Config { fin_wait_2: patience, ..config() }, None);
            s = s.into_state(State::FinWait2);
            if record {
                s.release();
            } else {
                s.close();
            }
            s.advance(secs(29 * 86_400));
            assert_eq!(s.flow_state(), State::FinWait2, "{name}, record {record}");
            s.send(seg().seq(1).rst());
            s.finish_all();
        }
    }
}

/// Times that nobody means, but that can be said: they are long, not short.
#[test]
fn x_absurd_durations_are_long() {
    for time in [secs(1 << 60), secs(1 << 40), secs(u64::MAX / 2 + 1), adieu_core::Duration::MAX] {
        let mut s = established(Family::V4, Config { orphan_time: time, ..config() }, None);
        s.stack.close_drain(s.now, s.id(), DrainBudget { bytes: 10, time });
        s.poll();
        s.send(seg().seq(1).ack(2));
        s.take();
        s.advance(secs(3600));
        assert_eq!(s.state(), State::FinWait2, "{time:?}");
        s.send(seg().seq(1).rst());
        s.finish_all();
    }
}

/// OR-1: a budget without bounds, and nobody left: the orphan's own time ends it.
#[test]
fn or_1_a_drain_for_ever_ends() {
    let mut s = established(Family::V4, config(), None);
    s.stack.close_drain(s.now, s.id(), DrainBudget { bytes: u64::MAX, time: adieu_core::Duration::MAX });
    s.poll();
    s.send(seg().seq(1).ack(2));
    s.take();
    s.release();
    s.advance(secs(601));
    assert_eq!(s.flow_state(), State::Closed);
    s.take();
    s.finish_all();
}

/// A retransmission time without bounds is a long one, wherever it is multiplied.
#[test]
fn tw_2_a_retransmission_time_without_bounds() {
    let endless = Config { max_rto: adieu_core::Duration::MAX, orphan_bytes: 1, ..config() };
    let mut s = established(Family::V4, endless, None);
    s.stack.reconfigure(|config| config.time_wait = secs(30));
    s.write(b"last words");
    s.release();
    assert_eq!(s.flow_state(), State::Closed, "one orphan holds more than allowed");
    s.take();
    s.finish_all();
}
