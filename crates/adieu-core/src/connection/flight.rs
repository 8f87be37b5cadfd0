//! What has been sent and not acknowledged: runs with their history, and what tells a lost one (RFC 8985, RFC 6582).

use alloc::boxed::Box;
use core::hash::{Hash, Hasher};
use core::ops::Range;

use super::congestion::hystart::HyStart;
use super::pace::Pace;
use super::prr::Prr;
use super::runs::{Fate, Run, Runs};
use super::spurious::Timeout;
use crate::digest::{Digest, Moment};
use crate::seq::Offset;
use crate::time::{Duration, Instant};

/// Runs in order without gaps from SND.UNA to SND.NXT: one for what left at one time, split where parts have different
/// fates.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Flight {
    runs: Runs,
    /// Octets in runs that count as lost and were not sent again.
    lost: u32,
    /// Octets the peer has acknowledged selectively.
    sacked: u32,
    /// The same in segments, rounded up run by run.
    sacked_segments: u32,
    /// Octets that duplicate acknowledgments say have left the network (RFC 6582's inflated window, the other way
    /// round).
    departed: u32,
    /// The segment sent latest of those delivered, and its round trip (RACK.xmit_ts, RACK.end_seq, RACK.rtt).
    newest: Option<Newest>,
    /// After the highest octet delivered (RACK.fack).
    fack: Offset,
    /// After the highest octet sent again.
    resent_to: Offset,
    /// The last probe for the loss of the tail, until its fate is known (RFC 8985 section 7.1).
    pub(crate) probe: Option<LossProbe>,
    /// Duplicates reported in a window of data count once (RACK.dsack_round).
    pub(crate) dsack_round: Offset,
    /// When the congestion window was last reduced.
    pub(crate) reduced: Instant,
    /// When the next data may leave.
    pub(super) pace: Pace,
    /// What lies before this left when the congestion window was in use.
    pub(crate) used_to: Offset,
    /// FlightSize when something last left: acknowledgments that come together have made it smaller before one of them
    /// tells of a loss.
    pub(crate) size: u32,
    /// The account of a recovery.
    pub(crate) prr: Option<Prr>,
    /// The last timeout, in case it was needless.
    pub(crate) timeout: Option<Box<Timeout>>,
    /// The rounds of the slow start that began the connection.
    pub(crate) hystart: HyStart,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Newest {
    sent: Instant,
    end: Offset,
    rtt: Duration,
}

impl Digest for Flight {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { runs, lost, sacked, sacked_segments, departed, newest, fack, resent_to, probe, .. } = self;
        let Self { dsack_round, reduced, used_to, size, prr, hystart, timeout, pace, .. } = self;
        // A time that has come is none.
        (pace.free.since(moment.now), pace.waits).hash(state);
        (lost, sacked, sacked_segments, departed, fack, resent_to, probe, dsack_round).hash(state);
        (used_to, size, prr, hystart).hash(state);
        timeout.digest(moment, state);
        newest.map(|newest| (newest.end, newest.rtt)).hash(state);
        moment.at(newest.map_or(Instant::NEVER, |newest| newest.sent), state);
        for Run { start, end, sent, fate, resent, doubtful } in runs.iter() {
            // Of the last reduction only matters whether what was sent again came after it.
            (start, end, fate, resent, doubtful, *resent && sent >= reduced).hash(state);
            moment.at(*sent, state);
        }
    }
}

/// A probe for the loss of the last segment.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct LossProbe {
    /// TLP.end_seq: SND.NXT when it was sent.
    pub(crate) end: Offset,
    /// It repeated something (TLP.is_retrans).
    pub(crate) repeats: bool,
}

/// What an acknowledgment has to say about time, for [`Flight::on_ack`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Witness<'a> {
    pub(crate) now: Instant,
    /// Whether the peer acknowledges selectively.
    pub(crate) sack: bool,
    pub(crate) mss: u16,
    pub(crate) min_rtt: Duration,
    /// The connection's timestamps and the value this segment echoes.
    pub(crate) echo: Option<(&'a super::stamps::Stamps, u32)>,
}

/// What an acknowledgment achieved.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Delivery {
    /// Octets acknowledged selectively for the first time.
    pub(crate) sacked: u32,
    /// Octets acknowledged for good that had been selectively before.
    pub(crate) known: u32,
    /// A round trip of something that was sent once (Karn's rule).
    pub(crate) round_trip: Option<Duration>,
    /// Something was delivered that left before the last timeout and not again.
    pub(crate) original: bool,
    /// Something sent earlier arrived later.
    pub(crate) reordering: bool,
    /// Runs looked at, the measure of the work.
    pub(crate) steps: u32,
    /// When the run was sent from which the round trip comes.
    sampled: Instant,
    /// Something among it had been sent twice.
    ambiguous: bool,
}

