//! The accumulators of all open windows, in one arena of rows: a slot has one accumulator for each aggregate.

use std::sync::Arc;

use crate::event::{Cell, Texts};
use crate::expr::value::Fail;
use crate::operators::aggregate::{Accumulator, Aggregate};
use crate::state::Corrupt;

/// A row of accumulators.
pub type Slot = u32;

/// Where an accumulator of a row comes from, when the aggregates were others before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From this one of those before.
    Of(usize),
    /// From the same as that aggregate's.
    Same(usize),
    /// The aggregate is new.
    New,
}

impl Part {
    /// Appends a row made of the one before, which is left without what was taken.
    pub fn take(parts: &[Part], before: &mut [Accumulator], row: &mut Vec<Accumulator>) {
        let begin = row.len();
        for part in parts {
            let held = match *part {
                Part::Of(at) => before.get_mut(at).map(|held| std::mem::replace(held, Accumulator::Absent)),
                Part::Same(at) => row.get(begin + at).cloned(),
                Part::New => None,
            };
            row.push(held.unwrap_or(Accumulator::Absent));
        }
    }
}

/// Slots are used again once they are closed, so memory follows the number of open ones.
#[derive(Debug)]
pub struct Slots {
    aggregates: Arc<[Aggregate]>,
    /// `aggregates.len()` for each slot.
    accumulators: Vec<Accumulator>,
    free: Vec<Slot>,
    open: usize,
    open_max: usize,
}

/// With no slot open, room for so many stays.
const KEEP_SLOTS: usize = 1024;

/// What a closed slot holds in place of accumulators, which may be large.
const NOTHING: Accumulator = Accumulator::Count(0);

impl Slots {
    /// None open, of at most so many.
    pub fn new(aggregates: Arc<[Aggregate]>, open_max: usize) -> Slots {
        Slots { aggregates, accumulators: Vec::new(), free: Vec::new(), open: 0, open_max }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open
    }

    /// Whether no more may be opened.
    pub fn is_full(&self) -> bool {
        self.open >= self.open_max
    }

    /// A slot that has seen nothing.
    pub fn open(&mut self) -> Slot {
        self.open += 1;
        let width = self.aggregates.len();
        let fresh = self.aggregates.iter().map(Aggregate::fresh);
        match self.free.pop() {
            Some(slot) => {
                let row = &mut self.accumulators[slot as usize * width..][..width];
                row.iter_mut().zip(fresh).for_each(|(place, fresh)| *place = fresh);
                slot
            }
            None => {
                let slot = self.accumulators.len() / width.max(1);
                self.accumulators.extend(fresh);
                slot as Slot
            }
        }
    }

    /// Appends what a slot holds.
    pub fn write(&self, slot: Slot, out: &mut Vec<u8>) {
        self.of(slot).iter().for_each(|held| held.write(out));
    }

    /// Makes room for so many slots.
    pub fn reserve(&mut self, slots: usize) {
        self.accumulators.reserve(slots.saturating_mul(self.aggregates.len()));
    }

    /// A slot that holds these, which are taken. None was closed so far.
    pub fn restore(&mut self, row: &mut Vec<Accumulator>) -> Result<Slot, Corrupt> {
        debug_assert!(self.free.is_empty());
        let is_sound = self.aggregates.iter().zip(&*row).all(|(aggregate, held)| aggregate.keeps(held));
        if !is_sound || row.len() != self.aggregates.len() {
            return Err(Corrupt("what is kept of a window is not of its aggregates".into()));
        }
        self.open += 1;
        let slot = self.accumulators.len() / row.len().max(1);
        self.accumulators.append(row);
        Ok(slot as Slot)
    }

    /// All slots, and none is left.
    pub fn take(&mut self) -> Slots {
        let empty = Slots::new(self.aggregates.clone(), self.open_max);
        std::mem::replace(self, empty)
    }

