//! Which flow a new connection gets, and which port a listener.

use core::net::{IpAddr, SocketAddr};

use super::index::{Stage, Tag};
use super::{ConnectError, Flow, Stack};
use crate::ports::{Choice, Tuple};

impl Stack {
    /// The flow of a connection to `remote`, with the address and the port that are asked for, if any are.
    pub(super) fn choose_flow(&mut self, local: Option<SocketAddr>, remote: SocketAddr) -> Result<Flow, ConnectError> {
        let ours = |address: &IpAddr| address.is_ipv4() == remote.is_ipv4();
        let wanted = local.filter(|local| !local.ip().is_unspecified());
        let address = match wanted {
            Some(local) => self.config.addresses.iter().find(|address| **address == local.ip() && ours(address)),
            None => self.config.addresses.iter().find(|address| ours(address)),
        };
        let address = *address.ok_or(ConnectError::NoAddress(remote))?;
        let flow = |port| Flow::new(SocketAddr::new(address, port), remote);
        if let Some(port) = local.map(|local| local.port()).filter(|port| *port != 0) {
            return match self.find(&flow(port)) {
                None => Ok(flow(port)),
                Some(_) => Err(ConnectError::InUse(SocketAddr::new(address, port))),
            };
        }
        let mut ports = core::mem::take(&mut self.ports);
        let choice = ports.choose(&self.secrets, &self.config, &flow(0), |port| self.tuple(&flow(port)));
        self.ports = ports;
        choice.and_then(Choice::free).map(flow).ok_or(ConnectError::NoPort(remote))
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
        match self.find(flow).map(Tag::stage) {
            None => Tuple::Free,
            Some(Stage::Record) => Tuple::Waiting,
            Some(Stage::Opening | Stage::Connection) => Tuple::Taken,
        }
    }
}
