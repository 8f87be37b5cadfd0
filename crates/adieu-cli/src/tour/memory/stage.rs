//! What scenarios are played with: two hosts, what their applications do and see, and what is checked.

use adieu_core::{Duration, Ending, HandleId, Instant, Leftover, Receipt, State};
use adieu_sim::{Device, Goal, Heard, Setup, World};
use adieu_trace::Side::{self, Left, Right};
use adieu_trace::{SegmentSeen, What, human};

use crate::output::grouped;
use crate::tour::{Check, Options, Outcome, Pair};

/// Long enough for anything but TIME-WAIT and patience.
pub(super) const SOON: Duration = Duration::from_secs(20);
/// Longer than any patience of a stack.
pub(super) const EVER: Duration = Duration::from_secs(3600);
/// Long enough for what is on the wire to arrive, so that the ladder shows one thing at a time.
const PAUSE: Duration = Duration::from_millis(10);
/// What the wire takes.
pub(super) const DELAY: Duration = Duration::from_millis(10);

/// A world, and what was claimed of it so far. Handles of a connection are the left end's and the right end's.
pub(super) struct Stage {
    pub(super) world: World,
    time_wait: Duration,
    /// A device loses a packet, and nobody knows which.
    lossy: bool,
    checks: Vec<Check>,
    others: Vec<Pair>,
}

impl Stage {
    pub(super) fn new(options: &Options) -> Self {
        Self::with(options, |_| {})
    }

    pub(super) fn with(options: &Options, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::new(1);
        (setup.device, setup.ipv6, setup.port) = (options.device, options.ipv6, options.port);
        for config in &mut setup.config {
            config.time_wait = options.time_wait.unwrap_or(config.time_wait);
        }
        change(&mut setup);
        let time_wait = setup.config[0].time_wait;
        let lossy = options.device.iter().any(|device| matches!(device, Device::Losing(_)));
        Self { world: World::new(setup), time_wait, lossy, checks: Vec::new(), others: Vec::new() }
    }

    /// Whether a packet may have been lost that no ladder shows.
    pub(super) fn is_lossy(&self) -> bool {
        self.lossy
    }

    /// The stay in TIME-WAIT.
    pub(super) fn time_wait(&self) -> Duration {
        self.time_wait
    }

    pub(super) fn check(&mut self, claim: impl Into<String>, held: bool) {
        self.checks.push(Check { claim: claim.into(), held });
    }

    // ---- what the applications do ------------------------------------------------------------------------------

    /// Server listens, client connects, server accepts.
    pub(super) fn establish(&mut self) -> [HandleId; 2] {
        self.world.listen(Right);
        let client = self.world.connect(Left);
        [client, self.accept()]
    }

    pub(super) fn accept(&mut self) -> HandleId {
        let mut server = None;
        self.until(|world| {
            server = server.or_else(|| world.host(Right).accept());
            server.is_some()
        });
        self.world.note(Right, "accept");
        server.expect("one lost packet does not keep a connection from being established")
    }

    /// A further connection, from another port. Handles of the client and of the server.
    pub(super) fn open(&mut self) -> [HandleId; 2] {
        let client = self.world.connect_anew(Left);
        [client, self.accept_silently().expect("one lost packet does not keep a connection from being established")]
    }

    pub(super) fn accept_silently(&mut self) -> Option<HandleId> {
        let mut server = None;
        self.until(|world| {
            server = server.or_else(|| world.host(Right).accept());
            server.is_some()
        });
        server
    }

    pub(super) fn say(&mut self, side: Side, handle: HandleId, words: &[u8]) {
        self.world.note(side, format!("write {:?}", String::from_utf8_lossy(words)));
        self.world.write(side, handle, words);
    }

    /// Waits for words, and reads them.
    pub(super) fn hear(&mut self, side: Side, handle: HandleId) -> Vec<u8> {
        let mut words = Vec::new();
        self.until(|world| match world.read(side, handle) {
            Heard::Data(data) => {
                words = data;
                true
            }
            Heard::Nothing | Heard::EndOfStream | Heard::Failed(_) => false,
        });
        self.world.note(side, format!("read {:?}", String::from_utf8_lossy(&words)));
        words
    }

    /// Waits for the end of the stream; whether it came.
    pub(super) fn hear_end(&mut self, side: Side, handle: HandleId) -> bool {
        let seen = self.until(|world| world.read(side, handle) == Heard::EndOfStream);
        self.world.note(side, "read: end of stream");
        seen
    }

    /// One end says "hello", the other hears it, and the first knows that it has.
    pub(super) fn greet(&mut self, from: Side, handles: [HandleId; 2]) {
        self.say(from, handles[from as usize], b"hello");
        self.hear(from.other(), handles[from.other() as usize]);
        self.pause();
        self.until(|world| world.leftover(from).bytes == 0);
    }

