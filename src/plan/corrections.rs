//! The lint of topologies that change facts: events of a type that are changed on the way and written as the same type again. A pure
//! function of the topology as written.

use std::collections::HashSet;

use crate::diagnostic::{Diagnostics, Span};
use crate::schema::principles::CORRECTIONS;
use crate::spec::{ERRORS, PortRef, SchemaRef, Section, StageSpec, TopologySpec};

/// Keys of a stage that make other events of those that it reads.
const CHANGES: &[&str] = &["map", "set", "unset", "flat_map", "aggregate"];

/// Warns of each sink that writes, changed, what a source reads as the same event type.
pub(super) fn warn(topology: &TopologySpec, diagnostics: &mut Diagnostics) {
    for sink in topology.sinks.values() {
        let Some((name, written)) = named(topology, &sink.common) else { continue };
        if written.allows(&CORRECTIONS) {
            continue;
        }
        let span = sink.common.span_of("schema");
        for (source, change) in changed_sources(topology, &sink.from) {
            let Some(common) = topology.sources.get(source).map(|source| &source.common) else { continue };
            let Some((_, read)) = named(topology, common) else { continue };
            if read.path != written.path || read.subject != written.subject {
                continue;
            }
            let message = format!("`{name}` is read, changed, and published as `{name}` again: a fact does not change");
            diagnostics
                .warning(&CORRECTIONS, span, message)
                .also(common.span_of("schema"), "read here")
                .also(change, "changed here")
                .help("publish a correction: a type of its own, as `OrderCorrected` is, with the id of the event that it corrects")
                .help(format!(
                    "if no reader of `{name}` reads this: `schemas: {{ {name}: {{ ..., allow: [{}] }} }}`",
                    CORRECTIONS.id
                ));
        }
    }
}

/// The event type that a node names, without its version.
fn named<'t>(topology: &'t TopologySpec, common: &'t Section) -> Option<(&'t str, &'t SchemaRef)> {
    let written = common.text_opt("schema")?;
    let name = written.split_once('@').map_or(written, |(name, _)| name);
    topology.schemas.get(name).map(|reference| (name, reference))
}

/// The sources whose events come there changed, each with the stage nearest to the sink that changes them.
fn changed_sources<'t>(topology: &'t TopologySpec, from: &'t [PortRef]) -> Vec<(&'t str, Span)> {
    let mut found: Vec<(&str, Span)> = Vec::new();
    let mut seen = HashSet::new();
    let mut open: Vec<(&PortRef, Option<Span>)> = from.iter().map(|port| (port, None)).collect();
    while let Some((port, change)) = open.pop() {
        // What a node refused is an event about an event.
        if port.port.as_deref() == Some(ERRORS) || !seen.insert((port.node.as_str(), change.is_some())) {
            continue;
        }
        match topology.stages.get(&port.node) {
            Some(stage) => {
                let change = change.or_else(|| changes(stage));
                open.extend(stage.from.iter().map(|port| (port, change)));
            }
            None => found.extend(change.map(|change| (port.node.as_str(), change))),
        }
    }
    found.sort_by_key(|(source, _)| *source);
    found
}

/// The place of what makes other events of those that the stage reads.
fn changes(stage: &StageSpec) -> Option<Span> {
    let key = CHANGES.iter().find(|key| stage.kind.key(key).is_some() && stage.config.is_written(key));
    let added = (stage.kind.name == "enrich").then_some(stage.head.span);
    key.map(|key| stage.config.span_of(key)).or(added)
}
