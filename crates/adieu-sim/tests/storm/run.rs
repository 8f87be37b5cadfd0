//! A storm from its first packet to the silence after it.

use std::net::SocketAddr;

use adieu_core::{Config, Duration, Flow, HandleId, Instant, Leftover, ListenerId, State};
use adieu_sim::coverage::Watcher;
use adieu_sim::{Setup, World};
use adieu_trace::Side;

use crate::app::Turn;
use crate::draw::{Begin, Deed, Dice, Outage, Plan, Port, Storm};
use crate::ends::{Connection, End, SIDES, mirrored};
use crate::tally::Tally;

/// Applications that have not come to an end by then are ended.
const CURFEW: Duration = Duration::from_secs(3 * 3600);

/// More events than any storm has.
const LIVELOCK: u64 = 300_000;

/// A storm under way.
pub(crate) struct Run {
    pub(crate) storm: Storm,
    pub(crate) dice: Dice,
    pub(crate) connections: Vec<Connection>,
    listeners: [Option<ListenerId>; 2],
    /// What is still to begin: plans by their time, the second halves of crossing ones among them.
    openings: Vec<(Instant, usize, Side)>,
    accepts: [Instant; 2],
    changes: usize,
    events: u64,
    /// Events to come before an outage that waits for a state begins.
    pub(crate) outages: Vec<Watch>,
    /// Receipts looked at so far.
    pub(crate) seen: [usize; 2],
    /// When a host stopped listening.
    pub(crate) unlistened: [bool; 2],
    /// Counts what is reached.
    pub(crate) watcher: Watcher,
}

/// An outage and how far it has got.
#[derive(Debug)]
pub(crate) struct Watch {
    outage: Outage,
    pub(crate) began: Option<Instant>,
    countdown: Option<u64>,
}

impl Watch {
    fn is_on(&self, now: Instant) -> bool {
        self.began.is_some_and(|began| began <= now && self.outage.lasts.is_none_or(|lasts| now < began + lasts))
    }

    /// It has begun, and never ends.
    pub(crate) fn for_ever_since(&self) -> Option<Instant> {
        self.began.filter(|_| self.outage.lasts.is_none())
    }

    fn next(&self, now: Instant) -> Instant {
        match (self.began, self.outage.begin) {
            (None, Begin::At(at)) => Instant::ZERO + at,
            (None, Begin::After { .. }) => Instant::NEVER,
            (Some(began), _) => {
                let end = self.outage.lasts.map_or(Instant::NEVER, |lasts| began + lasts);
                if end > now { end } else { Instant::NEVER }
            }
        }
    }
}

/// Runs the storm of one seed, and says what it led to.
pub(crate) fn storm(seed: u64) -> Tally {
    let mut dice = Dice::new(seed);
    let storm = Storm::draw(seed, &mut dice);
    if std::env::var_os("ADIEU_STORM_SHOW").is_some() {
        eprintln!("{storm:#?}");
    }
    let setup = Setup { config: storm.config.clone(), wire: storm.wire, ipv6: storm.ipv6, ..Setup::new(seed) };
    let mut world = World::new(setup);
    world.tap(std::env::var_os("ADIEU_STORM_BLIND").is_none());
    let mut run = Run::new(storm, dice, &mut world);
    run.programs(&mut world);
    run.curfew(&mut world);
    run.verdict(&mut world);
    assert!(run.watcher.violations().is_empty(), "4.8: {:#?}", run.watcher.violations());
    if std::env::var_os("ADIEU_STORM_SHOW").is_some() {
        eprintln!("{}", adieu_trace::Ladder { width: 120, ..adieu_trace::Ladder::default() }.draw(world.trace()));
    }
    run.tally()
}

