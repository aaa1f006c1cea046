//! What tests share: the program under test, as a child process that cannot outlive its test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long any run may take before the test fails.
pub const RUN_SECONDS_MAX: u64 = 60;

/// The program under test, in a folder.
pub fn runner(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command.current_dir(dir).stdin(Stdio::null()).env_remove("RUNNER_LOG").env("NO_COLOR", "1");
    command
}

/// A folder with a topology in it, `t.yaml`.
pub fn folder(topology: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("t.yaml"), topology).expect("the topology is written");
    dir
}

/// Runs the folder's `t.yaml`, with pipes at all ends.
pub fn start(dir: &Path) -> Child {
    let mut command = runner(dir);
    command.arg("t.yaml").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

/// Sends a signal by name; the child is ours and has not been waited for.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// All that a child that has ended said.
pub fn stderr_of(child: &mut Child) -> String {
    let mut text = String::new();
    let mut pipe = child.stderr.take().expect("stderr is a pipe");
    std::io::Read::read_to_string(&mut pipe, &mut text).expect("it is text");
    text
}

/// How a finished program ended, and what it said.
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// Runs a program to its end with this input; kills it and panics when it takes too long.
pub fn finish(mut command: Command, input: Option<Vec<u8>>) -> Finished {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().expect("the program starts");
    let feeder = input.map(|input| {
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        // A program that stops reading early closes the pipe; what it then says is what is tested.
        std::thread::spawn(move || drop(std::io::Write::write_all(&mut stdin, &input)))
    });
    let stdout = drain(child.stdout.take().expect("stdout is a pipe"));
    let stderr = drain(child.stderr.take().expect("stderr is a pipe"));
    let status = wait(&mut child, Duration::from_secs(RUN_SECONDS_MAX));
    let stdout = stdout.join().expect("stdout is read");
    let stderr = String::from_utf8_lossy(&stderr.join().expect("stderr is read")).into_owned();
    if let Some(feeder) = feeder {
        feeder.join().expect("stdin is fed");
    }
    let Some(status) = status else { panic!("{command:?} did not end within {RUN_SECONDS_MAX} s; it said:\n{stderr}") };
    Finished { status, stdout, stderr }
}

/// Waits for a child; `None` after killing one that takes too long.
pub fn wait(child: &mut Child, at_most: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + at_most;
    loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            return Some(status);
        }
        if Instant::now() >= until {
            child.kill().expect("the child can be killed");
            child.wait().expect("the child can be waited for");
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn drain(mut pipe: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("the pipe is read");
        bytes
    })
}

/// A runner at work, whose lines are read as they come.
pub struct Run {
    pub child: Child,
    lines: Receiver<String>,
    /// The lines that were read.
    pub said: Vec<String>,
}

impl Run {
    pub fn start(dir: &Path, args: &[&str]) -> Run {
        Run::start_with(dir, args, Stdio::null())
    }

    pub fn start_with(dir: &Path, args: &[&str], stdout: Stdio) -> Run {
        let mut command: Command = runner(dir);
        command.args(args).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (send, lines) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).all(|line| send.send(line).is_ok()));
        Run { child, lines, said: Vec::new() }
    }

    /// Waits until a line says this.
    #[track_caller]
    pub fn says(&mut self, what: &str) {
        let until = Instant::now() + Duration::from_secs(20);
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            let found = line.contains(what);
            self.said.push(line);
            if found {
                return;
            }
        }
        panic!("nothing says `{what}` in\n{}", self.said.join("\n"));
    }

    /// Says nothing for a moment.
    #[track_caller]
    pub fn is_silent(&mut self) {
        if let Ok(line) = self.lines.recv_timeout(Duration::from_millis(800)) {
            panic!("it says `{line}`");
        }
    }

    /// Stops it, and gives the exit code and all that it said.
    pub fn stop(mut self) -> (Option<i32>, String) {
        signal(&self.child, "TERM");
        self.end()
    }

    pub fn end(&mut self) -> (Option<i32>, String) {
        let status = wait(&mut self.child, Duration::from_secs(20));
        self.said.extend(self.lines.iter());
        (status.and_then(|status| status.code()), self.said.join("\n"))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It has ended, or its test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Edits a file in place.
pub fn replace(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("it is there");
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).expect("it is written");
}

/// Waits until a file has so many lines.
#[track_caller]
pub fn has_lines(path: &Path, count: usize) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let found = std::fs::read_to_string(path).unwrap_or_default().lines().count();
        if found >= count {
            return;
        }
        assert!(Instant::now() < until, "{found} lines in {}", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}
