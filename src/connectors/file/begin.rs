//! Where following begins: at the start of each file, behind what it has (`start: latest`), or where a checkpoint says.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::follow::Followed;
use super::input::{Pattern, head_of};
use super::output::reason;
use super::position::{Found, Head, Id, Mark, Present, Saved, Standing};
use crate::connectors::feed::read_into;
use crate::connectors::{ConnectorError, Framing, SourceOpen};
use crate::event::frame::{self, Place};
use crate::limits::{FINGERPRINT_BYTES, FOLLOWED_FILES_MAX, SOURCE_FILES_MAX};

/// The files whose reading does not begin at their start.
pub struct Begin {
    pub files: IndexMap<Id, Followed>,
    /// Those among them, by place, whose names are no longer of the pattern.
    pub renamed: HashSet<usize>,
    pub notes: Vec<String>,
}

impl Begin {
    /// Where the files of a pattern begin, of which these are there.
    pub fn of(
        pattern: &Pattern,
        known: &[PathBuf],
        resume: Option<Saved>,
        latest: bool,
        open: &SourceOpen,
    ) -> Result<Begin, ConnectorError> {
        let mut begin = Begin { files: IndexMap::new(), renamed: HashSet::new(), notes: Vec::new() };
        if known.is_empty() {
            begin.notes.push(format!("no file matches `{}` yet; waiting for one", pattern.text));
        }
        match resume {
            Some(saved) => begin.resume(known, &saved, open)?,
            None if latest => known.iter().try_for_each(|path| begin.skip(path, open))?,
            None => {}
        }
        Ok(begin)
    }

    /// What a checkpoint says as long as nothing was read.
    pub fn standing(&self) -> Standing {
        let mark = |(id, file): (&Id, &Followed)| (*id, Mark::plain(&file.path, *id, file.head, file.place));
        Standing { follows: true, matched: 0, marks: self.files.iter().map(mark).collect() }
    }

    /// Goes on with each file where it was left, whatever it is called now.
    fn resume(&mut self, known: &[PathBuf], saved: &Saved, open: &SourceOpen) -> Result<(), ConnectorError> {
        let present = Present::new(known);
        let mut folders = Folders::default();
        for mark in saved.marks.iter().take(FOLLOWED_FILES_MAX) {
            let shown = mark.path.display();
            if let Some(path) = present.numbered(mark) {
                self.add(&path, mark, open)?;
                continue;
            }
            // The name may be a new file's by now, while the old file has lines that were not read.
            if let Some(path) = folders.find(mark)
                && let Some(index) = self.add(&path, mark, open)?
            {
                self.renamed.insert(index);
                self.notes.push(format!("`{shown}` is `{}` now and is read to its end", path.display()));
                continue;
            }
            match present.named(mark) {
                Found::Here(path) => {
                    self.add(&path, mark, open)?;
                }
                Found::Replaced(why) => {
                    self.notes.push(format!("`{shown}` {why} and is read from its start again"));
                }
                Found::Gone => {
                    self.notes
                        .push(format!("`{shown}` is gone; what it had behind byte {} is not read", mark.place.at));
                }
            }
        }
        Ok(())
    }

    /// Adds a file at the place of its mark, and gives its index; `None` if it is gone meanwhile, or there already.
    fn add(&mut self, path: &Path, mark: &Mark, open: &SourceOpen) -> Result<Option<usize>, ConnectorError> {
        let Ok(file) = File::open(path) else { return Ok(None) };
        let (id, begins) = id(&file)
            .and_then(|id| Ok((id, head_of(&file, mark.place.at, open)?)))
            .map_err(|why| unreadable(path, &why))?;
        if self.files.contains_key(&id) {
            return Ok(None);
        }
        let followed = Followed::new(path).at(mark.place, mark.head, begins);
        Ok(Some(self.files.insert_full(id, followed).0))
    }

    /// Begins a file behind the last whole event that it has.
    fn skip(&mut self, path: &Path, open: &SourceOpen) -> Result<(), ConnectorError> {
        let broken = |why: io::Error| unreadable(path, &why);
        let Ok(mut file) = File::open(path) else { return Ok(()) };
        let (place, begins) = match open.framing {
            Framing::Lines | Framing::Csv => {
                let at = end_of_last_line(&mut file, open.event_bytes_max as u64).map_err(broken)?;
                // The header of CSV is needed whatever is skipped.
                file.rewind().map_err(broken)?;
                (Place::at(at), head_of(&file, at, open).map_err(broken)?)
            }
            // From the end nothing tells where an event begins.
            Framing::Delimited | Framing::Container(_) => behind_all(&mut file, open).map_err(broken)?,
        };
        let head = Head::of(&file, place.at.min(FINGERPRINT_BYTES as u64)).map_err(broken)?;
        let followed = Followed::new(path).at(place, head, begins);
        self.files.insert(id(&file).map_err(broken)?, followed);
        Ok(())
    }
}

fn id(file: &File) -> io::Result<Id> {
    file.metadata().map(|found| (found.dev(), found.ino()))
}

fn unreadable(path: &Path, why: &io::Error) -> ConnectorError {
    ConnectorError::fatal(format!("cannot read `{}`: {}", path.display(), reason(why)))
}

/// Where rotation may have moved files to: the folders that they were in, each listed once.
#[derive(Default)]
struct Folders {
    listed: HashMap<PathBuf, HashMap<u64, PathBuf>>,
}

impl Folders {
    /// The file of the mark under another name in its folder.
    fn find(&mut self, mark: &Mark) -> Option<PathBuf> {
        let folder = mark.path.parent()?;
        let names = self.listed.entry(folder.to_path_buf()).or_insert_with(|| {
            let entries = std::fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
            let entries = entries.into_iter().flatten().flatten().take(SOURCE_FILES_MAX);
            entries.map(|entry| (entry.ino(), folder.join(entry.file_name()))).collect()
        });
        let path = names.get(&mark.inode).filter(|path| **path != *mark.path)?;
        Present::new(std::slice::from_ref(path)).numbered(mark)
    }
}

/// Where the last event ends, and what a framer needs to go on there.
fn behind_all(file: &mut File, open: &SourceOpen) -> io::Result<(Place, Option<frame::Head>)> {
    let mut framer = open.framer();
    while read_into(&mut framer, file)? > 0 {
        while framer.next_chunk(false).is_some() {}
    }
    Ok((framer.place(), framer.head()))
}

/// Where the last line that has an end ends; looks back no further than `limit`.
fn end_of_last_line(file: &mut File, limit: u64) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let end = file.seek(SeekFrom::End(0))?;
    let mut from = end;
    while from > 0 && end - from < limit {
        let to = from;
        from = from.saturating_sub(STEP);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.take(to - from).read_to_end(&mut bytes)?;
        if let Some(at) = memchr::memrchr(b'\n', &bytes) {
            return Ok(from + at as u64 + 1);
        }
    }
    Ok(if from == 0 { 0 } else { end })
}
