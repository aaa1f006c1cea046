//! The task of a source: what it reads becomes batches with time, and flows into the nodes fused behind it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::connectors::{ConnectorError, Position, Pull, Source};
use crate::event::decode::Undecodable;
use crate::event::{Chunk, Timestamp};
use crate::flow::{Barrier, Reject, Saves, Then, Watermark};

use super::Failure;
use super::ahead::Ahead;
use super::chain::{Chain, Signal};
use super::coordinator::{Control, NodePart, Report};
use super::drift::Drift;
use super::ingest::{Ingest, Read};
use super::pace::Steps;
use super::parts::{EndedSource, Part, Parts, SourcePart};
use super::unread::{Learned, Schemas};

/// How often a source that is too far ahead looks again.
const DRIFT_LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often an idle source tells that time goes on.
const IDLE_TELL_EVERY: Duration = Duration::from_secs(1);
/// The pauses between attempts to read from a system that fails for a while.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// How long a source of a run that has failed may take to give back what was not acknowledged.
const FAILED_CLOSE_MAX: Duration = Duration::from_secs(1);

/// A source's place among those it is kept together with.
pub(super) struct DriftMember {
    pub group: Drift,
    pub member: usize,
    pub max_ms: i64,
}

pub(super) struct SourceTask {
    /// Its number for the coordinator.
    pub index: usize,
    pub chain: Chain,
    pub source: Box<dyn Source>,
    pub ahead: Ahead,
    pub ingest: Ingest,
    pub schemas: Schemas,
    /// Whether the source gives again what was not acknowledged, or what is behind a position.
    pub gives_again: bool,
    pub idle: Duration,
    pub drift: Option<DriftMember>,
    pub control: mpsc::Receiver<Control>,
    pub steps: Steps,
    /// For how long it had been idle where it goes on after a hand-over, and until its first event where it is new to the graph:
    /// those behind are told to leave it out of their event time.
    pub idle_for: Option<Duration>,
}

/// Why a source does not go on.
enum Leaves {
    /// Its input has ended, and this is where.
    Ended(Position),
    /// The topology stops.
    Stopped,
    /// To another graph.
    HandsOver,
}

/// Waits for a moment.
async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

/// What the task does next.
enum Next {
    Pulled(Result<Pull, ConnectorError>),
    Learned(Learned),
    Read(Read),
    Told(Option<Control>),
    Silence,
    Look,
    TryAgain,
}

impl SourceTask {
    /// Runs until the input ends or the run stops. Whatever ends it, what was not acknowledged is given back at once.
    pub async fn run(mut self) -> Result<Parts, Failure> {
        let ended = self.pump().await;
        let closed = match &ended {
            Ok(Leaves::HandsOver) => Ok(()),
            Ok(_) => self.source.close().await,
            // The cause has to be told while the run still waits for it.
            Err(_) => tokio::time::timeout(FAILED_CLOSE_MAX, self.source.close()).await.unwrap_or(Ok(())),
        };
        self.tell_notes();
        let id = self.id();
        closed.map_err(|error| Failure::of(&id, error.message))?;
        if let Leaves::Ended(position) = ended? {
            self.source = Box::new(EndedSource(position));
        }
        let unread = self.schemas.give();
        let part = SourcePart { source: self.source, unread, mark: self.ingest.mark(), idle_for: self.idle_for };
        let mut parts = self.chain.into_parts();
        parts.insert(id, Part::Source(part));
        Ok(parts)
    }

    /// Those behind hear where it stands: after a hand-over or a restart they know nothing of it.
    async fn announce(&mut self) -> Result<(), Failure> {
        let mark = self.ingest.mark();
        if mark.is_some() {
            self.report_drift(mark);
            self.chain.forward(0, Signal::Watermark { mark, forward: Watermark::At(mark) }).await?;
        }
        if let Some(elapsed) = self.idle_for {
            self.fall_idle(elapsed).await?;
        }
        Ok(())
    }

