//! The rows of a chunk as they are made, and what is wrong with its bad events.

use std::ops::Range;

use bytes::Bytes;

use crate::event::codes::Code;
use crate::event::decode::Rows;
use crate::event::{Cell, Column, TextRef};
use crate::limits::BINARY_TEXT_BYTES_MAX;

use super::decode::Compiled;
use super::fault::{Fault, Read, Why};
use super::machine::Machine;
use super::node::Reading;
use super::op::Step;
use super::read::{AHEAD, EMPTY_ITEMS};
use super::write::JsonWriter;

/// A program whose constants are in the sheet.
pub(super) struct Placed {
    pub compiled: Compiled,
    constants: usize,
    steps: Vec<Step>,
}

/// The rows of a chunk as they are made.
pub(super) struct Sheet<'a> {
    pub text: &'a [u8],
    columns: Vec<Vec<Cell>>,
    row: usize,
    made: Vec<u8>,
    /// The frames that became no row, and why.
    pub bad: Vec<(usize, Code, String)>,
    /// Column 0 is the JSON of the event.
    whole: bool,
    depth_max: usize,
}

impl<'a> Sheet<'a> {
    /// Room for so many events of a text, in as many columns as there are slots.
    pub fn new(text: &'a [u8], events: usize, slots: usize, whole: bool, depth_max: usize) -> Sheet<'a> {
        let columns = vec![vec![Cell::Missing; events]; slots];
        Sheet { text, columns, row: 0, made: Vec::new(), bad: Vec::new(), whole, depth_max }
    }

    pub fn place(&mut self, compiled: Compiled) -> Placed {
        let constants = self.made.len();
        self.made.extend_from_slice(&compiled.program.text);
        Placed { steps: compiled.program.steps(), compiled, constants }
    }

    /// Reads an event that begins at `at` and ends at `end` or before it into the next row, and says where it ends. After a fault the row is
    /// empty.
    pub fn read(&mut self, at: usize, end: usize, placed: &Placed) -> Read<usize> {
        let made = self.made.len();
        let mut machine = Machine {
            program: &placed.compiled.program,
            steps: &placed.steps,
            text: &self.text[..self.text.len().min(end + AHEAD)],
            columns: &mut self.columns,
            row: self.row,
            made_max: BINARY_TEXT_BYTES_MAX,
            made: &mut self.made,
            constants: placed.constants,
            depth_max: self.depth_max,
            empty: EMPTY_ITEMS,
        };
        let fault = match machine.block(0, at, 0) {
            Ok(found) if found <= end => return Ok(found),
            Ok(_) => Fault::new(end, Why::CutOff { wanted: 1 }),
            Err(fault) => fault,
        };
        self.undo(made);
        Err(fault)
    }

    /// Takes back what was written into the next row.
    fn undo(&mut self, made: usize) {
        self.made.truncate(made);
        self.columns.iter_mut().filter_map(|column| column.get_mut(self.row)).for_each(|cell| *cell = Cell::Missing);
    }

    /// The row that was read is that of these bytes.
    pub fn keep(&mut self, event: Range<usize>) {
        if !self.whole {
            let packed = TextRef { text: 0, start: event.start as u32, len: event.len() as u32 };
            self.columns[0][self.row] = Cell::Packed(packed);
        }
        self.row += 1;
    }

    /// Reads the event of a frame, which starts with `body` bytes of a header, into the next row. `false` if it is bad.
    pub fn event(&mut self, frame: usize, event: Range<usize>, body: usize, placed: &Placed) -> bool {
        let made = self.made.len();
        let fault = match self.read(event.start + body, event.end, placed) {
            Ok(found) if found == event.end => {
                self.keep(event);
                return true;
            }
            Ok(found) => {
                self.undo(made);
                Fault::new(found, Why::Left((event.end - found) as u64))
            }
            Err(fault) => fault,
        };
        let fault = Fault { at: fault.at.saturating_sub(event.start as u32), ..fault };
        let bytes = self.text.get(event).unwrap_or_default();
        let (code, message) = explain(&placed.compiled.program.reading, bytes, body, self.depth_max, fault);
        self.bad.push((frame, code, message));
        false
    }

    pub fn finish(self, text: Bytes) -> Rows {
        let row = self.row;
        let columns = self.columns.into_iter().map(|mut cells| {
            cells.truncate(row);
            Column::from(cells)
        });
        Rows { columns: columns.collect(), text, made: self.made.into(), bad: self.bad }
    }
}

/// What is wrong with a bad event, and where: found by writing it as JSON, which knows the names of what it reads. `seen` is the fault
/// if that finds none.
#[cold]
fn explain(reading: &Reading, event: &[u8], body: usize, depth_max: usize, seen: Fault) -> (Code, String) {
    let mut scratch = Vec::new();
    let mut writer = JsonWriter::new(reading, event, &mut scratch, depth_max, true);
    let fault = match writer.value(reading.root(), body, 0) {
        Ok(end) if end < event.len() => Fault::new(end, Why::Left((event.len() - end) as u64)),
        Ok(_) => seen,
        Err(fault) => fault,
    };
    (fault.code(), writer.message(fault))
}
