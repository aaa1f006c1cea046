//! serde_json and csv-core, the parser of the `csv` crate, as the references for what a text is and says.

use std::cell::RefCell;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use serde_json::{Map, Value};

/// The value of a text, whatever its depth. Numbers beyond f64 are made smaller first (see [`tame`]), as serde_json refuses them.
pub fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let tamed = tame(text);
    let mut deserializer = serde_json::Deserializer::from_slice(&tamed);
    deserializer.disable_recursion_limit();
    let value = serde::Deserialize::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// The value of a text that is known to be an object.
pub fn object(text: &[u8]) -> Map<String, Value> {
    match parse(text) {
        Ok(Value::Object(map)) => map,
        other => panic!("{}: {other:?}", String::from_utf8_lossy(text)),
    }
}

/// The text with the numbers that f64 cannot hold, or barely, made smaller: the digits of their exponents become zeros, and of more
/// than 40 digits before the point only as many stay. What is a number stays one, and what is none does not become one. So the value of
/// such numbers is not compared, only that they are accepted and where they are.
pub fn tame(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let end = match byte {
            b'"' => string_end(text, at),
            b'0'..=b'9' => at + text[at..].iter().take_while(|byte| b"0123456789+-.eE".contains(byte)).count(),
            _ => at + 1,
        };
        let token = &text[at..end];
        let value: Option<f64> = std::str::from_utf8(token).ok().and_then(|token| token.parse().ok());
        match value {
            Some(value) if byte != b'"' && value.abs() > 1e300 => shrink(token, &mut out),
            _ => out.extend_from_slice(token),
        }
        at = end;
    }
    out
}

fn shrink(number: &[u8], out: &mut Vec<u8>) {
    let exponent = number.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(number.len());
    let whole = number.iter().position(|byte| *byte == b'.').unwrap_or(exponent).min(exponent);
    out.extend_from_slice(&number[..whole.min(40)]);
    out.extend_from_slice(&number[whole..exponent]);
    out.extend(number[exponent..].iter().map(|byte| if byte.is_ascii_digit() { b'0' } else { *byte }));
}

fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match text.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at = (at + 2).min(text.len()),
            Some(_) => at += 1,
            None => return text.len(),
        }
    }
}

/// The most brackets that are open at once, those in strings not counted. Exact for valid JSON.
pub fn nesting(text: &[u8]) -> usize {
    let (mut open, mut most, mut at) = (0_usize, 0, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = string_end(text, at);
                continue;
            }
            b'{' | b'[' => open += 1,
            b'}' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
        at += 1;
    }
    most
}

/// The text without the space between its tokens.
pub fn minify(text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        let end = if *byte == b'"' { string_end(text, at) } else { at + 1 };
        if !b" \t\r\n".contains(byte) {
            out.extend_from_slice(&text[at..end]);
        }
        at = end;
    }
    out
}

/// The value at a path.
pub fn get<'a>(event: &'a Map<String, Value>, path: &[std::sync::Arc<str>]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(event.get(&**first)?, |value, name| value.get(&**name))
}

thread_local! {
    /// Made once: it compiles its states, which takes longer than to read an input.
    static CSV: RefCell<Reader> = RefCell::new(ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build());
}

/// The records of a CSV text whose lines end with LF, of any number of fields. A byte order mark before the first is dropped.
pub fn records(mut text: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let (mut bytes, mut ends) = (vec![0; text.len() + 1], vec![0; text.len() + 2]);
    let (mut written, mut fields, mut records) = (0, 0, Vec::new());
    CSV.with_borrow_mut(|reader| {
        reader.reset();
        loop {
            let (result, read, more, ended) = reader.read_record(text, &mut bytes[written..], &mut ends[fields..]);
            (text, written, fields) = (&text[read..], written + more, fields + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::End => return records,
                ReadRecordResult::Record => {
                    let starts = std::iter::once(0).chain(ends.iter().copied());
                    records.push(starts.zip(&ends[..fields]).map(|(start, &end)| bytes[start..end].to_vec()).collect());
                    (written, fields) = (0, 0);
                }
                full => panic!("{full:?}: unquoting only shrinks"),
            }
        }
    })
}
