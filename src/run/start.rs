//! Starts a plan, and waits for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connectors::Written;
use crate::limits::{BATCH_EVENTS_MAX, EDGE_BATCHES_MAX};
use crate::observe::{NodeCounters, Nodes};
use crate::plan::{Plan, Work};

use super::beginning;
use super::graph::{self, Graph, Ground};
use super::pace::Pace;
use super::parts::Parts;
use super::recovery::{self, Begun, NotStarted, Recovery};
use super::saver::Saver;
use super::watch::Watch;
use super::{Clock, Failure};

/// What a run is told beside its plan.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Events of a batch, `BATCH_EVENTS_MAX` at most. Results do not depend on it.
    pub batch_events: usize,
    /// Batches of an edge. Results do not depend on it.
    pub edge_batches: usize,
    /// Barriers by batches too, not by time alone. Results do not depend on it.
    pub pace: Option<Pace>,
    /// What to do with the checkpoint of an earlier run.
    pub recovery: Recovery,
    /// Where checkpoints are written; `None`: none are.
    pub state: Option<PathBuf>,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            batch_events: BATCH_EVENTS_MAX,
            edge_batches: EDGE_BATCHES_MAX,
            pace: None,
            recovery: Recovery::Auto,
            state: None,
        }
    }
}

/// A topology that runs.
pub struct Running {
    /// The counters of its nodes, also after a reload.
    pub nodes: Nodes,
    /// Cancelled: the topology stops in order.
    pub stop: CancellationToken,
    pub clock: Clock,
    pub begun: Begun,
    pub(super) plan: Arc<Plan>,
    pub(super) ground: Ground,
    pub(super) graph: Graph,
    /// Of message ids; see `SinkOpen`.
    pub(super) lineage: u64,
    /// What nodes that have ended left behind.
    pub(super) parts: Parts,
    /// The first failure, and until when the others may flush.
    pub(super) failed: Option<(Failure, Instant)>,
    pub(super) watch: Watch,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The first failure, if any.
    pub failure: Option<Failure>,
    /// Every file written.
    pub written: Vec<Written>,
    /// Whether all inputs have ended; else it was stopped.
    pub is_complete: bool,
    /// Whether there is a checkpoint to go on from.
    pub can_resume: bool,
}

/// Reads the checkpoint that the run goes on from, opens sources and sinks, and starts all tasks.
pub async fn start(plan: Arc<Plan>, options: RunOptions, stop: CancellationToken) -> Result<Running, NotStarted> {
    let ground = Ground {
        options,
        stop: stop.clone(),
        clock: Clock::start(),
        hand_over_due: Arc::default(),
        claims: Arc::default(),
    };
    let mut past = recovery::look_back(&plan, &ground)?;
    let mut supplies = past.supplies(&plan, &ground).await?;
    beginning::save(&plan, &mut past, &mut supplies).await;
    let lineage = past.lineage();
    let counters: Vec<_> = plan.nodes.iter().map(|node| NodeCounters::new(node.id.clone(), node.role)).collect();
    let nodes = Nodes::new(counters.into_iter().map(Arc::new).collect());
    let graph = graph::start(&plan, &ground, &nodes.all(), supplies, past.saver, past.next_id);
    Ok(Running {
        nodes,
        stop,
        clock: ground.clock,
        begun: past.begun,
        watch: watch(&plan),
        plan,
        ground,
        graph,
        lineage,
        parts: Parts::new(),
        failed: None,
    })
}

/// Watches the files that stages read again by themselves.
pub(super) fn watch(plan: &Plan) -> Watch {
    let stages = plan.nodes.iter().filter_map(|node| match &node.work {
        Work::Stage(stage) => Some(stage),
        Work::Source(_) | Work::Sink(_) => None,
    });
    Watch::start(stages.flat_map(|stage| stage.stage.watched()).collect())
}

impl Running {
    /// The plan that runs.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Notified when all sources wait for a hand-over: see `Pace::HandOver`.
    pub fn hand_over_due(&self) -> Arc<Notify> {
        self.ground.hand_over_due.clone()
    }

    /// Waits until every task has ended. After a failure the others get to flush, then all is over. Dropped before its end it
    /// loses nothing, and may be called again.
    pub async fn wait(&mut self) -> Outcome {
        self.join().await;
        // It stays, in case that this is dropped while the coordinator is waited for.
        let failure = self.failed.as_ref().map(|(failure, _)| failure.clone());
        let coordinator = &mut self.graph.coordinator;
        let end = match failure {
            None => coordinator.await.ok(),
            Some(_) => tokio::time::timeout(FAILED_GRACE, coordinator).await.ok().and_then(Result::ok),
        };
        let Some(mut end) = end else {
            return Outcome { failure, written: Vec::new(), is_complete: false, can_resume: false };
        };
        let unsaved = end
            .unsaved
            .map(|why| Failure { node: None, message: format!("the last checkpoint cannot be written: {why}") });
        let failure = failure.or(unsaved);
        let is_complete = end.is_complete && failure.is_none();
        let mut can_resume = end.saver.as_ref().is_some_and(Saver::has_one);
        if let Some(saver) = end.saver.take_if(|_| is_complete && self.plan.is_bounded()) {
            match saver.remove() {
                Ok(()) => can_resume = false,
                Err(why) => tracing::warn!("the checkpoint of this run, which is done, cannot be removed: {why}"),
            }
        }
        Outcome { failure, written: end.written, is_complete, can_resume }
    }

    /// Waits until the tasks of the graph have ended, and keeps what they leave behind.
    pub(super) async fn join(&mut self) {
        loop {
            let ended = match &self.failed {
                None => self.graph.tasks.join_next().await,
                Some((_, deadline)) => match tokio::time::timeout_at(*deadline, self.graph.tasks.join_next()).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        self.graph.tasks.abort_all();
                        return;
                    }
                },
            };
            match ended {
                None => return,
                Some(Ok(Ok(parts))) => self.parts.extend(parts),
                Some(ended) => self.fail(ended),
            }
        }
    }

    fn fail(&mut self, ended: Result<Result<Parts, Failure>, JoinError>) {
        let Some(found) = failure(ended) else { return };
        match &mut self.failed {
            // A node whose neighbour has gone says so too, and maybe first.
            Some((first, _)) if first.node.is_none() => *first = found,
            Some(_) => {}
            None => self.failed = Some((found, Instant::now() + FAILED_GRACE)),
        }
        self.stop.cancel();
    }
}

/// How long the rest of a failed topology gets to flush.
const FAILED_GRACE: Duration = Duration::from_secs(3);

fn failure(ended: Result<Result<Parts, Failure>, JoinError>) -> Option<Failure> {
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
