//! JSON text to Rhai values and back: the one pair of conversions that defines what an event's fields mean in an expression.

use std::sync::Arc;

use rhai::{Array, Dynamic, Map};

use crate::event::json::{Short, short_number};
use crate::event::{Cell, TextRef};
use crate::limits::JSON_DEPTH_MAX;

use super::codes;
use super::value::Fail;

/// A number that neither i64 nor f64 can hold, as it was written. Opaque to Rhai: every computation with it is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Big(pub Arc<str>);

/// What a JSON number is to an expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
    Big,
}

/// Reads a JSON number.
pub(crate) fn number(text: &str) -> Number {
    if let Some(number) = usual_number(text.as_bytes()) {
        return number;
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) && text != "-0" {
        return text.parse().map_or(Number::Big, Number::Int);
    }
    match text.parse::<f64>() {
        // `NaN` and `inf` are no JSON: compiled programs write them into literals that may never leave.
        Ok(float) if float.is_finite() || !text.ends_with(|last: char| last.is_ascii_digit()) => Number::Float(float),
        _ => Number::Big,
    }
}

/// A number of few digits without exponent, read fast.
#[inline]
pub(crate) fn usual_number(text: &[u8]) -> Option<Number> {
    Some(match short_number(text)? {
        Short::Int(int) => Number::Int(int),
        Short::Float(float) => Number::Float(float),
    })
}

/// Whether a JSON number is a float that is written as it would be written again: a point, no exponent, no zeros at the end but
/// one behind the point, and at most 15 digits. Decimals of 15 digits are different floats if they are different
/// numbers (IEEE 754), so none is shorter; below a ten thousandth floats are written with an exponent.
pub(crate) fn is_shortest(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let Some(point) = memchr::memchr(b'.', digits) else { return false };
    let (whole, part) = (&digits[..point], &digits[point + 1..]);
    let small = whole == b"0" && part.first() == Some(&b'0') && part != b"0";
    digits.len() <= 16 && !small && (part == b"0" || !part.ends_with(b"0")) && part.iter().all(u8::is_ascii_digit)
}

/// Appends the value of a string as JSON wrote it between its quotes.
pub(crate) fn unescape(raw: &str, out: &mut String) {
    out.push_str(&crate::event::json::unescape(raw.as_bytes()));
}

/// Appends a string with its quotes, escaped as JSON needs it.
pub(crate) fn write_string(text: &str, out: &mut String) {
    let needs_escape = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(needs_escape) {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        escape(from.as_bytes()[0], out);
        rest = &from[1..];
    }
    out.push_str(rest);
    out.push('"');
}

fn escape(byte: u8, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        _ => {
            out.push_str("\\u00");
            out.push(HEX[usize::from(byte >> 4)] as char);
            out.push(HEX[usize::from(byte & 15)] as char);
        }
    }
}

/// Appends a float; NaN and infinities have no JSON.
pub(crate) fn write_float(float: f64, out: &mut String) -> Result<(), Fail> {
    if !float.is_finite() {
        return Err(Fail::new(codes::NOT_FINITE, format!("{float} is no value that an event can hold")));
    }
    out.push_str(ryu::Buffer::new().format_finite(float));
    Ok(())
}

/// Appends an int.
pub(crate) fn write_int(int: i64, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(int));
}

/// Appends a Rhai value as JSON.
pub(crate) fn write(value: &Dynamic, out: &mut String) -> Result<(), Fail> {
    write_at(value, out, 1)
}

fn write_at(value: &Dynamic, out: &mut String, depth: usize) -> Result<(), Fail> {
    if value.is_unit() {
        out.push_str("null");
    } else if let Ok(int) = value.as_int() {
        write_int(int, out);
    } else if let Ok(float) = value.as_float() {
        write_float(float, out)?;
    } else if let Ok(bool) = value.as_bool() {
        out.push_str(if bool { "true" } else { "false" });
    } else if let Ok(text) = value.as_immutable_string_ref() {
        write_string(&text, out);
    } else if let Ok(char) = value.as_char() {
        write_string(char.encode_utf8(&mut [0; 4]), out);
    } else if let Ok(array) = value.as_array_ref() {
        deeper(depth)?;
        out.push('[');
        for (i, item) in array.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            write_at(item, out, depth + 1)?;
        }
        out.push(']');
    } else if let Ok(map) = value.as_map_ref() {
        deeper(depth)?;
        out.push('{');
        for (i, (name, field)) in map.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            write_string(name, out);
            out.push(':');
            write_at(field, out, depth + 1)?;
        }
        out.push('}');
    } else if let Some(big) = value.read_lock::<Big>() {
        out.push_str(&big.0);
    } else {
        let message = format!("an event cannot hold a value of the type {}", kind_name(value));
        return Err(Fail::new(codes::RESULT, message));
    }
    Ok(())
}

