//! Event types on disk: which there are below a path, and what is in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostics, FileId, Span, codes};
use crate::schema::avro::AvroSchema;
use crate::schema::place::{self, Spot};
use crate::schema::{Catalog, Definition, Language, SchemaError};
use crate::spec::{PRINCIPLES_FILE, SchemaRules, read_principles};

use super::super::check::DEPTH_MAX;

/// An event type with all its versions, oldest first, of which at least one could be read.
pub(super) struct OnDisk {
    /// The name that its newest version gives itself, else that of its file or folder.
    pub name: String,
    pub path: PathBuf,
    pub language: Language,
    pub versions: Vec<Loaded>,
}

/// A version that could be read.
pub(super) struct Loaded {
    pub number: Option<u32>,
    pub path: PathBuf,
    pub file: FileId,
    pub definition: Definition,
}

impl OnDisk {
    pub fn newest(&self) -> &Loaded {
        &self.versions[self.versions.len() - 1]
    }
}

impl Loaded {
    /// How messages call it: its number, else its file.
    pub fn called(&self) -> String {
        self.number.map_or_else(|| self.path.display().to_string(), |number| format!("version {number}"))
    }

    /// The place of a part of it; where that cannot be found, its file.
    pub fn span(&self, spot: &Spot) -> Span {
        span(self.definition.language(), self.definition.text(), self.file, spot)
    }
}

fn span(language: Language, text: &str, file: FileId, spot: &Spot) -> Span {
    place::find(language, text, spot).map_or(Span::of_file(file), |range| Span::new(file, range.start, range.end))
}

/// The files of event types and the folders of versions at or below a path, in order.
pub(super) fn types_at(path: &Path, ignored: &dyn Fn(&Path) -> bool) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    match path.is_dir() {
        true => below(path, 0, ignored, &mut found)?,
        false => found.push(path.to_path_buf()),
    }
    Ok(found)
}

