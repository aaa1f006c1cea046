//! The one who sends barriers into the graph, hears when they have passed, has checkpoints written, tells sources and sinks, and
//! ends a graph: at its inputs' end, at a stop, or for another graph to take its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::connectors::Written as FileWritten;
use crate::flow::{Barrier, Saves, Then};
use crate::state::failpoint;

use super::hand_over::{HandOver, Order};
use super::pace::{Pace, Waiters};
pub(super) use super::saver::NodePart;
use super::saver::{Saver, Written};

/// What the coordinator tells a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// Put this barrier behind all that was read.
    Barrier(Barrier),
    /// Everything before this barrier has passed every sink, and is in a checkpoint where there are any.
    Commit(u64),
}

/// What the coordinator tells a sink, beside the barriers that come with the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SinkControl {
    /// Its inputs have ended, so this checkpoint's barrier never comes: give the part of it now.
    Checkpoint(u64),
    /// This checkpoint is on disk: send what was held back for it.
    Commit(u64),
    /// Its inputs have ended, so this hand-over's barrier never comes: hand over now.
    HandOver(u64),
    /// All is done: close.
    Close,
}

/// What tasks tell the coordinator.
#[derive(Debug)]
pub(super) enum Report {
    /// A node's part of the checkpoint at this barrier, or of the first one after it.
    Saved(Arc<str>, u64, Box<NodePart>),
    SourceEnded(usize),
    /// A source reads nothing before the next barrier: see `Pace`.
    SourceWaits(usize),
    /// A sink has written everything before this barrier.
    SinkPassed(usize, u64),
    /// The inputs of a sink have ended, and all is written but what it holds back for a checkpoint, if so.
    SinkEnded {
        sink: usize,
        holds: bool,
    },
    /// A sink holds back much, and wants a checkpoint.
    SinkWaits,
    /// A sink has handed over to the next graph.
    SinkLeft(usize),
    /// A sink has closed: these are its files.
    SinkDone(usize, Vec<FileWritten>),
    /// A sink has failed: what it was given may be lost, so that nothing more is acknowledged.
    SinkFailed(usize, Vec<FileWritten>),
    /// A sink's reader has gone away: the run ends quietly.
    SinkClosed,
}

/// What the run asks of the coordinator.
pub(super) enum Command {
    /// Stop this graph at one barrier, so that another takes its place. Answered with false if it is ending anyway.
    HandOver(Order, oneshot::Sender<bool>),
}

/// What a coordinator leaves behind.
pub(super) struct CoordinatorEnd {
    pub saver: Option<Saver>,
    /// The number of the next barrier.
    pub next_id: u64,
    pub written: Vec<FileWritten>,
    /// Whether the inputs have ended, and not a stop or a failure the run.
    pub is_complete: bool,
    /// Why the last checkpoint of a run that ends could not be written.
    pub unsaved: Option<String>,
}

/// How far a graph is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// A stop's barrier is under way, or a last checkpoint after the end of all inputs.
    Ending(u64),
    HandingOver,
    Closing,
}

/// How far a sink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SinkPhase {
    /// Barriers reach it with the events.
    Live,
    /// Its inputs have ended, or a stopping barrier has passed.
    Ended {
        holds: bool,
    },
    Gone,
}

pub(super) struct SinkSeat {
    pub control: mpsc::Sender<SinkControl>,
    phase: SinkPhase,
}

impl SinkSeat {
    pub fn new(control: mpsc::Sender<SinkControl>) -> SinkSeat {
        SinkSeat { control, phase: SinkPhase::Live }
    }
}

/// A barrier under way, and the sinks that it has not passed.
struct Waiting {
    barrier: Barrier,
    sinks: BTreeSet<usize>,
}

