//! Writes lines to files: one, or one for each value of the path's expressions, in a bounded number of open ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::claims::Claimant;
use super::compression::Choice;
use super::ledger::{Kept, Ledger, hash};
use super::notes::Notes;
use super::output::{Output, is_device, make_folder};
use super::rotate::{self, Rotate};
use crate::connectors::blocking::blocking;
use crate::connectors::{ConnectorError, Encoded, ErrorKind, Frames, Sink, SinkOpen, SinkResume, SinkState, Written};
use crate::event::codes::BAD_PATH;
use crate::limits::{FILE_BUFFER_BYTES_MAX, FILE_BUFFERS_BYTES_MAX, SINK_FILES_MAX, WRITTEN_FILES_MAX};

/// How a sink writes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    /// The path, where it reads no event.
    pub path: Option<Arc<str>>,
    /// The path as it is written in the YAML.
    pub template: Arc<str>,
    /// Whether a run starts with empty files.
    pub replace: bool,
    pub compression: Choice,
    pub rotate: Option<Rotate>,
    /// Files that are open at once.
    pub open_max: usize,
}

/// The sink at work.
pub struct FileSink {
    settings: Settings,
    /// The open files, by what `Encoded::targets` calls them.
    open: IndexMap<Arc<str>, Target>,
    /// All targets: the first opening replaces, later ones add.
    ledger: Ledger,
    /// Tells whether a file is another sink's.
    claims: Claimant,
    notes: Option<Notes>,
    /// Whether checkpoints are written, for which files have to be on the disk.
    has_checkpoints: bool,
    /// How events stand in the files.
    frames: Frames,
    written: IndexMap<PathBuf, u64>,
    /// Counts the uses of targets, so that the one longest unused can be told.
    uses: u64,
}

/// What one target's lines go to.
struct Target {
    output: Output,
    /// Of rotated files, which one it is; else 0.
    number: u32,
    used: u64,
    /// The ledger's number of when it was last written.
    epoch: u64,
    /// The number of its note, which has to be on the disk before the first line is.
    note: u64,
}

impl FileSink {
    /// Opens the file, if its path reads no event; afresh, or behind what a checkpoint has.
    pub fn open(mut settings: Settings, open: &SinkOpen) -> Result<FileSink, ConnectorError> {
        let path = settings.path.clone();
        let resume = open.resume.as_ref().filter(|resume| !resume.state.is_null());
        let (ledger, names) = match resume {
            Some(resume) => Ledger::of(&resume.state)?,
            None => (Ledger::new(), Vec::new()),
        };
        settings.replace &= open.resume.as_ref().is_none_or(|resume| replaces_still(&settings, resume));
        let id = open.resume.as_ref().map(|resume| resume.id);
        let notes = open.notes.as_ref().filter(|_| open.has_checkpoints);
        let notes = notes.map(|path| Notes::open(path, &settings.folder, id)).transpose()?;
        let mut sink = FileSink {
            settings,
            open: IndexMap::new(),
            ledger,
            claims: open.claims.claimant(),
            notes,
            has_checkpoints: open.has_checkpoints,
            frames: open.frames.clone(),
            written: IndexMap::new(),
            uses: 0,
        };
        for name in names {
            let target = sink.settings.folder.join(&name);
            // A file of an earlier path that is gone is missed by nobody.
            let is_earlier = path.as_ref().is_some_and(|path| **path != *name);
            let is_gone = || sink.ledger.get(hash(&name)).is_none_or(|kept| !kept.path(&target).exists());
            if !(is_earlier && is_gone()) {
                sink.ledger.cut(hash(&name), &target)?;
            }
        }
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
        let is_new = self.ledger.get(hash(name)).is_none();
        if is_new && self.ledger.len() >= SINK_FILES_MAX {
            return Err(ConnectorError::fatal(format!(
                "the sink has written {SINK_FILES_MAX} different files and would make another one, `{name}`; write fewer, with a \
                 path whose expressions have fewer values"
            )));
        }
        let target = blocking(|| self.open_target(name))?;
        self.enter(name, &target);
        Ok(self.open.insert_full(name.clone(), target).0)
    }

