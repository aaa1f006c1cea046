//! The stage kinds, a file or folder each.

mod stage;

pub use stage::Stage;
