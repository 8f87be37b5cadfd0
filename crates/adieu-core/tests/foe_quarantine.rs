//! After a reset of ours: AB-5, AB-7; after an attempt given up: EO-2; strangers: RS-7 and attack 3.20.

mod foe;
mod script;

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use adieu_core::wire::Flags;
use adieu_core::{Config, ConnectError, Instant, Released, State};
use foe::{FAMILIES, Family, Random, at, is_rst, syn_at};
use script::{Script, Seen, bytes, config, ms, secs, seg};

/// A connection that we have given up; the handle is gone.
fn aborted(family: Family, config: Config, stamp: Option<u32>) -> Script {
    let mut s = Script::over(family, config);
    s.listen_here();
    s.open_passive(stamp);
    s.abort();
    assert!(is_rst(&s.take_one()));
    s.release();
    s.receipts();
    s
}

#[test]
fn ab_5_everything_but_a_reset_is_answered_like_in_closed() {
    let cases = [
        (seg().seq(1).ack(1), seg().seq(1).rst()),
        (seg().seq(1).ack(1).data(b"data"), seg().seq(1).rst()),
        (seg().seq(1).ack(1).fin(), seg().seq(1).rst()),
        (seg().seq(1).ack(-70_000).fin(), seg().seq(-70_000).rst()),
        (seg().seq(900_000).ack(77).fin().data(b"x"), seg().seq(77).rst()),
        (seg().seq(0).syn().ack(1), seg().seq(1).rst()),
    ];
    for family in FAMILIES {
        for (case, answer) in &cases {
            let mut s = aborted(family, config(), None);
            s.advance(secs(3));
            s.send(case.clone());
            s.expect_only(answer.clone().win(0));
            assert_eq!((s.flow_state(), s.stack.leftover().quarantined), (State::Closed, 1));
            s.finish_all();
        }
        // Without an ACK: <SEQ=0><ACK=SEG.END><RST,ACK>.
        for (case, end) in [(seg().seq(5).data(b"abc"), 8), (seg().seq(5).fin(), 6), (seg().seq(5), 5)] {
            let mut s = aborted(family, config(), None);
            s.send(case);
            let reset = s.take_one();
            assert_eq!((reset.raw.0.0, reset.ack), (0, Some(end)));
            assert_eq!(reset.flags, Flags::RST.with(Flags::ACK));
            s.finish_all();
        }
        for reset in [seg().seq(1).rst(), seg().seq(1).ack(1).rst(), seg().seq(9).rst().fin(), seg().rst().syn()] {
            let mut s = aborted(family, config(), None);
            s.send(reset);
            s.expect_nothing();
            s.finish_all();
        }
    }
}

/// RS-6: with the trigger's clock.
#[test]
fn ab_5_rs_6_the_answer_echoes_the_clock() {
    let mut s = aborted(Family::V4, config(), Some(123));
    s.send(at(Some(4567), seg().seq(1).ack(1).data(b"data")));
    let reset = s.take_one();
    let stamps = reset.options.timestamps.expect("timestamps");
    assert_eq!((stamps.value, stamps.echo), (0, 4567));
    s.finish_all();
}

#[test]
fn ab_5_a_syn_without_a_listener_is_refused() {
    for family in FAMILIES {
        let mut s = aborted(family, config(), None);
        s.unlisten();
        s.send(syn_at(None, seg().seq(70_000)));
        let reset = s.take_one();
        assert_eq!((reset.raw.0.0, reset.ack, reset.flags), (0, Some(70_001), Flags::RST.with(Flags::ACK)));
        s.finish_all();
    }
}

#[test]
fn ab_7_rs_7_four_answers_a_second() {
    for family in FAMILIES {
        let mut s = aborted(family, config(), None);
        for _ in 0..100 {
            s.send(seg().seq(1).ack(1).data(b"data"));
        }
        assert_eq!(s.take().len(), 4, "at one instant");
        for _ in 0..1000 {
            s.advance(ms(10));
            s.send(seg().seq(1).ack(1).data(b"data"));
        }
        let replies = s.take().len();
        assert!((40..=44).contains(&replies), "{replies} in 10 s");
        // One in a quarter of a second is answered every time.
        for _ in 0..40 {
            s.advance(ms(250));
            s.send(seg().seq(1).ack(1).data(b"data"));
            assert_eq!(s.take().len(), 1);
        }
        assert_eq!(s.stats().quarantine_resets, 4 + u64::try_from(replies).unwrap() + 40);
        s.finish_all();
    }
}