    fn open_target(&mut self, name: &str) -> Result<Target, ConnectorError> {
        let target = self.settings.folder.join(name);
        self.claim(&target)?;
        self.ledger.cut(hash(name), &target)?;
        // Files of another way of rotation are none that could be gone on with.
        let is_rotated = self.settings.rotate.is_some();
        let kept = self.ledger.get(hash(name)).filter(|kept| (kept.number > 0) == is_rotated);
        let replace = self.settings.replace && kept.is_none();
        let number = match kept {
            Some(kept) => kept.number,
            None if !is_rotated => 0,
            None if replace => {
                rotate::remove_after(&target, 0)?;
                1
            }
            None => rotate::last_number(&target).unwrap_or(1),
        };
        let path = Kept::new(0, 0, number).path(&target);
        let is_new = replace || !path.exists();
        let output = self.open_path(&path, replace)?;
        let note = match self.notes.as_mut().filter(|_| !output.is_stream()) {
            Some(notes) => notes.note(name, &Kept::new(output.written(), output.inode(), number), is_new)?,
            None => 0,
        };
        Ok(Target { output, number, used: self.uses, epoch: 0, note })
    }

    /// Makes sure that no other sink writes the file.
    fn claim(&self, path: &Path) -> Result<(), ConnectorError> {
        let shared = is_device(path) || std::fs::metadata(path).is_ok_and(|found| !found.is_file());
        if shared {
            return Ok(());
        }
        make_folder(path)?;
        if self.claims.take(path) {
            return Ok(());
        }
        let message = format!(
            "cannot write `{}`: another sink of this run writes it, and they would write over each other; give each sink \
             a folder of its own",
            path.display()
        );
        Err(ConnectorError::event(BAD_PATH.id, message))
    }

    fn open_path(&mut self, path: &Path, replace: bool) -> Result<Output, ConnectorError> {
        let above = if self.has_checkpoints && !path.exists() { folders_to_sync(path) } else { Vec::new() };
        let output = Output::open(path, self.settings.compression.of(path), &self.frames, replace)?;
        above.iter().try_for_each(|folder| self.ledger.leave(folder))?;
        Ok(output)
    }

    /// Notes how far a target was written.
    fn enter(&mut self, name: &str, target: &Target) {
        let output = &target.output;
        let (bytes, inode) = if output.is_stream() { (0, 0) } else { (output.written(), output.inode()) };
        self.ledger.put(hash(name), Kept::new(bytes, inode, target.number));
    }

    /// Takes leave of a file that will not be written for now.
    fn leave(&mut self, mut target: Target) -> Result<(), ConnectorError> {
        let is_changed = target.output.take_changed() || self.ledger.is_unsynced(target.epoch);
        if self.has_checkpoints && is_changed && !target.output.is_stream() {
            self.ledger.leave(target.output.path())?;
        }
        Ok(())
    }

    fn close_longest_unused(&mut self) -> Result<(), ConnectorError> {
        let longest = self.open.values().enumerate().min_by_key(|(_, target)| target.used).map(|(index, _)| index);
        if let Some(index) = longest {
            self.write_out(index)?;
            if let Some((name, target)) = self.open.swap_remove_index(index) {
                self.enter(&name, &target);
                self.leave(target)?;
            }
        }
        Ok(())
    }

    /// Writes what the file at `index` holds in memory.
    fn write_out(&mut self, index: usize) -> Result<(), ConnectorError> {
        self.sync_note(index)?;
        let Some((_, target)) = self.open.get_index_mut(index) else { return Ok(()) };
        let result = if target.output.held() > 0 { target.output.writing(Output::write_out) } else { Ok(()) };
        remember(&mut self.written, &target.output);
        result
    }

    /// Waits until the file's note is on the disk, as it has to be before the file's first line is.
    fn sync_note(&mut self, index: usize) -> Result<(), ConnectorError> {
        match (&mut self.notes, self.open.get_index(index)) {
            (Some(notes), Some((_, target))) => notes.sync(target.note),
            _ => Ok(()),
        }
    }

