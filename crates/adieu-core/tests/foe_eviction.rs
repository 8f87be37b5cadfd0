//! More in TIME-WAIT than there is room for: TW-14, TW-10 and TW-13 by tombstone, attack 3.6.

mod foe;
mod script;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use adieu_core::wire::Flags;
use adieu_core::{Config, ConnectError, Order, Released, Seq, State};
use foe::{FAMILIES, Family, at, peer, syn_at, us};
use script::{Script, config, graceful, ms, secs, seg};

/// Records that a budget of this many bytes holds.
fn capacity(family: Family, budget: usize) -> usize {
    let mut s = with_budget(family, budget, 1 << 20);
    s.listen_here();
    let mut most = 0;
    for port in 2000..2200 {
        pass(&mut s, port, None);
        most = most.max(s.stack.leftover().time_waits);
    }
    most
}

/// Every connection of ours begins at the same number, so that only a floor can move it.
fn with_budget(family: Family, time_wait_budget: usize, tombstone_budget: usize) -> Script {
    let config = Config { time_wait_budget, tombstone_budget, ..config() };
    let mut s = Script::over(family, config.clone());
    s.replace_stack(config, foe::secrets(3).with_initial_seq(Seq(u32::MAX - 3)));
    s
}

/// A connection from this port of the peer's passes by and ends in TIME-WAIT.
fn pass(s: &mut Script, port: u16, stamp: Option<u32>) {
    s.use_port(port);
    s.open_passive(stamp);
    s.close_to_time_wait(stamp);
    assert_eq!(s.ending(), Some(graceful(Order::LocalFirst)), "a close never fails");
    s.release();
    s.receipts();
}

fn is_waiting(s: &mut Script, port: u16) -> bool {
    s.use_port(port);
    s.flow_state() == State::TimeWait
}

const BUDGET: usize = 4000;

#[test]
fn tw_14_the_budget_bounds_the_records() {
    for family in FAMILIES {
        let small = capacity(family, BUDGET);
        assert!((BUDGET / 96 / 2..=BUDGET / 16).contains(&small), "{family:?}: {small} records in {BUDGET} bytes");
        let large = capacity(family, BUDGET * 2);
        assert!((small * 2 - 2..=small * 2 + 2).contains(&large), "{small} {large}");
    }
}

/// Protected ones go first, though others are nearer to their expiry; among them the nearest expiry.
#[test]
fn tw_14_protected_and_nearest_expiry_first() {
    for family in FAMILIES {
        let room = u16::try_from(capacity(family, BUDGET)).unwrap();
        let mut s = with_budget(family, BUDGET, 1 << 20);
        s.listen_here();
        let plain = room / 2;
        let stamp = |i: u16| (i >= plain).then_some(77);
        for i in 0..room {
            pass(&mut s, 2000 + i, stamp(i));
            s.advance(ms(50));
        }
        assert_eq!(s.stats().time_wait_evicted, 0);
        let protected = room - plain;
        for i in 0..protected - 1 {
            pass(&mut s, 3000 + i, None);
            s.advance(ms(50));
            assert!(!is_waiting(&mut s, 2000 + plain + i), "{family:?}: {i} should be gone");
            assert!(is_waiting(&mut s, 2000 + plain + i + 1), "{family:?}: {i} + 1 should be there");
            assert!((0..plain).all(|j| is_waiting(&mut s, 2000 + j)), "unprotected ones stay");
        }
        assert_eq!(s.stats().time_wait_evicted, u64::from(protected - 1));
        assert_eq!(s.stats().time_wait_evicted_unsafe, 0);
        assert!(s.released().iter().all(|how| *how == Released::Evicted));
        assert_eq!(s.stack.leftover().tombstones, usize::from(protected - 1));
        // The last protected one, then the plain ones, oldest first: those count as unsafe.
        for i in 0..6 {
            pass(&mut s, 4000 + i, None);
            s.advance(ms(50));
        }
        assert_eq!(s.stats().time_wait_evicted_unsafe, 5);
        assert!((0..5).all(|j| !is_waiting(&mut s, 2000 + j)));
        assert!((5..plain).all(|j| is_waiting(&mut s, 2000 + j)));
        s.finish_all();
    }
}

