//! The window stage at work: events are evaluated a batch at a time, placed one by one, and added to aggregates in runs.

use std::any::Any;
use std::sync::Arc;

use crate::event::{Batch, Cell, Column, Layout, Tag, Tags, Texts, Timestamp};
use crate::flow::{Fatal, Held, Operator, Output, Progress, Reject};
use crate::limits::WINDOWS_OPEN_MAX;
use crate::operators::aggregate::Aggregate;
use crate::operators::eval::{Evaluated, Evaluator, KeyTooLong, keys_full, no_time, without};
use crate::operators::key;
use crate::state::{Corrupt, Keys, Saved, Snapshot, Value};

use super::finish::Finish;
use super::folds::Folds;
use super::open::{Arrival, Emit, Full, Into, Marks, NEW, Placed, windows_full};
use super::results::Results;
use super::saved::Keep;
use super::slots::{Slot, Slots};

/// The port of events that came too late.
const LATE: usize = 1;

/// One call of an aggregate.
#[derive(Clone, Debug)]
pub struct Call {
    pub aggregate: Aggregate,
    /// Which of the arguments.
    pub arg: Option<usize>,
    /// Where it stands.
    pub at: Arc<str>,
}

/// What the operator knows of its stage.
#[derive(Clone, Debug)]
pub struct Settings {
    pub key_fields: usize,
    pub calls: Vec<Call>,
    /// The name of each call in a [`crate::state::Shape`].
    pub parts: Vec<String>,
    pub emit: Emit,
    pub lateness: i64,
    pub keys_max: usize,
    /// Whether events without time are errors.
    pub needs_time: bool,
    /// Where the stage stands.
    pub at: Arc<str>,
}

/// A window stage of one kind of windows.
pub struct Window<W> {
    pub(super) settings: Settings,
    /// The key's fields, then the arguments.
    eval: Evaluator,
    folds: Folds,
    pub(super) windows: W,
    pub(super) slots: Slots,
    results: Results,
    finish: Finish,
    /// The watermark.
    pub(super) mark: i64,
    /// The watermark before the next event, if all events so far came from one partition.
    pub(super) row_mark: i64,
    pub(super) origin: Origin,
    /// A batch that is not done.
    pending: Option<Pending>,
    /// Events in batches before.
    pub(super) arrived: u64,
    /// The kinds of values that each call has been given, for those that compare.
    pub(super) kinds: Vec<Tags>,
    run: Run,
    /// The latest event that was placed.
    pub(super) latest: i64,
    /// Before this time events went to others that were cut.
    pub(super) partial_until: i64,
    /// Whether all that is held is leaving.
    is_cutting: bool,
}

/// Where events have come from so far.
#[derive(Debug, PartialEq)]
pub(super) enum Origin {
    Nowhere,
    One(Arc<str>, Option<i64>),
    Several,
}

struct Pending {
    batch: Batch,
    args: Vec<Column>,
    texts: Texts,
    rows: Vec<u32>,
    /// The next among `rows`.
    next: usize,
    late: Vec<u32>,
}

/// Events that were placed and are not added yet, and memory that is used again for each event.
#[derive(Default)]
struct Run {
    rows: Vec<u32>,
    slots: Vec<Slot>,
    into: Into,
    held: Into,
    /// Of the rows of the pending batch.
    keys: Keys,
}

/// Why placing events stopped.
#[derive(PartialEq)]
enum Stopped {
    /// Something is due before the next event.
    Due,
    Done,
}

impl<W: Keep> Window<W> {
    /// At work on input of these layouts. `eval` has the key's fields, then the arguments.
    pub fn new(
        settings: Settings,
        eval: Evaluator,
        folds: Folds,
        windows: W,
        raw: Arc<Layout>,
        finish: Finish,
    ) -> Window<W> {
        let (key_fields, aggregates_len) = (settings.key_fields, settings.calls.len());
        let aggregates: Arc<[Aggregate]> = settings.calls.iter().map(|call| call.aggregate.clone()).collect();
        Window {
            settings,
            eval,
            folds,
            windows,
            slots: Slots::new(aggregates.clone(), WINDOWS_OPEN_MAX),
            results: Results::new(aggregates, key_fields, raw),
            finish,
            mark: i64::MIN,
            row_mark: i64::MIN,
            origin: Origin::Nowhere,
            pending: None,
            arrived: 0,
            kinds: vec![Tags::NONE; aggregates_len],
            run: Run::default(),
            latest: i64::MIN,
            partial_until: i64::MIN,
            is_cutting: false,
        }
    }

