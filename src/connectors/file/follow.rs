//! Following files: reading what is added to them, through truncation, and through rotation by rename or by a new file of the same
//! name. A file is known by its device and number, so that a renamed one is not read twice. Looks for news by the clock, as no
//! notification of the system's is reliable on network disks and in containers.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::begin::Begin;
use super::compression::{Choice, Compression};
use super::input::Pattern;
use super::output::reason;
use super::position::{Head, Id, Mark, Standing, Step};
use crate::connectors::feed::{Feed, Stopped, read_into};
use crate::connectors::{ConnectorError, SourceOpen};
use crate::event::frame::{self, Framer, Place};
use crate::limits::{
    FINGERPRINT_BYTES, FOLLOW_HELD_BYTES_MAX, FOLLOW_TURN_BYTES, FOLLOWED_FILES_MAX, FOLLOWED_OPEN_MAX,
};

/// How long to wait before looking at open files again.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long to wait before listing a pattern again.
const LIST_EVERY: Duration = Duration::from_secs(1);
/// How long a file that has lost its name is still read: its writer may not know yet.
const GRACE: Duration = Duration::from_secs(5);

/// What is known of a file.
pub struct Followed {
    pub path: Arc<Path>,
    /// Behind all that was given out, as of when the file was last closed.
    pub place: Place,
    /// What its framer needs to go on there.
    pub begins: Option<frame::Head>,
    pub head: Head,
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
    feed: &'a Feed<Standing>,
    files: IndexMap<Id, Followed>,
    /// Files that are left out and were told.
    told: HashSet<PathBuf>,
    uses: u64,
}

/// Follows the files of a pattern, from where each begins, until the task has gone.
pub fn run(
    pattern: &Pattern,
    compression: Choice,
    begin: Begin,
    open: &SourceOpen,
    feed: &Feed<Standing>,
) -> Result<(), Stopped> {
    begin.notes.into_iter().for_each(|note| feed.note(note));
    let mut follower = Follower { pattern, compression, open, feed, files: begin.files, told: HashSet::new(), uses: 0 };
    // A file that has lost its name is found by it no more: it has to be open before the pattern is listed.
    for index in 0..follower.files.len() {
        if begin.renamed.contains(&index) {
            follower.ensure_open(index);
        }
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
                    if *known.path != *path {
                        known.path = path.into();
                    }
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

    /// Reads what is new in a file, at most one turn's worth, and says whether there was something. Files that are not open are
    /// looked at only `with_closed`: there may be thousands.
    fn look(&mut self, index: usize, with_closed: bool) -> Result<bool, Stopped> {
        let Some((_, file)) = self.files.get_index(index) else { return Ok(false) };
        let (len, at) = match &file.open {
            Some(open) => (open.file.metadata().map(|found| found.len()), open.read),
            None if file.nameless.is_some() || !with_closed => return Ok(false),
            None => (std::fs::metadata(&file.path).map(|found| found.len()), file.place.at),
        };
        // A file that is gone for now is the listing's affair.
        let Ok(len) = len else { return Ok(false) };
        if len < at {
            self.restart(index)?;
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
    fn restart(&mut self, index: usize) -> Result<(), Stopped> {
        let Some((id, file)) = self.files.get_index_mut(index) else { return Ok(()) };
        let held = file.open.as_ref().map_or(0, |open| open.framer.held());
        let lost = if held > 0 { format!("; {held} bytes of a line without end are gone") } else { String::new() };
        self.feed.note(format!("`{}` has become shorter and is read from its start again{lost}", file.path.display()));
        *file = Followed { nameless: file.nameless, ..Followed::new(file.path.clone()) };
        self.feed.step(Step::Forget(*id))
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
        match open_at(&file.path, *id, file.place.at) {
            // Its name belongs to another file by now: the next listing finds that one.
            Ok(None) => return false,
            Ok(Some(opened)) => {
                let framer = self.open.framer().resume(file.place, file.begins.clone());
                file.open = Some(OpenFile { file: opened, framer, read: file.place.at });
            }
            Err(why) => {
                let path = file.path.to_path_buf();
                self.tell(path, &format!("cannot be read: {}; it is tried again and again", reason(&why)));
                return false;
            }
        }
        if open_now >= FOLLOWED_OPEN_MAX {
            let others = self.files.values_mut().filter(|file| file.open.is_some());
            // One without a name could not be opened again.
            if let Some(longest_unused) = others.min_by_key(|file| (file.nameless.is_some(), file.used)) {
                longest_unused.close();
            }
        }
        true
    }

    fn read_turn(&mut self, index: usize) -> Result<(), Stopped> {
        let feed = self.feed;
        let Some((id, file)) = self.files.get_index_mut(index) else { return Ok(()) };
        let Some(open) = &mut file.open else { return Ok(()) };
        let until = open.read + FOLLOW_TURN_BYTES as u64;
        while open.read < until {
            let n = read_into(&mut open.framer, &mut open.file).map_err(|why| {
                ConnectorError::fatal(format!("cannot read `{}`: {}", file.path.display(), reason(&why)))
            })?;
            open.read += n as u64;
            while let Some(chunk) = open.framer.next_chunk(false) {
                let place = open.framer.place();
                if file.head.bytes < place.at.min(FINGERPRINT_BYTES as u64) {
                    // If it cannot be had, the shorter one is still true.
                    file.head = Head::of(&open.file, place.at).unwrap_or(file.head);
                }
                feed.send(chunk, Step::At(*id, Mark::plain(&file.path, *id, file.head, place)))?;
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
            let Some((id, file)) = self.files.shift_remove_index(index) else { break };
            if let Some(mut open) = file.open {
                while let Some(chunk) = open.framer.next_chunk(true) {
                    let mark = Mark::plain(&file.path, id, file.head, open.framer.place());
                    self.feed.send(chunk, Step::At(id, mark))?;
                }
            }
            self.feed.step(Step::Forget(id))?;
        }
        Ok(())
    }
}

impl Followed {
    /// The same, where its reading begins further on.
    pub fn at(self, place: Place, head: Head, begins: Option<frame::Head>) -> Followed {
        Followed { place, head, begins, ..self }
    }

    /// A file whose reading begins at its start.
    pub fn new(path: impl Into<Arc<Path>>) -> Followed {
        let (place, head) = (Place::default(), Head::default());
        Followed { path: path.into(), place, begins: None, head, open: None, nameless: None, used: 0 }
    }

    /// Closes the file; what is held of an unfinished line will be read again.
    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.place = open.framer.place();
            self.begins = open.framer.head();
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
