//! Decimals from the text of a number, to the digit.

/// Digits that are handled as one.
const STEP: u64 = 10_000_000_000_000_000_000;
const STEP_DIGITS: usize = 19;

/// The whole number that has `scale` of its digits behind the point of a JSON number, as a big-endian two's complement of the fewest
/// bytes, or of `size`. `Err`: why there is none.
pub(super) fn bytes(text: &[u8], precision: u32, scale: u32, size: Option<u32>) -> Result<Vec<u8>, String> {
    let shown = || String::from_utf8_lossy(text.get(..40).unwrap_or(text)).into_owned();
    let (negative, mut digits, exponent) = parts(text).ok_or_else(|| format!("is {}, which is no number", shown()))?;
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..leading);
    // The number is the digits times ten to `behind`, once the point stands where the schema has it.
    let mut behind = exponent.saturating_add(i64::from(scale));
    while behind < 0 && digits.last() == Some(&b'0') {
        digits.pop();
        behind += 1;
    }
    if digits.is_empty() {
        behind = 0;
    }
    if behind < 0 {
        return Err(format!("is {}, and the schema has {scale} digits behind the point", shown()));
    }
    if digits.len() as u64 + behind as u64 > u64::from(precision) {
        return Err(format!(
            "is {}, and the schema has a decimal of {precision} digits, {scale} of them behind the point",
            shown()
        ));
    }
    digits.extend(std::iter::repeat_n(b'0', behind as usize));
    let mut bytes = complement(magnitude(&digits), negative);
    if let Some(size) = size {
        let missing = (size as usize).checked_sub(bytes.len());
        let missing = missing.ok_or_else(|| format!("is {}, which has no place in {size} bytes", shown()))?;
        let fill = if bytes.first().is_some_and(|first| *first >= 0x80) { 0xff } else { 0 };
        bytes.splice(..0, std::iter::repeat_n(fill, missing));
    }
    Ok(bytes)
}

/// The sign, the digits, and the power of ten that they are to be taken times.
fn parts(text: &[u8]) -> Option<(bool, Vec<u8>, i64)> {
    let negative = text.first() == Some(&b'-');
    let text = text.get(usize::from(negative)..)?;
    let end = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (number, exponent) = text.split_at(end.unwrap_or(text.len()));
    let exponent = match exponent.get(1..) {
        None => 0,
        Some(exponent) => {
            let text = std::str::from_utf8(exponent).ok()?;
            // One of so many digits makes no decimal, unless of zero.
            text.parse().unwrap_or(if text.starts_with('-') { i64::MIN / 4 } else { i64::MAX / 4 })
        }
    };
    let point = number.iter().position(|byte| *byte == b'.');
    let behind = point.map_or(0, |point| number.len() - point - 1);
    let digits: Vec<u8> = number.iter().copied().filter(|byte| *byte != b'.').collect();
    let are_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    are_digits.then_some((negative, digits, exponent.clamp(i64::MIN / 2, i64::MAX / 2) - behind as i64))
}

/// The bytes of a number, big endian, without leading zeros.
fn magnitude(digits: &[u8]) -> Vec<u8> {
    // Words from the lowest on.
    let mut words: Vec<u64> = Vec::new();
    let first = digits.len() % STEP_DIGITS;
    let steps = std::iter::once(&digits[..first]).chain(digits[first..].chunks(STEP_DIGITS));
    for step in steps.filter(|step| !step.is_empty()) {
        let mut carry = step.iter().fold(0, |value, digit| value * 10 + u128::from(digit - b'0'));
        for word in &mut words {
            carry += u128::from(*word) * u128::from(STEP);
            (*word, carry) = (carry as u64, carry >> 64);
        }
        if carry > 0 {
            words.push(carry as u64);
        }
    }
    let bytes: Vec<u8> = words.iter().rev().flat_map(|word| word.to_be_bytes()).collect();
    let leading = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(leading..).unwrap_or_default().to_vec()
}

fn complement(mut bytes: Vec<u8>, negative: bool) -> Vec<u8> {
    if bytes.first().is_none_or(|first| *first >= 0x80) {
        bytes.insert(0, 0);
    }
    if negative {
        let mut carry = true;
        for byte in bytes.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
        // The lowest number of its length.
        if bytes.len() > 1 && bytes[0] == 0xff && bytes[1] >= 0x80 {
            bytes.remove(0);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, precision: u32, scale: u32) -> Result<Vec<u8>, String> {
        bytes(text.as_bytes(), precision, scale, None)
    }

    #[test]
    fn numbers_become_the_fewest_bytes() {
        for (text, bytes) in [
            ("0", &[0][..]),
            ("-0", &[0]),
            ("12.34", &[0x04, 0xd2]),
            ("1.27", &[0x7f]),
            ("1.28", &[0x00, 0x80]),
            ("-1.28", &[0x80]),
            ("-1.29", &[0xff, 0x7f]),
            ("-0.01", &[0xff]),
            ("1.2e1", &[0x04, 0xb0]),
            ("1200E-3", &[0x78]),
            ("0.0e-99999999999999999999", &[0]),
        ] {
            assert_eq!(of(text, 9, 2).as_deref(), Ok(bytes), "{text}");
        }
        assert_eq!(bytes(b"-1", 4, 2, Some(4)), Ok(vec![0xff, 0xff, 0xff, 0x9c]));
        let wide = of("340282366920938463463374607431768211456", 39, 0).unwrap();
        assert_eq!(wide, [&[1][..], &[0; 16]].concat());
    }

    #[test]
    fn no_digit_is_lost() {
        for (text, why) in [
            ("1.234", "2 digits behind the point"),
            ("1e9", "a decimal of 9 digits"),
            ("1e99999999999999999999", "a decimal of 9 digits"),
            ("1e-99999999999999999999", "2 digits behind the point"),
            ("", "no number"),
        ] {
            let found = of(text, 9, 2).unwrap_err();
            assert!(found.contains(why), "{text}: {found}");
        }
        assert!(bytes(b"9", 3, 2, Some(1)).unwrap_err().contains("no place in 1 bytes"));
    }
}
