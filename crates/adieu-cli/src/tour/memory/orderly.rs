//! One end closes, then the other.

use adieu_core::State;
use adieu_core::wire::Flags;
use adieu_sim::Heard;
use adieu_trace::Side::{Left, Right};

use super::stage::Stage;
use crate::tour::{Options, Outcome};

pub(super) const BY_US: [&str; 2] = ["graceful-local-first", "graceful-peer-first"];
pub(super) const BY_PEER: [&str; 2] = ["graceful-peer-first", "graceful-local-first"];
/// What is sent into a half-closed connection.
const MUCH: usize = 1_000_000;

pub(super) fn four_way(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    stage.shut_down(Left, client);
    let seen = stage.hear_end(Right, server);
    stage.check("the server reads the end of the stream after the client's last byte", seen);
    let half = stage.reaches(Left, State::FinWait2) && stage.world.state(Right) == State::CloseWait;
    stage.check(
        "half-closed: the client waits in FIN-WAIT-2 once its FIN is acknowledged, the server in CLOSE-WAIT",
        half,
    );
    stage.say(Right, server, b"goodbye");
    stage.hear(Left, client);
    stage.pause();
    stage.close(Right, server);
    let seen = stage.hear_end(Left, client);
    stage.check("the client still receives what the server says after that, then the end of the stream", seen);
    let closed = stage.reaches(Right, State::Closed);
    let waits = stage.world.state(Left) == State::TimeWait;
    stage.check("the server, which closed second, is done at once; the client, which closed first, waits", {
        closed && waits
    });
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}

pub(super) fn server_first(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.say(Left, client, b"one page, please");
    stage.hear(Right, server);
    stage.pause();
    stage.say(Right, server, b"here it is");
    stage.close(Right, server);
    let words = stage.hear(Left, client);
    let seen = words == b"here it is" && stage.hear_end(Left, client);
    stage.check("the client reads all that was written before the close, then the end of the stream", seen);
    stage.reaches(Right, State::FinWait2);
    stage.pause();
    stage.close(Left, client);
    let closed = stage.reaches(Left, State::Closed) && stage.world.state(Right) == State::TimeWait;
    stage.check("TIME-WAIT is the server's, which closed first; the client is free at once", closed);
    let path = [State::FinWait1, State::FinWait2, State::TimeWait];
    let orderly = stage.went(Right, &path) && stage.went(Left, &[State::CloseWait, State::LastAck, State::Closed]);
    stage.check(
        "the server goes through FIN-WAIT-1 and FIN-WAIT-2, the client through CLOSE-WAIT and LAST-ACK",
        orderly,
    );
    stage.both_graceful(handles, BY_PEER);
    stage.finish_after_wait(Right, handles)
}

pub(super) fn three_segments(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    stage.shut_down(Left, client);
    stage.world.prompt = true;
    stage.until(|world| world.read(Right, server) == Heard::EndOfStream);
    stage.world.prompt = false;
    stage.world.note(Right, "read: end of stream");
    stage.close(Right, server);
    let seen = stage.hear_end(Left, client);
    stage.check("both read the end of the stream", seen);
    stage.reaches(Right, State::Closed);
    let fin = stage.segments().find(|(_, segment)| segment.from == Left && segment.flags.has(Flags::FIN));
    let beyond = fin.map(|(_, segment)| segment.seq + 1);
    let answer = stage.segments().find(|(_, segment)| segment.from == Right && segment.flags.has(Flags::FIN));
    let combined = answer.is_some_and(|(_, segment)| segment.ack == beyond);
    stage.check("the server's FIN acknowledges the client's FIN: one segment for both", combined);
    let later = |at| fin.is_some_and(|(first, _)| first <= at);
    let closing = stage.segments().filter(|(at, _)| later(*at)).count();
    if stage.nothing_lost() {
        let skips = stage.went(Left, &[State::FinWait1, State::TimeWait]);
        stage.check("three segments close both directions, and the client skips FIN-WAIT-2", closing == 3 && skips);
    }
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}

pub(super) fn last_words(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.pause();
    stage.say(Left, client, b"that was all");
    stage.shut_down(Left, client);
    let whole = stage.hear(Right, server) == b"that was all" && stage.hear_end(Right, server);
    stage.check("the server reads every byte, then the end of the stream", whole);
    let with_data = stage.count(|segment| segment.from == Left && segment.flags.has(Flags::FIN) && segment.len == 12);
    stage.check("the FIN rides on the last data", with_data > 0);
    stage.reaches(Left, State::FinWait2);
    stage.pause();
    stage.close(Right, server);
    stage.hear_end(Left, client);
    stage.reaches(Right, State::Closed);
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}

pub(super) fn half_close_client(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    stage.shut_down(Left, client);
    stage.hear_end(Right, server);
    let half = stage.reaches(Left, State::FinWait2) && stage.world.state(Right) == State::CloseWait;
    stage.check("the client's direction is closed and acknowledged, the server's is open", half);
    let whole = stage.pour_aloud(Right, handles, MUCH);
    stage.check("1,000,000 bytes reach the client after its FIN, every one right", whole);
    let still = stage.world.state(Left) == State::FinWait2;
    stage.check("the client was in FIN-WAIT-2 all that time", still);
    stage.pause();
    stage.close(Right, server);
    let seen = stage.hear_end(Left, client);
    stage.check("then it reads the end of the stream", seen);
    stage.reaches(Right, State::Closed);
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}

pub(super) fn half_close_server(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.say(Right, server, b"welcome, and not a word more");
    stage.shut_down(Right, server);
    stage.hear(Left, client);
    let seen = stage.hear_end(Left, client);
    stage.check("the client reads the greeting, then the end of the stream", seen);
    let half = stage.reaches(Right, State::FinWait2) && stage.world.state(Left) == State::CloseWait;
    stage.check("the server's direction is closed and acknowledged, the client's is open", half);
    let whole = stage.pour_aloud(Left, handles, MUCH);
    stage.check("1,000,000 bytes reach the server after its FIN, every one right", whole);
    stage.pause();
    stage.close(Left, client);
    let seen = stage.hear_end(Right, server);
    stage.check("then it reads the end of the stream", seen);
    stage.reaches(Left, State::Closed);
    stage.both_graceful(handles, BY_PEER);
    stage.finish_after_wait(Right, handles)
}