    /// Writes `data` at one end as there is room, reads it at the other; whether all came, and nothing else.
    pub(super) fn pour(&mut self, from: Side, handles: [HandleId; 2], data: &[u8]) -> bool {
        let (mut written, mut got) = (0, Vec::new());
        let (near, far) = (handles[from as usize], handles[from.other() as usize]);
        let done = self.world.run_until(EVER, |world| {
            if written < data.len() {
                written += world.write(from, near, &data[written..]);
            }
            if let Heard::Data(bytes) = world.read(from.other(), far) {
                got.extend(bytes);
            }
            got.len() >= data.len()
        });
        done && got == data
    }

    /// The same, and both applications say so.
    pub(super) fn pour_aloud(&mut self, from: Side, handles: [HandleId; 2], bytes: usize) -> bool {
        let count = grouped(bytes);
        self.world.note(from, format!("write {count} bytes"));
        let whole = self.pour(from, handles, &pattern(bytes));
        self.world.note(from.other(), format!("read {count} bytes"));
        whole
    }

    pub(super) fn shut_down(&mut self, side: Side, handle: HandleId) {
        self.world.note(side, "shutdown: no more to say");
        self.world.shut_down(side, handle);
    }

    pub(super) fn close(&mut self, side: Side, handle: HandleId) {
        self.world.note(side, "close");
        self.world.close(side, handle);
    }

    /// The four-way goodbye: one end closes its direction, the other reads to the end and closes its own.
    pub(super) fn part(&mut self, first: Side, handles: [HandleId; 2]) {
        let second = first.other();
        self.shut_down(first, handles[first as usize]);
        self.hear_end(second, handles[second as usize]);
        self.reaches(first, State::FinWait2);
        self.pause();
        self.close(second, handles[second as usize]);
        self.hear_end(first, handles[first as usize]);
        self.reaches(second, State::Closed);
    }

    /// Drops a handle, and says so.
    pub(super) fn drop_handle(&mut self, side: Side, handle: HandleId) {
        self.world.note(side, "drop");
        self.world.release(side, handle);
    }

    /// Waits until the connection is over at one end. Where the word of it was lost, that end asks and is told.
    pub(super) fn learns(&mut self, side: Side, handle: HandleId) -> Option<Ending> {
        let over = |world: &mut World| world.host(side).stack.receipt(handle).is_some();
        if !self.world.run_until(Duration::from_secs(2), over) {
            self.say(side, handle, b"still there?");
            self.until(over);
        }
        let ending = self.world.host(side).stack.receipt(handle)?.ending;
        self.world.note(side, format!("error: {ending}"));
        Some(ending)
    }

    // ---- time --------------------------------------------------------------------------------------------------

    pub(super) fn until(&mut self, goal: impl FnMut(&mut World) -> bool) -> bool {
        self.world.run_until(SOON, goal)
    }

    pub(super) fn reaches(&mut self, side: Side, state: State) -> bool {
        self.world.run_to(SOON, &Goal::State(side, state))
    }

    pub(super) fn pause(&mut self) {
        self.world.run_for(PAUSE);
    }

    /// Lets time pass up to `at`.
    pub(super) fn wait_until(&mut self, at: Instant) {
        let left = at.since(self.world.now());
        self.world.run_for(left);
    }

    // ---- what has been seen ------------------------------------------------------------------------------------

    /// The segments so far, and when they left.
    pub(super) fn segments(&self) -> impl Iterator<Item = (Instant, SegmentSeen)> {
        self.world.trace().events.iter().filter_map(|event| match event.what {
            What::Segment(segment) => Some((event.at, segment)),
            What::State { .. } | What::App { .. } => None,
        })
    }

    /// How many segments `meant` picks.
    pub(super) fn count(&self, meant: impl Fn(&SegmentSeen) -> bool) -> usize {
        self.segments().filter(|(_, segment)| meant(segment)).count()
    }

    /// Whether the wire and the devices have delivered everything so far.
    pub(super) fn nothing_lost(&self) -> bool {
        self.segments().all(|(_, segment)| segment.arrives.is_some())
    }

    /// The states an end has come to, with their times.
    pub(super) fn states(&self, of: Side) -> impl Iterator<Item = (Instant, State)> {
        self.world.trace().events.iter().filter_map(move |event| match event.what {
            What::State { side, to, .. } if side == of => Some((event.at, to)),
            What::State { .. } | What::Segment(_) | What::App { .. } => None,
        })
    }

    /// When an end first came to a state.
    pub(super) fn entered(&self, side: Side, state: State) -> Option<Instant> {
        self.states(side).find(|(_, to)| *to == state).map(|(at, _)| at)
    }

    /// Whether an end has gone through these states last, in this order, with no other in between.
    pub(super) fn went(&self, side: Side, path: &[State]) -> bool {
        let all: Vec<State> = self.states(side).map(|(_, to)| to).collect();
        all.ends_with(path)
    }

