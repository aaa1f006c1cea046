//! Chunks of Protobuf messages become rows.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::codes;
use crate::event::decode::Rows;
use crate::event::encode::EncodeError;
use crate::event::packed::{PackedDecoder, PackedFormat, PackedRows, Unpack, Wire};
use crate::event::{Cell, Chunk, Column, Layout, TextRef};
use crate::limits::JSON_DEPTH_MAX;

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
        let program = Program::new(self.types.clone(), layout);
        Box::new(ProtobufDecoder {
            wire: self.wire,
            scratch: Scratch::new(&program),
            program: Arc::new(program),
            depth_max: depth_max.min(JSON_DEPTH_MAX),
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
    fn decode(&mut self, chunk: &mut Chunk) -> PackedRows {
        let program = &*self.program;
        let mut machine = Machine::new(program, &mut self.scratch, &chunk.text, chunk.frames.len(), self.depth_max);
        let mut bad = Vec::new();
        for (i, frame) in chunk.frames.iter().enumerate() {
            let bytes = chunk.text.get(frame.start as usize..frame.end as usize).unwrap_or_default();
            let before = machine.made.len();
            let read = match header::read(self.wire, bytes, &program.types.index_path) {
                Err(message) => Err((codes::PROTOBUF_HEADER, message)),
                Ok(header) => machine.event(frame.start as usize + header, frame.end as usize).map_err(|fault| {
                    let path = machine.path.iter().rev().map(|name| &**name).collect::<Vec<_>>().join(".");
                    (fault.code(), fault.message(frame.start as usize, &path, self.depth_max))
                }),
            };
            if let Err((code, message)) = read {
                machine.clear_row(before);
                bad.push((i, code, message));
                continue;
            }
            if !program.whole {
                machine.set(0, Cell::Packed(TextRef { text: 0, start: frame.start, len: frame.end - frame.start }));
            }
            machine.row += 1;
        }
        let row = machine.row;
        let columns = machine.columns.into_iter().map(|mut cells| {
            cells.truncate(row);
            Column::from(cells)
        });
        let rows = Rows { columns: columns.collect(), text: chunk.text.clone(), made: machine.made.into(), bad };
        PackedRows { rows, unpack: Some(self.unpack.clone()) }
    }

    fn another(&self) -> Box<dyn PackedDecoder> {
        Box::new(self.clone())
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
