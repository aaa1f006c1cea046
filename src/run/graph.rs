//! Puts a graph together: a task for each chain of fused nodes, edges between them, and what each begins with.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connectors::{Claims, Replay};
use crate::event::Timestamp;
use crate::event::decode::Decoder;
use crate::flow::{ErrorEvents, Operator};
use crate::limits::{BATCH_EVENTS_MAX, CONTROL_MAX, REPORTS_MAX};
use crate::observe::NodeCounters;
use crate::plan::{Plan, Reader, SinkNode, SourceNode, StageNode, Work};

use super::ahead::Ahead;
use super::chain::{Chain, Link, Target};
use super::coordinator::{Command, Coordinator, CoordinatorEnd, Seats, SinkControl, SinkSeat};
use super::drift::Drift;
use super::edge::{Bounds, EdgeReceiver, edge};
use super::hand_over::HandOver;
use super::ingest::{ChunkReader, Ingest};
use super::intake::Intake;
use super::outgo::Outgo;
use super::pace::Steps;
use super::parts::{Parts, SinkPart, SourcePart, StageState, Supply};
use super::saver::{SavedNode, Saver};
use super::sink::SinkTask;
use super::source::{DriftMember, SourceTask};
use super::unread::Schemas;
use super::{Clock, Failure, RunOptions, stage};

/// A graph at work.
pub(super) struct Graph {
    pub tasks: JoinSet<Result<Parts, Failure>>,
    pub coordinator: tokio::task::JoinHandle<CoordinatorEnd>,
    pub commands: mpsc::Sender<Command>,
}

/// What all graphs of a run share.
#[derive(Clone)]
pub(super) struct Ground {
    pub options: RunOptions,
    pub stop: CancellationToken,
    pub clock: Clock,
    /// See `Pace::HandOver`.
    pub hand_over_due: Arc<Notify>,
    /// Which sink writes which file.
    pub claims: Arc<Claims>,
}

/// Starts a graph. Everything that can fail has been done: nodes are supplied with what they begin with.
pub(super) fn start(
    plan: &Plan,
    ground: &Ground,
    counters: &[Arc<NodeCounters>],
    supplies: Vec<Supply>,
    saver: Option<Saver>,
    next_id: u64,
) -> Graph {
    Starter::new(plan, ground, counters, saver.is_some()).start(supplies, saver, next_id)
}

/// A graph of which nothing is left but how it ended.
pub(super) fn over(end: CoordinatorEnd) -> Graph {
    let (commands, _) = mpsc::channel(1);
    Graph { tasks: JoinSet::new(), coordinator: tokio::spawn(async { end }), commands }
}

/// The parts of a graph while it is put together.
struct Starter<'a> {
    plan: &'a Plan,
    ground: &'a Ground,
    counters: &'a [Arc<NodeCounters>],
    bounds: Bounds,
    hand_over: Arc<HandOver>,
    /// By node and input: the receiving ends of edges.
    receivers: Vec<Vec<Option<EdgeReceiver>>>,
    /// A group of sources that meet, by place in `plan.drift_groups`.
    drifts: Vec<Drift>,
    reports: (mpsc::Sender<super::coordinator::Report>, mpsc::Receiver<super::coordinator::Report>),
    saves: bool,
    stirred: Arc<AtomicBool>,
}

