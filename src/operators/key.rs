//! Keys of state: values of events as owned bytes, equal exactly where an expression's `==` says so.

use std::collections::BTreeMap;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use crate::event::json::{self, Value};
use crate::event::{BatchBuilder, Cell, Column, Texts};
use crate::limits::KEY_BYTES_MAX;
use crate::state::Keys;

/// Adds a value to a key. The form is self-delimiting, so several values in a row make a key that is equal only to the
/// same values in the same order. It may be kept on disk: changing it changes what stored state means.
///
/// Missing and null are equal, so are `1` and `1.0`, and a string is equal to itself however it was escaped. Objects are
/// equal whatever the order of their fields. Numbers beyond 64 bits are equal where they are written alike.
pub fn append(cell: Cell, texts: &Texts, key: &mut Vec<u8>) {
    match cell {
        Cell::Missing | Cell::Null | Cell::Packed(_) => key.push(0),
        Cell::Bool(value) => key.push(1 + u8::from(value)),
        Cell::Int(value) => append_int(value, key),
        Cell::Float(value) => append_float(value, key),
        Cell::Number(at) => append_number(texts.str(at), key),
        Cell::Str(at) => append_bytes(6, texts.bytes(at), key),
        Cell::Escaped(at) => append_bytes(6, json::unescape(texts.bytes(at)).as_bytes(), key),
        Cell::Json(at) => append_bytes(7, &canonical(texts.bytes(at)), key),
    }
}

/// The keys of these rows, in their order: the values of each in the columns.
pub fn of_rows(columns: &[Column], texts: &Texts, rows: &[u32], keys: &mut Keys) {
    keys.clear();
    for &row in rows {
        keys.push(KEY_BYTES_MAX, |key| {
            let mut floats = 0;
            for (i, column) in columns.iter().enumerate() {
                let Some(cell) = column.cells().get(row as usize) else { continue };
                let at = key.len();
                append(*cell, texts, key);
                // Of the values after the first 32 none says that it was a float.
                floats |= u32::from(is_whole_float(*cell, &key[at..])).checked_shl(i as u32).unwrap_or(0);
            }
            floats
        });
    }
}

/// The values of a key, as cells of the batch in the making: the reverse of `append`. Bit `i` of `floats` says that value `i`,
/// if it is a whole number, was a float; numbers beyond the first 32 values come back as ints.
pub fn cells(key: &[u8], floats: u32, builder: &mut BatchBuilder, out: &mut Vec<Cell>) {
    let mut rest = key;
    let mut place = 0;
    while let Some((&tag, after)) = rest.split_first() {
        let (cell, after) = match tag {
            0 => (Cell::Null, after),
            1 | 2 => (Cell::Bool(tag == 2), after),
            3 => {
                let (bytes, after) = fixed(after);
                let int = i64::from_be_bytes(bytes);
                let was_float = floats.checked_shr(place).unwrap_or(0) & 1 == 1;
                (if was_float { Cell::Float(int as f64) } else { Cell::Int(int) }, after)
            }
            4 => {
                let (bytes, after) = fixed(after);
                (Cell::Float(f64::from_bits(u64::from_be_bytes(bytes))), after)
            }
            _ => {
                let (bytes, after) = counted(after);
                let at = builder.text(bytes);
                let cell = match tag {
                    5 => Cell::Number(at),
                    6 => Cell::Str(at),
                    _ => Cell::Json(at),
                };
                (cell, after)
            }
        };
        out.push(cell);
        rest = after;
        place += 1;
    }
}

/// Appends the values of a key as a JSON array: for people, who may have stored it somewhere else. False, and nothing is appended, where it is no key.
pub fn write_json(key: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut rest = key;
    out.push(b'[');
    while !rest.is_empty() {
        if out.len() > start + 1 {
            out.push(b',');
        }
        let Some(after) = write_json_value(rest, out) else {
            out.truncate(start);
            return false;
        };
        rest = after;
    }
    out.push(b']');
    true
}

