//! What runs on an edge and what stands between edges: messages, operators, and the alignment of inputs. Pure: no clock, no I/O.

mod error_events;
mod inputs;
mod message;
#[cfg(test)]
mod model_tests;
mod operator;

pub use error_events::{ErrorEvents, error_layout, error_shape};
pub use inputs::{Inputs, Step};
pub use message::{Barrier, Message, Saves, Then, Watermark};
pub use operator::{Evaluations, Fatal, Held, Operator, Output, PortId, Progress, Reject, Rejected};
