//! Chunks of Protobuf messages become rows.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::codes::{self, Code};
use crate::event::decode::Rows;
use crate::event::encode::EncodeError;
use crate::event::packed::{PackedDecoder, PackedFormat, PackedRows, Unpack, Wire};
use crate::event::{Cell, Chunk, Column, Layout, TextRef};
use crate::limits::{BINARY_TEXT_BYTES_MAX, JSON_DEPTH_MAX};

use super::fault::Fault;
use super::header;
use super::machine::{Machine, Scratch};
use super::program::Program;
use super::types::Types;
use super::write::{JsonWriter, Notes};

/// Protobuf as a source reads it.
#[derive(Clone, Debug)]
pub struct ProtobufFormat {
    wire: Wire,
    types: Arc<Types>,
}

impl ProtobufFormat {
    /// A format of events with this around them, which are the root of these types.
    pub fn new(wire: Wire, types: Arc<Types>) -> ProtobufFormat {
        ProtobufFormat { wire, types }
    }
}

impl PackedFormat for ProtobufFormat {
    fn decoder(&self, layout: &Layout, depth_max: usize) -> Box<dyn PackedDecoder> {
        let unpack = ProtobufUnpack { wire: self.wire, types: self.types.clone(), notes: Mutex::default() };
        Box::new(ProtobufDecoder {
            wire: self.wire,
            program: Arc::new(Program::new(self.types.clone(), layout)),
            depth_max: depth_max.min(JSON_DEPTH_MAX),
            scratch: Scratch::default(),
            unpack: Arc::new(unpack),
        })
    }

    fn identity(&self) -> u64 {
        self.wire.identity_with(self.types.identity)
    }
}

/// Cuts demanded values out of events.
#[derive(Clone, Debug)]
struct ProtobufDecoder {
    wire: Wire,
    program: Arc<Program>,
    depth_max: usize,
    scratch: Scratch,
    unpack: Arc<ProtobufUnpack>,
}

impl PackedDecoder for ProtobufDecoder {
    fn decode(&mut self, chunk: &Chunk) -> PackedRows {
        let mut columns = vec![vec![Cell::Missing; chunk.frames.len()]; self.program.slots];
        let mut made = self.program.constants.clone();
        let mut bad = Vec::new();
        let mut row = 0;
        for (i, frame) in chunk.frames.iter().enumerate() {
            let (start, end) = (frame.start as usize, frame.end as usize);
            match self.event(chunk, start..end, row, &mut columns, &mut made) {
                Ok(()) => row += 1,
                Err((code, message)) => bad.push((i, code, message)),
            }
        }
        let columns = columns.into_iter().map(|mut cells| {
            cells.truncate(row);
            Column::from(cells)
        });
        let rows = Rows { columns: columns.collect(), text: chunk.text.clone(), made: made.into(), bad };
        PackedRows { rows, unpack: Some(self.unpack.clone()) }
    }

    fn another(&self) -> Box<dyn PackedDecoder> {
        Box::new(self.clone())
    }
}

impl ProtobufDecoder {
    /// Reads an event into a row. After an error the row is empty again.
    #[inline]
    fn event(
        &mut self,
        chunk: &Chunk,
        event: std::ops::Range<usize>,
        row: usize,
        columns: &mut [Vec<Cell>],
        made: &mut Vec<u8>,
    ) -> Result<(), (Code, String)> {
        let bytes = chunk.text.get(event.clone()).unwrap_or_default();
        let header = header::read(self.wire, bytes, &self.program.types.index_path)
            .map_err(|message| (codes::PROTOBUF_HEADER, message))?;
        let before = made.len();
        let mut machine = Machine {
            program: &self.program,
            text: &chunk.text,
            columns,
            row,
            made,
            made_max: BINARY_TEXT_BYTES_MAX,
            depth_max: self.depth_max,
            scratch: &mut self.scratch,
            path: Vec::new(),
        };
        let Err(fault) = machine.event(event.start + header, event.end) else {
            if !self.program.whole
                && let Some(cell) = columns.first_mut().and_then(|column| column.get_mut(row))
            {
                *cell = Cell::Packed(TextRef { text: 0, start: event.start as u32, len: event.len() as u32 });
            }
            return Ok(());
        };
        let path = machine.path.iter().rev().map(|name| &**name).collect::<Vec<_>>().join(".");
        made.truncate(before);
        columns.iter_mut().filter_map(|column| column.get_mut(row)).for_each(|cell| *cell = Cell::Missing);
        Err((fault.code(), fault.message(event.start, &path, self.depth_max)))
    }
}

/// Writes packed events as JSON.
#[derive(Debug)]
struct ProtobufUnpack {
    wire: Wire,
    types: Arc<Types>,
    /// Of the event before, for their memory.
    notes: Mutex<Notes>,
}

impl Unpack for ProtobufUnpack {
    // There is nothing that JSON cannot say: what is no number there is a text.
    fn write_json(&self, packed: &[u8], _lenient: bool, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let header = header::read(self.wire, packed, &self.types.index_path)
            .map_err(|message| EncodeError { code: codes::PROTOBUF_HEADER, message })?;
        // Another thread that writes at the same time has notes of its own.
        let mut notes = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        notes.clear();
        let written = JsonWriter::new(&self.types, packed, &mut notes, out).event(header, packed.len());
        *self.notes.lock().unwrap_or_else(PoisonError::into_inner) = notes;
        written
            .map_err(|fault: Fault| EncodeError { code: fault.code(), message: fault.message(0, "", JSON_DEPTH_MAX) })
    }

    fn identity(&self) -> Option<u64> {
        Some(self.wire.identity_with(self.types.identity))
    }
}
