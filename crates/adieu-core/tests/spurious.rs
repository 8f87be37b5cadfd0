//! Timeouts that were not needed (RFC 5682), told from RFC text: who finds them, and what becomes of the window.

mod script;

use adieu_core::{Algorithm, Config};
use script::{MSS, Script, bytes, config, ms, secs, seg, stamps};

const F: i32 = 1460;

/// What a peer has agreed to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Peer {
    Plain,
    Sack,
}

/// Ten segments of `peer`'s connection are in flight, with more to send, and the timer has fired: the front went again.
fn timed_out(peer: Peer, congestion: Algorithm) -> Script {
    let config = Config { min_rto: secs(1), loss_probes: false, congestion, send_buffer: 1 << 20, ..config() };
    let mut s = match peer {
        Peer::Plain => Script::established_with(config),
        Peer::Sack => established_with_sack(config),
    };
    s.write(&bytes(100 * MSS));
    assert_eq!(s.take().len(), 10);
    s.advance(ms(1100));
    let resent = s.take();
    assert_eq!(resent.iter().map(|seen| seen.seq).collect::<Vec<_>>(), [1]);
    assert_eq!(s.info().congestion_window, 1460);
    s
}

/// Selective acknowledgments, and no timestamps.
fn established_with_sack(config: Config) -> Script {
    let mut s = Script::with(config, 7_000_000, script::START);
    s.listen();
    s.send(seg().syn().options(&[2, 4, 0x05, 0xb4, 3, 3, 7, 1, 4, 2, 1, 1]));
    s.learn_iss();
    s.send(seg().seq(1).ack(1));
    s.expect_nothing();
    assert!(s.accept());
    s
}

fn block(s: &Script, start: i32, end: i32) -> Vec<u8> {
    let at = |offset: i32| (s.iss.0.wrapping_add_signed(offset)).to_be_bytes();
    [&[1, 1, 5, 10][..], &at(start), &at(end)].concat()
}

fn numbers(s: &mut Script) -> Vec<i32> {
    s.take().iter().filter(|seen| !seen.data.is_empty()).map(|seen| seen.seq).collect()
}

/// B-FRTO: the path only paused. The first answer draws two new segments and nothing again, the second gives the window
/// back: nothing but the front was sent twice.
#[test]
fn b_frto_a_pause_costs_one_segment_and_no_window() {
    for (peer, congestion) in
        [(Peer::Plain, Algorithm::Cubic), (Peer::Plain, Algorithm::Reno), (Peer::Sack, Algorithm::Cubic)]
    {
        let mut s = timed_out(peer, congestion);
        s.send(seg().seq(1).ack(1 + F));
        assert_eq!(numbers(&mut s), [1 + 10 * F, 1 + 11 * F], "{peer:?}: two new ones");
        s.send(seg().seq(1).ack(1 + 2 * F));
        let info = s.info();
        assert!(info.congestion_window >= 14_600, "{peer:?}: {}", info.congestion_window);
        assert_eq!((info.slow_start_threshold, info.lost), (None, 0), "{peer:?}");
        for n in 3..=10 {
            s.send(seg().seq(1).ack(1 + n * F));
        }
        assert!(numbers(&mut s).iter().all(|seq| *seq > 11 * F), "{peer:?}: nothing again");
        assert_eq!(s.info().retransmissions, 1);
    }
}

/// B-FRTO, section 2.1: a duplicate is the second answer: it was a loss, and at most three segments leave of the
/// flight.
#[test]
fn b_frto_without_blocks_a_duplicate_says_that_it_was_needed() {
    let mut s = timed_out(Peer::Plain, Algorithm::Cubic);
    s.send(seg().seq(1).ack(1 + F));
    assert_eq!(numbers(&mut s).len(), 2);
    s.send(seg().seq(1).ack(1 + F));
    let sent = numbers(&mut s);
    assert_eq!(sent[0], 1 + F, "the next in the usual way: {sent:?}");
    assert!(sent.len() <= 3);
    assert!(s.info().slow_start_threshold.is_some() && s.info().congestion_window <= 3 * 1460);
}

/// B-FRTO: a duplicate is the first answer: likewise.
#[test]
fn b_frto_without_blocks_a_duplicate_at_first_says_so_too() {
    let mut s = timed_out(Peer::Plain, Algorithm::Cubic);
    s.send(seg().seq(1).ack(1));
    numbers(&mut s);
    s.send(seg().seq(1).ack(1 + F));
    assert_eq!(numbers(&mut s)[0], 1 + F, "not asked with new data");
}

/// B-FRTO: only a part of what went again is acknowledged: the usual way.
#[test]
fn b_frto_a_part_of_the_front_asks_nothing() {
    for peer in [Peer::Plain, Peer::Sack] {
        let mut s = timed_out(peer, Algorithm::Cubic);
        s.send(seg().seq(1).ack(700));
        let sent = numbers(&mut s);
        assert!(!sent.is_empty() && sent.iter().all(|seq| *seq <= 10 * F), "{peer:?}: {sent:?}");
    }
}

