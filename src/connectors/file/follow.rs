//! Following files: reading what is added to them, through truncation, and through rotation by rename or by a new file of the same
//! name. A file is known by its device and number, so that a renamed one is not read twice. Looks for news by the clock, as no
//! notification of the system's is reliable on network disks and in containers.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::compression::{Choice, Compression};
use super::input::Pattern;
use super::output::reason;
use crate::connectors::feed::{Feed, Stopped, read_into};
use crate::connectors::{ConnectorError, SourceOpen};
use crate::event::CsvHeader;
use crate::event::frame::Framer;
use crate::limits::{FOLLOW_HELD_BYTES_MAX, FOLLOW_TURN_BYTES, FOLLOWED_FILES_MAX, FOLLOWED_OPEN_MAX};

/// How long to wait before looking at open files again.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long to wait before listing a pattern again.
const LIST_EVERY: Duration = Duration::from_secs(1);
/// How long a file that has lost its name is still read: its writer may not know yet.
const GRACE: Duration = Duration::from_secs(5);

/// A file's device and number.
type Id = (u64, u64);

/// What is known of a file.
struct Followed {
    path: PathBuf,
    /// Where the line starts that was not yet given out.
    position: u64,
    header: Option<Arc<CsvHeader>>,
    open: Option<OpenFile>,
    /// Since when no name that is followed leads to it.
    nameless: Option<Instant>,
    /// A number that grows with each use.
    used: u64,
}

struct OpenFile {
    file: File,
    framer: Framer,
    /// Bytes read so far.
    read: u64,
}

struct Follower<'a> {
    pattern: &'a Pattern,
    compression: Choice,
    open: &'a SourceOpen,
    feed: &'a Feed,
    files: IndexMap<Id, Followed>,
    /// Files that are left out and were told.
    told: HashSet<PathBuf>,
    uses: u64,
}

/// Follows the files of a pattern until the task has gone. With `latest`, of those that are `known` only what is added counts.
pub fn run(
    pattern: &Pattern,
    compression: Choice,
    known: Vec<PathBuf>,
    latest: bool,
    open: &SourceOpen,
    feed: &Feed,
) -> Result<(), Stopped> {
    let mut follower =
        Follower { pattern, compression, open, feed, files: IndexMap::new(), told: HashSet::new(), uses: 0 };
    if known.is_empty() {
        feed.note(format!("no file matches `{}` yet; waiting for one", pattern.text));
    }
    if latest {
        known.iter().try_for_each(|path| follower.skip(path))?;
    }
    let mut listed: Option<Instant> = None;
    loop {
        let now = Instant::now();
        let is_due = listed.is_none_or(|at| now.duration_since(at) >= LIST_EVERY) || !pattern.is_glob();
        if is_due {
            follower.list(now)?;
            listed = Some(now);
        }
        let mut had_news = false;
        for index in 0..follower.files.len() {
            had_news |= follower.look(index, is_due)?;
        }
        if feed.is_gone() {
            return Err(Stopped::Gone);
        }
        if !had_news {
            follower.forget_nameless(now)?;
            feed.waiting(|| std::thread::sleep(LOOK_EVERY));
        }
    }
}

