//! Writes lines to files: one, or one for each value of the path's expressions, in a bounded number of open ones.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use indexmap::IndexMap;

use super::claims::Claimant;
use super::compression::Choice;
use super::output::{Output, is_device, make_folder};
use super::rotate::{self, Rotate};
use crate::connectors::blocking::blocking;
use crate::connectors::{ConnectorError, Encoded, ErrorKind, Sink, Written};
use crate::event::codes::BAD_PATH;
use crate::limits::{FILE_BUFFER_BYTES_MAX, FILE_BUFFERS_BYTES_MAX, SINK_FILES_MAX, WRITTEN_FILES_MAX};

/// How a sink writes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    /// The path, where it reads no event.
    pub path: Option<Arc<str>>,
    /// Whether a run starts with empty files.
    pub replace: bool,
    pub compression: Choice,
    pub rotate: Option<Rotate>,
    /// Files that are open at once.
    pub open_max: usize,
    /// Tells whether a file is another sink's.
    pub claims: Claimant,
}

/// The sink at work.
pub struct FileSink {
    settings: Settings,
    /// The open files, by what `Encoded::targets` calls them.
    open: IndexMap<Arc<str>, Target>,
    /// Hashes of all targets of this run: the first opening replaces, later ones add.
    seen: HashSet<u64>,
    written: IndexMap<PathBuf, u64>,
    /// Counts the uses of targets, so that the one longest unused can be told.
    uses: u64,
}

/// What one target's lines go to.
struct Target {
    output: Output,
    /// Of rotated files, which one it is.
    number: u32,
    used: u64,
}

impl FileSink {
    /// Opens the file, if its path reads no event.
    pub fn open(settings: Settings) -> Result<FileSink, ConnectorError> {
        let path = settings.path.clone();
        let mut sink =
            FileSink { settings, open: IndexMap::new(), seen: HashSet::new(), written: IndexMap::new(), uses: 0 };
        if let Some(path) = path {
            // There is no event yet that could be at fault.
            sink.target(&path).map_err(|why| match why.kind {
                ErrorKind::Event(_) => ConnectorError::fatal(why.message),
                ErrorKind::Fatal | ErrorKind::Transient => why,
            })?;
        }
        Ok(sink)
    }

    /// The index of the target's open file; opens it, and closes another one for it.
    fn target(&mut self, name: &Arc<str>) -> Result<usize, ConnectorError> {
        self.uses += 1;
        if let Some((index, _, target)) = self.open.get_full_mut(name) {
            target.used = self.uses;
            return Ok(index);
        }
        if self.open.len() >= self.settings.open_max {
            self.close_longest_unused()?;
        }
        let hash = rapidhash::v3::rapidhash_v3(name.as_bytes());
        let is_new = !self.seen.contains(&hash);
        if is_new && self.seen.len() >= SINK_FILES_MAX {
            return Err(ConnectorError::fatal(format!(
                "the sink has written {SINK_FILES_MAX} different files and would make another one, `{name}`; write fewer, with a \
                 path whose expressions have fewer values"
            )));
        }
        let (output, number) = blocking(|| self.open_output(name, is_new))?;
        self.seen.insert(hash);
        let (index, _) = self.open.insert_full(name.clone(), Target { output, number, used: self.uses });
        Ok(index)
    }

    fn open_output(&self, name: &str, is_new: bool) -> Result<(Output, u32), ConnectorError> {
        let path = self.settings.folder.join(name);
        let replace = self.settings.replace && is_new;
        if is_new {
            self.claim(&path)?;
        }
        if self.settings.rotate.is_none() {
            return Ok((self.open_path(&path, replace)?, 0));
        }
        let number = if replace {
            rotate::remove_all(&path)?;
            1
        } else {
            rotate::last_number(&path).unwrap_or(1)
        };
        Ok((self.open_path(&rotate::numbered(&path, number), replace)?, number))
    }

