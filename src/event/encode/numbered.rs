//! JSON behind the number of its schema, as Confluent's serializers write it.

use std::sync::Arc;

use crate::event::avro::{header, write_varint};
use crate::event::packed::{Numbering, PackedEncoder, PackedEncoding, Wire};

use crate::event::{Batch, Layout, codes};

use super::{EncodeError, JsonEncoder, compiled};

/// JSON as a sink writes it behind the number that a registry has for its schema.
#[derive(Debug)]
pub struct NumberedJson {
    /// A hash of the schema.
    schema: u64,
    number: Arc<dyn Numbering>,
}

impl NumberedJson {
    /// Of a schema with this identity, and its number.
    pub fn new(schema: u64, number: Arc<dyn Numbering>) -> NumberedJson {
        NumberedJson { schema, number }
    }
}

impl PackedEncoding for NumberedJson {
    fn encoder(&self) -> Box<dyn PackedEncoder> {
        let stamp = self.number.number().map(|number| header::confluent(number).into());
        Box::new(NumberedEncoder { stamp, compiled: Vec::new(), json: Vec::new() })
    }

    fn prepare(&self) -> Result<(), String> {
        self.number.number().map(drop)
    }

    fn identity(&self) -> u64 {
        Wire::Confluent.identity_with(self.schema)
    }
}

#[derive(Debug)]
struct NumberedEncoder {
    /// What stands before each event, or why that is not known.
    stamp: Result<Box<[u8]>, String>,
    /// What was compiled for the layouts seen last.
    compiled: Vec<(Arc<Layout>, JsonEncoder)>,
    /// The event at hand.
    json: Vec<u8>,
}

impl PackedEncoder for NumberedEncoder {
    fn encode(
        &mut self,
        batch: &Batch,
        lines: bool,
        out: &mut Vec<u8>,
        ends: &mut Vec<u32>,
        errors: &mut Vec<(u32, EncodeError)>,
    ) {
        let bound = compiled(&mut self.compiled, &batch.layout).bind(batch);
        for row in batch.selection.iter() {
            self.json.clear();
            let stamp =
                self.stamp.as_ref().map_err(|why| EncodeError { code: codes::ENCODE_SCHEMA, message: why.clone() });
            match stamp.and_then(|stamp| bound.row(row, &mut self.json).map(|()| stamp)) {
                Ok(stamp) => {
                    if lines {
                        write_varint(out, (stamp.len() + self.json.len()) as u64);
                    }
                    out.extend_from_slice(stamp);
                    out.extend_from_slice(&self.json);
                    ends.push(out.len() as u32);
                }
                Err(error) => errors.push((row, error)),
            }
        }
    }
}
