//! Events in a binary form that a schema describes (Avro, Protobuf): what decoders and encoders of such forms are to the data path.
//!
//! A batch of such events carries each as the bytes that came (`Cell::Packed`); demanded fields are cut out of them into cells, and the
//! JSON of the whole is made only where somebody needs it.

use std::fmt::Debug;
use std::sync::Arc;

use rapidhash::v3::rapidhash_v3;

use super::avro::container::FileHead;
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

    /// The schemas that its events name by numbers, where they do.
    fn numbered(&self) -> Option<Arc<dyn Numbered>> {
        None
    }
}

/// The schemas that events name by the numbers that a registry has for them. Whoever reads a source sees to it that the numbers of a
/// chunk are known before the chunk is decoded: a decoder cannot wait for a registry.
pub trait Numbered: Debug + Send + Sync {
    /// Whether it was found out what the number stands for, or that it stands for nothing.
    fn is_known(&self, id: u32) -> bool;

    /// Finds out what the number stands for; waits for the registry. `Err`: it gave no answer, in words for people; it may give one later.
    fn learn(&self, id: u32) -> Result<(), String>;

    /// Numbers that stood for nothing are to be asked for again: they may have been given by now.
    fn forget_missing(&self);

    /// What there is to tell the user since the last call, as that an answer is an old one because the registry is away.
    fn take_notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The number that stands before an event, as Confluent's serializers write it: a zero, and four bytes, big endian.
pub fn number_of(event: &[u8]) -> Option<u32> {
    match event.split_first() {
        Some((0, rest)) => rest.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)),
        _ => None,
    }
}

/// Decodes the chunks of one source. It keeps nothing between chunks that changes its results.
pub trait PackedDecoder: Debug + Send {
    /// The rows of a chunk. Column 0 holds `Cell::Packed`, or `Cell::Json` where the whole event is demanded. A chunk of blocks is cut
    /// into events on the way: its frames are then theirs, and what is none is among what could not be framed.
    fn decode(&mut self, chunk: &mut Chunk) -> PackedRows;

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

/// The number that a registry has for the schema of a sink.
pub trait Numbering: Debug + Send + Sync {
    /// Finds it out, or has it given; waits for the registry the first time. `Err`: why there is none, and the way out.
    fn number(&self) -> Result<u32, String>;
}

/// One that is known.
impl Numbering for u32 {
    fn number(&self) -> Result<u32, String> {
        Ok(*self)
    }
}

/// A form that a sink encodes.
pub trait PackedEncoding: Debug + Send + Sync {
    fn encoder(&self) -> Box<dyn PackedEncoder>;

    /// Does what must be done before there is an encoder: with a registry, finds out the number of the schema, or has it given one. Waits
    /// for the registry; once it succeeded, returns at once. `Err`: why not, and the way out.
    fn prepare(&self) -> Result<(), String> {
        Ok(())
    }

    /// A hash of wire, schema and version: what has the same writes the same.
    fn identity(&self) -> u64;

    /// The head of container files: the sink puts events into blocks, and so what the encoder writes does not tell them apart.
    fn file_head(&self) -> Option<FileHead> {
        None
    }
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
}

/// Writes a varint: seven bits a byte, the lowest first, each byte but the last with its high bit. Avro and Protobuf have the same.
#[inline(always)]
pub(super) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
