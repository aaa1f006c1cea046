//! One value out of its batch: what aggregators and tables of state keep.
//!
//! Values are equal, hash and sort by what they stand for: `1` and `1.0` are one value, as in an expression. Across
//! kinds they sort null, bool, number, text, then objects and arrays by their text.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crate::event::{BatchBuilder, Cell, TextRef, Texts, json};

/// A text that is stored in place up to 22 bytes.
#[derive(Clone)]
pub enum SmallText {
    Short(u8, [u8; SmallText::SHORT_MAX]),
    Long(Box<[u8]>),
}

impl SmallText {
    /// Bytes of the longest text that needs no allocation.
    pub const SHORT_MAX: usize = 22;

    /// A copy of UTF-8 text.
    pub fn new(text: &[u8]) -> SmallText {
        let mut short = [0; Self::SHORT_MAX];
        match short.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text);
                SmallText::Short(text.len() as u8, short)
            }
            None => SmallText::Long(text.into()),
        }
    }

    /// The text.
    pub fn bytes(&self) -> &[u8] {
        match self {
            SmallText::Short(len, bytes) => bytes.get(..*len as usize).unwrap_or_default(),
            SmallText::Long(bytes) => bytes,
        }
    }
}

impl Default for SmallText {
    /// The empty text.
    fn default() -> SmallText {
        SmallText::Short(0, [0; Self::SHORT_MAX])
    }
}

impl std::fmt::Debug for SmallText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.bytes()))
    }
}

/// A value that owns its text. The text of a number is not kept: `1.10` is the float 1.1.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Null, or a field that the event has not.
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// The text of a number that neither i64 nor f64 can hold: it can be kept and passed on, not computed with.
    Big(Box<[u8]>),
    /// Without escapes.
    Str(SmallText),
    /// The text of an object or array.
    Json(Box<[u8]>),
}

const _: () = assert!(size_of::<Value>() <= 24);

impl Value {
    /// The value of a cell.
    pub fn of(cell: Cell, texts: &Texts) -> Value {
        match cell {
            Cell::Missing | Cell::Null | Cell::Packed(_) => Value::Null,
            Cell::Bool(bool) => Value::Bool(bool),
            Cell::Int(int) => Value::Int(int),
            Cell::Float(float) => Value::Float(float),
            Cell::Number(at) => Value::of_number(texts.bytes(at)),
            Cell::Str(at) => Value::Str(SmallText::new(texts.bytes(at))),
            Cell::Escaped(at) => Value::Str(SmallText::new(json::unescape(texts.bytes(at)).as_bytes())),
            Cell::Json(at) => Value::Json(texts.bytes(at).into()),
        }
    }

