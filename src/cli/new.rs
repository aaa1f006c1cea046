//! `runner new`: a first topology, with data, that runs.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Exit;

/// The files of a first topology.
const FILES: [(&str, &str); 2] =
    [("topology.yaml", include_str!("new/topology.yaml")), ("clicks.jsonl", include_str!("new/clicks.jsonl"))];

/// What `new` takes.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The folder to make.
    dir: PathBuf,
}

/// Writes the files, none of which may be there.
pub(super) fn new(args: &NewArgs) -> Exit {
    if let Err(problem) = write(&args.dir) {
        eprintln!("error: {problem}");
        return Exit::Failed;
    }
    let topology = args.dir.join(FILES[0].0);
    println!("made {}; run it with\n\n  runner {}\n", args.dir.display(), topology.display());
    Exit::Success
}

fn write(dir: &Path) -> Result<(), String> {
    for (name, _) in FILES {
        let path = dir.join(name);
        if path.exists() {
            return Err(format!("{} is there already, and nothing is overwritten", path.display()));
        }
    }
    std::fs::create_dir_all(dir).map_err(|error| format!("the folder {} cannot be made: {error}", dir.display()))?;
    for (name, text) in FILES {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    Ok(())
}