    /// Writes lines to the file at `index` as they are; its note is on the disk.
    fn write_through(&mut self, index: usize, lines: &[u8], now: Instant) -> Result<(), ConnectorError> {
        let Some((_, target)) = self.open.get_index_mut(index) else { return Ok(()) };
        let result = target.output.writing(|output| output.write_through(lines, now));
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
            let lines = events.events(*done, *done + fits);
            if output.may_write_through(lines) {
                self.sync_note(index)?;
                *done += fits;
                self.write_through(index, lines, now)?;
            } else {
                output.take_events(events, *done, *done + fits, now);
                *done += fits;
            }
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
        let Some((_, target)) = self.open.get_index_mut(index) else { return Ok(()) };
        let next = Target { output, number, used: target.used, epoch: 0, note: target.note };
        let full = std::mem::replace(target, next);
        self.leave(full)
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

    /// The state behind all that was taken.
    fn state(&mut self, id: u64) -> Result<SinkState, ConnectorError> {
        self.each(Output::write_out)?;
        let mut sync = Vec::new();
        let mut open = BTreeMap::new();
        for (name, target) in self.open.iter_mut().filter(|(_, target)| !target.output.is_stream()) {
            let output = &mut target.output;
            if output.take_changed() {
                target.epoch = self.ledger.epoch();
                self.ledger.put(hash(name), Kept::new(output.written(), output.inode(), target.number));
            }
            // What a checkpoint that was never published has waited for is waited for again.
            if self.ledger.is_unsynced(target.epoch) {
                sync.push(output.handle()?);
            }
            open.insert(hash(name), &**name);
        }
        let (mut state, closed) = self.ledger.checkpoint(id, &open)?;
        if self.settings.replace {
            state[REPLACES] = replaces(&self.settings);
        }
        if let Some(notes) = &mut self.notes {
            notes.checkpoint(id);
        }
        sync.extend(closed);
        Ok(SinkState { state, sync, ..SinkState::default() })
    }

    /// Does this with all files, and tells the first error after all had their turn.
    fn each(&mut self, work: fn(&mut Output) -> Result<(), ConnectorError>) -> Result<(), ConnectorError> {
        let last = self.open.values().map(|target| target.note).max().unwrap_or(0);
        self.notes.as_mut().map_or(Ok(()), |notes| notes.sync(last))?;
        let mut result = Ok(());
        for target in self.open.values_mut() {
            let output = &mut target.output;
            let done = if output.held() > 0 { output.writing(work) } else { work(output) };
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

    fn checkpoint(&mut self, id: u64) -> BoxFuture<'_, Result<SinkState, ConnectorError>> {
        Box::pin(async move { self.state(id) })
    }

    fn commit(&mut self, id: u64) -> BoxFuture<'_, Result<(), ConnectorError>> {
        self.ledger.commit(id);
        let noted = self.notes.as_mut().map_or(Ok(()), |notes| blocking(|| notes.commit(id)));
        Box::pin(std::future::ready(noted))
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move { self.each(Output::finish) })
    }

    fn give_back(&mut self) -> Vec<Bytes> {
        self.open.values_mut().flat_map(|target| target.output.give_back()).collect()
    }

    fn claims_as(&self) -> Option<u64> {
        Some(self.claims.number())
    }

    fn written(&self) -> Vec<Written> {
        self.written.iter().map(|(path, bytes)| Written { path: path.clone(), bytes: *bytes }).collect()
    }
}

/// What of a checkpoint says that files of these paths, where the sink has not written them yet, are from before the run.
const REPLACES: &str = "replaces";

fn replaces(settings: &Settings) -> Value {
    json!({ "path": &*settings.template, "rotated": settings.rotate.is_some() })
}

/// Whether a sink that goes on replaces files that it does not know: where a run begins, and as long as it writes the same ones. A
/// sink that comes later, or goes elsewhere, may find there what this run has written.
fn replaces_still(settings: &Settings, resume: &SinkResume) -> bool {
    resume.id == 0 || resume.state.get(REPLACES).is_some_and(|what| *what == replaces(settings))
}

fn remember(written: &mut IndexMap<PathBuf, u64>, output: &Output) {
    if let Some(bytes) = written.get_mut(output.path()) {
        *bytes = output.written();
    } else if written.len() < WRITTEN_FILES_MAX {
        written.insert(output.path().to_path_buf(), output.written());
    }
}

/// The folders in which a new file's name, and those of folders that are made for it, will stand.
fn folders_to_sync(path: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for folder in path.ancestors().skip(1) {
        folders.push(folder.to_path_buf());
        if folder.as_os_str().is_empty() || folder.exists() {
            break;
        }
    }
    folders
}

/// The first event from `from` on that has another target.
fn end_of_run(targets: &[Arc<str>], from: usize) -> usize {
    targets.iter().skip(from).position(|target| *target != targets[from]).map_or(targets.len(), |n| from + n)
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "crash_tests.rs"]
mod crash_tests;
