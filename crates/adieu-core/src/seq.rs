//! Sequence numbers: [`Seq`] as they travel, 32 bits that wrap, and [`Offset`] as we count, 64 bits that do not.

use core::ops::{Add, AddAssign, Sub};

/// A sequence number on the wire. It wraps, so it has no order of its own (RFC 9293 section 3.4).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Seq(pub u32);

impl Seq {
    /// How far this lies after `other`, modulo 2^32; negative where it lies before.
    #[expect(clippy::cast_possible_wrap, reason = "serial number arithmetic is the meaning")]
    pub const fn distance(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

impl Add<u32> for Seq {
    type Output = Self;
    fn add(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }
}

impl Sub<u32> for Seq {
    type Output = Self;
    fn sub(self, n: u32) -> Self {
        Self(self.0.wrapping_sub(n))
    }
}

/// A place in one direction of a connection. The SYN is at 0, data starts at 1, the FIN comes last.
///
/// Counting from the initial sequence number keeps wrap-around out of every comparison, and lets runs that differ
/// only in their initial numbers coincide.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Offset(pub u64);

impl Offset {
    /// The place of the SYN.
    pub const SYN: Self = Self(0);
    /// The place of the first octet of data.
    pub const DATA: Self = Self(1);
    /// Beyond every stream: "not known yet".
    pub const NONE: Self = Self(u64::MAX);

    /// The number this place has on the wire, in a direction that began at `initial`.
    #[expect(clippy::cast_possible_truncation, reason = "the wire carries the low 32 bits")]
    pub const fn on_wire(self, initial: Seq) -> Seq {
        Seq(initial.0.wrapping_add(self.0 as u32))
    }

    /// The place `distance` from here; `None` before the SYN.
    pub const fn moved(self, distance: i32) -> Option<Self> {
        match self.0.checked_add_signed(distance as i64) {
            Some(place) => Some(Self(place)),
            None => None,
        }
    }

    /// How many sequence numbers lie from `earlier` to here; zero where it is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Offset {
    type Output = Self;
    fn add(self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }
}

impl AddAssign<u64> for Offset {
    fn add_assign(&mut self, n: u64) {
        *self = *self + n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_cross_the_wrap() {
        assert_eq!(Seq(3).distance(Seq(u32::MAX)), 4);
        assert_eq!(Seq(u32::MAX).distance(Seq(3)), -4);
        assert_eq!(Seq(u32::MAX) + 2, Seq(1));
    }

    #[test]
    fn an_offset_never_lies_before_the_syn() {
        assert_eq!(Offset(3).moved(-3), Some(Offset::SYN));
        assert_eq!(Offset(3).moved(-4), None);
        assert_eq!(Offset(1 << 33).on_wire(Seq(7)), Seq(7));
    }
}
