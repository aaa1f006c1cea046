//! Operators: a fast loop over the kinds of cells that are usual, and one implementation for all the others.

use rhai::Position;

use crate::event::{Cell, Tag, Tags};
use crate::expr::call;
use crate::expr::cells::{self, Space};
use crate::expr::ir::Ir;
use crate::expr::ops::{self, Op};
use crate::expr::value::{Fail, Returned, Value};

use super::{Buf, Run, Source, Vector};

impl Run<'_> {
    pub(super) fn unary(&mut self, op: &str, value: &Ir, at: Position, rows: &mut Vec<u32>) -> Vector {
        let value = self.eval(value, rows);
        let mut buf = self.buf();
        let mut fails = Vec::new();
        let source = Self::source(&self.m.frame, self.batch, self.args, &value);
        let space = self.space();
        for &row in rows.iter() {
            match self.unary_cell(op, source.at(row as usize), &space) {
                Ok(cell) => buf.cells[row as usize] = cell,
                Err(fail) => fails.push((row, fail)),
            }
        }
        buf.tags = Tags(Tag::Bool as u16 | Tag::Int as u16 | Tag::Float as u16);
        self.free(value);
        self.fail_all(fails, at, rows);
        Vector::Buf(buf)
    }

    fn unary_cell(&self, op: &str, cell: Cell, space: &Space<'_>) -> Result<Cell, Fail> {
        let result = match space.value(cell) {
            Value::Array(_) | Value::Object(_) => ops::unary_dynamic(op, &space.dynamic(cell)).map(|_| Value::Unit),
            value => ops::unary(op, value),
        };
        Ok(match result? {
            Value::Bool(bool) => Cell::Bool(bool),
            Value::Int(int) => Cell::Int(int),
            Value::Float(float) => Cell::Float(float),
            _ => Cell::Null,
        })
    }

    pub(super) fn binary(&mut self, op: Op, a: &Ir, b: &Ir, at: Position, rows: &mut Vec<u32>) -> Vector {
        let a = self.eval(a, rows);
        let b = self.eval(b, rows);
        let mut buf = self.buf();
        let mut rest = self.selection(&[]);
        let str = Tags(Tag::Str as u16);
        if op == Op::Add && (self.tags(&a).only(str) || self.tags(&b).only(str)) {
            buf.tags = str;
            self.concat((&a, &b), rows, &mut buf.cells, &mut rest);
            return self.binary_end(op, (a, b), rest, buf, at, rows);
        }
        let left = Self::source(&self.m.frame, self.batch, self.args, &a);
        let right = Self::source(&self.m.frame, self.batch, self.args, &b);
        let space = self.space();
        if op.is_comparison() {
            let write = |out: &mut Cell, same: bool| *out = Cell::Bool(same);
            compare_rows(op, left, right, &space, rows, |row, result| match result {
                Some(result) => write(&mut buf.cells[row as usize], result),
                None => rest.push(row),
            });
            buf.tags = Tags::BOOL;
        } else {
            arithmetic(op, left, right, rows, &mut buf.cells, &mut rest);
            buf.tags = Tags(Tag::Int as u16 | Tag::Float as u16);
        }
        self.binary_end(op, (a, b), rest, buf, at, rows)
    }

    /// Computes what the fast loop left.
    fn binary_end(
        &mut self,
        op: Op,
        (a, b): (Vector, Vector),
        rest: Vec<u32>,
        mut buf: Buf,
        at: Position,
        rows: &mut Vec<u32>,
    ) -> Vector {
        if !rest.is_empty() {
            self.binary_rest(op, (&a, &b), &rest, &mut buf, at, rows);
        }
        self.free_selection(rest);
        self.free(a);
        self.free(b);
        Vector::Buf(buf)
    }

    /// The rows that the fast loop left: strings, nulls, objects, and what fails.
    fn binary_rest(
        &mut self,
        op: Op,
        (a, b): (&Vector, &Vector),
        rest: &[u32],
        buf: &mut Buf,
        at: Position,
        rows: &mut Vec<u32>,
    ) {
        let mut fails = Vec::new();
        let mut text = std::mem::take(&mut self.m.scratch);
        let left = Self::source(&self.m.frame, self.batch, self.args, a);
        let right = Self::source(&self.m.frame, self.batch, self.args, b);
        for &row in rest {
            text.clear();
            let (x, y) = (left.at(row as usize), right.at(row as usize));
            let result = match one(op, x, y, &Space::new(&self.batch.texts, self.arena), &mut text) {
                Ok(Outcome::Cell(cell)) => Ok(cell),
                Ok(Outcome::Text) => self
                    .m
                    .call
                    .room(text.len())
                    .and_then(|()| self.arena.room())
                    .map(|()| Cell::Str(self.arena.push(&text))),
                Ok(Outcome::Dynamic(value)) => call::check_sizes(&value, &self.m.call.limits)
                    .and_then(|()| cells::from_dynamic(&value, self.arena)),
                Err(fail) => Err(fail),
            };
            match result {
                Ok(cell) => {
                    buf.tags.add(cell.tag());
                    buf.cells[row as usize] = cell;
                }
                Err(fail) => fails.push((row, fail)),
            }
        }
        self.m.scratch = text;
        self.fail_all(fails, at, rows);
    }
}

