//! How a sink's task brings events to its system: attempts and pauses, flushes, checkpoints, and what ends the trying: a stop after a
//! while, a hand-over at once.

use std::time::Duration;

use tokio::time::Instant;

use crate::connectors::{ConnectorError, ErrorKind, SinkState};
use crate::event::codes;
use crate::flow::{Reject, Rejected};
use crate::limits::STOP_GRACE_MS;

use super::Failure;
use super::attempts::Attempts;
use super::coordinator::{NodePart, Report};
use super::hand_over::HandOver;
use super::recovery::sink_position;
use super::sink::SinkTask;

/// How long a call of a system that is under way may go on when a hand-over is asked for: what it was given comes twice if it is cut off.
const HAND_OVER_GRACE: Duration = Duration::from_millis(250);
/// How long a sink that leaves may take to write what it still holds.
const LEAVE_MAX: Duration = Duration::from_millis(250);

impl SinkTask {
    /// Gives its part of a checkpoint. All that it took is flushed.
    pub(super) async fn save(&mut self, id: u64) -> Result<(), Failure> {
        let mut attempts = Attempts::new(&self.retry.without_end());
        let saved = loop {
            match self.sink.checkpoint(id).await {
                Ok(saved) => break saved,
                Err(error) if error.is_transient() && self.pause(&mut attempts, &error).await => {}
                Err(_) if self.stuck => return Ok(()),
                Err(error) => return Err(self.failure(error)),
            }
        };
        let SinkState { state, pending, sync } = saved;
        let state = sink_position(state, self.outgo.columns());
        let part = NodePart { state, pending, sync, ..NodePart::default() };
        self.report(Report::Saved(self.chain.links[0].counters.id.clone(), id, Box::new(part))).await;
        Ok(())
    }

    /// Sends what was held back for a checkpoint that is on disk. What a stop or a hand-over interrupts is sent by whoever goes on from it.
    pub(super) async fn commit(&mut self, id: u64) -> Result<(), Failure> {
        self.uncommitted = Some(id);
        let mut attempts = Attempts::new(&self.retry.without_end());
        let hand_over = self.chain.hand_over.clone();
        while !self.stuck {
            let committed = tokio::select! {
                biased;
                committed = self.sink.commit(id) => committed,
                () = overdue(&hand_over) => {
                    self.stuck = true;
                    break;
                }
            };
            match committed {
                Ok(()) => {
                    self.uncommitted = None;
                    break;
                }
                Err(error) if error.is_transient() => {
                    if !self.pause(&mut attempts, &error).await {
                        break;
                    }
                }
                Err(error) => return Err(self.failure(error)),
            }
        }
        Ok(())
    }

    /// Where the system that it writes to is nobody's any more, what can be written at once is.
    pub(super) async fn leave_if_told(&mut self, barrier: u64) {
        let leaves = self.chain.hand_over.order().is_some_and(|order| {
            let id = &self.chain.links[0].counters.id;
            order.leaving.contains(id)
        });
        if leaves && !self.stuck && !self.closed {
            self.leave(barrier).await;
        }
    }

    async fn leave(&mut self, id: u64) {
        let mut left_at = None;
        let counters = self.chain.links[0].counters.clone();
        let written = async {
            while self.done < self.outgo.len() {
                let before = self.done;
                let result = self.sink.write(self.outgo.encoded(), &mut self.done).await;
                counters.gave(self.done - before);
                self.unsure += self.done - before;
                result?;
            }
            self.sink.flush().await?;
            left_at = Some(self.sink.checkpoint(id).await?.state);
            self.sink.commit(id).await
        };
        if let Ok(Ok(())) = tokio::time::timeout(LEAVE_MAX, written).await {
            self.left_at = left_at;
            self.outgo.clear();
            self.done = 0;
            self.unsure = 0;
            self.unflushed = false;
        }
    }

