//! A shape as a JSON Schema document, so that events in JSON are checked against types of other languages by the same means.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::event::Path;
use crate::limits::SCHEMA_RULE_DEPTH_MAX;
use crate::schema::{Kinds, Object, Shape};

use super::behind;

/// The document; of the event it says nothing but of these paths.
pub(super) fn document(shape: &Shape, paths: Option<&BTreeSet<Path>>) -> Value {
    let paths = paths.map(|paths| paths.iter().map(|path| &**path).collect::<Vec<_>>());
    let mut document = Value::Object(keywords(shape, paths.as_deref(), 0));
    // In this draft `1.0` is no int, as in expressions.
    document["$schema"] = "http://json-schema.org/draft-04/schema#".into();
    document
}

fn keywords(shape: &Shape, paths: Option<&[&[Arc<str>]]>, depth: usize) -> Map<String, Value> {
    let mut out = Map::new();
    if depth > SCHEMA_RULE_DEPTH_MAX {
        return out;
    }
    if shape.kinds != Kinds::ANY {
        out.insert("type".into(), types(shape.kinds));
    }
    if let (Some(symbols), true) = (&shape.symbols, shape.kinds.has(Kinds::STRING)) {
        let mut symbols: Vec<Option<&str>> = symbols.iter().map(|symbol| Some(&**symbol)).collect();
        symbols.extend(shape.is_nullable().then_some(None));
        let others = shape.kinds.without(Kinds::STRING).without(Kinds::NULL);
        match others == Kinds::NONE {
            true => out.insert("enum".into(), json!(symbols)),
            false => out.insert("anyOf".into(), json!([{ "enum": symbols }, { "type": types(others) }])),
        };
    }
    if let Some(items) = &shape.items {
        out.insert("items".into(), Value::Object(keywords(items, None, depth + 1)));
    }
    if let Some(object) = &shape.object {
        fields(object, paths, depth, &mut out);
    }
    out
}

fn fields(object: &Object, paths: Option<&[&[Arc<str>]]>, depth: usize, out: &mut Map<String, Value>) {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in &object.fields {
        let behind = paths.map(|paths| behind(paths, &field.name));
        if behind.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        let behind = behind.filter(|behind| behind.iter().all(|path| !path.is_empty()));
        properties.insert(field.name.to_string(), Value::Object(keywords(&field.shape, behind.as_deref(), depth + 1)));
        if !field.shape.is_nullable() {
            required.push(&*field.name);
        }
    }
    out.insert("properties".into(), Value::Object(properties));
    // The draft knows no empty list.
    if !required.is_empty() {
        out.insert("required".into(), required.into());
    }
    if let (Some(rest), None) = (&object.rest, paths) {
        out.insert("additionalProperties".into(), Value::Object(keywords(rest, None, depth + 1)));
    }
}

fn types(kinds: Kinds) -> Value {
    let names = [
        (Kinds::NULL, "null"),
        (Kinds::BOOL, "boolean"),
        (Kinds::INT, "integer"),
        (Kinds::FLOAT, "number"),
        (Kinds::STRING, "string"),
        (Kinds::ARRAY, "array"),
        (Kinds::OBJECT, "object"),
    ];
    // An int is a number.
    let kinds = if kinds.has(Kinds::FLOAT) { kinds.without(Kinds::INT) } else { kinds };
    names.iter().filter(|(kind, _)| kinds.has(*kind)).map(|(_, name)| *name).collect()
}
