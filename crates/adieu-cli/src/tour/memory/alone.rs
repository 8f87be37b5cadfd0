//! The other end does not answer, does not close, or does not read.

use adieu_core::wire::Flags;
use adieu_core::{Duration, HandleId, State};
use adieu_sim::{Goal, Heard, World};
use adieu_trace::Side::{Left, Right};

use super::orderly::BY_US;
use super::stage::{EVER, Stage};
use crate::tour::{Options, Outcome};

/// What the server takes before its window is closed.
const WINDOW: u32 = 4_096;

pub(super) fn fin_wait_2_abandoned(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    stage.close(Left, client);
    stage.hear_end(Right, server);
    stage.reaches(Left, State::FinWait2);
    let over = stage.world.run_to(EVER, &Goal::State(Left, State::Closed));
    let receipts = stage.receipts(handles.map(Some));
    stage.world.note(Left, "nobody waits any more");
    let named = stage.ending(Left, client) == Some("timed-out-fin-wait-2");
    stage.check("the server never closes; the client, closed for good, does not wait for ever", over && named);
    let stay = receipts[0].and_then(|receipt| receipt.spent.iter().find(|(state, _)| *state == State::FinWait2));
    stage.check("it was in FIN-WAIT-2 for 60 s", stay.is_some_and(|(_, stay)| stay == Duration::from_secs(60)));
    let silent = stage.count(|segment| segment.flags.has(Flags::RST)) == 0;
    let there = stage.world.state(Right) == State::CloseWait;
    stage.check("it left without a word: a reset could destroy what the server has not read yet", silent && there);
    stage.pause();
    stage.say(Right, server, b"sorry, I was asleep");
    stage.learns(Right, server);
    let told = stage.ending(Right, server) == Some("reset-by-peer");
    stage.check("the server learns of it when it says something", told);
    stage.finish(handles.map(Some))
}

pub(super) fn last_ack_never_comes(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    stage.shut_down(Left, client);
    stage.hear_end(Right, server);
    stage.reaches(Left, State::FinWait2);
    stage.pause();
    stage.world.note(Left, "(from here on the wire takes nothing this way)");
    stage.world.rules.push(adieu_sim::Rule::new("black hole", |sight| match sight.segment.from {
        Left => adieu_sim::Verdict::Lose,
        Right => adieu_sim::Verdict::Pass,
    }));
    stage.close(Right, server);
    stage.hear_end(Left, client);
    let over = stage.world.run_to(EVER, &Goal::State(Right, State::Closed));
    let receipt = stage.receipts(handles.map(Some))[1];
    if let Some(receipt) = receipt {
        stage.world.note(Right, format!("error: {}", receipt.ending));
    }
    let named = stage.ending(Right, server) == Some("timed-out-retransmission");
    let fins = stage.count(|segment| segment.from == Right && segment.flags.has(Flags::FIN));
    // Where no round trip was measured, there is no probe.
    let repeated = over && named && (9..=10).contains(&fins);
    stage.check("the server repeats its FIN 8 times, a probe of the tail not counted, then gives up", repeated);
    let spent = receipt.and_then(|receipt| receipt.spent.iter().find(|(state, _)| *state == State::LastAck));
    let patient = spent.is_some_and(|(_, stay)| (100..600).contains(&stay.as_secs()));
    stage.check("it was patient for at least 100 s, and for less than 10 minutes", patient);
    stage.check("its receipt does not say graceful: nothing proves that the client has the FIN", {
        receipt.is_some_and(|receipt| !receipt.ending.is_graceful())
    });
    let known = stage.ending(Left, client) == Some(BY_US[0]);
    stage.check("the client has both directions complete, and knows it", known);
    stage.finish(handles.map(Some))
}

pub(super) fn no_answer(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    stage.world.wire.loss = 1_000_000;
    let client = stage.world.connect(Left);
    stage.world.run_to(EVER, &Goal::Ended(Left, client));
    stage.world.note(Left, "error: timed out");
    let named = stage.ending(Left, client) == Some("timed-out-connect");
    stage.check("nobody answers the SYN: connect fails", named);
    let spent = stage.receipts([Some(client), None])[0].map(|receipt| receipt.spent.total().as_secs());
    let bounded = spent.is_some_and(|spent| (180..300).contains(&spent));
    stage.check("not before 180 s, as RFC 9293 asks, and not much later", bounded);
    stage.finish([Some(client), None])
}

