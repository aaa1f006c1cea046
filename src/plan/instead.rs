//! A schema in the place of another one: what would become of a topology if an event type changed.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use crate::schema::{Catalog, EventType, SchemaError, Version};
use crate::spec::SchemaRef;

/// A version of an event type, for planning with it whatever the topology would take.
pub struct Instead {
    catalog: Catalog,
    version: Version,
    /// The file whose place this is about, and its number among the versions of its folder.
    path: PathBuf,
    number: Option<u32>,
    /// Whether it took a place.
    used: Cell<bool>,
}

impl Instead {
    /// The file as it is, and the version before it where it lies in a folder of versions: what topologies read without it.
    pub fn read(path: &Path) -> Result<(Instead, Option<Instead>), SchemaError> {
        let own = Catalog::read(path)?;
        let version = own.versions.last().cloned().ok_or_else(|| SchemaError::Broken("no schema".to_owned()))?;
        let path = canonical(path);
        let folder = path.parent().and_then(|folder| Catalog::read(folder).ok());
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        let made = |catalog: Catalog, version: Version| Instead {
            catalog,
            version,
            path: path.clone(),
            number,
            used: Cell::new(false),
        };
        let before = folder.and_then(|folder| {
            let before = folder.versions.iter().rfind(|version| version.number < number)?.clone();
            Some(made(folder, before))
        });
        Ok((made(own, version), before))
    }

    /// Whether any source or sink had it since this was asked.
    pub fn take_used(&self) -> bool {
        self.used.take()
    }

    /// What is taken for `found`, which `reference` has in the version `asked` (none: the newest), if this takes its place.
    pub(super) fn of(
        &self,
        reference: &SchemaRef,
        asked: Option<u32>,
        found: &EventType,
    ) -> Option<Result<EventType, SchemaError>> {
        let place = reference.path.as_deref().map(canonical);
        let is_file = place.as_deref() == Some(&*self.path);
        let is_folder = place.as_deref() == self.path.parent();
        if is_folder && asked.is_some() && asked != self.number {
            return None;
        }
        let event_type = match self.catalog.parse(&self.version, reference.message.as_deref()) {
            Ok(event_type) => event_type,
            Err(why) => return (is_file || is_folder).then_some(Err(why)),
        };
        // A draft that lies elsewhere is known by its language and name.
        let draft = &event_type.definition;
        let name = draft.full_name().filter(|_| draft.language() == found.definition.language());
        let is_same = name.is_some() && name == found.definition.full_name() && asked.is_none();
        if !is_file && !is_folder && !is_same {
            return None;
        }
        self.used.set(true);
        Some(Ok(event_type))
    }
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}