pub(super) struct Coordinator {
    /// By number of the source; `None` once it has ended.
    sources: Vec<Option<mpsc::Sender<Control>>>,
    sinks: Vec<SinkSeat>,
    reports: mpsc::Receiver<Report>,
    commands: mpsc::Receiver<Command>,
    hand_over: Arc<HandOver>,
    stop: CancellationToken,
    /// The time between barriers, where there are any.
    every: Option<Duration>,
    /// Whether anything has gone into the graph since the last barrier.
    stirred: Arc<AtomicBool>,
    saver: Option<Saver>,
    next_id: u64,
    phase: Phase,
    waiting: BTreeMap<u64, Waiting>,
    /// Checkpoints whose parts are all there.
    ready: Option<u64>,
    /// A sink wants a checkpoint, or all sources wait for one.
    wanted: bool,
    pace: Option<Pace>,
    waiters: Waiters,
    hand_over_due: Arc<Notify>,
    failed: bool,
    is_complete: bool,
    unsaved: Option<String>,
    written: Vec<FileWritten>,
}

/// What a coordinator is made of.
pub(super) struct Seats {
    pub sources: Vec<mpsc::Sender<Control>>,
    pub sinks: Vec<SinkSeat>,
    pub reports: mpsc::Receiver<Report>,
    pub commands: mpsc::Receiver<Command>,
    pub hand_over: Arc<HandOver>,
    pub stop: CancellationToken,
    pub every: Option<Duration>,
    pub stirred: Arc<AtomicBool>,
    pub pace: Option<Pace>,
    pub hand_over_due: Arc<Notify>,
    pub saver: Option<Saver>,
    pub next_id: u64,
}

impl Coordinator {
    pub fn new(mut seats: Seats) -> Coordinator {
        let wanted = seats.saver.as_mut().is_some_and(Saver::take_haste);
        Coordinator {
            sources: seats.sources.into_iter().map(Some).collect(),
            sinks: seats.sinks,
            reports: seats.reports,
            commands: seats.commands,
            hand_over: seats.hand_over,
            stop: seats.stop,
            every: seats.every,
            stirred: seats.stirred,
            saver: seats.saver,
            next_id: seats.next_id,
            phase: Phase::Running,
            waiting: BTreeMap::new(),
            ready: None,
            wanted,
            pace: seats.pace,
            waiters: Waiters::default(),
            hand_over_due: seats.hand_over_due,
            failed: false,
            is_complete: false,
            unsaved: None,
            written: Vec::new(),
        }
    }

    /// Runs until every sink has closed, failed or handed over.
    pub async fn run(mut self) -> CoordinatorEnd {
        let every = self.every.unwrap_or(Duration::from_secs(3600));
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.sinks.iter().any(|sink| sink.phase != SinkPhase::Gone) {
            let is_running = self.phase == Phase::Running;
            let is_writing = self.saver.as_ref().is_some_and(Saver::is_writing);
            let may_begin = is_running && self.every.is_some() && self.waiting.is_empty() && !is_writing;
            tokio::select! {
                biased;
                report = self.reports.recv() => match report {
                    Some(report) => self.on_report(report).await,
                    // Every task has gone, and none has said so: they have panicked or were aborted.
                    None => break,
                },
                written = written(&mut self.saver), if is_writing => self.on_written(written).await,
                Some(command) = self.commands.recv() => self.on_command(command).await,
                () = self.stop.cancelled(), if is_running => self.stop().await,
                _ = ticks.tick(), if may_begin => {
                    if self.stirred.swap(false, Relaxed) {
                        self.begin(Then::Continue).await;
                    }
                }
                () = std::future::ready(()), if may_begin && self.wanted => self.begin(Then::Continue).await,
            }
        }
        while self.phase != Phase::HandingOver && self.saver.as_ref().is_some_and(Saver::is_writing) {
            let written = written(&mut self.saver).await;
            self.on_written(written).await;
        }
        CoordinatorEnd {
            saver: self.saver,
            next_id: self.next_id,
            written: self.written,
            is_complete: self.is_complete && !self.failed,
            unsaved: self.unsaved,
        }
    }

