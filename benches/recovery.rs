//! What checkpoints, recovery and reloads cost: `cargo bench --bench recovery`. Prints four tables; each figure has beside it what it
//! is compared with, measured in the same run.
//!
//! Sizes are set by the environment: `EVENTS` and `KEYS` of the inputs, `RUNS` of each job, `RELOADS`. Inputs are made here, below
//! `target/bench`, the same each time. What takes a process of its own is this program, called again.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use topology_runner::diagnostic::{Diagnostics, Style};
use topology_runner::observe::Counters;
use topology_runner::plan::{self, Plan};
use topology_runner::run::{self, Recovery, RunOptions, Running};
use topology_runner::spec::{self, Settings};
use topology_runner::state::store::Store;

/// As the runner's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The clock ticks of `/proc/self/stat` in a second: fixed on Linux.
const TICKS_PER_SECOND: u64 = 100;
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_micros(200);
/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// What is added to a running topology: one key in so many has changed.
const CHANGED_ONE_IN: u64 = 100;
/// A key is `user-` and six digits; a value is a count, a sum and the start of a window, of eight bytes each.
const RAW_BYTES_A_KEY: u64 = 11 + 24;

type Failed = Box<dyn std::error::Error>;

struct Sizes {
    events: u64,
    keys: u64,
    runs: usize,
    reloads: usize,
}

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--run", topology] => return child_runs(Path::new(topology), None),
        ["--run", topology, state] => return child_runs(Path::new(topology), Some(state.into())),
        ["--recover", topology, state] => return child_recovers(Path::new(topology), state.into()),
        _ => {}
    }
    let env = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let sizes = Sizes {
        events: env("EVENTS", 3_000_000),
        keys: env("KEYS", 1_000_000).min(1_000_000),
        runs: env("RUNS", 3) as usize,
        reloads: env("RELOADS", 100) as usize,
    };
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench/recovery");
    fs::create_dir_all(&dir)?;
    // A minute of event time for 30,000 events, as payments come; and all events in one minute.
    let (few, many) = (Input::new(&dir, "few", &sizes, 50_000, 500)?, Input::new(&dir, "many", &sizes, sizes.keys, 0)?);
    cost(&dir, &sizes, &[few, many])?;
    let runtime = tokio::runtime::Runtime::new()?;
    let many = Input::new(&dir, "many", &sizes, sizes.keys, 0)?;
    runtime.block_on(store(&dir, &sizes))?;
    recovery(&dir, &sizes)?;
    runtime.block_on(reloads(&dir, &sizes, &many))
}

/// A file of payments.
struct Input {
    path: PathBuf,
    events: u64,
    keys: u64,
}

impl Input {
    /// The first events have a new user each, the others any. There are `per_second` events in a second of their time; 0: as many as make
    /// all of them a minute.
    fn new(dir: &Path, name: &str, sizes: &Sizes, keys: u64, per_second: u64) -> std::io::Result<Input> {
        let path = dir.join(format!("{name}-{}-{keys}.jsonl", sizes.events));
        let per_second = if per_second == 0 { sizes.events.div_ceil(59) } else { per_second };
        if !path.exists() {
            let unfinished = path.with_extension("part");
            let mut out = BufWriter::with_capacity(1 << 18, File::create(&unfinished)?);
            let mut random = random();
            for i in 0..sizes.events {
                let user = if i < keys { i } else { random(keys) };
                payment(&mut out, i, i * 1000 / per_second, user, &mut random)?;
            }
            out.flush()?;
            fs::rename(unfinished, &path)?;
        }
        Ok(Input { path, events: sizes.events, keys })
    }
}

/// xorshift64: the same numbers each time.
fn random() -> impl FnMut(u64) -> u64 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// Writes a payment of about 280 bytes.
fn payment(
    out: &mut impl Write,
    i: u64,
    ms: u64,
    user: u64,
    random: &mut impl FnMut(u64) -> u64,
) -> std::io::Result<()> {
    writeln!(
        out,
        r#"{{"event_id":"evt-{i:012}","event_type":"payment","timestamp":{},"user_id":"user-{user:06}","card_id":"card-{:08}","amount":{}.{:02},"currency":"EUR","card_country":"DE","merchant":{{"id":"m-{:05}","category":"groceries","country":"FR"}},"channel":"online","schema_version":3}}"#,
        1_767_225_600_000 + ms,
        random(5_000),
        random(200) + 1,
        random(100),
        random(20_000),
    )
}

