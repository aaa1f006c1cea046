//! Chunks of Avro become rows: the schema of each event is looked up by its header, its program is run, and what is wrong with a bad
//! event is found by walking through it once more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::codes::{self, Code};
use crate::event::decode::Rows;
use crate::event::encode::EncodeError;
use crate::event::packed::{Numbered, PackedDecoder, PackedFormat, PackedRows, Unpack, Wire};
use crate::event::{Cell, Chunk, Column, Layout, TextRef};
use crate::limits::{AVRO_PROGRAMS_MAX, BINARY_TEXT_BYTES_MAX, JSON_DEPTH_MAX};

use super::fault::{Fault, Why};
use super::header::{self, Name};
use super::machine::Machine;
use super::node::Reading;
use super::op::Step;
use super::program::Program;
use super::read::{AHEAD, EMPTY_ITEMS};
use super::write::JsonWriter;
use super::{Writer, Writers};
use crate::event::wanted::Wanted;

/// Avro as a source reads it.
#[derive(Clone, Debug)]
pub struct AvroFormat(Arc<Source>);

/// What all decoders of a source share.
#[derive(Debug)]
struct Source {
    wire: Wire,
    writers: Arc<dyn Writers>,
    /// Those that events have named.
    known: Mutex<HashMap<Name, Arc<Writer>>>,
}

impl AvroFormat {
    /// A format of events with this around them, written with these schemas.
    pub fn new(wire: Wire, writers: Arc<dyn Writers>) -> AvroFormat {
        AvroFormat(Arc::new(Source { wire, writers, known: Mutex::default() }))
    }

    /// Who can say how containers are written.
    pub fn writers(&self) -> &Arc<dyn Writers> {
        &self.0.writers
    }
}

impl PackedFormat for AvroFormat {
    fn decoder(&self, layout: &Layout, depth_max: usize) -> Box<dyn PackedDecoder> {
        Box::new(AvroDecoder::new(self.0.clone(), layout, depth_max))
    }

    fn identity(&self) -> u64 {
        self.0.wire.identity_with(self.0.writers.identity())
    }

    fn numbered(&self) -> Option<Arc<dyn Numbered>> {
        self.0.writers.numbered().filter(|_| self.0.wire == Wire::Confluent)
    }
}

impl Source {
    /// The writer of an event. `given`: the one of its chunk.
    fn writer(&self, name: Name, given: Option<&Arc<Writer>>) -> Result<Arc<Writer>, String> {
        if name == Name::Given {
            return Ok(given.cloned().unwrap_or_else(|| self.writers.own()));
        }
        if let Some(writer) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(writer.clone());
        }
        // Without the lock: this may ask a registry.
        let writer = match name {
            Name::Fingerprint(fingerprint) => self.writers.by_fingerprint(fingerprint)?,
            Name::Id(id) => self.writers.by_id(id)?,
            Name::Given => self.writers.own(),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= AVRO_PROGRAMS_MAX {
            known.clear();
        }
        Ok(known.entry(name).or_insert(writer).clone())
    }
}

/// Cuts demanded values out of events.
#[derive(Clone, Debug)]
struct AvroDecoder {
    source: Arc<Source>,
    wanted: Arc<Wanted>,
    /// Column 0 is the JSON of the event.
    whole: bool,
    slots: usize,
    depth_max: usize,
    programs: HashMap<Name, Compiled>,
}

/// A writer and its program.
#[derive(Clone, Debug)]
struct Compiled {
    writer: Arc<Writer>,
    program: Arc<Program>,
}

impl AvroDecoder {
    fn new(source: Arc<Source>, layout: &Layout, depth_max: usize) -> AvroDecoder {
        let whole = layout.is_whole_demanded();
        AvroDecoder {
            source,
            wanted: Arc::new(Wanted::of(layout)),
            whole,
            slots: layout.slots.len(),
            depth_max: depth_max.min(JSON_DEPTH_MAX),
            programs: HashMap::new(),
        }
    }

    fn compiled(&mut self, name: Name, given: Option<&Arc<Writer>>) -> Result<Compiled, String> {
        if let Some(known) = self.programs.get(&name)
            && given.is_none_or(|given| Arc::ptr_eq(given, &known.writer))
        {
            return Ok(known.clone());
        }
        let writer = self.source.writer(name, given)?;
        if self.programs.len() >= AVRO_PROGRAMS_MAX {
            self.programs.clear();
        }
        let program = Arc::new(Program::new(writer.reading.clone(), &self.wanted, self.depth_max));
        let compiled = Compiled { writer, program };
        self.programs.insert(name, compiled.clone());
        Ok(compiled)
    }
}

