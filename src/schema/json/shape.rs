//! What the values of a JSON Schema are in expressions.
//!
//! What a schema only forbids (`not`, bounds, patterns) is left out: a shape may be wider than the schema, never narrower. But for one
//! thing: where `properties` are listed and nothing is said of others, events are taken to have no others. Whoever reads a field that
//! the type does not name has most likely misspelt it; `additionalProperties: true` says that any may be there.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::JsonSchema;
use crate::limits::{SHAPE_DEPTH_MAX, SHAPE_NODES_MAX};
use crate::schema::shape::{Field, Kinds, Meaning, Object, Shape, TimeUnit};

impl JsonSchema {
    /// What events are: objects, as deep as `SHAPE_DEPTH_MAX`; of what is below nothing is known.
    pub fn shape(&self) -> Shape {
        let mut unfolding = Unfolding { document: &self.document, nodes: SHAPE_NODES_MAX };
        unfolding.schema(&self.document, 0).only(Kinds::OBJECT)
    }
}

struct Unfolding<'s> {
    document: &'s Value,
    /// How many more schemas are looked at: references that use each other twice would double with each level.
    nodes: usize,
}

impl<'s> Unfolding<'s> {
    fn schema(&mut self, schema: &'s Value, depth: usize) -> Shape {
        self.nodes = self.nodes.saturating_sub(1);
        let schema = match schema {
            Value::Bool(false) => return Shape::of(Kinds::NONE),
            Value::Object(schema) if depth < SHAPE_DEPTH_MAX && self.nodes > 0 => schema,
            _ => return Shape::ANY,
        };
        let mut shape = self.own(schema, depth);
        if let Some(Value::String(to)) = schema.get("$ref") {
            let found = self.referred(to, depth);
            shape = meet(&shape, &found);
        }
        for part in list(schema, "allOf") {
            let part = self.schema(part, depth + 1);
            shape = meet(&shape, &part);
        }
        for key in ["oneOf", "anyOf"] {
            let ways: Vec<Shape> = list(schema, key).iter().map(|part| self.schema(part, depth + 1)).collect();
            if let Some(any) = ways.into_iter().reduce(|all, way| all.join(&way)) {
                shape = meet(&shape, &any);
            }
        }
        shape
    }

    /// What is said beside references and combinations.
    fn own(&mut self, schema: &'s Map<String, Value>, depth: usize) -> Shape {
        let mut shape = Shape { kinds: kinds(schema.get("type")), ..Shape::ANY };
        if shape.kinds.meets(Kinds::OBJECT) {
            shape.object = self.object(schema, depth).map(Arc::new);
        }
        if shape.kinds.meets(Kinds::ARRAY)
            && !schema.contains_key("prefixItems")
            && let Some(items @ (Value::Object(_) | Value::Bool(_))) = schema.get("items")
        {
            shape.items = Some(Arc::new(self.schema(items, depth + 1)));
        }
        shape.meaning = meaning(schema, shape.kinds);
        let values = match (schema.get("const"), schema.get("enum")) {
            (Some(value), _) => Some(std::slice::from_ref(value)),
            (None, Some(Value::Array(values))) => Some(values.as_slice()),
            _ => None,
        };
        if let Some(values) = values {
            let all = values.iter().map(of_value).reduce(|all, value| all.join(&value));
            shape = meet(&shape, &all.unwrap_or(Shape::of(Kinds::NONE)));
        }
        shape
    }

