//! Keyed state in memory, and how it is written into checkpoints. It owns all that it holds: nothing here points into the text of a batch.

mod agenda;
mod chunked;
pub mod codec;
pub mod failpoint;
mod keyed;
mod keys;
mod snapshot;
pub mod store;
mod value;

pub use agenda::Agenda;
pub use codec::Corrupt;
pub use keyed::{HEAD, KEY, KeyId, Keyed, KeysFull};
pub use keys::{Keys, Probe};
pub use snapshot::{Record, Saved, Shape, Snapshot, records};
pub use value::{SmallText, Value};

/// Some elements, mostly one, which then lies in place.
pub type Few<T> = smallvec::SmallVec<[T; 1]>;

const _: () = assert!(size_of::<Few<[u64; 2]>>() == size_of::<Vec<u64>>());
