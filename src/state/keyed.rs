//! A bounded table from keys to state, which knows what has changed since it was last written.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::codec::Corrupt;
use super::snapshot::Snapshot;

/// Where a key's state is, until it is removed.
pub type KeyId = u32;

/// The table holds as many keys as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysFull {
    pub keys_max: usize,
}

/// A key as the table keeps it.
type Key = SmallVec<[u8; 24]>;

/// State of type `T` by key, a run of bytes (`operators::key` makes them of values). A key that is there already is found without allocating.
///
/// From its first snapshot on it notes each key that is changed, once, and each that is removed. Where these notes would be more
/// than half as many as the keys it drops them, and the next snapshot is whole: after one of so many changes the store would copy
/// what is left of the earlier ones, which is more work.
#[derive(Debug)]
pub struct Keyed<T> {
    index: HashTable<KeyId>,
    entries: Vec<Entry<T>>,
    /// Places of removed keys, used again first.
    free: Vec<KeyId>,
    /// Seeded for each table, so that nobody can choose keys that collide; nothing depends on its order.
    hasher: foldhash::fast::RandomState,
    keys_max: usize,
    /// Whether changes are noted: all of what was not noted is in snapshots.
    notes: bool,
    /// Keys with the mark `New` or `Changed`; also ids of keys that were removed since.
    changed: Vec<KeyId>,
    /// Keys that were removed and are in a snapshot.
    removed: Vec<Key>,
}

/// Where an entry stands to the snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mark {
    /// It is no entry: its key was removed.
    #[default]
    Free,
    /// Nothing is noted.
    Unknown,
    /// Noted; in no snapshot.
    New,
    /// Noted; in a snapshot as it was before.
    Changed,
    /// In a snapshot as it is.
    Written,
}

