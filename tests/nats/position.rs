//! A source of a stream and its checkpoints, without a run around it: where it says that it stands, and where it goes on.

use std::path::Path;
use std::time::Duration;

use async_nats::jetstream::{self, consumer, stream};
use topology_runner::connectors::{Framing, Position, Pull, Source, SourceOpen};
use topology_runner::diagnostic::Diagnostics;
use topology_runner::plan::{self, Plan};
use topology_runner::spec::{self, Settings};

use super::PATIENCE;
use super::folder;
use super::server::{Server, consumer, info, publish};

/// The plan of a topology.
pub fn planned(dir: &Path, topology: &str) -> Plan {
    let file = dir.join("t.yaml");
    std::fs::write(&file, topology).expect("the topology is written");
    let mut diagnostics = Diagnostics::new();
    let outside = Settings { set: &[], env: &|_| None };
    let spec = spec::read_file(&file, &plan::CATALOG, outside, &mut diagnostics).expect("the topology is read");
    plan::plan(&spec, &mut diagnostics).expect("the topology has a plan")
}

/// A source that reads the stream IN.
struct Reader {
    _dir: tempfile::TempDir,
    plan: Plan,
}

impl Reader {
    fn new(server: &Server, more: &str) -> Reader {
        let (dir, url) = (folder(), server.url());
        let topology = format!(
            "topology: test\nsources:\n  in:\n    nats: {{ url: \"{url}\", stream: IN, durable: d }}\n    time: arrival\n{more}\
             sinks:\n  out: {{ from: in, discard: {{}} }}\n"
        );
        let plan = planned(dir.path(), &topology);
        Reader { _dir: dir, plan }
    }

    async fn open(&self, resume: Option<Position>, fresh: bool) -> Box<dyn Source> {
        let open = SourceOpen {
            framing: Framing::Lines,
            event_bytes_max: 1 << 20,
            chunk_events_max: 100,
            resume,
            fresh,
            has_checkpoints: true,
        };
        let source = self.plan.sources().next().expect("there is a source");
        source.plan.open(open).await.expect("the source opens")
    }
}

/// The sequences of the next messages, so many of them.
async fn read(source: &mut dyn Source, count: usize) -> Vec<i64> {
    let mut offsets = Vec::new();
    while offsets.len() < count {
        match tokio::time::timeout(PATIENCE, source.next()).await.expect("there are more").expect("it reads") {
            Pull::Chunk(chunk) => offsets.extend(chunk.offsets),
            Pull::End => panic!("a stream has no end"),
        }
    }
    offsets
}

/// Nothing more comes.
async fn is_silent(source: &mut dyn Source) {
    let more = tokio::time::timeout(Duration::from_millis(300), source.next()).await;
    assert!(more.is_err(), "there is more: {more:?}");
}

