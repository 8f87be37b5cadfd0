//! Every short order of what can happen to one connection: calls, segments, timers, packets that leave. After each
//! step, and before anything else, all that can be looked up must agree (FB-8). The core has no threads: a lookup can
//! come between any two calls, and never within one.

mod script;

use adieu_core::wire::{Flags, Packet};
use adieu_core::{Ending, Events, Flow, HandleId, Instant, Order, Receipt, Seq, Stack, State, WriteError};
use script::{PEER, PEER_PORT, Script, Seg, US, config, secs, seg};

/// Something that can happen.
#[derive(Clone, Debug)]
enum Step {
    ShutDown,
    Close,
    Abort,
    Release,
    Write,
    Read,
    /// The next timer fires.
    Timer,
    /// One packet leaves.
    Send,
    Segment(Seg),
}

fn steps() -> Vec<Step> {
    let segments = [
        seg().syn().ack(1),
        seg().syn(),
        seg().seq(100_000).syn(),
        seg().seq(1).ack(1),
        seg().seq(1).ack(1).fin(),
        seg().seq(1).ack(2),
        seg().seq(1).ack(2).fin(),
        seg().seq(2).ack(2),
        seg().seq(1).ack(3),
        seg().seq(1).ack(1).data(b"d"),
        seg().seq(1).rst(),
        seg().seq(2).rst(),
    ];
    let calls =
        [Step::ShutDown, Step::Close, Step::Abort, Step::Release, Step::Write, Step::Read, Step::Timer, Step::Send];
    calls.into_iter().chain(segments.map(Step::Segment)).collect()
}

/// A stack with one connection, and what was learnt of it.
#[derive(Clone)]
struct World {
    stack: Stack,
    now: Instant,
    flow: Flow,
    numbers: [Seq; 2],
    handle: Option<HandleId>,
    /// The receipt as the handle first showed it.
    first: Option<Receipt>,
    /// The application was told of the ending.
    told: bool,
    /// Receipts that came out of the stack.
    out: Vec<Receipt>,
    /// Another connection has begun in the same place.
    reopened: bool,
}

impl World {
    fn of(s: Script) -> Self {
        let mut world = Self {
            now: s.now,
            flow: s.flow,
            numbers: [s.iss, s.irs],
            handle: s.handle,
            first: None,
            told: s.ending().is_some(),
            out: Vec::new(),
            reopened: false,
            stack: s.stack,
        };
        world.look("at first");
        world
    }

    fn step(&mut self, step: &Step) {
        let (now, stack) = (self.now, &mut self.stack);
        match (step, self.handle) {
            (Step::ShutDown, Some(handle)) => stack.shut_down(now, handle),
            (Step::Close, Some(handle)) => stack.close(now, handle),
            (Step::Abort, Some(handle)) => stack.abort(now, handle),
            (Step::Write, Some(handle)) => _ = stack.write(now, handle, b"w"),
            (Step::Read, Some(handle)) => _ = stack.read(now, handle, &mut [0; 9]),
            (Step::Release, Some(handle)) => {
                stack.release(now, handle);
                self.handle = None;
            }
            (Step::ShutDown | Step::Close | Step::Abort | Step::Write | Step::Read | Step::Release, None) => {}
            (Step::Timer, _) => {
                let at = stack.poll_timeout();
                if at != Instant::NEVER {
                    self.now = now.max(at);
                    stack.handle_timeout(self.now);
                }
            }
            (Step::Send, _) => _ = stack.poll_transmit(now),
            (Step::Segment(segment), _) => {
                let packet = segment.packet(&self.flow, self.numbers[0], self.numbers[1]);
                stack.handle_packet(now, Packet::new(&packet));
            }
        }
    }

