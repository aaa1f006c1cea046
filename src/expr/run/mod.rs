//! Evaluation of compiled expressions: each node over a selection of rows, in buffers that are used again.
//!
//! A selection is a list of ascending rows. A node that fails for a row reports the error and takes the row out of the
//! selection, so that nothing after it runs for that row; branches run on the part of the selection that takes them.

mod binary;
mod branch;
mod call;
mod make;
mod reads;
mod select;
mod text;

use std::sync::Arc;

use rhai::Position;

use crate::event::{Batch, Cell, Column, Layout, Tag, Tags};

use super::cells::{Arena, Place, Space};
use super::compile::{Inner, Want};
use super::interpret;
use super::ir::{Compiled, Fields, Ir};
use super::program::{EvalError, wanted};
use super::value::{Call, Fail};

use reads::{Made, Now, Origin};

/// Cells of rows, valid where the selection they were made for has them.
#[derive(Debug, Default)]
pub(crate) struct Buf {
    cells: Vec<Cell>,
    tags: Tags,
}

/// The value of a node.
#[derive(Debug)]
pub(crate) enum Vector {
    /// The same in every row.
    Const(Cell),
    /// A column made once a batch, by index.
    Made(usize),
    Local(usize),
    Buf(Buf),
}

/// Where the cells of a node are.
#[derive(Clone, Copy)]
enum Source<'a> {
    Const(Cell),
    Cells(&'a [Cell]),
}

impl Source<'_> {
    #[inline(always)]
    fn at(&self, row: usize) -> Cell {
        match self {
            Source::Const(cell) => *cell,
            Source::Cells(cells) => cells.get(row).copied().unwrap_or(Cell::Missing),
        }
    }
}

/// What vectors refer to.
struct Frame {
    /// Reads, then raw reads, then what else is made once a batch.
    made: Vec<Made>,
    locals: Vec<Buf>,
}

/// What a program keeps between batches.
pub(crate) struct Machine {
    inner: Arc<Inner>,
    code: Arc<Compiled>,
    consts: Vec<Cell>,
    frame: Frame,
    pool: Vec<Vec<Cell>>,
    selections: Vec<Vec<u32>>,
    dead: Vec<bool>,
    returned: Vec<Returning>,
    call: Call,
    scratch: String,
    /// Whether a literal of this batch has a float in it that is no JSON.
    not_finite: bool,
}

/// A function that is running in place: what it has returned so far.
#[derive(Debug)]
struct Returning {
    rows: Vec<u32>,
    value: Buf,
}

/// One evaluation.
pub(crate) struct Run<'a> {
    m: &'a mut Machine,
    code: Arc<Compiled>,
    batch: &'a Batch,
    args: &'a [Column],
    top: &'a [u32],
    arena: &'a mut Arena,
    errors: &'a mut Vec<EvalError>,
    /// The call of the function that is running, the outermost first: its place, and where the innermost stands.
    sites: Vec<(Position, String, String)>,
}

impl Machine {
    pub(crate) fn new(inner: &Arc<Inner>, code: &Arc<Compiled>, layout: &Layout) -> Machine {
        let reads = code.reads.iter().map(|path| Place::of(layout, path));
        let made = [true, false]
            .into_iter()
            .flat_map(|normal| reads.clone().map(move |place| Made { origin: Origin::Read(place), normal, now: None }));
        Machine {
            inner: inner.clone(),
            code: code.clone(),
            consts: Vec::new(),
            frame: Frame { made: made.collect(), locals: Vec::new() },
            pool: Vec::new(),
            selections: Vec::new(),
            dead: Vec::new(),
            returned: Vec::new(),
            call: Call::new(inner.context.shared.limits.clone()),
            scratch: String::new(),
            not_finite: false,
        }
    }

    pub(crate) fn code(&self) -> Arc<Compiled> {
        self.code.clone()
    }

