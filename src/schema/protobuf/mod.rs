//! Protobuf as an event type: what a `.proto` file says of the message that events are, in a model of our own. Decoders, documents and
//! comparisons of versions need nothing else; only `parse` knows who reads the files.

mod identity;
mod lower;
#[cfg(feature = "schemas")]
mod parse;
mod shape;
#[cfg(all(test, feature = "schemas"))]
mod tests;

use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;

use super::SchemaError;

pub use crate::event::protobuf::{Kind, Known, Label, Number};

const WITHOUT: &str =
    "which this program was built without: build it with its feature `schemas`, which is on by default";

/// A `.proto` file as an event type.
#[derive(Clone, Debug)]
pub struct ProtobufSchema {
    /// As it was written.
    pub text: Arc<str>,
    pub model: Arc<Model>,
}

impl ProtobufSchema {
    /// See [`Model::parse`].
    pub fn parse(
        name: &str,
        text: &str,
        imports: Imports,
        message: Option<&str>,
    ) -> Result<ProtobufSchema, SchemaError> {
        if cfg!(not(feature = "schemas")) {
            return Err(SchemaError::Unsupported(format!("in Protobuf, {WITHOUT}")));
        }
        let model = Model::parse(name, text, imports, message)
            .map_err(|why| SchemaError::Broken(format!("no usable Protobuf file: {why}")))?;
        Ok(ProtobufSchema { text: text.into(), model: Arc::new(model) })
    }
}

/// What a `.proto` file and its imports say. Messages and enums refer to each other by their index.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The message that an event is.
    pub root: usize,
    /// All messages of the file in the order of their descriptors, an outer one before those within it; then those of imports that
    /// they refer to.
    pub messages: Vec<Message>,
    /// The enums likewise.
    pub enums: Vec<Enum>,
    /// What the file imports, and what those import, without the well-known ones; what is imported comes first.
    pub imports: Vec<Import>,
    /// The names that the file itself imports, likewise.
    pub imported: Vec<Arc<str>>,
}

/// A file that is imported.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// As it is imported by.
    pub name: Arc<str>,
    pub text: Arc<str>,
    /// The names that it imports itself.
    pub imported: Vec<Arc<str>>,
}

/// A message type.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// With its package, and the messages that it is within: `shop.Payment.Card`.
    pub full_name: Arc<str>,
    pub doc: Option<Arc<str>>,
    pub deprecated: bool,
    /// In the order in which they are written.
    pub fields: Vec<Field>,
    /// The names of its oneofs (those written as such; `optional` is none).
    pub oneofs: Vec<Arc<str>>,
    pub reserved_numbers: Vec<RangeInclusive<u32>>,
    pub reserved_names: Vec<Arc<str>>,
    /// Whether it stands for the entries of a map: fields `key` and `value`.
    pub is_map_entry: bool,
    /// The way to it in its file: which top-level message, which one within that, and so on. As Confluent's framing counts.
    pub index_path: Vec<u32>,
    /// Whether the file itself has it, and not an import.
    pub is_own: bool,
    /// If it has a JSON form of its own.
    pub known: Option<Known>,
}

/// A field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub number: u32,
    pub name: Arc<str>,
    /// As Protobuf's own JSON names it: `userId` for `user_id`.
    pub json_name: Arc<str>,
    pub kind: Kind,
    pub label: Label,
    /// Whether a repeated field of numbers is written as one run of bytes. Both forms are read.
    pub is_packed: bool,
    /// Which of the message's `oneofs` it is part of.
    pub oneof: Option<usize>,
    /// As the file writes it (proto2).
    pub default: Option<Arc<str>>,
    pub doc: Option<Arc<str>>,
    pub deprecated: bool,
}

/// An enum.
#[derive(Clone, Debug, PartialEq)]
pub struct Enum {
    pub full_name: Arc<str>,
    pub doc: Option<Arc<str>>,
    pub deprecated: bool,
    /// In the order in which they are written; two may have one number (`allow_alias`).
    pub values: Vec<EnumValue>,
    pub reserved_numbers: Vec<RangeInclusive<i32>>,
    pub reserved_names: Vec<Arc<str>>,
    /// Whether other numbers are no values of it (proto2).
    pub is_closed: bool,
    pub is_own: bool,
}

