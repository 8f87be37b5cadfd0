//! What the wire shows of each end: its state, its initial numbers, and so, whose peer it is.

use adieu_core::wire::Flags;
use adieu_core::{Flow, Instant, Receipt, Seq, State};
use adieu_trace::Side;

use super::run::Run;
use crate::{Happened, Occurrence, Summary, World};

impl Run {
    /// Everything that has happened since this was called last.
    pub(super) fn track(&mut self, world: &mut World) {
        let mut seen = world.take_happened();
        self.instants.next_batch();
        for happened in &seen {
            self.watcher.see(happened);
            self.see(world, happened);
        }
        seen.clear();
        world.recycle_happened(seen);
    }

    fn see(&mut self, world: &mut World, happened: &Happened) {
        let Happened { at, side, flow, .. } = *happened;
        self.at_hand = self.ends.youngest(side, &flow);
        self.note(happened);
        match &happened.what {
            Occurrence::Sent { segment, state, .. } => self.see_sent(side, flow, segment, *state),
            Occurrence::Delivered { segment, before, after } => {
                self.see_delivered(side, flow, segment, [before.state, *after]);
            }
            Occurrence::Icmp { after, .. } | Occurrence::TimedOut { after, .. } | Occurrence::Changed { after, .. } => {
                self.see_state(side, flow, *after);
            }
            Occurrence::Forged => {}
            Occurrence::Ended(receipt) => self.see_ended(world, at, side, flow, receipt),
            Occurrence::Released(how) => self.check_release(at, side, flow, *how),
        }
        self.see_instant(world, happened);
        if let Some(end) = self.ends.youngest(side, &flow) {
            self.check_end(world, end);
            self.check_timers(world, end);
        }
    }

    /// Initial numbers are told by SYNs; a SYN-ACK with another one is another child of the listener.
    fn see_sent(&mut self, side: Side, flow: Flow, segment: &Summary, state: State) {
        self.check_sent(side, flow, segment, state);
        if !segment.has(Flags::SYN) {
            return;
        }
        if segment.ack.is_some() && matches!(state, State::Closed | State::Listen) {
            self.ends.offer(side, flow, segment.seq); // A cookie: nothing is remembered of it.
        }
        let Some(end) = self.ends.youngest(side, &flow) else { return };
        self.see_shift(end, segment);
        match self.ends.get(end).iss {
            None => self.ends.set_iss(end, segment.seq),
            Some(iss) if iss == segment.seq => {}
            // Challenged for ever, an attempt begins again with another number (SY-6).
            Some(_) if self.ends.get(end).state == State::SynSent => self.ends.set_iss(end, segment.seq),
            Some(_) => {
                if let Some(ack) = segment.ack.filter(|_| self.ends.get(end).state == State::SynReceived) {
                    let child = self.begin_passive(side, flow, Seq(ack.0.wrapping_sub(1)));
                    self.ends.get_mut(end).gone |= !self.ends.get(end).established;
                    self.ends.set_iss(child, segment.seq);
                }
            }
        }
    }

    /// Window scaling holds where both SYNs ask for it; a SYN-ACK asks only where the SYN did.
    fn see_shift(&mut self, at: usize, syn: &Summary) {
        let sent = &mut self.ends.get_mut(at).sent;
        sent.shift = syn.window_shift;
        sent.scaled |= syn.ack.is_some() && syn.window_shift.is_some();
    }

