//! The strict JSON scanner: the full grammar of RFC 8259 over bytes that are valid UTF-8, in one pass, without
//! building anything. What it accepts can be unescaped, copied and cut later without an error.

use super::block::{BLOCK, Block};
use super::fault::{Fault, Why};

/// Checks that a text is one JSON value of at most `depth_max` levels, with nothing but space around it.
/// The text must be valid UTF-8. Returns where the value starts and ends.
pub fn check_value(text: &[u8], depth_max: usize) -> Result<std::ops::Range<usize>, Fault> {
    let start = skip_space(text, 0);
    if start == text.len() {
        return Err(Fault::new(start, Why::Empty));
    }
    let end = skip_value(text, start, 0, depth_max)?;
    let rest = skip_space(text, end);
    if rest < text.len() {
        return Err(Fault::new(rest, Why::Trailing));
    }
    Ok(start..end)
}

/// The next byte that is not space.
#[inline(always)]
pub(in crate::event) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// Eight bytes of the text as a number, the first byte lowest.
#[inline(always)]
fn word(text: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*text.get(at..)?.first_chunk::<8>()?))
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that ends a run of plain characters: a quote, a backslash, a control character. Exact for
/// the lowest such byte; higher ones may be marked wrongly by its borrow.
/// (The zero-byte test of Mycroft, 1987; see Warren, Hacker's Delight, 6-1.)
#[inline(always)]
pub(super) fn specials(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let slash = word ^ (ONES * b'\\' as u64);
    let found = (quote.wrapping_sub(ONES) & !quote)
        | (slash.wrapping_sub(ONES) & !slash)
        | (word.wrapping_sub(ONES * 0x20) & !word);
    found & HIGHS
}

/// The first quote, backslash or control character at or after `at`, or the end of the text.
#[inline(always)]
pub(in crate::event) fn plain_end(text: &[u8], mut at: usize) -> usize {
    while let Some(block) = Block::at(text, at) {
        let found = block.specials();
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += BLOCK;
    }
    plain_end_of_few(text, at)
}

/// The same for less than a block.
fn plain_end_of_few(text: &[u8], mut at: usize) -> usize {
    while let Some(word) = word(text, at) {
        let found = specials(word);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = text.get(at)
        && byte >= 0x20
        && byte != b'"'
        && byte != b'\\'
    {
        at += 1;
    }
    at
}

/// Scans a string whose opening quote is before `at`: where its closing quote is, and whether it has escapes.
#[inline(always)]
pub(in crate::event) fn string(text: &[u8], at: usize) -> Result<(usize, bool), Fault> {
    match Block::at(text, at) {
        Some(block) => string_of(block, text, at),
        None => long_string(text, at),
    }
}

/// The same where the block at `at` is at hand.
#[inline(always)]
pub(in crate::event) fn string_of(block: Block<'_>, text: &[u8], at: usize) -> Result<(usize, bool), Fault> {
    let plain = block.specials().trailing_zeros() as usize;
    if plain >= BLOCK {
        return long_string(text, at + BLOCK);
    }
    match block.byte(plain) {
        b'"' => Ok((at + plain, false)),
        _ => string_with_escapes(text, at + plain),
    }
}

/// The same where no special byte comes before `at`.
#[inline(never)]
fn long_string(text: &[u8], at: usize) -> Result<(usize, bool), Fault> {
    let end = plain_end(text, at);
    match text.get(end) {
        Some(b'"') => Ok((end, false)),
        _ => string_with_escapes(text, end),
    }
}

#[inline(never)]
fn string_with_escapes(text: &[u8], mut at: usize) -> Result<(usize, bool), Fault> {
    loop {
        match text.get(at) {
            Some(b'"') => return Ok((at, true)),
            Some(b'\\') => at = escape(text, at)?,
            _ => return Err(Fault::unexpected(text, at, Why::Control)),
        }
        at = plain_end(text, at);
    }
}

/// Checks the escape whose backslash is at `at`; returns what follows it.
fn escape(text: &[u8], at: usize) -> Result<usize, Fault> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match hex4(text, at + 2) {
            Some(0xDC00..=0xDFFF) => Err(Fault::new(at, Why::Surrogate)),
            Some(0xD800..=0xDBFF) => {
                let paired =
                    text.get(at + 6..at + 8) == Some(b"\\u") && matches!(hex4(text, at + 8), Some(0xDC00..=0xDFFF));
                if paired { Ok(at + 12) } else { Err(Fault::new(at, Why::Surrogate)) }
            }
            Some(_) => Ok(at + 6),
            None => Err(Fault::new(at, if at + 6 > text.len() { Why::CutOff } else { Why::Escape })),
        },
        Some(_) => Err(Fault::new(at, Why::Escape)),
        None => Err(Fault::new(at + 1, Why::CutOff)),
    }
}

