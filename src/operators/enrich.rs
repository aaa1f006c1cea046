//! Enrich: looks up a row of a table for each event.

use crate::spec::{Choice, Key, Table, Type};

pub static TABLE: Table = Table::new(
    "enrich",
    "Adds the row of a table to an event, as an object. The table is kept in memory and read again when its file changes.",
    &[
        Key::new("table", Type::Section(&SOURCE), "Where the rows are.").required().example("{ file: { path: data/customers.csv } }"),
        Key::new("on", Type::ExprMap, "The column and what it must equal; with several, all must.").required().example("{ id: event.user }"),
        Key::new("as", Type::Text, "The field that gets the row.").required().example("customer"),
        Key::new(
            "missing",
            Type::Choice(&[
                Choice::new("null", "the field is null"),
                Choice::new("error", "the event is an error"),
                Choice::new("drop", "the event is dropped"),
            ]),
            "What happens where the table has no such row.",
        )
        .default("null"),
    ],
)
.example(
    "known:\n  from: payments\n  enrich:\n    table: { file: { path: data/customers.csv } }\n    on: { id: event.user }\n    as: customer\n    missing: null\n",
);

static SOURCE: Table = Table::new(
    "table",
    "Where a table comes from.",
    &[Key::new("file", Type::Section(&FILE), "A file.").required().example("{ path: data/customers.csv }")],
);

static FILE: Table = Table::new(
    "table file",
    "A table in a file: CSV (`.csv`) or JSON Lines (any other ending).",
    &[Key::new("path", Type::Path, "The file.").required().example("data/customers.csv")],
);
