//! Data out of order: the pieces, the blocks they form, and which of them to report (RFC 2018 section 4, RFC 2883).

use alloc::collections::BTreeMap;
use core::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::seq::{Offset, Seq};
use crate::wire::{Blocks, Payload};

/// Pieces do not overlap; blocks are their unions and do not touch. Every step is logarithmic in what is held, and so
/// is what one segment costs, whatever is held (limit 3.18).
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Reassembly {
    pieces: BTreeMap<Offset, Bytes>,
    /// Of all pieces.
    bytes: u64,
    /// Blocks by their first number, with the number after their last.
    blocks: BTreeMap<Offset, Offset>,
    /// Numbers in the blocks that were reported last, the newest first.
    recent: SmallVec<[Offset; Blocks::MOST]>,
    /// What came again, to be reported once.
    duplicate: Option<(Offset, Offset)>,
}

impl Reassembly {
    /// Blocks that an acknowledgment would have to tell, at most.
    pub(crate) fn blocks_due(&self) -> usize {
        self.recent.len().min(self.blocks.len() + 1) + usize::from(self.duplicate.is_some())
    }

    /// Whether no data is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether there is nothing to hold and nothing to report to a peer that wants to know (`sack`).
    pub(crate) fn is_done(&self, sack: bool) -> bool {
        self.pieces.is_empty() && !(sack && self.duplicate.is_some())
    }

    /// Bytes held.
    pub(crate) fn held(&self) -> u64 {
        self.bytes
    }

    /// After the last octet that is here.
    pub(crate) fn end(&self) -> Option<Offset> {
        self.blocks.last_key_value().map(|(_, end)| *end)
    }

    /// Octets in `start..end` came again. The first such news waits until it is told.
    pub(crate) fn note_duplicate(&mut self, start: Offset, end: Offset) {
        if start < end {
            self.duplicate.get_or_insert((start, end));
        }
    }

    /// Keeps what is new of `payload` at `at`, in at most `limit` pieces: beyond that, the rightmost gives way,
    /// which is needed last (limit 3.18).
    pub(crate) fn insert(&mut self, mut at: Offset, mut payload: Payload<'_>, limit: usize) {
        let whole = at..at + payload.len() as u64;
        if let Some((start, end)) = self.blocks.range(..=at).next_back().map(|(start, end)| (*start, *end)) {
            let covered = end.since(at).min(payload.len() as u64);
            self.note_duplicate(at, at + covered);
            payload = payload.skip(usize::try_from(covered).unwrap_or(usize::MAX));
            at += covered;
            if payload.is_empty() {
                return self.report(start);
            }
        }
        while !payload.is_empty() && self.makes_room(at, limit) {
            let after = self.blocks.range(at..).next().map(|(start, end)| (*start, *end));
            let gap = after.map_or(u64::MAX, |(start, _)| start.since(at));
            let fits = payload.first(usize::try_from(gap).unwrap_or(usize::MAX));
            if !fits.is_empty() {
                self.pieces.insert(at, fits.share().unwrap_or_else(|| Bytes::copy_from_slice(&fits)));
                self.bytes += fits.len() as u64;
                self.join(at..at + fits.len() as u64);
            }
            let Some((start, end)) = after.filter(|(start, _)| *start < whole.end) else { break };
            self.note_duplicate(start, end.min(whole.end));
            payload = payload.skip(usize::try_from(end.since(at)).unwrap_or(usize::MAX));
            at = end;
        }
        if let Some(start) = self.block_at(whole.start) {
            self.report(start);
        }
    }

    /// Whether a piece at `at` may come, after the rightmost one has gone if there are `limit` pieces already.
    fn makes_room(&mut self, at: Offset, limit: usize) -> bool {
        if self.pieces.len() < limit {
            return true;
        }
        let last = self.pieces.last_key_value().map(|(start, _)| *start).filter(|start| *start > at);
        if let Some(last) = last {
            self.cut(last);
        }
        last.is_some()
    }

    /// A new piece becomes a block, or part of one.
    fn join(&mut self, new: Range<Offset>) {
        let before = self.blocks.range(..new.start).next_back().filter(|(_, end)| **end == new.start);
        let start = before.map_or(new.start, |(start, _)| *start);
        let end = self.blocks.remove(&new.end).unwrap_or(new.end);
        self.blocks.insert(start, end);
    }

    /// The block that holds `at`, by its first number.
    fn block_at(&self, at: Offset) -> Option<Offset> {
        self.blocks.range(..=at).next_back().filter(|(_, end)| **end > at).map(|(start, _)| *start)
    }

    /// The block that holds `at` is reported first from now on; a FIN that came alone is one itself.
    pub(crate) fn report(&mut self, at: Offset) {
        self.recent.retain(|known| *known != at);
        self.recent.truncate(Blocks::MOST - 1);
        self.recent.insert(0, at);
    }

    /// The next piece that begins at `next` or before it.
    pub(crate) fn take(&mut self, next: Offset) -> Option<(Offset, Bytes)> {
        let first = self.pieces.first_entry().filter(|first| *first.key() <= next)?;
        let (start, piece) = first.remove_entry();
        self.bytes -= piece.len() as u64;
        let after = start + piece.len() as u64;
        if let Some((block, end)) = self.blocks.pop_first() {
            debug_assert_eq!(block, start);
            if after < end {
                self.blocks.insert(after, end);
            }
        }
        Some((start, piece))
    }

