//! Runs a program over one event: checks every byte of it, and puts what is wanted into the cells of a row.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::event::json;
use crate::event::{Cell, TextRef};
use crate::limits::BINARY_TEXT_BYTES_MAX;

use super::fault::{Fault, Read, Why};
use super::known::{DURATION_SECONDS, TIMESTAMP_SECONDS};
use super::program::{Act, Level, Program};
use super::quick::Outer;
use super::read;
use super::types::{Kind, Known, NONE, Type, Worth};
use super::write::{Chain, JsonWriter, Notes, bits, write_worth};

/// What is kept from one event to the next, so that its memory is.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// The event in which a message of each level came last, by their count.
    seen: Vec<u64>,
    /// Events so far.
    event: u64,
    /// The values of each late.
    chains: Vec<Chain>,
    notes: Notes,
}

/// The events of a chunk being read, one after the other.
pub(super) struct Machine<'a> {
    pub program: &'a Program,
    /// The bytes of the chunk; places count in them.
    pub text: &'a [u8],
    pub columns: Vec<Vec<Cell>>,
    pub row: usize,
    /// Text 1 of the rows.
    pub made: Vec<u8>,
    pub depth_max: usize,
    pub scratch: &'a mut Scratch,
    pub outer: Outer<'a>,
    /// After a fault: the fields on the way to its place, the innermost first.
    pub path: Vec<Arc<str>>,
}

/// A message that is being read.
#[derive(Clone, Copy)]
pub(super) struct Open<'a> {
    pub level: &'a Level,
    pub end: usize,
    /// Of its object in JSON.
    pub depth: usize,
}

impl Scratch {
    pub fn new(program: &Program) -> Scratch {
        Scratch { seen: vec![0; program.levels.len()], ..Scratch::default() }
    }
}

