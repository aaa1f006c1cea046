//! Route: each event to the first port whose condition holds.

use crate::spec::{Key, Ports, Table, Type};

pub static TABLE: Table = Table::new(
    "route",
    "Sends an event to the first port, in written order, whose condition holds; what none takes leaves by `otherwise`.",
    &[Key::new("route", Type::PortMap, "A condition for each port, read as `from: id.port`.")
        .required()
        .example("{ block: event.risk > 0.8, review: event.risk > 0.5 }")],
)
.inline()
.ports(Ports::Written)
.example(
    "triage:\n  from: scored\n  route:\n    block: event.risk > params.alert_above\n    review: event.risk > 0.5\n",
);
