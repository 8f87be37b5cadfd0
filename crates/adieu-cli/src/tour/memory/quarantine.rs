//! After a reset: what remembers it, and answers whoever has not heard it.

use adieu_core::wire::Flags;
use adieu_core::{ConnectError, Duration, HandleId, Released};
use adieu_sim::{Rule, Sight, Verdict};
use adieu_trace::Side::{Left, Right};

use super::stage::Stage;
use crate::tour::{Options, Outcome};

/// "hello" and the SYN: the client's next number, which the server waits for.
const NEXT: u32 = 6;

/// What becomes of the client's last words, "no, wait", is the wire's; then it aborts.
fn abort_after(options: &Options, verdict: Verdict) -> (Stage, [HandleId; 2], usize) {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    stage.greet(Left, handles);
    let words = |sight: &Sight| sight.segment.from == Left && sight.segment.len > 0;
    stage.world.rules.push(Rule::first("the last words", 1, verdict, words));
    let before = stage.segments().count();
    stage.say(Left, handles[0], b"no, wait");
    stage.world.run_for(Duration::from_millis(2));
    stage.world.note(Left, "abort");
    stage.world.abort(Left, handles[0]);
    (stage, handles, before)
}

impl Stage {
    /// The client's resets, and whether everything since has arrived that the wire was not to lose.
    fn resets(&self, since: usize) -> (Vec<u32>, bool) {
        let after: Vec<_> = self.segments().skip(since).map(|(_, segment)| segment).collect();
        let resets = after.iter().filter(|segment| segment.from == Left && segment.flags.has(Flags::RST));
        let lost = after.iter().filter(|segment| segment.arrives.is_none());
        let other = lost.filter(|segment| segment.from == Right || segment.len == 0).count();
        (resets.map(|segment| segment.seq).collect(), other == 0)
    }

    /// Checks that the client's host remembers, keeps the port aside, and forgets when its time is over.
    fn finish_quarantine(mut self, handles: [HandleId; 2]) -> Outcome {
        let kept = self.world.leftover(Left);
        let refused = matches!(self.world.try_connect(Left), Err(ConnectError::InUse(_)));
        self.check("what is left at the client is a record: no buffers, and the port is not free yet", {
            (kept.quarantined, kept.bytes) == (1, 0) && refused
        });
        self.world.run_for(self.time_wait() + Duration::from_secs(5));
        let over = self.released(Left, Released::QuarantineExpired) == 1 && self.world.leftover(Left).quarantined == 0;
        self.check("after 2 MSL it is gone", over);
        self.finish(handles.map(Some))
    }
}

pub(super) fn abort_challenged(options: &Options) -> Outcome {
    let (mut stage, handles, before) = abort_after(options, Verdict::Lose);
    stage.learns(Right, handles[1]);
    let told = stage.ending(Right, handles[1]) == Some("reset-by-peer");
    let (resets, whole) = stage.resets(before);
    if whole {
        let challenges =
            stage.count(|segment| segment.from == Right && segment.flags == Flags::ACK && segment.len == 0);
        stage.check(
            "the last words are lost: the reset has a number the server does not expect, and is challenged",
            resets.first() == Some(&(NEXT + 8)) && challenges >= 2,
        );
    }
    stage.check("the connection is gone, but its record answers: a second reset with exactly that number", {
        resets.last() == Some(&NEXT)
    });
    stage.check("that one is believed: the server is told", told);
    stage.finish_quarantine(handles)
}

pub(super) fn abort_overtaken(options: &Options) -> Outcome {
    let (mut stage, handles, before) = abort_after(options, Verdict::Hold(Duration::from_millis(16)));
    stage.learns(Right, handles[1]);
    let told = stage.ending(Right, handles[1]) == Some("reset-by-peer");
    let (resets, whole) = stage.resets(before);
    let late = stage.segments().skip(before).all(|(_, segment)| segment.arrives.is_some());
    if whole && late {
        stage.check(
            "the reset overtakes data and is challenged; the data arrives, and the answer to the challenge, right when \
             it was asked for, is too old",
            resets.len() == 3 && resets[..2] == [NEXT + 8, NEXT],
        );
    }
    if late {
        stage.check("so the server's ACK of the data draws one more reset, and this is the right one", {
            resets.last() == Some(&(NEXT + 8))
        });
    }
    stage.check("the server is told, whatever overtakes what", told);
    stage.finish_quarantine(handles)
}

pub(super) fn abort_unheard(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    let [client, server] = handles;
    stage.greet(Left, handles);
    let reset = Rule::first("the reset", 1, Verdict::Lose, |sight| sight.is(Left, Flags::RST));
    stage.world.rules.push(reset);
    stage.world.note(Left, "abort");
    stage.world.abort(Left, client);
    stage.world.run_for(Duration::from_secs(5));
    let unaware = stage.world.receipt(Right, server).is_none();
    stage.check("the reset is lost, and never repeated: the server does not know", unaware);
    stage.say(Right, server, b"how are you?");
    stage.until(|world| world.receipt(Right, server).is_some());
    let told = stage.ending(Right, server) == Some("reset-by-peer");
    stage.world.note(Right, "error: reset by the peer");
    let remembered = stage.world.host(Left).stack.stats();
    stage.check("the client's record answers whatever comes with another reset, and the server is told", {
        told && remembered.quarantine_resets >= 1 && remembered.strays_reset == 0
    });
    let counted = stage.receipts(handles.map(Some))[1].is_some_and(|receipt| receipt.undelivered() == 12);
    stage.check("the server's receipt counts its words as undelivered", counted);
    stage.finish_quarantine(handles)
}
