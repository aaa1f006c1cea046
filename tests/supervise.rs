//! What happens beside a topology while it runs: its files change, others come and go.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Run, finish, folder, has_lines, replace, runner};

const TICKS: &str = "\
sources: { in: { generate: { event: '#{ n: i }', rate: 1000/s } } }
stages:
  s: { from: in, filter: event.n >= 0 }
  w: { from: s, dedupe: { key: event.n, within: 1s } }
sinks: { out: { from: w, file: { path: out.jsonl } } }
";

#[test]
fn a_change_is_told_and_one_that_cannot_be_used_leaves_what_runs_alone() {
    let dir = folder(TICKS);
    let file = dir.path().join("t.yaml");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    replace(&file, "event.n >= 0", "event.n >= 0 &&");
    run.says("error[expr-syntax]");
    run.says("cannot be used; what runs goes on");
    replace(&file, "event.n >= 0 &&", "(event.n  >= 0)");
    run.says("nothing of what it does");
    fs::write(&file, fs::read(&file).expect("it is there")).expect("it is written");
    run.is_silent();
    run.stop();
}

#[test]
fn a_change_is_taken_up_and_no_event_is_lost_or_doubled() {
    let dir = folder(TICKS);
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    for rest in 2..5 {
        replace(&dir.path().join("t.yaml"), "event.n >= 0", &format!("event.n % {rest} < {rest} && event.n >= 0"));
        run.says("change  s    filter");
        run.says("reloaded t.yaml");
    }
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    let text = fs::read_to_string(dir.path().join("out.jsonl")).expect("the output is there");
    let numbers: Vec<String> = (0..text.lines().count()).map(|n| format!("{{\"n\":{n}}}")).collect();
    assert!(text.lines().eq(numbers.iter().map(String::as_str)), "{said}");
}

#[test]
fn a_careful_reload_loses_no_state() {
    let dir = folder(TICKS);
    let mut run = Run::start(dir.path(), &["t.yaml", "--reload", "careful"]);
    run.says("running t");
    replace(&dir.path().join("t.yaml"), "key: event.n", "key: event.m");
    run.says("change  w");
    run.says("not taken up, as state of w cannot go on");
    assert_eq!(run.stop().0, Some(0));
}

/// With a second source, of a file that is not there.
fn with_late(file: &str) -> String {
    let sources = format!("{{ late: {{ file: {{ path: {file} }} }}, in: {{ generate");
    TICKS.replace("{ in: { generate", &sources).replace("from: w", "from: [w, late]")
}

#[test]
fn a_change_that_cannot_be_taken_up_is_tried_again() {
    let dir = folder(TICKS);
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    fs::write(dir.path().join("t.yaml"), with_late("late.jsonl")).expect("it is written");
    run.says("cannot be taken up: late:");
    std::thread::sleep(Duration::from_millis(1500));
    fs::write(dir.path().join("late.jsonl"), "{\"late\":1}\n").expect("it is written");
    run.says("reloaded t.yaml");
    std::thread::sleep(Duration::from_millis(200));
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("cannot be taken up").count(), 1, "{said}");
    let out = fs::read_to_string(dir.path().join("out.jsonl")).expect("it is there");
    assert_eq!(out.matches("{\"late\":1}\n").count(), 1, "{said}");
    assert!(numbers(&dir.path().join("out.jsonl")).into_iter().eq(0..out.lines().count() as u64 - 1), "{said}");
}

#[test]
fn a_change_that_was_never_taken_up_is_told_at_the_end_and_a_newer_one_replaces_it() {
    let dir = folder(TICKS);
    let file = dir.path().join("t.yaml");
    for undone in [true, false] {
        let mut run = Run::start(dir.path(), &["t.yaml"]);
        run.says("running t");
        fs::write(&file, with_late("late.jsonl")).expect("it is written");
        run.says("cannot be taken up: late:");
        fs::write(&file, if undone { TICKS.into() } else { with_late("other.jsonl") }).expect("it is written");
        run.says(if undone { "nothing of what it does" } else { "cannot be taken up: late:" });
        let (code, said) = run.stop();
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(said.contains("was not taken up: the next start takes it up"), !undone, "{said}");
    }
}

#[test]
fn nothing_is_watched_if_that_is_asked_for() {
    let dir = folder(TICKS);
    let mut run = Run::start(dir.path(), &["t.yaml", "--reload", "off"]);
    run.says("running t");
    replace(&dir.path().join("t.yaml"), "event.n >= 0", "event.n >=");
    run.is_silent();
    assert_eq!(run.stop().0, Some(0));
}

