//! `runner schema pull`: a version of a subject, to look at or to keep.

use std::path::{Component, Path, PathBuf};

use clap::Args;

use crate::schema::registry::{Entry, Registry, RegistryError, Wanted};

use super::super::{Exit, print};
use super::place::{self, PlaceArgs};

/// What `pull` takes.
#[derive(Debug, Args)]
pub(super) struct PullArgs {
    /// The subject, and the version if it is not to be the newest.
    #[arg(value_name = "SUBJECT[@VERSION]")]
    subject: String,
    #[command(flatten)]
    place: PlaceArgs,
    /// Write the schema to this folder, as a file named by its version, and beside it what it refers to [default: print it].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write all versions.
    #[arg(long, requires = "out")]
    all: bool,
}

/// Fetches, and prints or writes.
pub(super) fn pull(args: &PullArgs) -> Exit {
    let registry = match args.place.open() {
        Ok(registry) => registry,
        Err(exit) => return exit,
    };
    let pulled = entries(&registry, args);
    place::tell_notes(&registry);
    let entries = match pulled {
        Ok(entries) => entries,
        Err(error) => return place::failed(&error),
    };
    let Some(out) = &args.out else {
        return entries.last().map_or(Exit::Success, |entry| print(&with_line_end(&entry.schema.text)));
    };
    for entry in entries {
        if let Err(exit) = write(&registry, &entry, out) {
            return exit;
        }
    }
    Exit::Success
}

fn entries(registry: &Registry, args: &PullArgs) -> Result<Vec<Entry>, RegistryError> {
    let (subject, version) = match args.subject.rsplit_once('@') {
        // An `@` may be part of a subject's name.
        Some((subject, version)) if version.parse::<u32>().is_ok() => (subject, version.parse().ok()),
        _ => (args.subject.as_str(), None),
    };
    if args.all {
        let numbers = registry.versions(subject)?;
        return numbers.into_iter().map(|number| registry.entry(subject, Wanted::Number(number))).collect();
    }
    registry.entry(subject, version.map_or(Wanted::Latest, Wanted::Number)).map(|entry| vec![entry])
}

/// Writes a version, and what it refers to by the names that it uses.
fn write(registry: &Registry, entry: &Entry, out: &Path) -> Result<(), Exit> {
    let ending = entry.schema.language.ending();
    let resolved = registry.resolve(&entry.schema).map_err(|error| place::failed(&error))?;
    for reference in &resolved.references {
        let dotted = format!(".{ending}");
        let name = if reference.name.ends_with(&dotted) {
            reference.name.clone()
        } else {
            format!("{}{dotted}", reference.name)
        };
        // A name comes from whoever registered it.
        if !Path::new(&name).components().all(|part| matches!(part, Component::Normal(_))) {
            eprintln!(
                "error: `{}`, which the schema refers to, is no name of a file; print the schema without `--out`",
                name.escape_debug()
            );
            return Err(Exit::Failed);
        }
        write_file(&out.join(name), &reference.text)?;
    }
    let path = out.join(format!("{}.{ending}", entry.version));
    write_file(&path, &entry.schema.text)?;
    println!("{}: version {} of {}, schema {}", path.display(), entry.version, entry.subject, entry.id);
    Ok(())
}

fn write_file(path: &Path, text: &str) -> Result<(), Exit> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, with_line_end(text)));
    written.map_err(|error| {
        eprintln!("error: {} cannot be written: {error}", path.display());
        Exit::Failed
    })
}

fn with_line_end(text: &str) -> String {
    format!("{}\n", text.trim_end_matches('\n'))
}
