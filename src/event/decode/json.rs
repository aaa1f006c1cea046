//! JSON events: one pass over the text checks the whole grammar and cuts out what is demanded on the way. Which names
//! are demanded decides only what is kept, never what is accepted.

use std::borrow::Cow;

use bytes::Bytes;

use crate::event::codes::{self, Code};
use crate::event::json::{self, Fault, Why, key, literal, number, skip_space, skip_value, string};
use crate::event::{Cell, Chunk, Column, Layout, TextRef, Texts};
use crate::limits::JSON_DEPTH_MAX;

use super::tree::{Level, levels};
use super::{Rows, utf8_fault};

/// Bytes behind an event that may be looked at while its names are compared.
const AHEAD: usize = 8;

/// Cuts demanded values out of JSON objects.
#[derive(Clone, Debug)]
pub(super) struct JsonDecoder {
    levels: Vec<Level>,
    slots: usize,
    depth_max: usize,
}

impl JsonDecoder {
    pub(super) fn new(layout: &Layout, depth_max: usize) -> JsonDecoder {
        JsonDecoder { levels: levels(layout), slots: layout.slots.len(), depth_max }
    }

    pub(super) fn decode(&mut self, chunk: &Chunk) -> Rows {
        let text: &Bytes = &chunk.text;
        let valid = simdutf8::basic::from_utf8(text).ok();
        let mut columns = vec![vec![Cell::Missing; chunk.frames.len()]; self.slots];
        let mut bad: Vec<(usize, Code, String)> = Vec::new();
        let mut row = 0;
        for (i, frame) in chunk.frames.iter().enumerate() {
            // What lies between frames may be invalid, and a frame that cuts a character breaks the grammar anyway.
            if valid.is_none()
                && let Some(message) = utf8_fault(text, frame, None)
            {
                bad.push((i, codes::UTF8, message));
                continue;
            }
            let event = text.get(frame.start as usize..frame.end as usize).unwrap_or_default();
            let mut cut = Cut {
                text: event,
                ahead: text.get(frame.start as usize..(frame.end as usize + AHEAD).min(text.len())).unwrap_or(event),
                base: TextRef { text: 0, start: frame.start, len: 0 },
                levels: &mut self.levels,
                columns: &mut columns,
                row,
                depth_max: self.depth_max,
            };
            match cut.event() {
                Ok(()) => row += 1,
                Err(fault) => {
                    bad.push((i, fault.code(), fault.message(event, self.depth_max)));
                    columns.iter_mut().for_each(|column| column[row] = Cell::Missing);
                }
            }
        }
        let columns = columns.into_iter().map(|mut cells| {
            cells.truncate(row);
            Column::from(cells)
        });
        Rows { columns: columns.collect(), text: text.clone(), bad }
    }
}

/// The columns of a text layout ([`Layout::text`]) over events whose text was checked before: themselves, and what is
/// demanded of them. What is no object has missing values.
pub fn cut_columns(layout: &Layout, events: &Column, texts: &Texts) -> Vec<Column> {
    let mut levels = levels(layout);
    let mut columns = vec![vec![Cell::Missing; events.cells().len()]; layout.slots.len()];
    for (row, event) in events.cells().iter().enumerate() {
        let Cell::Json(base) = *event else { continue };
        let text = texts.bytes(base);
        let (levels, columns) = (&mut levels, &mut columns);
        let mut cut = Cut { text, ahead: text, base, levels, columns, row, depth_max: JSON_DEPTH_MAX };
        if cut.event().is_err() {
            columns.iter_mut().for_each(|column| column[row] = Cell::Missing);
        }
    }
    let cut = columns.into_iter().map(Column::from);
    std::iter::once(events.clone()).chain(cut.skip(1)).collect()
}

/// One event being read.
struct Cut<'a> {
    text: &'a [u8],
    /// The same and a few bytes more where there are some, so that names near the end can be compared by words.
    ahead: &'a [u8],
    /// Where the event starts in the batch's text.
    base: TextRef,
    levels: &'a mut [Level],
    columns: &'a mut [Vec<Cell>],
    row: usize,
    depth_max: usize,
}

