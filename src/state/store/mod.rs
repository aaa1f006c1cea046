//! The checkpoint store: one folder for a topology, with the newest checkpoints of it. A checkpoint is a manifest and the parts of
//! append-only segments that it names. Everything here blocks.
//!
//! Order of a write: records are appended and synced, the manifest is written, synced and renamed into place, the folder is synced; only then
//! is removed what neither of the two newest manifests names. So a crash at any moment leaves the checkpoint before or the new one.

mod append;
mod draft;
mod error;
mod load;
mod lock;
mod manifest;
mod merge;
mod names;
mod segment;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::limits::{
    STORE_BLOCK_BYTES, STORE_MANIFESTS_KEPT, STORE_MERGE_BYTES_MIN, STORE_MERGE_KEYS_MAX, STORE_SEGMENTS_MAX,
};
use crate::state::failpoint;

pub use draft::{Draft, NodeDraft};
pub use error::StoreError;
pub use load::{Loaded, LoadedNode};

use lock::Lock;
use manifest::{Manifest, Tally};
use segment::Writer;

/// The folder of a topology's state, by the topology's name: in the folder that was named for states, else beside its file.
pub fn folder(file: &Path, topology: &str, states: Option<&Path>) -> PathBuf {
    let beside = || file.parent().unwrap_or(Path::new("")).join(".runner");
    states.map_or_else(beside, Path::to_path_buf).join(topology)
}

/// Where a node may keep notes of its own beside the checkpoints in a folder.
pub fn notes(dir: &Path, node: &str) -> PathBuf {
    names::notes(dir, node)
}

/// An open folder, locked as long as it lives.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    lock: Lock,
    /// The number of the next file.
    next: u64,
    /// The number of the first file that we made.
    first: u64,
    /// What is published, the newest last.
    kept: Vec<Manifest>,
    /// The last segment of the newest, if we wrote it.
    log: Option<Writer>,
    /// Writes for which nothing is merged, as merging failed.
    merge_pause: u32,
    /// A merge found a segment with a lower number that cannot be read.
    damaged_below: u64,
    tuning: Tuning,
}

/// Sizes that tests make small.
#[derive(Clone, Copy, Debug)]
struct Tuning {
    block_bytes: usize,
    merge_bytes_min: u64,
    merge_keys: usize,
}

/// What a write did.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Appended for this checkpoint, its manifest included.
    pub bytes: u64,
    /// In the folder, after all.
    pub bytes_on_disk: u64,
    /// Whether the log was merged.
    pub merged: bool,
    /// What is on the disk was found damaged. The next draft should be whole: each node's records begin anew, and the bundle is there.
    pub damaged: bool,
    /// What went wrong without harm to the checkpoint.
    pub warnings: Vec<String>,
}

/// Writes that go by before a merge that failed is tried again.
const MERGE_PAUSE_WRITES: u32 = 60;

/// Times that a newer checkpoint may take away the one that is being looked at.
const PEEKS: usize = 8;

