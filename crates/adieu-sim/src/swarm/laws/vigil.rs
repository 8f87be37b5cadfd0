//! What an end hears and says, as far as its patience depends on it (1.8, 1.9).

use adieu_core::wire::Flags;
use adieu_core::{Glance, Instant, Seq, State};

use super::super::ends::End;
use super::super::run::Run;
use super::super::track::is_synchronized;
use super::{ROUNDING, later};
use crate::{Happened, Occurrence, Summary};

/// Numbers count from the end's initial one.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Vigil {
    /// The highest number it has sent, and the highest acknowledgment that it must have believed.
    sent: u32,
    acknowledged: u32,
    /// When that acknowledgment came; and when, after all was acknowledged, more has left.
    pub(super) progress: Instant,
    pub(super) flight: Instant,
    /// When an acknowledgment came that was news, believed or not; and any segment at all.
    pub(super) news: Instant,
    pub(super) heard: Instant,
    /// When an acknowledgment came that may have been progress, or that closed the peer's window or opened it.
    moved: Instant,
    closed: bool,
    highest: u32,
    /// When it last sent data or a FIN.
    pub(super) spoke: Instant,
    /// Since when it is in its state.
    entered: Instant,
    /// Since when its peer's window is closed for certain.
    pub(super) shut: Option<Instant>,
}

impl Default for Vigil {
    fn default() -> Self {
        let never = Instant::ZERO;
        Self {
            sent: 1,
            acknowledged: 1,
            progress: never,
            flight: never,
            news: never,
            heard: never,
            moved: never,
            closed: false,
            highest: 1,
            spoke: never,
            entered: never,
            shut: None,
        }
    }
}

/// So far from the initial number; nothing where it lies before.
fn offset(iss: Seq, seq: Seq) -> u32 {
    u32::try_from(seq.distance(iss)).unwrap_or(0)
}

impl Vigil {
    /// Since when nothing has restarted its timers.
    pub(super) fn stirred(&self) -> Instant {
        self.spoke.max(self.news).max(self.moved)
    }

    fn sends(&mut self, now: Instant, iss: Seq, segment: &Summary) {
        if segment.has(Flags::RST) || segment.has(Flags::SYN) || segment.len == 0 && !segment.has(Flags::FIN) {
            return;
        }
        if self.acknowledged == self.sent {
            self.flight = now;
        }
        self.spoke = now;
        self.sent = self.sent.max(offset(iss, segment.end()));
    }

    fn hears(&mut self, now: Instant, iss: Seq, segment: &Summary, taken: bool) {
        self.heard = now;
        let Some(ack) = segment.ack.filter(|_| !segment.has(Flags::RST)) else { return };
        let ack = offset(iss, ack);
        let known = ack <= self.sent;
        let sure = taken && ack >= self.acknowledged && known;
        let news = ack > self.highest && known;
        let closed = segment.window == 0;
        if known && (ack > self.acknowledged || closed != self.closed) {
            (self.moved, self.closed) = (now, closed);
        }
        if news {
            (self.highest, self.news) = (ack, now);
        }
        if sure {
            self.acknowledged = ack;
            // What another segment has said before may have been progress then.
            self.progress = if news { now } else { self.progress };
        }
        self.shut = if segment.window > 0 { None } else { self.shut.or(Some(now).filter(|_| sure)) };
    }
}

impl Run {
    pub(super) fn note_vigil(&mut self, happened: &Happened) {
        let Some(at) = self.at_hand else { return };
        self.check_voice(happened, at);
        let end = self.ends.get_mut(at);
        let Some(iss) = end.iss.filter(|_| !end.is_over()) else { return };
        match &happened.what {
            Occurrence::Sent { segment, state, .. } if is_synchronized(*state) => {
                end.vigil.sends(happened.at, iss, segment);
            }
            Occurrence::Delivered { segment, before, .. } if is_synchronized(before.state) => {
                let taken = is_taken(end, segment, before);
                end.vigil.hears(happened.at, iss, segment, taken);
            }
            _ => {}
        }
    }

    /// ZW-3, L5, INV-19: whoever has a FIN to deliver says something at least once in the longest retransmission time,
    /// which is the longest interval between probes, too.
    fn check_voice(&mut self, happened: &Happened, at: usize) {
        let tampers = self.tampers();
        let end = self.ends.get_mut(at);
        let (now, over) = (happened.at, end.is_over());
        let before = match happened.what {
            Occurrence::Delivered { before, after, .. } => {
                if before.state != after {
                    end.vigil.entered = now;
                }
                before.state
            }
            Occurrence::TimedOut { before, .. } => before,
            Occurrence::Changed { .. } => {
                end.vigil.entered = now;
                return;
            }
            _ => return,
        };
        let owes = matches!(before, State::FinWait1 | State::Closing | State::LastAck);
        if !owes || over || tampers {
            return;
        }
        let app = &end.app;
        let called = app.worked.max(app.closed.unwrap_or(Instant::ZERO));
        let since = end.vigil.stirred().max(end.vigil.entered).max(called);
        let longest = self.plan.config[end.side as usize].max_rto + ROUNDING;
        assert!(
            now.since(since) <= longest,
            "ZW-3, L5, INV-19: silent since {since:?} at {now:?} in {before}: {end:#?}"
        );
    }
}

/// Whether an end must have read what this segment acknowledges: it is the next one, fits, and is no older than others.
fn is_taken(end: &End, segment: &Summary, before: &Glance) -> bool {
    let next = Some(segment.seq) == before.recv_next;
    let empty = segment.len == 0 && !segment.has(Flags::FIN) && !segment.has(Flags::SYN);
    let fits = empty || before.window > u64::from(segment.len);
    let fresh = match (end.stamped, segment.timestamps, end.latest) {
        (false, _, _) => true,
        (true, Some(stamp), Some(latest)) => later(latest, stamp.value) == stamp.value,
        (true, _, _) => false,
    };
    next && fits && fresh && !segment.has(Flags::SYN) && before.state != State::TimeWait
}
