//! The one who sends barriers into the graph, hears when they have passed every sink, tells the sources, and ends the run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::connectors::Written;
use crate::flow::{Barrier, Then};

/// What the coordinator tells a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// Put this barrier behind all that was read.
    Barrier(Barrier),
    /// Everything before this barrier has passed every sink.
    Commit(u64),
}

/// What tasks tell the coordinator.
#[derive(Debug)]
pub(super) enum Report {
    SourceEnded(usize),
    /// A sink has written everything before this barrier.
    SinkPassed(usize, u64),
    SinkEnded(usize, Vec<Written>),
    /// A sink has failed: what it was given may be lost, so that nothing more is acknowledged.
    SinkFailed(usize, Vec<Written>),
    /// A sink's reader has gone away: the run ends quietly.
    SinkClosed,
}

pub(super) struct Coordinator {
    /// By number of the source; `None` once it has ended.
    pub sources: Vec<Option<mpsc::Sender<Control>>>,
    pub sinks: usize,
    pub reports: mpsc::Receiver<Report>,
    /// The time between barriers, where a source waits for acknowledgement.
    pub every: Option<Duration>,
    pub stop: CancellationToken,
}

impl Coordinator {
    /// Runs until every sink has ended. Gives the files they wrote.
    pub async fn run(mut self) -> Vec<Written> {
        let mut live: BTreeSet<usize> = (0..self.sinks).collect();
        let mut waiting: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
        let mut written = Vec::new();
        let mut next_id = 1;
        let mut stopping = false;
        let mut failed = false;
        let mut ticks = tokio::time::interval(self.every.unwrap_or(Duration::from_secs(3600)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !live.is_empty() {
            let then = tokio::select! {
                biased;
                report = self.reports.recv() => {
                    match report {
                        None => return written,
                        Some(Report::SourceEnded(source)) => self.sources[source] = None,
                        Some(Report::SinkPassed(sink, id)) => {
                            if let Some(sinks) = waiting.get_mut(&id) {
                                sinks.remove(&sink);
                            }
                        }
                        Some(Report::SinkEnded(sink, files)) => {
                            live.remove(&sink);
                            waiting.values_mut().for_each(|sinks| {
                                sinks.remove(&sink);
                            });
                            written.extend(files);
                        }
                        Some(Report::SinkFailed(sink, files)) => {
                            failed = true;
                            live.remove(&sink);
                            written.extend(files);
                        }
                        Some(Report::SinkClosed) => self.stop.cancel(),
                    }
                    if !failed {
                        self.commit_passed(&mut waiting).await;
                    }
                    continue;
                }
                () = self.stop.cancelled(), if !stopping => Then::Stop,
                _ = ticks.tick(), if self.every.is_some() && !stopping && waiting.is_empty() => Then::Continue,
            };
            stopping = then == Then::Stop;
            waiting.insert(next_id, live.clone());
            self.tell(Control::Barrier(Barrier { id: next_id, then, saves: false })).await;
            next_id += 1;
        }
        written
    }

    /// Barriers pass in order: those that no sink holds up any more are done.
    async fn commit_passed(&mut self, waiting: &mut BTreeMap<u64, BTreeSet<usize>>) {
        while let Some(entry) = waiting.first_entry() {
            if !entry.get().is_empty() {
                return;
            }
            let (id, _) = entry.remove_entry();
            self.tell(Control::Commit(id)).await;
        }
    }

    async fn tell(&self, control: Control) {
        for source in self.sources.iter().flatten() {
            // A source that has just ended does not listen; its report is on the way.
            let _ = source.send(control).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{CONTROL_MAX, REPORTS_MAX};

    /// A coordinator of one source and two sinks, told these reports after its first barrier; what it then tells the source.
    async fn told_after(reports: Vec<Report>) -> Vec<Control> {
        let (control, mut told) = mpsc::channel(CONTROL_MAX);
        let (sender, receiver) = mpsc::channel(REPORTS_MAX);
        let coordinator = Coordinator {
            sources: vec![Some(control)],
            sinks: 2,
            reports: receiver,
            every: Some(Duration::from_secs(3600)),
            stop: CancellationToken::new(),
        };
        let running = tokio::spawn(coordinator.run());
        assert!(matches!(told.recv().await, Some(Control::Barrier(Barrier { id: 1, then: Then::Continue, .. }))));
        for report in reports {
            sender.send(report).await.unwrap();
        }
        running.await.unwrap();
        let mut all = Vec::new();
        while let Some(control) = told.recv().await {
            all.push(control);
        }
        all.retain(|control| matches!(control, Control::Commit(_)));
        all
    }

    #[tokio::test]
    async fn what_a_failed_sink_had_is_never_acknowledged() {
        let ended = |sink| Report::SinkEnded(sink, Vec::new());
        let whole = vec![Report::SinkPassed(0, 1), ended(0), ended(1)];
        assert_eq!(told_after(whole).await, [Control::Commit(1)], "one that has ended has flushed all");
        let failed = vec![Report::SinkPassed(0, 1), Report::SinkFailed(1, Vec::new()), ended(0)];
        assert_eq!(told_after(failed).await, []);
        let late = vec![Report::SinkFailed(1, Vec::new()), Report::SinkPassed(0, 1), ended(0)];
        assert_eq!(told_after(late).await, []);
    }
}
