//! The coordinator without a graph: what it tells when it is told this.

use super::*;
use crate::limits::{CONTROL_MAX, REPORTS_MAX};

/// A coordinator of one source and some sinks, and the ends that a graph has of it.
struct Bench {
    source: mpsc::Receiver<Control>,
    sinks: Vec<mpsc::Receiver<SinkControl>>,
    reports: mpsc::Sender<Report>,
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
    stirred: Arc<AtomicBool>,
    running: tokio::task::JoinHandle<CoordinatorEnd>,
}

fn bench(sinks: usize) -> Bench {
    let (control, source) = mpsc::channel(CONTROL_MAX);
    let (reports, told) = mpsc::channel(REPORTS_MAX);
    let (commands, asked) = mpsc::channel(1);
    let (seats, sinks): (Vec<_>, Vec<_>) = (0..sinks)
        .map(|_| {
            let (control, told) = mpsc::channel(CONTROL_MAX);
            (SinkSeat::new(control), told)
        })
        .unzip();
    let stop = CancellationToken::new();
    let stirred = Arc::new(AtomicBool::new(true));
    let coordinator = Coordinator::new(Seats {
        sources: vec![control],
        sinks: seats,
        reports: told,
        commands: asked,
        hand_over: Arc::default(),
        stop: stop.clone(),
        every: Some(Duration::from_millis(1)),
        stirred: stirred.clone(),
        saver: None,
        next_id: 1,
    });
    Bench { source, sinks, reports, commands, stop, stirred, running: tokio::spawn(coordinator.run()) }
}

impl Bench {
    async fn report(&self, reports: impl IntoIterator<Item = Report>) {
        for report in reports {
            self.reports.send(report).await.unwrap();
        }
    }

    /// The next barrier that the source is told; commits before it.
    async fn barrier(&mut self) -> (Barrier, Vec<u64>) {
        self.stirred.store(true, Relaxed);
        let mut commits = Vec::new();
        loop {
            match self.source.recv().await.expect("the coordinator is there") {
                Control::Barrier(barrier) => return (barrier, commits),
                Control::Commit(id) => commits.push(id),
            }
        }
    }

    /// What the source is told from now on.
    async fn rest(mut self) -> (Vec<u64>, CoordinatorEnd) {
        let end = self.running.await.unwrap();
        let mut commits = Vec::new();
        while let Some(control) = self.source.recv().await {
            if let Control::Commit(id) = control {
                commits.push(id);
            }
        }
        (commits, end)
    }
}

#[tokio::test]
async fn a_barrier_is_committed_when_it_has_passed_every_sink_and_then_comes_the_next() {
    let mut bench = bench(2);
    let (first, _) = bench.barrier().await;
    bench.report([Report::SinkPassed(1, first.id)]).await;
    bench.report([Report::SinkPassed(0, first.id)]).await;
    let (second, commits) = bench.barrier().await;
    assert_eq!((commits, second.id), (vec![first.id], first.id + 1));
    bench.stop.cancel();
    bench.report([Report::SinkPassed(1, second.id), Report::SinkPassed(0, second.id)]).await;
    let (last, commits) = bench.barrier().await;
    assert_eq!((last.then, commits), (Then::Stop, vec![second.id]));
    bench.report([Report::SinkPassed(0, last.id), Report::SinkPassed(1, last.id)]).await;
    for sink in 0..2 {
        while bench.sinks[sink].recv().await != Some(SinkControl::Close) {}
        bench.report([Report::SinkDone(sink, Vec::new())]).await;
    }
    let (commits, end) = bench.rest().await;
    assert_eq!(commits, [last.id]);
    assert!(!end.is_complete, "it was stopped");
}

#[tokio::test]
async fn one_that_has_ended_has_every_barrier() {
    let mut bench = bench(2);
    let (first, _) = bench.barrier().await;
    bench.report([Report::SinkPassed(0, first.id), Report::SinkEnded { sink: 1, holds: false }]).await;
    let (_, commits) = bench.barrier().await;
    assert_eq!(commits, [first.id]);
    bench.report([Report::SourceEnded(0), Report::SinkEnded { sink: 0, holds: false }]).await;
    for sink in 0..2 {
        while bench.sinks[sink].recv().await != Some(SinkControl::Close) {}
        bench.report([Report::SinkDone(sink, Vec::new())]).await;
    }
    assert!(bench.rest().await.1.is_complete);
}

#[tokio::test]
async fn what_a_failed_sink_had_is_never_committed() {
    for late in [false, true] {
        let mut bench = bench(2);
        let (first, _) = bench.barrier().await;
        let reports = [Report::SinkPassed(0, first.id), Report::SinkFailed(1, Vec::new())];
        let (one, other) = reports.into();
        let order = if late { [other, one] } else { [one, other] };
        bench.report(order).await;
        bench.stop.cancel();
        bench.report([Report::SinkEnded { sink: 0, holds: false }]).await;
        while bench.sinks[0].recv().await != Some(SinkControl::Close) {}
        bench.report([Report::SinkDone(0, Vec::new())]).await;
        let (commits, end) = bench.rest().await;
        assert_eq!((commits, end.is_complete), (vec![], false));
    }
}

#[tokio::test]
async fn a_hand_over_waits_for_no_barrier_under_way() {
    let mut bench = bench(2);
    let (first, _) = bench.barrier().await;
    bench.report([Report::SinkEnded { sink: 1, holds: false }]).await;
    let (reply, answer) = oneshot::channel();
    assert!(bench.commands.send(Command::HandOver(Order::default(), reply)).await.is_ok());
    assert!(answer.await.unwrap());
    let (barrier, commits) = bench.barrier().await;
    assert_eq!((barrier.then, barrier.id, commits), (Then::HandOver, first.id + 1, vec![]));
    assert_eq!(bench.sinks[1].recv().await, Some(SinkControl::HandOver));
    bench.report([Report::SinkLeft(1), Report::SinkPassed(0, first.id), Report::SinkLeft(0)]).await;
    let (commits, end) = bench.rest().await;
    assert_eq!((commits, end.next_id), (vec![], barrier.id + 1), "what has not passed all is not acknowledged");
}

#[tokio::test]
async fn a_topology_that_is_ending_hands_nothing_over() {
    let bench = bench(1);
    bench.report([Report::SinkEnded { sink: 0, holds: false }]).await;
    let (reply, answer) = oneshot::channel();
    let _ = bench.commands.send(Command::HandOver(Order::default(), reply)).await;
    assert!(!answer.await.unwrap_or(false));
    bench.report([Report::SinkDone(0, Vec::new())]).await;
    assert!(bench.rest().await.1.is_complete);
}
