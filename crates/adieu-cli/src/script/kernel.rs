//! The kernel's TCP under test: the script has the other end of a TUN device in a network namespace of its own.
//!
//! Packets that come in are written to the device, those that leave are read from it, and the script's calls are made
//! on real sockets, which never block: what must wait is tried again. Time is real.

mod calls;
mod choices;
mod insight;
mod route;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use adieu::device::{Tun, TunConfig};
use adieu::{Flow, State};
use adieu_core::wire::ip::{Datagram, TCP};
use adieu_script::Settings;
use adieu_script::run::{Host, Id, Pace, Record, Sent, Target};
use adieu_trace::{Side, Trace};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, timeout};

use crate::diag::Diag;
use crate::failure::Failure;
use crate::rootless;
use calls::Socket;

/// How often a call that waits is tried again.
const OFTEN: Duration = Duration::from_millis(2);
/// This process does not run all the time.
const TOLERANCE: Duration = Duration::from_millis(40);
/// The kernel rounds its timers up: the longer they are the more.
const ROUNDING: f64 = 1.0 / 16.0;
/// How long the kernel may take for what it does at once.
const MOMENT: Duration = Duration::from_millis(20);

/// ECN where the peer asks for it, as with us; and the kernel must answer each segment that is not acceptable, not just
/// two a second of them.
const PLAIN: &[(&str, &str)] = &[("tcp_ecn", "2"), ("tcp_invalid_ratelimit", "0")];

/// Outside of the namespace that the command was started in.
pub(super) struct Away(Rc<Runtime>);

/// The kernel of this machine, seen from a TUN device.
struct Kernel {
    // Before the runtime it is registered with.
    tun: Tun,
    runtime: Rc<Runtime>,
    addresses: [IpAddr; 2],
    began: Instant,
    sent: VecDeque<Sent>,
    record: Record,
    diag: Diag,
    sockets: BTreeMap<Id, Socket>,
    next: u32,
    /// What no longer works.
    trouble: RefCell<Option<String>>,
}

impl Away {
    /// Leaves the namespace the command was started in. Must be called before any thread is started.
    pub(super) fn leave_host() -> Result<Self, Failure> {
        rootless::leave_host()?;
        Ok(Self(Rc::new(Builder::new_current_thread().enable_all().build()?)))
    }

    /// The kernel in a fresh namespace, whose sockets and interface go away with it.
    pub(super) fn kernel(&self, settings: &Settings) -> Result<Box<dyn Target>, String> {
        Ok(Box::new(Kernel::new(self.0.clone(), settings)?))
    }
}

impl Kernel {
    fn new(runtime: Rc<Runtime>, settings: &Settings) -> Result<Self, String> {
        let told = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| format!("cannot {what}: {error}")
        };
        rootless::another_namespace().map_err(told("make a network namespace"))?;
        // An address is usable at once: there is nobody on the link who could have it, too.
        for interfaces in ["all", "default"] {
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{interfaces}/accept_dad"), "0");
        }
        for (name, value) in PLAIN {
            let set = fs::write(format!("/proc/sys/net/ipv4/{name}"), value);
            set.map_err(told(&format!("set net.ipv4.{name} in a network namespace of its own")))?;
        }
        let (addresses, prefix) = addresses(settings.ipv6);
        let mtu = settings.config.mtu.saturating_add(if settings.ipv6 { 20 } else { 0 });
        let config = TunConfig { name: Some("script0".into()), prefix, mtu, ..TunConfig::new(addresses[0]) };
        let tun = {
            let _inside = runtime.enter();
            Tun::create(&config).map_err(|error| error.to_string())?
        };
        route::without_delay(tun.name(), addresses[1]).map_err(told("make a route to the script"))?;
        Ok(Self {
            tun,
            runtime,
            addresses,
            began: Instant::now(),
            sent: VecDeque::new(),
            record: Record::new("linux", addresses),
            diag: Diag::new().map_err(told("ask the kernel for the state of connections (sock_diag)"))?,
            sockets: BTreeMap::new(),
            next: 0,
            trouble: RefCell::new(None),
        })
    }

    /// Nothing can be trusted any more.
    fn broken(&self, error: impl std::fmt::Display) {
        self.trouble.borrow_mut().get_or_insert_with(|| error.to_string());
    }

    fn write_down(&mut self, from: Side, bytes: &[u8]) {
        let at = self.now();
        let state = |flow: &Flow| state(&self.diag, flow).unwrap_or(State::Closed);
        self.record.packet(at, from, bytes, state);
    }

    fn observe(&mut self) {
        if let Some(flow) = self.record.followed() {
            let state = self.state_of(&flow);
            self.record.state(self.now(), state);
        }
    }
}

