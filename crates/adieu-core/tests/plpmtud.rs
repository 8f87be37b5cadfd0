//! What a path carries, found with segments of data (RFC 4821; X-PLPMTU, B-PMTU, B-PMTU-HOLE), and by what routers say
//! (X-PMTU).

mod script;

use adieu_core::wire::{Flags, icmp};
use adieu_core::{Config, Phase, State};
use script::{MSS, PEER, Script, Seen, Seg, bytes, config, ms, secs, seg, stamps, timed_out};

/// Payload beside timestamps on a free path, and where 1300 octets pass.
const WHOLE: usize = 1448;
const NARROW: usize = 1248;
const ONE: i32 = 1460;

/// A peer that acknowledges.
struct Peer {
    clock: u32,
}

impl Peer {
    fn ack(&mut self, ack: i32) -> Seg {
        self.sack(ack, &[])
    }

    fn sack(&mut self, ack: i32, blocks: &[[u32; 2]]) -> Seg {
        self.clock += 1;
        let mut options = stamps(self.clock, 0);
        if !blocks.is_empty() {
            options.extend([1, 1, 5, u8::try_from(2 + 8 * blocks.len()).unwrap()]);
            blocks.as_flattened().iter().for_each(|number| options.extend(number.to_be_bytes()));
        }
        seg().seq(1).ack(ack).win(60_000).options(&options)
    }
}

fn end(seen: &Seen) -> i32 {
    seen.seq + i32::try_from(seen.data.len()).unwrap()
}

fn sizes(sent: &[Seen]) -> Vec<usize> {
    sent.iter().map(|seen| seen.data.len()).filter(|len| *len > 0).collect()
}

/// A path of 1300 octets, as a router has said, some time ago; nothing is in flight. Round trips take 10 ms.
fn narrow(config: Config, ago: u64) -> (Script, Peer, i32) {
    let mut s = Script::established_with_extensions(config, 1);
    let mut peer = Peer { clock: 1 };
    s.write(&bytes(WHOLE));
    let first = s.take_one();
    assert_eq!(first.data.len(), WHOLE);
    s.send_raw(&icmp::about(3, 4, 1300, PEER.into(), &first.packet, 28));
    let again = s.take();
    assert_eq!(sizes(&again), [NARROW, WHOLE - NARROW]);
    s.now += ms(10);
    s.send(peer.ack(end(&first)));
    let mut at = end(&first);
    // The window opens for what is to come.
    for _ in 0..4 {
        s.write(&bytes(4 * NARROW));
        at = s.take().iter().map(end).max().unwrap();
        s.now += ms(10);
        s.send(peer.ack(at));
    }
    s.advance(secs(ago));
    s.take();
    (s, peer, at)
}

/// B-PMTU, X-PMTU: ten minutes after a report one segment tries the whole size again, and three follow; all go that
/// size once it is acknowledged, and the congestion window has not grown for it.
#[test]
fn b_pmtu_one_segment_tries_the_way_up() {
    let (mut s, mut peer, at) = narrow(config(), 590);
    s.write(&bytes(8 * NARROW));
    let sent = s.take();
    assert!(sizes(&sent).iter().all(|len| *len <= NARROW), "not yet");
    s.now += ms(10);
    s.send(peer.ack(sent.iter().map(end).max().unwrap()));
    s.advance(secs(20));
    s.take();
    let before = s.info();
    assert_eq!(usize::from(before.send_mss), NARROW);
    s.write(&bytes(8 * NARROW));
    let sent = s.take();
    assert_eq!(sizes(&sent)[..4], [WHOLE, NARROW, NARROW, NARROW], "{at}");
    s.now += ms(10);
    s.send(peer.ack(end(&sent[0])));
    let info = s.info();
    assert_eq!((usize::from(info.send_mss), info.path_mtu), (WHOLE, 1500));
    assert!(info.congestion_window <= before.congestion_window + WHOLE as u32, "one acknowledgment's growth");
    s.send(peer.ack(sent.iter().map(end).max().unwrap()));
    s.take();
    s.write(&bytes(3 * WHOLE));
    assert_eq!(sizes(&s.take()), [WHOLE; 3]);
}