/// Appends the first value, and gives what comes after it.
fn write_json_value<'a>(key: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&tag, after) = key.split_first()?;
    match tag {
        0 => out.extend_from_slice(b"null"),
        1 | 2 => out.extend_from_slice(if tag == 2 { b"true" } else { b"false" }),
        3 | 4 => {
            let (bytes, after) = after.split_first_chunk()?;
            if tag == 3 {
                json::write_i64(out, i64::from_be_bytes(*bytes));
            } else if !json::write_f64(out, f64::from_bits(u64::from_be_bytes(*bytes))) {
                out.extend_from_slice(b"null");
            }
            return Some(after);
        }
        5..=7 => {
            let (len, after) = after.split_first_chunk()?;
            let (bytes, after) = after.split_at_checked(u32::from_be_bytes(*len) as usize)?;
            std::str::from_utf8(bytes).ok()?;
            match tag {
                6 => json::write_string(out, bytes),
                _ => out.extend_from_slice(bytes),
            }
            return Some(after);
        }
        _ => return None,
    }
    Some(after)
}

/// Whether these bytes are a key of so many values, as `append` writes it.
pub fn is_sound(key: &[u8], values: usize) -> bool {
    let mut rest = key;
    for _ in 0..values {
        let Some((&tag, after)) = rest.split_first() else { return false };
        let len = match tag {
            0..3 => 0,
            3 | 4 => 8,
            5..8 => match after.split_first_chunk() {
                Some((len, text)) => {
                    let len = u32::from_be_bytes(*len) as usize;
                    if text.get(..len).is_none_or(|text| std::str::from_utf8(text).is_err()) {
                        return false;
                    }
                    4 + len
                }
                None => return false,
            },
            _ => return false,
        };
        let Some(next) = after.get(len..) else { return false };
        rest = next;
    }
    rest.is_empty()
}

/// Whether `append` wrote a value that was a float as the int that it is equal to.
pub fn is_whole_float(cell: Cell, appended: &[u8]) -> bool {
    matches!(cell, Cell::Float(_) | Cell::Number(_)) && appended.first() == Some(&3)
}

fn fixed(bytes: &[u8]) -> ([u8; 8], &[u8]) {
    bytes.split_first_chunk().map_or(([0; 8], &[]), |(first, rest)| (*first, rest))
}

fn counted(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((len, rest)) = bytes.split_first_chunk() else { return (&[], &[]) };
    rest.split_at_checked(u32::from_be_bytes(*len) as usize).unwrap_or((rest, &[]))
}

/// A hash of a key (or of any bytes) that is the same on every machine and in every version of the product.
pub fn hash(bytes: &[u8], seed: u64) -> u64 {
    rapidhash_v3_seeded(bytes, &RapidSecrets::seed_cpp(seed))
}

/// The value as text, for comparing it with a column whose type is not known (every CSV column is text): strings as they
/// are, numbers and bools as JSON writes them, whole floats as ints. `None`: missing and null are equal to nothing.
pub fn text<'a>(cell: Cell, texts: &'a Texts, space: &'a mut String) -> Option<&'a str> {
    space.clear();
    match cell {
        Cell::Missing | Cell::Null | Cell::Packed(_) => return None,
        Cell::Str(at) => return Some(texts.str(at)),
        Cell::Bool(value) => space.push_str(if value { "true" } else { "false" }),
        Cell::Int(value) => space.push_str(itoa::Buffer::new().format(value)),
        Cell::Float(value) => write_float(value, space),
        Cell::Number(at) => match float_of(texts.str(at)) {
            Some(value) => write_float(value, space),
            None => return Some(texts.str(at)),
        },
        Cell::Escaped(at) => space.push_str(&json::unescape(texts.bytes(at))),
        Cell::Json(at) => space.push_str(&String::from_utf8_lossy(&canonical(texts.bytes(at)))),
    }
    Some(space)
}

