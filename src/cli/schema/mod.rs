//! `runner schema`: event types, a file a subcommand; by itself it prints the JSON Schema of the language.

mod place;
mod pull;
mod register;

use clap::{Args, Subcommand};

use super::{Exit, docs, print};

/// What `schema` takes.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    #[command(subcommand)]
    command: Option<SchemaCommand>,
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Make schemas the next versions of subjects of a registry.
    Register(register::RegisterArgs),
    /// Fetch a schema from a registry.
    Pull(pull::PullArgs),
}

/// Does what the command line says.
pub(super) fn schema(args: SchemaArgs) -> Exit {
    match args.command {
        None => print(&docs::schema()),
        Some(SchemaCommand::Register(args)) => register::register(&args),
        Some(SchemaCommand::Pull(args)) => pull::pull(&args),
    }
}
