//! Starts a plan, and waits for it.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::connectors::{Sink, SinkOpen, Source, SourceOpen, Written};
use crate::event::decode::Decoder;
use crate::flow::ErrorEvents;
use crate::limits::{BATCH_EVENTS_MAX, CONTROL_MAX, EDGE_BATCHES_MAX, REPORTS_MAX};
use crate::observe::NodeCounters;
use crate::plan::{Node, Plan, Reader, SinkNode, SourceNode, Work};

use super::chain::{Chain, Link, Target};
use super::coordinator::Coordinator;
use super::drift::Drift;
use super::edge::{Bounds, EdgeReceiver, edge};
use super::ingest::Ingest;
use super::intake::Intake;
use super::outgo::Outgo;
use super::sink::SinkTask;
use super::source::{DriftMember, SourceTask};
use super::watch::Watch;
use super::{Clock, Failure, stage};

/// What a run is told beside its plan.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Whether it goes on from a checkpoint.
    pub recovery: Recovery,
    /// The topology's own folder of checkpoints; `None`: nothing is kept.
    pub state: Option<PathBuf>,
    /// Events of a batch, `BATCH_EVENTS_MAX` at most. Results do not depend on it.
    pub batch_events: usize,
    /// Batches of an edge. Results do not depend on it.
    pub edge_batches: usize,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            recovery: Recovery::Auto,
            state: None,
            batch_events: BATCH_EVENTS_MAX,
            edge_batches: EDGE_BATCHES_MAX,
        }
    }
}

/// Whether a run goes on from the checkpoint that an earlier one left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// If some input has no end; what ends by itself starts afresh.
    Auto,
    /// Also if all input ends.
    Resume,
    /// Never: what was kept is removed.
    Fresh,
}

/// A topology that runs.
pub struct Running {
    pub counters: Vec<Arc<NodeCounters>>,
    /// Cancelled: the topology stops in order.
    pub stop: CancellationToken,
    pub clock: Clock,
    tasks: JoinSet<Result<(), Failure>>,
    coordinator: tokio::task::JoinHandle<Vec<Written>>,
    _watch: Watch,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The first failure, if any.
    pub failure: Option<Failure>,
    /// Every file written.
    pub written: Vec<Written>,
}

/// Opens sources and then sinks, so that nothing is truncated when a source cannot be opened, and starts all tasks.
pub async fn start(plan: Arc<Plan>, options: RunOptions, stop: CancellationToken) -> Result<Running, Failure> {
    let mut opened = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        opened.push(open_source(node, &plan, &options).await?);
    }
    for (node, slot) in plan.nodes.iter().zip(&mut opened) {
        if let Work::Sink(sink) = &node.work {
            let open = sink
                .plan
                .open(SinkOpen {
                    name: format!("{}/{}", plan.name, node.id).into(),
                    lineage: 0,
                    resume: None,
                    has_checkpoints: false,
                })
                .await
                .map_err(|error| Failure::of(&node.id, error.message))?;
            *slot = Opened::Sink(open);
        }
    }
    Ok(Starter::new(plan, options, stop).start(opened))
}

/// What a node needs of the world outside.
enum Opened {
    Nothing,
    Source(Box<dyn Source>),
    Sink(Box<dyn Sink>),
}

async fn open_source(node: &Node, plan: &Plan, options: &RunOptions) -> Result<Opened, Failure> {
    let Work::Source(source) = &node.work else { return Ok(Opened::Nothing) };
    let open = SourceOpen {
        framing: source.framing,
        event_bytes_max: plan.limits.line,
        chunk_events_max: options.batch_events.clamp(1, BATCH_EVENTS_MAX),
        resume: None,
        fresh: false,
        has_checkpoints: false,
    };
    let opened = source.plan.open(open).await.map_err(|error| Failure::of(&node.id, error.message))?;
    Ok(Opened::Source(opened))
}

/// The parts of a run while it is put together.
struct Starter {
    plan: Arc<Plan>,
    bounds: Bounds,
    stop: CancellationToken,
    clock: Clock,
    counters: Vec<Arc<NodeCounters>>,
    /// By node and input: the receiving ends of edges.
    receivers: Vec<Vec<Option<EdgeReceiver>>>,
    /// A group of sources that meet, by place in `plan.drift_groups`.
    drifts: Vec<Drift>,
}