fn write_float(value: f64, space: &mut String) {
    match whole(value) {
        Some(int) => space.push_str(itoa::Buffer::new().format(int)),
        None => space.push_str(ryu::Buffer::new().format(value)),
    }
}

fn append_int(value: i64, key: &mut Vec<u8>) {
    key.push(3);
    key.extend_from_slice(&value.to_be_bytes());
}

fn append_float(value: f64, key: &mut Vec<u8>) {
    match whole(value) {
        Some(int) => append_int(int, key),
        None => {
            key.push(4);
            // Every NaN is the same one: a key must be equal to itself.
            let value = if value.is_nan() { f64::NAN } else { value };
            key.extend_from_slice(&value.to_bits().to_be_bytes());
        }
    }
}

fn append_number(text: &str, key: &mut Vec<u8>) {
    match float_of(text) {
        Some(value) => append_float(value, key),
        None => append_bytes(5, text.as_bytes(), key),
    }
}

fn append_bytes(tag: u8, bytes: &[u8], key: &mut Vec<u8>) {
    key.push(tag);
    key.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    key.extend_from_slice(bytes);
}

/// The int that a float is, if it is one that both types hold exactly.
fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}

/// A JSON number's text as a float; `None` for what only its text holds: an int beyond 64 bits, a float beyond f64.
fn float_of(text: &str) -> Option<f64> {
    let is_float = text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    text.parse::<f64>().ok().filter(|value| value.is_finite() && (is_float || *value == 0.0))
}

/// The text of an object or array in the one form that is the same for all equal ones: without spaces, fields in order of
/// their names, of duplicate ones the last, whole floats as ints.
#[cold]
fn canonical(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    write_canonical(text, &mut out);
    out
}

/// Nests as deeply as the event does, which is bounded.
fn write_canonical(text: &[u8], out: &mut Vec<u8>) {
    let is_object = text.first() == Some(&b'{');
    out.push(if is_object { b'{' } else { b'[' });
    let inside = out.len();
    let comma = |out: &mut Vec<u8>| {
        if out.len() > inside {
            out.push(b',');
        }
    };
    if is_object {
        let members: BTreeMap<_, _> = json::members(text).collect();
        for (name, value) in members {
            comma(out);
            json::write_string(out, name.as_bytes());
            out.push(b':');
            write_value(value, out);
        }
    } else {
        for value in json::items(text) {
            comma(out);
            write_value(value, out);
        }
    }
    out.push(if is_object { b'}' } else { b']' });
}

