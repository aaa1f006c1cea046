//! What a file sink has written, file by file: its part of a checkpoint, and what a run that goes on from one is held to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::output::failed;
use super::rotate;
use crate::connectors::{ConnectorError, Position};
use crate::limits::{SYNC_HANDLES_MAX, UNSYNCED_FILES_MAX};

/// A file as far as it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub bytes: u64,
    pub inode: u64,
    /// Of rotated files, which one it is; 0: they are not rotated.
    pub number: u32,
    /// It is from a checkpoint, and was not yet cut back to it.
    is_uncut: bool,
}

/// All files of a sink, by the hash of what `Encoded::targets` calls them, and what of them may not be on the disk yet.
#[derive(Debug, Default)]
pub struct Ledger {
    files: BTreeMap<u64, Kept>,
    /// Checkpoints that were asked for so far. What was written before one belongs to it.
    epoch: u64,
    /// The last that was asked for: its id and its epoch.
    asked: Option<(u64, u64)>,
    /// The last epoch that is on the disk as a whole.
    synced: u64,
    /// Closed files and folders, and the epoch in which they were last written. By path, as there may be more than handles.
    unsynced: BTreeMap<PathBuf, u64>,
    /// The closed files in the form of a checkpoint, until one changes.
    closed: Option<String>,
}

impl Kept {
    pub fn new(bytes: u64, inode: u64, number: u32) -> Kept {
        Kept { bytes, inode, number, is_uncut: false }
    }

    /// The path of the file of a target.
    pub fn path(&self, path: &Path) -> PathBuf {
        if self.number == 0 { path.to_path_buf() } else { rotate::numbered(path, self.number) }
    }

    /// Cuts the file back to what the checkpoint has of it, and removes the files that came after it.
    pub fn cut(&self, target: &Path) -> Result<(), ConnectorError> {
        if self.number > 0 {
            rotate::remove_after(target, self.number)?;
        }
        let path = self.path(target);
        let found = match std::fs::metadata(&path) {
            Ok(found) if !found.is_file() => return Ok(()),
            Ok(found) => found,
            Err(_) if self.bytes == 0 => return Ok(()),
            Err(why) => return Err(self.lost(&path, &format!("cannot be found ({})", why.kind()))),
        };
        if found.ino() != self.inode && self.bytes > 0 {
            return Err(self.lost(&path, "is another file than the one that was written"));
        }
        if found.len() < self.bytes {
            return Err(self.lost(&path, &format!("has only {} bytes", found.len())));
        }
        if found.ino() == self.inode && found.len() > self.bytes {
            let file = OpenOptions::new().write(true).open(&path).map_err(|why| failed("open", &path, &why))?;
            file.set_len(self.bytes).map_err(|why| failed("cut back", &path, &why))?;
        }
        Ok(())
    }

    fn lost(&self, path: &Path, what: &str) -> ConnectorError {
        ConnectorError::fatal(format!(
            "`{}` {what}, and the checkpoint has {} bytes of it: output was lost; put the file back as it was, or start over with \
             `--fresh`",
            path.display(),
            self.bytes
        ))
    }
}

impl Ledger {
    /// Of a sink that begins.
    pub fn new() -> Ledger {
        // Epoch 0 is what was never written.
        Ledger { epoch: 1, ..Ledger::default() }
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn get(&self, hash: u64) -> Option<&Kept> {
        self.files.get(&hash)
    }

    /// A file was opened, or is closed after so much was written.
    pub fn put(&mut self, hash: u64, kept: Kept) {
        self.closed = None;
        self.files.insert(hash, kept);
    }

    /// Cuts a file of the checkpoint back before it is opened again.
    pub fn cut(&mut self, hash: u64, target: &Path) -> Result<(), ConnectorError> {
        if let Some(kept) = self.files.get_mut(&hash).filter(|kept| kept.is_uncut) {
            kept.cut(target)?;
            kept.is_uncut = false;
        }
        Ok(())
    }

    /// The number of what is written now; it grows with each checkpoint.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether what was written in that epoch may not be on the disk.
    pub fn is_unsynced(&self, epoch: u64) -> bool {
        epoch > self.synced
    }

    /// A file that is closed, or a folder that has got a new name in it: the next checkpoint has to wait for it. Of too many, each
    /// waits for the disk at once.
    pub fn leave(&mut self, path: &Path) -> Result<(), ConnectorError> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        if self.unsynced.len() >= UNSYNCED_FILES_MAX && !self.unsynced.contains_key(path) {
            return on_disk(path);
        }
        self.unsynced.insert(path.to_path_buf(), self.epoch);
        Ok(())
    }