    async fn on_report(&mut self, report: Report) {
        match report {
            Report::Saved(node, barrier, part) => {
                if let Some(saver) = &mut self.saver {
                    saver.take(&node, barrier, *part);
                }
            }
            Report::SourceEnded(source) => {
                self.sources[source] = None;
                self.pace();
            }
            Report::SourceWaits(source) => {
                self.waiters.add(source);
                self.pace();
            }
            Report::SinkPassed(sink, id) => {
                if let Some(waiting) = self.waiting.get_mut(&id) {
                    waiting.sinks.remove(&sink);
                    if waiting.barrier.then == Then::Stop {
                        self.sinks[sink].phase = SinkPhase::Ended { holds: false };
                    }
                }
                if self.failed {
                    return self.close_ended().await;
                }
                self.settle().await;
            }
            Report::SinkEnded { sink, holds } => self.on_ended(sink, holds).await,
            Report::SinkWaits => self.wanted = true,
            Report::SinkLeft(sink) => self.sinks[sink].phase = SinkPhase::Gone,
            Report::SinkDone(sink, files) => {
                self.sinks[sink].phase = SinkPhase::Gone;
                self.written.extend(files);
            }
            Report::SinkFailed(sink, files) => {
                self.failed = true;
                self.sinks[sink].phase = SinkPhase::Gone;
                self.written.extend(files);
                // Nobody waits for those that have ended any more.
                self.close_ended().await;
            }
            Report::SinkClosed => self.stop.cancel(),
        }
    }

    /// Does what sources wait for, if all do.
    fn pace(&mut self) {
        match self.pace {
            Some(_) if !self.waiters.are_all(&self.sources) => {}
            Some(Pace::Checkpoint(_)) => self.wanted = true,
            Some(Pace::HandOver(_)) => self.hand_over_due.notify_one(),
            None => {}
        }
    }

    /// The inputs of a sink have ended: no barrier comes to it any more.
    async fn on_ended(&mut self, sink: usize, holds: bool) {
        self.sinks[sink].phase = SinkPhase::Ended { holds };
        if self.phase == Phase::HandingOver {
            // Its barrier was the last one.
            return self.tell_sink(sink, SinkControl::HandOver(self.next_id - 1)).await;
        }
        if self.failed || self.phase == Phase::Closing {
            return self.tell_sink(sink, SinkControl::Close).await;
        }
        let mut ask = Vec::new();
        for (id, waiting) in &mut self.waiting {
            if waiting.barrier.saves == Saves::Nothing {
                waiting.sinks.remove(&sink);
            } else if waiting.sinks.contains(&sink) {
                ask.push(*id);
            }
        }
        for id in ask {
            self.tell_sink(sink, SinkControl::Checkpoint(id)).await;
        }
        self.settle().await;
        if self.phase == Phase::Running && self.all_ended() {
            self.finish().await;
        }
    }

    fn all_ended(&self) -> bool {
        self.sinks.iter().all(|sink| sink.phase != SinkPhase::Live)
    }

    /// All inputs have ended. What sinks hold back needs one more checkpoint before it is sent.
    async fn finish(&mut self) {
        self.is_complete = true;
        let holds = self.sinks.iter().any(|sink| sink.phase == SinkPhase::Ended { holds: true });
        if holds && self.saver.is_some() && !self.failed {
            self.begin(Then::Stop).await;
        } else {
            self.close().await;
        }
    }

    async fn stop(&mut self) {
        self.begin(Then::Stop).await;
    }

    /// Sends a barrier.
    async fn begin(&mut self, then: Then) {
        self.wanted = false;
        self.waiters.clear();
        let id = self.next_id;
        self.next_id += 1;
        let saves = match &mut self.saver {
            Some(saver) if then != Then::HandOver => saver.saves(id),
            _ => Saves::Nothing,
        };
        self.phase = match then {
            Then::Continue => self.phase,
            Then::Stop => Phase::Ending(id),
            Then::HandOver => Phase::HandingOver,
        };
        let barrier = Barrier { id, then, saves };
        let there = |phase: SinkPhase| match phase {
            SinkPhase::Live => true,
            SinkPhase::Ended { .. } => saves != Saves::Nothing,
            SinkPhase::Gone => false,
        };
        let sinks = self.sinks.iter().enumerate().filter(|(_, sink)| there(sink.phase)).map(|(sink, _)| sink);
        self.waiting.insert(id, Waiting { barrier, sinks: sinks.collect() });
        self.tell_sources(Control::Barrier(barrier)).await;
        for sink in 0..self.sinks.len() {
            match self.sinks[sink].phase {
                SinkPhase::Ended { .. } if then == Then::HandOver => {
                    self.tell_sink(sink, SinkControl::HandOver(id)).await;
                }
                SinkPhase::Ended { .. } if saves != Saves::Nothing => {
                    self.tell_sink(sink, SinkControl::Checkpoint(id)).await;
                }
                _ => {}
            }
        }
        self.settle().await;
    }

