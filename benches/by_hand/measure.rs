//! What one process takes: CPU time in microseconds, wall time, and the peak of its memory.
//!
//! A process begins with the peak of the one that started it. So what is measured is the child of a small process (`--measure`),
//! which `taskset` keeps on the cores that both may use.

use std::io;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

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

/// Runs a command to its end on these cores, such as `0` or `0,1`.
pub fn run(command: &Command, cores: &str) -> io::Result<Taken> {
    let mut measured = Command::new("taskset");
    measured.arg("--cpu-list").arg(cores).arg(std::env::current_exe()?).arg("--measure");
    measured.arg(command.get_program()).args(command.get_args());
    let output = measured.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
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
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?)
        .spawn()?;
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
