//! Connections without an owner: OR-1 to OR-6, HC-6, TO-9, attacks 3.7, 3.8, 3.9, 3.11, 3.12, and the memory budget.

mod foe;
mod script;

use adieu_core::wire::Flags;
use adieu_core::{Cause, Config, DrainBudget, Duration, Ending, Leftover, Order, Phase, Released, State, Unwanted};
use foe::{FAMILIES, Family, is_rst, syn_at};
use script::{MSS, Script, aborted, bytes, config, graceful, ms, secs, seg, timed_out};

/// The peer opens from `port`, we write `n` bytes, and the handle goes.
fn orphan(s: &mut Script, port: u16, n: usize) {
    open(s, port);
    s.write(&bytes(n));
    s.release();
    s.take();
}

fn open(s: &mut Script, port: u16) {
    s.use_port(port);
    s.open_passive(None);
}

fn state(s: &mut Script, port: u16) -> State {
    s.use_port(port);
    s.flow_state()
}

fn listening(family: Family, config: Config) -> Script {
    let mut s = Script::over(family, config);
    s.listen_here();
    s
}

/// OR-1, INV-18: whatever state the handle is dropped in, it ends by itself.
#[test]
fn or_1_every_orphan_has_an_end() {
    for family in FAMILIES {
        for from in script::states::SYNCHRONIZED {
            for window in [0, 65_535] {
                for data in [0, 5000] {
                    let mut s = listening(family, config());
                    s.open_passive(None);
                    s.write(&bytes(data));
                    s.take();
                    s.send(seg().seq(1).ack(1).win(window));
                    let fin = i32::try_from(data).unwrap() + 1;
                    match from {
                        State::FinWait1 => s.shut_down(),
                        State::FinWait2 => {
                            s.shut_down();
                            s.send(seg().seq(1).ack(fin + 1).win(window));
                        }
                        State::CloseWait => s.send(seg().seq(1).ack(1).fin().win(window)),
                        State::Closing => {
                            s.shut_down();
                            s.send(seg().seq(1).ack(1).fin().win(window));
                        }
                        State::LastAck => {
                            s.send(seg().seq(1).ack(1).fin().win(window));
                            s.shut_down();
                        }
                        _ => {}
                    }
                    s.release();
                    let after = s.flow_state();
                    assert!(!matches!(after, State::Established | State::CloseWait), "{from}: {after}");
                    let began = s.now;
                    while s.flow_state() != State::Closed {
                        assert!(s.next_timer().is_some(), "{from} {window} {data}: no timer");
                        assert!(s.now.since(began) < secs(400), "{from} {window} {data}");
                    }
                    s.receipts();
                    s.take();
                    s.finish_all();
                }
            }
        }
    }
}

/// OR-2: a black hole; and the receipt is in the ring, the word about the tuple after it.
#[test]
fn or_2_patience_of_an_orphan() {
    for family in FAMILIES {
        for from in [State::FinWait1, State::Closing, State::LastAck] {
            let mut s = listening(family, config());
            s.open_passive(None);
            s = s.into_state(from);
            s.release();
            let began = s.now;
            while s.flow_state() != State::Closed {
                s.next_timer().expect("INV-18");
            }
            let sent = s.take();
            let (resets, again): (Vec<_>, Vec<_>) = sent.iter().partition(|seen| is_rst(seen));
            assert_eq!(resets.len(), 1, "{from}");
            assert!((8..=12).contains(&again.len()), "{from}: {}", again.len());
            let patience = s.now.since(began);
            assert!(patience >= secs(100) && patience <= secs(200), "{from}: {patience:?}");
            assert_eq!(s.only_receipt().ending, timed_out(Phase::Retransmission, from));
            s.finish_all();
        }
    }
}