fn many(topologies: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("all")).expect("a folder");
    for (name, text) in topologies {
        fs::write(dir.path().join("all").join(name), text).expect("it is written");
    }
    dir
}

fn ticks(out: &str) -> String {
    TICKS.replace("out.jsonl", out)
}

fn few(out: &str) -> String {
    format!(
        "sources: {{ in: {{ generate: {{ event: '#{{ n: i }}', count: 3 }} }} }}\nsinks: {{ out: {{ from: in, file: {{ path: {out} }} }} }}\n"
    )
}

#[test]
fn topologies_run_side_by_side_and_an_invalid_one_holds_up_no_other() {
    let dir =
        many(&[("a.yaml", &few("a.jsonl")), ("b.yaml", &few("b.jsonl")), ("c.yaml", "sources: {}\n"), (".d.yaml", "")]);
    let mut command = runner(dir.path());
    command.args(["all", "all/a.yaml"]);
    let done = finish(command, None);
    assert_eq!(done.status.code(), Some(3), "{}", done.stderr);
    for name in ["a", "b"] {
        let written = fs::read_to_string(dir.path().join(format!("all/{name}.jsonl"))).expect("it is written");
        assert_eq!(written.lines().count(), 3);
        assert_eq!(done.stderr.matches(&format!("{name}: 3 events read")).count(), 1, "{}", done.stderr);
    }
    assert!(done.stderr.contains("all/c.yaml"), "{}", done.stderr);
}

#[test]
fn what_only_one_can_have_is_refused_to_the_other() {
    // Neither ends by itself, so whichever starts last finds the file in use.
    let dir = many(&[("a.yaml", &ticks("a.jsonl")), ("b.yaml", &ticks("a.jsonl"))]);
    let mut run = Run::start(dir.path(), &["all/a.yaml", "all/b.yaml"]);
    run.says("is in use by the topology of all/");
    let (code, said) = run.stop();
    assert_eq!(code, Some(3), "{said}");
    let named = format!("topology: one\n{}", ticks("c.jsonl"));
    let dir = many(&[("a.yaml", &named), ("b.yaml", &named.replace("c.jsonl", "d.jsonl"))]);
    let mut run = Run::start(dir.path(), &["all"]);
    run.says("the name `one` is in use by the topology of all/");
}

#[test]
fn topologies_of_a_folder_come_and_go() {
    let dir = many(&[("a.yaml", &ticks("a.jsonl"))]);
    let mut run = Run::start(dir.path(), &["all"]);
    run.says("running a ");
    fs::write(dir.path().join("all/b.yaml"), "sources: {}\n").expect("it is written");
    run.says("all/b.yaml:1");
    fs::write(dir.path().join("all/b.yaml"), ticks("b.jsonl")).expect("it is written");
    run.says("running b ");
    fs::remove_file(dir.path().join("all/a.yaml")).expect("it is there");
    run.says("all/a.yaml has gone away");
    run.says("wrote all/a.jsonl");
    fs::remove_file(dir.path().join("all/b.yaml")).expect("it is there");
    run.says("wrote all/b.jsonl");
    // Nothing is left, and something may come.
    fs::write(dir.path().join("all/a.yaml"), ticks("a.jsonl")).expect("it is written");
    run.says("running a ");
    assert_eq!(run.stop().0, Some(0));
}

#[test]
fn contradictions_on_the_command_line_are_refused() {
    let dir = many(&[]);
    for (args, why) in
        [(&["t.yaml", "--resume", "--fresh"][..], "cannot be used with"), (&["all"], "no .yaml file in all")]
    {
        let mut command = runner(dir.path());
        command.args(args);
        let done = finish(command, None);
        assert_eq!(done.status.code(), Some(2));
        assert!(done.stderr.contains(why), "{}", done.stderr);
    }
}

