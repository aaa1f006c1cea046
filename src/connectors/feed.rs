//! A source whose bytes are read by a thread of its own, as files and pipes make a reader wait. The thread frames what it reads and
//! hands over chunks by a bounded channel, so that reading goes on while the task decodes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::{ConnectorError, Framing, Position, Pull, Source, SourceOpen};
use crate::event::Chunk;
use crate::event::frame::Framer;
use crate::limits::{NOTES_MAX, READ_AHEAD_CHUNKS, READ_BYTES};

/// Where reading goes on behind all that the task has taken. The thread is ahead of the task, so each chunk brings along what it
/// changes.
pub trait Track: Send + 'static {
    /// What a chunk changes.
    type Step: Send + 'static;

    fn step(&mut self, step: Self::Step);

    fn position(&self) -> Position;
}

/// A stream that cannot be read again has no position.
impl Track for () {
    type Step = ();

    fn step(&mut self, (): ()) {}

    fn position(&self) -> Position {
        Position::Null
    }
}

/// The task's end: a source.
pub struct FeedSource<T: Track = ()> {
    messages: mpsc::Receiver<Message<T>>,
    shared: Arc<Shared>,
    track: T,
    ended: bool,
}

/// The thread's end.
pub struct Feed<T: Track = ()> {
    messages: mpsc::Sender<Message<T>>,
    shared: Arc<Shared>,
    runtime: Handle,
}

enum Message<T: Track> {
    Chunk(Chunk, T::Step),
    Step(T::Step),
    End,
    Failed(ConnectorError),
}

#[derive(Default)]
struct Shared {
    /// The thread waits for input: everything that there was is in the channel.
    waiting: AtomicBool,
    notes: Mutex<VecDeque<String>>,
}

/// Why a thread stops to read.
pub enum Stopped {
    /// The task has gone.
    Gone,
    /// Something that stops the topology.
    Failed(ConnectorError),
}

impl From<ConnectorError> for Stopped {
    fn from(why: ConnectorError) -> Stopped {
        Stopped::Failed(why)
    }
}

impl<T: Track> FeedSource<T> {
    /// Starts a thread that does `work`, where `track` says. It is not waited for at the end: it may be inside a read that never
    /// returns.
    pub fn start(
        name: &str,
        track: T,
        work: impl FnOnce(&Feed<T>) -> Result<(), Stopped> + Send + 'static,
    ) -> Result<FeedSource<T>, ConnectorError> {
        let (sender, messages) = mpsc::channel(READ_AHEAD_CHUNKS);
        let shared = Arc::new(Shared::default());
        let feed = Feed { messages: sender, shared: shared.clone(), runtime: Handle::current() };
        let thread = std::thread::Builder::new().name(format!("read {name}"));
        let run = move || {
            let last = match work(&feed) {
                Ok(()) => Message::End,
                Err(Stopped::Failed(why)) => Message::Failed(why),
                Err(Stopped::Gone) => return,
            };
            // Nobody is left to be told if this fails.
            let _ = feed.messages.blocking_send(last);
        };
        match thread.spawn(run) {
            Ok(_) => Ok(FeedSource { messages, shared, track, ended: false }),
            Err(why) => Err(ConnectorError::fatal(format!("cannot start a thread to read {name}: {why}"))),
        }
    }
}

impl<T: Track> Source for FeedSource<T> {
    fn next(&mut self) -> BoxFuture<'_, Result<Pull, ConnectorError>> {
        Box::pin(async move {
            while !self.ended {
                match self.messages.recv().await {
                    Some(Message::Chunk(chunk, step)) => {
                        self.track.step(step);
                        return Ok(Pull::Chunk(chunk));
                    }
                    Some(Message::Step(step)) => self.track.step(step),
                    Some(Message::End) => self.ended = true,
                    Some(Message::Failed(why)) => return Err(why),
                    None => {
                        return Err(ConnectorError::fatal(
                            "the thread that reads the input has failed; this is a bug, please report it",
                        ));
                    }
                }
            }
            Ok(Pull::End)
        })
    }

    fn barrier(&mut self, _id: u64) -> Position {
        self.track.position()
    }

    fn is_caught_up(&self) -> bool {
        self.shared.waiting.load(Ordering::Acquire) && self.messages.is_empty()
    }

    fn take_notes(&mut self) -> Vec<String> {
        match self.shared.notes.lock() {
            Ok(mut notes) => notes.drain(..).collect(),
            Err(_) => Vec::new(),
        }
    }
}

