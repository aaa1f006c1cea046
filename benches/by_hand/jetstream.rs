//! JetStream in, filter-map, JetStream out: the runner against a loop on `async-nats` that takes what has come as one batch.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::{
    self, Context,
    consumer::{AckPolicy, pull},
    stream,
};
use futures_util::StreamExt;

use crate::data::Input;
use crate::lines::each_line;
use crate::measure::{Taken, cpu_of, runs};
use crate::report::{self, Row};
use crate::rest::Running;
use crate::server::Server;
use crate::stateless::large;

const EVENTS: u64 = 200_000;
/// Messages of one batch; the client asks for the next before this one is done.
const BATCH: usize = 1_000;
/// How often it is asked whether all results are there.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(120);

type Failed = Box<dyn std::error::Error + Send + Sync>;

pub fn jetstream(dir: &Path) -> io::Result<()> {
    report::title(
        "JetStream in, filter-map, JetStream out, of 200,000 events: nanoseconds an event; the ratio is of CPU",
    );
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/nats/bin/nats-server");
    if !server.exists() {
        println!("not measured: there is no {}; tests/run.sh installs it", server.display());
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(both(dir)).map_err(io::Error::other)
}

async fn both(dir: &Path) -> Result<(), Failed> {
    let server = Server::start("");
    let context = server.stream("IN", "in").await;
    let expected = fill(&context, &Input::Payments.file(dir, EVENTS)?).await?;
    let mut best: [Option<Taken>; 2] = [None, None];
    for run in 0..runs() {
        let names = [format!("hand{run}"), format!("runner{run}")];
        for (name, best) in names.iter().zip(&mut best) {
            let command = if name.starts_with("hand") {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["--jetstream", &server.url(), name]);
                command
            } else {
                let topology = dir.join("jetstream.yaml");
                std::fs::write(&topology, topology_of(&server.url(), name))?;
                let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
                command.args(["run", "--fresh", "--plain"]).arg(topology);
                command
            };
            server.stream(name, name).await;
            let taken = measure(command, &context, name, expected).await?;
            *best = Some(best.map_or(taken, |best| best.better(taken)));
        }
        if results(&context, &names[0], expected).await? != results(&context, &names[1], expected).await? {
            return Err("the results differ".into());
        }
        for name in names {
            context.delete_stream(name).await?;
        }
    }
    let [Some(hand), Some(runner)] = best else { return Ok(()) };
    for (name, taken) in [("by hand", hand), ("runner", runner)] {
        let an_event = |time: Duration| time.as_nanos() as f64 / EVENTS as f64;
        Row::new(&format!("CPU, {name}"), an_event(taken.cpu)).print();
        Row::new(&format!("wall, {name}"), an_event(taken.wall)).print();
    }
    Row::new("ratio", runner.cpu.as_secs_f64() / hand.cpu.as_secs_f64()).goal(1.1).print();
    Ok(())
}

/// Sends the lines of a file to the stream that is read; how many results they have.
async fn fill(context: &Context, input: &Path) -> Result<u64, Failed> {
    let (mut lines, mut expected, mut out) = (Vec::new(), 0, Vec::new());
    each_line(input, |line| {
        lines.push(line.to_string());
        out.clear();
        large(line, &mut out)?;
        expected += u64::from(!out.is_empty());
        Ok(())
    })?;
    let mut acks = VecDeque::new();
    for line in lines {
        acks.push_back(context.publish("in", line.into()).await?);
        if acks.len() >= BATCH
            && let Some(ack) = acks.pop_front()
        {
            ack.await?;
        }
    }
    for ack in acks {
        ack.await?;
    }
    Ok(expected)
}

/// Runs a program until the stream `name` has all results.
async fn measure(mut command: Command, context: &Context, name: &str, expected: u64) -> Result<Taken, Failed> {
    let start = Instant::now();
    let program = Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let stream: stream::Stream = context.get_stream(name).await?;
        let messages = stream.cached_info().state.messages;
        if messages >= expected {
            return Ok(Taken { cpu: cpu_of(program.0.id())?, wall: start.elapsed(), peak: 0 });
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("{name} has {messages} of {expected} results after {PATIENCE:?}").into());
        }
    }
}

/// What a stream holds.
async fn results(context: &Context, name: &str, expected: u64) -> Result<Vec<bytes::Bytes>, Failed> {
    let config = pull::OrderedConfig { ..Default::default() };
    let consumer = context.get_stream(name).await?.create_consumer(config).await?;
    let messages = consumer.messages().await?.take(expected as usize);
    let payloads: Vec<_> = messages.collect().await;
    Ok(payloads.into_iter().map(|message| message.map(|message| message.payload.clone())).collect::<Result<_, _>>()?)
}

fn topology_of(url: &str, name: &str) -> String {
    format!(
        "sources:\n  card: {{ nats: {{ url: {url:?}, stream: IN, durable: {name} }} }}\nstages:\n  large:\n    from: card\n    \
         filter: event.amount > 50.0\n    map:\n      user: event.user_id\n      amount: event.amount\n      \
         country: event.merchant.country\n      abroad: event.merchant.country != event.card_country\n\
         sinks:\n  out: {{ from: large, nats: {{ url: {url:?}, stream: {name}, subject: {name} }} }}\n"
    )
}

/// What `--jetstream URL NAME` does: the same by hand. A batch is acknowledged, by its last message, once the stream has its results.
pub fn by_hand(url: &str, name: &str) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(forward(url, name)).map_err(io::Error::other)
}

async fn forward(url: &str, name: &str) -> Result<(), Failed> {
    let context = jetstream::new(async_nats::connect(url).await?);
    let config = pull::Config {
        durable_name: Some(name.into()),
        ack_policy: AckPolicy::All,
        max_ack_pending: 100_000,
        ..Default::default()
    };
    let consumer = context.get_stream("IN").await?.create_consumer(config).await?;
    let messages = consumer.stream().max_messages_per_batch(2 * BATCH).messages().await?;
    let (mut batches, mut out) = (messages.ready_chunks(BATCH), Vec::new());
    while let Some(batch) = batches.next().await {
        let (mut acks, mut last) = (Vec::with_capacity(batch.len()), None);
        for message in batch {
            let message = message?;
            out.clear();
            large(std::str::from_utf8(&message.payload)?, &mut out)?;
            if let Some((_, line)) = out.split_last() {
                acks.push(context.publish(name.to_string(), bytes::Bytes::copy_from_slice(line)).await?);
            }
            last = Some(message);
        }
        for ack in acks {
            ack.await?;
        }
        if let Some(last) = last {
            last.ack().await?;
        }
    }
    Ok(())
}
