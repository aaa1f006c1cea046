//! An inferred shape as a JSON Schema.

use serde_json::{Map, Value, json};

use crate::schema::{Kinds, Meaning, Object, Shape};

pub(super) fn write(name: &str, shape: &Shape) -> String {
    let mut schema = Map::new();
    schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".into(), json!(super::type_name(name)));
    schema.append(&mut of(shape));
    format!("{:#}\n", Value::Object(schema))
}

fn of(shape: &Shape) -> Map<String, Value> {
    let names = [
        (Kinds::BOOL, "boolean"),
        (Kinds::FLOAT, "number"),
        (Kinds::INT, "integer"),
        (Kinds::STRING, "string"),
        (Kinds::ARRAY, "array"),
        (Kinds::OBJECT, "object"),
        (Kinds::NULL, "null"),
    ];
    let types: Vec<Value> =
        names.iter().filter(|(kind, _)| shape.kinds.has(*kind)).map(|(_, name)| json!(name)).collect();
    let mut schema = Map::new();
    match types.as_slice() {
        [] => {}
        [one] => drop(schema.insert("type".into(), one.clone())),
        several => drop(schema.insert("type".into(), json!(several))),
    }
    match shape.meaning {
        Some(Meaning::TimeText) => drop(schema.insert("format".into(), json!("date-time"))),
        Some(Meaning::Uuid) => drop(schema.insert("format".into(), json!("uuid"))),
        Some(meaning) => drop(schema.insert("description".into(), json!(meaning.to_string()))),
        None => {}
    }
    // `enum` is of all kinds together, so it is left out where there are others than texts and null.
    let only_texts = shape.kinds.without(Kinds::NULL) == Kinds::STRING;
    if let Some(symbols) = shape.symbols.as_ref().filter(|_| only_texts) {
        let null = shape.is_nullable().then_some(Value::Null);
        let symbols: Vec<Value> = symbols.iter().map(|symbol| json!(&**symbol)).chain(null).collect();
        schema.insert("enum".into(), json!(symbols));
    }
    if let Some(items) = &shape.items {
        schema.insert("items".into(), Value::Object(of(items)));
    }
    if let Some(object) = &shape.object {
        object_into(object, &mut schema);
    }
    schema
}

fn object_into(object: &Object, schema: &mut Map<String, Value>) {
    if let Some(values) = &object.rest {
        schema.insert("additionalProperties".into(), Value::Object(of(values)));
        return;
    }
    let properties: Map<String, Value> =
        object.fields.iter().map(|field| (field.name.to_string(), Value::Object(of(&field.shape)))).collect();
    let required: Vec<&str> =
        object.fields.iter().filter(|field| !field.shape.is_nullable()).map(|field| &*field.name).collect();
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("required".into(), json!(required));
}
