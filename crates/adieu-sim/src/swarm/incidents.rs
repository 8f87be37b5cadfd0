//! What goes wrong, when its time has come.

use adieu_core::wire::Flags;
use adieu_core::{Duration, Instant, Seq, State};
use adieu_trace::Side;

use super::ends::{End, byte, reverse};
use super::plan::{Deed, Forgery, Incident, Mishap, When};
use super::run::Run;
use crate::{Budget, Forged, Forgotten, IcmpError, Legacy, LinkDown, Nat, Number, Quote, Wire, World};

/// An incident and how far it has got.
#[derive(Debug)]
pub(super) struct Watch {
    incident: Incident,
    began: Option<Instant>,
    /// Events to come before one that waits for a state begins.
    countdown: Option<u64>,
    done: bool,
    over: bool,
}

impl Watch {
    pub(super) fn new(incident: Incident) -> Self {
        Self { incident, began: None, countdown: None, done: false, over: false }
    }

    fn lasts(&self) -> Option<Duration> {
        match self.incident.what {
            Mishap::Outage(lasts) => lasts,
            Mishap::Squeeze(_, lasts)
            | Mishap::Suspend(_, lasts, _)
            | Mishap::Unplug(_, lasts)
            | Mishap::Stop(_, lasts)
            | Mishap::Full(_, lasts)
            | Mishap::Restart { dead: lasts, .. } => Some(lasts),
            _ => Some(Duration::ZERO),
        }
    }

    fn end(&self) -> Option<Instant> {
        self.began.zip(self.lasts()).map(|(began, lasts)| began + lasts)
    }

    fn is_on(&self, now: Instant) -> bool {
        self.began.is_some_and(|began| began <= now) && self.end().is_none_or(|end| now < end)
    }

    /// Nothing gets through now.
    fn cuts(&self, now: Instant) -> bool {
        matches!(self.incident.what, Mishap::Outage(_)) && self.is_on(now)
    }

    /// Nothing gets through any more.
    pub(super) fn for_ever_since(&self) -> Option<Instant> {
        self.began.filter(|_| matches!(self.incident.what, Mishap::Outage(None)))
    }

    pub(super) fn next(&self, now: Instant) -> Instant {
        match (self.began, self.incident.when) {
            (None, When::At(at)) => Instant::ZERO + at,
            (None, When::After { .. }) => Instant::NEVER,
            (Some(began), _) if !self.done => began,
            (Some(_), _) => self.end().filter(|end| *end > now || !self.over).unwrap_or(Instant::NEVER),
        }
    }
}

impl Run {
    /// Nothing gets through any more.
    pub(super) fn dead_since(&self) -> Option<Instant> {
        self.watches.iter().find_map(Watch::for_ever_since)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead_since().is_some()
    }

    /// Incidents whose time has come, and those that are over.
    pub(super) fn incidents(&mut self, world: &mut World) {
        let now = world.now();
        for n in 0..self.watches.len() {
            let watch = &mut self.watches[n];
            if let When::At(at) = watch.incident.when
                && Instant::ZERO + at <= now
            {
                watch.began.get_or_insert(now);
            }
            let what = watch.incident.what;
            if watch.began.is_some_and(|began| began <= now) && !watch.done {
                watch.done = true;
                self.happens(world, what);
            }
            let watch = &mut self.watches[n];
            if watch.done && !watch.over && watch.end().is_some_and(|end| end <= now) {
                watch.over = true;
                self.is_over(world, what);
            }
        }
    }

    /// One more event: incidents that wait for a state of some connection.
    pub(super) fn count_down(&mut self, now: Instant) {
        for watch in self.watches.iter_mut().filter(|watch| watch.began.is_none()) {
            let When::After { talk, side, state, events } = watch.incident.when else { continue };
            let meant = |at: &usize| {
                let end = self.ends.get(*at);
                end.side == side && end.state == state && self.plan.talks[end.talk].number == talk
            };
            if watch.countdown.is_none() && (0..self.ends.len()).any(|at| meant(&at)) {
                watch.countdown = Some(events);
            }
            match watch.countdown {
                Some(0) => watch.began = Some(now),
                Some(n) => watch.countdown = Some(n - 1),
                None => {}
            }
        }
    }

    pub(super) fn heal(&mut self, world: &mut World) {
        self.healed = Some(world.now());
        let wire = self.wire;
        self.wire = Wire { delay: wire.delay.min(Duration::from_millis(200)), ..Wire::default() };
        world.path.faults.clear();
        world.path.links.clear();
        world.path.narrow = [None; 2];
        world.path.nat = None;
    }

