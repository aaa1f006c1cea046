//! `runner explain` and `runner graph`: what a topology is, without running it.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, SettingsArgs, load, print};

/// What `explain` takes.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The topology's YAML file.
    file: PathBuf,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// What `graph` takes.
#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    /// The topology's YAML file.
    file: PathBuf,
    /// Graphviz instead of Mermaid.
    #[arg(long)]
    dot: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Prints the plan in words.
pub(super) fn explain(args: &ExplainArgs) -> Exit {
    let loaded = load::load(&args.file, &args.settings);
    load::report(&loaded.diagnostics);
    match loaded.plan {
        Some(plan) => print(&plan.explain()),
        None => Exit::Invalid,
    }
}

/// Prints the plan as a picture.
pub(super) fn graph(args: &GraphArgs) -> Exit {
    let loaded = load::load(&args.file, &args.settings);
    load::report(&loaded.diagnostics);
    match loaded.plan {
        Some(plan) if args.dot => print(&plan.dot()),
        Some(plan) => print(&plan.mermaid()),
        None => Exit::Invalid,
    }
}
