//! The program as a process: pipes, signals, exit codes.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use crate::support::{Run, finish, folder, runner, signal, start, stderr_of, wait};

const ECHO: &str = "\
sources: { in: { stdin: {} } }
stages: { adults: { from: in, filter: event.age >= 18 } }
sinks: { out: { from: adults, stdout: {} } }
";

const ENDLESS: &str = "\
sources: { in: { generate: { event: '#{ n: i }', rate: 1000/s } } }
sinks: { out: { from: in, file: { path: out.jsonl } } }
";

/// Waits until a file has something in it.
fn until_written(path: &Path) {
    for _ in 0..1000 {
        if fs::metadata(path).is_ok_and(|file| file.len() > 0) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} is not written", path.display());
}

#[test]
fn stdin_to_stdout_and_logs_to_stderr() {
    let dir = folder(ECHO);
    let mut command = runner(dir.path());
    command.arg("t.yaml");
    let done = finish(command, Some(b"{\"age\":17}\n{\"age\":18, \"x\":1.50}\n".to_vec()));
    assert_eq!(String::from_utf8_lossy(&done.stdout), "{\"age\":18, \"x\":1.50}\n");
    assert!(done.stderr.contains("2 events read"), "{}", done.stderr);
    assert_eq!(done.status.code(), Some(0));
}

#[test]
fn what_the_interpreter_evaluates_is_counted() {
    let dir = folder(
        "\
sources: { in: { stdin: {} } }
stages: { s: { from: in, filter: event.n > 0, map: { a: event.n + 1, b: 'event.l.map(|x| x * 2)' } } }
sinks: { out: { from: s, stdout: {} } }
",
    );
    let mut command = runner(dir.path());
    command.arg("t.yaml");
    let input = "{\"n\":1,\"l\":[1]}\n".repeat(3) + "{\"n\":0}\n";
    let done = finish(command, Some(input.into_bytes()));
    // The filter for four events, two fields for three.
    assert!(done.stderr.contains("  s: 3 of 10 evaluations by the interpreter"), "{}", done.stderr);
}

#[test]
fn an_event_passes_while_the_input_stays_open() {
    let dir = folder(ECHO);
    let mut child = start(dir.path());
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"{\"age\":40}\n").expect("it reads");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut line).expect("it writes");
    assert_eq!(line, "{\"age\":40}\n");
    drop(stdin);
    assert!(wait(&mut child, Duration::from_secs(10)).is_some_and(|status| status.success()));
}

#[test]
fn one_signal_stops_in_order() {
    for name in ["INT", "TERM"] {
        let dir = folder(ENDLESS);
        let mut child = start(dir.path());
        until_written(&dir.path().join("out.jsonl"));
        signal(&child, name);
        let status = wait(&mut child, Duration::from_secs(20)).expect("it stops");
        assert_eq!(status.code(), Some(0));
        let said = stderr_of(&mut child);
        assert!(said.contains("wrote out.jsonl"), "{said}");
        let text = fs::read_to_string(dir.path().join("out.jsonl")).expect("the output is there");
        let numbers: Vec<String> = (0..text.lines().count()).map(|n| format!("{{\"n\":{n}}}")).collect();
        assert!(text.lines().eq(numbers.iter().map(String::as_str)), "every event once, in order, whole lines");
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    // A sink that tries for ever keeps the first signal waiting.
    let dir = folder(
        "sources: { in: { generate: { event: '#{ n: i }', rate: 1000/s } } }
sinks: { out: { from: in, file: { path: /dev/full } } }
",
    );
    let mut child = start(dir.path());
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let tries = stderr.find(|line| line.as_ref().is_ok_and(|line| line.contains("trying again")));
    assert!(tries.is_some(), "a full disk is tried again");
    signal(&child, "INT");
    assert!(wait_a_moment(&mut child), "the first signal lets what is in flight be written");
    signal(&child, "INT");
    let status = wait(&mut child, Duration::from_secs(5)).expect("the second signal ends it");
    assert_eq!(status.code(), Some(130));
}

#[test]
fn a_stuck_sink_keeps_a_stop_waiting_for_seconds_only() {
    let dir = folder(
        "sources: { in: { generate: { event: '#{ n: i }', rate: 1000/s } } }
sinks: { out: { from: in, file: { path: /dev/full } } }
",
    );
    let mut child = start(dir.path());
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    assert!(stderr.any(|line| line.is_ok_and(|line| line.contains("trying again"))));
    signal(&child, "TERM");
    let said = std::thread::spawn(move || stderr.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    let status = wait(&mut child, Duration::from_secs(30)).expect("it gives up");
    assert_eq!(status.code(), Some(1));
    let said = said.join().expect("it is text");
    assert!(said.contains("error: out: cannot write `/dev/full`"), "{said}");
    assert!(said.contains(" 0 written"), "{said}");
}

/// Whether a child still runs after half a second.
fn wait_a_moment(child: &mut Child) -> bool {
    std::thread::sleep(Duration::from_millis(500));
    child.try_wait().expect("the child can be waited for").is_none()
}

#[test]
fn exit_codes_are_as_documented() {
    let code = |topology: &str, args: &[&str]| {
        let dir = folder(topology);
        let mut command = runner(dir.path());
        command.args(args);
        finish(command, Some(Vec::new())).status.code()
    };
    assert_eq!(code(ECHO, &["t.yaml"]), Some(0));
    assert_eq!(
        code(
            "sources: { in: { file: { path: nowhere.jsonl } } }\nsinks: { o: { from: in, discard: {} } }\n",
            &["t.yaml"]
        ),
        Some(1)
    );
    assert_eq!(code(ECHO, &["--no-such-flag"]), Some(2));
    assert_eq!(code("sources: {}\n", &["t.yaml"]), Some(3));
    assert_eq!(code(ECHO, &["nowhere.yaml"]), Some(3));
}

#[test]
fn a_first_topology_is_made_and_runs() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut make = runner(dir.path());
    make.args(["new", "first"]);
    assert!(finish(make, None).status.success());
    let mut run = runner(dir.path());
    run.arg("first/topology.yaml");
    let done = finish(run, None);
    assert_eq!(String::from_utf8_lossy(&done.stdout).lines().count(), 5, "{}", done.stderr);
    let mut again = runner(dir.path());
    again.args(["new", "first"]);
    let refused = finish(again, None);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("nothing is overwritten"), "{}", refused.stderr);
}

