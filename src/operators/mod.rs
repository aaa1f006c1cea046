//! The stage kinds, a file or folder each, with its keys, its docs and its work. A new one is a file and a row in `STAGES`.

pub mod aggregate;
pub mod key;
mod stage;
pub mod filter_map;
pub mod fan_out;
pub mod route;
pub mod window;
pub mod dedupe;
pub mod enrich;
pub mod sample;
pub mod throttle;

pub use stage::Stage;

use crate::spec::Table;

/// Every stage kind, in the order of the reference.
pub static STAGES: &[&Table] = &[
    &filter_map::TABLE,
    &fan_out::TABLE,
    &route::TABLE,
    &window::TABLE,
    &dedupe::TABLE,
    &enrich::TABLE,
    &sample::TABLE,
    &throttle::TABLE,
];
