//! The cases of `reload`: what a change is told to be, and what it then is.

use std::fs;
use std::path::Path;

use crate::support::{finish, runner};

use super::ways::got;
use super::{Got, copy_inputs, differences, each_case, lines, read_text, write_expected};

/// The input of a case that brings none.
const SHARED: [&str; 2] = ["in.jsonl", "more.jsonl"];

/// Events of each source before the reload.
const EVENTS_BEFORE: usize = 6;

/// Ways to come to the sixth event: events of a batch, and batches of an edge. What follows is handed over to itself as often.
const WAYS: [(usize, usize); 3] = [(1, 1), (2, 16), (6, 16)];

/// Cases that are only told and not run here, and why.
const NOT_RUN: [(&str, &str); 8] = [
    ("nats_max_pending", NEEDS_NATS),
    ("nats_sink_key_and_headers", NEEDS_NATS),
    ("nats_sink_subject", NEEDS_NATS),
    ("nats_stream", NEEDS_NATS),
    ("nats_subject", NEEDS_NATS),
    ("nats_url", NEEDS_NATS),
    ("source_follow", "its input has no end then"),
    ("start", NEEDS_NATS),
];
const NEEDS_NATS: &str = "it needs a server: see `nats`";

/// Changes that are refused, and what is told of them: the old one goes on.
const REFUSED: [(&str, &str); 2] =
    [("invalid", "the expression ends too early"), ("name", "stop and start it to rename it")];

#[test]
fn diff_cases() {
    each_case("reload", |case, update| {
        let mut command = runner(case);
        command.args(["diff", "before.yaml", "after.yaml"]).args(lines(&case.join("args")));
        let got = finish(command, None);
        let said = format!("{}{}", got.stderr, String::from_utf8_lossy(&got.stdout));
        let path = case.join("diff.txt");
        if update {
            fs::write(&path, said).expect("the expectation is written");
            return Vec::new();
        }
        let wanted = fs::read_to_string(&path).unwrap_or_default();
        if said == wanted { Vec::new() } else { vec![format!("it printed\n{said}\nand not\n{wanted}")] }
    });
}

/// Moved lines and comments change nothing, whatever a topology uses.
#[test]
fn a_topology_does_not_differ_from_itself() {
    each_case("run", |case, _| {
        let dir = tempfile::tempdir().expect("a folder for the case");
        copy_inputs(case, dir.path());
        let text = read_text(&case.join("topology.yaml"));
        fs::write(dir.path().join("moved.yaml"), format!("# Moved.\n\n{text}")).expect("it is written");
        let mut command = runner(dir.path());
        command.args(["diff", "topology.yaml", "moved.yaml"]);
        command.args(lines(&case.join("args")).iter().skip_while(|arg| !arg.starts_with("--set")));
        let got = finish(command, None);
        let said = String::from_utf8_lossy(&got.stdout).into_owned();
        // Some cases set variables of the environment for their run alone, or are invalid.
        if got.status.code() == Some(3) || said == "nothing changes\n" {
            Vec::new()
        } else {
            vec![format!("{said}{}", got.stderr)]
        }
    });
}

#[test]
fn reload_cases() {
    each_case("reload", |case, update| {
        let mut problems = Vec::new();
        if NOT_RUN.iter().any(|(name, _)| case.ends_with(name)) {
            return problems;
        }
        for (batch, edge) in WAYS {
            let got = reloaded(case, batch, edge);
            if update {
                return write_expected(case, &got);
            }
            let found = differences(case, &got).into_iter().chain(untold(case, &got));
            problems.extend(found.map(|problem| format!("batches of {batch}: {problem}")));
        }
        problems
    });
}

/// Runs `before.yaml`, and `after.yaml` in its place.
fn reloaded(case: &Path, batch: usize, edge: usize) -> Got {
    let dir = tempfile::tempdir().expect("a folder for the run");
    let shared = case.parent().expect("a case lies among others");
    for name in SHARED {
        fs::copy(shared.join(name), dir.path().join(name)).expect("an input is copied");
    }
    copy_inputs(case, dir.path());
    // A topology without a name has that of its file, which a reload does not change.
    for (from, to) in [("before.yaml", "t.yaml"), ("after.yaml", "t.yml")] {
        fs::rename(dir.path().join(from), dir.path().join(to)).expect("a topology is renamed");
    }
    let mut command = runner(dir.path());
    command.args(["run", "t.yaml", "--reload", "off", "--hand-over-to", "t.yml"]);
    command.args(["--batch-events", &batch.to_string(), "--edge-batches", &edge.to_string()]);
    command.args(["--hand-over-batches", &(EVENTS_BEFORE / batch).to_string()]).args(lines(&case.join("args")));
    let finished = finish(command, None);
    assert!(!finished.stderr.contains("panicked"), "{}: {}", case.display(), finished.stderr);
    got(dir.path(), finished)
}

/// The lines of what `diff` prints, or of why it is refused, that the reload did not.
fn untold(case: &Path, got: &Got) -> Option<String> {
    let told = match REFUSED.iter().find(|(name, _)| case.ends_with(name)) {
        Some((_, why)) => (*why).to_string(),
        None => fs::read_to_string(case.join("diff.txt")).unwrap_or_default(),
    };
    let missing: Vec<&str> =
        told.lines().filter(|line| *line != "nothing changes").filter(|line| !got["stderr"].contains(*line)).collect();
    (!missing.is_empty()).then(|| format!("it did not tell\n{}\nbut\n{}", missing.join("\n"), got["stderr"]))
}
