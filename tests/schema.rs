//! The JSON Schema of the language: it is committed as it is generated, every topology of the repository follows it, and it
//! agrees with `runner check` about the shape of every check case.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_saphyr::DuplicateKeyPolicy;
use topology_runner::diagnostic::{Diagnostics, Severity};
use topology_runner::plan;
use topology_runner::spec::{self, Settings};

use crate::support::{finish, runner};

/// Problems that the shape of a file does not show: they need its text, other places in it, or the world outside.
const NOT_OF_SHAPE: &[&str] = &[
    "bad-pattern",
    "bad-template",
    "cycle",
    "duplicate-from",
    "duplicate-key",
    "duplicate-node",
    "env-syntax",
    "env-unset",
    "former-id",
    "from-sink",
    "no-time",
    "text-without-quotes",
    "too-many-nodes",
    "unknown-node",
    "unknown-port",
    "updates-feed-state",
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

/// The codes of what the reader finds wrong, before anything is planned.
fn codes(path: &Path) -> Vec<&'static str> {
    let mut diagnostics = Diagnostics::new();
    let outside = Settings { set: &[], env: &|name| (name == "RUNNER_TEST_VALUE").then(|| "7".to_string()) };
    spec::read_file(path, &plan::CATALOG, outside, &mut diagnostics);
    let errors = diagnostics.found().iter().filter(|found| found.severity == Severity::Error);
    errors.map(|found| found.code.id).collect()
}

