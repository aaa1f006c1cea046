//! A value that a binary form is made of, wherever in a batch it stands: in a column, or within the JSON of an event or field.

use std::borrow::Cow;

use crate::event::json::{self, Value};
use crate::event::{Cell, TextRef};

/// A value, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::event) enum Given<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A number that is not written as an i64.
    Number(&'a [u8]),
    /// A string without escapes.
    Str(&'a [u8]),
    /// A string with escapes, as written between its quotes.
    Escaped(&'a [u8]),
    Object(&'a [u8]),
    Array(&'a [u8]),
}

impl<'a> Given<'a> {
    /// The value of a cell over its bytes; `None` for a missing one.
    pub fn of_cell(cell: Cell, bytes: impl FnOnce(TextRef) -> &'a [u8]) -> Option<Given<'a>> {
        Some(match cell {
            Cell::Missing | Cell::Packed(_) => return None,
            Cell::Null => Given::Null,
            Cell::Bool(value) => Given::Bool(value),
            Cell::Int(value) => Given::Int(value),
            Cell::Float(value) => Given::Float(value),
            Cell::Number(at) => Given::Number(bytes(at)),
            Cell::Str(at) => Given::Str(bytes(at)),
            Cell::Escaped(at) => Given::Escaped(bytes(at)),
            Cell::Json(at) => Given::nested(bytes(at)),
        })
    }

    fn nested(text: &'a [u8]) -> Given<'a> {
        if text.first() == Some(&b'[') { Given::Array(text) } else { Given::Object(text) }
    }

    /// The value of a string.
    pub fn text(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Given::Str(text) => Some(Cow::Borrowed(text)),
            Given::Escaped(raw) => Some(match json::unescape(raw) {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            }),
            _ => None,
        }
    }

    /// The value of a number as a float, if it has one.
    pub fn float(self) -> Option<f64> {
        match self {
            Given::Int(value) => Some(value as f64),
            Given::Float(value) => Some(value),
            Given::Number(text) => json::number_to_f64(text),
            _ => None,
        }
    }

    /// The value in a message: its kind, and as much of it as is short.
    pub fn told(self) -> String {
        let short = |text: &[u8]| format!("{:.40}", String::from_utf8_lossy(text));
        match self {
            Given::Null => "null".into(),
            Given::Bool(value) => value.to_string(),
            Given::Int(value) => format!("the int {value}"),
            Given::Float(value) => format!("the float {value}"),
            Given::Number(text) => format!("the number {}", short(text)),
            Given::Str(_) | Given::Escaped(_) => {
                format!("the string {:?}", short(&self.text().unwrap_or_default()))
            }
            Given::Object(_) => "an object".into(),
            Given::Array(_) => "an array".into(),
        }
    }
}

impl<'a> From<Value<'a>> for Given<'a> {
    fn from(value: Value<'a>) -> Given<'a> {
        match value {
            Value::Null => Given::Null,
            Value::Bool(value) => Given::Bool(value),
            Value::Int(value) => Given::Int(value),
            Value::Number(text) => Given::Number(text),
            Value::Str(text) => Given::Str(text),
            Value::Escaped(raw) => Given::Escaped(raw),
            Value::Json(text) => Given::nested(text),
        }
    }
}