    pub(super) fn set_wire(&self, world: &mut World) {
        let now = world.now();
        world.wire = self.wire;
        if self.healed.is_none() && self.watches.iter().any(|watch| watch.cuts(now)) {
            world.wire.loss = 1_000_000;
        }
    }

    fn happens(&mut self, world: &mut World, what: Mishap) {
        match what {
            Mishap::Outage(_) => {}
            Mishap::Unlisten(side) => self.unlisten(world, side),
            Mishap::Listen(side) => self.listen(world, side),
            Mishap::Restart { side, records, dead } => self.restart(world, side, records, dead),
            Mishap::Act { talk, side, deed } => self.make_act(world, talk, side, deed),
            Mishap::Timestamps(side, wanted) => {
                world.host(side).stack.reconfigure(|config| config.timestamps = wanted);
            }
            Mishap::CloseAll(side) | Mishap::AbortAll(side) if !world.is_awake(side) => {}
            Mishap::CloseAll(side) => {
                self.strike(side);
                self.closed_by_host(side, world.now());
                let now = world.time(side);
                world.host(side).stack.close_all(now);
                self.forget_listener(side, false);
            }
            Mishap::AbortAll(side) => {
                self.strike(side);
                let now = world.time(side);
                world.host(side).stack.abort_all(now);
                self.forget_listener(side, true);
            }
            Mishap::RemoveAddress { side, reachable } => {
                self.strike(side);
                self.forgot[side as usize] = true;
                world.remove_address(side, reachable);
                world.restore_address(side);
            }
            Mishap::Unplug(side, lasts) => {
                self.strike(side);
                self.forgot[side as usize] = true;
                self.struck[side as usize] = Some(world.now());
                world.unplug(side, lasts);
            }
            Mishap::Full(side, lasts) => {
                self.struck[side as usize] = Some(world.now());
                world.fill_device(side, lasts);
            }
            // Rust's allocator does not fail but abort: memory fails where the stack counts it, in its budgets.
            Mishap::Squeeze(side, _) => {
                self.squeezed[side as usize] = true;
                world.squeeze(side, Budget::NOTHING);
            }
            Mishap::Suspend(side, lasts, room) => {
                self.struck[side as usize] = Some(world.now());
                world.suspend(side, lasts, room);
            }
            Mishap::Leap(side, by) => world.jump_clock(side, by),
            Mishap::Stop(side, lasts) => world.stop_clock(side, lasts),
            Mishap::Wire(_)
            | Mishap::Fault(_)
            | Mishap::LinkDown(..)
            | Mishap::Narrow(..)
            | Mishap::Nat { .. }
            | Mishap::Icmp { .. }
            | Mishap::Forge(..) => self.befalls_path(world, what),
        }
        world.tap_all();
    }

    fn make_act(&mut self, world: &mut World, talk: usize, side: Side, deed: Deed) {
        let meant = |at: &usize| {
            let end = self.ends.get(*at);
            end.app.handle.is_some() && self.plan.talks[end.talk].number == talk
        };
        if let Some(at) = self.ends.of_side(side).into_iter().rfind(meant) {
            self.turn(world, at, |turn| turn.perform(deed));
        }
    }

    /// What healed stays whole.
    fn befalls_path(&mut self, world: &mut World, what: Mishap) {
        if self.healed.is_some() {
            return;
        }
        match what {
            Mishap::Wire(wire) => self.wire = wire,
            Mishap::Fault(fault) => world.path.faults.push(fault),
            Mishap::LinkDown(side, lasts) => {
                let down = LinkDown { from: Some(side), ..LinkDown::new(world.now(), lasts) };
                world.path.links.push(down);
            }
            Mishap::Narrow(side, narrow) => world.path.narrow[side as usize] = Some(narrow),
            Mishap::Nat { inside, idle, resets } => {
                let kind = if resets { Forgotten::Reset } else { Forgotten::Drop };
                world.path.nat = Some(Nat::new(inside, idle).when_forgotten(kind, kind));
            }
            Mishap::Icmp { to, error, forged } => self.tell(world, to, error, forged),
            Mishap::Forge(to, forgery) => self.forge(world, to, forgery),
            _ => {}
        }
    }

    fn is_over(&mut self, world: &mut World, what: Mishap) {
        match what {
            Mishap::Squeeze(side, _) => _ = world.squeeze(side, Budget::of(&self.plan.config[side as usize])),
            Mishap::Suspend(side, ..) | Mishap::Restart { side, .. } => {
                // What has waited comes at once, and is answered once.
                self.struck[side as usize] = Some(world.now());
                world.wake(side);
                if self.listened[side as usize] {
                    self.listen(world, side);
                }
                self.ends.of_side(side).into_iter().for_each(|at| _ = self.woken.insert(at));
            }
            _ => {}
        }
    }

