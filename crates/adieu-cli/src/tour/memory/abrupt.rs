//! Connections that end with a reset.

use adieu_core::wire::Flags;
use adieu_core::{HandleId, State};
use adieu_sim::{Forged, Heard, World};
use adieu_trace::Side::{self, Left, Right};

use super::orderly::BY_US;
use super::stage::Stage;
use crate::tour::{Options, Outcome};

/// Whether two reads in a row fail: an error never turns into an end of the stream.
fn stays_an_error(world: &mut World, side: Side, handle: HandleId) -> bool {
    (0..2).all(|_| matches!(world.read(side, handle), Heard::Failed(_)))
}

impl Stage {
    /// Whether an end's connection ended with this name.
    fn ended(&mut self, side: Side, handle: HandleId, name: &str) -> bool {
        self.ending(side, handle) == Some(name)
    }
}

pub(super) fn abort(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    stage.say(Left, client, b"no, wait");
    stage.world.note(Left, "abort");
    stage.world.abort(Left, client);
    let gone = stage.world.state(Left) == State::Closed && stage.ended(Left, client, "aborted-by-call");
    stage.check("the client is free at once, without TIME-WAIT", gone);
    stage.learns(Right, server);
    let told = stage.ended(Right, server, "reset-by-peer");
    stage.check("the server is told: its receipt says reset by the peer", told);
    while matches!(stage.world.read(Right, server), Heard::Data(_)) {}
    let sticky = stays_an_error(&mut stage.world, Right, server);
    stage.check("every read of the server fails from there on; none turns into an end of the stream", sticky);
    let receipts = stage.receipts(handles.map(Some));
    let counted = receipts[0].is_some_and(|receipt| receipt.undelivered() == 8 && receipt.sent == 13);
    stage.check("the client's receipt counts the 8 bytes that were not acknowledged", counted);
    stage.finish(handles.map(Some))
}

pub(super) fn close_unread(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.say(Right, server, b"important");
    stage.until(|world| world.host(Right).stack.room(server) > 0 && world.leftover(Left).bytes == 9);
    stage.pause();
    stage.close(Left, client);
    let unread = stage.receipts(handles.map(Some))[0].is_some_and(|receipt| receipt.unread == 9);
    let gave_up = stage.ended(Left, client, "aborted-close-with-unread");
    stage.check("the client closes with 9 bytes unread: its receipt says so", gave_up && unread);
    stage.learns(Right, server);
    let told = stage.ended(Right, server, "reset-by-peer");
    stage.check("that is a reset, not a FIN: the server is not told that its words were taken", told);
    let fins = stage.count(|segment| segment.flags.has(Flags::FIN));
    stage.check("no FIN was sent", fins == 0);
    stage.finish(handles.map(Some))
}

pub(super) fn data_after_close(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    stage.close(Left, client);
    stage.hear_end(Right, server);
    stage.reaches(Left, State::FinWait2);
    stage.pause();
    stage.say(Right, server, b"one more thing");
    stage.learns(Right, server);
    let gave_up = stage.ended(Left, client, "aborted-data-after-close");
    stage.check("nobody reads at the client any more: data draws a reset", gave_up);
    let told = stage.ended(Right, server, "reset-by-peer");
    let undelivered = stage.receipts(handles.map(Some))[1].is_some_and(|receipt| receipt.undelivered() >= 14);
    stage.check("the server's receipt says reset, and counts its words as undelivered", told && undelivered);
    stage.finish(handles.map(Some))
}

pub(super) fn linger_zero(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    let now = stage.world.now();
    stage.world.note(Left, "linger: 0 s");
    stage.world.host(Left).stack.set_zero_linger(now, client, true);
    stage.close(Left, client);
    let gone = stage.world.state(Left) == State::Closed && stage.ended(Left, client, "aborted-linger-zero");
    stage.check("close with a linger time of 0 is a reset: the client is free at once", gone);
    stage.learns(Right, server);
    let told = stage.ended(Right, server, "reset-by-peer");
    stage.check("the server's receipt says reset by the peer, though all data had arrived", told);
    let sticky = stays_an_error(&mut stage.world, Right, server);
    stage.check("its reads fail: it has not seen an end of the stream, and must not believe it has all", sticky);
    stage.finish(handles.map(Some))
}

