//! What a server has answered, kept on disk: a registry that is away stops nobody who has asked before.
//!
//! ```text
//! FOLDER/<hash of the URL>/url                           the URL, for people
//!                          ids/17.json                   a schema, which never changes
//!                          subjects/<subject>/2.json     a version, which never changes
//!                          subjects/<subject>/latest.json   what was the newest when it was asked for
//!                          known/<hash>.json             where a subject has a schema that was looked up
//! ```
//!
//! Each file holds a check of its content. One that fails it is as if it were not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rapidhash::v3::rapidhash_v3;
use serde_json::{Map, Value, json};

use crate::limits::{NOTES_MAX, REGISTRY_ANSWER_BYTES_MAX, REGISTRY_CACHE_FILES_MAX};

use super::disk;
use super::json;
use super::{Entry, Registered, RegistryError, Shelf, Verdict, Wanted};

/// A registry whose answers are kept.
pub(super) struct Cached<S> {
    shelf: S,
    folder: PathBuf,
    shown: String,
    notes: Mutex<Vec<String>>,
}

impl<S: Shelf> Cached<S> {
    /// `url`: what the answers are told apart by; `shown`: the same without a login.
    pub fn new(shelf: S, folder: &Path, url: &str, shown: String) -> Cached<S> {
        let folder = folder.join(format!("{:016x}", rapidhash_v3(url.trim_end_matches('/').as_bytes())));
        Cached { shelf, folder, shown, notes: Mutex::default() }
    }

    fn id_path(&self, id: u32) -> PathBuf {
        self.folder.join(format!("ids/{id}.json"))
    }

    fn entry_path(&self, subject: &str, wanted: Wanted) -> PathBuf {
        let version = match wanted {
            Wanted::Latest => "latest".to_owned(),
            Wanted::Number(number) => number.to_string(),
        };
        self.folder.join("subjects").join(disk::file_name(subject)).join(format!("{version}.json"))
    }

    fn note(&self, note: String) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < NOTES_MAX && !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// What a file holds, if its check holds.
    fn kept(&self, path: &Path) -> Option<Value> {
        let bytes = disk::read(path, REGISTRY_ANSWER_BYTES_MAX).ok()??;
        let kept: Value = serde_json::from_slice(&bytes).ok()?;
        let (check, content) = (kept.get("check")?.as_str()?, kept.get("content")?);
        (check == check_of(content)).then(|| content.clone())
    }

    /// Keeps an answer. What cannot be kept is only missed when the registry is away: that is told, and no more.
    fn keep(&self, path: &Path, content: Map<String, Value>) {
        if !path.exists() && count(path.parent().unwrap_or(Path::new("."))) >= REGISTRY_CACHE_FILES_MAX {
            return self.note(format!(
                "{} has more than {REGISTRY_CACHE_FILES_MAX} schemas, so that no more are kept there; remove those that nobody reads",
                self.folder.display()
            ));
        }
        let url = self.folder.join("url");
        let named = if url.exists() { Ok(()) } else { disk::write(&url, format!("{}\n", self.shown).as_bytes()) };
        let content = Value::Object(content);
        let text = json!({ "check": check_of(&content), "content": content }).to_string();
        if let Err(error) = named.and_then(|()| disk::write(path, text.as_bytes())) {
            self.note(format!(
                "{} cannot be written ({error}), so that its schema is missed when the registry is away; `registry: {{ cache: DIR }}` names another folder",
                path.display()
            ));
        }
    }

    /// Keeps an entry, and by its number the schema. A number that stood for another schema before belongs to a registry that is gone.
    fn keep_entry(&self, path: &Path, entry: &Entry) {
        let id_path = self.id_path(entry.id);
        let before = self.kept(&id_path).and_then(|kept| json::schema(&kept).ok());
        if before.as_ref().is_some_and(|before| before.text != entry.schema.text) {
            self.note(format!(
                "the schema registry {} gives the number {} to another schema than it did: it was made anew, and what {} had of it is removed",
                self.shown,
                entry.id,
                self.folder.display()
            ));
            let _ = fs::remove_dir_all(&self.folder);
        }
        if !id_path.exists() {
            self.keep(&id_path, json::of_schema(&entry.schema));
        }
        self.keep(path, json::of_entry(entry));
    }

