//! Restarts: quiet time, and TIME-WAIT carried over (QT-1, QT-2, TW-10).

mod foe;
mod script;

use std::hash::Hasher;

use adieu_core::wire::Flags;
use adieu_core::{CarryError, Config, ConnectError, Duration, Imported, Instant, Leftover, Released, State};
use foe::{FAMILIES, Family, Random, at, is_rst, peer, secrets, syn_at, us};
use proptest::prelude::*;
use script::{START, Script, config, ms, secs, seg, stamps};
use siphasher::sip::SipHasher13;

/// The wall clock of the tests begins here.
const WALL: Duration = Duration::from_secs(1_790_000_000);

fn export(s: &mut Script) -> Vec<u8> {
    s.stack.export_time_wait(s.now, WALL)
}

fn import(s: &mut Script, later: Duration, bytes: &[u8]) -> Result<Imported, CarryError> {
    s.stack.import_time_wait(s.now, WALL + later, bytes)
}

fn taken(n: usize) -> Imported {
    Imported { taken: n, ..Imported::default() }
}

/// A process that begins with nothing, with other keys and another clock, where the first one was.
fn restarted(old: &Script, family: Family, clock: Instant) -> Script {
    let mut s = Script::over(family, config());
    s.replace_stack(config(), secrets(0x55));
    (s.iss, s.irs, s.flow, s.now) = (old.iss, old.irs, old.flow, clock);
    s
}

/// QT-1, QT-2: nothing begins and nothing is taken; what is old is reset.
#[test]
fn qt_1_quiet_time() {
    for family in FAMILIES {
        let mut s = Script::over(family, Config { quiet_time: secs(30), ..config() });
        s.listen_here();
        s.send(seg().seq(5).ack(7).data(b"old"));
        s.expect_only(seg().seq(7).rst());
        s.advance(secs(1));
        for wait in [0, 10, 18] {
            s.advance(secs(wait));
            let remote = s.flow.remote();
            assert_eq!(s.stack.connect(s.now, None, remote), Err(ConnectError::Quiet));
            s.send(syn_at(None, seg()));
            s.expect_nothing();
            s.send(seg().seq(5).ack(7).fin());
            s.expect_only(seg().seq(7).rst());
        }
        assert_eq!(s.stack.quiet_until(), START + secs(30));
        s.advance(ms(999));
        s.send(syn_at(None, seg()));
        s.expect_nothing();
        s.advance(ms(1));
        s.open_passive(None);
        let handle = s.stack.connect(s.now, None, (peer(family), 99).into()).unwrap();
        s.stack.release(s.now, handle);
        s.take();
        s.finish_all();
    }
}

/// QT-1: quiet time and records together: a SYN for a record opens nothing yet, and the record stays.
#[test]
fn qt_1_quiet_time_with_records() {
    let mut old = Script::passive_time_wait(Family::V4, config(), None);
    let bytes = export(&mut old);
    let mut s = restarted(&old, Family::V4, START);
    s.stack.reconfigure(|config| config.quiet_time = secs(30));
    assert_eq!(import(&mut s, secs(1), &bytes), Ok(taken(1)));
    s.listen_here();
    s.send(syn_at(None, seg().seq(500_000)));
    assert!(s.take().iter().all(|seen| !seen.flags.has(Flags::SYN)));
    assert_eq!(s.flow_state(), State::TimeWait);
    s.advance(secs(30));
    s.send(syn_at(None, seg().seq(600_000)));
    assert!(s.take_one().flags.has(Flags::SYN));
}

