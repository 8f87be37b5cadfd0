//! Stalls, storms and leaks that a second reader of the code has found.

mod script;

use adieu_core::wire::{Flags, Packet, checksum, icmp};
use adieu_core::{Config, Phase, State};
use script::{MSS, PEER, START, Script, bytes, config, ms, secs, seg, stamps, timed_out};

/// A connection with timestamps, SACK and window scaling, whose handshake took `rtt` milliseconds.
fn slow(rtt: u64) -> Script {
    let mut s = Script::with(config(), 7_000_000, START);
    s.listen();
    let mut options = vec![2, 4, 0x05, 0xb4, 3, 3, 7, 1, 4, 2, 1, 1];
    options.extend(stamps(1, 0));
    s.send(seg().syn().options(&options));
    s.learn_iss();
    s.advance(ms(rtt));
    s.send(seg().seq(1).ack(1).options(&stamps(1, 0)));
    assert!(s.accept());
    s
}

/// Timestamps and one block, with numbers counted from our SYN.
fn block(s: &Script, echo: u32, start: i32, end: i32) -> Vec<u8> {
    let mut options = stamps(2, echo);
    options.extend([1, 1, 5, 10]);
    for at in [start, end] {
        options.extend(s.iss.0.wrapping_add_signed(at).to_be_bytes());
    }
    options
}

/// The peer's segments never fit the unit of our window field: it closes all the same (S14, limit 3.18).
#[test]
fn s14_a_scaled_window_closes_however_it_is_filled() {
    let quick = Config { quick_acks: 255, ..config() };
    for (len, buffer) in [(7, 1u32 << 18), (1448, 1 << 22)] {
        let config = Config { receive_buffer: buffer, ..quick.clone() };
        let mut s = Script::established_with_extensions(config, 1);
        let mut at = 1i32;
        for _ in 0..(buffer / 1448) {
            s.send(seg().seq(at).ack(1).data(&bytes(1448)).options(&stamps(2, 0)));
            s.take();
            at += 1448;
        }
        for _ in 0..20_000 {
            s.send(seg().seq(at).ack(1).data(&bytes(len)).options(&stamps(2, 0)));
            s.advance(ms(50));
            s.take();
            at += i32::try_from(len).unwrap();
        }
        let received = s.info().bytes_received;
        assert!(received < u64::from(buffer) + 4 * 1448, "{received} of {buffer}, {len} at a time");
    }
}

/// After a timeout on a narrow path the congestion window is less than one segment of the wide one.
#[test]
fn x_pmtu_a_path_that_is_wide_again_stalls_nothing() {
    let mut s = Script::established_with_extensions(config(), 1);
    s.write(&bytes(1000));
    let first = s.take()[0].packet.clone();
    s.send_raw(&icmp::about(3, 4, 576, PEER.into(), &first, 28));
    s.advance(secs(3));
    s.take();
    s.send(seg().seq(1).ack(1001).options(&stamps(2, 0)));
    s.advance(secs(700));
    s.write(&bytes(20_000));
    assert!(!s.take().is_empty(), "nothing leaves, and the next timer is at {:?}", s.stack.poll_timeout());
}

/// S30, ZW-2: a peer that follows table 6 answers each probe and takes no FIN; that goes on, at a distance.
#[test]
fn s30_probes_by_fin_that_are_answered_keep_their_distance() {
    for timeout in [None, Some(secs(3600))] {
        let mut s = Script::syn_received(config());
        s.send(seg().seq(1).ack(1).win(0));
        assert!(s.accept());
        s.set(|settings| (settings.nodelay, settings.user_timeout) = (true, timeout));
        s.shut_down();
        s.take();
        let (began, mut probes) = (s.now, 0);
        while s.now.since(began) < secs(1200) && probes < 100 && s.next_timer().is_some() {
            let fins = s.take().iter().filter(|seen| seen.flags.has(Flags::FIN)).count();
            probes += fins;
            if fins > 0 {
                s.advance(ms(50));
                s.send(seg().seq(1).ack(1).win(0));
            }
        }
        assert!((20..40).contains(&probes), "{probes} in 20 minutes, {timeout:?}");
    }
}

/// ZW-5, OR-1: neither timer ever fires where a window flaps faster than both.
#[test]
fn zw_5_a_window_that_flaps_fast_holds_no_orphan_and_draws_no_storm() {
    let mut s = Script::established_passive();
    s.write(&bytes(20_000));
    s.take();
    s.release();
    let mut resent = 0;
    for _ in 0..2_000 {
        s.send(seg().seq(1).ack(1).win(0));
        s.advance(ms(50));
        s.send(seg().seq(1).ack(1).win(60_000));
        s.advance(ms(50));
        resent += s.take().iter().map(|seen| seen.data.len()).sum::<usize>();
    }
    assert_eq!(s.only_receipt().ending, timed_out(Phase::ZeroWindow, State::FinWait1));
    assert!(resent < 100_000, "{resent} octets were sent again for nothing");
}