    pub(super) fn marks(&self) -> Marks {
        Marks { close: self.mark, emit: self.mark.max(self.row_mark) }
    }

    /// Fires what is due and places what is pending, until both are done or a batch of results is full.
    fn drive(&mut self, out: &mut Output) -> Progress {
        loop {
            let marks = self.marks();
            if self.windows.is_due(marks) && !self.windows.fire(marks, &mut self.slots, &mut self.results) {
                out.add_evaluations(std::mem::take(&mut self.folds.evaluations));
                self.finish.publish(&mut self.results, out);
                return Progress::More;
            }
            let Some(mut pending) = self.pending.take() else { break };
            if self.place_rows(&mut pending, out) == Stopped::Due {
                self.pending = Some(pending);
                continue;
            }
            self.arrived += pending.batch.rows() as u64;
            out.emit(LATE, pending.batch.select(pending.late));
        }
        out.add_evaluations(std::mem::take(&mut self.folds.evaluations));
        self.finish.publish(&mut self.results, out);
        if std::mem::take(&mut self.is_cutting) {
            drop((self.windows.take(), self.slots.take()));
            let latest = if self.latest == i64::MIN { i64::MIN } else { self.latest + 1 };
            self.set_partial(self.partial_until.max(latest));
        }
        Progress::Done
    }

    /// From now on results of windows that events before this time may belong to are partial.
    pub(super) fn set_partial(&mut self, until: i64) {
        self.partial_until = until;
        self.results.partial_until = if until == i64::MIN { until } else { until.saturating_add(self.windows.reach()) };
    }

    /// Whether an event may be refused for what is held already. Values of one kind can always be compared.
    fn is_guarded(&self) -> bool {
        let calls = self.settings.calls.iter().zip(&self.kinds);
        calls.into_iter().any(
            |(call, kinds)| {
                if call.aggregate.is_ordered() { is_mixed(*kinds) } else { call.aggregate.is_guarded() }
            },
        )
    }

    fn place_rows(&mut self, pending: &mut Pending, out: &mut Output) -> Stopped {
        let by_rows = self.settings.emit != Emit::Final && self.origin != Origin::Several;
        let is_guarded = self.is_guarded();
        let mut stopped = Stopped::Done;
        while let Some(&row) = pending.rows.get(pending.next) {
            let mark = pending.batch.marks[row as usize].0;
            if by_rows && mark > self.row_mark {
                self.row_mark = mark;
                if self.windows.is_due(self.marks()) {
                    stopped = Stopped::Due;
                    break;
                }
            }
            let nth = pending.next;
            pending.next += 1;
            match self.place(pending, nth, mark, is_guarded) {
                Ok(Placed::In) => {}
                Ok(Placed::Firing) => {
                    stopped = Stopped::Due;
                    break;
                }
                Ok(Placed::Late) => pending.late.push(row),
                Ok(Placed::Unsettled) => {
                    pending.next -= 1;
                    self.add_run(pending);
                }
                Err(why) => out.reject(&pending.batch, row, why),
            }
            if is_guarded {
                self.add_run(pending);
            }
        }
        self.add_run(pending);
        stopped
    }

