//! Puts a new plan in the place of the one that runs, at one barrier: what can go on is handed over in memory, and until everything
//! new has started the old graph can be put together again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::connectors::{Position, Sink, SinkResume, Source, SourceOpen};
use crate::event::decode::Undecodable;
use crate::event::{Batch, Timestamp, codes};
use crate::flow::{ErrorEvents, Reject, Rejected};
use crate::limits::{PREPARE_MAX_MS, RAW_BYTES_KEPT_MAX};
use crate::observe::{NodeCounters, Role};
use crate::plan::{Change, Connection, Diff, Fate, Node, Plan, SinkNode, StateFate, Work};
use crate::state::failpoint;

use super::Failure;
use super::coordinator::Command;
use super::graph;
use super::hand_over::Order;
use super::parts::{Part, SinkPart, SourcePart, StageState, Supply};
use super::recovery::{open_sink, prepare_encoding, source_open};
use super::saver::Saver;
use super::start::{Running, watch};

/// How long new connections may take to be made after the old graph has stopped: that they can be was seen before.
const OPEN_MAX: Duration = Duration::from_secs(5);

/// A reload that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// How long no event was taken.
    pub pause: Duration,
    /// Events that a sink had taken, that left with the reload, and that its system did not take: they are among the dead letters.
    pub undelivered: usize,
    /// Events that such a sink had given to its system, which had not said that it has them.
    pub unsure: usize,
}

/// Why the old plan goes on, or none does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReloaded {
    /// A new connection cannot be made: the old plan goes on as it was.
    Refused(Failure),
    /// The topology is ending: `Running::wait` tells how.
    Ending,
}

/// Connections that the new plan needs and the old one has not, by place in the new plan.
#[derive(Default)]
struct Opened {
    sources: HashMap<usize, Box<dyn Source>>,
    sinks: HashMap<usize, Box<dyn Sink>>,
}

