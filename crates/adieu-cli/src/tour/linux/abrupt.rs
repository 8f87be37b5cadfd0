//! Connections that end with a reset, or are never there.

use std::time::Duration;

use adieu::State;
use adieu_core::wire::Flags;
use adieu_sim::{Forged, Rule, Sight, Verdict};

use super::stage::{CLIENT, HELD, PORT, SERVER, SOON, Stage};

pub(super) async fn abort(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    stage.abort(CLIENT);
    let gone = stage.state(CLIENT) == State::Closed;
    stage.check("the client is free at once, without TIME-WAIT", gone);
    stage.check_reset(SERVER).await;
    stage.check_our_ending(CLIENT, "aborted-by-call");
}

pub(super) async fn abort_challenged(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    let words = |sight: &Sight| sight.segment.from == CLIENT && sight.segment.len > 0;
    stage.rule(Rule::first("the last words", usize::MAX, Verdict::Lose, words));
    stage.say(CLIENT, b"no, wait").await;
    stage.until(|stage| stage.watch.seen().segments().any(|(_, segment)| segment.len == 8)).await;
    stage.abort(CLIENT);
    stage.check_reset(SERVER).await;
    let resets: Vec<u32> = {
        let seen = stage.watch.seen();
        let resets = seen.segments().filter(|(_, segment)| segment.from == CLIENT && segment.flags.has(Flags::RST));
        resets.map(|(_, segment)| segment.seq).collect()
    };
    // "hello" and the SYN went before.
    stage.check("the last words are lost: the reset has a number the server does not expect, and is challenged", {
        resets.first() == Some(&14)
    });
    stage.check("the connection is gone, but the challenge is answered: a second reset with exactly that number", {
        resets.last() == Some(&6)
    });
    stage.check_our_ending(CLIENT, "aborted-by-call");
}

pub(super) async fn abort_unheard(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    stage.rule(Rule::first("the reset", 1, Verdict::Lose, |sight: &Sight| sight.is(CLIENT, Flags::RST)));
    stage.abort(CLIENT);
    stage.until(|stage| stage.count(CLIENT, Flags::RST) > 0).await;
    stage.wait(Duration::from_millis(50)).await;
    let unaware = stage.states() == [State::Closed, State::Established];
    stage.check("the reset is lost, and never repeated: the server does not know", unaware);
    if stage.adieu == CLIENT {
        let held = stage.net.held();
        stage.check("what is left with us is a record, without buffers", {
            (held.quarantined, held.bytes, held.connections) == (1, 0, 0)
        });
    }
    stage.say(SERVER, b"how are you?").await;
    stage.check_reset(SERVER).await;
    let resets = stage.count(CLIENT, Flags::RST);
    stage.check("whatever the server says draws another reset", resets == 2);
    stage.check_our_ending(CLIENT, "aborted-by-call");
}

pub(super) async fn close_unread(stage: &mut Stage) {
    stage.establish().await;
    stage.say(SERVER, b"important").await;
    stage.acknowledged(SERVER).await;
    stage.close(CLIENT);
    let gone = stage.reaches(CLIENT, State::Closed).await;
    stage.check("the client closes with 9 bytes unread, and is free at once", gone);
    stage.check_reset(SERVER).await;
    stage.pause().await;
    let fins = stage.count(CLIENT, Flags::FIN);
    stage.check("that is a reset, not a FIN: the server is not told that its words were taken", fins == 0);
    // Its handle is dropped, which is a close, too.
    stage.check_our_ending(CLIENT, "aborted-dropped-with-unread");
}

pub(super) async fn data_after_close(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    stage.close(CLIENT);
    stage.hear_end(SERVER).await;
    stage.reaches(CLIENT, State::FinWait2).await;
    stage.pause().await;
    stage.say(SERVER, b"one more thing").await;
    let resets = stage.until(|stage| stage.count(CLIENT, Flags::RST) > 0).await;
    stage.check("nobody reads at the client any more: data draws a reset", resets);
    // The end of the stream was read already; only a write can tell.
    stage.until(|stage| stage.state(SERVER) == State::Closed).await;
    let told = !stage.say(SERVER, b"are you there?").await;
    stage.check("the server's next write fails", told);
    stage.check_our_ending(CLIENT, "aborted-data-after-close");
}

pub(super) async fn linger_zero(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    stage.note(CLIENT, "linger: 0 s");
    if let Some(end) = stage.end(CLIENT) {
        end.set_zero_linger();
    }
    stage.close(CLIENT);
    let gone = stage.state(CLIENT) == State::Closed;
    stage.check("close with a linger time of 0 is a reset: the client is free at once", gone);
    stage.check_reset(SERVER).await;
    stage.check_our_ending(CLIENT, "aborted-linger-zero");
}