/// A restart of the wait moves a record behind those that came after it.
#[test]
fn tw_14_a_restarted_record_is_not_the_nearest_to_its_expiry() {
    let room = u16::try_from(capacity(Family::V4, BUDGET)).unwrap();
    let mut s = with_budget(Family::V4, BUDGET, 1 << 20);
    s.listen_here();
    for i in 0..room {
        pass(&mut s, 2000 + i, Some(5));
        s.advance(ms(20));
    }
    s.use_port(2000);
    s.send(at(Some(5), seg().seq(1).ack(2).fin()));
    s.take();
    pass(&mut s, 3000, Some(5));
    assert!(is_waiting(&mut s, 2000) && !is_waiting(&mut s, 2001));
    s.finish_all();
}

/// Twice the limit: every close is graceful, the budget holds all the time, and all of it ends.
#[test]
fn tw_14_twice_the_limit_over_both_families_at_once() {
    let config = Config { time_wait_budget: BUDGET, tombstone_budget: 16 * 64, ..config() };
    let mut s = Script::over(Family::V4, config);
    let mut most = 0;
    for family in FAMILIES {
        s.stack.listen(SocketAddr::new(us(family), 80)).unwrap();
    }
    for i in 0..200u16 {
        let family = FAMILIES[usize::from(i % 2)];
        s.flow.local_address = us(family);
        s.flow.remote_address = peer(family);
        s.listener = None;
        s.use_port(2000 + i);
        s.send(syn_at(None, seg()));
        s.learn_iss();
        s.send(seg().seq(1).ack(1));
        s.listener = s.stack.poll_acceptable();
        assert!(s.accept());
        s.close_to_time_wait(None);
        s.release();
        s.listener = None;
        most = most.max(s.stack.leftover().time_waits);
        assert!(s.stack.leftover().tombstones <= 64);
        s.advance(ms(5));
    }
    let stats = s.stats();
    assert_eq!((stats.ended_gracefully, stats.made), (200, 200));
    assert!(most * 24 <= BUDGET, "{most}");
    assert_eq!(stats.time_wait_evicted, 200 - u64::try_from(s.stack.leftover().time_waits).unwrap());
    s.advance(secs(70));
    assert_eq!((s.stack.leftover().flows, s.stack.leftover().tombstones), (0, 0));
    let words = s.stats().released;
    assert_eq!(words.iter().sum::<u64>(), 200);
}

/// TW-10 by tombstone: a peer that comes again begins beyond the old connection, though its record is gone.
#[test]
fn tw_14_tw_10_a_tombstone_keeps_the_floor() {
    for family in FAMILIES {
        for stamp in [None, Some(77)] {
            let mut s = with_budget(family, 0, 1 << 20);
            s.listen_here();
            pass(&mut s, 2000, stamp);
            let last = s.iss;
            s.advance(secs(1));
            pass(&mut s, 2001, stamp);
            assert!(!is_waiting(&mut s, 2000) && s.stack.leftover().tombstones > 0);
            s.iss = last;
            s.advance(secs(50));
            s.send(syn_at(stamp.map(|stamp| stamp + 1000), seg().seq(500_000)));
            let syn_ack = s.take_one();
            assert!(syn_ack.flags.has(Flags::SYN) && syn_ack.seq >= 2 + 65_537, "{family:?} {stamp:?} {syn_ack:?}");
            s.send(seg().seq(500_001).rst());
            // When the old record would have expired, the floor is gone with it.
            s.advance(secs(10));
            assert!(s.stack.leftover().tombstones <= 1);
            s.send(syn_at(stamp.map(|stamp| stamp + 9000), seg().seq(700_000)));
            assert_eq!(s.take_one().seq, 0, "every connection begins at the same number here");
            s.send(seg().seq(700_001).rst());
            s.finish_all();
        }
    }
}

/// TW-10, RFC 9293 section 3.4.1: of those that come one after the other over one tombstone nothing is left, and yet
/// each begins beyond the last. A fixed floor gave all of them one number, and the stray segments of one to the next.
#[test]
fn tw_14_tw_10_over_one_tombstone_each_begins_beyond_the_last() {
    for family in FAMILIES {
        let mut s = with_budget(family, 0, 1 << 20);
        s.listen_here();
        pass(&mut s, 2000, None);
        let last = s.iss;
        pass(&mut s, 2001, None);
        assert!(!is_waiting(&mut s, 2000) && s.stack.leftover().tombstones > 0);
        s.iss = last;
        let mut numbers = Vec::new();
        for round in 1..6 {
            s.advance(secs(5));
            let syn = 500_000 * round;
            s.send(syn_at(None, seg().seq(syn)));
            numbers.push(s.take_one().seq);
            s.send(seg().seq(syn + 1).rst());
        }
        let apart: Vec<_> = numbers.windows(2).map(|pair| i64::from(pair[1]) - i64::from(pair[0])).collect();
        assert!(apart.iter().all(|apart| *apart == 5_000_000 / 4), "by a clock of 4 us: {numbers:?}");
        assert!(numbers[0] >= 2 + 65_537, "{numbers:?}");
        s.finish_all();
    }
}

