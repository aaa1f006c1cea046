//! The systems that events come from and go to, a file or folder each.

mod api;

pub use api::{Broken, ConnectorError, Encoded, Pull, Sink, Source, Written};
