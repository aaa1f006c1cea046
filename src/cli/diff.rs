//! `runner diff`: what a reload would do, without running anything.

use std::path::PathBuf;

use clap::Args;

use crate::plan;

use super::{Exit, SettingsArgs, load, print};

/// What `diff` takes.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The topology as it is.
    old: PathBuf,
    /// The topology as it would be.
    new: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Prints what differs. Both files are checked, and all problems of both are reported.
pub(super) fn diff(args: &DiffArgs) -> Exit {
    let old = load::load(&args.old, &args.settings);
    let new = load::load_in_place_of(&args.old, &args.new, &args.settings);
    // Warnings are for `check`.
    for loaded in [&old, &new].into_iter().filter(|loaded| loaded.plan.is_none()) {
        load::report(&loaded.diagnostics);
    }
    let (Some(old), Some(new)) = (old.plan, new.plan) else { return Exit::Invalid };
    let diff = plan::diff(&old, &new);
    match args.json {
        true => print(&format!("{:#}\n", diff.json())),
        false => print(&diff.text()),
    }
}
