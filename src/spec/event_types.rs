//! Where a file says that its event types are.

use std::path::Path;

use indexmap::IndexMap;

use super::model::SchemaRef;
use super::value::{Item, Section, Value};

/// The `schemas` of a file, by name.
pub(super) fn of(top: &Section) -> IndexMap<String, SchemaRef> {
    let items = top.map_opt("schemas").into_iter().flatten();
    items.filter_map(|(name, item)| Some((name.clone(), schema_of(item)?))).collect()
}

fn schema_of(item: &Item) -> Option<SchemaRef> {
    let span = item.span;
    match &item.value {
        Value::Path(path) => Some(SchemaRef {
            path: Some(path.clone()),
            subject: None,
            version: None,
            message: None,
            allow: Vec::new(),
            span,
        }),
        Value::Section(section) if !section.broken => Some(SchemaRef {
            path: section.path_opt("path").map(Path::to_path_buf),
            subject: section.text_opt("subject").map(str::to_owned),
            version: section.int_opt("version").and_then(|version| u32::try_from(version).ok()),
            message: section.text_opt("message").map(str::to_owned),
            allow: choices_of(section.list_opt("allow").unwrap_or_default()),
            span,
        }),
        _ => None,
    }
}

fn choices_of(items: &[Item]) -> Vec<&'static str> {
    let name = |item: &Item| if let Value::Choice(name) = item.value { Some(name) } else { None };
    items.iter().filter_map(name).collect()
}
