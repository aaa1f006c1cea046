//! Event types: what an event of a name must be, in which versions, and where they come from.

pub mod avro;
mod catalog;
mod check;
pub mod compat;
pub mod diff;
pub mod infer;
mod fit;
mod json;
pub mod place;
pub mod principles;
pub mod protobuf;
pub mod registry;
mod shape;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use self::protobuf::ProtobufSchema;

pub use self::avro::AvroSchema;
pub use self::catalog::{Catalog, Version};
pub use self::check::{Checker, Checking};
pub use self::fit::Misfit;
pub use self::json::JsonSchema;
pub use self::shape::{Field, Kinds, Meaning, Object, Shape, TimeUnit};

/// The languages that event types are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    Avro,
    Protobuf,
    Json,
}

impl Language {
    /// By a file's ending.
    pub fn of(path: &Path) -> Option<Language> {
        match path.extension()?.to_str()? {
            "avsc" => Some(Language::Avro),
            "proto" => Some(Language::Protobuf),
            "json" => Some(Language::Json),
            _ => None,
        }
    }

    /// What `decode` and `encode` call it.
    pub fn format(self) -> &'static str {
        match self {
            Language::Avro => "avro",
            Language::Protobuf => "protobuf",
            Language::Json => "json",
        }
    }

    /// The ending of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Language::Avro => "avsc",
            Language::Protobuf => "proto",
            Language::Json => "json",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Language::Avro => "Avro",
            Language::Protobuf => "Protobuf",
            Language::Json => "JSON Schema",
        })
    }
}

/// An event type in one version.
#[derive(Clone, Debug)]
pub struct EventType {
    /// Its number, if its file is one of a folder of versions, or it came from a registry.
    pub version: Option<u32>,
    pub definition: Definition,
    /// What the other versions beside it say, as far as they can be read: events may be written with them.
    pub others: Vec<Definition>,
}

/// `shop.events.PaymentAuthorized in Avro, version 2`.
impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let language = self.definition.language();
        match self.definition.full_name() {
            Some(name) => write!(f, "{name} in {language}")?,
            None => write!(f, "{language} without a name")?,
        }
        match self.version {
            Some(version) => write!(f, ", version {version}"),
            None => Ok(()),
        }
    }
}

/// What an event type says.
#[derive(Clone, Debug)]
pub enum Definition {
    Json(JsonSchema),
    Avro(Arc<AvroSchema>),
    Protobuf(ProtobufSchema),
}

/// Why an event type cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaError {
    /// The text is no schema; what is wrong with it, as it follows `FILE is`.
    Broken(String),
    /// This version, or this build, does not know the language.
    Unsupported(String),
}

/// A schema that another one refers to: by the name that the other one uses for it, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub name: String,
    pub text: Arc<str>,
}

impl Definition {
    /// Reads the text of a schema. `message`: which message of a Protobuf file is meant.
    pub fn parse(
        language: Language,
        text: &str,
        message: Option<&str>,
        references: &[Reference],
    ) -> Result<Definition, SchemaError> {
        match language {
            Language::Json => JsonSchema::parse(text).map(Definition::Json),
            Language::Protobuf => {
                let known: HashMap<String, Arc<str>> =
                    references.iter().map(|reference| (reference.name.clone(), reference.text.clone())).collect();
                let imports = move |name: &str| Ok(known.get(name).map(|text| text.to_string()));
                ProtobufSchema::parse("schema.proto", text, Rc::new(imports), message).map(Definition::Protobuf)
            }
            Language::Avro => {
                let references: Vec<&str> = references.iter().map(|reference| &*reference.text).collect();
                let schema = AvroSchema::parse(text, &references)
                    .map_err(|error| SchemaError::Broken(format!("no Avro schema: {error}; {}", error.help)))?;
                Ok(Definition::Avro(Arc::new(schema)))
            }
        }
    }

    pub fn language(&self) -> Language {
        match self {
            Definition::Json(_) => Language::Json,
            Definition::Avro(_) => Language::Avro,
            Definition::Protobuf(_) => Language::Protobuf,
        }
    }

    /// The name that the schema gives itself.
    pub fn full_name(&self) -> Option<&str> {
        match self {
            Definition::Json(schema) => schema.full_name(),
            Definition::Avro(schema) => schema.full_name(),
            Definition::Protobuf(schema) => Some(&schema.model.root().full_name),
        }
    }

    /// As it was written.
    pub fn text(&self) -> &Arc<str> {
        match self {
            Definition::Json(schema) => schema.text(),
            Definition::Avro(schema) => schema.text(),
            Definition::Protobuf(schema) => &schema.text,
        }
    }

    /// A hash of what it says.
    pub fn identity(&self) -> u64 {
        match self {
            Definition::Json(schema) => schema.identity(),
            Definition::Avro(schema) => schema.identity(),
            Definition::Protobuf(schema) => schema.model.identity(),
        }
    }

    /// What values its events have.
    pub fn shape(&self) -> Shape {
        match self {
            Definition::Json(schema) => schema.shape(),
            Definition::Avro(schema) => schema.shape(),
            Definition::Protobuf(schema) => schema.model.shape(),
        }
    }
}
