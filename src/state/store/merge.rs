//! Merges the log of a checkpoint into one segment that holds each key once: the newest record of a key stays, what was removed is gone,
//! and so is what belongs to nobody any more.
//!
//! The log is read twice, in order. First the keys of what was written later, by their hashes, with the place of the last record of each; then all
//! records: a clean one stays if its key was not written later, a later one if it is the last of its key and no tombstone. For more keys
//! than fit, the keys are divided by their hashes and it is done for each part. Hashes have 128 bits and secret keys, so that nobody can choose two
//! keys of events that are taken for one.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::Path;

use crate::limits::STORE_MERGE_BUFFER_BYTES;
use crate::state::Record;
use crate::state::snapshot::written;

use super::Tuning;
use super::error::{Flaw, StoreError};
use super::manifest::{Manifest, Tally};
use super::segment::{Block, Reader, Writer};

/// The new log, and what each state has in it. Where the log cannot be read there is nothing to merge.
pub(super) fn merge(
    dir: &Path,
    manifest: &Manifest,
    into: &mut Writer,
    tuning: &Tuning,
) -> Result<Tallies, MergeError> {
    let changed: u64 = manifest.states().map(|state| state.later.puts + state.later.removes).sum();
    let parts = changed.div_ceil(tuning.merge_keys as u64).max(1);
    let mut merge = Merge {
        dir,
        manifest,
        into,
        tallies: manifest.states().map(|state| (state.stream, Tally::default())).collect(),
        hashers: [RandomState::new(), RandomState::new()],
        gathered: HashMap::new(),
        gathered_bytes: 0,
    };
    for part in 0..parts {
        let last = merge.last_places(part, parts)?;
        merge.copy(part, parts, &last)?;
    }
    merge.flush()?;
    Ok(merge.tallies)
}

/// What a state has in the merged log, by stream.
pub(super) type Tallies = HashMap<u64, Tally>;

/// Why nothing was merged.
#[derive(Debug)]
pub(super) enum MergeError {
    /// The log is damaged.
    Flaw(Flaw),
    /// It cannot be written.
    Store(StoreError),
}

impl From<Flaw> for MergeError {
    fn from(flaw: Flaw) -> MergeError {
        MergeError::Flaw(flaw)
    }
}

impl From<StoreError> for MergeError {
    fn from(error: StoreError) -> MergeError {
        MergeError::Store(error)
    }
}

/// Where the last record of each changed key is, counted over what was written later.
type Places = HashMap<u128, u64, foldhash::fast::RandomState>;

struct Merge<'a> {
    dir: &'a Path,
    manifest: &'a Manifest,
    into: &'a mut Writer,
    tallies: Tallies,
    hashers: [RandomState; 2],
    /// Records that wait to be written, by stream: so that many small blocks become few.
    gathered: HashMap<u64, Vec<u8>>,
    gathered_bytes: usize,
}

impl Merge<'_> {
    /// Everything of the log, in order.
    fn blocks(&mut self, mut each: impl FnMut(&mut Self, Block) -> Result<(), MergeError>) -> Result<(), MergeError> {
        for segment in &self.manifest.segments {
            let mut reader = Reader::open(self.dir, *segment)?;
            while let Some(block) = reader.next()? {
                each(self, block)?;
            }
        }
        Ok(())
    }

    fn hash(&self, stream: u64, key: &[u8]) -> u128 {
        let [a, b] = &self.hashers;
        (u128::from(a.hash_one((stream, key))) << 64) | u128::from(b.hash_one((stream, key)))
    }

    fn last_places(&mut self, part: u64, parts: u64) -> Result<Places, MergeError> {
        let mut last = Places::default();
        let mut place = 0;
        self.blocks(|merge, block| {
            if block.clean || !merge.tallies.contains_key(&block.stream) {
                return Ok(());
            }
            for record in written(&block.payload) {
                let (Record::Put { key, .. } | Record::Remove { key }, _) = record.map_err(unreadable)? else {
                    continue;
                };
                let hash = merge.hash(block.stream, key);
                if is_in(hash, part, parts) {
                    last.insert(hash, place);
                }
                place += 1;
            }
            Ok(())
        })?;
        Ok(last)
    }

    fn copy(&mut self, part: u64, parts: u64, last: &Places) -> Result<(), MergeError> {
        let bundle = self.manifest.bundle.map(|bundle| bundle.stream);
        let mut place = 0;
        self.blocks(|merge, block| {
            if Some(block.stream) == bundle && part == 0 {
                merge.into.append(block.stream, true, &block.payload)?;
            }
            if !merge.tallies.contains_key(&block.stream) {
                return Ok(());
            }
            for record in written(&block.payload) {
                let (record, bytes) = record.map_err(unreadable)?;
                let (Record::Put { key, .. } | Record::Remove { key }) = record else { continue };
                let hash = merge.hash(block.stream, key);
                let stays = match last.get(&hash) {
                    None => block.clean && is_in(hash, part, parts),
                    Some(last) => !block.clean && *last == place && matches!(record, Record::Put { .. }),
                };
                place += u64::from(!block.clean);
                if stays {
                    merge.gather(block.stream, bytes)?;
                }
            }
            Ok(())
        })
    }

    fn gather(&mut self, stream: u64, record: &[u8]) -> Result<(), StoreError> {
        if let Some(tally) = self.tallies.get_mut(&stream) {
            tally.puts += 1;
            tally.bytes += record.len() as u64;
        }
        if self.gathered_bytes + record.len() > STORE_MERGE_BUFFER_BYTES {
            self.flush()?;
        }
        self.gathered_bytes += record.len();
        self.gathered.entry(stream).or_default().extend_from_slice(record);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.gathered_bytes = 0;
        for (stream, records) in self.gathered.drain() {
            self.into.append(stream, true, &records)?;
        }
        Ok(())
    }
}

fn is_in(hash: u128, part: u64, parts: u64) -> bool {
    (hash >> 64) as u64 % parts == part
}

fn unreadable(why: crate::state::Corrupt) -> MergeError {
    MergeError::Flaw(Flaw(format!("a record cannot be read: {why}")))
}

impl std::fmt::Display for MergeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MergeError::Flaw(Flaw(why)) => f.write_str(why),
            MergeError::Store(error) => error.fmt(f),
        }
    }
}
