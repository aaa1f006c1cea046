//! Avro against its reference library for Python: each reads what the other has written.

mod confluent;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{finish, folder, runner};

/// `events` are what the other has written, `lines` the same events as JSON.
const TOPOLOGY: &str = r#"
schemas: { Everything: everything.avsc }
sources:
  events: { file: { path: "in-*.avro" }, decode: avro, schema: Everything }
  lines: { file: { path: expected.jsonl } }
sinks:
  back: { from: events, file: { path: out.jsonl } }
  same: { from: events, file: { path: out-1.avro }, encode: avro, schema: Everything }
  deflate: { from: lines, file: { path: out-2.avro }, encode: avro, schema: Everything, codec: deflate }
  snappy: { from: lines, file: { path: out-3.avro }, encode: avro, schema: Everything, codec: snappy }
  zstandard: { from: lines, file: { path: out-4.avro }, encode: avro, schema: Everything, codec: zstandard }
"#;

/// Runs the script beside this file.
fn python(what: &str, dir: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", root.join("target/test-tools/fastavro")).current_dir(dir);
    command.arg(root.join("tests/interop/avro.py")).args([what, "."]);
    let got = finish(command, None);
    assert!(got.status.success(), "tests/run.sh installs what this needs: {}", got.stderr);
    String::from_utf8(got.stdout).expect("it is text")
}

#[test]
fn fastavro_and_the_runner_read_each_other() {
    let dir = folder(TOPOLOGY);
    python("write", dir.path());
    let mut command = runner(dir.path());
    command.args(["run", "t.yaml"]);
    let got = finish(command, None);
    assert!(got.status.success(), "{}", got.stderr);
    let expected = fs::read_to_string(dir.path().join("expected.jsonl")).expect("it was written");
    let same = |name: &str, found: &str| {
        let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert_eq!(differs, None, "{name}\n{}", got.stderr);
        assert_eq!(found.lines().count(), expected.lines().count(), "{name}\n{}", got.stderr);
    };
    same("out.jsonl", &fs::read_to_string(dir.path().join("out.jsonl")).expect("it was written"));
    let read = python("read", dir.path());
    let files: Vec<_> = read.split("out-").skip(1).filter_map(|file| file.split_once('\n')).collect();
    let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["1.avro null", "2.avro deflate", "3.avro snappy", "4.avro zstandard"]);
    files.iter().for_each(|(name, events)| same(name, events));
}
