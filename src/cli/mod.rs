//! The command line, a file a command. Only this room prints and decides exit codes.

mod again;
mod check;
mod claims;
mod diff;
mod docs;
mod fleet;
mod load;
mod new;
mod run;
mod schema;
mod show;
mod state;
mod status;
mod summary;
mod supervise;
mod watch;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All went well; also after Ctrl-C, once everything in flight has been written.
    Success = 0,
    /// The run failed: a system could not be reached or written, a limit that stops a topology was met.
    Failed = 1,
    /// The command line is wrong. (clap uses the same code.)
    Usage = 2,
    /// The topology is invalid; every problem was printed.
    Invalid = 3,
    /// A second Ctrl-C ended the run at once.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

const AFTER_HELP: &str = "\
Exit codes:
  0    success; also after Ctrl-C, once what was in flight has been written
  1    the run failed
  2    wrong usage
  3    the topology is invalid
  130  a second Ctrl-C ended the run at once

Examples:
  runner topologies/fraud.yaml          run a topology, and take up changes of its file
  runner check topologies               report every problem of every file
  cat in.jsonl | runner my.yaml | jq .  stdin to stdout; logs go to stderr";

/// Runs event topologies: sources, stages and sinks described in YAML, with Rhai expressions.
#[derive(Debug, Parser)]
#[command(name = "runner", version, after_help = AFTER_HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run topologies (the same as `runner FILE`).
    Run(RunArgs),
    /// Report every problem of topologies, and run nothing.
    Check(check::CheckArgs),
    /// Show the graph, what each source decodes, how each expression runs, and what holds after a crash.
    Explain(show::ExplainArgs),
    /// Print the graph as Mermaid, or for Graphviz.
    Graph(show::GraphArgs),
    /// Show what a reload would change: the fate of every node and of its state, without running anything.
    Diff(diff::DiffArgs),
    /// Look at the checkpoint that a topology goes on from, or remove it.
    State(state::StateArgs),
    /// Work with event types and registries; alone: print the JSON Schema of the language, for editors.
    Schema(schema::SchemaArgs),
    /// Write the reference of the language, of its functions and of its errors.
    Docs(docs::DocsArgs),
    /// Make a first topology with data that runs.
    New(new::NewArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell to complete in.
        shell: clap_complete::Shell,
    },
}

/// What `run` takes.
#[derive(Debug, Args)]
struct RunArgs {
    /// Topologies, or folders of them (every `.yaml` and `.yml` directly in it, also those that come later).
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print a line of status every few seconds instead of the live table.
    #[arg(long)]
    plain: bool,
    /// What happens when the file of a topology, or one that it names, changes while it runs.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = supervise::Reload::On)]
    reload: supervise::Reload,
    /// Go on from the checkpoint that an interrupted run left, also if all input ends by itself.
    #[arg(long, conflicts_with = "fresh")]
    resume: bool,
    /// Start over, also if some input has no end: what was kept is removed.
    #[arg(long)]
    fresh: bool,
    /// The folder that state is kept in, by the topology's name [default: `.runner` beside its file].
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Threads that run tasks [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Events of a batch; results do not depend on it (for tests).
    #[arg(long, hide = true, default_value_t = crate::limits::BATCH_EVENTS_MAX)]
    batch_events: usize,
    /// Batches that wait on an edge; results do not depend on it (for tests).
    #[arg(long, hide = true, default_value_t = crate::limits::EDGE_BATCHES_MAX)]
    edge_batches: usize,
    /// A checkpoint after so many batches of each source (for tests).
    #[arg(long, hide = true, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_batches: Option<u64>,
    /// A reload of what runs anyway after so many batches of each source (for tests).
    #[arg(long, hide = true, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "checkpoint_batches")]
    hand_over_batches: Option<u64>,
    /// The first of these reloads takes up this file (for tests).
    #[arg(long, hide = true, value_name = "FILE", requires = "hand_over_batches")]
    hand_over_to: Option<PathBuf>,
}

/// What every command that reads topologies takes.
#[derive(Debug, Args)]
struct SettingsArgs {
    /// Override a constant of `params`.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_value)]
    set: Vec<(String, String)>,
    /// Refuse expressions that Rhai would have to interpret.
    #[arg(long)]
    deny_fallback: bool,
}

fn name_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err("write NAME=VALUE".into()),
    }
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let exit = match cli.command {
        None => run::run(cli.run),
        Some(Command::Run(args)) => run::run(args),
        Some(Command::Check(args)) => check::check(&args),
        Some(Command::Explain(args)) => show::explain(&args),
        Some(Command::Graph(args)) => show::graph(&args),
        Some(Command::Diff(args)) => diff::diff(&args),
        Some(Command::State(args)) => state::state(&args),
        Some(Command::Schema(args)) => schema::schema(args),
        Some(Command::Docs(args)) => docs::docs(&args),
        Some(Command::New(args)) => new::new(&args),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "runner", &mut std::io::stdout());
            Exit::Success
        }
    };
    exit.into()
}

/// Prints to stdout. A reader that has gone away is no failure: it has seen what it wanted.
fn print(text: &str) -> Exit {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::Success,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            eprintln!("error: stdout cannot be written: {error}");
            Exit::Failed
        }
    }
}
