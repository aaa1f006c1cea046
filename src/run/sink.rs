//! The task of a sink: events are encoded, gathered, and written until the system has them.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::connectors::{ConnectorError, ErrorKind, Sink, SinkState};
use crate::event::{Batch, codes};
use crate::flow::{Barrier, Message, Reject, Rejected, Saves, Step, Then};
use crate::limits::{GATHER_BYTES_MAX, STOP_GRACE_MS};
use crate::plan::{Gather, Retry};

use super::Failure;
use super::chain::{Chain, Signal};
use super::coordinator::{NodePart, Report, SinkControl};
use super::hand_over::HandOver;
use super::intake::Intake;
use super::outgo::Outgo;
use super::parts::{Part, Parts, SinkPart};

/// How long a call of a system that is under way may go on when a hand-over is asked for.
const HAND_OVER_GRACE: Duration = Duration::from_millis(10);
/// How long a sink that leaves may take to write what it still holds.
const LEAVE_MAX: Duration = Duration::from_millis(250);

pub(super) struct SinkTask {
    /// Its number for the coordinator.
    pub index: usize,
    /// The sink alone: for its counters and its `errors` port.
    pub chain: Chain,
    pub intake: Intake,
    pub control: mpsc::Receiver<SinkControl>,
    pub sink: Box<dyn Sink>,
    pub outgo: Outgo,
    pub gather: Gather,
    pub retry: Retry,
    /// Of the events in `outgo`, those that are written or refused.
    pub done: usize,
    /// Since when the oldest event that is not written waits.
    pub waiting_since: Option<Instant>,
    /// Whether the sink may hold written events in its own buffer.
    pub unflushed: bool,
    /// Events that were counted as written since the last flush.
    pub unsure: usize,
    /// The checkpoint on disk whose held back output is not sent yet.
    pub uncommitted: Option<u64>,
    /// The system did not take what it was given before a hand-over: what it holds and what still comes is for its successor.
    pub stuck: bool,
    /// The reader has gone: nothing more is written.
    pub closed: bool,
    /// After a stop: when to give up what the system does not take.
    pub give_up_at: Option<Instant>,
}

/// What a sink is given.
enum Given {
    Message(usize, Message),
    Control(SinkControl),
    /// Nothing: it was time to write.
    Nothing,
}

/// Why a sink does not go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaves {
    Closes,
    HandsOver,
}

impl SinkTask {
    /// Runs until it is told to close, or to hand over. Whatever ends it, what was taken is flushed.
    pub async fn run(mut self) -> Result<Parts, Failure> {
        let ended = self.pump().await;
        if matches!(ended, Ok(Leaves::HandsOver)) {
            return Ok(self.hand_over().await);
        }
        if ended.as_ref().is_err_and(|failure| failure.node.is_none()) && !self.closed {
            // A neighbour failed: what was taken is still written, once; the first failure is the one to tell.
            let before = self.done;
            let _ = self.sink.write(self.outgo.encoded(), &mut self.done).await;
            self.count_written(before);
        }
        let ended = match self.close().await {
            Ok(()) => ended.map(|_| ()),
            Err(failure) => {
                // What the system never had is not told as written.
                self.chain.links[0].counters.took_back(self.unsure);
                ended.and(Err(failure))
            }
        };
        let written = self.sink.written();
        let report = if ended.is_ok() { Report::SinkDone } else { Report::SinkFailed };
        self.report(report(self.index, written)).await;
        ended.map(|()| Parts::new())
    }

    /// If the coordinator has gone, nobody waits for what is reported.
    async fn report(&self, report: Report) {
        let _ = self.chain.reports.send(report).await;
    }

