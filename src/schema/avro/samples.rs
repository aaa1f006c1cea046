//! Random schemas, later versions of them, and events, drawn from bytes: for property tests and the fuzzer, which shrink bytes well.

use serde_json::{Value, json};

use crate::event::samples::Choices;

use super::{AvroSchema, Body, Kind, Logical, Type};

/// Draws schemas and events.
#[derive(Debug)]
pub struct Sampler<'b> {
    choices: Choices<'b>,
    /// Names that were given.
    names: usize,
    scale: usize,
}

impl<'b> Sampler<'b> {
    pub fn new(bytes: &'b [u8]) -> Sampler<'b> {
        let mut choices = Choices::new(bytes);
        Sampler { scale: choices.below(2), choices, names: 0 }
    }

    /// The digits behind the point of all decimals: apache-avro's values do not say how many they have.
    pub fn scale(&self) -> usize {
        self.scale
    }

    /// What else is to be chosen.
    pub fn choices(&mut self) -> &mut Choices<'b> {
        &mut self.choices
    }

    fn below(&mut self, bound: usize) -> usize {
        self.choices.below(bound)
    }

    fn byte(&mut self) -> u8 {
        self.choices.byte()
    }

    fn number(&mut self) -> i64 {
        let bytes = [0; 8].map(|_: u8| self.byte());
        i64::from_le_bytes(bytes) >> (8 * self.below(8))
    }

    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    /// Text of up to five characters, of one to four bytes each.
    fn text(&mut self) -> String {
        (0..self.below(6)).map(|_| self.choices.of(&['a', 'Z', '"', '\\', '\n', 'é', '€', '😀'])).collect()
    }
}

/// The schema of an event.
pub fn schema(sampler: &mut Sampler<'_>) -> Value {
    record(sampler, 3, None)
}

fn record(sampler: &mut Sampler<'_>, depth: usize, outer: Option<&str>) -> Value {
    let name = sampler.name("R");
    let fields: Vec<Value> = (0..1 + sampler.below(5))
        .map(|i| json!({ "name": format!("f{i}"), "type": ty(sampler, depth, outer.unwrap_or(&name)) }))
        .collect();
    json!({ "type": "record", "name": name, "fields": fields })
}

/// A type; `outer` is a record that may be held again.
fn ty(sampler: &mut Sampler<'_>, depth: usize, outer: &str) -> Value {
    const PLAIN: [&str; 8] = ["int", "long", "string", "double", "boolean", "bytes", "float", "null"];
    match sampler.below(if depth == 0 { 16 } else { 24 }) {
        plain @ 0..8 => json!(PLAIN[plain]),
        8 => json!({ "type": "long", "logicalType": "timestamp-millis" }),
        9 => json!({ "type": "int", "logicalType": "date" }),
        10 => json!({ "type": "bytes", "logicalType": "decimal", "precision": 1, "scale": sampler.scale() }),
        11 => json!({ "type": "fixed", "name": sampler.name("D"), "size": 12, "logicalType": "duration" }),
        12 => json!({ "type": "fixed", "name": sampler.name("U"), "size": 16, "logicalType": "uuid" }),
        13 => json!({ "type": "fixed", "name": sampler.name("F"), "size": sampler.below(5) }),
        14 => json!({ "type": "enum", "name": sampler.name("E"), "symbols": ["A", "B", "C"] }),
        15 => json!({ "type": "string", "logicalType": "uuid" }),
        16 | 17 => json!(["null", not_union(sampler, depth - 1, outer)]),
        18 => json!([not_union(sampler, depth - 1, outer), "null"]),
        19 => json!({ "type": "array", "items": ty(sampler, depth - 1, outer) }),
        20 => json!({ "type": "map", "values": ty(sampler, depth - 1, outer) }),
        21 => json!(["null", outer]),
        _ => record(sampler, depth - 1, Some(outer)),
    }
}

fn not_union(sampler: &mut Sampler<'_>, depth: usize, outer: &str) -> Value {
    match ty(sampler, depth, outer) {
        Value::Array(_) => json!("long"),
        Value::String(name) if name == "null" => json!("string"),
        other => other,
    }
}

