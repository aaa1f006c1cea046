//! The files of a store, by name. Others in its folder are left alone.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::manifest::Manifest;

/// Where a manifest is written before it gets its name.
const UNPUBLISHED: &str = "manifest.new";

/// Numbers beyond it are not ours: there is room to count on.
const NUMBER_MAX: u64 = u64::MAX >> 1;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Unpublished,
    Manifest(u64),
    Segment(u64),
}

pub(super) fn unpublished(dir: &Path) -> PathBuf {
    dir.join(UNPUBLISHED)
}

/// The ending of the notes that a node keeps beside the checkpoints.
const NOTES: &str = ".notes";

pub(super) fn notes(dir: &Path, node: &str) -> PathBuf {
    dir.join(format!("{node}{NOTES}"))
}

/// Removes the notes of all nodes.
pub(super) fn remove_notes(dir: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.ends_with(NOTES)) {
            fs::remove_file(entry.path()).map_err(StoreError::io("removed", &entry.path()))?;
        }
    }
    Ok(())
}

/// The numbers of the manifests, the newest first.
pub(super) fn manifests(dir: &Path) -> Result<Vec<u64>, StoreError> {
    let mut numbers: Vec<u64> = list(dir)?
        .into_iter()
        .filter_map(|(name, _)| match name {
            Name::Manifest(number) => Some(number),
            Name::Unpublished | Name::Segment(_) => None,
        })
        .collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    Ok(numbers)
}

/// The first number that no file has.
pub(super) fn next(dir: &Path) -> Result<u64, StoreError> {
    let highest = list(dir)?.into_iter().filter_map(|(name, _)| match name {
        Name::Manifest(number) | Name::Segment(number) => Some(number),
        Name::Unpublished => None,
    });
    Ok(highest.max().unwrap_or(0) + 1)
}

/// Removes every file of the store, from this number on, that none of these manifests needs. Manifests go first: one without its segments would be a damaged one.
pub(super) fn sweep(dir: &Path, kept: &[Manifest], from: u64) -> Result<(), StoreError> {
    let mut files = list(dir)?;
    files.retain(|(name, _)| match *name {
        Name::Unpublished => true,
        Name::Manifest(number) => number >= from && kept.iter().all(|manifest| manifest.number != number),
        Name::Segment(number) => {
            number >= from && kept.iter().flat_map(Manifest::all_segments).all(|segment| segment.number != number)
        }
    });
    files.sort_unstable();
    let segments = files.partition_point(|(name, _)| !matches!(name, Name::Segment(_)));
    let (manifests, segments) = files.split_at_checked(segments).unwrap_or_default();
    remove(manifests)?;
    if kept.is_empty() && !manifests.is_empty() {
        sync_dir(dir)?;
    }
    remove(segments)
}

fn remove(files: &[(Name, PathBuf)]) -> Result<(), StoreError> {
    for (_, path) in files {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(StoreError::io("removed", path)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Bytes of all files.
pub(super) fn bytes(dir: &Path) -> Result<u64, StoreError> {
    Ok(list(dir)?.iter().filter_map(|(_, path)| Some(fs::metadata(path).ok()?.len())).sum())
}

/// What was made, renamed or removed in the folder is on the disk when this returns.
pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(StoreError::io("synced", dir))
}

fn list(dir: &Path) -> Result<Vec<(Name, PathBuf)>, StoreError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("read", dir)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::io("read", dir))?;
        if let Some(name) = entry.file_name().to_str().and_then(parse) {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

fn parse(name: &str) -> Option<Name> {
    if name == UNPUBLISHED {
        return Some(Name::Unpublished);
    }
    let (kind, number) = name.split_once('-')?;
    let number: u64 = number.parse().ok().filter(|number| *number < NUMBER_MAX)?;
    match kind {
        "manifest" => Some(Name::Manifest(number)),
        "segment" => Some(Name::Segment(number)),
        _ => None,
    }
}
