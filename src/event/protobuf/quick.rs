//! The quick way over the fields of messages: a table gives what is done with a field by the bytes of its tag, and most need one look at a
//! window of bytes. It knows what is good and usual. Of all else, bad bytes included, it does nothing and says where that is: the machine,
//! which knows every form of a field and what is wrong with one, reads that field, and it goes on behind.

use crate::event::ascii::{FIRST, is_ascii_at};
use crate::event::json::{BLOCK, Block};
use crate::event::{Cell, TextRef};

use super::machine::{Machine, Open, check_time};
use super::program::{Act, Level};
use super::read;
use super::types::{FieldType, Kind, Known, NONE, Number, Type, Types};

/// Bytes that are looked at together: a tag and a length of one byte each, and two blocks of a string. Nearer to the end of a chunk than
/// that nothing is done here.
const WINDOW: usize = 2 + 2 * BLOCK;

/// Tags of two bytes are found below this, which are those of the fields up to number 127.
const LONG_TAGS_MAX: usize = 1 << 10;

/// Varints of no more bytes have no more than 64 bits.
const SURE_VARINT_BYTES: usize = 9;

/// Messages around one that is read here; one in more than these is read by a call.
const OUTER_MAX: usize = 8;

/// What is done with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// Nothing here.
    Any,
    /// What the second byte of the tag says.
    Long,
    Varint,
    Fixed32,
    Fixed64,
    Bytes,
    Text,
    /// The seconds or nanoseconds of a time, by the number of their field: whoever reads them, they have a range.
    Time(Known, u8),
    /// A value into a column.
    VarintCell(Number, u16),
    Fixed32Cell(Number, u16),
    Fixed64Cell(Number, u16),
    TextCell(u16),
    /// The name of a number of this enum.
    EnumCell(u8, u16),
    /// A message of this level, so many levels of JSON below.
    Message(u16, u8),
}

const _: () = assert!(size_of::<Entry>() == 4);

/// What is done with the fields of a level.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// By the first byte of the tag.
    first: [Entry; 256],
    /// By the number that a tag of two bytes is, up to that of the greatest field.
    long: Box<[Entry]>,
}

impl Default for Table {
    /// Nothing is done with any field.
    fn default() -> Table {
        Table { first: [Entry::Any; 256], long: Box::default() }
    }
}

impl Table {
    /// Those of a level of these.
    pub fn new(types: &Types, levels: &[Level], level: &Level) -> Table {
        let ty = level.ty(types);
        let mut all: [Entry; LONG_TAGS_MAX] = std::array::from_fn(|tag| match ty.find(tag as u32 >> 3) {
            // Zero is the number of no field.
            NONE if tag >= 8 => UNKNOWN[tag & 7],
            _ => Entry::Any,
        });
        let mut numbers = 0;
        for (field, step) in ty.fields.iter().zip(&level.steps) {
            let Some(entry) = all.get_mut(field.tag as usize) else { continue };
            numbers = numbers.max(field.number as usize + 1);
            if field.required.is_none() && step.clear == NONE {
                *entry = Entry::new(levels, ty, field, step.act);
            }
        }
        let mut table = Table { first: [Entry::Long; 256], long: all[..numbers * 8].into() };
        table.first[..0x80].copy_from_slice(&all[..0x80]);
        table.long.iter_mut().take(0x80).for_each(|entry| *entry = Entry::Any);
        table
    }

    /// The entry of a tag of these two bytes.
    #[inline(always)]
    fn long(&self, first: u8, second: u8) -> &Entry {
        let tag = usize::from(first & 0x7f) | usize::from(second) << 7;
        match self.long.get(tag) {
            Some(entry) => entry,
            // Of a number greater than those that are known.
            None if (0x80..LONG_TAGS_MAX).contains(&tag) => &UNKNOWN[tag & 7],
            None => &Entry::Any,
        }
    }
}

/// What is done with fields that nobody knows, by wire type.
const UNKNOWN: [Entry; 8] = {
    let mut entries = [Entry::Any; 8];
    entries[read::VARINT as usize] = Entry::Varint;
    entries[read::FIXED64 as usize] = Entry::Fixed64;
    entries[read::BYTES as usize] = Entry::Bytes;
    entries[read::FIXED32 as usize] = Entry::Fixed32;
    entries
};