#[test]
fn a_table_is_read_again_when_it_changes() {
    let dir = folder(
        "sources: { in: { generate: { event: '#{ id: \"a\" }', rate: 500/s } } }
stages: { named: { from: in, enrich: { table: { file: { path: t.csv } }, on: { id: event.id }, as: row } } }
sinks: { out: { from: named, file: { path: out.jsonl } } }
",
    );
    let table = dir.path().join("t.csv");
    fs::write(&table, "id,name\na,old\n").expect("the table is written");
    let out = dir.path().join("out.jsonl");
    let mut child = start(dir.path());
    until_written(&out);
    // Saved as editors do: another file takes its place.
    fs::write(dir.path().join("t.new"), "id,name\na,new\n").expect("the table is written");
    fs::rename(dir.path().join("t.new"), &table).expect("the table is replaced");
    let seen = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        fs::read_to_string(&out).is_ok_and(|text| text.contains("\"name\":\"new\""))
    });
    signal(&child, "INT");
    assert!(wait(&mut child, Duration::from_secs(20)).is_some_and(|status| status.success()));
    assert!(seen, "events after the change have the new row");
    let text = fs::read_to_string(&out).expect("the output is there");
    assert!(text.starts_with("{\"id\":\"a\",\"row\":{\"id\":\"a\",\"name\":\"old\"}}"), "{text:.100}");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let mut command = runner(Path::new("."));
        command.args(["completions", shell]);
        let done = finish(command, None);
        assert!(done.status.success() && String::from_utf8_lossy(&done.stdout).contains("explain"));
    }
}

#[test]
fn a_silent_source_lets_the_windows_of_another_close() {
    // Nothing ever comes from `quiet`; the busy one falls silent first, the input stays open, and still both windows fire.
    let dir = folder(
        "sources:
  busy: { stdin: {}, time: event.at, watermark: { idle: 100ms } }
  quiet: { file: { path: quiet.jsonl, follow: true }, time: event.at, watermark: { idle: 700ms } }
stages:
  w: { from: [busy, quiet], window: { tumbling: 1s, lateness: 100ms, aggregate: { n: count() } } }
  ws: { from: w, window: { tumbling: 2s, aggregate: { n: sum(event.n) } } }
sinks: { out: { from: ws, stdout: {} } }
",
    );
    fs::write(dir.path().join("quiet.jsonl"), "").expect("the quiet file is made");
    let mut child = start(dir.path());
    let mut stdin = child.stdin.take().expect("a pipe");
    for at in [1_767_225_600_000_i64, 1_767_225_600_500, 1_767_225_601_700, 1_767_225_602_300] {
        writeln!(stdin, "{{\"at\":{at}}}").expect("it reads");
    }
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = String::new();
    stdout.read_line(&mut lines).expect("it writes");
    stdout.read_line(&mut lines).expect("it writes");
    assert_eq!(
        lines,
        "{\"window_start\":1767225600000,\"window_end\":1767225602000,\"n\":3}\n\
         {\"window_start\":1767225602000,\"window_end\":1767225604000,\"n\":1}\n"
    );
    drop(stdin);
    signal(&child, "INT");
    assert_eq!(wait(&mut child, Duration::from_secs(10)).expect("it stops").code(), Some(0));
}