/// RS-7: when strangers of the same network have used up everything, a known dead flow is still answered.
#[test]
fn ab_5_rs_7_beyond_the_budget_of_strangers() {
    for family in FAMILIES {
        for budget in [0, 1, 2] {
            let mut s = aborted(family, Config { stray_resets: budget, ..config() }, None);
            let flow = s.flow;
            for port in 9000..9100 {
                s.use_port(port);
                s.send(seg().seq(1).ack(1).data(b"stray"));
            }
            assert!(s.take().len() <= budget as usize);
            s.flow = flow;
            s.send(seg().seq(1).ack(1).data(b"data"));
            s.expect_only(seg().seq(1).rst());
            s.finish_all();
        }
    }
}

#[test]
fn ab_5_a_new_syn_opens_as_usual() {
    for family in FAMILIES {
        for place in [0, 1, 2, 500_000, -500_000] {
            let mut s = aborted(family, config(), None);
            s.advance(ms(1));
            s.send(syn_at(None, seg().seq(place)));
            let syn_ack = s.take_one();
            assert_eq!((syn_ack.flags, syn_ack.ack), (Flags::SYN.with(Flags::ACK), Some(place + 1)), "{place}");
            s.iss = syn_ack.raw.0;
            s.send(seg().seq(place + 1).ack(1).data(b"hello"));
            assert!(s.accept());
            assert_eq!(s.read(10), Ok(b"hello".to_vec()));
            s.advance(secs(120));
            assert_eq!(s.state(), State::Established, "the quarantine has no hold on it");
            s.finish_all();
        }
    }
}

#[test]
fn ab_5_a_local_open_is_refused_but_by_the_rules() {
    for family in FAMILIES {
        let mut s = aborted(family, config(), None);
        s.unlisten();
        let flow = s.flow;
        for _ in 0..5 {
            let again = s.stack.connect(s.now, Some(flow.local()), flow.remote());
            assert!(matches!(again, Err(ConnectError::InUse(_))), "{again:?}");
            s.advance(secs(11));
        }
        s.advance(secs(6));
        s.handle = Some(s.stack.connect(s.now, Some(flow.local()), flow.remote()).expect("it has expired"));
        s.poll();
        s.take();
        s.finish_all();
        // Another local port is taken by itself.
        let narrow = Config { ephemeral_ports: (80, 81), ..config() };
        let mut s = aborted(family, narrow, None);
        s.unlisten();
        let handle = s.stack.connect(s.now, None, flow.remote()).unwrap();
        assert_eq!(s.stack.flow(handle).unwrap().local_port, 81);
        assert!(matches!(s.stack.connect(s.now, None, flow.remote()), Err(ConnectError::NoPort(_))));
    }
}

#[test]
fn ab_5_quarantine_expires_after_two_msl() {
    for family in FAMILIES {
        let mut s = aborted(family, config(), None);
        assert_eq!(s.stack.leftover().quarantined, 1);
        s.advance(secs(60) - ms(1));
        assert_eq!((s.stack.leftover().quarantined, s.released()), (1, vec![]));
        s.advance(ms(1));
        assert_eq!((s.stack.leftover().quarantined, s.stack.leftover().flows), (0, 0));
        assert_eq!(s.released(), [Released::QuarantineExpired]);
        assert_eq!(s.stack.poll_timeout(), Instant::NEVER);
        s.finish_all();
    }
}

/// Nothing that comes keeps a quarantine alive.
#[test]
fn ab_5_nothing_pins_a_quarantine() {
    let mut s = aborted(Family::V4, config(), None);
    for i in 0..600 {
        s.send(if i % 2 == 0 { seg().seq(1).ack(1).fin() } else { seg().seq(1).ack(1).data(b"data") });
        s.advance(ms(100));
    }
    assert_eq!(s.stack.leftover().quarantined, 0);
    s.take();
    s.finish_all();
}