    fn see_delivered(&mut self, side: Side, flow: Flow, segment: &Summary, [before, after]: [State; 2]) {
        let syn = segment.has(Flags::SYN);
        let nobody = matches!(before, State::Closed | State::Listen | State::TimeWait);
        if nobody && after == State::SynReceived && syn {
            self.begin_passive(side, flow, segment.seq);
        } else if is_synchronized(after) && !syn && self.is_cookie(side, flow, segment, before) {
            let irs = Seq(segment.seq.0.wrapping_sub(1));
            if let Some(child) = self.ends.youngest(side, &flow) {
                let child = self.ends.get_mut(child);
                child.gone |= !child.active && !child.established;
            }
            let end = self.begin_passive(side, flow, irs);
            if let Some(ack) = segment.ack {
                self.ends.set_iss(end, Seq(ack.0.wrapping_sub(1)));
            }
        } else if before == State::SynSent
            && syn
            && after != State::SynSent
            && let Some(end) = self.ends.youngest(side, &flow)
        {
            let end = self.ends.get_mut(end);
            end.irs = Some(segment.seq);
            end.sent.scaled |= end.sent.shift.is_some() && segment.window_shift.is_some();
        }
        self.see_state(side, flow, after);
    }

    /// A cookie has come back (X-COOKIE), perhaps while a later SYN had a place of its own.
    fn is_cookie(&self, side: Side, flow: Flow, segment: &Summary, before: State) -> bool {
        let child = self.ends.youngest(side, &flow).map(|at| self.ends.get(at)).filter(|end| !end.active);
        let other = |iss: Option<Seq>| segment.ack.is_some() && iss.map(|iss| iss + 1) != segment.ack;
        before == State::Listen || before == State::SynReceived && child.is_some_and(|child| other(child.iss))
    }

    /// The youngest with this flow is in this state now.
    fn see_state(&mut self, side: Side, flow: Flow, state: State) {
        let Some(at) = self.ends.youngest(side, &flow) else { return };
        let state = if state == State::Listen { State::Closed } else { state };
        let end = self.ends.get_mut(at);
        let opening = matches!(end.state, State::SynSent | State::SynReceived);
        // What died with its host has not ended, and so is no record of the next program's.
        let died = end.lost && end.receipt.is_none();
        if end.gone || died && (opening || state == State::TimeWait) {
            return; // What has the flow now was there before.
        }
        // What either end has begun over a record leaves the record as it was (TW-9).
        let restored = opening && end.active && state == State::TimeWait;
        let child = end.state == State::SynReceived && !end.active && !is_synchronized(state) || restored;
        end.state = state;
        end.established |= is_synchronized(state);
        // A listener's child that came to nothing may leave a record as it was before (TW-9).
        if child && state != State::SynReceived {
            end.gone = true;
            end.state = State::Closed;
            if restored {
                self.ports[side as usize].give_back(&flow, at);
            }
        }
        self.report.joint(&self.ends, at);
    }

    /// EN-1: each receipt belongs to one end, and each end has one.
    fn see_ended(&mut self, world: &World, now: Instant, side: Side, flow: Flow, receipt: &Receipt) {
        let open = |at: &&usize| {
            let end = self.ends.get(**at);
            let opening = matches!(receipt.ending.state(), State::SynSent | State::SynReceived);
            let possible = !end.gone || opening;
            end.receipt.is_none() && !end.lost && possible && end.active != receipt.is_passive()
        };
        let Some(at) = self.ends.with_flow(side, &flow).iter().find(open).copied() else {
            panic!("EN-1: a receipt of no connection: {side:?} {flow} {receipt:#?}");
        };
        self.check_receipt(at, receipt);
        self.check_promise(receipt);
        self.see_ending(world, at, receipt);
        let end = self.ends.get_mut(at);
        let same = |shown: Receipt| Receipt { unread: 0, ..shown } == Receipt { unread: 0, ..*receipt };
        assert!(end.shown.is_none_or(same), "EN-1: two receipts of one connection: {receipt:#?} {end:#?}");
        end.receipt = Some(*receipt);
        end.established |= is_synchronized(receipt.ending.state());
        self.note_ended(now, at, receipt);
    }
}

/// There is a connection there.
pub(super) fn is_synchronized(state: State) -> bool {
    !matches!(state, State::Closed | State::Listen | State::SynSent | State::SynReceived | State::TimeWait)
}
