//! Windows: aggregates of events by key and event time.

mod aligned;
mod assign;
mod calls;
mod counted;
mod finish;
mod folds;
mod open;
mod operator;
mod plan;
mod results;
mod saved;
mod sessions;
mod shape;
mod slots;
mod types;
#[cfg(test)]
mod tests;

pub use plan::plan;

use crate::spec::{Choice, Key, Ports, Rule, Table, Type};

pub static TABLE: Table = Table::new(
    "window",
    "Aggregates events by key over spans of event time. A result is an event with the key's fields, `window_start` and `window_end` \
     (milliseconds) and the aggregates; its time is `window_end` less 1 ms, so that windows of equal size chain. Where a window was cut in \
     two because its stage was edited, both results have `partial: true`.",
    &[
        Key::new("key", Type::ExprOrMap, "What events are grouped by: `{name: expr}`, or one expression, whose field is `key`.")
            .default_note("none: all events are one group")
            .example("{ user: event.user }"),
        Key::new("tumbling", Type::Duration, "Spans of this size, one after the other.").example("1m"),
        Key::new("sliding", Type::Section(&SLIDING), "Spans of `size` that begin `every` so often, so that they overlap.")
            .example("{ size: 5m, every: 1m }"),
        Key::new("session", Type::Section(&SESSION), "Spans of activity, ended by a silence.").example("{ gap: 30m, max: 4h }"),
        Key::new("count", Type::Int { min: 1, max: i64::MAX }, "Spans of so many events, whatever their time.").example("100"),
        Key::new("offset", Type::Duration, "Shifts where spans begin: 1d windows with `offset: 5h` begin at 05:00 UTC.").default("0s").example("5h"),
        Key::new("lateness", Type::Duration, "How long after its end a span still takes events. Later ones leave by the port `late`.")
            .default("0s")
            .example("30s"),
        Key::new(
            "emit",
            Type::OneOf(&[
                Type::Choice(&[
                    Choice::new("final", "one result, at the end of the span and its lateness"),
                    Choice::new("updates", "a result at the end of the span, and another, whole, for each late event, with `revision`"),
                ]),
                Type::Section(&EMIT),
            ]),
            "When results leave. Other than `final`, a stage that keeps state may not read them: it would count twice.",
        )
        .default("final"),
        Key::new(
            "aggregate",
            Type::ExprMap,
            "An expression over aggregates for each field: `count()`, `sum(x)`, `min(x)`, `max(x)`, `avg(x)`, `first(x)`, `last(x)`, \
             `stddev(x)`, `collect(x, max)`, `distinct(x)`, `top(x, k)`, `approx_distinct(x)`, `approx_quantile(x, q)`, \
             `fold(start, |acc, event| ...)`. Nulls and missing values are left out.",
        )
        .required()
        .example("{ n: count(), total: sum(event.amount) }"),
        Key::new("having", Type::Expr, "A condition on the result, which it sees as `event`; others are dropped.").example("event.n > 10"),
        Key::new("keys_max", Type::Int { min: 1, max: i64::MAX }, "Different keys that are kept; events of more are errors.")
            .default_note("`limits.keys`"),
    ],
)
.rules(&[
    Rule::ExactlyOne(&["tumbling", "sliding", "session", "count"]),
    Rule::AtMostOne(&["offset", "session"]),
    Rule::AtMostOne(&["offset", "count"]),
    Rule::AtMostOne(&["lateness", "count"]),
])
.ports(Ports::MainAnd(&["late"]))
.stateful()
.timed_unless("count")
.revises_unless("emit", "final")
.example(
    "velocity:\n  from: payments\n  window:\n    key: { user: event.user }\n    tumbling: 1m\n    lateness: 30s\n    aggregate:\n      n: count()\n      total: sum(event.amount)\n      largest: max(event.amount)\n",
);

static SLIDING: Table = Table::new(
    "sliding",
    "Overlapping spans.",
    &[
        Key::new("size", Type::Duration, "How long a span is.").required().example("5m"),
        Key::new("every", Type::Duration, "How often one begins; it divides `size`.").required().example("1m"),
    ],
);

static SESSION: Table = Table::new(
    "session",
    "Spans of activity.",
    &[
        Key::new(
            "gap",
            Type::Duration,
            "The silence that ends a session. An event exactly so much later starts a new one.",
        )
        .required()
        .example("30m"),
        Key::new("max", Type::Duration, "The longest session; at this length it ends though events go on.")
            .default("1d")
            .example("4h"),
    ],
);

static EMIT: Table = Table::new(
    "emit",
    "Results while the span is still open.",
    &[Key::new("every", Type::Duration, "How often, in event time, the state so far leaves.")
        .required()
        .example("10s")],
);