    /// Starts on a batch.
    pub(crate) fn run<'a>(
        &'a mut self,
        batch: &'a Batch,
        rows: &'a [u32],
        args: &'a [Column],
        arena: &'a mut Arena,
        errors: &'a mut Vec<EvalError>,
    ) -> Run<'a> {
        let code = self.code.clone();
        let base = arena.push(&code.text);
        self.consts.clear();
        self.consts.extend(code.consts.iter().map(|cell| match cell.text_ref() {
            Some(at) => {
                cell.with_text_ref(crate::event::TextRef { text: base.text, start: base.start + at.start, ..at })
            }
            None => *cell,
        }));
        self.not_finite = false;
        self.dead.clear();
        self.dead.resize(batch.rows(), false);
        for made in &mut self.frame.made {
            if let Some(Now::Buf(buf)) = made.now.take() {
                self.pool.push(buf.cells);
            }
        }
        self.frame.locals.resize_with(code.locals, Buf::default);
        self.frame.locals.iter_mut().for_each(|local| local.tags = Tags::NONE);
        Run { m: self, code, batch, args, top: rows, arena, errors, sites: Vec::new() }
    }
}

impl<'a> Run<'a> {
    /// Reports a failure of a row and takes it out of every selection.
    fn fail(&mut self, row: u32, fail: Fail, at: Position) {
        let source = &self.m.inner.source;
        let (offset, message) = match (self.sites.first(), self.sites.last()) {
            (Some((call, ..)), Some((_, name, file))) => {
                (source.offset(*call), format!("{}{}", fail.message, interpret::in_function(name, file, at)))
            }
            _ => (source.offset(at), fail.message),
        };
        self.errors.push(EvalError { row, code: fail.code, message, offset });
        if let Some(dead) = self.m.dead.get_mut(row as usize) {
            *dead = true;
        }
    }

    /// Reports failures, in order, and takes their rows out of a selection.
    fn fail_all(&mut self, fails: Vec<(u32, Fail)>, at: Position, rows: &mut Vec<u32>) {
        if fails.is_empty() {
            return;
        }
        for (row, fail) in fails {
            self.fail(row, fail, at);
        }
        self.drop_dead(rows);
    }

    /// Takes rows that failed or returned out of a selection.
    fn drop_dead(&self, rows: &mut Vec<u32>) {
        let dead = &self.m.dead;
        rows.retain(|row| !dead.get(*row as usize).copied().unwrap_or(true));
    }

