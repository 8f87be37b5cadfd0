//! Numbered places for things, in chunks, so that growing never moves what is there, and memory goes back chunk by
//! chunk as things go.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Places are reused; numbers below [`Slab::LIMIT`].
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// Chunks with a free place.
    open: Vec<u32>,
    /// The memory of chunks that got empty, or that are kept for who has reserved a place.
    spare: Vec<Places<T>>,
    /// Chunks' worth of memory, spare ones included.
    memory: usize,
    len: usize,
    reserved: usize,
}

type Places<T> = Box<[Option<T>]>;

/// Places next to each other. An empty chunk has no memory, and a copy only what it needs.
#[derive(Debug)]
struct Chunk<T> {
    places: Places<T>,
    /// A bit for each free place.
    free: u64,
}

const CHUNK: usize = 64;
/// All places of a chunk are free.
const EMPTY: u64 = u64::MAX;

impl<T> Slab<T> {
    /// Numbers stay below this.
    pub(crate) const LIMIT: usize = 1 << 29;

    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), open: Vec::new(), spare: Vec::new(), memory: 0, len: 0, reserved: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts `value` in a free place; `None` where there is none.
    pub(crate) fn insert(&mut self, value: T) -> Option<u32> {
        let at = self.open.last().copied().map_or_else(|| self.grow(), Some)?;
        let chunk = self.chunks.get_mut(at as usize)?;
        if chunk.free == EMPTY {
            chunk.places = self.spare.pop().unwrap_or_else(|| {
                self.memory += 1;
                empty()
            });
        }
        let place = chunk.free.trailing_zeros();
        if place as usize >= chunk.places.len() {
            chunk.complete();
        }
        *chunk.places.get_mut(place as usize)? = Some(value);
        chunk.free &= !(1 << place);
        if chunk.free == 0 {
            self.open.pop();
        }
        self.len += 1;
        self.keep_room();
        Some(at * CHUNK as u32 + place)
    }

    /// Keeps a place free: as many later [`insert`](Self::insert)s as there are reservations need no memory.
    pub(crate) fn reserve(&mut self) {
        self.reserved += 1;
        self.keep_room();
    }

    /// Gives a reservation back: the place is there for an insert that follows; what is there for nobody goes with
    /// [`give_back`](Self::give_back).
    pub(crate) fn unreserve(&mut self) {
        self.reserved = self.reserved.saturating_sub(1);
    }

    fn keep_room(&mut self) {
        if self.memory * CHUNK - self.len < self.reserved {
            self.memory += 1;
            self.spare.push(empty());
        }
        // So that a chunk can be added, or named as one with a free place.
        let most = self.chunks.len() + self.spare.len();
        if self.reserved > 0 && self.open.capacity() < most {
            self.chunks.reserve(self.spare.len());
            self.open.reserve(most - self.open.len());
        }
    }

    /// Memory that nobody needs goes back, but for a little that the next one would ask for again.
    pub(crate) fn give_back(&mut self) {
        while self.spare.len() > 1 && (self.memory - 1) * CHUNK - self.len >= self.reserved {
            self.spare.pop();
            self.memory -= 1;
        }
        if self.len == 0 && self.reserved == 0 && self.chunks.len() > 1 {
            *self = Self::new();
        }
    }

    fn grow(&mut self) -> Option<u32> {
        let at = u32::try_from(self.chunks.len()).ok().filter(|_| self.chunks.len() < Self::LIMIT / CHUNK)?;
        self.chunks.push(Chunk { places: Box::default(), free: EMPTY });
        self.open.push(at);
        Some(at)
    }

    fn place(&mut self, number: u32) -> Option<&mut Option<T>> {
        let number = number as usize;
        self.chunks.get_mut(number / CHUNK)?.places.get_mut(number % CHUNK)
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        self.chunks.get(number / CHUNK)?.places.get(number % CHUNK)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.place(number)?.as_mut()
    }

    /// Drops the thing where it is and frees its place.
    pub(crate) fn discard(&mut self, number: u32) {
        if let Some(place) = self.place(number).filter(|place| place.is_some()) {
            *place = None;
            self.freed(number);
        }
    }

    /// Takes the thing out and frees its place.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let value = self.place(number)?.take()?;
        self.freed(number);
        Some(value)
    }

    fn freed(&mut self, number: u32) {
        self.len -= 1;
        let at = number as usize / CHUNK;
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        if chunk.free == 0 {
            self.open.push(number / CHUNK as u32);
        }
        chunk.free |= 1 << (number as usize % CHUNK);
        if chunk.free == EMPTY {
            self.spare.push(core::mem::take(&mut chunk.places));
        }
        self.give_back();
    }

    /// Everything with its number, in the order of numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let chunks = self.chunks.iter().enumerate();
        let places =
            chunks.flat_map(|(at, chunk)| chunk.places.iter().enumerate().map(move |(n, p)| (at * CHUNK + n, p)));
        places.filter_map(|(number, place)| Some((u32::try_from(number).ok()?, place.as_ref()?)))
    }
}

