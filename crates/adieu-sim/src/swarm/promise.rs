//! Promises that nobody makes, to see one broken.

use std::fmt;

use adieu_core::{Ending, Receipt};

use super::run::Run;

/// A promise that is not kept, and need not be: with it, worlds fail, are made smaller and are shown as they would be
/// for a bug ([`Plan::promise`](super::Plan::promise)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Promise {
    /// No connection is ever reset by its peer.
    NeverReset,
    /// Whoever has a connection closes it gracefully.
    AlwaysGraceful,
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::NeverReset, Self::AlwaysGraceful];

    /// What stands where a requirement's id would.
    pub fn id(self) -> &'static str {
        match self {
            Self::NeverReset => "never-reset",
            Self::AlwaysGraceful => "always-graceful",
        }
    }

    fn is_kept(self, ending: Ending) -> bool {
        match self {
            Self::NeverReset => !matches!(ending, Ending::ResetByPeer { .. }),
            Self::AlwaysGraceful => ending.is_graceful(),
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverReset => "No connection is ever reset by its peer.",
            Self::AlwaysGraceful => "Every connection ends gracefully.",
        })
    }
}

impl Run {
    /// The extra promise, of an ending that has just come.
    pub(super) fn check_promise(&self, receipt: &Receipt) {
        if let Some(promise) = self.plan.promise {
            assert!(promise.is_kept(receipt.ending), "{}: {}", promise.id(), receipt.ending);
        }
    }
}