impl<T: Track> Feed<T> {
    /// Hands over what was read, and what that changes; waits while the task is behind.
    pub fn send(&self, chunk: Chunk, step: T::Step) -> Result<(), Stopped> {
        self.hand_over(Message::Chunk(chunk, step))
    }

    /// Hands over a change without a chunk.
    pub fn step(&self, step: T::Step) -> Result<(), Stopped> {
        self.hand_over(Message::Step(step))
    }

    fn hand_over(&self, message: Message<T>) -> Result<(), Stopped> {
        let message = match self.messages.try_send(message) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(Stopped::Gone),
            Err(TrySendError::Full(message)) => message,
        };
        // The task is behind. To be woken for every chunk that it takes would cost more than to read one.
        let room = self.runtime.block_on(self.messages.reserve_many(READ_AHEAD_CHUNKS / 2));
        room.map_err(|_| Stopped::Gone)?.next().ok_or(Stopped::Gone)?.send(message);
        Ok(())
    }

    /// Whether the task has gone.
    pub fn is_gone(&self) -> bool {
        self.messages.is_closed()
    }

    /// Does something that waits for input: everything before it was sent.
    pub fn waiting<R>(&self, wait: impl FnOnce() -> R) -> R {
        self.shared.waiting.store(true, Ordering::Release);
        let result = wait();
        self.shared.waiting.store(false, Ordering::Release);
        result
    }

    /// A warning for the log. Of too many, the latest count.
    pub fn note(&self, note: String) {
        if let Ok(mut notes) = self.shared.notes.lock() {
            if notes.len() >= NOTES_MAX {
                notes.pop_front();
            }
            notes.push_back(note);
        }
    }
}

impl SourceOpen {
    /// A framer for a new stream.
    pub fn framer(&self) -> Framer {
        let framer = match &self.framing {
            Framing::Lines => Framer::lines(self.event_bytes_max),
            Framing::Csv => Framer::csv(self.event_bytes_max),
            Framing::Delimited => Framer::delimited(self.event_bytes_max),
            Framing::Container(containers) => Framer::container(containers.clone(), self.event_bytes_max).uncut(),
        };
        framer.chunk_events_max(self.chunk_events_max)
    }
}

/// What a thread reads.
pub trait Input {
    /// Reads once, and adds what there was to a buffer with room for `READ_BYTES`; 0 is the end.
    fn read_block(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize>;
}

impl Input for File {
    /// Into the buffer's spare room as it is: to clear it first would take a good part of the time that reading takes.
    fn read_block(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::read(&*self, rustix::buffer::spare_capacity(&mut *buffer)))?)
    }
}

/// What is unpacked, or else made, while it is read.
pub struct Made<R>(pub R);

impl<R: Read> Input for Made<R> {
    fn read_block(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let len = buffer.len();
        buffer.resize(len + READ_BYTES, 0);
        let result = loop {
            match self.0.read(buffer.get_mut(len..).unwrap_or_default()) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        buffer.truncate(len + result.as_ref().map_or(0, |n| *n));
        result
    }
}

/// Reads once into the framer's buffer; 0 is the end.
pub fn read_into(framer: &mut Framer, input: &mut dyn Input) -> io::Result<usize> {
    input.read_block(framer.buffer())
}

/// Reads a stream that may be silent for long (a pipe, a terminal) to its end.
pub fn read_pipe<T: Track>(
    input: &mut File,
    name: &str,
    open: &SourceOpen,
    feed: &Feed<T>,
    step: impl Fn() -> T::Step,
) -> Result<(), Stopped> {
    let mut framer = open.framer();
    loop {
        let n = feed
            .waiting(|| read_into(&mut framer, input))
            .map_err(|why| ConnectorError::fatal(format!("cannot read {name}: {why}")))?;
        while let Some(chunk) = framer.next_chunk(n == 0) {
            feed.send(chunk, step())?;
        }
        if n == 0 {
            return Ok(());
        }
    }
}
