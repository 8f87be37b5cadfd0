//! From a flow to what stands for it: a keyed hash into many small tables.

use alloc::vec::Vec;

use hashbrown::HashTable;

/// What a flow is, and in which place of its slab: two bits of kind, the rest a number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Tag(u32);

/// The life stage a [`Tag`] points at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    Opening,
    Connection,
    /// TIME-WAIT or quarantine.
    Record,
    /// FIN-WAIT-2 without an owner.
    Abandoned,
}

impl Tag {
    pub(crate) fn new(stage: Stage, number: u32) -> Self {
        Self(number << 2 | stage as u32)
    }

    pub(crate) fn stage(self) -> Stage {
        match self.0 & 3 {
            0 => Stage::Opening,
            1 => Stage::Connection,
            2 => Stage::Record,
            _ => Stage::Abandoned,
        }
    }

    pub(crate) fn number(self) -> u32 {
        self.0 >> 2
    }
}

/// Linear hashing: as many tables as there are entries for, so that no packet pays for the growth of a large one. When
/// they are full on average, one more takes its share of one that is there: the next in turn, not the fullest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    tables: Vec<HashTable<Tag>>,
    len: usize,
}

/// Entries for each table, on average. One that is to be split next has twice as many, which just fit into 1,024
/// places.
const FULL: usize = 420;
/// An empty table of this size keeps its memory.
const KEPT: usize = 14;

impl Index {
    pub(crate) fn new() -> Self {
        Self { tables: Vec::from([HashTable::new()]), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Which table it is; by other bits of the hash than the tables look at, the lowest and the highest.
    fn at(&self, hash: u64) -> usize {
        let bits = (hash >> 32) as usize;
        let all = self.tables.len().next_power_of_two();
        let at = bits & (all - 1);
        // Where there is no such table yet, the one it will be split from has its share.
        if at < self.tables.len() { at } else { at - all / 2 }
    }

    /// What stands at `hash` and `is` the one meant.
    pub(crate) fn find(&self, hash: u64, is: impl Fn(Tag) -> bool) -> Option<Tag> {
        self.tables[self.at(hash)].find(hash, |tag| is(*tag)).copied()
    }

    /// Enters what is not there yet; `rehash` says the hash of what is.
    pub(crate) fn insert(&mut self, hash: u64, tag: Tag, rehash: impl Fn(Tag) -> u64) {
        if self.len >= FULL * self.tables.len() {
            self.split(&rehash);
        }
        self.put(hash, tag, &rehash);
        self.len += 1;
    }

    fn put(&mut self, hash: u64, tag: Tag, rehash: &impl Fn(Tag) -> u64) {
        let at = self.at(hash);
        self.tables[at].insert_unique(hash, tag, |tag| rehash(*tag));
    }

    fn split(&mut self, rehash: &impl Fn(Tag) -> u64) {
        let new = self.tables.len();
        self.tables.push(HashTable::new());
        let old = new - self.tables.len().next_power_of_two() / 2;
        let both = core::mem::take(&mut self.tables[old]);
        for table in [old, new] {
            self.tables[table].reserve(both.len() / 2, |_| 0);
        }
        for tag in both {
            self.put(rehash(tag), tag, rehash);
        }
    }

    /// Puts `new` in the place of `old`: a change of life stage, without allocation.
    pub(crate) fn replace(&mut self, hash: u64, old: Tag, new: Tag) {
        let at = self.at(hash);
        if let Some(tag) = self.tables[at].find_mut(hash, |tag| *tag == old) {
            *tag = new;
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, old: Tag) {
        let at = self.at(hash);
        let table = &mut self.tables[at];
        if let Ok(entry) = table.find_entry(hash, |tag| *tag == old) {
            entry.remove();
            self.len -= 1;
        }
        if table.is_empty() && table.capacity() > KEPT {
            *table = HashTable::new();
        }
        if self.len == 0 && self.tables.len() > 1 {
            *self = Self::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_keeps_its_parts() {
        for stage in [Stage::Opening, Stage::Connection, Stage::Record, Stage::Abandoned] {
            let tag = Tag::new(stage, (1 << 29) - 1);
            assert_eq!((tag.stage(), tag.number()), (stage, (1 << 29) - 1));
        }
    }

    #[test]
    fn entries_with_one_hash_are_told_apart() {
        let mut index = Index::new();
        let tags = [Tag::new(Stage::Opening, 1), Tag::new(Stage::Record, 1)];
        for tag in tags {
            index.insert(7, tag, |_| 7);
        }
        assert_eq!(index.find(7, |tag| tag == tags[1]), Some(tags[1]));
        let new = Tag::new(Stage::Connection, 9);
        index.replace(7, tags[0], new);
        index.remove(7, tags[1]);
        assert_eq!(
            (index.find(7, |tag| tag == tags[1]), index.find(7, |tag| tag == new), index.len()),
            (None, Some(new), 1)
        );
    }
    #[test]
    fn every_entry_is_found_while_tables_split_and_memory_comes_back() {
        let hash = |tag: Tag| u64::from(tag.number()).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        let tags: Vec<Tag> = (0..20_000).map(|n| Tag::new(Stage::Record, n)).collect();
        let mut index = Index::new();
        for (n, tag) in tags.iter().enumerate() {
            index.insert(hash(*tag), *tag, hash);
            let some = tags[n / 2];
            assert_eq!((index.find(hash(some), |found| found == some), index.len()), (Some(some), n + 1));
        }
        assert!(tags.iter().all(|tag| index.find(hash(*tag), |found| found == *tag) == Some(*tag)));
        let fullest = index.tables.iter().map(HashTable::len).max().unwrap();
        assert!(index.tables.len() == 20_000usize.div_ceil(FULL) && fullest < 3 * FULL, "{fullest}");
        for tag in tags {
            index.remove(hash(tag), tag);
            assert_eq!(index.find(hash(tag), |found| found == tag), None);
        }
        assert_eq!((index.len(), index.tables.len(), index.tables[0].capacity()), (0, 1, 0));
    }
}