impl<'a> Starter<'a> {
    fn new(plan: &'a Plan, ground: &'a Ground, counters: &'a [Arc<NodeCounters>], saves: bool) -> Starter<'a> {
        let batches = ground.options.edge_batches.min(plan.limits.edge_events.div_ceil(BATCH_EVENTS_MAX));
        Starter {
            bounds: Bounds { batches, bytes: plan.limits.edge_bytes },
            receivers: plan.nodes.iter().map(|node| node.inputs.iter().map(|_| None).collect()).collect(),
            drifts: plan.drift_groups.iter().map(|group| Drift::new(group.len())).collect(),
            hand_over: Arc::default(),
            reports: mpsc::channel(REPORTS_MAX),
            plan,
            ground,
            counters,
            saves,
            // The first checkpoint says where it has begun.
            stirred: Arc::new(AtomicBool::new(true)),
        }
    }

    fn start(mut self, supplies: Vec<Supply>, mut saver: Option<Saver>, next_id: u64) -> Graph {
        let (mut stages, mut ends) = (Vec::with_capacity(supplies.len()), Vec::with_capacity(supplies.len()));
        for supply in supplies {
            let (stage, end) = match supply {
                Supply::Stage(stage) => (Some(stage), None),
                other => (None, Some(other)),
            };
            stages.push(stage);
            ends.push(end);
        }
        // Chains are made from the sinks up, so that a fused node is there when the node before it wants to be its head.
        let mut chains: Vec<Option<Vec<Link>>> = self.plan.nodes.iter().map(|_| None).collect();
        for node in (0..self.plan.nodes.len()).rev() {
            let links = self.links(node, stages[node].take(), &mut chains);
            chains[node] = Some(links);
        }
        let mut tasks = JoinSet::new();
        let (mut sources, mut sinks) = (Vec::new(), Vec::new());
        for (node, end) in ends.into_iter().enumerate() {
            let Some(links) = chains[node].take().filter(|_| !self.plan.nodes[node].is_fused) else { continue };
            let mark = links[0].mark;
            let chain = self.chain(links, next_id);
            let receivers = std::mem::take(&mut self.receivers[node]).into_iter().flatten().collect();
            let intake = Intake::new(receivers, mark);
            match (&self.plan.nodes[node].work, end) {
                (Work::Source(source), Some(Supply::Source(part))) => {
                    let (control, told) = mpsc::channel(CONTROL_MAX);
                    let task = self.source_task(node, source, chain, part, (sources.len(), told));
                    sources.push(control);
                    tasks.spawn(task.run());
                }
                (Work::Sink(sink), Some(Supply::Sink(part))) => {
                    let (control, told) = mpsc::channel(CONTROL_MAX);
                    let task = sink_task(sink, chain, intake, *part, (sinks.len(), told));
                    sinks.push(SinkSeat::new(control));
                    tasks.spawn(task.run());
                }
                (Work::Stage(_), _) => {
                    tasks.spawn(stage::run(chain, intake));
                }
                (Work::Source(_) | Work::Sink(_), _) => unreachable!("every source and sink was supplied"),
            }
        }
        if let Some(saver) = &mut saver {
            saver.set_plan(self.plan.nodes.iter().map(saved_node).collect(), self.plan.texts.clone());
        }
        let (commands, asked) = mpsc::channel(1);
        let (reports_in, reports) = self.reports;
        drop(reports_in);
        let every = barrier_every(self.plan, saver.is_some());
        let (hand_over, stop, stirred) = (self.hand_over, self.ground.stop.clone(), self.stirred);
        let (pace, hand_over_due) = (self.ground.options.pace, self.ground.hand_over_due.clone());
        let seats = Seats {
            sources,
            sinks,
            reports,
            commands: asked,
            hand_over,
            stop,
            every,
            stirred,
            pace,
            hand_over_due,
            saver,
            next_id,
        };
        Graph { tasks, coordinator: tokio::spawn(Coordinator::new(seats).run()), commands }
    }

    fn chain(&self, links: Vec<Link>, next_id: u64) -> Chain {
        Chain {
            links,
            clock: self.ground.clock,
            stop: self.ground.stop.clone(),
            hand_over: self.hand_over.clone(),
            reports: self.reports.0.clone(),
            passed: next_id - 1,
            saves: self.saves,
            stirred: self.stirred.clone(),
        }
    }

    fn source_task(
        &self,
        node: usize,
        source: &SourceNode,
        chain: Chain,
        part: SourcePart,
        (index, control): (usize, mpsc::Receiver<super::coordinator::Control>),
    ) -> SourceTask {
        let layout = self.plan.nodes[node].ports[0].layouts[0].clone();
        let id = self.plan.nodes[node].id.clone();
        let decoder = Decoder::new(source.format.clone(), layout, id, self.plan.limits.depth);
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        SourceTask {
            index,
            chain,
            source: part.source,
            ahead: Ahead::new(ChunkReader::new(source, decoder), threads),
            ingest: Ingest::new(part.mark),
            schemas: Schemas::new(source.format.numbered(), part.unread),
            gives_again: source.plan.replay() != Replay::None,
            idle: source.idle,
            drift: self.drift_member(node, source),
            control,
            steps: Steps::new(self.ground.options.pace, self.saves),
            idle_for: part.idle_for,
        }
    }

    /// The links of a node and of all that is fused behind it; the node is the first.
    fn links(&mut self, node: usize, state: Option<StageState>, chains: &mut [Option<Vec<Link>>]) -> Vec<Link> {
        let mut link = Link {
            operator: None,
            ports: Vec::new(),
            errors: Vec::new(),
            error_events: ErrorEvents::new(self.plan.nodes[node].id.clone()),
            counters: self.counters[node].clone(),
            mark: Timestamp::NONE,
            is_unsaved: true,
        };
        if let Work::Stage(stage) = &self.plan.nodes[node].work {
            let state = state.unwrap_or(StageState::Fresh);
            link.operator = Some(begin(&mut link, stage, state, || operator(self.plan, node, stage)));
        }
        let mut links = vec![link];
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
}

/// The operator of a stage, with no state.
pub(super) fn operator(plan: &Plan, node: usize, stage: &StageNode) -> Box<dyn Operator> {
    let outputs: Vec<_> = plan.nodes[node].ports.iter().map(|port| port.layouts.clone()).collect();
    stage.stage.operator(&stage.inputs, &outputs)
}

/// A stage's operator with the state it begins with.
fn begin(
    link: &mut Link,
    stage: &StageNode,
    state: StageState,
    fresh: impl FnOnce() -> Box<dyn Operator>,
) -> Box<dyn Operator> {
    match state {
        StageState::Fresh => fresh(),
        StageState::Restored { operator, mark } => {
            link.mark = mark;
            link.is_unsaved = false;
            operator
        }
        StageState::After { part, shape, is_renamed } => {
            link.mark = part.mark;
            let (mut before, mut operator) = (part.operator, fresh());
            if let Some(until) = before.cut_until() {
                operator.begin_partial(until);
            }
            let now = stage.stage.shape();
            match (&shape, &now) {
                // What is known by name may come and go.
                (Some(then), Some(now)) if now.reads(then) => {
                    let is_adopted = before.give().is_some_and(|state| operator.adopt(state));
                    if !is_adopted {
                        tracing::error!(node = %link.counters.id, "its state cannot be taken over, which is a bug");
                    }
                    link.is_unsaved = !is_adopted || now != then || part.is_unsaved || is_renamed;
                }
                // State that does not outlive a restart goes on too.
                (None, None) => drop(before.give().is_some_and(|state| operator.adopt(state))),
                // It was cut, or is lost: the plan of the reload has said so.
                _ => {}
            }
            operator
        }
    }
}

/// What a checkpoint says of a node beside its parts.
pub(super) fn saved_node(node: &crate::plan::Node) -> SavedNode {
    let shape = match &node.work {
        Work::Stage(stage) => stage.stage.shape(),
        Work::Source(_) | Work::Sink(_) => None,
    };
    SavedNode { id: node.id.clone(), kind: super::recovery::kind(node), shape }
}

/// The time between barriers: for checkpoints, or for acknowledgements that need none.
fn barrier_every(plan: &Plan, saves: bool) -> Option<std::time::Duration> {
    if saves {
        return Some(plan.checkpoint_every);
    }
    let acks = plan.sources().any(|source| source.plan.needs_acks());
    acks.then_some(std::time::Duration::from_millis(crate::limits::ACK_BARRIER_MS))
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
    node: &SinkNode,
    chain: Chain,
    intake: Intake,
    part: SinkPart,
    (index, control): (usize, mpsc::Receiver<SinkControl>),
) -> SinkTask {
    let mut outgo = Outgo::new(node, part.columns);
    let mut done = 0;
    if let Some(before) = part.outgo.filter(|before| before.len() > part.done) {
        outgo.take_over(before);
        done = part.done;
    }
    SinkTask {
        index,
        chain,
        intake,
        control,
        sink: part.sink,
        waiting_since: (!outgo.is_empty()).then(tokio::time::Instant::now),
        outgo,
        gather: node.gather,
        retry: node.retry,
        done,
        unflushed: part.unflushed,
        unsure: part.unsure,
        uncommitted: part.uncommitted,
        stuck: false,
        left_at: None,
        closed: false,
        give_up_at: None,
    }
}
