//! One file being written: lines or other events are gathered, go out as whole blocks, and a write that fails half-way is cut back to
//! the last whole line, so that no reader ever finds half of one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::compression::Compression;
use super::packing::Packing;
use crate::connectors::blocking::blocking;
use crate::connectors::{ConnectorError, Encoded, ErrorKind, Frames};
use crate::event::avro::container::FileHead;
use crate::event::codes::BAD_PATH;
use crate::limits::{FILE_BUFFER_BYTES_MAX, FILE_WRITE_BYTES_MIN};

/// A write that takes longer has waited for the disk.
const QUICK_WRITE_MAX: Duration = Duration::from_millis(5);

/// An open file, and what is on its way into it.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: File,
    /// Not a regular file (a pipe, a device): it has no length and cannot be cut back.
    is_stream: bool,
    compression: Compression,
    packing: Packing,
    /// Bytes of whole lines (whole members, if compressed) in the file.
    len: u64,
    /// Lines that were taken and are not yet being written.
    lines: Vec<u8>,
    /// The block that is being written, and how much of it is.
    block: Vec<u8>,
    sent: usize,
    /// When the first line was taken.
    since: Option<Instant>,
    inode: u64,
    /// Whether writing waited for the disk the last time.
    is_slow: bool,
    /// Whether it was made or written since `take_changed`.
    is_changed: bool,
}

impl Output {
    /// Opens the file, and makes its folders. What is in it goes (`replace`) or stays.
    pub fn open(
        path: &Path,
        compression: Compression,
        frames: &Frames,
        replace: bool,
    ) -> Result<Output, ConnectorError> {
        make_folder(path)?;
        let found = std::fs::metadata(path).ok();
        if found.as_ref().is_some_and(std::fs::Metadata::is_dir) {
            let message = format!("cannot write `{}`: it is a folder; give the name of a file in it", path.display());
            return Err(ConnectorError::event(BAD_PATH.id, message));
        }
        let is_stream = found.as_ref().is_some_and(|found| !found.is_file()) || is_device(path);
        let file = if is_stream {
            // No `create`, no truncation: neither means anything for a pipe or a device.
            OpenOptions::new().append(true).open(path)
        } else {
            OpenOptions::new().read(!replace).write(true).create(true).truncate(replace).open(path)
        }
        .map_err(|why| failed("open", path, &why))?;
        let inode = file.metadata().map_or(0, |found| found.ino());
        let is_changed = !is_stream && (replace || found.is_none());
        let mut output = Output { is_stream, inode, is_changed, ..Output::new(file, path, compression, frames) };
        if !is_stream && !replace {
            output.seek_end().map_err(|why| failed("read", path, &why))?;
            output.go_on()?;
        }
        Ok(output)
    }

    /// An open pipe or device that has no name.
    pub fn stream(file: File, name: &str, frames: &Frames) -> Output {
        Output { is_stream: true, ..Output::new(file, Path::new(name), Compression::None, frames) }
    }

    fn new(file: File, path: &Path, compression: Compression, frames: &Frames) -> Output {
        Output {
            path: path.to_path_buf(),
            file,
            is_stream: false,
            compression,
            packing: Packing::new(frames),
            len: 0,
            lines: Vec::new(),
            block: Vec::new(),
            sent: 0,
            since: None,
            inode: 0,
            is_slow: false,
            is_changed: false,
        }
    }

    /// Goes to the end of a file that is added to. If its last line has no end, it gets one, or ours would become part of it.
    fn seek_end(&mut self) -> io::Result<()> {
        self.len = self.file.seek(SeekFrom::End(0))?;
        if self.len > 0 && self.compression == Compression::None && matches!(self.packing, Packing::Lines) {
            let mut last = [0];
            self.file.seek(SeekFrom::End(-1))?;
            self.file.read_exact(&mut last)?;
            if last != *b"\n" {
                self.lines.push(b'\n');
            }
        }
        Ok(())
    }

    /// Looks whether what is in the file and what will be added make one.
    fn go_on(&mut self) -> Result<(), ConnectorError> {
        if self.len == 0 {
            return Ok(());
        }
        let read = |why: io::Error| failed("read", &self.path, &why);
        let content = File::open(&self.path).and_then(|file| self.compression.reader(file)).map_err(read)?;
        self.packing.go_on(&self.path, content)
    }

