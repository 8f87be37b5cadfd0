//! Explicit congestion notification (RFC 3168; S8, X-ECN, B-ECN).

mod script;

use adieu_core::wire::Flags;
use adieu_core::wire::checksum::sum;
use adieu_core::wire::ip::{CE, ECT_0};
use adieu_core::{Algorithm, Config, Ecn, RecoveryState, Settings, State};
use script::{MSS, Script, Seen, bytes, config, ms, secs, seg};

const SETUP: Flags = Flags::ECE.with(Flags::CWR);
const ONE: i32 = 1460;

fn with(ecn: Ecn) -> Config {
    Config { ecn, quick_acks: 0, congestion: Algorithm::Reno, ..config() }
}

/// Established by a peer that has asked, and was told yes.
fn agreed(config: Config) -> Script {
    let mut s = Script::with(config, 7_000_000, script::START);
    s.listen();
    s.send(seg().syn().flag(SETUP).mss(1460));
    s.learn_iss();
    s.send(seg().seq(1).ack(1).win(65_535));
    s.expect_nothing();
    assert!(s.accept());
    assert!(s.info().ecn);
    s
}

fn flags(seen: &Seen) -> Flags {
    seen.flags.without(Flags::ACK).without(Flags::PSH)
}

/// Sends `n` full segments and takes them.
fn flight(s: &mut Script, n: usize) -> Vec<Seen> {
    s.write(&bytes(n * MSS));
    s.take()
}

/// B-ECN, X-ECN: a SYN-ACK agrees with ECE alone, where the SYN has both flags; neither is ever marked as capable.
#[test]
fn b_ecn_a_syn_ack_agrees_to_what_was_asked() {
    for ecn in [Ecn::Off, Ecn::Accept, Ecn::Ask] {
        for asks in [Flags::NONE, Flags::ECE, Flags::CWR, SETUP] {
            let mut s = Script::with(with(ecn), 7_000_000, script::START);
            s.listen();
            s.inject(&seg().syn().flag(asks));
            let packet = s.stack.poll_transmit(s.now).unwrap().to_vec();
            let (tos, bits) = (packet[1], Flags::from_bits(packet[33]));
            let yes = ecn != Ecn::Off && asks == SETUP;
            let expected = Flags::SYN.with(Flags::ACK).with(if yes { Flags::ECE } else { Flags::NONE });
            assert_eq!((bits, tos), (expected, 0), "{ecn:?} {asks:?}");
        }
    }
}

/// B-ECN, X-ECN: only who is told to asks; and a SYN-ACK with both flags comes of a host that sends back whatever it
/// does not know.
#[test]
fn b_ecn_a_syn_asks_where_it_shall_and_believes_ece_alone() {
    for ecn in [Ecn::Off, Ecn::Accept, Ecn::Ask] {
        for answer in [Flags::NONE, Flags::ECE, Flags::CWR, SETUP] {
            let mut s = Script::with(with(ecn), 7_000_000, script::START);
            s.connect();
            s.learn_iss_of(if ecn == Ecn::Ask { SETUP } else { Flags::NONE });
            s.send(seg().syn().ack(1).flag(answer).mss(1460).win(65_535));
            assert_eq!(flags(&s.take_one()), Flags::NONE);
            let yes = ecn == Ecn::Ask && answer == Flags::ECE;
            assert_eq!(s.info().ecn, yes, "{ecn:?} {answer:?}");
            s.write(b"x");
            assert_eq!(s.take_one().ecn(), if yes { ECT_0 } else { 0 }, "{ecn:?} {answer:?}");
        }
    }
}

