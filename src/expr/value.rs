//! Values as functions see them: borrowed from the texts of a batch on the way in, written into a reused buffer on the way out.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use crate::limits::EXPR_PREPARED_MAX;

use super::codes;
use super::random::Random;

/// One argument or result of a function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Null or missing.
    Unit,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A number that neither i64 nor f64 can hold, as it was written. It can be passed on, never computed with.
    Big(&'a str),
    Str(&'a str),
    /// The valid JSON text of an array.
    Array(&'a str),
    /// The valid JSON text of an object.
    Object(&'a str),
}

/// A set of kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types(pub u16);

impl Types {
    pub const UNIT: Types = Types(1);
    pub const BOOL: Types = Types(2);
    pub const INT: Types = Types(4);
    pub const FLOAT: Types = Types(8);
    pub const BIG: Types = Types(16);
    pub const STRING: Types = Types(32);
    pub const ARRAY: Types = Types(64);
    pub const OBJECT: Types = Types(128);
    /// What can be computed with.
    pub const NUMBER: Types = Types(4 | 8);
    pub const ANY: Types = Types(255);
    const NAMES: [(Types, &'static str); 8] = [
        (Types::UNIT, "null"),
        (Types::BOOL, "bool"),
        (Types::INT, "int"),
        (Types::FLOAT, "float"),
        (Types::BIG, "number beyond 64 bits"),
        (Types::STRING, "string"),
        (Types::ARRAY, "array"),
        (Types::OBJECT, "object"),
    ];

    /// Either.
    pub const fn or(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    /// Whether every kind of `other` is in this set.
    pub const fn has(self, other: Types) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Types::ANY {
            return f.write_str("anything");
        }
        let names: Vec<_> = Self::NAMES.iter().filter(|(one, _)| self.has(*one)).map(|(_, name)| *name).collect();
        f.write_str(&names.join(" or "))
    }
}

impl Value<'_> {
    /// The kind of this value.
    pub fn kind(&self) -> Types {
        match self {
            Value::Unit => Types::UNIT,
            Value::Bool(_) => Types::BOOL,
            Value::Int(_) => Types::INT,
            Value::Float(_) => Types::FLOAT,
            Value::Big(_) => Types::BIG,
            Value::Str(_) => Types::STRING,
            Value::Array(_) => Types::ARRAY,
            Value::Object(_) => Types::OBJECT,
        }
    }
}

/// What a function gives back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Returned<'a> {
    /// A scalar, or a part of an argument (no copy is made then).
    Value(Value<'a>),
    /// The string that was written to [`Call::text`].
    Text,
    /// The JSON array or object that was written to [`Call::text`].
    Json,
}

impl<'a> From<Value<'a>> for Returned<'a> {
    fn from(value: Value<'a>) -> Returned<'a> {
        Returned::Value(value)
    }
}

/// Why a function, operator or index refused one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fail {
    pub code: &'static str,
    pub message: String,
}

impl Fail {
    /// With one of `expr::codes`.
    #[cold]
    pub fn new(code: &'static str, message: impl Into<String>) -> Fail {
        Fail { code, message: message.into() }
    }

    /// An argument of the right type without a usable value: say which, and what would do.
    #[cold]
    pub fn argument(message: impl Into<String>) -> Fail {
        Fail::new(codes::ARGUMENT, message)
    }

    /// An int result beyond 64 bits, a division by zero.
    #[cold]
    pub fn arithmetic(message: impl Into<String>) -> Fail {
        Fail::new(codes::ARITHMETIC, message)
    }
}

/// The bounds of one expression's work on one event (`limits` of a topology).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Steps of interpreted Rhai.
    pub operations: u64,
    /// Bytes of a string.
    pub string: usize,
    /// Items of an array.
    pub array: usize,
    /// Fields of an object.
    pub map: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        use crate::limits::*;
        Limits {
            operations: EXPR_OPERATIONS_MAX,
            string: EXPR_STRING_BYTES_MAX,
            array: EXPR_ARRAY_ITEMS_MAX,
            map: EXPR_MAP_FIELDS_MAX,
        }
    }
}

/// What a function works with beside its arguments. One of these lives as long as its program, so its buffers are reused.
pub struct Call {
    /// Empty at the start of each call; a string or JSON result is written here.
    pub text: String,
    pub limits: Arc<Limits>,
    /// For made-up events; no function of an expression draws from it.
    pub random: Random,
    prepared: Vec<Prepared>,
}

struct Prepared {
    kind: TypeId,
    key: Box<str>,
    value: Arc<dyn Any + Send + Sync>,
}

impl Call {
    pub fn new(limits: Arc<Limits>) -> Call {
        Call { text: String::new(), limits, random: Random::new(0), prepared: Vec::new() }
    }

    /// To be asked before a result of `bytes` is written: refuses what goes over the limit on strings.
    pub fn room(&self, bytes: usize) -> Result<(), Fail> {
        if bytes <= self.limits.string {
            return Ok(());
        }
        Err(Fail::new(
            codes::LIMIT,
            format!("a string of {bytes} bytes is over the limit of {} (`limits.string`)", self.limits.string),
        ))
    }

    /// What `make` makes of `key` (a compiled regex, a parsed format), kept for the calls that follow. Bounded: the one that
    /// was used least recently makes room.
    pub fn prepared<T: Any + Send + Sync>(
        &mut self,
        key: &str,
        make: impl FnOnce(&str) -> Result<T, Fail>,
    ) -> Result<Arc<T>, Fail> {
        let kind = TypeId::of::<T>();
        let found = self.prepared.iter().position(|have| have.kind == kind && *have.key == *key);
        let value = match found {
            Some(0) => self.prepared[0].value.clone(),
            Some(at) => {
                self.prepared[..=at].rotate_right(1);
                self.prepared[0].value.clone()
            }
            None => {
                let value: Arc<dyn Any + Send + Sync> = Arc::new(make(key)?);
                self.prepared.truncate(EXPR_PREPARED_MAX - 1);
                self.prepared.insert(0, Prepared { kind, key: key.into(), value: value.clone() });
                value
            }
        };
        value.downcast::<T>().map_err(|_| Fail::new(codes::SCRIPT, "a prepared value of another type"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prepared_values_are_made_once_and_bounded() {
        let mut call = Call::new(Arc::default());
        for i in 0..2 * EXPR_PREPARED_MAX {
            let key = (i % (EXPR_PREPARED_MAX * 2)).to_string();
            let made = call.prepared(&key, |key| Ok(key.len())).unwrap();
            assert_eq!(*made, key.len());
            call.prepared(&key, |_| -> Result<usize, Fail> { panic!("made twice") }).unwrap();
        }
        assert_eq!(call.prepared.len(), EXPR_PREPARED_MAX);
        assert_eq!(Types::NUMBER.to_string(), "int or float");
    }
}