impl Running {
    /// Puts `plan` in the place of the one that runs; `diff` is what it changes of that.
    pub async fn reload(&mut self, plan: Arc<Plan>, diff: &Diff) -> Result<Reloaded, NotReloaded> {
        let stop = self.stop.clone();
        tokio::select! {
            prepared = prepare(&plan, diff) => prepared.map_err(NotReloaded::Refused)?,
            // A system that does not answer keeps no stop waiting, and hides no end and no failure.
            () = stop.cancelled() => return Err(NotReloaded::Ending),
            () = self.join() => return Err(NotReloaded::Ending),
        }
        let begun = Instant::now();
        let (reply, answer) = oneshot::channel();
        let command = Command::HandOver(self.order(diff), reply);
        if self.graph.commands.send(command).await.is_err() || !answer.await.unwrap_or(false) {
            return Err(NotReloaded::Ending);
        }
        self.join().await;
        let Ok(end) = (&mut self.graph.coordinator).await else { return Err(NotReloaded::Ending) };
        if self.failed.is_some() {
            self.graph = graph::over(end);
            return Err(NotReloaded::Ending);
        }
        failpoint::hit("handed-over");
        let old = self.plan.clone();
        let (mut saver, next_id) = (end.saver, end.next_id);
        let claimed = self.ground.claims.release(&self.leaving(diff));
        let stop = self.stop.clone();
        let opened = tokio::select! {
            opened = self.open(&plan, diff, saver.is_some(), next_id) => opened,
            () = tokio::time::sleep(OPEN_MAX) => {
                Err(Failure { node: None, message: format!("a new connection was not made within {OPEN_MAX:?}") })
            }
            () = stop.cancelled() => Err(Failure { node: None, message: "the run is stopped".into() }),
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                self.ground.claims.restore(claimed);
                let supplies = self.same_again(&old);
                self.begin(old, supplies, saver, next_id);
                return Err(NotReloaded::Refused(failure));
            }
        };
        // Where something has ended, a crash before the next checkpoint would have it end once more.
        let ends = |change: &Change| change.old.is_some() && !keeps_part(change);
        if let Some(saver) = saver.as_mut().filter(|_| diff.loses_state() || diff.changes.iter().any(ends)) {
            saver.hasten();
        }
        let undelivered = self.bury(diff, &old);
        let unsure = self.take_back(diff, &old);
        let supplies = self.supplies(&plan, &old, diff, opened);
        let left = std::mem::take(&mut self.parts);
        self.nodes.set(self.counters(&plan, &old, diff));
        self.watch = watch(&plan);
        self.begin(plan, supplies, saver, next_id);
        let pause = begun.elapsed();
        failpoint::hit("reloaded");
        // What nobody goes on with ends in its own time.
        tokio::spawn(async move {
            for (node, part) in left {
                let closed = match part {
                    Part::Source(mut part) => part.source.close().await,
                    Part::Sink(mut part) => part.sink.close().await,
                    Part::Stage(_) => Ok(()),
                };
                if let Err(error) = closed {
                    tracing::warn!(%node, "it left with the reload, and could not be closed in order: {error}");
                }
            }
        });
        Ok(Reloaded { pause, undelivered, unsure })
    }

    /// What the old nodes have to do at the barrier.
    fn order(&self, diff: &Diff) -> Order {
        let mut order = Order::default();
        for change in &diff.changes {
            let Some(node) = change.old.map(|old| &self.plan.nodes[old]) else { continue };
            match &change.fate {
                Fate::Change { state: StateFate::Cut(_), .. } | Fate::Remove { state: StateFate::Cut(_) } => {
                    order.cut.insert(node.id.clone());
                }
                _ if matches!(node.work, Work::Sink(_)) && !keeps_connection(change) => {
                    order.leaving.insert(node.id.clone());
                }
                _ => {}
            }
        }
        order
    }

    /// The sinks that write no file any more, as `Claims` calls them.
    fn leaving(&self, diff: &Diff) -> Vec<u64> {
        let olds = diff.changes.iter().filter(|change| !keeps_connection(change)).filter_map(|change| change.old);
        let parts = olds.filter_map(|old| self.parts.get(&self.plan.nodes[old].id));
        let numbers = parts.map(|part| match part {
            Part::Sink(part) => part.sink.claims_as(),
            Part::Source(_) | Part::Stage(_) => None,
        });
        numbers.flatten().collect()
    }

    fn begin(&mut self, plan: Arc<Plan>, supplies: Vec<Supply>, saver: Option<Saver>, next_id: u64) {
        self.graph = graph::start(&plan, &self.ground, &self.nodes.all(), supplies, saver, next_id);
        self.plan = plan;
    }

    /// Opens what is new: sources first.
    async fn open(&mut self, plan: &Plan, diff: &Diff, saves: bool, next_id: u64) -> Result<Opened, Failure> {
        let mut opened = Opened::default();
        let is_new = |change: &&Change| change.new.is_some() && !keeps_connection(change);
        for change in diff.changes.iter().filter(is_new) {
            let Some((place, node)) = at(plan, change) else { continue };
            if let Work::Source(source) = &node.work {
                let resume = self.position(change, next_id);
                let open = SourceOpen { resume, ..source_open(plan, source, &self.ground.options, saves) };
                let open = source.plan.open(open).await.map_err(|error| Failure::of(&node.id, error.message))?;
                opened.sources.insert(place, open);
            }
        }
        for change in diff.changes.iter().filter(is_new) {
            let Some((place, node)) = at(plan, change) else { continue };
            let Work::Sink(sink) = &node.work else { continue };
            // It comes after the barrier of the hand-over, and before that of the next checkpoint, which has what it writes.
            let resume = self.resume(change, node, sink, next_id - 1)?;
            let folder = self.ground.options.state.as_deref().filter(|_| saves);
            let open =
                open_sink(plan, node, sink, self.lineage, folder, Some(resume), self.ground.claims.clone()).await?;
            opened.sinks.insert(place, open);
        }
        Ok(opened)
    }

    /// Where a source had come to, if the one in its place can go on there.
    fn position(&mut self, change: &Change, id: u64) -> Option<Position> {
        let old = &self.plan.nodes[change.old?];
        match (&change.fate, self.parts.get_mut(&old.id)) {
            (Fate::Change { state: StateFate::Carried(_), .. }, Some(Part::Source(part))) => {
                Some(part.position(id)).filter(|position| !position.is_null())
            }
            _ => None,
        }
    }

    /// Where a sink begins: where one of the same kind had come to, if it writes the same; else behind all that is in a checkpoint.
    /// `Err`: it would write on where the other one cannot finish now, and a beginner would not know how far that is.
    fn resume(&self, change: &Change, node: &Node, sink: &SinkNode, id: u64) -> Result<SinkResume, Failure> {
        let begins = |state| SinkResume { id, state, pending: bytes::Bytes::new() };
        let Some(old) = change.old.map(|old| &self.plan.nodes[old]) else { return Ok(begins(Position::Null)) };
        let (Work::Sink(before), Some(Part::Sink(part))) = (&old.work, self.parts.get(&old.id)) else {
            return Ok(begins(Position::Null));
        };
        // Dead letters at another place are not these.
        if old.identity.kind != node.identity.kind || before.plan.dead_letters() != sink.plan.dead_letters() {
            return Ok(begins(Position::Null));
        }
        match &part.left_at {
            Some(state) => Ok(begins(state.clone())),
            None if sink.plan.goes_on_at().is_some_and(|what| before.plan.goes_on_at() == Some(what)) => {
                let message = "it would go on where the one before it cannot finish writing now; make that possible, or write elsewhere";
                Err(Failure::of(&node.id, message))
            }
            None => Ok(begins(Position::Null)),
        }
    }

    /// A source with a connection of its own: one that goes on where another had come to has its time as well. A beginner is no reason
    /// to wait before its first event.
    fn newly_connected(&self, source: Box<dyn Source>, change: &Change, before: Option<&Node>) -> SourcePart {
        match (&change.fate, before.and_then(|before| self.parts.get(&before.id))) {
            (Fate::Change { state: StateFate::Carried(_), .. }, Some(Part::Source(part))) => {
                SourcePart { mark: part.mark, idle_for: part.idle_for, ..SourcePart::new(source) }
            }
            _ => SourcePart { idle_for: Some(Duration::ZERO), ..SourcePart::new(source) },
        }
    }

    /// What each node of the new plan begins with.
    fn supplies(&mut self, plan: &Plan, old: &Plan, diff: &Diff, mut opened: Opened) -> Vec<Supply> {
        let mut supplies = Vec::with_capacity(plan.nodes.len());
        for (place, (node, change)) in plan.nodes.iter().zip(&diff.changes).enumerate() {
            let before = change.old.map(|old_place| &old.nodes[old_place]);
            let part = before.filter(|_| keeps_part(change)).and_then(|before| self.parts.remove(&before.id));
            supplies.push(match (&node.work, part) {
                (Work::Source(_), part) => Supply::Source(match (opened.sources.remove(&place), part) {
                    (Some(source), _) => self.newly_connected(source, change, before),
                    (None, Some(Part::Source(part))) => part,
                    (None, _) => unreachable!("a source that is not new has left its part"),
                }),
                (Work::Sink(_), part) => Supply::Sink(match (opened.sinks.remove(&place), part) {
                    (Some(sink), _) => Box::new(self.successor(sink, node)),
                    (None, Some(Part::Sink(part))) => part,
                    (None, _) => unreachable!("a sink that is not new has left its part"),
                }),
                (Work::Stage(_), Some(Part::Stage(part))) => {
                    let shape = before.and_then(shape);
                    Supply::Stage(StageState::After {
                        part,
                        shape,
                        is_renamed: before.is_some_and(|b| b.id != node.id),
                    })
                }
                // New, or all its inputs had ended.
                (Work::Stage(_), _) => Supply::Stage(StageState::Fresh),
            });
        }
        supplies
    }

    /// A sink that is new. Dead letters that now go elsewhere still have to be written.
    fn successor(&mut self, sink: Box<dyn Sink>, node: &Node) -> SinkPart {
        let new = SinkPart::new(sink);
        match self.parts.get_mut(&node.id) {
            Some(Part::Sink(old)) if node.role == Role::DeadLetters => {
                SinkPart { outgo: old.outgo.take(), done: old.done, ..new }
            }
            _ => new,
        }
    }

    /// The old plan's nodes with what they left behind.
    fn same_again(&mut self, plan: &Plan) -> Vec<Supply> {
        let mut supplies = Vec::with_capacity(plan.nodes.len());
        for node in &plan.nodes {
            supplies.push(match self.parts.remove(&node.id) {
                Some(Part::Source(part)) => Supply::Source(part),
                Some(Part::Sink(part)) => Supply::Sink(part),
                Some(Part::Stage(part)) => {
                    Supply::Stage(StageState::After { part, shape: shape(node), is_renamed: false })
                }
                None => Supply::Stage(StageState::Fresh),
            });
        }
        supplies
    }

    /// What sinks that leave have written and could not flush is not told as written. How much that is.
    fn take_back(&self, diff: &Diff, old: &Plan) -> usize {
        let counters = self.nodes.all();
        let mut unsure = 0;
        for place in diff.changes.iter().filter(|change| !keeps_connection(change)).filter_map(|change| change.old) {
            if let Some(Part::Sink(part)) = self.parts.get(&old.nodes[place].id) {
                unsure += part.unsure;
                counters.iter().skip(place).take(1).for_each(|counters| counters.took_back(part.unsure));
            }
        }
        unsure
    }

    /// What sinks that leave could not write becomes dead letters. How much that is.
    fn bury(&mut self, diff: &Diff, old: &Plan) -> usize {
        let counters = self.nodes.all();
        let mut undelivered = 0;
        for place in diff.changes.iter().filter(|change| !keeps_connection(change)).filter_map(|change| change.old) {
            let node = &old.nodes[place];
            let (Work::Sink(sink), Some(Part::Sink(part))) = (&node.work, self.parts.get_mut(&node.id)) else {
                continue;
            };
            if node.role == Role::DeadLetters {
                continue;
            }
            let buried = undeliverable(node, sink, part);
            // They were counted when the sink took them.
            counters[place].took_back(buried.taken);
            part.unsure = part.unsure.saturating_sub(buried.taken);
            undelivered += buried.taken + buried.waiting;
            let dead = old.nodes.iter().find(|node| node.role == Role::DeadLetters).map(|node| &node.id);
            if let Some(Part::Sink(dead)) = dead.and_then(|id| self.parts.get_mut(id))
                && let Some(outgo) = &mut dead.outgo
            {
                buried.letters.into_iter().for_each(|batch| drop(outgo.take(batch, usize::MAX)));
            }
        }
        undelivered
    }

    /// The counters of the new plan's nodes: those that stay go on counting.
    fn counters(&self, plan: &Plan, old: &Plan, diff: &Diff) -> Vec<Arc<NodeCounters>> {
        let all = self.nodes.all();
        let counters = plan.nodes.iter().zip(&diff.changes).map(|(node, change)| {
            let before = change.old.filter(|place| old.nodes[*place].id == node.id).and_then(|place| all.get(place));
            before.cloned().unwrap_or_else(|| Arc::new(NodeCounters::new(node.id.clone(), node.role)))
        });
        counters.collect()
    }
}

