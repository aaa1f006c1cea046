//! Texts: concatenation, interpolation, and the parts of a text that is split.

use std::ops::Range;

use memchr::{memchr_iter, memmem};
use rhai::Position;

use crate::event::{Cell, Tag, TextRef};
use crate::expr::ir::{Call, Index, Ir};

use super::{Run, Source, Vector};

impl Run<'_> {
    /// The texts of values, one after another.
    pub(super) fn text(&mut self, parts: &[Ir], at: Position, rows: &mut Vec<u32>) -> Vector {
        let values = self.eval_all(parts, rows);
        let vector = self.joined(&values, at, rows);
        values.into_iter().for_each(|value| self.free(value));
        vector
    }

    /// The text of a value.
    pub(crate) fn as_text(&mut self, value: Vector, rows: &mut Vec<u32>) -> Vector {
        if self.tags(&value).only(crate::event::Tags(Tag::Str as u16)) {
            return value;
        }
        let vector = self.joined(std::slice::from_ref(&value), Position::NONE, rows);
        self.free(value);
        vector
    }

    fn joined(&mut self, values: &[Vector], at: Position, rows: &mut Vec<u32>) -> Vector {
        let mut buf = self.buf();
        buf.tags.add(Tag::Str);
        let mut fails = Vec::new();
        let sources: smallvec::SmallVec<[Source<'_>; 8]> =
            values.iter().map(|value| Self::source(&self.m.frame, self.batch, self.args, value)).collect();
        for &row in rows.iter() {
            let start = self.arena.len();
            let mut write = |source: &Source<'_>| {
                self.arena.write_text(source.at(row as usize), &self.batch.texts, &mut self.m.scratch);
                self.m.call.room(self.arena.len() - start)
            };
            match sources.iter().try_for_each(&mut write).and_then(|()| self.arena.room()) {
                Ok(()) => buf.cells[row as usize] = Cell::Str(self.arena.since(start)),
                Err(fail) => {
                    self.arena.truncate(start);
                    fails.push((row, fail));
                }
            }
        }
        drop(sources);
        self.fail_all(fails, at, rows);
        Vector::Buf(buf)
    }

    /// `a + b` where one of them is a text and the other a text or a scalar; other rows are left to `rest`.
    pub(super) fn concat(&mut self, (a, b): (&Vector, &Vector), rows: &[u32], cells: &mut [Cell], rest: &mut Vec<u32>) {
        let left = Self::source(&self.m.frame, self.batch, self.args, a);
        let right = Self::source(&self.m.frame, self.batch, self.args, b);
        let scalar = |cell| {
            matches!(cell, Cell::Str(_) | Cell::Int(_) | Cell::Float(_) | Cell::Bool(_) | Cell::Missing | Cell::Null)
        };
        for &row in rows {
            let (x, y) = (left.at(row as usize), right.at(row as usize));
            let is_text = matches!(x, Cell::Str(_)) || matches!(y, Cell::Str(_));
            if !is_text || !scalar(x) || !scalar(y) || self.arena.room().is_err() {
                rest.push(row);
                continue;
            }
            let start = self.arena.len();
            self.arena.write_text(x, &self.batch.texts, &mut self.m.scratch);
            self.arena.write_text(y, &self.batch.texts, &mut self.m.scratch);
            if self.m.call.room(self.arena.len() - start).is_ok() {
                cells[row as usize] = Cell::Str(self.arena.since(start));
            } else {
                self.arena.truncate(start);
                rest.push(row);
            }
        }
    }

    /// The place in `split(text, separator)[place]`, where it is a constant that counts from the start.
    pub(super) fn item_of_split(&self, parts: &Index) -> Option<usize> {
        let Ir::Call(Call { function, args, .. }) = &parts.target else { return None };
        let Ir::Const(index) = parts.index else { return None };
        match self.m.consts.get(index) {
            Some(Cell::Int(place)) if function.name == "split" && args.len() == 2 => usize::try_from(*place).ok(),
            _ => None,
        }
    }

    /// One part of a split text, which lies in the text itself: the array of all parts is not made.
    pub(super) fn split_item(&mut self, call: &Call, place: usize, parts: &Index, rows: &mut Vec<u32>) -> Vector {
        let values = self.eval_all(&call.args, rows);
        let mut buf = self.buf();
        buf.tags.add(Tag::Str);
        let mut rest = self.selection(&[]);
        // A text below this can have no more parts, and no longer ones, than the limits allow.
        let short = self.m.call.limits.array.min(self.m.call.limits.string);
        let mut sources = values.iter().map(|value| Self::source(&self.m.frame, self.batch, self.args, value));
        if let (Some(texts), Some(separators)) = (sources.next(), sources.next()) {
            let space = self.space();
            for &row in rows.iter() {
                let found = match (texts.at(row as usize), separators.at(row as usize)) {
                    (Cell::Str(text), Cell::Str(separator)) if (text.len as usize) < short => {
                        nth_part(space.bytes(text), space.bytes(separator), place).map(|range| TextRef {
                            start: text.start + range.start as u32,
                            len: range.len() as u32,
                            ..text
                        })
                    }
                    _ => None,
                };
                match found {
                    Some(part) => buf.cells[row as usize] = Cell::Str(part),
                    None => rest.push(row),
                }
            }
        }
        drop(sources);
        if !rest.is_empty() {
            // What is no text, and what has no such part: as if it stood apart.
            let whole = Vector::Buf(self.call_rows(call, &values, &mut rest));
            let index = self.eval(&parts.index, &mut rest);
            let items = self.index_rows(&whole, &index, parts, &mut rest);
            self.write(&mut buf, Vector::Buf(items), &rest);
            self.free(whole);
            self.drop_dead(rows);
        }
        self.free_selection(rest);
        values.into_iter().for_each(|value| self.free(value));
        Vector::Buf(buf)
    }
}

/// The bytes of the n-th part between separators, as `str::split` has them; none for an empty separator.
fn nth_part(text: &[u8], separator: &[u8], n: usize) -> Option<Range<usize>> {
    match separator {
        [] => None,
        [byte] => between(memchr_iter(*byte, text), 1, n, text.len()),
        _ => between(memmem::find_iter(text, separator), separator.len(), n, text.len()),
    }
}

/// The n-th range between separators that begin at these places and have this length.
fn between(mut places: impl Iterator<Item = usize>, len: usize, n: usize, end: usize) -> Option<Range<usize>> {
    let start = match n.checked_sub(1) {
        None => 0,
        Some(before) => places.nth(before)? + len,
    };
    Some(start..places.next().unwrap_or(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_the_one_that_split_gives() {
        for text in ["", "a", "a,b,,c", ",", ",,", "aaa", "é,ü", "a::b::c", ":::", "no separator"] {
            for separator in [",", "::", "a", "é", "aa"] {
                for n in 0..5 {
                    let part = nth_part(text.as_bytes(), separator.as_bytes(), n).map(|range| &text[range]);
                    assert_eq!(part, text.split(separator).nth(n), "{text:?} {separator:?} {n}");
                }
            }
        }
        assert_eq!(nth_part(b"ab", b"", 0), None);
    }
}