    /// Goes on with the slots of another, from whose aggregates ours come; false if they keep something else.
    pub fn adopt(&mut self, mut other: Slots, parts: &[Part]) -> bool {
        let kind = |aggregate: &Aggregate| (std::mem::discriminant(aggregate), aggregate.name());
        let keeps_same = |(now, part): (&Aggregate, &Part)| match *part {
            Part::Of(at) => other.aggregates.get(at).is_some_and(|then| kind(then) == kind(now)),
            Part::Same(at) => self.aggregates.get(at).is_some_and(|same| kind(same) == kind(now)),
            Part::New => true,
        };
        if parts.len() != self.aggregates.len() || !self.aggregates.iter().zip(parts).all(keeps_same) {
            return false;
        }
        let before = other.aggregates.len();
        if !parts.iter().copied().eq((0..before).map(Part::Of)) {
            let mut accumulators = Vec::with_capacity(other.accumulators.len() / before.max(1) * parts.len());
            for row in other.accumulators.chunks_exact_mut(before.max(1)) {
                Part::take(parts, row, &mut accumulators);
            }
            other.accumulators = accumulators;
        }
        *self = Slots { aggregates: self.aggregates.clone(), open_max: self.open_max, ..other };
        true
    }

    /// Frees what a slot holds.
    pub fn close(&mut self, slot: Slot) {
        let width = self.aggregates.len();
        self.accumulators[slot as usize * width..][..width].iter_mut().for_each(|place| *place = NOTHING);
        self.free.push(slot);
        self.open -= 1;
        if self.open == 0 {
            self.accumulators.clear();
            self.accumulators.shrink_to(KEEP_SLOTS * width);
            self.free.clear();
            self.free.shrink_to(KEEP_SLOTS);
        }
    }

    /// The accumulators of a slot.
    pub fn of(&self, slot: Slot) -> &[Accumulator] {
        let width = self.aggregates.len();
        &self.accumulators[slot as usize * width..][..width]
    }

    /// One accumulator of a slot.
    pub fn one(&mut self, slot: Slot, aggregate: usize) -> &mut Accumulator {
        &mut self.accumulators[slot as usize * self.aggregates.len() + aggregate]
    }

    /// Adds to accumulators outside of the arena what a slot has seen.
    pub fn merge_into(&self, sum: &mut [Accumulator], slot: Slot) {
        for ((aggregate, sum), held) in self.aggregates.iter().zip(sum).zip(self.of(slot)) {
            aggregate.merge(sum, held);
        }
    }

    /// Adds what one slot has seen to another, and closes it.
    pub fn merge(&mut self, into: Slot, from: Slot) {
        let taken: Vec<Accumulator> = self.of(from).to_vec();
        for (i, held) in taken.iter().enumerate() {
            let aggregate = &self.aggregates[i];
            aggregate.merge(&mut self.accumulators[into as usize * self.aggregates.len() + i], held);
        }
        self.close(from);
    }

    /// Whether the slot can take an event with this argument of an aggregate.
    pub fn check(&self, slot: Slot, aggregate: usize, cell: Cell, texts: &Texts) -> Result<(), Fail> {
        self.aggregates[aggregate].check(&self.of(slot)[aggregate], cell, texts)
    }

    /// Adds events to one aggregate: `rows[i]` of the column to `slots[i]`. The events' numbers in order of arrival are their
    /// rows after `arrived`.
    pub fn update(
        &mut self,
        aggregate: usize,
        slots: &[Slot],
        rows: &[u32],
        column: &[Cell],
        texts: &Texts,
        arrived: u64,
    ) {
        let width = self.aggregates.len();
        let kind = &self.aggregates[aggregate];
        let cell = |row: u32| column.get(row as usize).copied().unwrap_or(Cell::Missing);
        if *kind == Aggregate::Count {
            for slot in slots {
                if let Accumulator::Count(count) = &mut self.accumulators[*slot as usize * width + aggregate] {
                    *count += 1;
                }
            }
            return;
        }
        for (slot, row) in slots.iter().zip(rows) {
            let held = &mut self.accumulators[*slot as usize * width + aggregate];
            kind.update(held, cell(*row), texts, arrived + u64::from(*row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again() {
        let mut slots = Slots::new([Aggregate::Count, Aggregate::Sum].into(), 2);
        let (a, b) = (slots.open(), slots.open());
        assert!(slots.is_full());
        let column = [Cell::Int(5), Cell::Int(7)];
        for aggregate in 0..2 {
            slots.update(aggregate, &[a, b, b], &[0, 0, 1], &column, &Texts::default(), 0);
        }
        slots.merge(a, b);
        assert!(matches!(slots.of(a)[0], Accumulator::Count(3)));
        assert_eq!(slots.open(), b);
        assert!(matches!(slots.of(b)[0], Accumulator::Count(0)));
        slots.close(b);
        slots.close(a);
        assert_eq!((slots.len(), slots.accumulators.len()), (0, 0));
    }
}