    async fn pump(&mut self) -> Result<Leaves, Failure> {
        self.announce().await?;
        let mut silent_since = Instant::now();
        let mut tell_at = silent_since + self.idle;
        if let Some(elapsed) = self.idle_for {
            let before = silent_since.checked_sub(self.idle + elapsed);
            silent_since = before.unwrap_or(silent_since);
            tell_at = Instant::now() + IDLE_TELL_EVERY;
        }
        let mut pause = RETRY_FIRST;
        let mut retry_at = None;
        // Where the source stands before the chunk that it gives next.
        let mut before = None;
        loop {
            let paused = self.is_ahead();
            if self.steps.ask(paused) {
                // If the coordinator has gone, its failure is told.
                let _ = self.chain.reports.send(Report::SourceWaits(self.index)).await;
            }
            let waits = self.schemas.is_waiting();
            let reads = !paused && !self.steps.wait() && retry_at.is_none() && self.ahead.has_room() && !waits;
            if reads && before.is_none() && self.schemas.may_wait() {
                // Everything so far belongs to whatever barrier comes next.
                before = Some(self.source.barrier(self.chain.passed + 1));
            }
            let next = tokio::select! {
                biased;
                control = self.control.recv() => Next::Told(control),
                () = tokio::time::sleep_until(tell_at) => Next::Silence,
                () = tokio::time::sleep(DRIFT_LOOK_EVERY), if paused => Next::Look,
                // Meanwhile barriers still pass, and a stop is not kept waiting.
                () = until(retry_at), if retry_at.is_some() => Next::TryAgain,
                pull = self.source.next(), if reads => Next::Pulled(pull),
                read = self.ahead.next(), if !self.ahead.is_empty() => Next::Read(read),
                learned = self.schemas.learned(), if waits => Next::Learned(learned),
            };
            self.tell_notes();
            match next {
                Next::Told(Some(Control::Commit(id))) => self.commit(id).await,
                Next::Told(Some(Control::Barrier(barrier))) => {
                    self.barrier(barrier).await?;
                    match barrier.then {
                        Then::Continue => {}
                        Then::HandOver => return Ok(Leaves::HandsOver),
                        Then::Stop => {
                            self.stop(barrier.id).await;
                            return Ok(Leaves::Stopped);
                        }
                    }
                }
                // The coordinator has failed; its own failure tells why.
                Next::Told(None) => return Err(Failure::neighbour()),
                Next::Silence => {
                    let silent = self.source.is_caught_up() && self.ahead.is_empty() && !waits;
                    if silent && !paused && retry_at.is_none() {
                        let elapsed = silent_since.elapsed().saturating_sub(self.idle);
                        self.fall_idle(elapsed).await?;
                    } else {
                        silent_since = Instant::now();
                    }
                    tell_at = Instant::now() + IDLE_TELL_EVERY.min(self.idle.max(Duration::from_millis(10)));
                }
                Next::Look => silent_since = Instant::now(),
                Next::TryAgain => retry_at = None,
                Next::Pulled(Ok(Pull::Chunk(chunk))) => {
                    pause = RETRY_FIRST;
                    if let Some(chunk) = self.schemas.take(chunk, before.take()) {
                        self.pulled(chunk);
                    }
                    silent_since = Instant::now();
                    tell_at = silent_since + self.idle;
                }
                Next::Learned(Learned::All(chunk)) => {
                    self.tell_notes();
                    self.pulled(chunk);
                    silent_since = Instant::now();
                    tell_at = silent_since + self.idle;
                }
                Next::Learned(Learned::Later(why, pause)) => {
                    tracing::warn!(node = %self.id(), "events wait for their schema: {why}; trying again in {pause:?}");
                    self.chain.links[0].counters.retried();
                    silent_since = Instant::now();
                }
                Next::Pulled(Ok(Pull::End)) => {
                    self.catch_up().await?;
                    return self.end().await.map(Leaves::Ended);
                }
                Next::Read(read) => {
                    self.send(read).await?;
                    tokio::task::consume_budget().await;
                }
                Next::Pulled(Err(error)) if error.is_transient() => {
                    tracing::warn!(node = %self.id(), "{error}; trying again in {pause:?}");
                    self.chain.links[0].counters.retried();
                    retry_at = Some(Instant::now() + pause);
                    pause = (pause * 2).min(RETRY_MAX);
                    silent_since = Instant::now();
                }
                Next::Pulled(Err(error)) => {
                    self.catch_up().await?;
                    return Err(Failure::of(&self.id(), error.message));
                }
            }
        }
    }

    fn id(&self) -> Arc<str> {
        self.chain.links[0].counters.id.clone()
    }

    fn is_ahead(&self) -> bool {
        self.drift.as_ref().is_some_and(|drift| drift.group.is_ahead(drift.member, self.ingest.mark(), drift.max_ms))
    }

    fn pulled(&mut self, chunk: Chunk) {
        self.steps.took();
        self.chain.stirred.store(true, Relaxed);
        self.ahead.add(chunk, self.chain.clock.wall_ms());
    }

