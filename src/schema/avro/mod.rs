//! Avro schemas: the model that decoders, encoders and comparisons are made from, as the specification (1.12) means it.
//!
//! Named types lie in an arena and are referred to by their index, so that a type that contains itself is no cycle of pointers.

#[cfg(test)]
mod apache;
#[cfg(test)]
mod bounds_tests;
mod canonical;
mod defaults;
mod endless;
#[cfg(test)]
mod cut_tests;
#[cfg(test)]
mod differential_tests;
mod form;
mod logical;
mod parse;
#[cfg(test)]
mod reading_tests;
mod resolve;
#[cfg(test)]
mod resolve_tests;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod samples;
mod shape;
#[cfg(test)]
mod tests;
mod writers;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use self::resolve::{own, resolve};
pub use self::writers::{AvroSchemasById, AvroWriters};

/// A schema: its root and the named types that it is made of.
#[derive(Clone, Debug)]
pub struct AvroSchema {
    root: Type,
    names: Vec<Named>,
    notes: Vec<Note>,
    text: Arc<str>,
    canonical: Arc<str>,
}

/// What is no error, and yet not what its author will have meant: a logical type that does not hold, for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where: `fields[3].type`; empty at the root.
    pub path: String,
    pub text: String,
}

/// Why a text is no Avro schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvroError {
    /// Where: `fields[3].type`; empty at the root.
    pub path: String,
    /// The cause.
    pub why: String,
    /// The way out.
    pub help: String,
}

/// Which named type of its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameId(u32);

/// A type where it is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    pub kind: Kind,
    /// Of a type that has no name, and only if it holds for `kind`. That of a fixed stands in its definition
    /// (`AvroSchema::logical` knows both).
    pub logical: Option<Logical>,
}

/// How a value is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Array(Box<Type>),
    Map(Box<Type>),
    /// At least one branch, none of them a union, no two of which are the same.
    Union(Vec<Type>),
    Named(NameId),
}

/// A record, an enum or a fixed.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub name: FullName,
    /// Full names.
    pub aliases: Vec<FullName>,
    pub doc: Option<Arc<str>>,
    pub body: Body,
}

/// What a named type is.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Also what the schema calls an `error`.
    Record(Vec<Field>),
    Enum {
        symbols: Vec<Arc<str>>,
        /// What a reader takes for a symbol that it does not know: an index into `symbols`.
        default: Option<usize>,
    },
    Fixed {
        /// In bytes.
        size: usize,
        logical: Option<Logical>,
    },
}

/// A field of a record. Its order for sorting is left out: nothing here sorts by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: Arc<str>,
    pub aliases: Vec<Arc<str>>,
    pub doc: Option<Arc<str>>,
    pub ty: Type,
    pub default: Option<Default>,
}

/// The value of a field that the writer did not have.
#[derive(Clone, Debug, PartialEq)]
pub struct Default {
    /// As the schema has it.
    pub json: Value,
    /// In Avro's binary encoding by the field's type, a union's branch and the defaults of inner fields included. To read a default is
    /// to decode this.
    pub datum: Arc<[u8]>,
}

/// What a value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Logical {
    /// Of bytes or fixed: a big-endian two's-complement integer, `scale` of whose at most `precision` digits stand behind the point.
    Decimal { precision: u32, scale: u32 },
    /// Of string (RFC 9562) or fixed(16), in network order.
    Uuid,
    /// Of int: days since 1970-01-01.
    Date,
    /// Of int: milliseconds since midnight.
    TimeMillis,
    /// Of long: microseconds since midnight.
    TimeMicros,
    /// Of long: since 1970-01-01T00:00:00Z.
    Timestamp(Unit),
    /// Of long: since 1970-01-01T00:00:00, wherever that is.
    LocalTimestamp(Unit),
    /// Of fixed(12): months, days, milliseconds, each a little-endian u32.
    Duration,
}

/// What a timestamp counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    Millis,
    Micros,
    Nanos,
}

/// A name with its namespace before it: `com.example.Payment`; without one if it is in none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FullName(Arc<str>);

