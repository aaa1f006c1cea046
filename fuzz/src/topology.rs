//! Topologies that are planned and driven by hand, without tasks and connectors.

use std::path::Path;

use topology_runner::diagnostic::{Diagnostics, Style};
use topology_runner::plan::{self, Node, Plan, StageNode, Work};
use topology_runner::spec::{self, Settings};

/// Plans a topology from its text.
pub fn plan(yaml: &str) -> Plan {
    let mut diagnostics = Diagnostics::new();
    let outside = Settings { set: &[], env: &|_| None };
    let spec = spec::read(Path::new("fuzz.yaml"), yaml, &plan::CATALOG, outside, &mut diagnostics);
    let plan = spec.and_then(|spec| plan::plan(&spec, &mut diagnostics));
    plan.unwrap_or_else(|| panic!("{yaml}\n{}", diagnostics.render(Style::Plain)))
}

/// The stages of a plan in their order, each with its node.
pub fn stages(plan: &Plan) -> impl Iterator<Item = (&Node, &StageNode)> {
    plan.nodes.iter().filter_map(|node| match &node.work {
        Work::Stage(stage) => Some((node, stage)),
        Work::Source(_) | Work::Sink(_) => None,
    })
}
