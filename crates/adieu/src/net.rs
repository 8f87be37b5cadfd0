//! A stack in this process, on a device.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use adieu_core::wire::checksum;
use adieu_core::{
    Config, Endings, Flow, FlowState, Instant, Leftover, ListenerId, Outgoing, PortUsage, Receipt, Released, Secrets,
    Stack, State, Stats, Warning,
};
use tokio::sync::Notify;

use crate::device::Device;
use crate::driver;
use crate::sink::Sink;
use crate::suspended::{self, Suspended};
use crate::tap::{Direction, Tap, Tapped};
use crate::tasks::Tasks;

/// A TCP stack on a device. Clones are the same stack; its driver runs while a clone, a listener or a stream lives.
///
/// With the last of them, and with its runtime, the stack is given up: what has not ended is reset, connections that
/// were closed and still had something to send included, as far as the device takes packets then (LM-9).
/// [`drain`](Self::drain) says goodbye first.
#[derive(Clone, Debug)]
pub struct Net {
    pub(crate) shared: Arc<Held>,
}

/// A net as its users hold it: with the last of them it is given up.
#[derive(Debug)]
pub(crate) struct Held(Arc<Shared>);

/// What a [`Net`] is made of.
#[derive(Debug)]
pub struct Builder {
    device: Device,
    config: Config,
    tap: Option<Tap>,
    sink: Option<Sink>,
    suspended: Option<Suspended>,
}

/// What listeners, streams and the driver share.
#[derive(Debug)]
pub(crate) struct Shared {
    shard: Mutex<Shard>,
    /// A flow has become due, or nobody holds this any more: for the driver.
    pub(crate) kick: Notify,
    /// Something can be accepted: for all who accept.
    pub(crate) acceptable: Notify,
    /// Nothing is waiting to be sent: for those who leave.
    idle: Notify,
    /// Some connection has ended: for those who drain.
    pub(crate) ended: Notify,
    /// Nobody holds the net any more.
    given_up: AtomicBool,
    /// When the net was started, and what the stack's clock said then.
    origin: tokio::time::Instant,
    base: Instant,
}

/// The stack and what belongs to it. Locked for a round at a time, never across an await.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) stack: Stack,
    /// The one packet the device had no room for.
    pub(crate) outbox: Option<Outgoing>,
    pub(crate) tasks: Tasks,
    /// Packets may wait in the stack.
    pub(crate) dirty: bool,
    /// Connections that had ended when it was looked last.
    ended: u64,
    /// Why the device is gone.
    pub(crate) broken: Option<(io::ErrorKind, String)>,
    tap: Option<Tap>,
    /// Receipts that somebody hears of, before and after he has.
    hears: bool,
    pub(crate) unheard: Vec<(Flow, Receipt)>,
    heard: VecDeque<(Flow, Receipt)>,
}

impl Net {
    /// A stack on `device`: a [`Tun`](crate::device::Tun) or one end of a [`memory_pair`](crate::device::memory_pair).
    pub fn builder(device: impl Into<Device>) -> Builder {
        let device = device.into();
        let config = Config { mtu: device.mtu(), ..Config::default() };
        Builder { device, config, tap: None, sink: None, suspended: None }
    }

    /// The configuration.
    pub fn config(&self) -> Config {
        self.shared.lock().stack.config().clone()
    }

    /// Counts so far.
    pub fn stats(&self) -> Stats {
        self.shared.lock().stack.stats()
    }

    /// The net's clock: the time since it was started; resumed, since the first stack of the row was.
    pub fn now(&self) -> Instant {
        self.shared.now()
    }

    /// The state of a connection by its addresses, whoever holds it: TIME-WAIT while that lasts, CLOSED where there is
    /// none.
    pub fn state(&self, flow: &Flow) -> State {
        self.shared.lock().stack.flow_state(flow)
    }

