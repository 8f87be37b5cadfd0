//! What must hold, seen from outside: after each event, and at the end of the storm.

use adieu_core::wire::Flags;
use adieu_core::{Cause, Closer, Config, Duration, Ending, Instant, Order, Phase, Receipt, State};
use adieu_sim::World;
use adieu_trace::{Side, Trace, What};

use crate::draw::{Port, Reading};
use crate::ends::{Connection, End, SIDES, mirrored};
use crate::run::{Run, is_alive, orphan_bound, patience_bound};

/// Pairs of states in which two ends of one connection can never be (4.3).
fn can_be(pair: [State; 2]) -> bool {
    use State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, TimeWait};
    let [a, b] = if pair[0] <= pair[1] { pair } else { [pair[1], pair[0]] };
    !matches!(
        (a, b),
        (CloseWait, CloseWait | LastAck | Closing | TimeWait)
            | (LastAck, LastAck)
            | (Closing, LastAck)
            | (FinWait1, FinWait2 | TimeWait)
            | (FinWait2, FinWait2 | TimeWait)
            | (Established, FinWait2 | CloseWait | Closing | LastAck | TimeWait)
    )
}

impl Run {
    /// After every event.
    pub(crate) fn observe(&mut self, world: &mut World) {
        let now = world.now();
        self.watcher.look(world);
        for connection in self.connections.iter_mut().filter(|c| !c.superseded) {
            for side in SIDES {
                let state = world.host(side).stack.flow_state(&mirrored(connection.flow, side));
                let end = connection.end(side);
                let young = matches!(state, State::SynReceived | State::Established | State::CloseWait);
                let begins = young && !is_alive(end.state);
                if begins {
                    end.began.push(now);
                }
                end.state = state;
            }
            let pair = connection.ends.each_ref().map(|end| end.state);
            // A record that has come back (TW-9) is to its peer what CLOSED is.
            let gone = |side: Side| {
                let restored = world.host(side).stack.stats().time_wait_restored > 0;
                let state = pair[side as usize];
                if restored && state == State::TimeWait { State::Closed } else { state }
            };
            assert!(can_be(pair) || can_be(SIDES.map(gone)), "4.3: {pair:?} at {now:?}: {connection:#?}");
        }
        for connection in &mut self.connections {
            for side in SIDES {
                look_at_handle(world, connection, side);
            }
        }
        for side in SIDES {
            self.take_receipts(world, side);
        }
    }

    /// EN-1: each receipt belongs to one connection, and each connection has one.
    fn take_receipts(&mut self, world: &mut World, side: Side) {
        let n = side as usize;
        while let Some(receipt) = world.host(side).receipts().get(self.seen[n]).copied() {
            let flow = world.host(side).receipt_flows()[self.seen[n]];
            self.seen[n] += 1;
            let began = receipt.spent.began();
            // An orphan that ended as a record in FIN-WAIT-2 remembers its times to a millisecond and two millionths.
            let kept_small = receipt.closed_first.is_some() && receipt.at_first_fin.is_none();
            let wrong = Duration::from_millis(2) + receipt.spent.total() / 250_000;
            let near = |at: &Instant| at.since(began).max(began.since(*at)) <= wrong;
            let began_here = |c: &Connection| {
                let began_at = &c.ends[n].began;
                let same = mirrored(c.flow, side) == flow;
                same && if kept_small { began_at.iter().any(near) } else { began_at.contains(&began) }
            };
            let active = receipt.spent.iter().next().is_some_and(|(state, _)| state == State::SynSent);
            let open = |c: &Connection| began_here(c) && c.ends[n].receipt.is_none() && c.ends[n].opened == active;
            // CL-13: what an old SYN had begun at a listener was nobody's connection.
            let child = receipt.ending == Ending::Aborted { cause: Cause::ListenerClosed, state: State::SynReceived };
            let mut found = self.connections.iter().rposition(open);
            if found.is_none() && child {
                continue;
            }
            if found.is_none() {
                found = self.after_failed_opening(side, began_here);
            }
            let Some(connection) = found.map(|at| &mut self.connections[at]) else {
                panic!("EN-1: a receipt of no connection at {side:?}: {receipt:#?}");
            };
            check_receipt(connection, side, &receipt);
            let end = connection.end(side);
            let same = |shown: Receipt| Receipt { unread: 0, ..shown } == Receipt { unread: 0, ..receipt };
            assert!(end.shown.is_none_or(same), "EN-1: two receipts of one connection: {receipt:#?} {end:#?}");
            end.receipt = Some(receipt);
        }
    }