    /// The state at checkpoint `id`, with the names and hashes of the open files, and what has to be on the disk for it beside them.
    pub fn checkpoint(&mut self, id: u64, open: &BTreeMap<u64, &str>) -> Result<(Position, Vec<File>), ConnectorError> {
        let mut sync = Vec::new();
        for path in self.unsynced.keys() {
            if sync.len() >= SYNC_HANDLES_MAX {
                on_disk(path)?;
            } else if let Some(file) = reopen(path)? {
                sync.push(file);
            }
        }
        self.asked = Some((id, self.epoch));
        self.epoch += 1;
        let listed: Vec<Value> = open
            .iter()
            .filter_map(|(hash, name)| {
                let Kept { bytes, inode, number, .. } = self.files.get(hash)?;
                Some(json!({ "path": name, "bytes": bytes, "inode": inode, "number": number }))
            })
            .collect();
        let files = &self.files;
        let closed = self.closed.get_or_insert_with(|| {
            let mut text = String::new();
            for (hash, Kept { bytes, inode, number, .. }) in files.iter().filter(|(hash, _)| !open.contains_key(hash)) {
                let _ = write!(text, "{hash:x}:{bytes:x}:{inode:x}:{number:x} ");
            }
            text
        });
        Ok((json!({ "files": listed, "closed": closed.trim_end() }), sync))
    }

    /// Checkpoint `id` is published: what it waited for need not be waited for again.
    pub fn commit(&mut self, id: u64) {
        if let Some((_, epoch)) = self.asked.filter(|(asked, _)| *asked == id) {
            self.synced = self.synced.max(epoch);
            let synced = self.synced;
            self.unsynced.retain(|_, epoch| *epoch > synced);
        }
    }

    /// Reads the state of a checkpoint, and the names of the files that were open.
    pub fn of(state: &Position) -> Result<(Ledger, Vec<String>), ConnectorError> {
        let broken = || {
            ConnectorError::fatal(format!(
                "the checkpoint's state is not one of a file sink: {:.200}; `--fresh` starts over",
                state.to_string()
            ))
        };
        let mut ledger = Ledger::new();
        let mut names = Vec::new();
        for file in state.get("files").and_then(Value::as_array).ok_or_else(broken)? {
            let (name, kept) = listed(file).ok_or_else(broken)?;
            ledger.files.insert(hash(&name), kept);
            names.push(name);
        }
        let closed = state.get("closed").and_then(Value::as_str).ok_or_else(broken)?;
        for entry in closed.split_ascii_whitespace() {
            let (hash, kept) = packed(entry).ok_or_else(broken)?;
            ledger.files.insert(hash, kept);
        }
        Ok((ledger, names))
    }
}

/// Another handle of a file or folder to wait for the disk with. `None`: somebody has taken it away, and a run that goes on will
/// find that out; or the system lets no folder be opened.
fn reopen(path: &Path) -> Result<Option<File>, ConnectorError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(_) if path.is_dir() || !path.exists() => Ok(None),
        Err(why) => Err(failed("write to the disk", path, &why)),
    }
}

/// Waits until a file is on the disk. After a failure nobody can tell, and another attempt would not find out.
fn on_disk(path: &Path) -> Result<(), ConnectorError> {
    let Some(file) = reopen(path)? else { return Ok(()) };
    file.sync_data().map_err(|why| ConnectorError::fatal(failed("write to the disk", path, &why).message))
}

fn listed(file: &Value) -> Option<(String, Kept)> {
    let number = |name: &str| file.get(name)?.as_u64();
    let kept = Kept {
        bytes: number("bytes")?,
        inode: number("inode")?,
        number: u32::try_from(number("number")?).ok()?,
        is_uncut: true,
    };
    Some((file.get("path")?.as_str()?.to_string(), kept))
}

fn packed(entry: &str) -> Option<(u64, Kept)> {
    let mut parts = entry.split(':').map(|part| u64::from_str_radix(part, 16).ok());
    let mut next = || parts.next().flatten();
    let hash = next()?;
    let kept = Kept { bytes: next()?, inode: next()?, number: u32::try_from(next()?).ok()?, is_uncut: true };
    Some((hash, kept))
}

/// The hash of a target's name.
pub fn hash(name: &str) -> u64 {
    rapidhash::v3::rapidhash_v3(name.as_bytes())
}
