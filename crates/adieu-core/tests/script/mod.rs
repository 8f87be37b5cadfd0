//! A stack under test in virtual time and a scripted peer: inject a segment, say exactly what must come back.
//!
//! Numbers are relative: on what we inject `seq` counts from the peer's initial number and `ack` from the stack's, on
//! what we expect the other way round. SYNs stand at 0, data begins at 1.
#![allow(dead_code, reason = "every test file uses its own part")]

pub(crate) mod places;
pub(crate) mod segment;
pub(crate) mod states;

use std::collections::VecDeque;
use std::net::SocketAddr;

use adieu_core::wire::Packet;
use adieu_core::{
    Cause, Config, Duration, Ending, Events, Flow, HandleId, Info, Instant, Leftover, ListenerId, Order, Phase,
    ReadError, Receipt, Secrets, Seq, Settings, Stack, State, WriteError,
};

pub(crate) use segment::{Seen, Seg, seg, stamps};

pub(crate) const US: [u8; 4] = [10, 0, 0, 1];
pub(crate) const PEER: [u8; 4] = [10, 0, 0, 2];
pub(crate) const OUR_PORT: u16 = 80;
pub(crate) const PEER_PORT: u16 = 4000;
/// When a script begins.
pub(crate) const START: Instant = Instant::from_secs(1000);
/// The stack's MSS, and the one the peer announces.
pub(crate) const MSS: usize = 1460;

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn config() -> Config {
    Config { addresses: vec![US.into()], ..Config::default() }
}

pub(crate) fn graceful(order: Order) -> Ending {
    Ending::Graceful { order }
}

pub(crate) fn aborted(cause: Cause, state: State) -> Ending {
    Ending::Aborted { cause, state }
}

pub(crate) fn timed_out(phase: Phase, state: State) -> Ending {
    Ending::TimedOut { phase, state }
}

/// `n` bytes that differ from place to place.
pub(crate) fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| u8::try_from(i % 251).unwrap_or(0)).collect()
}

