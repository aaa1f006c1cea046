//! Events as JSON on one line: text is copied, computed fields are written in their order, changed fields in their place.

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::event::codes;
use crate::event::json::{self, RawMembers};
use crate::event::packed::Unpack;
use crate::event::{Batch, Body, Cell, Layout, TextRef, Texts};

use super::EncodeError;

/// How events of one layout are written.
#[derive(Clone, Debug)]
pub struct JsonEncoder {
    shape: Shape,
    /// NaN and the infinities are written as null.
    lenient: bool,
}

#[derive(Clone, Debug)]
enum Shape {
    Text(usize),
    Fields(Vec<Field>),
    Patched { base: usize, edits: Vec<Field> },
}

/// A field that is written, or removed.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub name: Arc<str>,
    /// `,"name":`, ready to be copied.
    before: Vec<u8>,
    column: Option<usize>,
}

impl Field {
    fn new(name: &Arc<str>, column: Option<usize>) -> Field {
        let mut before = vec![b','];
        json::write_string(&mut before, name.as_bytes());
        before.push(b':');
        Field { name: name.clone(), before, column }
    }
}

impl JsonEncoder {
    /// Compiles a layout.
    pub fn new(layout: &Layout) -> JsonEncoder {
        let shape = match &layout.body {
            Body::Text(column) => Shape::Text(*column),
            Body::Fields(fields) => {
                Shape::Fields(fields.iter().map(|(name, column)| Field::new(name, Some(*column))).collect())
            }
            Body::Patched { base, edits } => {
                let mut compiled: Vec<Field> = Vec::new();
                for (name, column) in edits {
                    match compiled.iter_mut().find(|field| field.name == *name) {
                        Some(earlier) => earlier.column = *column,
                        None => compiled.push(Field::new(name, *column)),
                    }
                }
                Shape::Patched { base: *base, edits: compiled }
            }
        };
        JsonEncoder { shape, lenient: false }
    }

    /// An encoder that cannot fail: what JSON cannot say is written as null. For error events, which must not fail themselves.
    pub fn lenient(layout: &Layout) -> JsonEncoder {
        JsonEncoder { lenient: true, ..JsonEncoder::new(layout) }
    }

    /// The encoder over the columns of a batch of its layout.
    pub fn bind<'a>(&'a self, batch: &'a Batch) -> Bound<'a> {
        let column = |at: usize| batch.columns.get(at).map(|column| column.cells()).unwrap_or_default();
        let field = |field: &'a Field| (field, field.column.map(column));
        let (base, fields) = match &self.shape {
            Shape::Text(base) => (Some(column(*base)), SmallVec::new()),
            Shape::Fields(fields) => (None, fields.iter().map(field).collect()),
            Shape::Patched { base, edits } => (Some(column(*base)), edits.iter().map(field).collect()),
        };
        Bound { texts: &batch.texts, base, unpack: batch.meta.unpack.as_deref(), fields, lenient: self.lenient }
    }
}

/// An encoder at work on one batch.
#[derive(Debug)]
pub struct Bound<'a> {
    pub(super) texts: &'a Texts,
    /// The cells of the text that is copied.
    base: Option<&'a [Cell]>,
    /// Reads those of them that are packed.
    unpack: Option<&'a dyn Unpack>,
    /// What is written instead of it or changed in it; `None` removes.
    fields: SmallVec<[(&'a Field, Option<&'a [Cell]>); 16]>,
    lenient: bool,
}

