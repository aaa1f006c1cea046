//! What a topology has written, under the names of the oracle.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::oracle::{Outputs, dead};

/// Reads every file of `out`, but for the side sinks'. A torn line is a line that nobody expects.
pub fn files(out: &Path) -> Outputs {
    let mut outputs = Outputs::new();
    for path in paths(out).into_iter().filter(|path| !is_side(path)) {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let lines = lines(&path);
        match name.split('.').next().expect("a name") {
            "chaos" => outputs.entry("dead".into()).or_default().extend(lines.iter().map(|line| letter(line))),
            stem => {
                // A rotated file: its first part has no number.
                let stem = stem.split_once("-0").map_or(stem, |(stem, _)| stem);
                outputs.entry(stem.to_string()).or_default().extend(lines);
            }
        }
    }
    outputs
}

/// The files of sinks that came and went.
pub fn sides(out: &Path) -> Vec<(PathBuf, Vec<String>)> {
    let sides = paths(out).into_iter().filter(|path| is_side(path));
    sides.map(|path| (path.clone(), lines(&path))).collect()
}

fn is_side(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("side-"))
}

/// In the order of their names.
fn paths(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder is read").path()).collect();
    paths.sort();
    paths
}

fn lines(path: &Path) -> Vec<String> {
    // A file may go while a child starts: it was written after the checkpoint.
    let bytes = std::fs::read(path).unwrap_or_default();
    let mut text = Vec::new();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => _ = flate2::read::MultiGzDecoder::new(&*bytes).read_to_end(&mut text),
        Some("zst") => {
            _ = zstd::stream::read::Decoder::new(&*bytes).and_then(|mut decoder| decoder.read_to_end(&mut text));
        }
        _ => text = bytes,
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    text.split_inclusive('\n')
        .map(|line| line.strip_suffix('\n').map_or_else(|| format!("torn: {line}"), str::to_string))
        .collect()
}

fn letter(line: &str) -> String {
    let Ok(letter) = serde_json::from_str::<Value>(line) else { return line.to_string() };
    let what = letter.get("event").or(letter.get("raw")).cloned().unwrap_or_default();
    dead(letter["code"].as_str().unwrap_or_default(), letter["node"].as_str().unwrap_or_default(), what)
}
