//! Values that are written as a schema has them, whatever its language: what they are, and what is said of one that does not fit.

use std::borrow::Cow;
use std::sync::Arc;

use crate::event::json::{self, RawMembers};
use crate::event::{Cell, TextRef};

/// A value that is to be written: a cell with its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::event) enum Value<'a> {
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A number that is not written as an i64.
    Number(&'a [u8]),
    /// A string without escapes.
    Str(&'a [u8]),
    /// A string as JSON has it between its quotes.
    Escaped(&'a [u8]),
    /// An object or array.
    Json(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The value of a cell. `bytes`: those of its text.
    pub fn of(cell: Cell, bytes: impl FnOnce(TextRef) -> &'a [u8]) -> Value<'a> {
        match cell {
            // No field is packed, only a whole event.
            Cell::Missing | Cell::Packed(_) => Value::Missing,
            Cell::Null => Value::Null,
            Cell::Bool(value) => Value::Bool(value),
            Cell::Int(value) => Value::Int(value),
            Cell::Float(value) => Value::Float(value),
            Cell::Number(at) => Value::Number(bytes(at)),
            Cell::Str(at) => Value::Str(bytes(at)),
            Cell::Escaped(at) => Value::Escaped(bytes(at)),
            Cell::Json(at) => Value::Json(bytes(at)),
        }
    }

    /// The value of a cell whose ranges are in this text.
    pub fn within(cell: Cell, text: &'a [u8]) -> Value<'a> {
        Value::of(cell, |at| text.get(at.start as usize..(at.start + at.len) as usize).unwrap_or_default())
    }

    /// The bytes of a string.
    pub fn text(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Value::Str(text) => Some(Cow::Borrowed(text)),
            Value::Escaped(raw) => Some(Cow::Owned(json::unescape(raw).into_owned().into_bytes())),
            _ => None,
        }
    }

    /// The text of an object.
    pub fn object(self) -> Option<&'a [u8]> {
        match self {
            Value::Json(text) if text.first() == Some(&b'{') => Some(text),
            _ => None,
        }
    }

    /// The text of an array.
    pub fn array(self) -> Option<&'a [u8]> {
        match self {
            Value::Json(text) if text.first() == Some(&b'[') => Some(text),
            _ => None,
        }
    }

    /// What a number is as a float; none for one beyond all floats, as for what is no number.
    pub fn float(self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(value as f64),
            Value::Float(value) => Some(value),
            Value::Number(text) => json::number_to_f64(text),
            _ => None,
        }
    }

    /// What it is, after "is".
    pub fn what(self) -> String {
        match self {
            Value::Missing => "missing".to_owned(),
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "a bool".to_owned(),
            Value::Int(value) => format!("the number {value}"),
            // In digits and powers of ten: the largest have 300 zeros.
            Value::Float(value) => format!("the float {value:?}"),
            Value::Number(text) => format!("the number {}", excerpt(text)),
            Value::Str(text) | Value::Escaped(text) => format!("the text \"{}\"", excerpt(text)),
            Value::Json(text) if text.first() == Some(&b'[') => "an array".to_owned(),
            Value::Json(_) => "an object".to_owned(),
        }
    }
}

/// The beginning of a text, for people.
pub(in crate::event) fn excerpt(text: &[u8]) -> String {
    const SHOWN: usize = 40;
    let text = String::from_utf8_lossy(text);
    match text.chars().count() > SHOWN {
        true => text.chars().take(SHOWN).chain("...".chars()).collect(),
        false => text.into_owned(),
    }
}

/// Why a value cannot be written, and which.
#[derive(Debug)]
pub(in crate::event) struct Misfit {
    /// The names and places that lead to it, the last first.
    path: Vec<String>,
    /// What is said of it, after its name.
    why: String,
}

/// Whether a value was written. After a misfit a part of it may be.
pub(in crate::event) type Written = Result<(), Box<Misfit>>;

impl Misfit {
    /// `why` goes on after "the field `a.b`", or "the event".
    #[cold]
    pub fn new(why: impl Into<String>) -> Box<Misfit> {
        Box::new(Misfit { path: Vec::new(), why: why.into() })
    }

    /// `wanted`: what the schema has in its place.
    #[cold]
    pub fn unlike(value: Value<'_>, wanted: &str) -> Box<Misfit> {
        Misfit::new(format!("is {}, and the schema has {wanted}", value.what()))
    }

    /// Of a field that the schema does not have.
    #[cold]
    pub fn unknown(name: &str) -> Box<Misfit> {
        Misfit::new("is not in the schema; leave it out with `unset` or a `map`").inside(name)
    }

    /// The same of something in this field.
    #[cold]
    pub fn inside(mut self: Box<Misfit>, name: &str) -> Box<Misfit> {
        let dot = if self.path.last().is_some_and(|inner| !inner.starts_with('[')) { "." } else { "" };
        self.path.push(format!("{name}{dot}"));
        self
    }

    /// The same of something at this place of a list, or behind this key of a map.
    #[cold]
    pub fn at(self: Box<Misfit>, place: impl std::fmt::Debug) -> Box<Misfit> {
        self.inside(&format!("[{place:?}]"))
    }

    /// The sentence for people.
    pub fn message(&self) -> String {
        let path: String = self.path.iter().rev().map(String::as_str).collect();
        match path.is_empty() {
            true => format!("the event {}", self.why),
            false => format!("the field `{path:.200}` {}", self.why),
        }
    }
}

/// Fields that values are sorted into.
pub(in crate::event) trait Fields {
    fn len(&self) -> usize;

    /// The name of a field, by its place.
    fn name(&self, place: usize) -> Option<&str>;

    /// The place of the field of a name.
    fn place(&self, name: &str) -> Option<usize>;
}

/// Sorts the members of an object's text into the places of their fields; of members of one name the last counts. `gone`: those of these
/// names do not count.
pub(in crate::event) fn sort_members<'t>(
    fields: &(impl Fields + ?Sized),
    text: &'t [u8],
    gone: &[Arc<str>],
    values: &mut [Value<'t>],
) -> Written {
    // Most events have their fields in the schema's order.
    let mut expected = 0;
    for member in RawMembers::new(text) {
        if gone.iter().any(|name| member.is(text, name.as_bytes())) {
            continue;
        }
        let is_expected = fields.name(expected).is_some_and(|name| member.is(text, name.as_bytes()));
        let place = if is_expected { Some(expected) } else { fields.place(&member.name(text)) };
        let Some(place) = place else { return Err(Misfit::unknown(&member.name(text))) };
        if let Some(value) = values.get_mut(place) {
            *value = Value::within(member.cell(text), text);
        }
        expected = place + 1;
    }
    Ok(())
}