impl Run {
    fn new(storm: Storm, dice: Dice, world: &mut World) -> Self {
        let listeners = SIDES.map(|side| {
            let host = world.host(side);
            storm.listens[side as usize].then(|| host.stack.listen(host.address).expect("a fresh host's port is free"))
        });
        let mut openings = Vec::new();
        for (n, plan) in storm.plans.iter().enumerate() {
            // No two at the same instant: receipts are told apart by it.
            let at = Instant::ZERO + plan.at + Duration::from_nanos(n as u64 * 2);
            openings.push((at, n, plan.opener));
            if let Port::Crossing(apart) = plan.port {
                openings.push((at + apart + Duration::from_nanos(1), n, plan.opener.other()));
            }
        }
        openings.sort_by_key(|(at, _, _)| core::cmp::Reverse(*at));
        let watch = |outage: &Outage| Watch { outage: *outage, began: None, countdown: None };
        let outages = storm.outages.iter().map(watch).collect();
        Self {
            storm,
            dice,
            connections: Vec::new(),
            listeners,
            openings,
            accepts: [Instant::ZERO; 2],
            changes: 0,
            events: 0,
            outages,
            seen: [0; 2],
            unlistened: [false; 2],
            watcher: Watcher::new(),
        }
    }

    // ---- while the applications run ----------------------------------------------------------------------------

    fn programs(&mut self, world: &mut World) {
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
        let gone = |end: &End| end.handle.is_none() && (end.known || !is_alive(end.state));
        self.openings.is_empty() && self.connections.iter().flat_map(|connection| &connection.ends).all(gone)
    }

    /// When something is to happen that no packet and no timer of a stack brings.
    fn next(&self, now: Instant) -> Instant {
        let later = |at: Instant| if at > now { at } else { Instant::NEVER };
        let apps = self.connections.iter().flat_map(|connection| &connection.ends).map(End::next);
        let opening = self.openings.last().map(|(at, _, _)| *at);
        let change = self.storm.changes.get(self.changes).map(|(at, _)| Instant::ZERO + *at);
        let unlisten = [0, 1].into_iter().filter(|n| !self.unlistened[*n]).filter_map(|n| self.storm.unlisten[n]);
        let outages = self.outages.iter().map(|watch| watch.next(now));
        let accepts = self.accepts.map(later);
        apps.chain(opening)
            .chain(change)
            .chain(unlisten.map(|at| Instant::ZERO + at))
            .chain(outages)
            .chain(accepts)
            .fold(Instant::NEVER, Instant::min)
    }

    /// Does what is due.
    fn act(&mut self, world: &mut World) {
        let now = world.now();
        while self.openings.last().is_some_and(|(at, _, _)| *at <= now) {
            if let Some((_, plan, side)) = self.openings.pop() {
                self.connect(world, plan, side);
            }
        }
        while self.storm.changes.get(self.changes).is_some_and(|(at, _)| Instant::ZERO + *at <= now) {
            self.changes += 1;
        }
        for side in SIDES {
            let n = side as usize;
            let due = self.storm.unlisten[n].is_some_and(|at| Instant::ZERO + at <= now);
            if due && !self.unlistened[n] {
                self.unlistened[n] = true;
                if let Some(listener) = self.listeners[n].take() {
                    self.watcher.unlistens(false);
                    world.host(side).stack.unlisten(now, listener);
                }
            }
        }
        for watch in &mut self.outages {
            if let Begin::At(at) = watch.outage.begin
                && Instant::ZERO + at <= now
            {
                watch.began.get_or_insert(now);
            }
        }
        self.set_wire(world);
        self.turns(world, |turn, now| {
            if turn.connection.end(turn.side).next() <= now {
                turn.look();
            }
        });
    }

    fn set_wire(&self, world: &mut World) {
        let now = world.now();
        world.wire = if self.changes > 0 { self.storm.changes[self.changes - 1].1 } else { self.storm.wire };
        if self.outages.iter().any(|watch| watch.is_on(now)) {
            world.wire.loss = 1_000_000;
        }
    }

