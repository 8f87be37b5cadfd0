//! What a reset does in the instant in which it comes (1.2.5), and that nothing else is said to it (INV-14).

use adieu_core::wire::Flags;
use adieu_core::{Ending, Glance, State};

use super::super::run::Run;
use crate::Summary;

impl Run {
    /// A segment has come that may be a reset.
    pub(super) fn judge_reset(&mut self, end: usize, segment: &Summary, before: &Glance, after: State) {
        let moment = self.moment(end);
        moment.quiet = None;
        if !segment.has(Flags::RST) {
            let nobody = matches!(before.state, State::Closed | State::Listen | State::SynSent | State::SynReceived);
            moment.stray |= nobody;
            return;
        }
        let (next, trail) = (before.recv_next, self.trail(end));
        let of = || format!("{segment:?} at {before:?}: {after}: {:#?} {trail:#?}", self.ends.get(end));
        let same = after == before.state;
        let quiet = match before.state {
            State::Closed | State::Listen => Some(("RA-1", 0)),
            State::SynSent => {
                let ours = segment.ack.is_some() && segment.ack == trail.next;
                assert!(same || ours, "RA-3: a reset that does not acknowledge our SYN: {}", of());
                Some(("RA-3", 0))
            }
            State::SynReceived => None,
            State::TimeWait => {
                let allowed = self.plan.config[self.ends.get(end).side as usize].reset_ends_time_wait;
                assert!(same || allowed && Some(segment.seq) == next, "RA-13, TW-7: a reset: {}", of());
                Some(("RA-13", 0))
            }
            _ => {
                let Some(next) = next else { return };
                let ahead = i64::from(segment.seq.distance(next));
                let fin_came = matches!(before.state, State::CloseWait | State::Closing | State::LastAck);
                if ahead == 0 {
                    assert!(after == State::Closed, "RA-5: an exact reset does not end anything: {}", of());
                } else if ahead != -1 || !fin_came {
                    assert!(same, "RA-4, RA-6: a reset that is not exact: {}", of());
                }
                let inside = ahead > 0 && ahead < i64::try_from(before.window).unwrap_or(i64::MAX);
                Some(if inside { ("RA-6, RA-17", 1) } else { ("RA-4, INV-14", 0) })
            }
        };
        self.moment(end).quiet = quiet;
    }

    /// Something leaves: whether it may be an answer to what came last, and whether that deserves one.
    pub(super) fn judge_quiet(&mut self, end: usize, segment: &Summary) {
        let it = self.ends.get(end);
        // A keepalive may be due in this very instant.
        let keeps = self.plan.talks[it.talk].settings[it.side as usize].keepalive.is_some();
        let asks = keeps && self.trail(end).next == Some(segment.seq + 1);
        // And a connection may be given up in it, for whatever reason of ours.
        let given_up = it.receipt.or(it.shown).is_some_and(|receipt| {
            let ours = matches!(receipt.ending, Ending::Aborted { .. } | Ending::TimedOut { .. });
            ours && receipt.spent.ended() == self.instants.at
        });
        let own = asks || segment.has(Flags::RST) && given_up;
        let answer = segment.len == 0 && !segment.has(Flags::SYN) && !segment.has(Flags::FIN) && !own;
        let moment = self.moment(end);
        let Some((what, left)) = moment.quiet.as_mut().filter(|_| answer) else { return };
        if *left > 0 {
            *left -= 1;
            return;
        }
        let what = *what;
        let end = self.ends.get(end);
        panic!("{what}: an answer that nothing deserves: {segment:?} at {:?}: {end:#?}", self.instants.at);
    }
}
