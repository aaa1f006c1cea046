//! From a connector's bytes to batches with time: decoding, event time, watermarks, keys. Pure: the wall clock is an argument.

use std::sync::Arc;

use crate::event::codes;
use crate::event::decode::{Decoder, Undecodable};
use crate::event::{Batch, Chunk, Column, Layout, Selection, Texts, Timestamp};
use crate::expr::{Arena, Program};
use crate::flow::{Reject, Rejected};
use crate::operators::{Place, StageExpr};
use crate::plan::{SourceNode, TimeRule, TimeUnit, event_time};
use crate::schema::Checker;

/// What became of a chunk.
pub(super) struct Ingested {
    pub batch: Option<Batch>,
    /// Events whose time or key failed.
    pub rejected: Vec<Rejected>,
    /// What was no event, and the watermark before it.
    pub undecodable: Vec<(Undecodable, Timestamp)>,
    pub empty_lines: u64,
    /// The source's watermark after the chunk, if it moved.
    pub moved_to: Option<Timestamp>,
}

/// An expression of the source, bound to its layout.
struct Bound {
    program: Program,
    place: Place,
    arena: Arena,
}

impl Bound {
    fn new(expr: &StageExpr, layout: &Layout) -> Bound {
        Bound { program: expr.bind(layout), place: expr.place().clone(), arena: Arena::default() }
    }

    /// The value for every selected row, and the texts that it points into.
    fn eval(&mut self, batch: &Batch, rejected: &mut Vec<Rejected>) -> (Column, Texts) {
        let rows = batch.selection.to_vec();
        let mut errors = Vec::new();
        self.arena.begin(&batch.texts);
        let column = self.program.eval(batch, &rows, &[], &mut self.arena, &mut errors);
        let mut texts = batch.texts.clone();
        self.arena.finish(&mut texts);
        for error in &errors {
            let why = self.place.reject(error);
            rejected.push(Rejected { batch: batch.select(vec![error.row]), row: error.row, why });
        }
        (column, texts)
    }

    /// The time of every row; none for those that were rejected.
    fn times(&mut self, batch: &Batch, unit: TimeUnit, rejected: &mut Vec<Rejected>) -> Vec<Timestamp> {
        let before = rejected.len();
        let (column, texts) = self.eval(batch, rejected);
        let mut failed: Vec<u32> = rejected[before..].iter().map(|rejected| rejected.row).collect();
        failed.sort_unstable();
        let mut times = vec![Timestamp::NONE; batch.rows()];
        for row in batch.selection.iter().filter(|row| failed.binary_search(row).is_err()) {
            match event_time(column.cells()[row as usize], &texts, unit) {
                Ok(time) => times[row as usize] = time,
                Err((code, message)) => {
                    let why = Reject { code, message, at: self.place.start() };
                    rejected.push(Rejected { batch: batch.select(vec![row]), row, why });
                }
            }
        }
        times
    }
}

pub(super) struct Ingest {
    decoder: Decoder,
    time: TimeRule,
    time_program: Option<Bound>,
    key: Option<Bound>,
    lag_ms: i64,
    max_future_ms: i64,
    checker: Option<Checker>,
    place: Arc<str>,
    /// The greatest event time so far, less the lag.
    mark: Timestamp,
}

impl Ingest {
    /// Goes on at a watermark.
    pub fn new(node: &SourceNode, decoder: Decoder, mark: Timestamp) -> Ingest {
        let layout = decoder.layout().clone();
        let ms = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Ingest {
            time_program: node.time.expr().map(|expr| Bound::new(expr, &layout)),
            time: node.time.clone(),
            key: node.key.as_ref().map(|expr| Bound::new(expr, &layout)),
            lag_ms: ms(node.lag),
            max_future_ms: ms(node.max_future),
            checker: node.schema.as_ref().and_then(|schema| schema.checker.clone()),
            place: node.place.clone(),
            mark,
            decoder,
        }
    }

    /// The source's watermark.
    pub fn mark(&self) -> Timestamp {
        self.mark
    }

    /// The place of the source in the YAML.
    pub fn place(&self) -> &Arc<str> {
        &self.place
    }

