//! From batches to bytes that are ready to leave: encoding, targets, keys, headers. Pure.

use std::sync::Arc;

use crate::connectors::{Encoded, SinkPlan};
use crate::event::encode::{EncodeError, Encoder, fitting, write_cell};
use crate::event::{Batch, Cell, Column, Layout, Texts, codes, json};
use crate::expr::{Arena, Program};
use crate::flow::{Reject, Rejected};
use crate::operators::{Place, StageExpr};
use crate::plan::{SinkNode, TargetPart};

/// What one sink has taken and not yet written.
pub(super) struct Outgo {
    encoder: Encoder,
    line_end: bool,
    place: Arc<str>,
    /// For each layout of the input, the programs of target, key and headers.
    beside: Vec<Beside>,
    plan: Arc<dyn SinkPlan>,
    encoded: Encoded,
    /// The events that `encoded` holds: a batch, and the row in it.
    origins: Vec<(u32, u32)>,
    batches: Vec<Batch>,
    /// The text that `batches` refer to, in bytes; what several share is counted for each.
    held: usize,
    rejected: Vec<Rejected>,
    errors: Vec<(u32, EncodeError)>,
}

/// The expressions beside an event's body, bound to one layout.
struct Beside {
    target: Vec<Part>,
    key: Option<Bound>,
    headers: Vec<(String, Bound)>,
}

enum Part {
    Text(String),
    Expr(Bound),
}

struct Bound {
    program: Program,
    place: Place,
}

