//! Files that change at the worst moment: while a reload or a checkpoint is under way, while a sink is stuck, while a source is silent,
//! while the topology ends, and when what is new cannot be had.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Run, folder, has_lines, replace, signal};

/// A source that never ends, and a sink that has everything.
const TICKS: &str = "\
checkpoint: { every: 20ms }
sources: { in: { generate: { event: '#{ n: i }', rate: 2000/s } } }
stages:
  s: { from: in, filter: event.n >= 0 }
  w: { from: s, dedupe: { key: event.n, within: 1s } }
sinks:
  out: { from: w, file: { path: out.jsonl } }
";

/// A reload may take so long, whatever is stuck. (It is a small part of that where nobody else runs.)
const SHORT: Duration = Duration::from_secs(2);

/// The numbers in the files, each of which holds JSON Lines.
fn numbers(dir: &Path, files: &[&str]) -> Vec<u64> {
    let mut found = Vec::new();
    for file in files {
        for line in fs::read_to_string(dir.join(file)).unwrap_or_default().lines() {
            let event: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
            // What a sink had taken comes back as the bytes that it was to write.
            let raw = event.get("raw").and_then(|raw| serde_json::from_str(raw.as_str()?).ok());
            let event = raw.as_ref().or(event.get("event")).unwrap_or(&event);
            found.push(event["n"].as_u64().expect("a number"));
        }
    }
    found
}

/// Each number from 0 on is there once.
#[track_caller]
fn is_whole(dir: &Path, files: &[&str], said: &str) {
    let mut found = numbers(dir, files);
    found.sort_unstable();
    assert!(
        !found.is_empty() && found.iter().copied().eq(0..found.len() as u64),
        "{} in {files:?}:\n{said}",
        found.len()
    );
}

fn add(path: &Path, lines: &str) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("it opens");
    file.write_all(lines.as_bytes()).expect("it is written");
}

#[test]
fn a_change_while_checkpoints_are_written_neither_loses_nor_doubles() {
    let dir = folder(TICKS);
    let file = dir.path().join("t.yaml");
    for round in 0..2 {
        let mut run = Run::start(dir.path(), &["t.yaml"]);
        run.says("running t");
        for rest in 0..4 {
            replace(&file, "event.n >= 0", &format!("event.n >= 0 && event.n != -{round}{rest}"));
            run.says("reloaded t.yaml");
        }
        if round == 0 {
            has_lines(&dir.path().join("out.jsonl"), 500);
            signal(&run.child, "KILL");
            run.end();
            continue;
        }
        let (code, said) = run.stop();
        assert_eq!(code, Some(0), "{said}");
        is_whole(dir.path(), &["out.jsonl"], &said);
    }
}

#[test]
fn a_change_while_a_reload_is_under_way_is_the_next_one() {
    let dir = folder(TICKS);
    let file = dir.path().join("t.yaml");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    // A server that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("nats://{}", silent.local_addr().expect("an address"));
    let with_nats = format!("{TICKS}  more: {{ from: w, nats: {{ url: \"{url}\", subject: a }} }}\n");
    fs::write(&file, with_nats).expect("it is written");
    run.says("add     more");
    fs::write(&file, TICKS.replace("event.n >= 0", "event.n >= -1")).expect("it is written");
    std::thread::sleep(Duration::from_millis(300));
    drop(silent);
    run.says("cannot be taken up: more:");
    run.says("change  s    filter");
    run.says("reloaded t.yaml");
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    is_whole(dir.path(), &["out.jsonl"], &said);
}

#[test]
fn a_connection_that_cannot_be_made_leaves_what_runs_alone() {
    let dir = folder(TICKS);
    let file = dir.path().join("t.yaml");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    // A sink and a source that are not there, and a file that cannot be made: found before, and only when it is opened.
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    for (more, why) in [
        (format!("  more: {{ from: w, nats: {{ url: \"nats://{nobody}\", subject: a }} }}\n"), "taken up: more:"),
        ("  more: { from: w, file: { path: t.yaml/more.jsonl } }\n".into(), "more.jsonl"),
    ] {
        fs::write(&file, format!("{TICKS}{more}")).expect("it is written");
        run.says(why);
    }
    let before = numbers(dir.path(), &["out.jsonl"]).len();
    has_lines(&dir.path().join("out.jsonl"), before + 500);
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    is_whole(dir.path(), &["out.jsonl"], &said);
}