/// RFC 6675 section 6: on a long path with steady round trips the timer leaves a resent segment its round trip.
#[test]
fn b_rto_timer_a_resend_in_a_recovery_has_its_round_trip() {
    let mut s = slow(300);
    let (mss, mut at) = (1448, 1);
    for _ in 0..30 {
        s.write(&bytes(2 * 1448));
        let last = s.take().last().unwrap().options.timestamps.unwrap().value;
        s.advance(ms(300));
        s.take();
        at += 2 * mss;
        s.send(seg().seq(1).ack(at).options(&stamps(2, last)));
    }
    assert!(s.info().rto >= s.info().rtt + ms(10), "G of RFC 6298");
    s.write(&bytes(20 * 1448));
    let last = s.take().last().unwrap().options.timestamps.unwrap().value;
    s.advance(ms(300));
    s.send(seg().seq(1).ack(at + mss).options(&stamps(2, last)));
    s.take();
    for n in 3..=10 {
        s.advance(ms(2));
        let options = block(&s, last, at + 2 * mss, at + n * mss);
        s.send(seg().seq(1).ack(at + mss).options(&options));
    }
    assert!(s.take().iter().any(|seen| seen.seq == at + mss), "the second was lost, and is sent again");
    s.advance(ms(299));
    assert_eq!(s.info().retransmits, 0, "a timeout before it could be acknowledged");
}

/// 3.19, 3.22: a recovery whose acknowledgments advance by one octet each draws no segments of one octet.
#[test]
fn x_3_19_divided_acknowledgments_draw_no_single_octets() {
    let mut s = slow(20);
    let mut at = 1;
    for _ in 0..6 {
        s.write(&bytes(usize::try_from(s.info().congestion_window).unwrap()));
        let last = s.take().pop().unwrap();
        at = last.seq + i32::try_from(last.data.len()).unwrap();
        s.advance(ms(20));
        s.take();
        s.send(seg().seq(1).ack(at).options(&stamps(2, last.options.timestamps.unwrap().value)));
    }
    s.write(&bytes(100 * 1448));
    let last = s.take().pop().unwrap();
    let (end, echo) = (last.seq + i32::try_from(last.data.len()).unwrap(), last.options.timestamps.unwrap().value);
    s.advance(ms(20));
    s.take();
    let options = block(&s, echo, end - 3 * 1448, end);
    s.send(seg().seq(1).ack(at).options(&options));
    s.advance(ms(10));
    let mut small = 0;
    for n in 1..5_000 {
        s.send(seg().seq(1).ack(at + n).options(&stamps(2, echo)));
        small += s.take().iter().filter(|seen| seen.data.len() == 1).count();
    }
    assert!(small < 20, "{small} segments of one octet");
}

/// X-PMTU: ten packets that were too large draw ten reports, and go again once.
#[test]
fn x_pmtu_a_burst_of_reports_repeats_everything_once() {
    let mut s = Script::established_passive();
    s.write(&bytes(10 * MSS));
    let sent: Vec<_> = s.take().into_iter().map(|seen| seen.packet).collect();
    let mut again = 0;
    for packet in &sent {
        s.send_raw(&icmp::about(3, 4, 400, PEER.into(), packet, 28));
        again += s.take().iter().map(|seen| seen.data.len()).sum::<usize>();
    }
    assert!(again <= 11 * MSS, "{again}");
}

/// X-PMTU: a router that does not say how much it carries means less than what we sent.
#[test]
fn x_pmtu_a_report_without_a_size_makes_what_we_send_smaller() {
    let mut s = Script::with(config(), 7_000_000, START);
    s.listen();
    s.send(seg().syn().mss(1400));
    s.learn_iss();
    let mut s = s.into_established();
    s.write(&bytes(5000));
    let first = s.take().swap_remove(0).packet;
    s.send_raw(&icmp::about(3, 4, 0, PEER.into(), &first, 28));
    assert!(s.info().send_mss < 1400, "{}", s.info().send_mss);
}

/// M38: what a closed window had been waited for does not count where it opens by too little.
#[test]
fn m38_a_sliver_after_a_closed_window_waits_a_second_at_most() {
    let mut s = Script::established_passive();
    s.write(&bytes(1000));
    s.take();
    s.send(seg().seq(1).ack(1001).win(0));
    s.write(&bytes(5000));
    for _ in 0..6 {
        s.next_timer().unwrap();
        s.take();
        s.send(seg().seq(1).ack(1001).win(0));
    }
    s.send(seg().seq(1).ack(1001).win(100));
    s.take();
    assert!(s.next_timer().unwrap() <= secs(1));
}

/// M62: a pointer counts from its own segment, so a device must not cut what bears one.
#[test]
fn m62_urgent_data_is_not_left_to_a_device_to_cut() {
    let mut s = Script::established_with_extensions(Config { super_segment: 65_000, ..config() }, 1);
    s.stack.write(s.now, s.id(), &bytes(8 * 1448)).unwrap();
    s.stack.write_urgent(s.now, s.id(), b"!").unwrap();
    let mut ends = Vec::new();
    while let Some(packet) = s.stack.poll_transmit(s.now) {
        for packet in packet.split(checksum::sum) {
            let bytes = packet.to_vec();
            let seq = u32::from_be_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]).wrapping_sub(s.iss.0);
            ends.push(seq + u32::from(u16::from_be_bytes([bytes[38], bytes[39]])));
        }
    }
    assert_eq!(ends, vec![8 * 1448 + 2; 9]);
}

