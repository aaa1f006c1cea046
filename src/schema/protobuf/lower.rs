//! From a model to the types that decoders and encoders read and write by.

use crate::event::protobuf::{FieldType, Known, Label, Names, Number, Type, Types, Value};

use super::{Field, Kind, Message, Model};

impl Model {
    /// What events of this model are read and written by.
    pub fn types(&self) -> Types {
        let messages = self.messages.iter().map(|message| {
            let fields = message.fields.iter().map(|field| self.field_type(field)).collect();
            Type::new(message.known, fields, message.oneofs.len())
        });
        let enums = self.enums.iter().map(|found| {
            let values = found.values.iter().map(|value| (value.name.clone(), value.number)).collect();
            Names::new(values)
        });
        let root = self.root();
        Types::new(self.identity(), self.root, root.index_path.clone(), messages.collect(), enums.collect())
    }

    fn field_type(&self, field: &Field) -> FieldType {
        let known = self.message_of(field).and_then(|message| message.known);
        let (name, value) = (field.name.clone(), value_of(field.kind));
        FieldType::new(name, field.number, field.label, value, known, field.is_packed, field.oneof)
    }
}

fn value_of(kind: Kind) -> Value {
    Value::Number(match kind {
        Kind::Double => Number::Double,
        Kind::Float => Number::Float,
        Kind::Int32 => Number::Int32,
        Kind::Int64 => Number::Int64,
        Kind::Uint32 => Number::Uint32,
        Kind::Uint64 => Number::Uint64,
        Kind::Sint32 => Number::Sint32,
        Kind::Sint64 => Number::Sint64,
        Kind::Fixed32 => Number::Fixed32,
        Kind::Fixed64 => Number::Fixed64,
        Kind::Sfixed32 => Number::Sfixed32,
        Kind::Sfixed64 => Number::Sfixed64,
        Kind::Bool => Number::Bool,
        Kind::String => return Value::Text,
        Kind::Bytes => return Value::Bytes,
        Kind::Enum(at) => return Value::Enum(at),
        Kind::Message(at) => return Value::Message(at),
        Kind::Group(at) => return Value::Group(at),
    })
}

/// The JSON form that a message of `google.protobuf` has of its own, if it has the fields that this form is made of.
pub(super) fn known(message: &Message) -> Option<Known> {
    let kinds: Vec<(u32, Kind, Label)> =
        message.fields.iter().map(|field| (field.number, field.kind, field.label)).collect();
    let found = match message.full_name.strip_prefix("google.protobuf.")? {
        "Timestamp" => Known::Timestamp,
        "Duration" => Known::Duration,
        "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value" | "BoolValue"
        | "StringValue" | "BytesValue" => Known::Wrapper,
        "Struct" => Known::Struct,
        "Value" => Known::Value,
        "ListValue" => Known::ListValue,
        _ => return None,
    };
    let fits = match (found, kinds.as_slice()) {
        (
            Known::Timestamp | Known::Duration,
            [(1, Kind::Int64, Label::Implicit), (2, Kind::Int32, Label::Implicit)],
        ) => true,
        (Known::Wrapper, [(1, kind, Label::Implicit)]) => {
            !matches!(kind, Kind::Message(_) | Kind::Group(_) | Kind::Enum(_))
        }
        (Known::Struct, [(1, _, Label::Map)]) | (Known::ListValue, [(1, Kind::Message(_), Label::Repeated)]) => true,
        (Known::Value, all) => all.len() == 6 && message.oneofs.len() == 1,
        _ => false,
    };
    fits.then_some(found)
}
