//! JSON Schema: events are checked by it as they are decoded.

mod shape;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::SchemaError;

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

    /// A checker of whole events, or of those of their fields that are named. For the latter the schema is cut down to `properties` and
    /// `required` of these fields: what it says of other fields, and of fields together (`oneOf`, `additionalProperties`), is left out.
    pub fn checker(&self, fields: Option<&BTreeSet<&str>>) -> Result<Checker, String> {
        let document = fields.map(|fields| cut_down(&self.document, fields));
        let validator = jsonschema::validator_for(document.as_ref().unwrap_or(&self.document));
        Ok(Checker(Arc::new(validator.map_err(|error| error.to_string())?)))
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

fn cut_down(document: &Value, fields: &BTreeSet<&str>) -> Value {
    let Value::Object(all) = document else { return document.clone() };
    let mut kept = Map::new();
    for (key, value) in all {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                let read = properties.iter().filter(|(name, _)| fields.contains(name.as_str()));
                kept.insert(
                    key.clone(),
                    Value::Object(read.map(|(name, value)| (name.clone(), value.clone())).collect()),
                );
            }
            ("required", Value::Array(names)) => {
                let read = names.iter().filter(|name| name.as_str().is_some_and(|name| fields.contains(name)));
                kept.insert(key.clone(), Value::Array(read.cloned().collect()));
            }
            ("$schema" | "$id" | "$anchor" | "$defs" | "definitions" | "type", _) => {
                kept.insert(key.clone(), value.clone());
            }
            _ => {}
        }
    }
    Value::Object(kept)
}

/// Checks events. Cloning it shares everything.
#[derive(Clone)]
pub struct Checker(Arc<jsonschema::Validator>);

impl Checker {
    /// `Err`: what is wrong with the event (valid JSON text), and where in it.
    pub fn check(&self, event: &[u8]) -> Result<(), String> {
        let event: Value = serde_json::from_slice(event).map_err(|error| error.to_string())?;
        self.0.validate(&event).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!("at `{place}`: ") };
            format!("{place}{:.300}", error.to_string())
        })
    }
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
        let read = payment().checker(Some(&BTreeSet::from(["amount"]))).unwrap();
        assert_eq!(read.check(br#"{"amount":1,"x":2}"#), Ok(()), "user is not read");
        assert!(read.check(br#"{"user":"u"}"#).is_err(), "amount is read, and required");
        assert!(read.check(br#"{"amount":"1"}"#).is_err());
    }
}
