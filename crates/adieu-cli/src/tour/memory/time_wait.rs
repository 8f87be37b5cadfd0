//! What TIME-WAIT does, and when it is over.

use adieu_core::wire::Flags;
use adieu_core::{ConnectError, Duration, HandleId, Receipt, State};
use adieu_sim::{Forged, Goal, Heard, Rule, Setup, Sight, Verdict, World};
use adieu_trace::Side::{self, Left, Right};

use super::orderly::{BY_PEER, BY_US};
use super::stage::{EVER, Stage};
use crate::tour::{Options, Outcome};

impl Stage {
    /// A connection from the client's own port, or why not.
    pub(super) fn connect_again(&mut self) -> Result<HandleId, ConnectError> {
        let port = self.world.host(Left).address.port();
        self.world.note(Left, format!("connect from {port} again"));
        let made = self.world.try_connect(Left);
        if let Err(ConnectError::InUse(_)) = made {
            self.world.note(Left, "error: address in use");
        }
        made
    }

    /// A short second life. The server says goodbye first, so that the client is free at once.
    pub(super) fn live_again(&mut self, client: HandleId) -> bool {
        let Some(server) = self.accept_silently() else { return false };
        let handles = [client, server];
        let heard = self.pour(Left, handles, b"hello");
        self.world.shut_down(Right, server);
        let ended = |side: Side, handle| move |world: &mut World| world.read(side, handle) == Heard::EndOfStream;
        let client_heard = self.until(ended(Left, client));
        self.world.close(Left, client);
        let server_heard = self.until(ended(Right, server));
        let graceful = |receipt: &Option<Receipt>| receipt.is_some_and(|receipt| receipt.ending.is_graceful());
        let over = self.until(|world| {
            let receipts =
                [(Left, client), (Right, server)].map(|(side, handle)| world.host(side).stack.receipt(handle));
            receipts.iter().all(graceful)
        });
        self.keep("the second connection", handles.map(Some));
        self.release(handles);
        heard && client_heard && server_heard && over
    }
}

/// A connection that the client has closed first: it is in TIME-WAIT.
pub(super) fn parted(options: &Options) -> (Stage, [HandleId; 2]) {
    parted_with(options, |_| {})
}

pub(super) fn parted_with(options: &Options, change: impl FnOnce(&mut Setup)) -> (Stage, [HandleId; 2]) {
    let mut stage = Stage::with(options, change);
    let handles = stage.establish();
    stage.greet(Left, handles);
    stage.part(Left, handles);
    (stage, handles)
}

pub(super) fn time_wait(options: &Options) -> Outcome {
    let mut checks = Vec::new();
    let mut shown = None;
    for secs in [30, 60, 120] {
        let mut outcome = one_wait(&Options { time_wait: Some(Duration::from_secs(secs)), ..options.clone() });
        checks.append(&mut outcome.checks);
        if secs == 30 {
            shown = Some(outcome);
        }
    }
    let shown = shown.expect("30 s is one of them");
    Outcome { checks, ..shown }
}

fn one_wait(options: &Options) -> Outcome {
    let (mut stage, handles) = parted(options);
    let receipts = stage.receipts(handles.map(Some));
    stage.release(handles);
    let during = stage.world.leftover(Left);
    let small = (during.time_waits, during.connections, during.bytes) == (1, 0, 0) && stage.is_empty(Right);
    let wait = adieu_trace::human(stage.time_wait());
    stage.check(format!("{wait}: while it lasts, the client keeps a record and no buffers; the server nothing"), small);
    stage.world.run_to(EVER, &Goal::State(Left, State::Closed));
    stage.check_wait(Left);
    let empty = stage.is_empty(Left);
    stage.check("then the record is gone, and nothing else was there", empty);
    let trace = stage.world.trace().clone();
    let again = stage.connect_again();
    let lives = again.is_ok_and(|client| stage.live_again(client));
    stage.check("and the same port serves a new connection", lives);
    let outcome = stage.finish([None; 2]);
    Outcome { trace, receipts, others: Vec::new(), ..outcome }
}

pub(super) fn time_wait_refuses_port(options: &Options) -> Outcome {
    let (mut stage, handles) = parted(options);
    stage.pause();
    let refused = matches!(stage.connect_again(), Err(ConnectError::InUse(_)));
    stage.check("the port is still taken: address in use", refused);
    let client = stage.world.connect_anew(Left);
    let port = stage.world.host(Left).stack.flow(client).map(|flow| flow.local().port());
    stage.world.note(Left, format!("connect from {}", port.unwrap_or(0)));
    let lives = stage.live_again(client);
    stage.check("another port serves at once", lives && port.is_some_and(|port| port != options.port));
    let undisturbed = stage.world.state(Left) == State::TimeWait;
    stage.check("the record stays", undisturbed);
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}

