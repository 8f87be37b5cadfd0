//! Patience that the application chooses: user timeouts, keepalive, and what it is told meanwhile (1.2.7).

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Config, Duration, Events, Keepalive, Phase, Settings, State};
use script::states::SYNCHRONIZED;
use script::{MSS, Script, bytes, config, ms, secs, seg, timed_out};

fn patient(timeout: Duration) -> Script {
    let mut s = Script::established_passive();
    s.set(|settings| settings.user_timeout = Some(timeout));
    s
}

fn kept_alive(state: State, idle: u64, interval: u64, probes: u8) -> Script {
    let mut s = Script::in_state(state);
    s.set(|settings| settings.keepalive = Some(Keepalive { idle: secs(idle), interval: secs(interval), probes }));
    s
}

/// TO-6, M21: at its instant, with one reset, and never more than one segment for each retransmission time.
#[test]
fn to_6_m21_the_user_timeout_ends_it_at_its_instant() {
    for limit in [ms(50), secs(1), secs(10), secs(300), secs(3600)] {
        let mut s = patient(limit);
        s.write(b"lost");
        s.take();
        let began = s.now;
        let mut repeats = 0;
        while s.ending().is_none() {
            s.next_timer().expect("a timer runs");
            repeats += 1;
            assert!(repeats < 80, "{limit:?}: a fast loop");
        }
        assert_eq!(s.ending(), Some(timed_out(Phase::UserTimeout, State::Established)));
        assert_eq!(s.now.since(began), limit);
        assert_eq!(s.take().iter().filter(|seen| seen.flags.has(Flags::RST)).count(), 1, "{limit:?}");
        s.finish();
    }
}

/// TO-6: measured from the first unacknowledged transmission: waiting in silence before it does not count, and what is
/// acknowledged begins the time anew.
#[test]
fn to_6_only_time_without_an_answer_counts() {
    let mut s = patient(secs(10));
    s.advance(secs(3600));
    s.write(b"a");
    s.advance(secs(9));
    s.send(seg().seq(1).ack(2));
    s.advance(secs(3600));
    assert_eq!(s.ending(), None);
    s.write(b"b");
    s.advance(ms(9_999));
    assert_eq!(s.ending(), None);
    s.advance(ms(1));
    assert_eq!(s.ending(), Some(timed_out(Phase::UserTimeout, State::Established)));
    s.take();
    s.finish();
}

/// M21: up to infinity.
#[test]
fn m21_for_ever_is_a_choice() {
    let mut s = patient(Duration::MAX);
    s.write(b"lost");
    s.advance(secs(10 * 24 * 3600));
    assert_eq!((s.state(), s.ending()), (State::Established, None));
    let sent = s.take().len();
    assert!(sent > 10_000, "still trying: {sent}");
    s.send(seg().seq(1).ack(5));
    s.finish();
}

/// TO-6, 3.27 (CVE-2024-41007): the window is retracted to nothing, and the time is over or nearly so.
#[test]
fn to_6_a_window_retracted_to_nothing_brings_no_fast_loop() {
    for limit in [ms(1), ms(300), secs(5)] {
        let mut s = patient(limit);
        s.write(&bytes(3 * MSS));
        s.send(seg().seq(1).ack(1 + 1460).win(0));
        s.take();
        let mut sent = 0;
        for _ in 0..1000 {
            s.advance(ms(10));
            sent += s.take().len();
        }
        assert!(sent <= 40, "{limit:?}: {sent} segments in ten seconds");
        s.abort();
        s.take();
    }
}

/// TO-6: in every state with something unacknowledged.
#[test]
fn to_6_in_every_state() {
    for state in [State::FinWait1, State::CloseWait, State::Closing, State::LastAck] {
        let mut s = Script::in_state(state);
        s.set(|settings| settings.user_timeout = Some(secs(7)));
        if state == State::CloseWait {
            s.write(b"lost");
        }
        s.advance(secs(7));
        assert_eq!(s.ending(), Some(timed_out(Phase::UserTimeout, state)));
        s.take();
        s.finish();
    }
}

/// TO-4, M20, S9, S10, M47: after three retransmissions, once in an episode, and again in the next one.
#[test]
fn to_4_s9_s10_m47_the_application_is_told_of_trouble() {
    let mut s = Script::established_passive();
    s.events();
    for round in 0..3 {
        s.write(b"x");
        for repeat in 1..=5 {
            s.next_timer().unwrap();
            let told = s.events().has(Events::TROUBLE);
            assert!(!told || repeat >= 3, "R1 is at least 3: told after {repeat}");
            if repeat == 5 {
                s.send(seg().seq(1).ack(2 + round));
                s.events();
            }
        }
    }
    let mut s = Script::established_passive();
    s.write(b"x");
    let mut told = 0;
    for _ in 0..12 {
        s.next_timer().unwrap();
        told += usize::from(s.events().has(Events::TROUBLE));
    }
    assert_eq!(told, 1, "once in an episode");
    s.take();
    s.finish();
}

