//! The lock of a store's folder: one process at a time may write there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// The file that is locked; it holds the process's id.
const NAME: &str = "lock";
/// Times that the file may be removed under us before we give up.
const TRIES: usize = 16;
/// Digits of an id.
const PID_BYTES_MAX: u64 = 20;

/// Held as long as it lives; the system lets go of it when the process ends, however that is.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub fn take(dir: &Path) -> Result<Lock, StoreError> {
        let path = dir.join(NAME);
        for _ in 0..TRIES {
            let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let mut file = opened.map_err(StoreError::io("opened", &path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Locked { dir: dir.to_path_buf(), pid: read_pid(&mut file) });
                }
                Err(TryLockError::Error(error)) => return Err(StoreError::io("locked", &path)(error)),
            }
            // Its owner may have removed the file between our opening and locking it: then the lock is worth nothing.
            if !is_still(&file, &path) {
                continue;
            }
            write_pid(&mut file).map_err(StoreError::io("written", &path))?;
            return Ok(Lock { file, path });
        }
        Err(StoreError::Locked { dir: dir.to_path_buf(), pid: None })
    }

    /// Whether its file is still where others look for it.
    pub fn is_there(&self) -> bool {
        is_still(&self.file, &self.path)
    }

    /// Removes the file and lets go of the lock.
    pub fn remove(self) -> Result<(), StoreError> {
        std::fs::remove_file(&self.path).map_err(StoreError::io("removed", &self.path))?;
        drop(self.file);
        Ok(())
    }
}

fn is_still(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}
