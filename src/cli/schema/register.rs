//! `runner schema register`: schemas become versions of subjects.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::schema::compat::{self, Mode};
use crate::schema::registry::{ErrorKind, Link, Registered, Registry, RegistryError, Wanted};
use crate::schema::{Catalog, Definition, SchemaError, Version};

use super::super::Exit;
use super::place::{self, PlaceArgs};

/// What `register` takes.
#[derive(Debug, Args)]
pub(super) struct RegisterArgs {
    /// A schema, or the folder with a file for each version, which become versions in this order.
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
    /// The subject [default: the full name that the schema gives itself].
    #[arg(long)]
    subject: Option<String>,
    /// A schema in the registry that this one refers to, by the name that it uses for it [default: Protobuf files that it imports become
    /// subjects of their names].
    #[arg(long = "reference", value_name = "NAME=SUBJECT@VERSION", value_parser = link)]
    references: Vec<Link>,
    /// The message of Protobuf files that have several.
    #[arg(long)]
    message: Option<String>,
    /// Only ask whether the registry would take it.
    #[arg(long)]
    check: bool,
}

fn link(text: &str) -> Result<Link, String> {
    let parts = text.split_once('=').and_then(|(name, target)| {
        let (subject, version) = target.rsplit_once('@')?;
        let version = version.parse().ok().filter(|version| *version > 0)?;
        (!name.is_empty() && !subject.is_empty()).then(|| Link { name: name.into(), subject: subject.into(), version })
    });
    parts.ok_or_else(|| "write NAME=SUBJECT@VERSION, for example `money.proto=money@1`".into())
}

/// Registers the file, or each of the folder.
pub(super) fn register(args: &RegisterArgs) -> Exit {
    let registry = match args.place.open() {
        Ok(registry) => registry,
        Err(exit) => return exit,
    };
    let catalog = match Catalog::read(&args.path) {
        Ok(catalog) => catalog,
        Err(why) => return invalid(&args.path, &why),
    };
    for version in &catalog.versions {
        let read = match read(&registry, &catalog, version, args) {
            Ok(read) => read,
            Err(error) => return place::failed(&error),
        };
        let (schema, definition) = match read {
            Ok(read) => read,
            Err(why) => return invalid(&version.path, &why),
        };
        let Some(subject) = args.subject.as_deref().or(definition.full_name()) else {
            eprintln!(
                "error: {} gives itself no name\n  = help: name its subject with `--subject`",
                version.path.display()
            );
            return Exit::Usage;
        };
        let done = if args.check {
            asked(&registry, subject, &version.path, &schema)
        } else {
            registered(&registry, subject, &version.path, &schema)
        };
        match done {
            Ok(None) => {}
            Ok(Some(said)) => {
                explain(&registry, subject, args.message.as_deref(), &definition, &said);
                return Exit::Invalid;
            }
            Err(error) => return place::failed(&error),
        }
    }
    Exit::Success
}

/// A version of a catalog as it is registered, and what it says. Files that it imports are registered as well, unless `--reference` says
/// what they are.
fn read(
    registry: &Registry,
    catalog: &Catalog,
    version: &Version,
    args: &RegisterArgs,
) -> Result<Result<(Registered, Definition), SchemaError>, RegistryError> {
    if args.references.is_empty() {
        let definition = match catalog.parse(version, args.message.as_deref()) {
            Ok(event_type) => event_type.definition,
            Err(why) => return Ok(Err(why)),
        };
        return Ok(Ok((registry.with_imports(&definition, !args.check)?, definition)));
    }
    let links = args.references.clone();
    let schema = Registered { language: catalog.language, text: version.text.clone(), links };
    Ok(parsed(registry, &schema, args.message.as_deref())?.map(|definition| (schema, definition)))
}

/// Reads a schema with what it refers to in the registry.
fn parsed(
    registry: &Registry,
    schema: &Registered,
    message: Option<&str>,
) -> Result<Result<Definition, SchemaError>, RegistryError> {
    let resolved = registry.resolve(schema)?;
    Ok(Definition::parse(resolved.language, &resolved.text, message, &resolved.references))
}

/// Registers one schema. `Some`: it is refused, which was told in these words.
fn registered(
    registry: &Registry,
    subject: &str,
    path: &Path,
    schema: &Registered,
) -> Result<Option<String>, RegistryError> {
    match registry.register(subject, schema) {
        Ok(id) => {
            let version = registry.lookup(subject, schema)?.map(|entry| format!("version {}, ", entry.version));
            println!("{}: {subject}, {}schema {id}", path.display(), version.unwrap_or_default());
            Ok(None)
        }
        Err(error) if error.kind == ErrorKind::Refused => {
            eprintln!("error: {}: {error}", path.display());
            Ok(Some(error.message))
        }
        Err(error) => Err(error),
    }
}

/// Asks whether one would be taken. `Some`: it would not, which was told in these words.
fn asked(
    registry: &Registry,
    subject: &str,
    path: &Path,
    schema: &Registered,
) -> Result<Option<String>, RegistryError> {
    let verdict = registry.check(subject, schema)?;
    let level = registry.level(subject)?;
    if verdict.is_compatible {
        println!("{}: {subject} would take it ({level})", path.display());
        return Ok(None);
    }
    eprintln!("error: {}: {subject} would not take it ({level})", path.display());
    verdict.reasons.iter().for_each(|reason| eprintln!("  = the registry: {reason}"));
    Ok(Some(verdict.reasons.join("\n")))
}

/// Says in our words what stands between a schema that was refused and the versions before it: registries differ in how much
/// they say. `said`: their words.
fn explain(registry: &Registry, subject: &str, message: Option<&str>, definition: &Definition, said: &str) {
    let Ok(Some(mode)) = registry.level(subject).map(|level| Mode::of(&level)) else { return };
    let Ok(numbers) = registry.versions(subject) else { return };
    let wanted = if mode.is_transitive() { numbers.len() } else { 1 };
    let mut versions = Vec::new();
    for number in numbers.into_iter().rev().take(wanted) {
        let entry = registry.entry(subject, Wanted::Number(number));
        let Ok(Ok(Ok(version))) = entry.map(|entry| parsed(registry, &entry.schema, message)) else { return };
        versions.push((number, version));
    }
    versions.reverse();
    let history: Vec<&Definition> = versions.iter().map(|(_, version)| version).collect();
    for check in compat::check(mode, definition, &history).checks {
        let against = versions.get(check.against).map_or(0, |(number, _)| *number);
        for finding in check.findings.into_iter().filter(|finding| !said.contains(&finding.text)) {
            eprintln!("  = against version {against} ({}): {finding}", check.direction);
            if let Some(help) = finding.help {
                eprintln!("    help: {help}");
            }
        }
    }
}

fn invalid(path: &Path, why: &SchemaError) -> Exit {
    let (SchemaError::Broken(why) | SchemaError::Unsupported(why)) = why;
    eprintln!("error: {} is {why}", path.display());
    Exit::Invalid
}
