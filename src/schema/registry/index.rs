//! The index of a registry that is a folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::limits::{REGISTRY_FOLDER_SCHEMAS_MAX, REGISTRY_INDEX_BYTES_MAX};

use super::json;
use super::{Language, Link, RegistryError, disk};

/// The file, in the registry's folder.
const NAME: &str = "registry.json";

/// What the folder has, in the order in which it was registered.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// What the next version of a subject must be to those before; `None`: the default.
    pub compatibility: Option<String>,
    pub rows: Vec<Row>,
}

/// A version of a subject, and where its text is.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub id: u32,
    pub subject: String,
    pub version: u32,
    pub language: Language,
    /// Below the folder, with `/` between its parts.
    pub file: String,
    /// Of the file's bytes: a version never changes.
    pub check: String,
    pub links: Vec<Link>,
}

/// Whoever registers has the folder for itself, as long as this lives.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub fn take(folder: &Path) -> Result<Lock, RegistryError> {
        let path = folder.join(".lock");
        let broken =
            |error: std::io::Error| RegistryError::broken(format!("{} cannot be locked: {error}", path.display()));
        fs::create_dir_all(folder).map_err(broken)?;
        let file = File::options().create(true).append(true).open(&path).map_err(broken)?;
        // Others hold it only while they write two small files.
        file.lock().map_err(broken)?;
        Ok(Lock { _file: file })
    }
}

impl Index {
    /// Reads the index; a folder that is not there, or has none, is an empty registry.
    pub fn read(folder: &Path) -> Result<Index, RegistryError> {
        let path = folder.join(NAME);
        let broken = |why: String| {
            RegistryError::broken(format!(
                "{} cannot be used: {why}; only `runner schema register` writes it: put it back, or register into a new folder",
                path.display()
            ))
        };
        let bytes = disk::read(&path, REGISTRY_INDEX_BYTES_MAX).map_err(|error| broken(error.to_string()))?;
        let Some(bytes) = bytes else { return Ok(Index::default()) };
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        let compatibility = value.get("compatibility").and_then(Value::as_str).map(str::to_owned);
        let items =
            value.get("schemas").and_then(Value::as_array).ok_or_else(|| broken("it has no list `schemas`".into()))?;
        let rows: Result<Vec<Row>, String> = items.iter().map(row).collect();
        Ok(Index { compatibility, rows: rows.map_err(broken)? })
    }

    /// Writes the index whole.
    pub fn write(&self, folder: &Path) -> Result<(), RegistryError> {
        if self.rows.len() > REGISTRY_FOLDER_SCHEMAS_MAX {
            return Err(RegistryError::broken(format!(
                "{} has {REGISTRY_FOLDER_SCHEMAS_MAX} schemas, which is the limit of a folder; run a server",
                folder.display()
            )));
        }
        let mut fields = Map::new();
        if let Some(compatibility) = &self.compatibility {
            fields.insert("compatibility".into(), Value::from(compatibility.as_str()));
        }
        fields.insert("schemas".into(), Value::Array(self.rows.iter().map(of_row).collect()));
        let path = folder.join(NAME);
        let text = serde_json::to_string_pretty(&Value::Object(fields)).unwrap_or_default() + "\n";
        disk::write(&path, text.as_bytes())
            .map_err(|error| RegistryError::broken(format!("{} cannot be written: {error}", path.display())))
    }

    /// The versions of a subject, oldest first.
    pub fn of_subject<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(move |row| row.subject == subject)
    }
}

impl Row {
    /// Where its text is.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(&self.file)
    }
}

fn row(value: &Value) -> Result<Row, String> {
    let text = |key: &str| {
        value.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| format!("a schema has no `{key}`"))
    };
    let file = text("file")?;
    // The index may come from elsewhere, with a name that leads out of the folder.
    if Path::new(&file).components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
        return Err(format!("`{}` is no file below the folder", super::error::plain(&file)));
    }
    Ok(Row {
        id: json::number(value, "id")?,
        subject: text("subject")?,
        version: json::number(value, "version")?,
        language: json::language(&text("schemaType")?)?,
        file,
        check: text("check")?,
        links: json::links(value.get("references"))?,
    })
}

fn of_row(row: &Row) -> Value {
    let mut value = json!({
        "id": row.id,
        "subject": row.subject,
        "version": row.version,
        "schemaType": json::language_name(row.language),
        "file": row.file,
        "check": row.check,
    });
    if let Some(fields) = value.as_object_mut().filter(|_| !row.links.is_empty()) {
        fields.insert("references".into(), json::of_links(&row.links));
    }
    value
}
