//! Which flow a new connection gets, and which port a listener.

use core::net::{IpAddr, SocketAddr};

use super::index::{Stage, Tag};
use super::{ConnectError, Flow, Stack};
use crate::ports::{Choice, Tuple};
use crate::time::Duration;
use crate::time_wait::REUSE_AFTER;

impl Stack {
    /// The flow of a connection to `remote`, with the address and the port that are asked for, if any are; and the
    /// record whose place it takes. That happens only where the port is asked for, or no other is free (TW-13).
    pub(super) fn choose_flow(
        &mut self,
        local: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> Result<(Flow, Option<u32>), ConnectError> {
        let ours = |address: &IpAddr| address.is_ipv4() == remote.is_ipv4();
        let wanted = local.filter(|local| !local.ip().is_unspecified());
        let address = match wanted {
            Some(local) => self.config.addresses.iter().find(|address| **address == local.ip() && ours(address)),
            None => self.config.addresses.iter().find(|address| ours(address)),
        };
        let address = *address.ok_or(ConnectError::NoAddress(remote))?;
        let flow = |port| Flow::new(SocketAddr::new(address, port), remote);
        if let Some(port) = local.map(|local| local.port()).filter(|port| *port != 0) {
            let flow = flow(port);
            return match self.find(&flow) {
                None if self.remembered(&flow) != Tuple::Taken => Ok((flow, None)),
                Some(tag) if self.is_reusable(tag) => Ok((flow, Some(tag.number()))),
                _ => Err(ConnectError::InUse(SocketAddr::new(address, port))),
            };
        }
        let mut ports = core::mem::take(&mut self.ports);
        let choice = ports.choose(&self.secrets, &self.config, &flow(0), |port| self.tuple(&flow(port)));
        self.ports = ports;
        match choice.ok_or(ConnectError::NoPort(remote))? {
            Choice::Free(port) => Ok((flow(port), None)),
            Choice::Waiting(port) => Ok((flow(port), self.find(&flow(port)).map(Tag::number))),
        }
    }

    /// Where a listener that does not mind its port (0) listens.
    pub(super) fn with_port(&mut self, local: SocketAddr) -> Option<SocketAddr> {
        if local.port() != 0 {
            return Some(local);
        }
        let tuple = |port| if self.listeners.has_port(port) { Tuple::Taken } else { Tuple::Free };
        let choice = self.ports.choose(&self.secrets, &self.config, &Flow::new(local, local), tuple)?;
        choice.free().map(|port| SocketAddr::new(local.ip(), port))
    }

    /// Whether a flow can begin. A port that somebody listens at is nobody else's (RFC 6056 section 3.1).
    fn tuple(&self, flow: &Flow) -> Tuple {
        if self.listeners.has_port(flow.local_port) {
            return Tuple::Taken;
        }
        match self.find(flow) {
            None => self.remembered(flow),
            Some(tag) if self.is_reusable(tag) => Tuple::Waiting,
            _ => Tuple::Taken,
        }
    }

    /// How a flow stands that nothing has. Where a record gave way, the same rules hold as for the record (TW-14): what
    /// is left of it does not say when it last spoke, but hardly later than its wait began.
    fn remembered(&self, flow: &Flow) -> Tuple {
        let hash = || self.secrets.index_hash(flow);
        let known = (self.tombstones.len() > 0).then(|| self.tombstones.find(hash(), self.now)).flatten();
        let Some(left) = known else { return Tuple::Free };
        let spoke = left.expires - self.config.time_wait(Duration::ZERO);
        let quiet = self.now.since(spoke) > Duration::from_millis(u64::from(REUSE_AFTER));
        if left.stamped && self.config.timestamps && quiet { Tuple::Waiting } else { Tuple::Taken }
    }

    /// Whether what has a flow is a record that a connection of ours may replace (TW-13).
    fn is_reusable(&self, tag: Tag) -> bool {
        let record = (tag.stage() == Stage::Record).then(|| self.waits.get(tag.number())).flatten();
        self.config.timestamps && record.is_some_and(|record| record.is_reusable(self.now))
    }
}
