//! JSON events: one pass over the text checks the whole grammar and cuts out what is demanded on the way. Which names
//! are demanded decides only what is kept, never what is accepted.

use std::borrow::Cow;

use bytes::Bytes;

use crate::event::codes::{self, Code};
use crate::event::json::{
    self, Block, Fault, Why, key, literal, number, number_of, skip_space, skip_value, skip_value_flat, string,
    string_of,
};
use crate::event::{Cell, Chunk, Column, Layout, TextRef, Texts};
use crate::limits::JSON_DEPTH_MAX;

use super::tree::{Level, Name, WINDOW, Wanted, inside, levels, window};
use super::{Rows, utf8_fault};

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
        let mut cut = Cut::new(&mut self.levels, &mut columns, self.depth_max);
        for (i, frame) in chunk.frames.iter().enumerate() {
            // What lies between frames may be invalid, and a frame that cuts a character breaks the grammar anyway.
            if valid.is_none()
                && let Some(message) = utf8_fault(text, frame, None)
            {
                bad.push((i, codes::UTF8, message));
                continue;
            }
            let (start, end) = (frame.start as usize, frame.end as usize);
            let ahead = text.get(start..text.len().min(end + WINDOW)).unwrap_or_default();
            let event = ahead.get(..frame.len()).unwrap_or_default();
            match cut.event(ahead, event, TextRef { text: 0, start: frame.start, len: 0 }) {
                Ok(()) => cut.row += 1,
                Err(fault) => {
                    bad.push((i, fault.code(), fault.message(event, self.depth_max)));
                    cut.clear();
                }
            }
        }
        let row = cut.row;
        let columns = columns.into_iter().map(|mut cells| {
            cells.truncate(row);
            Column::from(cells)
        });
        Rows { columns: columns.collect(), text: text.clone(), made: Bytes::new(), bad }
    }
}

/// The columns of a text layout ([`Layout::text`]) over events whose text was checked before: themselves, and what is
/// demanded of them. What is no object has missing values.
pub fn cut_columns(layout: &Layout, events: &Column, texts: &Texts) -> Vec<Column> {
    let mut levels = levels(layout);
    let mut columns = vec![vec![Cell::Missing; events.cells().len()]; layout.slots.len()];
    let mut cut = Cut::new(&mut levels, &mut columns, JSON_DEPTH_MAX);
    for (row, event) in events.cells().iter().enumerate() {
        let Cell::Json(base) = *event else { continue };
        let text = texts.bytes(base);
        cut.row = row;
        if cut.event(text, text, base).is_err() {
            cut.clear();
        }
    }
    let cut = columns.into_iter().map(Column::from);
    std::iter::once(events.clone()).chain(cut.skip(1)).collect()
}

/// One event being read.
struct Cut<'a> {
    text: &'a [u8],
    /// Where the event starts in the batch's text.
    base: TextRef,
    levels: &'a mut Vec<Level>,
    columns: &'a mut [Vec<Cell>],
    row: usize,
    depth_max: usize,
}

