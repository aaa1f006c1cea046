//! The runner against the same jobs written by hand, in one command: `cargo bench --bench by_hand`, or some of them:
//! `cargo bench --bench by_hand -- filter-map wide`.
//!
//! Both run in turn, each as a process of its own on one core; their outputs are compared; and of each the run counts that took the
//! least CPU time. The programs by hand are written to win: serde structs of only the fields that are needed, borrowed strings,
//! large buffers, keys that are numbered once, output without a serializer, and the runner's allocator. `EVENTS` and `RUNS` in the
//! environment change how many events there are and how often each program runs.

mod compare;
mod data;
mod dedupe;
mod jobs;
mod lines;
mod measure;
mod script;
mod sessions;
mod stateless;
mod texts;
mod users;
mod windows;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use jobs::{JOBS, Job};
use measure::Taken;

/// As the runner's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The core on which both run.
const ONE_CORE: &str = "1";
/// Runs of each program, where `RUNS` does not say.
const RUNS: usize = 5;

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [flag, rest @ ..] if flag == "--measure" => return measure::as_parent(rest),
        [flag, name, input, outputs @ ..] if flag == "--by-hand" => {
            let job = JOBS.iter().find(|job| job.name == name).ok_or_else(|| io::Error::other("no such job"))?;
            let outputs: Vec<PathBuf> = outputs.iter().map(PathBuf::from).collect();
            (job.by_hand)(Path::new(input), &outputs)?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    // `cargo bench` adds `--bench`.
    let wanted: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = wanted.iter().find(|name| !JOBS.iter().any(|job| job.name == **name)) {
        let names: Vec<&str> = JOBS.iter().map(|job| job.name).collect();
        return Err(io::Error::other(format!("there is no job `{unknown}`; there are {}", names.join(", "))));
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&dir)?;
    println!(
        "One core; CPU and wall time in nanoseconds an event, peak of memory in MiB; the best of {} runs\n",
        runs()
    );
    println!(
        "{:<14} {:>9} {:>8} {:>8} {:>6} {:>5} {:>7}  {:>8} {:>8}  {:>8} {:>8}",
        "", "events", "by hand", "runner", "ratio", "goal", "", "wall", "wall", "memory", "memory"
    );
    for job in JOBS.iter().filter(|job| wanted.is_empty() || wanted.contains(&job.name)) {
        compare_pair(job, &dir)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn runs() -> usize {
    std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

/// Runs both programs of a job in turn, compares what they wrote, and prints a line.
fn compare_pair(job: &Job, dir: &Path) -> io::Result<()> {
    let events = std::env::var("EVENTS").ok().and_then(|events| events.parse().ok()).unwrap_or(job.input.events());
    let input = job.input.file(dir, events)?;
    let outputs = |of: &str| -> Vec<PathBuf> {
        (1..=job.outputs).map(|n| dir.join(format!("{}.{of}.{n}.jsonl", job.name))).collect()
    };
    let (theirs, ours) = (outputs("hand"), outputs("runner"));
    let topology = dir.join(format!("{}.yaml", job.name));
    std::fs::write(&topology, job.topology_of(&input, &ours))?;
    let mut by_hand = Command::new(std::env::current_exe()?);
    by_hand.args(["--by-hand", job.name]).arg(&input).args(&theirs);
    let mut runner = Command::new(env!("CARGO_BIN_EXE_runner"));
    runner.arg("run").arg("--fresh").arg(&topology);

    let mut best: [Option<Taken>; 2] = [None, None];
    for _ in 0..runs() {
        for (best, command) in best.iter_mut().zip([&by_hand, &runner]) {
            let taken = measure::run(command, ONE_CORE)?;
            *best = Some(best.map_or(taken, |best| best.better(taken)));
        }
    }
    for (theirs, ours) in theirs.iter().zip(&ours) {
        compare::equal(theirs, ours, job.ordered)?;
    }
    let [Some(hand), Some(runner)] = best else { return Ok(()) };
    print_line(job, events, hand, runner);
    Ok(())
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
        if ratio <= job.goal { "met" } else { "missed" },
        an_event(hand.wall),
        an_event(runner.wall),
        hand.peak as f64 / (1 << 20) as f64,
        runner.peak as f64 / (1 << 20) as f64,
    );
}
