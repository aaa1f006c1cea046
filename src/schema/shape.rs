//! What values a field may have, in the terms of expressions: the one form that Avro, Protobuf and JSON Schema are all brought into for
//! checking topologies, for documents and for comparing versions in words. Decoders do not use it.

use std::fmt;
use std::sync::Arc;

/// A set of kinds of values. Null can be in it because it is known that a value may be null, or because nothing is known that says
/// otherwise; only the former is worth telling anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kinds(u8);

/// Beside `NULL`: nothing but a lack of knowledge says that there may be one.
const UNSURE: u8 = 128;

impl Kinds {
    pub const NONE: Kinds = Kinds(0);
    /// Null, or no such field: `()` in an expression.
    pub const NULL: Kinds = Kinds(1);
    pub const BOOL: Kinds = Kinds(2);
    pub const INT: Kinds = Kinds(4);
    pub const FLOAT: Kinds = Kinds(8);
    pub const STRING: Kinds = Kinds(16);
    pub const ARRAY: Kinds = Kinds(32);
    pub const OBJECT: Kinds = Kinds(64);
    pub const NUMBER: Kinds = Kinds(4 | 8);
    /// What is not known.
    pub const ANY: Kinds = Kinds(127 | UNSURE);
    /// Null for want of knowing better.
    pub const PERHAPS_NULL: Kinds = Kinds(1 | UNSURE);

    /// Whether every kind of `other` is in this set.
    pub const fn has(self, other: Kinds) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the two have a kind in common.
    pub const fn meets(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    /// Those of both.
    pub const fn and(self, other: Kinds) -> Kinds {
        let all = self.0 | other.0;
        Kinds(if self.is_surely_nullable() || other.is_surely_nullable() { all & !UNSURE } else { all })
    }

    /// Those of this set that are not in the other.
    pub const fn without(self, other: Kinds) -> Kinds {
        let rest = self.0 & !(other.0 & !UNSURE);
        Kinds(if rest & Kinds::NULL.0 == 0 { rest & !UNSURE } else { rest })
    }

    /// Whether null is one of them, and known to be.
    pub const fn is_surely_nullable(self) -> bool {
        self.0 & (1 | UNSURE) == 1
    }

    /// The null of this set, if there is one.
    pub const fn null(self) -> Kinds {
        Kinds(self.0 & (1 | UNSURE))
    }

    /// Each kind of the set.
    pub fn each(self) -> impl Iterator<Item = Kinds> {
        (0..7).map(|bit| Kinds(1 << bit)).filter(move |kind| self.meets(*kind))
    }

    /// Those in both.
    pub const fn common(self, other: Kinds) -> Kinds {
        Kinds(self.0 & other.0)
    }
}

/// What the number or text of a value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// An int that counts since 1970-01-01T00:00:00Z.
    Time(TimeUnit),
    /// An int that counts since that hour in no zone that is told.
    LocalTime(TimeUnit),
    /// An int of milliseconds or microseconds since midnight.
    TimeOfDay(TimeUnit),
    /// An int of days since 1970-01-01.
    Date,
    /// A text of RFC 3339.
    TimeText,
    Uuid,
    /// A number of at most so many digits, so many of them behind the point.
    Decimal {
        precision: u32,
        scale: u32,
    },
    /// `{ months, days, millis }`, or a text as Protobuf's JSON writes it.
    Duration,
    /// A text in base64 (RFC 4648, padded), of so many bytes if the type says so.
    Base64 {
        length: Option<u32>,
    },
}

/// What an int of a time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

/// The values that a field may have. What is not known is `Shape::ANY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    pub kinds: Kinds,
    /// If every value that is not null means this.
    pub meaning: Option<Meaning>,
    /// If every text is one of these.
    pub symbols: Option<Arc<[Arc<str>]>>,
    /// Of the items of arrays; `None`: not known.
    pub items: Option<Arc<Shape>>,
    /// Of the objects; `None`: not known.
    pub object: Option<Arc<Object>>,
}

/// What is known of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The name of the type, if it has one.
    pub name: Option<Arc<str>>,
    pub fields: Vec<Field>,
    /// What other fields may be; `None`: there are no others. A map has no `fields`, and the shape of its values here.
    pub rest: Option<Shape>,
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: Arc<str>,
    /// Has `Kinds::NULL` where the field may be missing.
    pub shape: Shape,
    pub doc: Option<Arc<str>>,
    /// Whoever writes events may leave it out: its default stands there then.
    pub has_default: bool,
}