/// One application of an operator, by its only definition.
fn one(op: Op, x: Cell, y: Cell, space: &Space<'_>, text: &mut String) -> Result<Outcome, Fail> {
    // `() + text` is the text itself.
    if op == Op::Add && x.is_unit() && matches!(y, Cell::Str(_)) {
        return Ok(Outcome::Cell(y));
    }
    match ops::binary(op, space.value(x), space.value(y), text) {
        Some(result) => Ok(match result? {
            Returned::Text | Returned::Json => Outcome::Text,
            Returned::Value(value) => Outcome::Cell(match value {
                Value::Bool(bool) => Cell::Bool(bool),
                Value::Int(int) => Cell::Int(int),
                Value::Float(float) => Cell::Float(float),
                _ => Cell::Null,
            }),
        }),
        None => ops::binary_dynamic(op, &space.dynamic(x), &space.dynamic(y)).map(Outcome::Dynamic),
    }
}

enum Outcome {
    Cell(Cell),
    Text,
    Dynamic(rhai::Dynamic),
}

/// Arithmetic on ints and floats; rows with anything else, or an overflow, are left to `rest`.
fn arithmetic(op: Op, a: Source<'_>, b: Source<'_>, rows: &[u32], out: &mut [Cell], rest: &mut Vec<u32>) {
    match op {
        Op::Add => numbers(a, b, rows, out, rest, i64::checked_add, |a, b| a + b),
        Op::Sub => numbers(a, b, rows, out, rest, i64::checked_sub, |a, b| a - b),
        Op::Mul => numbers(a, b, rows, out, rest, i64::checked_mul, |a, b| a * b),
        Op::Div => numbers(a, b, rows, out, rest, i64::checked_div, |a, b| a / b),
        Op::Rem => numbers(a, b, rows, out, rest, i64::checked_rem, |a, b| a % b),
        _ => rest.extend_from_slice(rows),
    }
}

#[inline(always)]
fn numbers(
    a: Source<'_>,
    b: Source<'_>,
    rows: &[u32],
    out: &mut [Cell],
    rest: &mut Vec<u32>,
    ints: impl Fn(i64, i64) -> Option<i64>,
    floats: impl Fn(f64, f64) -> f64,
) {
    let one = |x: Cell, y: Cell| match (x, y) {
        (Cell::Int(x), Cell::Int(y)) => ints(x, y).map(Cell::Int),
        (Cell::Float(x), Cell::Float(y)) => Some(Cell::Float(floats(x, y))),
        (Cell::Float(x), Cell::Int(y)) => Some(Cell::Float(floats(x, y as f64))),
        (Cell::Int(x), Cell::Float(y)) => Some(Cell::Float(floats(x as f64, y))),
        _ => None,
    };
    let mut put = |row: u32, x: Cell, y: Cell| match one(x, y) {
        Some(cell) => out[row as usize] = cell,
        None => rest.push(row),
    };
    match (a, b) {
        (Source::Cells(a), Source::Cells(b)) => {
            rows.iter().for_each(|row| put(*row, a[*row as usize], b[*row as usize]))
        }
        (Source::Cells(a), Source::Const(y)) => rows.iter().for_each(|row| put(*row, a[*row as usize], y)),
        (Source::Const(x), Source::Cells(b)) => rows.iter().for_each(|row| put(*row, x, b[*row as usize])),
        (Source::Const(x), Source::Const(y)) => rows.iter().for_each(|row| put(*row, x, y)),
    }
}

