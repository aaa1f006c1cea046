//! From aggregate calls to result events: the expressions around the calls, and `having`.

use std::sync::Arc;

use crate::event::{Batch, Cell, Column, Layout, Meta, Tag};
use crate::expr::{Arena, EvalError, Program};
use crate::flow::{Output, Reject};
use crate::operators::expression::{Place, StageExpr};

use super::results::Results;

/// One aggregate field of the output: an expression over calls.
#[derive(Clone)]
pub struct Field {
    pub name: Arc<str>,
    /// The first of its calls, and how many they are.
    pub calls: std::ops::Range<usize>,
    /// `None`: the field is its only call.
    pub outer: Option<StageExpr>,
}

/// What makes events of results.
pub struct Finish {
    layout: Arc<Layout>,
    meta: Arc<Meta>,
    /// Columns before the aggregate calls: the key's fields and the two times.
    leading: usize,
    calls: usize,
    fields: Vec<Running>,
    having: Option<(Program, Place)>,
    /// Where each call stands, for the errors of its result.
    call_places: Vec<Arc<str>>,
    arena: Arena,
}

struct Running {
    calls: std::ops::Range<usize>,
    outer: Option<(Program, Place)>,
}

impl Finish {
    /// `raw` is the layout of the results, `layout` that of the events; `leading` columns come before the calls in both.
    pub fn new(
        raw: &Layout,
        layout: Arc<Layout>,
        meta: Meta,
        leading: usize,
        fields: &[Field],
        having: Option<&StageExpr>,
        call_places: Vec<Arc<str>>,
    ) -> Finish {
        let running = |field: &Field| Running {
            calls: field.calls.clone(),
            outer: field.outer.as_ref().map(|outer| (outer.bind(raw), outer.place().clone())),
        };
        Finish {
            meta: Arc::new(meta),
            leading,
            calls: call_places.len(),
            fields: fields.iter().map(running).collect(),
            having: having.map(|having| (having.bind(&layout), having.place().clone())),
            layout,
            call_places,
            arena: Arena::default(),
        }
    }

    /// Sends the results as events. One that has no value for a field, or that `having` cannot judge, is rejected as it is.
    pub fn publish(&mut self, results: &mut Results, out: &mut Output) {
        let Some((raw, failed)) = results.take(&self.meta) else { return };
        let mut rejected: Vec<(u32, Reject)> = Vec::new();
        for failure in failed {
            let at = self.call_places.get(failure.call).cloned().unwrap_or_else(|| Arc::from(""));
            rejected.push((failure.row, Reject { code: failure.why.code, message: failure.why.message, at }));
        }
        let mut rows = raw.selection.to_vec();
        rows.retain(|row| !rejected.iter().any(|(gone, _)| gone == row));
        let mut events = self.events(raw, &mut rows, &mut rejected, out);
        if let Some((having, place)) = &mut self.having {
            let mut errors = Vec::new();
            out.evaluated(having.is_compiled(), rows.len());
            let held = having.eval_filter(&events, &rows, &[], &mut errors);
            take_errors(&mut errors, &mut rows, place, &mut rejected);
            rows = held;
        }
        rejected.sort_by_key(|(row, _)| *row);
        rejected.dedup_by_key(|(row, _)| *row);
        for (row, why) in rejected {
            out.reject(&events, row, why);
        }
        if rows.len() < events.len() {
            events = events.select(rows);
        }
        out.emit(0, events);
    }

    /// The events of all results; `rows` are those for which every field has a value.
    fn events(
        &mut self,
        raw: Batch,
        rows: &mut Vec<u32>,
        rejected: &mut Vec<(u32, Reject)>,
        out: &mut Output,
    ) -> Batch {
        let mut texts = raw.texts.clone();
        let calls = &raw.columns[self.leading..][..self.calls];
        let mut columns: Vec<Column> = raw.columns[..self.leading].to_vec();
        self.arena.begin(&texts);
        for field in &mut self.fields {
            let locals = &calls[field.calls.clone()];
            let absent = absent(locals, rows);
            let mut column = match &mut field.outer {
                None => calls[field.calls.start].clone(),
                Some((program, place)) => {
                    let mut errors = Vec::new();
                    let known: Vec<u32>;
                    let known = if absent.is_empty() {
                        &*rows
                    } else {
                        known = rows.iter().copied().filter(|row| absent.binary_search(row).is_err()).collect();
                        &known
                    };
                    out.evaluated(program.is_compiled(), known.len());
                    let column = program.eval(&raw, known, locals, &mut self.arena, &mut errors);
                    take_errors(&mut errors, rows, place, rejected);
                    column
                }
            };
            if !absent.is_empty() {
                let mut cells = column.cells().to_vec();
                absent.iter().for_each(|row| cells[*row as usize] = Cell::Null);
                column = Column::from(cells);
            }
            columns.push(column);
        }
        self.arena.finish(&mut texts);
        columns.extend_from_slice(&raw.columns[self.leading + self.calls..]);
        Batch { layout: self.layout.clone(), columns, texts, ..raw }
    }
}

/// The results for which one of these calls has no value, as it is newer than their windows: what is made of it is null.
fn absent(calls: &[Column], rows: &[u32]) -> Vec<u32> {
    if !calls.iter().any(|call| call.tags().has(Tag::Missing)) {
        return Vec::new();
    }
    let is_missing = |call: &Column, row: u32| matches!(call.cells().get(row as usize), Some(Cell::Missing));
    rows.iter().copied().filter(|row| calls.iter().any(|call| is_missing(call, *row))).collect()
}

fn take_errors(errors: &mut Vec<EvalError>, rows: &mut Vec<u32>, place: &Place, rejected: &mut Vec<(u32, Reject)>) {
    for error in errors.drain(..) {
        rows.retain(|row| *row != error.row);
        rejected.push((error.row, place.reject(&error)));
    }
}
