//! The files that a topology was read from, and what was in them: what a change is told by.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rapidhash::v3::rapidhash_v3;

use super::Diagnostics;
use crate::limits::{SCHEMA_VERSIONS_MAX, WATCHED_BYTES_MAX};

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    pub path: PathBuf,
    pub content: Content,
}

/// Tells one content of a file from another: a file that was only touched has the one it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content(Option<u64>);

impl Content {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Content {
        Content(Some(rapidhash_v3(&bytes[..bytes.len().min(WATCHED_BYTES_MAX)])))
    }

    /// What is there now. Of a folder of versions it is which versions there are: each file has a content of its own.
    pub fn at(path: &Path) -> Content {
        if path.is_dir() {
            return Content::of_listing(path);
        }
        let read = || {
            // A pipe would give its content to whoever asks first, and keep all others waiting.
            let found = std::fs::metadata(path).ok()?;
            let mut bytes = Vec::new();
            let file = File::open(path).ok().filter(|_| found.is_file())?;
            file.take(WATCHED_BYTES_MAX as u64).read_to_end(&mut bytes).ok()?;
            Some(Content::of(&bytes))
        };
        read().unwrap_or(Content(None))
    }

    /// The names in a folder that begin with a number. What else is written there, perhaps all the time, is no version.
    fn of_listing(folder: &Path) -> Content {
        let Ok(entries) = std::fs::read_dir(folder) else { return Content(None) };
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let is_version = |name: &String| name.starts_with(|first: char| first.is_ascii_digit());
        let mut names: Vec<String> = names.filter(is_version).take(SCHEMA_VERSIONS_MAX).collect();
        names.sort();
        Content::of(names.join("\n").as_bytes())
    }

    /// Whether nothing could be read.
    pub fn is_missing(self) -> bool {
        self.0.is_none()
    }
}

impl Diagnostics {
    /// A file was read, or was to be read, for the topology.
    pub fn was_read(&mut self, path: &Path, content: Content) {
        if !self.reads.iter().any(|read| read.path == path) {
            self.reads.push(FileRead { path: path.to_path_buf(), content });
        }
    }

    /// All of them, the topology's own file first.
    pub fn reads(&self) -> &[FileRead] {
        &self.reads
    }
}