impl<'a> Cut<'a> {
    fn new(levels: &'a mut Vec<Level>, columns: &'a mut [Vec<Cell>], depth_max: usize) -> Cut<'a> {
        Cut { text: &[], base: TextRef { text: 0, start: 0, len: 0 }, levels, columns, row: 0, depth_max }
    }

    /// Reads one event into the row. `ahead` is the event and up to a window of what is behind it, so that whole windows can be looked
    /// at up to the event's end. If it then seems bad or does not end where it should, what is wrong is found by reading it alone.
    fn event(&mut self, ahead: &'a [u8], event: &'a [u8], base: TextRef) -> Result<(), Fault> {
        (self.text, self.base) = (ahead, base);
        let start = skip_space(ahead, 0);
        if ahead.get(start) == Some(&b'{')
            && self.depth_max > 0
            && let Ok(end) = self.object(0, start, 1)
            && end <= event.len()
            && skip_space(event, end) == event.len()
        {
            self.columns[0][self.row] = Cell::Json(self.base.part(start, end));
            return Ok(());
        }
        self.clear();
        self.text = event;
        self.event_alone()
    }

    /// The same for an event that is most likely bad.
    #[cold]
    fn event_alone(&mut self) -> Result<(), Fault> {
        let start = skip_space(self.text, 0);
        if self.text.get(start) != Some(&b'{') {
            // The grammar first, so that the code says what is worst.
            json::check_value(self.text, self.depth_max)?;
            return Err(Fault::new(start, Why::NotObject));
        }
        if self.depth_max == 0 {
            return Err(Fault::new(start, Why::Depth));
        }
        let end = self.object(0, start, 1)?;
        let rest = skip_space(self.text, end);
        if rest < self.text.len() {
            return Err(Fault::new(rest, Why::Trailing));
        }
        self.columns[0][self.row] = Cell::Json(self.base.part(start, end));
        Ok(())
    }

    /// Forgets what was kept for the row.
    #[cold]
    fn clear(&mut self) {
        self.columns.iter_mut().filter_map(|column| column.get_mut(self.row)).for_each(|cell| *cell = Cell::Missing);
    }

    /// Reads the object whose `{` is at `at` and is the `depth`th that is open. Returns what follows it.
    fn object(&mut self, level: usize, mut at: usize, depth: usize) -> Result<usize, Fault> {
        let mut step = 0;
        loop {
            (at, step) = self.skim(level, at, step);
            if step > 0 && self.text.get(at) == Some(&b'}') {
                return Ok(at + 1);
            }
            let name = match self.levels[level].foresee(self.text, at, step) {
                Some(name) => Name { value: skip_space(self.text, name.value), ..name },
                None => match self.name(level, at, step)? {
                    Next::Name(name) => name,
                    Next::End(end) => return Ok(end),
                },
            };
            at = match name.field {
                None => self.skip(level, name, depth)?,
                Some(field) => self.field(level, usize::from(field), name, depth)?,
            };
            step = name.step + 1;
        }
    }

    /// Reads the names and plain values that stand as foreseen, from an object's brace or a value's end on, up to the first that
    /// do not: most of an event, so it does as little as it can. Returns the end of the last value and the next step.
    #[inline(always)]
    fn skim(&mut self, level: usize, mut at: usize, mut step: usize) -> (usize, usize) {
        for key in self.levels[level].shape(step) {
            let Some(window) = window(self.text, at) else { break };
            let Some(len) = key.matches(window) else { break };
            let value = at + len;
            let end = match key.wanted {
                Wanted::Nothing => skip_in_window(window, len, self.text, value),
                Wanted::Slot(slot) => plain_in_window(window, len, self.text, self.base, value).map(|(cell, end)| {
                    self.columns[usize::from(slot)][self.row] = cell;
                    end
                }),
                Wanted::More => break,
            };
            let Ok(end) = end else { break };
            at = end;
            step += 1;
        }
        (at, step)
    }

    /// Reads on from an object's brace or the value before: a name that was not foreseen, or the object's end.
    #[inline(never)]
    fn name(&mut self, level: usize, at: usize, step: usize) -> Result<Next, Fault> {
        let first = step == 0;
        let mut start = skip_space(self.text, at + usize::from(first));
        match self.text.get(start) {
            Some(b'}') => return Ok(Next::End(start + 1)),
            _ if first => {}
            Some(b',') => start = skip_space(self.text, start + 1),
            _ => return Err(Fault::unexpected(self.text, start, Why::CommaOrBrace)),
        }
        let (end, escaped, value) = key(self.text, start)?;
        let raw = &self.text[start + 1..end];
        let level = &mut self.levels[level];
        let field = match escaped {
            false => level.find(raw),
            true => {
                let name: Cow<'_, str> = json::unescape(raw);
                level.find(name.as_bytes())
            }
        };
        level.learn(&self.text[at..value], field, step);
        Ok(Next::Name(Name { field, step, value }))
    }

    /// Reads the value of a wanted name and keeps what is wanted of it.
    fn field(&mut self, level: usize, field: usize, name: Name, depth: usize) -> Result<usize, Fault> {
        let field = &self.levels[level].fields[field];
        let (slot, at) = (field.slot, name.value);
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
                let end = self.object(child, at, depth + 1)?;
                (Cell::Json(self.base.part(at, end)), end)
            }
            None => self.value(level, name, depth)?,
        };
        if let Some(slot) = slot {
            self.columns[slot][self.row] = cell;
        }
        Ok(end)
    }

    fn value(&mut self, level: usize, name: Name, depth: usize) -> Result<(Cell, usize), Fault> {
        let at = name.value;
        if let Some(b'{' | b'[') = self.text.get(at) {
            let end = self.nested(level, name, depth)?;
            return Ok((Cell::Json(self.base.part(at, end)), end));
        }
        plain(self.text, self.base, at)
    }

    /// Reads a value of which nothing is wanted. Returns what follows it.
    #[inline(always)]
    fn skip(&mut self, level: usize, name: Name, depth: usize) -> Result<usize, Fault> {
        match self.text.get(name.value) {
            Some(b'{' | b'[') => self.nested(level, name, depth),
            _ => skip_value_flat(self.text, name.value),
        }
    }

    /// Reads an object or array in which nothing is wanted; its objects' names are foreseen, too.
    #[inline(never)]
    fn nested(&mut self, level: usize, name: Name, depth: usize) -> Result<usize, Fault> {
        let at = name.value;
        if depth >= self.depth_max {
            return Err(Fault::new(at, Why::Depth));
        }
        match inside(self.levels, level, name.step) {
            Some(inside) if self.text.get(at) == Some(&b'{') => self.object(inside, at, depth + 1),
            Some(inside) => self.array(inside, at, depth + 1),
            None => skip_value(self.text, at, depth, self.depth_max),
        }
    }

    /// Reads the array whose `[` is at `at` and is the `depth`th that is open; `level` is that of objects in it.
    fn array(&mut self, level: usize, at: usize, depth: usize) -> Result<usize, Fault> {
        let mut at = skip_space(self.text, at + 1);
        if self.text.get(at) == Some(&b']') {
            return Ok(at + 1);
        }
        loop {
            at = match self.text.get(at) {
                Some(b'{') if depth >= self.depth_max => return Err(Fault::new(at, Why::Depth)),
                Some(b'{') => self.object(level, at, depth + 1)?,
                Some(b'[') => skip_value(self.text, at, depth, self.depth_max)?,
                _ => skip_value_flat(self.text, at)?,
            };
            at = skip_space(self.text, at);
            match self.text.get(at) {
                Some(b',') => at = skip_space(self.text, at + 1),
                Some(b']') => return Ok(at + 1),
                _ => return Err(Fault::unexpected(self.text, at, Why::CommaOrBracket)),
            }
        }
    }
}