/// AB-5, TW-9: a new SYN in quarantine that comes to nothing leaves the stack whole.
#[test]
fn ab_5_a_false_start_in_quarantine() {
    let mut s = aborted(Family::V4, config(), None);
    for i in 0..50 {
        s.send(syn_at(None, seg().seq(1000 * i)));
        assert!(s.take_one().flags.has(Flags::SYN), "{i}");
        s.send(seg().seq(1000 * i + 1).rst());
        s.expect_nothing();
        assert_eq!(s.stack.leftover().flows, s.stack.leftover().quarantined);
        s.advance(ms(100));
    }
    s.finish_all();
}

/// A peer in a network: what it has got, and when it dies.
struct Peer {
    next: i32,
    early: Vec<Seen>,
    dead: Option<Instant>,
    challenges: VecDeque<Instant>,
    last_new: Instant,
}

impl Peer {
    /// RFC 5961 by the letter; what it answers.
    fn receive(&mut self, seen: Seen, now: Instant, window: i32) -> Option<script::Seg> {
        let place = seen.seq.wrapping_sub(self.next);
        if is_rst(&seen) {
            if place == 0 {
                self.dead = Some(now);
                return None;
            }
            if !(0..window).contains(&place) {
                return None;
            }
            while self.challenges.front().is_some_and(|first| now.since(*first) > secs(5)) {
                self.challenges.pop_front();
            }
            if self.challenges.len() >= 10 {
                return None;
            }
            self.challenges.push_back(now);
            return Some(seg().seq(1).ack(self.next));
        }
        if !seen.data.is_empty() {
            self.early.push(seen);
            while let Some(fits) = self.early.iter().position(|early| early.seq == self.next) {
                let early = self.early.remove(fits);
                self.next += i32::try_from(early.data.len()).unwrap();
                self.last_new = now;
            }
            return Some(seg().seq(1).ack(self.next));
        }
        None
    }
}

/// What a delayed packet is.
enum Flight {
    ToPeer(Seen),
    ToUs(script::Seg),
}

/// AB-7, L3: data in flight, some of it lost or late, the first reset lost or late; the peer ends within one round trip
/// after the last octet that reaches it, or when it speaks next.
fn abort_with_data_in_flight(family: Family, seed: u64) {
    let mut random = Random(seed * 2 + 1);
    let mut s = Script::over(family, config());
    s.listen_here();
    s.open_passive(None);
    s.write(&bytes(9000));
    s.abort();
    s.release();
    let mut peer = Peer { next: 1, early: Vec::new(), dead: None, challenges: VecDeque::new(), last_new: s.now };
    let mut air: Vec<(Instant, Flight)> = Vec::new();
    let mut sent = s.take();
    let began = s.now;
    // A peer that still holds the connection speaks once in a while (keepalive or data of its own).
    let mut speaks = began + secs(3);
    while peer.dead.is_none() {
        for seen in sent.drain(..) {
            if !random.one_in(4) {
                let delay = ms(u64::from(10 + random.below(190)));
                air.push((s.now + delay, Flight::ToPeer(seen)));
            }
        }
        air.sort_by_key(|(at, _)| *at);
        let next = air.first().map_or(speaks, |(at, _)| (*at).min(speaks));
        s.advance(next.since(s.now));
        sent.extend(s.take());
        let answer = if next == speaks {
            speaks = s.now + secs(3);
            Some(seg().seq(1).ack(peer.next).data(b"hello?"))
        } else {
            match air.remove(0).1 {
                Flight::ToPeer(seen) => peer.receive(seen, s.now, 60_000),
                Flight::ToUs(segment) => {
                    s.send(segment);
                    None
                }
            }
        };
        sent.extend(s.take());
        if let Some(answer) = answer.filter(|_| !random.one_in(5)) {
            air.push((s.now + ms(u64::from(10 + random.below(90))), Flight::ToUs(answer)));
        }
        assert!(s.now.since(began) < secs(40), "seed {seed}: the peer never hears of it");
    }
    // With one in four lost, a few of its own attempts, three seconds apart, may be lost, too.
    assert!(peer.dead.unwrap().since(peer.last_new) <= secs(3 * 10), "seed {seed}");
    s.take();
    s.finish_all();
}

#[test]
fn ab_7_a_peer_with_data_in_flight_ends_within_the_bound() {
    for seed in 1..150 {
        abort_with_data_in_flight(FAMILIES[usize::try_from(seed % 2).unwrap()], seed);
    }
}

