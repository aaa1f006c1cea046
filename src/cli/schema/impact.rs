//! `runner schema impact`: what becomes of topologies with a changed schema.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::diagnostic::Diagnostics;
use crate::plan::{self, Instead, NodeType};
use crate::schema::{Object, SchemaError, Shape};
use crate::spec;

use super::super::{Exit, SettingsArgs, check, load, print};

/// What `impact` takes.
#[derive(Debug, Args)]
pub(super) struct ImpactArgs {
    /// The changed schema: the next version in its folder, the file that topologies name, or a draft elsewhere of the same full name.
    #[arg(value_name = "NEW")]
    schema: PathBuf,
    /// Topologies, or folders of them.
    #[arg(value_name = "FILE|DIR", default_value = "topologies")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Plans every topology with the old and with the new schema, and tells what is different.
pub(super) fn impact(args: &ImpactArgs) -> Exit {
    let (new, old) = match Instead::read(&args.schema) {
        Ok(read) => read,
        Err(SchemaError::Broken(why) | SchemaError::Unsupported(why)) => {
            eprintln!("error: {} is {why}", args.schema.display());
            return Exit::Invalid;
        }
    };
    let files = match check::topologies(&args.paths) {
        Ok(files) => files,
        Err(exit) => return exit,
    };
    let (mut out, mut users, mut broken, mut unread) = (String::new(), 0, 0, 0);
    for file in &files {
        let (before, known) = planned(file, old.as_ref(), &args.settings);
        let (after, found) = planned(file, Some(&new), &args.settings);
        if !new.take_used() {
            // Nobody knows what one uses that cannot be read.
            if before.is_none() && known.has_errors() {
                unread += 1;
                let _ = writeln!(out, "{}\n\n{}\n", file.display(), load::rendered(&known).trim_end());
            }
            continue;
        }
        users += 1;
        let all = found.count().0;
        let found = found.beyond(&known);
        // Errors with both schemas: those of the old one alone are no longer any.
        let has_own = all > found.count().0;
        broken += usize::from(found.has_errors());
        let _ = writeln!(out, "{}", file.display());
        let changes = changes(before.as_deref().unwrap_or_default(), after.as_deref().unwrap_or_default());
        for change in &changes {
            let _ = writeln!(out, "  {change}");
        }
        if has_own {
            let _ = writeln!(out, "  it has problems of its own: see `runner check {}`", file.display());
        } else if known.has_errors() {
            let _ = writeln!(out, "  it has problems with the schema before, and none of them with this one");
        } else if changes.is_empty() && found.is_empty() {
            let _ = writeln!(out, "  nothing changes");
        }
        if !found.is_empty() {
            let _ = writeln!(out, "\n{}", load::rendered(&found).trim_end());
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{users} of {} topologies use this type; {broken} would break", files.len());
    if unread > 0 {
        let _ = writeln!(out, "of {unread} it is not known, as they cannot be read");
    }
    let printed = print(&out);
    if broken + unread > 0 { Exit::Invalid } else { printed }
}

fn planned(file: &Path, instead: Option<&Instead>, settings: &SettingsArgs) -> (Option<Vec<NodeType>>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let env = |name: &str| std::env::var(name).ok();
    let outside = spec::Settings { set: &settings.set, env: &env };
    let topology = spec::read_file(file, &plan::CATALOG, outside, &mut diagnostics);
    let types = topology.and_then(|topology| plan::types(&topology, instead, &mut diagnostics));
    (types, diagnostics)
}

/// What has another type, a line each.
fn changes(before: &[NodeType], after: &[NodeType]) -> Vec<String> {
    let mut lines = Vec::new();
    for now in after {
        let Some(was) = before.iter().find(|was| was.place == now.place) else { continue };
        let mut parts = Vec::new();
        differences("", &was.shape, &now.shape, &mut parts);
        if !parts.is_empty() {
            lines.push(format!("{}: {}", now.place, parts.join(", ")));
        }
    }
    lines
}

/// What is different between two shapes: `+ field: type`, `- field`, `field: type -> type`.
fn differences(path: &str, was: &Shape, now: &Shape, out: &mut Vec<String>) {
    match (&was.object, &now.object) {
        (Some(old), Some(new)) if was.kinds == now.kinds => fields(path, old, new, out),
        _ if was == now => {}
        _ if path.is_empty() => out.push(format!("{was} -> {now}")),
        _ => match (was.to_string(), now.to_string()) {
            (was, now) if was == now => out.push(format!("{path}: another {now}")),
            (was, now) => out.push(format!("{path}: {was} -> {now}")),
        },
    }
}

fn fields(path: &str, old: &Object, new: &Object, out: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let in_of = |object: &Object, name: &str| object.fields.iter().find(|field| *field.name == *name).cloned();
    for field in &old.fields {
        match in_of(new, &field.name) {
            Some(now) => differences(&below(&field.name), &field.shape, &now.shape, out),
            None => out.push(format!("- {}", below(&field.name))),
        }
    }
    for field in new.fields.iter().filter(|field| in_of(old, &field.name).is_none()) {
        out.push(format!("+ {}: {}", below(&field.name), field.shape));
    }
}