    /// Looks everything up, and holds it against each other.
    fn look(&mut self, path: &str) {
        let stack = &mut self.stack;
        let (flow, left) = (stack.flow_state(&self.flow), stack.leftover());
        self.reopened |= left.openings > 0 && (self.handle.is_none() || self.first.is_some());
        while let Some((handle, events)) = stack.poll_notified() {
            assert_eq!(Some(handle), self.handle, "{path}: told of a handle that is gone");
            if events.has(Events::ENDED) {
                assert!(!self.told, "{path}: told twice");
                self.told = true;
            }
        }
        self.out.extend(std::iter::from_fn(|| stack.poll_receipt()).map(|(_, receipt)| receipt));
        assert_eq!(stack.stats().ended, self.out.len() as u64, "{path}: counted");
        assert!(self.out.len() <= 1 + usize::from(self.reopened), "{path}: {:?}", self.out);
        // A new handshake hides the record until it is complete (TW-9).
        let hidden = self.reopened && flow == State::SynReceived && left.time_waits == 1;
        assert!(hidden || left.time_waits == usize::from(flow == State::TimeWait), "{path}: record and state");
        assert_eq!(left.handles, usize::from(self.handle.is_some()), "{path}");
        assert!(left.flows >= usize::from(flow != State::Closed), "{path}: a state without a place in the index");
        if left.time_waits > 0 {
            assert!(stack.poll_timeout() != Instant::NEVER, "{path}: a record without its timer");
        }
        if left.flows - left.quarantined == 1 && flow == State::Closed {
            self.only_a_reset_is_missing(path);
        }
        if let Some(handle) = self.handle {
            self.look_at_handle(handle, flow, path);
        } else if !self.reopened && matches!(flow, State::Closed | State::TimeWait) {
            assert_eq!((left.timers, left.bytes), (0, 0), "{path}: nobody has it");
            assert!(left.connections <= left.flows, "{path}");
        }
    }

    /// What has ended and still has its place must be about to say so to the peer, and then it is gone.
    fn only_a_reset_is_missing(&self, path: &str) {
        let mut after = self.stack.clone();
        let mut sent = Vec::new();
        while let Some(packet) = after.poll_transmit(self.now) {
            sent.push(Flags::from_bits(packet.to_vec()[33]));
        }
        assert!(sent.iter().any(|flags| flags.has(Flags::RST)), "{path}: {sent:?}");
        let left = after.leftover();
        assert_eq!((left.flows, left.time_waits), (left.quarantined, 0), "{path}");
        assert_eq!(after.stats().ended, self.out.len() as u64 + 1, "{path}: its receipt comes with it");
    }

    fn look_at_handle(&mut self, handle: HandleId, flow: State, path: &str) {
        let stack = &self.stack;
        let (state, receipt, left) = (stack.state(handle), stack.receipt(handle), stack.leftover());
        assert_eq!(self.told, receipt.is_some(), "{path}: the event and the receipt come in one step");
        match receipt {
            None => {
                assert_eq!(state, flow, "{path}");
                assert!(!matches!(state, State::Closed | State::Listen | State::TimeWait), "{path}: {state}");
                assert!(self.first.is_none() && self.out.is_empty(), "{path}");
            }
            Some(receipt) => {
                let first = *self.first.get_or_insert(receipt);
                assert_eq!(Receipt { unread: first.unread, ..receipt }, first, "{path}: it never changes");
                assert!(receipt.unread <= first.unread, "{path}");
                assert_eq!(state, if flow == State::TimeWait { flow } else { State::Closed }, "{path}");
                let ours = Ending::Graceful { order: Order::LocalFirst };
                let both = Ending::Graceful { order: Order::Simultaneous };
                let waits = receipt.ending == ours || receipt.ending == both;
                assert!(waits || flow != State::TimeWait || self.reopened, "{path}: {}", receipt.ending);
                if !self.reopened {
                    assert_eq!(left.timers, 0, "{path}: an ended connection waits for something");
                    let out = self.out.first().map(|out| out.ending);
                    let parked = left.time_waits + left.quarantined;
                    let expected = (left.flows == parked).then_some(receipt.ending);
                    assert_eq!(out, expected, "{path}: the receipt comes out when the place is free");
                }
            }
        }
        let info = stack.info(handle).map(|info| info.state);
        assert!(info.is_none() || info == Some(state), "{path}: {info:?}");
        let written = stack.clone().write(self.now, handle, b"?");
        match state {
            State::Established | State::CloseWait => assert_eq!(written, Ok(1), "{path}"),
            State::SynSent => assert_eq!(written, Err(WriteError::Blocked), "{path}"),
            State::SynReceived => {
                assert!(matches!(written, Err(WriteError::Blocked | WriteError::ShutDown)), "{path}: {written:?}");
            }
            _ => assert!(matches!(written, Err(WriteError::ShutDown | WriteError::Ended(_))), "{path}: {written:?}"),
        }
    }