/// OR-1, OR-2: one is an orphan since the first call that leaves it to itself. More calls, of whatever kind, give it no
/// more time.
#[test]
fn or_2_or_1_further_calls_begin_no_patience_anew() {
    let patience = |calls: &dyn Fn(&mut Script)| {
        let mut s = listening(Family::V4, config());
        s.open_passive(None);
        s = s.into_state(State::FinWait1);
        let handle = s.handle.expect("it is open");
        s.stack.close(s.now, handle);
        s.poll();
        let began = s.now;
        while s.flow_state() != State::Closed {
            calls(&mut s);
            s.next_timer().expect("INV-18");
        }
        s.take();
        s.now.since(began)
    };
    let budget = DrainBudget { bytes: 1000, time: secs(500) };
    let once = patience(&|_| {});
    let refusing = |s: &mut Script| s.stack.shut_down_read(s.now, s.handle.unwrap(), Unwanted::Refuse);
    assert_eq!(patience(&refusing), once);
    assert_eq!(patience(&|s| s.stack.shut_down_read(s.now, s.handle.unwrap(), Unwanted::Discard)), once);
    assert_eq!(patience(&|s| s.stack.close_drain(s.now, s.handle.unwrap(), budget)), once);
    assert_eq!(patience(&|s| s.stack.close(s.now, s.handle.unwrap())), once);
}

/// OR-1: a drain that comes after a close lasts no longer than the orphan would have.
#[test]
fn or_1_a_later_drain_begins_no_time_anew() {
    let mut s = listening(Family::V4, Config { orphan_time: secs(50), ..config() });
    s.open_passive(None);
    s = s.into_state(State::FinWait1);
    let (handle, began) = (s.handle.expect("it is open"), s.now);
    s.stack.close(s.now, handle);
    s.advance(secs(30));
    s.stack.close_drain(s.now, handle, DrainBudget { bytes: 1000, time: secs(500) });
    while s.flow_state() != State::Closed {
        s.next_timer().expect("INV-18");
    }
    assert_eq!(s.now.since(began), secs(50));
}

/// HC-6, TO-9: dropped in FIN-WAIT-2.
#[test]
fn hc_6_to_9_an_orphan_in_fin_wait_2() {
    for family in FAMILIES {
        let mut s = listening(family, config());
        s.open_passive(None);
        s = s.into_state(State::FinWait2);
        s.advance(secs(1000));
        assert_eq!(s.state(), State::FinWait2, "TO-8");
        s.release();
        s.receipts();
        let left = s.stack.leftover();
        assert_eq!((left.abandoned, left.connections, left.bytes, left.timers), (1, 0, 0, 0));
        s.advance(secs(60) - ms(1));
        assert_eq!(s.flow_state(), State::FinWait2);
        s.advance(ms(1));
        assert_eq!(s.flow_state(), State::Closed);
        s.expect_nothing();
        let receipt = s.only_receipt();
        assert_eq!(receipt.ending, timed_out(Phase::FinWait2Orphan, State::FinWait2));
        assert!(!receipt.reset_sent);
        // RS-7: what comes later is answered beyond the budget of strangers.
        s.stack.reconfigure(|config| config.stray_resets = 0);
        s.send(seg().seq(1).ack(2).fin());
        s.expect_only(seg().seq(2).rst());
        s.advance(secs(60));
        assert_eq!(s.released(), [Released::QuarantineExpired]);
        s.finish_all();
    }
}

/// TO-9: counted from the later of orphaning and entry.
#[test]
fn to_9_from_the_later_moment() {
    let mut s = listening(Family::V4, config());
    s.open_passive(None);
    s.release();
    s.advance(secs(20));
    s.send(seg().seq(1).ack(2));
    s.take();
    s.advance(secs(60) - ms(1));
    assert_eq!(s.flow_state(), State::FinWait2);
    s.advance(ms(1));
    assert_eq!(s.flow_state(), State::Closed);
    s.finish_all();
}

/// Closed at 0 with the handle kept, released at 50; another is orphaned at 30, if `other`. When the first ends.
fn closed_then_released(other: bool) -> Duration {
    let mut s = listening(Family::V4, config());
    open(&mut s, 2000);
    s.close();
    s.send(seg().seq(1).ack(2));
    s.take();
    let (first, began) = (s.handle.take().unwrap(), s.now);
    s.advance(secs(30));
    if other {
        open(&mut s, 2001);
        s.release();
        s.send(seg().seq(1).ack(2));
        s.take();
    }
    s.advance(secs(20));
    s.stack.release(s.now, first);
    while state(&mut s, 2000) == State::FinWait2 {
        s.advance(ms(500));
    }
    let ended = s.now.since(began);
    if other {
        assert_eq!(state(&mut s, 2001) == State::FinWait2, ended < secs(90), "the other ends at its time");
    }
    s.finish_all();
    ended
}

