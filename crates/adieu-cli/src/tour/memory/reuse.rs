//! Who may have addresses and ports that are in TIME-WAIT, and what a new program knows of the one before it.

use adieu_core::wire::Flags;
use adieu_core::{ConnectError, Duration, HandleId, Instant, Released, State};
use adieu_sim::{Goal, Rule, Verdict};
use adieu_trace::Side::{self, Left, Right};
use adieu_trace::human;

use super::orderly::{BY_PEER, BY_US};
use super::stage::{EVER, Stage};
use super::time_wait::{parted, parted_with};
use super::without_wait::forget_first;
use crate::tour::{Options, Outcome};

/// More than the clock of initial numbers advances in the time that it takes.
pub(super) const MUCH: usize = 1_000_000;
/// A new connection's numbers lie at least this far beyond the old one's (TW-10).
pub(super) const GAP: u32 = 65_537;

impl Stage {
    /// How often addresses and ports of a host became free in this way.
    pub(super) fn released(&mut self, side: Side, how: Released) -> u64 {
        self.world.host(side).stack.stats().released[how as usize]
    }

    /// The number of the last SYN of an end.
    pub(super) fn last_syn(&self, side: Side) -> Option<u32> {
        let syn = self.segments().filter(|(_, segment)| segment.from == side && segment.flags.has(Flags::SYN)).last();
        syn.map(|(_, segment)| segment.seq)
    }
}

// ---- a SYN of the peer's ---------------------------------------------------------------------------------------

/// The client sends much, the server closes first; at once the client connects again.
fn hasty(options: &Options, timestamps: bool) -> (Stage, [HandleId; 2], Option<HandleId>, Instant) {
    let mut stage = Stage::with(options, |setup| {
        for config in &mut setup.config {
            config.timestamps = timestamps;
            if !timestamps {
                config.time_wait = Duration::from_secs(30);
            }
        }
    });
    let handles = stage.establish();
    stage.pour_aloud(Left, handles, MUCH);
    stage.pause();
    stage.part(Right, handles);
    stage.both_graceful(handles, BY_PEER);
    let waits = stage.world.state(Right) == State::TimeWait && stage.is_empty_but_handles(Left);
    stage.check("the server, which closed first, is in TIME-WAIT; the client keeps nothing", waits);
    let again_at = stage.world.now();
    let again = stage.connect_again().ok();
    (stage, handles, again, again_at)
}

impl Stage {
    fn is_empty_but_handles(&self, side: Side) -> bool {
        let leftover = self.world.leftover(side);
        (leftover.time_waits, leftover.quarantined, leftover.flows, leftover.timers) == (0, 0, 0, 0)
    }

    /// Checks that the client's new number lies before the old ones.
    fn check_lower(&mut self) {
        let lower = self.last_syn(Left).is_some_and(|seq| (1..1_000_000).contains(&seq));
        self.check("1,000,000 bytes went faster than the clock of initial numbers: the new SYN's is lower", lower);
    }
}

pub(super) fn time_wait_reopened_by_timestamp(options: &Options) -> Outcome {
    let (mut stage, handles, again, again_at) = hasty(options, true);
    let opened = stage.reaches(Right, State::Established);
    stage.check_lower();
    let reused = stage.released(Right, Released::ReusedByPeer) == 1;
    stage.check("its timestamp is later than any before: it can only be new, and TIME-WAIT makes way (RFC 6191)", {
        opened && reused
    });
    let lives = again.is_some_and(|client| stage.live_again(client));
    stage.check("the second connection lives and ends as the first did", lives);
    let mut outcome = stage.finish(handles.map(Some));
    forget_first(&mut outcome.trace.events, again_at);
    outcome
}