    fn space(&self) -> Space<'_> {
        Space::new(&self.batch.texts, self.arena)
    }

    /// A buffer for all rows of the batch, with anything in it.
    fn buf(&mut self) -> Buf {
        let mut cells = self.m.pool.pop().unwrap_or_default();
        cells.resize(self.batch.rows(), Cell::Missing);
        Buf { cells, tags: Tags::NONE }
    }

    /// Gives a buffer back.
    fn free(&mut self, vector: Vector) {
        if let Vector::Buf(buf) = vector {
            self.m.pool.push(buf.cells);
        }
    }

    /// A selection of its own, with these rows.
    fn selection(&mut self, rows: &[u32]) -> Vec<u32> {
        let mut selection = self.m.selections.pop().unwrap_or_default();
        selection.clear();
        selection.extend_from_slice(rows);
        selection
    }

    fn free_selection(&mut self, rows: Vec<u32>) {
        self.m.selections.push(rows);
    }

    /// The cells of a vector.
    fn source<'s>(frame: &'s Frame, batch: &'s Batch, args: &'s [Column], vector: &'s Vector) -> Source<'s> {
        let column =
            |column: Option<&'s Column>| column.map_or(Source::Const(Cell::Missing), |c| Source::Cells(c.cells()));
        match vector {
            Vector::Const(cell) => Source::Const(*cell),
            Vector::Local(index) => {
                frame.locals.get(*index).map_or(Source::Const(Cell::Missing), |buf| Source::Cells(&buf.cells))
            }
            Vector::Buf(buf) => Source::Cells(&buf.cells),
            Vector::Made(index) => match frame.made.get(*index).and_then(|made| made.now.as_ref()) {
                Some(Now::Const(cell)) => Source::Const(*cell),
                Some(Now::Column(index)) => column(batch.columns.get(*index)),
                Some(Now::Arg(index)) => column(args.get(*index)),
                Some(Now::Buf(buf)) => Source::Cells(&buf.cells),
                None => Source::Const(Cell::Missing),
            },
        }
    }

    /// The kinds that a vector may hold.
    fn tags(&self, vector: &Vector) -> Tags {
        let column = |column: Option<&Column>| column.map_or(Tags(Tag::Missing as u16), Column::tags);
        match vector {
            Vector::Const(cell) => Tags(cell.tag() as u16),
            Vector::Local(index) => self.m.frame.locals.get(*index).map_or(Tags::NONE, |buf| buf.tags),
            Vector::Buf(buf) => buf.tags,
            Vector::Made(index) => match self.m.frame.made.get(*index).and_then(|made| made.now.as_ref()) {
                Some(Now::Const(cell)) => Tags(cell.tag() as u16),
                Some(Now::Column(index)) => column(self.batch.columns.get(*index)),
                Some(Now::Arg(index)) => column(self.args.get(*index)),
                Some(Now::Buf(buf)) => buf.tags,
                None => Tags(Tag::Missing as u16),
            },
        }
    }

    /// The result of an expression in these rows, as what it must be.
    pub(crate) fn result(&mut self, root: Option<&Ir>, rows: &[u32], want: Want) -> Column {
        let mut rows = self.selection(rows);
        let mut value = self.eval_root(root, &mut rows);
        self.check_finite(&value, &mut rows);
        match want {
            Want::Value => {}
            Want::Text => value = self.as_text(value, &mut rows),
            Want::Filter | Want::Object | Want::Array => {
                let mut fails = Vec::new();
                let source = Self::source(&self.m.frame, self.batch, self.args, &value);
                for &row in &rows {
                    if let Err(fail) = wanted(want, source.at(row as usize), &self.batch.texts, self.arena) {
                        fails.push((row, fail));
                    }
                }
                self.fail_all(fails, Position::NONE, &mut rows);
            }
        }
        let column = self.column(value, &rows, Cell::Missing);
        self.free_selection(rows);
        column
    }

    /// The rows for which a filter holds.
    pub(crate) fn filter(&mut self, root: Option<&Ir>, rows: &[u32]) -> Vec<u32> {
        let mut kept = rows.to_vec();
        match root {
            Some(root @ (Ir::Binary(..) | Ir::And(_) | Ir::Or(_))) => self.test(root, Position::NONE, &mut kept),
            _ => {
                let value = self.eval_root(root, &mut kept);
                self.check_finite(&value, &mut kept);
                self.test_vector(value, Position::NONE, &mut kept);
            }
        }
        kept
    }

    /// A column for each field; null where a field's value is missing.
    pub(crate) fn fields(&mut self, fields: &Fields, rows: &[u32]) -> Vec<Column> {
        let mut rows = self.selection(rows);
        for stmt in &fields.prelude {
            let value = self.eval(stmt, &mut rows);
            self.free(value);
        }
        let mut columns = Vec::with_capacity(fields.values.len());
        for value in &fields.values {
            let value = self.eval(value, &mut rows);
            self.check_finite(&value, &mut rows);
            columns.push(self.column(value, &rows, Cell::Null));
        }
        self.free_selection(rows);
        columns
    }

    /// Refuses results with a float in them that is no JSON.
    fn check_finite(&mut self, value: &Vector, rows: &mut Vec<u32>) {
        if !self.m.not_finite {
            return;
        }
        let mut fails = Vec::new();
        let source = Self::source(&self.m.frame, self.batch, self.args, value);
        for &row in rows.iter() {
            if let Err(fail) = make::check_finite(source.at(row as usize), &self.space()) {
                fails.push((row, fail));
            }
        }
        self.fail_all(fails, Position::NONE, rows);
    }

    /// The whole expression: a `return` outside of functions ends it.
    fn eval_root(&mut self, root: Option<&Ir>, rows: &mut Vec<u32>) -> Vector {
        let Some(root) = root else { return Vector::Const(Cell::Null) };
        self.returning(root, rows)
    }

    /// Evaluates a node for these rows; those that fail or return are taken out of them.
    pub(crate) fn eval(&mut self, ir: &Ir, rows: &mut Vec<u32>) -> Vector {
        if rows.is_empty() {
            return Vector::Const(Cell::Null);
        }
        match ir {
            Ir::Const(index) => Vector::Const(self.m.consts.get(*index).copied().unwrap_or(Cell::Null)),
            Ir::Read(index) => self.made(*index),
            Ir::Raw(index) => self.made(self.code.reads.len() + *index),
            Ir::Whole => self.made_of(&Origin::Whole),
            Ir::Meta(name) => self.made_of(&Origin::Meta(name)),
            Ir::Arg(index) => self.made_of(&Origin::Arg(*index)),
            Ir::Local(index) => Vector::Local(*index),
            Ir::Set(local, value) => {
                let value = self.eval(value, rows);
                self.set(*local, value, rows);
                Vector::Const(Cell::Null)
            }
            Ir::Unary(op, value, at) => self.unary(op, value, *at, rows),
            Ir::Binary(op, a, b, at) => self.binary(*op, a, b, *at, rows),
            Ir::And(parts) => self.and_or(parts, true, rows),
            Ir::Or(parts) => self.and_or(parts, false, rows),
            Ir::Coalesce(parts) => self.coalesce(parts, rows),
            Ir::If(parts) => self.branch(parts, rows),
            Ir::Field(value, path) => self.field(value, path, rows),
            Ir::Index(parts) => self.index(parts, rows),
            Ir::Optional(parts) => self.optional(parts, rows),
            Ir::InRange(parts) => self.in_range(parts, rows),
            Ir::Text(parts, at) => self.text(parts, *at, rows),
            Ir::Array(items, at) => self.array(items, *at, rows),
            Ir::Object(fields, at) => self.object(fields, *at, rows),
            Ir::Call(call) => self.call(call, rows),
            Ir::Block(stmts) => {
                let mut last = Vector::Const(Cell::Null);
                for stmt in stmts {
                    self.free(last);
                    last = self.eval(stmt, rows);
                }
                last
            }
            Ir::Switch(parts) => self.switch(parts, rows),
            Ir::Inline(parts) => self.inline(parts, rows),
            Ir::Return(value) => self.return_(value, rows),
            Ir::Throw(value, at) => self.throw(value, *at, rows),
        }
    }

    /// Writes a value into a variable for these rows.
    fn set(&mut self, local: usize, value: Vector, rows: &[u32]) {
        let tags = self.tags(&value);
        let Some(mut target) = self.m.frame.locals.get_mut(local).map(std::mem::take) else { return };
        target.cells.resize(self.batch.rows(), Cell::Missing);
        let source = Self::source(&self.m.frame, self.batch, self.args, &value);
        for &row in rows {
            target.cells[row as usize] = source.at(row as usize);
        }
        target.tags = target.tags | tags;
        self.m.frame.locals[local] = target;
        self.free(value);
    }

    /// A vector as a column of the batch: missing outside of `rows`.
    pub(crate) fn column(&mut self, vector: Vector, rows: &[u32], missing: Cell) -> Column {
        let tags = self.tags(&vector);
        let keep = missing == Cell::Missing || !tags.has(Tag::Missing);
        let shared = match &vector {
            Vector::Made(index) => match self.m.frame.made.get(*index).and_then(|made| made.now.as_ref()) {
                Some(Now::Column(index)) => self.batch.columns.get(*index),
                Some(Now::Arg(index)) => self.args.get(*index),
                _ => None,
            },
            _ => None,
        };
        if let (Some(column), true) = (shared, keep) {
            return column.clone();
        }
        let whole = keep && rows.len() == self.batch.rows();
        let vector = match vector {
            Vector::Buf(buf) if whole => return Column::new(buf.cells, buf.tags),
            other => other,
        };
        let mut cells = vec![Cell::Missing; self.batch.rows()];
        let source = Self::source(&self.m.frame, self.batch, self.args, &vector);
        for &row in rows {
            cells[row as usize] = match source.at(row as usize) {
                Cell::Missing => missing,
                cell => cell,
            };
        }
        self.free(vector);
        let mut tags = Tags(tags.0 | missing.tag() as u16);
        tags.add(Tag::Missing);
        Column::new(cells, tags)
    }
}