    /// Forgets everything from `from` on.
    pub(crate) fn cut(&mut self, from: Offset) {
        let gone = self.pieces.split_off(&from);
        self.bytes -= gone.values().map(|piece| piece.len() as u64).sum::<u64>();
        if let Some(mut last) = self.pieces.last_entry() {
            let most = usize::try_from(from.since(*last.key())).unwrap_or(usize::MAX);
            self.bytes -= last.get().len().saturating_sub(most) as u64;
            last.get_mut().truncate(most);
        }
        self.blocks.split_off(&from);
        if let Some(mut last) = self.blocks.last_entry() {
            let end = (*last.get()).min(from);
            *last.get_mut() = end;
        }
    }

    /// The blocks of an acknowledgment of `next`, at most `most`: first what came twice, then the block of the segment
    /// that came last, then those reported before. A FIN that waits at `fin` is an octet like others (FB-3).
    pub(crate) fn blocks(&mut self, next: Offset, fin: Offset, most: usize, irs: Seq) -> Blocks {
        let mut blocks = Blocks::default();
        let mut add = |start: Offset, end: Offset| {
            let end = if end == fin { end + 1 } else { end };
            blocks.as_slice().len() < most && blocks.push(start.on_wire(irs), end.on_wire(irs))
        };

        let duplicate = self.duplicate.take();
        if let Some((start, end)) = duplicate {
            add(start, end);
        }
        // What finds no room now is told again when there is some.
        let mut known: SmallVec<[Offset; Blocks::MOST]> = SmallVec::new();
        for at in &self.recent {
            let block = self.blocks.range(..=*at).next_back().map(|(start, end)| (*start, *end));
            let (start, end) = match block.filter(|(_, end)| end > at || *end == fin) {
                Some(block) => block,
                None if *at == fin => (fin, fin),
                None => continue,
            };
            if start > next && !known.contains(&start) {
                known.push(start);
                add(start, end);
            }
        }
        self.recent = known;
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn told(reassembly: &mut Reassembly, most: usize) -> Vec<(u32, u32)> {
        let blocks = reassembly.blocks(Offset(0), Offset::NONE, most, Seq(0));
        blocks.as_slice().iter().map(|(start, end)| (start.0, end.0)).collect()
    }

    fn insert(reassembly: &mut Reassembly, at: u64, len: usize) {
        reassembly.insert(Offset(at), Payload::new(&vec![7; len]), 1024);
    }

    #[test]
    fn x_sack_the_newest_block_comes_first_and_joins_with_its_neighbours() {
        let mut all = Reassembly::default();
        insert(&mut all, 10, 10);
        insert(&mut all, 40, 10);
        assert_eq!(told(&mut all, 4), [(40, 50), (10, 20)]);
        insert(&mut all, 20, 5);
        assert_eq!(told(&mut all, 4), [(10, 25), (40, 50)]);
        insert(&mut all, 25, 15);
        assert_eq!(told(&mut all, 4), [(10, 50)]);
        for at in 6..12 {
            insert(&mut all, at * 10, 5);
        }
        assert_eq!(told(&mut all, 3), [(110, 115), (100, 105), (90, 95)]);
    }

    #[test]
    fn fb_3_a_fin_that_waits_is_part_of_a_block_or_one_itself() {
        let mut all = Reassembly::default();
        let fin = |all: &mut Reassembly| {
            let blocks = all.blocks(Offset(0), Offset(50), 4, Seq(0));
            blocks.as_slice().iter().map(|(start, end)| (start.0, end.0)).collect::<Vec<_>>()
        };
        insert(&mut all, 10, 10);
        all.report(Offset(50));
        assert_eq!(fin(&mut all), [(50, 51), (10, 20)]);
        insert(&mut all, 30, 5);
        assert_eq!(fin(&mut all), [(30, 35), (50, 51), (10, 20)]);
        insert(&mut all, 45, 5);
        assert_eq!(fin(&mut all), [(45, 51), (30, 35), (10, 20)]);
    }

    #[test]
    fn x_sack_what_came_twice_is_told_once_and_first() {
        let mut all = Reassembly::default();
        insert(&mut all, 10, 10);
        insert(&mut all, 30, 10);
        insert(&mut all, 15, 20);
        assert_eq!(told(&mut all, 4), [(15, 20), (10, 40)]);
        assert_eq!(told(&mut all, 4), [(10, 40)]);
        insert(&mut all, 12, 3);
        assert_eq!(told(&mut all, 4), [(12, 15), (10, 40)]);
    }

    #[test]
    fn s31_pieces_and_blocks_agree_whatever_comes() {
        let mut random = 12_345u64;
        for _ in 0..200 {
            let mut all = Reassembly::default();
            let mut here = [false; 300];
            for _ in 0..40 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (at, len) = ((random >> 33) % 250, (random >> 50) % 40 + 1);
                insert(&mut all, at, usize::try_from(len).unwrap());
                (at..at + len).for_each(|place| here[usize::try_from(place).unwrap()] = true);
                if random >> 60 == 3 {
                    all.cut(Offset(200));
                    here[200..].fill(false);
                }
                let blocks: Vec<_> = all.blocks.iter().map(|(start, end)| (start.0, end.0)).collect();
                assert_eq!(blocks, runs(&here));
                assert_eq!(all.held(), here.iter().filter(|here| **here).count() as u64);
            }
            let mut next = Offset(0);
            while let Some(start) = all.pieces.keys().next().copied() {
                next = next.max(start);
                let (at, piece) = all.take(next).unwrap();
                next = at + piece.len() as u64;
            }
            assert!(all.blocks.is_empty());
        }
    }

    fn runs(here: &[bool]) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (at, _) in here.iter().enumerate().filter(|(_, here)| **here) {
            let at = at as u64;
            match runs.last_mut() {
                Some((_, end)) if *end == at => *end += 1,
                _ => runs.push((at, at + 1)),
            }
        }
        runs
    }
}
