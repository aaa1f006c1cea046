//! Results in the making: a row for each window that fires, with the value of each aggregate call.

use std::sync::Arc;

use crate::event::{Batch, BatchBuilder, Cell, Layout, Meta, Timestamp};
use crate::expr::value::Fail;
use crate::limits::BATCH_EVENTS_MAX;
use crate::operators::aggregate::Aggregate;
use crate::operators::key;

use super::slots::{Slot, Slots};

/// Results that are added together.
const PUSHED_MAX: usize = 64;

/// A result.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub key: &'a [u8],
    pub floats: u32,
    /// `i64::MIN` for none.
    pub start: i64,
    pub end: i64,
    pub revision: Option<u32>,
    /// The watermark it carries.
    pub mark: i64,
    /// What its window holds; of a sum the first part.
    pub slot: Slot,
}

/// At most a batch of results. Columns: the key's fields, `window_start`, `window_end`, the aggregate calls, `revision` where
/// results are revised, and `partial`.
#[derive(Debug)]
pub struct Results {
    aggregates: Arc<[Aggregate]>,
    builder: BatchBuilder,
    /// Columns before the aggregate calls: the key's fields and the two times.
    leading: usize,
    /// The cells of the rows that are being added, by column.
    columns: Vec<Vec<Cell>>,
    cells: Vec<Cell>,
    failed: Vec<Failure>,
    /// Windows that start before this are partial: others, which were cut, had some of their events. `i64::MIN`: none is.
    pub partial_until: i64,
}

/// An aggregate call that has no value in a row.
#[derive(Debug)]
pub struct Failure {
    pub row: u32,
    pub call: usize,
    pub why: Fail,
}

impl Results {
    /// None yet. The layout has a slot for each column; `key_fields` are the first of them.
    pub fn new(aggregates: Arc<[Aggregate]>, key_fields: usize, layout: Arc<Layout>) -> Results {
        Results {
            aggregates,
            leading: key_fields + 2,
            columns: vec![Vec::new(); layout.slots.len()],
            builder: BatchBuilder::new(layout),
            cells: Vec::new(),
            failed: Vec::new(),
            partial_until: i64::MIN,
        }
    }

    /// Whether the next result belongs into another batch.
    pub fn is_full(&self) -> bool {
        self.builder.is_full()
    }

    /// How many results may be pushed together: few at a time where they may be large.
    pub fn room(&self, slots: &Slots) -> usize {
        if self.is_full() {
            return 0;
        }
        if slots.is_plain() { PUSHED_MAX.min(BATCH_EVENTS_MAX - self.builder.len()) } else { 1 }
    }

    /// Adds results, a column at a time. `rest` are further slots that belong to rows, by their places.
    pub fn push(&mut self, rows: &[Row<'_>], rest: &[(u32, Slot)], slots: &Slots) {
        for row in rows {
            self.cells.clear();
            key::cells(row.key, row.floats, &mut self.builder, &mut self.cells);
            self.columns.iter_mut().zip(self.cells.drain(..)).for_each(|(column, cell)| column.push(cell));
        }
        let (_, columns) = self.columns.split_at_mut(self.leading - 2);
        let [starts, ends, columns @ ..] = columns else { return };
        let time = |time: i64| if time == i64::MIN { Cell::Null } else { Cell::Int(time) };
        starts.extend(rows.iter().map(|row| time(row.start)));
        ends.extend(rows.iter().map(|row| time(row.end)));
        let first = self.builder.len();
        for (call, (aggregate, cells)) in self.aggregates.iter().zip(&mut *columns).enumerate() {
            let held = slots.column(call);
            let failed = |at: usize, why| self.failed.push(Failure { row: (first + at) as u32, call, why });
            let firsts = rows.iter().map(|row| row.slot);
            if rest.is_empty() {
                held.finish(aggregate, firsts, &mut self.builder, cells, failed);
            } else {
                let mut sums = held.copied(firsts);
                sums.merge_from(aggregate, rest, held);
                sums.finish(aggregate, 0..rows.len() as u32, &mut self.builder, cells, failed);
            }
        }
        let columns = &mut columns[self.aggregates.len()..];
        if let [revisions, _] = columns {
            revisions
                .extend(rows.iter().map(|row| row.revision.map_or(Cell::Null, |times| Cell::Int(i64::from(times)))));
        }
        if let [.., partial] = columns {
            let is_partial = |row: &Row<'_>| row.start < self.partial_until;
            partial.extend(rows.iter().map(|row| if is_partial(row) { Cell::Bool(true) } else { Cell::Missing }));
        }
        let moment = |row: &Row<'_>| {
            let at = if row.end == i64::MIN { row.end } else { row.end - 1 };
            (Timestamp(at), Timestamp(row.mark))
        };
        self.builder.append(&mut self.columns, rows.iter().map(moment));
    }

    /// The results so far, and what went wrong with some of them; then there are none. `None`: there is none.
    pub fn take(&mut self, meta: &Arc<Meta>) -> Option<(Batch, Vec<Failure>)> {
        if self.builder.is_empty() {
            return None;
        }
        Some((self.builder.finish(0, meta.clone()), std::mem::take(&mut self.failed)))
    }
}
