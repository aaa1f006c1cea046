//! The task of a sink: events are encoded, gathered, and written until the system has them.

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::connectors::{Position, Sink};
use crate::event::Batch;
use crate::flow::{Barrier, Message, Saves, Step, Then};
use crate::limits::GATHER_BYTES_MAX;
use crate::plan::{Gather, Retry};

use super::Failure;
use super::chain::{Chain, Signal};
use super::coordinator::{Report, SinkControl};
use super::intake::Intake;
use super::outgo::Outgo;
use super::parts::{Part, Parts, SinkPart};

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
    /// Where it had come to when its system was nobody's any more.
    pub left_at: Option<Position>,
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
    pub(super) fn report(&self, report: Report) -> impl Future<Output = ()> + Send + use<> {
        let reports = self.chain.reports.clone();
        async move {
            let _ = reports.send(report).await;
        }
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
                Given::Control(SinkControl::HandOver(id)) => {
                    self.leave_if_told(id).await;
                    return Ok(Leaves::HandsOver);
                }
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
            self.leave_if_told(barrier.id).await;
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
            left_at: self.left_at,
        };
        let mut parts = self.chain.into_parts();
        parts.insert(id, Part::Sink(Box::new(part)));
        parts
    }
}

/// Waits for a moment; for ever if there is none.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