/// Compares rows; `None` where the general definition must judge.
pub(super) fn compare_rows(
    op: Op,
    a: Source<'_>,
    b: Source<'_>,
    space: &Space<'_>,
    rows: &[u32],
    mut each: impl FnMut(u32, Option<bool>),
) {
    match (a, b) {
        (Source::Cells(a), Source::Const(Cell::Int(y))) => {
            for &row in rows {
                let result = match a[row as usize] {
                    Cell::Int(x) => Some(order(op, x.cmp(&y))),
                    Cell::Float(x) => Some(compare_floats(op, x, y as f64)),
                    _ => None,
                };
                each(row, result);
            }
        }
        (Source::Cells(a), Source::Const(Cell::Float(y))) => {
            for &row in rows {
                let result = match a[row as usize] {
                    Cell::Int(x) => Some(compare_floats(op, x as f64, y)),
                    Cell::Float(x) => Some(compare_floats(op, x, y)),
                    _ => None,
                };
                each(row, result);
            }
        }
        (Source::Cells(a), Source::Const(Cell::Str(y))) => {
            let y = space.bytes(y);
            for &row in rows {
                let result = match a[row as usize] {
                    Cell::Str(x) => Some(compare_bytes(op, space.bytes(x), y)),
                    _ => None,
                };
                each(row, result);
            }
        }
        _ => rows.iter().for_each(|&row| each(row, compare(op, a.at(row as usize), b.at(row as usize), space))),
    }
}

/// Compares two usual cells.
fn compare(op: Op, x: Cell, y: Cell, space: &Space<'_>) -> Option<bool> {
    Some(match (x, y) {
        (Cell::Int(x), Cell::Int(y)) => order(op, x.cmp(&y)),
        (Cell::Int(x), Cell::Float(y)) => compare_floats(op, x as f64, y),
        (Cell::Float(x), Cell::Int(y)) => compare_floats(op, x, y as f64),
        (Cell::Float(x), Cell::Float(y)) => compare_floats(op, x, y),
        (Cell::Str(x), Cell::Str(y)) => compare_bytes(op, space.bytes(x), space.bytes(y)),
        (Cell::Missing | Cell::Null, Cell::Missing | Cell::Null) if !op.is_order() => op == Op::Eq,
        (Cell::Missing | Cell::Null, Cell::Str(_) | Cell::Int(_) | Cell::Float(_))
        | (Cell::Str(_) | Cell::Int(_) | Cell::Float(_), Cell::Missing | Cell::Null)
            if !op.is_order() =>
        {
            op == Op::Ne
        }
        _ => return None,
    })
}

/// Rhai's comparison of floats; far apart, the plain one gives the same without its division.
#[inline(always)]
fn compare_floats(op: Op, x: f64, y: f64) -> bool {
    let apart = (x - y).abs();
    if apart > 1e-9 * (x.abs() + y.abs()) && apart > 1e-9 && apart < f64::INFINITY {
        return match op {
            Op::Eq => false,
            Op::Ne => true,
            Op::Lt | Op::Le => x < y,
            _ => x > y,
        };
    }
    ops::compare_floats(op, x, y)
}

#[inline(always)]
fn compare_bytes(op: Op, x: &[u8], y: &[u8]) -> bool {
    match op {
        Op::Eq => x == y,
        Op::Ne => x != y,
        _ => order(op, x.cmp(y)),
    }
}

#[inline(always)]
fn order(op: Op, order: std::cmp::Ordering) -> bool {
    match op {
        Op::Eq => order.is_eq(),
        Op::Ne => order.is_ne(),
        Op::Lt => order.is_lt(),
        Op::Le => order.is_le(),
        Op::Gt => order.is_gt(),
        _ => order.is_ge(),
    }
}
