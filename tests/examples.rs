//! The topologies of the repository do what they say, on the data that is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{finish, runner, wait};

/// A copy of `topologies/`, `examples/` and `schemas/` to run in.
fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder for the run");
    for name in ["topologies", "examples", "schemas"] {
        copy_below(&root().join(name), &dir.path().join(name));
    }
    dir
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn copy_below(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder is made");
    for entry in fs::read_dir(from).expect("the folder is read") {
        let path = entry.expect("the folder is read").path();
        let name = path.file_name().expect("a file has a name");
        if path.is_file() {
            fs::copy(&path, to.join(name)).expect("a file is copied");
        } else if name != "out" && name != ".runner" {
            // What a run has left there is none of the example.
            copy_below(&path, &to.join(name));
        }
    }
}

/// Runs a topology of the copy that ends by itself, without a single refused event.
fn run_to_its_end(dir: &Path, topology: &str) {
    let mut command = runner(dir);
    command.arg(topology);
    let finished = finish(command, None);
    assert!(finished.status.success(), "{topology}: {}", finished.stderr);
    assert!(finished.stderr.contains(" 0 errors in"), "{topology}: {}", finished.stderr);
}

fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("every line is an event")).collect()
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_else(|| panic!("no text `{field}` in {event}"))
}

/// A file's bytes; of an Avro container its events as JSON: where its blocks end depends on when it was written, and the marks between
/// them are random by its specification.
fn content(dir: &Path, path: &Path) -> Vec<u8> {
    if path.extension().is_none_or(|ending| ending != "avro") {
        return fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let topology = format!(
        "schemas: {{ Interaction: schemas/user_interaction }}\nsources:\n  in: {{ file: {{ path: \"{}\" }}, decode: avro, schema: Interaction@1 }}\nsinks: {{ out: {{ from: in, stdout: {{}} }} }}\n",
        path.display()
    );
    fs::write(dir.join("cat.yaml"), topology).expect("a topology is written");
    let mut command = runner(dir);
    command.arg("cat.yaml");
    let finished = finish(command, None);
    assert!(finished.status.success() && finished.stdout.starts_with(b"{"), "{}", finished.stderr);
    finished.stdout
}

#[test]
fn the_data_of_the_examples_is_what_its_topology_makes() {
    let dir = copy();
    run_to_its_end(dir.path(), "examples/make_data.yaml");
    for entry in fs::read_dir(root().join("examples/data")).expect("the data is there") {
        let committed = entry.expect("the data is there").path();
        let made = dir.path().join("examples/data").join(committed.file_name().expect("a file has a name"));
        assert!(
            content(dir.path(), &committed) == content(dir.path(), &made),
            "{} is not what examples/make_data.yaml makes",
            committed.display()
        );
    }
}

/// Milliseconds of a time of the example's own form, whose day and zone are always the same.
fn ms_of_day(time: &str) -> i64 {
    let clock = time.split_once('T').expect("a time of day").1.trim_end_matches('Z');
    let [hours, minutes, seconds] = clock.split(':').collect::<Vec<_>>()[..] else { panic!("{time}") };
    let seconds: f64 = seconds.parse().expect("seconds");
    let minutes = hours.parse::<i64>().expect("hours") * 60 + minutes.parse::<i64>().expect("minutes");
    minutes * 60_000 + (seconds * 1000.0).round() as i64
}

/// Clicks by user and end of a window, counted the slow way.
fn clicks_by_hand(events: &[Value]) -> BTreeMap<(String, i64), i64> {
    const MINUTE: i64 = 60_000;
    let (mut seen, mut greatest) = (BTreeSet::new(), i64::MIN / 2);
    let mut clicks = BTreeMap::new();
    for event in events {
        let time = ms_of_day(text(event, "timestamp"));
        let watermark = greatest - 30_000;
        greatest = greatest.max(time);
        if !seen.insert(text(event, "event_id").to_string()) || text(event, "action") != "CLICK" {
            continue;
        }
        let first_end = (time / MINUTE + 1) * MINUTE;
        for end in (first_end..first_end + 5 * MINUTE).step_by(MINUTE as usize) {
            if watermark < end + MINUTE {
                *clicks.entry((text(event, "user_id").to_string(), end)).or_insert(0) += 1;
            }
        }
    }
    clicks
}

#[test]
fn clickstream_counts_the_clicks_of_the_last_five_minutes() {
    let dir = copy();
    run_to_its_end(dir.path(), "topologies/clickstream.yaml");
    let out = dir.path().join("topologies/out/clickstream");
    let counted: BTreeMap<(String, i64), i64> = events(&out.join("clicks_5m.jsonl"))
        .iter()
        .map(|event| {
            let key = (text(event, "user").to_string(), ms_of_day(text(event, "up_to")));
            (key, event["clicks"].as_i64().expect("a count"))
        })
        .collect();
    assert_eq!(counted, clicks_by_hand(&events(&root().join("examples/data/interactions.jsonl"))));
    for name in ["duplicates.jsonl", "late.jsonl", "favourites.jsonl", "visits.csv"] {
        assert!(fs::metadata(out.join(name)).is_ok_and(|file| file.len() > 0), "{name} has something");
    }
}

#[test]
fn recommendations_fan_in_and_out() {
    let dir = copy();
    run_to_its_end(dir.path(), "topologies/recommendations.yaml");
    let out = dir.path().join("topologies/out/recommendations");
    let features: BTreeSet<String> =
        events(&out.join("features.jsonl")).iter().map(|event| text(event, "feature").to_string()).collect();
    for feature in ["last_click", "last_purchase", "price", "in_stock", "device", "city"] {
        assert!(features.contains(feature), "{feature} is among {features:?}");
    }
    let orders: i64 = events(&out.join("sales.jsonl")).iter().map(|event| event["orders"].as_i64().unwrap_or(0)).sum();
    let mut bought = BTreeSet::new();
    for event in events(&root().join("examples/data/interactions.jsonl")) {
        if text(&event, "action") == "PURCHASE" {
            bought.insert(text(&event, "event_id").to_string());
        }
    }
    assert_eq!(orders, bought.len() as i64, "every purchase reaches analytics, once");
    for check in events(&out.join("to_check.jsonl")) {
        assert!(check["amount"].as_f64().is_some_and(|amount| amount > 200.0), "{check}");
    }
    assert!(!events(&out.join("candidates.jsonl")).is_empty());
}

#[test]
fn fraud_runs_until_it_is_stopped_and_finds_the_stolen_cards() {
    let dir = copy();
    let mut command = runner(dir.path());
    command.args(["topologies/fraud.yaml", "--plain"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let blocked = dir.path().join("topologies/out/fraud/blocked.jsonl");
    let until = Instant::now() + Duration::from_secs(50);
    // The first windows close after 3,600 payments; two cards were stolen by then.
    while fs::metadata(&blocked).map_or(0, |file| file.len()) == 0 {
        assert!(Instant::now() < until, "nothing was blocked in 50 s");
        std::thread::sleep(Duration::from_millis(50));
    }
    let stop = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(stop.is_ok_and(|status| status.success()), "the program can be stopped");
    let status = wait(&mut child, Duration::from_secs(20)).expect("it stops in order");
    assert!(status.success(), "{status}");
    for event in events(&blocked) {
        assert!(event["risk"].as_f64().is_some_and(|risk| risk > 0.85), "{event}");
        let because: Vec<&str> = event["because"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(because, ["many payments", "unusual amounts", "payments abroad"], "{event}");
    }
    // The four bad lines of examples/data/online-0.jsonl.
    let codes: BTreeSet<String> = events(&dir.path().join("topologies/out/fraud.dead.jsonl"))
        .iter()
        .map(|event| text(event, "code").to_string())
        .collect();
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["bad-argument", "json-syntax", "out-of-bounds", "time-invalid"]);
}

/// The event types of the repository follow the principles, each version fits to those before it, and each language says the same.
#[test]
fn the_event_types_are_examples_to_follow() {
    let mut command = runner(&root());
    command.args(["schema", "check", "schemas", "--json"]);
    let finished = finish(command, None);
    let said: Value = serde_json::from_slice(&finished.stdout).expect("it prints JSON");
    assert_eq!(said["problems"], serde_json::json!([]), "{said:#}");
    let types: BTreeSet<(String, usize)> = said["types"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|found| text(found, "name").ends_with("UserInteractionEvent"))
        .map(|found| (text(found, "language").to_string(), found["versions"].as_array().map_or(0, Vec::len)))
        .collect();
    let expected = ["avro", "json", "protobuf"].map(|language| (language.to_string(), 3));
    assert_eq!(types.into_iter().collect::<Vec<_>>(), expected);
}

/// Interactions with items by quarter of an hour, once each, counted the slow way.
fn interactions_by_hand() -> i64 {
    let mut seen = BTreeSet::new();
    let events = events(&root().join("examples/data/interactions.jsonl"));
    let counted =
        events.iter().filter(|event| seen.insert(text(event, "event_id").to_string()) && !event["item_id"].is_null());
    counted.count() as i64
}

#[test]
fn interactions_give_the_same_in_each_encoding() {
    let dir = copy();
    let results = ["json", "avro", "protobuf"].map(|encoding| {
        run_to_its_end(dir.path(), &format!("topologies/interactions_{encoding}.yaml"));
        let out = dir.path().join(format!("topologies/out/interactions_{encoding}"));
        (events(&out.join("items.jsonl")), events(&out.join("late.jsonl")))
    });
    let (items, late) = &results[0];
    let counted: i64 = items.iter().map(|event| event["interactions"].as_i64().expect("a count")).sum();
    assert_eq!(counted + late.len() as i64, interactions_by_hand());
    assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
}