/// X-ECN: the settings of a connection, and of a listener, go before the configuration.
#[test]
fn x_ecn_a_connection_may_choose() {
    let mut s = Script::with(with(Ecn::Off), 7_000_000, script::START);
    let settings = Settings { ecn: Some(Ecn::Ask), ..Settings::default() };
    let (local, remote) = (s.flow.local(), s.flow.remote());
    s.handle = Some(s.stack.connect_with(s.now, Some(local), remote, settings).unwrap());
    s.poll();
    s.learn_iss_of(SETUP);
    let mut s = Script::with(with(Ecn::Accept), 7_000_000, script::START);
    let settings = Settings { ecn: Some(Ecn::Off), ..Settings::default() };
    s.listener = Some(s.stack.listen_with(s.flow.local(), settings).unwrap());
    s.inject(&seg().syn().flag(SETUP));
    let packet = s.stack.poll_transmit(s.now).unwrap().to_vec();
    assert_eq!(Flags::from_bits(packet[33]), Flags::SYN.with(Flags::ACK));
}

/// X-ECN (RFC 3168 section 6.1.1.1): a SYN that is not answered goes again without, for good; then our data must not be
/// marked, whatever the answer says, but marks on the peer's data count (section 6.1.1).
#[test]
fn x_ecn_a_repeated_syn_asks_no_more() {
    for answer in [Flags::NONE, Flags::ECE] {
        let mut s = Script::with(with(Ecn::Ask), 7_000_000, script::START);
        s.connect();
        s.learn_iss_of(SETUP);
        for _ in 0..3 {
            s.next_timer();
            s.take_one().assert_is(&seg().syn());
        }
        s.send(seg().syn().ack(1).flag(answer).mss(1460).win(65_535));
        s.take();
        s.write(b"x");
        let data = s.take_one();
        assert_eq!((data.ecn(), s.info().ecn), (0, false));
        s.send(seg().seq(1).ack(2).data(b"y").ecn(CE));
        s.advance(ms(50));
        let echo = flags(&s.take_one()) == Flags::ECE;
        assert_eq!(echo, answer == Flags::ECE);
    }
}

/// X-ECN (RFC 3168 section 6.1.1): who receives a SYN that asks and then the same one that does not, does without.
#[test]
fn x_ecn_a_syn_that_comes_again_without_takes_it_back() {
    let mut s = Script::with(with(Ecn::Accept), 7_000_000, script::START);
    s.listen();
    s.send(seg().syn().flag(SETUP));
    s.learn_iss_of(Flags::ACK.with(Flags::ECE));
    s.advance(ms(200));
    s.send(seg().syn());
    assert_eq!(flags(&s.take_one()), Flags::SYN);
    s.send(seg().seq(1).ack(1).win(65_535));
    assert!(s.accept());
    s.write(b"x");
    assert_eq!((s.take_one().ecn(), s.info().ecn), (0, false));
}

/// X-ECN, M10: both SYNs ask, cross, and are answered with ECE alone.
#[test]
fn x_ecn_a_crossing_open_agrees_where_both_ask() {
    for (theirs, yes) in [(SETUP, true), (Flags::NONE, false), (Flags::ECE, false)] {
        let mut s = Script::with(with(Ecn::Ask), 7_000_000, script::START);
        s.connect();
        s.learn_iss_of(SETUP);
        s.send(seg().syn().flag(theirs).mss(1460).win(65_535));
        let answer = s.take_one();
        assert_eq!(flags(&answer), Flags::SYN.with(if yes { Flags::ECE } else { Flags::NONE }));
        let agree = if yes { Flags::ECE } else { Flags::NONE };
        s.send(seg().syn().ack(1).flag(agree).mss(1460).win(65_535));
        assert_eq!((s.state(), s.info().ecn), (State::Established, yes));
        s.take();
        s.write(b"x");
        assert_eq!(s.take_one().ecn(), if yes { ECT_0 } else { 0 });
    }
}

