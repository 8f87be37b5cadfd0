//! Both ends do the same at once.

use adieu_core::wire::Flags;
use adieu_core::{HandleId, State};
use adieu_trace::Side::{self, Left, Right};

use super::stage::{EVER, Stage};
use crate::tour::{Options, Outcome};

pub(super) fn simultaneous(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    stage.greet(Left, handles);
    part_at_once(&mut stage, handles);
    stage.check("both wait: neither knows that the other heard its last ACK", {
        [Left, Right].map(|side| stage.world.state(side)) == [State::TimeWait; 2]
    });
    stage.check_after_crossing(handles);
    stage.finish_after_wait(Left, handles)
}

pub(super) fn simultaneous_open(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = [Left, Right].map(|side| stage.world.connect(side));
    let open = |world: &mut adieu_sim::World| [Left, Right].iter().all(|side| world.state(*side) == State::Established);
    let opened = stage.until(open);
    stage.check("two ends that connect to each other, nobody listening, get one connection", opened);
    if let Some(true) = stage.crossed(Flags::SYN) {
        let path = [State::SynSent, State::SynReceived, State::Established];
        let both = [Left, Right].iter().all(|side| stage.went(*side, &path));
        stage.check("their SYNs cross, and both go from SYN-SENT through SYN-RECEIVED to ESTABLISHED", both);
    }
    stage.pause();
    stage.greet(Left, handles);
    part_at_once(&mut stage, handles);
    stage.check_after_crossing(handles);
    stage.finish_after_wait(Left, handles)
}

/// Both close in the same moment, and read to the end.
fn part_at_once(stage: &mut Stage, handles: [HandleId; 2]) {
    for side in [Left, Right] {
        stage.shut_down(side, handles[side as usize]);
    }
    for side in [Left, Right] {
        stage.hear_end(side, handles[side as usize]);
    }
    stage.until(|world| [Left, Right].iter().all(|side| world.state(*side) == State::TimeWait));
}

impl Stage {
    /// Whether the first segments with `flag` of both ends were under way at the same time.
    fn crossed(&self, flag: Flags) -> Option<bool> {
        let first = |side: Side| self.segments().find(|(_, segment)| segment.from == side && segment.flags.has(flag));
        let ((left_at, left), (right_at, right)) = (first(Left)?, first(Right)?);
        Some(right_at < left.arrives? && left_at < right.arrives?)
    }

    /// Where the FINs crossed, both ends went through CLOSING; where one was lost, only one needs to.
    fn check_after_crossing(&mut self, handles: [HandleId; 2]) {
        if self.crossed(Flags::FIN) == Some(true) {
            let path = [State::FinWait1, State::Closing, State::TimeWait];
            let both = [Left, Right].iter().all(|side| self.went(*side, &path));
            self.check("their FINs cross, and both go from FIN-WAIT-1 through CLOSING to TIME-WAIT", both);
            self.both_graceful(handles, ["graceful-simultaneous"; 2]);
        } else {
            let receipts = self.receipts(handles.map(Some));
            let graceful = receipts.iter().all(|receipt| receipt.is_some_and(|receipt| receipt.ending.is_graceful()));
            self.check("both receipts say graceful", graceful);
        }
    }
}

pub(super) fn both_gone(options: &Options) -> Outcome {
    let mut stage = Stage::new(options);
    let handles = stage.establish();
    stage.greet(Left, handles);
    stage.world.wire.loss = 1_000_000;
    for side in [Left, Right] {
        stage.world.note(side, "(the wire is cut)");
        stage.say(side, handles[side as usize], b"is anybody there?");
        stage.close(side, handles[side as usize]);
    }
    let over = stage.world.run_until(EVER, |world| {
        [Left, Right].iter().all(|side| world.host(*side).stack.receipt(handles[*side as usize]).is_some())
    });
    for side in [Left, Right] {
        stage.world.note(side, "error: timed out");
    }
    stage.check("both ends give up by themselves", over);
    let receipts = stage.receipts(handles.map(Some));
    let counted = receipts.iter().all(|receipt| {
        receipt
            .is_some_and(|receipt| receipt.ending.name() == "timed-out-retransmission" && receipt.undelivered() == 17)
    });
    stage.check("both receipts say that no acknowledgment came, and how many bytes are undelivered", counted);
    let spent = receipts.map(|receipt| receipt.map_or(0, |receipt| receipt.spent.total().as_secs()));
    let bounded = spent.iter().all(|spent| (100..600).contains(spent));
    stage.check("that took at least 100 s of patience, and less than 10 minutes", bounded);
    stage.finish(handles.map(Some))
}
