//! A declarative runner for event topologies. The rooms, in the order in which data and ideas pass through them; a room
//! uses only the rooms above it.

pub mod limits;
pub mod diagnostic;
pub mod event;
pub mod schema;
pub mod expr;
pub mod spec;
pub mod state;
pub mod flow;
pub mod operators;
pub mod connectors;
pub mod observe;
pub mod plan;
pub mod run;
pub mod cli;
