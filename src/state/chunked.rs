//! A vector in pieces: it grows without copying what is there, and without a moment in which old and new lie beside each other.

use std::ops::{Index, IndexMut};

/// Elements of one piece, as a power of two.
const PIECE_BITS: u32 = 12;
const PIECE: usize = 1 << PIECE_BITS;

/// A growing list of `T`. The first piece grows as a vector does, so that a short list is small.
#[derive(Debug)]
pub struct Chunked<T> {
    pieces: Vec<Vec<T>>,
    len: usize,
}

impl<T> Chunked<T> {
    /// An empty one.
    pub fn new() -> Chunked<T> {
        Chunked { pieces: Vec::new(), len: 0 }
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Appends one.
    pub fn push(&mut self, element: T) {
        if self.len & (PIECE - 1) == 0 && self.len >> PIECE_BITS == self.pieces.len() {
            self.pieces.push(if self.len == 0 { Vec::new() } else { Vec::with_capacity(PIECE) });
        }
        self.pieces[self.len >> PIECE_BITS].push(element);
        self.len += 1;
    }

    /// The element at this place, if there is one.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.pieces.get(at >> PIECE_BITS)?.get(at & (PIECE - 1))
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.pieces.get_mut(at >> PIECE_BITS)?.get_mut(at & (PIECE - 1))
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// The same, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pieces.iter_mut().flatten()
    }

    /// Takes everything out; room for one piece stays at most.
    pub fn clear(&mut self) {
        self.pieces.truncate(1);
        self.pieces.iter_mut().for_each(Vec::clear);
        self.len = 0;
    }
}

impl<T> Index<usize> for Chunked<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.pieces[at >> PIECE_BITS][at & (PIECE - 1)]
    }
}

impl<T> IndexMut<usize> for Chunked<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.pieces[at >> PIECE_BITS][at & (PIECE - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_vector() {
        let mut list = Chunked::new();
        for round in 0..2 {
            let want: Vec<usize> = (0..3 * PIECE + 1).map(|i| i + round).collect();
            want.iter().for_each(|i| list.push(*i));
            list[PIECE] += 1;
            list[PIECE] -= 1;
            assert!(list.iter().eq(&want) && list.iter_mut().count() == want.len());
            assert_eq!((list.len(), list[PIECE - 1], list[PIECE]), (want.len(), PIECE - 1 + round, PIECE + round));
            assert_eq!((list.get(3 * PIECE), list.get(3 * PIECE + 1)), (Some(&(3 * PIECE + round)), None));
            assert!(list.get_mut(4 * PIECE).is_none());
            list.clear();
            assert_eq!((list.len(), list.get(0)), (0, None));
        }
    }
}
