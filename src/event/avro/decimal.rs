//! Decimals: whole numbers of any size (two's complement, big endian) with a point put in.

use super::fault::{Fault, Read, Why};
use crate::limits::AVRO_DECIMAL_BYTES_MAX;

/// Digits that are taken off at a time: the most that a `u64` holds.
const STEP_DIGITS: usize = 19;
const STEP: u128 = 10_u128.pow(STEP_DIGITS as u32);

/// Whether a decimal at `at` is of a size that is read. Its digits take time that grows with the square of its bytes.
#[inline(always)]
pub(super) fn check(bytes: &[u8], at: usize) -> Read<()> {
    match bytes.len() <= AVRO_DECIMAL_BYTES_MAX {
        true => Ok(()),
        false => Fault::err(at, Why::Decimal { bytes: bytes.len() as u64 }),
    }
}

/// Writes the number as JSON, all of its digits behind the point kept: `12.30`. No bytes are 0.
pub(super) fn write(out: &mut Vec<u8>, bytes: &[u8], scale: u32) {
    let (scale, start) = (scale as usize, out.len());
    let negative = bytes.first().is_some_and(|first| *first >= 0x80);
    match small(bytes) {
        Some(value) => digits_of(out, value.unsigned_abs()),
        None => digits(out, bytes, negative),
    }
    // The digits, with as many zeros before them as make one before the point.
    let missing = (scale + 1).saturating_sub(out.len() - start);
    out.splice(start..start, std::iter::repeat_n(b'0', missing));
    if scale > 0 {
        out.insert(out.len() - scale, b'.');
    }
    if negative {
        out.insert(start, b'-');
    }
}

/// The value of at most 16 bytes.
fn small(bytes: &[u8]) -> Option<i128> {
    let mut all = [if bytes.first().is_some_and(|first| *first >= 0x80) { 0xff } else { 0 }; 16];
    let from = all.len().checked_sub(bytes.len())?;
    all[from..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(all))
}

fn digits_of(out: &mut Vec<u8>, value: u128) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The digits of the magnitude, by long division.
fn digits(out: &mut Vec<u8>, bytes: &[u8], negative: bool) {
    // Words from the lowest on.
    let fill = if negative { 0xff } else { 0 };
    let mut words: Vec<u64> = bytes
        .rchunks(8)
        .map(|chunk| {
            let mut word = [fill; 8];
            word[8 - chunk.len()..].copy_from_slice(chunk);
            u64::from_be_bytes(word)
        })
        .collect();
    if negative {
        let mut carry = true;
        for word in &mut words {
            (*word, carry) = (!*word).overflowing_add(u64::from(carry));
        }
    }
    let mut steps: Vec<u64> = Vec::new();
    while words.iter().any(|word| *word != 0) {
        let mut rest = 0_u128;
        for word in words.iter_mut().rev() {
            let value = rest << 64 | u128::from(*word);
            (*word, rest) = ((value / STEP) as u64, value % STEP);
        }
        steps.push(rest as u64);
    }
    let mut steps = steps.into_iter().rev();
    digits_of(out, u128::from(steps.next().unwrap_or(0)));
    for step in steps {
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(step).as_bytes();
        out.extend(std::iter::repeat_n(b'0', STEP_DIGITS - text.len()));
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], scale: u32) -> String {
        let mut out = b"x".to_vec();
        write(&mut out, bytes, scale);
        String::from_utf8(out.split_off(1)).expect("digits")
    }

    #[test]
    fn the_point_is_put_in() {
        assert_eq!(text(&[], 0), "0");
        assert_eq!(text(&[], 2), "0.00");
        assert_eq!(text(&[0x04, 0xd2], 2), "12.34");
        assert_eq!(text(&[0xff], 3), "-0.001");
        assert_eq!(text(&[0x80], 0), "-128");
        assert_eq!(text(&[0x00, 0x80], 2), "1.28");
    }

    #[test]
    fn numbers_beyond_128_bits() {
        // 2^128 and -2^128, 10^38 twice as far, and all the bytes that are read.
        let mut power = vec![1];
        power.extend([0; 16]);
        assert_eq!(text(&power, 0), "340282366920938463463374607431768211456");
        assert_eq!(text(&power, 38), "3.40282366920938463463374607431768211456");
        let mut negative = vec![0xff];
        negative.extend([0; 16]);
        assert_eq!(text(&negative, 0), "-340282366920938463463374607431768211456");
        let lowest = [vec![0x80], vec![0; AVRO_DECIMAL_BYTES_MAX - 1]].concat();
        assert_eq!(text(&lowest, 0).len(), 1 + ((8 * AVRO_DECIMAL_BYTES_MAX - 1) as f64 * 2_f64.log10()) as usize + 1);
        assert_eq!(text(&[vec![0xff; 40], vec![0x85]].concat(), 1), "-12.3");
    }
}
