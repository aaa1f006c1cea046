//! The systems that events come from and go to, a file or folder each.

mod api;
mod plan;

pub use api::{Broken, ConnectorError, Encoded, ErrorKind, Pull, Sink, Source, Written};
pub use plan::{Framing, Replay, SinkPlan, SourceOpen, SourcePlan, comparable};