    /// L1: in calm weather, applications that write all, read all and close are never kept waiting for hours.
    pub(crate) fn check_nobody_waits(&self) {
        let plain = |c: &&Connection| c.is_gentle() && self.storm.plans[c.plan].port == Port::Any;
        let calm = self.storm.is_calm() && self.storm.listens == [true; 2] && self.unlistened == [false; 2];
        for connection in self.connections.iter().filter(plain).filter(|_| calm) {
            let waits = connection.ends.iter().any(|end| end.handle.is_some());
            assert!(!waits, "L1: an application waits for ever: {connection:#?}");
        }
    }

    /// L2: who has something to deliver has been given up where nothing got through for so long.
    pub(crate) fn check_patience(&self, now: Instant) {
        let Some(since) = self.outages.iter().find_map(|watch| watch.for_ever_since()) else { return };
        for connection in &self.connections {
            for side in SIDES {
                let end = &connection.ends[side as usize];
                let asked = self.asked(connection, side);
                let config = &self.storm.config[side as usize];
                let bound = patience_bound(config).max(asked + config.max_rto) + self.slowest();
                let waits = end.shut && !end.finished && end.ending().is_none() && end.handle.is_some();
                let late = now > end.worked.max(since) + bound;
                assert!(!(waits && late), "L2: not given up after {bound:?}: {side:?} {connection:#?}");
            }
        }
    }

    /// How long the application would wait, or lets its peer say (never less than 100 s then; X-UTO).
    fn asked(&self, connection: &Connection, side: Side) -> Duration {
        let settings = self.storm.plans[connection.plan].settings[side as usize];
        let left_to_peer = settings.exchange_user_timeout && settings.user_timeout.is_none();
        settings.user_timeout.unwrap_or(Duration::from_secs(if left_to_peer { 100 } else { 0 }))
    }

    /// The longest a packet may be under way.
    fn slowest(&self) -> Duration {
        self.storm.wires().map(|wire| wire.delay + wire.detour).fold(Duration::ZERO, Duration::max)
    }

    // ---- at the end --------------------------------------------------------------------------------------------

    pub(crate) fn verdict(&mut self, world: &mut World) {
        for side in SIDES {
            let stats = world.host(side).stack.stats();
            let receipts = world.host(side).receipts();
            let graceful = receipts.iter().filter(|receipt| receipt.ending.is_graceful()).count() as u64;
            assert_eq!((stats.ended, stats.ended_gracefully), (receipts.len() as u64, graceful), "EN-7");
            assert_eq!((stats.receipts_dropped, stats.malformed, stats.bad_checksum, stats.not_ours), (0, 0, 0, 0));
        }
        let cookies = SIDES.iter().any(|side| world.host(*side).stack.stats().cookies_sent > 0);
        for connection in &self.connections {
            for side in SIDES {
                let end = &connection.ends[side as usize];
                assert!(!end.known || end.receipt.is_some(), "EN-1: no receipt at {side:?}: {connection:#?}");
                self.check_times(connection, side);
            }
            // Where fixed ports were tried again and again, who was whose peer is not to be told from outside.
            if !(connection.superseded && connection.is_crossing()) {
                check_pair(connection, cookies);
                check_streams(connection);
            }
            self.check_liveness(connection);
        }
        if self.storm.plans.iter().all(|plan| plan.port == Port::Any) && !self.storm.reuse {
            check_trace(world.trace(), &self.storm.config);
        }
    }

    /// L2: how long an orphan, or somebody with something to deliver, lasted after the network had gone for good.
    fn check_times(&self, connection: &Connection, side: Side) {
        let Some(dead) = self.outages.iter().find_map(|watch| watch.for_ever_since()) else { return };
        let end = &connection.ends[side as usize];
        let (Some(receipt), config) = (end.receipt, &self.storm.config[side as usize]) else { return };
        let (ended, dead) = (receipt.spent.ended(), dead + self.slowest());
        if let Some(closed) = end.closed {
            let bound = orphan_bound(config);
            assert!(ended <= closed.max(dead) + bound, "L2: an orphan beyond {bound:?}: {side:?} {connection:#?}");
        }
        if matches!(receipt.ending, Ending::TimedOut { phase: Phase::Retransmission, .. }) {
            let asked = self.asked(connection, side);
            let bound = patience_bound(config).max(asked + config.max_rto * 2);
            assert!(ended <= end.worked.max(dead) + bound, "L2: R2 beyond {bound:?}: {side:?} {connection:#?}");
        }
    }

