//! Runs a program over one event: checks every byte of it, and puts what is wanted into the cells of a row.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::event::json;
use crate::event::{Cell, TextRef};

use super::fault::{Fault, Read, Why};
use super::known::{DURATION_SECONDS, TIMESTAMP_SECONDS};
use super::program::{Act, Level, Program};
use super::read;
use super::types::{Kind, Known, NONE, Type, Worth};
use super::write::{Chain, JsonWriter, Notes, bits, write_worth};

/// What is kept from one event to the next, so that its memory is.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// Which levels' messages have come.
    seen: Vec<bool>,
    /// The values of each late.
    chains: Vec<Chain>,
    notes: Notes,
}

/// One event being read.
pub(super) struct Machine<'a> {
    pub program: &'a Program,
    /// The bytes of the chunk; places count in them.
    pub text: &'a [u8],
    pub columns: &'a mut [Vec<Cell>],
    pub row: usize,
    /// Text 1 of the rows.
    pub made: &'a mut Vec<u8>,
    /// Bytes of `made` after which nothing more is written.
    pub made_max: usize,
    pub depth_max: usize,
    pub scratch: &'a mut Scratch,
    /// After a fault: the fields on the way to its place, the innermost first.
    pub path: Vec<Arc<str>>,
}

/// A message that is being read.
struct Open<'p> {
    level: &'p Level,
    ty: &'p Type,
    end: usize,
    /// Of its object in JSON.
    depth: usize,
}

impl Machine<'_> {
    /// Reads the event between two places into the row.
    pub fn event(&mut self, start: usize, end: usize) -> Read<()> {
        let program = self.program;
        if !program.lates.is_empty() {
            self.scratch.notes.clear();
            self.scratch.chains.clear();
            self.scratch.chains.resize(program.lates.len(), Chain::EMPTY);
        }
        if program.levels[program.root].is_wanted {
            self.scratch.seen.clear();
            self.scratch.seen.resize(program.levels.len(), false);
        }
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
        JsonWriter { types, text, notes: &mut self.scratch.notes, out: self.made, out_max: self.made_max }
    }

    #[inline(always)]
    fn set(&mut self, slot: u16, cell: Cell) {
        if let Some(there) = self.columns.get_mut(usize::from(slot)).and_then(|column| column.get_mut(self.row)) {
            *there = cell;
        }
    }

    /// Reads the message of a level between two places, at a depth of JSON.
    fn message(&mut self, at: usize, start: usize, end: usize, depth: usize) -> Read<()> {
        let program = self.program;
        let level = &program.levels[at];
        let ty = level.ty(&program.types);
        if depth + ty.lists > self.depth_max {
            return Fault::err(start, Why::Depth);
        }
        if level.is_wanted && !std::mem::replace(&mut self.scratch.seen[at], true) {
            level.defaults.iter().for_each(|(slot, cell)| self.set(*slot, *cell));
        }
        let mut seen: SmallVec<[u64; 1]> = SmallVec::new();
        if ty.required > 0 {
            seen.resize(ty.required.div_ceil(64), 0);
        }
        let open = Open { level, ty, end, depth };
        let mut at = start;
        while at < end {
            let (tag, after) = read::tag(self.text, at, end)?;
            let index = ty.find(tag >> 3);
            if index == NONE {
                at = read::skip(self.text, tag, after, end, self.depth_max.saturating_sub(depth))?;
                continue;
            }
            let field = &ty.fields[usize::from(index)];
            if let Some(bit) = field.required {
                seen[usize::from(bit / 64)] |= 1 << (bit % 64);
            }
            at = match self.field(&open, usize::from(index), tag, after) {
                Ok(at) => at,
                Err(fault) => {
                    self.path.push(field.name.clone());
                    return Err(fault);
                }
            };
        }
        if ty.required > 0 {
            self.check_required(ty, &seen, end)?;
        }
        Ok(())
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
        let field = &open.ty.fields[index];
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
                } else if let Some(known) = open.ty.known {
                    check_time(known, field.number, bits, at)?;
                }
                (at, after)
            }
            Kind::Enum(found) => {
                let (bits, after) = read::varint(self.text, at, open.end)?;
                if let Act::Cell(slot) = step.act {
                    let name = self.program.types.enums[found].find(bits as i32);
                    let name = name.and_then(|name| self.program.names[found].get(name).copied());
                    self.set(slot, name.unwrap_or(Cell::Int((bits as i32).into())));
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
                    json::base64(self.made, self.text.get(start..after).unwrap_or_default());
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
        let field = &open.ty.fields[index];
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
        clear.levels.iter().for_each(|level| self.scratch.seen[usize::from(*level)] = false);
    }

    #[inline(always)]
    fn number(&mut self, worth: Worth) -> Cell {
        match worth {
            Worth::Int(value) => Cell::Int(value),
            Worth::Bool(value) => Cell::Bool(value),
            Worth::Float(value) if value.is_finite() => Cell::Float(value),
            Worth::Float(_) | Worth::Large(_) => {
                let from = self.made.len();
                write_worth(self.made, worth, false);
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
                if let (Some(slot), Some(default), true) =
                    (late.slot, late.default, self.scratch.seen[usize::from(late.level)])
                {
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
fn check_time(known: Known, number: u32, bits: u64, at: usize) -> Read<()> {
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