    /// The fields; `None`: nothing is said of them.
    fn object(&mut self, schema: &'s Map<String, Value>, depth: usize) -> Option<Object> {
        let required: Vec<&str> = list(schema, "required").iter().filter_map(Value::as_str).collect();
        let mut fields = Vec::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, field) in properties.into_iter().flatten() {
            let shape = self.schema(field, depth + 1);
            let shape = if required.contains(&name.as_str()) { shape } else { shape.or_null() };
            let doc = field.get("description").and_then(Value::as_str).map(Arc::from);
            fields.push(Field { name: name.as_str().into(), shape, doc, has_default: false });
        }
        // Fields that are required and not described may be anything.
        let more = required.iter().filter(|name| properties.is_none_or(|fields| !fields.contains_key(**name)));
        fields.extend(more.map(|name| Field {
            name: Arc::from(*name),
            shape: Shape::ANY.not_null(),
            doc: None,
            has_default: false,
        }));
        let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
        let mut rest = patterns.map(|(_, field)| self.schema(field, depth + 1)).reduce(|all, one| all.join(&one));
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => {}
            Some(others) => {
                let others = self.schema(others, depth + 1);
                rest = Some(rest.map_or(others.clone(), |rest| rest.join(&others)));
            }
            None if fields.is_empty() && rest.is_none() => return None,
            // What may add fields is not followed.
            None if ["if", "dependentSchemas", "unevaluatedProperties"].iter().any(|key| schema.contains_key(*key)) => {
                rest = Some(Shape::ANY);
            }
            None => {}
        }
        let name = schema.get("title").and_then(Value::as_str).map(Arc::from);
        Some(Object { name, fields, rest })
    }

    /// What a reference within the document is to.
    fn referred(&mut self, to: &str, depth: usize) -> Shape {
        let Some(pointer) = to.strip_prefix('#') else { return Shape::ANY };
        let document: &'s Value = self.document;
        let Some(found) = document.pointer(pointer) else { return Shape::ANY };
        let mut shape = self.schema(found, depth + 1);
        // A definition has a name even where it has no title.
        if let (Some(object), Some(name)) = (&shape.object, pointer.rsplit('/').next())
            && object.name.is_none()
            && !name.is_empty()
        {
            shape.object = Some(Arc::new(Object { name: Some(name.into()), ..(**object).clone() }));
        }
        shape
    }
}

fn list<'v>(schema: &'v Map<String, Value>, key: &str) -> &'v [Value] {
    schema.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The kinds of `type`; all where it is not said.
fn kinds(ty: Option<&Value>) -> Kinds {
    let one = |name: &str| match name {
        "null" => Kinds::NULL,
        "boolean" => Kinds::BOOL,
        "object" => Kinds::OBJECT,
        "array" => Kinds::ARRAY,
        "number" => Kinds::NUMBER,
        "integer" => Kinds::INT,
        "string" => Kinds::STRING,
        _ => Kinds::ANY,
    };
    match ty {
        Some(Value::String(name)) => one(name),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(one).fold(Kinds::NONE, |all, kind| all.and(kind))
        }
        _ => Kinds::ANY,
    }
}

/// What `format` says. Those of times in numbers are Avro's names for them: JSON Schema has none of its own.
fn meaning(schema: &Map<String, Value>, kinds: Kinds) -> Option<Meaning> {
    let kind = kinds.without(Kinds::NULL);
    let meaning = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") if kind == Kinds::STRING => Meaning::TimeText,
        Some("uuid") if kind == Kinds::STRING => Meaning::Uuid,
        Some("timestamp-millis") if kind == Kinds::INT => Meaning::Time(TimeUnit::Millis),
        Some("timestamp-micros") if kind == Kinds::INT => Meaning::Time(TimeUnit::Micros),
        Some("timestamp-nanos") if kind == Kinds::INT => Meaning::Time(TimeUnit::Nanos),
        _ if kind == Kinds::STRING && schema.get("contentEncoding").and_then(Value::as_str) == Some("base64") => {
            Meaning::Base64 { length: None }
        }
        _ => return None,
    };
    Some(meaning)
}

/// The shape of a value of `enum` or `const`.
fn of_value(value: &Value) -> Shape {
    Shape::of(match value {
        Value::Null => Kinds::NULL,
        Value::Bool(_) => Kinds::BOOL,
        Value::Number(number) if number.is_f64() => Kinds::FLOAT,
        Value::Number(_) => Kinds::INT,
        Value::String(text) => return Shape::symbols([text.as_str().into()]),
        Value::Array(_) => Kinds::ARRAY,
        Value::Object(_) => Kinds::OBJECT,
    })
}