pub(super) fn time_wait_refuses_syn(options: &Options) -> Outcome {
    let (mut stage, handles, again, again_at) = hasty(options, false);
    let ends = stage.entered(Right, State::TimeWait).unwrap_or(Instant::ZERO) + stage.time_wait();
    let before = stage.segments().count();
    stage.world.run_for(Duration::from_secs(2));
    stage.check_lower();
    let answers: Vec<_> = stage.segments().skip(before).map(|(_, segment)| (segment.from, segment.flags)).collect();
    let challenged = answers.contains(&(Right, Flags::ACK));
    stage.check("nothing but a number tells it from an old one: TIME-WAIT answers with an ACK, and stays", {
        challenged && stage.world.state(Right) == State::TimeWait
    });
    let reset = answers.contains(&(Left, Flags::RST));
    stage.check("the client's reset does not end it either (RFC 1337): both wait", reset || stage.is_lossy());
    let opened = stage.world.run_to(EVER, &Goal::State(Right, State::Established));
    let patient = stage.world.now() >= ends;
    stage.check("a SYN after TIME-WAIT opens the connection: without timestamps a hasty client waits", {
        opened && patient
    });
    let lives = again.is_some_and(|client| stage.live_again(client));
    stage.check("the second connection lives and ends as the first did", lives);
    let mut outcome = stage.finish(handles.map(Some));
    forget_first(&mut outcome.trace.events, again_at);
    outcome
}

pub(super) fn time_wait_comes_back(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    stage.greet(Left, handles);
    stage.part(Right, handles);
    stage.world.run_for(Duration::from_secs(2));
    let again = stage.connect_again().ok();
    stage.world.run_for(Duration::from_millis(5));
    if let Some(client) = again {
        stage.close(Left, client);
    }
    stage.world.run_for(Duration::from_secs(15));
    let arrived = stage.last_syn(Left).is_some_and(|seq| {
        stage
            .segments()
            .any(|(_, segment)| segment.flags.has(Flags::SYN) && segment.seq == seq && segment.arrives.is_some())
    });
    if arrived {
        let path = [State::TimeWait, State::SynReceived, State::TimeWait];
        let restored = stage.world.host(Right).stack.stats().time_wait_restored == 1;
        let back = restored && stage.went(Right, &path);
        stage.check(
            "a SYN opens TIME-WAIT, but nobody stands behind it any more: its reset brings the record back",
            back,
        );
    }
    let unheard = stage.world.host(Right).accept().is_none();
    stage.check("the server's application never hears of it", unheard);
    let cancelled = again.map(|client| {
        let cancelled = stage.ending(Left, client) == Some("cancelled");
        stage.world.release(Left, client);
        cancelled
    });
    stage.check("to the client it was an attempt that it has cancelled", cancelled == Some(true));
    stage.both_graceful(handles, BY_PEER);
    stage.finish_after_wait(Right, handles)
}

// ---- a connection of our own -----------------------------------------------------------------------------------

pub(super) fn time_wait_taken_back(options: &Options) -> Outcome {
    let (mut stage, handles) = parted(options);
    let early = matches!(stage.connect_again(), Err(ConnectError::InUse(_)));
    stage.check("at once the port is taken: address in use", early);
    stage.world.run_for(Duration::from_millis(1_100));
    let again = stage.connect_again();
    stage.pause();
    let beyond = stage.last_syn(Left).is_some_and(|seq| seq >= 7 + GAP);
    stage.check("a second later its own host may have it again, because timestamps tell old from new", again.is_ok());
    stage.check("the new numbers begin at least 65,537 beyond the old ones", beyond);
    let lives = again.is_ok_and(|client| stage.live_again(client));
    let reused = stage.released(Left, Released::ReusedByUs) == 1;
    stage.check("the new connection lives, and TIME-WAIT of the old one is over", lives && reused);
    let (mut plain, _) = parted_with(options, |setup| setup.config[0].timestamps = false);
    plain.world.run_for(Duration::from_secs(10));
    let refused = matches!(plain.connect_again(), Err(ConnectError::InUse(_)));
    stage.check("where the connection had no timestamps, it is in use until TIME-WAIT is over", refused);
    stage.both_graceful(handles, BY_US);
    stage.finish(handles.map(Some))
}

// ---- another program -------------------------------------------------------------------------------------------

