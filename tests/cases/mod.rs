//! Tests that are folders. A new folder needs no line of code; `UPDATE=1 cargo test --test all cases` writes what it should
//! contain, and `CASE=name` runs one alone.
//!
//! `run/NAME`: `topology.yaml` runs beside its input files; every file `out*` is what must be written, `dead.jsonl` the dead
//! letters, `stdout` and `stdin` what they say; of Avro containers `out*.avro.jsonl` are the events. `args` holds further arguments, a line each; `exit` another exit code than 0;
//! `stderr` lines that must occur in stderr. Each case runs in all the ways of `ways.rs` and must give the same each time. With `# order: any`
//! in the topology's first line, lines may come in any order.
//!
//! `check/NAME`: `runner check topology.yaml` must print `stderr.txt`.
//!
//! `schema/NAME`: `runner schema` with the arguments of `args`, a line each, must print `said.txt`.
//!
//! `reload/NAME`: `runner diff before.yaml after.yaml` must print `diff.txt`. Then `before.yaml` runs, takes the first half of the input and is
//! reloaded to `after.yaml`; the files must be the ones of a run case. What a case does not bring of `in.jsonl` and `more.jsonl` is beside it.
//!
//! `plan/NAME`: `runner explain topology.yaml` must print `explain.txt`; `graph.mmd` and `graph.dot` are what `runner graph` prints.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{finish, runner};

mod reload;
mod ways;

#[test]
fn check_cases() {
    each_case("check", |case, update| {
        let mut command = runner(case);
        command.args(["check", "topology.yaml"]).args(lines(&case.join("args")));
        command.env("RUNNER_TEST_VALUE", "7");
        let got = finish(command, None);
        let said = format!("{}{}", got.stderr, String::from_utf8_lossy(&got.stdout));
        if update {
            fs::write(case.join("stderr.txt"), said).expect("the expectation is written");
            return Vec::new();
        }
        let mut problems = Vec::new();
        let wanted = fs::read_to_string(case.join("stderr.txt")).unwrap_or_default();
        if said != wanted {
            problems.push(format!("it printed\n{said}\nand not\n{wanted}"));
        }
        let code = if wanted.contains("error[") { 3 } else { 0 };
        if got.status.code() != Some(code) {
            problems.push(format!("it exited with {:?} and not {code}", got.status.code()));
        }
        problems
    });
}

#[test]
fn schema_cases() {
    each_case("schema", |case, update| {
        let mut command = runner(case);
        command.arg("schema").args(lines(&case.join("args")));
        let got = finish(command, None);
        let said = format!("{}{}", got.stderr, String::from_utf8_lossy(&got.stdout));
        if update {
            fs::write(case.join("said.txt"), said).expect("the expectation is written");
            return Vec::new();
        }
        let mut problems = Vec::new();
        let wanted = fs::read_to_string(case.join("said.txt")).unwrap_or_default();
        if said != wanted {
            problems.push(format!("it printed\n{said}\nand not\n{wanted}"));
        }
        let fails = wanted.contains("error[") || wanted.contains("\"severity\": \"error\"");
        if got.status.code() != Some(if fails { 3 } else { 0 }) {
            problems.push(format!("it exited with {:?}", got.status.code()));
        }
        problems
    });
}

#[test]
fn plan_cases() {
    each_case("plan", |case, update| {
        let mut problems = Vec::new();
        for (name, args) in
            [("explain.txt", &["explain"][..]), ("graph.mmd", &["graph"]), ("graph.dot", &["graph", "--dot"])]
        {
            let mut command = runner(case);
            command.args(args).arg("topology.yaml");
            let got = finish(command, None);
            let said = String::from_utf8_lossy(&got.stdout).into_owned();
            let path = case.join(name);
            if update && (path.exists() || name == "explain.txt") {
                fs::write(&path, &said).expect("the expectation is written");
            } else if path.exists() && fs::read_to_string(&path).expect("it is text") != said {
                problems.push(format!("{name}: got\n{said}\n{}", got.stderr));
            }
        }
        problems
    });
}

/// What a run gave, by the name under which it is expected.
type Got = BTreeMap<String, String>;

/// Every file of the run that was not there before: `out*`, and the dead letters under their short name.
fn collect(root: &Path, dir: &Path, got: &mut Got) {
    for entry in fs::read_dir(dir).expect("the folder is read") {
        let path = entry.expect("the folder is read").path();
        let name = path.strip_prefix(root).expect("it lies below").to_string_lossy().into_owned();
        if path.is_dir() {
            collect(root, &path, got);
        } else if name.ends_with(".dead.jsonl") {
            got.insert("dead.jsonl".into(), read_text(&path));
        } else if name.starts_with("out") && name.ends_with(".avro") {
            got.insert(format!("{name}.jsonl"), events_of(fs::File::open(&path).expect("the output is read")));
        } else if name.starts_with("out") && name.ends_with(".avro.gz") {
            let file = fs::File::open(&path).expect("the output is read");
            got.insert(format!("{name}.jsonl"), events_of(flate2::read::MultiGzDecoder::new(file)));
        } else if name.starts_with("out") {
            got.insert(name, read_text(&path));
        }
    }
}

