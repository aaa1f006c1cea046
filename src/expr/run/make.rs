//! What makes values of others: fields and items of objects and arrays, texts, literals, functions of the table.

use std::sync::Arc;

use rhai::{Dynamic, Position};
use smallvec::SmallVec;

use crate::event::{Cell, Path, Tag, Tags, Texts};
use crate::expr::call;
use crate::expr::cells::{self, Arena, Space};
use crate::expr::codes;
use crate::expr::interpret::bounds;
use crate::expr::ir::{Call, InRange, Index, Ir};
use crate::expr::json::{self, Reader};
use crate::expr::library::Run as Implementation;
use crate::expr::ops;
use crate::expr::value::{Call as CallContext, Fail, Returned, Value};

use super::reads::normal;
use super::{Run, Source, Vector};

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
        let target = self.eval(&parts.target, rows);
        let index = self.eval(&parts.index, rows);
        let mut buf = self.buf();
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        let mut scratch = std::mem::take(&mut self.m.scratch);
        let targets = Self::source(&self.m.frame, self.batch, self.args, &target);
        let indices = Self::source(&self.m.frame, self.batch, self.args, &index);
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
        self.free(target);
        self.free(index);
        self.fail_all(inside, parts.at, rows);
        self.fail_all(outside, parts.bracket, rows);
        Vector::Buf(buf)
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

    pub(super) fn text(&mut self, parts: &[Ir], at: Position, rows: &mut Vec<u32>) -> Vector {
        let values = self.eval_all(parts, rows);
        self.built(values, at, rows, |values, space, limit, out| {
            for value in values {
                ops::write_text(space.value(*value), out);
                limit(out.len())?;
            }
            Ok(Tag::Str)
        })
    }

    pub(super) fn array(&mut self, items: &[Ir], at: Position, rows: &mut Vec<u32>) -> Vector {
        let values = self.eval_all(items, rows);
        self.built(values, at, rows, |values, space, _, out| {
            out.push('[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_part(*value, space, out)?;
            }
            out.push(']');
            Ok(Tag::Json)
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
        self.built(values, at, rows, |values, space, _, out| {
            let mut start = 0;
            for (value, end) in values.iter().zip(&ends) {
                out.push_str(&names[start..*end]);
                start = *end;
                write_part(*value, space, out)?;
            }
            out.push_str(if values.is_empty() { "{}" } else { "}" });
            Ok(Tag::Json)
        })
    }

    fn eval_all(&mut self, parts: &[Ir], rows: &mut Vec<u32>) -> SmallVec<[Vector; 8]> {
        let mut values = SmallVec::new();
        for part in parts {
            values.push(self.eval(part, rows));
        }
        values
    }

    /// A text or JSON text for each row, written from the values of that row.
    fn built(
        &mut self,
        values: SmallVec<[Vector; 8]>,
        at: Position,
        rows: &mut Vec<u32>,
        write: impl Fn(&[Cell], &Space<'_>, &dyn Fn(usize) -> Result<(), Fail>, &mut String) -> Result<Tag, Fail>,
    ) -> Vector {
        let mut buf = self.buf();
        let mut fails = Vec::new();
        let mut scratch = std::mem::take(&mut self.m.scratch);
        let sources: SmallVec<[Source<'_>; 8]> =
            values.iter().map(|value| Self::source(&self.m.frame, self.batch, self.args, value)).collect();
        for &row in rows.iter() {
            let cells: SmallVec<[Cell; 8]> = sources.iter().map(|source| source.at(row as usize)).collect();
            self.m.not_finite |= cells.iter().any(|cell| matches!(cell, Cell::Float(float) if !float.is_finite()));
            scratch.clear();
            let limit = |len| self.m.call.room(len);
            let space = Space::new(&self.batch.texts, self.arena);
            let written = write(&cells, &space, &limit, &mut scratch).and_then(|tag| {
                if tag == Tag::Json {
                    call::check_text_sizes(&scratch, &self.m.call.limits)?;
                }
                self.arena.room().map(|()| tag)
            });
            match written {
                Ok(tag) => {
                    let at = self.arena.push(&scratch);
                    buf.cells[row as usize] = if tag == Tag::Str { Cell::Str(at) } else { Cell::Json(at) };
                    buf.tags.add(tag);
                }
                Err(fail) => fails.push((row, fail)),
            }
        }
        drop(sources);
        self.m.scratch = scratch;
        values.into_iter().for_each(|value| self.free(value));
        self.fail_all(fails, at, rows);
        Vector::Buf(buf)
    }

    pub(super) fn call(&mut self, call: &Call, rows: &mut Vec<u32>) -> Vector {
        let values = self.eval_all(&call.args, rows);
        let mut buf = self.buf();
        let mut fails = Vec::new();
        let sources: SmallVec<[Source<'_>; 4]> =
            values.iter().map(|value| Self::source(&self.m.frame, self.batch, self.args, value)).collect();
        for &row in rows.iter() {
            let cells: SmallVec<[Cell; 4]> = sources.iter().map(|source| source.at(row as usize)).collect();
            match call_one(call, &cells, &self.batch.texts, self.arena, &mut self.m.call, self.m.not_finite) {
                Ok(cell) => {
                    buf.tags.add(cell.tag());
                    buf.cells[row as usize] = cell;
                }
                Err(fail) => fails.push((row, fail)),
            }
        }
        drop(sources);
        values.into_iter().for_each(|value| self.free(value));
        self.fail_all(fails, call.at, rows);
        Vector::Buf(buf)
    }

    pub(crate) fn as_text(&mut self, value: Vector, rows: &mut Vec<u32>) -> Vector {
        if self.tags(&value).only(Tags(Tag::Str as u16)) {
            return value;
        }
        let mut values = SmallVec::new();
        values.push(value);
        self.built(values, Position::NONE, rows, |values, space, _, out| {
            values.iter().for_each(|value| ops::write_text(space.value(*value), out));
            Ok(Tag::Str)
        })
    }
}

/// Calls a function on the cells of a row.
fn call_one(
    call: &Call,
    cells: &[Cell],
    texts: &Texts,
    arena: &mut Arena,
    context: &mut CallContext,
    not_finite: bool,
) -> Result<Cell, Fail> {
    let written = match invoke(call, cells, &Space::new(texts, arena), context, not_finite)? {
        Outcome::Cell(cell) => return Ok(cell),
        Outcome::Dynamic(value) => return cells::from_dynamic(&value, arena),
        Outcome::Written(tag) => tag,
    };
    arena.room()?;
    let at = arena.push(&context.text);
    Ok(match written {
        Tag::Str => Cell::Str(at),
        Tag::Number => Cell::Number(at),
        _ => Cell::Json(at),
    })
}

/// Calls a function on the cells of a row; a text result that is no part of an argument is left in `call.text`.
fn invoke(
    call: &Call,
    cells: &[Cell],
    space: &Space<'_>,
    context: &mut CallContext,
    not_finite: bool,
) -> Result<Outcome, Fail> {
    let function = call.function;
    let values: SmallVec<[Value<'_>; 4]> = cells.iter().map(|cell| space.value(*cell)).collect();
    call::check_kinds(function, values.iter().map(Value::kind))?;
    let run = match function.run {
        Implementation::Scalar(run) => run,
        Implementation::Dynamic(run) => {
            let mut args: SmallVec<[Dynamic; 4]> = cells.iter().map(|cell| space.dynamic(*cell)).collect();
            let result = run(&mut args, context).map_err(|fail| function.named(fail))?;
            call::check_sizes(&result, &context.limits)?;
            return Ok(Outcome::Dynamic(result));
        }
    };
    if not_finite {
        cells.iter().try_for_each(|cell| check_finite(*cell, space))?;
    }
    context.text.clear();
    let returned = run(&values, context).map_err(|fail| function.named(fail))?;
    call::check_size(function, returned, context)?;
    let value = match returned {
        Returned::Text => return Ok(Outcome::Written(Tag::Str)),
        Returned::Json => return Ok(Outcome::Written(Tag::Json)),
        Returned::Value(value) => value,
    };
    if let Some(cell) = part(value, cells, space) {
        return Ok(Outcome::Cell(cell));
    }
    let (text, tag) = match value {
        Value::Str(text) => (text, Tag::Str),
        Value::Big(text) => (text, Tag::Number),
        Value::Array(text) | Value::Object(text) => (text, Tag::Json),
        Value::Unit | Value::Bool(_) | Value::Int(_) | Value::Float(_) => ("", Tag::Str),
    };
    context.text.clear();
    context.text.push_str(text);
    Ok(Outcome::Written(tag))
}

/// What a function gave.
enum Outcome {
    Cell(Cell),
    Written(Tag),
    Dynamic(Dynamic),
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

/// A result that needs no new text: a scalar, or a part of an argument's text.
fn part(value: Value<'_>, args: &[Cell], space: &Space<'_>) -> Option<Cell> {
    let text = match value {
        Value::Unit => return Some(Cell::Null),
        Value::Bool(bool) => return Some(Cell::Bool(bool)),
        Value::Int(int) => return Some(Cell::Int(int)),
        Value::Float(float) => return Some(Cell::Float(float)),
        Value::Big(text) | Value::Str(text) | Value::Array(text) | Value::Object(text) => text,
    };
    let from = text.as_ptr() as usize;
    args.iter().find_map(|arg| {
        let at = arg.text_ref()?;
        let bytes = space.bytes(at);
        let base = bytes.as_ptr() as usize;
        let offset = from.checked_sub(base).filter(|offset| offset + text.len() <= bytes.len())?;
        let at = crate::event::TextRef { text: at.text, start: at.start + offset as u32, len: text.len() as u32 };
        Some(match value {
            Value::Str(_) => Cell::Str(at),
            Value::Big(_) => Cell::Number(at),
            _ => Cell::Json(at),
        })
    })
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