/// TO-9: records end each at its own time, whatever else there is.
#[test]
fn to_9_records_end_at_their_own_time() {
    assert_eq!(closed_then_released(true), closed_then_released(false));
}

/// OR-4: with an ACK still to send when the handle goes, it becomes a record a moment later.
#[test]
fn or_4_an_owed_ack_does_not_keep_the_whole_connection() {
    for family in FAMILIES {
        let mut s = listening(family, config());
        s.open_passive(None);
        s.shut_down();
        s.send(seg().seq(1).ack(2));
        for i in 0..40 {
            s.send(seg().seq(1 + i).ack(2).data(b"x"));
        }
        assert_eq!(s.read_all().0.len(), 40);
        s.take();
        s.inject(&seg().seq(41).ack(2).data(b"y"));
        let mut one = [0];
        assert_eq!(s.stack.read(s.now, s.id(), &mut one), Ok(1));
        s.release();
        s.advance(secs(1));
        assert!(s.take().last().is_none_or(|seen| seen.ack == Some(42)));
        let left = s.stack.leftover();
        assert_eq!((left.abandoned, left.connections), (1, 0), "{left:?}");
        s.finish_all();
    }
}

/// OR-4: bytes that were thrown away stay in the receipt, record or not.
#[test]
fn or_4_the_receipt_of_a_record_knows_what_was_discarded() {
    let mut s = listening(Family::V4, config());
    s.open_passive(None);
    s.stack.shut_down_read(s.now, s.id(), Unwanted::Discard);
    s.poll();
    s.send(seg().seq(1).ack(1).data(&bytes(100)));
    s.advance(ms(100));
    s.release();
    s.take();
    if s.flow_state() == State::FinWait1 {
        s.send(seg().seq(101).ack(2));
        s.send(seg().seq(101).ack(2).fin());
    }
    let receipt = s.only_receipt();
    assert_eq!((receipt.received, receipt.discarded, receipt.unread), (100, 100, 0), "{receipt:?}");
    s.finish_all();
}

/// OR-3 by count, at limit - 1, limit, limit + 1 and ten times the limit.
#[test]
fn or_3_by_count() {
    for family in FAMILIES {
        for (n, shed) in [(9, 0), (10, 0), (11, 1), (100, 90)] {
            let mut s = listening(family, Config { max_orphans: 10, ..config() });
            for i in 0..n {
                orphan(&mut s, 2000 + i, 1000);
                assert!(s.stack.leftover().orphans <= 10);
            }
            assert_eq!(s.stats().orphans_shed, shed, "{n}");
            assert_eq!(s.stack.endings().by_name("aborted-orphan-limit"), shed);
            assert!(s.receipts().iter().all(|receipt| receipt.reset_sent), "OR-3: abort (RST)");
            s.finish_all();
        }
    }
}

/// OR-3 by bytes.
#[test]
fn or_3_by_bytes() {
    for (n, shed) in [(9, 0), (10, 0), (11, 1), (100, 90)] {
        let mut s = listening(Family::V4, Config { orphan_bytes: 10_000, ..config() });
        for i in 0..n {
            orphan(&mut s, 2000 + i, 1000);
            assert!(s.stack.leftover().bytes <= 10_000);
        }
        assert_eq!((s.stats().orphans_shed, s.stack.leftover().bytes), (shed, 1000 * u64::from(n.min(10))), "{n}");
        s.finish_all();
    }
}

/// OR-3: bytes that were acknowledged hold no place any more.
#[test]
fn or_3_what_was_acknowledged_does_not_count() {
    let mut s = listening(Family::V4, Config { orphan_bytes: 20_000, ..config() });
    for i in 0..10 {
        orphan(&mut s, 2000 + i, 2000);
        s.send(seg().seq(1).ack(1 + 900));
        s.take();
    }
    assert_eq!(s.stack.leftover().bytes, 11_000);
    for i in 0..4 {
        orphan(&mut s, 3000 + i, 2000);
    }
    assert_eq!((s.stack.leftover().bytes, s.stats().orphans_shed), (19_000, 0), "19,000 of 20,000 bytes are held");
    s.finish_all();
}

