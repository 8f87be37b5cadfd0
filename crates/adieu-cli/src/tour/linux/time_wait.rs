//! What TIME-WAIT does at either end, and when it is over.

use std::io;
use std::time::Duration;

use adieu::State;
use adieu_core::wire::Flags;
use adieu_sim::{Forged, Rule, Sight};
use adieu_trace::Side;
use adieu_trace::human;

use super::setup::Setup;
use super::stage::{CLIENT, HELD, PORT, SERVER, Stage};

/// A connection that `first` has closed first: it is in TIME-WAIT, and the client's port is told.
async fn parted(stage: &mut Stage, first: Side) -> u16 {
    stage.establish().await;
    stage.greet(CLIENT).await;
    stage.part(first).await;
    stage.client_port()
}

pub(super) async fn time_wait(stage: &mut Stage) {
    let port = parted(stage, CLIENT).await;
    stage.check_goodbye(CLIENT).await;
    if stage.adieu == SERVER {
        let socket = stage.watch.seen().socket();
        let stays = socket.and_then(|socket| socket.stays).unwrap_or_default();
        stage.check("Linux's record says that it stays for 60 s, which no setting of Linux's changes", {
            (Duration::from_secs(40)..=Duration::from_secs(60)).contains(&stays)
        });
        return;
    }
    let held = stage.net.held();
    let small = (held.time_waits, held.connections, held.bytes) == (1, 0, 0);
    stage.check("while it lasts we keep a record and no buffers, and Linux keeps nothing", small);
    let patience = stage.time_wait + Duration::from_secs(5);
    let over = stage.until_within(patience, |stage| stage.state(CLIENT) == State::Closed).await;
    let wait = human(stage.time_wait);
    stage.check(format!("after {wait} the record is gone"), over && stage.net.held().time_waits == 0);
    let again = stage.establish_from(port).await;
    let lives = again && stage.live_again().await;
    stage.check("and the same port serves a new connection", lives);
}

pub(super) async fn refuses_port(stage: &mut Stage) {
    let port = parted(stage, CLIENT).await;
    stage.check_goodbye(CLIENT).await;
    stage.note(CLIENT, format!("connect from {port} again"));
    let error = stage.connect(CLIENT, port, PORT).await.err().map(|error| error.kind());
    stage.note(CLIENT, "error: address in use");
    let refused = matches!(error, Some(io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable));
    stage.check("the port is still taken: address in use", refused);
    let another = stage.another().await;
    stage.check("another port serves at once", another.is_some());
    let undisturbed = stage.state(CLIENT) == State::TimeWait;
    stage.check("the record stays", undisturbed);
}

pub(super) async fn taken_back(stage: &mut Stage) {
    let port = parted(stage, CLIENT).await;
    stage.check_goodbye(CLIENT).await;
    stage.note(CLIENT, format!("connect from {port} again"));
    let error = stage.connect(CLIENT, port, PORT).await.err().map(|error| error.kind());
    stage.note(CLIENT, "error: address in use");
    let early = error == Some(io::ErrorKind::AddrInUse);
    stage.check("at once the port is taken: address in use", early);
    stage.wait(Duration::from_millis(1_100)).await;
    let again = stage.establish_from(port).await;
    stage.check("a second later its own host may have it again, because timestamps tell old from new", again);
    let taken = stage.went(CLIENT, &[State::TimeWait, State::SynSent, State::Established]);
    stage.check("that is before TIME-WAIT was over: the record makes way", taken);
    let lives = stage.live_again().await;
    stage.check("the second connection lives", lives);
}

pub(super) async fn reopened(stage: &mut Stage) {
    let port = parted(stage, SERVER).await;
    stage.check_goodbye(SERVER).await;
    stage.wait(Duration::from_millis(300)).await;
    let again = stage.establish_from(port).await;
    let reopened = stage.went(SERVER, &[State::TimeWait, State::SynReceived, State::Established]);
    stage.check("the client's new SYN lies beyond the old numbers, so it can only be new: TIME-WAIT makes way", {
        again && reopened
    });
    let lives = stage.live_again().await;
    stage.check("the second connection lives", lives);
}