/// A later version of a schema that reads it, with fields added, left out and moved, and types promoted.
pub fn evolved(schema: &Value, sampler: &mut Sampler<'_>) -> Value {
    let promote = |name: &str, choice: usize| match (name, choice) {
        ("int", 1) => json!("long"),
        ("int", 2) | ("long", 1) | ("float", 1) => json!("double"),
        ("string", 1) => json!("bytes"),
        _ => json!(name),
    };
    match schema {
        Value::String(name) => promote(name, sampler.below(4)),
        Value::Array(branches) => branches.iter().map(|branch| evolved(branch, sampler)).collect(),
        Value::Object(object) if object.get("type") == Some(&json!("record")) => {
            let mut object = object.clone();
            let fields = object["fields"].as_array().cloned().unwrap_or_default();
            let mut later = Vec::new();
            for mut field in fields {
                match sampler.below(8) {
                    // What a union's branch holds may be named again further on.
                    1 if field["type"].is_string() => continue,
                    2 => later.insert(0, json!({ "name": sampler.name("new"), "type": "int", "default": 7 })),
                    3 => {
                        later.push(json!({ "name": sampler.name("new"), "type": ["null", "string"], "default": null }))
                    }
                    4 => {
                        field["type"] = evolved(&field["type"], sampler);
                        later.insert(0, field);
                        continue;
                    }
                    _ => {}
                }
                field["type"] = evolved(&field["type"], sampler);
                later.push(field);
            }
            object["fields"] = later.into();
            object.into()
        }
        Value::Object(object) => {
            let mut object = object.clone();
            for inside in ["items", "values"] {
                if let Some(inner) = object.get_mut(inside) {
                    *inner = evolved(inner, sampler);
                }
            }
            object.into()
        }
        other => other.clone(),
    }
}

/// An event of a schema in Avro's encoding. Deeper than `depth` arrays are empty and unions are their first or last branch, whichever
/// does not nest.
pub fn event(schema: &AvroSchema, sampler: &mut Sampler<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    datum(schema, schema.root(), sampler, 6, &mut out);
    out
}

fn long(out: &mut Vec<u8>, value: i64) {
    let mut rest = (value << 1 ^ value >> 63) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

fn datum(schema: &AvroSchema, ty: &Type, sampler: &mut Sampler<'_>, depth: usize, out: &mut Vec<u8>) {
    match &ty.kind {
        Kind::Null => {}
        Kind::Boolean => out.push(sampler.below(2) as u8),
        Kind::Int => long(out, i64::from(sampler.number() as i32)),
        Kind::Long => {
            let value = sampler.number();
            long(out, value);
        }
        Kind::Float => out.extend_from_slice(&f32::from_bits(sampler.number() as u32).to_le_bytes()),
        Kind::Double => out.extend_from_slice(&sampler.number().to_le_bytes()),
        Kind::String if ty.logical == Some(Logical::Uuid) => {
            let uuid = uuid::Uuid::from_u64_pair(sampler.number() as u64, sampler.number() as u64);
            prefixed(out, uuid.to_string().as_bytes());
        }
        Kind::String => prefixed(out, sampler.text().as_bytes()),
        Kind::Bytes => {
            let count = usize::from(ty.logical.is_some()) + sampler.below(20);
            let bytes: Vec<u8> = (0..count).map(|_| sampler.byte()).collect();
            prefixed(out, &bytes);
        }
        Kind::Array(items) => blocks(sampler, depth, out, |sampler, out| datum(schema, items, sampler, depth - 1, out)),
        Kind::Map(values) => blocks(sampler, depth, out, |sampler, out| {
            prefixed(out, sampler.text().as_bytes());
            datum(schema, values, sampler, depth - 1, out);
        }),
        Kind::Union(branches) => {
            let null = branches.iter().position(|branch| branch.kind == Kind::Null);
            let branch = match null {
                Some(null) if depth == 0 => null,
                _ => sampler.below(branches.len()),
            };
            long(out, branch as i64);
            datum(schema, &branches[branch], sampler, depth.saturating_sub(1), out);
        }
        Kind::Named(id) => match &schema.named(*id).body {
            Body::Record(fields) => {
                fields.iter().for_each(|field| datum(schema, &field.ty, sampler, depth.saturating_sub(1), out));
            }
            Body::Enum { symbols, .. } => long(out, sampler.below(symbols.len()) as i64),
            Body::Fixed { size, .. } => out.extend((0..*size).map(|_| sampler.byte())),
        },
    }
}

/// The blocks of an array or map, some with their size.
fn blocks(
    sampler: &mut Sampler<'_>,
    depth: usize,
    out: &mut Vec<u8>,
    mut item: impl FnMut(&mut Sampler<'_>, &mut Vec<u8>),
) {
    let blocks = if depth == 0 { 0 } else { sampler.below(3) };
    for _ in 0..blocks {
        let count = 1 + sampler.below(3);
        let mut items = Vec::new();
        (0..count).for_each(|_| item(sampler, &mut items));
        match sampler.below(2) {
            0 => long(out, count as i64),
            _ => {
                long(out, -(count as i64));
                long(out, items.len() as i64);
            }
        }
        out.extend_from_slice(&items);
    }
    long(out, 0);
}