/// What a sink that leaves has not delivered.
struct Undelivered {
    letters: Vec<Batch>,
    /// Events that the sink had taken, and those that still waited for it.
    taken: usize,
    waiting: usize,
}

fn undeliverable(node: &Node, sink: &SinkNode, part: &mut SinkPart) -> Undelivered {
    let message = "the sink left with a reload, and its system had not taken the event";
    let why = Reject { code: codes::SINK_FAILED.id, message: message.into(), at: sink.place.clone() };
    let mut events = ErrorEvents::new(node.id.clone());
    let mut letters = Vec::new();
    let taken = part.sink.give_back();
    for event in &taken {
        let input = Undecodable {
            before: 0,
            raw: event.slice(..event.len().min(RAW_BYTES_KEPT_MAX)),
            length: event.len() as u64,
            code: codes::SINK_FAILED,
            message: message.into(),
            offset: None,
            time: Timestamp::NONE,
            key: None,
            headers: None,
        };
        events.push_raw(&why, &input, Timestamp::NONE);
        if events.is_full() {
            letters.push(events.finish());
        }
    }
    let waiting = part.held();
    if let Some(outgo) = part.outgo.take() {
        for (batch, row) in (part.done..outgo.len()).filter_map(|i| outgo.origin(i)) {
            events.push(&Rejected { batch, row, why: why.clone() });
            if events.is_full() {
                letters.push(events.finish());
            }
        }
    }
    if !events.is_empty() {
        letters.push(events.finish());
    }
    Undelivered { letters, taken: taken.len(), waiting }
}

