//! Conditions: which rows of a selection they hold for, without a column of bools where that can be.

use rhai::Position;

use crate::event::Cell;
use crate::expr::codes;
use crate::expr::ir::{If, Ir};
use crate::expr::ops;
use crate::expr::value::Fail;

use super::binary::compare_rows;
use super::{Run, Vector};

impl Run<'_> {
    /// Keeps the rows for which a condition holds. Rows for which it is no bool fail at `at`.
    pub(crate) fn test(&mut self, ir: &Ir, at: Position, rows: &mut Vec<u32>) {
        match ir {
            Ir::Binary(op, a, b, place) if op.is_comparison() => {
                let a = self.eval(a, rows);
                let b = self.eval(b, rows);
                let mut rest = self.selection(&[]);
                let mut kept = self.selection(&[]);
                let left = Self::source(&self.m.frame, self.batch, self.args, &a);
                let right = Self::source(&self.m.frame, self.batch, self.args, &b);
                compare_rows(*op, left, right, &self.space(), rows, |row, result| match result {
                    Some(true) => kept.push(row),
                    Some(false) => {}
                    None => rest.push(row),
                });
                std::mem::swap(rows, &mut kept);
                if !rest.is_empty() {
                    let mut fails = Vec::new();
                    kept.clear();
                    for &row in &rest {
                        let x = Self::source(&self.m.frame, self.batch, self.args, &a).at(row as usize);
                        let y = Self::source(&self.m.frame, self.batch, self.args, &b).at(row as usize);
                        match self.compare_one(*op, x, y) {
                            Ok(true) => kept.push(row),
                            Ok(false) => {}
                            Err(fail) => fails.push((row, fail)),
                        }
                    }
                    merge(rows, &kept);
                    self.fail_all(fails, *place, rows);
                }
                self.free_selection(rest);
                self.free_selection(kept);
                self.free(a);
                self.free(b);
            }
            Ir::And(parts) => {
                for (part, at) in parts {
                    self.test(part, *at, rows);
                }
            }
            Ir::Or(parts) => {
                let mut open = self.selection(rows);
                rows.clear();
                for (part, at) in parts {
                    let mut taken = self.selection(&open);
                    self.test(part, *at, &mut taken);
                    self.drop_dead(&mut open);
                    subtract(&mut open, &taken);
                    merge(rows, &taken);
                    self.free_selection(taken);
                }
                self.free_selection(open);
            }
            _ => {
                let value = self.eval(ir, rows);
                self.test_vector(value, at, rows);
            }
        }
    }

    fn compare_one(&self, op: ops::Op, x: Cell, y: Cell) -> Result<bool, Fail> {
        let space = self.space();
        match ops::binary(op, space.value(x), space.value(y), &mut String::new()) {
            Some(result) => result.map(|returned| ops::to_dynamic(returned, "").as_bool().unwrap_or(false)),
            None => ops::binary_dynamic(op, &space.dynamic(x), &space.dynamic(y))
                .map(|same| same.as_bool().unwrap_or(false)),
        }
    }

    pub(super) fn test_vector(&mut self, value: Vector, at: Position, rows: &mut Vec<u32>) {
        let mut fails = Vec::new();
        let source = Self::source(&self.m.frame, self.batch, self.args, &value);
        let space = self.space();
        rows.retain(|row| match source.at(*row as usize) {
            Cell::Bool(bool) => bool,
            other => {
                let kind = ops::article(&space.value(other).kind().to_string());
                fails
                    .push((*row, Fail::new(codes::NOT_BOOL, format!("a condition must be true or false, not {kind}"))));
                false
            }
        });
        self.free(value);
        for (row, fail) in fails {
            self.fail(row, fail, at);
        }
    }

    /// `a && b` or `a || b` as a value.
    pub(super) fn and_or(&mut self, parts: &[(Ir, Position)], and: bool, rows: &mut Vec<u32>) -> Vector {
        let mut buf = self.buf();
        for &row in rows.iter() {
            buf.cells[row as usize] = Cell::Bool(and);
        }
        buf.tags = crate::event::Tags::BOOL;
        let mut open = self.selection(rows);
        for (part, at) in parts {
            let mut held = self.selection(&open);
            self.test(part, *at, &mut held);
            self.drop_dead(&mut open);
            // Those that it holds for go on with `&&`; with `||` the others do.
            if and {
                std::mem::swap(&mut open, &mut held);
                subtract(&mut held, &open);
            } else {
                subtract(&mut open, &held);
            }
            for &row in &held {
                buf.cells[row as usize] = Cell::Bool(!and);
            }
            self.free_selection(held);
        }
        for &row in &open {
            buf.cells[row as usize] = Cell::Bool(and);
        }
        self.free_selection(open);
        self.drop_dead(rows);
        Vector::Buf(buf)
    }

    /// `if`: each branch on its rows.
    pub(super) fn branch(&mut self, parts: &If, rows: &mut Vec<u32>) -> Vector {
        let mut then = self.selection(rows);
        self.test(&parts.condition, parts.at, &mut then);
        self.drop_dead(rows);
        let mut otherwise = self.selection(rows);
        subtract(&mut otherwise, &then);
        let mut buf = self.buf();
        for (ir, part) in [(&parts.then, &mut then), (&parts.otherwise, &mut otherwise)] {
            if !part.is_empty() {
                let value = self.eval(ir, part);
                self.write(&mut buf, value, part);
            }
        }
        self.free_selection(then);
        self.free_selection(otherwise);
        self.drop_dead(rows);
        Vector::Buf(buf)
    }

    /// Writes a value into a buffer for these rows.
    pub(super) fn write(&mut self, buf: &mut super::Buf, value: Vector, rows: &[u32]) {
        buf.tags = buf.tags | self.tags(&value);
        let source = Self::source(&self.m.frame, self.batch, self.args, &value);
        for &row in rows {
            buf.cells[row as usize] = source.at(row as usize);
        }
        self.free(value);
    }
}

/// Takes the rows of a sorted list out of another.
pub(super) fn subtract(rows: &mut Vec<u32>, minus: &[u32]) {
    let mut minus = minus.iter().peekable();
    rows.retain(|row| {
        while minus.next_if(|have| *have < row).is_some() {}
        minus.peek() != Some(&row)
    });
}

/// Adds the rows of a sorted list to another, which shares none with it.
pub(super) fn merge(rows: &mut Vec<u32>, more: &[u32]) {
    if more.is_empty() {
        return;
    }
    let sorted = rows.last() < more.first();
    rows.extend_from_slice(more);
    if !sorted {
        // Two runs, which the sort merges.
        rows.sort();
    }
}
