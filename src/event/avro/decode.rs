//! Chunks of Avro become rows: the schema of each event is looked up by its header, its program is run, and what is wrong with a bad
//! event is found by walking through it once more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::event::codes::{self, Code};
use crate::event::encode::EncodeError;
use crate::event::packed::{Numbered, PackedDecoder, PackedFormat, PackedRows, Unpack, Wire};
use crate::event::wanted::Wanted;
use crate::event::{Chunk, Layout};
use crate::limits::{AVRO_PROGRAMS_MAX, JSON_DEPTH_MAX};

use super::cut::cut;
use super::header::{self, Name};
use super::program::Program;
use super::sheet::{Placed, Sheet};
use super::write::JsonWriter;
use super::{Writer, Writers};

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
    /// The last writer that was adopted, and what it has become.
    adopted: Mutex<Option<[Arc<Writer>; 2]>>,
}

impl AvroFormat {
    /// A format of events with this around them, written with these schemas.
    pub fn new(wire: Wire, writers: Arc<dyn Writers>) -> AvroFormat {
        AvroFormat(Arc::new(Source { wire, writers, known: Mutex::default(), adopted: Mutex::default() }))
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
    /// The writer of a container, as this source reads it: one that was open when the source's schema changed is still given as the schema
    /// before reads it.
    fn adopt(&self, given: Arc<Writer>) -> Arc<Writer> {
        if given.reader == self.writers.reader() {
            return given;
        }
        let mut adopted = self.adopted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some([from, ours]) = &*adopted
            && Arc::ptr_eq(from, &given)
        {
            return ours.clone();
        }
        // It was a schema when the container was opened.
        let ours = self.writers.by_text(&given.text).unwrap_or_else(|_| given.clone());
        *adopted = Some([given, ours.clone()]);
        ours
    }

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
pub(super) struct Compiled {
    pub writer: Arc<Writer>,
    pub program: Arc<Program>,
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

    /// Decodes the blocks of a container, and cuts them into events by the way.
    fn decode_blocks(&mut self, text: &Bytes, chunk: &mut Chunk) -> PackedRows {
        let mut sheet = self.sheet(text, chunk.frames.len());
        let identity = match self.compiled(Name::Given, chunk.writer.as_ref()) {
            Ok(compiled) => {
                let placed = sheet.place(compiled);
                cut(chunk, &mut sheet, &placed);
                Some(placed.compiled.writer.identity)
            }
            // That of a container is always there.
            Err(why) => {
                sheet.bad.extend((0..chunk.frames.len()).map(|i| (i, codes::AVRO_SCHEMA, why.clone())));
                None
            }
        };
        self.rows(sheet, text, chunk, identity)
    }

    fn sheet<'a>(&self, text: &'a [u8], events: usize) -> Sheet<'a> {
        Sheet::new(text, events, self.slots, self.whole, self.depth_max)
    }

    /// The rows of a chunk, all written by one writer or not.
    fn rows(&self, sheet: Sheet<'_>, text: &Bytes, chunk: &Chunk, writer: Option<u64>) -> PackedRows {
        let unpack = AvroUnpack {
            source: self.source.clone(),
            given: chunk.writer.clone(),
            depth_max: self.depth_max,
            identity: writer.map(|writer| self.source.wire.identity_with(writer)),
        };
        PackedRows { rows: sheet.finish(text.clone()), unpack: Some(Arc::new(unpack)) }
    }
}

impl PackedDecoder for AvroDecoder {
    fn decode(&mut self, chunk: &mut Chunk) -> PackedRows {
        let text = chunk.text.clone();
        chunk.writer = chunk.writer.take().map(|given| self.source.adopt(given));
        if chunk.uncut {
            return self.decode_blocks(&text, chunk);
        }
        let mut sheet = self.sheet(&text, chunk.frames.len());
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
            match &current {
                Some((_, Ok(placed))) => {
                    let good = sheet.event(i, frame.start as usize..frame.end as usize, body, placed);
                    if good && writers != Some(Ok(placed.compiled.writer.identity)) {
                        writers = Some(if writers.is_none() { Ok(placed.compiled.writer.identity) } else { Err(()) });
                    }
                }
                Some((name, Err(why))) => sheet.bad.push((i, code_of(*name), why.clone())),
                None => {}
            }
        }
        // Rows of several writers are like those of no sink.
        self.rows(sheet, &text, chunk, writers.and_then(Result::ok))
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