    /// Goes on in a pipe in which a container was begun.
    pub fn follow(&mut self, head: FileHead) -> Result<(), &'static str> {
        self.packing.follow(head)
    }

    /// The head of the container that has been begun.
    pub fn begun(&self) -> Option<&FileHead> {
        self.packing.begun()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written so far; for a file that was added to, its length.
    pub fn written(&self) -> u64 {
        self.len
    }

    /// The file's number; 0 of a pipe without a name.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Whether it has no length that it could be cut back to.
    pub fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Whether the file was made or written since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed) && !self.is_stream
    }

    /// Another handle of the file, to wait for the disk with.
    pub fn handle(&self) -> Result<File, ConnectorError> {
        self.file.try_clone().map_err(|why| failed("write to the disk", &self.path, &why))
    }

    /// The file's length when everything taken is written (of what is not yet compressed, its own length).
    pub fn len_when_written(&self) -> u64 {
        self.len + (self.block.len() - self.sent) as u64 + self.lines.len() as u64
    }

    /// Bytes that are to come into the file beside those of events.
    pub fn around(&self) -> usize {
        self.packing.around()
    }

    /// Whether nothing was ever in it.
    pub fn is_blank(&self) -> bool {
        self.len_when_written() == 0
    }

    /// Bytes that are held in memory.
    pub fn held(&self) -> usize {
        self.lines.len() + self.block.len() + self.packing.waiting()
    }

    /// When the first line was taken.
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Takes events `from..to`; `write_out` writes them.
    pub fn take_events(&mut self, events: &Encoded, from: usize, to: usize, now: Instant) {
        let start = from.checked_sub(1).and_then(|before| events.ends.get(before)).copied().unwrap_or(0);
        self.packing.note(self.lines.len(), events.ends.get(from..to).unwrap_or_default(), start);
        self.take(events.events(from, to), now);
    }

    /// Takes whole lines; `write_out` writes them.
    pub fn take(&mut self, lines: &[u8], now: Instant) {
        self.since.get_or_insert(now);
        self.lines.extend_from_slice(lines);
    }

    /// Writes whole lines at once, as they are many: nothing else is held. Those that cannot be written are taken.
    pub fn write_through(&mut self, lines: &[u8], now: Instant) -> Result<(), ConnectorError> {
        self.since.get_or_insert(now);
        self.is_changed = true;
        let sent = self.file.write(lines).unwrap_or(0);
        if sent == lines.len() {
            self.len += sent as u64;
            return Ok(());
        }
        // The rest goes the way of a block, where an error comes again.
        self.block.extend_from_slice(lines);
        self.sent = sent;
        self.write_out()
    }

    /// Whether these lines may be written without being gathered.
    pub fn may_write_through(&self, lines: &[u8]) -> bool {
        let as_it_is = self.compression == Compression::None && self.packing.is_plain();
        self.held() == 0 && as_it_is && lines.len() >= FILE_WRITE_BYTES_MIN
    }

    /// Writes: here and now, as that only copies to the system's memory; but out of the way of other tasks where it may take long, to a
    /// reader, with compression, or to a disk that was behind the last time.
    pub fn writing<T>(&mut self, work: impl FnOnce(&mut Output) -> T) -> T {
        let begun = Instant::now();
        let result = match self.is_stream || self.is_slow || self.compression != Compression::None {
            true => blocking(|| work(self)),
            false => work(self),
        };
        self.is_slow = begun.elapsed() > QUICK_WRITE_MAX;
        result
    }

    /// The last call: see `fill`.
    pub fn finish(&mut self) -> Result<(), ConnectorError> {
        self.fill().map_err(|why| failed("compress for", &self.path, &why))?;
        self.write_out()
    }

    /// An empty file is no compressed file and no container: one that got nothing gets a member of nothing, or a head. Into a pipe goes
    /// only the head, which whoever reads a container waits for.
    pub fn fill(&mut self) -> io::Result<()> {
        let is_packed = self.compression != Compression::None && !self.is_stream;
        let is_wanted = is_packed || !self.packing.is_plain();
        if is_wanted && self.is_blank() && self.packing.waiting() == 0 {
            self.block = self.compression.pack(self.packing.pack(Vec::new())?)?;
        }
        Ok(())
    }

    /// Drops what was taken: its reader has gone.
    pub fn forget(&mut self) {
        self.give_back();
    }

    /// The lines that were taken and are not in the file, without their ends. They are forgotten.
    pub fn give_back(&mut self) -> Vec<Bytes> {
        let mut block = std::mem::take(&mut self.block);
        let mut sent = std::mem::take(&mut self.sent);
        if self.compression != Compression::None && self.packing.is_plain() {
            // It was packed a moment ago. What had been written of it cannot be unpacked any more, and stands in the file.
            let rest = block.split_off(std::mem::take(&mut sent));
            block.clear();
            if let Ok(mut reader) = self.compression.reader(io::Cursor::new(rest)) {
                let _ = reader.read_to_end(&mut block);
            }
        }
        self.packing.give_back(block, sent, std::mem::take(&mut self.lines))
    }

    /// Writes everything that was taken. After an error the file ends with a whole line, and another call goes on from there.
    pub fn write_out(&mut self) -> Result<(), ConnectorError> {
        self.try_write_out().map_err(|why| failed("write", &self.path, &why))
    }

    /// The same, with the system's error.
    pub fn try_write_out(&mut self) -> io::Result<()> {
        self.write_block()?;
        if self.lines.is_empty() && self.packing.waiting() == 0 {
            return Ok(());
        }
        // The memory of the last block takes the next lines.
        let lines = std::mem::replace(&mut self.lines, std::mem::take(&mut self.block));
        self.block = self.compression.pack(self.packing.pack(lines)?)?;
        self.write_block()
    }

    fn write_block(&mut self) -> io::Result<()> {
        while let Some(rest) = self.block.get(self.sent..).filter(|rest| !rest.is_empty()) {
            self.is_changed = true;
            let why = match self.file.write(rest) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(n) => {
                    self.sent += n;
                    continue;
                }
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                Err(why) => why,
            };
            self.cut_back();
            return Err(why);
        }
        self.len += self.block.len() as u64;
        self.packing.wrote();
        self.block.clear();
        // One huge event must not leave its memory with each of many files.
        self.block.shrink_to(FILE_BUFFER_BYTES_MAX);
        self.sent = 0;
        Ok(())
    }

    /// After a failed write: what is written of the block stays up to its last whole line, the rest leaves the file again.
    fn cut_back(&mut self) {
        if !self.is_stream && self.sent > 0 {
            let part = self.block.get(..self.sent).unwrap_or_default();
            let whole = match self.compression {
                _ if !matches!(self.packing, Packing::Lines) => 0,
                Compression::None => memchr::memrchr(b'\n', part).map_or(0, |at| at + 1),
                Compression::Gzip | Compression::Zstd => 0,
            };
            let end = self.len + whole as u64;
            // Where even this fails, the next attempt goes on in the middle of the line: the file is whole again after it.
            if self.file.set_len(end).and_then(|()| self.file.seek(SeekFrom::Start(end))).is_ok() {
                self.block.drain(..whole);
                self.len = end;
                self.sent = 0;
            }
        }
    }
}