/// X-ECN, X-COOKIE: there is no room for it in a cookie, so the SYN-ACK of one does not agree.
#[test]
fn x_ecn_a_cookie_does_not_agree() {
    let mut s = Script::with(Config { syn_backlog: 0, ..with(Ecn::Accept) }, 7_000_000, script::START);
    s.listen();
    s.send(seg().syn().flag(SETUP).mss(1460));
    s.learn_iss_of(Flags::ACK);
    s.send(seg().seq(1).ack(1).win(65_535));
    assert!(s.accept());
    s.send(seg().seq(1).ack(1).data(b"y").ecn(CE));
    s.advance(ms(50));
    assert_eq!((flags(&s.take_one()), s.info().ecn), (Flags::NONE, false));
}

/// B-ECN, X-ECN: ECT(0) on new data, and on nothing else: neither on a resend, nor on a bare acknowledgment, a bare
/// FIN, a keepalive or a reset.
#[test]
fn b_ecn_only_new_data_may_be_marked() {
    let mut s = agreed(with(Ecn::Accept));
    assert!(flight(&mut s, 3).iter().all(|seen| seen.ecn() == ECT_0));
    s.advance(ms(1500));
    let again = s.take();
    assert!(!again.is_empty() && again.iter().all(|seen| seen.ecn() == 0 && !seen.flags.has(Flags::CWR)), "{again:?}");
    s.send(seg().seq(1).ack(1 + 3 * ONE).data(b"y"));
    s.advance(ms(50));
    assert_eq!(s.take_one().ecn(), 0, "an acknowledgment");
    s.shut_down();
    let fin = s.take_one();
    assert!(fin.flags.has(Flags::FIN) && fin.ecn() == 0);
    s.abort();
    assert!(s.take().iter().all(|seen| seen.flags.has(Flags::RST) && seen.ecn() == 0));
}

/// X-ECN: data with a FIN is data; a probe of a closed window is none (RFC 3168 section 6.1.6), and says no CWR.
#[test]
fn x_ecn_a_fin_with_data_may_be_marked_and_a_window_probe_may_not() {
    let mut s = agreed(with(Ecn::Accept));
    let mut fin = s.clone();
    fin.stack.write(fin.now, fin.id(), b"bye").unwrap();
    fin.shut_down();
    let last = fin.take_one();
    assert!(last.flags.has(Flags::FIN) && last.ecn() == ECT_0);
    s.send(seg().seq(1).ack(1).win(0));
    s.write(b"probe");
    s.expect_nothing();
    for _ in 0..3 {
        s.next_timer();
        let probe = s.take_one();
        assert_eq!((probe.data.len(), probe.ecn(), flags(&probe)), (1, 0, Flags::NONE));
        s.send(seg().seq(1).ack(1).win(0));
    }
}

/// B-ECN: the echo stands in every segment from the mark until CWR: in acknowledgments delayed over a marked segment,
/// in duplicates, on data and on the FIN. A mark on the segment with CWR begins anew.
#[test]
fn b_ecn_a_mark_is_echoed_until_the_peer_knows() {
    let mut s = agreed(with(Ecn::Accept));
    s.send(seg().seq(1).ack(1).data(b"a").ecn(CE));
    s.expect_nothing();
    s.advance(ms(50));
    assert_eq!(flags(&s.take_one()), Flags::ECE, "a delayed acknowledgment");
    s.send(seg().seq(2).ack(1).data(b"b").ecn(ECT_0));
    s.advance(ms(50));
    assert_eq!(flags(&s.take_one()), Flags::ECE);
    s.send(seg().seq(9).ack(1).data(b"z").ecn(ECT_0));
    assert_eq!(flags(&s.take_one()), Flags::ECE, "a duplicate");
    s.write(b"x");
    assert_eq!(flags(&s.take_one()), Flags::ECE, "data");
    s.send(seg().seq(3).ack(2).data(b"c").flag(Flags::CWR).ecn(CE));
    s.advance(ms(50));
    assert_eq!(flags(&s.take_one()), Flags::ECE, "a new mark");
    s.send(seg().seq(4).ack(2).data(b"d").flag(Flags::CWR).ecn(ECT_0));
    s.advance(ms(50));
    assert_eq!(flags(&s.take_one()), Flags::NONE);
    s.send(seg().seq(5).ack(2).data(b"e").ecn(CE));
    s.shut_down();
    let all = s.take();
    assert!(all.iter().all(|seen| seen.flags.has(Flags::ECE)) && all.last().unwrap().flags.has(Flags::FIN));
    assert_eq!(s.info().marks_received, 3);
}

