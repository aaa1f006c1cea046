//! Cells in an expression: the texts they point into, the arena for computed text, and what they are to Rhai.

use std::sync::Arc;

use rhai::{Dynamic, Map};

use crate::event::{Batch, Body, Cell, Layout, Path, TextRef, Texts};
use crate::limits::{EXPR_ARENA_BYTES_MAX, EXPR_SCRATCH_BYTES_KEPT_MAX};

use super::codes;
use super::json::{self, Big, Number, Reader};
use super::ops;
use super::value::{Fail, Value};

/// The text that the programs of one operator make for one batch: it becomes one more of the batch's texts. Call [`begin`]
/// before the first program, [`finish`] after the last.
///
/// [`begin`]: Arena::begin
/// [`finish`]: Arena::finish
#[derive(Debug, Default)]
pub struct Arena {
    pub(crate) text: String,
    index: u16,
}

impl Arena {
    /// Starts on a batch with these texts. What the arena held is gone.
    pub fn begin(&mut self, texts: &Texts) {
        self.text.clear();
        self.index = u16::try_from(texts.len()).unwrap_or(u16::MAX);
    }

    /// Adds the text made, if any, to the texts of the batch that the arena was begun with.
    pub fn finish(&mut self, texts: &mut Texts) {
        if !self.text.is_empty() && usize::from(self.index) == texts.len() {
            texts.push(std::mem::take(&mut self.text).into());
        }
    }

    /// Gives back what a batch of unusual text made it grow to.
    pub(crate) fn shrink(&mut self) {
        self.text.clear();
        self.text.shrink_to(EXPR_SCRATCH_BYTES_KEPT_MAX);
    }

    /// Bytes made so far.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether nothing was made.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The range of what was written since the arena had `start` bytes.
    pub(crate) fn since(&self, start: usize) -> TextRef {
        TextRef { text: self.index, start: start as u32, len: (self.text.len() - start) as u32 }
    }

    /// Copies a text in.
    pub(crate) fn push(&mut self, text: &str) -> TextRef {
        let start = self.text.len();
        self.text.push_str(text);
        self.since(start)
    }

    /// Takes back what was written since the arena had `start` bytes.
    pub(crate) fn truncate(&mut self, start: usize) {
        self.text.truncate(start);
    }

    /// Appends the text of a cell, as [`ops::write_text`] has it.
    pub(crate) fn write_text(&mut self, cell: Cell, texts: &Texts, scratch: &mut String) {
        match cell {
            Cell::Missing | Cell::Null | Cell::Packed(_) => {}
            Cell::Str(at) if at.text == self.index => {
                let range = at.start as usize..(at.start + at.len) as usize;
                if self.text.get(range.clone()).is_some() {
                    self.text.extend_from_within(range);
                }
            }
            Cell::Str(at) => self.text.push_str(texts.str(at)),
            Cell::Int(int) => json::write_int(int, &mut self.text),
            Cell::Escaped(at) => {
                scratch.clear();
                json::unescape(Space::new(texts, self).str(at), scratch);
                self.text.push_str(scratch);
            }
            Cell::Number(at) if json::is_shortest(Space::new(texts, self).bytes(at)) => {
                self.write_text(Cell::Str(at), texts, scratch);
            }
            Cell::Bool(_) | Cell::Float(_) | Cell::Number(_) | Cell::Json(_) => {
                scratch.clear();
                ops::write_text(Space::new(texts, self).value(cell), scratch);
                self.text.push_str(scratch);
            }
        }
    }

    /// Refuses more text where the arena is full.
    pub(crate) fn room(&self) -> Result<(), Fail> {
        if self.text.len() < EXPR_ARENA_BYTES_MAX {
            return Ok(());
        }
        Err(Fail::new(codes::LIMIT, "the expressions of one batch made more text than fits: make smaller strings"))
    }
}

/// Where the value of a path is: a column, and what remains to be looked up in its cells.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub column: usize,
    pub rest: Path,
}

impl Place {
    /// `None`: no event of the layout has it.
    pub(crate) fn of(layout: &Layout, path: &[Arc<str>]) -> Option<Place> {
        layout.resolve(path).map(|(column, rest)| Place { column, rest: rest.into() })
    }
}

/// The texts of a batch and of the arena, to read cells by.
#[derive(Clone, Copy)]
pub(crate) struct Space<'a> {
    pub texts: &'a Texts,
    pub arena: &'a str,
    pub index: u16,
}

