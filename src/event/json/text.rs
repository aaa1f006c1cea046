//! Strings between their JSON form and their value, and JSON on one line.

use std::borrow::Cow;

use super::scan::{hex4, plain_end};

/// The value of a string that JSON wrote with valid escapes, without its quotes: what [`crate::event::Cell::Escaped`] holds.
/// Infallible on what the scanner accepted; an escape that it would refuse becomes U+FFFD.
pub fn unescape(raw: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', raw).is_none() {
        return String::from_utf8_lossy(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(slash) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..slash]);
        let (character, len) = unescape_one(&rest[slash..]);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = rest.get(slash + len..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Cow::Owned(String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The character of the escape at the start of `raw`, and the escape's length.
fn unescape_one(raw: &[u8]) -> (char, usize) {
    match raw.get(1) {
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'n') => ('\n', 2),
        Some(b'r') => ('\r', 2),
        Some(b't') => ('\t', 2),
        Some(b'u') => match (hex4(raw, 2), hex4(raw, 8)) {
            (Some(high @ 0xD800..=0xDBFF), Some(low @ 0xDC00..=0xDFFF)) => {
                let code = 0x1_0000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(low) - 0xDC00);
                (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
            }
            (Some(code), _) => (char::from_u32(code.into()).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            (None, _) => (char::REPLACEMENT_CHARACTER, 6),
        },
        Some(&byte @ (b'"' | b'\\' | b'/')) => (byte as char, 2),
        _ => (char::REPLACEMENT_CHARACTER, 2),
    }
}

/// Writes a string's value with the escapes that JSON demands (quote, backslash, control characters), without quotes.
/// Returns whether it needed any.
#[inline]
pub fn escape_into(out: &mut Vec<u8>, value: &[u8]) -> bool {
    let plain = plain_end(value, 0);
    if plain == value.len() {
        out.extend_from_slice(value);
        return false;
    }
    escape_slow(out, value, plain);
    true
}

#[inline(never)]
fn escape_slow(out: &mut Vec<u8>, value: &[u8], mut plain: usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut from = 0;
    while let Some(&byte) = value.get(plain) {
        out.extend_from_slice(&value[from..plain]);
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
        from = plain + 1;
        plain = plain_end(value, from);
    }
    out.extend_from_slice(&value[from..]);
}

/// Writes a string's value as JSON, with its quotes.
#[inline]
pub fn write_string(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    escape_into(out, value);
    out.push(b'"');
}

/// Writes a valid JSON text without the space between its tokens, so on one line.
pub fn minify(out: &mut Vec<u8>, text: &[u8]) {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            b'"' => {
                let end = string_end(text, at + 1);
                out.extend_from_slice(&text[at..end]);
                at = end;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

/// After the closing quote of the string whose opening quote is before `at`, in valid JSON.
#[inline]
pub(super) fn string_end(text: &[u8], mut at: usize) -> usize {
    loop {
        at = plain_end(text, at);
        match text.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at = (at + 2).min(text.len()),
            Some(_) => at += 1,
            None => return text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_of_every_kind() {
        assert_eq!(unescape(b"plain"), "plain");
        assert_eq!(unescape(br#"\"\\\/\b\f\n\r\t\u0041\ud83d\ude00\u0000."#), "\"\\/\u{8}\u{c}\n\r\tA\u{1f600}\0.");
        assert_eq!(unescape(br"\ud83dx"), "\u{fffd}x");
        assert_eq!(unescape(br"x\"), "x\u{fffd}");
        let mut out = Vec::new();
        minify(&mut out, b" { \"a b\\\" \" : [ 1 ,\n\t2 ] }\r\n");
        assert_eq!(out, b"{\"a b\\\" \":[1,2]}");
    }

    proptest! {
        #[test]
        fn strings_round_trip(value in "\\PC*|[\\x00-\\x7f]{0,40}") {
            let mut ours = Vec::new();
            write_string(&mut ours, value.as_bytes());
            let text = String::from_utf8(ours).unwrap();
            prop_assert_eq!(&serde_json::from_str::<String>(&text).unwrap(), &value);
            prop_assert_eq!(unescape(&text.as_bytes()[1..text.len() - 1]), value.as_str());
        }
    }
}
