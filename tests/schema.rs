//! The JSON Schema of the language: it is committed as it is generated, every topology of the repository follows it, and it
//! agrees with `runner check` about the shape of every check case.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{finish, runner};

/// Problems of a file that its shape does not show: they need the text, the other keys, or the world outside.
const NOT_OF_SHAPE: &[&str] = &[
    "cycle", "duplicate-from", "duplicate-key", "duplicate-node", "env-syntax", "env-unset", "bad-template", "file-", "former-id",
    "from-sink", "input-missing", "no-time", "same-file", "text-without-quotes", "unknown-node", "unknown-param", "unknown-port",
    "unread-", "updates-feed-state", "yaml-", "expr-", "schema-", "set-and-unset", "used-twice", "too-many-nodes", "bad-table",
    "bad-pattern",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema() -> Value {
    let mut command = runner(root());
    command.arg("schema");
    let done = finish(command, None);
    serde_json::from_slice(&done.stdout).expect("the schema is JSON")
}

#[test]
fn the_schema_is_up_to_date() {
    let committed = fs::read_to_string(root().join("schemas/topology.schema.json")).unwrap_or_default();
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
    assert!(committed == schema(), "write it anew: runner schema > schemas/topology.schema.json");
}

/// Every `topology.yaml`, and what lies in `topologies`.
fn topologies(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the folder is read") {
        let path = entry.expect("the folder is read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !["target", ".git"].contains(&name.as_str()) {
            topologies(&path, found);
        } else if name == "topology.yaml" || (name.ends_with(".yaml") && dir.ends_with("topologies")) {
            found.push(path);
        }
    }
}

/// The codes that `runner check` gives for a file's errors.
fn codes(path: &Path) -> Vec<String> {
    let mut command = runner(path.parent().expect("it lies in a folder"));
    command.arg("check").arg(path.file_name().expect("it has a name")).env("RUNNER_TEST_VALUE", "7");
    let stderr = finish(command, None).stderr;
    let codes = stderr.lines().filter_map(|line| line.strip_prefix("error[")?.split_once(']'));
    codes.map(|(code, _)| code.to_string()).collect()
}

#[test]
fn the_schema_and_the_reader_agree() {
    let validator = jsonschema::validator_for(&schema()).expect("the schema is one");
    let mut files = Vec::new();
    topologies(root(), &mut files);
    assert!(files.len() > 80, "{} files are too few", files.len());
    let mut problems = Vec::new();
    for path in files {
        let Ok(bytes) = fs::read(&path) else { continue };
        // What is no YAML has no shape.
        let Ok(value) = serde_saphyr::from_slice::<Value>(&bytes) else { continue };
        let of_shape: Vec<String> = codes(&path)
            .into_iter()
            .filter(|code| !NOT_OF_SHAPE.iter().any(|other| code == other || (other.ends_with('-') && code.starts_with(other))))
            .collect();
        let why: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        let ate = codes(&path).iter().any(|code| code.starts_with("yaml-"));
        if why.is_empty() != of_shape.is_empty() && !ate {
            problems.push(format!("{}\n  reader: {of_shape:?}\n  schema: {why:?}", path.display()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