/// OR-3: the stalled first, then the largest, then the oldest. A good client is unaffected.
#[test]
fn or_3_the_worst_first() {
    for family in FAMILIES {
        let mut s = listening(family, Config { max_orphans: 5, ..config() });
        let plan: [(u16, usize, bool); 5] =
            [(2000, 1000, false), (2001, 50_000, false), (2002, 1000, false), (2003, 200, true), (2004, 100, true)];
        for (port, n, stalled) in plan {
            open(&mut s, port);
            s.write(&bytes(n));
            s.take();
            if stalled {
                s.send(seg().seq(1).ack(1).win(0));
            }
            s.release();
            s.take();
            s.advance(ms(1));
        }
        for (newest, worst) in (3000..).zip([2003, 2004, 2001, 2000, 2002]) {
            assert_ne!(state(&mut s, worst), State::Closed, "{worst} goes too early");
            orphan(&mut s, newest, 1000);
            s.advance(ms(1));
            assert_eq!(state(&mut s, worst), State::Closed, "{worst} should have gone");
        }
        s.finish_all();
    }
}

/// 3.7: 10,000 peers ask, and never acknowledge again; a good client comes in between and gets all it asked for.
#[test]
fn a_3_7_netkill() {
    let limits = Config { max_orphans: 200, orphan_bytes: 4 << 20, receipts: 16, ..config() };
    let mut s = listening(Family::V4, limits);
    let mut served = 0;
    for i in 0..10_000u16 {
        orphan(&mut s, 2000 + i, 20_000);
        let left = s.stack.leftover();
        assert!(left.orphans <= 200 && left.bytes <= 4 << 20, "{left:?}");
        s.advance(ms(1));
        if i % 100 == 99 {
            open(&mut s, 50_000 + i / 100);
            s.write(&bytes(30_000));
            s.release();
            s.take();
            // It acknowledges round trip by round trip.
            let mut acked = 1;
            while s.flow_state() == State::FinWait1 && acked < 30_002 {
                s.advance(ms(5));
                acked = (acked + 10 * i32::try_from(MSS).unwrap()).min(30_002);
                s.send(seg().seq(1).ack(acked));
                s.take();
            }
            assert_eq!(s.flow_state(), State::FinWait2, "the good client at {i}");
            s.send(seg().seq(1).ack(30_002).fin());
            assert_eq!(s.flow_state(), State::TimeWait);
            s.take();
            served += 1;
        }
    }
    assert_eq!(served, 100);
    s.finish_all();
}

/// 3.8: 10,000 peers acknowledge our FIN and never send theirs.
#[test]
fn a_3_8_parked_in_fin_wait_2() {
    let limits = Config { fin_wait_2_budget: 50_000, time_wait_budget: 50_000, receipts: 16, ..config() };
    for family in FAMILIES {
        let mut s = listening(family, limits.clone());
        let mut most = 0;
        for i in 0..10_000u16 {
            open(&mut s, 2000 + i);
            s.release();
            s.send(seg().seq(1).ack(2));
            s.take();
            most = most.max(s.stack.leftover().abandoned);
            s.advance(ms(1));
        }
        assert!((50_000 / 200..=50_000 / 64).contains(&most), "{most}");
        let left = s.stack.leftover();
        assert_eq!((left.connections, left.bytes, left.orphans), (0, 0, 0));
        assert!(left.time_waits + left.quarantined <= 50_000 / 24);
        s.assert_accounts();
        s.finish_all();
    }
}

/// 3.9: the peer closes first and never acknowledges our FIN.
#[test]
fn a_3_9_parked_in_last_ack() {
    let mut s = listening(Family::V4, Config { max_orphans: 50, ..config() });
    for i in 0..500 {
        open(&mut s, 2000 + i);
        s.send(seg().seq(1).ack(1).fin());
        s.release();
        s.take();
        assert!(s.stack.leftover().orphans <= 50);
    }
    s.advance(secs(200));
    assert_eq!((s.stack.leftover().orphans, s.stack.leftover().connections), (0, 0));
    s.finish_all();
}