    /// L1: a fair network, two applications that write all, read all and close: two graceful endings.
    fn check_liveness(&self, connection: &Connection) {
        let both = connection.ends.each_ref().map(End::ending);
        let named = both.map(|ending| ending.map_or("none", |ending| ending.name()));
        // TW-11: from a fixed port a peer's TIME-WAIT may refuse a SYN until its time is over.
        let plain = self.storm.plans[connection.plan].port == Port::Any && !self.storm.reuse;
        let untouched = !self.unlistened.contains(&true) && self.storm.listens == [true; 2] && plain;
        if connection.is_gentle() && self.storm.is_fair() && untouched {
            // Where all final ACKs are lost, TIME-WAIT ends before LAST-ACK does (INV-13's exception).
            let gave_up = |ending: &Option<Ending>| match ending {
                Some(Ending::TimedOut { phase, .. }) => {
                    matches!(phase, Phase::Connect | Phase::Retransmission | Phase::UserTimeout | Phase::Keepalive)
                }
                Some(Ending::ResetByPeer { state }) => matches!(state, State::LastAck | State::Closing),
                Some(Ending::Aborted { cause, .. }) => *cause == Cause::OrphanLimit,
                ending => ending.is_none(),
            };
            let graceful = both.iter().all(|ending| ending.is_some_and(|ending| ending.is_graceful()));
            // A reader that lets an orphan wait for long makes it lose patience (ZW-5).
            let patient = |end: &End| matches!(end.program.reading, Reading::Eager);
            let starved = |ending: &Option<Ending>| {
                matches!(ending, Some(Ending::TimedOut { phase: Phase::ZeroWindow | Phase::UserTimeout, .. }))
            };
            let starves = !connection.ends.iter().all(patient) || !self.storm.is_calm();
            let excused = both.iter().any(starved) && starves
                || both.iter().any(gave_up) && !self.storm.is_calm()
                || self.storm.config.iter().any(|c| c.time_wait_budget < 1 << 20 || c.unsafe_short_time_wait);
            assert!(graceful || excused, "L1: {named:?}: {connection:#?}");
        }
    }
}

fn look_at_handle(world: &mut World, connection: &mut Connection, side: Side) {
    let Some(handle) = connection.end(side).handle else { return };
    let stack = &world.host(side).stack;
    let (receipt, finished, state) = (stack.receipt(handle), stack.is_finished(handle), stack.state(handle));
    let end = connection.end(side);
    assert!(finished || !end.finished, "INV-7: a direction that was complete is not any more: {connection:#?}");
    assert!(!finished || end.shut, "INV-4: a stream is complete that was not closed: {connection:#?}");
    end.finished = finished;
    match (end.shown, receipt) {
        (None, None) => assert!(end.receipt.is_none(), "EN-1: a receipt before the handle knows: {connection:#?}"),
        (Some(_), None) => panic!("INV-6: an ending has gone: {connection:#?}"),
        (None, Some(receipt)) => {
            end.shown = Some(receipt);
            check_receipt(connection, side, &receipt);
        }
        (Some(before), Some(receipt)) => {
            let unread = receipt.unread;
            assert_eq!(Receipt { unread, ..before }, receipt, "INV-6: an ending has changed");
            end.shown = Some(receipt);
        }
    }
    let end = connection.end(side);
    if let Some(receipt) = receipt {
        assert!(matches!(state, State::Closed | State::TimeWait), "1.15: {state} after the ending: {connection:#?}");
        assert!(end.failed.is_none_or(|ending| ending == receipt.ending), "INV-6: {connection:#?}");
    }
}

