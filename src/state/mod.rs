//! Keyed state in memory, and how it is written into checkpoints. It owns all that it holds: nothing here points into the text of a batch.

mod agenda;
mod chunked;
pub mod codec;
pub mod failpoint;
mod few;
mod keyed;
mod keys;
mod snapshot;
pub mod store;
mod value;

pub use agenda::Agenda;
pub use codec::Corrupt;
pub use few::Few;
pub use keyed::{HEAD, KEY, KeyId, Keyed, KeysFull};
pub use keys::{Keys, Probe};
pub use snapshot::{Record, Saved, Shape, Snapshot, records};
pub use value::{SmallText, Value};