    /// Every order of `depth` steps from here; how many were made.
    fn explore(&self, steps: &[Step], depth: usize, path: &str) -> usize {
        if depth == 0 {
            return 0;
        }
        let mut made = 0;
        for step in steps {
            let mut next = self.clone();
            let path = format!("{path}, {step:?}");
            next.step(step);
            next.look(&path);
            made += 1 + next.explore(steps, depth - 1, &path);
        }
        made
    }
}

/// Those that move a close on, and a SYN that reopens.
fn closing_segments() -> [Seg; 5] {
    [
        seg().seq(1).ack(1).fin(),
        seg().seq(1).ack(2),
        seg().seq(1).ack(2).fin(),
        seg().seq(2).ack(2),
        seg().seq(100_000).syn(),
    ]
}

fn starts() -> Vec<(String, Script)> {
    let states = [
        State::Established,
        State::FinWait1,
        State::FinWait2,
        State::CloseWait,
        State::Closing,
        State::LastAck,
        State::TimeWait,
    ];
    let mut all: Vec<(String, Script)> =
        states.into_iter().map(|state| (state.to_string(), Script::in_state(state))).collect();
    all.push(("SYN-SENT".into(), Script::syn_sent(config())));
    all.push(("SYN-RECEIVED".into(), Script::syn_received_active()));
    for (_, s) in &mut all {
        s.events();
    }
    all
}

#[test]
fn fb_8_no_lookup_between_two_steps_sees_half_a_change() {
    let steps = steps();
    for (name, s) in starts() {
        assert_eq!(s.flow, Flow::v4(US, s.flow.local_port, PEER, PEER_PORT));
        let made = World::of(s).explore(&steps, 3, &name);
        assert_eq!(made, 20 + 20 * 20 + 20 * 20 * 20, "{name}");
    }
}

/// FB-8: one step deeper around the change from a connection to a record, with what leads there.
#[test]
fn fb_8_a_record_is_there_whole_or_not_at_all() {
    let mut few = vec![Step::ShutDown, Step::Close, Step::Abort, Step::Release, Step::Timer, Step::Send];
    few.extend(closing_segments().map(Step::Segment));
    assert_eq!(few.len(), 11);
    for (name, s) in starts().into_iter().take(5) {
        World::of(s).explore(&few, 4, &name);
    }
}

/// FB-8: a handle shows the record of its own connection, not of a later one in the same place.
#[test]
fn fb_8_a_handle_shows_no_other_connections_record() {
    let ways: [fn() -> Script; 2] = [
        || {
            let mut s = Script::established_passive();
            s.abort();
            s
        },
        || Script::in_state(State::TimeWait),
    ];
    for way in ways {
        let mut s = way();
        let (old, ending) = (s.id(), s.ending());
        s.take();
        s.advance(secs(1));
        s.irs = s.irs + 100_000;
        s.send(seg().syn());
        s.learn_iss();
        let mut s = s.into_established();
        assert_eq!(s.stack.state(old), State::Closed);
        s.advance(secs(1));
        let s = s.into_state(State::TimeWait);
        assert_eq!(s.stack.receipt(old).map(|receipt| receipt.ending), ending);
        assert_eq!(s.stack.state(old), State::Closed, "{ending:?}");
    }
}
