//! Pacing: what a window allows is spread over the round trip, and nothing else waits for it.

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Config, Duration};
use script::{Script, bytes, config, ms, seg, stamps};

/// Payload of a full segment with timestamps.
const FULL: usize = 1448;
const F: i32 = 1448;
const RTT: Duration = Duration::from_millis(100);

fn paced() -> Config {
    Config { pacing: true, ..config() }
}

fn ack(s: &mut Script, upto: i32) {
    s.send(seg().seq(1).ack(upto).win(0xffff).options(&stamps(2, 0)));
}

/// A peer 100 ms away that has acknowledged ten segments at once: twenty may be in flight, in slow start.
fn measured(config: Config) -> Script {
    let mut s = Script::with(config, 7_000_000, script::START);
    s.listen();
    let options = [vec![2, 4, 0x05, 0xb4, 3, 3, 7, 1, 4, 2, 1, 1], stamps(1, 0)].concat();
    s.send(seg().syn().options(&options));
    s.learn_iss();
    s.advance(RTT);
    s.send(seg().seq(1).ack(1).options(&stamps(1, 0)));
    assert!(s.accept());
    s.send(seg().seq(1).ack(1).win(0xffff).options(&stamps(2, 0)));
    s.write(&bytes(10 * FULL));
    assert_eq!(s.take().len(), 10, "the first flight is not spread: nothing is known of the path");
    s.advance(RTT);
    s.take();
    ack(&mut s, 1 + 10 * F);
    s.take();
    s
}

/// When data leaves, from now on, within `time`: and how much at a time.
fn departures(s: &mut Script, time: Duration) -> Vec<(Duration, usize)> {
    let mut all = Vec::new();
    let mut passed = Duration::ZERO;
    while passed < time {
        all.extend(s.take().iter().filter(|seen| !seen.data.is_empty()).map(|seen| (passed, seen.data.len())));
        s.advance(ms(1));
        passed += ms(1);
    }
    all
}

#[test]
fn b_cc_out_without_pacing_a_window_leaves_at_once() {
    let mut s = measured(config());
    s.write(&bytes(18 * FULL));
    assert_eq!(s.take().len(), 18);
}

/// INV-19: eighteen segments take about nine twentieths of a round trip in slow start, none waits for ever, and all are
/// there long before the round trip is over.
#[test]
fn inv_19_a_window_is_spread_over_the_round_trip() {
    let mut s = measured(paced());
    assert_eq!(s.info().congestion_window as usize, 18 * FULL, "eight segments more for one acknowledgment");
    s.write(&bytes(18 * FULL));
    let sent = departures(&mut s, RTT);
    assert_eq!(sent.iter().map(|(_, len)| len).sum::<usize>(), 18 * FULL);
    let (last, _) = sent.last().expect("something was sent");
    assert!((ms(40)..=ms(55)).contains(last), "{last:?}");
    let at_once = (0..100).map(|at| sent.iter().filter(|(when, _)| *when == ms(at)).count()).max();
    assert!(at_once <= Some(2), "{sent:?}");
}

/// A super-segment is at most an eighth of the window, and leaves whole.
#[test]
fn s27_s28_super_segments_stay_whole_and_small_enough_to_spread() {
    let mut s = measured(Config { super_segment: 65_535, ..paced() });
    s.write(&bytes(18 * FULL));
    let sent = departures(&mut s, RTT);
    assert_eq!(sent.iter().map(|(_, len)| len).sum::<usize>(), 18 * FULL);
    assert!(sent.iter().all(|(_, len)| *len == 2 * FULL), "{sent:?}");
    let (last, _) = sent.last().expect("something was sent");
    assert!((ms(35)..=ms(55)).contains(last), "{last:?}");
}

/// An acknowledgment is sent when it is owed, though data waits for its turn.
#[test]
fn s18_acknowledgments_do_not_wait() {
    let mut s = measured(paced());
    s.write(&bytes(18 * FULL));
    s.take();
    s.send(seg().seq(1).ack(1 + 10 * F).data(b"x").options(&stamps(3, 0)));
    let at_once = s.take();
    assert!(at_once.iter().any(|seen| seen.ack == Some(2)), "{at_once:?}");
    assert!(at_once.iter().all(|seen| seen.data.is_empty()), "{at_once:?}");
}

/// What is lost goes again at once; new data waits behind it.
#[test]
fn b_rack_resends_do_not_wait() {
    let mut s = measured(paced());
    s.write(&bytes(18 * FULL));
    s.advance(ms(60));
    assert_eq!(s.take().len(), 18);
    s.advance(ms(40));
    s.take();
    // All but the first of the eighteen have arrived.
    let at = |n: u32| (s.iss.0.wrapping_add(1 + n * 1448)).to_be_bytes().to_vec();
    let block = [vec![1, 1, 5, 10], at(11), at(28)].concat();
    let options = [stamps(3, 0), block].concat();
    s.write(&bytes(18 * FULL));
    s.send(seg().seq(1).ack(1 + 10 * F).win(0xffff).options(&options));
    let first = s.take().into_iter().find(|seen| !seen.data.is_empty()).expect("it is sent again");
    assert_eq!(first.seq, 1 + 10 * F);
}

/// A FIN that has nothing before it leaves at once; one behind data leaves with the last of it.
#[test]
fn fs_1_a_fin_alone_does_not_wait() {
    let mut s = measured(paced());
    s.write(&bytes(3 * FULL));
    s.advance(ms(8));
    assert_eq!(s.take().len(), 3);
    s.shut_down();
    let fin = s.take_one();
    assert!(fin.flags.has(Flags::FIN) && fin.data.is_empty());
    let mut s = measured(paced());
    s.write(&bytes(6 * FULL));
    s.shut_down();
    s.advance(ms(50));
    let sent = s.take();
    assert!(sent.len() == 6 && sent[5].flags.has(Flags::FIN), "{sent:?}");
}
