//! The schemas of sources: read where they are named, compiled once it is known what is read of events.

use std::path::Path;

use crate::diagnostic::{Content, Diagnostics, Span, codes};
use crate::event::decode;
use crate::schema::{Catalog, Checker, Definition, EventType, SchemaError};
use crate::spec::{SchemaRef, Section};

use super::registry::Schemas;
use super::{Expected, Node, SourceSchema, Work};

const NAME_HELP: &str = "write the name of one of `schemas`, such as `Payment`, or `Payment@1`";

/// The event type of a source, and whether the whole event is checked. The outer option: whether it could be planned.
pub(super) fn of_source(
    schemas: &mut Schemas<'_>,
    common: &Section,
    diagnostics: &mut Diagnostics,
) -> Option<Option<SourceSchema>> {
    let event_type = match named(schemas, common, diagnostics)? {
        None => return Some(None),
        Some(event_type) => event_type,
    };
    let full = common.choice_opt("validate") == Some("full");
    Some(Some(SourceSchema { event_type, full, checker: None }))
}

/// What a sink's events must be. The outer option: whether it could be planned.
pub(super) fn of_sink(
    schemas: &mut Schemas<'_>,
    common: &Section,
    diagnostics: &mut Diagnostics,
) -> Option<Option<Expected>> {
    let name = common.text_opt("schema").unwrap_or_default().to_owned();
    let span = common.span_of("schema");
    Some(named(schemas, common, diagnostics)?.map(|event_type| Expected { event_type, name, span }))
}

/// The event type that a source or sink names, if it does. The outer option: whether it could be read.
pub(super) fn named(
    schemas: &mut Schemas<'_>,
    common: &Section,
    diagnostics: &mut Diagnostics,
) -> Option<Option<EventType>> {
    let Some(written) = common.text_opt("schema") else { return Some(None) };
    let span = common.span_of("schema");
    let (name, version) = match written.split_once('@') {
        None => (written, None),
        Some((name, version)) => match version.parse::<u32>() {
            Ok(version) => (name, Some(version)),
            Err(_) => {
                let message = format!("`{version}` is no version: versions are whole numbers");
                let help = match name {
                    "" => NAME_HELP.to_owned(),
                    name => format!("write `{name}@1`, or `{name}` for the newest"),
                };
                diagnostics.error(&codes::UNKNOWN_SCHEMA, span, message).help(help);
                return None;
            }
        },
    };
    let declared = &schemas.topology.schemas;
    let Some(reference) = declared.get(name) else {
        let message = format!("`schemas` names no event type `{name}`");
        let report = diagnostics.error(&codes::UNKNOWN_SCHEMA, span, message);
        match name {
            "" => report.help(NAME_HELP),
            name => report.suggest(name, declared.keys().map(String::as_str)),
        };
        return None;
    };
    let version = version.map(|version| (version, span));
    let found = match (&reference.path, &reference.subject) {
        (Some(path), _) => read(reference, path, name, version, diagnostics),
        (None, Some(subject)) => schemas.fetch(reference, subject, version, diagnostics),
        // The table demands one of the two.
        (None, None) => None,
    }?;
    let asked = version.map(|(version, _)| version).or(reference.version);
    match schemas.instead.and_then(|instead| instead.of(reference, asked, &found)) {
        None => Some(Some(found)),
        Some(Ok(other)) => Some(Some(other)),
        Some(Err(why)) => {
            report(why, "the schema in its place", reference.span, diagnostics);
            None
        }
    }
}

/// Reads a version of an event type: the one asked for at a place, else the one that `schemas` says, else the newest.
fn read(
    reference: &SchemaRef,
    path: &Path,
    name: &str,
    version: Option<(u32, Span)>,
    diagnostics: &mut Diagnostics,
) -> Option<EventType> {
    // Before the versions are read: one that comes meanwhile is a change.
    let listing = path.is_dir().then(|| Content::at(path));
    let catalog = Catalog::read(path);
    if let Some(content) = listing.or_else(|| catalog.is_err().then(|| Content::at(path))) {
        diagnostics.was_read(path, content);
    }
    let catalog = match catalog {
        Ok(catalog) => catalog,
        Err(why) => {
            report(why, &path.display().to_string(), reference.span, diagnostics);
            return None;
        }
    };
    catalog.versions.iter().for_each(|version| diagnostics.was_read(&version.path, version.content));
    let (number, span) = match version {
        Some((number, span)) => (Some(number), span),
        None => (reference.version, reference.span),
    };
    let Some(found) = catalog.version(number) else {
        let message = format!("`{name}` has no version {}", number.unwrap_or_default());
        let there: Vec<String> = catalog.versions.iter().filter_map(|there| Some(there.number?.to_string())).collect();
        let there = match there.as_slice() {
            [] => format!("{} is one file, not a folder of versions", path.display()),
            there => format!("{} has {}", path.display(), there.join(", ")),
        };
        diagnostics.error(&codes::UNKNOWN_SCHEMA, span, message).help(there);
        return None;
    };
    let mut imports = Vec::new();
    let parsed = catalog.parse_noting(found, reference.message.as_deref(), &mut imports);
    imports.iter().for_each(|import| diagnostics.was_read(&import.path, import.content));
    let parsed = parsed.map_err(|why| report(why, &found.path.display().to_string(), reference.span, diagnostics));
    parsed.map(|event_type| EventType { others: catalog.others(found), ..event_type }).ok()
}

/// What is wrong with the schema that is called so.
pub(super) fn report(why: SchemaError, name: &str, span: Span, diagnostics: &mut Diagnostics) {
    match why {
        SchemaError::Unsupported(why) => {
            let report = diagnostics.error(&codes::SCHEMA_UNSUPPORTED, span, format!("{name} is {why}"));
            report.help("if that cannot be, remove `schema` and check events with a `filter`");
        }
        SchemaError::Broken(why) => {
            let help = match why.starts_with("no JSON Schema") {
                true => "mend the schema; its references must be to definitions within it",
                false => "mend it, or name another one under `schemas`",
            };
            diagnostics.error(&codes::SCHEMA_BROKEN, span, format!("{name} is {why}")).help(help);
        }
    }
}

/// Compiles what is checked of each source's events: all, or what is read downstream.
pub(super) fn compile(nodes: &mut [Node]) {
    for node in nodes {
        let Work::Source(source) = &mut node.work else { continue };
        let mut reads = source.reads();
        node.ports.iter().for_each(|port| reads.extend(&port.demand));
        let whole = reads.paths.iter().any(|path| path.is_empty());
        if let Some(schema) = &mut source.schema {
            let paths = (!schema.full && !whole).then_some(&reads.paths);
            // A part of a schema that compiled compiles too; if it should not, the whole one is what is checked.
            schema.checker = match (&schema.event_type.definition, &source.format) {
                (Definition::Json(json), _) => json.checker(paths).or_else(|_| json.checker(None)).ok(),
                (other, decode::Format::Json | decode::Format::NumberedJson) => {
                    Checker::of_shape(&other.shape(), paths).ok()
                }
                (Definition::Avro(_) | Definition::Protobuf(_), _) => None,
            };
        }
    }
}
