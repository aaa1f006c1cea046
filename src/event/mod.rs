//! Events as tables: a batch is columns of cells over shared text, and knows nothing of where it came from.

mod ascii;
pub mod avro;
mod batch;
mod builder;
mod cell;
mod chunk;
pub mod codes;
pub mod decode;
pub mod encode;
pub mod frame;
pub mod json;
#[cfg(test)]
pub(crate) mod json_samples;
mod layout;
pub mod packed;
pub mod protobuf;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod samples;
mod time;
mod wanted;

pub use batch::{Batch, Meta, Selection};
pub use builder::BatchBuilder;
pub use cell::{Cell, Column, Tag, Tags, TextRef, Texts};
pub use chunk::{BadFrame, BrokerMessage, Chunk, ChunkBuilder, CsvHeader};
pub use layout::{Body, Demand, Layout, Path};
pub use time::Timestamp;
