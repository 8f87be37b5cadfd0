//! What somebody should look at: connections that wait for an application that does not close, and ports that run out.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::{Flow, HandleId, Owner, PortUsage, Slot, Stack};
use crate::connection::Connection;
use crate::connection::close::State;
use crate::time::Duration;
use crate::time_wait::Wait;

/// Something is wrong, and only the application can mend it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Warning {
    /// Nothing has happened for too long in CLOSE-WAIT, where the application has been told of the peer's FIN and does
    /// not close, or in FIN-WAIT-2, where the peer does not close (TO-11, HC-7). Once for each connection and state.
    Stuck(FlowState),
    /// Most local ports towards a destination are taken, by connections or by what they leave behind
    /// ([`Config::port_warning`](crate::Config::port_warning)).
    PortsScarce {
        /// Our address.
        local: IpAddr,
        /// The destination.
        remote: SocketAddr,
        /// How many there are, and how many are taken.
        usage: PortUsage,
    },
}

/// Where one flow stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FlowState {
    /// Whose it is.
    pub flow: Flow,
    /// The handle, if the application has one.
    pub handle: Option<HandleId>,
    /// What the application has called it; empty if nothing.
    pub label: Box<str>,
    /// Its state.
    pub state: State,
    /// For how long it has been in this state; of TIME-WAIT, for how long it still is.
    pub age: Duration,
    /// For how long no data has come or gone; of TIME-WAIT the same as `age`.
    pub quiet: Duration,
    /// Bytes it holds in queues.
    pub held: u64,
}

impl Stack {
    /// The next warning that nobody has taken yet. A bounded number is kept
    /// ([`Config::receipts`](crate::Config::receipts)); the oldest give way.
    pub fn poll_warning(&mut self) -> Option<Warning> {
        self.warnings.pop_front()
    }

    pub(super) fn warn(&mut self, warning: Warning) {
        self.stats.warnings += 1;
        if self.warnings.len() >= (self.config.receipts as usize).max(1) {
            self.warnings.pop_front();
        }
        self.warnings.push_back(warning);
    }

    /// Names a connection for warnings and lists.
    pub fn set_label(&mut self, handle: HandleId, label: &str) {
        if let Some(entry) = self.handle_mut(handle) {
            entry.label = (!label.is_empty()).then(|| label.into());
        }
    }

    /// What a connection is called.
    pub fn label(&self, handle: HandleId) -> Option<&str> {
        self.handle(handle)?.label.as_deref()
    }

    /// The watchdog of a connection has found something.
    pub(super) fn warn_of(&mut self, number: u32) {
        if let Some(slot) = self.connections.get(number) {
            let state = self.flow_state_of(slot);
            self.warn(Warning::Stuck(state));
        }
    }

    fn flow_state_of(&self, slot: &Slot<Connection>) -> FlowState {
        let handle = self.handle_of(slot.owner);
        FlowState {
            flow: slot.flow,
            handle,
            label: handle.and_then(|handle| self.label(handle)).unwrap_or_default().into(),
            state: slot.is.state(),
            age: slot.is.age(self.now),
            quiet: slot.is.quiet_for(self.now),
            held: slot.is.held(),
        }
    }

    fn handle_of(&self, owner: Owner) -> Option<HandleId> {
        let Owner::Handle(number) = owner else { return None };
        self.handles.get(number).map(|entry| HandleId { number, generation: entry.generation })
    }

    /// Everything that has a flow: openings, connections, and what is left of them. A list for people; it looks at
    /// everything there is.
    pub fn flows(&self) -> Vec<FlowState> {
        let bare = |flow: Flow, state: State, age: Duration| FlowState {
            flow,
            handle: None,
            label: Box::default(),
            state,
            age,
            quiet: age,
            held: 0,
        };
        let openings = self.openings.iter().map(|(_, slot)| {
            let handle = self.handle_of(slot.owner);
            let label = handle.and_then(|handle| self.label(handle)).unwrap_or_default().into();
            FlowState { handle, label, ..bare(slot.flow, slot.is.state(), slot.is.age(self.now)) }
        });
        let live = self.connections.iter().filter(|(_, slot)| slot.is.ended().is_none());
        let live = live.map(|(_, slot)| self.flow_state_of(slot));
        let abandoned = self.abandoned.iter();
        let abandoned = abandoned.map(|(_, flow, record)| bare(flow, State::FinWait2, record.age(self.now)));
        let waiting = self.waits.iter().filter(|(_, _, record)| record.wait() >= Wait::Normal);
        let waiting = waiting
            .map(|(_, flow, record)| bare(flow, State::TimeWait, self.now.near(record.expiry()).since(self.now)));
        openings.chain(live).chain(abandoned).chain(waiting).collect()
    }
}