impl Cut<'_> {
    fn event(&mut self) -> Result<(), Fault> {
        let start = skip_space(self.text, 0);
        if self.text.get(start) != Some(&b'{') {
            return Err(self.no_object(start));
        }
        if self.depth_max == 0 {
            return Err(Fault::new(start, Why::Depth));
        }
        let end = self.object(0, start + 1, 1)?;
        let rest = skip_space(self.text, end);
        if rest < self.text.len() {
            return Err(Fault::new(rest, Why::Trailing));
        }
        self.columns[0][self.row] = Cell::Json(self.range(start, end));
        Ok(())
    }

    /// Why a text that does not start with `{` is refused: the grammar first, so that its code says what is worst.
    #[cold]
    fn no_object(&self, start: usize) -> Fault {
        match json::check_value(self.text, self.depth_max) {
            Ok(_) => Fault::new(start, Why::NotObject),
            Err(fault) => fault,
        }
    }

    #[inline(always)]
    fn range(&self, start: usize, end: usize) -> TextRef {
        TextRef { text: self.base.text, start: self.base.start + start as u32, len: (end - start) as u32 }
    }

    /// Reads the object whose `{` is before `at` and is the `depth`th that is open.
    fn object(&mut self, level: usize, at: usize, depth: usize) -> Result<usize, Fault> {
        let mut at = skip_space(self.text, at);
        if self.text.get(at) == Some(&b'}') {
            return Ok(at + 1);
        }
        let mut step = 0;
        loop {
            let (field, value) = match self.levels[level].predict(self.ahead, at, step) {
                Some((field, value, next)) if value <= self.text.len() => {
                    step = next;
                    (field, skip_space(self.text, value))
                }
                _ => self.name(level, at, &mut step)?,
            };
            at = match field {
                None => skip_value(self.text, value, depth, self.depth_max)?,
                Some(field) => self.field(level, usize::from(field), value, depth)?,
            };
            at = skip_space(self.text, at);
            match self.text.get(at) {
                Some(b',') => at = skip_space(self.text, at + 1),
                Some(b'}') => return Ok(at + 1),
                _ => return Err(Fault::unexpected(self.text, at, Why::CommaOrBrace)),
            }
        }
    }

    /// Reads a name that was not foreseen: which field it is, and where the value starts.
    #[inline(never)]
    fn name(&mut self, level: usize, at: usize, step: &mut usize) -> Result<(Option<u16>, usize), Fault> {
        let (end, escaped, value) = key(self.text, at)?;
        let raw = &self.text[at + 1..end];
        let level = &mut self.levels[level];
        let field = match escaped {
            false => level.find(raw),
            true => {
                let name: Cow<'_, str> = json::unescape(raw);
                level.find(name.as_bytes())
            }
        };
        *step = level.learn(self.text, at, end, field, *step);
        Ok((field, value))
    }

    /// Reads the value of a wanted name and keeps what is wanted of it.
    fn field(&mut self, level: usize, field: usize, at: usize, depth: usize) -> Result<usize, Fault> {
        let field = &self.levels[level].fields[field];
        let slot = field.slot;
        let mut child = None;
        if let Some(inside) = field.child {
            for &column in &field.below {
                self.columns[column][self.row] = Cell::Missing;
            }
            child = (self.text.get(at) == Some(&b'{')).then_some(inside);
        }
        let (cell, end) = match child {
            Some(_) if depth >= self.depth_max => return Err(Fault::new(at, Why::Depth)),
            Some(child) => {
                let end = self.object(child, at + 1, depth + 1)?;
                (Cell::Json(self.range(at, end)), end)
            }
            None => self.value(at, depth)?,
        };
        if let Some(slot) = slot {
            self.columns[slot][self.row] = cell;
        }
        Ok(end)
    }

    #[inline(always)]
    fn value(&self, at: usize, depth: usize) -> Result<(Cell, usize), Fault> {
        let text = self.text;
        Ok(match text.get(at) {
            Some(b'"') => {
                let (end, escaped) = string(text, at + 1)?;
                let range = self.range(at + 1, end);
                (if escaped { Cell::Escaped(range) } else { Cell::Str(range) }, end + 1)
            }
            Some(b'-' | b'0'..=b'9') => {
                let (end, int) = number(text, at)?;
                (json::classify_number(&text[at..end], int, self.range(at, end)), end)
            }
            Some(b'{' | b'[') => {
                let end = skip_value(text, at, depth, self.depth_max)?;
                (Cell::Json(self.range(at, end)), end)
            }
            first => {
                let end = literal(text, at)?;
                (if first == Some(&b'n') { Cell::Null } else { Cell::Bool(first == Some(&b't')) }, end)
            }
        })
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