/// A topology whose window of ten seconds was killed while it was open, and changed then; what it gave once it ran again and the rest of
/// the input had come, and how many lines that has to be.
fn changed_while_nothing_ran(from: &str, to: &str, lines: usize) -> String {
    let topology = "\
checkpoint: { every: 20ms }
sources: { in: { file: { path: in.jsonl, follow: true }, time: event.t } }
stages:
  w: { from: in, window: { tumbling: 10s, aggregate: { n: count() } } }
sinks: { out: { from: w, file: { path: out.jsonl } } }
";
    let dir = folder(topology);
    let line = |seconds: i64| format!("{{\"t\":{}}}\n", at(seconds));
    fs::write(dir.path().join("in.jsonl"), (0..14).map(line).collect::<String>()).expect("it is written");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    let state = || {
        let mut command = runner(dir.path());
        command.args(["state", "show", "t.yaml"]);
        String::from_utf8_lossy(&finish(command, None).stdout).into_owned()
    };
    let until = Instant::now() + Duration::from_secs(20);
    while !state().contains("2023-11-14T22:13:33Z") {
        assert!(Instant::now() < until, "no checkpoint has the whole input: {}", state());
    }
    run.child.kill().expect("it is there");
    run.end();
    replace(&dir.path().join("t.yaml"), from, to);
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("from checkpoint");
    run.says("reloaded t.yaml");
    let mut input = fs::OpenOptions::new().append(true).open(dir.path().join("in.jsonl")).expect("it is there");
    std::io::Write::write_all(&mut input, [14, 19, 45].map(line).concat().as_bytes()).expect("it is written");
    let out = dir.path().join("out.jsonl");
    has_lines(&out, lines);
    run.stop();
    fs::read_to_string(out).expect("it is there")
}

fn at(seconds: i64) -> i64 {
    1_700_000_000_000 + seconds * 1000
}

fn window(start: i64, end: i64, n: u64, is_partial: bool) -> String {
    let partial = if is_partial { ",\"partial\":true" } else { "" };
    format!("{{\"window_start\":{},\"window_end\":{},\"n\":{n}{partial}}}\n", at(start), at(end))
}

#[test]
fn a_definition_that_changed_while_nothing_ran_lets_what_is_open_leave() {
    let out = changed_while_nothing_ran("tumbling: 10s", "tumbling: 20s", 3);
    assert_eq!(out, [window(0, 10, 10, false), window(10, 20, 4, true), window(0, 20, 2, true)].concat());
}

#[test]
fn a_window_that_was_removed_while_nothing_ran_leaves_too() {
    let stage = "  w: { from: in, window: { tumbling: 10s, aggregate: { n: count() } } }\nsinks: { out: { from: w,";
    let out = changed_while_nothing_ran(stage, "  s: { from: in, filter: event.t >= 0 }\nsinks: { out: { from: s,", 5);
    let events = [14, 19, 45].map(|seconds| format!("{{\"t\":{}}}\n", at(seconds)));
    assert_eq!(out, [window(0, 10, 10, false), window(10, 20, 4, true), events.concat()].concat());
}

#[test]
fn an_input_that_has_ended_is_not_read_again() {
    let topology = "\
checkpoint: { every: 20ms }
sources:
  list: { file: { path: in.jsonl } }
  ticks: { generate: { event: '#{ n: i }', rate: 100/s } }
stages: { s: { from: ticks, filter: event.n >= 0 } }
sinks:
  out: { from: list, file: { path: out.jsonl } }
  rest: { from: s, file: { path: rest.jsonl } }
";
    let dir = folder(topology);
    fs::write(dir.path().join("in.jsonl"), "{\"a\":1}\n{\"a\":2}\n").expect("it is written");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    let rest = dir.path().join("rest.jsonl");
    let written = || fs::read_to_string(&rest).unwrap_or_default().lines().count();
    has_lines(&rest, 10);
    replace(&dir.path().join("t.yaml"), "event.n >= 0", "event.n >= -1");
    run.says("reloaded t.yaml");
    has_lines(&rest, written() + 20);
    run.child.kill().expect("it is there");
    run.end();
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("from checkpoint");
    has_lines(&rest, written() + 20);
    run.stop();
    assert_eq!(fs::read_to_string(dir.path().join("out.jsonl")).expect("it is there"), "{\"a\":1}\n{\"a\":2}\n");
    let rest = fs::read_to_string(rest).expect("it is there");
    let numbers: Vec<String> = (0..rest.lines().count()).map(|n| format!("{{\"n\":{n}}}")).collect();
    assert!(rest.lines().eq(numbers.iter().map(String::as_str)), "{rest}");
}

/// The numbers that a file has, whole lines only.
fn numbers(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let number = |line: &str| line.strip_prefix("{\"n\":")?.strip_suffix("}\n")?.parse().ok();
    text.split_inclusive('\n').filter_map(number).collect()
}

