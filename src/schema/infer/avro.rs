//! An inferred shape as an Avro schema.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::schema::{Field, Kinds, Meaning, Object, Shape, TimeUnit};

use super::{plain_name, seconds_note, type_name, unused};

pub(super) fn write(name: &str, shape: &Shape, notes: &mut Vec<String>) -> String {
    let mut writer = Writer { taken: HashSet::new(), notes };
    let empty = Object { name: None, fields: Vec::new(), rest: None };
    let record = writer.record(&type_name(name), shape.object.as_deref().unwrap_or(&empty));
    // A line a field, as people write it.
    let fields = record["fields"].as_array().into_iter().flatten();
    let lines: Vec<String> = fields.map(|field| format!("    {field}")).collect();
    let (name, lines) = (&record["name"], lines.join(",\n"));
    format!("{{\n  \"type\": \"record\",\n  \"name\": {name},\n  \"fields\": [\n{lines}\n  ]\n}}\n")
}

struct Writer<'n> {
    /// Names of types: each may be defined once.
    taken: HashSet<String>,
    notes: &'n mut Vec<String>,
}

impl Writer<'_> {
    fn record(&mut self, name: &str, object: &Object) -> Value {
        let name = unused(name.to_owned(), &mut self.taken);
        let mut names = HashSet::new();
        let mut fields = Vec::new();
        for field in &object.fields {
            let plain = unused(plain_name(&field.name, self.notes), &mut names);
            fields.push(self.field(&plain, field));
        }
        json!({ "type": "record", "name": name, "fields": fields })
    }

    fn field(&mut self, name: &str, field: &Field) -> Value {
        seconds_note(&field.name, &field.shape, self.notes);
        if field.shape.meaning == Some(Meaning::TimeText) {
            self.notes.push(format!(
                "`{}` is a text of RFC 3339 in the events, and a number of milliseconds in Avro",
                field.name
            ));
        }
        let ty = self.ty(name, &field.shape);
        match field.shape.is_nullable() {
            true => json!({ "name": name, "type": ty, "default": null }),
            false => json!({ "name": name, "type": ty }),
        }
    }

    /// The type, a union with null first where it may be null.
    fn ty(&mut self, name: &str, shape: &Shape) -> Value {
        let mut branches = self.branches(name, shape);
        if branches.is_empty() {
            self.notes
                .push(format!("nothing is known of `{name}`, which is always null or empty; it is taken for a string"));
            branches.push(json!("string"));
        }
        if shape.is_nullable() {
            branches.insert(0, json!("null"));
        }
        if branches.len() == 1 { branches.remove(0) } else { Value::Array(branches) }
    }

    fn branches(&mut self, name: &str, shape: &Shape) -> Vec<Value> {
        let kinds = shape.kinds;
        let mut branches = Vec::new();
        if kinds.has(Kinds::BOOL) {
            branches.push(json!("boolean"));
        }
        if kinds.has(Kinds::FLOAT) {
            branches.push(json!("double"));
        } else if kinds.has(Kinds::INT) {
            branches.push(match shape.meaning {
                Some(Meaning::Time(TimeUnit::Millis)) => json!({ "type": "long", "logicalType": "timestamp-millis" }),
                Some(Meaning::Time(TimeUnit::Micros)) => json!({ "type": "long", "logicalType": "timestamp-micros" }),
                Some(Meaning::Time(TimeUnit::Nanos)) => json!({ "type": "long", "logicalType": "timestamp-nanos" }),
                _ => json!("long"),
            });
        }
        if kinds.has(Kinds::STRING) {
            branches.push(match (shape.meaning, &shape.symbols) {
                (Some(Meaning::TimeText), _) => json!({ "type": "long", "logicalType": "timestamp-millis" }),
                (Some(Meaning::Uuid), _) => json!({ "type": "string", "logicalType": "uuid" }),
                (_, Some(symbols)) => {
                    let symbols: Vec<&str> = symbols.iter().map(|symbol| &**symbol).collect();
                    json!({ "type": "enum", "name": unused(type_name(name), &mut self.taken), "symbols": symbols })
                }
                _ => json!("string"),
            });
        }
        if kinds.has(Kinds::ARRAY) {
            let unknown = Shape::of(Kinds::NONE);
            let items = self.ty(name, shape.items.as_deref().unwrap_or(&unknown));
            branches.push(json!({ "type": "array", "items": items }));
        }
        if kinds.has(Kinds::OBJECT) {
            branches.push(match shape.object.as_deref() {
                Some(Object { rest: Some(values), .. }) => {
                    let values = self.ty(name, values);
                    json!({ "type": "map", "values": values })
                }
                Some(object) => self.record(&type_name(name), object),
                None => json!({ "type": "map", "values": "string" }),
            });
        }
        branches
    }
}
