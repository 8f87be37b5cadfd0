//! A FIN is acknowledged in the instant in which it comes, the first time and again (1.2.3, FB-5, TW-6), and what it
//! acknowledges counts (FA-8, SC-3).

use adieu_core::wire::Flags;
use adieu_core::{Duration, Glance, State};

use super::super::run::Run;
use crate::Summary;

/// The peer's FIN is here.
fn has_fin(state: State) -> bool {
    matches!(state, State::CloseWait | State::Closing | State::LastAck | State::TimeWait)
}

/// Answers to a FIN that comes again are at least so far apart (TW-6, 3.39), to the millisecond of a stack's clock.
const APART: Duration = Duration::from_millis(101);

impl Run {
    /// A segment has come that may have completed the peer's stream, or say once more that it is complete.
    pub(super) fn judge_fin(&mut self, end: usize, segment: &Summary, before: &Glance, after: State) {
        let (now, trail) = (self.instants.at, self.trail(end));
        // A record that a reset or a timeout gives its place back has heard of no FIN (TW-9).
        let resumed = before.state == State::SynReceived && after == State::TimeWait;
        if !has_fin(before.state) && has_fin(after) && !resumed {
            let fin = segment.has(Flags::FIN).then(|| segment.end());
            let finds = self.ends.peer(end).map(|peer| self.ends.get(peer)).filter(|peer| !peer.lost);
            let known = finds.and_then(|peer| Some(peer.iss? + peer.sent.fin? + 2));
            self.moment(end).owes_ack = Some(("FR-6, FI-5, FI-6, FI-7, FI-8", known.or(fin)));
            return;
        }
        let again =
            has_fin(before.state) && segment.has(Flags::FIN) && !segment.has(Flags::SYN) && !segment.has(Flags::RST);
        let place = before.recv_next.filter(|next| *next == segment.end());
        let honest = trail.is_current(segment) && trail.is_timely(segment) && !self.ends.get(end).lost;
        if !again || place.is_none() || !honest {
            return;
        }
        let of = || format!("{segment:?} at {before:?}: {after}: {:#?} {trail:#?}", self.ends.get(end));
        let ours = self.ends.get(end).iss.zip(self.ends.get(end).sent.fin).map(|(iss, fin)| iss + fin + 2);
        if ours.is_some() && segment.ack == ours {
            let waits = matches!(after, State::Closing | State::LastAck);
            assert!(!waits, "FA-8, SC-3: what a FIN that came again acknowledges is lost: {}", of());
        }
        // Where nothing was said for so long, no limit holds the answer back.
        let silent = trail.spoke.is_none_or(|spoke| now.since(spoke) >= APART);
        if silent && has_fin(after) && !self.is_clock_touched(self.ends.get(end).side) {
            self.moment(end).owes_ack = Some(("FB-5, FI-9, TW-6", place));
        }
    }
}