    /// Makes sure that no other sink writes the file.
    fn claim(&self, path: &Path) -> Result<(), ConnectorError> {
        let shared = is_device(path) || std::fs::metadata(path).is_ok_and(|found| !found.is_file());
        if shared {
            return Ok(());
        }
        make_folder(path)?;
        if self.settings.claims.take(path) {
            return Ok(());
        }
        let message = format!(
            "cannot write `{}`: another sink of this run writes it, and they would write over each other; give each sink \
             a folder of its own",
            path.display()
        );
        Err(ConnectorError::event(BAD_PATH.id, message))
    }

    fn open_path(&self, path: &Path, replace: bool) -> Result<Output, ConnectorError> {
        Output::open(path, self.settings.compression.of(path), replace)
    }

    fn close_longest_unused(&mut self) -> Result<(), ConnectorError> {
        let longest = self.open.values().enumerate().min_by_key(|(_, target)| target.used).map(|(index, _)| index);
        if let Some(index) = longest {
            self.write_out(index)?;
            self.open.swap_remove_index(index);
        }
        Ok(())
    }

    /// Writes what the file at `index` holds in memory.
    fn write_out(&mut self, index: usize) -> Result<(), ConnectorError> {
        let Some((_, target)) = self.open.get_index_mut(index) else { return Ok(()) };
        let result = if target.output.held() > 0 { blocking(|| target.output.write_out()) } else { Ok(()) };
        remember(&mut self.written, &target.output);
        result
    }

    /// Takes events `*done..to`, which have one target.
    fn take_run(&mut self, index: usize, events: &Encoded, done: &mut usize, to: usize) -> Result<(), ConnectorError> {
        let now = Instant::now();
        while *done < to {
            let Some((_, target)) = self.open.get_index_mut(index) else { return Ok(()) };
            let output = &mut target.output;
            if output.held() >= FILE_BUFFER_BYTES_MAX {
                self.write_out(index)?;
                continue;
            }
            let is_blank = output.is_blank();
            let mut room = FILE_BUFFER_BYTES_MAX - output.held();
            if let Some(rotate) = self.settings.rotate.filter(|_| !is_blank) {
                let next = events.event(*done).len();
                if rotate.is_due(output, now) || rotate.room(output) < next {
                    self.rotate(index, rotate, now, next)?;
                    continue;
                }
                room = room.min(rotate.room(output));
            } else if is_blank {
                output.take(&events.head, now);
            }
            // The first event of a file may be larger than all that fits.
            let fits = if is_blank { 1 } else { events.fitting(*done, to, room).max(1) };
            output.take(events.events(*done, *done + fits), now);
            *done += fits;
        }
        Ok(())
    }

    /// Goes on in the next file, unless what was gathered turns out to be small enough once it is compressed.
    fn rotate(&mut self, index: usize, rotate: Rotate, now: Instant, next: usize) -> Result<(), ConnectorError> {
        self.write_out(index)?;
        let Some((name, target)) = self.open.get_index(index) else { return Ok(()) };
        if !rotate.is_due(&target.output, now) && rotate.room(&target.output) >= next {
            return Ok(());
        }
        let number = target.number + 1;
        let path = rotate::numbered(&self.settings.folder.join(&**name), number);
        let output = blocking(|| self.open_path(&path, true))?;
        if let Some((_, target)) = self.open.get_index_mut(index) {
            *target = Target { output, number, used: target.used };
        }
        Ok(())
    }

    /// Writes out the fullest files until all of them hold less than is allowed.
    fn bound_memory(&mut self) -> Result<(), ConnectorError> {
        loop {
            let held: usize = self.open.values().map(|target| target.output.held()).sum();
            let fullest = self.open.values().enumerate().max_by_key(|(_, target)| target.output.held());
            match fullest.map(|(index, _)| index) {
                Some(index) if held > FILE_BUFFERS_BYTES_MAX => self.write_out(index)?,
                _ => return Ok(()),
            }
        }
    }

