//! Events in a binary form that a schema describes (Avro, Protobuf): what decoders and encoders of such forms are to the data path.
//!
//! A batch of such events carries each as the bytes that came (`Cell::Packed`); demanded fields are cut out of them into cells, and the
//! JSON of the whole is made only where somebody needs it.

use std::fmt::Debug;
use std::sync::Arc;

use rapidhash::v3::rapidhash_v3;

use super::decode::Rows;
use super::encode::EncodeError;
use super::{Batch, Chunk, Layout};

/// What stands around the bytes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wire {
    /// An Avro object container file.
    Container,
    /// Avro's single-object encoding.
    SingleObject,
    /// The registry's number of the schema, as Confluent's serializers write it.
    Confluent,
    /// Nothing.
    Raw,
}

impl Wire {
    /// What events with this around them and of a schema of this identity have in common, and no others.
    pub fn identity_with(self, schema: u64) -> u64 {
        rapidhash_v3(format!("{self:?} {schema:016x}").as_bytes())
    }
}

/// Turns packed events into JSON. Shared by all batches that a source has cut out of one chunk.
pub trait Unpack: Debug + Send + Sync {
    /// Writes the event as a JSON object on one line. `lenient`: what JSON cannot say (NaN, the infinities) is written as null; otherwise
    /// it is an error. After an error `out` ends with a part of the event.
    fn write_json(&self, packed: &[u8], lenient: bool, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// What the bytes are: encoders whose events have the same identity pass them on as they are ([`Wire::identity_with`]). `None`: not
    /// all events that it reads are alike.
    fn identity(&self) -> Option<u64>;
}

/// A form that a source decodes.
pub trait PackedFormat: Debug + Send + Sync {
    /// A decoder that cuts what the layout demands. `depth_max` is `limits.depth`.
    fn decoder(&self, layout: &Layout, depth_max: usize) -> Box<dyn PackedDecoder>;

    /// A hash of wire, schema and version: what has the same reads the same.
    fn identity(&self) -> u64;
}

/// Decodes the chunks of one source. It keeps nothing between chunks that changes its results.
pub trait PackedDecoder: Debug + Send {
    /// The rows of a chunk. Column 0 holds `Cell::Packed`, or `Cell::Json` where the whole event is demanded.
    fn decode(&mut self, chunk: &Chunk) -> PackedRows;

    /// Another one that decodes the same.
    fn another(&self) -> Box<dyn PackedDecoder>;
}

/// What a decoder made of the frames of a chunk.
#[derive(Debug)]
pub struct PackedRows {
    pub rows: Rows,
    /// Reads the cells of column 0.
    pub unpack: Option<Arc<dyn Unpack>>,
}

/// A form that a sink encodes.
pub trait PackedEncoding: Debug + Send + Sync {
    fn encoder(&self) -> Box<dyn PackedEncoder>;

    /// A hash of wire, schema and version: what has the same writes the same.
    fn identity(&self) -> u64;
}

/// Writes the events of one sink.
pub trait PackedEncoder: Debug + Send + Sync {
    /// Writes the selected events one after the other to `out`, and where each ends. `lines`: the sink writes a stream of bytes, in which
    /// events must be told apart. What cannot be written leaves no bytes; its row and why go to `errors`, in order.
    fn encode(
        &mut self,
        batch: &Batch,
        lines: bool,
        out: &mut Vec<u8>,
        ends: &mut Vec<u32>,
        errors: &mut Vec<(u32, EncodeError)>,
    );

    /// What stands at the head of every file.
    fn head(&self) -> &[u8] {
        &[]
    }
}