    async fn on_command(&mut self, command: Command) {
        let Command::HandOver(order, reply) = command;
        let can = self.phase == Phase::Running && !self.failed && !self.all_ended();
        let can = can && self.sources.iter().any(Option::is_some);
        if can {
            self.hand_over.ask(order);
            // A sink that is stuck does not pass the barriers under way: their parts go into the next checkpoint.
            self.waiting.clear();
            self.begin(Then::HandOver).await;
        }
        // Whoever asked waits for it, or has gone.
        let _ = reply.send(can);
    }

    /// Barriers pass in order: those that no sink holds up any more have passed.
    async fn settle(&mut self) {
        while let Some(entry) = self.waiting.first_entry() {
            if !entry.get().sinks.is_empty() || self.failed {
                break;
            }
            let (id, Waiting { barrier, .. }) = entry.remove_entry();
            if barrier.saves == Saves::Nothing {
                self.passed(id).await;
            } else {
                // A later one holds all that an earlier one would.
                self.ready = Some(id);
            }
        }
        if let (Some(id), Some(saver)) = (self.ready, &mut self.saver)
            && !saver.is_writing()
        {
            self.ready = None;
            if let Err(why) = saver.write(id)
                && self.phase == Phase::Ending(id)
            {
                self.unsaved = Some(why.into());
                self.close().await;
            }
        }
    }

    async fn on_written(&mut self, written: Option<Written>) {
        let Some(written) = written else { return self.settle().await };
        if let Some(saver) = &mut self.saver {
            saver.tell(&written);
        }
        match written.result {
            Ok(()) => self.passed(written.id).await,
            Err(why) => {
                self.stirred.store(true, Relaxed);
                if self.phase == Phase::Ending(written.id) {
                    self.unsaved = Some(why);
                    self.close().await;
                }
            }
        }
        self.settle().await;
    }

    /// Everything before this barrier is where it belongs.
    async fn passed(&mut self, id: u64) {
        if self.failed {
            return;
        }
        self.tell_sources(Control::Commit(id)).await;
        for sink in 0..self.sinks.len() {
            self.tell_sink(sink, SinkControl::Commit(id)).await;
        }
        failpoint::hit("committed");
        if self.phase == Phase::Ending(id) {
            self.close().await;
        }
    }

    /// Every sink that is there closes, and sources that wait for a commit go.
    async fn close(&mut self) {
        self.phase = Phase::Closing;
        self.sources.iter_mut().for_each(|source| *source = None);
        self.close_ended().await;
    }

    async fn close_ended(&mut self) {
        for sink in 0..self.sinks.len() {
            if matches!(self.sinks[sink].phase, SinkPhase::Ended { .. }) {
                self.tell_sink(sink, SinkControl::Close).await;
            }
        }
    }

    async fn tell_sources(&self, control: Control) {
        for source in self.sources.iter().flatten() {
            // A source that has just ended does not listen; its report is on the way.
            let _ = source.send(control).await;
        }
    }

    async fn tell_sink(&self, sink: usize, control: SinkControl) {
        if self.sinks[sink].phase != SinkPhase::Gone {
            // One that has failed does not listen; its report is on the way.
            let _ = self.sinks[sink].control.send(control).await;
        }
    }
}

async fn written(saver: &mut Option<Saver>) -> Option<Written> {
    match saver {
        Some(saver) => saver.written().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "coordinator_tests.rs"]
mod tests;
