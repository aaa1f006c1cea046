//! Results in the making: a row for each window that fires, with the value of each aggregate call.

use std::sync::Arc;

use crate::event::{Batch, BatchBuilder, Cell, Layout, Meta, Timestamp};
use crate::expr::value::Fail;
use crate::operators::aggregate::{Accumulator, Aggregate};
use crate::operators::key;

/// What a result says beside its aggregates.
#[derive(Clone, Copy, Debug)]
pub struct Result<'a> {
    pub key: &'a [u8],
    pub floats: u32,
    /// `i64::MIN` for none.
    pub start: i64,
    pub end: i64,
    pub revision: Option<u32>,
    /// The watermark it carries.
    pub mark: i64,
}

/// At most a batch of results. Columns: the key's fields, `window_start`, `window_end`, the aggregate calls, `revision` where
/// results are revised, and `partial`.
#[derive(Debug)]
pub struct Results {
    aggregates: Arc<[Aggregate]>,
    builder: BatchBuilder,
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
    /// None yet. The layout has a slot for each column.
    pub fn new(aggregates: Arc<[Aggregate]>, layout: Arc<Layout>) -> Results {
        Results {
            aggregates,
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

    /// Adds a result.
    pub fn push(&mut self, result: Result<'_>, accumulators: &[Accumulator]) {
        self.cells.clear();
        key::cells(result.key, result.floats, &mut self.builder, &mut self.cells);
        let time = |time: i64| if time == i64::MIN { Cell::Null } else { Cell::Int(time) };
        self.cells.extend([time(result.start), time(result.end)]);
        for (call, (aggregate, held)) in self.aggregates.iter().zip(accumulators).enumerate() {
            let cell = aggregate.finish(held, &mut self.builder).unwrap_or_else(|why| {
                self.failed.push(Failure { row: self.builder.len() as u32, call, why });
                Cell::Null
            });
            self.cells.push(cell);
        }
        let is_partial = result.start < self.partial_until;
        self.cells.extend(result.revision.map(|revision| Cell::Int(i64::from(revision))));
        self.cells.push(if is_partial { Cell::Bool(true) } else { Cell::Missing });
        let at = if result.end == i64::MIN { result.end } else { result.end - 1 };
        self.builder.push(self.cells.drain(..), Timestamp(at), Timestamp(result.mark));
    }

    /// The results so far, and what went wrong with some of them; then there are none. `None`: there is none.
    pub fn take(&mut self, meta: &Arc<Meta>) -> Option<(Batch, Vec<Failure>)> {
        if self.builder.is_empty() {
            return None;
        }
        Some((self.builder.finish(0, meta.clone()), std::mem::take(&mut self.failed)))
    }
}