    /// The answer that is kept, in place of the one that did not come.
    fn instead(&self, path: &Path, error: RegistryError) -> Result<Entry, RegistryError> {
        let kept = self.kept(path).and_then(|kept| json::entry(&kept).ok());
        let Some(entry) = kept.filter(|_| error.is_away()) else { return Err(error) };
        self.note(format!(
            "{}; version {} of `{}` is used, which was the newest {}",
            error.message,
            entry.version,
            entry.subject,
            time_of(path)
        ));
        Ok(entry)
    }
}

fn check_of(content: &Value) -> String {
    format!("{:016x}", rapidhash_v3(content.to_string().as_bytes()))
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, |entries| entries.take(REGISTRY_CACHE_FILES_MAX).count())
}

/// When a file was written.
fn time_of(path: &Path) -> String {
    let written = fs::metadata(path).and_then(|found| found.modified()).ok();
    let written = written.and_then(|time| jiff::Timestamp::try_from(time).ok());
    let written = written.and_then(|time| jiff::Timestamp::from_second(time.as_second()).ok());
    written.map_or_else(|| "when it was last asked".to_owned(), |time| format!("at {time}"))
}

impl<S: Shelf> Shelf for Cached<S> {
    fn by_id(&self, id: u32) -> Result<Registered, RegistryError> {
        let path = self.id_path(id);
        if let Some(schema) = self.kept(&path).and_then(|kept| json::schema(&kept).ok()) {
            return Ok(schema);
        }
        let schema = self.shelf.by_id(id)?;
        self.keep(&path, json::of_schema(&schema));
        Ok(schema)
    }

    fn entry(&self, subject: &str, wanted: Wanted) -> Result<Entry, RegistryError> {
        let path = self.entry_path(subject, wanted);
        if let Wanted::Number(_) = wanted
            && let Some(entry) = self.kept(&path).and_then(|kept| json::entry(&kept).ok())
        {
            return Ok(entry);
        }
        match self.shelf.entry(subject, wanted) {
            Ok(entry) => {
                self.keep_entry(&path, &entry);
                Ok(entry)
            }
            Err(error) => self.instead(&path, error),
        }
    }

    fn versions(&self, subject: &str) -> Result<Vec<u32>, RegistryError> {
        self.shelf.versions(subject)
    }

    fn lookup(&self, subject: &str, schema: &Registered) -> Result<Option<Entry>, RegistryError> {
        let path = self.folder.join(format!("known/{:016x}.json", known_as(subject, schema)));
        match self.shelf.lookup(subject, schema) {
            Ok(Some(entry)) => {
                self.keep_entry(&path, &entry);
                Ok(Some(entry))
            }
            Ok(None) => Ok(None),
            // The number of a schema never changes, so there is nothing to warn of.
            Err(error) if error.is_away() => {
                self.kept(&path).and_then(|kept| json::entry(&kept).ok()).map(Some).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    fn register(&self, subject: &str, schema: &Registered) -> Result<u32, RegistryError> {
        match self.shelf.register(subject, schema) {
            Ok(id) => {
                // It is asked for it once more, so that its answer is kept; without that nothing is lost but the way around a registry
                // that is away.
                let _ = self.lookup(subject, schema);
                Ok(id)
            }
            // What it has taken once it would take again.
            Err(error) if error.is_away() => self.lookup(subject, schema)?.map(|entry| entry.id).ok_or(error),
            Err(error) => Err(error),
        }
    }

    fn check(&self, subject: &str, schema: &Registered) -> Result<Verdict, RegistryError> {
        self.shelf.check(subject, schema)
    }

    fn level(&self, subject: &str) -> Result<String, RegistryError> {
        self.shelf.level(subject)
    }

    fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn known_as(subject: &str, schema: &Registered) -> u64 {
    let text = json!([subject, json::of_schema(schema)]).to_string();
    rapidhash_v3(text.as_bytes())
}