/// QT-1 (d): each ends when it would have, whatever the clocks count from.
#[test]
fn qt_1_a_restored_record_ends_when_it_would_have() {
    for family in FAMILIES {
        for stamp in [None, Some(7)] {
            for clock in [Instant::ZERO, Instant::from_secs(3), START, Instant::from_secs(5_000_000)] {
                let mut old = Script::passive_time_wait(family, config(), stamp);
                old.advance(secs(20));
                let bytes = export(&mut old);
                assert_eq!(old.flow_state(), State::TimeWait, "an export takes nothing away");
                let mut s = restarted(&old, family, clock);
                assert_eq!(import(&mut s, secs(10), &bytes), Ok(taken(1)));
                assert_eq!(s.flow_state(), State::TimeWait);
                s.advance(secs(30) - ms(1));
                assert_eq!(s.flow_state(), State::TimeWait, "{clock:?}");
                s.advance(ms(2));
                assert_eq!((s.flow_state(), s.released()), (State::Closed, vec![Released::TimeWaitExpired]));
                assert_eq!(s.stack.leftover(), Leftover::default());
                let mut late = restarted(&old, family, clock);
                let expired = Imported { expired: 1, ..Imported::default() };
                assert_eq!(import(&mut late, secs(40), &bytes), Ok(expired));
                assert_eq!(late.stack.leftover(), Leftover::default());
            }
        }
    }
}

/// QT-1: a wall clock that went back makes them stay, no longer than the whole rest.
#[test]
fn qt_1_a_wall_clock_that_goes_back() {
    let mut old = Script::passive_time_wait(Family::V4, config(), Some(7));
    old.advance(secs(20));
    let bytes = export(&mut old);
    for back in [ms(1), secs(1), secs(86_400 * 365), WALL] {
        let mut s = restarted(&old, Family::V4, Instant::from_secs(9));
        assert_eq!(s.stack.import_time_wait(s.now, WALL - back, &bytes), Ok(taken(1)));
        s.advance(secs(40) - ms(1));
        assert_eq!(s.flow_state(), State::TimeWait);
        s.advance(ms(2));
        assert_eq!(s.flow_state(), State::Closed);
    }
    let mut s = restarted(&old, Family::V4, Instant::from_secs(9));
    let expired = Imported { expired: 1, ..Imported::default() };
    assert_eq!(s.stack.import_time_wait(s.now, Duration::MAX, &bytes), Ok(expired));
}

#[test]
fn qt_1_foreign_addresses_and_living_flows_are_refused() {
    let mut old = Script::over(Family::V4, config());
    for family in FAMILIES {
        let mut one = Script::passive_time_wait(family, config(), None);
        let bytes = export(&mut one);
        assert_eq!(import(&mut old, secs(0), &bytes), Ok(taken(1)));
    }
    let bytes = export(&mut old);
    // Only one of the families is ours any more.
    for family in FAMILIES {
        let mut s = Script::over(family, config());
        s.stack.reconfigure(|config| config.addresses = vec![us(family)]);
        assert_eq!(import(&mut s, secs(1), &bytes), Ok(Imported { taken: 1, refused: 1, expired: 0 }));
        assert_eq!(s.flow_state(), State::TimeWait);
        // Twice the same: what is here is not taken again.
        assert_eq!(import(&mut s, secs(1), &bytes), Ok(Imported { taken: 0, refused: 2, expired: 0 }));
        assert_eq!(s.stack.leftover().time_waits, 1);
        s.advance(secs(61));
        assert_eq!(s.stack.leftover(), Leftover::default());
    }
    // A connection that lives is not harmed by a record of the same flow.
    let mut s = Script::over(Family::V4, config());
    s.listen_here();
    s.open_passive(None);
    assert_eq!(import(&mut s, secs(1), &bytes), Ok(Imported { taken: 1, refused: 1, expired: 0 }));
    assert_eq!(s.state(), State::Established);
    s.advance(secs(100));
    assert_eq!(s.state(), State::Established);
}

/// A budget bounds an import as it bounds everything else.
#[test]
fn qt_1_an_import_keeps_to_the_budget() {
    let mut old = many(300);
    let bytes = export(&mut old);
    let mut s = Script::over(Family::V4, config());
    s.stack.reconfigure(|config| config.time_wait_budget = 5000);
    let imported = import(&mut s, secs(1), &bytes).unwrap();
    assert!(imported.taken <= 5000 / 24 && imported.taken >= 5000 / 150, "{imported:?}");
    assert_eq!(imported.taken + imported.refused + imported.expired, 300);
    assert_eq!(s.stack.leftover().time_waits, imported.taken);
    s.advance(secs(400));
    assert_eq!(s.stack.leftover(), Leftover::default());
}