    /// An ICMP error about what is under way, or about numbers that were never sent.
    fn tell(&mut self, world: &mut World, to: Side, error: IcmpError, forged: bool) {
        let quote = if forged {
            let Some(at) = self.pick(to, |_| true) else { return };
            let end = self.ends.get(at);
            let flow = if to == Side::Left { end.flow } else { reverse(end.flow) };
            Quote::Segment(flow, Number::Outside(1_000_000))
        } else {
            self.told[to as usize] = true;
            Quote::InFlight(None)
        };
        world.icmp(to, error, quote);
    }

    /// Some end of a host that there is a connection at, or a record.
    fn pick(&mut self, side: Side, meant: impl Fn(&End) -> bool) -> Option<usize> {
        let all = self.ends.of_side(side);
        let fits = |at: &usize| {
            let end = self.ends.get(*at);
            self.ends.youngest(side, &end.flow) == Some(*at) && end.state != State::Closed && !end.gone && meant(end)
        };
        let all: Vec<usize> = all.into_iter().filter(fits).collect();
        (!all.is_empty()).then(|| all[self.dice.index(all.len())])
    }

    /// A segment that nobody has sent, on some connection of a host.
    fn forge(&mut self, world: &mut World, to: Side, forgery: Forgery) {
        let hasty = matches!(forgery, Forgery::OldFin(_) | Forgery::FinBeyond(_) | Forgery::DataBeyond(_));
        if hasty && self.overreach(world, to) {
            return;
        }
        let Some(at) = self.pick(to, |end| end.irs.is_some()) else { return self.forge_refusal(world, to, forgery) };
        let (end, all_sent) = (self.ends.get(at), self.all_sent(at));
        let glance = world.host(to).stack.glance(&end.flow);
        let (Some(next), Some(iss)) = (glance.recv_next, end.iss) else { return };
        let beyond = next + u32::try_from(glance.window.min(1 << 30)).unwrap_or(0) + (1 << 20);
        let before = |n: u32| Seq(next.0.wrapping_sub(n));
        let old = Seq(iss.0.wrapping_sub(1));
        let (flags, seq, ack, data): (Flags, Seq, Seq, &[u8]) = match forgery {
            Forgery::Reset => (Flags::RST, next, old, b""),
            Forgery::ResetInWindow(n) if u64::from(n) < glance.window => (Flags::RST, next + n, old, b""),
            Forgery::ResetInWindow(_) => return,
            Forgery::ResetBefore(n) => (Flags::RST, before(n), old, b""),
            // In TIME-WAIT, a SYN may open a connection: that is TW-8's table, and not for here.
            Forgery::Syn(_) if end.state == State::TimeWait => return,
            Forgery::Syn(n) => (Flags::SYN, next + n, old, b""),
            Forgery::OldAck(n) => (Flags::ACK, before(n), Seq(iss.0.wrapping_sub(1 << 30)), b""),
            Forgery::AckBeyond(n) => (Flags::ACK, next, iss + (1 << 28) + n, b""),
            Forgery::AckNext => (Flags::ACK, next, all_sent.unwrap_or(iss) + 1, b""),
            Forgery::OldFin(n) => (Flags::FIN.with(Flags::ACK), before(n + 1), old, b""),
            Forgery::FinBeyond(n) => (Flags::FIN.with(Flags::ACK), beyond + n, old, b""),
            Forgery::DataBeyond(n) => (Flags::ACK, beyond + n, old, b"nobody wrote this"),
        };
        // Somebody who knows every number of a connection can end it (RFC 9293 section 3.10.7.4), or its opening.
        let early = matches!(end.state, State::SynSent | State::SynReceived);
        if early && !matches!(forgery, Forgery::ResetInWindow(_) | Forgery::OldAck(_) | Forgery::DataBeyond(_)) {
            return;
        }
        let flow = end.flow;
        // Where the FIN has come, the number before counts, too (RA-7).
        self.ends.get_mut(at).forged |= matches!(forgery, Forgery::Reset | Forgery::ResetBefore(1));
        // What is sent in this very instant makes an acknowledgment of the next number one that counts.
        self.ends.get_mut(at).misled |= forgery == Forgery::AckNext;
        let forged = Forged { flags, seq: seq.0, ack: ack.0, data };
        world.inject(to, forged.packet([flow.remote(), flow.local()], [Seq(0); 2]));
    }

