//! A runner that waits: its memory, its latency, and what it costs to do nothing.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::measure::{self, cpu_of, resident};
use crate::report::{self, Row};

/// Keys whose memory is measured.
const KEYS: u64 = 1_000_000;
/// `user-` and six digits, a count and a sum.
const RAW_BYTES_A_KEY: u64 = 11 + 16;
/// Events whose latency is measured, and the time between two of them.
const LATENCIES: usize = 1_000;
const PAUSE: Duration = Duration::from_millis(5);
/// Chains of the topology that is at rest, and stages of each; with its source and sink a chain has two nodes more.
const CHAINS: usize = 100;
const STAGES: usize = 8;
/// How long after its start it is watched: threads that only the start needed have ended by then.
const SETTLED: Duration = Duration::from_secs(13);
/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(10);

/// Memory of keys against the bytes of their keys and values.
pub fn memory(dir: &Path) -> io::Result<()> {
    report::title("Memory of 1,000,000 keys of a tumbling count and sum, as a multiple of the bytes of key and values");
    let topology = dir.join("memory.yaml");
    std::fs::write(
        &topology,
        "sources:\n  card: { stdin: {}, time: event.timestamp }\nstages:\n  day:\n    from: card\n    window:\n      \
         key: { user: event.user_id }\n      tumbling: 1d\n      aggregate: { n: count(), total: sum(event.amount) }\n\
         sinks:\n  out: { from: day, discard: {} }\n",
    )?;
    let (few, many) = (held(&topology, 1)?, held(&topology, KEYS)?);
    Row::new("1,000,000 keys", many.saturating_sub(few) as f64 / (KEYS * RAW_BYTES_A_KEY) as f64).goal(3.0).print();
    Ok(())
}

/// Resident bytes of a runner that has read `KEYS` events of so many keys, and waits for more.
fn held(topology: &Path, keys: u64) -> io::Result<u64> {
    let mut generator = measure::generator(KEYS, keys)?;
    let mut runner = start(topology, Stdio::piped(), Stdio::null())?;
    if let (Some(mut from), Some(into)) = (generator.stdout.take(), runner.0.stdin.as_mut()) {
        io::copy(&mut from, into)?;
    }
    generator.wait()?;
    // It has read all when it is at rest.
    let mut before = cpu_of(runner.0.id())?;
    loop {
        std::thread::sleep(Duration::from_millis(1_500));
        let now = cpu_of(runner.0.id())?;
        if now.saturating_sub(before) < Duration::from_millis(15) {
            return resident(runner.0.id());
        }
        before = now;
    }
}

/// Time from the write of an event to the read of its result, which has the pipes in it.
pub fn latency(dir: &Path) -> io::Result<()> {
    report::title(
        "Latency of a single event at rest, milliseconds from its write to the pipe until its result is read",
    );
    let topology = dir.join("latency.yaml");
    std::fs::write(
        &topology,
        "sources:\n  card: { stdin: {} }\nstages:\n  large:\n    from: card\n    filter: event.amount > 0\n    \
         map: { user: event.user_id, fee: event.amount * 0.02 }\nsinks:\n  out: { from: large, stdout: {} }\n",
    )?;
    let mut runner = start(&topology, Stdio::piped(), Stdio::piped())?;
    let (Some(mut events), Some(results)) = (runner.0.stdin.take(), runner.0.stdout.take()) else { return Ok(()) };
    let (mut results, mut line, mut taken) = (BufReader::new(results), String::new(), Vec::new());
    for i in 0..LATENCIES + 100 {
        std::thread::sleep(PAUSE);
        let start = Instant::now();
        events.write_all(format!("{{\"user_id\":\"user-{i:06}\",\"amount\":{}.5}}\n", i + 1).as_bytes())?;
        line.clear();
        results.read_line(&mut line)?;
        taken.push(start.elapsed());
    }
    // The first ones find a program that has just begun.
    let mut taken = taken.split_off(100);
    taken.sort_unstable();
    let share = |per_cent: usize| taken[taken.len() * per_cent / 100].as_secs_f64() * 1e3;
    Row::new("p50", share(50)).print();
    Row::new("p99", share(99)).goal(1.0).print();
    Ok(())
}

/// CPU time of a topology of 1,000 nodes to which nothing comes: of one source, and of files that are followed.
pub fn idle(dir: &Path) -> io::Result<()> {
    report::title("A topology of 1,000 nodes at rest: CPU milliseconds a second");
    for (name, are_files) in [("1 source", false), ("100 files that are followed", true)] {
        let topology = dir.join("idle.yaml");
        std::fs::write(&topology, chains(dir, are_files)?)?;
        let runner = start(&topology, Stdio::piped(), Stdio::null())?;
        std::thread::sleep(SETTLED);
        let (before, start) = (cpu_of(runner.0.id())?, Instant::now());
        std::thread::sleep(WATCHED);
        let taken = cpu_of(runner.0.id())?.saturating_sub(before);
        // `top` shows a tenth of a per cent.
        Row::new(name, taken.as_secs_f64() * 1e3 / start.elapsed().as_secs_f64()).goal(1.0).print();
    }
    Ok(())
}

/// Chains of stages, each with its own sink, behind a file each or all behind one source.
fn chains(dir: &Path, are_files: bool) -> io::Result<String> {
    let (mut sources, mut stages, mut sinks) = (String::new(), String::new(), String::new());
    for chain in 0..CHAINS {
        let path: PathBuf = dir.join(format!("idle-{chain}.jsonl"));
        if are_files {
            std::fs::write(&path, "")?;
            let path = path.display().to_string();
            let _ = writeln!(sources, "  in_{chain}: {{ file: {{ path: {path:?}, follow: true }} }}");
        } else if chain == 0 {
            sources.push_str("  in_0: { stdin: {} }\n");
        }
        // What has no source of its own has a stage in its place.
        let (source, count) =
            if are_files { (chain, STAGES) } else { (0, if chain == 0 { STAGES } else { STAGES + 1 }) };
        for stage in 0..count {
            let from = if stage == 0 { format!("in_{source}") } else { format!("s_{chain}_{}", stage - 1) };
            let _ = writeln!(stages, "  s_{chain}_{stage}: {{ from: {from}, filter: event.amount > {stage} }}");
        }
        let _ = writeln!(sinks, "  out_{chain}: {{ from: s_{chain}_{}, discard: {{}} }}", count - 1);
    }
    Ok(format!("sources:\n{sources}stages:\n{stages}sinks:\n{sinks}"))
}

/// A process that ends when it is dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a runner.
pub fn start(topology: &Path, stdin: Stdio, stdout: Stdio) -> io::Result<Running> {
    let mut runner = Command::new(env!("CARGO_BIN_EXE_runner"));
    runner.args(["run", "--fresh", "--plain"]).arg(topology);
    Ok(Running(runner.stdin(stdin).stdout(stdout).stderr(Stdio::null()).spawn()?))
}