fn shape(node: &Node) -> Option<crate::state::Shape> {
    match &node.work {
        Work::Stage(stage) => stage.stage.shape(),
        Work::Source(_) | Work::Sink(_) => None,
    }
}

fn at<'a>(plan: &'a Plan, change: &Change) -> Option<(usize, &'a Node)> {
    let place = change.new?;
    Some((place, plan.nodes.get(place)?))
}

/// Whether the connection of a source or sink goes on.
fn keeps_connection(change: &Change) -> bool {
    match &change.fate {
        Fate::Keep => true,
        Fate::Change { connection, .. } => *connection == Connection::Kept,
        Fate::Add | Fate::Remove { .. } => false,
    }
}

/// Whether what a node left behind is its successor's.
fn keeps_part(change: &Change) -> bool {
    match &change.fate {
        Fate::Keep => true,
        Fate::Change { connection, .. } => *connection != Connection::New,
        Fate::Add | Fate::Remove { .. } => false,
    }
}

/// Looks whether every new connection can be made and every sink's form is ready, while the old plan runs.
async fn prepare(plan: &Plan, diff: &Diff) -> Result<(), Failure> {
    for node in &plan.nodes {
        if let Work::Sink(sink) = &node.work {
            // Also where the connection stays: the events that it writes are encoded anew.
            prepare_encoding(node, sink).await?;
        }
    }
    for change in diff.changes.iter().filter(|change| !keeps_connection(change)) {
        let Some((_, node)) = at(plan, change) else { continue };
        let prepared = match &node.work {
            Work::Source(source) => source.plan.prepare(),
            Work::Sink(sink) => sink.plan.prepare(),
            Work::Stage(_) => continue,
        };
        let deadline = Duration::from_millis(PREPARE_MAX_MS);
        match tokio::time::timeout(deadline, prepared).await {
            Ok(prepared) => prepared.map_err(|error| Failure::of(&node.id, error.message))?,
            Err(_) => return Err(Failure::of(&node.id, format!("its system does not answer within {deadline:?}"))),
        }
    }
    Ok(())
}