/// B-TLP-ACK: a loss that a probe has mended halves the window; it does not close it.
#[test]
fn b_tlp_ack_a_mended_loss_halves_the_window() {
    let mut s = slow(100);
    let mut at = 1;
    for _ in 0..5 {
        s.write(&bytes(usize::try_from(s.info().congestion_window).unwrap()));
        let last = s.take().pop().unwrap();
        at = last.seq + i32::try_from(last.data.len()).unwrap();
        s.advance(ms(100));
        s.take();
        s.send(seg().seq(1).ack(at).options(&stamps(2, last.options.timestamps.unwrap().value)));
    }
    s.write(&bytes(50 * 1448));
    let end = at + 50 * 1448;
    let echo = s.take().pop().unwrap().options.timestamps.unwrap().value;
    s.advance(ms(100));
    s.send(seg().seq(1).ack(end - 1448).options(&stamps(2, echo)));
    s.take();
    let probe = core::iter::from_fn(|| s.next_timer().map(|_| s.take().pop())).flatten().next().unwrap();
    assert_eq!(probe.seq, end - 1448);
    let before = s.info().congestion_window;
    s.advance(ms(100));
    s.send(seg().seq(1).ack(end).options(&stamps(2, probe.options.timestamps.unwrap().value)));
    s.write(b"x");
    let echo = s.take().pop().unwrap().options.timestamps.unwrap().value;
    s.advance(ms(100));
    s.send(seg().seq(1).ack(end + 1).options(&stamps(2, echo)));
    let after = s.info().congestion_window;
    assert!(after < before && after >= before / 2 - 1448, "{before}, then {after}");
}

/// B-RACK-ACK: new data does not make us wait for the timeout with what is late already.
#[test]
fn b_rack_ack_new_data_does_not_end_the_wait() {
    let mut s = slow(100);
    s.set(|settings| settings.nodelay = true);
    s.write(b"0123456789");
    let echo = s.take()[0].options.timestamps.unwrap().value;
    s.advance(ms(100));
    s.send(seg().seq(1).ack(11).options(&stamps(2, echo)));
    s.write(b"aaaaaaaaaa");
    s.advance(ms(1));
    s.write(b"bbbbbbbbbb");
    let echo = s.take().pop().unwrap().options.timestamps.unwrap().value;
    s.advance(ms(100));
    let options = block(&s, echo, 21, 31);
    s.send(seg().seq(1).ack(11).options(&options));
    s.write(b"cccccccccc");
    s.take();
    let waited = s.next_timer().unwrap();
    assert!(s.take().iter().any(|seen| seen.seq == 11) && waited < ms(50), "{waited:?}");
}

/// M48, S22, X-PMTU: what a super-segment is cut into bears its marks.
#[test]
fn m48_segments_cut_from_one_are_marked_as_it_was() {
    let mut s = Script::established_with_extensions(Config { super_segment: 65_000, ..config() }, 1);
    s.set(|settings| settings.dscp = 46);
    s.stack.write(s.now, s.id(), &bytes(4 * 1448)).unwrap();
    let mut first = None;
    while let Some(packet) = s.stack.poll_transmit(s.now) {
        for packet in packet.split(checksum::sum) {
            let packet = packet.to_vec();
            assert_eq!((packet[1], packet[6]), (46 << 2, 0x40));
            first.get_or_insert(packet);
        }
    }
    let report = icmp::about(3, 4, 400, PEER.into(), &first.unwrap(), 28);
    s.stack.handle_packet(s.now, Packet::new(&report));
    let mut numbers = std::collections::BTreeSet::new();
    while let Some(packet) = s.stack.poll_transmit(s.now) {
        for packet in packet.split(checksum::sum) {
            let packet = packet.to_vec();
            assert_eq!((packet[1], packet[6]), (46 << 2, 0));
            assert!(numbers.insert([packet[4], packet[5]]), "RFC 6864 section 4.3: each its own number");
        }
    }
    assert!(numbers.len() >= 10);
}

/// TO-6, M21: a limit that is set late counts from now on, not from the next timer.
#[test]
fn to_6_a_limit_that_has_become_shorter_counts_at_once() {
    let mut s = Script::established_passive();
    s.write(b"lost");
    s.advance(secs(120));
    s.set(|settings| settings.user_timeout = Some(secs(1)));
    s.next_timer();
    assert_eq!(s.ending(), Some(timed_out(Phase::UserTimeout, State::Established)));
}

/// Data counts as received when it comes, in order or not.
#[test]
fn x_dack_data_out_of_order_is_data() {
    let mut s = Script::established_passive();
    s.advance(secs(100));
    s.send(seg().seq(2).ack(1).data(b"b"));
    assert_eq!(s.info().last_data_received, ms(0));
}