impl Outgo {
    /// Nothing yet, for a sink. `columns`: those of the CSV that it goes on with.
    pub fn new(node: &SinkNode, columns: Option<Vec<Arc<str>>>) -> Outgo {
        let columns = columns.or_else(|| match node.inputs.as_slice() {
            [layout] => layout.usual_names(),
            _ => None,
        });
        let beside = node.inputs.iter().map(|layout| Beside::new(node, layout)).collect();
        Outgo {
            encoder: Encoder::new(node.encoding.clone(), columns),
            line_end: node.plan.writes_lines(),
            place: node.place.clone(),
            beside,
            plan: node.plan.clone(),
            encoded: Encoded::default(),
            origins: Vec::new(),
            batches: Vec::new(),
            held: 0,
            rejected: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Takes what another one of the same system has not written. What goes beside its events is as it was: a key or headers that are
    /// new begin behind them.
    pub fn take_over(&mut self, other: Outgo) {
        let (new, len) = (self.beside.first(), other.encoded.len());
        self.encoded = Encoded { head: self.encoder.head().to_vec(), ..other.encoded };
        if new.is_some_and(|beside| beside.key.is_some()) {
            self.encoded.keys.resize(len, None);
        }
        if new.is_some_and(|beside| !beside.headers.is_empty()) {
            self.encoded.headers.resize(len, Vec::new());
        }
        self.origins = other.origins;
        self.batches = other.batches;
        self.held = other.held;
    }

    /// The columns of a CSV output, once they are known.
    pub fn columns(&self) -> Option<&[Arc<str>]> {
        self.encoder.columns()
    }

    /// Events that wait to be written.
    pub fn len(&self) -> usize {
        self.encoded.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// Their bytes.
    pub fn bytes(&self) -> usize {
        self.encoded.bytes.len()
    }

    /// Bytes of text that are kept so that an event can still be refused.
    pub fn held(&self) -> usize {
        self.held
    }

    /// What is to be written.
    pub fn encoded(&self) -> &Encoded {
        &self.encoded
    }

    /// The place of the sink in the YAML.
    pub fn place(&self) -> &Arc<str> {
        &self.place
    }

    /// The event that `encoded` holds as its `i`th.
    pub fn origin(&self, i: usize) -> Option<(Batch, u32)> {
        let (batch, row) = *self.origins.get(i)?;
        Some((self.batches.get(batch as usize)?.select(vec![row]), row))
    }

    /// Events that could not be encoded since the last call.
    pub fn take_rejected(&mut self) -> Vec<Rejected> {
        std::mem::take(&mut self.rejected)
    }

    /// All is written.
    pub fn clear(&mut self) {
        self.encoded.clear();
        self.origins.clear();
        self.batches.clear();
        self.held = 0;
    }

    /// Encodes the first events of a batch, at most `room`, and gives the others back.
    pub fn take(&mut self, batch: Batch, room: usize) -> Option<Batch> {
        if batch.is_empty() {
            return None;
        }
        let refused = self.rejected.len();
        let room = fitting(&batch, room);
        let mut rows = batch.selection.to_vec();
        let rest = (rows.len() > room).then(|| batch.select(rows.split_off(room)));
        let batch = if rest.is_some() { batch.select(rows) } else { batch };
        if !self.plan.reads_events() {
            self.encoded.ends.extend(batch.selection.iter().map(|_| 0));
            return rest;
        }
        let batch = self.beside(batch);
        let at = self.batches.len() as u32;
        let before = self.rejected.len();
        let Encoded { bytes, ends, .. } = &mut self.encoded;
        self.encoder.encode(&batch, self.line_end, bytes, ends, &mut self.errors);
        let failed: Vec<u32> = self.errors.iter().map(|(row, _)| *row).collect();
        for (row, error) in self.errors.drain(..) {
            let why = Reject { code: error.code.id, message: error.message, at: self.place.clone() };
            self.rejected.push(Rejected { batch: batch.select(vec![row]), row, why });
        }
        if self.rejected.len() > before {
            self.drop_beside(&batch, &failed);
        }
        let written = batch.selection.iter().filter(|row| failed.binary_search(row).is_err());
        self.origins.extend(written.map(|row| (at, row)));
        // In the order of the events, whichever of their parts was at fault.
        self.rejected[refused..].sort_by_key(|rejected| rejected.row);
        if self.encoded.head.is_empty() {
            self.encoded.head.extend_from_slice(self.encoder.head());
        }
        // A batch of which nothing is to be written is not kept: nothing would ever clear it.
        if self.origins.last().is_some_and(|(last, _)| *last == at) {
            self.held += batch.texts.size();
            self.batches.push(batch);
        }
        rest
    }

    /// Computes target, key and headers of each event; those where one fails are left out and rejected.
    fn beside(&mut self, batch: Batch) -> Batch {
        let Some(beside) = self.beside.get_mut(batch.variant as usize).filter(|beside| !beside.is_empty()) else {
            return batch;
        };
        let rows = batch.selection.to_vec();
        let mut arena = Arena::default();
        arena.begin(&batch.texts);
        let mut failed: Vec<(u32, Reject)> = Vec::new();
        let mut columns: Vec<Column> = Vec::new();
        for bound in beside.exprs_mut() {
            let mut errors = Vec::new();
            columns.push(bound.program.eval(&batch, &rows, &[], &mut arena, &mut errors));
            failed.extend(errors.iter().map(|error| (error.row, bound.place.reject(error))));
        }
        let mut texts = batch.texts.clone();
        arena.finish(&mut texts);
        let mut kept = Vec::with_capacity(rows.len());
        for row in rows {
            if failed.iter().any(|(bad, _)| *bad == row) {
                continue;
            }
            match beside.row(&columns, row, &texts, &*self.plan) {
                Ok(values) => {
                    values.put(&mut self.encoded);
                    kept.push(row);
                }
                Err(message) => {
                    failed.push((row, Reject { code: codes::TARGET_VALUE.id, message, at: self.place.clone() }));
                }
            }
        }
        failed.sort_by_key(|(row, _)| *row);
        failed.dedup_by_key(|(row, _)| *row);
        for (row, why) in failed {
            self.rejected.push(Rejected { batch: batch.select(vec![row]), row, why });
        }
        batch.select(kept)
    }

    /// Takes out what was computed beside events that then could not be encoded.
    fn drop_beside(&mut self, batch: &Batch, failed: &[u32]) {
        let Encoded { targets, keys, headers, .. } = &mut self.encoded;
        let bad: Vec<bool> = batch.selection.iter().map(|row| failed.binary_search(&row).is_ok()).collect();
        retain_last(targets, &bad);
        retain_last(keys, &bad);
        retain_last(headers, &bad);
    }
}

/// Of the last `bad.len()` items, drops the bad ones. Lists that are not used are empty.
fn retain_last<T>(items: &mut Vec<T>, bad: &[bool]) {
    let Some(start) = items.len().checked_sub(bad.len()) else { return };
    let mut at = 0;
    items.retain(|_| {
        at += 1;
        at <= start || !bad[at - start - 1]
    });
}

impl Beside {
    fn new(node: &SinkNode, layout: &Layout) -> Beside {
        let target = node.target.iter().flatten().map(|part| match part {
            TargetPart::Text(text) => Part::Text(text.clone()),
            TargetPart::Expr(expr) => Part::Expr(Bound::new(expr, layout)),
        });
        Beside {
            target: target.collect(),
            key: node.key.as_ref().map(|expr| Bound::new(expr, layout)),
            headers: node.headers.iter().map(|(name, expr)| (name.clone(), Bound::new(expr, layout))).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.target.is_empty() && self.key.is_none() && self.headers.is_empty()
    }

    /// The expressions: those of the target, the key, the headers.
    fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Bound> {
        let target = self.target.iter_mut().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Expr(bound) => Some(bound),
        });
        target.chain(&mut self.key).chain(self.headers.iter_mut().map(|(_, bound)| bound))
    }

    /// What goes beside one event, from the columns of `exprs_mut`.
    fn row(&self, columns: &[Column], row: u32, texts: &Texts, plan: &dyn SinkPlan) -> Result<BesideRow, String> {
        let mut cells = columns.iter().map(|column| column.cells()[row as usize]);
        let mut next = || text_of(cells.next().unwrap_or(Cell::Missing), texts);
        let mut values = BesideRow::default();
        if !self.target.is_empty() {
            let mut target = String::new();
            for part in &self.target {
                match part {
                    Part::Text(text) => target.push_str(text),
                    Part::Expr(_) => {
                        let value = next().ok_or("a value of the target is missing")?;
                        plan.check_target_value(&value)?;
                        target.push_str(&value);
                    }
                }
            }
            values.target = Some(target.into());
        }
        if self.key.is_some() {
            values.key = Some(next());
        }
        if !self.headers.is_empty() {
            let named = self.headers.iter().filter_map(|(name, _)| Some((name.clone(), next()?)));
            values.headers = Some(named.collect());
        }
        Ok(values)
    }
}

/// What goes beside one event.
#[derive(Default)]
struct BesideRow {
    target: Option<Arc<str>>,
    key: Option<Option<String>>,
    headers: Option<Vec<(String, String)>>,
}

impl BesideRow {
    fn put(self, encoded: &mut Encoded) {
        encoded.targets.extend(self.target);
        encoded.keys.extend(self.key);
        encoded.headers.extend(self.headers);
    }
}

impl Bound {
    fn new(expr: &StageExpr, layout: &Layout) -> Bound {
        Bound { program: expr.bind(layout), place: expr.place().clone() }
    }
}

/// A value as a text; none for a missing or null one.
fn text_of(cell: Cell, texts: &Texts) -> Option<String> {
    match cell {
        Cell::Missing | Cell::Null => None,
        Cell::Str(at) | Cell::Escaped(at) => Some(match cell {
            Cell::Escaped(_) => json::unescape(texts.bytes(at)).into_owned(),
            _ => texts.str(at).to_owned(),
        }),
        other => {
            let mut text = Vec::new();
            write_cell(&mut text, texts, other);
            String::from_utf8(text).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::connectors::DeadLetters;
    use crate::event::{BatchBuilder, Meta, Timestamp};
    use crate::operators::testing::exprs;
    use crate::plan::{Gather, Retry};

    use super::*;

    fn outgo(layout: &Arc<Layout>) -> Outgo {
        let [target, key] = exprs(&["1 / event.target", "event.n"]).try_into().unwrap_or_else(|_| unreachable!());
        Outgo::new(
            &SinkNode {
                plan: Arc::new(DeadLetters::new("unused".into(), 0, true)),
                inputs: vec![layout.clone()],
                encoding: crate::event::encode::Format::Json,
                expected: None,
                target: Some(vec![TargetPart::Text("to ".into()), TargetPart::Expr(target)]),
                key: Some(key),
                headers: Vec::new(),
                gather: Gather { events: 100, bytes: 1000, linger: Duration::ZERO },
                retry: Retry { first: Duration::ZERO, max: Duration::ZERO, attempts: None },
                place: "".into(),
            },
            None,
        )
    }

    /// Events of a number, a target that cannot be where it is 0, and a value that cannot be written where it is not finite.
    fn batch(layout: &Arc<Layout>, rows: &[(i64, i64, f64)]) -> Batch {
        let mut builder = BatchBuilder::new(layout.clone());
        for (n, target, x) in rows {
            builder.push([Cell::Int(*n), Cell::Int(*target), Cell::Float(*x)], Timestamp::NONE, Timestamp::NONE);
        }
        builder.finish(0, Arc::new(Meta::of("test".into())))
    }

    #[test]
    fn what_goes_beside_stays_with_its_event() {
        let layout = Arc::new(Layout::fields(["n", "target", "x"]));
        let mut outgo = outgo(&layout);
        let rows = [(1, 1, 1.0), (2, 0, 1.0), (3, 1, f64::NAN), (4, 1, 4.0), (5, 0, f64::NAN), (6, 1, 6.0)];
        for _ in 0..2 {
            let rest = outgo.take(batch(&layout, &rows), 5).expect("one is left");
            assert!(outgo.take(rest, 5).is_none());
        }
        let keys: Vec<_> = outgo.encoded().keys.iter().flatten().map(String::as_str).collect();
        assert_eq!(keys, ["1", "4", "6", "1", "4", "6"]);
        assert_eq!(outgo.encoded().targets.len(), 6);
        assert!(outgo.encoded().event(4).starts_with(b"{\"n\":4,"));
        assert_eq!(outgo.origin(4).map(|(_, row)| row), Some(3));
        let refused: Vec<u32> = outgo.take_rejected().iter().map(|rejected| rejected.row).collect();
        assert_eq!(refused, [1, 2, 4, 1, 2, 4]);
    }

    #[test]
    fn what_a_sink_without_a_key_left_has_none_beside_what_comes_after_it() {
        let layout = Arc::new(Layout::fields(["n", "target", "x"]));
        let (mut before, mut after) = (outgo(&layout), outgo(&layout));
        before.take(batch(&layout, &[(1, 1, 1.0), (2, 1, 1.0)]), 5);
        before.encoded.keys.clear();
        after.take_over(before);
        after.take(batch(&layout, &[(3, 1, 1.0)]), 5);
        assert_eq!(after.encoded().keys, [None, None, Some("3".to_string())]);
    }

    #[test]
    fn a_batch_that_is_refused_whole_is_not_kept() {
        let layout = Arc::new(Layout::fields(["n", "target", "x"]));
        let mut outgo = outgo(&layout);
        for _ in 0..3 {
            outgo.take(batch(&layout, &[(1, 0, 1.0), (2, 1, f64::NAN)]), 5);
        }
        assert_eq!((outgo.len(), outgo.batches.len(), outgo.held()), (0, 0, 0));
        outgo.take(batch(&layout, &[(7, 1, 1.0)]), 5);
        assert_eq!(outgo.origin(0).map(|(batch, row)| batch.cell(0, row)), Some(Cell::Int(7)));
    }
}
