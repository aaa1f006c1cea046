//! The nodes of one task and the way of a message through them: fused nodes call each other, others are behind edges.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::event::{Batch, Timestamp};
use crate::flow::{Barrier, ErrorEvents, Message, Operator, Output, Progress, Rejected, Saves, Then, Watermark};
use crate::observe::NodeCounters;
use crate::state::Snapshot;

use super::coordinator::{NodePart, Report};
use super::edge::EdgeSender;
use super::hand_over::HandOver;
use super::parts::{Part, Parts, StagePart};
use super::{Clock, Failure};

/// Who reads a port.
pub(super) enum Target {
    /// A node of the same task, by its place in the chain, and its number for each layout of the port.
    Node {
        link: usize,
        variants: Arc<[u16]>,
    },
    Edge(EdgeSender),
}

/// One node of a task: what it does, and who reads it.
pub(super) struct Link {
    /// `None` for the source at the head of a task and for a sink.
    pub operator: Option<Box<dyn Operator>>,
    pub ports: Vec<Vec<Target>>,
    pub errors: Vec<Target>,
    pub error_events: ErrorEvents,
    pub counters: Arc<NodeCounters>,
    /// What event time has come to at its input.
    pub mark: Timestamp,
    /// Whether nothing of its state is in a checkpoint yet.
    pub is_unsaved: bool,
}

/// The nodes of a task; the first is the one that the task's input goes to.
pub(super) struct Chain {
    pub links: Vec<Link>,
    pub clock: Clock,
    /// Cancelled: the topology stops, and nothing waits for the clock any more.
    pub stop: CancellationToken,
    pub hand_over: Arc<HandOver>,
    pub reports: mpsc::Sender<Report>,
    /// The barrier that has passed last.
    pub passed: u64,
    /// Whether checkpoints are written.
    pub saves: bool,
    /// Set when something has gone into the graph or along it: a graph at rest needs no barriers.
    pub stirred: Arc<AtomicBool>,
}

/// What a node is given.
#[derive(Clone, Copy)]
pub(super) enum Signal {
    Watermark { mark: Timestamp, forward: Watermark },
    Barrier(Barrier),
    End,
}