/// `n` records over both families, with and without timestamps, opened by either end, of every age.
fn many(n: u16) -> Script {
    let mut s = Script::over(Family::V4, config());
    let mut random = Random(5);
    for family in FAMILIES {
        s.stack.listen((us(family), 80).into()).unwrap();
    }
    for i in 0..n {
        let family = FAMILIES[usize::from(i % 2)];
        s.flow.local_address = us(family);
        s.flow.remote_address = peer(family);
        s.flow.remote_port = 2000 + i;
        let stamp = random.one_in(2).then(|| random.next());
        if random.one_in(2) {
            s.flow.local_port = 7000;
            s.open_active(stamp);
        } else {
            s.flow.local_port = 80;
            s.send(syn_at(stamp, seg()));
            s.learn_iss();
            s.send(at(stamp, seg().seq(1).ack(1)));
            s.listener = s.stack.poll_acceptable();
            assert!(s.accept());
        }
        s.listener = None;
        s.close_to_time_wait(stamp);
        s.release();
        s.advance(ms(u64::from(random.below(100))));
    }
    s.receipts();
    s
}

/// The restored ones behave as the originals: the same segments, the same answers, the same ends.
#[test]
fn qt_1_restored_records_behave_as_the_originals() {
    for seed in 1..150 {
        let mut random = Random(seed);
        let (family, active) = (FAMILIES[random.below(2) as usize], random.one_in(2));
        let stamp = random.one_in(2).then_some(5000);
        let mut old = if active {
            Script::active_time_wait(family, config(), stamp)
        } else {
            Script::passive_time_wait(family, config(), stamp)
        };
        if old.listener.is_some() {
            old.unlisten();
        }
        old.advance(secs(u64::from(random.below(50))));
        let bytes = export(&mut old);
        let mut new = restarted(&old, family, Instant::from_secs(u64::from(random.below(100_000))));
        let gap = secs(u64::from(random.below(5)));
        assert_eq!(import(&mut new, gap, &bytes), Ok(taken(1)));
        old.advance(gap);
        for _ in 0..10 {
            let near = |random: &mut Random| i32::try_from(random.below(6)).unwrap() - 1;
            let mut shot = seg().seq(near(&mut random)).ack(near(&mut random));
            for (flag, odds) in [(Flags::FIN, 2), (Flags::RST, 8), (Flags::SYN, 8)] {
                if random.one_in(odds) {
                    shot = shot.flag(flag);
                }
            }
            if stamp.is_some() {
                shot = shot.options(&stamps(4990 + random.below(20), 0));
            }
            let pause = ms(u64::from(600 + random.below(20_000)));
            for s in [&mut old, &mut new] {
                s.advance(pause);
                s.send(shot.clone());
            }
            let [a, b] = [&mut old, &mut new].map(|s| {
                let one = |seen: &script::Seen| (seen.seq, seen.ack, seen.flags, seen.window, seen.options);
                s.take().iter().map(one).collect::<Vec<_>>()
            });
            let clocks = a.iter().zip(&b).filter_map(|(a, b)| a.4.timestamps.zip(b.4.timestamps));
            for (a, b) in clocks {
                assert!(a.value.abs_diff(b.value) <= 1 && a.echo == b.echo, "seed {seed}: {a:?} {b:?}");
            }
            let bare = |all: &[(i32, Option<i32>, Flags, u16, _)]| -> Vec<_> {
                all.iter().map(|seen| (seen.0, seen.1, seen.2, seen.3)).collect()
            };
            assert_eq!(bare(&a), bare(&b), "seed {seed}: {shot:?}");
            assert_eq!(old.flow_state(), new.flow_state(), "seed {seed}: {shot:?}");
        }
    }
}

/// TW-3: neither does a restart lift the cap of restarts.
#[test]
fn qt_1_tw_3_a_restart_of_the_process_does_not_lift_the_cap() {
    let mut s = Script::passive_time_wait(Family::V4, config(), None);
    let mut total = Duration::ZERO;
    while s.flow_state() == State::TimeWait {
        assert!(total <= secs(300), "pinned for ever");
        s.advance(secs(10));
        total += secs(10);
        if s.flow_state() == State::TimeWait {
            s.send(seg().seq(1).ack(2).fin());
            s.take();
            let bytes = export(&mut s);
            let mut next = restarted(&s, Family::V4, Instant::from_secs(total.as_secs() * 7));
            assert_eq!(import(&mut next, secs(0), &bytes), Ok(taken(1)));
            s = next;
        }
    }
    assert!(total >= secs(180), "{total:?}");
}