/// S20: who does not want to know is not told.
#[test]
fn s20_reports_can_be_turned_off() {
    let mut s = Script::established_passive();
    s.set(|settings| settings.report_trouble = false);
    s.write(b"x");
    for _ in 0..14 {
        s.next_timer().unwrap();
        assert!(!s.events().has(Events::TROUBLE));
    }
    s.take();
    s.finish();
}

/// S25, M47, AP-10: a soft error is shown, and ends nothing.
#[test]
fn s25_a_soft_error_is_shown() {
    let mut s = Script::established_passive();
    s.write(b"x");
    let sent = s.take_one();
    s.events();
    s.send_raw(&adieu_core::wire::icmp::about(3, 1, 0, script::PEER.into(), &sent.packet, 28));
    assert!(s.events().has(Events::TROUBLE));
    assert_eq!((s.info().last_icmp, s.ending()), (Some((3, 1)), None));
    s.finish();
}

/// M25, Y5: nobody is asked who was not to be.
#[test]
fn m25_y5_keepalive_is_off_by_default() {
    assert_eq!(Settings::default().keepalive, None);
    for state in [State::Established, State::FinWait2, State::CloseWait] {
        let mut s = Script::in_state(state);
        s.advance(secs(60 * 24 * 3600));
        s.expect_nothing();
        assert_eq!(s.ending(), None);
    }
}

#[test]
fn m28_the_default_is_two_hours_or_more() {
    assert!(Keepalive::default().idle >= secs(2 * 3600));
    let mut s = Script::established_passive();
    s.set(|settings| settings.keepalive = Some(Keepalive::default()));
    s.advance(secs(2 * 3600 - 1));
    s.expect_nothing();
    s.advance(secs(2));
    s.expect_only(seg().ack(1));
}

/// M24, M27, S12: for one connection, with its own times, turned off and on again; SEQ = SND.NXT-1 without data.
#[test]
fn m24_m27_each_connection_has_its_own_choice() {
    for state in [State::Established, State::FinWait2, State::CloseWait] {
        for idle in [1, 30, 500] {
            let mut s = kept_alive(state, idle, 5, 9);
            let (next, expected) = (script::states::snd_nxt(state), script::states::rcv_nxt(state));
            s.advance(secs(idle) - ms(1));
            s.expect_nothing();
            s.advance(ms(1));
            s.expect_only(seg().seq(next - 1).ack(expected));
            s.send(seg().seq(expected).ack(next));
            s.set(|settings| settings.keepalive = None);
            s.advance(secs(24 * 3600));
            s.expect_nothing();
        }
    }
}

/// M26: not while something is outstanding, and not before the idle time since the last thing that came.
#[test]
fn m26_only_the_idle_are_asked() {
    let mut s = kept_alive(State::Established, 10, 5, 9);
    for n in 0..100 {
        s.advance(secs(9));
        s.send(seg().seq(1 + n).ack(1).data(b"."));
        s.advance(ms(500));
        assert!(s.take().iter().all(|seen| seen.seq == 1), "no probe");
    }
    s.write(b"outstanding");
    s.advance(secs(100));
    assert!(s.take().iter().all(|seen| seen.seq == 1 && !seen.data.is_empty()), "retransmissions, no probes");
    assert_eq!(s.ending(), None);
}

/// TO-12, M29: one missing answer is not death, nor is one less than all; then a reset.
#[test]
fn to_12_m29_all_answers_must_be_missing() {
    for state in [State::Established, State::FinWait2, State::CloseWait] {
        let mut s = kept_alive(state, 10, 2, 4);
        let (next, expected) = (script::states::snd_nxt(state), script::states::rcv_nxt(state));
        for _ in 0..20 {
            s.advance(secs(10 + 2 * 3));
            assert_eq!(s.take().len(), 4);
            s.send(seg().seq(expected).ack(next));
        }
        assert_eq!(s.ending(), None);
        s.advance(secs(10 + 2 * 4));
        let sent = s.take();
        assert_eq!(sent.len(), 5);
        assert!(sent[4].flags.has(Flags::RST) && sent[4].seq == next);
        assert_eq!(s.ending(), Some(timed_out(Phase::Keepalive, state)));
        s.finish();
    }
}