/// Makes the folder of a file.
pub fn make_folder(path: &Path) -> Result<(), ConnectorError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|why| failed("make the folder of", path, &why))
}

/// `/dev/stdout` and its like are links to whatever the shell has put there, which is not ours to empty.
pub fn is_device(path: &Path) -> bool {
    path.starts_with("/dev") || path.starts_with("/proc")
}

/// Why something could not be done with a file, and what helps.
pub fn failed(what: &str, path: &Path, why: &io::Error) -> ConnectorError {
    let of_path = ErrorKind::Event(BAD_PATH.id);
    let (kind, help) = match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Transient, "make room on that disk, or write to another one")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::Fatal, "allow the runner's user to write there, or choose another path")
        }
        // Of a path made of values, these are the event's fault; a fixed path makes them fatal.
        io::ErrorKind::NotADirectory => (of_path, "a part of the path is a file, where a folder is needed"),
        io::ErrorKind::AlreadyExists => (of_path, "a file has the name of one of its folders"),
        io::ErrorKind::IsADirectory => (of_path, "give the name of a file in it"),
        io::ErrorKind::InvalidFilename => (of_path, "a name has at most 255 bytes"),
        io::ErrorKind::FileTooLarge => (ErrorKind::Fatal, "`rotate: { size: ... }` goes on in a next file"),
        io::ErrorKind::BrokenPipe => (ErrorKind::Transient, "nobody reads that pipe; start its reader"),
        io::ErrorKind::NotFound => (ErrorKind::Transient, "its folder has been removed; make it again"),
        _ => (ErrorKind::Transient, "the system's word for it is all that is known"),
    };
    let path = path.display();
    ConnectorError { message: format!("cannot {what} `{path}`: {}; {help}", reason(why)), kind }
}