/// What one receipt says against what its application and its peer's did.
fn check_receipt(connection: &Connection, side: Side, receipt: &Receipt) {
    let (end, peer) = (&connection.ends[side as usize], &connection.ends[side.other() as usize]);
    let of = || format!("{side:?} {receipt:#?} {connection:#?}");
    assert_eq!(receipt.sent, end.written, "1.15: bytes sent are not those taken: {}", of());
    assert!(receipt.acknowledged <= receipt.sent, "1.15: {}", of());
    assert!(receipt.received >= end.read && receipt.received <= peer.written, "INV-1: {}", of());
    assert_eq!(receipt.unread, receipt.received - end.read, "1.15: unread bytes: {}", of());
    match receipt.closed_first {
        Some(Closer::Us) => assert!(end.shut, "EN-5: {}", of()),
        Some(Closer::Peer) => assert!(peer.shut, "EN-5: {}", of()),
        None => {}
    }
    assert!(path_is_legal(receipt), "1.2: {}", of());
    match receipt.ending {
        Ending::Graceful { .. } => {
            assert!(end.shut && peer.shut && !end.aborted, "INV-5: {}", of());
            let complete = receipt.received == peer.written && receipt.acknowledged == receipt.sent;
            assert!(complete, "INV-5: {}", of());
        }
        Ending::Aborted { cause, state } => check_abort(end, peer, receipt, cause, state, &of),
        Ending::Cancelled { .. } => assert!(end.opened && (end.shut || end.aborted), "CL-3: {}", of()),
        Ending::TimedOut { phase, .. } => {
            let orphan = matches!(phase, Phase::ZeroWindow | Phase::FinWait2Orphan);
            assert!(!orphan || end.closed.is_some(), "TO-8, ZW-4: {}", of());
        }
        Ending::Refused { .. } => assert!(end.opened && receipt.sent + receipt.received == 0, "RA-2: {}", of()),
        Ending::ResetByPeer { .. } => {}
        Ending::Unreachable { .. } => panic!("EO-7: nothing here says so: {}", of()),
    }
    assert!(!end.aborted || matches!(receipt.ending, Ending::Aborted { .. } | Ending::Cancelled { .. }), "{}", of());
}

fn check_abort(end: &End, peer: &End, receipt: &Receipt, cause: Cause, state: State, of: &dyn Fn() -> String) {
    let legal = match cause {
        Cause::AbortCall => end.aborted,
        Cause::CloseWithUnread | Cause::HandleDroppedWithUnread => {
            end.closed.is_some() && (receipt.unread > 0 || peer.written > receipt.received)
        }
        Cause::DataAfterClose => end.closed.is_some() && peer.written > receipt.received && receipt.unread == 0,
        Cause::ListenerClosed => !end.known,
        // 3.12: an orphan that still moves has ten minutes.
        Cause::OrphanLimit => end.closed.is_some() && receipt.spent.total() >= Duration::from_secs(600),
        Cause::StackShutdown
        | Cause::LingerZero
        | Cause::LingerExpired
        | Cause::MemoryPressure
        | Cause::PolicyLimit(_)
        | Cause::AddressRemoved
        | Cause::InterfaceRemoved => false,
    };
    assert!(legal, "UD-1, UD-4, CL-13: {}", of());
    let over = matches!(state, State::TimeWait | State::Closed | State::Listen | State::SynSent);
    assert!(!over, "AB-1, AB-4: {}", of());
}

/// The states a receipt names follow each other in the diagram (1.2), and end where the ending says.
fn path_is_legal(receipt: &Receipt) -> bool {
    use State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent, TimeWait};
    let path: Vec<State> = receipt.spent.iter().map(|(state, _)| state).collect();
    let step = |pair: &[State]| {
        matches!(
            (pair[0], pair[1]),
            (SynSent, SynReceived | Established)
                | (SynReceived, Established)
                // CLOSE-WAIT without a stay in ESTABLISHED is one segment's doing (FI-4).
                | (Established, FinWait1 | CloseWait | LastAck | FinWait2 | Closing)
                | (FinWait1, FinWait2 | Closing)
                | (CloseWait, LastAck)
                | (Established | FinWait1 | FinWait2 | Closing, TimeWait)
        )
    };
    let last = path.last().copied();
    let ends = match receipt.ending {
        Ending::Graceful { order: Order::PeerFirst } => last == Some(LastAck),
        Ending::Graceful { order: Order::Simultaneous } => path.ends_with(&[Closing, TimeWait]),
        Ending::Graceful { order: Order::LocalFirst } => last == Some(TimeWait) && !path.contains(&Closing),
        ending => last == Some(ending.state()),
    };
    let total: Duration = receipt.spent.iter().map(|(_, stay)| stay).sum();
    path.windows(2).all(step) && ends && total == receipt.spent.total()
}

/// 4.5: the table of allowed pairs.
fn check_pair(connection: &Connection, cookies: bool) {
    let [left, right] = connection.ends.each_ref().map(|end| end.receipt.map(|receipt| receipt.ending));
    let allowed = match (left, right) {
        (Some(left), Some(right)) => {
            let crossing = connection.is_crossing();
            // Data that overtakes what brings a cookie back draws a reset; what is under way meanwhile still opens.
            let reset = |ending| matches!(ending, Ending::ResetByPeer { .. });
            let overtaken = cookies && reset(left) && reset(right);
            // CL-13: a listener that closes gives up what is still opening, whatever becomes of who asked.
            let closed = Ending::Aborted { cause: Cause::ListenerClosed, state: State::SynReceived };
            let unasked = (left == closed || right == closed) && !left.is_graceful() && !right.is_graceful();
            allows(left, right, crossing) && allows(right, left, crossing) || overtaken || unasked
        }
        (Some(one), None) | (None, Some(one)) => !one.is_graceful(),
        (None, None) => false,
    };
    assert!(allowed, "4.5: {left:?} and {right:?}: {connection:#?}");
}