/// The client's last ACK is lost, and its program ends in TIME-WAIT. Its records, and the receipts' checks.
fn leave_in_time_wait(options: &Options) -> (Stage, [HandleId; 2], Vec<u8>) {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    let ack = Rule::first("the last ACK", 1, Verdict::Lose, |sight| sight.is_bare_ack(Left) && sight.segment.seq == 7);
    stage.world.rules.push(ack);
    stage.shut_down(Left, client);
    stage.hear_end(Right, server);
    stage.reaches(Left, State::FinWait2);
    stage.pause();
    stage.close(Right, server);
    stage.hear_end(Left, client);
    stage.pause();
    let waits = [Left, Right].map(|side| stage.world.state(side)) == [State::TimeWait, State::LastAck];
    stage.check("the last ACK is lost: the client is in TIME-WAIT, the server still in LAST-ACK", waits);
    let records = stage.world.export_time_wait(Left);
    (stage, handles, records)
}

pub(super) fn restart_remembers(options: &Options) -> Outcome {
    let (mut stage, handles, records) = leave_in_time_wait(options);
    let ours = stage.receipts(handles.map(Some))[0];
    stage.world.note(Left, format!("(exit: {} bytes saved)", records.len()));
    stage.world.restart(Left);
    stage.world.note(Left, "(new program: reads them)");
    let imported = stage.world.import_time_wait(Left, &records);
    let taken = imported.is_ok_and(|imported| imported.taken == 1) && stage.world.state(Left) == State::TimeWait;
    stage.check("the next program takes over what the one before it has saved: TIME-WAIT goes on", taken);
    let told = stage.reaches(Right, State::Closed);
    let theirs = stage.receipts([None, Some(handles[1])])[1];
    let graceful = theirs.is_some_and(|receipt| receipt.ending.name() == BY_US[1]);
    stage.check("it answers the server's repeated FIN: to the server it was a goodbye", told && graceful);
    let refused = matches!(stage.connect_again(), Err(ConnectError::InUse(_)));
    stage.check("the port is taken, as before", refused);
    let resets = stage.count(|segment| segment.flags.has(Flags::RST));
    stage.check("nobody was reset", resets == 0);
    let last = |segment: &adieu_trace::SegmentSeen| segment.from == Right && segment.flags.has(Flags::FIN);
    let fin = stage.segments().filter(|(_, segment)| last(segment)).filter_map(|(_, segment)| segment.arrives).max();
    stage.world.run_to(EVER, &Goal::State(Left, State::Closed));
    let stayed = fin.map(|fin| stage.world.now().since(fin));
    let wait = stage.time_wait();
    let range = wait..=wait + Duration::from_millis(1);
    stage.check(format!("TIME-WAIT lasted {} from that FIN on", human(wait)), {
        stayed.is_some_and(|stayed| range.contains(&stayed))
    });
    let outcome = stage.finish([None, Some(handles[1])]);
    Outcome { receipts: [ours, theirs], ..outcome }
}

pub(super) fn restart_forgets(options: &Options) -> Outcome {
    let (mut stage, handles, _) = leave_in_time_wait(options);
    let ours = stage.receipts(handles.map(Some))[0];
    stage.world.note(Left, "(exit)");
    stage.world.restart(Left);
    stage.world.note(Left, "(new program: knows nothing)");
    let free = stage.is_empty(Left) && stage.world.state(Left) == State::Closed;
    stage.check("a program that begins anew and is told nothing knows nothing of old connections", free);
    let told = stage.reaches(Right, State::Closed);
    let theirs = stage.receipts([None, Some(handles[1])])[1];
    let reset = theirs.is_some_and(|receipt| receipt.ending.name() == "reset-by-peer");
    stage.check("its reset answers the server's repeated FIN: a healthy goodbye looks like a failure", told && reset);
    let whole = theirs.is_some_and(|receipt| receipt.undelivered() == 0 && receipt.fin_received);
    stage.check("the server's receipt tells what it can: the client's FIN had come, and no byte is missing", whole);
    let outcome = stage.finish([None, Some(handles[1])]);
    Outcome { receipts: [ours, theirs], ..outcome }
}
