//! What the extensions bring, between two stacks on a wire.

use adieu_core::wire::Flags;
use adieu_core::{Config, Duration, HandleId, Instant, State};
use adieu_sim::{Heard, Rule, Setup, Verdict, World};
use adieu_trace::Side::{self, Left, Right};
use adieu_trace::{SegmentSeen, What};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn sent(world: &World, side: Side) -> Vec<(Instant, SegmentSeen)> {
    let of = |what: &What| match *what {
        What::Segment(segment) if segment.from == side => Some(segment),
        _ => None,
    };
    world.trace().events.iter().filter_map(|event| Some((event.at, of(&event.what)?))).collect()
}

/// Established from the left, over a wire of this round trip.
fn established(config: [Config; 2], rtt: Duration) -> (World, HandleId, HandleId) {
    let mut setup = Setup { config, ..Setup::new(3) };
    setup.wire.delay = rtt / 2;
    let mut world = World::new(setup);
    world.listen(Right);
    let client = world.connect(Left);
    let mut server = None;
    world.run_until(Duration::from_secs(30), |world| {
        server = world.host(Right).accept();
        server.is_some()
    });
    (world, client, server.expect("nothing is lost here"))
}

/// S27, S28: writes of 8 KiB leave as packets of 48 KiB and more on average, once the windows are open.
#[test]
fn s27_s28_many_writes_become_few_packets() {
    const WRITE: usize = 8 * 1024;
    const TOTAL: usize = 32 << 20;
    for buffer in [1 << 20, 4 << 20] {
        let config = Config { super_segment: 65_535, receive_buffer: buffer, send_buffer: buffer, ..Config::default() };
        let (mut world, client, server) = established([config.clone(), config], ms(20));
        let data = vec![7; WRITE];
        let (mut written, mut read) = (0, 0);
        let done = world.run_until(Duration::from_secs(600), |world| {
            while written < TOTAL {
                let taken = world.write(Left, client, &data[written % WRITE..]);
                written += taken;
                if taken == 0 {
                    break;
                }
            }
            while let Heard::Data(data) = world.read(Right, server) {
                read += data.len();
            }
            read == TOTAL
        });
        assert!(done, "{written} written, {read} read");
        let sizes: Vec<usize> = sent(&world, Left).iter().map(|(_, s)| s.len).filter(|len| *len > 0).collect();
        let mut seen = 0;
        let open = sizes.iter().position(|len| {
            seen += len;
            seen >= 8 << 20
        });
        let open = &sizes[open.unwrap()..];
        let average = open.iter().sum::<usize>() / open.len();
        assert!(average >= 48 * 1024, "buffers of {buffer}: {average} on average in {} packets", open.len());
    }
}

/// X-RECOV, B-TLP-FIRE, B-RACK-FIN: a lone FIN that was lost goes again after min(2 SRTT, RTO) (max_ack_delay is 0
/// for a FIN), and is acknowledged a round trip later.
#[test]
fn b_rack_fin_a_lone_lost_fin_is_repaired_by_the_probe() {
    for rtt in [ms(6), ms(20), ms(100), ms(300), ms(1000)] {
        let (mut world, client, server) = established([Config::default(), Config::default()], rtt);
        // A measurement or two, so that SRTT is the round trip.
        for _ in 0..3 {
            world.write(Left, client, b"x");
            world.run_for(rtt * 3 + ms(200));
            world.read(Right, server);
        }
        world.run_for(Duration::from_secs(2));
        let lost = |s: &adieu_sim::Sight| s.is(Left, Flags::FIN);
        world.rules.push(Rule::first("the FIN is lost", 1, Verdict::Lose, lost));
        let info = world.host(Left).stack.info(client).unwrap();
        let began = world.now();
        world.shut_down(Left, client);
        assert!(world.run_until(Duration::from_secs(60), |world| world.state(Left) == State::FinWait2));
        let took = world.now().since(began);
        let fins: Vec<Instant> =
            sent(&world, Left).iter().filter(|(_, s)| s.flags.has(Flags::FIN)).map(|(at, _)| *at).collect();
        assert_eq!(fins.len(), 2, "{rtt:?}");
        let waited = fins[1].since(fins[0]);
        let due = (info.rtt * 2).min(info.rto);
        assert!(waited <= due + ms(2) && waited + ms(2) >= due, "{rtt:?}: {waited:?}, not {due:?}");
        assert!(took <= due + rtt + ms(3), "{rtt:?}: {took:?}");
        world.release(Left, client);
        world.release(Right, server);
        world.assert_nothing_left();
    }
}

/// B-RACK, B-RACK-ACK, B-TLP-ACK: a lost segment with others behind it is repaired without the
/// retransmission timer, which would take 200 ms at least.
#[test]
fn b_rack_single_losses_cost_no_timeout() {
    for nth in [0, 1, 5, 8] {
        let (mut world, client, server) = established([Config::default(), Config::default()], ms(10));
        world.write(Left, client, b"x");
        world.run_for(Duration::from_secs(1));
        world.read(Right, server);
        let mut count = 0;
        world.rules.push(Rule::new("one is lost", move |sight| {
            let data = sight.segment.from == Left && sight.segment.len > 0;
            count += usize::from(data);
            if data && count == nth + 1 { Verdict::Lose } else { Verdict::Pass }
        }));
        let began = world.now();
        world.write(Left, client, &[7; 14_480]);
        let mut read = 0;
        let done = world.run_until(Duration::from_secs(5), |world| {
            if let Heard::Data(data) = world.read(Right, server) {
                read += data.len();
            }
            read == 14_480
        });
        let took = world.now().since(began);
        assert!(done && took < ms(150), "segment {nth}: {took:?}");
        let info = world.host(Left).stack.info(client).unwrap();
        assert_eq!((info.retransmits, info.retransmissions), (0, 1), "segment {nth}");
        assert_eq!(info.backoff, 0);
    }
}

/// B-RACK-SEND, B-RACK-RTO, X-RTO: everything is lost for a while: the timer brings the front first and alone, and
/// nothing that arrived is sent twice more than needed.
#[test]
fn b_rack_rto_b_rack_send_after_a_blackout_the_front_goes_first() {
    let (mut world, client, server) = established([Config::default(), Config::default()], ms(10));
    world.write(Left, client, b"x");
    world.run_for(Duration::from_secs(1));
    world.read(Right, server);
    let began = world.now();
    let end = began + ms(150);
    world.rules.push(Rule::new("blackout", move |sight| if sight.at < end { Verdict::Lose } else { Verdict::Pass }));
    world.write(Left, client, &[7; 14_480]);
    let mut read = 0;
    assert!(world.run_until(Duration::from_secs(5), |world| {
        if let Heard::Data(data) = world.read(Right, server) {
            read += data.len();
        }
        read == 14_480
    }));
    let after: Vec<SegmentSeen> =
        sent(&world, Left).into_iter().filter(|(at, s)| *at >= end && s.len > 0).map(|(_, s)| s).collect();
    assert_eq!(after[0].seq, 2, "the front: {after:?}");
    let total: usize = after.iter().map(|s| s.len).sum();
    assert!(total <= 14_480 + 2 * 1460, "{total} bytes for 14480");
}