/// 3.11: zero window right after the handshake with much queued; then the application closes.
#[test]
fn a_3_11_sockstress() {
    let mut s = listening(Family::V4, config());
    for i in 0..200 {
        open(&mut s, 2000 + i);
        s.send(seg().seq(1).ack(1).win(0));
        let written = s.stack.write(s.now, s.id(), &bytes(1 << 20)).unwrap();
        assert!(written >= 200_000);
        s.release();
        s.take();
    }
    let began = s.now;
    while s.stack.leftover().connections > 0 {
        s.next_timer().expect("INV-18");
        let probes = s.take();
        // Every probe is answered with a closed window.
        for probe in probes.iter().filter(|seen| !is_rst(seen)) {
            assert!(probe.data.len() <= 1);
        }
    }
    assert!(s.now.since(began) <= secs(200), "{:?}", s.now.since(began));
    s.finish_all();
}

/// Answers every probe of every flow, until nothing of them lives; how long that took.
fn answer_probes(s: &mut Script, ports: &[u16]) -> Duration {
    let began = s.now;
    while s.stack.leftover().connections > 0 && s.now.since(began) < secs(3600) {
        s.advance(ms(200));
        s.take();
        for port in ports {
            s.use_port(*port);
            if s.flow_state() != State::Closed {
                s.send(seg().seq(1).ack(1).win(0));
            }
        }
    }
    s.now.since(began)
}

/// 3.11, ZW-5: probes that are answered prolong nothing.
#[test]
fn a_3_11_zw_5_answered_probes_end_too() {
    let mut s = listening(Family::V4, config());
    let ports: Vec<u16> = (2000..2020).collect();
    for port in &ports {
        open(&mut s, *port);
        s.send(seg().seq(1).ack(1).win(0));
        s.write(&bytes(100_000));
        s.release();
    }
    let took = answer_probes(&mut s, &ports);
    assert!(took <= secs(120), "{took:?}");
    assert!(s.receipts().iter().all(|receipt| receipt.ending == timed_out(Phase::ZeroWindow, State::FinWait1)));
    s.finish_all();
}

/// 3.11: with handles alive the memory budget holds all the time.
#[test]
fn a_3_11_memory_stays_within_its_budget() {
    let budget = 1 << 20;
    let mut s = listening(Family::V4, Config { memory: budget, ..config() });
    let mut handles = Vec::new();
    for i in 0..100 {
        open(&mut s, 2000 + i);
        s.send(seg().seq(1).ack(1).win(0));
        let _ = s.stack.write(s.now, s.id(), &bytes(100_000));
        s.poll();
        s.take();
        handles.push(s.handle.take().unwrap());
        let held = s.stack.leftover().bytes;
        assert!(held <= (budget + 100_000) as u64, "connection {i}: {held} bytes of {budget}");
    }
    let ended: Vec<_> = handles.iter().filter_map(|handle| s.stack.receipt(*handle)).collect();
    assert!((85..95).contains(&ended.len()), "{}", ended.len());
    assert!(ended.iter().all(|receipt| receipt.ending == aborted(Cause::MemoryPressure, State::Established)));
    for handle in handles {
        s.stack.release(s.now, handle);
    }
    s.poll();
    s.receipts();
    s.finish_all();
}

/// Memory pressure takes as many orphans as it must, and no more.
#[test]
fn a_3_11_pressure_takes_no_more_than_it_must() {
    let mut s = listening(Family::V4, Config { memory: 1_000_000, ..config() });
    for i in 0..9 {
        orphan(&mut s, 2000 + i, 100_000);
    }
    assert_eq!(s.stats().memory_shed, 0);
    open(&mut s, 3000);
    s.write(&bytes(150_000));
    assert_eq!(s.stats().memory_shed, 1, "1,050,000 bytes: one of 100,000 has to go");
    assert_eq!(s.state(), State::Established);
    assert_eq!(s.stack.leftover().orphans, 8);
    s.take();
    s.finish_all();
}

