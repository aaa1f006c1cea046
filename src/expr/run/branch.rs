//! What depends on the row: `??`, `?.`, `switch`, functions in place with their `return`, `throw`.

use rhai::Position;

use crate::event::Cell;
use crate::expr::cells::Space;
use crate::expr::codes;
use crate::expr::ir::{Case, Inline, Ir, Optional, Switch};
use crate::expr::ops;
use crate::expr::value::Fail;

use super::select::subtract;
use super::{Returning, Run, Vector};

impl Run<'_> {
    pub(super) fn coalesce(&mut self, parts: &[Ir], rows: &mut Vec<u32>) -> Vector {
        let mut buf = self.buf();
        let mut open = self.selection(rows);
        for part in parts {
            if open.is_empty() {
                break;
            }
            let value = self.eval(part, &mut open);
            self.write(&mut buf, value, &open);
            let cells = &buf.cells;
            open.retain(|row| cells[*row as usize].is_unit());
        }
        self.free_selection(open);
        self.drop_dead(rows);
        Vector::Buf(buf)
    }

    pub(super) fn optional(&mut self, parts: &Optional, rows: &mut Vec<u32>) -> Vector {
        let value = self.eval(&parts.value, rows);
        self.set(parts.local, value, rows);
        let mut there = self.selection(rows);
        let mut buf = self.buf();
        if let Some(local) = self.m.frame.locals.get(parts.local) {
            there.retain(|row| !local.cells[*row as usize].is_unit());
        }
        for &row in rows.iter() {
            buf.cells[row as usize] = Cell::Null;
        }
        buf.tags.add(crate::event::Tag::Null);
        let rest = self.eval(&parts.rest, &mut there);
        self.write(&mut buf, rest, &there);
        self.free_selection(there);
        self.drop_dead(rows);
        Vector::Buf(buf)
    }

    pub(super) fn switch(&mut self, parts: &Switch, rows: &mut Vec<u32>) -> Vector {
        let value = self.eval(&parts.value, rows);
        self.set(parts.local, value, rows);
        let mut buf = self.buf();
        let mut open = self.selection(rows);
        for arm in &parts.arms {
            let mut taken = self.selection(&open);
            if let Some(local) = self.m.frame.locals.get(parts.local) {
                let space = Space::new(&self.batch.texts, self.arena);
                taken.retain(|row| arm.cases.iter().any(|case| is_case(case, local.cells[*row as usize], &space)));
            }
            if let Some((condition, at)) = &arm.condition {
                self.test(condition, *at, &mut taken);
                self.drop_dead(&mut open);
            }
            subtract(&mut open, &taken);
            if !taken.is_empty() {
                let value = self.eval(&arm.body, &mut taken);
                self.write(&mut buf, value, &taken);
            }
            self.free_selection(taken);
        }
        if !open.is_empty() {
            let value = self.eval(&parts.otherwise, &mut open);
            self.write(&mut buf, value, &open);
        }
        self.free_selection(open);
        self.drop_dead(rows);
        Vector::Buf(buf)
    }

    pub(super) fn inline(&mut self, parts: &Inline, rows: &mut Vec<u32>) -> Vector {
        self.sites.push((parts.at, parts.name.clone(), parts.file.clone()));
        let value = self.returning(&parts.body, rows);
        self.sites.pop();
        value
    }

    /// Evaluates what a `return` ends.
    pub(super) fn returning(&mut self, body: &Ir, rows: &mut Vec<u32>) -> Vector {
        let returning = Returning { rows: self.selection(&[]), value: self.buf() };
        self.m.returned.push(returning);
        let mut running = self.selection(rows);
        let value = self.eval(body, &mut running);
        let Some(mut returning) = self.m.returned.pop() else { return value };
        if returning.rows.is_empty() {
            // The usual case: the value is where it is.
            std::mem::swap(rows, &mut running);
            self.free_selection(running);
            self.free_selection(returning.rows);
            self.free(Vector::Buf(returning.value));
            return value;
        }
        self.write(&mut returning.value, value, &running);
        for &row in &returning.rows {
            if let Some(dead) = self.m.dead.get_mut(row as usize) {
                *dead = false;
            }
        }
        self.free_selection(running);
        self.free_selection(returning.rows);
        self.drop_dead(rows);
        Vector::Buf(returning.value)
    }

    /// Ends the innermost function in place for these rows.
    pub(super) fn return_(&mut self, value: &Ir, rows: &mut Vec<u32>) -> Vector {
        let value = self.eval(value, rows);
        if let Some(mut returning) = self.m.returned.pop() {
            self.write(&mut returning.value, value, rows);
            returning.rows.extend_from_slice(rows);
            self.m.returned.push(returning);
        }
        for row in rows.drain(..) {
            if let Some(dead) = self.m.dead.get_mut(row as usize) {
                *dead = true;
            }
        }
        Vector::Const(Cell::Null)
    }

    pub(super) fn throw(&mut self, value: &Ir, at: Position, rows: &mut Vec<u32>) -> Vector {
        let value = self.eval(value, rows);
        let mut fails = Vec::new();
        let source = Self::source(&self.m.frame, self.batch, self.args, &value);
        let space = self.space();
        for &row in rows.iter() {
            let mut text = String::new();
            ops::write_text(space.value(source.at(row as usize)), &mut text);
            fails.push((row, Fail::new(codes::THROWN, text)));
        }
        self.free(value);
        self.fail_all(fails, at, rows);
        Vector::Const(Cell::Null)
    }
}

fn is_case(case: &Case, cell: Cell, space: &Space<'_>) -> bool {
    match (case, cell) {
        (Case::Unit, Cell::Missing | Cell::Null) => true,
        (Case::Bool(want), Cell::Bool(have)) => *want == have,
        (Case::Int(want), Cell::Int(have)) => *want == have,
        (Case::Text(want), Cell::Str(at)) => want.as_bytes() == space.bytes(at),
        (Case::Range(from, to, last), Cell::Int(have)) => have >= *from && (have < *to || *last && have == *to),
        (Case::Range(from, to, last), Cell::Float(have)) => {
            let (from, to) = (*from as f64, *to as f64);
            have >= from && (have < to || *last && have == to)
        }
        _ => false,
    }
}
