//! From a flow to what stands for it: a keyed hash into many small tables.

use alloc::boxed::Box;
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
    Record,
}

impl Tag {
    pub(crate) fn new(stage: Stage, number: u32) -> Self {
        Self(number << 2 | stage as u32)
    }

    pub(crate) fn stage(self) -> Stage {
        match self.0 & 3 {
            0 => Stage::Opening,
            1 => Stage::Connection,
            _ => Stage::Record,
        }
    }

    pub(crate) fn number(self) -> u32 {
        self.0 >> 2
    }
}

/// 64 tables, so that no packet pays for the growth of a table with a million entries.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    tables: Box<[HashTable<Tag>]>,
}

const TABLES: usize = 64;
/// An empty table of this size keeps its memory.
const KEPT: usize = 14;

impl Index {
    pub(crate) fn new() -> Self {
        Self { tables: (0..TABLES).map(|_| HashTable::new()).collect::<Vec<_>>().into_boxed_slice() }
    }

    pub(crate) fn len(&self) -> usize {
        self.tables.iter().map(HashTable::len).sum()
    }

    fn table(&mut self, hash: u64) -> &mut HashTable<Tag> {
        &mut self.tables[hash as usize % TABLES]
    }

    /// What stands at `hash` and `is` the one meant.
    pub(crate) fn find(&self, hash: u64, is: impl Fn(Tag) -> bool) -> Option<Tag> {
        self.tables[hash as usize % TABLES].find(hash, |tag| is(*tag)).copied()
    }

    /// Enters what is not there yet; `rehash` says the hash of what is.
    pub(crate) fn insert(&mut self, hash: u64, tag: Tag, rehash: impl Fn(Tag) -> u64) {
        self.table(hash).insert_unique(hash, tag, |tag| rehash(*tag));
    }

    /// Puts `new` in the place of `old`: a change of life stage, without allocation.
    pub(crate) fn replace(&mut self, hash: u64, old: Tag, new: Tag) {
        if let Some(tag) = self.table(hash).find_mut(hash, |tag| *tag == old) {
            *tag = new;
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, old: Tag) {
        let table = self.table(hash);
        if let Ok(entry) = table.find_entry(hash, |tag| *tag == old) {
            entry.remove();
        }
        if table.is_empty() && table.capacity() > KEPT {
            *table = HashTable::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_keeps_its_parts() {
        for stage in [Stage::Opening, Stage::Connection, Stage::Record] {
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
}
