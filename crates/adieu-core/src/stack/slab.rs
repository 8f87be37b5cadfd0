//! Numbered places for things, in chunks, so that growing never moves what is there.

use alloc::vec::Vec;

/// Places are reused; numbers below [`Slab::LIMIT`].
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    len: usize,
}

const CHUNK: usize = 64;

impl<T> Slab<T> {
    /// Numbers stay below this.
    pub(crate) const LIMIT: usize = 1 << 29;

    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts `value` in a free place; `None` where there is none.
    pub(crate) fn insert(&mut self, value: T) -> Option<u32> {
        let number = self.free.pop().map_or_else(|| self.grow(), Some)?;
        *self.place(number)? = Some(value);
        self.len += 1;
        Some(number)
    }

    fn grow(&mut self) -> Option<u32> {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let number = (self.chunks.len() - 1) * CHUNK + self.chunks.last()?.len();
        if number >= Self::LIMIT {
            return None;
        }
        self.chunks.last_mut()?.push(None);
        u32::try_from(number).ok()
    }

    fn place(&mut self, number: u32) -> Option<&mut Option<T>> {
        let number = number as usize;
        self.chunks.get_mut(number / CHUNK)?.get_mut(number % CHUNK)
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        self.chunks.get(number / CHUNK)?.get(number % CHUNK)?.as_ref()
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
        self.free.push(number);
        if self.len == 0 && self.chunks.len() > 1 {
            // Nothing left: give the memory back, but for a little that the next one would ask for again.
            *self = Self::new();
        }
    }

    /// Everything with its number, in the order of numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let places = self.chunks.iter().flatten().enumerate();
        places.filter_map(|(number, place)| Some((u32::try_from(number).ok()?, place.as_ref()?)))
    }
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
        assert_eq!((slab.len(), slab.chunks.capacity(), slab.free.capacity()), (0, 0, 0));
        for _ in 0..1000 {
            let number = slab.insert(1).unwrap();
            slab.remove(number);
        }
        assert!(slab.chunks.len() == 1 && slab.free.len() == 1);
    }
}