impl<T> Chunk<T> {
    /// A copy gets its other places.
    fn complete(&mut self) {
        let mut places = core::mem::take(&mut self.places).into_vec();
        places.resize_with(CHUNK, || None);
        self.places = places.into_boxed_slice();
    }
}

/// A copy has no free places: who copies a stack, copies it often, and changes little. So the copy's inserts may need
/// memory where the original's would not.
impl<T: Clone> Clone for Slab<T> {
    fn clone(&self) -> Self {
        let copied = |chunk: &Chunk<T>| {
            let used = CHUNK - (chunk.free ^ EMPTY).leading_zeros() as usize;
            Chunk { places: chunk.places[..used].into(), free: chunk.free }
        };
        Self {
            chunks: self.chunks.iter().map(copied).collect(),
            open: self.open.clone(),
            spare: self.spare.iter().map(|_| Box::default()).collect(),
            memory: self.memory,
            len: self.len,
            reserved: self.reserved,
        }
    }
}

fn empty<T>() -> Places<T> {
    core::iter::repeat_with(|| None).take(CHUNK).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_reused_and_memory_comes_back() {
        let mut slab = Slab::new();
        let numbers: Vec<u32> = (0..3000).map(|n| slab.insert(n).unwrap()).collect();
        assert_eq!(numbers.last(), Some(&2999));
        assert_eq!(slab.remove(1500), Some(1500));
        assert_eq!(slab.remove(1500), None);
        assert_eq!(slab.insert(7), Some(1500));
        assert_eq!((slab.get(1500), slab.get(3000), slab.len()), (Some(&7), None, 3000));
        assert_eq!(slab.iter().count(), 3000);
        for number in numbers {
            slab.remove(number);
        }
        assert_eq!((slab.len(), slab.chunks.capacity(), slab.open.capacity()), (0, 0, 0));
        for _ in 0..1000 {
            let number = slab.insert(1).unwrap();
            slab.remove(number);
        }
        assert!(slab.chunks.len() == 1 && slab.open.len() == 1);
    }

    #[test]
    fn a_reserved_place_is_there_whatever_others_take() {
        let mut slab = Slab::new();
        (0..100).for_each(|_| slab.reserve());
        for n in 0..200 {
            slab.insert(n).unwrap();
            assert!(slab.memory * CHUNK - slab.len >= 100, "after {n}");
        }
        (0..100).for_each(|_| slab.unreserve());
        slab.give_back();
        (0..200).for_each(|n| slab.discard(n));
        assert_eq!((slab.memory, slab.len, slab.spare.len()), (0, 0, 0));
    }

    #[test]
    fn an_empty_chunk_has_no_memory_but_for_one_in_reserve() {
        let mut slab = Slab::new();
        let numbers: Vec<u32> = (0..640).map(|n| slab.insert(n).unwrap()).collect();
        for number in &numbers[..640 - 1] {
            slab.discard(*number);
        }
        let held = slab.chunks.iter().filter(|chunk| !chunk.places.is_empty()).count();
        assert_eq!((held, slab.spare.len(), slab.get(639), slab.get(0)), (1, 1, Some(&639), None));
        let again: Vec<u32> = (0..639).map(|n| slab.insert(n).unwrap()).collect();
        assert_eq!((again.iter().max(), slab.len(), slab.chunks.len()), (Some(&638), 640, 10));
        assert_eq!(slab.iter().count(), 640);
    }
}