/// What an application has read holds no memory.
#[test]
fn a_3_11_what_was_read_does_not_count() {
    let mut s = listening(Family::V4, Config { memory: 300_000, ..config() });
    orphan(&mut s, 2000, 50_000);
    let mut handles = Vec::new();
    for i in 0..10 {
        open(&mut s, 3000 + i);
        for piece in 0..40 {
            s.send(seg().seq(1 + piece * 1000).ack(1).data(&bytes(1000)));
        }
        assert_eq!(s.read_all().0.len(), 40_000);
        s.take();
        handles.push(s.handle.take().unwrap());
    }
    assert_eq!((s.stack.leftover().bytes, s.stats().memory_shed), (50_000, 0), "50,000 of 300,000 are held");
    for handle in handles {
        s.stack.release(s.now, handle);
    }
    s.poll();
    s.take();
    s.finish_all();
}

/// A connection that moves is not given up, however large.
#[test]
fn a_3_11_pressure_spares_what_moves() {
    let mut s = listening(Family::V4, Config { memory: 100_000, ..config() });
    open(&mut s, 2000);
    s.write(&bytes(200_000));
    s.take();
    let mut acked = 1;
    while acked < 200_001 {
        s.advance(ms(20));
        let sent: Vec<_> = s.take();
        let end = sent.iter().map(|seen| seen.seq + i32::try_from(seen.data.len()).unwrap()).max();
        acked = end.unwrap_or(acked + 14_600).min(200_001);
        s.send(seg().seq(1).ack(acked));
    }
    assert_eq!((s.state(), s.stats().memory_shed), (State::Established, 0));
    s.take();
    s.finish_all();
}

/// 3.11: memory filled from the other side with bytes behind a hole that is never filled. Those who fill it pay, not
/// the orphan of a good client, and the budget holds. (Bytes in order that nobody reads are the application's to
/// bound.)
#[test]
fn a_3_11_memory_filled_with_holes() {
    let budget = 1 << 20;
    let mut s = listening(Family::V4, Config { memory: budget, ..config() });
    orphan(&mut s, 2000, 5000);
    let mut handles = Vec::new();
    for i in 0..40 {
        open(&mut s, 3000 + i);
        for piece in 0..40 {
            s.send(seg().seq(2 + piece * 1400).ack(1).data(&bytes(1400)));
        }
        s.take();
        handles.push(s.handle.take().unwrap());
    }
    let held = s.stack.leftover().bytes;
    assert_eq!(state(&mut s, 2000), State::FinWait1, "the innocent orphan has gone");
    assert!(held <= (budget + 60_000) as u64, "{held} bytes of {budget}");
    for handle in handles {
        s.stack.release(s.now, handle);
    }
    s.poll();
    s.take();
    s.receipts();
    s.finish_all();
}

/// 3.12: a peer that opens its window by one byte for each probe does not hold an orphan for ever.
#[test]
fn a_3_12_tiny_window_drip() {
    let mut s = listening(Family::V4, config());
    s.open_passive(None);
    s.send(seg().seq(1).ack(1).win(0));
    s.write(&bytes(100_000));
    s.release();
    let began = s.now;
    let mut acked = 1;
    while s.flow_state() != State::Closed {
        s.next_timer().expect("INV-18");
        for probe in s.take() {
            if !is_rst(&probe) && !probe.data.is_empty() {
                acked = acked.max(probe.seq + 1);
                s.send(seg().seq(1).ack(acked).win(1));
            }
        }
        assert!(s.now.since(began) <= secs(600), "10 min in all");
    }
    s.finish_all();
}