/// AB-7: without loss of what the peer says, one round trip after the last octet.
#[test]
fn ab_7_one_round_trip_after_the_last_octet() {
    let mut s = Script::over(Family::V4, config());
    s.listen_here();
    s.open_passive(None);
    s.write(&bytes(4 * 1460));
    let data = s.take();
    s.abort();
    let reset = s.take_one();
    s.release();
    let end = 1 + 4 * 1460;
    assert_eq!(reset.seq, end);
    // The reset overtakes everything: a challenge, whose answer is exact now, and left of the window when it arrives.
    s.send(seg().seq(1).ack(1));
    s.expect_only(seg().seq(1).rst());
    for (i, seen) in data.iter().enumerate() {
        s.advance(ms(5));
        let next = seen.seq + i32::try_from(seen.data.len()).unwrap();
        s.send(seg().seq(1).ack(next));
        let replies = s.take();
        if i < 3 {
            assert_eq!(replies.len(), 1, "{i}");
            assert_eq!(replies[0].seq, next);
        }
    }
    // Five in one instant are beyond four a second; what the peer says a moment later is answered.
    s.advance(ms(250));
    s.send(seg().seq(1).ack(end));
    s.expect_only(seg().seq(end).rst());
    s.finish_all();
}

#[test]
fn eo_2_an_attempt_given_up_is_kept_aside_for_one_timeout() {
    type Way = fn(&mut Script);
    let ways: [Way; 3] = [|s| s.close(), |s| s.abort(), |s| s.release()];
    for family in FAMILIES {
        for way in ways {
            let mut s = Script::over(family, config());
            s.flow.local_port = 9000;
            let flow = s.flow;
            s.handle = Some(s.stack.connect(s.now, Some(flow.local()), flow.remote()).unwrap());
            s.poll();
            s.learn_iss();
            way(&mut s);
            s.expect_nothing();
            let usage = s.stack.port_usage(flow.local_address, flow.remote());
            assert!(usage.in_use <= 1);
            let other = s.stack.connect(s.now, Some(flow.local()), (flow.remote_address, 4001).into());
            s.stack.release(s.now, other.expect("the port is free towards others at once"));
            assert_eq!(s.stack.leftover().quarantined, 1);
            assert!(matches!(s.stack.connect(s.now, Some(flow.local()), flow.remote()), Err(ConnectError::InUse(_))));
            s.advance(ms(300));
            s.send(syn_at(None, seg().ack(1)));
            s.expect_only(seg().seq(1).rst());
            s.advance(ms(699));
            assert_eq!(s.stack.leftover().quarantined, 1);
            s.advance(ms(1));
            assert_eq!((s.stack.leftover().quarantined, s.stack.leftover().flows), (0, 0));
            assert_eq!(s.stack.port_usage(flow.local_address, flow.remote()).in_use, 0);
            let again = s.stack.connect(s.now, Some(flow.local()), flow.remote()).expect("free");
            s.stack.release(s.now, again);
            s.receipts();
            s.finish_all();
        }
    }
}

/// EO-2: a SYN that never left creates nothing at the peer.
#[test]
fn eo_2_a_syn_that_never_left_leaves_nothing() {
    let mut s = Script::over(Family::V4, config());
    let flow = s.flow;
    let handle = s.stack.connect(s.now, Some(flow.local()), flow.remote()).unwrap();
    s.stack.release(s.now, handle);
    s.poll();
    s.expect_nothing();
    assert_eq!(s.stack.leftover(), adieu_core::Leftover::default());
    assert_eq!(s.released(), [Released::Immediately]);
    s.finish_all();
}

/// A stranger's address: prefix `net`, host `host`.
fn stranger(family: Family, net: u8, host: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(198, 51, net, host).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, net.into(), u16::from(host) << 8, 0, 0, 0, host.into()).into(),
    }
}

/// Resets for `n` segments, all from one network, spread over its hosts and ports.
fn storm(s: &mut Script, family: Family, net: u8, n: u32) -> usize {
    let mut resets = 0;
    for i in 0..n {
        s.flow.remote_address = stranger(family, net, u8::try_from(1 + i % 250).unwrap());
        s.flow.remote_port = u16::try_from(1000 + i % 50_000).unwrap();
        let flood = if i % 2 == 0 { seg().seq(5).ack(5).fin() } else { seg().seq(5).ack(5).data(b"x") };
        s.send(flood);
        resets += s.take().iter().filter(|seen| is_rst(seen)).count();
    }
    resets
}

