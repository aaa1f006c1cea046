//! What is told about a run while it goes on: counters of nodes and edges.

mod counters;

pub use counters::{Counters, NodeCounters, Nodes, Role};
