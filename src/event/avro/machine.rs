//! The machine that runs a [`Program`] over the bytes of an event.

use std::ops::Range;

use crate::event::{Cell, TextRef, json};

use super::decimal;
use super::fault::{Fault, Read, Why};
use super::node::{Bytes, Counted, NodeId, Number};
use super::op::{Map, Op, Scalar, Skip, Step};
use super::program::Program;
use super::read::{self, Items};
use super::stride::{self, Stride};
use super::write::{JsonWriter, write_bytes, write_text};

/// Text 0 of a batch are the bytes that came, text 1 what was made of them.
const CAME: u16 = 0;
const MADE: u16 = 1;

/// One program at work on the events of a chunk.
pub(super) struct Machine<'a> {
    pub program: &'a Program,
    /// Its operations at work.
    pub steps: &'a [Step],
    /// The chunk's bytes, up to a little more than the event.
    pub text: &'a [u8],
    pub columns: &'a mut [Vec<Cell>],
    pub row: usize,
    pub made: &'a mut Vec<u8>,
    /// Bytes of `made` after which nothing more is written.
    pub made_max: usize,
    /// Where the program's constants are in `made`.
    pub constants: usize,
    pub depth_max: usize,
    /// What is left of the event's allowance of items of no bytes.
    pub empty: u32,
}

