//! A world from its first packet to the silence after it.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use adieu_core::{Duration, Events, HandleId, Instant, Leftover, ListenerId, State};
use adieu_trace::Side;

use super::app::Turn;
use super::bounds::orphan_bound;
use super::dice::Dice;
use super::ends::{App, End, Ends, SIDES, Sent};
use super::incidents::Watch;
use super::instant::Instants;
use super::laws::{Ports, Vigil};
use super::plan::{Deed, Plan, Port};
use super::report::Report;
use crate::coverage::Watcher;
use crate::{Setup, Wire, World};

/// Applications that have not come to an end by then are ended.
const CURFEW: Duration = Duration::from_secs(3 * 3600);

/// More events than any world has.
const LIVELOCK: u64 = 1_500_000;

/// Streams of chance of the applications: two for each connection.
const APPS: u64 = 1 << 32;

/// A world under way.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) ends: Ends,
    pub(super) listeners: [Option<ListenerId>; 2],
    /// What is still to begin: places of talks by their time, the second halves of crossing ones among them.
    openings: Vec<(Instant, usize, Side)>,
    accepts: [Instant; 2],
    pub(super) events: u64,
    pub(super) watches: Vec<Watch>,
    /// As the last change has made it.
    pub(super) wire: Wire,
    /// When it healed.
    pub(super) healed: Option<Instant>,
    /// A host is to listen whenever its program runs.
    pub(super) listened: [bool; 2],
    /// ICMP errors have come about what a host has sent.
    pub(super) told: [bool; 2],
    /// What keeps each host's ports.
    pub(super) ports: [Ports; 2],
    /// What was reached.
    pub(super) watcher: Watcher,
    /// What is owed in the instant at hand.
    pub(super) instants: Instants,
    /// A host was seen without a listener.
    pub(super) unlistened: [bool; 2],
    /// When a host's program last stood still, woke or died, or its device went.
    pub(super) struck: [Option<Instant>; 2],
    /// A host forgot what it knew of old connections.
    pub(super) forgot: [bool; 2],
    /// A host has hardly any memory, or had.
    pub(super) squeezed: [bool; 2],
    /// When each application acts next.
    alarms: BTreeSet<(Instant, usize)>,
    scheduled: Vec<Instant>,
    /// Applications that are to look at something.
    pub(super) woken: BTreeSet<usize>,
    pub(super) report: Report,
    /// The end that is looked at.
    pub(super) at_hand: Option<usize>,
    pub(super) dice: Dice,
}

/// Begins the world of a plan.
pub(super) fn setup(plan: &Plan) -> Setup {
    Setup {
        config: plan.config.clone(),
        wire: plan.wire,
        ipv6: plan.ipv6,
        initial: plan.initial,
        ..Setup::new(plan.seed)
    }
}

impl Run {
    pub(super) fn new(plan: Plan, world: &mut World) -> Self {
        world.tap(true);
        SIDES.iter().for_each(|side| world.host(*side).keep_notified());
        let mut openings = Vec::new();
        for (place, talk) in plan.talks.iter().enumerate() {
            // No two at the same instant: what has happened has an order.
            let at = Instant::ZERO + talk.at + Duration::from_nanos(talk.number as u64 * 2);
            openings.push((at, place, talk.opener));
            if let Port::Crossing(apart) = talk.port {
                openings.push((at + apart + Duration::from_nanos(1), place, talk.opener.other()));
            }
        }
        openings.sort_by_key(|(at, _, _)| Reverse(*at));
        let mut run = Self {
            ends: Ends::default(),
            listeners: [None; 2],
            openings,
            accepts: [Instant::ZERO; 2],
            events: 0,
            watches: plan.incidents.iter().map(|incident| Watch::new(*incident)).collect(),
            wire: plan.wire,
            healed: None,
            listened: plan.listens,
            told: [false; 2],
            ports: Default::default(),
            watcher: Watcher::new(),
            instants: Instants::default(),
            unlistened: [false; 2],
            struck: [None; 2],
            forgot: [false; 2],
            squeezed: [false; 2],
            alarms: BTreeSet::new(),
            scheduled: Vec::new(),
            woken: BTreeSet::new(),
            report: Report::default(),
            at_hand: None,
            dice: Dice::new(plan.seed, 2),
            plan,
        };
        for side in SIDES {
            if run.plan.listens[side as usize] { run.listen(world, side) } else { run.unlistened[side as usize] = true }
        }
        run
    }

    pub(super) fn listen(&mut self, world: &mut World, side: Side) {
        let host = world.host(side);
        if self.listeners[side as usize].is_none() {
            self.listeners[side as usize] = host.stack.listen(host.address).ok();
        }
    }

    /// The connection that is looked at, as the left host sees it.
    pub(super) fn flow_at_hand(&self) -> Option<adieu_core::Flow> {
        let end = self.ends.get(self.at_hand?);
        Some(if end.side == Side::Left { end.flow } else { super::ends::reverse(end.flow) })
    }