/// B-PMTU, X-PLPMTU: a probe that is lost alone costs a resend, in pieces that pass, and no congestion window; the next
/// one is smaller, and not at once.
#[test]
fn b_pmtu_a_lone_lost_probe_costs_nothing() {
    let (mut s, mut peer, _) = narrow(config(), 610);
    s.write(&bytes(8 * NARROW));
    let (before, sent) = (s.info(), s.take());
    assert_eq!(sent[0].data.len(), WHOLE);
    let on_wire = |at: i32| s.iss.0.wrapping_add_signed(at);
    let (from, to) = (on_wire(end(&sent[0])), on_wire(end(sent.last().unwrap())));
    s.now += ms(10);
    s.send(peer.sack(sent[0].seq, &[[from, to]]));
    s.advance(ms(20));
    let again = s.take();
    assert_eq!(sizes(&again), [NARROW, WHOLE - NARROW]);
    assert_eq!((again[0].seq, end(&again[1])), (sent[0].seq, end(&sent[0])));
    let info = s.info();
    assert_eq!(info.congestion_window, before.congestion_window);
    assert_eq!((info.slow_start_threshold, info.send_mss), (before.slow_start_threshold, before.send_mss));
    s.send(peer.ack(end(sent.last().unwrap())));
    s.write(&bytes(8 * NARROW));
    let soon = s.take();
    assert!(sizes(&soon).iter().all(|len| *len <= NARROW), "no probe at once: {:?}", sizes(&soon));
    s.send(peer.ack(end(soon.last().unwrap())));
    s.advance(secs(2));
    s.write(&bytes(8 * NARROW));
    assert_eq!(sizes(&s.take())[0], NARROW + (WHOLE - 1 - NARROW).div_ceil(2), "halfway");
}

/// B-PMTU: where others are lost with it the probe proves nothing: the window is cut as ever, and the same size goes
/// again.
#[test]
fn b_pmtu_a_probe_lost_among_others_is_a_loss_like_any() {
    let (mut s, mut peer, _) = narrow(config(), 610);
    s.write(&bytes(8 * NARROW));
    let sent = s.take();
    let on_wire = |at: i32| s.iss.0.wrapping_add_signed(at);
    let (from, to) = (on_wire(end(&sent[1])), on_wire(end(sent.last().unwrap())));
    let last = end(sent.last().unwrap());
    s.now += ms(10);
    s.send(peer.sack(sent[0].seq, &[[from, to]]));
    s.advance(ms(20));
    s.take();
    assert!(s.info().slow_start_threshold.is_some(), "a loss");
    s.send(peer.ack(last));
    s.advance(secs(2));
    let probe = (0..10).find_map(|_| {
        s.write(&bytes(8 * NARROW));
        let sent = s.take();
        s.now += ms(10);
        s.send(peer.ack(sent.iter().map(end).max().unwrap()));
        sizes(&sent).into_iter().find(|len| *len > NARROW)
    });
    assert_eq!(probe, Some(WHOLE), "the same size");
}

/// B-PMTU: a router that answers the probe says how far up it is.
#[test]
fn b_pmtu_a_report_about_the_probe_is_the_next_size() {
    let (mut s, mut peer, _) = narrow(config(), 610);
    s.write(&bytes(8 * NARROW));
    let (before, sent) = (s.info(), s.take());
    s.send_raw(&icmp::about(3, 4, 1400, PEER.into(), &sent[0].packet, 28));
    assert_eq!(s.info().congestion_window, before.congestion_window);
    s.now += ms(10);
    s.send(peer.ack(end(sent.last().unwrap())));
    s.take();
    s.write(&bytes(8 * NARROW));
    assert_eq!(sizes(&s.take())[0], WHOLE - 100);
}

/// B-PMTU: no probe without three segments to follow, with a loss about, or where it is switched off; then the whole
/// size is tried by everything at once, as without selective acknowledgments.
#[test]
fn b_pmtu_when_there_is_no_probe() {
    let (mut s, _, _) = narrow(config(), 610);
    s.write(&bytes(WHOLE + 3 * NARROW - 1));
    assert!(sizes(&s.take()).iter().all(|len| *len <= NARROW));
    let (mut s, _, _) = narrow(Config { path_probes: false, ..config() }, 610);
    s.write(&bytes(4 * WHOLE));
    assert_eq!(sizes(&s.take()), [WHOLE; 4]);
}

/// X-PLPMTU: behind a close nothing is probed, whatever waits in front of the FIN; a report still makes it smaller, and
/// the FIN stays with the last piece.
#[test]
fn x_plpmtu_no_probe_once_closed_and_shrinking_goes_on() {
    let (mut s, mut peer, _) = narrow(config(), 610);
    s.stack.write(s.now, s.id(), &bytes(8 * NARROW)).unwrap();
    s.shut_down();
    let sent = s.take();
    assert!(sizes(&sent).iter().all(|len| *len == NARROW), "{:?}", sizes(&sent));
    assert!(sent.last().unwrap().flags.has(Flags::FIN));
    s.send_raw(&icmp::about(3, 4, 1000, PEER.into(), &sent[7].packet, 28));
    let again = s.take();
    assert!(again.iter().all(|seen| seen.data.len() <= 948), "{:?}", sizes(&again));
    let fin = end(sent.last().unwrap()) + 1;
    s.now += ms(10);
    s.send(peer.ack(fin));
    assert_eq!(s.state(), State::FinWait2);
}