    /// The value of a JSON number's text.
    pub fn of_number(text: &[u8]) -> Value {
        let digits = std::str::from_utf8(text).unwrap_or_default();
        if text.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
            match digits.parse::<f64>() {
                Ok(float) if float.is_finite() => Value::Float(float),
                _ => Value::Big(text.into()),
            }
        } else {
            digits.parse().map_or_else(|_| Value::Big(text.into()), Value::Int)
        }
    }

    /// The value as a cell of the batch in the making.
    pub fn to_cell(&self, builder: &mut BatchBuilder) -> Cell {
        self.cell_with(|text| builder.text(text))
    }

    /// The value as a cell beside these texts, to which its own is added.
    pub fn cell_beside(&self, texts: &mut Texts) -> Cell {
        self.cell_with(|text| TextRef { text: texts.push(text.to_vec().into()), start: 0, len: text.len() as u32 })
    }

    fn cell_with(&self, text_at: impl FnOnce(&[u8]) -> TextRef) -> Cell {
        match self {
            Value::Null => Cell::Null,
            Value::Bool(bool) => Cell::Bool(*bool),
            Value::Int(int) => Cell::Int(*int),
            Value::Float(float) => Cell::Float(*float),
            Value::Big(text) => Cell::Number(text_at(text)),
            Value::Str(text) => Cell::Str(text_at(text.bytes())),
            Value::Json(text) => Cell::Json(text_at(text)),
        }
    }

    /// Appends the value as JSON. False, and nothing is appended, for a float that JSON has not (NaN, an infinity).
    pub fn write_json(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(bool) => out.extend_from_slice(if *bool { b"true" } else { b"false" }),
            Value::Int(int) => out.extend_from_slice(itoa::Buffer::new().format(*int).as_bytes()),
            Value::Float(float) if !float.is_finite() => return false,
            Value::Float(float) => out.extend_from_slice(ryu::Buffer::new().format_finite(*float).as_bytes()),
            Value::Big(text) => out.extend_from_slice(text),
            Value::Str(text) => {
                let quoted = serde_json::to_vec(&String::from_utf8_lossy(text.bytes()));
                out.extend_from_slice(&quoted.unwrap_or_default());
            }
            Value::Json(text) => out.extend_from_slice(text),
        }
        true
    }

    /// Bytes that the value holds beside itself.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::Big(text) | Value::Str(SmallText::Long(text)) | Value::Json(text) => text.len(),
            _ => 0,
        }
    }

    /// What kind of value it is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a bool",
            Value::Int(_) | Value::Big(_) | Value::Float(_) => "a number",
            Value::Str(_) => "a string",
            Value::Json(_) => "an object or array",
        }
    }

    /// Where its kind stands among the kinds.
    fn rank(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Int(_) | Value::Big(_) | Value::Float(_) => 2,
            Value::Str(_) => 3,
            Value::Json(_) => 4,
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> Ordering {
        use Value::*;
        match (self, other) {
            (Bool(a), Bool(b)) => a.cmp(b),
            (Int(a), Int(b)) => a.cmp(b),
            (Float(a), Float(b)) => cmp_floats(*a, *b),
            (Int(a), Float(b)) => cmp_int_float(*a, *b),
            (Float(a), Int(b)) => cmp_int_float(*b, *a).reverse(),
            (Big(a), Big(b)) => cmp_digits(a, b),
            (Big(a), Int(_)) => cmp_big_zero(a),
            (Int(_), Big(b)) => cmp_big_zero(b).reverse(),
            (Big(a), Float(b)) => cmp_big_float(a, *b),
            (Float(a), Big(b)) => cmp_big_float(b, *a).reverse(),
            (Str(a), Str(b)) => a.bytes().cmp(b.bytes()),
            (Json(a), Json(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.rank());
        match self {
            Value::Null => {}
            Value::Bool(bool) => state.write_u8(u8::from(*bool)),
            Value::Int(int) => state.write_i64(*int),
            Value::Float(float) => match whole(*float) {
                Some(int) => state.write_i64(int),
                None => state.write_u64(if float.is_nan() { f64::NAN.to_bits() } else { float.to_bits() }),
            },
            Value::Str(text) => state.write(text.bytes()),
            Value::Big(text) | Value::Json(text) => state.write(text),
        }
    }
}

/// The int that a float is equal to, if there is one in i64.
fn whole(float: f64) -> Option<i64> {
    // 2^63 itself is a float but no i64; -2^63 is both.
    let in_range = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
    (in_range && float.fract() == 0.0).then_some(float as i64)
}

/// NaN equals itself and is above everything, so that the order is total.
fn cmp_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Exact, also where the int has no float.
fn cmp_int_float(int: i64, float: f64) -> Ordering {
    if float.is_nan() || float >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    if float < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    int.cmp(&(float.trunc() as i64)).then_with(|| cmp_floats(0.0, float.fract()))
}

/// By value for ints; numbers beyond f64 come in some fixed order.
fn cmp_digits(a: &[u8], b: &[u8]) -> Ordering {
    match (a.strip_prefix(b"-"), b.strip_prefix(b"-")) {
        (None, None) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (Some(a), Some(b)) => b.len().cmp(&a.len()).then_with(|| b.cmp(a)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

/// An int beyond i64 against any i64: its sign decides.
fn cmp_big_zero(digits: &[u8]) -> Ordering {
    if digits.starts_with(b"-") { Ordering::Less } else { Ordering::Greater }
}

/// By the nearest float; an int that has the same one comes after it, and so is never equal to it.
fn cmp_big_float(digits: &[u8], float: f64) -> Ordering {
    let near = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(f64::NAN);
    cmp_floats(near, float).then(Ordering::Greater)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    #[test]
    fn numbers_are_equal_and_sort_by_value() {
        let number = |text: &str| Value::of_number(text.as_bytes());
        let sorted = [
            "-1e30",
            "-9223372036854775809",
            "-9223372036854775808",
            "-1.5",
            "0",
            "1",
            "1.5",
            "9007199254740992.0",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "9223372036854775809",
            "1e30",
        ]
        .map(number);
        assert!(sorted.is_sorted_by(|a, b| a < b), "{sorted:?}");
        let hash = foldhash::fast::FixedState::default();
        for (a, b) in [("1", "1.0"), ("0", "-0.0"), ("100", "1e2")] {
            assert_eq!(number(a), number(b));
            assert_eq!(hash.hash_one(number(a)), hash.hash_one(number(b)));
        }
    }

    #[test]
    fn short_and_long_texts_are_the_same_kind() {
        for len in [0, 1, 22, 23, 100] {
            let text = "x".repeat(len);
            assert_eq!(SmallText::new(text.as_bytes()).bytes(), text.as_bytes());
        }
    }
}