/// OR-6: everything at once: states of every kind, with and without a handle.
#[test]
fn or_6_close_all_then_abort_all() {
    for family in FAMILIES {
        let mut s = listening(family, config());
        let mut handles = Vec::new();
        for (i, state) in (0u16..).zip(script::states::SYNCHRONIZED) {
            open(&mut s, 2000 + i);
            s = s.into_state(state);
            handles.push(s.handle.take().unwrap());
        }
        orphan(&mut s, 3000, 1000);
        s.use_port(3001);
        s.send(syn_at(None, seg()));
        s.learn_iss();
        let attempt = s.stack.connect(s.now, None, (foe::peer(family), 99).into()).unwrap();
        handles.push(attempt);
        s.poll();
        s.take();
        s.stack.close_all(s.now);
        s.poll();
        assert_eq!((s.stack.leftover().listeners, s.stack.leftover().openings), (0, 0));
        assert!(!s.stack.is_drained());
        s.assert_accounts();
        s.stack.abort_all(s.now);
        s.poll();
        assert!(s.stack.is_drained());
        s.assert_accounts();
        let all = s.receipts();
        assert_eq!(all.len() as u64, s.stats().ended);
        assert!(all.iter().all(|receipt| receipt.ending != graceful(Order::PeerFirst)));
        for handle in handles {
            s.stack.release(s.now, handle);
        }
        s.listener = None;
        s.for_others = 0;
        s.take();
        s.advance(secs(400));
        assert_eq!(s.stack.leftover(), Leftover::default());
    }
}

/// OR-6: an orphan's record in FIN-WAIT-2 counts as undrained and is ended by `abort_all`.
#[test]
fn or_6_records_in_fin_wait_2_are_drained_too() {
    let mut s = listening(Family::V4, config());
    s.open_passive(None);
    s = s.into_state(State::FinWait2);
    s.release();
    s.stack.close_all(s.now);
    assert!(!s.stack.is_drained(), "the peer's FIN is still out");
    s.stack.abort_all(s.now);
    s.poll();
    let sent = s.take();
    assert!(sent.iter().all(is_rst) && sent.len() <= 1);
    assert!(s.stack.is_drained());
    assert_eq!(s.receipts().len(), 1);
    s.listener = None;
    s.finish_all();
}

/// OR-5: buffers go with the close and with the acknowledgment, whoever holds the handle.
#[test]
fn or_5_buffers_go_at_once() {
    for family in FAMILIES {
        let mut s = listening(family, config());
        s.open_passive(None);
        s.write(&bytes(30_000));
        s.send(seg().seq(1).ack(1).data(&bytes(1000)));
        assert_eq!(s.stack.leftover().bytes, 31_000);
        assert_eq!(s.read_all().0.len(), 1000);
        s.close();
        assert_eq!(s.stack.leftover().bytes, 30_000);
        while s.state() == State::FinWait1 {
            let end = |seen: &script::Seen| seen.seq + i32::try_from(seen.data.len()).unwrap();
            let fin = |seen: &script::Seen| i32::from(seen.flags.has(Flags::FIN));
            let all = s.take().iter().map(|seen| end(seen) + fin(seen)).max().expect("more");
            s.send(seg().seq(1001).ack(all));
        }
        assert_eq!((s.state(), s.stack.leftover().bytes), (State::FinWait2, 0));
        s.finish_all();
    }
}

/// A dropped handle in the middle of opening: never an orphan without an end.
#[test]
fn or_1_dropped_while_opening() {
    let mut s = Script::syn_received_active();
    s.release();
    s.send(seg().seq(1).ack(1));
    let fin = s.take();
    assert!(fin.iter().any(|seen| seen.flags.has(Flags::FIN)), "CL-4: {fin:?}");
    s.advance(secs(600));
    s.take();
    assert_eq!(s.flow_state(), State::Closed);
    assert!(matches!(s.receipts()[..], [receipt] if matches!(receipt.ending, Ending::TimedOut { .. })));
    s.finish_all();
}

/// 3.11: one step may cost thousands of others their place; making room does not begin to make room.
#[test]
fn a_3_11_thousands_give_way_to_one_step() {
    let roomy = Config { memory: 3_000_000, send_buffer: 8 << 20, max_orphans: 50_000, receipts: 16, ..config() };
    let mut s = listening(Family::V4, roomy);
    for i in 0..20_000 {
        orphan(&mut s, 2000 + i, 100);
        s.receipts();
    }
    open(&mut s, 40_000);
    assert_eq!(s.stack.leftover().orphans, 20_000);
    let (now, id) = (s.now, s.id());
    s.stack.write_chunk(now, id, bytes(2_950_000).into()).unwrap();
    let left = s.stack.leftover();
    assert!(left.orphans < 1000 && left.bytes <= 3_000_000, "{left:?}");
    assert_eq!(s.stack.stats().memory_shed, 20_000 - left.orphans as u64);
}
