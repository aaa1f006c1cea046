//! Texts as other texts: base64, hexadecimal digits, URLs.

use crate::event::json;

use super::convert::shown;
use super::{Call, Fail, Function, Param, Returned, Run, Types, Value};

const TEXT: Param = Param::new("text", Types::STRING);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "base64_encode",
        &[TEXT],
        Types::STRING,
        "The text's UTF-8 in base64, with padding.",
        (r#"base64_encode("hé")"#, r#""aMOp""#),
        Run::Scalar(base64_encode),
    ),
    Function::new(
        "base64_decode",
        &[TEXT],
        Types::STRING,
        "The text that base64 stands for; both alphabets (`+/` and `-_`) are read, with and without padding. What is no base64, or \
         not UTF-8 inside, is an error.",
        (r#"base64_decode("aMOp")"#, r#""hé""#),
        Run::Scalar(base64_decode),
    ),
    Function::new(
        "hex_encode",
        &[TEXT],
        Types::STRING,
        "The text's UTF-8 in hexadecimal digits.",
        (r#"hex_encode("hé")"#, r#""68c3a9""#),
        Run::Scalar(hex_encode),
    ),
    Function::new(
        "hex_decode",
        &[TEXT],
        Types::STRING,
        "The text that hexadecimal digits stand for.",
        (r#"hex_decode("68c3a9")"#, r#""hé""#),
        Run::Scalar(hex_decode),
    ),
    Function::new(
        "url_encode",
        &[TEXT],
        Types::STRING,
        "The text as a part of a URL: all but letters, digits and `-._~` become `%XX`.",
        (r#"url_encode("a b&c")"#, r#""a%20b%26c""#),
        Run::Scalar(url_encode),
    ),
    Function::new(
        "url_decode",
        &[TEXT],
        Types::STRING,
        "The text with `%XX` read back; a `+` stays a plus.",
        (r#"url_decode("a%20b%26c")"#, r#""a b&c""#),
        Run::Scalar(url_decode),
    ),
];

type Result<T> = std::result::Result<T, Fail>;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    call.room(text.len().div_ceil(3).saturating_mul(4))?;
    for chunk in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4_u32 {
            let index = (bits >> (18 - 6 * at)) as usize & 63;
            call.text.push(if at as usize <= chunk.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    Ok(Returned::Text)
}

fn base64_decode<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    let bytes =
        json::base64_bytes(text.as_bytes()).ok_or_else(|| Fail::argument(format!("{} is no base64", shown(text))))?;
    push_utf8(call, bytes)
}

fn push_utf8<'a>(call: &mut Call, bytes: Vec<u8>) -> Result<Returned<'a>> {
    match std::str::from_utf8(&bytes) {
        Ok(text) => {
            call.room(text.len())?;
            call.text.push_str(text);
            Ok(Returned::Text)
        }
        Err(_) => Err(Fail::argument("what is inside is not UTF-8 text")),
    }
}

/// Writes bytes as lower-case hexadecimal digits.
pub(super) fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
    }
}

fn hex_encode<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    call.room(text.len().saturating_mul(2))?;
    push_hex(&mut call.text, text.as_bytes());
    Ok(Returned::Text)
}

fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

fn hex_decode<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    let pairs = text.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = pairs.map(|pair| hex_byte(*pair.first()?, *pair.get(1)?)).collect();
    let bytes = bytes.ok_or_else(|| Fail::argument(format!("{} is not pairs of hexadecimal digits", shown(text))))?;
    push_utf8(call, bytes)
}

fn url_encode<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            call.text.push(char::from(byte));
        } else {
            call.text.push('%');
            let digits = [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'));
            call.text.extend(digits.map(|digit| digit.to_ascii_uppercase()));
        }
    }
    call.room(call.text.len())?;
    Ok(Returned::Text)
}

fn url_decode<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    if !text.contains('%') {
        return Ok(Value::Str(text).into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let pair = after.split_at_checked(2).and_then(|(pair, after)| Some((hex_byte(pair[0], pair[1])?, after)));
        let Some((byte, after)) = pair else {
            return Err(Fail::argument(format!("a `%` without two hexadecimal digits in {}", shown(text))));
        };
        bytes.push(byte);
        rest = after;
    }
    push_utf8(call, bytes)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fails, gives};
    use super::*;
    use crate::expr::codes;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (text, base64) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("~~?~", "fn4/fg==")]
        {
            gives("base64_encode", &[Value::Str(text)], &format!("{base64:?}"));
            gives("base64_decode", &[Value::Str(base64)], &format!("{text:?}"));
            gives("base64_decode", &[Value::Str(base64.trim_end_matches('='))], &format!("{text:?}"));
        }
        gives("base64_decode", &[Value::Str("fn4_fg")], r#""~~?~""#);
        for text in ["Z", "Zg=", "Z===", "Zm9v=", "Zm 9v", "_____w==", "é"] {
            fails("base64_decode", &[Value::Str(text)], codes::ARGUMENT);
        }
    }

    #[test]
    fn hex_and_urls_read_what_they_write() {
        for text in ["", "hé", "a/b?c=%20+", "\u{0}\n"] {
            for (encode, decode) in [("hex_encode", "hex_decode"), ("url_encode", "url_decode")] {
                let coded: String =
                    serde_json::from_str(&super::super::testing::run(encode, &[Value::Str(text)]).unwrap()).unwrap();
                gives(decode, &[Value::Str(&coded)], &serde_json::to_string(text).unwrap());
            }
        }
        for text in ["f", "fg", "ff", "é"] {
            fails("hex_decode", &[Value::Str(text)], codes::ARGUMENT);
        }
        for text in ["%", "%4", "%zz", "%ff"] {
            fails("url_decode", &[Value::Str(text)], codes::ARGUMENT);
        }
    }
}
