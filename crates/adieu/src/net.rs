//! A stack in this process, on a device.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use adieu_core::wire::checksum;
use adieu_core::{Config, Flow, Instant, Leftover, ListenerId, Outgoing, Receipt, Secrets, Stack, State, Stats};
use tokio::sync::Notify;

use crate::device::Device;
use crate::driver;
use crate::tap::{Direction, Tap, Tapped};
use crate::tasks::Tasks;

/// A TCP stack on a device. Clones are the same stack; its driver runs while a clone, a listener or a stream lives.
#[derive(Clone, Debug)]
pub struct Net {
    pub(crate) shared: Arc<Shared>,
}

/// What a [`Net`] is made of.
#[derive(Debug)]
pub struct Builder {
    device: Device,
    config: Config,
    tap: Option<Tap>,
}

/// What listeners, streams and the driver share.
#[derive(Debug)]
pub(crate) struct Shared {
    shard: Mutex<Shard>,
    /// A flow has become due, or nobody holds this any more: for the driver.
    pub(crate) kick: Arc<Notify>,
    /// Something can be accepted: for all who accept.
    pub(crate) acceptable: Notify,
    /// Nothing is waiting to be sent: for those who leave.
    idle: Notify,
    /// Some connection has ended: for those who drain.
    pub(crate) ended: Notify,
    origin: tokio::time::Instant,
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
}

impl Net {
    /// A stack on `device`: a [`Tun`](crate::device::Tun) or one end of a [`memory_pair`](crate::device::memory_pair).
    pub fn builder(device: impl Into<Device>) -> Builder {
        let device = device.into();
        let config = Config { mtu: device.mtu(), ..Config::default() };
        Builder { device, config, tap: None }
    }

    /// The configuration.
    pub fn config(&self) -> Config {
        self.shared.lock().stack.config().clone()
    }

    /// Counts so far.
    pub fn stats(&self) -> Stats {
        self.shared.lock().stack.stats()
    }

    /// The net's clock: the time since it was started.
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
        std::iter::from_fn(|| shard.stack.poll_receipt()).collect()
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

    /// Changes the configuration. The device has set its MTU there.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts the stack: its driver runs on the tokio runtime this is called in.
    ///
    /// # Errors
    /// Where the system has no randomness for the stack's keys, or there is no runtime.
    pub fn start(self) -> io::Result<Net> {
        let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let mut keys = [0; 48];
        getrandom::fill(&mut keys).map_err(io::Error::other)?;
        let stack = Stack::new(self.config, Secrets::from_bytes(keys), checksum::sum);
        let shard =
            Shard { stack, outbox: None, tasks: Tasks::default(), dirty: false, ended: 0, broken: None, tap: self.tap };
        let shared = Arc::new(Shared {
            shard: Mutex::new(shard),
            kick: Arc::new(Notify::new()),
            acceptable: Notify::new(),
            idle: Notify::new(),
            ended: Notify::new(),
            origin: tokio::time::Instant::now(),
        });
        runtime.spawn(driver::run(Arc::downgrade(&shared), shared.kick.clone(), self.device));
        Ok(Net { shared })
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Shard> {
        self.shard.lock().expect("a stack whose step has panicked is in no state to go on")
    }

    /// The stack's time: since it was started.
    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    /// The stack's time as the runtime's.
    pub(crate) fn when(&self, at: Instant) -> tokio::time::Instant {
        // A year is as good as never, and no clock overflows.
        self.origin + at.since(Instant::ZERO).min(Duration::from_secs(365 * 86_400))
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

impl Drop for Shared {
    fn drop(&mut self) {
        self.kick.notify_one(); // The driver ends.
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
        let ended = self.stack.stats().ended;
        if core::mem::replace(&mut self.ended, ended) != ended {
            shared.ended.notify_waiters();
        }
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
