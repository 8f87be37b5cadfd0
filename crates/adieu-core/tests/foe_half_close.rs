//! One direction closed: `close_drain` (UD-8), `shutdown(Read)` (HC-5, AP-11), budgets, and the watchdog (TO-11, HC-7).

mod foe;
mod script;

use adieu_core::wire::Flags;
use adieu_core::{
    Cause, Config, DrainBudget, Duration, Limit, Order, RecvSide, SendSide, State, Unwanted, Warning, WriteError,
};
use foe::{FAMILIES, Family, is_rst};
use script::states::{SYNCHRONIZED, rcv_nxt, snd_nxt};
use script::{Script, aborted, bytes, config, graceful, ms, secs, seg};

fn drain(s: &mut Script, bytes: u64, time: Duration) {
    s.stack.close_drain(s.now, s.id(), DrainBudget { bytes, time });
    s.poll();
}

fn shut_read(s: &mut Script, unwanted: Unwanted) {
    s.stack.shut_down_read(s.now, s.id(), unwanted);
    s.poll();
}

fn open(family: Family) -> Script {
    let mut s = Script::over(family, config());
    s.listen_here();
    s.open_passive(None);
    s
}

fn limit(limit: Limit, state: State) -> adieu_core::Ending {
    aborted(Cause::PolicyLimit(limit), state)
}

#[test]
fn ud_8_exactly_the_bytes() {
    for family in FAMILIES {
        for budget in [0u64, 1, 100, 1460, 5000] {
            for step in [1usize, 7, 100, 1460] {
                let mut s = open(family);
                drain(&mut s, budget, secs(1000));
                s.expect_only(seg().seq(1).ack(1).fin());
                s.send(seg().seq(1).ack(2));
                let mut sent = 0usize;
                while sent < usize::try_from(budget).unwrap() {
                    let next = step.min(usize::try_from(budget).unwrap() - sent);
                    let place = i32::try_from(sent).unwrap() + 1;
                    s.send(seg().seq(place).ack(2).data(&bytes(next)));
                    // What comes again costs nothing.
                    s.send(seg().seq(place).ack(2).data(&bytes(next)));
                    sent += next;
                }
                s.advance(ms(500));
                let replies = s.take();
                assert!(replies.iter().all(|seen| !is_rst(seen)), "{budget} {step}");
                let end = i32::try_from(budget).unwrap() + 1;
                assert!(budget == 0 || replies.last().unwrap().ack == Some(end));
                assert_eq!((s.state(), s.stack.leftover().bytes), (State::FinWait2, 0));
                s.send(seg().seq(end).ack(2).data(b"x"));
                assert!(is_rst(&s.take_one()));
                let receipt = s.receipt();
                assert_eq!(receipt.ending, limit(Limit::DrainBytes, State::FinWait2));
                assert!(receipt.discarded >= budget && receipt.discarded <= budget + 1, "{receipt:?}");
                s.finish_all();
            }
        }
    }
}

/// UD-8: the last allowed byte with the FIN is a graceful end; and so is one byte more, for it was the last.
#[test]
fn ud_8_the_last_byte_and_the_fin() {
    for (n, ack) in [(100, 2), (101, 2), (100, 1), (101, 1)] {
        let mut s = open(Family::V4);
        drain(&mut s, 100, secs(10));
        s.take();
        s.send(seg().seq(1).ack(ack).data(&bytes(n)).fin());
        let ended = match (n, ack) {
            (_, 2) => Some(graceful(Order::LocalFirst)), // Both directions are complete.
            _ => None,
        };
        assert_eq!(s.ending(), ended);
        assert!(!is_rst(&s.take_one()));
        s.finish_all();
    }
}

