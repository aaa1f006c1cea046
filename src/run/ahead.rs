//! Chunks of one source that are read on other cores while the ones before them are processed. What comes out is in the order of the
//! input, so nobody behind can tell how many cores there are.

use std::collections::VecDeque;
use std::future::pending;

use tokio::task::JoinHandle;

use crate::event::Chunk;
use crate::limits::{READ_APART_BYTES_MIN, READ_APART_CHUNKS_MAX};

use super::ingest::{ChunkReader, Read};

/// The readers of a source, and what waits for them.
pub(super) struct Ahead {
    home: ChunkReader,
    /// For other cores, as many as were ever needed at once; those that have nothing to do.
    others: Vec<ChunkReader>,
    /// Oldest first.
    waiting: VecDeque<Work>,
    chunks_max: usize,
}

enum Work {
    /// Read in place, when its turn comes.
    Here(Chunk, i64),
    Apart(JoinHandle<(ChunkReader, Read)>),
}

impl Ahead {
    /// Reads on so many threads.
    pub fn new(reader: ChunkReader, threads: usize) -> Ahead {
        Ahead {
            home: reader,
            others: Vec::new(),
            waiting: VecDeque::new(),
            // More than there are threads, so that one that is done early has the next.
            chunks_max: if threads > 1 { (2 * threads).min(READ_APART_CHUNKS_MAX) } else { 1 },
        }
    }

    /// What reads in place.
    pub fn reader(&self) -> &ChunkReader {
        &self.home
    }

    /// Whether another chunk may be added.
    pub fn has_room(&self) -> bool {
        self.waiting.len() < self.chunks_max
    }

    /// Whether all that was added has been taken.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a chunk. A small one stays here: to wake another thread would take longer than to read it.
    pub fn add(&mut self, chunk: Chunk, wall_ms: i64) {
        if self.chunks_max == 1 || chunk.size() < READ_APART_BYTES_MIN {
            self.waiting.push_back(Work::Here(chunk, wall_ms));
            return;
        }
        let mut reader = self.others.pop().unwrap_or_else(|| self.home.another());
        self.waiting.push_back(Work::Apart(tokio::spawn(async move {
            let read = reader.read(chunk, wall_ms);
            (reader, read)
        })));
    }

    /// The oldest chunk once it is read; never, where there is none. Loses nothing when it is dropped.
    pub async fn next(&mut self) -> Read {
        if let Some(Work::Apart(apart)) = self.waiting.front_mut() {
            let (reader, read) = match apart.await {
                Ok(done) => done,
                Err(failed) => match failed.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime is being shut down, and this task with it.
                    Err(_) => pending().await,
                },
            };
            self.waiting.pop_front();
            self.others.push(reader);
            return read;
        }
        match self.waiting.pop_front() {
            Some(Work::Here(chunk, wall_ms)) => self.home.read(chunk, wall_ms),
            Some(Work::Apart(_)) | None => pending().await,
        }
    }
}