impl PackedDecoder for AvroDecoder {
    fn decode(&mut self, chunk: &Chunk) -> PackedRows {
        let mut sheet = Sheet::new(self, chunk);
        let mut current: Option<(Name, Result<Placed, String>)> = None;
        // The one writer of all rows, if there is only one.
        let mut writers: Option<Result<u64, ()>> = None;
        for (i, frame) in chunk.frames.iter().enumerate() {
            let event = chunk.text.get(frame.start as usize..frame.end as usize).unwrap_or_default();
            let (name, body) = match header::read(self.source.wire, event) {
                Ok(header) => header,
                Err(why) => {
                    sheet.bad.push((i, codes::AVRO_SCHEMA, why));
                    continue;
                }
            };
            if current.as_ref().is_none_or(|(known, _)| *known != name) {
                let compiled = self.compiled(name, chunk.writer.as_ref());
                current = Some((name, compiled.map(|compiled| sheet.place(compiled))));
            }
            match &mut current {
                Some((_, Ok(placed))) => {
                    let good = sheet.event(i, frame.start as usize, body, event, placed);
                    if good && writers != Some(Ok(placed.compiled.writer.identity)) {
                        writers = Some(if writers.is_none() { Ok(placed.compiled.writer.identity) } else { Err(()) });
                    }
                }
                Some((name, Err(why))) => sheet.bad.push((i, code_of(*name), why.clone())),
                None => {}
            }
        }
        let unpack = AvroUnpack {
            source: self.source.clone(),
            given: chunk.writer.clone(),
            depth_max: self.depth_max,
            // Rows of several writers are like those of no sink.
            identity: writers.and_then(Result::ok).map(|writer| self.source.wire.identity_with(writer)),
        };
        PackedRows { rows: sheet.finish(chunk), unpack: Some(Arc::new(unpack)) }
    }

    fn another(&self) -> Box<dyn PackedDecoder> {
        Box::new(self.clone())
    }
}

/// The code of an event whose schema is not known.
fn code_of(name: Name) -> Code {
    match name {
        Name::Id(_) => codes::UNKNOWN_SCHEMA_ID,
        Name::Fingerprint(_) | Name::Given => codes::AVRO_SCHEMA,
    }
}

/// A program whose constants are in the sheet.
struct Placed {
    compiled: Compiled,
    constants: usize,
    steps: Vec<Step>,
}

/// The rows of a chunk as they are made.
struct Sheet<'a> {
    text: &'a [u8],
    columns: Vec<Vec<Cell>>,
    row: usize,
    made: Vec<u8>,
    bad: Vec<(usize, Code, String)>,
    /// Column 0 is the JSON of the event.
    whole: bool,
    depth_max: usize,
}

impl<'a> Sheet<'a> {
    fn new(decoder: &AvroDecoder, chunk: &'a Chunk) -> Sheet<'a> {
        Sheet {
            text: &chunk.text,
            columns: vec![vec![Cell::Missing; chunk.frames.len()]; decoder.slots],
            row: 0,
            made: Vec::new(),
            bad: Vec::new(),
            whole: decoder.whole,
            depth_max: decoder.depth_max,
        }
    }

    fn place(&mut self, compiled: Compiled) -> Placed {
        let constants = self.made.len();
        self.made.extend_from_slice(&compiled.program.text);
        Placed { steps: compiled.program.steps(), compiled, constants }
    }

    /// Reads the event of a frame, which starts with `body` bytes of a header, into the next row. `false` if it is bad.
    fn event(&mut self, frame: usize, start: usize, body: usize, event: &[u8], placed: &mut Placed) -> bool {
        let end = start + event.len();
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
        let fault = match machine.block(0, start + body, 0) {
            Ok(found) if found == end => {
                if !self.whole {
                    let packed = TextRef { text: 0, start: start as u32, len: event.len() as u32 };
                    self.columns[0][self.row] = Cell::Packed(packed);
                }
                self.row += 1;
                return true;
            }
            Ok(found) if found < end => Fault::new(found, Why::Left((end - found) as u64)),
            Ok(_) => Fault::new(end, Why::CutOff { wanted: 1 }),
            Err(fault) => fault,
        };
        let fault = Fault { at: fault.at.saturating_sub(start as u32), ..fault };
        self.made.truncate(made);
        self.columns.iter_mut().filter_map(|column| column.get_mut(self.row)).for_each(|cell| *cell = Cell::Missing);
        let (code, message) = explain(&placed.compiled.program.reading, event, body, self.depth_max, fault);
        self.bad.push((frame, code, message));
        false
    }

    fn finish(self, chunk: &Chunk) -> Rows {
        let row = self.row;
        let columns = self.columns.into_iter().map(|mut cells| {
            cells.truncate(row);
            Column::from(cells)
        });
        Rows { columns: columns.collect(), text: chunk.text.clone(), made: self.made.into(), bad: self.bad }
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

/// Writes the packed events of a chunk as JSON.
#[derive(Debug)]
struct AvroUnpack {
    source: Arc<Source>,
    given: Option<Arc<Writer>>,
    depth_max: usize,
    identity: Option<u64>,
}

impl Unpack for AvroUnpack {
    fn write_json(&self, packed: &[u8], lenient: bool, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let unknown = |message| EncodeError { code: codes::AVRO_SCHEMA, message };
        let (name, body) = header::read(self.source.wire, packed).map_err(unknown)?;
        let writer = self.source.writer(name, self.given.as_ref()).map_err(unknown)?;
        let mut json = JsonWriter::new(&writer.reading, packed, out, self.depth_max, lenient);
        match json.value(writer.reading.root(), body, 0) {
            Ok(_) => Ok(()),
            Err(fault) => Err(EncodeError { code: fault.code(), message: json.message(fault) }),
        }
    }

    fn identity(&self) -> Option<u64> {
        self.identity
    }
}