/// B-PMTU-HOLE, X-PLPMTU: where full segments vanish without a word, at the third timeout in a row they become smaller,
/// down to what no IPv4 path refuses; over IPv6 to what every link carries. Small segments that vanish prove nothing.
#[test]
fn b_pmtu_hole_full_segments_that_vanish_become_smaller() {
    let mut s = Script::established_passive();
    s.write(&bytes(3 * MSS));
    s.take();
    let mut fronts = Vec::new();
    for _ in 0..6 {
        while !s.has_sent() {
            s.next_timer().unwrap();
        }
        let seen = s.take().swap_remove(0);
        let cut = seen.packet[6] & 0x40 == 0;
        fronts.push((seen.data.len(), cut));
    }
    let (full, fallback, cut) = ((1460, false), (984, false), (536, true));
    assert_eq!(fronts, [full, full, fallback, cut, cut, cut]);
    let mut s = Script::established_over_ipv6(Config { addresses: Vec::new(), ..config() });
    s.write(&bytes(3 * 1440));
    s.take();
    let mut fronts = Vec::new();
    for _ in 0..5 {
        while !s.has_sent() {
            s.next_timer().unwrap();
        }
        fronts.push(s.take()[0].data.len());
    }
    assert_eq!(fronts, [1440, 1440, 1220, 1220, 1220]);
    // Nor do they once the path is thought to be narrow.
    let mut s = Script::established_passive();
    s.write(&bytes(MSS));
    s.advance(secs(2));
    s.send(seg().seq(1).ack(1 + ONE));
    assert_eq!(s.info().path_mtu, 1024);
    s.take();
    s.write(&bytes(500));
    s.advance(secs(60));
    assert!(s.take().iter().all(|seen| seen.data.len() == 500) && s.info().path_mtu == 1024);
    let mut s = Script::established_passive();
    s.write(&bytes(900));
    s.advance(secs(30));
    assert!(s.take().iter().all(|seen| seen.data.len() == 900) && s.info().path_mtu == 1500);
}

/// B-PMTU-HOLE, X-PLPMTU: with a FIN behind it, too; and if that does not help, patience ends as ever.
#[test]
fn b_pmtu_hole_a_fin_stays_on_the_last_piece() {
    let mut s = Script::established_passive();
    s.stack.write(s.now, s.id(), &bytes(MSS)).unwrap();
    s.shut_down();
    assert!(s.take_one().flags.has(Flags::FIN));
    s.advance(secs(8));
    let pieces = s.take();
    let last = pieces.last().unwrap();
    assert!(last.data.len() <= 984 && !last.flags.has(Flags::FIN), "{:?}", sizes(&pieces));
    s.send(seg().seq(1).ack(1 + 984));
    let rest = s.take_one();
    assert_eq!((rest.data.len(), rest.flags.has(Flags::FIN)), (MSS - 984, true));
    s.advance(secs(2000));
    assert_eq!(s.ending(), Some(timed_out(Phase::Retransmission, State::FinWait1)));
}

/// B-PMTU-HOLE: what a router calls unreachable is no matter of size.
#[test]
fn b_pmtu_hole_another_reason_is_a_reason() {
    let mut s = Script::established_passive();
    s.write(&bytes(MSS));
    let first = s.take_one();
    s.send_raw(&icmp::about(3, 1, 0, PEER.into(), &first.packet, 28));
    s.advance(secs(60));
    assert!(s.take().iter().all(|seen| seen.data.len() == MSS));
}

/// X-PMTU (RFC 1191 section 5): ten packets of one flight that were too large draw ten reports without a size, and that
/// is one step down; the next is for what is refused at the new size.
#[test]
fn x_pmtu_a_burst_of_reports_without_a_size_is_one_step() {
    let mut s = Script::established_passive();
    s.write(&bytes(10 * MSS));
    let sent = s.take();
    let mut smaller = Vec::new();
    for seen in &sent {
        s.send_raw(&icmp::about(3, 4, 0, PEER.into(), &seen.packet, 28));
        assert_eq!(s.info().path_mtu, 1492);
        smaller.extend(s.take());
    }
    let refused = smaller.iter().find(|seen| seen.packet.len() == 1492).expect("it goes again");
    s.send_raw(&icmp::about(3, 4, 0, PEER.into(), &refused.packet, 28));
    assert_eq!(s.info().path_mtu, 1006);
    // A quote that cannot be right is about what we send now.
    s.take();
    for length in [0_u16, 20, 9000, u16::MAX] {
        let before = s.info().path_mtu;
        let mut quoted = refused.packet.clone();
        quoted[2..4].copy_from_slice(&length.to_be_bytes());
        let mut other = s.clone();
        other.send_raw(&icmp::about(3, 4, 0, PEER.into(), &quoted, 28));
        assert!(other.info().path_mtu < before, "{length}");
    }
}