/// The stack, the clock, and what has come out and was not looked at.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) stack: Stack,
    pub(crate) now: Instant,
    pub(crate) flow: Flow,
    /// The stack's initial number, once its SYN was seen.
    pub(crate) iss: Seq,
    /// The peer's.
    pub(crate) irs: Seq,
    pub(crate) handle: Option<HandleId>,
    pub(crate) listener: Option<ListenerId>,
    out: VecDeque<Seen>,
    /// Packets for other flows than the script's.
    pub(crate) for_others: usize,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::with(config(), 7_000_000, START)
    }

    pub(crate) fn with(config: Config, irs: u32, now: Instant) -> Self {
        let secrets = Secrets::from_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap_or(0)));
        Self {
            stack: Stack::new(config, secrets, adieu_core::wire::checksum::sum),
            now,
            flow: Flow::v4(US, OUR_PORT, PEER, PEER_PORT),
            iss: Seq(0),
            irs: Seq(irs),
            handle: None,
            listener: None,
            out: VecDeque::new(),
            for_others: 0,
        }
    }

    // ---- the wire --------------------------------------------------------------------------------------------------

    /// Gives a packet to the stack and asks for nothing.
    pub(crate) fn inject(&mut self, segment: &Seg) {
        let packet = segment.packet(&self.flow, self.iss, self.irs);
        self.stack.handle_packet(self.now, Packet::new(&packet));
    }

    /// Gives a packet to the stack and takes all it wants to send.
    pub(crate) fn send(&mut self, segment: Seg) {
        self.inject(&segment);
        self.poll();
    }

    /// Gives bytes to the stack, as they are, and takes all it wants to send.
    pub(crate) fn send_raw(&mut self, packet: &[u8]) {
        self.stack.handle_packet(self.now, Packet::new(packet));
        self.poll();
    }

    /// Chooses for the handle.
    pub(crate) fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.stack.settings(self.id());
        change(&mut settings);
        self.stack.set(self.now, self.id(), settings);
        self.poll();
    }

    /// The connection from inside.
    #[track_caller]
    pub(crate) fn info(&self) -> Info {
        self.stack.info(self.id()).expect("a connection")
    }

    /// What the application is told to look at, all at once.
    pub(crate) fn events(&mut self) -> Events {
        let mut all = Events::default();
        while let Some((_, events)) = self.stack.poll_notified() {
            all.add(events);
        }
        all
    }

    /// Several packets between two polls.
    pub(crate) fn send_batch(&mut self, segments: &[Seg]) {
        segments.iter().for_each(|segment| self.inject(segment));
        self.poll();
    }

    /// Takes all the stack wants to send now.
    pub(crate) fn poll(&mut self) {
        let mut budget = 10_000;
        while let Some(outgoing) = self.stack.poll_transmit(self.now) {
            match Seen::parse(&outgoing.to_vec(), &self.flow, self.iss, self.irs) {
                Some(seen) => self.out.push_back(seen),
                None => self.for_others += 1,
            }
            budget -= 1;
            assert!(budget > 0, "the stack never stops sending");
        }
    }

    /// Time passes; every timer fires at its own instant.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut budget = 1_000_000;
        while self.stack.poll_timeout() <= end {
            self.now = self.now.max(self.stack.poll_timeout());
            self.stack.handle_timeout(self.now);
            self.poll();
            budget -= 1;
            assert!(budget > 0, "a timer fires for ever");
        }
        self.now = end;
        self.stack.handle_timeout(self.now);
        self.poll();
    }

    /// Goes to the next timer and fires it; how long that took, or `None` where no timer runs.
    pub(crate) fn next_timer(&mut self) -> Option<Duration> {
        let at = self.stack.poll_timeout();
        if at == Instant::NEVER {
            return None;
        }
        let waited = at.since(self.now);
        self.now = self.now.max(at);
        self.stack.handle_timeout(self.now);
        self.poll();
        Some(waited)
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, wanted: Seg) -> Seen {
        let Some(seen) = self.out.pop_front() else {
            panic!("nothing was sent; wanted {wanted:?}");
        };
        seen.assert_is(&wanted);
        seen
    }

    /// The next segment, and nothing after it.
    #[track_caller]
    pub(crate) fn expect_only(&mut self, wanted: Seg) -> Seen {
        let seen = self.expect(wanted);
        self.expect_nothing();
        seen
    }

    #[track_caller]
    pub(crate) fn expect_nothing(&mut self) {
        assert!(self.out.is_empty(), "sent without need: {:?}", self.out);
    }

    /// All that has come out and was not looked at.
    pub(crate) fn take(&mut self) -> Vec<Seen> {
        self.out.drain(..).collect()
    }

    #[track_caller]
    pub(crate) fn take_one(&mut self) -> Seen {
        let seen = self.out.pop_front().expect("a segment");
        self.expect_nothing();
        seen
    }

    // ---- the application -------------------------------------------------------------------------------------------

    #[track_caller]
    pub(crate) fn id(&self) -> HandleId {
        self.handle.expect("a handle")
    }

    #[track_caller]
    pub(crate) fn write(&mut self, data: &[u8]) {
        assert_eq!(self.stack.write(self.now, self.id(), data), Ok(data.len()));
        self.poll();
    }

    pub(crate) fn try_write(&mut self) -> Result<usize, WriteError> {
        let result = self.stack.write(self.now, self.id(), b"w");
        self.poll();
        result
    }

    /// One read of at most `most` bytes.
    pub(crate) fn read(&mut self, most: usize) -> Result<Vec<u8>, ReadError> {
        let mut out = vec![0; most];
        let n = self.stack.read(self.now, self.id(), &mut out)?;
        self.poll();
        out.truncate(n);
        Ok(out)
    }

    /// Everything that can be read now; whether the end of the stream was met.
    pub(crate) fn read_all(&mut self) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        while let Ok(some) = self.read(65536) {
            if some.is_empty() {
                return (all, true);
            }
            all.extend(some);
        }
        (all, false)
    }

    pub(crate) fn shut_down(&mut self) {
        self.stack.shut_down(self.now, self.id());
        self.poll();
    }

    pub(crate) fn close(&mut self) {
        self.stack.close(self.now, self.id());
        self.poll();
    }

    pub(crate) fn abort(&mut self) {
        self.stack.abort(self.now, self.id());
        self.poll();
    }

    /// Drops the handle.
    pub(crate) fn release(&mut self) {
        let handle = self.handle.take().expect("a handle");
        self.stack.release(self.now, handle);
        self.poll();
    }

    pub(crate) fn unlisten(&mut self) {
        let listener = self.listener.take().expect("a listener");
        self.stack.unlisten(self.now, listener);
        self.poll();
    }

    pub(crate) fn listen(&mut self) {
        let local = SocketAddr::new(self.flow.local_address, OUR_PORT);
        self.listener = Some(self.stack.listen(local).expect("a free port"));
    }

    pub(crate) fn accept(&mut self) -> bool {
        self.handle = self.listener.and_then(|listener| self.stack.accept(listener));
        self.handle.is_some()
    }

    pub(crate) fn connect(&mut self) {
        let local = SocketAddr::new(self.flow.local_address, OUR_PORT);
        let remote = SocketAddr::new(self.flow.remote_address, PEER_PORT);
        self.handle = Some(self.stack.connect(self.now, Some(local), remote).expect("a connection"));
        self.poll();
    }

    pub(crate) fn state(&self) -> State {
        self.stack.state(self.id())
    }

    pub(crate) fn flow_state(&self) -> State {
        self.stack.flow_state(&self.flow)
    }

    #[track_caller]
    pub(crate) fn receipt(&self) -> Receipt {
        self.stack.receipt(self.id()).expect("it has ended")
    }

    /// The ending of the handle's connection; `None` while it lives.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.stack.receipt(self.id()).map(|receipt| receipt.ending)
    }

    /// The receipts nobody has taken yet.
    pub(crate) fn receipts(&mut self) -> Vec<Receipt> {
        std::iter::from_fn(|| self.stack.poll_receipt()).map(|(_, receipt)| receipt).collect()
    }

    /// The only receipt so far.
    #[track_caller]
    pub(crate) fn only_receipt(&mut self) -> Receipt {
        let receipts = self.receipts();
        assert_eq!(receipts.len(), 1, "{receipts:?}");
        receipts[0]
    }

    // ---- the end of a test -----------------------------------------------------------------------------------------

    /// Whether anything has come out that nobody has looked at.
    pub(crate) fn has_sent(&self) -> bool {
        !self.out.is_empty()
    }

    /// Lets go of everything, waits until everything has run out, and looks whether anything is left (1.16).
    #[track_caller]
    pub(crate) fn finish(mut self) {
        if self.handle.is_some() {
            self.release();
        }
        if self.listener.is_some() {
            self.unlisten();
        }
        self.advance(secs(3 * 3600));
        self.take();
        assert_eq!(self.stack.leftover(), Leftover::default(), "something is left");
        assert_eq!(self.stack.poll_timeout(), Instant::NEVER);
        // Those who were on the way to accept when the listener closed have endings of their own (CL-13).
        let child = aborted(Cause::ListenerClosed, State::SynReceived);
        let receipts = self.receipts().into_iter().filter(|receipt| receipt.ending != child).count();
        assert!(receipts <= 1, "more than one ending");
        assert_eq!(self.stack.poll_notified(), None, "a notification for a released handle");
    }
}
