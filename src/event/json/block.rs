//! Sixteen bytes looked at together: which of them end a string's plain run, are no digits, no ASCII, or differ. A mask has a bit a byte, the
//! first byte lowest. SSE2 where the target always has it (x86-64), else arithmetic on two words; both are tested against each other.

/// Bytes in a block.
pub const BLOCK: usize = 16;

/// Every bit of a mask.
pub const ALL: u32 = (1 << BLOCK) - 1;

/// Sixteen bytes of a text.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a>(&'a [u8; BLOCK]);

impl<'a> Block<'a> {
    /// The block at `at`, if the text has as many bytes.
    #[inline(always)]
    pub fn at(text: &'a [u8], at: usize) -> Option<Block<'a>> {
        text.get(at..)?.first_chunk().map(Block)
    }

    /// These bytes.
    #[inline(always)]
    pub fn of(bytes: &'a [u8; BLOCK]) -> Block<'a> {
        Block(bytes)
    }

    /// One of its bytes; `at` is taken modulo the block.
    #[inline(always)]
    pub fn byte(self, at: usize) -> u8 {
        self.0[at % BLOCK]
    }

    /// The bytes that end a run of plain characters in a string: a quote, a backslash, a control character.
    #[inline(always)]
    pub fn specials(self) -> u32 {
        twin::specials(self.0)
    }

    /// The bytes that are commas.
    #[inline(always)]
    pub fn commas(self) -> u32 {
        twin::differs(self.0, &[b','; BLOCK]) ^ ALL
    }

    /// The bytes that are no decimal digits.
    #[inline(always)]
    pub fn no_digits(self) -> u32 {
        twin::no_digits(self.0)
    }

    /// The bytes that are no ASCII.
    #[inline(always)]
    pub fn no_ascii(self) -> u32 {
        twin::no_ascii(self.0)
    }

    /// The bytes that are not those of another block.
    #[inline(always)]
    pub fn differs(self, other: &[u8; BLOCK]) -> u32 {
        twin::differs(self.0, other)
    }
}

#[cfg(not(target_arch = "x86_64"))]
use words as twin;

#[cfg(target_arch = "x86_64")]
use sse2 as twin;

/// With the instructions that every x86-64 has.
///
/// Soundness: the functions inside need SSE2, which `x86_64` targets always have (the ABI passes floats in its registers; a target
/// without it is another architecture to rustc, and the assertion fails the build). The one load reads the sixteen bytes of an array.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod sse2 {
    use std::arch::x86_64::*;

    use super::BLOCK;

    const _: () = assert!(cfg!(target_feature = "sse2"));

    #[inline(always)]
    fn load(block: &[u8; BLOCK]) -> __m128i {
        // SAFETY: 16 readable bytes; the instruction needs no alignment. SSE2: see above.
        unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
    }

    #[inline(always)]
    pub fn specials(block: &[u8; BLOCK]) -> u32 {
        let bytes = load(block);
        // SAFETY: SSE2, see above.
        unsafe {
            let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
            let slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
            let control = _mm_cmpeq_epi8(_mm_max_epu8(bytes, _mm_set1_epi8(0x1f)), _mm_set1_epi8(0x1f));
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), control)) as u32
        }
    }

    #[inline(always)]
    pub fn no_digits(block: &[u8; BLOCK]) -> u32 {
        let bytes = load(block);
        // SAFETY: SSE2, see above.
        unsafe {
            let values = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0' as i8));
            let digits = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);
            _mm_movemask_epi8(digits) as u32 ^ super::ALL
        }
    }

    #[inline(always)]
    pub fn no_ascii(block: &[u8; BLOCK]) -> u32 {
        let bytes = load(block);
        // SAFETY: SSE2, see above.
        unsafe { _mm_movemask_epi8(bytes) as u32 }
    }

    #[inline(always)]
    pub fn differs(block: &[u8; BLOCK], other: &[u8; BLOCK]) -> u32 {
        let (block, other) = (load(block), load(other));
        // SAFETY: SSE2, see above.
        unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(block, other)) as u32 ^ super::ALL }
    }
}

/// With arithmetic on words of eight bytes (Warren, Hacker's Delight, 6-1, in the form that is exact for every byte).
#[cfg(any(test, not(target_arch = "x86_64")))]
mod words {
    use super::BLOCK;

    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOWS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const HIGHS: u64 = 0x8080_8080_8080_8080;