#[test]
fn a_source_that_waits_for_room_stops_in_order() {
    let dir = folder(
        "sources: { in: { generate: { event: '#{ n: i }' } } }
stages: { slow: { from: in, throttle: { rate: 5/s, exceed: wait } } }
sinks: { out: { from: slow, file: { path: out.jsonl } } }
",
    );
    let mut child = start(dir.path());
    until_written(&dir.path().join("out.jsonl"));
    signal(&child, "INT");
    let status = wait(&mut child, Duration::from_secs(20)).expect("it stops");
    assert_eq!(status.code(), Some(0));
    let text = fs::read_to_string(dir.path().join("out.jsonl")).expect("the output is there");
    let numbers: Vec<String> = (0..text.lines().count()).map(|n| format!("{{\"n\":{n}}}")).collect();
    assert!(text.lines().eq(numbers.iter().map(String::as_str)), "every event once, in order");
}

#[test]
fn a_crash_before_the_first_checkpoint_doubles_nothing() {
    let dir = folder(
        "checkpoint: { every: 1h }
sources: { in: { file: { path: in.jsonl, follow: true } } }
stages: { s: { from: in, filter: event.n >= 0 } }
sinks: { out: { from: s, file: { path: out.jsonl, mode: append } } }
",
    );
    fs::write(dir.path().join("in.jsonl"), "{\"n\":1}\n{\"n\":\"x\"}\n").expect("the input is written");
    fs::write(dir.path().join("out.jsonl"), "{\"n\":0}\n").expect("an earlier output is there");
    let dead = dir.path().join("out/t.dead.jsonl");
    for _ in 0..2 {
        let mut child = start(dir.path());
        until_written(&dead);
        std::thread::sleep(Duration::from_millis(100));
        child.kill().expect("it is killed");
        child.wait().expect("it has ended");
    }
    let text = |name: &str| fs::read_to_string(dir.path().join(name)).expect("the output is there");
    assert_eq!(text("out.jsonl"), "{\"n\":0}\n{\"n\":1}\n");
    assert_eq!(text("out/t.dead.jsonl").lines().count(), 1);
}

#[test]
fn what_can_be_resumed_is_told_and_what_cannot() {
    let dir = folder(
        "checkpoint: { every: 20ms }
sources: { in: { generate: { event: '#{ n: i }', rate: 500/s, count: 100000 } } }
stages: { s: { from: in, dedupe: { key: event.n, within: 1s } } }
sinks: { out: { from: s, file: { path: out.jsonl } } }
",
    );
    let mut run = Run::start(dir.path(), &["t.yaml", "--resume"]);
    run.says("from the beginning: there is no checkpoint in .runner/t to resume from");
    until_written(&dir.path().join("out.jsonl"));
    std::thread::sleep(Duration::from_millis(100));
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("`--resume` goes on from its last checkpoint"), "{said}");
    let mut run = Run::start(dir.path(), &["t.yaml", "--resume"]);
    run.says("from checkpoint");
    run.stop();
}

#[test]
fn a_state_folder_that_is_removed_under_a_run_is_made_again() {
    let dir = folder(
        "checkpoint: { every: 20ms }
sources: { in: { generate: { event: '#{ n: i }', rate: 500/s } } }
stages: { s: { from: in, dedupe: { key: event.n, within: 1h } } }
sinks: { out: { from: s, file: { path: out.jsonl } } }
",
    );
    let state = dir.path().join(".runner");
    let checkpoint = || {
        for _ in 0..1000 {
            let names = fs::read_dir(state.join("t")).into_iter().flatten().flatten();
            if names.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("manifest-")) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no checkpoint is written");
    };
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    checkpoint();
    fs::remove_dir_all(&state).expect("it is there");
    run.says("has been removed: it is written anew");
    checkpoint();
    // Where it cannot be made that is told once.
    fs::rename(&state, dir.path().join("aside")).expect("it is there");
    fs::write(&state, "").expect("it is written");
    run.says("cannot be written, and is tried again");
    std::thread::sleep(Duration::from_millis(500));
    fs::remove_file(&state).expect("it is there");
    run.says("checkpoints are written again");
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.lines().filter(|line| line.contains("cannot be written")).count(), 1, "{said}");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("from checkpoint");
    run.stop();
    let text = fs::read_to_string(dir.path().join("out.jsonl")).expect("the output is there");
    let numbers: Vec<String> = (0..text.lines().count()).map(|n| format!("{{\"n\":{n}}}")).collect();
    assert!(text.lines().eq(numbers.iter().map(String::as_str)), "every event once, in order");
}
