//! Throttle: not more than so many events in a time, by the wall clock.

use crate::spec::{Choice, Key, Ports, Table, Type};

pub static TABLE: Table = Table::new(
    "throttle",
    "Lets events pass at a rate by the wall clock. The bucket of `burst` events is full at the start.",
    &[
        Key::new("rate", Type::Rate, "How many events in which time.").required().example("100/s"),
        Key::new("burst", Type::Int { min: 1, max: i64::MAX }, "How many may pass at once after a silence.")
            .default_note("what `rate` gives in a second, at least 1"),
        Key::new("key", Type::ExprOrMap, "Each value has a rate of its own.")
            .default_note("one rate for all events")
            .example("event.user"),
        Key::new(
            "exceed",
            Type::Choice(&[
                Choice::new("wait", "the event waits, and everything before it does"),
                Choice::new("drop", "the event is dropped and counted"),
                Choice::new("route", "the event leaves by the port `over`"),
            ]),
            "What happens to an event over the rate.",
        )
        .required()
        .example("wait"),
    ],
)
.ports(Ports::MainAnd(&["over"]))
.example("calm:\n  from: alerts\n  throttle: { rate: 100/s, exceed: wait }\n");
