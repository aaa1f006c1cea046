//! Names and their numbers.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// The place of a name in a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserId(pub usize);

/// Users, numbered as they come.
pub struct Users {
    hasher: FixedState,
    ids: HashTable<u32>,
    /// The names, one after the other, and where each ends.
    names: String,
    ends: Vec<u32>,
}

impl Users {
    pub fn new() -> Users {
        Users { hasher: FixedState::default(), ids: HashTable::new(), names: String::new(), ends: Vec::new() }
    }

    /// The number of a name.
    pub fn id(&mut self, name: &str) -> UserId {
        let hash = self.hasher.hash_one(name);
        let (names, ends) = (&self.names, &self.ends);
        if let Some(id) = self.ids.find(hash, |id| name_of(names, ends, *id as usize) == name) {
            return UserId(*id as usize);
        }
        let id = self.ends.len();
        self.names.push_str(name);
        self.ends.push(self.names.len() as u32);
        let (names, ends, hasher) = (&self.names, &self.ends, &self.hasher);
        self.ids.insert_unique(hash, id as u32, |id| hasher.hash_one(name_of(names, ends, *id as usize)));
        UserId(id)
    }

    pub fn name(&self, UserId(id): UserId) -> &str {
        name_of(&self.names, &self.ends, id)
    }
}

fn name_of<'a>(names: &'a str, ends: &[u32], id: usize) -> &'a str {
    let start = if id == 0 { 0 } else { ends[id - 1] };
    &names[start as usize..ends[id] as usize]
}