fn write_value(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Value::Int(value) => json::write_i64(out, value),
        Value::Number(text) => {
            let text = std::str::from_utf8(text).unwrap_or_default();
            match float_of(text).map(|value| (value, whole(value))) {
                Some((_, Some(int))) => json::write_i64(out, int),
                Some((float, None)) => drop(json::write_f64(out, float)),
                None => out.extend_from_slice(text.as_bytes()),
            }
        }
        Value::Str(raw) => json::write_string(out, raw),
        Value::Escaped(raw) => json::write_string(out, json::unescape(raw).as_bytes()),
        Value::Json(text) => write_canonical(text, out),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::event::TextRef;

    use super::*;

    fn cell(make: fn(TextRef) -> Cell, text: &str, texts: &mut Texts) -> Cell {
        let text = Bytes::copy_from_slice(text.as_bytes());
        let len = text.len() as u32;
        make(TextRef { text: texts.push(text), start: 0, len })
    }

    #[test]
    fn keys_are_equal_where_values_are() {
        let mut texts = Texts::default();
        let t = &mut texts;
        let groups = [
            vec![Cell::Missing, Cell::Null],
            vec![Cell::Bool(true)],
            vec![Cell::Int(1), Cell::Float(1.0), cell(Cell::Number, "1.0", t), cell(Cell::Number, "10e-1", t)],
            vec![Cell::Int(0), Cell::Float(-0.0), cell(Cell::Number, "-0", t), cell(Cell::Number, "-0.0", t)],
            vec![Cell::Float(0.5), cell(Cell::Number, "0.50", t)],
            vec![cell(Cell::Str, "1", t)],
            vec![cell(Cell::Str, "ab", t), cell(Cell::Escaped, "a\\u0062", t)],
            vec![cell(Cell::Number, "9223372036854775808", t)],
            vec![cell(Cell::Number, "9223372036854775809", t)],
            vec![
                cell(Cell::Json, r#"{"a": 1, "b": [2, "x"]}"#, t),
                cell(Cell::Json, r#"{"b":[2.0,"\u0078"],"a":0,"a":1}"#, t),
            ],
            vec![cell(Cell::Json, r#"{"a":9223372036854775808}"#, t)],
            vec![cell(Cell::Json, r#"{"a":9223372036854775809}"#, t)],
            vec![cell(Cell::Json, "{}", t)],
            vec![cell(Cell::Json, "[]", t), cell(Cell::Json, "[ ]", t)],
        ];
        let key = |cell: Cell| {
            let mut key = Vec::new();
            append(cell, &texts, &mut key);
            key
        };
        for (i, group) in groups.iter().enumerate() {
            for (j, other) in groups.iter().enumerate() {
                let equal = group.iter().all(|a| other.iter().all(|b| key(*a) == key(*b)));
                assert_eq!(equal, i == j, "{group:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_key_gives_its_values_back() {
        let mut texts = Texts::default();
        let t = &mut texts;
        let text = cell(Cell::Str, "ab", t);
        let written =
            [Cell::Null, Cell::Bool(true), Cell::Int(7), Cell::Float(7.0), Cell::Float(0.5), text, Cell::Int(-1)];
        let mut key = Vec::new();
        let mut floats = 0;
        for (i, cell) in written.iter().enumerate() {
            let at = key.len();
            append(*cell, t, &mut key);
            floats |= u32::from(is_whole_float(*cell, &key[at..])) << i;
        }
        let mut builder = BatchBuilder::new(std::sync::Arc::new(crate::event::Layout::fields([])));
        let mut got = Vec::new();
        cells(&key, floats, &mut builder, &mut got);
        assert_eq!(got, written);
        let mut text = Vec::new();
        assert!(write_json(&key, &mut text) && !write_json(&key[..key.len() - 1], &mut text));
        assert_eq!(String::from_utf8_lossy(&text), r#"[null,true,7,7,0.5,"ab",-1]"#);
        assert!(is_sound(&key, 7) && is_sound(b"", 0));
        assert!(!is_sound(&key, 6) && !is_sound(&key, 8) && !is_sound(b"\x06\0\0\0\x01\xff", 1));
        assert!((0..key.len()).all(|end| !is_sound(&key[..end], 7)));
    }

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        let mut texts = Texts::default();
        let [a, ab, b, bc] = ["a", "ab", "b", "bc"].map(|text| cell(Cell::Str, text, &mut texts));
        let mut keys = [Vec::new(), Vec::new()];
        [ab, b].into_iter().for_each(|cell| append(cell, &texts, &mut keys[0]));
        [a, bc].into_iter().for_each(|cell| append(cell, &texts, &mut keys[1]));
        assert_ne!(keys[0], keys[1]);
    }

    #[test]
    fn the_hash_is_fixed() {
        assert_eq!(hash(b"user-17", 0), 3_970_598_186_392_836_551, "stored state and partitions depend on it");
        assert_ne!(hash(b"user-17", 0), hash(b"user-17", 1));
    }

    #[test]
    fn text_compares_across_types() {
        let mut texts = Texts::default();
        let seven = cell(Cell::Str, "7", &mut texts);
        let seven_float = cell(Cell::Number, "7.0", &mut texts);
        let mut space = String::new();
        for same in [Cell::Int(7), Cell::Float(7.0), seven, seven_float] {
            assert_eq!(text(same, &texts, &mut space), Some("7"));
        }
        assert_eq!(text(Cell::Null, &texts, &mut space), None);
        assert_eq!(text(Cell::Float(0.25), &texts, &mut space), Some("0.25"));
    }
}
