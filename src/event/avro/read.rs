//! The primitives of Avro's binary encoding. Each takes the bytes and the place of a value, checks it whole, and gives what follows it.
//!
//! A caller may pass more bytes than the event has, so that whole words can be read up to its end: a place only ever grows, so one
//! that is past the end says at last that the event was cut off.

use super::fault::{Fault, Read, Why};
use crate::event::ascii::is_ascii_at;
use crate::event::packed;
use crate::limits::AVRO_EMPTY_ITEMS_MAX;

/// Bytes behind an event that make its last values quick to read.
pub(super) const AHEAD: usize = 32;

const HIGH: u64 = 0x8080_8080_8080_8080;

/// Eight bytes, if there are so many.
#[inline(always)]
fn word(text: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*text.get(at..)?.first_chunk()?))
}

/// A varint as it lies there, without zigzag.
#[inline(always)]
pub(super) fn varint(text: &[u8], at: usize) -> Read<(u64, usize)> {
    match text.get(at) {
        Some(&byte) if byte < 0x80 => Ok((u64::from(byte), at + 1)),
        _ => long_varint(text, at),
    }
}

/// A varint of more than one byte.
#[inline]
fn long_varint(text: &[u8], at: usize) -> Read<(u64, usize)> {
    let Some(word) = word(text, at) else { return slow_varint(text, at) };
    let stops = !word & HIGH;
    if stops == 0 {
        return slow_varint(text, at);
    }
    // All up to the first byte without the high bit, then the seven bits of each byte moved together in three steps.
    let kept = word & (stops ^ (stops - 1));
    let kept = (kept & 0x007f_007f_007f_007f) | ((kept & 0x7f00_7f00_7f00_7f00) >> 1);
    let kept = (kept & 0x0000_3fff_0000_3fff) | ((kept & 0x3fff_0000_3fff_0000) >> 2);
    let kept = (kept & 0x0000_0000_0fff_ffff) | ((kept & 0x0fff_ffff_0000_0000) >> 4);
    Ok((kept, at + stops.trailing_zeros() as usize / 8 + 1))
}

/// The same near the end of the bytes, and for nine and ten bytes.
#[cold]
fn slow_varint(text: &[u8], at: usize) -> Read<(u64, usize)> {
    let mut value = 0;
    for (i, &byte) in text.get(at..).unwrap_or_default().iter().enumerate().take(10) {
        if i == 9 && byte > 1 {
            return Fault::err(at, Why::Varint);
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Ok((value, at + i + 1));
        }
    }
    Fault::err(text.len(), Why::CutOff { wanted: 1 })
}

/// Writes a number as a zigzag varint.
#[inline]
pub(super) fn write_long(out: &mut Vec<u8>, value: i64) {
    packed::write_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

#[inline(always)]
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[inline(always)]
pub(super) fn long(text: &[u8], at: usize) -> Read<(i64, usize)> {
    let (value, at) = varint(text, at)?;
    Ok((unzigzag(value), at))
}

#[inline(always)]
pub(super) fn int(text: &[u8], at: usize) -> Read<(i64, usize)> {
    let (value, end) = varint(text, at)?;
    if value > u64::from(u32::MAX) {
        return Fault::err(at, Why::Int(unzigzag(value)));
    }
    Ok((unzigzag(value), end))
}

/// So many bytes.
#[inline(always)]
pub(super) fn bytes(text: &[u8], at: usize, size: usize) -> Read<(&[u8], usize)> {
    match text.get(at..).and_then(|rest| rest.get(..size)) {
        Some(bytes) => Ok((bytes, at + size)),
        None => Fault::err(at.min(text.len()), Why::CutOff { wanted: size as u64 }),
    }
}

/// The bytes after their length.
#[inline(always)]
pub(super) fn prefixed(text: &[u8], at: usize) -> Read<(&[u8], usize)> {
    let (raw, start) = varint(text, at)?;
    let size = unzigzag(raw);
    match usize::try_from(size) {
        Ok(size) => bytes(text, start, size),
        Err(_) => Fault::err(at, Why::Length(size)),
    }
}

/// The same as UTF-8. Most texts are found by [`super::stride`].
#[cold]
pub(super) fn string(text: &[u8], at: usize) -> Read<(&[u8], usize)> {
    let (value, end) = prefixed(text, at)?;
    let start = end - value.len();
    if !is_ascii_at(text, start, value.len()) && simdutf8::basic::from_utf8(value).is_err() {
        return Fault::err(start, Why::Utf8);
    }
    Ok((value, end))
}

#[inline(always)]
pub(super) fn boolean(text: &[u8], at: usize) -> Read<(bool, usize)> {
    match text.get(at) {
        Some(&byte @ (0 | 1)) => Ok((byte == 1, at + 1)),
        Some(&byte) => Fault::err(at, Why::Boolean(byte)),
        None => Fault::err(text.len(), Why::CutOff { wanted: 1 }),
    }
}

#[inline(always)]
pub(super) fn float(text: &[u8], at: usize) -> Read<(f64, usize)> {
    match text.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) => Ok((f64::from(f32::from_le_bytes(*bytes)), at + 4)),
        None => Fault::err(at.min(text.len()), Why::CutOff { wanted: 4 }),
    }
}