    /// What is held now: connections, records in TIME-WAIT, bytes in queues.
    pub fn held(&self) -> Leftover {
        self.shared.lock().stack.leftover()
    }

    /// The receipts of connections that have ended since the last call, streams that were dropped included. The stack
    /// keeps a bounded number of them ([`Config::receipts`]).
    pub fn take_receipts(&self) -> Vec<(Flow, Receipt)> {
        let mut shard = self.shared.lock();
        let heard = std::mem::take(&mut shard.heard);
        heard.into_iter().chain(std::iter::from_fn(|| shard.stack.poll_receipt())).collect()
    }

    /// How connections ended so far, and in which states.
    pub fn endings(&self) -> Endings {
        self.shared.lock().stack.endings().clone()
    }

    /// What only an application can mend, since the last call: connections in CLOSE-WAIT or FIN-WAIT-2 where nothing
    /// happens, local ports that run out. A bounded number is kept ([`Config::receipts`]).
    pub fn take_warnings(&self) -> Vec<Warning> {
        let mut shard = self.shared.lock();
        std::iter::from_fn(|| shard.stack.poll_warning()).collect()
    }

    /// What became of the addresses and ports of ended connections, since the last call: a bounded number is kept
    /// ([`Config::receipts`]).
    pub fn take_released(&self) -> Vec<(Flow, Released)> {
        let mut shard = self.shared.lock();
        std::iter::from_fn(|| shard.stack.poll_released()).collect()
    }

    /// How many local ports a destination takes, from one of the net's addresses.
    pub fn port_usage(&self, local: IpAddr, remote: SocketAddr) -> PortUsage {
        self.shared.lock().stack.port_usage(local, remote)
    }

    /// Everything that has addresses and ports now: attempts, connections, and what is left of them. A list for people:
    /// it looks at everything there is.
    pub fn flows(&self) -> Vec<FlowState> {
        self.shared.step(|shard, now| {
            shard.stack.handle_timeout(now); // Ages count until now.
            shard.stack.flows()
        })
    }

    /// An address is the net's no more: its connections end, with a reset where packets from it can still leave
    /// (`reachable`), and its records in TIME-WAIT go.
    pub fn remove_address(&self, address: IpAddr, reachable: bool) {
        self.shared.step(|shard, now| shard.stack.remove_address(now, address, reachable));
    }

    /// What the next stack at these addresses must know when this one is gone: keys, clocks, and records in TIME-WAIT
    /// (QT-1). Nothing ends by it; [`drain`](Self::drain) first, and let the net go after, or old connections may find
    /// two stacks that answer. It holds secrets.
    pub fn suspend(&self) -> Suspended {
        self.shared.step(|shard, now| Suspended::of(&mut shard.stack, now))
    }

    /// Full close of everything, for the exit of a program: listeners, attempts and connections are closed, what was
    /// written still goes out, and what has not ended after `patience` is reset. Returns the receipts of all that has
    /// ended and was not taken before. Records in TIME-WAIT remain while the net lives; they only answer.
    pub async fn drain(&self, patience: Duration) -> Vec<(Flow, Receipt)> {
        self.shared.step(|shard, now| shard.stack.close_all(now));
        let drained = async {
            loop {
                let ended = self.shared.ended.notified();
                tokio::pin!(ended);
                ended.as_mut().enable();
                {
                    let shard = self.shared.lock();
                    if shard.stack.is_drained() || shard.broken.is_some() {
                        return;
                    }
                }
                ended.await;
            }
        };
        if tokio::time::timeout(patience, drained).await.is_err() {
            self.shared.step(|shard, now| shard.stack.abort_all(now));
        }
        self.flushed().await;
        self.take_receipts()
    }

    /// Waits until every packet that was due is with the device: the last ACK of a closing, before a program exits.
    pub async fn flushed(&self) {
        loop {
            let idle = self.shared.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            {
                let shard = self.shared.lock();
                if !shard.dirty && shard.outbox.is_none() || shard.broken.is_some() {
                    return;
                }
            }
            self.shared.kick.notify_one();
            idle.await;
        }
    }
}