    fn take(&mut self, events: &Encoded, done: &mut usize) -> Result<(), ConnectorError> {
        while *done < events.len() {
            let (name, to) = match (events.targets.get(*done), &self.settings.path) {
                (Some(name), _) => (name.clone(), end_of_run(&events.targets, *done)),
                (None, Some(path)) => (path.clone(), events.len()),
                (None, None) => {
                    return Err(ConnectorError::fatal("an event came without the path that it is to be written to"));
                }
            };
            let index = self.target(&name)?;
            self.take_run(index, events, done, to)?;
            if self.open.len() > 1 {
                self.bound_memory()?;
            }
        }
        Ok(())
    }

    /// Does this with all files, and tells the first error after all had their turn.
    fn each(&mut self, work: fn(&mut Output) -> Result<(), ConnectorError>) -> Result<(), ConnectorError> {
        let mut result = Ok(());
        for target in self.open.values_mut() {
            let output = &mut target.output;
            let done = if output.held() > 0 { blocking(|| work(output)) } else { work(output) };
            result = result.and(done);
            remember(&mut self.written, &target.output);
        }
        result
    }
}

impl Sink for FileSink {
    fn write<'a>(&'a mut self, events: &'a Encoded, done: &'a mut usize) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async move { self.take(events, done) })
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move { self.each(Output::write_out) })
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move { self.each(Output::finish) })
    }

    fn written(&self) -> Vec<Written> {
        self.written.iter().map(|(path, bytes)| Written { path: path.clone(), bytes: *bytes }).collect()
    }
}

fn remember(written: &mut IndexMap<PathBuf, u64>, output: &Output) {
    if let Some(bytes) = written.get_mut(output.path()) {
        *bytes = output.written();
    } else if written.len() < WRITTEN_FILES_MAX {
        written.insert(output.path().to_path_buf(), output.written());
    }
}

