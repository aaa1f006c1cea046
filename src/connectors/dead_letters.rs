//! The file of what no node could take: like a file sink, but made only when there is something to write, and full at a bound.

use std::fs::File;
use std::io::{ErrorKind as IoErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use serde_json::json;

use super::file::Kept;
use super::{ConnectorError, Encoded, Position, Sink, SinkOpen, SinkPlan, SinkState, Written};

/// The dead letters of a topology.
pub struct DeadLetters {
    path: PathBuf,
    bytes_max: u64,
    keep: bool,
}

impl DeadLetters {
    /// At this path, at most so large. `keep`: goes on with the file of an earlier run instead of replacing it.
    pub fn new(path: PathBuf, bytes_max: u64, keep: bool) -> DeadLetters {
        DeadLetters { path, bytes_max, keep }
    }
}

impl SinkPlan for DeadLetters {
    fn writes_lines(&self) -> bool {
        true
    }

    fn dead_letters(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn outline(&self) -> String {
        format!(
            "the file {} (at most {} bytes), made when there is something to write",
            self.path.display(),
            self.bytes_max
        )
    }

    fn is_exactly_once(&self) -> bool {
        true
    }

    fn open(&self, open: SinkOpen) -> BoxFuture<'static, Result<Box<dyn Sink>, ConnectorError>> {
        let mut letters = Letters::new(self.path.clone(), self.bytes_max);
        let keep = self.keep;
        Box::pin(async move {
            // A checkpoint of letters at another place says nothing of these.
            let is_here =
                |state: &Position| state.get("path").is_none_or(|path| *path == *letters.path.to_string_lossy());
            match open.resume.filter(|resume| !resume.state.is_null() && is_here(&resume.state)) {
                Some(resume) => letters.resume(&resume.state)?,
                None if !keep => letters.remove_old()?,
                None => {}
            }
            Ok(Box::new(letters) as Box<dyn Sink>)
        })
    }
}

/// The dead letters of one run.
struct Letters {
    path: PathBuf,
    bytes_max: u64,
    file: Option<File>,
    length: u64,
    wrote: bool,
    /// The length of what is on the disk for sure, and what the last checkpoint, by its id, will make of it.
    synced: u64,
    asked: Option<(u64, u64)>,
}

impl Letters {
    fn new(path: PathBuf, bytes_max: u64) -> Letters {
        Letters { path, bytes_max, file: None, length: 0, wrote: false, synced: 0, asked: None }
    }

    /// Cuts the file back to what a checkpoint has of it.
    fn resume(&mut self, state: &Position) -> Result<(), ConnectorError> {
        let number = |name: &str| state.get(name).and_then(Position::as_u64);
        let (Some(bytes), Some(inode)) = (number("bytes"), number("inode")) else {
            return Err(ConnectorError::fatal(format!(
                "the checkpoint's state is not one of dead letters: {state}; `--fresh` starts over"
            )));
        };
        if bytes == 0 {
            return self.remove_old();
        }
        self.wrote = state.get("wrote").and_then(Position::as_bool).unwrap_or(false);
        self.length = bytes;
        Kept::new(bytes, inode, 0).cut(&self.path)
    }

    fn state(&mut self, id: u64) -> Result<SinkState, ConnectorError> {
        let mut sync = Vec::new();
        let mut inode = 0;
        if let Some(file) = &self.file {
            inode = file.metadata().map_err(|error| self.failed("looked at", &error))?.ino();
            if self.length > self.synced {
                sync.push(file.try_clone().map_err(|error| self.failed("written to the disk", &error))?);
                // The file's name stands in its folder; a system that does not let folders be opened needs no help.
                let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
                sync.extend(File::open(folder.unwrap_or(Path::new("."))));
            }
        } else if let Ok(found) = std::fs::metadata(&self.path) {
            // Of an earlier run, and kept.
            (self.length, inode) = (found.len(), found.ino());
        }
        self.asked = Some((id, self.length));
        let state =
            json!({ "path": self.path.to_string_lossy(), "bytes": self.length, "inode": inode, "wrote": self.wrote });
        Ok(SinkState { state, sync, ..SinkState::default() })
    }

    fn remove_old(&self) -> Result<(), ConnectorError> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != IoErrorKind::NotFound => Err(self.failed("replaced", &error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, what: &str, error: &std::io::Error) -> ConnectorError {
        ConnectorError::fatal(format!(
            "the dead-letter file {} cannot be {what}: {error}; without it bad events would vanish, so the topology stops \
             (`dead_letters.path` names another place)",
            self.path.display()
        ))
    }

    fn file(&mut self) -> Result<&mut File, ConnectorError> {
        if self.file.is_none() {
            if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder).map_err(|error| self.failed("made", &error))?;
            }
            let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path);
            let file = file.map_err(|error| self.failed("opened", &error))?;
            self.length = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
            self.synced = self.synced.min(self.length);
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| ConnectorError::fatal("the dead-letter file is not open"))
    }

    fn append(&mut self, events: &Encoded, done: &mut usize) -> Result<(), ConnectorError> {
        if *done >= events.len() {
            return Ok(());
        }
        self.file()?;
        // What still fits is written, so that how much the file holds does not depend on how events were gathered.
        let room = usize::try_from(self.bytes_max.saturating_sub(self.length)).unwrap_or(usize::MAX);
        let end = *done + events.fitting(*done, events.len(), room);
        let bytes = events.events(*done, end);
        let length = self.length;
        let file = self.file()?;
        if let Err(error) = file.write_all(bytes) {
            // Whole lines only: what was written of them is taken back. If that fails too, the first error says enough.
            let _ = file.set_len(length);
            return Err(self.failed("written", &error));
        }
        self.length += bytes.len() as u64;
        self.wrote |= !bytes.is_empty();
        *done = end;
        if end < events.len() {
            return Err(ConnectorError::fatal(format!(
                "the dead-letter file {} is full ({} bytes, `dead_letters.max`); the topology stops rather than lose events: mend \
                 what is wrong with them (the file tells), route the node's `errors` port, or raise the limit",
                self.path.display(),
                self.bytes_max
            )));
        }
        Ok(())
    }
}