#[test]
fn ud_8_exactly_the_time() {
    type Way = fn(&mut Script);
    let ways: [(State, Way); 3] = [
        (State::FinWait1, |_| {}),
        (State::FinWait2, |s| s.send(seg().seq(1).ack(2))),
        (State::Closing, |s| s.send(seg().seq(1).ack(1).fin())),
    ];
    for family in FAMILIES {
        for (state, way) in ways {
            for time in [ms(1), ms(150), secs(2), secs(30)] {
                let mut s = open(family);
                drain(&mut s, 1000, time);
                way(&mut s);
                s.advance(time - ms(1));
                assert_eq!(s.state(), state, "{time:?}");
                s.take();
                s.advance(ms(1));
                assert_eq!(s.ending(), Some(limit(Limit::DrainTime, state)), "{time:?}");
                assert_eq!(s.take().iter().filter(|seen| is_rst(seen)).count(), 1);
                s.finish_all();
            }
        }
    }
    let mut s = open(Family::V4);
    s.send(seg().seq(1).ack(1).fin());
    drain(&mut s, 1000, secs(5));
    s.advance(secs(5) - ms(1));
    assert_eq!(s.state(), State::LastAck);
    s.advance(ms(1));
    assert_eq!(s.ending(), Some(limit(Limit::DrainTime, State::LastAck)));
    s.take();
    s.finish_all();
}

/// UD-8: the peer's FIN in between: graceful, and neither budget means anything any more.
#[test]
fn ud_8_the_peers_fin_in_between() {
    for family in FAMILIES {
        for kept in [false, true] {
            let mut s = open(family);
            s.write(b"413 too large");
            drain(&mut s, 1000, secs(2));
            if !kept {
                s.release();
            }
            let sent = s.take();
            assert!(sent.iter().all(|seen| !is_rst(seen)) && sent.last().unwrap().flags.has(Flags::FIN));
            s.send(seg().seq(1).ack(15).data(&bytes(900)));
            s.advance(secs(1));
            s.send(seg().seq(901).ack(15).fin());
            assert_eq!(s.flow_state(), State::TimeWait);
            s.advance(secs(30));
            assert!(s.take().iter().all(|seen| !is_rst(seen)));
            let receipt = s.only_receipt();
            assert_eq!(receipt.ending, graceful(Order::LocalFirst));
            assert_eq!((receipt.received, receipt.discarded, receipt.unread), (900, 900, 0));
            s.finish_all();
        }
    }
}

/// UD-8: unread data at the call is no reason for a reset and not part of the budget; its window comes back.
#[test]
fn ud_8_unread_data_at_the_call() {
    for family in FAMILIES {
        let small = Config { receive_buffer: 10_000, ..config() };
        let mut s = Script::over(family, small);
        s.listen_here();
        s.open_passive(None);
        let mut place = 1;
        for _ in 0..10 {
            s.send(seg().seq(place).ack(1).data(&bytes(1000)));
            place += 1000;
        }
        s.send(seg().seq(place + 500).ack(1).data(b"later"));
        s.advance(ms(500));
        assert!(s.take().last().unwrap().window < 1460);
        s.write(b"answer");
        s.take();
        drain(&mut s, 5000, secs(10));
        let sent = s.take();
        assert!(sent.iter().any(|seen| seen.flags.has(Flags::FIN)) && !sent.iter().any(is_rst), "{sent:?}");
        assert!(sent.iter().any(|seen| seen.window >= 5000), "{sent:?}");
        assert_eq!(s.stack.sides(s.id()).unwrap().1, RecvSide::ClosedLocally { discarded: 10_000 });
        for _ in 0..5 {
            s.send(seg().seq(place).ack(8).data(&bytes(1000)));
            place += 1000;
        }
        s.advance(ms(500));
        assert_eq!(s.state(), State::FinWait2);
        assert_eq!(s.take().last().unwrap().ack, Some(15_001));
        s.send(seg().seq(place).ack(8).data(b"x"));
        assert!(is_rst(&s.take_one()));
        s.finish_all();
    }
}

/// UD-8: the upload is far larger than the receive buffer; the window never closes.
#[test]
fn ud_8_a_long_upload_never_stalls() {
    let mut s = open(Family::V4);
    s.write(&bytes(100));
    drain(&mut s, 2_000_000, secs(60));
    s.release();
    s.take();
    s.send(seg().seq(1).ack(102));
    let mut place = 1;
    for _ in 0..1000 {
        s.send(seg().seq(place).ack(102).data(&bytes(1460)));
        place += 1460;
        assert!(s.take().iter().all(|seen| !is_rst(seen) && seen.window > 30_000));
        assert_eq!(s.stack.leftover().bytes, 0);
    }
    s.send(seg().seq(place).ack(102).fin());
    assert_eq!(s.only_receipt().ending, graceful(Order::LocalFirst));
    s.take();
    s.finish_all();
}

