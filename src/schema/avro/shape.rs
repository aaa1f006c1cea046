//! What the values of an Avro schema are in expressions, as its decoder gives them.

use super::{AvroSchema, Body, Kind, Logical, Named, Type, Unit};
use crate::limits::{SHAPE_DEPTH_MAX, SHAPE_NODES_MAX};
use crate::schema::shape::{Field, Kinds, Meaning, Object, Shape, TimeUnit};

impl AvroSchema {
    /// What events are. A type that contains itself is unfolded to a depth and size, and below that an object of which nothing is known.
    pub fn shape(&self) -> Shape {
        Unfolding { schema: self, nodes: SHAPE_NODES_MAX }.ty(&self.root, 0)
    }
}

struct Unfolding<'s> {
    schema: &'s AvroSchema,
    /// How many more types are looked at: types that use each other twice would double with each level.
    nodes: usize,
}

impl Unfolding<'_> {
    fn ty(&mut self, ty: &Type, depth: usize) -> Shape {
        self.nodes = self.nodes.saturating_sub(1);
        let of = |kinds: Kinds| match ty.logical {
            Some(logical) => meant(kinds, logical),
            None => Shape::of(kinds),
        };
        match &ty.kind {
            Kind::Null => Shape::of(Kinds::NULL),
            Kind::Boolean => Shape::of(Kinds::BOOL),
            Kind::Int | Kind::Long => of(Kinds::INT),
            Kind::Float | Kind::Double => Shape::of(Kinds::FLOAT),
            Kind::Bytes if ty.logical.is_none() => Shape::meaning(Kinds::STRING, Meaning::Base64 { length: None }),
            Kind::Bytes | Kind::String => of(Kinds::STRING),
            Kind::Array(items) => Shape::array(self.ty(items, depth + 1)),
            Kind::Map(values) => Shape::map(self.ty(values, depth + 1)),
            Kind::Union(branches) => {
                let shapes: Vec<Shape> = branches.iter().map(|branch| self.ty(branch, depth + 1)).collect();
                shapes.into_iter().reduce(|a, b| a.join(&b)).unwrap_or(Shape::ANY)
            }
            Kind::Named(id) => self.named(&self.schema.names[id.index()], depth),
        }
    }

    fn named(&mut self, named: &Named, depth: usize) -> Shape {
        match &named.body {
            Body::Enum { symbols, .. } => Shape::symbols(symbols.iter().cloned()),
            Body::Fixed { logical: Some(logical), .. } => meant(Kinds::STRING, *logical),
            Body::Fixed { size, logical: None } => {
                Shape::meaning(Kinds::STRING, Meaning::Base64 { length: u32::try_from(*size).ok() })
            }
            Body::Record(_) if depth >= SHAPE_DEPTH_MAX || self.nodes == 0 => Shape::of(Kinds::OBJECT),
            Body::Record(fields) => {
                let field = |field: &super::Field| Field {
                    name: field.name.clone(),
                    shape: self.ty(&field.ty, depth + 1),
                    doc: field.doc.clone(),
                    has_default: field.default.is_some(),
                };
                let fields = fields.iter().map(field).collect();
                Shape::object(Object { name: Some(named.name.as_str().into()), fields, rest: None })
            }
        }
    }
}

/// A value of a logical type; `kinds` are those of a type that is given as it is written.
fn meant(kinds: Kinds, logical: Logical) -> Shape {
    match logical {
        // Given as a number's text: with a point where there is a scale.
        Logical::Decimal { precision, scale } => {
            let kinds = if scale == 0 { Kinds::INT } else { Kinds::FLOAT };
            Shape::meaning(kinds, Meaning::Decimal { precision, scale })
        }
        Logical::Uuid => Shape::meaning(kinds, Meaning::Uuid),
        Logical::Date => Shape::meaning(kinds, Meaning::Date),
        Logical::TimeMillis => Shape::meaning(kinds, Meaning::TimeOfDay(TimeUnit::Millis)),
        Logical::TimeMicros => Shape::meaning(kinds, Meaning::TimeOfDay(TimeUnit::Micros)),
        Logical::Timestamp(unit) => Shape::meaning(kinds, Meaning::Time(unit.into())),
        Logical::LocalTimestamp(unit) => Shape::meaning(kinds, Meaning::LocalTime(unit.into())),
        Logical::Duration => {
            let part =
                |name: &str| Field { name: name.into(), shape: Shape::of(Kinds::INT), doc: None, has_default: false };
            let fields = ["months", "days", "millis"].map(part).into();
            let object = Shape::object(Object { name: None, fields, rest: None });
            Shape { meaning: Some(Meaning::Duration), ..object }
        }
    }
}

impl From<Unit> for TimeUnit {
    fn from(unit: Unit) -> TimeUnit {
        match unit {
            Unit::Millis => TimeUnit::Millis,
            Unit::Micros => TimeUnit::Micros,
            Unit::Nanos => TimeUnit::Nanos,
        }
    }
}
