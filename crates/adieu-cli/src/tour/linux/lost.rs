//! Segments of the goodbye that are lost, late, or out of order.

use adieu::State;
use adieu_core::wire::Flags;
use adieu_sim::{Rule, Sight, Verdict};
use adieu_trace::SegmentSeen;

use super::stage::{CLIENT, HELD, SERVER, Stage};

pub(super) async fn lost_fin(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    stage.rule(Rule::first("the first FIN", 1, Verdict::Lose, |sight| sight.is(CLIENT, Flags::FIN)));
    stage.part(CLIENT).await;
    let fins: Vec<(u32, bool)> = {
        let seen = stage.watch.seen();
        let fins = seen.segments().filter(|(_, segment)| segment.from == CLIENT && segment.flags.has(Flags::FIN));
        fins.map(|(_, segment)| (segment.seq, segment.arrives.is_some())).collect()
    };
    let again = fins.first() == Some(&(6, false)) && fins.len() > 1 && fins[1..].iter().all(|fin| *fin == (6, true));
    let claim = "the client sends its FIN again, with the same number, first as a probe for a lost tail (RFC 8985)";
    stage.check(claim, again);
    let on = stage.went(CLIENT, &[State::FinWait1, State::FinWait2, State::TimeWait]);
    stage.check("it stays in FIN-WAIT-1 until the server has it, then goes on as if nothing had happened", on);
    stage.check_goodbye(CLIENT).await;
}

pub(super) async fn lost_ack_of_fin(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    // The FIN follows SYN and five bytes: its acknowledgment says 7.
    let meant = |sight: &Sight| sight.is_bare_ack(SERVER) && sight.segment.ack == Some(7);
    stage.rule(Rule::first("the ACK of the FIN", 1, Verdict::Lose, meant));
    stage.shut_down(CLIENT).await;
    let seen = stage.hear_end(SERVER).await;
    let waits = stage.states() == [State::FinWait1, State::CloseWait];
    stage.check("the server has the FIN; the client cannot know, and stays in FIN-WAIT-1", seen && waits);
    let on = stage.reaches(CLIENT, State::FinWait2).await;
    let again = stage.count(CLIENT, Flags::FIN) >= 2;
    stage.check("the client sends its FIN again, the server acknowledges it again", on && again);
    stage.pause().await;
    stage.close(SERVER);
    stage.hear_end(CLIENT).await;
    stage.check_goodbye(CLIENT).await;
    let once = stage.went(SERVER, &[State::Established, State::CloseWait, State::LastAck, State::Closed]);
    stage.check("to the server the second FIN is a repeat: it changes nothing", once);
}

pub(super) async fn lost_last_ack(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    // After the client's FIN every bare ACK of the client answers the server's FIN.
    let meant = |sight: &Sight| sight.is_bare_ack(CLIENT) && sight.segment.seq == 7;
    stage.rule(Rule::first("the last ACK", 1, Verdict::Lose, meant));
    stage.part(CLIENT).await;
    let again = stage.count(SERVER, Flags::FIN) >= 2;
    stage.check("the server, in LAST-ACK, sends its FIN again", again);
    let answers = {
        let seen = stage.watch.seen();
        seen.segments().filter(|(_, segment)| segment.from == CLIENT && segment.seq == 7).count()
    };
    let done = stage.states() == [State::TimeWait, State::Closed];
    stage.check("the client answers it from TIME-WAIT, and the server is done", answers >= 2 && done);
    stage.check_goodbye(CLIENT).await;
}

pub(super) async fn fin_overtakes_data(stage: &mut Stage) {
    stage.establish().await;
    stage.pause().await;
    // Its repetitions, too: the FIN then carries it, and is held as well.
    let data = |sight: &Sight| sight.segment.from == CLIENT && sight.segment.len > 0;
    stage.rule(Rule::first("the data", usize::MAX, HELD, data));
    stage.say(CLIENT, b"hello").await;
    stage.until(|stage| stage.watch.seen().segments().any(|(_, segment)| segment.len > 0)).await;
    stage.shut_down(CLIENT).await;
    let overtakes = |segment: &SegmentSeen| segment.len == 0 && segment.flags.has(Flags::FIN);
    let sent = stage.until(|stage| stage.watch.seen().segments().any(|(_, segment)| overtakes(&segment))).await;
    stage.pause().await;
    let open = stage.state(SERVER) == State::Established && sent;
    stage.check("a FIN that overtakes data is no end of the stream yet: the server stays in ESTABLISHED", open);
    stage.release_held();
    let whole = stage.hear(SERVER).await == b"hello" && stage.hear_end(SERVER).await;
    stage.check("once the data is there, the server reads it, then the end of the stream", whole);
    stage.reaches(CLIENT, State::FinWait2).await;
    stage.pause().await;
    stage.close(SERVER);
    stage.hear_end(CLIENT).await;
    stage.check_goodbye(CLIENT).await;
}
