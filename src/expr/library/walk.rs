//! Reads and writes the JSON text of arrays and objects without building values. The text that is read is valid already;
//! on text that is not, these functions end early and never panic.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Call, Fail, Returned, Value, codes};
use crate::expr::json::{self, Number};

/// The items of an array, each as its own text.
pub(super) fn items(array: &str) -> Items<'_> {
    Items { text: array, at: 1 }
}

/// The fields of an object as they are written, doubles included: the raw name without its quotes, and the value's text.
pub(super) fn fields(object: &str) -> Fields<'_> {
    Fields { text: object, at: 1 }
}

pub(super) struct Items<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let start = skip_space(self.text, self.at, true);
        let end = value_end(self.text, start)?;
        self.at = end;
        self.text.get(start..end)
    }
}

pub(super) struct Fields<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let start = skip_space(self.text, self.at, true);
        let end = value_end(self.text, start)?;
        let name = self.text.get(start + 1..end - 1)?;
        let start = skip_space(self.text, end, true);
        let end = value_end(self.text, start)?;
        self.at = end;
        Some((name, self.text.get(start..end)?))
    }
}

/// The text of the field of this name; of several the last, as everywhere.
pub(super) fn field<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    fields(object).filter(|(raw, _)| *unescaped(raw) == *name).map(|(_, value)| value).last()
}

/// The fields of an object sorted by name, each name once, as Rhai's maps are.
pub(super) fn sorted(object: &str) -> BTreeMap<Cow<'_, str>, &str> {
    fields(object).map(|(raw, value)| (unescaped(raw), value)).collect()
}

/// Past white space, and past the commas and colons between values.
fn skip_space(text: &str, from: usize, separators: bool) -> usize {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    let blank = |byte: &u8| byte.is_ascii_whitespace() || (separators && matches!(byte, b',' | b':'));
    from + rest.iter().take_while(|byte| blank(byte)).count()
}

/// The end of the value that starts at `from`; `None` where no value starts.
fn value_end(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes.get(from)? {
        b'"' => string_end(bytes, from),
        b'[' | b'{' => {
            let mut depth = 0_usize;
            let mut at = from;
            loop {
                match bytes.get(at)? {
                    b'"' => at = string_end(bytes, at)? - 1,
                    b'[' | b'{' => depth += 1,
                    b']' | b'}' if depth == 1 => return Some(at + 1),
                    b']' | b'}' => depth -= 1,
                    _ => {}
                }
                at += 1;
            }
        }
        b']' | b'}' => None,
        _ => {
            let rest = bytes.get(from..)?;
            let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}');
            Some(from + rest.iter().position(ends).unwrap_or(rest.len()))
        }
    }
}

fn string_end(bytes: &[u8], quote: usize) -> Option<usize> {
    let mut at = quote + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The value of a string as JSON wrote it between its quotes.
pub(super) fn unescaped(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut value = String::with_capacity(raw.len());
    json::unescape(raw, &mut value);
    Cow::Owned(value)
}

/// What a value's text stands for. A string with escapes is given back as its raw text in `Err`.
pub(super) fn value(text: &str) -> Result<Value<'_>, &str> {
    Ok(match text.as_bytes().first() {
        None | Some(b'n') => Value::Unit,
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'[') => Value::Array(text),
        Some(b'{') => Value::Object(text),
        Some(b'"') => {
            let raw = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
            if raw.contains('\\') {
                return Err(raw);
            }
            Value::Str(raw)
        }
        Some(_) => match json::number(text) {
            Number::Int(int) => Value::Int(int),
            Number::Float(float) => Value::Float(float),
            Number::Big => Value::Big(text),
        },
    })
}

/// A value's text as the result of a function: a part of the argument, or its unescaped string in `out`.
pub(super) fn returned<'a>(text: &'a str, out: &mut String) -> Returned<'a> {
    match value(text) {
        Ok(value) => Returned::Value(value),
        Err(raw) => {
            out.push_str(&unescaped(raw));
            Returned::Text
        }
    }
}

/// Whether a value's text stands for this value, as `==` has it: ints and floats compare by value, arrays item by item.
pub(super) fn equals(text: &str, wanted: &Value<'_>) -> bool {
    match (value(text), *wanted) {
        (Err(raw), Value::Str(wanted)) => *unescaped(raw) == *wanted,
        (Err(_), _) => false,
        (Ok(Value::Int(int)), Value::Float(float)) | (Ok(Value::Float(float)), Value::Int(int)) => int as f64 == float,
        (Ok(Value::Array(_)), Value::Array(wanted)) | (Ok(Value::Object(_)), Value::Object(wanted)) => {
            identity(text) == identity(wanted)
        }
        (Ok(have), wanted) => have == wanted,
    }
}

/// A text that is the same for two values exactly if they are equal.
pub(super) fn identity(text: &str) -> String {
    let mut out = String::new();
    push_canonical(&mut out, text, true, 0);
    out
}

/// The int of the same value as this float.
pub(super) fn whole(x: f64) -> Option<i64> {
    // 2^63 itself is a float but no i64; -2^63 is both.
    const END: f64 = 9_223_372_036_854_775_808.0;
    ((-END..END).contains(&x) && x.fract() == 0.0).then_some(x as i64)
}

/// Nesting up to which values are rewritten; what is deeper stays as it is written. No event is nested so deep.
const NESTING_MAX: usize = 2 * crate::limits::JSON_DEPTH_MAX;

