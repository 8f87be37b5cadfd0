//! A queue of bytes that keeps large pieces as they came and gathers small ones.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::ops::Range;

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

/// Pieces below this size are gathered in the open tail.
pub(crate) const SMALL: usize = 4 * 1024;
/// The open tail is sealed at this size.
const SEAL: usize = 64 * 1024;
/// The first tail's size.
const FIRST: usize = 512;

/// Positions count every byte that ever went through the queue. Empty, it holds no memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByteQueue {
    start: u64,
    chunks: VecDeque<Chunk>,
    tail: Vec<u8>,
    /// Bytes of the tail that are gone already.
    gone: usize,
}

#[derive(Clone, Debug)]
struct Chunk {
    end: u64,
    bytes: Bytes,
}

impl ByteQueue {
    /// Bytes in the queue.
    pub(crate) fn len(&self) -> u64 {
        self.end() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.tail.len() == self.gone
    }

    /// Position of the first byte in the queue.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Position after the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.sealed_end() + self.tail().len() as u64
    }

    /// What is in the open tail.
    fn tail(&self) -> &[u8] {
        &self.tail[self.gone..]
    }

    fn sealed_end(&self) -> u64 {
        self.chunks.back().map_or(self.start, |chunk| chunk.end)
    }

    /// Copies `bytes` in at the end. A full tail is sealed and followed by a larger one: nothing is copied twice.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.tail.capacity() - self.tail.len();
            if room == 0 {
                let larger = (2 * self.tail.len()).max(bytes.len()).clamp(FIRST, SEAL);
                self.seal();
                self.tail = Vec::with_capacity(larger);
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.tail.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Takes `bytes` over without a copy, unless they are few.
    pub(crate) fn push_chunk(&mut self, bytes: Bytes) {
        if bytes.len() < SMALL {
            return self.push(&bytes);
        }
        self.seal();
        let end = self.sealed_end() + bytes.len() as u64;
        self.chunks.push_back(Chunk { end, bytes });
    }

    fn seal(&mut self) {
        if self.tail.len() > self.gone {
            let end = self.end();
            let mut bytes = Bytes::from(core::mem::take(&mut self.tail));
            bytes.advance(core::mem::take(&mut self.gone));
            self.chunks.push_back(Chunk { end, bytes });
        }
    }

    /// Drops the first `n` bytes; all of them where there are fewer.
    pub(crate) fn consume(&mut self, n: u64) {
        let to = (self.start + n).min(self.end());
        while let Some(chunk) = self.chunks.front_mut() {
            if chunk.end > to {
                chunk.bytes.advance(usize_of(to - self.start));
                self.start = to;
                return;
            }
            self.start = chunk.end;
            self.chunks.pop_front();
        }
        self.gone += usize_of(to - self.start);
        self.start = to;
        if self.gone == self.tail.len() {
            self.release();
        }
    }

    fn release(&mut self) {
        if self.chunks.capacity() > 0 {
            self.chunks = VecDeque::new();
        }
        self.tail = Vec::new();
        self.gone = 0;
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.start = self.end();
        self.release();
    }

    /// Fills the front of `out`, takes what it filled out of the queue, and says how much.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> usize {
        let n = self.peek(out);
        self.consume(n as u64);
        n
    }

    /// Fills the front of `out` with what a read would take, and says how much.
    pub(crate) fn peek(&self, out: &mut [u8]) -> usize {
        let n = out.len().min(usize_of(self.len()));
        let mut done = 0;
        for chunk in &self.chunks {
            let part = chunk.bytes.len().min(n - done);
            out[done..done + part].copy_from_slice(&chunk.bytes[..part]);
            done += part;
            if done == n {
                break;
            }
        }
        out[done..n].copy_from_slice(&self.tail()[..n - done]);
        n
    }

    /// Takes up to `most` bytes from the front without a copy.
    pub(crate) fn read_chunk(&mut self, most: usize) -> Option<Bytes> {
        if self.chunks.is_empty() {
            self.seal();
        }
        let front = self.chunks.front()?;
        let chunk = front.bytes.slice(..front.bytes.len().min(most));
        self.consume(chunk.len() as u64);
        Some(chunk)
    }

    /// Shows `take` the bytes at `range`, piece by piece. The range must lie in the queue.
    pub(crate) fn look(&self, range: Range<u64>, mut take: impl FnMut(&[u8])) {
        let mut at = range.start;
        for chunk in self.chunks.range(self.chunk_at(at)..) {
            if at == range.end {
                return;
            }
            let from = chunk.bytes.len() - usize_of(chunk.end - at);
            let part = &chunk.bytes[from..];
            let part = &part[..part.len().min(usize_of(range.end - at))];
            take(part);
            at += part.len() as u64;
        }
        let tail_start = self.sealed_end();
        if at < range.end {
            take(&self.tail()[usize_of(at - tail_start)..usize_of(range.end - tail_start)]);
        }
    }

    /// The bytes at `range`, shared, in pieces. The range must lie in the queue. Seals the tail if it is reached.
    pub(crate) fn slices(&mut self, range: Range<u64>) -> SmallVec<[Bytes; 1]> {
        if range.end > self.sealed_end() {
            self.seal();
        }
        let mut pieces = SmallVec::new();
        let mut at = range.start;
        for chunk in self.chunks.range(self.chunk_at(at)..) {
            if at == range.end {
                break;
            }
            let from = chunk.bytes.len() - usize_of(chunk.end - at);
            let to = chunk.bytes.len() - usize_of(chunk.end.saturating_sub(range.end));
            pieces.push(chunk.bytes.slice(from..to));
            at = chunk.end.min(range.end);
        }
        pieces
    }

    fn chunk_at(&self, position: u64) -> usize {
        match self.chunks.front() {
            Some(first) if position < first.end => 0,
            _ => self.chunks.partition_point(|chunk| chunk.end <= position),
        }
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(|chunk| &chunk.bytes[..]).chain([self.tail()])
    }
}

