//! The ways in which each run case runs. Results must not depend on any of them: not on how events are batched, nor on where the
//! process is killed and goes on from its checkpoint, nor on where it is handed over to a copy of itself.

use std::fs;
use std::path::Path;

use crate::support::{Finished, finish, runner};

use super::{Got, collect, copy_inputs, differences, each_case, events_of, lines, write_expected};

const SMALL: [&str; 4] = ["--batch-events", "1", "--edge-batches", "1"];

/// One process from beginning to end.
const UNDISTURBED: [(&str, &[&str]); 5] = [
    ("straight", &[]),
    ("batches of one event, edges of one batch", &SMALL),
    ("one thread", &["--threads", "1"]),
    ("handed over after every event", &["--batch-events", "1", "--edge-batches", "1", "--hand-over-batches", "1"]),
    ("handed over after every six events", &["--batch-events", "3", "--hand-over-batches", "2"]),
];

/// Killed again and again, each time at this failpoint of the first process and of all later ones.
const KILLED: [(&str, &str, &str); 2] = [
    ("killed at checkpoints", "published", "published"),
    ("killed before checkpoints are published", "segment-written", "segment-written:2"),
];

/// Cases that are not killed, and why.
const NOT_KILLED: [(&str, &str); 3] =
    [("throttle_drop", FULL_AGAIN), ("throttle_keys", FULL_AGAIN), ("throttle_route", FULL_AGAIN)];
const FULL_AGAIN: &str = "a throttle goes by the clock, and its bucket is full after a restart";

/// Cases that come to no checkpoint at which to kill them, and why.
const NO_CHECKPOINT: [(&str, &str); 8] = [
    ("file_empty", "there is no event"),
    ("file_full_disk", "its sink fails at the first event"),
    ("file_missing", "its source cannot be opened"),
    ("stdin_text_lines", "stdin cannot be read again"),
    ("stdin_to_stdout", "stdin cannot be read again"),
    ("stdin_to_stdout_avro", "stdin cannot be read again"),
    ("stdin_to_stdout_avro_of_nothing", "stdin cannot be read again"),
    ("stdin_to_stdout_protobuf", "stdin cannot be read again"),
];

/// After so many kills any case has ended: between two of them twice as much is read each time.
const KILLS_MAX: u32 = 20;

#[test]
fn run_cases() {
    each_case("run", |case, update| {
        let mut problems = Vec::new();
        for (way, args) in UNDISTURBED {
            let folder = Folder::of(case);
            let given = got(folder.dir.path(), folder.run(args, None));
            if update {
                return write_expected(case, &given);
            }
            problems.extend(differences(case, &given).into_iter().map(|problem| format!("{way}: {problem}")));
        }
        problems
    });
}

#[test]
fn run_cases_killed() {
    each_case("run", |case, _| {
        let mut problems = Vec::new();
        let is_in = |table: &[(&str, &str)]| table.iter().any(|(name, _)| case.ends_with(name));
        if is_in(&NOT_KILLED) {
            return problems;
        }
        for (way, first, later) in KILLED {
            let (mut got, kills) = killed(case, first, later);
            if (kills == 0) != is_in(&NO_CHECKPOINT) {
                problems.push(format!("{way}: it was killed {kills} times"));
            }
            // What it says is of the last process alone.
            got.insert("stderr".into(), fs::read_to_string(case.join("stderr")).unwrap_or_default());
            problems.extend(differences(case, &got).into_iter().map(|problem| format!("{way}: {problem}")));
        }
        problems
    });
}

/// Runs a case until it ends by itself, and kills it at a failpoint wherever it comes to one.
fn killed(case: &Path, first: &str, later: &str) -> (Got, u32) {
    let folder = Folder::of(case);
    for kills in 0..KILLS_MAX {
        let batches = (1 << kills).to_string();
        let mut args = SMALL.to_vec();
        args.extend(["--checkpoint-batches", &*batches]);
        if kills > 0 {
            args.push("--resume");
        }
        let finished = folder.run(&args, Some(if kills == 0 { first } else { later }));
        // A failpoint aborts the process, which leaves no exit code.
        if finished.status.code().is_some() {
            return (got(folder.dir.path(), finished), kills);
        }
    }
    panic!("{} has not ended after {KILLS_MAX} kills", case.display());
}

/// A folder in which a case runs.
struct Folder<'a> {
    case: &'a Path,
    dir: tempfile::TempDir,
}

impl Folder<'_> {
    fn of(case: &Path) -> Folder<'_> {
        let dir = tempfile::tempdir().expect("a folder for the run");
        copy_inputs(case, dir.path());
        Folder { case, dir }
    }

    fn run(&self, args: &[&str], failpoint: Option<&str>) -> Finished {
        let mut command = runner(self.dir.path());
        command.args(["run", "topology.yaml"]).args(lines(&self.case.join("args"))).args(args);
        command.envs(failpoint.map(|name| ("RUNNER_FAILPOINT", name)));
        let finished = finish(command, fs::read(self.case.join("stdin")).ok());
        assert!(!finished.stderr.contains("panicked"), "{}: {}", self.case.display(), finished.stderr);
        finished
    }
}

/// What a run in this folder gave.
pub fn got(dir: &Path, Finished { status, stdout, stderr }: Finished) -> Got {
    let mut got = Got::new();
    got.insert("exit".into(), status.code().map_or("a signal".into(), |code| code.to_string()));
    if stdout.starts_with(b"Obj\x01") {
        got.insert("stdout".into(), events_of(&stdout[..]));
    } else if !stdout.is_empty() {
        got.insert("stdout".into(), String::from_utf8_lossy(&stdout).into_owned());
    }
    got.insert("stderr".into(), stderr);
    collect(dir, dir, &mut got);
    got
}