/// B-ECN, 3.3: what lies outside the window, or carries nothing, echoes nothing and ends no echo.
#[test]
fn b_ecn_only_data_in_the_window_counts() {
    let mut s = agreed(with(Ecn::Accept));
    s.send(seg().seq(-5).ack(1).data(b"old").ecn(CE));
    s.send(seg().seq(400_000).ack(1).data(b"far").ecn(CE));
    s.send(seg().seq(1).ack(1).ecn(CE));
    s.take();
    s.send(seg().seq(1).ack(1).data(b"a").ecn(ECT_0));
    s.advance(ms(600));
    assert_eq!(flags(&s.take_one()), Flags::NONE);
    s.send(seg().seq(2).ack(1).data(b"b").ecn(CE));
    s.send(seg().seq(-5).ack(1).data(b"old").flag(Flags::CWR));
    s.send(seg().seq(3).ack(1).flag(Flags::CWR));
    s.take();
    s.send(seg().seq(3).ack(1).data(b"c").ecn(ECT_0));
    s.advance(ms(50));
    assert_eq!(flags(&s.take_one()), Flags::ECE, "none of these was new data that says CWR");
}

/// X-ECN: without an agreement marks and flags mean nothing.
#[test]
fn x_ecn_nothing_without_an_agreement() {
    let mut s = Script::established_with(with(Ecn::Ask));
    let before = s.info().congestion_window;
    let sent = flight(&mut s, 4);
    assert!(sent.iter().all(|seen| seen.ecn() == 0));
    s.send(seg().seq(1).ack(1 + 4 * ONE).flag(Flags::ECE).data(b"a").ecn(CE));
    s.advance(ms(50));
    assert_eq!(flags(&s.take_one()), Flags::NONE);
    assert!(s.info().congestion_window > before);
}

/// B-ECN: one reduction for a window of data, as for a loss; no growth by an echo; CWR on the first new data, once.
#[test]
fn b_ecn_one_cut_for_a_window() {
    let mut s = agreed(with(Ecn::Accept));
    flight(&mut s, 10);
    let ack = |n: i32| seg().seq(1).ack(1 + n * ONE).win(65_535);
    s.send(ack(2).flag(Flags::ECE));
    let info = s.info();
    assert_eq!((info.congestion_window, info.slow_start_threshold), (5 * 1460, Some(5 * 1460)));
    assert_eq!((info.recovery, info.marks_heeded), (RecoveryState::Reduced, 1));
    s.write(&bytes(20 * MSS));
    for n in 3..=5 {
        s.send(ack(n).flag(Flags::ECE));
    }
    assert_eq!(s.info().congestion_window, 5 * 1460, "neither cut nor grown");
    s.expect_nothing();
    s.send(ack(6).flag(Flags::ECE));
    let first = s.take_one();
    assert_eq!((flags(&first), first.ecn()), (Flags::CWR, ECT_0));
    s.send(ack(10).flag(Flags::ECE));
    let more = s.take();
    assert!(more.len() == 4 && more.iter().all(|seen| flags(seen) == Flags::NONE), "CWR is said once");
    assert_eq!(s.info().congestion_window, 5 * 1460, "the echo of the same window");
    s.send(ack(11));
    assert_eq!(s.info().recovery, RecoveryState::Open);
    s.take();
    s.send(ack(12).flag(Flags::ECE));
    let info = s.info();
    assert_eq!((info.marks_heeded, info.congestion_window), (2, 5 * 1460 / 2), "the next window");
}

