//! A bounded table from keys to state, which knows what has changed since it was last written.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;

use super::chunked::Chunked;
use super::codec::Corrupt;
use super::keys::{Hash, Keys, Probe};
use super::snapshot::Snapshot;
use super::value::SmallText;

/// Where a key's state is, until it is removed.
pub type KeyId = u32;

/// The table holds as many keys as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysFull {
    pub keys_max: usize,
}

/// A key as the table keeps it.
type Key = SmallText;

/// What the index has of a key. With its hash beside it, other keys need not be looked at, neither to find it nor for the index to grow.
#[derive(Clone, Copy, Debug)]
struct Indexed {
    hash: Hash,
    id: KeyId,
}

/// State of type `T` by key, a run of bytes (`operators::key` makes them of values). A key that is there already is found without allocating.
///
/// From its first snapshot on it notes each key that is changed, once, and each that is removed. Where these notes would be more
/// than half as many as the keys it drops them, and the next snapshot is whole: after one of so many changes the store would copy
/// what is left of the earlier ones, which is more work.
#[derive(Debug)]
pub struct Keyed<T> {
    index: HashTable<Indexed>,
    entries: Chunked<Entry<T>>,
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
    /// How many keys were removed so far.
    removals: u64,
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
    key: Key,
    value: T,
    hash: Hash,
    mark: Mark,
}

impl<T: Default> Keyed<T> {
    /// An empty table for at most so many keys.
    pub fn new(keys_max: usize) -> Keyed<T> {
        Keyed {
            index: HashTable::new(),
            entries: Chunked::new(),
            free: Vec::new(),
            hasher: foldhash::fast::RandomState::default(),
            keys_max: keys_max.min(KeyId::MAX as usize),
            notes: false,
            changed: Vec::new(),
            removed: Vec::new(),
            removals: 0,
        }
    }

    /// From now on it holds at most so many keys; those that are there stay.
    pub fn set_keys_max(&mut self, keys_max: usize) {
        self.keys_max = keys_max.min(KeyId::MAX as usize);
    }

