//! Finding and reading files: what a path or pattern names, what stands in the way of reading it, and the bytes of one file.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::compression::{Choice, Compression};
use super::output::reason;
use super::position::{Head, Mark, Standing, Step};
use crate::connectors::feed::{Feed, Input, Made, Stopped, read_into, read_pipe};
use crate::connectors::{ConnectorError, SourceOpen};
use crate::event::frame::{self, Framer, Place};
use crate::event::{BadFrame, Chunk, codes};
use crate::limits::{FINGERPRINT_BYTES, RAW_BYTES_KEPT_MAX, SOURCE_FILES_MAX};

/// What a source's `path` says.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub text: String,
}

/// What a pattern matches now.
#[derive(Debug, Default)]
pub struct Matched {
    /// In the order of their names.
    pub files: Vec<PathBuf>,
    /// Folders that it matches too, which are not read.
    pub folders: usize,
}

/// Why a file cannot be read, and a way out.
#[derive(Debug, PartialEq, Eq)]
pub struct Obstacle {
    pub why: String,
    pub help: String,
    /// It is not there, and may still come.
    pub is_missing: bool,
}

impl From<Obstacle> for ConnectorError {
    fn from(obstacle: Obstacle) -> ConnectorError {
        ConnectorError::fatal(format!("{}; {}", obstacle.why, obstacle.help))
    }
}

impl Pattern {
    /// Whether it may name several files. A file whose own name looks like a pattern is just that file.
    pub fn is_glob(&self) -> bool {
        self.text.contains(['*', '?', '[']) && !Path::new(&self.text).exists()
    }

    /// The files that it names.
    pub fn files(&self) -> Result<Matched, Obstacle> {
        if !self.is_glob() {
            return Ok(Matched { files: vec![PathBuf::from(&self.text)], folders: 0 });
        }
        let broken = |why: String| Obstacle {
            why: format!("the pattern `{}` cannot be used: {why}", self.text),
            help: "`*` and `?` stand for characters of a name, `**` for folders, `[abc]` for one of several"
                .to_string(),
            is_missing: false,
        };
        let found = glob::glob(&self.text).map_err(|why| broken(why.to_string()))?;
        let mut matched = Matched::default();
        for path in found {
            let path = path.map_err(|why| broken(format!("{}: {}", why.path().display(), reason(why.error()))))?;
            if path.is_dir() {
                matched.folders += 1;
            } else if matched.files.len() >= SOURCE_FILES_MAX {
                return Err(broken(format!("it matches more than {SOURCE_FILES_MAX} files")));
            } else {
                matched.files.push(path);
            }
        }
        matched.files.sort();
        Ok(matched)
    }

    /// The files, each of them there and readable as far as can be seen without waiting.
    pub fn readable_files(&self) -> Result<Matched, Obstacle> {
        let matched = self.files()?;
        if matched.files.is_empty() {
            return Err(Obstacle {
                why: format!("no file matches `{}`", self.text),
                help: "correct the pattern, or make the files before the run starts".to_string(),
                is_missing: true,
            });
        }
        matched.files.iter().find_map(|path| obstacle(path)).map_or(Ok(matched), Err)
    }
}

/// Why a file cannot be read, if so.
pub fn obstacle(path: &Path) -> Option<Obstacle> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Some(Obstacle {
            why: format!("`{shown}` is a folder"),
            help: format!("name a file in it, or all of some kind: `{shown}/*.jsonl`"),
            is_missing: false,
        }),
        // Opening a pipe would wait for its writer.
        Ok(found) if !found.is_file() => None,
        Ok(_) => File::open(path).err().map(|why| unreadable(path, &why)),
        Err(why) => Some(unreadable(path, &why)),
    }
}

fn unreadable(path: &Path, why: &io::Error) -> Obstacle {
    let help = match why.kind() {
        io::ErrorKind::NotFound => match fs::symlink_metadata(path) {
            Ok(_) => "it is a link to a file that is gone",
            Err(_) => "correct the path, which starts from the folder of the topology's file, or make the file",
        },
        io::ErrorKind::PermissionDenied => "allow the runner's user to read it, and to enter its folders",
        io::ErrorKind::NotADirectory => "a part of the path is a file, where a folder is needed",
        _ => "the system's word for it is all that is known",
    };
    Obstacle {
        why: format!("cannot open `{}`: {}", path.display(), reason(why)),
        help: help.to_string(),
        is_missing: why.kind() == io::ErrorKind::NotFound,
    }
}