impl Builder {
    /// Adds an address of the stack's own. Packets to other addresses are dropped.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.config.addresses.push(address);
        self
    }

    /// Has `look` called for every packet that crosses the device, just after the stack has handled or sent it. It runs
    /// in the driver's round: it must be quick, and must not call the net.
    #[must_use]
    pub fn tap(mut self, look: impl FnMut(Tapped<'_>) + Send + 'static) -> Self {
        self.tap = Some(Tap::new(look));
        self
    }

    /// Has `hear` called with every receipt, streams that were dropped included: in order, once, between two of the
    /// driver's rounds, so that it may call the net. It must be quick and not block: nothing moves meanwhile.
    /// A `Net` that it holds lives as long as the runtime: nothing is then reset when all others are dropped.
    /// [`Net::take_receipts`] and [`Net::drain`] have the receipts afterwards, as far as [`Config::receipts`] goes.
    #[must_use]
    pub fn on_receipt(mut self, hear: impl FnMut(&Flow, &Receipt) + Send + 'static) -> Self {
        self.sink = Some(Sink::new(hear));
        self
    }

    /// Goes on where another stack stopped ([`Net::suspend`]): with its keys, with clocks that have gone on since, and
    /// with its records in TIME-WAIT, as far as their addresses are this stack's, too. Old FINs are answered, and new
    /// connections keep apart from old ones (RFC 9293 section 3.4.3).
    #[must_use]
    pub fn resume(mut self, suspended: Suspended) -> Self {
        self.suspended = Some(suspended);
        self
    }

    /// For how long after its start the stack opens and accepts nothing, because it does not know which old connections
    /// are under way: an MSL of 30 s to 2 min where neither clock nor keys were kept (RFC 9293 section 3.4.3; QT-1).
    /// 0 in the beginning.
    #[must_use]
    pub fn quiet_time(mut self, quiet: Duration) -> Self {
        self.config.quiet_time = quiet;
        self
    }

    /// Changes the configuration. The device has set its MTU there.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts the stack: its driver runs on the tokio runtime this is called in.
    ///
    /// # Errors
    /// Where the system has no randomness for the stack's keys, or there is no runtime; `InvalidData` where what it is
    /// to resume cannot be read.
    pub fn start(self) -> io::Result<Net> {
        let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let hears = self.sink.is_some();
        let (mut stack, base) = stack(self.config, self.suspended)?;
        if hears {
            stack.keep_all_receipts();
        }
        let shard = Shard {
            stack,
            outbox: None,
            tasks: Tasks::default(),
            dirty: false,
            ended: 0,
            broken: None,
            tap: self.tap,
            hears,
            unheard: Vec::new(),
            heard: VecDeque::new(),
        };
        let shared = Arc::new(Shared {
            shard: Mutex::new(shard),
            kick: Notify::new(),
            acceptable: Notify::new(),
            idle: Notify::new(),
            ended: Notify::new(),
            given_up: AtomicBool::new(false),
            origin: tokio::time::Instant::now(),
            base,
        });
        runtime.spawn(driver::run(shared.clone(), self.device, self.sink));
        Ok(Net { shared: Arc::new(Held(shared)) })
    }
}

/// A stack, fresh or resumed, and what its clock says.
fn stack(config: Config, suspended: Option<Suspended>) -> io::Result<(Stack, Instant)> {
    let Some(suspended) = suspended else {
        let mut keys = [0; 48];
        getrandom::fill(&mut keys).map_err(io::Error::other)?;
        return Ok((Stack::new(config, Secrets::from_bytes(keys), checksum::sum), Instant::ZERO));
    };
    let wall = suspended::wall();
    let now = suspended.clock(wall);
    let mut stack = Stack::new(config, suspended.secrets(), checksum::sum);
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    suspended.restore(&mut stack, now, wall).map_err(invalid)?;
    Ok((stack, now))
}

