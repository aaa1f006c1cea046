//! Dedupe: the first event of a key passes, its repetitions within a time do not.

use crate::spec::{Key, Ports, Table, Type};

pub static TABLE: Table = Table::new(
    "dedupe",
    "Lets the first event of a key pass. Others of the key within `within` of it, before or after, leave by the port `duplicates` and do not \
     prolong it. What comes after its state is gone passes: a double is better than a loss.",
    &[
        Key::new("key", Type::ExprOrMap, "What makes two events the same.").required().example("event.event_id"),
        Key::new("within", Type::Duration, "For how long, in event time.").required().example("10m"),
        Key::new("keys_max", Type::Int { min: 1, max: i64::MAX }, "Different keys that are kept; events of more are errors.")
            .default_note("`limits.keys`"),
    ],
)
.ports(Ports::MainAnd(&["duplicates"]))
.stateful()
.timed()
.example("once:\n  from: online\n  dedupe: { key: event.event_id, within: 10m }\n");
