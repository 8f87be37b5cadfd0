//! TIME-WAIT carried over a restart: what the next process must know to go on answering old FINs (QT-1).
//!
//! ```text
//! "adieuTW\x01"  count:4  exported:8 (ms since 1970)  clock:4 (ms, the stack's)
//! then each:     family:1 (4 or 6)  facts:1  addresses and ports:12 or 36 (ours first, as on the wire)
//!                send.next:4  recv.next:4  window:2  recent:4  offset:4  age:4  left:4 (ms)
//! last:          checksum:8 of all before
//! ```
//! Numbers are little-endian.

use alloc::vec::Vec;
use core::fmt;
use core::hash::Hasher;
use core::net::IpAddr;

use siphasher::sip::SipHasher13;

use super::index::{Stage, Tag};
use super::{Flow, Stack};
use crate::seq::Seq;
use crate::time::{Duration, Instant};
use crate::time_wait::{Legacy, TimeWait};

/// What became of records from another stack.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Imported {
    /// They wait here now.
    pub taken: usize,
    /// Their time was over.
    pub expired: usize,
    /// They are of no use here: their address is none of ours, something has their flow, or there is no room.
    pub refused: usize,
}

/// Why records from another stack cannot be read. Nothing was taken then.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CarryError {
    /// It does not begin as such data does: it is something else, or of another version.
    NotRecords,
    /// It ends too early, or goes on too long.
    Length {
        /// Bytes there should be, as far as one can tell.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// The checksum is wrong: something has changed it.
    Checksum,
    /// A record says what cannot be.
    Record(usize),
}

impl fmt::Display for CarryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRecords => f.write_str("these are no TIME-WAIT records of adieu, or of another version"),
            Self::Length { expected, found } => {
                write!(f, "the TIME-WAIT records are {found} bytes long instead of {expected}")
            }
            Self::Checksum => f.write_str("the TIME-WAIT records have been damaged: their checksum is wrong"),
            Self::Record(number) => write!(f, "TIME-WAIT record {number} says what cannot be"),
        }
    }
}

impl core::error::Error for CarryError {}

const MAGIC: [u8; 8] = *b"adieuTW\x01";
const HEAD: usize = 24;
const TAIL: usize = 8;
/// Octets of a record behind its family, facts, addresses and ports.
const REST: usize = 30;
/// No record gets older than this, and none has longer to wait: four times the longest.
const LONGEST: u32 = 4 * 240_000 + 1;

/// A record as it travels.
pub(crate) struct Parted {
    pub(crate) legacy: Legacy,
    /// It was the long wait; we had opened the connection.
    pub(crate) long: bool,
    pub(crate) active: bool,
    /// Since when it waits, and for how long it still does, in milliseconds.
    pub(crate) age: u32,
    pub(crate) left: u32,
}

