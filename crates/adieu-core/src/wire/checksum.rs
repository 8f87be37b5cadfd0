//! The Internet checksum (RFC 1071) over pieces that may start at odd places.

/// Adds up `bytes` as big-endian 16-bit words, an odd last byte as the high half of a word, and returns the sum
/// folded to 16 bits. The stack is given one of these, so that a faster one can be used where there is one.
pub type SumFn = fn(&[u8]) -> u16;

/// A running ones' complement sum.
#[derive(Clone, Copy, Debug)]
pub struct Checksum {
    sum: u64,
    odd: bool,
    add: SumFn,
}

impl Checksum {
    /// An empty sum that uses `add` for its pieces.
    pub fn new(add: SumFn) -> Self {
        Self { sum: 0, odd: false, add }
    }

    /// Adds one big-endian word, of 16 or 32 bits.
    pub fn word(&mut self, word: u32) {
        self.sum += u64::from(word);
    }

    /// Adds a piece; where the pieces before it had an odd length, its bytes count in swapped places.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let sum = (self.add)(bytes);
        self.sum += u64::from(if self.odd { sum.swap_bytes() } else { sum });
        self.odd ^= bytes.len() % 2 == 1;
    }

    /// The sum folded to 16 bits, not complemented: what a field with a partial checksum holds.
    pub fn folded(self) -> u16 {
        fold(self.sum)
    }

    /// The checksum field.
    pub fn finish(self) -> u16 {
        !self.folded()
    }
}

/// Folds a sum of 16-bit words to 16 bits with end-around carry.
#[expect(clippy::cast_possible_truncation, reason = "after the last step nothing is left above 16 bits")]
pub fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff); // 33 bits
    let sum = (sum >> 16) + (sum & 0xffff); // 18 bits
    let sum = (sum >> 16) + (sum & 0xffff); // 17 bits, and then only a small number
    ((sum >> 16) + sum) as u16
}

/// The portable [`SumFn`]: a chain of 64-bit additions that carry into each other.
pub fn sum(bytes: &[u8]) -> u16 {
    let (blocks, rest) = bytes.as_chunks::<64>();
    let (mut total, mut carry) = (0u64, false);
    for block in blocks {
        (total, carry) = add(total, carry, block.as_chunks().0);
    }
    let (words, last) = rest.as_chunks::<8>();
    (total, carry) = add(total, carry, words);
    let mut end = [0; 8];
    end[..last.len()].copy_from_slice(last);
    (total, carry) = total.carrying_add(u64::from_ne_bytes(end), carry);
    // 2^64, 2^32 and 2^16 are all 1 modulo 2^16 - 1. The sum commutes with byte order (RFC 1071 section 2 (B)): swap
    // once, at the end.
    let (total, carry) = total.overflowing_add(u64::from(carry));
    u16::from_be(fold((total >> 32) + (total & 0xffff_ffff) + u64::from(carry)))
}

/// The sum of an IPv4 header without options, which every packet needs twice.
pub(super) fn header_sum(header: &[u8; 20]) -> u16 {
    let (words, _) = header.as_chunks::<4>();
    u16::from_be(fold(words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum()))
}

#[inline(always)]
fn add(mut total: u64, mut carry: bool, words: &[[u8; 8]]) -> (u64, bool) {
    for word in words {
        (total, carry) = total.carrying_add(u64::from_ne_bytes(*word), carry);
    }
    (total, carry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// RFC 1071, word by word.
    fn reference(bytes: &[u8]) -> u16 {
        fold(bytes.chunks(2).map(|w| u64::from(u16::from_be_bytes([w[0], *w.get(1).unwrap_or(&0)]))).sum())
    }

    proptest! {
        #[test]
        fn the_fast_sum_is_the_plain_one(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(sum(&bytes), reference(&bytes));
        }

        #[test]
        fn cutting_into_pieces_changes_nothing(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            cuts in proptest::collection::vec(0usize..300, 0..4),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut whole = Checksum::new(sum);
            let mut from = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                whole.bytes(&bytes[from..cut]);
                from = cut;
            }
            prop_assert_eq!(whole.folded(), reference(&bytes));
        }
    }

    #[test]
    fn a_headers_sum_is_the_plain_one() {
        let header = core::array::from_fn(|n| u8::try_from(n * 13).unwrap_or(7));
        assert_eq!(header_sum(&header), reference(&header));
        assert_eq!(header_sum(&[0xff; 20]), 0xffff);
    }

    #[test]
    fn folding_leaves_what_the_sum_is_modulo_ffff() {
        for sum in [0, 1, 0xffff, 0x1_0000, 0x1_ffff, 0xffff_ffff, 0x1_ffff_ffff, u64::MAX, u64::MAX - 1, 1 << 48] {
            assert_eq!(u64::from(fold(sum)) % 0xffff, sum % 0xffff, "{sum:x}");
            assert_eq!(fold(sum) == 0, sum == 0, "only nothing adds up to nothing");
        }
    }

    #[test]
    fn a_full_packet_of_ones_does_not_overflow() {
        assert_eq!(sum(&[0xff; 65535]), reference(&[0xff; 65535]));
    }
}