impl Chain {
    /// Gives a batch to a node, and what comes of it to the nodes after it.
    pub fn batch(&mut self, link: usize, batch: Batch) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.links[link].counters.took(batch.len());
            let mut out = Output::new(self.clock.now());
            let progress = self.operator(link).on_batch(batch, &mut out);
            self.drain(link, out, progress.map_err(|fatal| self.fatal(link, fatal))?).await
        })
    }

    /// Gives a watermark, a barrier or the end to a node, and then to all after it.
    pub fn signal(&mut self, link: usize, signal: Signal) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let mut out = Output::new(self.clock.now());
            let operator = self.operator(link);
            let progress = match signal {
                Signal::Watermark { mark, .. } => operator.on_watermark(mark, &mut out),
                Signal::Barrier(_) => operator.on_barrier(&mut out),
                Signal::End => operator.on_watermark(Timestamp::END, &mut out),
            };
            self.drain(link, out, progress.map_err(|fatal| self.fatal(link, fatal))?).await?;
            match signal {
                Signal::Watermark { mark, .. } => self.links[link].mark = mark,
                Signal::Barrier(barrier) => {
                    self.cut(link, barrier).await?;
                    self.save(link, barrier.id, barrier.saves).await;
                }
                // Nothing of it is left; it belongs to whatever checkpoint comes after the barrier before.
                Signal::End => self.save(link, self.passed + 1, Saves::Changes).await,
            }
            let operator = self.operator(link);
            let held = operator.held();
            let signal = match signal {
                Signal::Watermark { mark, forward } => {
                    let mark = operator.output_mark(mark);
                    let forward = match forward {
                        Watermark::At(_) => Watermark::At(mark),
                        Watermark::Idle(elapsed) => Watermark::Idle(elapsed),
                    };
                    self.links[link].counters.reached(mark);
                    Signal::Watermark { mark, forward }
                }
                Signal::Barrier(_) | Signal::End => signal,
            };
            self.links[link].counters.holds(held);
            self.forward(link, signal).await
        })
    }

    /// At a hand-over, what nobody can carry on leaves: still through this graph.
    async fn cut(&mut self, link: usize, barrier: Barrier) -> Result<(), Failure> {
        let id = &self.links[link].counters.id;
        if barrier.then != Then::HandOver || !self.hand_over.order().is_some_and(|order| order.cut.contains(id)) {
            return Ok(());
        }
        let mut out = Output::new(self.clock.now());
        let progress = self.operator(link).cut(&mut out);
        self.drain(link, out, progress.map_err(|fatal| self.fatal(link, fatal))?).await
    }

    /// Gives a node's part of a checkpoint.
    async fn save(&mut self, link: usize, barrier: u64, saves: Saves) {
        if saves == Saves::Nothing || !self.saves {
            return;
        }
        let node = &mut self.links[link];
        let Some(operator) = &mut node.operator else { return };
        let mut snapshot = Snapshot::new(node.is_unsaved || saves == Saves::Everything);
        operator.snapshot(&mut snapshot);
        node.is_unsaved = false;
        let part = NodePart { mark: node.mark, records: snapshot.finish(), ..NodePart::default() };
        // If the coordinator has gone, its failure is told.
        let _ = self.reports.send(Report::Saved(node.counters.id.clone(), barrier, Box::new(part))).await;
    }

    /// What its stages leave behind after a hand-over's barrier.
    pub fn into_parts(self) -> Parts {
        let stages = self.links.into_iter().filter_map(|link| {
            let operator = link.operator?;
            Some((
                link.counters.id.clone(),
                Part::Stage(StagePart { operator, mark: link.mark, is_unsaved: link.is_unsaved }),
            ))
        });
        stages.collect()
    }

    /// Sends a signal to every reader of a node.
    pub async fn forward(&mut self, link: usize, signal: Signal) -> Result<(), Failure> {
        if let (0, Signal::Barrier(barrier)) = (link, signal) {
            self.passed = barrier.id;
        }
        for port in 0..=self.links[link].ports.len() {
            for target in 0..self.targets(link, port).len() {
                match &self.targets(link, port)[target] {
                    Target::Node { link, .. } => {
                        let next = *link;
                        self.signal(next, signal).await?;
                    }
                    Target::Edge(edge) => {
                        let message = match signal {
                            Signal::Watermark { forward, .. } => Message::Watermark(forward),
                            Signal::Barrier(barrier) => Message::Barrier(barrier),
                            Signal::End => Message::End,
                        };
                        edge.send(message).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends a batch to every reader of a port; the port after the last is `errors`.
    pub async fn emit(&mut self, link: usize, port: usize, batch: Batch) -> Result<(), Failure> {
        self.stirred.store(true, Relaxed);
        let readers = self.targets(link, port).len();
        let is_error = port == self.links[link].ports.len();
        if !is_error {
            self.links[link].counters.gave(batch.len());
            if readers == 0 {
                self.links[link].counters.dropped(batch.len());
            }
        }
        let mut batch = Some(batch);
        for target in 0..readers {
            let copy = if target + 1 == readers { batch.take() } else { batch.clone() };
            let Some(mut copy) = copy else { break };
            match &self.targets(link, port)[target] {
                Target::Node { link, variants } => {
                    let next = *link;
                    copy.variant = variants.get(usize::from(copy.variant)).copied().unwrap_or(copy.variant);
                    self.batch(next, copy).await?;
                }
                Target::Edge(edge) => edge.send_batch(copy).await?,
            }
        }
        Ok(())
    }

    /// Sends refused events to the readers of the node's `errors` port.
    pub async fn reject(&mut self, link: usize, rejected: Vec<Rejected>) -> Result<(), Failure> {
        for event in rejected {
            self.refuse(link, &event).await?;
        }
        self.flush_errors(link).await
    }

    /// Adds one refused event to those that `flush_errors` sends.
    pub async fn refuse(&mut self, link: usize, event: &Rejected) -> Result<(), Failure> {
        self.links[link].counters.refused(1);
        self.links[link].error_events.push(event);
        self.errors_if(link, |events| events.is_full()).await
    }

    /// Sends the error events made so far.
    pub async fn flush_errors(&mut self, link: usize) -> Result<(), Failure> {
        self.errors_if(link, |events| !events.is_empty()).await
    }

    async fn errors_if(&mut self, link: usize, due: fn(&ErrorEvents) -> bool) -> Result<(), Failure> {
        if !due(&self.links[link].error_events) {
            return Ok(());
        }
        let batch = self.links[link].error_events.finish();
        let port = self.links[link].ports.len();
        self.emit(link, port, batch).await
    }

    /// Sends what an operator made, and lets it go on until it is done.
    async fn drain(&mut self, link: usize, mut out: Output, mut progress: Progress) -> Result<(), Failure> {
        loop {
            self.links[link].counters.evaluated(out.take_evaluations());
            for (port, batch) in out.take_emitted() {
                self.emit(link, port, batch).await?;
            }
            let rejected = out.take_rejected();
            if !rejected.is_empty() {
                self.reject(link, rejected).await?;
            }
            let mut hurry = false;
            match progress {
                Progress::Done => return Ok(()),
                Progress::More => tokio::task::consume_budget().await,
                Progress::Wait(until) => tokio::select! {
                    () = self.clock.sleep_until(until) => {}
                    () = self.stop.cancelled() => hurry = true,
                    () = self.hand_over.asked() => hurry = true,
                },
            }
            out = Output::new(self.clock.now());
            let operator = self.operator(link);
            // What waits would keep the topology from stopping: it goes out as it does before a barrier.
            let next = if hurry { operator.on_barrier(&mut out) } else { operator.resume(&mut out) };
            progress = next.map_err(|fatal| self.fatal(link, fatal))?;
        }
    }

    fn operator(&mut self, link: usize) -> &mut dyn Operator {
        self.links[link].operator.as_deref_mut().expect("batches and signals go to stages only")
    }

    fn targets(&self, link: usize, port: usize) -> &[Target] {
        let link = &self.links[link];
        link.ports.get(port).unwrap_or(&link.errors)
    }

    fn fatal(&self, link: usize, fatal: crate::flow::Fatal) -> Failure {
        Failure::of(&self.links[link].counters.id, fatal.message)
    }
}
