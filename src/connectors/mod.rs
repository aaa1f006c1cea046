//! The systems that events come from and go to, a file or folder each, with its keys, its docs, its source and its sink. A new
//! one is a file and a row in `SOURCES` and `SINKS`.

mod api;
mod blocking;
mod plan;
pub mod file;
pub mod stdin;
pub mod stdout;
pub mod generate;
pub mod nats;
pub mod discard;

pub use api::{Broken, ConnectorError, Encoded, ErrorKind, Pull, Sink, Source, Written};
pub use plan::{ConnectContext, Framing, Replay, SinkKind, SinkPlan, SourceKind, SourceOpen, SourcePlan, comparable};

use crate::spec::Table;

/// Every connector of a source, in the order of the reference.
pub const SOURCE_KINDS: [SourceKind; 1] = [nats::SOURCE_KIND];

/// Every connector of a sink, in the order of the reference.
pub const SINK_KINDS: [SinkKind; 4] = [file::SINK_KIND, stdout::KIND, discard::KIND, nats::SINK_KIND];

/// The tables of `SOURCE_KINDS`.
pub static SOURCES: &[&Table] = &[&file::SOURCE, &stdin::TABLE, &generate::TABLE, &nats::SOURCE];

/// The tables of `SINK_KINDS`.
pub static SINKS: &[&Table] = &[&file::SINK, &stdout::TABLE, &discard::TABLE, &nats::SINK];