impl AvroSchema {
    /// The type of whole events.
    pub fn root(&self) -> &Type {
        &self.root
    }

    /// A named type; `id` is of this schema.
    pub fn named(&self, id: NameId) -> &Named {
        &self.names[id.index()]
    }

    /// All named types, those of referred texts too, in the order in which they are defined.
    pub fn names(&self) -> impl Iterator<Item = (NameId, &Named)> {
        self.names.iter().enumerate().map(|(index, named)| (NameId(index as u32), named))
    }

    /// The fields, if the root is a record.
    pub fn fields(&self) -> Option<&[Field]> {
        match &self.root.kind {
            Kind::Named(id) => match &self.named(*id).body {
                Body::Record(fields) => Some(fields),
                _ => None,
            },
            _ => None,
        }
    }

    /// What values of the type stand for, also where the definition of a fixed says it.
    pub fn logical(&self, ty: &Type) -> Option<Logical> {
        match &ty.kind {
            Kind::Named(id) => match &self.named(*id).body {
                Body::Fixed { logical, .. } => *logical,
                _ => None,
            },
            _ => ty.logical,
        }
    }

    /// The name of the root, if it has one.
    pub fn full_name(&self) -> Option<&str> {
        match &self.root.kind {
            Kind::Named(id) => Some(self.named(*id).name.as_str()),
            _ => None,
        }
    }

    /// A hash of all that it says, spaces and the order of attributes aside.
    pub fn identity(&self) -> u64 {
        let everything = (&self.root, &self.names);
        rapidhash::v3::rapidhash_v3(format!("{everything:?}").as_bytes())
    }

    /// What is no error, but should be looked at.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The schema as it was written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The Parsing Canonical Form of the specification. Types of referred texts are written out where they are first used.
    pub fn canonical(&self) -> &Arc<str> {
        &self.canonical
    }

    /// CRC-64-AVRO of the canonical form: what single-object encoding names a schema by, as eight little-endian bytes.
    pub fn fingerprint(&self) -> u64 {
        canonical::fingerprint(self.canonical.as_bytes())
    }

    /// How the type is called: `string`, `com.example.Money`, `array`, `union`.
    pub fn type_name(&self, ty: &Type) -> &str {
        match &ty.kind {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::String => "string",
            Kind::Array(_) => "array",
            Kind::Map(_) => "map",
            Kind::Union(_) => "union",
            Kind::Named(id) => self.named(*id).name.as_str(),
        }
    }
}

impl NameId {
    /// The place in `AvroSchema::names`, for tables beside it.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl Type {
    fn plain(kind: Kind) -> Type {
        Type { kind, logical: None }
    }
}

impl FullName {
    /// With the namespace.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part: what records are matched by.
    pub fn short(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or_default()
    }

    /// What stands before the last point.
    pub fn namespace(&self) -> Option<&str> {
        self.0.rsplit_once('.').map(|(namespace, _)| namespace)
    }
}

impl Body {
    /// What the schema calls it.
    pub fn word(&self) -> &'static str {
        match self {
            Body::Record(_) => "record",
            Body::Enum { .. } => "enum",
            Body::Fixed { .. } => "fixed",
        }
    }
}

impl fmt::Display for Logical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Logical::Decimal { precision, scale } => {
                write!(f, "a decimal of {precision} digits, {scale} behind the point")
            }
            Logical::Uuid => f.write_str("a UUID"),
            Logical::Date => f.write_str("a date in days"),
            Logical::TimeMillis => f.write_str("a time of day in milliseconds"),
            Logical::TimeMicros => f.write_str("a time of day in microseconds"),
            Logical::Timestamp(unit) => write!(f, "a time in {unit}"),
            Logical::LocalTimestamp(unit) => write!(f, "a local time in {unit}"),
            Logical::Duration => f.write_str("a duration"),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Millis => "milliseconds",
            Unit::Micros => "microseconds",
            Unit::Nanos => "nanoseconds",
        })
    }
}

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AvroError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.why),
            false => write!(f, "at `{}`: {}", self.path, self.why),
        }
    }
}

impl std::error::Error for AvroError {}
