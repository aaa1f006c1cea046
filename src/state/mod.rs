//! Keyed state in memory, and how it is written into checkpoints. It owns all that it holds: nothing here points into the text of a batch.

pub mod codec;
pub mod failpoint;
mod keyed;
mod snapshot;
pub mod store;
mod value;

pub use codec::Corrupt;
pub use keyed::{HEAD, KEY, KeyId, Keyed, KeysFull};
pub use snapshot::{Record, Saved, Shape, Snapshot, records};
pub use value::{SmallText, Value};
