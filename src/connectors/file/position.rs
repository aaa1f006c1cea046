//! Where a source of files stands, as a checkpoint keeps it, and finding its files again: by their number and the bytes they begin
//! with, whatever they are called by now.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::connectors::feed::Track;
use crate::connectors::{ConnectorError, Position};
use crate::event::frame::Place;
use crate::limits::FINGERPRINT_BYTES;

/// A file's device and number.
pub type Id = (u64, u64);

/// How a file begins: a hash of its first bytes, and how many these are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub bytes: u64,
    pub hash: u64,
}

/// Where one file's reading goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub path: Arc<Path>,
    pub inode: u64,
    pub head: Head,
    /// Of a compressed file: in what it holds.
    pub place: Place,
    pub is_packed: bool,
}

/// The files that a source stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Files are followed, and each has its place. Else they are read one after the other: those whose names sort before the one
    /// that has a place are done.
    pub follows: bool,
    /// How many files were matched when they were read one after the other.
    pub matched: usize,
    pub marks: IndexMap<Id, Mark>,
}

/// What a chunk changes.
#[derive(Debug)]
pub enum Step {
    /// The file's events up to here were given.
    At(Id, Mark),
    /// The file is over, or begins anew.
    Forget(Id),
}

impl Head {
    /// How the file begins, as far as `limit`.
    pub fn of(file: &File, limit: u64) -> io::Result<Head> {
        let mut bytes = [0; FINGERPRINT_BYTES];
        let want = usize::try_from(limit).unwrap_or(usize::MAX).min(FINGERPRINT_BYTES);
        let mut len = 0;
        while let Some(rest) = bytes.get_mut(len..want).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, len as u64) {
                Ok(0) => break,
                Ok(n) => len += n,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
        let hash = rapidhash::v3::rapidhash_v3(bytes.get(..len).unwrap_or_default());
        Ok(Head { bytes: len as u64, hash })
    }
}

impl Track for Standing {
    type Step = Step;

    fn step(&mut self, step: Step) {
        match step {
            Step::At(id, mark) => {
                if !self.follows && !self.marks.contains_key(&id) {
                    self.marks.clear();
                }
                self.marks.insert(id, mark);
            }
            Step::Forget(id) => {
                // In the order of the files: that is in which they are read, here and by whoever goes on from it.
                self.marks.shift_remove(&id);
            }
        }
    }

    fn position(&self) -> Position {
        let files: Vec<Value> = self.marks.values().map(Mark::to_json).collect();
        match self.follows {
            true => json!({ "follows": true, "files": files }),
            false => json!({ "follows": false, "matched": self.matched, "files": files }),
        }
    }
}

impl Mark {
    /// The mark of a file that is not compressed.
    pub fn plain(path: &Arc<Path>, id: Id, head: Head, place: Place) -> Mark {
        Mark { path: path.clone(), inode: id.1, head, place, is_packed: false }
    }

    fn to_json(&self) -> Value {
        let mut mark = json!({
            "path": self.path.to_string_lossy(),
            "inode": self.inode,
            "head_bytes": self.head.bytes,
            "head_hash": self.head.hash,
            "at": self.place.at,
        });
        let Some(more) = mark.as_object_mut() else { return mark };
        for (name, holds) in [("in_skipped_line", self.place.in_skipped), ("packed", self.is_packed)] {
            if holds {
                more.insert(name.to_string(), true.into());
            }
        }
        if self.place.events > 0 {
            more.insert("events".to_string(), self.place.events.into());
        }
        mark
    }

    fn of_json(mark: &Value) -> Option<Mark> {
        let number = |name: &str| mark.get(name)?.as_u64();
        let holds = |name: &str| mark.get(name).and_then(Value::as_bool).unwrap_or(false);
        Some(Mark {
            path: Path::new(mark.get("path")?.as_str()?).into(),
            inode: number("inode")?,
            head: Head { bytes: number("head_bytes")?, hash: number("head_hash")? },
            place: Place {
                at: number("at")?,
                in_skipped: holds("in_skipped_line"),
                events: number("events").and_then(|events| u32::try_from(events).ok()).unwrap_or(0),
            },
            is_packed: holds("packed"),
        })
    }
}

