//! What a close of ours does that waits, and what becomes of a connection that nobody holds.

use std::time::Duration;

use adieu::{AtExpiry, LingerError, Settings, State};
use adieu_core::wire::Flags;
use adieu_sim::{Rule, Sight, Verdict};

use super::ends::End;
use super::setup::Setup;
use super::stage::{CLIENT, SERVER, Stage};

/// A close that waits, of the client, which is ours.
async fn linger(stage: &mut Stage, patience: Duration, then: AtExpiry) -> Option<Result<(), LingerError>> {
    let Some(End::Adieu(stream)) = stage.take_end(CLIENT) else { return None };
    stage.note(CLIENT, format!("close, and wait: {} ms", patience.as_millis()));
    let done = stage.watched(stream.linger(patience, then)).await;
    stage.note(CLIENT, "(close returns)");
    stage.look();
    done
}

pub(super) async fn linger_in_time(stage: &mut Stage) {
    stage.establish().await;
    stage.pause().await;
    stage.say(CLIENT, b"that was all").await;
    let done = linger(stage, Duration::from_secs(5), AtExpiry::Continue).await;
    stage.check("close returns when Linux's TCP has acknowledged data and FIN", matches!(done, Some(Ok(()))));
    let half = stage.state(CLIENT) == State::FinWait2 && stage.state(SERVER) == State::CloseWait;
    stage.check("it waits neither for the server's FIN nor for TIME-WAIT, nor until somebody reads", half);
    let heard = stage.hear(SERVER).await == b"that was all" && stage.hear_end(SERVER).await;
    stage.check("the server reads every byte", heard);
    stage.close(SERVER);
    stage.check_goodbye(CLIENT).await;
}

/// The client's last word is written, and nothing of it gets through when close returns.
async fn cut_off(stage: &mut Stage, then: AtExpiry) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    stage.note(CLIENT, "(the wire takes nothing)");
    stage.rule(Rule::first("cut", usize::MAX, Verdict::Lose, |sight: &Sight| sight.segment.from == CLIENT));
    stage.say(CLIENT, b"goodbye").await;
    let done = linger(stage, Duration::from_millis(100), then).await;
    let missing = matches!(done, Some(Err(LingerError::Expired { unacknowledged: 7 })));
    stage.check("after 100 ms close returns, and says that 7 bytes are not acknowledged", missing);
}

pub(super) async fn linger_continues(stage: &mut Stage) {
    cut_off(stage, AtExpiry::Continue).await;
    let goes_on = stage.state(CLIENT) == State::FinWait1 && stage.net.held().orphans == 1;
    stage.check("the connection goes on without its application: an orphan", goes_on);
    stage.watch.seen().no_more_rules();
    stage.note(CLIENT, "(the wire is back)");
    let heard = stage.hear(SERVER).await == b"goodbye" && stage.hear_end(SERVER).await;
    stage.check("the server reads the last word, then the end of the stream", heard);
    stage.reaches(CLIENT, State::FinWait2).await;
    stage.close(SERVER);
    stage.check_goodbye(CLIENT).await;
}

pub(super) async fn linger_gives_up(stage: &mut Stage) {
    cut_off(stage, AtExpiry::Abort).await;
    let gone = stage.state(CLIENT) == State::Closed;
    stage.check("by choice the connection is given up, and the client's end is free", gone);
    let unaware = stage.until(|stage| stage.count(CLIENT, Flags::RST) > 0).await;
    let unaware = unaware && stage.state(SERVER) == State::Established;
    stage.check("the reset was lost, as all was: the server still waits", unaware);
    stage.watch.seen().no_more_rules();
    stage.note(CLIENT, "(the wire is back)");
    stage.say(SERVER, b"still there?").await;
    stage.check_reset(SERVER).await;
    let named = stage
        .receipt()
        .is_some_and(|receipt| receipt.ending.name() == "aborted-linger-expired" && receipt.undelivered() == 7);
    stage.check("our receipt says aborted-linger-expired, and that 7 bytes are undelivered", named);
}

/// Nobody holds the client's end, and its FIN is acknowledged.
async fn drop_client(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    stage.close(CLIENT);
    stage.hear_end(SERVER).await;
    stage.reaches(CLIENT, State::FinWait2).await;
    let held = stage.net.held();
    stage.check("nobody holds it, and its FIN is acknowledged: what is left with us is a record, without buffers", {
        (held.abandoned, held.connections, held.bytes) == (1, 0, 0)
    });
    stage.pause().await;
}