fn allows(x: Ending, y: Ending, crossing: bool) -> bool {
    let last = |ending: Ending| matches!(ending.state(), State::LastAck | State::Closing);
    let early = matches!(y, Ending::Refused { .. } | Ending::Cancelled { .. } | Ending::Unreachable { .. });
    if early && !crossing {
        return false;
    }
    match x {
        Ending::Graceful { .. } => y.is_graceful() || last(y) && !early,
        Ending::Aborted { .. } => !y.is_graceful() || last(x),
        Ending::TimedOut { .. } => !y.is_graceful() || last(x),
        Ending::ResetByPeer { .. } => match y {
            Ending::Graceful { .. } => last(x),
            Ending::Aborted { .. } | Ending::TimedOut { .. } => true,
            // Both by responders: who had given up before? Nobody could have (INV-13).
            Ending::ResetByPeer { .. } => false,
            Ending::Refused { .. } | Ending::Unreachable { .. } | Ending::Cancelled { .. } => crossing,
        },
        Ending::Refused { .. } | Ending::Unreachable { .. } | Ending::Cancelled { .. } => crossing && !y.is_graceful(),
    }
}

/// INV-1, INV-4, INV-5 from both receipts together.
fn check_streams(connection: &Connection) {
    for side in SIDES {
        let (end, peer) = (&connection.ends[side as usize], &connection.ends[side.other() as usize]);
        let received = peer.receipt.map_or(0, |receipt| receipt.received);
        let Some(receipt) = end.receipt else { continue };
        assert!(receipt.acknowledged <= received, "INV-4: acknowledged but not received: {connection:#?}");
        if end.finished || receipt.ending.is_graceful() {
            assert_eq!(received, end.written, "INV-4, INV-5: complete but not received: {connection:#?}");
        }
        if receipt.ending.is_graceful() {
            assert!(peer.receipt.is_some(), "INV-5: graceful with nobody: {connection:#?}");
        }
        let unread = matches!(receipt.ending, Ending::Aborted { cause: Cause::CloseWithUnread, .. });
        let silent = unread && !end.half_closed;
        assert!(!(silent && peer.saw_end), "INV-3: an end of stream without a FIN: {connection:#?}");
    }
}

/// INV-9, INV-10, and the device's limit, from what one end has sent: the first connection's, if its flow is its own.
fn check_trace(trace: &Trace, config: &[Config; 2]) {
    let mut fin = [None; 2];
    let mut most = [(0, 0); 2];
    for event in &trace.events {
        let What::Segment(segment) = event.what else { continue };
        let n = segment.from as usize;
        let of = || format!("{:?} {segment:?}", event.at);
        if segment.flags.has(Flags::SYN) && segment.seq != 0 {
            return; // An old SYN has come late, to a listener: that is another connection.
        }
        if segment.flags.has(Flags::RST) {
            continue;
        }
        let end = u64::from(segment.seq) + segment.len as u64;
        if segment.flags.has(Flags::FIN) {
            assert_eq!(*fin[n].get_or_insert(end), end, "INV-9: the FIN has moved: {}", of());
        }
        let beyond = |fin| end > fin + u64::from(segment.len == 0);
        assert!(!fin[n].is_some_and(beyond), "INV-9: beyond the FIN: {}", of());
        if let Some(ack) = segment.ack {
            let edge = u64::from(ack) + u64::from(segment.window);
            let (acked, announced) = most[n];
            assert!(ack >= acked, "INV-10: RCV.NXT has gone back: {}", of());
            // RFC 7323 section 2.4: by less than the unit of its field.
            let unit = (u64::from(config[n].receive_buffer) / 65_535 + 1).next_power_of_two();
            assert!(edge + unit > announced, "INV-10: the window's edge has gone back: {}", of());
            most[n] = (ack, edge.max(announced));
        }
        let fits = segment.len + 40 <= usize::from(config[n].mtu);
        assert!(fits || config[n].super_segment > 0, "MUST-67: larger than the device carries: {}", of());
    }
}
