//! The stage kinds, a file or folder each.

pub mod key;
mod stage;

pub use stage::Stage;
