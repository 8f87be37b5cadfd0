//! What a full close does by its linger time, its unread data and its state (the matrix of `SO_LINGER`).

use adieu_core::wire::Flags;
use adieu_core::{Duration, HandleId, Leftover, Receipt, State};
use adieu_sim::{Goal, Rule, Verdict, World};
use adieu_trace::Side::{Left, Right};

use super::orderly::BY_US;
use super::stage::{EVER, Stage};
use super::time_wait::parted;
use crate::tour::{Options, Outcome};

/// The linger time of those who wait.
const LINGER: Duration = Duration::from_secs(1);

impl Stage {
    fn linger_zero(&mut self, handle: HandleId) {
        let now = self.world.now();
        self.world.host(Left).stack.set_zero_linger(now, handle, true);
    }

    /// What a close that waits does: until all is acknowledged, or for the linger time. Whether all was.
    fn close_and_wait(&mut self, client: HandleId) -> bool {
        self.world.note(Left, "linger: 1 s");
        self.close(Left, client);
        self.world.run_until(LINGER, |world| world.host(Left).stack.is_finished(client))
    }

    fn comes_to(&mut self, client: HandleId, state: State) -> bool {
        self.until(|world| world.host(Left).stack.state(client) == state)
    }

    fn unread(&mut self, client: HandleId) -> bool {
        self.until(|world| world.host(Left).stack.unread(client) == 4)
    }
}

// ---- before it is established ----------------------------------------------------------------------------------

pub(super) fn linger_connecting(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    stage.world.listen(Right);
    let zero = stage.world.connect(Left);
    let patient = stage.world.connect_anew(Left);
    stage.linger_zero(zero);
    stage.world.note(Left, "linger: 0 s");
    stage.world.run_for(Duration::from_millis(5));
    let before = stage.segments().count();
    stage.close(Left, zero);
    stage.world.close(Left, patient);
    let over = [zero, patient].map(|handle| stage.ending(Left, handle)) == [Some("cancelled"); 2];
    stage.check("closed in SYN-SENT: cancelled, whatever the linger time; there is nothing to wait for", over);
    stage.world.run_for(Duration::ZERO);
    let silent = stage.segments().count() == before;
    stage.check("and nothing to reset: no segment is sent", silent);
    stage.until(|world| world.leftover(Left).quarantined == 0);
    let forgotten = stage.until(|world| world.leftover(Right) == Leftover::default());
    let unheard = stage.world.host(Right).accept().is_none();
    stage.check("the server's answer comes too late and draws a reset: its application never hears of it", {
        forgotten && unheard
    });
    stage.keep("closed with a linger time of 1 s", [Some(patient), None]);
    stage.world.release(Left, patient);
    stage.finish([Some(zero), None])
}

// ---- where it is a reset ---------------------------------------------------------------------------------------

/// A connection that is brought to a state and then closed.
struct Line {
    state: State,
    handles: [HandleId; 2],
    /// It did come to that state. Where a packet was lost, it may have gone another way.
    staged: bool,
}

impl Stage {
    /// With four bytes unread at the client, in this state.
    fn unread_in(&mut self, handles: [HandleId; 2], state: State) -> Line {
        let [client, server] = handles;
        if matches!(state, State::FinWait2 | State::TimeWait) {
            self.world.shut_down(Left, client);
            self.comes_to(client, State::FinWait2);
        }
        self.world.write(Right, server, b"news");
        if matches!(state, State::CloseWait | State::LastAck | State::TimeWait) {
            self.world.shut_down(Right, server);
        }
        let mut staged = self.unread(client);
        match state {
            State::FinWait1 => self.world.shut_down(Left, client),
            State::LastAck => {
                self.comes_to(client, State::CloseWait);
                self.world.shut_down(Left, client);
            }
            _ => {}
        }
        staged &= self.comes_to(client, state);
        Line { state, handles, staged }
    }

    /// With nothing unread, in this state.
    fn brought_to(&mut self, handles: [HandleId; 2], state: State) -> Line {
        let [client, server] = handles;
        if matches!(state, State::CloseWait | State::LastAck) {
            self.world.shut_down(Right, server);
            self.comes_to(client, State::CloseWait);
        }
        if !matches!(state, State::CloseWait | State::Established) {
            self.world.shut_down(Left, client);
        }
        if state == State::Closing {
            self.world.shut_down(Right, server);
        }
        let staged =
            self.world.run_until(Duration::from_secs(3), |world| world.host(Left).stack.state(client) == state);
        Line { state, handles, staged }
    }

    /// Closes it, and checks what is left of it: a reset in that state, for this reason.
    fn close_with_reset(&mut self, line: &Line, name: &str, unread: u64) {
        self.world.close(Left, line.handles[0]);
        let receipt = self.receipts(line.handles.map(Some))[0];
        let reset = |receipt: Receipt| {
            let why = receipt.ending.name() == name && receipt.ending.state() == line.state;
            why && receipt.reset_sent && receipt.unread == unread
        };
        let other = self.is_lossy() && !line.staged;
        self.check(format!("{}: {name}", line.state), other || line.staged && receipt.is_some_and(reset));
    }

