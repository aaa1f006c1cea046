//! Keyed state in memory. It owns all that it holds: nothing here points into the text of a batch.

mod keyed;
mod value;

pub use keyed::{KeyId, Keyed, KeysFull};
pub use value::{SmallText, Value};