/// UD-8: whatever else is called after it does not turn it into a reset.
#[test]
fn ud_8_calls_after_the_call() {
    type Call = fn(&mut Script);
    let calls: [(&str, Call); 5] = [
        ("release", |s| s.release()),
        ("close", |s| s.close()),
        ("shut_down", |s| s.shut_down()),
        ("read", |s| assert_eq!(s.read(10), Ok(vec![]))),
        ("write", |s| assert_eq!(s.try_write(), Err(WriteError::ShutDown))),
    ];
    for (name, call) in calls {
        let mut s = open(Family::V4);
        s.send(seg().seq(1).ack(1).data(b"unread"));
        s.take();
        drain(&mut s, 1000, secs(10));
        call(&mut s);
        s.send(seg().seq(7).ack(2).data(b"more"));
        s.send(seg().seq(11).ack(2).fin());
        assert!(s.take().iter().all(|seen| !is_rst(seen)), "{name}");
        assert_eq!(s.only_receipt().ending, graceful(Order::LocalFirst), "{name}");
        s.finish_all();
    }
}

/// UD-8 in every state, with the largest and the smallest budget: nothing panics, nothing stays.
#[test]
fn ud_8_extreme_budgets_in_every_state() {
    for state in SYNCHRONIZED.into_iter().chain([State::TimeWait]) {
        for (bytes, time) in [(0, Duration::ZERO), (u64::MAX, Duration::MAX), (0, Duration::MAX), (u64::MAX, secs(0))] {
            let mut s = Script::in_state(state);
            drain(&mut s, bytes, time);
            s.advance(ms(1));
            s.release();
            s.advance(secs(1));
            s.send(seg().seq(rcv_nxt(state)).ack(snd_nxt(state)).fin());
            s.abort_if_alive();
            s.take();
            s.finish_all();
        }
    }
}

impl Script {
    fn abort_if_alive(&mut self) {
        self.stack.abort_all(self.now);
        self.listener = None;
        self.poll();
    }
}

const OPEN: [State; 4] = [State::Established, State::FinWait1, State::FinWait2, State::CloseWait];

/// HC-5, AP-11: no segment, and reads find the end.
#[test]
fn hc_5_ap_11_nothing_is_sent_and_reads_find_the_end() {
    for state in SYNCHRONIZED.into_iter().chain([State::TimeWait]) {
        for unwanted in [Unwanted::Refuse, Unwanted::Discard] {
            let mut s = Script::in_state(state);
            shut_read(&mut s, unwanted);
            s.expect_nothing();
            assert_eq!(s.state(), state, "{unwanted:?}");
            assert_eq!((s.read(10), s.read(10)), (Ok(vec![]), Ok(vec![])), "{state} {unwanted:?}");
            if matches!(state, State::Established | State::CloseWait) {
                s.write(b"unaffected");
                s.expect_only(seg().seq(1).ack(rcv_nxt(state)).data(b"unaffected"));
            }
            let (_, recv) = s.stack.sides(s.id()).unwrap();
            if OPEN[..3].contains(&state) {
                assert_eq!(recv, RecvSide::ClosedLocally { discarded: 0 }, "{state} {unwanted:?}");
            } else {
                assert_eq!(recv, RecvSide::Complete { received: 0 }, "{state} {unwanted:?}");
            }
            s.finish_all();
        }
    }
}