/// Writes a value without white space, its fields sorted and each once, its numbers and strings in one form. `by_value`
/// writes a whole float as the int that it equals.
pub(super) fn push_canonical(out: &mut String, text: &str, by_value: bool, depth: usize) {
    if depth > NESTING_MAX {
        return out.push_str(text);
    }
    match value(text) {
        Err(raw) => push_str(out, &unescaped(raw)),
        Ok(Value::Str(text)) => push_str(out, text),
        Ok(Value::Float(x)) => match whole(x).filter(|_| by_value) {
            Some(int) => json::write_int(int, out),
            None => out.push_str(ryu::Buffer::new().format(x)),
        },
        Ok(Value::Int(x)) => json::write_int(x, out),
        Ok(Value::Array(array)) => {
            out.push('[');
            for (index, item) in items(array).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_canonical(out, item, by_value, depth + 1);
            }
            out.push(']');
        }
        Ok(Value::Object(object)) => {
            out.push('{');
            for (index, (name, value)) in sorted(object).iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_str(out, name);
                out.push(':');
                push_canonical(out, value, by_value, depth + 1);
            }
            out.push('}');
        }
        Ok(Value::Unit | Value::Bool(_) | Value::Big(_)) => out.push_str(text),
    }
}

/// Writes an argument as JSON. NaN and infinity have no form in JSON.
pub(super) fn push_value(out: &mut String, value: &Value<'_>) -> Result<(), Fail> {
    match value {
        Value::Unit => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(x) => json::write_int(*x, out),
        Value::Float(x) => json::write_float(*x, out)?,
        Value::Str(text) => push_str(out, text),
        Value::Big(text) | Value::Array(text) | Value::Object(text) => out.push_str(text),
    }
    Ok(())
}

/// Writes a string as JSON.
pub(super) fn push_str(out: &mut String, text: &str) {
    json::write_string(text, out);
}

/// Makes an array of what `push` writes for each item, up to the limit on arrays.
pub(super) fn array<'a, T>(
    call: &mut Call,
    items: impl Iterator<Item = T>,
    mut push: impl FnMut(&mut String, T) -> Result<(), Fail>,
) -> Result<Returned<'a>, Fail> {
    call.text.push('[');
    for (index, item) in items.enumerate() {
        if index >= call.limits.array {
            let message =
                format!("an array of more than {} items is over the limit (`limits.array`)", call.limits.array);
            return Err(Fail::new(codes::LIMIT, message));
        }
        if index > 0 {
            call.text.push(',');
        }
        push(&mut call.text, item)?;
    }
    call.text.push(']');
    Ok(Returned::Json)
}

/// Makes an array of items that are JSON already.
pub(super) fn array_of<'a, 't>(call: &mut Call, items: impl Iterator<Item = &'t str>) -> Result<Returned<'a>, Fail> {
    array(call, items, |out, item| {
        out.push_str(item);
        Ok(())
    })
}

/// Makes an array of strings.
pub(super) fn strings<'a, 't>(call: &mut Call, texts: impl Iterator<Item = &'t str>) -> Result<Returned<'a>, Fail> {
    array(call, texts, |out, text| {
        push_str(out, text);
        Ok(())
    })
}

/// Makes an object of names and values that are JSON already, up to the limit on objects.
pub(super) fn object<'a, 't, N: AsRef<str>>(
    call: &mut Call,
    fields: impl Iterator<Item = (N, &'t str)>,
) -> Result<Returned<'a>, Fail> {
    call.text.push('{');
    for (index, (name, value)) in fields.enumerate() {
        if index >= call.limits.map {
            let message = format!("an object of more than {} fields is over the limit (`limits.map`)", call.limits.map);
            return Err(Fail::new(codes::LIMIT, message));
        }
        if index > 0 {
            call.text.push(',');
        }
        push_str(&mut call.text, name.as_ref());
        call.text.push(':');
        call.text.push_str(value);
    }
    call.text.push('}');
    Ok(Returned::Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_fields_are_found_in_any_layout() {
        let array = r#" [1 , "a,]\"" ,[2,[3]], {"x":"}"},null , -1.5e3 ] "#.trim();
        assert_eq!(items(array).collect::<Vec<_>>(), ["1", r#""a,]\"""#, "[2,[3]]", r#"{"x":"}"}"#, "null", "-1.5e3"]);
        assert_eq!(items("[]").count() + items("[ ]").count() + fields("{ }").count(), 0);
        let object = r#"{ "a" : 1, "b\n":[1,2] ,"a": "last" }"#;
        assert_eq!(field(object, "a"), Some("\"last\""));
        assert_eq!(field(object, "b\n"), Some("[1,2]"));
        assert_eq!(field(object, "c"), None);
    }

    #[test]
    fn broken_text_ends_early() {
        for text in ["", "[", "[\"", "[\"\\", "{\"a", "{\"a\":", "[[", "{\"a\"}"] {
            assert!(items(text).count() <= 1 && fields(text).count() <= 1, "{text}");
        }
    }

    #[test]
    fn scalars_are_read_and_written() {
        assert_eq!(value("12"), Ok(Value::Int(12)));
        assert_eq!(value("1.0"), Ok(Value::Float(1.0)));
        assert_eq!(value("92233720368547758070"), Ok(Value::Big("92233720368547758070")));
        assert_eq!(identity(r#"{"b":1.0, "a":["x" ,2.5e0],"b":1}"#), r#"{"a":["x",2.5],"b":1}"#);
        assert!(equals("[1, 2]", &Value::Array("[1.0,2]")) && !equals("[1]", &Value::Array("[1,2]")));
        assert!(equals("1.0", &Value::Int(1)) && equals(r#""\u0061""#, &Value::Str("a")));
        let mut out = String::new();
        push_str(&mut out, "a\"\\\n\u{1}é");
        assert_eq!(out, r#""a\"\\\n\u0001é""#);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "a\"\\\n\u{1}é");
    }
}