/// The number that four hex digits stand for.
pub(super) fn hex4(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 4)?;
    digits.iter().try_fold(0u16, |value, &digit| Some(value << 4 | (digit as char).to_digit(16)? as u16))
}

/// Scans a number: its end, and whether it is written as an int (no fraction, no exponent).
#[inline(always)]
pub(in crate::event) fn number(text: &[u8], start: usize) -> Result<(usize, bool), Fault> {
    match Block::at(text, start) {
        Some(block) => number_of(block, text, start),
        None => any_number(text, start),
    }
}

/// The same where the block at `start` is at hand.
#[inline(always)]
pub(in crate::event) fn number_of(block: Block<'_>, text: &[u8], start: usize) -> Result<(usize, bool), Fault> {
    match short_number(block) {
        Some((len, int)) => Ok((start + len, int)),
        None => any_number(text, start),
    }
}

/// The length of a number that ends within its block and has no exponent, and whether it is an int.
#[inline(always)]
fn short_number(block: Block<'_>) -> Option<(usize, bool)> {
    let sign = usize::from(block.byte(0) == b'-');
    let others = block.no_digits() & !(sign as u32);
    let end = others.trailing_zeros() as usize;
    let zero = block.byte(sign) == b'0' && end > sign + 1;
    if end == sign || end >= BLOCK || zero {
        return None;
    }
    let (end, int) = match block.byte(end) {
        b'.' if others & (2 << end) == 0 => ((others & (others - 1)).trailing_zeros() as usize, false),
        b'.' => return None,
        _ => (end, true),
    };
    (end < BLOCK && block.byte(end) | 0x20 != b'e').then_some((end, int))
}

#[inline(never)]
fn any_number(text: &[u8], start: usize) -> Result<(usize, bool), Fault> {
    let first = start + usize::from(text.get(start) == Some(&b'-'));
    let mut at = digits(text, first);
    if at == first || (text.get(first) == Some(&b'0') && at > first + 1) {
        return Err(Fault::unexpected(text, at.min(first + 1), Why::Number));
    }
    match text.get(at) {
        Some(b'.' | b'e' | b'E') => {}
        _ => return Ok((at, true)),
    }
    if text.get(at) == Some(&b'.') {
        let from = at + 1;
        at = digits(text, from);
        if at == from {
            return Err(Fault::unexpected(text, at, Why::Number));
        }
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let from = at + 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits(text, from);
        if at == from {
            return Err(Fault::unexpected(text, at, Why::Number));
        }
    }
    Ok((at, false))
}

