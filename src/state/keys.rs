//! The keys of a batch, one after the other in one run of bytes, and where a table has them: they are looked up all together, so
//! that the waits for memory overlap.

use super::keyed::KeyId;

/// The hash of a key in one table. What it is for the index has its bits twice: the index uses the lowest and the highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hash(pub(super) u32);

impl Hash {
    pub(super) fn spread(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.0)
    }
}

/// Keys of some rows. The memory is used again for the next batch.
#[derive(Debug, Default)]
pub struct Keys {
    bytes: Vec<u8>,
    /// Where each key ends.
    ends: Vec<u32>,
    /// What each key was before it was cut off as too long, by its place; ascending.
    too_long: Vec<(u32, usize)>,
    /// Which values of a key are whole numbers that were floats; empty, if none of any key is.
    floats: Vec<u32>,
    pub(super) hashes: Vec<Hash>,
    pub(super) found: Vec<Option<KeyId>>,
    /// When they were looked up, in removals of keys from the table.
    pub(super) removals: u64,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'k> {
    pub key: &'k [u8],
    pub hash: Hash,
    /// Where it was found, and after how many removals of keys: so long as there is no other, it is there still.
    pub(super) found: Option<KeyId>,
    pub(super) removals: u64,
}

impl Keys {
    /// No keys.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.too_long.clear();
        self.floats.clear();
        self.hashes.clear();
        self.found.clear();
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a key that `write` appends; it gives the key's `floats`. Of one that is longer than `max` nothing is kept but its length.
    pub fn push(&mut self, max: usize, write: impl FnOnce(&mut Vec<u8>) -> u32) {
        let start = self.bytes.len();
        let floats = write(&mut self.bytes);
        if self.bytes.len() - start > max {
            self.too_long.push((self.ends.len() as u32, self.bytes.len() - start));
            self.bytes.truncate(start);
        }
        if floats != 0 || !self.floats.is_empty() {
            self.floats.resize(self.ends.len(), 0);
            self.floats.push(floats);
        }
        self.ends.push(self.bytes.len() as u32);
    }

    /// The bytes of a key.
    pub fn key(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start as usize..self.ends[at] as usize]
    }

    /// The length of a key, if it was too long.
    pub fn too_long(&self, at: usize) -> Option<usize> {
        if self.too_long.is_empty() {
            return None;
        }
        let found = self.too_long.binary_search_by_key(&(at as u32), |(at, _)| *at).ok()?;
        Some(self.too_long[found].1)
    }

    /// Which values of a key are whole numbers that were floats.
    pub fn floats(&self, at: usize) -> u32 {
        self.floats.get(at).copied().unwrap_or(0)
    }

    /// A key that a table has looked up.
    pub fn probe(&self, at: usize) -> Probe<'_> {
        Probe { key: self.key(at), hash: self.hashes[at], found: self.found[at], removals: self.removals }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_leave_their_length() {
        let mut keys = Keys::default();
        for (key, floats) in [("ab", 0), ("abcdef", 0), ("", 1), ("abc", 0)] {
            keys.push(3, |out| {
                out.extend_from_slice(key.as_bytes());
                floats
            });
        }
        assert_eq!([0, 1, 2, 3].map(|at| keys.key(at)), [&b"ab"[..], b"", b"", b"abc"]);
        assert_eq!([0, 1, 2, 3].map(|at| keys.too_long(at)), [None, Some(6), None, None]);
        assert_eq!([0, 1, 2, 3].map(|at| keys.floats(at)), [0, 0, 1, 0]);
        keys.clear();
        assert_eq!(keys.len(), 0);
    }
}
