//! A bounded table from keys to state.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use smallvec::SmallVec;

/// Where a key's state is, until it is removed.
pub type KeyId = u32;

/// The table holds as many keys as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysFull {
    pub keys_max: usize,
}

/// State of type `T` by key, a run of bytes (`operators::key` makes them of values). A key that is there already is found without allocating.
#[derive(Debug)]
pub struct Keyed<T> {
    index: HashTable<KeyId>,
    entries: Vec<Entry<T>>,
    /// Places of removed keys, used again first.
    free: Vec<KeyId>,
    /// Seeded for each table, so that nobody can choose keys that collide; nothing depends on its order.
    hasher: foldhash::fast::RandomState,
    keys_max: usize,
}

#[derive(Debug, Default)]
struct Entry<T> {
    hash: u64,
    key: SmallVec<[u8; 24]>,
    value: T,
}

impl<T: Default> Keyed<T> {
    /// An empty table for at most so many keys.
    pub fn new(keys_max: usize) -> Keyed<T> {
        Keyed {
            index: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            hasher: foldhash::fast::RandomState::default(),
            keys_max: keys_max.min(KeyId::MAX as usize),
        }
    }

    /// Keys in the table.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Where the key is.
    pub fn find(&self, key: &[u8]) -> Option<KeyId> {
        let hash = self.hash(key);
        self.index.find(hash, |id| self.is_at(*id, hash, key)).copied()
    }

    /// Where the key is; a new one gets fresh state, unless the table is full.
    pub fn find_or_insert(&mut self, key: &[u8]) -> Result<KeyId, KeysFull> {
        let hash = self.hash(key);
        if let Some(id) = self.index.find(hash, |id| self.is_at(*id, hash, key)) {
            return Ok(*id);
        }
        if self.index.len() >= self.keys_max {
            return Err(KeysFull { keys_max: self.keys_max });
        }
        let entry = Entry { hash, key: SmallVec::from_slice(key), value: T::default() };
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as KeyId
            }
        };
        let entries = &self.entries;
        self.index.insert_unique(hash, id, |id| entries[*id as usize].hash);
        Ok(id)
    }

    /// The state under an id that may be out of date.
    pub fn try_get(&self, id: KeyId) -> Option<&T> {
        self.entries.get(id as usize).map(|entry| &entry.value)
    }

    /// The state of a key that is in the table.
    pub fn get(&self, id: KeyId) -> &T {
        &self.entries[id as usize].value
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: KeyId) -> &mut T {
        &mut self.entries[id as usize].value
    }

    /// The key itself.
    pub fn key(&self, id: KeyId) -> &[u8] {
        &self.entries[id as usize].key
    }

    /// Takes a key out. Its id may come to stand for another.
    pub fn remove(&mut self, id: KeyId) -> T {
        let entry = std::mem::take(&mut self.entries[id as usize]);
        if let Ok(found) = self.index.find_entry(entry.hash, |at| *at == id) {
            found.remove();
            self.free.push(id);
        }
        self.give_back();
        entry.value
    }

    /// Memory follows the number of keys down: a burst of keys does not hold it for ever.
    fn give_back(&mut self) {
        if self.index.is_empty() {
            self.entries.clear();
            self.free.clear();
            if self.entries.capacity() > SHRINK_ABOVE {
                self.entries.shrink_to(SHRINK_ABOVE);
                self.free.shrink_to(SHRINK_ABOVE);
                self.index.shrink_to(SHRINK_ABOVE, |_| 0);
            }
        }
    }

    fn is_at(&self, id: KeyId, hash: u64, bytes: &[u8]) -> bool {
        let entry = &self.entries[id as usize];
        entry.hash == hash && *entry.key == *bytes
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }
}

/// An empty table keeps room for so many keys.
const SHRINK_ABOVE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(int: i32) -> [u8; 4] {
        int.to_le_bytes()
    }

    #[test]
    fn keys_come_and_go_within_the_bound() {
        let mut table: Keyed<i32> = Keyed::new(3);
        for round in 0..10 {
            for int in 0..3 {
                let id = table.find_or_insert(&key(round * 3 + int)).unwrap();
                *table.get_mut(id) = int;
            }
            assert_eq!(table.find_or_insert(&key(-1)), Err(KeysFull { keys_max: 3 }));
            for int in (0..3).rev() {
                let id = table.find(&key(round * 3 + int)).unwrap();
                assert_eq!(table.remove(id), int);
            }
            assert!(table.is_empty());
        }
        assert!(table.entries.len() <= 3);
    }
}
