//! Discard: a sink that says that events are not needed.

use crate::spec::Table;

pub static TABLE: Table =
    Table::new("discard", "Drops events, and counts them: says that a port is left unread on purpose.", &[])
        .example("quiet: { from: triage.otherwise, discard: {} }\n");
