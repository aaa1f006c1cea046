//! A sink that writes exactly once, without a run around it: what is in the stream after each way of ending.

use std::sync::Arc;

use async_nats::jetstream::{self, stream};
use topology_runner::connectors::{Encoded, ErrorKind, Sink, SinkOpen, SinkResume, SinkState};
use topology_runner::plan::Plan;

use super::position::planned;
use super::server::Server;
use super::{folder, stored};

/// A sink that writes to the stream OUT.
struct Writer {
    _dir: tempfile::TempDir,
    plan: Plan,
}

impl Writer {
    fn new(server: &Server, subject: &str) -> Writer {
        let (dir, url) = (folder(), server.url());
        let topology = format!(
            "topology: test\nsources:\n  in: {{ generate: {{ event: \"#{{ n: 1 }}\", count: 1 }}, time: arrival }}\nsinks:\n  out:\n    from: in\n    \
             nats: {{ url: \"{url}\", stream: OUT, subject: \"{subject}\", max_pending: 7 }}\n    delivery: exactly_once\n"
        );
        let plan = planned(dir.path(), &topology);
        Writer { _dir: dir, plan }
    }

    async fn open(&self, resume: Option<SinkResume>, has_checkpoints: bool) -> Box<dyn Sink> {
        let open = SinkOpen {
            name: "test/out".into(),
            lineage: 0xabc,
            resume,
            has_checkpoints,
            notes: None,
            frames: Default::default(),
            claims: Arc::default(),
        };
        let sink = self.plan.sinks().next().expect("there is a sink");
        sink.plan.open(open).await.expect("the sink opens")
    }

    /// Another run, that goes on from a checkpoint.
    async fn resume(&self, id: u64, state: SinkState) -> Box<dyn Sink> {
        let resume = SinkResume { id, state: state.state, pending: state.pending };
        self.open(Some(resume), true).await
    }
}

/// `{"n": i}` for each number.
fn events(numbers: std::ops::Range<u64>) -> Encoded {
    let mut all = Encoded::default();
    for n in numbers {
        all.bytes.extend_from_slice(format!("{{\"n\":{n}}}").as_bytes());
        all.ends.push(all.bytes.len() as u32);
    }
    all
}

async fn write(sink: &mut dyn Sink, numbers: std::ops::Range<u64>) {
    let (events, mut done) = (events(numbers), 0);
    sink.write(&events, &mut done).await.expect("the sink takes events");
    assert_eq!(done, events.len());
}

/// The stream has these numbers, each once.
async fn has(context: &jetstream::Context, numbers: std::ops::Range<u64>) {
    let found = stored(context, "OUT").await;
    assert!(found.keys().copied().eq(numbers), "{:?}", found.keys());
    assert!(found.values().all(|count| *count == 1), "an event is there twice: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_sent_when_their_checkpoint_is_on_disk() {
    let server = Server::start("");
    let context = server.stream("OUT", "out.>").await;
    let writer = Writer::new(&server, "out.a");
    let mut sink = writer.open(None, true).await;
    write(&mut *sink, 0..50).await;
    let first = sink.checkpoint(1).await.expect("a checkpoint");
    write(&mut *sink, 50..60).await;
    sink.flush().await.expect("a flush");
    has(&context, 0..0).await;
    sink.commit(1).await.expect("a commit");
    has(&context, 0..50).await;
    // A crash before anything was remembered of the commit, and an end that nobody wanted: both send nothing twice.
    sink.close().await.expect("it closes");
    let mut sink = writer.resume(1, first).await;
    has(&context, 0..50).await;
    write(&mut *sink, 50..60).await;
    let second = sink.checkpoint(2).await.expect("a checkpoint");
    drop(sink);
    let mut sink = writer.resume(2, second).await;
    has(&context, 0..60).await;
    // The input ends.
    write(&mut *sink, 60..65).await;
    assert!(sink.holds_back());
    sink.checkpoint(3).await.expect("a checkpoint");
    sink.commit(3).await.expect("a commit");
    assert!(!sink.holds_back());
    sink.close().await.expect("it closes");
    has(&context, 0..65).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_goes_on_where_it_stopped() {
    let mut server = Server::start("");
    let context = server.stream("OUT", "out.>").await;
    let writer = Writer::new(&server, "out.a");
    let mut sink = writer.open(None, true).await;
    write(&mut *sink, 0..2_000).await;
    sink.checkpoint(1).await.expect("a checkpoint");
    let result = tokio::select! {
        result = sink.commit(1) => result,
        () = async {
            while context.get_stream("OUT").await.expect("a stream").cached_info().state.messages == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            server.kill();
            std::future::pending::<()>().await;
        } => unreachable!("it waits for ever"),
    };
    let error = result.expect_err("the server is gone");
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    // Meanwhile a checkpoint takes what comes, and what is not sent yet.
    write(&mut *sink, 2_000..2_010).await;
    let second = sink.checkpoint(2).await.expect("a checkpoint");
    server.restart();
    let end = std::time::Instant::now() + super::PATIENCE;
    while let Err(error) = sink.commit(1).await {
        assert!(error.is_transient() && std::time::Instant::now() < end, "{error}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let context = server.jetstream().await;
    has(&context, 0..2_000).await;
    drop(sink);
    drop(writer.resume(2, second).await);
    has(&context, 0..2_010).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_will_not_take_is_the_events_own_error() {
    let server = Server::start("");
    let context = server.jetstream().await;
    let config = stream::Config {
        name: "OUT".into(),
        subjects: vec!["out.*".into()],
        max_message_size: 200,
        ..Default::default()
    };
    context.create_stream(config).await.expect("the stream is made");
    let writer = Writer::new(&server, "{{ event.to }}");
    let mut sink = writer.open(None, true).await;
    let mut events = events(0..4);
    events.bytes.extend_from_slice(&[b'x'; 300]);
    events.ends.push(events.bytes.len() as u32);
    events.targets = ["out.a", "out.a.b", "out.b", "out b", "out.a"].map(Into::into).to_vec();
    let (mut done, mut codes) = (0, Vec::new());
    while let Err(error) = sink.write(&events, &mut done).await {
        codes.push((done, error.kind));
        done += 1;
    }
    let event = ErrorKind::Event;
    assert_eq!(codes, [(1, event("bad-subject")), (3, event("bad-subject")), (4, event("message-too-large"))]);
    sink.checkpoint(1).await.expect("a checkpoint");
    sink.commit(1).await.expect("a commit");
    assert!(stored(&context, "OUT").await.keys().copied().eq([0, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_checkpoints_nothing_is_held_back() {
    let server = Server::start("");
    let context = server.stream("OUT", "out.>").await;
    let writer = Writer::new(&server, "out.a");
    let mut sink = writer.open(None, false).await;
    write(&mut *sink, 0..20).await;
    has(&context, 0..20).await;
    assert!(!sink.wants_checkpoint());
}
