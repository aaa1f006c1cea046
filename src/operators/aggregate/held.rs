//! What one aggregate keeps of all windows of a stage, by slot: counts, sums and extremes of numbers as plain numbers side by side, all
//! else as accumulators. Where a plain number does not do any more, all slots become accumulators, which are never told apart from it.

use crate::event::{BatchBuilder, Cell, Texts};
use crate::expr::value::Fail;

use super::plain::{Extreme, ShortSum};
use super::{Accumulator, Aggregate, number_of};

/// A value for each slot.
#[derive(Clone, Debug)]
pub enum Held {
    Counts(Vec<u64>),
    Sums(Vec<ShortSum>),
    /// Of numbers.
    Extremes(Vec<Extreme>),
    Any(Vec<Accumulator>),
}

/// What a closed slot holds in place of an accumulator, which may be large.
const NOTHING: Accumulator = Accumulator::Count(0);

impl Held {
    /// No slots, of this aggregate.
    pub fn new(aggregate: &Aggregate) -> Held {
        match aggregate {
            Aggregate::Count | Aggregate::CountOf => Held::Counts(Vec::new()),
            Aggregate::Sum => Held::Sums(Vec::new()),
            Aggregate::Min | Aggregate::Max => Held::Extremes(Vec::new()),
            _ => Held::Any(Vec::new()),
        }
    }

    /// Whether results of it are numbers, and small.
    pub fn is_plain(&self) -> bool {
        !matches!(self, Held::Any(_))
    }

    /// Adds a slot that has seen nothing.
    pub fn open(&mut self, aggregate: &Aggregate) {
        match self {
            Held::Counts(held) => held.push(0),
            Held::Sums(held) => held.push(ShortSum::default()),
            Held::Extremes(held) => held.push(Extreme::None),
            Held::Any(held) => held.push(aggregate.fresh()),
        }
    }

    /// A slot that was closed has seen nothing.
    pub fn open_again(&mut self, aggregate: &Aggregate, slot: usize) {
        match self {
            Held::Counts(held) => held[slot] = 0,
            Held::Sums(held) => held[slot] = ShortSum::default(),
            Held::Extremes(held) => held[slot] = Extreme::None,
            Held::Any(held) => held[slot] = aggregate.fresh(),
        }
    }

    /// Frees what a slot holds.
    pub fn close(&mut self, slot: usize) {
        if let Held::Any(held) = self {
            held[slot] = NOTHING;
        }
    }

    /// Takes out all slots; room for so many stays.
    pub fn clear(&mut self, aggregate: &Aggregate, keep: usize) {
        match self {
            Held::Counts(held) if held.capacity() <= keep => held.clear(),
            Held::Sums(held) if held.capacity() <= keep => held.clear(),
            Held::Extremes(held) if held.capacity() <= keep => held.clear(),
            _ => *self = Held::new(aggregate),
        }
    }

    /// Makes room for so many slots more.
    pub fn reserve(&mut self, slots: usize) {
        match self {
            Held::Counts(held) => held.reserve(slots),
            Held::Sums(held) => held.reserve(slots),
            Held::Extremes(held) => held.reserve(slots),
            Held::Any(held) => held.reserve(slots),
        }
    }

    /// What a slot holds, as an accumulator.
    pub fn get(&self, slot: usize) -> Accumulator {
        match self {
            Held::Counts(held) => Accumulator::Count(held[slot]),
            Held::Sums(held) => Accumulator::Sum(held[slot].sum()),
            Held::Extremes(held) => Accumulator::Extreme(held[slot].value()),
            Held::Any(held) => held[slot].clone(),
        }
    }

    /// The accumulator itself, if it is one.
    pub fn any(&self, slot: usize) -> Option<&Accumulator> {
        match self {
            Held::Any(held) => held.get(slot),
            _ => None,
        }
    }

    /// The same, to change it.
    pub fn any_mut(&mut self, slot: usize) -> Option<&mut Accumulator> {
        match self {
            Held::Any(held) => held.get_mut(slot),
            _ => None,
        }
    }

    /// Adds a slot that holds this.
    pub fn push(&mut self, value: Accumulator) {
        match (&mut *self, &value) {
            (Held::Counts(held), Accumulator::Count(count)) => return held.push(*count),
            (Held::Sums(held), Accumulator::Sum(sum)) => {
                if let Some(sum) = ShortSum::of(sum) {
                    return held.push(sum);
                }
            }
            (Held::Extremes(held), Accumulator::Extreme(value)) => {
                if let Some(extreme) = Extreme::of(value) {
                    return held.push(extreme);
                }
            }
            _ => {}
        }
        self.accumulators().push(value);
    }

