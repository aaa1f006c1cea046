//! The schemas of sources: read where they are named, compiled once it is known what is read of events.

use crate::diagnostic::{Content, Diagnostics, codes};
use crate::schema::{EventType, SchemaError};
use crate::spec::{SourceSpec, TopologySpec};

use super::{Node, SourceSchema, Work};

/// The event type, and whether the whole event is checked. The outer option: whether it could be planned.
pub(super) fn of_source(
    topology: &TopologySpec,
    spec: &SourceSpec,
    diagnostics: &mut Diagnostics,
) -> Option<Option<SourceSchema>> {
    let Some(name) = spec.common.text_opt("schema") else { return Some(None) };
    let span = spec.common.span_of("schema");
    let Some(file) = topology.schemas.get(name) else {
        let message = format!("`schemas` names no event type `{name}`");
        let report = diagnostics.error(&codes::UNKNOWN_SCHEMA, span, message);
        report.suggest(name, topology.schemas.keys().map(String::as_str));
        return None;
    };
    let path = file.path.display();
    let read = EventType::read(&file.path);
    let content = read.as_ref().map_or_else(|_| Content::at(&file.path), |event_type| event_type.content);
    diagnostics.was_read(&file.path, content);
    match read {
        Ok(event_type) => {
            let full = spec.common.choice_opt("validate") == Some("full");
            Some(Some(SourceSchema { event_type, full, checker: None }))
        }
        Err(SchemaError::Unsupported(why)) => {
            let report = diagnostics.error(&codes::SCHEMA_UNSUPPORTED, file.span, format!("{path}: {why}"));
            report.help("use a JSON Schema (`.json`), or remove `schema` and check events with a `filter`");
            None
        }
        Err(SchemaError::Broken(why)) => {
            let report =
                diagnostics.error(&codes::SCHEMA_BROKEN, file.span, format!("{path} is no JSON Schema: {why}"));
            report.help("mend the file; references must be to definitions within it");
            None
        }
    }
}

/// Compiles what is checked of each source's events: all, or what is read downstream.
pub(super) fn compile(nodes: &mut [Node]) {
    for node in nodes {
        let Work::Source(source) = &mut node.work else { continue };
        let mut reads = source.reads();
        node.ports.iter().for_each(|port| reads.extend(&port.demand));
        let fields = reads.paths.iter().filter_map(|path| path.first()).map(|name| &**name).collect();
        let whole = reads.paths.iter().any(|path| path.is_empty());
        if let Some(schema) = &mut source.schema {
            let fields = (!schema.full && !whole).then_some(&fields);
            // A part of a schema that compiled compiles too; if it should not, the whole one is what is checked.
            schema.checker = schema.event_type.checker(fields).or_else(|_| schema.event_type.checker(None)).ok();
        }
    }
}