impl Entry {
    fn new(levels: &[Level], ty: &Type, field: &FieldType, act: Act) -> Entry {
        match (field.kind, act) {
            (Kind::Number(number), Act::Check) => match (number.wire_type(), ty.known, field.number) {
                (read::FIXED32, ..) => Entry::Fixed32,
                (read::FIXED64, ..) => Entry::Fixed64,
                (_, Some(known @ (Known::Timestamp | Known::Duration)), number @ 1..=2) => {
                    Entry::Time(known, number as u8)
                }
                _ => Entry::Varint,
            },
            (Kind::Number(number), Act::Cell(slot)) => match number.wire_type() {
                read::FIXED32 => Entry::Fixed32Cell(number, slot),
                read::FIXED64 => Entry::Fixed64Cell(number, slot),
                _ => Entry::VarintCell(number, slot),
            },
            (Kind::Enum(_), Act::Check) => Entry::Varint,
            (Kind::Enum(found), Act::Cell(slot)) => {
                u8::try_from(found).map_or(Entry::Any, |found| Entry::EnumCell(found, slot))
            }
            (Kind::String, Act::Check) => Entry::Text,
            (Kind::String, Act::Cell(slot)) => Entry::TextCell(slot),
            (Kind::Bytes, Act::Check) => Entry::Bytes,
            (Kind::Message(inner), Act::Check | Act::Into(_)) => {
                let inner = if let Act::Into(level) = act { level.into() } else { inner };
                // What must be there is counted by the machine.
                let is_strict = levels.get(inner).is_none_or(|level| level.is_strict);
                match (u16::try_from(inner), u8::try_from(field.deeper)) {
                    (Ok(inner), Ok(deeper)) if !is_strict => Entry::Message(inner, deeper),
                    _ => Entry::Any,
                }
            }
            (Kind::Bytes | Kind::Group(_), _) | (_, Act::Note(_) | Act::Into(_)) | (Kind::Message(_), Act::Cell(_)) => {
                Entry::Any
            }
        }
    }
}