/// A sink that never gets rid of anything, beside the one that does.
const STUCK: &str = "  full: { from: w, file: { path: /dev/full }, retry: { first: 60s } }\n";

/// The number in the line that says this.
#[track_caller]
fn count(run: &mut Run, what: &str) -> u64 {
    run.says(what);
    let line = run.said.last().expect("it said so");
    line.split_whitespace().find_map(|word| word.parse().ok()).expect("a number")
}

#[test]
fn a_stuck_sink_that_leaves_holds_up_nothing_and_what_it_held_is_counted() {
    for letters in ["", "dead_letters: { path: letters.jsonl }\n"] {
        let dir = folder(&format!("{TICKS}{STUCK}"));
        let mut run = Run::start(dir.path(), &["t.yaml"]);
        run.says("trying again");
        // The stream has come to a halt.
        std::thread::sleep(Duration::from_millis(500));
        let begun = Instant::now();
        fs::write(dir.path().join("t.yaml"), format!("{letters}{TICKS}")).expect("it is written");
        run.says("reloaded t.yaml");
        assert!(begun.elapsed() < SHORT, "it took {:?}", begun.elapsed());
        let undelivered = count(&mut run, "events that sinks had not delivered when they left are dead letters");
        let before = numbers(dir.path(), &["out.jsonl"]).len();
        has_lines(&dir.path().join("out.jsonl"), before + 500);
        let (code, said) = run.stop();
        assert_eq!(code, Some(0), "{said}");
        is_whole(dir.path(), &["out.jsonl"], &said);
        let held = numbers(dir.path(), &["t.dead.jsonl", "out/t.dead.jsonl", "letters.jsonl"]);
        assert!(held.iter().copied().eq(0..undelivered), "{held:?}\n{said}");
    }
}

#[test]
fn a_change_elsewhere_takes_a_stuck_sink_along() {
    let dir = folder(&format!("{TICKS}{STUCK}"));
    let file = dir.path().join("t.yaml");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("trying again");
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    replace(&file, "event.n >= 0", "event.n >= -1");
    run.says("reloaded t.yaml");
    assert!(begun.elapsed() < SHORT, "it took {:?}", begun.elapsed());
    // It goes on trying with what its predecessor held, be that told before the reload is or after it; without it all goes on.
    if run.said.iter().filter(|line| line.contains("trying again")).count() < 2 {
        run.says("trying again");
    }
    replace(&file, STUCK, "");
    let undelivered = count(&mut run, "events that sinks had not delivered when they left are dead letters");
    let before = numbers(dir.path(), &["out.jsonl"]).len();
    has_lines(&dir.path().join("out.jsonl"), before + 500);
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    is_whole(dir.path(), &["out.jsonl"], &said);
    let held = numbers(dir.path(), &["t.dead.jsonl", "out/t.dead.jsonl"]);
    assert!(held.iter().copied().eq(0..undelivered), "{held:?}\n{said}");
}

#[test]
fn a_stuck_sink_of_many_files_keeps_its_settings() {
    let text = TICKS.replace("n: i }", "n: i, device: \"full\" }");
    let stuck = STUCK.replace("/dev/full", "\"/dev/{{ event.device }}\"");
    let dir = folder(&format!("{text}{stuck}"));
    let file = dir.path().join("t.yaml");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("trying again");
    std::thread::sleep(Duration::from_millis(500));
    replace(&file, "device }}\"", "device }}\", mode: append");
    run.says("it would go on where the one before it cannot finish writing now");
    // Elsewhere it may begin.
    replace(&file, "/dev/{{ event.device }}", "all.{{ event.device }}");
    run.says("reloaded t.yaml");
    has_lines(&dir.path().join("all.full"), 500);
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    is_whole(dir.path(), &["out.jsonl"], &said);
    is_whole(dir.path(), &["all.full", "t.dead.jsonl", "out/t.dead.jsonl"], &said);
}

/// A second sink of all events.
const BESIDE: &str = "  beside: { from: w, file: { path: beside.jsonl } }\n";

/// It has every number from 0 on, once, but for those that came while there was no such sink; the one beside it has all.
#[track_caller]
fn begins_and_grows(dir: &Path, said: &str) {
    let found = numbers(dir, &["beside.jsonl"]);
    assert!(found.first() == Some(&0) && found.windows(2).all(|pair| pair[0] < pair[1]), "{said}");
    is_whole(dir, &["out.jsonl"], said);
}