/// A name of an enum.
#[derive(Clone, Debug, PartialEq)]
pub struct EnumValue {
    pub name: Arc<str>,
    pub number: i32,
    pub doc: Option<Arc<str>>,
    pub deprecated: bool,
}

/// Stands for whichever message comes first, where it does not matter which one events are: a registry keeps files.
pub const ANY_MESSAGE: &str = "*";

/// Finds the text of an import by its name. `Ok(None)`: there is none.
pub type Imports = Rc<dyn Fn(&str) -> Result<Option<String>, String>>;

impl Model {
    /// Reads the text of a file whose name is only for messages. `message`: the one that events are, with or without its package; without
    /// it the file must have only one at its top, with [`ANY_MESSAGE`] the first is taken. Well-known imports need not be found.
    #[cfg(feature = "schemas")]
    pub fn parse(name: &str, text: &str, imports: Imports, message: Option<&str>) -> Result<Model, String> {
        parse::parse(name, text, imports, message)
    }

    /// As it is in a build that cannot.
    #[cfg(not(feature = "schemas"))]
    pub fn parse(_: &str, _: &str, _: Imports, _: Option<&str>) -> Result<Model, String> {
        Err(format!("it is in Protobuf, {WITHOUT}"))
    }

    /// The message that an event is.
    pub fn root(&self) -> &Message {
        &self.messages[self.root]
    }

    /// The message of a field, if it has one.
    pub fn message_of(&self, field: &Field) -> Option<&Message> {
        match field.kind {
            Kind::Message(at) | Kind::Group(at) => self.messages.get(at),
            _ => None,
        }
    }

    /// The enum of a field, if it has one.
    pub fn enum_of(&self, field: &Field) -> Option<&Enum> {
        match field.kind {
            Kind::Enum(at) => self.enums.get(at),
            _ => None,
        }
    }

    /// The key and the value of a map's entries.
    pub fn entry_of(&self, field: &Field) -> Option<(&Field, &Field)> {
        let entry = self.message_of(field).filter(|_| field.label == Label::Map)?;
        Some((entry.field(1)?, entry.field(2)?))
    }
}

impl Message {
    /// The package of its file; empty if it has none.
    pub fn package(&self) -> &str {
        &self.full_name[..self.package_end()]
    }

    /// The name without the package, with the messages that it is within: `Payment.Card`.
    pub fn local_name(&self) -> &str {
        self.full_name[self.package_end()..].trim_start_matches('.')
    }

    /// Where the package ends in the full name, of which the outer messages are no part.
    fn package_end(&self) -> usize {
        let points: Vec<usize> = self.full_name.match_indices('.').map(|(at, _)| at).collect();
        let own = self.index_path.len().max(1);
        points.len().checked_sub(own).and_then(|at| points.get(at)).copied().unwrap_or(0)
    }

    /// The name without its package and outer messages.
    pub fn name(&self) -> &str {
        last_part(&self.full_name)
    }

    /// The field of a number.
    pub fn field(&self, number: u32) -> Option<&Field> {
        self.fields.iter().find(|field| field.number == number)
    }

    /// The field of a name.
    pub fn field_named(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| *field.name == *name)
    }
}

impl Enum {
    /// The name without its package and outer messages.
    pub fn name(&self) -> &str {
        last_part(&self.full_name)
    }
}

fn last_part(full_name: &str) -> &str {
    full_name.rsplit('.').next().unwrap_or(full_name)
}

#[cfg(all(test, not(feature = "schemas")))]
mod without {
    use super::*;

    #[test]
    fn a_program_without_protobuf_says_how_to_get_one_with_it() {
        let parsed = ProtobufSchema::parse("a.proto", "", Rc::new(|_| Ok(None)), None);
        assert!(matches!(parsed, Err(SchemaError::Unsupported(why)) if why.contains("its feature `schemas`")));
    }
}