    async fn pump(&mut self) -> Result<Leaves, Failure> {
        if let Some(id) = self.uncommitted {
            self.commit(id).await?;
        }
        let mut has_ended = false;
        loop {
            let (queued, max) = self.intake.fill();
            self.chain.links[0].counters.queues(queued, max);
            let given = if has_ended { self.told().await? } else { self.next().await? };
            let steps = match given {
                Given::Nothing => continue,
                Given::Control(SinkControl::Close) => return Ok(Leaves::Closes),
                Given::Control(SinkControl::HandOver) => return Ok(Leaves::HandsOver),
                Given::Control(SinkControl::Commit(id)) => {
                    self.commit(id).await?;
                    continue;
                }
                Given::Control(SinkControl::Checkpoint(id)) => {
                    self.flush().await?;
                    self.save(id).await?;
                    self.report(Report::SinkPassed(self.index, id)).await;
                    continue;
                }
                Given::Message(input, Message::Batch(batch)) => {
                    self.intake.inputs.on_batch(input);
                    self.take(batch).await?;
                    tokio::task::consume_budget().await;
                    Vec::new()
                }
                Given::Message(input, Message::Watermark(watermark)) => {
                    self.intake.inputs.on_watermark(input, watermark).into_iter().collect()
                }
                Given::Message(input, Message::Barrier(barrier)) => {
                    self.intake.inputs.on_barrier(input, barrier).into_iter().collect()
                }
                Given::Message(input, Message::End) => self.intake.inputs.on_end(input),
            };
            for step in steps {
                match step {
                    Step::Advance { mark, forward } => {
                        self.chain.links[0].counters.reached(mark);
                        self.chain.forward(0, Signal::Watermark { mark, forward }).await?;
                    }
                    Step::Barrier(barrier) => {
                        self.pass(barrier).await?;
                        match barrier.then {
                            Then::Continue => {}
                            Then::Stop => has_ended = true,
                            Then::HandOver => return Ok(Leaves::HandsOver),
                        }
                    }
                    Step::End => {
                        self.flush().await?;
                        self.chain.forward(0, Signal::End).await?;
                        let holds = self.sink.holds_back();
                        self.report(Report::SinkEnded { sink: self.index, holds }).await;
                        has_ended = true;
                    }
                }
            }
        }
    }

    /// What the coordinator says next. Without one, its own failure tells why.
    async fn told(&mut self) -> Result<Given, Failure> {
        self.control.recv().await.map(Given::Control).ok_or_else(Failure::neighbour)
    }

    /// What comes next. When nothing is ready, what was gathered is written and flushed first, or waits for its linger time.
    async fn next(&mut self) -> Result<Given, Failure> {
        let ready = tokio::select! {
            biased;
            Some(control) = self.control.recv() => return Ok(Given::Control(control)),
            message = self.intake.next() => Some(message),
            () = std::future::ready(()) => None,
        };
        if let Some(message) = ready {
            return message.map(|(input, message)| Given::Message(input, message));
        }
        let due = self.waiting_since.map(|since| since + self.gather.linger);
        let due = due.filter(|due| *due > Instant::now());
        if due.is_none() {
            self.flush().await?;
        }
        tokio::select! {
            biased;
            Some(control) = self.control.recv() => Ok(Given::Control(control)),
            message = self.intake.next() => message.map(|(input, message)| Given::Message(input, message)),
            () = until(due), if due.is_some() => self.flush().await.map(|()| Given::Nothing),
        }
    }

    async fn take(&mut self, batch: Batch) -> Result<(), Failure> {
        self.chain.links[0].counters.took(batch.len());
        if self.closed {
            self.chain.links[0].counters.dropped(batch.len());
            return Ok(());
        }
        self.waiting_since.get_or_insert_with(Instant::now);
        let mut batch = Some(batch);
        while let Some(rest) = batch.take() {
            let room = match self.stuck {
                // What its edges still hold is bounded, and so is what it takes for its successor.
                true => usize::MAX,
                false => self.gather.events.saturating_sub(self.outgo.len()).max(1),
            };
            batch = self.outgo.take(rest, room);
            let rejected = self.outgo.take_rejected();
            if !rejected.is_empty() {
                self.chain.reject(0, rejected).await?;
            }
            let is_due = self.outgo.len() >= self.gather.events || self.outgo.bytes() >= self.gather.bytes;
            if is_due || self.outgo.held() >= GATHER_BYTES_MAX {
                self.write().await?;
            }
        }
        if self.sink.wants_checkpoint() {
            self.report(Report::SinkWaits).await;
        }
        Ok(())
    }