impl Host for Kernel {
    fn addresses(&self) -> [IpAddr; 2] {
        self.addresses
    }

    fn initial_number(&self) -> Option<u32> {
        None
    }

    fn pace(&self) -> Pace {
        Pace { tolerance: TOLERANCE, rounding: ROUNDING, moment: MOMENT }
    }

    /// Its first window is a multiple of the MSS, and PSH stands on more than the last segment of a write.
    fn is_exact(&self) -> bool {
        false
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn settle(&mut self) {
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            let received = self.runtime.block_on(async {
                // The runtime looks at the device only where somebody lets it.
                tokio::task::yield_now().await;
                self.tun.try_recv(&mut buffer)
            });
            match received {
                Ok(length) => {
                    let bytes = &buffer[..length];
                    // The kernel also greets the link (ICMPv6).
                    if Datagram::parse(bytes).is_ok_and(|datagram| datagram.protocol == TCP) {
                        self.write_down(Side::Left, bytes);
                        self.sent.push_back(Sent { at: self.now(), bytes: bytes.to_vec() });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.broken(error);
                    break;
                }
            }
        }
        self.observe();
    }

    /// Nobody tells when a call that waits could go on: something may happen at any time.
    fn step(&mut self, limit: Duration) -> bool {
        let left = limit.saturating_sub(self.now());
        if left.is_zero() || self.trouble.borrow().is_some() {
            return false;
        }
        let ready = self.runtime.block_on(async { timeout(left.min(OFTEN), self.tun.readable()).await });
        if let Ok(Err(error)) = ready {
            self.broken(error);
        }
        self.settle();
        true
    }

    fn run_to(&mut self, at: Duration) {
        while self.step(at) {}
    }

    fn inject(&mut self, bytes: Vec<u8>) {
        self.write_down(Side::Right, &bytes);
        let sent = self.runtime.block_on(async {
            loop {
                match self.tun.try_send(&[IoSlice::new(&bytes)]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.tun.writable().await?,
                    sent => return sent,
                }
            }
        });
        if let Err(error) = sent {
            self.broken(error);
        }
        self.settle();
    }

    fn pop(&mut self) -> Option<Sent> {
        self.sent.pop_front()
    }

    fn packets(&self) -> usize {
        self.record.packets()
    }

    fn state_of(&self, flow: &Flow) -> State {
        state(&self.diag, flow).unwrap_or_else(|error| {
            self.broken(error);
            State::Closed
        })
    }

    fn note(&mut self, text: String) {
        self.record.note(self.began.elapsed(), text);
    }

    fn take_trace(&mut self) -> Trace {
        self.record.take()
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }
}

fn state(diag: &Diag, flow: &Flow) -> io::Result<State> {
    Ok(diag.look(flow.local(), flow.remote())?.map_or(State::Closed, |socket| socket.state))
}

/// The kernel's address, the script's, and how much of them names the link both are on.
fn addresses(ipv6: bool) -> ([IpAddr; 2], u8) {
    if ipv6 {
        let address = |last| Ipv6Addr::new(0xfd3d, 0xfa7b, 0xd17d, 0, 0, 0, 0, last);
        return ([address(1), address(2)].map(IpAddr::V6), 64);
    }
    // The addresses that the language has by default; so short a prefix makes them neighbours.
    ([Ipv4Addr::new(192, 168, 0, 1), Ipv4Addr::new(192, 0, 2, 1)].map(IpAddr::V4), 8)
}