/// TW-13 by tombstone: our own open has to keep away from what is not protected, and to stay beyond what is.
#[test]
fn tw_14_tw_13_a_tombstone_holds_the_fixed_port() {
    for family in FAMILIES {
        for stamp in [None, Some(77)] {
            let mut s = with_budget(family, 0, 1 << 20);
            s.open_active(stamp);
            s.close_to_time_wait(stamp);
            s.release();
            let (flow, last) = (s.flow, s.iss);
            s.flow.local_port = 81;
            s.open_active(stamp);
            s.close_to_time_wait(stamp);
            s.release();
            (s.flow, s.iss) = (flow, last);
            assert_eq!(s.flow_state(), State::Closed, "evicted");
            s.advance(secs(5));
            let again = s.stack.connect(s.now, Some(flow.local()), flow.remote());
            s.poll();
            if stamp.is_none() {
                assert!(matches!(again, Err(ConnectError::InUse(_))), "{family:?}: {again:?}");
                s.advance(secs(56));
                let again = s.stack.connect(s.now, Some(flow.local()), flow.remote());
                s.handle = Some(again.expect("the tombstone has expired"));
                s.poll();
                s.take();
            } else {
                s.handle = Some(again.expect("protected by timestamps"));
                let syn = s.take_one();
                assert!(syn.flags.has(Flags::SYN) && syn.seq >= 2 + 65_537, "{family:?}: {syn:?}");
            }
            s.finish_all();
        }
    }
}

/// TW-13: an ephemeral port whose tombstone stands is taken last, too.
#[test]
fn tw_14_tw_13_ephemeral_ports_keep_away_from_tombstones() {
    for stamp in [None, Some(77)] {
        let narrow = Config { time_wait_budget: 0, ephemeral_ports: (80, 83), ..config() };
        let mut s = Script::over(Family::V4, narrow);
        let flow = s.flow;
        for port in [80, 81] {
            s.flow.local_port = port;
            s.open_active(stamp);
            s.close_to_time_wait(stamp);
            s.release();
        }
        s.flow = flow;
        s.advance(secs(5));
        assert_eq!((s.stack.leftover().time_waits, s.stack.leftover().tombstones), (1, 1));
        let mut ports = Vec::new();
        while let Ok(handle) = s.stack.connect(s.now, None, flow.remote()) {
            ports.push(s.stack.flow(handle).unwrap().local_port);
        }
        let fresh: Vec<u16> = ports[..2].to_vec();
        assert!(fresh.contains(&82) && fresh.contains(&83), "{stamp:?}: {ports:?}");
        assert_eq!(ports.len(), if stamp.is_some() { 4 } else { 2 }, "{stamp:?}: {ports:?}");
    }
}

#[test]
fn tw_14_full_tombstones_are_counted() {
    for family in FAMILIES {
        let mut s = with_budget(family, 0, 16 * 64);
        s.listen_here();
        for i in 0..200 {
            pass(&mut s, 2000 + i, Some(77));
        }
        let stats = s.stats();
        assert_eq!(stats.time_wait_evicted, 200 - u64::try_from(s.stack.leftover().time_waits).unwrap());
        let graves = s.stack.leftover().tombstones;
        assert!((20..=64).contains(&graves), "{graves}");
        let unsafe_ones = stats.time_wait_evicted - u64::try_from(graves).unwrap();
        assert_eq!(stats.time_wait_evicted_unsafe, unsafe_ones, "{family:?}");
        s.finish_all();
    }
}

/// A timer that is over is over: as many wake-ups as there are things to do.
#[test]
fn inv_17_few_wake_ups() {
    let mut s = with_budget(Family::V4, 0, 1 << 20);
    s.listen_here();
    pass(&mut s, 2000, Some(77));
    pass(&mut s, 2001, Some(77));
    let mut wakes = 0;
    while s.next_timer().is_some() {
        wakes += 1;
        assert!(wakes < 10, "it wakes for nothing");
    }
}