impl<'a> Space<'a> {
    pub(crate) fn new(texts: &'a Texts, arena: &'a Arena) -> Space<'a> {
        Space { texts, arena: &arena.text, index: arena.index }
    }

    /// The bytes of a range.
    pub(crate) fn bytes(&self, at: TextRef) -> &'a [u8] {
        if at.text == self.index {
            return self.arena.as_bytes().get(at.start as usize..(at.start + at.len) as usize).unwrap_or_default();
        }
        self.texts.bytes(at)
    }

    /// The string of a range.
    pub(crate) fn str(&self, at: TextRef) -> &'a str {
        if at.text == self.index {
            return self.arena.get(at.start as usize..(at.start + at.len) as usize).unwrap_or_default();
        }
        self.texts.str(at)
    }

    /// A normal cell as a value (see [`is_normal`]).
    pub(crate) fn value(&self, cell: Cell) -> Value<'a> {
        match cell {
            Cell::Missing | Cell::Null | Cell::Packed(_) => Value::Unit,
            Cell::Bool(bool) => Value::Bool(bool),
            Cell::Int(int) => Value::Int(int),
            Cell::Float(float) => Value::Float(float),
            Cell::Number(at) => {
                let text = self.str(at);
                match json::number(text) {
                    Number::Int(int) => Value::Int(int),
                    Number::Float(float) => Value::Float(float),
                    Number::Big => Value::Big(text),
                }
            }
            Cell::Str(at) | Cell::Escaped(at) => Value::Str(self.str(at)),
            Cell::Json(at) => {
                let text = self.str(at);
                if text.starts_with('{') { Value::Object(text) } else { Value::Array(text) }
            }
        }
    }

    /// A cell as a Rhai value.
    pub(crate) fn dynamic(&self, cell: Cell) -> Dynamic {
        match cell {
            Cell::Missing | Cell::Null | Cell::Packed(_) => Dynamic::UNIT,
            Cell::Bool(bool) => bool.into(),
            Cell::Int(int) => int.into(),
            Cell::Float(float) => float.into(),
            Cell::Number(at) => json::number_value(self.str(at)),
            Cell::Str(at) => self.str(at).into(),
            Cell::Escaped(at) => {
                let mut text = String::new();
                json::unescape(self.str(at), &mut text);
                text.into()
            }
            Cell::Json(at) => json::parse(self.str(at)),
        }
    }

    /// Appends a cell as JSON, as it was written where it came from text.
    pub(crate) fn write_json(&self, cell: Cell, out: &mut String) -> Result<(), Fail> {
        match cell {
            Cell::Missing | Cell::Null | Cell::Packed(_) => out.push_str("null"),
            Cell::Bool(bool) => out.push_str(if bool { "true" } else { "false" }),
            Cell::Int(int) => json::write_int(int, out),
            Cell::Float(float) => json::write_float(float, out)?,
            Cell::Number(at) | Cell::Json(at) => out.push_str(self.str(at)),
            Cell::Str(at) => json::write_string(self.str(at), out),
            Cell::Escaped(at) => {
                out.push('"');
                out.push_str(self.str(at));
                out.push('"');
            }
        }
        Ok(())
    }

    /// The part of an object's text that a path names.
    pub(crate) fn lookup(&self, cell: Cell, path: &[Arc<str>]) -> Cell {
        let Cell::Json(at) = cell else {
            return if path.is_empty() { cell } else { Cell::Missing };
        };
        let found = Reader::find(self.str(at), path.iter().map(|name| &**name));
        shift(found, at)
    }

    /// An item of an array's text.
    pub(crate) fn item(&self, at: TextRef, index: usize) -> Option<Cell> {
        Reader::item(self.str(at), index).map(|cell| shift(cell, at))
    }
}

/// A cell over a part of a text as a cell over the batch's texts.
fn shift(cell: Cell, base: TextRef) -> Cell {
    match cell.text_ref() {
        Some(at) => cell.with_text_ref(TextRef { text: base.text, start: base.start + at.start, len: at.len }),
        None => cell,
    }
}

/// A Rhai value as a cell.
pub(crate) fn from_dynamic(value: &Dynamic, arena: &mut Arena) -> Result<Cell, Fail> {
    if value.is_unit() {
        return Ok(Cell::Null);
    }
    if let Ok(int) = value.as_int() {
        return Ok(Cell::Int(int));
    }
    if let Ok(float) = value.as_float() {
        return Ok(Cell::Float(float));
    }
    if let Ok(bool) = value.as_bool() {
        return Ok(Cell::Bool(bool));
    }
    arena.room()?;
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(Cell::Str(arena.push(&text)));
    }
    if let Ok(char) = value.as_char() {
        return Ok(Cell::Str(arena.push(char.encode_utf8(&mut [0; 4]))));
    }
    if let Some(big) = value.read_lock::<Big>() {
        return Ok(Cell::Number(arena.push(&big.0)));
    }
    let start = arena.text.len();
    match json::write(value, &mut arena.text) {
        Ok(()) => Ok(Cell::Json(arena.since(start))),
        Err(fail) => {
            arena.text.truncate(start);
            Err(fail)
        }
    }
}

/// A whole event as a Rhai object.
pub(crate) fn event_dynamic(batch: &Batch, row: u32, space: &Space<'_>) -> Dynamic {
    match &batch.layout.body {
        Body::Text(column) => space.dynamic(batch.cell(*column, row)),
        Body::Fields(fields) => {
            let mut map = Map::new();
            for (name, column) in fields {
                match batch.cell(*column, row) {
                    Cell::Missing => {}
                    cell => drop(map.insert((&**name).into(), space.dynamic(cell))),
                }
            }
            map.into()
        }
        Body::Patched { base, edits } => {
            let mut map = space.dynamic(batch.cell(*base, row)).try_cast::<Map>().unwrap_or_default();
            for (name, column) in edits {
                match column.map_or(Cell::Missing, |column| batch.cell(column, row)) {
                    Cell::Missing => drop(map.remove(&**name)),
                    cell => drop(map.insert((&**name).into(), space.dynamic(cell))),
                }
            }
            map.into()
        }
    }
}
