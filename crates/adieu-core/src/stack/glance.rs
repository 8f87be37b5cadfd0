//! One flow as somebody sees it who stands beside the stack: for tests and simulators that count what was reached.

use super::index::Stage;
use super::{Flow, Stack};
use crate::connection::close::State;
use crate::connection::recv::initial_window;
use crate::seq::Seq;

/// What a stack would judge the next segment of a flow by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Glance {
    /// Its state: LISTEN where nothing has the flow and a listener would take it.
    pub state: State,
    /// RCV.NXT, where the peer's SYN is known.
    pub recv_next: Option<Seq>,
    /// RCV.WND; of TIME-WAIT a lower bound, for its record keeps the field and not the unit.
    pub window: u64,
    /// Bytes that came out of order and wait for what is missing before them.
    pub out_of_order: u64,
    /// Whether a SYN that may open something would: a listener is there and has a place, and it is not quiet time.
    pub admits: bool,
    /// Whether what a SYN opens here may have timestamps.
    pub stamps: bool,
}

impl Stack {
    /// How a flow stands now.
    pub fn glance(&self, flow: &Flow) -> Glance {
        let listener = self.listeners.find(flow.local_address, flow.local_port);
        let admits = listener.is_some_and(|id| self.listeners.has_place(id, &self.config)) && !self.is_quiet();
        let stamps = self.config.timestamps;
        let Some(tag) = self.find(flow) else {
            let state = if listener.is_some() { State::Listen } else { State::Closed };
            return Glance { state, recv_next: None, window: 0, out_of_order: 0, admits, stamps };
        };
        let number = tag.number();
        let receives = match tag.stage() {
            Stage::Opening => self
                .openings
                .get(number)
                .and_then(|slot| Some((slot.is.recv_next()?, u64::from(initial_window(&self.config))))),
            Stage::Connection => {
                let live = self.connections.get(number).filter(|slot| slot.is.ended().is_none());
                live.map(|slot| slot.is.receives())
            }
            Stage::Record => {
                let record = self.waits.get(number).filter(|record| record.wait().is_time_wait());
                record.map(crate::time_wait::TimeWait::receives)
            }
            Stage::Abandoned => self.abandoned.get(number).map(crate::fin_wait_2::FinWait2::receives),
        };
        let connection = self.connections.get(number).filter(|_| tag.stage() == Stage::Connection);
        let out_of_order = connection.map_or(0, |slot| slot.is.out_of_order());
        let (recv_next, window) = receives.map_or((None, 0), |(next, window)| (Some(next), window));
        Glance { state: self.flow_state(flow), recv_next, window, out_of_order, admits, stamps }
    }
}