/// B-ECN, B-CUBIC-CUT: CUBIC leaves seven tenths of the flight, and below two segments one where a mark said so.
#[test]
fn b_ecn_b_cubic_cut_an_echo_cuts_as_the_algorithm_does() {
    let mut s = agreed(Config { congestion: Algorithm::Cubic, ..with(Ecn::Accept) });
    flight(&mut s, 10);
    s.send(seg().seq(1).ack(1 + 2 * ONE).win(65_535).flag(Flags::ECE));
    let info = s.info();
    assert_eq!((info.congestion_window, info.slow_start_threshold), (7 * 1460, Some(7 * 1460)));
    for round in 0..8 {
        s.send(seg().seq(1).ack(1 + ONE * (10 + round)).win(65_535).flag(Flags::ECE));
        flight(&mut s, 1);
    }
    assert_eq!((s.info().congestion_window, s.info().slow_start_threshold), (1460, Some(2 * 1460)));
}

/// B-ECN, ZW-2: what waited after an echo, and was then sent as the probe of a closed window, goes again when it opens.
#[test]
fn b_ecn_zw_2_an_echo_before_a_closed_window_holds_nothing_for_ever() {
    let mut s = agreed(with(Ecn::Accept));
    s.write(b"1234567");
    s.take_one();
    s.send(seg().seq(1).ack(8).win(0).flag(Flags::ECE));
    s.write(b"abcdef");
    s.expect_nothing();
    for _ in 0..3 {
        s.next_timer().expect("the window is probed");
        assert_eq!(s.take_one().data, b"a");
        s.send(seg().seq(1).ack(8).win(0).flag(Flags::ECE));
    }
    let opened = s.now;
    s.send(seg().seq(1).ack(8).win(1000).flag(Flags::ECE));
    let mut arrived = s.take();
    while arrived.is_empty() && s.now.since(opened) < secs(60) {
        s.next_timer().expect("something waits");
        arrived = s.take();
    }
    let data: Vec<u8> = arrived.iter().flat_map(|seen| seen.data.clone()).collect();
    assert_eq!(data, b"abcdef", "after {:?}", s.now.since(opened));
}

/// B-ECN, INV-19: a peer says ECE in all that it sends until it hears CWR. None of that puts a retransmission off.
#[test]
fn b_ecn_inv_19_echoes_put_off_no_retransmission() {
    let mut s = agreed(with(Ecn::Accept));
    s.write(b"1234567");
    s.take_one();
    s.send(seg().seq(1).ack(8).win(1000).flag(Flags::ECE));
    s.write(b"abcdef");
    let mut sent = s.take();
    while sent.is_empty() {
        s.next_timer().expect("the window is one segment, and the timer paces");
        sent = s.take();
    }
    let left = s.now;
    for at in 0..40 {
        s.advance(ms(100));
        s.send(seg().seq(1 + at).ack(8).win(1000).flag(Flags::ECE).data(b"x"));
        if s.take().iter().any(|seen| seen.data == b"abcdef") {
            break;
        }
    }
    assert!(s.now.since(left) <= secs(2), "after {:?}", s.now.since(left));
}