impl Shape {
    pub const ANY: Shape = Shape { kinds: Kinds::ANY, meaning: None, symbols: None, items: None, object: None };

    /// Values of these kinds, of which nothing more is known.
    pub const fn of(kinds: Kinds) -> Shape {
        Shape { kinds, meaning: None, symbols: None, items: None, object: None }
    }

    /// The same with a meaning.
    pub const fn meaning(kinds: Kinds, meaning: Meaning) -> Shape {
        Shape { kinds, meaning: Some(meaning), symbols: None, items: None, object: None }
    }

    /// One of these texts.
    pub fn symbols(symbols: impl IntoIterator<Item = Arc<str>>) -> Shape {
        Shape { symbols: Some(symbols.into_iter().collect()), ..Shape::of(Kinds::STRING) }
    }

    pub fn array(items: Shape) -> Shape {
        Shape { items: Some(Arc::new(items)), ..Shape::of(Kinds::ARRAY) }
    }

    /// Any names, and values of one shape.
    pub fn map(values: Shape) -> Shape {
        Shape::object(Object { name: None, fields: Vec::new(), rest: Some(values) })
    }

    pub fn object(object: Object) -> Shape {
        Shape { object: Some(Arc::new(object)), ..Shape::of(Kinds::OBJECT) }
    }

    /// An object of these fields and no others.
    pub fn record(fields: impl IntoIterator<Item = (Arc<str>, Shape)>) -> Shape {
        let fields =
            fields.into_iter().map(|(name, shape)| Field { name, shape, doc: None, has_default: false }).collect();
        Shape::object(Object { name: None, fields, rest: None })
    }

    /// The same, or null.
    pub fn or_null(mut self) -> Shape {
        self.kinds = self.kinds.and(Kinds::NULL);
        self
    }

    /// The same without null.
    pub fn not_null(mut self) -> Shape {
        self.kinds = self.kinds.without(Kinds::NULL);
        self
    }

    /// Whether it may be null.
    pub fn is_nullable(&self) -> bool {
        self.kinds.meets(Kinds::NULL)
    }

    /// What a value may be that has this shape or the other. What only one of them has kinds for is kept from that one.
    pub fn join(&self, other: &Shape) -> Shape {
        if self == other {
            return self.clone();
        }
        let both = |kinds: Kinds| self.kinds.meets(kinds) && other.kinds.meets(kinds);
        let scalars = Kinds::NULL.and(Kinds::ARRAY).and(Kinds::OBJECT);
        let has_scalar = |shape: &Shape| shape.kinds.without(scalars) != Kinds::NONE;
        let meaning = match (has_scalar(self), has_scalar(other)) {
            (true, true) => self.meaning.filter(|_| self.meaning == other.meaning),
            (true, false) => self.meaning,
            (false, true) => other.meaning,
            (false, false) => self.meaning.filter(|_| self.meaning == other.meaning),
        };
        let symbols = match both(Kinds::STRING) {
            true => self.symbols.as_ref().zip(other.symbols.as_ref()).map(|(a, b)| {
                let more = b.iter().filter(|symbol| !a.contains(symbol));
                a.iter().chain(more).cloned().collect()
            }),
            false => self.symbols.clone().or_else(|| other.symbols.clone()),
        };
        let items = match both(Kinds::ARRAY) {
            true => self.items.as_ref().zip(other.items.as_ref()).map(|(a, b)| Arc::new(a.join(b))),
            false => self.items.clone().or_else(|| other.items.clone()),
        };
        let object = match both(Kinds::OBJECT) {
            true => self.object.as_ref().zip(other.object.as_ref()).map(|(a, b)| Arc::new(a.join(b))),
            false => self.object.clone().or_else(|| other.object.clone()),
        };
        Shape { kinds: self.kinds.and(other.kinds), meaning, symbols, items, object }
    }

