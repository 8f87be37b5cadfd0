//! The other end does not answer, does not close, or does not read.

use std::time::Duration;

use adieu::State;
use adieu_core::wire::Flags;
use adieu_sim::{Rule, Verdict};
use adieu_trace::Side;

use super::setup::Setup;
use super::stage::{CLIENT, SERVER, Stage};

/// How often the FIN, or data, is sent again.
const AGAIN: usize = 3;

/// The client's patience with a server that never closes.
pub(super) fn short_fin_wait_2(setup: &mut Setup) {
    match setup.adieu {
        Side::Left => setup.ours(|config| config.fin_wait_2 = Duration::from_secs(1), "fin_wait_2", "1 s", "60 s"),
        Side::Right => setup.kernel("tcp_fin_timeout", 1, " s", "60 s"),
    }
}

pub(super) async fn fin_wait_2_abandoned(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    stage.close(CLIENT);
    stage.hear_end(SERVER).await;
    stage.reaches(CLIENT, State::FinWait2).await;
    let over = stage.reaches(CLIENT, State::Closed).await;
    stage.note(CLIENT, "(nobody waits any more)");
    stage.check("the server never closes; the client, closed for good, does not wait for ever", over);
    let stay = stage.watch.seen().stay(CLIENT, State::FinWait2);
    stage.check("it was in FIN-WAIT-2 for about a second, its patience here", {
        stay.is_some_and(|stay| stay > Duration::from_millis(500))
    });
    let silent = stage.count(CLIENT, Flags::RST) == 0 && stage.state(SERVER) == State::CloseWait;
    stage.check("it left without a word: a reset could destroy what the server has not read yet", silent);
    if stage.adieu == CLIENT {
        let named = stage.receipt().is_some_and(|receipt| receipt.ending.name() == "timed-out-fin-wait-2");
        stage.check("our receipt says timed-out-fin-wait-2", named);
    }
    stage.pause().await;
    stage.say(SERVER, b"sorry, I was asleep").await;
    let told = stage.until(|stage| stage.count(CLIENT, Flags::RST) > 0 && stage.state(SERVER) == State::Closed).await;
    let fails = !stage.say(SERVER, b"hello?").await;
    stage.check("the server learns of it when it says something: a reset, and its next write fails", told && fails);
}

/// Both ends' patience with a wire that answers nothing.
pub(super) fn few_retries(setup: &mut Setup) {
    setup.kernel("tcp_retries2", 3, "", "15");
    setup.ours(|config| config.retries = 3, "retries", 3, "15");
}

/// The wire takes nothing any more from these ends.
fn cut(stage: &Stage, from: &'static [Side]) {
    stage.rule(Rule::new("cut", move |sight| match from.contains(&sight.segment.from) {
        true => Verdict::Lose,
        false => Verdict::Pass,
    }));
}

pub(super) async fn last_ack_never_comes(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    stage.shut_down(CLIENT).await;
    stage.hear_end(SERVER).await;
    stage.reaches(CLIENT, State::FinWait2).await;
    stage.pause().await;
    stage.note(CLIENT, "(from here on the wire takes nothing this way)");
    cut(stage, &[CLIENT]);
    stage.shut_down(SERVER).await;
    stage.hear_end(CLIENT).await;
    let waits = stage.state(SERVER) == State::LastAck && stage.state(CLIENT) == State::TimeWait;
    stage.check("the client has the FIN and waits; the server, in LAST-ACK, cannot know", waits);
    let over = stage.reaches(SERVER, State::Closed).await;
    let fins = stage.count(SERVER, Flags::FIN);
    // The first and its probe; Linux measures its patience in time, which may hold one more.
    let few = (AGAIN + 2..=AGAIN + 3).contains(&fins);
    let claim = "the server probes for its FIN (RFC 8985 section 7), repeats it a few times, then gives up";
    stage.check(claim, over && few);
    let (named, claim) = match stage.adieu {
        Side::Right => ("timed-out-retransmission", "our receipt does not say graceful: nothing proves the FIN came"),
        Side::Left => ("graceful-local-first", "our receipt says graceful: the client has both directions complete"),
    };
    let said = stage.receipt().is_some_and(|receipt| receipt.ending.name() == named);
    stage.check(claim, said);
}