pub(super) async fn comes_back(stage: &mut Stage) {
    let port = parted(stage, SERVER).await;
    stage.check_goodbye(SERVER).await;
    stage.rule(Rule::first("the SYN", usize::MAX, HELD, |sight: &Sight| sight.is(CLIENT, Flags::SYN)));
    stage.note(CLIENT, format!("connect from {port}"));
    let attempt = tokio::time::timeout(Duration::from_millis(20), stage.connect(CLIENT, port, PORT)).await;
    stage.note(CLIENT, "close");
    stage.check("Linux connects again, and gives up before its SYN has arrived", attempt.is_err());
    stage.release_held();
    let restored = stage.until(|stage| stage.net.stats().time_wait_restored == 1).await;
    stage.look();
    let back = stage.went(SERVER, &[State::TimeWait, State::SynReceived, State::TimeWait]);
    stage.check("the SYN opens our TIME-WAIT; Linux resets the answer, and the record is back", restored && back);
    let unheard = stage.nothing_to_accept().await;
    stage.check("our application never hears of it", unheard);
}

/// The server's words stay under way and arrive again in TIME-WAIT, when the server has forgotten.
async fn meet_old_segment(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    let data = |sight: &Sight| sight.segment.from == SERVER && sight.segment.len > 0;
    stage.rule(Rule::first("the server's words", 1, HELD, data));
    stage.say(SERVER, b"news").await;
    let heard = stage.hear(CLIENT).await == b"news";
    stage.check("a segment stays under way; its repetition gets through", heard);
    stage.acknowledged(SERVER).await;
    stage.part(CLIENT).await;
    let waiting = stage.states() == [State::TimeWait, State::Closed];
    stage.check("the client, which closed first, is in TIME-WAIT; the server has forgotten", waiting);
    stage.release_held();
    let resets = stage.until(|stage| stage.count(SERVER, Flags::RST) > 0).await;
    stage.note(CLIENT, "(the old segment has arrived)");
    stage.check("the old segment arrives: the client answers with an ACK, which draws a reset from the server", resets);
    stage.pause().await;
}

pub(super) async fn old_duplicate(stage: &mut Stage) {
    meet_old_segment(stage).await;
    let alive = stage.state(CLIENT) == State::TimeWait;
    stage.check("our TIME-WAIT does not let itself be ended by that reset (RFC 1337)", alive);
}

pub(super) async fn assassination(stage: &mut Stage) {
    meet_old_segment(stage).await;
    let gone = stage.reaches(CLIENT, State::Closed).await;
    stage.check("Linux's TIME-WAIT is over, 60 s early: assassination (RFC 1337), which Linux allows by default", gone);
}

/// For what happens during our TIME-WAIT.
pub(super) fn longer(setup: &mut Setup) {
    setup.longer_wait();
}

pub(super) fn rfc1337(setup: &mut Setup) {
    setup.longer_wait();
    if setup.adieu == SERVER {
        setup.kernel("tcp_rfc1337", 1, "", "0");
    }
}

pub(super) async fn reset_ignored(stage: &mut Stage) {
    parted(stage, CLIENT).await;
    stage.check_goodbye(CLIENT).await;
    stage.wait(Duration::from_millis(100)).await;
    // The server sent SYN and FIN: what the client expects next is 2.
    stage.note(SERVER, "(a stranger forges RST 2)");
    stage.forge(SERVER, &Forged { flags: Flags::RST, seq: 2, ack: 7, data: &[] });
    let before = stage.watch.seen().segments().count();
    stage.wait(Duration::from_millis(50)).await;
    let silent = stage.watch.seen().segments().count() == before;
    let waits = stage.state(CLIENT) == State::TimeWait;
    stage.check("a reset with exactly the right number comes: TIME-WAIT stays, and says nothing", waits && silent);
    let graceful = stage.receipt().is_some_and(|receipt| receipt.ending.is_graceful());
    stage.check("the ending was decided before, and stays graceful", graceful);
}

impl Stage {
    fn client_port(&self) -> u16 {
        self.watch.seen().trace.ends[CLIENT as usize].address.port()
    }

    /// A short second life of the same addresses. The server says goodbye first, so that the client is free at once.
    async fn live_again(&mut self) -> bool {
        self.greet(CLIENT).await;
        self.shut_down(SERVER).await;
        let heard = self.hear_end(CLIENT).await;
        self.close(CLIENT);
        let both = self.hear_end(SERVER).await && heard;
        self.close_silently(SERVER);
        both
    }
}
