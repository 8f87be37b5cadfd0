//! What becomes of a last segment, or a FIN, that is lost.

use std::fmt::Write;

use adieu_core::wire::Flags;
use adieu_core::{Duration, HandleId, Instant};
use adieu_sim::{Heard, Rule, Setup, Verdict, World};
use adieu_trace::Side::{Left, Right};
use adieu_trace::{SegmentSeen, What};

use super::{MSS, ms};

/// What is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tail {
    /// The last of ten segments.
    Tenth,
    /// A segment sent alone.
    Lone,
    /// The FIN, behind data that has arrived.
    Fin,
    /// The last of ten segments, which has the FIN.
    TenthWithFin,
}

/// A peer may hold the acknowledgment of a lone segment back: so long at most, as far as we know (RFC 8985 section
/// 7.2).
const ACK_DELAY: u64 = 200;
/// No timer is set to less than that.
const FLOOR: u64 = 10;

const WARM: u64 = 30 * MSS;

struct Stage {
    world: World,
    client: HandleId,
    server: HandleId,
}

/// Established, and 30 segments have been measured.
fn stage(rtt: u64) -> Stage {
    let mut setup = Setup::new(1);
    setup.wire.delay = Duration::from_micros(rtt * 500);
    let mut world = World::new(setup);
    world.listen(Right);
    let client = world.connect(Left);
    let mut server = None;
    world.run_until(ms(10_000), |world| {
        server = world.host(Right).accept();
        server.is_some()
    });
    let mut stage = Stage { world, client, server: server.expect("nothing is lost") };
    stage.send(WARM);
    stage.world.run_for(ms(3000));
    stage
}

impl Stage {
    fn send(&mut self, bytes: u64) {
        let data = vec![7; usize::try_from(bytes).expect("little")];
        assert_eq!(self.world.write(Left, self.client, &data), data.len());
    }

    fn sent(&self) -> Vec<(Instant, SegmentSeen)> {
        let segment = |what: &What| match *what {
            What::Segment(segment) => Some(segment),
            _ => None,
        };
        self.world.trace().events.iter().filter_map(|event| Some((event.at, segment(&event.what)?))).collect()
    }
}

/// When it was sent first, when again, and when that was acknowledged.
fn lose(rtt: u64, tail: Tail) -> [Duration; 2] {
    let mut stage = stage(rtt);
    let bytes = match tail {
        Tail::Tenth | Tail::TenthWithFin => 10 * MSS,
        Tail::Lone => MSS,
        Tail::Fin => 0,
    };
    let end = u32::try_from(1 + WARM + bytes).expect("little");
    let fin = matches!(tail, Tail::Fin | Tail::TenthWithFin);
    let is_it = move |segment: &SegmentSeen| {
        let last = segment.from == Left && segment.seq + u32::try_from(segment.len).unwrap_or(0) == end;
        last && (segment.len > 0 || segment.flags.has(Flags::FIN)) && segment.flags.has(Flags::FIN) == fin
    };
    stage.world.rules.push(Rule::first("the tail", 1, Verdict::Lose, move |sight| is_it(&sight.segment)));
    if bytes > 0 {
        stage.send(bytes);
    }
    if fin {
        stage.world.shut_down(Left, stage.client);
    }
    let server = stage.server;
    stage.world.run_until(ms(5000), |world| {
        while let Heard::Data(_) = world.read(Right, server) {}
        false
    });
    let sent = stage.sent();
    let times: Vec<Instant> = sent.iter().filter(|(_, segment)| is_it(segment)).map(|(at, _)| *at).collect();
    let [first, again, ..] = times[..] else { panic!("{tail:?} at {rtt} ms was never sent again: {times:?}") };
    let answer = end + u32::from(fin);
    let answered = sent.iter().find(|(_, segment)| segment.from == Right && segment.ack == Some(answer));
    let answered = answered.and_then(|(_, segment)| segment.arrives).expect("it is acknowledged in the end");
    [again.since(first), answered.since(again)]
}

/// B-TLP-ARM, B-RACK-FIN: a last segment or a FIN that is lost goes again after at most two round trips and as much
/// longer as an acknowledgment may be delayed, a FIN alone after two round trips; and is acknowledged one round trip
/// later.
#[test]
fn b_rack_fin_b_tlp_arm_a_lost_tail_goes_again_after_two_round_trips() {
    let mut table = String::from("RTT ms | lost            | again after ms | acknowledged after ms\n");
    for rtt in [1, 20, 100, 300] {
        for tail in [Tail::Tenth, Tail::Lone, Tail::Fin, Tail::TenthWithFin] {
            let [again, answered] = lose(rtt, tail);
            let micros = |time: Duration| super::grid::thousandths(u64::try_from(time.as_micros()).unwrap_or(0));
            let name = format!("{tail:?}");
            writeln!(table, "{rtt:6} | {name:15} | {:>14} | {:>21}", micros(again), micros(answered)).expect("room");
            // A FIN's acknowledgment is never held back; what came before the tenth is acknowledged by then, and puts
            // it off, but not beyond that.
            let delay = if tail == Tail::Fin { 0 } else { ACK_DELAY };
            let most = ms(2 * rtt + delay).max(ms(FLOOR));
            assert!(again <= most, "{tail:?} at {rtt} ms: again after {again:?}, not {most:?}");
            assert_eq!(answered, ms(rtt), "{tail:?} at {rtt} ms");
        }
    }
    insta::assert_snapshot!(table);
}
