//! Processes and what one takes: CPU time in microseconds, wall time, and the peak of its memory.
//!
//! A process begins with the peak of the one that started it. So what is measured is the child of a small process (`--measure`),
//! which `taskset` keeps on the cores that both may use.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::jobs::Job;

/// What one process took.
#[derive(Clone, Copy)]
pub struct Taken {
    /// User and system time of all threads.
    pub cpu: Duration,
    pub wall: Duration,
    /// The most memory that was resident at once, in bytes.
    pub peak: u64,
}

impl Taken {
    /// The least of both in each respect: what is more is the machine's doing.
    pub fn better(self, other: Taken) -> Taken {
        Taken { cpu: self.cpu.min(other.cpu), wall: self.wall.min(other.wall), peak: self.peak.min(other.peak) }
    }
}

/// Runs of each program, where `RUNS` does not say.
const RUNS: usize = 5;

/// How many events there are, where the environment says so.
pub fn events() -> Option<u64> {
    std::env::var("EVENTS").ok()?.parse().ok()
}

pub fn runs() -> usize {
    std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

/// The best of several runs.
pub fn best_of(run: impl Fn() -> io::Result<Taken>) -> io::Result<Taken> {
    (1..runs()).try_fold(run()?, |best, _| Ok(best.better(run()?)))
}

/// The program by hand, of the name `by_hand`, and the runner, for a job over so many events.
pub fn programs(job: &Job, by_hand: &str, dir: &Path, events: u64) -> io::Result<[Command; 2]> {
    let input = job.input.file(dir, events)?;
    let topology = dir.join(format!("{}.yaml", job.name));
    std::fs::write(&topology, Job::fill(job.topology, &input, &outputs(job, dir, "runner")))?;
    let mut hand = Command::new(std::env::current_exe()?);
    hand.args(["--by-hand", by_hand]).arg(&input).args(outputs(job, dir, "hand"));
    let mut runner = Command::new(env!("CARGO_BIN_EXE_runner"));
    runner.args(["run", "--fresh"]).arg(&topology);
    Ok([hand, runner])
}

/// The files that one of the two writes. Not beside the topology: its folder is watched, and each write there wakes the watcher.
pub fn outputs(job: &Job, dir: &Path, of: &str) -> Vec<PathBuf> {
    (1..=job.outputs).map(|n| dir.join("out").join(format!("{}.{of}.{n}.jsonl", job.name))).collect()
}

/// A process that writes payments of so many users to its standard output.
pub fn generator(events: u64, users: u64) -> io::Result<Child> {
    let mut generator = Command::new(std::env::current_exe()?);
    generator.args(["--generate", &events.to_string(), &users.to_string()]);
    generator.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

/// The CPU time of the threads that a process has.
pub fn cpu_of(process: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may have ended meanwhile.
        let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanos += text.split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

/// The bytes of memory that a process has now.
pub fn resident(process: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024)
}

/// Runs a command to its end on these cores, such as `0` or `0,1`.
pub fn run(command: &Command, cores: &str, stdin: Stdio) -> io::Result<Taken> {
    let mut measured = Command::new("taskset");
    measured.arg("--cpu-list").arg(cores).arg(std::env::current_exe()?).arg("--measure");
    measured.arg(command.get_program()).args(command.get_args());
    let output = measured.stdin(stdin).stderr(Stdio::inherit()).output()?;
    let report = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = report.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    match numbers.as_slice() {
        [cpu, wall, peak] if output.status.success() => {
            Ok(Taken { cpu: Duration::from_micros(*cpu), wall: Duration::from_micros(*wall), peak: *peak })
        }
        _ => Err(io::Error::other(format!("{command:?} failed"))),
    }
}

/// What `--measure PROGRAM ARGUMENTS` does: runs the program and prints three numbers. What the program says is only shown if it fails.
pub fn as_parent(arguments: &[String]) -> io::Result<ExitCode> {
    let [program, arguments @ ..] = arguments else { return Err(io::Error::other("--measure PROGRAM ...")) };
    let said = tempfile::tempfile()?;
    let start = Instant::now();
    let mut child =
        Command::new(program).args(arguments).stdout(said.try_clone()?).stderr(said.try_clone()?).spawn()?;
    let used = child.wait4()?;
    let wall = start.elapsed();
    if !used.status.success() {
        let mut said = said;
        io::Seek::rewind(&mut said)?;
        io::copy(&mut said, &mut io::stderr())?;
        return Ok(ExitCode::FAILURE);
    }
    let usage = used.rusage;
    println!("{} {} {}", (usage.utime + usage.stime).as_micros(), wall.as_micros(), usage.maxrss);
    Ok(ExitCode::SUCCESS)
}
