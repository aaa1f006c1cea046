//! Whole runs over JetStream that are killed: what comes out is what an undisturbed run would have written, each event once.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_nats::jetstream;
use futures_util::StreamExt;

use super::server::{Server, info, publish};
use super::{Run, folder, numbers, stored};

/// Events of a window.
const WINDOW: u64 = 100;

/// Copies the stream IN into the stream OUT and into a file, and counts it by windows into the stream WIN.
fn topology(server: &Server) -> String {
    let url = server.url();
    format!(
        r#"
topology: test
checkpoint: {{ every: 150ms }}
sources:
  in: {{ nats: {{ url: "{url}", stream: IN, durable: d }}, time: 1700000000000 + event.n * 10 }}
stages:
  counts: {{ from: in, window: {{ key: {{ k: event.n % 5 }}, tumbling: 1s, aggregate: {{ n: count(), sum: sum(event.n) }} }} }}
sinks:
  copy: {{ from: in, nats: {{ url: "{url}", stream: OUT, subject: out.a, max_pending: 20 }}, delivery: exactly_once }}
  windows: {{ from: counts, nats: {{ url: "{url}", stream: WIN, subject: win.a }}, delivery: exactly_once }}
  lines: {{ from: in, file: {{ path: out.jsonl }} }}
"#
    )
}

async fn streams(server: &Server) -> jetstream::Context {
    server.stream("OUT", "out.>").await;
    server.stream("WIN", "win.>").await;
    server.stream("IN", "in.>").await
}

/// The windows in the stream WIN: how often each is there, and its count and sum.
async fn windows(context: &jetstream::Context) -> BTreeMap<(u64, u64), Vec<(u64, u64)>> {
    let stream = context.get_stream("WIN").await.expect("the stream is there");
    let config = jetstream::consumer::pull::OrderedConfig::default();
    let consumer = stream.create_consumer(config).await.expect("a consumer");
    let total = usize::try_from(stream.cached_info().state.messages).expect("a small stream");
    let mut messages = consumer.messages().await.expect("messages").take(total);
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    while let Some(Ok(message)) = messages.next().await {
        let event: serde_json::Value = serde_json::from_slice(&message.payload).expect("JSON");
        let number = |name: &str| event[name].as_u64().expect("a number");
        found.entry((number("window_start"), number("k"))).or_default().push((number("n"), number("sum")));
    }
    found
}

/// What an undisturbed run makes of `0..total`.
fn expected_windows(total: u64) -> BTreeMap<(u64, u64), Vec<(u64, u64)>> {
    let mut expected: BTreeMap<(u64, u64), (u64, u64)> = BTreeMap::new();
    for n in 0..total {
        let entry = expected.entry((1_700_000_000_000 + n / WINDOW * 1_000, n % 5)).or_default();
        *entry = (entry.0 + 1, entry.1 + n);
    }
    expected.into_iter().map(|(key, value)| (key, vec![value])).collect()
}