/// B-FRTO: everything is acknowledged at once: that tells nothing, and nothing is left to repeat.
#[test]
fn b_frto_an_answer_to_everything_is_slow_start() {
    for peer in [Peer::Plain, Peer::Sack] {
        let mut s = timed_out(peer, Algorithm::Cubic);
        s.send(seg().seq(1).ack(1 + 10 * F));
        let sent = numbers(&mut s);
        assert!(sent[0] > 10 * F && sent.len() < 10, "{peer:?}: {sent:?}");
        assert!(s.info().slow_start_threshold.is_some());
    }
}

/// B-FRTO, section 3.1: blocks before the front moves say nothing; then new data that arrives before any of the old
/// says that it was needed, old data that never went again says that it was not.
#[test]
fn b_frto_blocks_tell_old_from_new() {
    for original in [false, true] {
        let mut s = timed_out(Peer::Sack, Algorithm::Cubic);
        let early = block(&s, 1 + 3 * F, 1 + 4 * F);
        s.send(seg().seq(1).ack(1).options(&early));
        assert_eq!(numbers(&mut s), [0i32; 0]);
        s.send(seg().seq(1).ack(1 + F).options(&early));
        assert_eq!(numbers(&mut s), [1 + 10 * F, 1 + 11 * F]);
        let second = if original { block(&s, 1 + 5 * F, 1 + 6 * F) } else { block(&s, 1 + 10 * F, 1 + 11 * F) };
        s.send(seg().seq(1).ack(1 + F).options(&second));
        assert_eq!(s.info().slow_start_threshold.is_none(), original, "{original}");
        if !original {
            assert_eq!(numbers(&mut s).first(), Some(&(1 + F)), "the usual way");
        }
    }
}

/// B-FRTO: the same segment times out again: the question is asked again, and the window before the first counts.
#[test]
fn b_frto_a_second_timeout_of_the_front_asks_again() {
    let mut s = timed_out(Peer::Plain, Algorithm::Cubic);
    s.advance(secs(3));
    assert_eq!(numbers(&mut s), [1]);
    s.send(seg().seq(1).ack(1 + F));
    assert_eq!(numbers(&mut s), [1 + 10 * F, 1 + 11 * F]);
    s.send(seg().seq(1).ack(1 + 2 * F));
    assert!(s.info().congestion_window >= 14_600 && s.info().slow_start_threshold.is_none());
}

/// B-FRTO, X-FRTO: nothing new to send, the FIN is out: timestamps tell that an answer is older than the repetition.
#[test]
fn x_frto_behind_a_fin_timestamps_tell() {
    for echo_of_the_first in [false, true] {
        let mut s = Script::established_with_extensions(Config { min_rto: secs(1), loss_probes: false, ..config() }, 1);
        s.write(&bytes(8 * 1448));
        s.shut_down();
        let first = u32::try_from(s.now.as_nanos() / 1_000_000).unwrap();
        let value = s.take().last().map(|seen| seen.packet[20 + 24..20 + 28].to_vec()).unwrap();
        let value = u32::from_be_bytes(value.try_into().unwrap());
        s.advance(ms(1100));
        assert_eq!(numbers(&mut s), [1]);
        let later = u32::try_from(s.now.as_nanos() / 1_000_000).unwrap() - first;
        let echo = if echo_of_the_first { value } else { value + later };
        s.send(seg().seq(1).ack(1 + 1448).options(&stamps(2, echo)));
        let info = s.info();
        assert_eq!(info.slow_start_threshold.is_none(), echo_of_the_first, "{echo_of_the_first}");
        if echo_of_the_first {
            assert!(info.congestion_window >= 14_480 && numbers(&mut s).is_empty());
        }
    }
}

/// X-FRTO: without timestamps the report of a duplicate tells, once it covers all that went again.
#[test]
fn x_frto_behind_a_fin_a_reported_duplicate_tells() {
    let mut s = established_with_sack(Config { min_rto: secs(1), loss_probes: false, ..config() });
    s.write(&bytes(8 * MSS));
    s.shut_down();
    s.take();
    s.advance(ms(1100));
    assert_eq!(numbers(&mut s), [1]);
    assert!(s.info().slow_start_threshold.is_some());
    let duplicate = block(&s, 1, 1 + F);
    s.send(seg().seq(1).ack(1 + 3 * F).options(&duplicate));
    assert_eq!(s.info().slow_start_threshold, None);
    assert!(s.info().congestion_window >= 14_600);
    assert!(numbers(&mut s).is_empty());
}

/// B-FRTO: not within a recovery: what timed out had been sent again there.
#[test]
fn b_frto_not_in_a_recovery() {
    let config = Config { min_rto: secs(1), loss_probes: false, send_buffer: 1 << 20, ..config() };
    let mut s = Script::established_with(config);
    s.write(&bytes(100 * MSS));
    s.take();
    (0..3).for_each(|_| s.send(seg().seq(1).ack(1)));
    numbers(&mut s);
    s.advance(ms(1500));
    assert_eq!(numbers(&mut s), [1]);
    s.send(seg().seq(1).ack(1 + F));
    assert_eq!(numbers(&mut s)[0], 1 + F, "the usual way");
}
