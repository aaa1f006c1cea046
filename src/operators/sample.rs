//! Sample: a share of the events, the same ones in every run.

use crate::spec::{Key, Rule, Table, Type};

pub static TABLE: Table = Table::new(
    "sample",
    "Lets a share of the events pass. Nothing is random: the same input and `seed` give the same choice.",
    &[
        Key::new("rate", Type::Share, "The share that passes, from 0 to 1.").example("0.01"),
        Key::new("every", Type::Int { min: 1, max: i64::MAX }, "The n-th event passes, the 2n-th, and so on.")
            .example("100"),
        Key::new("by", Type::Expr, "Events of one value share one fate: all of them pass, or none.")
            .default_note("each event by itself")
            .example("event.user"),
        Key::new("seed", Type::Int { min: 0, max: i64::MAX }, "Another seed chooses others.").default("0"),
    ],
)
.rules(&[Rule::ExactlyOne(&["rate", "every"]), Rule::Needs("by", "rate"), Rule::Needs("seed", "rate")])
.example("some:\n  from: clicks\n  sample: { rate: 0.1, by: event.user_id }\n");
