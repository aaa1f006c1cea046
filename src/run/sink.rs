//! The task of a sink: events are encoded, gathered, and written until the system has them.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::connectors::{ConnectorError, ErrorKind, Sink};
use crate::event::{Batch, codes};
use crate::flow::{Barrier, Message, Reject, Rejected, Step, Then};
use crate::limits::{GATHER_BYTES_MAX, STOP_GRACE_MS};
use crate::plan::{Gather, Retry};

use super::Failure;
use super::chain::{Chain, Signal};
use super::coordinator::Report;
use super::intake::Intake;
use super::outgo::Outgo;

pub(super) struct SinkTask {
    /// Its number for the coordinator.
    pub index: usize,
    /// The sink alone: for its counters and its `errors` port.
    pub chain: Chain,
    pub intake: Intake,
    pub sink: Box<dyn Sink>,
    pub outgo: Outgo,
    pub gather: Gather,
    pub retry: Retry,
    pub reports: mpsc::Sender<Report>,
    /// Of the events in `outgo`, those that are written or refused.
    pub done: usize,
    /// Since when the oldest event that is not written waits.
    pub waiting_since: Option<Instant>,
    /// Whether the sink may hold written events in its own buffer.
    pub unflushed: bool,
    /// Events that were counted as written since the last flush.
    pub unsure: usize,
    /// The reader has gone: nothing more is written.
    pub closed: bool,
    /// After a stop: when to give up what the system does not take.
    pub give_up_at: Option<Instant>,
}

impl SinkTask {
    /// Runs until the inputs have ended or the run stops. Whatever ends it, what was taken is flushed.
    pub async fn run(mut self) -> Result<(), Failure> {
        let ended = self.pump().await;
        if ended.as_ref().is_err_and(|failure| failure.node.is_none()) && !self.closed {
            // A neighbour failed: what was taken is still written, once; the first failure is the one to tell.
            let before = self.done;
            let _ = self.sink.write(self.outgo.encoded(), &mut self.done).await;
            self.count_written(before);
        }
        let ended = match self.close().await {
            Ok(()) => ended,
            Err(failure) => {
                // What the system never had is not told as written.
                self.chain.links[0].counters.took_back(self.unsure);
                ended.and(Err(failure))
            }
        };
        let written = self.sink.written();
        let report = if ended.is_ok() { Report::SinkEnded } else { Report::SinkFailed };
        // If the coordinator has gone, nobody waits for this.
        let _ = self.reports.send(report(self.index, written)).await;
        ended
    }

    async fn pump(&mut self) -> Result<(), Failure> {
        loop {
            let (queued, max) = self.intake.fill();
            self.chain.links[0].counters.queues(queued, max);
            let Some((input, message)) = self.next().await? else { continue };
            let steps = match message {
                Message::Batch(batch) => {
                    self.intake.inputs.on_batch(input);
                    self.take(batch).await?;
                    tokio::task::consume_budget().await;
                    Vec::new()
                }
                Message::Watermark(watermark) => {
                    self.intake.inputs.on_watermark(input, watermark).into_iter().collect()
                }
                Message::Barrier(barrier) => self.intake.inputs.on_barrier(input, barrier).into_iter().collect(),
                Message::End => self.intake.inputs.on_end(input),
            };
            for step in steps {
                match step {
                    Step::Advance { mark, forward } => {
                        self.chain.links[0].counters.reached(mark);
                        self.chain.forward(0, Signal::Watermark { mark, forward }).await?;
                    }
                    Step::Barrier(barrier) => {
                        self.pass(barrier).await?;
                        if barrier.then == Then::Stop {
                            return Ok(());
                        }
                    }
                    Step::End => {
                        self.flush().await?;
                        self.finish().await?;
                        return self.chain.forward(0, Signal::End).await;
                    }
                }
            }
        }
    }

    /// The next message. When none is ready, what was gathered is written and flushed first, or waits for its linger time.
    async fn next(&mut self) -> Result<Option<(usize, Message)>, Failure> {
        let ready = tokio::select! {
            biased;
            message = self.intake.next() => Some(message),
            () = std::future::ready(()) => None,
        };
        if let Some(message) = ready {
            return message.map(Some);
        }
        let due = self.waiting_since.map(|since| since + self.gather.linger);
        match due {
            Some(due) if due > Instant::now() => tokio::select! {
                biased;
                message = self.intake.next() => message.map(Some),
                () = tokio::time::sleep_until(due) => self.flush().await.map(|()| None),
            },
            _ => {
                self.flush().await?;
                self.intake.next().await.map(Some)
            }
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
            let room = self.gather.events.saturating_sub(self.outgo.len()).max(1);
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
        Ok(())
    }

    async fn pass(&mut self, barrier: Barrier) -> Result<(), Failure> {
        self.flush().await?;
        self.chain.forward(0, Signal::Barrier(barrier)).await?;
        let _ = self.reports.send(Report::SinkPassed(self.index, barrier.id)).await;
        Ok(())
    }

    /// Writes what was gathered, however often it takes.
    async fn write(&mut self) -> Result<(), Failure> {
        let mut attempts = Attempts::new(&self.retry);
        while self.done < self.outgo.len() && !self.closed {
            let before = self.done;
            let result = self.sink.write(self.outgo.encoded(), &mut self.done).await;
            self.count_written(before);
            if self.done > before {
                attempts = Attempts::new(&self.retry);
            }
            self.closed = self.sink.is_closed();
            let Err(error) = result else { continue };
            let code = match error.kind {
                ErrorKind::Event(code) => code,
                ErrorKind::Transient if self.pause(&mut attempts, &error).await => continue,
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
        self.chain.links[0].counters.dropped(self.outgo.len().saturating_sub(self.done));
        self.outgo.clear();
        self.done = 0;
        self.waiting_since = None;
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
        while !self.closed {
            match self.sink.flush().await {
                Ok(()) => break,
                Err(error) if error.is_transient() && self.pause(&mut attempts, &error).await => {}
                Err(error) => return Err(self.failure(error)),
            }
            self.closed = self.sink.is_closed();
        }
        self.closed = self.sink.is_closed();
        self.unflushed = false;
        self.unsure = 0;
        self.note_closed().await;
        Ok(())
    }

    /// Makes the system have what the sink held back.
    async fn finish(&mut self) -> Result<(), Failure> {
        let mut attempts = Attempts::new(&self.retry);
        while !self.closed {
            match self.sink.finish().await {
                Ok(()) => break,
                Err(error) if error.is_transient() && self.pause(&mut attempts, &error).await => {}
                Err(error) => return Err(self.failure(error)),
            }
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Failure> {
        let closed = self.sink.close().await;
        if self.sink.is_closed() {
            return Ok(());
        }
        closed.map_err(|error| self.failure(error))
    }

    /// Waits before the next attempt; false when there is none left, or when the run was stopped a while ago.
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
        tokio::select! {
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
            let _ = self.reports.send(Report::SinkClosed).await;
        }
    }

    fn failure(&self, error: ConnectorError) -> Failure {
        Failure::of(&self.chain.links[0].counters.id, error.message)
    }
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