/// B-ECN: a loss in the window of an echo is the same congestion, and so is an echo in the window of a loss; CWR
/// follows either, on new data, never on a resend.
#[test]
fn b_ecn_a_loss_and_a_mark_of_one_window_cut_once() {
    let ack = |n: i32| seg().seq(1).ack(1 + n * ONE).win(65_535);
    let mut s = agreed(with(Ecn::Accept));
    flight(&mut s, 10);
    s.send(ack(1).flag(Flags::ECE));
    assert_eq!(s.info().congestion_window, 5 * 1460);
    for _ in 0..3 {
        s.send(ack(1).flag(Flags::ECE));
    }
    let again = s.take_one();
    assert_eq!((again.seq, flags(&again), again.ecn()), (1 + ONE, Flags::NONE, 0), "a resend");
    assert_eq!(s.info().slow_start_threshold, Some(5 * 1460), "not once more");

    let mut s = agreed(with(Ecn::Accept));
    flight(&mut s, 10);
    for _ in 0..3 {
        s.send(ack(0));
    }
    let again = s.take_one();
    assert_eq!((again.seq, flags(&again), again.ecn()), (1, Flags::NONE, 0), "a resend");
    let cut = s.info().slow_start_threshold;
    assert_eq!(cut, Some(5 * 1460));
    s.send(ack(4).flag(Flags::ECE));
    s.send(ack(10).flag(Flags::ECE));
    s.take();
    assert_eq!((s.info().slow_start_threshold, s.info().marks_heeded), (cut, 0));
    let new = flight(&mut s, 2);
    assert_eq!([flags(&new[0]), flags(&new[1])], [Flags::CWR, Flags::NONE]);
}

/// B-ECN: after a timeout, too, new data says CWR; ssthresh is not cut twice in a window.
#[test]
fn b_ecn_a_timeout_is_told_and_cuts_no_second_time() {
    let mut s = agreed(with(Ecn::Accept));
    flight(&mut s, 10);
    s.send(seg().seq(1).ack(1 + ONE).win(65_535).flag(Flags::ECE));
    s.advance(ms(1100));
    let info = s.info();
    assert_eq!((info.slow_start_threshold, info.congestion_window), (Some(5 * 1460), 1460));
    assert!(s.take().iter().all(|seen| flags(seen) == Flags::NONE && seen.ecn() == 0));
    s.send(seg().seq(1).ack(1 + 10 * ONE).win(65_535));
    let new = flight(&mut s, 1);
    assert_eq!((flags(&new[0]), new[0].ecn()), (Flags::CWR, ECT_0));
}

/// B-ECN: where a window of one segment is too much, the next one waits for a retransmission time (RFC 3168 section
/// 6.1.2); a FIN alone does not.
#[test]
fn b_ecn_below_one_segment_the_timer_paces() {
    let mut s = agreed(with(Ecn::Accept));
    let mut at = 1;
    let mut waited = Vec::new();
    for _ in 0..12 {
        s.stack.write(s.now, s.id(), &bytes(8 * MSS)).unwrap();
        s.poll();
        let before = s.now;
        while !s.has_sent() {
            s.next_timer().expect("a timer");
        }
        waited.extend((s.now > before).then(|| s.now.since(before)));
        let sent = s.take();
        at = sent.iter().map(|seen| seen.seq + i32::try_from(seen.data.len()).unwrap()).max().expect("it goes on");
        s.now += ms(10);
        s.send(seg().seq(1).ack(at).win(65_535).flag(Flags::ECE));
    }
    assert_eq!(s.info().congestion_window, 1460);
    assert!(waited.len() >= 6 && waited.iter().all(|time| *time == s.info().rto), "{waited:?}");
    s.expect_nothing();
    // What is held goes on when the timer fires, then freely once nobody complains.
    while !s.has_sent() {
        s.next_timer().expect("a timer");
    }
    let one = s.take_one();
    assert_eq!((one.data.len(), one.ecn()), (MSS, ECT_0));
    s.send(seg().seq(1).ack(at + ONE).win(65_535));
    assert_eq!(s.take().len(), 2);
}

