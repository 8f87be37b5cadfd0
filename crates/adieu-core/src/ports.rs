//! Which local port a connection gets (RFC 6056): unforeseeable from outside, and never one that is taken.

/// Looks through the range once, from a place that differs for every destination, and takes the first port that is
/// free. `None` where none is.
pub(crate) fn choose((low, high): (u16, u16), offset: u64, counter: u64, is_free: impl Fn(u16) -> bool) -> Option<u16> {
    let count = u64::from(high.checked_sub(low)?) + 1;
    (0..count).find_map(|step| {
        let place = offset.wrapping_add(counter).wrapping_add(step) % count;
        let port = low + u16::try_from(place).ok()?;
        is_free(port).then_some(port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_tried_and_none_is_invented() {
        assert_eq!(choose((10, 19), 3, 0, |_| true), Some(13));
        assert_eq!(choose((10, 19), u64::MAX, 2, |port| port == 12), Some(12));
        assert_eq!(choose((10, 19), 3, 0, |_| false), None);
        assert_eq!(choose((19, 10), 0, 0, |_| true), None);
        assert_eq!(choose((1024, 65535), 0, 64_511, |_| true), Some(65535));
    }
}