    fn turns(&mut self, world: &mut World, mut f: impl FnMut(&mut Turn<'_>, Instant)) {
        for connection in &mut self.connections {
            for side in SIDES {
                if connection.end(side).handle.is_some() {
                    let now = world.now();
                    f(&mut Turn { world, dice: &mut self.dice, watcher: &mut self.watcher, side, connection }, now);
                }
            }
        }
    }

    /// After every event of the world: what is to be seen, and who reacts to it.
    fn after_event(&mut self, world: &mut World) {
        self.events += 1;
        if self.events > LIVELOCK {
            let ladder = adieu_trace::Ladder::default().draw(world.trace());
            let tail: Vec<&str> = ladder.lines().rev().take(60).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            let packets = SIDES.map(|side| world.host(side).stack.stats().packets);
            panic!("INV-20: no end of events at {:?}, {packets:?} packets:\n{}", world.now(), tail.join("\n"));
        }
        self.observe(world);
        self.watch_states(world.now());
        self.set_wire(world);
        for side in SIDES {
            if self.accepts[side as usize] <= world.now() {
                self.accept_all(world, side);
            }
        }
        self.turns(world, |turn, _| turn.react());
    }

    fn watch_states(&mut self, now: Instant) {
        let connections = &self.connections;
        for watch in self.outages.iter_mut().filter(|watch| watch.began.is_none()) {
            let Begin::After { connection, side, state, events } = watch.outage.begin else { continue };
            let mut ends = connections.iter().filter(|c| c.plan == connection).map(|c| &c.ends[side as usize]);
            if watch.countdown.is_none() && ends.any(|end| end.state == state) {
                watch.countdown = Some(events);
            }
            match watch.countdown {
                Some(0) => watch.began = Some(now),
                Some(n) => watch.countdown = Some(n - 1),
                None => {}
            }
        }
    }

    // ---- connections come into being ---------------------------------------------------------------------------

    fn connect(&mut self, world: &mut World, plan: usize, side: Side) {
        let now = world.now();
        let Plan { port, ref programs, .. } = self.storm.plans[plan];
        let remote = world.host(side.other()).address;
        let own = world.host(side).address;
        let local = if port == Port::Any { SocketAddr::new(own.ip(), 0) } else { own };
        let programs = programs.clone();
        let handle = match (self.connections.is_empty(), port) {
            // The world draws its ladder of the first one.
            (true, Port::Any) => world.connect_anew(side),
            (true, _) => world.connect(side),
            (false, _) => {
                let Ok(handle) = world.host(side).stack.connect(now, Some(local), remote) else { return };
                handle
            }
        };
        let flow = world.host(side).stack.flow(handle).expect("it has just begun");
        let left = mirrored(flow, side);
        let first = if port == Port::Any { None } else { self.counterpart(left, side) };
        let number = first.unwrap_or_else(|| {
            self.connections.iter_mut().filter(|c| c.flow == left).for_each(|c| c.superseded = true);
            let states = SIDES.map(|at| world.host(at).stack.flow_state(&mirrored(left, at)));
            let mut ends = programs.into_iter().zip(states).map(|(program, state)| End::new(program, state));
            let ends = [(); 2].map(|()| ends.next().expect("two programs"));
            let number = self.connections.len();
            self.connections.push(Connection { number, plan, flow: left, ends, superseded: false });
            number
        });
        let end = self.connections[number].end(side);
        assert!(!end.known, "TW-13: a port was given twice");
        end.opened = true;
        end.began.push(now);
        end.start(now, handle);
        world.host(side).stack.set(now, handle, self.storm.plans[plan].settings[side as usize]);
    }

    /// The other host's attempt on the same flow, which may become one connection with ours (SC-5).
    fn counterpart(&mut self, flow: Flow, side: Side) -> Option<usize> {
        let opening = |c: &Connection| {
            let other = &c.ends[side.other() as usize];
            c.flow == flow
                && !c.superseded
                && other.opened
                && matches!(other.state, State::SynSent | State::SynReceived)
        };
        let at = self.connections.iter().rposition(opening)?;
        if self.connections[at].ends[side as usize].known { self.after_failed_opening(side, opening) } else { Some(at) }
    }

    fn accept_all(&mut self, world: &mut World, side: Side) {
        let n = side as usize;
        let Some(listener) = self.listeners[n] else { return };
        let now = world.now();
        while let Some(handle) = world.host(side).stack.accept(listener) {
            let at = self.owner_of(world, side, handle);
            let flow = self.connections[at].flow;
            let known = self.connections[at].ends[n].known;
            let at = if known { self.after_failed_opening(side, |c| c.flow == flow) } else { Some(at) };
            let at = at.unwrap_or_else(|| panic!("INV-22: accepted twice: {side:?} {:#?}", self.connections));
            self.connections[at].end(side).start(now, handle);
            let settings = self.storm.plans[self.connections[at].plan].settings[n];
            world.host(side).stack.set(now, handle, settings);
        }
        let pace = self.storm.accept_pace;
        self.accepts[n] = now + pace / 2 + self.dice.time(pace / 2);
    }

    /// Whose connection was accepted: the youngest with that flow, unless its receipt says that it began before.
    fn owner_of(&self, world: &mut World, side: Side, handle: HandleId) -> usize {
        let stack = &world.host(side).stack;
        let flow: Flow = mirrored(stack.flow(handle).expect("an accepted connection has a flow"), side);
        let receipt = stack.receipt(handle);
        let fits = |c: &Connection| {
            let began = &c.ends[side as usize].began;
            receipt.map_or(!began.is_empty(), |receipt| began.contains(&receipt.spent.began()))
        };
        let found = self.connections.iter().rposition(|c| c.flow == flow && fits(c));
        found.unwrap_or_else(|| panic!("INV-22: a connection was accepted that nobody opened: {flow} {receipt:?}"))
    }

    /// Where both hosts connect and one attempt is over, its listener may still take the other's SYN. That is a
    /// connection of its own: the other end moves there.
    pub(crate) fn after_failed_opening(&mut self, side: Side, meant: impl Fn(&Connection) -> bool) -> Option<usize> {
        let failed = |c: &Connection| c.is_crossing() && c.ends[side as usize].ending().is_some();
        let at = self.connections.iter().rposition(|c| meant(c) && failed(c))?;
        let old = &mut self.connections[at];
        let mut new = old.clone();
        let end = End::new(old.end(side).program.clone(), old.end(side).state);
        let began = core::mem::take(&mut new.end(side).began);
        *new.end(side) = End { began, ..end };
        let blank = End::new(old.end(side.other()).program.clone(), State::Closed);
        *old.end(side.other()) = blank;
        old.superseded = true;
        self.connections.push(new);
        Some(self.connections.len() - 1)
    }

    // ---- the end of it -----------------------------------------------------------------------------------------

    /// Whoever still holds a handle lets it go; then everything must come to its end by itself (L2, L6).
    fn curfew(&mut self, world: &mut World) {
        self.check_patience(world.now());
        self.check_nobody_waits();
        self.turns(world, |turn, _| turn.perform(Deed::Release));
        self.storm.accept_pace = Duration::ZERO;
        let dead = self.outages.iter().any(|watch| watch.for_ever_since().is_some());
        let limit = if dead {
            self.storm.config.each_ref().map(orphan_bound).into_iter().fold(Duration::ZERO, Duration::max)
                + Duration::from_secs(500)
        } else {
            Duration::from_secs(7200)
        };
        let quiet = world.run_until(limit, |world| {
            self.accepts = [Instant::ZERO; 2];
            self.after_event(world);
            self.turns(world, |turn, _| turn.perform(Deed::Release));
            SIDES.iter().all(|side| world.leftover(*side) == Leftover::default())
        });
        let left = SIDES.map(|side| world.leftover(side));
        assert!(quiet, "L2: orphans outlive their bound of {limit:?}: {left:?}");
        world.assert_nothing_left();
        self.observe(world);
        let before = SIDES.map(|side| world.host(side).stack.stats());
        world.run_for(Duration::from_secs(24 * 3600));
        let after = SIDES.map(|side| world.host(side).stack.stats());
        assert_eq!(before, after, "L6: packets after everything has ended");
    }
}

/// There is a connection there that has not ended.
pub(crate) fn is_alive(state: State) -> bool {
    !matches!(state, State::Closed | State::Listen | State::TimeWait)
}

/// How long an orphan may last when nothing gets through (OR-2, ZW-5, TO-9), TIME-WAIT apart.
pub(crate) fn orphan_bound(config: &Config) -> Duration {
    let tries = config.orphan_retries.max(config.syn_retries); // In SYN-RECEIVED its close still waits (CL-4).
    let retransmissions = config.max_rto * (u32::from(tries) + 2);
    retransmissions.max(Duration::from_secs(100) + config.max_rto) + config.fin_wait_2
}

/// How long unacknowledged data may last when nothing gets through (R2): a probe of the tail may come before the first
/// retransmission.
pub(crate) fn patience_bound(config: &Config) -> Duration {
    config.max_rto * (u32::from(config.retries) + 2)
}
