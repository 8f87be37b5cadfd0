//! How many of our local ports each destination takes, so that somebody hears before none is left.

use alloc::collections::BTreeMap;
use core::net::{IpAddr, SocketAddr};

use super::{Flow, Stack};
use crate::config::Config;

/// Ports towards one destination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PortUsage {
    /// Local ports whose connections we opened and that nobody else can have now: connected, or a record waits.
    pub in_use: u32,
    /// Ports there are: [`Config::ephemeral_ports`](crate::Config::ephemeral_ports) without the reserved ones.
    pub all: u32,
}

/// Counts by our address and the destination; none where nothing is in use.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Usage {
    towards: BTreeMap<(IpAddr, SocketAddr), Count>,
}

#[derive(Clone, Copy, Debug, Default, Hash)]
struct Count {
    in_use: u32,
    /// Somebody has been told that they run out.
    warned: bool,
}

/// Once warned, it takes this many percent less to be warned again.
const HYSTERESIS: u32 = 10;

impl Usage {
    pub(crate) fn in_use(&self, flow: &Flow) -> u32 {
        self.towards.get(&key(flow)).map_or(0, |count| count.in_use)
    }

    pub(crate) fn destinations(&self) -> usize {
        self.towards.len()
    }

    /// A connection of ours begins. Whether somebody should hear that ports run out.
    fn enter(&mut self, flow: &Flow, config: &Config) -> bool {
        let count = self.towards.entry(key(flow)).or_default();
        count.in_use += 1;
        let percent = share(count.in_use, all(config));
        let scarce = percent >= u32::from(config.port_warning) && config.port_warning > 0;
        scarce && !core::mem::replace(&mut count.warned, true)
    }

    /// Nothing holds the port of one of ours any more.
    pub(crate) fn leave(&mut self, flow: &Flow, config: &Config) {
        let Some(count) = self.towards.get_mut(&key(flow)) else { return };
        count.in_use = count.in_use.saturating_sub(1);
        if share(count.in_use, all(config)) + HYSTERESIS < u32::from(config.port_warning) {
            count.warned = false;
        }
        if count.in_use == 0 {
            self.towards.remove(&key(flow));
        }
    }
}

fn key(flow: &Flow) -> (IpAddr, SocketAddr) {
    (flow.local_address, flow.remote())
}

fn all(config: &Config) -> u32 {
    let (low, high) = config.ephemeral_ports;
    let range = u32::from(high).saturating_sub(u32::from(low)) + 1;
    let reserved = config.reserved_ports.iter().filter(|port| (low..=high).contains(*port)).count();
    range.saturating_sub(u32::try_from(reserved).unwrap_or(u32::MAX)).max(1)
}

fn share(part: u32, all: u32) -> u32 {
    u32::try_from(u64::from(part) * 100 / u64::from(all)).unwrap_or(u32::MAX)
}

impl Stack {
    /// How many local ports a destination takes, from one of our addresses (section 1.16).
    pub fn port_usage(&self, local: IpAddr, remote: SocketAddr) -> PortUsage {
        let flow = Flow::new(SocketAddr::new(local, 0), remote);
        PortUsage { in_use: self.usage.in_use(&flow), all: all(&self.config) }
    }

    /// A connection of ours begins; where ports run out, somebody hears of it once.
    pub(super) fn enter_usage(&mut self, flow: &Flow) {
        if self.usage.enter(flow, &self.config) {
            let usage = self.port_usage(flow.local_address, flow.remote());
            self.warn(super::Warning::PortsScarce { local: flow.local_address, remote: flow.remote(), usage });
        }
    }
}
