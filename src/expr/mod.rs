//! Expressions: Rhai text is compiled to a program over columns, or, where that cannot be, run by Rhai itself; both give the same.

mod aggregate;
mod call;
mod cells;
mod chain;
mod check;
pub mod codes;
mod compile;
mod context;
pub mod coverage;
mod engine;
mod generate;
mod habits;
mod identity;
mod interpret;
mod ir;
mod json;
pub mod library;
mod links;
mod lower;
mod methods;
mod ops;
pub mod problem;
mod program;
mod random;
mod run;
mod switch;
pub mod types;
pub mod value;

pub use aggregate::{AggregateArg, AggregateCall, AggregateExpr};
pub use cells::Arena;
pub use check::META_FIELDS;
pub use compile::{Expr, Want, Why};
pub use context::{Context, FunctionFile};
pub use generate::{Generator, GeneratorExpr};
pub use problem::Problem;
pub use program::{EvalError, Program};
pub use value::Limits;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod guide;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod samples;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[cfg_attr(not(test), allow(dead_code))]
pub mod testing;
#[cfg(test)]
mod tests;
