//! `runner schema diff`: what changed from one version to another, in words.

use clap::Args;
use serde_json::{Value, json};

use crate::diagnostic::Diagnostics;
use crate::schema::diff::{self, Change, ChangeKind};

use super::super::{Exit, print};
use super::{files, problems};

/// What `schema diff` takes.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The old version: a file, or `DIR@1`.
    old: String,
    /// The new version.
    new: String,
    /// The message of Protobuf files that have several.
    #[arg(long)]
    message: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Compares, and prints the changes.
pub(super) fn diff(args: &DiffArgs) -> Exit {
    let mut diagnostics = Diagnostics::new();
    let message = args.message.as_deref();
    let old = files::load_one(&args.old, message, &mut diagnostics);
    let new = files::load_one(&args.new, message, &mut diagnostics);
    let (Some(old), Some(new)) = (old, new) else {
        problems::report(&diagnostics, false);
        return Exit::Invalid;
    };
    let changes = diff::changes(&old.definition, &new.definition);
    print(&match (args.json, changes.is_empty()) {
        (true, _) => format!("{:#}\n", changes.iter().map(to_json).collect::<Value>()),
        (false, true) => "no change of what events are\n".to_owned(),
        (false, false) => changes.iter().map(|change| format!("{change}\n")).collect(),
    })
}

fn to_json(change: &Change) -> Value {
    let kind = match change.kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Changed => "changed",
    };
    json!({ "kind": kind, "path": change.path, "text": change.text })
}