    // ---- while the applications run ----------------------------------------------------------------------------

    pub(super) fn programs(&mut self, world: &mut World) {
        loop {
            self.act(world);
            self.after_event(world);
            let next = self.next(world.now());
            if self.is_idle() || world.now() >= Instant::ZERO + CURFEW {
                return;
            }
            let limit = next.since(world.now()).min(CURFEW);
            world.run_until(limit, |world| {
                self.after_event(world);
                self.next(world.now()) < next
            });
        }
    }

    /// Whoever was to connect has, and nobody holds a handle or will get one.
    fn is_idle(&self) -> bool {
        let gone =
            |end: &End| end.app.handle.is_none() && (end.app.known || end.is_over() || end.state == State::Closed);
        self.openings.is_empty() && self.ends.iter().all(gone)
    }

    /// When something is to happen that no packet and no timer of a stack brings.
    fn next(&self, now: Instant) -> Instant {
        let later = |at: Instant| if at > now { at } else { Instant::NEVER };
        let app = self.alarms.first().map(|(at, _)| *at);
        let opening = self.openings.last().map(|(at, _, _)| *at);
        let heals = self.plan.heals.filter(|_| self.healed.is_none()).map(|after| Instant::ZERO + after);
        let watches = self.watches.iter().map(|watch| watch.next(now));
        let first = app.into_iter().chain(opening).chain(heals).chain(watches);
        first.chain(self.accepts.map(later)).fold(Instant::NEVER, Instant::min)
    }