/// A file that is being read to its end.
struct Reading<'a> {
    path: &'a Path,
    compression: Compression,
    is_pipe: bool,
    /// What the file is, and its start.
    mark: Mark,
    feed: &'a Feed<Standing>,
}

/// Reads one file to its end, from the place on where an earlier run has left it.
pub fn read_file(
    path: &Path,
    from: Option<Place>,
    compression: Choice,
    open: &SourceOpen,
    feed: &Feed<Standing>,
) -> Result<(), Stopped> {
    let opened = |why: io::Error| ConnectorError::from(unreadable(path, &why));
    let is_pipe = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    if is_pipe && from.is_some() {
        let path = path.display();
        feed.note(format!(
            "`{path}` is a pipe: what it gave before cannot be read again, and it is read from where it stands"
        ));
    }
    if is_pipe && compression.of(path) == Compression::None {
        let mut pipe = feed.waiting(|| File::open(path)).map_err(opened)?;
        let mark =
            Mark { path: path.into(), inode: 0, head: Head::default(), place: Place::default(), is_packed: false };
        let step = || Step::At((0, 0), mark.clone());
        return read_pipe(&mut pipe, &format!("`{}`", path.display()), open, feed, step);
    }
    let mut file = File::open(path).map_err(opened)?;
    let compression = match compression {
        Choice::Auto => content_or_name(&mut file, path).map_err(|why| broken_off(path, 0, &why))?,
        Choice::Always(compression) => compression,
    };
    let mark = mark(path, &file, compression).map_err(|why| broken_off(path, 0, &why))?;
    let input = Reading { path, compression, is_pipe, mark, feed };
    let from = from.filter(|place| place.at > 0 && !is_pipe);
    if from == Some(DAMAGED) {
        return Ok(());
    }
    let (mut reader, mut framer) = input.start(file, from, open)?;
    let id = (0, input.mark.inode);
    loop {
        let n = match read_into(&mut framer, &mut *reader) {
            Ok(n) => n,
            // An error of the system's own stops; what the decompressor says is about the data.
            Err(why) if why.raw_os_error().is_some() || compression == Compression::None => {
                return Err(broken_off(path, framer.place().at, &why).into());
            }
            Err(why) => return input.damaged(&mut framer, &why),
        };
        while let Some(chunk) = framer.next_chunk(n == 0) {
            feed.send(chunk, Step::At(id, input.mark_at(framer.place())))?;
        }
        if n == 0 {
            return Ok(());
        }
    }
}

/// What a file is that was just opened.
fn mark(path: &Path, file: &File, compression: Compression) -> io::Result<Mark> {
    let found = file.metadata()?;
    let head = if found.is_file() { Head::of(file, FINGERPRINT_BYTES as u64)? } else { Head::default() };
    let is_packed = compression != Compression::None;
    Ok(Mark { path: path.into(), inode: found.ino(), head, place: Place::default(), is_packed })
}