    /// Writes what was gathered, however often it takes.
    pub(super) async fn write(&mut self) -> Result<(), Failure> {
        let mut attempts = Attempts::new(&self.retry);
        let hand_over = self.chain.hand_over.clone();
        while self.done < self.outgo.len() && !self.closed && !self.stuck {
            let before = self.done;
            let result = tokio::select! {
                biased;
                result = self.sink.write(self.outgo.encoded(), &mut self.done) => result,
                () = overdue(&hand_over) => {
                    self.stuck = true;
                    Ok(())
                }
            };
            self.count_written(before);
            if self.done > before {
                attempts = Attempts::new(&self.retry);
            }
            self.closed = self.sink.is_closed();
            let Err(error) = result else { continue };
            let code = match error.kind {
                ErrorKind::Event(code) => code,
                ErrorKind::Transient if self.pause(&mut attempts, &error).await => continue,
                ErrorKind::Transient if self.stuck => break,
                ErrorKind::Transient if self.give_up_at.is_some() => {
                    self.give_up(&error).await?;
                    break;
                }
                ErrorKind::Transient => codes::SINK_FAILED.id,
                ErrorKind::Fatal => return Err(self.failure(error)),
            };
            let origin = self.outgo.origin(self.done);
            // Past it before anything can fail: an event is refused or written, once.
            self.done += 1;
            attempts = Attempts::new(&self.retry);
            if let Some((batch, row)) = origin {
                let why = Reject { code, message: error.message, at: self.outgo.place().clone() };
                self.chain.reject(0, vec![Rejected { batch, row, why }]).await?;
            }
        }
        self.waiting_since = None;
        if self.stuck {
            return Ok(());
        }
        self.chain.links[0].counters.dropped(self.outgo.len().saturating_sub(self.done));
        self.outgo.clear();
        self.done = 0;
        self.unflushed = true;
        self.note_closed().await;
        Ok(())
    }

    pub(super) fn count_written(&mut self, before: usize) {
        let written = self.done - before;
        self.chain.links[0].counters.gave(written);
        self.unsure += written;
    }

    /// Writes what was gathered and makes the system have it.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        self.waiting_since = None;
        if !self.outgo.is_empty() {
            self.write().await?;
        }
        if !self.unflushed {
            return Ok(());
        }
        let mut attempts = Attempts::new(&self.retry);
        let hand_over = self.chain.hand_over.clone();
        while !self.closed && !self.stuck {
            let flushed = tokio::select! {
                biased;
                flushed = self.sink.flush() => flushed,
                () = overdue(&hand_over) => {
                    self.stuck = true;
                    break;
                }
            };
            match flushed {
                Ok(()) => break,
                Err(error) if error.is_transient() && self.pause(&mut attempts, &error).await => {}
                Err(_) if self.stuck => break,
                Err(error) => return Err(self.failure(error)),
            }
            self.closed = self.sink.is_closed();
        }
        if self.stuck {
            return Ok(());
        }
        self.closed = self.sink.is_closed();
        self.unflushed = false;
        self.unsure = 0;
        self.note_closed().await;
        Ok(())
    }

    pub(super) async fn close(&mut self) -> Result<(), Failure> {
        let closed = self.sink.close().await;
        if self.sink.is_closed() {
            return Ok(());
        }
        closed.map_err(|error| self.failure(error))
    }

    /// Waits before the next attempt; false when there is none left, when the run was stopped a while ago, or when a hand-over makes
    /// the next attempt a successor's.
    async fn pause(&mut self, attempts: &mut Attempts, error: &ConnectorError) -> bool {
        let Some(pause) = attempts.next() else { return false };
        let stop = self.chain.stop.clone();
        let pause = match stop.is_cancelled() {
            false => pause,
            true => match self.grace_left() {
                Some(left) => pause.min(left),
                None => return false,
            },
        };
        tracing::warn!(node = %self.chain.links[0].counters.id, "{error}; trying again in {pause:?}");
        self.chain.links[0].counters.retried();
        let hand_over = self.chain.hand_over.clone();
        tokio::select! {
            biased;
            () = hand_over.asked() => {
                self.stuck = true;
                return false;
            }
            () = tokio::time::sleep(pause) => {}
            // A stop is no reason to wait out a long pause: one more try, and then the grace counts.
            () = stop.cancelled(), if !stop.is_cancelled() => {}
        }
        true
    }

    /// What is left of the time to go on trying after a stop; it begins at the first failure after it.
    fn grace_left(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let until = *self.give_up_at.get_or_insert(now + Duration::from_millis(STOP_GRACE_MS));
        (until > now).then(|| until - now)
    }

    /// Refuses everything that waits: the run stops, and the system does not take it.
    async fn give_up(&mut self, error: &ConnectorError) -> Result<(), Failure> {
        while self.done < self.outgo.len() {
            let origin = self.outgo.origin(self.done);
            self.done += 1;
            if let Some((batch, row)) = origin {
                let message = format!("the run was stopped, and the system still did not take the event: {error}");
                let why = Reject { code: codes::SINK_FAILED.id, message, at: self.outgo.place().clone() };
                self.chain.reject(0, vec![Rejected { batch, row, why }]).await?;
            }
        }
        Ok(())
    }

    async fn note_closed(&mut self) {
        if self.closed {
            self.report(Report::SinkClosed).await;
        }
    }

    pub(super) fn failure(&self, error: ConnectorError) -> Failure {
        Failure::of(&self.chain.links[0].counters.id, error.message)
    }
}

/// A hand-over has been asked for, and what is under way had its time.
async fn overdue(hand_over: &HandOver) {
    hand_over.asked().await;
    tokio::time::sleep(HAND_OVER_GRACE).await;
}
