//! Values that are mostly as long as the one before them at the same place of the schema.
//!
//! Where a value starts is known when the length of the one before it has been read, so that a processor goes along an event load by
//! load, with most of its units idle. A length that all events so far had is compared instead of added: comparisons are predicted, and
//! the values behind are looked at meanwhile. A length that has differed once is added from then on, as predictions of it would fail.

use std::cell::Cell;

use crate::event::ascii::is_ascii;
use crate::event::json::{BLOCK, Block};

/// How many bytes the values at one place had so far.
#[derive(Clone, Debug)]
pub(super) struct Stride(Cell<Known>);

#[derive(Clone, Copy, Debug)]
struct Known {
    /// What of a value's bytes tells their number: a byte, or one of the two below.
    mark: u16,
    /// A bit for each byte of a text that is in its first block.
    block: u16,
    /// The number.
    bytes: u8,
}

/// Marks that no value has.
const NONE: u16 = 0x100;
const VARIES: u16 = 0x101;

const HIGH: u64 = 0x8080_8080_8080_8080;

impl Stride {
    /// Of a place at which there was no value yet.
    pub const fn new() -> Stride {
        Stride(Cell::new(Known::of(NONE, 0)))
    }

    /// Of a place whose values differ.
    pub const fn varied() -> Stride {
        Stride(Cell::new(Known::of(VARIES, 0)))
    }

    /// What all values so far were, if one with this mark is like them. It does not depend on the mark, as far as a processor can see.
    #[inline(always)]
    fn known(&self, mark: u8) -> Option<Known> {
        let known = self.0.get();
        (known.mark == u16::from(mark)).then_some(known)
    }

    /// Takes note of a value that is not like them.
    #[inline(always)]
    fn see(&self, mark: u8, bytes: usize) {
        if self.0.get().mark != VARIES {
            self.learn(mark, bytes);
        }
    }

    #[cold]
    fn learn(&self, mark: u8, bytes: usize) {
        self.0.set(match self.0.get().mark {
            NONE => Known::of(mark.into(), bytes as u8),
            _ => Known::of(VARIES, 0),
        });
    }
}

impl Known {
    /// `bytes` of a text are its length, which is one, and what follows.
    const fn of(mark: u16, bytes: u8) -> Known {
        let block = match bytes {
            0 => 0,
            1..=16 => (1 << (bytes - 1)) - 1,
            _ => u16::MAX,
        };
        Known { mark, bytes, block }
    }
}

/// The end of the text at `at`, if it is ASCII, its length has one byte, and a block can be read behind that. Of every other, and of what is
/// none, `None`.
#[inline(always)]
pub(super) fn text(text: &[u8], at: usize, stride: &Stride) -> Option<usize> {
    let [head, block @ ..]: &[u8; 1 + BLOCK] = text.get(at..)?.first_chunk()?;
    let high = Block::of(block).no_ascii();
    if let Some(known) = stride.known(*head) {
        if high & u32::from(known.block) != 0 {
            return None;
        }
        let end = at + usize::from(known.bytes);
        return match known.bytes {
            ..=17 => Some(end),
            _ => is_ascii(text.get(at + 1 + BLOCK..end)?).then_some(end),
        };
    }
    let len = short_length(*head)?;
    let end = at + 1 + len;
    stride.see(*head, 1 + len);
    let ascii = match len {
        ..=BLOCK => high & !(u32::MAX << len) == 0,
        _ => is_ascii(text.get(at + 1..end)?),
    };
    ascii.then_some(end)
}

/// The end of the bytes at `at`, if their length has one byte. They may end behind the text.
#[inline(always)]
pub(super) fn prefixed(text: &[u8], at: usize, stride: &Stride) -> Option<usize> {
    let head = *text.get(at)?;
    if let Some(known) = stride.known(head) {
        return Some(at + usize::from(known.bytes));
    }
    let len = short_length(head)?;
    stride.see(head, 1 + len);
    Some(at + 1 + len)
}

/// The end of the varint at `at`, if eight bytes can be read there and it has no more.
#[inline(always)]
pub(super) fn varint(text: &[u8], at: usize, stride: &Stride) -> Option<usize> {
    let word = u64::from_le_bytes(*text.get(at..)?.first_chunk()?);
    // Its last byte is the first without the high bit.
    let last = (!word & HIGH).trailing_zeros();
    if let Some(known) = stride.known(last as u8) {
        return Some(at + usize::from(known.bytes));
    }
    let bytes = last as usize / 8 + 1;
    (last < u64::BITS).then(|| {
        stride.see(last as u8, bytes);
        at + bytes
    })
}