/// TW-10 after an import: numbers beyond the old ones, and a clock that goes on.
#[test]
fn qt_1_tw_10_numbers_and_clock_after_a_restart() {
    for family in FAMILIES {
        for active in [false, true] {
            for clock in [Instant::ZERO, Instant::from_secs(3), Instant::from_secs(90_000_000)] {
                for evicted in [false, true] {
                    let mut old = if active {
                        Script::active_time_wait(family, config(), Some(9))
                    } else {
                        Script::passive_time_wait(family, config(), Some(9))
                    };
                    old.advance(secs(3));
                    old.send(at(Some(10), seg().seq(1).ack(2).fin()));
                    let last = old.take_one().options.timestamps.unwrap().value;
                    let bytes = export(&mut old);
                    let mut s = restarted(&old, family, clock);
                    let start = old.iss + 1;
                    s.replace_stack(config(), secrets(0x55).with_initial_seq(start));
                    assert_eq!(import(&mut s, secs(2), &bytes), Ok(taken(1)));
                    s.listen_here();
                    if evicted {
                        s.stack.reconfigure(|config| config.time_wait_budget = 0);
                        let (flow, iss) = (s.flow, s.iss);
                        s.use_port(5555);
                        s.open_passive(Some(1));
                        s.close_to_time_wait(Some(1));
                        s.release();
                        (s.flow, s.iss) = (flow, iss);
                        assert_eq!(s.flow_state(), State::Closed);
                    }
                    s.send(syn_at(Some(5000), seg().seq(500_000)));
                    let syn = s.take_one();
                    let next = syn.options.timestamps.unwrap().value.wrapping_sub(last);
                    assert!(syn.flags.has(Flags::SYN) && syn.seq >= 2 + 65_537, "{family:?} {evicted} {syn:?}");
                    // A tombstone has no room for a clock from elsewhere; such an eviction is counted as unsafe.
                    let counted = s.stats().time_wait_evicted_unsafe > 0;
                    assert!((1..100_000).contains(&next) || counted, "{family:?} {clock:?} {evicted}: clock {next}");
                    assert!(evicted || !counted);
                }
            }
        }
    }
}

/// TW-13, 1.16: ports of imported records count, until they go.
#[test]
fn qt_1_imported_records_hold_their_ports() {
    let mut old = Script::active_time_wait(Family::V4, config(), None);
    let bytes = export(&mut old);
    let mut s = restarted(&old, Family::V4, Instant::ZERO);
    assert_eq!(import(&mut s, secs(5), &bytes), Ok(taken(1)));
    let flow = s.flow;
    assert_eq!(s.stack.port_usage(flow.local_address, flow.remote()).in_use, 1);
    assert!(matches!(s.stack.connect(s.now, Some(flow.local()), flow.remote()), Err(ConnectError::InUse(_))));
    s.advance(secs(56));
    assert_eq!(s.stack.port_usage(flow.local_address, flow.remote()).in_use, 0);
    assert_eq!(s.stack.leftover(), Leftover::default());
}

/// Example 1 and QT-1's test: an old segment in the net meets the restarted process and changes nothing.
#[test]
fn qt_2_old_segments_after_a_restart_without_records() {
    for family in FAMILIES {
        let mut s = Script::over(family, config());
        s.listen_here();
        for old in [seg().seq(5001).ack(77).data(b"old"), seg().seq(9).ack(9).fin(), seg().seq(1).syn().ack(5)] {
            s.send(old);
            assert!(is_rst(&s.take_one()));
        }
        assert_eq!(s.stack.leftover().connections, 0);
        s.finish_all();
    }
}

fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let mut hash = SipHasher13::new();
    hash.write(&body);
    body.extend(hash.finish().to_le_bytes());
    body
}