impl Deref for Held {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.given_up.store(true, Ordering::Release);
        self.0.kick.notify_one(); // The driver says the last words.
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Shard> {
        self.shard.lock().expect("a stack whose step has panicked is in no state to go on")
    }

    /// The stack, unless a step of it has panicked.
    pub(crate) fn lock_if_sound(&self) -> Option<MutexGuard<'_, Shard>> {
        self.shard.lock().ok()
    }

    /// Whether nobody holds the net any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    /// The stack's time.
    pub(crate) fn now(&self) -> Instant {
        self.base + self.origin.elapsed()
    }

    /// The stack's time as the runtime's.
    pub(crate) fn when(&self, at: Instant) -> tokio::time::Instant {
        // A year is as good as never, and no clock overflows.
        self.origin + at.since(self.base).min(Duration::from_secs(365 * 86_400))
    }

    /// Does something to the stack; what follows from it goes out in the driver's next round.
    pub(crate) fn step<R>(&self, f: impl FnOnce(&mut Shard, Instant) -> R) -> R {
        let now = self.now();
        let mut awake = Vec::new();
        let result = {
            let mut shard = self.lock();
            let result = f(&mut shard, now);
            shard.dirty = true;
            shard.collect(&mut awake, self);
            result
        };
        wake(awake);
        self.kick.notify_one();
        result
    }

    /// Everything that was due is with the device.
    pub(crate) fn now_idle(&self) {
        self.idle.notify_waiters();
    }
}

impl Shard {
    /// Moves the tasks that have something to look at to `awake`.
    pub(crate) fn collect(&mut self, awake: &mut Vec<Waker>, shared: &Shared) {
        while let Some((handle, events)) = self.stack.poll_notified() {
            self.tasks.take(handle, events, awake);
        }
        let mut any: Option<ListenerId> = None;
        while let Some(listener) = self.stack.poll_acceptable() {
            any = Some(listener);
        }
        if any.is_some() {
            shared.acceptable.notify_waiters();
        }
        if self.hears {
            self.note_receipts();
        }
        let ended = self.stack.stats().ended;
        if core::mem::replace(&mut self.ended, ended) != ended {
            shared.ended.notify_waiters();
        }
    }

    /// Receipts for him who hears of all of them; kept for others who ask, up to the usual number.
    fn note_receipts(&mut self) {
        let most = self.stack.config().receipts as usize;
        while let Some(receipt) = self.stack.poll_receipt() {
            self.unheard.push(receipt);
            self.heard.push_back(receipt);
        }
        let surplus = self.heard.len().saturating_sub(most);
        self.heard.drain(..surplus);
    }

    /// Nothing comes or goes any more: everybody who waits is told.
    pub(crate) fn break_off(&mut self, kind: io::ErrorKind, why: String, awake: &mut Vec<Waker>, shared: &Shared) {
        self.broken = Some((kind, why));
        self.outbox = None;
        self.collect(awake, shared);
        self.tasks.take_all(awake);
    }

    /// Shows a packet to the tap, if there is one.
    pub(crate) fn tap(&mut self, at: Instant, direction: Direction, packet: &[u8]) {
        if let Some(tap) = &mut self.tap {
            tap.look(Tapped::new(at, direction, packet, &self.stack));
        }
    }

    /// Whether there is a tap.
    pub(crate) fn is_tapped(&self) -> bool {
        self.tap.is_some()
    }

    /// The error of a device that is gone.
    pub(crate) fn check(&self) -> io::Result<()> {
        match &self.broken {
            Some((kind, why)) => Err(io::Error::new(*kind, why.clone())),
            None => Ok(()),
        }
    }
}

/// Wakes each task once, with no lock held.
pub(crate) fn wake(awake: Vec<Waker>) {
    awake.into_iter().for_each(Waker::wake);
}
