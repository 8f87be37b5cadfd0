//! What comes when it is too late: for a reader who has gone (UD-4), for a connection that was given up (AB-7), and for
//! an end that only waits (TW-5).

use adieu_core::wire::Flags;
use adieu_core::{Cause, Duration, Ending, Glance, Phase, State};

use super::super::run::Run;
use super::endings::Due;
use crate::Summary;

impl Run {
    /// `spent`: strangers have got as many resets as they get.
    pub(super) fn judge_late(&mut self, end: usize, segment: &Summary, before: &Glance, after: State, spent: bool) {
        if segment.has(Flags::RST) || segment.has(Flags::SYN) || segment.ack.is_none() {
            return;
        }
        self.judge_unsent(end, segment, before, after);
        match before.state {
            State::Closed => self.judge_quarantine(end, spent),
            State::TimeWait => self.judge_time_wait(end, segment, before),
            State::FinWait1 | State::FinWait2 => self.judge_refused(end, segment, before, after),
            _ => {}
        }
    }

    /// TW-5: a bare acknowledgment that says nothing new is not answered.
    fn judge_time_wait(&mut self, end: usize, segment: &Summary, before: &Glance) {
        let trail = self.trail(end);
        let bare = segment.len == 0 && !segment.has(Flags::FIN);
        let plain = bare && Some(segment.seq) == before.recv_next && trail.is_timely(segment);
        let sent = segment.ack.zip(trail.next).is_some_and(|(ack, next)| ack.distance(next) <= 0);
        // One that has just begun may still owe its first acknowledgment.
        if self.moment(end).owes_ack.is_none() {
            self.moment(end).quiet = if plain && sent { Some(("TW-5, INV-20", 0)) } else { Some(("TW-4, INV-20", 1)) };
        }
    }

    /// FA-6: what acknowledges a number that has not left changes nothing.
    fn judge_unsent(&self, end: usize, segment: &Summary, before: &Glance, after: State) {
        let trail = self.trail(end);
        let beyond = segment.ack.zip(trail.next).is_some_and(|(ack, next)| ack.distance(next) > 0);
        let open = !matches!(before.state, State::Closed | State::Listen | State::SynSent | State::SynReceived);
        let of = || format!("{segment:?} at {before:?}: {after}: {:#?} {trail:#?}", self.ends.get(end));
        assert!(!(beyond && open) || after == before.state, "FA-6, INV-4: nothing of that has left: {}", of());
    }

    /// UD-4, OR-4, HC-6: new data after a full close.
    fn judge_refused(&mut self, end: usize, segment: &Summary, before: &Glance, after: State) {
        let (trail, it) = (self.trail(end), self.ends.get(end));
        let app = &it.app;
        let refuses = app.closed.is_some() && !app.drains && !app.deaf && !app.host_failed && !it.lost;
        let Some(next) = before.recv_next.filter(|_| refuses && segment.len > 0) else { return };
        let ahead = i64::from(segment.seq.distance(next));
        let news = ahead + i64::from(segment.len) > 0;
        let inside = ahead < i64::try_from(before.window).unwrap_or(i64::MAX);
        if !(news && inside && trail.is_current(segment) && trail.is_timely(segment)) {
            return;
        }
        let of = || format!("{segment:?} at {before:?}: {it:#?} {trail:#?}");
        assert!(after == State::Closed, "UD-4, OR-4, HC-6: data that nobody will read is taken: {}", of());
        self.trail_mut(end).ending = Some(Due::Aborted(Cause::DataAfterClose));
    }

    /// AB-7, RS-7: whoever goes on sending after our reset hears another one.
    fn judge_quarantine(&mut self, end: usize, spent: bool) {
        let (at, trail, it) = (self.instants.at, self.trail(end), self.ends.get(end));
        let config = &self.plan.config[it.side as usize];
        let ours = match it.ending() {
            Some(Ending::Aborted { state, .. }) => state != State::SynReceived,
            Some(Ending::TimedOut { phase, .. }) => phase != Phase::Connect,
            _ => false,
        };
        // Four a second for each flow, and where its record is gone, as many as strangers get.
        let second = trail.resets.iter().filter(|then| at.since(**then) <= Duration::from_secs(1)).count();
        let limited = second >= 3 || spent || config.stray_replies < 256;
        let there = !it.lost && !self.forgot[it.side as usize] && !self.is_clock_touched(it.side);
        if ours && there && !limited {
            self.moment(end).owes_reset = Some("AB-7, RS-7");
        }
    }
}
