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
    with_store(sinks, None)
}

/// The same; with a folder, checkpoints are written there.
fn with_store(sinks: usize, folder: Option<&std::path::Path>) -> Bench {
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
        pace: None,
        hand_over_due: Arc::default(),
        stirred: stirred.clone(),
        saver: folder.map(|folder| {
            let store = crate::state::store::Store::open(folder).unwrap();
            Saver::new(store, "t".into(), 1, crate::run::Clock::start())
        }),
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
    assert_eq!(bench.sinks[1].recv().await, Some(SinkControl::HandOver(barrier.id)));
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

/// A graph of sources and sinks that pass barriers on in whatever order chance has it.
struct Model {
    bench: Bench,
    random: u64,
    /// Barriers that the source has put into the graph and each sink has not passed.
    under_way: Vec<std::collections::VecDeque<Barrier>>,
    /// Barriers that each sink has passed, or all of them once it has ended.
    passed: Vec<BTreeSet<u64>>,
    ended: Vec<bool>,
    gone: Vec<bool>,
    source_ended: bool,
}

impl Model {
    fn chance(&mut self, n: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % n
    }

    /// What the source hears. A commit is right only for what every sink has.
    fn listen(&mut self) {
        loop {
            match self.bench.source.try_recv() {
                Ok(Control::Barrier(barrier)) if !self.source_ended => {
                    let live = (0..self.under_way.len()).filter(|sink| !self.ended[*sink] && !self.gone[*sink]);
                    live.collect::<Vec<_>>().into_iter().for_each(|sink| self.under_way[sink].push_back(barrier));
                }
                Ok(Control::Barrier(_)) => {}
                Ok(Control::Commit(id)) => {
                    let has = |sink: usize| self.passed[sink].contains(&id) || self.ended[sink];
                    assert!(
                        (0..self.passed.len()).all(has),
                        "barrier {id} was committed and has not passed every sink"
                    );
                }
                Err(_) => return,
            }
        }
    }

    /// A sink does one thing: hears the coordinator, passes a barrier, or ends.
    async fn sink(&mut self, sink: usize) {
        if self.gone[sink] {
            return;
        }
        if let Ok(control) = self.bench.sinks[sink].try_recv() {
            match control {
                SinkControl::Checkpoint(id) => {
                    self.passed[sink].insert(id);
                    self.bench.report([Report::SinkPassed(sink, id)]).await;
                }
                SinkControl::Commit(_) => {}
                SinkControl::HandOver(_) => {
                    self.gone[sink] = true;
                    self.bench.report([Report::SinkLeft(sink)]).await;
                }
                SinkControl::Close => {
                    self.gone[sink] = true;
                    self.bench.report([Report::SinkDone(sink, Vec::new())]).await;
                }
            }
        } else if let Some(barrier) = self.under_way[sink].pop_front() {
            self.passed[sink].insert(barrier.id);
            if barrier.then == Then::HandOver {
                self.gone[sink] = true;
                return self.bench.report([Report::SinkLeft(sink)]).await;
            }
            self.bench.report([Report::SinkPassed(sink, barrier.id)]).await;
        } else if self.source_ended && !self.ended[sink] {
            self.ended[sink] = true;
            let holds = self.chance(2) == 0;
            self.bench.report([Report::SinkEnded { sink, holds }]).await;
        }
    }
}

#[tokio::test]
async fn whatever_comes_first_nothing_is_committed_too_early_and_all_ends() {
    for seed in 0..100 {
        let folder = tempfile::tempdir().unwrap();
        let sinks = 1 + seed as usize % 4;
        let bench = with_store(sinks, (seed % 2 == 0).then(|| folder.path()));
        let mut model = Model {
            bench,
            random: seed,
            under_way: vec![Default::default(); sinks],
            passed: vec![BTreeSet::new(); sinks],
            ended: vec![false; sinks],
            gone: vec![false; sinks],
            source_ended: false,
        };
        for step in 0.. {
            assert!(step < 20_000, "seed {seed}: it does not end");
            model.bench.stirred.store(true, Relaxed);
            tokio::task::yield_now().await;
            model.listen();
            let sink = model.chance(sinks as u64) as usize;
            model.sink(sink).await;
            match model.chance(120) {
                0 if !model.source_ended => {
                    model.source_ended = true;
                    model.bench.report([Report::SourceEnded(0)]).await;
                }
                1 => model.bench.stop.cancel(),
                2 => {
                    let (reply, _answer) = oneshot::channel();
                    let _ = model.bench.commands.try_send(Command::HandOver(Order::default(), reply));
                }
                3 => tokio::time::sleep(Duration::from_millis(2)).await,
                _ => {}
            }
            if model.gone.iter().all(|gone| *gone) {
                break;
            }
        }
        let ended = tokio::time::timeout(Duration::from_secs(10), model.bench.running).await;
        assert!(ended.is_ok_and(|ended| ended.is_ok()), "seed {seed}: the coordinator does not end");
    }
}
