//! Batches become Avro's binary form. What a schema says is lowered once to a [`Writing`] (by `schema::avro`).

mod value;
mod writing;

use std::sync::{Arc, OnceLock};

use crate::event::encode::{EncodeError, Given, JsonEncoder, compiled};
use crate::event::packed::{Numbering, PackedEncoder, PackedEncoding, Wire};
use crate::event::{Batch, Body, Cell, Layout, codes};

use self::value::{Fields, ValueWriter, unsigned};
pub use self::writing::{Put, PutField, PutId, PutRecord, Writing};
use super::header;

/// Avro as a sink writes it.
#[derive(Clone, Debug)]
pub struct AvroEncoding(Arc<Target>);

#[derive(Debug)]
struct Target {
    wire: Wire,
    writing: Writing,
    fingerprint: u64,
    numbering: Option<Arc<dyn Numbering>>,
    /// The number that the registry has for the schema: known before there is an encoder.
    id: OnceLock<u32>,
    /// What packed events must be to be passed on, and the bytes before their own in each case.
    same: [(u64, usize); 4],
    identity: u64,
}

impl AvroEncoding {
    /// A form of events with this around them. `fingerprint`: CRC-64-AVRO of the schema; `identity`: of all that it says, as that of a
    /// [`super::Writer`]; `numbering`: needed for `Wire::Confluent`.
    pub fn new(
        wire: Wire,
        writing: Writing,
        fingerprint: u64,
        identity: u64,
        numbering: Option<Arc<dyn Numbering>>,
    ) -> AvroEncoding {
        let same = [Wire::Raw, Wire::Container, Wire::SingleObject, Wire::Confluent];
        let same = same.map(|other| (other.identity_with(identity), header::size(other)));
        let identity = wire.identity_with(identity);
        AvroEncoding(Arc::new(Target { wire, writing, fingerprint, numbering, id: OnceLock::new(), same, identity }))
    }

    /// What stands around events.
    pub fn wire(&self) -> Wire {
        self.0.wire
    }
}

impl PackedEncoding for AvroEncoding {
    fn encoder(&self) -> Box<dyn PackedEncoder> {
        Box::new(AvroEncoder { target: self.0.clone(), compiled: Vec::new(), datum: Vec::new() })
    }

    fn prepare(&self) -> Result<(), String> {
        if let Some(numbering) = &self.0.numbering {
            let number = numbering.number()?;
            self.0.id.get_or_init(|| number);
        }
        Ok(())
    }

    fn identity(&self) -> u64 {
        self.0.identity
    }
}

#[derive(Debug)]
struct AvroEncoder {
    target: Arc<Target>,
    /// How the fields of an event are found, for the layouts seen last.
    compiled: Vec<(Arc<Layout>, JsonEncoder)>,
    /// Of the event at hand.
    datum: Vec<u8>,
}

impl PackedEncoder for AvroEncoder {
    fn encode(
        &mut self,
        batch: &Batch,
        lines: bool,
        out: &mut Vec<u8>,
        ends: &mut Vec<u32>,
        errors: &mut Vec<(u32, EncodeError)>,
    ) {
        let target = self.target.clone();
        let packed = target.passed_on(batch);
        let layout = compiled(&mut self.compiled, &batch.layout);
        let bound = layout.bind(batch);
        for row in batch.selection.iter() {
            self.datum.clear();
            let written = match packed.and_then(|(column, header)| packed_event(batch, column, row, header)) {
                Some(datum) => {
                    self.datum.extend_from_slice(datum);
                    Ok(())
                }
                None => target.event(&bound, row, &mut self.datum),
            };
            match written {
                Ok(()) => {
                    if lines && target.wire != Wire::Container {
                        unsigned(out, (header::size(target.wire) + self.datum.len()) as u64);
                    }
                    header::write(target.wire, target.fingerprint, target.id.get().copied().unwrap_or(0), out);
                    out.extend_from_slice(&self.datum);
                    ends.push(out.len() as u32);
                }
                Err(error) => errors.push((row, error)),
            }
        }
    }
}

/// The bytes of an event behind its header, if it is packed.
fn packed_event(batch: &Batch, column: usize, row: u32, header: usize) -> Option<&[u8]> {
    match batch.cell(column, row) {
        Cell::Packed(at) => batch.texts.bytes(at).get(header..),
        _ => None,
    }
}

impl Target {
    /// Whether packed events of the batch are of this schema: their column, and the size of their header.
    fn passed_on(&self, batch: &Batch) -> Option<(usize, usize)> {
        let Body::Text(column) = batch.layout.body else { return None };
        let identity = batch.meta.unpack.as_ref()?.identity()?;
        let (_, header) = self.same.iter().find(|(same, _)| *same == identity)?;
        Some((column, *header))
    }

    fn event(&self, bound: &crate::event::encode::Bound<'_>, row: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let failed = |message: String| EncodeError { code: codes::ENCODE_SCHEMA, message };
        let Some(record) = self.writing.event() else {
            return Err(failed("the schema is no record, so no event can be written by it".to_owned()));
        };
        let mut writer = ValueWriter { writing: &self.writing, out, path: Vec::new() };
        let mut fields = Fields::new(record, 0);
        let mut written = Ok(());
        bound.each_field(row, |name, cell, source| {
            if written.is_ok()
                && let Some(given) = Given::of_cell(cell, |at| source.bytes(at))
            {
                written = writer.field(&mut fields, record, name, given, 1);
            }
        })?;
        let written = written.and_then(|()| writer.finish(fields, record));
        written.map_err(|why| failed(message(&writer.path, &why)))
    }
}

/// What is wrong, after the place of the value.
fn message(path: &[String], why: &str) -> String {
    let mut place = String::new();
    for name in path.iter().rev() {
        if !place.is_empty() && !name.starts_with('[') {
            place.push('.');
        }
        place.push_str(name);
    }
    if place.is_empty() { why.to_owned() } else { format!("field `{place}`: {why}") }
}