/// The client's patience with a SYN that nobody answers.
pub(super) fn few_syns(setup: &mut Setup) {
    match setup.adieu {
        Side::Left => setup.ours(|config| config.syn_retries = 1, "syn_retries", 1, "7"),
        Side::Right => setup.kernel("tcp_syn_retries", 1, "", "6"),
    }
}

pub(super) async fn no_answer(stage: &mut Stage) {
    cut(stage, &[CLIENT]);
    let opened = stage.establish().await;
    let timed_out = !opened && stage.knows(CLIENT, "timed-out-connect");
    stage.check("nobody answers the SYN: connect fails with a timeout", timed_out);
    let sent = stage.count(CLIENT, Flags::SYN);
    let free = stage.state(CLIENT) == State::Closed && (2..=6).contains(&sent);
    stage.check("the SYN was sent again, and nothing is left of the attempt", free);
}

pub(super) async fn peer_vanished(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    stage.note(SERVER, "(the wire is cut)");
    cut(stage, &[CLIENT, SERVER]);
    stage.say(CLIENT, b"are you there?").await;
    let told = stage.hear_error(CLIENT).await && stage.knows(CLIENT, "timed-out-retransmission");
    stage.check("data that nobody acknowledges ends the connection: its application is told of a timeout", told);
    if stage.adieu == CLIENT {
        let counted = stage.receipt().is_some_and(|receipt| receipt.undelivered() == 14);
        stage.check("our receipt counts the 14 bytes as undelivered", counted);
    }
    let unaware = stage.state(SERVER) == State::Established;
    stage.check("the server, which says nothing, cannot know", unaware);
    stage.close(SERVER);
}

pub(super) async fn both_gone(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    cut(stage, &[CLIENT, SERVER]);
    for side in [CLIENT, SERVER] {
        stage.note(side, "(the wire is cut)");
        stage.say(side, b"is anybody there?").await;
        stage.shut_down(side).await;
    }
    let closing = stage.states() == [State::FinWait1; 2];
    stage.check("both close, and both wait in FIN-WAIT-1", closing);
    let over = stage.until(|stage| stage.states() == [State::Closed; 2]).await;
    stage.check("both ends give up by themselves", over);
    let counted = stage
        .receipt()
        .is_some_and(|receipt| receipt.ending.name() == "timed-out-retransmission" && receipt.undelivered() == 17);
    stage.check("our receipt says that no acknowledgment came, and that 17 bytes are undelivered", counted);
    let linux = stage.linux();
    let told = stage.hear_error(linux).await && stage.knows(linux, "timed-out-retransmission");
    stage.check("Linux's application is told of a timeout", told);
}

/// What is written to a server that does not read; more than it takes.
const WRITTEN: usize = 20_000;

pub(super) fn small_server(setup: &mut Setup) {
    setup.small_server(4096);
}

pub(super) async fn zero_window_close(stage: &mut Stage) {
    stage.establish().await;
    stage.note(CLIENT, "write 20,000 bytes");
    stage.write(CLIENT, &[b'.'; WRITTEN]).await;
    let shut = stage
        .until(|stage| {
            let seen = stage.watch.seen();
            seen.segments().any(|(_, segment)| segment.from == SERVER && segment.window == 0)
        })
        .await;
    stage.check("the server does not read, and its window is closed", shut);
    stage.shut_down(CLIENT).await;
    stage.wait(Duration::from_millis(500)).await;
    let waits = stage.states() == [State::FinWait1, State::Established];
    stage.check("the FIN waits behind the data: the client is in FIN-WAIT-1, the server in ESTABLISHED", waits);
    let got = stage.hear_all(SERVER).await;
    stage.check("the server reads: every byte comes, then the end of the stream", got == [b'.'; WRITTEN]);
    stage.reaches(CLIENT, State::FinWait2).await;
    stage.pause().await;
    stage.close(SERVER);
    stage.hear_end(CLIENT).await;
    stage.check_goodbye(CLIENT).await;
}