impl<'a> Machine<'a> {
    /// Rows for the events of a chunk.
    pub fn new(
        program: &'a Program,
        scratch: &'a mut Scratch,
        text: &'a [u8],
        rows: usize,
        depth_max: usize,
    ) -> Machine<'a> {
        let columns = program.blank.iter().map(|cell| vec![*cell; rows]).collect();
        let made = program.constants.clone();
        let outer = Outer::new(Open { level: &program.levels[program.root], end: 0, depth: 0 });
        Machine { program, text, columns, row: 0, made, depth_max, scratch, outer, path: Vec::new() }
    }

    /// Takes back what was put into the row, after a fault. `made`: how long that was before.
    pub fn clear_row(&mut self, made: usize) {
        self.made.truncate(made);
        self.path.clear();
        for (column, blank) in self.columns.iter_mut().zip(&self.program.blank) {
            if let Some(cell) = column.get_mut(self.row) {
                *cell = *blank;
            }
        }
    }

    /// Reads the event between two places into the row.
    pub fn event(&mut self, start: usize, end: usize) -> Read<()> {
        let program = self.program;
        if !program.lates.is_empty() {
            self.scratch.notes.clear();
            self.scratch.chains.clear();
            self.scratch.chains.resize(program.lates.len(), Chain::EMPTY);
        }
        self.scratch.event += 1;
        self.outer.clear();
        self.message(program.root, start, end, 1)?;
        if !program.lates.is_empty() {
            self.finish()?;
        }
        if program.whole {
            self.scratch.notes.clear();
            let from = self.made.len();
            self.writer().event(start, end)?;
            self.set(0, Cell::Json(range(from, self.made.len())));
        }
        Ok(())
    }

    fn writer(&mut self) -> JsonWriter<'_> {
        let (types, text) = (&*self.program.types, self.text);
        JsonWriter { types, text, notes: &mut self.scratch.notes, out: &mut self.made, out_max: BINARY_TEXT_BYTES_MAX }
    }

    #[inline(always)]
    pub(super) fn set(&mut self, slot: u16, cell: Cell) {
        if let Some(there) = self.columns.get_mut(usize::from(slot)).and_then(|column| column.get_mut(self.row)) {
            *there = cell;
        }
    }

    /// Reads the message of a level between two places, at a depth of JSON.
    fn message(&mut self, index: usize, start: usize, end: usize, depth: usize) -> Read<()> {
        let level = &self.program.levels[index];
        let mut open = Open { level, end, depth };
        if self.is_too_deep(&open) {
            return Fault::err(start, Why::Depth);
        }
        self.begin(&open);
        let base = self.outer.count();
        let at = self.quick(&mut open, start, base);
        if at >= open.end && !level.is_strict { Ok(()) } else { self.any_fields(level, open, at, base) }
    }

    /// Reads on at a field that is not usual, in the message of the level or in one inside of it, to the end of the former.
    #[inline(never)]
    fn any_fields(&mut self, level: &Level, mut open: Open<'a>, mut at: usize, base: usize) -> Read<()> {
        let ty = level.ty(&self.program.types);
        let mut seen: SmallVec<[u64; 1]> = SmallVec::new();
        seen.resize(ty.required.div_ceil(64), 0);
        while at < open.end {
            // What has required fields is never open inside of another here, so `seen` is of this message.
            at = match self.any_field(&open, at, &mut seen) {
                Ok(at) => at,
                Err(fault) => {
                    self.push_path(base);
                    return Err(fault);
                }
            };
            at = self.quick(&mut open, at, base);
        }
        if level.is_strict { self.check_required(ty, &seen, open.end) } else { Ok(()) }
    }

    /// The fields that lead into the message that is being read.
    #[cold]
    fn push_path(&mut self, base: usize) {
        while let Some((around, at)) = self.outer.pop(base) {
            let ty = around.level.ty(&self.program.types);
            let tag = read::tag(self.text, at, around.end).map_or(0, |(tag, _)| tag);
            let field = ty.fields.get(usize::from(ty.find(tag >> 3)));
            self.path.extend(field.map(|field| field.name.clone()));
        }
    }

    #[inline(always)]
    pub(super) fn is_too_deep(&self, open: &Open<'_>) -> bool {
        open.depth + open.level.lists > self.depth_max
    }

    /// A message begins. The first of an event gives its fields what they are if they are not written.
    #[inline(always)]
    pub(super) fn begin(&mut self, open: &Open<'a>) {
        if open.level.is_noted && self.scratch.seen[open.level.index] != self.scratch.event {
            self.begin_first(open);
        }
    }

    #[inline(never)]
    fn begin_first(&mut self, open: &Open<'a>) {
        self.scratch.seen[open.level.index] = self.scratch.event;
        open.level.defaults.iter().for_each(|(slot, cell)| self.set(*slot, *cell));
    }

    /// Reads a field, whatever it is. `seen`: which of the required ones have come.
    #[inline(never)]
    fn any_field(&mut self, open: &Open<'_>, at: usize, seen: &mut [u64]) -> Read<usize> {
        let ty = open.level.ty(&self.program.types);
        let (tag, after) = read::tag(self.text, at, open.end)?;
        let index = ty.find(tag >> 3);
        if index == NONE {
            return read::skip(self.text, tag, after, open.end, self.depth_max.saturating_sub(open.depth));
        }
        let field = &ty.fields[usize::from(index)];
        if let Some(bit) = field.required {
            seen[usize::from(bit / 64)] |= 1 << (bit % 64);
        }
        let read = self.field(open, usize::from(index), tag, after);
        read.inspect_err(|_| self.path.push(field.name.clone()))
    }

    /// An encoder writes a message at once, so each part of one that comes in several has to be complete.
    fn check_required(&mut self, ty: &Type, seen: &[u64], end: usize) -> Read<()> {
        let is_missing = |bit: u16| seen[usize::from(bit / 64)] & 1 << (bit % 64) == 0;
        match ty.fields.iter().position(|field| field.required.is_some_and(is_missing)) {
            None => Ok(()),
            Some(index) => {
                self.path.push(ty.fields[index].name.clone());
                Fault::err(end, Why::Missing(index as u16))
            }
        }
    }

    /// Reads the value of a field behind its tag, and gives what follows it.
    #[inline]
    fn field(&mut self, open: &Open<'_>, index: usize, tag: u32, at: usize) -> Read<usize> {
        let ty = open.level.ty(&self.program.types);
        let field = &ty.fields[index];
        if tag != field.tag {
            return self.packed(open, index, tag, at);
        }
        let step = open.level.steps[index];
        if step.clear != NONE {
            self.clear(open.level, step.clear);
        }
        let (start, after) = match field.kind {
            Kind::Number(number) => {
                let (bits, after) = bits(self.text, field.kind, at, open.end)?;
                if let Act::Cell(slot) = step.act {
                    let cell = self.number(number.worth(bits));
                    self.set(slot, cell);
                } else if let Some(known) = ty.known {
                    check_time(known, field.number, bits, at)?;
                }
                (at, after)
            }
            Kind::Enum(found) => {
                let (bits, after) = read::varint(self.text, at, open.end)?;
                if let Act::Cell(slot) = step.act {
                    self.set_name(found, bits, slot);
                }
                (at, after)
            }
            Kind::String => {
                let (start, after) = read::length(self.text, at, open.end)?;
                read::check_utf8(self.text, start, after)?;
                if let Act::Cell(slot) = step.act {
                    let text = TextRef { text: 0, start: start as u32, len: (after - start) as u32 };
                    self.set(slot, Cell::Str(text));
                }
                (start, after)
            }
            Kind::Bytes => {
                let (start, after) = read::length(self.text, at, open.end)?;
                if let Act::Cell(slot) = step.act {
                    let from = self.made.len();
                    json::base64(&mut self.made, self.text.get(start..after).unwrap_or_default());
                    self.set(slot, Cell::Str(range(from, self.made.len())));
                }
                (start, after)
            }
            Kind::Message(inner) => {
                let (start, after) = read::length(self.text, at, open.end)?;
                self.inner(step.act, inner, start, after, open.depth + field.deeper)?;
                (start, after)
            }
            Kind::Group(inner) => {
                let levels = self.depth_max.saturating_sub(open.depth);
                let (stop, after) = read::group(self.text, tag, at, open.end, levels)?;
                self.inner(step.act, inner, at, stop, open.depth + field.deeper)?;
                if let Act::Note(late) = step.act {
                    self.note(late, at, stop, false);
                }
                return Ok(after);
            }
        };
        if let Act::Note(late) = step.act {
            self.note(late, start, after, false);
        }
        Ok(after)
    }

    fn inner(&mut self, act: Act, ty: usize, start: usize, end: usize, depth: usize) -> Read<()> {
        let level = if let Act::Into(level) = act { level.into() } else { ty };
        self.message(level, start, end, depth)
    }

    /// Reads a run of numbers. Any other field behind another tag than its own is in a form that it does not have.
    #[inline(never)]
    fn packed(&mut self, open: &Open<'_>, index: usize, tag: u32, at: usize) -> Read<usize> {
        let field = &open.level.ty(&self.program.types).fields[index];
        if tag != field.packed_tag {
            let why = match (tag & 7) as u8 {
                read::GROUP_END => Why::Group,
                found => Why::WireType { found, wanted: (field.tag & 7) as u8 },
            };
            return Fault::err(at, why);
        }
        let (start, after) = read::length(self.text, at, open.end)?;
        let each = match (field.tag & 7) as u8 {
            read::FIXED32 => 4,
            read::FIXED64 => 8,
            _ => 0,
        };
        let bytes = after - start;
        if each > 0 && !bytes.is_multiple_of(each) {
            return Fault::err(at, Why::Packed { bytes: bytes as u64, each: each as u8 });
        }
        let mut number = start;
        while each == 0 && number < after {
            (_, number) = read::varint(self.text, number, after)?;
        }
        if let Act::Note(late) = open.level.steps[index].act {
            self.note(late, start, after, true);
        }
        Ok(after)
    }

    fn note(&mut self, late: u16, start: usize, end: usize, packed: bool) {
        let scratch = &mut *self.scratch;
        let Some(chain) = scratch.chains.get_mut(usize::from(late)) else { return };
        scratch.notes.add(chain, start, end, packed);
    }

    #[cold]
    fn clear(&mut self, level: &Level, clear: u16) {
        let Some(clear) = level.clears.get(usize::from(clear)) else { return };
        clear.slots.iter().for_each(|slot| self.set(*slot, Cell::Missing));
        clear.lates.iter().for_each(|late| self.scratch.chains[usize::from(*late)] = Chain::EMPTY);
        clear.levels.iter().for_each(|level| self.scratch.seen[usize::from(*level)] = 0);
    }

    /// The name of a number of an enum, or the number.
    #[inline(never)]
    pub(super) fn set_name(&mut self, found: usize, bits: u64, slot: u16) {
        let name = self.program.types.enums[found].find(bits as i32);
        let name = name.and_then(|name| self.program.names[found].get(name).copied());
        self.set(slot, name.unwrap_or(Cell::Int((bits as i32).into())));
    }

    #[inline(always)]
    pub(super) fn number(&mut self, worth: Worth) -> Cell {
        match worth {
            Worth::Int(value) => Cell::Int(value),
            Worth::Bool(value) => Cell::Bool(value),
            Worth::Float(value) if value.is_finite() => Cell::Float(value),
            Worth::Float(_) | Worth::Large(_) => {
                let from = self.made.len();
                write_worth(&mut self.made, worth, false);
                let text = range(from, self.made.len());
                if matches!(worth, Worth::Large(_)) { Cell::Number(text) } else { Cell::Str(text) }
            }
        }
    }

    /// Writes what was noted.
    fn finish(&mut self) -> Read<()> {
        let program = self.program;
        for (index, late) in program.lates.iter().enumerate() {
            let chain = self.scratch.chains[index];
            if chain.is_empty() {
                let level = usize::from(late.level);
                let is_there = level == program.root || self.scratch.seen[level] == self.scratch.event;
                if let (Some(slot), Some(default), true) = (late.slot, late.default, is_there) {
                    self.set(slot, default);
                }
                continue;
            }
            let ty = program.levels[usize::from(late.level)].ty(&program.types);
            let from = self.made.len();
            let written = self.writer().field(ty, late.field, chain, 1);
            written.inspect_err(|_| self.path.push(ty.fields[late.field].name.clone()))?;
            let slots = late.slot.map(|slot| (slot, &[][..])).into_iter();
            for (slot, path) in slots.chain(late.inside.iter().map(|(slot, path)| (*slot, path.as_slice()))) {
                let text = self.made.get(from..).unwrap_or_default();
                let cell = json::find_cell(text, path).unwrap_or(Cell::Missing);
                let there = |at: TextRef| TextRef { text: 1, start: from as u32 + at.start, len: at.len };
                self.set(slot, cell.text_ref().map_or(cell, |at| cell.with_text_ref(there(at))));
            }
        }
        Ok(())
    }
}

/// Whether seconds and nanoseconds are in range.
pub(super) fn check_time(known: Known, number: u32, bits: u64, at: usize) -> Read<()> {
    let value = if number == 1 { bits as i64 } else { i64::from(bits as i32) };
    let good = match (known, number) {
        (Known::Timestamp, 1) => TIMESTAMP_SECONDS.contains(&value),
        (Known::Duration, 1) => DURATION_SECONDS.contains(&value),
        (Known::Timestamp, 2) => (0..1_000_000_000).contains(&value),
        (Known::Duration, 2) => (-999_999_999..1_000_000_000).contains(&value),
        _ => true,
    };
    if good { Ok(()) } else { Fault::err(at, Why::TimeRange(value)) }
}

/// A range of text 1.
fn range(start: usize, end: usize) -> TextRef {
    TextRef { text: 1, start: start as u32, len: (end - start) as u32 }
}