pub(super) fn time_wait_reopened(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    stage.greet(Left, handles);
    stage.part(Right, handles);
    let receipts = stage.receipts(handles.map(Some));
    stage.both_graceful(handles, BY_PEER);
    stage.release(handles);
    stage.world.run_for(Duration::from_secs(2));
    let waits = stage.world.state(Right) == State::TimeWait && stage.is_empty(Left);
    stage.check("the server is in TIME-WAIT, the client, which closed second, is free", waits);
    let again = stage.connect_again();
    let opened = again.as_ref().is_ok_and(|_| stage.reaches(Right, State::Established));
    let syn = stage.segments().filter(|(_, segment)| segment.from == Left && segment.flags.has(Flags::SYN)).last();
    let before = stage.segments().filter(|(_, segment)| segment.from == Left && !segment.flags.has(Flags::SYN));
    let highest = before.map(|(_, segment)| segment.seq).filter(|seq| *seq < 1_000).max();
    let beyond = syn.zip(highest).is_some_and(|((_, syn), highest)| syn.seq > highest);
    stage.check("its SYN lies beyond the old numbers, so it can only be new: TIME-WAIT makes way", opened && beyond);
    let lives = again.is_ok_and(|client| stage.live_again(client));
    stage.check("the second connection lives and ends as the first did", lives);
    let outcome = stage.finish([None; 2]);
    Outcome { receipts, ..outcome }
}

/// The server's words stay under way, and arrive again in the client's TIME-WAIT, when the server has forgotten.
fn meet_old_segment(stage: &mut Stage) -> [HandleId; 2] {
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    let late = stage.time_wait() * 2 / 3;
    let data = |sight: &Sight| sight.segment.from == Right && sight.segment.len > 0;
    stage.world.rules.push(Rule::first("the server's words", 1, Verdict::Hold(late), data));
    stage.say(Right, server, b"news");
    let heard = stage.hear(Left, client) == b"news";
    stage.check("a segment stays under way; its repetition gets through", heard);
    stage.pause();
    stage.part(Left, handles);
    let held = stage
        .segments()
        .find(|(at, segment)| segment.arrives.is_some_and(|arrives| arrives.since(*at) > Duration::from_secs(1)));
    let arrival = held.and_then(|(_, segment)| segment.arrives).unwrap_or(stage.world.now());
    stage.wait_until(arrival);
    stage.world.note(Left, "(the old segment arrives)");
    let before = stage.segments().count();
    stage.pause();
    let answered = stage
        .segments()
        .skip(before)
        .chain(stage.segments().filter(|(at, _)| *at == arrival))
        .any(|(_, segment)| segment.from == Left && segment.flags == Flags::ACK);
    stage.check(
        "TIME-WAIT is there when the old segment arrives: an ACK answers it, and no new connection can read it",
        answered && held.is_some(),
    );
    stage.pause();
    stage.pause();
    handles
}

pub(super) fn old_duplicate(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = meet_old_segment(&mut stage);
    let alive = stage.world.state(Left) == State::TimeWait;
    stage.check("the server has long forgotten, and resets; TIME-WAIT does not let itself be ended by that", alive);
    let end = stage.world.read(Left, handles[0]) == Heard::EndOfStream;
    stage.check("the client's application reads nothing twice", end);
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}

pub(super) fn assassination(options: &Options) -> Outcome {
    let mut stage = Stage::with(options, |setup| setup.config[0].reset_ends_time_wait = true);
    let handles = meet_old_segment(&mut stage);
    let entered = stage.entered(Left, State::TimeWait);
    let early = entered.is_some_and(|entered| stage.world.now() < entered + stage.time_wait() - Duration::from_secs(5));
    let gone = stage.world.state(Left) == State::Closed;
    let reset = stage.segments().any(|(_, segment)| segment.from == Right && segment.flags.has(Flags::RST));
    if stage.is_lossy() && !gone {
        stage.check("the reset, or what it answers, was lost: TIME-WAIT stays", !reset || !stage.nothing_lost());
    } else {
        stage.check(
            "the server has long forgotten, and resets: with this switch, as in RFC 9293 and in Linux, TIME-WAIT is \
             over before its time (RFC 1337). Off, as it is by default, it stays: see old-duplicate",
            gone && early && reset,
        );
        let again = stage.connect_again();
        stage.check("the port is free, though old segments may still be under way", again.is_ok());
        let lives = again.is_ok_and(|client| stage.live_again(client));
        stage
            .check("this time nothing comes of it: timestamps and numbers tell the new connection from the old", lives);
    }
    stage.both_graceful(handles, BY_US);
    stage.finish(handles.map(Some))
}

pub(super) fn reset_ignored_in_time_wait(options: &Options) -> Outcome {
    let (mut stage, handles) = parted(options);
    let receipts = stage.receipts(handles.map(Some));
    let graceful = receipts[0].is_some_and(|receipt| receipt.ending.name() == BY_US[0]);
    stage.world.run_for(Duration::from_secs(5));
    // The server sent SYN and FIN: what the client expects next is 2.
    stage.world.note(Right, "(a stranger forges RST 2)");
    stage.world.forge(Left, Forged { flags: Flags::RST, seq: 2, ack: 7, data: &[] });
    let before = stage.segments().count();
    stage.pause();
    let silent = stage.segments().count() == before;
    let waits = stage.world.state(Left) == State::TimeWait;
    stage.check(
        "a reset with exactly the right number comes: TIME-WAIT stays, and says nothing (RFC 1337)",
        waits && silent,
    );
    let unchanged = stage.receipts(handles.map(Some))[0] == receipts[0];
    stage.check("the ending was decided before, and stays graceful", graceful && unchanged);
    stage.finish_after_wait(Left, handles)
}