/// The first event from `from` on that has another target.
fn end_of_run(targets: &[Arc<str>], from: usize) -> usize {
    targets.iter().skip(from).position(|target| *target != targets[from]).map_or(targets.len(), |n| from + n)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::compression::Compression;
    use super::*;

    fn settings(folder: &Path) -> Settings {
        Settings {
            folder: folder.to_path_buf(),
            path: None,
            replace: true,
            compression: Choice::Auto,
            rotate: None,
            claims: std::sync::Arc::new(super::super::claims::Claims::default()).claimant(),
            open_max: 2,
        }
    }

    fn encoded(lines: &[(&str, &str)]) -> Encoded {
        let mut events = Encoded::default();
        for (target, line) in lines {
            events.bytes.extend_from_slice(line.as_bytes());
            events.bytes.push(b'\n');
            events.ends.push(events.bytes.len() as u32);
            if !target.is_empty() {
                events.targets.push(Arc::from(*target));
            }
        }
        events
    }

    async fn write(settings: Settings, events: &Encoded) -> Result<Vec<Written>, ConnectorError> {
        let mut sink = FileSink::open(settings)?;
        let mut done = 0;
        sink.write(events, &mut done).await?;
        assert_eq!(done, events.len());
        sink.close().await?;
        Ok(sink.written())
    }

    fn read(folder: &Path, name: &str) -> String {
        std::fs::read_to_string(folder.join(name)).unwrap_or_else(|why| format!("{name}: {why}"))
    }

    #[tokio::test]
    async fn more_targets_than_may_be_open_and_each_replaced_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.csv"), "old\n").unwrap();
        let mut events = encoded(&[
            ("a.csv", "1"),
            ("b.csv", "2"),
            ("d/c.csv", "3"),
            ("a.csv", "4"),
            ("a.csv", "5"),
            ("b.csv", "6"),
        ]);
        events.head = b"n\n".to_vec();
        let written = write(settings(folder.path()), &events).await.unwrap();
        assert_eq!(read(folder.path(), "a.csv"), "n\n1\n4\n5\n");
        assert_eq!(read(folder.path(), "b.csv"), "n\n2\n6\n");
        assert_eq!(read(folder.path(), "d/c.csv"), "n\n3\n");
        assert_eq!(written.iter().map(|file| file.bytes).collect::<Vec<_>>(), [8, 6, 4]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rotation_by_size_never_cuts_a_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a-000009.jsonl"), "old\n").unwrap();
        let settings = Settings {
            path: Some("a.jsonl".into()),
            rotate: Some(Rotate { size: Some(10), every: None }),
            ..settings(folder.path())
        };
        let events = encoded(&[("", "1234"), ("", "1234"), ("", "1"), ("", "longer than all of it"), ("", "2")]);
        let written = write(settings.clone(), &events).await.unwrap();
        assert_eq!(read(folder.path(), "a-000001.jsonl"), "1234\n1234\n");
        assert_eq!(read(folder.path(), "a-000002.jsonl"), "1\n");
        assert_eq!(read(folder.path(), "a-000003.jsonl"), "longer than all of it\n");
        assert_eq!(read(folder.path(), "a-000004.jsonl"), "2\n");
        assert_eq!(written.len(), 4);
        assert!(!folder.path().join("a-000009.jsonl").exists());
        write(Settings { replace: false, ..settings }, &encoded(&[("", "3")])).await.unwrap();
        assert_eq!(read(folder.path(), "a-000004.jsonl"), "2\n3\n");
    }

    #[tokio::test]
    async fn rotation_by_time_and_compression() {
        let folder = tempfile::tempdir().unwrap();
        let every = Some(Duration::ZERO);
        let settings = Settings {
            path: Some("a.jsonl.gz".into()),
            rotate: Some(Rotate { size: None, every }),
            ..settings(folder.path())
        };
        write(settings.clone(), &encoded(&[("", "1"), ("", "2")])).await.unwrap();
        let unpacked = |name: &str| {
            let packed = std::fs::File::open(folder.path().join(name)).unwrap();
            std::io::read_to_string(Compression::Gzip.reader(packed).unwrap())
        };
        assert_eq!(unpacked("a-000002.jsonl.gz").unwrap(), "2\n");
        let empty = Settings { path: Some("b.jsonl.gz".into()), rotate: None, ..settings };
        write(empty, &Encoded::default()).await.unwrap();
        assert_eq!(unpacked("b.jsonl.gz").unwrap(), "");
        assert!(
            std::fs::metadata(folder.path().join("b.jsonl.gz")).unwrap().len() > 0,
            "nothing at all is no gzip data"
        );
    }

    #[tokio::test]
    async fn an_empty_result_is_an_empty_file_and_a_full_disk_keeps_its_events() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.jsonl"), "old\n").unwrap();
        let one = Settings { path: Some("a.jsonl".into()), ..settings(folder.path()) };
        write(one.clone(), &Encoded::default()).await.unwrap();
        assert_eq!(read(folder.path(), "a.jsonl"), "");

        let mut sink = FileSink::open(Settings { path: Some("/dev/full".into()), ..one }).unwrap();
        let mut done = 0;
        sink.write(&encoded(&[("", "1")]), &mut done).await.unwrap();
        assert!(sink.flush().await.unwrap_err().is_transient());
        assert!(sink.flush().await.unwrap_err().is_transient(), "the event is still there");
    }

    #[tokio::test]
    async fn an_impossible_name_is_that_events_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = FileSink::open(settings(folder.path())).unwrap();
        let long = "x".repeat(300);
        let events = encoded(&[("a", "1"), (&long, "2"), ("a/b", "2"), ("a", "3")]);
        let mut done = 0;
        let why = sink.write(&events, &mut done).await.unwrap_err();
        assert_eq!((why.kind, done), (ErrorKind::Event(crate::event::codes::BAD_PATH.id), 1));
        done += 1;
        let why = sink.write(&events, &mut done).await.unwrap_err();
        assert!(matches!(why.kind, ErrorKind::Event(_)) && why.message.contains("one of its folders"), "{why}");
        done += 1;
        sink.write(&events, &mut done).await.unwrap();
        sink.close().await.unwrap();
        assert_eq!(read(folder.path(), "a"), "1\n3\n");
        let fixed = Settings { path: Some("a/b".into()), ..settings(folder.path()) };
        assert_eq!(FileSink::open(fixed).err().unwrap().kind, ErrorKind::Fatal);
    }
}
