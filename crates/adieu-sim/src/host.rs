//! One host: a stack, and the application on it.

use std::net::SocketAddr;

use adieu_core::{Ending, Events, Flow, HandleId, ListenerId, Receipt, Stack};

use crate::clock::Clock;
use crate::life::Life;

/// A stack and its application's handles.
#[derive(Debug)]
pub struct Host {
    /// The stack that is tried.
    pub stack: Stack,
    /// Its one address, and the port it listens at or connects from.
    pub address: SocketAddr,
    pub(crate) listener: Option<ListenerId>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) flows: Vec<Flow>,
    /// What the stack has told its application to look at, where somebody wants to know.
    pub(crate) notified: Option<Vec<(HandleId, Events)>>,
    pub(crate) clock: Clock,
    pub(crate) life: Life,
    pub(crate) missed: u64,
}

/// What an application's read brought.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Heard {
    /// These bytes; more may come.
    Data(Vec<u8>),
    /// Nothing yet.
    Nothing,
    /// The peer has closed its direction, and everything before is read.
    EndOfStream,
    /// The connection has ended otherwise.
    Failed(Ending),
}

impl Host {
    pub(crate) fn new(stack: Stack, address: SocketAddr) -> Self {
        let (clock, life) = (Clock::default(), Life::default());
        Self {
            stack,
            address,
            listener: None,
            receipts: Vec::new(),
            flows: Vec::new(),
            notified: None,
            clock,
            life,
            missed: 0,
        }
    }

    /// Receipts of connections that have ended, in order, handle or not.
    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Whose receipts these are, in the same order.
    pub fn receipt_flows(&self) -> &[Flow] {
        &self.flows
    }

    /// Packets that came while nobody could take them: the program was dead, its device gone or its queue full.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// The next connection that waits to be accepted.
    pub fn accept(&mut self) -> Option<HandleId> {
        self.stack.accept(self.listener?)
    }

    /// From now on the application is woken as a real one is: [`Host::take_notified`].
    pub fn keep_notified(&mut self) {
        self.notified.get_or_insert_default();
    }

    /// What the stack has told its application to look at since this was asked last.
    pub fn take_notified(&mut self) -> Vec<(HandleId, Events)> {
        self.notified.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Takes what the stack wants its application to look at.
    pub(crate) fn drain_notified(&mut self) {
        while self.stack.poll_acceptable().is_some() {}
        while let Some(told) = self.stack.poll_notified() {
            if let Some(notified) = &mut self.notified {
                notified.push(told);
            }
        }
    }
}