    /// Finds the windows of the event in this place among the rows, and notes that it is to be added to them.
    fn place(&mut self, pending: &Pending, nth: usize, mark: i64, is_guarded: bool) -> Result<Placed, Reject> {
        let at = &self.settings.at;
        let row = pending.rows[nth];
        let keys = &self.run.keys;
        if let Some(len) = keys.too_long(nth) {
            return Err(KeyTooLong(len).reject(at));
        }
        let time = pending.batch.times[row as usize];
        if self.settings.needs_time && !time.is_some() {
            return Err(no_time(at));
        }
        let marks = self.marks();
        let is_settled = self.run.rows.is_empty();
        let (key, floats) = (keys.probe(nth), keys.floats(nth));
        let event = Arrival { key, floats, time: time.0, mark: mark.max(self.mark), marks, is_settled };
        self.run.into.clear();
        if is_guarded {
            self.run.held.clear();
            self.windows.candidates(&event, &mut self.run.held);
            check(&self.settings.calls, &self.slots, &self.run.held, pending, row)?;
            let args = (&pending.args[..], &pending.texts);
            self.folds.run(&pending.batch, row, &self.slots, &self.run.held, args)?;
        }
        let placed = match self.windows.place(&event, &mut self.slots, &mut self.run.into) {
            Ok(placed) => placed,
            Err(Full::Keys) => return Err(keys_full(self.settings.keys_max, "`keys_max` (or `limits.keys`)", at)),
            Err(Full::Windows) => return Err(windows_full(at)),
        };
        self.folds.set(&mut self.slots, &self.run.into);
        if placed != Placed::Late {
            self.latest = self.latest.max(time.0);
        }
        for slot in &self.run.into {
            self.run.rows.push(row);
            self.run.slots.push(*slot);
        }
        Ok(placed)
    }

    /// Adds the events of the run to every aggregate.
    fn add_run(&mut self, pending: &Pending) {
        if self.run.rows.is_empty() {
            return;
        }
        for (i, call) in self.settings.calls.iter().enumerate() {
            let column = call.arg.and_then(|arg| pending.args.get(arg)).map_or(&[][..], Column::cells);
            self.slots.update(i, &self.run.slots, &self.run.rows, column, &pending.texts, self.arrived);
        }
        self.run.rows.clear();
        self.run.slots.clear();
    }

    /// Reads the text of numbers, and rejects the events whose arguments an aggregate cannot take at all.
    fn prepare(&mut self, batch: Batch, evaluated: Evaluated, out: &mut Output) -> Pending {
        let Evaluated { columns: mut keys, texts, mut rows } = evaluated;
        let mut args = keys.split_off(self.settings.key_fields.min(keys.len()));
        for (i, column) in args.iter_mut().enumerate() {
            let calls = || self.settings.calls.iter().filter(move |call| call.arg == Some(i));
            if column.tags().has(Tag::Number) && calls().any(|call| call.aggregate.reads_values()) {
                *column = read_numbers(column, &texts, &rows);
            }
            for call in calls().filter(|call| call.aggregate.is_choosy()) {
                refuse(call, column, &batch, &mut rows, out);
            }
        }
        for (call, kinds) in self.settings.calls.iter().zip(&mut self.kinds) {
            if let (true, Some(column)) = (call.aggregate.is_ordered(), call.arg.and_then(|arg| args.get(arg))) {
                rows.iter().filter_map(|row| column.cells().get(*row as usize)).for_each(|cell| kinds.add(cell.tag()));
            }
        }
        key::of_rows(&keys, &texts, &rows, &mut self.run.keys);
        self.windows.find_all(&mut self.run.keys);
        Pending { batch, args, texts, rows, next: 0, late: Vec::new() }
    }

    fn note_origin(&mut self, batch: &Batch) {
        let meta = &batch.meta;
        match &self.origin {
            Origin::Nowhere => self.origin = Origin::One(meta.source.clone(), meta.partition),
            Origin::One(source, partition) if *source == meta.source && *partition == meta.partition => {}
            Origin::One(..) | Origin::Several => self.origin = Origin::Several,
        }
    }
}

/// Kinds of cells that every aggregate takes.
const ALWAYS_TAKEN: Tags = Tags(Tag::Missing as u16 | Tag::Null as u16 | Tag::Int as u16);

/// Whether there are values among these that cannot be compared with each other.
fn is_mixed(kinds: Tags) -> bool {
    let numbers = kinds.has(Tag::Int) || kinds.has(Tag::Float) || kinds.has(Tag::Number);
    let strings = kinds.has(Tag::Str) || kinds.has(Tag::Escaped);
    u8::from(numbers) + u8::from(strings) + u8::from(kinds.has(Tag::Bool)) > 1
}