/// B-ECN, X-ECN: an echo that comes when all is acknowledged and the window has one segment holds no FIN back.
#[test]
fn x_ecn_a_fin_is_no_load() {
    let mut s = agreed(with(Ecn::Accept));
    flight(&mut s, 2);
    s.advance(ms(1100));
    s.take();
    assert_eq!(s.info().congestion_window, 1460);
    s.send(seg().seq(1).ack(1 + 2 * ONE).win(65_535));
    flight(&mut s, 1);
    let mut at = 1 + 3 * ONE;
    for _ in 0..3 {
        s.send(seg().seq(1).ack(at).win(65_535).flag(Flags::ECE));
        if s.info().congestion_window == 1460 {
            break;
        }
        flight(&mut s, 1);
        at += ONE;
    }
    s.take();
    s.shut_down();
    assert!(s.take_one().flags.has(Flags::FIN));
    s.send(seg().seq(1).ack(at + 1).win(65_535));
    assert_eq!(s.state(), State::FinWait2);
    s.finish();
}

/// X-ECN: TIME-WAIT has forgotten it: the acknowledgment of a repeated FIN says nothing of marks.
#[test]
fn x_ecn_is_forgotten_in_time_wait() {
    let mut s = agreed(with(Ecn::Accept));
    s.send(seg().seq(1).ack(1).data(b"a").ecn(CE));
    s.read_all();
    s.shut_down();
    assert!(s.take().iter().all(|seen| seen.flags.has(Flags::ECE)));
    s.send(seg().seq(2).ack(2).fin());
    s.take();
    assert_eq!(s.flow_state(), State::TimeWait);
    s.advance(secs(1));
    s.send(seg().seq(2).ack(2).fin());
    assert_eq!(flags(&s.take_one()), Flags::NONE);
    s.finish();
}

/// B-ECN, S27: what a device has merged counts as marked as a whole; CWR leaves in a segment of its own, and if a
/// super-segment had it, only its first piece would.
#[test]
fn b_ecn_super_segments() {
    let config = Config { super_segment: 65_535, send_buffer: 1 << 20, ..with(Ecn::Accept) };
    let mut s = agreed(config);
    s.write(&bytes(10 * MSS));
    assert_eq!(s.take_one().ecn(), ECT_0);
    s.send(seg().seq(1).ack(1 + 10 * ONE).win(65_535).flag(Flags::ECE));
    s.stack.write(s.now, s.id(), &bytes(5 * MSS)).unwrap();
    s.poll();
    let sent = s.take();
    assert_eq!(
        sent.iter().map(|seen| (seen.data.len(), flags(seen))).collect::<Vec<_>>(),
        [(MSS, Flags::CWR), (4 * MSS, Flags::NONE)]
    );
    assert!(sent.iter().all(|seen| seen.ecn() == ECT_0));
    s.send(seg().seq(1).ack(1 + 15 * ONE).win(65_535));
    s.stack.write(s.now, s.id(), &bytes(4 * MSS)).unwrap();
    let mut whole = s.stack.poll_transmit(s.now).unwrap();
    whole.head[33] |= Flags::CWR.bits();
    let pieces = whole.split(sum);
    let seen: Vec<(u8, bool)> =
        pieces.iter().map(|piece| (piece.head[1], Flags::from_bits(piece.head[33]).has(Flags::CWR))).collect();
    assert_eq!(seen, [(ECT_0, true), (ECT_0, false), (ECT_0, false), (ECT_0, false)]);
}

/// X-ECN, X-CONS (RFC 8504 section 5.12), M48: over IPv6 the bits stand in the traffic class, beside the code point.
#[test]
fn x_ecn_x_cons_over_ipv6_beside_the_code_point() {
    let mut s = Script::over_ipv6(with(Ecn::Ask));
    s.connect();
    s.learn_iss_of(SETUP);
    s.send(seg().syn().ack(1).flag(Flags::ECE).mss(1440).win(65_535));
    s.take();
    s.set(|settings| settings.dscp = 46);
    s.write(b"x");
    let data = s.take_one();
    assert_eq!((data.packet[0] << 4 | data.packet[1] >> 4, data.ecn()), (46 << 2 | ECT_0, ECT_0));
    s.send(seg().seq(1).ack(2).data(b"y").ecn(CE));
    s.advance(ms(50));
    assert_eq!(flags(&s.take_one()), Flags::ECE);
}