#[derive(Debug, Default)]
struct Entry<T> {
    hash: u64,
    key: Key,
    value: T,
    mark: Mark,
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
            notes: false,
            changed: Vec::new(),
            removed: Vec::new(),
        }
    }

    /// From now on it holds at most so many keys; those that are there stay.
    pub fn set_keys_max(&mut self, keys_max: usize) {
        self.keys_max = keys_max.min(KeyId::MAX as usize);
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
        self.find_hashed(self.hash(key), key)
    }

    fn find_hashed(&self, hash: u64, key: &[u8]) -> Option<KeyId> {
        self.index.find(hash, |id| self.is_at(*id, hash, key)).copied()
    }

    /// Where the key is; a new one gets fresh state, unless the table is full.
    pub fn find_or_insert(&mut self, key: &[u8]) -> Result<KeyId, KeysFull> {
        let hash = self.hash(key);
        if let Some(id) = self.find_hashed(hash, key) {
            return Ok(id);
        }
        if self.index.len() >= self.keys_max {
            return Err(KeysFull { keys_max: self.keys_max });
        }
        Ok(self.insert(hash, key, T::default()))
    }

    /// Adds a key that is not there.
    fn insert(&mut self, hash: u64, key: &[u8], value: T) -> KeyId {
        let mark = if self.notes { Mark::New } else { Mark::Unknown };
        let entry = Entry { hash, key: SmallVec::from_slice(key), value, mark };
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
        if self.notes {
            self.changed.push(id);
            self.bound_notes();
        }
        id
    }

    /// Puts back a key and its state as a snapshot had them. The bound does not hold: it may have been greater then.
    pub fn restore(&mut self, key: &[u8], value: T) -> Result<KeyId, Corrupt> {
        let hash = self.hash(key);
        if self.index.len() >= KeyId::MAX as usize {
            return Err(Corrupt("there are too many keys".into()));
        }
        match self.find_hashed(hash, key) {
            Some(_) => Err(Corrupt("a key is there twice".into())),
            None => Ok(self.insert(hash, key, value)),
        }
    }

    /// Makes room for so many keys more.
    pub fn reserve(&mut self, keys: usize) {
        let entries = &self.entries;
        self.index.reserve(keys, |id| entries[*id as usize].hash);
        self.entries.reserve(keys);
    }

    /// The state under an id that may be out of date.
    pub fn try_get(&self, id: KeyId) -> Option<&T> {
        self.entries.get(id as usize).map(|entry| &entry.value)
    }

    /// The state of a key that is in the table.
    pub fn get(&self, id: KeyId) -> &T {
        &self.entries[id as usize].value
    }

    /// The same, to change it or what belongs to it elsewhere.
    pub fn get_mut(&mut self, id: KeyId) -> &mut T {
        self.touch(id);
        &mut self.entries[id as usize].value
    }

    /// Notes that what belongs to the key changes.
    pub fn touch(&mut self, id: KeyId) {
        if self.entries[id as usize].mark == Mark::Written {
            self.note(id);
        }
    }

    /// Notes that a key changes that is in a snapshot.
    #[cold]
    fn note(&mut self, id: KeyId) {
        if self.notes {
            self.entries[id as usize].mark = Mark::Changed;
            self.changed.push(id);
            self.bound_notes();
        } else {
            self.entries[id as usize].mark = Mark::Unknown;
        }
    }

    /// Drops all notes, if there are so many that writing everything costs no more.
    fn bound_notes(&mut self) {
        let notes = self.changed.len() + self.removed.len();
        if notes > NOTES_KEPT && notes > self.index.len() / 2 {
            self.forget_notes();
        }
    }

    /// Writes what has changed since the last time, or everything; `write` appends what is kept of a key. Each record has the
    /// key, after the byte [`KEY`]. Before any `put` of the caller: a table that does not know its changes resets the snapshot.
    pub fn snapshot(&mut self, into: &mut Snapshot, mut write: impl FnMut(KeyId, &T, &mut Vec<u8>)) {
        let mut name = vec![KEY];
        let mut named = |key: &[u8], into: &mut Snapshot, value: Option<(KeyId, &T)>| {
            name.truncate(1);
            name.extend_from_slice(key);
            match value {
                Some((id, value)) => into.put(&name, |out| write(id, value, out)),
                None => into.remove(&name),
            }
        };
        if !self.notes {
            into.reset();
        }
        into.begin(if into.is_whole() { self.index.len() } else { self.removed.len() + self.changed.len() });
        if into.is_whole() {
            let live = self.entries.iter_mut().enumerate().filter(|(_, entry)| entry.mark != Mark::Free);
            for (id, entry) in live {
                entry.mark = Mark::Written;
                named(&entry.key, into, Some((id as KeyId, &entry.value)));
            }
        } else {
            // In the order in which they lie in memory.
            self.changed.sort_unstable();
            // First what went: a key may have gone and come again.
            self.removed.iter().for_each(|key| named(key, into, None));
            for id in &self.changed {
                let Some(entry) = self.entries.get_mut(*id as usize) else { continue };
                if matches!(entry.mark, Mark::New | Mark::Changed) {
                    entry.mark = Mark::Written;
                    named(&entry.key, into, Some((*id, &entry.value)));
                }
            }
        }
        self.notes = true;
        self.changed.clear();
        self.removed.clear();
    }

    /// All notes are dropped: the next snapshot is whole.
    pub fn forget_notes(&mut self) {
        self.notes = false;
        (self.changed, self.removed) = (Vec::new(), Vec::new());
    }

    /// Every key that is in the table, in no order that means anything, and its state.
    pub fn iter(&self) -> impl Iterator<Item = (KeyId, &T)> {
        let live = self.entries.iter().enumerate().filter(|(_, entry)| entry.mark != Mark::Free);
        live.map(|(id, entry)| (id as KeyId, &entry.value))
    }

    /// The state of every key, to change all of it: the next snapshot is whole.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.forget_notes();
        self.entries.iter_mut().filter(|entry| entry.mark != Mark::Free).map(|entry| &mut entry.value)
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
        if self.notes && matches!(entry.mark, Mark::Written | Mark::Changed) {
            self.removed.push(entry.key);
            self.bound_notes();
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

/// So many notes of changes are kept however few keys there are.
const NOTES_KEPT: usize = 1024;

/// The first byte of a key's name in snapshots; an operator's own record is named [`HEAD`].
pub const KEY: u8 = 1;

/// The name of the record of what an operator keeps beside its keys.
pub const HEAD: &[u8] = &[0];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::snapshot::{Record, records};
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

    /// What the snapshots so far say.
    fn apply(snapshot: Snapshot, into: &mut BTreeMap<Vec<u8>, i32>) -> usize {
        let bytes = snapshot.finish();
        let mut count = 0;
        for record in records(&bytes) {
            count += 1;
            match record.unwrap() {
                Record::Reset => into.clear(),
                Record::Put { key, value } => {
                    into.insert(key[1..].to_vec(), i32::from_le_bytes(value.try_into().unwrap()));
                }
                Record::Remove { key } => drop(into.remove(&key[1..]).unwrap()),
            }
        }
        count
    }

    fn save(table: &mut Keyed<i32>, whole: bool, into: &mut BTreeMap<Vec<u8>, i32>) -> usize {
        let mut snapshot = Snapshot::new(whole);
        table.snapshot(&mut snapshot, |_, value, out| out.extend_from_slice(&value.to_le_bytes()));
        apply(snapshot, into)
    }

    proptest! {
        #[test]
        fn snapshots_in_order_say_what_is_there(steps in prop::collection::vec((0..12_i32, 0..5_u8), 0..200)) {
            let (mut table, mut model, mut saved) = (Keyed::<i32>::new(10), BTreeMap::new(), BTreeMap::new());
            for (i, (int, what)) in steps.into_iter().enumerate() {
                match (what, table.find(&key(int))) {
                    (0 | 1, _) => {
                        if let Ok(id) = table.find_or_insert(&key(int)) {
                            *table.get_mut(id) = i as i32;
                            model.insert(key(int).to_vec(), i as i32);
                        }
                    }
                    (2 | 3, Some(id)) => {
                        table.remove(id);
                        model.remove(&key(int)[..]);
                    }
                    (2 | 3, None) => {}
                    _ => {
                        save(&mut table, int == 0, &mut saved);
                        prop_assert_eq!(&saved, &model);
                    }
                }
            }
            save(&mut table, false, &mut saved);
            prop_assert_eq!(&saved, &model);
            prop_assert_eq!(save(&mut table, false, &mut saved), 0);
            prop_assert_eq!(table.iter().count(), model.len());
        }
    }

    #[test]
    fn notes_are_bounded_by_what_a_whole_snapshot_costs() {
        let (mut table, mut saved) = (Keyed::<i32>::new(10_000), BTreeMap::new());
        save(&mut table, false, &mut saved);
        for int in 0..10_000 {
            let id = table.find_or_insert(&key(int)).unwrap();
            if int % 10 > 0 {
                table.remove(id);
            }
            assert!(table.changed.len() + table.removed.len() <= NOTES_KEPT.max(table.len()) + 1);
        }
        assert!(!table.notes);
        assert_eq!(save(&mut table, false, &mut saved), 1 + 1000);
        *table.get_mut(0) = 5;
        assert_eq!(save(&mut table, false, &mut saved), 1);
    }
}