    fn finish_lines(mut self, lines: &[Line]) -> Outcome {
        // In CLOSING and LAST-ACK both FINs were under way: the server's end has all of it, and is in TIME-WAIT.
        let late = |line: &Line| matches!(line.state, State::Closing | State::LastAck);
        let knows = |world: &World, line: &Line| {
            let receipt = world.receipt(Right, line.handles[1]);
            receipt.is_some_and(|receipt| match late(line) {
                // A device without room may have kept the FIN.
                true => receipt.ending.is_graceful() || receipt.ending.name() == "reset-by-peer",
                false => receipt.ending.name() == "reset-by-peer",
            })
        };
        let all = self.until(|world| lines.iter().all(|line| knows(world, line)));
        // Whoever was not told, and may not speak any more, stays in the dark.
        let lossy = self.is_lossy();
        self.check(
            "the server's ends are told by a reset; only where both FINs had been sent it comes too late to change \
             what the server knows: it has every byte",
            all || lossy,
        );
        for line in &lines[1..] {
            self.keep(format!("in {}", line.state), line.handles.map(Some));
            self.release(line.handles);
        }
        self.finish(lines[0].handles.map(Some))
    }
}

pub(super) fn close_unread_in_every_state(options: &Options) -> Outcome {
    const WHY: &str = "aborted-close-with-unread";
    let mut stage = Stage::new(options);
    let drawn = stage.establish();
    stage.pause();
    stage.shut_down(Left, drawn[0]);
    stage.hear_end(Right, drawn[1]);
    let half = stage.comes_to(drawn[0], State::FinWait2);
    stage.pause();
    stage.say(Right, drawn[1], b"news");
    let staged = half && stage.unread(drawn[0]);
    stage.pause();
    let mut lines = vec![Line { state: State::FinWait2, handles: drawn, staged }];
    stage.world.note(Left, "close");
    stage.close_with_reset(&lines[0], WHY, 4);
    for state in [State::Established, State::FinWait1, State::CloseWait, State::LastAck] {
        let handles = stage.open();
        let line = stage.unread_in(handles, state);
        stage.close_with_reset(&line, WHY, 4);
        lines.push(line);
    }
    let handles = stage.open();
    let waiting = stage.unread_in(handles, State::TimeWait);
    stage.world.close(Left, handles[0]);
    let receipt = stage.receipts(handles.map(Some))[0];
    let waits = stage.world.host(Left).stack.state(handles[0]) == State::TimeWait;
    let graceful = receipt.is_some_and(|receipt| receipt.ending.name() == BY_US[0] && !receipt.reset_sent);
    stage.check("TIME-WAIT: graceful, as it was; the bytes are dropped, the record stays", {
        waiting.staged && waits && graceful
    });
    stage.keep("in TIME-WAIT", handles.map(Some));
    stage.release(handles);
    stage.finish_lines(&lines)
}

pub(super) fn linger_zero_in_every_state(options: &Options) -> Outcome {
    const WHY: &str = "aborted-linger-zero";
    let mut stage = Stage::new(options);
    let drawn = stage.establish();
    stage.greet(Left, drawn);
    stage.shut_down(Left, drawn[0]);
    stage.hear_end(Right, drawn[1]);
    let staged = stage.reaches(Left, State::FinWait2);
    stage.pause();
    let mut lines = vec![Line { state: State::FinWait2, handles: drawn, staged }];
    stage.world.note(Left, "linger: 0 s");
    stage.world.note(Left, "close");
    stage.linger_zero(drawn[0]);
    stage.close_with_reset(&lines[0], WHY, 0);
    for state in [State::Established, State::FinWait1, State::CloseWait, State::Closing, State::LastAck] {
        let handles = stage.open();
        stage.pause();
        let line = stage.brought_to(handles, state);
        stage.linger_zero(handles[0]);
        stage.close_with_reset(&line, WHY, 0);
        lines.push(line);
    }
    stage.finish_lines(&lines)
}

// ---- where it waits --------------------------------------------------------------------------------------------

pub(super) fn linger_in_time(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.pause();
    stage.say(Left, client, b"that was all");
    let began = stage.world.now();
    let done = stage.close_and_wait(client);
    let took = stage.world.now().since(began);
    stage.world.note(Left, "(close returns)");
    let soon = took < Duration::from_millis(100) || stage.is_lossy();
    stage.check("close returns when data and FIN are acknowledged: one round trip, not a second", done && soon);
    let unread = stage.world.host(Right).stack.unread(server) == 12;
    stage.check("that is the server's TCP: its application has read nothing yet", unread);
    let half = stage.world.state(Left) == State::FinWait2;
    stage.check("it waits neither for the server's FIN nor for TIME-WAIT", half);
    let whole = stage.hear(Right, server) == b"that was all" && stage.hear_end(Right, server);
    stage.close(Right, server);
    stage.reaches(Right, State::Closed);
    stage.check("the server reads every byte", whole);
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}