fn below(
    folder: &Path,
    depth: usize,
    ignored: &dyn Fn(&Path) -> bool,
    found: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let paths: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).filter(|path| !ignored(path)).collect();
    if paths.iter().any(|path| is_version(path)) {
        found.push(folder.to_path_buf());
    }
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden && depth < DEPTH_MAX {
            below(&path, depth + 1, ignored, found)?;
        } else if path.is_file() && Language::of(&path).is_some() && !is_version(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// `1.avsc`: one version of the type that its folder is.
fn is_version(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    Language::of(path).is_some() && stem.is_some_and(|stem| stem.parse::<u32>().is_ok())
}

/// Reads a type: a file, or a folder of versions. What cannot be read is reported; `None`: nothing could.
pub(super) fn load(path: &Path, message: Option<&str>, diagnostics: &mut Diagnostics) -> Option<OnDisk> {
    let catalog = match Catalog::read(path) {
        Ok(catalog) => catalog,
        Err(why) => {
            let (code, why) = broken(why);
            diagnostics.error(code, Span::NONE, format!("{} is {why}", path.display()));
            return None;
        }
    };
    let mut versions = Vec::new();
    for version in &catalog.versions {
        let file = diagnostics.add_file(version.path.display().to_string(), version.text.clone());
        match catalog.parse(version, message) {
            Ok(parsed) => versions.push(Loaded {
                number: version.number,
                path: version.path.clone(),
                file,
                definition: parsed.definition,
            }),
            Err(why) => {
                let (code, why) = broken(why);
                let spot = spot_of(catalog.language, &version.text, &why);
                let span = spot.map_or(Span::of_file(file), |spot| span(catalog.language, &version.text, file, &spot));
                diagnostics.error(code, span, format!("{} is {why}", version.path.display()));
            }
        }
    }
    let newest = versions.last()?;
    let stem = if path.is_dir() { path.file_name() } else { path.file_stem() };
    let stem = stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = newest.definition.full_name().map_or(stem, str::to_owned);
    Some(OnDisk { name, path: path.to_path_buf(), language: catalog.language, versions })
}

/// Reads one version: `FILE`, `DIR` (its newest) or `DIR@2`.
pub(super) fn load_one(written: &str, message: Option<&str>, diagnostics: &mut Diagnostics) -> Option<Loaded> {
    let path = Path::new(written);
    let number = written.rsplit_once('@').filter(|_| !path.exists());
    let numbered = number.and_then(|(folder, number)| Some((folder, number.parse::<u32>().ok()?)));
    let Some((folder, number)) = numbered else {
        return load(path, message, diagnostics).and_then(|mut found| found.versions.pop());
    };
    let found = load(Path::new(folder), message, diagnostics)?;
    let there: Vec<String> = found.versions.iter().filter_map(|there| Some(there.number?.to_string())).collect();
    let version = found.versions.into_iter().find(|version| version.number == Some(number));
    if version.is_none() && !diagnostics.has_errors() {
        let there = match there.as_slice() {
            [] => "it is one file, not a folder of versions".to_owned(),
            there => format!("it has {}", there.join(", ")),
        };
        let message = format!("{folder} has no version {number}: {there}");
        diagnostics.error(&codes::UNKNOWN_SCHEMA, Span::NONE, message);
    }
    version
}

fn broken(why: SchemaError) -> (&'static Code, String) {
    match why {
        SchemaError::Broken(why) => (&codes::SCHEMA_BROKEN, why),
        SchemaError::Unsupported(why) => (&codes::SCHEMA_UNSUPPORTED, why),
    }
}

/// Where a text is no schema.
fn spot_of(language: Language, text: &str, why: &str) -> Option<Spot> {
    let offset = |line: usize, column: usize| {
        let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        Spot::Offset((start + column.saturating_sub(1)).min(text.len()))
    };
    if language == Language::Protobuf {
        // `2.proto:7:3: ...`
        let (_, behind) = why.split_once(".proto:")?;
        let mut numbers = behind.split(':').map_while(|part| part.trim().parse::<usize>().ok());
        return Some(offset(numbers.next()?, numbers.next()?));
    }
    if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
        return Some(offset(error.line(), error.column()));
    }
    let error = AvroSchema::parse(text, &[]).err().filter(|_| language == Language::Avro)?;
    Some(Spot::Path(error.path))
}

/// The nearest `principles.yaml` of each type that is looked at, each read once.
#[derive(Default)]
pub(super) struct Rules(BTreeMap<PathBuf, SchemaRules>);

impl Rules {
    /// What holds for a type, or for what is below a folder.
    pub fn of(&mut self, path: &Path, diagnostics: &mut Diagnostics) -> SchemaRules {
        // A relative path ends before the folders above where the command was typed; those count too.
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let start = if absolute.is_dir() { Some(absolute.as_path()) } else { absolute.parent() };
        let file = start
            .and_then(|start| start.ancestors().map(|folder| folder.join(PRINCIPLES_FILE)).find(|file| file.is_file()));
        let Some(file) = file else { return SchemaRules::default() };
        let here = std::env::current_dir().ok();
        let shown = here.and_then(|here| file.strip_prefix(here).map(Path::to_path_buf).ok()).unwrap_or(file);
        if let Some(known) = self.0.get(&shown) {
            return known.clone();
        }
        let rules = read_principles(&shown, diagnostics);
        self.0.entry(shown).or_insert(rules).clone()
    }
}

/// Whether one of the patterns means the path, however the command names it.
pub(super) fn is_ignored(path: &Path, rules: &SchemaRules) -> bool {
    let Ok(path) = std::path::absolute(path) else { return false };
    let here = std::env::current_dir().unwrap_or_default();
    let here = glob::Pattern::escape(&here.display().to_string());
    rules.ignore.iter().any(|pattern| {
        let pattern = match Path::new(pattern).is_absolute() {
            true => pattern.clone(),
            false => format!("{here}/{}", pattern.trim_start_matches("./")),
        };
        glob::Pattern::new(&pattern).is_ok_and(|pattern| pattern.matches_path(&path))
    })
}
