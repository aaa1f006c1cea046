//! Makes batches row by row, for stages whose output rows are not their input rows (windows, tables of state).

use std::sync::Arc;

use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};

use super::{Batch, Cell, Column, Layout, Meta, Selection, TextRef, Texts, Timestamp};

/// A batch in the making. Text is copied in; cells that refer to text are made by the builder alone.
#[derive(Debug)]
pub struct BatchBuilder {
    layout: Arc<Layout>,
    columns: Vec<Vec<Cell>>,
    text: Vec<u8>,
    times: Vec<Timestamp>,
    marks: Vec<Timestamp>,
}

impl BatchBuilder {
    /// Nothing yet, for events of this layout.
    pub fn new(layout: Arc<Layout>) -> BatchBuilder {
        let columns = vec![Vec::new(); layout.slots.len()];
        BatchBuilder { layout, columns, text: Vec::new(), times: Vec::new(), marks: Vec::new() }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Whether the next row belongs into another batch.
    pub fn is_full(&self) -> bool {
        self.len() >= BATCH_EVENTS_MAX || self.text.len() >= BATCH_BYTES_MAX
    }

    /// Copies a text in.
    pub fn text(&mut self, bytes: &[u8]) -> TextRef {
        let start = self.text.len() as u32;
        self.text.extend_from_slice(bytes);
        TextRef { text: 0, start, len: bytes.len() as u32 }
    }

    /// Copies a cell of another batch in.
    pub fn cell(&mut self, cell: Cell, texts: &Texts) -> Cell {
        match cell.text_ref() {
            Some(at) => {
                let copy = self.text(texts.bytes(at));
                cell.with_text_ref(copy)
            }
            None => cell,
        }
    }

    /// Adds a row: a cell for each slot of the layout, in its order, whose text came through `text` or `cell`.
    pub fn push(&mut self, cells: impl IntoIterator<Item = Cell>, time: Timestamp, mark: Timestamp) {
        let mut cells = cells.into_iter();
        for column in &mut self.columns {
            column.push(cells.next().unwrap_or(Cell::Missing));
        }
        self.times.push(time);
        self.marks.push(mark);
    }

    /// Adds rows from columns, which are empty after it: a column for each slot of the layout, with a cell for each row.
    pub fn append(&mut self, columns: &mut [Vec<Cell>], moments: impl Iterator<Item = (Timestamp, Timestamp)>) {
        self.columns.iter_mut().zip(columns).for_each(|(column, cells)| column.append(cells));
        for (time, mark) in moments {
            self.times.push(time);
            self.marks.push(mark);
        }
    }

    /// The rows so far as a batch; the builder is empty again.
    pub fn finish(&mut self, variant: u16, meta: Arc<Meta>) -> Batch {
        let rows = self.len() as u32;
        let mut texts = Texts::default();
        texts.push(std::mem::take(&mut self.text).into());
        Batch {
            layout: self.layout.clone(),
            variant,
            columns: self.columns.iter_mut().map(|cells| Column::from(std::mem::take(cells))).collect(),
            texts,
            selection: Selection::All(rows),
            times: Arc::new(std::mem::take(&mut self.times)),
            marks: Arc::new(std::mem::take(&mut self.marks)),
            meta,
        }
    }
}
