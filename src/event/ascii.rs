//! Whether bytes are ASCII, for the short texts that the fields of binary events mostly are: vectors of others are too slow to start for them.

use super::json::{BLOCK, Block};

/// The masks of the first bytes of a block, by their count. A look into memory is less than the shifts that it stands for.
pub(super) static FIRST: [u16; BLOCK + 1] = {
    let mut masks = [u16::MAX; BLOCK + 1];
    let mut count = 0;
    while count < BLOCK {
        masks[count] = (1 << count) - 1;
        count += 1;
    }
    masks
};

/// Whether the `len` bytes at `start` are there and are ASCII. In a few instructions for up to a block of them, if what follows them in
/// `text` fills the block.
#[inline(always)]
pub(super) fn is_ascii_at(text: &[u8], start: usize, len: usize) -> bool {
    match (Block::at(text, start), FIRST.get(len)) {
        (Some(block), Some(mask)) => block.no_ascii() & u32::from(*mask) == 0,
        _ => text.get(start..).and_then(|rest| rest.get(..len)).is_some_and(is_ascii),
    }
}

/// Whether all of them are.
#[inline]
pub(super) fn is_ascii(bytes: &[u8]) -> bool {
    // Whole blocks, the last of which may have bytes of the one before.
    let Some(last) = bytes.last_chunk() else { return is_short_ascii(bytes) };
    let last = Block::of(last).no_ascii();
    bytes.as_chunks().0.iter().fold(last, |found, block| found | Block::of(block).no_ascii()) == 0
}

/// The same of less than a block.
#[inline]
fn is_short_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first) | u64::from_le_bytes(*last)) & HIGH == 0,
        _ => bytes.iter().all(u8::is_ascii),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_is_no_ascii_is_found_wherever_it_is() {
        for len in 0..70 {
            for behind in [0, 1, 15, 16, 17] {
                let text = vec![0x7f; 3 + len + behind];
                assert!(is_ascii(&text[3..3 + len]) && is_ascii_at(&text, 3, len));
                for at in 0..text.len() {
                    let mut text = text.clone();
                    text[at] = 0x80;
                    let inside = (3..3 + len).contains(&at);
                    assert_eq!(is_ascii(&text[3..3 + len]), !inside, "{len} bytes, {at}");
                    assert_eq!(is_ascii_at(&text, 3, len), !inside, "{len} bytes and {behind}, {at}");
                }
            }
        }
    }

    #[test]
    fn bytes_that_are_not_there_are_no_ascii() {
        let text = [b'a'; 40];
        assert!(is_ascii_at(&text, 40, 0) && is_ascii_at(&text, 39, 1) && is_ascii_at(&text, 0, 40));
        let beyond = [(40, 1), (41, 0), (30, 11), (0, 41), (1, usize::MAX), (usize::MAX, usize::MAX)];
        assert!(beyond.into_iter().all(|(start, len)| !is_ascii_at(&text, start, len)));
    }
}
