//! Generate: made-up events, the same ones for the same seed.

use crate::spec::{Key, Table, Type};

pub static TABLE: Table = Table::new(
    "generate",
    "Makes events by an expression. Nothing is random: the same `seed` gives the same events.",
    &[
        Key::new(
            "event",
            Type::Expr,
            "The event, an object. It sees `i`, the event's number from 0.",
        )
        .required()
        .example("'#{ id: i, user: `u${i % 100}` }'"),
        Key::new("rate", Type::Rate, "How many events in which time, by the wall clock.").default_note("as fast as they are taken").example("2000/s"),
        Key::new("count", Type::Int { min: 0, max: i64::MAX }, "How many events there are.").default_note("no end").example("10000"),
        Key::new("seed", Type::Int { min: 0, max: i64::MAX }, "Another seed gives other events.").default("0"),
    ],
)
.example("ticks:\n  generate:\n    rate: 10/s\n    count: 100\n    event: |\n      #{ id: i, even: i % 2 == 0 }\n  time: arrival\n");