impl Starter {
    fn new(plan: Arc<Plan>, options: RunOptions, stop: CancellationToken) -> Starter {
        let batches = options.edge_batches.min(plan.limits.edge_events.div_ceil(BATCH_EVENTS_MAX));
        let counters = plan.nodes.iter().map(|node| Arc::new(NodeCounters::new(node.id.clone(), node.role))).collect();
        let receivers = plan.nodes.iter().map(|node| node.inputs.iter().map(|_| None).collect()).collect();
        let bounds = Bounds { batches, bytes: plan.limits.edge_bytes };
        let drifts = plan.drift_groups.iter().map(|group| Drift::new(group.len())).collect();
        Starter { drifts, plan, bounds, stop, clock: Clock::start(), counters, receivers }
    }

    fn start(mut self, opened: Vec<Opened>) -> Running {
        // Chains are made from the sinks up, so that a fused node is there when the node before it wants to be its head.
        let mut chains: Vec<Option<Vec<Link>>> = self.plan.nodes.iter().map(|_| None).collect();
        for node in (0..self.plan.nodes.len()).rev() {
            let links = self.links(node, &mut chains);
            chains[node] = Some(links);
        }
        let (reports_in, reports) = mpsc::channel(REPORTS_MAX);
        let mut tasks = JoinSet::new();
        let (mut sources, mut sinks) = (Vec::new(), 0);
        for (node, opened) in opened.into_iter().enumerate() {
            let Some(links) = chains[node].take().filter(|_| !self.plan.nodes[node].is_fused) else { continue };
            let chain = Chain { links, clock: self.clock, stop: self.stop.clone() };
            let intake = Intake::new(std::mem::take(&mut self.receivers[node]).into_iter().flatten().collect());
            match (&self.plan.nodes[node].work, opened) {
                (Work::Source(source), Opened::Source(open)) => {
                    let (control, told) = mpsc::channel(CONTROL_MAX);
                    let (index, reports) = (sources.len(), reports_in.clone());
                    sources.push(Some(control));
                    let task = SourceTask {
                        index,
                        chain,
                        source: open,
                        ingest: self.ingest(node, source),
                        idle: source.idle,
                        drift: self.drift_member(node, source),
                        control: told,
                        reports,
                        is_idle: false,
                    };
                    tasks.spawn(task.run());
                }
                (Work::Sink(sink), Opened::Sink(open)) => {
                    let task = sink_task(sinks, chain, intake, sink, open, reports_in.clone());
                    sinks += 1;
                    tasks.spawn(task.run());
                }
                (Work::Stage(_), _) => {
                    tasks.spawn(stage::run(chain, intake));
                }
                (Work::Source(_) | Work::Sink(_), _) => unreachable!("every source and sink was opened"),
            }
        }
        let every = self.plan.sources().any(|source| source.plan.needs_acks());
        let every = every.then_some(self.plan.barrier_every);
        let coordinator = Coordinator { sources, sinks, reports, every, stop: self.stop.clone() };
        let stages = self.plan.nodes.iter().filter_map(|node| match &node.work {
            Work::Stage(stage) => Some(stage),
            Work::Source(_) | Work::Sink(_) => None,
        });
        Running {
            _watch: Watch::start(stages.flat_map(|stage| stage.stage.watched()).collect()),
            counters: self.counters,
            stop: self.stop,
            clock: self.clock,
            tasks,
            coordinator: tokio::spawn(coordinator.run()),
        }
    }

    /// The links of a node and of all that is fused behind it; the node is the first.
    fn links(&mut self, node: usize, chains: &mut [Option<Vec<Link>>]) -> Vec<Link> {
        let operator = match &self.plan.nodes[node].work {
            Work::Stage(stage) => {
                let outputs: Vec<_> = self.plan.nodes[node].ports.iter().map(|port| port.layouts.clone()).collect();
                Some(stage.stage.operator(&stage.inputs, &outputs))
            }
            Work::Source(_) | Work::Sink(_) => None,
        };
        let mut links = vec![Link {
            operator,
            ports: Vec::new(),
            errors: Vec::new(),
            error_events: ErrorEvents::new(self.plan.nodes[node].id.clone()),
            counters: self.counters[node].clone(),
        }];
        let readers: Vec<Vec<Reader>> = self.plan.nodes[node].ports.iter().map(|port| port.readers.clone()).collect();
        for readers in readers {
            let targets = self.targets(readers, chains, &mut links);
            links[0].ports.push(targets);
        }
        let errors = self.plan.nodes[node].error_readers.clone();
        links[0].errors = self.targets(errors, chains, &mut links);
        links
    }