pub(super) fn refused(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let client = stage.world.connect(Left);
    stage.until(|world| world.host(Left).stack.receipt(client).is_some());
    stage.world.note(Left, "error: refused");
    let refused = stage.ended(Left, client, "refused");
    stage.check("nobody listens: the SYN draws a reset, and connect fails at once, not after a timeout", refused);
    let empty = stage.is_empty(Right);
    stage.check("the server's host keeps nothing of it", empty);
    stage.finish([Some(client), None])
}

pub(super) fn connect_cancelled(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    stage.world.listen(Right);
    let client = stage.world.connect(Left);
    stage.world.run_for(adieu_core::Duration::from_millis(15));
    stage.close(Left, client);
    let cancelled = stage.ended(Left, client, "cancelled") && stage.world.state(Left) == State::Closed;
    stage.check("closed in SYN-SENT: cancelled, and the port is free", cancelled);
    let forgotten = stage.until(|world| world.leftover(Right) == adieu_core::Leftover::default());
    let answered = stage.count(|segment| segment.from == Left && segment.flags.has(Flags::RST));
    let tried = stage.count(|segment| segment.from == Right && segment.flags.has(Flags::SYN));
    stage.check("the answer to the SYN, which comes too late, draws a reset", answered > 0 || tried == 0);
    let unheard = stage.world.host(Right).accept().is_none();
    stage.check("the server forgets the half-open connection; its application never hears of it", forgotten && unheard);
    stage.finish([Some(client), None])
}

pub(super) fn peer_forgot(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    // A host that loses its power resets nobody.
    stage.world.wire.loss = 1_000_000;
    stage.world.note(Right, "(power fails)");
    stage.world.abort(Right, server);
    stage.world.run_for(adieu_core::Duration::from_millis(1));
    stage.world.run_for(adieu_core::Duration::from_secs(5));
    stage.world.wire.loss = 0;
    stage.world.note(Right, "(back, with empty memory)");
    let unaware = stage.world.state(Left) == State::Established;
    stage.check("a peer that vanishes without a word is not noticed while nothing is sent", unaware);
    stage.say(Left, client, b"are you well?");
    stage.learns(Left, client);
    let told = stage.ended(Left, client, "reset-by-peer");
    stage.check("the first data draws a reset from the host that knows nothing of the connection", told);
    let undelivered = stage.receipts(handles.map(Some))[0].is_some_and(|receipt| receipt.undelivered() >= 13);
    stage.check("the client's receipt counts it as undelivered", undelivered);
    stage.finish(handles.map(Some))
}

pub(super) fn spoofed_reset(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    stage.greet(Left, handles);
    // What the server expects next is 6; a guess into its window is beyond that.
    let guess = |stage: &mut Stage, seq: u32| {
        stage.world.note(Left, format!("(a stranger forges RST {seq})"));
        stage.world.forge(Right, Forged { flags: Flags::RST, seq, ack: 1, data: &[] });
        let before = stage.segments().count();
        stage.pause();
        stage.segments().skip(before).any(|(_, segment)| segment.from == Right && segment.flags == Flags::ACK)
    };
    let challenged = guess(&mut stage, 1000);
    stage.check("a reset within the window, but not exactly at the next number, draws a challenge ACK", challenged);
    let alive = stage.world.state(Right) == State::Established;
    stage.check("the connection lives on: a stranger would have to guess one number in 4,294,967,296", alive);
    let silent = !guess(&mut stage, 1_000_000);
    let alive = stage.world.state(Right) == State::Established;
    stage.check("one outside the window is not even answered", silent && alive);
    stage.part(Left, handles);
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}