impl Stack {
    /// All records in TIME-WAIT, for [`import_time_wait`](Self::import_time_wait) of the process that comes next.
    /// `wall` is the time since 1970: it outlives the process, as the stack's own clock need not.
    pub fn export_time_wait(&mut self, now: Instant, wall: Duration) -> Vec<u8> {
        self.advance(now);
        let mut out = Vec::from(MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&u64::try_from(wall.as_millis()).unwrap_or(u64::MAX).to_le_bytes());
        out.extend_from_slice(&self.now.as_wrapping_millis().to_le_bytes());
        let mut count = 0u32;
        for (_, flow, record) in self.waits.iter().filter(|(_, _, record)| record.wait().is_time_wait()) {
            let parted = record.part(self.now);
            if parted.left > 0 {
                write(&flow, &parted, &mut out);
                count += 1;
            }
        }
        out[8..12].copy_from_slice(&count.to_le_bytes());
        let sum = checksum(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// Takes records over that another stack has [exported](Self::export_time_wait): old FINs are answered, old
    /// connections keep their numbers apart from new ones, and each record ends when it would have. A clock that went
    /// backwards only makes them stay longer. Meant for the beginning of a stack, before it connects or listens.
    ///
    /// # Errors
    /// Where `bytes` are not what was exported; then nothing is taken.
    pub fn import_time_wait(&mut self, now: Instant, wall: Duration, bytes: &[u8]) -> Result<Imported, CarryError> {
        self.advance(now);
        let Export { records, exported, clock } = read(bytes)?;
        let wall = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        let elapsed = u32::try_from(wall.saturating_sub(exported)).unwrap_or(u32::MAX);
        let mut imported = Imported::default();
        let mut new = Vec::new();
        for (flow, mut parted) in records {
            if parted.left <= elapsed {
                imported.expired += 1;
                continue;
            }
            // Our clock goes on where the old one would be: the same timestamps, whatever either counts from.
            let ahead = clock.wrapping_add(elapsed).wrapping_sub(self.now.as_wrapping_millis());
            parted.legacy.stamps = parted.legacy.stamps.map(|(recent, offset)| (recent, offset.wrapping_add(ahead)));
            parted.left -= elapsed;
            parted.age = parted.age.saturating_add(elapsed);
            let room = self.waits.bytes() + new.len() * 80 < self.config.time_wait_budget;
            let ports = flow.local_port > 0 && flow.remote_port > 0;
            let possible = ports && self.is_for_us(flow.remote_address, flow.local_address);
            if room && possible && self.find(&flow).is_none() {
                new.push((flow, TimeWait::arrived(&parted, self.now)));
            } else {
                imported.refused += 1;
            }
        }
        new.sort_by_key(|(flow, _)| *flow);
        let all = new.len();
        new.dedup_by_key(|(flow, _)| *flow);
        imported.refused += all - new.len();
        imported.taken = new.len();
        for number in self.waits.import(new.into_iter(), self.now) {
            let Some(flow) = self.waits.flow(number) else { continue };
            if self.waits.get(number).is_some_and(TimeWait::is_active) {
                self.enter_usage(&flow);
            }
            self.enter_index(self.secrets.index_hash(&flow), Tag::new(Stage::Record, number));
        }
        Ok(imported)
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hash = SipHasher13::new();
    hash.write(bytes);
    hash.finish()
}

const STAMPED: u8 = 1;
const LONG: u8 = 2;
const ACTIVE: u8 = 4;

fn write(flow: &Flow, parted: &Parted, out: &mut Vec<u8>) {
    let legacy = &parted.legacy;
    let (recent, offset) = legacy.stamps.unwrap_or_default();
    let fact = |fact: u8, holds: bool| if holds { fact } else { 0 };
    let facts = fact(STAMPED, legacy.stamps.is_some()) | fact(LONG, parted.long) | fact(ACTIVE, parted.active);
    out.extend_from_slice(&[if flow.local_address.is_ipv4() { 4 } else { 6 }, facts]);
    for address in [flow.local_address, flow.remote_address] {
        match address {
            IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
            IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
        }
    }
    for port in [flow.local_port, flow.remote_port] {
        out.extend_from_slice(&port.to_be_bytes());
    }
    out.extend_from_slice(&legacy.send_next.0.to_le_bytes());
    out.extend_from_slice(&legacy.recv_next.0.to_le_bytes());
    out.extend_from_slice(&legacy.window.to_le_bytes());
    for number in [recent, offset, parted.age, parted.left] {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// Bytes that are taken one field after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn word(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn address(&mut self, v4: bool) -> Option<IpAddr> {
        if v4 { self.take::<4>().map(IpAddr::from) } else { self.take::<16>().map(IpAddr::from) }
    }

    fn record(&mut self) -> Option<(Flow, Parted)> {
        let [family, facts] = self.take()?;
        let v4 = family == 4;
        let (local_address, remote_address) = (self.address(v4)?, self.address(v4)?);
        let (local_port, remote_port) = (u16::from_be_bytes(self.take()?), u16::from_be_bytes(self.take()?));
        let (send_next, recv_next) = (Seq(self.word()?), Seq(self.word()?));
        let window = u16::from_le_bytes(self.take()?);
        let (recent, offset, age, left) = (self.word()?, self.word()?, self.word()?, self.word()?);
        let sound = (v4 || family == 6) && facts <= STAMPED | LONG | ACTIVE && left <= LONGEST && age <= LONGEST;
        let stamps = (facts & STAMPED != 0).then_some((recent, offset));
        let legacy = Legacy { send_next, recv_next, window, stamps };
        let parted = Parted { legacy, long: facts & LONG != 0, active: facts & ACTIVE != 0, age, left };
        sound.then_some((Flow { local_address, remote_address, local_port, remote_port }, parted))
    }
}

/// Everything that was exported.
struct Export {
    records: Vec<(Flow, Parted)>,
    /// Milliseconds since 1970.
    exported: u64,
    /// What the stack's clock said then.
    clock: u32,
}

/// Everything, or nothing.
fn read(bytes: &[u8]) -> Result<Export, CarryError> {
    let found = bytes.len();
    if !bytes.starts_with(&MAGIC) {
        return Err(CarryError::NotRecords);
    }
    let short = CarryError::Length { expected: HEAD + TAIL, found };
    let (body, sum) = bytes.split_last_chunk::<TAIL>().ok_or(short)?;
    let mut fields = Fields(body.get(MAGIC.len()..).ok_or(short)?);
    let (count, exported) = (fields.word().ok_or(short)?, fields.take().map(u64::from_le_bytes).ok_or(short)?);
    let clock = fields.word().ok_or(short)?;
    if checksum(body) != u64::from_le_bytes(*sum) {
        // Whoever cut it off wants to know that rather than that the sum is wrong.
        let least = (count as usize).saturating_mul(14 + REST).saturating_add(HEAD + TAIL);
        let cut = CarryError::Length { expected: least, found };
        return Err(if found < least { cut } else { CarryError::Checksum });
    }
    let mut records = Vec::new();
    for number in 0..count as usize {
        records.push(fields.record().ok_or(CarryError::Record(number))?);
    }
    match fields.0.len() {
        0 => Ok(Export { records, exported, clock }),
        more => Err(CarryError::Length { expected: found - more, found }),
    }
}