/// Rejects the events whose argument is of a kind that the aggregate cannot take.
fn refuse(call: &Call, column: &Column, batch: &Batch, rows: &mut Vec<u32>, out: &mut Output) {
    if column.tags().only(ALWAYS_TAKEN) {
        return;
    }
    let mut refused = Vec::new();
    for &row in rows.iter() {
        let cell = column.cells().get(row as usize).copied().unwrap_or(Cell::Missing);
        if let Err(why) = call.aggregate.check_kind(cell) {
            out.reject(batch, row, Reject { code: why.code, message: why.message, at: call.at.clone() });
            refused.push(row);
        }
    }
    if !refused.is_empty() {
        without(rows, &refused);
    }
}

/// The column with floats in place of their text. Numbers that no float can hold stay text.
fn read_numbers(column: &Column, texts: &Texts, rows: &[u32]) -> Column {
    let mut cells = column.cells().to_vec();
    for row in rows {
        let cell = &mut cells[*row as usize];
        if let Cell::Number(at) = *cell
            && let Value::Float(float) = Value::of_number(texts.bytes(at))
        {
            *cell = Cell::Float(float);
        }
    }
    Column::from(cells)
}

/// Whether what the slots hold can take the event.
fn check(calls: &[Call], slots: &Slots, held: &[Slot], pending: &Pending, row: u32) -> Result<(), Reject> {
    for (i, call) in calls.iter().enumerate().filter(|(_, call)| call.aggregate.is_guarded()) {
        let column = call.arg.and_then(|arg| pending.args.get(arg));
        let cell = column.and_then(|column| column.cells().get(row as usize)).copied().unwrap_or(Cell::Missing);
        for &slot in held.iter().filter(|slot| **slot != NEW) {
            let refused =
                |why: crate::expr::value::Fail| Reject { code: why.code, message: why.message, at: call.at.clone() };
            slots.check(slot, i, cell, &pending.texts).map_err(refused)?;
        }
    }
    Ok(())
}

impl<W: Keep> Operator for Window<W> {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<Progress, Fatal> {
        debug_assert!(self.pending.is_none(), "the batch before is not done");
        self.note_origin(&batch);
        let evaluated = self.eval.eval(&batch, batch.selection.to_vec(), out);
        self.pending = Some(self.prepare(batch, evaluated, out));
        Ok(self.drive(out))
    }

    fn on_watermark(&mut self, mark: Timestamp, out: &mut Output) -> Result<Progress, Fatal> {
        self.mark = self.mark.max(mark.0);
        Ok(self.drive(out))
    }

    fn resume(&mut self, out: &mut Output) -> Result<Progress, Fatal> {
        Ok(self.drive(out))
    }

    fn cut(&mut self, out: &mut Output) -> Result<Progress, Fatal> {
        debug_assert!(self.pending.is_none(), "the batch before is not done");
        self.is_cutting = true;
        self.results.partial_until = i64::MAX;
        self.windows.cut();
        Ok(self.drive(out))
    }

    fn cut_until(&self) -> Option<i64> {
        (self.partial_until > i64::MIN).then_some(self.partial_until)
    }

    fn begin_partial(&mut self, until: i64) {
        self.set_partial(self.partial_until.max(until));
    }

    fn output_mark(&self, mark: Timestamp) -> Timestamp {
        mark.minus(self.settings.lateness)
    }

    fn snapshot(&mut self, into: &mut Snapshot) {
        debug_assert!(self.pending.is_none(), "the batch before is not done");
        self.save(into);
    }

    fn restore(&mut self, saved: &Saved) -> Result<(), Corrupt> {
        self.load(saved)
    }

    fn give(&mut self) -> Option<Box<dyn Any + Send>> {
        Some(self.move_out())
    }

    fn adopt(&mut self, state: Box<dyn Any + Send>) -> bool {
        self.move_in(state)
    }

    fn held(&self) -> Held {
        self.windows.held(&self.slots)
    }
}
