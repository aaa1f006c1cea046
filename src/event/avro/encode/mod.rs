//! Events in Avro's binary form.

mod decimal;
mod value;

use std::sync::Arc;

use crate::event::encode::{EventForm, Fields, FormEncoder, Stamp, Value, Written};
use crate::event::packed::{Numbering, PackedEncoder, PackedEncoding, Wire};

use self::value::Pen;
use super::container::{Codec, FileHead};
use super::form::{Form, RecordForm};
use super::header;

/// Avro as a sink writes it.
#[derive(Debug)]
pub struct AvroEncoding {
    form: Arc<Form>,
    /// A hash of the schema.
    schema: u64,
    wire: Wire,
    stamp: Stamp,
    container: Option<FileHead>,
}

impl AvroEncoding {
    /// Blocks of a container, which the sink makes of the events.
    pub fn container(form: Form, schema: u64, text: &str, codec: Codec) -> AvroEncoding {
        let container = Some(FileHead::of(text, codec));
        AvroEncoding { container, ..AvroEncoding::new(form, schema, Wire::Container, Stamp::none()) }
    }

    /// Events behind the fingerprint of their schema.
    pub fn single_object(form: Form, schema: u64, fingerprint: u64) -> AvroEncoding {
        let stamp = Stamp::Bytes(header::single_object(fingerprint).into());
        AvroEncoding::new(form, schema, Wire::SingleObject, stamp)
    }

    /// Events behind the number of their schema.
    pub fn numbered(form: Form, schema: u64, number: Arc<dyn Numbering>) -> AvroEncoding {
        AvroEncoding::new(form, schema, Wire::Confluent, Stamp::number(number))
    }

    /// Events and nothing else.
    pub fn raw(form: Form, schema: u64) -> AvroEncoding {
        AvroEncoding::new(form, schema, Wire::Raw, Stamp::none())
    }

    fn new(form: Form, schema: u64, wire: Wire, stamp: Stamp) -> AvroEncoding {
        AvroEncoding { form: Arc::new(form), schema, wire, stamp, container: None }
    }
}

impl PackedEncoding for AvroEncoding {
    fn encoder(&self) -> Box<dyn PackedEncoder> {
        let form = AvroForm { form: self.form.clone(), wire: self.wire };
        // A block of a container says how many events it has, not where each ends.
        let delimits = self.wire != Wire::Container;
        Box::new(FormEncoder::new(form, self.identity(), self.stamp.bytes(), delimits))
    }

    fn prepare(&self) -> Result<(), String> {
        self.stamp.bytes().map(drop)
    }

    fn identity(&self) -> u64 {
        self.wire.identity_with(self.schema)
    }

    fn file_head(&self) -> Option<FileHead> {
        self.container.clone()
    }
}

#[derive(Debug)]
struct AvroForm {
    form: Arc<Form>,
    wire: Wire,
}

impl EventForm for AvroForm {
    fn fields(&self) -> Option<&dyn Fields> {
        self.form.record().map(|record| record as &dyn Fields)
    }

    fn write_fields(&self, values: &[Value<'_>], out: &mut Vec<u8>) -> Written {
        let mut pen = Pen::new(&self.form, out);
        self.form.record().map_or(Ok(()), |record| pen.record(record, values, 0))
    }

    fn write_text(&self, text: &[u8], out: &mut Vec<u8>) -> Written {
        Pen::new(&self.form, out).value(self.form.root(), Value::Json(text), 0)
    }

    fn body(&self, packed: &[u8]) -> usize {
        header::read(self.wire, packed).map_or(0, |(_, body)| body)
    }
}

impl Fields for RecordForm {
    fn len(&self) -> usize {
        self.fields.len()
    }

    fn name(&self, place: usize) -> Option<&str> {
        self.fields.get(place).map(|field| &*field.name)
    }

    fn place(&self, name: &str) -> Option<usize> {
        RecordForm::place(self, name)
    }
}

#[cfg(test)]
mod tests;
