//! The house rules of `src/` that a program can check: a room uses only the rooms above it, and some things are done in one room only.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in their order, as `lib.rs` lists them.
const ORDER: [&str; 14] = [
    "limits",
    "diagnostic",
    "event",
    "schema",
    "expr",
    "spec",
    "state",
    "flow",
    "operators",
    "connectors",
    "observe",
    "plan",
    "run",
    "cli",
];

/// A source file, its room, and its lines up to its tests.
struct Source {
    path: PathBuf,
    room: String,
    lines: Vec<String>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    below(&root, &root, &mut found);
    assert!(found.len() > 100, "the sources are found");
    found
}

fn below(root: &Path, dir: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).expect("the folder is read") {
        let path = entry.expect("the folder is read").path();
        if path.is_dir() {
            below(root, &path, found);
            continue;
        }
        let inside = path.strip_prefix(root).expect("it lies below").to_path_buf();
        let name = inside.to_string_lossy().into_owned();
        if !name.ends_with(".rs") || name.contains("test") || name == "main.rs" || name == "lib.rs" {
            continue;
        }
        let room = name.split(['/', '.']).next().unwrap_or_default().to_string();
        let text = fs::read_to_string(&path).expect("the source is read");
        let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").map(str::to_string).collect();
        found.push(Source { path: inside, room, lines });
    }
}

fn code(line: &str) -> &str {
    let line = line.trim_start();
    if line.starts_with("//") { "" } else { line }
}

#[test]
fn a_room_uses_only_the_rooms_above_it() {
    let place = |room: &str| ORDER.iter().position(|other| *other == room);
    let mut wrong = Vec::new();
    for source in sources() {
        let own = place(&source.room).unwrap_or_else(|| panic!("{} is in no known room", source.path.display()));
        for (at, line) in source.lines.iter().enumerate() {
            for used in code(line).split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if place(&used).is_some_and(|used| used > own) {
                    wrong.push(format!("src/{}:{}: {} uses {used}", source.path.display(), at + 1, source.room));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Finds code that holds one of these words outside of the rooms that may have it.
fn only_in(rooms: &[&str], words: &[&str]) {
    let mut wrong = Vec::new();
    for source in sources().into_iter().filter(|source| !rooms.contains(&source.room.as_str())) {
        for (at, line) in source.lines.iter().enumerate() {
            if words.iter().any(|word| code(line).contains(word)) {
                wrong.push(format!("src/{}:{}: {}", source.path.display(), at + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "only {rooms:?} may have {words:?}:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_command_line_prints_and_exits() {
    only_in(&["cli"], &["println!", "print!", "process::exit"]);
}

#[test]
fn only_those_who_run_read_a_clock() {
    only_in(&["run", "connectors", "cli"], &["SystemTime::now", "Instant::now"]);
}

#[test]
fn only_those_who_run_know_the_runtime() {
    only_in(&["run", "connectors", "cli"], &["tokio::", "async fn", ".await"]);
}

#[test]
fn the_run_names_no_stage_and_no_connector() {
    let mut wrong = Vec::new();
    for source in sources().into_iter().filter(|source| source.room == "run") {
        for (at, line) in source.lines.iter().enumerate() {
            let names =
                ["operators::window", "operators::route", "connectors::file", "connectors::nats", "connectors::stdin"];
            if names.iter().any(|name| code(line).contains(name)) {
                wrong.push(format!("src/{}:{}: {}", source.path.display(), at + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
