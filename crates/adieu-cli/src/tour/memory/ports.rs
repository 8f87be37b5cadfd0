//! Ports that run out, and records that make room.

use adieu_core::{ConnectError, Duration, HandleId, Released, State, Warning};
use adieu_sim::{Goal, Heard, World};
use adieu_trace::Side::{Left, Right};

use super::orderly::BY_US;
use super::reuse::{GAP, MUCH};
use super::stage::{EVER, Stage};
use super::without_wait::forget_first;
use crate::tour::{Options, Outcome};

/// Ports the client's host has.
const PORTS: usize = 10;

/// A host with ten ports, all of them connected to the server.
fn all_connected(options: &Options, timestamps: bool) -> (Stage, Vec<[HandleId; 2]>) {
    let first = options.port;
    let mut stage = Stage::with(options, |setup| {
        setup.config[0].ephemeral_ports = (first, first + 9);
        setup.config[0].timestamps = timestamps;
    });
    let mut lines = vec![stage.establish()];
    while lines.len() < PORTS {
        lines.push(stage.open());
        if let Some(Warning::PortsScarce { usage, .. }) = stage.world.host(Left).stack.poll_warning() {
            stage.world.note(Left, format!("(warning: {} of {} ports taken)", usage.in_use, usage.all));
            let early = (usage.in_use, usage.all, lines.len()) == (8, 10, 8);
            stage.check("at 80 % of the ports towards a server a warning comes, before any connect fails", early);
        }
    }
    (stage, lines)
}

impl Stage {
    fn has_no_port(&mut self) -> bool {
        matches!(self.world.try_connect_anew(Left), Err(ConnectError::NoPort(_)))
    }

    /// The client closes them all, then the server does: ten records in TIME-WAIT.
    fn part_all(&mut self, lines: &[[HandleId; 2]]) {
        self.world.note(Left, "close all ten");
        for [client, _] in lines {
            self.world.shut_down(Left, *client);
        }
        let mut open: Vec<[HandleId; 2]> = lines.to_vec();
        self.until(|world: &mut World| {
            open.retain(|[_, server]| {
                let ended = world.read(Right, *server) == Heard::EndOfStream;
                if ended {
                    world.close(Right, *server);
                }
                !ended
            });
            open.is_empty() && lines.iter().all(|[_, server]| world.receipt(Right, *server).is_some())
        });
    }
}

pub(super) fn ports_run_out(options: &Options) -> Outcome {
    let (mut stage, lines) = all_connected(options, true);
    let out = stage.has_no_port();
    stage.world.note(Left, "error: no port is free");
    stage.check("the eleventh connection has no port: an error at once, not a wait", out);
    let began = stage.world.now();
    stage.part_all(&lines);
    let waiting = stage.world.leftover(Left).time_waits == PORTS;
    stage.check("all ten are closed, and in TIME-WAIT: that keeps the ports, too", waiting);
    if stage.world.now().since(began) < Duration::from_millis(900) {
        let still = stage.has_no_port();
        stage.check("so the next moment there is none either", still);
    }
    stage.world.run_for(Duration::from_millis(1_100));
    let again = stage.world.try_connect_anew(Left);
    let lives = again.is_ok_and(|client| stage.live_again(client));
    let reused = stage.released(Left, Released::ReusedByUs) == 1;
    stage.check("a second later one of them serves: with timestamps nothing old can be taken for new", lives && reused);
    let (mut plain, lines_without) = all_connected(options, false);
    plain.part_all(&lines_without);
    plain.world.run_for(Duration::from_secs(10));
    let still = plain.has_no_port();
    plain.world.run_for(plain.time_wait());
    let over = plain.world.try_connect_anew(Left).is_ok();
    stage.check("without timestamps there is none until TIME-WAIT is over", still && over);
    for line in &lines[1..] {
        stage.release(*line);
    }
    stage.both_graceful(lines[0], BY_US);
    stage.finish(lines[0].map(Some))
}

pub(super) fn time_wait_evicted(options: &Options) -> Outcome {
    // Room for a single record.
    let mut stage = Stage::with(options, |setup| setup.config[0].time_wait_budget = 1);
    let handles = stage.establish();
    stage.pour_aloud(Left, handles, MUCH);
    stage.pause();
    stage.part(Left, handles);
    let again_at = stage.world.now();
    let second = stage.open();
    stage.world.shut_down(Left, second[0]);
    stage.until(|world| world.read(Right, second[1]) == Heard::EndOfStream);
    stage.world.close(Right, second[1]);
    stage.until(|world| world.receipt(Right, second[1]).is_some());
    stage.world.note(Left, "(a second record: no room)");
    let left = stage.world.leftover(Left);
    let stats = stage.world.host(Left).stack.stats();
    stage.check("there is room for one record: the older one gives way, and leaves a tombstone of 16 bytes", {
        (left.time_waits, left.tombstones, stats.time_wait_evicted) == (1, 1, 1)
    });
    stage.check("it was one that timestamps protect, and is counted", stats.time_wait_evicted_unsafe == 0);
    let gone = stage.world.state(Left) == State::Closed;
    stage.world.run_for(Duration::from_millis(1_100));
    let again = stage.connect_again();
    stage.pause();
    let beyond = stage.last_syn(Left).is_some_and(|seq| seq >= 1_000_002 + GAP);
    stage.check("its port is free early; the tombstone keeps the new numbers at least 65,537 beyond the old ones", {
        gone && again.is_ok() && beyond
    });
    let lives = again.is_ok_and(|client| stage.live_again(client));
    stage.check("the new connection lives", lives);
    let graceful = [Left, Right].map(|side| stage.ending(side, second[side as usize])) == BY_US.map(Some);
    stage.check("no close fails for want of room: the second ended as the first did", graceful);
    stage.keep("the second connection, whose record stays", second.map(Some));
    stage.release(second);
    stage.both_graceful(handles, BY_US);
    stage.world.run_to(EVER, &Goal::Empty(Left));
    let mut outcome = stage.finish(handles.map(Some));
    forget_first(&mut outcome.trace.events, again_at);
    outcome
}