impl Reading<'_> {
    fn mark_at(&self, place: Place) -> Mark {
        // A pipe has no place that could be found again.
        let place = if self.is_pipe { Place::default() } else { place };
        Mark { place, ..self.mark.clone() }
    }

    fn content(&self, file: File) -> io::Result<Box<dyn Input>> {
        Ok(match self.compression {
            Compression::None => Box::new(file),
            _ => Box::new(Made(self.compression.reader(file)?)),
        })
    }

    /// The file's content and a framer for it, at the place where it is to go on.
    fn start(
        &self,
        file: File,
        from: Option<Place>,
        open: &SourceOpen,
    ) -> Result<(Box<dyn Input>, Framer), ConnectorError> {
        let broken = |why: io::Error| broken_off(self.path, 0, &why);
        let Some(place) = from else { return Ok((self.content(file).map_err(broken)?, open.framer())) };
        let again = || File::open(self.path).map_err(broken);
        let head = head_of(self.compression.reader(file).map_err(broken)?, place.at, open).map_err(broken)?;
        let mut file = again()?;
        if self.compression == Compression::None {
            file.seek(SeekFrom::Start(place.at)).map_err(broken)?;
            return Ok((Box::new(file), open.framer().resume(place, head)));
        }
        let mut reader = self.compression.reader(file).map_err(broken)?;
        let skipped = io::copy(&mut reader.by_ref().take(place.at), &mut io::sink());
        if skipped.is_ok_and(|skipped| skipped == place.at) {
            return Ok((Box::new(Made(reader)), open.framer().resume(place, head)));
        }
        self.feed.note(format!("`{}` holds less than before and is read from its start again", self.path.display()));
        Ok((self.content(again()?).map_err(broken)?, open.framer()))
    }

    /// A compressed file that ends too early or is broken: its whole lines count, the rest is one error event that names it.
    fn damaged(&self, framer: &mut Framer, why: &io::Error) -> Result<(), Stopped> {
        let id = (0, self.mark.inode);
        while let Some(chunk) = framer.next_chunk(false) {
            self.feed.send(chunk, Step::At(id, self.mark_at(framer.place())))?;
        }
        let position = framer.place().at;
        let rest = std::mem::take(framer.buffer());
        let kept = rest.get(..rest.len().min(RAW_BYTES_KEPT_MAX)).unwrap_or_default();
        let (path, kind) = (self.path.display(), self.compression.name());
        let message = match why.kind() {
            io::ErrorKind::UnexpectedEof => {
                format!("`{path}` is cut off: its {kind} data end in the middle; make or copy it again")
            }
            _ if position == 0 && rest.is_empty() => {
                format!("`{path}` is not {kind} data ({why}); `compression: none` reads a file as it is")
            }
            _ => format!(
                "`{path}` is damaged: its {kind} data are broken after {position} bytes of text ({why}); make or copy it again"
            ),
        };
        self.feed.note(message.clone());
        let bad = BadFrame {
            before: 0,
            raw: Bytes::copy_from_slice(kept),
            length: rest.len() as u64,
            code: codes::INPUT_DAMAGED,
            message,
            offset: i64::try_from(position).ok(),
        };
        self.feed.send(Chunk { bad: vec![bad], ..Chunk::default() }, Step::At(id, self.mark_at(DAMAGED)))
    }
}

/// The place of a damaged file whose error event was given: nothing more comes of it.
const DAMAGED: Place = Place { at: u64::MAX, in_skipped: false, events: 0 };

/// What an input has before a place that is needed to go on there: a header of CSV, the head of a container.
pub fn head_of(input: impl Read, before: u64, open: &SourceOpen) -> io::Result<Option<frame::Head>> {
    let mut input = Made(input.take(before));
    if !open.framing.has_head() {
        return Ok(None);
    }
    let mut framer = open.framer();
    loop {
        let n = read_into(&mut framer, &mut input)?;
        while framer.next_chunk(n == 0).is_some() {}
        if framer.head().is_some() || n == 0 {
            return Ok(framer.head());
        }
    }
}

/// How a file is compressed: its content knows better than its name, which tells only of an empty one.
fn content_or_name(file: &mut File, path: &Path) -> io::Result<Compression> {
    let mut start = Vec::with_capacity(4);
    file.take(4).read_to_end(&mut start)?;
    if !file.metadata()?.is_file() {
        // A pipe cannot go back; only the name is left, and it has said that there is something to unpack.
        return Ok(Choice::Auto.of(path));
    }
    file.rewind()?;
    Ok(match Compression::of_content(&start) {
        Compression::None if start.is_empty() => Compression::None,
        Compression::None => Choice::Auto.of(path),
        found => found,
    })
}

fn broken_off(path: &Path, position: u64, why: &io::Error) -> ConnectorError {
    let at = if position > 0 { format!(" at byte {position}") } else { String::new() };
    ConnectorError::fatal(format!("cannot read `{}`{at}: {}; what comes before was read", path.display(), reason(why)))
}