/// HC-5: buffered data is dropped at once; with our direction closed, too, that is a reset.
#[test]
fn hc_5_unread_data_is_dropped() {
    for state in OPEN {
        for unwanted in [Unwanted::Refuse, Unwanted::Discard] {
            let mut s = Script::in_state(if state == State::CloseWait { State::Established } else { state });
            let fin = state == State::CloseWait;
            let ack = if state == State::FinWait2 { 2 } else { 1 };
            let unread = seg().seq(1).ack(ack).data(b"unread");
            s.send(if fin { unread.fin() } else { unread });
            s.take();
            assert_eq!(s.state(), state);
            shut_read(&mut s, unwanted);
            assert_eq!(s.stack.leftover().bytes, 0, "{state} {unwanted:?}");
            if matches!(state, State::Established | State::CloseWait) {
                assert!(s.take().iter().all(|seen| !is_rst(seen)), "{state} {unwanted:?}");
                assert_eq!(s.read(10), Ok(vec![]));
                s.write(b"on");
                s.take();
                s.shut_down();
                let last = s.take().pop().expect("FIN or RST");
                // Who discards has agreed that its sender never hears of it.
                assert_eq!(is_rst(&last), unwanted == Unwanted::Refuse, "{state} {unwanted:?} {last:?}");
                let ended = (unwanted == Unwanted::Refuse).then(|| aborted(Cause::CloseWithUnread, state));
                assert_eq!(s.ending(), ended);
            } else if unwanted == Unwanted::Refuse {
                assert!(is_rst(&s.take_one()), "{state} {unwanted:?}");
                assert_eq!(s.ending(), Some(aborted(Cause::CloseWithUnread, state)));
            }
            s.finish_all();
        }
    }
}

/// HC-5: Refuse: new data draws a reset, old data an ACK, a FIN is a FIN.
#[test]
fn hc_5_refuse() {
    for state in [State::Established, State::FinWait1, State::FinWait2] {
        let ack = if state == State::FinWait2 { 2 } else { 1 };
        for (data, reset) in [
            (seg().seq(1).data(b"new"), true),
            (seg().seq(5).data(b"new"), true),
            (seg().seq(1).data(b"new").fin(), true),
            (seg().seq(0).data(b"o"), false),
            (seg().seq(1).fin(), false),
        ] {
            let mut s = Script::in_state(state);
            shut_read(&mut s, Unwanted::Refuse);
            s.send(data.clone().ack(ack));
            assert_eq!(is_rst(&s.take_one()), reset, "{state} {data:?}");
            if reset {
                assert_eq!(s.ending(), Some(aborted(Cause::DataAfterClose, state)));
            } else {
                assert!(!matches!(s.ending(), Some(adieu_core::Ending::Aborted { .. })));
            }
            s.finish_all();
        }
    }
}

/// HC-5: Discard: acknowledged and thrown away, the window stays open, and the FIN comes through.
#[test]
fn hc_5_discard() {
    for family in FAMILIES {
        for state in [State::Established, State::FinWait2] {
            let mut s = open(family).into_state(state);
            shut_read(&mut s, Unwanted::Discard);
            let ack = if state == State::FinWait2 { 2 } else { 1 };
            let mut place = 1;
            for i in 0..500 {
                // Out of order, too: the second before the first.
                let (a, b) = if i % 2 == 0 { (0, 1000) } else { (1000, 0) };
                for offset in [a, b] {
                    s.send(seg().seq(place + offset).ack(ack).data(&bytes(1000)));
                }
                place += 2000;
                assert!(s.take().iter().all(|seen| !is_rst(seen) && seen.window > 30_000));
                assert_eq!(s.stack.leftover().bytes, 0);
                assert_eq!(s.read(10), Ok(vec![]));
            }
            assert_eq!(s.stack.sides(s.id()).unwrap().1, RecvSide::ClosedLocally { discarded: 1_000_000 });
            s.send(seg().seq(place).ack(ack).fin());
            s.take();
            let after = if state == State::Established { State::CloseWait } else { State::TimeWait };
            assert_eq!(s.state(), after);
            assert_eq!(s.stack.sides(s.id()).unwrap().1, RecvSide::Complete { received: 1_000_000 });
            if state == State::Established {
                s.write(b"still");
                assert_eq!(s.stack.sides(s.id()).unwrap().0, SendSide::Open);
            }
            s.take();
            s.finish_all();
        }
    }
}

