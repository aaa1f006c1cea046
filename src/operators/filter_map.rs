//! Filter-map: the stage that keeps, changes, replaces or multiplies events.

use crate::spec::{Key, Rule, Table, Type};

pub static TABLE: Table = Table::new(
    "filter-map",
    "Keeps events that a condition holds for, then replaces (`map`), changes (`set`, `unset`) or multiplies (`flat_map`) them. \
     Its keys stand in the stage itself. All expressions see the event that came in.",
    &[
        Key::new("filter", Type::Expr, "Events for which it is `true` go on; the others are dropped. It must be a bool.").example("event.amount > 0"),
        Key::new(
            "map",
            Type::ExprOrMap,
            "The new event: one expression for each field, in written order, or one expression or block that returns an object.",
        )
        .example("{ user: event.user_id, amount: event.amount }"),
        Key::new("set", Type::ExprMap, "Fields that are added or replaced; the others stay as they are.").example("{ cents: event.amount * 100 }"),
        Key::new("unset", Type::ListOf(&Type::Text), "Fields that are removed.").example("[card_number, cvc]"),
        Key::new("flat_map", Type::Expr, "An array of objects: each becomes an event of its own. An empty one drops the event.")
            .example("event.items"),
    ],
)
.inline()
.rules(&[Rule::AtMostOne(&["map", "set", "flat_map"]), Rule::AtMostOne(&["map", "unset", "flat_map"])])
.example(
    "payments:\n  from: [card, online]\n  filter: event.amount > 0\n  map:\n    user: event.user_id\n    amount: event.amount\n    abroad: event.merchant.country != event.card_country\n",
);
