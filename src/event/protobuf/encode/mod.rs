//! Events as Protobuf messages.

mod message;
mod number;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::event::encode::{EventForm, Fields, FormEncoder, Stamp, Value, Written};
use crate::event::packed::{Numbering, PackedEncoder, PackedEncoding, Wire};

use super::header;
use super::types::{Type, Types};

use self::message::Writer;

/// Protobuf as a sink writes it.
#[derive(Clone, Debug)]
pub struct ProtobufEncoding {
    form: ProtobufForm,
    stamp: Stamp,
}

impl ProtobufEncoding {
    /// Events as the root of these types and nothing else.
    pub fn raw(types: Arc<Types>) -> ProtobufEncoding {
        ProtobufEncoding { form: ProtobufForm { wire: Wire::Raw, types }, stamp: Stamp::none() }
    }

    /// The same behind the number of their schema.
    pub fn numbered(types: Arc<Types>, number: Arc<dyn Numbering>) -> ProtobufEncoding {
        let stamp = Stamp::Number(number, header::way(&types.index_path).into());
        ProtobufEncoding { form: ProtobufForm { wire: Wire::Confluent, types }, stamp }
    }
}

impl PackedEncoding for ProtobufEncoding {
    fn encoder(&self) -> Box<dyn PackedEncoder> {
        Box::new(FormEncoder::new(self.form.clone(), self.identity(), self.stamp.bytes(), true))
    }

    fn prepare(&self) -> Result<(), String> {
        self.stamp.bytes().map(drop)
    }

    fn identity(&self) -> u64 {
        self.form.wire.identity_with(self.form.types.identity)
    }
}

#[derive(Clone, Debug)]
struct ProtobufForm {
    wire: Wire,
    types: Arc<Types>,
}

impl ProtobufForm {
    fn root(&self) -> &Type {
        &self.types.messages[self.types.root]
    }
}

impl EventForm for ProtobufForm {
    fn fields(&self) -> Option<&dyn Fields> {
        Some(self.root())
    }

    fn write_fields(&self, values: &[Value<'_>], out: &mut Vec<u8>) -> Written {
        Writer { types: &self.types, out }.fields(self.root(), values, 1)
    }

    fn write_text(&self, text: &[u8], out: &mut Vec<u8>) -> Written {
        Writer { types: &self.types, out }.message(self.root(), text, 1)
    }

    fn body(&self, packed: &[u8]) -> usize {
        header::read(self.wire, packed, &self.types.index_path).unwrap_or(0)
    }
}

impl Fields for Type {
    fn len(&self) -> usize {
        self.fields.len()
    }

    fn name(&self, place: usize) -> Option<&str> {
        self.fields.get(place).map(|field| &*field.name)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| *field.name == *name)
    }
}
