//! A program ends, and with it all its connections.

use adieu_core::{Duration, HandleId};
use adieu_sim::{Heard, World};
use adieu_trace::Side::{Left, Right};

use super::orderly::BY_US;
use super::stage::{SOON, Stage, pattern};
use crate::tour::{Options, Outcome};

/// Written in the last moment on one of the connections.
const LAST: usize = 100_000;

/// One of the program's connections.
struct Line {
    what: &'static str,
    /// How it ends at the program's and at the server's end.
    names: [&'static str; 2],
    handles: [HandleId; 2],
    /// What the server has read.
    got: Vec<u8>,
    closed: bool,
}

pub(super) fn program_exit(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let mut lines = open_all(&mut stage);
    // The last one has just begun when the program ends.
    let attempt = stage.world.connect_anew(Left);
    let now = stage.world.now();
    stage.world.note(Left, "exit: close everything");
    stage.world.host(Left).stack.close_all(now);
    answer_all(&mut stage, &mut lines);
    let drained = stage.world.host(Left).stack.is_drained();
    stage.check("one call closes them all, and says when that is done", drained);
    for line in &lines {
        let names = [Left, Right].map(|side| stage.ending(side, line.handles[side as usize]));
        stage.check(format!("{}: {} and {}", line.what, line.names[0], line.names[1]), names == line.names.map(Some));
    }
    let whole = lines.iter().find(|line| line.what == WRITTEN).is_some_and(|line| line.got == pattern(LAST));
    stage.check("all that was written before still reaches the server", whole);
    let cancelled = stage.ending(Left, attempt) == Some("cancelled");
    stage.check("an attempt to connect that was not answered yet: cancelled", cancelled);
    for line in &lines[1..] {
        stage.keep(line.what, line.handles.map(Some));
    }
    stage.keep("not answered yet", [Some(attempt), None]);
    for line in &lines[1..] {
        stage.release(line.handles);
    }
    stage.world.release(Left, attempt);
    stage.finish(lines[0].handles.map(Some))
}

/// Its connections do not all end by themselves, and it does not wait for ever.
pub(super) fn program_exit_deadline(options: &Options) -> Outcome {
    let mut stage = Stage::with(options, |setup| setup.config[1].receive_buffer = 4_096);
    let silent = stage.establish();
    stage.greet(Left, silent);
    let stuck = stage.open();
    stage.world.write(Left, stuck[0], &pattern(LAST));
    stage.until(|world| world.host(Right).stack.unread(stuck[1]) == 4_096);
    let idle = stage.open();
    stage.pause();
    stage.world.note(Left, "exit: close everything, in 5 s");
    let began = stage.world.now();
    stage.world.host(Left).stack.close_all(began);
    stage.until(|world| world.read(Right, idle[1]) == Heard::EndOfStream);
    stage.world.close(Right, idle[1]);
    stage.wait_until(began + Duration::from_secs(5));
    let waits = !stage.world.host(Left).stack.is_drained();
    stage.check("one server does not close, one does not read: after 5 s not everything has ended", waits);
    let graceful = [Left, Right].map(|side| stage.ending(side, idle[side as usize])) == BY_US.map(Some);
    stage.check("what could end well, did", graceful);
    stage.world.note(Left, "(deadline: reset the rest)");
    let now = stage.world.now();
    stage.world.host(Left).stack.abort_all(now);
    let drained = stage.world.host(Left).stack.is_drained();
    let named = [silent, stuck].map(|line| stage.ending(Left, line[0])) == [Some("aborted-stack-shutdown"); 2];
    stage.check("the rest is given up with a reset each: the program is free to go", drained && named);
    for line in [silent, stuck] {
        if !stage.world.run_until(Duration::from_secs(2), |world| world.receipt(Right, line[1]).is_some()) {
            stage.world.write(Right, line[1], b"still there?");
            stage.until(|world| world.receipt(Right, line[1]).is_some());
        }
    }
    let told = [silent, stuck].map(|line| stage.ending(Right, line[1])) == [Some("reset-by-peer"); 2];
    stage.check("both servers are told", told);
    let missing = stage.receipts(stuck.map(Some))[0].is_some_and(|receipt| receipt.undelivered() > 90_000);
    stage.check("the receipt of the one that did not read counts what is undelivered", missing);
    stage.keep("its server does not read", stuck.map(Some));
    stage.keep("idle", idle.map(Some));
    stage.release(stuck);
    stage.release(idle);
    stage.finish(silent.map(Some))
}

const WRITTEN: &str = "100,000 bytes just written";

fn open_all(stage: &mut Stage) -> Vec<Line> {
    let first = stage.establish();
    stage.greet(Left, first);
    let line = |what, names, handles| Line { what, names, handles, got: Vec::new(), closed: false };
    let mut lines = vec![line("idle", BY_US, first)];
    let handles = stage.open();
    stage.world.shut_down(Left, handles[0]);
    stage.until(|world| world.read(Right, handles[1]) == Heard::EndOfStream);
    lines.push(line("half-closed by the program", BY_US, handles));
    let handles = stage.open();
    stage.world.shut_down(Right, handles[1]);
    stage.until(|world| world.read(Left, handles[0]) == Heard::EndOfStream);
    lines.push(line("half-closed by the server", ["graceful-peer-first", "graceful-local-first"], handles));
    let handles = stage.open();
    stage.world.write(Right, handles[1], b"news");
    stage.until(|world| world.leftover(Left).bytes == 4);
    lines.push(line("4 bytes unread", ["aborted-close-with-unread", "reset-by-peer"], handles));
    let handles = stage.open();
    stage.world.write(Left, handles[0], &pattern(LAST));
    lines.push(line(WRITTEN, BY_US, handles));
    lines
}

/// The server reads every connection to its end, then closes it. A connection it hears nothing of, it asks.
fn answer_all(stage: &mut Stage, lines: &mut [Line]) {
    for patience in [Duration::from_secs(3), SOON] {
        let over = stage.world.run_until(patience, |world| {
            for line in lines.iter_mut().filter(|line| !line.closed) {
                line.answer(world);
            }
            lines.iter().all(|line| line.is_over(world)) && world.host(Left).stack.is_drained()
        });
        if over {
            return;
        }
        for line in lines.iter() {
            stage.world.write(Right, line.handles[1], b"still there?");
        }
    }
}

impl Line {
    fn answer(&mut self, world: &mut World) {
        match world.read(Right, self.handles[1]) {
            Heard::Data(data) => self.got.extend(data),
            Heard::EndOfStream => {
                self.closed = true;
                if self.what == "idle" {
                    world.note(Right, "read: end of stream");
                    world.note(Right, "close");
                }
                world.close(Right, self.handles[1]);
            }
            Heard::Nothing | Heard::Failed(_) => {}
        }
    }

    fn is_over(&self, world: &mut World) -> bool {
        [Left, Right].iter().all(|side| world.host(*side).stack.receipt(self.handles[*side as usize]).is_some())
    }
}