#[test]
fn the_schema_and_the_reader_agree() {
    let validator = jsonschema::validator_for(&schema()).expect("the schema is one");
    let mut files = Vec::new();
    topologies(root(), &mut files);
    assert!(files.len() > 80, "{} files are too few", files.len());
    let mut problems = Vec::new();
    for path in files {
        let codes = codes(&path);
        // What is no YAML, or YAML that ate an expression, has another shape than was meant.
        if codes.iter().any(|code| code.starts_with("yaml-") || code.starts_with("file-")) {
            continue;
        }
        let bytes = fs::read(&path).expect("the file is read");
        let options = serde_saphyr::options! { strict_booleans: true, duplicate_keys: DuplicateKeyPolicy::FirstWins };
        let value: Value = match serde_saphyr::from_slice_with_options(&bytes, options) {
            Ok(value) => value,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        let of_shape: Vec<&str> = codes.into_iter().filter(|code| !NOT_OF_SHAPE.contains(code)).collect();
        let errors = validator.iter_errors(&value);
        let wrong: Vec<String> = errors.map(|error| format!("{}: {error}", error.instance_path())).collect();
        if wrong.is_empty() != of_shape.is_empty() {
            problems.push(format!("{}\n  reader: {of_shape:?}\n  schema: {wrong:?}", path.display()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_documents_are_up_to_date() {
    let mut command = runner(root());
    command.args(["docs", "--check"]);
    let done = finish(command, None);
    assert!(done.status.success(), "{}", done.stderr);
}

/// Every diagnostic has a check case that shows it.
#[test]
fn every_code_has_a_case() {
    // Made by what a case cannot hold: a file that is missing, too large or no text, a graph too large to read, or a registry that goes away
    // after it has answered.
    const WITHOUT: &[&str] = &["file-unreadable", "file-too-large", "file-not-text", "too-many-nodes", "registry-away"];
    let mut said = String::new();
    for (cases, file) in [("check", "stderr.txt"), ("schema", "said.txt")] {
        for case in fs::read_dir(root().join("tests/cases").join(cases)).expect("the cases are read") {
            let path = case.expect("the cases are read").path().join(file);
            said.push_str(&fs::read_to_string(path).unwrap_or_default());
        }
    }
    let shown = |code: &str| said.contains(&format!("[{code}]"));
    let codes = topology_runner::diagnostic::codes::ALL.iter().copied();
    let codes = codes.chain(topology_runner::schema::principles::codes()).map(|code| code.id);
    let missing: Vec<&str> = codes.filter(|code| !shown(code) && !WITHOUT.contains(code)).collect();
    assert!(missing.is_empty(), "no case of tests/cases/check or schema shows {missing:?}");
}

/// The example of every kind is a node of a topology that can be read.
#[test]
fn examples_of_the_tables_are_right() {
    let catalog = &plan::CATALOG;
    let groups = [("sources", catalog.sources), ("stages", catalog.stages), ("sinks", catalog.sinks)];
    for (group, table) in groups.into_iter().flat_map(|(group, tables)| tables.iter().map(move |table| (group, table)))
    {
        let example = table.example.unwrap_or_else(|| panic!("`{}` has no example", table.name));
        let nodes: String = example.lines().map(|line| format!("  {line}\n")).collect();
        let text = match group {
            "sources" => format!("sources:\n{nodes}sinks: {{ end: {{ from: NODE, discard: {{}} }} }}\n"),
            "stages" => format!(
                "sources: {{ FROM }}\nstages:\n{nodes}sinks: {{ end: {{ from: NODE.errors, discard: {{}} }} }}\n"
            ),
            _ => format!("sources: {{ FROM }}\nsinks:\n{nodes}"),
        };
        let id = example.split(':').next().unwrap_or_default();
        let from = example.split("from: ").nth(1).unwrap_or_default();
        let end = from.find([',', '\n', '}']).filter(|_| !from.starts_with('[')).unwrap_or(from.find(']').unwrap_or(0));
        let names =
            from[..end].trim_start_matches('[').split(", ").map(|name| name.split('.').next().unwrap_or_default());
        let sources: Vec<String> = names.map(|name| format!("{name}: {{ stdin: {{}}, time: arrival }}")).collect();
        let text = text.replace("NODE", id).replace("FROM", &sources.join(", "));
        let mut diagnostics = Diagnostics::new();
        let outside = Settings { set: &[], env: &|_| None };
        spec::read(Path::new("t.yaml"), &text, catalog, outside, &mut diagnostics);
        let errors = diagnostics.found().iter().filter(|found| found.severity == Severity::Error);
        // A port that the stub does not have is the stub's fault.
        let errors: Vec<&str> = errors.map(|found| found.code.id).filter(|code| *code != "unknown-port").collect();
        assert!(errors.is_empty(), "{errors:?} in the example of `{}`:\n{text}", table.name);
    }
}

/// The example of every key is a value that the key takes.
#[test]
fn examples_of_the_keys_are_right() {
    use topology_runner::spec::{Key, Table, tables};
    // What is missing beside the one key is no fault of its example.
    const ALLOWED: &[&str] = &[
        "missing-key",
        "exactly-one",
        "at-least-one",
        "needs-key",
        "no-kind",
        "no-connector",
        "unknown-node",
        "no-sources",
        "no-sinks",
        "no-time",
    ];
    let try_key = |around: &str, key: &Key| {
        let Some(example) = key.example else { return };
        let text = around.replace("KEY", &format!("{}: {example}", key.name));
        let mut diagnostics = Diagnostics::new();
        let outside = Settings { set: &[], env: &|_| None };
        spec::read(Path::new("t.yaml"), &text, &plan::CATALOG, outside, &mut diagnostics);
        let errors = diagnostics.found().iter().filter(|found| found.severity == Severity::Error);
        let errors: Vec<String> =
            errors.filter(|found| !ALLOWED.contains(&found.code.id)).map(|found| found.message.clone()).collect();
        assert!(errors.is_empty(), "{errors:?} in the example of `{}`:\n{text}", key.name);
    };
    let groups: [(&str, &[&Table], &Table); 3] = [
        ("sources", plan::CATALOG.sources, &tables::SOURCE),
        ("stages", plan::CATALOG.stages, &tables::STAGE),
        ("sinks", plan::CATALOG.sinks, &tables::SINK),
    ];
    for (group, kinds, role) in groups {
        let node = format!("{group}:\n  a:\n    KEY\n");
        role.keys.iter().chain(tables::NODE.keys).for_each(|key| try_key(&node, key));
        for kind in kinds {
            let around =
                if kind.inline { node.clone() } else { format!("{group}:\n  a:\n    {}:\n      KEY\n", kind.name) };
            kind.keys.iter().for_each(|key| try_key(&around, key));
        }
    }
    tables::FILE.keys.iter().for_each(|key| try_key("KEY\n", key));
    for table in [&tables::CHECKPOINT, &tables::DEAD_LETTERS, &tables::LIMITS] {
        table.keys.iter().for_each(|key| try_key(&format!("{}:\n  KEY\n", table.name), key));
    }
}