/// What differs between the topologies here.
struct Topology<'a> {
    name: &'a str,
    input: &'a Path,
    /// Whether the input has no end.
    follow: bool,
    every: &'a str,
    filter: &'a str,
    /// More aggregates, each on a line of its own.
    aggregates: &'a str,
}

impl Topology<'_> {
    /// Counts and sums by user and minute.
    fn write(&self, dir: &Path) -> std::io::Result<PathBuf> {
        let Topology { name, input, follow, every, filter, aggregates } = self;
        let (path, output) = (dir.join(format!("{name}.yaml")), dir.join(format!("{name}.out.jsonl")));
        let text = format!(
            "topology: {name}\ncheckpoint: {{ every: {every} }}\n\
             sources:\n  card:\n    file: {{ path: {input:?}, follow: {follow} }}\n    time: event.timestamp\n    watermark: {{ lag: 5s }}\n\
             stages:\n  large:\n    from: card\n    filter: {filter}\n  minute:\n    from: large\n    window:\n      key: {{ user: event.user_id }}\n      \
             tumbling: 1m\n      aggregate:\n        n: count()\n        total: sum(event.amount)\n{aggregates}\
             sinks:\n  out: {{ from: minute, file: {{ path: {output:?} }} }}\n"
        );
        fs::write(&path, text)?;
        Ok(path)
    }
}

fn load(path: &Path) -> Result<Arc<Plan>, Failed> {
    let mut diagnostics = Diagnostics::new();
    let outside = Settings { set: &[], env: &|_| None };
    let spec = spec::read_file(path, &plan::CATALOG, outside, &mut diagnostics);
    let plan = spec.and_then(|spec| plan::plan(&spec, &mut diagnostics));
    plan.map(Arc::new).ok_or_else(|| diagnostics.render(Style::Plain).into())
}

async fn start(plan: Arc<Plan>, state: Option<PathBuf>, recovery: Recovery) -> Result<Running, Failed> {
    let options = RunOptions { state, recovery, ..RunOptions::default() };
    run::start(plan, options, CancellationToken::new()).await.map_err(|why| format!("{why:?}").into())
}

async fn ended(mut running: Running) -> Result<(), Failed> {
    match running.wait().await.failure {
        Some(failure) => Err(format!("{failure:?}").into()),
        None => Ok(()),
    }
}

