//! A model as the values that its events have when they are decoded.

use std::sync::Arc;

use super::{Field, Kind, Known, Label, Model, Number};
use crate::limits::{SHAPE_DEPTH_MAX, SHAPE_NODES_MAX};
use crate::schema::{self, Kinds, Meaning, Object, Shape};

impl Model {
    /// The shape of an event. A message that contains itself is unfolded to a depth and size, and below that an object of which nothing
    /// is known.
    pub fn shape(&self) -> Shape {
        Shaping { model: self, fields: SHAPE_NODES_MAX }.message(self.root, 1)
    }
}

struct Shaping<'a> {
    model: &'a Model,
    /// How many more fields are looked at.
    fields: usize,
}

impl Shaping<'_> {
    fn message(&mut self, at: usize, depth: usize) -> Shape {
        let Some(message) = self.model.messages.get(at) else { return Shape::ANY };
        match message.known {
            Some(Known::Timestamp) => return Shape::meaning(Kinds::STRING, Meaning::TimeText),
            Some(Known::Duration) => return Shape::meaning(Kinds::STRING, Meaning::Duration),
            Some(Known::Struct) => return Shape::map(Shape::ANY),
            Some(Known::Value) => return Shape::ANY,
            Some(Known::ListValue) => return Shape::array(Shape::ANY),
            Some(Known::Wrapper) => return message.field(1).map_or(Shape::ANY, |value| self.value(value, depth)),
            None => {}
        }
        if depth > SHAPE_DEPTH_MAX || self.fields == 0 {
            return Shape::of(Kinds::OBJECT);
        }
        let fields = message.fields.iter().map(|field| schema::Field {
            name: field.name.clone(),
            shape: self.field(field, depth),
            doc: field.doc.clone(),
            has_default: false,
        });
        Shape::object(Object { name: Some(message.full_name.clone()), fields: fields.collect(), rest: None })
    }

    fn field(&mut self, field: &Field, depth: usize) -> Shape {
        self.fields = self.fields.saturating_sub(1);
        match field.label {
            Label::Implicit | Label::Required => self.value(field, depth),
            Label::Optional => self.value(field, depth).or_null(),
            Label::Repeated => Shape::array(self.value(field, depth)),
            Label::Map => {
                let entry = self.model.entry_of(field);
                Shape::map(entry.map_or(Shape::ANY, |(_, value)| self.value(value, depth)))
            }
        }
    }

    fn value(&mut self, field: &Field, depth: usize) -> Shape {
        match field.kind {
            Kind::Number(Number::Double | Number::Float) => Shape::of(Kinds::FLOAT),
            Kind::Number(Number::Bool) => Shape::of(Kinds::BOOL),
            Kind::String => Shape::of(Kinds::STRING),
            Kind::Bytes => Shape::meaning(Kinds::STRING, Meaning::Base64 { length: None }),
            Kind::Enum(at) => {
                let names = self.model.enums.get(at).map(|found| found.values.iter().map(|value| value.name.clone()));
                let names: Option<Arc<[Arc<str>]>> = names.map(Iterator::collect);
                // A number that has no name stays a number.
                Shape { symbols: names, ..Shape::of(Kinds::STRING.and(Kinds::INT)) }
            }
            Kind::Message(at) | Kind::Group(at) => self.message(at, depth + 1),
            Kind::Number(_) => Shape::of(Kinds::INT),
        }
    }
}