    /// What `value.name` may be. `Err`: what is known says that there never is such a field; the object that has none.
    pub fn field(&self, name: &str) -> Result<Shape, &Object> {
        let Some(object) = self.object.as_deref().filter(|_| self.kinds.meets(Kinds::OBJECT)) else {
            return Ok(Shape::ANY);
        };
        let mut shape = object.field(name).ok_or(object)?;
        // A field of null is null, and so is one of what has no fields.
        let others = self.kinds.without(Kinds::OBJECT);
        let null = if others.without(Kinds::NULL) == Kinds::NONE { others.null() } else { Kinds::NULL };
        let known = self.kinds.without(Kinds::NULL) != Kinds::ANY.without(Kinds::NULL);
        shape.kinds = shape.kinds.and(if known { null } else { Kinds::PERHAPS_NULL });
        Ok(shape)
    }

    /// The same value where it is known to be of these kinds.
    pub fn only(&self, kinds: Kinds) -> Shape {
        let kinds = self.kinds.common(kinds);
        Shape {
            kinds,
            meaning: self.meaning,
            symbols: self.symbols.clone().filter(|_| kinds.meets(Kinds::STRING)),
            items: self.items.clone().filter(|_| kinds.meets(Kinds::ARRAY)),
            object: self.object.clone().filter(|_| kinds.meets(Kinds::OBJECT)),
        }
    }

    /// The same with another shape of what lies along a path of fields.
    pub fn with(&self, path: &[Arc<str>], inner: &Shape) -> Shape {
        let Some((name, rest)) = path.split_first() else { return inner.clone() };
        let mut object = match self.object.as_deref() {
            Some(object) => object.clone(),
            None => Object { name: None, fields: Vec::new(), rest: Some(Shape::ANY) },
        };
        let field = object.field(name).unwrap_or(Shape::of(Kinds::NULL)).with(rest, inner);
        // What has a field that is not null is an object.
        let kinds = if field.is_nullable() { self.kinds.and(Kinds::OBJECT) } else { Kinds::OBJECT };
        match object.fields.iter_mut().find(|have| have.name == *name) {
            Some(have) => have.shape = field,
            None => object.fields.push(Field { name: name.clone(), shape: field, doc: None, has_default: false }),
        }
        Shape { kinds, object: Some(Arc::new(object)), ..self.clone() }
    }

    /// The same object, which is not what its type says any more.
    pub fn unnamed(&self) -> Shape {
        let object = self.object.as_deref().map(|object| Arc::new(Object { name: None, ..object.clone() }));
        Shape { object, ..self.clone() }
    }

    /// The same without a field.
    pub fn without_field(&self, name: &str) -> Shape {
        let Some(object) = self.object.as_deref() else { return self.clone() };
        let mut object = object.clone();
        object.fields.retain(|field| *field.name != *name);
        if object.rest.is_some() {
            // There may be others, but not this one.
            object.fields.push(Field {
                name: name.into(),
                shape: Shape::of(Kinds::NULL),
                doc: None,
                has_default: false,
            });
        }
        Shape { object: Some(Arc::new(object)), ..self.clone() }
    }
}

impl Object {
    /// What the field may be; `None`: there is none of this name.
    pub fn field(&self, name: &str) -> Option<Shape> {
        let known = self.fields.iter().find(|field| *field.name == *name).map(|field| field.shape.clone());
        known.or_else(|| self.rest.clone().map(|rest| if rest.is_nullable() { rest } else { rest.or_null() }))
    }

    fn join(&self, other: &Object) -> Object {
        let shape = |object: &Object, name: &str| object.field(name).unwrap_or(Shape::of(Kinds::NULL));
        let both = self
            .fields
            .iter()
            .map(|field| Field { shape: field.shape.join(&shape(other, &field.name)), ..field.clone() });
        let more = other.fields.iter().filter(|field| self.fields.iter().all(|known| known.name != field.name));
        let more = more.map(|field| Field { shape: field.shape.join(&shape(self, &field.name)), ..field.clone() });
        Object {
            name: self.name.clone().filter(|_| self.name == other.name),
            fields: both.chain(more).collect(),
            rest: match (&self.rest, &other.rest) {
                (Some(a), Some(b)) => Some(a.join(b)),
                (Some(rest), None) | (None, Some(rest)) => Some(rest.clone()),
                (None, None) => None,
            },
        }
    }
}