fn deeper(depth: usize) -> Result<(), Fail> {
    if depth < JSON_DEPTH_MAX {
        return Ok(());
    }
    Err(Fail::new(codes::LIMIT, format!("a value is nested deeper than {JSON_DEPTH_MAX} levels (`limits.depth`)")))
}

/// The name of a value's type, as messages say it.
pub(crate) fn kind_name(value: &Dynamic) -> &'static str {
    if value.is_unit() {
        "null"
    } else if value.is_int() {
        "int"
    } else if value.is_float() {
        "float"
    } else if value.is_bool() {
        "bool"
    } else if value.is_string() || value.is_char() {
        "string"
    } else if value.is_array() {
        "array"
    } else if value.is_map() {
        "object"
    } else if value.is::<Big>() {
        "number beyond 64 bits"
    } else if value.is_fnptr() {
        "function"
    } else {
        "range"
    }
}

/// The Rhai value of valid JSON text; what is not valid ends as null rather than in a panic.
pub(crate) fn parse(text: &str) -> Dynamic {
    let mut reader = Reader { text, at: 0 };
    reader.value(0)
}

/// Walks valid JSON text. Unlike the decoder's scanner it also passes `NaN` and `inf`, which literals of a program may hold while
/// they are taken apart, and it ends on whatever it is given.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The value at a path of an object's text, as a cell over that text; the last of duplicate names counts.
    pub(crate) fn find<'p>(text: &'a str, path: impl Iterator<Item = &'p str>) -> Cell {
        let mut reader = Reader { text, at: 0 };
        for name in path {
            if !reader.enter(name) {
                return Cell::Missing;
            }
        }
        reader.cell()
    }

    /// An item of an array's text, as a cell over that text.
    pub(crate) fn item(text: &'a str, index: usize) -> Option<Cell> {
        let mut reader = Reader { text, at: 0 };
        if !reader.eat(b'[') {
            return None;
        }
        for _ in 0..index {
            if matches!(reader.peek(), b']' | 0) {
                return None;
            }
            reader.skip();
            reader.eat(b',');
        }
        (!matches!(reader.peek(), b']' | 0)).then(|| reader.cell())
    }

    /// How many items an array's text has.
    pub(crate) fn count(text: &'a str) -> usize {
        let mut reader = Reader { text, at: 0 };
        reader.eat(b'[');
        let mut count = 0;
        while !matches!(reader.peek(), b']' | 0) {
            reader.skip();
            reader.eat(b',');
            count += 1;
        }
        count
    }

    /// Goes to the value of a field of the object here; false if there is none.
    fn enter(&mut self, name: &str) -> bool {
        if !self.eat(b'{') {
            return false;
        }
        let mut found = None;
        while self.peek() == b'"' {
            let (key, escaped) = self.string();
            self.eat(b':');
            self.peek();
            if if escaped { unescaped(key, true) == name } else { key == name } {
                found = Some(self.at);
            }
            self.skip();
            self.eat(b',');
        }
        self.at = found.unwrap_or(self.at);
        found.is_some()
    }

    /// Passes the value here.
    fn skip(&mut self) {
        match self.peek() {
            b'"' => drop(self.string()),
            b'{' | b'[' => {
                let mut depth = 0;
                loop {
                    match self.peek() {
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        b'"' => {
                            self.string();
                            continue;
                        }
                        0 => return,
                        _ => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        return;
                    }
                }
            }
            0 => {}
            _ => drop(self.scalar()),
        }
    }

    /// The value here as a cell over the text.
    fn cell(&mut self) -> Cell {
        let first = self.peek();
        let start = self.at;
        let range = |start: usize, len: usize| TextRef { text: 0, start: start as u32, len: len as u32 };
        match first {
            b'"' => {
                let (text, escaped) = self.string();
                let at = range(start + 1, text.len());
                if escaped { Cell::Escaped(at) } else { Cell::Str(at) }
            }
            b'{' | b'[' => {
                self.skip();
                Cell::Json(range(start, self.at - start))
            }
            0 => Cell::Missing,
            _ => match self.scalar() {
                "true" => Cell::Bool(true),
                "false" => Cell::Bool(false),
                "null" => Cell::Null,
                text => match text.parse() {
                    Ok(int) if text != "-0" => Cell::Int(int),
                    _ => Cell::Number(range(start, text.len())),
                },
            },
        }
    }

    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    /// A string without its quotes, and whether it has escapes.
    fn string(&mut self) -> (&'a str, bool) {
        self.at += 1;
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
        let end = self.at.min(bytes.len());
        self.at = end + 1;
        (self.text.get(start..end).unwrap_or_default(), escaped)
    }

    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self) -> &'a str {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let len = rest.iter().position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'));
        self.at = start + len.unwrap_or(rest.len()).max(1);
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn value(&mut self, depth: usize) -> Dynamic {
        match self.peek() {
            _ if depth > JSON_DEPTH_MAX => Dynamic::UNIT,
            b'{' => {
                self.at += 1;
                let mut map = Map::new();
                while self.peek() == b'"' {
                    let (name, escaped) = self.string();
                    self.eat(b':');
                    let value = self.value(depth + 1);
                    map.insert(unescaped(name, escaped).as_str().into(), value);
                    self.eat(b',');
                }
                self.eat(b'}');
                map.into()
            }
            b'[' => {
                self.at += 1;
                let mut array = Array::new();
                while !matches!(self.peek(), b']' | 0) {
                    array.push(self.value(depth + 1));
                    self.eat(b',');
                }
                self.eat(b']');
                array.into()
            }
            b'"' => {
                let (text, escaped) = self.string();
                unescaped(text, escaped).into()
            }
            0 => Dynamic::UNIT,
            _ => match self.scalar() {
                "true" => true.into(),
                "false" => false.into(),
                "null" => Dynamic::UNIT,
                text => number_value(text),
            },
        }
    }
}

