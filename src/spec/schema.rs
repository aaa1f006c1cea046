//! The JSON Schema of the language, for editors: the same tables that the reader goes by.
//!
//! It says what has the right shape. What needs the file as a whole (names, edges, expressions) only the reader can tell.

use serde_json::{Map, Value, json};

use super::model::{Catalog, ERRORS, OTHERWISE};
use super::table::{Choice, Default, Key, Rule, Table, Type};
use super::{scalars, tables, units};

const ID: &str = "^[a-z][a-z0-9_]*$";
const PORT_REF: &str = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$";
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$";
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// The JSON Schema (draft 2020-12) of a topology's file.
pub fn json_schema(catalog: &Catalog) -> Value {
    let mut schema = object(&tables::FILE, &tables::FILE.keys.iter().collect::<Vec<_>>());
    schema.insert("patternProperties".into(), json!({ "^x-": true }));
    let mut whole = Map::new();
    whole.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    whole.insert("title".into(), "A topology of the runner".into());
    whole.append(&mut schema);
    whole.insert(
        "$defs".into(),
        json!({
            "env": { "description": "Filled from the environment.", "type": "string", "pattern": r"\$\{" },
            "sources": node(&tables::SOURCE, catalog.sources),
            "stages": node(&tables::STAGE, catalog.stages),
            "sinks": node(&tables::SINK, catalog.sinks),
        }),
    );
    Value::Object(whole)
}

/// A node: its role's keys, every node's keys, and exactly one kind.
fn node(role: &'static Table, kinds: &'static [&'static Table]) -> Value {
    let keys: Vec<&Key> = role.keys.iter().chain(tables::NODE.keys).collect();
    let mut schema = object(role, &keys);
    let mut all = rules(role);
    let mut one = Vec::new();
    let mut properties = match schema.remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    for kind in kinds {
        if kind.inline {
            properties.extend(kind.keys.iter().map(|key| (key.name.to_string(), key_schema(key))));
            one.push(json!({ "anyOf": kind.keys.iter().map(|key| required(&[key.name])).collect::<Vec<_>>() }));
            all.extend(rules(kind));
        } else {
            properties.insert(kind.name.to_string(), section(kind));
            one.push(required(&[kind.name]));
        }
    }
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("oneOf".into(), Value::Array(one));
    put_all(&mut schema, all);
    Value::Object(schema)
}

/// A mapping with these keys and no others; the rules of nodes are added elsewhere.
fn object(table: &Table, keys: &[&Key]) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("description".into(), table.doc.into());
    schema.insert("type".into(), "object".into());
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_string(), key_schema(key))).collect();
    schema.insert("properties".into(), Value::Object(properties));
    let needed: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    if !needed.is_empty() {
        schema.insert("required".into(), json!(needed));
    }
    schema.insert("additionalProperties".into(), false.into());
    schema
}

fn section(table: &Table) -> Value {
    let mut schema = object(table, &table.keys.iter().collect::<Vec<_>>());
    if may_be_empty(table) {
        schema.insert("type".into(), json!(["object", "null"]));
    }
    put_all(&mut schema, rules(table));
    Value::Object(schema)
}

/// Whether `name:` with nothing behind it says enough.
fn may_be_empty(table: &Table) -> bool {
    let needs_one = |rule: &Rule| matches!(rule, Rule::ExactlyOne(_) | Rule::AtLeastOne(_));
    !table.keys.iter().any(|key| key.required) && !table.rules.iter().any(needs_one)
}

fn put_all(schema: &mut Map<String, Value>, all: Vec<Value>) {
    if !all.is_empty() {
        schema.insert("allOf".into(), Value::Array(all));
    }
}

fn required(names: &[&str]) -> Value {
    json!({ "required": names })
}

fn rules(table: &Table) -> Vec<Value> {
    let each = |names: &[&str]| names.iter().map(|name| required(&[name])).collect::<Vec<_>>();
    let rule = |rule: &Rule| match rule {
        Rule::ExactlyOne(names) => json!({ "oneOf": each(names) }),
        Rule::AtLeastOne(names) => json!({ "anyOf": each(names) }),
        Rule::AtMostOne(names) => {
            let pairs =
                names.iter().enumerate().flat_map(|(at, one)| names[at + 1..].iter().map(move |two| [*one, *two]));
            json!({ "not": { "anyOf": pairs.map(|pair| required(&pair)).collect::<Vec<_>>() } })
        }
        Rule::Needs(key, other) => json!({ "dependentRequired": { *key: [other] } }),
    };
    table.rules.iter().map(rule).collect()
}