/// Quarantine goes before TIME-WAIT, wherever it stands.
#[test]
fn tw_14_quarantine_goes_first() {
    for family in FAMILIES {
        let room = u16::try_from(capacity(family, BUDGET)).unwrap();
        let mut s = with_budget(family, BUDGET, 1 << 20);
        s.listen_here();
        for i in 0..room {
            if i % 4 == 3 {
                s.use_port(2000 + i);
                s.open_passive(None);
                s.abort();
                s.release();
                s.take();
            } else {
                pass(&mut s, 2000 + i, Some(77));
            }
            s.advance(ms(10));
        }
        let aside = u16::try_from(s.stack.leftover().quarantined).unwrap();
        assert!(aside >= 3, "{aside}");
        for i in 0..aside {
            pass(&mut s, 3000 + i, Some(77));
            assert_eq!(s.stack.leftover().quarantined, usize::from(aside - i - 1), "{family:?}");
        }
        assert!((0..room).filter(|i| i % 4 != 3).all(|i| is_waiting(&mut s, 2000 + i)));
        s.finish_all();
    }
}

/// A flood of aborts must not push honest records out.
#[test]
fn tw_14_aborts_do_not_evict_time_wait() {
    let room = u16::try_from(capacity(Family::V4, BUDGET)).unwrap();
    let mut s = with_budget(Family::V4, BUDGET, 1 << 20);
    s.listen_here();
    for i in 0..room {
        pass(&mut s, 2000 + i, Some(77));
    }
    for i in 0..room {
        s.use_port(3000 + i);
        s.open_passive(None);
        s.abort();
        s.release();
        s.take();
        s.receipts();
    }
    // One place is enough for all of them.
    assert!((1..room).all(|i| is_waiting(&mut s, 2000 + i)), "{:?}", s.stack.leftover());
    s.finish_all();
}

/// TW-10 by tombstone where the backlog is full: a cookie cannot begin beyond the numbers of a connection that was
/// faster than the clock of initial numbers, so there must be none.
#[test]
fn tw_14_tw_10_no_cookie_below_a_tombstone() {
    for evicted in [false, true] {
        let mut s = with_budget(Family::V4, 0, 1 << 20);
        s.listen_here();
        s.open_passive(None);
        let mut acked = 1;
        while acked < 20_000_000 {
            let _ = s.stack.write(s.now, s.id(), &script::bytes(60_000));
            s.poll();
            let end = |seen: &script::Seen| seen.seq + i32::try_from(seen.data.len()).unwrap();
            acked = s.take().iter().map(end).max().expect("data");
            s.send(seg().seq(1).ack(acked));
        }
        while s.stack.unacknowledged(s.id()) > 0 {
            let end = |seen: &script::Seen| seen.seq + i32::try_from(seen.data.len()).unwrap();
            acked = s.take().iter().map(end).max().expect("data");
            s.send(seg().seq(1).ack(acked));
        }
        s.shut_down();
        s.send(seg().seq(1).ack(acked + 1).fin());
        s.take();
        assert_eq!(s.flow_state(), State::TimeWait);
        let (old, flow) = (s.iss, s.flow);
        s.release();
        if evicted {
            pass(&mut s, 3000, None);
        }
        s.stack.reconfigure(|config| config.syn_backlog = 0);
        (s.flow, s.iss) = (flow, old);
        assert_eq!(s.flow_state() == State::TimeWait, !evicted);
        s.advance(secs(1));
        s.send(seg().seq(500_000).syn());
        let replies = s.take();
        assert!(replies.iter().all(|reply| reply.seq > acked + 65_537), "evicted {evicted}: {replies:?}");
        s.finish_all();
    }
}

/// TW-2, TO-10: each record ends at its own time, though the configuration has changed meanwhile.
#[test]
fn tw_2_a_shorter_wait_is_not_held_up_by_a_longer_one() {
    let mut s = Script::over(Family::V4, Config { time_wait: secs(240), ..config() });
    s.listen_here();
    pass(&mut s, 2000, None);
    s.use_port(2001);
    s.open_passive(None);
    s.abort();
    s.take();
    s.release();
    s.stack.reconfigure(|config| config.time_wait = secs(30));
    s.advance(secs(1));
    pass(&mut s, 2002, None);
    s.use_port(2003);
    s.open_passive(None);
    s.abort();
    s.take();
    s.release();
    s.advance(secs(30));
    assert!(is_waiting(&mut s, 2000) && !is_waiting(&mut s, 2002), "{:?}", s.stack.leftover());
    assert_eq!(s.stack.leftover().quarantined, 1);
    s.advance(secs(210));
    assert_eq!(s.stack.leftover().flows, 0);
    s.finish_all();
}

