//! A queue of runs in one piece of memory: cheap at both ends, and to look through.

use core::hash::{Hash, Hasher};
use core::ops::{Deref, DerefMut};

use smallvec::SmallVec;

use super::flight::length;
use crate::seq::Offset;
use crate::time::Instant;

/// What left at one time, or what splitting has left of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Run {
    pub(super) start: Offset,
    pub(super) end: Offset,
    pub(super) sent: Instant,
    pub(super) fate: Fate,
    /// It was sent before, as the same octets.
    pub(super) resent: bool,
    /// Its round trip would say nothing: it is a window probe, or shares a segment with what was sent before.
    pub(super) doubtful: bool,
}

/// What has become of a run, as far as we know.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Fate {
    Unknown,
    Lost,
    Sacked,
}

impl Run {
    pub(super) fn len(&self) -> u32 {
        length(self.end.since(self.start))
    }

    pub(super) fn is(&self, fate: Fate) -> bool {
        self.fate == fate
    }
}

/// Runs in the order of their numbers. Two have room without an allocation, which is what most connections ever need.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    all: SmallVec<[Run; 2]>,
    /// Runs at the front that are gone; they are dropped together, once they are the most.
    gone: usize,
}

impl Runs {
    pub(super) fn push(&mut self, run: Run) {
        self.all.push(run);
    }

    pub(super) fn pop_front(&mut self) {
        self.gone += usize::from(self.gone < self.all.len());
        if self.gone * 2 > self.all.len() {
            self.all.drain(..self.gone);
            self.gone = 0;
        }
    }

    pub(super) fn insert(&mut self, at: usize, run: Run) {
        self.all.insert(self.gone + at, run);
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.all.remove(self.gone + at);
    }
}

impl Deref for Runs {
    type Target = [Run];
    fn deref(&self) -> &[Run] {
        &self.all[self.gone..]
    }
}

impl DerefMut for Runs {
    fn deref_mut(&mut self) -> &mut [Run] {
        &mut self.all[self.gone..]
    }
}

impl PartialEq for Runs {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Runs {}

impl Hash for Runs {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;

    #[test]
    fn it_is_a_queue_whatever_is_done_to_it() {
        let run = |n: u64| Run {
            start: Offset(n),
            end: Offset(n + 1),
            sent: Instant::ZERO,
            fate: Fate::Unknown,
            resent: false,
            doubtful: false,
        };
        let (mut runs, mut model, mut random) = (Runs::default(), VecDeque::new(), 7u64);
        for n in 0..5000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from(random >> 40).unwrap() % (model.len() + 1);
            match random >> 61 {
                0..=2 => {
                    runs.push(run(n));
                    model.push_back(run(n));
                }
                3 => {
                    runs.insert(at, run(n));
                    model.insert(at, run(n));
                }
                4 if at < model.len() => {
                    runs.remove(at);
                    model.remove(at);
                }
                _ => {
                    runs.pop_front();
                    model.pop_front();
                }
            }
            assert!(runs.iter().eq(model.iter()));
        }
    }
}