fn counters(running: &Running, node: &str) -> Counters {
    let nodes = running.nodes.all();
    nodes.iter().find(|counters| &*counters.id == node).map(|counters| counters.read()).unwrap_or_default()
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), Failed> {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > PATIENCE {
            return Err(format!("after {PATIENCE:?}, still not: {what}").into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// What a process took.
#[derive(Clone, Copy)]
struct Taken {
    cpu: Duration,
    wall: Duration,
}

fn run_child(arguments: &[&Path], mode: &str) -> Result<Taken, Failed> {
    let (before, start) = (children_cpu()?, Instant::now());
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg(mode).args(arguments).stdin(Stdio::null()).output()?;
    let wall = start.elapsed();
    if !output.status.success() {
        return Err(format!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(Taken { cpu: children_cpu()?.saturating_sub(before), wall })
}

/// The CPU time of all children that have ended: fields 16 and 17 of `/proc/self/stat`, counted behind the name, which may hold anything.
fn children_cpu() -> std::io::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(13).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

fn child_runs(topology: &Path, state: Option<PathBuf>) -> Result<(), Failed> {
    let plan = load(topology)?;
    tokio::runtime::Runtime::new()?.block_on(async { ended(start(plan, state, Recovery::Fresh).await?).await })
}

/// The same job with checkpoints and without, in turn.
fn cost(dir: &Path, sizes: &Sizes, inputs: &[Input]) -> Result<(), Failed> {
    println!(
        "\nA checkpoint each second, against none: {} payments, the best of {} runs in turn\n",
        sizes.events, sizes.runs
    );
    println!(
        "{:>10} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7}",
        "keys", "CPU s", "without", "ratio", "wall s", "without", "ratio"
    );
    for input in inputs {
        let topology = Topology {
            name: "cost",
            input: &input.path,
            follow: false,
            every: "1s",
            filter: "event.amount > 0.5",
            aggregates: "",
        };
        let (topology, state) = (topology.write(dir)?, dir.join("cost.state"));
        let mut best: [Option<Taken>; 2] = [None, None];
        for _ in 0..sizes.runs {
            for (best, arguments) in best.iter_mut().zip([&[&*topology, &*state][..], &[&*topology]]) {
                let taken = run_child(arguments, "--run")?;
                let before = best.unwrap_or(taken);
                *best = Some(Taken { cpu: before.cpu.min(taken.cpu), wall: before.wall.min(taken.wall) });
            }
        }
        let [Some(with), Some(without)] = best else { continue };
        let [cpu, cpu_without, wall, wall_without] =
            [with.cpu, without.cpu, with.wall, without.wall].map(|taken| taken.as_secs_f64());
        println!(
            "{:>10} {cpu:>9.2} {cpu_without:>9.2} {:>7.3} {wall:>9.2} {wall_without:>9.2} {:>7.3}",
            input.keys,
            cpu / cpu_without,
            wall / wall_without
        );
    }
    Ok(())
}

/// The topology whose state is looked at, over an input that grows.
fn growing(dir: &Path) -> std::io::Result<(PathBuf, PathBuf, PathBuf)> {
    let input = dir.join("growing.jsonl");
    let topology = Topology {
        name: "growing",
        input: &input,
        follow: true,
        every: "200ms",
        filter: "event.amount > 0.5",
        aggregates: "",
    };
    Ok((topology.write(dir)?, dir.join("growing.state"), input))
}

/// Appends one payment of each of these users.
fn append(input: &Path, users: std::ops::Range<u64>) -> std::io::Result<()> {
    let mut random = random();
    let mut out = Vec::new();
    users.clone().try_for_each(|user| payment(&mut out, user, 0, user, &mut random))?;
    OpenOptions::new().append(true).create(true).open(input)?.write_all(&out)
}

/// The files of a store, with their sizes.
fn files(state: &Path) -> std::io::Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(state)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Ok(metadata) = entry.metadata() {
            files.push((name, metadata.len()));
        }
    }
    Ok(files)
}

/// What is in `after` and was not in `before`.
fn grown(before: &[(String, u64)], after: &[(String, u64)]) -> u64 {
    let len = |name: &String| before.iter().find(|(before, _)| before == name).map_or(0, |(_, len)| *len);
    after.iter().map(|(name, now)| now.saturating_sub(len(name))).sum()
}

/// Waits until so many events have been read, and what came of them is in a checkpoint. Returns the files of that.
async fn saved(running: &Running, state: &Path, events: u64) -> Result<Vec<(String, u64)>, Failed> {
    let read = || counters(running, "minute").events_in >= events;
    until("all is read", read).await?;
    let mut last = files(state)?;
    loop {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let now = files(state)?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
}

/// What a checkpoint writes when few keys have changed, and how large the store is.
async fn store(dir: &Path, sizes: &Sizes) -> Result<(), Failed> {
    let (topology, state, input) = growing(dir)?;
    let _ = fs::remove_file(&input);
    let _ = fs::remove_dir_all(&state);
    append(&input, 0..sizes.keys)?;
    let running = start(load(&topology)?, Some(state.clone()), Recovery::Fresh).await?;
    let mut before = saved(&running, &state, sizes.keys).await?;
    let raw = sizes.keys * RAW_BYTES_A_KEY;
    let total = |files: &[(String, u64)]| files.iter().map(|(_, len)| len).sum::<u64>();
    println!("\nThe store, for {} keys of {RAW_BYTES_A_KEY} raw bytes each\n", sizes.keys);
    println!("{:<44} {:>12} {:>12} {:>7}", "", "bytes", "raw bytes", "ratio");
    let row = |what: &str, bytes: u64, raw: u64| {
        println!("{what:<44} {bytes:>12} {raw:>12} {:>7.2}", bytes as f64 / raw as f64);
    };
    row("all keys, in the store", total(&before), raw);
    let (changed, mut largest) = (sizes.keys / CHANGED_ONE_IN, 0);
    for round in 1..=sizes.runs as u64 {
        append(&input, changed * round..changed * (round + 1))?;
        let after = saved(&running, &state, sizes.keys + changed * round).await?;
        row("written for a checkpoint, 1 % changed", grown(&before, &after), changed * RAW_BYTES_A_KEY);
        largest = largest.max(total(&after));
        before = after;
    }
    // Until the log has been merged at least once.
    for part in 0..3 {
        let begun = counters(&running, "minute").events_in;
        append(&input, 0..sizes.keys / 3)?;
        let after = saved(&running, &state, begun + sizes.keys / 3).await?;
        largest = largest.max(total(&after));
        if part == 2 {
            row("largest, while keys changed once more each", largest, raw);
        }
    }
    running.stop.cancel();
    ended(running).await
}

/// Says when the first event has been processed, and leaves the checkpoint as it is.
fn child_recovers(topology: &Path, state: PathBuf) -> Result<(), Failed> {
    let plan = load(topology)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let begun = Instant::now();
        let running = start(plan, Some(state), Recovery::Resume).await?;
        let started = begun.elapsed();
        until("an event", || counters(&running, "minute").events_in > 0).await?;
        println!("{} {}", started.as_micros(), begun.elapsed().as_micros());
        std::process::exit(0)
    })
}

/// How long it takes from the start of a process with a checkpoint to its first event.
fn recovery(dir: &Path, sizes: &Sizes) -> Result<(), Failed> {
    let (topology, state, input) = growing(dir)?;
    append(&input, 0..1000)?;
    let keys = Store::peek(&state)?.map_or(0, |loaded| {
        let saved = loaded.nodes.values().find_map(|node| node.saved.as_ref());
        saved.and_then(|saved| saved.current().ok()).map_or(0, |current| current.len().saturating_sub(1))
    });
    println!("\nRecovery of {keys} keys, in seconds\n");
    println!("{:>22} {:>22} {:>30}", "`run::start` returns", "first event processed", "the same, from process start");
    for _ in 0..sizes.runs {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--recover").args([&topology, &state]).stdout(Stdio::piped()).stdin(Stdio::null());
        let begun = Instant::now();
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let all = begun.elapsed();
        child.wait()?;
        let micros: Vec<f64> = line.split_whitespace().filter_map(|text| text.parse().ok()).collect();
        let [started, first] = micros[..] else { return Err("the child has not recovered".into()) };
        println!("{:>22.3} {:>22.3} {:>30.3}", started / 1e6, first / 1e6, all.as_secs_f64());
    }
    Ok(())
}

/// How long events wait for a reload while the source reads as fast as it can.
async fn reloads(dir: &Path, sizes: &Sizes, input: &Input) -> Result<(), Failed> {
    println!("\nReloads under full load with {} keys of state: events wait, in ms\n", input.keys);
    println!("{:<28} {:>8} {:>8} {:>8} {:>8} {:>16}", "change", "reloads", "p50", "p99", "max", "p99, whole call");
    let filters = ["event.amount > 0.5", "event.amount > 0.25"].map(|filter| (filter, ""));
    measure_reloads(dir, input, "a filter in front", filters, sizes.reloads).await?;
    let aggregates = ["        largest: max(event.amount)\n", ""].map(|more| ("event.amount > 0.5", more));
    measure_reloads(dir, input, "an aggregate more, and less", aggregates, 2 * sizes.runs).await
}

async fn measure_reloads(
    dir: &Path,
    input: &Input,
    what: &str,
    versions: [(&str, &str); 2],
    wanted: usize,
) -> Result<(), Failed> {
    let state = dir.join("reloaded.state");
    let version = |(filter, aggregates)| {
        let topology = Topology { name: "reloaded", input: &input.path, follow: true, every: "1s", filter, aggregates };
        topology.write(dir)
    };
    let (mut pauses, mut calls) = (Vec::new(), Vec::new());
    while pauses.len() < wanted {
        let _ = fs::remove_dir_all(&state);
        let mut running = start(load(&version(versions[1])?)?, Some(state.clone()), Recovery::Fresh).await?;
        until("all keys are there", || counters(&running, "minute").held.keys >= input.keys).await?;
        while pauses.len() < wanted && counters(&running, "card").events_in < input.events {
            let plan = load(&version(versions[pauses.len() % 2])?)?;
            let diff = plan::diff(running.plan(), &plan);
            let begun = Instant::now();
            let reloaded = running.reload(plan, &diff).await.map_err(|why| format!("{why:?}"))?;
            calls.push(begun.elapsed());
            pauses.push(reloaded.pause);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        until("all is read", || counters(&running, "minute").events_in >= input.events).await?;
        let counted = counters(&running, "minute");
        assert_eq!((counted.events_in, counted.errors), (input.events, 0), "events were lost or doubled");
        running.stop.cancel();
        ended(running).await?;
    }
    let [p50, p99, max] = percentiles(&mut pauses);
    let [_, call, _] = percentiles(&mut calls);
    println!("{what:<28} {:>8} {p50:>8.2} {p99:>8.2} {max:>8.2} {call:>16.2}", pauses.len());
    Ok(())
}

/// p50, p99 and the greatest, in milliseconds.
fn percentiles(durations: &mut [Duration]) -> [f64; 3] {
    durations.sort_unstable();
    let at = |share: f64| ((durations.len() as f64 * share).ceil() as usize).clamp(1, durations.len()) - 1;
    [0.5, 0.99, 1.0].map(|share| durations[at(share)].as_secs_f64() * 1000.0)
}
