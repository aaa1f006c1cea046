//! From a connector's bytes to batches with time, in two steps. Reading (decoding, the schema, event time, keys) needs nothing but the
//! chunk, so chunks are read on any core; putting them in order makes the watermark. Pure: the wall clock is an argument.

use std::sync::Arc;

use crate::event::codes;
use crate::event::decode::{Decoder, Undecodable};
use crate::event::{Batch, Chunk, Column, Layout, Selection, Texts, Timestamp};
use crate::expr::{Arena, Program};
use crate::flow::{Evaluations, Reject, Rejected};
use crate::operators::{Place, StageExpr};
use crate::plan::{SourceNode, TimeRule, TimeUnit, event_time};
use crate::schema::{Checker, Checking};

/// A chunk that was read. Its watermarks are those of a source that began with it, until [`Ingest::order`].
pub(super) struct Read {
    /// All events that could be decoded, good or not.
    batch: Batch,
    /// Those that are good, with their keys.
    good: Batch,
    /// Why the others are not, in the order of the input.
    refused: Vec<(u32, Reject)>,
    undecodable: Vec<Undecodable>,
    empty_lines: u64,
    evaluations: Evaluations,
    /// The watermark before each row.
    marks: Vec<Timestamp>,
    /// The watermark after the last.
    mark: Timestamp,
}

/// What became of a chunk.
pub(super) struct Ingested {
    pub batch: Option<Batch>,
    /// Events that the schema, their time or their key has refused.
    pub rejected: Vec<Rejected>,
    /// What was no event, and the watermark before it.
    pub undecodable: Vec<(Undecodable, Timestamp)>,
    pub empty_lines: u64,
    /// Of the expressions for time and key.
    pub evaluations: Evaluations,
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
    fn eval(&mut self, batch: &Batch, refused: &mut Vec<(u32, Reject)>) -> (Column, Texts) {
        let rows = batch.selection.to_vec();
        let mut errors = Vec::new();
        self.arena.begin(&batch.texts);
        let column = self.program.eval(batch, &rows, &[], &mut self.arena, &mut errors);
        let mut texts = batch.texts.clone();
        self.arena.finish(&mut texts);
        refused.extend(errors.iter().map(|error| (error.row, self.place.reject(error))));
        (column, texts)
    }

    /// The time of every row; none for those that were refused.
    fn times(&mut self, batch: &Batch, unit: TimeUnit, refused: &mut Vec<(u32, Reject)>) -> Vec<Timestamp> {
        let before = refused.len();
        let (column, texts) = self.eval(batch, refused);
        let mut failed: Vec<u32> = refused[before..].iter().map(|(row, _)| *row).collect();
        failed.sort_unstable();
        let mut times = vec![Timestamp::NONE; batch.rows()];
        for row in batch.selection.iter().filter(|row| failed.binary_search(row).is_err()) {
            match event_time(column.cells()[row as usize], &texts, unit) {
                Ok(time) => times[row as usize] = time,
                Err((code, message)) => refused.push((row, Reject { code, message, at: self.place.start() })),
            }
        }
        times
    }
}

/// What a source's readers share.
struct Rules {
    time: TimeRule,
    key: Option<StageExpr>,
    lag_ms: i64,
    max_future_ms: i64,
    checker: Option<Checker>,
    place: Arc<str>,
}

/// Reads chunks. It has buffers of its own, so it works on one at a time.
pub(super) struct ChunkReader {
    decoder: Decoder,
    rules: Arc<Rules>,
    check: Option<Checking>,
    time: Option<Bound>,
    key: Option<Bound>,
}

impl ChunkReader {
    pub fn new(node: &SourceNode, decoder: Decoder) -> ChunkReader {
        let ms = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let rules = Rules {
            time: node.time.clone(),
            key: node.key.clone(),
            lag_ms: ms(node.lag),
            max_future_ms: ms(node.max_future),
            checker: node.schema.as_ref().and_then(|schema| schema.checker.clone()),
            place: node.place.clone(),
        };
        ChunkReader::with(Arc::new(rules), decoder)
    }

    fn with(rules: Arc<Rules>, decoder: Decoder) -> ChunkReader {
        let layout = decoder.layout().clone();
        ChunkReader {
            check: rules.checker.as_ref().map(|checker| checker.bind(&layout)),
            time: rules.time.expr().map(|expr| Bound::new(expr, &layout)),
            key: rules.key.as_ref().map(|expr| Bound::new(expr, &layout)),
            decoder,
            rules,
        }
    }

    /// Another one of the same source, which reads the same.
    pub fn another(&self) -> ChunkReader {
        ChunkReader::with(self.rules.clone(), self.decoder.clone())
    }

    /// The place of the source in the YAML.
    pub fn place(&self) -> &Arc<str> {
        &self.rules.place
    }

