//! What goes wrong, when its time has come.

use adieu_core::{Duration, Instant};
use adieu_trace::Side;

use super::plan::{Incident, Mishap, When};
use super::run::Run;
use crate::{Wire, World};

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
            Mishap::Squeeze(_, lasts) => Some(lasts),
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
    }

    pub(super) fn set_wire(&self, world: &mut World) {
        let now = world.now();
        world.wire = self.wire;
        if self.healed.is_none() && self.watches.iter().any(|watch| watch.cuts(now)) {
            world.wire.loss = 1_000_000;
        }
    }

    fn happens(&mut self, world: &mut World, what: Mishap) {
        let now = world.now();
        match what {
            Mishap::Wire(wire) if self.healed.is_none() => self.wire = wire,
            Mishap::Wire(_) | Mishap::Outage(_) => {}
            Mishap::Unlisten(side) => self.unlisten(world, side),
            Mishap::Listen(side) => self.listen(world, side),
            Mishap::Restart { side, records } => self.restart(world, side, records),
            Mishap::CloseAll(side) => {
                self.strike(side);
                self.closed_by_host(side, now);
                world.host(side).stack.close_all(now);
                self.forget_listener(side);
            }
            Mishap::AbortAll(side) => {
                self.strike(side);
                world.host(side).stack.abort_all(now);
                self.forget_listener(side);
            }
            Mishap::RemoveAddress { side, reachable } => {
                self.strike(side);
                self.forgot[side as usize] = true;
                let host = world.host(side);
                let address = host.address.ip();
                host.stack.remove_address(now, address, reachable);
                host.stack.reconfigure(|config| config.addresses.push(address));
            }
            Mishap::DeviceGone(side) => {
                self.strike(side);
                self.forgot[side as usize] = true;
                world.host(side).stack.device_gone(now);
            }
            Mishap::Squeeze(side, _) => self.squeeze(world, side),
        }
        world.tap_all();
    }

    fn is_over(&mut self, world: &mut World, what: Mishap) {
        if let Mishap::Squeeze(side, _) = what {
            let whole = self.plan.config[side as usize].clone();
            world.host(side).stack.reconfigure(|config| {
                config.memory = whole.memory;
                config.max_orphans = whole.max_orphans;
                config.orphan_bytes = whole.orphan_bytes;
                config.time_wait_budget = whole.time_wait_budget;
                config.fin_wait_2_budget = whole.fin_wait_2_budget;
            });
        }
    }

    /// Rust's allocator does not fail but abort, so memory fails where the stack counts it: in its budgets.
    fn squeeze(&mut self, world: &mut World, side: Side) {
        self.squeezed[side as usize] = true;
        world.host(side).stack.reconfigure(|config| {
            config.memory = 1;
            config.max_orphans = 1;
            config.orphan_bytes = 1;
            config.time_wait_budget = 1;
            config.fin_wait_2_budget = 1;
        });
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
        let now = world.now();
        if let Some(listener) = self.listeners[side as usize].take() {
            world.host(side).stack.unlisten(now, listener);
            self.unlistened[side as usize] = true;
        }
    }

    fn forget_listener(&mut self, side: Side) {
        self.listeners[side as usize] = None;
        self.unlistened[side as usize] = true;
    }

    /// The program dies without a word; the next one listens again.
    fn restart(&mut self, world: &mut World, side: Side, records: bool) {
        self.track(world); // What it had said before it died counts.
        let kept = records.then(|| world.export_time_wait(side));
        world.restart(side);
        world.host(side).keep_notified();
        for at in self.ends.of_side(side) {
            let end = self.ends.get_mut(at);
            end.lost |= end.receipt.is_none() && !end.gone;
            end.app.handle = None;
            end.shown = None;
            if kept.is_none() || end.state != adieu_core::State::TimeWait {
                end.state = adieu_core::State::Closed;
            }
            self.schedule(at);
        }
        self.forgot[side as usize] |= kept.is_none();
        if let Some(kept) = kept {
            world.import_time_wait(side, &kept).expect("what was exported can be imported");
        }
        if self.listeners[side as usize].take().is_some() {
            self.listen(world, side);
        }
    }
}
