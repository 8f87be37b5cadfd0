//! Congestion avoidance as RFC 5681 has it: one segment in each round trip, half after a loss.

use super::clamp;

/// Section 3.1: a segment for each window of bytes that is acknowledged.
pub(super) fn grow(window: &mut u32, credit: &mut u32, mss: u16, octets: u64) {
    *credit = credit.saturating_add(clamp(octets));
    if *credit >= *window {
        *credit -= *window;
        *window = window.saturating_add(u32::from(mss));
    }
}

/// Equation (4), but for its lower bound.
pub(super) fn cut(in_flight: u32) -> u32 {
    in_flight / 2
}
