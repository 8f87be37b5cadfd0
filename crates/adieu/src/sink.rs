//! Who hears of every ending, whoever held the connection.

use std::fmt;

use adieu_core::{Flow, Receipt};

type Hear = dyn FnMut(&Flow, &Receipt) + Send;

/// What is called with every receipt, between the driver's rounds, with no lock held.
pub(crate) struct Sink(Box<Hear>);

impl Sink {
    pub(crate) fn new(hear: impl FnMut(&Flow, &Receipt) + Send + 'static) -> Self {
        Self(Box::new(hear))
    }

    pub(crate) fn hear(&mut self, flow: &Flow, receipt: &Receipt) {
        (self.0)(flow, receipt);
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink(..)")
    }
}