/// HC-5, HC-6: Discard with the handle; without it new data is refused.
#[test]
fn hc_6_discard_ends_with_the_handle() {
    let mut s = open(Family::V4).into_state(State::FinWait2);
    shut_read(&mut s, Unwanted::Discard);
    s.send(seg().seq(1).ack(2).data(b"gone"));
    s.advance(secs(1));
    s.take();
    assert_eq!(s.state(), State::FinWait2);
    s.release();
    s.take();
    if s.flow_state() == State::FinWait2 {
        s.send(seg().seq(5).ack(2).data(b"new"));
        assert!(is_rst(&s.take_one()));
    }
    s.advance(secs(60));
    assert_eq!(s.flow_state(), State::Closed, "an orphan has an end");
    s.finish_all();
}

/// Half-close budgets: idle and in all, in both half-closed states; activity moves the one and not the other.
#[test]
fn hc_budgets_idle_and_total() {
    for family in FAMILIES {
        for state in [State::FinWait2, State::CloseWait] {
            let mut s = open(family);
            s.set(|settings| settings.half_close_idle = Some(secs(10)));
            s.advance(secs(1000));
            assert_eq!(s.state(), State::Established, "both open: no budget");
            s = s.into_state(state);
            for place in 1..6 {
                s.advance(ms(9990));
                if state == State::FinWait2 {
                    s.send(seg().seq(place).ack(2).data(b"x"));
                } else {
                    s.write(b"x");
                    s.send(seg().seq(2).ack(place + 1));
                }
            }
            s.advance(secs(10) - ms(1));
            assert_eq!(s.state(), state);
            s.take();
            s.advance(ms(1));
            assert_eq!(s.ending(), Some(limit(Limit::HalfCloseIdle, state)));
            assert!(is_rst(&s.take_one()));
            s.finish_all();

            let mut s = open(family);
            s.set(|settings| settings.half_close_total = Some(secs(30)));
            s.advance(secs(100));
            s = s.into_state(state);
            for place in 1..30 {
                s.advance(secs(1));
                if state == State::FinWait2 {
                    s.send(seg().seq(place).ack(2).data(b"x"));
                }
            }
            s.take();
            s.advance(secs(1) - ms(1));
            assert_eq!(s.state(), state);
            s.advance(ms(1));
            assert_eq!(s.ending(), Some(limit(Limit::HalfCloseTotal, state)));
            s.take();
            s.finish_all();
        }
    }
}

/// Budgets set late, taken back, of nothing, and of the longest time allowed.
#[test]
fn hc_budgets_set_late_or_taken_back() {
    let mut s = Script::in_state(State::CloseWait);
    s.advance(secs(100));
    s.set(|settings| settings.half_close_total = Some(secs(30)));
    s.advance(ms(1));
    assert_eq!(s.ending(), Some(limit(Limit::HalfCloseTotal, State::CloseWait)), "its time was over long ago");
    s.take();
    s.finish_all();
    let mut s = Script::in_state(State::CloseWait);
    s.set(|settings| (settings.half_close_total, settings.half_close_idle) = (Some(secs(30)), Some(secs(20))));
    s.advance(secs(19));
    s.set(|settings| (settings.half_close_total, settings.half_close_idle) = (None, None));
    s.advance(secs(86_400));
    assert_eq!(s.state(), State::CloseWait);
    s.finish_all();
    for extreme in [Duration::ZERO, secs(24 * 86_400), Duration::MAX] {
        let mut s = Script::established_passive();
        s.set(|settings| (settings.half_close_total, settings.half_close_idle) = (Some(extreme), Some(extreme)));
        s.send(seg().seq(1).ack(1).fin());
        s.advance(secs(86_400));
        assert_eq!(s.state() == State::CloseWait, extreme > Duration::ZERO);
        s.take();
        s.finish_all();
    }
}

fn stuck(s: &mut Script) -> Vec<adieu_core::FlowState> {
    let all = std::iter::from_fn(|| s.stack.poll_warning());
    all.map(|warning| match warning {
        Warning::Stuck(state) => state,
        other @ Warning::PortsScarce { .. } => panic!("{other:?}"),
    })
    .collect()
}

