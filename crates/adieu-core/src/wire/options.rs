//! TCP options: read in one walk, written in the order and with the padding that common stacks use.

use crate::seq::Seq;
use crate::time::Duration;

/// The options we understand; all others are skipped (MUST-6). Of an option that comes twice the last one counts.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Options {
    /// Maximum segment size; counts only on a SYN (MUST-65).
    pub mss: Option<u16>,
    /// Window scale, as it came; counts only on a SYN (RFC 7323 section 2.2).
    pub window_shift: Option<u8>,
    /// Selective acknowledgments are welcome; counts only on a SYN (RFC 2018 section 2).
    pub sack_permitted: bool,
    /// Timestamps (RFC 7323 section 3.2).
    pub timestamps: Option<Timestamps>,
    /// The sender's user timeout, as the option has it: the highest bit says minutes (RFC 5482 section 2).
    pub user_timeout: Option<u16>,
    /// Selective acknowledgments (RFC 2018 section 3).
    pub sack: Blocks,
}

/// TSval and TSecr.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Timestamps {
    /// The sender's clock.
    pub value: u32,
    /// The last of the receiver's that the sender has seen; counts only with an acknowledgment.
    pub echo: u32,
}

/// Up to four blocks of numbers, each from its first to the one after its last.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Blocks {
    blocks: [(Seq, Seq); Self::MOST],
    len: u8,
}

impl Blocks {
    /// As many as fit into a header (RFC 2018 section 3).
    pub const MOST: usize = 4;

    /// Adds a block, if there is room; whether there was.
    pub fn push(&mut self, start: Seq, end: Seq) -> bool {
        let Some(place) = self.blocks.get_mut(usize::from(self.len)) else { return false };
        *place = (start, end);
        self.len += 1;
        true
    }

    /// The blocks in their order.
    pub fn as_slice(&self) -> &[(Seq, Seq)] {
        &self.blocks[..usize::from(self.len)]
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes these blocks take in a header, padding included.
    pub fn size(&self) -> usize {
        if self.is_empty() { 0 } else { 4 + 8 * usize::from(self.len) }
    }
}

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;
const USER_TIMEOUT: u8 = 28;

/// Bytes of a timestamps option with its padding.
pub const TIMESTAMPS_SIZE: usize = 12;

impl Options {
    /// Walks the option list once. Bounded by its length; a length that is illegal or runs past the header is an error.
    /// An option of a kind we know with a length that is not that kind's is skipped, as an unknown one.
    pub fn parse(mut rest: &[u8]) -> Option<Self> {
        let mut options = Self::default();
        if let [NOP, NOP, TIMESTAMPS, 10, v0, v1, v2, v3, e0, e1, e2, e3] = *rest {
            // What nearly every segment carries.
            let (value, echo) = (u32::from_be_bytes([v0, v1, v2, v3]), u32::from_be_bytes([e0, e1, e2, e3]));
            options.timestamps = Some(Timestamps { value, echo });
            return Some(options);
        }
        while let Some((&kind, after)) = rest.split_first() {
            match kind {
                END => break,
                NOP => rest = after,
                _ => {
                    let length = usize::from(*after.first()?);
                    options.read(kind, rest.get(2..length)?);
                    rest = &rest[length..];
                }
            }
        }
        Some(options)
    }

