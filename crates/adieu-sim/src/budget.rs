//! How much a host may hold: what stands here for an allocation that fails.
//!
//! Rust's allocator does not say no, it ends the program; that is [`World::kill`](crate::World::kill). What the stack
//! can be refused is what it refuses itself: its budgets. They are cut down and given back while connections run. The
//! stack looks at a budget when something is about to be added, or when a connection's bytes change: what is held
//! already stays until then.

use adieu_core::Config;

/// The budgets of [`Config`], in bytes, and a number of orphans.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    /// [`Config::memory`].
    pub memory: usize,
    /// [`Config::time_wait_budget`].
    pub time_wait: usize,
    /// [`Config::tombstone_budget`].
    pub tombstones: usize,
    /// [`Config::fin_wait_2_budget`].
    pub fin_wait_2: usize,
    /// [`Config::orphan_bytes`].
    pub orphan_bytes: usize,
    /// [`Config::max_orphans`].
    pub max_orphans: u32,
}

impl Budget {
    /// Nothing at all.
    pub const NOTHING: Self =
        Self { memory: 0, time_wait: 0, tombstones: 0, fin_wait_2: 0, orphan_bytes: 0, max_orphans: 0 };

    /// What a configuration grants.
    pub fn of(config: &Config) -> Self {
        Self {
            memory: config.memory,
            time_wait: config.time_wait_budget,
            tombstones: config.tombstone_budget,
            fin_wait_2: config.fin_wait_2_budget,
            orphan_bytes: config.orphan_bytes,
            max_orphans: config.max_orphans,
        }
    }

    /// Makes a configuration grant this.
    pub fn grant(self, config: &mut Config) {
        let Self { memory, time_wait, tombstones, fin_wait_2, orphan_bytes, max_orphans } = self;
        config.memory = memory;
        config.time_wait_budget = time_wait;
        config.tombstone_budget = tombstones;
        config.fin_wait_2_budget = fin_wait_2;
        config.orphan_bytes = orphan_bytes;
        config.max_orphans = max_orphans;
    }
}