    /// Keys in it.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn find_hashed(&self, hash: Hash, key: &[u8]) -> Option<KeyId> {
        let is_it = |at: &Indexed| at.hash == hash && self.key(at.id) == key;
        self.index.find(hash.spread(), is_it).map(|at| at.id)
    }

    /// Looks up the keys of a batch. First it goes through the index for all of them, then to the keys that it names: within each loop the
    /// processor need not wait for one key before it goes on with the next.
    pub fn find_all(&self, keys: &mut Keys) {
        for at in keys.hashes.len()..keys.len() {
            let hash = self.hash(keys.key(at));
            keys.hashes.push(hash);
        }
        keys.removals = self.removals;
        keys.found.clear();
        keys.found.extend(keys.hashes.iter().map(|hash| {
            let found = self.index.find(hash.spread(), |at| at.hash == *hash);
            found.map(|at| at.id)
        }));
        for at in 0..keys.found.len() {
            // Another key of the same hash is as good as never there.
            if keys.found[at].is_some_and(|id| self.key(id) != keys.key(at)) {
                keys.found[at] = self.find_hashed(keys.hashes[at], keys.key(at));
            }
        }
    }

    /// Where a key of a batch is by now.
    pub fn find_probe(&self, probe: &Probe<'_>) -> Option<KeyId> {
        match probe.found {
            Some(id) if probe.removals == self.removals => Some(id),
            _ => self.find_hashed(probe.hash, probe.key),
        }
    }

    /// The same; a new one gets fresh state, unless the table is full.
    pub fn find_or_insert(&mut self, probe: &Probe<'_>) -> Result<KeyId, KeysFull> {
        match probe.found {
            Some(id) if probe.removals == self.removals => Ok(id),
            _ => self.find_or_insert_hashed(probe.hash, probe.key),
        }
    }

    fn find_or_insert_hashed(&mut self, hash: Hash, key: &[u8]) -> Result<KeyId, KeysFull> {
        match self.find_hashed(hash, key) {
            Some(id) => Ok(id),
            None if self.index.len() >= self.keys_max => Err(KeysFull { keys_max: self.keys_max }),
            None => Ok(self.insert(hash, key, T::default())),
        }
    }

    /// Adds a key that is not there.
    fn insert(&mut self, hash: Hash, key: &[u8], value: T) -> KeyId {
        let mark = if self.notes { Mark::New } else { Mark::Unknown };
        let entry = Entry { key: SmallText::new(key), value, hash, mark };
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
        self.index.insert_unique(hash.spread(), Indexed { hash, id }, |at| at.hash.spread());
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
        self.index.reserve(keys, |at| at.hash.spread());
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
                named(entry.key.bytes(), into, Some((id as KeyId, &entry.value)));
            }
        } else {
            // In the order in which they lie in memory.
            self.changed.sort_unstable();
            // First what went: a key may have gone and come again.
            self.removed.iter().for_each(|key| named(key.bytes(), into, None));
            for id in &self.changed {
                let Some(entry) = self.entries.get_mut(*id as usize) else { continue };
                if matches!(entry.mark, Mark::New | Mark::Changed) {
                    entry.mark = Mark::Written;
                    named(entry.key.bytes(), into, Some((*id, &entry.value)));
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
        self.entries[id as usize].key.bytes()
    }

    /// Takes a key out. Its id may come to stand for another.
    pub fn remove(&mut self, id: KeyId) -> T {
        let entry = std::mem::take(&mut self.entries[id as usize]);
        if let Ok(found) = self.index.find_entry(entry.hash.spread(), |at| at.id == id) {
            found.remove();
            self.free.push(id);
        }
        self.removals += 1;
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
            self.free.shrink_to(SHRINK_ABOVE);
            self.index.shrink_to(SHRINK_ABOVE, |at| at.hash.spread());
        }
    }

    fn hash(&self, bytes: &[u8]) -> Hash {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(bytes);
        let hash = hasher.finish();
        Hash((hash ^ hash >> 32) as u32)
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

    fn find(table: &Keyed<i32>, int: i32) -> Option<KeyId> {
        table.find_hashed(table.hash(&key(int)), &key(int))
    }

    fn add(table: &mut Keyed<i32>, int: i32) -> Result<KeyId, KeysFull> {
        table.find_or_insert_hashed(table.hash(&key(int)), &key(int))
    }

    #[test]
    fn keys_come_and_go_within_the_bound() {
        let mut table: Keyed<i32> = Keyed::new(3);
        for round in 0..10 {
            for int in 0..3 {
                let id = add(&mut table, round * 3 + int).unwrap();
                *table.get_mut(id) = int;
            }
            assert_eq!(add(&mut table, -1), Err(KeysFull { keys_max: 3 }));
            for int in (0..3).rev() {
                let id = find(&table, round * 3 + int).unwrap();
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
                match (what, find(&table, int)) {
                    (0 | 1, _) => {
                        if let Ok(id) = add(&mut table, int) {
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

    proptest! {
        #[test]
        fn keys_of_a_batch_are_found_as_in_a_map(
            batches in prop::collection::vec(prop::collection::vec((0..60_i32, 0..4_u8), 0..40), 1..12),
        ) {
            let (mut table, mut model) = (Keyed::<i32>::new(40), BTreeMap::new());
            let mut keys = Keys::default();
            for batch in batches {
                keys.clear();
                for (int, _) in &batch {
                    keys.push(100, |out| {
                        out.extend_from_slice(format!("{int:020}").get(*int as usize % 19..).unwrap_or_default().as_bytes());
                        0
                    });
                }
                table.find_all(&mut keys);
                for (at, (int, what)) in batch.into_iter().enumerate() {
                    let probe = keys.probe(at);
                    let found = table.find_probe(&probe);
                    prop_assert_eq!(found.map(|id| *table.get(id)), model.get(probe.key).copied());
                    match (what, found) {
                        (0, Some(id)) => {
                            table.remove(id);
                            model.remove(probe.key);
                        }
                        (1.., _) => {
                            let id = table.find_or_insert(&probe);
                            prop_assert_eq!(id.is_ok(), found.is_some() || model.len() < 40);
                            if let Ok(id) = id {
                                *table.get_mut(id) = int;
                                model.insert(probe.key.to_vec(), int);
                            }
                        }
                        _ => {}
                    }
                }
                prop_assert_eq!(table.len(), model.len());
            }
        }
    }

    #[test]
    fn notes_are_bounded_by_what_a_whole_snapshot_costs() {
        let (mut table, mut saved) = (Keyed::<i32>::new(10_000), BTreeMap::new());
        save(&mut table, false, &mut saved);
        for int in 0..10_000 {
            let id = add(&mut table, int).unwrap();
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