/// What follows in an object.
enum Next {
    Name(Name),
    /// It ended before this byte.
    End(usize),
}

/// Reads the value at `at` that is no object and no array: its cell, and what follows it.
#[inline(never)]
fn plain(text: &[u8], base: TextRef, at: usize) -> Result<(Cell, usize), Fault> {
    Ok(match text.get(at) {
        Some(b'"') => {
            let (end, escaped) = string(text, at + 1)?;
            let range = base.part(at + 1, end);
            (if escaped { Cell::Escaped(range) } else { Cell::Str(range) }, end + 1)
        }
        Some(b'-' | b'0'..=b'9') => {
            let (end, int) = number(text, at)?;
            (json::classify_number(&text[at..end], int, base.part(at, end)), end)
        }
        first => {
            let end = literal(text, at)?;
            (if first == Some(&b'n') { Cell::Null } else { Cell::Bool(first == Some(&b't')) }, end)
        }
    })
}

/// The plain value at a place of a window, which is `at` in the text: its cell, and what follows it.
#[inline(always)]
fn plain_in_window(
    window: &[u8; WINDOW],
    place: usize,
    text: &[u8],
    base: TextRef,
    at: usize,
) -> Result<(Cell, usize), Fault> {
    match (window[place], Block::at(window, place + 1), Block::at(window, place)) {
        (b'"', Some(block), _) => {
            let (end, escaped) = string_of(block, text, at + 1)?;
            let range = base.part(at + 1, end);
            Ok((if escaped { Cell::Escaped(range) } else { Cell::Str(range) }, end + 1))
        }
        (b'-' | b'0'..=b'9', _, Some(block)) => {
            let (end, int) = number_of(block, text, at)?;
            Ok((json::classify_number(&text[at..end], int, base.part(at, end)), end))
        }
        _ => plain(text, base, at),
    }
}

/// What follows the plain value at a place of a window, which is `at` in the text.
#[inline(always)]
fn skip_in_window(window: &[u8; WINDOW], place: usize, text: &[u8], at: usize) -> Result<usize, Fault> {
    match (window[place], Block::at(window, place + 1), Block::at(window, place)) {
        (b'"', Some(block), _) => Ok(string_of(block, text, at + 1)?.0 + 1),
        (b'-' | b'0'..=b'9', _, Some(block)) => Ok(number_of(block, text, at)?.0),
        _ => literal(text, at),
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