/// The first byte at or after `at` that is no digit, eight bytes at a time: the lengths of numbers are hard to foresee,
/// so a branch a digit costs more than the arithmetic.
#[inline(always)]
fn digits(text: &[u8], mut at: usize) -> usize {
    while let Some(word) = word(text, at) {
        let values = word ^ (ONES * b'0' as u64);
        let others = (values.wrapping_add(ONES * (0x80 - 10)) | values) & HIGHS;
        if others != 0 {
            return at + (others.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    at
}

/// Scans `true`, `false` or `null`.
#[inline(always)]
pub(in crate::event) fn literal(text: &[u8], at: usize) -> Result<usize, Fault> {
    match text.get(at) {
        Some(b't') if text.get(at..at + 4) == Some(b"true") => Ok(at + 4),
        Some(b'n') if text.get(at..at + 4) == Some(b"null") => Ok(at + 4),
        Some(b'f') if text.get(at..at + 5) == Some(b"false") => Ok(at + 5),
        _ => Err(bad_literal(text, at)),
    }
}

#[cold]
fn bad_literal(text: &[u8], at: usize) -> Fault {
    let rest = text.get(at..).unwrap_or_default();
    let cut = [&b"true"[..], b"false", b"null"].iter().any(|word| word.starts_with(rest));
    Fault::new(at, if cut { Why::CutOff } else { Why::Value })
}

/// Scans a field name, whose opening quote must be at `at`, its colon, and space: where the name ends, whether it has
/// escapes, and where the value starts.
#[inline(always)]
pub(in crate::event) fn key(text: &[u8], at: usize) -> Result<(usize, bool, usize), Fault> {
    if text.get(at) != Some(&b'"') {
        return Err(Fault::unexpected(text, at, Why::Key));
    }
    let (end, escaped) = string(text, at + 1)?;
    let colon = skip_space(text, end + 1);
    if text.get(colon) != Some(&b':') {
        return Err(Fault::unexpected(text, colon, Why::Colon));
    }
    Ok((end, escaped, skip_space(text, colon + 1)))
}

/// Scans the value at `at`, which is inside `depth` objects and arrays. Returns what follows it.
#[inline(always)]
pub(in crate::event) fn skip_value(text: &[u8], at: usize, depth: usize, depth_max: usize) -> Result<usize, Fault> {
    match text.get(at) {
        Some(b'{' | b'[') => skip_nested(text, at, depth, depth_max),
        _ => skip_value_flat(text, at),
    }
}

/// Scans the object or array at `at` without recursion: a bit a level remembers which of the two it is.
fn skip_nested(text: &[u8], mut at: usize, depth: usize, depth_max: usize) -> Result<usize, Fault> {
    let levels = depth_max.min(u128::BITS as usize).saturating_sub(depth);
    let mut objects = 0u128;
    let mut open = 0usize;
    loop {
        let opener = text.get(at).copied();
        if let Some(b'{' | b'[') = opener {
            if open == levels {
                return Err(Fault::new(at, Why::Depth));
            }
            let object = opener == Some(b'{');
            objects = objects << 1 | u128::from(object);
            open += 1;
            at = skip_space(text, at + 1);
            match text.get(at) {
                Some(b'}') if object => {}
                Some(b']') if !object => {}
                _ if object => {
                    at = key(text, at)?.2;
                    continue;
                }
                _ => continue,
            }
        } else {
            at = skip_value_flat(text, at)?;
        }
        loop {
            if open == 0 {
                return Ok(at);
            }
            at = skip_space(text, at);
            let object = objects & 1 == 1;
            match text.get(at) {
                Some(b',') => {
                    at = skip_space(text, at + 1);
                    if object {
                        at = key(text, at)?.2;
                    }
                    break;
                }
                Some(b'}') if object => {}
                Some(b']') if !object => {}
                _ => {
                    let why = if object { Why::CommaOrBrace } else { Why::CommaOrBracket };
                    return Err(Fault::unexpected(text, at, why));
                }
            }
            objects >>= 1;
            open -= 1;
            at += 1;
        }
    }
}

/// Scans a value that is no object and no array. Returns what follows it.
#[inline(always)]
pub(in crate::event) fn skip_value_flat(text: &[u8], at: usize) -> Result<usize, Fault> {
    match text.get(at) {
        Some(b'"') => Ok(string(text, at + 1)?.0 + 1),
        Some(b'-' | b'0'..=b'9') => Ok(number(text, at)?.0),
        _ => literal(text, at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (u32, Why) {
        let fault = check_value(text.as_bytes(), 128).expect_err(text);
        (fault.at, fault.why)
    }

    #[test]
    fn the_grammar_is_strict() {
        for good in [
            "{}",
            "[]",
            " [ ] ",
            "0",
            "-0",
            "-0.0e+10",
            "1E5",
            "\"\"",
            "null",
            "{\"a\" : [1 , {\"b\":\"\\ud83d\\ude00\"}]}\r\n",
            "\"\u{7f}\u{e9}\"",
            "[[],{},\"x\",true]",
            "123456789012345678901234567890",
        ] {
            assert!(check_value(good.as_bytes(), 128).is_ok(), "{good}");
        }
        assert_eq!(fault(""), (0, Why::Empty));
        assert_eq!(fault("  "), (2, Why::Empty));
        assert_eq!(fault("{"), (1, Why::CutOff));
        assert_eq!(fault("{\"a\""), (4, Why::CutOff));
        assert_eq!(fault("{\"a\":"), (5, Why::CutOff));
        assert_eq!(fault("{\"a\":tru"), (5, Why::CutOff));
        assert_eq!(fault("{a:1}"), (1, Why::Key));
        assert_eq!(fault("{\"a\" 1}"), (5, Why::Colon));
        assert_eq!(fault("{\"a\":1,}"), (7, Why::Key));
        assert_eq!(fault("[1,]"), (3, Why::Value));
        assert_eq!(fault("[1 2]"), (3, Why::CommaOrBracket));
        assert_eq!(fault("[1}"), (2, Why::CommaOrBracket));
        assert_eq!(fault("01"), (1, Why::Number));
        assert_eq!(fault("-"), (1, Why::CutOff));
        assert_eq!(fault("1.x"), (2, Why::Number));
        assert_eq!(fault("1e"), (2, Why::CutOff));
        assert_eq!(fault("+1"), (0, Why::Value));
        assert_eq!(fault("NaN"), (0, Why::Value));
        assert_eq!(fault("\"a\nb\""), (2, Why::Control));
        assert_eq!(fault("\"a\0\""), (2, Why::Control));
        assert_eq!(fault("\"abcdefgh\\x\""), (9, Why::Escape));
        assert_eq!(fault("\"\\u12g4\""), (1, Why::Escape));
        assert_eq!(fault("\"\\u12"), (1, Why::CutOff));
        assert_eq!(fault("\"\\ud800\""), (1, Why::Surrogate));
        assert_eq!(fault("\"\\ud800\\u0041\""), (1, Why::Surrogate));
        assert_eq!(fault("\"\\ude00\""), (1, Why::Surrogate));
        assert_eq!(fault("{} {}"), (3, Why::Trailing));
        assert_eq!(fault("\u{feff}{}"), (0, Why::Value));
    }

    #[test]
    fn depth_counts_from_the_event() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(check_value(nested(128).as_bytes(), 128).is_ok());
        assert_eq!(fault(&nested(129)), (128, Why::Depth));
        assert_eq!(fault(&"[".repeat(100_000)), (128, Why::Depth));
        assert_eq!(fault(&"{\"a\":".repeat(100_000)), (5 * 128, Why::Depth));
        assert!(check_value(b"[[]]", 1).is_err());
    }

    #[test]
    fn messages_name_the_place_and_the_character() {
        let fault = check_value("{\"é\":é}".as_bytes(), 128).expect_err("é is no value");
        assert_eq!(fault.message("{\"é\":é}".as_bytes(), 128), "byte 7: expected a value, found `é`");
        let text = br#"{"a":"\ud83d."}"#;
        let fault = check_value(text, 128).expect_err("half a character");
        assert_eq!(fault.message(text, 128), "byte 7: a lone surrogate escape is half a character, found `\\ud83d`");
    }
}
