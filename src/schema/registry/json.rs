//! Schemas as the API of registries writes them, which is also how they are kept on disk.

use serde_json::{Map, Value, json};

use crate::limits::{REFERENCES_MAX, SCHEMA_BYTES_MAX};

use super::{Entry, Language, Link, Registered};

/// What registries call a language.
pub(super) fn language_name(language: Language) -> &'static str {
    match language {
        Language::Avro => "AVRO",
        Language::Protobuf => "PROTOBUF",
        Language::Json => "JSON",
    }
}

/// `{schema, schemaType, references}`.
pub(super) fn of_schema(schema: &Registered) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("schema".into(), Value::from(&*schema.text));
    // Registries of before Protobuf know no `schemaType`: Avro is what is meant without one.
    if schema.language != Language::Avro {
        fields.insert("schemaType".into(), Value::from(language_name(schema.language)));
    }
    if !schema.links.is_empty() {
        fields.insert("references".into(), of_links(&schema.links));
    }
    fields
}

pub(super) fn of_links(links: &[Link]) -> Value {
    let link = |link: &Link| json!({ "name": link.name, "subject": link.subject, "version": link.version });
    Value::Array(links.iter().map(link).collect())
}

/// Reads what `of_schema` writes; the error says what is wrong with it.
pub(super) fn schema(value: &Value) -> Result<Registered, String> {
    let text = value.get("schema").and_then(Value::as_str).ok_or("it has no `schema`")?;
    if text.len() as u64 > SCHEMA_BYTES_MAX {
        return Err(format!("its schema has {} bytes, and at most {SCHEMA_BYTES_MAX} are read", text.len()));
    }
    let language = match value.get("schemaType").and_then(Value::as_str) {
        None => Language::Avro,
        Some(name) => language(name)?,
    };
    Ok(Registered { language, text: text.into(), links: links(value.get("references"))? })
}

/// Reads a version of a subject.
pub(super) fn entry(value: &Value) -> Result<Entry, String> {
    let subject = value.get("subject").and_then(Value::as_str).ok_or("it has no `subject`")?.to_owned();
    Ok(Entry { subject, version: number(value, "version")?, id: number(value, "id")?, schema: schema(value)? })
}

/// `{subject, version, id, schema, ...}`.
pub(super) fn of_entry(entry: &Entry) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("subject".into(), Value::from(entry.subject.as_str()));
    fields.insert("version".into(), Value::from(entry.version));
    fields.insert("id".into(), Value::from(entry.id));
    fields.extend(of_schema(&entry.schema));
    fields
}

pub(super) fn language(name: &str) -> Result<Language, String> {
    match name {
        "AVRO" => Ok(Language::Avro),
        "PROTOBUF" => Ok(Language::Protobuf),
        "JSON" => Ok(Language::Json),
        other => {
            Err(format!("its language is `{}`; Avro, Protobuf and JSON Schema are known", super::error::plain(other)))
        }
    }
}

pub(super) fn links(value: Option<&Value>) -> Result<Vec<Link>, String> {
    let items = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err("its `references` are no list".into()),
    };
    if items.len() > REFERENCES_MAX {
        return Err(format!("it has {} references, and at most {REFERENCES_MAX} are followed", items.len()));
    }
    let text = |item: &Value, key: &str| {
        let text = item.get(key).and_then(Value::as_str).ok_or_else(|| format!("a reference has no `{key}`"))?;
        Ok::<_, String>(text.to_owned())
    };
    let link = |item| {
        Ok(Link { name: text(item, "name")?, subject: text(item, "subject")?, version: number(item, "version")? })
    };
    items.iter().map(link).collect()
}

/// A version or the number of a schema.
pub(super) fn number(value: &Value, key: &str) -> Result<u32, String> {
    let number = value.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("it has no `{key}` that is a number"))
}