/// What the search for losses found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Found {
    /// Octets that count as lost from now on.
    pub(crate) lost: u32,
    /// Some of them had been sent again after the last reduction, and were lost again.
    pub(crate) again: bool,
    /// How long to wait before more of them can be told.
    pub(crate) wait: Option<Duration>,
}

/// Most runs that selective acknowledgments may make of what is in flight (limit 3.19); beyond it only whole runs are
/// marked.
const RUNS: usize = 1024;

impl Flight {
    /// Whether there is nothing to remember.
    pub(crate) fn is_done(&self) -> bool {
        self.runs.is_empty() && self.probe.is_none()
    }

    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }

    pub(crate) fn sacked(&self) -> u32 {
        self.sacked
    }

    pub(crate) fn sacked_segments(&self) -> u32 {
        self.sacked_segments
    }

    /// Octets sent again whose fate is unknown.
    pub(crate) fn resent(&self) -> u32 {
        self.runs.iter().filter(|run| run.resent && run.is(Fate::Unknown)).map(Run::len).sum()
    }

    /// Octets that are not in the network any more, as far as we know.
    pub(crate) fn gone(&self) -> u64 {
        u64::from(self.lost) + u64::from(self.sacked) + u64::from(self.departed)
    }

    // ---- transmission ------------------------------------------------------------------------------------------

    /// `range` has left for the first time. A window probe says nothing about round trips (`doubtful`). What goes on
    /// from full segments that left at the same time is one run with them (`joins`).
    pub(crate) fn sent(&mut self, now: Instant, range: &Range<Offset>, doubtful: bool, joins: bool) {
        match self.runs.last_mut() {
            Some(last)
                if joins
                    && last.sent == now
                    && last.fate == Fate::Unknown
                    && !last.resent
                    && last.doubtful == doubtful =>
            {
                last.end = range.end;
            }
            _ => {
                let (start, end) = (range.start, range.end);
                self.runs.push(Run { start, end, sent: now, fate: Fate::Unknown, resent: false, doubtful });
            }
        }
    }

    /// `range` has left again.
    pub(crate) fn sent_again(&mut self, now: Instant, range: &Range<Offset>) {
        self.split(range.start, usize::MAX);
        self.split(range.end, usize::MAX);
        self.resent_to = self.resent_to.max(range.end);
        if let Some(timeout) = &mut self.timeout {
            timeout.sent_again(range.end.since(range.start));
        }
        for at in self.place(range.start)..self.runs.len() {
            let run = self.runs[at];
            if run.start >= range.end {
                break;
            }
            self.forget_fate(run);
            self.runs[at] = Run { sent: now, fate: Fate::Unknown, resent: true, ..run };
        }
    }

    /// When something last left.
    pub(crate) fn last_sent(&self) -> Instant {
        self.runs.last().map_or(Instant::ZERO, |run| run.sent)
    }

    /// The first run that counts as lost, and whether it had been sent again before.
    pub(crate) fn first_lost(&self) -> Option<(Range<Offset>, bool)> {
        if self.lost == 0 {
            return None;
        }
        self.runs.iter().find(|run| run.is(Fate::Lost)).map(|run| (run.start..run.end, run.resent))
    }

    // ---- acknowledgments ---------------------------------------------------------------------------------------

    /// The peer has everything before `ack`.
    pub(crate) fn on_ack(&mut self, ack: Offset, witness: &Witness<'_>, delivery: &mut Delivery) {
        while let Some(front) = self.runs.first().copied().filter(|front| front.start < ack) {
            delivery.steps += 1;
            let part = Run { end: front.end.min(ack), ..front };
            if part.is(Fate::Sacked) {
                delivery.known += part.len();
            } else {
                self.delivered(part, witness, delivery);
            }
            self.forget_fate(part);
            if front.end > ack {
                self.runs[0].start = ack;
                break;
            }
            self.runs.pop_front();
        }
        // Without selective acknowledgments nobody knows when what lay behind a hole arrived.
        if delivery.ambiguous && !witness.sack {
            delivery.round_trip = None;
        }
    }

    /// The peer has `block`, which lies between SND.UNA and SND.NXT.
    pub(crate) fn on_sack(&mut self, block: &Range<Offset>, witness: &Witness<'_>, delivery: &mut Delivery) {
        self.split(block.start, RUNS);
        self.split(block.end, RUNS);
        let mut at = self.place(block.start);
        while let Some(run) = self.runs.get(at).copied().filter(|run| run.start < block.end) {
            delivery.steps += 1;
            let whole = run.start >= block.start && run.end <= block.end;
            if whole && !run.is(Fate::Sacked) {
                self.delivered(run, witness, delivery);
                self.forget_fate(run);
                delivery.sacked += run.len();
                self.sacked += run.len();
                self.sacked_segments = self.sacked_segments.saturating_add(run.len().div_ceil(u32::from(witness.mss)));
                self.runs[at].fate = Fate::Sacked;
            }
            at += 1;
        }
        self.join_sacked(block);
    }

    /// Neighbours that have arrived are one.
    fn join_sacked(&mut self, block: &Range<Offset>) {
        let mut at = self.place(block.start).max(1);
        while at < self.runs.len() && self.runs[at].start <= block.end {
            let (before, this) = (self.runs[at - 1], self.runs[at]);
            if before.is(Fate::Sacked) && this.is(Fate::Sacked) {
                self.runs[at - 1].end = this.end;
                self.runs.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// RFC 8985 section 6.2, steps 2 and 3.
    fn delivered(&mut self, run: Run, witness: &Witness<'_>, delivery: &mut Delivery) {
        let age = witness.now.since(run.sent);
        delivery.original |= !run.resent && self.timeout.as_ref().is_some_and(|timeout| run.start < timeout.recover);
        if run.end > self.fack {
            self.fack = run.end;
        } else if !run.resent {
            delivery.reordering = true;
        }
        if run.resent || run.doubtful {
            delivery.ambiguous = true;
            let earlier = witness.echo.is_some_and(|(stamps, echo)| stamps.is_before(echo, run.sent));
            if earlier || age < witness.min_rtt {
                return; // It answers the transmission before.
            }
        } else if delivery.round_trip.is_none() || run.sent >= delivery.sampled {
            delivery.round_trip = Some(age);
            delivery.sampled = run.sent;
        }
        let newest = Newest { sent: run.sent, end: run.end, rtt: age };
        if self.newest.is_none_or(|known| (newest.sent, newest.end) > (known.sent, known.end)) {
            self.newest = Some(newest);
        }
    }

    // ---- loss --------------------------------------------------------------------------------------------------

    /// RFC 8985 section 6.2, step 5: what was sent before something that has arrived, and is `window` late, is lost.
    pub(crate) fn find_losses(&mut self, now: Instant, window: Duration) -> Found {
        let mut found = Found::default();
        let Some(newest) = self.newest else { return found };
        for run in self.runs.iter_mut() {
            if run.start >= self.resent_to && run.sent > newest.sent {
                break; // From here on, everything left later still.
            }
            if !run.is(Fate::Unknown) || !is_before(run, &newest) {
                continue;
            }
            let due = run.sent + newest.rtt + window;
            if due <= now {
                run.fate = Fate::Lost;
                found.lost += run.len();
                found.again |= run.resent && run.sent >= self.reduced;
            } else {
                found.wait = found.wait.max(Some(due.since(now)));
            }
        }
        self.lost += found.lost;
        found
    }

    /// Everything that has not arrived counts as lost.
    pub(crate) fn lose_all(&mut self) {
        self.lose_if(|_| true);
        self.departed = 0;
    }

    /// The retransmission timer fired: the front counts as lost, and what is `late` by RACK's measure (RFC 8985 section
    /// 6.3). Where the front had been acknowledged selectively, the peer has gone back on its word, and no mark counts
    /// (RFC 2018 section 8).
    pub(crate) fn lose_late(&mut self, now: Instant, mss: u16, window: Duration) {
        if self.is_front_sacked() {
            self.runs.iter_mut().filter(|run| run.is(Fate::Sacked)).for_each(|run| run.fate = Fate::Unknown);
            (self.sacked, self.sacked_segments) = (0, 0);
            return self.lose_all();
        }
        self.lose_front(mss, Offset::NONE);
        if let Some(rtt) = self.newest.map(|newest| newest.rtt) {
            self.lose_if(|run| run.sent + rtt + window <= now);
        }
        self.departed = 0;
    }

    /// Whether the peer has acknowledged the front selectively, which it cannot have meant.
    pub(crate) fn is_front_sacked(&self) -> bool {
        self.runs.first().is_some_and(|front| front.is(Fate::Sacked))
    }

    /// Nothing counts as lost any more, nor does what the answers to needless repetitions seemed to say of the order of
    /// things.
    pub(crate) fn revive(&mut self) {
        self.runs.iter_mut().filter(|run| run.is(Fate::Lost)).for_each(|run| run.fate = Fate::Unknown);
        (self.lost, self.newest) = (0, None);
    }

    /// What could not pass as it was, segments larger than `mss`, counts as lost.
    pub(crate) fn lose_large(&mut self, mss: u16) {
        self.lose_if(|run| run.len() > u32::from(mss));
    }

    fn lose_if(&mut self, lost: impl Fn(&Run) -> bool) {
        for run in self.runs.iter_mut().filter(|run| run.is(Fate::Unknown)) {
            if lost(run) {
                run.fate = Fate::Lost;
                self.lost += run.len();
            }
        }
    }

    /// The first segment counts as lost; a FIN at `fin` that rode on a full segment stays with it.
    pub(crate) fn lose_front(&mut self, mss: u16, fin: Offset) {
        let Some(start) = self.runs.first().map(|front| front.start) else { return };
        let end = start + u64::from(mss);
        self.split(if end == fin { end + 1 } else { end }, usize::MAX);
        if let Some(front) = self.runs.first_mut().filter(|run| run.is(Fate::Unknown)) {
            front.fate = Fate::Lost;
            self.lost += front.len();
        }
    }

    /// Duplicate acknowledgments without selective ones: so many octets have left the network, `most` in all.
    pub(crate) fn departed(&mut self, octets: u32, most: u32) {
        self.departed = self.departed.saturating_add(octets).min(most.max(self.departed));
    }

    /// A partial acknowledgment of `acked` octets deflates what duplicates had inflated (RFC 6582 section 3.2, step 3).
    pub(crate) fn deflate(&mut self, acked: u64, mss: u16) {
        let (mss, acked) = (u32::from(mss), length(acked));
        let departed = self.departed.saturating_sub(acked);
        self.departed = departed + if acked >= mss { mss } else { 0 };
    }

    /// Duplicates have stopped, or recovery is over.
    pub(crate) fn settle_departed(&mut self) {
        self.departed = 0;
    }

    // ---- runs --------------------------------------------------------------------------------------------------

    /// The run that holds `at`, or the number of runs.
    fn place(&self, at: Offset) -> usize {
        match self.runs.first() {
            Some(front) if front.end > at => 0,
            _ => self.runs.partition_point(|run| run.end <= at),
        }
    }

    /// Cuts the run that holds `at` in two there, unless there are `most` already.
    fn split(&mut self, at: Offset, most: usize) {
        let place = self.place(at);
        let full = self.runs.len() >= most;
        let Some(run) = self.runs.get_mut(place).filter(|run| run.start < at && at < run.end && !full) else { return };
        let rest = Run { start: at, ..*run };
        run.end = at;
        self.runs.insert(place + 1, rest);
    }

    /// Takes a run out of the sums it stands in.
    fn forget_fate(&mut self, run: Run) {
        match run.fate {
            Fate::Unknown => {}
            Fate::Lost => self.lost -= run.len(),
            Fate::Sacked => {
                let left = u64::from(self.sacked - run.len());
                let segments = u64::from(self.sacked_segments) * left / u64::from(self.sacked.max(1));
                self.sacked -= run.len();
                self.sacked_segments = length(segments);
            }
        }
    }

    /// Runs lie end to end from `una` to `next`, and the sums are right.
    pub(crate) fn check(&self, una: Offset, next: Offset) {
        let mut at = una;
        for run in self.runs.iter() {
            debug_assert!(run.start == at && run.end > at, "{self:?}");
            at = run.end;
        }
        debug_assert_eq!(at, next);
        let sum = |fate| self.runs.iter().filter(|run| run.is(fate)).map(Run::len).sum::<u32>();
        debug_assert_eq!((sum(Fate::Lost), sum(Fate::Sacked)), (self.lost, self.sacked));
    }
}

/// RACK's order of transmissions: by time, then by number.
fn is_before(run: &Run, newest: &Newest) -> bool {
    (run.sent, run.end) < (newest.sent, newest.end)
}

/// A length within a window: below 2^30 (RFC 7323 section 2.3).
pub(crate) fn length(octets: u64) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}
