//! Events in Avro's binary form. What a schema says is lowered once to a [`Reading`] (by `schema::avro`), a reading and a demand to a
//! program, and a program cuts cells out of bytes; nothing looks at a schema while events flow.

pub mod container;
mod cut;
mod decimal;
mod decode;
mod encode;
mod ends;
mod fault;
mod form;
pub(super) mod header;
mod machine;
mod node;
mod op;
mod program;
mod read;
mod sheet;
mod stride;
mod write;

use std::fmt::Debug;
use std::sync::Arc;

use crate::event::packed::Numbered;
use crate::limits::JSON_DEPTH_MAX;

pub use self::decode::AvroFormat;
pub use self::encode::AvroEncoding;
pub use self::ends::{Ends, Walk};
pub use self::fault::{Fault, Why};
pub use self::form::{FieldForm, Form, FormId, FormNode, Names, RecordForm};
pub use self::node::{Absent, Bytes, DURATION, Field, Node, NodeId, Number, Reading, Record, Step};

/// The schemas that the events of a source may be written with, as its own schema reads them. What it gives is kept by the caller, so
/// it may take its time.
pub trait Writers: Debug + Send + Sync {
    /// The one of the source itself, for events that name none.
    fn own(&self) -> Arc<Writer>;

    /// By the fingerprint of single-object encoding (CRC-64-AVRO of the canonical form). `Err`: why there is none, for people.
    fn by_fingerprint(&self, fingerprint: u64) -> Result<Arc<Writer>, String>;

    /// By the number that the registry has for it.
    fn by_id(&self, id: u32) -> Result<Arc<Writer>, String>;

    /// What is known of the registry's numbers: whoever reads the source learns those that its events name before it has them decoded.
    fn numbered(&self) -> Option<Arc<dyn Numbered>> {
        None
    }

    /// By its text, as it stands at the head of a container.
    fn by_text(&self, text: &str) -> Result<Arc<Writer>, String>;

    /// A hash of all that decides how events are read.
    fn identity(&self) -> u64;

    /// A hash of the source's own schema.
    fn reader(&self) -> u64;
}

/// A schema that events are written with.
#[derive(Debug)]
pub struct Writer {
    /// How the source's schema reads what it writes.
    pub reading: Arc<Reading>,
    /// Where its events end.
    pub ends: Ends,
    /// A hash of the schema.
    pub identity: u64,
    /// The schema.
    pub text: Arc<str>,
    /// A hash of the source's own schema, by which it is read.
    pub reader: u64,
}

/// A value by itself as JSON, NaN and the infinities as null.
pub fn to_json(reading: &Reading, datum: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    write::JsonWriter::new(reading, datum, &mut out, JSON_DEPTH_MAX, true).value(reading.root(), 0, 0)?;
    Ok(out)
}