    /// What a peer still has to deliver, its FIN behind it, as somebody would send it who does not keep to the window:
    /// what fits is what the peer has sent itself, and the FIN lies beyond (FB-4). Whether there is such a connection.
    fn overreach(&mut self, world: &mut World, to: Side) -> bool {
        let all = self.ends.of_side(to).into_iter();
        let mut found = all.filter_map(|at| Some((at, self.overreaching(world, at)?)));
        let Some((at, (seq, ack, data))) = found.next() else { return false };
        let flow = self.ends.get(at).flow;
        let forged = Forged { flags: Flags::FIN.with(Flags::ACK), seq: seq.0, ack: ack.0, data: &data };
        world.inject(to, forged.packet([flow.remote(), flow.local()], [Seq(0); 2]));
        true
    }

    fn overreaching(&self, world: &mut World, at: usize) -> Option<(Seq, Seq, Vec<u8>)> {
        let end = self.ends.get(at);
        let writer = self.ends.peer(at)?;
        let peer = self.ends.get(writer);
        if end.state != State::Established || end.stamped || !peer.app.shut {
            return None;
        }
        let glance = world.host(end.side).stack.glance(&end.flow);
        let next = glance.recv_next?;
        let taken = u64::from(next.0.wrapping_sub(end.irs?.0).wrapping_sub(1));
        let sent = u64::from(self.all_sent(writer)?.0.wrapping_sub(end.irs?.0).wrapping_sub(1));
        let left = peer.app.written.checked_sub(taken)?;
        let fits = glance.window > 0 && left > glance.window && left <= 8000 && sent >= taken + glance.window;
        let data = || (taken..peer.app.written).map(|offset| byte(writer, offset)).collect();
        fits.then(|| Some((next, self.all_acknowledged(at)?, data())))?
    }

    /// A reset that comes while a SYN waits for its answer, and does not acknowledge it: with or without ACK.
    fn forge_refusal(&mut self, world: &mut World, to: Side, forgery: Forgery) {
        let Forgery::ResetBefore(n) = forgery else { return };
        let Some(at) = self.pick(to, |end| end.state == State::SynSent && end.iss.is_some()) else { return };
        let end = self.ends.get(at);
        let (flow, ack) = (end.flow, end.iss.map_or(0, |iss| (iss + 1 + n).0));
        let flags = if n.is_multiple_of(2) { Flags::RST } else { Flags::RST.with(Flags::ACK) };
        let forged = Forged { flags, seq: n, ack, data: b"" };
        world.inject(to, forged.packet([flow.remote(), flow.local()], [Seq(0); 2]));
    }

    /// Every connection of a host that has not ended may end now, for a reason of its host's.
    fn strike(&mut self, side: Side) {
        for at in self.ends.of_side(side) {
            self.ends.get_mut(at).app.host_failed |= self.ends.get(at).receipt.is_none();
        }
    }

    fn closed_by_host(&mut self, side: Side, now: Instant) {
        for at in self.ends.of_side(side) {
            let end = self.ends.get_mut(at);
            if end.receipt.is_none() {
                end.app.shut = true;
                end.app.closed.get_or_insert(now);
            }
        }
    }

    fn unlisten(&mut self, world: &mut World, side: Side) {
        if !world.is_awake(side) {
            return;
        }
        let now = world.time(side);
        self.listened[side as usize] = false;
        if let Some(listener) = self.listeners[side as usize].take() {
            self.watcher.unlistens(false);
            world.host(side).stack.unlisten(now, listener);
            self.unlistened[side as usize] = true;
        }
    }

    fn forget_listener(&mut self, side: Side, abort: bool) {
        self.watcher.unlistens(abort);
        self.listened[side as usize] = false;
        self.listeners[side as usize] = None;
        self.unlistened[side as usize] = true;
    }

    /// The program dies without a word; the next one listens again.
    fn restart(&mut self, world: &mut World, side: Side, records: bool, dead: Duration) {
        if !world.is_awake(side) {
            return;
        }
        self.track(world); // What it had said before it died counts.
        self.struck[side as usize] = Some(world.now());
        world.kill(side, dead, if records { Legacy::TimeWait } else { Legacy::Nothing });
        world.host(side).keep_notified();
        self.ports[side as usize].forget();
        for at in self.ends.of_side(side) {
            let end = self.ends.get_mut(at);
            end.lost |= end.receipt.is_none() && !end.gone;
            end.app.handle = None;
            end.shown = None;
            if !records || end.state != State::TimeWait {
                end.state = State::Closed;
            }
            self.schedule(at);
        }
        self.forgot[side as usize] |= !records;
        self.listeners[side as usize] = None;
        self.unlistened[side as usize] |= dead > Duration::ZERO;
    }
}