    /// Decodes a chunk and finds the time and key of each event.
    pub fn read(&mut self, chunk: Chunk, wall_ms: i64) -> Read {
        let decoded = self.decoder.decode(chunk, 0);
        let mut refused = Vec::new();
        let checked = self.check(decoded.batch, &mut refused);
        let mut times = self.times(&checked, wall_ms, &mut refused);
        let (marks, mark) = self.marks(&mut times, wall_ms, &mut refused);
        let batch = Batch { times: Arc::new(times), ..checked };
        // An event without a time is refused once, whatever its key is.
        let mut good = without(batch.clone(), &refused);
        let before = refused.len();
        self.set_keys(&mut good, &mut refused);
        let good = without(good, &refused[before..]);
        // In the order of the input, so that it does not tell how events were batched.
        refused.sort_by_key(|(row, _)| *row);
        let mut evaluations = Evaluations::default();
        for (bound, rows) in [(&self.time, batch.len()), (&self.key, good.len())] {
            bound.iter().for_each(|bound| evaluations.add(bound.program.is_compiled(), rows));
        }
        let (undecodable, empty_lines) = (decoded.rejects, decoded.empty_lines);
        Read { batch, good, refused, undecodable, empty_lines, evaluations, marks, mark }
    }

    /// Refuses the events that are not what the schema says, before they can move time.
    fn check(&self, batch: Batch, refused: &mut Vec<(u32, Reject)>) -> Batch {
        let Some(check) = &self.check else { return batch };
        let reject = |message| Reject { code: codes::SCHEMA.id, message, at: self.place().clone() };
        refused.extend(check.refused(&batch).into_iter().map(|(row, message)| (row, reject(message))));
        without(batch, refused)
    }

    /// The time of each row.
    fn times(&mut self, batch: &Batch, wall_ms: i64, refused: &mut Vec<(u32, Reject)>) -> Vec<Timestamp> {
        let times = match (&self.rules.time, &mut self.time) {
            (TimeRule::None, _) => vec![Timestamp::NONE; batch.rows()],
            (TimeRule::Arrival, _) => vec![Timestamp(wall_ms); batch.rows()],
            (TimeRule::Broker, _) | (TimeRule::Expr { .. }, None) => batch.times.to_vec(),
            (TimeRule::Expr { unit, .. }, Some(bound)) => bound.times(batch, *unit, refused),
        };
        match &batch.selection {
            Selection::All(_) => times,
            // What the schema has refused has no time.
            Selection::Rows(rows) => {
                let mut left = vec![Timestamp::NONE; times.len()];
                rows.iter().for_each(|&row| left[row as usize] = times[row as usize]);
                left
            }
        }
    }

    /// The watermark before each row, and after the last. It depends on the rows alone, in their order. A time too far ahead is taken away.
    fn marks(
        &self,
        times: &mut [Timestamp],
        wall_ms: i64,
        refused: &mut Vec<(u32, Reject)>,
    ) -> (Vec<Timestamp>, Timestamp) {
        let latest = wall_ms.saturating_add(self.rules.max_future_ms);
        let mut mark = Timestamp::NONE;
        let mut marks = Vec::with_capacity(times.len());
        for (row, time) in times.iter_mut().enumerate() {
            marks.push(mark);
            if time.0 > latest {
                let message = format!(
                    "the event's time is {} ms ahead of the clock, more than `max_future` allows",
                    time.0 - wall_ms
                );
                refused.push((row as u32, Reject { code: codes::TIME_FUTURE.id, message, at: self.place().clone() }));
                *time = Timestamp::NONE;
            } else {
                mark = mark.max(time.minus(self.rules.lag_ms));
            }
        }
        (marks, mark)
    }

    fn set_keys(&mut self, batch: &mut Batch, refused: &mut Vec<(u32, Reject)>) {
        let Some(bound) = &mut self.key else { return };
        let (key, texts) = bound.eval(batch, refused);
        batch.texts = texts;
        let mut meta = (*batch.meta).clone();
        meta.key = Some(key);
        batch.meta = Arc::new(meta);
    }
}

fn without(batch: Batch, refused: &[(u32, Reject)]) -> Batch {
    if refused.is_empty() {
        return batch;
    }
    let mut bad: Vec<u32> = refused.iter().map(|(row, _)| *row).collect();
    bad.sort_unstable();
    let good = batch.selection.iter().filter(|row| bad.binary_search(row).is_err()).collect();
    batch.select(good)
}

/// Puts what was read into the order of the input.
pub(super) struct Ingest {
    /// The greatest event time so far, less the lag.
    mark: Timestamp,
}

impl Ingest {
    /// Goes on at a watermark.
    pub fn new(mark: Timestamp) -> Ingest {
        Ingest { mark }
    }

    /// The source's watermark.
    pub fn mark(&self) -> Timestamp {
        self.mark
    }

    /// Puts a chunk behind all that came before it: its watermarks are at least what these have come to.
    pub fn order(&mut self, read: Read) -> Ingested {
        let before = self.mark;
        let mut marks = read.marks;
        marks.iter_mut().for_each(|mark| *mark = before.max(*mark));
        self.mark = before.max(read.mark);
        let mark_at = |row: u32| marks.get(row as usize).copied().unwrap_or(self.mark);
        let undecodable = read.undecodable.into_iter().map(|input| {
            let mark = mark_at(input.before);
            (input, mark)
        });
        let undecodable = undecodable.collect();
        let marks = Arc::new(marks);
        let all = Batch { marks: marks.clone(), ..read.batch };
        let rejected = read.refused.into_iter().map(|(row, why)| Rejected { batch: all.select(vec![row]), row, why });
        let rejected = rejected.collect();
        let good = Batch { marks, ..read.good };
        Ingested {
            batch: (!good.is_empty()).then_some(good),
            rejected,
            undecodable,
            empty_lines: read.empty_lines,
            evaluations: read.evaluations,
            moved_to: (self.mark > before).then_some(self.mark),
        }
    }
}