pub(super) fn peer_vanished(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    stage.world.note(Right, "(the wire is cut)");
    stage.world.wire.loss = 1_000_000;
    stage.say(Left, client, b"are you there?");
    stage.world.run_to(EVER, &Goal::Ended(Left, client));
    stage.world.note(Left, "error: timed out");
    let named = stage.ending(Left, client) == Some("timed-out-retransmission");
    stage.check("data that nobody acknowledges ends the connection, while an application waits for it", named);
    let receipt = stage.receipts(handles.map(Some))[0];
    stage.check("the client's receipt counts the 14 bytes as undelivered", {
        receipt.is_some_and(|receipt| receipt.undelivered() == 14)
    });
    let patient = receipt.is_some_and(|receipt| (100..1_200).contains(&receipt.spent.total().as_secs()));
    stage.check("that took at least the 100 s that RFC 9293 asks for, and less than 20 minutes", patient);
    let unaware = stage.world.state(Right) == State::Established;
    stage.check("the server, which says nothing, cannot know", unaware);
    stage.close(Right, server);
    stage.world.run_to(EVER, &Goal::Ended(Right, server));
    let named = stage.ending(Right, server) == Some("timed-out-retransmission");
    stage.check("its close finds out", named);
    stage.finish(handles.map(Some))
}

/// A connection whose server reads nothing, and has a small window.
fn with_small_window(options: &Options) -> (Stage, [HandleId; 2]) {
    let mut stage = Stage::with(options, |setup| setup.config[1].receive_buffer = WINDOW);
    let handles = stage.establish();
    stage.pause();
    (stage, handles)
}

/// Whether the server has told the client that its window is closed.
fn is_shut(world: &World) -> bool {
    world.trace().events.iter().any(|event| match event.what {
        adieu_trace::What::Segment(segment) => segment.from == Right && segment.window == 0,
        adieu_trace::What::State { .. } | adieu_trace::What::App { .. } => false,
    })
}

pub(super) fn zero_window_close(options: &Options) -> Outcome {
    let (mut stage, handles) = with_small_window(options);
    let [client, server] = handles;
    stage.world.note(Left, "write 4,096 bytes");
    stage.world.write(Left, client, &vec![b'.'; WINDOW as usize]);
    let shut = stage.until(|world| is_shut(world) && world.leftover(Left).bytes == 0);
    stage.world.note(Right, "(its window is closed)");
    stage.check("the server does not read, and its window is closed", shut);
    stage.pause();
    let closed_at = stage.world.now();
    stage.shut_down(Left, client);
    let accepted = stage.reaches(Left, State::FinWait2);
    let first = stage.segments().find(|(_, segment)| segment.from == Left && segment.flags.has(Flags::FIN));
    let waited = first.is_some_and(|(at, _)| at.since(closed_at) >= Duration::from_millis(200));
    stage.check("the FIN does not fit a closed window: it waits for the probe's time, and is the probe", waited);
    stage.check("it needs no room, and is taken: the client is done, the server in CLOSE-WAIT", {
        accepted && stage.world.state(Right) == State::CloseWait
    });
    let mut got = 0;
    while let Heard::Data(data) = stage.world.read(Right, server) {
        got += data.len();
    }
    let end = stage.world.read(Right, server) == Heard::EndOfStream;
    stage.world.note(Right, "read 4,096 bytes, then end of stream");
    stage.check("the server reads all 4,096 bytes, then the end of the stream", end && got == WINDOW as usize);
    stage.pause();
    stage.close(Right, server);
    stage.hear_end(Left, client);
    stage.reaches(Right, State::Closed);
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}

pub(super) fn zero_window_abandoned(options: &Options) -> Outcome {
    let (mut stage, handles) = with_small_window(options);
    let [client, server] = handles;
    stage.world.note(Left, "write 6,000 bytes");
    stage.world.write(Left, client, &vec![b'.'; 6_000]);
    stage.close(Left, client);
    stage.until(|world| is_shut(world));
    stage.world.note(Right, "(its window is closed)");
    let over = stage.world.run_to(EVER, &Goal::Ended(Left, client));
    stage.check("the server never reads; the client's data wait before a closed window", is_shut(&stage.world));
    let receipt = stage.receipts(handles.map(Some))[0];
    let named = stage.ending(Left, client) == Some("timed-out-zero-window");
    stage.check("every probe is answered, but a connection that nobody can reach is given up", over && named);
    let bounded = receipt.is_some_and(|receipt| receipt.spent.total().as_secs() < 150);
    stage.check("after at most 8 probes or 100 s", bounded);
    stage.check("the client's receipt says how many bytes the server's TCP has not taken", {
        receipt.is_some_and(|receipt| receipt.undelivered() >= 6_000 - u64::from(WINDOW) - 100)
    });
    stage.learns(Right, server);
    let told = stage.ending(Right, server) == Some("reset-by-peer");
    stage.check("the server is told with a reset", told);
    stage.finish(handles.map(Some))
}
