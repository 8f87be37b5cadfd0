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

const WRITTEN: &str = "100,000 bytes just written";

fn open_all(stage: &mut Stage) -> Vec<Line> {
    let first = stage.establish();
    stage.greet(Left, first);
    let line = |what, names, handles| Line { what, names, handles, got: Vec::new(), closed: false };
    let mut lines = vec![line("idle", BY_US, first)];
    let handles = open(stage);
    stage.world.shut_down(Left, handles[0]);
    stage.until(|world| world.read(Right, handles[1]) == Heard::EndOfStream);
    lines.push(line("half-closed by the program", BY_US, handles));
    let handles = open(stage);
    stage.world.shut_down(Right, handles[1]);
    stage.until(|world| world.read(Left, handles[0]) == Heard::EndOfStream);
    lines.push(line("half-closed by the server", ["graceful-peer-first", "graceful-local-first"], handles));
    let handles = open(stage);
    stage.world.write(Right, handles[1], b"news");
    stage.until(|world| world.leftover(Left).bytes == 4);
    lines.push(line("4 bytes unread", ["aborted-close-with-unread", "reset-by-peer"], handles));
    let handles = open(stage);
    stage.world.write(Left, handles[0], &pattern(LAST));
    lines.push(line(WRITTEN, BY_US, handles));
    lines
}

/// A further connection.
fn open(stage: &mut Stage) -> [HandleId; 2] {
    let client = stage.world.connect_anew(Left);
    let mut server = None;
    stage.until(|world| {
        server = server.or_else(|| world.host(Right).accept());
        server.is_some()
    });
    let server = server.expect("one lost packet does not keep a connection from being established");
    [client, server]
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