    fn targets(
        &mut self,
        readers: Vec<Reader>,
        chains: &mut [Option<Vec<Link>>],
        links: &mut Vec<Link>,
    ) -> Vec<Target> {
        let mut targets = Vec::new();
        for reader in readers {
            if self.plan.nodes[reader.node].is_fused {
                let at = links.len();
                let fused = chains[reader.node].take().unwrap_or_default();
                links.extend(fused.into_iter().map(|link| shifted(link, at)));
                let variants = self.plan.nodes[reader.node].inputs[reader.input].variants.clone();
                targets.push(Target::Node { link: at, variants });
            } else {
                let variants = self.plan.nodes[reader.node].inputs[reader.input].variants.clone();
                let (sender, receiver) = edge(self.bounds, variants);
                self.receivers[reader.node][reader.input] = Some(receiver);
                targets.push(Target::Edge(sender));
            }
        }
        targets
    }

    fn drift_member(&self, node: usize, source: &SourceNode) -> Option<DriftMember> {
        let max_ms = i64::try_from(source.max_drift.as_millis()).unwrap_or(i64::MAX);
        self.plan.drift_groups.iter().zip(&self.drifts).find_map(|(members, group)| {
            let member = members.iter().position(|&member| member == node)?;
            Some(DriftMember { group: group.clone(), member, max_ms })
        })
    }

    fn ingest(&self, node: usize, source: &SourceNode) -> Ingest {
        let layout = self.plan.nodes[node].ports[0].layouts[0].clone();
        let id = self.plan.nodes[node].id.clone();
        Ingest::new(source, Decoder::new(source.format, layout, id, self.plan.limits.depth))
    }
}

/// A link of a chain that becomes part of another one, `by` places further on.
fn shifted(mut link: Link, by: usize) -> Link {
    for target in link.ports.iter_mut().flatten().chain(&mut link.errors) {
        if let Target::Node { link, .. } = target {
            *link += by;
        }
    }
    link
}

fn sink_task(
    index: usize,
    chain: Chain,
    intake: Intake,
    node: &SinkNode,
    sink: Box<dyn Sink>,
    reports: mpsc::Sender<super::coordinator::Report>,
) -> SinkTask {
    SinkTask {
        index,
        chain,
        intake,
        sink,
        outgo: Outgo::new(node),
        gather: node.gather,
        retry: node.retry,
        reports,
        done: 0,
        waiting_since: None,
        unflushed: false,
        unsure: 0,
        closed: false,
        give_up_at: None,
    }
}

impl Running {
    /// Waits until every task has ended. After a failure the others get to flush, then all is over.
    pub async fn wait(mut self) -> Outcome {
        let mut failure: Option<Failure> = None;
        let mut deadline = None;
        loop {
            let ended = match deadline {
                None => self.tasks.join_next().await,
                Some(deadline) => match tokio::time::timeout_at(deadline, self.tasks.join_next()).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        self.tasks.abort_all();
                        break;
                    }
                },
            };
            let Some(ended) = ended else { break };
            if let Some(found) = failed(ended) {
                // A node whose neighbour has gone says so too, and maybe first.
                if failure.as_ref().is_none_or(|first| first.node.is_none()) {
                    failure = Some(found);
                }
                self.stop.cancel();
                deadline.get_or_insert(tokio::time::Instant::now() + FAILED_GRACE);
            }
        }
        let written = match failure {
            None => self.coordinator.await.unwrap_or_default(),
            Some(_) => {
                tokio::time::timeout(FAILED_GRACE, self.coordinator).await.map_or(Vec::new(), Result::unwrap_or_default)
            }
        };
        Outcome { failure, written }
    }
}

/// How long the rest of a failed topology gets to flush.
const FAILED_GRACE: std::time::Duration = std::time::Duration::from_secs(3);

fn failed(ended: Result<Result<(), Failure>, JoinError>) -> Option<Failure> {
    match ended {
        Ok(result) => result.err(),
        Err(error) if error.is_cancelled() => None,
        Err(error) => {
            let panic = error.into_panic();
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string()));
            let text = text.unwrap_or_else(|| "unknown".into());
            Some(Failure { node: Some("runner".into()), message: format!("a task panicked, which is a bug: {text}") })
        }
    }
}
