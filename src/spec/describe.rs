//! Types in words, for messages and the reference.

use super::table::{Key, Table, Type};

/// What a key takes, as in "takes a duration".
pub(super) fn shape(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "`true` or `false`",
        Type::Int { .. } => "a whole number",
        Type::Share => "a share from 0 to 1",
        Type::Text => "a text",
        Type::Id => "an id",
        Type::Name => "a name",
        Type::Path => "a path",
        Type::Glob => "a path or pattern",
        Type::Duration => "a duration",
        Type::Size => "a size",
        Type::Rate => "a rate",
        Type::Choice(_) => "a word",
        Type::Expr => "an expression",
        Type::Template => "a text with `{{ expression }}`",
        Type::ExprOrMap => "an expression, or a mapping of names to expressions",
        Type::ExprMap => "a mapping of names to expressions",
        Type::PortMap => "a mapping of ports to expressions",
        Type::Nodes => "a mapping of ids to nodes",
        Type::Section(_) | Type::MapOf(_) => "a mapping",
        Type::OneOf(_) => "one of several shapes",
        Type::ListOf(_) => "a list",
        Type::From => "a node, a port, or a list of them",
        Type::Any => "any value",
        Type::Secret => "`{ env: NAME }` or `{ file: PATH }`",
    }
}

/// What a key of several shapes takes.
pub(super) fn shape_of_any(types: &[Type]) -> String {
    let words: Vec<&str> = types.iter().map(shape).collect();
    words.join(", or ")
}

/// A table's required keys in braces; what was written in its place goes to a key that takes such a text.
pub(super) fn in_braces(table: &Table, written: &str) -> Option<String> {
    let required: Vec<&Key> = table.keys.iter().filter(|key| key.required).collect();
    let pairs: Option<Vec<String>> = required
        .iter()
        .map(|key| {
            let plain = required.len() == 1 && written.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            let value = match key.ty {
                Type::Section(inner) => in_braces(inner, written)?,
                Type::Path | Type::Glob | Type::Template if plain => written.to_owned(),
                _ => key.example?.to_owned(),
            };
            Some(format!("{}: {value}", key.name))
        })
        .collect();
    pairs.filter(|pairs| !pairs.is_empty()).map(|pairs| format!("{{ {} }}", pairs.join(", ")))
}

/// What keys are called in SQL and in other tools of the kind, and the names here.
const ELSEWHERE: &[(&str, &[&str])] = &[
    ("enrich", &["join", "lookup"]),
    ("filter", &["where", "when", "condition"]),
    ("having", &["where", "filter"]),
    ("map", &["select", "project", "mapping", "transform"]),
    ("key", &["by", "group_by", "groupBy", "partition_by", "keyed_by", "key_by"]),
    ("dedupe", &["deduplicate", "distinct", "unique"]),
    ("route", &["switch", "router", "branch", "split", "case"]),
    ("from", &["input", "inputs", "source"]),
    ("time", &["timestamp", "event_time", "ts"]),
    ("file", &["csv", "json", "jsonl", "read", "write"]),
    ("decode", &["format", "codec"]),
    ("encode", &["format", "codec"]),
    ("sources", &["inputs", "input"]),
    ("stages", &["transforms", "processors", "pipeline", "steps", "nodes"]),
    ("sinks", &["outputs", "output"]),
    ("sliding", &["hop", "hopping"]),
    ("gap", &["timeout", "inactivity"]),
    ("every", &["slide", "step", "hop", "advance"]),
    ("lateness", &["allowed_lateness", "grace"]),
    ("lag", &["delay", "max_out_of_orderness", "bound"]),
    ("aggregate", &["aggregates", "aggregations", "agg"]),
    ("follow", &["tail", "watch"]),
];

/// A key that is called so elsewhere, of those that are known here.
pub(super) fn elsewhere(name: &str, known: &[&str]) -> Option<&'static str> {
    let called = ELSEWHERE.iter().filter(|(_, names)| names.contains(&name));
    called.map(|(here, _)| *here).find(|here| known.contains(here))
}
