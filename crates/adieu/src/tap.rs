//! A look at every packet that crosses the device, for captures and pictures.

use std::fmt;

use adieu_core::{Flow, Instant, Stack, State};

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From the device into the stack.
    In,
    /// From the stack to the device, which has taken it.
    Out,
}

/// A packet as the device sees it, and the stack just after it.
#[derive(Clone, Copy, Debug)]
pub struct Tapped<'a> {
    /// Since the net was started.
    pub at: Instant,
    /// Which way it goes.
    pub direction: Direction,
    /// The packet, from its IP header on.
    pub packet: &'a [u8],
    stack: &'a Stack,
}

impl<'a> Tapped<'a> {
    pub(crate) fn new(at: Instant, direction: Direction, packet: &'a [u8], stack: &'a Stack) -> Self {
        Self { at, direction, packet, stack }
    }

    /// The state of a connection of ours, now that the packet has been handled.
    pub fn state(&self, flow: &Flow) -> State {
        self.stack.flow_state(flow)
    }
}

/// What is called for every packet, in the driver's round: it must be quick, and must not call the net.
pub(crate) struct Tap(Box<dyn FnMut(Tapped<'_>) + Send>);

impl Tap {
    pub(crate) fn new(look: impl FnMut(Tapped<'_>) + Send + 'static) -> Self {
        Self(Box::new(look))
    }

    pub(crate) fn look(&mut self, tapped: Tapped<'_>) {
        (self.0)(tapped);
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap(..)")
    }
}
