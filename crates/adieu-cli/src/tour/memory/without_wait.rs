//! Why TIME-WAIT exists: what happens without it.

use adieu_core::wire::Flags;
use adieu_core::{Duration, HandleId, Instant, State};
use adieu_sim::{Heard, Rule, Sight, Verdict};
use adieu_trace::Side::{Left, Right};
use adieu_trace::{Event, What};

use super::orderly::BY_US;
use super::stage::{DELAY, SOON, Stage};
use crate::output::grouped;
use crate::tour::{Options, Outcome};

/// Less than the first congestion window: a block is under way at once.
const BLOCK: usize = 14_000;
/// Numbers of head start over the clock of initial sequence numbers: time to close and to open again.
const AHEAD: u64 = 150_000;
/// One number of that clock (RFC 9293 section 3.4.1).
const TICK: Duration = Duration::from_micros(4);
/// What the client of the second connection says.
const NEW: [u8; 4_380] = [b'n'; 4_380];
/// From the second SYN: the client writes, and the old segment arrives just before that does.
const WRITES: Duration = Duration::from_millis(40);
const OLD_ARRIVES: Duration = Duration::from_millis(45);

const NO_WAIT: Duration = Duration::ZERO;

fn without_wait(options: &Options) -> Stage {
    Stage::with(options, |setup| {
        for config in &mut setup.config {
            config.time_wait = NO_WAIT;
            config.unsafe_short_time_wait = true;
            // They would tell the old segment from a new one; many peers have none.
            config.timestamps = false;
        }
    })
}

pub(super) fn no_time_wait(options: &Options) -> Outcome {
    let mut stage = without_wait(options);
    let handles = stage.establish();
    let reopen = exchange(&mut stage, handles);
    stage.part(Left, handles);
    let free = [Left, Right].map(|side| stage.world.state(side)) == [State::Closed; 2];
    stage.both_graceful(handles, BY_US);
    stage.keep("the first connection", handles.map(Some));
    stage.release(handles);
    stage.check("with a TIME-WAIT of 0 the port is free at once", free);

    let early = stage.world.now() <= reopen;
    stage.wait_until(reopen);
    let Ok(client) = stage.connect_again() else {
        stage.check("the same port opens again", false);
        return stage.finish([None; 2]);
    };
    let server = stage.accept();
    let old = stage.segments().find(|(at, segment)| segment.arrives.is_some_and(|to| to.since(*at) > DELAY * 5));
    let syn = stage.segments().find(|(at, segment)| *at >= reopen && segment.from == Left);
    let inside = old.zip(syn).is_some_and(|((_, old), (_, syn))| syn.seq + 1 == old.seq);
    stage.check(
        "more than 250,000 bytes a second went by: the clock of initial numbers is behind, and the second connection \
         begins where a segment of the first, still under way, has its number",
        inside && early,
    );
    stage.wait_until(reopen + WRITES);
    stage.world.note(Left, "write 4,380 bytes: all \"n\"");
    stage.world.write(Left, client, &NEW);
    let got = read_all(&mut stage, server, NEW.len());
    let wrong = got.iter().filter(|byte| **byte != b'n').count();
    stage.world.note(Right, format!("read {} bytes, {} of them not \"n\"", grouped(got.len()), grouped(wrong)));
    let segment = if options.ipv6 { 1_440 } else { 1_460 };
    stage.check(
        format!("CORRUPTED: {} of the 4,380 bytes that the server reads are of the old connection", grouped(segment)),
        (got.len(), wrong) == (4_380, segment),
    );
    stage.pause();
    let second = [client, server];
    stage.part(Left, second);
    let names = [Left, Right].map(|side| stage.ending(side, second[side as usize]));
    stage.check("and nobody has noticed: the second connection's receipts say graceful, too", {
        names == BY_US.map(Some)
    });
    let mut outcome = stage.finish(second.map(Some));
    forget_first(&mut outcome.trace.events, reopen);
    outcome
}

pub(super) fn no_time_wait_reset(options: &Options) -> Outcome {
    let mut stage = without_wait(options);
    let handles = stage.establish();
    stage.greet(Left, handles);
    let last = |sight: &Sight| sight.is_bare_ack(Left) && sight.segment.seq == 7;
    stage.world.rules.push(Rule::first("the last ACK", 1, Verdict::Lose, last));
    stage.part(Left, handles);
    stage.world.note(Right, "error: reset by the peer");
    let names = [Left, Right].map(|side| stage.ending(side, handles[side as usize]));
    stage.check("the last ACK is lost, and nobody is there to answer the repeated FIN but with a reset", {
        stage.count(|segment| segment.from == Left && segment.flags.has(Flags::RST)) > 0
    });
    stage.check("to the server a healthy goodbye looks like a reset", {
        names == [Some(BY_US[0]), Some("reset-by-peer")]
    });
    stage.finish(handles.map(Some))
}

/// Sends blocks to and fro until the numbers are ahead of their clock, then one more, whose first segment is held on
/// the wire. When to connect again so that it falls into the new connection.
fn exchange(stage: &mut Stage, handles: [HandleId; 2]) -> Instant {
    let [asked, answered] = [(Left, State::SynSent), (Right, State::SynReceived)]
        .map(|(side, state)| stage.entered(side, state).unwrap_or(Instant::ZERO));
    let block = [b'o'; BLOCK];
    let mut sent = 1;
    stage.world.note(Left, "write \"o\", often");
    stage.world.note(Right, "write the same back");
    // Where the first SYN was lost, the server's numbers began that much later than the client's.
    let late = answered.since(asked);
    if late > DELAY * 5 {
        let lag = (late - DELAY).as_nanos() / TICK.as_nanos();
        let lag = usize::try_from(lag).unwrap_or(0);
        stage.pour(Left, handles, &vec![b'o'; lag]);
        sent += lag;
    }
    let ahead = |stage: &Stage, sent: usize| {
        sent as u128 >= stage.world.now().since(asked).as_nanos() / TICK.as_nanos() + u128::from(AHEAD)
    };
    for _ in 0..1_000 {
        if ahead(stage, sent) {
            break;
        }
        stage.pour(Left, handles, &block);
        stage.pour(Right, handles, &block);
        sent += BLOCK;
    }
    let reopen = asked + TICK * u32::try_from(sent - 1).unwrap_or(u32::MAX);
    let mut held = false;
    stage.world.rules.push(Rule::new("the old segment", move |sight| {
        if held || sight.segment.from == Right || sight.segment.len == 0 {
            return Verdict::Pass;
        }
        held = true;
        Verdict::Hold((reopen + OLD_ARRIVES).since(sight.at + DELAY))
    }));
    stage.pour(Left, handles, &block);
    stage.pause();
    reopen
}

fn read_all(stage: &mut Stage, server: HandleId, bytes: usize) -> Vec<u8> {
    let mut got = Vec::new();
    stage.world.run_until(SOON, |world| {
        if let Heard::Data(data) = world.read(Right, server) {
            got.extend(data);
        }
        got.len() >= bytes
    });
    got
}

/// Numbers of the second connection are no repeats, though the first had them too.
pub(super) fn forget_first(events: &mut [Event], from: Instant) {
    for event in events.iter_mut().filter(|event| event.at >= from) {
        if let What::Segment(segment) = &mut event.what {
            segment.again = false;
        }
    }
}