/// A length in memory; queues are bounded far below `usize::MAX`.
pub(crate) fn usize_of(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Bytes count, not how they are cut.
impl PartialEq for ByteQueue {
    fn eq(&self, other: &Self) -> bool {
        self.start == other.start && self.end() == other.end() && self.pieces().flatten().eq(other.pieces().flatten())
    }
}

impl Eq for ByteQueue {}

impl Hash for ByteQueue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.start.hash(state);
        self.end().hash(state);
        for byte in self.pieces().flatten() {
            state.write_u8(*byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize),
        Chunk(usize),
        Consume(usize),
        Read(usize),
        ReadChunk(usize),
        Slices(usize, usize),
        Copy(usize, usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let n = 0usize..100_000;
        let step = prop_oneof![
            n.clone().prop_map(Step::Push),
            n.clone().prop_map(Step::Chunk),
            n.clone().prop_map(Step::Consume),
            n.clone().prop_map(Step::Read),
            n.clone().prop_map(Step::ReadChunk),
            (n.clone(), n.clone()).prop_map(|(a, b)| Step::Slices(a, b)),
            (n.clone(), n).prop_map(|(a, b)| Step::Copy(a, b)),
        ];
        proptest::collection::vec(step, 1..20)
    }

    fn data(from: u64, n: usize) -> Vec<u8> {
        (from..from + n as u64).map(|i| (i % 251) as u8).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn it_is_a_plain_queue_of_bytes(steps in steps()) {
            let mut queue = ByteQueue::default();
            let (mut from, mut to) = (0u64, 0u64);
            for step in steps {
                let len = usize_of(to - from);
                match step {
                    Step::Push(n) => { queue.push(&data(to, n)); to += n as u64; }
                    Step::Chunk(n) => { queue.push_chunk(data(to, n).into()); to += n as u64; }
                    Step::Consume(n) => { queue.consume(n as u64); from = (from + n as u64).min(to); }
                    Step::Read(n) => {
                        let mut out = std::vec![0; n];
                        let got = queue.read(&mut out);
                        prop_assert_eq!(got, n.min(len));
                        prop_assert!(out[..got] == data(from, got)[..]);
                        from += got as u64;
                    }
                    Step::ReadChunk(n) => {
                        if let Some(chunk) = queue.read_chunk(n) {
                            prop_assert!(chunk[..] == data(from, chunk.len())[..]);
                            from += chunk.len() as u64;
                        } else {
                            prop_assert_eq!(len, 0);
                        }
                    }
                    Step::Slices(a, b) | Step::Copy(a, b) => {
                        let (a, b) = (a.min(len) as u64, b.min(len) as u64);
                        let range = from + a.min(b)..from + a.max(b);
                        let want = data(range.start, usize_of(range.end - range.start));
                        let mut out = Vec::new();
                        if matches!(step, Step::Copy(..)) {
                            queue.look(range, |piece| out.extend_from_slice(piece));
                        } else {
                            queue.slices(range).iter().for_each(|piece| out.extend_from_slice(piece));
                        }
                        prop_assert!(out == want);
                    }
                }
                prop_assert_eq!((queue.start(), queue.end(), queue.len()), (from, to, to - from));
                prop_assert_eq!(queue.is_empty(), from == to);
            }
        }
    }

    #[test]
    fn equal_bytes_are_equal_however_they_came() {
        let (mut a, mut b) = (ByteQueue::default(), ByteQueue::default());
        a.push(&data(0, 10_000));
        b.push_chunk(data(0, 5_000).into());
        b.push(&data(5_000, 5_000));
        assert_eq!(a, b);
        b.push(&[0]);
        assert_ne!(a, b);
    }

    #[test]
    fn an_empty_queue_holds_no_memory() {
        let mut queue = ByteQueue::default();
        queue.push(&data(0, 100_000));
        queue.consume(100_000);
        assert_eq!((queue.tail.capacity(), queue.chunks.capacity()), (0, 0));
    }
}
