//! Stdout: events into a pipe.

use crate::spec::Table;

pub static TABLE: Table = Table::new(
    "stdout",
    "Writes lines to standard output; logs go to standard error. A reader that closes the pipe ends the run quietly.",
    &[],
)
.example("result: { from: scored, stdout: {} }\n");
