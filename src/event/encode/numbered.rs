//! JSON behind the number of its schema, as Confluent's serializers write it.

use std::sync::Arc;

use crate::event::packed::{Numbering, PackedEncoder, PackedEncoding, Wire};
use crate::event::{Batch, Layout};

use super::stamp::{Stamp, Stamped, write_rows};
use super::{EncodeError, JsonEncoder, of_layout};

/// JSON as a sink writes it behind the number that a registry has for its schema.
#[derive(Debug)]
pub struct NumberedJson {
    /// A hash of the schema.
    schema: u64,
    stamp: Stamp,
}

impl NumberedJson {
    /// Of a schema with this identity, and its number.
    pub fn new(schema: u64, number: Arc<dyn Numbering>) -> NumberedJson {
        NumberedJson { schema, stamp: Stamp::number(number) }
    }
}

impl PackedEncoding for NumberedJson {
    fn encoder(&self) -> Box<dyn PackedEncoder> {
        Box::new(NumberedEncoder { stamp: self.stamp.bytes(), compiled: Vec::new() })
    }

    fn prepare(&self) -> Result<(), String> {
        self.stamp.bytes().map(drop)
    }

    fn identity(&self) -> u64 {
        Wire::Confluent.identity_with(self.schema)
    }
}

#[derive(Debug)]
struct NumberedEncoder {
    stamp: Stamped,
    /// What was compiled for the layouts seen last.
    compiled: Vec<(Arc<Layout>, JsonEncoder)>,
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
        let bound = of_layout(&mut self.compiled, &batch.layout, JsonEncoder::new).bind(batch);
        write_rows(batch, &self.stamp, lines, out, ends, errors, |row, out| bound.row(row, out));
    }
}
