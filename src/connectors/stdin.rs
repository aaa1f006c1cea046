//! Stdin: events of a pipe.

use crate::spec::Table;

pub static TABLE: Table =
    Table::new("stdin", "Reads lines from standard input, until it ends. One source of a topology can.", &[])
        .example("events: { stdin: {}, time: event.timestamp }\n");