    /// From now on they are accumulators.
    fn accumulators(&mut self) -> &mut Vec<Accumulator> {
        let slots = match self {
            Held::Counts(held) => held.len(),
            Held::Sums(held) => held.len(),
            Held::Extremes(held) => held.len(),
            Held::Any(_) => 0,
        };
        if self.is_plain() {
            *self = Held::Any((0..slots).map(|slot| self.get(slot)).collect());
        }
        match self {
            Held::Any(held) => held,
            _ => unreachable!("they were made accumulators"),
        }
    }

    /// Adds events: `rows[i]` of the column to `slots[i]`. The events' numbers in order of arrival are their rows after `arrived`.
    pub fn update(
        &mut self,
        aggregate: &Aggregate,
        (slots, rows): (&[u32], &[u32]),
        column: &[Cell],
        texts: &Texts,
        arrived: u64,
    ) {
        let cell = |row: u32| column.get(row as usize).copied().unwrap_or(Cell::Missing);
        let mut pairs = slots.iter().map(|slot| *slot as usize).zip(rows.iter().copied());
        let is_max = *aggregate == Aggregate::Max;
        // Where a plain number does not do, the event and those after it are added to accumulators.
        let odd = match self {
            Held::Counts(held) if *aggregate == Aggregate::Count => {
                pairs.by_ref().for_each(|(slot, _)| held[slot] += 1);
                None
            }
            Held::Counts(held) => {
                pairs.by_ref().for_each(|(slot, row)| held[slot] += u64::from(!cell(row).is_unit()));
                None
            }
            Held::Sums(held) => pairs.find(|(slot, row)| match number_of(cell(*row)) {
                Some(number) => !held[*slot].add(number),
                None => false,
            }),
            Held::Extremes(held) => pairs.find(|(slot, row)| {
                let extreme = match cell(*row) {
                    Cell::Float(float) => Extreme::Float(float),
                    Cell::Int(int) => Extreme::Int(int),
                    Cell::Missing | Cell::Null => Extreme::None,
                    _ => return true,
                };
                held[*slot].take(extreme, is_max);
                false
            }),
            Held::Any(_) => pairs.next(),
        };
        if odd.is_some() {
            let held = self.accumulators();
            for (slot, row) in odd.into_iter().chain(pairs) {
                aggregate.update(&mut held[slot], cell(row), texts, arrived + u64::from(row));
            }
        }
    }

    /// What these slots hold, as slots of its own in this order.
    pub fn copied(&self, slots: impl Iterator<Item = u32>) -> Held {
        let slots = slots.map(|slot| slot as usize);
        match self {
            Held::Counts(held) => Held::Counts(slots.map(|slot| held[slot]).collect()),
            Held::Sums(held) => Held::Sums(slots.map(|slot| held[slot]).collect()),
            Held::Extremes(held) => Held::Extremes(slots.map(|slot| held[slot]).collect()),
            Held::Any(held) => Held::Any(slots.map(|slot| held[slot].clone()).collect()),
        }
    }

    /// Adds to slots what slots of another have seen: pairs of ours and theirs, which are added in this order.
    pub fn merge_from(&mut self, aggregate: &Aggregate, pairs: &[(u32, u32)], other: &Held) {
        let is_max = *aggregate == Aggregate::Max;
        let mut pairs = pairs.iter().map(|(ours, theirs)| (*ours as usize, *theirs as usize));
        let odd = match (&mut *self, other) {
            (Held::Counts(held), Held::Counts(other)) => {
                pairs.by_ref().for_each(|(ours, theirs)| held[ours] += other[theirs]);
                None
            }
            (Held::Sums(held), Held::Sums(other)) => pairs.find(|(ours, theirs)| !held[*ours].merge(&other[*theirs])),
            (Held::Extremes(held), Held::Extremes(other)) => {
                pairs.by_ref().for_each(|(ours, theirs)| held[ours].take(other[theirs], is_max));
                None
            }
            _ => pairs.next(),
        };
        if odd.is_some() {
            let held = self.accumulators();
            for (ours, theirs) in odd.into_iter().chain(pairs) {
                match other.any(theirs) {
                    Some(theirs) => aggregate.merge(&mut held[ours], theirs),
                    None => aggregate.merge(&mut held[ours], &other.get(theirs)),
                }
            }
        }
    }

    /// Adds to a slot what another has seen, which is closed.
    pub fn merge(&mut self, aggregate: &Aggregate, into: usize, from: usize) {
        let taken = Held::copied(self, std::iter::once(from as u32));
        self.merge_from(aggregate, &[(into as u32, 0)], &taken);
        self.close(from);
    }

    /// Whether a slot may be given the argument.
    pub fn check(&self, aggregate: &Aggregate, slot: usize, cell: Cell, texts: &Texts) -> Result<(), Fail> {
        match self.any(slot) {
            Some(held) => aggregate.check(held, cell, texts),
            None => aggregate.check(&self.get(slot), cell, texts),
        }
    }

