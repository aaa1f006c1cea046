//! Numbers: which JSON numbers are ints, what the others are worth, and how both are written.

use crate::event::{Cell, TextRef};

use super::block::{ALL, BLOCK, Block};

/// The cell of a number's text (checked before; `at` is its place): an `Int` where it is written as an i64, else the text.
/// `-0` is no int: as one it would lose its sign.
#[inline]
pub fn classify_number(text: &[u8], int: bool, at: TextRef) -> Cell {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !int {
        return Cell::Number(at);
    }
    if digits.len() > 18 {
        return match std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
            Some(value) => Cell::Int(value),
            None => Cell::Number(at),
        };
    }
    let (eights, rest) = digits.as_chunks::<8>();
    let value = eights.iter().fold(0i64, |value, eight| value * 100_000_000 + eight_digits(eight));
    let value = rest.iter().fold(value, |value, digit| value * 10 + i64::from(digit & 0x0f));
    match (negative, value) {
        (false, value) => Cell::Int(value),
        (true, 0) => Cell::Number(at),
        (true, value) => Cell::Int(-value),
    }
}

/// The value of eight digits: pairs, then fours, then all of them in one word.
/// (Johnny Lee's way, see Lemire, "Quickly parsing eight digits", 2018.)
#[inline(always)]
fn eight_digits(digits: &[u8; 8]) -> i64 {
    let word = u64::from_le_bytes(*digits) & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (word * 10 + (word >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    ((fours * 10_000 + (fours >> 32)) & 0xffff_ffff) as i64
}

/// What a number's text is worth as a float; `None` beyond the range of f64, and for what is no number.
pub fn number_to_f64(text: &[u8]) -> Option<f64> {
    let value = match short_number(text) {
        Some(Short::Int(value)) => value as f64,
        Some(Short::Float(value)) => value,
        None => std::str::from_utf8(text).ok()?.parse().ok()?,
    };
    value.is_finite().then_some(value)
}

/// What a number of few digits is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Short {
    Int(i64),
    Float(f64),
}

/// The value of a number of at most sixteen characters without exponent, beside its sign; `None` for `-0`, all else, and what is no
/// number. The digits before and behind a point, fifteen at most, and the power of ten are floats without rounding, so the one
/// division rounds as it must (Clinger, "How to read floating point numbers accurately", 1990).
#[inline]
pub fn short_number(text: &[u8]) -> Option<Short> {
    const TENS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > TENS.len() || matches!(digits, [] | [b'.']) {
        return None;
    }
    let mut value = 0i64;
    let mut point = None;
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + i64::from(byte & 0x0f),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let Some(point) = point else {
        return (!negative || value != 0).then_some(Short::Int(if negative { -value } else { value }));
    };
    let float = value as f64 / TENS.get(digits.len() - point - 1)?;
    Some(Short::Float(if negative { -float } else { float }))
}

/// Whether a number with a point and without exponent is negative, and how many digits it has before the point; none where that is a
/// single zero. `head` is its text of `len` bytes, and anything behind it. `None` for other numbers, and for longer ones.
#[inline(always)]
pub fn digits_before_point(head: &[u8; BLOCK], len: usize) -> Option<(bool, u32)> {
    let block = Block::at(head, 0).filter(|_| len <= BLOCK)?;
    let negative = block.byte(0) == b'-';
    let sign = u32::from(negative);
    let others = block.no_digits() & !sign & !(ALL << len);
    let point = others.trailing_zeros();
    let is_plain = others & others.wrapping_sub(1) == 0 && block.byte(point as usize) == b'.';
    let is_small = block.byte(sign as usize) == b'0';
    is_plain.then_some((negative, if is_small { 0 } else { point - sign }))
}

/// Writes the shortest text that reads back as the same float, and as a float: `1.0`, never `1`. `false`, and nothing is
/// written, for NaN and the infinities.
#[inline]
pub fn write_f64(out: &mut Vec<u8>, value: f64) -> bool {
    if !value.is_finite() {
        return false;
    }
    out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    true
}

/// Writes an int.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn floats_are_those_of_the_standard_library(text in "-?[0-9]{0,10}\\.?[0-9]{0,10}|-?[0-9.eE+-]{0,6}") {
            let theirs = text.parse::<f64>().ok().filter(|value| value.is_finite()).map(f64::to_bits);
            prop_assert_eq!(number_to_f64(text.as_bytes()).map(f64::to_bits), theirs);
        }
    }

    #[test]
    fn digits_before_a_point_are_counted() {
        let counted = |text: &str, behind: u8| {
            let mut head = [behind; BLOCK];
            head.iter_mut().zip(text.as_bytes()).for_each(|(to, from)| *to = *from);
            digits_before_point(&head, text.len())
        };
        for (text, found) in [
            ("0.5", Some((false, 0))),
            ("-0.0", Some((true, 0))),
            ("7.25", Some((false, 1))),
            ("-12345.6", Some((true, 5))),
            ("12345678901234.5", Some((false, 14))),
            ("123456789012345.6", None),
            ("1e5", None),
            ("1.5e5", None),
            ("-0", None),
            ("9223372036854775808", None),
        ] {
            for behind in *b"0.-,e" {
                assert_eq!(counted(text, behind), found, "{text}");
            }
        }
    }

    #[test]
    fn ints_are_i64_and_nothing_else() {
        let at = TextRef { text: 0, start: 0, len: 0 };
        for (text, cell) in [
            ("0", Cell::Int(0)),
            ("-0", Cell::Number(at)),
            ("-17", Cell::Int(-17)),
            ("12345678", Cell::Int(12_345_678)),
            ("-98765432109876543", Cell::Int(-98_765_432_109_876_543)),
            ("999999999999999999", Cell::Int(999_999_999_999_999_999)),
            ("9223372036854775807", Cell::Int(i64::MAX)),
            ("-9223372036854775808", Cell::Int(i64::MIN)),
            ("9223372036854775808", Cell::Number(at)),
            ("-9223372036854775809", Cell::Number(at)),
        ] {
            assert_eq!(classify_number(text.as_bytes(), true, at), cell, "{text}");
        }
        assert_eq!(classify_number(b"1.0", false, at), Cell::Number(at));
    }

    #[test]
    fn floats_stay_floats() {
        let text = |value: f64| {
            let mut out = Vec::new();
            assert!(write_f64(&mut out, value));
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(text(1.0), "1.0");
        assert_eq!(text(-0.0), "-0.0");
        assert_eq!(text(1e300), "1e300");
        assert_eq!(text(0.1 + 0.2), "0.30000000000000004");
        assert!(!write_f64(&mut Vec::new(), f64::NAN));
        assert_eq!(number_to_f64(b"1e999"), None);
        assert_eq!(number_to_f64(b"1e-999"), Some(0.0));
        assert_eq!(number_to_f64(b"nan"), None);
    }
}
