//! Protobuf's wire format: varints, tags, lengths, and how to get past what nobody knows. Everything reads between a place and the end
//! of the message that it is in, in bytes that may go on behind that end.

use smallvec::SmallVec;

use super::fault::{Fault, Read, Why};
use crate::event::ascii::is_ascii;

/// The wire types.
pub(super) const VARINT: u8 = 0;
pub(super) const FIXED64: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const GROUP: u8 = 3;
pub(super) const GROUP_END: u8 = 4;
pub(super) const FIXED32: u8 = 5;

/// The value of a varint, and what follows it.
#[inline(always)]
pub(super) fn varint(text: &[u8], at: usize, end: usize) -> Read<(u64, usize)> {
    match text.get(at) {
        Some(&byte) if byte < 0x80 && at < end => Ok((u64::from(byte), at + 1)),
        _ => longer_varint(text, at, end),
    }
}

/// The same for those of several bytes: up to eight at once, where there are as many to look at.
#[inline]
fn longer_varint(text: &[u8], at: usize, end: usize) -> Read<(u64, usize)> {
    const STOPS: u64 = 0x8080_8080_8080_8080;
    if let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        let stops = !word & STOPS;
        if stops != 0 {
            // All bits up to the first byte without a continuation; then sevens become fourteens, twenty-eights, one number.
            let word = word & (stops ^ (stops - 1)) & !STOPS;
            let word = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
            let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x3fff_0000_3fff_0000) >> 2);
            let word = (word & 0x0fff_ffff) | ((word & 0x0fff_ffff_0000_0000) >> 4);
            let after = at + (stops.trailing_zeros() as usize + 1) / 8;
            if after <= end {
                return Ok((word, after));
            }
        }
    }
    any_varint(text, at, end)
}

#[inline(never)]
fn any_varint(text: &[u8], at: usize, end: usize) -> Read<(u64, usize)> {
    let bytes = text.get(at..end).unwrap_or_default();
    let mut value = 0_u64;
    for (i, &byte) in bytes.iter().take(10).enumerate() {
        if i == 9 && byte > 1 {
            return Fault::err(at, Why::Varint);
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Ok((value, at + i + 1));
        }
    }
    Fault::err(at, if bytes.len() >= 10 { Why::Varint } else { Why::CutOff })
}

/// A tag (the number of a field and the wire type of its value), and what follows it.
#[inline(always)]
pub(super) fn tag(text: &[u8], at: usize, end: usize) -> Read<(u32, usize)> {
    let (tag, after) = varint(text, at, end)?;
    match u32::try_from(tag) {
        Ok(tag) if tag >= 8 && tag & 7 <= 5 => Ok((tag, after)),
        _ => Fault::err(at, Why::Tag(tag)),
    }
}

/// Where the bytes behind a length start and end.
#[inline(always)]
pub(super) fn length(text: &[u8], at: usize, end: usize) -> Read<(usize, usize)> {
    let (wanted, start) = varint(text, at, end)?;
    let left = (end - start) as u64;
    if wanted > left {
        return Fault::err(at, Why::Length { wanted, left });
    }
    Ok((start, start + wanted as usize))
}

/// Four bytes, and what follows them.
#[inline(always)]
pub(super) fn fixed32(text: &[u8], at: usize, end: usize) -> Read<(u32, usize)> {
    match text.get(at..end).and_then(|rest| rest.first_chunk::<4>()) {
        Some(bytes) => Ok((u32::from_le_bytes(*bytes), at + 4)),
        None => Fault::err(at, Why::CutOff),
    }
}

/// Eight bytes, and what follows them.
#[inline(always)]
pub(super) fn fixed64(text: &[u8], at: usize, end: usize) -> Read<(u64, usize)> {
    match text.get(at..end).and_then(|rest| rest.first_chunk::<8>()) {
        Some(bytes) => Ok((u64::from_le_bytes(*bytes), at + 8)),
        None => Fault::err(at, Why::CutOff),
    }
}

/// What follows the value of a field that nobody knows, `after` its tag. Groups within groups count as levels.
#[inline(never)]
pub(super) fn skip(text: &[u8], tag: u32, after: usize, end: usize, levels: usize) -> Read<usize> {
    match (tag & 7) as u8 {
        VARINT => varint(text, after, end).map(|(_, at)| at),
        FIXED64 => fixed64(text, after, end).map(|(_, at)| at),
        BYTES => length(text, after, end).map(|(_, at)| at),
        FIXED32 => fixed32(text, after, end).map(|(_, at)| at),
        GROUP => group(text, tag, after, end, levels).map(|(_, at)| at),
        _ => Fault::err(after, Why::Group),
    }
}