#[test]
fn to_11_hc_7_the_watchdog_names_a_leak_once() {
    for family in FAMILIES {
        for (state, patience) in [(State::CloseWait, 60), (State::FinWait2, 300)] {
            let mut s = open(family);
            s.stack.set_label(s.id(), "upload 7");
            s.advance(secs(500));
            s = s.into_state(state);
            s.advance(secs(patience) - ms(1));
            assert_eq!(stuck(&mut s), []);
            s.advance(ms(1));
            let named = stuck(&mut s);
            assert_eq!(named.len(), 1);
            assert_eq!((&*named[0].label, named[0].state, named[0].flow), ("upload 7", state, s.flow));
            assert_eq!((named[0].age, named[0].quiet, named[0].handle), (secs(patience), secs(patience), s.handle));
            s.advance(secs(7200));
            assert_eq!((stuck(&mut s), s.state(), s.stats().warnings), (vec![], state, 1));
            s.expect_nothing();
            s.finish_all();
        }
    }
}

/// TO-11: not while data flows; age and last I/O are told apart.
#[test]
fn to_11_not_while_data_flows() {
    let mut s = Script::in_state(State::CloseWait);
    for place in 1..11 {
        s.advance(secs(50));
        s.write(b"x");
        s.send(seg().seq(2).ack(place + 1));
    }
    assert_eq!(stuck(&mut s), []);
    s.advance(secs(60));
    let named = stuck(&mut s);
    assert_eq!((named.len(), named[0].age, named[0].quiet), (1, secs(560), secs(60)));
    s.take();
    s.finish_all();
    let mut s = Script::in_state(State::FinWait2);
    for place in 1..11 {
        s.advance(secs(250));
        s.send(seg().seq(place).ack(2).data(b"x"));
    }
    assert_eq!(stuck(&mut s), []);
    s.take();
    s.finish_all();
}

/// TO-11: never, where that is asked for; not for orphans, nor in other states.
#[test]
fn to_11_who_is_not_named() {
    let never = Config { close_wait_warning: Duration::MAX, fin_wait_2_warning: Duration::MAX, ..config() };
    for state in [State::CloseWait, State::FinWait2] {
        let mut s = Script::established_with(never.clone()).into_state(state);
        s.advance(secs(86_400));
        assert_eq!(stuck(&mut s), []);
        s.finish_all();
    }
    for state in [State::FinWait1, State::Closing, State::LastAck, State::TimeWait, State::FinWait2] {
        let mut s = Script::in_state(state);
        s.release();
        s.advance(secs(3600));
        assert_eq!(stuck(&mut s), [], "{state}");
        s.take();
        s.finish_all();
    }
}

/// A bounded number of warnings is kept, and every one counts.
#[test]
fn to_11_a_thousand_leaks() {
    let mut s = Script::over(Family::V4, Config { receipts: 10, ..config() });
    s.listen_here();
    let mut handles = Vec::new();
    for port in 2000..2100 {
        s.use_port(port);
        s.open_passive(None);
        s.send(seg().seq(1).ack(1).fin());
        s.take();
        handles.push(s.handle.take().unwrap());
    }
    s.advance(secs(61));
    assert_eq!((stuck(&mut s).len(), s.stats().warnings), (10, 100));
    for handle in handles {
        s.stack.release(s.now, handle);
    }
    s.poll();
    s.advance(secs(600));
    s.take();
    s.finish_all();
}

/// HC-5, UD-1, OR-1: who has closed, or refused, does not take anything afterwards.
#[test]
fn hc_5_a_refusal_is_not_taken_back() {
    // Closed, then discarding: still an orphan, and new data is refused.
    let mut s = open(Family::V4);
    s.close();
    s.send(seg().seq(1).ack(2));
    s.take();
    s.stack.shut_down_read(s.now, s.id(), Unwanted::Discard);
    s.release();
    s.send(seg().seq(1).ack(2).data(b"new"));
    assert!(is_rst(&s.take_one()));
    s.finish_all();
    // Bytes refused unread, then discarding: closing is a reset all the same.
    let mut s = open(Family::V4);
    s.send(seg().seq(1).ack(1).data(b"unread"));
    s.take();
    s.stack.shut_down_read(s.now, s.id(), Unwanted::Refuse);
    s.stack.shut_down_read(s.now, s.id(), Unwanted::Discard);
    s.close();
    assert!(is_rst(&s.take_one()));
    s.finish_all();
}