    /// Decodes a chunk and puts it into time.
    pub fn chunk(&mut self, chunk: Chunk, wall_ms: i64) -> Ingested {
        let decoded = self.decoder.decode(chunk, 0);
        let mut batch = decoded.batch;
        let mut rejected = Vec::new();
        let before = self.mark;
        batch = self.check(batch, &mut rejected);
        self.set_times(&mut batch, wall_ms, &mut rejected);
        let mark_at = |before: u32| batch.marks.get(before as usize).copied().unwrap_or(self.mark);
        let undecodable = decoded.rejects.into_iter().map(|input| (mark_at(input.before), input));
        let undecodable = undecodable.map(|(mark, input)| (input, mark)).collect();
        // An event without a time is refused once, whatever its key is.
        let mut batch = self.without(batch, &rejected);
        let refused = rejected.len();
        self.set_keys(&mut batch, &mut rejected);
        let batch = self.without(batch, &rejected[refused..]);
        // In the order of the input, so that it does not tell how events were batched.
        rejected.sort_by_key(|rejected| rejected.row);
        Ingested {
            batch: (!batch.is_empty()).then_some(batch),
            rejected,
            undecodable,
            empty_lines: decoded.empty_lines,
            moved_to: (self.mark > before).then_some(self.mark),
        }
    }

    /// Refuses the events that are not what the schema says, before they can move time.
    fn check(&self, batch: Batch, rejected: &mut Vec<Rejected>) -> Batch {
        let Some(checker) = &self.checker else { return batch };
        for row in batch.selection.iter() {
            let Some(at) = batch.cell(0, row).text_ref() else { continue };
            if let Err(message) = checker.check(batch.texts.bytes(at)) {
                let why = Reject { code: codes::SCHEMA.id, message, at: self.place.clone() };
                rejected.push(Rejected { batch: batch.select(vec![row]), row, why });
            }
        }
        self.without(batch, rejected)
    }

    /// Sets the time of each row and the watermark before it. The watermark depends on the rows alone, in their order.
    fn set_times(&mut self, batch: &mut Batch, wall_ms: i64, rejected: &mut Vec<Rejected>) {
        let times = match (&self.time, &mut self.time_program) {
            (TimeRule::None, _) => return,
            (TimeRule::Arrival, _) => vec![Timestamp(wall_ms); batch.rows()],
            (TimeRule::Broker, _) | (TimeRule::Expr { .. }, None) => batch.times.to_vec(),
            (TimeRule::Expr { unit, .. }, Some(bound)) => bound.times(batch, *unit, rejected),
        };
        let times = match &batch.selection {
            Selection::All(_) => times,
            // What the schema has refused has no time.
            Selection::Rows(rows) => {
                let mut left = vec![Timestamp::NONE; times.len()];
                rows.iter().for_each(|&row| left[row as usize] = times[row as usize]);
                left
            }
        };
        let latest = wall_ms.saturating_add(self.max_future_ms);
        let mut marks = Vec::with_capacity(times.len());
        for (row, time) in times.iter().enumerate() {
            marks.push(self.mark);
            if time.0 > latest {
                let message = format!(
                    "the event's time is {} ms ahead of the clock, more than `max_future` allows",
                    time.0 - wall_ms
                );
                let why = Reject { code: codes::TIME_FUTURE.id, message, at: self.place.clone() };
                rejected.push(Rejected { batch: batch.select(vec![row as u32]), row: row as u32, why });
            } else {
                self.mark = self.mark.max(time.minus(self.lag_ms));
            }
        }
        batch.times = Arc::new(times);
        batch.marks = Arc::new(marks);
    }

    fn set_keys(&mut self, batch: &mut Batch, rejected: &mut Vec<Rejected>) {
        let Some(bound) = &mut self.key else { return };
        let (key, texts) = bound.eval(batch, rejected);
        batch.texts = texts;
        let mut meta = (*batch.meta).clone();
        meta.key = Some(key);
        batch.meta = Arc::new(meta);
    }

    fn without(&self, batch: Batch, rejected: &[Rejected]) -> Batch {
        if rejected.is_empty() {
            return batch;
        }
        let mut bad: Vec<u32> = rejected.iter().map(|rejected| rejected.row).collect();
        bad.sort_unstable();
        let good = batch.selection.iter().filter(|row| bad.binary_search(row).is_err()).collect();
        batch.select(good)
    }
}