/// The system's reason without the number that Rust adds to it.
pub fn reason(why: &io::Error) -> String {
    let text = why.to_string();
    match text.split_once(" (os error") {
        Some((reason, _)) => reason.to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(output: &mut Output, lines: &str) {
        output.take(lines.as_bytes(), Instant::now());
    }

    #[test]
    fn lines_are_added_behind_a_line_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/a.jsonl");
        let mut output = Output::open(&path, Compression::None, &Frames::Lines, true).unwrap();
        take(&mut output, "one\n");
        output.write_out().unwrap();
        std::fs::write(&path, "one\ntw").unwrap();
        let mut output = Output::open(&path, Compression::None, &Frames::Lines, false).unwrap();
        take(&mut output, "three\n");
        output.write_out().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntw\nthree\n");
        assert_eq!(output.written(), 13);
    }

    #[test]
    fn a_full_disk_is_worth_another_try_and_loses_nothing() {
        let mut output = Output::open(Path::new("/dev/full"), Compression::None, &Frames::Lines, true).unwrap();
        take(&mut output, "one\n");
        let why = output.write_out().unwrap_err();
        assert!(why.is_transient());
        assert!(why.message.contains("cannot write `/dev/full`: no space left on device"), "{why}");
        assert_eq!(output.held(), 4);
    }

    #[test]
    fn many_lines_are_written_without_being_gathered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let lines = "one\n".repeat(FILE_WRITE_BYTES_MIN / 4);
        let mut output = Output::open(&path, Compression::None, &Frames::Lines, true).unwrap();
        assert!(output.may_write_through(lines.as_bytes()) && !output.may_write_through(b"one\n"));
        output.write_through(lines.as_bytes(), Instant::now()).unwrap();
        assert_eq!((output.held(), output.written()), (0, lines.len() as u64));
        take(&mut output, "two\n");
        assert!(!output.may_write_through(lines.as_bytes()), "they would come before what was taken");
        output.write_out().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), lines + "two\n");

        let mut full = Output::open(Path::new("/dev/full"), Compression::None, &Frames::Lines, true).unwrap();
        assert!(full.write_through(b"one\ntwo\n", Instant::now()).unwrap_err().is_transient());
        assert_eq!(full.give_back(), ["one", "two"]);
    }

    #[test]
    fn a_failed_write_leaves_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let mut output = Output::open(&path, Compression::None, &Frames::Lines, true).unwrap();
        output.block = b"one\ntwo\nthree\n".to_vec();
        output.sent = 10;
        output.file.write_all(b"one\ntwo\nth").unwrap();
        output.cut_back();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        take(&mut output, "four\n");
        output.write_out().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\nfour\n");
    }

    #[test]
    fn what_is_not_in_the_file_is_given_back_as_lines() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let mut output = Output::open(Path::new("/dev/full"), compression, &Frames::Lines, true).unwrap();
            take(&mut output, "one\ntwo\n");
            assert!(output.write_out().is_err());
            take(&mut output, "three\n");
            assert_eq!(output.give_back(), ["one", "two", "three"], "{compression:?}");
            assert_eq!(output.held(), 0);
        }
    }

    #[test]
    fn folders_and_files_in_the_way_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let why = Output::open(folder.path(), Compression::None, &Frames::Lines, true).unwrap_err();
        assert!(why.message.contains("it is a folder"), "{why}");
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let why = Output::open(&file.join("a.jsonl"), Compression::None, &Frames::Lines, true).unwrap_err();
        assert!(matches!(why.kind, ErrorKind::Event(_)), "{why}");
        let why =
            Output::open(&folder.path().join("x".repeat(300)), Compression::None, &Frames::Lines, true).unwrap_err();
        assert!(matches!(why.kind, ErrorKind::Event(_)), "{why}");
    }
}
