//! From a model to the types that decoders and encoders read and write by.

use crate::event::protobuf::{FieldType, Names, Type, Types};

use super::{Field, Model};

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
