//! A folder as a registry, for one machine or a repository: nothing runs, and everything is there to be read.
//!
//! ```text
//! FOLDER/registry.json        the index: which subject has which version, under which number, in which file
//!        subjects/payments-value/1.avsc
//!        subjects/payments-value/2.avsc
//! ```
//!
//! Only `register` writes there.

use std::path::{Path, PathBuf};

use rapidhash::v3::rapidhash_v3;
use serde_json::Value;

use crate::limits::SCHEMA_BYTES_MAX;

use super::index::{Index, Lock, Row};
use super::{Entry, ErrorKind, Language, Registered, RegistryError, Shelf, Verdict, Wanted, disk, references};
use crate::schema::compat::{self, Mode, Severity};
use crate::schema::protobuf::ANY_MESSAGE;
use crate::schema::{Definition, SchemaError};

/// What the next version of a subject must be to those before, where the index says nothing.
const DEFAULT_LEVEL: &str = "BACKWARD";

/// A registry in a folder.
pub(super) struct Folder {
    folder: PathBuf,
}

impl Folder {
    pub fn new(folder: &Path) -> Folder {
        Folder { folder: folder.to_path_buf() }
    }

    fn unknown(&self, what: &str, way_out: &str) -> RegistryError {
        RegistryError::unknown(format!("the schema registry {} has no {what}; {way_out}", self.folder.display()))
    }

    /// The schema of a row.
    fn schema(&self, row: &Row) -> Result<Registered, RegistryError> {
        let path = row.path(&self.folder);
        let broken = |why: &str| RegistryError::broken(format!("{} cannot be used: {why}", path.display()));
        let bytes = disk::read(&path, SCHEMA_BYTES_MAX).map_err(|error| broken(&error.to_string()))?;
        let bytes = bytes.ok_or_else(|| broken("it is not there, though the index names it; put it back"))?;
        if check_of(&bytes) != row.check {
            return Err(broken(
                "it is not what was registered, and a version never changes; put it back, and register the change as a new one",
            ));
        }
        let text = String::from_utf8(bytes).map_err(|_| broken("it is not UTF-8"))?;
        Ok(Registered { language: row.language, text: text.into(), links: row.links.clone() })
    }

    fn entry_of(&self, row: &Row) -> Result<Entry, RegistryError> {
        let schema = self.schema(row)?;
        Ok(Entry { subject: row.subject.clone(), version: row.version, id: row.id, schema })
    }

    /// The row with this very schema, of the subject if it has one, else of any.
    fn find<'a>(&self, index: &'a Index, subject: &str, schema: &Registered) -> Result<Option<&'a Row>, RegistryError> {
        let mut elsewhere = None;
        for row in &index.rows {
            if (row.subject == subject || elsewhere.is_none()) && is_same(&self.schema(row)?, schema) {
                if row.subject == subject {
                    return Ok(Some(row));
                }
                elsewhere = Some(row);
            }
        }
        Ok(elsewhere)
    }

    fn verdict(&self, index: &Index, subject: &str, schema: &Registered) -> Result<Verdict, RegistryError> {
        let level = index.compatibility.as_deref().unwrap_or(DEFAULT_LEVEL);
        let mode = Mode::of(level).ok_or_else(|| {
            let known: Vec<&str> = Mode::ALL.iter().map(|mode| mode.name()).collect();
            RegistryError::broken(format!(
                "the `compatibility` of {} is `{level}`; known are {}",
                self.folder.display(),
                known.join(", ")
            ))
        })?;
        let mut rows: Vec<&Row> = index.of_subject(subject).collect();
        rows.sort_by_key(|row| row.version);
        let wanted = if mode.is_transitive() { rows.len() } else { 1 };
        let rows = &rows[rows.len().saturating_sub(wanted)..];
        let candidate = self.definition(index, schema)?;
        let history: Result<Vec<Definition>, RegistryError> =
            rows.iter().map(|row| self.definition(index, &self.schema(row)?)).collect();
        let history = history?;
        let history: Vec<&Definition> = history.iter().collect();
        let report = compat::check(mode, &candidate, &history);
        let mut reasons = Vec::new();
        for check in &report.checks {
            let version = rows.get(check.against).map_or(0, |row| row.version);
            let breaks = check.findings.iter().filter(|finding| finding.severity == Severity::Breaks);
            reasons.extend(breaks.map(|finding| format!("against version {version} ({}): {finding}", check.direction)));
        }
        Ok(Verdict { is_compatible: report.is_compatible(), reasons })
    }

    /// A schema with what it refers to in the folder, read.
    fn definition(&self, index: &Index, schema: &Registered) -> Result<Definition, RegistryError> {
        let resolved = references::resolve(schema, &|link| {
            let row = index.of_subject(&link.subject).find(|row| row.version == link.version);
            let unknown =
                || self.unknown(&format!("version {} of `{}`", link.version, link.subject), "register it first");
            self.schema(row.ok_or_else(unknown)?)
        })?;
        Definition::parse(resolved.language, &resolved.text, Some(ANY_MESSAGE), &resolved.references).map_err(|why| {
            let (SchemaError::Broken(why) | SchemaError::Unsupported(why)) = why;
            RegistryError::new(ErrorKind::Refused, format!("the schema is {why}"))
        })
    }
}