impl Store {
    /// Opens the folder, makes it where there is none, and locks it.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        fs::create_dir_all(dir).map_err(StoreError::io("made", dir))?;
        let lock = Lock::take(dir)?;
        let tuning = Tuning {
            block_bytes: STORE_BLOCK_BYTES,
            merge_bytes_min: STORE_MERGE_BYTES_MIN,
            merge_keys: STORE_MERGE_KEYS_MAX,
        };
        let first = names::next(dir)?;
        Ok(Store {
            dir: dir.to_path_buf(),
            lock,
            next: first,
            first,
            kept: Vec::new(),
            log: None,
            merge_pause: 0,
            damaged_below: 0,
            tuning,
        })
    }

    /// Reads the newest checkpoint without the lock, also while another process writes there.
    pub fn peek(dir: &Path) -> Result<Option<Loaded>, StoreError> {
        let newest = |manifests: &[u64]| manifests.first().copied();
        for _ in 0..PEEKS {
            let before = newest(&names::manifests(dir)?);
            let read = load::newest(dir);
            // What was removed under us is no damage.
            let is_sound =
                matches!(&read, Ok(None)) || matches!(&read, Ok(Some((_, loaded))) if loaded.warnings.is_empty());
            if is_sound || newest(&names::manifests(dir)?) == before {
                return Ok(read?.map(|(_, loaded)| loaded));
            }
        }
        Ok(load::newest(dir)?.map(|(_, loaded)| loaded))
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether there is a checkpoint, whole or not.
    pub fn holds_one(dir: &Path) -> Result<bool, StoreError> {
        Ok(!names::manifests(dir)?.is_empty())
    }

    /// Reads the newest whole checkpoint; writing goes on from it. `None`: there is none. A store that is not loaded starts anew: its
    /// first checkpoint replaces what is there.
    pub fn load(&mut self) -> Result<Option<Loaded>, StoreError> {
        self.kept.clear();
        self.log = None;
        let Some((manifest, loaded)) = load::newest(&self.dir)? else {
            names::sweep(&self.dir, &[], 0)?;
            return Ok(None);
        };
        if loaded.warnings.is_empty() {
            // The one before stays until there is a newer one.
            let older = names::manifests(&self.dir)?.into_iter().find(|number| *number < manifest.number);
            if let Some(Ok(older)) = older.map(|number| Manifest::read(&self.dir, number)).transpose()? {
                self.kept.push(older);
            }
            self.kept.push(manifest);
            names::sweep(&self.dir, &self.kept, 0)?;
        } else {
            // What is damaged stays to be looked at until the next checkpoint is there.
            self.kept.push(manifest);
        }
        Ok(Some(loaded))
    }

    /// Whether the folder still has what we put there: our lock, and the newest checkpoint's files.
    pub fn is_there(&self) -> bool {
        let has = |manifest: &Manifest| {
            manifest::path(&self.dir, manifest.number).exists()
                && manifest.all_segments().all(|part| segment::path(&self.dir, part.number).exists())
        };
        self.lock.is_there() && self.kept.last().is_none_or(has)
    }

    /// Begins anew after somebody has removed what was there. The next draft must be whole: each node's records begin anew.
    pub fn make_again(&mut self) -> Result<(), StoreError> {
        fs::create_dir_all(&self.dir).map_err(StoreError::io("made", &self.dir))?;
        if !self.lock.is_there() {
            self.lock = Lock::take(&self.dir)?;
        }
        self.next = self.next.max(names::next(&self.dir)?);
        self.first = self.next;
        self.kept.clear();
        self.log = None;
        Ok(())
    }

    /// Writes a checkpoint. After an error everything is as before, and the same draft can be written again.
    pub fn write(&mut self, draft: &Draft) -> Result<Stats, StoreError> {
        self.write_then(draft, |_| {})
    }

    /// Writes a checkpoint, calls `published` as soon as it is durable, and then merges the log if it is time.
    pub fn write_then(&mut self, draft: &Draft, published: impl FnOnce(&Stats)) -> Result<Stats, StoreError> {
        let written = append::append(self, draft).and_then(|(manifest, bytes)| {
            failpoint::hit("segment-written");
            Ok((self.publish(&manifest, "manifest-renamed")? + bytes, manifest))
        });
        let (bytes, manifest) = match written {
            Ok(written) => written,
            Err(error) => {
                self.roll_back();
                return Err(error);
            }
        };
        failpoint::hit("published");
        let mut stats = Stats { bytes, ..Stats::default() };
        self.keep(manifest, &mut stats);
        published(&stats);
        self.merge_if_due(&mut stats);
        stats.bytes_on_disk = names::bytes(&self.dir).unwrap_or(0);
        Ok(stats)
    }

    /// Forgets every checkpoint; the notes of nodes stay.
    pub fn clear(&mut self) -> Result<(), StoreError> {
        self.kept.clear();
        self.log = None;
        names::sweep(&self.dir, &[], 0)?;
        names::sync_dir(&self.dir)
    }

    /// Forgets the notes that nodes keep: what an earlier run did stays as it is.
    pub fn clear_notes(&mut self) -> Result<(), StoreError> {
        names::remove_notes(&self.dir)?;
        names::sync_dir(&self.dir)
    }

    /// Forgets everything, and removes the folder, with what is empty around it.
    pub fn remove(mut self) -> Result<(), StoreError> {
        if !self.lock.is_there() {
            // Somebody has removed it before: whatever is there is not ours.
            return Ok(());
        }
        self.clear()?;
        self.clear_notes()?;
        self.lock.remove()?;
        // Not empty: somebody else's files are there, or another runner's state beside it.
        if fs::remove_dir(&self.dir).is_ok()
            && let Some(around) = self.dir.parent().filter(|around| around.ends_with(".runner"))
        {
            let _ = fs::remove_dir(around);
        }
        Ok(())
    }

    /// Removes what one node has. False: it has nothing.
    pub fn forget(&mut self, node: &str) -> Result<bool, StoreError> {
        let Some(mut manifest) = self.kept.last().cloned() else { return Ok(false) };
        if manifest.nodes.remove(node).is_none() {
            return Ok(false);
        }
        manifest.number = self.number();
        if let Err(error) = self.publish(&manifest, "manifest-renamed") {
            self.roll_back();
            return Err(error);
        }
        self.keep(manifest, &mut Stats::default());
        Ok(true)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Makes a manifest the newest. Returns its size.
    fn publish(&self, manifest: &Manifest, renamed: &str) -> Result<u64, StoreError> {
        let text = manifest.text()?;
        let unpublished = names::unpublished(&self.dir);
        let written = File::create(&unpublished).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.map_err(StoreError::io("written", &unpublished))?;
        let path = manifest::path(&self.dir, manifest.number);
        fs::rename(&unpublished, &path).map_err(StoreError::io("made", &path))?;
        failpoint::hit(renamed);
        names::sync_dir(&self.dir)?;
        Ok(text.len() as u64)
    }

    /// The published manifest is the newest from now on, and what no kept one names goes.
    fn keep(&mut self, manifest: Manifest, stats: &mut Stats) {
        self.kept.push(manifest);
        let surplus = self.kept.len().saturating_sub(STORE_MANIFESTS_KEPT);
        self.kept.drain(..surplus);
        if let Err(error) = names::sweep(&self.dir, &self.kept, 0) {
            stats.warnings.push(format!("an old checkpoint stays: {error}"));
        }
    }

    /// After an error: what was written goes, to make room, and nothing is appended to a segment that may be torn.
    fn roll_back(&mut self) {
        if let Some(log) = self.log.take() {
            let named = self.kept.iter().flat_map(Manifest::all_segments);
            let len = named.filter(|segment| segment.number == log.segment().number).map(|segment| segment.len).max();
            // One that no manifest names is swept; what is left behind otherwise is never read.
            let _ = log.cut(len.unwrap_or(0));
        }
        // Only what we made: a store that was not loaded keeps nothing, but what is there is still the newest checkpoint.
        let _ = names::sweep(&self.dir, &self.kept, self.first);
    }

    fn merge_if_due(&mut self, stats: &mut Stats) {
        let Some(manifest) = self.kept.last().filter(|manifest| self.is_due(manifest)).cloned() else { return };
        if self.merge_pause > 0 {
            self.merge_pause -= 1;
            return;
        }
        match self.merge(manifest) {
            Ok(manifest) => {
                self.keep(manifest, stats);
                stats.merged = true;
            }
            Err(error) => {
                self.roll_back();
                self.merge_pause = MERGE_PAUSE_WRITES;
                if matches!(error, merge::MergeError::Flaw(_)) {
                    self.damaged_below = self.next;
                    stats.damaged = true;
                }
                stats.warnings.push(format!("the state could not be made smaller: {error}"));
            }
        }
    }

    /// Whether what may be dead is more than half of what was clean at the last merge.
    fn is_due(&self, manifest: &Manifest) -> bool {
        let total: u64 = manifest.segments.iter().map(|segment| segment.len).sum();
        let (mut clean, mut dead) = (manifest.bundle.map_or(0, |bundle| bundle.bytes), 0);
        for state in manifest.states() {
            clean += state.clean.bytes;
            // Each tombstone has at most one record to bury.
            let average = state.clean.bytes / state.clean.puts.max(1);
            dead += state.clean.bytes.min(average * state.later.removes);
        }
        dead += total.saturating_sub(clean);
        dead > self.tuning.merge_bytes_min.max(clean / 2) || manifest.segments.len() > STORE_SEGMENTS_MAX
    }

    /// The same checkpoint over a log that holds each key once.
    fn merge(&mut self, mut manifest: Manifest) -> Result<Manifest, merge::MergeError> {
        let number = self.number();
        let mut log = Writer::create(&self.dir, number)?;
        let tallies = merge::merge(&self.dir, &manifest, &mut log, &self.tuning)?;
        log.sync()?;
        names::sync_dir(&self.dir)?;
        failpoint::hit("merge-written");
        manifest.segments = vec![log.segment()];
        for state in manifest.nodes.values_mut().filter_map(|node| node.state.as_mut()) {
            state.clean = tallies.get(&state.stream).copied().unwrap_or_default();
            state.later = Tally::default();
        }
        manifest.number = self.number();
        self.publish(&manifest, "merge-renamed")?;
        self.log = Some(log);
        Ok(manifest)
    }
}