impl Sink for Letters {
    fn write<'a>(&'a mut self, events: &'a Encoded, done: &'a mut usize) -> BoxFuture<'a, Result<(), ConnectorError>> {
        let written = self.append(events, done);
        Box::pin(std::future::ready(written))
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn checkpoint(&mut self, id: u64) -> BoxFuture<'_, Result<SinkState, ConnectorError>> {
        let state = self.state(id);
        Box::pin(std::future::ready(state))
    }

    fn commit(&mut self, id: u64) -> BoxFuture<'_, Result<(), ConnectorError>> {
        if let Some((_, length)) = self.asked.filter(|(asked, _)| *asked == id) {
            self.synced = length;
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        self.file = None;
        Box::pin(std::future::ready(Ok(())))
    }

    fn written(&self) -> Vec<Written> {
        if self.wrote { vec![Written { path: self.path.clone(), bytes: self.length }] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::super::SinkResume;
    use super::*;

    fn lines(count: usize) -> Encoded {
        let bytes = b"12345\n".repeat(count);
        Encoded { ends: (1..=count as u32).map(|i| 6 * i).collect(), bytes, ..Encoded::default() }
    }

    async fn start(plan: &DeadLetters, state: Option<&Position>) -> Box<dyn Sink> {
        let resume = state.map(|state| SinkResume { id: 1, state: state.clone(), pending: Bytes::new() });
        plan.open(SinkOpen {
            name: Arc::from("t/dead_letters"),
            lineage: 1,
            resume,
            has_checkpoints: true,
            notes: None,
            frames: Default::default(),
            claims: Arc::default(),
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn letters_behind_the_checkpoint_are_taken_back_and_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d/letters.jsonl");
        let plan = DeadLetters::new(path.clone(), 20, false);
        let mut sink = start(&plan, None).await;
        let none = sink.checkpoint(1).await.unwrap();
        sink.write(&lines(2), &mut 0).await.unwrap();
        let two = sink.checkpoint(2).await.unwrap();
        assert_eq!((none.sync.len(), two.sync.len()), (0, 2));
        sink.commit(2).await.unwrap();
        assert_eq!(sink.checkpoint(3).await.unwrap().sync.len(), 0);
        sink.write(&lines(1), &mut 0).await.unwrap();
        sink.close().await.unwrap();

        let mut sink = start(&plan, Some(&two.state)).await;
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 12);
        assert_eq!(sink.written()[0].bytes, 12);
        let mut done = 0;
        let why = sink.write(&lines(2), &mut done).await.unwrap_err();
        assert!(done == 1 && why.message.contains("is full"), "{why}");
        start(&plan, Some(&none.state)).await;
        assert!(!path.exists(), "nothing was written before that checkpoint");
    }
}