/// The messages around the one that is being read, the outermost first, and where the tag of the one inside of each is.
pub(super) struct Outer<'a> {
    frames: [(Open<'a>, usize); OUTER_MAX],
    count: usize,
}

impl<'a> Outer<'a> {
    /// None yet, around any message.
    pub fn new(any: Open<'a>) -> Outer<'a> {
        Outer { frames: [(any, 0); OUTER_MAX], count: 0 }
    }

    pub fn clear(&mut self) {
        self.count = 0;
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// `false`: there is no room.
    #[inline(always)]
    fn push(&mut self, open: Open<'a>, at: usize) -> bool {
        let Some(frame) = self.frames.get_mut(self.count) else { return false };
        *frame = (open, at);
        self.count += 1;
        true
    }

    /// The innermost; `None` if there are only `base` left.
    #[inline(always)]
    pub fn pop(&mut self, base: usize) -> Option<(Open<'a>, usize)> {
        if self.count <= base {
            return None;
        }
        self.count -= 1;
        self.frames.get(self.count).copied()
    }
}

impl<'a> Machine<'a> {
    /// Goes over fields from `at` on, into messages and out of them again, up to the end of the message that has `base` others around it, or
    /// up to a field of which nothing is done here, in the message that is then open.
    #[inline(never)]
    pub(super) fn quick(&mut self, open: &mut Open<'a>, mut at: usize, base: usize) -> usize {
        let text = self.text;
        let mut now = *open;
        loop {
            if at >= now.end {
                let Some((around, _)) = self.outer.pop(base) else { break };
                now = around;
                continue;
            }
            let Some(mut bytes) = window(text, at) else { break };
            let mut entry = &now.level.quick.first[usize::from(bytes[0])];
            if let Entry::Text | Entry::TextCell(_) = entry {
                let [_, length, block @ ..] = bytes;
                let after = at + 2 + usize::from(*length);
                if after <= now.end && is_ascii(block, *length) {
                    if let Entry::TextCell(slot) = entry {
                        self.set_text(at + 2, after, *slot);
                    }
                    at = after;
                    continue;
                }
            }
            let mut value = at + 1;
            if *entry == Entry::Long {
                entry = now.level.quick.long(bytes[0], bytes[1]);
                let Some(behind) = window(text, value) else { break };
                (bytes, value) = (behind, at + 2);
            }
            let first = bytes[1];
            at = match entry {
                Entry::Any => break,
                Entry::Varint if first < 0x80 && value < now.end => value + 1,
                Entry::Fixed32 if value + 4 <= now.end => value + 4,
                Entry::Fixed64 if value + 8 <= now.end => value + 8,
                Entry::Varint if varint_bytes(bytes) <= SURE_VARINT_BYTES.min(now.end.saturating_sub(value)) => {
                    value + varint_bytes(bytes)
                }
                Entry::Bytes if first < 0x80 && value + 1 + usize::from(first) <= now.end => {
                    value + 1 + usize::from(first)
                }
                Entry::Message(inner, deeper) => {
                    let (mut start, mut after) = (value + 1, value + 1 + usize::from(first));
                    if first >= 0x80 || after > now.end {
                        let Ok(found) = read::length(text, value, now.end) else { break };
                        (start, after) = found;
                    }
                    let Some(level) = self.program.levels.get(usize::from(*inner)) else { break };
                    let inside = Open { level, end: after, depth: now.depth + usize::from(*deeper) };
                    if self.is_too_deep(&inside) || !self.outer.push(now, at) {
                        break;
                    }
                    self.begin(&inside);
                    now = inside;
                    start
                }
                _ => match self.value(*entry, value, now.end) {
                    Some(after) => after,
                    None => break,
                },
            };
        }
        *open = now;
        at
    }

    /// Reads a value, and gives what follows it; `None`: that is not done here.
    #[inline(never)]
    fn value(&mut self, entry: Entry, at: usize, end: usize) -> Option<usize> {
        let text = self.text;
        let (number, bits, slot, after) = match entry {
            Entry::VarintCell(number, slot) => {
                let (bits, after) = read::varint(text, at, end).ok()?;
                (number, bits, slot, after)
            }
            Entry::Fixed32Cell(number, slot) => {
                let (bits, after) = read::fixed32(text, at, end).ok()?;
                (number, bits.into(), slot, after)
            }
            Entry::Fixed64Cell(number, slot) => {
                let (bits, after) = read::fixed64(text, at, end).ok()?;
                (number, bits, slot, after)
            }
            Entry::Text => return string(text, at, end).map(|(_, after)| after),
            Entry::TextCell(slot) => {
                let (start, after) = string(text, at, end)?;
                self.set_text(start, after, slot);
                return Some(after);
            }
            Entry::EnumCell(found, slot) => {
                let (bits, after) = read::varint(text, at, end).ok()?;
                self.set_name(found.into(), bits, slot);
                return Some(after);
            }
            Entry::Time(known, number) => {
                let (bits, after) = read::varint(text, at, end).ok()?;
                return check_time(known, number.into(), bits, at).is_ok().then_some(after);
            }
            Entry::Varint => return read::varint(text, at, end).ok().map(|(_, after)| after),
            Entry::Bytes => return read::length(text, at, end).ok().map(|(_, after)| after),
            Entry::Any | Entry::Long | Entry::Fixed32 | Entry::Fixed64 | Entry::Message(..) => return None,
        };
        let cell = self.number(number.worth(bits));
        self.set(slot, cell);
        Some(after)
    }

    #[inline(always)]
    fn set_text(&mut self, start: usize, end: usize, slot: u16) {
        let text = TextRef { text: 0, start: start as u32, len: (end - start) as u32 };
        self.set(slot, Cell::Str(text));
    }
}

/// The bytes at a place, if there are as many.
#[inline(always)]
fn window(text: &[u8], at: usize) -> Option<&[u8; WINDOW]> {
    text.get(at..).and_then(|rest| rest.first_chunk())
}

/// Whether so many of these bytes are ASCII; of more than there are that is not known.
#[inline(always)]
fn is_ascii(bytes: &[u8; 2 * BLOCK], length: u8) -> bool {
    let ([first, second], []) = bytes.as_chunks() else { return false };
    let (first, length) = (Block::of(first).no_ascii(), usize::from(length));
    match FIRST.get(length) {
        Some(mask) => first & u32::from(*mask) == 0,
        None => match FIRST.get(length - BLOCK) {
            Some(mask) => first | Block::of(second).no_ascii() & u32::from(*mask) == 0,
            None => false,
        },
    }
}

/// How many bytes the varint has that is behind the first of these, if it has up to a block.
#[inline(always)]
fn varint_bytes([_, bytes @ ..]: &[u8; WINDOW]) -> usize {
    bytes.first_chunk().map_or(0, |block| (!Block::of(block).no_ascii()).trailing_zeros() as usize + 1)
}

/// Where a string starts and ends that is UTF-8.
fn string(text: &[u8], at: usize, end: usize) -> Option<(usize, usize)> {
    let (start, after) = read::length(text, at, end).ok()?;
    let is_good = is_ascii_at(text, start, after - start)
        || text.get(start..after).is_some_and(|bytes| simdutf8::basic::from_utf8(bytes).is_ok());
    is_good.then_some((start, after))
}

#[cfg(test)]
#[path = "quick_tests.rs"]
mod tests;
