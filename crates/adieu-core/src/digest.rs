//! What of a stack can matter from now on, given to a hasher: for model checkers, which must know a state again.
//!
//! Every instant is told from the present one, so that runs that differ only in when they began are one. What only
//! lists, counts and receipts read is left out. A time that is only ever held against a bound counts as the bound once
//! it is beyond it. What is compared modulo 2^32 ms counts as if that never wrapped: a digest looks ahead for weeks,
//! not for months.

use core::hash::{Hash, Hasher};

use crate::config::Config;
use crate::time::{Duration, Instant};

/// The present, from which times are told, and the configuration that says which of them matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a Config,
}

/// What can be told from a moment.
pub(crate) trait Digest {
    /// Gives all of it that matters to `state`.
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H);
}

impl Moment<'_> {
    /// An instant, of the past or to come.
    pub(crate) fn at<H: Hasher>(&self, instant: Instant, state: &mut H) {
        let there = (instant != Instant::NEVER).then(|| instant.as_nanos().wrapping_sub(self.now.as_nanos()));
        there.hash(state);
    }

    /// The present, in milliseconds modulo 2^32.
    pub(crate) fn millis(&self) -> u32 {
        self.now.as_wrapping_millis()
    }

    /// A past time in milliseconds modulo 2^32, of which only matters whether `bound` has passed since, and if not, how
    /// much of it.
    pub(crate) fn ago<H: Hasher>(&self, then: u32, bound: Duration, state: &mut H) {
        let bound = u32::try_from(bound.as_millis()).unwrap_or(u32::MAX - 1).saturating_add(1);
        self.millis().wrapping_sub(then).min(bound).hash(state);
    }
}

impl<T: Digest> Digest for Option<T> {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        self.is_some().hash(state);
        if let Some(value) = self {
            value.digest(moment, state);
        }
    }
}

impl<T: Digest> Digest for alloc::boxed::Box<T> {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        (**self).digest(moment, state);
    }
}
