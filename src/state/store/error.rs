//! What can go wrong with a store: each error names the place, the cause and a way out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a store cannot be used, or a checkpoint not be written.
#[derive(Debug)]
pub enum StoreError {
    /// Another process has the folder open.
    Locked { dir: PathBuf, pid: Option<u32> },
    /// The system refused something.
    Io { what: &'static str, path: PathBuf, error: io::Error },
    /// No kept checkpoint is whole.
    Damaged { dir: PathBuf, flaws: Vec<String> },
    /// A newer runner wrote it.
    Version { path: PathBuf, found: String },
    /// What was to be written makes no sense: a fault of the program.
    Draft(String),
}

impl StoreError {
    /// For `map_err`: what could not be done with which file.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        move |error| StoreError::Io { what, path: path.to_path_buf(), error }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Locked { dir, pid } => {
                write!(f, "the state in {} is in use by another runner", dir.display())?;
                match pid {
                    Some(pid) => write!(f, " (process {pid}): stop it")?,
                    None => f.write_str(": stop it")?,
                }
                f.write_str(", or give this one a folder of its own with --state DIR")
            }
            StoreError::Io { what, path, error } => {
                write!(f, "{} cannot be {what}: {error}", path.display())?;
                match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                        f.write_str("; make room there: the last checkpoint is still whole")
                    }
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                        f.write_str("; name a folder that may be written with --state DIR")
                    }
                    io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                        f.write_str("; a file has the name of one of its folders: remove it, or name another folder with --state DIR")
                    }
                    _ => Ok(()),
                }
            }
            StoreError::Damaged { dir, flaws } => {
                write!(f, "no checkpoint in {} can be read: {}", dir.display(), flaws.join("; "))?;
                f.write_str(". Copy the folder if you want to look into it, then start over with --fresh")
            }
            StoreError::Version { path, found } => write!(
                f,
                "{} has the format {found}, and this runner reads format {}: run the version that wrote it, \
                 or start over with --fresh",
                path.display(),
                super::manifest::FORMAT
            ),
            StoreError::Draft(why) => write!(f, "a checkpoint makes no sense: {why}. This is a fault of the runner"),
        }
    }
}

impl std::error::Error for StoreError {}

/// What is wrong with one checkpoint: others may be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw(pub String);

impl Flaw {
    pub fn new(path: &Path, why: impl fmt::Display) -> Flaw {
        Flaw(format!("{}: {why}", path.display()))
    }
}