fn check_of(bytes: &[u8]) -> String {
    format!("{:016x}", rapidhash_v3(bytes))
}

/// Whether two schemas say the same but for spaces and the order of keys.
fn is_same(a: &Registered, b: &Registered) -> bool {
    if a.language != b.language || a.links != b.links {
        return false;
    }
    let document = |text: &str| serde_json::from_str::<Value>(text).ok();
    a.text == b.text
        || (a.language != Language::Protobuf && document(&a.text).is_some_and(|a| Some(a) == document(&b.text)))
}

impl Shelf for Folder {
    fn by_id(&self, id: u32) -> Result<Registered, RegistryError> {
        let index = Index::read(&self.folder)?;
        let row = index.rows.iter().find(|row| row.id == id);
        let unknown =
            || self.unknown(&format!("schema {id}"), "the event is from elsewhere, or its schema was removed");
        self.schema(row.ok_or_else(unknown)?)
    }

    fn entry(&self, subject: &str, wanted: Wanted) -> Result<Entry, RegistryError> {
        let index = Index::read(&self.folder)?;
        let mut rows: Vec<&Row> = index.of_subject(subject).collect();
        rows.sort_by_key(|row| row.version);
        let Some(newest) = rows.last() else {
            let way_out = format!("register it (`runner schema register FILE --subject {subject}`), or check its name");
            return Err(self.unknown(&format!("subject `{subject}`"), &way_out));
        };
        let Wanted::Number(number) = wanted else { return self.entry_of(newest) };
        match rows.iter().find(|row| row.version == number) {
            Some(row) => self.entry_of(row),
            None => {
                Err(self
                    .unknown(&format!("version {number} of `{subject}`"), &format!("its newest is {}", newest.version)))
            }
        }
    }

    fn versions(&self, subject: &str) -> Result<Vec<u32>, RegistryError> {
        let index = Index::read(&self.folder)?;
        let mut numbers: Vec<u32> = index.of_subject(subject).map(|row| row.version).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn lookup(&self, subject: &str, schema: &Registered) -> Result<Option<Entry>, RegistryError> {
        let index = Index::read(&self.folder)?;
        let found = self.find(&index, subject, schema)?.filter(|row| row.subject == subject);
        found.map(|row| self.entry_of(row)).transpose()
    }

    fn register(&self, subject: &str, schema: &Registered) -> Result<u32, RegistryError> {
        let _lock = Lock::take(&self.folder)?;
        let mut index = Index::read(&self.folder)?;
        let same = self.find(&index, subject, schema)?;
        if let Some(row) = same.filter(|row| row.subject == subject) {
            return Ok(row.id);
        }
        // One number for one schema, whatever subjects have it.
        let newest = index.rows.iter().map(|row| row.id).max().unwrap_or_default();
        let id = same.map_or(newest + 1, |row| row.id);
        let verdict = self.verdict(&index, subject, schema)?;
        if !verdict.is_compatible {
            return Err(RegistryError::new(
                ErrorKind::Refused,
                format!(
                    "the schema registry {} refuses the schema as the next version of `{subject}`: {}; mend the schema, or give a new type a subject of its own",
                    self.folder.display(),
                    verdict.reasons.join("; ")
                ),
            ));
        }
        let version = index.of_subject(subject).map(|row| row.version).max().unwrap_or_default() + 1;
        let file = format!("subjects/{}/{version}.{}", disk::file_name(subject), schema.language.ending());
        let row = Row {
            id,
            subject: subject.to_owned(),
            version,
            language: schema.language,
            file,
            check: check_of(schema.text.as_bytes()),
            links: schema.links.clone(),
        };
        // The text first: an index without it would be of no use.
        let path = row.path(&self.folder);
        disk::write(&path, schema.text.as_bytes())
            .map_err(|error| RegistryError::broken(format!("{} cannot be written: {error}", path.display())))?;
        index.rows.push(row);
        index.write(&self.folder)?;
        Ok(id)
    }

    fn check(&self, subject: &str, schema: &Registered) -> Result<Verdict, RegistryError> {
        self.verdict(&Index::read(&self.folder)?, subject, schema)
    }

    fn level(&self, _subject: &str) -> Result<String, RegistryError> {
        Ok(Index::read(&self.folder)?.compatibility.unwrap_or_else(|| DEFAULT_LEVEL.to_owned()))
    }
}