impl Machine<'_> {
    /// Runs a block on the value at `at`, inside of `depth` objects and arrays. Gives what follows the value.
    pub fn block(&mut self, block: u32, mut at: usize, depth: usize) -> Read<usize> {
        let (program, text, steps) = (self.program, self.text, self.steps);
        let there = |end: &usize| *end <= text.len();
        let mut ahead = steps[program.blocks[block as usize] as usize..].iter();
        while let Some(Step { op, stride }) = ahead.next() {
            // The usual values of the usual types; all others are left to `rare`.
            let end = match *op {
                Op::Text { slot, behind } => {
                    let end = stride::text(text, at, stride);
                    if let (Some(end), Some(slot)) = (end, slot) {
                        self.set(slot, Cell::Str(range(CAME, at + 1, end)));
                    }
                    end.map(|end| end + behind as usize).filter(there)
                }
                Op::Prefixed { behind } => {
                    stride::prefixed(text, at, stride).map(|end| end + behind as usize).filter(there)
                }
                Op::Long => stride::varint(text, at, stride),
                Op::Keep(Scalar::Double, slot) => match read::double(text, at) {
                    Ok((value, end)) => {
                        self.set(slot, Cell::Float(value));
                        Some(end)
                    }
                    Err(_) => None,
                },
                Op::Skip(Skip::Bytes, size) => Some(at + size as usize).filter(there),
                Op::Skip(Skip::Int, 1) => text.get(at).filter(|byte| **byte < 0x80).map(|_| at + 1),
                Op::Skip(Skip::Symbol(known), 1) => read::short_index(text, at, known).map(|_| at + 1),
                Op::Items { skip: Skip::Text, times, .. } => stride::items(text, at, times, stride::text),
                Op::Items { skip: Skip::Prefixed, times, .. } => stride::items(text, at, times, stride::prefixed),
                Op::Union { first, known } => {
                    let (branch, end) = match read::short_index(text, at, known) {
                        Some(branch) => (branch, at + 1),
                        None => read::branch(text, at, known)?,
                    };
                    ahead = steps[program.targets[first as usize + branch] as usize..].iter();
                    Some(end)
                }
                Op::Jump(target) => {
                    ahead = steps[target as usize..].iter();
                    Some(at)
                }
                Op::Return => return Ok(at),
                _ => None,
            };
            at = match end {
                Some(end) => end,
                None => self.rare(op, at, depth)?,
            };
        }
        Ok(at)
    }

    /// Any operation on any value, but for those that say where to go on.
    #[inline(never)]
    fn rare(&mut self, op: &Op, at: usize, depth: usize) -> Read<usize> {
        let (program, text) = (self.program, self.text);
        match *op {
            Op::Skip(skip, times) => run(text, at, skip, times as usize),
            Op::Text { slot, behind } => {
                let (value, end) = read::string(text, at)?;
                if let Some(slot) = slot {
                    self.set(slot, Cell::Str(range(CAME, end - value.len(), end)));
                }
                Ok(read::bytes(text, end, behind as usize)?.1)
            }
            Op::Prefixed { behind } => {
                let end = read::prefixed(text, at)?.1;
                Ok(read::bytes(text, end, behind as usize)?.1)
            }
            Op::Long => Ok(read::varint(text, at)?.1),
            Op::Keep(scalar, slot) => {
                let (cell, end) = self.scalar(scalar, at)?;
                self.set(slot, cell);
                Ok(end)
            }
            Op::Put { constant, slot } => {
                let cell = self.constant(constant as usize);
                self.set(slot, cell);
                Ok(at)
            }
            Op::Symbol { node, first, known, slot } => {
                let (index, end) = read::symbol(text, at, known)?;
                let cell = self.constant(first as usize + index);
                if cell == Cell::Missing {
                    return Fault::err(at, program.reading.node(node).unknown_symbol(index as u64));
                }
                if let Some(slot) = slot {
                    self.set(slot, cell);
                }
                Ok(end)
            }
            Op::Items { skip, times, width } => self.items(skip, times, width, at),
            Op::Array { block, width, depth: inside } => self.array(block, width, at, depth + usize::from(inside) + 1),
            Op::Map { map, depth: inside } => {
                self.map(&program.maps[map as usize], at, depth + usize::from(inside) + 1)
            }
            Op::Call { block, depth: inside } => self.block(block, at, depth + usize::from(inside)),
            Op::Json { node, slot, depth: inside, again } => {
                let end = self.json(node, slot, at, depth + usize::from(inside), again)?;
                Ok(if again { at } else { end })
            }
            Op::Depth(inside) if depth + usize::from(inside) >= self.depth_max => Fault::err(at, Why::Depth),
            Op::Refuse(node) => Fault::err(at, Why::Refused(node)),
            Op::Depth(_) | Op::Union { .. } | Op::Jump(_) | Op::Return => Ok(at),
        }
    }

    #[inline(always)]
    fn set(&mut self, slot: u32, cell: Cell) {
        self.columns[slot as usize][self.row] = cell;
    }

    fn constant(&self, constant: usize) -> Cell {
        let cell = self.program.constants[constant];
        match cell.text_ref() {
            Some(at) => {
                cell.with_text_ref(TextRef { text: MADE, start: at.start + self.constants as u32, len: at.len })
            }
            None => cell,
        }
    }

    #[inline(always)]
    fn scalar(&mut self, scalar: Scalar, at: usize) -> Read<(Cell, usize)> {
        Ok(match scalar {
            Scalar::Long(to) => {
                let (value, end) = read::long(self.text, at)?;
                (counted(to, value), end)
            }
            Scalar::Int(to) => {
                let (value, end) = read::int(self.text, at)?;
                (counted(to, value), end)
            }
            Scalar::Double => {
                let (value, end) = read::double(self.text, at)?;
                (Cell::Float(value), end)
            }
            Scalar::Float => {
                let (value, end) = read::float(self.text, at)?;
                (Cell::Float(value), end)
            }
            Scalar::Boolean => {
                let (value, end) = read::boolean(self.text, at)?;
                (Cell::Bool(value), end)
            }
            Scalar::Part => {
                let (bytes, end) = read::bytes(self.text, at, 4)?;
                (Cell::Int(bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes).into())), end)
            }
            Scalar::Bytes { utf8: true, to: Bytes::Text } => {
                let (value, end) = read::string(self.text, at)?;
                (Cell::Str(range(CAME, end - value.len(), end)), end)
            }
            Scalar::Bytes { utf8, to } => {
                let (value, end) = if utf8 { read::string(self.text, at) } else { read::prefixed(self.text, at) }?;
                if let Bytes::Decimal { .. } = to {
                    decimal::check(value, at)?;
                }
                (self.bytes(end - value.len(), end, to), end)
            }
            Scalar::Fixed { size, to } => {
                let (_, end) = read::bytes(self.text, at, size as usize)?;
                (self.bytes(at, end, to), end)
            }
        })
    }

    /// What bytes are to the reader.
    fn bytes(&mut self, start: usize, end: usize, to: Bytes) -> Cell {
        let (value, from) = (&self.text[start..end], self.made.len());
        match to {
            Bytes::Text => Cell::Str(range(CAME, start, end)),
            Bytes::Base64 | Bytes::Uuid => {
                write_text(self.made, value, to);
                Cell::Str(range(MADE, from, self.made.len()))
            }
            Bytes::Decimal { scale } => {
                write_bytes(self.made, value, to);
                json::classify_number(&self.made[from..], scale == 0, range(MADE, from, self.made.len()))
            }
            Bytes::Duration => {
                write_bytes(self.made, value, to);
                Cell::Json(range(MADE, from, self.made.len()))
            }
        }
    }

    /// Writes the value into a column. Gives what follows it.
    fn json(&mut self, node: NodeId, slot: u32, at: usize, depth: usize, again: bool) -> Read<usize> {
        let from = self.made.len();
        let mut writer = JsonWriter {
            reading: &self.program.reading,
            text: self.text,
            out: self.made,
            out_max: self.made_max,
            depth_max: self.depth_max,
            empty: self.empty,
            lenient: true,
            path: Vec::new(),
        };
        let end = writer.value(node, at, depth)?;
        // What is not read once more by what follows is taken from the allowance.
        if !again {
            self.empty = writer.empty;
        }
        self.set(slot, Cell::Json(range(MADE, from, self.made.len())));
        Ok(end)
    }

    fn items(&mut self, skip: Skip, times: u32, width: u32, mut at: usize) -> Read<usize> {
        loop {
            let block = match read::items(self.text, at, width, &mut self.empty)? {
                Items::End(end) => return Ok(end),
                Items::Block(block) => block,
            };
            at = match block.size {
                Some(size) if self.program.ends_only => block.start + size as usize,
                _ => run(self.text, block.start, skip, block.count.saturating_mul(times as usize))?,
            };
            block.check(at)?;
        }
    }

    fn array(&mut self, item: u32, width: u32, mut at: usize, depth: usize) -> Read<usize> {
        loop {
            let block = match read::items(self.text, at, width, &mut self.empty)? {
                Items::End(end) => return Ok(end),
                Items::Block(block) => block,
            };
            at = block.start;
            match block.size {
                Some(size) if self.program.ends_only => at += size as usize,
                _ => {
                    for _ in 0..block.count {
                        at = self.block(item, at, depth)?;
                    }
                }
            }
            block.check(at)?;
        }
    }

    fn map(&mut self, map: &Map, mut at: usize, depth: usize) -> Read<usize> {
        loop {
            let block = match read::items(self.text, at, map.width, &mut self.empty)? {
                Items::End(end) => return Ok(end),
                Items::Block(block) => block,
            };
            at = block.start;
            for _ in 0..block.count {
                let (name, value) = read::string(self.text, at)?;
                let wanted = map.keys.iter().find(|key| key.name.as_bytes() == name);
                if let Some(key) = wanted {
                    key.slots.iter().for_each(|slot| self.set(*slot, Cell::Missing));
                }
                at = self.block(wanted.map_or(map.other, |key| key.block), value, depth)?;
            }
            block.check(at)?;
        }
    }
}

