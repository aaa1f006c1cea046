//! `runner schema compat`: whether a new version may follow those before it.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use crate::diagnostic::Diagnostics;
use crate::schema::Definition;
use crate::schema::compat::{self, Check, Direction, Mode, Report};

use super::super::{Exit, print};
use super::files::{self, Loaded};
use super::problems;

/// What `schema compat` takes.
#[derive(Debug, Args)]
pub(super) struct CompatArgs {
    /// The old version, or a folder with all of them.
    #[arg(value_name = "OLD|DIR")]
    old: String,
    /// The new version.
    new: String,
    /// What the new version must be able to do.
    #[arg(long, value_name = "MODE", default_value = "BACKWARD", value_parser = super::check::mode)]
    mode: Mode,
    /// The message of Protobuf files that have several.
    #[arg(long)]
    message: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Compares, and prints the verdict.
pub(super) fn compat(args: &CompatArgs) -> Exit {
    let mut diagnostics = Diagnostics::new();
    let message = args.message.as_deref();
    let old = match Path::new(&args.old).is_dir() {
        true => files::load(Path::new(&args.old), message, &mut diagnostics).map(|found| found.versions),
        false => files::load_one(&args.old, message, &mut diagnostics).map(|version| vec![version]),
    };
    let new = files::load_one(&args.new, message, &mut diagnostics);
    let (Some(old), Some(new), false) = (old, new, diagnostics.has_errors()) else {
        super::problems::report(&diagnostics, false);
        return Exit::Invalid;
    };
    let history: Vec<&Definition> = old.iter().map(|version| &version.definition).collect();
    let report = compat::check(args.mode, &new.definition, &history);
    let exit = if report.is_compatible() { Exit::Success } else { Exit::Invalid };
    let text = match args.json {
        true => format!("{:#}\n", to_json(&report, &old, &new)),
        false => {
            report.checks.iter().for_each(|check| {
                problems::add_check(check, &old[check.against], &new, &mut diagnostics);
            });
            problems::report(&diagnostics, false);
            words(&report, &old, &new)
        }
    };
    if print(&text) == Exit::Failed { Exit::Failed } else { exit }
}

fn words(report: &Report, old: &[Loaded], new: &Loaded) -> String {
    let line = |check: &Check| {
        let (reader, writer) = match check.direction {
            Direction::Backward => (new, &old[check.against]),
            Direction::Forward => (&old[check.against], new),
        };
        let verb = if check.is_compatible() { "reads" } else { "cannot read" };
        format!("{}: {} {verb} what {} wrote\n", report.mode, reader.called(), writer.called())
    };
    match report.checks.is_empty() {
        true => format!("{}: nothing is compared\n", report.mode),
        false => report.checks.iter().map(line).collect(),
    }
}

fn to_json(report: &Report, old: &[Loaded], new: &Loaded) -> Value {
    let check = |check: &Check| {
        json!({
            "against": old[check.against].path.display().to_string(),
            "direction": match check.direction { Direction::Backward => "backward", Direction::Forward => "forward" },
            "compatible": check.is_compatible(),
            "findings": check.findings.iter().map(problems::finding_json).collect::<Vec<_>>(),
        })
    };
    json!({
        "mode": report.mode.name(),
        "new": new.path.display().to_string(),
        "compatible": report.is_compatible(),
        "checks": report.checks.iter().map(check).collect::<Vec<_>>(),
    })
}