/// What both say.
fn meet(a: &Shape, b: &Shape) -> Shape {
    let kinds = a.kinds.common(b.kinds);
    let symbols = match (&a.symbols, &b.symbols) {
        (Some(a), Some(b)) => Some(a.iter().filter(|symbol| b.contains(symbol)).cloned().collect()),
        (one, None) | (None, one) => one.clone(),
    };
    let items = match (&a.items, &b.items) {
        (Some(a), Some(b)) => Some(Arc::new(meet(a, b))),
        (one, None) | (None, one) => one.clone(),
    };
    let object = match (&a.object, &b.object) {
        (Some(a), Some(b)) => Some(Arc::new(meet_objects(a, b))),
        (one, None) | (None, one) => one.clone(),
    };
    Shape { kinds, meaning: a.meaning.or(b.meaning), symbols, items, object }.only(kinds)
}

fn meet_objects(a: &Object, b: &Object) -> Object {
    let theirs = |name: &str| b.fields.iter().find(|field| *field.name == *name);
    let ours = a.fields.iter().map(|field| match theirs(&field.name) {
        Some(other) => Field { shape: meet(&field.shape, &other.shape), ..field.clone() },
        None => field.clone(),
    });
    let more = b.fields.iter().filter(|field| a.fields.iter().all(|have| have.name != field.name));
    Object {
        name: a.name.clone().or_else(|| b.name.clone()),
        fields: ours.chain(more.cloned()).collect(),
        rest: match (&a.rest, &b.rest) {
            (Some(a), Some(b)) => Some(meet(a, b)),
            (one, None) | (None, one) => one.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(schema: Value) -> Shape {
        JsonSchema::parse(&schema.to_string()).unwrap().shape()
    }

    fn field(shape: &Shape, name: &str) -> String {
        shape.field(name).map_or("none".to_owned(), |field| field.to_string())
    }

    #[test]
    fn what_is_said_is_known() {
        let payment = shape(serde_json::json!({
            "title": "Payment",
            "type": "object",
            "properties": {
                "user": { "type": "string" },
                "amount": { "$ref": "#/$defs/amount" },
                "action": { "enum": ["view", "buy"] },
                "note": { "type": ["string", "null"] },
                "tags": { "type": "array", "items": { "type": "string" } },
                "at": { "type": "integer", "format": "timestamp-micros" },
                "merchant": { "$ref": "#/$defs/merchant" },
                "other": { "oneOf": [{ "type": "integer" }, { "type": "boolean" }] },
                "free": {}
            },
            "required": ["user", "amount", "action", "note", "at", "merchant", "free"],
            "$defs": {
                "amount": { "type": "number" },
                "merchant": { "type": "object", "properties": { "again": { "$ref": "#/$defs/merchant" } } }
            }
        }));
        assert_eq!(payment.kinds, Kinds::OBJECT);
        assert_eq!(field(&payment, "user"), "string");
        assert_eq!(field(&payment, "amount"), "int | float");
        assert_eq!(field(&payment, "action"), "\"view\" | \"buy\"");
        assert_eq!(field(&payment, "note"), "string?");
        assert_eq!(field(&payment, "tags"), "[string]?");
        assert_eq!(field(&payment, "at"), "time in us");
        assert_eq!(field(&payment, "merchant"), "merchant");
        assert_eq!(field(&payment, "other"), "bool | int?");
        assert_eq!(field(&payment, "free"), "any");
        assert_eq!(field(&payment, "usr"), "none");
    }

    #[test]
    fn other_fields_are_there_where_it_is_said() {
        let open = shape(serde_json::json!({ "properties": { "a": {} }, "additionalProperties": true }));
        assert_eq!(open.field("b").unwrap(), Shape::ANY);
        let map = shape(serde_json::json!({ "additionalProperties": { "type": "integer" } }));
        assert_eq!(field(&map, "b"), "int?");
        assert_eq!(shape(serde_json::json!({})).field("b").unwrap(), Shape::ANY);
        let all = shape(serde_json::json!({
            "properties": { "a": { "type": "integer" } },
            "allOf": [{ "properties": { "b": { "type": "string" } }, "required": ["a", "b"] }]
        }));
        assert_eq!(
            (field(&all, "a"), field(&all, "b"), field(&all, "c")),
            ("int".into(), "string".into(), "none".into())
        );
    }
}