/// When a record ends whose FIN comes every ten seconds, alone or in company.
fn capped(company: bool) -> adieu_core::Duration {
    let mut s = Script::over(Family::V4, config());
    s.listen_here();
    pass(&mut s, 2000, None);
    let (iss, began) = (s.iss, s.now);
    for tick in 1.. {
        if company {
            pass(&mut s, 3000 + tick, None);
        }
        s.advance(secs(1));
        s.iss = iss;
        s.take();
        if !is_waiting(&mut s, 2000) {
            break;
        }
        if tick % 10 == 0 {
            s.send(seg().seq(1).ack(2).fin());
            s.take();
        }
        assert!(tick < 400, "pinned for ever");
    }
    let ended = s.now.since(began);
    s.take();
    s.finish_all();
    ended
}

/// TW-3, attack 3.5: the cap of restarts is the same in company.
#[test]
fn tw_3_the_cap_holds_in_company() {
    assert_eq!(capped(true), capped(false));
}

/// TW-18: a flood that comes to nothing does not push out the word about a real connection.
#[test]
fn tw_18_a_flood_does_not_push_out_words() {
    let mut s = Script::over(Family::V4, Config { receipts: 4, ..config() });
    s.listen_here();
    s.open_passive(None);
    s.send(seg().seq(1).rst());
    s.release();
    for port in 5000..5100 {
        s.use_port(port);
        s.send(syn_at(None, seg()));
    }
    s.advance(secs(100));
    s.take();
    assert_eq!(s.stats().openings_forgotten, 100);
    s.flow = Script::over(Family::V4, config()).flow;
    let words: Vec<_> = std::iter::from_fn(|| s.stack.poll_released()).collect();
    assert!(words.contains(&(s.flow, Released::Immediately)), "{words:?}");
}

/// Attack 3.6: opened and closed 2000 times a second towards one place. Never a hang, never a tuple too early, never a
/// number or a clock behind the one before.
#[test]
fn a_3_6_opened_and_closed_2000_times_a_second() {
    for (family, stamps) in [(Family::V4, true), (Family::V4, false), (Family::V6, true)] {
        let narrow = Config { ephemeral_ports: (2000, 4399), receipts: 8, ..config() };
        let mut s = Script::over(family, narrow);
        let base = s.flow;
        let mut last: BTreeMap<u16, (Seq, u32, adieu_core::Instant)> = BTreeMap::new();
        let (mut opened, mut refused, mut clock) = (0, 0, 1u32);
        for _ in 0..4000 {
            s.advance(adieu_core::Duration::from_micros(500));
            clock += 1;
            let stamp = stamps.then_some(clock);
            let Ok(handle) = s.stack.connect(s.now, None, base.remote()) else {
                refused += 1;
                continue;
            };
            opened += 1;
            s.flow = s.stack.flow(handle).unwrap();
            s.handle = Some(handle);
            s.poll();
            let syn = s.take_one();
            s.iss = syn.raw.0;
            let value = syn.options.timestamps.map_or(0, |stamps| stamps.value);
            if let Some((next, old, when)) = last.get(&s.flow.local_port) {
                assert!(stamps && s.now.since(*when) > secs(1), "too early");
                assert!(syn.raw.0.distance(*next) >= 65_537, "number");
                assert!(value.wrapping_sub(*old) < 0x7fff_ffff, "clock");
            }
            s.send(syn_at(stamp, seg().ack(1)));
            s.take();
            s.shut_down();
            s.send(at(stamp, seg().seq(1).ack(2).fin()));
            let ack = s.take().pop().unwrap();
            let value = ack.options.timestamps.map_or(0, |stamps| stamps.value);
            last.insert(s.flow.local_port, (ack.raw.0, value, s.now));
            s.release();
        }
        let usage = s.stack.port_usage(base.local_address, base.remote());
        if stamps {
            assert_eq!((refused, opened), (0, 4000), "reuse after a second");
        } else {
            assert_eq!((opened, usage.in_use, usage.all), (2400, 2400, 2400), "an error, not a hang");
        }
        s.flow = base;
        s.advance(secs(61));
        assert_eq!(s.stack.port_usage(base.local_address, base.remote()).in_use, 0);
        s.finish_all();
    }
}