impl Follower<'_> {
    /// Finds new files, new names of known ones, and those that have lost theirs.
    fn list(&mut self, now: Instant) -> Result<(), Stopped> {
        let matched = self.pattern.files().map_err(ConnectorError::from)?;
        let mut named = HashSet::new();
        for path in matched.files {
            let Ok(found) = std::fs::metadata(&path) else { continue };
            if let Some(why) = self.unfit(&path, &found) {
                self.tell(path, &why);
                continue;
            }
            let id = (found.dev(), found.ino());
            named.insert(id);
            match self.files.get_mut(&id) {
                Some(known) => {
                    known.path = path;
                    known.nameless = None;
                }
                None => {
                    self.files.insert(id, Followed::new(path));
                }
            }
        }
        for (id, file) in &mut self.files {
            if !named.contains(id) {
                file.nameless.get_or_insert(now);
            }
        }
        Ok(())
    }

    /// Why a file is not followed.
    fn unfit(&self, path: &Path, found: &Metadata) -> Option<String> {
        if !found.is_file() {
            return Some(
                "is not a regular file and is not followed; without `follow`, a pipe is read to its end".to_string(),
            );
        }
        if self.compression.of(path) != Compression::None {
            return Some("is compressed and is not followed; a source without `follow` reads it, or `compression: none` takes it as it is".to_string());
        }
        if self.files.len() >= FOLLOWED_FILES_MAX && !self.files.contains_key(&(found.dev(), found.ino())) {
            return Some(format!(
                "is not followed, as {FOLLOWED_FILES_MAX} other files are; make the pattern match fewer, or remove old files"
            ));
        }
        None
    }

    fn tell(&mut self, path: PathBuf, why: &str) {
        if self.told.len() < FOLLOWED_FILES_MAX && !self.told.contains(&path) {
            self.feed.note(format!("`{}` {why}", path.display()));
            self.told.insert(path);
        }
    }

    /// Begins a file behind the last whole line that it has.
    fn skip(&mut self, path: &Path) -> Result<(), Stopped> {
        let Ok(found) = std::fs::metadata(path) else { return Ok(()) };
        let broken =
            |why: io::Error| ConnectorError::fatal(format!("cannot read `{}`: {}", path.display(), reason(&why)));
        let mut file = File::open(path).map_err(broken)?;
        let mut followed = Followed::new(path.to_path_buf());
        // The header of CSV is needed whatever is skipped.
        let mut framer = self.open.framer();
        let mut n = 1;
        while framer.header().is_none() && n > 0 && self.open.framing == crate::connectors::Framing::Csv {
            n = read_into(&mut framer, &mut file).map_err(broken)?;
            while framer.next_chunk(false).is_some() {}
        }
        followed.header = framer.header().cloned();
        followed.position = end_of_last_line(&mut file, self.open.event_bytes_max as u64).map_err(broken)?;
        self.files.insert((found.dev(), found.ino()), followed);
        Ok(())
    }

    /// Reads what is new in a file, at most one turn's worth, and says whether there was something. Files that are not open are
    /// looked at only `with_closed`: there may be thousands.
    fn look(&mut self, index: usize, with_closed: bool) -> Result<bool, Stopped> {
        let Some((_, file)) = self.files.get_index(index) else { return Ok(false) };
        let (len, at) = match &file.open {
            Some(open) => (open.file.metadata().map(|found| found.len()), open.read),
            None if file.nameless.is_some() || !with_closed => return Ok(false),
            None => (std::fs::metadata(&file.path).map(|found| found.len()), file.position),
        };
        // A file that is gone for now is the listing's affair.
        let Ok(len) = len else { return Ok(false) };
        if len < at {
            self.restart(index);
        }
        if len == at || (len == 0 && at > 0) {
            return Ok(false);
        }
        if !self.ensure_open(index) {
            return Ok(false);
        }
        self.read_turn(index)?;
        Ok(true)
    }

    /// A file became shorter: it was emptied, and what it has now is new.
    fn restart(&mut self, index: usize) {
        let Some((_, file)) = self.files.get_index_mut(index) else { return };
        let held = file.open.as_ref().map_or(0, |open| open.framer.held());
        let lost = if held > 0 { format!("; {held} bytes of a line without end are gone") } else { String::new() };
        self.feed.note(format!("`{}` has become shorter and is read from its start again{lost}", file.path.display()));
        *file = Followed { nameless: file.nameless, ..Followed::new(file.path.clone()) };
    }

    /// Opens a file where it was left, and closes another one if there are too many.
    fn ensure_open(&mut self, index: usize) -> bool {
        self.uses += 1;
        let open_now = self.files.values().filter(|file| file.open.is_some()).count();
        let Some((id, file)) = self.files.get_index_mut(index) else { return false };
        file.used = self.uses;
        if file.open.is_some() {
            return true;
        }
        match open_at(&file.path, *id, file.position) {
            // Its name belongs to another file by now: the next listing finds that one.
            Ok(None) => return false,
            Ok(Some(opened)) => {
                let framer = self.open.framer().resume(file.position, file.header.clone());
                file.open = Some(OpenFile { file: opened, framer, read: file.position });
            }
            Err(why) => {
                let path = file.path.clone();
                self.tell(path, &format!("cannot be read: {}; it is tried again and again", reason(&why)));
                return false;
            }
        }
        if open_now >= FOLLOWED_OPEN_MAX {
            let others = self.files.values_mut().filter(|file| file.open.is_some());
            if let Some(longest_unused) = others.min_by_key(|file| file.used) {
                longest_unused.close();
            }
        }
        true
    }

    fn read_turn(&mut self, index: usize) -> Result<(), Stopped> {
        let feed = self.feed;
        let Some((_, file)) = self.files.get_index_mut(index) else { return Ok(()) };
        let Some(open) = &mut file.open else { return Ok(()) };
        let until = open.read + FOLLOW_TURN_BYTES as u64;
        while open.read < until {
            let n = read_into(&mut open.framer, &mut open.file).map_err(|why| {
                ConnectorError::fatal(format!("cannot read `{}`: {}", file.path.display(), reason(&why)))
            })?;
            open.read += n as u64;
            while let Some(chunk) = open.framer.next_chunk(false) {
                feed.send(chunk)?;
            }
            if n == 0 {
                break;
            }
        }
        // The beginning of a long line is read again rather than kept, one file aside.
        if open.framer.held() > FOLLOW_HELD_BYTES_MAX
            && self.files.len() > 1
            && let Some((_, file)) = self.files.get_index_mut(index)
        {
            file.close();
        }
        Ok(())
    }

    /// Ends files that have been without a name for long: their last line counts, whether it has an end or not.
    fn forget_nameless(&mut self, now: Instant) -> Result<(), Stopped> {
        let is_over = |file: &Followed| file.nameless.is_some_and(|since| now.duration_since(since) >= GRACE);
        while let Some(index) = self.files.values().position(is_over) {
            if let Some((_, Followed { open: Some(mut open), .. })) = self.files.shift_remove_index(index) {
                while let Some(chunk) = open.framer.next_chunk(true) {
                    self.feed.send(chunk)?;
                }
            }
        }
        Ok(())
    }
}

impl Followed {
    fn new(path: PathBuf) -> Followed {
        Followed { path, position: 0, header: None, open: None, nameless: None, used: 0 }
    }

    /// Closes the file; what is held of an unfinished line will be read again.
    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.position = open.framer.position();
            self.header = open.framer.header().cloned();
        }
    }
}

/// The file at `position`, if the path still leads to it.
fn open_at(path: &Path, id: Id, position: u64) -> io::Result<Option<File>> {
    let mut file = File::open(path)?;
    let found = file.metadata()?;
    if (found.dev(), found.ino()) != id {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(position))?;
    Ok(Some(file))
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
