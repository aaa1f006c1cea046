//! The systems that events come from and go to, a file or folder each, with its keys, its docs, its source and its sink. A new
//! one is a file and a row in `SOURCE_KINDS` or `SINK_KINDS`.

mod api;
mod blocking;
mod dead_letters;
mod feed;
mod plan;
pub mod file;
pub mod stdin;
pub mod stdout;
pub mod generate;
pub mod nats;
pub mod discard;

pub use api::{ConnectorError, Encoded, ErrorKind, Position, Pull, Sink, SinkResume, SinkState, Source, Written};
pub use dead_letters::DeadLetters;
pub use file::Claims;
pub use plan::{
    ConnectContext, Frames, Framing, Replay, SinkKind, SinkOpen, SinkPlan, SourceKind, SourceOpen, SourcePlan,
    comparable,
};

use crate::spec::Table;

/// Every connector of a source, in the order of the reference.
pub const SOURCE_KINDS: [SourceKind; 4] = [file::SOURCE_KIND, stdin::KIND, generate::KIND, nats::SOURCE_KIND];

/// Every connector of a sink, in the order of the reference.
pub const SINK_KINDS: [SinkKind; 4] = [file::SINK_KIND, stdout::KIND, discard::KIND, nats::SINK_KIND];

/// The tables of `SOURCE_KINDS`.
pub static SOURCES: &[&Table] = &source_tables(&SOURCE_KINDS);

/// The tables of `SINK_KINDS`.
pub static SINKS: &[&Table] = &sink_tables(&SINK_KINDS);

const fn source_tables<const N: usize>(kinds: &[SourceKind; N]) -> [&'static Table; N] {
    let mut tables = [kinds[0].table; N];
    let mut i = 0;
    while i < N {
        tables[i] = kinds[i].table;
        i += 1;
    }
    tables
}

const fn sink_tables<const N: usize>(kinds: &[SinkKind; N]) -> [&'static Table; N] {
    let mut tables = [kinds[0].table; N];
    let mut i = 0;
    while i < N {
        tables[i] = kinds[i].table;
        i += 1;
    }
    tables
}
