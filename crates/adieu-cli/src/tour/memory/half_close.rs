//! One direction is closed, the other is not: budgets, a watchdog, and reading given up.

use adieu_core::wire::Flags;
use adieu_core::{DrainBudget, Duration, HandleId, Settings, State, Unwanted, Warning};
use adieu_sim::{Goal, Heard};
use adieu_trace::Side::{Left, Right};
use adieu_trace::human;

use super::orderly::{BY_PEER, BY_US};
use super::stage::{EVER, Stage, pattern};
use crate::output::grouped;
use crate::tour::{Options, Outcome};

/// How long the client lets a half-closed connection be idle.
const IDLE: Duration = Duration::from_secs(30);

pub(super) fn half_close_idle(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    let now = stage.world.now();
    let settings = Settings { half_close_idle: Some(IDLE), ..Settings::default() };
    stage.world.host(Left).stack.set(now, client, settings);
    stage.world.note(Left, "half-close: idle at most 30 s");
    stage.greet(Left, handles);
    stage.shut_down(Left, client);
    stage.hear_end(Right, server);
    stage.reaches(Left, State::FinWait2);
    stage.world.run_for(Duration::from_secs(20));
    stage.say(Right, server, b"still at it");
    stage.hear(Left, client);
    let heard = stage.world.now();
    stage.world.run_for(Duration::from_secs(20));
    let alive = stage.world.state(Left) == State::FinWait2;
    stage.check("40 s after the half-close it lives: something came after 20 s, and idle time began anew", alive);
    stage.world.run_to(EVER, &Goal::Ended(Left, client));
    let spent = stage.world.now().since(heard);
    let range = Duration::from_secs(29)..Duration::from_secs(31);
    let named = stage.ending(Left, client) == Some("aborted-half-close-idle");
    stage.check("30 s after the last word the client gives up, as it has chosen: a reset", {
        named && range.contains(&spent)
    });
    stage.learns(Right, server);
    let told = stage.ending(Right, server) == Some("reset-by-peer");
    stage.check("the server is told", told);
    stage.finish(handles.map(Some))
}

impl Stage {
    /// The next connection that a host's watchdog names: what it is called, where it stands, since when, how quiet.
    fn warned(&mut self, side: adieu_trace::Side) -> Option<(Box<str>, State, Duration, Duration)> {
        match self.world.host(side).stack.poll_warning()? {
            Warning::Stuck(flow) => Some((flow.label, flow.state, flow.age, flow.quiet)),
            Warning::PortsScarce { .. } => None,
        }
    }
}

pub(super) fn close_wait_leak(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.world.host(Right).stack.set_label(server, "worker 7");
    stage.greet(Left, handles);
    stage.shut_down(Left, client);
    stage.hear_end(Right, server);
    stage.reaches(Left, State::FinWait2);
    let minute = Duration::from_secs(60);
    stage.world.run_for(minute + Duration::from_secs(1));
    let warning = stage.warned(Right);
    if let Some((label, state, age, _)) = &warning {
        stage.world.note(Right, format!("(warning: {label:?}, {state} for {})", human(*age)));
    }
    stage.check("the server's application forgets to close: after a minute a warning names its connection", {
        warning.is_some_and(|(label, state, age, quiet)| {
            (&*label, state) == ("worker 7", State::CloseWait) && age >= minute && quiet >= minute
        })
    });
    stage.world.run_for(Duration::from_secs(300));
    let warning = stage.warned(Left);
    if let Some((_, state, age, _)) = &warning {
        stage.world.note(Left, format!("(warning: {state} for {})", human(*age)));
    }
    let named = warning.is_some_and(|(_, state, _, quiet)| state == State::FinWait2 && quiet >= minute * 5);
    stage.check("the client is patient for longer; then it hears of its FIN-WAIT-2, too", named);
    stage.world.run_for(Duration::from_secs(24 * 3600));
    let once = [Left, Right].map(|side| stage.warned(side).is_none()) == [true; 2];
    let still = [Left, Right].map(|side| stage.world.state(side)) == [State::FinWait2, State::CloseWait];
    stage.check("once each; and a day later both still wait: TCP closes nothing for an application", once && still);
    stage.close(Right, server);
    stage.hear_end(Left, client);
    stage.reaches(Right, State::Closed);
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}

// ---- an answer before the question is over ---------------------------------------------------------------------

const UPLOAD: usize = 50_000;
const ANSWER: &[u8] = b"413 too large";

/// A client that uploads, and a server that answers before it has read anything.
fn uploading(options: &Options) -> (Stage, [HandleId; 2]) {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    stage.world.note(Left, format!("write {} bytes", grouped(UPLOAD)));
    stage.world.write(Left, handles[0], &pattern(UPLOAD));
    stage.until(|world| world.host(Right).stack.unread(handles[1]) > 0);
    stage.say(Right, handles[1], ANSWER);
    (stage, handles)
}

