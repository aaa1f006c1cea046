//! The stage kinds, a file or folder each, with its keys, its docs and its work. A new one is a file and a row in `KINDS`.

pub mod aggregate;
pub mod key;
mod edit;
mod eval;
mod expression;
mod saved;
mod stage;
mod typing;
#[cfg(test)]
pub(crate) mod testing;
pub mod filter_map;
pub mod fan_out;
pub mod route;
pub mod window;
pub mod dedupe;
pub mod enrich;
pub mod sample;
pub mod throttle;

pub use eval::{Evaluated, Evaluator};
pub use expression::{Place, StageExpr, reads};
pub use stage::{Carry, Stage, StageContext, StageKind, StageLimits, Watched, report};
pub use typing::Typing;

use crate::spec::Table;

/// Every stage kind, in the order of the reference.
pub static KINDS: [StageKind; 8] = [
    StageKind { table: &filter_map::TABLE, plan: filter_map::plan },
    StageKind { table: &fan_out::TABLE, plan: fan_out::plan },
    StageKind { table: &route::TABLE, plan: route::plan },
    StageKind { table: &window::TABLE, plan: window::plan },
    StageKind { table: &dedupe::TABLE, plan: dedupe::plan },
    StageKind { table: &enrich::TABLE, plan: enrich::plan },
    StageKind { table: &sample::TABLE, plan: sample::plan },
    StageKind { table: &throttle::TABLE, plan: throttle::plan },
];

/// Their tables.
pub static STAGES: &[&Table] = &{
    let mut tables = [KINDS[0].table; KINDS.len()];
    let mut kind = 0;
    while kind < tables.len() {
        tables[kind] = KINDS[kind].table;
        kind += 1;
    }
    tables
};
