//! One end closes, then the other; or both at once.

use adieu::State;
use adieu_core::wire::Flags;
use adieu_sim::Rule;
use adieu_trace::Side;

use super::stage::{CLIENT, HELD, SERVER, Stage};

/// What is sent into a half-closed connection.
const MUCH: usize = 1_000_000;

pub(super) async fn four_way(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    stage.shut_down(CLIENT).await;
    let seen = stage.hear_end(SERVER).await;
    stage.check("the server reads the end of the stream after the client's last byte", seen);
    let half = stage.until(|stage| stage.states() == [State::FinWait2, State::CloseWait]).await;
    stage.check(
        "half-closed: the client waits in FIN-WAIT-2 once its FIN is acknowledged, the server in CLOSE-WAIT",
        half,
    );
    stage.say(SERVER, b"goodbye").await;
    let heard = stage.hear(CLIENT).await == b"goodbye";
    stage.pause().await;
    stage.close(SERVER);
    let seen = stage.hear_end(CLIENT).await;
    stage.check("the client still receives what the server says after that, then the end of the stream", heard && seen);
    stage.check_goodbye(CLIENT).await;
}

pub(super) async fn server_first(stage: &mut Stage) {
    stage.establish().await;
    stage.say(CLIENT, b"one page, please").await;
    stage.hear(SERVER).await;
    stage.pause().await;
    stage.say(SERVER, b"here it is").await;
    stage.close(SERVER);
    let whole = stage.hear(CLIENT).await == b"here it is" && stage.hear_end(CLIENT).await;
    stage.check("the client reads all that was written before the close, then the end of the stream", whole);
    stage.reaches(SERVER, State::FinWait2).await;
    stage.pause().await;
    stage.close(CLIENT);
    stage.check_goodbye(SERVER).await;
}

pub(super) async fn three_segments(stage: &mut Stage) {
    stage.establish().await;
    // A server that has answered once expects to answer again, and keeps its ACKs for that.
    stage.greet(CLIENT).await;
    stage.greet(SERVER).await;
    stage.shut_down(CLIENT).await;
    let seen = stage.hear_end(SERVER).await;
    stage.close(SERVER);
    let both = stage.hear_end(CLIENT).await && seen;
    stage.check("both read the end of the stream", both);
    stage.until(|stage| stage.states() == [State::TimeWait, State::Closed]).await;
    let closing: Vec<Flags> = {
        let seen = stage.watch.seen();
        let from = seen.segments().skip_while(|(_, segment)| !segment.flags.has(Flags::FIN));
        from.map(|(_, segment)| segment.flags).collect()
    };
    let fin = Flags::from_bits(Flags::FIN.bits() | Flags::ACK.bits());
    stage.check("three segments close both directions: FIN, FIN with the ACK of the first, ACK", {
        closing == [fin, fin, Flags::ACK]
    });
    let skips = stage.went(CLIENT, &[State::FinWait1, State::TimeWait]);
    stage.check("the client skips FIN-WAIT-2", skips);
}

pub(super) async fn last_words(stage: &mut Stage) {
    stage.establish().await;
    stage.pause().await;
    if let Some(end) = stage.end(CLIENT) {
        end.cork();
    }
    stage.say(CLIENT, b"that was all").await;
    stage.shut_down(CLIENT).await;
    let whole = stage.hear(SERVER).await == b"that was all" && stage.hear_end(SERVER).await;
    stage.check("the server reads every byte, then the end of the stream", whole);
    let rides = stage.watch.seen().segments().any(|(_, segment)| segment.flags.has(Flags::FIN) && segment.len == 12);
    stage.check("the FIN rides on the last data", rides);
    stage.reaches(CLIENT, State::FinWait2).await;
    stage.pause().await;
    stage.close(SERVER);
    stage.hear_end(CLIENT).await;
    stage.check_goodbye(CLIENT).await;
}

pub(super) async fn half_close_client(stage: &mut Stage) {
    half_close(stage, CLIENT).await;
}

pub(super) async fn half_close_server(stage: &mut Stage) {
    half_close(stage, SERVER).await;
}

/// `first` is done; the other sends much, then closes.
async fn half_close(stage: &mut Stage, first: Side) {
    let second = first.other();
    let [silent, speaking] = [first, second].map(|side| stage.who(side));
    stage.establish().await;
    stage.greet(first).await;
    stage.shut_down(first).await;
    let seen = stage.hear_end(second).await;
    let half = stage.until(|stage| stage.state(first) == State::FinWait2).await;
    let half = half && seen && stage.state(second) == State::CloseWait;
    stage.check(format!("{silent}'s direction is closed and acknowledged, {speaking}'s is open"), half);
    let whole = stage.pour(second, MUCH).await;
    stage.check(format!("1,000,000 bytes reach {silent} after its FIN, every one right"), whole);
    let still = stage.state(first) == State::FinWait2 && stage.went(first, &[State::FinWait1, State::FinWait2]);
    stage.check(format!("{silent} was in FIN-WAIT-2 all that time"), still);
    stage.close(second);
    let seen = stage.hear_end(first).await;
    stage.check("then it reads the end of the stream", seen);
    stage.check_goodbye(first).await;
}

/// The first segment of each end with `flag` is held back until both are under way: they cross.
async fn cross(stage: &mut Stage, flag: Flags) {
    let crossing = stage.until(|stage| [CLIENT, SERVER].iter().all(|side| stage.count(*side, flag) > 0)).await;
    stage.check("neither end has seen the other's when it sends its own", crossing);
    stage.release_held();
}

fn hold_first(stage: &Stage, flag: Flags) {
    for side in [CLIENT, SERVER] {
        stage.rule(Rule::first("the first of each", 1, HELD, move |sight| sight.is(side, flag)));
    }
}

/// Both close in the same moment, read to the end, and wait.
async fn part_at_once(stage: &mut Stage) {
    hold_first(stage, Flags::FIN);
    for side in [CLIENT, SERVER] {
        stage.shut_down(side).await;
    }
    cross(stage, Flags::FIN).await;
    let read = stage.hear_end(CLIENT).await && stage.hear_end(SERVER).await;
    stage.check("both read the end of the stream", read);
    let waiting = stage.until(|stage| stage.states() == [State::TimeWait; 2]).await;
    let path = [State::FinWait1, State::Closing, State::TimeWait];
    let both = [CLIENT, SERVER].iter().all(|side| stage.went(*side, &path));
    stage.check("their FINs cross: both go from FIN-WAIT-1 through CLOSING to TIME-WAIT", waiting && both);
    let named = stage.receipt().is_some_and(|receipt| receipt.ending.name() == "graceful-simultaneous");
    stage.check("our receipt says graceful, closed by both at once", named);
}

pub(super) async fn simultaneous(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    part_at_once(stage).await;
}

pub(super) async fn simultaneous_open(stage: &mut Stage) {
    hold_first(stage, Flags::SYN);
    let met = stage.meet([7000, 80]).await;
    stage.until(|stage| stage.states() == [State::Established; 2]).await;
    let path = [State::SynSent, State::SynReceived, State::Established];
    let both = [CLIENT, SERVER].iter().all(|side| stage.went(*side, &path));
    stage.check("two ends that connect to each other, nobody listening, get one connection", met);
    stage.check("their SYNs cross, and both go from SYN-SENT through SYN-RECEIVED to ESTABLISHED", both);
    stage.say(CLIENT, b"hello").await;
    let heard = stage.hear(SERVER).await == b"hello";
    stage.check("it carries data", heard);
    stage.acknowledged(CLIENT).await;
    part_at_once(stage).await;
}