#[test]
fn what_a_sink_that_came_with_a_reload_has_written_is_kept_and_not_doubled() {
    let dir = folder(&format!("checkpoint: {{ every: 1h }}\n{TICKS}"));
    let (first, second, added) =
        (dir.path().join("out.jsonl"), dir.path().join("more.jsonl"), dir.path().join("side.jsonl"));
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    let until_written = |path: &Path| {
        let until = Instant::now() + Duration::from_secs(20);
        while numbers(path).is_empty() {
            assert!(Instant::now() < until, "{} is not written", path.display());
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    until_written(&first);
    replace(&dir.path().join("t.yaml"), "out.jsonl", "more.jsonl");
    run.says("reloaded t.yaml");
    until_written(&second);
    // The first checkpoint after the reload has the new file.
    assert_eq!(run.stop().0, Some(0));
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    let added_sink = "more.jsonl } }\n  side: { from: w, file: { path: side.jsonl, mode: append } } }";
    replace(&dir.path().join("t.yaml"), "more.jsonl } } }", &added_sink.replace("} }\n ", "} },"));
    run.says("reloaded t.yaml");
    until_written(&added);
    // No checkpoint has the added sink: what it wrote is taken back.
    drop(run);
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    until_written(&added);
    assert_eq!(run.stop().0, Some(0));
    let all: Vec<u64> = numbers(&first).into_iter().chain(numbers(&second)).collect();
    assert!(all.iter().copied().eq(0..all.len() as u64), "every event is in one of the two, in order");
    let side = numbers(&added);
    assert!(side.windows(2).all(|pair| pair[0] + 1 == pair[1]), "no event is there twice");
}

#[test]
fn a_sink_whose_input_has_ended_keeps_what_it_wrote_when_its_settings_change() {
    let topology = "\
sources:
  list: { file: { path: in.jsonl } }
  ticks: { generate: { event: '#{ n: i }', rate: 100/s } }
sinks:
  out: { from: list, file: { path: out.jsonl } }
  rest: { from: ticks, file: { path: rest.jsonl } }
";
    let dir = folder(topology);
    fs::write(dir.path().join("in.jsonl"), "{\"a\":1}\n{\"a\":2}\n").expect("it is written");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    let out = || fs::read_to_string(dir.path().join("out.jsonl")).unwrap_or_default();
    has_lines(&dir.path().join("out.jsonl"), 2);
    replace(&dir.path().join("t.yaml"), "path: out.jsonl", "path: out.jsonl, open_max: 7");
    run.says("reloaded t.yaml");
    run.stop();
    assert_eq!(out(), "{\"a\":1}\n{\"a\":2}\n");
}

#[test]
fn a_run_that_cannot_begin_leaves_what_the_one_before_can_go_on_from() {
    let topology = "\
checkpoint: { every: 20ms }
sources:
  list: { file: { path: in.jsonl } }
  ticks: { generate: { event: '#{ n: i }', rate: 100/s, count: 100000 } }
sinks: { out: { from: [list, ticks], file: { path: out.jsonl } } }
";
    let dir = folder(topology);
    let input = dir.path().join("in.jsonl");
    fs::write(&input, "{\"a\":1}\n").expect("it is written");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    std::thread::sleep(Duration::from_millis(300));
    run.stop();
    fs::remove_file(&input).expect("it is there");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("error: list: cannot open");
    run.end();
    fs::write(&input, "{\"a\":1}\n").expect("it is written");
    let mut run = Run::start(dir.path(), &["t.yaml", "--resume"]);
    run.says("from checkpoint");
    run.stop();
}

#[test]
fn a_crash_behind_a_change_of_a_sink_takes_back_what_it_wrote_and_no_more() {
    let dir = folder(&format!("checkpoint: {{ every: 1h }}\n{TICKS}"));
    let out = |number: u32| dir.path().join(format!("out-{number:06}.jsonl"));
    replace(&dir.path().join("t.yaml"), "out.jsonl", "out.jsonl, rotate: { size: 2KiB }");
    let run = |until: u32, edit: Option<(&str, &str)>| {
        let mut run = Run::start(dir.path(), &["t.yaml"]);
        run.says("running t");
        if let Some((from, to)) = edit {
            replace(&dir.path().join("t.yaml"), from, to);
            run.says("reloaded t.yaml");
        }
        let end = Instant::now() + Duration::from_secs(20);
        while numbers(&out(until)).is_empty() {
            assert!(Instant::now() < end, "{} is not written", out(until).display());
            std::thread::sleep(Duration::from_millis(10));
        }
        run
    };
    assert_eq!(run(2, None).stop().0, Some(0));
    // It is killed before a checkpoint has the sink as it is now.
    drop(run(4, Some(("2KiB", "3KiB"))));
    assert_eq!(run(6, None).stop().0, Some(0));
    let all: Vec<u64> = (1..100).flat_map(|number| numbers(&out(number))).collect();
    assert!(all.len() > 300 && all.iter().copied().eq(0..all.len() as u64), "every event once, in order: {all:?}");
}
