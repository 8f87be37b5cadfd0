//! What may befall a host: its program, its clock, its device, its memory.

use std::collections::VecDeque;

use adieu_core::{Duration, Instant};
use adieu_trace::Side;

use super::{SIDES, World};
use crate::life::Life;
use crate::{Budget, Legacy};

impl World {
    // ---- the clock ---------------------------------------------------------------------------------------------

    /// What a host's clock says: what its stack is to be called with. The same as [`World::now`], unless the clock was
    /// touched.
    pub fn time(&self, side: Side) -> Instant {
        self.hosts[side as usize].clock.local(self.now)
    }

    /// A host's clock leaps ahead, as one does that counts the time a machine was asleep. (A leap back is none: clocks
    /// that count on do not go back, and where one did the stack would take it for one that stands still.)
    pub fn jump_clock(&mut self, side: Side, by: Duration) {
        let now = self.now;
        self.host(side).clock.jump(now, by);
    }

    /// A host's clock stands still for so long, while the host does not: no timer of its fires. Then it goes on from
    /// where it stood.
    pub fn stop_clock(&mut self, side: Side, lasts: Duration) {
        let now = self.now;
        self.host(side).clock.stop(now, lasts);
    }

    // ---- the program -------------------------------------------------------------------------------------------

    /// Whether a host's program runs.
    pub fn is_awake(&self, side: Side) -> bool {
        self.hosts[side as usize].life.is_awake()
    }

    /// A host's program stands still for so long: it sends nothing, its timers do not fire, and of the packets to it
    /// the first `room` wait in its device's queue, the rest is lost. When it wakes it takes them in order, then its
    /// timers fire. Its clock goes on; see [`World::stop_clock`] for a machine that sleeps as a whole. What is called
    /// on the host meanwhile is done: its application is the caller's matter ([`World::is_awake`]). Nothing happens
    /// where the program does not run.
    pub fn suspend(&mut self, side: Side, lasts: Duration, room: usize) {
        let until = self.now + lasts;
        let life = &mut self.host(side).life;
        if life.is_awake() {
            *life = Life::Suspended { until, room, waiting: VecDeque::new() };
        }
    }

    /// A host's program is gone without a word, and what comes for so long vanishes; then another begins in its place,
    /// as with [`World::restart`], and is given what the first has left. It listens nowhere. Until it begins the host
    /// is not to be called.
    pub fn kill(&mut self, side: Side, lasts: Duration, legacy: Legacy) {
        let records = (legacy == Legacy::TimeWait).then(|| self.export_time_wait(side));
        let until = self.now + lasts;
        self.restart(side);
        self.ports[side as usize].forget();
        self.host(side).life = Life::Dead { until, records };
    }

    /// A suspended program goes on, or one begins in place of a dead one, before its time.
    pub fn wake(&mut self, side: Side) {
        match std::mem::take(&mut self.host(side).life) {
            Life::Awake => {}
            Life::Suspended { waiting, .. } => {
                for bytes in waiting {
                    self.deliver_to_host(side, bytes);
                    self.observe();
                }
            }
            Life::Dead { records, .. } => {
                if let Some(records) = records {
                    self.import_time_wait(side, &records).expect("the stack's own records");
                }
            }
        }
        self.observe();
    }

    pub(super) fn wake_who_is_due(&mut self) {
        for side in SIDES {
            if self.hosts[side as usize].life.until() <= self.now && !self.is_awake(side) {
                self.wake(side);
            }
        }
    }

    /// When a host does something by itself.
    pub(super) fn next_of(&self, side: Side) -> Instant {
        let host = &self.hosts[side as usize];
        if !host.life.is_awake() {
            return host.life.until();
        }
        let timer = host.clock.world(host.stack.poll_timeout());
        timer.min(self.ports[side as usize].ready_at(self.now))
    }

    // ---- addresses and devices ---------------------------------------------------------------------------------

    /// A host's address is its own no more: see [`Stack::remove_address`](adieu_core::Stack::remove_address).
    pub fn remove_address(&mut self, side: Side, reachable: bool) {
        let now = self.time(side);
        let host = self.host(side);
        host.stack.remove_address(now, host.address.ip(), reachable);
        self.observe();
    }

    /// It gets it back.
    pub fn restore_address(&mut self, side: Side) {
        let host = self.host(side);
        let address = host.address.ip();
        host.stack.reconfigure(|config| {
            if !config.addresses.contains(&address) {
                config.addresses.push(address);
            }
        });
    }

    /// A host's device is gone: see [`Stack::device_gone`](adieu_core::Stack::device_gone). For so long nothing comes,
    /// and what the stack wants to send waits; then there is another.
    pub fn unplug(&mut self, side: Side, lasts: Duration) {
        let (now, until) = (self.time(side), self.now + lasts);
        self.ports[side as usize].unplug(until);
        self.host(side).stack.device_gone(now);
        self.observe();
    }

    /// Whether a host's device takes nothing now.
    pub(crate) fn is_device_full(&self, side: Side) -> bool {
        self.ports[side as usize].is_full(self.now)
    }

    /// A host's device has no room for packets to send, for so long.
    pub fn fill_device(&mut self, side: Side, lasts: Duration) {
        let until = self.now + lasts;
        self.ports[side as usize].block(until);
    }

    // ---- memory ------------------------------------------------------------------------------------------------

    /// Grants a host this much from now on, and says what it had before, so that it can be given back.
    pub fn squeeze(&mut self, side: Side, budget: Budget) -> Budget {
        let stack = &mut self.host(side).stack;
        let before = Budget::of(stack.config());
        stack.reconfigure(|config| budget.grant(config));
        before
    }
}