    async fn pass(&mut self, barrier: Barrier) -> Result<(), Failure> {
        if barrier.then == Then::HandOver {
            let id = &self.chain.links[0].counters.id;
            if self.chain.hand_over.order().is_some_and(|order| order.leaving.contains(id)) {
                self.leave(barrier.id).await;
            }
            return self.chain.forward(0, Signal::Barrier(barrier)).await;
        }
        self.flush().await?;
        if barrier.saves != Saves::Nothing && !self.stuck {
            self.save(barrier.id).await?;
        }
        self.chain.forward(0, Signal::Barrier(barrier)).await?;
        if !self.stuck {
            self.report(Report::SinkPassed(self.index, barrier.id)).await;
        }
        Ok(())
    }

    /// Gives its part of a checkpoint. All that it took is flushed.
    async fn save(&mut self, id: u64) -> Result<(), Failure> {
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
    async fn commit(&mut self, id: u64) -> Result<(), Failure> {
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

    /// The system that it writes to is nobody's any more: what can be written at once is.
    async fn leave(&mut self, id: u64) {
        if self.stuck || self.closed {
            return;
        }
        let written = async {
            while self.done < self.outgo.len() {
                let before = self.done;
                let result = self.sink.write(self.outgo.encoded(), &mut self.done).await;
                self.chain.links[0].counters.gave(self.done - before);
                self.unsure += self.done - before;
                result?;
            }
            self.sink.flush().await?;
            if self.sink.holds_back() {
                self.sink.checkpoint(id).await?;
                self.sink.commit(id).await?;
            }
            self.unsure = 0;
            self.sink.close().await
        };
        if let Ok(Ok(())) = tokio::time::timeout(LEAVE_MAX, written).await {
            self.outgo.clear();
            self.done = 0;
            self.unflushed = false;
        }
    }

    async fn hand_over(self) -> Parts {
        let id = self.chain.links[0].counters.id.clone();
        self.report(Report::SinkLeft(self.index)).await;
        let part = SinkPart {
            sink: self.sink,
            columns: self.outgo.columns().map(<[_]>::to_vec),
            outgo: Some(self.outgo),
            done: self.done,
            unsure: self.unsure,
            unflushed: self.unflushed,
            uncommitted: self.uncommitted,
            stuck: self.stuck,
        };
        let mut parts = self.chain.into_parts();
        parts.insert(id, Part::Sink(Box::new(part)));
        parts
    }

    /// Writes what was gathered, however often it takes.
    async fn write(&mut self) -> Result<(), Failure> {
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

    fn count_written(&mut self, before: usize) {
        let written = self.done - before;
        self.chain.links[0].counters.gave(written);
        self.unsure += written;
    }

    /// Writes what was gathered and makes the system have it.
    async fn flush(&mut self) -> Result<(), Failure> {
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

    async fn close(&mut self) -> Result<(), Failure> {
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

    fn failure(&self, error: ConnectorError) -> Failure {
        Failure::of(&self.chain.links[0].counters.id, error.message)
    }
}

/// Waits for a moment; for ever if there is none.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A hand-over has been asked for, and what is under way had its time.
async fn overdue(hand_over: &HandOver) {
    hand_over.asked().await;
    tokio::time::sleep(HAND_OVER_GRACE).await;
}

/// The attempts left for one event, and the growing pauses between them.
struct Attempts {
    left: Option<u64>,
    pause: Duration,
    pause_max: Duration,
}

impl Attempts {
    /// One attempt is made before the first pause.
    fn new(retry: &Retry) -> Attempts {
        Attempts { left: retry.attempts.map(|n| n.saturating_sub(1)), pause: retry.first, pause_max: retry.max }
    }

    fn next(&mut self) -> Option<Duration> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        let pause = self.pause;
        self.pause = (self.pause * 2).min(self.pause_max);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_attempts_end() {
        let ms = Duration::from_millis;
        let mut attempts = Attempts::new(&Retry { first: ms(100), max: ms(300), attempts: Some(4) });
        assert_eq!([(); 4].map(|()| attempts.next()), [Some(ms(100)), Some(ms(200)), Some(ms(300)), None]);
    }
}
