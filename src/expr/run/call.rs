//! Calls of the table's functions: the kinds of the arguments are judged once a batch where that can be, the values are read
//! where they lie, and a result that is a part of an argument is not copied.

use rhai::Dynamic;

use crate::event::{Cell, Tag, Tags, TextRef, Texts};
use crate::expr::call;
use crate::expr::cells::{self, Arena, Space};
use crate::expr::ir::Call;
use crate::expr::library::{self, Run as Implementation};
use crate::expr::value::{Call as CallContext, Fail, Returned, Types, Value};

use super::make::check_finite;
use super::{Buf, Run, Source, Vector};

/// What stays the same for all rows of a batch.
#[derive(Clone, Copy)]
struct Callee {
    function: &'static library::Function,
    /// Whether each row can only have arguments of kinds that the function takes.
    takes_all: bool,
    not_finite: bool,
}

impl Run<'_> {
    pub(super) fn call(&mut self, call: &Call, rows: &mut Vec<u32>) -> Vector {
        let values = self.eval_all(&call.args, rows);
        let buf = self.call_rows(call, &values, rows);
        values.into_iter().for_each(|value| self.free(value));
        Vector::Buf(buf)
    }

    /// Calls a function for each row.
    pub(super) fn call_rows(&mut self, call: &Call, values: &[Vector], rows: &mut Vec<u32>) -> Buf {
        match values.len() {
            0 | 1 => self.call_with::<1>(call, values, rows),
            2 => self.call_with::<2>(call, values, rows),
            3 => self.call_with::<3>(call, values, rows),
            _ => self.call_with::<{ library::ARGS_MAX }>(call, values, rows),
        }
    }

    /// The same with room for `N` arguments.
    fn call_with<const N: usize>(&mut self, call: &Call, values: &[Vector], rows: &mut Vec<u32>) -> Buf {
        let takes = |(value, param): (&Vector, &library::Param)| param.types.has(types(self.tags(value)));
        let callee = Callee {
            function: call.function,
            takes_all: values.iter().zip(call.function.params).all(takes),
            not_finite: self.m.not_finite,
        };
        let mut buf = self.buf();
        let mut fails = Vec::new();
        let mut sources = [Source::Const(Cell::Missing); N];
        for (source, value) in sources.iter_mut().zip(values) {
            *source = Self::source(&self.m.frame, self.batch, self.args, value);
        }
        for &row in rows.iter() {
            let cells: [Cell; N] = std::array::from_fn(|arg| sources[arg].at(row as usize));
            let cells = cells.get(..values.len()).unwrap_or_default();
            match call_one::<N>(callee, cells, &self.batch.texts, self.arena, &mut self.m.call) {
                Ok(cell) => {
                    buf.tags.add(cell.tag());
                    buf.cells[row as usize] = cell;
                }
                Err(fail) => fails.push((row, fail)),
            }
        }
        self.fail_all(fails, call.at, rows);
        buf
    }
}

/// The kinds of values that cells of these tags may be.
fn types(tags: Tags) -> Types {
    const KINDS: [(Tag, Types); 9] = [
        (Tag::Missing, Types::UNIT),
        (Tag::Null, Types::UNIT),
        (Tag::Bool, Types::BOOL),
        (Tag::Int, Types::INT),
        (Tag::Float, Types::FLOAT),
        (Tag::Number, Types::NUMBER.or(Types::BIG)),
        (Tag::Str, Types::STRING),
        (Tag::Escaped, Types::STRING),
        (Tag::Json, Types::ARRAY.or(Types::OBJECT)),
    ];
    KINDS.iter().filter(|(tag, _)| tags.has(*tag)).fold(Types(0), |types, (_, kind)| types.or(*kind))
}

/// Calls a function on the cells of a row.
#[inline]
fn call_one<const N: usize>(
    callee: Callee,
    cells: &[Cell],
    texts: &Texts,
    arena: &mut Arena,
    context: &mut CallContext,
) -> Result<Cell, Fail> {
    let written = match invoke::<N>(callee, cells, &Space::new(texts, arena), context)? {
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

/// Calls a function on the cells of a row; a text result that is no part of an argument is left in `context.text`.
#[inline]
fn invoke<const N: usize>(
    callee: Callee,
    cells: &[Cell],
    space: &Space<'_>,
    context: &mut CallContext,
) -> Result<Outcome, Fail> {
    let function = callee.function;
    let values: [Value<'_>; N] =
        std::array::from_fn(|arg| cells.get(arg).map_or(Value::Unit, |cell| space.value(*cell)));
    let values = values.get(..cells.len()).unwrap_or_default();
    if !callee.takes_all {
        call::check_kinds(function, values.iter().map(Value::kind))?;
    }
    let run = match function.run {
        Implementation::Scalar(run) => run,
        Implementation::Dynamic(run) => {
            let mut args: [Dynamic; N] =
                std::array::from_fn(|arg| cells.get(arg).map_or(Dynamic::UNIT, |cell| space.dynamic(*cell)));
            let args = args.get_mut(..cells.len()).unwrap_or_default();
            let result = run(args, context).map_err(|fail| function.named(fail))?;
            call::check_sizes(&result, &context.limits)?;
            return Ok(Outcome::Dynamic(result));
        }
    };
    if callee.not_finite {
        cells.iter().try_for_each(|cell| check_finite(*cell, space))?;
    }
    context.text.clear();
    let returned = run(values, context).map_err(|fail| function.named(fail))?;
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
        let at = TextRef { text: at.text, start: at.start + offset as u32, len: text.len() as u32 };
        Some(match value {
            Value::Str(_) => Cell::Str(at),
            Value::Big(_) => Cell::Number(at),
            _ => Cell::Json(at),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_fits_the_room_for_arguments() {
        assert!(library::all().all(|function| function.params.len() <= library::ARGS_MAX));
    }

    #[test]
    fn the_kinds_of_tags_are_those_of_their_values() {
        let texts = Texts::default();
        let mut arena = Arena::default();
        arena.begin(&texts);
        let json = Cell::Json(arena.push("[1]"));
        let space = Space::new(&texts, &arena);
        for cell in [Cell::Missing, Cell::Null, Cell::Bool(true), Cell::Int(1), Cell::Float(0.5), json] {
            let kinds = types(Tags(cell.tag() as u16));
            assert!(kinds.has(space.value(cell).kind()), "{cell:?}");
        }
        assert!(!Types::NUMBER.has(types(Tags(Tag::Number as u16))), "it may be beyond 64 bits");
    }
}