async fn acked(context: &jetstream::Context, floor: u64) {
    let end = std::time::Instant::now() + PATIENCE;
    while info(context, "IN", "d").await.ack_floor.stream_sequence != floor {
        assert!(std::time::Instant::now() < end, "not acknowledged up to {floor}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_covers_what_was_read_and_a_commit_acknowledges_it() {
    let server = Server::start("");
    let context = server.stream("IN", "in.>").await;
    publish(&context, "in.a", 0..250).await;
    let reader = Reader::new(&server, "");
    let mut source = reader.open(None, false).await;
    let seen = read(&mut *source, 100).await;
    let position = source.barrier(1);
    assert_eq!(position["sequence"], seen.len());
    read(&mut *source, 250 - seen.len()).await;
    assert_eq!(info(&context, "IN", "d").await.ack_floor.stream_sequence, 0, "nothing is in a checkpoint yet");
    source.commit(1).await.expect("a commit");
    acked(&context, seen.len() as u64).await;
    drop(source);
    // The consumer's 30 seconds do not count: what it has not acknowledged comes at once, and in order.
    let mut source = reader.open(Some(position), false).await;
    let rest = read(&mut *source, 250 - seen.len()).await;
    assert!(rest.iter().copied().eq(seen.len() as i64 + 1..=250), "{rest:?}");
    is_silent(&mut *source).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_checkpoint_goes_back_behind_what_was_acknowledged() {
    let server = Server::start("");
    let context = server.stream("IN", "in.>").await;
    publish(&context, "in.a", 0..30).await;
    let reader = Reader::new(&server, "");
    let mut source = reader.open(None, false).await;
    let start = source.barrier(1);
    read(&mut *source, 30).await;
    let end = source.barrier(2);
    source.commit(2).await.expect("a commit");
    acked(&context, 30).await;
    source.close().await.expect("it closes");
    let mut source = reader.open(Some(start.clone()), false).await;
    assert!(read(&mut *source, 30).await.into_iter().eq(1..=30));
    drop(source);
    let mut source = reader.open(Some(end), false).await;
    is_silent(&mut *source).await;
    drop(source);
    let stream = context.get_stream("IN").await.expect("the stream is there");
    stream.purge().sequence(21).await.expect("a purge");
    let mut source = reader.open(Some(start), false).await;
    assert!(read(&mut *source, 10).await.into_iter().eq(21..=30));
    let notes = source.take_notes().join("\n");
    assert!(notes.contains("20 of its messages") && notes.contains("(1 to 20)"), "{notes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_checkpoint_the_server_remembers_and_fresh_forgets() {
    let server = Server::start("");
    let context = server.stream("IN", "in.>").await;
    publish(&context, "in.a", 0..20).await;
    let reader = Reader::new(&server, "    start: earliest\n");
    let mut source = reader.open(None, false).await;
    assert_eq!(read(&mut *source, 20).await.len(), 20);
    source.barrier(1);
    source.commit(1).await.expect("a commit");
    acked(&context, 20).await;
    publish(&context, "in.a", 20..30).await;
    read(&mut *source, 10).await;
    drop(source);
    let mut source = reader.open(None, false).await;
    assert!(read(&mut *source, 10).await.into_iter().eq(21..=30), "what was not acknowledged comes again, at once");
    drop(source);
    let mut source = reader.open(None, true).await;
    assert!(read(&mut *source, 30).await.into_iter().eq(1..=30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_stream_of_the_same_name_is_told_and_read_from_its_beginning() {
    let server = Server::start("");
    let context = server.stream("IN", "in.>").await;
    publish(&context, "in.a", 0..20).await;
    let reader = Reader::new(&server, "");
    let mut source = reader.open(None, false).await;
    read(&mut *source, 20).await;
    let position = source.barrier(1);
    drop(source);
    context.delete_stream("IN").await.expect("the stream can be removed");
    let context = server.stream("IN", "in.>").await;
    publish(&context, "in.a", 0..5).await;
    let mut source = reader.open(Some(position), false).await;
    assert!(read(&mut *source, 5).await.into_iter().eq(1..=5));
    let notes = source.take_notes().join("\n");
    assert!(notes.contains("not the one of the checkpoint"), "{notes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_drop_what_is_acknowledged_lose_nothing() {
    for retention in [stream::RetentionPolicy::Interest, stream::RetentionPolicy::WorkQueue] {
        let server = Server::start("");
        let context = server.jetstream().await;
        let config =
            stream::Config { name: "IN".into(), subjects: vec!["in.>".into()], retention, ..Default::default() };
        context.create_stream(config).await.expect("the stream is made");
        consumer(&context, "IN", "d", Duration::from_secs(30)).await;
        publish(&context, "in.a", 0..50).await;
        let reader = Reader::new(&server, "");
        let mut source = reader.open(None, false).await;
        let seen = read(&mut *source, 10).await.len() as i64;
        let position = source.barrier(1);
        read(&mut *source, 50 - seen as usize).await;
        // A crash between the checkpoint and its acknowledgements.
        drop(source);
        let mut source = reader.open(Some(position), false).await;
        assert!(read(&mut *source, 50 - seen as usize).await.into_iter().eq(seen + 1..=50), "{retention:?}");
        is_silent(&mut *source).await;
        source.barrier(2);
        source.commit(2).await.expect("a commit");
        acked(&context, 50).await;
        let mut left = context.get_stream("IN").await.expect("the stream is there");
        assert_eq!(left.info().await.expect("the stream answers").state.messages, 0, "{retention:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_gives_each_message_once_and_in_order() {
    let mut server = Server::start("");
    let context = server.stream("IN", "in.>").await;
    publish(&context, "in.a", 0..5_000).await;
    let reader = Reader::new(&server, "");
    let mut source = reader.open(None, false).await;
    let mut seen = read(&mut *source, 1_000).await;
    source.barrier(1);
    source.commit(1).await.expect("a commit");
    for part in 2..=3 {
        server.kill();
        server.restart();
        seen.extend(read(&mut *source, 1_500).await);
        source.barrier(part);
        source.commit(part).await.expect("a commit");
    }
    seen.extend(read(&mut *source, 5_000 - seen.len()).await);
    assert!(seen.into_iter().eq(1..=5_000), "something came twice, or out of order");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_reader_of_the_consumer_takes_nothing_away() {
    let server = Server::start("");
    let context = server.stream("IN", "in.>").await;
    let reader = Reader::new(&server, "");
    let mut source = reader.open(None, false).await;
    publish(&context, "in.a", 0..10).await;
    let mut seen = read(&mut *source, 10).await;
    let other: consumer::PullConsumer =
        context.get_consumer_from_stream("d", "IN").await.expect("the consumer is there");
    let mut taken = other.fetch().max_messages(5).expires(Duration::from_secs(2)).messages().await.expect("a request");
    tokio::time::sleep(Duration::from_millis(200)).await;
    publish(&context, "in.a", 10..40).await;
    let stolen = futures_util::StreamExt::next(&mut taken).await.expect("a message").expect("a message");
    stolen.ack().await.expect("an acknowledgement");
    seen.extend(read(&mut *source, 30).await);
    assert!(seen.iter().copied().eq(1..=40), "{seen:?}");
    let notes = source.take_notes().join("\n");
    assert!(notes.contains("another reader"), "{notes}");
}
