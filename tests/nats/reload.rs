//! Reloads while a server is away.

use std::time::{Duration, Instant};

use super::server::Server;
use super::{Run, folder, numbers, stored};

/// Counts, into a stream and into a file.
fn topology(server: &Server, filter: &str) -> String {
    let url = server.url();
    format!(
        "topology: test\nsources:\n  in: {{ generate: {{ event: '#{{ n: i }}', rate: 500/s }} }}\nstages:\n  s: {{ from: in, filter: {filter} }}\n\
         sinks:\n  out: {{ from: s, nats: {{ url: \"{url}\", stream: OUT, subject: out.a }} }}\n  lines: {{ from: s, file: {{ path: out.jsonl }} }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_whose_server_is_away_is_handed_over_with_what_it_holds() {
    let (mut server, dir) = (Server::start(""), folder());
    server.stream("OUT", "out.>").await;
    let file = dir.path().join("t.yaml");
    let out = dir.path().join("out.jsonl");
    let mut run = Run::start(dir.path(), &topology(&server, "event.n >= 0"));
    run.until("a part is written", async || numbers(&out).len() > 100).await;
    server.kill();
    let log = dir.path().join("log");
    let says = |what: &str| std::fs::read_to_string(&log).unwrap_or_default().matches(what).count();
    run.until("the sink is stuck", async || says("trying again") > 0).await;
    for round in 1..=2 {
        let begun = Instant::now();
        std::fs::write(&file, topology(&server, &format!("event.n >= -{round}"))).expect("it is written");
        run.until("it is reloaded", async || says("reloaded t.yaml") == round).await;
        assert!(begun.elapsed() < Duration::from_secs(2), "it took {:?}", begun.elapsed());
    }
    server.restart();
    let before = numbers(&out).len();
    run.until("it goes on", async || numbers(&out).len() > before + 200).await;
    run.stop();
    let written = numbers(&out);
    assert!(written.keys().copied().eq(0..written.len() as u64) && written.values().all(|count| *count == 1));
    let found = stored(&server.jetstream().await, "OUT").await;
    assert_eq!(found.keys().collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
}
