//! Expressions of a stage at work: evaluated a batch at a time, with each event's error rejected once, at its place.

use std::sync::Arc;

use crate::event::{Batch, Column, Layout, Texts, codes};
use crate::expr::{Arena, EvalError, Program};
use crate::flow::{Output, Reject};
use crate::limits::KEY_BYTES_MAX;

use super::expression::{Place, StageExpr};
use super::key;

/// Some expressions, bound to each layout that the stage reads.
pub struct Evaluator {
    /// The programs of each variant.
    variants: Vec<Vec<Program>>,
    places: Vec<Place>,
    arena: Arena,
    errors: Vec<EvalError>,
}

/// What expressions gave for the events of a batch that none of them refused.
pub struct Evaluated {
    /// A column for each expression; cells outside `rows` mean nothing.
    pub columns: Vec<Column>,
    /// The texts of the batch, and what was computed.
    pub texts: Texts,
    /// The events that are left, ascending.
    pub rows: Vec<u32>,
}

impl Evaluator {
    /// For batches whose `variant` is a place in `inputs`.
    pub fn new<'e>(exprs: impl IntoIterator<Item = &'e StageExpr>, inputs: &[Arc<Layout>]) -> Evaluator {
        let exprs: Vec<&StageExpr> = exprs.into_iter().collect();
        Evaluator {
            variants: inputs.iter().map(|layout| exprs.iter().map(|expr| expr.bind(layout)).collect()).collect(),
            places: exprs.iter().map(|expr| expr.place().clone()).collect(),
            arena: Arena::default(),
            errors: Vec::new(),
        }
    }

    /// Evaluates all expressions for these rows. An event that one of them refuses is rejected, and no other sees it.
    pub fn eval(&mut self, batch: &Batch, mut rows: Vec<u32>, out: &mut Output) -> Evaluated {
        let mut columns = Vec::with_capacity(self.places.len());
        self.arena.begin(&batch.texts);
        let programs = self.variants.get_mut(usize::from(batch.variant)).into_iter().flatten();
        for (program, place) in programs.zip(&self.places) {
            out.evaluated(program.is_compiled(), rows.len());
            columns.push(program.eval(batch, &rows, &[], &mut self.arena, &mut self.errors));
            reject_all(&mut self.errors, batch, &mut rows, place, out);
        }
        Evaluated { columns, texts: self.texts(batch), rows }
    }

    /// Evaluates one expression that gives an object with known fields: a column for each.
    pub fn eval_fields(&mut self, batch: &Batch, mut rows: Vec<u32>, out: &mut Output) -> Evaluated {
        let mut columns = Vec::new();
        self.arena.begin(&batch.texts);
        let program = self.variants.get_mut(usize::from(batch.variant)).and_then(|programs| programs.first_mut());
        if let (Some(program), Some(place)) = (program, self.places.first()) {
            out.evaluated(program.is_compiled(), rows.len());
            columns = program.eval_fields(batch, &rows, &[], &mut self.arena, &mut self.errors);
            reject_all(&mut self.errors, batch, &mut rows, place, out);
        }
        Evaluated { columns, texts: self.texts(batch), rows }
    }

    /// The rows among `rows` for which condition `which` holds. Those that it refuses are rejected, and leave `rows`.
    pub fn test(&mut self, which: usize, batch: &Batch, rows: &mut Vec<u32>, out: &mut Output) -> Vec<u32> {
        let program = self.variants.get_mut(usize::from(batch.variant)).and_then(|programs| programs.get_mut(which));
        let (Some(program), Some(place)) = (program, self.places.get(which)) else { return Vec::new() };
        out.evaluated(program.is_compiled(), rows.len());
        let held = program.eval_filter(batch, rows, &[], &mut self.errors);
        reject_all(&mut self.errors, batch, rows, place, out);
        held
    }

    /// How many expressions.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn texts(&mut self, batch: &Batch) -> Texts {
        let mut texts = batch.texts.clone();
        self.arena.finish(&mut texts);
        texts
    }
}

/// Rejects the events of these errors, each once, and takes them out of `rows`.
fn reject_all(errors: &mut Vec<EvalError>, batch: &Batch, rows: &mut Vec<u32>, place: &Place, out: &mut Output) {
    if errors.is_empty() {
        return;
    }
    errors.sort_by_key(|error| error.row);
    errors.dedup_by_key(|error| error.row);
    for error in errors.iter() {
        out.reject(batch, error.row, place.reject(error));
    }
    without(rows, &errors.iter().map(|error| error.row).collect::<Vec<_>>());
    errors.clear();
}

/// Takes rows out of a list; both are ascending.
pub fn without(rows: &mut Vec<u32>, gone: &[u32]) {
    let mut gone = gone.iter().copied().peekable();
    rows.retain(|&row| {
        while gone.next_if(|&next| next < row).is_some() {}
        gone.peek() != Some(&row)
    });
}

impl Evaluated {
    /// The values of a row as a key; `Err` for one that is too long to be kept.
    pub fn key(&self, row: u32, key: &mut Vec<u8>) -> Result<(), KeyTooLong> {
        key.clear();
        for column in &self.columns {
            if let Some(cell) = column.cells().get(row as usize) {
                key::append(*cell, &self.texts, key);
            }
        }
        if key.len() <= KEY_BYTES_MAX { Ok(()) } else { Err(KeyTooLong(key.len())) }
    }
}

/// A key of so many bytes, which is too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTooLong(pub usize);

impl KeyTooLong {
    #[cold]
    pub fn reject(self, at: &Arc<str>) -> Reject {
        let message = format!(
            "the key has {} bytes, and at most {KEY_BYTES_MAX} are kept: use a shorter field, or a hash",
            self.0
        );
        Reject { code: codes::KEY_TOO_LONG.id, message, at: at.clone() }
    }
}

/// As many keys are held as may be.
#[cold]
pub fn keys_full(keys_max: usize, limit: &str, at: &Arc<str>) -> Reject {
    let message = format!(
        "the stage holds state for {keys_max} keys, as many as {limit} allows: raise it, or use a key with fewer values"
    );
    Reject { code: codes::KEYS_FULL.id, message, at: at.clone() }
}

/// An event without time where the stage goes by it.
#[cold]
pub fn no_time(at: &Arc<str>) -> Reject {
    Reject {
        code: codes::NO_TIME.id,
        message: "the event has no time, and this stage goes by event time".into(),
        at: at.clone(),
    }
}
