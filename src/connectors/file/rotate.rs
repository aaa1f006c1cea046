//! When a sink goes on in a next file, and how its files are called: `alerts-000001.jsonl`, `alerts-000002.jsonl`, ..., so that the
//! order of their names is the order of their lines.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::output::{Output, failed};
use crate::connectors::ConnectorError;

/// When a file is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotate {
    /// Before it grows beyond this many bytes; one longer line still gets a file.
    pub size: Option<u64>,
    /// When so much time has gone by since its first line.
    pub every: Option<Duration>,
}

impl Rotate {
    /// Whether its time is over.
    pub fn is_due(&self, output: &Output, now: Instant) -> bool {
        match (self.every, output.since()) {
            (Some(every), Some(since)) => now.saturating_duration_since(since) >= every,
            _ => false,
        }
    }

    /// Bytes that still fit.
    pub fn room(&self, output: &Output) -> usize {
        self.size.map_or(usize::MAX, |size| {
            let taken = output.len_when_written() + output.around() as u64;
            usize::try_from(size.saturating_sub(taken)).unwrap_or(usize::MAX)
        })
    }
}

const DIGITS: usize = 6;

/// The `number`th file of a path: `out/a.jsonl.gz` to `out/a-000001.jsonl.gz`.
pub fn numbered(path: &Path, number: u32) -> PathBuf {
    let (stem, ending) = parts(path);
    path.with_file_name(format!("{stem}-{number:0DIGITS$}{ending}"))
}

/// A file's name before its ending, and the ending; that of a compressed one has two parts.
fn parts(path: &Path) -> (String, String) {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let cut = |name: &str| name.rfind('.').filter(|at| *at > 0).unwrap_or(name.len());
    let mut at = cut(&name);
    if matches!(name.get(at..), Some(".gz" | ".gzip" | ".zst" | ".zstd")) {
        at = cut(name.get(..at).unwrap_or_default());
    }
    let (stem, ending) = name.split_at(at);
    (stem.to_string(), ending.to_string())
}

/// The numbers of the files that are there.
fn numbers(path: &Path) -> Vec<u32> {
    let (stem, ending) = parts(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let number = |name: &str| {
        let digits = name.strip_prefix(&stem)?.strip_prefix('-')?.strip_suffix(&ending)?;
        let is_number = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| is_number)
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str().and_then(number)).collect()
}

/// The number of the last file that is there.
pub fn last_number(path: &Path) -> Option<u32> {
    numbers(path).into_iter().max()
}

/// Removes the files behind this one: with 0 all of an earlier run, or its last ones would be taken for this one's; else those that
/// came after a checkpoint.
pub fn remove_after(path: &Path, last: u32) -> Result<(), ConnectorError> {
    for number in numbers(path).into_iter().filter(|number| *number > last) {
        let path = numbered(path, number);
        std::fs::remove_file(&path).map_err(|why| failed("replace", &path, &why))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_before_the_ending() {
        let name = |path: &str| numbered(Path::new(path), 7).to_string_lossy().into_owned();
        assert_eq!(name("out/a.jsonl"), "out/a-000007.jsonl");
        assert_eq!(name("a.b.csv.gz"), "a.b-000007.csv.gz");
        assert_eq!(name("plain"), "plain-000007");
        assert_eq!(name(".hidden"), ".hidden-000007");
    }

    #[test]
    fn only_its_own_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a-000001.jsonl", "a-000012.jsonl", "a-12.jsonl", "a-00000x.jsonl", "ab-000001.jsonl", "a.jsonl"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let path = folder.path().join("a.jsonl");
        assert_eq!(last_number(&path), Some(12));
        remove_after(&path, 0).unwrap();
        assert_eq!(last_number(&path), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
    }
}