#[inline(always)]
fn counted(to: Number, value: i64) -> Cell {
    match to.of(value) {
        Counted::Int(value) => Cell::Int(value),
        Counted::Float(value) => Cell::Float(value),
    }
}

/// A range of a text.
fn range(text: u16, start: usize, end: usize) -> TextRef {
    TextRef { text, start: start as u32, len: (end - start) as u32 }
}

/// Where the text is that follows its length at `at`.
#[inline(always)]
fn text(text: &[u8], at: usize, stride: &Stride) -> Read<Range<usize>> {
    match stride::text(text, at, stride) {
        Some(end) => Ok(at + 1..end),
        None => {
            let (value, end) = read::string(text, at)?;
            Ok(end - value.len()..end)
        }
    }
}

/// Goes over bytes that follow their length.
#[inline(always)]
fn prefixed(text: &[u8], at: usize, stride: &Stride) -> Read<usize> {
    match stride::prefixed(text, at, stride) {
        Some(end) => Ok(end),
        None => Ok(read::prefixed(text, at)?.1),
    }
}

/// Goes over a varint.
#[inline(always)]
fn varint(text: &[u8], at: usize, stride: &Stride) -> Read<usize> {
    match stride::varint(text, at, stride) {
        Some(end) => Ok(end),
        None => Ok(read::varint(text, at)?.1),
    }
}

/// Goes over so many values of one kind.
#[inline(always)]
fn run(text: &[u8], mut at: usize, skip: Skip, times: usize) -> Read<usize> {
    match skip {
        Skip::Bytes => return Ok(read::bytes(text, at, times)?.1),
        Skip::Long => {
            for _ in 0..times {
                at = varint(text, at, &Stride::varied())?;
            }
        }
        Skip::Int => {
            for _ in 0..times {
                at = read::int(text, at)?.1;
            }
        }
        Skip::Text => {
            for _ in 0..times {
                at = self::text(text, at, &Stride::varied())?.end;
            }
        }
        Skip::Prefixed => {
            for _ in 0..times {
                at = prefixed(text, at, &Stride::varied())?;
            }
        }
        Skip::Boolean => {
            for _ in 0..times {
                at = read::boolean(text, at)?.1;
            }
        }
        Skip::Symbol(known) => {
            for _ in 0..times {
                at = read::symbol(text, at, known)?.1;
            }
        }
        Skip::Decimal => {
            for _ in 0..times {
                let (value, end) = read::prefixed(text, at)?;
                decimal::check(value, at)?;
                at = end;
            }
        }
    }
    Ok(at)
}
