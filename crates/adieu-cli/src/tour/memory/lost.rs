//! Segments of the goodbye that are lost, late, or out of order.

use adieu_core::wire::Flags;
use adieu_core::{Duration, State};
use adieu_sim::{Rule, Verdict};
use adieu_trace::Side::{Left, Right};

use super::orderly::BY_US;
use super::stage::Stage;
use crate::tour::{Options, Outcome};

pub(super) fn lost_fin(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let fin = Rule::first("the client's first FIN", 1, Verdict::Lose, |sight| sight.is(Left, Flags::FIN));
    stage.world.rules.push(fin);
    let handles = stage.establish();
    stage.greet(Left, handles);
    stage.part(Left, handles);
    let fins: Vec<(u32, bool)> = stage
        .segments()
        .filter(|(_, segment)| segment.from == Left && segment.flags.has(Flags::FIN))
        .map(|(_, segment)| (segment.seq, segment.arrives.is_some()))
        .collect();
    let again = fins.len() >= 2 && !fins[0].1 && fins.iter().all(|(number, _)| *number == fins[0].0);
    stage.check("the client sends its FIN again, with the same number", again);
    let path = [State::FinWait1, State::FinWait2, State::TimeWait];
    let on = stage.went(Left, &path);
    stage.check("it stays in FIN-WAIT-1 until the server has it, then goes on as if nothing had happened", on);
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}

pub(super) fn lost_ack_of_fin(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    // The FIN follows SYN and five bytes: its acknowledgment says 7.
    let ack = Rule::first("the ACK of the FIN", 1, Verdict::Lose, |sight| {
        sight.is_bare_ack(Right) && sight.segment.ack == Some(7)
    });
    stage.world.rules.push(ack);
    stage.shut_down(Left, client);
    let seen = stage.hear_end(Right, server);
    let waits = stage.world.state(Left) == State::FinWait1 && stage.world.state(Right) == State::CloseWait;
    stage.check("the server has the FIN; the client cannot know, and stays in FIN-WAIT-1", seen && waits);
    let on = stage.reaches(Left, State::FinWait2);
    let fins = stage.count(|segment| segment.from == Left && segment.flags.has(Flags::FIN));
    stage.check("the client sends its FIN again, the server acknowledges it again", on && fins >= 2);
    stage.pause();
    stage.close(Right, server);
    stage.hear_end(Left, client);
    stage.reaches(Right, State::Closed);
    let once = stage.went(Right, &[State::CloseWait, State::LastAck, State::Closed]);
    stage.check("to the server the second FIN is a repeat: it changes nothing", once);
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}

pub(super) fn lost_last_ack(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    stage.greet(Left, handles);
    // After the client's FIN every bare ACK of the client answers the server's FIN.
    let ack = Rule::first("the last ACK", 1, Verdict::Lose, |sight| sight.is_bare_ack(Left) && sight.segment.seq == 7);
    stage.world.rules.push(ack);
    stage.part(Left, handles);
    let fins: Vec<u32> = stage
        .segments()
        .filter(|(_, segment)| segment.from == Right && segment.flags.has(Flags::FIN))
        .map(|(_, segment)| segment.seq)
        .collect();
    let again = fins.len() >= 2 && fins.iter().all(|number| *number == fins[0]);
    stage.check("the server, in LAST-ACK, sends its FIN again", again);
    let answers = stage.count(|segment| segment.from == Left && segment.flags == Flags::ACK && segment.seq == 7);
    let waits = stage.world.state(Left) == State::TimeWait && stage.world.state(Right) == State::Closed;
    stage.check("the client answers it from TIME-WAIT, and the server is done", answers >= 2 && waits);
    stage.both_graceful(handles, BY_US);
    let outcome = stage.finish_after_wait(Left, handles);
    let claim = |check: crate::tour::Check| match check.claim.starts_with("TIME-WAIT lasted") {
        true => crate::tour::Check { claim: format!("{}, counted from that repeated FIN", check.claim), ..check },
        false => check,
    };
    Outcome { checks: outcome.checks.into_iter().map(claim).collect(), ..outcome }
}

pub(super) fn fin_overtakes_data(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.pause();
    let late = Verdict::Hold(Duration::from_millis(60));
    let data = Rule::first("the data", 1, late, |sight| sight.segment.from == Left && sight.segment.len > 0);
    stage.world.rules.push(data);
    stage.say(Left, client, b"hello");
    stage.pause();
    stage.shut_down(Left, client);
    stage.world.run_for(Duration::from_millis(25));
    let open = stage.world.state(Right) == State::Established;
    let nothing = stage.world.read(Right, server) == adieu_sim::Heard::Nothing;
    stage.check(
        "a FIN that overtakes data is no end of the stream yet: the server stays in ESTABLISHED",
        open && nothing,
    );
    let whole = stage.hear(Right, server) == b"hello" && stage.hear_end(Right, server);
    stage.check("once the data is there, the server reads it, then the end of the stream", whole);
    stage.reaches(Left, State::FinWait2);
    stage.pause();
    stage.close(Right, server);
    stage.hear_end(Left, client);
    stage.reaches(Right, State::Closed);
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}
