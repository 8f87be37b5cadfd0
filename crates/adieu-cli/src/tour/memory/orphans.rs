//! Connections that nobody holds any more.

use adieu_core::wire::Flags;
use adieu_core::{HandleId, Leftover, Receipt, State};
use adieu_sim::Goal;
use adieu_trace::Side::{Left, Right};

use super::orderly::BY_US;
use super::stage::{EVER, Stage, pattern};
use crate::output::grouped;
use crate::tour::{Options, Outcome};

/// What the server takes on each connection before its window is closed.
const WINDOW: u32 = 4_096;
/// Orphans the client's host may have.
const MOST: u32 = 3;
/// What is written on each connection: most of it stays in the client's queue.
const WRITTEN: [usize; 6] = [200_000, 100_000, 30_000, 10_000, 8_000, 6_000];

pub(super) fn orphans_too_many(options: &Options) -> Outcome {
    let mut stage = Stage::with(options, |setup| {
        setup.config[0].max_orphans = MOST;
        setup.config[1].receive_buffer = WINDOW;
    });
    let mut servers = Vec::new();
    let mut clients = Vec::new();
    for (number, bytes) in WRITTEN.into_iter().enumerate() {
        let [client, server] = if number == 0 { stage.establish() } else { stage.open() };
        if number == 0 {
            stage.world.note(Left, format!("write {} bytes", grouped(bytes)));
        }
        stage.world.write(Left, client, &pattern(bytes));
        stage.until(|world| world.host(Right).stack.unread(server) == u64::from(WINDOW));
        clients.push(client);
        servers.push(server);
    }
    stage.pause();
    stage.world.note(Left, "drop all six");
    for client in clients {
        stage.world.release(Left, client);
    }
    stage.pause();
    let orphans = stage.world.leftover(Left).orphans;
    let shed = stage.world.host(Left).stack.stats().orphans_shed;
    stage.check("six connections whose server does not read are dropped; the host may keep three", {
        (orphans, shed) == (3, 3)
    });
    let ours = WRITTEN.map(|bytes| stage.dropped(Left, |receipt| receipt.sent == bytes as u64));
    let named = |receipt: &Option<Receipt>, name| receipt.is_some_and(|receipt| receipt.ending.name() == name);
    let worst = ours[..3].iter().all(|receipt| named(receipt, "aborted-orphan-limit"));
    stage.check("those that hold most go, with a reset, not the newest", worst && ours[3..] == [None; 3]);
    for server in &servers[..3] {
        stage.learns_silently(*server);
    }
    let told = servers[..3].iter().all(|server| stage.ending(Right, *server) == Some("reset-by-peer"));
    stage.check("their servers are told", told);
    let over = stage.world.run_until(EVER, |world| world.leftover(Left).connections == 0);
    let ours = WRITTEN.map(|bytes| stage.dropped(Left, |receipt| receipt.sent == bytes as u64));
    let waited = ours[3..].iter().all(|receipt| named(receipt, "timed-out-zero-window"));
    stage.check(
        "the others are probed for as long as for any orphan, then given up: none stays for ever",
        over && waited,
    );
    let ended = stage.world.host(Left).stack.endings().total();
    stage.check("each has left one receipt", ended == 6);
    for ((bytes, receipt), server) in WRITTEN.into_iter().zip(ours).zip(&servers).skip(1) {
        stage.learns_silently(*server);
        let theirs = stage.receipts([None, Some(*server)])[1];
        stage.keep_pair(format!("{} bytes written", grouped(bytes)), [receipt, theirs]);
        stage.world.release(Right, *server);
    }
    let theirs = stage.receipts([None, Some(servers[0])])[1];
    let outcome = stage.finish([None, Some(servers[0])]);
    Outcome { receipts: [ours[0], theirs], ..outcome }
}

impl Stage {
    /// Waits until the server's end is over; where the word of it was lost, it asks.
    fn learns_silently(&mut self, server: HandleId) {
        let told = |world: &mut adieu_sim::World| world.receipt(Right, server).is_some();
        if !self.world.run_until(adieu_core::Duration::from_secs(2), told) {
            self.world.write(Right, server, b"still there?");
            self.until(told);
        }
    }
}

/// A client that has dropped its handle, and whose FIN is acknowledged.
fn dropped(options: &Options) -> (Stage, HandleId) {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    stage.greet(Left, handles);
    stage.drop_handle(Left, handles[0]);
    stage.hear_end(Right, handles[1]);
    stage.reaches(Left, State::FinWait2);
    stage.pause();
    let left = stage.world.leftover(Left);
    let small = Leftover { abandoned: 1, flows: 1, destinations: 1, ..Leftover::default() };
    stage.check("nobody holds it, and its FIN is acknowledged: what is left is a record, without buffers", {
        Leftover { timers: 0, ..left } == small
    });
    (stage, handles[1])
}

pub(super) fn orphan_hears_data(options: &Options) -> Outcome {
    let (mut stage, server) = dropped(options);
    stage.say(Right, server, b"one more thing");
    stage.learns(Right, server);
    let told = stage.ending(Right, server) == Some("reset-by-peer");
    stage.check("new data draws a reset, and the server is told", told);
    let ours = stage.dropped(Left, |_| true);
    let named = ours.is_some_and(|receipt| receipt.ending.name() == "aborted-data-after-close" && receipt.reset_sent);
    stage.check("the receipt is made without anybody who holds the connection: data came after the close", named);
    let quarantined = stage.world.leftover(Left).quarantined == 1;
    stage.check("and the record is one of quarantine now", quarantined);
    let theirs = stage.receipts([None, Some(server)])[1];
    let outcome = stage.finish([None, Some(server)]);
    Outcome { receipts: [ours, theirs], ..outcome }
}

pub(super) fn orphan_hears_fin(options: &Options) -> Outcome {
    let (mut stage, server) = dropped(options);
    stage.close(Right, server);
    let closed = stage.reaches(Right, State::Closed) && stage.world.state(Left) == State::TimeWait;
    stage.check("the server's FIN is acknowledged, and the record is one of TIME-WAIT now", closed);
    let ours = stage.dropped(Left, |_| true);
    let theirs = stage.receipts([None, Some(server)])[1];
    let graceful = [ours, theirs].map(|receipt| receipt.map(|receipt| receipt.ending.name())) == BY_US.map(Some);
    stage.check("both receipts say graceful, though nobody held the one end", graceful);
    stage.world.run_to(EVER, &Goal::State(Left, State::Closed));
    stage.check_wait(Left);
    let resets = stage.count(|segment| segment.flags.has(Flags::RST));
    stage.check("no reset was sent", resets == 0);
    let outcome = stage.finish([None, Some(server)]);
    Outcome { receipts: [ours, theirs], ..outcome }
}