#[test]
fn rs_7_every_part_of_the_network_has_its_budget() {
    for family in FAMILIES {
        let mut s = Script::over(family, Config { stray_resets: 200, ..config() });
        let mut counts = BTreeSet::new();
        let mut starved = 0;
        for net in 0..40 {
            let resets = storm(&mut s, family, net, 600);
            assert!(resets <= 200, "{family:?} {net}: {resets}");
            // Parts of the network share budgets at random, so that nobody can count another's.
            starved += u32::from(resets < 100);
            counts.insert(resets);
        }
        assert!(starved <= 3 && counts.len() > 3, "at random: {counts:?}");
        s.advance(secs(2));
        let again = storm(&mut s, family, 0, 600);
        assert!((100..=200).contains(&again), "a new second: {again}");
        let stats = s.stats();
        assert_eq!(stats.strays_reset + stats.strays_unanswered, 41 * 600);
        assert_eq!(s.stack.leftover(), adieu_core::Leftover::default());
    }
}

/// RS-7: over ten seconds the sum stays within the budget, and it is not the same in every second.
#[test]
fn rs_7_the_budget_is_one_for_each_second() {
    let mut s = Script::over(Family::V4, Config { stray_resets: 100, ..config() });
    let mut counts = Vec::new();
    for _ in 0..10 {
        let mut resets = 0;
        for _ in 0..10 {
            resets += storm(&mut s, Family::V4, 7, 30);
            s.advance(ms(100));
        }
        counts.push(resets);
    }
    let sum: usize = counts.iter().sum();
    assert!((450..=1100).contains(&sum), "{counts:?}");
    assert!(counts.iter().collect::<BTreeSet<_>>().len() > 2, "{counts:?}");
}

#[test]
fn rs_7_no_limit_and_none_at_all() {
    for (budget, wanted) in [(u32::MAX, 3000), (0, 0)] {
        let mut s = Script::over(Family::V4, Config { stray_resets: budget, ..config() });
        assert_eq!(storm(&mut s, Family::V4, 7, 3000), wanted);
    }
    let mut s = Script::over(Family::V4, Config { stray_resets: 1, ..config() });
    assert!(storm(&mut s, Family::V4, 7, 3000) <= 1);
}

/// 3.20: a hundred thousand segments for nobody from everywhere leave nothing behind.
#[test]
fn a_3_20_a_flood_for_nobody_leaves_nothing() {
    let mut s = Script::over(Family::V4, config());
    let mut random = Random(77);
    for i in 0..100_000u32 {
        let [a, b, c, d] = random.next().to_be_bytes();
        s.flow.remote_address = Ipv4Addr::new(1 + a % 100, b, c, 1 + d % 250).into();
        s.flow.remote_port = 1 + u16::try_from(random.below(60_000)).unwrap();
        s.send(if i % 3 == 0 { seg().rst().seq(3) } else { seg().fin().ack(9) });
        assert!(s.take().len() <= 1);
        if i % 1000 == 0 {
            s.advance(ms(10));
            assert_eq!(s.stack.leftover(), adieu_core::Leftover::default());
        }
    }
}

/// AB-5, EO-8: a client that was reset may come again while the backlog is full: it gets a cookie as any other, and the
/// cookie opens, although everything else it says is reset.
#[test]
fn ab_5_a_cookie_in_quarantine() {
    for family in FAMILIES {
        let mut s = aborted(family, Config { syn_backlog: 1, ..config() }, None);
        let ours = s.flow.remote_port;
        s.use_port(9999);
        s.send(seg().syn());
        s.take();
        s.use_port(ours);
        s.send(seg().seq(70_000).syn());
        let cookie = s.take_one();
        assert_eq!((cookie.flags, cookie.ack), (Flags::SYN.with(Flags::ACK), Some(70_001)), "{family:?}");
        assert_eq!(s.stats().cookies_sent, 1);
        s.send(seg().seq(70_001).ack(cookie.seq + 2));
        assert!(s.take_one().flags.has(Flags::RST), "{family:?}: not the cookie");
        s.send(seg().seq(70_001).ack(cookie.seq + 1).data(b"again"));
        assert_eq!((s.flow_state(), s.stats().cookies_accepted), (State::Established, 1), "{family:?}");
        assert_eq!(s.stack.leftover().quarantined, 0);
        s.take();
        s.finish_all();
    }
}