/// Everything is out, each event once, and the server knows it.
async fn settles(mut run: Run, dir: &Path, context: &jetstream::Context, total: u64) {
    // One more event, of a later window, closes the last one.
    publish(context, "in.a", total + WINDOW..total + WINDOW + 1).await;
    let all = usize::try_from(total + 1).expect("few");
    run.until("all is copied", async || stored(context, "OUT").await.len() == all).await;
    let expected = expected_windows(total);
    run.until("all windows are there", async || windows(context).await.len() == expected.len()).await;
    run.until("all is in the file", async || numbers(&dir.join("out.jsonl")).len() == all).await;
    run.until("all is acknowledged", async || info(context, "IN", "d").await.ack_floor.stream_sequence == total + 1)
        .await;
    run.stop();
    assert_eq!(windows(context).await, expected);
    for found in [stored(context, "OUT").await, numbers(&dir.join("out.jsonl"))] {
        assert_eq!(found.len(), all);
        assert!(found.values().all(|count| *count == 1), "an event is there twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_of_a_checkpoint_shows_nowhere() {
    // Before a checkpoint is on disk, behind it, and in the middle of sending what it held back.
    for point in ["segment-written:2", "published:1", "published:3", "publish:1", "publish:333", "publish:1501"] {
        let (server, dir) = (Server::start(""), folder());
        let context = streams(&server).await;
        publish(&context, "in.a", 0..1_000).await;
        let run = Run::start_with(dir.path(), &topology(&server), &[], &[("RUNNER_FAILPOINT", point)]);
        // So that there are several checkpoints.
        for part in 1..=5 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            publish(&context, "in.a", part * 1_000..(part + 1) * 1_000).await;
        }
        let (code, log) = run.ended();
        assert_eq!(code, None, "{point}: it was to be killed:\n{log}");
        if point == "segment-written:2" {
            let acked = info(&context, "IN", "d").await.ack_floor.stream_sequence;
            assert!(acked < 6_000, "{point}: what is in no checkpoint is acknowledged");
        }
        let run = Run::start(dir.path(), &topology(&server));
        settles(run, dir.path(), &context, 6_000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_time_show_nowhere() {
    let (server, dir) = (Server::start(""), folder());
    let context = streams(&server).await;
    let total = 20_000;
    for part in 0..10 {
        let run = Run::start(dir.path(), &topology(&server));
        publish(&context, "in.a", part * total / 10..(part + 1) * total / 10).await;
        tokio::time::sleep(Duration::from_millis(100 + part * 67 % 300)).await;
        run.kill();
    }
    settles(Run::start(dir.path(), &topology(&server)), dir.path(), &context, total).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_shows_nowhere() {
    let (mut server, dir) = (Server::start(""), folder());
    streams(&server).await;
    let total = 12_000;
    let mut run = Run::start(dir.path(), &topology(&server));
    for part in 0..4 {
        let context = server.jetstream().await;
        publish(&context, "in.a", part * total / 4..(part + 1) * total / 4).await;
        tokio::time::sleep(Duration::from_millis(60 + part * 50)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.restart();
        if part == 2 {
            // Both are gone at once.
            run.kill();
            run = Run::start(dir.path(), &topology(&server));
        }
    }
    let context = server.jetstream().await;
    settles(run, dir.path(), &context, total).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_gone_on_from_and_fresh_starts_over() {
    let (server, dir) = (Server::start(""), folder());
    let context = streams(&server).await;
    publish(&context, "in.a", 0..1_050).await;
    let mut run = Run::start(dir.path(), &topology(&server));
    run.until("all is copied", async || stored(&context, "OUT").await.len() == 1_050).await;
    run.stop();
    publish(&context, "in.a", 1_050..2_000).await;
    settles(Run::start(dir.path(), &topology(&server)), dir.path(), &context, 2_000).await;
    // From where `start` says, which is the beginning: an output that is no new one has all of it again.
    let mut run = Run::start_with(dir.path(), &topology(&server), &["--fresh"], &[]);
    run.until("all is read again", async || {
        stored(&context, "OUT").await.values().filter(|count| **count == 2).count() == 2_001
    })
    .await;
    run.stop();
    assert_eq!(numbers(&dir.path().join("out.jsonl")).len(), 2_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_goes_on_where_it_stood() {
    let (server, dir) = (Server::start(""), folder());
    let context = streams(&server).await;
    let log = dir.path().join("log");
    let told = |what: &str| std::fs::read_to_string(&log).unwrap_or_default().matches(what).count();
    let total = 12_000;
    let mut run = Run::start(dir.path(), &topology(&server));
    run.until("it runs", async || told("running") == 1).await;
    for part in 0..4 {
        publish(&context, "in.a", part * total / 4..(part + 1) * total / 4).await;
        // While it runs, and while it does not: then before there was a checkpoint of what the first reload took over.
        let changed = topology(&server).replace("durable: d", &format!("durable: d, max_pending: {}", 50_000 + part));
        if part == 1 {
            run.kill();
            run = Run::start(dir.path(), &changed);
            run.until("it runs", async || told("running") == 2).await;
        } else {
            let before = told("reloaded");
            std::fs::write(dir.path().join("t.yaml"), changed).expect("the topology is written");
            run.until("it is reloaded", async || told("reloaded") > before).await;
        }
    }
    settles(run, dir.path(), &context, total).await;
}