    /// The name of the ending of an end, once it has ended.
    pub(super) fn ending(&mut self, side: Side, handle: HandleId) -> Option<&'static str> {
        self.world.host(side).stack.receipt(handle).map(|receipt| receipt.ending.name())
    }

    /// What is left of a stay in TIME-WAIT: from its beginning or from the peer's last FIN after that.
    pub(super) fn stayed(&self, side: Side) -> Option<Duration> {
        let entered = self.entered(side, State::TimeWait)?;
        let left = self.states(side).find(|(at, to)| *at >= entered && *to == State::Closed)?.0;
        let fins = self
            .segments()
            .filter(|(_, segment)| segment.from != side && segment.flags.has(adieu_core::wire::Flags::FIN));
        let last = fins.filter_map(|(_, segment)| segment.arrives).filter(|at| *at <= left).max();
        Some(left.since(last.map_or(entered, |fin| fin.max(entered))))
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    /// Checks that both ends ended gracefully, in that order, with every byte acknowledged.
    pub(super) fn both_graceful(&mut self, handles: [HandleId; 2], names: [&str; 2]) {
        let held = [Left, Right].into_iter().zip(handles).zip(names).all(|((side, handle), name)| {
            let receipt = self.world.host(side).stack.receipt(handle);
            receipt.is_some_and(|receipt| receipt.ending.name() == name && receipt.undelivered() == 0)
        });
        self.check("both receipts say graceful, with every byte acknowledged", held);
    }

    /// Keeps the receipts of a connection that is not the one that is drawn.
    pub(super) fn keep(&mut self, what: impl Into<String>, handles: [Option<HandleId>; 2]) {
        let receipts = self.receipts(handles);
        self.others.push(Pair { what: what.into(), receipts });
    }

    /// Keeps receipts of which one end has no handle any more.
    pub(super) fn keep_pair(&mut self, what: impl Into<String>, receipts: [Option<Receipt>; 2]) {
        self.others.push(Pair { what: what.into(), receipts });
    }

    /// The receipt of a connection whose handle was dropped: the first of it that `which` picks.
    pub(super) fn dropped(&mut self, side: Side, which: impl Fn(&Receipt) -> bool) -> Option<Receipt> {
        self.world.run_for(Duration::ZERO);
        self.world.host(side).receipts().iter().find(|receipt| which(receipt)).copied()
    }

    pub(super) fn receipts(&mut self, handles: [Option<HandleId>; 2]) -> [Option<Receipt>; 2] {
        [Left, Right].map(|side| self.world.host(side).stack.receipt(handles[side as usize]?))
    }

    /// Lets go of a connection that is over.
    pub(super) fn release(&mut self, handles: [HandleId; 2]) {
        for side in [Left, Right] {
            self.world.release(side, handles[side as usize]);
        }
    }

    /// Whether a host is free of connections, timers, bytes and ports.
    pub(super) fn is_empty(&self, side: Side) -> bool {
        self.world.leftover(side) == Leftover::default()
    }

    /// After a graceful close, `waiting` first: lets TIME-WAIT pass, and checks that nothing is left.
    pub(super) fn finish_after_wait(mut self, waiting: Side, handles: [HandleId; 2]) -> Outcome {
        let receipts = self.receipts(handles.map(Some));
        self.release(handles);
        let quiet = self.world.run_out(EVER) && [Left, Right].iter().all(|side| self.is_empty(*side));
        self.check("after TIME-WAIT nothing is left: no connection, timer, byte or port", quiet);
        self.check_wait(waiting);
        self.outcome(receipts)
    }

    /// Checks how long an end was in TIME-WAIT.
    pub(super) fn check_wait(&mut self, side: Side) {
        let wait = self.time_wait;
        // Records count in milliseconds, and never too few.
        let range = wait..=wait + Duration::from_millis(1);
        let held = self.stayed(side).is_some_and(|stayed| range.contains(&stayed));
        self.check(format!("TIME-WAIT lasted {}", human(wait)), held);
    }

    /// Lets go of everything, lets all timers run out, and checks that nothing is left.
    pub(super) fn finish(mut self, handles: [Option<HandleId>; 2]) -> Outcome {
        let receipts = self.receipts(handles);
        for side in [Left, Right] {
            if let Some(handle) = handles[side as usize] {
                self.world.release(side, handle);
            }
        }
        let quiet = self.world.run_out(EVER) && [Left, Right].iter().all(|side| self.is_empty(*side));
        self.check("in the end nothing is left: no connection, timer, byte or port", quiet);
        self.outcome(receipts)
    }

    pub(super) fn outcome(self, receipts: [Option<Receipt>; 2]) -> Outcome {
        Outcome {
            trace: self.world.trace().clone(),
            receipts,
            others: self.others,
            remarks: Vec::new(),
            checks: self.checks,
        }
    }
}

/// Bytes that repeat only after a prime number of them.
pub(super) fn pattern(bytes: usize) -> Vec<u8> {
    (0..=250).cycle().take(bytes).collect()
}