#[inline(always)]
pub(super) fn double(text: &[u8], at: usize) -> Read<(f64, usize)> {
    match text.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) => Ok((f64::from_le_bytes(*bytes), at + 8)),
        None => Fault::err(at.min(text.len()), Why::CutOff { wanted: 8 }),
    }
}

/// An index below `known` that has one byte.
#[inline(always)]
pub(super) fn short_index(text: &[u8], at: usize, known: u32) -> Option<usize> {
    let byte = *text.get(at)?;
    (byte & 0x81 == 0 && u32::from(byte >> 1) < known).then_some(usize::from(byte >> 1))
}

/// The index of a branch, of `known`.
#[inline]
pub(super) fn branch(text: &[u8], at: usize, known: u32) -> Read<(usize, usize)> {
    let (index, end) = varint(text, at)?;
    match index & 1 == 0 && index / 2 < u64::from(known) {
        true => Ok((index as usize / 2, end)),
        false => Fault::err(at, Why::Branch { index: unzigzag(index) as u64, known }),
    }
}

/// The index of a symbol, of `known`.
#[inline(always)]
pub(super) fn symbol(text: &[u8], at: usize, known: u32) -> Read<(usize, usize)> {
    let (index, end) = int(text, at)?;
    match (0..i64::from(known)).contains(&index) {
        true => Ok((index as usize, end)),
        false => Fault::err(at, Why::Symbol { index: index as u64, known }),
    }
}

/// A block of the items of an array or map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// At least one, and no more than can be there.
    pub count: usize,
    /// The bytes of them all, where they are told.
    pub size: Option<i64>,
    /// Where the first one starts.
    pub start: usize,
}

impl Block {
    /// Whether the items have ended where the block says, if it does.
    #[inline(always)]
    pub fn check(self, end: usize) -> Read<()> {
        match self.size {
            Some(said) if said != (end - self.start) as i64 => {
                Fault::err(self.start, Why::BlockSize { said, found: (end - self.start) as u64 })
            }
            _ => Ok(()),
        }
    }
}

/// What stands before items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Items {
    Block(Block),
    /// No more: what follows the array or map.
    End(usize),
}

/// Reads the head of a block of items that have at least `width` bytes each. What it claims is held against the bytes that are
/// left, so that no count is believed; items of no bytes are taken from `empty`, the event's allowance of them.
#[inline]
pub(super) fn items(text: &[u8], at: usize, width: u32, empty: &mut u32) -> Read<Items> {
    let (raw, mut start) = long(text, at)?;
    if raw == 0 {
        return Ok(Items::End(start));
    }
    let mut size = None;
    if raw < 0 {
        let (said, end) = long(text, start)?;
        if said < 0 {
            return Fault::err(start, Why::Length(said));
        }
        if said as u64 > text.len().saturating_sub(end) as u64 {
            return Fault::err(end.min(text.len()), Why::CutOff { wanted: said as u64 });
        }
        (size, start) = (Some(said), end);
    }
    let count = raw.unsigned_abs();
    if width == 0 {
        *empty = match u64::from(*empty).checked_sub(count) {
            Some(left) => left as u32,
            None => return Fault::err(at, Why::EmptyItems),
        };
    } else if count > text.len().saturating_sub(start) as u64 / u64::from(width) {
        return Fault::err(start.min(text.len()), Why::Items(count));
    }
    Ok(Items::Block(Block { count: count as usize, size, start }))
}

/// What an event may have of items of no bytes.
pub(super) const EMPTY_ITEMS: u32 = AVRO_EMPTY_ITEMS_MAX as u32;
