//! The file of what no node could take: like a file sink, but made only when there is something to write, and full at a bound.

use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

use super::{ConnectorError, Encoded, Sink, SinkOpen, SinkPlan, Written};

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

    fn open(&self, _open: SinkOpen) -> BoxFuture<'static, Result<Box<dyn Sink>, ConnectorError>> {
        let letters =
            Letters { path: self.path.clone(), bytes_max: self.bytes_max, file: None, length: 0, wrote: false };
        let keep = self.keep;
        Box::pin(async move {
            if !keep {
                letters.remove_old()?;
            }
            Ok(Box::new(letters) as Box<dyn Sink>)
        })
    }
}

/// The dead letters of one run.
struct Letters {
    path: PathBuf,
    bytes_max: u64,
    file: Option<std::fs::File>,
    length: u64,
    wrote: bool,
}

impl Letters {
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

    fn file(&mut self) -> Result<&mut std::fs::File, ConnectorError> {
        if self.file.is_none() {
            if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder).map_err(|error| self.failed("made", &error))?;
            }
            let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path);
            let file = file.map_err(|error| self.failed("opened", &error))?;
            self.length = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
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

    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        self.file = None;
        Box::pin(std::future::ready(Ok(())))
    }

    fn written(&self) -> Vec<Written> {
        if self.wrote { vec![Written { path: self.path.clone(), bytes: self.length }] } else { Vec::new() }
    }
}
