//! Files of Protobuf messages between the runner and the `protobuf` package: what one writes the other reads, field by field.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/protobuf");
const MESSAGE: &str = "interop.Everything";

/// The package, as `tests/run.sh` installs it.
fn python(dir: &Path, arguments: [&str; 3]) {
    let [what, events, file] = arguments;
    let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-tools/protobuf");
    let ran = Command::new("python3")
        .args([&format!("{HERE}/interop.py"), what, "schema.fds", MESSAGE, events, file])
        .env("PYTHONPATH", tools)
        .current_dir(dir)
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\nThe package is installed by tests/run.sh.");
}

/// A folder with the schema, as text and as a set of descriptors, and the events.
fn folder(topology: &str) -> tempfile::TempDir {
    let dir = support::folder(topology);
    fs::copy(format!("{HERE}/everything.proto"), dir.path().join("everything.proto")).expect("the schema is copied");
    fs::copy(format!("{HERE}/events.jsonl"), dir.path().join("events.jsonl")).expect("the events are copied");
    let mut compiler = protox::Compiler::new([dir.path()]).expect("a compiler");
    compiler.include_imports(true).open_file("everything.proto").expect("the schema is good");
    fs::write(dir.path().join("schema.fds"), compiler.encode_file_descriptor_set()).expect("it is written");
    dir
}

fn run(dir: &Path) {
    let mut command = support::runner(dir);
    command.arg("t.yaml");
    let ran = support::finish(command, None);
    assert!(ran.status.success(), "{}", ran.stderr);
    let dead = dir.join("t.dead.jsonl");
    assert!(!dead.exists(), "{}", fs::read_to_string(dead).unwrap_or_default());
}

#[test]
fn what_the_package_writes_is_read_and_goes_on_in_each_form() {
    let dir = folder(
        r#"
schemas: { Everything: everything.proto }
sources:
  in: { file: { path: in.pb }, decode: protobuf, schema: Everything }
stages:
  # Changed and changed back: read into JSON and written anew.
  changed: { from: in, set: { an_int32: event.an_int32 + 1 } }
  back: { from: changed, set: { an_int32: event.an_int32 - 1 } }
sinks:
  json: { from: in, file: { path: out.jsonl } }
  same: { from: in, file: { path: same.pb }, encode: protobuf, schema: Everything }
  anew: { from: back, file: { path: anew.pb }, encode: protobuf, schema: Everything }
"#,
    );
    python(dir.path(), ["write", "events.jsonl", "in.pb"]);
    run(dir.path());
    ["out.jsonl", "same.pb", "anew.pb"].iter().for_each(|file| python(dir.path(), ["check", "events.jsonl", file]));
    let read = |name: &str| fs::read(dir.path().join(name)).expect("the output is read");
    assert_eq!(read("same.pb"), read("in.pb"), "what is not changed leaves as it came");
}

#[test]
fn what_the_runner_writes_is_read_by_the_package() {
    let dir = folder(
        r#"
schemas: { Everything: everything.proto }
sources: { in: { file: { path: events.jsonl } } }
sinks: { out: { from: in, file: { path: out.pb }, encode: protobuf, schema: Everything } }
"#,
    );
    run(dir.path());
    python(dir.path(), ["check", "events.jsonl", "out.pb"]);
}