pub(super) fn close_drain(options: &Options) -> Outcome {
    let (mut stage, handles) = uploading(options);
    let [client, server] = handles;
    stage.world.note(Right, "close_drain: 1 MiB, 10 s");
    stage.world.close_drain(Right, server, DrainBudget { time: Duration::from_secs(10), ..DrainBudget::default() });
    let whole = stage.hear(Left, client) == ANSWER && stage.hear_end(Left, client);
    stage.check("the server closes with an upload unread, and the client reads the whole answer, then its end", whole);
    stage.until(|world| world.leftover(Left).bytes == 0);
    stage.close(Left, client);
    stage.reaches(Left, State::Closed);
    let receipt = stage.receipts(handles.map(Some))[1];
    let discarded = receipt.is_some_and(|receipt| (receipt.received, receipt.discarded) == (50_000, 50_000));
    stage.check("its 50,000 bytes were acknowledged and thrown away, as the server's receipt says", discarded);
    let resets = stage.count(|segment| segment.flags.has(Flags::RST));
    stage.check("no reset was sent", resets == 0);
    stage.both_graceful(handles, BY_PEER);
    stage.finish_after_wait(Right, handles)
}

pub(super) fn close_without_drain(options: &Options) -> Outcome {
    let (mut stage, handles) = uploading(options);
    let [client, server] = handles;
    stage.close(Right, server);
    let named = stage.ending(Right, server) == Some("aborted-close-with-unread");
    stage.check("the same with a plain close: bytes are unread, so it is a reset", named);
    let mut got = Vec::new();
    stage.until(|world| match world.read(Left, client) {
        Heard::Data(data) => {
            got.extend(data);
            false
        }
        Heard::Nothing | Heard::EndOfStream => false,
        Heard::Failed(_) => true,
    });
    stage.world.note(Left, "error: reset by the peer");
    stage.check("and it destroys the answer: the client reads nothing of it, only an error", got.is_empty());
    let receipts = stage.receipts(handles.map(Some));
    stage.check("both receipts say what is lost: the server's answer, and what the client had to upload", {
        receipts[1].is_some_and(|receipt| receipt.undelivered() == 13)
            && receipts[0].is_some_and(|receipt| receipt.ending.name() == "reset-by-peer" && receipt.undelivered() > 0)
    });
    stage.finish(handles.map(Some))
}

// ---- reading given up ------------------------------------------------------------------------------------------

/// The server reads no more, and says so to its own TCP only.
fn without_reader(options: &Options, unwanted: Unwanted) -> (Stage, [HandleId; 2]) {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    stage.greet(Left, handles);
    let before = stage.segments().count();
    stage.world.note(Right, format!("shutdown(Read, {unwanted:?})"));
    stage.world.shut_down_read(Right, handles[1], unwanted);
    stage.pause();
    let silent = stage.segments().count() == before;
    let end = stage.world.read(Right, handles[1]) == Heard::EndOfStream;
    stage.check("the server reads no more: that sends nothing, and its reads say end of stream", silent && end);
    stage.say(Right, handles[1], b"bye");
    let heard = stage.hear(Left, handles[0]) == b"bye";
    stage.check("it may still speak", heard);
    stage.pause();
    (stage, handles)
}

pub(super) fn shutdown_read_refuse(options: &Options) -> Outcome {
    let (mut stage, handles) = without_reader(options, Unwanted::Refuse);
    let [client, server] = handles;
    stage.say(Left, client, b"are you listening?");
    stage.learns(Left, client);
    let named = stage.ending(Right, server) == Some("aborted-data-after-close");
    let told = stage.ending(Left, client) == Some("reset-by-peer");
    stage.check("new data draws a reset: who sends it hears that nobody reads it", named && told);
    let counted = stage.receipts(handles.map(Some))[0].is_some_and(|receipt| receipt.undelivered() >= 18);
    stage.check("the client's receipt counts it as undelivered", counted);
    stage.finish(handles.map(Some))
}

pub(super) fn shutdown_read_discard(options: &Options) -> Outcome {
    let (mut stage, handles) = without_reader(options, Unwanted::Discard);
    let [client, server] = handles;
    stage.world.note(Left, "write 1,000,000 bytes");
    let data = pattern(1_000_000);
    let mut written = 0;
    let taken = stage.world.run_until(EVER, |world| {
        written += world.write(Left, client, &data[written..]);
        written == data.len() && world.leftover(Left).bytes == 0
    });
    stage.check("a million bytes are acknowledged, and nobody reads them; the window stays open", taken);
    stage.shut_down(Left, client);
    stage.reaches(Left, State::FinWait2);
    stage.pause();
    stage.close(Right, server);
    stage.hear_end(Left, client);
    stage.reaches(Right, State::Closed);
    let receipt = stage.receipts(handles.map(Some))[1];
    stage.check("the server's receipt counts them as discarded; the client's cannot know", {
        receipt.is_some_and(|receipt| receipt.discarded == 1_000_000 && receipt.unread == 0)
    });
    stage.both_graceful(handles, BY_US);
    stage.finish_after_wait(Left, handles)
}
