//! `runner schema`: event types, a file a subcommand; by itself it prints the JSON Schema of the language.

mod check;
mod compat;
mod diff;
mod docs;
mod files;
mod infer;
mod impact;
mod place;
mod problems;
mod pull;
mod register;

use clap::{Args, Subcommand};

use super::{Exit, print};

/// What `schema` takes.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    #[command(subcommand)]
    command: Option<SchemaCommand>,
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Check event types: whether they are valid, follow the principles, and fit to their former versions.
    Check(check::CheckArgs),
    /// Ask whether a new version may follow an old one, or all versions of a folder.
    Compat(compat::CompatArgs),
    /// Tell in words what changed from one version to another.
    Diff(diff::DiffArgs),
    /// Print Markdown of event types: fields, versions, and who produces and consumes each.
    Docs(docs::DocsArgs),
    /// Make a first schema from events.
    Infer(infer::InferArgs),
    /// Tell which stages and sinks of which topologies break or change type with a changed schema.
    Impact(impact::ImpactArgs),
    /// Make schemas the next versions of subjects of a registry.
    Register(register::RegisterArgs),
    /// Fetch a schema from a registry.
    Pull(pull::PullArgs),
}

/// Does what the command line says.
pub(super) fn schema(args: SchemaArgs) -> Exit {
    match args.command {
        None => print(&super::docs::schema()),
        Some(SchemaCommand::Check(args)) => check::check(&args),
        Some(SchemaCommand::Compat(args)) => compat::compat(&args),
        Some(SchemaCommand::Diff(args)) => diff::diff(&args),
        Some(SchemaCommand::Docs(args)) => docs::docs(&args),
        Some(SchemaCommand::Infer(args)) => infer::infer(&args),
        Some(SchemaCommand::Impact(args)) => impact::impact(&args),
        Some(SchemaCommand::Register(args)) => register::register(&args),
        Some(SchemaCommand::Pull(args)) => pull::pull(&args),
    }
}