fn unescaped(text: &str, escaped: bool) -> String {
    if !escaped {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    unescape(text, &mut out);
    out
}

/// The Rhai value of a JSON number.
pub(crate) fn number_value(text: &str) -> Dynamic {
    match number(text) {
        Number::Int(int) => int.into(),
        Number::Float(float) => float.into(),
        Number::Big => Dynamic::from(Big(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_goes_to_rhai_and_back() {
        let text =
            r#"{"a":[1,-2.5,true,null,"x\"\n"],"b":{"c":99999999999999999999,"d":1e999,"e":"\u00e9\ud83d\ude00"}}"#;
        let mut out = String::new();
        write(&parse(text), &mut out).unwrap();
        assert_eq!(out, r#"{"a":[1,-2.5,true,null,"x\"\n"],"b":{"c":99999999999999999999,"d":1e999,"e":"é😀"}}"#);
    }

    #[test]
    fn numbers_are_read_exactly() {
        for text in ["0", "-7", "12.5", "-0.1", "123456789.12345", "0.00000000000001", "99999999999999.9", "1.", ".5"] {
            let want = text.parse().map(Number::Int).unwrap_or_else(|_| Number::Float(text.parse().unwrap()));
            assert_eq!(number(text), want, "{text}");
        }
        assert_eq!(number("-0"), Number::Float(-0.0));
        assert_eq!(number("9223372036854775808"), Number::Big);
        assert_eq!(number("1e999"), Number::Big);
        assert_eq!(number("1e3"), Number::Float(1000.0));
    }

    #[test]
    fn a_shortest_number_is_what_it_is_written_as() {
        for text in ["0.5", "-12.25", "947.92", "100.0", "0.0", "0.1", "99999999999999.9", "0.12345678901234"] {
            assert!(is_shortest(text.as_bytes()), "{text}");
        }
        for text in ["1", "0.50", "1e3", "1.5e3", "0.05", "0.00001", "1234567890.1234567", "10.00", "1.2E-3"] {
            assert!(!is_shortest(text.as_bytes()), "{text}");
        }
        let mut random = crate::expr::random::Random::new(1);
        random.start(0);
        for _ in 0..20_000 {
            let text = format!("{}.{}", random.int(0, 99_999_999), random.int(0, 9_999_999));
            if is_shortest(text.as_bytes()) {
                assert_eq!(ryu::Buffer::new().format(text.parse::<f64>().unwrap()), text);
            }
        }
    }

    #[test]
    fn broken_text_ends() {
        for text in ["", "{", "[", "{\"a", "[1,", "\"\\", "{\"a\":", "nul", "[[[", "{\"\\u12", "]", "}", ","] {
            let _ = parse(text);
        }
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        assert_eq!(write(&f64::NAN.into(), &mut String::new()).unwrap_err().code, codes::NOT_FINITE);
        let range = Dynamic::from(0..3i64);
        assert_eq!(write(&range, &mut String::new()).unwrap_err().code, codes::RESULT);
    }
}
