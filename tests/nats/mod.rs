//! NATS, against a real server: nothing is lost, whatever crashes.

mod crash;
mod held;
mod position;
mod reload;
pub mod secure;
pub mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;

use crate::support;
use server::{Server, consumer, info, publish};

/// How long a test waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running topology in a folder of its own.
struct Run {
    child: Child,
    dir: PathBuf,
}

impl Run {
    /// Starts the program on a topology.
    fn start(dir: &Path, topology: &str) -> Run {
        Run::start_with(dir, topology, &[], &[])
    }

    /// The same with arguments, and with variables of the environment.
    fn start_with(dir: &Path, topology: &str, args: &[&str], env: &[(&str, &str)]) -> Run {
        let file = dir.join("t.yaml");
        std::fs::write(&file, topology).expect("the topology is written");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).expect("a log");
        let child = support::runner(dir)
            .arg("t.yaml")
            .args(args)
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        Run { child, dir: dir.to_path_buf() }
    }

    /// What it has logged.
    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Waits until something holds; shows the log when it does not.
    async fn until(&mut self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds().await {
            let ended = self.child.try_wait().expect("the program can be waited for");
            assert!(ended.is_none(), "the program ended ({ended:?}) before {what}:\n{}", self.log());
            assert!(Instant::now() < end, "not in time: {what}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it in order, as Ctrl-C does.
    fn stop(mut self) -> String {
        let told = Command::new("sh").args(["-c", &format!("kill -INT {}", self.child.id())]).status();
        assert!(told.is_ok_and(|status| status.success()), "the program can be told to end");
        let status = support::wait(&mut self.child, PATIENCE);
        assert!(status.is_some_and(|status| status.success()), "the program ended with {status:?}:\n{}", self.log());
        self.log()
    }

    /// Ends it as a crash does.
    fn kill(mut self) {
        self.child.kill().expect("the program can be killed");
        self.child.wait().expect("the program can be waited for");
    }

    /// Waits for its end by itself.
    fn ended(mut self) -> (Option<i32>, String) {
        let status = support::wait(&mut self.child, PATIENCE);
        (status.and_then(|status| status.code()), self.log())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How often each `n` is in a file of JSON Lines that may still be written: its whole lines count.
fn numbers(file: &Path) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    let text = std::fs::read_to_string(file).unwrap_or_default();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let event: serde_json::Value = serde_json::from_str(line).expect("whole lines of JSON");
        *counts.entry(event["n"].as_u64().expect("a number")).or_default() += 1;
    }
    counts
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder for the topology")
}

/// Reads a stream into a file.
fn reading(server: &Server, more: &str, stages: &str, from: &str) -> String {
    let url = server.url();
    format!(
        "topology: test\nsources:\n  in:\n    nats: {{ url: \"{url}\", stream: IN, {more} }}\n    time: arrival\n{stages}\
         sinks:\n  out: {{ from: {from}, file: {{ path: out.jsonl, mode: append }} }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_read_once_and_the_next_run_goes_on() {
    let (server, dir) = (Server::start(""), folder());
    let context = server.stream("IN", "in.>").await;
    let out = dir.path().join("out.jsonl");
    publish(&context, "in.a", 0..5_000).await;
    publish(&context, "in.b", 5_000..5_010).await;
    let topology = reading(&server, "subject: in.a", "", "in");
    let mut run = Run::start(dir.path(), &topology);
    run.until("all is read", async || numbers(&out).len() == 5_000).await;
    run.until("all is acknowledged", async || {
        let info = info(&context, "IN", "test-in").await;
        info.num_ack_pending == 0 && info.num_pending == 0
    })
    .await;
    run.stop();
    publish(&context, "in.a", 10_000..10_100).await;
    let mut run = Run::start(dir.path(), &topology);
    run.until("the rest is read", async || numbers(&out).len() == 5_100).await;
    run.stop();
    let found = numbers(&out);
    assert!(found.values().all(|count| *count == 1), "an event was read twice");
    assert!(found.keys().copied().eq((0..5_000).chain(10_000..10_100)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_runner_loses_nothing() {
    let (server, dir) = (Server::start(""), folder());
    let context = server.stream("IN", "in.>").await;
    consumer(&context, "IN", "d", Duration::from_secs(1)).await;
    let out = dir.path().join("out.jsonl");
    publish(&context, "in.a", 0..3_000).await;
    let stages = "stages:\n  slow: { from: in, throttle: { rate: 1000/s, burst: 100, exceed: wait } }\n";
    let topology = reading(&server, "durable: d", stages, "slow");
    for part in 1..=2 {
        let mut run = Run::start(dir.path(), &topology);
        run.until("a part is read", async || numbers(&out).len() >= part * 500).await;
        run.kill();
    }
    let mut run = Run::start(dir.path(), &topology);
    run.until("all is read", async || numbers(&out).len() == 3_000).await;
    run.until("all is acknowledged", async || info(&context, "IN", "d").await.num_ack_pending == 0).await;
    run.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_sink_had_comes_again() {
    let (server, dir) = (Server::start(""), folder());
    let context = server.stream("IN", "in.>").await;
    let reading = |more: &str| {
        let whole = reading(&server, "durable: d", "", "in");
        format!("{whole}{more}")
    };
    publish(&context, "in.a", 0..50).await;
    let full = "  full: { from: in, file: { path: /dev/full }, retry: { first: 300ms, attempts: 2 } }\n";
    let (code, log) = Run::start(dir.path(), &reading(full)).ended();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("error: full: cannot write"), "the sink's failure is the one that is told:\n{log}");
    let out = dir.path().join("out.jsonl");
    std::fs::remove_file(&out).expect("the other sink has written");
    let mut run = Run::start(dir.path(), &reading(""));
    let begun = Instant::now();
    run.until("all is read again", async || numbers(&out).len() == 50).await;
    assert!(begun.elapsed() < Duration::from_secs(15), "it came late: {:?}", begun.elapsed());
    run.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_loses_nothing() {
    let (mut server, dir) = (Server::start(""), folder());
    let context = server.stream("IN", "in.>").await;
    server.stream("OUT", "out.>").await;
    let url = server.url();
    let topology = format!(
        "topology: test\nsources:\n  in: {{ nats: {{ url: \"{url}\", stream: IN }}, time: arrival }}\n\
         stages:\n  slow: {{ from: in, throttle: {{ rate: 2000/s, burst: 100, exceed: wait }} }}\n\
         sinks:\n  out: {{ from: slow, nats: {{ url: \"{url}\", stream: OUT, subject: out.a }} }}\n"
    );
    publish(&context, "in.a", 0..3_000).await;
    let mut run = Run::start(dir.path(), &topology);
    for part in 1..=2u64 {
        run.until("a part is written", async || {
            let mut stream = context.get_stream("OUT").await.expect("the stream is there");
            stream.info().await.expect("the stream answers").state.messages > part * 700
        })
        .await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.restart();
    }
    let context = server.jetstream().await;
    let mut found = BTreeMap::new();
    run.until("all is written", async || {
        found = stored(&context, "OUT").await;
        found.len() == 3_000
    })
    .await;
    let log = run.stop();
    assert!(log.contains("lost the connection") && log.contains("again"), "the log tells of the connection:\n{log}");
}

/// How often each `n` is in a stream.
async fn stored(context: &async_nats::jetstream::Context, stream: &str) -> BTreeMap<u64, u32> {
    let Ok(stream) = context.get_stream(stream).await else { return BTreeMap::new() };
    let config = async_nats::jetstream::consumer::pull::OrderedConfig::default();
    let Ok(consumer) = stream.create_consumer(config).await else { return BTreeMap::new() };
    let total = stream.cached_info().state.messages;
    let Ok(messages) = consumer.messages().await else { return BTreeMap::new() };
    let mut counts = BTreeMap::new();
    let mut messages = messages.take(usize::try_from(total).expect("a small stream"));
    while let Some(Ok(message)) = messages.next().await {
        let event: serde_json::Value = serde_json::from_slice(&message.payload).expect("JSON");
        *counts.entry(event["n"].as_u64().expect("a number")).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_sink_makes_nothing_come_twice() {
    let (server, dir) = (Server::start(""), folder());
    let context = server.stream("IN", "in.>").await;
    consumer(&context, "IN", "d", Duration::from_secs(1)).await;
    let out = dir.path().join("out.jsonl");
    publish(&context, "in.a", 0..600).await;
    let stages = "stages:\n  slow: { from: in, throttle: { rate: 150/s, burst: 1, exceed: wait } }\n";
    let mut run = Run::start(dir.path(), &reading(&server, "durable: d", stages, "slow"));
    run.until("all is read", async || numbers(&out).len() == 600).await;
    run.until("all is acknowledged", async || info(&context, "IN", "d").await.num_ack_pending == 0).await;
    run.stop();
    assert!(numbers(&out).values().all(|count| *count == 1), "an event was read twice");
    let info = info(&context, "IN", "d").await;
    assert_eq!(info.delivered.consumer_sequence, 600, "the server gave each event once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_subject_is_read_and_written_with_key_and_headers() {
    let (server, dir) = (Server::start(""), folder());
    let (url, client) = (server.url(), server.client().await);
    let topology = format!(
        r#"
topology: test
sources:
  in: {{ nats: {{ url: "{url}", subject: "in.*" }}, time: arrival }}
stages:
  named:
    from: in
    map: {{ kind: event.kind, key: meta.key, trace: 'meta.headers["Trace"]', subject: 'meta.headers["Nats-Subject"]' }}
sinks:
  out:
    from: named
    nats: {{ url: "{url}", subject: "out.{{{{ event.kind }}}}" }}
    key: event.key
    headers: {{ Trace: event.trace }}
"#
    );
    let mut replies = client.subscribe("out.>").await.expect("a subscription");
    let mut run = Run::start(dir.path(), &topology);
    // The server keeps nothing: send until the program is there.
    let mut reply = None;
    run.until("an answer", async || {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Trace", "t1");
        headers.insert("Key", "k1");
        client.publish_with_headers("in.a", headers, r#"{"kind": "card"}"#.into()).await.expect("a message is sent");
        reply = tokio::time::timeout(Duration::from_millis(100), replies.next()).await.ok().flatten();
        reply.is_some()
    })
    .await;
    let reply = reply.expect("an answer");
    assert_eq!(reply.subject.as_str(), "out.card");
    let headers = reply.headers.expect("headers");
    let header = |name| headers.get(name).map(|value| value.as_str());
    assert_eq!((header("Key"), header("Trace")), (Some("k1"), Some("t1")));
    let event: serde_json::Value = serde_json::from_slice(&reply.payload).expect("JSON");
    assert_eq!(event, serde_json::json!({ "kind": "card", "key": "k1", "trace": "t1", "subject": "in.a" }));
    // An event whose subject cannot be is that event's error; what comes after it goes on.
    client.publish("in.b", r#"{"kind": "a b"}"#.into()).await.expect("a message is sent");
    client.publish("in.b", r#"{"kind": "last"}"#.into()).await.expect("a message is sent");
    loop {
        let reply = tokio::time::timeout(PATIENCE, replies.next()).await.expect("in time").expect("an answer");
        assert_ne!(reply.subject.as_str(), "out.a b");
        if reply.subject.as_str() == "out.last" {
            break;
        }
    }
    run.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_removed_is_made_anew_where_reading_stood() {
    let (server, dir) = (Server::start(""), folder());
    let context = server.stream("IN", "in.>").await;
    let out = dir.path().join("out.jsonl");
    publish(&context, "in.a", 0..100).await;
    let mut run = Run::start(dir.path(), &reading(&server, "durable: d", "", "in"));
    run.until("all is read", async || numbers(&out).len() == 100).await;
    context.delete_consumer_from_stream("d", "IN").await.expect("the consumer can be removed");
    publish(&context, "in.a", 100..200).await;
    run.until("the rest is read", async || numbers(&out).len() == 200).await;
    let log = run.stop();
    assert!(numbers(&out).values().all(|count| *count == 1), "an event was read twice");
    assert!(log.contains("made anew"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_begun_is_given_back_at_the_end() {
    let (server, dir) = (Server::start(""), folder());
    let context = server.stream("IN", "in.>").await;
    let out = dir.path().join("out.jsonl");
    publish(&context, "in.a", 0..20_000).await;
    let stages = "stages:\n  slow: { from: in, throttle: { rate: 4000/s, burst: 100, exceed: wait } }\n";
    let mut run = Run::start(dir.path(), &reading(&server, "durable: d", stages, "slow"));
    run.until("a part is read", async || numbers(&out).len() > 1_000).await;
    run.stop();
    let first = numbers(&out).len();
    assert!(first < 20_000, "the run ended in the middle");
    // The server waits 30 seconds for an acknowledgement that does not come; this run need not.
    let mut run = Run::start(dir.path(), &reading(&server, "durable: d", "", "in"));
    let begun = Instant::now();
    run.until("the rest is read", async || numbers(&out).len() == 20_000).await;
    assert!(begun.elapsed() < Duration::from_secs(15), "the rest came late: {:?}", begun.elapsed());
    run.stop();
    assert!(numbers(&out).values().all(|count| *count == 1), "an event was read twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_pass_and_one_over_the_limit_is_an_error_event() {
    let (server, dir) = (Server::start("max_payload: 8MB"), folder());
    let context = server.stream("IN", "in.>").await;
    let out = dir.path().join("out.jsonl");
    for n in 0..20 {
        // The seventh is larger than a request for messages may bring, the twelfth than an event may be.
        let size = [600_000, 1_000_000, 5_000_000, 7_000_000][usize::from(n == 7) * 2 + usize::from(n == 12) * 3];
        let event = format!("{{\"n\": {n}, \"fill\": \"{}\"}}", "x".repeat(size));
        context.publish("in.a", event.into()).await.expect("a message is sent").await.expect("the stream has it");
    }
    let url = server.url();
    let topology = format!(
        "topology: test\nlimits: {{ line: 6MB }}\n\
         sources:\n  in: {{ nats: {{ url: \"{url}\", stream: IN }}, time: arrival }}\n\
         stages:\n  short: {{ from: in, map: {{ n: event.n }} }}\n\
         sinks:\n  out: {{ from: short, file: {{ path: out.jsonl }} }}\n  bad: {{ from: in.errors, file: {{ path: bad.jsonl }} }}\n"
    );
    let mut run = Run::start(dir.path(), &topology);
    run.until("all is read", async || numbers(&out).len() == 19).await;
    let bad = dir.path().join("bad.jsonl");
    run.until("the error is told", async || std::fs::read_to_string(&bad).is_ok_and(|text| text.ends_with('\n'))).await;
    run.stop();
    let bad = std::fs::read_to_string(&bad).expect("an error event");
    assert!(bad.contains("line-too-long") && bad.lines().count() == 1, "{}", &bad[..bad.len().min(300)]);
}