fn key_schema(key: &Key) -> Value {
    let shape = match &key.ty {
        Type::Nodes => nodes(key),
        ty => type_schema(ty),
    };
    let mut schema = match shape {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    let mut doc = key.doc.to_string();
    if let Default::Note(words) = key.default {
        doc = format!("{doc} Default: {words}.");
    }
    // What a section is in itself says less than what it is for here.
    schema.insert("description".into(), doc.into());
    if let Default::Value(text) = key.default {
        schema
            .insert("default".into(), if text == "{}" { json!({}) } else { scalars::plain(text).unwrap_or_default() });
    }
    if let Some(example) = key.example.and_then(as_json) {
        schema.insert("examples".into(), json!([example]));
    }
    Value::Object(schema)
}

fn nodes(key: &Key) -> Value {
    let each = json!({ "$ref": format!("#/$defs/{}", key.name) });
    if key.required {
        json!({ "type": "object", "minProperties": 1, "propertyNames": { "pattern": ID }, "additionalProperties": each })
    } else {
        json!({ "type": ["object", "null"], "propertyNames": { "pattern": ID }, "additionalProperties": each })
    }
}

/// An example is YAML; the plain scalars among them are shown to editors.
fn as_json(example: &str) -> Option<Value> {
    let simple = !example.starts_with(['{', '[', '\'', '"']);
    if simple { scalars::plain(example) } else { None }
}

/// A value, or a text that the environment fills.
fn or_env(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "$ref": "#/$defs/env" }] })
}

fn type_schema(ty: &Type) -> Value {
    // YAML reads `5` and `true` as no texts; here the key decides.
    let single = json!(["string", "number", "boolean"]);
    match ty {
        Type::Bool => or_env(json!({ "type": "boolean" })),
        Type::Int { min, max: i64::MAX } => or_env(json!({ "type": "integer", "minimum": min })),
        Type::Int { min, max } => or_env(json!({ "type": "integer", "minimum": min, "maximum": max })),
        Type::Share => or_env(json!({ "type": "number", "minimum": 0, "maximum": 1 })),
        Type::Text | Type::Template => json!({ "type": single }),
        Type::Path | Type::Glob => json!({ "type": single, "minLength": 1 }),
        Type::Id => or_env(json!({ "type": "string", "pattern": ID })),
        Type::Name => or_env(json!({ "type": single, "pattern": NAME })),
        Type::Duration => or_env(json!({
            "anyOf": [
                { "type": "string", "allOf": [{ "pattern": "[0-9]" }, { "pattern": units::DURATION_PATTERN }] },
                { "const": 0 },
            ]
        })),
        Type::Size => or_env(json!({
            "anyOf": [{ "type": "string", "pattern": units::SIZE_PATTERN }, { "type": "integer", "minimum": 0 }]
        })),
        Type::Rate => or_env(json!({
            "type": "string", "allOf": [{ "pattern": "^[^/]*[1-9]" }, { "pattern": units::RATE_PATTERN }]
        })),
        Type::Choice(choices) => or_env(choice(choices)),
        Type::Expr => json!({ "description": "A Rhai expression.", "type": single, "pattern": r"\S" }),
        Type::ExprMap => expr_map(json!({ "minLength": 1 })),
        Type::PortMap => expr_map(json!({ "pattern": ID, "not": { "enum": [ERRORS, OTHERWISE] } })),
        Type::ExprOrMap => json!({ "anyOf": [type_schema(&Type::Expr), type_schema(&Type::ExprMap)] }),
        Type::Section(table) => section(table),
        Type::OneOf(types) => json!({ "anyOf": types.iter().map(type_schema).collect::<Vec<_>>() }),
        Type::ListOf(item) => {
            let item = type_schema(item);
            json!({ "anyOf": [item, { "type": "array", "items": item }] })
        }
        Type::From => {
            let port = or_env(json!({ "type": "string", "pattern": PORT_REF }));
            json!({ "anyOf": [port, { "type": "array", "minItems": 1, "items": port }] })
        }
        Type::MapOf(item) => json!({ "type": ["object", "null"], "additionalProperties": type_schema(item) }),
        Type::Nodes | Type::Any => json!({}),
        Type::Secret => json!({
            "type": "object",
            "properties": {
                "env": { "description": "A variable of the environment.", "type": "string", "pattern": VARIABLE },
                "file": { "description": "A file.", "type": single, "minLength": 1 },
            },
            "additionalProperties": false,
            "oneOf": [required(&["env"]), required(&["file"])],
        }),
    }
}

fn choice(choices: &[Choice]) -> Value {
    let mut schema: Vec<Value> =
        choices.iter().map(|choice| json!({ "const": choice.name, "description": choice.doc })).collect();
    if choices.iter().any(|choice| choice.name == "null") {
        schema.push(json!({ "type": "null" }));
    }
    json!({ "anyOf": schema })
}

fn expr_map(names: Value) -> Value {
    json!({
        "type": "object",
        "minProperties": 1,
        "propertyNames": names,
        "additionalProperties": type_schema(&Type::Expr),
    })
}
