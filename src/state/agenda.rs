//! A queue by time: what is due first comes out first. What is far away lies unsorted in buckets, so that putting something in
//! costs no more than appending it, and what is near is sorted a bucket at a time (a calendar queue: Brown, 1988).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Entries in the order of their moment, and of one moment in the order of `T`, like a heap. Bounded by what puts them in.
#[derive(Debug)]
pub struct Agenda<T> {
    /// How much time a bucket has.
    width: i64,
    /// By the start of the bucket.
    far: BTreeMap<i64, Vec<(i64, T)>>,
    /// Everything before this is in `near` or `late`.
    near_end: i64,
    /// The bucket that is being emptied, its first entry last.
    near: Vec<(i64, T)>,
    /// What was put in before `near_end` since that bucket was sorted.
    late: BinaryHeap<Reverse<(i64, T)>>,
    len: usize,
}

/// So many buckets for the time that entries usually wait: few enough to be found fast, enough for a bucket to be small.
const BUCKETS: i64 = 64;

impl<T: Ord + Copy> Agenda<T> {
    /// An empty one. Entries usually wait for about `span` milliseconds.
    pub fn new(span: i64) -> Agenda<T> {
        let (far, near, late) = (BTreeMap::new(), Vec::new(), BinaryHeap::new());
        Agenda { width: (span / BUCKETS).max(1), far, near_end: i64::MIN, near, late, len: 0 }
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Notes something for a moment.
    pub fn push(&mut self, at: i64, what: T) {
        self.len += 1;
        if at < self.near_end {
            self.late.push(Reverse((at, what)));
        } else {
            let bucket = at.saturating_sub(at.rem_euclid(self.width));
            self.far.entry(bucket).or_default().push((at, what));
        }
    }

    /// False, if nothing is due by `mark`: cheap, and not exact.
    pub fn may_be_due(&self, mark: i64) -> bool {
        let at = |entry: Option<&(i64, T)>| entry.is_some_and(|(at, _)| *at <= mark);
        at(self.near.last())
            || at(self.late.peek().map(|Reverse(entry)| entry))
            || self.far.first_key_value().is_some_and(|(bucket, _)| *bucket <= mark)
    }

    /// The moment of the first entry, if that is due by `mark`.
    pub fn next_due(&mut self, mark: i64) -> Option<i64> {
        while self.near.is_empty() && self.late.is_empty() {
            let first = self.far.first_entry().filter(|first| *first.key() <= mark)?;
            self.near_end = first.key().saturating_add(self.width);
            self.near = first.remove();
            self.near.sort_unstable_by(|a, b| b.cmp(a));
        }
        let near = self.near.last().map(|(at, _)| *at);
        let late = self.late.peek().map(|Reverse((at, _))| *at);
        near.into_iter().chain(late).min().filter(|at| *at <= mark)
    }

    /// Takes out the first entry, if it is due by `mark`.
    pub fn pop_due(&mut self, mark: i64) -> Option<(i64, T)> {
        self.next_due(mark)?;
        let is_late = match (self.near.last(), self.late.peek()) {
            (Some(near), Some(Reverse(late))) => late < near,
            (near, _) => near.is_none(),
        };
        let first = if is_late { self.late.pop().map(|Reverse(first)| first) } else { self.near.pop() };
        self.len -= usize::from(first.is_some());
        first
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_heap(
            span in prop_oneof![Just(1_i64), Just(1_000), Just(100_000)],
            steps in prop::collection::vec((prop::option::weighted(0.7, -3_000..3_000_i64), -3_000..3_000_i64), 0..300),
        ) {
            let mut agenda = Agenda::new(span);
            let mut heap = BinaryHeap::new();
            for (i, (push, mark)) in steps.into_iter().enumerate() {
                match push {
                    Some(at) => {
                        agenda.push(at, i % 7);
                        heap.push(Reverse((at, i % 7)));
                    }
                    None => {
                        let due = heap.peek().map(|Reverse(first)| *first).filter(|(at, _)| *at <= mark);
                        prop_assert!(agenda.may_be_due(mark) || due.is_none());
                        prop_assert_eq!(agenda.next_due(mark), due.map(|(at, _)| at));
                        prop_assert_eq!(agenda.pop_due(mark), due);
                        due.and_then(|_| heap.pop());
                    }
                }
                prop_assert_eq!(agenda.len(), heap.len());
            }
            let rest: Vec<_> = std::iter::from_fn(|| agenda.pop_due(i64::MAX)).collect();
            let want: Vec<_> = std::iter::from_fn(|| heap.pop().map(|Reverse(first)| first)).collect();
            prop_assert_eq!(rest, want);
        }
    }

    #[test]
    fn the_ends_of_time_are_moments_too() {
        let mut agenda = Agenda::new(1_000);
        [i64::MAX, i64::MIN, 5].into_iter().for_each(|at| agenda.push(at, ()));
        let all: Vec<i64> = std::iter::from_fn(|| agenda.pop_due(i64::MAX)).map(|(at, ())| at).collect();
        assert_eq!(all, [i64::MIN, 5, i64::MAX]);
    }
}