impl Bound<'_> {
    /// Writes one event, without a line end. After an error `out` ends with a part of the event.
    #[inline]
    pub fn row(&self, row: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self.base {
            None => self.computed(row as usize, out),
            Some(base) => {
                if self.fields.is_empty() {
                    return self.copy_text(base, row, out);
                }
                let mut unpacked = Vec::new();
                self.patched(self.text(base, row, &mut unpacked)?, row as usize, out)
            }
        }
    }

    fn copy_text(&self, base: &[Cell], row: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match (base.get(row as usize), self.unpack) {
            (Some(Cell::Packed(at)), Some(unpack)) => unpack.write_json(self.texts.bytes(*at), self.lenient, out),
            (Some(Cell::Json(at)), _) => {
                copy(self.texts.bytes(*at), out);
                Ok(())
            }
            // A batch without its text cannot be made; an empty object is still an event.
            _ => {
                out.extend_from_slice(b"{}");
                Ok(())
            }
        }
    }

    /// The text of an event; a packed one is made in `unpacked`, which is empty.
    fn text<'t>(&'t self, base: &[Cell], row: u32, unpacked: &'t mut Vec<u8>) -> Result<&'t [u8], EncodeError> {
        if let Some(Cell::Json(at)) = base.get(row as usize) {
            return Ok(self.texts.bytes(*at));
        }
        self.copy_text(base, row, unpacked)?;
        Ok(unpacked)
    }

    fn computed(&self, row: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        for (field, cells) in &self.fields {
            self.field(field, *cells, row, out)?;
        }
        close(start, out);
        Ok(())
    }

    /// Writes a field after a comma; nothing for a missing one.
    #[inline]
    fn field(&self, field: &Field, cells: Option<&[Cell]>, row: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let cell = cells.and_then(|cells| cells.get(row)).copied().unwrap_or(Cell::Missing);
        if cell == Cell::Missing {
            return Ok(());
        }
        out.extend_from_slice(&field.before);
        if write_cell(out, self.texts, cell) {
            return Ok(());
        }
        if self.lenient {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        Err(not_finite(&field.name))
    }

    fn patched(&self, text: &[u8], row: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        let mut written: SmallVec<[bool; 32]> = SmallVec::from_elem(false, self.fields.len());
        // Members that stay lie together in the text, and are copied together.
        let mut run = 0..0;
        for member in RawMembers::new(text) {
            let Some(edit) = self.fields.iter().position(|(field, _)| member.is(text, field.name.as_bytes())) else {
                let from = if run.is_empty() { member.name.0 - 1 } else { run.start };
                run = from..member.value.1;
                continue;
            };
            copy_run(text, std::mem::take(&mut run), out);
            if !std::mem::replace(&mut written[edit], true) {
                let (field, cells) = self.fields[edit];
                self.field(field, cells, row, out)?;
            }
        }
        copy_run(text, run, out);
        for ((field, cells), written) in self.fields.iter().zip(written) {
            if !written {
                self.field(field, *cells, row, out)?;
            }
        }
        close(start, out);
        Ok(())
    }

    /// Gives each field of an event to `take`, in order: its name, and its cell over the texts or bytes that go with it.
    pub(super) fn each_field(&self, row: u32, mut take: impl FnMut(&str, Cell, Source<'_>)) -> Result<(), EncodeError> {
        let (mut unpacked, mut patched) = (Vec::new(), Vec::new());
        let text = match self.base {
            None => {
                for (field, cells) in &self.fields {
                    let cell = cells.and_then(|cells| cells.get(row as usize)).copied().unwrap_or(Cell::Missing);
                    take(&field.name, cell, Source::Batch(self.texts));
                }
                return Ok(());
            }
            Some(base) if self.fields.is_empty() => self.text(base, row, &mut unpacked)?,
            Some(base) => {
                self.patched(self.text(base, row, &mut unpacked)?, row as usize, &mut patched)?;
                &patched
            }
        };
        for member in RawMembers::new(text) {
            take(&member.name(text), member.cell(text), Source::Text(text));
        }
        Ok(())
    }
}

/// What a cell's range counts in.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Batch(&'a Texts),
    Text(&'a [u8]),
}

impl<'a> Source<'a> {
    pub(super) fn bytes(self, at: TextRef) -> &'a [u8] {
        match self {
            Source::Batch(texts) => texts.bytes(at),
            Source::Text(text) => text.get(at.start as usize..(at.start + at.len) as usize).unwrap_or_default(),
        }
    }
}

/// Makes an object of what was written since `start`, each field after a comma.
#[inline]
fn close(start: usize, out: &mut Vec<u8>) {
    match out.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// Copies members of an object after a comma.
fn copy_run(text: &[u8], run: Range<usize>, out: &mut Vec<u8>) {
    if !run.is_empty() {
        out.push(b',');
        copy(&text[run], out);
    }
}

/// Copies JSON text, on one line.
#[inline]
fn copy(text: &[u8], out: &mut Vec<u8>) {
    match memchr::memchr2(b'\n', b'\r', text) {
        None => out.extend_from_slice(text),
        Some(_) => json::minify(out, text),
    }
}

/// Writes a cell as a JSON value on one line (a missing one as null). `false` for NaN and the infinities.
#[inline]
pub fn write_cell(out: &mut Vec<u8>, texts: &Texts, cell: Cell) -> bool {
    match cell {
        Cell::Missing | Cell::Null => out.extend_from_slice(b"null"),
        Cell::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Cell::Int(value) => json::write_i64(out, value),
        Cell::Float(value) => return json::write_f64(out, value),
        Cell::Number(at) => out.extend_from_slice(texts.bytes(at)),
        Cell::Str(at) => json::write_string(out, texts.bytes(at)),
        Cell::Escaped(at) => {
            out.push(b'"');
            out.extend_from_slice(texts.bytes(at));
            out.push(b'"');
        }
        Cell::Json(at) => copy(texts.bytes(at), out),
        // No field is packed, only a whole event, and `Bound` writes that.
        Cell::Packed(_) => out.extend_from_slice(b"null"),
    }
    true
}

/// The error of a field that JSON cannot say.
#[cold]
pub(super) fn not_finite(field: &str) -> EncodeError {
    EncodeError {
        code: codes::ENCODE_NAN,
        message: format!("the field `{field}` is NaN or infinite, which cannot be written"),
    }
}
