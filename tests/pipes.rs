//! Files, pipes and signals, as a user meets them: what a folder of input and output cannot show.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{finish, folder, runner, signal, start, stderr_of, wait};

const LIMIT: Duration = Duration::from_secs(30);

/// Waits until a file has this content.
fn wait_for(path: &Path, wanted: &str) {
    let until = Instant::now() + LIMIT;
    while fs::read_to_string(path).unwrap_or_default() != wanted {
        assert!(Instant::now() < until, "{} has {:?}", path.display(), fs::read_to_string(path));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_run_quietly() {
    let dir = folder("sources: { n: { generate: { event: '#{ n: i }' } } }\nsinks: { out: { from: n, stdout: {} } }\n");
    let mut child = start(dir.path());
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
    assert_eq!(lines.next().expect("a line").expect("it is text"), r#"{"n":0}"#);
    drop(lines);
    let status = wait(&mut child, LIMIT).expect("it ends");
    let said = stderr_of(&mut child);
    assert!(status.success(), "{status}: {said}");
    assert!(!said.contains("ERROR") && !said.contains("panicked"), "{said}");
}

#[test]
fn a_followed_file_is_read_as_it_grows_until_the_run_is_stopped() {
    let dir = folder(
        "sources: { log: { file: { path: 'in*.jsonl', follow: true } } }\nsinks: { out: { from: log, file: { path: out.jsonl } } }\n",
    );
    let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
    fs::write(&input, "{\"n\":1}\n{\"n\":").expect("the input is written");
    let mut child = start(dir.path());
    wait_for(&output, "{\"n\":1}\n");
    let mut file = File::options().append(true).open(&input).expect("the input is there");
    file.write_all(b"2}\n").expect("the input is written");
    wait_for(&output, "{\"n\":1}\n{\"n\":2}\n");
    fs::write(dir.path().join("in2.jsonl"), "{\"n\":3}\n").expect("a new file is written");
    wait_for(&output, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    signal(&child, "TERM");
    let status = wait(&mut child, LIMIT).expect("it ends");
    let said = stderr_of(&mut child);
    assert!(status.success() && said.contains("out.jsonl"), "{status}: {said}");
}

#[test]
fn named_pipes_are_read_to_their_end_and_written() {
    let dir = folder(
        "sources: { in: { file: { path: in.pipe } } }\nsinks: { out: { from: in, file: { path: out.pipe } } }\n",
    );
    for name in ["in.pipe", "out.pipe"] {
        let status = Command::new("mkfifo").arg(dir.path().join(name)).status();
        assert!(status.expect("mkfifo runs").success());
    }
    let mut child = start(dir.path());
    let (input, output) = (dir.path().join("in.pipe"), dir.path().join("out.pipe"));
    let reader = std::thread::spawn(move || fs::read_to_string(output));
    File::options()
        .write(true)
        .open(input)
        .and_then(|mut pipe| pipe.write_all(b"{\"n\":1}\n{\"n\":2}"))
        .expect("it is read");
    assert_eq!(reader.join().expect("no panic").expect("it is written"), "{\"n\":1}\n{\"n\":2}\n");
    assert!(wait(&mut child, LIMIT).expect("it ends").success());
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let dir = folder(
        "limits: { line: 1MiB }\nsources: { in: { stdin: {} } }\nsinks: { out: { from: in, file: { path: out.jsonl } } }\n",
    );
    let mut command = runner(dir.path());
    command.arg("t.yaml").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    stdin.write_all(b"{\"n\":1}\n{\"text\":\"").expect("it is read");
    for _ in 0..100 {
        stdin.write_all(&[b'x'; 1 << 20]).expect("it is read");
    }
    let peak = peak_memory_mib(&child);
    stdin.write_all(b"\"}\n{\"n\":2}\n").expect("it is read");
    drop(stdin);
    assert!(wait(&mut child, LIMIT).expect("it ends").success());
    assert!(peak < 60, "{peak} MiB");
    wait_for(&dir.path().join("out.jsonl"), "{\"n\":1}\n{\"n\":2}\n");
}

/// The most memory that the process has had so far.
fn peak_memory_mib(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("the process is there");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the kernel tells it");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
    kib >> 10
}

#[test]
fn a_finite_run_replaces_what_an_earlier_one_has_written() {
    let dir = folder(
        "sources: { n: { generate: { event: '#{ n: i }', count: 2 } } }\nsinks:\n  all: { from: n, file: { path: out.jsonl } }\n  \
         parts: { from: n, file: { path: part.jsonl, rotate: { size: 1B } } }\n  more: { from: n, file: { path: more.jsonl, mode: append } }\n",
    );
    fs::write(dir.path().join("part-000003.jsonl"), "old\n").expect("it is written");
    for _ in 0..2 {
        let mut command = runner(dir.path());
        command.arg("t.yaml");
        let finished = finish(command, None);
        assert!(finished.status.success(), "{}", finished.stderr);
    }
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    assert_eq!(read("out.jsonl"), "{\"n\":0}\n{\"n\":1}\n");
    assert_eq!(read("part-000002.jsonl"), "{\"n\":1}\n");
    assert_eq!(read("part-000003.jsonl"), "");
    assert_eq!(read("more.jsonl"), "{\"n\":0}\n{\"n\":1}\n{\"n\":0}\n{\"n\":1}\n");
}

#[test]
fn a_log_that_nobody_reads_changes_nothing() {
    let dir = folder(
        "sources: { in: { generate: { event: '#{ n: i }', count: 200, rate: 400/s } } }
stages: { s: { from: in, map: { n: event.n, m: event.n } } }
sinks: { out: { from: s, file: { path: out.jsonl } } }
",
    );
    let mut child = start(dir.path());
    drop(child.stderr.take());
    let status = wait(&mut child, LIMIT).expect("it ends");
    assert_eq!(status.code(), Some(0));
    let text = fs::read_to_string(dir.path().join("out.jsonl")).expect("the output is there");
    assert_eq!(text.lines().count(), 200);
}
