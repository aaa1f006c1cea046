//! Fan-out: a copy of the event for every port whose condition holds.

use crate::spec::{Key, Ports, Table, Type};

pub static TABLE: Table = Table::new(
    "fan_out",
    "Sends an event to every port whose condition holds; what none takes leaves by `otherwise`. \
     (Where every reader is to get every event, let several nodes read one port: no stage is needed.)",
    &[Key::new("fan_out", Type::PortMap, "A condition for each port, read as `from: id.port`.")
        .required()
        .example("{ fraud: event.amount > 1000, analytics: \"true\" }")],
)
.inline()
.ports(Ports::Written)
.example("purchase:\n  from: actions\n  fan_out:\n    fraud: event.amount > 1000\n    recommendations: event.user != ()\n    analytics: true\n");