    /// Sends on all that was pulled: the source's position is behind it.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        while !self.ahead.is_empty() {
            let read = self.ahead.next().await;
            self.send(read).await?;
        }
        Ok(())
    }

    /// Sends on a chunk that was read.
    async fn send(&mut self, read: Read) -> Result<(), Failure> {
        let ingested = self.ingest.order(read);
        let good = ingested.batch.as_ref().map_or(0, |batch| batch.len());
        self.chain.links[0].counters.took(good + ingested.rejected.len() + ingested.undecodable.len());
        self.chain.links[0].counters.skipped(ingested.empty_lines);
        self.chain.links[0].counters.evaluated(ingested.evaluations);
        // In the order of the input, which does not tell how events were batched.
        let mut undecodable = ingested.undecodable.into_iter().peekable();
        for rejected in &ingested.rejected {
            while let Some((input, mark)) = undecodable.next_if(|(input, _)| input.before <= rejected.row) {
                self.undecodable(&input, mark).await?;
            }
            self.chain.refuse(0, rejected).await?;
        }
        for (input, mark) in undecodable {
            self.undecodable(&input, mark).await?;
        }
        self.chain.flush_errors(0).await?;
        if let Some(batch) = ingested.batch {
            self.chain.emit(0, 0, batch).await?;
        }
        // Who was told to leave an idle source out must hear that it counts again, even if its time stands still.
        let woken = (self.idle_for.is_some() && self.ingest.mark().is_some()).then_some(self.ingest.mark());
        if let Some(mark) = ingested.moved_to.or(woken) {
            self.idle_for = None;
            self.report_drift(mark);
            self.chain.links[0].counters.reached(mark);
            self.chain.forward(0, Signal::Watermark { mark, forward: Watermark::At(mark) }).await?;
        }
        Ok(())
    }

    async fn undecodable(&mut self, input: &Undecodable, mark: Timestamp) -> Result<(), Failure> {
        let why =
            Reject { code: input.code.id, message: input.message.clone(), at: self.ahead.reader().place().clone() };
        let link = &mut self.chain.links[0];
        link.counters.refused(1);
        link.error_events.push_raw(&why, input, mark);
        if link.error_events.is_full() {
            self.chain.flush_errors(0).await?;
        }
        Ok(())
    }

    async fn fall_idle(&mut self, elapsed: Duration) -> Result<(), Failure> {
        if let Some(drift) = &self.drift {
            drift.group.leave(drift.member);
        }
        self.idle_for = Some(elapsed);
        let elapsed = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        let signal = Signal::Watermark { mark: self.ingest.mark(), forward: Watermark::Idle(elapsed) };
        self.chain.forward(0, signal).await
    }

    fn report_drift(&self, mark: Timestamp) {
        if let Some(drift) = &self.drift {
            drift.group.report(drift.member, mark);
        }
    }

    async fn barrier(&mut self, barrier: Barrier) -> Result<(), Failure> {
        if barrier.then == Then::Stop && !self.gives_again {
            // Nobody would ever read it: its events become errors, which are kept.
            if let Some(unread) = self.schemas.give() {
                self.pulled(unread.chunk);
            }
        }
        self.catch_up().await?;
        self.steps.begin_again();
        let position = match self.schemas.before() {
            Some(before) => before.clone(),
            None => self.source.barrier(barrier.id),
        };
        if barrier.saves != Saves::Nothing {
            self.save(barrier.id, position).await;
        }
        self.chain.forward(0, Signal::Barrier(barrier)).await
    }

    async fn save(&mut self, barrier: u64, position: Position) {
        let part = NodePart { mark: self.ingest.mark(), state: position, ..NodePart::default() };
        // If the coordinator has gone, its failure is told.
        let _ = self.chain.reports.send(Report::Saved(self.id(), barrier, Box::new(part))).await;
    }

    async fn commit(&mut self, id: u64) {
        if let Err(error) = self.source.commit(id).await {
            tracing::warn!(node = %self.id(), "{error}; what was not acknowledged will be delivered again");
        }
    }

    /// After the stopping barrier: acknowledges what the sinks have.
    async fn stop(&mut self, id: u64) {
        if let Some(drift) = &self.drift {
            drift.group.leave(drift.member);
        }
        while let Some(control) = self.control.recv().await {
            if let Control::Commit(committed) = control {
                self.commit(committed).await;
                if committed == id {
                    break;
                }
            }
        }
    }

    async fn end(&mut self) -> Result<Position, Failure> {
        if let Some(drift) = &self.drift {
            drift.group.leave(drift.member);
        }
        // It belongs to whatever checkpoint comes after the barrier before.
        let next = self.chain.passed + 1;
        let position = self.source.barrier(next);
        if self.chain.saves {
            self.save(next, position.clone()).await;
        }
        self.chain.forward(0, Signal::End).await?;
        // The coordinator counts on it; if it has gone, its failure is told.
        self.chain.stirred.store(true, Relaxed);
        let _ = self.chain.reports.send(Report::SourceEnded(self.index)).await;
        Ok(position)
    }

    fn tell_notes(&mut self) {
        for note in self.source.take_notes().into_iter().chain(self.schemas.take_notes()) {
            tracing::warn!(node = %self.id(), "{note}");
        }
    }
}