/// Where the fields of the group behind this tag end, and what follows the group.
pub(super) fn group(text: &[u8], first: u32, after: usize, end: usize, levels: usize) -> Read<(usize, usize)> {
    let mut open: SmallVec<[u32; 8]> = SmallVec::new();
    open.push(first >> 3);
    let mut at = after;
    while at < end {
        if open.len() > levels {
            return Fault::err(at, Why::Depth);
        }
        let (found, value) = tag(text, at, end)?;
        match (found & 7) as u8 {
            GROUP => {
                open.push(found >> 3);
                at = value;
            }
            GROUP_END => {
                if open.pop() != Some(found >> 3) {
                    return Fault::err(at, Why::Group);
                }
                if open.is_empty() {
                    return Ok((at, value));
                }
                at = value;
            }
            _ => at = skip(text, found, value, end, 0)?,
        }
    }
    Fault::err(at, Why::Group)
}

/// Checks that the bytes are UTF-8. Most are ASCII and short, for which the vectors of others are too slow to start.
#[inline(always)]
pub(super) fn check_utf8(text: &[u8], start: usize, end: usize) -> Read<()> {
    let bytes = text.get(start..end).unwrap_or_default();
    if is_ascii(bytes) { Ok(()) } else { check_any_utf8(bytes, start) }
}

#[inline(never)]
fn check_any_utf8(bytes: &[u8], start: usize) -> Read<()> {
    match simdutf8::compat::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Fault::err(start + error.valid_up_to(), Why::Utf8),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost_reflect::prost::encoding;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn varints_are_those_of_prost(
            bytes in prop_oneof![
                any::<u64>().prop_map(|value| { let mut out = Vec::new(); encoding::encode_varint(value, &mut out); out }),
                (any::<u64>(), 0_u32..64).prop_map(|(value, shift)| { let mut out = Vec::new(); encoding::encode_varint(value >> shift, &mut out); out }),
                proptest::collection::vec(prop_oneof![Just(0x80_u8), Just(0xff), any::<u8>()], 0..12),
            ],
            behind in proptest::collection::vec(any::<u8>(), 0..12),
        ) {
            let mut theirs = bytes.as_slice();
            let value = encoding::decode_varint(&mut theirs).ok().map(|value| (value, bytes.len() - theirs.len()));
            let text = [bytes.clone(), behind].concat();
            prop_assert_eq!(varint(&text, 0, bytes.len()).ok(), value);
        }
    }

    #[test]
    fn what_is_cut_off_is_where_it_begins_whatever_is_behind() {
        for behind in [&[][..], &[0; 9], &[0xff; 9]] {
            let text = [&[1, 0xd7, 0x8a], behind].concat();
            assert_eq!(varint(&text, 1, 3), Fault::err(1, Why::CutOff));
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        assert_eq!(length(&[3, 1, 2, 3, 4], 0, 4), Ok((1, 4)));
        assert_eq!(length(&[3, 1, 2, 3, 4], 0, 3).unwrap_err().why, Why::Length { wanted: 3, left: 2 });
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(length(&huge, 0, 10).unwrap_err().why, Why::Length { wanted: u64::MAX, left: 0 });
    }

    #[test]
    fn groups_end_where_they_end() {
        // Field 1: a group with field 2 (a group with a varint), then a varint behind it.
        let text = [0x0b, 0x13, 0x18, 0x96, 0x01, 0x14, 0x0c, 0x20, 0x01];
        assert_eq!(skip(&text, 0x0b, 1, text.len(), 8), Ok(7));
        assert_eq!(group(&text, 0x0b, 1, text.len(), 8), Ok((6, 7)));
        assert_eq!(skip(&text, 0x0b, 1, 6, 8).unwrap_err().why, Why::Group);
        assert_eq!(skip(&text, 0x0b, 1, text.len(), 1).unwrap_err().why, Why::Depth);
        assert_eq!(skip(&[0x0b, 0x14], 0x0b, 1, 2, 8).unwrap_err().why, Why::Group);
        let deep = [0x0b; 100_000];
        assert_eq!(skip(&deep, 0x0b, 1, deep.len(), 128).unwrap_err().why, Why::Depth);
    }
}
