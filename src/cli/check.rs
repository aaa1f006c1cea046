//! `runner check`: every problem of every file in one go.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Exit, SettingsArgs, load};

/// Folders below the one named, at most.
pub(super) const DEPTH_MAX: usize = 16;

/// What `check` takes.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Topologies, or folders of them (every `.yaml` and `.yml` below).
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Checks all files and prints what it found.
pub(super) fn check(args: &CheckArgs) -> Exit {
    let files = match topologies(&args.paths) {
        Ok(files) => files,
        Err(exit) => return exit,
    };
    let (mut errors, mut warnings) = (0, 0);
    for file in &files {
        let loaded = load::load(file, &args.settings);
        load::report(&loaded.diagnostics);
        let found = loaded.diagnostics.count();
        errors += found.0;
        warnings += found.1;
    }
    let files = plural(files.len(), "file");
    if errors == 0 {
        let warned = if warnings == 0 { String::new() } else { format!(", {}", plural(warnings, "warning")) };
        println!("{files} checked{warned}: no errors");
        return Exit::Success;
    }
    eprintln!("{files} checked: {}, {}", plural(errors, "error"), plural(warnings, "warning"));
    Exit::Invalid
}

/// Files, and the topologies below folders. `Err`: what is wrong was told.
pub(super) fn topologies(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Exit> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        if let Err(error) = topologies_below(path, 0, &mut files) {
            eprintln!("error: the folder {} cannot be read: {error}", path.display());
            return Err(Exit::Usage);
        }
        if files.len() == before {
            eprintln!("error: there is no .yaml file below {}", path.display());
            return Err(Exit::Usage);
        }
    }
    Ok(files)
}

pub(super) fn topologies_below(dir: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if path.is_dir() && !hidden && depth < DEPTH_MAX {
            topologies_below(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") && !is_special(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether it is a pipe or a device, which could keep a reader waiting for ever.
fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file())
}

fn plural(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