/// Damaged, with a right or a wrong checksum: an error, or records that do no harm; never a panic.
#[track_caller]
fn feed(bytes: &[u8], must_fail: bool) {
    let mut s = Script::over(Family::V4, config());
    s.listen_here();
    let result = import(&mut s, secs(1), bytes);
    if must_fail {
        assert!(result.is_err(), "{result:?}");
    }
    let Ok(imported) = result else {
        assert_eq!(s.stack.leftover(), Leftover { listeners: 1, ..Leftover::default() }, "nothing was taken");
        return;
    };
    assert_eq!(s.stack.leftover().time_waits, imported.taken);
    let again = export(&mut s);
    assert!(imported.taken == 0 || again.len() > 32);
    s.send(seg().seq(1).ack(2).fin());
    s.send(syn_at(None, seg().seq(90_000)));
    s.take();
    s.unlisten();
    s.advance(secs(4000));
    s.take();
    assert_eq!(s.stack.leftover(), Leftover::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn qt_1_garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), magic in any::<bool>()) {
        let bytes = if magic { [b"adieuTW\x01".to_vec(), bytes].concat() } else { bytes };
        feed(&bytes, true);
    }

    #[test]
    fn qt_1_any_body_behind_a_right_checksum(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        feed(&sealed([b"adieuTW\x01".to_vec(), bytes].concat()), false);
    }

    #[test]
    fn qt_1_a_flipped_bit_or_a_cut(at in any::<prop::sample::Index>(), bit in 0..8u8, cut in any::<bool>()) {
        let mut bytes = export(&mut many(6));
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << bit;
        }
        feed(&bytes, true);
    }

    #[test]
    fn qt_1_a_changed_octet_behind_a_right_checksum(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let bytes = export(&mut many(6));
        let mut body = bytes[..bytes.len() - 8].to_vec();
        for (at, octet) in changes {
            let at = at.index(body.len());
            body[at] = octet;
        }
        feed(&sealed(body), false);
    }
}

/// A count of four billion over a few bytes: refused at once, without room for four billion.
#[test]
fn qt_1_absurd_counts() {
    let good = export(&mut many(3));
    let body = good[..good.len() - 8].to_vec();
    for count in [0, 1, 2, 4, 5, 1000, u32::MAX / 2, u32::MAX] {
        let mut changed = body.clone();
        changed[8..12].copy_from_slice(&count.to_le_bytes());
        feed(&sealed(changed), true);
    }
    feed(&[good.clone(), good].concat(), true);
    feed(&[], true);
}

/// A record between addresses that no connection can have would be answered without a look (RS-2).
#[test]
fn qt_1_rs_2_impossible_peers_are_refused() {
    let mut old = Script::passive_time_wait(Family::V4, config(), None);
    let bytes = export(&mut old);
    let body = bytes[..bytes.len() - 8].to_vec();
    for remote in [[0, 0, 0, 0], [255, 255, 255, 255], [224, 0, 0, 1], [10, 0, 0, 1]] {
        let mut changed = body.clone();
        let place = changed.windows(4).position(|four| four == [10, 0, 0, 2]).unwrap();
        changed[place..place + 4].copy_from_slice(&remote);
        let mut s = Script::over(Family::V4, config());
        let imported = import(&mut s, secs(1), &sealed(changed));
        assert!(imported.is_err() || imported.is_ok_and(|imported| imported.taken == 0), "{remote:?}: {imported:?}");
    }
}

/// QT-1: a stack that slept before it was suspended leaves out what is over; the next one reads the rest.
#[test]
fn qt_1_what_is_over_is_not_exported() {
    let mut s =
        adieu_core::Stack::new(config(), adieu_core::Secrets::from_bytes([5; 48]), adieu_core::wire::checksum::sum);
    let mut old = Script::over(Family::V4, config());
    old.listen_here();
    old.open_passive(None);
    old.close_to_time_wait(None);
    let late = old.now + secs(3600);
    let bytes = old.stack.export_time_wait(late, secs(1));
    assert_eq!(s.import_time_wait(Instant::ZERO, secs(1), &bytes), Ok(Imported::default()));
}