/// The end of the array or map at `at` whose values, so many an item, `value` goes over, if no block of it tells its size or has many items.
#[inline(always)]
pub(super) fn items(
    text: &[u8],
    mut at: usize,
    times: u32,
    value: impl Fn(&[u8], usize, &Stride) -> Option<usize>,
) -> Option<usize> {
    loop {
        let head = *text.get(at)?;
        at += 1;
        if head == 0 {
            return Some(at);
        }
        for _ in 0..short_length(head)? * times as usize {
            at = value(text, at, &Stride::varied())?;
        }
    }
}

/// A length of one byte: an even number below 128, which is twice the length.
#[inline(always)]
fn short_length(head: u8) -> Option<usize> {
    (head & 0x81 == 0).then_some(usize::from(head >> 1))
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    /// Strides that know nothing, a number, and none.
    fn strides(value: impl Fn(&[u8], &Stride)) -> [Stride; 3] {
        let known = Stride::new();
        value(b"\x04ab.............................", &known);
        [Stride::new(), known, Stride::varied()]
    }

    /// A text of so many bytes behind its length, and some more.
    fn bytes(len: usize, behind: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        read::write_long(&mut bytes, len as i64);
        bytes.resize(bytes.len() + len, b'a');
        bytes.resize(bytes.len() + behind, b'\x7f');
        bytes
    }

    #[test]
    fn a_text_ends_where_the_long_way_finds_it_to_end() {
        let mut quick = 0;
        for len in 0..70 {
            for behind in [0, 1, 16, 20] {
                let all = bytes(len, behind);
                for damage in 0..all.len() {
                    for byte in [all[damage], 0x80, 0xff, 0x01] {
                        let mut text = all.clone();
                        text[damage] = byte;
                        let slow = read::string(&text, 0).map(|(_, end)| end);
                        for stride in strides(|text, stride| assert_eq!(self::text(text, 0, stride), Some(3))) {
                            // Twice, as the first may have been the first of its place.
                            for _ in 0..2 {
                                let Some(end) = self::text(&text, 0, &stride) else { continue };
                                assert_eq!(slow, Ok(end), "{text:?}");
                                quick += 1;
                            }
                        }
                    }
                }
            }
        }
        assert!(quick > 10_000, "{quick}");
    }

    #[test]
    fn short_ascii_texts_are_found_wherever_they_are() {
        for len in 0..64 {
            let text = [&b"..."[..], &bytes(len, 16)].concat();
            for stride in strides(|text, stride| assert_eq!(self::text(text, 0, stride), Some(3))) {
                assert_eq!(self::text(&text, 3, &stride), Some(4 + len));
                assert_eq!(self::text(&text, 3, &stride), Some(4 + len));
                assert_eq!(self::text(&text, text.len() + 1, &stride), None);
            }
        }
        let long = bytes(64, 16);
        assert!(strides(|_, _| {}).iter().all(|stride| self::text(&long, 0, stride).is_none()));
    }

    #[test]
    fn bytes_end_where_the_long_way_finds_them_to_end() {
        for head in 0..=255 {
            let text = [&[head][..], &[0x80; 80]].concat();
            let slow = read::prefixed(&text, 0).map(|(_, end)| end).ok().filter(|_| head < 0x80);
            for stride in strides(|text, stride| assert_eq!(prefixed(text, 0, stride), Some(3))) {
                assert_eq!((prefixed(&text, 0, &stride), prefixed(&text, 0, &stride)), (slow, slow), "{head}");
            }
        }
    }

    #[test]
    fn varints_end_where_the_long_way_finds_them_to_end() {
        for size in 0..12 {
            for value in [0x00, 0x01, 0x7f] {
                let text = [&vec![0xff; size][..], &[value], &[0x80; 8]].concat();
                let slow = read::varint(&text, 0).map(|(_, end)| end).ok().filter(|end| *end <= 8);
                for stride in strides(|text, stride| assert_eq!(varint(text, 0, stride), Some(1))) {
                    assert_eq!((varint(&text, 0, &stride), varint(&text, 0, &stride)), (slow, slow), "{text:?}");
                    assert_eq!(varint(&text, text.len() - 7, &stride), None);
                }
            }
        }
    }

    #[test]
    fn items_end_behind_their_last_block() {
        let array = [&b"\x04"[..], &bytes(3, 0), &bytes(5, 0), b"\x02", &bytes(1, 0), b"\0", &[b'.'; 20]].concat();
        assert_eq!(items(&array, 0, 1, text), Some(15));
        assert_eq!(items(&array, 0, 1, prefixed), Some(15));
        // A map whose one entry is two texts, then a count below zero, and too many.
        assert_eq!(items(&[&b"\x02"[..], &bytes(3, 0), &bytes(5, 0), b"\0"].concat(), 0, 2, prefixed), Some(12));
        assert_eq!(items(b"\x01\x02\x00\x00", 0, 1, prefixed), None);
        assert_eq!(items(b"\x7e\x00", 0, 1, prefixed), None);
        assert_eq!(items(b"", 0, 1, prefixed), None);
    }
}
