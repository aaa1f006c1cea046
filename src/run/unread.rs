//! A chunk that a source has given and that cannot be decoded yet: its events name schemas that the registry has to be asked for. While
//! it waits the source gives no more, and barriers pass before it.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::connectors::Position;
use crate::event::Chunk;
use crate::event::packed::{Numbered, number_of};

/// The pauses between attempts while the registry is away.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How long a number stands for nothing until the registry is asked again.
const MISSING_FOR: Duration = Duration::from_secs(10);

/// A chunk, and where its source stood before it.
pub(super) struct Unread {
    pub chunk: Chunk,
    pub before: Position,
}

/// The schemas that a source's events name, and what waits for them.
pub(super) struct Schemas {
    numbered: Option<Arc<dyn Numbered>>,
    held: Option<Unread>,
    step: Step,
    pause: Duration,
    /// When numbers that stand for nothing are asked for again.
    forget_at: Instant,
}

/// What is being done for the chunk that waits.
enum Step {
    Nothing,
    Asking(JoinHandle<Result<(), String>>),
    Pausing(Instant),
}

/// What has come of waiting.
pub(super) enum Learned {
    /// The chunk can be decoded.
    All(Chunk),
    /// The registry gave no answer, for this reason, and is asked again after a pause.
    Later(String, Duration),
}

impl Schemas {
    /// `held`: a chunk that a graph before has left.
    pub fn new(numbered: Option<Arc<dyn Numbered>>, held: Option<Unread>) -> Schemas {
        let forget_at = Instant::now() + MISSING_FOR;
        let mut schemas = Schemas { numbered, held: None, step: Step::Nothing, pause: RETRY_FIRST, forget_at };
        if let Some(held) = held {
            schemas.hold(held);
        }
        schemas
    }

    /// Whether the source's position must be known before it is asked for a chunk, as the chunk may have to wait.
    pub fn may_wait(&self) -> bool {
        self.numbered.is_some()
    }

    /// Whether a chunk waits: nothing more can be taken.
    pub fn is_waiting(&self) -> bool {
        self.held.is_some()
    }

    /// Takes a chunk; gives it back if it can be decoded at once.
    pub fn take(&mut self, chunk: Chunk, before: Option<Position>) -> Option<Chunk> {
        let (Some(numbered), Some(before)) = (&self.numbered, before) else { return Some(chunk) };
        if Instant::now() >= self.forget_at {
            numbered.forget_missing();
            self.forget_at = Instant::now() + MISSING_FOR;
        }
        if missing(&chunk, &**numbered).is_empty() {
            return Some(chunk);
        }
        self.hold(Unread { chunk, before });
        None
    }

    /// Waits until the registry has answered; never, where nothing waits. Loses nothing when it is dropped.
    pub async fn learned(&mut self) -> Learned {
        if let Step::Pausing(until) = self.step {
            tokio::time::sleep_until(until).await;
            self.ask();
        }
        let Step::Asking(asking) = &mut self.step else { return pending().await };
        let answer = match asking.await {
            Ok(answer) => answer,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is being shut down, and this task with it.
                Err(_) => pending().await,
            },
        };
        match (answer, self.held.take()) {
            (Ok(()), Some(held)) => {
                self.pause = RETRY_FIRST;
                self.step = Step::Nothing;
                Learned::All(held.chunk)
            }
            (Ok(()), None) => pending().await,
            (Err(why), held) => {
                let pause = self.pause;
                self.held = held;
                self.step = Step::Pausing(Instant::now() + pause);
                self.pause = (pause * 2).min(RETRY_MAX);
                Learned::Later(why, pause)
            }
        }
    }

    /// What there is to tell the user of the registry since the last call.
    pub fn take_notes(&self) -> Vec<String> {
        self.numbered.as_ref().map(|numbered| numbered.take_notes()).unwrap_or_default()
    }

    /// Where the source stood before the chunk that waits.
    pub fn before(&self) -> Option<&Position> {
        self.held.as_ref().map(|held| &held.before)
    }

    /// The chunk that waits, for whoever goes on with it.
    pub fn give(&mut self) -> Option<Unread> {
        self.step = Step::Nothing;
        self.held.take()
    }

    fn hold(&mut self, unread: Unread) {
        self.held = Some(unread);
        self.ask();
    }

    fn ask(&mut self) {
        let Some(held) = &self.held else { return };
        let numbered = self.numbered.clone();
        let ids = numbered.as_ref().map(|numbered| missing(&held.chunk, &**numbered)).unwrap_or_default();
        self.step = Step::Asking(tokio::task::spawn_blocking(move || {
            let Some(numbered) = numbered else { return Ok(()) };
            ids.into_iter().try_for_each(|id| numbered.learn(id))
        }));
    }
}

/// The numbers in front of the chunk's events that nobody has asked for.
fn missing(chunk: &Chunk, numbered: &dyn Numbered) -> BTreeSet<u32> {
    let mut missing = BTreeSet::new();
    let mut last = None;
    for frame in &chunk.frames {
        let event = chunk.text.get(frame.start as usize..frame.end as usize).unwrap_or_default();
        let id = number_of(event);
        // Most events name what the one before named.
        if id != last {
            missing.extend(id.filter(|id| !numbered.is_known(*id)));
            last = id;
        }
    }
    missing
}
