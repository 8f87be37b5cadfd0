//! What a stack must not forget when its process ends (RFC 9293 section 3.4.3; QT-1).
//!
//! ```text
//! "adieuNET\x01\0\0\0"  clock:8 (ns, the stack's)  wall:8 (ms since 1970)  keys:48
//! records:*             as `Stack::export_time_wait` writes them, with a checksum of their own
//! checksum:8            of all before
//! ```
//! Numbers are little-endian.

use std::fmt;
use std::hash::Hasher;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adieu_core::{CarryError, Imported, Instant, Secrets, Stack};
use siphasher::sip::SipHasher13;

const MAGIC: [u8; 12] = *b"adieuNET\x01\0\0\0";
const KEYS: usize = 48;
const HEAD: usize = MAGIC.len() + 16 + KEYS;
const TAIL: usize = 8;

/// What the next stack at the same addresses needs to go on where this one stops: the keys of initial sequence numbers,
/// timestamps and ports, the clocks both count with, and the records in TIME-WAIT. No connection.
///
/// It holds secrets: who reads them can foresee sequence numbers and forge SYN cookies. Keep it where only its owner
/// reads it (mode 0600), and resume from it once.
#[derive(Clone)]
pub struct Suspended {
    keys: [u8; KEYS],
    /// What the stack's clock said, and at what time since 1970.
    clock: Instant,
    wall: Duration,
    records: Vec<u8>,
}

/// Why bytes are no [`Suspended`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// It does not begin as such data does.
    #[error("this is no suspended stack of adieu, or one of another version")]
    NotSuspended,
    /// It ends too early.
    #[error("this suspended stack has been cut off: it is only {0} bytes long")]
    TooShort(usize),
    /// The checksum is wrong: something has changed it, or it was not written to its end.
    #[error("this suspended stack has been damaged or cut off: its checksum is wrong")]
    Checksum,
    /// Its records in TIME-WAIT are not as they should be.
    #[error(transparent)]
    Records(#[from] CarryError),
}

impl Suspended {
    /// All that `stack` must not forget, now.
    pub(crate) fn of(stack: &mut Stack, now: Instant) -> Self {
        let wall = wall();
        let records = stack.export_time_wait(now, wall);
        Self { keys: stack.secrets().to_bytes(), clock: now, wall, records }
    }

    /// As bytes, for a file that only its owner may read.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + self.records.len() + TAIL);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.clock.as_nanos().to_le_bytes());
        bytes.extend_from_slice(&millis(self.wall).to_le_bytes());
        bytes.extend_from_slice(&self.keys);
        bytes.extend_from_slice(&self.records);
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// From the bytes that [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// Where they are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ResumeError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(ResumeError::NotSuspended);
        }
        let short = ResumeError::TooShort(bytes.len());
        let (body, sum) = bytes.split_last_chunk::<TAIL>().ok_or(short)?;
        let head = body.get(MAGIC.len()..).ok_or(short)?;
        let (clock, rest) = head.split_first_chunk::<8>().ok_or(short)?;
        let (wall, rest) = rest.split_first_chunk::<8>().ok_or(short)?;
        let (keys, records) = rest.split_first_chunk::<KEYS>().ok_or(short)?;
        if checksum(body) != u64::from_le_bytes(*sum) {
            return Err(ResumeError::Checksum);
        }
        Ok(Self {
            keys: *keys,
            // A clock at its end would stand still.
            clock: Instant::from_nanos(u64::from_le_bytes(*clock).min(1 << 62)),
            wall: Duration::from_millis(u64::from_le_bytes(*wall)),
            records: records.to_vec(),
        })
    }

    pub(crate) fn secrets(&self) -> Secrets {
        Secrets::from_bytes(self.keys)
    }

    /// What the stack's clock says now: it went on with the wall clock, and never goes back.
    pub(crate) fn clock(&self, wall: Duration) -> Instant {
        self.clock + wall.saturating_sub(self.wall)
    }

    /// Hands the records over to a stack whose clock says `now`.
    pub(crate) fn restore(&self, stack: &mut Stack, now: Instant, wall: Duration) -> Result<Imported, ResumeError> {
        Ok(stack.import_time_wait(now, wall, &self.records)?)
    }
}

impl fmt::Debug for Suspended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Suspended(..)")
    }
}

/// The time since 1970: it outlives the process.
pub(crate) fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hash = SipHasher13::new();
    hash.write(bytes);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspended() -> Suspended {
        let config = adieu_core::Config::default();
        let mut stack = Stack::new(config, Secrets::from_bytes([7; 48]), adieu_core::wire::checksum::sum);
        Suspended::of(&mut stack, Instant::from_secs(5))
    }

    /// QT-1 a.
    #[test]
    fn qt_1_the_clock_goes_on_with_the_wall_clock_and_never_back() {
        let suspended = suspended();
        let at = |wall| suspended.clock(wall);
        assert_eq!(at(suspended.wall + Duration::from_secs(60)), Instant::from_secs(65));
        assert_eq!(at(suspended.wall - Duration::from_secs(60)), Instant::from_secs(5));
    }

    #[test]
    fn qt_1_bytes_are_what_was_suspended_or_an_error() {
        let bytes = suspended().to_bytes();
        let back = Suspended::from_bytes(&bytes).unwrap();
        assert_eq!((back.to_bytes(), back.keys), (bytes.clone(), [7; 48]));
        assert_eq!(format!("{back:?}"), "Suspended(..)");
        let error = |bytes: &[u8]| Suspended::from_bytes(bytes).unwrap_err();
        assert_eq!((error(b""), error(b"garbage")), (ResumeError::NotSuspended, ResumeError::NotSuspended));
        for length in MAGIC.len()..bytes.len() {
            let error = error(&bytes[..length]);
            assert!(matches!(error, ResumeError::TooShort(_) | ResumeError::Checksum), "{length}: {error}");
        }
        for at in MAGIC.len()..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(error(&changed), ResumeError::Checksum, "{at}");
        }
    }
}
