//! What makes values of others: fields and items of objects and arrays, literals, ranges.

use std::sync::Arc;

use rhai::Position;
use smallvec::SmallVec;

use crate::event::{Cell, Path, Tag, Tags};
use crate::expr::call;
use crate::expr::cells::Space;
use crate::expr::codes;
use crate::expr::interpret::bounds;
use crate::expr::ir::{InRange, Index, Ir};
use crate::expr::json::{self, Reader};
use crate::expr::ops;
use crate::expr::value::{Fail, Value};

use super::reads::normal;
use super::{Buf, Run, Source, Vector};

impl Run<'_> {
    pub(super) fn field(&mut self, value: &Ir, path: &Path, rows: &mut Vec<u32>) -> Vector {
        let value = self.eval(value, rows);
        let mut buf = self.buf();
        let mut scratch = std::mem::take(&mut self.m.scratch);
        let source = Self::source(&self.m.frame, self.batch, self.args, &value);
        for &row in rows.iter() {
            let found = Space::new(&self.batch.texts, self.arena).lookup(source.at(row as usize), path);
            let cell = normal(found, &self.batch.texts, self.arena, &mut scratch);
            buf.tags.add(cell.tag());
            buf.cells[row as usize] = cell;
        }
        self.m.scratch = scratch;
        self.free(value);
        Vector::Buf(buf)
    }

    pub(super) fn index(&mut self, parts: &Index, rows: &mut Vec<u32>) -> Vector {
        if let (Ir::Call(call), Some(item)) = (&parts.target, self.item_of_split(parts)) {
            return self.split_item(call, item, parts, rows);
        }
        let target = self.eval(&parts.target, rows);
        let index = self.eval(&parts.index, rows);
        let buf = self.index_rows(&target, &index, parts, rows);
        self.free(target);
        self.free(index);
        Vector::Buf(buf)
    }

    /// The items of arrays, fields of objects, characters of texts.
    pub(super) fn index_rows(&mut self, target: &Vector, index: &Vector, parts: &Index, rows: &mut Vec<u32>) -> Buf {
        let mut buf = self.buf();
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        let mut scratch = std::mem::take(&mut self.m.scratch);
        let targets = Self::source(&self.m.frame, self.batch, self.args, target);
        let indices = Self::source(&self.m.frame, self.batch, self.args, index);
        for &row in rows.iter() {
            let space = Space::new(&self.batch.texts, self.arena);
            match index_cell(targets.at(row as usize), indices.at(row as usize), &space) {
                Ok(found) => {
                    let cell = normal(found, &self.batch.texts, self.arena, &mut scratch);
                    buf.tags.add(cell.tag());
                    buf.cells[row as usize] = cell;
                }
                Err((fail, true)) => inside.push((row, fail)),
                Err((fail, false)) => outside.push((row, fail)),
            }
        }
        self.m.scratch = scratch;
        self.fail_all(inside, parts.at, rows);
        self.fail_all(outside, parts.bracket, rows);
        buf
    }

    pub(super) fn in_range(&mut self, parts: &InRange, rows: &mut Vec<u32>) -> Vector {
        let from = self.eval(&parts.from, rows);
        let to = self.eval(&parts.to, rows);
        let mut fails = Vec::new();
        for &row in rows.iter() {
            let cell = |vector| Self::source(&self.m.frame, self.batch, self.args, vector).at(row as usize);
            if range(cell(&from), cell(&to)).is_none() {
                fails.push((row, Fail::new(codes::TYPE, "a range is from an int to an int")));
            }
        }
        self.fail_all(fails, parts.range_at, rows);
        let value = self.eval(&parts.value, rows);
        let mut buf = self.buf();
        buf.tags = Tags::BOOL;
        let mut fails = Vec::new();
        for &row in rows.iter() {
            let cell = |vector| Self::source(&self.m.frame, self.batch, self.args, vector).at(row as usize);
            let (from, to) = range(cell(&from), cell(&to)).unwrap_or_default();
            match cell(&value) {
                Cell::Int(value) => {
                    let inside = value >= from && (value < to || parts.last && value == to);
                    buf.cells[row as usize] = Cell::Bool(inside);
                }
                other => {
                    let kind = ops::article(&self.space().value(other).kind().to_string());
                    fails.push((row, Fail::new(codes::TYPE, format!("a range holds ints, not {kind}"))));
                }
            }
        }
        for vector in [from, to, value] {
            self.free(vector);
        }
        self.fail_all(fails, parts.at, rows);
        Vector::Buf(buf)
    }

    pub(super) fn array(&mut self, items: &[Ir], at: Position, rows: &mut Vec<u32>) -> Vector {
        let values = self.eval_all(items, rows);
        self.built(values, at, rows, |values, space, out| {
            out.push('[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_part(*value, space, out)?;
            }
            out.push(']');
            Ok(())
        })
    }

    pub(super) fn object(&mut self, fields: &[(Arc<str>, Ir)], at: Position, rows: &mut Vec<u32>) -> Vector {
        let mut values = SmallVec::new();
        for (_, value) in fields {
            values.push(self.eval(value, rows));
        }
        let mut names = String::new();
        let ends: SmallVec<[usize; 8]> = fields
            .iter()
            .enumerate()
            .map(|(i, (name, _))| {
                names.push(if i > 0 { ',' } else { '{' });
                json::write_string(name, &mut names);
                names.push(':');
                names.len()
            })
            .collect();
        self.built(values, at, rows, |values, space, out| {
            let mut start = 0;
            for (value, end) in values.iter().zip(&ends) {
                out.push_str(&names[start..*end]);
                start = *end;
                write_part(*value, space, out)?;
            }
            out.push_str(if values.is_empty() { "{}" } else { "}" });
            Ok(())
        })
    }

    pub(super) fn eval_all(&mut self, parts: &[Ir], rows: &mut Vec<u32>) -> SmallVec<[Vector; 8]> {
        let mut values = SmallVec::new();
        for part in parts {
            values.push(self.eval(part, rows));
        }
        values
    }

    /// A JSON text for each row, written from the values of that row.
    fn built(
        &mut self,
        values: SmallVec<[Vector; 8]>,
        at: Position,
        rows: &mut Vec<u32>,
        write: impl Fn(&[Cell], &Space<'_>, &mut String) -> Result<(), Fail>,
    ) -> Vector {
        let mut buf = self.buf();
        let mut fails = Vec::new();
        let mut scratch = std::mem::take(&mut self.m.scratch);
        let sources: SmallVec<[Source<'_>; 8]> =
            values.iter().map(|value| Self::source(&self.m.frame, self.batch, self.args, value)).collect();
        let mut cells: SmallVec<[Cell; 8]> = SmallVec::from_elem(Cell::Missing, sources.len());
        for &row in rows.iter() {
            for (cell, source) in cells.iter_mut().zip(&sources) {
                *cell = source.at(row as usize);
                self.m.not_finite |= matches!(cell, Cell::Float(float) if !float.is_finite());
            }
            scratch.clear();
            let written = write(&cells, &Space::new(&self.batch.texts, self.arena), &mut scratch)
                .and_then(|()| call::check_text_sizes(&scratch, &self.m.call.limits))
                .and_then(|()| self.arena.room());
            match written {
                Ok(()) => buf.cells[row as usize] = Cell::Json(self.arena.push(&scratch)),
                Err(fail) => fails.push((row, fail)),
            }
        }
        buf.tags.add(Tag::Json);
        drop(sources);
        self.m.scratch = scratch;
        values.into_iter().for_each(|value| self.free(value));
        self.fail_all(fails, at, rows);
        Vector::Buf(buf)
    }
}

/// A value of a literal. A float that is no JSON is written all the same: the literal may be taken apart again.
fn write_part(cell: Cell, space: &Space<'_>, out: &mut String) -> Result<(), Fail> {
    match cell {
        Cell::Float(float) if !float.is_finite() => out.push_str(ryu::Buffer::new().format(float)),
        cell => space.write_json(cell, out)?,
    }
    Ok(())
}

/// Refuses an object or array with a float in it that is no JSON.
pub(super) fn check_finite(cell: Cell, space: &Space<'_>) -> Result<(), Fail> {
    match cell {
        Cell::Json(_) => json::write(&space.dynamic(cell), &mut String::new()),
        _ => Ok(()),
    }
}

/// The ends of a range, which may be open as Rhai's are.
fn range(from: Cell, to: Cell) -> Option<(i64, i64)> {
    match (from, to) {
        (Cell::Int(from), Cell::Int(to)) => Some((from, to)),
        (Cell::Int(from), Cell::Missing | Cell::Null) => Some((from, i64::MAX)),
        (Cell::Missing | Cell::Null, Cell::Int(to)) => Some((0, to)),
        _ => None,
    }
}

/// `target[index]`. A failure is at the index (`true`) or at the bracket.
fn index_cell(target: Cell, index: Cell, space: &Space<'_>) -> Result<Cell, (Fail, bool)> {
    let needs = |what: &str| {
        let kind = ops::article(&space.value(index).kind().to_string());
        (Fail::new(codes::TYPE, format!("{what} is needed here, not {kind}")), true)
    };
    match (space.value(target), index) {
        (Value::Array(_), Cell::Int(index)) => {
            let Cell::Json(at) = target else { return Ok(Cell::Null) };
            let place = match usize::try_from(index) {
                Ok(place) => Some(place),
                Err(_) => Reader::count(space.str(at)).checked_sub(index.unsigned_abs() as usize),
            };
            let found = place.and_then(|place| space.item(at, place));
            found.ok_or_else(|| (bounds("an array", Reader::count(space.str(at)), index, "items"), true))
        }
        (Value::Array(_), _) => Err(needs("an int")),
        (Value::Object(_), Cell::Str(name)) => Ok(space.lookup(target, &[space.str(name).into()])),
        (Value::Object(_), _) => Err(needs("a string")),
        (Value::Str(text), Cell::Int(index)) => {
            let found = match usize::try_from(index) {
                Ok(at) => text.char_indices().nth(at),
                Err(_) => {
                    (index.unsigned_abs() as usize).checked_sub(1).and_then(|at| text.char_indices().rev().nth(at))
                }
            };
            match (found, target) {
                (Some((offset, char)), Cell::Str(at)) => {
                    let start = at.start + offset as u32;
                    Ok(Cell::Str(crate::event::TextRef { text: at.text, start, len: char.len_utf8() as u32 }))
                }
                _ => Err((bounds("a string", text.chars().count(), index, "characters"), true)),
            }
        }
        (Value::Str(_), _) => Err(needs("an int")),
        (Value::Int(int), Cell::Int(index)) => {
            let bit = if index < 0 { index.checked_add(64) } else { Some(index) };
            match bit.filter(|bit| (0..64).contains(bit)) {
                Some(bit) => Ok(Cell::Bool(int & (1 << bit) != 0)),
                None => Err((bounds("an int", 64, index, "bits"), true)),
            }
        }
        (Value::Int(_), _) => Err(needs("an int")),
        (_, Cell::Str(_)) => Ok(Cell::Null),
        (target, _) => {
            let kind = ops::article(&target.kind().to_string());
            Err((Fail::new(codes::TYPE, format!("{kind} cannot be indexed")), false))
        }
    }
}