fn exchanging(config: Config, peer: u16) -> Script {
    let mut s = Script::established_with(config);
    s.set(|settings| settings.exchange_user_timeout = true);
    let [high, low] = peer.to_be_bytes();
    s.send(seg().seq(1).ack(1).options(&[28, 4, high, low]));
    s
}

/// TO-13 (RFC 5482 section 4.2): keepalive does not give up what the user timeout would still wait for; and what the
/// peer says is bounded above and below.
#[test]
fn to_13_keepalive_waits_for_the_user_timeout() {
    let mut s = exchanging(config(), 200);
    s.set(|settings| settings.keepalive = Some(Keepalive { idle: secs(5), interval: secs(1), probes: 2 }));
    s.advance(secs(199));
    assert_eq!(s.ending(), None);
    s.advance(secs(20));
    assert_eq!(s.ending(), Some(timed_out(Phase::Keepalive, State::Established)));
    for (peer, least, most) in [(1, 100, 100), (150, 150, 150), (0x8000 | 30_000, 24 * 3600, 24 * 3600)] {
        let mut s = exchanging(config(), peer);
        s.write(b"lost");
        s.advance(secs(least) - ms(1));
        assert_eq!(s.ending(), None, "{peer}");
        s.advance(secs(most - least) + ms(1));
        assert_eq!(s.ending(), Some(timed_out(Phase::UserTimeout, State::Established)), "{peer}");
    }
}

/// TO-14: a timeout below the retransmission time would never fire as it should.
#[test]
fn to_14_what_is_adopted_is_longer_than_the_retransmission_time() {
    let config = Config { user_timeout_limits: (ms(1), secs(3600)), min_rto: secs(4), ..config() };
    let mut s = exchanging(config, 1);
    let rto = s.info().rto;
    s.write(b"lost");
    s.take();
    s.advance(rto);
    assert_eq!(s.ending(), None);
    s.advance(rto * 2);
    assert_eq!(s.ending(), Some(timed_out(Phase::UserTimeout, State::Established)));
}

/// X-UTO: off by default: what the peer says is nothing then.
#[test]
fn x_uto_is_off_by_default() {
    let mut s = Script::established_passive();
    s.send(seg().seq(1).ack(1).options(&[28, 4, 0, 1]));
    s.write(b"lost");
    assert!(s.take().iter().all(|seen| seen.options.user_timeout.is_none()));
    s.advance(secs(200));
    assert_eq!(s.ending(), None);
}

/// X-UTO: 0 is reserved, never adopted.
#[test]
fn x_uto_zero_is_ignored() {
    for zero in [0, 0x8000] {
        let mut s = exchanging(config(), zero);
        s.write(b"lost");
        s.advance(secs(101));
        assert_eq!(s.ending(), None, "{zero}");
    }
}

/// X-KA: nothing is asked where both directions are closed, or somebody else already waits.
#[test]
fn x_ka_states_without_keepalive() {
    for state in SYNCHRONIZED {
        let mut s = kept_alive(state, 5, 5, 3);
        s.advance(ms(4_900));
        s.take();
        s.advance(ms(200));
        let asked = s.take().iter().any(|seen| seen.flags == Flags::ACK && seen.data.is_empty());
        let idle = matches!(state, State::Established | State::FinWait2 | State::CloseWait);
        assert_eq!(asked, idle, "{state}");
    }
}

/// TO-6, ZW-8: the window was closed for longer than the user timeout, each probe was answered. That it opens is no
/// reason to give up: what goes out now has all the time there is. An orphan whose time is over is over before.
#[test]
fn zw_8_an_opening_window_ends_nothing() {
    for orphan in [false, true] {
        let mut s = Script::syn_received(config());
        s.send(seg().seq(1).ack(1).win(0));
        assert!(s.accept());
        s.set(|settings| settings.user_timeout = Some(secs(1)));
        s.write(b"first");
        s.advance(ms(1));
        s.send(seg().seq(1).ack(1).win(1));
        s.take();
        s.send(seg().seq(1).ack(2).win(0));
        if orphan {
            s.release();
        }
        s.take();
        for _ in 0..200 {
            s.advance(ms(10));
            for _ in s.take() {
                s.send(seg().seq(1).ack(2).win(0));
            }
        }
        let over = s.flow_state() == State::Closed;
        s.send(seg().seq(1).ack(2).win(1));
        s.take();
        let now = s.flow_state() == State::Closed;
        assert_eq!(now, over, "given up when the window opens; orphan: {orphan}");
    }
}
