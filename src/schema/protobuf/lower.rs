//! From a model to the types that decoders and encoders read and write by.

use crate::event::protobuf::{FieldType, Names, Type, Types};

use super::{Field, Kind, Known, Label, Message, Model, Number};

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
        FieldType::new(field.name.clone(), field.number, field.label, field.kind, known, field.is_packed, field.oneof)
    }
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
            [(1, Kind::Number(Number::Int64), Label::Implicit), (2, Kind::Number(Number::Int32), Label::Implicit)],
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
