//! What must hold in the very instant of an event: in which a segment comes, or a call is made, or a connection ends.
//!
//! What a stack owes for an event leaves in the same instant, so what is owed is remembered until time moves on. The
//! numbers that a law needs beside the stack's own word (SND.NXT, the largest window edge) come from the trace.

mod calls;
mod endings;
mod fins;
mod late;
mod resets;
mod windows;

use std::collections::BTreeMap;

use adieu_core::wire::Flags;
use adieu_core::{Flow, Instant, Receipt, Seq, State};
use adieu_trace::Side;

use super::ends::End;
use super::plan::Mishap;
use super::run::Run;
use crate::{Happened, Occurrence, Summary, World};

/// What is known of all flows in the instant at hand, and of all ends before it.
#[derive(Debug, Default)]
pub(super) struct Instants {
    at: Instant,
    flows: BTreeMap<(Side, Flow), Moment>,
    /// Counts the looks at what has happened: between two of them whatever is to leave does.
    batch: u64,
    /// By the places of the ends.
    trails: Vec<Trail>,
}

/// What has happened to one flow in the instant at hand.
#[derive(Debug, Default)]
struct Moment {
    /// Resets that have left.
    resets: Vec<Seq>,
    /// Something came that may be answered as where there is no connection.
    stray: bool,
    /// An acknowledgment is owed: what for, and of which number, where that is known.
    owes_ack: Option<(&'static str, Option<Seq>)>,
    /// A reset is owed.
    owes_reset: Option<&'static str>,
    /// The FIN is owed.
    owes_fin: Option<&'static str>,
    /// Nothing may be said to what came last, or only so often.
    quiet: Option<(&'static str, u32)>,
    /// In which batch a segment came last.
    came: u64,
    /// Its device has taken nothing.
    silenced: bool,
}

/// What an end has sent and was sent.
#[derive(Clone, Debug, Default)]
struct Trail {
    /// SND.NXT: after the highest number that has left.
    next: Option<Seq>,
    /// The highest acknowledgment that has come, and when it was news.
    acked: Option<Seq>,
    acked_at: Instant,
    /// The right edge of the peer's window, counted from our initial number: the largest, and the last.
    edge: u64,
    last_edge: u64,
    /// The number and the acknowledgment that announced the last.
    told: Option<(Seq, Seq)>,
    /// The latest timestamp that has come.
    recent: Option<u32>,
    /// When its last segment has left, which acknowledges whatever it brings beside that.
    spoke: Option<Instant>,
    /// Its last resets.
    resets: Vec<Instant>,
    /// What its ending must be.
    ending: Option<endings::Due>,
}

impl Trail {
    /// A segment that its peer may well have sent now, as far as timestamps show.
    fn is_timely(&self, segment: &Summary) -> bool {
        match (self.recent, segment.timestamps) {
            (Some(recent), Some(stamp)) => stamp.value.wrapping_sub(recent) < 1 << 31,
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// Its acknowledgment is no older than any before it, and of nothing that has not left.
    fn is_current(&self, segment: &Summary) -> bool {
        let (Some(ack), Some(next)) = (segment.ack, self.next) else { return false };
        ack.distance(next) <= 0 && self.acked.is_none_or(|acked| ack.distance(acked) >= 0)
    }
}

impl Instants {
    /// All that was to leave before has left.
    pub(super) fn next_batch(&mut self) {
        self.batch += 1;
    }

    fn trail_mut(&mut self, end: usize) -> &mut Trail {
        if self.trails.len() <= end {
            self.trails.resize_with(end + 1, Trail::default);
        }
        &mut self.trails[end]
    }

    fn moment(&mut self, end: &End) -> &mut Moment {
        self.flows.entry((end.side, end.flow)).or_default()
    }
}

impl Run {
    /// After something has happened, and everybody else has seen it.
    pub(super) fn see_instant(&mut self, world: &World, happened: &Happened) {
        self.pass_time(happened.at);
        let Happened { at, side, flow, .. } = *happened;
        let end = self.ends.youngest(side, &flow);
        match &happened.what {
            Occurrence::Sent { segment, state, .. } => self.leaves(at, side, flow, segment, *state),
            Occurrence::Delivered { segment, before, after } => {
                let silenced = !world.is_awake(side) || world.is_device_full(side);
                self.instants.flows.entry((side, flow)).or_default().silenced |= silenced;
                let Some(end) = end else { return };
                self.judge_reset(end, segment, before, *after);
                self.judge_fin(end, segment, before, *after);
                let spent = world.stats(side).strays_unanswered > 0;
                self.judge_late(end, segment, before, *after, spent);
                self.arrives(at, end, segment);
                let batch = self.instants.batch;
                let moment = self.moment(end);
                // Whoever is not there any more owes nothing.
                moment.owes_ack = moment.owes_ack.filter(|_| *after != State::Closed);
                // What came together is answered together.
                moment.quiet = moment.quiet.filter(|_| moment.came != batch);
                moment.came = batch;
            }
            _ => {}
        }
    }

    /// Whatever was owed in an instant is owed no more: it has left, or never will.
    pub(super) fn pass_time(&mut self, now: Instant) {
        if self.instants.at == now {
            return;
        }
        let before = std::mem::replace(&mut self.instants.at, now);
        for ((side, flow), moment) in std::mem::take(&mut self.instants.flows) {
            let owed = moment.owes_ack.map(|(what, _)| what).or(moment.owes_reset).or(moment.owes_fin);
            self.at_hand = self.ends.youngest(side, &flow);
            // What a record owes that gives way to another waits among few replies, and may be dropped there.
            let gone = self.at_hand.is_some_and(|at| self.ends.get(at).state == State::Closed);
            let dropped = gone && self.plan.config[side as usize].stray_replies < 256;
            // A program that stands still, or has died, in the very instant owes nothing.
            // Nor does one that woke answer each of what has waited.
            let slept = |what: &Mishap| matches!(what, Mishap::Suspend(asleep, ..) if *asleep == side);
            let slept = self.plan.incidents.iter().any(|one| slept(&one.what));
            let struck = self.struck[side as usize] == Some(before) || slept;
            if let Some(what) = owed.filter(|_| !moment.silenced && !dropped && !struck) {
                let end = self.at_hand.map(|at| (self.ends.get(at), self.trail(at)));
                panic!("{what}: nothing has left in that instant, before {now:?}: {moment:#?} {end:#?}");
            }
        }
    }

    fn trail(&self, end: usize) -> Trail {
        let trail = self.instants.trails.get(end).cloned().unwrap_or_default();
        Trail { next: trail.next.or(self.ends.get(end).iss.map(|iss| iss + 1)), ..trail }
    }

    /// The number after all of an end's that its peer has acknowledged.
    pub(super) fn all_acknowledged(&self, end: usize) -> Option<Seq> {
        self.trail(end).acked.or(self.ends.get(end).iss.map(|iss| iss + 1))
    }

    /// The number after all that an end has sent.
    pub(super) fn all_sent(&self, end: usize) -> Option<Seq> {
        self.trail(end).next
    }

    fn trail_mut(&mut self, end: usize) -> &mut Trail {
        // A cookie that came back has sent its SYN before there was anything to remember it.
        let next = self.ends.get(end).iss.map(|iss| iss + 1);
        let trail = self.instants.trail_mut(end);
        trail.next = trail.next.or(next);
        trail
    }

    fn moment(&mut self, end: usize) -> &mut Moment {
        self.instants.moment(self.ends.get(end))
    }

    /// An application is about to act: what leaves then is its own doing.
    pub(super) fn before_turn(&mut self, world: &mut World, end: usize) {
        self.track(world);
        self.pass_time(world.now());
        self.moment(end).quiet = None;
    }

    /// A segment leaves.
    fn leaves(&mut self, at: Instant, side: Side, flow: Flow, segment: &Summary, state: State) {
        let Some(end) = self.ends.youngest(side, &flow) else { return };
        let reset = segment.has(Flags::RST);
        let live = !reset && !matches!(state, State::Closed | State::Listen);
        if live {
            self.judge_window(at, end, segment, state);
        }
        self.judge_quiet(end, segment);
        let moment = self.moment(end);
        if reset {
            moment.resets.push(segment.seq);
            moment.owes_reset = None;
        } else {
            let meant = |owed: Option<Seq>| owed.is_none() || owed == segment.ack;
            moment.owes_ack = moment.owes_ack.filter(|(_, owed)| !meant(*owed));
            moment.owes_fin = moment.owes_fin.filter(|_| !segment.has(Flags::FIN));
        }
        let trail = self.trail_mut(end);
        if reset {
            trail.resets.push(at);
        } else {
            trail.spoke = Some(at);
        }
        if live && (segment.has(Flags::SYN) || trail.next.is_some_and(|next| segment.end().distance(next) > 0)) {
            trail.next = Some(segment.end());
        }
    }

    /// A segment has come: what it says of the peer's window and of what has arrived there.
    fn arrives(&mut self, at: Instant, end: usize, segment: &Summary) {
        if segment.has(Flags::RST) {
            return;
        }
        self.learn_window(end, segment);
        let trail = self.trail_mut(end);
        let news = |acked: Option<Seq>, ack: Seq| acked.is_none_or(|acked| ack.distance(acked) > 0);
        if let Some(ack) = segment.ack.filter(|ack| trail.next.is_some_and(|next| ack.distance(next) <= 0))
            && news(trail.acked, ack)
        {
            (trail.acked, trail.acked_at) = (Some(ack), at);
        }
        if let Some(stamp) = segment.timestamps
            && trail.recent.is_none_or(|recent| stamp.value.wrapping_sub(recent) < 1 << 31)
        {
            trail.recent = Some(stamp.value);
        }
    }

    /// A host's clock was touched: what it measures is not what the world does.
    fn is_clock_touched(&self, side: Side) -> bool {
        self.plan
            .incidents
            .iter()
            .any(|one| matches!(one.what, Mishap::Leap(whose, _) | Mishap::Stop(whose, _) if whose == side))
    }

    /// A connection has ended, and said how.
    pub(super) fn see_ending(&mut self, world: &World, at: usize, receipt: &Receipt) {
        self.judge_ending(world, at, receipt);
        if !receipt.ending.is_graceful()
            && self.ends.youngest(self.ends.get(at).side, &self.ends.get(at).flow) == Some(at)
        {
            // Whoever has ended says no more.
            let moment = self.moment(at);
            (moment.owes_ack, moment.owes_fin) = (None, None);
        }
    }
}
