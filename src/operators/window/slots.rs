//! What all open windows hold, a column for each aggregate: a slot is a place in all of them.

use std::sync::Arc;

use crate::event::{Cell, Texts};
use crate::expr::value::Fail;
use crate::operators::aggregate::{Accumulator, Aggregate, Held};
use crate::state::Corrupt;

/// Where what a window holds is in each column.
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
    /// One for each aggregate.
    columns: Vec<Held>,
    /// Slots that are or were open.
    rows: usize,
    free: Vec<Slot>,
    open: usize,
    open_max: usize,
}

/// With no slot open, room for so many stays.
const KEEP_SLOTS: usize = 1024;

impl Slots {
    /// None open, of at most so many.
    pub fn new(aggregates: Arc<[Aggregate]>, open_max: usize) -> Slots {
        let columns = aggregates.iter().map(Held::new).collect();
        Slots { aggregates, columns, rows: 0, free: Vec::new(), open: 0, open_max }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open
    }

    /// Whether no more may be opened.
    pub fn is_full(&self) -> bool {
        self.open >= self.open_max
    }

    /// Whether all results are numbers, and small.
    pub fn is_plain(&self) -> bool {
        self.columns.iter().all(Held::is_plain)
    }

    /// A slot that has seen nothing.
    pub fn open(&mut self) -> Slot {
        self.open += 1;
        let columns = self.columns.iter_mut().zip(self.aggregates.iter());
        match self.free.pop() {
            Some(slot) => {
                columns.for_each(|(column, aggregate)| column.open_again(aggregate, slot as usize));
                slot
            }
            None => {
                columns.for_each(|(column, aggregate)| column.open(aggregate));
                self.rows += 1;
                (self.rows - 1) as Slot
            }
        }
    }

    /// Appends what a slot holds.
    pub fn write(&self, slot: Slot, out: &mut Vec<u8>) {
        self.columns.iter().for_each(|column| column.write(slot as usize, out));
    }

    /// Makes room for so many slots.
    pub fn reserve(&mut self, slots: usize) {
        self.columns.iter_mut().for_each(|column| column.reserve(slots));
    }

    /// A slot that holds these, which are taken. None was closed so far.
    pub fn restore(&mut self, row: &mut Vec<Accumulator>) -> Result<Slot, Corrupt> {
        debug_assert!(self.free.is_empty());
        let is_sound = self.aggregates.iter().zip(&*row).all(|(aggregate, held)| aggregate.keeps(held));
        if !is_sound || row.len() != self.aggregates.len() {
            return Err(Corrupt("what is kept of a window is not of its aggregates".into()));
        }
        self.columns.iter_mut().zip(row.drain(..)).for_each(|(column, held)| column.push(held));
        self.open += 1;
        self.rows += 1;
        Ok((self.rows - 1) as Slot)
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
        let absent = || Held::Any(vec![Accumulator::Absent; other.rows]);
        let mut columns: Vec<Held> = Vec::with_capacity(parts.len());
        for part in parts {
            let held = match *part {
                Part::Of(at) => other.columns.get_mut(at).map(|held| std::mem::replace(held, absent())),
                Part::Same(at) => columns.get(at).cloned(),
                Part::New => None,
            };
            columns.push(held.unwrap_or_else(absent));
        }
        *self = Slots { aggregates: self.aggregates.clone(), columns, open_max: self.open_max, ..other };
        true
    }

    /// Frees what a slot holds.
    pub fn close(&mut self, slot: Slot) {
        self.columns.iter_mut().for_each(|column| column.close(slot as usize));
        self.free.push(slot);
        self.open -= 1;
        if self.open == 0 {
            let columns = self.columns.iter_mut().zip(self.aggregates.iter());
            columns.for_each(|(column, aggregate)| column.clear(aggregate, KEEP_SLOTS));
            self.rows = 0;
            self.free.clear();
            self.free.shrink_to(KEEP_SLOTS);
        }
    }

    /// What an aggregate keeps of all slots.
    pub fn column(&self, aggregate: usize) -> &Held {
        &self.columns[aggregate]
    }

    /// The accumulator of a slot, for an aggregate that has no plainer form.
    pub fn any(&self, slot: Slot, aggregate: usize) -> Option<&Accumulator> {
        self.columns[aggregate].any(slot as usize)
    }

    /// The same, to change it.
    pub fn any_mut(&mut self, slot: Slot, aggregate: usize) -> Option<&mut Accumulator> {
        self.columns[aggregate].any_mut(slot as usize)
    }

    /// Adds what one slot has seen to another, and closes it.
    pub fn merge(&mut self, into: Slot, from: Slot) {
        for (column, aggregate) in self.columns.iter_mut().zip(self.aggregates.iter()) {
            column.merge(aggregate, into as usize, from as usize);
        }
        self.close(from);
    }

    /// Whether the slot can take an event with this argument of an aggregate.
    pub fn check(&self, slot: Slot, aggregate: usize, cell: Cell, texts: &Texts) -> Result<(), Fail> {
        self.columns[aggregate].check(&self.aggregates[aggregate], slot as usize, cell, texts)
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
        self.columns[aggregate].update(&self.aggregates[aggregate], (slots, rows), column, texts, arrived);
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
        assert!(matches!(slots.column(0).get(a as usize), Accumulator::Count(3)));
        assert_eq!(slots.open(), b);
        assert!(matches!(slots.column(0).get(b as usize), Accumulator::Count(0)));
        slots.close(b);
        slots.close(a);
        assert_eq!((slots.len(), slots.rows), (0, 0));
    }
}
