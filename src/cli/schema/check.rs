//! `runner schema check`: every problem of every event type in one go.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::diagnostic::{Diagnostics, codes};
use crate::schema::compat::{self, Mode};
use crate::schema::place::Spot;
use crate::schema::{Definition, principles};

use super::super::{Exit, print};
use super::files::{self, Loaded, OnDisk, Rules};
use super::problems;

/// What `schema check` takes.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Schemas, folders with a file for each version, or folders of such.
    #[arg(required = true, value_name = "DIR|FILE")]
    paths: Vec<PathBuf>,
    /// How each version must fit to those before it [default: what `principles.yaml` says, else BACKWARD].
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<Mode>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A mode by its name.
pub(super) fn mode(text: &str) -> Result<Mode, String> {
    Mode::of(text).ok_or_else(|| {
        let names: Vec<&str> = Mode::ALL.iter().map(|mode| mode.name()).collect();
        format!("it is one of {}", names.join(", "))
    })
}

/// Checks all types and prints what it found.
pub(super) fn check(args: &CheckArgs) -> Exit {
    let mut diagnostics = Diagnostics::new();
    let mut rules = Rules::default();
    let mut types = Vec::new();
    for path in &args.paths {
        let of_folder = rules.of(path, &mut diagnostics);
        let found = match files::types_at(path, &|path| files::is_ignored(path, &of_folder)) {
            Ok(found) => found,
            Err(error) => {
                eprintln!("error: the folder {} cannot be read: {error}", path.display());
                return Exit::Usage;
            }
        };
        if found.is_empty() {
            eprintln!("error: there is no schema below {}: they end in .avsc, .proto or .json", path.display());
            return Exit::Usage;
        }
        for path in found {
            let mode = args.mode.unwrap_or(rules.of(&path, &mut diagnostics).mode);
            let principles = rules.of(&path, &mut diagnostics).principles;
            if let Some(found) = files::load(&path, None, &mut diagnostics) {
                one(&found, mode, &principles, &mut diagnostics);
                types.push((found, mode));
            }
        }
    }
    tell(&types, &diagnostics, args.json)
}

/// Checks a type: its newest version by the principles, and each version by those before it.
fn one(found: &OnDisk, mode: Mode, principles: &principles::Principles, diagnostics: &mut Diagnostics) {
    let newest = found.newest();
    notes(newest, diagnostics);
    problems::add_findings(principles::check(&found.name, &newest.definition, principles), newest, diagnostics);
    for (at, new) in found.versions.iter().enumerate().skip(1) {
        let history: Vec<&Definition> = found.versions[..at].iter().map(|version| &version.definition).collect();
        for check in &compat::check(mode, &new.definition, &history).checks {
            problems::add_check(check, &found.versions[check.against], new, diagnostics);
        }
    }
}

/// What a schema says without effect.
fn notes(version: &Loaded, diagnostics: &mut Diagnostics) {
    let Definition::Avro(schema) = &version.definition else { return };
    for note in schema.notes() {
        let span = version.span(&Spot::Path(note.path.clone()));
        diagnostics.warning(&codes::SCHEMA_DOUBTFUL, span, note.text.clone());
    }
}

fn tell(types: &[(OnDisk, Mode)], diagnostics: &Diagnostics, as_json: bool) -> Exit {
    let exit = if diagnostics.has_errors() { Exit::Invalid } else { Exit::Success };
    if as_json {
        let types: Vec<Value> = types.iter().map(|(found, mode)| type_json(found, *mode)).collect();
        let all = json!({ "types": types, "problems": problems::to_json(diagnostics) });
        return if print(&format!("{all:#}\n")) == Exit::Failed { Exit::Failed } else { exit };
    }
    problems::report(diagnostics, false);
    let versions: usize = types.iter().map(|(found, _)| found.versions.len()).sum();
    let counted = format!("{}, {} checked", plural(types.len(), "event type"), plural(versions, "version"));
    match diagnostics.count() {
        (0, 0) => print(&format!("{counted}: no errors\n")),
        (0, warnings) => print(&format!("{counted}, {}: no errors\n", plural(warnings, "warning"))),
        (errors, warnings) => {
            eprintln!("{counted}: {}, {}", plural(errors, "error"), plural(warnings, "warning"));
            exit
        }
    }
}

fn type_json(found: &OnDisk, mode: Mode) -> Value {
    let version = |version: &Loaded| json!({ "version": version.number, "file": shown(&version.path) });
    let versions: Vec<Value> = found.versions.iter().map(version).collect();
    json!({
        "name": found.name, "path": shown(&found.path), "language": found.language.format(),
        "mode": mode.name(), "versions": versions,
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn plural(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
