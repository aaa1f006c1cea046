//! A JSON Schema as the rules of compatibility see it: at each place one kind of schema, or several combined.

use serde_json::{Map, Value};

use crate::limits::COMPAT_DEPTH_MAX;

/// What stands at a place of a schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum View<'d> {
    /// Nothing is asked.
    Any,
    /// Nothing fits.
    Never,
    Null,
    Boolean,
    String(&'d Map<String, Value>),
    Number {
        keywords: &'d Map<String, Value>,
        integer: bool,
    },
    Object(&'d Map<String, Value>),
    Array(&'d Map<String, Value>),
    Enum(&'d [Value]),
    Const(&'d Value),
    Not(&'d Value),
    Combined(Criterion, Vec<View<'d>>),
    /// A schema that is looked at when it is compared.
    Schema(&'d Value),
}

/// How many of the combined schemas must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Criterion {
    All,
    Any,
    One,
}

impl Criterion {
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Criterion::All => "allOf",
            Criterion::Any => "anyOf",
            Criterion::One => "oneOf",
        }
    }
}

/// Keywords that only objects, arrays, strings and numbers know: without a `type` they tell what is meant.
const OBJECT: &[&str] = &[
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "minProperties",
    "maxProperties",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
];
const ARRAY: &[&str] = &["items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"];
const STRING: &[&str] = &["minLength", "maxLength", "pattern"];
const NUMBER: &[&str] = &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];

/// Looks at a schema of a document, to which its references are relative. `None`: a reference leads nowhere within the document, or
/// in a circle.
pub(super) fn view<'d>(document: &'d Value, schema: &'d Value) -> Option<View<'d>> {
    let schema = followed(document, schema);
    let keywords = match schema {
        Value::Bool(true) => return Some(View::Any),
        Value::Bool(false) => return Some(View::Never),
        Value::Object(keywords) => keywords,
        _ => return None,
    };
    let Some(reference) = keywords.get("$ref") else { return Some(combined(parts(keywords))) };
    let target = referred(document, reference.as_str()?)?;
    let beside = parts(keywords);
    // Without anything beside it, a reference that could be followed would have been.
    if beside.is_empty() {
        return None;
    }
    Some(View::Combined(Criterion::All, std::iter::once(View::Schema(target)).chain(beside).collect()))
}

/// What a schema that is nothing but a reference leads to, or itself.
pub(in crate::schema) fn followed<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let mut schema = schema;
    // A chain of references longer than this is a circle.
    for _ in 0..COMPAT_DEPTH_MAX {
        let Some(keywords) = schema.as_object().filter(|keywords| parts(keywords).is_empty()) else { break };
        let reference = keywords.get("$ref").and_then(Value::as_str);
        match reference.and_then(|reference| referred(document, reference)) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// What a reference within the document leads to.
fn referred<'d>(document: &'d Value, reference: &str) -> Option<&'d Value> {
    let own = document.get("$id").or(document.get("id")).and_then(Value::as_str).unwrap_or_default();
    let fragment = reference.strip_prefix(own.trim_end_matches('#')).unwrap_or(reference).strip_prefix('#')?;
    if fragment.is_empty() || fragment.starts_with('/') {
        return document.pointer(fragment);
    }
    // An anchor: of a definition, where they stand by custom.
    let definitions = ["$defs", "definitions"].into_iter().filter_map(|key| document.get(key)?.as_object());
    definitions.flat_map(Map::values).find(|schema| schema.get("$anchor").and_then(Value::as_str) == Some(fragment))
}

fn combined(mut parts: Vec<View<'_>>) -> View<'_> {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            parts.push(last);
            View::Combined(Criterion::All, parts)
        }
        _ => View::Any,
    }
}

/// What the keywords ask, the reference aside.
fn parts(keywords: &Map<String, Value>) -> Vec<View<'_>> {
    let mut parts = Vec::new();
    let any_of = |known: &[&str]| known.iter().any(|keyword| keywords.contains_key(*keyword));
    match keywords.get("type") {
        Some(Value::String(name)) => parts.extend(of_type(name, keywords)),
        Some(Value::Array(names)) => {
            let mut kinds: Vec<_> =
                names.iter().filter_map(Value::as_str).filter_map(|name| of_type(name, keywords)).collect();
            match (kinds.len(), kinds.pop()) {
                (1, Some(only)) => parts.push(only),
                (_, Some(last)) => {
                    kinds.push(last);
                    parts.push(View::Combined(Criterion::Any, kinds));
                }
                _ => {}
            }
        }
        _ => {
            let implied = [("object", OBJECT), ("array", ARRAY), ("string", STRING), ("number", NUMBER)];
            let implied = implied.into_iter().filter(|(_, known)| any_of(known));
            parts.extend(implied.filter_map(|(name, _)| of_type(name, keywords)));
        }
    }
    if let Some(Value::Array(values)) = keywords.get("enum") {
        parts.push(View::Enum(values));
    }
    if let Some(value) = keywords.get("const") {
        parts.push(View::Const(value));
    }
    for criterion in [Criterion::All, Criterion::Any, Criterion::One] {
        if let Some(Value::Array(schemas)) = keywords.get(criterion.keyword()) {
            parts.push(View::Combined(criterion, schemas.iter().map(View::Schema).collect()));
        }
    }
    if let Some(schema) = keywords.get("not") {
        parts.push(View::Not(schema));
    }
    parts
}

fn of_type<'d>(name: &str, keywords: &'d Map<String, Value>) -> Option<View<'d>> {
    Some(match name {
        "null" => View::Null,
        "boolean" => View::Boolean,
        "string" => View::String(keywords),
        "number" => View::Number { keywords, integer: false },
        "integer" => View::Number { keywords, integer: true },
        "object" => View::Object(keywords),
        "array" => View::Array(keywords),
        _ => return None,
    })
}

impl View<'_> {
    /// In words: `a string`, `one of "a", "b"`.
    pub(super) fn described(&self) -> String {
        match self {
            View::Any | View::Schema(_) => "anything".to_owned(),
            View::Never => "nothing".to_owned(),
            View::Null => "null".to_owned(),
            View::Boolean => "a boolean".to_owned(),
            View::String(_) => "a string".to_owned(),
            View::Number { integer: false, .. } => "a number".to_owned(),
            View::Number { integer: true, .. } => "an integer".to_owned(),
            View::Object(_) => "an object".to_owned(),
            View::Array(_) => "an array".to_owned(),
            View::Enum(values) => {
                let values: Vec<String> =
                    values.iter().take(8).map(|value| format!("{:.40}", value.to_string())).collect();
                format!("one of {}", values.join(", "))
            }
            View::Const(value) => format!("{:.40}", value.to_string()),
            View::Not(_) => "anything but what `not` has".to_owned(),
            View::Combined(criterion, parts) => {
                let between = if *criterion == Criterion::All { " and " } else { " or " };
                let parts: Vec<String> = parts.iter().take(8).map(View::described).collect();
                parts.join(between)
            }
        }
    }
}