/// What a checkpoint says of the files of a source.
#[derive(Debug)]
pub struct Saved {
    pub matched: usize,
    pub marks: Vec<Mark>,
}

impl Saved {
    /// Reads a position. `None`: it is that of a source that has not begun.
    pub fn of(position: &Position, follows: bool) -> Result<Option<Saved>, ConnectorError> {
        if position.is_null() {
            return Ok(None);
        }
        let marks = position.get("files").and_then(Value::as_array);
        let marks = marks.and_then(|marks| marks.iter().map(Mark::of_json).collect::<Option<Vec<Mark>>>());
        let (Some(marks), Some(followed)) = (marks, position.get("follows").and_then(Value::as_bool)) else {
            return Err(ConnectorError::fatal(format!(
                "the checkpoint's position is not one of a file source: {position}; `--fresh` starts over"
            )));
        };
        if followed != follows {
            let (then, now) =
                if follows { ("read to their ends", "followed") } else { ("followed", "read to their ends") };
            return Err(ConnectorError::fatal(format!(
                "the checkpoint is of files that were {then}, and now they are to be {now}: which of their events were read cannot be \
                 told; `--fresh` starts over, or undo the change of `follow`"
            )));
        }
        let matched = position.get("matched").and_then(Value::as_u64).unwrap_or(0);
        Ok(Some(Saved { matched: usize::try_from(matched).unwrap_or(usize::MAX), marks }))
    }
}

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// It is here, and goes on where it was left.
    Here(PathBuf),
    /// Its name leads to something else; the words say what happened.
    Replaced(&'static str),
    Gone,
}

/// The files that there are now, to look for others among.
pub struct Present {
    files: IndexMap<PathBuf, Metadata>,
    by_inode: HashMap<u64, Vec<usize>>,
}

impl Present {
    pub fn new(paths: &[PathBuf]) -> Present {
        let mut present = Present { files: IndexMap::new(), by_inode: HashMap::new() };
        for path in paths {
            let Ok(found) = std::fs::metadata(path) else { continue };
            let inode = found.ino();
            let (index, _) = present.files.insert_full(path.clone(), found);
            present.by_inode.entry(inode).or_default().push(index);
        }
        present
    }

    /// Finds a file by its number, whatever it is called now.
    pub fn numbered(&self, mark: &Mark) -> Option<PathBuf> {
        let numbered = self.by_inode.get(&mark.inode).into_iter().flatten();
        let candidates = numbered.filter_map(|&index| self.files.get_index(index));
        let same = candidates.filter(|(path, found)| fits(path, found, mark).is_ok());
        // Of several names, the one that it had.
        same.max_by_key(|(path, _)| **path == *mark.path).map(|(path, _)| path.clone())
    }

    /// Finds a file by its name; the same beginning is enough, as a copy in its place has another number.
    pub fn named(&self, mark: &Mark) -> Found {
        match self.files.get(&*mark.path).map(|found| fits(&mark.path, found, mark)) {
            Some(Ok(())) => Found::Here(mark.path.to_path_buf()),
            Some(Err(why)) => Found::Replaced(why),
            None => Found::Gone,
        }
    }

    /// Finds a file by its number, else by its name.
    pub fn find(&self, mark: &Mark) -> Found {
        self.numbered(mark).map_or_else(|| self.named(mark), Found::Here)
    }
}

/// Whether the file is the one of the mark.
fn fits(path: &Path, found: &Metadata, mark: &Mark) -> Result<(), &'static str> {
    // A pipe has nothing to look at without waiting for it.
    if !found.is_file() {
        return if mark.head.bytes == 0 { Ok(()) } else { Err("is no longer a regular file") };
    }
    if found.len() < mark.head.bytes || (!mark.is_packed && found.len() < mark.place.at) {
        return Err("has become shorter");
    }
    match File::open(path).and_then(|file| Head::of(&file, mark.head.bytes)) {
        Ok(head) if head == mark.head => Ok(()),
        Ok(_) => Err("has other content than before"),
        Err(_) => Err("cannot be read"),
    }
}
