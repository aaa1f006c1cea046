//! Finding and reading files: what a path or pattern names, what stands in the way of reading it, and the bytes of one file.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::compression::{Choice, Compression};
use super::output::reason;
use crate::connectors::feed::{Feed, Stopped, read_into, read_pipe};
use crate::connectors::{ConnectorError, SourceOpen};
use crate::event::frame::Framer;
use crate::event::{BadFrame, Chunk, codes};
use crate::limits::{RAW_BYTES_KEPT_MAX, SOURCE_FILES_MAX};

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

/// Reads one file to its end.
pub fn read_file(path: &Path, compression: Choice, open: &SourceOpen, feed: &Feed) -> Result<(), Stopped> {
    let opened = |why: io::Error| ConnectorError::from(unreadable(path, &why));
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
        && compression.of(path) == Compression::None
    {
        let mut pipe = feed.waiting(|| File::open(path)).map_err(opened)?;
        return read_pipe(&mut pipe, &format!("`{}`", path.display()), open, feed);
    }
    let mut file = File::open(path).map_err(opened)?;
    let compression = match compression {
        Choice::Auto => content_or_name(&mut file, path).map_err(|why| broken_off(path, 0, &why))?,
        Choice::Always(compression) => compression,
    };
    let mut input = compression.reader(file).map_err(|why| broken_off(path, 0, &why))?;
    let mut framer = open.framer();
    loop {
        let n = match read_into(&mut framer, &mut *input) {
            Ok(n) => n,
            // An error of the system's own stops; what the decompressor says is about the data.
            Err(why) if why.raw_os_error().is_some() || compression == Compression::None => {
                return Err(broken_off(path, framer.position(), &why).into());
            }
            Err(why) => return damaged(path, compression, &mut framer, &why, feed),
        };
        while let Some(chunk) = framer.next_chunk(n == 0) {
            feed.send(chunk)?;
        }
        if n == 0 {
            return Ok(());
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

/// A compressed file that ends too early or is broken: its whole lines count, the rest is one error event that names it.
fn damaged(
    path: &Path,
    compression: Compression,
    framer: &mut Framer,
    why: &io::Error,
    feed: &Feed,
) -> Result<(), Stopped> {
    while let Some(chunk) = framer.next_chunk(false) {
        feed.send(chunk)?;
    }
    let position = framer.position();
    let rest = std::mem::take(framer.buffer());
    let kept = rest.get(..rest.len().min(RAW_BYTES_KEPT_MAX)).unwrap_or_default();
    let (path, kind) = (path.display(), compression.name());
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
    feed.note(message.clone());
    let bad = BadFrame {
        before: 0,
        raw: Bytes::copy_from_slice(kept),
        length: rest.len() as u64,
        code: codes::INPUT_DAMAGED,
        message,
        offset: i64::try_from(position).ok(),
    };
    feed.send(Chunk { bad: vec![bad], ..Chunk::default() })
}
