//! The runner against the same jobs written by hand, in one command: `cargo bench --bench by_hand`, or some of them:
//! `cargo bench --bench by_hand -- filter-map wide`.
//!
//! Both run in turn, each as a process of its own on one core; their outputs are compared; and of each the run counts that took the
//! least CPU time. The programs by hand are written to win: serde structs of only the fields that are needed, borrowed strings,
//! large buffers, keys that are numbered once, output without a serializer, and the runner's allocator. `EVENTS` and `RUNS` in the
//! environment change how many events there are and how often each program runs.

mod avro;
mod compare;
mod data;
mod dedupe;
mod jetstream;
mod jobs;
mod lines;
mod measure;
mod protobuf;
mod report;
mod rest;
mod scale;
mod schemas;
mod script;
#[allow(dead_code)]
#[path = "../../tests/nats/server.rs"]
mod server;
mod sessions;
mod stateless;
mod texts;
mod two;
mod users;
mod windows;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use jobs::{JOBS, Job};
use measure::{Taken, outputs, programs};
use report::verdict;

/// As the runner's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The core on which both run.
const ONE_CORE: &str = "1";

/// What is measured beside the jobs.
type Section = (&'static str, fn(&Path) -> io::Result<()>);
const SECTIONS: &[Section] = &[
    ("two-cores", scale::two_cores),
    ("growth", scale::growth),
    ("memory", rest::memory),
    ("latency", rest::latency),
    ("idle", rest::idle),
    ("jetstream", jetstream::jetstream),
    ("json-schema", schemas::json_schema),
];

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--measure", ..] => return measure::as_parent(&arguments[1..]),
        ["--jetstream", url, name] => return jetstream::by_hand(url, name).map(|()| ExitCode::SUCCESS),
        ["--generate", events, users] => {
            let count = |text: &str| text.parse().map_err(io::Error::other);
            let mut out = io::BufWriter::with_capacity(1 << 20, io::stdout());
            data::payments_of(count(users)?, count(events)?, &mut out)?;
            out.flush()?;
            return Ok(ExitCode::SUCCESS);
        }
        ["--by-hand", name, input, outputs @ ..] => {
            let program = Job::by_hand(name).ok_or_else(|| io::Error::other("no such job"))?;
            let outputs: Vec<PathBuf> = outputs.iter().map(PathBuf::from).collect();
            program(Path::new(input), &outputs)?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    // `cargo bench` adds `--bench`.
    let wanted: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with('-')).collect();
    let names: Vec<&str> = JOBS.iter().map(|job| job.name).chain(SECTIONS.iter().map(|(name, _)| *name)).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        eprintln!("error: there is no job `{unknown}`; there are {}", names.join(", "));
        return Ok(ExitCode::FAILURE);
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.contains(&name);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(dir.join("out"))?;
    if JOBS.iter().any(|job| is_wanted(job.name)) {
        print_head();
    }
    for job in JOBS.iter().filter(|job| is_wanted(job.name)) {
        compare_pair(job, &dir)?;
    }
    SECTIONS.iter().filter(|(name, _)| is_wanted(name)).try_for_each(|(_, section)| section(&dir))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs both programs of a job in turn, compares what they wrote, and prints a line.
fn compare_pair(job: &Job, dir: &Path) -> io::Result<()> {
    let events = measure::events().unwrap_or(job.input.events());
    let commands = programs(job, job.name, dir, events)?;
    let mut best: [Option<Taken>; 2] = [None, None];
    for _ in 0..measure::runs() {
        for (best, command) in best.iter_mut().zip(&commands) {
            let taken = measure::run(command, ONE_CORE, Stdio::null())?;
            *best = Some(best.map_or(taken, |best| best.better(taken)));
        }
    }
    for (theirs, ours) in outputs(job, dir, "hand").iter().zip(outputs(job, dir, "runner")) {
        compare::equal(theirs, &ours, job.ordered)?;
    }
    let [Some(hand), Some(runner)] = best else { return Ok(()) };
    print_line(job, events, hand, runner);
    Ok(())
}

fn print_head() {
    let runs = measure::runs();
    println!("One core; CPU and wall time in nanoseconds an event, peak of memory in MiB; the best of {runs} runs\n");
    println!(
        "{:<14} {:>9} {:>8} {:>8} {:>6} {:>5} {:>7}  {:>8} {:>8}  {:>8} {:>8}",
        "", "events", "by hand", "runner", "ratio", "goal", "", "wall", "wall", "memory", "memory"
    );
}

fn print_line(job: &Job, events: u64, hand: Taken, runner: Taken) {
    let an_event = |time: std::time::Duration| time.as_nanos() as f64 / events as f64;
    let ratio = runner.cpu.as_secs_f64() / hand.cpu.as_secs_f64();
    println!(
        "{:<14} {events:>9} {:>8.0} {:>8.0} {ratio:>6.2} {:>5.1} {:>7}  {:>8.0} {:>8.0}  {:>8.1} {:>8.1}",
        job.name,
        an_event(hand.cpu),
        an_event(runner.cpu),
        job.goal,
        verdict(ratio, job.goal),
        an_event(hand.wall),
        an_event(runner.wall),
        hand.peak as f64 / (1 << 20) as f64,
        runner.peak as f64 / (1 << 20) as f64,
    );
}