pub(super) async fn refused(stage: &mut Stage) {
    let opened = stage.establish_from(0).await;
    let refused = !opened && stage.knows(CLIENT, "refused");
    stage.check("nobody listens: the SYN draws a reset, and connect fails at once, not after a timeout", refused);
    let free = stage.until(|stage| stage.states() == [State::Closed; 2]).await;
    stage.check("neither end keeps anything of it", free);
}

pub(super) async fn connect_cancelled(stage: &mut Stage) {
    let listens = stage.listen().is_ok();
    stage.check("the server listens", listens);
    stage.rule(Rule::first("the answer", usize::MAX, HELD, |sight: &Sight| sight.is(SERVER, Flags::SYN)));
    stage.note(CLIENT, "connect");
    let attempt = tokio::time::timeout(Duration::from_millis(20), stage.connect(CLIENT, 0, PORT)).await;
    stage.note(CLIENT, "close");
    stage.check("the server's answer is not there yet when the client gives up", attempt.is_err());
    let answered = stage.until(|stage| stage.count(SERVER, Flags::SYN) > 0).await;
    stage.check("the server has answered", answered);
    let gone = stage.reaches(CLIENT, State::Closed).await;
    stage.check("closed in SYN-SENT: the client's port is free", gone);
    let waiting = stage.state(SERVER) == State::SynReceived;
    stage.release_held();
    let forgotten = stage.reaches(SERVER, State::Closed).await;
    let answered = stage.count(CLIENT, Flags::RST) > 0;
    stage.check("the answer comes too late and draws a reset: the server forgets", waiting && forgotten && answered);
    let unheard = stage.nothing_to_accept().await;
    stage.check("its application never hears of the connection", unheard);
    stage.check_our_ending(CLIENT, "cancelled");
}

pub(super) async fn peer_forgot(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    // A host that loses its power resets nobody.
    stage.rule(Rule::new("no power", |_| Verdict::Lose));
    stage.note(SERVER, "(power fails)");
    stage.abort(SERVER);
    stage.wait(Duration::from_millis(100)).await;
    stage.watch.seen().no_more_rules();
    stage.note(SERVER, "(back, with empty memory)");
    let unaware = stage.state(CLIENT) == State::Established;
    stage.check("a peer that vanishes without a word is not noticed while nothing is sent", unaware);
    stage.say(CLIENT, b"are you well?").await;
    stage.check_reset(CLIENT).await;
    let forgotten = stage.count(SERVER, Flags::RST) > 0 && stage.state(SERVER) == State::Closed;
    stage.check("the first data draws a reset from the host that knows nothing of the connection", forgotten);
}

pub(super) async fn spoofed_reset(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    let mut guess = async |seq: u32, patience: Duration| {
        stage.note(CLIENT, format!("(a stranger forges RST {seq})"));
        let before = stage.watch.seen().segments().count();
        stage.forge(CLIENT, &Forged { flags: Flags::RST, seq, ack: 1, data: &[] });
        // A reset in turn would be an answer, too, but a wrong one.
        let answered = move |stage: &mut Stage| {
            let seen = stage.watch.seen();
            let mut after = seen.segments().skip(before);
            after.any(|(_, segment)| segment.from == SERVER && segment.flags == Flags::ACK)
        };
        stage.until_within(patience, answered).await
    };
    // What the server expects next is 6; this guess is beyond that, and within its window.
    let challenged = guess(1000, SOON).await;
    let silent = !guess(1_000_000_000, Duration::from_millis(30)).await;
    stage.check("a reset within the window, but not exactly at the next number, draws a challenge ACK", challenged);
    stage.check("one outside the window is not even answered", silent);
    let alive = stage.states() == [State::Established; 2];
    stage.check("the connection lives on: a stranger would have to guess one number in 4,294,967,296", alive);
    stage.part(CLIENT).await;
    stage.check_goodbye(CLIENT).await;
}

impl Stage {
    /// Checks that an end's application is told of a reset.
    pub(super) async fn check_reset(&mut self, side: adieu_trace::Side) {
        let told = self.hear_error(side).await && self.knows(side, "reset-by-peer");
        let who = self.who(side);
        self.check(format!("{who}'s application is told: the connection was reset by the peer"), told);
        let gone = self.reaches(side, State::Closed).await;
        self.check(format!("{who}'s end is gone, too"), gone);
    }

    /// Checks our receipt, where the end that did it is ours.
    pub(super) fn check_our_ending(&mut self, side: adieu_trace::Side, name: &str) {
        if side == self.adieu {
            let named = self.receipt().is_some_and(|receipt| receipt.ending.name() == name);
            self.check(format!("our receipt says {name}"), named);
        }
    }
}
