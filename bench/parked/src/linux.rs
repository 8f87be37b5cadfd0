//! What the same things take in the kernel here: the sizes of its slabs.

use std::fs;

/// Bytes that one object takes in the kernel's slab `name`; `None` where it cannot be read, which takes root.
pub(crate) fn object_size(name: &str) -> Option<u64> {
    let file = fs::read_to_string(format!("/sys/kernel/slab/{name}/slab_size")).ok();
    file.and_then(|text| text.trim().parse().ok()).or_else(|| {
        let all = fs::read_to_string("/proc/slabinfo").ok()?;
        let line = all.lines().find(|line| line.split_whitespace().next() == Some(name))?;
        line.split_whitespace().nth(3)?.parse().ok()
    })
}