    /// A mask of the bytes whose high bit `of` sets.
    #[inline(always)]
    fn mask(block: &[u8; BLOCK], of: impl Fn(u64) -> u64) -> u32 {
        let bits = |word: u64| ((of(word) & HIGHS) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        let [low, high] = words(block);
        (bits(low) | bits(high) << 8) as u32
    }

    #[inline(always)]
    fn words(block: &[u8; BLOCK]) -> [u64; 2] {
        let both = u128::from_le_bytes(*block);
        [both as u64, (both >> 64) as u64]
    }

    /// The high bit of each byte that is not zero.
    #[inline(always)]
    fn not_zero(word: u64) -> u64 {
        ((word & LOWS) + LOWS) | word
    }

    /// The high bit of each byte that is `bound` or more; `bound` is at most 0x80.
    #[inline(always)]
    fn at_least(word: u64, bound: u8) -> u64 {
        ((word & LOWS) + ONES * u64::from(0x80 - bound)) | word
    }

    #[inline(always)]
    pub fn specials(block: &[u8; BLOCK]) -> u32 {
        mask(block, |word| {
            let quote = not_zero(word ^ (ONES * u64::from(b'"')));
            let slash = not_zero(word ^ (ONES * u64::from(b'\\')));
            !(quote & slash & at_least(word, 0x20))
        })
    }

    #[inline(always)]
    pub fn no_digits(block: &[u8; BLOCK]) -> u32 {
        mask(block, |word| at_least(word ^ (ONES * u64::from(b'0')), 10))
    }

    #[inline(always)]
    pub fn no_ascii(block: &[u8; BLOCK]) -> u32 {
        mask(block, |word| word)
    }

    #[inline(always)]
    pub fn differs(block: &[u8; BLOCK], other: &[u8; BLOCK]) -> u32 {
        let ([a, b], [c, d]) = (words(block), words(other));
        let both = (u128::from(a ^ c) | u128::from(b ^ d) << 64).to_le_bytes();
        mask(&both, not_zero)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(block: &[u8; BLOCK], test: impl Fn(usize) -> bool) -> u32 {
        (0..block.len()).filter(|&i| test(i)).fold(0, |mask, i| mask | 1 << i)
    }

    fn check(block: &[u8; BLOCK], other: &[u8; BLOCK]) {
        let specials = of(block, |i| block[i] < 0x20 || matches!(block[i], b'"' | b'\\'));
        assert_eq!((twin::specials(block), words::specials(block)), (specials, specials), "{block:?}");
        let no_digits = of(block, |i| !block[i].is_ascii_digit());
        assert_eq!((twin::no_digits(block), words::no_digits(block)), (no_digits, no_digits), "{block:?}");
        let no_ascii = of(block, |i| !block[i].is_ascii());
        assert_eq!((twin::no_ascii(block), words::no_ascii(block)), (no_ascii, no_ascii), "{block:?}");
        let differs = of(block, |i| block[i] != other[i]);
        assert_eq!((twin::differs(block, other), words::differs(block, other)), (differs, differs), "{block:?}");
    }

    #[test]
    fn the_twins_agree_on_every_byte_at_every_place() {
        // Miri is slow.
        for byte in (0..=255u8).step_by(if cfg!(miri) { 31 } else { 1 }) {
            for filler in [b'a', b'0', b'"', 0, 0xff, byte.wrapping_add(1), byte.wrapping_sub(1)] {
                for at in 0..BLOCK {
                    let (mut block, other) = ([filler; BLOCK], [filler; BLOCK]);
                    block[at] = byte;
                    check(&block, &other);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_twins_agree_on_random_bytes(block: [u8; BLOCK], other: [u8; BLOCK]) {
            check(&block, &other);
        }

        #[test]
        fn the_twins_agree_on_text(block in proptest::array::uniform16(0x1eu8..0x60)) {
            check(&block, &block);
        }
    }

    #[test]
    fn a_block_is_whole_or_not_there() {
        let text = [b'1'; 20];
        assert!((0..=4).all(|at| Block::at(&text, at).is_some_and(|block| block.no_digits() == 0)));
        assert!([5, 20, 21, usize::MAX].into_iter().all(|at| Block::at(&text, at).is_none()));
    }
}