/// As messages and `explain` write it: `int`, `string?` where it may be null, `[float]`, `{string: int}`, `Merchant`, `"view" | "buy"`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.kinds.without(Kinds::NULL);
        match kinds {
            Kinds::NONE => return f.write_str(if self.is_nullable() { "null" } else { "nothing" }),
            _ if kinds == Kinds::ANY.without(Kinds::NULL) => return f.write_str("any"),
            _ => {}
        }
        let mut first = true;
        let mut part = |f: &mut fmt::Formatter<'_>, text: &dyn fmt::Display| {
            let between = if std::mem::take(&mut first) { "" } else { " | " };
            write!(f, "{between}{text}")
        };
        let scalar = |name: &'static str| self.meaning.map_or_else(|| name.to_owned(), |meaning| meaning.to_string());
        for (kind, name) in [(Kinds::BOOL, "bool"), (Kinds::INT, "int"), (Kinds::FLOAT, "float")] {
            if kinds.has(kind) {
                part(f, &scalar(name))?;
            }
        }
        if kinds.has(Kinds::STRING) {
            match &self.symbols {
                Some(symbols) if symbols.len() <= 8 => {
                    let symbols: Vec<String> = symbols.iter().map(|symbol| format!("{symbol:?}")).collect();
                    part(f, &symbols.join(" | "))?;
                }
                _ => part(f, &scalar("string"))?,
            }
        }
        if kinds.has(Kinds::ARRAY) {
            match &self.items {
                Some(items) => part(f, &format_args!("[{items}]"))?,
                None => part(f, &"array")?,
            }
        }
        if kinds.has(Kinds::OBJECT) {
            match self.object.as_deref() {
                Some(Object { name: Some(name), .. }) => part(f, name)?,
                Some(Object { fields, rest: Some(values), .. }) if fields.is_empty() => {
                    part(f, &format_args!("{{string: {values}}}"))?;
                }
                _ => part(f, &"object")?,
            }
        }
        f.write_str(if self.is_nullable() { "?" } else { "" })
    }
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Meaning::Time(unit) => write!(f, "time in {unit}"),
            Meaning::LocalTime(unit) => write!(f, "local time in {unit}"),
            Meaning::TimeOfDay(unit) => write!(f, "time of day in {unit}"),
            Meaning::Date => f.write_str("date in days"),
            Meaning::TimeText => f.write_str("time as text"),
            Meaning::Uuid => f.write_str("uuid"),
            Meaning::Decimal { precision, scale } => write!(f, "decimal({precision}, {scale})"),
            Meaning::Duration => f.write_str("duration"),
            Meaning::Base64 { length: None } => f.write_str("base64"),
            Meaning::Base64 { length: Some(length) } => write!(f, "base64 of {length} bytes"),
        }
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimeUnit::Seconds => "s",
            TimeUnit::Millis => "ms",
            TimeUnit::Micros => "us",
            TimeUnit::Nanos => "ns",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &[(&str, Shape)]) -> Shape {
        let field = |(name, shape): &(&str, Shape)| Field {
            name: (*name).into(),
            shape: shape.clone(),
            doc: None,
            has_default: false,
        };
        Shape::object(Object { name: None, fields: fields.iter().map(field).collect(), rest: None })
    }

    #[test]
    fn a_field_that_one_side_lacks_may_be_missing() {
        let int = Shape::of(Kinds::INT);
        let both = record(&[("a", int.clone())]).join(&record(&[("b", Shape::of(Kinds::STRING))]));
        assert_eq!(both.field("a").unwrap(), int.or_null());
        assert_eq!(both.field("b").unwrap().to_string(), "string?");
        assert!(both.field("c").is_err());
        let nullable = both.or_null();
        assert_eq!(nullable.field("b").unwrap().to_string(), "string?");
    }

    #[test]
    fn shapes_are_told_in_words() {
        let time = Shape::meaning(Kinds::INT, Meaning::Time(TimeUnit::Millis));
        assert_eq!(time.to_string(), "time in ms");
        assert_eq!(Shape::array(time.clone().or_null()).to_string(), "[time in ms?]");
        assert_eq!(Shape::map(Shape::of(Kinds::NUMBER)).to_string(), "{string: int | float}");
        assert_eq!(Shape::symbols(["view".into(), "buy".into()]).or_null().to_string(), "\"view\" | \"buy\"?");
        assert_eq!(time.join(&Shape::of(Kinds::NULL)), time.or_null());
    }
}