#[test]
fn a_sink_that_comes_back_adds_to_its_file_whatever_its_name() {
    let dir = folder(&format!("{TICKS}{BESIDE}"));
    let (file, beside) = (dir.path().join("t.yaml"), dir.path().join("beside.jsonl"));
    fs::write(&beside, "of an earlier run").expect("it is written");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    for (from, to) in [(BESIDE, ""), ("sinks:\n", &*format!("sinks:\n{BESIDE}")), ("  beside:", "  renamed:")] {
        let count = fs::read_to_string(&beside).unwrap_or_default().lines().count();
        if from != "sinks:\n" {
            has_lines(&beside, count + 100);
        }
        replace(&file, from, to);
        run.says("reloaded t.yaml");
    }
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    begins_and_grows(dir.path(), &said);
}

#[test]
fn a_crash_takes_back_what_a_sink_added_that_came_back() {
    // What is done here comes after the checkpoint of the beginning, but for the ones that follow reloads.
    let text = TICKS.replace("20ms", "1h");
    let dir = folder(&format!("{text}{BESIDE}"));
    let (file, beside) = (dir.path().join("t.yaml"), dir.path().join("beside.jsonl"));
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    has_lines(&beside, 100);
    for (from, to) in [(BESIDE, ""), ("sinks:\n", &*format!("sinks:\n{BESIDE}"))] {
        replace(&file, from, to);
        run.says("reloaded t.yaml");
    }
    signal(&run.child, "KILL");
    run.end();
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    has_lines(&beside, 100);
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    begins_and_grows(dir.path(), &said);
}

#[test]
fn a_file_is_one_sinks_also_after_a_reload() {
    let text = TICKS.replace("n: i }", "n: i, to: \"all\" }");
    let one = "  one: { from: w, file: { path: \"{{ event.to }}.jsonl\" } }\n";
    let dir = folder(&format!("{text}{one}"));
    let (file, all) = (dir.path().join("t.yaml"), dir.path().join("all.jsonl"));
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    has_lines(&all, 100);
    replace(&file, one, &format!("{one}{}", one.replace("one:", "two:")));
    run.says("reloaded t.yaml");
    let before = numbers(dir.path(), &["all.jsonl"]).len();
    has_lines(&all, before + 500);
    // What the first one leaves is the other one's.
    replace(&file, one, "");
    run.says("reloaded t.yaml");
    let before = numbers(dir.path(), &["all.jsonl"]).len();
    has_lines(&all, before + 500);
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    // Some come twice: what the other one had gathered when the first one left was not refused yet.
    let mut found = numbers(dir.path(), &["all.jsonl"]);
    found.sort_unstable();
    found.dedup();
    assert!(found.iter().copied().eq(0..found.len() as u64), "{said}");
    is_whole(dir.path(), &["out.jsonl"], &said);
    let letters = ["t.dead.jsonl", "out/t.dead.jsonl"].map(|name| fs::read_to_string(dir.path().join(name)));
    let letters: String = letters.into_iter().flatten().collect();
    assert!(letters.contains("another sink of this run writes it"), "{said}");
}

#[test]
fn a_change_while_the_source_is_silent_is_taken_up_at_once() {
    let dir = folder(
        "sources: { in: { file: { path: in.jsonl, follow: true }, time: event.t } }
stages:
  s: { from: in, filter: event.n != 1 }
  w: { from: s, window: { key: event.k, tumbling: 1m, aggregate: { n: count() } } }
sinks:
  out: { from: s, file: { path: out.jsonl } }
  counts: { from: w, file: { path: counts.jsonl } }
",
    );
    let input = dir.path().join("in.jsonl");
    let line = |n: u64, minute: u64| format!("{{\"t\":{},\"k\":1,\"n\":{n}}}\n", 1_700_000_040_000 + minute * 60_000);
    add(&input, &[line(0, 0), line(1, 0), line(2, 0)].concat());
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    has_lines(&dir.path().join("out.jsonl"), 2);
    let begun = Instant::now();
    replace(&dir.path().join("t.yaml"), "event.n != 1", "event.n != 3");
    run.says("reloaded t.yaml");
    assert!(begun.elapsed() < SHORT, "it took {:?}", begun.elapsed());
    add(&input, &[line(3, 0), line(4, 0), line(5, 2)].concat());
    has_lines(&dir.path().join("counts.jsonl"), 1);
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(numbers(dir.path(), &["out.jsonl"]), [0, 2, 4, 5], "{said}");
    let counts = fs::read_to_string(dir.path().join("counts.jsonl")).expect("it is there");
    assert!(counts.contains("\"n\":3}") && counts.lines().count() == 1, "{counts}");
}

