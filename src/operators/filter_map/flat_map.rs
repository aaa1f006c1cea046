//! Flat-map at work: an array in, an event for each of its items out, as much at a time as one batch holds.

use std::sync::Arc;

use crate::event::decode::cut_columns;
use crate::event::{Batch, Cell, Column, Layout, Meta, Selection, TextRef, Texts, codes, json};
use crate::expr::Want;
use crate::flow::{Output, Progress, Reject};
use crate::limits::BATCH_EVENTS_MAX;
use crate::operators::eval::Evaluator;
use crate::operators::expression::{Place, StageExpr};

/// What `flat_map` wants of its expression.
pub const WANT: Want = Want::Array;

/// The operator's part after the filter.
pub struct FlatMap {
    expr: Evaluator,
    place: Place,
    layout: Arc<Layout>,
    pending: Option<Pending>,
}

/// Arrays that have not all become events yet.
struct Pending {
    batch: Batch,
    arrays: Column,
    texts: Texts,
    rows: Vec<u32>,
    /// The next array among `rows`, and how many bytes of its text are done.
    next: usize,
    done: usize,
}

/// Rows in the making.
#[derive(Default)]
struct Made {
    events: Vec<Cell>,
    /// The row of the input that each came from.
    from: Vec<u32>,
}

impl FlatMap {
    pub fn new(expr: &StageExpr, inputs: &[Arc<Layout>], layout: Arc<Layout>) -> FlatMap {
        FlatMap { expr: Evaluator::new([expr], inputs), place: expr.place().clone(), layout, pending: None }
    }

    /// Takes the events of these rows of a batch.
    pub fn on_rows(&mut self, batch: Batch, rows: Vec<u32>, out: &mut Output) -> Progress {
        let mut evaluated = self.expr.eval(&batch, rows, out);
        if let Some(arrays) = evaluated.columns.pop() {
            let (texts, rows) = (evaluated.texts, evaluated.rows);
            self.pending = Some(Pending { batch, arrays, texts, rows, next: 0, done: 0 });
        }
        self.resume(out)
    }

    /// Emits one batch of what is pending.
    pub fn resume(&mut self, out: &mut Output) -> Progress {
        let Some(mut pending) = self.pending.take() else { return Progress::Done };
        let mut made = Made::default();
        while let Some(&row) = pending.rows.get(pending.next) {
            if made.events.len() >= BATCH_EVENTS_MAX {
                out.emit(0, pending.batch_of(made, &self.layout));
                self.pending = Some(pending);
                return Progress::More;
            }
            if let Err(item) = pending.take_items(row, &mut made) {
                out.reject(&pending.batch, row, self.not_an_object(item));
                pending.next += 1;
            }
        }
        out.emit(0, pending.batch_of(made, &self.layout));
        Progress::Done
    }

    #[cold]
    fn not_an_object(&self, item: usize) -> Reject {
        let message = format!(
            "item {item} of the array is no object, so it cannot be an event; write `.map(|item| #{{ item: item }})`"
        );
        Reject { code: codes::NOT_AN_OBJECT.id, message, at: self.place.start() }
    }
}

impl Pending {
    /// Items of the array of this row, as many as there is room for. `Err`: an item that is no object, counted from 1; then no item is
    /// taken, as all are looked at before the first is.
    fn take_items(&mut self, row: u32, made: &mut Made) -> Result<(), usize> {
        let Some(Cell::Json(at)) = self.arrays.cells().get(row as usize).copied() else {
            self.next += 1;
            return Ok(());
        };
        let text = self.texts.bytes(at);
        let mut items = if self.done == 0 {
            if let Some(item) = first_other(text) {
                return Err(item);
            }
            json::items(text)
        } else {
            json::items_from(text, self.done)
        };
        while made.events.len() < BATCH_EVENTS_MAX {
            let Some(item) = items.next_cell() else {
                (self.next, self.done) = (self.next + 1, 0);
                return Ok(());
            };
            if let Some(item) = item.text_ref() {
                made.events.push(Cell::Json(TextRef { text: at.text, start: at.start + item.start, len: item.len }));
                made.from.push(row);
            }
        }
        self.done = items.at();
        Ok(())
    }

    /// The events made so far; time, watermark and origin are those of the events they came from.
    fn batch_of(&self, made: Made, layout: &Arc<Layout>) -> Batch {
        let Made { events, from } = made;
        let gather = |column: &Option<Column>| {
            let cell = |column: &Column, row: u32| column.cells().get(row as usize).copied().unwrap_or(Cell::Missing);
            column.as_ref().map(|column| Column::from(from.iter().map(|&row| cell(column, row)).collect::<Vec<_>>()))
        };
        let meta = &self.batch.meta;
        let rows = events.len();
        Batch {
            columns: cut_columns(layout, &Column::from(events), &self.texts),
            layout: layout.clone(),
            variant: 0,
            texts: self.texts.clone(),
            selection: Selection::All(rows as u32),
            times: Arc::new(from.iter().map(|&row| self.batch.times[row as usize]).collect()),
            marks: Arc::new(from.iter().map(|&row| self.batch.marks[row as usize]).collect()),
            meta: Arc::new(Meta {
                source: meta.source.clone(),
                partition: meta.partition,
                offset: gather(&meta.offset),
                key: gather(&meta.key),
                headers: gather(&meta.headers),
                unpack: None,
            }),
        }
    }
}

/// The first item of an array that is no object, counted from 1.
fn first_other(array: &[u8]) -> Option<usize> {
    let mut items = json::items(array);
    let mut count = 0;
    while let Some(item) = items.next_cell() {
        count += 1;
        let is_object = matches!(item, Cell::Json(at) if array.get(at.start as usize) == Some(&b'{'));
        if !is_object {
            return Some(count);
        }
    }
    None
}