pub(super) async fn orphan_hears_data(stage: &mut Stage) {
    drop_client(stage).await;
    stage.say(SERVER, b"one more thing").await;
    let resets = stage.until(|stage| stage.count(CLIENT, Flags::RST) > 0).await;
    stage.check("new data draws a reset", resets);
    stage.until(|stage| stage.state(SERVER) == State::Closed).await;
    let told = !stage.say(SERVER, b"are you there?").await;
    stage.check("the server's next write fails", told);
    stage.check_our_ending(CLIENT, "aborted-data-after-close");
}

pub(super) async fn orphan_hears_fin(stage: &mut Stage) {
    drop_client(stage).await;
    stage.close(SERVER);
    let parted = stage.reaches(SERVER, State::Closed).await;
    let waits = stage.state(CLIENT) == State::TimeWait && stage.net.held().time_waits == 1;
    stage.check("the server's FIN is acknowledged, and the record is one of TIME-WAIT now", parted && waits);
    let resets = stage.count(CLIENT, Flags::RST);
    stage.check("no reset was sent", resets == 0);
    stage.check_our_ending(CLIENT, "graceful-local-first");
}

/// How long the client lets a half-closed connection be idle.
const IDLE: Duration = Duration::from_millis(300);

pub(super) async fn half_close_idle(stage: &mut Stage) {
    stage.establish().await;
    if let Some(End::Adieu(stream)) = stage.end(CLIENT) {
        let chosen = stream.set(Settings { half_close_idle: Some(IDLE), ..Settings::default() });
        stage.check("a half-closed connection may be idle for 300 ms", chosen.is_ok());
    }
    stage.greet(CLIENT).await;
    stage.shut_down(CLIENT).await;
    stage.hear_end(SERVER).await;
    stage.reaches(CLIENT, State::FinWait2).await;
    let over = stage.reaches(CLIENT, State::Closed).await;
    let stay = stage.watch.seen().stay(CLIENT, State::FinWait2);
    stage.check("the server never closes: after that time the client gives up, with a reset", {
        over && stage.count(CLIENT, Flags::RST) == 1 && stay.is_some_and(|stay| stay > IDLE / 2)
    });
    stage.until(|stage| stage.state(SERVER) == State::Closed).await;
    let told = !stage.say(SERVER, b"are you there?").await;
    stage.check("the server's next write fails", told);
    stage.check_our_ending(CLIENT, "aborted-half-close-idle");
}

/// Ports the client's host has.
const PORTS: u16 = 3;

pub(super) fn few_ports(setup: &mut Setup) {
    let ports = (50_000, 50_000 + PORTS - 1);
    setup.ours(|config| config.ephemeral_ports = ports, "ephemeral_ports", "50000-50002", "1024-65535");
}

pub(super) async fn ports_run_out(stage: &mut Stage) {
    stage.establish().await;
    let mut lines = Vec::new();
    for _ in 1..PORTS {
        lines.extend(stage.another().await);
    }
    stage.check("three ports, three connections", lines.len() == usize::from(PORTS) - 1);
    let refused = |stage: &Stage, error: Option<std::io::Error>| {
        stage.note(CLIENT, "error: no port is free");
        error.is_some_and(|error| error.kind() == std::io::ErrorKind::AddrNotAvailable)
    };
    let error = stage.connect(CLIENT, 0, super::stage::PORT).await.err();
    let out = refused(stage, error);
    stage.check("the fourth has none: an error at once, not a wait", out);
    for (near, far) in &mut lines {
        let _ = near.shut_down().await;
        let _ = far.shut_down().await;
    }
    lines.clear();
    stage.part(CLIENT).await;
    let error = stage.connect(CLIENT, 0, super::stage::PORT).await.err();
    let waits = stage.state(CLIENT) != State::TimeWait || refused(stage, error);
    stage.check("closed, all of them are in TIME-WAIT: still none", waits);
    let patience = stage.time_wait + super::stage::SOON;
    stage.until_within(patience, |stage| stage.net.held().time_waits == 0).await;
    let again = stage.another().await.is_some();
    stage.check("after TIME-WAIT there is one", again);
}