    fn read(&mut self, kind: u8, body: &[u8]) {
        match (kind, body) {
            (MSS, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            (WINDOW_SCALE, &[shift]) => self.window_shift = Some(shift),
            (SACK_PERMITTED, &[]) => self.sack_permitted = true,
            (SACK, blocks) if blocks.len().is_multiple_of(8) => {
                for block in blocks.as_chunks::<8>().0 {
                    self.sack.push(Seq(word(block, 0)), Seq(word(block, 4)));
                }
            }
            (TIMESTAMPS, body) => {
                if let Some(body) = body.as_array::<8>() {
                    self.timestamps = Some(Timestamps { value: word(body, 0), echo: word(body, 4) });
                }
            }
            (USER_TIMEOUT, &[high, low]) => self.user_timeout = Some(u16::from_be_bytes([high, low])),
            _ => {}
        }
    }

    /// What nearly every segment carries.
    fn only_timestamps(&self) -> Option<Timestamps> {
        let others = self.mss.is_some()
            || self.window_shift.is_some()
            || self.sack_permitted
            || self.user_timeout.is_some()
            || !self.sack.is_empty();
        self.timestamps.filter(|_| !others)
    }

    /// Bytes the options take in a header: a multiple of four.
    pub fn size(&self) -> usize {
        if self.only_timestamps().is_some() {
            return TIMESTAMPS_SIZE;
        }
        let mut size = self.sack.size();
        size += if self.timestamps.is_some() { TIMESTAMPS_SIZE } else { 0 };
        size += if self.mss.is_some() { 4 } else { 0 };
        size += if self.window_shift.is_some() { 4 } else { 0 };
        size += if self.user_timeout.is_some() { 4 } else { 0 };
        // With timestamps it takes the place of their padding.
        size + if self.sack_permitted && self.timestamps.is_none() { 4 } else { 0 }
    }

    /// Fills `out`, of [`Options::size`] bytes.
    pub fn emit(&self, out: &mut [u8]) {
        if let Some((Timestamps { value, echo }, out)) =
            self.only_timestamps().zip(out.as_mut_array::<TIMESTAMPS_SIZE>())
        {
            let (v, e) = (value.to_be_bytes(), echo.to_be_bytes());
            *out = [NOP, NOP, TIMESTAMPS, 10, v[0], v[1], v[2], v[3], e[0], e[1], e[2], e[3]];
            return;
        }
        let mut out = Writer(out);
        if let Some(mss) = self.mss {
            out.put(&[MSS, 4]);
            out.put(&mss.to_be_bytes());
        }
        let padding = if self.sack_permitted { [SACK_PERMITTED, 2] } else { [NOP, NOP] };
        if let Some(timestamps) = self.timestamps {
            out.put(&padding);
            out.put(&[TIMESTAMPS, 10]);
            out.put(&timestamps.value.to_be_bytes());
            out.put(&timestamps.echo.to_be_bytes());
        } else if self.sack_permitted {
            out.put(&[NOP, NOP, SACK_PERMITTED, 2]);
        }
        if let Some(shift) = self.window_shift {
            out.put(&[NOP, WINDOW_SCALE, 3, shift]);
        }
        if let Some(timeout) = self.user_timeout {
            out.put(&[USER_TIMEOUT, 4]);
            out.put(&timeout.to_be_bytes());
        }
        if !self.sack.is_empty() {
            out.put(&[NOP, NOP, SACK, 2 + 8 * self.sack.len]);
            for (start, end) in self.sack.as_slice() {
                out.put(&start.0.to_be_bytes());
                out.put(&end.0.to_be_bytes());
            }
        }
    }
}

/// A user timeout as the option says it: seconds, or with the highest bit minutes (RFC 5482 section 2); never 0.
pub(crate) fn user_timeout_field(timeout: Duration) -> u16 {
    let seconds = timeout.as_secs().max(1);
    match u16::try_from(seconds).ok().filter(|seconds| *seconds < MINUTES) {
        Some(seconds) => seconds,
        None => MINUTES | u16::try_from(seconds.div_ceil(60)).unwrap_or(u16::MAX).min(MINUTES - 1),
    }
}

/// What the option says; `None` where it says nothing (0).
pub(crate) fn user_timeout_of(field: u16) -> Option<Duration> {
    let value = u64::from(field & !MINUTES);
    let seconds = if field & MINUTES == 0 { value } else { value * 60 };
    (value > 0).then(|| Duration::from_secs(seconds))
}

/// The bit of a user timeout that says minutes.
const MINUTES: u16 = 1 << 15;

fn word(bytes: &[u8; 8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Writes from the front; what does not fit is left out.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let rest = core::mem::take(&mut self.0);
        if let Some((place, rest)) = rest.split_at_mut_checked(bytes.len()) {
            place.copy_from_slice(bytes);
            self.0 = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn all() -> Options {
        let mut sack = Blocks::default();
        assert!(sack.push(Seq(10), Seq(20)) && sack.push(Seq(u32::MAX), Seq(5)));
        Options {
            mss: Some(1460),
            window_shift: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 0x0102_0304, echo: 9 }),
            user_timeout: Some(0x8005),
            sack,
        }
    }

    #[test]
    fn m4_m64_what_is_written_is_read() {
        let stamps = all().timestamps;
        let variants = [
            Options::default(),
            Options { timestamps: stamps, ..Options::default() },
            Options { sack_permitted: true, mss: Some(9), ..Options::default() },
            Options { sack: all().sack, ..Options::default() },
            Options { user_timeout: Some(300), ..Options::default() },
            Options { window_shift: Some(14), mss: Some(1), timestamps: stamps, ..Options::default() },
        ];
        for options in variants {
            let mut bytes = vec![0xff; options.size()];
            options.emit(&mut bytes);
            assert_eq!(bytes.len() % 4, 0);
            assert_eq!(Options::parse(&bytes), Some(options), "{bytes:?}");
            // MUST-64: nothing needs to be aligned.
            let shifted = [vec![NOP], bytes].concat();
            assert_eq!(Options::parse(&shifted), Some(options));
        }
    }

    #[test]
    fn x_ts_golden_bytes_of_a_syn() {
        let syn = Options { user_timeout: None, sack: Blocks::default(), ..all() };
        let mut bytes = [0; 20];
        assert_eq!(syn.size(), 20);
        syn.emit(&mut bytes);
        assert_eq!(bytes, [2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 9, 1, 3, 3, 7]);
    }

    #[test]
    fn x_uto_seconds_then_minutes_and_never_nothing() {
        for (seconds, said) in [(0, 1), (1, 1), (32_767, 32_767), (32_768, 547 * 60), (u64::MAX, 32_767 * 60)] {
            let field = user_timeout_field(Duration::from_secs(seconds));
            assert_eq!(user_timeout_of(field), Some(Duration::from_secs(said)), "{seconds}");
        }
        assert_eq!([user_timeout_of(0), user_timeout_of(MINUTES)], [None, None]);
    }

    #[test]
    fn m7_m68_no_length_makes_it_read_beyond_the_header() {
        for kind in 2..=255 {
            for length in 0..=12u8 {
                let option = [vec![kind, length], vec![7; 10]].concat();
                for cut in 0..=option.len() {
                    let read = Options::parse(&option[..cut]);
                    assert_eq!(read.is_some(), cut == 0 || legal(&option[..cut]), "{option:?} {cut}");
                }
            }
        }
    }

    /// Walks as slowly as it can be said: kinds 0 and 1 are one byte, all others as long as they say, at least 2.
    fn legal(mut rest: &[u8]) -> bool {
        loop {
            match rest {
                [] | [0, ..] => return true,
                [1, after @ ..] => rest = after,
                [_, length, ..] if *length >= 2 && rest.len() >= usize::from(*length) => {
                    rest = &rest[usize::from(*length)..];
                }
                _ => return false,
            }
        }
    }

    #[test]
    fn m6_known_kinds_of_another_length_are_unknown() {
        for (kind, right) in [(MSS, 4), (WINDOW_SCALE, 3), (SACK_PERMITTED, 2), (TIMESTAMPS, 10), (USER_TIMEOUT, 4)] {
            for length in (2..=20u8).filter(|length| *length != right) {
                let option = [vec![kind, length], vec![1; usize::from(length) - 2]].concat();
                assert_eq!(Options::parse(&option), Some(Options::default()), "{kind} {length}");
            }
        }
        let five = [vec![SACK, 42], vec![1; 40]].concat();
        assert_eq!(Options::parse(&five).map(|options| options.sack.as_slice().len()), Some(4));
    }
}
