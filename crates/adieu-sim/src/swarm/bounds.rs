//! How long things may take.

use adieu_core::{Config, Duration};

/// How long an orphan may last when nothing gets through (OR-2, ZW-5, TO-9), TIME-WAIT apart.
pub(super) fn orphan_bound(config: &Config) -> Duration {
    let tries = config.orphan_retries.max(config.syn_retries); // In SYN-RECEIVED its close still waits (CL-4).
    let retransmissions = config.max_rto * (u32::from(tries) + 2);
    retransmissions.max(Duration::from_secs(100) + config.max_rto) + config.fin_wait_2
}

/// How long unacknowledged data may last when nothing gets through (R2): a probe of the tail may come before the first
/// retransmission.
pub(super) fn patience_bound(config: &Config) -> Duration {
    config.max_rto * (u32::from(config.retries) + 2)
}