    /// Does what is due.
    fn act(&mut self, world: &mut World) {
        let now = world.now();
        while self.openings.last().is_some_and(|(at, _, _)| *at <= now) {
            if let Some((_, place, side)) = self.openings.pop() {
                self.connect(world, place, side);
            }
        }
        if self.plan.heals.is_some_and(|after| Instant::ZERO + after <= now) && self.healed.is_none() {
            self.heal(world);
        }
        self.incidents(world);
        while let Some((at, end)) = self.alarms.first().copied().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, end));
            self.scheduled[end] = Instant::NEVER;
            self.turn(world, end, |turn| turn.look());
        }
        self.set_wire(world);
    }

    /// Lets one application act, and sees when it wants to act again.
    pub(super) fn turn(&mut self, world: &mut World, at: usize, f: impl FnOnce(&mut Turn<'_>)) {
        let end = self.ends.get(at);
        if end.app.handle.is_none() {
            return;
        }
        if !world.is_awake(end.side) {
            // Its program stands still; it looks again later.
            self.scheduled[at] = world.now() + Duration::from_secs(1);
            self.alarms.insert((self.scheduled[at], at));
            return;
        }
        self.before_turn(world, at);
        self.at_hand = Some(at);
        let (ends, watcher, instants) = (&mut self.ends, &mut self.watcher, &mut self.instants);
        f(&mut Turn { world, ends, watcher, instants, at });
        self.schedule(at);
        self.look_at_handle(world, at);
    }

    pub(super) fn schedule(&mut self, at: usize) {
        if self.scheduled.len() <= at {
            self.scheduled.resize(at + 1, Instant::NEVER);
        }
        let next = self.ends.get(at).app.next();
        if self.scheduled[at] != next {
            self.alarms.remove(&(self.scheduled[at], at));
            self.scheduled[at] = next;
            if next != Instant::NEVER {
                self.alarms.insert((next, at));
            }
        }
    }

    /// After every event of the world: what is to be seen, and who reacts to it.
    fn after_event(&mut self, world: &mut World) {
        self.events += 1;
        if self.events > LIVELOCK {
            let packets = SIDES.map(|side| world.host(side).stack.stats().packets);
            panic!("INV-20: no end of events at {:?}, {packets:?} packets", world.now());
        }
        self.track(world);
        self.check_orphans(world);
        self.count_down(world.now());
        self.set_wire(world);
        for side in SIDES {
            if self.accepts[side as usize] <= world.now() {
                self.accept_all(world, side);
            }
            self.hear(world, side);
        }
        while let Some(at) = self.woken.pop_first() {
            self.turn(world, at, |turn| turn.react());
        }
    }

    /// The stack has told applications to look at something.
    fn hear(&mut self, world: &mut World, side: Side) {
        for (handle, events) in world.host(side).take_notified() {
            let Some(at) = self.ends.with_handle(side, handle) else { continue };
            let app = &mut self.ends.get_mut(at).app;
            if app.handle == Some(handle) {
                assert!(events != Events::default(), "L8: woken for nothing");
                app.told.add(events);
                self.woken.insert(at);
            }
        }
    }

    // ---- connections come into being ---------------------------------------------------------------------------

    fn connect(&mut self, world: &mut World, place: usize, side: Side) {
        if !world.is_awake(side) {
            return;
        }
        let (now, clock) = (world.now(), world.time(side));
        let talk = &self.plan.talks[place];
        let remote = world.host(side.other()).address;
        let own = world.host(side).address;
        let local = if talk.port == Port::Any { SocketAddr::new(own.ip(), 0) } else { own };
        let Ok(handle) = world.connect_from(side, local, remote) else { return };
        let flow = world.host(side).stack.flow(handle).expect("it has just begun");
        world.host(side).stack.set(clock, handle, talk.settings[side as usize]);
        let mut app = self.app(place, side);
        app.start(now, handle);
        let end = self.end(side, flow, place, app);
        let at = self.ends.begin(End { active: true, state: State::SynSent, ..end });
        self.check_ports(world, side, flow);
        self.woken.insert(at);
        self.schedule(at);
    }

    fn app(&self, place: usize, side: Side) -> App {
        let talk = &self.plan.talks[place];
        let stream = APPS + talk.number as u64 * 2 + side as u64;
        App::new(talk.programs[side as usize].clone(), Dice::new(self.plan.seed, stream))
    }

    fn end(&self, side: Side, flow: adieu_core::Flow, talk: usize, app: App) -> End {
        End {
            side,
            flow,
            talk,
            active: false,
            iss: None,
            irs: None,
            state: State::SynReceived,
            established: false,
            gone: false,
            lost: false,
            forged: false,
            misled: false,
            sent: Sent::default(),
            stamped: false,
            latest: None,
            vigil: Vigil::default(),
            drain: None,
            app,
            shown: None,
            receipt: None,
        }
    }

    /// A SYN, or a cookie that came back, has begun a connection at a listener: it belongs to the plan of whoever sent
    /// that SYN.
    pub(super) fn begin_passive(&mut self, side: Side, flow: adieu_core::Flow, irs: adieu_core::Seq) -> usize {
        let opener = self.ends.with_number(side.other(), super::ends::reverse(flow), irs);
        let talk = opener.map_or(0, |opener| self.ends.get(opener).talk);
        let app = self.app(talk, side);
        let end = self.end(side, flow, talk, app);
        self.ends.begin(End { irs: Some(irs), ..end })
    }

    fn accept_all(&mut self, world: &mut World, side: Side) {
        let n = side as usize;
        let Some(listener) = self.listeners[n].filter(|_| world.is_awake(side)) else { return };
        let (now, clock) = (world.now(), world.time(side));
        while let Some(handle) = world.host(side).stack.accept(listener) {
            let at = self.owner_of(world, side, handle);
            self.ends.get_mut(at).app.start(now, handle);
            self.ends.set_handle(at, handle);
            let settings = self.plan.talks[self.ends.get(at).talk].settings[n];
            world.host(side).stack.set(clock, handle, settings);
            self.schedule(at);
            self.woken.insert(at);
        }
        let pace = self.plan.accept_pace;
        self.accepts[n] = now + pace / 2 + self.dice.time(pace / 2);
    }

    /// Whose connection was accepted: the oldest with that flow that was not yet, or the one whose receipt it shows.
    fn owner_of(&self, world: &mut World, side: Side, handle: HandleId) -> usize {
        let stack = &world.host(side).stack;
        let flow = stack.flow(handle).expect("an accepted connection has a flow");
        let receipt = stack.receipt(handle);
        let waits = |end: &End| !end.active && !end.app.known && end.established && !end.lost;
        let all = self.ends.with_flow(side, &flow).iter().copied();
        let mut found = all.filter(|at| waits(self.ends.get(*at)) && self.ends.get(*at).receipt == receipt);
        found.next().unwrap_or_else(|| {
            panic!("INV-22: accepted at {side:?}, and nobody opened it: {flow} {receipt:?}");
        })
    }

    // ---- the end of it -----------------------------------------------------------------------------------------

    /// Whoever still holds a handle lets it go; then everything must come to its end by itself (L2, L6).
    pub(super) fn curfew(&mut self, world: &mut World) {
        self.check_patience(world.now());
        self.check_nobody_waits(world);
        self.release_all(world);
        self.plan.accept_pace = Duration::ZERO;
        let limit = if self.is_dead() {
            self.plan.config.each_ref().map(orphan_bound).into_iter().fold(Duration::ZERO, Duration::max)
                + Duration::from_secs(500)
        } else {
            Duration::from_secs(7200)
        };
        let quiet = world.run_until(limit, |world| {
            self.accepts = [Instant::ZERO; 2];
            self.after_event(world);
            self.release_all(world);
            SIDES.iter().all(|side| world.leftover(*side) == Leftover::default())
        });
        let left = SIDES.map(|side| world.leftover(side));
        assert!(quiet, "L2: orphans outlive their bound of {limit:?}: {left:?}");
        world.assert_nothing_left();
        self.track(world);
        let before = SIDES.map(|side| world.host(side).stack.stats());
        world.run_for(Duration::from_secs(24 * 3600));
        let after = SIDES.map(|side| world.host(side).stack.stats());
        assert_eq!(before, after, "L6: packets after everything has ended");
    }

    fn release_all(&mut self, world: &mut World) {
        for at in 0..self.ends.len() {
            self.turn(world, at, |turn| turn.perform(Deed::Release));
        }
    }
}
