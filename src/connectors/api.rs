//! What a connector is: the promises a source and a sink make to the task that runs them.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::event::Chunk;

/// Why a connector could not do its work.
#[derive(Debug)]
pub struct ConnectorError {
    /// What happened, and what the user can do about it; one or two sentences.
    pub message: String,
    pub kind: ErrorKind,
}

/// What follows from an error of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same call may succeed later: the task retries with growing pauses.
    Transient,
    /// The topology stops.
    Fatal,
    /// A sink cannot take the event at `*done`, whatever the others do (too large, an impossible target): it is that event's error,
    /// with this code, and the task goes on behind it.
    Event(&'static str),
}

impl ConnectorError {
    /// Stops the topology.
    pub fn fatal(message: impl Into<String>) -> ConnectorError {
        ConnectorError { message: message.into(), kind: ErrorKind::Fatal }
    }

    /// Worth another try.
    pub fn transient(message: impl Into<String>) -> ConnectorError {
        ConnectorError { message: message.into(), kind: ErrorKind::Transient }
    }

    /// The event at `*done` is at fault.
    pub fn event(code: &'static str, message: impl Into<String>) -> ConnectorError {
        ConnectorError { message: message.into(), kind: ErrorKind::Event(code) }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        self.kind == ErrorKind::Transient
    }
}

impl fmt::Display for ConnectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What a source gives when it is asked.
#[derive(Debug)]
pub enum Pull {
    /// Events: what was ready, at most a batch of them.
    Chunk(Chunk),
    /// A bounded input has ended.
    End,
}

/// A source at work, owned by one task.
pub trait Source: Send {
    /// The next events; waits until there are some. Cancel-safe: dropping the future loses nothing.
    fn next(&mut self) -> BoxFuture<'_, Result<Pull, ConnectorError>>;

    /// Whether the source is connected and has given all there is: only then is silence idleness.
    fn is_caught_up(&self) -> bool;

    /// A barrier was put behind everything that `next` has returned: what came before it is acknowledged by `commit(id)`. Gives
    /// the place where reading goes on after a restart, for the checkpoint. It may be told of the same barrier more than once: the last
    /// time counts.
    fn barrier(&mut self, _id: u64) -> Position {
        Position::Null
    }

    /// Everything before barrier `id` has passed every sink, and is in a checkpoint on disk where the topology keeps any.
    fn commit(&mut self, _id: u64) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }

    /// Ends the connection in order.
    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }

    /// Warnings since the last call (a file that vanished, empty lines skipped, a connection lost), for the log.
    fn take_notes(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// Where a source goes on, or what a sink has written, as a checkpoint keeps it: names and numbers that people can read too. Null: nothing.
pub type Position = serde_json::Value;

/// A sink's part of a checkpoint.
#[derive(Debug, Default)]
pub struct SinkState {
    pub state: Position,
    /// Output that the sink holds back until the checkpoint with it is on disk; `commit` sends it.
    pub pending: Bytes,
    /// Files whose content must be on disk before the checkpoint is.
    pub sync: Vec<File>,
}

/// A sink's part of the checkpoint that a run goes on from.
#[derive(Clone, Debug)]
pub struct SinkResume {
    /// The checkpoint's number; 0: the run before had written none.
    pub id: u64,
    /// Null: the checkpoint knows nothing of this sink, which begins afresh once it has taken back what it did behind it.
    pub state: Position,
    /// What had been held back: it may have been sent, or not.
    pub pending: Bytes,
}

/// Events ready to leave: their bytes one after the other, and for each where it goes and what goes with it.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// The bytes of all events.
    pub bytes: Vec<u8>,
    /// Where each event ends in `bytes`. With `lines`, an event's bytes include its line end.
    pub ends: Vec<u32>,
    /// The path, subject or topic of each event where the key is a template that reads events; empty: always the same.
    pub targets: Vec<std::sync::Arc<str>>,
    /// The key of each event; empty where the sink has no `key`.
    pub keys: Vec<Option<String>>,
    /// The headers of each event; empty where the sink has none.
    pub headers: Vec<Vec<(String, String)>>,
    /// What stands at the head of every file (CSV's header with its line end). `clear` keeps it.
    pub head: Vec<u8>,
}

impl Encoded {
    /// How many events.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of event `i`.
    pub fn event(&self, i: usize) -> &[u8] {
        self.events(i, i + 1)
    }

    /// The bytes of events `from..to`, which lie together.
    pub fn events(&self, from: usize, to: usize) -> &[u8] {
        let end = |n: usize| if n == 0 { 0 } else { self.ends[n - 1] as usize };
        &self.bytes[end(from)..end(to)]
    }

    /// How many of events `from..to`, counted from the first, have at most `room` bytes together.
    pub fn fitting(&self, from: usize, to: usize, room: usize) -> usize {
        let Some(ends) = self.ends.get(from..to) else { return 0 };
        let start = if from == 0 { 0 } else { self.ends[from - 1] as usize };
        ends.partition_point(|end| *end as usize - start <= room)
    }

    /// Empties it, keeping its memory and the head.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.targets.clear();
        self.keys.clear();
        self.headers.clear();
    }
}

/// What a sink did in its life: for the summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub path: PathBuf,
    pub bytes: u64,
}

/// A sink at work, owned by one task.
pub trait Sink: Send {
    /// Takes the events from `*done` on and moves `done` past each that it has taken, so that a failed call goes on where it stopped
    /// when it is repeated. What was taken may still be in the sink's own bounded buffer.
    fn write<'a>(&'a mut self, events: &'a Encoded, done: &'a mut usize) -> BoxFuture<'a, Result<(), ConnectorError>>;

    /// Everything taken so far is where it belongs: written out, or acknowledged by the broker. Called at barriers, at the end and
    /// when nothing has come for a moment.
    fn flush(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>>;

    /// After `flush`, at the barrier of checkpoint `id`: what is needed to go on behind it.
    fn checkpoint(&mut self, _id: u64) -> BoxFuture<'_, Result<SinkState, ConnectorError>> {
        Box::pin(async { Ok(SinkState::default()) })
    }

    /// Checkpoint `id` is on disk: what was held back for it is sent. May be called again after a failure.
    fn commit(&mut self, _id: u64) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }

    /// Whether it holds back so much that a checkpoint should come soon.
    fn wants_checkpoint(&self) -> bool {
        false
    }

    /// Whether it holds back anything for a checkpoint: one more is made of it at the end of the input.
    fn holds_back(&self) -> bool {
        false
    }

    /// Flushes and ends in order. What is held back for a checkpoint is not sent: a run that goes on from the last one makes it again.
    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>>;

    /// The events that it has taken and its system has not, oldest first, each as its bytes: of a sink that leaves. It forgets them.
    fn give_back(&mut self) -> Vec<Bytes> {
        Vec::new()
    }

    /// Whether the reader has gone away (a closed pipe): the topology ends quietly.
    fn is_closed(&self) -> bool {
        false
    }

    /// Its number among those that claim files (`file::Claims`).
    fn claims_as(&self) -> Option<u64> {
        None
    }

    /// The files written so far, at most a bounded number of them.
    fn written(&self) -> Vec<Written> {
        Vec::new()
    }
}
