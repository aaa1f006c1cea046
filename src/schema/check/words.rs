//! A set of short texts, each a word of sixteen bytes: whether a text is in it takes as many steps for every text, and no branch on what
//! it is. (A table with linear probing, whose hash is chosen so that few words stand beside their place.)

/// Bytes of a word.
pub(super) const WORD: usize = 16;

/// What no text is as a word.
const NO_WORD: u128 = 0xff;

/// Places for each word, at least.
const PLACES: usize = 4;

/// Hashes that are tried.
const TRIES: u64 = 64;

/// Some texts.
#[derive(Clone, Debug)]
pub(super) struct Words {
    /// Words at their places, or a few behind: `probes` from each place on are there.
    table: Box<[u128]>,
    probes: usize,
    hash: Hash,
}

/// A multiplicative hash (Knuth, The Art of Computer Programming, 6.4).
#[derive(Clone, Copy, Debug)]
struct Hash {
    factor: u64,
    /// All but as many bits as a place has.
    shift: u32,
}

impl Words {
    /// The set of those of some texts that are no longer than a word.
    pub fn new<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Words {
        let mut words: Vec<u128> =
            texts.filter(|text| text.len() <= WORD).map(|text| ended(word(text), text.len())).collect();
        words.sort_unstable();
        words.dedup();
        let places = (words.len() * PLACES).next_power_of_two().max(2);
        let sets = (0..TRIES).map(|n| {
            // Odd factors that differ in all their bits.
            let factor = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(2 * n + 1);
            Words::with(&words, places, Hash { factor, shift: u64::BITS - places.ilog2() })
        });
        sets.min_by_key(|set| set.probes).unwrap_or(Words {
            table: Box::default(),
            probes: 0,
            hash: Hash { factor: 1, shift: 0 },
        })
    }

    fn with(words: &[u128], places: usize, hash: Hash) -> Words {
        let mut table = vec![NO_WORD; places];
        let mut probes = 1;
        for word in words {
            let place = hash.place(*word);
            let at = (place..table.len()).find(|at| table[*at] == NO_WORD).unwrap_or(table.len());
            if at == table.len() {
                table.push(NO_WORD);
            }
            table[at] = *word;
            probes = probes.max(at - place + 1);
        }
        table.resize(places + probes, NO_WORD);
        Words { table: table.into(), probes, hash }
    }

    /// Whether a text of so many bytes is one of them. `word`: its bytes, and anything behind.
    #[inline(always)]
    pub fn have(&self, word: u128, len: usize) -> bool {
        let word = ended(word, len);
        let place = self.hash.place(word);
        let probed = self.table.get(place..place + self.probes).unwrap_or_default();
        probed.iter().fold(false, |found, known| found | (*known == word))
    }
}

impl Hash {
    #[inline(always)]
    fn place(self, word: u128) -> usize {
        let folded = word as u64 ^ ((word >> 64) as u64).rotate_left(29);
        (folded.wrapping_mul(self.factor) >> self.shift) as usize
    }
}

/// The first bytes of a text, and zeros behind it.
pub(super) fn word(text: &[u8]) -> u128 {
    let mut bytes = [0; WORD];
    bytes.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    u128::from_le_bytes(bytes)
}

/// A word with what stands behind the text set to what no text has, so that each text is a word of its own.
#[inline(always)]
fn ended(word: u128, len: usize) -> u128 {
    word | behind(len)
}

/// The bits of a word that are behind a text of so many bytes.
#[inline(always)]
pub(super) fn behind(len: usize) -> u128 {
    u128::MAX.checked_shl(8 * len as u32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_in(set: &Words, text: &[u8]) -> bool {
        [0, 1, 0xff].iter().all(|behind| {
            let padded: Vec<u8> = text.iter().copied().chain([*behind; WORD]).collect();
            set.have(word(&padded), text.len())
        })
    }

    proptest! {
        #[test]
        fn a_set_has_its_texts_and_no_others(
            texts in prop::collection::vec("[a-c]{0,3}|\\PC{0,6}|[a-z]{14,18}", 0..60),
            others in prop::collection::vec("[a-c]{0,4}|[a-z]{16}", 0..20),
        ) {
            let set = Words::new(texts.iter().map(String::as_bytes));
            for text in texts.iter().chain(&others).filter(|text| text.len() <= WORD) {
                prop_assert_eq!(is_in(&set, text.as_bytes()), texts.contains(text), "{}", text);
            }
        }
    }

    #[test]
    fn texts_differ_by_their_length_too() {
        let texts: Vec<Vec<u8>> = (0..=WORD).map(|len| vec![0; len]).collect();
        for (n, text) in texts.iter().enumerate() {
            let set = Words::new(std::iter::once(&**text));
            let found: Vec<usize> = (0..=WORD).filter(|n| is_in(&set, &texts[*n])).collect();
            assert_eq!(found, [n]);
        }
        assert!(!is_in(&Words::new(std::iter::empty()), b""));
    }

    #[test]
    fn few_words_stand_beside_their_place() {
        let names = |count: usize| (0..count).map(|n| format!("item-{n}")).collect::<Vec<_>>();
        for (count, probes) in [(1, 1), (8, 1), (20, 2), (250, 6)] {
            assert!(Words::new(names(count).iter().map(String::as_bytes)).probes <= probes, "{count}");
        }
    }
}