#[test]
fn a_change_while_the_topology_ends_is_not_taken_up() {
    let dir = folder(&format!("{TICKS}{STUCK}"));
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("trying again");
    signal(&run.child, "TERM");
    run.says("stopping");
    replace(&dir.path().join("t.yaml"), "event.n >= 0", "event.n >= -1");
    run.says("has changed while its topology was ending: not taken up");
    let (code, said) = run.end();
    assert_eq!(code, Some(1), "its sink could not be emptied: {said}");
    is_whole(dir.path(), &["out.jsonl"], &said);
}

#[test]
fn a_reader_of_stdout_that_does_not_read_holds_up_no_reload() {
    let text = "x".repeat(500);
    let with_stdout = format!(
        "{}  std: {{ from: w, stdout: {{}} }}\n",
        TICKS.replace("n: i }", &format!("n: i, text: \"{text}\" }}"))
    );
    let dir = folder(&with_stdout);
    let mut run = Run::start_with(dir.path(), &["t.yaml"], Stdio::piped());
    run.says("running t");
    // The pipe is full.
    std::thread::sleep(Duration::from_secs(1));
    let begun = Instant::now();
    replace(&dir.path().join("t.yaml"), "  std: { from: w, stdout: {} }\n", "");
    run.says("reloaded t.yaml");
    assert!(begun.elapsed() < SHORT, "it took {:?}", begun.elapsed());
    let unsure = count(&mut run, "events were written by sinks that left, and not flushed");
    // The last line may be half written.
    let before = fs::read_to_string(dir.path().join("out.jsonl")).expect("it is text").lines().count();
    has_lines(&dir.path().join("out.jsonl"), before + 500);
    let mut piped = String::new();
    let mut pipe = run.child.stdout.take().expect("a pipe");
    signal(&run.child, "TERM");
    pipe.read_to_string(&mut piped).expect("it is text");
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    is_whole(dir.path(), &["out.jsonl"], &said);
    // What the reader gets in the end is what was written and not flushed, too.
    fs::write(dir.path().join("piped.jsonl"), piped).expect("it is written");
    let piped = numbers(dir.path(), &["piped.jsonl"]);
    let held = numbers(dir.path(), &["t.dead.jsonl", "out/t.dead.jsonl"]);
    assert!(unsure > 0 && piped.iter().chain(&held).copied().eq(0..(piped.len() + held.len()) as u64), "{said}");
}

#[test]
fn a_new_version_of_an_event_type_is_taken_up_and_a_broken_one_is_not() {
    const SCHEMA: &str = r#"{"title": "Ticked", "type": "object", "properties": {"n": {"type": "integer"}, "NAME": {}}, "required": ["n"]}"#;
    let dir = folder(
        "schemas: { Ticked: schemas/ticked }\nsources:\n  in: { file: { path: in.jsonl, follow: true }, schema: Ticked, time: arrival }\nstages:\n  s: { from: in, filter: event.n >= 0 }\nsinks:\n  out: { from: s, file: { path: out.jsonl } }\n",
    );
    let versions = dir.path().join("schemas/ticked");
    fs::create_dir_all(&versions).expect("a folder");
    let write = |name: &str, text: &str| fs::write(versions.join(name), text).expect("it is written");
    write("1.json", SCHEMA);
    add(&dir.path().join("in.jsonl"), "{\"n\":0}\n{\"n\":\"text\"}\n");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    has_lines(&dir.path().join("out.jsonl"), 1);
    // A file beside the versions is none.
    write("README.md", "Ticks.");
    write("2.json", &SCHEMA.replace("NAME", "name"));
    run.says("reloaded t.yaml");
    write("3.json", "{");
    run.says("schema-broken");
    write("3.json", &SCHEMA.replace("NAME", "names"));
    run.says("reloaded t.yaml");
    fs::remove_file(versions.join("3.json")).expect("it goes");
    run.says("reloaded t.yaml");
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("README"), "{said}");
}
