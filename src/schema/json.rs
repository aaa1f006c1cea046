//! JSON Schema: events are checked by it as they are decoded.

mod shape;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::event::Path;

use super::{Checker, SchemaError, check};

/// A JSON Schema. References are to definitions within it.
#[derive(Clone, Debug)]
pub struct JsonSchema {
    document: Value,
    text: Arc<str>,
}

impl JsonSchema {
    /// Reads the text of a schema.
    pub fn parse(text: &str) -> Result<JsonSchema, SchemaError> {
        let broken = |why: String| SchemaError::Broken(format!("no JSON Schema: {why}"));
        let document: Value = serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
        let schema = JsonSchema { document, text: text.into() };
        schema.checker(None).map(|_| schema).map_err(broken)
    }

    /// As it was written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The document.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The name that it gives itself: its `title`.
    pub fn full_name(&self) -> Option<&str> {
        self.document.get("title")?.as_str()
    }

    /// A hash of what it says; the order of an object's fields says nothing.
    pub fn identity(&self) -> u64 {
        let mut out = String::new();
        canonical(&self.document, &mut out);
        rapidhash::v3::rapidhash_v3(out.as_bytes())
    }

    /// A checker of whole events, or of these paths of them. For the latter the schema is cut down to `properties` and `required` on the
    /// way to them: what it says of other fields, and there of fields together (`oneOf`, `additionalProperties`), is left out.
    pub fn checker(&self, paths: Option<&BTreeSet<Path>>) -> Result<Checker, String> {
        let document = paths.map(|paths| {
            let paths: Vec<&[Arc<str>]> = paths.iter().map(|path| &**path).collect();
            cut_down(&self.document, &self.document, &paths)
        });
        Checker::new(document.as_ref().unwrap_or(&self.document), paths)
    }
}

/// Writes a document with the fields of its objects in order.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (name, value) in fields {
                let _ = write!(out, "{name:?}:");
                canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

fn cut_down(document: &Value, schema: &Value, paths: &[&[Arc<str>]]) -> Value {
    let Value::Object(all) = schema else { return schema.clone() };
    let mut kept = Map::new();
    for (key, value) in all {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                let read = properties.iter().filter_map(|(name, value)| {
                    let behind = check::behind(paths, name);
                    let part = || cut_down_part(document, value, &behind);
                    (!behind.is_empty()).then(|| (name.clone(), part()))
                });
                kept.insert(key.clone(), Value::Object(read.collect()));
            }
            ("required", Value::Array(names)) => {
                let is_read = |name: &Value| name.as_str().is_some_and(|name| !check::behind(paths, name).is_empty());
                let read: Vec<Value> = names.iter().filter(|name| is_read(name)).cloned().collect();
                // Draft 4 knows no empty list.
                if !read.is_empty() {
                    kept.insert(key.clone(), read.into());
                }
            }
            ("$schema" | "$id" | "$anchor" | "$defs" | "definitions" | "type", _) => {
                kept.insert(key.clone(), value.clone());
            }
            _ => {}
        }
    }
    Value::Object(kept)
}

/// The same of a field, if the schema says of it in plain words what it is made of: itself, or where a reference leads.
fn cut_down_part(document: &Value, schema: &Value, paths: &[&[Arc<str>]]) -> Value {
    const PLAIN: [&str; 7] =
        ["type", "properties", "required", "additionalProperties", "title", "description", "$comment"];
    let target = match schema.as_object() {
        Some(keywords) if keywords.len() == 1 => keywords.get("$ref").and_then(Value::as_str),
        _ => None,
    };
    let target = target.and_then(|to| document.pointer(to.strip_prefix('#')?)).unwrap_or(schema);
    let is_plain = |keywords: &Map<String, Value>| {
        keywords.contains_key("properties") && keywords.keys().all(|key| PLAIN.contains(&key.as_str()))
    };
    let is_whole = paths.iter().any(|path| path.is_empty());
    if is_whole || !target.as_object().is_some_and(is_plain) {
        return schema.clone();
    }
    cut_down(document, target, paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment() -> JsonSchema {
        let document = serde_json::json!({
            "type": "object",
            "properties": { "user": { "type": "string" }, "amount": { "$ref": "#/$defs/amount" } },
            "required": ["user", "amount"],
            "additionalProperties": false,
            "$defs": { "amount": { "type": "number", "minimum": 0 } }
        });
        JsonSchema::parse(&document.to_string()).unwrap()
    }

    #[test]
    fn a_whole_event_is_checked_or_what_is_read_of_it() {
        let full = payment().checker(None).unwrap();
        assert_eq!(full.check(br#"{"user":"u","amount":1}"#), Ok(()));
        assert!(full.check(br#"{"user":"u","amount":-1}"#).unwrap_err().starts_with("at `/amount`: "));
        assert!(full.check(br#"{"user":"u","amount":1,"x":2}"#).is_err());
        let read = payment().checker(Some(&BTreeSet::from([Path::from(["amount".into()])]))).unwrap();
        assert_eq!(read.check(br#"{"amount":1,"x":2}"#), Ok(()), "user is not read");
        assert!(read.check(br#"{"user":"u"}"#).is_err(), "amount is read, and required");
        assert!(read.check(br#"{"amount":"1"}"#).is_err());
    }
}