/// The client has written its last word, and nothing of it gets through for three seconds.
fn cut_off(options: &Options) -> (Stage, [HandleId; 2]) {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    stage.greet(Left, handles);
    let back = stage.world.now() + Duration::from_secs(3);
    stage.world.note(Left, "(the wire takes nothing for 3 s)");
    let cut = move |sight: &adieu_sim::Sight| if sight.at < back { Verdict::Lose } else { Verdict::Pass };
    stage.world.rules.push(Rule::new("cut", cut));
    stage.say(Left, handles[0], b"goodbye");
    let done = stage.close_and_wait(handles[0]);
    stage.world.note(Left, "(linger time over: 8 missing)");
    let unacknowledged = stage.world.host(Left).stack.unacknowledged(handles[0]);
    stage.check("after 1 s close returns: 7 bytes and the FIN are not acknowledged", !done && unacknowledged == 7);
    (stage, handles)
}

pub(super) fn linger_continues(options: &Options) -> Outcome {
    let (mut stage, [client, server]) = cut_off(options);
    stage.drop_handle(Left, client);
    let goes_on = stage.world.leftover(Left).orphans == 1 && stage.world.state(Left) == State::FinWait1;
    stage.check("by default the connection goes on without its application, as in POSIX: an orphan", goes_on);
    let whole = stage.hear(Right, server) == b"goodbye" && stage.hear_end(Right, server);
    stage.check("when the wire is back, the server reads the last word, then the end of the stream", whole);
    stage.pause();
    stage.close(Right, server);
    stage.reaches(Right, State::Closed);
    stage.until(|world| world.state(Left) != State::FinWait2);
    let ours = stage.dropped(Left, |_| true);
    let theirs = stage.receipts([None, Some(server)])[1];
    stage.check("both ends graceful after all", {
        [ours, theirs].iter().all(|receipt| receipt.is_some_and(|receipt| receipt.ending.is_graceful()))
    });
    let outcome = stage.finish([None, Some(server)]);
    Outcome { receipts: [ours, theirs], ..outcome }
}

pub(super) fn linger_gives_up(options: &Options) -> Outcome {
    let (mut stage, handles) = cut_off(options);
    let [client, server] = handles;
    stage.world.note(Left, "(as chosen: give up)");
    stage.world.linger_expired(Left, client);
    let gone = stage.ending(Left, client) == Some("aborted-linger-expired") && stage.world.state(Left) == State::Closed;
    stage.check("by choice the connection is given up: a reset, and the client's end is free", gone);
    let receipt = stage.receipts(handles.map(Some))[0];
    stage.check("its receipt says that 7 bytes are undelivered", {
        receipt.is_some_and(|receipt| receipt.undelivered() == 7 && receipt.reset_sent)
    });
    let unaware = stage.world.state(Right) == State::Established;
    stage.wait_until(stage.world.now() + Duration::from_secs(3));
    stage.check("the reset was lost, as all was: the server still waits", {
        unaware && stage.world.state(Right) == State::Established
    });
    stage.learns(Right, server);
    let told = stage.ending(Right, server) == Some("reset-by-peer");
    stage.check("what it says when the wire is back draws another reset: quarantine remembers", told);
    stage.finish(handles.map(Some))
}

pub(super) fn linger_in_time_wait(options: &Options) -> Outcome {
    let (mut stage, handles) = parted(options);
    let receipt = stage.receipts(handles.map(Some))[0];
    stage.linger_zero(handles[0]);
    stage.world.note(Left, "linger: 0 s");
    let before = stage.segments().count();
    stage.close(Left, handles[0]);
    stage.pause();
    let silent = stage.segments().count() == before;
    let waits = stage.world.state(Left) == State::TimeWait && stage.world.leftover(Left).time_waits == 1;
    stage.check("a close with a linger time of 0 in TIME-WAIT sends nothing, and the record stays", silent && waits);
    stage.world.abort(Left, handles[0]);
    stage.world.note(Left, "abort");
    stage.pause();
    let waits = stage.world.state(Left) == State::TimeWait && stage.segments().count() == before;
    stage.check("so does an abort: it is the network's protection, not the application's to give up", waits);
    let unchanged = stage.receipts(handles.map(Some))[0] == receipt;
    stage.check("the receipt is the one it was", unchanged);
    stage.both_graceful(handles, BY_US);
    stage.world.run_to(EVER, &Goal::State(Left, State::Closed));
    let resets = stage.count(|segment| segment.flags.has(Flags::RST));
    stage.check("no reset was sent at all", resets == 0);
    stage.finish_after_wait(Left, handles)
}