fn read_text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).expect("the output is read")).into_owned()
}

/// The events of an Avro container as JSON Lines. Where its blocks end depends on how events are batched, and is no result.
fn events_of(container: impl std::io::Read) -> String {
    let events = apache_avro::Reader::new(container).expect("it is a container");
    let line = |event| serde_json::Value::try_from(event).map(|event| format!("{event}\n"));
    events.map(|event| line(event.expect("a sound block")).expect("a value of JSON")).collect()
}

fn is_expectation(name: &str) -> bool {
    name.starts_with("out") || ["dead.jsonl", "exit", "stdout", "stderr"].contains(&name)
}

fn copy_inputs(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the case is read") {
        let path = entry.expect("the case is read").path();
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        if path.is_dir() && !is_expectation(&name) {
            fs::create_dir(to.join(&name)).expect("a folder is made");
            copy_inputs(&path, &to.join(&name));
        } else if path.is_file() && !is_expectation(&name) {
            fs::copy(&path, to.join(&name)).expect("an input is copied");
        }
    }
}

fn expected(case: &Path) -> Got {
    fn below(root: &Path, dir: &Path, found: &mut Got) {
        for entry in fs::read_dir(dir).expect("the case is read") {
            let path = entry.expect("the case is read").path();
            let name = path.strip_prefix(root).expect("it lies below").to_string_lossy().into_owned();
            if !is_expectation(name.split('/').next().unwrap_or_default()) {
                continue;
            }
            if path.is_dir() {
                below(root, &path, found);
            } else {
                found.insert(name, read_text(&path));
            }
        }
    }
    let mut found = Got::new();
    below(case, case, &mut found);
    found
}

fn differences(case: &Path, got: &Got) -> Vec<String> {
    let mut wanted = expected(case);
    let mut problems = Vec::new();
    let is_any_order = |name| fs::read_to_string(case.join(name)).is_ok_and(|text| text.starts_with("# order: any"));
    let any_order = ["topology.yaml", "before.yaml"].into_iter().any(is_any_order);
    let stderr = wanted.remove("stderr").unwrap_or_default();
    for line in stderr.lines().filter(|line| !got["stderr"].contains(*line)) {
        problems.push(format!("stderr does not say `{line}` but\n{}", got["stderr"]));
    }
    wanted.entry("exit".into()).or_insert_with(|| "0".into());
    let names = wanted.keys().chain(got.keys()).filter(|name| *name != "stderr");
    for name in names.collect::<std::collections::BTreeSet<_>>() {
        let (wanted, got) = (wanted.get(name), got.get(name));
        if arranged(wanted, any_order) != arranged(got, any_order) {
            let show = |text: Option<&String>| text.map_or("nothing".into(), |text| text.trim_end().to_string());
            problems.push(format!("{name}: got\n{}\nand not\n{}", show(got), show(wanted)));
        }
    }
    problems
}

fn arranged(text: Option<&String>, any_order: bool) -> Option<Vec<String>> {
    let mut lines: Vec<String> = text?.lines().map(str::to_string).collect();
    if any_order {
        lines.sort();
    }
    Some(lines)
}

fn write_expected(case: &Path, got: &Got) -> Vec<String> {
    for (name, text) in got {
        let path = case.join(name);
        if name == "exit" && text == "0" {
            let _ = fs::remove_file(path);
        } else if name != "stderr" {
            fs::create_dir_all(path.parent().expect("it lies in the case")).expect("a folder is made");
            fs::write(path, text).expect("the expectation is written");
        }
    }
    for name in expected(case).keys().filter(|name| !got.contains_key(*name)) {
        fs::remove_file(case.join(name)).expect("an expectation of nothing is removed");
    }
    Vec::new()
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_string).collect()
}

/// Runs a check on every folder of a kind, two at a time, and reports all that failed.
fn each_case(kind: &str, check: impl Fn(&Path, bool) -> Vec<String> + Sync) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(kind);
    let update = std::env::var_os("UPDATE").is_some();
    let only = std::env::var("CASE").ok();
    let mut cases: Vec<PathBuf> = fs::read_dir(&root)
        .expect("the cases are there")
        .map(|entry| entry.expect("the cases are there").path())
        .filter(|path| path.is_dir() && only.as_ref().is_none_or(|only| path.ends_with(only)))
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "no case {only:?} in {}", root.display());
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let problems = check(case, update);
                    let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    let mut failed = failed.lock().expect("no case panicked");
                    failed.extend(problems.into_iter().map(|problem| format!("{kind}/{name}: {problem}")));
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no case panicked");
    println!("{} {kind} cases", cases.len());
    assert!(failed.is_empty(), "{} problems\n\n{}", failed.len(), failed.join("\n\n"));
}