    /// Appends a slot as it is kept in snapshots.
    pub fn write(&self, slot: usize, out: &mut Vec<u8>) {
        match self.any(slot) {
            Some(held) => held.write(out),
            None => self.get(slot).write(out),
        }
    }

    /// The results of slots as cells of the batch in the making, one after the other; `failed` is told of each that has none, by its place.
    pub fn finish(
        &self,
        aggregate: &Aggregate,
        slots: impl Iterator<Item = u32>,
        builder: &mut BatchBuilder,
        cells: &mut Vec<Cell>,
        mut failed: impl FnMut(usize, Fail),
    ) {
        let slots = slots.map(|slot| slot as usize);
        let mut or_null = |at: usize, result: Result<Cell, Fail>| {
            result.unwrap_or_else(|why| {
                failed(at, why);
                Cell::Null
            })
        };
        match self {
            Held::Counts(held) => {
                cells.extend(slots.map(|slot| Cell::Int(i64::try_from(held[slot]).unwrap_or(i64::MAX))));
            }
            Held::Extremes(held) => cells.extend(slots.map(|slot| match held[slot] {
                Extreme::None => Cell::Null,
                Extreme::Int(int) => Cell::Int(int),
                Extreme::Float(float) => Cell::Float(float),
            })),
            Held::Sums(held) => cells
                .extend(slots.enumerate().map(|(at, slot)| or_null(at, super::number_cell(held[slot].sum().finish())))),
            Held::Any(held) => {
                for (at, slot) in slots.enumerate() {
                    cells.push(or_null(at, aggregate.finish(&held[slot], builder)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::event::Layout;
    use crate::state::Value;

    fn cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            10 => (-3..4_i64).prop_map(Cell::Int),
            10 => (-3..4_i64).prop_map(|half| Cell::Float(half as f64 / 2.0)),
            2 => Just(Cell::Null),
            1 => prop_oneof![Just(i64::MAX), Just(i64::MIN), Just(i64::MAX / 4)].prop_map(Cell::Int),
        ]
    }

    fn text(held: &Accumulator) -> Vec<u8> {
        let mut out = Vec::new();
        held.write(&mut out);
        out
    }

    proptest! {
        #[test]
        fn plain_numbers_are_what_accumulators_are(
            which in 0..5_usize,
            steps in prop::collection::vec((0..4_u8, 0..5_u32, 0..5_u32, cell()), 0..60),
        ) {
            let aggregate =
                [Aggregate::Count, Aggregate::CountOf, Aggregate::Sum, Aggregate::Min, Aggregate::Max][which].clone();
            let mut held = Held::new(&aggregate);
            (0..5).for_each(|_| held.open(&aggregate));
            let mut model: Vec<Accumulator> = (0..5).map(|_| aggregate.fresh()).collect();
            let texts = Texts::default();
            for (what, a, b, cell) in steps {
                match what {
                    0 | 1 => {
                        held.update(&aggregate, (&[a, b], &[0, 0]), &[cell], &texts, 0);
                        [a, b].iter().for_each(|slot| aggregate.update(&mut model[*slot as usize], cell, &texts, 0));
                    }
                    2 => {
                        let sums = held.copied([b].into_iter());
                        held.merge_from(&aggregate, &[(a, 0)], &sums);
                        let other = model[b as usize].clone();
                        aggregate.merge(&mut model[a as usize], &other);
                    }
                    _ => {
                        held.open_again(&aggregate, a as usize);
                        model[a as usize] = aggregate.fresh();
                        held.push(held.get(b as usize));
                        model.push(model[b as usize].clone());
                    }
                }
                let mut builder = BatchBuilder::new(Arc::new(Layout::fields(["x"])));
                let (mut cells, mut failed) = (Vec::new(), Vec::new());
                held.finish(&aggregate, 0..5, &mut builder, &mut cells, |at, _| failed.push(at));
                for (slot, want) in model.iter().enumerate() {
                    prop_assert_eq!(text(&held.get(slot)), text(want));
                    if slot < 5 {
                        prop_assert_eq!(format!("{:?}", aggregate.finish(want, &mut builder).unwrap_or(Cell::Null)), format!("{:?}", cells[slot]));
                        prop_assert_eq!(aggregate.finish(want, &mut builder).is_err(), failed.contains(&slot));
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_makes_accumulators() {
        let mut held = Held::new(&Aggregate::Max);
        held.open(&Aggregate::Max);
        held.update(&Aggregate::Max, (&[0, 0], &[0, 1]), &[Cell::Null, Cell::Bool(true)], &Texts::default(), 0);
        assert!(!held.is_plain());
        assert!(matches!(held.get(0), Accumulator::Extreme(Value::Bool(true))));
        held.clear(&Aggregate::Max, 10);
        assert!(held.is_plain());
    }
}
